//! Descriptors that the parent process left open for us, and those that we leave open for nobody.
#![allow(unsafe_code, reason = "a number becomes a descriptor here and nowhere else")]

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag};
use nix::libc;

/// The highest number that a descriptor can have (`fs.nr_open`, proc_sys_fs(5)), unless root set
/// another.
const MAX_DESCRIPTOR: i32 = 1 << 20;

/// Is true when a descriptor was taken already: there must be only one owner.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over the descriptor `number`, which the parent process opened for us. `None` if it is
/// not open, is one of the first three, or one was taken before.
///
/// To be called first thing: the number must not be one that this process opened itself.
#[must_use]
pub fn take(number: i32) -> Option<File> {
    if number < 3 || TAKEN.swap(true, Ordering::SeqCst) {
        return None;
    }
    // SAFETY: the borrow ends before this function does, and fcntl on a number that is not open
    // fails without touching anything.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // It is for this process, and for none that it starts.
    nix::fcntl::fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: the descriptor is open, and by the flag above nobody else owns it.
    Some(File::from(unsafe { OwnedFd::from_raw_fd(number) }))
}

/// Has `command` start with its standard input, output and error, and with nothing else that is
/// open here. apt and dpkg leave sockets, pipes and locks open for what they start, and so may
/// whoever started them: those are root's.
pub fn hand_nothing_down(command: &mut Command) {
    // SAFETY: what runs between fork and exec makes system calls and nothing else.
    unsafe { command.pre_exec(close_all_on_exec) };
}

/// Has the system close everything but the first three at the next exec. Not at once: the library
/// keeps one open until then, to tell whether that succeeds.
fn close_all_on_exec() -> io::Result<()> {
    let (first, last) = (3_u32, u32::MAX);
    // SAFETY: the call takes numbers.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11, or in a container whose filter does not know it.
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes to `limit`, which lives until the call is over.
    Errno::result(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    for number in 3..=i32::try_from(limit.rlim_cur).unwrap_or(i32::MAX).min(MAX_DESCRIPTOR) {
        // SAFETY: the call takes numbers, and fails for one that is not open.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}
