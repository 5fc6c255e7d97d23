//! The pipeline that every entrance goes through: subject, evidence, claims, decision.
//!
//! It opens the configuration, hashes the files, gathers evidence and asks
//! [`crate::policy`]; it has no opinion of its own about who may pass. Without a usable
//! configuration everything is refused.

mod archives;
mod assess;
mod confine;
mod gather;
mod inquiry;
mod keys;
mod listings;
mod memory;
mod outlook;
mod rounds;
mod stock;
mod survey;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::apt::configuration::Configuration;
use crate::attest::{self, Wanted};
use crate::cache::{self, Cache};
use crate::config::{self, Config, Problems};
use crate::deb::{self, Examined};
use crate::evidence::{self, Network, Question};
use crate::policy::{Decision, Policy, Reason, Refusal, Subject};
use crate::receipt::{self, Signed};
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::sys::secure::{SecureError, Trusted};
use crate::sys::steady::{self, Stamp};
use crate::types::{Called, Identity, OperatorName, Sha256Digest, Timestamp};

use archives::Archives;
pub use assess::{Ask, Assessed};
pub use confine::{Confinement, MethodPlaces, confine_fetcher, confine_method};
#[cfg(fuzzing)]
pub(crate) use gather::fuzzing;
pub use gather::{Fetcher, Gatherer, Local, Next, serve};
pub use inquiry::Inquiry;
use inquiry::Verified;
pub use keys::keys_of_endpoints;
pub use listings::Listings;
pub use memory::{Memory, Recalled, ToRemember};
pub use outlook::Outlook;
pub use stock::{Stock, Taken};
pub use survey::Surveyed;
pub use system::{Environment, apt_configuration, apt_dump};

/// How long a run whose files are all decided waits for endpoints that have not answered: a
/// conflict must be shown although it does not decide. Once a run, not for each file.
const GRACE: Duration = Duration::from_millis(500);

/// The gate of one run: what to judge by and where to look.
#[derive(Debug)]
pub struct Gate {
    config: Result<Config, Broken>,
    cache: Cache,
    lists: PathBuf,
    archives: Arc<Archives>,
}

/// What is wrong with a configuration that cannot be used.
#[derive(Debug)]
struct Broken {
    /// With the lines at fault
    shown: String,
    /// One line a mistake
    lines: String,
}

impl From<Problems> for Broken {
    fn from(problems: Problems) -> Self {
        Self { shown: problems.to_string(), lines: problems.lines() }
    }
}

/// A file that is to be judged.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is
    pub path: PathBuf,
    /// What apt says that it is
    pub requested: Option<Called>,
}

/// A file that was judged.
#[derive(Debug)]
pub struct Judged {
    /// Where it is
    pub path: PathBuf,
    /// Whether it may pass
    pub decision: Decision,
    /// The signed bytes that the decision rests on
    pub signed: Signed,
    /// Why attestations from this machine made no claim
    pub notes: Vec<String>,
    /// By what it is known again, if nobody can change it
    pub stamp: Option<Stamp>,
}

/// How files are looked at before they are judged.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// More attestations
    pub evidence: &'a [evidence::AtHand],
    /// Whether the files are about to be installed from where they are, so that nobody may be
    /// able to swap them
    pub installing: Installing,
}

/// Whether a file is about to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installing {
    /// From where it is now: its place must be safe.
    InPlace,
    /// Not by this run.
    No,
}

impl Gate {
    /// Opens the configuration that apt's configuration names, or `directory`.
    ///
    /// Never fails: without a usable configuration the gate is closed and refuses everything.
    #[must_use]
    pub fn open(apt: &Configuration, directory: Option<&Path>, trusted: Trusted) -> Self {
        let directory = directory.map_or_else(
            || apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY),
            Path::to_owned,
        );
        Self::by(apt, config::load(&directory, trusted).map_err(Broken::from))
    }

    /// A gate by a configuration that is not in place yet, to see what it would say.
    #[must_use]
    pub fn proposed(apt: &Configuration, config: Config) -> Self {
        Self::by(apt, Ok(config))
    }

    fn by(apt: &Configuration, config: Result<Config, Broken>) -> Self {
        let cache = Cache::new(&apt.path("APT::Quorum::Cache", cache::DEFAULT_DIRECTORY));
        let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        let native = apt.find(evidence::NATIVE).and_then(|it| it.parse().ok());
        let endpoints = config.as_ref().map(|it| it.endpoints.as_slice()).unwrap_or_default();
        Self {
            archives: Arc::new(Archives::new(endpoints, &cache, native, &state)),
            config,
            cache,
            lists: apt.path("Dir::State::lists", "/var/lib/apt/lists"),
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn config(&self) -> Result<&Config, &str> {
        self.config.as_ref().map_err(|broken| broken.shown.as_str())
    }

    /// The policy.
    ///
    /// # Errors
    /// The reason for which everything is refused without one.
    pub fn policy(&self) -> Result<&Policy, Reason> {
        match &self.config {
            Ok(config) => Ok(&config.policy),
            Err(broken) => Err(Reason::Configuration { why: broken.lines.clone() }),
        }
    }

    /// What evidence is fetched with; nothing if the gate is closed.
    #[must_use]
    pub fn setup(&self, apt: &Configuration, network: Network) -> Option<evidence::Setup> {
        let config = self.config.as_ref().ok()?;
        Some(evidence::Setup {
            endpoints: config.endpoints.clone(),
            timeouts: config.timeouts,
            authorities: config.authorities.clone(),
            apt: apt.clone(),
            network,
            keep: Some((self.cache.clone(), config.policy.keys().clone())),
        })
    }

    /// Somebody to ask endpoints: this process, or, if it is root's, one that runs as apt's
    /// unprivileged user.
    ///
    /// # Errors
    /// If there is no such user, or no thread to spare.
    pub fn gatherer(
        &self,
        apt: &Configuration,
        network: Network,
    ) -> Result<Box<dyn Gatherer>, String> {
        let Some(setup) = self.setup(apt, network) else { return Ok(Box::new(gather::Nobody)) };
        if let Some(user) = self.unprivileged(apt)? {
            return Ok(Box::new(Fetcher::new(setup, user)));
        }
        Local::start(setup)
            .map(|local| -> Box<dyn Gatherer> { Box::new(local) })
            .map_err(|error| plain(&error))
    }

    /// Whom root leaves to others what strangers send: apt's unprivileged user, who is given the
    /// cache. Nobody if this process is not root's.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn unprivileged(&self, apt: &Configuration) -> Result<Option<User>, String> {
        let Some(user) = gather::fetching_user(apt)? else { return Ok(None) };
        self.cache.give_to(&user);
        Ok(Some(user))
    }

    /// Where signed bytes are kept.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Hands every file that apt's indexes list to `each`.
    pub fn each_listed(&self, each: impl FnMut(Sha256Digest, Identity)) {
        listings::each(&self.lists, each);
    }

    /// What is at hand about a file, and whom else to ask: every operator that has an endpoint
    /// for it and whose signed word about this very hash is not in the cache already.
    #[must_use]
    pub fn inquire(&self, question: &Question, now: Timestamp) -> Inquiry {
        self.inquire_with(question, Vec::new(), now)
    }

    /// The same, with attestations that were kept elsewhere.
    #[must_use]
    pub fn inquire_with(&self, question: &Question, kept: Vec<Vec<u8>>, now: Timestamp) -> Inquiry {
        let Ok(config) = &self.config else { return Inquiry::default() };
        let artifact = question.identity.artifact_name();
        let mut at_hand = self.cache.read(&artifact);
        at_hand.extend(kept);
        let mut heard: BTreeSet<OperatorName> = BTreeSet::new();
        let mut verified = None;
        if let Some(sha256) = question.sha256 {
            let wanted = Wanted { artifact: &artifact, sha256 };
            let verify = |bytes: Vec<u8>| {
                let result = attest::verify(&bytes, config.policy.keys(), wanted, now);
                (bytes, result)
            };
            let attestations: Vec<_> =
                std::mem::take(&mut at_hand).into_iter().map(verify).collect();
            let claims =
                attestations.iter().filter_map(|(_, result)| result.as_ref().ok()).flatten();
            heard.extend(claims.filter(|it| it.sha256() == sha256).map(|it| it.operator().clone()));
            verified = Some(Verified { artifact, sha256, attestations });
        }
        let asked = config
            .endpoints
            .iter()
            .enumerate()
            .filter(|(_, endpoint)| endpoint.covers(&question.identity.architecture))
            .filter(|(_, endpoint)| !heard.contains(&endpoint.operator))
            .map(|(index, endpoint)| (index, endpoint.operator.clone()))
            .collect();
        let inquiry = Inquiry::new(at_hand, asked).with_archives(Arc::clone(&self.archives));
        match verified {
            Some(verified) => inquiry.with_verified(verified),
            None => inquiry,
        }
    }

    /// Reads the indexes for the files that are `wanted`, if the policy looks at them at all.
    #[must_use]
    pub fn listings(&self, wanted: impl Fn(&Sha256Digest) -> bool) -> Listings {
        match &self.config {
            Ok(config) if config.policy.needs_listings() => {
                Listings::load(&self.lists, |sha256, _| wanted(sha256))
            }
            _ => Listings::default(),
        }
    }

    /// What the indexes say of the packages that are `wanted`, whatever the policy looks at.
    #[must_use]
    pub fn listings_of(&self, wanted: impl Fn(&Identity) -> bool) -> Listings {
        Listings::load(&self.lists, |_, identity| wanted(identity))
    }

    /// Judges files as a whole: all are hashed, all evidence is gathered at once, and each is
    /// decided as soon as nothing that may still come could change it. `progress` is told how many
    /// are.
    pub fn judge(
        &self,
        candidates: Vec<Candidate>,
        look: Look<'_>,
        gatherer: &mut dyn Gatherer,
        now: Timestamp,
        mut progress: impl FnMut(usize),
    ) -> Vec<Judged> {
        let policy = match self.policy() {
            Ok(policy) => policy,
            Err(reason) => {
                let refused = |it: Candidate| Judged::refused(it.path, None, reason.clone());
                return candidates.into_iter().map(refused).collect();
            }
        };
        let all = candidates.len();
        let mut done: BTreeMap<usize, Judged> = BTreeMap::new();
        let mut open: BTreeMap<usize, Case> = BTreeMap::new();
        let read = in_parallel(&candidates, |it| {
            let file = read(it, look.installing)?;
            let asked = file.question().map(|question| {
                let inquiry = self.inquire(&question, now);
                (question, inquiry)
            });
            Ok::<_, String>((file, asked))
        });
        let wanted: BTreeSet<Sha256Digest> =
            read.iter().filter_map(|it| Some(it.as_ref().ok()?.0.content.sha256())).collect();
        let listings = self.listings(|sha256| wanted.contains(sha256));
        for (index, (candidate, read)) in candidates.into_iter().zip(read).enumerate() {
            match read {
                Err(why) => {
                    // The path stands before it already.
                    let named = format!("{}: ", candidate.path.display());
                    let why = why.strip_prefix(&named).unwrap_or(&why).to_owned();
                    let reason = Reason::Unreadable { why };
                    done.insert(index, Judged::refused(candidate.path, None, reason));
                }
                Ok((file, asked)) => {
                    let case = begin(index, candidate, file, asked, &listings, look, gatherer);
                    open.insert(index, case);
                }
            }
        }
        let settled = open.values_mut().map(|case| case.settle(policy, now));
        let mut unsettled = settled.filter(|settled| !settled).count();
        let mut grace = None;
        loop {
            progress(all.saturating_sub(unsettled));
            if unsettled == 0 {
                if open.values().all(|case| case.inquiry.is_complete()) {
                    break;
                }
                // All is decided; whoever is about to answer may still raise a conflict.
                grace.get_or_insert_with(|| Instant::now() + GRACE);
            }
            let patience = grace.map(|end| end.saturating_duration_since(Instant::now()));
            match gatherer.next(patience) {
                Next::Event(event) => {
                    let index = usize::try_from(event.question).unwrap_or(usize::MAX);
                    let Some(case) = open.get_mut(&index) else { continue };
                    case.inquiry.add(event.endpoint, event.found);
                    if !case.settled && case.settle(policy, now) {
                        unsettled -= 1;
                    }
                }
                Next::NotYet => break,
                Next::Ended => {
                    for case in open.values_mut() {
                        case.inquiry.give_up("the program that fetches evidence ended");
                    }
                    unsettled = 0;
                }
            }
        }
        done.extend(open.into_iter().map(|(index, case)| (index, case.close(policy, now))));
        done.into_values().collect()
    }
}

/// Puts the questions about a file to those who are to be asked.
fn begin(
    index: usize,
    candidate: Candidate,
    file: ReadFile,
    asked: Option<(Question, Inquiry)>,
    listings: &Listings,
    look: Look<'_>,
    gatherer: &mut dyn Gatherer,
) -> Case {
    let ReadFile { content: file, stability } = file;
    let (stamp, changeable) = match stability {
        Ok(stamp) => (stamp, None),
        Err(why) => (None, Some(why)),
    };
    let subject_of = |listings| {
        let subject = Subject::new(file.clone(), None, listings).requested_as(candidate.requested);
        match changeable {
            Some(why) => subject.that_others_can_change(why),
            None => subject,
        }
    };
    let Some((question, mut inquiry)) = asked else {
        let (subject, inquiry) = (subject_of(Vec::new()), Inquiry::default());
        return Case { path: candidate.path, subject, inquiry, settled: false, stamp };
    };
    let listings = listings.of(file.sha256(), &question.identity);
    for brought in look.evidence {
        inquiry.add_at_hand(brought.about(&question.identity.artifact_name()));
    }
    let asked = inquiry.asked();
    if !asked.is_empty() {
        let id = u64::try_from(index).unwrap_or(u64::MAX);
        gatherer.ask(id, question, asked);
    }
    let subject = subject_of(listings);
    Case { path: candidate.path, subject, inquiry, settled: false, stamp }
}

impl Judged {
    fn refused(path: PathBuf, subject: Option<Subject>, reason: Reason) -> Self {
        let decision = Decision::Refuse(Refusal::unjudged(subject, reason));
        Self { path, decision, signed: Signed::default(), notes: Vec::new(), stamp: None }
    }
}

/// A file under judgement.
struct Case {
    path: PathBuf,
    subject: Subject,
    inquiry: Inquiry,
    /// Whether no answer that may still come can change if the file passes
    settled: bool,
    stamp: Option<Stamp>,
}

impl Case {
    fn settle(&mut self, policy: &Policy, now: Timestamp) -> bool {
        self.settled = self.inquiry.decide_early(policy, &self.subject, now).is_some();
        self.settled
    }

    fn close(mut self, policy: &Policy, now: Timestamp) -> Judged {
        let decision = self.inquiry.decide(policy, &self.subject, now);
        let (signed, notes) = self.inquiry.into_parts();
        Judged { path: self.path, decision, signed, notes, stamp: self.stamp }
    }
}

/// A file that was read.
struct ReadFile {
    content: Examined,
    /// By what the file is known again if it is about to be installed, or why somebody could
    /// change it before it is
    stability: Result<Option<Stamp>, String>,
}

impl ReadFile {
    /// What is asked about it, if it is a package.
    fn question(&self) -> Option<Question> {
        let control = self.content.control().ok()?;
        Some(Question {
            identity: control.identity.clone(),
            source: Some(control.source.clone()),
            sha256: Some(self.content.sha256()),
        })
    }
}

/// Opens and reads one file.
fn read(candidate: &Candidate, installing: Installing) -> Result<ReadFile, String> {
    let path = &candidate.path;
    let (file, changeable) = match installing {
        Installing::No => (open_plainly(path)?, None),
        Installing::InPlace => match open_steadily(path).and_then(|file| settle(file, path)) {
            Ok(file) => (file, None),
            Err(Unsafe::Changeable(why)) => (open_plainly(path)?, Some(why)),
            Err(Unsafe::Unreadable(why)) => return Err(why),
        },
    };
    let failed = |error| format!("{}: {}", path.display(), plain(&error));
    let before = Stamp::of(&file).map_err(failed)?;
    let content = deb::examine(&file).map_err(failed)?;
    if Stamp::of(&file).map_err(failed)? != before {
        return Err(format!("{} was changed while it was read", path.display()));
    }
    let stamp = (installing == Installing::InPlace).then_some(before);
    Ok(ReadFile { content, stability: changeable.map_or(Ok(stamp), Err) })
}

/// Why a file cannot be installed from where it is.
enum Unsafe {
    /// Others could change it.
    Changeable(String),
    /// It cannot be opened at all.
    Unreadable(String),
}

/// Opens a file that stays what it is: only root can open it for writing or put another one in
/// its place, and nobody who could do so before has it open still.
fn open_steadily(path: &Path) -> Result<File, Unsafe> {
    let file = Trusted::now().open_file(path).map_err(|why| match why {
        SecureError::Owner { path, owner } => {
            Unsafe::Changeable(format!("{} belongs to user {owner}", path.display()))
        }
        SecureError::Writable { path, .. } => {
            Unsafe::Changeable(format!("{} can be written by others", path.display()))
        }
        why => Unsafe::Unreadable(why.to_string()),
    })?;
    steady::nobody_writes(&file)
        .map_err(|why| Unsafe::Changeable(format!("{}: {why}", path.display())))?;
    Ok(file)
}

/// Sees to it that a file that was opened steadily is one that nobody has mapped into memory
/// either. Where the file system does not tell, a copy takes its place.
fn settle(file: File, path: &Path) -> Result<File, Unsafe> {
    if steady::mappings_show(&file) {
        return Ok(file);
    }
    steady::replace_by_copy(&file, path).map_err(|why| {
        Unsafe::Changeable(format!(
            "{}: its file system does not tell whether a process has it mapped for writing, and no copy could take its place: {}",
            path.display(),
            plain(&why)
        ))
    })?;
    open_steadily(path)
}

fn open_plainly(path: &Path) -> Result<File, String> {
    use std::os::unix::fs::OpenOptionsExt;

    let file = File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| format!("{}: {}", path.display(), plain(&error)))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        _ => Err(format!("{} is not a file", path.display())),
    }
}

/// Runs `work` over all items on as many threads as there are processors, and keeps the order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return };
            let result = work(item);
            results.lock().unwrap_or_else(|lock| lock.into_inner()).insert(index, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
    results.into_inner().unwrap_or_else(|lock| lock.into_inner()).into_values().collect()
}
