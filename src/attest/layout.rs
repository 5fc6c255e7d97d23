//! in-toto layouts: who may make which step of a supply chain, signed by whoever decides that.
//!
//! in-toto specification 0.9, section 4.3. Only layouts of one step, a rebuild, say something that
//! a policy here can say: so many of these keys must agree. What else a layout demands is either
//! refused or told in [`Layout::notes`]; nothing is passed over in silence, for that would loosen
//! it. Inspections are commands to be run, and are never run.

use std::collections::{BTreeMap, BTreeSet};

use super::json::{self, JsonError, Value};
use super::metablock::Metablock;
use super::{KeyRing, MAX_BYTES, MAX_SIGNATURES, PinnedKey, Rejection};
use crate::types::{
    Certificate, KeyError, KeyId, KeyMaterial, OperatorName, PublicKey, Threshold, ThresholdError,
    Timestamp, hex_decode, printable,
};

/// Most keys that a layout may be held against, and most keys of its step.
const MAX_KEYS: usize = 64;

/// Most things that a layout demands and that are told one by one.
const MAX_NOTES: usize = 100;

/// Longest number of a key in a layout, in bytes: RSA with 16,384 bits.
const MAX_NUMBER: usize = 2048;

/// A layout whose signatures were verified.
#[derive(Debug, Clone)]
pub struct Layout {
    /// From when on it no longer holds
    pub expires: Timestamp,
    /// How many of the keys must agree. Of keys, not of operators
    pub threshold: Threshold,
    /// The keys, in the layout's order
    pub keys: Vec<StepKey>,
    /// Whose signatures verified, the first part of each one's key id
    pub signed_by: Vec<KeyId>,
    /// What it demands and what does not become part of a policy, one sentence each, for people
    pub notes: Vec<String>,
}

/// A key that may make the step.
#[derive(Debug, Clone)]
pub struct StepKey {
    /// How the layout names it
    pub id: String,
    /// What the layout says about it
    pub stated: Stated,
}

/// What a layout says about a key.
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

/// Why a layout is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More bytes than an attestation may have.
    #[error("it has {size} bytes, more than the {MAX_BYTES} that are read")]
    TooLarge {
        /// Its size in bytes
        size: usize,
    },
    /// No key was given to hold it against, or too many.
    #[error("give 1 to {MAX_KEYS} keys that its signatures are held against")]
    KeyCount,
    /// A key was given twice.
    #[error("a key that its signatures are held against was given twice")]
    RepeatedKey,
    /// Not JSON, or JSON that can be read in two ways.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Not a Metablock.
    #[error("{}", envelope(.0))]
    Envelope(Rejection),
    /// Somebody whose key was given did not sign it.
    #[error("not signed with the key {}: {why}", short(.key))]
    NotSigned {
        /// The key
        key: KeyId,
        /// What is wrong
        why: String,
    },
    /// Something else than a layout.
    #[error("signed, but not a layout: its type is {}", printable(.0))]
    WrongType(String),
    /// It no longer holds.
    #[error("it expired on {}: whoever made it must renew and sign it", .0.date())]
    Expired(Timestamp),
    /// A member is missing or not what it should be.
    #[error("{0}")]
    Shape(&'static str),
    /// A member that is not known, and might demand something.
    #[error("{place} has the member {}, which is not understood, so what it demands could not be kept", printable(.name))]
    Unknown {
        /// Where it stands
        place: &'static str,
        /// Its name
        name: String,
    },
    /// More than one step, or none.
    #[error("it has {0} steps; only a layout with the one step rebuild can be taken over")]
    Steps(usize),
    /// A step that is not a rebuild.
    #[error("its step is called {}; only the step rebuild can be taken over", printable(.0))]
    WrongStep(String),
    /// A threshold of zero, or none.
    #[error("the step's {0}")]
    Threshold(#[from] ThresholdError),
    /// A threshold that can never be met.
    #[error("the step's threshold is {threshold}, but it has only {keys} keys")]
    TooFewKeys {
        /// What must be met
        threshold: u32,
        /// How many keys the step has
        keys: usize,
    },
    /// A key of the step stands in it twice, under this id or another.
    #[error("the step has the key {} twice, which would count as two", printable(.0))]
    TwoIds(String),
    /// The step names a key that the layout does not have.
    #[error("the step names the key {}, which the layout does not have (as a key of its own)", printable(.0))]
    NoSuchKey(String),
    /// A key that cannot be taken.
    #[error("the key {}: {why}", printable(.id))]
    Key {
        /// How the layout names it
        id: String,
        /// Why not
        why: String,
    },
}

impl Layout {
    /// Reads a layout that each of `keys` signed and that holds at `now`.
    ///
    /// All of the keys, not one of them: so does in-toto, and whoever gives two keys wants the
    /// consent of both.
    ///
    /// # Errors
    /// Why it cannot be taken over without loosening what it demands.
    pub fn read(bytes: &[u8], keys: &[PublicKey], now: Timestamp) -> Result<Self, LayoutError> {
        if bytes.len() > MAX_BYTES {
            return Err(LayoutError::TooLarge { size: bytes.len() });
        }
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(LayoutError::KeyCount);
        }
        let Value::Object(envelope) = json::parse(bytes)? else {
            return Err(LayoutError::Shape("it is not an object"));
        };
        let metablock = Metablock::of(envelope).map_err(LayoutError::Envelope)?;
        let signed_by = signers(&metablock, keys, now)?;
        let signed = metablock.signed();
        let kind = text(signed, "_type").unwrap_or_default();
        if kind != "layout" {
            return Err(LayoutError::WrongType(kind.to_owned()));
        }
        let known = ["_type", "expires", "inspect", "keys", "readme", "steps"];
        only(signed, "the layout", &known)?;
        let expires = text(signed, "expires")
            .and_then(|it| it.parse::<Timestamp>().ok())
            .ok_or(LayoutError::Shape("\"expires\" is no moment such as 2027-03-01T00:00:00Z"))?;
        if expires <= now {
            return Err(LayoutError::Expired(expires));
        }
        let step = match list(signed, "steps")? {
            [step] => step,
            several => return Err(LayoutError::Steps(several.len())),
        };
        let known = [
            "_type",
            "expected_command",
            "expected_materials",
            "expected_products",
            "name",
            "pubkeys",
            "threshold",
        ];
        only(step, "the step", &known)?;
        let name = text(step, "name").unwrap_or_default();
        if name != "rebuild" {
            return Err(LayoutError::WrongStep(name.to_owned()));
        }
        let mut notes = Notes::default();
        rules_of_step(step, &mut notes)?;
        inspections(signed, &mut notes)?;
        let keys = step_keys(signed, step)?;
        let threshold = match step.member("threshold") {
            Some(Value::Integer(number)) => {
                Threshold::try_from(i64::try_from(*number).unwrap_or(i64::MAX))?
            }
            _ => return Err(LayoutError::Shape("the step's threshold is no whole number")),
        };
        if !threshold.is_met_by(keys.len()) {
            let keys = keys.len();
            return Err(LayoutError::TooFewKeys { threshold: threshold.count(), keys });
        }
        Ok(Self { expires, threshold, keys, signed_by, notes: notes.0 })
    }
}

/// Checks that each of `keys` signed it.
fn signers(
    metablock: &Metablock,
    keys: &[PublicKey],
    now: Timestamp,
) -> Result<Vec<KeyId>, LayoutError> {
    // Whose the keys are plays no part here; a pinned key has an owner.
    let Ok(operator) = "layout".parse::<OperatorName>() else {
        return Err(LayoutError::KeyCount);
    };
    let pinned = |key: &PublicKey| PinnedKey {
        operator: operator.clone(),
        key: key.clone(),
        not_after: None,
    };
    KeyRing::new(keys.iter().map(pinned).collect()).map_err(|_| LayoutError::RepeatedKey)?;
    let mut signed_by = Vec::new();
    for key in keys {
        let ring = KeyRing::new(vec![pinned(key)]).map_err(|_| LayoutError::RepeatedKey)?;
        let id = key.key_id();
        if let Err(why) = metablock.signatures().signers(&ring, now) {
            let why = match why {
                Rejection::BadSignature { .. } => "its signature does not verify".to_owned(),
                Rejection::UnknownKey { .. } => "no signature is in its name".to_owned(),
                Rejection::FaultySignature { fault, .. } => format!("it signed, but {fault}"),
                other => other.to_string(),
            };
            return Err(LayoutError::NotSigned { key: id, why });
        }
        signed_by.push(id);
    }
    Ok(signed_by)
}

/// What is told and not kept, at most [`MAX_NOTES`].
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn push(&mut self, note: String) {
        match self.0.len() {
            MAX_NOTES => self.0.push("and more of that kind".to_owned()),
            count if count < MAX_NOTES => self.0.push(note),
            _ => {}
        }
    }
}

/// The rules about files that the step must keep. Those of apt-transport-in-toto's own layout say
/// what holds here anyway: that the .deb is among the products. All others are told.
fn rules_of_step(step: &Value, notes: &mut Notes) -> Result<(), LayoutError> {
    if !list_or_nothing(step, "expected_command")?.is_empty() {
        notes.push("which command the rebuilder must have run is not checked".to_owned());
    }
    for (member, what) in [("expected_materials", "materials"), ("expected_products", "products")] {
        let products = what == "products";
        // Rules are consumed in order: what was allowed before is not forbidden later.
        let mut allowed = false;
        for rule in list_or_nothing(step, member)? {
            let words = words(rule)?;
            let shown = words.join(" ");
            let shown = printable(&shown);
            match words.as_slice() {
                ["CREATE", "*" | "*.deb"] if products => {
                    allowed = true;
                    notes.push(format!(
                        "that what the rebuild made was not there before ({shown}) is not checked"
                    ));
                }
                ["ALLOW", "*"] => allowed = true,
                ["ALLOW", "*.deb"] if products => allowed = true,
                ["DISALLOW", "*" | "*.deb"] if products && allowed => {}
                _ => notes.push(format!("the step's rule about {what} is not checked: {shown}")),
            }
        }
    }
    Ok(())
}

/// Inspections are commands of whoever made the layout.
fn inspections(signed: &Value, notes: &mut Notes) -> Result<(), LayoutError> {
    for inspection in list_or_nothing(signed, "inspect")? {
        let name = text(inspection, "name").unwrap_or_default();
        notes.push(format!(
            "the inspection {} is not run, and its rules are not checked: nothing of a layout is ever run",
            printable(name)
        ));
    }
    Ok(())
}

/// The keys that the step names, each once, whatever it is called.
fn step_keys(signed: &Value, step: &Value) -> Result<Vec<StepKey>, LayoutError> {
    let all = signed
        .member("keys")
        .and_then(Value::as_object)
        .ok_or(LayoutError::Shape("\"keys\" is not an object"))?;
    let ids = list(step, "pubkeys")?;
    if ids.len() > MAX_KEYS {
        return Err(LayoutError::Shape("the step has more keys than are read"));
    }
    let mut owners: BTreeSet<KeyMaterial> = BTreeSet::new();
    let mut keys = Vec::new();
    for id in ids {
        let id = id.as_str().ok_or(LayoutError::Shape("a key id of the step is no text"))?;
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
            return Err(wrong(format!("keys for {} do not count here", printable(other))));
        }
    };
    let fingerprint = id.to_ascii_lowercase();
    let mut twenty = [0; 20];
    if hex_decode(&fingerprint, &mut twenty).is_none() {
        return Err(wrong("this is no fingerprint of an OpenPGP key of version 4".to_owned()));
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
            PublicKey::read(crate::types::KeyKind::EcdsaP256, public)
        }
        ("rsa", "rsassa-pss-sha256") => PublicKey::read(crate::types::KeyKind::RsaPss, public),
        _ => {
            return Err(format!(
                "keys of the type {} for {} do not count here",
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
/// What is wrong with it, for people.
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

    /// Whether `certificate` is the one that these numbers are out of.
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

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.member(member).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, member: &'static str) -> Result<&'v [Value], LayoutError> {
    value.member(member).and_then(Value::as_array).ok_or(match member {
        "steps" => LayoutError::Shape("\"steps\" is not an array"),
        "pubkeys" => LayoutError::Shape("\"pubkeys\" of the step is not an array"),
        _ => LayoutError::Shape("a list of the layout is not an array"),
    })
}

fn list_or_nothing<'v>(value: &'v Value, member: &'static str) -> Result<&'v [Value], LayoutError> {
    match value.member(member) {
        None => Ok(&[]),
        Some(_) => list(value, member),
    }
}

/// A rule is a list of words.
fn words(rule: &Value) -> Result<Vec<&str>, LayoutError> {
    let wrong = LayoutError::Shape("a rule of the layout is not a list of texts");
    let words = rule.as_array().unwrap_or_default().iter().map(Value::as_str);
    let words: Option<Vec<&str>> = words.collect();
    words.filter(|it| !it.is_empty()).ok_or(wrong)
}

/// Nothing but these members.
fn only(value: &Value, place: &'static str, known: &[&str]) -> Result<(), LayoutError> {
    let empty = BTreeMap::new();
    let members = value.as_object().unwrap_or(&empty);
    match members.keys().find(|it| !known.contains(&it.as_str())) {
        Some(name) => Err(LayoutError::Unknown { place, name: name.clone() }),
        None => Ok(()),
    }
}

fn envelope(why: &Rejection) -> String {
    match why {
        Rejection::Unsigned => "it carries no signature".to_owned(),
        Rejection::TooManySignatures { count } => {
            format!("it carries {count} signatures, more than the {MAX_SIGNATURES} that are read")
        }
        other => other.to_string(),
    }
}

fn short(key: &KeyId) -> &str {
    key.as_str().get(..16).unwrap_or_default()
}
