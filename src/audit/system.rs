//! The records that a system keeps of itself: dpkg's database, the receipts, and apt's indexes.
//!
//! An audit believes these three, because they are root's. In an image that another party made,
//! they say only what its maker lets them say.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::apt::configuration::Configuration;
use crate::attest;
use crate::deb822::status::{self, Installed, StatusError};
use crate::gate::{Keyrings, Listings, Root, SignerKeys};
use crate::receipt::{self, Admitted};
use crate::sys::inside::Inside;
use crate::sys::plain;
use crate::types::{Identity, Sha256Digest, Timestamp};

/// Largest database of dpkg that is read, in bytes. One with 5,000 packages has 6 MB.
const MAX_STATUS: u64 = 128 * 1024 * 1024;

/// Most packages that a system can have installed. All of Debian for one architecture has 75,000.
const MAX_INSTALLED: usize = 200_000;

/// Largest record of receipts that is read, in bytes. 100,000 installed files leave 200 MB.
const MAX_RECEIPTS: u64 = 2 * 1024 * 1024 * 1024;

/// A system that can be audited.
#[derive(Debug)]
pub struct System {
    inside: Inside,
    status: PathBuf,
    lists: PathBuf,
    keyrings: Keyrings,
    state: PathBuf,
}

/// The reason why a system cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// Something cannot be read.
    #[error("{}: {}", .path.display(), plain(.error))]
    Io {
        /// The path, as seen from the system's root
        path: PathBuf,
        /// The error of the operating system
        error: io::Error,
    },
    /// Something is larger than the limit.
    #[error("{}: larger than the limit", .0.display())]
    TooLarge(PathBuf),
    /// dpkg's database cannot be understood.
    #[error("{}: {why}", .path.display())]
    Status {
        /// The path of the database
        path: PathBuf,
        /// The mistake in it
        why: StatusError,
    },
    /// dpkg has not written down all that it did.
    #[error("{} is not empty: dpkg is running or was interrupted. Run dpkg --configure -a first", .0.display())]
    Unfinished(PathBuf),
}

impl System {
    /// Opens the running system, with the paths that apt's configuration gives.
    ///
    /// # Errors
    /// If there is no root directory.
    pub fn running(apt: &Configuration) -> Result<Self, SystemError> {
        Self::open(
            Path::new("/"),
            apt.path("Dir::State::status", "/var/lib/dpkg/status"),
            apt.path("Dir::State::lists", "/var/lib/apt/lists"),
            Keyrings::of(apt),
            apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY),
        )
    }

    /// Opens another system, with everything in its usual place. Does not read that system's own
    /// configuration.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn at(root: &Path) -> Result<Self, SystemError> {
        Self::open(
            root,
            "/var/lib/dpkg/status".into(),
            "/var/lib/apt/lists".into(),
            Keyrings::default(),
            receipt::DEFAULT_DIRECTORY.into(),
        )
    }

    fn open(
        root: &Path,
        status: PathBuf,
        lists: PathBuf,
        keyrings: Keyrings,
        state: PathBuf,
    ) -> Result<Self, SystemError> {
        let failed = |error| SystemError::Io { path: root.to_owned(), error };
        Ok(Self { inside: Inside::open(root).map_err(failed)?, status, lists, keyrings, state })
    }

    /// Returns the packages that have files on the system, sorted.
    ///
    /// # Errors
    /// If dpkg's database cannot be understood, or is not complete.
    pub fn installed(&self) -> Result<Vec<Installed>, SystemError> {
        let path = &self.status;
        let failed = |error| SystemError::Io { path: path.clone(), error };
        let file = self.inside.file(path).map_err(failed)?;
        let mut text = Vec::new();
        file.take(MAX_STATUS + 1).read_to_end(&mut text).map_err(failed)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_STATUS {
            return Err(SystemError::TooLarge(path.clone()));
        }
        self.is_finished()?;
        let mut installed = status::installed(&text)
            .map_err(|why| SystemError::Status { path: path.clone(), why })?;
        if installed.len() > MAX_INSTALLED {
            return Err(SystemError::TooLarge(path.clone()));
        }
        installed.sort_by(|a, b| a.called.cmp(&b.called));
        Ok(installed)
    }

    /// Checks that dpkg has finished. It first writes its changes to small files, and makes a new
    /// database of them when it ends.
    fn is_finished(&self) -> Result<(), SystemError> {
        let path = self.status.with_file_name("updates");
        let failed = |error| SystemError::Io { path: path.clone(), error };
        let updates = match self.inside.directory(&path) {
            Ok(updates) => updates,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in std::fs::read_dir(updates.path()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                return Err(SystemError::Unfinished(path));
            }
        }
        Ok(())
    }

    /// Returns, for each package that is `wanted`, the file of it that root let in last. The
    /// identity in the value is the one that the file gave itself: it differs from the key only by
    /// the case of its name.
    ///
    /// # Errors
    /// If there are receipts that cannot be read.
    pub fn admitted(
        &self,
        wanted: impl Fn(&Identity) -> bool,
    ) -> Result<BTreeMap<Identity, (Identity, Admitted)>, SystemError> {
        let mut newest = BTreeMap::new();
        let path = self.state.join(receipt::DECIDED_BY_ROOT);
        let failed = |error| SystemError::Io { path: path.clone(), error };
        let file = match self.inside.file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(newest),
            Err(error) => return Err(failed(error)),
        };
        // The newest receipts are at the end, so reading only a part would tell something else.
        if file.metadata().map_err(failed)?.len() > MAX_RECEIPTS {
            return Err(SystemError::TooLarge(path));
        }
        receipt::admitted(file.take(MAX_RECEIPTS), |identity, it| {
            if wanted(&identity) {
                newest.insert(identity.clone(), (identity, it));
            }
        });
        Ok(newest)
    }

    /// The signed bytes of this SHA-256 that a receipt rests on, if they are still there.
    #[must_use]
    pub fn signed_bytes(&self, sha256: Sha256Digest) -> Option<Vec<u8>> {
        let read = |file: File| {
            let mut bytes = Vec::new();
            let limit = u64::try_from(attest::MAX_BYTES).ok()?;
            file.take(limit).read_to_end(&mut bytes).ok()?;
            (Sha256Digest::of(&bytes) == sha256).then_some(bytes)
        };
        ["evidence", "evidence/method"].iter().find_map(|directory| {
            let path = self.state.join(directory).join(sha256.to_string());
            self.inside.file(&path).ok().and_then(read)
        })
    }

    /// Reads the entries about these packages from apt's indexes on the system, with the repositories
    /// that signed them, by keys as valid at `now`. Without indexes, there are none.
    #[must_use]
    pub fn listings(&self, wanted: impl Fn(&Identity) -> bool, now: Timestamp) -> Listings {
        let certificates = self.keyrings.certificates(Root::Other(&self.inside));
        let signers = SignerKeys { certificates, now };
        match self.inside.directory(&self.lists) {
            Ok(lists) => Listings::load(&lists.path(), Some(&signers), |sha256, identity| {
                sha256.is_some() && wanted(identity)
            }),
            Err(_) => Listings::default(),
        }
    }
}
