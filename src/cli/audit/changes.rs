//! `apt-quorum audit --changes`: reports each change since the last audit once. Run by a timer.

use std::path::Path;

use super::super::Exit;
use super::super::notify;
use super::super::output::{about, counted, json, print};
use super::super::world::Stop;
use super::summary;
use crate::audit::{AuditChange, AuditRecord, Changes, LAST_AUDIT, MAX_LAST_AUDIT};
use crate::sys::files::{PreparedFile, read_bounded};
use crate::sys::plain;
use crate::types::printable;

/// Priorities of syslog(3) as systemd reads them before a line (sd-daemon(3)).
const ERROR: &str = "<3>";
const WARNING: &str = "<4>";
const NOTICE: &str = "<5>";
const INFO: &str = "<6>";

/// Reports the changes since the last audit, and keeps the result of this one.
///
/// # Errors
/// If the result cannot be kept: every run would report the same changes.
pub(super) fn tell(
    record: &AuditRecord,
    endings: &[String],
    state: &Path,
    as_json: bool,
    exit: Exit,
) -> Result<Exit, Stop> {
    let path = state.join(LAST_AUDIT);
    let changes = Changes::between(read_bounded(&path, MAX_LAST_AUDIT).as_deref(), record);
    // Written first and put in its place last: a change that could not be printed is reported
    // again.
    let failed = |error: std::io::Error| {
        Stop::wrong(format!("cannot keep the result in {}", about(&path, &plain(&error))))
    };
    let prepared = PreparedFile::write(&path, json(record).as_bytes()).map_err(failed)?;
    // The journal reads the priority of a line; other readers have no use for it.
    let for_journal = !as_json && std::env::var_os("JOURNAL_STREAM").is_some();
    let said = if as_json { json(&changes) } else { lines(&changes, endings, for_journal) };
    let exit = if changes.since.is_some() && changes.changes.is_empty() {
        unchanged(record)
    } else {
        exit
    };
    let ended = print(&said, exit);
    if ended == exit {
        prepared.place_over().map_err(failed)?;
    }
    if let Some(body) = note(&changes) {
        notify::desktop(&body);
    }
    Ok(ended)
}

/// Returns the exit code where there is nothing to look at that was not told before.
fn unchanged(record: &AuditRecord) -> Exit {
    let mut reasons = record.packages.iter().filter_map(|it| it.reason.as_ref());
    match reasons.any(|it| it.code == "could-not-find-out") {
        true => Exit::CouldNotFindOut,
        false => Exit::Admitted,
    }
}

/// Returns the note about changes for the worse, for the desktop.
fn note(changes: &Changes) -> Option<String> {
    let worse = changes.changes.iter().filter(|it| it.is_bad()).count();
    let conflicts = changes.changes.iter().any(|it| !it.conflicts.is_empty());
    (worse > 0).then(|| note_about(worse, conflicts))
}

fn note_about(worse: usize, conflicts: bool) -> String {
    let verb = if worse == 1 { "is" } else { "are" };
    let alarm = if conflicts {
        ", and a rebuilder signed a different file under the same name"
    } else {
        ""
    };
    let what = format!("{} {verb} worse than before", counted(worse, "package"));
    format!("{what}{alarm}. See: journalctl -u apt-quorum-audit")
}

fn lines(changes: &Changes, endings: &[String], for_journal: bool) -> String {
    let mut text = String::new();
    let mut add = |priority: &str, line: &str| {
        text += &format!("{}{line}\n", if for_journal { priority } else { "" });
    };
    for change in &changes.changes {
        add(priority(change), &change.text);
    }
    for ending in endings {
        add(WARNING, &format!("{}.", printable(ending)));
    }
    let summary = summary(changes.counts);
    let whole = match (changes.since, changes.changes.len()) {
        (None, _) => format!("The first audit: {summary}"),
        (Some(since), 0) => format!("Nothing changed since {since}: {summary}"),
        (Some(since), count) => format!("{} since {since}: {summary}", counted(count, "change")),
    };
    add(INFO, whole.trim_end());
    text
}

fn priority(change: &AuditChange) -> &'static str {
    if !change.conflicts.is_empty() {
        ERROR
    } else if change.is_bad() {
        WARNING
    } else {
        NOTICE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_how_many_and_whether_it_is_an_alarm() {
        assert_eq!(
            note_about(1, false),
            "1 package is worse than before. See: journalctl -u apt-quorum-audit"
        );
        assert!(
            note_about(3, true).starts_with("3 packages are worse than before, and a rebuilder")
        );
    }
}
