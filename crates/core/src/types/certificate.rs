//! OpenPGP certificates, as the configuration pins them.
//!
//! The crate `pgp` reads packets and checks signatures. What follows from them (which key is bound
//! to which, from when, until when, and what for) is judged here, by RFC 9580, and strictly: what
//! is not certain does not sign.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use pgp::armor::Dearmor;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{self, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{PublicKeyTrait, PublicParams};

use super::packets::{CertificatePart, Own, Packets, is_certification};
use super::{KeyError, KeyMaterial, Timestamp, pem};

/// An OpenPGP certificate ("transferable public key", RFC 9580 section 10.1) of version 4, with
/// what its own signatures, verified, say about its keys.
///
/// Certifications by others are not looked at. A revocation counts wherever it stands. One by a key
/// that the owner appointed for that cannot be verified, because that key is not here, so with any
/// revocation that may be one no key of the certificate signs ([`KeyFault::PerhapsRevoked`]).
#[derive(Clone)]
pub struct Certificate(Arc<CertificateContent>);

struct CertificateContent {
    packets: Vec<u8>,
    primary: Component,
    subkeys: Vec<Component>,
    /// Is true when it may have been revoked, which cannot be found out here
    doubtful: bool,
}

/// A key in a certificate.
pub(crate) struct Component {
    /// The packet that verifies its signatures
    pub(crate) key: ComponentKey,
    /// In hexadecimal, lower case
    pub(crate) fingerprint: String,
    material: Option<KeyMaterial>,
    created: i64,
    /// The latest first
    bindings: Vec<KeyBinding>,
    revoked: bool,
}

/// The packet of a key, by its kind.
pub(crate) enum ComponentKey {
    /// A primary key
    Primary(packet::PublicKey),
    /// A subkey
    Sub(packet::PublicSubkey),
}

/// The content of a verified signature about a key. Times are in seconds since 1970.
#[derive(Clone, Copy)]
struct KeyBinding {
    created: i64,
    /// The time at which the binding itself ends
    ends: Option<i64>,
    /// The time at which the key expires, according to this binding
    expires: Option<i64>,
    signing: Signing,
}

/// The statement of a binding on whether its key may sign data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// Its key flags allow signing.
    Yes,
    /// It has no key flags.
    Unsaid,
    /// Its key flags do not allow signing.
    No,
    /// It contains something that must be understood and is not.
    NotUnderstood,
}

/// The reason that a key of a certificate cannot sign now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Its owner took it back.
    #[error("it was revoked")]
    Revoked,
    /// The certificate has a revocation that cannot be verified: by a key that its owner appointed
    /// for that, or in its own name and damaged.
    #[error("its certificate has a revocation that cannot be verified: ask its owner")]
    PerhapsRevoked,
    /// Its time is over.
    #[error("it expired on {}", .0.date())]
    Expired(Timestamp),
    /// No signature of the certificate makes it part of it, or none that is strong enough.
    #[error("it has no valid binding signature (SHA-1 and MD5 do not count)")]
    Unbound,
    /// The latest signature that binds it has something in it that must be understood and is not.
    #[error("its binding signature has a critical part that is not understood")]
    NotUnderstood,
    /// It is for encryption, certification or something else, or too weak for anything.
    #[error("it cannot sign data, or is too weak")]
    NotForSigning,
}

impl Certificate {
    /// Largest certificate that is read, in bytes. One with 100 signatures by others has about
    /// 60 kB. Its own signatures are all looked at, wherever they stand among those of others.
    pub const MAX_LENGTH: usize = 512 * 1024;

    /// Shortest RSA key that counts, in bits.
    const LEAST_RSA: u16 = 2048;

    /// Reads an armoured certificate.
    ///
    /// # Errors
    /// If `text` is anything but exactly one certificate of version 4.
    pub fn from_armor(text: &str) -> Result<Self, KeyError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(KeyError::TooLong { most: Self::MAX_LENGTH });
        }
        let text = text.trim();
        if !pem::is_one_armored_block(text) {
            return Err(KeyError::NotArmor);
        }
        let mut packets = Vec::new();
        Dearmor::new(text.as_bytes())
            .read_to_end(&mut packets)
            .map_err(|_| KeyError::NotOpenPgp)?;
        // A block may end where base64 does, with more of it behind that.
        if !pem::is_all_of(text, &packets) {
            return Err(KeyError::NotOpenPgp);
        }
        Self::from_packets(&packets)
    }

    /// Reads a certificate from its packets.
    ///
    /// # Errors
    /// If `packets` is anything but exactly one certificate of version 4.
    pub fn from_packets(packets: &[u8]) -> Result<Self, KeyError> {
        if packets.len() > Self::MAX_LENGTH {
            return Err(KeyError::TooLong { most: Self::MAX_LENGTH });
        }
        let parts = Packets::read(packets)?;
        let subkeys = parts.subkeys.iter().enumerate();
        Ok(Self(Arc::new(CertificateContent {
            packets: packets.to_vec(),
            primary: Component::primary(&parts),
            subkeys: subkeys.map(|(at, key)| Component::sub(&parts, at, key)).collect(),
            doubtful: parts.doubtful,
        })))
    }

    /// Its packets, as they were read: written anew, they could be read as something else.
    #[must_use]
    pub fn packets(&self) -> &[u8] {
        &self.0.packets
    }

    /// The fingerprint of its primary key, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.primary.fingerprint
    }

    /// The fingerprints of all of its keys, the primary one first.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.components().map(|it| it.fingerprint.as_str())
    }

    /// The material of its keys, of those that could make signatures.
    pub(super) fn materials(&self) -> impl Iterator<Item = &KeyMaterial> {
        self.components().filter_map(|it| it.material.as_ref())
    }

    /// All of its keys, the primary one first.
    pub(crate) fn components(&self) -> impl Iterator<Item = &Component> {
        std::iter::once(&self.0.primary).chain(&self.0.subkeys)
    }

    /// Checks that any of its keys may sign data at `now`.
    ///
    /// # Errors
    /// If none may: the reason for the first key that is meant for signing, or
    /// [`KeyFault::NotForSigning`] if there is no such key.
    pub fn can_sign(&self, now: Timestamp) -> Result<(), KeyFault> {
        let mut fault = None;
        for component in self.components() {
            match self.may_sign(component, now) {
                Ok(_) => return Ok(()),
                // Says least: there is often a key for something else.
                Err(KeyFault::NotForSigning) => {}
                Err(other) => drop(fault.get_or_insert(other)),
            }
        }
        Err(fault.unwrap_or(KeyFault::NotForSigning))
    }

    /// Checks that this key of the certificate may sign data at `now`. Returns the time since which
    /// it may: the key's time of creation.
    pub(crate) fn may_sign(&self, key: &Component, now: Timestamp) -> Result<Timestamp, KeyFault> {
        let now = now.as_unix();
        let primary = &self.0.primary;
        // A subkey is worth no more than the key that it is bound to.
        let owner = primary.binding(now)?;
        if self.0.doubtful {
            return Err(KeyFault::PerhapsRevoked);
        }
        let is_primary = std::ptr::eq(key, primary);
        let binding = if is_primary { owner } else { key.binding(now)? };
        let signs = match binding.signing {
            Signing::Yes => true,
            // Before key flags, the primary key was for everything.
            Signing::Unsaid => is_primary,
            Signing::No | Signing::NotUnderstood => false,
        };
        if !signs || key.material.is_none() {
            return Err(KeyFault::NotForSigning);
        }
        Timestamp::from_unix(key.created).map_err(|_| KeyFault::Unbound)
    }
}

impl Component {
    fn primary(parts: &Packets) -> Self {
        let primary = &parts.primary;
        let signed = |it: &&Own| match it.about {
            CertificatePart::Key => it.signature.typ() == Some(SignatureType::Key),
            CertificatePart::User(_) => it.signature.typ().is_some_and(is_certification),
            CertificatePart::Subkey(_) => false,
        };
        // What was taken back binds no more (RFC 9580 section 5.2.1.11).
        let taken_back = |about: CertificatePart| {
            let revoked = parts.of_type(SignatureType::CertRevocation, about);
            // One without a date is not known to be older than anything.
            revoked.map(|it| it.signature.created().map_or(i64::MAX, |it| it.timestamp())).max()
        };
        let bindings = parts.own.iter().filter(signed).filter_map(|it| {
            let binding = KeyBinding::of(it, primary)?;
            taken_back(it.about).is_none_or(|when| when < binding.created).then_some(binding)
        });
        let revoked =
            parts.of_type(SignatureType::KeyRevocation, CertificatePart::Key).next().is_some();
        let packet = ComponentKey::Primary(primary.clone());
        Self::new(packet, primary, bindings.collect(), revoked)
    }

    fn sub(parts: &Packets, at: usize, key: &packet::PublicSubkey) -> Self {
        let about = CertificatePart::Subkey(at);
        let bindings = parts.of_type(SignatureType::SubkeyBinding, about).filter_map(|it| {
            let binding = KeyBinding::of(it, key)?;
            // A key that signs must itself say that it belongs here: otherwise anybody could
            // put somebody else's key under his own name.
            let back = it.signature.embedded_signature();
            let bound = back.is_some_and(|it| {
                it.typ() == Some(SignatureType::KeyBinding)
                    && is_strong(it)
                    && is_understood(it)
                    && it.verify_primary_key_binding(key, &parts.primary).is_ok()
            });
            (bound || binding.signing != Signing::Yes).then_some(binding)
        });
        let revoked = parts.of_type(SignatureType::SubkeyRevocation, about).next().is_some();
        Self::new(ComponentKey::Sub(key.clone()), key, bindings.collect(), revoked)
    }

    fn new(
        packet: ComponentKey,
        key: &impl PublicKeyTrait,
        mut bindings: Vec<KeyBinding>,
        revoked: bool,
    ) -> Self {
        bindings.sort_by_key(|it| Reverse(it.created));
        Self {
            key: packet,
            fingerprint: key.fingerprint().to_string().to_ascii_lowercase(),
            material: material(key.algorithm(), key.public_params()),
            created: key.created_at().timestamp(),
            bindings,
            revoked,
        }
    }

    /// The binding that holds at `now`: the latest one that is not from the future and not over.
    fn binding(&self, now: i64) -> Result<KeyBinding, KeyFault> {
        if self.revoked {
            return Err(KeyFault::Revoked);
        }
        let holds = |it: &&KeyBinding| it.created <= now && it.ends.is_none_or(|end| now < end);
        let binding = self.bindings.iter().find(holds).ok_or(KeyFault::Unbound)?;
        // An earlier one is what it was made to replace.
        if binding.signing == Signing::NotUnderstood {
            return Err(KeyFault::NotUnderstood);
        }
        match binding.expires {
            Some(end) if end <= now => {
                let end = Timestamp::from_unix(end).map_err(|_| KeyFault::Unbound)?;
                Err(KeyFault::Expired(end))
            }
            _ => Ok(*binding),
        }
    }
}

impl Packets {
    /// The owner's signatures of this type about this part of the certificate.
    fn of_type(&self, kind: SignatureType, about: CertificatePart) -> impl Iterator<Item = &Own> {
        self.own.iter().filter(move |it| it.signature.typ() == Some(kind) && it.about == about)
    }
}

impl KeyBinding {
    /// Reads the owner's signature about `key`. Returns `None` if the signature is too weak. If it
    /// states something twice, the stricter statement counts.
    fn of(own: &Own, key: &impl PublicKeyTrait) -> Option<Self> {
        let signature = &own.signature;
        if !is_strong(signature) {
            return None;
        }
        let created = signature.created()?.timestamp();
        let mut binding = Self { created, ends: None, expires: None, signing: Signing::Unsaid };
        let earlier = |end: &mut Option<i64>, from: i64, time: i64| {
            // Zero means never (RFC 9580 section 5.2.3.13).
            if time != 0 {
                let said = from.saturating_add(time);
                *end = Some(end.map_or(said, |end| end.min(said)));
            }
        };
        for it in signature.config()?.hashed_subpackets() {
            match &it.data {
                SubpacketData::SignatureExpirationTime(time) => {
                    earlier(&mut binding.ends, created, time.num_seconds());
                }
                SubpacketData::KeyExpirationTime(time) => {
                    let begins = key.created_at().timestamp();
                    earlier(&mut binding.expires, begins, time.num_seconds());
                }
                SubpacketData::KeyFlags(flags) if !flags.sign() => binding.signing = Signing::No,
                SubpacketData::KeyFlags(_) if binding.signing == Signing::Unsaid => {
                    binding.signing = Signing::Yes;
                }
                _ => {}
            }
        }
        if !own.is_plain || !is_understood(signature) {
            binding.signing = Signing::NotUnderstood;
        }
        Some(binding)
    }
}

/// Returns true when the signature's hash resists collisions: nobody can make two texts that both
/// fit the signature.
pub(crate) fn is_strong(signature: &Signature) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Returns true when everything critical in the signature (RFC 9580 section 5.2.3.7) is understood.
pub(crate) fn is_understood(signature: &Signature) -> bool {
    let Some(config) = signature.config() else { return false };
    config.hashed_subpackets().filter(|it| it.is_critical).all(|it| {
        !matches!(
            it.data,
            SubpacketData::Notation(_)
                | SubpacketData::RegularExpression(_)
                | SubpacketData::Experimental(..)
                | SubpacketData::Other(..)
        )
    })
}

/// The material of a key, if its signatures count: RSA that is long enough, ECDSA or EdDSA.
fn material(algorithm: PublicKeyAlgorithm, params: &PublicParams) -> Option<KeyMaterial> {
    let bytes = params.to_bytes().ok()?;
    match algorithm {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => {
            let bits = bytes.first_chunk().copied().map(u16::from_be_bytes)?;
            (bits >= Certificate::LEAST_RSA).then(|| KeyMaterial::rsa_mpis(&bytes))
        }
        PublicKeyAlgorithm::EdDSALegacy | PublicKeyAlgorithm::Ed25519 => {
            bytes.last_chunk().map(KeyMaterial::ed25519)
        }
        PublicKeyAlgorithm::ECDSA => match params {
            PublicParams::ECDSA(ecdsa) if ecdsa.is_supported() => {
                Some(KeyMaterial::ecdsa(ecdsa.curve().name(), &bytes))
            }
            _ => None,
        },
        _ => None,
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.packets() == other.packets()
    }
}

impl Eq for Certificate {}

impl PartialOrd for Certificate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Certificate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.packets().cmp(other.packets())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}
