//! Output for people. A closed pipe is no reason to panic, and no success either.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use super::Exit;
use crate::report;
use crate::sys::terminal;
use crate::types::printable;

/// Writes to standard output. Returns `exit`, or a failure if the text could not be written.
pub(super) fn print(text: &str, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => exit,
        // `apt-quorum verify ... | head` ends early; its result is valid all the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
        Err(_) => Exit::Wrong,
    }
}

/// Writes verdicts to standard output, in colour at a terminal.
pub(super) fn show(text: &str, exit: Exit) -> Exit {
    if terminal::takes_colours(&io::stdout()) {
        print(&report::painted(text), exit)
    } else {
        print(text, exit)
    }
}

/// Writes to standard error.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a summary of verdicts to standard error, in colour at a terminal.
pub(super) fn complain_in_colour(text: &str) {
    if terminal::takes_colours(&io::stderr()) {
        complain(&report::painted(text));
    } else {
        complain(text);
    }
}

/// Returns a value as JSON in ASCII with a line end.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| report::ascii(&text) + "\n")
        .unwrap_or_else(|error| format!("{{\"error\":{:?}}}\n", error.to_string()))
}

/// Returns a count with its noun: `1 package`, `2 packages`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Returns a path that can be shown.
pub(super) fn path(path: &Path) -> String {
    printable(&path.to_string_lossy()).to_string()
}

/// Returns a sentence about a file or directory that the command line names.
pub(super) fn about(path: &Path, why: &dyn Display) -> String {
    format!("{}: {why}", self::path(path))
}

/// Returns a list in text: `a, b, c`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|it| it.to_string()).collect();
    items.join(", ")
}
