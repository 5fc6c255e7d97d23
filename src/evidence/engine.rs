//! Asks all endpoints at once, on one thread, and hands each answer on when it comes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::archive::Archive;
use super::directory;
use super::http::{Door, is_proxied};
use super::intoto_metadata::IntotoMetadata;
use super::rebuilderd::Rebuilderd;
use super::{Found, Gathered, Question, Reach, Source};
use crate::apt::configuration::Configuration;
use crate::attest::{self, KeyRing};
use crate::cache::Cache;
use crate::config::{Endpoint, Protocol, Timeouts};
use crate::policy::Outcome;
use crate::types::{Sha256Digest, Timestamp};

/// The item of apt's configuration with this machine's architecture.
pub const NATIVE: &str = "APT::Architecture";

/// Questions that one endpoint is asked at the same time. Each is one HTTP connection unless the
/// server speaks HTTP/2.
const AT_ONCE: usize = 8;

/// The same, for all endpoints that are asked through a proxy together, so that there are few
/// connections: Qubes' update proxy starts a process on both of its sides for each. Every host has
/// at least one.
const THROUGH_PROXIES: usize = 4;

/// Times that an endpoint was out of reach, one after the other, after which it is left alone for
/// a while.
const FAILURES: u32 = 3;

/// For how long.
const REST: Duration = Duration::from_secs(60);

/// How a caller knows its questions apart.
pub type QuestionId = u64;

/// An endpoint gave an answer, or none; each question brings exactly one event for each endpoint
/// that it was put to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The question
    pub question: QuestionId,
    /// The endpoint's place in the configuration
    pub endpoint: usize,
    /// What it gave
    pub found: Found,
}

/// The asking side. Dropping it ends the thread; answers still under way are given up.
#[derive(Debug)]
pub struct Engine {
    questions: UnboundedSender<(QuestionId, Question, Vec<usize>)>,
}

/// What an engine needs to know.
#[derive(Debug, Clone)]
pub struct Setup {
    /// All endpoints of the configuration
    pub endpoints: Vec<Endpoint>,
    /// How long to wait for them
    pub timeouts: Timeouts,
    /// Certificates of authorities for https besides the system's, in PEM
    pub authorities: Option<String>,
    /// apt's configuration, for its proxies
    pub apt: Configuration,
    /// Whether endpoints on the network may be asked
    pub network: Network,
    /// Where to keep what was signed with which keys
    pub keep: Option<(Cache, KeyRing)>,
}

/// Whether endpoints on the network may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// They may.
    Allowed,
    /// They are silent: only what is on this machine is looked at.
    Denied,
}

impl Engine {
    /// Starts the thread. Nothing is connected before the first question.
    ///
    /// # Errors
    /// If the system has no thread or descriptor to spare.
    pub fn start(setup: Setup, hand_on: impl Fn(Event) + Send + 'static) -> std::io::Result<Self> {
        let (questions, incoming) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("evidence".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(setup, incoming, Rc::new(hand_on)));
        })?;
        Ok(Self { questions })
    }

    /// Puts `question` to these endpoints.
    pub fn ask(&self, id: QuestionId, question: Question, endpoints: Vec<usize>) {
        // The thread ends only after this side is dropped, so there is always a receiver.
        let _ = self.questions.send((id, question, endpoints));
    }
}

/// One endpoint with what is known about how it is.
struct Peer {
    endpoint: Endpoint,
    source: Result<Box<dyn Source>, Outcome>,
    at_once: Rc<Semaphore>,
    health: RefCell<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    resting: Option<(Instant, Outcome)>,
}

async fn run(
    setup: Setup,
    mut incoming: UnboundedReceiver<(QuestionId, Question, Vec<usize>)>,
    hand_on: Rc<impl Fn(Event) + 'static>,
) {
    let total = setup.timeouts.total;
    let keep = Rc::new(setup.keep.clone());
    let mut peers: Option<Vec<Rc<Peer>>> = None;
    while let Some((question_id, question, endpoints)) = incoming.recv().await {
        // Made at the first question: most runs of apt need none of this.
        let peers = peers.get_or_insert_with(|| make_peers(&setup));
        let question = Rc::new(question);
        for index in endpoints {
            let Some(peer) = peers.get(index).map(Rc::clone) else { continue };
            let (question, hand_on, keep) =
                (Rc::clone(&question), Rc::clone(&hand_on), Rc::clone(&keep));
            tokio::task::spawn_local(async move {
                let found = peer.gather(&question, total).await;
                if let Some((cache, keys)) = &*keep {
                    store(cache, keys, &question, &found);
                }
                hand_on(Event { question: question_id, endpoint: index, found });
            });
        }
    }
}

fn make_peers(setup: &Setup) -> Vec<Rc<Peer>> {
    let unreachable = |why: &str| Outcome::Unreachable { why: why.to_owned() };
    let door = match setup.network {
        Network::Allowed => {
            Door::new(&setup.apt, setup.authorities.as_deref(), setup.timeouts.answer)
                .map_err(|error| unreachable(&error.to_string()))
        }
        Network::Denied => Err(unreachable("not asked: offline")),
    };
    let source = |endpoint: &Endpoint| -> Result<Box<dyn Source>, Outcome> {
        Ok(match endpoint.protocol {
            Protocol::Rebuilderd => Box::new(Rebuilderd::new(endpoint.url.clone(), door.clone()?)),
            Protocol::IntotoMetadata => {
                let keys = setup.keep.iter().flat_map(|(_, keys)| keys.iter());
                let own = keys.filter(|it| it.operator == endpoint.operator);
                let ids: Vec<_> = own.map(|it| it.key.key_id()).collect();
                let ids = ids.iter().map(|id| id.as_str());
                Box::new(IntotoMetadata::new(endpoint.url.clone(), door.clone()?, ids))
            }
            Protocol::Archive => {
                let (Some(terms), Some((cache, keys))) = (&endpoint.archive, &setup.keep) else {
                    return Err(unreachable("nothing of it can be kept"));
                };
                Box::new(Archive {
                    base: endpoint.url.clone(),
                    door: door.clone()?,
                    terms: terms.clone(),
                    keys: keys.clone(),
                    shelf: cache.shelf(endpoint.url.as_str(), &terms.suite),
                    native: setup.apt.find(NATIVE).and_then(|it| it.parse().ok()),
                    now: || Timestamp::from(std::time::SystemTime::now()),
                    state: Mutex::default(),
                })
            }
            Protocol::Directory => {
                let cache = setup.keep.as_ref().map(|(cache, _)| cache);
                directory::source(endpoint, door.clone(), cache)?
            }
        })
    };
    let shared = shared_connections(setup);
    let peer = |endpoint: &Endpoint| {
        let own = || Rc::new(Semaphore::new(AT_ONCE));
        Rc::new(Peer {
            endpoint: endpoint.clone(),
            source: source(endpoint),
            at_once: shared.get(&host_of(endpoint)).map_or_else(own, Rc::clone),
            health: RefCell::default(),
        })
    };
    setup.endpoints.iter().map(peer).collect()
}

/// What each host that is reached through a proxy may be asked at the same time, whichever of its
/// endpoints.
fn shared_connections(setup: &Setup) -> HashMap<String, Rc<Semaphore>> {
    let proxied = |it: &&Endpoint| it.url.has_host() && is_proxied(&setup.apt, &it.url);
    let hosts: HashSet<String> = setup.endpoints.iter().filter(proxied).map(host_of).collect();
    let share = (THROUGH_PROXIES / hosts.len().max(1)).max(1);
    hosts.into_iter().map(|host| (host, Rc::new(Semaphore::new(share)))).collect()
}

/// What a connection can be used for again: the scheme, the host and the port.
fn host_of(endpoint: &Endpoint) -> String {
    endpoint.url.origin().ascii_serialization()
}

impl Peer {
    async fn gather(&self, question: &Question, total: Duration) -> Found {
        let (attestations, outcome) = match &self.source {
            Err(outcome) => (Vec::new(), outcome.clone()),
            Ok(source) => {
                let _permit = self.at_once.acquire().await;
                self.gather_from(&**source, question, total).await
            }
        };
        Found {
            operator: self.endpoint.operator.clone(),
            endpoint: self.endpoint.url.to_string(),
            attestations,
            outcome,
        }
    }

    async fn gather_from(
        &self,
        source: &dyn Source,
        question: &Question,
        total: Duration,
    ) -> (Vec<Vec<u8>>, Outcome) {
        if let Some(outcome) = self.resting() {
            return (Vec::new(), outcome);
        }
        let late = |_| Gathered {
            attestations: Vec::new(),
            outcome: Outcome::Unreachable {
                why: format!("no complete answer within {} s", total.as_secs()),
            },
            reach: Reach::Out,
        };
        let gathered = tokio::time::timeout(total, source.gather(question)).await;
        let Gathered { attestations, outcome, reach } = gathered.unwrap_or_else(late);
        self.learn(&outcome, reach);
        (attestations, outcome)
    }

    /// A host that hangs must not make every package wait for it in turn.
    fn resting(&self) -> Option<Outcome> {
        let mut health = self.health.borrow_mut();
        match &health.resting {
            Some((until, outcome)) if Instant::now() < *until => Some(outcome.clone()),
            Some(_) => {
                *health = Health::default();
                None
            }
            None => None,
        }
    }

    fn learn(&self, outcome: &Outcome, reach: Reach) {
        let mut health = self.health.borrow_mut();
        if reach == Reach::Within {
            *health = Health::default();
            return;
        }
        health.failures += 1;
        if health.failures >= FAILURES {
            health.resting = Some((Instant::now() + REST, outcome.clone()));
        }
    }
}

/// Keeps what a pinned key signed about this package, whatever hash it gives: a conflict is as
/// worth keeping as a vote. What nobody signed is not kept, so nobody can fill the disk.
fn store(cache: &Cache, keys: &KeyRing, question: &Question, found: &Found) {
    let artifact = question.identity.artifact_name();
    let now = Timestamp::from(std::time::SystemTime::now());
    let sha256 = question.sha256.unwrap_or(Sha256Digest::from_bytes([0; 32]));
    for attestation in &found.attestations {
        let wanted = attest::Wanted { artifact: &artifact, sha256 };
        if attest::verify(attestation, keys, wanted, now).is_ok() {
            // A cache that cannot be written costs a question next time, nothing else.
            let _ = cache.store(&artifact, attestation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many questions each of these endpoints may be asked at once with what it shares, and
    /// nothing for those that share nothing.
    fn shares(urls: &[&str], apt: &[&str]) -> Vec<Option<usize>> {
        let endpoint = |url: &&str| Endpoint {
            operator: "alpha".parse().unwrap(),
            protocol: Protocol::Directory,
            url: url.parse().unwrap(),
            architectures: None,
            archive: None,
        };
        let mut configuration = Configuration::default();
        apt.iter().for_each(|item| configuration.add(item));
        let setup = Setup {
            endpoints: urls.iter().map(endpoint).collect(),
            timeouts: Timeouts::default(),
            apt: configuration,
            network: Network::Denied,
            authorities: None,
            keep: None,
        };
        let shared = shared_connections(&setup);
        let permits = |it: &Endpoint| shared.get(&host_of(it)).map(|it| it.available_permits());
        setup.endpoints.iter().map(permits).collect()
    }

    #[test]
    fn hosts_behind_a_proxy_share_few_connections() {
        let proxy = "Acquire::http::Proxy=http://127.0.0.1:8082/";
        let [a, b, file] = ["https://a.example/amd64/", "https://b.example/", "file:///srv/"];
        assert_eq!(shares(&[a, b, file], &[proxy]), [Some(2), Some(2), None]);
        assert_eq!(shares(&[a, "https://a.example/all/"], &[proxy]), [Some(4), Some(4)]);
        let many: Vec<String> = (0..6).map(|n| format!("https://{n}.example/")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(shares(&many, &[proxy]), [Some(1); 6]);
        let direct = "Acquire::https::Proxy::b.example=DIRECT";
        assert_eq!(shares(&[a, b], &[proxy, direct]), [Some(4), None]);
        assert_eq!(shares(&[a, b], &[]), [None, None]);
    }
}
