//! Signatures as an envelope carries them, and who made them.
//!
//! Key ids are unauthenticated hints: they decide in which order keys are tried, and never whether
//! a signature counts.

use std::collections::BTreeMap;

use pgp::packet::{Signature as Packet, SignatureType};

use super::openpgp::{self, OpenPgpSignature};
use super::{KeyRing, MAX_CHECKS, MAX_SIGNATURES, PinnedKey, Rejection, SignatureFault};
use crate::types::{PublicKey, Timestamp};

/// Longest signature that is read, in bytes. One with the longest RSA key has 1,024.
pub(super) const MAX_SIGNATURE: usize = 2048;

/// All signatures of one envelope, and what they are over.
pub(super) struct Signatures {
    list: Vec<Signature>,
    message: Vec<u8>,
}

/// One signature.
pub(super) struct Signature {
    /// In whose name it stands, if it says so.
    pub(super) key_id: String,
    /// The signature itself.
    pub(super) form: Form,
}

/// How a signature is written.
pub(super) enum Form {
    /// As the algorithm gives it
    Plain(Vec<u8>),
    /// Taken out of an OpenPGP packet
    OpenPgp(OpenPgpSignature),
    /// An OpenPGP packet, which must be of this type
    Packet(Box<Packet>, SignatureType),
    /// In no form that is known. It only tells in whose name it stands, so that a damaged
    /// signature is not called one by an unknown key.
    Damaged,
}

impl Signatures {
    /// Takes what an envelope carries.
    pub(super) fn new(list: Vec<Signature>, message: Vec<u8>) -> Self {
        Self { list, message }
    }

    /// How many signatures an envelope may carry.
    pub(super) fn check_count(count: usize) -> Result<(), Rejection> {
        match count {
            0 => Err(Rejection::Unsigned),
            count if count > MAX_SIGNATURES => Err(Rejection::TooManySignatures { count }),
            _ => Ok(()),
        }
    }

    /// The OpenPGP packets among them, each with the type that it must be of.
    pub(super) fn packets(&self) -> impl Iterator<Item = (&Packet, SignatureType)> {
        self.list.iter().filter_map(|it| match &it.form {
            Form::Packet(packet, expected) => Some((&**packet, *expected)),
            _ => None,
        })
    }

    /// What they are over.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// The pinned keys that signed, each once, and at least one.
    pub(super) fn signers<'k>(
        &self,
        keys: &'k KeyRing,
        now: Timestamp,
    ) -> Result<Vec<&'k PinnedKey>, Rejection> {
        let mut checks = Checks { message: &self.message, now, left: MAX_CHECKS, fault: None };
        // A signature is one key's: once it is known whose, the others are not tried with it.
        let mut free: Vec<&Signature> = self.list.iter().collect();
        let mut verified: BTreeMap<usize, &PinnedKey> = BTreeMap::new();
        // First the signatures that name the key, for all keys: there are at most MAX_SIGNATURES
        // of them, so the budget cannot run out before each honest one was tried.
        for naming in [true, false] {
            for (at, pinned) in keys.iter().enumerate() {
                if verified.contains_key(&at) {
                    continue;
                }
                let by = free.iter().position(|it| {
                    pinned.key.is_called(&it.key_id) == naming && checks.verify(pinned, &it.form)
                });
                if let Some(by) = by {
                    free.remove(by);
                    verified.insert(at, pinned);
                }
            }
        }

        let (good, expired): (Vec<&PinnedKey>, Vec<&PinnedKey>) =
            verified.into_values().partition(|key| key.is_good_at(now));
        if good.is_empty() { Err(self.why_nobody(keys, &expired, checks.fault)) } else { Ok(good) }
    }

    fn why_nobody(
        &self,
        keys: &KeyRing,
        expired: &[&PinnedKey],
        fault: Option<(&PinnedKey, SignatureFault)>,
    ) -> Rejection {
        if let Some(PinnedKey { operator, key, not_after: Some(not_after) }) = expired.first() {
            let (operator, key_id) = (operator.clone(), key.key_id());
            return Rejection::ExpiredKey { operator, key_id, not_after: *not_after };
        }
        if let Some((PinnedKey { operator, key, .. }, fault)) = fault {
            let (operator, key_id) = (operator.clone(), key.key_id());
            return Rejection::FaultySignature { operator, key_id, fault };
        }
        let named = |pinned: &&PinnedKey| {
            self.list.iter().any(|signature| pinned.key.is_called(&signature.key_id))
        };
        match keys.iter().find(named) {
            Some(PinnedKey { operator, key, .. }) => {
                Rejection::BadSignature { operator: operator.clone(), key_id: key.key_id() }
            }
            None => Rejection::UnknownKey {
                key_ids: self.list.iter().map(|it| it.key_id.clone()).collect(),
            },
        }
    }
}

/// Verifies signatures over one message until the budget is used up.
struct Checks<'a, 'k> {
    message: &'a [u8],
    now: Timestamp,
    left: usize,
    /// The first signature that fits and does not count
    fault: Option<(&'k PinnedKey, SignatureFault)>,
}

impl<'k> Checks<'_, 'k> {
    fn verify(&mut self, pinned: &'k PinnedKey, form: &Form) -> bool {
        // What cannot fit costs nothing.
        match (&pinned.key, form) {
            (PublicKey::OpenPgp(certificate), Form::OpenPgp(signature)) if self.spend() => {
                let verified = openpgp::verify(certificate, signature, self.message, self.now);
                self.note(pinned, verified)
            }
            (PublicKey::OpenPgp(certificate), Form::Packet(packet, expected)) if self.spend() => {
                let (expected, message) = (*expected, self.message);
                let verified =
                    openpgp::verify_packet(certificate, packet, expected, message, self.now);
                self.note(pinned, verified)
            }
            (PublicKey::Ed25519(key), Form::Plain(signature)) => {
                let Ok(signature) = <[u8; 64]>::try_from(signature.as_slice()) else {
                    return false;
                };
                self.spend() && ed25519(key, self.message, &signature)
            }
            (PublicKey::EcdsaP256(key), Form::Plain(signature)) if self.spend() => {
                ecdsa_p256(key.point(), self.message, signature)
            }
            (PublicKey::RsaPss(key), Form::Plain(signature)) if self.spend() => {
                // EMSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
                let algorithm = &ring::signature::RSA_PSS_2048_8192_SHA256;
                ring::signature::UnparsedPublicKey::new(algorithm, key.pkcs1())
                    .verify(self.message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }

    /// Whether that is good; if it fits and does not count, why.
    fn note(
        &mut self,
        pinned: &'k PinnedKey,
        verified: Result<(), Option<SignatureFault>>,
    ) -> bool {
        if let Err(Some(fault)) = &verified {
            self.fault.get_or_insert((pinned, fault.clone()));
        }
        verified.is_ok()
    }

    fn spend(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

fn ed25519(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    // Strict: no key or nonce of small order, so a signature binds to exactly one message
    // and one key (RFC 8032 section 5.1.7 leaves that open).
    ed25519_dalek::VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// In DER, as securesystemslib writes it, or as two numbers of 32 bytes, as the Rust in-toto does.
fn ecdsa_p256(point: &[u8; 65], message: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::signature::Verifier;
    use p256::ecdsa::{Signature, VerifyingKey};

    let parsed = match signature.len() {
        64 => Signature::from_slice(signature),
        _ => Signature::from_der(signature),
    };
    let key = VerifyingKey::from_sec1_bytes(point);
    matches!((key, parsed), (Ok(key), Ok(parsed)) if key.verify(message, &parsed).is_ok())
}
