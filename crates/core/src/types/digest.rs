//! SHA-256 digests.

use std::fmt;
use std::str::FromStr;

use sha2::Digest;

/// A SHA-256 digest, the only hash by which files are compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

/// Text that is not a SHA-256 digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 hexadecimal digits, this is {found}")]
pub struct DigestError {
    found: String,
}

impl Sha256Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Wraps the output of a hash function.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256Digest {
    type Err = DigestError;

    /// Reads 64 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0_u8; 32];
        let read = hex_decode(text, &mut digest).map(|()| Self(digest));
        read.ok_or_else(|| DigestError { found: not_hex(text, 64) })
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Digest({self})")
    }
}

super::package::written_as_text!(Sha256Digest);
super::package::read_from_text!(Sha256Digest);

/// Fills `out` from exactly `2 * out.len()` hexadecimal digits, or gives `None`.
pub(crate) fn hex_decode(text: &str, out: &mut [u8]) -> Option<()> {
    let text = text.as_bytes();
    if text.len() != out.len() * 2 {
        return None;
    }
    for (pair, byte) in text.chunks_exact(2).zip(out.iter_mut()) {
        let &[high, low] = pair else { return None };
        *byte = (nibble(high)? << 4) | nibble(low)?;
    }
    Some(())
}

/// The fault of a text that is not so many hexadecimal digits.
pub(super) fn not_hex(text: &str, digits: usize) -> String {
    match text.len() == digits {
        true => "not hexadecimal".to_owned(),
        false => format!("{} characters long", text.chars().count()),
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256Digest::of(b"").to_string(), empty);
        assert_eq!(empty.to_uppercase().parse(), Ok(Sha256Digest::of(b"")));
    }

    #[test]
    fn anything_but_64_hexadecimal_digits_is_refused() {
        let good = Sha256Digest::of(b"").to_string();
        let long = format!("{good}0");
        let prefixed = format!("0x{}", good.get(2..).unwrap_or_default());
        for bad in ["", "e3", &long, &prefixed, &" ".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad:?}");
        }
    }
}
