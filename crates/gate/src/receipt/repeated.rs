//! Refusals that repeat.
//!
//! A script that tries the same installation every minute would add a receipt for each package each
//! time, and in the end the receipts of everything else would make room for them. So the same
//! refusal is written a few times in an hour. Admissions are always written: installations rest on
//! them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use serde::Deserialize;

use super::lines::each_line;
use crate::report::Record;
use crate::types::Timestamp;

/// Time, in seconds, in which the same refusal is written [`MOST`] times.
const PERIOD: i64 = 60 * 60;

/// More often than people try again, and far less often than a loop does.
const MOST: usize = 5;

/// Part of the receipts in which it is looked for, in bytes, at their end: about a thousand
/// refusals.
const LOOKED_AT: u64 = 2 * 1024 * 1024;

/// The refusals that the receipts have of the last hour, each with the number of its receipts.
#[derive(Debug, Default)]
pub(super) struct RecentRefusals(BTreeMap<RefusalLine, usize>);

/// The part of a refusal that makes it the same as another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct RefusalLine {
    entrance: String,
    path: String,
    package: Option<String>,
    version: Option<String>,
    architecture: Option<String>,
    sha256: Option<String>,
    reason: Option<RefusalReason>,
    /// The configuration
    policy: Option<String>,
    /// Those who signed another file: each of them is news
    #[serde(default)]
    conflicts: Vec<RefusalConflict>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct RefusalReason {
    code: String,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct RefusalConflict {
    rebuilder: String,
    sha256: String,
}

impl RecentRefusals {
    /// Reads the end of the receipts in `file`, if there is a refusal among `records`.
    pub(super) fn at_the_end_of<T>(file: &File, records: &[(Record, T)]) -> Self {
        let Some((record, _)) = records.iter().find(|(it, _)| is_refusal(it)) else {
            return Self::default();
        };
        let length = file.metadata().map_or(0, |it| it.len());
        let at = length.saturating_sub(LOOKED_AT);
        let mut end = vec![0; usize::try_from(length - at).unwrap_or_default()];
        // Without them, the refusal is written.
        if file.read_exact_at(&mut end, at).is_err() {
            return Self::default();
        }
        Self::among(&end, record.time)
    }

    /// The first line may be the rest of one, which is no JSON.
    fn among(receipts: &[u8], now: Timestamp) -> Self {
        #[derive(Deserialize)]
        struct TimedLine {
            time: Timestamp,
            decision: String,
            #[serde(flatten)]
            refusal: RefusalLine,
        }

        let mut recent = BTreeMap::new();
        each_line(receipts, |line| {
            if let Ok(TimedLine { time, decision, refusal }) = serde_json::from_slice(line) {
                if decision == "refuse" && is_recent(time, now) {
                    *recent.entry(refusal).or_default() += 1;
                }
            }
        });
        Self(recent)
    }

    /// Returns true if `record` is a refusal that was written often enough; otherwise counts it.
    pub(super) fn repeats(&mut self, record: &Record) -> bool {
        if !is_refusal(record) {
            return false;
        }
        let written = self.0.entry(RefusalLine::of(record)).or_default();
        if *written >= MOST {
            return true;
        }
        *written += 1;
        false
    }
}

/// Times in the future are those of a clock that was set back: the present is written then.
fn is_recent(time: Timestamp, now: Timestamp) -> bool {
    (0..PERIOD).contains(&now.as_unix().saturating_sub(time.as_unix()))
}

fn is_refusal(record: &Record) -> bool {
    record.decision == "refuse"
}

impl RefusalLine {
    fn of(record: &Record) -> Self {
        let identity = record.identity.as_ref();
        let conflicts = record.report.conflicts.iter().map(|it| RefusalConflict {
            rebuilder: it.rebuilder.to_string(),
            sha256: it.sha256.to_string(),
        });
        Self {
            entrance: record.entrance.word().to_owned(),
            path: record.path.clone(),
            package: identity.map(|it| it.package.to_string()),
            version: identity.map(|it| it.version.to_string()),
            architecture: identity.map(|it| it.architecture.to_string()),
            sha256: record.sha256.map(|it| it.to_string()),
            reason: record
                .reason
                .as_ref()
                .map(|it| RefusalReason { code: it.code.to_owned(), text: it.text.clone() }),
            policy: record.policy.map(|it| it.to_string()),
            conflicts: conflicts.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Ledger, SignedBytes};
    use super::*;
    use crate::policy::{Decision, Reason, Refusal};
    use crate::report::Entrance;

    fn refusal(path: &str, why: &str, time: &str) -> Record {
        let reason = Reason::Unreadable { why: why.to_owned() };
        let decision = Decision::Refuse(Refusal::unjudged(None, reason));
        let time = time.parse().unwrap();
        Record::of(&decision, Entrance::Hook, Path::new(path), None, time)
    }

    fn written(state: &Path) -> usize {
        std::fs::read_to_string(state.join("receipts/hook.jsonl")).unwrap().lines().count()
    }

    #[test]
    fn the_same_refusal_is_written_a_few_times_in_an_hour() {
        let state = tempfile::tempdir().unwrap();
        let signed = SignedBytes::new();
        let write = |record: Record| {
            // Each run opens them anew.
            let mut ledger = Ledger::open(state.path(), Entrance::Hook).unwrap();
            ledger.record(&[(record, &signed)]).unwrap();
            written(state.path())
        };
        for second in 0..1000 {
            let time = format!("2026-06-01T12:{:02}:{:02}Z", second / 60, second % 60);
            assert_eq!(write(refusal("/a.deb", "why", &time)), (second + 1).min(MOST));
        }
        // Any difference is news, and so is the same an hour later, or after the clock went back.
        assert_eq!(write(refusal("/b.deb", "why", "2026-06-01T12:20:00Z")), MOST + 1);
        assert_eq!(write(refusal("/a.deb", "another", "2026-06-01T12:20:00Z")), MOST + 2);
        assert_eq!(write(refusal("/a.deb", "why", "2026-06-01T12:59:59Z")), MOST + 2);
        assert_eq!(write(refusal("/a.deb", "why", "2026-06-01T13:00:00Z")), MOST + 3);
        assert_eq!(write(refusal("/a.deb", "why", "2026-06-01T11:59:59Z")), MOST + 4);
    }

    #[test]
    fn in_one_run_it_is_not_written_more_often() {
        let state = tempfile::tempdir().unwrap();
        let signed = SignedBytes::new();
        let mut ledger = Ledger::open(state.path(), Entrance::Hook).unwrap();
        let record = |it| (refusal(it, "why", "2026-06-01T12:00:00Z"), &signed);
        let records: Vec<_> = ["/a", "/b"].into_iter().cycle().take(100).map(record).collect();
        ledger.record(&records).unwrap();
        assert_eq!(written(state.path()), 2 * MOST);
    }
}
