//! Descriptors that the parent process left open for us.
#![allow(unsafe_code, reason = "a number becomes a descriptor here and nowhere else")]

use std::fs::File;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a descriptor was taken already: there must be only one owner.
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
    nix::fcntl::fcntl(borrowed, nix::fcntl::FcntlArg::F_GETFD).ok()?;
    // SAFETY: the descriptor is open, and by the flag above nobody else owns it.
    Some(File::from(unsafe { OwnedFd::from_raw_fd(number) }))
}
