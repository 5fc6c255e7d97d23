//! The pipeline of every hook, method and command: subject, evidence, claims, decision.
//!
//! It opens the configuration, hashes the files, gathers evidence and asks [`crate::policy`]. It
//! does not decide by itself who may pass. Without a usable configuration everything is refused.

mod appetite;
mod archives;
mod assess;
mod confine;
mod gather;
mod inquiry;
mod keys;
mod listings;
mod memory;
mod outlook;
mod patience;
mod remembered;
mod rounds;
mod routes;
mod run;
mod signers;
mod stock;
mod survey;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::apt::configuration::Configuration;
use crate::attest::{self, WantedFile};
use crate::cache::{self, Cache};
use crate::config::{self, Config, Problems};
use crate::deb::{self, Examined};
use crate::evidence::{self, Found, Network, Question, Routes};
use crate::policy::{Decision, Mode, Policy, Reason, Refusal, Subject};
use crate::receipt::{self, Signed};
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::sys::secure::{SecureError, Trusted};
use crate::sys::steady::{self, Stamp, Tells};
use crate::types::{Called, Identity, RebuilderName, Sha256Digest, Timestamp};

use appetite::Appetite;
use archives::Archives;
pub use assess::{Ask, Assessed};
pub use confine::{Confinement, MethodPlaces, confine_fetcher, confine_method};
#[cfg(fuzzing)]
pub use gather::fuzzing;
pub use gather::{Fetcher, Gatherer, Local, Next, serve};
pub use inquiry::Inquiry;
use inquiry::Verified;
pub use keys::keys_of_endpoints;
use listings::Keep;
pub use listings::{Listings, Signers};
pub use memory::{Memory, Recalled, ToRemember};
pub use outlook::Outlook;
pub use patience::{Haste, Patience, TICK};
use rounds::{Open, work_through};
pub use routes::{Commands, Finder, ways};
use run::Run;
pub use signers::{Keyrings, Root};
pub use stock::{Stock, Taken};
pub use survey::Surveyed;
pub use system::{AptUnreadable, Environment, apt_configuration, apt_configuration_with, apt_dump};

/// The time for which a run whose files are all decided waits for outstanding answers: a conflict
/// must be shown although it does not decide. The wait occurs once in a run of apt, not for each
/// file, and not again in a later hook.
const GRACE: Duration = Duration::from_millis(500);

/// The gate of one run: the policy, and the places of evidence.
#[derive(Debug)]
pub struct Gate {
    config: Result<Config, Broken>,
    cache: Cache,
    lists: PathBuf,
    keyrings: Keyrings,
    /// The reason for which the signers of apt's indexes are looked up
    signers: AskedFor,
    state: PathBuf,
    archives: Arc<Archives>,
    /// The amounts of attestations that were taken of each rebuilder
    appetite: Arc<Appetite>,
    /// Remarks about this machine's indexes, for people
    remarks: Mutex<BTreeSet<String>>,
    /// The time that this run has waited for each rebuilder
    patience: Mutex<Patience>,
    /// The results of an earlier hook of this run
    run: Run,
}

/// The reason for which the signers of apt's indexes are looked up, which costs hashing the
/// indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedFor {
    /// Needed only if the policy has a condition on them
    ByThePolicy,
    /// The caller shows them to people, whatever the policy says
    ByPeople,
}

/// The mistakes of a configuration that cannot be used.
#[derive(Debug)]
struct Broken {
    /// With the faulty lines
    shown: String,
    /// One line a mistake
    lines: String,
}

impl From<Problems> for Broken {
    fn from(problems: Problems) -> Self {
        Self { shown: problems.to_string(), lines: problems.lines() }
    }
}

/// A file that is going to be judged.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its path
    pub path: PathBuf,
    /// apt's own description of it
    pub requested: Option<Called>,
}

/// A file that was judged.
#[derive(Debug)]
pub struct Judged {
    /// Its path
    pub path: PathBuf,
    /// The decision about it
    pub decision: Decision,
    /// The signed bytes that the decision rests on
    pub signed: Signed,
    /// The reasons for which attestations from this machine made no claim
    pub notes: Vec<String>,
    /// The stamp that identifies it later, if no other user can change it
    pub stamp: Option<Stamp>,
}

/// The settings for judging files.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// More attestations
    pub evidence: &'a [evidence::AtHand],
    /// The choice whether the files are about to be installed from their present paths. If so, no
    /// other user may be able to swap them
    pub installing: Installing,
}

/// The relation of a file to an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installing {
    /// Installed from its present path, which must be safe.
    InPlace,
    /// Not installed by this run.
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

    /// Makes a gate by a configuration that is not in place yet, to show its effect.
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
            appetite: Arc::default(),
            patience: Mutex::new(Patience::of(config.as_ref().ok(), Haste::Command)),
            run: Run::default(),
            config,
            cache,
            lists: apt.path("Dir::State::lists", "/var/lib/apt/lists"),
            keyrings: Keyrings::of(apt),
            signers: AskedFor::ByThePolicy,
            state,
            remarks: Mutex::default(),
        }
    }

    /// Makes the same gate for a hook or method that delays a run of apt or dpkg. It waits for no
    /// rebuilder longer than a run may, and continues from the results of earlier hooks in the run.
    #[must_use]
    pub fn holding_up(self, haste: Haste, state: &Path, now: Timestamp) -> Self {
        let Ok(mut config) = self.config else { return self };
        config.policy = config.policy.remembering(remembered::recall(state));
        let mut run = Run::recall(state, config.digest, now);
        let mut spare = Duration::ZERO;
        if config.policy.minds_conflicts() {
            // Each hook asks every rebuilder for the answers that decide, and waits for these at
            // least as long as for answers that decide nothing.
            run.forget_answers();
            spare = GRACE;
        }
        let patience = Patience::of(Some(&config), haste);
        let patience = Mutex::new(patience.after(std::mem::take(&mut run.used), spare));
        Self { config: Ok(config), patience, run, ..self }
    }

    /// Keeps below `state` the results of this hook for later ones in the same run: the answers
    /// about `assessed` packages, and the signatures that are valid. Without these, the later ones
    /// ask and wait once more. So nothing is lost if they cannot be written, as by a user other
    /// than root.
    pub fn keep_run(&self, state: &Path, now: Timestamp, assessed: &[Assessed]) {
        if let Ok(config) = &self.config {
            let _ = self.run.keep(state, config, now, self.patience().used(), assessed);
            if let Some(remembered) = config.policy.keys().remembered() {
                remembered::keep(state, remembered);
            }
        }
    }

    /// The times that this run has waited for each rebuilder.
    pub fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(|lock| lock.into_inner())
    }

    /// The time to wait for answers that decide nothing.
    const fn grace(&self) -> Duration {
        if self.run.graced { Duration::ZERO } else { GRACE }
    }

    /// Makes the same gate, which always finds out who signed apt's indexes.
    #[must_use]
    pub fn that_tells_signers(self) -> Self {
        Self { signers: AskedFor::ByPeople, ..self }
    }

    /// The configuration.
    ///
    /// # Errors
    /// The mistakes in it, for people.
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

    /// Returns the settings for fetching evidence; nothing if the gate is closed.
    #[must_use]
    pub fn setup(&self, apt: &Configuration, network: Network) -> Option<evidence::Setup> {
        let config = self.config.as_ref().ok()?;
        Some(evidence::Setup {
            endpoints: config.endpoints.clone(),
            timeouts: config.timeouts,
            authorities: config.authorities.clone(),
            apt: apt.clone(),
            routes: Routes::default(),
            network,
            keep: Some((self.cache.clone(), config.policy.keys().clone())),
        })
    }

    /// Returns a gatherer that asks endpoints: in this process, or, if it is root's, in one that
    /// runs as apt's unprivileged user.
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

    /// Returns a gatherer as [`Self::gatherer`] does, for a hook. In mode warn the hook continues
    /// even if no endpoint can be asked.
    ///
    /// # Errors
    /// As for [`Self::gatherer`], in mode enforce.
    pub fn gatherer_of_entrance(&self, apt: &Configuration) -> Result<Box<dyn Gatherer>, String> {
        self.gatherer(apt, Network::Allowed).or_else(|why| {
            if self.policy().is_ok_and(|it| it.mode() == Mode::Warn) {
                self.remark(&[format!("{why}, so no rebuilder is asked")]);
                return Ok(Box::new(gather::Nobody));
            }
            Err(why)
        })
    }

    /// Returns the user to which root leaves the reading of data from strangers: apt's unprivileged
    /// user, who is given the cache. Returns nothing if this process is not root's.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn unprivileged(&self, apt: &Configuration) -> Result<Option<User>, String> {
        let Some(user) = gather::fetching_user(apt)? else { return Ok(None) };
        self.cache.give_to(&user);
        Ok(Some(user))
    }

    /// The cache of signed bytes.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Hands every file that apt's indexes list to `each`.
    pub fn each_listed(&self, each: impl FnMut(Sha256Digest, Identity)) {
        listings::each(&self.lists, each);
    }

    /// Returns the evidence at hand about a file, and the endpoints still to ask. These belong to
    /// every rebuilder that has an endpoint for the file and no signed attestation about this very
    /// hash in the cache.
    #[must_use]
    pub fn inquire(&self, question: &Question, now: Timestamp) -> Inquiry {
        self.inquire_with(question, Vec::new(), now)
    }

    /// Returns the same, and also uses attestations that were kept elsewhere.
    #[must_use]
    pub fn inquire_with(&self, question: &Question, kept: Vec<Vec<u8>>, now: Timestamp) -> Inquiry {
        let Ok(config) = &self.config else { return Inquiry::default() };
        let artifact = question.identity.artifact_name();
        let cached = self
            .cache
            .read_some(&artifact, |giver, it| self.appetite.take(giver, it.len()).is_ok());
        let mut at_hand = Vec::new();
        let mut heard: BTreeSet<RebuilderName> = BTreeSet::new();
        let mut verified = None;
        if let Some(sha256) = question.sha256 {
            let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
            let keys = config.policy.keys();
            let cached = cached.into_iter().filter_map(|(giver, bytes)| {
                let result = self.appetite.verify(&giver, |checks| {
                    attest::verify_within(&bytes, keys, wanted, now, checks)
                });
                Some((bytes, result.ok()?))
            });
            let kept = kept.into_iter().map(|bytes| {
                let result = attest::verify(&bytes, keys, wanted, now);
                (bytes, result)
            });
            let attestations: Vec<_> = cached.chain(kept).collect();
            let claims =
                attestations.iter().filter_map(|(_, result)| result.as_ref().ok()).flatten();
            heard
                .extend(claims.filter(|it| it.sha256() == sha256).map(|it| it.rebuilder().clone()));
            verified = Some(Verified { artifact, sha256, attestations });
        } else {
            at_hand.extend(cached.into_iter().map(|(_, bytes)| bytes).chain(kept));
        }
        let answers = match question.sha256 {
            Some(sha256) => self.run.answers(&question.identity.artifact_name(), sha256),
            None => &[],
        };
        let answered = run::endpoints(answers);
        let asked = config
            .endpoints
            .iter()
            .enumerate()
            .filter(|(_, it)| !answered.contains(&(&it.rebuilder, it.url.as_str())))
            .filter(|(_, endpoint)| endpoint.covers(&question.identity.architecture))
            .filter(|(_, endpoint)| !heard.contains(&endpoint.rebuilder))
            .map(|(index, endpoint)| (index, endpoint.rebuilder.clone()))
            .collect();
        let mut inquiry = Inquiry::new(at_hand, asked)
            .with_archives(Arc::clone(&self.archives))
            .with_appetite(Arc::clone(&self.appetite));
        inquiry.add_answers(answers);
        match verified {
            Some(verified) => inquiry.with_verified(verified),
            None => inquiry,
        }
    }

    /// Reads the indexes for the files that are `wanted`, if the policy looks at them at all. For
    /// packages without a SHA-256 there is only the identity.
    #[must_use]
    pub fn listings(&self, wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool) -> Listings {
        match &self.config {
            Ok(config) if config.policy.needs_listings() => {
                self.read_listings(Keep::Places, wanted)
            }
            _ => Listings::default(),
        }
    }

    /// Returns the entries of the indexes for the packages that are `wanted`, whatever the policy
    /// looks at.
    #[must_use]
    pub fn listings_of(&self, wanted: impl Fn(&Identity) -> bool) -> Listings {
        self.listings_where(|_, identity| wanted(identity))
    }

    /// Returns the entries of the indexes for the files that are `wanted`, whatever the policy
    /// looks at.
    #[must_use]
    pub fn listings_where(
        &self,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Listings {
        self.read_listings(Keep::Files, wanted)
    }

    fn read_listings(
        &self,
        keep: Keep,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Listings {
        let needed = self.config.as_ref().is_ok_and(|it| it.policy.needs_signers());
        let signers = (needed || self.signers == AskedFor::ByPeople).then(|| Signers {
            certificates: self.keyrings.certificates(Root::Own),
            now: receipt::present(&self.state, std::time::SystemTime::now()).now.into(),
        });
        let listings = Listings::load_keeping(&self.lists, keep, signers.as_ref(), wanted);
        self.remark(listings.remarks());
        listings
    }

    /// Notes remarks about the indexes of this machine, for people.
    pub fn remark(&self, remarks: &[String]) {
        let mut all = self.remarks.lock().unwrap_or_else(|lock| lock.into_inner());
        all.extend(remarks.iter().cloned());
    }

    /// Returns the parts of this machine's indexes that were not read because they exceed the
    /// limits. Each is returned once.
    #[must_use]
    pub fn remarks(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(|lock| lock.into_inner()))
    }

    /// Judges files as a whole: hashes all, gathers all evidence at once, and decides each as soon
    /// as no outstanding answer could change the decision. `progress` is called with the number of
    /// decided files.
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
        let grace = self.grace();
        let mut done: BTreeMap<usize, Judged> = BTreeMap::new();
        let mut cases: BTreeMap<usize, (Question, Case<'_>)> = BTreeMap::new();
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
        let names: BTreeSet<&Identity> =
            read.iter().filter_map(|it| Some(&it.as_ref().ok()?.1.as_ref()?.0.identity)).collect();
        let listings = self.listings(|sha256, identity| match sha256 {
            Some(sha256) => wanted.contains(sha256),
            None => names.contains(identity),
        });
        drop(names);
        for (index, (candidate, read)) in candidates.into_iter().zip(read).enumerate() {
            match read {
                Err(why) => {
                    let reason = unread(&candidate, &why);
                    done.insert(index, Judged::refused(candidate.path, None, reason));
                }
                Ok(read) => {
                    let by = By { policy, now };
                    let mut case = Case::new(candidate, read, &listings, look, by);
                    // If an earlier hook of this run has asked the others, they are not asked again
                    // for answers that decide nothing.
                    let is_closed = grace.is_zero() && case.settle();
                    match case.question.take().filter(|_| !is_closed) {
                        Some(question) => drop(cases.insert(index, (question, case))),
                        None => drop(done.insert(index, case.close())),
                    }
                }
            }
        }
        let before = done.len();
        let ids: Vec<usize> = cases.keys().copied().collect();
        let cases = cases.into_values();
        let progress = |done| progress(before + done);
        let closed = work_through(cases, gatherer, &mut self.patience(), grace, progress);
        done.extend(ids.into_iter().zip(closed));
        done.into_values().collect()
    }
}

impl Judged {
    fn refused(path: PathBuf, subject: Option<Subject>, reason: Reason) -> Self {
        let decision = Decision::Refuse(Refusal::unjudged(subject, reason));
        Self { path, decision, signed: Signed::default(), notes: Vec::new(), stamp: None }
    }
}

/// The policy and the time by which a file is judged.
#[derive(Clone, Copy)]
struct By<'p> {
    policy: &'p Policy,
    now: Timestamp,
}

/// A file under judgement.
struct Case<'p> {
    path: PathBuf,
    subject: Subject,
    /// The question about it, until it is asked
    question: Option<Question>,
    inquiry: Inquiry,
    stamp: Option<Stamp>,
    by: By<'p>,
}

impl<'p> Case<'p> {
    fn new(
        candidate: Candidate,
        (file, asked): (ReadFile, Option<(Question, Inquiry)>),
        listings: &Listings,
        look: Look<'_>,
        by: By<'p>,
    ) -> Self {
        let ReadFile { content: file, stability } = file;
        let (stamp, changeable) = match stability {
            Ok(stamp) => (stamp, None),
            Err(why) => (None, Some(why)),
        };
        let Candidate { path, requested } = candidate;
        let sha256 = file.sha256();
        let subject_of = |listings| {
            let subject = Subject::new(file, None, listings).requested_as(requested);
            match changeable {
                Some(why) => subject.that_others_can_change(why),
                None => subject,
            }
        };
        let Some((question, mut inquiry)) = asked else {
            let (subject, inquiry) = (subject_of(Vec::new()), Inquiry::default());
            return Self { path, subject, question: None, inquiry, stamp, by };
        };
        let unhashed = listings.unhashed(&question.identity);
        let listings = listings.of(sha256, &question.identity);
        for brought in look.evidence {
            inquiry.add_at_hand(brought.about(&question.identity.artifact_name()));
        }
        let subject = subject_of(listings).listed_without_hash(unhashed);
        Self { path, subject, question: Some(question), inquiry, stamp, by }
    }
}

impl Open for Case<'_> {
    type Closed = Judged;

    fn asked(&self) -> Vec<usize> {
        self.inquiry.asked()
    }

    fn add(&mut self, endpoint: usize, found: Found) {
        self.inquiry.add(endpoint, found);
    }

    fn settle(&mut self) -> bool {
        self.inquiry.decide_early(self.by.policy, &self.subject, self.by.now).is_some()
    }

    fn awaited(&self) -> BTreeSet<RebuilderName> {
        self.inquiry.awaited().cloned().collect()
    }

    fn rest(&mut self, rebuilder: &RebuilderName, why: &str) {
        self.inquiry.rest(rebuilder, why);
    }

    fn give_up(&mut self, why: &str) {
        self.inquiry.give_up(why);
    }

    fn close(mut self) -> Judged {
        let decision = self.inquiry.decide(self.by.policy, &self.subject, self.by.now);
        let (signed, notes) = self.inquiry.into_parts();
        Judged { path: self.path, decision, signed, notes, stamp: self.stamp }
    }
}

/// A file that was read.
struct ReadFile {
    content: Examined,
    /// The stamp that identifies the file later if it is about to be installed, or the reason for
    /// which another user could change it before
    stability: Result<Option<Stamp>, String>,
}

impl ReadFile {
    /// Returns the question about it, if it is a package.
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

/// Returns the reason for a file that could not be read; `why` is the error. A file that apt is
/// about to install should be there: a missing one means that apt's caller did not download it.
fn unread(Candidate { path, requested }: &Candidate, why: &str) -> Reason {
    let is_gone = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if requested.is_some() && path.symlink_metadata().is_err_and(is_gone) {
        return Reason::Missing;
    }
    // The path is already before it.
    let why = why.strip_prefix(&format!("{}: ", path.display())).unwrap_or(why).to_owned();
    Reason::Unreadable { why }
}

/// The reason for which a file cannot be installed from its path.
enum Unsafe {
    /// Others could change it.
    Changeable(String),
    /// It cannot be opened at all.
    Unreadable(String),
}

/// Opens a file that remains unchanged: only root can open it for writing or put another one in its
/// place. No process that could do so before still has it open.
fn open_steadily(path: &Path) -> Result<File, Unsafe> {
    let file = Trusted::now().lasting().open_file(path).map_err(|why| match why {
        SecureError::Owner { path, owner } => {
            Unsafe::Changeable(format!("{} belongs to user {owner}", path.display()))
        }
        SecureError::Writable { path, .. } => {
            Unsafe::Changeable(format!("{} can be written by others", path.display()))
        }
        why @ SecureError::Untold { .. } => Unsafe::Changeable(why.to_string()),
        why => Unsafe::Unreadable(why.to_string()),
    })?;
    steady::nobody_writes(&file)
        .map_err(|why| Unsafe::Changeable(format!("{}: {why}", path.display())))?;
    Ok(file)
}

/// Ensures that no process has a file that was opened steadily mapped into memory either. If the
/// file system does not tell that, a copy takes its place.
fn settle(file: File, path: &Path) -> Result<File, Unsafe> {
    if steady::tells(&file) == Some(Tells::All) {
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
