//! in-toto links, in whichever envelope they came.
//!
//! in-toto specification 0.9, section 4.4. A Metablock has one beside its signatures, and in-toto's
//! own DSSE envelopes (`in-toto-run --use-dsse`) have one as their payload.

use super::json::Value;
use super::{Rejection, WantedFile, check_step};
use crate::types::Sha256Digest;

/// The `_type` of a link.
pub(super) const TYPE: &str = "link";

/// A signed link.
pub(super) struct Link(Value);

impl Link {
    pub(super) fn of(signed: Value) -> Result<Self, Rejection> {
        let found = signed.member("_type").and_then(Value::as_str).unwrap_or_default();
        if found != TYPE {
            return Err(Rejection::WrongType { found: found.to_owned() });
        }
        Ok(Self(signed))
    }

    /// Its step must be a rebuild.
    pub(super) fn check_step(&self) -> Result<(), Rejection> {
        check_step(self.0.member("name").and_then(Value::as_str).unwrap_or_default())
    }

    /// The SHA-256 that it gives for the file that is wanted: equal to the wanted one, or another one
    /// under the very same name.
    pub(super) fn product(&self, wanted: WantedFile<'_>) -> Result<Sha256Digest, Rejection> {
        let products = self
            .0
            .member("products")
            .and_then(Value::as_object)
            .ok_or(Rejection::Shape("\"products\" is not an object"))?;
        let mut matching = Vec::new();
        for (name, hashes) in products {
            let same_name = name == wanted.artifact.as_str();
            let sha256 = hashes.member("sha256").and_then(Value::as_str).map(str::parse);
            match sha256 {
                Some(Ok(sha256)) if same_name || Some(sha256) == wanted.sha256 => {
                    matching.push((name.as_str(), sha256));
                }
                Some(Ok(_)) => {}
                _ => return Err(Rejection::NoSha256 { product: name.clone() }),
            }
        }
        wanted.only(&matching)?.ok_or(Rejection::OtherArtifact)
    }
}
