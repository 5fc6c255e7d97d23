//! The statement in the formats of in-toto and SLSA.
//!
//! Statement: in-toto attestation framework, `spec/v1/statement.md`. Predicate: SLSA's verification
//! summary (<https://slsa.dev/spec/v1.1/verification_summary>). One more member of the predicate
//! has what SLSA has no member for. Consumers that do not know it must pass over it. Its name is a
//! URI, as SLSA wants it, without the dots that in-toto advises against. Without it, a statement
//! says less and never more: `verifiedLevels` says if exceptions were needed.
//!
//! Members are written in the order of the fields here, in ASCII and without white space, so that
//! the same facts are the same bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Audited;
use crate::deb::Control;
use crate::policy::Assessment;
use crate::report;
use crate::types::{
    Architecture, DebVersion, Glob, Identity, PackageName, PublicKey, RebuilderName, Sha256Digest,
    SourceName, Timestamp,
};

/// Largest statement that is read, in bytes, with its envelope. An image of 5,000 packages with
/// three rebuilders has 6 MB.
pub const MAX_STATEMENT: usize = 64 * 1024 * 1024;

/// The subject that is the manifest of the tree.
pub const MANIFEST: &str = "manifest";

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://slsa.dev/verification_summary/v1";

/// The verified levels: every package is confirmed, or some only by exceptions.
const CONFIRMED: &str = "APT_QUORUM_CONFIRMED";
const EXCEPTED: &str = "APT_QUORUM_EXCEPTED";

/// A statement about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStatement {
    #[serde(rename = "_type")]
    kind: String,
    /// The manifest of the tree, and the image as a file if there is one
    pub subject: Vec<ResourceDescriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// The verification summary of the image
    pub predicate: Summary,
}

/// Something with a name and a hash: a resource descriptor of in-toto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceDescriptor {
    /// Its name
    pub name: String,
    /// Its hashes
    pub digest: Digests,
}

/// The hashes of something. Only SHA-256 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Its SHA-256
    pub sha256: Sha256Digest,
}

/// A verification summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    verifier: VerifierName,
    /// The time of the verification
    pub time_verified: Timestamp,
    /// The name of the image
    pub resource_uri: String,
    /// The policy that it was verified by
    pub policy: PolicyUsed,
    /// All attestations that this rests on, each under the name that it would have in a bundle
    pub input_attestations: Vec<ResourceDescriptor>,
    verification_result: String,
    verified_levels: Vec<String>,
    dependency_levels: BTreeMap<String, usize>,
    /// The members that SLSA does not have
    #[serde(rename = "apt-quorum:image")]
    pub image: Image,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct VerifierName {
    id: String,
}

/// The policy by which an image was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUsed {
    uri: String,
    /// The SHA-256 over the configuration
    pub digest: Digests,
}

/// The members that SLSA does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Patterns of paths that the manifest leaves out
    pub excluded: Vec<String>,
    /// Every installed package, sorted by name, version and architecture
    pub packages: Vec<StatedPackage>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatedPackage {
    /// Its name
    pub package: PackageName,
    /// Its version
    pub version: DebVersion,
    /// Its architecture
    pub architecture: Architecture,
    /// Its source package
    pub source: SourceName,
    /// The version of the source package
    pub source_version: DebVersion,
    /// The SHA-256 of the file that it came from
    pub sha256: Sha256Digest,
    /// Its state: confirmed or excepted
    pub state: StatedState,
    /// The rebuilders that signed that very file
    pub confirmed_by: Vec<Confirmation>,
    /// The rebuilders that signed another file under its name
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Confirmation>,
    /// The exception that it needed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<StatedException>,
}

/// The state of a package, as the statement tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatedState {
    /// Enough rebuilders signed its file.
    Confirmed,
    /// Too few rebuilders signed its file, and an exception was in force.
    Excepted,
}

/// One rebuilder's attestation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Confirmation {
    /// The signer's name for the rebuilder
    pub rebuilder: RebuilderName,
    /// in-toto's id of its key
    pub key: String,
    /// The SHA-256 of the signed bytes
    pub attestation: Sha256Digest,
}

/// An exception that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatedException {
    /// The reason for which it was granted
    pub reason: String,
    /// The time at which it ends
    pub expires: Timestamp,
}

/// The parts of a statement that are not about its packages.
#[derive(Debug, Clone)]
pub struct StatementFacts {
    /// The name of the verifier
    pub verifier: String,
    /// The time of the verification
    pub time: Timestamp,
    /// The name of the image
    pub resource: String,
    /// The name and the digest of the policy
    pub policy: (String, Sha256Digest),
    /// The digest of the manifest
    pub tree: Sha256Digest,
    /// The image as a file: its name and SHA-256
    pub file: Option<(String, Sha256Digest)>,
    /// The patterns of paths that the manifest leaves out
    pub excluded: Vec<Glob>,
}

/// Returns the default name of a signer, made of the id of its key.
#[must_use]
pub fn name_of_key(key: &PublicKey) -> String {
    format!("apt-quorum:key/{}", key.key_id())
}

/// Returns the default name of an image, made of the digest of its tree.
#[must_use]
pub fn name_of_tree(tree: Sha256Digest) -> String {
    format!("apt-quorum:tree/{tree}")
}

/// Returns the default name of a policy, made of its digest.
#[must_use]
pub fn name_of_policy(digest: Sha256Digest) -> String {
    format!("apt-quorum:policy/{digest}")
}

/// Returns the statement's entries for packages that were audited.
///
/// # Errors
/// The packages that a statement cannot have: neither confirmed nor excepted, or not wholly
/// installed.
pub fn packages(audited: &[Audited]) -> Result<Vec<StatedPackage>, Vec<&Audited>> {
    let mut open = Vec::new();
    let mut packages = Vec::new();
    for it in audited {
        match StatedPackage::of(it) {
            Some(package) => packages.push(package),
            None => open.push(it),
        }
    }
    if open.is_empty() { Ok(packages) } else { Err(open) }
}

impl StatedPackage {
    fn of(audited: &Audited) -> Option<Self> {
        let (sha256, _) = audited.file?;
        let assessed = audited.assessed.as_ref()?;
        let assessment = &assessed.assessment;
        let (state, exception) = match assessment {
            Assessment::Confirmed { .. } => (StatedState::Confirmed, None),
            Assessment::Excepted { reason, expires, .. } => {
                let (reason, expires) = (reason.clone(), *expires);
                (StatedState::Excepted, Some(StatedException { reason, expires }))
            }
            Assessment::Unconfirmed { .. } => return None,
        };
        if !audited.installed.whole {
            return None;
        }
        let report = assessment.report();
        let (identity, control) = (&assessed.named.identity, &audited.installed.control);
        let Control { source, .. } = control.as_ref().ok()?;
        Some(Self {
            package: identity.package.clone(),
            version: identity.version.clone(),
            architecture: identity.architecture.clone(),
            source: source.0.clone(),
            source_version: source.1.clone(),
            sha256,
            state,
            confirmed_by: confirmations(&report.votes),
            conflicts: confirmations(&report.conflicts),
            exception,
        })
    }

    /// Returns its name, version and architecture.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            package: self.package.clone(),
            version: self.version.clone(),
            architecture: self.architecture.clone(),
        }
    }
}

/// Sorts the confirmations, so that their order does not depend on which rebuilder answered first.
fn confirmations(claims: &[crate::attest::Claim]) -> Vec<Confirmation> {
    let mut all: Vec<Confirmation> = claims
        .iter()
        .map(|claim| Confirmation {
            rebuilder: claim.rebuilder().clone(),
            key: claim.key().key_id().as_str().to_owned(),
            attestation: claim.attestation(),
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Counts the packages on each level.
fn levels(packages: &[StatedPackage]) -> BTreeMap<String, usize> {
    let mut levels = BTreeMap::new();
    for it in packages {
        let level = match it.state {
            StatedState::Confirmed => CONFIRMED,
            StatedState::Excepted => EXCEPTED,
        };
        *levels.entry(level.to_owned()).or_default() += 1;
    }
    levels
}

impl ImageStatement {
    /// Puts a statement together.
    #[must_use]
    pub fn new(
        about: StatementFacts,
        packages: Vec<StatedPackage>,
        attestations: Vec<ResourceDescriptor>,
    ) -> Self {
        let named = |name: String, sha256| ResourceDescriptor { name, digest: Digests { sha256 } };
        let mut subject = vec![named(MANIFEST.to_owned(), about.tree)];
        subject.extend(about.file.map(|(name, sha256)| named(name, sha256)));
        let dependency_levels = levels(&packages);
        let level = if dependency_levels.contains_key(EXCEPTED) { EXCEPTED } else { CONFIRMED };
        let (uri, sha256) = about.policy;
        Self {
            kind: STATEMENT.to_owned(),
            subject,
            predicate_type: PREDICATE.to_owned(),
            predicate: Summary {
                verifier: VerifierName { id: about.verifier },
                time_verified: about.time,
                resource_uri: about.resource,
                policy: PolicyUsed { uri, digest: Digests { sha256 } },
                input_attestations: attestations,
                verification_result: "PASSED".to_owned(),
                verified_levels: vec![level.to_owned()],
                dependency_levels,
                image: Image {
                    excluded: about.excluded.iter().map(ToString::to_string).collect(),
                    packages,
                },
            },
        }
    }

    /// Returns its bytes, as they are signed.
    ///
    /// # Errors
    /// If there is no JSON for it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|json| report::ascii(&json))
    }

    /// Reads the payload of a signed envelope.
    ///
    /// # Errors
    /// If it is not such a statement, or contradicts itself. The reason is a part of a sentence.
    pub fn read(payload: &[u8]) -> Result<Self, String> {
        let statement: Self = serde_json::from_slice(payload).map_err(|error| {
            format!(
                "it is not a statement about an image: {}",
                crate::types::printable(&error.to_string())
            )
        })?;
        statement.is_coherent().map(|()| statement).map_err(str::to_owned)
    }

    fn is_coherent(&self) -> Result<(), &'static str> {
        let summary = &self.predicate;
        if self.kind != STATEMENT || self.predicate_type != PREDICATE {
            return Err("it is a statement of another type");
        }
        if summary.verification_result != "PASSED" {
            return Err("it does not say that the image passed");
        }
        let packages = &summary.image.packages;
        let order =
            |(one, next): (&StatedPackage, &StatedPackage)| one.identity() < next.identity();
        if packages.is_empty() || !packages.iter().zip(packages.iter().skip(1)).all(order) {
            return Err("it has no packages, or they are not sorted");
        }
        let of_levels = levels(packages);
        let level = if of_levels.contains_key(EXCEPTED) { EXCEPTED } else { CONFIRMED };
        if summary.dependency_levels != of_levels || summary.verified_levels != [level] {
            return Err("its summary contradicts its packages");
        }
        let manifests = self.subject.iter().filter(|it| it.name == MANIFEST).count();
        let mut names: Vec<&str> = self.subject.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if manifests != 1 || names.len() != self.subject.len() {
            return Err("it must name one manifest, and no name twice");
        }
        Ok(())
    }

    /// Returns the name of the verifier.
    #[must_use]
    pub fn verifier(&self) -> &str {
        &self.predicate.verifier.id
    }

    /// Returns the digest of the manifest.
    #[must_use]
    pub fn tree(&self) -> Option<Sha256Digest> {
        self.subject.iter().find(|it| it.name == MANIFEST).map(|it| it.digest.sha256)
    }

    /// Returns its other subjects: the image as a file.
    pub fn files(&self) -> impl Iterator<Item = &ResourceDescriptor> {
        self.subject.iter().filter(|it| it.name != MANIFEST)
    }
}
