//! Reads the indexes that apt verified, and finds out whether a signed Release file lists them.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::listings::SignerKeys;
use crate::apt::index::{self, IndexEntry, IndexOrigin};
use crate::attest::repository::{MAX_SIGNATURE, SignedRelease};
use crate::deb822::packages::{MAX_PACKAGES, MAX_TEXT};
use crate::policy::Listing;
use crate::sys::files::{Links, open_plain};
use crate::types::{Fingerprint, Identity, Sha256Digest};

/// apt's own program that unpacks indexes, whatever compression apt uses.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// Largest Release file that is read, in bytes. Debian's has 150 kB.
const MAX_RELEASE: u64 = 16 * 1024 * 1024;

/// The content of a Release file.
#[derive(Debug, Clone, Default)]
pub(super) struct IndexRelease {
    pub(super) listing: Listing,
    /// True if it is signed
    pub(super) signed: bool,
    /// The valid signatures, if they were checked and there is one
    verified: Option<SignedRelease>,
}

/// Hands every file that the indexes in `directory` list to `each`, within the limits of each
/// index.
pub(super) fn each(directory: &Path, mut each: impl FnMut(Sha256Digest, Identity)) {
    for name in names(directory).unwrap_or_default().iter().filter(|name| is_packages(name)) {
        let mut listed = 0_usize;
        let _ = unpacked(&directory.join(name), |text| {
            index::packages(text, |it| {
                listed = listed.saturating_add(1);
                if listed <= MAX_PACKAGES {
                    each(it.sha256, it.control.identity);
                }
            })
        });
    }
}

impl IndexRelease {
    /// Reads a Release file, if it is signed: apt then checked the signature. apt accepts unsigned
    /// ones only from sources marked as trusted, and they could claim to be any repository.
    pub(super) fn read(
        directory: &Path,
        release: &str,
        names: &[String],
        signers: Option<&SignerKeys>,
    ) -> Self {
        let beside = Some(format!("{release}.gpg")).filter(|it| names.binary_search(it).is_ok());
        let inline = release.ends_with("InRelease");
        if !inline && beside.is_none() {
            return Self::default();
        }
        let read = |name: &str, limit: u64| {
            let mut text = Vec::new();
            open(&directory.join(name)).ok()?.take(limit).read_to_end(&mut text).ok()?;
            Some(text)
        };
        let Some(text) = read(release, MAX_RELEASE) else { return Self::default() };
        let limit = u64::try_from(MAX_SIGNATURE).unwrap_or(u64::MAX);
        let signature =
            beside.filter(|_| !inline).map(|it| read(&it, limit + 1).unwrap_or_default());
        let verified = signers.and_then(|it| {
            SignedRelease::read(&text, signature.as_deref(), &it.certificates, it.now).ok()
        });
        // Verified statements are read only from the signed text.
        let listing = index::release(verified.as_ref().map_or(&text, SignedRelease::text));
        match listing {
            Some(listing) => Self { listing, signed: true, verified },
            None => Self::default(),
        }
    }

    /// Hands every entry of an index to `each`. Returns the extent to which the index was read, if
    /// it could be, and the signers of this Release file, if it has the hash of the index. An index
    /// that breaks off still lists the entries before that.
    pub(super) fn read_index(
        &self,
        path: &Path,
        name: &str,
        origin: &IndexOrigin<'_>,
        each: impl FnMut(IndexEntry),
    ) -> (Option<ReadExtent>, Vec<Fingerprint>) {
        let Some(verified) = &self.verified else {
            return (unpacked(path, |text| index::entries(text, each)).ok(), Vec::new());
        };
        match is_listed(path, name, origin, verified, each) {
            Ok((extent, true)) => (Some(extent), verified.signers().iter().copied().collect()),
            Ok((extent, false)) => (Some(extent), Vec::new()),
            Err(_) => (None, Vec::new()),
        }
    }
}

/// Hands every file that an index lists to `each`, and returns true if the index has the hash in
/// its Release file. apt may keep another compression than it fetched; then only the unpacked text
/// has a hash. If the repository gives no hash of that, only the fetched file has one.
fn is_listed(
    path: &Path,
    name: &str,
    origin: &IndexOrigin<'_>,
    release: &SignedRelease,
    each: impl FnMut(IndexEntry),
) -> io::Result<(ReadExtent, bool)> {
    let mut found = None;
    let extent = unpacked(path, |text| {
        let mut hashed = BufReader::with_capacity(1 << 16, DigestingReader::of(text));
        index::entries(&mut hashed, each)?;
        // Reading packages may stop before the text ends.
        io::copy(&mut hashed, &mut io::sink())?;
        found = Some(hashed.into_inner().digest());
        Ok(())
    })?;
    if let Some(listed) = release.sha256(&origin.path) {
        // For an index that is cut off, this is the hash of its beginning.
        return Ok((extent, found == Some(listed)));
    }
    let suffix = name.get(stem(name).len()..).unwrap_or_default();
    let Some(listed) = release.sha256(&format!("{}{suffix}", origin.path)) else {
        return Ok((extent, false));
    };
    let mut packed = DigestingReader::of(open(path)?.take(MAX_TEXT));
    io::copy(&mut packed, &mut io::sink())?;
    Ok((extent, packed.digest() == listed))
}

/// A reader that hashes the bytes that pass through it.
struct DigestingReader<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> DigestingReader<R> {
    fn of(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    fn digest(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.hasher.finalize().into())
    }
}

impl<R: Read> Read for DigestingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The names in a directory, sorted.
pub(super) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory)?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

pub(super) fn is_packages(name: &str) -> bool {
    stem(name).ends_with("_Packages")
}

/// The name without the suffix of a compression.
pub(super) fn stem(name: &str) -> &str {
    let endings = [".lz4", ".zst", ".xz", ".gz", ".bz2", ".lzma"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Opens an index that root put there (or the caller, in a directory of their own). apt verifies
/// indexes before it gives them to root; files that belong to `_apt` were not verified.
fn open(path: &Path) -> io::Result<File> {
    let file = open_plain(path, Links::Refused)?;
    let owner = file.metadata()?.uid();
    let own = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    if own { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// The extent to which an index was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadExtent {
    Whole,
    /// Up to [`MAX_TEXT`]
    CutOff,
}

/// Hands the unpacked text of an index to `read`, up to [`MAX_TEXT`] bytes.
fn unpacked(
    path: &Path,
    read: impl FnOnce(&mut dyn io::BufRead) -> io::Result<()>,
) -> io::Result<ReadExtent> {
    let bounded = |text: &mut dyn Read| {
        let mut text = BufReader::with_capacity(1 << 16, text.take(MAX_TEXT + 1));
        read(&mut text)?;
        let whole = text.get_ref().limit() > 0;
        Ok(if whole { ReadExtent::Whole } else { ReadExtent::CutOff })
    };
    let mut file = open(path)?;
    if path.to_string_lossy().ends_with("_Packages") {
        return bounded(&mut file);
    }
    let mut helper = Command::new(APT_HELPER)
        .arg("cat-file")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut output = helper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let result = bounded(&mut output);
    let _ = helper.kill();
    helper.wait()?;
    result
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// apt gives verified files to root; files that still belong to `_apt` were not verified.
    #[test]
    fn only_plain_files_of_root_or_of_whoever_asks_are_opened() {
        let lists = tempfile::tempdir().unwrap();
        let path = lists.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(open(&path).is_ok());
        assert!(open(lists.path()).is_err(), "a directory");
        let link = lists.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link).is_err(), "a link");
        let pipe = lists.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(open(&pipe).is_err(), "a pipe, which must not be waited for");
        // Only root can give a file away; every user finds one of root's.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(open(&path).is_err(), "somebody else's");
        } else {
            assert!(open(Path::new("/etc/passwd")).is_ok(), "root's");
        }
    }
}
