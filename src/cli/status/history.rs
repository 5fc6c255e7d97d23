//! What the receipts tell: who was heard, what was refused, and what is installed without a
//! quorum.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use serde::Serialize;

use crate::audit::{System, SystemError};
use crate::receipt::{self, Decided};
use crate::types::{Identity, Timestamp, printable};

/// How many events of a kind are shown.
const SHOWN: usize = 3;

/// How many of the newest decisions tell how well an operator does.
const RECENT: usize = 100;

/// What receipts tell about operators and decisions.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) heard: BTreeMap<String, Heard>,
    /// The newest last
    pub(super) refusals: VecDeque<Event>,
    /// The newest last
    pub(super) conflicts: VecDeque<Event>,
    recent: VecDeque<BTreeMap<String, String>>,
}

/// What was heard from an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Heard {
    /// When something of it was used or it answered last
    pub(super) last: Option<Timestamp>,
    /// How many of the newest packages it confirmed
    pub(super) confirmed: usize,
    /// How many those are
    pub(super) of: usize,
}

/// Something that people should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Event {
    pub(super) time: Timestamp,
    /// Where it was seen
    pub(super) entrance: String,
    /// The package, or the file if it is none
    pub(super) what: String,
    pub(super) why: String,
}

/// How many installed packages are debt, by their receipts alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Debt {
    pub(super) installed: usize,
    /// Let in without a quorum
    pub(super) without_quorum: usize,
    /// Not let in by the gate, as far as receipts tell
    pub(super) without_receipt: usize,
}

impl History {
    /// Reads the receipts below `state`. Without any, there is no history.
    ///
    /// Who was heard tell those of root's entrances alone. What was refused on the way, the method
    /// wrote down, as a user who is not root: good enough to be shown.
    pub(super) fn read(state: &Path) -> Self {
        let mut history = Self::default();
        let mut on_the_way = Self::default();
        for (it, path) in [
            (&mut history, receipt::DECIDED_BY_ROOT),
            (&mut on_the_way, receipt::DECIDED_BY_METHOD),
        ] {
            if let Some(file) = receipt::open(&state.join(path)) {
                receipt::decided(file, |decided| it.add(decided));
            }
        }
        history.count();
        history.refusals = newest(history.refusals, on_the_way.refusals);
        history.conflicts = newest(history.conflicts, on_the_way.conflicts);
        history
    }

    fn add(&mut self, it: Decided) {
        let what = match (it.package, it.version, it.architecture) {
            (Some(package), Some(version), Some(architecture)) => {
                Identity { package, version, architecture }.to_string()
            }
            _ => printable(&it.path).to_string(),
        };
        for (name, standing) in &it.operators {
            if !matches!(standing.kind.as_str(), "unreachable" | "pending" | "not-asked") {
                self.heard.entry(name.clone()).or_default().last = Some(it.time);
            }
        }
        let entrance = printable(&it.entrance).to_string();
        let event = |why: String| Event {
            time: it.time,
            entrance: entrance.clone(),
            what: what.clone(),
            why,
        };
        if it.decision == "refuse" {
            let why = it.reason.map_or_else(String::new, |it| printable(&it.text).to_string());
            keep(&mut self.refusals, event(why), SHOWN);
        }
        if let Some(claim) = it.conflicts.first() {
            let operator = printable(&claim.operator);
            let why = format!("{operator} signed a different file under this name");
            keep(&mut self.conflicts, event(why), SHOWN);
        }
        let kinds = it.operators.into_iter().map(|(name, it)| (name, it.kind)).collect();
        keep(&mut self.recent, kinds, RECENT);
    }

    fn count(&mut self) {
        for (name, kind) in self.recent.iter().flatten() {
            let heard = self.heard.entry(name.clone()).or_default();
            heard.of += 1;
            heard.confirmed += usize::from(kind == "confirms");
        }
    }
}

/// The newest of both, each package once.
fn newest(one: VecDeque<Event>, other: VecDeque<Event>) -> VecDeque<Event> {
    let mut all: Vec<Event> = one.into_iter().chain(other).collect();
    all.sort_by_key(|it| it.time);
    let mut kept: VecDeque<Event> = VecDeque::new();
    for it in all {
        kept.retain(|before| (&before.what, &before.why) != (&it.what, &it.why));
        keep(&mut kept, it, SHOWN);
    }
    kept
}

fn keep<T>(newest: &mut VecDeque<T>, it: T, most: usize) {
    newest.push_back(it);
    if newest.len() > most {
        newest.pop_front();
    }
}

/// Counts what is installed without a quorum. Whether one has come since, an audit tells.
pub(super) fn debt(system: &System) -> Result<Debt, SystemError> {
    let installed = system.installed()?;
    let identities: BTreeSet<&Identity> = installed.iter().map(|it| &it.identity).collect();
    let admitted = system.admitted(|it| identities.contains(it))?;
    let mut debt = Debt { installed: installed.len(), without_quorum: 0, without_receipt: 0 };
    for it in &installed {
        match admitted.get(&it.identity) {
            None => debt.without_receipt += 1,
            Some(it) if it.basis != "quorum" => debt.without_quorum += 1,
            Some(_) => {}
        }
    }
    Ok(debt)
}
