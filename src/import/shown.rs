//! A plan as people see it before it is carried out.

use std::fmt::Write as _;

use super::Plan;
use crate::config::{Config, Draft};
use crate::types::{RebuilderName, printable};

impl Plan {
    /// Lists the changes that will be written, and the settings of the other program that will not.
    /// `policy` are the new values in the policy, and `config` is the configuration with those changes.
    #[must_use]
    pub fn shown(&self, policy: &[String], config: &Config) -> String {
        let mut text = String::new();
        for from in &self.from {
            let _ = writeln!(text, "{}", printable(from));
        }
        let place = config.directory.display().to_string();
        let _ = writeln!(text, "This would be written to {}:", printable(&place));
        for draft in &self.rebuilders {
            rebuilder(&mut text, draft);
        }
        for line in policy {
            let _ = writeln!(text, "  policy.toml: {}.", printable(line));
        }
        if let Some(exceptions) = &self.exceptions {
            for package in &exceptions.packages {
                let until = exceptions.expires.until();
                let _ = writeln!(
                    text,
                    "  exception for {package} {until}: {}.",
                    printable(exceptions.reason)
                );
            }
        }
        let others = self.others(config);
        if !others.is_empty() {
            let names: Vec<&str> = others.into_iter().map(RebuilderName::as_str).collect();
            let _ = writeln!(
                text,
                "Rebuilders that are there already count towards the same threshold: {}.",
                names.join(", ")
            );
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "Not imported, or changed:");
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {}.", printable(note));
        }
        text
    }
}

fn rebuilder(text: &mut String, draft: &Draft) {
    let path = draft.path().display().to_string();
    let _ = writeln!(text, "  rebuilder {} ({})", draft.name, printable(&path));
    if let Some(contact) = &draft.contact {
        let _ = writeln!(text, "    contact   {}", printable(contact));
    }
    for key in &draft.keys {
        let until = key.not_after.map(|end| format!(" (until {})", end.date()));
        let (kind, id) = (key.key.kind().name(), key.key.key_id());
        let _ = writeln!(text, "    key       {kind} {id}{}", until.unwrap_or_default());
    }
    for endpoint in &draft.endpoints {
        let (protocol, url) = (endpoint.protocol.name(), endpoint.url.as_str());
        let _ = writeln!(text, "    endpoint  {protocol} {}", printable(url));
    }
    if draft.endpoints.is_empty() {
        let _ = writeln!(text, "    no endpoint: only its attestations on this machine count");
    }
}
