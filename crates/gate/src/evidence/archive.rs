//! Archives that rebuilt packages.
//!
//! No question is asked about one package: the Release file, the list of packages that were copied,
//! and the Packages files are fetched once and kept. The judgement looks the package up in them
//! ([`crate::attest::repository`]). So the archive's server does not learn which packages are
//! installed.
//!
//! Fetched files are verified here only to know which to fetch next, and to keep nothing unsigned.
//! The judgement verifies them again.

use std::collections::BTreeSet;

use reqwest::Url;
use tokio::sync::Mutex;

use super::fetch::{Collection, Failure};
use super::http::{Door, Fetched, Validator};
use super::{EndpointSource, Gathering, Question};
use crate::attest::KeyRing;
use crate::attest::repository::{
    ListedFile, MAX_INDEX, MAX_RELEASE, MAX_SIGNATURE, Release, Terms,
};
use crate::cache::{PublishedRelease, Shelf};
use crate::policy::Outcome;
use crate::types::{Architecture, Sha256Digest, Timestamp};

/// One suite of an archive.
pub(super) struct ArchiveSource {
    pub(super) base: Url,
    pub(super) door: Door,
    pub(super) terms: Terms,
    pub(super) keys: KeyRing,
    pub(super) shelf: Shelf,
    /// This machine's architecture, whose indexes also contain packages for all architectures
    pub(super) native: Option<Architecture>,
    pub(super) now: fn() -> Timestamp,
    /// The files that this process has fetched. The state is locked during a fetch, so that all
    /// other questions wait for it.
    pub(super) state: Mutex<ArchiveState>,
}

/// The files of an archive that a process has fetched.
#[derive(Default)]
pub(super) struct ArchiveState {
    release: Option<Release>,
    /// The Release file as it was published, until all files that were asked for are there as well.
    /// Without a network, the earlier one is useful and this one would not be
    fresh: Option<(PublishedRelease, Option<Validator>)>,
    /// The paths of the files that are there
    complete: BTreeSet<String>,
}

impl ArchiveSource {
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
        state: &mut ArchiveState,
    ) -> Result<Outcome, Failure> {
        let taken_over = release.taken_over().map_err(|error| malformed(&error))?;
        let indexes = indexes(release, &question.identity.architecture, self.native.as_ref());
        for listed in std::iter::once(taken_over).chain(indexes) {
            if !state.complete.contains(&listed.path) {
                self.bring_file(release, &listed).await?;
                state.complete.insert(listed.path);
            }
        }
        // The judgement looks up whether it has the package, and its entry.
        Ok(Outcome::Unknown)
    }

    /// Returns the current Release file.
    async fn bring_release(&self, state: &mut ArchiveState) -> Result<Release, Failure> {
        let now = (self.now)();
        let read = |it: &PublishedRelease| {
            Release::read(it.file(), it.signature(), &self.keys, &self.terms, now)
        };
        let kept = self.shelf.release();
        let kept = kept.and_then(|it| Some((read(&it).ok()?, it)));
        let validator = kept.as_ref().and_then(|_| self.shelf.validator());
        let validator = validator.and_then(|it| serde_json::from_slice::<Validator>(&it).ok());
        let inline = kept.as_ref().is_none_or(|(_, it)| matches!(it, PublishedRelease::Inline(_)));
        let fetched = self.fetch_release(inline, validator.as_ref()).await?;
        let Some((published, validator)) = fetched else {
            let nothing = || {
                Failure::Malformed(
                    "the server reports no change of a file that was never fetched".to_owned(),
                )
            };
            return kept.map(|(release, _)| release).ok_or_else(nothing);
        };
        let release = read(&published).map_err(|error| malformed(&error))?;
        if let Some((kept, _)) = kept {
            release.check_not_older(kept.date()).map_err(|error| malformed(&error))?;
        }
        state.fresh = Some((published, validator));
        Ok(release)
    }

    /// Fetches the Release file. Returns nothing if it has not changed since the kept one, which
    /// `inline` and its validator describe.
    async fn fetch_release(
        &self,
        inline: bool,
        since: Option<&Validator>,
    ) -> Result<Option<(PublishedRelease, Option<Validator>)>, Failure> {
        let since_inline = since.filter(|_| inline);
        let url = self.url("InRelease")?;
        match self.door.get_if_changed(url, MAX_RELEASE, since_inline).await? {
            Fetched::Unchanged => return Ok(None),
            Fetched::New { body, validator } => {
                return Ok(Some((PublishedRelease::Inline(body), validator)));
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
                Ok(Some((PublishedRelease::Detached { release, signature }, validator)))
            }
        }
    }

    async fn bring_file(&self, release: &Release, listed: &ListedFile) -> Result<(), Failure> {
        if self.shelf.file(listed).is_some_and(|it| is(&it, listed)) {
            return Ok(());
        }
        // The path by hash still works while the archive changes. Files that an archive adds to
        // those of others, such as the list of copied packages, may only be there by name.
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

impl EndpointSource for ArchiveSource {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move { Collection::default().finish(self.bring(question).await) })
    }
}

/// The indexes that can contain a package of this architecture. For packages for all architectures,
/// which do not have their own index everywhere, these include the native architecture's.
pub fn indexes(
    release: &Release,
    architecture: &Architecture,
    native: Option<&Architecture>,
) -> Vec<ListedFile> {
    let native = native.filter(|it| architecture.is_all() && *it != architecture);
    std::iter::once(architecture)
        .chain(native)
        .flat_map(|it| release.terms().indexes(it))
        .filter_map(|path| release.file(&path))
        .collect()
}

fn is(file: &[u8], listed: &ListedFile) -> bool {
    file.len() == listed.size && Sha256Digest::of(file) == listed.sha256
}

fn malformed(error: &impl ToString) -> Failure {
    Failure::Malformed(error.to_string())
}

fn not_kept(error: &std::io::Error) -> Failure {
    Failure::Malformed(format!("it cannot be kept: {}", crate::sys::plain(error)))
}
