//! `apt-quorum exception remove`: an exception ends before its day.

use super::args::ExceptionRemove;
use super::{DIRECTORY, Exit, Stop, World, file, list, now, say, say_first};
use crate::cli::output::counted;
use crate::cli::world::ask;
use crate::config::{Change, Removed, without_exception};
use crate::policy::Place;
use crate::types::printable;

pub(super) fn run(arguments: &ExceptionRemove) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let shown = printable(&arguments.place).to_string();
    let called = read(&arguments.place).ok_or_else(|| {
        Stop::wrong(format!("\"{shown}\" is not an exception reference, such as {DIRECTORY}/local.toml:12. See the list: apt-quorum exception list"))
    })?;
    let exceptions = world.config.policy.exceptions();
    let exception = exceptions.iter().find(|it| it.exemption.place == called).ok_or_else(|| {
        Stop::refused(format!(
            "there is no exception at {shown}. Nothing was changed. See the list: apt-quorum exception list{}",
            world.option()
        ))
    })?;
    let path = file(&called.file);
    let was = world.read(&path).map_err(Stop::refused)?;
    let mut change = Change::of(&world.config.directory);
    let by_hand = || {
        Stop::refused(format!(
            "the exception at {shown} has no [[exception]] line of its own, or an unusual form: remove it with an editor. Nothing was changed."
        ))
    };
    match without_exception(&was, called.line).ok_or_else(by_hand)? {
        Removed::Left(text) => change.edit(&path, was, text),
        Removed::Nothing => change.remove_only(&path, was),
    }
    change.check(world.trusted)?;
    say_first(&list::line(exception, now()))?;
    if !arguments.yes {
        ask("Remove this exception? Type yes: ", "--yes")?;
    }
    let config = change.apply(world.trusted)?;
    let left = counted(config.policy.exceptions().len(), "exception");
    let text = format!(
        "Exception removed. Packages installed under it stay as debt until a quorum confirms them. {left} left.\n"
    );
    Ok(say(&text, Exit::Admitted))
}

/// Reads a place, as `list` shows it or as other messages do.
fn read(place: &str) -> Option<Place> {
    let place = place.strip_prefix(DIRECTORY).and_then(|it| it.strip_prefix('/')).unwrap_or(place);
    let (name, line) = place.rsplit_once(':').or_else(|| place.rsplit_once(" line "))?;
    let good =
        !name.is_empty() && !name.contains('/') && line.bytes().all(|it| it.is_ascii_digit());
    good.then_some(Place { file: name.to_owned(), line: line.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::{Place, read};

    #[test]
    fn places_are_taken_as_the_program_shows_them() {
        for place in ["exceptions.d/local.toml:12", "local.toml:12", "local.toml line 12"] {
            let at = Place { file: "local.toml".to_owned(), line: 12 };
            assert_eq!(read(place), Some(at), "{place}");
        }
        for bad in ["", "local.toml", ":1", "../local.toml:1", "local.toml:+1", "local.toml:"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
