//! Install a Debian package only when enough independent rebuilders got the same bytes.
//!
//! The modules, from the pure core to the edges; each imports only from those above it:
//!
//! - [`types`]: the words as types (pure)
//! - [`sys`]: the edge to the operating system, and the only `unsafe`
//! - [`compressed`], [`deb822`]: formats that stand in others (pure)
//! - [`attest`]: signed bytes to claims (pure)
//! - [`apt`], [`deb`]: apt's messages and indexes, Debian's packages (pure)
//! - [`policy`]: the judgement (pure)
//! - [`report`]: one record of a decision, as JSON and as text (pure)
//! - [`config`]: files to a policy, or every mistake with its place
//! - [`import`]: other programs' configurations, taken over
//! - [`cache`], [`evidence`], [`receipt`]: signed bytes that were kept, fetched, and rested on
//! - [`log`]: decisions, told to the system's log
//! - [`gate`]: all of the above wired into one pipeline
//! - [`audit`]: what is installed, assessed by it
//! - [`image`]: what somebody says about a whole image, and whether it is so
//! - [`method`], [`hook`], [`cli`]: the entrances
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod apt;
pub mod attest;
pub mod audit;
pub mod cache;
pub mod cli;
pub mod compressed;
pub mod config;
pub mod deb;
pub mod deb822;
pub mod evidence;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
pub mod hook;
pub mod image;
pub mod import;
pub mod log;
pub mod method;
pub mod policy;
pub mod receipt;
pub mod report;
pub mod sys;
pub mod types;
