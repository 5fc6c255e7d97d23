//! Certificates out of a GnuPG keyring.
//!
//! GnuPG runs with fixed arguments, with nothing of the caller's environment or of its own
//! configuration, and writes nothing. Its output is read like any certificate.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::Certificate;

const GPG: &str = "/usr/bin/gpg";

/// The limit for one export, longer than any takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Exports the certificate with this fingerprint from the keyring in `home`, or nothing if there is
/// none there.
///
/// # Errors
/// The reason, for people, why that cannot be determined.
pub fn export(
    home: &Path,
    fingerprint: &str,
    trusted: Trusted,
) -> Result<Option<Certificate>, String> {
    // Everybody with write access there could put another keyring in its place.
    let names = match trusted.entries(home) {
        Ok(names) => names,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // GnuPG would make a keyring where there is none.
    if !names.iter().any(|it| it == "pubring.kbx" || it == "pubring.gpg") {
        return Ok(None);
    }
    let failed = |error: std::io::Error| format!("{GPG}: {}", plain(&error));
    let mut child = Command::new(GPG)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .args(["--no-options", "--batch", "--no-tty", "--quiet", "--no-autostart", "--lock-never"])
        .args(["--no-random-seed-file", "--no-auto-check-trustdb", "--trust-model", "always"])
        .arg("--homedir")
        .arg(home)
        .args(["--armor", "--export", "--"])
        .arg(format!("0x{fingerprint}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let out = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    let limit = u64::try_from(Certificate::MAX_LENGTH).unwrap_or_default().saturating_add(1);
    let read = move || {
        let mut text = Vec::new();
        let done = out.map(|it| it.take(limit).read_to_end(&mut text)).transpose();
        let _ = sender.send(done.map(|_| text));
    };
    let reading = std::thread::Builder::new().spawn(read).map(drop);
    let answer = reading.and_then(|()| {
        let late = || Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
        receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| late())
    });
    // Nothing more of its output is read.
    let _ = child.kill();
    let _ = child.wait();
    let text = answer.map_err(failed)?;
    if text.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(text).map_err(|_| format!("{GPG}: its output is not text"))?;
    let certificate = Certificate::from_armor(&text)
        .map_err(|error| format!("{fingerprint} in {}: {error}", home.display()))?;
    let found = certificate.fingerprints().any(|it| it == fingerprint);
    found
        .then_some(Some(certificate))
        .ok_or_else(|| format!("{GPG}: it exported another certificate"))
}
