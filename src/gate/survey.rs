//! Asking operators about packages that are not here: their signed words go into the cache, and who
//! gave one is told. Nothing is decided, because a decision needs the file.

use std::collections::{BTreeMap, BTreeSet};

use super::{Gate, Gatherer, Next};
use crate::attest::{self, Wanted};
use crate::evidence::Question;
use crate::policy::Policy;
use crate::types::{Identity, OperatorName, Sha256Digest, Timestamp};

/// Questions that are under way at the same time. More would have to be kept in memory with what
/// comes back, and no endpoint is asked more than a few at once.
const UNDER_WAY: usize = 128;

/// What came of asking about one package.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// The package
    pub identity: Identity,
    /// The SHA-256 of its file, where an index or the file itself told it
    pub sha256: Option<Sha256Digest>,
    /// Who signed it: this very file, if its hash is known
    pub signed: BTreeSet<OperatorName>,
    /// Who signed another file under this name
    pub differ: BTreeSet<OperatorName>,
    /// Who could not be heard
    pub silent: BTreeSet<OperatorName>,
}

struct Open {
    surveyed: Surveyed,
    waiting: BTreeMap<usize, OperatorName>,
}

impl Surveyed {
    fn read(&mut self, attestations: &[Vec<u8>], policy: &Policy, now: Timestamp) {
        let artifact = self.identity.artifact_name();
        let unknown = Sha256Digest::from_bytes([0; 32]);
        let wanted = Wanted { artifact: &artifact, sha256: self.sha256.unwrap_or(unknown) };
        for bytes in attestations {
            for claim in attest::verify(bytes, policy.keys(), wanted, now).unwrap_or_default() {
                let same = self.sha256.is_none_or(|sha256| sha256 == claim.sha256());
                let list = if same { &mut self.signed } else { &mut self.differ };
                list.insert(claim.operator().clone());
            }
        }
    }
}

impl Gate {
    /// Asks all operators about these packages, but for those whose word about the very file is in
    /// the cache already. `progress` is told how many are done.
    pub fn survey(
        &self,
        questions: Vec<Question>,
        gatherer: &mut dyn Gatherer,
        now: Timestamp,
        mut progress: impl FnMut(usize),
    ) -> Vec<Surveyed> {
        let Ok(policy) = self.policy() else { return Vec::new() };
        let mut ahead = questions.into_iter().enumerate();
        let mut open: BTreeMap<usize, Open> = BTreeMap::new();
        let mut done: BTreeMap<usize, Surveyed> = BTreeMap::new();
        let mut ended = false;
        loop {
            while open.len() < UNDER_WAY {
                let Some((id, question)) = ahead.next() else { break };
                let begun = self.begin_survey(&question, policy, now);
                let asked: Vec<usize> = begun.waiting.keys().copied().collect();
                if !asked.is_empty() && !ended {
                    gatherer.ask(u64::try_from(id).unwrap_or(u64::MAX), question, asked);
                }
                open.insert(id, begun);
            }
            done.extend(take_complete(&mut open, ended));
            progress(done.len());
            if open.is_empty() {
                if ahead.len() == 0 {
                    return done.into_values().collect();
                }
                continue;
            }
            match gatherer.next(None) {
                Next::Event(event) => {
                    let id = usize::try_from(event.question).unwrap_or(usize::MAX);
                    let Some(at) = open.get_mut(&id) else { continue };
                    // Whose endpoint it is, the configuration says.
                    let Some(operator) = at.waiting.remove(&event.endpoint) else { continue };
                    at.surveyed.read(&event.found.attestations, policy, now);
                    if event.found.outcome.is_silence() {
                        at.surveyed.silent.insert(operator);
                    }
                }
                Next::NotYet => {}
                Next::Ended => ended = true,
            }
        }
    }

    fn begin_survey(&self, question: &Question, policy: &Policy, now: Timestamp) -> Open {
        let mut surveyed = Surveyed {
            identity: question.identity.clone(),
            sha256: question.sha256,
            signed: BTreeSet::new(),
            differ: BTreeSet::new(),
            silent: BTreeSet::new(),
        };
        surveyed.read(&self.cache.read(&question.identity.artifact_name()), policy, now);
        Open { surveyed, waiting: self.inquire(question, now).into_asked() }
    }
}

/// Takes those out that nobody is waited for any more; all of them, if nobody who asks is left.
fn take_complete(open: &mut BTreeMap<usize, Open>, ended: bool) -> Vec<(usize, Surveyed)> {
    let complete = |(id, at): (&usize, &Open)| (ended || at.waiting.is_empty()).then_some(*id);
    let ids: Vec<usize> = open.iter().filter_map(complete).collect();
    let take = |id: usize| {
        let Open { mut surveyed, waiting } = open.remove(&id)?;
        surveyed.silent.extend(waiting.into_values());
        Some((id, surveyed))
    };
    ids.into_iter().filter_map(take).collect()
}
