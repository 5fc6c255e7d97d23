//! Version 1 of the API (rebuilderd 0.26 and later).
//!
//! Paths and fields as in the project's OpenAPI description, `contrib/docs/rebuilderd-v1.yml`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Id, KnownRecord, MAX_RECORDS, Rebuilderd, outcome};
use crate::evidence::Question;
use crate::evidence::fetch::{Collection, Failure, Fetch};
use crate::policy::{Outcome, UnsignedStatus};
use crate::types::Identity;

/// Records asked for at once. A record has about 500 bytes, so that four times as much fits.
pub(super) const PAGE: usize = 500;

/// Most pages read for one package: name and version are given, so one should be enough.
pub(super) const MAX_PAGES: usize = 16;

/// Most builds of one source version that are searched for an earlier good one.
const MAX_BUILDS: usize = 32;

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) total: u64,
    pub(super) records: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct BinaryPackage {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
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

/// A record with a number, by which a listing is read page after page.
pub(super) trait Numbered {
    /// Its number.
    fn id(&self) -> u64;
}

impl Numbered for BinaryPackage {
    fn id(&self) -> u64 {
        self.id
    }
}

impl Numbered for Build {
    fn id(&self) -> u64 {
        self.id
    }
}

impl BinaryPackage {
    /// Returns true when the record is about this package.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.name == identity.package.as_str()
            && self.version == identity.version.as_str()
            && self.architecture == identity.architecture.as_str()
    }
}

impl KnownRecord {
    pub(super) fn of(record: &BinaryPackage) -> Self {
        Self {
            status: super::unsigned_status(record.status.as_deref()),
            build: record.build_id.and_then(Id::new),
            artifact: record.artifact_id.and_then(Id::new),
            diffoscope: record.diffoscope_log_id.is_some(),
        }
    }
}

impl<D: Fetch> Rebuilderd<D> {
    /// Looks for attestations by this version. `None` if the instance does not have it.
    pub(super) async fn search_v1(
        &self,
        question: &Question,
        found: &mut Collection,
    ) -> Result<Option<Outcome>, Failure> {
        let identity = &question.identity;
        let filters = [
            ("name", identity.package.as_str()),
            ("version", identity.version.as_str()),
            ("architecture", identity.architecture.as_str()),
        ];
        let known = |it: BinaryPackage| it.is_of(identity).then(|| KnownRecord::of(&it));
        let records = match self.listings.about(identity) {
            Some(records) => records,
            None => match self.list("v1/packages/binary", &filters, known).await? {
                Some(records) => records,
                None => return Ok(None),
            },
        };
        if records.is_empty() {
            return Ok(Some(Outcome::Unknown));
        }
        // The same package may be listed for several releases, each with its own latest build.
        let mut tried = BTreeSet::new();
        for record in &records {
            if let (UnsignedStatus::Good, Some(build), Some(artifact)) =
                (record.status, record.build.map(Id::get), record.artifact.map(Id::get))
            {
                if tried.insert((build, artifact)) {
                    self.attestation(build, artifact, found).await?;
                }
            }
        }
        if found.is_empty() {
            self.search_earlier_builds(question, &records, &mut tried, found).await?;
        }
        Ok(Some(outcome(found, &records, |bad| {
            // The page on which people can see what went wrong with a build.
            let (build, artifact) = (bad.build?, bad.artifact?);
            let path = match bad.diffoscope {
                true => format!("v1/builds/{build}/artifacts/{artifact}/diffoscope"),
                false => format!("v1/builds/{build}/log"),
            };
            self.url(&path, &[]).ok()
        })))
    }

    /// Searches earlier builds, because the latest build masks them. After a rebuild that went
    /// wrong the listing says BAD, while the good build and its attestation are still there.
    async fn search_earlier_builds(
        &self,
        question: &Question,
        records: &[KnownRecord],
        tried: &mut BTreeSet<(u64, u64)>,
        found: &mut Collection,
    ) -> Result<(), Failure> {
        let Some(latest) = records.iter().find_map(|record| record.build) else { return Ok(()) };
        // The build knows its source package; a binary package's record does not.
        let path = format!("v1/builds/{latest}");
        let Some(latest): Option<Build> = self.json(&path, &[]).await? else {
            return Ok(());
        };
        let filters = [("name", latest.name.as_str()), ("version", latest.version.as_str())];
        let id = |build: Build| {
            (build.name == latest.name && build.version == latest.version).then_some(build.id)
        };
        let mut builds = self.list("v1/builds", &filters, id).await?.unwrap_or_default();
        builds.sort_by_key(|build| std::cmp::Reverse(*build));
        // Named there by the package's name, without version and architecture (rebuilderd 0.28);
        // the attestation tells what it is really about.
        let name = question.identity.package.as_str();
        for build in builds.into_iter().take(MAX_BUILDS) {
            let path = format!("v1/builds/{build}/artifacts");
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

    async fn attestation(
        &self,
        build: u64,
        artifact: u64,
        found: &mut Collection,
    ) -> Result<(), Failure> {
        let path = format!("v1/builds/{build}/artifacts/{artifact}/attestation");
        found.fetch(&self.door, self.url(&path, &[])?).await.map(drop)
    }

    /// Reads a listing page after page, and returns the results of `keep` for its records. Returns
    /// `None` if there is no such listing. `keep` must itself select what the filters ask for: a
    /// server may ignore them.
    pub(super) async fn list<T: Numbered + for<'de> Deserialize<'de>, K>(
        &self,
        path: &str,
        filters: &[(&str, &str)],
        keep: impl Fn(T) -> Option<K>,
    ) -> Result<Option<Vec<K>>, Failure> {
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
            let Some(page) = page else {
                // Gone between two pages: the earlier pages are the result.
                return Ok(last.map(|_| all));
            };
            seen = seen.saturating_add(u64::try_from(page.records.len()).unwrap_or(u64::MAX));
            let newest = page.records.iter().map(Numbered::id).max();
            let room = MAX_RECORDS.saturating_sub(all.len());
            all.extend(page.records.into_iter().filter_map(&keep).take(room));
            // A server that does not advance has nothing more to send.
            if newest <= last || seen >= page.total || all.len() == MAX_RECORDS {
                break;
            }
            last = newest;
        }
        Ok(Some(all))
    }
}
