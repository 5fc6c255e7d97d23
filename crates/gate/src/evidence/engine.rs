//! Asks all endpoints at once, on one thread, and passes each answer on when it comes.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Notify};
use tokio::task::LocalSet;
use tokio::time::Instant;

use super::archive::ArchiveSource;
use super::directory;
use super::http::Doors;
use super::intoto_metadata::IntotoMetadata;
use super::line::Line;
use super::rebuilderd::Rebuilderd;
use super::routes::Routes;
use super::{EndpointSource, Found, Gathered, Question, Reach};
use crate::apt::configuration::Configuration;
use crate::attest::{self, KeyRing};
use crate::cache::Cache;
use crate::config::{Endpoint, Protocol, Timeouts};
use crate::policy::Outcome;
use crate::route::proxy::Proxy;
use crate::types::{Architecture, Timestamp};

/// The item of apt's configuration with this machine's architecture.
pub const NATIVE: &str = "APT::Architecture";

/// The times that a first question waits for others, because many together take fewer requests:
/// after the last one, and in all. apt hands over a whole transaction as fast as it can write.
const TOGETHER: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// The divisor of the time limit for one answer. For that part of it, other questions wait for the
/// first answer from the same host.
const FIRST_ANSWER: u32 = 10;

/// Consecutive failures to reach an endpoint after which it is not asked for a while.
const FAILURES: u32 = 3;

/// The pause after that, and the longest pause that a server may ask for.
const REST: Duration = Duration::from_secs(60);

/// The caller's number for a question.
pub type QuestionId = u64;

/// An answer of an endpoint, or its absence. Each question brings exactly one event for each
/// endpoint that it was put to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The question
    pub question: QuestionId,
    /// The endpoint's place in the configuration
    pub endpoint: usize,
    /// The endpoint's answer
    pub found: Found,
}

/// The asking side. Dropping it ends the thread and gives up outstanding answers.
#[derive(Debug)]
pub struct Engine {
    orders: UnboundedSender<Order>,
}

/// An order to the thread of the engine.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// To put this question to these endpoints; each brings one event
    Ask {
        /// The caller's number for it
        id: QuestionId,
        /// The question
        question: Question,
        /// The endpoints, by their places in the configuration
        endpoints: Vec<usize>,
    },
    /// A group of questions ends: they need not wait for others to be sent together with
    Go,
    /// The answers to this question are no longer awaited. Endpoints are still asked about it when
    /// there is nothing else to ask them
    Settled {
        /// The number of the question
        id: QuestionId,
    },
}

/// The settings of an engine.
#[derive(Debug, Clone)]
pub struct EndpointSetup {
    /// All endpoints of the configuration
    pub endpoints: Vec<Endpoint>,
    /// The time limits for their answers
    pub timeouts: Timeouts,
    /// Certificates of authorities for https in addition to the system's, in PEM
    pub authorities: Option<String>,
    /// apt's configuration
    pub apt: Configuration,
    /// The only route to endpoints on the network, if the policy names one
    pub proxy: Option<Proxy>,
    /// The routes to endpoints on the network; an endpoint without one is not asked
    pub routes: Routes,
    /// The permission to ask endpoints on the network
    pub network: Network,
    /// The cache for attestations, and the keys whose signatures are kept there
    pub keep: Option<(Cache, KeyRing)>,
}

/// The permission to ask endpoints on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// They may be asked.
    Allowed,
    /// They may not be asked: only evidence on this machine is looked at.
    Denied,
}

impl Engine {
    /// Starts the thread. Nothing is connected before the first question.
    ///
    /// # Errors
    /// If the system has no thread or descriptor to spare.
    pub fn start(
        setup: EndpointSetup,
        hand_on: impl Fn(Event) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (orders, incoming) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("evidence".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(setup, incoming, Rc::new(hand_on)));
        })?;
        Ok(Self { orders })
    }

    /// Takes an order.
    pub fn take(&self, order: Order) {
        // The thread ends only after this side is dropped, so there is always a receiver.
        let _ = self.orders.send(order);
    }
}

/// One endpoint with the knowledge about its state.
struct Peer {
    endpoint: Endpoint,
    source: Result<Rc<dyn EndpointSource>, Outcome>,
    line: Rc<Line>,
    health: RefCell<Health>,
    /// The number of signatures from this endpoint that may still be verified
    checks: Cell<usize>,
    /// Questions that were not put to it yet
    queue: RefCell<VecDeque<(QuestionId, Rc<Question>)>>,
    /// Questions from the queue that turned out to be settled
    last: RefCell<VecDeque<(QuestionId, Rc<Question>)>>,
    /// The questions whose answers are no longer awaited, whether they were put or not
    settled: Rc<RefCell<HashSet<QuestionId>>>,
    /// Something is in the queue, or became ready there
    changed: Notify,
}

#[derive(Default)]
struct Health {
    failures: u32,
    resting: Option<(Instant, Outcome)>,
}

type QuestionPut = (QuestionId, Question, Vec<usize>);

async fn run(
    setup: EndpointSetup,
    mut incoming: UnboundedReceiver<Order>,
    hand_on: Rc<impl Fn(Event) + 'static>,
) {
    let settled = Rc::default();
    let Some(first) = first_question(&mut incoming, &settled).await else { return };
    // Made at the first question: most runs of apt need none of this.
    let peers = make_peers(&setup, &settled);
    let desk = Rc::new(Desk { timeouts: setup.timeouts, keep: setup.keep, hand_on });
    for (index, peer) in peers.iter().enumerate() {
        tokio::task::spawn_local(Rc::clone(peer).work(index, Rc::clone(&desk)));
    }
    let mut next = Some(first);
    while let Some(first) = next {
        let together = with_those_behind(first, &mut incoming, &settled).await;
        for (index, peer) in peers.iter().enumerate() {
            let own = together.iter().filter(|(_, _, endpoints)| endpoints.contains(&index));
            peer.foresee(own.map(|(_, question, _)| question), setup.timeouts);
        }
        for (id, question, endpoints) in together {
            let question = Rc::new(question);
            for peer in endpoints.into_iter().filter_map(|index| peers.get(index)) {
                peer.queue.borrow_mut().push_back((id, Rc::clone(&question)));
                peer.changed.notify_one();
            }
        }
        next = first_question(&mut incoming, &settled).await;
    }
}

/// Returns the next question. Notes the questions that are settled meanwhile.
async fn first_question(
    incoming: &mut UnboundedReceiver<Order>,
    settled: &RefCell<HashSet<QuestionId>>,
) -> Option<QuestionPut> {
    loop {
        match incoming.recv().await? {
            Order::Ask { id, question, endpoints } => return Some((id, question, endpoints)),
            Order::Go => {}
            Order::Settled { id } => _ = settled.borrow_mut().insert(id),
        }
    }
}

/// Waits for the questions that follow the first one directly, until [`Order::Go`] says that there
/// are no more.
async fn with_those_behind(
    first: QuestionPut,
    incoming: &mut UnboundedReceiver<Order>,
    settled: &RefCell<HashSet<QuestionId>>,
) -> Vec<QuestionPut> {
    let mut together = vec![first];
    let (pause, longest) = TOGETHER;
    let end = Instant::now() + longest;
    while let Ok(Some(next)) =
        tokio::time::timeout_at(end.min(Instant::now() + pause), incoming.recv()).await
    {
        match next {
            Order::Ask { id, question, endpoints } => together.push((id, question, endpoints)),
            Order::Go => break,
            Order::Settled { id } => _ = settled.borrow_mut().insert(id),
        }
    }
    together
}

/// The common settings of all endpoints: the time limits, the cache, and the receiver of answers.
struct Desk<F> {
    timeouts: Timeouts,
    keep: Option<(Cache, KeyRing)>,
    hand_on: Rc<F>,
}

fn make_peers(setup: &EndpointSetup, settled: &Rc<RefCell<HashSet<QuestionId>>>) -> Vec<Rc<Peer>> {
    let unreachable = |why: &str| Outcome::Unreachable { why: why.to_owned() };
    let doors = match setup.network {
        Network::Allowed => {
            Doors::new(&setup.routes, setup.authorities.as_deref(), setup.timeouts.answer)
                .map_err(|error| unreachable(&error.to_string()))
        }
        Network::Denied => Err(unreachable("not asked: offline")),
    };
    let source = |endpoint: &Endpoint| -> Result<Rc<dyn EndpointSource>, Outcome> {
        let door = doors.clone().map(|doors| doors.of(&endpoint.rebuilder));
        Ok(match endpoint.protocol {
            Protocol::Rebuilderd => Rc::new(Rebuilderd::new(endpoint.url.clone(), door?)),
            Protocol::IntotoMetadata => {
                let keys = setup.keep.iter().flat_map(|(_, keys)| keys.iter());
                let own = keys.filter(|it| it.rebuilder == endpoint.rebuilder);
                let ids: Vec<_> = own.map(|it| it.key.key_id()).collect();
                let ids = ids.iter().map(|id| id.as_str());
                Rc::new(IntotoMetadata::new(endpoint.url.clone(), door?, ids))
            }
            Protocol::Archive => {
                let (Some(terms), Some((cache, keys))) = (&endpoint.archive, &setup.keep) else {
                    return Err(unreachable("nothing of it can be kept"));
                };
                Rc::new(ArchiveSource {
                    base: endpoint.url.clone(),
                    door: door?,
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
                directory::source(endpoint, door, cache)?
            }
        })
    };
    let line = |endpoint: &Endpoint| match &doors {
        Ok(doors) if setup.routes.is_proxied(&endpoint.rebuilder, &endpoint.url) => {
            doors.lines().behind_proxy(&endpoint.url)
        }
        Ok(doors) if endpoint.url.has_host() => doors.lines().of(&endpoint.url),
        _ => Line::at_hand(),
    };
    let peer = |endpoint: &Endpoint| {
        Rc::new(Peer {
            endpoint: endpoint.clone(),
            source: source(endpoint),
            line: line(endpoint),
            health: RefCell::default(),
            checks: Cell::new(attest::MAX_CHECKS_OF_ONE),
            queue: RefCell::default(),
            last: RefCell::default(),
            settled: Rc::clone(settled),
            changed: Notify::new(),
        })
    };
    setup.endpoints.iter().map(peer).collect()
}

impl Peer {
    /// Puts the questions of the queue to this endpoint, as many at a time as it can take.
    async fn work<F: Fn(Event) + 'static>(self: Rc<Self>, index: usize, desk: Rc<Desk<F>>) {
        let patience = desk.timeouts.answer / FIRST_ANSWER;
        loop {
            let Some((id, question)) = self.next_ready() else {
                self.changed.notified().await;
                continue;
            };
            let turn = self.line.enter(patience).await;
            let (peer, desk) = (Rc::clone(&self), Rc::clone(&desk));
            tokio::task::spawn_local(async move {
                let found = peer.gather(&question, desk.timeouts.total).await;
                if let Some((cache, keys)) = &desk.keep {
                    store(cache, keys, &question, &found, &peer.checks);
                }
                (desk.hand_on)(Event { question: id, endpoint: index, found });
                // The connection is put back for the next question first.
                tokio::task::yield_now().await;
                drop(turn);
            });
        }
    }

    fn next_ready(&self) -> Option<(QuestionId, Rc<Question>)> {
        let (mut queue, mut last) = (self.queue.borrow_mut(), self.last.borrow_mut());
        let settled = self.settled.borrow();
        while queue.front().is_some_and(|(id, _)| settled.contains(id)) {
            last.extend(queue.pop_front());
        }
        [&mut *queue, &mut *last].into_iter().find_map(|queue| {
            let at = match &self.source {
                Ok(source) => queue.iter().position(|(_, question)| source.is_ready(question))?,
                Err(_) => 0,
            };
            queue.remove(at)
        })
    }

    /// Lets the source do at once the work that serves many questions together.
    fn foresee<'a>(
        self: &Rc<Self>,
        questions: impl Iterator<Item = &'a Question>,
        timeouts: Timeouts,
    ) {
        let Ok(source) = &self.source else { return };
        let mut counts: BTreeMap<Architecture, usize> = BTreeMap::new();
        for question in questions {
            *counts.entry(question.identity.architecture.clone()).or_default() += 1;
        }
        if counts.is_empty() || self.resting().is_some() {
            return;
        }
        let peer = Rc::clone(self);
        let progress: Rc<dyn Fn()> = Rc::new(move || peer.changed.notify_one());
        let patience = timeouts.answer / FIRST_ANSWER;
        let work = Rc::clone(source).foresee(&counts, patience, Rc::clone(&progress));
        if !work.is_empty() {
            tokio::task::spawn_local(async move {
                tokio::time::sleep(patience).await;
                progress();
            });
        }
        for work in work {
            let line = Rc::clone(&self.line);
            tokio::task::spawn_local(async move {
                let _turn = line.enter(patience).await;
                let _ = tokio::time::timeout(timeouts.total, work).await;
            });
        }
    }

    async fn gather(&self, question: &Question, total: Duration) -> Found {
        let (attestations, outcome) = match &self.source {
            Err(outcome) => (Vec::new(), outcome.clone()),
            Ok(source) => self.gather_from(&**source, question, total).await,
        };
        Found {
            rebuilder: self.endpoint.rebuilder.clone(),
            endpoint: self.endpoint.url.to_string(),
            attestations,
            outcome,
        }
    }

    async fn gather_from(
        &self,
        source: &dyn EndpointSource,
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

    /// Returns the outcome for an endpoint that is not asked for a while. A host that hangs must
    /// not make every package wait for it in turn.
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
        match reach {
            Reach::Within => {
                *health = Health::default();
                return;
            }
            Reach::Busy(rest) => {
                let until = Instant::now() + rest.min(REST);
                health.resting = Some((until, outcome.clone()));
                return;
            }
            Reach::Out => health.failures += 1,
        }
        if health.failures >= FAILURES {
            health.resting = Some((Instant::now() + REST, outcome.clone()));
        }
    }
}

/// Keeps the attestations that a pinned key signed about this package, whatever hash they give: a
/// conflict is as worth keeping as a vote. Unsigned attestations are not kept, so no endpoint can
/// fill the disk with them.
///
/// Keeps the newest of each rebuilder and hash. Those about the file in question come last, so that
/// they remain if there is not enough room for all.
fn store(cache: &Cache, keys: &KeyRing, question: &Question, found: &Found, checks: &Cell<usize>) {
    let artifact = question.identity.artifact_name();
    let now = Timestamp::from(std::time::SystemTime::now());
    let wanted = attest::WantedFile { artifact: &artifact, sha256: question.sha256 };
    let mut newest = BTreeMap::new();
    for attestation in &found.attestations {
        // An attestation whose signatures take for ever would delay the answers of all others.
        if checks.get() == 0 {
            break;
        }
        let claims = attest::verify_within(attestation, keys, wanted, now, checks);
        for claim in claims.unwrap_or_default() {
            let in_question = question.sha256 == Some(claim.sha256());
            let slot = (in_question, claim.sha256(), claim.rebuilder().clone());
            let (dated, kept) = newest.entry(slot).or_insert((claim.dated(), attestation));
            if *dated < claim.dated() {
                (*dated, *kept) = (claim.dated(), attestation);
            }
        }
    }
    for ((_, _, rebuilder), (_, attestation)) in newest {
        // A cache that cannot be written only costs a question next time.
        let _ = cache.store_given(&artifact, &rebuilder, &found.rebuilder, attestation);
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::CONNECTIONS;
    use super::*;
    use crate::attest::PinnedKey;
    use crate::route::proxy::{ProxySettings, RouteChoice};
    use crate::types::{Identity, PublicKey, Sha256Digest};

    /// Returns the number of connections that the host of each of these endpoints may have.
    fn connections(urls: &[&str], proxied: &[&str]) -> Vec<usize> {
        let endpoint = |url: &&str| Endpoint {
            rebuilder: "alpha".parse().unwrap(),
            protocol: Protocol::Directory,
            url: url.parse().unwrap(),
            architectures: None,
            archive: None,
        };
        let mut apt = Configuration::default();
        for host in proxied {
            apt.set(&format!("Acquire::http::Proxy::{host}"), "http://127.0.0.1:8082/".to_owned());
        }
        let (variables, logins) = Default::default();
        let settings =
            ProxySettings { apt: &apt, variables: &variables, logins: &logins, tor: false };
        let (mut routes, alpha) = (Routes::default(), "alpha".parse().unwrap());
        for url in urls.iter().map(|it| it.parse().unwrap()) {
            if let RouteChoice::Known(route) = settings.choice(&url) {
                routes.set(&alpha, &url, route);
            }
        }
        let setup = EndpointSetup {
            endpoints: urls.iter().map(endpoint).collect(),
            timeouts: Timeouts::default(),
            apt,
            proxy: None,
            routes,
            network: Network::Allowed,
            authorities: None,
            keep: None,
        };
        make_peers(&setup, &Rc::default()).iter().map(|peer| peer.line.connections()).collect()
    }

    #[test]
    fn a_host_behind_a_proxy_has_one_connection() {
        let both = ["a.example", "b.example"];
        let [a, b, file] = ["https://a.example/amd64/", "https://b.example/", "file:///srv/"];
        assert_eq!(connections(&[a, b, file], &both), [1, 1, 8]);
        assert_eq!(connections(&[a, "https://a.example/all/"], &both), [1, 1]);
        assert_eq!(connections(&[a, b], &["a.example"]), [1, CONNECTIONS]);
        assert_eq!(connections(&[a, b], &[]), [CONNECTIONS; 2]);
    }

    /// With spaces around it, mallory gives an attestation that alice signed: alice's vote in
    /// mallory's bytes.
    #[test]
    fn what_is_kept_is_out_of_the_share_of_whose_endpoint_gave_it() {
        use ed25519_dalek::Signer;

        let artifact = "x_1_all.deb";
        let sha256 = Sha256Digest::of(b"x");
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        let signed = format!(
            r#"{{"_type":"link","name":"rebuild","products":{{"{artifact}":{{"sha256":"{sha256}"}}}}}}"#
        );
        let signature = secret.sign(signed.as_bytes()).to_bytes();
        let signature: String = signature.iter().map(|it| format!("{it:02x}")).collect();
        let name = key.key_id();
        let link = format!(
            r#"{{"signatures":[{{"keyid":"{name}","sig":"{signature}"}}],"signed":{signed}}}"#
        );
        let pinned = PinnedKey { rebuilder: "alice".parse().unwrap(), key, not_after: None };
        let keys = KeyRing::new(vec![pinned]).unwrap();
        let question = Question {
            identity: Identity {
                package: "x".parse().unwrap(),
                version: "1".parse().unwrap(),
                architecture: "all".parse().unwrap(),
            },
            source: None,
            sha256: Some(sha256),
        };
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        for (giver, spaces) in [("mallory", 1000), ("alice", 0)] {
            let found = Found {
                rebuilder: giver.parse().unwrap(),
                endpoint: String::new(),
                attestations: vec![(link.clone() + &" ".repeat(spaces)).into_bytes()],
                outcome: Outcome::Attestations { count: 1 },
            };
            store(&cache, &keys, &question, &found, &Cell::new(attest::MAX_CHECKS_OF_ONE));
        }
        let read =
            |whose: &str| cache.read_some(&question.identity.artifact_name(), |it, _| it == whose);
        assert_eq!(read("alice"), [("alice".to_owned(), link.clone().into_bytes())]);
        assert_eq!(read("mallory").len(), 1);
    }
}
