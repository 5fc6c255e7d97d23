//! The counts of a system by what is on its disk: the last audit, and the receipts since then.
//!
//! No rebuilder is asked and no package is judged, so this is quick, and as old as what it reads.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{EarlierAudit, PackageBefore};
use super::{Counts, PackageState, System, SystemError, UnknownCause};
use crate::deb822::status::Installed;
use crate::receipt::Admitted;
use crate::types::{Called, Identity, Timestamp};

/// The number of installed packages in each state, as far as the disk tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The numbers. A package without a receipt that was never audited is unknown without a cause
    pub counts: Counts,
    /// The time of the last audit; none if there is none that can be read
    pub audited: Option<Timestamp>,
}

/// One package as the disk has it.
struct Recorded {
    state: PackageState,
    cause: Option<UnknownCause>,
    conflict: bool,
}

impl Tally {
    /// Counts the packages that are installed on `system`. `last` is the JSON of its last audit.
    ///
    /// # Errors
    /// If the system does not tell what is installed: see [`SystemError`].
    pub fn of(system: &System, last: Option<&[u8]>, now: Timestamp) -> Result<Self, SystemError> {
        let installed = system.installed()?;
        let identities: BTreeSet<&Identity> =
            installed.iter().filter_map(Installed::identity).collect();
        let admitted = system.admitted(|it| identities.contains(it))?;
        let last = last.and_then(EarlierAudit::read);
        let audited = last.as_ref().map(|it| it.time);
        let before: BTreeMap<&Called, &PackageBefore> =
            last.iter().flat_map(|it| &it.packages).map(|it| (&it.identity, it)).collect();
        let mut counts = Counts { installed: installed.len(), ..Counts::default() };
        for it in &installed {
            let admitted = it.identity().and_then(|it| admitted.get(it)).map(|(_, it)| it);
            let before = before.get(&it.called).copied();
            let recorded = Recorded::of(before, admitted, audited, now);
            match recorded.state {
                PackageState::Confirmed => counts.confirmed += 1,
                PackageState::Excepted => counts.excepted += 1,
                PackageState::Debt => counts.debt += 1,
                PackageState::Unknown => counts.unknown += 1,
                // Counted below, as in every other state.
                PackageState::Conflict => {}
            }
            counts.unknown_because.add(recorded.cause);
            counts.conflict += usize::from(recorded.conflict);
        }
        Ok(Self { counts, audited })
    }
}

impl Recorded {
    /// What was found out last counts.
    fn of(
        before: Option<&PackageBefore>,
        admitted: Option<&Admitted>,
        audited: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let is_newer = |it: &&Admitted| before.is_none() || audited.is_none_or(|at| it.time > at);
        // An exception that ended since then leaves debt.
        let excepted = |until: Option<Timestamp>| match until {
            Some(until) if until > now => PackageState::Excepted,
            _ => PackageState::Debt,
        };
        let conflict_before = before.is_some_and(|it| !it.conflicts.is_empty());
        match (admitted.filter(is_newer), before) {
            (Some(it), _) => {
                let state = match it.basis.as_str() {
                    "quorum" => PackageState::Confirmed,
                    "exception" => excepted(it.until),
                    _ => PackageState::Debt,
                };
                Self { state, cause: None, conflict: it.conflict || conflict_before }
            }
            (None, Some(it)) => {
                let state = match it.state {
                    PackageState::Excepted => excepted(it.exception.as_ref().map(|it| it.expires)),
                    state => state,
                };
                Self { state, cause: it.unknown_because, conflict: conflict_before }
            }
            (None, None) => Self { state: PackageState::Unknown, cause: None, conflict: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u8) -> Timestamp {
        Timestamp::start_of_day(2026, 1, day).unwrap()
    }

    fn admitted(day: u8, basis: &str, until: Option<u8>) -> Admitted {
        let until = until
            .map_or_else(String::new, |it| format!(r#","exception":{{"expires":"{}"}}"#, at(it)));
        let json = format!(
            r#"{{"time":"{}","sha256":"{}","basis":"{basis}"{until}}}"#,
            at(day),
            "0".repeat(64)
        );
        serde_json::from_str(&json).unwrap()
    }

    fn before(state: &str, more: &str) -> PackageBefore {
        let json = format!(
            r#"{{"package":"a","version":"1","architecture":"all","state":"{state}"{more}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn what_was_found_out_last_counts() {
        let state = |before: Option<PackageBefore>, admitted: Option<Admitted>| {
            Recorded::of(before.as_ref(), admitted.as_ref(), Some(at(10)), at(20)).state
        };
        let confirmed = || Some(before("confirmed", ""));
        assert_eq!(state(None, None), PackageState::Unknown);
        assert_eq!(state(confirmed(), None), PackageState::Confirmed);
        assert_eq!(
            state(confirmed(), Some(admitted(9, "warn-mode", None))),
            PackageState::Confirmed
        );
        assert_eq!(state(confirmed(), Some(admitted(11, "warn-mode", None))), PackageState::Debt);
        assert_eq!(state(None, Some(admitted(9, "quorum", None))), PackageState::Confirmed);
        for (until, expected) in [(20, PackageState::Debt), (21, PackageState::Excepted)] {
            assert_eq!(state(None, Some(admitted(9, "exception", Some(until)))), expected);
            let more = format!(r#","exception":{{"expires":"{}"}}"#, at(until));
            assert_eq!(state(Some(before("excepted", &more)), None), expected);
        }
        assert_eq!(state(None, Some(admitted(9, "exception", None))), PackageState::Debt);
    }
}
