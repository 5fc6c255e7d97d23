//! The edge to the operating system: opening files that must be trusted, giving up privileges,
//! files that stay as they are, descriptors that were handed down, terminals.
//!
//! The only place where `unsafe` may stand.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod files;
pub mod inherited;
pub mod inside;
pub mod memory;
mod mount;
pub mod name_service;
pub mod privileges;
mod program;
pub mod room;
pub mod sandbox;
pub mod secure;
pub mod steady;
pub mod terminal;
pub mod xattr;

pub use apt_quorum_core::types::plain;
pub use program::program;

/// Returns true when this process runs in a chroot: the first process has another root. Returns
/// false where the root of the first process cannot be seen.
#[must_use]
pub fn is_in_a_chroot() -> bool {
    use std::os::unix::fs::MetadataExt;

    let root = |path| std::fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    root("/proc/1/root/").is_some_and(|first| Some(first) != root("/"))
}
