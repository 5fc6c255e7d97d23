//! in-toto layouts: who may make which step of a supply chain, signed by whoever decides that.
//!
//! in-toto specification 0.9, section 4.3. Only layouts of one step, a rebuild, say something that
//! a policy here can say: so many of these keys must agree. What else a layout demands is either
//! refused or told in [`Layout::notes`]; nothing is passed over in silence, for that would loosen
//! it. Inspections are commands to be run, and are never run.

mod keys;
mod rules;

use std::collections::BTreeMap;

use super::dsse;
use super::json::{self, JsonError, Value};
use super::metablock::Metablock;
use super::signatures::Signatures;
use super::{KeyRing, MAX_BYTES, MAX_SIGNATURES, PinnedKey, Rejection, shown};
use crate::types::{
    KeyId, PublicKey, RebuilderName, Threshold, ThresholdError, Timestamp, printable,
};

pub use keys::{Numbers, Stated, StepKey, read_json_key};

/// Most keys that a layout may be held against, and most keys of its step.
const MAX_KEYS: usize = 64;

/// A layout whose signatures were verified.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The first moment at which it no longer applies
    pub expires: Timestamp,
    /// The number of keys that must agree. These are keys, not rebuilders
    pub threshold: Threshold,
    /// The keys, in the layout's order
    pub keys: Vec<StepKey>,
    /// The given keys that signed it: all of them
    pub signed_by: Vec<KeyId>,
    /// The demands that do not become part of a policy, one sentence each, for people
    pub notes: Vec<String>,
}

/// The reason that a layout cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More bytes than an attestation may have.
    #[error("it has {size} bytes, over the limit of {MAX_BYTES} bytes")]
    TooLarge {
        /// Its size in bytes
        size: usize,
    },
    /// No key was given to hold it against, or too many.
    #[error("give 1 to {MAX_KEYS} keys to verify its signatures with")]
    KeyCount,
    /// A key was given twice.
    #[error("a key to verify its signatures with is given twice")]
    RepeatedKey,
    /// Not JSON, or JSON that can be read in two ways.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// Neither a Metablock nor a DSSE envelope.
    #[error("{}", envelope(.0))]
    Envelope(Rejection),
    /// One of the given keys did not sign it.
    #[error("not signed with the key {}: {why}", short(.key))]
    NotSigned {
        /// The key
        key: KeyId,
        /// The reason
        why: String,
    },
    /// Something else than a layout.
    #[error("signed, but not a layout: its type is {}", shown(.0))]
    WrongType(String),
    /// It no longer holds.
    #[error("it expired on {}: its owner must renew and sign it", .0.date())]
    Expired(Timestamp),
    /// A member is missing or not what it should be.
    #[error("{0}")]
    Shape(&'static str),
    /// A member that is not known, and might demand something.
    #[error("{place} has the unknown member {}, so the import could not keep its demand", printable(.name))]
    Unknown {
        /// The place of the member in the layout
        place: &'static str,
        /// Its name
        name: String,
    },
    /// More than one step, or none.
    #[error("it has {0} steps; only a layout with the single step rebuild can be imported")]
    Steps(usize),
    /// A step that is not a rebuild.
    #[error("its step is called {}; only the step rebuild can be imported", printable(.0))]
    WrongStep(String),
    /// A threshold of zero, or none.
    #[error("the step: {0}")]
    Threshold(#[from] ThresholdError),
    /// A threshold that can never be met.
    #[error("the step's threshold is {threshold}, but it has only {keys} keys")]
    TooFewKeys {
        /// The threshold
        threshold: u32,
        /// The number of keys that the step has
        keys: usize,
    },
    /// A key of the step stands in it twice, under this id or another.
    #[error("the step has the key {} twice, so it would count twice", printable(.0))]
    TwoIds(String),
    /// The step names a key that the layout does not have.
    #[error("the step names the key {}, which is not a key of the layout", printable(.0))]
    NoSuchKey(String),
    /// A key that cannot be taken.
    #[error("the key {}: {why}", printable(.id))]
    Key {
        /// The id that the layout gives it
        id: String,
        /// The reason
        why: String,
    },
}

impl Layout {
    /// Reads a layout that each of `keys` signed and that is in force at `now`.
    ///
    /// All of the keys must have signed, not one of them. in-toto has the same rule, and an
    /// administrator who gives two keys wants the consent of both.
    ///
    /// # Errors
    /// If it cannot be imported without loosening its demands: the reason.
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
        let (signed_by, signed) = if dsse::Envelope::is_meant(&envelope) {
            let envelope = dsse::Envelope::of(&envelope).map_err(LayoutError::Envelope)?;
            let signed_by = signers(envelope.signatures(), keys, now)?;
            let payload = envelope.payload().map_err(LayoutError::Envelope)?;
            (signed_by, json::parse(payload)?)
        } else {
            let metablock = Metablock::of(envelope).map_err(LayoutError::Envelope)?;
            (signers(metablock.signatures(), keys, now)?, metablock.into_signed())
        };
        let signed = &signed;
        let kind = text(signed, "_type").unwrap_or_default();
        if kind != "layout" {
            return Err(LayoutError::WrongType(kind.to_owned()));
        }
        let known = ["_type", "expires", "inspect", "keys", "readme", "steps"];
        only(signed, "the layout", &known)?;
        let expires = text(signed, "expires")
            .and_then(|it| it.parse::<Timestamp>().ok())
            .ok_or(LayoutError::Shape("\"expires\" is not a time such as 2027-03-01T00:00:00Z"))?;
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
        let mut notes = rules::Notes::default();
        rules::rules_of_step(step, &mut notes)?;
        rules::inspections(signed, &mut notes)?;
        let keys = keys::step_keys(signed, step)?;
        let threshold = match step.member("threshold") {
            Some(Value::Integer(number)) => {
                Threshold::try_from(i64::try_from(*number).unwrap_or(i64::MAX))?
            }
            _ => return Err(LayoutError::Shape("the step's threshold is not a whole number")),
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
    signatures: &Signatures,
    keys: &[PublicKey],
    now: Timestamp,
) -> Result<Vec<KeyId>, LayoutError> {
    // Whose the keys are plays no part here; a pinned key has an owner.
    let Ok(rebuilder) = "layout".parse::<RebuilderName>() else {
        return Err(LayoutError::KeyCount);
    };
    let pinned = |key: &PublicKey| PinnedKey {
        rebuilder: rebuilder.clone(),
        key: key.clone(),
        not_after: None,
    };
    KeyRing::new(keys.iter().map(pinned).collect()).map_err(|_| LayoutError::RepeatedKey)?;
    let mut signed_by = Vec::new();
    for key in keys {
        let ring = KeyRing::new(vec![pinned(key)]).map_err(|_| LayoutError::RepeatedKey)?;
        let id = key.key_id();
        if let Err(why) = signatures.signers(&ring, now) {
            let why = match why {
                Rejection::BadSignature { .. } => "its signature is invalid".to_owned(),
                Rejection::UnknownKey { .. } => "it has no signature by this key".to_owned(),
                Rejection::FaultySignature { fault, .. } => format!("it signed, but {fault}"),
                other => other.to_string(),
            };
            return Err(LayoutError::NotSigned { key: id, why });
        }
        signed_by.push(id);
    }
    Ok(signed_by)
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
        Rejection::Unsigned => "it has no signature".to_owned(),
        Rejection::TooManySignatures { count } => {
            format!("it has {count} signatures, over the limit of {MAX_SIGNATURES} signatures")
        }
        other => other.to_string(),
    }
}

fn short(key: &KeyId) -> &str {
    key.as_str().get(..16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_read_with_keys_and_with_a_bounded_number_of_them() {
        let now = Timestamp::from_unix(0).unwrap();
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
            -----END PUBLIC KEY-----\n";
        let key = PublicKey::ed25519_from_pem(pem).unwrap();
        let read = |count: usize| Layout::read(b"{}", &vec![key.clone(); count], now).err();
        assert!(matches!(read(0), Some(LayoutError::KeyCount)), "nobody signed it");
        assert!(!matches!(read(1), Some(LayoutError::KeyCount)));
        assert!(!matches!(read(MAX_KEYS), Some(LayoutError::KeyCount)));
        assert!(matches!(read(MAX_KEYS + 1), Some(LayoutError::KeyCount)));
    }
}
