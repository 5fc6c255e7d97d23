//! From signed bytes to claims.
//!
//! Trusts nothing but the pinned keys that it is given. A [`Claim`] can be made only in this
//! module, from bytes whose signature verified with a pinned key; the rest of the program takes
//! claims and cannot make any. No clock, no network, no file system.
//!
//! The work is bounded: [`MAX_BYTES`], [`MAX_SIGNATURES`], [`MAX_CHECKS`] and the limits of
//! [`json`] hold whatever the bytes are.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod dsse;
pub mod json;
mod keyring;
mod layout;
mod link;
mod metablock;
mod openpgp;
mod remembered;
pub mod repository;
mod sealed;
mod signatures;
mod sigstore;
mod statement;

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::types::{
    ArtifactName, KeyFault, KeyId, PublicKey, RebuilderName, Sha256Digest, Timestamp, printable,
};

pub use json::JsonError;
pub use keyring::{KeyRing, KeyRingError, PinnedKey};
pub use layout::{Layout, LayoutError, Numbers, Stated, StepKey, read_json_key};
pub use remembered::Remembered;
pub use sealed::{seal, unseal};
pub use statement::{Accepted, Findings};

/// Most envelopes in one attestation, a line each. OSS Rebuild's has two.
const MAX_LINES: usize = 4;

/// Largest attestation that is read, in bytes. rebuilderd's links are about 1 kB; a link that
/// merges every binary of the largest source packages stays below 200 kB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Most signatures that an attestation may carry. rebuilderd's carry two.
pub const MAX_SIGNATURES: usize = 64;

/// Most signature verifications that one attestation can cause.
///
/// A signature whose key id names a pinned key is tried first and against that key only, so this
/// budget cannot keep an honest signature from being found. The message is hashed once for each hash
/// function; where an algorithm must hash it for each signature (Ed25519, RSA-PSS), a guess whose
/// signature it is costs one verification more for every 64 KiB.
pub const MAX_CHECKS: usize = 512;

/// Most signature verifications that all can cause that one rebuilder gives in a run: some seconds of a
/// slow machine. An attestation of rebuilderd's needs two.
pub const MAX_CHECKS_OF_ONE: usize = 64 * 1024;

/// The number of seconds that a signature or statement may be ahead of this machine's clock: clocks
/// differ, and an attacker who is a day ahead gains nothing by it.
const AHEAD: i64 = 24 * 60 * 60;

/// The content of a verified attestation: this rebuilder, with this key, states that the artifact of
/// this name, rebuilt from source, has this SHA-256.
///
/// [`crate::policy`] decides whether that is the file being judged or another one under the same
/// name.
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
    rebuilder: RebuilderName,
    key: PublicKey,
    artifact: ArtifactName,
    sha256: Sha256Digest,
    attestation: Sha256Digest,
    dated: Option<Timestamp>,
}

impl Claim {
    /// The rebuilder that makes the claim.
    #[must_use]
    pub const fn rebuilder(&self) -> &RebuilderName {
        &self.rebuilder
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

    /// The SHA-256 that the rebuilder got.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The SHA-256 of the signed bytes, by which receipts and the cache name them.
    #[must_use]
    pub const fn attestation(&self) -> Sha256Digest {
        self.attestation
    }

    /// The time at which it was made, by the signed bytes themselves; links do not state one. The
    /// time is for people: no judgement depends on it.
    #[must_use]
    pub const fn dated(&self) -> Option<Timestamp> {
        self.dated
    }
}

/// The file for which attestations are looked at.
#[derive(Debug, Clone, Copy)]
pub struct WantedFile<'a> {
    /// Its canonical name, from its own control data.
    pub artifact: &'a ArtifactName,
    /// Its SHA-256. Nothing where only that counts who signed something about this name, such as for
    /// what is kept and handed on. Then a statement about a file without a name is taken to be about
    /// this one, so nothing may be judged by such claims.
    pub sha256: Option<Sha256Digest>,
}

impl WantedFile<'_> {
    /// The digest of the only file that matches, if one does. It must bear the wanted name.
    fn only(&self, matching: &[(&str, Sha256Digest)]) -> Result<Option<Sha256Digest>, Rejection> {
        match matching {
            [] => Ok(None),
            [(name, sha256)] if *name == self.artifact.as_str() => Ok(Some(*sha256)),
            [(name, _)] => Err(Rejection::OtherName { found: (*name).to_owned() }),
            several => Err(Rejection::AmbiguousProducts { count: several.len() }),
        }
    }
}

/// The reason that an attestation makes no claim about a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// More bytes than [`MAX_BYTES`].
    #[error("the attestation has {size} bytes, over the limit of {MAX_BYTES} bytes")]
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
        "the attestation has {count} signatures, over the limit of {MAX_SIGNATURES} signatures"
    )]
    TooManySignatures {
        /// The number of signatures that it carries.
        count: usize,
    },
    /// It has no signature at all.
    #[error("the attestation has no signature")]
    Unsigned,
    /// Signatures, but none made with a pinned key.
    #[error("signed by {}, not by a trusted key", shown_key_ids(.key_ids))]
    UnknownKey {
        /// The key ids that it names; chosen by whoever wrote it.
        key_ids: Vec<String>,
    },
    /// A signature in the name of a pinned key that does not verify.
    #[error("invalid signature for {rebuilder}'s key {}", short(.key_id))]
    BadSignature {
        /// The key's owner.
        rebuilder: RebuilderName,
        /// The pinned key's id.
        key_id: KeyId,
    },
    /// Signed well, but only with keys that the administrator let expire.
    #[error("{rebuilder}'s key {} expired on {}", short(.key_id), .not_after.date())]
    ExpiredKey {
        /// The key's owner.
        rebuilder: RebuilderName,
        /// The pinned key's id.
        key_id: KeyId,
        /// The first moment at which it no longer counts.
        not_after: Timestamp,
    },
    /// A good signature that does not count.
    #[error("signed with {rebuilder}'s key {}, but {fault}", short(.key_id))]
    FaultySignature {
        /// The key's owner.
        rebuilder: RebuilderName,
        /// The pinned key's id.
        key_id: KeyId,
        /// The reason that it does not.
        fault: SignatureFault,
    },
    /// Neither a link nor a statement.
    #[error("signed, but neither a link nor an in-toto statement: its type is {}", shown(.found))]
    WrongType {
        /// The value of `_type`.
        found: String,
    },
    /// An envelope with something else in it than in-toto's.
    #[error("signed, but the envelope's payload is not in-toto: its type is {}", shown(.found))]
    WrongPayload {
        /// The type of the payload.
        found: String,
    },
    /// A Sigstore bundle that cannot be read as an attestation.
    #[error("a Sigstore bundle that {0}")]
    Sigstore(&'static str),
    /// A statement or link of a kind that is not accepted from its signer.
    #[error(
        "signed, but this kind of statement is not accepted from this rebuilder: its type is {}",
        shown(.found)
    )]
    PredicateNotAccepted {
        /// The type of its predicate.
        found: String,
    },
    /// A statement in another party's name, or with another result, than is accepted.
    #[error("signed, but its {what} is {}", shown(.found))]
    OtherParty {
        /// The part that differs.
        what: &'static str,
        /// Its value.
        found: String,
    },
    /// A statement that does not say what would make it a vote.
    #[error("signed, but {0}")]
    PredicateContent(&'static str),
    /// A link of another step than a rebuild.
    #[error("signed, but the link is not for the step rebuild: its name is {}", shown(.found))]
    WrongStep {
        /// The value of `name`.
        found: String,
    },
    /// A product that carries no SHA-256.
    #[error("the product {} has no valid sha256", named(.product))]
    NoSha256 {
        /// The product's name.
        product: String,
    },
    /// Two products that are both the file by name or by hash.
    #[error("{count} of its products match the file instead of one")]
    AmbiguousProducts {
        /// The number of products that match.
        count: usize,
    },
    /// The same bytes under another name: names never make a vote, but they can take one away.
    #[error("signed for another file name: {}", named(.found))]
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
            Self::WrongType { .. } | Self::WrongPayload { .. } => "wrong-type",
            Self::Sigstore(_) => "sigstore",
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

/// The reason that a signature made by a pinned key does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It is over a text or a key, not over data.
    #[error("it is not a signature over data")]
    NotOverData,
    /// Its hash can be made to fit another text.
    #[error("its hash is too weak (SHA-1, MD5 or another old one)")]
    WeakHash,
    /// It says something that must be understood and is not.
    #[error("it has a critical part that is not understood")]
    NotUnderstood,
    /// It does not say when it was made.
    #[error("it has no date")]
    Undated,
    /// It is older than its key, or from the future.
    #[error("it is older than its key, or from the future")]
    WrongTime,
    /// It was to count for a while only.
    #[error("it has expired")]
    Expired,
    /// The key in the certificate may not sign.
    #[error("its signing key {} does not count: {why}", .key.get(..16).unwrap_or_default())]
    Key {
        /// The fingerprint of the key
        key: String,
        /// The reason that it cannot sign
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
            Self::NotUnderstood | Self::Key { why: KeyFault::NotUnderstood, .. } => {
                "not-understood"
            }
            Self::Undated => "undated",
            Self::WrongTime => "wrong-time",
            Self::Expired => "expired-signature",
            Self::Key { why: KeyFault::Revoked, .. } => "revoked-key",
            Self::Key { why: KeyFault::PerhapsRevoked, .. } => "perhaps-revoked-key",
            Self::Key { why: KeyFault::Expired(_), .. } => "expired-key",
            Self::Key { why: KeyFault::Unbound, .. } => "unbound-key",
            Self::Key { why: KeyFault::NotForSigning, .. } => "not-for-signing",
        }
    }
}

/// Verifies `attestation` and gives what it claims about the file `wanted`: one claim for each
/// pinned key that signed it, in the order of the key ring. A rebuilder with two keys can so have
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
    wanted: WantedFile<'_>,
    now: Timestamp,
) -> Result<Vec<Claim>, Rejection> {
    verify_within(attestation, keys, wanted, now, &Cell::new(MAX_CHECKS))
}

/// As [`verify`], with no more verifications of signatures than are left of `checks`, which are fewer
/// afterwards. When none are left, nothing is known of the attestation.
///
/// # Errors
/// As there.
pub fn verify_within(
    attestation: &[u8],
    keys: &KeyRing,
    wanted: WantedFile<'_>,
    now: Timestamp,
    checks: &Cell<usize>,
) -> Result<Vec<Claim>, Rejection> {
    let own = Cell::new(checks.get().min(MAX_CHECKS));
    let rest = checks.get().saturating_sub(own.get());
    let result = verify_by(attestation, keys, wanted, now, &own);
    checks.set(rest.saturating_add(own.get()));
    result
}

fn verify_by(
    attestation: &[u8],
    keys: &KeyRing,
    wanted: WantedFile<'_>,
    now: Timestamp,
    checks: &Cell<usize>,
) -> Result<Vec<Claim>, Rejection> {
    if attestation.len() > MAX_BYTES {
        return Err(Rejection::TooLarge { size: attestation.len() });
    }
    let said = match json::parse(attestation) {
        Ok(document) => vec![read(document, keys, wanted, now, checks)?],
        Err(error) => {
            let documents = lines(attestation).ok_or(error)??;
            let read = documents.into_iter().map(|it| read(it, keys, wanted, now, checks));
            let (good, bad): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
            // OSS Rebuild's last one is the one that compares.
            if let (true, Some(Err(why))) = (good.is_empty(), bad.into_iter().next_back()) {
                return Err(why);
            }
            good.into_iter().flatten().collect()
        }
    };
    let attestation = Sha256Digest::of(attestation);
    let claims = said.into_iter().flat_map(|EnvelopeSays { voters, sha256, dated }| {
        voters.into_iter().map(move |pinned| Claim {
            rebuilder: pinned.rebuilder.clone(),
            key: pinned.key.clone(),
            artifact: wanted.artifact.clone(),
            sha256,
            attestation,
            dated,
        })
    });
    Ok(claims.collect())
}

/// The statement of one envelope about the file that is wanted.
struct EnvelopeSays<'k> {
    /// The pinned keys that say it, at least one
    voters: Vec<&'k PinnedKey>,
    sha256: Sha256Digest,
    dated: Option<Timestamp>,
}

/// The signed content of an envelope.
enum SignedContent {
    Link(link::Link),
    Statement(statement::RebuildStatement),
}

fn object(document: json::Value) -> Result<BTreeMap<String, json::Value>, Rejection> {
    match document {
        json::Value::Object(members) => Ok(members),
        _ => Err(Rejection::Shape("it is not an object")),
    }
}

/// One envelope to each line, as OSS Rebuild publishes its rebuild and the comparison (JSON Lines). In
/// a text that is one JSON value a line end means nothing, so that is tried first.
fn lines(text: &[u8]) -> Option<Result<Vec<json::Value>, Rejection>> {
    let mut documents = Vec::new();
    for line in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        if documents.len() == MAX_LINES {
            return Some(Err(Rejection::Shape("it has too many envelopes")));
        }
        documents.push(json::parse(line).ok()?);
    }
    (documents.len() > 1).then_some(Ok(documents))
}

/// Verifies one envelope.
fn read<'k>(
    document: json::Value,
    keys: &'k KeyRing,
    wanted: WantedFile<'_>,
    now: Timestamp,
    checks: &Cell<usize>,
) -> Result<EnvelopeSays<'k>, Rejection> {
    let envelope = object(document)?;
    let dsse = |envelope: &BTreeMap<String, json::Value>| {
        let envelope = dsse::Envelope::of(envelope)?;
        let signers = envelope.signatures().signers_within(keys, now, checks)?;
        Ok((signers, envelope.content()?))
    };
    let (signers, content) = if dsse::Envelope::is_meant(&envelope) {
        dsse(&envelope)?
    } else if envelope.contains_key("signed") || !sigstore::Bundle::is_meant(&envelope) {
        let block = metablock::Metablock::of(envelope)?;
        let signers = block.signatures().signers_within(keys, now, checks)?;
        (signers, SignedContent::Link(link::Link::of(block.into_signed())?))
    } else {
        let bundle = sigstore::Bundle::of(envelope)?;
        dsse(&bundle.envelope).map_err(|why| bundle.explain(why))?
    };
    // Each rebuilder's own rules say what its signature is worth.
    let subject = content.subject(wanted);
    let (mut voters, mut why) = (Vec::new(), None);
    for pinned in signers {
        match content.is_a_vote(keys.accepted(&pinned.rebuilder), &subject, now) {
            Ok(()) => voters.push(pinned),
            Err(error) => drop(why.get_or_insert(error)),
        }
    }
    match why {
        Some(why) if voters.is_empty() => Err(why),
        _ => Ok(EnvelopeSays { voters, sha256: subject?, dated: content.dated() }),
    }
}

impl SignedContent {
    /// The SHA-256 that it gives for the file that is wanted.
    fn subject(&self, wanted: WantedFile<'_>) -> Result<Sha256Digest, Rejection> {
        match self {
            Self::Link(link) => link.product(wanted),
            Self::Statement(statement) => statement.subject(wanted),
        }
    }

    /// Checks that it is of an accepted kind and says that somebody rebuilt something.
    fn is_a_vote(
        &self,
        accepted: &[Accepted],
        subject: &Result<Sha256Digest, Rejection>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match self {
            Self::Statement(statement) => statement.is_a_vote(accepted, subject, now),
            Self::Link(link) if accepted.contains(&Accepted::Link) => link.check_step(),
            Self::Link(_) => Err(Rejection::PredicateNotAccepted { found: link::TYPE.to_owned() }),
        }
    }

    /// The time at which it was made, by its own statement; links do not state one.
    fn dated(&self) -> Option<Timestamp> {
        match self {
            Self::Link(_) => None,
            Self::Statement(statement) => statement.dated(),
        }
    }
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

/// The text in printable form, or a note that there is none.
fn shown(found: &str) -> String {
    or_else(found, "missing")
}

/// A name that may be empty.
fn named(name: &str) -> String {
    or_else(name, "without a name")
}

fn or_else(text: &str, empty: &str) -> String {
    if text.trim().is_empty() { empty.to_owned() } else { printable(text).to_string() }
}

fn shown_key_ids(key_ids: &[String]) -> String {
    let mut named = key_ids.iter().filter(|it| !it.is_empty());
    let short = |id: &String| printable(&id.chars().take(16).collect::<String>()).to_string();
    let mut shown: Vec<String> = named.by_ref().take(3).map(short).collect();
    if named.next().is_some() {
        shown.push("...".to_owned());
    }
    if shown.is_empty() { "unnamed keys".to_owned() } else { shown.join(", ") }
}
