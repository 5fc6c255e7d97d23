//! The administrator's configuration: files, read, merged and checked as a whole.
//!
//! Trusts only files that nobody but root (or the caller, for a configuration of their own) could
//! have written: see [`crate::sys::secure`]. There is no partial configuration: either all of it is
//! right, or every mistake is reported and nothing passes. Schema: `apt-quorum.toml(5)`.

mod archive;
mod description;
mod diagnostic;
mod exceptions;
mod groups;
mod policy;
mod reader;
mod rebuilders;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attest::repository::Terms;
use crate::attest::{KeyRing, KeyRingError};
use crate::policy::Policy;
use crate::route::proxy::Proxy;
use crate::sys::secure::{SecureError, Trusted};
use crate::types::{Architecture, KeyId, RebuilderName, Sha256Digest};

use rebuilders::RebuilderFile;

pub use description::{DESCRIPTIONS, Description};
pub use diagnostic::{Diagnostic, Problems, SourceFile};
pub use rebuilders::StatementKind;

/// The directory of the configuration unless apt's configuration or the command line names another.
pub const DEFAULT_DIRECTORY: &str = "/etc/apt-quorum";

/// The suffix of the name of a bundle of attestations.
pub const BUNDLE_SUFFIX: &str = ".tar.gz";

/// Largest configuration file that is read, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// Most files in one directory of the configuration.
const MAX_FILES: usize = 1000;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory that it was read from
    pub directory: PathBuf,
    /// The policy by which files are judged
    pub policy: Policy,
    /// The endpoints to ask
    pub endpoints: Vec<Endpoint>,
    /// The other content of the rebuilders' files
    pub rebuilders: BTreeMap<RebuilderName, Rebuilder>,
    /// The time limits for endpoints
    pub timeouts: Timeouts,
    /// Certificates of additional authorities for https, in PEM; at least one of them is usable
    pub authorities: Option<String>,
    /// The only route to endpoints on the network, if the policy names one
    pub proxy: Option<Proxy>,
    /// The treatment of archives that dpkg is given without apt
    pub direct: Direct,
    /// What happens to versions that would be refused, before anybody asks for them
    pub hold: HoldSettings,
    /// SHA-256 over all files that were read, with their names, which identifies the configuration
    pub digest: Sha256Digest,
    /// The files that were read
    pub files: Vec<PathBuf>,
}

/// The content of a rebuilder's file except keys and endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilder {
    /// The address at which to reach the people
    pub contact: Option<String>,
    /// The file
    pub file: PathBuf,
    /// The files with keys that it names
    pub key_files: Vec<PathBuf>,
    /// The file that contains each of its keys
    pub keys: BTreeMap<KeyId, PathBuf>,
}

/// The settings of holding back. No admission depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldSettings {
    /// True if versions that would be refused are held back
    pub is_on: bool,
    /// Days after which a security update that is still held is an alarm
    pub alarm_days: u32,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self { is_on: false, alarm_days: 3 }
    }
}

/// A place at which a rebuilder publishes attestations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The rebuilder of the endpoint
    pub rebuilder: RebuilderName,
    /// Its protocol
    pub protocol: Protocol,
    /// Its URL: http, https or file
    #[serde(with = "url_as_text")]
    pub url: reqwest::Url,
    /// The only architectures that it is asked for, or all
    pub architectures: Option<BTreeSet<Architecture>>,
    /// The accepted parts of it; present for archives, and only for them
    pub archive: Option<Terms>,
}

/// The protocol of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// rebuilderd's HTTP API, version 0 or 1
    Rebuilderd,
    /// Links in the directories of PackageRebuilder, which apt-transport-in-toto reads
    IntotoMetadata,
    /// Attestations in files: a tree of directories or a bundle, on this machine or a web server
    Directory,
    /// An apt archive with rebuilt packages
    Archive,
}

/// The time limits for an endpoint. Each applies to one exchange of questions about one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To connect, and from a request to the first byte of its answer
    pub answer: Duration,
    /// For the whole exchange
    pub total: Duration,
}

/// The treatment of archives that another program than apt tells dpkg to unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct {
    /// They are judged like all others.
    Judge,
    /// They pass: only apt is gated.
    Pass,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 4] =
        [Self::Rebuilderd, Self::IntotoMetadata, Self::Directory, Self::Archive];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rebuilderd => "rebuilderd",
            Self::IntotoMetadata => "intoto-metadata",
            Self::Directory => "directory",
            Self::Archive => "archive",
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), total: Duration::from_secs(30) }
    }
}

/// A URL as text, for the process that asks endpoints.
mod url_as_text {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(url: &reqwest::Url, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(url.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<reqwest::Url, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Endpoint {
    /// Returns true when it is asked about packages of this architecture.
    #[must_use]
    pub fn covers(&self, architecture: &Architecture) -> bool {
        self.architectures.as_ref().is_none_or(|list| list.contains(architecture))
    }

    /// Returns true when it is a single file with attestations, by its name: a directory ends in a
    /// slash.
    #[must_use]
    pub fn is_bundle(&self) -> bool {
        self.protocol == Protocol::Directory && self.url.path().ends_with(BUNDLE_SUFFIX)
    }
}

/// The names of the rebuilders, as far as their files could be read.
struct Rebuilders {
    names: BTreeSet<RebuilderName>,
    /// True if these are all names; otherwise, no rebuilder is reported as missing
    complete: bool,
}

impl Rebuilders {
    /// Returns true when there is certainly no rebuilder.
    fn are_none(&self) -> bool {
        self.complete && self.names.is_empty()
    }
}

/// Reads and checks the configuration in `directory`.
///
/// # Errors
/// Every mistake that was found, in the order of files and lines.
pub fn load(directory: &Path, trusted: Trusted) -> Result<Config, Problems> {
    load_with(directory, trusted, &Proposed::new())
}

/// The proposed texts of files of a configuration; nothing for files that would be removed.
pub type Proposed = BTreeMap<PathBuf, Option<String>>;

/// Reads and checks the configuration in `directory`, with these files in place of the present
/// ones.
///
/// # Errors
/// As for [`load`].
pub fn load_with(
    directory: &Path,
    trusted: Trusted,
    proposed: &Proposed,
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let mut files = ConfigFiles { trusted, proposed, read: Vec::new() };
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());

    files.refuse_old_name(&directory, &mut problems);
    let (rebuilders, all_read) =
        files.each(&directory.join("rebuilders.d"), &mut problems, rebuilders::read);
    let names = rebuilders::names(&rebuilders, all_read, &mut problems);
    let mut ids = exceptions::Ids::new();
    let (exceptions, exceptions_read) =
        files.each(&directory.join("exceptions.d"), &mut problems, |source, _, found| {
            exceptions::read(source, &mut ids, found)
        });
    let path = directory.join("policy.toml");
    let policy = files
        .open(&path, &mut problems)
        .and_then(|source| policy::read(&source, &names, &mut files, &mut problems));
    let keyring = keyring(&rebuilders, &mut problems);

    // Nothing is left out in silence: every unusable part was reported.
    let whole = exceptions_read && all_read && rebuilders.iter().all(|rebuilder| rebuilder.whole);
    let (Some(read), Some(keyring), true, true) = (policy, keyring, whole, problems.is_empty())
    else {
        if problems.is_empty() {
            problems.push(Diagnostic::of_file(&directory, &"the configuration is incomplete"));
        }
        return Err(problems.sorted());
    };
    let exceptions = exceptions.into_iter().flatten().collect();
    let policy = Policy::new(read.mode, names.names, keyring, read.default, read.rules, exceptions);
    let policy = policy.map_err(|errors| {
        for error in errors {
            problems.push(Diagnostic::of_file(&path, &error));
        }
        problems.sorted()
    })?;
    Ok(Config {
        policy,
        endpoints: rebuilders.iter().flat_map(|o| o.endpoints.iter().cloned()).collect(),
        rebuilders: rebuilders
            .into_iter()
            .filter_map(|o| {
                let RebuilderFile { contact, file, key_files, keys, .. } = o;
                let keys = keys.into_iter().map(|(it, _, file)| (it.key.key_id(), file)).collect();
                Some((o.name?, Rebuilder { contact, file, key_files, keys }))
            })
            .collect(),
        timeouts: read.network.timeouts,
        authorities: read.network.authorities,
        proxy: read.network.proxy,
        direct: read.direct,
        hold: read.hold,
        digest: files.digest(&directory),
        files: files.read.into_iter().map(|(path, _)| path).collect(),
        directory,
    })
}

/// Combines all keys of all rebuilders, if no key is there twice.
fn keyring(rebuilders: &[RebuilderFile], problems: &mut Problems) -> Option<KeyRing> {
    let keys: Vec<_> = rebuilders.iter().flat_map(|o| o.keys.iter().cloned()).collect();
    let pinned = keys.iter().map(|(key, ..)| key.clone()).collect();
    let report = |errors| {
        for error in errors {
            let there = |earlier: usize| {
                let place = keys.get(earlier).map(|(_, at, _)| at.place());
                place.map(|it| format!(" ({it})")).unwrap_or_default()
            };
            let (index, message, help) = match error {
                KeyRingError::SharedKey { first, earlier, index } => (
                    index,
                    format!("rebuilder {first} already has this key{}", there(earlier)),
                    "a key has one owner; otherwise one party would have two votes",
                ),
                KeyRingError::RepeatedKey { earlier, index } => (
                    index,
                    format!(
                        "this rebuilder already has this key, in this form or another{}",
                        there(earlier)
                    ),
                    "remove one of them: they could have different end dates",
                ),
            };
            if let Some((_, at, _)) = keys.get(index) {
                problems.push(at.saying(&message).help(help));
            }
        }
    };
    let mut keyring = KeyRing::new(pinned).map_err(report).ok()?;
    for rebuilder in rebuilders.iter().filter(|it| !it.statements.is_empty()) {
        let Some(name) = &rebuilder.name else { continue };
        keyring = keyring.accepting(name.clone(), rebuilder.statements.clone());
    }
    Some(keyring)
}

/// Describes a file or directory that cannot be used at all.
fn unusable(path: &Path, error: &SecureError) -> Diagnostic {
    let diagnostic = Diagnostic::of_file(path, error);
    if error.is_missing() {
        diagnostic.help("every configuration needs this file: see apt-quorum.toml(5)")
    } else if matches!(error, SecureError::Open { error: nix::errno::Errno::EACCES, .. }) {
        diagnostic.help("the user who runs apt-quorum must be able to read it")
    } else {
        diagnostic
    }
}

/// Opens files and remembers the digests of their content.
struct ConfigFiles<'p> {
    trusted: Trusted,
    proposed: &'p Proposed,
    read: Vec<(PathBuf, Sha256Digest)>,
}

impl ConfigFiles<'_> {
    fn text(&mut self, path: &Path) -> Result<String, SecureError> {
        let missing =
            || SecureError::Open { path: path.to_owned(), error: nix::errno::Errno::ENOENT };
        let text = match self.proposed.get(path) {
            Some(proposed) => proposed.clone().ok_or_else(missing)?,
            None => self.trusted.read(path, MAX_FILE)?,
        };
        self.read.push((path.to_owned(), Sha256Digest::of(text.as_bytes())));
        Ok(text)
    }

    fn open(&mut self, path: &Path, problems: &mut Problems) -> Option<SourceFile> {
        match self.text(path) {
            Ok(text) => Some(SourceFile::new(path.to_owned(), text)),
            Err(error) => {
                problems.push(unusable(path, &error));
                None
            }
        }
    }

    /// Reads every `*.toml` of a directory with `read`, and returns also true if all of them could
    /// be read. A missing directory counts as empty.
    fn each<T>(
        &mut self,
        directory: &Path,
        problems: &mut Problems,
        mut read: impl FnMut(&SourceFile, &mut Self, &mut Problems) -> Option<T>,
    ) -> (Vec<T>, bool) {
        let mut all = Vec::new();
        let names = match self.names(directory) {
            Ok(names) if names.len() > MAX_FILES => {
                problems
                    .push(Diagnostic::of_file(directory, &format!("more than {MAX_FILES} files")));
                return (all, false);
            }
            Ok(names) => names,
            Err(error) => {
                problems.push(unusable(directory, &error));
                return (all, false);
            }
        };
        let count = names.len();
        for name in names {
            let source = self.open(&directory.join(name), problems);
            all.extend(source.and_then(|source| read(&source, self, problems)));
        }
        let all_read = all.len() == count;
        (all, all_read)
    }

    /// Reports descriptions below the directory's former name: a rebuilder that is left out in
    /// silence is a vote that is missed.
    fn refuse_old_name(&self, directory: &Path, problems: &mut Problems) {
        let old = directory.join("operators.d");
        match self.names(&old) {
            Ok(names) if names.is_empty() => {}
            Ok(_) => {
                let new = directory.join("rebuilders.d");
                let message = "operators.d is now called rebuilders.d";
                problems.push(Diagnostic::of_file(&old, &message).help(format!(
                    "move the files: mv {}/* {}/",
                    old.display(),
                    new.display()
                )));
            }
            Err(error) => problems.push(unusable(&old, &error)),
        }
    }

    /// Lists the names of all `*.toml` of a directory, sorted.
    fn names(&self, directory: &Path) -> Result<Vec<OsString>, SecureError> {
        let mut names: BTreeSet<OsString> = match self.trusted.list(directory, ".toml") {
            Ok(names) => names.into_iter().collect(),
            Err(error) if error.is_missing() => BTreeSet::new(),
            Err(error) => return Err(error),
        };
        for (path, text) in self.proposed.iter().filter(|it| it.0.parent() == Some(directory)) {
            let Some(name) =
                path.file_name().filter(|_| path.extension().is_some_and(|it| it == "toml"))
            else {
                continue;
            };
            match text {
                Some(_) => names.insert(name.to_owned()),
                None => names.remove(name),
            };
        }
        Ok(names.into_iter().collect())
    }

    /// Computes one digest over names and contents. Names are relative, so the same configuration
    /// has the same digest in every directory.
    fn digest(&self, directory: &Path) -> Sha256Digest {
        let mut list: Vec<String> = self
            .read
            .iter()
            .map(|(path, digest)| {
                format!("{digest}  {}\n", path.strip_prefix(directory).unwrap_or(path).display())
            })
            .collect();
        list.sort();
        Sha256Digest::of(list.concat().as_bytes())
    }
}
