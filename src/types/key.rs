//! Public keys, as the configuration pins them.

use std::fmt;

use base64::Engine;

use super::{Sha256Digest, hex_decode};

/// A public key that the administrator pinned.
///
/// Two values are equal exactly when they are the same key, however it was written down: votes
/// are counted by the owner of these bytes, never by a key id that somebody chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PublicKey {
    /// An Ed25519 key that decodes to a point which is not of small order (RFC 8032).
    Ed25519([u8; 32]),
}

/// Text that is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not one PEM block labelled `PUBLIC KEY`.
    #[error("expected one block between -----BEGIN PUBLIC KEY----- and -----END PUBLIC KEY-----")]
    NotPem,
    /// The text between the lines is not base64.
    #[error("the text between the BEGIN and END lines is not base64")]
    NotBase64,
    /// A key, but not one of the wanted algorithm.
    #[error("this is not an ed25519 key (RFC 8410)")]
    NotEd25519,
    /// Not a point of the curve, or one that makes forged signatures possible.
    #[error("this ed25519 key is damaged, or so weak that anybody could sign in its name")]
    Weak,
    /// The file holds more than a key could.
    #[error("a public key is at most {} bytes long", PublicKey::MAX_LENGTH)]
    TooLong,
}

/// How in-toto's Metablock names an Ed25519 key: the SHA-256 over the canonical JSON of its
/// description, in hexadecimal. Others name the same key otherwise, so this is only a hint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl PublicKey {
    /// Longest text that is read as a key, in bytes. An RSA key of 16,384 bits needs 2,800.
    pub const MAX_LENGTH: usize = 16 * 1024;

    /// `SubjectPublicKeyInfo` of an Ed25519 key up to the key itself, as RFC 8410 section 4 has it.
    const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    /// The same with NULL as the algorithm's parameter, which RFC 8410 section 3 forbids and
    /// rebuilderd writes.
    const SPKI_NULL: [u8; 14] =
        [0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00];

    /// Reads an Ed25519 key from PEM, in the form of RFC 8410 or in rebuilderd's, with any line
    /// ends.
    ///
    /// # Errors
    /// If `text` is anything but exactly one such key.
    pub fn ed25519_from_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(KeyError::TooLong);
        }
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or(KeyError::NotPem)?;
        if body.contains("-----") {
            return Err(KeyError::NotPem);
        }
        let base64: String = body.split_ascii_whitespace().collect();
        let der = base64::engine::general_purpose::STANDARD
            .decode(base64)
            .map_err(|_| KeyError::NotBase64)?;
        let key = der
            .strip_prefix(&Self::SPKI)
            .or_else(|| der.strip_prefix(&Self::SPKI_NULL))
            .and_then(|key| <[u8; 32]>::try_from(key).ok())
            .ok_or(KeyError::NotEd25519)?;
        Self::ed25519_from_bytes(key)
    }

    /// Reads an Ed25519 key from its 32 bytes in hexadecimal, as in-toto metadata writes it.
    ///
    /// # Errors
    /// If `text` is anything but such a key.
    pub fn ed25519_from_hex(text: &str) -> Result<Self, KeyError> {
        let mut key = [0_u8; 32];
        hex_decode(text.trim(), &mut key).ok_or(KeyError::NotEd25519)?;
        Self::ed25519_from_bytes(key)
    }

    /// Takes the 32 bytes of an Ed25519 key.
    ///
    /// # Errors
    /// If they are not a point of the curve or one of small order: with such a key anybody could
    /// make signatures that verify.
    pub fn ed25519_from_bytes(key: [u8; 32]) -> Result<Self, KeyError> {
        match ed25519_dalek::VerifyingKey::from_bytes(&key) {
            Ok(point) if !point.is_weak() => Ok(Self::Ed25519(key)),
            _ => Err(KeyError::Weak),
        }
    }

    /// The key id that in-toto derives for this key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        let Self::Ed25519(key) = self;
        let public: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let description = format!(
            r#"{{"keyid_hash_algorithms":["sha256","sha512"],"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#
        );
        KeyId(Sha256Digest::of(description.as_bytes()).to_string())
    }

    /// The name of the algorithm as the configuration writes it.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        let Self::Ed25519(_) = self;
        "ed25519"
    }
}

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

super::package::shown_as_text!(KeyId);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8032 section 7.1, test 1, in the two forms that are in use.
    const RFC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    const NULL: &str = "-----BEGIN PUBLIC KEY-----\r\nMCwwBwYDK2VwBQADIQDXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==\r\n-----END PUBLIC KEY-----\r\n";
    const HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    #[test]
    fn both_pem_forms_and_hex_are_the_same_key() {
        let key = PublicKey::ed25519_from_pem(RFC).unwrap();
        assert_eq!(PublicKey::ed25519_from_pem(NULL).as_ref(), Ok(&key));
        assert_eq!(PublicKey::ed25519_from_hex(HEX).as_ref(), Ok(&key));
    }

    #[test]
    fn what_is_not_exactly_one_good_key_is_refused() {
        let two = format!("{RFC}{RFC}");
        let short = RFC.replace("URo=", "");
        for (bad, error) in [
            ("", KeyError::NotPem),
            (two.as_str(), KeyError::NotPem),
            (short.as_str(), KeyError::NotEd25519),
            ("-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----", KeyError::NotBase64),
            (&"x".repeat(PublicKey::MAX_LENGTH + 1), KeyError::TooLong),
        ] {
            assert_eq!(PublicKey::ed25519_from_pem(bad), Err(error), "{bad:?}");
        }
        // The neutral element: every message has a signature that verifies under it.
        let neutral = format!("01{}", "00".repeat(31));
        assert_eq!(PublicKey::ed25519_from_hex(&neutral), Err(KeyError::Weak));
    }
}
