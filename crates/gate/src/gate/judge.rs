//! Judges files that are here: those that are about to be installed, and those that people name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::files::{ReadFile, read};
use super::rounds::Purpose;
use super::{Gate, Gatherer, Inquiry, Listings};
use crate::evidence::Question;
use crate::policy::{Decision, Policy, Reason, Refusal, Subject};
use crate::receipt::SignedBytes;
use crate::sys::steady::Stamp;
use crate::types::{ArtifactName, Called, Identity, Sha256Digest, Timestamp};

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
    pub signed: SignedBytes,
    /// The reasons for which attestations from this machine made no claim
    pub notes: Vec<String>,
    /// The stamp that identifies it later, if no other user can change it
    pub stamp: Option<Stamp>,
}

/// The settings for judging files.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// More attestations about an artifact
    pub evidence: &'a dyn Fn(&ArtifactName) -> Vec<Vec<u8>>,
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
                let refused = |it: Candidate| Judged::refused(it.path, reason.clone());
                return candidates.into_iter().map(refused).collect();
            }
        };
        let grace = self.grace();
        let mut done: BTreeMap<usize, Judged> = BTreeMap::new();
        let mut cases: BTreeMap<usize, (Question, Inquiry, Judging<'_>)> = BTreeMap::new();
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
            let (file, asked) = match read {
                Ok(read) => read,
                Err(why) => {
                    let reason = unread(&candidate, &why);
                    done.insert(index, Judged::refused(candidate.path, reason));
                    continue;
                }
            };
            let mut judging = Judging::new(candidate, file, &listings, policy, now);
            let Some((question, mut inquiry)) = asked else {
                done.insert(index, judging.conclude(Inquiry::default()));
                continue;
            };
            inquiry.add_at_hand((look.evidence)(&question.identity.artifact_name()));
            // If an earlier hook of this run has asked the others, they are not asked again for
            // answers that decide nothing.
            if grace.is_zero() && judging.look(&mut inquiry) {
                done.insert(index, judging.conclude(inquiry));
            } else {
                cases.insert(index, (question, inquiry, judging));
            }
        }
        let before = done.len();
        let ids: Vec<usize> = cases.keys().copied().collect();
        let cases = cases.into_values();
        let progress = |done| progress(before + done);
        let closed = self.work_through(cases, gatherer, grace, progress);
        done.extend(ids.into_iter().zip(closed));
        done.into_values().collect()
    }
}

impl Judged {
    fn refused(path: PathBuf, reason: Reason) -> Self {
        let decision = Decision::Refuse(Refusal::unjudged(None, reason));
        Self { path, decision, signed: SignedBytes::default(), notes: Vec::new(), stamp: None }
    }
}

/// The judgement of one file.
struct Judging<'p> {
    path: PathBuf,
    subject: Subject,
    stamp: Option<Stamp>,
    policy: &'p Policy,
    now: Timestamp,
}

impl<'p> Judging<'p> {
    fn new(
        Candidate { path, requested }: Candidate,
        ReadFile { content, stability }: ReadFile,
        listings: &Listings,
        policy: &'p Policy,
        now: Timestamp,
    ) -> Self {
        let identity = content.control().ok().map(|it| it.identity.clone());
        let of = |it: &Identity| (listings.of(content.sha256(), it), listings.unhashed(it));
        let (listed, unhashed) = identity.as_ref().map(of).unwrap_or_default();
        let subject = Subject::new(content, None, listed).requested_as(requested);
        let subject = subject.listed_without_hash(unhashed);
        let (stamp, subject) = match stability {
            Ok(stamp) => (stamp, subject),
            Err(why) => (None, subject.that_others_can_change(why)),
        };
        Self { path, subject, stamp, policy, now }
    }
}

impl Purpose for Judging<'_> {
    type Reached = Judged;

    fn look(&mut self, inquiry: &mut Inquiry) -> bool {
        inquiry.decide_early(self.policy, &self.subject, self.now).is_some()
    }

    fn conclude(self, mut inquiry: Inquiry) -> Judged {
        let decision = inquiry.decide(self.policy, &self.subject, self.now);
        let (signed, notes) = inquiry.into_parts();
        Judged { path: self.path, decision, signed, notes, stamp: self.stamp }
    }
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
