//! in-toto's Metablock with a link in it, as rebuilderd publishes it.
//!
//! in-toto specification 0.9, section 4.3 (general format) and 4.4 (link), with the Ed25519
//! signatures of securesystemslib: `sig` is the hexadecimal signature over the canonical JSON of
//! `signed`.

use super::json::{self, Value};
use super::{KeyRing, MAX_CHECKS, MAX_SIGNATURES, PinnedKey, Rejection, Wanted};
use crate::types::{PublicKey, Sha256Digest, Timestamp};

/// A Metablock whose signatures have not been looked at.
pub(super) struct Metablock {
    signatures: Vec<Signature>,
    signed: Value,
    /// What the signatures are over.
    message: Vec<u8>,
}

/// An element of the list of signatures that names a key. What else stands in the list cannot
/// verify, and must not keep a good one from counting, so it is passed over.
struct Signature {
    /// An unauthenticated hint.
    key_id: String,
    /// Nothing if it has not the form of an Ed25519 signature: then it only tells in whose name
    /// it stands, so that a damaged signature is not called one by an unknown key.
    bytes: Option<[u8; 64]>,
}

impl Metablock {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Rejection> {
        let mut envelope = match json::parse(bytes)? {
            Value::Object(members) => members,
            _ => return Err(Rejection::Shape("it is not an object")),
        };
        let signed = envelope.remove("signed").ok_or(Rejection::Shape("\"signed\" is missing"))?;
        if signed.as_object().is_none() {
            return Err(Rejection::Shape("\"signed\" is not an object"));
        }
        let signatures = envelope
            .get("signatures")
            .and_then(Value::as_array)
            .ok_or(Rejection::Shape("\"signatures\" is not an array"))?;
        match signatures.len() {
            0 => return Err(Rejection::Unsigned),
            count if count > MAX_SIGNATURES => return Err(Rejection::TooManySignatures { count }),
            _ => {}
        }
        let signatures = signatures.iter().filter_map(Signature::read).collect();
        Ok(Self { signatures, message: signed.canonical(), signed })
    }

    /// The pinned keys that signed, each once, and at least one.
    pub(super) fn signers<'k>(
        &self,
        keys: &'k KeyRing,
        now: Timestamp,
    ) -> Result<Vec<&'k PinnedKey>, Rejection> {
        let mut checks = Checks::new(&self.message);
        // First the signatures that name the key, for all keys: there are at most MAX_SIGNATURES
        // of them, so the budget cannot run out before each honest one was tried.
        let named: Vec<(&PinnedKey, bool)> =
            keys.iter().map(|k| (k, self.any(k, true, &mut checks))).collect();
        let verified: Vec<&PinnedKey> = named
            .into_iter()
            .filter(|(key, named)| *named || self.any(key, false, &mut checks))
            .map(|(key, _)| key)
            .collect();

        let (good, expired): (Vec<&PinnedKey>, Vec<&PinnedKey>) =
            verified.into_iter().partition(|key| key.is_good_at(now));
        if good.is_empty() { Err(self.why_nobody(keys, &expired)) } else { Ok(good) }
    }

    /// Whether a signature that does, or does not, name `pinned` verifies with it.
    fn any(&self, pinned: &PinnedKey, naming: bool, checks: &mut Checks<'_>) -> bool {
        let key_id = pinned.key.key_id();
        self.signatures
            .iter()
            .filter(|signature| (signature.key_id == key_id.as_str()) == naming)
            .filter_map(|signature| signature.bytes.as_ref())
            .any(|signature| checks.verify(&pinned.key, signature))
    }

    fn why_nobody(&self, keys: &KeyRing, expired: &[&PinnedKey]) -> Rejection {
        if let Some(PinnedKey { operator, key, not_after: Some(not_after) }) = expired.first() {
            let (operator, key_id) = (operator.clone(), key.key_id());
            return Rejection::ExpiredKey { operator, key_id, not_after: *not_after };
        }
        let named = |key: &PinnedKey| {
            let key_id = key.key.key_id();
            self.signatures.iter().any(|signature| signature.key_id == key_id.as_str())
        };
        match keys.iter().find(|key| named(key)) {
            Some(PinnedKey { operator, key, .. }) => {
                Rejection::BadSignature { operator: operator.clone(), key_id: key.key_id() }
            }
            None => Rejection::UnknownKey {
                key_ids: self.signatures.iter().map(|s| s.key_id.clone()).collect(),
            },
        }
    }

    /// The SHA-256 that the link gives for the file that is wanted. Equal to the wanted one, or
    /// another one under the very same name.
    pub(super) fn product(&self, wanted: Wanted<'_>) -> Result<Sha256Digest, Rejection> {
        self.check_step()?;
        let products = self
            .signed
            .member("products")
            .and_then(Value::as_object)
            .ok_or(Rejection::Shape("\"products\" is not an object"))?;
        let mut matching = Vec::new();
        for (name, hashes) in products {
            let same_name = name == wanted.artifact.as_str();
            let sha256 = hashes.member("sha256").and_then(Value::as_str).map(str::parse);
            match sha256 {
                Some(Ok(sha256)) if same_name || sha256 == wanted.sha256 => {
                    matching.push((name, sha256));
                }
                Some(Ok(_)) => {}
                _ => return Err(Rejection::NoSha256 { product: name.clone() }),
            }
        }
        match matching.as_slice() {
            [] => Err(Rejection::OtherArtifact),
            [(name, sha256)] if name.as_str() == wanted.artifact.as_str() => Ok(*sha256),
            [(name, _)] => Err(Rejection::OtherName { found: (*name).clone() }),
            several => Err(Rejection::AmbiguousProducts { count: several.len() }),
        }
    }

    /// The signed object must be a link, and its step a rebuild: `rebuild`, or as rebuilderd
    /// writes it `rebuild FILE`. A key may have signed other steps, which say nothing about what
    /// came out of the source.
    fn check_step(&self) -> Result<(), Rejection> {
        let text = |key: &str| self.signed.member(key).and_then(Value::as_str).unwrap_or_default();
        let found = text("_type");
        if found != "link" {
            return Err(Rejection::WrongType { found: found.to_owned() });
        }
        let found = text("name");
        if found != "rebuild" && !found.starts_with("rebuild ") {
            return Err(Rejection::WrongStep { found: found.to_owned() });
        }
        Ok(())
    }
}

impl Signature {
    fn read(value: &Value) -> Option<Self> {
        let key_id = value.member("keyid").and_then(Value::as_str)?.to_owned();
        let mut bytes = [0_u8; 64];
        let hex = value.member("sig").and_then(Value::as_str);
        let bytes = hex.and_then(|hex| crate::types::hex_decode(hex, &mut bytes)).map(|()| bytes);
        Some(Self { key_id, bytes })
    }
}

/// Verifies signatures over one message until the budget is used up.
struct Checks<'a> {
    message: &'a [u8],
    left: usize,
}

impl<'a> Checks<'a> {
    const fn new(message: &'a [u8]) -> Self {
        Self { message, left: MAX_CHECKS }
    }

    fn verify(&mut self, key: &PublicKey, signature: &[u8; 64]) -> bool {
        let PublicKey::Ed25519(key) = key;
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        // Strict: no key or nonce of small order, so a signature binds to exactly one message
        // and one key (RFC 8032 section 5.1.7 leaves that open).
        ed25519_dalek::VerifyingKey::from_bytes(key)
            .is_ok_and(|key| key.verify_strict(self.message, &signature).is_ok())
    }
}
