//! The program that people and apt run, as a process: what it says, how it ends, what it leaves
//! behind. apt and dpkg themselves run in `tests/system`.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
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

mod archives;
mod audit;
mod audit_changes;
mod audit_hostile;
mod audit_page;
mod bad_configuration;
mod check;
mod closed_gate;
mod completions;
mod endpoint_faults;
mod evidence_bundles;
mod evidence_commands;
mod evidence_fetch;
mod evidence_on_the_web;
mod evidence_proxy;
mod exceptions;
mod explain;
mod good_configuration;
mod hostile_output;
mod https;
mod image_statement;
mod imports;
mod keys;
mod log;
mod method_over_pipes;
mod mode;
mod network;
mod rebuilder_trust;
mod setup;
mod status;
mod terminal;
mod unprivileged_fetching;
mod vectors_everywhere;
mod verify;
