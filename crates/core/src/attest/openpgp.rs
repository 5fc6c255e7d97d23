//! OpenPGP signatures as securesystemslib takes them out of their packets.
//!
//! `other_headers` is what a packet of version 4 hashes besides the data (RFC 9580 section 5.2.3:
//! version, type, algorithms, hashed subpackets), `signature` the numbers of the algorithm:
//! for RSA the one, for EdDSA the two of 32 bytes each, for ECDSA and DSA both in DER
//! (securesystemslib, `gpg/common.py`, `gpg/rsa.py`, `gpg/eddsa.py`).
//!
//! The packet is put together again and read by the crate `pgp`, so that nothing in it is judged by
//! code that does not know the format. Whether a key may sign is [`Certificate`]'s to say.

use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{PacketHeader, Signature, SignatureType};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails, Mpi, PublicKeyTrait, Tag};

use super::{AHEAD, SignatureFault};
use crate::types::{
    Certificate, Component, ComponentKey, Hashed, Timestamp, hashed_part, is_strong, is_understood,
};

/// Longest `other_headers` that is read, in bytes. GnuPG's has 50.
pub(super) const MAX_HEADERS: usize = 8192;

/// A signature packet of version 4.
pub(super) struct OpenPgpSignature {
    packet: Signature,
    /// The part of the packet that is hashed together with the message
    part: Vec<u8>,
    /// The type that it must be of
    expected: SignatureType,
}

impl OpenPgpSignature {
    /// Takes a packet as it was read.
    pub(super) fn of(packet: Signature, expected: SignatureType) -> Option<Self> {
        let part = hashed_part(&packet.to_bytes().ok()?)?.to_vec();
        Some(Self { packet, part, expected })
    }

    /// Puts a packet together again (RFC 9580 section 5.2.3). Whoever reads the parts bounds both.
    pub(super) fn put_together(headers: &[u8], signature: &[u8]) -> Option<Self> {
        let [version, _, algorithm, _, rest @ ..] = headers else { return None };
        let (length, subpackets) = rest.split_first_chunk()?;
        // The subpackets must be all that is left: what follows would be hashed, too, and read by
        // nobody.
        if *version != 4 || usize::from(u16::from_be_bytes(*length)) != subpackets.len() {
            return None;
        }
        let mut body = headers.to_vec();
        // No unhashed subpackets, and the first two bytes of the hash, which are only a hint.
        body.extend([0, 0, 0, 0]);
        for number in numbers(PublicKeyAlgorithm::from(*algorithm), signature)? {
            body.extend(number.to_bytes().ok()?);
        }
        let header = PacketHeader::new_fixed(Tag::Signature, u32::try_from(body.len()).ok()?);
        let packet = Signature::try_from_reader(header, body.as_slice()).ok()?;
        // What is hashed must be what was understood.
        Self::of(packet, SignatureType::Binary).filter(|it| it.part == headers)
    }

    /// The fingerprints and key ids in whose name it stands, in lower case.
    pub(super) fn issuers(&self) -> impl Iterator<Item = String> {
        let fingerprints = self.packet.issuer_fingerprint().into_iter().map(ToString::to_string);
        let ids = self.packet.issuer().into_iter().map(ToString::to_string);
        fingerprints.chain(ids).map(|it| it.to_ascii_lowercase())
    }

    /// The fingerprint in whose name it stands, if it says so.
    pub(super) fn issuer(&self) -> Option<String> {
        self.packet.issuer_fingerprint().first().map(ToString::to_string)
    }

    /// Returns true when this key could have made the signature, by what both state about
    /// themselves. This costs nothing.
    pub(super) fn can_be_by(&self, component: &Component) -> bool {
        match &component.key {
            ComponentKey::Primary(key) => self.names(key),
            ComponentKey::Sub(key) => self.names(key),
        }
    }

    fn names(&self, key: &impl KeyDetails) -> bool {
        let packet = &self.packet;
        let (ids, fingerprints) = (packet.issuer(), packet.issuer_fingerprint());
        packet.config().is_some_and(|it| it.pub_alg == key.algorithm())
            && (ids.is_empty() && fingerprints.is_empty()
                || ids.iter().any(|it| **it == key.key_id())
                || fingerprints.iter().any(|it| **it == key.fingerprint()))
    }

    /// Checks that this key of `certificate` made the signature over the message, and may sign.
    ///
    /// # Errors
    /// `None` if the key did not make it, otherwise the reason that it does not count.
    pub(super) fn verify(
        &self,
        certificate: &Certificate,
        component: &Component,
        message: &Hashed,
        now: Timestamp,
    ) -> Result<(), Option<SignatureFault>> {
        let made_it = match &component.key {
            ComponentKey::Primary(key) => self.is_by(key, message),
            ComponentKey::Sub(key) => self.is_by(key, message),
        };
        if !made_it {
            return Err(None);
        }
        self.check(certificate, component, now).map_err(Some)
    }

    /// Checks that any key of `certificate` made the signature over the message, and may sign.
    ///
    /// # Errors
    /// `None` if none of them made it, otherwise the reason that it does not count.
    pub(super) fn verify_by_any(
        &self,
        certificate: &Certificate,
        message: &Hashed,
        now: Timestamp,
    ) -> Result<(), Option<SignatureFault>> {
        let able = certificate.components().filter(|it| self.can_be_by(it));
        // Two keys are never the same, so a signature that one of them made is no other's.
        able.map(|it| self.verify(certificate, it, message, now))
            .find(|it| !matches!(it, Err(None)))
            .unwrap_or(Err(None))
    }

    fn is_by(&self, key: &impl PublicKeyTrait, message: &Hashed) -> bool {
        // The message that signatures of other types are over is not known.
        matches!(self.packet.typ(), Some(SignatureType::Binary | SignatureType::Text))
            && message.is_signed(&self.packet, &self.part, key)
    }

    /// Checks that the signature counts. The caller has verified that the key made it.
    fn check(
        &self,
        certificate: &Certificate,
        component: &Component,
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        let packet = &self.packet;
        if packet.typ() != Some(self.expected) {
            return Err(SignatureFault::NotOverData);
        }
        if !is_strong(packet) {
            return Err(SignatureFault::WeakHash);
        }
        if !is_understood(packet) {
            return Err(SignatureFault::NotUnderstood);
        }
        let since = certificate.may_sign(component, now).map_err(|why| {
            let key = component.fingerprint.clone();
            SignatureFault::Key { key, why }
        })?;
        let created = packet.created().ok_or(SignatureFault::Undated)?.timestamp();
        if created < since.as_unix() || created > now.as_unix().saturating_add(AHEAD) {
            return Err(SignatureFault::WrongTime);
        }
        let lasts = packet.signature_expiration_time().map(|it| it.num_seconds());
        let over = |lasts: i64| lasts != 0 && created.saturating_add(lasts) <= now.as_unix();
        if lasts.is_some_and(over) {
            return Err(SignatureFault::Expired);
        }
        Ok(())
    }
}

/// The numbers that a packet of this algorithm has.
fn numbers(algorithm: PublicKeyAlgorithm, signature: &[u8]) -> Option<Vec<Mpi>> {
    let number = |bytes: &[u8]| Mpi::from_slice(bytes);
    match algorithm {
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => Some(vec![number(signature)]),
        PublicKeyAlgorithm::EdDSALegacy => {
            let (r, s) = signature.split_at_checked(32)?;
            (s.len() == 32).then(|| vec![number(r), number(s)])
        }
        PublicKeyAlgorithm::ECDSA => {
            let [r, s] = two_numbers(signature)?;
            Some(vec![number(r), number(s)])
        }
        _ => None,
    }
}

/// The two numbers of `SEQUENCE { INTEGER, INTEGER }` in DER, neither of them negative.
fn two_numbers(der: &[u8]) -> Option<[&[u8]; 2]> {
    use spki::der::asn1::UintRef;
    use spki::der::{Decode, Reader, SliceReader};

    let mut reader = SliceReader::new(der).ok()?;
    let numbers = reader.sequence(|inner| Ok([UintRef::decode(inner)?, UintRef::decode(inner)?]));
    let numbers = reader.finish(numbers.ok()?).ok()?;
    Some(numbers.map(|it| it.as_bytes()))
}
