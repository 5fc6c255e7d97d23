//! Asking operators what they have signed.
//!
//! Trusts nobody: what comes back is bytes, bounded in size, number and time, that are verified
//! by whoever asked. An endpoint can at worst be silent. All endpoints are asked at once, and
//! each answer is handed on when it comes, so that none waits for another.
//!
//! [`http`] is the one door to the network.

mod archive;
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
use crate::types::{Architecture, DebVersion, Identity, OperatorName, Sha256Digest, SourceName};

pub use archive::indexes;
pub use directory::{AtHand, Tree, each_in_tree};
pub use engine::{Engine, Event, NATIVE, Network, QuestionId, Setup};
#[cfg(fuzzing)]
pub use keys::read_list;
pub use keys::{KEYS_AT_ONCE, MAX_KEYS, Published, published_keys};
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
    /// The SHA-256 that the file has or should have, where known: an operator whose signed word
    /// about it is in the cache is not asked again
    pub sha256: Option<Sha256Digest>,
}

/// What one endpoint gave about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose endpoint it is
    pub operator: OperatorName,
    /// Its URL
    pub endpoint: String,
    /// Attestations, not verified
    pub attestations: Vec<Vec<u8>>,
    /// What it said besides
    pub outcome: Outcome,
}

/// A kind of endpoint.
trait Source {
    /// Looks for attestations about `question`. Attestations that were found before a failure
    /// are handed on with it.
    fn gather<'a>(&'a self, question: &'a Question) -> Gathering<'a>;

    /// So many more questions about packages of these architectures are going to come. What can be
    /// done for all of them together is what comes back, each to be done beside the others. It
    /// calls `progress` whenever [`Self::is_ready`] may have changed. The first answer to it is
    /// waited for no longer than `patience`.
    fn foresee(
        self: Rc<Self>,
        _: &BTreeMap<Architecture, usize>,
        _patience: Duration,
        _progress: Rc<dyn Fn()>,
    ) -> Vec<Pin<Box<dyn Future<Output = ()>>>> {
        Vec::new()
    }

    /// Whether to ask about `question` now, and not when more is known that is under way.
    fn is_ready(&self, _: &Question) -> bool {
        true
    }
}

type Gathering<'a> = Pin<Box<dyn Future<Output = Gathered> + 'a>>;

/// What came of looking.
struct Gathered {
    attestations: Vec<Vec<u8>>,
    outcome: Outcome,
    reach: Reach,
}

/// Whether it is of use to ask the same endpoint about something else now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It answers, be it that it is in trouble with this package.
    Within,
    /// Nobody is there, or time ran out.
    Out,
    /// It wants to be left alone for so long.
    Busy(Duration),
}
