//! The key with which a statement about an image is signed. No other secret is ever held.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::Zeroizing;

use super::{KeyError, PublicKey};

/// An Ed25519 key that signs. What it is made of is overwritten when it is dropped, and shown to
/// nobody.
pub struct SecretKey(SigningKey);

/// Text that is no key that can sign. It never says what the text was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// A key that a passphrase protects.
    #[error(
        "this key has a passphrase, which apt-quorum cannot ask for: remove it with openssl pkey"
    )]
    Encrypted,
    /// Anything else.
    #[error(
        "expected one ed25519 key between -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY-----, as openssl genpkey -algorithm ed25519 writes it"
    )]
    NotAKey,
    /// A key in whose name anybody could sign.
    #[error("{0}")]
    Weak(KeyError),
}

impl SecretKey {
    /// Longest text that is read as such a key, in bytes. OpenSSL writes 119.
    pub const MAX_LENGTH: usize = 4096;

    /// `PrivateKeyInfo` up to the key itself: version 1, no attributes (RFC 8410 section 7).
    const PKCS8: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];

    /// Reads one PEM block with PKCS#8 in it (RFC 7468 section 10, RFC 8410 section 7).
    ///
    /// # Errors
    /// If `text` is anything but exactly one such key.
    pub fn from_pem(text: &str) -> Result<Self, SecretKeyError> {
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(SecretKeyError::Encrypted);
        }
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .filter(|body| body.len() <= Self::MAX_LENGTH && !body.contains('-'))
            .ok_or(SecretKeyError::NotAKey)?;
        // With room from the start: a buffer that grows leaves copies behind.
        let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
        body.split_ascii_whitespace().for_each(|line| base64.push_str(line));
        let mut der = Zeroizing::new([0; 3 * Self::MAX_LENGTH / 4 + 3]);
        let length = BASE64
            .decode_slice(base64.as_bytes(), der.as_mut_slice())
            .map_err(|_| SecretKeyError::NotAKey)?;
        let key = der
            .get(..length)
            .and_then(|der| der.strip_prefix(&Self::PKCS8))
            .and_then(|key| <&[u8; 32]>::try_from(key).ok())
            .ok_or(SecretKeyError::NotAKey)?;
        let key = SigningKey::from_bytes(key);
        PublicKey::ed25519_from_bytes(key.verifying_key().to_bytes())
            .map_err(SecretKeyError::Weak)?;
        Ok(Self(key))
    }

    /// The key with which its signatures are verified.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    /// The one signature over `message` (RFC 8032 section 5.1.6).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8410 section 10.3, which the whole world has.
    const RFC: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn the_key_of_the_rfc_is_read_and_its_public_key_is_that_of_the_rfc() {
        let key = SecretKey::from_pem(RFC).unwrap();
        let public = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        assert_eq!(key.public().to_text(), public);
        assert!(SecretKey::from_pem(&RFC.replace('\n', "\r\n")).is_ok());
    }

    #[test]
    fn nothing_but_one_good_key_is_taken_and_nothing_of_it_is_shown() {
        let secret = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp";
        for bad in [
            String::new(),
            format!("{RFC}{RFC}"),
            RFC.replace("PRIVATE", "PUBLIC"),
            RFC.replace("VhC", ""),
            RFC.replace("MC4C", "MC5C"),
            RFC.replace("K2Vw", "K2Vu"),
            RFC.replace("BEGIN PRIVATE", "BEGIN ENCRYPTED PRIVATE"),
            RFC.replace("VhC", &"A".repeat(9000)),
            RFC.replace("VhC", "VhCAAAA"),
        ] {
            let error = SecretKey::from_pem(&bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        }
        let key = SecretKey::from_pem(RFC).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey");
    }
}
