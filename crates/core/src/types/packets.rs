//! A certificate taken apart: its keys, and what its owner signed into it.
//!
//! Every packet is looked at, or the certificate is refused: whoever passes one over may pass over
//! what takes the key back. Where a signature stands is only where it is tried first. A revocation
//! that was appended to the file, or moved behind a user id, is one for GnuPG and Sequoia, too.

use pgp::packet::{self, PacketHeader, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails as _, PacketLength, Tag};

use super::KeyError;
use super::certificate::is_strong;
use super::hashed::{Hashed, hashed_part};

/// Most keys in one certificate: each can cost a check of every signature.
const MOST_KEYS: usize = 64;

/// Most checks of a signature that one certificate can cause. One of [`super::Certificate::MAX_LENGTH`]
/// has room for some 6,000 signatures, and most stand where they belong.
const MOST_CHECKS: usize = 8192;

/// The parts of a certificate.
pub(super) struct Packets {
    pub(super) primary: packet::PublicKey,
    pub(super) subkeys: Vec<packet::PublicSubkey>,
    /// The signatures that the primary key made, verified
    pub(super) own: Vec<Own>,
    /// Is true when there is a revocation that cannot be verified and may be the owner's
    pub(super) doubtful: bool,
}

/// The part of a certificate that a signature is about, by its position among those of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificatePart {
    /// The primary key
    Key,
    /// The primary key and a user id or attribute
    User(usize),
    /// The primary key and a subkey
    Subkey(usize),
}

/// A signature that the owner of a certificate made.
pub(super) struct Own {
    pub(super) signature: Signature,
    pub(super) about: CertificatePart,
    /// Is true when everything that was signed was understood, so that writing it again gives the
    /// same bytes
    pub(super) is_plain: bool,
}

/// A signature as it stands in a certificate.
struct FoundSignature<'p> {
    signature: Signature,
    body: &'p [u8],
    stands_behind: CertificatePart,
}

/// The party in whose name a signature was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Issuer {
    Own,
    Nobody,
    Foreign,
}

impl Packets {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// If `bytes` are anything but one certificate of version 4, every packet of which has its place.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut keys: Vec<&[u8]> = Vec::new();
        let (mut primary, mut subkeys) = (None, Vec::new());
        let (mut users, mut found) = (Vec::new(), Vec::new());
        let mut behind = CertificatePart::Key;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (header, body) = next(&mut rest)?;
            match (header.tag(), &primary) {
                (Tag::PublicKey, None) => {
                    primary = Some(key(body, |it| packet::PublicKey::try_from_reader(header, it))?);
                    keys.push(body);
                }
                (_, None) | (Tag::PublicKey, _) => return Err(KeyError::NotOpenPgp),
                (Tag::PublicSubkey, _) => {
                    if keys.len() >= MOST_KEYS {
                        return Err(KeyError::TooManyKeys { most: MOST_KEYS });
                    }
                    behind = CertificatePart::Subkey(subkeys.len());
                    subkeys
                        .push(key(body, |it| packet::PublicSubkey::try_from_reader(header, it))?);
                    keys.push(body);
                }
                (Tag::UserId, _) => {
                    behind = CertificatePart::User(users.len());
                    users.push((0xb4, body));
                }
                (Tag::UserAttribute, _) => {
                    behind = CertificatePart::User(users.len());
                    users.push((0xd1, body));
                }
                (Tag::Signature, _) => {
                    let signature = whole(body, |it| Signature::try_from_reader(header, it))?;
                    // Of another version than those that are known it could say anything.
                    if signature.config().is_none() {
                        return Err(KeyError::OddPacket { kind: header.tag().into() });
                    }
                    found.push(FoundSignature { signature, body, stands_behind: behind });
                }
                (other, _) => return Err(KeyError::OddPacket { kind: other.into() }),
            }
        }
        let primary = primary.ok_or(KeyError::NotOpenPgp)?;
        let messages = Messages::new(&keys, &users);
        let (own, doubtful) = messages.own(found, &primary)?;
        Ok(Self { primary, subkeys, own, doubtful })
    }
}

/// The next packet, which must say how long it is and be all there.
pub(super) fn next<'p>(rest: &mut &'p [u8]) -> Result<(PacketHeader, &'p [u8]), KeyError> {
    let header = PacketHeader::try_from_reader(&mut *rest).map_err(|_| KeyError::NotOpenPgp)?;
    let PacketLength::Fixed(length) = header.packet_length() else {
        return Err(KeyError::NotOpenPgp);
    };
    let length = usize::try_from(length).map_err(|_| KeyError::NotOpenPgp)?;
    let (body, behind) = rest.split_at_checked(length).ok_or(KeyError::NotOpenPgp)?;
    *rest = behind;
    Ok((header, body))
}

/// Parses `body` with `read`. Fails if bytes are left over.
fn whole<'p, T>(
    body: &'p [u8],
    read: impl FnOnce(&mut &'p [u8]) -> pgp::errors::Result<T>,
) -> Result<T, KeyError> {
    let mut rest = body;
    let made = read(&mut rest).map_err(|_| KeyError::NotOpenPgp)?;
    if rest.is_empty() { Ok(made) } else { Err(KeyError::NotOpenPgp) }
}

/// A key, which must be one of version 4 and written in the one way in which it can be, because its
/// fingerprint is of what is written.
fn key<'p, T: pgp::ser::Serialize>(
    body: &'p [u8],
    read: impl FnOnce(&mut &'p [u8]) -> pgp::errors::Result<T>,
) -> Result<T, KeyError> {
    if body.first() != Some(&4) {
        return Err(KeyError::OpenPgpVersion);
    }
    let key = whole(body, read)?;
    if key.to_bytes().ok().as_deref() == Some(body) { Ok(key) } else { Err(KeyError::NotOpenPgp) }
}

/// The messages that the signatures of a certificate are made over (RFC 9580 section 5.2.4).
struct Messages {
    key: Hashed,
    users: Vec<Hashed>,
    subkeys: Vec<Hashed>,
}

impl Messages {
    /// By the bodies of the keys, the primary one first, and of the user ids, each with what is
    /// hashed in place of its header.
    fn new(keys: &[&[u8]], users: &[(u8, &[u8])]) -> Self {
        let framed = |start: &[u8], length: &[u8], body: &[u8]| [start, length, body].concat();
        let length = |body: &[u8]| u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let framed_key = |body: &&[u8]| {
            let [_, _, length @ ..] = length(body);
            framed(&[0x99], &length, body)
        };
        let mut keys = keys.iter().map(framed_key);
        let primary = keys.next().unwrap_or_default();
        let with = |other: Vec<u8>| Hashed::new([primary.as_slice(), &other].concat());
        let user = |(start, body): &(u8, &[u8])| with(framed(&[*start], &length(body), body));
        Self {
            users: users.iter().map(user).collect(),
            subkeys: keys.map(with).collect(),
            key: Hashed::new(primary),
        }
    }

    fn of(&self, about: CertificatePart) -> Option<&Hashed> {
        match about {
            CertificatePart::Key => Some(&self.key),
            CertificatePart::User(at) => self.users.get(at),
            CertificatePart::Subkey(at) => self.subkeys.get(at),
        }
    }

    /// All parts of the certificate that a signature of this type can be about.
    fn all(&self, kind: SignatureType) -> impl Iterator<Item = CertificatePart> {
        let key = matches!(
            kind,
            SignatureType::Key | SignatureType::KeyRevocation | SignatureType::CertRevocation
        );
        let users = is_certification(kind) || kind == SignatureType::CertRevocation;
        let subkeys =
            matches!(kind, SignatureType::SubkeyBinding | SignatureType::SubkeyRevocation);
        let count = |is: bool, all: &[Hashed]| if is { all.len() } else { 0 };
        let (users, subkeys) = (count(users, &self.users), count(subkeys, &self.subkeys));
        key.then_some(CertificatePart::Key)
            .into_iter()
            .chain((0..users).map(CertificatePart::User))
            .chain((0..subkeys).map(CertificatePart::Subkey))
    }

    /// The signatures that `primary` made, and whether there is a revocation that may be the owner's
    /// and cannot be verified.
    fn own(
        &self,
        found: Vec<FoundSignature<'_>>,
        primary: &packet::PublicKey,
    ) -> Result<(Vec<Own>, bool), KeyError> {
        let mut left = MOST_CHECKS;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for it in found {
            let Some(kind) = it.signature.typ() else { continue };
            let issuer = issuer(&it.signature, primary);
            // Somebody else's certification gives nothing; that a revocation is somebody else's, its
            // signature must tell.
            if issuer == Issuer::Foreign && !is_revocation(kind) {
                continue;
            }
            // Of a version before 4. GnuPG takes it all the same, so it can revoke, and bind nothing here.
            let Some(part) = hashed_part(it.body) else {
                if is_revocation(kind) {
                    others.push((issuer, kind, it.signature));
                }
                continue;
            };
            let here = self.all(kind).filter(|about| *about == it.stands_behind);
            let elsewhere = self.all(kind).filter(|about| *about != it.stands_behind);
            let mut about = None;
            for place in here.chain(elsewhere) {
                left = left.checked_sub(1).ok_or(KeyError::TooManySignatures)?;
                let message = self.of(place);
                if message.is_some_and(|message| message.is_signed(&it.signature, part, primary)) {
                    about = Some(place);
                    break;
                }
            }
            match about {
                Some(about) => {
                    let written = it.signature.to_bytes().unwrap_or_default();
                    let is_plain = hashed_part(&written) == Some(part);
                    own.push(Own { signature: it.signature, about, is_plain });
                }
                None if is_revocation(kind) => others.push((issuer, kind, it.signature)),
                None => {}
            }
        }
        // A key that was appointed to revoke is not here, so nobody can tell whether it did.
        let appoints = own.iter().any(|it| appoints_a_revoker(&it.signature));
        let doubtful = others.iter().any(|(issuer, kind, signature)| match issuer {
            Issuer::Own => true,
            // The library does not verify every key's signatures with weak hashes.
            Issuer::Nobody if !is_strong(signature) => true,
            _ => appoints && *kind != SignatureType::CertRevocation,
        });
        Ok((own, doubtful))
    }
}

fn issuer(signature: &Signature, primary: &packet::PublicKey) -> Issuer {
    let (ids, fingerprints) = (signature.issuer(), signature.issuer_fingerprint());
    let own = ids.iter().any(|id| **id == primary.key_id())
        || fingerprints.iter().any(|it| **it == primary.fingerprint());
    match own {
        true => Issuer::Own,
        false if ids.is_empty() && fingerprints.is_empty() => Issuer::Nobody,
        false => Issuer::Foreign,
    }
}

pub(super) const fn is_certification(kind: SignatureType) -> bool {
    matches!(
        kind,
        SignatureType::CertGeneric
            | SignatureType::CertPersona
            | SignatureType::CertCasual
            | SignatureType::CertPositive
    )
}

const fn is_revocation(kind: SignatureType) -> bool {
    matches!(
        kind,
        SignatureType::KeyRevocation
            | SignatureType::SubkeyRevocation
            | SignatureType::CertRevocation
    )
}

/// RFC 9580 section 5.2.3.23.
fn appoints_a_revoker(signature: &Signature) -> bool {
    let mut subpackets = signature.config().into_iter().flat_map(|it| it.hashed_subpackets());
    subpackets.any(|it| matches!(it.data, SubpacketData::RevocationKey(_)))
}
