//! The evidence that fits an image: what its packages' confirmations rest on, and nothing else.

use std::collections::BTreeMap;

use super::statement::{Digests, Named};
use crate::attest::{self, Wanted};
use crate::audit::Audited;
use crate::evidence::bundle::{PackError, Packer};
use crate::policy::Policy;
use crate::types::{ArtifactName, Sha256Digest, Timestamp};

/// What the confirmations of an image rest on.
#[derive(Debug)]
pub struct Bundled {
    /// All of it, sorted, each as it is called in a bundle
    pub attestations: Vec<Named>,
    /// The packages of which some does not travel: what an archive as an operator says is in its
    /// indexes, and not in an attestation about one package
    pub not_in_bundles: Vec<ArtifactName>,
    within: BTreeMap<ArtifactName, BTreeMap<Sha256Digest, Vec<u8>>>,
}

/// Collects what the confirmations rest on.
#[must_use]
pub fn bundle(audited: &[Audited], policy: &Policy, now: Timestamp) -> Bundled {
    let mut attestations = BTreeMap::new();
    let mut within: BTreeMap<ArtifactName, BTreeMap<Sha256Digest, Vec<u8>>> = BTreeMap::new();
    let mut not_in_bundles = Vec::new();
    for it in audited.iter().filter_map(|it| it.assessed.as_ref()) {
        let artifact = it.named.identity.artifact_name();
        let wanted = Wanted { artifact: &artifact, sha256: Some(it.named.sha256) };
        for (sha256, bytes) in &it.signed {
            attestations.insert(format!("{artifact}/{sha256}"), *sha256);
            if attest::verify(bytes, policy.keys(), wanted, now).is_ok() {
                within.entry(artifact.clone()).or_default().insert(*sha256, bytes.to_vec());
            } else if not_in_bundles.last() != Some(&artifact) {
                not_in_bundles.push(artifact.clone());
            }
        }
    }
    let named = |(name, sha256)| Named { name, digest: Digests { sha256 } };
    Bundled { attestations: attestations.into_iter().map(named).collect(), not_in_bundles, within }
}

impl Bundled {
    /// The bundle: the same attestations are the same bytes.
    ///
    /// # Errors
    /// If it would be larger than a bundle may be.
    pub fn pack(&self) -> Result<Vec<u8>, PackError> {
        let mut packer = Packer::new(Vec::new())?;
        for (artifact, attestations) in &self.within {
            let attestations: Vec<Vec<u8>> = attestations.values().cloned().collect();
            packer.add(artifact, &attestations)?;
        }
        packer.finish()
    }
}
