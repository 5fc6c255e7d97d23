//! Receipts for people: recent decisions, and the evidence of each rebuilder.
//!
//! For a view of the state of a machine. No decision uses it.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use super::each_line;
use crate::types::{Architecture, DebVersion, PackageName, Sha256Digest, Timestamp};

/// One decision as its receipt has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Decided {
    /// The time of the decision
    pub time: Timestamp,
    /// The place at which the gate decided
    #[serde(default)]
    pub entrance: String,
    /// The file
    pub path: String,
    /// `admit` or `refuse`
    pub decision: String,
    /// The package's name as the file states it, if that could be read
    pub package: Option<PackageName>,
    /// Its version
    pub version: Option<DebVersion>,
    /// Its architecture
    pub architecture: Option<Architecture>,
    /// Its SHA-256, if it could be read
    pub sha256: Option<Sha256Digest>,
    /// The reason for which it was refused, or would have been
    pub reason: Option<DecidedReason>,
    /// The standing of each rebuilder, by the rebuilders' names
    #[serde(default)]
    pub rebuilders: BTreeMap<String, DecidedStanding>,
    /// The rebuilders that signed another file under this name
    #[serde(default)]
    pub conflicts: Vec<DecidedClaim>,
}

/// The reason for which a file was refused, or would have been.
#[derive(Debug, Clone, Deserialize)]
pub struct DecidedReason {
    /// For people
    pub text: String,
}

/// The standing of a rebuilder about one file.
#[derive(Debug, Clone, Deserialize)]
pub struct DecidedStanding {
    /// As apt-quorum(1) lists them
    pub kind: String,
    /// The rebuilder's unsigned status: `good`, `bad` or `not-built`
    pub status: Option<String>,
}

/// The rebuilder that made a claim.
#[derive(Debug, Clone, Deserialize)]
pub struct DecidedClaim {
    /// The rebuilder
    pub rebuilder: String,
}

/// Reads receipts and hands over each decision, from the oldest to the newest. Skips lines that
/// cannot be parsed.
pub fn decided(receipts: impl Read, mut each: impl FnMut(Decided)) {
    each_line(receipts, |line| {
        if let Ok(decided) = serde_json::from_slice(line) {
            each(decided);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_told_and_what_is_cut_off_is_not() {
        let line = |more: &str| {
            format!(
                r#"{{"time":"2026-01-02T03:04:05Z","path":"/x.deb","decision":"refuse"{more}}}"#
            )
        };
        let receipts = [
            line(""),
            "{\"time\":".to_owned(),
            line(
                r#","package":"ab","version":"1","architecture":"all","reason":{"code":"x","text":"why"},"rebuilders":{"alpha":{"kind":"unreachable","why":"y"}},"conflicts":[{"rebuilder":"beta"}]"#,
            ),
            line(r#","package":"../a""#),
        ];
        let mut found = Vec::new();
        decided(receipts.join("\n").as_bytes(), |it| found.push(it));
        assert_eq!(found.len(), 2);
        let (first, second) = (&found[0], &found[1]);
        assert!(first.package.is_none() && first.rebuilders.is_empty());
        assert_eq!(second.reason.as_ref().unwrap().text, "why");
        assert_eq!(second.rebuilders.get("alpha").unwrap().kind, "unreachable");
        assert_eq!(second.conflicts[0].rebuilder, "beta");
    }
}
