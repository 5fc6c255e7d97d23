//! The edge to the operating system: opening files that must be trusted, giving up privileges,
//! files that stay as they are, descriptors that were handed down, terminals.
//!
//! The only place where `unsafe` may stand.

pub mod files;
pub mod inherited;
pub mod inside;
pub mod interrupt;
pub mod memory;
mod mount;
pub mod name_service;
pub mod privileges;
mod program;
pub(crate) mod room;
pub mod sandbox;
pub mod secure;
pub mod steady;
pub mod terminal;
pub mod tree;
pub mod xattr;

pub use program::program;

/// Whether this process runs in a chroot: the first process has another root. Where that cannot be
/// seen, it does not.
#[must_use]
pub fn is_in_a_chroot() -> bool {
    use std::os::unix::fs::MetadataExt;

    let root = |path| std::fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    root("/proc/1/root/").is_some_and(|first| Some(first) != root("/"))
}

/// What the system says about an error, without the number that only programmers know.
#[must_use]
pub fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
