//! `apt-quorum config check`: checks the configuration, as visudo does for sudo.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::args::{Config, ConfigCommand, Directory};
use super::output::{complain, counted, print};
use super::{Exit, loose};
use crate::apt::configuration::Configuration;
use crate::attest::Accepted;
use crate::cli::ways::ways;
use crate::config::{self, Config as Loaded, Direct, Endpoint, Protocol};
use crate::fetching::Commands;
use crate::gate::{Environment, apt_configuration};
use crate::policy::{Mode, Policy};
use crate::sys::secure::Trusted;
use crate::types::{PublicKey, RebuilderName, Timestamp, printable};

pub(super) fn run(arguments: &Config) -> Exit {
    let ConfigCommand::Check { directory } = &arguments.command;
    match load(directory) {
        Ok((loaded, apt)) => print(&describe(&loaded, &apt), Exit::Admitted),
        Err(exit) => exit,
    }
}

/// Reads the configuration, or prints the mistakes in it. Returns it with apt's configuration,
/// which says where it is.
pub(super) fn load(directory: &Directory) -> Result<(Loaded, Configuration), Exit> {
    let apt = apt_configuration(Environment::Heard).map_err(|error| {
        complain(&format!("apt-quorum: {error}. Until then, nothing is installed.\n"));
        Exit::Wrong
    })?;
    let directory = directory
        .config
        .clone()
        .unwrap_or_else(|| apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY));
    match config::load(&directory, Trusted::now()) {
        Ok(loaded) => Ok((loaded, apt)),
        Err(problems) => {
            complain(&format!(
                "{problems}; until the configuration is fixed, every package is refused.\n"
            ));
            Err(Exit::Wrong)
        }
    }
}

/// Describes a configuration without mistakes, in a few lines.
fn describe(config: &Loaded, apt: &Configuration) -> String {
    let policy = &config.policy;
    let mut text = format!("The configuration in {} is good.\n", config.directory.display());
    let mode = match policy.mode() {
        Mode::Enforce => "enforce (what is not confirmed is refused)",
        Mode::Warn => "warn (what is not confirmed is let through, with a warning)",
    };
    let _ = writeln!(text, "  mode: {mode}");
    let _ = writeln!(text, "  threshold: {}", threshold(policy));
    let _ = writeln!(
        text,
        "  {}, {}, {}, {}.",
        counted(policy.rebuilders().len(), "rebuilder"),
        counted(config.endpoints.len(), "endpoint"),
        counted(policy.rules().len(), "rule"),
        counted(policy.exceptions().len(), "exception")
    );
    let now = Timestamp::from(std::time::SystemTime::now());
    let ways = ways(&config.endpoints, apt, config.timeouts.answer, Commands::Own);
    for note in notes(config, now).into_iter().chain(ways) {
        let _ = writeln!(text, "  note: {}.", printable(&note));
    }
    text
}

/// Returns notes on settings that are allowed, and perhaps not intended.
fn notes(config: &Loaded, now: Timestamp) -> Vec<String> {
    let policy = &config.policy;
    let mut notes = Vec::new();
    if config.direct == Direct::Pass {
        notes
            .push("dpkg = \"pass\": archives that dpkg is given without apt are not judged".into());
    }
    for exception in policy.exceptions().iter().filter(|it| it.expires() <= now) {
        let date = exception.expires().date();
        notes.push(format!("the exception in {} expired on {date}", exception.place()));
    }
    notes.extend(loose::notes(policy));
    let mut voters = BTreeSet::new();
    for key in policy.keys().iter() {
        let id: String = key.key.key_id().as_str().chars().take(16).collect();
        let fault = match &key.key {
            PublicKey::OpenPgp(certificate) => certificate.can_sign(now).err(),
            _ => None,
        };
        match (key.not_after.filter(|end| *end <= now), fault) {
            (None, None) => drop(voters.insert(&key.rebuilder)),
            (Some(end), _) => {
                notes.push(format!("{}'s key {id} was good until {}", key.rebuilder, end.date()));
            }
            (None, Some(fault)) => {
                notes.push(format!(
                    "no key of {}'s certificate {id} can sign: {fault}",
                    key.rebuilder
                ));
            }
        }
    }
    if let Some(needed) = policy.default_requirement().map(|default| default.threshold()) {
        if !needed.is_met_by(voters.len()) {
            notes.push(
                "too few rebuilders have a key that is still good to meet the threshold".into(),
            );
        }
    }
    for rebuilder in policy.rebuilders() {
        if !config.endpoints.iter().any(|endpoint| endpoint.rebuilder == *rebuilder) {
            notes.push(format!(
                "{rebuilder} has no endpoint, so it is asked about nothing; only attestations at hand count"
            ));
        }
    }
    for rebuilder in policy.rebuilders() {
        notes.extend(useless_links(config, rebuilder));
    }
    let overheard: BTreeSet<_> = config
        .endpoints
        .iter()
        .filter(|it| it.url.scheme() == "http" && !stays_private(it.url.host_str()))
        // A bundle is asked for as a whole.
        .filter(|it| !it.is_bundle())
        .map(|it| &it.rebuilder)
        .collect();
    for rebuilder in overheard {
        notes.push(format!(
            "{rebuilder} is asked without encryption: others can see which packages you ask about"
        ));
    }
    notes
}

/// Returns a note on a rebuilder that publishes only links, where none of its links count.
fn useless_links(config: &Loaded, rebuilder: &RebuilderName) -> Option<String> {
    if config.policy.keys().accepted(rebuilder).contains(&Accepted::Link) {
        return None;
    }
    let endpoints = config.endpoints.iter().filter(|it| it.rebuilder == *rebuilder);
    let gives_links =
        |it: &&Endpoint| matches!(it.protocol, Protocol::Rebuilderd | Protocol::IntotoMetadata);
    let protocol = endpoints.into_iter().find(gives_links)?.protocol.name();
    Some(format!(
        "{rebuilder}'s {protocol} endpoint gives links, and none of them counts, because its \
         [[statement]] tables name other kinds: add one with type = \"link\" if they should"
    ))
}

/// Returns true if nobody else sees the plain HTTP to this host.
fn stays_private(host: Option<&str>) -> bool {
    host.is_some_and(|host| {
        matches!(host, "127.0.0.1" | "[::1]" | "localhost") || host.ends_with(".onion")
    })
}

fn threshold(policy: &Policy) -> String {
    match policy.default_requirement() {
        Some(default) => format!(
            "{} of {} must confirm",
            default.threshold().count(),
            counted(default.counted().len(), "rebuilder")
        ),
        None => "none yet, for there is no rebuilder: see apt-quorum.toml(5)".to_owned(),
    }
}
