//! `apt-quorum rebuilder add-key`: trusts a new key of a rebuilder.

use super::super::Exit;
use super::super::args::RebuilderAddKey;
use super::offer::{Offered, from_endpoints, from_files, publishes_keys};
use super::{Stop, World, say, show, trust};
use crate::config::{Change, Draft, DraftEndpoint, DraftKey};
use crate::types::Timestamp;

pub(super) fn run(arguments: &RebuilderAddKey) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust)?;
    let world = World::open(&arguments.directory)?;
    let (name, rebuilder) = world.rebuilder(&arguments.name)?;
    let mut keys = from_files(&arguments.trust.key)?;
    if keys.is_empty() {
        let endpoints = world.config.endpoints.iter().filter(|it| it.rebuilder == *name);
        let asked: Vec<DraftEndpoint> = endpoints
            .filter(|it| publishes_keys(it.protocol))
            .map(|it| DraftEndpoint {
                protocol: it.protocol,
                url: it.url.clone(),
                architectures: it.architectures.clone(),
                archive: it.archive.clone(),
            })
            .collect();
        if asked.is_empty() {
            return Err(Stop::wrong(format!(
                "no endpoint of {name} publishes keys: give the new one with --key FILE."
            )));
        }
        let answers = from_endpoints(name, &asked, &world)?;
        if let Some(silent) = answers.silent.first() {
            return Err(Stop::silent(format!("no keys from {silent}: nothing was changed.")));
        }
        keys = answers.offered;
    }
    let pinned = |key: &Offered| {
        world.config.policy.keys().iter().any(|it| it.rebuilder == *name && it.key == key.key)
    };
    keys.retain(|key| !pinned(key));
    if keys.is_empty() {
        return Ok(say(&format!("{name} has no key that is not there already.\n"), Exit::Admitted));
    }
    let now = Timestamp::from(std::time::SystemTime::now());
    let added = format!("Added with apt-quorum rebuilder add-key on {}.", now.date());
    let key = |it: &Offered| DraftKey {
        key: it.key.clone(),
        not_after: None,
        comments: it.from.iter().map(|it| it.said.clone()).chain([added.clone()]).collect(),
    };
    let draft = Draft { keys: keys.iter().map(key).collect(), ..Draft::new(name.clone()) };
    let was = world.trusted.read(&rebuilder.file, 1 << 20).map_err(Stop::refused)?;
    let mut change = Change::of(&world.config.directory);
    for (path, text) in draft.key_files() {
        change.replace(path, text);
    }
    let end = if was.ends_with('\n') { "" } else { "\n" };
    let text = format!("{was}{end}{}", draft.key_tables());
    change.edit(world.relative(&rebuilder.file)?, was, text);
    change.check(world.trusted)?;

    let mut text = format!("{name} ({})\n", rebuilder.file.display());
    show::keys(&mut text, &keys, now);
    if say(&text, Exit::Admitted) != Exit::Admitted {
        return Err(Stop::refused("the keys could not be shown: nothing was changed."));
    }
    trust::confirm(&keys, &arguments.trust, &fingerprints)?;
    change.apply(world.trusted)?;
    let text = format!(
        "{} was written. A key that {name} uses no more is taken out there by hand.\n",
        rebuilder.file.display()
    );
    Ok(say(&text, Exit::Admitted))
}
