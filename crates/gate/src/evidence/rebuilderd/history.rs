//! The builds of a package, the last and the earlier ones, for people. The gate asks for none of this.

use serde::Deserialize;

use super::v1::{BinaryPackage, Numbered};
use super::{Id, KnownRecord, Rebuilderd};
use crate::evidence::builds::{BuildHistory, MAX_PAST_BUILDS, PastBuild, PastResult};
use crate::evidence::fetch::{Failure, Fetch};
use crate::types::{Identity, Timestamp};

#[derive(Deserialize)]
struct BuildRecord {
    id: u64,
    name: String,
    version: String,
    architecture: String,
    built_at: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct ArtifactRecord {
    name: String,
    status: Option<String>,
    #[serde(default)]
    has_attestation: bool,
}

/// A package in the listing of version 0.
#[derive(Deserialize)]
struct LastBuild {
    name: String,
    version: String,
    architecture: String,
    status: Option<String>,
    build_id: Option<u64>,
    built_at: Option<String>,
    #[serde(default)]
    has_attestation: bool,
}

impl Numbered for BuildRecord {
    fn id(&self) -> u64 {
        self.id
    }
}

impl<D: Fetch> Rebuilderd<D> {
    /// Returns the builds of a package. `None` if no API of rebuilderd is there.
    pub(in crate::evidence) async fn history(
        &self,
        identity: &Identity,
    ) -> Result<Option<BuildHistory>, Failure> {
        match self.history_v1(identity).await? {
            Some(history) => Ok(Some(history)),
            None => self.history_v0(identity).await,
        }
    }

    async fn history_v1(&self, identity: &Identity) -> Result<Option<BuildHistory>, Failure> {
        let filters = [
            ("name", identity.package.as_str()),
            ("version", identity.version.as_str()),
            ("architecture", identity.architecture.as_str()),
        ];
        let known = |it: BinaryPackage| it.is_of(identity).then(|| KnownRecord::of(&it));
        let Some(records) = self.list("v1/packages/binary", &filters, known).await? else {
            return Ok(None);
        };
        // The build knows its source package; a binary package's record does not.
        let latest: Option<BuildRecord> = match records.iter().filter_map(|it| it.build).max() {
            Some(latest) => self.json(&format!("v1/builds/{latest}"), &[]).await?,
            None => None,
        };
        let Some(latest) = latest else { return Ok(Some(of(Vec::new(), 0))) };
        let filters = [
            ("name", latest.name.as_str()),
            ("version", latest.version.as_str()),
            ("architecture", latest.architecture.as_str()),
        ];
        let same = |it: BuildRecord| {
            let is_same = it.name == latest.name
                && it.version == latest.version
                && it.architecture == latest.architecture;
            is_same.then_some(it)
        };
        let mut records = self.list("v1/builds", &filters, same).await?.unwrap_or_default();
        records.sort_by_key(|it| std::cmp::Reverse(it.id));
        let earlier = records.len().saturating_sub(MAX_PAST_BUILDS);
        let mut builds = Vec::new();
        for record in records.into_iter().take(MAX_PAST_BUILDS) {
            builds.extend(self.past_build(record, identity).await?);
        }
        Ok(Some(of(builds, earlier)))
    }

    /// Returns the result of a build for a package's file, unless it was not about this file.
    async fn past_build(
        &self,
        record: BuildRecord,
        identity: &Identity,
    ) -> Result<Option<PastBuild>, Failure> {
        let artifact = match record.status.as_deref() {
            Some("FAIL") => None,
            _ => {
                let path = format!("v1/builds/{}/artifacts", record.id);
                let artifacts: Option<Vec<ArtifactRecord>> = self.json(&path, &[]).await?;
                let mut artifacts = artifacts.unwrap_or_default().into_iter();
                let Some(own) = artifacts.find(|it| it.name == identity.package.as_str()) else {
                    return Ok(None);
                };
                Some(own)
            }
        };
        Ok(Some(PastBuild {
            id: Some(record.id),
            built_at: record.built_at.as_deref().and_then(time),
            result: artifact.as_ref().map_or(PastResult::Failed, |it| result(it.status.as_deref())),
            attested: artifact.is_some_and(|it| it.has_attestation),
        }))
    }

    async fn history_v0(&self, identity: &Identity) -> Result<Option<BuildHistory>, Failure> {
        let filters =
            [("name", identity.package.as_str()), ("architecture", identity.architecture.as_str())];
        let listed: Option<Vec<LastBuild>> = self.json("v0/pkgs/list", &filters).await?;
        let Some(listed) = listed else { return Ok(None) };
        let own = listed.into_iter().filter(|it| {
            it.name == identity.package.as_str()
                && it.version == identity.version.as_str()
                && it.architecture == identity.architecture.as_str()
        });
        let build = |it: LastBuild| PastBuild {
            id: it.build_id.and_then(Id::new).map(Id::get),
            built_at: it.built_at.as_deref().and_then(time),
            result: result(it.status.as_deref()),
            attested: it.has_attestation,
        };
        let builds: Vec<PastBuild> = own.take(MAX_PAST_BUILDS).map(build).collect();
        Ok(Some(BuildHistory::Builds { builds, earlier: 0, only_last: true }))
    }
}

fn of(builds: Vec<PastBuild>, earlier: usize) -> BuildHistory {
    BuildHistory::Builds { builds, earlier, only_last: false }
}

fn result(status: Option<&str>) -> PastResult {
    match status {
        Some("GOOD") => PastResult::Reproduced,
        Some("BAD") => PastResult::Differs,
        Some("FAIL") => PastResult::Failed,
        _ => PastResult::Unknown,
    }
}

/// Reads a time as rebuilderd writes it: in UTC, and without saying so.
fn time(text: &str) -> Option<Timestamp> {
    format!("{text}Z").parse().ok()
}
