//! `apt-quorum exception renew`: gives an exception another end.

use super::args::ExceptionRenew;
use super::{
    ChangedExceptions, Exit, Reference, Stop, World, expires, file, list, not_as_intended, now,
    reference, say, say_first,
};
use crate::cli::loose::Width;
use crate::cli::world::agree;
use crate::config::{Change, with_end};

pub(super) fn run(arguments: &ExceptionRenew) -> Result<Exit, Stop> {
    let now = now();
    let expires = expires(&arguments.end, now)?;
    let called = Reference::read(&arguments.what)?;
    let world = World::open(&arguments.directory)?;
    let exception = called.found(&arguments.what, &world)?;
    let place = exception.exemption.place.clone();
    if exception.exemption.expires == expires {
        let text = match arguments.json {
            true => ChangedExceptions::of(false, [exception], now),
            false => format!(
                "{} applies {} already: nothing was changed.\n",
                reference(exception),
                expires.until()
            ),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let path = file(&place.file);
    let was = world.read(&path).map_err(Stop::refused)?;
    let text = with_end(&was, place.line, expires).ok_or_else(|| {
        Stop::refused(format!(
            "the exception in {place} has no [[exception]] line of its own, or an unusual form: change it with an editor. Nothing was changed."
        ))
    })?;
    let mut change = Change::of(&world.config.directory);
    change.edit(&path, was, text);
    change.check(world.trusted)?;
    let wide = Width::of(&exception.matcher).filter(|it| *it != Width::Versions);
    if wide.is_some() && !arguments.yes {
        if !arguments.json {
            say_first(&list::line(exception, now))?;
        }
        agree("Renew this wide exception? Type yes: ", false, arguments.json)?;
    }
    let config = change.apply(world.trusted)?;
    // The configuration, read again, must have the end that was asked for, and nothing else new.
    let renewed = config.policy.exceptions().iter().find(|it| it.exemption.place == place);
    let renewed = renewed.filter(|it| {
        it.exemption.expires == expires
            && it.exemption.id == exception.exemption.id
            && it.matcher.conditions() == exception.matcher.conditions()
    });
    let renewed = renewed.ok_or_else(|| not_as_intended(&config.directory.join(&path)))?;
    let text = match arguments.json {
        true => ChangedExceptions::of(true, [renewed], now),
        false => list::line(renewed, now),
    };
    Ok(say(&text, Exit::Admitted))
}
