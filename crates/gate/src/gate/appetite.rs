//! The limit for one rebuilder's attestations in a run.
//!
//! An attestation may have 1 MiB, and those of all packages of a run are in memory together. If one
//! rebuilder signed that much for every package, it would take gigabytes of root's memory. So each
//! rebuilder has a share of a run, far more than an honest one needs. A rebuilder past its share
//! counts as one that could not be heard. The time for verification is limited in the same way: an
//! attestation with many signatures by unknown keys is small, but takes long to verify.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::attest::MAX_CHECKS_OF_ONE;

/// Most bytes that are taken of a rebuilder, in all of a run of one hook, method or command. Links
/// of rebuilderd have 1 kB; the largest, of the packages with the most binaries, 200 kB.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// The amounts that were taken of each rebuilder.
#[derive(Debug, Default)]
pub(super) struct Appetite(Mutex<BTreeMap<String, TakenOfOne>>);

#[derive(Debug, Default)]
struct TakenOfOne {
    bytes: usize,
    /// Verifications of signatures
    checks: usize,
}

impl Appetite {
    /// Takes so many bytes more of this rebuilder. The name is empty if the signer is unknown.
    ///
    /// # Errors
    /// The message about a rebuilder of which no more is taken.
    pub(super) fn take(&self, rebuilder: &str, bytes: usize) -> Result<(), String> {
        let mut all = self.all();
        let taken = all.entry(rebuilder.to_owned()).or_default();
        if taken.checks >= MAX_CHECKS_OF_ONE {
            return Err(explain_checks());
        }
        let more = taken.bytes.saturating_add(bytes);
        if more > MOST {
            return Err(explain_bytes());
        }
        taken.bytes = more;
        Ok(())
    }

    /// Runs `verify` on an attestation of this rebuilder's, with the remaining number of
    /// verifications.
    ///
    /// # Errors
    /// The message about a rebuilder that has none left.
    pub(super) fn verify<T>(
        &self,
        rebuilder: &str,
        verify: impl FnOnce(&Cell<usize>) -> T,
    ) -> Result<T, String> {
        let spent = self.all().get(rebuilder).map_or(0, |it| it.checks);
        let before = MAX_CHECKS_OF_ONE.saturating_sub(spent);
        let left = Cell::new(before);
        // Other threads may verify at the same time and need not wait.
        let result = (before > 0).then(|| verify(&left));
        let spent = before.saturating_sub(left.get());
        let mut all = self.all();
        let taken = all.entry(rebuilder.to_owned()).or_default();
        taken.checks = taken.checks.saturating_add(spent);
        result.filter(|_| left.get() > 0).ok_or_else(explain_checks)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, TakenOfOne>> {
        self.0.lock().unwrap_or_else(|lock| lock.into_inner())
    }
}

fn explain_bytes() -> String {
    format!("sends too much: more than {} MiB of attestations in this run", MOST >> 20)
}

fn explain_checks() -> String {
    format!("sends too much: more than {MAX_CHECKS_OF_ONE} signatures to verify in this run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_share_and_nobody_anothers() {
        let appetite = Appetite::default();
        let takes = |name, bytes| appetite.take(name, bytes).is_ok();
        assert!(takes("a", MOST - 1));
        assert!(!takes("a", 2), "too much");
        assert!(takes("a", 1), "what fits is taken");
        assert!(!takes("a", 1));
        assert!(takes("b", MOST));
        assert!(takes("", 1));
    }

    #[test]
    fn who_needs_too_many_verifications_is_verified_no_more() {
        let appetite = Appetite::default();
        let spend = |name, checks: usize| {
            let verify = |left: &Cell<usize>| left.set(left.get().saturating_sub(checks));
            appetite.verify(name, verify).is_ok()
        };
        assert!(spend("a", MAX_CHECKS_OF_ONE - 1));
        assert!(spend("a", 0));
        assert!(!spend("a", 1), "perhaps it was cut short");
        assert!(!spend("a", 0) && appetite.take("a", 1).is_err());
        assert!(spend("b", 1) && appetite.take("b", 1).is_ok());
    }
}
