//! A rebuilder's file before it is written.
//!
//! Its values may come from strangers (a server, a layout, another program's configuration). So
//! every value is written in a way in which it cannot become anything but a value, and keys are
//! encoded anew from their content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Change, Endpoint, Protocol, StatementKind};
use crate::attest::repository::Terms;
use crate::attest::{Accepted, Findings};
use crate::types::{Architecture, PublicKey, RebuilderName, Timestamp, printable};

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// The content of a new rebuilder's file.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The administrator's name for the rebuilder
    pub name: RebuilderName,
    /// The address at which to reach the people
    pub contact: Option<String>,
    /// Comments at the head of the file, a line each
    pub comments: Vec<String>,
    /// Its keys
    pub keys: Vec<DraftKey>,
    /// The endpoints at which it publishes
    pub endpoints: Vec<DraftEndpoint>,
    /// The kinds of statements that count; if empty, links do
    pub statements: Vec<Accepted>,
}

/// A key in a draft.
#[derive(Debug, Clone)]
pub struct DraftKey {
    /// The key
    pub key: PublicKey,
    /// The first day on which it no longer counts
    pub not_after: Option<Timestamp>,
    /// Comments about it, a line each
    pub comments: Vec<String>,
}

/// An endpoint in a draft.
#[derive(Debug, Clone)]
pub struct DraftEndpoint {
    /// Its protocol
    pub protocol: Protocol,
    /// Its URL
    pub url: reqwest::Url,
    /// The only architectures that it is asked for, or all
    pub architectures: Option<BTreeSet<Architecture>>,
    /// The accepted parts of it, if it is an archive
    pub archive: Option<Terms>,
}

impl From<Endpoint> for DraftEndpoint {
    fn from(it: Endpoint) -> Self {
        let Endpoint { protocol, url, architectures, archive, .. } = it;
        Self { protocol, url, architectures, archive }
    }
}

impl Draft {
    /// Makes an empty draft.
    #[must_use]
    pub const fn new(name: RebuilderName) -> Self {
        Self {
            name,
            contact: None,
            comments: Vec::new(),
            keys: Vec::new(),
            endpoints: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// The path of the rebuilder's file, below the directory of the configuration.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("rebuilders.d").join(format!("{}.toml", self.name))
    }

    /// Formats the rebuilder's file. It contains keys in PEM; certificates are in files beside it,
    /// see [`Self::key_files`].
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        comments(&mut text, &self.comments);
        let _ = writeln!(text, "name = {}", toml_text(self.name.as_str()));
        if let Some(contact) = &self.contact {
            let _ = writeln!(text, "contact = {}", toml_text(contact));
        }
        text += &self.key_tables();
        for endpoint in &self.endpoints {
            text.push_str("\n[[endpoint]]\n");
            let _ = writeln!(text, "protocol = {}", toml_text(endpoint.protocol.name()));
            let _ = writeln!(text, "url = {}", toml_text(endpoint.url.as_str()));
            if let Some(list) = &endpoint.architectures {
                let list = list.iter().map(ToString::to_string);
                let _ = writeln!(text, "architectures = {}", toml_list(list));
            }
            if let Some(terms) = &endpoint.archive {
                let _ = writeln!(text, "suite = {}", toml_text(&terms.suite));
                let _ =
                    writeln!(text, "component = {}", toml_list(terms.components.iter().cloned()));
                let _ = writeln!(text, "taken_over = {}", toml_text(&terms.taken_over));
            }
        }
        for accepted in &self.statements {
            statement(&mut text, accepted);
        }
        text
    }

    /// Formats the keys alone, for adding them to an existing rebuilder's file.
    #[must_use]
    pub fn key_tables(&self) -> String {
        let mut text = String::new();
        for key in &self.keys {
            text.push_str("\n[[key]]\n");
            comments(&mut text, &key.comments);
            let _ = writeln!(text, "type = {}", toml_text(key.key.kind().name()));
            match self.file_of(&key.key) {
                Some(file) => {
                    let _ = writeln!(text, "file = {}", toml_text(&file));
                }
                None => {
                    let _ = writeln!(text, "public = \"\"\"\n{}\"\"\"", key.key.to_text());
                }
            }
            if let Some(end) = key.not_after {
                let _ = writeln!(text, "not_after = {}", end.date());
            }
        }
        text
    }

    /// The files with certificates, which are too long for the rebuilder's file. Each has its path
    /// below the directory of the configuration, and its content.
    #[must_use]
    pub fn key_files(&self) -> BTreeMap<PathBuf, String> {
        let keys = self.keys.iter().map(|it| &it.key);
        let file = |key: &PublicKey| {
            Some((Path::new("rebuilders.d").join(self.file_of(key)?), key.to_text()))
        };
        keys.filter_map(file).collect()
    }

    /// Adds the rebuilder's file, which must not exist yet, and its key files to `change`.
    pub fn create_in(&self, change: &mut Change) {
        for (path, text) in self.key_files() {
            // A file that is left over from the same certificate is the same file.
            change.replace(path, text);
        }
        change.create(self.path(), self.to_toml());
    }

    /// The name of the file with this key, if it has a separate one.
    fn file_of(&self, key: &PublicKey) -> Option<String> {
        let PublicKey::OpenPgp(certificate) = key else { return None };
        Some(format!("{}-{}.asc", self.name, certificate.fingerprint()))
    }
}

fn comments(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "# {}", printable(line));
    }
}

fn statement(text: &mut String, accepted: &Accepted) {
    text.push_str("\n[[statement]]\n");
    let kind = StatementKind::of(accepted).word();
    let _ = writeln!(text, "type = {}", toml_text(kind));
    match accepted {
        Accepted::Link => {}
        Accepted::SlsaProvenance { builder } | Accepted::OssRebuild { builder } => {
            let _ = writeln!(text, "builder = {}", toml_text(builder));
        }
        Accepted::Svr(Findings { verifier, properties, lasts })
        | Accepted::Vsa(Findings { verifier, properties, lasts }) => {
            let _ = writeln!(text, "verifier = {}", toml_text(verifier));
            let _ = writeln!(text, "property = {}", toml_list(properties.iter().cloned()));
            let _ = writeln!(text, "max_age_days = {}", lasts / DAY);
        }
    }
}

/// Formats a text for TOML, in quotes and on one line. Characters that a terminal or an editor
/// would not show unchanged (control characters, marks of direction) are written by their numbers.
#[must_use]
pub fn toml_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' ' => out.push(c),
            _ if c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric()) => out.push(c),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out + "\""
}

/// Formats a list of texts for TOML.
pub(super) fn toml_list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|it| toml_text(&it)).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::secure::Trusted;

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn draft() -> Draft {
        let mut draft = Draft::new("r.example".parse().unwrap());
        draft.contact =
            Some("a \"quote\", a \\, \u{1b}[2J, \u{202e}, \u{e9}\nmode = \"warn\"".into());
        draft.comments = vec!["one\nname = \"other\"".into(), "\u{1b}]0;x\u{7}".into()];
        draft.keys = vec![DraftKey {
            key: PublicKey::ed25519_from_hex(KEY).unwrap(),
            not_after: Some(Timestamp::start_of_day(2099, 3, 1).unwrap()),
            comments: vec!["as its host says\r\n[[key]]".into()],
        }];
        draft.endpoints = vec![DraftEndpoint {
            protocol: Protocol::Rebuilderd,
            url: "https://r.example/%22/".parse().unwrap(),
            architectures: Some(["amd64".parse().unwrap(), "all".parse().unwrap()].into()),
            archive: None,
        }];
        let verified = || Findings {
            verifier: "v\"]\n".into(),
            properties: vec!["A".into(), "B\\".into()],
            lasts: 30 * DAY,
        };
        draft.statements = vec![
            Accepted::Link,
            Accepted::SlsaProvenance { builder: "https://b/\"\"\"".into() },
            Accepted::OssRebuild { builder: "c".into() },
            Accepted::Svr(verified()),
            Accepted::Vsa(verified()),
        ];
        draft
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        std::fs::create_dir(directory.path().join("rebuilders.d")).unwrap();
        write("policy.toml", "mode = \"enforce\"\nthreshold = 1\n");
        let draft = draft();
        write("rebuilders.d/r.example.toml", &draft.to_toml());
        let config = super::super::load(directory.path(), Trusted::now())
            .unwrap_or_else(|e| panic!("{e}\n{}", draft.to_toml()));
        let rebuilder = config.rebuilders.get(&draft.name).unwrap();
        assert_eq!(rebuilder.contact, draft.contact);
        let key = config.policy.keys().iter().next().unwrap();
        assert_eq!((&key.key, key.not_after), (&draft.keys[0].key, draft.keys[0].not_after));
        let endpoint = &config.endpoints[0];
        assert_eq!(endpoint.url, draft.endpoints[0].url);
        assert_eq!(endpoint.architectures, draft.endpoints[0].architectures);
        assert_eq!(config.policy.keys().accepted(&draft.name), draft.statements);
        assert_eq!((config.endpoints.len(), config.policy.keys().iter().count()), (1, 1));
    }

    #[test]
    fn comments_cannot_break_out() {
        let text = draft().to_toml();
        assert!(
            text.starts_with("# one name = \"other\"\n# ?]0;x?\nname = \"r.example\"\n"),
            "{text}"
        );
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert_eq!(text.matches("\n[[key]]\n").count(), 1, "{text}");
    }
}
