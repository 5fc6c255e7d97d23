//! The files that the command line names. Links are followed: a person named them.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::output::about;
use crate::deb::{self, Control, Examined};
use crate::sys::files::{Links, open_plain, read_at_most, read_bounded};
use crate::sys::plain;
use crate::types::{Certificate, KeyError, KeyKind, PublicKey, Sha256Digest};

/// Returns true if an argument is meant as a file, not as the name of a package.
pub(super) fn is_file(what: &str) -> bool {
    what.contains('/') || what.ends_with(".deb")
}

/// Splits `NAME` or `NAME=VERSION`.
pub(super) fn name_and_version(what: &str) -> (&str, Option<&str>) {
    what.split_once('=').map_or((what, None), |(name, version)| (name, Some(version)))
}

/// Reads a package. Returns its control data and its SHA-256.
pub(super) fn package(path: &Path) -> Result<(Control, Sha256Digest), String> {
    let examined = examined(path)?;
    let control = examined.control().map_err(|error| about(path, error))?;
    Ok((control.clone(), examined.sha256()))
}

/// Reads a file as a package, whatever it is.
pub(super) fn examined(path: &Path) -> Result<Examined, String> {
    let failed = |error: std::io::Error| about(path, &plain(&error));
    // A pipe would be waited for.
    let file = open_plain(path, Links::Followed).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => about(path, &"not a file"),
        _ => failed(error),
    })?;
    deb::examine(file).map_err(failed)
}

/// Reads at most `limit` bytes, from a pipe as well. Does not check who else could write the file:
/// its content is signed, or is shown before it counts.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    File::open(path).and_then(|file| read_at_most(file, limit)).map_err(|error| {
        match error.kind() {
            ErrorKind::FileTooLarge => format!("larger than {limit} bytes"),
            _ => plain(&error),
        }
    })
}

/// Reads a plain file of at most `limit` bytes; `else_it` says what it should be.
pub(super) fn plain_file(path: &Path, limit: usize, else_it: &str) -> Result<Vec<u8>, String> {
    let real = path.canonicalize().map_err(|error| about(path, &plain(&error)))?;
    read_bounded(&real, limit).ok_or_else(|| about(path, &else_it))
}

/// Reads the text of a key. Refuses a private one.
pub(super) fn text_of_key(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(path, Certificate::MAX_LENGTH)?)
        .map_err(|_| "this is not a key in text form (PEM, or gpg --armor --export)".to_owned())?;
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key: only its owner should have it".to_owned());
    }
    Ok(text)
}

/// Reads a public key: PEM, or an armoured certificate.
pub(super) fn public_key(text: &str) -> Result<PublicKey, String> {
    let kinds: &[KeyKind] = match text.contains("-----BEGIN PGP ") {
        true => &[KeyKind::OpenPgp],
        false => &[KeyKind::Ed25519, KeyKind::EcdsaP256, KeyKind::RsaPss],
    };
    let mut why = "this is not a public key of a supported kind".to_owned();
    for kind in kinds {
        match PublicKey::read(*kind, text) {
            Ok(key) => return Ok(key),
            Err(KeyError::NotOfKind(_)) => {}
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
