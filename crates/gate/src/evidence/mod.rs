//! Asks rebuilders for their attestations.
//!
//! Trusts no endpoint: an answer is bytes, bounded in size, number and time, that the caller
//! verifies. At worst, an endpoint can be silent. All endpoints are asked at once, and each answer
//! is passed on when it comes, so that none waits for another.
//!
//! [`http`] is the one door to the network.

mod archive;
mod builds;
pub mod bundle;
mod directory;
mod engine;
mod fetch;
pub mod http;
mod intoto_metadata;
mod keys;
mod line;
mod rebuilderd;
mod routes;
mod tls;
mod words;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::policy::Outcome;
use crate::types::{Architecture, DebVersion, Identity, RebuilderName, Sha256Digest, SourceName};

pub use archive::indexes;
pub use builds::{BuildHistory, PastBuild, PastResult, build_histories};
pub use directory::{Tree, each_in_tree};
pub use engine::{EndpointSetup, Engine, Event, NATIVE, Network, Order, QuestionId};
#[cfg(fuzzing)]
pub use keys::read_list;
pub use keys::{ENDPOINTS_AT_ONCE, MAX_KEYS, PublishedKeys, published_keys};
#[cfg(fuzzing)]
pub use rebuilderd::gather_from;
pub use routes::Routes;
pub use tls::CA_BUNDLES;

/// Most attestations that are taken from one endpoint for one package.
pub const MAX_ATTESTATIONS: usize = 16;

/// A question about one package.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Question {
    /// Name, version and architecture
    pub identity: Identity,
    /// The source package and its version, where they are known already
    pub source: Option<(SourceName, DebVersion)>,
    /// The SHA-256 that the file has or should have, if known. A rebuilder with a signed
    /// attestation about it in the cache is not asked again
    pub sha256: Option<Sha256Digest>,
}

/// The answer of one endpoint about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The rebuilder of the endpoint
    pub rebuilder: RebuilderName,
    /// Its URL
    pub endpoint: String,
    /// Attestations, not verified
    pub attestations: Vec<Vec<u8>>,
    /// The rest of its answer
    pub outcome: Outcome,
}

/// A kind of endpoint.
trait EndpointSource {
    /// Looks for attestations about `question`. Attestations that were found before a failure are
    /// passed on with it.
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a>;

    /// Prepares for so many more questions about packages of these architectures. Returns work that
    /// serves all of them together; the caller runs it beside the other questions. The work calls
    /// `progress` whenever [`Self::is_ready`] may have changed. It waits for its first answer no
    /// longer than `patience`.
    fn foresee(
        self: Rc<Self>,
        _: &BTreeMap<Architecture, usize>,
        _patience: Duration,
        _progress: Rc<dyn Fn()>,
    ) -> Vec<Pin<Box<dyn Future<Output = ()>>>> {
        Vec::new()
    }

    /// Returns true when `question` should be asked now, rather than after more knowledge that is
    /// under way.
    fn is_ready(&self, _: &Question) -> bool {
        true
    }
}

type Gathering<'a> = Pin<Box<dyn Future<Output = Gathered> + 'a>>;

/// The result of looking.
struct Gathered {
    attestations: Vec<Vec<u8>>,
    outcome: Outcome,
    reach: Reach,
}

/// The state of an endpoint, which decides whether to ask it about something else now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It answers, perhaps with an error about this package.
    Within,
    /// No server is there, or time ran out.
    Out,
    /// It asks for a pause of this length.
    Busy(Duration),
}
