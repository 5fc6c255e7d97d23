//! The audit of a system: assesses every installed package by the policy and by the rebuilders'
//! attestations.
//!
//! By the time of an audit, the file that a package came from is gone. Its SHA-256 comes from the
//! receipt that root wrote when it let the file in. Without a receipt, it comes from the signed
//! indexes on the system, which list it under the package's name, version and architecture.

mod changes;
pub mod page;
mod record;
mod system;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::Control;
use crate::deb822::status::Installed;
use crate::evidence::AtHand;
use crate::gate::{Ask, Assessed, Gate, Gatherer, Listings};
use crate::policy::{Assessment, Epoch, Named, Reason, Standing, UnsignedStatus};
use crate::receipt::Admitted;
use crate::types::{Called, Identity, RebuilderName, Sha256Digest, Timestamp};

pub use changes::{AuditChange, Changes};
pub use record::{AuditRecord, Counts, RecordedPackage, SCHEMA, UnknownCounts};
pub use system::{System, SystemError};
pub use tally::Tally;

/// The result of the last audit of the running system, below `APT::Quorum::State`.
pub const LAST_AUDIT: &str = "audit.json";

/// Largest last result that is read, in bytes. Of 2,000 packages it has 4 MB.
pub const MAX_LAST_AUDIT: usize = 256 * 1024 * 1024;

/// Most attestations behind one receipt that are read: as many as rebuilders can be in practice.
const MAX_KEPT: usize = 64;

/// An installed package and its state.
#[derive(Debug, Clone)]
pub struct Audited {
    /// Its entry in dpkg's database
    pub installed: Installed,
    /// Its state
    pub state: PackageState,
    /// The SHA-256 of the file that it came from, and the source of that SHA-256
    pub file: Option<(Sha256Digest, HashSource)>,
    /// The time and the basis of its admission, if there is a receipt
    pub admitted: Option<Admitted>,
    /// The assessment of that file
    pub assessed: Option<Assessed>,
}

/// The state of an installed package, from the best to the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum PackageState {
    /// Enough rebuilders signed the file that it came from.
    Confirmed,
    /// An exception is in force.
    Excepted,
    /// It was accepted without a quorum, and still not confirmed.
    Debt,
    /// The gate never let it in, and too few rebuilders confirm it. Or the file that it came from is
    /// not known; or rebuilders that could settle it did not answer.
    Unknown,
    /// It is not confirmed, and a rebuilder signed another file under its name.
    Conflict,
}

/// The cause for which a package is [`PackageState::Unknown`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownCause {
    /// Rebuilders that could settle it did not answer, or none was asked.
    NoAnswer,
    /// None of the rebuilders has rebuilt it.
    NeverRebuilt,
    /// Some have rebuilt it, and too few confirm it.
    TooFew,
    /// The file that it came from is not known.
    NoOrigin,
}

/// The source of the SHA-256 of the file that a package came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashSource {
    /// Root computed it when it let the file in.
    Receipt,
    /// A signed index of apt lists it.
    Index,
    /// A statement about the image gives it, and the signature of the statement was verified.
    Statement,
}

/// Audits the installed packages that are `wanted`, and asks rebuilders about those that `ask`
/// names. Calls `progress` with the number of files that are done, and the number of all.
///
/// # Errors
/// If the system does not tell what is installed: see [`SystemError`].
#[allow(clippy::too_many_arguments, reason = "what to audit, by what, and whom to tell")]
pub fn audit(
    system: &System,
    gate: &Gate,
    evidence: &[AtHand],
    ask: Ask,
    gatherer: &mut dyn Gatherer,
    now: Timestamp,
    mut progress: impl FnMut(usize, usize),
    wanted: impl Fn(&Called) -> bool,
) -> Result<Vec<Audited>, SystemError> {
    let mut installed = system.installed()?;
    installed.retain(|it| wanted(&it.called));
    let identities: BTreeSet<&Identity> =
        installed.iter().filter_map(Installed::identity).collect();
    let admitted = system.admitted(|it| identities.contains(it))?;
    let listings = system.listings(|it| identities.contains(it), now);
    gate.remark(listings.remarks());

    let (owners, named): (Vec<usize>, Vec<Named>) =
        files(&installed, &admitted, &listings).into_iter().unzip();
    let at_hand = |named: &Named| {
        let identity = &named.identity;
        let kept = admitted.get(identity).map(|(_, it)| it.claims.as_slice()).unwrap_or_default();
        let mut bytes: Vec<Vec<u8>> =
            kept.iter().take(MAX_KEPT).filter_map(|sha256| system.signed_bytes(*sha256)).collect();
        let artifact = identity.artifact_name();
        bytes.extend(evidence.iter().flat_map(|it| it.about(&artifact)));
        bytes
    };
    let total = named.len();
    let assessed = gate.assess(named, at_hand, ask, gatherer, now, |done| progress(done, total));

    let mut of_each: BTreeMap<usize, Vec<Assessed>> = BTreeMap::new();
    for (owner, it) in owners.into_iter().zip(assessed) {
        of_each.entry(owner).or_default().push(it);
    }
    let audited = installed.into_iter().enumerate().map(|(index, installed)| {
        let admitted =
            installed.identity().and_then(|it| admitted.get(it)).map(|(_, it)| it.clone());
        conclude(installed, admitted, of_each.remove(&index).unwrap_or_default())
    });
    Ok(audited.collect())
}

/// Assesses packages by the SHA-256s that another party's statement gives for their files. Believes
/// nothing else of the statement, nor anything that the image says of itself. The source of a file
/// and the epoch of its version come from this machine's own signed indexes, or are unknown.
pub fn assess_told(
    told: Vec<(Installed, Sha256Digest)>,
    gate: &Gate,
    evidence: &[AtHand],
    gatherer: &mut dyn Gatherer,
    now: Timestamp,
    mut progress: impl FnMut(usize, usize),
) -> Vec<Audited> {
    let told: Vec<(Installed, Control, Sha256Digest)> = told
        .into_iter()
        .filter_map(|(it, sha256)| it.control.clone().ok().map(|control| (it, control, sha256)))
        .collect();
    let sha256s: BTreeSet<Sha256Digest> = told.iter().map(|(_, _, sha256)| *sha256).collect();
    // This machine's own indexes tell which repositories offer a file.
    let listings = gate.listings_where(|it, _| it.is_some_and(|it| sha256s.contains(it)));
    let named = |(_, control, sha256): &(Installed, Control, Sha256Digest)| {
        let identity = &control.identity;
        let vouched = listings.vouched(*sha256, identity);
        Named {
            identity: identity.clone(),
            epoch: if vouched.is_some() { Epoch::Known } else { Epoch::Told },
            source: vouched.flatten(),
            sha256: *sha256,
            listings: listings.of(*sha256, identity),
        }
    };
    let named: Vec<Named> = told.iter().map(named).collect();
    let at_hand = |named: &Named| {
        let artifact = named.identity.artifact_name();
        evidence.iter().flat_map(|it| it.about(&artifact)).collect()
    };
    let total = named.len();
    let assessed =
        gate.assess(named, at_hand, Ask::All, gatherer, now, |done| progress(done, total));
    let conclude = |((installed, _, sha256), assessed)| Audited {
        file: Some((sha256, HashSource::Statement)),
        ..conclude(installed, None, vec![assessed])
    };
    told.into_iter().zip(assessed).map(conclude).collect()
}

/// The files that installed packages may have come from, each with its package's place in the list.
fn files(
    installed: &[Installed],
    admitted: &BTreeMap<Identity, (Identity, Admitted)>,
    listings: &Listings,
) -> Vec<(usize, Named)> {
    let indexed = listings.signed_files();
    let mut files = Vec::new();
    for (index, it) in installed.iter().enumerate() {
        let Ok(Control { identity, source }) = &it.control else { continue };
        // What root saw goes before what an index lists today. Both have the name as it was written,
        // where dpkg has it in lower case.
        let of_it: Vec<(Identity, Sha256Digest)> = match admitted.get(identity) {
            Some((written, admitted)) => vec![(written.clone(), admitted.sha256)],
            None => {
                let listed = indexed.get(identity).into_iter().flat_map(|it| it.values());
                listed.map(|it| (it.control.identity.clone(), it.sha256)).collect()
            }
        };
        for (identity, sha256) in of_it {
            let listings = listings.of(sha256, &identity);
            let (source, epoch) = (Some(source.clone()), Epoch::Known);
            files.push((index, Named { identity, source, epoch, sha256, listings }));
        }
    }
    files
}

/// Concludes from the worst assessment: where repositories list several files under one name, the
/// package may have come from any of them.
fn conclude(installed: Installed, admitted: Option<Admitted>, assessed: Vec<Assessed>) -> Audited {
    let source = if admitted.is_some() { HashSource::Receipt } else { HashSource::Index };
    let worst = assessed
        .into_iter()
        .map(|it| (state(&it.assessment, admitted.as_ref()), it))
        .max_by_key(|(state, _)| *state);
    match worst {
        None => Audited {
            installed,
            state: PackageState::Unknown,
            file: None,
            admitted,
            assessed: None,
        },
        Some((state, it)) => Audited {
            installed,
            state,
            file: Some((it.named.sha256, source)),
            admitted,
            assessed: Some(it),
        },
    }
}

fn state(assessment: &Assessment, admitted: Option<&Admitted>) -> PackageState {
    match assessment {
        Assessment::Confirmed { .. } => PackageState::Confirmed,
        Assessment::Excepted { .. } => PackageState::Excepted,
        Assessment::Unconfirmed { report, .. } if !report.conflicts.is_empty() => {
            PackageState::Conflict
        }
        Assessment::Unconfirmed { .. } if admitted.is_some_and(|it| it.basis != "quorum") => {
            PackageState::Debt
        }
        Assessment::Unconfirmed { .. } => PackageState::Unknown,
    }
}

/// Returns the rebuilders that confirm a package.
pub fn confirming(
    standings: &BTreeMap<RebuilderName, Standing>,
) -> impl Iterator<Item = &RebuilderName> {
    let confirms = |(name, it): (_, &Standing)| matches!(it, Standing::Confirms).then_some(name);
    standings.iter().filter_map(confirms)
}

/// Returns the cause for which packages are unknown, in text behind their number.
#[must_use]
pub const fn cause(cause: UnknownCause) -> &'static str {
    match cause {
        UnknownCause::NoAnswer => "without an answer",
        UnknownCause::NeverRebuilt => "never rebuilt",
        UnknownCause::TooFew => "with too few confirmations",
        UnknownCause::NoOrigin => "of unknown origin",
    }
}

/// Returns the name of a state in text. An alarm is in capitals.
#[must_use]
pub const fn word(state: PackageState) -> &'static str {
    match state {
        PackageState::Confirmed => "confirmed",
        PackageState::Excepted => "excepted",
        PackageState::Debt => "debt",
        PackageState::Unknown => "unknown",
        PackageState::Conflict => "CONFLICT",
    }
}

impl Audited {
    /// Returns the reason, for people, why the package could not be assessed; none if it was.
    #[must_use]
    pub fn why_unknown(&self) -> Option<String> {
        if self.assessed.is_some() {
            return None;
        }
        Some(match &self.installed.control {
            Ok(_) => "original .deb unknown (no receipt, in no signed index)".to_owned(),
            Err(why) => format!("dpkg's entry is ambiguous: {why}"),
        })
    }

    /// Returns the reason why it is not confirmed; none if it is, or if its file is not known.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match &self.assessed.as_ref()?.assessment {
            Assessment::Confirmed { .. } => None,
            Assessment::Excepted { otherwise, .. } => Some(otherwise),
            Assessment::Unconfirmed { reason, .. } => Some(reason),
        }
    }

    /// Returns the cause for which it is unknown; none if it is not.
    #[must_use]
    pub fn unknown_cause(&self) -> Option<UnknownCause> {
        if self.state != PackageState::Unknown {
            return None;
        }
        let Some(assessed) = &self.assessed else { return Some(UnknownCause::NoOrigin) };
        let mut cause = UnknownCause::NoAnswer;
        for it in assessed.assessment.report().standings.values() {
            match it {
                Standing::Says { status: UnsignedStatus::NotBuilt, .. } | Standing::Unknown => {
                    cause = cause.max(UnknownCause::NeverRebuilt);
                }
                Standing::Confirms
                | Standing::SignedAnother { .. }
                | Standing::Rejected { .. }
                | Standing::Says { .. } => cause = UnknownCause::TooFew,
                Standing::Unreachable { .. } | Standing::Pending | Standing::NotAsked => {}
            }
        }
        Some(if self.is_transient() { UnknownCause::NoAnswer } else { cause })
    }

    /// Returns true if it is neither confirmed nor excepted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, PackageState::Debt | PackageState::Unknown | PackageState::Conflict)
    }

    /// Returns true if a rebuilder signed another file under its name, even where enough confirm
    /// this one.
    #[must_use]
    pub fn is_alarm(&self) -> bool {
        self.assessed.as_ref().is_some_and(|it| !it.assessment.report().conflicts.is_empty())
    }

    /// Returns true if asking again later may settle it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.reason(), Some(Reason::CouldNotFindOut { .. }))
    }
}
