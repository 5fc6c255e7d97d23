//! OpenPGP certificates, as the configuration pins them.
//!
//! The crate `pgp` reads packets and checks signatures. What follows from them (which key is bound
//! to which, from when, until when, and what for) is judged here, by RFC 9580, and strictly: what
//! is not certain does not sign.

use std::cmp::{Ordering, Reverse};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::sync::Arc;

use pgp::armor::Dearmor;
use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{self, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, KeyVersion, PublicKeyTrait, PublicParams, SignedUser, Tag};

use super::{KeyError, KeyMaterial, Timestamp};

/// An OpenPGP certificate ("transferable public key", RFC 9580 section 10.1) of version 4, with
/// what its own signatures, verified, say about its keys.
///
/// Signatures by others, and revocations by keys that it appoints for that, are not looked at.
#[derive(Clone)]
pub struct Certificate(Arc<Content>);

struct Content {
    packets: Vec<u8>,
    primary: Component,
    subkeys: Vec<Component>,
}

/// A key in a certificate.
pub(crate) struct Component {
    /// What verifies its signatures
    pub(crate) key: ComponentKey,
    /// In hexadecimal, lower case
    pub(crate) fingerprint: String,
    material: Option<KeyMaterial>,
    created: i64,
    /// The latest first
    bindings: Vec<Binding>,
    revoked: bool,
}

/// The packet of a key, by its kind.
pub(crate) enum ComponentKey {
    /// A primary key
    Primary(packet::PublicKey),
    /// A subkey
    Sub(packet::PublicSubkey),
}

/// What a verified signature says about a key. Seconds since 1970.
#[derive(Clone, Copy)]
struct Binding {
    created: i64,
    /// When the binding itself ends
    ends: Option<i64>,
    /// When the key expires by it
    expires: Option<i64>,
    signing: Signing,
}

/// Whether a key is meant to sign data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// It is said so.
    Yes,
    /// Nothing is said.
    Unsaid,
    /// It is said what else it is for.
    No,
}

/// Why a key of a certificate cannot sign now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Its owner took it back.
    #[error("it was revoked")]
    Revoked,
    /// Its time is over.
    #[error("it expired on {}", .0.date())]
    Expired(Timestamp),
    /// No signature of the certificate makes it part of it, or none that is strong enough.
    #[error("nothing valid binds it to its certificate (signatures with SHA-1 or MD5 do not)")]
    Unbound,
    /// It is for encryption, certification or something else, or too weak for anything.
    #[error("it is not a key for signing data, or too weak")]
    NotForSigning,
}

impl Certificate {
    /// Largest certificate that is read, in bytes. One with 100 signatures by others has about
    /// 60 kB. Its own signatures are all looked at, wherever they stand among those of others.
    pub const MAX_LENGTH: usize = 512 * 1024;

    /// Shortest RSA key that counts, in bits.
    const LEAST_RSA: u16 = 2048;

    /// Most keys in one certificate: each can cost a check of every signature.
    const MOST_KEYS: usize = 64;

    /// Reads an armoured certificate.
    ///
    /// # Errors
    /// If `text` is anything but exactly one certificate of version 4.
    pub fn from_armor(text: &str) -> Result<Self, KeyError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(KeyError::TooLong { most: Self::MAX_LENGTH });
        }
        let text = text.trim();
        let begins = text.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----");
        // What stands behind the first block would be passed over.
        if !begins || text.matches("-----BEGIN ").count() != 1 {
            return Err(KeyError::NotArmor);
        }
        let mut packets = Vec::new();
        Dearmor::new(text.as_bytes())
            .read_to_end(&mut packets)
            .map_err(|_| KeyError::NotOpenPgp)?;
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
        let mut keys =
            SignedPublicKey::from_bytes_many(packets).map_err(|_| KeyError::NotOpenPgp)?;
        let (Some(Ok(key)), None) = (keys.next(), keys.next()) else {
            return Err(KeyError::NotOpenPgp);
        };
        let subkeys = &key.public_subkeys;
        if subkeys.len() >= Self::MOST_KEYS {
            return Err(KeyError::TooManyKeys { most: Self::MOST_KEYS });
        }
        if key.primary_key.version() != KeyVersion::V4
            || subkeys.iter().any(|it| it.key.version() != KeyVersion::V4)
        {
            return Err(KeyError::OpenPgpVersion);
        }
        Ok(Self(Arc::new(Content {
            packets: packets.to_vec(),
            primary: Component::primary(&key),
            subkeys: subkeys.iter().map(|it| Component::sub(&key.primary_key, it)).collect(),
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

    /// What its keys are made of, those that could make signatures.
    pub(super) fn materials(&self) -> impl Iterator<Item = &KeyMaterial> {
        self.components().filter_map(|it| it.material.as_ref())
    }

    /// All of its keys, the primary one first.
    pub(crate) fn components(&self) -> impl Iterator<Item = &Component> {
        std::iter::once(&self.0.primary).chain(&self.0.subkeys)
    }

    /// Whether any of its keys may sign data at `now`.
    ///
    /// # Errors
    /// Why the first one that was made for it may not, or else its primary key.
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

    /// Whether this key of it may sign data at `now`, and since when.
    pub(crate) fn may_sign(&self, key: &Component, now: Timestamp) -> Result<Timestamp, KeyFault> {
        let now = now.as_unix();
        let primary = &self.0.primary;
        // A subkey is worth no more than the key that it is bound to.
        let owner = primary.binding(now)?;
        let is_primary = std::ptr::eq(key, primary);
        let binding = if is_primary { owner } else { key.binding(now)? };
        let signs = match binding.signing {
            Signing::Yes => true,
            // Before key flags, the primary key was for everything.
            Signing::Unsaid => is_primary,
            Signing::No => false,
        };
        if !signs || key.material.is_none() {
            return Err(KeyFault::NotForSigning);
        }
        Timestamp::from_unix(key.created).map_err(|_| KeyFault::Unbound)
    }
}

impl Component {
    fn primary(key: &SignedPublicKey) -> Self {
        let primary = &key.primary_key;
        let own = |it: &&Signature| it.verify_key(primary).is_ok();
        let mut bindings: Vec<Binding> = key
            .details
            .direct_signatures
            .iter()
            .filter(|it| it.typ() == Some(SignatureType::Key) && own(it))
            .filter_map(|it| Binding::of(it, primary))
            .collect();
        for user in &key.details.users {
            bindings.extend(of_user(user, primary));
        }
        let revoked = key
            .details
            .revocation_signatures
            .iter()
            .any(|it| it.typ() == Some(SignatureType::KeyRevocation) && own(&it));
        let packet = ComponentKey::Primary(primary.clone());
        Self::new(packet, primary, bindings, revoked)
    }

    fn sub(primary: &packet::PublicKey, sub: &SignedPublicSubKey) -> Self {
        let own = |it: &&Signature, typ| {
            it.typ() == Some(typ) && it.verify_subkey_binding(primary, &sub.key).is_ok()
        };
        let bindings = sub
            .signatures
            .iter()
            .filter(|it| own(it, SignatureType::SubkeyBinding))
            .filter_map(|it| {
                let binding = Binding::of(it, &sub.key)?;
                // A key that signs must itself say that it belongs here: otherwise anybody could
                // put somebody else's key under his own name.
                let back = it.embedded_signature();
                let bound = back.is_some_and(|it| {
                    it.typ() == Some(SignatureType::KeyBinding)
                        && is_strong(it)
                        && it.verify_primary_key_binding(&sub.key, primary).is_ok()
                });
                (bound || binding.signing != Signing::Yes).then_some(binding)
            })
            .collect();
        let revoked = sub.signatures.iter().any(|it| own(&it, SignatureType::SubkeyRevocation));
        Self::new(ComponentKey::Sub(sub.key.clone()), &sub.key, bindings, revoked)
    }

    fn new(
        packet: ComponentKey,
        key: &impl PublicKeyTrait,
        mut bindings: Vec<Binding>,
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
    fn binding(&self, now: i64) -> Result<Binding, KeyFault> {
        if self.revoked {
            return Err(KeyFault::Revoked);
        }
        let holds = |it: &&Binding| it.created <= now && it.ends.is_none_or(|end| now < end);
        let binding = self.bindings.iter().find(holds).ok_or(KeyFault::Unbound)?;
        match binding.expires {
            Some(end) if end <= now => {
                let end = Timestamp::from_unix(end).map_err(|_| KeyFault::Unbound)?;
                Err(KeyFault::Expired(end))
            }
            _ => Ok(*binding),
        }
    }
}

impl Binding {
    /// What a signature about `key`, verified elsewhere, says. Nothing if it is too weak or says
    /// something that must be understood and is not.
    fn of(signature: &Signature, key: &impl PublicKeyTrait) -> Option<Self> {
        if !is_strong(signature) || !is_understood(signature) {
            return None;
        }
        let created = signature.created()?.timestamp();
        let begins = key.created_at().timestamp();
        // Zero means never (RFC 9580 section 5.2.3.13).
        let after = |from: i64, time: Option<i64>| {
            time.filter(|time| *time != 0).map(|time| from.saturating_add(time))
        };
        let hashed = signature.config()?.hashed_subpackets();
        let mut flags = hashed.filter_map(|it| match &it.data {
            SubpacketData::KeyFlags(flags) => Some(flags.sign()),
            _ => None,
        });
        Some(Self {
            created,
            ends: after(created, signature.signature_expiration_time().map(|it| it.num_seconds())),
            expires: after(begins, signature.key_expiration_time().map(|it| it.num_seconds())),
            signing: match flags.next() {
                Some(true) => Signing::Yes,
                Some(false) => Signing::No,
                None => Signing::Unsaid,
            },
        })
    }
}

/// What a user id says about the primary key, if it was not taken back.
fn of_user(user: &SignedUser, primary: &packet::PublicKey) -> Vec<Binding> {
    let own = |it: &&Signature| it.verify_certification(primary, Tag::UserId, &user.id).is_ok();
    let revoked_at = user
        .signatures
        .iter()
        .filter(|it| it.typ() == Some(SignatureType::CertRevocation))
        .filter(own)
        .filter_map(|it| Some(it.created()?.timestamp()))
        .max();
    user.signatures
        .iter()
        .filter(|it| it.is_certification() && it.typ() != Some(SignatureType::CertRevocation))
        .filter(own)
        .filter_map(|it| Binding::of(it, primary))
        .filter(|it| revoked_at.is_none_or(|revoked| revoked < it.created))
        .collect()
}

/// Whether nobody can make two texts that the signature fits both of.
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

/// Whether a signature says nothing that must be understood (RFC 9580 section 5.2.3.7, "critical")
/// and is not.
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

/// What a key is made of, if it is one whose signatures count: RSA that is long enough, ECDSA or
/// EdDSA.
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

impl Hash for Certificate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.packets().hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.fingerprint())
    }
}
