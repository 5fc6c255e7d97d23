//! Reading and writing small files in directories that others can write as well.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};

/// The treatment of a symbolic link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed, for a path that its owner named
    Followed,
    /// It is an error, for a name in a directory that others can write
    Refused,
}

/// Opens a plain file for reading, and does not wait for a pipe.
///
/// # Errors
/// `InvalidInput` if it is no plain file; others if it cannot be opened.
pub fn open_plain(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlag::O_NONBLOCK;
    flags.set(OFlag::O_NOFOLLOW, links == Links::Refused);
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// Reads all of `from`, which has at most `limit` bytes.
///
/// # Errors
/// `FileTooLarge` if there are more; others if it cannot be read.
pub fn read_at_most(from: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    from.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() <= limit { Ok(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

/// Reads a plain file of at most `limit` bytes, and follows no link. Returns nothing if it is
/// anything else.
pub fn read_bounded(path: &Path, limit: usize) -> Option<Vec<u8>> {
    read_at_most(open_plain(path, Links::Refused).ok()?, limit).ok()
}

/// Writes a file that is there either completely or not at all once the system is up. It may be
/// empty after a power failure: whoever reads it verifies it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let create = || File::options().write(true).create_new(true).open(&temporary);
    // A leftover of a crash under the same process id is replaced; a link is not followed.
    let file = create().or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => fs::remove_file(&temporary).and_then(|()| create()),
        _ => Err(error),
    });
    let written =
        file.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A file that is written and not yet in its place, so that all of several can be before the
/// first of them is.
#[derive(Debug)]
pub struct PreparedFile {
    temporary: PathBuf,
    target: PathBuf,
}

impl PreparedFile {
    /// Writes the new content of `target` beside it, readable for everybody. Its temporary name
    /// begins with a dot, so readers of the directory skip it. Once in its place, it survives a
    /// power failure.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        // Whatever the umask is: the programs that must read it do not all run as root.
        Self::write_with(".", target, bytes, |file| {
            file.set_permissions(PermissionsExt::from_mode(0o644))
        })
    }

    /// Writes as [`Self::write`] does, and keeps the owner and the mode of an existing file, whose
    /// content may be for few to read.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_like(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        let there = match fs::metadata(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::write(target, bytes);
            }
            there => there?,
        };
        Self::write_with(".", target, bytes, |file| {
            std::os::unix::fs::fchown(file, Some(there.uid()), Some(there.gid()))?;
            file.set_permissions(PermissionsExt::from_mode(there.mode() & 0o7777))
        })
    }

    /// Writes as [`Self::write`] does, under a temporary name without a dot at its beginning: the
    /// AppArmor profile allows no writing to hidden files in a home directory.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_plainly(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        Self::write_with("", target, bytes, |file| {
            file.set_permissions(PermissionsExt::from_mode(0o644))
        })
    }

    fn write_with(
        prefix: &str,
        target: &Path,
        bytes: &[u8],
        open_up: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut name = std::ffi::OsString::from(prefix);
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}", std::process::id()));
        let prepared = Self { temporary: target.with_file_name(name), target: target.to_owned() };
        let _ = fs::remove_file(&prepared.temporary);
        let mut file =
            File::options().write(true).create_new(true).mode(0o600).open(&prepared.temporary)?;
        open_up(&file)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(prepared)
    }

    /// Puts it in its place, where no file may be.
    ///
    /// # Errors
    /// If there is one, or the system refuses.
    pub fn place_new(self) -> io::Result<()> {
        fs::hard_link(&self.temporary, &self.target)
    }

    /// Puts it in its place, whatever is there.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn place_over(self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)
    }
}

impl Drop for PreparedFile {
    /// Takes the name away under which it was written; after a rename there is none.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A lock that only they can hold who can write where it lies: the file is closed to all others, and is
/// gone when this is.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Let go of when the file is gone
    _held: Flock<File>,
}

impl Lock {
    /// Takes the lock at `path`, and does not wait for it.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else has it; others if it cannot be made, or if the file that is there
    /// is open to others.
    pub fn take(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits())
            .open(path)?;
        let seen = file.metadata()?;
        if !seen.is_file() || seen.mode() & 0o077 != 0 {
            return Err(io::Error::other("others can open it: remove it"));
        }
        let held =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
        let there = fs::symlink_metadata(path);
        // Whoever had it a moment ago took it away, and somebody else may have made another.
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (seen.dev(), seen.ino())) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Self { path: path.to_owned(), _held: held })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the names in a directory as lasting as the files that they lead to.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
