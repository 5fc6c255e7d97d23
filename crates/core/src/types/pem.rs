//! Keys as text: PEM blocks and OpenPGP's armour.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{KeyError, PublicKey};

/// The label of a public key (RFC 7468 section 13).
const KEY: &str = "PUBLIC KEY";

/// The label of a certificate (RFC 9580 section 6.2).
const CERTIFICATE: &str = "PGP PUBLIC KEY BLOCK";

/// The content of the one PEM block (RFC 7468 section 13) that `text` must be, with any line ends.
pub(super) fn read(text: &str) -> Result<Vec<u8>, KeyError> {
    if text.len() > PublicKey::MAX_LENGTH {
        return Err(KeyError::TooLong { most: PublicKey::MAX_LENGTH });
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
    BASE64.decode(base64).map_err(|_| KeyError::NotBase64)
}

/// A PEM block with a key as OpenSSL writes it.
pub(super) fn write(der: &[u8]) -> String {
    block(KEY, "", der)
}

/// An armoured certificate, without the checksum that RFC 9580 section 6.1 does away with, and
/// without headers, in which somebody else's words could stand.
pub(super) fn armor(packets: &[u8]) -> String {
    block(CERTIFICATE, "\n", packets)
}

/// Returns true when `text` is one armoured certificate from its first character to its last.
pub(super) fn is_one_armored_block(text: &str) -> bool {
    text.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")
        && text.ends_with("-----END PGP PUBLIC KEY BLOCK-----")
        // What stands behind the first block would be passed over.
        && text.matches("-----BEGIN ").count() == 1
        && text.matches("-----END ").count() == 1
}

/// Returns true when `bytes` are the whole content of an armoured block. A reader stops where
/// base64 says that it ends, and more of it can follow.
pub(super) fn is_all_of(text: &str, bytes: &[u8]) -> bool {
    let lines = text.lines().map(str::trim);
    // Behind the line of dashes and the headers comes an empty line, at the end a checksum.
    let body = lines.skip_while(|line| !line.is_empty()).filter(|line| !line.starts_with('='));
    let base64: String = body.take_while(|line| !line.starts_with('-')).collect();
    base64 == BASE64.encode(bytes)
}

/// A block with 64 characters a line.
fn block(label: &str, before: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n{before}");
    for (at, character) in BASE64.encode(bytes).chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
