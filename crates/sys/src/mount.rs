//! On which mount something lies, and whether it shows the owners that it has.
#![allow(unsafe_code, reason = "the numbers of mounts have no safe wrapper in nix")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Mutex;

use nix::errno::Errno;
use nix::libc;

/// The mounts of this process (proc_pid_mountinfo(5)).
const MOUNTS: &str = "/proc/self/mountinfo";

/// Longest such list that is read, in bytes: some hundred thousand mounts.
const MAX_MOUNTS: u64 = 64 * 1024 * 1024;

/// A mount, as long as something on it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount(u64);

/// The results for mounts that were read already: with a file for each of 500 packages, they are
/// needed often.
static MAPPED: Mutex<BTreeMap<Mount, bool>> = Mutex::new(BTreeMap::new());

impl Mount {
    /// The mount on which something that is open lies, also if it is open only as a place
    /// (`O_PATH`). Nothing before Linux 5.8.
    pub(super) fn of(open: impl AsFd) -> Option<Self> {
        let mut seen = MaybeUninit::<libc::statx>::zeroed();
        let (file, flags) = (open.as_fd().as_raw_fd(), libc::AT_EMPTY_PATH);
        // SAFETY: the path is empty and ends in a zero byte, and `seen` is written to for as long
        // as the call takes.
        let done = unsafe {
            libc::statx(file, c"".as_ptr(), flags, libc::STATX_MNT_ID, seen.as_mut_ptr())
        };
        Errno::result(done).ok()?;
        // SAFETY: it was zeros, which is a value of it, and the call succeeded.
        let seen = unsafe { seen.assume_init() };
        (seen.stx_mask & libc::STATX_MNT_ID != 0).then_some(Self(seen.stx_mnt_id))
    }

    /// Returns true when files on it are shown with other owners than they have on the disk
    /// (mount_setattr(2), `MOUNT_ATTR_IDMAP`). Then a file that looks like root's may belong to
    /// another user, who has another way to it.
    ///
    /// # Errors
    /// If the system does not tell.
    pub(super) fn maps_owners(self) -> io::Result<bool> {
        let mut known = MAPPED.lock().unwrap_or_else(|lock| lock.into_inner());
        if let Some(mapped) = known.get(&self) {
            return Ok(*mapped);
        }
        let mapped = self.is_listed_as_mapped(File::open(MOUNTS)?.take(MAX_MOUNTS))?;
        known.insert(self, mapped);
        Ok(mapped)
    }

    /// Each line has the mount's number and, behind four other fields, its options with commas
    /// between them.
    fn is_listed_as_mapped(self, mounts: impl Read) -> io::Result<bool> {
        let number = self.0.to_string();
        for line in BufReader::new(mounts).split(b'\n') {
            let line = line?;
            let mut fields = line.split(|&byte| byte == b' ');
            if fields.next() == Some(number.as_bytes()) {
                let options = fields.nth(4).ok_or(io::ErrorKind::InvalidData)?;
                return Ok(options.split(|&byte| byte == b',').any(|it| it == b"idmapped"));
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_one_mount_has_one_number_and_shows_its_owners() {
        let (proc, status) = (File::open("/proc").unwrap(), File::open("/proc/version").unwrap());
        let mount = Mount::of(&proc).unwrap();
        assert_eq!(mount, Mount::of(&status).unwrap());
        assert_ne!(mount, Mount::of(File::open("/").unwrap()).unwrap());
        assert!(!mount.maps_owners().unwrap());
        assert!(Mount(u64::MAX).maps_owners().is_err());
    }

    #[test]
    fn mapped_owners_are_found_in_the_list_of_mounts() {
        let mounts = "36 35 98:0 /a /idmapped rw,noatime shared:1 - ext4 /dev/x rw,idmapped\n\
                      37 35 98:0 /a /mnt2 rw,noatime,idmapped master:1 - ext4 /dev/x rw\n38 35\n";
        let listed = |number| Mount(number).is_listed_as_mapped(mounts.as_bytes());
        assert!(!listed(36).unwrap());
        assert!(listed(37).unwrap());
        for unknown in [3, 38, 39, 98] {
            assert!(listed(unknown).is_err(), "{unknown}");
        }
    }
}
