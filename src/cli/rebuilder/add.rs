//! `apt-quorum rebuilder add`: trusts a new rebuilder.

use std::fmt::Write as _;

use super::super::Exit;
use super::super::args::RebuilderAdd;
use super::candidate::Candidate;
use super::target::Target;
use super::{Stop, World, say, show, trust};
use crate::config::{Change, with_threshold};
use crate::types::{Threshold, Timestamp};

pub(super) fn run(arguments: &RebuilderAdd) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust)?;
    let world = World::open(&arguments.directory)?;
    let target = Target::of(arguments, &world)?;
    target.must_be_new(&world)?;
    let threshold = threshold(arguments, &world)?;
    let candidate = Candidate::of(target, &arguments.trust.key, &world)?;
    let now = Timestamp::from(std::time::SystemTime::now());
    let draft = candidate.draft("rebuilder add", now);
    let mut change = Change::of(&world.config.directory);
    draft.create_in(&mut change);
    if let Some(threshold) = threshold {
        let path = world.config.directory.join("policy.toml");
        let was = world.trusted.read(&path, 1 << 20).map_err(Stop::refused)?;
        let text = with_threshold(&was, threshold).ok_or_else(|| {
            Stop::refused(format!("the threshold cannot be written into {}.", path.display()))
        })?;
        change.edit("policy.toml", was, text);
    }
    // Before a person is asked: a change that cannot be made is not worth a comparison of keys.
    change.check(world.trusted)?;

    let mut text = candidate.shown(now);
    if let Some(threshold) = threshold {
        let _ = writeln!(text, "  threshold will be {} from now on", threshold.count());
    }
    if say(&text, Exit::Admitted) != Exit::Admitted {
        return Err(Stop::refused("the keys could not be shown: nothing was changed."));
    }
    trust::confirm(candidate.keys(), &arguments.trust, &fingerprints)?;
    let config = change.apply(world.trusted)?;

    let file = config.directory.join(draft.path());
    let mut text = format!("{} is a rebuilder now: {} was written.\n", draft.name, file.display());
    show::policy(&mut text, &config, &world.option());
    let _ = writeln!(text, "Next, look at all of it: apt-quorum config check{}", world.option());
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
                "the policy has no threshold yet, and needs one as soon as there is a rebuilder. How many must confirm a package? For the first rebuilder add: --threshold 1 (raise it with each of the next)",
            )),
        };
    };
    let wanted = Threshold::try_from(wanted)
        .map_err(|error| Stop::wrong(format!("--threshold: {error}.")))?;
    match now {
        Some(now) if wanted < now => Err(Stop::refused(format!(
            "the threshold is {} now, and this command only raises it: lower it in policy.toml.",
            now.count()
        ))),
        Some(now) if wanted == now => Ok(None),
        _ => Ok(Some(wanted)),
    }
}
