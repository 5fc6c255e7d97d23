//! Opening files of another system, such as an image, as if its directory were the root: no link
//! and no `..` in there leads out of it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// A directory that is the root of a system.
#[derive(Debug)]
pub struct Inside {
    root: OwnedFd,
}

/// A directory within, which stays open as long as this lives.
#[derive(Debug)]
pub struct OpenDirectory {
    open: OwnedFd,
}

impl Inside {
    /// Opens the root of a system.
    ///
    /// # Errors
    /// If it is no directory that can be opened.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { root: open(root, flags, Mode::empty())? })
    }

    /// Opens a plain file for reading.
    ///
    /// # Errors
    /// If it is not there, no plain file, or cannot be opened.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        let file = File::from(self.resolve(path, OFlag::O_NONBLOCK)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// If it is not there, no directory, or cannot be opened.
    pub fn directory(&self, path: &Path) -> io::Result<OpenDirectory> {
        Ok(OpenDirectory { open: self.resolve(path, OFlag::O_DIRECTORY)? })
    }

    /// `openat2(2)`, Linux 5.6. An older kernel has no such call, and nothing is opened.
    fn resolve(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(&self.root, path, how)?)
    }
}

impl OpenDirectory {
    /// A path to this very directory, for as long as it is open here, also for processes that this
    /// one starts. Names below it are resolved as usual, so they must be plain and not links.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.open.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out_of_the_root() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("var/lib")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(place.path().join("outside"), "outside").unwrap();
        fs::write(root.join("etc/file"), "inside").unwrap();
        fs::write(root.join("outside"), "inside too").unwrap();
        symlink("/etc/file", root.join("absolute")).unwrap();
        symlink("../../../../outside", root.join("var/lib/up")).unwrap();
        symlink("/etc", root.join("var/lib/directory")).unwrap();
        symlink(place.path().join("outside"), root.join("out")).unwrap();
        let inside = Inside::open(&root).unwrap();
        let read = |path: &str| {
            let mut text = String::new();
            inside.file(Path::new(path)).unwrap().read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(read("/etc/file"), "inside");
        assert_eq!(read("absolute"), "inside");
        assert_eq!(read("/var/lib/up"), "inside too");
        assert_eq!(read("var/lib/directory/file"), "inside");
        for path in ["out", "etc", "none", "/proc/self/exe"] {
            assert!(inside.file(Path::new(path)).is_err(), "{path}");
        }
        let directory = inside.directory(Path::new("/var/lib/directory")).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("file")).unwrap(), "inside");
        assert!(inside.directory(Path::new("/etc/file")).is_err());
    }
}
