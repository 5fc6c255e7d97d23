//! Doors for the fuzz targets in `fuzz/` to parsers that are private. Not there without
//! `--cfg fuzzing`.
#![allow(missing_docs)]

use crate::attest::repository;
use crate::evidence::http::DoorError;
use crate::evidence::{PublishedKeys, Question};
use crate::policy::Outcome;
use crate::types::Timestamp;

pub use crate::fetching::fuzzing::*;

/// A Release file as if somebody had signed its text.
pub fn release_as_if_signed(
    text: &[u8],
    terms: &repository::Terms,
    now: Timestamp,
) -> Result<repository::Release, repository::RepositoryRejection> {
    repository::as_if_signed(text, terms, now)
}

/// Asks a simulated rebuilderd instance at `base`, which gives these answers, and returns the
/// attestations and the outcome.
pub fn rebuilderd(
    base: &reqwest::Url,
    question: &Question,
    answer: impl Fn(&reqwest::Url, usize) -> Result<Option<Vec<u8>>, DoorError>,
) -> (Vec<Vec<u8>>, Outcome) {
    crate::evidence::gather_from(base, question, answer)
}

/// Parses the list of keys that a rebuilderd publishes.
pub fn public_keys(body: &[u8]) -> Result<PublishedKeys, String> {
    crate::evidence::read_list(body)
}

pub use reqwest::Url;
