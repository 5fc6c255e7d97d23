//! `operators.d/*.toml`: one operator a file, with keys and endpoints.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::{Place, Problems, SourceFile};
use super::reader::{Located, Table, document};
use super::{Endpoint, Files, Operators, Protocol};
use crate::attest::PinnedKey;
use crate::types::{Architecture, KeyError, OperatorName, PublicKey};

/// What an operator's file says, as far as it could be read.
pub(super) struct OperatorFile {
    pub(super) name: Option<OperatorName>,
    name_place: Place,
    pub(super) contact: Option<String>,
    pub(super) keys: Vec<(PinnedKey, Place)>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) file: PathBuf,
    /// Whether all of it was
    pub(super) whole: bool,
}

/// Reads an operator's file and the key files that it names.
pub(super) fn read(
    source: &SourceFile,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<OperatorFile> {
    document(source, problems, |table, problems| {
        let name = table.parsed::<OperatorName>("name", problems);
        let name = table.required("name", "how is this operator called?", name, problems);
        let contact = table.text("contact", problems).map(|text| text.value.into_owned());
        let name_place = name.as_ref().map_or_else(|| table.place(), |name| name.place.clone());
        let name = name.map(|name| name.value);
        let keys = table.tables("key", problems, |table, problems| {
            key(table, source.path(), name.as_ref(), files, problems)
        });
        if keys.as_ref().is_some_and(Vec::is_empty) {
            let message = "this operator has no key, so nothing that it signs could count";
            problems.push(name_place.saying(&message).help("add its public key under [[key]]"));
        }
        let endpoints = table.tables("endpoint", problems, |table, problems| {
            endpoint(table, name.as_ref(), problems)
        });
        let (keys, endpoints) = (keys.unwrap_or_default(), endpoints.unwrap_or_default());
        OperatorFile {
            whole: name.is_some()
                && keys.iter().all(Option::is_some)
                && endpoints.iter().all(Option::is_some),
            name,
            name_place,
            contact,
            keys: keys.into_iter().flatten().collect(),
            endpoints: endpoints.into_iter().flatten().collect(),
            file: source.path().to_owned(),
        }
    })
}

/// The names of all operators; a name that stands in two files is a mistake. `all_read` is
/// whether every file could be.
pub(super) fn names(
    operators: &[OperatorFile],
    all_read: bool,
    problems: &mut Problems,
) -> Operators {
    let mut complete = all_read;
    let mut first: BTreeMap<&OperatorName, &Place> = BTreeMap::new();
    for operator in operators {
        let Some(name) = &operator.name else {
            complete = false;
            continue;
        };
        match first.get(name) {
            None => drop(first.insert(name, &operator.name_place)),
            Some(earlier) => {
                // Perhaps another name was meant.
                complete = false;
                let message = format!("operator {name} stands in {} already", earlier.file_name());
                problems.push(
                    operator
                        .name_place
                        .saying(&message)
                        .help("one operator, one file, one vote: put all its keys into that file"),
                );
            }
        }
    }
    Operators { names: first.into_keys().cloned().collect(), complete }
}

fn key(
    table: &mut Table<'_, '_>,
    operator_file: &Path,
    operator: Option<&OperatorName>,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<(PinnedKey, Place)> {
    let kind = table.choice("type", &[("ed25519", ())], problems);
    let kind = table.required("type", "write type = \"ed25519\"", kind, problems);
    let not_after = table.date("not_after", problems);
    let file = table.text("file", problems);
    let public = table.text("public", problems);
    let (text, place) = match (file, public) {
        (Some(file), None) => {
            let path = operator_file.parent().unwrap_or(Path::new("/")).join(&*file.value);
            match files.text(&path) {
                Ok(text) => (text, file.place),
                Err(why) => {
                    problems.push(file.place.saying(&why));
                    return None;
                }
            }
        }
        (None, Some(public)) => (public.value.into_owned(), public.place),
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
    kind?;
    if not_after.is_none() && table.names("not_after") {
        return None;
    }
    match PublicKey::ed25519_from_pem(&text) {
        Ok(key) => {
            let not_after = not_after.map(|date| date.value);
            Some((PinnedKey { operator: operator?.clone(), key, not_after }, place))
        }
        Err(KeyError::NotPem) if text.contains("PRIVATE KEY-----") => {
            problems.push(
                place
                    .saying(&"this is a private key: only its owner should have it")
                    .help("take it away from here, and ask the operator for the public key"),
            );
            None
        }
        Err(error) => {
            problems.push(place.saying(&error));
            None
        }
    }
}

fn endpoint(
    table: &mut Table<'_, '_>,
    operator: Option<&OperatorName>,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let words = [("rebuilderd", Protocol::Rebuilderd), ("directory", Protocol::Directory)];
    let protocol = table.choice("protocol", &words, problems);
    let what = "write protocol = \"rebuilderd\" or protocol = \"directory\"";
    let protocol = table.required("protocol", what, protocol, problems);
    let text = table.text("url", problems);
    let text = table.required("url", "where does it publish?", text, problems);
    let url = text.and_then(|text| url(&text, protocol.as_ref().map(|it| it.value), problems));
    let architectures = table.list::<Architecture>("architectures", problems);
    if architectures.is_none() && table.names("architectures") {
        return None;
    }
    let architectures =
        architectures.map(|list| list.items.into_iter().map(|located| located.value).collect());
    let (protocol, url) = (protocol?.value, url?);
    Some(Endpoint { operator: operator?.clone(), protocol, url, architectures })
}

/// Reads the URL of an endpoint. Without a protocol, which was reported then, only what holds
/// for all is checked.
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
        Some(Protocol::Rebuilderd) => Some("write: https://HOST/PATH/ or http://HOST/PATH/"),
        Some(Protocol::Directory) => Some("a local directory is written: file:///PATH/"),
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
        Some(Protocol::Directory) => ("a directory endpoint", &["file"]),
        None => ("an endpoint", &["https", "http", "file"]),
    };
    if !schemes.contains(&url.scheme()) {
        let message = format!("{name} is not reached by {}:", url.scheme());
        return wrong(&message, help);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(&"a URL here must not hold a user name or password", None);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(&"a URL here must end with its path, without ? and #", None);
    }
    if url.scheme() == "file" && url.to_file_path().is_err() {
        return wrong(&"a directory must be on this machine", help);
    }
    // Paths are joined to it, which would replace a last part without a slash.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}
