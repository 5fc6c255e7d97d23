//! Install a Debian package only when enough independent rebuilders got the same bytes.
//!
//! The modules, from the pure core to the edges; imports point upward in this list only:
//!
//! - [`types`]: the words as types
//! - [`attest`]: signed bytes to claims
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod apt;
pub mod attest;
pub mod cache;
pub mod cli;
pub mod config;
pub mod deb;
pub mod evidence;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod hook;
pub mod method;
pub mod policy;
pub mod receipt;
pub mod report;
pub mod sys;
pub mod types;
