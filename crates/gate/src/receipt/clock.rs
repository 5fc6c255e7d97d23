//! A clock that was set back.
//!
//! Exceptions and keys end on a date. An attacker who can set a machine's clock back, for example
//! by answering for its time server, would make them apply again. The time at which the hook's
//! receipts were last added to is in the past, so the present cannot be before it. Before the first
//! receipt there is no such limit.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The present time, at least as late as the newest receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The later of the clock and the newest receipt: the time by which files are judged
    pub now: SystemTime,
    /// The receipts, if they are newer than the clock
    pub ahead: Option<PathBuf>,
}

/// The present, by the clock and by the receipts of the hook below `state`.
#[must_use]
pub fn present(state: &Path, clock: SystemTime) -> Moment {
    let receipts = state.join("receipts/hook.jsonl");
    let newest = receipts.symlink_metadata().and_then(|it| it.modified());
    match newest {
        Ok(newest) if newest > clock => Moment { now: newest, ahead: Some(receipts) },
        _ => Moment { now: clock, ahead: None },
    }
}

/// Keeps the modification time of `receipts` from going back with the clock when lines are added.
pub(super) fn keep(receipts: &File, before: SystemTime) {
    // Only the owner of the file can do that, and that is root. The hook's receipts serve as the
    // limit, not the method's.
    if receipts.metadata().and_then(|it| it.modified()).is_ok_and(|after| after < before) {
        let _ = receipts.set_modified(before);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::{Decision, Reason, Refusal};
    use crate::receipt::Ledger;
    use crate::receipt::SignedBytes;
    use crate::report::{Entrance, Record};

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn the_present_is_not_before_the_newest_receipt() {
        let state = tempfile::tempdir().unwrap();
        let clock = SystemTime::now();
        // Without receipts there is only the clock.
        assert_eq!(present(state.path(), clock), Moment { now: clock, ahead: None });
        let mut ledger = Ledger::open(state.path(), Entrance::Hook).unwrap();
        ledger.record(&[]).unwrap();
        let later = clock + YEAR;
        assert_eq!(present(state.path(), later), Moment { now: later, ahead: None });
        let back = present(state.path(), clock - YEAR);
        assert!(back.now >= clock - Duration::from_secs(10));
        assert_eq!(back.ahead, Some(state.path().join("receipts/hook.jsonl")));
    }

    #[test]
    fn a_receipt_that_is_added_while_the_clock_is_back_does_not_hide_that() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path(), Entrance::Hook).unwrap();
        let file = state.path().join("receipts/hook.jsonl");
        let later = SystemTime::now() + YEAR;
        File::options().append(true).open(&file).unwrap().set_modified(later).unwrap();
        let reason = Reason::Unreadable { why: "a test".to_owned() };
        let refused = Decision::Refuse(Refusal::unjudged(None, reason));
        let now = SystemTime::now().into();
        let record = Record::of(&refused, Entrance::Hook, Path::new("/x.deb"), None, now);
        ledger.record(&[(record, &SignedBytes::new())]).unwrap();
        assert!(file.metadata().unwrap().len() > 0);
        assert_eq!(present(state.path(), SystemTime::now()).now, later);
    }
}
