//! The evidence about one file, as it comes in.
//!
//! Each attestation is verified once here, before it counts. The fetching process verifies it as
//! well, to keep nothing unsigned in the cache: that process is not trusted, so its result is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::appetite::Appetite;
use super::archives::{Archives, Silence, Word};
use super::patience::Patience;
use super::{Gate, run};
use crate::attest::{self, Claim, Rejection, WantedFile, repository};
use crate::evidence::{Found, Question};
use crate::policy::{
    Answer, Assessment, Decision, Evidence, Named, Outcome, Policy, Subject, assess, assess_early,
    decide, decide_early,
};
use crate::receipt::SignedBytes;
use crate::types::{ArtifactName, Identity, RebuilderName, Sha256Digest, Timestamp};

/// Most claims of one rebuilder about other files of the same name that are kept: one is a conflict.
const MAX_OTHERS: usize = 2;

/// Collects the answers of endpoints about one file, and judges it once the file is known.
#[derive(Debug, Default)]
pub struct Inquiry {
    /// Endpoints that may still answer
    waiting: BTreeMap<usize, RebuilderName>,
    /// Endpoints that may still answer and are no longer waited for
    late: BTreeMap<usize, RebuilderName>,
    /// Not looked at yet: a claim can be made only when the file's name and hash are known
    unread: Vec<(usize, Found)>,
    /// The archives in which the entries of endpoints that are archives are looked up
    archives: Arc<Archives>,
    /// The amounts of attestations that the run has taken of each rebuilder
    appetite: Arc<Appetite>,
    /// Attestations from this machine, not looked at yet
    at_hand: Vec<Vec<u8>>,
    /// Attestations from this machine that were verified about the expected file
    verified: Option<VerifiedBefore>,
    /// The reasons for which attestations from this machine make no claim
    notes: Vec<String>,
    evidence: Evidence,
    /// The bytes behind the claims
    signed: SignedBytes,
}

/// Attestations that were verified once. They need not be verified again if the file is the
/// expected one.
#[derive(Debug)]
struct VerifiedBefore {
    /// The file that they were verified about
    artifact: ArtifactName,
    /// Its SHA-256
    sha256: Sha256Digest,
    /// Each with its result
    attestations: Vec<(Vec<u8>, Made)>,
}

/// The result of verifying an attestation: its claims, or the reason for which it makes none.
type Made = Result<Vec<Claim>, Rejection>;

impl Gate {
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
        let takes = |giver: &str, it: &[u8]| self.appetite.take(giver, it.len()).is_ok();
        let cached = self.cache.read_some(&artifact, takes).into_iter();
        let mut inquiry = Inquiry {
            archives: Arc::clone(&self.archives),
            appetite: Arc::clone(&self.appetite),
            ..Inquiry::default()
        };
        let mut heard: BTreeSet<RebuilderName> = BTreeSet::new();
        if let Some(sha256) = question.sha256 {
            let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
            let keys = config.policy.keys();
            let cached = cached.filter_map(|(giver, bytes)| {
                let made = self.appetite.verify(&giver, |checks| {
                    attest::verify_within(&bytes, keys, wanted, now, checks)
                });
                Some((bytes, made.ok()?))
            });
            let kept = kept.into_iter().map(|bytes| {
                let made = attest::verify(&bytes, keys, wanted, now);
                (bytes, made)
            });
            let attestations: Vec<_> = cached.chain(kept).collect();
            let claims = attestations.iter().filter_map(|(_, made)| made.as_ref().ok()).flatten();
            let about_it = claims.filter(|it| it.sha256() == sha256);
            heard.extend(about_it.map(|it| it.rebuilder().clone()));
            // Those to an earlier hook of this run, which make no votes.
            inquiry.evidence.answers.extend_from_slice(self.run.answers(&artifact, sha256));
            inquiry.verified = Some(VerifiedBefore { artifact, sha256, attestations });
        } else {
            inquiry.at_hand.extend(cached.map(|(_, bytes)| bytes).chain(kept));
        }
        let answered = run::endpoints(&inquiry.evidence.answers);
        let endpoints = config.endpoints.iter().enumerate();
        inquiry.waiting = endpoints
            .filter(|(_, it)| !answered.contains(&(&it.rebuilder, it.url.as_str())))
            .filter(|(_, it)| it.covers(&question.identity.architecture))
            .filter(|(_, it)| !heard.contains(&it.rebuilder))
            .map(|(at, it)| (at, it.rebuilder.clone()))
            .collect();
        inquiry
    }
}

impl Inquiry {
    /// Starts with the attestations that are at hand (untrusted bytes, like all others) and the
    /// endpoints that were asked.
    #[must_use]
    pub fn new(at_hand: Vec<Vec<u8>>, asked: BTreeMap<usize, RebuilderName>) -> Self {
        Self { waiting: asked, at_hand, ..Self::default() }
    }

    /// Takes an endpoint's answer.
    pub fn add(&mut self, endpoint: usize, found: Found) {
        // The configuration decides whose endpoint it is, not the answer.
        let late = || self.late.remove(&endpoint);
        if let Some(rebuilder) = self.waiting.remove(&endpoint).or_else(late) {
            let bytes = found.attestations.iter().map(Vec::len).sum();
            let mut found = Found { rebuilder, ..found };
            if let Err(why) = self.appetite.take(found.rebuilder.as_str(), bytes) {
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

    /// The rebuilders whose answers are awaited.
    pub fn awaited(&self) -> impl Iterator<Item = &RebuilderName> {
        self.waiting.values()
    }

    /// Stops waiting for this rebuilder. An answer that comes all the same is taken.
    pub fn rest(&mut self, rebuilder: &RebuilderName, why: &str) {
        let rests: Vec<usize> =
            self.waiting.iter().filter(|(_, it)| *it == rebuilder).map(|(at, _)| *at).collect();
        for at in rests {
            self.late.extend(self.waiting.remove(&at).map(|it| (at, it)));
            self.say_silent(rebuilder, why);
        }
    }

    /// Stops waiting for rebuilders that have used up their time in this run.
    pub fn heed(&mut self, patience: &Patience) {
        let awaited: BTreeSet<RebuilderName> = self.awaited().cloned().collect();
        for name in awaited {
            if let Some(why) = patience.rests(&name) {
                self.rest(&name, &why);
            }
        }
    }

    /// Takes the answers that nothing has looked at yet out of the inquiry.
    pub fn take_unread(&mut self) -> impl Iterator<Item = Found> + use<> {
        std::mem::take(&mut self.unread).into_iter().map(|(_, found)| found)
    }

    /// The endpoints that were asked and have not answered.
    #[must_use]
    pub fn asked(&self) -> Vec<usize> {
        self.waiting.keys().copied().collect()
    }

    /// Returns true when the evidence at hand about the expected file is enough by every rule. Then
    /// no rebuilder need be asked before the rule for the file is known.
    #[must_use]
    pub fn has_enough(&self, policy: &Policy) -> bool {
        let Some(verified) = &self.verified else { return false };
        let claims = verified.attestations.iter().filter_map(|(_, made)| made.as_ref().ok());
        let votes = claims.flatten().filter(|it| it.sha256() == verified.sha256);
        policy.is_met_by_every_rule(&votes.map(Claim::rebuilder).collect())
    }

    /// The number of asked rebuilders that have answered at all their endpoints, and the number of
    /// all asked rebuilders.
    #[must_use]
    pub fn heard(&self) -> (usize, usize) {
        let silent: BTreeSet<&RebuilderName> = self.waiting.values().collect();
        let spoke = self.unread.iter().map(|(_, found)| &found.rebuilder);
        let spoke = spoke.chain(self.evidence.answers.iter().map(|it| &it.rebuilder));
        let all: BTreeSet<&RebuilderName> = spoke.chain(silent.iter().copied()).collect();
        (all.len() - silent.len(), all.len())
    }

    /// The endpoints to ask, with their rebuilders.
    #[must_use]
    pub fn into_asked(self) -> BTreeMap<usize, RebuilderName> {
        self.waiting
    }

    /// Asks no endpoint: the evidence at hand is all there is.
    pub fn ask_nobody(&mut self) {
        self.waiting.clear();
    }

    /// Stops waiting: rebuilders that have not answered count as silent.
    pub fn give_up(&mut self, why: &str) {
        for (_, rebuilder) in std::mem::take(&mut self.waiting) {
            self.say_silent(&rebuilder, why);
        }
    }

    fn say_silent(&mut self, rebuilder: &RebuilderName, why: &str) {
        let (rebuilder, outcome) =
            (rebuilder.clone(), Outcome::Unreachable { why: why.to_owned() });
        self.evidence.answers.push(Answer { rebuilder, endpoint: String::new(), outcome });
    }

    /// Returns true when every endpoint has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the decision, if no outstanding answer could change whether the file passes. The
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

    /// Returns the decision by the present evidence.
    pub fn decide(&mut self, policy: &Policy, subject: &Subject, now: Timestamp) -> Decision {
        self.read_about(policy, subject, now);
        decide(policy, subject, &self.evidence, now)
    }

    /// Returns the present assessment of a package whose file is not here.
    pub fn assess(&mut self, policy: &Policy, named: &Named, now: Timestamp) -> Assessment {
        self.read(policy, &named.identity, named.sha256, now);
        assess(policy, named, &self.evidence, now)
    }

    /// Returns the assessment of a package whose file is not here, if no outstanding answer could
    /// change it. The package must be the same in every call.
    pub fn assess_early(
        &mut self,
        policy: &Policy,
        named: &Named,
        now: Timestamp,
    ) -> Option<Assessment> {
        self.read(policy, &named.identity, named.sha256, now);
        assess_early(policy, named, &self.evidence, now)
    }

    /// The answers of the endpoints.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.evidence.answers
    }

    /// Returns the signed bytes that made claims, by their digests, and the reasons for which
    /// attestations from this machine made none.
    #[must_use]
    pub fn into_parts(self) -> (SignedBytes, Vec<String>) {
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

    /// Verifies the evidence that has come in.
    fn read(&mut self, policy: &Policy, identity: &Identity, sha256: Sha256Digest, now: Timestamp) {
        self.note_pending();
        let artifact = identity.artifact_name();
        let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
        for (at, found) in std::mem::take(&mut self.unread) {
            self.evidence.answers.push(Answer {
                rebuilder: found.rebuilder.clone(),
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
                None | Some(Err(Silence { why: repository::RepositoryRejection::NotInIt, .. })) => {
                }
                Some(Err(Silence { why, release })) => self.evidence.answers.push(Answer {
                    rebuilder: found.rebuilder.clone(),
                    endpoint: found.endpoint.clone(),
                    outcome: Outcome::Rejected {
                        code: why.code().to_owned(),
                        why: why.to_string(),
                        attestation: release,
                    },
                }),
            }
            for bytes in found.attestations {
                let verified = self.appetite.verify(found.rebuilder.as_str(), |checks| {
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
                let (rebuilder, endpoint) = (found.rebuilder.clone(), found.endpoint.clone());
                self.evidence.answers.push(Answer { rebuilder, endpoint, outcome });
            }
        }
        // About another file than the one that they were verified about, they may make other claims.
        let is_about_it = |it: &VerifiedBefore| it.artifact == artifact && it.sha256 == sha256;
        let (before, again) = match self.verified.take() {
            Some(verified) if is_about_it(&verified) => (verified.attestations, Vec::new()),
            Some(verified) => (Vec::new(), verified.attestations),
            None => Default::default(),
        };
        let again = again.into_iter().map(|(bytes, _)| bytes);
        let new = again.chain(std::mem::take(&mut self.at_hand)).map(|bytes| {
            let made = attest::verify(&bytes, policy.keys(), wanted, now);
            (bytes, made)
        });
        for (bytes, made) in before.into_iter().chain(new) {
            match made {
                Ok(claims) => self.take_claims(&bytes, claims, sha256),
                Err(rejection) => self.notes.push(rejection.to_string()),
            }
        }
    }

    /// Takes the claims in these bytes about the package of this file, as far as they are new.
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

    /// Returns true when a claim adds to the present ones. A rebuilder that signs very many
    /// attestations about one package has one vote, and must not fill receipts and the disk with
    /// the others.
    fn is_news(&self, claim: &Claim, file: Sha256Digest) -> bool {
        let mut others = 0_usize;
        for it in self.evidence.claims.iter().filter(|it| it.rebuilder() == claim.rebuilder()) {
            if it.sha256() == claim.sha256() && it.key() == claim.key() {
                return false;
            }
            others = others.saturating_add(usize::from(it.sha256() != file));
        }
        claim.sha256() == file || others < MAX_OTHERS
    }
}
