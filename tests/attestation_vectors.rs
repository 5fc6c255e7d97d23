//! Runs the attacks on attestations in `tests/vectors`. The format is described in the README
//! there; whatever it does not describe makes the run fail, so that a misspelt expectation
//! cannot pass for a kept one.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use apt_quorum::attest::{
    self, Accepted, Claim, KeyRing, PinnedKey, Rejection, Remembered, Verified, Wanted, json,
};
use apt_quorum::types::{Certificate, KeyKind, PublicKey, Sha256Digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use curve25519_dalek::scalar::Scalar;
use sha2::Digest;
use support::openpgp::{self, Back, PgpKey, Recipe, Says, Sub};
use support::{Key, hex, identity, key_id, moment, now, operator, random};

/// Fewer would mean that some were lost.
const FEWEST: usize = 190;

/// The order of the group, 2^252 + 27742317777372353535851937790883648493, least byte first.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    /// What is tried, in a sentence
    attack: String,
    /// `NAME VERSION ARCHITECTURE` of the file being judged
    subject: String,
    #[serde(default)]
    key: Vec<VectorKey>,
    #[serde(default)]
    accept: Vec<VectorAccept>,
    /// It is asked who signed something under this name, and not what about this file
    #[serde(default)]
    any_hash: bool,
    expect: Expect,
}

/// What statements of an operator count.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorAccept {
    operator: String,
    r#type: String,
    builder: Option<String>,
    verifier: Option<String>,
    property: Option<Vec<String>>,
    days: Option<i64>,
}

impl VectorAccept {
    fn accepted(&self) -> Result<Accepted, String> {
        let builder = || self.builder.clone().ok_or("builder is missing");
        let verified = || {
            Ok::<_, String>(Verified {
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
struct VectorKey {
    name: String,
    /// Pinned for this operator; without one the key is unknown
    operator: Option<String>,
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
struct VectorCertificate {
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
struct VectorSubkey {
    binding: Option<Vec<VectorSays>>,
    revoked: bool,
}

/// A signature about a key.
#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct VectorSays {
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
struct Expect {
    /// The code of the rejection
    rejection: Option<String>,
    /// The operators with a claim for the subject's bytes, once for each claim
    votes: Option<Vec<String>>,
    /// The operators with a claim for other bytes under its name, once for each claim
    conflicts: Option<Vec<String>>,
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

    /// A signature object as securesystemslib writes it, with something about it that is special.
    fn gpg(&self, how: &str, message: &[u8]) -> Result<String, String> {
        let Self::Pgp(recipe) = self else { return Err("this is no openpgp key".to_owned()) };
        let may = u32::try_from(moment("2026-05-01T00:00:00Z").as_unix()).unwrap();
        let day = 24 * 60 * 60;
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
            // Vectors are judged on 2026-06-01.
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

/// What the placeholders of one vector stand for.
struct Filler {
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
            "gpg" => secret()?.gpg(how, &self.message)?.into_bytes(),
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

const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What DSSE signs, put together here a second time.
fn dsse(kind: &str, payload: &[u8]) -> Vec<u8> {
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

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
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

fn directories() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut found: Vec<PathBuf> = fs::read_dir(all)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap() != "README.md")
        .collect();
    found.sort();
    found
}

fn read_attack(directory: &Path) -> Result<(Attack, BTreeMap<String, Vec<u8>>), String> {
    const FILES: [&str; 6] = [
        "attack.toml",
        "signed.json",
        "canonical.txt",
        "message.txt",
        "envelope.json",
        "statement.json",
    ];
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !FILES.contains(&name.as_str()) {
            return Err(format!("{name} is no file of a vector"));
        }
        files.insert(name, fs::read(path).map_err(|e| e.to_string())?);
    }
    let attack = files.get("attack.toml").ok_or("attack.toml is missing")?;
    let attack = std::str::from_utf8(attack).map_err(|e| e.to_string())?;
    let attack: Attack = toml::from_str(attack).map_err(|e| e.to_string())?;
    Ok((attack, files))
}

/// What a vector comes to: the code of a rejection, or who voted and who contradicted.
type Outcome = Result<(Vec<String>, Vec<String>), String>;

fn expected(expect: Expect) -> Result<Outcome, String> {
    match expect {
        Expect { rejection: Some(code), votes: None, conflicts: None } => Ok(Err(code)),
        Expect { rejection: None, votes, conflicts } if votes.is_some() || conflicts.is_some() => {
            Ok(Ok((votes.unwrap_or_default(), conflicts.unwrap_or_default())))
        }
        _ => Err("either a rejection, or votes and conflicts must be expected".to_owned()),
    }
}

fn run(directory: &Path) -> Result<(), String> {
    let (attack, files) = read_attack(directory)?;
    if !attack.attack.ends_with('.') {
        return Err("the attack is not described in a sentence".to_owned());
    }
    let identity = identity(&attack.subject);
    let artifact = identity.artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let mut filler = Filler {
        secrets: BTreeMap::new(),
        sha256,
        signed: Vec::new(),
        message: Vec::new(),
        statement: Vec::new(),
    };

    let mut pinned = Vec::new();
    for vector_key in &attack.key {
        let VectorKey { name, operator: owner, not_after, .. } = vector_key;
        let secret = Secret::new(vector_key, &filler.secrets)?;
        if let Some(owner) = owner {
            let key = secret.public()?;
            let not_after = not_after.as_deref().map(moment);
            pinned.push(PinnedKey { operator: operator(owner), key, not_after });
        }
        if filler.secrets.insert(name.clone(), secret).is_some() {
            return Err(format!("two keys are called {name}"));
        }
    }
    let mut ring = KeyRing::new(pinned).map_err(|e| format!("{e:?}"))?;
    let mut accepted: BTreeMap<&str, Vec<Accepted>> = BTreeMap::new();
    for accept in &attack.accept {
        accepted.entry(&accept.operator).or_default().push(accept.accepted()?);
    }
    for (owner, accepted) in accepted {
        ring = ring.accepting(operator(owner), accepted);
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
        None => filler.fill(&default_envelope(&attack, has_statement))?,
    };

    let wanted = Wanted { artifact: &artifact, sha256: (!attack.any_hash).then_some(sha256) };
    let result = attest::verify(&envelope, &ring, wanted, now());
    remembered_signatures_change_nothing(&envelope, &ring, wanted, &result)?;
    let expected = expected(attack.expect)?;
    if expected.is_ok() && canonical.is_none() && !has_statement {
        return Err("claims are expected, so canonical.txt must say what was signed".to_owned());
    }
    if let Err(rejection) = &result {
        // What an attacker wrote may stand in the reason; it must not be able to forge a line.
        let told = rejection.to_string();
        if told.len() > 400 || told.chars().any(|c| c != ' ' && !c.is_ascii_graphic()) {
            return Err(format!("this is not for a terminal: {told:?}"));
        }
    }
    for claim in result.iter().flatten() {
        check_claim(claim, &ring, &artifact, &envelope)?;
    }
    let found = sort(&result, sha256);
    if found == expected {
        return Ok(());
    }
    let why = result.map_or_else(|e| e.to_string(), |claims| format!("{} claim(s)", claims.len()));
    Err(format!("expected {expected:?}, got {found:?}: {why}"))
}

/// Whoever remembers nothing yet, whoever has just verified it, and whoever was told of that all find the
/// same.
fn remembered_signatures_change_nothing(
    envelope: &[u8],
    ring: &KeyRing,
    wanted: Wanted<'_>,
    expected: &Result<Vec<Claim>, Rejection>,
) -> Result<(), String> {
    let by = |remembered: &Arc<Remembered>| {
        let ring = ring.clone().remembering(Arc::clone(remembered));
        let result = attest::verify(envelope, &ring, wanted, now());
        (result == *expected)
            .then_some(())
            .ok_or_else(|| format!("{expected:?}, and where signatures are remembered {result:?}"))
    };
    let first = Arc::new(Remembered::default());
    by(&first)?;
    by(&first)?;
    let told = first.to_bytes().map(|bytes| Remembered::from_bytes(&bytes).map(Arc::new));
    told.map_or(Ok(()), |told| by(&told.ok_or("what it remembers cannot be read")?))
}

/// Whatever a claim says must be what was asked and what was signed.
fn check_claim(
    claim: &Claim,
    ring: &KeyRing,
    artifact: &apt_quorum::types::ArtifactName,
    envelope: &[u8],
) -> Result<(), String> {
    let owner = ring.iter().find(|pinned| pinned.key == *claim.key()).map(|p| &p.operator);
    if owner != Some(claim.operator())
        || claim.artifact() != artifact
        || claim.attestation() != Sha256Digest::of(envelope)
    {
        return Err(format!("the claim is not what was signed: {claim:?}"));
    }
    Ok(())
}

fn sort(result: &Result<Vec<Claim>, Rejection>, sha256: Sha256Digest) -> Outcome {
    let claims = result.as_ref().map_err(|rejection| rejection.code().to_owned())?;
    let (votes, conflicts): (Vec<&Claim>, Vec<&Claim>) =
        claims.iter().partition(|claim| claim.sha256() == sha256);
    let names = |claims: Vec<&Claim>| {
        let mut names: Vec<_> = claims.iter().map(|claim| claim.operator().to_string()).collect();
        names.sort();
        names
    };
    Ok((names(votes), names(conflicts)))
}

#[test]
fn every_attack_comes_to_what_its_directory_says() {
    let directories = directories();
    let mut failures = Vec::new();
    for directory in &directories {
        let name = directory.file_name().unwrap().to_str().unwrap();
        match run(directory) {
            Ok(()) => println!("ok      {name}"),
            Err(why) => {
                println!("FAILED  {name}: {why}");
                failures.push(name);
            }
        }
    }
    println!("{} attacks", directories.len());
    assert!(failures.is_empty(), "{failures:?}");
    assert!(directories.len() >= FEWEST, "there are {} only", directories.len());
}

/// A reason that no attack leads to is either untested or cannot happen.
#[test]
fn every_reason_for_a_rejection_has_an_attack() {
    let expected: BTreeSet<String> = directories()
        .iter()
        .filter_map(|directory| read_attack(directory).unwrap().0.expect.rejection)
        .collect();
    let all = [
        "ambiguous-products",
        "bad-signature",
        "duplicate-key",
        "expired-key",
        "expired-signature",
        "no-sha256",
        "not-an-integer",
        "not-for-signing",
        "not-json",
        "not-over-data",
        "not-understood",
        "other-artifact",
        "other-name",
        "other-party",
        "perhaps-revoked-key",
        "predicate-content",
        "predicate-not-accepted",
        "revoked-key",
        "shape",
        "sigstore",
        "too-deep",
        "too-large",
        "too-many-signatures",
        "unbound-key",
        "undated",
        "unknown-key",
        "unsigned",
        "weak-hash",
        "wrong-step",
        "wrong-time",
        "wrong-type",
    ];
    assert_eq!(expected.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

/// The first wall before `small-order-key`: such keys cannot be read from a configuration.
#[test]
fn keys_of_small_order_are_not_read() {
    let p = |low: u8, high: u8| format!("{low:02x}{}{high:02x}", "ff".repeat(30));
    let zero = |low: u8, high: u8| format!("{low:02x}{}{high:02x}", "00".repeat(30));
    let eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let eight_too = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let negative = |key: &str| {
        let (rest, last) = key.split_at(62);
        format!("{rest}{:02x}", u8::from_str_radix(last, 16).unwrap() | 0x80)
    };
    for key in [
        zero(1, 0),    // the neutral element
        zero(1, 0x80), // the same with the sign that it does not have
        zero(0, 0),    // order 4
        zero(0, 0x80), // order 4
        p(0xec, 0x7f), // order 2
        p(0xec, 0xff), // order 2 with the sign that it does not have
        p(0xed, 0x7f), // 0 written as the prime
        p(0xed, 0xff),
        p(0xee, 0x7f), // 1 written as the prime plus 1
        p(0xee, 0xff),
        eight.to_owned(), // order 8
        eight_too.to_owned(),
        negative(eight),
        negative(eight_too),
    ] {
        assert!(PublicKey::ed25519_from_hex(&key).is_err(), "{key}");
    }
}

#[test]
fn what_a_vector_does_not_say_is_not_guessed() {
    let parse = |text: &str| toml::from_str::<Attack>(text).map(drop).map_err(drop);
    let good = "attack = \"x.\"\nsubject = \"x\"\n[expect]\nvotes = []\n";
    assert!(parse(good).is_ok());
    assert!(parse(&good.replace("votes", "vote")).is_err());
    assert!(parse(&good.replace("subject", "subjects")).is_err());
    assert!(parse("attack = \"x.\"\nsubject = \"x\"\n").is_err());
    let nothing = Expect { rejection: None, votes: None, conflicts: None };
    assert!(expected(nothing).is_err());
    let both = Expect { rejection: Some("x".into()), votes: Some(vec![]), conflicts: None };
    assert!(expected(both).is_err());
    assert!(read_attack(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err());
}

/// Both limits on size are the last value that is still read.
#[test]
fn an_attestation_of_exactly_the_largest_size_is_read() {
    let key = Key::new();
    let identity = identity("hello 2.10-3 amd64");
    let artifact = identity.artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let pinned = support::pinned("alpha", &key, None);
    let ring = KeyRing::new(vec![pinned]).unwrap();
    let mut bytes = support::attestation(artifact.as_str(), sha256, &[&key]);
    bytes.resize(attest::MAX_BYTES, b' ');
    let wanted = Wanted { artifact: &artifact, sha256: Some(sha256) };
    let verify = |bytes: &[u8]| attest::verify(bytes, &ring, wanted, now());
    assert_eq!(verify(&bytes).map(|claims| claims.len()), Ok(1));
    bytes.push(b' ');
    assert_eq!(verify(&bytes), Err(Rejection::TooLarge { size: attest::MAX_BYTES + 1 }));
}

#[test]
fn a_rejection_tells_people_whose_key_it_was_and_until_when() {
    let key_id = Key::new().public().key_id();
    let short = &key_id.as_str()[..16];
    let alpha = operator("alpha");
    let unknown = |ids: &[&str]| Rejection::UnknownKey {
        key_ids: ids.iter().map(|&id| id.to_owned()).collect(),
    };
    for (rejection, told) in [
        (unknown(&[]), "signed by keys that it does not name and by no pinned key".to_owned()),
        // DSSE needs no key ids.
        (
            unknown(&["", ""]),
            "signed by keys that it does not name and by no pinned key".to_owned(),
        ),
        (unknown(&["", "ab"]), "signed by ab and by no pinned key".to_owned()),
        (unknown(&["ab"]), "signed by ab and by no pinned key".to_owned()),
        (
            unknown(&["1", "2", "\u{1b}[2J", "4"]),
            "signed by 1, 2, ?[2J, ... and by no pinned key".to_owned(),
        ),
        (
            unknown(&["1", "2", "0123456789abcdef0123"]),
            "signed by 1, 2, 0123456789abcdef and by no pinned key".to_owned(),
        ),
        (
            Rejection::BadSignature { operator: alpha.clone(), key_id: key_id.clone() },
            format!("the signature in the name of alpha's key {short} does not verify"),
        ),
        (
            Rejection::ExpiredKey {
                operator: alpha,
                key_id: key_id.clone(),
                not_after: moment("2026-01-01T00:00:00Z"),
            },
            format!("alpha's key {short} was good until 2026-01-01"),
        ),
    ] {
        assert_eq!(rejection.to_string(), told);
    }
}

/// Whatever bit is changed: what is signed cannot be, and what is not signed says nothing else.
#[test]
fn no_flipped_bit_makes_another_claim() {
    let key = Key::new();
    let identity = identity("hello 2.10-3 amd64");
    let artifact = identity.artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let ring = KeyRing::new(vec![support::pinned("alpha", &key, None)]).unwrap();
    let good = support::attestation(artifact.as_str(), sha256, &[&key]);
    let signed = find(&good, br#","signed":"#).unwrap() + br#","signed":"#.len();
    let wanted = Wanted { artifact: &artifact, sha256: Some(sha256) };
    let mut taken = 0;
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << bit;
            let Ok(claims) = attest::verify(&flipped, &ring, wanted, now()) else { continue };
            assert!(!(signed..good.len() - 1).contains(&at), "bit {bit} of byte {at} is signed");
            assert_eq!(claims.len(), 1);
            assert_eq!(claims[0].sha256(), sha256);
            assert_eq!(claims[0].attestation(), Sha256Digest::of(&flipped));
            taken += 1;
        }
    }
    // Letters of the key id, and the case of the signature's digits.
    assert!(taken > 64, "{taken}");
}

/// `in-toto-run --use-dsse --step-name rebuild --no-command --products hello_2.10-3_amd64.deb
/// --signing-key KEY` of in-toto 3.0.0, as it came out. No Debian has that version.
#[test]
fn a_link_as_in_toto_3_0_0_wrote_it_is_read() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/in-toto-3.0.0");
    let key = fs::read_to_string(made.join("key.pem")).unwrap();
    let key = PublicKey::read(KeyKind::Ed25519, &key).unwrap();
    let pinned = PinnedKey { operator: operator("alpha"), key, not_after: None };
    let ring = KeyRing::new(vec![pinned]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let link = fs::read(made.join("hello.link")).unwrap();
    let sha256 = Sha256Digest::of(b"hi\n");
    let wanted = Wanted { artifact: &artifact, sha256: Some(sha256) };
    let claims = attest::verify(&link, &ring, wanted, now()).unwrap();
    assert_eq!(claims.iter().map(Claim::sha256).collect::<Vec<_>>(), [sha256]);
}

/// What is refused as a whole says what it is, and not that something is missing in it.
#[test]
fn what_is_not_read_is_refused_in_words_that_fit() {
    let ring = KeyRing::new(vec![support::pinned("alpha", &Key::new(), None)]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let wanted = Wanted { artifact: &artifact, sha256: Some(Sha256Digest::of(b"")) };
    let told =
        |text: &str| attest::verify(text.as_bytes(), &ring, wanted, now()).unwrap_err().to_string();
    let envelope = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AAAA"}]}"#;
    let bundle = |material: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{{material}}},"dsseEnvelope":{envelope}}}"#
        )
    };
    let unsigned = envelope.replace(r#"{"sig":"AAAA"}"#, "");
    let nobody = "signed by keys that it does not name and by no pinned key";
    for (text, words) in [
        (envelope.to_owned(), nobody),
        (format!("{envelope}\n{envelope}\n"), nobody),
        // Of several that are of no use, the last one's reason is told.
        (format!("{envelope}\n{unsigned}\n"), "the attestation carries no signature"),
        (format!("{unsigned}\n{envelope}\n"), nobody),
        (
            r#"{"signed":{},"signatures":[],"dsseEnvelope":{}}"#.to_owned(),
            "the attestation carries no signature",
        ),
        (
            bundle(r#""certificate":{"rawBytes":"AAAA"}"#),
            "a Sigstore bundle that is signed with a key that its certificate gives for minutes, which nobody can pin: ask its publisher for one that is signed with a public key",
        ),
        (bundle(r#""publicKey":{"hint":"some key"}"#), "signed by some key and by no pinned key"),
        (bundle(""), nobody),
        (
            format!("{envelope}\n").repeat(5),
            "not an in-toto Metablock or DSSE envelope: it has more envelopes, a line each, than are read",
        ),
    ] {
        assert_eq!(told(&text), words, "{text}");
    }
}

/// What somebody signed and is of no use here is called what it is, also where it says nothing of that.
#[test]
fn what_was_signed_and_does_not_count_is_called_what_it_is() {
    let key = Key::new();
    let ring = KeyRing::new(vec![support::pinned("alpha", &key, None)]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let wanted = Wanted { artifact: &artifact, sha256: Some(Sha256Digest::of(b"")) };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    for (kind, payload, words) in [
        (
            "text/plain",
            "{}",
            "signed, but what is in the envelope is no in-toto: its type is text/plain",
        ),
        ("", "{}", "signed, but what is in the envelope is no in-toto: its type is not said"),
        (
            IN_TOTO,
            "{}",
            "signed, but neither a link nor an in-toto statement: its type is not said",
        ),
        (
            IN_TOTO,
            r#"{"_type":"link"}"#,
            "signed, but a link for another step than a rebuild: its name is not said",
        ),
        (
            IN_TOTO,
            r#"{"_type":"link","name":"rebuild","products":{"":{}}}"#,
            "the product without a name has no valid sha256",
        ),
    ] {
        let signature = key.sign(&dsse(kind, payload.as_bytes()));
        let signature: Vec<u8> = signature.as_bytes().chunks(2).map(byte).collect();
        let envelope = format!(
            r#"{{"payloadType":"{kind}","payload":"{}","signatures":[{{"sig":"{}"}}]}}"#,
            STANDARD.encode(payload),
            STANDARD.encode(signature)
        );
        let told = attest::verify(envelope.as_bytes(), &ring, wanted, now()).unwrap_err();
        assert_eq!(told.to_string(), words, "{payload}");
    }
}
