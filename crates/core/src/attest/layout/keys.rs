//! The keys of a layout, as securesystemslib writes them.

use std::collections::BTreeSet;

use super::{LayoutError, list, text};
use crate::attest::json::{self, Value};
use crate::types::{
    Certificate, KeyError, KeyKind, KeyMaterial, PublicKey, Timestamp, hex_decode, printable,
};

/// Longest number of a key in a layout, in bytes: RSA with 16,384 bits.
const MAX_NUMBER: usize = 2048;

/// A key that may make the step.
#[derive(Debug, Clone)]
pub struct StepKey {
    /// The id that the layout gives it
    pub id: String,
    /// The layout's description of it
    pub stated: Stated,
}

/// The description of a key in a layout.
#[derive(Debug, Clone)]
pub enum Stated {
    /// The key itself
    Whole(PublicKey),
    /// The numbers out of a certificate, without what its owner says about them
    OutOf(Numbers),
}

/// The numbers of an OpenPGP key.
#[derive(Debug, Clone)]
pub struct Numbers {
    fingerprint: String,
    material: KeyMaterial,
    subkeys: BTreeSet<String>,
}

/// The keys that the step names, each once, whatever it is called.
pub(super) fn step_keys(signed: &Value, step: &Value) -> Result<Vec<StepKey>, LayoutError> {
    let all = signed
        .member("keys")
        .and_then(Value::as_object)
        .ok_or(LayoutError::Shape("\"keys\" is not an object"))?;
    let ids = list(step, "pubkeys")?;
    if ids.len() > super::MAX_KEYS {
        return Err(LayoutError::Shape("the step has too many keys"));
    }
    let mut owners: BTreeSet<KeyMaterial> = BTreeSet::new();
    let mut keys = Vec::new();
    for id in ids {
        let id = id.as_str().ok_or(LayoutError::Shape("a key id of the step is not a text"))?;
        let key = all.get(id).ok_or_else(|| LayoutError::NoSuchKey(id.to_owned()))?;
        let stated = stated(id, key)?;
        let materials = match &stated {
            Stated::Whole(key) => key.materials(),
            Stated::OutOf(numbers) => vec![numbers.material.clone()],
        };
        for material in materials {
            if !owners.insert(material) {
                return Err(LayoutError::TwoIds(id.to_owned()));
            }
        }
        keys.push(StepKey { id: id.to_owned(), stated });
    }
    Ok(keys)
}

/// A key as securesystemslib writes it.
fn stated(id: &str, key: &Value) -> Result<Stated, LayoutError> {
    let wrong = |why: String| LayoutError::Key { id: id.to_owned(), why };
    let Some(method) = text(key, "method") else {
        return plain_key(key).map(Stated::Whole).map_err(wrong);
    };
    let public = |name: &str| {
        let number = text(key.member("keyval")?.member("public")?, name)?;
        let mut bytes = vec![0; Some(number.len() / 2).filter(|it| *it <= MAX_NUMBER)?];
        hex_decode(number, &mut bytes)?;
        Some(bytes)
    };
    let damaged = || wrong("its numbers are missing or damaged".to_owned());
    let material = match method {
        "pgp+rsa-pkcsv1.5" => {
            let trimmed = |name: &str| {
                let bytes = public(name)?;
                let first = bytes.iter().position(|byte| *byte != 0)?;
                bytes.get(first..).map(<[u8]>::to_vec)
            };
            let (modulus, exponent) = trimmed("n").zip(trimmed("e")).ok_or_else(damaged)?;
            KeyMaterial::rsa(&modulus, &exponent)
        }
        "pgp+eddsa-ed25519" => {
            let point = public("q").ok_or_else(damaged)?;
            KeyMaterial::ed25519(&point.try_into().map_err(|_| damaged())?)
        }
        other => {
            return Err(wrong(format!("keys for {} are not supported", printable(other))));
        }
    };
    let fingerprint = id.to_ascii_lowercase();
    let mut twenty = [0; 20];
    if hex_decode(&fingerprint, &mut twenty).is_none() {
        return Err(wrong("this is not an OpenPGP fingerprint of a version 4 key".to_owned()));
    }
    let subkeys = match key.member("subkeys") {
        None => BTreeSet::new(),
        Some(Value::Object(subkeys)) => subkeys.keys().map(|it| it.to_ascii_lowercase()).collect(),
        Some(_) => return Err(wrong("its subkeys are not an object".to_owned())),
    };
    Ok(Stated::OutOf(Numbers { fingerprint, material, subkeys }))
}

/// A key that is not out of a certificate: also what a file with a public key of securesystemslib
/// has in it.
fn plain_key(key: &Value) -> Result<PublicKey, String> {
    let public = key.member("keyval").and_then(|it| text(it, "public"));
    let public = public.ok_or("it has no public part")?;
    let kind = text(key, "keytype").unwrap_or_default();
    let scheme = text(key, "scheme").unwrap_or_default();
    let read = match (kind, scheme) {
        ("ed25519", "ed25519") => PublicKey::ed25519_from_hex(public),
        ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
            PublicKey::read(KeyKind::EcdsaP256, public)
        }
        ("rsa", "rsassa-pss-sha256") => PublicKey::read(KeyKind::RsaPss, public),
        _ => {
            return Err(format!(
                "keys of the type {} for {} are not supported",
                printable(kind),
                printable(scheme)
            ));
        }
    };
    read.map_err(|error: KeyError| error.to_string())
}

/// Reads the JSON in which securesystemslib keeps a public key.
///
/// # Errors
/// If it is not a public key of a known kind: the error, for people.
pub fn read_json_key(bytes: &[u8]) -> Result<PublicKey, String> {
    if bytes.len() > PublicKey::MAX_LENGTH {
        return Err(KeyError::TooLong { most: PublicKey::MAX_LENGTH }.to_string());
    }
    let key = json::parse(bytes).map_err(|error| error.to_string())?;
    // A private key file has the same members, and one more with something in it.
    let private = key.member("keyval").and_then(|it| text(it, "private")).unwrap_or_default();
    if !private.is_empty() {
        return Err("this is a private key: only its owner should have it".to_owned());
    }
    plain_key(&key)
}

impl Numbers {
    /// The fingerprint of the certificate's primary key, in lower case.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns true when these numbers come from `certificate`.
    #[must_use]
    pub fn are_out_of(&self, certificate: &Certificate) -> bool {
        certificate.fingerprint() == self.fingerprint
            && PublicKey::OpenPgp(certificate.clone()).materials().contains(&self.material)
    }

    /// The subkeys of `certificate` that may sign at `now` and that the layout does not name. They
    /// count here, because their owner says that they are his.
    #[must_use]
    pub fn unnamed(&self, certificate: &Certificate, now: Timestamp) -> Vec<String> {
        certificate
            .components()
            .filter(|it| it.fingerprint != self.fingerprint)
            .filter(|it| !self.subkeys.contains(&it.fingerprint))
            .filter(|it| certificate.may_sign(it, now).is_ok())
            .map(|it| it.fingerprint.clone())
            .collect()
    }
}
