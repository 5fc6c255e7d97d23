//! What decides whether a package may be installed: from bytes and a policy to a decision.
//!
//! Pure: no clock, no files, no network and no `unsafe`. What must be read or asked for, the caller brings.
//!
//! - [`types`]: the words as types
//! - [`compressed`], [`deb822`]: formats that stand in others
//! - [`attest`]: signed bytes to claims
//! - [`apt`], [`deb`]: apt's messages and indexes, Debian's packages
//! - [`policy`]: the judgement
//! - [`route`]: by which proxy a host is asked
//! - [`report`]: one record of a decision, as JSON and as text
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod apt;
pub mod attest;
pub mod compressed;
pub mod deb;
pub mod deb822;
pub mod policy;
pub mod report;
pub mod route;
pub mod types;
