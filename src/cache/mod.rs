//! Signed bytes that were fetched before.
//!
//! The directory belongs to the unprivileged user that fetches, so everything in it is as
//! hostile as the network: what is read is bounded and verified again, every time. Nothing in it
//! says that something was verified.
//!
//! Layout: `attestations/NAME_VERSION_ARCH.deb/SHA256-OF-THE-BYTES`, bundles that are fetched as
//! a whole in `bundles/` (see [`Kept`]), and what archives publish in `archives/` (see [`Shelf`]).

mod archives;

mod kept;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::attest;
use crate::sys::files::{read_bounded, write_whole};
use crate::sys::privileges::User;
use crate::types::{ArtifactName, Sha256Digest, Timestamp};

pub use archives::{Published, Shelf};
pub use kept::Kept;

/// Where the cache is unless apt's configuration (`APT::Quorum::Cache`) says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/cache/apt-quorum";

/// Most attestations about one package that are looked through when all are wanted.
const MAX_LOOKED_THROUGH: usize = 10_000;

/// Most packages about which something is listed.
const MAX_LISTED: usize = 1_000_000;

/// Most attestations that are kept and read about one package.
const MAX_ENTRIES: usize = 64;

/// What came of keeping something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is kept now.
    New,
    /// It was kept already.
    Before,
}

/// A directory with signed bytes.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    directory: PathBuf,
}

impl Cache {
    /// The cache in `directory`, which need not exist yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { root: directory.to_owned(), directory: directory.join("attestations") }
    }

    /// The directory that it was made with.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where attestations are kept.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where what archives publish is kept.
    #[must_use]
    pub fn archives(&self) -> PathBuf {
        self.root.join("archives")
    }

    /// What is kept of a suite of the archive at `url`.
    #[must_use]
    pub fn shelf(&self, url: &str, suite: &str) -> Shelf {
        Shelf::new(&self.archives(), url, suite)
    }

    /// Where bundles that were fetched are kept.
    #[must_use]
    pub fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// The place of what is fetched as a whole from `url`.
    #[must_use]
    pub fn kept(&self, url: &str) -> Kept {
        Kept::new(&self.bundles(), url)
    }

    /// About what something may be kept.
    ///
    /// # Errors
    /// If the directory cannot be read. One that is not there is empty.
    pub fn artifacts(&self) -> io::Result<BTreeSet<ArtifactName>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let artifact = |entry: io::Result<fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.parse::<ArtifactName>().ok()
        };
        Ok(entries.take(MAX_LISTED).filter_map(artifact).collect())
    }

    /// What is kept about `artifact`: untrusted bytes. A cache that cannot be read is empty.
    #[must_use]
    pub fn read(&self, artifact: &ArtifactName) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.directory.join(artifact.as_str())) else {
            return Vec::new();
        };
        entries
            .take(MAX_ENTRIES)
            .filter_map(|entry| read_bounded(&entry.ok()?.path(), attest::MAX_BYTES))
            .collect()
    }

    /// Since when these bytes are kept, as far as the file tells. Whoever writes there can have it
    /// tell anything.
    #[must_use]
    pub fn kept_since(&self, artifact: &ArtifactName, bytes: Sha256Digest) -> Option<Timestamp> {
        let path = self.directory.join(artifact.as_str()).join(bytes.to_string());
        let there = path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
        there.modified().ok().map(Timestamp::from)
    }

    /// All that is kept about `artifact`, one after the other, in the order of the names:
    /// untrusted bytes.
    pub fn each(&self, artifact: &ArtifactName) -> impl Iterator<Item = Vec<u8>> {
        let directory = self.directory.join(artifact.as_str());
        let entries = fs::read_dir(&directory).into_iter().flatten().take(MAX_LOOKED_THROUGH);
        let names: BTreeSet<_> = entries.filter_map(|it| Some(it.ok()?.file_name())).collect();
        names.into_iter().filter_map(move |it| read_bounded(&directory.join(it), attest::MAX_BYTES))
    }

    /// Gives the unprivileged user the directories that it writes to, where root alone could make
    /// them. What is not given is not written to: then nothing is kept.
    pub fn give_to(&self, user: &User) {
        let _ = fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.root);
        let roots = |it: &fs::Metadata| it.is_dir() && it.uid() == 0 && it.mode() & 0o022 == 0;
        if !fs::symlink_metadata(&self.root).is_ok_and(|it| roots(&it)) {
            return;
        }
        for directory in [self.directory.clone(), self.bundles(), self.archives()] {
            let _ = fs::DirBuilder::new().mode(0o755).create(&directory);
            // The directory that it is in is root's, so nobody else can put anything in its place.
            if fs::symlink_metadata(&directory).is_ok_and(|it| it.is_dir()) {
                let _ = std::os::unix::fs::lchown(&directory, Some(user.uid), Some(user.gid));
            }
        }
    }

    /// Keeps `attestation` about `artifact`.
    ///
    /// Written under another name first, so that a crash leaves nothing or all of it.
    ///
    /// # Errors
    /// If the directory cannot be written or holds [`MAX_ENTRIES`] already.
    pub fn store(&self, artifact: &ArtifactName, attestation: &[u8]) -> io::Result<Stored> {
        let directory = self.directory.join(artifact.as_str());
        fs::create_dir_all(&directory)?;
        let path = directory.join(Sha256Digest::of(attestation).to_string());
        let length = u64::try_from(attestation.len()).unwrap_or(u64::MAX);
        if path.symlink_metadata().is_ok_and(|there| there.len() == length) {
            return Ok(Stored::Before);
        }
        if fs::read_dir(&directory)?.take(MAX_ENTRIES).count() == MAX_ENTRIES {
            return Err(io::Error::other("too many attestations about one package"));
        }
        write_whole(&path, attestation).map(|()| Stored::New)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Identity;

    fn artifact(name: &str) -> ArtifactName {
        let (package, version) = (name.parse().unwrap(), "1".parse().unwrap());
        Identity { package, version, architecture: "all".parse().unwrap() }.artifact_name()
    }

    #[test]
    fn what_was_stored_is_read_for_its_own_package_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        assert!(cache.read(&artifact("aa")).is_empty());
        cache.store(&artifact("aa"), b"one").unwrap();
        cache.store(&artifact("aa"), b"one").unwrap();
        cache.store(&artifact("aa"), b"two").unwrap();
        assert_eq!(cache.read(&artifact("aa")).len(), 2);
        assert!(cache.read(&artifact("aab")).is_empty());
    }

    #[test]
    fn planted_links_pipes_and_giants_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        cache.store(&artifact("aa"), b"one").unwrap();
        let inside = directory.path().join("attestations/aa_1_all.deb");
        std::os::unix::fs::symlink("/etc/passwd", inside.join("link")).unwrap();
        nix::unistd::mkfifo(&inside.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::write(inside.join("giant"), vec![0; crate::attest::MAX_BYTES + 1]).unwrap();
        assert_eq!(cache.read(&artifact("aa")), [b"one"]);
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        for n in 0..MAX_ENTRIES {
            cache.store(&artifact("aa"), n.to_string().as_bytes()).unwrap();
        }
        assert!(cache.store(&artifact("aa"), b"one more").is_err());
        assert_eq!(cache.read(&artifact("aa")).len(), MAX_ENTRIES);
    }
}
