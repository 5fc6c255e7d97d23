//! repro-threshold's configuration: the rebuilders that were chosen, the number of them that must
//! agree, and the packages that it lets pass blindly.
//!
//! It counts by the host of each address, so each host becomes a rebuilder here.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Url;
use serde::Deserialize;

use super::ExemptPackages;
use crate::config::{Draft, DraftEndpoint, DraftKey, Protocol};
use crate::types::{
    KeyError, KeyKind, PackageName, PublicKey, RebuilderName, Threshold, Timestamp, printable,
};

/// The usual path of the configuration.
pub const DEFAULT_PATH: &str = "/etc/repro-threshold.conf";

/// Most rebuilders, and most packages.
const MAX_ITEMS: usize = 1000;

const COMMENT: &str = "Imported from repro-threshold.";

const REASON: &str = "imported from repro-threshold; no rebuilder confirms it";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignFile {
    #[serde(default)]
    rules: ForeignRules,
    #[serde(default)]
    trusted_rebuilder: Vec<ForeignRebuilder>,
    // repro-threshold lists these without trusting them.
    #[serde(default, rename = "custom_rebuilder")]
    _custom: Vec<serde::de::IgnoredAny>,
    #[serde(default, rename = "cached_rebuilderd_community")]
    _cached: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignRules {
    #[serde(default)]
    required_threshold: i64,
    #[serde(default)]
    blindly_trust: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignRebuilder {
    name: String,
    url: String,
    #[serde(default)]
    distributions: Vec<String>,
    #[serde(rename = "country")]
    _country: Option<String>,
    contact: Option<String>,
    #[serde(default)]
    signing_keyring: String,
}

/// The imported settings.
#[derive(Debug, Clone)]
pub struct ReproSettings {
    /// The rebuilders, one for each host
    pub rebuilders: Vec<Draft>,
    /// The number of rebuilders that must confirm
    pub threshold: Threshold,
    /// The packages that pass without a quorum
    pub exceptions: ExemptPackages,
    /// The settings that are not imported, or are other than they were, a sentence each
    pub notes: Vec<String>,
}

/// The reason why nothing is imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// It is not TOML, or has a member that is not known.
    #[error("{0}")]
    Toml(String),
    /// It lets everything pass.
    #[error(
        "required_threshold is {0}, which lets everything pass: set it to 1 or more there first"
    )]
    NoThreshold(i64),
    /// It has more items than are read.
    #[error("it has too many {0}")]
    TooMany(&'static str),
    /// An item that is trusted blindly is not a package's name. A pattern matches nothing there,
    /// and many packages here.
    #[error("blindly_trust has {}, which is not a package name", printable(.0))]
    NotAPackage(String),
    /// The address of a rebuilder has no host that can be its name.
    #[error("the rebuilder {} has the address {}, whose host is not a valid name of a rebuilder", printable(.name), printable(.url))]
    Host {
        /// The rebuilder's name there
        name: String,
        /// The rebuilder's address
        url: String,
    },
    /// A key that cannot be read.
    #[error("the key of the rebuilder {}: {why}", printable(.name))]
    Key {
        /// The rebuilder's name there
        name: String,
        /// The mistake in the key
        why: KeyError,
    },
}

/// Reads the configuration. Its exceptions will end on the day `expires`.
///
/// # Errors
/// See [`TakeError`].
pub fn read(text: &str, expires: Timestamp) -> Result<ReproSettings, TakeError> {
    let file: ForeignFile = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|it| text.get(..it.start));
        let line = before.map_or_else(String::new, |before| {
            format!(", line {}", 1 + before.matches('\n').count())
        });
        TakeError::Toml(format!("it is not understood{line}: {}", printable(error.message())))
    })?;
    if file.trusted_rebuilder.len() > MAX_ITEMS {
        return Err(TakeError::TooMany("rebuilders"));
    }
    if file.rules.blindly_trust.len() > MAX_ITEMS {
        return Err(TakeError::TooMany("packages"));
    }
    let number = file.rules.required_threshold;
    let threshold = Threshold::try_from(number).map_err(|_| TakeError::NoThreshold(number))?;
    let package = |name: &String| -> Result<PackageName, TakeError> {
        name.parse().map_err(|_| TakeError::NotAPackage(name.clone()))
    };
    let packages = file.rules.blindly_trust.iter().map(package).collect::<Result<_, _>>()?;
    let mut notes = Vec::new();
    let mut drafts: BTreeMap<RebuilderName, Draft> = BTreeMap::new();
    for rebuilder in &file.trusted_rebuilder {
        take(rebuilder, &mut drafts, &mut notes)?;
    }
    for draft in drafts.values() {
        if draft.endpoints.len() > 1 {
            let name = &draft.name;
            notes.push(format!(
                "all addresses at {name} are one rebuilder with one vote, as in repro-threshold"
            ));
        }
    }
    let exceptions = ExemptPackages {
        file: "repro-threshold.toml",
        comment: COMMENT,
        reason: REASON,
        packages,
        expires,
    };
    Ok(ReproSettings { rebuilders: drafts.into_values().collect(), threshold, exceptions, notes })
}

fn take(
    rebuilder: &ForeignRebuilder,
    drafts: &mut BTreeMap<RebuilderName, Draft>,
    notes: &mut Vec<String>,
) -> Result<(), TakeError> {
    let name = printable(&rebuilder.name).to_string();
    let systems = &rebuilder.distributions;
    if !systems.is_empty() && !systems.iter().any(|it| it.eq_ignore_ascii_case("debian")) {
        notes.push(format!("{name} does not rebuild Debian, and is left out"));
        return Ok(());
    }
    let (first, more) = first_key(&rebuilder.signing_keyring);
    if more {
        notes.push(format!("{name} has several keys; only the first counts there and is imported"));
    }
    let Some(pem) = first else {
        notes.push(format!("{name} has no key, so it does not count there and is left out"));
        return Ok(());
    };
    let key = PublicKey::read(KeyKind::Ed25519, pem)
        .map_err(|why| TakeError::Key { name: rebuilder.name.clone(), why })?;
    let no_name = || TakeError::Host { name: rebuilder.name.clone(), url: rebuilder.url.clone() };
    let mut url: Url = rebuilder.url.parse().map_err(|_| no_name())?;
    let host: RebuilderName =
        url.host_str().and_then(|host| host.parse().ok()).ok_or_else(no_name)?;
    let draft = drafts.entry(host.clone()).or_insert_with(|| {
        let mut draft = Draft::new(host);
        draft.comments.push(COMMENT.to_owned());
        draft
    });
    draft.contact = draft.contact.take().or_else(|| rebuilder.contact.clone());
    if !draft.keys.iter().any(|it| it.key == key) {
        draft.keys.push(DraftKey { key, not_after: None, comments: vec![name] });
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    if !draft.endpoints.iter().any(|it| it.url == url) {
        let protocol = Protocol::Rebuilderd;
        draft.endpoints.push(DraftEndpoint { protocol, url, architectures: None, archive: None });
    }
    Ok(())
}

/// Returns the first block with a key in a keyring, and true if there are more.
fn first_key(keyring: &str) -> (Option<&str>, bool) {
    const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
    const END: &str = "-----END PUBLIC KEY-----";
    let Some((_, rest)) = keyring.split_once(BEGIN) else { return (None, false) };
    let start = keyring.len() - rest.len() - BEGIN.len();
    let end = rest.find(END).map_or(keyring.len(), |at| start + BEGIN.len() + at + END.len());
    let more = keyring.get(end..).is_some_and(|it| it.contains(BEGIN));
    (keyring.get(start..end), more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\r\nMCwwBwYDK2VwBQADIQDXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==\r\n-----END PUBLIC KEY-----\r\n";

    fn day() -> Timestamp {
        Timestamp::start_of_day(2099, 1, 1).unwrap()
    }

    fn rebuilder(name: &str, url: &str, distributions: &str, keyring: &str) -> String {
        format!(
            "[[trusted_rebuilder]]\nname = \"{name}\"\nurl = \"{url}\"\ndistributions = [{distributions}]\nsigning_keyring = \"\"\"{keyring}\"\"\"\n"
        )
    }

    #[test]
    fn hosts_are_rebuilders_and_what_does_not_count_there_does_not_here() {
        let text = [
            "[rules]\nrequired_threshold = 1\nblindly_trust = [\"b\", \"a\"]\n"
                .replace("\"b\", \"a\"", "\"bb\", \"aa\""),
            rebuilder(
                "one amd64",
                "https://r.example/amd64",
                "\"archlinux\", \"debian\"",
                &format!("{KEY}{KEY}"),
            ),
            rebuilder("one all", "https://r.example/all/", "", KEY),
            rebuilder("arch", "https://a.example", "\"archlinux\"", KEY),
            rebuilder("silent", "https://s.example", "", ""),
            "[[custom_rebuilder]]\nname = \"x\"\nurl = \"y\"\ndistributions = []\n".to_owned(),
        ]
        .concat();
        let taken = read(&text, day()).unwrap();
        assert_eq!(taken.threshold.count(), 1);
        let [rebuilder] = taken.rebuilders.as_slice() else { panic!("{taken:?}") };
        assert_eq!(rebuilder.name.as_str(), "r.example");
        assert_eq!(rebuilder.keys.len(), 1);
        let urls: Vec<&str> = rebuilder.endpoints.iter().map(|it| it.url.as_str()).collect();
        assert_eq!(urls, ["https://r.example/amd64/", "https://r.example/all/"]);
        let packages: Vec<&str> = taken.exceptions.packages.iter().map(|it| it.as_str()).collect();
        assert_eq!(packages, ["aa", "bb"]);
        for (name, part) in [
            ("one amd64", "only the first counts"),
            ("arch", "does not rebuild Debian"),
            ("silent", "has no key"),
            ("r.example", "one rebuilder"),
        ] {
            assert!(taken.notes.iter().any(|it| it.contains(name) && it.contains(part)), "{part}");
        }
    }

    #[test]
    fn what_would_be_wider_here_is_refused() {
        let one = rebuilder("one", "https://r.example", "", KEY);
        for (text, part) in [
            (one.clone(), "required_threshold is 0"),
            ("[rules]\nrequired_threshold = -1\n".into(), "required_threshold is -1"),
            (
                "[rules]\nrequired_threshold = 1\nblindly_trust = [\"linux-*\"]\n".into(),
                "not a package name",
            ),
            (
                "[rules]\nrequired_threshold = 1\nblindly_trust = [\"\\u001b[2J\"]\n".into(),
                "not a package name",
            ),
            ("[rules]\nrequired_threshold = 1\nstricter = true\n".into(), "line 3"),
            ("[rules]\nrequired_threshold = 1\n[other]\n".into(), "not understood"),
            (
                format!(
                    "[rules]\nrequired_threshold = 1\n{}",
                    rebuilder("v6", "https://[::1]/", "", KEY)
                ),
                "not a valid name",
            ),
            (
                format!(
                    "[rules]\nrequired_threshold = 1\n{}",
                    rebuilder(
                        "k",
                        "https://k.example/",
                        "",
                        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"
                    )
                ),
                "the key of the rebuilder k",
            ),
        ] {
            let error = read(&text, day()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }
}
