//! The texts that people see of a rebuilder, before they decide and in lists.

use std::fmt::{Display, Write as _};

use super::offer::Offered;
use crate::cli::output::{counted, list};
use crate::config::Config;
use crate::policy::Mode;
use crate::report::from_groups;
use crate::types::{PublicKey, Sha256Digest, Timestamp, printable};

/// One line about a rebuilder, below its name.
pub(super) fn line(text: &mut String, label: &str, value: impl Display) {
    let _ = writeln!(text, "  {label:<9} {value}");
}

/// The keys, with the source of each.
pub(super) fn keys(text: &mut String, keys: &[Offered], now: Timestamp) {
    for Offered { key, from } in keys {
        line(text, "key", format_args!("{} {}", key.kind().name(), key.key_id()));
        for form in other_forms(key) {
            line(text, "", form);
        }
        for from in from {
            line(text, "", from);
        }
        if let PublicKey::OpenPgp(certificate) = key {
            if let Err(fault) = certificate.can_sign(now) {
                line(text, "", format_args!("no key in it can sign: {fault}"));
            }
        }
    }
}

/// Longest PEM, in characters of base64, that is shown on one line.
const SHORT_PEM: usize = 200;

/// The other forms in which a rebuilder may publish the key. Of a certificate there is none: its
/// fingerprint is its id.
pub(super) fn other_forms(key: &PublicKey) -> Vec<String> {
    let Some(der) = key.to_der() else { return Vec::new() };
    let pem = key.to_text();
    let base64: String = pem.lines().filter(|it| !it.starts_with("-----")).collect();
    let pem = (base64.len() <= SHORT_PEM).then(|| format!("PEM: {base64}"));
    let sha256 = format!("SHA-256 of the DER: {}", Sha256Digest::of(&der));
    std::iter::once(sha256).chain(pem).collect()
}

pub(super) fn endpoint<T: Display>(
    text: &mut String,
    protocol: &str,
    url: &str,
    only: Option<impl IntoIterator<Item = T>>,
) {
    let only = only.map(|it| format!(" (only {})", list(it))).unwrap_or_default();
    line(text, "endpoint", format_args!("{protocol} {}{only}", printable(url)));
}

/// Describes the policy as it is now, and the next steps. `option` is the option with which a
/// command means this configuration.
pub(in crate::cli) fn policy(text: &mut String, config: &Config, option: &str) {
    let count = config.policy.rebuilders().len();
    if let Some(default) = config.policy.default_requirement() {
        let needed = default.threshold().count();
        let rebuilders = counted(count, "rebuilder");
        let groups = from_groups(default);
        let _ = writeln!(text, "{needed} of {rebuilders} must confirm a package{groups}.");
        if default.threshold().is_met_by(count / 2) {
            let policy = config.directory.join("policy.toml");
            let _ = writeln!(
                text,
                "That is not a majority: set a higher threshold in {} as soon as you can.",
                policy.display()
            );
        }
    }
    if count == 0 {
        let _ = writeln!(text, "To choose rebuilders: apt-quorum setup{option}");
    } else if config.policy.mode() == Mode::Warn {
        let _ = writeln!(
            text,
            "Nothing is refused yet. To start refusing: apt-quorum mode enforce{option}"
        );
    }
}
