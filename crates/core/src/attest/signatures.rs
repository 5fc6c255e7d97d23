//! Signatures as an envelope carries them, and who made them.
//!
//! Key ids are unauthenticated hints: they decide in which order keys are tried, and never whether
//! a signature counts.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::json::Value;
use super::keyring::Ready;
use super::openpgp::OpenPgpSignature;
use super::{
    KeyRing, MAX_CHECKS, MAX_SIGNATURES, PinnedKey, Rejection, Remembered, SignatureFault,
};
use crate::types::{Certificate, Component, Hashed, PublicKey, Timestamp};

/// Longest signature that is read, in bytes. One with the longest RSA key has 1,024.
pub(super) const MAX_SIGNATURE: usize = 2048;

/// The number of bytes, hashed for one check alone, that costs as much as a check.
const BYTES_OF_A_CHECK: usize = 64 * 1024;

/// All signatures of one envelope, and the message that they are over.
pub(super) struct Signatures {
    list: Vec<Signature>,
    message: Hashed,
}

/// One signature.
pub(super) struct Signature {
    /// The id of the key in whose name it was made; empty if it names none.
    pub(super) key_id: String,
    /// The signature itself.
    pub(super) form: Form,
}

/// The form in which a signature is written.
pub(super) enum Form {
    /// As the algorithm gives it
    Plain(Vec<u8>),
    /// As an OpenPGP packet
    OpenPgp(Box<OpenPgpSignature>),
    /// An unknown form. It only tells the key in whose name it was made, so that a damaged
    /// signature is not called one by an unknown key.
    Damaged,
}

impl Form {
    /// An OpenPGP packet, if it is one that can be verified.
    pub(super) fn open_pgp(packet: Option<OpenPgpSignature>) -> Self {
        packet.map_or(Self::Damaged, |it| Self::OpenPgp(Box::new(it)))
    }
}

impl Signatures {
    /// Takes what an envelope carries.
    pub(super) fn new(list: Vec<Signature>, message: Vec<u8>) -> Self {
        Self { list, message: Hashed::new(message) }
    }

    /// The list of signatures in an envelope.
    pub(super) fn listed(envelope: &BTreeMap<String, Value>) -> Result<&[Value], Rejection> {
        let list = envelope.get("signatures").and_then(Value::as_array);
        let list = list.ok_or(Rejection::Shape("\"signatures\" is not an array"))?;
        Self::check_count(list.len())?;
        Ok(list)
    }

    /// Checks that an envelope has at least one signature and at most [`MAX_SIGNATURES`].
    pub(super) fn check_count(count: usize) -> Result<(), Rejection> {
        match count {
            0 => Err(Rejection::Unsigned),
            count if count > MAX_SIGNATURES => Err(Rejection::TooManySignatures { count }),
            _ => Ok(()),
        }
    }

    /// The OpenPGP packets among them.
    pub(super) fn packets(&self) -> impl Iterator<Item = &OpenPgpSignature> {
        self.list.iter().filter_map(|it| match &it.form {
            Form::OpenPgp(packet) => Some(&**packet),
            Form::Plain(_) | Form::Damaged => None,
        })
    }

    /// The message that they are over.
    pub(super) const fn message(&self) -> &Hashed {
        &self.message
    }

    /// The pinned keys that signed, each once, and at least one.
    pub(super) fn signers<'k>(
        &self,
        keys: &'k KeyRing,
        now: Timestamp,
    ) -> Result<Vec<&'k PinnedKey>, Rejection> {
        self.signers_within(keys, now, &Cell::new(MAX_CHECKS))
    }

    /// The same with so many checks, which are fewer afterwards.
    pub(super) fn signers_within<'k>(
        &self,
        keys: &'k KeyRing,
        now: Timestamp,
        checks_left: &Cell<usize>,
    ) -> Result<Vec<&'k PinnedKey>, Rejection> {
        let remembered = keys.remembered();
        let (message, left) = (&self.message, checks_left.get());
        let mut checks = Checks { message, now, left, fault: None, remembered };
        let verified = self.verified(keys, &mut checks);
        checks_left.set(checks.left);
        let (good, expired): (Vec<&PinnedKey>, Vec<&PinnedKey>) =
            verified.into_iter().partition(|key| key.is_good_at(now));
        if good.is_empty() { Err(self.why_nobody(keys, &expired, checks.fault)) } else { Ok(good) }
    }

    /// The pinned keys that signed, by what can be checked.
    fn verified<'k>(&self, keys: &'k KeyRing, checks: &mut Checks<'_, 'k>) -> Vec<&'k PinnedKey> {
        // A signature is one key's: once it is known whose, the others are not tried with it.
        let mut free: Vec<&Signature> = self.list.iter().collect();
        let mut verified: BTreeMap<usize, &PinnedKey> = BTreeMap::new();
        let makers: Vec<Maker<'k>> = keys.ready().enumerate().flat_map(Maker::of).collect();
        // First the signatures that name the key, for all keys: there are at most MAX_SIGNATURES
        // of them, so the budget cannot run out before each honest one was tried.
        for hint in [Hint::Named, Hint::Guessed] {
            for maker in &makers {
                if verified.contains_key(&maker.at) {
                    continue;
                }
                let by = free.iter().position(|it| {
                    let named = maker.name.eq_ignore_ascii_case(&it.key_id);
                    named == (hint == Hint::Named) && checks.verify(maker, &it.form, hint)
                });
                if let Some(by) = by {
                    free.remove(by);
                    verified.insert(maker.at, maker.pinned);
                }
            }
        }
        verified.into_values().collect()
    }

    fn why_nobody(
        &self,
        keys: &KeyRing,
        expired: &[&PinnedKey],
        fault: Option<(&PinnedKey, SignatureFault)>,
    ) -> Rejection {
        let of = |pinned: &PinnedKey| (pinned.rebuilder.clone(), pinned.key.key_id());
        if let Some((pinned, not_after)) = expired.first().and_then(|it| Some((it, it.not_after?)))
        {
            let (rebuilder, key_id) = of(pinned);
            return Rejection::ExpiredKey { rebuilder, key_id, not_after };
        }
        if let Some((pinned, fault)) = fault {
            let (rebuilder, key_id) = of(pinned);
            return Rejection::FaultySignature { rebuilder, key_id, fault };
        }
        let named = |pinned: &&PinnedKey| {
            self.list.iter().any(|signature| pinned.key.is_called(&signature.key_id))
        };
        if let Some((rebuilder, key_id)) = keys.iter().find(named).map(of) {
            return Rejection::BadSignature { rebuilder, key_id };
        }
        let key_ids = self.list.iter().map(|it| it.key_id.clone()).collect();
        Rejection::UnknownKey { key_ids }
    }
}

/// The reason that a key is tried with a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// The signature names it.
    Named,
    /// It might be any.
    Guessed,
}

/// Something that can have made a signature: a pinned key, or one key of a pinned certificate.
struct Maker<'k> {
    /// The place of the pinned key among all
    at: usize,
    pinned: &'k PinnedKey,
    ready: &'k Ready,
    of: Option<(&'k Certificate, &'k Component)>,
    /// The id by which a signature names it
    name: &'k str,
}

impl<'k> Maker<'k> {
    fn of((at, ready): (usize, &'k Ready)) -> Vec<Self> {
        let pinned = &ready.pinned;
        let PublicKey::OpenPgp(certificate) = &pinned.key else {
            return vec![Self { at, pinned, ready, of: None, name: ready.id.as_str() }];
        };
        let component = |it: &'k Component| {
            let name = it.fingerprint.as_str();
            Self { at, pinned, ready, of: Some((certificate, it)), name }
        };
        certificate.components().map(component).collect()
    }
}

/// Verifies signatures over one message until the budget is used up.
struct Checks<'a, 'k> {
    message: &'a Hashed,
    now: Timestamp,
    left: usize,
    /// The first signature that fits and does not count
    fault: Option<(&'k PinnedKey, SignatureFault)>,
    /// The remembered results for plain signatures
    remembered: Option<&'a Remembered>,
}

impl<'k> Checks<'_, 'k> {
    fn verify(&mut self, maker: &Maker<'k>, form: &Form, hint: Hint) -> bool {
        // What cannot fit costs nothing, and what hashes the message for itself costs more.
        match (&maker.pinned.key, maker.of, form) {
            (PublicKey::OpenPgp(_), Some((certificate, component)), Form::OpenPgp(signature)) => {
                if !signature.can_be_by(component) || !self.spend(hint, 0) {
                    return false;
                }
                let verified = signature.verify(certificate, component, self.message, self.now);
                if let Err(Some(fault)) = &verified {
                    self.fault.get_or_insert((maker.pinned, fault.clone()));
                }
                verified.is_ok()
            }
            (key, _, Form::Plain(signature)) => {
                let alone = match key {
                    PublicKey::Ed25519(_) | PublicKey::RsaPss(_) => self.message.message().len(),
                    PublicKey::EcdsaP256(_) => 0,
                    PublicKey::OpenPgp(_) => return false,
                };
                let fits = !matches!(key, PublicKey::Ed25519(_)) || signature.len() == 64;
                fits && self.spend(hint, alone) && self.is_plain(maker.ready, signature)
            }
            _ => false,
        }
    }

    /// Returns true when a key that is no certificate made this signature.
    fn is_plain(&self, key: &Ready, signature: &[u8]) -> bool {
        let verify = || plain(key, self.message, signature);
        let Some(remembered) = self.remembered else { return verify() };
        let key = &key.pinned.key;
        let (key, message) = ((key.kind().name(), key.to_bytes()), self.message.sha256());
        remembered.or_verify(key, signature, message.as_deref(), verify)
    }

    /// Returns true when the budget allows one more check, which hashes so many bytes for itself.
    /// Takes the cost of the check from the budget. Each signature names one key at most, so the
    /// number of signatures pays for the named keys.
    fn spend(&mut self, hint: Hint, bytes: usize) -> bool {
        let cost = match hint {
            Hint::Named => 1,
            Hint::Guessed => 1 + bytes / BYTES_OF_A_CHECK,
        };
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

/// Verifies a signature that is no OpenPGP packet.
fn plain(key: &Ready, message: &Hashed, signature: &[u8]) -> bool {
    match &key.pinned.key {
        PublicKey::Ed25519(_) => {
            // Strict: no key or nonce of small order, so a signature binds to exactly one message
            // and one key (RFC 8032 section 5.1.7 leaves that open).
            ed25519_dalek::Signature::from_slice(signature).is_ok_and(|signature| {
                let key = key.ed25519.as_ref();
                key.is_some_and(|it| it.verify_strict(message.message(), &signature).is_ok())
            })
        }
        PublicKey::EcdsaP256(key) => ecdsa_p256(key.point(), message, signature),
        PublicKey::RsaPss(key) => {
            // EMSA-PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
            let algorithm = &ring::signature::RSA_PSS_2048_8192_SHA256;
            ring::signature::UnparsedPublicKey::new(algorithm, key.pkcs1())
                .verify(message.message(), signature)
                .is_ok()
        }
        PublicKey::OpenPgp(_) => false,
    }
}

/// In DER, as securesystemslib writes it, or as two numbers of 32 bytes, as the Rust in-toto does.
fn ecdsa_p256(point: &[u8; 65], message: &Hashed, signature: &[u8]) -> bool {
    use p256::ecdsa::signature::hazmat::PrehashVerifier;
    use p256::ecdsa::{Signature, VerifyingKey};

    let parsed = match signature.len() {
        64 => Signature::from_slice(signature),
        _ => Signature::from_der(signature),
    };
    let key = VerifyingKey::from_sec1_bytes(point);
    let (Ok(key), Ok(parsed), Some(digest)) = (key, parsed, message.sha256()) else {
        return false;
    };
    key.verify_prehash(&digest, &parsed).is_ok()
}

#[cfg(test)]
mod tests {
    use pgp::composed::{KeyType, SecretKeyParamsBuilder};
    use pgp::ser::Serialize as _;
    use pgp::types::Password;
    use rand_core::OsRng;

    use super::*;
    use crate::attest::MAX_BYTES;
    use crate::types::KeyKind;

    fn certificate() -> PublicKey {
        let mut parameters = SecretKeyParamsBuilder::default();
        let user = "somebody <somebody@localhost>".to_owned();
        parameters.key_type(KeyType::Ed25519Legacy).can_sign(true).primary_user_id(user);
        let secret = parameters.build().unwrap().generate(OsRng).unwrap();
        let signed = secret.sign(OsRng, &Password::empty()).unwrap().signed_public_key();
        PublicKey::from_bytes(KeyKind::OpenPgp, &signed.to_bytes().unwrap()).unwrap()
    }

    fn plain() -> PublicKey {
        let secret = ed25519_dalek::SigningKey::generate(&mut OsRng);
        PublicKey::Ed25519(secret.verifying_key().to_bytes())
    }

    /// A key of 2048 bits that nobody has.
    fn rsa() -> PublicKey {
        let start = [0x30, 0x82, 1, 0x0a, 2, 0x82, 1, 1, 0];
        let der = [&start[..], &[0xab; 256], &[2, 3, 1, 0, 1]].concat();
        PublicKey::from_bytes(KeyKind::RsaPss, &der).unwrap()
    }

    fn ring(keys: Vec<PublicKey>) -> KeyRing {
        let pinned = |key| PinnedKey { rebuilder: "alpha".parse().unwrap(), key, not_after: None };
        KeyRing::new(keys.into_iter().map(pinned).collect()).unwrap()
    }

    /// The number of checks that were made, and how often the message was hashed for all of them.
    fn cost(list: Vec<Signature>, length: usize, keys: &KeyRing) -> (usize, usize) {
        let signatures = Signatures::new(list, vec![b'x'; length]);
        let now = Timestamp::from_unix(1_800_000_000).unwrap();
        let (message, fault) = (&signatures.message, None);
        let remembered = None;
        let mut checks = Checks { message, now, left: MAX_CHECKS, fault, remembered };
        assert!(signatures.verified(keys, &mut checks).is_empty());
        (MAX_CHECKS - checks.left, message.times())
    }

    fn garbage(key_id: &str, at: usize) -> Signature {
        let form = Form::Plain(vec![u8::try_from(at).unwrap(); 64]);
        Signature { key_id: key_id.to_owned(), form }
    }

    /// 64 signatures of four hash functions in nobody's name, tried with three certificates: 192
    /// checks, for which a message of 1 MiB is hashed four times and not 384.
    #[test]
    fn a_message_is_hashed_once_for_each_hash_function() {
        let keys = ring(vec![certificate(), certificate(), certificate()]);
        let signature = |at: usize| {
            let hash = [8, 10, 14, 2][at % 4];
            let bytes = [u8::try_from(at).unwrap(); 64];
            let packet = OpenPgpSignature::put_together(&[4, 0, 22, hash, 0, 0], &bytes);
            Signature { key_id: String::new(), form: Form::open_pgp(packet) }
        };
        let list = |count: usize| (1..=count).map(signature).collect();
        assert_eq!(cost(list(MAX_SIGNATURES), MAX_BYTES, &keys), (3 * MAX_SIGNATURES, 4));
        assert_eq!(cost(list(1), MAX_BYTES, &keys), (3, 1));
    }

    /// Nothing is hashed for signatures of other keys.
    #[test]
    fn what_cannot_fit_costs_nothing() {
        let certificates = ring(vec![certificate()]);
        let list = (0..MAX_SIGNATURES).map(|at| garbage("", at)).collect();
        assert_eq!(cost(list, MAX_BYTES, &certificates), (0, 0));
        // RSA's signature and an EdDSA key; somebody else's name that is hashed.
        let issuer = [&[4, 0, 22, 8, 0, 10, 9, 16][..], &[0; 8]].concat();
        for headers in [&[4, 0, 1, 8, 0, 0][..], &issuer] {
            let packet = OpenPgpSignature::put_together(headers, &[1; 64]);
            assert!(packet.is_some());
            let list = vec![Signature { key_id: String::new(), form: Form::open_pgp(packet) }];
            assert_eq!(cost(list, MAX_BYTES, &certificates), (0, 0));
        }
    }

    /// Ed25519 and RSA-PSS hash the message with each signature. So it does not matter how many keys are
    /// pinned: of a long message few guesses are made, and of a short one as many as ever.
    #[test]
    fn guesses_at_a_long_message_are_few() {
        let keys = ring((0..20).map(|_| plain()).collect());
        let unnamed = || (0..MAX_SIGNATURES).map(|at| garbage("", at)).collect();
        let (spent, _) = cost(unnamed(), MAX_BYTES, &keys);
        let each = 1 + MAX_BYTES / BYTES_OF_A_CHECK;
        assert!(spent <= MAX_CHECKS && MAX_CHECKS / each == 30, "{spent}");
        assert_eq!(cost(unnamed(), 1000, &keys).0, MAX_CHECKS);
        for key in [plain(), rsa()] {
            let alone = ring(vec![key]);
            assert_eq!(cost(vec![garbage("", 1)], MAX_BYTES, &alone), (each, 0));
            assert_eq!(cost(vec![garbage("", 1)], 1000, &alone), (1, 0));
        }
        // A signature that names its key is always tried, and with that key alone.
        let name = keys.iter().last().unwrap().key.key_id();
        let named = (0..MAX_SIGNATURES).map(|at| garbage(name.as_str(), at)).collect();
        let (spent, _) = cost(named, MAX_BYTES, &keys);
        assert!(spent >= MAX_SIGNATURES, "{spent}");
    }

    /// A certificate of many keys costs as much as so many certificates.
    #[test]
    fn each_key_of_a_certificate_is_a_check() {
        let mut parameters = SecretKeyParamsBuilder::default();
        let mut sub = pgp::composed::SubkeyParamsBuilder::default();
        let sub = sub.key_type(KeyType::Ed25519Legacy).can_sign(true).build().unwrap();
        let user = "somebody <somebody@localhost>".to_owned();
        parameters.key_type(KeyType::Ed25519Legacy).primary_user_id(user).subkeys(vec![sub; 9]);
        let secret = parameters.build().unwrap().generate(OsRng).unwrap();
        let signed = secret.sign(OsRng, &Password::empty()).unwrap().signed_public_key();
        let key = PublicKey::from_bytes(KeyKind::OpenPgp, &signed.to_bytes().unwrap()).unwrap();
        let signature = |_| {
            let packet = OpenPgpSignature::put_together(&[4, 0, 22, 8, 0, 0], &[7; 64]);
            Signature { key_id: String::new(), form: Form::open_pgp(packet) }
        };
        let list = |count: usize| (0..count).map(signature).collect();
        assert_eq!(cost(list(5), 1000, &ring(vec![key.clone()])), (50, 1));
        assert_eq!(cost(list(MAX_SIGNATURES), 1000, &ring(vec![key])), (MAX_CHECKS, 1));
    }
}
