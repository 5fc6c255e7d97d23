//! `apt-quorum key`: public keys, in every form in which people compare them.

use std::fmt::Write as _;

use serde::Serialize;

use super::Exit;
use super::args::{KeyCommand, KeyShow};
use super::files;
use super::output::{about, json, path as shown};
use super::world::{Stop, say};
use crate::types::{PublicKey, Sha256Digest};

/// A key as JSON.
#[derive(Serialize)]
struct ShownKey {
    schema: u32,
    r#type: &'static str,
    /// in-toto's key id
    id: String,
    /// The SHA-256 of the key in DER; none of a certificate
    sha256: Option<Sha256Digest>,
    /// The fingerprints of a certificate: of the primary key, and of each subkey
    fingerprints: Vec<String>,
    /// The key in PEM, or the certificate in armour
    text: String,
}

pub(super) fn run(KeyCommand::Show(arguments): &KeyCommand) -> Result<Exit, Stop> {
    let KeyShow { file, json: as_json } = arguments;
    let key = files::text_of_key(file).and_then(|text| files::public_key(&text));
    let key = ShownKey::of(&key.map_err(|why| Stop::wrong(format!("{}.", about(file, &why))))?);
    let text = if *as_json { json(&key) } else { format!("{}\n{}", shown(file), key.lines()) };
    Ok(say(&text, Exit::Admitted))
}

impl ShownKey {
    fn of(key: &PublicKey) -> Self {
        let fingerprints = match key {
            PublicKey::OpenPgp(certificate) => {
                certificate.fingerprints().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Self {
            schema: 1,
            r#type: key.kind().name(),
            id: key.key_id().as_str().to_owned(),
            sha256: key.to_der().map(|der| Sha256Digest::of(&der)),
            fingerprints,
            text: key.to_text(),
        }
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str, note: &str| {
            let _ = writeln!(text, "  {label:<12} {value}{note}");
        };
        line("type", self.r#type, "");
        match &self.sha256 {
            Some(sha256) => {
                line("key id", &self.id, " (in-toto, apt-quorum)");
                let note = " (openssl pkey -pubin -outform DER | sha256sum)";
                line("SHA-256", &sha256.to_string(), note);
            }
            None => {
                line("fingerprint", &self.id, " (in-toto's key id as well)");
                for it in self.fingerprints.iter().filter(|it| **it != self.id) {
                    line("subkey", it, " (its fingerprint)");
                }
            }
        }
        text + &self.text
    }
}
