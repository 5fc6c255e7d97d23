//! Fingerprints of OpenPGP certificates, as people write them into a policy.

use std::fmt;
use std::str::FromStr;

use super::digest::{hex_decode, not_hex};

/// The fingerprint of the primary key of a certificate of version 4: the SHA-1 over what the key is
/// made of (RFC 9580 section 5.5.4.2). To have somebody else's needs a second preimage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 20]);

/// Text that is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a fingerprint is 40 hexadecimal digits, all of what gpg --show-keys prints; this is {found}"
)]
pub struct FingerprintError {
    found: String,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads 40 hexadecimal digits of either case, with or without the spaces between groups with
    /// which they are often printed. A key id, the end of one, is not enough: many keys have it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let mut bytes = [0; 20];
        let read = hex_decode(&digits, &mut bytes).map(|()| Self(bytes));
        read.ok_or_else(|| FingerprintError { found: not_hex(&digits, 40) })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

super::package::written_as_text!(Fingerprint);
super::package::read_from_text!(Fingerprint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_needed_and_spaces_are_not() {
        let whole = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
        let read: Fingerprint = whole.parse().unwrap();
        assert_eq!(read.to_string(), whole);
        for same in
            [whole.to_lowercase(), "B8B8 0B5B 623E AB6A D877  5C45 B7C5 D7D6 3509 47F8".to_owned()]
        {
            assert_eq!(same.parse(), Ok(read));
        }
        for (wrong, found) in [
            ("B7C5D7D6350947F8", "16 characters long"),
            ("", "0 characters long"),
            ("0xB8B80B5B623EAB6AD8775C45B7C5D7D6350947F8", "42 characters long"),
            ("B8B80B5B623EAB6AD8775C45B7C5D7D6350947FX", "not hexadecimal"),
            ("B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8!", "41 characters long"),
        ] {
            let error = wrong.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("this is {found}")), "{error}");
        }
    }
}
