//! Archives that were built anew.
//!
//! There is nothing to ask about one package: the Release file, the list of what was taken over and
//! the Packages files are fetched once and kept, and whoever judges looks the package up in
//! them ([`crate::attest::archive`]). So the archive's server does not learn what is installed.
//!
//! What is fetched is verified here only to know what to fetch next and to keep nothing that
//! nobody signed. Whoever judges verifies it again.

use std::collections::BTreeSet;

use reqwest::Url;
use tokio::sync::Mutex;

use super::fetch::{Collection, Failure};
use super::http::{Door, Fetched, Validator};
use super::{Gathering, Question, Source};
use crate::attest::KeyRing;
use crate::attest::archive::{Listed, MAX_INDEX, MAX_RELEASE, MAX_SIGNATURE, Release, Terms};
use crate::cache::{Published, Shelf};
use crate::policy::Outcome;
use crate::types::{Architecture, Sha256Digest, Timestamp};

/// One suite of an archive.
pub(super) struct Archive {
    pub(super) base: Url,
    pub(super) door: Door,
    pub(super) terms: Terms,
    pub(super) keys: KeyRing,
    pub(super) shelf: Shelf,
    /// This machine's architecture, in whose indexes packages for all of them stand as well
    pub(super) native: Option<Architecture>,
    pub(super) now: fn() -> Timestamp,
    /// What this process has fetched. Locked while it is fetched, so that all questions but one
    /// wait for it.
    pub(super) state: Mutex<State>,
}

/// What a process has fetched of an archive.
#[derive(Default)]
pub(super) struct State {
    release: Option<Release>,
    /// The same as it was published, until all files that were asked for are there as well: the
    /// one before is of use without a network, and this one would be of none
    fresh: Option<(Published, Option<Validator>)>,
    /// The paths of the files that are there
    complete: BTreeSet<String>,
}

impl Archive {
    async fn bring(&self, question: &Question) -> Result<Outcome, Failure> {
        let mut state = self.state.lock().await;
        let release = match state.release.take() {
            Some(release) => release,
            None => self.bring_release(&mut state).await?,
        };
        let result = self.bring_files(question, &release, &mut state).await;
        if result.is_ok() {
            if let Some((published, validator)) = state.fresh.take() {
                let validator = validator.and_then(|it| serde_json::to_vec(&it).ok());
                let validator = validator.unwrap_or_default();
                let stored = self.shelf.store_release(&published, &validator);
                stored.map_err(|error| not_kept(&error))?;
                self.shelf.keep_only(&release.digests());
            }
        }
        state.release = Some(release);
        result
    }

    async fn bring_files(
        &self,
        question: &Question,
        release: &Release,
        state: &mut State,
    ) -> Result<Outcome, Failure> {
        let taken_over = release.taken_over().map_err(|error| malformed(&error))?;
        let indexes = indexes(release, &question.identity.architecture, self.native.as_ref());
        for listed in std::iter::once(taken_over).chain(indexes) {
            if !state.complete.contains(&listed.path) {
                self.bring_file(release, &listed).await?;
                state.complete.insert(listed.path);
            }
        }
        // Whether it has the package, and what it says about it, is looked up by whoever judges.
        Ok(Outcome::Unknown)
    }

    /// The Release file of now.
    async fn bring_release(&self, state: &mut State) -> Result<Release, Failure> {
        let now = (self.now)();
        let read =
            |it: &Published| Release::read(it.file(), it.signature(), &self.keys, &self.terms, now);
        let kept = self.shelf.release();
        let kept = kept.and_then(|it| Some((read(&it).ok()?, it)));
        let validator = kept.as_ref().and_then(|_| self.shelf.validator());
        let validator = validator.and_then(|it| serde_json::from_slice::<Validator>(&it).ok());
        let inline = kept.as_ref().is_none_or(|(_, it)| matches!(it, Published::Inline(_)));
        let fetched = self.fetch_release(inline, validator.as_ref()).await?;
        let Some((published, validator)) = fetched else {
            let nothing = || Failure::Malformed("it says that nothing changed".to_owned());
            return kept.map(|(release, _)| release).ok_or_else(nothing);
        };
        let release = read(&published).map_err(|error| malformed(&error))?;
        if let Some((kept, _)) = kept {
            release.check_not_older(kept.date()).map_err(|error| malformed(&error))?;
        }
        state.fresh = Some((published, validator));
        Ok(release)
    }

    /// Fetches the Release file. Nothing if it is as it was, which the kept one is known by:
    /// `inline` or not, and its validator.
    async fn fetch_release(
        &self,
        inline: bool,
        since: Option<&Validator>,
    ) -> Result<Option<(Published, Option<Validator>)>, Failure> {
        let since_inline = since.filter(|_| inline);
        let url = self.url("InRelease")?;
        match self.door.get_if_changed(url, MAX_RELEASE, since_inline).await? {
            Fetched::Unchanged => return Ok(None),
            Fetched::New { body, validator } => {
                return Ok(Some((Published::Inline(body), validator)));
            }
            Fetched::Missing => {}
        }
        let since = since.filter(|_| !inline);
        let url = self.url("Release")?;
        let missing = || Failure::Malformed("no Release file is at this URL".to_owned());
        match self.door.get_if_changed(url, MAX_RELEASE, since).await? {
            Fetched::Unchanged => Ok(None),
            Fetched::Missing => Err(missing()),
            Fetched::New { body: release, validator } => {
                let signature = self.door.get(self.url("Release.gpg")?, MAX_SIGNATURE).await?;
                let signature = signature.ok_or_else(missing)?;
                Ok(Some((Published::Detached { release, signature }, validator)))
            }
        }
    }

    async fn bring_file(&self, release: &Release, listed: &Listed) -> Result<(), Failure> {
        if self.shelf.file(listed).is_some_and(|it| is(&it, listed)) {
            return Ok(());
        }
        // By its hash it is there while the archive changes. What an archive adds to the files of
        // others, such as the list of what it took over, may be there by its name only.
        let directory = listed.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let by_hash = format!("{directory}/by-hash/SHA256/{}", listed.sha256);
        let by_hash = release.by_hash().then_some(by_hash.trim_start_matches('/'));
        let mut file = None;
        for path in by_hash.into_iter().chain([listed.path.as_str()]) {
            if file.is_none() {
                file = self.door.get(self.url(path)?, MAX_INDEX.min(listed.size)).await?;
            }
        }
        let file = file.filter(|it| is(it, listed)).ok_or_else(|| {
            Failure::Malformed(format!(
                "{} is not the file that its Release file lists",
                listed.path
            ))
        })?;
        self.shelf.store(listed, &file).map_err(|error| not_kept(&error))
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        let joined = self.base.join(&format!("dists/{}/{path}", self.terms.suite));
        joined.map_err(|error| Failure::Malformed(error.to_string()))
    }
}

impl Source for Archive {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move { Collection::default().finish(self.bring(question).await) })
    }
}

/// The indexes in which a package of this architecture can stand: those for it, and of packages for
/// all architectures, that have no index of their own everywhere, the native one's.
pub fn indexes(
    release: &Release,
    architecture: &Architecture,
    native: Option<&Architecture>,
) -> Vec<Listed> {
    let native = native.filter(|it| architecture.is_all() && *it != architecture);
    std::iter::once(architecture)
        .chain(native)
        .flat_map(|it| release.terms().indexes(it))
        .filter_map(|path| release.file(&path))
        .collect()
}

fn is(file: &[u8], listed: &Listed) -> bool {
    file.len() == listed.size && Sha256Digest::of(file) == listed.sha256
}

fn malformed(error: &impl ToString) -> Failure {
    Failure::Malformed(error.to_string())
}

fn not_kept(error: &std::io::Error) -> Failure {
    Failure::Malformed(format!("it cannot be kept: {}", crate::sys::plain(error)))
}
