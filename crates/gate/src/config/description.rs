//! Descriptions of rebuilders: who publishes what and where, without keys and so without trust.
//!
//! A description becomes a rebuilder's file only after a person has compared the keys.

use std::collections::BTreeSet;
use std::path::Path;

use super::diagnostic::{Diagnostic, Problems, SourceFile};
use super::reader::document;
use super::{Endpoint, MAX_FILE, rebuilders};
use crate::sys::secure::Trusted;
use crate::types::RebuilderName;

/// The directory of the descriptions of public rebuilders in the package.
pub const DESCRIPTIONS: &str = "/usr/share/apt-quorum/rebuilders";

/// The content of a description.
#[derive(Debug, Clone)]
pub struct Description {
    /// The name of the rebuilder
    pub name: RebuilderName,
    /// The people or the project behind it, for people
    pub description: String,
    /// The address at which to reach them
    pub contact: Option<String>,
    /// Their endpoints
    pub endpoints: Vec<Endpoint>,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// Every mistake in the file.
    pub fn read(path: &Path, trusted: Trusted) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let read = match trusted.read(path, MAX_FILE) {
            Ok(text) => Self::from_source(&SourceFile::new(path.to_owned(), text), &mut problems),
            Err(error) => {
                problems.push(Diagnostic::of_file(path, &error));
                None
            }
        };
        match read {
            Some(description) if problems.is_empty() => Ok(description),
            _ => Err(problems.sorted()),
        }
    }

    fn from_source(source: &SourceFile, problems: &mut Problems) -> Option<Self> {
        document(source, problems, |table, problems| {
            let name = table.parsed::<RebuilderName>("name", problems);
            let name = table.required("name", "give the rebuilder a name", name, problems);
            let description = table.text("description", problems);
            let description = table.required(
                "description",
                "name the people or the project",
                description,
                problems,
            );
            let contact = table.text("contact", problems).map(|text| text.value.into_owned());
            let endpoints = table.tables("endpoint", problems, |table, problems| {
                rebuilders::endpoint(table, name.as_ref().map(|name| &name.value), problems)
            });
            if endpoints.as_ref().is_some_and(Vec::is_empty) {
                let message = "a description needs an endpoint";
                problems.push(table.place().saying(&message));
            }
            let endpoints = endpoints?.into_iter().collect::<Option<Vec<_>>>()?;
            Some(Self {
                name: name?.value,
                description: description?.value.into_owned(),
                contact,
                endpoints,
            })
        })
        .flatten()
    }

    /// The names of the descriptions in a directory.
    #[must_use]
    pub fn names(directory: &Path, trusted: Trusted) -> BTreeSet<RebuilderName> {
        let files = trusted.list(directory, ".toml").unwrap_or_default();
        let name = |file: std::ffi::OsString| file.to_str()?.strip_suffix(".toml")?.parse().ok();
        files.into_iter().filter_map(name).collect()
    }
}
