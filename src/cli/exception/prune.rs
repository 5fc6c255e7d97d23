//! `apt-quorum exception prune`: removes the exceptions that have expired.

use super::args::ExceptionPrune;
use super::{ChangedExceptions, Exit, Stop, World, list, now, remove, say, say_first};
use crate::cli::output::counted;
use crate::cli::world::agree;
use crate::policy::Exception;

pub(super) fn run(arguments: &ExceptionPrune) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let now = now();
    let exceptions = world.config.policy.exceptions().iter();
    let expired: Vec<&Exception> = exceptions.filter(|it| it.exemption.expires <= now).collect();
    if expired.is_empty() {
        let text = match arguments.json {
            true => ChangedExceptions::of(false, [], now),
            false => "No exception has expired: nothing was changed.\n".to_owned(),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let change = remove::without(&expired, &world)?;
    change.check(world.trusted)?;
    if !arguments.json {
        say_first(&expired.iter().map(|it| list::line(it, now)).collect::<String>())?;
    }
    agree("Remove these exceptions? Type yes: ", arguments.yes, arguments.json)?;
    let config = change.apply(world.trusted)?;
    let text = match arguments.json {
        true => ChangedExceptions::of(true, expired, now),
        false => format!(
            "{} removed, {} left.\n",
            counted(expired.len(), "exception"),
            config.policy.exceptions().len()
        ),
    };
    Ok(say(&text, Exit::Admitted))
}
