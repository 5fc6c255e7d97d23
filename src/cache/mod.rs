//! Signed bytes that were fetched before.
//!
//! The directory belongs to the unprivileged user that fetches, so everything in it is as
//! hostile as the network: what is read is bounded and verified again, every time. Nothing in it
//! says that something was verified.
//!
//! Layout: `archives/`, see [`Shelf`], and `attestations/NAME_VERSION_ARCH.deb/SHA256-OF-THE-BYTES`.

mod archives;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::attest;
use crate::sys::files::{read_bounded, write_whole};
use crate::types::{ArtifactName, Sha256Digest};

pub use archives::{Published, Shelf};

/// Where the cache is unless apt's configuration (`APT::Quorum::Cache`) says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/cache/apt-quorum";

/// Most attestations that are kept and read about one package.
const MAX_ENTRIES: usize = 64;

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

    /// The directories below it in which signed bytes are.
    #[must_use]
    pub fn directories(&self) -> [PathBuf; 2] {
        [self.directory.clone(), self.root.join("archives")]
    }

    /// What is kept of a suite of the archive at `url`.
    #[must_use]
    pub fn shelf(&self, url: &str, suite: &str) -> Shelf {
        Shelf::new(&self.root.join("archives"), url, suite)
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

    /// Keeps `attestation` about `artifact`.
    ///
    /// Written under another name first, so that a crash leaves nothing or all of it.
    ///
    /// # Errors
    /// If the directory cannot be written or holds [`MAX_ENTRIES`] already.
    pub fn store(&self, artifact: &ArtifactName, attestation: &[u8]) -> io::Result<()> {
        let directory = self.directory.join(artifact.as_str());
        fs::create_dir_all(&directory)?;
        let path = directory.join(Sha256Digest::of(attestation).to_string());
        let length = u64::try_from(attestation.len()).unwrap_or(u64::MAX);
        if path.symlink_metadata().is_ok_and(|there| there.len() == length) {
            return Ok(());
        }
        if fs::read_dir(&directory)?.take(MAX_ENTRIES).count() == MAX_ENTRIES {
            return Err(io::Error::other("too many attestations about one package"));
        }
        write_whole(&path, attestation)
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
