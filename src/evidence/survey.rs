//! Asks rebuilders about packages that are not here. Their attestations go into the cache, and the
//! result names their signers. Nothing is decided, because a decision needs the file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Question;
use crate::attest::{self, WantedFile};
use crate::fetching::Gatherer;
use crate::gate::{Gate, Inquiry, Purpose};
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

/// The survey of one package.
struct Surveying<'p> {
    surveyed: Surveyed,
    policy: &'p Policy,
    now: Timestamp,
}

impl Purpose for Surveying<'_> {
    type Reached = Surveyed;

    fn look(&mut self, inquiry: &mut Inquiry) -> bool {
        for found in inquiry.take_unread() {
            // An answer that came too late does not count.
            if inquiry.answers().iter().any(|it| it.rebuilder == found.rebuilder) {
                continue;
            }
            self.surveyed.read(&found.attestations, self.policy, self.now);
            if found.outcome.is_silence() {
                self.surveyed.silent.insert(found.rebuilder);
            }
        }
        false
    }

    fn conclude(mut self, mut inquiry: Inquiry) -> Surveyed {
        self.look(&mut inquiry);
        // All else that it has is those that are no longer waited for.
        self.surveyed.silent.extend(inquiry.answers().iter().map(|it| it.rebuilder.clone()));
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

/// Asks all rebuilders about these packages, except those with an attestation about the very
/// file in the cache. `progress` is called with the number of finished packages.
pub fn survey(
    gate: &Gate,
    questions: Vec<Question>,
    gatherer: &mut dyn Gatherer,
    now: Timestamp,
    progress: impl FnMut(usize),
) -> Vec<Surveyed> {
    let Ok(policy) = gate.policy() else { return Vec::new() };
    let begin = |question: Question| {
        let mut surveyed = Surveyed {
            identity: question.identity.clone(),
            sha256: question.sha256,
            signed: BTreeSet::new(),
            differ: BTreeSet::new(),
            silent: BTreeSet::new(),
        };
        surveyed.read(&gate.cache().read(&question.identity.artifact_name()), policy, now);
        // A new inquiry: a survey of a whole archive may bring more than a run of apt.
        let inquiry = Inquiry::new(Vec::new(), gate.inquire(&question, now).into_asked());
        (question, inquiry, Surveying { surveyed, policy, now })
    };
    let questions = questions.into_iter().map(begin);
    gate.work_through(questions, gatherer, Duration::ZERO, progress)
}
