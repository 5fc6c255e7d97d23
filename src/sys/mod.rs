//! The edge to the operating system: opening files that must be trusted, giving up privileges,
//! files that stay as they are, descriptors that were handed down, terminals.
//!
//! The only place where `unsafe` may stand.

pub mod files;
pub mod inherited;
pub mod inside;
pub mod name_service;
pub mod privileges;
mod program;
pub mod sandbox;
pub mod secure;
pub mod steady;
pub mod terminal;
pub mod tree;
pub mod xattr;

pub use program::program;

/// What the system says about an error, without the number that only programmers know.
#[must_use]
pub fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
