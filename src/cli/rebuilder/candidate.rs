//! A rebuilder that could be trusted: its name, its endpoints, and its keys.

use std::path::PathBuf;

use super::offer::{Offered, from_endpoints, from_files, publishes_keys};
use super::target::RebuilderTarget;
use super::{Stop, World, show};
use crate::config::{Draft, Protocol};
use crate::types::{RebuilderName, Timestamp, printable};

/// The beginning of the advice to add a rebuilder by its protocol, which only `rebuilder add` takes.
pub(in crate::cli) const BY_PROTOCOL: &str = " By its protocol: ";

/// A rebuilder that is not trusted yet.
#[derive(Clone)]
pub(in crate::cli) struct Newcomer {
    target: RebuilderTarget,
    keys: Vec<Offered>,
}

impl Newcomer {
    /// Reads the keys in these files; without any, asks the rebuilder's endpoints for theirs.
    pub(in crate::cli) fn of(
        mut target: RebuilderTarget,
        files: &[PathBuf],
        world: &World,
    ) -> Result<Self, Stop> {
        let keys = keys(&mut target, files, world)?;
        Ok(Self { target, keys })
    }

    pub(in crate::cli) const fn name(&self) -> &RebuilderName {
        &self.target.name
    }

    pub(in crate::cli) fn keys(&self) -> &[Offered] {
        &self.keys
    }

    /// Returns the text that people see before they decide.
    pub(in crate::cli) fn shown(&self, now: Timestamp) -> String {
        let mut text = format!("{}\n", self.target.name);
        let (about, contact) = (&self.target.description, &self.target.contact);
        for (label, value) in [("about", about), ("contact", contact)] {
            if let Some(value) = value {
                show::line(&mut text, label, printable(value));
            }
        }
        for it in &self.target.endpoints {
            let (protocol, url) = (it.protocol.name(), it.url.as_str());
            show::endpoint(&mut text, protocol, url, it.architectures.as_ref());
        }
        show::keys(&mut text, &self.keys, now);
        text
    }

    /// Returns its file. `command` is the command that adds it.
    pub(in crate::cli) fn draft(&self, command: &str, now: Timestamp) -> Draft {
        let target = &self.target;
        let added = format!("Added with apt-quorum {command} on {}.", now.date());
        Draft {
            contact: target.contact.clone(),
            comments: target.description.iter().cloned().chain([added]).collect(),
            keys: self.keys.iter().map(Offered::draft).collect(),
            endpoints: target.endpoints.clone(),
            ..Draft::new(target.name.clone())
        }
    }
}

/// Returns the keys that could be trusted.
fn keys(
    target: &mut RebuilderTarget,
    files: &[PathBuf],
    world: &World,
) -> Result<Vec<Offered>, Stop> {
    let given = from_files(files)?;
    let (asked, others): (Vec<_>, Vec<_>) =
        target.endpoints.iter().cloned().partition(|it| publishes_keys(it.protocol));
    if !given.is_empty() && !target.guessed {
        return Ok(given);
    }
    if let (true, Some(other)) = (given.is_empty(), others.first()) {
        return Err(Stop::wrong(format!(
            "an endpoint of the protocol {} publishes no keys: get the key from the rebuilder and give it with --key FILE.",
            other.protocol.name()
        )));
    }
    let answers = from_endpoints(&target.name, &asked, world)?;
    if let Some(silent) = answers.silent.first() {
        let guess = if target.guessed {
            format!("{BY_PROTOCOL}add --protocol PROTOCOL and --key FILE.")
        } else if asked.len() > 1 {
            " With --architecture you can leave out endpoints that you do not need.".to_owned()
        } else {
            String::new()
        };
        return Err(Stop::silent(format!("no keys from {silent}: nothing was changed.{guess}")));
    }
    if let (true, Some(url), Some(seen)) = (target.guessed, answers.without.first(), answers.seen) {
        return found_out(url, seen, given, target);
    }
    if let Some(without) = answers.without.first() {
        return Err(Stop::refused(format!(
            "{without} publishes no keys, as rebuilderd does since version 0.25: nothing was changed.{BY_PROTOCOL}add --protocol PROTOCOL and --key FILE."
        )));
    }
    Ok(if given.is_empty() { answers.offered } else { given })
}

/// Continues with an endpoint whose protocol was detected and that publishes no keys.
fn found_out(
    url: &str,
    protocol: Protocol,
    given: Vec<Offered>,
    target: &mut RebuilderTarget,
) -> Result<Vec<Offered>, Stop> {
    let name = protocol.name();
    if protocol == Protocol::Archive {
        return Err(Stop::wrong(format!(
            "{url} looks like an archive.{BY_PROTOCOL}add --protocol {name}, --suite, --component, --taken-over, and the rebuilder's certificate with --key FILE."
        )));
    }
    if given.is_empty() {
        return Err(Stop::refused(format!(
            "{url} looks like {name} that publishes no keys: nothing was changed. Get the key from the rebuilder and give it with --key FILE."
        )));
    }
    for endpoint in &mut target.endpoints {
        endpoint.protocol = protocol;
    }
    Ok(given)
}
