//! From signed bytes to claims.
//!
//! Trusts nothing but the pinned keys that it is given. A [`Claim`] can be made only in this
//! module, from bytes whose signature verified with a pinned key; the rest of the program takes
//! claims and cannot make any. No clock, no network, no file system.
//!
//! The work is bounded: [`MAX_BYTES`], [`MAX_SIGNATURES`], [`MAX_CHECKS`] and the limits of
//! [`json`] hold whatever the bytes are.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod archive;
mod dsse;
pub mod json;
mod keyring;
mod layout;
mod metablock;
mod openpgp;
mod sealed;
mod signatures;
mod statement;

use crate::types::{
    ArtifactName, KeyFault, KeyId, OperatorName, PublicKey, Sha256Digest, Timestamp,
};

pub use json::JsonError;
pub use keyring::{KeyRing, KeyRingError, PinnedKey};
pub use layout::{Layout, LayoutError, Numbers, Stated, StepKey, read_json_key};
pub use sealed::{seal, unseal};
pub use statement::{Accepted, Verified};

/// Largest attestation that is read, in bytes. rebuilderd's links are about 1 kB; a link that
/// merges every binary of the largest source packages stays below 200 kB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Most signatures that an attestation may carry. rebuilderd's carry two.
pub const MAX_SIGNATURES: usize = 64;

/// Most signature verifications that one attestation can cause.
///
/// A signature whose key id names a pinned key is tried first and against that key only, so this
/// budget cannot keep an honest signature from being found.
pub const MAX_CHECKS: usize = 512;

/// For how many seconds a signature or statement may be ahead of this machine's clock: clocks differ,
/// and somebody who is a day ahead gains nothing by it.
const AHEAD: i64 = 24 * 60 * 60;

/// What a verified attestation says: this operator, with this key, states that the artifact of
/// this name, rebuilt from source, has this SHA-256.
///
/// Whether that is the file being judged or another one under the same name is for
/// [`crate::policy`] to say.
///
/// Only [`verify`] makes one:
///
/// ```compile_fail,E0451
/// # use apt_quorum::attest::Claim;
/// # use apt_quorum::types::Sha256Digest;
/// fn forge(claim: Claim, sha256: Sha256Digest) -> Claim {
///     Claim { sha256, ..claim }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    operator: OperatorName,
    key: PublicKey,
    artifact: ArtifactName,
    sha256: Sha256Digest,
    attestation: Sha256Digest,
    dated: Option<Timestamp>,
}

impl Claim {
    /// Whose claim it is.
    #[must_use]
    pub const fn operator(&self) -> &OperatorName {
        &self.operator
    }

    /// The pinned key that signed it.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The canonical file name that it speaks about.
    #[must_use]
    pub const fn artifact(&self) -> &ArtifactName {
        &self.artifact
    }

    /// The SHA-256 that the operator got.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The SHA-256 of the signed bytes, by which receipts and the cache name them.
    #[must_use]
    pub const fn attestation(&self) -> Sha256Digest {
        self.attestation
    }

    /// When it was made, as the signed bytes themselves say; links do not. For people: nothing is
    /// judged by it.
    #[must_use]
    pub const fn dated(&self) -> Option<Timestamp> {
        self.dated
    }
}

/// The file for which attestations are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its canonical name, from its own control data.
    pub artifact: &'a ArtifactName,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

/// Why an attestation makes no claim about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// More bytes than [`MAX_BYTES`].
    #[error("the attestation has {size} bytes, more than the {MAX_BYTES} that are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Not JSON, or JSON that cannot be put into canonical form without doubt.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON of another shape than `{"signatures": [...], "signed": {...}}` or a DSSE envelope.
    #[error("not an in-toto Metablock or DSSE envelope: {0}")]
    Shape(&'static str),
    /// More signatures than [`MAX_SIGNATURES`].
    #[error(
        "the attestation carries {count} signatures, more than the {MAX_SIGNATURES} that are read"
    )]
    TooManySignatures {
        /// How many it carries.
        count: usize,
    },
    /// Nobody signed it.
    #[error("the attestation carries no signature")]
    Unsigned,
    /// Signatures, but none made with a pinned key.
    #[error("signed by {} and by no pinned key", shown_key_ids(.key_ids))]
    UnknownKey {
        /// The key ids that it names; chosen by whoever wrote it.
        key_ids: Vec<String>,
    },
    /// A signature in the name of a pinned key that does not verify.
    #[error("the signature in the name of {operator}'s key {} does not verify", short(.key_id))]
    BadSignature {
        /// The key's owner.
        operator: OperatorName,
        /// The pinned key's id.
        key_id: KeyId,
    },
    /// Signed well, but only with keys that the administrator let expire.
    #[error("{operator}'s key {} was good until {}", short(.key_id), .not_after.date())]
    ExpiredKey {
        /// The key's owner.
        operator: OperatorName,
        /// The pinned key's id.
        key_id: KeyId,
        /// The first moment at which it no longer counts.
        not_after: Timestamp,
    },
    /// A good signature that does not count.
    #[error("signed with {operator}'s key {}, but {fault}", short(.key_id))]
    FaultySignature {
        /// The key's owner.
        operator: OperatorName,
        /// The pinned key's id.
        key_id: KeyId,
        /// Why it does not.
        fault: SignatureFault,
    },
    /// Neither a link nor a statement.
    #[error(
        "signed, but neither a link nor an in-toto statement: its type is {}",
        crate::types::printable(.found)
    )]
    WrongType {
        /// What `_type` or the type of the payload says.
        found: String,
    },
    /// A statement of a kind that is not accepted from whoever signed it.
    #[error(
        "signed, but statements of the type {} are not accepted from this operator",
        crate::types::printable(.found)
    )]
    PredicateNotAccepted {
        /// The type of its predicate.
        found: String,
    },
    /// A statement in somebody else's name, or with another result, than is accepted.
    #[error("signed, but its {what} is {}", crate::types::printable(.found))]
    OtherParty {
        /// What of it.
        what: &'static str,
        /// What it says.
        found: String,
    },
    /// A statement that does not say what would make it a vote.
    #[error("signed, but {0}")]
    PredicateContent(&'static str),
    /// A link of another step than a rebuild.
    #[error("signed, but a link for the step {}, not for a rebuild", crate::types::printable(.found))]
    WrongStep {
        /// What `name` says.
        found: String,
    },
    /// A product that carries no SHA-256.
    #[error("the product {} has no valid sha256", crate::types::printable(.product))]
    NoSha256 {
        /// The product's name.
        product: String,
    },
    /// Two products that are both the file by name or by hash.
    #[error("{count} of its products match the file, where one must")]
    AmbiguousProducts {
        /// How many match.
        count: usize,
    },
    /// The same bytes under another name: names never make a vote, but they can take one away.
    #[error("signed for {}, a file of another name", crate::types::printable(.found))]
    OtherName {
        /// The product's name.
        found: String,
    },
    /// Nothing about this file at all.
    #[error("signed for other files only")]
    OtherArtifact,
}

impl Rejection {
    /// A short stable name for each reason, as receipts and the attack vectors write it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Json(error) => error.code(),
            Self::Shape(_) => "shape",
            Self::TooManySignatures { .. } => "too-many-signatures",
            Self::Unsigned => "unsigned",
            Self::UnknownKey { .. } => "unknown-key",
            Self::BadSignature { .. } => "bad-signature",
            Self::ExpiredKey { .. } => "expired-key",
            Self::FaultySignature { fault, .. } => fault.code(),
            Self::WrongType { .. } => "wrong-type",
            Self::PredicateNotAccepted { .. } => "predicate-not-accepted",
            Self::OtherParty { .. } => "other-party",
            Self::PredicateContent(_) => "predicate-content",
            Self::WrongStep { .. } => "wrong-step",
            Self::NoSha256 { .. } => "no-sha256",
            Self::AmbiguousProducts { .. } => "ambiguous-products",
            Self::OtherName { .. } => "other-name",
            Self::OtherArtifact => "other-artifact",
        }
    }
}

/// Why a signature that a pinned key made does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It is over a text or a key, not over data.
    #[error("it is no signature over data")]
    NotOverData,
    /// Its hash can be made to fit another text.
    #[error("its hash is too weak (SHA-1, MD5 or another old one)")]
    WeakHash,
    /// It says something that must be understood and is not.
    #[error("it says something critical that is not understood")]
    NotUnderstood,
    /// It does not say when it was made.
    #[error("it is not dated")]
    Undated,
    /// It is older than its key, or from the future.
    #[error("it is older than its key, or from the future")]
    WrongTime,
    /// It was to count for a while only.
    #[error("it has expired")]
    Expired,
    /// The key in the certificate may not sign.
    #[error("of the key {}: {why}", .key.get(..16).unwrap_or_default())]
    Key {
        /// The fingerprint of the key
        key: String,
        /// Why not
        why: KeyFault,
    },
}

impl SignatureFault {
    /// A short stable name for each reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOverData => "not-over-data",
            Self::WeakHash => "weak-hash",
            Self::NotUnderstood => "not-understood",
            Self::Undated => "undated",
            Self::WrongTime => "wrong-time",
            Self::Expired => "expired-signature",
            Self::Key { why: KeyFault::Revoked, .. } => "revoked-key",
            Self::Key { why: KeyFault::Expired(_), .. } => "expired-key",
            Self::Key { why: KeyFault::Unbound, .. } => "unbound-key",
            Self::Key { why: KeyFault::NotForSigning, .. } => "not-for-signing",
        }
    }
}

/// Verifies `attestation` and gives what it claims about the file `wanted`: one claim for each
/// pinned key that signed it, in the order of the key ring. An operator with two keys can so have
/// two claims; that they are one vote is for [`crate::policy`] to see.
///
/// A good signature by a pinned key is enough, whatever other signatures stand beside it. Whose
/// endpoint the bytes came from plays no part.
///
/// # Errors
/// The most telling reason why the bytes claim nothing about this file; signatures are judged
/// before the content, so a reason about the content means that a pinned key signed that content.
pub fn verify(
    attestation: &[u8],
    keys: &KeyRing,
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Vec<Claim>, Rejection> {
    if attestation.len() > MAX_BYTES {
        return Err(Rejection::TooLarge { size: attestation.len() });
    }
    let (signers, sha256, dated) = match json::parse(attestation)? {
        json::Value::Object(envelope) if dsse::Envelope::is_meant(&envelope) => {
            let envelope = dsse::Envelope::of(&envelope)?;
            let signers = envelope.signatures().signers(keys, now)?;
            let statement = envelope.statement()?;
            // Each operator's own rules say what its signature is worth.
            let (mut voters, mut why) = (Vec::new(), None);
            for pinned in signers {
                match statement.is_a_vote(keys.accepted(&pinned.operator), wanted, now) {
                    Ok(()) => voters.push(pinned),
                    Err(error) => drop(why.get_or_insert(error)),
                }
            }
            if let (true, Some(why)) = (voters.is_empty(), why) {
                return Err(why);
            }
            (voters, statement.subject(wanted)?, statement.dated())
        }
        json::Value::Object(envelope) => {
            let link = metablock::Metablock::of(envelope)?;
            (link.signatures().signers(keys, now)?, link.product(wanted)?, None)
        }
        _ => return Err(Rejection::Shape("it is not an object")),
    };
    let digest = Sha256Digest::of(attestation);
    Ok(signers
        .into_iter()
        .map(|pinned| Claim {
            operator: pinned.operator.clone(),
            key: pinned.key.clone(),
            artifact: wanted.artifact.clone(),
            sha256,
            attestation: digest,
            dated,
        })
        .collect())
}

/// A link's step must be a rebuild: `rebuild`, or as rebuilderd writes it `rebuild FILE`. A key may
/// have signed other steps, which say nothing about what came out of the source.
fn check_step(name: &str) -> Result<(), Rejection> {
    if name == "rebuild" || name.starts_with("rebuild ") {
        return Ok(());
    }
    Err(Rejection::WrongStep { found: name.to_owned() })
}

fn short(key_id: &KeyId) -> &str {
    key_id.as_str().get(..16).unwrap_or_default()
}

fn shown_key_ids(key_ids: &[String]) -> String {
    if key_ids.is_empty() {
        return "keys that it does not name".to_owned();
    }
    let shown: Vec<String> = key_ids
        .iter()
        .take(3)
        .map(|id| crate::types::printable(&id.chars().take(16).collect::<String>()).to_string())
        .collect();
    let more = if key_ids.len() > shown.len() { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}
