//! Documents that are fetched as a whole, once a run, and kept until the server has another state.
//!
//! As hostile as the network, like all of the cache. There are two files:
//! `bundles/SHA256-OF-THE-URL.tar.gz`, and one with `.state` after that name. The second has the
//! SHA-256 of the first and what the server said about it. The hash shows that the two belong
//! together, even if the system went down while they were written. It proves no authenticity.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::Digest;

use crate::sys::files::{Links, open_plain, read_bounded, write_whole};
use crate::sys::room::Room;
use crate::types::Sha256Digest;

/// Longest state that is read, in bytes.
const MAX_STATE: usize = 4096;

/// The place of one document.
#[derive(Debug, Clone)]
pub struct Kept {
    path: PathBuf,
    state: PathBuf,
    /// The space that all documents together may take
    room: Room,
}

impl Kept {
    pub(super) fn new(directory: &Path, url: &str, room: Room) -> Self {
        let name = Sha256Digest::of(url.as_bytes());
        let at = |suffix: &str| directory.join(format!("{name}{suffix}"));
        Self { path: at(".tar.gz"), state: at(".tar.gz.state"), room }
    }

    /// Opens the kept document, if it has at most `limit` bytes. Returns also what the server said
    /// about it, if that is known to belong to this file. The file's position is unspecified: read
    /// it at explicit offsets.
    #[must_use]
    pub fn open(&self, limit: usize) -> Option<(File, Option<Vec<u8>>)> {
        let file = open_plain(&self.path, Links::Refused).ok()?;
        if file.metadata().ok()?.len() > u64::try_from(limit).ok()? {
            return None;
        }
        let state = self.state(&file, limit);
        Some((file, state))
    }

    /// Returns what the server said about this very file. Another process may have replaced the
    /// file by now.
    fn state(&self, file: &File, limit: usize) -> Option<Vec<u8>> {
        let state = read_bounded(&self.state, MAX_STATE)?;
        let (digest, said) = state.split_at_checked(64)?;
        let expected: Sha256Digest = std::str::from_utf8(digest).ok()?.parse().ok()?;
        let mut hash = sha2::Sha256::new();
        io::copy(&mut file.take(u64::try_from(limit).ok()?), &mut hash).ok()?;
        let found = Sha256Digest::from_bytes(hash.finalize().into());
        (found == expected).then(|| said.to_vec())
    }

    /// Writes `bytes` and what the server `said` about them, and opens the file.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn store(&self, bytes: &[u8], said: &[u8]) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        write_whole(&self.path, bytes)?;
        let digest = Sha256Digest::of(bytes).to_string();
        write_whole(&self.state, &[digest.as_bytes(), said].concat())?;
        self.room.make();
        open_plain(&self.path, Links::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(directory: &Path, name: &str) -> Kept {
        let room = Room::new(directory.to_owned(), 0, 1 << 20, |it, _| it.display().to_string());
        Kept::new(directory, &format!("https://a.example/{name}.tar.gz"), room)
    }

    fn said(kept: &Kept) -> Option<Option<Vec<u8>>> {
        kept.open(100).map(|(_, said)| said)
    }

    #[test]
    fn what_the_server_said_is_given_only_with_what_it_said_it_about() {
        let directory = tempfile::tempdir().unwrap();
        let kept = kept(&directory.path().join("bundles"), "x");
        assert_eq!(said(&kept), None);
        let mut file = kept.store(b"one", b"tag").unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((&*text, said(&kept)), ("one", Some(Some(b"tag".to_vec()))));
        fs::write(&kept.path, b"two").unwrap();
        assert_eq!(said(&kept), Some(None), "written by somebody else");
        kept.store(b"two", b"other").unwrap();
        assert_eq!(said(&kept), Some(Some(b"other".to_vec())));
        for bad in ["", "x", &"0".repeat(64)] {
            fs::write(&kept.state, bad).unwrap();
            assert_eq!(said(&kept), Some(None), "{bad}");
        }
        assert_ne!(kept.path, super::tests::kept(&directory.path().join("bundles"), "y").path);
    }

    #[test]
    fn planted_links_pipes_and_giants_are_not_kept_bundles() {
        let directory = tempfile::tempdir().unwrap();
        let kept = kept(directory.path(), "x");
        fs::write(directory.path().join("elsewhere"), "x").unwrap();
        std::os::unix::fs::symlink("elsewhere", &kept.path).unwrap();
        assert_eq!(said(&kept), None);
        fs::remove_file(&kept.path).unwrap();
        nix::unistd::mkfifo(&kept.path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert_eq!(said(&kept), None);
        fs::remove_file(&kept.path).unwrap();
        fs::write(&kept.path, [0; 101]).unwrap();
        assert_eq!(said(&kept), None);
    }
}
