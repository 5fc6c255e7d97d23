//! Attestations in files: trees and bundles of them, on this machine or on any web server.
//!
//! This module reads a tree on this machine. In a directory `D`, the attestations about
//! `NAME_VERSION_ARCH.deb` are the files in `D/NAME_VERSION_ARCH.deb/` and the files in `D` whose
//! names begin with `NAME_VERSION_ARCH.deb.`. Other names are not looked at, so a directory may
//! contain attestations about every package of an archive. A list of the files there, which only
//! web servers need, is no attestation.

mod bundled;
mod web;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::SystemTime;

use super::bundle;
use super::http::Door;
use super::{EndpointSource, Gathered, Gathering, MAX_ATTESTATIONS, Question, Reach};
use crate::attest;
use crate::cache::Cache;
use crate::config::Endpoint;
use crate::policy::Outcome;
use crate::sys::files::read_bounded;
use crate::sys::plain;
use crate::types::ArtifactName;

/// Most names that are looked at in a tree.
const MAX_NAMES: usize = 1_000_000;

/// Most files about one package that are looked at in a tree.
const MAX_INSIDE: usize = 10_000;

/// Returns the source that reads this endpoint. Without a door, because the network is denied or
/// broken, the source still has the evidence on this machine.
pub(super) fn source(
    endpoint: &Endpoint,
    door: Result<Door, Outcome>,
    cache: Option<&Cache>,
) -> Result<Rc<dyn EndpointSource>, Outcome> {
    let local = endpoint.url.scheme() == "file";
    let path = || {
        let path = endpoint.url.to_file_path();
        path.map_err(|()| Outcome::Unreachable { why: "not a local path".to_owned() })
    };
    Ok(match (endpoint.is_bundle(), local) {
        (true, true) => Rc::new(bundled::OnDisk::new(path()?)),
        (true, false) => {
            let kept = cache.map(|cache| cache.kept(endpoint.url.as_str()));
            Rc::new(bundled::FetchedBundle::new(endpoint.url.clone(), door, kept))
        }
        (false, true) => Rc::new(LocalTree(Tree::new(path()?))),
        (false, false) => Rc::new(web::WebTree { url: endpoint.url.clone(), door: door? }),
    })
}

/// A directory with attestations.
struct LocalTree(Tree);

impl EndpointSource for LocalTree {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let found = self.0.about(&question.identity.artifact_name());
            found.map_or_else(
                |error| unreachable(Vec::new(), plain(&error), Reach::Within),
                answered,
            )
        })
    }
}

/// The result of a search that was possible.
fn answered(attestations: Vec<Vec<u8>>) -> Gathered {
    let outcome = match attestations.len() {
        0 => Outcome::Unknown,
        count => Outcome::Attestations { count },
    };
    Gathered { attestations, outcome, reach: Reach::Within }
}

/// The result of a search that failed, with the attestations found before.
fn unreachable(attestations: Vec<Vec<u8>>, why: String, reach: Reach) -> Gathered {
    Gathered { attestations, outcome: Outcome::Unreachable { why }, reach }
}

/// Hands all attestations of the tree at `path` to `each`, sorted by the names of their artifacts.
///
/// # Errors
/// If the directory cannot be read.
pub fn each_in_tree(path: &Path, mut each: impl FnMut(ArtifactName, Vec<u8>)) -> io::Result<()> {
    let mut beside: BTreeMap<ArtifactName, Vec<PathBuf>> = BTreeMap::new();
    for name in names(path, MAX_NAMES, |_| true)? {
        if let Ok(artifact) = name.parse() {
            beside.entry(artifact).or_default();
        } else if let Some((artifact, _)) = bundle::file_name(&name) {
            beside.entry(artifact).or_default().push(path.join(name));
        }
    }
    for (artifact, mut files) in beside {
        files.extend(inside(path, &artifact));
        for bytes in files.iter().filter_map(|it| read_bounded(it, attest::MAX_BYTES)) {
            each(artifact.clone(), bytes);
        }
    }
    Ok(())
}

/// A tree of attestations on this machine. It may belong to any user.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    /// The attestations beside the directories, sorted by their names, and the time of the last
    /// write to the tree. There may be one for each package of an archive, so searching all of them
    /// for each question would take quadratic time.
    beside: Mutex<Option<(SystemTime, Vec<String>)>>,
}

impl Tree {
    /// The tree at `path`.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, beside: Mutex::new(None) }
    }

    /// Reads the attestations about `artifact`, at most [`MAX_ATTESTATIONS`], each no larger than
    /// [`attest::MAX_BYTES`]. Skips larger ones, links, pipes and devices.
    ///
    /// # Errors
    /// If the directory is not there or cannot be read.
    pub fn about(&self, artifact: &ArtifactName) -> io::Result<Vec<Vec<u8>>> {
        let beside = self.beside(&format!("{artifact}."))?.into_iter();
        let paths = beside.map(|name| self.path.join(name)).chain(inside(&self.path, artifact));
        Ok(paths
            .filter_map(|path| read_bounded(&path, attest::MAX_BYTES))
            .take(MAX_ATTESTATIONS)
            .collect())
    }

    /// Returns the names that begin with `prefix`.
    fn beside(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut beside = self.beside.lock().unwrap_or_else(|lock| lock.into_inner());
        let written = self.path.metadata()?.modified()?;
        let all = match beside.take().filter(|(then, _)| *then == written) {
            Some((_, all)) => all,
            None => names(&self.path, MAX_NAMES, |name| bundle::file_name(name).is_some())?,
        };
        let from = all.partition_point(|name| name.as_str() < prefix);
        let same = all.iter().skip(from).take_while(|name| name.starts_with(prefix));
        let found = same.take(MAX_INSIDE).cloned().collect();
        *beside = Some((written, all));
        Ok(found)
    }
}

/// Lists the files in the separate directory that a tree has for attestations about `artifact`.
fn inside(tree: &Path, artifact: &ArtifactName) -> impl Iterator<Item = PathBuf> + use<> {
    let directory = tree.join(artifact.as_str());
    let seen = |name: &str| !name.starts_with('.') && name != bundle::LIST;
    let names = names(&directory, MAX_INSIDE, seen).unwrap_or_default();
    names.into_iter().map(move |name| directory.join(name))
}

/// Returns the names in a directory that are `wanted`, sorted. Looks at no more than `most` names.
fn names(directory: &Path, most: usize, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(directory)?
        .take(most)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| wanted(name))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn artifact(n: usize) -> ArtifactName {
        format!("package{n}_1_all.deb").parse().unwrap()
    }

    #[test]
    fn a_flat_tree_is_looked_through_once_until_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::new(directory.path().to_owned());
        let write = |name: String| fs::write(directory.path().join(name), "x").unwrap();
        for n in 0..20 {
            write(format!("package{n}_1_all.deb.alpha"));
        }
        let count = |n: usize| tree.about(&artifact(n)).unwrap().len();
        assert_eq!((count(1), count(10), count(20)), (1, 1, 0));
        // A replaced list remains in use as long as nothing was written.
        *tree.beside.lock().unwrap().as_mut().map(|(_, all)| all).unwrap() = Vec::new();
        assert_eq!(count(1), 0);
        write("package1_1_all.deb.beta".to_owned());
        let later = SystemTime::now() + Duration::from_secs(10);
        fs::File::open(directory.path()).unwrap().set_modified(later).unwrap();
        assert_eq!((count(1), count(10)), (2, 1));
    }

    #[test]
    fn whoever_has_many_files_in_a_tree_hides_no_others_when_all_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("package1_1_all.deb");
        fs::create_dir(&inside).unwrap();
        for n in 0..100 {
            fs::write(inside.join(format!("a{n}")), "mallory's").unwrap();
        }
        fs::write(inside.join("z"), "zoe's").unwrap();
        fs::write(inside.join("SHA256SUMS"), "a list").unwrap();
        fs::write(directory.path().join("package1_1_all.deb.beta"), "beta's").unwrap();
        fs::write(directory.path().join("package0_1_all.deb.beta"), "beta's").unwrap();
        fs::write(directory.path().join("other"), "nobody's").unwrap();
        let mut all = Vec::new();
        each_in_tree(directory.path(), |artifact, bytes| {
            all.push((artifact.to_string(), String::from_utf8(bytes).unwrap()));
        })
        .unwrap();
        assert_eq!(all.len(), 103);
        assert_eq!(all[0].0, "package0_1_all.deb");
        for whose in ["zoe's", "beta's"] {
            assert!(all[1..].iter().any(|(_, it)| it == whose), "{whose}");
        }
    }
}
