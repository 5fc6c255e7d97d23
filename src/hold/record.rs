//! What is held back, since when and why: kept for people, and decides nothing.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sys::files::{PreparedFile, read_bounded};
use crate::types::{DebVersion, Identity, RebuilderName, Sha256Digest, Timestamp};

/// The name of the file, below `APT::Quorum::State`.
pub const STATE: &str = "held.json";

/// Largest file that is read, in bytes. About one package it has less than 2 kB.
const MAX_STATE: usize = 16 * 1024 * 1024;

/// Most names that one line has.
const NAMED: usize = 3;

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRecord {
    /// 1
    pub schema: u32,
    /// The time at which this was worked out; none if it never was
    pub time: Option<Timestamp>,
    /// The versions that are held back
    pub held: Vec<HeldPackage>,
    /// The versions that the administrator released: they are never held
    #[serde(default)]
    pub released: Vec<Released>,
    /// Sentences about what could not be held, without a full stop
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One version that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPackage {
    /// The package at this version
    #[serde(flatten)]
    pub package: Identity,
    /// The architecture under which apt keeps it
    pub kept_as: String,
    /// The version that stays installed
    pub installed: DebVersion,
    /// The time since which some version of it is held
    pub since: Timestamp,
    /// True if a repository of security updates offers it
    pub security: bool,
    /// True if the rebuilders' answers are the reason, and not another package
    pub unconfirmed: bool,
    /// The reason, in words
    pub reason: String,
    /// The rebuilders that do not confirm it
    pub missing: Vec<RebuilderName>,
    /// The SHA-256 of its file, if the indexes have one file for it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// True once people were told that it is held for too long
    #[serde(default)]
    pub alarmed: bool,
}

/// A version that is not held, whatever rebuilders say about it. The gate still judges it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Released {
    /// The package at this version
    #[serde(flatten)]
    pub package: Identity,
}

impl HeldRecord {
    /// Reads the file. A file that is missing or cannot be read is as if nothing were held: with the
    /// next refresh it is written anew.
    #[must_use]
    pub fn read(state: &Path) -> Self {
        let bytes = read_bounded(&state.join(STATE), MAX_STATE);
        bytes.and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default()
    }

    /// Prepares the file.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn prepare(&self, state: &Path) -> std::io::Result<PreparedFile> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        PreparedFile::write(&state.join(STATE), &text)
    }

    /// Returns the entry of this package in this architecture, whatever its version.
    #[must_use]
    pub fn of(&self, package: &Identity, kept_as: &str) -> Option<&HeldPackage> {
        let same =
            |it: &&HeldPackage| it.package.package == package.package && it.kept_as == kept_as;
        self.held.iter().find(same)
    }

    /// The time since which the oldest one is held.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.held.iter().map(|it| it.since).min()
    }

    /// Returns the one line that people read at each run of apt; none if nothing is held.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let since = self.oldest()?.date();
        let names: BTreeSet<&str> =
            self.held.iter().map(|it| it.package.package.as_str()).collect();
        let missing: BTreeSet<&RebuilderName> =
            self.held.iter().flat_map(|it| &it.missing).collect();
        let want = match missing.is_empty() {
            true => String::new(),
            false => format!(", for want of {}", first(missing.len(), missing)),
        };
        let held = match self.held.len() {
            1 => format!("1 package is held back since {since}"),
            count => format!("{count} packages are held back, the oldest since {since}"),
        };
        let names = first(names.len(), names);
        Some(format!("{held}{want}: {names}. See: apt-quorum hold list"))
    }
}

/// Returns the first few as a list, with the number of the others.
fn first<T: ToString>(count: usize, all: impl IntoIterator<Item = T>) -> String {
    let shown: Vec<String> = all.into_iter().take(NAMED).map(|it| it.to_string()).collect();
    let shown = shown.join(", ");
    match count.checked_sub(NAMED).filter(|it| *it > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

impl HeldPackage {
    /// The reason as apt's preferences show it.
    #[must_use]
    pub fn explanation(&self) -> String {
        format!("held back by apt-quorum since {}: {}", self.since.date(), self.reason)
    }

    /// Returns the number of whole days for which it is held.
    #[must_use]
    pub fn days(&self, now: Timestamp) -> i64 {
        (now.as_unix() - self.since.as_unix()).max(0) / (24 * 60 * 60)
    }
}
