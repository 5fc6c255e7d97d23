//! Writing to people. A closed pipe is no reason to panic, and no success either.

use std::io::{self, Write};

use super::Exit;
use crate::report;

/// Writes to standard output and gives `exit`, or a failure if nobody could read it.
pub(super) fn print(text: &str, exit: Exit) -> Exit {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => exit,
        // `apt-quorum verify ... | head` ends early; what it would have said stands.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
        Err(_) => Exit::Wrong,
    }
}

/// Writes to standard error.
pub(super) fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A value as JSON in ASCII with a line end.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| report::ascii(&text) + "\n")
        .unwrap_or_else(|error| format!("{{\"error\":{:?}}}\n", error.to_string()))
}
