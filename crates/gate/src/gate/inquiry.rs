//! What was found out about one file, as it comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::appetite::Appetite;
use super::archives::{Archives, Silence, Word};
use crate::attest::{self, Claim, Rejection, Wanted, archive};
use crate::evidence::Found;
use crate::policy::{
    Answer, Assessment, Decision, Evidence, Named, Outcome, Policy, Subject, assess, assess_early,
    decide, decide_early,
};
use crate::receipt::Signed;
use crate::types::{ArtifactName, Identity, OperatorName, Sha256Digest, Timestamp};

/// Most claims of one operator about other files of the same name that are kept: one is a conflict.
const MAX_OTHERS: usize = 2;

/// Collects what endpoints give about one file, and judges by it once the file is known.
#[derive(Debug, Default)]
pub struct Inquiry {
    /// Endpoints that may still answer
    waiting: BTreeMap<usize, OperatorName>,
    /// Endpoints that may, and for which nobody waits any more
    late: BTreeMap<usize, OperatorName>,
    /// Not looked at yet: a claim can be made only when the file's name and hash are known
    unread: Vec<(usize, Found)>,
    /// What endpoints that are archives say is looked up there
    archives: Arc<Archives>,
    /// How much of whose attestations the run has taken in
    appetite: Arc<Appetite>,
    /// Attestations from this machine, not looked at yet
    at_hand: Vec<Vec<u8>>,
    /// Attestations from this machine that were verified about what the file should be
    verified: Option<Verified>,
    /// Why attestations from this machine make no claim
    notes: Vec<String>,
    evidence: Evidence,
    /// The bytes behind the claims
    signed: Signed,
}

/// Attestations that were verified once, so that it need not be done again if the file is what it
/// was said to be.
#[derive(Debug)]
pub(super) struct Verified {
    /// The file that they were verified about
    pub(super) artifact: ArtifactName,
    /// Its SHA-256
    pub(super) sha256: Sha256Digest,
    /// Each with what it makes
    pub(super) attestations: Vec<(Vec<u8>, Made)>,
}

/// What an attestation makes.
pub(super) type Made = Result<Vec<Claim>, Rejection>;

impl Inquiry {
    /// Starts with the attestations that are at hand (untrusted bytes, like all others) and the
    /// endpoints that were asked.
    #[must_use]
    pub fn new(at_hand: Vec<Vec<u8>>, asked: BTreeMap<usize, OperatorName>) -> Self {
        Self { waiting: asked, at_hand, ..Self::default() }
    }

    /// Looks up there what endpoints that are archives say.
    pub(super) fn with_archives(self, archives: Arc<Archives>) -> Self {
        Self { archives, ..self }
    }

    /// Takes no more of an operator than the run does.
    pub(super) fn with_appetite(self, appetite: Arc<Appetite>) -> Self {
        Self { appetite, ..self }
    }

    /// Takes attestations that were verified already.
    pub(super) fn with_verified(self, verified: Verified) -> Self {
        Self { verified: Some(verified), ..self }
    }

    /// Takes an endpoint's answer.
    pub fn add(&mut self, endpoint: usize, found: Found) {
        // Whose endpoint it is, the configuration says and not the answer.
        let late = || self.late.remove(&endpoint);
        if let Some(operator) = self.waiting.remove(&endpoint).or_else(late) {
            let bytes = found.attestations.iter().map(Vec::len).sum();
            let mut found = Found { operator, ..found };
            if let Err(why) = self.appetite.take(found.operator.as_str(), bytes) {
                found.attestations.clear();
                found.outcome = Outcome::Unreachable { why };
            }
            self.unread.push((endpoint, found));
        }
    }

    /// Takes more attestations that are at hand.
    pub fn add_at_hand(&mut self, attestations: Vec<Vec<u8>>) {
        self.at_hand.extend(attestations);
    }

    /// Takes what operators answered to an earlier entrance of this run, which makes no votes.
    pub(super) fn add_answers(&mut self, answers: &[Answer]) {
        self.evidence.answers.extend_from_slice(answers);
    }

    /// The operators whose answers are waited for.
    pub fn awaited(&self) -> impl Iterator<Item = &OperatorName> {
        self.waiting.values()
    }

    /// Waits no longer for this operator. An answer that comes all the same is taken.
    pub fn rest(&mut self, operator: &OperatorName, why: &str) {
        let rests: Vec<usize> =
            self.waiting.iter().filter(|(_, it)| *it == operator).map(|(at, _)| *at).collect();
        for at in rests {
            self.late.extend(self.waiting.remove(&at).map(|it| (at, it)));
            self.say_silent(operator, why);
        }
    }

    /// The endpoints that were asked and have not answered.
    #[must_use]
    pub fn asked(&self) -> Vec<usize> {
        self.waiting.keys().copied().collect()
    }

    /// Whether what is at hand about the file that is expected is enough by every rule, so that
    /// nobody need be asked before it is known which one is for it.
    #[must_use]
    pub fn has_enough(&self, policy: &Policy) -> bool {
        let Some(verified) = &self.verified else { return false };
        let claims = verified.attestations.iter().filter_map(|(_, made)| made.as_ref().ok());
        let votes = claims.flatten().filter(|it| it.sha256() == verified.sha256);
        policy.is_met_by_every_rule(&votes.map(Claim::operator).collect())
    }

    /// How many of the operators that were asked have answered at all their endpoints, and how many
    /// there are.
    #[must_use]
    pub fn heard(&self) -> (usize, usize) {
        let silent: BTreeSet<&OperatorName> = self.waiting.values().collect();
        let spoke = self.unread.iter().map(|(_, found)| &found.operator);
        let spoke = spoke.chain(self.evidence.answers.iter().map(|it| &it.operator));
        let all: BTreeSet<&OperatorName> = spoke.chain(silent.iter().copied()).collect();
        (all.len() - silent.len(), all.len())
    }

    /// The endpoints that are to be asked, and whose they are.
    #[must_use]
    pub fn into_asked(self) -> BTreeMap<usize, OperatorName> {
        self.waiting
    }

    /// Asks nobody: what is at hand is all there is.
    pub fn ask_nobody(&mut self) {
        self.waiting.clear();
    }

    /// Waits no longer: whoever has not answered is silent.
    pub fn give_up(&mut self, why: &str) {
        for (_, operator) in std::mem::take(&mut self.waiting) {
            self.say_silent(&operator, why);
        }
    }

    fn say_silent(&mut self, operator: &OperatorName, why: &str) {
        let (operator, outcome) = (operator.clone(), Outcome::Unreachable { why: why.to_owned() });
        self.evidence.answers.push(Answer { operator, endpoint: String::new(), outcome });
    }

    /// Whether every endpoint has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The decision, if no answer that may still come could change whether the file passes. The
    /// subject must be the same in every call.
    #[must_use]
    pub fn decide_early(
        &mut self,
        policy: &Policy,
        subject: &Subject,
        now: Timestamp,
    ) -> Option<Decision> {
        self.read_about(policy, subject, now);
        decide_early(policy, subject, &self.evidence, now)
    }

    /// The decision by what is known now.
    pub fn decide(&mut self, policy: &Policy, subject: &Subject, now: Timestamp) -> Decision {
        self.read_about(policy, subject, now);
        decide(policy, subject, &self.evidence, now)
    }

    /// What is known now about a package whose file is not here.
    pub fn assess(&mut self, policy: &Policy, named: &Named, now: Timestamp) -> Assessment {
        self.read(policy, &named.identity, named.sha256, now);
        assess(policy, named, &self.evidence, now)
    }

    /// What is known now about a package whose file is not here, if no answer that may still come
    /// could change it. The package must be the same in every call.
    pub fn assess_early(
        &mut self,
        policy: &Policy,
        named: &Named,
        now: Timestamp,
    ) -> Option<Assessment> {
        self.read(policy, &named.identity, named.sha256, now);
        assess_early(policy, named, &self.evidence, now)
    }

    /// What the endpoints have answered.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.evidence.answers
    }

    /// The signed bytes that were claims, by their digest, and why attestations from this machine
    /// were none.
    #[must_use]
    pub fn into_parts(self) -> (Signed, Vec<String>) {
        (self.signed, self.notes)
    }

    fn read_about(&mut self, policy: &Policy, subject: &Subject, now: Timestamp) {
        self.note_pending();
        if let Ok(control) = subject.control() {
            self.read(policy, &control.identity, subject.sha256(), now);
        }
    }

    fn note_pending(&mut self) {
        let waiting: BTreeSet<_> = self.waiting.values().cloned().collect();
        self.evidence.pending = waiting.into_iter().collect();
    }

    /// Verifies what has come in.
    fn read(&mut self, policy: &Policy, identity: &Identity, sha256: Sha256Digest, now: Timestamp) {
        self.note_pending();
        let artifact = identity.artifact_name();
        let wanted = Wanted { artifact: &artifact, sha256: Some(sha256) };
        for (at, found) in std::mem::take(&mut self.unread) {
            self.evidence.answers.push(Answer {
                operator: found.operator.clone(),
                endpoint: found.endpoint.clone(),
                outcome: found.outcome,
            });
            let word = self.archives.look_up(at, identity, policy.keys(), now);
            match word {
                Some(Ok(Word { claims, signed })) => {
                    self.evidence.claims.extend(claims);
                    self.signed.extend(signed);
                }
                // Its own answer says that already.
                None | Some(Err(Silence { why: archive::Rejection::NotInIt, .. })) => {}
                Some(Err(Silence { why, release })) => self.evidence.answers.push(Answer {
                    operator: found.operator.clone(),
                    endpoint: found.endpoint.clone(),
                    outcome: Outcome::Rejected {
                        code: why.code().to_owned(),
                        why: why.to_string(),
                        attestation: release,
                    },
                }),
            }
            for bytes in found.attestations {
                let verified = self.appetite.verify(found.operator.as_str(), |checks| {
                    attest::verify_within(&bytes, policy.keys(), wanted, now, checks)
                });
                let outcome = match verified {
                    Ok(Ok(claims)) => {
                        self.take_claims(&bytes, claims, sha256);
                        continue;
                    }
                    Ok(Err(rejection)) => Outcome::Rejected {
                        code: rejection.code().to_owned(),
                        why: rejection.to_string(),
                        attestation: Sha256Digest::of(&bytes),
                    },
                    Err(why) => Outcome::Unreachable { why },
                };
                let (operator, endpoint) = (found.operator.clone(), found.endpoint.clone());
                self.evidence.answers.push(Answer { operator, endpoint, outcome });
            }
        }
        if let Some(verified) = self.verified.take() {
            // Of another file than the one that they were verified about they may say other things.
            let same = verified.artifact == artifact && verified.sha256 == sha256;
            for (bytes, result) in verified.attestations {
                let result =
                    if same { result } else { attest::verify(&bytes, policy.keys(), wanted, now) };
                match result {
                    Ok(claims) => self.take_claims(&bytes, claims, sha256),
                    Err(rejection) => self.notes.push(rejection.to_string()),
                }
            }
        }
        for bytes in std::mem::take(&mut self.at_hand) {
            if let Err(rejection) = self.claim(&bytes, policy, (&artifact, sha256), now) {
                self.notes.push(rejection.to_string());
            }
        }
    }

    fn claim(
        &mut self,
        bytes: &[u8],
        policy: &Policy,
        (artifact, file): (&ArtifactName, Sha256Digest),
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let wanted = Wanted { artifact, sha256: Some(file) };
        let claims = attest::verify(bytes, policy.keys(), wanted, now)?;
        self.take_claims(bytes, claims, file);
        Ok(())
    }

    /// Takes what these bytes claim about the package of which this is the file, as far as it is not
    /// known already.
    fn take_claims(&mut self, bytes: &[u8], claims: Vec<Claim>, file: Sha256Digest) {
        let before = self.evidence.claims.len();
        for claim in claims {
            if self.is_news(&claim, file) {
                self.evidence.claims.push(claim);
            }
        }
        if self.evidence.claims.len() > before {
            self.signed.insert(Sha256Digest::of(bytes), bytes.into());
        }
    }

    /// Whether a claim says more than those that are there. Whoever signs a great many attestations
    /// about one package has one vote, and must not fill receipts and the disk with the others.
    fn is_news(&self, claim: &Claim, file: Sha256Digest) -> bool {
        let mut others = 0_usize;
        for it in self.evidence.claims.iter().filter(|it| it.operator() == claim.operator()) {
            if it.sha256() == claim.sha256() && it.key() == claim.key() {
                return false;
            }
            others = others.saturating_add(usize::from(it.sha256() != file));
        }
        claim.sha256() == file || others < MAX_OTHERS
    }
}
