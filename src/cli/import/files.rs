//! The files that the command line names.

use std::path::{Path, PathBuf};

use crate::attest::read_json_key;
use crate::cli::files;
use crate::cli::output::about;
use crate::import::MAX_FILE;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::{Certificate, PublicKey};

/// Reads a file that decides by itself whom to trust: only root and the user who runs the command
/// may be able to write it.
pub(super) fn read_trusted(path: &Path) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|error| plain(&error))?;
    Trusted::now().read(&path, MAX_FILE).map_err(|error| error.to_string())
}

/// Reads certificates.
pub(super) fn certificates(paths: &[PathBuf]) -> Result<Vec<Certificate>, String> {
    let certificate = |path: &PathBuf| match key(path)? {
        PublicKey::OpenPgp(certificate) => Ok(certificate),
        _ => Err(about(path, &"this is not a certificate")),
    };
    paths.iter().map(certificate).collect()
}

/// Reads public keys: armoured certificates, PEM, or the JSON of securesystemslib.
pub(super) fn keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, String> {
    paths.iter().map(|path| key(path)).collect()
}

fn key(path: &Path) -> Result<PublicKey, String> {
    let read = |text: String| match text.trim_start().starts_with('{') {
        true => read_json_key(text.as_bytes()).map_err(|error| error.to_string()),
        false => files::public_key(&text),
    };
    files::text_of_key(path).and_then(read).map_err(|why| about(path, &why))
}
