//! OpenPGP packets of version 4 with EdDSA and RSA keys, written out byte by byte (RFC 9580 sections 4, 5
//! and 10): certificates with whatever can be wrong with them, and signatures as securesystemslib
//! takes them out of their packets. Nothing here asks the crate that the program reads them with.

use base64::Engine;
use ed25519_dalek::{Signer, SigningKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{hex, random};

/// Certificates are made on this day unless it is said otherwise: 2026-01-01.
pub const CREATED: u32 = 1_767_225_600;

pub const SHA1: u8 = 2;
pub const SHA256: u8 = 8;

/// `Key Flags` (section 5.2.3.29).
pub const CERTIFY: u8 = 1;
pub const SIGN: u8 = 2;
pub const ENCRYPT: u8 = 12;

/// A key with its packet.
#[derive(Clone)]
pub struct PgpKey {
    secret: PgpSecret,
    created: u32,
}

#[allow(clippy::large_enum_variant, reason = "a test makes a handful of them")]
#[derive(Clone)]
enum PgpSecret {
    Ed25519(SigningKey),
    Rsa(&'static rsa::RsaPrivateKey),
}

impl PgpSecret {
    /// The number of the algorithm (section 9.1).
    const fn algorithm(&self) -> u8 {
        match self {
            Self::Ed25519(_) => 22,
            Self::Rsa(_) => 1,
        }
    }

    /// As securesystemslib gives it.
    fn sign(&self, hash: u8, digest: &[u8]) -> Vec<u8> {
        match (self, hash) {
            (Self::Ed25519(key), _) => key.sign(digest).to_bytes().to_vec(),
            (Self::Rsa(key), SHA1) => key.sign(rsa::Pkcs1v15Sign::new::<Sha1>(), digest).unwrap(),
            (Self::Rsa(key), _) => key.sign(rsa::Pkcs1v15Sign::new::<Sha256>(), digest).unwrap(),
        }
    }

    /// As a packet has it.
    fn numbers(&self, signature: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(_) => {
                let (r, s) = signature.split_at(32);
                [mpi(r), mpi(s)].concat()
            }
            Self::Rsa(_) => mpi(signature),
        }
    }
}

/// What a signature says besides its type.
#[derive(Clone)]
pub struct Says {
    pub hash: u8,
    pub created: Option<u32>,
    /// Seconds after its creation
    pub ends: Option<u32>,
    /// Of the key, seconds after that one's creation
    pub key_expires: Option<u32>,
    pub flags: Option<u8>,
    /// A notation that must be understood
    pub critical: bool,
    /// More subpackets that are hashed, each with its length and type
    pub more: Vec<u8>,
}

impl Says {
    pub const fn at(created: u32) -> Self {
        Self {
            hash: SHA256,
            created: Some(created),
            ends: None,
            key_expires: None,
            flags: None,
            critical: false,
            more: Vec::new(),
        }
    }

    /// The hashed part of a signature packet.
    fn headers(&self, kind: u8, algorithm: u8) -> Vec<u8> {
        let mut subpackets = Vec::new();
        let mut add = |number: u8, body: &[u8]| {
            subpackets.push(u8::try_from(body.len() + 1).unwrap());
            subpackets.push(number);
            subpackets.extend(body);
        };
        if let Some(created) = self.created {
            add(2, &created.to_be_bytes());
        }
        if let Some(ends) = self.ends {
            add(3, &ends.to_be_bytes());
        }
        if let Some(expires) = self.key_expires {
            add(9, &expires.to_be_bytes());
        }
        if let Some(flags) = self.flags {
            add(27, &[flags]);
        }
        if self.critical {
            // A notation `x@y` = `z`, with the critical bit.
            add(20 | 0x80, b"\x80\0\0\0\0\x03\0\x01x@yz");
        }
        subpackets.extend(&self.more);
        let length = u16::try_from(subpackets.len()).unwrap().to_be_bytes();
        [&[4, kind, algorithm, self.hash][..], &length, &subpackets].concat()
    }
}

fn mpi(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let number = &number[zeros..];
    let bits = number.first().map_or(0, |byte| number.len() * 8 - byte.leading_zeros() as usize);
    [&u16::try_from(bits).unwrap().to_be_bytes()[..], number].concat()
}

/// A packet with a length of five bytes.
pub fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 0xff][..], &length, body].concat()
}

fn digest(hash: u8, message: &[u8], headers: &[u8]) -> Vec<u8> {
    let length = u32::try_from(headers.len()).unwrap().to_be_bytes();
    let all = [message, headers, &[4, 0xff], &length].concat();
    match hash {
        SHA1 => Sha1::digest(all).to_vec(),
        SHA256 => Sha256::digest(all).to_vec(),
        other => panic!("no hash {other} here"),
    }
}

impl PgpKey {
    pub fn new(created: u32) -> Self {
        Self::of(SigningKey::from_bytes(&random()), created)
    }

    pub fn of(secret: SigningKey, created: u32) -> Self {
        Self { secret: PgpSecret::Ed25519(secret), created }
    }

    pub fn rsa(secret: &'static rsa::RsaPrivateKey, created: u32) -> Self {
        Self { secret: PgpSecret::Rsa(secret), created }
    }

    fn body(&self) -> Vec<u8> {
        use rsa::traits::PublicKeyParts;

        let key = match &self.secret {
            PgpSecret::Ed25519(key) => {
                let point = [&[0x40][..], key.verifying_key().as_bytes()].concat();
                let oid = [9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
                [&oid[..], &mpi(&point)].concat()
            }
            PgpSecret::Rsa(key) => {
                [mpi(&key.n().to_bytes_be()), mpi(&key.e().to_bytes_be())].concat()
            }
        };
        let algorithm = self.secret.algorithm();
        [&[4][..], &self.created.to_be_bytes(), &[algorithm], &key].concat()
    }

    /// As it is hashed, and for its fingerprint.
    pub fn framed(&self) -> Vec<u8> {
        let body = self.body();
        [&[0x99][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), &body].concat()
    }

    pub fn fingerprint(&self) -> String {
        hex(&Sha1::digest(self.framed()))
    }

    /// A signature as a packet of its own.
    pub fn signature_packet(&self, kind: u8, says: &Says, message: &[u8]) -> Vec<u8> {
        packet(2, &self.signature_body(kind, says, message, &[]))
    }

    /// The same, and it says whose it is, as all programs write it.
    pub fn issued_packet(&self, kind: u8, says: &Says, message: &[u8]) -> Vec<u8> {
        let fingerprint = Sha1::digest(self.framed());
        let issuer = [&[9, 16][..], &fingerprint[12..]].concat();
        packet(2, &self.signature_body(kind, says, message, &issuer))
    }

    /// With subpackets that are not hashed.
    pub fn signature_body(
        &self,
        kind: u8,
        says: &Says,
        message: &[u8],
        unhashed: &[u8],
    ) -> Vec<u8> {
        let (headers, signature) = self.sign(kind, says, message);
        let digest = digest(says.hash, message, &headers);
        let length = u16::try_from(unhashed.len()).unwrap().to_be_bytes();
        let numbers = self.secret.numbers(&signature);
        [&headers[..], &length, unhashed, &digest[..2], &numbers].concat()
    }

    /// A signature packet of version 3 (section 5.2.2), which has no subpackets.
    pub fn old_packet(&self, kind: u8, created: u32, message: &[u8]) -> Vec<u8> {
        let said = [&[kind][..], &created.to_be_bytes()].concat();
        let digest = Sha256::digest([message, &said].concat()).to_vec();
        let numbers = self.secret.numbers(&self.secret.sign(SHA256, &digest));
        let issuer = Sha1::digest(self.framed());
        let algorithms = [self.secret.algorithm(), SHA256];
        let head = [&[3, 5][..], &said, &issuer[12..], &algorithms, &digest[..2]].concat();
        packet(2, &[head, numbers].concat())
    }

    /// The members `other_headers` and `signature` of a signature over data.
    pub fn sign(&self, kind: u8, says: &Says, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let headers = says.headers(kind, self.secret.algorithm());
        let signature = self.secret.sign(says.hash, &digest(says.hash, message, &headers));
        (headers, signature)
    }
}

/// How a subkey says that it belongs to its primary key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Back {
    Good,
    Missing,
    /// Made by another key
    Foreign,
    /// With SHA-1
    Weak,
}

/// A subpacket that appoints `revoker` to revoke (section 5.2.3.23).
pub fn appointing(revoker: &PgpKey) -> Vec<u8> {
    [&[23, 12, 0x80, 22][..], &Sha1::digest(revoker.framed())].concat()
}

/// The packets that [`Recipe::packets`] made, one by one.
pub fn apart(mut packets: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !packets.is_empty() {
        let length = u32::from_be_bytes(packets[2..6].try_into().unwrap());
        let (packet, rest) = packets.split_at(6 + usize::try_from(length).unwrap());
        all.push(packet.to_vec());
        packets = rest;
    }
    all
}

/// What a certificate is put together from.
pub struct Recipe {
    pub primary: PgpKey,
    /// Of the user id
    pub own: Vec<Says>,
    pub user_revoked: Option<u32>,
    pub revoked: bool,
    /// Who revokes: the primary key, unless another one is said to
    pub revoker: Option<PgpKey>,
    /// Signatures on the key itself: their type, what they say, and by whom, if not by the key
    pub direct: Vec<(u8, Says, Option<PgpKey>)>,
    /// Signatures on the user id that are of another type than a certification
    pub odd: Vec<(u8, Says)>,
    /// How many others signed the user id, before the certificate itself did
    pub foreign: usize,
    /// Whether all revocations stand at its very end, the last one first
    pub misplaced: bool,
    pub subkeys: Vec<Sub>,
}

pub struct Sub {
    pub key: PgpKey,
    pub bindings: Vec<(Says, Back)>,
    pub revoked: bool,
}

pub const USER: &[u8] = b"somebody <somebody@localhost>";

impl Recipe {
    /// A certificate of one key, for what `flags` say.
    pub fn of(primary: PgpKey, flags: u8) -> Self {
        Self {
            primary,
            own: vec![Says { flags: Some(flags), ..Says::at(CREATED) }],
            user_revoked: None,
            revoked: false,
            revoker: None,
            direct: Vec::new(),
            odd: Vec::new(),
            foreign: 0,
            misplaced: false,
            subkeys: Vec::new(),
        }
    }

    /// What a certification is over.
    pub fn with_user(&self) -> Vec<u8> {
        let length = u32::try_from(USER.len()).unwrap().to_be_bytes();
        [&self.primary.framed()[..], &[0xb4], &length, USER].concat()
    }

    pub fn packets(&self) -> Vec<u8> {
        let primary = &self.primary;
        let framed = primary.framed();
        let user = self.with_user();
        let mut all = packet(6, &primary.body());
        let mut last: Vec<Vec<u8>> = Vec::new();
        let mut revoke = |all: &mut Vec<u8>, revocation: Vec<u8>| match self.misplaced {
            true => last.insert(0, revocation),
            false => all.extend(revocation),
        };
        if self.revoked {
            let says = Says::at(CREATED + 60);
            let by = self.revoker.as_ref().unwrap_or(primary);
            revoke(&mut all, by.signature_packet(0x20, &says, &framed));
        }
        for (kind, says, by) in &self.direct {
            all.extend(by.as_ref().unwrap_or(primary).signature_packet(*kind, says, &framed));
        }
        all.extend(packet(13, USER));
        for _ in 0..self.foreign {
            let by = PgpKey::new(CREATED);
            all.extend(by.signature_packet(0x10, &Says::at(CREATED), &user));
        }
        for says in &self.own {
            all.extend(primary.signature_packet(0x13, says, &user));
        }
        for (kind, says) in &self.odd {
            all.extend(primary.signature_packet(*kind, says, &user));
        }
        if let Some(when) = self.user_revoked {
            revoke(&mut all, primary.signature_packet(0x30, &Says::at(when), &user));
        }
        for sub in &self.subkeys {
            let both = [&framed[..], &sub.key.framed()].concat();
            all.extend(packet(14, &sub.key.body()));
            for (says, back) in &sub.bindings {
                let mut back_says = Says::at(CREATED);
                let by = match back {
                    Back::Foreign => &PgpKey::new(CREATED),
                    _ => &sub.key,
                };
                if *back == Back::Weak {
                    back_says.hash = SHA1;
                }
                let embedded = by.signature_body(0x19, &back_says, &both, &[]);
                let subpacket =
                    [&[u8::try_from(embedded.len() + 1).unwrap(), 32][..], &embedded].concat();
                let unhashed = if *back == Back::Missing { &[][..] } else { &subpacket[..] };
                all.extend(packet(2, &primary.signature_body(0x18, says, &both, unhashed)));
            }
            if sub.revoked {
                let says = Says::at(CREATED + 60);
                revoke(&mut all, primary.signature_packet(0x28, &says, &both));
            }
        }
        all.extend(last.concat());
        all
    }

    pub fn armored(&self) -> String {
        armored(&self.packets())
    }
}

/// Packets as `gpg --armor --export` writes them, without the checksum, which is optional.
pub fn armored(packets: &[u8]) -> String {
    let base64 = base64::engine::general_purpose::STANDARD.encode(packets);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}
