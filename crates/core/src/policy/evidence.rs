//! What was found out about a subject.

use std::fmt;

use crate::attest::Claim;
use crate::types::{RebuilderName, Sha256Digest};

/// All that was found out about one subject: the claims, which count, and what the endpoints
/// answered, which is for people and tells silence from denial.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Verified claims, in any order and with repetitions
    pub claims: Vec<Claim>,
    /// The answers of the endpoints
    pub answers: Vec<Answer>,
    /// Rebuilders with an endpoint that has not answered yet and still may
    pub pending: Vec<RebuilderName>,
}

/// The answer of one endpoint about one subject.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// The rebuilder of the endpoint
    pub rebuilder: RebuilderName,
    /// Its URL or directory
    pub endpoint: String,
    /// The result of asking it
    pub outcome: Outcome,
}

/// The result of asking an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Outcome {
    /// It published attestations. The claims tell whether these make any.
    Attestations {
        /// The number of attestations
        count: usize,
    },
    /// It knows the package and has no attestation for it.
    NoAttestation {
        /// The status that it gives without signing it
        status: UnsignedStatus,
        /// A place where people can read more
        more: Option<String>,
    },
    /// It does not know the package.
    Unknown,
    /// It gave something that makes no claim.
    Rejected {
        /// A short stable name of the reason
        code: String,
        /// The reason for people
        why: String,
        /// The SHA-256 of the bytes that were rejected
        attestation: Sha256Digest,
    },
    /// It could not be asked: no connection, no answer in time, an error of the server.
    Unreachable {
        /// The reason for people
        why: String,
    },
    /// It answered something that is no answer.
    Malformed {
        /// The reason for people
        why: String,
    },
}

/// A rebuilder's status of a package, which it does not sign. Shown, never counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnsignedStatus {
    /// It says that it got the same bytes, but signed nothing.
    Good,
    /// It says that it got other bytes.
    Bad,
    /// It has not built it yet.
    NotBuilt,
}

impl Outcome {
    /// Returns true when the endpoint gave no usable answer, so that a later attempt may find more.
    #[must_use]
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Malformed { .. })
    }
}

impl fmt::Display for UnsignedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "says reproduced, but signed nothing",
            Self::Bad => "rebuilt it; the result differs",
            Self::NotBuilt => "not built yet",
        })
    }
}
