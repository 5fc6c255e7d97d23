//! The files that the command line names.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::attest::read_json_key;
use crate::import::MAX_FILE;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::{Certificate, KeyKind, PublicKey, printable};

/// Reads at most `limit` bytes. Does not check who else could write the file: its content is
/// signed, or is shown before it counts.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let name = path.to_string_lossy();
    let named = |what: &dyn std::fmt::Display| format!("{}: {what}", printable(&name));
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut bytes))
        .map_err(|error| named(&plain(&error)))?;
    if bytes.len() > limit {
        return Err(named(&format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a file that decides by itself whom to trust: only root and the user who runs the command
/// may be able to write it.
pub(super) fn read_trusted(path: &Path) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|error| plain(&error))?;
    Trusted::now().read(&path, MAX_FILE).map_err(|error| error.to_string())
}

/// Reads a certificate.
pub(super) fn certificate(path: &Path) -> Result<Certificate, String> {
    match key(path)? {
        PublicKey::OpenPgp(certificate) => Ok(certificate),
        _ => Err(format!("{}: this is not a certificate", printable(&path.to_string_lossy()))),
    }
}

/// Reads a public key: an armoured certificate, PEM, or the JSON of securesystemslib.
pub(super) fn key(path: &Path) -> Result<PublicKey, String> {
    let bytes = read(path, Certificate::MAX_LENGTH)?;
    let name = path.to_string_lossy();
    let named = |what: &dyn std::fmt::Display| format!("{}: {what}", printable(&name));
    let text = String::from_utf8(bytes)
        .map_err(|_| named(&"this is no text: a certificate must be armoured (gpg --armor)"))?;
    if text.contains("PRIVATE KEY") {
        return Err(named(&"this is a private key: only its owner should have it"));
    }
    if text.trim_start().starts_with('{') {
        return read_json_key(text.as_bytes()).map_err(|error| named(&error));
    }
    if text.trim_start().starts_with("-----BEGIN PGP") {
        return PublicKey::read(KeyKind::OpenPgp, &text).map_err(|error| named(&error));
    }
    let plain = [KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::RsaPss];
    let mut reasons = Vec::new();
    for kind in plain {
        match PublicKey::read(kind, &text) {
            Ok(key) => return Ok(key),
            Err(error) => reasons.push(error.to_string()),
        }
    }
    reasons.dedup();
    Err(named(&reasons.join("; ")))
}
