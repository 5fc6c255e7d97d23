//! The packages that are held back: versions that apt leaves alone until enough rebuilders confirm
//! them.
//!
//! Read for people and for monitoring. No decision uses it.

use std::path::Path;

use serde::Deserialize;

use crate::sys::files::{Links, open_plain, read_at_most};
use crate::sys::plain;
use crate::types::{Architecture, DebVersion, PackageName, Timestamp};

/// The file with the packages that are held, below `APT::Quorum::State`.
pub const HELD: &str = "held.json";

/// Largest such file that is read, in bytes. A package takes 500 bytes.
const MAX_HELD: usize = 16 * 1024 * 1024;

/// Version of the file's format.
const SCHEMA: u32 = 1;

/// The packages that are held back, as they were at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeldPackages {
    schema: u32,
    /// The time at which they were determined
    pub time: Timestamp,
    /// The packages
    pub held: Vec<HeldPackage>,
}

/// A version of a package that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeldPackage {
    /// The package
    pub package: PackageName,
    /// Its architecture
    pub architecture: Architecture,
    /// The version that is held
    pub version: DebVersion,
    /// The time since which it is held
    pub since: Timestamp,
    /// True if a repository of security updates offers it
    #[serde(default)]
    pub security: bool,
}

impl HeldPackages {
    /// Reads the packages that are held, below `state`. Returns nothing if nothing was ever held.
    ///
    /// # Errors
    /// If there is a file that cannot be read; for people.
    pub fn read(state: &Path) -> Result<Option<Self>, String> {
        let path = state.join(HELD);
        let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let file = match open_plain(&path, Links::Refused) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| failed(&plain(&error)))?,
        };
        let json = read_at_most(file, MAX_HELD).map_err(|error| failed(&plain(&error)))?;
        match serde_json::from_slice::<Self>(&json) {
            Ok(held) if held.schema == SCHEMA => Ok(Some(held)),
            Ok(_) => Err(failed(&"unknown version of the format")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(failed(&format_args!("invalid (line {line}, column {column})")))
            }
        }
    }

    /// The time since which the oldest of them is held; none if none is held.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        self.held.iter().map(|it| it.since).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Option<&str>) -> Result<Option<HeldPackages>, String> {
        let state = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::write(state.path().join(HELD), text).unwrap();
        }
        HeldPackages::read(state.path())
    }

    fn package(name: &str, since: &str) -> String {
        format!(
            r#"{{"package":"{name}","architecture":"amd64","version":"2.10-5","installed":"2.10-4","since":"{since}","security":true,"reason":"why"}}"#
        )
    }

    #[test]
    fn the_oldest_is_the_one_that_is_held_longest() {
        let list = [package("aa", "2026-11-28T07:00:00Z"), package("bb", "2026-11-27T07:00:00Z")];
        let text =
            format!(r#"{{"schema":1,"time":"2026-12-01T08:00:00Z","held":[{}]}}"#, list.join(","));
        let held = read(Some(&text)).unwrap().unwrap();
        assert_eq!(held.oldest(), "2026-11-27T07:00:00Z".parse().ok());
        assert!(held.held.iter().all(|it| it.security));
        let none = read(Some(r#"{"schema":1,"time":"2026-12-01T08:00:00Z","held":[]}"#));
        assert_eq!(none.unwrap().unwrap().oldest(), None);
    }

    #[test]
    fn no_file_is_nothing_held_and_a_damaged_one_is_an_error() {
        assert_eq!(read(None), Ok(None));
        let old = r#"{"schema":2,"time":"2026-12-01T08:00:00Z","held":[]}"#;
        for bad in ["", "{", "[]", old, r#"{"schema":1,"time":"x","held":[]}"#] {
            assert!(read(Some(bad)).is_err(), "{bad}");
        }
    }
}
