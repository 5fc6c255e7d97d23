//! The sources and documents themselves: layers, style, manual, guides, the ways round, and every
//! message in the gallery.
#![allow(
    clippy::as_conversions,
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

mod gallery;
mod guides;
mod houses;
mod layers;
mod links;
mod manual;
mod security;
mod sources;
mod style;
