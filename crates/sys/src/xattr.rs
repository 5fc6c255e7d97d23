//! Extended attributes of open files (xattr(7)).
#![allow(unsafe_code, reason = "extended attributes have no safe wrapper in nix")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// Largest value that Linux keeps, in bytes (`XATTR_SIZE_MAX`).
const MAX_VALUE: usize = 64 * 1024;

/// The attribute `name` of a file that is open, or nothing if it has none of that name.
///
/// # Errors
/// If the system does not tell.
pub fn of_open(file: &impl AsRawFd, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let file = file.as_raw_fd();
    value(|buffer| {
        // SAFETY: the name ends in a zero byte, and the length is that of the buffer, which lives
        // until the call is over.
        unsafe { libc::fgetxattr(file, name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) }
    })
}

/// The same of a file that is open only as a place (`O_PATH`), such as a device.
///
/// # Errors
/// If the system does not tell, or /proc is not there.
pub fn of_place(file: &impl AsRawFd, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    value(|buffer| {
        // SAFETY: as above, and the path ends in a zero byte.
        unsafe {
            libc::getxattr(path.as_ptr(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
        }
    })
}

/// Most have none and the others are small, so the largest buffer is made only where it must be.
fn value(mut get: impl FnMut(&mut [u8]) -> libc::ssize_t) -> io::Result<Option<Vec<u8>>> {
    let mut small = [0; 256];
    match Errno::result(get(&mut small)) {
        Err(Errno::ERANGE) => {}
        got => return taken(got, &small),
    }
    let mut large = vec![0; MAX_VALUE];
    let got = Errno::result(get(&mut large));
    taken(got, &large)
}

fn taken(got: nix::Result<libc::ssize_t>, buffer: &[u8]) -> io::Result<Option<Vec<u8>>> {
    match got {
        Ok(length) => {
            let length = usize::try_from(length).unwrap_or_default();
            Ok(Some(buffer.get(..length).unwrap_or_default().to_vec()))
        }
        // It has none, or its file system has none at all.
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
