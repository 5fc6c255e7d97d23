//! The lines of JSON between root's process and the one that fetches for it.
//!
//! The first line and the orders come from root. All other lines may be written by a stranger who
//! took the fetching process over, so each is bounded and decoded field by field.

use std::io::{BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::confine::Confinement;
use crate::apt::configuration::Configuration;
use crate::attest::{self, Accepted, KeyRing, PinnedKey};
use crate::cache::Cache;
use crate::config::{Endpoint, Protocol, Timeouts};
use crate::evidence::{
    EndpointSetup, Event, Found, MAX_ATTESTATIONS, MAX_KEYS, NATIVE, Network, PublishedKeys,
    QuestionId, Routes,
};
use crate::policy::Outcome;
use crate::types::{Identity, KeyKind, PublicKey, RebuilderName, Timestamp, printable};

/// Longest line that is read from the fetching process, in bytes: the highest number of
/// attestations, each of the largest size, in base64, and the text around them.
pub(super) const MAX_LINE: usize = MAX_ATTESTATIONS * attest::MAX_BYTES * 4 / 3 + 65_536;

/// Longest line with the keys or the builds of one endpoint, in bytes.
pub(super) const MAX_LINE_OF_ONE: usize = 16 * 1024;

/// Reads one line of JSON of at most `limit` bytes. Returns `None` at the end, or for an invalid
/// line.
pub(super) fn read_line<T: for<'de> Deserialize<'de>>(
    input: &mut impl BufRead,
    limit: usize,
) -> Option<T> {
    let mut line = Vec::new();
    input.take(u64::try_from(limit).ok()?).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// The task of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// To answer questions about packages.
    Evidence,
    /// To ask every endpoint for its keys, once.
    Keys,
    /// To ask every endpoint for its builds of this package, once.
    Builds(Identity),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    pub(super) task: Task,
    endpoints: Vec<Endpoint>,
    timeouts: Timeouts,
    authorities: Option<String>,
    network: Network,
    apt: Configuration,
    /// With the logins for the proxies on the way, and no others
    routes: Routes,
    cache: Option<std::path::PathBuf>,
    keys: Vec<WireKey>,
    statements: Vec<(RebuilderName, Vec<Accepted>)>,
}

#[derive(Serialize, Deserialize)]
struct WireKey {
    rebuilder: RebuilderName,
    kind: KeyKind,
    key: String,
    not_after: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireEvent {
    question: QuestionId,
    at: usize,
    rebuilder: RebuilderName,
    endpoint: String,
    attestations: Vec<String>,
    outcome: Outcome,
}

impl Wire {
    pub(super) fn of(setup: &EndpointSetup, task: Task) -> Self {
        let key = |it: &PinnedKey| {
            let not_after = it.not_after.map(|moment| moment.to_string());
            let (kind, key) = (it.key.kind(), BASE64.encode(it.key.to_bytes()));
            WireKey { rebuilder: it.rebuilder.clone(), kind, key, not_after }
        };
        let keep = setup.keep.as_ref();
        Self {
            task,
            endpoints: setup.endpoints.clone(),
            timeouts: setup.timeouts,
            authorities: setup.authorities.clone(),
            network: setup.network,
            apt: setup.apt.only(&[Confinement::ITEM, NATIVE]),
            routes: setup.routes.clone(),
            cache: keep.map(|(cache, _)| cache.root().to_owned()),
            keys: keep.map(|(_, keys)| keys.iter().map(key).collect()).unwrap_or_default(),
            statements: keep.map(|(_, keys)| keys.statements().collect()).unwrap_or_default(),
        }
    }

    pub(super) fn into_setup(self) -> Option<EndpointSetup> {
        let key = |it: WireKey| {
            Some(PinnedKey {
                rebuilder: it.rebuilder,
                key: PublicKey::from_bytes(it.kind, &BASE64.decode(it.key).ok()?).ok()?,
                not_after: match it.not_after {
                    Some(text) => Some(text.parse::<Timestamp>().ok()?),
                    None => None,
                },
            })
        };
        let mut keys = KeyRing::new(self.keys.into_iter().map(key).collect::<Option<_>>()?).ok()?;
        for (rebuilder, accepted) in self.statements {
            keys = keys.accepting(rebuilder, accepted);
        }
        Some(EndpointSetup {
            endpoints: self.endpoints,
            timeouts: self.timeouts,
            authorities: self.authorities,
            network: self.network,
            apt: self.apt,
            // Root found the routes.
            proxy: None,
            routes: self.routes,
            keep: self.cache.map(|directory| (Cache::new(&directory), keys)),
        })
    }
}

impl WireEvent {
    pub(super) fn of(event: Event) -> Self {
        let Event { question, endpoint: at, found } = event;
        Self {
            question,
            at,
            rebuilder: found.rebuilder,
            endpoint: found.endpoint,
            attestations: found.attestations.iter().map(|it| BASE64.encode(it)).collect(),
            outcome: found.outcome,
        }
    }

    pub(super) fn into_event(self) -> Option<Event> {
        let attestations = self.attestations.iter().take(MAX_ATTESTATIONS);
        let found = Found {
            rebuilder: self.rebuilder,
            endpoint: self.endpoint,
            attestations: attestations.map(|it| BASE64.decode(it).ok()).collect::<Option<_>>()?,
            outcome: self.outcome,
        };
        Some(Event { question: self.question, endpoint: self.at, found })
    }
}

/// A [`PublishedKeys`] between the two processes.
#[derive(Serialize, Deserialize)]
pub(super) enum WirePublished {
    Keys(Vec<String>),
    Nothing(Option<Protocol>),
    Failed(String),
}

impl WirePublished {
    pub(super) fn of(published: &PublishedKeys) -> Self {
        let encode = |key: &PublicKey| BASE64.encode(key.to_bytes());
        match published {
            PublishedKeys::Keys(keys) => Self::Keys(keys.iter().map(encode).collect()),
            PublishedKeys::Nothing(seen) => Self::Nothing(*seen),
            // Short, or the line would be too long for the other side.
            PublishedKeys::Failed(why) => Self::Failed(printable(why).to_string()),
        }
    }

    /// Reads a line without trusting it: the process may be under a stranger's control.
    pub(super) fn into_published(self) -> Option<PublishedKeys> {
        // rebuilderd knows no other kind.
        let decode = |text: &String| {
            PublicKey::from_bytes(KeyKind::Ed25519, &BASE64.decode(text).ok()?).ok()
        };
        Some(match self {
            Self::Keys(keys) if keys.len() <= MAX_KEYS => {
                PublishedKeys::Keys(keys.iter().map(decode).collect::<Option<_>>()?)
            }
            Self::Keys(_) => return None,
            Self::Nothing(seen) => PublishedKeys::Nothing(seen),
            Self::Failed(why) => PublishedKeys::Failed(why),
        })
    }
}

/// For the fuzz targets: the lines between the two processes, read and written.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::*;
    use crate::evidence::{Order, Question};

    /// Reads a line from the fetching process as the hook does.
    pub fn event(input: &mut impl BufRead) -> Option<Event> {
        read_line(input, MAX_LINE).and_then(WireEvent::into_event)
    }

    /// The line for an event.
    pub fn event_line(event: Event) -> String {
        serde_json::to_string(&WireEvent::of(event)).unwrap_or_default()
    }

    /// Reads a first line as the fetching process does.
    pub fn setup(input: &mut impl BufRead) -> Option<EndpointSetup> {
        read_line::<Wire>(input, MAX_LINE).and_then(Wire::into_setup)
    }

    /// The line for a setup.
    pub fn setup_line(setup: &EndpointSetup) -> String {
        serde_json::to_string(&Wire::of(setup, Task::Evidence)).unwrap_or_default()
    }

    /// Reads any other line as the fetching process does.
    pub fn question(input: &mut impl BufRead) -> Option<(QuestionId, Question, Vec<usize>)> {
        match read_line(input, MAX_LINE)? {
            Order::Ask { id, question, endpoints } => Some((id, question, endpoints)),
            Order::Go | Order::Settled { .. } => None,
        }
    }

    /// The line for a question.
    pub fn question_line(id: QuestionId, question: Question, endpoints: Vec<usize>) -> String {
        serde_json::to_string(&Order::Ask { id, question, endpoints }).unwrap_or_default()
    }
}
