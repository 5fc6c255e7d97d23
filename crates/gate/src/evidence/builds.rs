//! The history of builds of one package at each endpoint, for people: which of them gave the same
//! file, and which another. Nothing of it is signed, so nothing is decided by it.

use serde::{Deserialize, Serialize};

use super::http::Door;
use super::keys::ask_each;
use super::rebuilderd::Rebuilderd;
use super::{EndpointSetup, fetch};
use crate::config::{Endpoint, Protocol};
use crate::types::{Identity, Timestamp};

/// Most builds of a history.
pub(super) const MAX_PAST_BUILDS: usize = 20;

/// The result of asking an endpoint for its builds of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BuildHistory {
    /// The builds that it knows, at most [`MAX_PAST_BUILDS`].
    Builds {
        /// The newest first
        builds: Vec<PastBuild>,
        /// The number of those before them
        earlier: usize,
        /// True if its API knows the last one only
        only_last: bool,
    },
    /// It could not be asked, or has no such list; for people.
    Failed {
        /// The reason
        why: String,
    },
}

/// A build, as the rebuilder describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastBuild {
    /// Its number there
    pub id: Option<u64>,
    /// The time of its end
    pub built_at: Option<Timestamp>,
    /// Its result for the package's file
    pub result: PastResult,
    /// True if it has an attestation of that
    pub attested: bool,
}

/// The result of a build for one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PastResult {
    /// The same bytes as those of the file that the rebuilder compared with.
    Reproduced,
    /// Other bytes, or no such file.
    Differs,
    /// The build failed.
    Failed,
    /// None is known.
    Unknown,
}

impl BuildHistory {
    /// Returns it unless it has more builds than it may have. It can come from a process under a
    /// stranger's control.
    #[must_use]
    pub fn within_bounds(self) -> Option<Self> {
        match &self {
            Self::Builds { builds, .. } if builds.len() > MAX_PAST_BUILDS => None,
            Self::Builds { .. } | Self::Failed { .. } => Some(self),
        }
    }
}

/// Asks all endpoints of `setup` for their builds of a package, and waits for them.
///
/// # Errors
/// If the system has no descriptor to spare.
pub fn build_histories(
    setup: &EndpointSetup,
    identity: &Identity,
) -> std::io::Result<Vec<BuildHistory>> {
    let failed = |why| BuildHistory::Failed { why };
    let ask = |door: Door, endpoint: Endpoint| {
        let identity = identity.clone();
        async move {
            if endpoint.protocol != Protocol::Rebuilderd {
                return failed("it has no list of builds".to_owned());
            }
            let instance = Rebuilderd::new(endpoint.url, door);
            match instance.history(&identity).await {
                Ok(Some(history)) => history,
                Ok(None) => failed("no API of rebuilderd is at this URL".to_owned()),
                Err(fetch::Failure::Door(error)) => failed(error.to_string()),
                Err(fetch::Failure::Malformed(why)) => failed(why),
            }
        }
    };
    ask_each(setup, ask, failed)
}
