//! Bundles: the tree of a `directory` endpoint as one file, `*.tar.gz`. So people can carry
//! evidence to machines without a network and inspect it with tar(1).
//!
//! It contains plain files named `NAME_VERSION_ARCH.deb/ANYTHING` or
//! `NAME_VERSION_ARCH.deb.ANYTHING`, as in a tree. `apt-quorum evidence export` writes such bundles.
//!
//! Trusts nothing. A bundle is read once from end to end before any of it is used. It gives nothing
//! at all if it is damaged, cut off or too large. The same applies if two programs could unpack it
//! differently (links, devices, `..`, one name twice, a second stream). Nothing is unpacked to
//! disk. Memory holds only an index, 80 bytes for each attestation, and the requested attestations.
//! So [`MAX_ENTRIES`] limits the memory for one bundle, to 32 MB, and not the bundle's size.

mod inflate;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use inflate::{Inflate, Point, Store};

use super::MAX_ATTESTATIONS;
use crate::attest;
use crate::deb;
use crate::sys::files::{Links, open_plain};
use crate::sys::plain;
use crate::types::{ArtifactName, Sha256Digest, printable};

/// The suffix of a bundle's name.
pub const SUFFIX: &str = crate::config::BUNDLE_SUFFIX;

/// The list of the files in a directory of a tree, as sha256sum(1) writes and checks it.
pub const LIST: &str = "SHA256SUMS";

/// Largest bundle, in bytes. An attestation of rebuilderd takes about 300 in it.
pub const MAX_PACKED: usize = 64 * 1024 * 1024;

/// Largest archive in a bundle, unpacked, in bytes: a size that can be read in a few seconds.
pub const MAX_UNPACKED: u64 = 512 * 1024 * 1024;

/// Most files in a bundle.
pub const MAX_ENTRIES: usize = 400_000;

/// Unpacked bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// The reason for which a bundle is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It cannot be opened or read.
    #[error("{0}")]
    Read(String),
    /// More bytes than [`MAX_PACKED`].
    #[error("the bundle is larger than {} MiB", MAX_PACKED >> 20)]
    TooLarge,
    /// It unpacks to more than [`MAX_UNPACKED`].
    #[error("the bundle unpacks to more than {} MiB", MAX_UNPACKED >> 20)]
    Bomb,
    /// More files than [`MAX_ENTRIES`].
    #[error("the bundle has more than {MAX_ENTRIES} files")]
    TooMany,
    /// Not compressed by gzip.
    #[error("this is not a bundle: it is not compressed by gzip")]
    NotGzip,
    /// Damaged, or no tar archive.
    #[error("the bundle is damaged")]
    Damaged,
    /// It ends before it should.
    #[error("the bundle is cut off")]
    Truncated,
    /// Data follows the archive or the stream, which other programs could read.
    #[error("data follows the bundle's end")]
    Trailing,
    /// Neither a plain file nor a directory, or outside the bundle.
    #[error("the bundle has an unexpected entry, {}", printable(.0))]
    Entry(String),
    /// Two files have one name, so the right one is ambiguous.
    #[error("the bundle has two files with one name")]
    Twice,
}

impl From<io::Error> for BundleError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Truncated,
            ErrorKind::AlreadyExists => Self::Trailing,
            ErrorKind::InvalidInput => Self::NotGzip,
            _ if error.raw_os_error().is_some() => Self::Read(plain(&error)),
            _ => Self::Damaged,
        }
    }
}

/// A bundle that was read from end to end.
#[derive(Debug)]
pub struct Bundle {
    store: Store,
    /// By the name of the artifact, then in the order of the bundle
    places: Vec<PlaceInBundle>,
    points: Vec<Point>,
}

/// The place of one attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PlaceInBundle {
    /// SHA-256 of the name of the artifact, so that all places have one size
    artifact: Sha256Digest,
    /// Its offset in the unpacked archive
    at: u64,
    size: u32,
    /// Its SHA-256 when it was first read
    sha256: Sha256Digest,
}

impl Bundle {
    /// Opens the bundle in a file.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let file = open_plain(path, Links::Followed).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => BundleError::Read("not a file".to_owned()),
            _ => BundleError::Read(plain(&error)),
        })?;
        Self::of_file(file)
    }

    /// Reads the bundle in an open file.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn of_file(file: File) -> Result<Self, BundleError> {
        let there = file.metadata()?;
        if !there.is_file() {
            return Err(BundleError::Read("not a file".to_owned()));
        }
        if there.len() > u64::try_from(MAX_PACKED).unwrap_or(u64::MAX) {
            return Err(BundleError::TooLarge);
        }
        Self::read(Store::File(file))
    }

    /// Reads a bundle that is in memory, and keeps it there.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn of_bytes(bytes: Vec<u8>) -> Result<Self, BundleError> {
        if bytes.len() > MAX_PACKED {
            return Err(BundleError::TooLarge);
        }
        Self::read(Store::Memory(bytes))
    }

    /// The bundle itself, if it is in memory.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.store {
            Store::File(_) => None,
            Store::Memory(bytes) => Some(bytes),
        }
    }

    /// Returns the same bundle after its bytes were moved to this file.
    #[must_use]
    pub fn on_disk(self, file: File) -> Self {
        Self { store: Store::File(file), ..self }
    }

    fn read(store: Store) -> Result<Self, BundleError> {
        let mut places = Vec::new();
        let mut names = Vec::new();
        let points = scan(&store, |entry| {
            // Half of a hash is enough to tell names apart, and half of the memory.
            let hash = Sha256Digest::of(entry.path.as_bytes());
            names.push(hash.as_bytes().first_chunk::<16>().copied().unwrap_or_default());
            let (Some((artifact, _)), Some(bytes)) = (entry.about(), &entry.bytes) else { return };
            places.push(PlaceInBundle {
                artifact: Sha256Digest::of(artifact.as_str().as_bytes()),
                at: entry.at,
                size: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                sha256: Sha256Digest::of(bytes),
            });
        })?;
        names.sort_unstable();
        if repeats(&names) {
            return Err(BundleError::Twice);
        }
        drop(names);
        places.sort_unstable();
        places.shrink_to_fit();
        Ok(Self { store, places, points })
    }

    /// The number of attestations in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// The attestations about `artifact`, at most [`MAX_ATTESTATIONS`] and no more than twice
    /// [`attest::MAX_BYTES`] together.
    ///
    /// # Errors
    /// If the bundle has changed since it was opened.
    pub fn about(&self, artifact: &ArtifactName) -> Result<Vec<Vec<u8>>, BundleError> {
        let key = Sha256Digest::of(artifact.as_str().as_bytes());
        let first = self.places.partition_point(|place| place.artifact < key);
        let places = self.places.get(first..).unwrap_or_default();
        let places = places.iter().take_while(|place| place.artifact == key);
        let mut room = 2 * attest::MAX_BYTES;
        let mut found = Vec::new();
        for place in places.take(MAX_ATTESTATIONS) {
            let size = usize::try_from(place.size).unwrap_or(usize::MAX);
            let Some(left) = room.checked_sub(size) else { break };
            room = left;
            found.push(self.get(place)?);
        }
        Ok(found)
    }

    /// Hands every attestation to `each`, with the name of its artifact, in the order of the
    /// bundle.
    ///
    /// # Errors
    /// If the bundle has changed since it was opened.
    pub fn each(&self, mut each: impl FnMut(ArtifactName, Vec<u8>)) -> Result<(), BundleError> {
        scan(&self.store, |mut entry| {
            let bytes = entry.bytes.take();
            if let (Some((artifact, _)), Some(bytes)) = (entry.about(), bytes) {
                each(artifact, bytes);
            }
        })
        .map(drop)
    }

    /// Reads an attestation again: from the last point before it, and if that gives wrong bytes,
    /// from the beginning.
    fn get(&self, place: &PlaceInBundle) -> Result<Vec<u8>, BundleError> {
        let behind = self.points.partition_point(|point| point.unpacked <= place.at);
        let near = behind.checked_sub(1).and_then(|at| self.points.get(at));
        for point in near.into_iter().chain(self.points.first()) {
            let mut stream = BufReader::with_capacity(BUFFER, Inflate::from(&self.store, *point));
            let mut before = (&mut stream).take(place.at.saturating_sub(point.unpacked));
            let mut bytes = Vec::new();
            let read = io::copy(&mut before, &mut io::sink())
                .and_then(|_| stream.take(u64::from(place.size)).read_to_end(&mut bytes));
            if read.is_ok() && Sha256Digest::of(&bytes) == place.sha256 {
                return Ok(bytes);
            }
        }
        Err(BundleError::Read("the bundle was changed while it was in use".to_owned()))
    }
}

/// A file in a bundle.
struct BundledFile {
    /// Its path, without `./`
    path: String,
    /// The offset of its content
    at: u64,
    /// The content, unless it is larger than an attestation can be
    bytes: Option<Vec<u8>>,
}

impl BundledFile {
    /// The artifact that it is about, and the rest of its name.
    fn about(&self) -> Option<(ArtifactName, &str)> {
        file_name(&self.path)
    }
}

/// Splits the path of an attestation in a tree into its artifact and the rest:
/// `NAME_VERSION_ARCH.deb/REST` or `NAME_VERSION_ARCH.deb.REST`. Returns nothing for other paths,
/// among them those of lists and of hidden files.
pub(super) fn file_name(path: &str) -> Option<(ArtifactName, &str)> {
    let (artifact, name) = match path.split_once('/') {
        Some(split) => split,
        None => {
            // A version can have `.deb.` in it, and then there is no architecture before that.
            let ends = path.match_indices(".deb.").map(|(at, _)| at + ".deb".len());
            let split = |end: usize| Some((path.get(..end)?, path.get(end + 1..)?));
            let is_artifact = |(it, _): &(&str, &str)| it.parse::<ArtifactName>().is_ok();
            ends.filter_map(split).find(is_artifact)?
        }
    };
    let seen = !name.is_empty() && !name.contains('/') && !name.starts_with('.') && name != LIST;
    Some((artifact.parse().ok()?, name)).filter(|_| seen)
}

/// Reads a bundle from end to end and hands each file to `each`. Returns the points at which
/// reading can begin.
fn scan(store: &Store, mut each: impl FnMut(BundledFile)) -> Result<Vec<Point>, BundleError> {
    let stream = BufReader::with_capacity(BUFFER, Inflate::new(store)?);
    let mut bounded = stream.take(MAX_UNPACKED);
    let read = entries(&mut bounded, &mut each);
    // If a limit cut it off, that is the reason, wherever it was.
    if bounded.limit() == 0 {
        return Err(BundleError::Bomb);
    }
    read?;
    Ok(bounded.into_inner().into_inner().finish()?)
}

fn entries(
    archive: &mut io::Take<BufReader<Inflate<'_>>>,
    each: &mut impl FnMut(BundledFile),
) -> Result<(), BundleError> {
    let mut count = 0;
    let mut tar = tar::Archive::new(&mut *archive);
    // Raw: entries that rename the next one come out as entries of their own and are refused.
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        count += 1;
        if count > MAX_ENTRIES {
            return Err(BundleError::TooMany);
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !deb::is_plain(entry.header(), &path) {
            return Err(BundleError::Entry(path));
        }
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.len() > 1 {
            parts.retain(|part| *part != ".");
        }
        // `a//b` and `a/./b` are the names of one file.
        if parts.iter().any(|part| part.is_empty()) {
            return Err(BundleError::Entry(path));
        }
        let path = parts.join("/");
        let (at, size) = (entry.raw_file_position(), entry.size());
        let fits = usize::try_from(size).is_ok_and(|size| size <= attest::MAX_BYTES);
        let mut bytes = Vec::new();
        if fits {
            entry.read_to_end(&mut bytes)?;
            if u64::try_from(bytes.len()).ok() != Some(size) {
                return Err(BundleError::Truncated);
            }
        }
        each(BundledFile { path, at, bytes: fits.then_some(bytes) });
    }
    deb::only_zeros(archive).map_err(|error| match error {
        deb::DebError::Trailing => BundleError::Trailing,
        _ => BundleError::Damaged,
    })
}

/// Returns true when a sorted list has an item twice.
fn repeats<T: PartialEq>(sorted: &[T]) -> bool {
    sorted.iter().zip(sorted.iter().skip(1)).any(|(one, next)| one == next)
}
