//! The common part of all endpoints on the network: documents come through the one door, one after
//! the other, and the attestations collected from them are bounded.

use reqwest::Url;

use super::http::{Door, DoorError};
use super::line::Large;
use super::{Gathered, MAX_ATTESTATIONS, Reach};
use crate::attest;
use crate::policy::Outcome;

/// Largest sum of all attestations about one package, in bytes. Whatever their number, memory must
/// hold the large answers to the questions that each endpoint may get at the same time.
const MAX_SUM: usize = 2 * attest::MAX_BYTES;

/// The source of documents: the network, or a test.
pub(super) trait Fetch {
    /// As [`Door::get`].
    fn get(
        &self,
        url: Url,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>>;

    /// As [`Door::get_beside`].
    fn get_beside(
        &self,
        url: Url,
        limit: usize,
        _large: &mut Large,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>> {
        self.get(url, limit)
    }
}

impl Fetch for Door {
    fn get(
        &self,
        url: Url,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>> {
        Self::get(self, url, limit)
    }

    fn get_beside(
        &self,
        url: Url,
        limit: usize,
        large: &mut Large,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>> {
        Self::get_beside(self, url, limit, large)
    }
}

/// The reason for which an endpoint gave no (further) answer.
pub(super) enum Failure {
    /// Something could not be fetched.
    Door(DoorError),
    /// The fetched document is no valid answer; for people.
    Malformed(String),
}

impl From<DoorError> for Failure {
    fn from(error: DoorError) -> Self {
        Self::Door(error)
    }
}

/// The attestations that an endpoint gave about one package, in the order in which they came.
#[derive(Default)]
pub(super) struct Collection(Vec<Vec<u8>>, Large);

impl Collection {
    /// The number of attestations.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true when there is no attestation.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fetches one more, if there is such a document and room for it. Otherwise returns `false`.
    pub(super) async fn fetch(&mut self, door: &impl Fetch, url: Url) -> Result<bool, Failure> {
        let sum: usize = self.0.iter().map(Vec::len).sum();
        let limit = attest::MAX_BYTES.min(MAX_SUM.saturating_sub(sum));
        if self.0.len() >= MAX_ATTESTATIONS || limit == 0 {
            return Ok(false);
        }
        let document = door.get_beside(url, limit, &mut self.1).await?;
        let found = document.is_some();
        self.0.extend(document);
        Ok(found)
    }

    /// The newest attestation.
    pub(super) fn last(&self) -> Option<&[u8]> {
        self.0.last().map(Vec::as_slice)
    }

    /// Removes the newest attestation.
    pub(super) fn drop_last(&mut self) {
        self.0.pop();
    }

    /// Combines the collection with the result of the search. Attestations that were found before a
    /// failure are passed on with it.
    pub(super) fn finish(self, result: Result<Outcome, Failure>) -> Gathered {
        let reach = match &result {
            Err(Failure::Door(error)) if error.is_transport() => Reach::Out,
            Err(Failure::Door(DoorError::Busy { rest, .. })) => Reach::Busy(*rest),
            _ => Reach::Within,
        };
        let outcome = result.unwrap_or_else(|failure| match failure {
            Failure::Door(error) => Outcome::Unreachable { why: error.to_string() },
            Failure::Malformed(why) => Outcome::Malformed { why },
        });
        Gathered { attestations: self.0, outcome, reach }
    }
}
