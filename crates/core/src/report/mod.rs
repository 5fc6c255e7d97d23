//! One report of a decision, from which receipts, JSON and the text for people are made.
//!
//! Pure. Everything from outside that it shows is made printable.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod exempted;
mod paint;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::attest::Claim;
use crate::policy::{
    Assessment, Basis, Decision, Exemption, GroupCount, Listing, Named, Place, Reason, Report,
    Standing,
};
use crate::types::{GroupName, Identity, RebuilderName, Sha256Digest, Timestamp};

pub use paint::painted;
pub use text::{
    conflict, exempted, from_groups, next_step, reason, refusal_line, standing, standings, summary,
    unhashed, verdict,
};

/// Version of the JSON that [`Record`] becomes. It grows by new members; a member that changes
/// its meaning raises it.
pub const SCHEMA: u32 = 1;

/// The place at which the gate made a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// The apt method
    Method,
    /// `AptCli::Hooks`, before apt's question. It refuses by indexes, without the file
    BeforePrompt,
    /// `DPkg::Pre-Install-Pkgs`
    Hook,
    /// dpkg's `pre-invoke`
    Dpkg,
    /// dpkg's question about signatures, `debsig-verify`
    Debsig,
    /// `apt-quorum verify`
    Verify,
    /// `apt-quorum bootstrap`
    Bootstrap,
}

/// A decision with all that it rests on. Its JSON is documented in apt-quorum(1).
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The time of the decision
    pub time: Timestamp,
    /// The place at which the gate made it
    pub entrance: Entrance,
    /// The file
    pub path: String,
    /// `admit` or `refuse`
    pub decision: &'static str,
    /// The basis of an admission: `quorum`, `exception` or `warn-mode`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<&'static str>,
    /// The reason that it was refused, or would have been
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordedReason>,
    /// The identity in the file's control data
    #[serde(flatten)]
    pub identity: Option<Identity>,
    /// Its source package and that one's version
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its SHA-256
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// Its size in bytes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The repositories that offer it, if the policy looks at them
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<Listing>,
    /// The judgement that it rests on
    #[serde(flatten)]
    pub report: RecordedReport,
    /// The exception that was used
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exemption>,
    /// Is true when it is debt: installed without a quorum
    pub debt: bool,
    /// SHA-256 over the configuration that it was judged by
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Sha256Digest>,
    /// The reasons that attestations from this machine made no claim
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The assessment of a package whose file is not here, as JSON. apt-quorum(1) documents it.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedAssessment {
    /// Its name, version and architecture
    #[serde(flatten)]
    pub identity: Identity,
    /// Its source package and that one's version; none if the index has no valid one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The SHA-256 of its file, as told
    pub sha256: Sha256Digest,
    /// `confirmed`, `excepted` or `unconfirmed`
    pub state: &'static str,
    /// The repositories that offer it
    pub listings: Vec<Listing>,
    /// The reason that it is not confirmed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordedReason>,
    /// The exception that is in force
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exemption>,
    /// The judgement that it rests on
    #[serde(flatten)]
    pub report: RecordedReport,
}

/// The judgement that a decision or an assessment rests on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RecordedReport {
    /// The rule that matched; none if the default applies
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The number of rebuilders that must confirm it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
    /// The confirmations that must come from within groups of rebuilders
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<GroupName, RecordedGroup>,
    /// The standing of each rebuilder
    pub rebuilders: BTreeMap<RebuilderName, Standing>,
    /// The votes
    pub claims: Vec<RecordedClaim>,
    /// The claims about other bytes of the same name
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<RecordedClaim>,
}

/// The confirmations from within a group of rebuilders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecordedGroup {
    /// The number of its members that must confirm the file
    pub threshold: u32,
    /// The number of its members that do
    pub confirmed: usize,
}

/// The reason that a file was refused, or would have been.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedReason {
    /// A short stable name
    pub code: &'static str,
    /// For people
    pub text: String,
}

/// A claim.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedClaim {
    /// The rebuilder that made it
    pub rebuilder: RebuilderName,
    /// in-toto's id of the key that signed it
    pub key: String,
    /// The SHA-256 that the rebuilder got
    pub sha256: Sha256Digest,
    /// The SHA-256 of the signed bytes
    pub attestation: Sha256Digest,
    /// The time at which it was made, if the signed bytes state one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dated: Option<Timestamp>,
}

impl Entrance {
    /// The word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::BeforePrompt => "before-prompt",
            Self::Hook => "hook",
            Self::Dpkg => "dpkg",
            Self::Debsig => "debsig",
            Self::Verify => "verify",
            Self::Bootstrap => "bootstrap",
        }
    }
}

impl Record {
    /// Writes a decision down.
    #[must_use]
    pub fn of(
        decision: &Decision,
        entrance: Entrance,
        path: &Path,
        policy: Option<Sha256Digest>,
        time: Timestamp,
    ) -> Self {
        let (admitted, basis, reason, exception) = match decision {
            Decision::Refuse(refusal) => ("refuse", None, Some(&refusal.reason), None),
            Decision::Admit(admit) => match admit.basis() {
                Basis::Quorum => ("admit", Some("quorum"), None, None),
                Basis::WarnMode { otherwise } => {
                    ("admit", Some("warn-mode"), Some(otherwise), None)
                }
                Basis::Exception { exemption, otherwise } => {
                    ("admit", Some("exception"), Some(otherwise), Some(exemption.clone()))
                }
            },
        };
        let subject = decision.subject();
        let control = subject.and_then(|subject| subject.control().ok());
        Self {
            schema: SCHEMA,
            time,
            entrance,
            path: path.to_string_lossy().into_owned(),
            decision: admitted,
            basis,
            reason: reason.map(RecordedReason::of),
            identity: control.map(|control| control.identity.clone()),
            source: control.map(|it| format!("{} {}", it.source.0, it.source.1)),
            sha256: subject.map(|subject| subject.sha256()),
            size: subject.map(|subject| subject.size()),
            listings: subject.map(|subject| subject.listings.clone()).unwrap_or_default(),
            report: decision.report().map(RecordedReport::of).unwrap_or_default(),
            exception,
            debt: basis.is_some_and(|basis| basis != "quorum"),
            policy,
            notes: Vec::new(),
        }
    }
}

impl RecordedAssessment {
    /// Writes an assessment down.
    #[must_use]
    pub fn of(named: &Named, assessment: &Assessment) -> Self {
        let (state, reason, exception) = match assessment {
            Assessment::Confirmed { .. } => ("confirmed", None, None),
            Assessment::Excepted { exemption, otherwise, .. } => {
                ("excepted", Some(otherwise), Some(exemption.clone()))
            }
            Assessment::Unconfirmed { reason, .. } => ("unconfirmed", Some(reason), None),
        };
        Self {
            identity: named.identity.clone(),
            source: named.source.as_ref().map(|(source, version)| format!("{source} {version}")),
            sha256: named.sha256,
            state,
            listings: named.listings.clone(),
            reason: reason.map(RecordedReason::of),
            exception,
            report: RecordedReport::of(assessment.report()),
        }
    }
}

/// JSON in ASCII, which says the same: a terminal that shows it must not obey what stands in it.
/// JSON itself escapes only some of the control characters.
#[must_use]
pub fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // What is not ASCII can stand within strings only.
            '\n' | ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

impl RecordedReport {
    /// As records have it.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let claims = |list: &[Claim]| list.iter().map(RecordedClaim::of).collect();
        Self {
            rule: report.rule.as_ref().map(Place::to_string),
            threshold: report.requirement.as_ref().map(|it| it.threshold().count()),
            groups: RecordedGroup::all(report),
            rebuilders: report.standings.clone(),
            claims: claims(&report.votes),
            conflicts: claims(&report.conflicts),
        }
    }
}

impl RecordedGroup {
    /// Every group that the requirement names.
    #[must_use]
    pub fn all(report: &Report) -> BTreeMap<GroupName, Self> {
        let confirming: BTreeSet<_> = report.votes.iter().map(Claim::rebuilder).collect();
        let counts = report.requirement.iter().flat_map(|it| it.by_group(&confirming));
        counts
            .map(|GroupCount { group, confirmed, needed }| {
                (group, Self { threshold: needed.count(), confirmed })
            })
            .collect()
    }
}

impl RecordedReason {
    /// As records have it.
    #[must_use]
    pub fn of(reason: &Reason) -> Self {
        Self { code: reason.code(), text: text::reason(reason) }
    }
}

impl RecordedClaim {
    /// As records have it.
    #[must_use]
    pub fn of(claim: &Claim) -> Self {
        Self {
            rebuilder: claim.rebuilder().clone(),
            key: claim.key().key_id().as_str().to_owned(),
            sha256: claim.sha256(),
            attestation: claim.attestation(),
            dated: claim.dated(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entrance_has_one_word() {
        for it in [
            Entrance::Method,
            Entrance::BeforePrompt,
            Entrance::Hook,
            Entrance::Dpkg,
            Entrance::Debsig,
            Entrance::Verify,
            Entrance::Bootstrap,
        ] {
            assert_eq!(serde_json::to_value(it).unwrap(), it.word());
        }
    }

    #[test]
    fn json_in_ascii_says_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{e9}\u{202e}\u{1f600}\"\\\n\t";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let plain = ascii(&json);
        assert!(plain.chars().all(|c| matches!(c, '\n' | ' '..='~')), "{plain}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&plain).unwrap(), [text]);
    }
}
