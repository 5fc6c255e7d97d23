//! Sigstore bundles: a DSSE envelope with what Sigstore needs to verify it.
//!
//! Format: <https://github.com/sigstore/protobuf-specs>, `sigstore_bundle.proto`, as JSON. Only the
//! envelope is read, and it must be signed with a pinned key like any other. Certificates and entries
//! of a transparency log are not looked at: whose word it is, the pinned key says.

use std::collections::BTreeMap;

use super::Rejection;
use super::json::Value;

/// The envelope out of a bundle.
pub(super) struct Bundle {
    pub(super) envelope: BTreeMap<String, Value>,
    /// Is true when the key is in a certificate, which Sigstore makes for minutes
    pub(super) certified: bool,
    /// The bundle's name for its public key
    pub(super) hint: Option<String>,
}

impl Bundle {
    /// Returns true when an object is meant to be a bundle.
    pub(super) fn is_meant(object: &BTreeMap<String, Value>) -> bool {
        let media_type = object.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        media_type.starts_with("application/vnd.dev.sigstore.bundle")
            || object.contains_key("dsseEnvelope")
    }

    pub(super) fn of(mut object: BTreeMap<String, Value>) -> Result<Self, Rejection> {
        if object.contains_key("messageSignature") {
            return Err(Rejection::Sigstore(
                "signs a file, not a statement, so it confirms no rebuild",
            ));
        }
        let Some(Value::Object(envelope)) = object.remove("dsseEnvelope") else {
            return Err(Rejection::Sigstore("has no \"dsseEnvelope\""));
        };
        let material = |key: &str| object.get("verificationMaterial")?.member(key);
        let certified = ["certificate", "x509CertificateChain"];
        let hint = material("publicKey").and_then(|it| it.member("hint")?.as_str());
        Ok(Self {
            envelope,
            certified: certified.iter().any(|it| material(it).is_some()),
            hint: hint.map(str::to_owned),
        })
    }

    /// The reason that its envelope was rejected, in words that fit a bundle.
    pub(super) fn explain(&self, why: Rejection) -> Rejection {
        match why {
            Rejection::UnknownKey { .. } if self.certified => Rejection::Sigstore(
                "is signed with a short-lived certificate: ask its publisher for a bundle that is \
                 signed with a public key",
            ),
            Rejection::UnknownKey { mut key_ids } => {
                key_ids.retain(|it| !it.is_empty());
                if key_ids.is_empty() {
                    key_ids.extend(self.hint.clone());
                }
                Rejection::UnknownKey { key_ids }
            }
            other => other,
        }
    }
}
