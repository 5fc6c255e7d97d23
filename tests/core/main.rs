//! The library: what it verifies, reads, counts and decides. Nothing here runs the program.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/vectors.rs"]
mod vectors;

mod archive_attacks;
mod attestation_vectors;
mod bundle_memory;
mod certificates;
mod counting;
mod evidence_memory;
mod gathering;
mod judgement;
mod oracle;
mod packages;
mod packages_memory;
mod patience;
mod receipts;
mod second_opinion;
mod signed_by;
mod stanzas;
