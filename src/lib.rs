//! Install a Debian package only when enough independent rebuilders got the same bytes.
//!
//! Three crates below this one do the work: `apt-quorum-core` decides, `apt-quorum-sys` is the edge to the
//! operating system, and `apt-quorum-gate` is what runs at every installation. Here are the
//! commands:
//!
//! - [`config`], [`evidence`], [`receipt`]: the gate's modules of that name, and the part of each
//!   that only commands need
//! - [`import`]: other programs' configurations, imported
//! - [`audit`]: the assessment of installed packages by the gate
//! - [`hold`]: what is held back until it is confirmed
//! - [`image`]: statements about a whole image, and their verification
//! - [`cli`]: the commands
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod audit;
pub mod cli;
pub mod config;
pub mod evidence;
pub mod hold;
pub mod image;
pub mod import;
pub mod receipt;

pub use apt_quorum_core::{apt, attest, compressed, deb, deb822, policy, report, route, types};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use apt_quorum_gate::fuzzing;
pub use apt_quorum_gate::{cache, fetching, gate, hook, log, method};
pub use apt_quorum_sys as sys;
