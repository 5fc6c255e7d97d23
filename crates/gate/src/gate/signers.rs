//! The signers of apt's indexes: the certificates that apt's configuration names, and those of them
//! that signed the Release file of an index.
//!
//! It does not matter which certificate apt used for which source. A policy names fingerprints, and
//! a signature by a certificate with that fingerprint is its owner's, wherever the certificate was
//! found. So a misread source can at worst hide a certificate, and then no condition on its key
//! matches.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::apt::configuration::Configuration;
use crate::apt::sources::{self, Format};
use crate::sys::files::{Links, open_plain, read_at_most};
use crate::sys::inside::Inside;
use crate::types::Unverified;

/// Largest file with sources that is read, in bytes.
const MAX_SOURCES: usize = 1024 * 1024;

/// Largest keyring that is read, in bytes. Debian's archive has one of 60 kB.
const MAX_KEYRING: usize = 4 * 1024 * 1024;

/// Most files with sources, and most keyrings.
const MAX_FILES: usize = 1000;

/// Most certificates that are kept.
const MAX_CERTIFICATES: usize = 1000;

/// The paths of sources and keyrings in apt's configuration.
#[derive(Debug, Clone)]
pub struct Keyrings {
    source_list: PathBuf,
    source_parts: PathBuf,
    trusted: PathBuf,
    trusted_parts: PathBuf,
}

/// The system from which files are read.
#[derive(Debug, Clone, Copy)]
pub enum Root<'a> {
    /// The running one
    Own,
    /// Another one, which no link can leave
    Other(&'a Inside),
}

impl Keyrings {
    /// Reads the paths from this configuration of apt.
    #[must_use]
    pub fn of(apt: &Configuration) -> Self {
        let path = |item, default| apt.path(item, default);
        Self {
            source_list: path("Dir::Etc::sourcelist", "/etc/apt/sources.list"),
            source_parts: path("Dir::Etc::sourceparts", "/etc/apt/sources.list.d"),
            trusted: path("Dir::Etc::trusted", "/etc/apt/trusted.gpg"),
            trusted_parts: path("Dir::Etc::trustedparts", "/etc/apt/trusted.gpg.d"),
        }
    }

    /// Returns the certificates in these files. Leaves out unreadable files.
    #[must_use]
    pub fn certificates(&self, root: Root<'_>) -> Vec<Unverified> {
        let mut paths: BTreeSet<PathBuf> = BTreeSet::from([self.trusted.clone()]);
        paths.extend(root.names(&self.trusted_parts, &["gpg", "asc", "pgp"]));
        let mut found = Vec::new();
        let lists = std::iter::once(self.source_list.clone())
            .chain(root.names(&self.source_parts, &["list", "sources"]));
        for path in lists.take(MAX_FILES) {
            let format = match path.extension() {
                Some(it) if it == "sources" => Format::Stanza,
                _ => Format::Line,
            };
            let Ok(text) = root.read(&path, MAX_SOURCES) else { continue };
            for value in sources::signed_by(&String::from_utf8_lossy(&text), format) {
                if value.starts_with('/') {
                    paths.insert(PathBuf::from(value));
                } else {
                    // A key in the source itself, or a fingerprint of one in the files above.
                    found.extend(Unverified::all_in(value.as_bytes()));
                }
            }
        }
        for path in paths.into_iter().take(MAX_FILES) {
            let keyring = root.read(&path, MAX_KEYRING).unwrap_or_default();
            found.extend(Unverified::all_in(&keyring));
            if found.len() > MAX_CERTIFICATES {
                break;
            }
        }
        found.truncate(MAX_CERTIFICATES);
        found
    }
}

impl Default for Keyrings {
    /// The usual paths.
    fn default() -> Self {
        Self::of(&Configuration::default())
    }
}

impl Root<'_> {
    fn open(self, path: &Path) -> io::Result<File> {
        match self {
            // Debian's own keyring has an old name that is a link.
            Self::Own => open_plain(path, Links::Followed),
            Self::Other(inside) => inside.file(path),
        }
    }

    /// Reads the whole of a file of at most `limit` bytes.
    fn read(self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        read_at_most(self.open(path)?, limit)
    }

    /// Lists the files of a directory that have one of these suffixes, sorted.
    fn names(self, directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
        let entries = match self {
            Self::Own => std::fs::read_dir(directory),
            Self::Other(inside) => {
                inside.directory(directory).and_then(|it| std::fs::read_dir(it.path()))
            }
        };
        let is_meant = |path: &PathBuf| {
            let ending = path.extension().and_then(|it| it.to_str());
            ending.is_some_and(|it| endings.contains(&it))
        };
        let entries = entries.into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|it| directory.join(it.file_name())).filter(is_meant).collect();
        paths.sort();
        paths.truncate(MAX_FILES);
        paths
    }
}
