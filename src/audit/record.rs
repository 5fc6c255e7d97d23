//! An audit as JSON, from which the page and the changes are made. Documented in apt-quorum(1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Audited, HashSource, PackageState, UnknownCause};
use crate::policy::{Assessment, Exemption, Listing, Standing};
use crate::report::{RecordedClaim, RecordedGroup, RecordedReason};
use crate::types::{Called, GroupName, RebuilderName, Sha256Digest, Timestamp};

/// Version of the JSON that [`AuditRecord`] becomes. It grows by new members; a member that changes its
/// meaning raises it.
pub const SCHEMA: u32 = 1;

/// A whole audit.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The time of the audit
    pub time: Timestamp,
    /// The root of the system, as it was given
    pub root: String,
    /// SHA-256 over the configuration that it was assessed by
    pub policy: Sha256Digest,
    /// The number of packages in each state
    pub counts: Counts,
    /// Every installed package, sorted by name, version and architecture
    pub packages: Vec<RecordedPackage>,
}

/// The number of packages in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them
    pub installed: usize,
    /// See [`PackageState::Confirmed`]
    pub confirmed: usize,
    /// See [`PackageState::Excepted`]
    pub excepted: usize,
    /// See [`PackageState::Debt`]
    pub debt: usize,
    /// See [`PackageState::Unknown`]
    pub unknown: usize,
    /// The causes of these
    pub unknown_because: UnknownCounts,
    /// Packages under whose name a rebuilder signed another file. Those that are confirmed or
    /// excepted all the same are counted there as well
    pub conflict: usize,
}

/// The number of unknown packages for each cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownCounts {
    /// See [`UnknownCause::NoAnswer`]
    pub no_answer: usize,
    /// See [`UnknownCause::NeverRebuilt`]
    pub never_rebuilt: usize,
    /// See [`UnknownCause::TooFew`]
    pub too_few: usize,
    /// See [`UnknownCause::NoOrigin`]
    pub no_origin: usize,
}

/// One installed package.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedPackage {
    /// The name, version and architecture that dpkg has for it
    #[serde(flatten)]
    pub identity: Called,
    /// Its source package and the version of that; empty if dpkg's entry is odd
    pub source: String,
    /// Its state
    pub state: PackageState,
    /// The SHA-256 of the file that it came from
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// The source of that SHA-256
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256_from: Option<HashSource>,
    /// The repositories that offer that file
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listings: Vec<Listing>,
    /// The time at which the gate let its file in
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted: Option<Timestamp>,
    /// The basis of that admission: `quorum`, `exception` or `warn-mode`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// The cause for which it is unknown
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_because: Option<UnknownCause>,
    /// True if dpkg has not finished its installation
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// True if it is installed without a quorum
    pub debt: bool,
    /// The reason why it is not confirmed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordedReason>,
    /// The exception that is in force
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exemption>,
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
    /// The claims about other files of the same name, an alarm even where it is confirmed
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<RecordedClaim>,
}

impl AuditRecord {
    /// Writes an audit down.
    #[must_use]
    pub fn of(audited: &[Audited], root: &str, policy: Sha256Digest, time: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            time,
            root: root.to_owned(),
            policy,
            counts: Counts::of(audited),
            packages: audited.iter().map(RecordedPackage::of).collect(),
        }
    }
}

impl Counts {
    /// Counts the packages in each state.
    #[must_use]
    pub fn of(audited: &[Audited]) -> Self {
        let mut counts = Self { installed: audited.len(), ..Self::default() };
        for it in audited {
            match it.state {
                PackageState::Confirmed => counts.confirmed += 1,
                PackageState::Excepted => counts.excepted += 1,
                PackageState::Debt => counts.debt += 1,
                PackageState::Unknown => counts.unknown += 1,
                // Counted below, as in every other state.
                PackageState::Conflict => {}
            }
            counts.unknown_because.add(it.unknown_cause());
            counts.conflict += usize::from(it.is_alarm());
        }
        counts
    }
}

impl UnknownCounts {
    /// Counts one more package with this cause, if it has one.
    pub fn add(&mut self, cause: Option<UnknownCause>) {
        let Some(cause) = cause else { return };
        *match cause {
            UnknownCause::NoAnswer => &mut self.no_answer,
            UnknownCause::NeverRebuilt => &mut self.never_rebuilt,
            UnknownCause::TooFew => &mut self.too_few,
            UnknownCause::NoOrigin => &mut self.no_origin,
        } += 1;
    }

    /// The causes that there are, each with the number of packages.
    pub fn each(self) -> impl Iterator<Item = (UnknownCause, usize)> {
        let all = [
            (UnknownCause::NoAnswer, self.no_answer),
            (UnknownCause::NeverRebuilt, self.never_rebuilt),
            (UnknownCause::TooFew, self.too_few),
            (UnknownCause::NoOrigin, self.no_origin),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

impl RecordedPackage {
    /// Writes down the state of one package.
    #[must_use]
    pub fn of(audited: &Audited) -> Self {
        let assessment = audited.assessed.as_ref().map(|it| &it.assessment);
        let report = assessment.map(Assessment::report);
        let claims = |list: &[crate::attest::Claim]| list.iter().map(RecordedClaim::of).collect();
        let source = audited.installed.control.as_ref().map(|it| &it.source);
        let admitted = audited.admitted.as_ref();
        Self {
            identity: audited.installed.called.clone(),
            source: source.map(|(name, version)| format!("{name} {version}")).unwrap_or_default(),
            state: audited.state,
            sha256: audited.file.map(|(sha256, _)| sha256),
            sha256_from: audited.file.map(|(_, from)| from),
            listings: audited
                .assessed
                .as_ref()
                .map(|it| it.named.listings.clone())
                .unwrap_or_default(),
            admitted: admitted.map(|it| it.time),
            basis: admitted.map(|it| it.basis.clone()),
            unknown_because: audited.unknown_cause(),
            unfinished: !audited.installed.whole,
            debt: audited.state == PackageState::Debt
                || audited.state == PackageState::Excepted
                || (audited.is_open() && admitted.is_some_and(|it| it.basis != "quorum")),
            reason: why(audited),
            exception: match assessment {
                Some(Assessment::Excepted { exemption, .. }) => Some(exemption.clone()),
                _ => None,
            },
            rule: report.and_then(|it| it.rule.as_ref().map(ToString::to_string)),
            threshold: report
                .and_then(|it| it.requirement.as_ref())
                .map(|it| it.threshold().count()),
            groups: report.map(RecordedGroup::all).unwrap_or_default(),
            rebuilders: report.map(|it| it.standings.clone()).unwrap_or_default(),
            claims: report.map(|it| claims(&it.votes)).unwrap_or_default(),
            conflicts: report.map(|it| claims(&it.conflicts)).unwrap_or_default(),
        }
    }
}

/// Returns the reason why a package is not confirmed.
fn why(audited: &Audited) -> Option<RecordedReason> {
    if let Some(text) = audited.why_unknown() {
        let code = if audited.installed.control.is_ok() { "no-hash" } else { "odd-entry" };
        return Some(RecordedReason { code, text });
    }
    audited.reason().map(RecordedReason::of)
}
