//! in-toto's Metablock: mostly with a link in it, as rebuilderd publishes it.
//!
//! in-toto specification 0.9, section 4.3 (general format), with signatures as
//! securesystemslib writes them, in hexadecimal over the canonical JSON of `signed`: `sig`, or
//! `signature` and `other_headers` out of an OpenPGP packet.

use std::collections::BTreeMap;

use super::Rejection;
use super::json::Value;
use super::openpgp::{MAX_HEADERS, OpenPgpSignature};
use super::signatures::{Form, MAX_SIGNATURE, Signature, Signatures};
use crate::types::hex_decode;

/// A Metablock whose signatures have not been looked at.
pub(super) struct Metablock {
    signatures: Signatures,
    signed: Value,
}

impl Metablock {
    pub(super) fn of(mut envelope: BTreeMap<String, Value>) -> Result<Self, Rejection> {
        let signed = envelope.remove("signed").ok_or(Rejection::Shape("\"signed\" is missing"))?;
        if signed.as_object().is_none() {
            return Err(Rejection::Shape("\"signed\" is not an object"));
        }
        let signatures = Signatures::listed(&envelope)?;
        let signatures = signatures.iter().filter_map(signature).collect();
        Ok(Self { signatures: Signatures::new(signatures, signed.canonical()), signed })
    }

    /// The signatures of the Metablock.
    pub(super) const fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// The signed content. The signatures need not have been verified yet.
    pub(super) fn into_signed(self) -> Value {
        self.signed
    }
}

/// An element of the list of signatures that names a key. What else stands in the list cannot
/// verify, and must not keep a good one from counting, so it is passed over.
fn signature(value: &Value) -> Option<Signature> {
    let text = |key: &str| value.member(key).and_then(Value::as_str);
    let key_id = text("keyid")?.to_owned();
    let form = match (text("sig"), text("signature"), text("other_headers")) {
        (Some(sig), None, None) => bytes(sig, MAX_SIGNATURE).map(Form::Plain),
        (None, Some(signature), Some(headers)) => {
            let headers = bytes(headers, MAX_HEADERS);
            let signature = bytes(signature, MAX_SIGNATURE);
            headers.zip(signature).map(|(headers, signature)| {
                Form::open_pgp(OpenPgpSignature::put_together(&headers, &signature))
            })
        }
        _ => None,
    };
    Some(Signature { key_id, form: form.unwrap_or(Form::Damaged) })
}

/// At most `most` bytes in hexadecimal.
fn bytes(hex: &str, most: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; Some(hex.len() / 2).filter(|length| *length <= most)?];
    hex_decode(hex, &mut bytes).map(|()| bytes)
}
