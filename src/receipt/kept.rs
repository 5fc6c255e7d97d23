//! Reads back from receipts the admitted files and the signed bytes that decisions rested on.
//!
//! The unprivileged user wrote part of those bytes, so they are not trusted: the caller verifies
//! them again.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use super::{DECIDED_BY_METHOD, DECIDED_BY_ROOT, MAX_RECEIPTS, each_line};
use crate::attest;
use crate::sys::files::{Links, open_plain, read_bounded};
use crate::types::{
    Architecture, ArtifactName, DebVersion, Identity, PackageName, Sha256Digest, Timestamp,
};

/// The fields of a receipt that are read again.
#[derive(Deserialize)]
struct RestedOnLine {
    package: PackageName,
    version: DebVersion,
    architecture: Architecture,
    #[serde(default)]
    claims: Vec<Claimed>,
    #[serde(default)]
    conflicts: Vec<Claimed>,
}

#[derive(Deserialize)]
struct Claimed {
    attestation: Sha256Digest,
}

/// Hands over each attestation that the receipts below `state` rest on, with the file that it is
/// about. Skips lines that cannot be parsed.
pub fn rested_on(state: &Path, mut each: impl FnMut(&ArtifactName, Sha256Digest)) {
    for path in [DECIDED_BY_ROOT, DECIDED_BY_METHOD] {
        let Some(file) = open(&state.join(path)) else { continue };
        each_line(file, |line| {
            if let Ok(RestedOnLine { package, version, architecture, claims, conflicts }) =
                serde_json::from_slice(line)
            {
                let artifact = Identity { package, version, architecture }.artifact_name();
                claims.iter().chain(&conflicts).for_each(|it| each(&artifact, it.attestation));
            }
        });
    }
}

/// Most of a file of receipts that is read to be shown, in bytes: its newest part. Root's files are
/// shorter.
const MAX_SHOWN: u64 = 2 * MAX_RECEIPTS;

/// Opens receipts. In a file longer than any of root's, it starts at the newest part. It opens only
/// plain files, because the method's receipts do not belong to root.
#[must_use]
pub fn open(path: &Path) -> Option<File> {
    let mut file = open_plain(path, Links::Refused).ok()?;
    if let Some(before) = file.metadata().ok()?.len().checked_sub(MAX_SHOWN) {
        // The remainder of a line is no JSON.
        file.seek(SeekFrom::Start(before)).ok()?;
    }
    Some(file)
}

/// A file that was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Admitted {
    /// The time of the admission
    pub time: Timestamp,
    /// Its SHA-256, as root computed it
    pub sha256: Sha256Digest,
    /// The basis of the admission: `quorum`, `exception` or `warn-mode`
    pub basis: String,
    /// The signed bytes that it rested on
    #[serde(default, deserialize_with = "attestations")]
    pub claims: Vec<Sha256Digest>,
    /// The first moment at which the exception that it rested on no longer applies
    #[serde(default, rename = "exception", deserialize_with = "end_of_exception")]
    pub until: Option<Timestamp>,
    /// True if a rebuilder had signed another file under its name
    #[serde(default, rename = "conflicts", deserialize_with = "is_there")]
    pub conflict: bool,
}

/// Reads the admissions from the receipts of the hooks that run as root. Hands each file to `each`,
/// from the oldest to the newest. Skips lines that cannot be parsed.
pub fn admitted(receipts: impl Read, mut each: impl FnMut(Identity, Admitted)) {
    #[derive(Deserialize)]
    struct AdmittedLine {
        package: PackageName,
        version: DebVersion,
        architecture: Architecture,
        decision: String,
        #[serde(flatten)]
        admitted: Admitted,
    }

    each_line(receipts, |line| {
        if let Ok(AdmittedLine { package, version, architecture, decision, admitted }) =
            serde_json::from_slice(line)
        {
            if decision == "admit" {
                each(Identity { package, version, architecture }, admitted);
            }
        }
    });
}

fn attestations<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Sha256Digest>, D::Error> {
    Ok(Vec::<Claimed>::deserialize(from)?.into_iter().map(|it| it.attestation).collect())
}

fn end_of_exception<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    struct ExceptionEnd {
        expires: Timestamp,
    }

    Ok(Option::<ExceptionEnd>::deserialize(from)?.map(|it| it.expires))
}

fn is_there<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(!Vec::<serde::de::IgnoredAny>::deserialize(from)?.is_empty())
}

/// Returns the bytes with this SHA-256 that a decision rested on, if they are still there.
#[must_use]
pub fn signed_bytes(state: &Path, sha256: Sha256Digest) -> Option<Vec<u8>> {
    ["evidence", "evidence/method"].iter().find_map(|directory| {
        let path = state.join(directory).join(sha256.to_string());
        read_bounded(&path, attest::MAX_BYTES).filter(|bytes| Sha256Digest::of(bytes) == sha256)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_receipts_tell_something() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("receipts")).unwrap();
        let digest = |n: u8| Sha256Digest::from_bytes([n; 32]);
        let line = |version: &str, n: u8, more: &str| {
            format!(
                r#"{{"package":"hello","version":"{version}","architecture":"all","claims":[{{"attestation":"{}"}}]{more}}}"#,
                digest(n)
            )
        };
        let long = format!(r#","x":"{}""#, "x".repeat(1 << 20));
        let conflict = format!(r#","conflicts":[{{"attestation":"{}"}}]"#, digest(9));
        let hook = [
            line("1:1", 1, ""),
            line("2", 2, &long) + &line("3", 3, ""),
            line("4", 4, &conflict),
            "{\"package\":\"hel".to_owned(),
            line("../5", 5, ""),
            line("6", 6, ""),
        ];
        std::fs::write(state.path().join("receipts/hook.jsonl"), hook.join("\n")).unwrap();
        std::fs::write(state.path().join("receipts/method.jsonl"), line("7", 7, "")).unwrap();
        let mut found = Vec::new();
        rested_on(state.path(), |artifact, sha256| found.push((artifact.to_string(), sha256)));
        let expected = [(1, 1), (4, 4), (4, 9), (6, 6), (7, 7)];
        let expected = expected.map(|(version, n)| (format!("hello_{version}_all.deb"), digest(n)));
        assert_eq!(found, expected);
    }

    #[test]
    fn of_receipts_that_are_longer_than_any_the_newest_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("method.jsonl");
        for more in [0, 1000] {
            File::create(&path).unwrap().set_len(MAX_SHOWN + more).unwrap();
            assert_eq!(open(&path).unwrap().stream_position().unwrap(), more);
        }
    }

    #[test]
    fn what_was_let_in_is_told_from_the_oldest_to_the_newest() {
        let digest = Sha256Digest::from_bytes([1; 32]);
        let line = |decision: &str, more: &str| {
            format!(
                r#"{{"schema":1,"time":"2026-01-02T03:04:05Z","package":"hello","version":"1","architecture":"all","sha256":"{digest}","decision":"{decision}"{more}}}"#
            )
        };
        let claims = format!(r#","basis":"quorum","claims":[{{"attestation":"{digest}"}}]"#);
        let receipts = [
            line("admit", r#","basis":"warn-mode""#),
            line("refuse", ""),
            "{\"cut off".to_owned(),
            line("admit", &claims),
        ];
        let mut found = Vec::new();
        admitted(receipts.join("\n").as_bytes(), |identity, it| {
            found.push((identity.to_string(), it.basis, it.sha256, it.claims));
        });
        let expected = [("warn-mode", vec![]), ("quorum", vec![digest])];
        let expected = expected
            .map(|(basis, claims)| ("hello 1 all".to_owned(), basis.to_owned(), digest, claims));
        assert_eq!(found, expected);
    }
}
