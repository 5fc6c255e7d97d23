//! The texts that people see before they decide.

use std::fmt::Write as _;

use super::offer::Offered;
use crate::config::{Config, DraftEndpoint};
use crate::policy::Mode;
use crate::types::{PublicKey, Timestamp, printable};

/// The keys, with where each came from.
pub(super) fn keys(text: &mut String, keys: &[Offered], now: Timestamp) {
    for Offered { key, from } in keys {
        let _ = writeln!(text, "  key       {} {}", key.kind().name(), key.key_id());
        for from in from {
            let _ = writeln!(text, "            {from}");
        }
        if let PublicKey::OpenPgp(certificate) = key {
            if let Err(fault) = certificate.can_sign(now) {
                let _ = writeln!(text, "            no key in it can sign: {fault}");
            }
        }
    }
}

pub(super) fn endpoints(text: &mut String, endpoints: &[DraftEndpoint]) {
    for it in endpoints {
        let only = it.architectures.as_ref().map(|list| {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            format!(" (only {})", list.join(", "))
        });
        let (protocol, only) = (it.protocol.name(), only.unwrap_or_default());
        let _ = writeln!(text, "  endpoint  {protocol} {}{only}", printable(it.url.as_str()));
    }
}

/// Describes the policy as it is now, and the next steps. `option` is the option with which a
/// command means this configuration.
pub(in crate::cli) fn policy(text: &mut String, config: &Config, option: &str) {
    let count = config.policy.rebuilders().len();
    let rebuilders = if count == 1 { "rebuilder" } else { "rebuilders" };
    if let Some(default) = config.policy.default_requirement() {
        let needed = default.threshold().count();
        let _ = writeln!(text, "{needed} of {count} {rebuilders} must confirm a package.");
        if default.threshold().is_met_by(count / 2) {
            let policy = config.directory.join("policy.toml");
            let _ = writeln!(
                text,
                "That is no majority: set a higher threshold in {} as soon as you can.",
                policy.display()
            );
        }
    }
    if config.policy.mode() == Mode::Warn {
        let _ = writeln!(
            text,
            "Nothing is refused yet: when you have seen what would be, run apt-quorum mode enforce{option}."
        );
    }
}
