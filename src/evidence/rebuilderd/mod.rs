//! rebuilderd's HTTP API, version 1 (rebuilderd 0.26 and later).
//!
//! Paths and fields as in the project's OpenAPI description, `contrib/docs/rebuilderd-v1.yml`.
//! Nothing that it says is believed: a listing only tells which attestations to fetch, and those
//! are signed.

use std::collections::BTreeSet;

use reqwest::Url;
use serde::Deserialize;

use super::http::{Door, DoorError};
use super::{Gathered, Gathering, MAX_ATTESTATIONS, Question, Reach, Source};
use crate::attest;
use crate::policy::{Outcome, UnsignedStatus};

/// Largest page of a listing, in bytes.
const MAX_PAGE: usize = 1024 * 1024;

/// Records asked for at once. A record has about 500 bytes, so that four times as much fits.
const PAGE: usize = 500;

/// Most pages read for one package: name and version are given, so one should be enough.
const MAX_PAGES: usize = 16;

/// Most records about one package that are looked at.
const MAX_RECORDS: usize = MAX_PAGES * PAGE;

/// Largest sum of all attestations about one package, in bytes. However many there are, memory
/// must hold what eight questions to each endpoint bring at the same time.
const MAX_SUM: usize = 2 * attest::MAX_BYTES;

/// Most builds of one source version that are searched for an earlier good one.
const MAX_BUILDS: usize = 32;

/// A rebuilderd instance.
pub(super) struct Rebuilderd<D = Door> {
    pub(super) base: Url,
    pub(super) door: D,
}

/// Where documents come from: the network, or whoever tests this.
pub(super) trait Fetch {
    /// As [`Door::get`].
    fn get(
        &self,
        url: Url,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>>;
}

impl Fetch for Door {
    fn get(
        &self,
        url: Url,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, DoorError>> {
        Self::get(self, url, limit)
    }
}

/// Why an instance gave no (further) answer.
enum Failure {
    Door(DoorError),
    Malformed(String),
}

#[derive(Deserialize)]
struct Page<T> {
    total: u64,
    records: Vec<T>,
}

#[derive(Deserialize)]
struct BinaryPackage {
    id: u64,
    name: String,
    version: String,
    architecture: String,
    status: Option<String>,
    build_id: Option<u64>,
    artifact_id: Option<u64>,
    diffoscope_log_id: Option<u64>,
}

#[derive(Deserialize)]
struct Build {
    id: u64,
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    status: Option<String>,
}

/// What is kept of a record about the package in question.
struct Known {
    status: UnsignedStatus,
    build: Option<u64>,
    artifact: Option<u64>,
    diffoscope: bool,
}

trait Record {
    fn id(&self) -> u64;
}

impl Known {
    fn of(record: &BinaryPackage) -> Self {
        Self {
            status: match record.status.as_deref() {
                Some("GOOD") => UnsignedStatus::Good,
                Some("BAD") => UnsignedStatus::Bad,
                _ => UnsignedStatus::NotBuilt,
            },
            build: record.build_id,
            artifact: record.artifact_id,
            diffoscope: record.diffoscope_log_id.is_some(),
        }
    }
}

impl Record for BinaryPackage {
    fn id(&self) -> u64 {
        self.id
    }
}

impl Record for Build {
    fn id(&self) -> u64 {
        self.id
    }
}

impl<D: Fetch> Source for Rebuilderd<D> {
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a> {
        Box::pin(async move {
            let mut attestations = Vec::new();
            let result = self.search(question, &mut attestations).await;
            let reach = match &result {
                Err(Failure::Door(error)) if error.is_transport() => Reach::Out,
                _ => Reach::Within,
            };
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(Failure::Door(error)) => Outcome::Unreachable { why: error.to_string() },
                Err(Failure::Malformed(why)) => Outcome::Malformed { why },
            };
            Gathered { attestations, outcome, reach }
        })
    }
}

impl<D: Fetch> Rebuilderd<D> {
    async fn search(
        &self,
        question: &Question,
        found: &mut Vec<Vec<u8>>,
    ) -> Result<Outcome, Failure> {
        let identity = &question.identity;
        let filters = [
            ("name", identity.package.as_str()),
            ("version", identity.version.as_str()),
            ("architecture", identity.architecture.as_str()),
        ];
        let known = |record: BinaryPackage| {
            let is_it = record.name == identity.package.as_str()
                && record.version == identity.version.as_str()
                && record.architecture == identity.architecture.as_str();
            is_it.then(|| Known::of(&record))
        };
        let records = self.list("packages/binary", &filters, known).await?;
        if records.is_empty() {
            return Ok(Outcome::Unknown);
        }
        // The same package may be listed for several releases, each with its own latest build.
        let mut tried = BTreeSet::new();
        for record in &records {
            if let (UnsignedStatus::Good, Some(build), Some(artifact)) =
                (record.status, record.build, record.artifact)
            {
                if tried.insert((build, artifact)) {
                    self.attestation(build, artifact, found).await?;
                }
            }
        }
        if found.is_empty() {
            self.search_earlier_builds(question, &records, &mut tried, found).await?;
        }
        Ok(match found.len() {
            0 => {
                let status = status(&records);
                Outcome::NoAttestation { status, more: self.more(status, &records) }
            }
            count => Outcome::Attestations { count },
        })
    }

    /// The latest build masks earlier ones: after a rebuild that went wrong the listing says BAD,
    /// while the good build and its attestation are still there.
    async fn search_earlier_builds(
        &self,
        question: &Question,
        records: &[Known],
        tried: &mut BTreeSet<(u64, u64)>,
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let Some(latest) = records.iter().find_map(|record| record.build) else { return Ok(()) };
        // The build knows its source package; a binary package's record does not.
        let Some(latest): Option<Build> = self.json(&format!("builds/{latest}"), &[]).await? else {
            return Ok(());
        };
        let filters = [("name", latest.name.as_str()), ("version", latest.version.as_str())];
        let id = |build: Build| {
            (build.name == latest.name && build.version == latest.version).then_some(build.id)
        };
        let mut builds = self.list("builds", &filters, id).await?;
        builds.sort_by_key(|build| std::cmp::Reverse(*build));
        // Called by the package's name there, without version and architecture (rebuilderd 0.28);
        // what it is really about, the attestation says.
        let name = question.identity.package.as_str();
        for build in builds.into_iter().take(MAX_BUILDS) {
            let path = format!("builds/{build}/artifacts");
            let artifacts: Vec<Artifact> = self.json(&path, &[]).await?.unwrap_or_default();
            for artifact in artifacts.iter().filter(|it| it.name == name) {
                let good = artifact.status.as_deref() == Some("GOOD");
                if good && tried.insert((build, artifact.id)) {
                    self.attestation(build, artifact.id, found).await?;
                }
            }
            if !found.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Where people can see what went wrong with a build.
    fn more(&self, status: UnsignedStatus, records: &[Known]) -> Option<String> {
        let bad = records.iter().find(|record| record.status == UnsignedStatus::Bad)?;
        let (build, artifact) = (bad.build?, bad.artifact?);
        let path = match bad.diffoscope {
            true => format!("builds/{build}/artifacts/{artifact}/diffoscope"),
            false => format!("builds/{build}/log"),
        };
        let url = self.url(&path, &[]).ok()?;
        (status == UnsignedStatus::Bad).then(|| url.to_string())
    }

    async fn attestation(
        &self,
        build: u64,
        artifact: u64,
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let sum: usize = found.iter().map(Vec::len).sum();
        let limit = attest::MAX_BYTES.min(MAX_SUM.saturating_sub(sum));
        if found.len() >= MAX_ATTESTATIONS || limit == 0 {
            return Ok(());
        }
        let url = self.url(&format!("builds/{build}/artifacts/{artifact}/attestation"), &[])?;
        found.extend(self.door.get(url, limit).await.map_err(Failure::Door)?);
        Ok(())
    }

    /// What `keep` makes of the records of a listing, page after page. It must look for what the
    /// filters ask for: a server need not care about them.
    async fn list<T: Record + for<'de> Deserialize<'de>, K>(
        &self,
        path: &str,
        filters: &[(&str, &str)],
        keep: impl Fn(T) -> Option<K>,
    ) -> Result<Vec<K>, Failure> {
        let mut all: Vec<K> = Vec::new();
        let mut last: Option<u64> = None;
        let mut seen: u64 = 0;
        for _ in 0..MAX_PAGES {
            let after = last.map(|id| id.to_string());
            let limit = PAGE.to_string();
            let mut query = filters.to_vec();
            query.push(("limit", &limit));
            if let Some(after) = &after {
                query.push(("after", after));
            }
            let page: Option<Page<T>> = self.json(path, &query).await?;
            let page = page.ok_or_else(|| {
                Failure::Malformed("no API of rebuilderd 0.26 or later is at this URL".to_owned())
            })?;
            seen = seen.saturating_add(u64::try_from(page.records.len()).unwrap_or(u64::MAX));
            let newest = page.records.iter().map(Record::id).max();
            let room = MAX_RECORDS.saturating_sub(all.len());
            all.extend(page.records.into_iter().filter_map(&keep).take(room));
            // A server that does not go on has no more to say.
            if newest <= last || seen >= page.total || all.len() == MAX_RECORDS {
                break;
            }
            last = newest;
        }
        Ok(all)
    }

    async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Failure> {
        let url = self.url(path, query)?;
        let Some(body) = self.door.get(url, MAX_PAGE).await.map_err(Failure::Door)? else {
            return Ok(None);
        };
        serde_json::from_slice(&body).map(Some).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::Malformed(format!(
                "rebuilderd does not answer like this (line {line}, column {column})"
            ))
        })
    }

    fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<Url, Failure> {
        let joined = self.base.join("api/v1/").and_then(|base| base.join(path));
        let mut url = joined.map_err(|error| Failure::Malformed(error.to_string()))?;
        if !query.is_empty() {
            // Encodes `+` as %2B: a bare one would be read as a space.
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// The most favourable status among the records. Not signed, so only for people.
fn status(records: &[Known]) -> UnsignedStatus {
    let any = |status: UnsignedStatus| records.iter().any(|record| record.status == status);
    let order = [UnsignedStatus::Good, UnsignedStatus::Bad];
    order.into_iter().find(|status| any(*status)).unwrap_or(UnsignedStatus::NotBuilt)
}

/// For the fuzz targets: what comes of asking an instance that gives these answers.
#[cfg(fuzzing)]
pub(crate) fn gather_from(
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
    let instance = Rebuilderd { base: base.clone(), door: Answers(answer) };
    let mut gathering = instance.gather(question);
    let mut nobody = std::task::Context::from_waker(std::task::Waker::noop());
    match gathering.as_mut().poll(&mut nobody) {
        std::task::Poll::Ready(gathered) => (gathered.attestations, gathered.outcome),
        std::task::Poll::Pending => unreachable!("all answers are there"),
    }
}
