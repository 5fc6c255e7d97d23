//! Keys that could be trusted: from files, or from endpoints.

use std::fmt;
use std::path::PathBuf;

use super::{Stop, World};
use crate::apt::configuration::Configuration;
use crate::cli::files;
use crate::cli::output::{about, path as shown};
use crate::config::{Config, DraftEndpoint, DraftKey, Endpoint, Protocol};
use crate::evidence::{EndpointSetup, Network, PublishedKeys, Routes};
use crate::fetching::keys_of_endpoints;
use crate::types::{PublicKey, RebuilderName, printable};

/// A key and where it came from.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Offered {
    pub(in crate::cli) key: PublicKey,
    pub(super) from: Vec<KeyOrigin>,
}

impl Offered {
    /// Returns the key for a rebuilder's file, with its sources as comments.
    pub(super) fn draft(&self) -> DraftKey {
        let comments = self.from.iter().map(|it| it.said.clone()).collect();
        DraftKey { key: self.key.clone(), not_after: None, comments }
    }
}

/// The source of a key, for people.
#[derive(Debug, Clone)]
pub(super) struct KeyOrigin {
    /// The file, or the server and the URL, that has the key
    pub(super) said: String,
    /// The worth of that source
    pub(super) advice: &'static str,
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.said, self.advice)
    }
}

/// Reads the keys in these files.
pub(super) fn from_files(paths: &[PathBuf]) -> Result<Vec<Offered>, Stop> {
    let mut offered = Vec::new();
    for path in paths {
        let key = files::text_of_key(path)
            .and_then(|text| files::public_key(&text))
            .map_err(|why| Stop::wrong(format!("--key {}.", about(path, &why))))?;
        add(&mut offered, key, KeyOrigin { said: format!("in {}", shown(path)), advice: "" });
    }
    Ok(offered)
}

/// The answers of the endpoints of one rebuilder.
pub(super) struct OfferedKeys {
    /// The keys that they publish
    pub(super) offered: Vec<Offered>,
    /// The URLs of those that publish none
    pub(super) without: Vec<String>,
    /// The protocol of the first of these that could be detected
    pub(super) seen: Option<Protocol>,
    /// Those that could not be asked, each with the reason
    pub(super) silent: Vec<String>,
}

/// Asks these endpoints for their keys.
pub(super) fn from_endpoints(
    name: &RebuilderName,
    endpoints: &[DraftEndpoint],
    world: &World,
) -> Result<OfferedKeys, Stop> {
    let endpoint = |it: &DraftEndpoint| Endpoint {
        rebuilder: name.clone(),
        protocol: it.protocol,
        url: it.url.clone(),
        architectures: it.architectures.clone(),
        archive: it.archive.clone(),
    };
    let endpoints: Vec<Endpoint> = endpoints.iter().map(endpoint).collect();
    let published = published(&endpoints, &world.config, &world.apt)?;
    Ok(OfferedKeys::of(&endpoints, published))
}

/// Asks endpoints for the keys that they publish.
pub(super) fn published(
    endpoints: &[Endpoint],
    config: &Config,
    apt: &Configuration,
) -> Result<Vec<PublishedKeys>, Stop> {
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let setup = EndpointSetup {
        endpoints: endpoints.to_vec(),
        timeouts: config.timeouts,
        authorities: config.authorities.clone(),
        apt: apt.clone(),
        proxy: config.proxy.clone(),
        routes: Routes::default(),
        network: Network::Allowed,
        keep: None,
    };
    keys_of_endpoints(&setup).map_err(|why| Stop::silent(format!("{why}.")))
}

impl OfferedKeys {
    pub(super) fn of(endpoints: &[Endpoint], published: Vec<PublishedKeys>) -> Self {
        let mut answers =
            Self { offered: Vec::new(), without: Vec::new(), seen: None, silent: Vec::new() };
        for (endpoint, published) in endpoints.iter().zip(published) {
            let url = &endpoint.url;
            match published {
                PublishedKeys::Keys(keys) => {
                    for key in keys {
                        add(&mut answers.offered, key, said_by(url));
                    }
                }
                PublishedKeys::Nothing(seen) => {
                    answers.without.push(url.to_string());
                    answers.seen = answers.seen.or(seen);
                }
                PublishedKeys::Failed(why) => {
                    answers.silent.push(format!("{url} ({})", printable(&why)));
                }
            }
        }
        answers
    }
}

/// Returns true if endpoints of this kind publish the keys that they sign with.
pub(super) const fn publishes_keys(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Rebuilderd => true,
        Protocol::IntotoMetadata | Protocol::Directory | Protocol::Archive => false,
    }
}

/// Returns the URL as the source of a key, and the worth of that.
fn said_by(url: &reqwest::Url) -> KeyOrigin {
    let said = format!("published by {} at {url}", url.host_str().unwrap_or_default());
    let advice = match url.scheme() {
        "https" => "; compare it with what the rebuilder publishes elsewhere",
        _ => ", without encryption: others on the way could have changed it",
    };
    KeyOrigin { said, advice }
}

fn add(offered: &mut Vec<Offered>, key: PublicKey, from: KeyOrigin) {
    match offered.iter_mut().find(|it| it.key == key) {
        Some(known) => known.from.push(from),
        None => offered.push(Offered { key, from: vec![from] }),
    }
}
