//! How much of one operator's attestations a run takes in.
//!
//! An attestation may have 1 MiB, and those of all packages of a run are in memory together. One
//! operator that signs that much for every package would else take gigabytes of root's memory. So each
//! operator has a share of a run, far more than an honest one needs, and past that is one that could not
//! be heard. The same holds for the time that it takes to verify them: an attestation with many
//! signatures of nobody's is small, and takes long.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::attest::MAX_CHECKS_OF_ONE;

/// How many bytes are taken of an operator, in all of a run of one entrance. Links of rebuilderd have
/// 1 kB; the largest, of the packages with the most binaries, 200.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// What was taken of each operator.
#[derive(Debug, Default)]
pub(super) struct Appetite(Mutex<BTreeMap<String, Taken>>);

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    /// Verifications of signatures
    checks: usize,
}

impl Appetite {
    /// Takes so many bytes more of this operator. The name is empty for what nobody is known to have
    /// signed.
    ///
    /// # Errors
    /// What is said of one of which no more is taken in.
    pub(super) fn take(&self, operator: &str, bytes: usize) -> Result<(), String> {
        let mut all = self.all();
        let taken = all.entry(operator.to_owned()).or_default();
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

    /// Has `verify` verify something of this operator's, with as many verifications as are left to it.
    ///
    /// # Errors
    /// What is said of one that has none left.
    pub(super) fn verify<T>(
        &self,
        operator: &str,
        verify: impl FnOnce(&Cell<usize>) -> T,
    ) -> Result<T, String> {
        let spent = self.all().get(operator).map_or(0, |it| it.checks);
        let before = MAX_CHECKS_OF_ONE.saturating_sub(spent);
        let left = Cell::new(before);
        // Others may verify something at the same time, who need not wait.
        let result = (before > 0).then(|| verify(&left));
        let spent = before.saturating_sub(left.get());
        let mut all = self.all();
        let taken = all.entry(operator.to_owned()).or_default();
        taken.checks = taken.checks.saturating_add(spent);
        result.filter(|_| left.get() > 0).ok_or_else(explain_checks)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Taken>> {
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
