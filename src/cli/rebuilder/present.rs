//! Which rebuilders answer now, for `apt-quorum status --online`.
//!
//! An endpoint that publishes keys is asked for them. Every other one is asked about a package, as
//! for an installation; the answer is not used.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::offer::{published, publishes_keys};
use crate::apt::configuration::Configuration;
use crate::audit::System;
use crate::config::{Config, Endpoint};
use crate::evidence::{Network, PublishedKeys};
use crate::gate::{Ask, Gate};
use crate::policy::{Answer, Epoch, Named, Outcome};
use crate::types::{
    Architecture, DebVersion, Identity, PackageName, PublicKey, RebuilderName, Sha256Digest,
    Timestamp, printable,
};

/// The package that endpoints are asked about. Every system has it.
const PACKAGE: &str = "dpkg";

/// Its version where dpkg does not tell it: that of Debian 13.
const VERSION: &str = "1.22.21";

/// The answer of a rebuilder now: the worst of its endpoints'.
#[derive(Debug, Clone)]
pub(in crate::cli) struct PresentAnswer {
    pub(in crate::cli) kind: PresentKind,
    /// For people, without a full stop
    pub(in crate::cli) text: String,
}

/// The kind of such an answer, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum PresentKind {
    /// All of its endpoints answer
    Answers,
    /// An endpoint does not respond
    Silent,
    /// Attestations on this machine cannot be read, or an endpoint's answer cannot
    Unreadable,
    /// An endpoint publishes a key that is not trusted
    KeyChanged,
}

/// Asks every endpoint. A rebuilder without an endpoint is left out.
pub(in crate::cli) fn who_answers(
    config: &Config,
    apt: &Configuration,
    now: Timestamp,
) -> BTreeMap<RebuilderName, PresentAnswer> {
    let (with_keys, others): (Vec<Endpoint>, Vec<Endpoint>) =
        config.endpoints.iter().cloned().partition(|it| publishes_keys(it.protocol));
    let mut answers = of_keys(&with_keys, config, apt);
    answers.extend(of_others(others, config, apt, now));
    let mut all: BTreeMap<RebuilderName, Vec<(PresentKind, String)>> = BTreeMap::new();
    for (name, kind, text) in answers {
        all.entry(name).or_default().push((kind, text));
    }
    let worst = |mut of_each: Vec<(PresentKind, String)>| {
        of_each.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
        let kind = of_each.first().map_or(PresentKind::Silent, |(kind, _)| *kind);
        of_each.retain(|(it, _)| kind == PresentKind::Answers || *it != PresentKind::Answers);
        let mut texts: Vec<String> = of_each.into_iter().map(|(_, text)| text).collect();
        texts.dedup();
        PresentAnswer { kind, text: texts.join("; ") }
    };
    all.into_iter().map(|(name, of_each)| (name, worst(of_each))).collect()
}

type EndpointAnswer = (RebuilderName, PresentKind, String);

/// Asks the endpoints that publish keys for them.
fn of_keys(endpoints: &[Endpoint], config: &Config, apt: &Configuration) -> Vec<EndpointAnswer> {
    let published = match published(endpoints, config, apt) {
        Ok(published) => published,
        Err(stop) => {
            let why = stop.why.trim_end_matches('.').to_owned();
            endpoints.iter().map(|_| PublishedKeys::Failed(why.clone())).collect()
        }
    };
    let heard = |(endpoint, published): (&Endpoint, PublishedKeys)| {
        let (name, url) = (&endpoint.rebuilder, &endpoint.url);
        let (kind, text) = match published {
            PublishedKeys::Failed(why) => silent(url.as_str(), &why),
            PublishedKeys::Nothing(_) => answers(),
            PublishedKeys::Keys(keys) => {
                let mut pinned = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
                let is_new = |it: &&PublicKey| !pinned.any(|pinned| pinned.key == **it);
                keys.iter().find(is_new).map_or_else(answers, |key| {
                    let (kind, id) = (key.kind().name(), key.key_id());
                    let text = format!(
                        "KEY CHANGED: {url} publishes {kind} {id}, which is not trusted. To compare: apt-quorum rebuilder refresh {name}"
                    );
                    (PresentKind::KeyChanged, text)
                })
            }
        };
        (name.clone(), kind, text)
    };
    endpoints.iter().zip(published).map(heard).collect()
}

/// Asks the other endpoints about a package.
fn of_others(
    endpoints: Vec<Endpoint>,
    config: &Config,
    apt: &Configuration,
    now: Timestamp,
) -> Vec<EndpointAnswer> {
    if endpoints.is_empty() {
        return Vec::new();
    }
    let packages = packages(&endpoints, apt);
    let gate = Gate::proposed(apt, Config { endpoints: endpoints.clone(), ..config.clone() });
    let asked: Result<Vec<Answer>, String> = gate.gatherer(apt, Network::Allowed).map(|mut it| {
        let assessed = gate.assess(packages, |_| Vec::new(), Ask::All, &mut *it, now, |_| {});
        assessed.into_iter().flat_map(|it| it.answers).collect()
    });
    let heard = |endpoint: &Endpoint| {
        let url = endpoint.url.as_str();
        let (kind, text) = match &asked {
            Err(why) => silent(url, why),
            Ok(all) => {
                let own = all
                    .iter()
                    .filter(|it| it.rebuilder == endpoint.rebuilder && it.endpoint == url);
                let outcomes: Vec<&Outcome> = own.map(|it| &it.outcome).collect();
                of_outcomes(endpoint, &outcomes)
            }
        };
        (endpoint.rebuilder.clone(), kind, text)
    };
    endpoints.iter().map(heard).collect()
}

fn of_outcomes(endpoint: &Endpoint, outcomes: &[&Outcome]) -> (PresentKind, String) {
    let url = endpoint.url.as_str();
    if outcomes.is_empty() {
        return silent(url, "not asked");
    }
    let problem = outcomes.iter().find_map(|it| match it {
        Outcome::Malformed { why } => Some(unreadable(url, why)),
        Outcome::Unreachable { why } if endpoint.url.scheme() == "file" => {
            Some(unreadable(url, why))
        }
        Outcome::Unreachable { why } => Some(silent(url, why)),
        Outcome::Attestations { .. }
        | Outcome::NoAttestation { .. }
        | Outcome::Unknown
        | Outcome::Rejected { .. } => None,
    });
    problem.unwrap_or_else(answers)
}

fn answers() -> (PresentKind, String) {
    (PresentKind::Answers, "answers".to_owned())
}

fn silent(url: &str, why: &str) -> (PresentKind, String) {
    let (url, why) = (printable(url), printable(why));
    (PresentKind::Silent, format!("NO RESPONSE from {url} ({why})"))
}

fn unreadable(url: &str, why: &str) -> (PresentKind, String) {
    let (url, why) = (printable(url), printable(why));
    (PresentKind::Unreadable, format!("UNREADABLE: {url} ({why})"))
}

/// Returns a package for each architecture for which an endpoint must be asked.
fn packages(endpoints: &[Endpoint], apt: &Configuration) -> Vec<Named> {
    let installed = System::running(apt).and_then(|it| it.installed()).unwrap_or_default();
    let own =
        installed.iter().filter_map(|it| it.identity()).find(|it| it.package.as_str() == PACKAGE);
    let native = own.map(|it| it.architecture.clone());
    let native = native.or_else(|| apt.find("APT::Architecture").and_then(|it| it.parse().ok()));
    let mut architectures: BTreeSet<Architecture> = native.into_iter().collect();
    for only in endpoints.iter().filter_map(|it| it.architectures.as_ref()) {
        if !only.iter().any(|it| architectures.contains(it)) {
            architectures.extend(only.iter().next().cloned());
        }
    }
    let version = own.map(|it| it.version.clone()).or_else(|| VERSION.parse().ok());
    let package: Result<PackageName, _> = PACKAGE.parse();
    let (Ok(package), Some(version)) = (package, version) else { return Vec::new() };
    let named = |architecture: Architecture| {
        let version: DebVersion = version.clone();
        Named {
            identity: Identity { package: package.clone(), version, architecture },
            source: None,
            epoch: Epoch::Told,
            // Of no file: so no rebuilder is left out because it signed it already.
            sha256: Sha256Digest::of(b""),
            listings: Vec::new(),
        }
    };
    architectures.into_iter().map(named).collect()
}
