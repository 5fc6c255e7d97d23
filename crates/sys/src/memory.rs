//! How much memory the C library keeps for itself.
#![allow(unsafe_code, reason = "a function of the C library that has no safe form")]

/// Smallest piece, in bytes, that is given back to the system as soon as it is free, and the most
/// that may lie free at the end of the heap.
#[cfg(target_env = "gnu")]
const PIECE: nix::libc::c_int = 64 * 1024;

/// Has the C library give back what is free. By itself it has a heap for each thread, and takes
/// larger and larger pieces from these, where one that is still used keeps all that is free before
/// it (mallopt(3)).
///
/// To be called before any thread is started.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (nix::libc::M_ARENA_MAX, 1),
        (nix::libc::M_MMAP_THRESHOLD, PIECE),
        (nix::libc::M_TRIM_THRESHOLD, PIECE),
    ] {
        // SAFETY: two numbers are handed over. What is not understood changes nothing.
        unsafe { nix::libc::mallopt(parameter, value) };
    }
}
