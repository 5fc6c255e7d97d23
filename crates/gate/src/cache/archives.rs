//! Files of archives that were fetched before.
//!
//! As hostile as everything else in the cache: every reader verifies them.
//!
//! Layout: `archives/ID/` with `InRelease`, or `Release` and `Release.gpg`; `validator`, what the
//! server called that state; and `files/SHA256`, the files that the Release file lists. ID is the
//! SHA-256 of the archive's URL and suite.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::attest::repository::{ListedFile, MAX_INDEX, MAX_RELEASE, MAX_SIGNATURE};
use crate::sys::files::{read_bounded, write_whole};
use crate::sys::room::Room;
use crate::types::Sha256Digest;

/// Most names in a directory that are looked at when old ones are removed.
const MAX_NAMES: usize = 10_000;

/// Longest validator that is read, in bytes.
const MAX_VALIDATOR: usize = 1024;

/// The kept files of one archive and suite.
#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
    /// The space that the files of all archives together may take
    room: Room,
}

/// A Release file as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedRelease {
    /// With the signature inside
    Inline(Vec<u8>),
    /// With the signature beside it
    Detached {
        /// The file
        release: Vec<u8>,
        /// The signature
        signature: Vec<u8>,
    },
}

impl PublishedRelease {
    /// The file that the signature covers, or that contains it.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        match self {
            Self::Inline(file) | Self::Detached { release: file, .. } => file,
        }
    }

    /// The signature beside it.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        match self {
            Self::Inline(_) => None,
            Self::Detached { signature, .. } => Some(signature),
        }
    }
}

impl Shelf {
    /// Returns the shelf, below `directory`, for `suite` of the archive at `url`.
    pub(super) fn new(directory: &Path, url: &str, suite: &str, room: Room) -> Self {
        let id = Sha256Digest::of(format!("{url} {suite}").as_bytes());
        Self { directory: directory.join(id.to_string()), room }
    }

    /// Its Release file.
    #[must_use]
    pub fn release(&self) -> Option<PublishedRelease> {
        if let Some(inline) = self.read("InRelease", MAX_RELEASE) {
            return Some(PublishedRelease::Inline(inline));
        }
        let release = self.read("Release", MAX_RELEASE)?;
        Some(PublishedRelease::Detached {
            release,
            signature: self.read("Release.gpg", MAX_SIGNATURE)?,
        })
    }

    /// The validator that the server sent with this state of its Release file.
    #[must_use]
    pub fn validator(&self) -> Option<Vec<u8>> {
        self.read("validator", MAX_VALIDATOR)
    }

    /// A file that its Release file lists.
    #[must_use]
    pub fn file(&self, listed: &ListedFile) -> Option<Vec<u8>> {
        self.read(&format!("files/{}", listed.sha256), MAX_INDEX.min(listed.size))
    }

    /// Returns true when a file of that name and length is there. Reading it shows whether it is
    /// the right one.
    #[must_use]
    pub fn has(&self, listed: &ListedFile) -> bool {
        let path = self.directory.join("files").join(listed.sha256.to_string());
        let length = u64::try_from(listed.size).unwrap_or(u64::MAX);
        path.symlink_metadata().is_ok_and(|it| it.is_file() && it.len() == length)
    }

    /// Keeps a Release file instead of the one before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store_release(&self, published: &PublishedRelease, validator: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let gone = |name| match fs::remove_file(self.directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        // First: it must not be beside a file that it does not belong to.
        gone("validator")?;
        match published {
            PublishedRelease::Inline(file) => self.write("InRelease", file)?,
            PublishedRelease::Detached { release, signature } => {
                self.write("Release.gpg", signature)?;
                self.write("Release", release)?;
                gone("InRelease")?;
            }
        }
        self.write("validator", validator)
    }

    /// Keeps a file that its Release file lists.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store(&self, listed: &ListedFile, file: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.directory.join("files"))?;
        self.write(&format!("files/{}", listed.sha256), file)?;
        // At once: they are few and large. Nothing else removes them when an archive changes and is
        // never complete.
        self.room.make();
        Ok(())
    }

    /// Removes all files except these.
    pub fn keep_only(&self, files: &BTreeSet<Sha256Digest>) {
        let Ok(entries) = fs::read_dir(self.directory.join("files")) else { return };
        for entry in entries.take(MAX_NAMES).flatten() {
            let name = entry.file_name();
            let kept = name.to_str().and_then(|name| name.parse().ok());
            if !kept.is_some_and(|digest: Sha256Digest| files.contains(&digest)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn read(&self, name: &str, limit: usize) -> Option<Vec<u8>> {
        read_bounded(&self.directory.join(name), limit)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.directory.join(name), bytes)
    }
}
