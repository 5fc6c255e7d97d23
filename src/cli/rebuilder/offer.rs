//! Keys that could be trusted: from files, or from endpoints.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Stop, World};
use crate::config::{DraftEndpoint, Endpoint, Protocol};
use crate::evidence::{EndpointSetup, Network, PublishedKeys, Routes};
use crate::fetching::keys_of_endpoints;
use crate::sys::plain;
use crate::types::{Certificate, KeyError, KeyKind, PublicKey, RebuilderName, printable};

/// A key and where it came from.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Offered {
    pub(in crate::cli) key: PublicKey,
    pub(super) from: Vec<Origin>,
}

/// The source of a key, for people.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The file, or the server and the URL, that has the key
    pub(super) said: String,
    /// The worth of that source
    pub(super) advice: &'static str,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.said, self.advice)
    }
}

/// Reads the keys in these files.
pub(super) fn from_files(paths: &[impl AsRef<Path>]) -> Result<Vec<Offered>, Stop> {
    let mut offered = Vec::new();
    for path in paths {
        let shown = path.as_ref().to_string_lossy();
        let shown = printable(&shown);
        let key = from_file(path.as_ref())
            .map_err(|why| Stop::wrong(format!("--key {shown}: {why}.")))?;
        add(&mut offered, key, Origin { said: format!("in {shown}"), advice: "" });
    }
    Ok(offered)
}

fn from_file(path: &Path) -> Result<PublicKey, String> {
    let mut text = Vec::new();
    let limit = u64::try_from(Certificate::MAX_LENGTH).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text));
    file.map_err(|error| plain(&error))?;
    let text = String::from_utf8(text)
        .map_err(|_| "this is no key in text form (PEM, or gpg --armor --export)".to_owned())?;
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key: only its owner should have it".to_owned());
    }
    let kinds: &[KeyKind] = match text.contains("-----BEGIN PGP ") {
        true => &[KeyKind::OpenPgp],
        false => &[KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::RsaPss],
    };
    let mut why = "this is no public key of a kind that is understood".to_owned();
    for kind in kinds {
        match PublicKey::read(*kind, &text) {
            Ok(key) => return Ok(key),
            Err(KeyError::NotOfKind(_)) => {}
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// The answers of the endpoints of one rebuilder.
pub(super) struct Answers {
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
) -> Result<Answers, Stop> {
    let endpoint = |it: &DraftEndpoint| Endpoint {
        rebuilder: name.clone(),
        protocol: it.protocol,
        url: it.url.clone(),
        architectures: it.architectures.clone(),
        archive: it.archive.clone(),
    };
    let setup = EndpointSetup {
        endpoints: endpoints.iter().map(endpoint).collect(),
        timeouts: world.config.timeouts,
        authorities: world.config.authorities.clone(),
        apt: world.apt.clone(),
        routes: Routes::default(),
        network: Network::Allowed,
        keep: None,
    };
    let published = keys_of_endpoints(&setup).map_err(|why| Stop::silent(format!("{why}.")))?;
    Ok(Answers::of(&setup.endpoints, published))
}

impl Answers {
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
fn said_by(url: &reqwest::Url) -> Origin {
    let said = format!("as {} says at {url}", url.host_str().unwrap_or_default());
    let advice = match url.scheme() {
        "https" => "; compare it with what the rebuilder publishes elsewhere",
        _ => ", without encryption: anybody on the way could have changed it",
    };
    Origin { said, advice }
}

fn add(offered: &mut Vec<Offered>, key: PublicKey, from: Origin) {
    match offered.iter_mut().find(|it| it.key == key) {
        Some(known) => known.from.push(from),
        None => offered.push(Offered { key, from: vec![from] }),
    }
}
