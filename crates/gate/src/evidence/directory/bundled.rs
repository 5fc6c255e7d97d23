//! Bundles as endpoints: a file on this machine, or one that is fetched once a run and kept.
//!
//! The kept file is in a directory that the unprivileged user can write to. So it is trusted no
//! more than the server: a damaged bundle gives nothing, and its content is verified.

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use tokio::sync::OnceCell;

use super::super::bundle::{Bundle, BundleError, MAX_PACKED};
use super::super::http::{Door, DoorError, Fetched as Answer, Validator};
use super::super::{EndpointSource, Gathered, Gathering, Question, Reach};
use super::{answered, unreachable};
use crate::cache::Kept;
use crate::policy::Outcome;
use crate::types::ArtifactName;

/// A bundle on this machine.
pub(super) struct OnDisk {
    path: PathBuf,
    bundle: OnceCell<Arc<Bundle>>,
}

impl OnDisk {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, bundle: OnceCell::new() }
    }
}

impl EndpointSource for OnDisk {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let path = self.path.clone();
            let open = || aside(move || Bundle::open(&path));
            match self.bundle.get_or_try_init(|| async { open().await.map(Arc::new) }).await {
                Ok(bundle) => look(bundle, question).await,
                Err(error) => failed(&error),
            }
        })
    }
}

/// A bundle that is fetched.
pub(super) struct FetchedBundle {
    url: Url,
    door: Result<Door, Outcome>,
    kept: Option<Kept>,
    bundle: OnceCell<Current>,
}

/// The bundle of this run.
struct Current {
    bundle: Arc<Bundle>,
    /// The reason for which it is only the bundle of an earlier run, if it is
    stale: Option<Outcome>,
}

impl FetchedBundle {
    pub(super) fn new(url: Url, door: Result<Door, Outcome>, kept: Option<Kept>) -> Self {
        Self { url, door, kept, bundle: OnceCell::new() }
    }

    /// Returns the bundle in the server's current state: the kept one, if that has not changed. If
    /// the server's cannot be fetched, the one of an earlier run is better than none, because its
    /// signatures remain valid.
    async fn fetch(&self) -> Result<Current, Gathered> {
        let kept = self.kept.clone();
        let kept = aside(move || Ok(kept.and_then(|it| open_kept(&it)))).await.unwrap_or_default();
        let (kept, validator) = kept.unzip();
        match (self.ask(validator.flatten()).await, kept) {
            (Ok(Some(bundle)), _) | (Ok(None), Some(bundle)) => {
                Ok(Current { bundle: Arc::new(bundle), stale: None })
            }
            (Err(failure), Some(bundle)) => {
                Ok(Current { bundle: Arc::new(bundle), stale: Some(failure.outcome) })
            }
            (Err(failure), None) => Err(failure),
            (Ok(None), None) => Err(failed(&BundleError::Damaged)),
        }
    }

    /// Fetches the server's bundle; returns nothing if it is still in the state that `validator`
    /// describes.
    async fn ask(&self, validator: Option<Validator>) -> Result<Option<Bundle>, Gathered> {
        let here = |outcome| Gathered { attestations: Vec::new(), outcome, reach: Reach::Within };
        let door = self.door.as_ref().map_err(|outcome| here(outcome.clone()))?;
        let known = validator.as_ref();
        match door.get_if_changed(self.url.clone(), MAX_PACKED, known).await {
            Ok(Answer::New { body, validator }) => {
                let to = self.kept.clone();
                let taken = aside(move || take(body, validator.as_ref(), to.as_ref())).await;
                taken.map(Some).map_err(|error| failed(&error))
            }
            Ok(Answer::Unchanged) => Ok(None),
            Ok(Answer::Missing) => Err(failed(&BundleError::Read("there is no bundle".to_owned()))),
            Err(DoorError::TooLarge(_)) => Err(failed(&BundleError::TooLarge)),
            Err(error) => {
                let reach = if error.is_transport() { Reach::Out } else { Reach::Within };
                Err(unreachable(Vec::new(), error.to_string(), reach))
            }
        }
    }
}

impl EndpointSource for FetchedBundle {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let current = match self.bundle.get_or_try_init(|| self.fetch()).await {
                Ok(current) => current,
                Err(gathered) => return gathered,
            };
            let found = look(&current.bundle, question).await;
            match &current.stale {
                // The server's may contain what the one of an earlier run does not.
                Some(outcome) => Gathered { outcome: outcome.clone(), ..found },
                None => found,
            }
        })
    }
}

/// Opens the kept bundle, with what the server said about it.
fn open_kept(kept: &Kept) -> Option<(Bundle, Option<Validator>)> {
    let (file, said) = kept.open(MAX_PACKED)?;
    let bundle = Bundle::of_file(file).ok()?;
    Some((bundle, said.and_then(|said| serde_json::from_slice(&said).ok())))
}

/// Reads the fetched bytes, and keeps them if they are a bundle. On disk it takes no memory.
fn take(
    body: Vec<u8>,
    validator: Option<&Validator>,
    kept: Option<&Kept>,
) -> Result<Bundle, BundleError> {
    let bundle = Bundle::of_bytes(body)?;
    let Some(kept) = kept else { return Ok(bundle) };
    let validator = validator.and_then(|it| serde_json::to_vec(it).ok()).unwrap_or_default();
    // A bundle that cannot be kept is fetched again next time, and held in memory now.
    let file = bundle.bytes().and_then(|body| kept.store(body, &validator).ok());
    Ok(match file {
        Some(file) => bundle.on_disk(file),
        None => bundle,
    })
}

async fn look(bundle: &Arc<Bundle>, question: &Question) -> Gathered {
    let bundle = Arc::clone(bundle);
    let artifact: ArtifactName = question.identity.artifact_name();
    match aside(move || bundle.about(&artifact)).await {
        Ok(found) => answered(found),
        Err(error) => failed(&error),
    }
}

fn failed(error: &BundleError) -> Gathered {
    match error {
        BundleError::Read(why) => unreachable(Vec::new(), why.clone(), Reach::Within),
        malformed => Gathered {
            attestations: Vec::new(),
            outcome: Outcome::Malformed { why: malformed.to_string() },
            reach: Reach::Within,
        },
    }
}

/// Does slow work on another thread, so that other endpoints do not have to wait.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BundleError> + Send + 'static,
) -> Result<T, BundleError> {
    let ended = |_| BundleError::Read("reading the bundle ended early".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}
