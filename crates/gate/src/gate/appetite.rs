//! How much of one operator's attestations a run takes in.
//!
//! An attestation may have 1 MiB, and those of all packages of a run are in memory together. One
//! operator that signs that much for every package would else take gigabytes of root's memory. So each
//! operator has a share of a run, far more than an honest one needs, and past that is one that could not
//! be heard.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// How many bytes are taken of an operator, in all of a run of one entrance. Links of rebuilderd have
/// 1 kB; the largest, of the packages with the most binaries, 200.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// What was taken of each operator.
#[derive(Debug, Default)]
pub(super) struct Appetite(Mutex<BTreeMap<String, usize>>);

impl Appetite {
    /// Whether so many bytes more of this operator are taken in. The name is empty for what nobody is
    /// known to have signed.
    pub(super) fn takes(&self, operator: &str, bytes: usize) -> bool {
        let mut taken = self.0.lock().unwrap_or_else(|lock| lock.into_inner());
        let taken = taken.entry(operator.to_owned()).or_default();
        let more = taken.saturating_add(bytes);
        let fits = more <= MOST;
        if fits {
            *taken = more;
        }
        fits
    }
}

/// What is said of an operator of which no more is taken in.
pub(super) fn explain() -> String {
    format!("sends too much: more than {} MiB of attestations in this run", MOST >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_share_and_nobody_anothers() {
        let appetite = Appetite::default();
        assert!(appetite.takes("a", MOST - 1));
        assert!(!appetite.takes("a", 2), "too much");
        assert!(appetite.takes("a", 1), "what fits is taken");
        assert!(!appetite.takes("a", 1));
        assert!(appetite.takes("b", MOST));
        assert!(appetite.takes("", 1));
    }
}
