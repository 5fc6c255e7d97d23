//! Attestations in files on this machine.
//!
//! In a directory `D`, the attestations about `NAME_VERSION_ARCH.deb` are the files in
//! `D/NAME_VERSION_ARCH.deb/` and the files in `D` whose names begin with
//! `NAME_VERSION_ARCH.deb.`. Other names are not looked at, so a directory may hold attestations
//! about every package of an archive.

use std::io;
use std::path::{Path, PathBuf};

use super::{Gathered, Gathering, MAX_ATTESTATIONS, Question, Reach, Source};
use crate::attest;
use crate::policy::Outcome;
use crate::sys::files::read_bounded;
use crate::sys::plain;
use crate::types::ArtifactName;

/// Most names that are looked at in one directory.
const MAX_NAMES: usize = 1_000_000;

/// A directory with attestations.
pub(super) struct Directory {
    pub(super) path: PathBuf,
}

impl Source for Directory {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let found = read_attestations(&self.path, &question.identity.artifact_name());
            let (attestations, outcome) = match found {
                Ok(found) if found.is_empty() => (found, Outcome::Unknown),
                Ok(found) => {
                    let count = found.len();
                    (found, Outcome::Attestations { count })
                }
                Err(error) => (Vec::new(), Outcome::Unreachable { why: plain(&error) }),
            };
            Gathered { attestations, outcome, reach: Reach::Within }
        })
    }
}

/// The attestations about `artifact` at `path`: a file that is one, or a directory as described
/// above. What is not there is nothing.
#[must_use]
pub fn from_path(path: &Path, artifact: &ArtifactName) -> Vec<Vec<u8>> {
    if path.is_dir() {
        read_attestations(path, artifact).unwrap_or_default()
    } else {
        read_bounded(path, attest::MAX_BYTES).into_iter().collect()
    }
}

/// The attestations about `artifact` in `directory`, at most [`MAX_ATTESTATIONS`], each no
/// larger than [`attest::MAX_BYTES`]. Larger ones, links, pipes and devices are passed over: the
/// directory may belong to anybody.
///
/// # Errors
/// If the directory is not there or cannot be read.
fn read_attestations(directory: &Path, artifact: &ArtifactName) -> io::Result<Vec<Vec<u8>>> {
    let prefix = format!("{artifact}.");
    let beside = names(directory, |name| name.starts_with(&prefix))?;
    let own_directory = directory.join(artifact.as_str());
    let inside = names(&own_directory, |name| !name.starts_with('.')).unwrap_or_default();
    let paths = beside.iter().map(|name| directory.join(name));
    let paths = paths.chain(inside.iter().map(|name| own_directory.join(name)));
    Ok(paths
        .filter_map(|path| read_bounded(&path, attest::MAX_BYTES))
        .take(MAX_ATTESTATIONS)
        .collect())
}

fn names(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(directory)?
        .take(MAX_NAMES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| wanted(name))
        .collect();
    names.sort();
    Ok(names)
}
