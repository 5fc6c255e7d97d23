//! Files whose content stays what it was when it was read.
#![allow(unsafe_code, reason = "leases have no safe wrapper in nix")]

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::statfs::fstatfs;

/// The knowledge of a file system about those who can change a file in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// The owner, the processes that have it open for writing, and those that have it mapped into
    /// memory.
    All,
    /// All but the mappings: overlayfs hands a mapping on to the file below and forgets it.
    NoMappings,
}

/// File systems on local disks and in memory (magic numbers of statfs(2)): ext2 to ext4, XFS,
/// Btrfs, F2FS, ZFS, bcachefs, JFS, ReiserFS, NILFS2, UBIFS, tmpfs, ramfs, FAT, exFAT, and those
/// that are only read: ISO 9660, UDF, SquashFS, EROFS. And autofs, whose directories are root's.
///
/// All changes to a file go through this kernel, and whoever maps a file keeps that very file open,
/// so that a lease tells of mappings too. Of no other file system is that taken for granted. FUSE
/// (sshfs, bindfs, virtiofs, ...) and CIFS grant leases and show what owners they like, while
/// somebody else writes to what is behind them; NFS, 9p and AFS have other machines that write.
const TELL_ALL: [u32; 19] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x3153_464a,
    0x5265_4973,
    0x3434,
    0x2405_1905,
    0x0102_1994,
    0x8584_58f6,
    0x4d44,
    0x2011_bab0,
    0x9660,
    0x1501_3346,
    0x7371_7368,
    0xe0f5_e1e2,
    0x0187,
];

/// overlayfs, on which containers stand.
const OVERLAY: u32 = 0x794c_7630;

/// The knowledge of the file system on which an open file lies, also if it is open only as a place
/// (`O_PATH`). `None` if the file system is not known to tell.
#[must_use]
pub fn tells(open: impl AsFd) -> Option<Tells> {
    let kind = fstatfs(open).ok()?.filesystem_type().0;
    // The lowest four bytes, for architectures differ in sign and width.
    let is = |it: &u32| kind.to_le_bytes().starts_with(&it.to_le_bytes());
    if TELL_ALL.iter().any(is) {
        return Some(Tells::All);
    }
    is(&OVERLAY).then_some(Tells::NoMappings)
}

/// The properties that change whenever a file's content does: its place on the disk, its size, and
/// the times at which it was last written and last changed in any way. Only root can set the last
/// of these.
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

/// The reason that a file could be written while it is judged and unpacked, whoever owns it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsteady {
    /// A process holds it open for writing. It may have opened it when the file was still its
    /// own: changing the owner takes nothing away from those who are in already.
    #[error("a process has it open for writing")]
    Written,
    /// The file system keeps no leases, so it cannot tell.
    #[error("its file system cannot tell whether a process has it open for writing ({})", .0.desc())]
    NotTold(Errno),
}

/// Checks that no process has `file` open for writing, by asking for a read lease, which the
/// system grants only then (fcntl(2), `F_SETLEASE`).
///
/// For a file that only root can open for writing from now on, its content then stays what it is,
/// if its file system [`tells`] of all who could.
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

/// Puts a copy into the place of `file`, which is open from its start and lies at `path`. Nobody
/// has ever had the copy open: whoever still holds the file that was there holds nothing.
///
/// It keeps mode, group and time of writing. Only for files in places where nobody but us can
/// change anything, and of which the system knows who can: what is written through FUSE or to
/// another machine is not a copy that nobody has.
///
/// # Errors
/// If it cannot be written, or `path` does not lead to `file`. Then `file` is where it was.
pub fn replace_by_copy(mut file: &File, path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let seen = file.metadata()?;
    let there = fs::symlink_metadata(&path)?;
    if (there.dev(), there.ino()) != (seen.dev(), seen.ino()) {
        return Err(io::Error::other("another file came into its place"));
    }
    let temporary =
        path.with_file_name(format!(".apt-quorum-{}-{}", seen.ino(), std::process::id()));
    // A leftover of a crash under the same process id is replaced; a link is not followed.
    let _ = fs::remove_file(&temporary);
    let copied = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut copy| {
            io::copy(&mut file, &mut copy)?;
            fchown(&copy, None, Some(seen.gid()))?;
            copy.set_permissions(seen.permissions())?;
            copy.set_times(FileTimes::new().set_modified(seen.modified()?))
        })
        .and_then(|()| fs::rename(&temporary, &path));
    if copied.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    copied
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

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

    /// A file of four bytes that is mapped for writing and closed.
    struct Mapped(*mut libc::c_void);

    impl Mapped {
        fn of(path: &Path) -> Self {
            let file = File::options().read(true).write(true).open(path).unwrap();
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let (anywhere, descriptor) = (std::ptr::null_mut(), file.as_raw_fd());
            // SAFETY: a new mapping.
            let start =
                unsafe { libc::mmap(anywhere, 4, protection, libc::MAP_SHARED, descriptor, 0) };
            assert_ne!(start, libc::MAP_FAILED);
            Self(start)
        }

        fn write(&self, byte: u8) {
            // SAFETY: the mapping has four bytes, which nothing refers to.
            unsafe { self.0.cast::<u8>().write_volatile(byte) };
        }
    }

    impl Drop for Mapped {
        fn drop(&mut self) {
            // SAFETY: the mapping that was made above, which nothing refers to.
            unsafe { libc::munmap(self.0, 4) };
        }
    }

    #[test]
    fn a_file_that_is_mapped_for_writing_is_not_steady_where_that_shows() {
        for place in [std::env::temp_dir(), "/dev/shm".into()] {
            let directory = tempfile::tempdir_in(place).unwrap();
            let path = directory.path().join("file");
            fs::write(&path, "text").unwrap();
            let mapped = Mapped::of(&path);
            let reader = File::open(&path).unwrap();
            let seen = nobody_writes(&reader) == Err(Unsteady::Written);
            // The other way round it would only cost a copy.
            assert!(seen || tells(&reader) != Some(Tells::All), "{}", directory.path().display());
            drop(mapped);
            assert_eq!(nobody_writes(&reader), Ok(()));
        }
        assert_eq!(tells(File::open("/dev/shm").unwrap()), Some(Tells::All));
        assert_eq!(tells(File::open("/proc").unwrap()), None);
    }

    #[test]
    fn whoever_holds_a_file_holds_nothing_of_its_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        let mapped = Mapped::of(&path);
        let before = fs::metadata(&path).unwrap();

        replace_by_copy(&File::open(&link).unwrap(), &link).unwrap();
        mapped.write(b'n');
        assert_eq!(fs::read(&path).unwrap(), b"text");
        let after = fs::metadata(&path).unwrap();
        assert_ne!(after.ino(), before.ino());
        let kept = |it: &fs::Metadata| (it.mode(), it.gid(), it.modified().unwrap());
        assert_eq!(kept(&after), kept(&before));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "something is left over");
    }

    #[test]
    fn only_a_file_that_lies_there_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "text").unwrap();
        let file = File::open(&path).unwrap();
        fs::rename(&path, directory.path().join("moved")).unwrap();
        assert!(replace_by_copy(&file, &path).is_err());
        fs::write(&path, "other").unwrap();
        let why = replace_by_copy(&file, &path).unwrap_err();
        assert_eq!(why.to_string(), "another file came into its place");
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2, "something is left over");
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
