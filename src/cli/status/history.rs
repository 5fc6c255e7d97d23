//! The history in the receipts: the rebuilders that were heard, the refusals, and the packages that
//! are installed without a quorum.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use serde::Serialize;

use crate::audit::{System, SystemError};
use crate::deb822::status::Installed;
use crate::receipt::{self, Decided, DecidedStanding};
use crate::types::{Identity, Sha256Digest, Timestamp, printable};

/// Most events of a kind that are shown.
const SHOWN: usize = 3;

/// The number of the newest decisions that tell how well a rebuilder does.
const RECENT: usize = 100;

/// The history of rebuilders and decisions.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) heard: BTreeMap<String, Heard>,
    /// The newest last
    pub(super) refusals: VecDeque<PastEvent>,
    /// The newest last
    pub(super) conflicts: VecDeque<PastEvent>,
    /// The newest decision on each of the newest files, the newest last
    recent: VecDeque<Seen>,
    /// The time of the first decision on each file
    first: BTreeMap<Sha256Digest, Timestamp>,
    /// By rebuilder, the time at which it was first seen to confirm each file
    confirmed: BTreeMap<String, BTreeMap<Sha256Digest, Timestamp>>,
}

/// A file that was decided on.
#[derive(Debug)]
struct Seen {
    /// The package, or the file if it is none
    what: String,
    sha256: Option<Sha256Digest>,
    /// The answer of each rebuilder, by its name
    rebuilders: BTreeMap<String, Stood>,
}

/// The answer of a rebuilder, as far as it tells how far its rebuilds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stood {
    /// It signed the very file.
    Confirms,
    /// It has rebuilt the package, and got something else or did not sign.
    Rebuilt,
    /// It answered, and has no result that could be read.
    NotYet,
    /// It was not heard.
    Silent,
}

/// The answers of one rebuilder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Heard {
    /// The last time at which something of it was used, or at which it answered
    pub(super) last: Option<Timestamp>,
    /// The number of the newest packages that it confirmed
    pub(super) confirmed: usize,
    /// The number of those newest packages
    pub(super) of: usize,
    /// The number of packages in `answered` that it had rebuilt, with whatever result
    pub(super) rebuilt: usize,
    /// The number of the newest packages that it was heard about
    pub(super) answered: usize,
    /// The median delay, in seconds, over the packages that it confirmed; none if there are none.
    /// It lasts from the first decision on the file here until the rebuilder was first seen to
    /// confirm it
    pub(super) lag: Option<i64>,
}

/// Something that people should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PastEvent {
    pub(super) time: Timestamp,
    /// The entrance at which it was seen
    pub(super) entrance: String,
    /// The package, or the file if it is none
    pub(super) what: String,
    pub(super) why: String,
}

/// The number of installed packages that are debt, by their receipts alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Debt {
    pub(super) installed: usize,
    /// Packages that were let in without a quorum
    pub(super) without_quorum: usize,
    /// Packages that the gate did not let in, as far as receipts tell
    pub(super) without_receipt: usize,
}

impl History {
    /// Reads the receipts below `state`. Without any, there is no history.
    ///
    /// Only the receipts of root's entrances tell which rebuilders were heard. The refusals while
    /// apt downloads come from the method's receipts. The method runs as a user who is not root, so
    /// these receipts are good enough only to be shown.
    pub(super) fn read(state: &Path) -> Self {
        let mut history = Self::default();
        let mut on_the_way = Self::default();
        if let Some(file) = receipt::open(&state.join(receipt::DECIDED_BY_ROOT)) {
            receipt::decided(file, |decided| history.add(decided));
        }
        if let Some(file) = receipt::open(&state.join(receipt::DECIDED_BY_METHOD)) {
            // The rebuilders in those receipts could be any, in any number.
            receipt::decided(file, |decided| on_the_way.add_events(&decided));
        }
        history.count();
        history.refusals = newest(history.refusals, on_the_way.refusals);
        history.conflicts = newest(history.conflicts, on_the_way.conflicts);
        history
    }

    fn add(&mut self, it: Decided) {
        self.add_events(&it);
        let what = what(&it);
        let mut rebuilders = BTreeMap::new();
        for (name, standing) in it.rebuilders {
            let stood = Stood::of(&standing);
            if stood != Stood::Silent {
                self.heard.entry(name.clone()).or_default().last = Some(it.time);
            }
            if let (Stood::Confirms, Some(sha256)) = (stood, it.sha256) {
                let confirmed = self.confirmed.entry(name.clone()).or_default();
                confirmed.entry(sha256).or_insert(it.time);
            }
            rebuilders.insert(name, stood);
        }
        if let Some(sha256) = it.sha256 {
            self.first.entry(sha256).or_insert(it.time);
        }
        // A file that is refused every day until it is confirmed counts once, as it is now.
        // Before apt's question there is no file yet, and so no SHA-256.
        self.recent.retain(|before| {
            let same = before.sha256 == it.sha256 || before.sha256.is_none() || it.sha256.is_none();
            before.what != what || !same
        });
        keep(&mut self.recent, Seen { what, sha256: it.sha256, rebuilders }, RECENT);
    }

    /// Adds the events of a decision that people should see, and nothing else.
    fn add_events(&mut self, it: &Decided) {
        let event = |why: String| PastEvent {
            time: it.time,
            entrance: printable(&it.entrance).to_string(),
            what: what(it),
            why,
        };
        if it.decision == "refuse" {
            let why = it.reason.as_ref();
            let why = why.map_or_else(String::new, |it| printable(&it.text).to_string());
            keep(&mut self.refusals, event(why), SHOWN);
        }
        if let Some(claim) = it.conflicts.first() {
            let rebuilder = printable(&claim.rebuilder);
            let why = format!("{rebuilder} signed a different file under this name");
            keep(&mut self.conflicts, event(why), SHOWN);
        }
    }

    fn count(&mut self) {
        let mut lags: BTreeMap<&String, Vec<i64>> = BTreeMap::new();
        for seen in &self.recent {
            for (name, stood) in &seen.rebuilders {
                let heard = self.heard.entry(name.clone()).or_default();
                heard.of += 1;
                heard.confirmed += usize::from(*stood == Stood::Confirms);
                heard.rebuilt += usize::from(matches!(stood, Stood::Confirms | Stood::Rebuilt));
                heard.answered += usize::from(*stood != Stood::Silent);
                let Some(sha256) = seen.sha256.filter(|_| *stood == Stood::Confirms) else {
                    continue;
                };
                let first = self.first.get(&sha256);
                let confirmed = self.confirmed.get(name).and_then(|it| it.get(&sha256));
                if let (Some(first), Some(confirmed)) = (first, confirmed) {
                    // Not negative, whatever the clock did.
                    let lag = (confirmed.as_unix() - first.as_unix()).max(0);
                    lags.entry(name).or_default().push(lag);
                }
            }
        }
        for (name, mut lags) in lags {
            lags.sort_unstable();
            if let Some(heard) = self.heard.get_mut(name) {
                heard.lag = lags.get(lags.len() / 2).copied();
            }
        }
    }
}

/// Returns the subject of a decision: the package, or the file if it is none.
fn what(it: &Decided) -> String {
    match (&it.package, &it.version, &it.architecture) {
        (Some(package), Some(version), Some(architecture)) => {
            let (package, version) = (package.clone(), version.clone());
            Identity { package, version, architecture: architecture.clone() }.to_string()
        }
        _ => printable(&it.path).to_string(),
    }
}

impl Stood {
    fn of(standing: &DecidedStanding) -> Self {
        match (standing.kind.as_str(), standing.status.as_deref()) {
            ("confirms", _) => Self::Confirms,
            ("signed-another", _) | ("says", Some("good" | "bad")) => Self::Rebuilt,
            ("unreachable" | "pending" | "not-asked", _) => Self::Silent,
            _ => Self::NotYet,
        }
    }
}

/// Returns the newest of both, each package once.
fn newest(one: VecDeque<PastEvent>, other: VecDeque<PastEvent>) -> VecDeque<PastEvent> {
    let mut all: Vec<PastEvent> = one.into_iter().chain(other).collect();
    all.sort_by_key(|it| it.time);
    let mut kept: VecDeque<PastEvent> = VecDeque::new();
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

/// Counts the packages that are installed without a quorum. An audit tells if one has come since.
pub(super) fn debt(system: &System) -> Result<Debt, SystemError> {
    let installed = system.installed()?;
    let identities: BTreeSet<&Identity> =
        installed.iter().filter_map(Installed::identity).collect();
    let admitted = system.admitted(|it| identities.contains(it))?;
    let mut debt = Debt { installed: installed.len(), without_quorum: 0, without_receipt: 0 };
    for it in &installed {
        match it.identity().and_then(|it| admitted.get(it)) {
            None => debt.without_receipt += 1,
            Some((_, it)) if it.basis != "quorum" => debt.without_quorum += 1,
            Some(_) => {}
        }
    }
    Ok(debt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line of receipts with the word of one rebuilder about the file `sha256`.
    fn line(time: &str, file: u8, standing: &str) -> String {
        format!(
            r#"{{"time":"2026-01-{time}Z","path":"/x.deb","decision":"refuse","package":"p{file}","version":"1","architecture":"all","sha256":"{}","rebuilders":{{"alpha":{{{standing}}}}}}}"#,
            Sha256Digest::from_bytes([file; 32])
        )
    }

    fn heard(lines: &[String]) -> Heard {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("receipts")).unwrap();
        std::fs::write(state.path().join(receipt::DECIDED_BY_ROOT), lines.join("\n")).unwrap();
        History::read(state.path()).heard["alpha"]
    }

    const CONFIRMS: &str = r#""kind":"confirms""#;
    const UNKNOWN: &str = r#""kind":"unknown""#;

    #[test]
    fn who_has_rebuilt_is_told_from_who_has_not_and_from_who_was_silent() {
        let all = [
            CONFIRMS,
            r#""kind":"signed-another""#,
            r#""kind":"says","status":"bad""#,
            r#""kind":"says","status":"good""#,
            r#""kind":"says","status":"not-built""#,
            UNKNOWN,
            r#""kind":"unreachable""#,
            r#""kind":"pending""#,
        ];
        let lines: Vec<String> = (1..).zip(all).map(|(n, it)| line("01T00:00:00", n, it)).collect();
        let heard = heard(&lines);
        assert_eq!((heard.confirmed, heard.of), (1, 8));
        assert_eq!((heard.rebuilt, heard.answered), (4, 6));
    }

    #[test]
    fn the_lag_is_from_the_first_decision_on_a_file_to_the_first_that_was_confirmed() {
        // The first: after three days, and the third decision says nothing new.
        let first =
            [("01T00:00:00", UNKNOWN), ("04T00:00:00", CONFIRMS), ("09T00:00:00", CONFIRMS)];
        let mut lines: Vec<String> = first.map(|(time, it)| line(time, 1, it)).to_vec();
        assert_eq!(heard(&lines).lag, Some(3 * 24 * 60 * 60));
        assert_eq!((heard(&lines).confirmed, heard(&lines).of), (1, 1));
        // Of two, the longer one; of three, the middle.
        lines.push(line("09T00:00:00", 2, CONFIRMS));
        assert_eq!(heard(&lines).lag, Some(3 * 24 * 60 * 60));
        lines.push(line("09T00:00:00", 3, CONFIRMS));
        assert_eq!(heard(&lines).lag, Some(0));
        // What was never confirmed has none.
        assert_eq!(heard(&[line("01T00:00:00", 1, UNKNOWN)]).lag, None);
    }

    #[test]
    fn a_file_that_waited_long_is_not_taken_for_a_new_one() {
        let mut lines = vec![line("01T00:00:00", 250, UNKNOWN)];
        lines.extend((0..200).map(|n| line("02T00:00:00", n, UNKNOWN)));
        lines.push(line("03T00:00:00", 250, CONFIRMS));
        let heard = heard(&lines);
        assert_eq!((heard.of, heard.lag), (100, Some(2 * 24 * 60 * 60)));
    }
}
