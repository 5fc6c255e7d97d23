//! `apt-quorum config check`: what visudo is for sudo.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::args::{Config, ConfigCommand, Directory};
use super::output::{complain, counted, print};
use super::{Exit, loose};
use crate::apt::configuration::Configuration;
use crate::config::{self, Config as Loaded, Direct};
use crate::evidence::http::is_proxied;
use crate::gate::{Environment, apt_configuration};
use crate::policy::{Mode, Policy};
use crate::sys::secure::Trusted;
use crate::types::{PublicKey, Timestamp};

pub(super) fn run(arguments: &Config) -> Exit {
    let ConfigCommand::Check { directory } = &arguments.command;
    match load(directory) {
        Ok(loaded) => {
            print(&describe(&loaded, &apt_configuration(Environment::Heard)), Exit::Admitted)
        }
        Err(exit) => exit,
    }
}

/// Reads the configuration that is meant, or shows what is wrong with it.
pub(super) fn load(directory: &Directory) -> Result<Loaded, Exit> {
    let directory = directory.config.clone().unwrap_or_else(|| {
        apt_configuration(Environment::Heard).path("APT::Quorum::Config", config::DEFAULT_DIRECTORY)
    });
    config::load(&directory, Trusted::now()).map_err(|problems| {
        complain(&format!("{problems}; with any, every package is refused.\n"));
        Exit::Wrong
    })
}

/// What a configuration without mistakes comes to, in a few lines.
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
        counted(policy.operators().len(), "operator"),
        counted(config.endpoints.len(), "endpoint"),
        counted(policy.rules().len(), "rule"),
        counted(policy.exceptions().len(), "exception")
    );
    let now = Timestamp::from(std::time::SystemTime::now());
    for note in notes(config, now).into_iter().chain(unusual_ports(config, apt)) {
        let _ = writeln!(text, "  note: {note}.");
    }
    text
}

/// What is allowed, and perhaps not what was meant.
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
            (None, None) => drop(voters.insert(&key.operator)),
            (Some(end), _) => {
                notes.push(format!("{}'s key {id} was good until {}", key.operator, end.date()));
            }
            (None, Some(fault)) => {
                notes.push(format!(
                    "no key of {}'s certificate {id} can sign: {fault}",
                    key.operator
                ));
            }
        }
    }
    if let Some(needed) = policy.default_requirement().map(|default| default.threshold()) {
        if !needed.is_met_by(voters.len()) {
            notes.push(
                "too few operators have a key that is still good to meet the threshold".into(),
            );
        }
    }
    for operator in policy.operators() {
        if !config.endpoints.iter().any(|endpoint| endpoint.operator == *operator) {
            notes.push(format!(
                "{operator} has no endpoint, so it is asked about nothing; only attestations at hand count"
            ));
        }
    }
    let overheard: BTreeSet<_> = config
        .endpoints
        .iter()
        .filter(|it| it.url.scheme() == "http" && !stays_private(it.url.host_str()))
        // A bundle is asked for as a whole.
        .filter(|it| !it.is_bundle())
        .map(|it| &it.operator)
        .collect();
    for operator in overheard {
        notes.push(format!(
            "{operator} is asked without encryption: others can see which packages you ask about"
        ));
    }
    notes
}

/// Endpoints that many a proxy does not let anybody reach: Qubes' update proxy, for one, connects
/// to port 443 of other hosts and to no other.
fn unusual_ports(config: &Loaded, apt: &Configuration) -> Vec<String> {
    let mut notes = Vec::new();
    for endpoint in &config.endpoints {
        let url = &endpoint.url;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            continue;
        };
        if port != 443 && is_proxied(apt, url) {
            notes.push(format!(
                "{}'s endpoint {host} is asked on port {port} through apt's proxy, and there are \
                 proxies that connect to port 443 only",
                endpoint.operator
            ));
        }
    }
    notes
}

/// Whether nobody else sees what is said to this host over plain HTTP.
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
            counted(default.counted().len(), "operator")
        ),
        None => "none yet, for there is no operator: see apt-quorum.toml(5)".to_owned(),
    }
}
