//! `apt-quorum rebuilder add`: trusts a new rebuilder.

use std::fmt::Write as _;

use super::super::Exit;
use super::super::args::RebuilderAdd;
use super::super::world::Hold;
use super::candidate::Newcomer;
use super::target::RebuilderTarget;
use super::{Stop, World, now, say, say_first, show, trust};
use crate::types::Threshold;

pub(super) fn run(arguments: &RebuilderAdd) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust.fingerprint)?;
    let world = World::open(&arguments.directory)?;
    let target = RebuilderTarget::of(&arguments.new, &world)?;
    target.must_be_new(&world)?;
    let threshold = threshold(arguments, &world)?;
    let candidate = Newcomer::of(target, &arguments.trust.key, &world)?;
    let now = now();
    let draft = candidate.draft("rebuilder add", now);
    let change = world.change([&draft], threshold, None, Hold::AsItIs)?;
    // Before a person is asked: a change that cannot be made is not worth a comparison of keys.
    change.check(world.trusted)?;

    let mut text = candidate.shown(now);
    if let Some(threshold) = threshold {
        let _ = writeln!(text, "  threshold will be {} from now on", threshold.count());
    }
    say_first(&text)?;
    trust::confirm(candidate.name(), candidate.keys(), arguments.trust.yes, &fingerprints)?;
    let config = change.apply(world.trusted)?;

    let file = config.directory.join(draft.path());
    let mut text = format!("{} is now a rebuilder: {} was written.\n", draft.name, file.display());
    show::policy(&mut text, &config, &world.option());
    let _ =
        writeln!(text, "Next, check the configuration: apt-quorum config check{}", world.option());
    Ok(say(&text, Exit::Admitted))
}

/// Returns the threshold to set, if one is. It is never set lower: only the administrator does
/// that, by hand.
fn threshold(arguments: &RebuilderAdd, world: &World) -> Result<Option<Threshold>, Stop> {
    let now = world.config.policy.default_requirement().map(|default| default.threshold());
    let Some(wanted) = arguments.threshold else {
        return match now {
            Some(_) => Ok(None),
            None => Err(Stop::wrong(
                "policy.toml has no threshold, which the first rebuilder needs: add --threshold 1 (raise it with each new rebuilder)",
            )),
        };
    };
    let wanted = Threshold::try_from(wanted)
        .map_err(|error| Stop::wrong(format!("--threshold: {error}.")))?;
    match now {
        Some(now) if wanted < now => Err(Stop::refused(format!(
            "the threshold is {}, and this command only raises it: to lower it, edit policy.toml.",
            now.count()
        ))),
        Some(now) if wanted == now => Ok(None),
        _ => Ok(Some(wanted)),
    }
}
