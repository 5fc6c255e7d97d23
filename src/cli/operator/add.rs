//! `apt-quorum operator add`: the beginning of trust.

use std::fmt::Write as _;

use super::super::Exit;
use super::super::args::OperatorAdd;
use super::offer::{Offered, from_endpoints, from_files, publishes_keys};
use super::target::Target;
use super::{Stop, World, say, show, trust};
use crate::config::{Change, Draft, DraftKey, Protocol, with_threshold};
use crate::types::{Threshold, Timestamp, printable};

pub(super) fn run(arguments: &OperatorAdd) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust)?;
    let world = World::open(&arguments.directory)?;
    let mut target = Target::of(arguments, &world)?;
    if let Some(there) = world.config.operators.get(&target.name) {
        return Err(Stop::refused(format!(
            "there is an operator {} already ({}): apt-quorum operator add-key gives it another key, and --name another name.",
            target.name,
            there.file.display()
        )));
    }
    let threshold = threshold(arguments, &world)?;
    let keys = keys(arguments, &mut target, &world)?;
    let now = Timestamp::from(std::time::SystemTime::now());
    let draft = draft(&target, &keys, now);
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
    // Before anybody is asked: what cannot be is not worth a comparison of keys.
    change.check(world.trusted)?;

    let mut text = format!("{}\n", target.name);
    if let Some(description) = &target.description {
        let _ = writeln!(text, "  about     {}", printable(description));
    }
    if let Some(contact) = &target.contact {
        let _ = writeln!(text, "  contact   {}", printable(contact));
    }
    show::endpoints(&mut text, &target.endpoints);
    show::keys(&mut text, &keys, now);
    if let Some(threshold) = threshold {
        let _ = writeln!(text, "  threshold will be {} from now on", threshold.count());
    }
    if say(&text, Exit::Admitted) != Exit::Admitted {
        return Err(Stop::refused("the keys could not be shown: nothing was changed."));
    }
    trust::confirm(&keys, &arguments.trust, &fingerprints)?;
    let config = change.apply(world.trusted)?;

    let file = config.directory.join(draft.path());
    let mut text = format!("{} is an operator now: {} was written.\n", draft.name, file.display());
    show::policy(&mut text, &config, &world.option());
    let _ = writeln!(text, "Next, look at all of it: apt-quorum config check{}", world.option());
    Ok(say(&text, Exit::Admitted))
}

/// The threshold to set, if one is. It is never set lower: that is the administrator's own hand.
fn threshold(arguments: &OperatorAdd, world: &World) -> Result<Option<Threshold>, Stop> {
    let now = world.config.policy.default_requirement().map(|default| default.threshold());
    let Some(wanted) = arguments.threshold else {
        return match now {
            Some(_) => Ok(None),
            None => Err(Stop::wrong(
                "the policy has no threshold yet, and needs one as soon as there is an operator. How many must confirm a package? For the first operator add: --threshold 1 (raise it with each of the next)",
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

/// The keys that could be trusted.
fn keys(arguments: &OperatorAdd, target: &mut Target, world: &World) -> Result<Vec<Offered>, Stop> {
    let given = from_files(&arguments.trust.key)?;
    let (asked, others): (Vec<_>, Vec<_>) =
        target.endpoints.iter().cloned().partition(|it| publishes_keys(it.protocol));
    if !given.is_empty() && !target.guessed {
        return Ok(given);
    }
    if let (true, Some(other)) = (given.is_empty(), others.first()) {
        return Err(Stop::wrong(format!(
            "an endpoint of the protocol {} publishes no keys: get the operator's key from the operator and give it with --key FILE.",
            other.protocol.name()
        )));
    }
    let answers = from_endpoints(&target.name, &asked, world)?;
    if let Some(silent) = answers.silent.first() {
        let guess = if target.guessed {
            " If it is no rebuilderd, say what it speaks with --protocol, and give its key with --key FILE."
        } else if asked.len() > 1 {
            " With --architecture you can leave out endpoints that you do not need."
        } else {
            ""
        };
        return Err(Stop::silent(format!("no keys from {silent}: nothing was changed.{guess}")));
    }
    if let (true, Some(url), Some(seen)) = (target.guessed, answers.without.first(), answers.seen) {
        return found_out(url, seen, given, target);
    }
    if let Some(without) = answers.without.first() {
        return Err(Stop::refused(format!(
            "{without} publishes no keys as rebuilderd does since version 0.25: nothing was changed. Say what it speaks with --protocol, and give the operator's key with --key FILE."
        )));
    }
    Ok(if given.is_empty() { answers.offered } else { given })
}

/// Goes on with an endpoint whose protocol was found out and that publishes no keys.
fn found_out(
    url: &str,
    protocol: Protocol,
    given: Vec<Offered>,
    target: &mut Target,
) -> Result<Vec<Offered>, Stop> {
    let name = protocol.name();
    if protocol == Protocol::Archive {
        return Err(Stop::wrong(format!(
            "{url} looks like an archive: say so with --protocol {name}, what of it counts with --suite, --component and --taken-over, and give the operator's certificate with --key FILE."
        )));
    }
    if given.is_empty() {
        return Err(Stop::refused(format!(
            "{url} looks like {name} that publishes no keys: nothing was changed. Get the operator's key from the operator and give it with --key FILE."
        )));
    }
    for endpoint in &mut target.endpoints {
        endpoint.protocol = protocol;
    }
    Ok(given)
}

fn draft(target: &Target, keys: &[Offered], now: Timestamp) -> Draft {
    let key = |it: &Offered| DraftKey {
        key: it.key.clone(),
        not_after: None,
        comments: it.from.iter().map(|it| it.said.clone()).collect(),
    };
    let added = format!("Added with apt-quorum operator add on {}.", now.date());
    Draft {
        contact: target.contact.clone(),
        comments: target.description.iter().cloned().chain([added]).collect(),
        keys: keys.iter().map(key).collect(),
        endpoints: target.endpoints.clone(),
        ..Draft::new(target.name.clone())
    }
}
