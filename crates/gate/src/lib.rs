//! All that runs at every installation, most of it as root: apt's methods, the hooks of apt and
//! dpkg, and the process that fetches evidence.
//!
//! - [`config`]: files to a policy, or every mistake with its place
//! - [`entry`]: the role that the program takes, by the name under which it was started
//! - [`cache`], [`evidence`], [`receipt`]: signed bytes that were kept, that are fetched, and on
//!   which decisions rested
//! - [`log`]: decisions as messages in the system's log
//! - [`fetching`]: the process without privileges that asks endpoints for root
//! - [`gate`]: all of the above wired into one pipeline
//! - [`method`], [`hook`]: the gate before download, before unpacking, and in dpkg's hook
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod cache;
pub mod config;
pub mod entry;
pub mod evidence;
pub mod fetching;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod hook;
pub mod log;
pub mod method;
pub mod receipt;

pub use apt_quorum_core::{apt, attest, compressed, deb, deb822, policy, report, route, types};
pub use apt_quorum_sys as sys;
