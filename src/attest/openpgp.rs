//! OpenPGP signatures as securesystemslib takes them out of their packets.
//!
//! `other_headers` is what a packet of version 4 hashes besides the data (RFC 9580 section 5.2.3:
//! version, type, algorithms, hashed subpackets), `signature` the numbers of the algorithm:
//! for RSA the one, for EdDSA the two of 32 bytes each, for ECDSA and DSA both in DER
//! (securesystemslib, `gpg/common.py`, `gpg/rsa.py`, `gpg/eddsa.py`).
//!
//! The packet is put together again and read by the crate `pgp`, so that nothing in it is judged by
//! code that does not know the format. Whether a key may sign is [`Certificate`]'s to say.

use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{PacketHeader, Signature, SignatureType};
use pgp::ser::Serialize as _;
use pgp::types::{Mpi, PublicKeyTrait, Tag};

use super::{AHEAD, SignatureFault};
use crate::types::{Certificate, ComponentKey, Timestamp, is_strong, is_understood};

/// Longest `other_headers` that is read, in bytes. GnuPG's has 50.
pub(super) const MAX_HEADERS: usize = 8192;

/// A signature taken out of its packet. Whoever reads it bounds both.
pub(super) struct OpenPgpSignature {
    pub(super) headers: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Whether a key of `certificate` made this signature over `message`, and may.
///
/// # Errors
/// Nothing if none of its keys made it, else why it does not count.
pub(super) fn verify(
    certificate: &Certificate,
    signature: &OpenPgpSignature,
    message: &[u8],
    now: Timestamp,
) -> Result<(), Option<SignatureFault>> {
    let packet = packet(signature, message).ok_or(None)?;
    verify_packet(certificate, &packet, SignatureType::Binary, message, now)
}

/// Whether a key of `certificate` made the signature in `packet`, which must be of the type
/// `expected`, over `message`, and may.
///
/// # Errors
/// As [`verify`].
pub(super) fn verify_packet(
    certificate: &Certificate,
    packet: &Signature,
    expected: SignatureType,
    message: &[u8],
    now: Timestamp,
) -> Result<(), Option<SignatureFault>> {
    let made_it = certificate.components().find(|component| match &component.key {
        ComponentKey::Primary(key) => fits(packet, key, message),
        ComponentKey::Sub(key) => fits(packet, key, message),
    });
    let component = made_it.ok_or(None)?;
    // From here on, somebody who has the key said so.
    if packet.typ() != Some(expected) {
        return Err(Some(SignatureFault::NotOverData));
    }
    if !is_strong(packet) {
        return Err(Some(SignatureFault::WeakHash));
    }
    if !is_understood(packet) {
        return Err(Some(SignatureFault::NotUnderstood));
    }
    let since = certificate.may_sign(component, now).map_err(|why| {
        let key = component.fingerprint.clone();
        Some(SignatureFault::Key { key, why })
    })?;
    let created = packet.created().ok_or(Some(SignatureFault::Undated))?.timestamp();
    if created < since.as_unix() || created > now.as_unix().saturating_add(AHEAD) {
        return Err(Some(SignatureFault::WrongTime));
    }
    let lasts = packet.signature_expiration_time().map(|it| it.num_seconds());
    let over = |lasts: i64| lasts != 0 && created.saturating_add(lasts) <= now.as_unix();
    if lasts.is_some_and(over) {
        return Err(Some(SignatureFault::Expired));
    }
    Ok(())
}

fn fits(packet: &Signature, key: &impl PublicKeyTrait, message: &[u8]) -> bool {
    packet.verify(key, message).is_ok()
}

/// Puts the packet together again (RFC 9580 section 5.2.3).
fn packet(it: &OpenPgpSignature, message: &[u8]) -> Option<Signature> {
    let [version, _, algorithm, hash, rest @ ..] = it.headers.as_slice() else { return None };
    let (length, subpackets) = rest.split_first_chunk()?;
    // The subpackets must be all that is left: what follows would be hashed, too, and read by
    // nobody.
    if *version != 4 || usize::from(u16::from_be_bytes(*length)) != subpackets.len() {
        return None;
    }
    let mut body = it.headers.clone();
    // No unhashed subpackets.
    body.extend([0, 0]);
    body.extend(first_bytes_of_hash(*hash, message, &it.headers)?);
    for number in numbers(PublicKeyAlgorithm::from(*algorithm), &it.signature)? {
        body.extend(number.to_bytes().ok()?);
    }
    let header = PacketHeader::new_fixed(Tag::Signature, u32::try_from(body.len()).ok()?);
    Signature::try_from_reader(header, body.as_slice()).ok()
}

/// The first two bytes of the hash, which a packet carries so that readers notice sooner that it
/// does not fit. Of any hash that is known: whether it is strong enough is said when it is known
/// that the key made it.
fn first_bytes_of_hash(algorithm: u8, message: &[u8], headers: &[u8]) -> Option<[u8; 2]> {
    let mut hasher = HashAlgorithm::from(algorithm).new_hasher().ok()?;
    hasher.update(message);
    hasher.update(headers);
    // The trailer of version 4 (RFC 9580 section 5.2.4).
    hasher.update(&[4, 0xff]);
    hasher.update(&u32::try_from(headers.len()).ok()?.to_be_bytes());
    hasher.finalize().first_chunk().copied()
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
