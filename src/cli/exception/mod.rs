//! `apt-quorum exception`: packages that may pass without a quorum, each with a reason and an end.

mod add;
pub(super) mod args;
mod list;
mod remove;

use std::path::{Path, PathBuf};

pub(super) use list::{ListedException, line};

use super::Exit;
use super::output;
use super::world::{Stop, World, now, say, say_first};
use crate::policy::{self, Place};
use crate::types::{Timestamp, printable};
use args::ExceptionCommand;

/// The directory of exceptions, below the directory of a configuration.
const DIRECTORY: &str = "exceptions.d";

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

pub(super) fn run(command: &ExceptionCommand) -> Result<Exit, Stop> {
    match command {
        ExceptionCommand::Add(arguments) => add::run(arguments),
        ExceptionCommand::List(arguments) => list::run(arguments),
        ExceptionCommand::Remove(arguments) => remove::run(arguments),
    }
}

/// Returns the place of an exception, as people type it: `exceptions.d/local.toml:12`. The
/// configuration calls the same place `local.toml line 12`.
pub(super) fn place(exception: &policy::Exception) -> String {
    let Place { file, line } = &exception.exemption.place;
    format!("{DIRECTORY}/{file}:{line}")
}

/// Tells people how long an exception still applies.
pub(super) fn left(expires: Timestamp, now: Timestamp) -> String {
    let until = expires.date();
    match days_left(expires, now) {
        None => format!("EXPIRED on {until}"),
        Some(0) => format!("until {until}, less than a day left"),
        Some(days) => {
            let days = output::counted(usize::try_from(days).unwrap_or(usize::MAX), "day");
            format!("until {until}, {days} left")
        }
    }
}

/// Returns the number of whole days that an exception still applies; none if it has expired.
pub(super) fn days_left(expires: Timestamp, now: Timestamp) -> Option<i64> {
    (now < expires).then(|| (expires.as_unix() - now.as_unix()) / DAY)
}

/// Describes the conditions of an exception: `package "a" or "b", version "1"`.
pub(super) fn conditions(matcher: &policy::Matcher) -> String {
    let one = |(key, values): (&'static str, Vec<String>)| {
        let values: Vec<String> =
            values.iter().map(|it| format!("\"{}\"", printable(it))).collect();
        format!("{key} {}", values.join(" or "))
    };
    output::list(matcher.conditions().into_iter().map(one))
}

/// Returns the path of a file of exceptions, below the directory of the configuration.
fn file(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}
