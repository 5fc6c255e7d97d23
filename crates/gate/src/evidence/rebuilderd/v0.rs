//! Version 0 of the API, the only one in rebuilderd before 0.26.
//!
//! It has one listing without pages. The worker's key signs (0.24), and no request tells which key
//! that is. Seen with Debian 13's rebuilderd 0.24.0.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Id, KnownRecord, MAX_RECORDS, Rebuilderd, outcome};
use crate::evidence::Question;
use crate::evidence::fetch::{Collection, Failure, Fetch};
use crate::policy::{Outcome, UnsignedStatus};

#[derive(Deserialize)]
struct ReportedPackage {
    name: String,
    version: String,
    architecture: String,
    status: Option<String>,
    build_id: Option<u64>,
    #[serde(default)]
    has_diffoscope: bool,
}

impl<D: Fetch> Rebuilderd<D> {
    /// Looks for attestations by this version. `None` if the instance does not have it.
    pub(super) async fn search_v0(
        &self,
        question: &Question,
        found: &mut Collection,
    ) -> Result<Option<Outcome>, Failure> {
        let identity = &question.identity;
        // There is no filter for versions, but few of one name are listed at a time.
        let filters =
            [("name", identity.package.as_str()), ("architecture", identity.architecture.as_str())];
        let listed: Option<Vec<ReportedPackage>> = self.json("v0/pkgs/list", &filters).await?;
        let Some(listed) = listed else { return Ok(None) };
        let records: Vec<KnownRecord> = listed
            .into_iter()
            .filter(|record| {
                record.name == identity.package.as_str()
                    && record.version == identity.version.as_str()
                    && record.architecture == identity.architecture.as_str()
            })
            .take(MAX_RECORDS)
            .map(|record| KnownRecord {
                status: super::unsigned_status(record.status.as_deref()),
                build: record.build_id.and_then(Id::new),
                artifact: None,
                diffoscope: record.has_diffoscope,
            })
            .collect();
        if records.is_empty() {
            return Ok(Some(Outcome::Unknown));
        }
        let good = records.iter().filter(|record| record.status == UnsignedStatus::Good);
        let builds: BTreeSet<Id> = good.filter_map(|record| record.build).collect();
        for build in builds {
            let url = self.url(&format!("v0/builds/{build}/attestation"), &[])?;
            found.fetch(&self.door, url).await?;
        }
        Ok(Some(outcome(found, &records, |bad| {
            let build = bad.build?;
            let what = if bad.diffoscope { "diffoscope" } else { "log" };
            self.url(&format!("v0/builds/{build}/{what}"), &[]).ok()
        })))
    }
}
