//! This program, for starting it again.
#![allow(unsafe_code, reason = "the kernel hands a pointer over as a number")]

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::libc;

/// The path of the program that the kernel runs right now, whatever lies under its name by now.
const RUNNING: &str = "/proc/self/exe";

/// A path by which this program can be started again. Without /proc, the one that it was started
/// by itself: whoever could put another program there could have had that one started as well.
///
/// # Errors
/// If nothing lies there any more.
pub fn program() -> std::io::Result<PathBuf> {
    if Path::new(RUNNING).exists() {
        return Ok(RUNNING.into());
    }
    started_by().ok_or(std::io::ErrorKind::NotFound)?.canonicalize()
}

/// The path in the call that started this program (`AT_EXECFN`, getauxval(3)).
#[allow(clippy::as_conversions, reason = "the number is an address")]
fn started_by() -> Option<PathBuf> {
    // SAFETY: reads a number from what the kernel put beside the environment.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if address == 0 {
        return None;
    }
    // SAFETY: not null, so the kernel put a string there that ends in a zero byte and stays as
    // long as the process.
    let path = unsafe { CStr::from_ptr(address as *const libc::c_char) };
    Some(OsStr::from_bytes(path.to_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_lead_to_the_same_file() {
        let by_name = started_by().unwrap().canonicalize().unwrap();
        assert_eq!(program().unwrap().canonicalize().unwrap(), by_name);
    }
}
