//! DSSE envelopes with in-toto Statements or links in them.
//!
//! DSSE: <https://github.com/secure-systems-lab/dsse/blob/master/envelope.md> and `protocol.md`
//! (version 1.0). What is signed is the payload together with its type, so both are judged only
//! after a signature by a pinned key was found.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::json::{self, Value};
use super::link::{self, Link};
use super::signatures::{Form, MAX_SIGNATURE, Signature, Signatures};
use super::statement::RebuildStatement;
use super::{Rejection, SignedContent};

/// The payload type of an in-toto Statement (in-toto attestation framework, `spec/v1/envelope.md`).
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Either alphabet is allowed, and some leave the padding out.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// An envelope whose signatures have not been looked at.
pub(super) struct Envelope {
    signatures: Signatures,
    payload_type: String,
    payload: Vec<u8>,
}

impl Envelope {
    /// Returns true when an object is meant to be an envelope.
    pub(super) fn is_meant(envelope: &BTreeMap<String, Value>) -> bool {
        envelope.contains_key("payload") && !envelope.contains_key("signed")
    }

    pub(super) fn of(envelope: &BTreeMap<String, Value>) -> Result<Self, Rejection> {
        let text = |key: &str| envelope.get(key).and_then(Value::as_str);
        let payload_type =
            text("payloadType").ok_or(Rejection::Shape("\"payloadType\" is missing"))?;
        let payload = text("payload").and_then(decode);
        let payload = payload.ok_or(Rejection::Shape("\"payload\" is not base64"))?;
        let signatures = Signatures::listed(envelope)?;
        let signatures = signatures.iter().map(signature).collect();
        let message = pre_authentication_encoding(payload_type, &payload);
        Ok(Self {
            signatures: Signatures::new(signatures, message),
            payload_type: payload_type.to_owned(),
            payload,
        })
    }

    /// The signatures of the envelope.
    pub(super) const fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// The content of the envelope: a statement, or a link as in-toto itself writes it. The caller
    /// must have verified a signature.
    pub(super) fn content(&self) -> Result<SignedContent, Rejection> {
        let payload = json::parse(self.payload()?)?;
        match payload.member("_type").and_then(Value::as_str) {
            Some(link::TYPE) => Link::of(payload).map(SignedContent::Link),
            _ => RebuildStatement::of(payload).map(SignedContent::Statement),
        }
    }

    /// The same as bytes.
    pub(super) fn payload(&self) -> Result<&[u8], Rejection> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(Rejection::WrongPayload { found: self.payload_type.clone() });
        }
        Ok(&self.payload)
    }
}

/// An element of the list of signatures. The key id is optional here.
fn signature(value: &Value) -> Signature {
    let text = |key: &str| value.member(key).and_then(Value::as_str);
    let bytes = text("sig").and_then(decode).filter(|it| it.len() <= MAX_SIGNATURE);
    Signature {
        key_id: text("keyid").unwrap_or_default().to_owned(),
        form: bytes.map_or(Form::Damaged, Form::Plain),
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

/// The bytes that are signed: `PAE` of DSSE's `protocol.md`, with lengths in bytes.
pub(super) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (type_length, length) = (payload_type.len(), payload.len());
    let mut message = format!("DSSEv1 {type_length} {payload_type} {length} ").into_bytes();
    message.extend(payload);
    message
}
