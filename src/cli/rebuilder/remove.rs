//! `apt-quorum rebuilder remove`: ends the trust in a rebuilder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::super::Exit;
use super::super::args::RebuilderRemove;
use super::super::output::counted;
use super::super::world::{Hold, POLICY, agree};
use super::{ChangedRebuilder, Stop, World, say, say_first, show};
use crate::config::{Change, without_setting};
use crate::policy::Mode;
use crate::types::{RebuilderName, Threshold, printable};

pub(super) fn run(arguments: &RebuilderRemove) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let wrong = |why: &dyn std::fmt::Display| {
        Stop::wrong(format!("{}: {why}.", printable(&arguments.name)))
    };
    let name: RebuilderName = arguments.name.parse().map_err(|why| wrong(&why))?;
    if !world.config.rebuilders.contains_key(&name) {
        let text = match arguments.json {
            true => ChangedRebuilder::json(&name, false, &world.config),
            false => format!(
                "There is no rebuilder {name}: nothing was changed. See the list: apt-quorum rebuilder list{}\n",
                world.option()
            ),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let is_last = world.config.rebuilders.len() == 1;
    let mut change = if is_last { without_any(&name, &world)? } else { lower(arguments, &world)? };
    world.forget(&BTreeSet::from([name.clone()]), &mut change)?;
    change.check(world.trusted)?;
    let mut text = format!("{name}: these files will be deleted:\n");
    for path in change.removes() {
        let _ = writeln!(text, "  {}", path.display());
    }
    if is_last {
        text += "It is the last rebuilder: without it, every package passes unchecked, and the threshold goes too.\n";
    }
    if !arguments.json {
        say_first(&text)?;
    }
    agree("Delete them? Type yes: ", arguments.yes, arguments.json)?;
    let config = change.apply(world.trusted)?;
    if arguments.json {
        return Ok(say(&ChangedRebuilder::json(&name, true, &config), Exit::Admitted));
    }
    let mut text = format!("{name} is no longer a rebuilder.\n");
    show::policy(&mut text, &config, &world.option());
    Ok(say(&text, Exit::Admitted))
}

/// Returns the change that takes the threshold out, which no configuration without a rebuilder has.
fn without_any(name: &RebuilderName, world: &World) -> Result<Change, Stop> {
    let (policy, option) = (&world.config.policy, world.option());
    if policy.mode() == Mode::Enforce {
        return Err(Stop::refused(format!(
            "{name} is the last rebuilder: without it, mode enforce would refuse every package; nothing was changed. First stop refusing: apt-quorum mode warn{option}"
        )));
    }
    if !policy.rules().is_empty() {
        return Err(Stop::refused(format!(
            "{name} is the last rebuilder, and without it no package could meet the rules in policy.toml: remove them first; nothing was changed. To remove rebuilders, rules and exceptions: apt-quorum setup --reset{option}"
        )));
    }
    let mut change = Change::of(&world.config.directory);
    let was = world.read(Path::new(POLICY)).map_err(Stop::refused)?;
    let text = without_setting(&was, "threshold").ok_or_else(|| {
        Stop::refused(
            "remove the threshold from policy.toml with an editor first. Nothing was changed.",
        )
    })?;
    if text != was {
        change.edit(POLICY, was, text);
    }
    Ok(change)
}

/// Returns the change that sets the threshold for the rebuilders that stay, if one was given.
fn lower(arguments: &RebuilderRemove, world: &World) -> Result<Change, Stop> {
    let threshold = arguments.threshold.map(Threshold::try_from).transpose();
    let threshold = threshold.map_err(|error| Stop::wrong(format!("--threshold: {error}.")))?;
    let left = world.config.rebuilders.len().saturating_sub(1);
    let needed = threshold.or(world.config.policy.default_requirement().map(|it| it.threshold()));
    if let Some(needed) = needed.filter(|it| !it.is_met_by(left)) {
        return Err(Stop::refused(format!(
            "threshold is {}, but there is only {} left; nothing was changed. Add --threshold {left} or less.",
            needed.count(),
            counted(left, "rebuilder")
        )));
    }
    world.change([], threshold, None, Hold::AsItIs)
}
