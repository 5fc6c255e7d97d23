//! Public keys, as the configuration pins them.

use super::pem::{self, hex};
use super::{Certificate, Sha256Digest, hex_decode};

/// A public key that the administrator pinned.
///
/// Two values are equal exactly when they are the same key, however it was written down: votes
/// are counted by the owner of these bytes, never by a key id that somebody chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PublicKey {
    /// An Ed25519 key that decodes to a point which is not of small order (RFC 8032).
    Ed25519([u8; 32]),
    /// An ECDSA key on the curve P-256 (FIPS 186-5), for signatures over SHA-256.
    EcdsaP256(EcdsaP256Key),
    /// An RSA key for RSASSA-PSS (RFC 8017 section 8.1) with SHA-256 and a salt of 32 bytes.
    RsaPss(RsaKey),
    /// An OpenPGP certificate, any of whose signing keys may sign.
    OpenPgp(Certificate),
}

/// The kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// [`PublicKey::Ed25519`]
    Ed25519,
    /// [`PublicKey::EcdsaP256`]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// [`PublicKey::RsaPss`]
    RsaPss,
    /// [`PublicKey::OpenPgp`]
    #[serde(rename = "openpgp")]
    OpenPgp,
}

/// A point of the curve P-256, not the one at infinity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EcdsaP256Key([u8; 65]);

/// An RSA key of 2,048 to 8,192 bits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RsaKey(Vec<u8>);

/// The numbers that make up a key, without the format around them. One party must not get two votes
/// by putting one key into a PEM file and into a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyMaterial(Vec<u8>);

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
    #[error("this is not {}", .0.described())]
    NotOfKind(KeyKind),
    /// Not a point of the curve, or one that makes forged signatures possible.
    #[error("this ed25519 key is damaged, or so weak that anybody could sign in its name")]
    Weak,
    /// An RSA key that can be broken, or that takes too long.
    #[error("an RSA key must have {} to {} bits, this one has {bits} of them", RsaKey::BITS.start(), RsaKey::BITS.end())]
    RsaSize {
        /// The number of bits that it has
        bits: usize,
    },
    /// Not one armoured OpenPGP block.
    #[error(
        "expected one block that begins with -----BEGIN PGP PUBLIC KEY BLOCK-----, and nothing after its end (gpg --armor --export)"
    )]
    NotArmor,
    /// Not exactly one certificate.
    #[error("this is not exactly one OpenPGP certificate, or it is damaged")]
    NotOpenPgp,
    /// A certificate with keys of another version than 4.
    #[error("only OpenPGP certificates of version 4 are understood")]
    OpenPgpVersion,
    /// A certificate with more keys than anybody needs.
    #[error("this certificate has more than {most} keys")]
    TooManyKeys {
        /// The largest number of keys that is accepted
        most: usize,
    },
    /// A certificate with a packet in it that has no place in one, or that nobody here understands.
    #[error(
        "this certificate has a packet of the unknown type {kind}, which could be a revocation: export it again (gpg --armor --export-options export-minimal --export)"
    )]
    OddPacket {
        /// The type
        kind: u8,
    },
    /// A certificate with so many signatures that fit nothing in it that they are not all tried.
    #[error(
        "this certificate has too many unrelated signatures: export it again (gpg --armor --export-options export-minimal --export)"
    )]
    TooManySignatures,
    /// The file holds more than a key could.
    #[error("a public key of this type is at most {most} bytes long")]
    TooLong {
        /// The limit in bytes
        most: usize,
    },
}

/// The name of a key in in-toto's Metablock: for an Ed25519 key the SHA-256 over the canonical JSON
/// of its description, for a certificate its fingerprint, in hexadecimal. Other programs name the
/// same key differently, so this is only a hint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::EcdsaP256, Self::RsaPss, Self::OpenPgp];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256 => "ecdsa-p256",
            Self::RsaPss => "rsa-pss",
            Self::OpenPgp => "openpgp",
        }
    }

    const fn described(self) -> &'static str {
        match self {
            Self::Ed25519 => "an ed25519 key (RFC 8410)",
            Self::EcdsaP256 => "an ECDSA key on the curve P-256 (RFC 5480)",
            Self::RsaPss => "an RSA key (RFC 3279)",
            Self::OpenPgp => "an OpenPGP certificate",
        }
    }
}

impl PublicKey {
    /// Longest text that is read as a key in PEM, in bytes. An RSA key of 16,384 bits needs 2,800.
    pub const MAX_LENGTH: usize = 16 * 1024;

    /// `SubjectPublicKeyInfo` of an Ed25519 key up to the key itself, as RFC 8410 section 4 has it.
    const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    /// The same with NULL as the algorithm's parameter, which RFC 8410 section 3 forbids and
    /// rebuilderd writes.
    const SPKI_NULL: [u8; 14] =
        [0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00];

    /// Reads a key of the kind that is wanted, as the configuration has it: PEM with
    /// `SubjectPublicKeyInfo` in it, or an armoured certificate.
    ///
    /// # Errors
    /// If `text` is anything but exactly one such key.
    pub fn read(kind: KeyKind, text: &str) -> Result<Self, KeyError> {
        match kind {
            KeyKind::Ed25519 => Self::ed25519_from_pem(text),
            KeyKind::EcdsaP256 => EcdsaP256Key::from_spki(&pem::read(text)?).map(Self::EcdsaP256),
            KeyKind::RsaPss => RsaKey::from_spki(&pem::read(text)?).map(Self::RsaPss),
            KeyKind::OpenPgp => Certificate::from_armor(text).map(Self::OpenPgp),
        }
    }

    /// Reads what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// If `bytes` are not such a key.
    pub fn from_bytes(kind: KeyKind, bytes: &[u8]) -> Result<Self, KeyError> {
        match kind {
            KeyKind::Ed25519 => {
                let key = bytes.try_into().map_err(|_| KeyError::NotOfKind(kind))?;
                Self::ed25519_from_bytes(key)
            }
            KeyKind::EcdsaP256 => EcdsaP256Key::from_point(bytes).map(Self::EcdsaP256),
            KeyKind::RsaPss => RsaKey::from_pkcs1(bytes).map(Self::RsaPss),
            KeyKind::OpenPgp => Certificate::from_packets(bytes).map(Self::OpenPgp),
        }
    }

    /// The key without anything around it, for [`Self::from_bytes`].
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key,
            Self::EcdsaP256(key) => &key.0,
            Self::RsaPss(key) => &key.0,
            Self::OpenPgp(certificate) => certificate.packets(),
        }
    }

    /// The key as text that [`Self::read`] takes, in one form whatever it was read from: with
    /// nothing in it but the key.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::OpenPgp(certificate) => pem::armor(certificate.packets()),
            _ => pem::write(&self.to_der().unwrap_or_default()),
        }
    }

    /// The key as `SubjectPublicKeyInfo` in DER, as OpenSSL writes it; none of a certificate.
    #[must_use]
    pub fn to_der(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(key) => Some([&Self::SPKI[..], key].concat()),
            Self::EcdsaP256(key) => Some(key.to_spki()),
            Self::RsaPss(key) => Some(key.to_spki()),
            Self::OpenPgp(_) => None,
        }
    }

    /// Reads an Ed25519 key from PEM, in the form of RFC 8410 or in rebuilderd's, with any line
    /// ends.
    ///
    /// # Errors
    /// If `text` is anything but exactly one such key.
    pub fn ed25519_from_pem(text: &str) -> Result<Self, KeyError> {
        let der = pem::read(text)?;
        let key = der
            .strip_prefix(&Self::SPKI)
            .or_else(|| der.strip_prefix(&Self::SPKI_NULL))
            .and_then(|key| <[u8; 32]>::try_from(key).ok())
            .ok_or(KeyError::NotOfKind(KeyKind::Ed25519))?;
        Self::ed25519_from_bytes(key)
    }

    /// Reads an Ed25519 key from its 32 bytes in hexadecimal, as in-toto metadata writes it.
    ///
    /// # Errors
    /// If `text` is anything but such a key.
    pub fn ed25519_from_hex(text: &str) -> Result<Self, KeyError> {
        let mut key = [0_u8; 32];
        hex_decode(text.trim(), &mut key).ok_or(KeyError::NotOfKind(KeyKind::Ed25519))?;
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
        // Canonical JSON: no white space, members in order, a line end as it is.
        let of = |description: String| KeyId(Sha256Digest::of(description.as_bytes()).to_string());
        let plain = |keytype: &str, scheme: &str, spki: &[u8]| {
            let public = pem::write(spki);
            of(format!(
                r#"{{"keytype":"{keytype}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}"#
            ))
        };
        match self {
            Self::Ed25519(key) => {
                let public = hex(key);
                of(format!(
                    r#"{{"keyid_hash_algorithms":["sha256","sha512"],"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#
                ))
            }
            Self::EcdsaP256(key) => plain("ecdsa", "ecdsa-sha2-nistp256", &key.to_spki()),
            Self::RsaPss(key) => plain("rsa", "rsassa-pss-sha256", &key.to_spki()),
            Self::OpenPgp(certificate) => KeyId(certificate.fingerprint().to_owned()),
        }
    }

    /// Returns true when a signature with this key id claims to be made with this key. This is only
    /// a hint.
    #[must_use]
    pub fn is_called(&self, key_id: &str) -> bool {
        match self {
            Self::OpenPgp(certificate) => {
                certificate.fingerprints().any(|it| it.eq_ignore_ascii_case(key_id))
            }
            _ => self.key_id().as_str() == key_id,
        }
    }

    /// The material of the key: for a certificate, that of every key that could make signatures.
    pub(crate) fn materials(&self) -> Vec<KeyMaterial> {
        match self {
            Self::Ed25519(key) => vec![KeyMaterial::ed25519(key)],
            Self::EcdsaP256(key) => vec![KeyMaterial::ecdsa("NIST P-256", &key.0)],
            Self::RsaPss(key) => key.material().into_iter().collect(),
            Self::OpenPgp(certificate) => certificate.materials().cloned().collect(),
        }
    }

    /// The kind of the key.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::Ed25519(_) => KeyKind::Ed25519,
            Self::EcdsaP256(_) => KeyKind::EcdsaP256,
            Self::RsaPss(_) => KeyKind::RsaPss,
            Self::OpenPgp(_) => KeyKind::OpenPgp,
        }
    }
}

impl EcdsaP256Key {
    /// `SubjectPublicKeyInfo` of such a key up to the uncompressed point (RFC 5480 section 2.1.1).
    const SPKI: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let point = der.strip_prefix(&Self::SPKI);
        Self::from_point(point.ok_or(KeyError::NotOfKind(KeyKind::EcdsaP256))?)
    }

    fn from_point(bytes: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::NotOfKind(KeyKind::EcdsaP256);
        let point = bytes.try_into().map_err(|_| wrong.clone())?;
        // The uncompressed form only, so that equal keys are equal bytes.
        match p256::PublicKey::from_sec1_bytes(bytes) {
            Ok(_) => Ok(Self(point)),
            Err(_) => Err(wrong),
        }
    }

    fn to_spki(&self) -> Vec<u8> {
        [&Self::SPKI[..], &self.0].concat()
    }

    /// The uncompressed point (SEC 1 section 2.3.3).
    pub(crate) const fn point(&self) -> &[u8; 65] {
        &self.0
    }
}

impl RsaKey {
    /// The allowed number of bits. Keys with fewer bits can be factored some day soon; more bits
    /// only cost time.
    const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let wrong = || KeyError::NotOfKind(KeyKind::RsaPss);
        let info = spki::SubjectPublicKeyInfoRef::try_from(der).map_err(|_| wrong())?;
        if info.algorithm.oid != pkcs1::ALGORITHM_OID {
            return Err(wrong());
        }
        Self::from_pkcs1(info.subject_public_key.as_bytes().ok_or_else(wrong)?)
    }

    /// Takes an `RSAPublicKey` (RFC 8017 appendix A.1.1) in DER, which has one form for one key.
    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key =
            pkcs1::RsaPublicKey::try_from(der).map_err(|_| KeyError::NotOfKind(KeyKind::RsaPss))?;
        let modulus = key.modulus.as_bytes();
        let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let unused = usize::try_from(unused).unwrap_or_default();
        let bits = (modulus.len() * 8).saturating_sub(unused);
        if !Self::BITS.contains(&bits) {
            return Err(KeyError::RsaSize { bits });
        }
        Ok(Self(der.to_vec()))
    }

    fn to_spki(&self) -> Vec<u8> {
        use spki::der::{Encode, asn1::BitStringRef};

        let written = BitStringRef::from_bytes(&self.0).and_then(|subject_public_key| {
            let algorithm = pkcs1::ALGORITHM_ID;
            spki::SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der()
        });
        // Never fails for what was read from DER; an empty key would have an id that fits none.
        written.unwrap_or_default()
    }

    fn material(&self) -> Option<KeyMaterial> {
        let key = pkcs1::RsaPublicKey::try_from(self.0.as_slice()).ok()?;
        Some(KeyMaterial::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes()))
    }

    /// The key as `RSAPublicKey` in DER.
    pub(crate) fn pkcs1(&self) -> &[u8] {
        &self.0
    }
}

impl KeyMaterial {
    pub(crate) fn ed25519(key: &[u8; 32]) -> Self {
        Self([&b"ed25519 "[..], key].concat())
    }

    /// By the curve's name and bytes that end with the uncompressed point.
    pub(super) fn ecdsa(curve: &str, bytes: &[u8]) -> Self {
        let length = if curve == "NIST P-256" { 65 } else { bytes.len() };
        let point = bytes.get(bytes.len().saturating_sub(length)..).unwrap_or_default();
        Self([b"ecdsa ", curve.as_bytes(), b" ", point].concat())
    }

    /// By modulus and exponent, as numbers without leading zeros.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        let length = modulus.len().to_string();
        Self([b"rsa ", length.as_bytes(), b" ", modulus, exponent].concat())
    }

    /// By the two numbers as OpenPGP writes them: the number of bits in two bytes, the number.
    pub(super) fn rsa_mpis(mpis: &[u8]) -> Self {
        let number = |bytes: &[u8]| {
            let bits = bytes.first_chunk().copied().map_or(0, u16::from_be_bytes);
            let end = 2 + usize::from(bits).div_ceil(8);
            (bytes.get(2..end).unwrap_or_default().to_vec(), end)
        };
        let (modulus, end) = number(mpis);
        let (exponent, _) = number(mpis.get(end..).unwrap_or_default());
        Self::rsa(&modulus, &exponent)
    }
}

super::package::shown_as_text!(KeyId);
super::package::written_as_text!(KeyId);

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
        assert_eq!(key.to_text(), RFC);
    }

    #[test]
    fn what_is_not_exactly_one_good_key_is_refused() {
        let two = format!("{RFC}{RFC}");
        let short = RFC.replace("URo=", "");
        for (bad, error) in [
            ("", KeyError::NotPem),
            (two.as_str(), KeyError::NotPem),
            (short.as_str(), KeyError::NotOfKind(KeyKind::Ed25519)),
            ("-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----", KeyError::NotBase64),
            (
                &"x".repeat(PublicKey::MAX_LENGTH + 1),
                KeyError::TooLong { most: PublicKey::MAX_LENGTH },
            ),
        ] {
            assert_eq!(PublicKey::ed25519_from_pem(bad), Err(error), "{bad:?}");
        }
        // The neutral element: every message has a signature that verifies under it.
        let neutral = format!("01{}", "00".repeat(31));
        assert_eq!(PublicKey::ed25519_from_hex(&neutral), Err(KeyError::Weak));
    }
}
