//! The files that a Release file has the hashes of.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufReader, Read};

use super::release::Listed;
use super::{MAX_INDEX, Rejection};
use crate::compressed::{Compression, Fault};
use crate::deb822::packages;
use crate::types::{ArtifactName, Identity, Sha256Digest};

/// Largest index, unpacked, in bytes. Debian's largest has 60 MB.
const MAX_TEXT: u64 = 256 * 1024 * 1024;

/// Largest list of what was taken over, unpacked, in bytes: 65,000 lines have 8 MB.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// Which packages an archive has.
///
/// Only digests are kept, of names as well: all of Debian then needs some megabytes.
#[derive(Debug, Clone)]
pub struct Index {
    path: String,
    /// The SHA-256 of name, version and architecture, and that of the file; nothing if there are
    /// several
    files: HashMap<Sha256Digest, Option<Sha256Digest>>,
}

impl Index {
    /// Reads the Packages file that is `listed`.
    ///
    /// # Errors
    /// If the file is not that one, or not to be read.
    pub fn read(file: &[u8], listed: &Listed) -> Result<Self, Rejection> {
        let mut files: HashMap<Sha256Digest, Option<Sha256Digest>> = HashMap::new();
        let each = |packages::Listed { sha256, control }| {
            let name = Sha256Digest::of(control.identity.to_string().as_bytes());
            files
                .entry(name)
                .and_modify(|earlier| *earlier = earlier.filter(|it| *it == sha256))
                .or_insert(Some(sha256));
        };
        unpack(file, listed, MAX_TEXT, |text| packages::packages(BufReader::new(text), each))?;
        Ok(Self { path: listed.path.clone(), files })
    }

    /// Where it is, below `dists/SUITE/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The SHA-256 of the file of this very package, if it has the package.
    pub(super) fn find(&self, identity: &Identity) -> Option<Result<Sha256Digest, Rejection>> {
        let found = self.files.get(&Sha256Digest::of(identity.to_string().as_bytes()))?;
        Some(found.ok_or(Rejection::Ambiguous))
    }
}

/// What an archive took over from another one and did not build.
///
/// Each line has the SHA-256 of a file and its name, as sha256sum(1) writes them. Empty lines and
/// those that begin with `#` say nothing. The list may be empty, but must be there.
#[derive(Debug, Clone, Default)]
pub struct TakenOver {
    files: BTreeSet<Sha256Digest>,
    names: BTreeSet<String>,
}

impl TakenOver {
    /// Reads the list that is `listed`.
    ///
    /// # Errors
    /// If the file is not that one, or anything in it cannot be understood: what is passed over
    /// could be what was taken over.
    pub fn read(file: &[u8], listed: &Listed) -> Result<Self, Rejection> {
        let mut text = String::new();
        unpack(file, listed, MAX_LIST, |unpacked| unpacked.read_to_string(&mut text).map(drop))?;
        let odd = || Rejection::Unreadable {
            path: listed.path.clone(),
            why: "has a line that is not SHA256  NAME",
        };
        let mut all = Self::default();
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
        for line in lines {
            let (sha256, name) = line.split_once([' ', '\t']).ok_or_else(odd)?;
            all.files.insert(sha256.parse().map_err(|_| odd())?);
            // `*` says that the file was read as binary.
            let name = name.trim_start().trim_start_matches('*');
            let name = name.rsplit('/').next().unwrap_or(name);
            if name.is_empty() {
                return Err(odd());
            }
            all.names.insert(name.to_ascii_lowercase());
        }
        Ok(all)
    }

    /// Whether a file was taken over, by what it is or by what it is called, in whatever case.
    pub(super) fn has(&self, name: &ArtifactName, sha256: Sha256Digest) -> bool {
        self.files.contains(&sha256) || self.names.contains(&name.as_str().to_ascii_lowercase())
    }
}

/// Checks that `file` is the one that is `listed`, and gives what comes out of it to `read`.
fn unpack(
    file: &[u8],
    listed: &Listed,
    most: u64,
    read: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), Rejection> {
    let path = || listed.path.clone();
    if file.len() > MAX_INDEX
        || file.len() != listed.size
        || Sha256Digest::of(file) != listed.sha256
    {
        return Err(Rejection::OtherFile { path: path() });
    }
    let unreadable = |why| Rejection::Unreadable { path: path(), why };
    let compression = Compression::of_name(&listed.path);
    let unpacked = compression.unpack(&mut &*file, |text| -> Result<u64, Fault> {
        let mut bounded = text.take(most + 1);
        read(&mut bounded).map_err(|_| Fault::Damaged)?;
        Ok(bounded.limit())
    });
    match unpacked {
        Ok(0) => Err(unreadable("unpacks to more than is read")),
        Ok(_) => Ok(()),
        Err(Fault::Damaged) => Err(unreadable("cannot be unpacked")),
        Err(Fault::Trailing) => Err(unreadable("has something behind its end")),
    }
}
