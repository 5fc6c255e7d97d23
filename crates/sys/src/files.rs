//! Reading and writing small files in directories that others can write as well.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Reads a plain file of at most `limit` bytes without following a link or waiting for a pipe.
/// Nothing if it is anything else.
pub fn read_bounded(path: &Path, limit: usize) -> Option<Vec<u8>> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(u64::try_from(limit).ok()? + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= limit).then_some(bytes)
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
pub struct Prepared {
    temporary: PathBuf,
    target: PathBuf,
}

impl Prepared {
    /// Writes what is to stand at `target` beside it, for all to read, under a name that whoever
    /// reads the directory passes over. It survives a power failure from the moment at which it is
    /// in its place.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        Self::write_named(".", target, bytes)
    }

    /// The same, with the owner and the mode of the file that is there, if one is: what is in it may
    /// be for some to read only.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_like(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        let there = match fs::metadata(target) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::write(target, bytes);
            }
            Err(error) => return Err(error),
        };
        let (prepared, mut file) = Self::begin(".", target, 0o600)?;
        std::os::unix::fs::fchown(&file, Some(there.uid()), Some(there.gid()))?;
        file.set_permissions(PermissionsExt::from_mode(there.mode() & 0o7777))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(prepared)
    }

    /// The same as [`Self::write`], under a name that does not begin with a dot: the AppArmor profile lets nothing
    /// write to hidden files in somebody's home.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn write_plainly(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        Self::write_named("", target, bytes)
    }

    fn write_named(prefix: &str, target: &Path, bytes: &[u8]) -> io::Result<Self> {
        let (prepared, mut file) = Self::begin(prefix, target, 0o644)?;
        // Whatever the umask is: the programs that must read it do not all run as root.
        file.set_permissions(PermissionsExt::from_mode(0o644))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(prepared)
    }

    fn begin(prefix: &str, target: &Path, mode: u32) -> io::Result<(Self, File)> {
        let mut name = std::ffi::OsString::from(prefix);
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}", std::process::id()));
        let prepared = Self { temporary: target.with_file_name(name), target: target.to_owned() };
        let _ = fs::remove_file(&prepared.temporary);
        let file =
            File::options().write(true).create_new(true).mode(mode).open(&prepared.temporary)?;
        Ok((prepared, file))
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

impl Drop for Prepared {
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
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags.bits())
            .open(path)?;
        let seen = file.metadata()?;
        if !seen.is_file() || seen.mode() & 0o077 != 0 {
            return Err(io::Error::other("others can open it: take it away"));
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
