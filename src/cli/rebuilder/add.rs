//! `apt-quorum rebuilder add`: trusts a new rebuilder.

use std::fmt::Write as _;

use super::super::Exit;
use super::super::args::RebuilderAdd;
use super::super::world::Hold;
use super::candidate::Newcomer;
use super::offer::from_files;
use super::target::RebuilderTarget;
use super::{ChangedRebuilder, Stop, World, now, say, say_first, show, trust};
use crate::config::Endpoint;
use crate::types::{PublicKey, Threshold};

pub(super) fn run(arguments: &RebuilderAdd) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust.fingerprint)?;
    let world = World::open(&arguments.directory)?;
    let target = RebuilderTarget::of(&arguments.new, &world)?;
    if is_there(&target, arguments, &fingerprints, &world)? {
        let name = target.name();
        let text = match arguments.trust.json {
            true => ChangedRebuilder::json(name, false, &world.config),
            false => format!("{name} is a rebuilder already, as described: nothing was changed.\n"),
        };
        return Ok(say(&text, Exit::Admitted));
    }
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
    if !arguments.trust.json {
        say_first(&text)?;
    }
    trust::confirm(candidate.name(), candidate.keys(), &arguments.trust, &fingerprints)?;
    let config = change.apply(world.trusted)?;
    if arguments.trust.json {
        return Ok(say(&ChangedRebuilder::json(&draft.name, true, &config), Exit::Admitted));
    }

    let file = config.directory.join(draft.path());
    let mut text = format!("{} is now a rebuilder: {} was written.\n", draft.name, file.display());
    show::policy(&mut text, &config, &world.option());
    let _ =
        writeln!(text, "Next, check the configuration: apt-quorum config check{}", world.option());
    Ok(say(&text, Exit::Admitted))
}

/// Returns true if the very same rebuilder is trusted already: its endpoints are these, and its keys
/// are those that the command line names. Nobody is asked.
fn is_there(
    target: &RebuilderTarget,
    arguments: &RebuilderAdd,
    fingerprints: &[String],
    world: &World,
) -> Result<bool, Stop> {
    let (name, config) = (target.name(), &world.config);
    let Some(there) = config.rebuilders.get(name) else { return Ok(false) };
    let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
    let own: Vec<&PublicKey> = own.map(|it| &it.key).collect();
    let given = from_files(&arguments.trust.key)?;
    let is = |key: &PublicKey, digits: &String| key.key_id().as_str().starts_with(digits.as_str());
    let is_named = |key: &&PublicKey| {
        let by_file = given.is_empty() || given.iter().any(|it| it.key == **key);
        let by_digits = fingerprints.is_empty() || fingerprints.iter().any(|it| is(key, it));
        by_file && by_digits
    };
    let endpoints: Vec<&Endpoint> =
        config.endpoints.iter().filter(|it| it.rebuilder == *name).collect();
    let threshold = config.policy.default_requirement().map(|it| it.threshold().count().into());
    Ok((!given.is_empty() || !fingerprints.is_empty())
        && own.iter().all(is_named)
        && given.iter().all(|it| own.contains(&&it.key))
        && fingerprints.iter().all(|digits| own.iter().any(|key| is(key, digits)))
        && target.has_endpoints(&endpoints)
        && arguments.new.contact.as_ref().is_none_or(|it| there.contact.as_ref() == Some(it))
        && arguments.threshold.is_none_or(|it| Some(it) == threshold))
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
