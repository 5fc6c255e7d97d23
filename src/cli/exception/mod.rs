//! `apt-quorum exception`: packages that may pass without a quorum, each with a reason and an end.

mod add;
pub(super) mod args;
mod list;
mod prune;
mod remove;
mod renew;
mod suggest;

use std::path::{Path, PathBuf};

pub(super) use list::{ListedException, line};

use serde::Serialize;

use super::Exit;
use super::output;
use super::world::{Stop, World, now, say, say_first};
use crate::policy::{self, Exception, ExceptionId, Place};
use crate::types::{Timestamp, printable};
use args::{End, ExceptionCommand};

/// The directory of exceptions, below the directory of a configuration.
const DIRECTORY: &str = "exceptions.d";

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// The number of days before its end from which an exception is warned about.
const SOON: i64 = 14;

pub(super) fn run(command: &ExceptionCommand) -> Result<Exit, Stop> {
    match command {
        ExceptionCommand::Add(arguments) => add::run(arguments),
        ExceptionCommand::List(arguments) => list::run(arguments),
        ExceptionCommand::Renew(arguments) => renew::run(arguments),
        ExceptionCommand::Remove(arguments) => remove::run(arguments),
        ExceptionCommand::Prune(arguments) => prune::run(arguments),
        ExceptionCommand::Suggest(arguments) => suggest::run(arguments),
    }
}

/// The JSON of a command that changes exceptions.
#[derive(Serialize)]
struct ChangedExceptions {
    schema: u32,
    /// True if a file was changed
    changed: bool,
    /// The exceptions that it is about, as they are now or were before they were removed
    exceptions: Vec<ListedException>,
}

impl ChangedExceptions {
    fn of<'a>(
        changed: bool,
        exceptions: impl IntoIterator<Item = &'a Exception>,
        now: Timestamp,
    ) -> String {
        let exceptions = exceptions.into_iter().map(|it| ListedException::of(it, now)).collect();
        output::json(&Self { schema: 1, changed, exceptions })
    }
}

/// A word of the command line for an exception.
#[derive(Debug, PartialEq, Eq)]
enum Reference {
    Id(ExceptionId),
    Place(Place),
}

impl Reference {
    /// Reads an id, or a place as `list` shows it or as other messages do.
    fn read(word: &str) -> Result<Self, Stop> {
        if let Ok(id) = word.parse() {
            return Ok(Self::Id(id));
        }
        place_of(word).map(Self::Place).ok_or_else(|| {
            Stop::wrong(format!("\"{}\" is not an exception reference, such as hello-1 or {DIRECTORY}/local.toml:12. See the list: apt-quorum exception list", printable(word)))
        })
    }

    /// Returns the exception, if there is one.
    fn of<'w>(&self, world: &'w World) -> Option<&'w Exception> {
        world.config.policy.exceptions().iter().find(|it| match self {
            Self::Id(id) => it.exemption.id.as_ref() == Some(id),
            Self::Place(place) => it.exemption.place == *place,
        })
    }

    /// Returns the exception; stops if there is none.
    fn found<'w>(&self, word: &str, world: &'w World) -> Result<&'w Exception, Stop> {
        self.of(world).ok_or_else(|| {
            let (at, shown) = (if matches!(self, Self::Id(_)) { "" } else { "at " }, printable(word));
            Stop::refused(format!(
                "there is no exception {at}{shown}. Nothing was changed. See the list: apt-quorum exception list{}",
                world.option()
            ))
        })
    }
}

fn place_of(word: &str) -> Option<Place> {
    let word = word.strip_prefix(DIRECTORY).and_then(|it| it.strip_prefix('/')).unwrap_or(word);
    let (name, line) = word.rsplit_once(':').or_else(|| word.rsplit_once(" line "))?;
    let good =
        !name.is_empty() && !name.contains('/') && line.bytes().all(|it| it.is_ascii_digit());
    good.then_some(Place { file: name.to_owned(), line: line.parse().ok()? })
}

/// Returns the place of an exception, as people type it: `exceptions.d/local.toml:12`. The
/// configuration calls the same place `local.toml line 12`.
fn place(exception: &Exception) -> String {
    let Place { file, line } = &exception.exemption.place;
    format!("{DIRECTORY}/{file}:{line}")
}

/// Returns the word by which people name an exception: its id, else its place.
pub(super) fn reference(exception: &Exception) -> String {
    exception.exemption.id.as_ref().map_or_else(|| place(exception), ToString::to_string)
}

/// Tells people how long an exception still applies.
pub(super) fn left(expires: Timestamp, now: Timestamp) -> String {
    let until = expires.until();
    match days_left(expires, now) {
        None => format!("EXPIRED {}", expires.ended()),
        Some(0) => format!("{until}, less than a day left"),
        Some(days) => {
            let days = output::counted(usize::try_from(days).unwrap_or(usize::MAX), "day");
            format!("{until}, {days} left")
        }
    }
}

/// Returns the number of whole days that an exception still applies; none if it has expired.
fn days_left(expires: Timestamp, now: Timestamp) -> Option<i64> {
    (now < expires).then(|| (expires.as_unix() - now.as_unix()) / DAY)
}

/// Returns true if an exception still applies and ends within two weeks.
fn ends_soon(expires: Timestamp, now: Timestamp) -> bool {
    days_left(expires, now).is_some_and(|days| days < SOON)
}

/// Warns about the exceptions that end within two weeks: a sentence each, without a full stop.
pub(super) fn endings(exceptions: &[Exception], option: &str, now: Timestamp) -> Vec<String> {
    let soon = exceptions.iter().filter(|it| ends_soon(it.exemption.expires, now));
    soon.map(|it| {
        format!(
            "{} applies only {}. To extend it: apt-quorum exception renew {} --days 30{option}",
            it.exemption.spoken(),
            left(it.exemption.expires, now),
            reference(it)
        )
    })
    .collect()
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

/// The error where a file does not have what was written.
fn not_as_intended(file: &Path) -> Stop {
    Stop::refused(format!(
        "{} was written, but its content is not as intended: check it.",
        file.display()
    ))
}

/// Returns the first moment at which an exception with this end no longer applies.
fn expires(end: &End, now: Timestamp) -> Result<Timestamp, Stop> {
    let expires = match (end.until, end.days) {
        (Some(end), _) => Some(end),
        (None, days) => {
            // The rest of today, and so many days.
            let whole_days = now.as_unix().div_euclid(DAY) + i64::from(days.unwrap_or(0)) + 1;
            Timestamp::from_unix(whole_days * DAY).ok()
        }
    };
    match expires {
        Some(expires) if expires > now => Ok(expires),
        Some(expires) => {
            let day = expires.last_day().unwrap_or_else(|| expires.to_string());
            Err(Stop::wrong(format!("expiry date {day} is in the past.")))
        }
        None => Err(Stop::wrong("--days is too large.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_named_as_the_program_shows_them() {
        for place in ["exceptions.d/local.toml:12", "local.toml:12", "local.toml line 12"] {
            let at = Place { file: "local.toml".to_owned(), line: 12 };
            assert_eq!(Reference::read(place).ok(), Some(Reference::Place(at)), "{place}");
        }
        assert!(matches!(Reference::read("hello-1"), Ok(Reference::Id(_))));
        for bad in ["", "local.toml", ":1", "../local.toml:1", "local.toml:+1", "local.toml:", "A"]
        {
            assert!(Reference::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_fortnight_is_soon() {
        let now = Timestamp::start_of_day(2027, 3, 1).unwrap();
        for (end, soon) in [((3, 1), false), ((3, 2), true), ((3, 14), true), ((3, 15), false)] {
            let end = Timestamp::start_of_day(2027, end.0, end.1).unwrap();
            assert_eq!(ends_soon(end, now), soon, "{end}");
        }
    }
}
