//! Repositories that were built anew from Debian's sources, such as Debian Taco's: what stands in their
//! signed indexes is a vote.
//!
//! A repository's word hangs on a chain. A pinned certificate signed the Release file ([`Release`]), that
//! has the hashes of the Packages files ([`Index`]), and those have the hash of every package. But where
//! such a repository could not build a package, it offers Debian's own file. So a list of what was
//! taken over ([`TakenOver`]) must be among the files that the Release file has the hash of: without
//! it nothing that the repository says is a vote.
//!
//! Format: <https://wiki.debian.org/DebianRepository/Format>.

mod index;
mod release;
mod signed;

use std::collections::BTreeMap;

use super::{Claim, KeyRing};
use crate::deb822::packages::MAX_PACKAGES;
use crate::types::{Architecture, Identity, RebuilderName, Timestamp};

pub use index::{Index, TakenOver};
pub use release::{ListedFile, Release};
pub use signed::SignedRelease;

/// Largest Release file that is read, in bytes. Debian's have up to 250 kB.
pub const MAX_RELEASE: usize = 2 * 1024 * 1024;

/// Largest detached signature that is read, in bytes.
pub const MAX_SIGNATURE: usize = 64 * 1024;

/// Largest index that is read, as it is published, in bytes. Debian's largest has 10 MB.
pub const MAX_INDEX: usize = 64 * 1024 * 1024;

/// The parts of a repository that count, as the administrator set them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Terms {
    /// The rebuilder that publishes the repository: only this rebuilder's keys count for it
    pub rebuilder: RebuilderName,
    /// The directory below `dists/`, which must be the Release file's suite or codename
    pub suite: String,
    /// The components that are looked at
    pub components: Vec<String>,
    /// The list of what was taken over, below `dists/SUITE/`
    pub taken_over: String,
}

impl Terms {
    /// The names under which the Packages files of `architecture` can stand in a Release file,
    /// uncompressed and without the suite.
    pub fn indexes(&self, architecture: &Architecture) -> impl Iterator<Item = String> {
        let architecture = architecture.to_string();
        let name = move |it: &String| format!("{it}/binary-{architecture}/Packages");
        self.components.iter().map(name)
    }
}

/// The reason that a repository makes no claim about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryRejection {
    /// Its Release file has no valid signature by a key that counts for the repository.
    #[error("its Release file: {0}")]
    Signature(#[from] super::Rejection),
    /// Its Release file is none.
    #[error("its Release file {0}")]
    Release(&'static str),
    /// Its Release file is that of another suite.
    #[error("its Release file is for another suite: {}", crate::types::printable(.found))]
    OtherSuite {
        /// The suite or codename that the file states
        found: String,
    },
    /// It is not good any more.
    #[error("its Release file expired on {}", .0.date())]
    NoLongerValid(Timestamp),
    /// An older one than was seen before.
    #[error("its Release file of {} is older than an earlier one, of {}", .found.date(), .seen.date())]
    Older {
        /// Its date
        found: Timestamp,
        /// The date of the one that was seen
        seen: Timestamp,
    },
    /// A file that its Release file does not have the hash of.
    #[error("its Release file does not list {}", crate::types::printable(.path))]
    NotListed {
        /// The path of the file
        path: String,
    },
    /// A file that is not there, or not the one that its Release file has the hash of.
    #[error("{} is missing, or differs from what its Release file lists", crate::types::printable(.path))]
    OtherFile {
        /// The path of the file
        path: String,
    },
    /// A file with the right hash that cannot be read all the same.
    #[error("{} {why}", crate::types::printable(.path))]
    Unreadable {
        /// The path of the file
        path: String,
        /// The reason
        why: &'static str,
    },
    /// The package is not in it.
    #[error("it does not have the package")]
    NotInIt,
    /// It has two files of this name, version and architecture.
    #[error("it has several different files of this name, version and architecture")]
    Ambiguous,
    /// It took the file over.
    #[error("it took this file over from another repository and did not build it")]
    TakenOver,
}

impl RepositoryRejection {
    /// A short stable name for each reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(rejection) => rejection.code(),
            Self::Release(_) => "release",
            Self::OtherSuite { .. } => "other-suite",
            Self::NoLongerValid(_) => "release-expired",
            Self::Older { .. } => "older-release",
            Self::NotListed { .. } => "not-listed",
            Self::OtherFile { .. } => "other-file",
            Self::Unreadable { .. } => "unreadable-index",
            Self::NotInIt => "not-in-archive",
            Self::Ambiguous => "ambiguous-index",
            Self::TakenOver => "taken-over",
        }
    }
}

/// All of a repository that was verified.
#[derive(Debug, Clone)]
pub struct Repository {
    release: Release,
    taken_over: TakenOver,
    indexes: BTreeMap<String, Index>,
}

impl Repository {
    /// A repository without indexes.
    #[must_use]
    pub const fn new(release: Release, taken_over: TakenOver) -> Self {
        Self { release, taken_over, indexes: BTreeMap::new() }
    }

    /// Its Release file.
    #[must_use]
    pub const fn release(&self) -> &Release {
        &self.release
    }

    /// Returns true when this index was added already.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.indexes.contains_key(path)
    }

    /// Checks that there is room for one more index: all indexes together may list no more packages
    /// than one may.
    ///
    /// # Errors
    /// If there is no room.
    pub fn check_room(&self, index: &Index) -> Result<(), RepositoryRejection> {
        let all = self.indexes.values().chain([index]).map(Index::len).sum::<usize>();
        if all <= MAX_PACKAGES {
            return Ok(());
        }
        let why = "and the indexes before it list too many packages";
        Err(RepositoryRejection::Unreadable { path: index.path().to_owned(), why })
    }

    /// Adds an index.
    pub fn add(&mut self, index: Index) {
        self.indexes.insert(index.path().to_owned(), index);
    }

    /// The repository's claims about the file of a package: one claim for each pinned key of its
    /// rebuilder that signed its Release file.
    ///
    /// # Errors
    /// If it claims nothing: the reason.
    pub fn claims(
        &self,
        identity: &Identity,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Vec<Claim>, RepositoryRejection> {
        self.release.check_still_good(now)?;
        let mut files = self.indexes.values().filter_map(|index| index.find(identity));
        let found = files.next().ok_or(RepositoryRejection::NotInIt)??;
        if files.any(|other| other != Ok(found)) {
            return Err(RepositoryRejection::Ambiguous);
        }
        let artifact = identity.artifact_name();
        if self.taken_over.has(&artifact, found) {
            return Err(RepositoryRejection::TakenOver);
        }
        Ok(self.release.claims(&artifact, found, keys))
    }
}

/// For the fuzz targets: a Release file as if somebody had signed its text.
#[cfg(fuzzing)]
pub fn as_if_signed(
    text: &[u8],
    terms: &Terms,
    now: Timestamp,
) -> Result<Release, RepositoryRejection> {
    let digest = crate::types::Sha256Digest::of(text);
    Release::signed(text, digest, Vec::new(), terms, now)
}
