//! `apt-quorum config check`: checks the configuration, as visudo does for sudo.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};

use serde::Serialize;

use super::args::{ConfigCommand, ConfigDirectory};
use super::output::{complain, counted, json, print};
use super::world::{Stop, now};
use super::{Exit, exception, loose};
use crate::apt::configuration::Configuration;
use crate::attest::Accepted;
use crate::cli::ways::ways;
use crate::config::{self, Config as Loaded, Direct, Endpoint, Protocol};
use crate::fetching::Commands;
use crate::gate::{Environment, apt_configuration};
use crate::policy::{Mode, Policy};
use crate::report::from_groups;
use crate::sys::secure::Trusted;
use crate::types::{PublicKey, RebuilderName, Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct CheckedConfig {
    schema: u32,
    directory: String,
    /// The mistakes, for people; none if there is none
    problems: Option<String>,
    mode: Option<&'static str>,
    threshold: Option<u32>,
    rebuilders: Vec<RebuilderName>,
    /// Notes on settings that are perhaps not intended, for people
    notes: Vec<String>,
}

pub(super) fn run(ConfigCommand::Check(arguments): &ConfigCommand) -> Result<Exit, Stop> {
    if arguments.json {
        return checked(&arguments.directory);
    }
    let (loaded, apt) = load(&arguments.directory)?;
    Ok(print(&describe(&loaded, &apt), Exit::Admitted))
}

fn checked(directory: &ConfigDirectory) -> Result<Exit, Stop> {
    let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
    let directory = super::world::directory(directory, &apt);
    let loaded = config::load(&directory, Trusted::now());
    let checked = CheckedConfig {
        schema: 1,
        directory: directory.display().to_string(),
        problems: loaded.as_ref().err().map(ToString::to_string),
        mode: loaded.as_ref().ok().map(|it| super::mode::word(it.policy.mode())),
        threshold: loaded
            .as_ref()
            .ok()
            .and_then(|it| it.policy.default_requirement())
            .map(|it| it.threshold().count()),
        rebuilders: loaded.iter().flat_map(|it| it.rebuilders.keys().cloned()).collect(),
        notes: loaded.as_ref().map(|it| all_notes(it, &apt)).unwrap_or_default(),
    };
    let exit = if checked.problems.is_none() { Exit::Admitted } else { Exit::Wrong };
    Ok(print(&json(&checked), exit))
}

/// Reads the configuration, or prints the mistakes in it. Returns it with apt's configuration,
/// which says where it is.
pub(super) fn load(directory: &ConfigDirectory) -> Result<(Loaded, Configuration), Stop> {
    let apt = apt_configuration(Environment::Heard).map_err(|error| {
        Stop::wrong(format!("{error}. Until you fix this, nothing is installed."))
    })?;
    match config::load(&super::world::directory(directory, &apt), Trusted::now()) {
        Ok(loaded) => Ok((loaded, apt)),
        Err(problems) => {
            complain(&broken(&problems));
            Err(Stop::silently(Exit::Wrong))
        }
    }
}

/// Returns the mistakes in a configuration, and their consequence.
pub(super) fn broken(problems: impl Display) -> String {
    format!("{problems}. Every package is refused until you fix the configuration.\n")
}

/// Describes a configuration without mistakes, in a few lines.
fn describe(config: &Loaded, apt: &Configuration) -> String {
    let policy = &config.policy;
    let mut text =
        format!("The configuration in {} has no mistakes.\n", config.directory.display());
    let mode = match policy.mode() {
        Mode::Enforce => "enforce (unconfirmed packages are refused)",
        Mode::Warn => "warn (unconfirmed packages pass with a warning)",
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
    for note in all_notes(config, apt) {
        let _ = writeln!(text, "  note: {}.", printable(&note));
    }
    text
}

fn all_notes(config: &Loaded, apt: &Configuration) -> Vec<String> {
    let ways = ways(config, apt, Commands::Own);
    notes(config, now()).into_iter().chain(ways).collect()
}

/// Returns notes on settings that are allowed, and perhaps not intended.
fn notes(config: &Loaded, now: Timestamp) -> Vec<String> {
    let policy = &config.policy;
    let mut notes = Vec::new();
    if config.direct == Direct::Pass {
        notes.push("dpkg = \"pass\": files that dpkg gets without apt are not checked".into());
    }
    for exception in policy.exceptions().iter().filter(|it| it.exemption.expires <= now) {
        let (spoken, ended) = (exception.exemption.spoken(), exception.exemption.expires.ended());
        notes.push(format!("{spoken} expired {ended}"));
    }
    notes.extend(exception::endings(policy.exceptions(), "", now));
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
                notes.push(format!("{}'s key {id} expired on {}", key.rebuilder, end.date()));
            }
            (None, Some(fault)) => {
                notes.push(format!(
                    "no key of {}'s certificate {id} can sign: {fault}",
                    key.rebuilder
                ));
            }
        }
    }
    if let Some(default) = policy.default_requirement() {
        if !default.threshold().is_met_by(voters.len()) {
            notes.push("the threshold cannot be met: too few rebuilders have a valid key".into());
        }
        for it in default.by_group(&voters).filter(|it| !it.is_enough()) {
            notes.push(format!(
                "group {} cannot confirm: too few of its rebuilders have a valid key",
                it.group
            ));
        }
    }
    for rebuilder in policy.rebuilders() {
        if !config.endpoints.iter().any(|endpoint| endpoint.rebuilder == *rebuilder) {
            notes.push(format!(
                "{rebuilder} has no endpoint: only its attestations on this machine count"
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
            "{rebuilder} is contacted without encryption: others can see which packages you ask about"
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
        "{rebuilder}'s {protocol} endpoint publishes links, but its [[statement]] tables accept only \
         other kinds: to accept links, add one with type = \"link\""
    ))
}

/// Returns true if no other party sees the plain HTTP to this host.
fn stays_private(host: Option<&str>) -> bool {
    host.is_some_and(|host| {
        matches!(host, "127.0.0.1" | "[::1]" | "localhost") || host.ends_with(".onion")
    })
}

fn threshold(policy: &Policy) -> String {
    match policy.default_requirement() {
        Some(default) => format!(
            "{} of {} must confirm{}",
            default.threshold().count(),
            counted(default.counted().len(), "rebuilder"),
            from_groups(default)
        ),
        None => "none, because there is no rebuilder: apt-quorum setup".to_owned(),
    }
}
