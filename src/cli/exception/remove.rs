//! `apt-quorum exception remove`: an exception ends before its day.

use super::args::ExceptionRemove;
use super::{ChangedExceptions, Exit, Reference, Stop, World, file, list, now, say, say_first};
use crate::cli::output::counted;
use crate::cli::world::agree;
use crate::config::{Change, Removed, without_exception};
use crate::policy::Exception;
use crate::types::printable;

pub(super) fn run(arguments: &ExceptionRemove) -> Result<Exit, Stop> {
    let reference = Reference::read(&arguments.what)?;
    let world = World::open(&arguments.directory)?;
    let now = now();
    // What an id names is gone if nothing has it. A line of a file can be another one by now.
    if let (Reference::Id(id), None) = (&reference, reference.of(&world)) {
        let option = world.option();
        let text = match arguments.json {
            true => ChangedExceptions::of(false, [], now),
            false => format!(
                "There is no exception {id}: nothing was changed. See the list: apt-quorum exception list{option}\n"
            ),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let exception = reference.found(&arguments.what, &world)?;
    let change = without(&[exception], &world)?;
    change.check(world.trusted)?;
    if !arguments.json {
        say_first(&list::line(exception, now))?;
    }
    agree("Remove this exception? Type yes: ", arguments.yes, arguments.json)?;
    let config = change.apply(world.trusted)?;
    let left = counted(config.policy.exceptions().len(), "exception");
    let text = match arguments.json {
        true => ChangedExceptions::of(true, [exception], now),
        false => format!(
            "Exception removed. Packages installed under it stay as debt until a quorum confirms them. {left} left.\n"
        ),
    };
    Ok(say(&text, Exit::Admitted))
}

/// Returns the change that removes these exceptions from their files.
pub(super) fn without(exceptions: &[&Exception], world: &World) -> Result<Change, Stop> {
    let mut places: Vec<_> = exceptions.iter().map(|it| &it.exemption.place).collect();
    // From the last line of each file to the first: the lines above stay where they are.
    places.sort_by(|a, b| (&a.file, b.line).cmp(&(&b.file, a.line)));
    let mut change = Change::of(&world.config.directory);
    for of_file in places.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = of_file.first() else { continue };
        let path = file(&first.file);
        let was = world.read(&path).map_err(Stop::refused)?;
        let mut left = Removed::Left(was.clone());
        for place in of_file {
            let removed = match &left {
                Removed::Left(text) => without_exception(text, place.line),
                Removed::Nothing => None,
            };
            left = removed.ok_or_else(|| {
                Stop::refused(format!(
                    "the exception at {} has no [[exception]] line of its own, or an unusual form: remove it with an editor. Nothing was changed.",
                    printable(&place.to_string())
                ))
            })?;
        }
        match left {
            Removed::Left(text) => change.edit(&path, was, text),
            Removed::Nothing => change.remove_only(&path, was),
        }
    }
    Ok(change)
}
