//! How many rebuilders must confirm, and which.

use std::collections::BTreeSet;

use crate::types::{RebuilderName, Threshold};

/// The rebuilders that must confirm a file before it passes, and their number. A requirement can
/// always be met if all rebuilders confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    threshold: Threshold,
    counted: BTreeSet<RebuilderName>,
    required: BTreeSet<RebuilderName>,
    on_conflict: OnConflict,
}

/// The effect of a conflict (a trusted rebuilder signed another file under this name).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It is shown and recorded; the threshold decides.
    Warn,
    /// It refuses the file.
    Refuse,
}

/// A requirement that could never be met, or that does not say what it seems to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequirementError {
    /// More rebuilders must confirm than count.
    #[error("threshold {} is more than the {} here", .threshold.count(), shown(*.counted))]
    ThresholdTooHigh {
        /// The threshold that was asked for.
        threshold: Threshold,
        /// The number of rebuilders that could vote.
        counted: usize,
    },
    /// A required rebuilder whose vote would not count.
    #[error("rebuilder {0} is required, but does not count here")]
    RequiredNotCounted(RebuilderName),
}

/// Rebuilders whose vote counts, by their number.
fn shown(counted: usize) -> String {
    match counted {
        1 => "1 rebuilder that counts".to_owned(),
        counted => format!("{counted} rebuilders that count"),
    }
}

impl Requirement {
    /// At least `threshold` of the rebuilders `counted` must confirm, and all of `required` must
    /// be among them.
    ///
    /// # Errors
    /// Every reason why this could never be met.
    pub fn new(
        threshold: Threshold,
        counted: BTreeSet<RebuilderName>,
        required: BTreeSet<RebuilderName>,
        on_conflict: OnConflict,
    ) -> Result<Self, Vec<RequirementError>> {
        let mut errors: Vec<_> = required
            .difference(&counted)
            .cloned()
            .map(RequirementError::RequiredNotCounted)
            .collect();
        if !threshold.is_met_by(counted.len()) {
            errors.push(RequirementError::ThresholdTooHigh { threshold, counted: counted.len() });
        }
        if errors.is_empty() {
            Ok(Self { threshold, counted, required, on_conflict })
        } else {
            Err(errors)
        }
    }

    /// The number of rebuilders that must confirm.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The rebuilders whose votes count.
    #[must_use]
    pub const fn counted(&self) -> &BTreeSet<RebuilderName> {
        &self.counted
    }

    /// The rebuilders that must be among those that confirm.
    #[must_use]
    pub const fn required(&self) -> &BTreeSet<RebuilderName> {
        &self.required
    }

    /// The effect of a conflict.
    #[must_use]
    pub const fn on_conflict(&self) -> OnConflict {
        self.on_conflict
    }

    /// Returns true when these rebuilders are enough. Votes are counted nowhere else.
    ///
    /// `confirming` is a set, so that no rebuilder is counted twice, however many keys, endpoints,
    /// attestations or signatures it has.
    #[must_use]
    pub fn is_met_by(&self, confirming: &BTreeSet<&RebuilderName>) -> bool {
        let votes = confirming.iter().filter(|name| self.counted.contains(**name)).count();
        self.threshold.is_met_by(votes)
            && self.required.iter().all(|name| confirming.contains(name))
    }
}
