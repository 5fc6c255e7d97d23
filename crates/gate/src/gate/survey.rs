//! Asks rebuilders about packages that are not here. Their attestations go into the cache, and the
//! result names their signers. Nothing is decided, because a decision needs the file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::rounds::{Open, work_through};
use super::{Gate, Gatherer};
use crate::attest::{self, WantedFile};
use crate::evidence::{Found, Question};
use crate::policy::Policy;
use crate::types::{Identity, RebuilderName, Sha256Digest, Timestamp};

/// The result of asking about one package.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Surveyed {
    /// The package
    #[serde(flatten)]
    pub identity: Identity,
    /// The SHA-256 of its file, if an index or the file itself told it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// The rebuilders that signed it: this very file, if its hash is known
    pub signed: BTreeSet<RebuilderName>,
    /// The rebuilders that signed another file under this name
    pub differ: BTreeSet<RebuilderName>,
    /// The rebuilders that could not be heard
    pub silent: BTreeSet<RebuilderName>,
}

struct UnderWay<'p> {
    surveyed: Surveyed,
    waiting: BTreeMap<usize, RebuilderName>,
    policy: &'p Policy,
    now: Timestamp,
}

impl Open for UnderWay<'_> {
    type Closed = Surveyed;

    fn asked(&self) -> Vec<usize> {
        self.waiting.keys().copied().collect()
    }

    fn add(&mut self, endpoint: usize, found: Found) {
        // The configuration decides whose endpoint it is.
        let Some(rebuilder) = self.waiting.remove(&endpoint) else { return };
        self.surveyed.read(&found.attestations, self.policy, self.now);
        if found.outcome.is_silence() {
            self.surveyed.silent.insert(rebuilder);
        }
    }

    fn settle(&mut self) -> bool {
        false
    }

    fn awaited(&self) -> BTreeSet<RebuilderName> {
        self.waiting.values().cloned().collect()
    }

    fn rest(&mut self, rebuilder: &RebuilderName, _: &str) {
        self.waiting.retain(|_, it| it != rebuilder);
        self.surveyed.silent.insert(rebuilder.clone());
    }

    fn give_up(&mut self, _: &str) {
        self.surveyed.silent.extend(std::mem::take(&mut self.waiting).into_values());
    }

    fn close(self) -> Surveyed {
        self.surveyed
    }
}

impl Surveyed {
    fn read(&mut self, attestations: &[Vec<u8>], policy: &Policy, now: Timestamp) {
        let artifact = self.identity.artifact_name();
        let wanted = WantedFile { artifact: &artifact, sha256: self.sha256 };
        for bytes in attestations {
            for claim in attest::verify(bytes, policy.keys(), wanted, now).unwrap_or_default() {
                let same = self.sha256.is_none_or(|sha256| sha256 == claim.sha256());
                let list = if same { &mut self.signed } else { &mut self.differ };
                list.insert(claim.rebuilder().clone());
            }
        }
    }
}

impl Gate {
    /// Asks all rebuilders about these packages, except those with an attestation about the very
    /// file in the cache. `progress` is called with the number of finished packages.
    pub fn survey(
        &self,
        questions: Vec<Question>,
        gatherer: &mut dyn Gatherer,
        now: Timestamp,
        progress: impl FnMut(usize),
    ) -> Vec<Surveyed> {
        let Ok(policy) = self.policy() else { return Vec::new() };
        let begin = |question: Question| {
            let begun = self.begin_survey(&question, policy, now);
            (question, begun)
        };
        let questions = questions.into_iter().map(begin);
        work_through(questions, gatherer, &mut self.patience(), Duration::ZERO, progress)
    }

    fn begin_survey<'p>(
        &self,
        question: &Question,
        policy: &'p Policy,
        now: Timestamp,
    ) -> UnderWay<'p> {
        let mut surveyed = Surveyed {
            identity: question.identity.clone(),
            sha256: question.sha256,
            signed: BTreeSet::new(),
            differ: BTreeSet::new(),
            silent: BTreeSet::new(),
        };
        surveyed.read(&self.cache.read(&question.identity.artifact_name()), policy, now);
        UnderWay { surveyed, waiting: self.inquire(question, now).into_asked(), policy, now }
    }
}
