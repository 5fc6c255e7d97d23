//! Files whose content stays what it was when it was read.
#![allow(unsafe_code, reason = "leases have no safe wrapper in nix")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc;

/// What changes whenever a file's content does: its place on the disk, its size, and when it
/// was last written and last changed in any way. Nobody but root can set the last of these.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of an open file, now.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn of(file: &File) -> io::Result<Self> {
        let seen = file.metadata()?;
        Ok(Self {
            device: seen.dev(),
            inode: seen.ino(),
            size: seen.size(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        })
    }
}

/// Why a file could be written while it is judged and unpacked, whoever owns it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsteady {
    /// A process holds it open for writing. It may have opened it when the file was still its
    /// own: changing the owner takes nothing away from those who are in already.
    #[error("a process has it open for writing")]
    Written,
    /// The file system keeps no leases, so nobody knows.
    #[error("its file system cannot tell whether a process has it open for writing ({0})")]
    NotTold(Errno),
}

/// Checks that no process has `file` open for writing, by asking for a read lease, which the
/// system grants only then (fcntl(2), `F_SETLEASE`).
///
/// For a file that only root can open for writing from now on, its content then stays what it is.
///
/// # Errors
/// If a process has, or the file system cannot tell.
pub fn nobody_writes(file: &File) -> Result<(), Unsteady> {
    // SAFETY: a call on a descriptor that is open for as long as `file` is borrowed; the argument
    // is a number.
    let taken = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    if taken == -1 {
        return Err(match Errno::last() {
            Errno::EAGAIN => Unsteady::Written,
            error => Unsteady::NotTold(error),
        });
    }
    // SAFETY: as above. Should it fail, the lease ends with the descriptor.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_open_for_writing_is_not_steady() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        assert_eq!(nobody_writes(&reader), Err(Unsteady::Written));
        writer.write_all(b"text").unwrap();
        drop(writer);
        let second = File::open(&path).unwrap();
        assert_eq!(nobody_writes(&reader), Ok(()));
        assert_eq!(nobody_writes(&second), Ok(()));
        // The lease is not kept: whoever writes later is not held up, and ends nobody's process.
        let writer = File::options().append(true).open(&path).unwrap();
        assert_eq!(nobody_writes(&reader), Err(Unsteady::Written));
        drop(writer);
    }

    #[test]
    fn a_file_that_is_mapped_for_writing_is_not_steady_either() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let writer = File::options().read(true).write(true).open(&path).unwrap();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (anywhere, descriptor) = (std::ptr::null_mut(), writer.as_raw_fd());
        // SAFETY: a new mapping, of which nothing is read or written.
        let mapped =
            unsafe { libc::mmap(anywhere, 4, protection, libc::MAP_SHARED, descriptor, 0) };
        assert_ne!(mapped, libc::MAP_FAILED);
        drop(writer);
        let reader = File::open(&path).unwrap();
        assert_eq!(nobody_writes(&reader), Err(Unsteady::Written));
        // SAFETY: the mapping that was made above, which nothing refers to.
        unsafe { libc::munmap(mapped, 4) };
        assert_eq!(nobody_writes(&reader), Ok(()));
    }

    #[test]
    fn a_stamp_changes_with_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let first = Stamp::of(&File::open(&path).unwrap()).unwrap();
        assert_eq!(Stamp::of(&File::open(&path).unwrap()).unwrap(), first);
        let json = serde_json::to_string(&first).unwrap();
        assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), first);
        // The same size and the same time of writing: what changed it shows all the same.
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, "TEXT").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        let second = Stamp::of(&File::open(&path).unwrap()).unwrap();
        assert_eq!(second.modified, first.modified);
        assert_ne!(second, first);
    }
}
