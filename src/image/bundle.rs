//! The evidence that fits an image: what its packages' confirmations rest on, and nothing else.

use std::collections::BTreeMap;

use super::statement::{Digests, ResourceDescriptor};
use crate::attest::{self, WantedFile};
use crate::audit::Audited;
use crate::evidence::bundle::{PackError, Packer};
use crate::policy::Policy;
use crate::types::{ArtifactName, Sha256Digest, Timestamp};

/// The attestations that the confirmations of an image rest on.
#[derive(Debug)]
pub struct Bundled {
    /// All of them, sorted, each under its name in a bundle
    pub attestations: Vec<ResourceDescriptor>,
    /// The packages whose attestations are not all in the bundle. Where an archive is a rebuilder,
    /// its evidence is its indexes, not an attestation about one package
    pub not_in_bundles: Vec<ArtifactName>,
    within: BTreeMap<ArtifactName, BTreeMap<Sha256Digest, Vec<u8>>>,
}

/// Collects the attestations that the confirmations rest on.
#[must_use]
pub fn bundle(audited: &[Audited], policy: &Policy, now: Timestamp) -> Bundled {
    let mut attestations = BTreeMap::new();
    let mut within: BTreeMap<ArtifactName, BTreeMap<Sha256Digest, Vec<u8>>> = BTreeMap::new();
    let mut not_in_bundles = Vec::new();
    for it in audited.iter().filter_map(|it| it.assessed.as_ref()) {
        let artifact = it.named.identity.artifact_name();
        let wanted = WantedFile { artifact: &artifact, sha256: Some(it.named.sha256) };
        for (sha256, bytes) in &it.signed {
            attestations.insert(format!("{artifact}/{sha256}"), *sha256);
            if attest::verify(bytes, policy.keys(), wanted, now).is_ok() {
                within.entry(artifact.clone()).or_default().insert(*sha256, bytes.to_vec());
            } else if not_in_bundles.last() != Some(&artifact) {
                not_in_bundles.push(artifact.clone());
            }
        }
    }
    let named = |(name, sha256)| ResourceDescriptor { name, digest: Digests { sha256 } };
    Bundled { attestations: attestations.into_iter().map(named).collect(), not_in_bundles, within }
}

impl Bundled {
    /// Packs the bundle: the same attestations give the same bytes.
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
