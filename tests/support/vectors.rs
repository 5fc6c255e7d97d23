//! The attacks on attestations in `tests/vectors`: read, and made into keys and an attestation.
//!
//! The format is described in the README there; whatever it does not describe is an error, so that
//! a misspelt expectation cannot pass for a kept one.
#![allow(dead_code)] // each test binary uses its own part

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use apt_quorum::attest::{Accepted, Claim, Findings, KeyRing, PinnedKey, Rejection, json};
use apt_quorum::types::{Certificate, Identity, KeyKind, PublicKey, Sha256Digest, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use curve25519_dalek::scalar::Scalar;
use sha2::Digest;

use crate::support::openpgp::{self, Back, PgpKey, Recipe, Says, Sub};
use crate::support::{Key, hex, identity, key_id, moment, now, random, rebuilder};

/// The order of the group, 2^252 + 27742317777372353535851937790883648493, least byte first.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What is tried, in a sentence
    pub attack: String,
    /// `NAME VERSION ARCHITECTURE` of the file being judged
    pub subject: String,
    #[serde(default)]
    pub key: Vec<VectorKey>,
    #[serde(default)]
    pub accept: Vec<VectorAccept>,
    /// It is asked who signed something under this name, and not what about this file
    #[serde(default)]
    pub any_hash: bool,
    pub expect: Expect,
}

/// What statements of a rebuilder count.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorAccept {
    pub rebuilder: String,
    pub r#type: String,
    pub builder: Option<String>,
    pub verifier: Option<String>,
    pub property: Option<Vec<String>>,
    pub days: Option<i64>,
}

impl VectorAccept {
    fn accepted(&self) -> Result<Accepted, String> {
        let builder = || self.builder.clone().ok_or("builder is missing");
        let verified = || {
            Ok::<_, String>(Findings {
                verifier: self.verifier.clone().ok_or("verifier is missing")?,
                properties: self.property.clone().ok_or("property is missing")?,
                lasts: self.days.ok_or("days is missing")? * 24 * 60 * 60,
            })
        };
        Ok(match &*self.r#type {
            "link" => Accepted::Link,
            "slsa-provenance" => Accepted::SlsaProvenance { builder: builder()? },
            "oss-rebuild" => Accepted::OssRebuild { builder: builder()? },
            "svr" => Accepted::Svr(verified()?),
            "vsa" => Accepted::Vsa(verified()?),
            other => return Err(format!("there are no statements of the type {other}")),
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorKey {
    pub name: String,
    /// Pinned for this rebuilder; without one the key is unknown
    rebuilder: Option<String>,
    not_after: Option<String>,
    /// A public key in hexadecimal that is pinned as it is. Nobody has its secret part
    public: Option<String>,
    /// `ed25519` unless something else is said
    kind: Option<KeyKind>,
    /// What is special about an OpenPGP certificate
    certificate: Option<VectorCertificate>,
}

/// An OpenPGP certificate, made on 2026-01-01, whose primary key certifies and signs, unless
/// something else is said.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct VectorCertificate {
    own: Option<Vec<VectorSays>>,
    revoked: bool,
    revoked_by_somebody_else: bool,
    user_revoked: Option<String>,
    subkey: Vec<VectorSubkey>,
    /// Made of the same Ed25519 key as the one of this name
    same_as: Option<String>,
    /// Made of an RSA key. The library refuses EdDSA over SHA-1 by itself
    rsa: bool,
    /// All revocations stand at its very end, the last one first
    misplaced: bool,
    /// Its owner let another key revoke it
    appoints_a_revoker: bool,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct VectorSubkey {
    binding: Option<Vec<VectorSays>>,
    revoked: bool,
}

/// A signature about a key.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct VectorSays {
    created: Option<String>,
    ends: Option<String>,
    key_expires: Option<String>,
    sha1: bool,
    /// Key flags; all those that are said, or none at all
    flags: Option<Vec<String>>,
    critical: bool,
    /// Of a subkey: `good` unless `missing`, `foreign` or `weak`
    back: Option<String>,
}

impl VectorSays {
    fn says(&self, default: u8) -> Result<Says, String> {
        let seconds = |text: &str| u32::try_from(moment(text).as_unix()).unwrap();
        let created = self.created.as_deref().map_or(openpgp::CREATED, seconds);
        let after = |from: u32, text: &Option<String>| {
            text.as_deref().map(|text| seconds(text).saturating_sub(from))
        };
        let flags = match &self.flags {
            None => Some(default),
            Some(names) if names.is_empty() => None,
            Some(names) => {
                let bit = |name: &String| match &**name {
                    "certify" => Ok(openpgp::CERTIFY),
                    "sign" => Ok(openpgp::SIGN),
                    "encrypt" => Ok(openpgp::ENCRYPT),
                    other => Err(format!("there is no flag {other}")),
                };
                Some(names.iter().map(bit).sum::<Result<u8, _>>()?)
            }
        };
        Ok(Says {
            hash: if self.sha1 { openpgp::SHA1 } else { openpgp::SHA256 },
            created: Some(created),
            ends: after(created, &self.ends),
            key_expires: after(openpgp::CREATED, &self.key_expires),
            flags,
            critical: self.critical,
            more: Vec::new(),
        })
    }

    fn back(&self) -> Result<Back, String> {
        Ok(match self.back.as_deref() {
            None | Some("good") => Back::Good,
            Some("missing") => Back::Missing,
            Some("foreign") => Back::Foreign,
            Some("weak") => Back::Weak,
            Some(other) => return Err(format!("what is the back signature {other}?")),
        })
    }
}

impl VectorCertificate {
    fn recipe(&self, secrets: &BTreeMap<String, Secret>) -> Result<Recipe, String> {
        let one = [VectorSays::default()];
        let own = self.own.as_deref().unwrap_or(&one);
        let primary = match &self.same_as {
            None if self.rsa => PgpKey::rsa(rsa_key(false), openpgp::CREATED),
            None => PgpKey::new(openpgp::CREATED),
            Some(name) => {
                let secret = secrets.get(name).ok_or("same_as must name an earlier key")?;
                PgpKey::of(secret.own()?.0.clone(), openpgp::CREATED)
            }
        };
        let sub = |it: &VectorSubkey| {
            let bindings = it.binding.as_deref().unwrap_or(&one).iter();
            let bindings: Result<_, String> =
                bindings.map(|it| Ok((it.says(openpgp::SIGN)?, it.back()?))).collect();
            let key = PgpKey::new(openpgp::CREATED);
            Ok::<_, String>(Sub { key, bindings: bindings?, revoked: it.revoked })
        };
        Ok(Recipe {
            primary,
            own: own
                .iter()
                .map(|it| it.says(openpgp::CERTIFY | openpgp::SIGN))
                .collect::<Result<_, _>>()?,
            user_revoked: self
                .user_revoked
                .as_deref()
                .map(|text| u32::try_from(moment(text).as_unix()).unwrap()),
            revoked: self.revoked || self.revoked_by_somebody_else,
            direct: self
                .appoints_a_revoker
                .then(|| {
                    let more = openpgp::appointing(&PgpKey::new(openpgp::CREATED));
                    (0x1f, Says { more, ..Says::at(openpgp::CREATED) }, None)
                })
                .into_iter()
                .collect(),
            odd: Vec::new(),
            foreign: 0,
            misplaced: self.misplaced,
            revoker: self.revoked_by_somebody_else.then(|| PgpKey::new(openpgp::CREATED)),
            subkeys: self.subkey.iter().map(sub).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The code of the rejection
    pub rejection: Option<String>,
    /// The rebuilders with a claim for the subject's bytes, once for each claim
    pub votes: Option<Vec<String>>,
    /// The rebuilders with a claim for other bytes under its name, once for each claim
    pub conflicts: Option<Vec<String>>,
}

enum Secret {
    Own(Key),
    Nobodys([u8; 32]),
    Ecdsa(p256::ecdsa::SigningKey),
    Rsa(&'static rsa::RsaPrivateKey),
    Pgp(Box<Recipe>),
}

/// Two, because it takes seconds to make one.
fn rsa_key(second: bool) -> &'static rsa::RsaPrivateKey {
    static KEYS: [OnceLock<rsa::RsaPrivateKey>; 2] = [const { OnceLock::new() }; 2];
    KEYS[usize::from(second)]
        .get_or_init(|| rsa::RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap())
}

impl Secret {
    fn new(key: &VectorKey, earlier: &BTreeMap<String, Self>) -> Result<Self, String> {
        if let Some(public) = &key.public {
            return Ok(Self::Nobodys(*public.parse::<Sha256Digest>().unwrap().as_bytes()));
        }
        let kind = key.kind.unwrap_or(KeyKind::Ed25519);
        if key.certificate.is_some() && kind != KeyKind::OpenPgp {
            return Err("only an openpgp key has a certificate".to_owned());
        }
        Ok(match kind {
            KeyKind::Ed25519 => Self::Own(Key::new()),
            KeyKind::EcdsaP256 => {
                Self::Ecdsa(p256::ecdsa::SigningKey::random(&mut rand_core::OsRng))
            }
            KeyKind::RsaPss => {
                Self::Rsa(rsa_key(earlier.values().any(|it| matches!(it, Self::Rsa(_)))))
            }
            KeyKind::OpenPgp => {
                let certificate = key.certificate.as_ref();
                let default = VectorCertificate::default();
                Self::Pgp(Box::new(certificate.unwrap_or(&default).recipe(earlier)?))
            }
        })
    }

    fn public(&self) -> Result<PublicKey, String> {
        // Ed25519 past the check that the configuration makes: what is tested is the second wall.
        match self {
            Self::Own(key) => Ok(PublicKey::Ed25519(key.0.verifying_key().to_bytes())),
            Self::Nobodys(bytes) => Ok(PublicKey::Ed25519(*bytes)),
            Self::Ecdsa(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                PublicKey::from_bytes(KeyKind::EcdsaP256, point.as_bytes())
            }
            Self::Rsa(key) => {
                use rsa::pkcs1::EncodeRsaPublicKey;
                let der = key.to_public_key().to_pkcs1_der().unwrap();
                PublicKey::from_bytes(KeyKind::RsaPss, der.as_bytes())
            }
            Self::Pgp(recipe) => Certificate::from_armor(&recipe.armored()).map(PublicKey::OpenPgp),
        }
        .map_err(|error| error.to_string())
    }

    fn key_id(&self) -> Result<String, String> {
        Ok(match self {
            Self::Own(key) => key.id(),
            Self::Nobodys(bytes) => key_id(bytes),
            Self::Pgp(recipe) => recipe.primary.fingerprint(),
            other => other.public()?.key_id().to_string(),
        })
    }

    fn own(&self) -> Result<&Key, String> {
        match self {
            Self::Own(key) => Ok(key),
            _ => Err("there is no Ed25519 key to sign with".to_owned()),
        }
    }

    /// As the algorithm gives it; of ECDSA in DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
        Ok(match self {
            Self::Own(key) => Signer::sign(&key.0, message).to_bytes().to_vec(),
            Self::Ecdsa(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Rsa(key) => rsa::pss::SigningKey::<sha2::Sha256>::new((*key).clone())
                .sign_with_rng(&mut rand_core::OsRng, message)
                .to_vec(),
            _ => return Err("nobody can sign with this key".to_owned()),
        })
    }

    /// The public key as a rebuilder's file has it, written out here a second time.
    fn text(&self) -> String {
        let pem = |der: &[&[u8]]| {
            let base64 = STANDARD.encode(der.concat());
            format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
        };
        match self {
            Self::Own(key) => pem(&[&ED25519, key.0.verifying_key().as_bytes()]),
            Self::Nobodys(bytes) => pem(&[&ED25519, bytes]),
            Self::Ecdsa(key) => {
                pem(&[&P256, key.verifying_key().to_encoded_point(false).as_bytes()])
            }
            Self::Rsa(key) => {
                use rsa::pkcs8::EncodePublicKey;
                pem(&[key.to_public_key().to_public_key_der().unwrap().as_bytes()])
            }
            Self::Pgp(recipe) => recipe.armored(),
        }
    }

    /// A signature object as securesystemslib writes it, with something about it that is special,
    /// for those who judge at `now`.
    fn gpg(&self, how: &str, message: &[u8], now: Timestamp) -> Result<String, String> {
        let Self::Pgp(recipe) = self else { return Err("this is no openpgp key".to_owned()) };
        let day = 24 * 60 * 60;
        // The first of May where the vectors' own date holds.
        let may = u32::try_from(now.as_unix()).unwrap() - 31 * day - day / 2;
        let mut says = Says::at(may);
        let mut kind = 0;
        let mut key = recipe.subkeys.first().map_or(&recipe.primary, |sub| &sub.key);
        match how {
            "" => {}
            "primary" => key = &recipe.primary,
            "second-subkey" => key = &recipe.subkeys[1].key,
            "sha1" => says.hash = openpgp::SHA1,
            "text" => kind = 1,
            "about-a-key" => kind = 0x1f,
            "undated" => says.created = None,
            "critical" => says.critical = true,
            "ended" => says.ends = Some(day),
            "never-ends" => says.ends = Some(0),
            "with-its-key" => says.created = Some(openpgp::CREATED),
            "before-its-key" => says.created = Some(openpgp::CREATED - 1),
            "a-little-ahead" => says.created = Some(may + 31 * day + day),
            "a-day-ahead" => says.created = Some(may + 32 * day + day / 2),
            "from-the-future" => says.created = Some(may + 34 * day),
            "rest" | "signature-too-long" | "version-3" | "foreign-key-id" => {}
            other => return Err(format!("how is a signature {other}?")),
        }
        let (mut headers, mut signature) = key.sign(kind, &says, message);
        let mut key_id = key.fingerprint();
        match how {
            // Behind the hashed subpackets: it would be hashed, and read by nobody.
            "rest" => headers.extend([0; 4]),
            "signature-too-long" => signature.push(0),
            "version-3" => headers[0] = 3,
            "foreign-key-id" => key_id = "0".repeat(40),
            _ => {}
        }
        let (headers, signature) = (hex(&headers), hex(&signature));
        Ok(format!(
            r#"{{"keyid":"{key_id}","other_headers":"{headers}","signature":"{signature}"}}"#
        ))
    }
}

/// What stands before the key in a SubjectPublicKeyInfo (RFC 8410 and RFC 5480).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What the placeholders of one vector stand for.
struct Filler {
    now: Timestamp,
    secrets: BTreeMap<String, Secret>,
    sha256: Sha256Digest,
    signed: Vec<u8>,
    message: Vec<u8>,
    statement: Vec<u8>,
}

impl Filler {
    /// Repeats what is to be repeated and puts in what the placeholders stand for.
    fn fill(&self, template: &[u8]) -> Result<Vec<u8>, String> {
        let template = repeat(template)?;
        let mut out = Vec::new();
        let mut rest = template.as_slice();
        while let Some(start) = find(rest, b"{{") {
            let end = find(&rest[start..], b"}}").ok_or("{{ without }}")? + start;
            out.extend(&rest[..start]);
            let name = std::str::from_utf8(&rest[start + 2..end]).map_err(|e| e.to_string())?;
            out.extend(self.value(name)?);
            rest = &rest[end + 2..];
        }
        out.extend(rest);
        Ok(out)
    }

    fn value(&self, placeholder: &str) -> Result<Vec<u8>, String> {
        let (what, which) = placeholder.split_once(':').unwrap_or((placeholder, ""));
        let (which, how) = match what {
            "bytes" => (which, ""),
            _ => which.split_once(':').unwrap_or((which, "")),
        };
        let secret = || self.secrets.get(which).ok_or(format!("there is no key {which:?}"));
        let own = || secret().and_then(|secret| secret.own());
        Ok(match what {
            "sha256" => self.sha256.to_string().into_bytes(),
            "SHA256" => self.sha256.to_string().to_uppercase().into_bytes(),
            "other-sha256" => Sha256Digest::of(b"other bytes").to_string().into_bytes(),
            "signed" => self.signed.clone(),
            "statement" => self.statement.clone(),
            "keyid" => secret()?.key_id()?.into_bytes(),
            "sig" => hex(&secret()?.sign(&self.message)?).into_bytes(),
            "sig-of-two-numbers" => {
                let signature = secret()?.sign(&self.message)?;
                let parsed = p256::ecdsa::Signature::from_der(&signature);
                hex(&parsed.map_err(|e| e.to_string())?.to_bytes()).into_bytes()
            }
            "gpg" => secret()?.gpg(how, &self.message, self.now)?.into_bytes(),
            "payload" => STANDARD.encode(&self.statement).into_bytes(),
            "payload-for-urls" => URL_SAFE_NO_PAD.encode(&self.statement).into_bytes(),
            "dsse" => {
                let kind = if how.is_empty() { IN_TOTO } else { how };
                STANDARD.encode(secret()?.sign(&dsse(kind, &self.statement))?).into_bytes()
            }
            "dsse-for-urls" => {
                let signature = secret()?.sign(&dsse(IN_TOTO, &self.statement))?;
                URL_SAFE_NO_PAD.encode(signature).into_bytes()
            }
            "sig-of-the-payload" => STANDARD.encode(secret()?.sign(&self.statement)?).into_bytes(),
            "sig-in-uppercase" => own()?.sign(&self.message).to_uppercase().into_bytes(),
            "sig-with-s-plus-l" => self.unreduced(own()?).into_bytes(),
            "sig-with-small-order-r" => self.small_order_nonce(own()?).into_bytes(),
            "sig-without-secret" => without_secret().into_bytes(),
            "garbage" => hex(&random::<64>()).into_bytes(),
            "bytes" => which
                .as_bytes()
                .chunks(2)
                .map(|pair| {
                    let pair = std::str::from_utf8(pair).map_err(|e| e.to_string())?;
                    u8::from_str_radix(pair, 16).map_err(|e| e.to_string())
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(format!("there is no placeholder {{{{{placeholder}}}}}")),
        })
    }

    /// A good signature whose second half is not reduced: the same number modulo the order of
    /// the group, so a careless verifier takes both and a signature has two spellings.
    fn unreduced(&self, key: &Key) -> String {
        use ed25519_dalek::Signer;
        let mut signature = key.0.sign(&self.message).to_bytes();
        let mut carry = 0;
        for (byte, l) in signature[32..].iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        assert_eq!(carry, 0);
        hex(&signature)
    }

    /// A signature whose R is the neutral element: S = 0 + k * a. The equation holds for it.
    fn small_order_nonce(&self, key: &Key) -> String {
        let neutral = neutral();
        let challenge = sha2::Sha512::new()
            .chain_update(neutral)
            .chain_update(key.0.verifying_key().as_bytes())
            .chain_update(&self.message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&challenge.into());
        let s = k * key.0.to_scalar();
        let signature = [neutral, s.to_bytes()].concat();
        // The lax check takes it: what is tested is the strict one.
        let lax = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        let public = key.0.verifying_key();
        assert!(ed25519_dalek::Verifier::verify(&public, &self.message, &lax).is_ok());
        hex(&signature)
    }
}

pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What DSSE signs, put together here a second time.
pub fn dsse(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = b"DSSEv1 ".to_vec();
    message.extend(kind.len().to_string().bytes());
    message.extend(b" ");
    message.extend(kind.bytes());
    message.extend(b" ");
    message.extend(payload.len().to_string().bytes());
    message.extend(b" ");
    message.extend(payload);
    message
}

fn neutral() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
}

/// R is the base point and S is 1: for a key of small order the equation `S * B = R + k * A`
/// holds for every message for which k is a multiple of the key's order; for the neutral element
/// that is every message.
fn without_secret() -> String {
    format!("58{}01{}", "66".repeat(31), "00".repeat(31))
}

/// A line `@repeat N` stands for N copies of the line after it. One line end at the end of the
/// file belongs to the file and not to the text.
fn repeat(template: &[u8]) -> Result<Vec<u8>, String> {
    let template = template.strip_suffix(b"\n").unwrap_or(template);
    let mut out = Vec::new();
    let mut times = 1;
    for line in template.split_inclusive(|&byte| byte == b'\n') {
        if let Some(count) = line.strip_prefix(b"@repeat ") {
            let count = std::str::from_utf8(count).map_err(|e| e.to_string())?;
            times = count.trim().parse().map_err(|_| format!("@repeat {count}?"))?;
            continue;
        }
        for _ in 0..std::mem::replace(&mut times, 1) {
            out.extend(line);
        }
    }
    Ok(out)
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The signature of every key in order: under a statement as DSSE has them, else as rebuilderd's
/// links carry them.
fn default_envelope(attack: &Attack, statement: bool) -> Vec<u8> {
    let what = if statement { "dsse" } else { "sig" };
    let signatures: Vec<String> = attack
        .key
        .iter()
        .map(|VectorKey { name, kind, .. }| match kind {
            Some(KeyKind::OpenPgp) => format!("{{{{gpg:{name}}}}}"),
            _ => format!(r#"{{"keyid":"{{{{keyid:{name}}}}}","sig":"{{{{{what}:{name}}}}}"}}"#),
        })
        .collect();
    let signatures = signatures.join(",");
    match statement {
        true => format!(
            r#"{{"payloadType":"{IN_TOTO}","payload":"{{{{payload}}}}","signatures":[{signatures}]}}"#
        ),
        false => format!(r#"{{"signatures":[{signatures}],"signed":{{{{signed}}}}}}"#),
    }
    .into_bytes()
}

pub fn directories() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut found: Vec<PathBuf> = fs::read_dir(all)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "README.md")
        .collect();
    found.sort();
    found
}

/// An attack with the other files of its directory.
pub struct Vector {
    pub attack: Attack,
    files: BTreeMap<String, Vec<u8>>,
    now: Timestamp,
}

impl Vector {
    /// As it stands there, to be judged at [`now`].
    pub fn read(directory: &Path) -> Result<Self, String> {
        Self::read_for(directory, now())
    }

    /// To be judged at another moment, from which all that is dated in it is as far away as it is
    /// from [`now`] there. Only days after that, because certificates stay as old as they are.
    pub fn read_for(directory: &Path, now: Timestamp) -> Result<Self, String> {
        const FILES: [&str; 6] = [
            "attack.toml",
            "signed.json",
            "canonical.txt",
            "message.txt",
            "envelope.json",
            "statement.json",
        ];
        let later = now.as_unix() - self::now().as_unix();
        assert!(later >= 0, "{now} is before the moment at which vectors are judged");
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(|e| e.to_string())? {
            let path = entry.map_err(|e| e.to_string())?.path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !FILES.contains(&name.as_str()) {
                return Err(format!("{name} is no file of a vector"));
            }
            files.insert(name, moved(&fs::read(path).map_err(|e| e.to_string())?, later));
        }
        let attack = files.get("attack.toml").ok_or("attack.toml is missing")?;
        let attack = std::str::from_utf8(attack).map_err(|e| e.to_string())?;
        let attack = toml::from_str(attack).map_err(|e| e.to_string())?;
        Ok(Self { attack, files, now })
    }

    pub fn subject(&self) -> Identity {
        identity(&self.attack.subject)
    }

    /// The attestation about a file with this SHA-256, by keys that are made for it.
    pub fn build(&self, sha256: Sha256Digest) -> Result<Built, String> {
        let Self { attack, files, now } = self;
        let mut filler = Filler {
            now: *now,
            secrets: BTreeMap::new(),
            sha256,
            signed: Vec::new(),
            message: Vec::new(),
            statement: Vec::new(),
        };

        let (mut pinned, mut keys) = (Vec::new(), Vec::new());
        for vector_key in &attack.key {
            let VectorKey { name, rebuilder: owner, not_after, .. } = vector_key;
            let secret = Secret::new(vector_key, &filler.secrets)?;
            if let Some(owner) = owner {
                let key = secret.public()?;
                let not_after = not_after.as_deref().map(moment);
                keys.push(PinnedKey { rebuilder: rebuilder(owner), key, not_after });
                let kind = vector_key.kind.unwrap_or(KeyKind::Ed25519);
                pinned.push(Pinned {
                    rebuilder: owner.clone(),
                    kind,
                    text: secret.text(),
                    not_after,
                });
            }
            if filler.secrets.insert(name.clone(), secret).is_some() {
                return Err(format!("two keys are called {name}"));
            }
        }
        let mut ring = KeyRing::new(keys).map_err(|e| format!("{e:?}"))?;
        let mut accepted: BTreeMap<&str, Vec<Accepted>> = BTreeMap::new();
        for accept in &attack.accept {
            accepted.entry(&accept.rebuilder).or_default().push(accept.accepted()?);
        }
        for (owner, accepted) in accepted {
            ring = ring.accepting(rebuilder(owner), accepted);
        }

        let has_statement = files.contains_key("statement.json");
        if let Some(statement) = files.get("statement.json") {
            filler.statement = filler.fill(statement)?;
        }
        if let Some(signed) = files.get("signed.json") {
            filler.signed = filler.fill(signed)?;
        }
        let canonical = files.get("canonical.txt").map(|text| filler.fill(text)).transpose()?;
        if let Some(canonical) = &canonical {
            let ours = json::parse(&filler.signed).map_err(|e| e.to_string())?.canonical();
            if ours != *canonical {
                return Err(format!(
                    "the canonical form differs:\n  ours {}\n  file {}",
                    String::from_utf8_lossy(&ours),
                    String::from_utf8_lossy(canonical)
                ));
            }
        }
        let message = files.get("message.txt").map(|text| filler.fill(text)).transpose()?;
        filler.message = match (message, canonical.clone(), json::parse(&filler.signed)) {
            (Some(message), ..) => message,
            (None, Some(canonical), _) => canonical,
            (None, None, Ok(signed)) => signed.canonical(),
            // What has no canonical form is signed as it stands, so that only its form is at fault.
            (None, None, Err(_)) => filler.signed.clone(),
        };
        let envelope = match files.get("envelope.json") {
            Some(template) => filler.fill(template)?,
            None => filler.fill(&default_envelope(attack, has_statement))?,
        };
        let is_spelt_out = canonical.is_some() || has_statement;
        Ok(Built { pinned, ring, envelope, is_spelt_out })
    }
}

/// The text with all its moments so many seconds later.
fn moved(text: &[u8], later: i64) -> Vec<u8> {
    const LENGTH: usize = "2026-01-01T00:00:00Z".len();
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let dated = rest.get(..LENGTH).and_then(|it| std::str::from_utf8(it).ok());
        let dated = dated.filter(|it| later != 0 && it.starts_with("20"));
        if let Some(Ok(moment)) = dated.map(str::parse::<Timestamp>) {
            let moved = Timestamp::from_unix(moment.as_unix() + later).unwrap();
            out.extend(moved.to_string().bytes());
            rest = &rest[LENGTH..];
        } else {
            out.push(*first);
            rest = &rest[1..];
        }
    }
    out
}

/// A vector with the keys and signatures of this run.
pub struct Built {
    pub pinned: Vec<Pinned>,
    /// The pinned keys, with what is accepted from whom
    pub ring: KeyRing,
    pub envelope: Vec<u8>,
    /// Whether it is written down what was signed, independently of our code
    pub is_spelt_out: bool,
}

/// A pinned key as a rebuilder's file has it.
pub struct Pinned {
    pub rebuilder: String,
    pub kind: KeyKind,
    /// In PEM, or armoured
    pub text: String,
    pub not_after: Option<Timestamp>,
}

/// What a vector comes to: the code of a rejection, or who voted and who contradicted.
pub type Outcome = Result<(Vec<String>, Vec<String>), String>;

pub fn expected(expect: &Expect) -> Result<Outcome, String> {
    match expect {
        Expect { rejection: Some(code), votes: None, conflicts: None } => Ok(Err(code.clone())),
        Expect { rejection: None, votes, conflicts } if votes.is_some() || conflicts.is_some() => {
            let names = |it: &Option<Vec<String>>| it.clone().unwrap_or_default();
            Ok(Ok((names(votes), names(conflicts))))
        }
        _ => Err("either a rejection, or votes and conflicts must be expected".to_owned()),
    }
}

/// What a verification of it came to.
pub fn sort(result: &Result<Vec<Claim>, Rejection>, sha256: Sha256Digest) -> Outcome {
    let claims = result.as_ref().map_err(|rejection| rejection.code().to_owned())?;
    let (votes, conflicts): (Vec<&Claim>, Vec<&Claim>) =
        claims.iter().partition(|claim| claim.sha256() == sha256);
    let names = |claims: Vec<&Claim>| {
        let mut names: Vec<_> = claims.iter().map(|claim| claim.rebuilder().to_string()).collect();
        names.sort();
        names
    };
    Ok((names(votes), names(conflicts)))
}
