//! A complete description of a configuration in one file, which `apt-quorum setup --from` reads.
//!
//! It has the keys of `policy.toml`, a table for each rebuilder with the keys of its file, a table
//! for each exception, and apt's sources. Only its division into files is done here: the reader that
//! checks the configuration finds every other mistake, before anything is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Change, Diagnostic, MAX_FILE, SourceFile, load, toml_text};
use crate::sys::secure::{SecureError, Trusted};
use crate::types::{RebuilderName, printable};

/// The file for the exceptions, below the directory of a configuration.
const EXCEPTIONS: &str = "exceptions.d/setup.toml";

/// The first line of each file that is written.
const HEAD: &str = "# Written by apt-quorum setup --from: change the file that it was given.\n";

/// A description that was read.
#[derive(Debug, Default)]
pub struct Whole {
    /// The content of `policy.toml`
    policy: Table,
    /// The content of each rebuilder's file; nothing if the description is silent about them
    rebuilders: Option<BTreeMap<RebuilderName, Table>>,
    /// The exceptions; nothing if the description is silent about them
    exceptions: Option<Vec<Value>>,
    /// The sources whose packages are judged during download, as the command line names them;
    /// nothing if the description is silent about them
    pub sources: Option<Vec<String>>,
    /// The files with keys, by their names in `rebuilders.d`
    key_files: BTreeMap<String, String>,
}

/// The reason why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WholeError {
    /// It is no TOML.
    #[error("{0}")]
    Syntax(Box<Diagnostic>),
    /// A part of it is not as it must be.
    #[error("{}: {why}", .path.display())]
    Part {
        /// The file
        path: PathBuf,
        /// The mistake
        why: String,
    },
    /// It, or a file of the configuration, cannot be read or others could write it.
    #[error("{0}")]
    Insecure(#[from] SecureError),
}

impl Whole {
    /// Reads a description, and the files with keys that it names relative to itself.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn read(path: &Path, trusted: Trusted) -> Result<Self, WholeError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let part = |why: String| WholeError::Part { path: path.clone(), why };
        let text = trusted.read(&path, MAX_FILE)?;
        let mut policy: Table = text.parse().map_err(|error: toml::de::Error| {
            let source = SourceFile::new(path.clone(), text.clone());
            let place = error.span().map_or_else(|| source.whole(), |span| source.at(span));
            WholeError::Syntax(Box::new(place.saying(&error.message())))
        })?;
        let sources = policy.remove("sources").map(|it| words(&it).map_err(part)).transpose()?;
        let exceptions = match policy.remove("exception") {
            None => None,
            Some(Value::Array(all)) => Some(all),
            Some(_) => return Err(part("write each exception under [[exception]]".to_owned())),
        };
        let rebuilders = match policy.remove("rebuilder") {
            None => None,
            Some(Value::Array(all)) => Some(all),
            Some(_) => return Err(part("write each rebuilder under [[rebuilder]]".to_owned())),
        };
        let mut whole = Self { exceptions, sources, ..Self::default() };
        for it in rebuilders.iter().flatten() {
            let table = it.as_table();
            let mut table = table
                .cloned()
                .ok_or_else(|| part("write each rebuilder under [[rebuilder]]".to_owned()))?;
            let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
            let name: RebuilderName = name
                .parse()
                .map_err(|error| part(format!("[[rebuilder]] needs a name: {error}")))?;
            for (file, text) in key_files(&mut table, &path, trusted)? {
                let there = whole.key_files.insert(file.clone(), text.clone());
                if there.is_some_and(|there| there != text) {
                    return Err(part(format!("two different files with keys are called {file}")));
                }
            }
            let all = whole.rebuilders.get_or_insert_with(BTreeMap::new);
            if all.insert(name.clone(), table).is_some() {
                return Err(part(format!("rebuilder {name} is there twice")));
            }
        }
        if rebuilders.is_some() {
            whole.rebuilders.get_or_insert_with(BTreeMap::new);
        }
        whole.policy = policy;
        Ok(whole)
    }

    /// Returns the change that makes the configuration in `directory` as it is described. It leaves
    /// files unchanged that mean the same already, and works on a configuration with mistakes.
    ///
    /// # Errors
    /// If a present file cannot be read.
    pub fn change(&self, directory: &Path, trusted: Trusted) -> Result<Change, WholeError> {
        let mut change = Change::of(directory).despite_mistakes();
        let there = |name: &Path| match trusted.read(&directory.join(name), MAX_FILE) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        };
        let policy = Path::new("policy.toml");
        write(&mut change, policy, there(policy)?, &self.policy);
        if let Some(wanted) = &self.rebuilders {
            let mut found = files(directory, "rebuilders.d", trusted)?;
            for (name, table) in wanted {
                let same = found.iter().find(|(_, text)| means(text, table));
                if let Some(path) = same.map(|(path, _)| path.clone()) {
                    found.remove(&path);
                    continue;
                }
                let path = Path::new("rebuilders.d").join(format!("{name}.toml"));
                write(&mut change, &path, found.remove(&path), table);
            }
            // What is left describes a rebuilder that is none any more.
            let config = load(directory, trusted).ok();
            for (path, was) in found {
                let of_file = config.iter().flat_map(|it| it.rebuilders.values());
                let mut gone = of_file.filter(|it| it.file == directory.join(&path));
                for key in gone.by_ref().flat_map(|it| &it.key_files) {
                    let Ok(key) = key.strip_prefix(directory) else { continue };
                    let name = key.file_name().and_then(|it| it.to_str()).unwrap_or_default();
                    if key.starts_with("rebuilders.d") && !self.key_files.contains_key(name) {
                        change.remove(key);
                    }
                }
                change.remove_only(path, was);
            }
            for (name, text) in &self.key_files {
                let path = Path::new("rebuilders.d").join(name);
                if there(&path)?.as_ref() != Some(text) {
                    change.replace(path, text.clone());
                }
            }
        }
        if let Some(wanted) = &self.exceptions {
            let mut found = files(directory, "exceptions.d", trusted)?;
            let all: Option<Vec<Value>> = found
                .values()
                .map(|text| exceptions(text))
                .collect::<Option<Vec<_>>>()
                .map(|it| it.concat());
            if all.as_ref() != Some(wanted) {
                let path = Path::new(EXCEPTIONS);
                let was = found.remove(path);
                if !wanted.is_empty() {
                    let table = Table::from_iter([("exception".to_owned(), wanted.clone().into())]);
                    write(&mut change, path, was, &table);
                } else if let Some(was) = was {
                    change.remove_only(path, was);
                }
                for (path, was) in found {
                    change.remove_only(path, was);
                }
            }
        }
        Ok(change)
    }
}

/// Returns `all`, `none` or the URIs in a list.
fn words(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || "sources must be \"all\", \"none\" or a list of URIs".to_owned();
    match value {
        Value::String(word) if word == "all" || word == "none" => Ok(vec![word.clone()]),
        Value::Array(all) if all.is_empty() => Ok(vec!["none".to_owned()]),
        Value::Array(all) => {
            let uri = |it: &Value| it.as_str().filter(|it| it.contains(':')).map(ToOwned::to_owned);
            all.iter().map(|it| uri(it).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

/// Reads the files with keys that a rebuilder's table names, and has the table name them as they are
/// called in `rebuilders.d`.
fn key_files(
    table: &mut Table,
    path: &Path,
    trusted: Trusted,
) -> Result<Vec<(String, String)>, WholeError> {
    let mut files = Vec::new();
    let keys = table.get_mut("key").and_then(Value::as_array_mut);
    for key in keys.into_iter().flatten().filter_map(Value::as_table_mut) {
        let Some(Value::String(file)) = key.get_mut("file") else { continue };
        let from = path.parent().unwrap_or(Path::new("/")).join(&*file);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name = from
            .file_name()
            .and_then(|it| it.to_str())
            .filter(|it| it.chars().all(plain) && !it.starts_with('.') && !it.ends_with(".toml"));
        let name = name.map(ToOwned::to_owned).ok_or_else(|| WholeError::Part {
            path: path.to_owned(),
            why: format!(
                "file = \"{}\": a file with a key has letters, digits, dots and hyphens in its name, and does not end in .toml",
                printable(file)
            ),
        })?;
        let text = trusted.read(&from, MAX_FILE)?;
        file.clone_from(&name);
        files.push((name, text));
    }
    Ok(files)
}

/// Reads the configuration's files in a directory, by their paths below the configuration.
fn files(
    directory: &Path,
    part: &str,
    trusted: Trusted,
) -> Result<BTreeMap<PathBuf, String>, SecureError> {
    let names = match trusted.list(&directory.join(part), ".toml") {
        Ok(names) => names,
        Err(error) if error.is_missing() => Vec::new(),
        Err(error) => return Err(error),
    };
    let read = |name| {
        let path = Path::new(part).join(name);
        Ok((path.clone(), trusted.read(&directory.join(path), MAX_FILE)?))
    };
    names.into_iter().map(read).collect()
}

fn exceptions(text: &str) -> Option<Vec<Value>> {
    let mut table: Table = text.parse().ok()?;
    let all = match table.remove("exception") {
        None => Vec::new(),
        Some(Value::Array(all)) => all,
        Some(_) => return None,
    };
    table.is_empty().then_some(all)
}

fn means(text: &str, wanted: &Table) -> bool {
    text.parse::<Table>().is_ok_and(|it| it == *wanted)
}

/// Writes a file unless it means the same already.
fn write(change: &mut Change, path: &Path, was: Option<String>, wanted: &Table) {
    match was {
        Some(was) if means(&was, wanted) => {}
        Some(was) => change.edit(path, was, to_toml(wanted)),
        None => change.create(path, to_toml(wanted)),
    }
}

/// Formats a table as a file. Its values cannot become anything but values.
fn to_toml(wanted: &Table) -> String {
    let mut text = HEAD.to_owned();
    add(&mut text, "", wanted);
    text
}

fn add(text: &mut String, above: &str, table: &Table) {
    let tables = |it: &Value| {
        it.as_array().is_some_and(|it| !it.is_empty() && it.iter().all(Value::is_table))
    };
    let (below, values): (Vec<_>, Vec<_>) =
        table.iter().partition(|(_, value)| value.is_table() || tables(value));
    for (key, value) in values {
        let _ = writeln!(text, "{} = {}", self::key(key), self::value(value));
    }
    for (key, value) in below {
        let path = format!("{above}{}", self::key(key));
        let (open, close) = if value.is_table() { ("[", "]") } else { ("[[", "]]") };
        let all = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for table in all.iter().filter_map(Value::as_table) {
            let _ = writeln!(text, "\n{open}{path}{close}");
            add(text, &format!("{path}."), table);
        }
    }
}

fn key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_plain = !key.is_empty() && key.chars().all(plain);
    if is_plain { key.to_owned() } else { toml_text(key) }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) if is_block(text) => format!("\"\"\"\n{text}\"\"\""),
        Value::String(text) => toml_text(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(it) => it.to_string(),
        Value::Datetime(it) => it.to_string(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(self::value).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Table(table) => {
            let one = |(key, value): (&String, &Value)| {
                format!("{} = {}", self::key(key), self::value(value))
            };
            let all: Vec<String> = table.iter().map(one).collect();
            format!("{{ {} }}", all.join(", "))
        }
    }
}

/// Returns true if a text of several lines, such as a key, can be written as it is.
fn is_block(text: &str) -> bool {
    let plain = |c: char| matches!(c, ' '..='~' | '\n') && !matches!(c, '"' | '\\');
    text.contains('\n') && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_means_what_was_read() {
        let text = "mode = \"warn\"\n\"odd key\" = \"a \\\"b\\\" \\u001b\\n[x]\"\nempty = []\n\
            whole = 1\nhalf = 0.5\nday = 2027-01-31\nmoment = 2027-01-31T12:00:00Z\nyes = true\n\
            mixed = [{ a = 1 }, 2]\n[network]\nanswer_timeout = 2\n[network.below]\nx = 1\n\
            [[rule]]\npackage = [\"a\", \"b\"]\npem = \"\"\"\n-----BEGIN\nab==\n-----END\n\"\"\"\n\
            [[rule]]\n[[rule.inner]]\nz = 1\n[[rule.inner]]\nz = 2\n";
        let table: Table = text.parse().unwrap();
        let written = to_toml(&table);
        assert!(means(&written, &table), "{written}");
        assert!(
            written.contains("\npem = \"\"\"\n-----BEGIN\nab==\n-----END\n\"\"\"\n"),
            "{written}"
        );
    }

    #[test]
    fn sources_are_a_word_or_a_list() {
        let read = |text: &str| {
            let table: Table = format!("sources = {text}").parse().unwrap();
            words(table.get("sources").unwrap()).ok()
        };
        for word in ["all", "none"] {
            assert_eq!(read(&format!("\"{word}\"")), Some(vec![word.to_owned()]));
        }
        assert_eq!(read("[]"), Some(vec!["none".to_owned()]));
        assert_eq!(read("[\"http://a/\"]"), Some(vec!["http://a/".to_owned()]));
        for bad in ["\"some\"", "1", "[\"all\"]", "[1]"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
