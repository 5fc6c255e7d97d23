//! The differences between an audit and the one before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AuditRecord, Counts, PackageState, RecordedPackage, SCHEMA, UnknownCause, confirming};
use crate::types::{Called, RebuilderName, Sha256Digest, Timestamp, printable};

/// The differences between an audit and the one before. Documented in apt-quorum(1).
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The time of this audit
    pub time: Timestamp,
    /// The time of the audit before; none if there is none that can be read
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The number of packages in each state
    pub counts: Counts,
    /// The packages that changed, sorted by package
    pub changes: Vec<AuditChange>,
}

/// One package whose state is not the one before, or about which there are new conflicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditChange {
    /// Its name, version and architecture
    #[serde(flatten)]
    pub identity: Called,
    /// The state before; none if it was not installed
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<PackageState>,
    /// The state now
    pub state: PackageState,
    /// The rebuilders that signed another file under its name, and had not before
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub conflicts: BTreeSet<RebuilderName>,
    /// The change for people, in one line
    pub text: String,
}

/// The part of an earlier audit that is read again.
#[derive(Deserialize)]
pub(super) struct EarlierAudit {
    schema: u32,
    pub(super) time: Timestamp,
    pub(super) packages: Vec<PackageBefore>,
}

#[derive(Deserialize)]
pub(super) struct PackageBefore {
    #[serde(flatten)]
    pub(super) identity: Called,
    pub(super) state: PackageState,
    #[serde(default)]
    pub(super) unknown_because: Option<UnknownCause>,
    #[serde(default)]
    pub(super) exception: Option<ExemptionBefore>,
    #[serde(default)]
    pub(super) conflicts: Vec<ClaimBefore>,
}

#[derive(Deserialize)]
pub(super) struct ExemptionBefore {
    pub(super) expires: Timestamp,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClaimBefore {
    rebuilder: RebuilderName,
    sha256: Sha256Digest,
}

impl EarlierAudit {
    /// Reads the JSON of an audit; nothing if it cannot be understood.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(json).ok().filter(|it| it.schema == SCHEMA)
    }
}

impl Changes {
    /// Compares an audit with the JSON of the one before. Without one, and with one that cannot be
    /// parsed, there are no changes: the caller then reports the state as a whole.
    #[must_use]
    pub fn between(before: Option<&[u8]>, now: &AuditRecord) -> Self {
        let before = before.and_then(EarlierAudit::read);
        let since = before.as_ref().map(|it| it.time);
        let changes = before.map(|before| {
            let of: BTreeMap<Called, PackageBefore> =
                before.packages.into_iter().map(|it| (it.identity.clone(), it)).collect();
            now.packages.iter().filter_map(|it| AuditChange::of(of.get(&it.identity), it)).collect()
        });
        Self {
            schema: SCHEMA,
            time: now.time,
            since,
            counts: now.counts,
            changes: changes.unwrap_or_default(),
        }
    }
}

impl AuditChange {
    fn of(before: Option<&PackageBefore>, now: &RecordedPackage) -> Option<Self> {
        let conflicts = new_conflicts(before, now);
        let was = before.map(|it| it.state);
        // An audit without answers says nothing about the package, and would be reported every
        // time.
        let heard = now.reason.as_ref().is_none_or(|it| it.code != "could-not-find-out");
        let moved = heard && was != Some(now.state);
        // What is installed and confirmed is as it should be.
        let newly_well = was.is_none() && now.state == PackageState::Confirmed;
        if conflicts.is_empty() && (!moved || newly_well) {
            return None;
        }
        let mut change = Self {
            identity: now.identity.clone(),
            was,
            state: now.state,
            conflicts,
            text: String::new(),
        };
        change.text = change.line(now);
        Some(change)
    }

    /// Returns true if the change is for the worse.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !self.conflicts.is_empty() || self.was.is_none_or(|was| self.state > was)
    }

    fn line(&self, now: &RecordedPackage) -> String {
        let mut line = format!("{}: ", self.identity);
        let state = super::word(self.state);
        match self.was {
            None => line += &format!("new, and {state}"),
            Some(was) if was == self.state => line += &format!("still {state}"),
            Some(was) => line += &format!("was {}, is now {state}", super::word(was)),
        }
        line += &because(now);
        for name in &self.conflicts {
            line += &format!("; {name} signed a different file under this name");
        }
        line + "."
    }
}

/// Rebuilders whose claim about another file was not known before.
fn new_conflicts(before: Option<&PackageBefore>, now: &RecordedPackage) -> BTreeSet<RebuilderName> {
    let known = |rebuilder: &RebuilderName, sha256: Sha256Digest| {
        let known = before.map(|it| it.conflicts.as_slice()).unwrap_or_default();
        known.iter().any(|it| it.rebuilder == *rebuilder && it.sha256 == sha256)
    };
    let new = now.conflicts.iter().filter(|it| !known(&it.rebuilder, it.sha256));
    new.map(|it| it.rebuilder.clone()).collect()
}

fn because(now: &RecordedPackage) -> String {
    if let Some(exception) = &now.exception {
        return format!(" {} ({})", exception.expires.until(), printable(&exception.reason));
    }
    match (&now.reason, now.state) {
        (Some(reason), _) => format!(": {}", reason.text),
        (None, PackageState::Confirmed) => {
            let by: Vec<&str> = confirming(&now.rebuilders).map(RebuilderName::as_str).collect();
            format!(" by {}", by.join(", "))
        }
        (None, _) => String::new(),
    }
}
