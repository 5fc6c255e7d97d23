//! in-toto Statements, and which of them say that somebody rebuilt a package.
//!
//! Statement: in-toto attestation framework, `spec/v1/statement.md` and `spec/v0.1.0/statement.md`.
//! The predicates: `spec/predicates/link.md`, `svr.md` and `vsa.md` there, SLSA provenance
//! (<https://slsa.dev/spec/v1.0/provenance>), and OSS Rebuild's use of the latter
//! (<https://docs.oss-rebuild.dev/>).
//!
//! A statement is a vote only if the administrator takes that kind from that rebuilder. "I built
//! this" says nothing when the repository says it, and a summary says no more than its verifier
//! checked.

use std::fmt;

use super::json::Value;
use super::{AHEAD, Rejection, WantedFile, check_step};
use crate::types::{Sha256Digest, Timestamp, printable};

/// A kind of statement that counts as a rebuilder's vote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Accepted {
    /// A link for the step `rebuild`: what came out is the subject.
    Link,
    /// SLSA provenance by this builder: it built the subject from source by itself.
    SlsaProvenance {
        /// `runDetails.builder.id`
        builder: String,
    },
    /// OSS Rebuild's equivalence, by this builder, where what was rebuilt equals the subject bit
    /// for bit and not only after stabilising.
    OssRebuild {
        /// `runDetails.builder.id`
        builder: String,
    },
    /// A simple verification result.
    Svr(Findings),
    /// A SLSA verification summary.
    Vsa(Findings),
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, verified) = match self {
            Self::Link => return f.write_str("links"),
            Self::SlsaProvenance { builder } => {
                return write!(f, "provenance by {}", printable(builder));
            }
            Self::OssRebuild { builder } => {
                return write!(f, "OSS Rebuild by {}", printable(builder));
            }
            Self::Svr(verified) => ("results", verified),
            Self::Vsa(verified) => ("summaries", verified),
        };
        let days = verified.lasts / (24 * 60 * 60);
        let properties = verified.properties.join(" or ");
        let (verifier, properties) = (printable(&verified.verifier), printable(&properties));
        write!(f, "{what} by {verifier} that found {properties}, for {days} days")
    }
}

/// The findings that a verifier must report, and the time for which they count.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    /// `verifier.id`
    pub verifier: String,
    /// Properties (of a summary: verified levels) of which it must have found one.
    pub properties: Vec<String>,
    /// The number of seconds for which its findings count.
    pub lasts: i64,
}

/// The statement in a payload.
pub(super) struct RebuildStatement {
    predicate_type: String,
    document: Value,
}

impl RebuildStatement {
    pub(super) fn of(document: Value) -> Result<Self, Rejection> {
        let text = |key: &str| document.member(key).and_then(Value::as_str).unwrap_or_default();
        let found = text("_type");
        if !["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"]
            .contains(&found)
        {
            return Err(Rejection::WrongType { found: found.to_owned() });
        }
        Ok(Self { predicate_type: text("predicateType").to_owned(), document })
    }

    /// Checks that the statement says, in one of the accepted ways, that its subjects were rebuilt.
    /// `subject` is the one that is looked at.
    pub(super) fn is_a_vote(
        &self,
        accepted: &[Accepted],
        subject: &Result<Sha256Digest, Rejection>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let mut why = None;
        for kind in accepted.iter().filter(|it| it.is_for(&self.predicate_type)) {
            match self.check(kind, subject, now) {
                Ok(()) => return Ok(()),
                Err(error) => drop(why.get_or_insert(error)),
            }
        }
        Err(why.unwrap_or(Rejection::PredicateNotAccepted { found: self.predicate_type.clone() }))
    }

    fn check(
        &self,
        kind: &Accepted,
        subject: &Result<Sha256Digest, Rejection>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match kind {
            Accepted::Link => check_step(self.text(&["name"])),
            Accepted::SlsaProvenance { builder } => {
                self.is_text(&["runDetails", "builder", "id"], "builder", builder)?;
                let build_type = self.text(&["buildDefinition", "buildType"]);
                // Says that two files are alike, not that anybody built one of them.
                if build_type.starts_with(OSS_REBUILD) {
                    return Err(Rejection::PredicateContent(
                        "it is a statement of OSS Rebuild: accept it by the type \"oss-rebuild\"",
                    ));
                }
                Ok(())
            }
            Accepted::OssRebuild { builder } => {
                self.is_text(&["runDetails", "builder", "id"], "builder", builder)?;
                self.check_equivalence(subject.clone()?)
            }
            Accepted::Svr(verified) => {
                self.check_verified(verified, "properties", "timeCreated", now)
            }
            Accepted::Vsa(verified) => {
                self.is_text(&["verificationResult"], "verificationResult", "PASSED")?;
                self.check_verified(verified, "verifiedLevels", "timeVerified", now)
            }
        }
    }

    /// Checks that the rebuilt file is the subject itself, whether the subject is the wanted file
    /// or another one. OSS Rebuild also signs that two files are the same after it has removed the
    /// differences from both.
    fn check_equivalence(&self, subject: Sha256Digest) -> Result<(), Rejection> {
        let build_type = self.text(&["buildDefinition", "buildType"]);
        if build_type != EQUIVALENCE {
            return Err(Rejection::PredicateContent("it is not an artifact equivalence"));
        }
        let compared = self.predicate(&["buildDefinition", "resolvedDependencies"]);
        let compared = compared.and_then(Value::as_array).unwrap_or_default();
        let mut rebuilt = compared.iter().filter(|it| {
            it.member("name").and_then(Value::as_str).is_some_and(|it| it.starts_with("rebuild/"))
        });
        let (Some(rebuilt), None) = (rebuilt.next(), rebuilt.next()) else {
            return Err(Rejection::PredicateContent("it does not name exactly one rebuilt file"));
        };
        if sha256(rebuilt) == Some(subject) {
            Ok(())
        } else {
            Err(Rejection::PredicateContent("the rebuilt file differs from the subject"))
        }
    }

    fn check_verified(
        &self,
        verified: &Findings,
        properties: &str,
        time: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.is_text(&["verifier", "id"], "verifier", &verified.verifier)?;
        let found = self.predicate(&[properties]).and_then(Value::as_array).unwrap_or_default();
        let has = |wanted: &String| found.iter().any(|it| it.as_str() == Some(wanted));
        if !verified.properties.iter().any(has) {
            return Err(Rejection::PredicateContent("it has none of the accepted properties"));
        }
        let time: Timestamp = self
            .text(&[time])
            .parse()
            .map_err(|_| Rejection::PredicateContent("it has no valid time of verification"))?;
        let age = now.as_unix().saturating_sub(time.as_unix());
        if age < -AHEAD {
            Err(Rejection::PredicateContent("its date is in the future"))
        } else if age >= verified.lasts {
            Err(Rejection::PredicateContent("it is too old"))
        } else {
            Ok(())
        }
    }

    /// The time at which it was made, by its own statement, in the field of its kind.
    pub(super) fn dated(&self) -> Option<Timestamp> {
        let places: [&[&str]; 3] =
            [&["timeCreated"], &["timeVerified"], &["runDetails", "metadata", "finishedOn"]];
        places.iter().find_map(|path| self.text(path).parse().ok())
    }

    /// The SHA-256 that the statement gives for the file that is wanted: equal to the wanted one,
    /// or another one under the very same name. Where no hash is wanted, that of the subject of this
    /// name, or else of one without a name.
    pub(super) fn subject(&self, wanted: WantedFile<'_>) -> Result<Sha256Digest, Rejection> {
        let subjects = self
            .document
            .member("subject")
            .and_then(Value::as_array)
            .ok_or(Rejection::Shape("\"subject\" is not an array"))?;
        let (mut matching, mut unnamed) = (Vec::new(), None);
        for subject in subjects {
            let name = subject.member("name").and_then(Value::as_str).unwrap_or_default();
            let same_name = name == wanted.artifact.as_str();
            match sha256(subject) {
                Some(sha256) if same_name || Some(sha256) == wanted.sha256 => {
                    matching.push((name, sha256));
                }
                Some(sha256) if wanted.sha256.is_none() && is_unnamed(name) => {
                    unnamed.get_or_insert(sha256);
                }
                Some(_) => {}
                None if same_name => {
                    return Err(Rejection::NoSha256 { product: name.to_owned() });
                }
                None => {}
            }
        }
        // A subject without a name is what its digest is.
        match matching.as_slice() {
            [(name, sha256)] if is_unnamed(name) => Ok(*sha256),
            several => wanted.only(several)?.or(unnamed).ok_or(Rejection::OtherArtifact),
        }
    }

    fn predicate(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(self.document.member("predicate")?, |it, key| it.member(key))
    }

    fn text(&self, path: &[&str]) -> &str {
        self.predicate(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn is_text(&self, path: &[&str], what: &'static str, wanted: &str) -> Result<(), Rejection> {
        let found = self.text(path);
        match found == wanted {
            true => Ok(()),
            false => Err(Rejection::OtherParty { what, found: found.to_owned() }),
        }
    }
}

/// The prefix of OSS Rebuild's build types, and the build type that compares.
const OSS_REBUILD: &str = "https://docs.oss-rebuild.dev/";
const EQUIVALENCE: &str = "https://docs.oss-rebuild.dev/builds/ArtifactEquivalence@v0.1";

impl Accepted {
    /// Returns true when a statement with this predicate type can be of this kind.
    fn is_for(&self, predicate_type: &str) -> bool {
        let types: &[&str] = match self {
            Self::Link => &[
                "https://in-toto.io/attestation/link/v0.3",
                "https://in-toto.io/attestation/link/v0.2",
                "https://in-toto.io/Link/v0.2",
            ],
            Self::SlsaProvenance { .. } | Self::OssRebuild { .. } => {
                &["https://slsa.dev/provenance/v1"]
            }
            Self::Svr(_) => &[
                "https://in-toto.io/attestation/svr/v0.1",
                "https://in-toto.io/attestation/svr/v0.2",
            ],
            Self::Vsa(_) => &["https://slsa.dev/verification_summary/v1"],
        };
        types.contains(&predicate_type)
    }
}

/// The SHA-256 of a resource descriptor.
fn sha256(descriptor: &Value) -> Option<Sha256Digest> {
    descriptor.member("digest")?.member("sha256")?.as_str()?.parse().ok()
}

/// Returns true when a subject has no name, which version 0.1 writes as `_`.
fn is_unnamed(name: &str) -> bool {
    matches!(name, "" | "_")
}
