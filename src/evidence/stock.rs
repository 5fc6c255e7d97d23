//! The evidence on this machine: the part that can be exported, and the part that can be imported.
//!
//! In both directions, only attestations pass that a pinned key signed about the file under whose
//! name they are stored: no junk travels, and no rebuilder can fill a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::MAX_ATTESTATIONS;
use crate::apt::configuration::Configuration;
use crate::attest::{self, Rejection, WantedFile};
use crate::cache::Stored;
use crate::gate::Gate;
use crate::policy::Policy;
use crate::receipt;
use crate::types::{ArtifactName, RebuilderName, Sha256Digest, Timestamp};

/// The evidence in the cache and behind the receipts.
#[derive(Debug)]
pub struct Stock<'a> {
    gate: &'a Gate,
    policy: &'a Policy,
    state: PathBuf,
    receipts: BTreeMap<ArtifactName, BTreeSet<Sha256Digest>>,
}

/// The result for an attestation that was imported.
#[derive(Debug)]
pub enum Taken {
    /// It is in the cache now, or was before.
    Cached(Stored),
    /// It makes no claim here.
    Rejected(Rejection),
    /// It could not be written.
    Failed(io::Error),
}

/// Takes an attestation about `artifact` into the gate's cache, if a pinned key signed it. Keeps it
/// for each rebuilder that did.
#[must_use]
pub fn take(gate: &Gate, artifact: &ArtifactName, bytes: &[u8], now: Timestamp) -> Taken {
    let Ok(config) = gate.config() else { return Taken::Rejected(Rejection::Unsigned) };
    let rebuilders = match signers(&config.policy, artifact, bytes, now) {
        Err(rejection) => return Taken::Rejected(rejection),
        Ok(rebuilders) => rebuilders,
    };
    let mut stored = Stored::Before;
    for rebuilder in rebuilders {
        match gate.cache().store_signed(artifact, &rebuilder, bytes) {
            Ok(Stored::New) => stored = Stored::New,
            Ok(Stored::Before) => {}
            Err(error) => return Taken::Failed(error),
        }
    }
    Taken::Cached(stored)
}

impl<'a> Stock<'a> {
    /// Returns the evidence on this machine; nothing if the gate is closed.
    #[must_use]
    pub fn of(gate: &'a Gate, apt: &Configuration) -> Option<Self> {
        let policy = &gate.config().ok()?.policy;
        let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        let mut receipts: BTreeMap<ArtifactName, BTreeSet<Sha256Digest>> = BTreeMap::new();
        receipt::rested_on(&state, |artifact, sha256| {
            receipts.entry(artifact.clone()).or_default().insert(sha256);
        });
        Some(Self { gate, policy, state, receipts })
    }
}

impl Stock<'_> {
    /// Lists the files about which there may be evidence.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn artifacts(&self) -> io::Result<BTreeSet<ArtifactName>> {
        let mut artifacts = self.gate.cache().artifacts()?;
        artifacts.extend(self.receipts.keys().cloned());
        Ok(artifacts)
    }

    /// Returns the attestations about `artifact` that a pinned key signed, sorted by their SHA-256,
    /// and the reasons for which others count as none.
    ///
    /// Returns no more than are read of one package: the first of each rebuilder, then the second.
    /// So a rebuilder that signs very many cannot crowd out the others.
    #[must_use]
    pub fn about(&self, artifact: &ArtifactName, now: Timestamp) -> (Vec<Vec<u8>>, Vec<Rejection>) {
        let mut signed: BTreeMap<RebuilderName, BTreeMap<Sha256Digest, Vec<u8>>> = BTreeMap::new();
        let mut rejected: BTreeMap<Sha256Digest, Rejection> = BTreeMap::new();
        let receipts = self.receipts.get(artifact).into_iter().flatten();
        let receipts = receipts.filter_map(|sha256| receipt::signed_bytes(&self.state, *sha256));
        for bytes in self.gate.cache().each(artifact).chain(receipts) {
            let sha256 = Sha256Digest::of(&bytes);
            match signers(self.policy, artifact, &bytes, now) {
                Ok(rebuilders) => {
                    for rebuilder in rebuilders {
                        let its = signed.entry(rebuilder).or_default();
                        its.insert(sha256, bytes.clone());
                        if its.len() > MAX_ATTESTATIONS {
                            its.pop_last();
                        }
                    }
                }
                Err(rejection) => drop(rejected.insert(sha256, rejection)),
            }
        }
        let mut chosen = BTreeMap::new();
        for _ in 0..MAX_ATTESTATIONS {
            for its in signed.values_mut() {
                if chosen.len() < MAX_ATTESTATIONS {
                    chosen.extend(its.pop_first());
                }
            }
        }
        (chosen.into_values().collect(), rejected.into_values().collect())
    }
}

/// Returns the signers of an attestation about `artifact`, whatever hash it gives: a conflict is as
/// worth keeping as a vote. There is at least one.
fn signers(
    policy: &Policy,
    artifact: &ArtifactName,
    bytes: &[u8],
    now: Timestamp,
) -> Result<BTreeSet<RebuilderName>, Rejection> {
    let wanted = WantedFile { artifact, sha256: None };
    let claims = attest::verify(bytes, policy.keys(), wanted, now)?;
    let rebuilders: BTreeSet<_> = claims.iter().map(|it| it.rebuilder().clone()).collect();
    if rebuilders.is_empty() { Err(Rejection::Unsigned) } else { Ok(rebuilders) }
}
