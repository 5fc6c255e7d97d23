//! `apt-quorum exception remove`: an exception ends before its day.

use super::args::ExceptionRemove;
use super::{DIRECTORY, Exit, MAX_FILE, Stop, World, file, list, say};
use crate::cli::world::ask;
use crate::config::{Change, Removed, without_exception};
use crate::types::{Timestamp, printable};

pub(super) fn run(arguments: &ExceptionRemove) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let shown = printable(&arguments.place).to_string();
    let (name, line) = read(&arguments.place).ok_or_else(|| {
        Stop::wrong(format!("{shown} is no place: write it as {DIRECTORY}/local.toml:12."))
    })?;
    let called = format!("{name} line {line}");
    let exceptions = world.config.policy.exceptions();
    let exception = exceptions.iter().find(|it| it.exemption.place == called).ok_or_else(|| {
        Stop::refused(format!(
            "no exception begins at {shown}: apt-quorum exception list{} shows where they are. Nothing was changed.",
            world.option()
        ))
    })?;
    let path = file(name);
    let was =
        world.trusted.read(&world.config.directory.join(&path), MAX_FILE).map_err(Stop::refused)?;
    let mut change = Change::of(&world.config.directory);
    let by_hand = || {
        Stop::refused(format!(
            "the exception at {shown} has no header of its own, or is written in a way that only people can take apart: take it out by hand. Nothing was changed."
        ))
    };
    match without_exception(&was, line).ok_or_else(by_hand)? {
        Removed::Left(text) => change.edit(&path, was, text),
        Removed::Nothing => change.remove_only(&path, was),
    }
    change.check(world.trusted)?;
    let now = Timestamp::from(std::time::SystemTime::now());
    if say(&list::line(exception, now), Exit::Admitted) != Exit::Admitted {
        return Err(Stop::refused("the exception could not be shown: nothing was changed."));
    }
    if !arguments.yes {
        ask("Take this exception away? Type yes: ", "without a terminal, give --yes")?;
    }
    let config = change.apply(world.trusted)?;
    let text = format!(
        "It is gone. What was installed under it stays, as debt until a quorum confirms it; {} left.\n",
        match config.policy.exceptions().len() {
            0 => "no exception is".to_owned(),
            1 => "1 exception is".to_owned(),
            count => format!("{count} exceptions are"),
        }
    );
    Ok(say(&text, Exit::Admitted))
}

/// Splits a place, as `list` shows it or as other messages do, into the file and the line.
fn read(place: &str) -> Option<(&str, usize)> {
    let place = place.strip_prefix(DIRECTORY).and_then(|it| it.strip_prefix('/')).unwrap_or(place);
    let (name, line) = place.rsplit_once(':').or_else(|| place.rsplit_once(" line "))?;
    let good =
        !name.is_empty() && !name.contains('/') && line.bytes().all(|it| it.is_ascii_digit());
    good.then_some((name, line.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn places_are_taken_as_the_program_shows_them() {
        for place in ["exceptions.d/local.toml:12", "local.toml:12", "local.toml line 12"] {
            assert_eq!(read(place), Some(("local.toml", 12)), "{place}");
        }
        for bad in ["", "local.toml", ":1", "../local.toml:1", "local.toml:+1", "local.toml:"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
