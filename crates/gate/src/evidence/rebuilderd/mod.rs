//! rebuilderd's HTTP APIs.
//!
//! Version 1 came with rebuilderd 0.26; earlier ones have only version 0 (Debian 13 ships 0.24).
//! The first question finds out the version that an instance speaks, and the result is remembered.
//!
//! None of its answers is believed: a listing only tells which attestations to fetch, and those are
//! signed.

mod history;
mod listing;
mod v0;
mod v1;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use super::fetch::{Collection, Failure, Fetch};
use super::http::Door;
#[cfg(fuzzing)]
use super::http::DoorError;
use super::{EndpointSource, Gathered, Gathering, Question};
use crate::policy::{Outcome, UnsignedStatus};
use crate::types::Architecture;
use listing::KnownListings;

/// Largest page of a listing, in bytes.
const MAX_PAGE: usize = 1024 * 1024;

/// Most records about one package that are looked at.
const MAX_RECORDS: usize = v1::MAX_PAGES * v1::PAGE;

/// A rebuilderd instance.
pub(super) struct Rebuilderd<D = Door> {
    base: Url,
    door: D,
    /// Unknown before the first answer
    api: Cell<Option<Api>>,
    listings: KnownListings,
}

/// The version of the API that an instance speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Api {
    /// `api/v0/`
    V0,
    /// `api/v1/`
    V1,
}

/// A number of the rebuilder's database, which counts from one. Therefore a kept record takes a
/// third less memory.
type Id = NonZeroU64;

/// The kept fields of a record about the package in question.
#[derive(Clone)]
struct KnownRecord {
    status: UnsignedStatus,
    build: Option<Id>,
    artifact: Option<Id>,
    diffoscope: bool,
}

impl<D: Fetch> Rebuilderd<D> {
    /// The instance at `base`, which ends with a slash.
    pub(super) fn new(base: Url, door: D) -> Self {
        Self { base, door, api: Cell::new(None), listings: KnownListings::default() }
    }

    /// Asks by the API that the instance speaks. `None` if it speaks none of them.
    ///
    /// A daemon with both versions is asked by version 1. By version 0, it gives the attestation of
    /// the first file of a build for every file (seen with 0.28).
    async fn search(
        &self,
        question: &Question,
        found: &mut Collection,
    ) -> Result<Option<Outcome>, Failure> {
        for api in [Api::V1, Api::V0] {
            if self.api.get().is_some_and(|known| known != api) {
                continue;
            }
            let outcome = match api {
                Api::V1 => self.search_v1(question, found).await?,
                Api::V0 => self.search_v0(question, found).await?,
            };
            if outcome.is_some() {
                self.api.set(Some(api));
                return Ok(outcome);
            }
        }
        Ok(None)
    }

    async fn look_for(&self, question: &Question) -> Gathered {
        let mut found = Collection::default();
        let nothing = || Failure::Malformed("no API of rebuilderd is at this URL".to_owned());
        let result = self.search(question, &mut found).await;
        found.finish(result.and_then(|outcome| outcome.ok_or_else(nothing)))
    }

    async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        let url = self.url(path, query)?;
        let Some(body) = self.door.get(url, MAX_PAGE).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&body).map(Some).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::Malformed(format!(
                "invalid answer from rebuilderd (line {line}, column {column})"
            ))
        })
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Failure> {
        let joined = self.base.join("api/").and_then(|base| base.join(path));
        let mut url = joined.map_err(|error| Failure::Malformed(error.to_string()))?;
        if !query.is_empty() {
            // Encodes `+` as %2B: a bare one would be read as a space.
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

impl<D: Fetch + 'static> EndpointSource for Rebuilderd<D> {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(self.look_for(question))
    }

    fn foresee(
        self: Rc<Self>,
        counts: &BTreeMap<Architecture, usize>,
        patience: Duration,
        progress: Rc<dyn Fn()>,
    ) -> Vec<Pin<Box<dyn Future<Output = ()>>>> {
        if self.api.get() == Some(Api::V0) {
            return Vec::new();
        }
        let begun = self.listings.begin(counts, patience).into_iter();
        let read = |architecture| -> Pin<Box<dyn Future<Output = ()>>> {
            Box::pin(Rc::clone(&self).read_listing(architecture, Rc::clone(&progress)))
        };
        begun.map(read).collect()
    }

    fn is_ready(&self, question: &Question) -> bool {
        self.listings.is_settled(&question.identity)
    }
}

/// Parses the status of a record. It is not signed, so only for people.
fn unsigned_status(status: Option<&str>) -> UnsignedStatus {
    match status {
        Some("GOOD") => UnsignedStatus::Good,
        Some("BAD") => UnsignedStatus::Bad,
        _ => UnsignedStatus::NotBuilt,
    }
}

/// Returns the outcome of looking at these records about the package.
fn outcome(
    found: &Collection,
    records: &[KnownRecord],
    more: impl FnOnce(&KnownRecord) -> Option<Url>,
) -> Outcome {
    match found.len() {
        0 => {
            let status = status(records);
            let bad = records.iter().find(|record| record.status == UnsignedStatus::Bad);
            let bad = bad.filter(|_| status == UnsignedStatus::Bad);
            Outcome::NoAttestation { status, more: bad.and_then(more).map(|url| url.to_string()) }
        }
        count => Outcome::Attestations { count },
    }
}

/// Returns the most favourable status among the records. It is not signed, so only for people.
fn status(records: &[KnownRecord]) -> UnsignedStatus {
    let any = |status: UnsignedStatus| records.iter().any(|record| record.status == status);
    let order = [UnsignedStatus::Good, UnsignedStatus::Bad];
    order.into_iter().find(|status| any(*status)).unwrap_or(UnsignedStatus::NotBuilt)
}

/// Asks an instance that gives these answers, for the fuzz targets.
#[cfg(fuzzing)]
pub fn gather_from(
    base: &Url,
    question: &Question,
    answer: impl Fn(&Url, usize) -> Result<Option<Vec<u8>>, DoorError>,
) -> (Vec<Vec<u8>>, Outcome) {
    struct Answers<F>(F);
    impl<F: Fn(&Url, usize) -> Result<Option<Vec<u8>>, DoorError>> Fetch for Answers<F> {
        fn get(
            &self,
            url: Url,
            limit: usize,
        ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>> {
            std::future::ready((self.0)(&url, limit))
        }
    }
    let instance = Rebuilderd::new(base.clone(), Answers(answer));
    let mut gathering = std::pin::pin!(instance.look_for(question));
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    match gathering.as_mut().poll(&mut nobody) {
        std::task::Poll::Ready(gathered) => (gathered.attestations, gathered.outcome),
        std::task::Poll::Pending => unreachable!("all answers are there"),
    }
}
