//! Attestations in files: trees and bundles of them, on this machine or on any web server.
//!
//! A tree on this machine is read here. In a directory `D`, the attestations about `NAME_VERSION_ARCH.deb` are the files in
//! `D/NAME_VERSION_ARCH.deb/` and the files in `D` whose names begin with
//! `NAME_VERSION_ARCH.deb.`. Other names are not looked at, so a directory may hold attestations
//! about every package of an archive. A list of the files there, which only web servers need, is no
//! attestation.

mod bundled;
mod web;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::bundle::{self, Bundle};
use super::http::Door;
use super::{Gathered, Gathering, MAX_ATTESTATIONS, Question, Reach, Source};
use crate::attest;
use crate::cache::Cache;
use crate::config::Endpoint;
use crate::policy::Outcome;
use crate::sys::files::read_bounded;
use crate::sys::plain;
use crate::types::ArtifactName;

/// Most names that are looked at in one directory.
const MAX_NAMES: usize = 1_000_000;

/// What reads this endpoint. Without a door, because the network is denied or broken, it still has
/// what is on this machine.
pub(super) fn source(
    endpoint: &Endpoint,
    door: Result<Door, Outcome>,
    cache: Option<&Cache>,
) -> Result<Rc<dyn Source>, Outcome> {
    let local = endpoint.url.scheme() == "file";
    let path = || {
        let path = endpoint.url.to_file_path();
        path.map_err(|()| Outcome::Unreachable { why: "not a local path".to_owned() })
    };
    Ok(match (endpoint.is_bundle(), local) {
        (true, true) => Rc::new(bundled::OnDisk::new(path()?)),
        (true, false) => {
            let kept = cache.map(|cache| cache.kept(endpoint.url.as_str()));
            Rc::new(bundled::Fetched::new(endpoint.url.clone(), door, kept))
        }
        (false, true) => Rc::new(Directory { path: path()? }),
        (false, false) => Rc::new(web::Tree { url: endpoint.url.clone(), door: door? }),
    })
}

/// A directory with attestations.
struct Directory {
    path: PathBuf,
}

impl Source for Directory {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let found = read_attestations(&self.path, &question.identity.artifact_name());
            found.map_or_else(
                |error| unreachable(Vec::new(), plain(&error), Reach::Within),
                answered,
            )
        })
    }
}

/// What came of looking where one could look.
fn answered(attestations: Vec<Vec<u8>>) -> Gathered {
    let outcome = match attestations.len() {
        0 => Outcome::Unknown,
        count => Outcome::Attestations { count },
    };
    Gathered { attestations, outcome, reach: Reach::Within }
}

/// What came of looking where one could not, but for these.
fn unreachable(attestations: Vec<Vec<u8>>, why: String, reach: Reach) -> Gathered {
    Gathered { attestations, outcome: Outcome::Unreachable { why }, reach }
}

/// Attestations that somebody brought along, opened.
#[derive(Debug)]
pub enum AtHand {
    /// A file that is one
    File(PathBuf),
    /// A tree
    Tree(PathBuf),
    /// A bundle
    Bundle(Box<Bundle>),
}

impl AtHand {
    /// Looks what is at `path`, which a person named: that it cannot be used is not passed over.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| plain(&error);
        let real = path.canonicalize().map_err(failed)?;
        let kind = real.metadata().map_err(failed)?;
        if kind.is_dir() {
            std::fs::read_dir(&real).map_err(failed)?;
            return Ok(Self::Tree(real));
        }
        if !kind.is_file() {
            return Err("neither a file nor a directory".to_owned());
        }
        if path.to_string_lossy().ends_with(bundle::SUFFIX) {
            let bundle = Bundle::open(&real).map_err(|error| error.to_string())?;
            return Ok(Self::Bundle(Box::new(bundle)));
        }
        std::fs::File::open(&real).map_err(failed)?;
        if usize::try_from(kind.len()).unwrap_or(usize::MAX) > attest::MAX_BYTES {
            return Err(format!("larger than {} bytes, so no attestation", attest::MAX_BYTES));
        }
        Ok(Self::File(real))
    }

    /// The attestations about `artifact`. What is not there is nothing.
    #[must_use]
    pub fn about(&self, artifact: &ArtifactName) -> Vec<Vec<u8>> {
        match self {
            Self::File(path) => read_bounded(path, attest::MAX_BYTES).into_iter().collect(),
            Self::Tree(path) => read_attestations(path, artifact).unwrap_or_default(),
            Self::Bundle(bundle) => bundle.about(artifact).unwrap_or_default(),
        }
    }
}

/// Hands all attestations of the tree at `path` to `each`, sorted by the names of what they are
/// about.
///
/// # Errors
/// If the directory cannot be read.
pub fn each_in_tree(path: &Path, mut each: impl FnMut(ArtifactName, Vec<u8>)) -> io::Result<()> {
    let names = names(path, |_| true)?;
    let about = |name: &String| match name.parse() {
        Ok(artifact) => Some(artifact),
        Err(_) => bundle::file_name(name).map(|(artifact, _)| artifact),
    };
    let artifacts: BTreeSet<ArtifactName> = names.iter().filter_map(about).collect();
    for artifact in artifacts {
        for bytes in read_attestations(path, &artifact)? {
            each(artifact.clone(), bytes);
        }
    }
    Ok(())
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
    let seen = |name: &str| !name.starts_with('.') && name != bundle::LIST;
    let inside = names(&own_directory, seen).unwrap_or_default();
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
