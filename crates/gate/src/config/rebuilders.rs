//! `rebuilders.d/*.toml`: one rebuilder a file, with keys and endpoints.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::diagnostic::{Problems, SourceFile, SourcePlace};
use super::reader::{Located, Table, document};
use super::{BUNDLE_SUFFIX, ConfigFiles, Endpoint, Protocol, Rebuilders, archive};
use crate::attest::{Accepted, Findings, PinnedKey};
use crate::types::{Architecture, KeyError, KeyKind, NameError, PublicKey, RebuilderName};

/// Longest time for which a verifier's statement counts, in days.
const MOST_DAYS: i64 = 3660;

/// The content of a rebuilder's file, as far as it could be read.
pub(super) struct RebuilderFile {
    pub(super) name: Option<RebuilderName>,
    name_place: SourcePlace,
    pub(super) contact: Option<String>,
    /// Each with the place that names it, and the file that contains it
    pub(super) keys: Vec<(PinnedKey, SourcePlace, PathBuf)>,
    pub(super) endpoints: Vec<Endpoint>,
    /// The accepted kinds of its statements, if the file lists any
    pub(super) statements: Vec<Accepted>,
    pub(super) file: PathBuf,
    /// The files with keys that it names
    pub(super) key_files: Vec<PathBuf>,
    /// True if all of the file could be read
    pub(super) whole: bool,
}

/// Reads a rebuilder's file and the key files that it names.
pub(super) fn read(
    source: &SourceFile,
    files: &mut ConfigFiles<'_>,
    problems: &mut Problems,
) -> Option<RebuilderFile> {
    document(source, problems, |table, problems| {
        let name = table.parsed::<RebuilderName>("name", problems);
        let name = table.required("name", "give the rebuilder a name", name, problems);
        let contact = table.text("contact", problems).map(|text| text.value.into_owned());
        let name_place = name.as_ref().map_or_else(|| table.place(), |name| name.place.clone());
        let name = name.map(|name| name.value);
        let mut key_files = Vec::new();
        let keys = table.tables("key", problems, |table, problems| {
            let named =
                KeyOwner { rebuilder: name.as_ref(), file: source.path(), keys: &mut key_files };
            key(table, named, files, problems)
        });
        if keys.as_ref().is_some_and(Vec::is_empty) {
            let message = "this rebuilder has no key, so no attestation could count";
            problems.push(name_place.saying(&message).help("add its public key under [[key]]"));
        }
        let endpoints = table.tables("endpoint", problems, |table, problems| {
            endpoint(table, name.as_ref(), problems)
        });
        let is_archive = |it: &Endpoint| it.archive.is_some();
        let signs_archives =
            |(it, ..): &(PinnedKey, SourcePlace, PathBuf)| it.key.kind() == KeyKind::OpenPgp;
        if endpoints.iter().flatten().flatten().any(is_archive)
            && keys.iter().flatten().all(Option::is_some)
            && !keys.iter().flatten().flatten().any(signs_archives)
        {
            let message =
                "this rebuilder's archive cannot be verified without an OpenPGP certificate";
            problems
                .push(name_place.saying(&message).help("add a [[key]] with type = \"openpgp\""));
        }
        let statements = table.tables("statement", problems, statement).unwrap_or_default();
        let (keys, endpoints) = (keys.unwrap_or_default(), endpoints.unwrap_or_default());
        RebuilderFile {
            whole: name.is_some()
                && keys.iter().all(Option::is_some)
                && endpoints.iter().all(Option::is_some)
                && statements.iter().all(Option::is_some),
            name,
            name_place,
            contact,
            keys: keys.into_iter().flatten().collect(),
            endpoints: endpoints.into_iter().flatten().collect(),
            statements: statements.into_iter().flatten().collect(),
            file: source.path().to_owned(),
            key_files,
        }
    })
}

/// Collects the names of all rebuilders; the same name in two files is a mistake. `all_read` is true
/// if every file could be read.
pub(super) fn names(
    rebuilders: &[RebuilderFile],
    all_read: bool,
    problems: &mut Problems,
) -> Rebuilders {
    let mut complete = all_read;
    let mut first: BTreeMap<&RebuilderName, &SourcePlace> = BTreeMap::new();
    for rebuilder in rebuilders {
        let Some(name) = &rebuilder.name else {
            complete = false;
            continue;
        };
        match first.get(name) {
            None => drop(first.insert(name, &rebuilder.name_place)),
            Some(earlier) => {
                // Perhaps another name was meant.
                complete = false;
                let message = format!("rebuilder {name} is already in {}", earlier.file_name());
                problems.push(
                    rebuilder
                        .name_place
                        .saying(&message)
                        .help("one rebuilder, one file, one vote: put all its keys into that file"),
                );
            }
        }
    }
    Rebuilders { names: first.into_keys().cloned().collect(), complete }
}

/// The owner of a key, if known, and the key files named so far.
struct KeyOwner<'a> {
    rebuilder: Option<&'a RebuilderName>,
    file: &'a Path,
    keys: &'a mut Vec<PathBuf>,
}

fn key(
    table: &mut Table<'_, '_>,
    named: KeyOwner<'_>,
    files: &mut ConfigFiles<'_>,
    problems: &mut Problems,
) -> Option<(PinnedKey, SourcePlace, PathBuf)> {
    let words = KeyKind::ALL.map(|kind| (kind.name(), kind));
    let kind = table.choice("type", &words, problems);
    let what = one_of("type", &words.map(|(word, _)| word));
    let kind = table.required("type", &what, kind, problems);
    let not_after = table.date("not_after", problems);
    let file = table.text("file", problems);
    let public = table.text("public", problems);
    let (text, place, stands_in) = match (file, public) {
        (Some(file), None) => {
            let path = named.file.parent().unwrap_or(Path::new("/")).join(&*file.value);
            match files.text(&path) {
                Ok(text) => {
                    named.keys.push(path.clone());
                    (text, file.place, path)
                }
                Err(why) => {
                    problems.push(file.place.saying(&why));
                    return None;
                }
            }
        }
        (None, Some(public)) => (public.value.into_owned(), public.place, named.file.to_owned()),
        (None, None) => {
            if !table.names("file") && !table.names("public") {
                let message = "the key itself is missing: write file = \"NAME.pem\", or public = \"\"\"...\"\"\"";
                problems.push(table.place().saying(&message));
            }
            return None;
        }
        (Some(_), Some(public)) => {
            problems.push(public.place.saying(&"a key has either file or public, not both"));
            return None;
        }
    };
    let kind = kind?.value;
    if not_after.is_none() && table.names("not_after") {
        return None;
    }
    match PublicKey::read(kind, &text) {
        Ok(key) => {
            let not_after = not_after.map(|date| date.value);
            Some((
                PinnedKey { rebuilder: named.rebuilder?.clone(), key, not_after },
                place,
                stands_in,
            ))
        }
        Err(KeyError::NotPem | KeyError::NotArmor) if text.contains("PRIVATE KEY") => {
            problems.push(
                place
                    .saying(&"this is a private key: only its owner should have it")
                    .help("remove it, and ask the rebuilder for the public key"),
            );
            None
        }
        Err(error) => {
            problems.push(place.saying(&error));
            None
        }
    }
}

/// A kind of statement, by its word in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its word in the configuration")]
pub enum StatementKind {
    Link,
    SlsaProvenance,
    OssRebuild,
    Svr,
    Vsa,
}

impl StatementKind {
    const WORDS: [(&'static str, Self); 5] = [
        ("link", Self::Link),
        ("slsa-provenance", Self::SlsaProvenance),
        ("oss-rebuild", Self::OssRebuild),
        ("svr", Self::Svr),
        ("vsa", Self::Vsa),
    ];

    /// The kind of an accepted statement.
    #[must_use]
    pub const fn of(accepted: &Accepted) -> Self {
        match accepted {
            Accepted::Link => Self::Link,
            Accepted::SlsaProvenance { .. } => Self::SlsaProvenance,
            Accepted::OssRebuild { .. } => Self::OssRebuild,
            Accepted::Svr(_) => Self::Svr,
            Accepted::Vsa(_) => Self::Vsa,
        }
    }

    /// Its word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| *word)
    }

    /// The keys that restrict the signer of such a statement and its content.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Link => &[],
            Self::SlsaProvenance | Self::OssRebuild => &["builder"],
            Self::Svr | Self::Vsa => &["verifier", "property", "max_age_days"],
        }
    }
}

fn statement(table: &mut Table<'_, '_>, problems: &mut Problems) -> Option<Accepted> {
    let kind = table.choice("type", &StatementKind::WORDS, problems);
    let what = "name a kind of statement";
    let kind = table.required("type", what, kind, problems).map(|it| it.value);
    let builder = party(table, "builder", problems);
    let verifier = party(table, "verifier", problems);
    let properties = table.list::<String>("property", problems);
    let days = days(table, problems);
    let kind = kind?;
    let mut whole = true;
    for key in ["builder", "verifier", "property", "max_age_days"] {
        let wanted = kind.keys().contains(&key);
        if wanted != table.names(key) {
            let belongs = if wanted { "is missing in" } else { "does not belong to" };
            let message = format!("{key} {belongs} a statement of this type");
            problems.push(table.place().saying(&message));
            whole = false;
        }
    }
    let properties = properties.filter(|list| list.complete);
    let verified = || {
        let properties = properties?.items.into_iter().map(|it| it.value).collect();
        Some(Findings { verifier: verifier?, properties, lasts: days? })
    };
    let accepted = match kind {
        StatementKind::Link => Accepted::Link,
        StatementKind::SlsaProvenance => Accepted::SlsaProvenance { builder: builder? },
        StatementKind::OssRebuild => Accepted::OssRebuild { builder: builder? },
        StatementKind::Svr => Accepted::Svr(verified()?),
        StatementKind::Vsa => Accepted::Vsa(verified()?),
    };
    whole.then_some(accepted)
}

/// Reads the name that a builder or verifier uses for itself. The name must not be empty, because a
/// statement without a name has an empty one.
fn party(table: &mut Table<'_, '_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let text = table.text(key, problems)?;
    if text.value.trim().is_empty() {
        problems.push(text.place.saying(&format!("{key} is empty: name the {key}")));
        return None;
    }
    Some(text.value.into_owned())
}

/// Reads the time for which a verifier's statement counts, in days, and returns it in seconds.
fn days(table: &mut Table<'_, '_>, problems: &mut Problems) -> Option<i64> {
    let days = table.integer("max_age_days", problems)?;
    if !(1..=MOST_DAYS).contains(&days.value) {
        let message = format!("max_age_days must be 1 to {MOST_DAYS} days");
        problems.push(days.place.saying(&message));
        return None;
    }
    days.value.checked_mul(24 * 60 * 60)
}

/// Formats the help for a missing word.
fn one_of(key: &str, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("write {key} = {}", quoted.join(" or "))
}

/// An architecture for which an endpoint is asked. dpkg accepts capitals in one, but none of
/// Debian's has any. Such an endpoint would never be asked, without a message.
struct LowerCaseArchitecture(Architecture);

impl FromStr for LowerCaseArchitecture {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.chars().find(char::is_ascii_uppercase) {
            Some(found) => Err(NameError::Character { what: "an architecture", found }),
            None => text.parse().map(Self),
        }
    }
}

pub(super) fn endpoint(
    table: &mut Table<'_, '_>,
    rebuilder: Option<&RebuilderName>,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let words = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    let protocol = table.choice("protocol", &words, problems);
    let what = one_of("protocol", &words.map(|(word, _)| word));
    let protocol = table.required("protocol", &what, protocol, problems);
    let text = table.text("url", problems);
    let text =
        table.required("url", "give the address at which the rebuilder publishes", text, problems);
    let url = text.and_then(|text| url(&text, protocol.as_ref().map(|it| it.value), problems));
    let architectures = table.list::<LowerCaseArchitecture>("architectures", problems);
    if architectures.is_none() && table.names("architectures") {
        return None;
    }
    let architectures =
        architectures.map(|list| list.items.into_iter().map(|located| located.value.0).collect());
    let is_archive = protocol.as_ref().is_some_and(|it| it.value == Protocol::Archive);
    let archive = if is_archive { Some(archive::terms(table, rebuilder, problems)?) } else { None };
    let (protocol, url) = (protocol?.value, url?);
    Some(Endpoint { rebuilder: rebuilder?.clone(), protocol, url, architectures, archive })
}

/// Reads the URL of an endpoint. Without a protocol, whose absence was then reported, checks only
/// the rules for all protocols.
fn url(
    text: &Located<Cow<'_, str>>,
    protocol: Option<Protocol>,
    problems: &mut Problems,
) -> Option<reqwest::Url> {
    let mut wrong = |message: &dyn std::fmt::Display, help: Option<&str>| {
        let diagnostic = text.place.saying(message);
        problems.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
        None
    };
    let help = match protocol {
        Some(Protocol::Rebuilderd | Protocol::IntotoMetadata | Protocol::Archive) => {
            Some("write: https://HOST/PATH/ or http://HOST/PATH/")
        }
        Some(Protocol::Directory) => Some(
            "write: file:///PATH/ or https://HOST/PATH/ for a tree, and PATH.tar.gz for a bundle",
        ),
        None => None,
    };
    if !text.value.contains(':') || text.value.starts_with('/') {
        return wrong(&"this is not a URL", help);
    }
    let mut url: reqwest::Url = match text.value.parse() {
        Ok(url) => url,
        Err(error) => return wrong(&format!("this is not a valid URL ({error})"), help),
    };
    let (name, schemes): (_, &[&str]) = match protocol {
        Some(Protocol::Rebuilderd) => ("a rebuilderd endpoint", &["https", "http"]),
        Some(Protocol::IntotoMetadata) => ("an intoto-metadata endpoint", &["https", "http"]),
        Some(Protocol::Archive) => ("an archive", &["https", "http"]),
        Some(Protocol::Directory) => ("a directory endpoint", &["https", "http", "file"]),
        None => ("an endpoint", &["https", "http", "file"]),
    };
    if !schemes.contains(&url.scheme()) {
        let message = format!("{name} does not support {}:", url.scheme());
        return wrong(&message, help);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(&"a URL here must not contain a user name or password", None);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(&"a URL here must end with its path, without ? and #", None);
    }
    let below = url.path_segments().into_iter().flatten();
    if protocol == Some(Protocol::IntotoMetadata) && below.clone().any(|it| it == "unreproducible")
    {
        let message = "the rebuilds under unreproducible/ have different results";
        return wrong(&message, Some("name the directory in which sources/ is"));
    }
    if url.scheme() == "file" && url.to_file_path().is_err() {
        return wrong(&"a directory must be on this machine", help);
    }
    if protocol == Some(Protocol::Directory) && !url.path().ends_with('/') {
        if url.path().ends_with(BUNDLE_SUFFIX) {
            return Some(url);
        }
        if is_archive(url.path()) {
            let message = "a bundle is a .tar.gz file, and nothing else";
            let help =
                "make one: apt-quorum evidence export; end the name of a directory with a slash";
            return wrong(&message, Some(help));
        }
    }
    // Paths are joined to it, which would replace a last part without a slash.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

/// Returns true when a path is that of an archive of another kind than bundles, or with another
/// spelling.
fn is_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let kinds = [".tar", ".tgz", ".gz", ".xz", ".zst", ".bz2", ".zip", ".tar.gz"];
    kinds.iter().any(|kind| path.ends_with(kind))
}
