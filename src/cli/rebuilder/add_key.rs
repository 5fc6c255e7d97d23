//! `apt-quorum rebuilder add-key`: trusts a new key of a rebuilder.

use super::super::Exit;
use super::super::args::RebuilderAddKey;
use super::offer::{Offered, from_endpoints, from_files, publishes_keys};
use super::{ChangedRebuilder, Stop, World, now, say, say_first, show, trust};
use crate::config::{Change, Draft, DraftEndpoint, DraftKey};

pub(super) fn run(arguments: &RebuilderAddKey) -> Result<Exit, Stop> {
    let fingerprints = trust::fingerprints(&arguments.trust.fingerprint)?;
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
        let text = match arguments.trust.json {
            true => ChangedRebuilder::json(name, false, &world.config),
            false => format!("{name} has no new key.\n"),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let now = now();
    let added = format!("Added with apt-quorum rebuilder add-key on {}.", now.date());
    let key = |it: &Offered| {
        let mut draft: DraftKey = it.draft();
        draft.comments.push(added.clone());
        draft
    };
    let draft = Draft { keys: keys.iter().map(key).collect(), ..Draft::new(name.clone()) };
    let was = world.read(&rebuilder.file).map_err(Stop::refused)?;
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
    if !arguments.trust.json {
        say_first(&text)?;
    }
    trust::confirm(name, &keys, &arguments.trust, &fingerprints)?;
    let config = change.apply(world.trusted)?;
    if arguments.trust.json {
        return Ok(say(&ChangedRebuilder::json(name, true, &config), Exit::Admitted));
    }
    let text = format!(
        "{} was written. To stop trusting an old key of {name}, remove it from that file.\n",
        rebuilder.file.display()
    );
    Ok(say(&text, Exit::Admitted))
}
