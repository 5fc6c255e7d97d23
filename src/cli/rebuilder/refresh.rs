//! `apt-quorum rebuilder refresh`: compares the pinned keys with those that rebuilders publish.
//!
//! It only reports. A server that was broken into would say that it has a new key.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::Exit;
use super::super::args::RebuilderRefresh;
use super::super::output::json;
use super::offer::{Offered, OfferedKeys, published, publishes_keys};
use super::{Stop, World, say};
use crate::config::Endpoint;
use crate::evidence::PublishedKeys;
use crate::types::{KeyKind, PublicKey, RebuilderName, Sha256Digest};

/// The comparison of one rebuilder's keys, as JSON.
#[derive(Serialize)]
struct Compared {
    name: RebuilderName,
    /// Keys that are published and not pinned
    new: Vec<ComparedKey>,
    /// Keys that are pinned, and not published by any of its endpoints
    gone: Vec<ComparedKey>,
    /// URLs of endpoints that publish no keys
    without_keys: Vec<String>,
    /// Endpoints that could not be asked, with the reason
    unreachable: Vec<String>,
}

#[derive(Serialize)]
struct ComparedKey {
    r#type: &'static str,
    /// in-toto's key id
    id: String,
    /// The SHA-256 of the key in DER; none of a certificate
    sha256: Option<Sha256Digest>,
    #[serde(skip)]
    forms: Vec<String>,
    /// The places where it was seen, for people
    from: Vec<String>,
    /// Another rebuilder, for which the configuration pins this key
    pinned_for: Option<RebuilderName>,
}

pub(super) fn run(arguments: &RebuilderRefresh) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let names: Vec<&RebuilderName> = match &arguments.name {
        Some(name) => vec![world.rebuilder(name)?.0],
        None => world.config.rebuilders.keys().collect(),
    };
    let asked = world.config.endpoints.iter();
    let asked = asked.filter(|it| names.contains(&&it.rebuilder) && publishes_keys(it.protocol));
    let asked: Vec<Endpoint> = asked.cloned().collect();
    let published = published(&asked, &world.config, &world.apt)?;
    let compared: Vec<Compared> =
        names.into_iter().map(|name| compare(name, &asked, &published, &world)).collect();
    let exit = if compared.iter().any(|it| !it.new.is_empty() || !it.gone.is_empty()) {
        Exit::Refused
    } else if compared.iter().any(|it| !it.unreachable.is_empty()) {
        Exit::CouldNotFindOut
    } else {
        Exit::Admitted
    };
    let text = match arguments.json {
        true => json(&serde_json::json!({ "schema": 1, "rebuilders": compared })),
        false if compared.is_empty() => super::list::NONE.to_owned(),
        false => compared.iter().map(|it| described(it, &world)).collect(),
    };
    Ok(say(&text, exit))
}

fn compare(
    name: &RebuilderName,
    endpoints: &[Endpoint],
    published: &[PublishedKeys],
    world: &World,
) -> Compared {
    let own = endpoints.iter().zip(published).filter(|(it, _)| it.rebuilder == *name);
    let (endpoints, published): (Vec<Endpoint>, Vec<PublishedKeys>) =
        own.map(|(endpoint, published)| (endpoint.clone(), published.clone())).unzip();
    let mut answers = OfferedKeys::of(&endpoints, published);
    let complete = answers.silent.is_empty() && answers.without.is_empty();
    let others = world.config.endpoints.iter();
    let others = others.filter(|it| it.rebuilder == *name && !publishes_keys(it.protocol));
    answers.without.extend(others.map(|it| it.url.to_string()));
    let pinned = || world.config.policy.keys().iter();
    let new = answers
        .offered
        .iter()
        .filter(|it| !pinned().any(|pinned| pinned.rebuilder == *name && pinned.key == it.key));
    let listed_new = |Offered { key, from }: &Offered| ComparedKey {
        pinned_for: pinned().find(|it| it.key == *key).map(|it| it.rebuilder.clone()),
        ..listed(key, from.iter().map(ToString::to_string).collect())
    };
    // Only where all have answered is it certain that none has it any more, and only rebuilderd's
    // own kind of key could be there.
    let gone = pinned()
        .filter(|it| {
            complete
                && !endpoints.is_empty()
                && it.rebuilder == *name
                && it.key.kind() == KeyKind::Ed25519
        })
        .filter(|it| !answers.offered.iter().any(|offered| offered.key == it.key));
    Compared {
        name: name.clone(),
        new: new.map(listed_new).collect(),
        gone: gone.map(|it| listed(&it.key, Vec::new())).collect(),
        without_keys: answers.without,
        unreachable: answers.silent,
    }
}

fn listed(key: &PublicKey, from: Vec<String>) -> ComparedKey {
    let id = key.key_id().as_str().to_owned();
    ComparedKey {
        r#type: key.kind().name(),
        id,
        sha256: key.to_der().map(|der| Sha256Digest::of(&der)),
        forms: super::show::other_forms(key),
        from,
        pinned_for: None,
    }
}

fn described(it: &Compared, world: &World) -> String {
    let name = &it.name;
    let mut text = String::new();
    let file = world.config.rebuilders.get(name).map(|it| it.file.display().to_string());
    for key in &it.new {
        let _ = writeln!(text, "{name}: published but not trusted: {} {}", key.r#type, key.id);
        for form in &key.forms {
            let _ = writeln!(text, "  {form}");
        }
        for from in &key.from {
            let _ = writeln!(text, "  {from}");
        }
        let _ = match &key.pinned_for {
            Some(other) => writeln!(text, "  It is the key of {other}: are the two one party?"),
            None => writeln!(
                text,
                "  If it is the right key: apt-quorum rebuilder add-key {name} --fingerprint {}{}",
                key.id,
                world.option()
            ),
        };
    }
    for key in &it.gone {
        let _ = writeln!(
            text,
            "{name}: a trusted key is no longer published: {} {}",
            key.r#type, key.id
        );
        let _ = writeln!(
            text,
            "  It still counts. Contact the rebuilder; to stop trusting the key, remove it from {}.",
            file.as_deref().unwrap_or_default()
        );
    }
    for url in &it.without_keys {
        let _ = writeln!(text, "{name}: {url} publishes no keys, so there is nothing to compare.");
    }
    for why in &it.unreachable {
        let _ = writeln!(text, "{name}: could not be asked: {why}.");
    }
    if text.is_empty() && !world.config.endpoints.iter().any(|it| it.rebuilder == *name) {
        text = format!("{name}: it has no endpoint that could be asked.\n");
    } else if text.is_empty() {
        text = format!("{name}: nothing has changed.\n");
    }
    text
}
