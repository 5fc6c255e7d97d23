//! How many rebuilders must confirm, and which.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{GroupName, RebuilderName, Threshold};

/// The rebuilders that must confirm a file before it passes, and their number. A requirement can
/// always be met if all rebuilders confirm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    threshold: Threshold,
    counted: BTreeSet<RebuilderName>,
    required: BTreeSet<RebuilderName>,
    groups: BTreeMap<GroupName, GroupQuota>,
    on_conflict: OnConflict,
}

/// The number of confirmations that must come from within a group of rebuilders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupQuota {
    /// The number of its members that must confirm
    pub threshold: Threshold,
    /// Its members; in a [`Requirement`] only those whose votes count
    pub members: BTreeSet<RebuilderName>,
}

/// The confirmations from within a group of rebuilders, beside those that must come from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCount {
    /// The group
    pub group: GroupName,
    /// The number of its members that confirm
    pub confirmed: usize,
    /// The number of its members that must confirm
    pub needed: Threshold,
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
    /// More members of a group must confirm than count.
    #[error("group {group} must give {}, but has only {}", confirmations(.needed), shown(*.counted))]
    GroupTooSmall {
        /// The group
        group: GroupName,
        /// The number of confirmations that was asked for.
        needed: Threshold,
        /// The number of its members that could vote.
        counted: usize,
    },
}

fn confirmations(threshold: &Threshold) -> String {
    match threshold.count() {
        1 => "1 confirmation".to_owned(),
        count => format!("{count} confirmations"),
    }
}

/// Rebuilders whose vote counts, by their number.
fn shown(counted: usize) -> String {
    match counted {
        1 => "1 rebuilder that counts".to_owned(),
        counted => format!("{counted} rebuilders that count"),
    }
}

impl Requirement {
    /// At least `threshold` of the rebuilders `counted` must confirm. All of `required` must be
    /// among them, and from within each of `groups` as many as it says. A rebuilder that is in
    /// several groups is one confirmation in each of them.
    ///
    /// # Errors
    /// Every reason why this could never be met.
    pub fn new(
        threshold: Threshold,
        counted: BTreeSet<RebuilderName>,
        required: BTreeSet<RebuilderName>,
        groups: BTreeMap<GroupName, GroupQuota>,
        on_conflict: OnConflict,
    ) -> Result<Self, Vec<RequirementError>> {
        let groups: BTreeMap<_, _> =
            groups.into_iter().map(|(name, quota)| (name, quota.among(&counted))).collect();
        let mut errors: Vec<_> = required
            .difference(&counted)
            .cloned()
            .map(RequirementError::RequiredNotCounted)
            .collect();
        if !threshold.is_met_by(counted.len()) {
            errors.push(RequirementError::ThresholdTooHigh { threshold, counted: counted.len() });
        }
        for (group, GroupQuota { threshold, members }) in &groups {
            let (group, needed, counted) = (group.clone(), *threshold, members.len());
            if !needed.is_met_by(counted) {
                errors.push(RequirementError::GroupTooSmall { group, needed, counted });
            }
        }
        if errors.is_empty() {
            Ok(Self { threshold, counted, required, groups, on_conflict })
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

    /// The groups from within which confirmations must come, with their members that count.
    #[must_use]
    pub const fn groups(&self) -> &BTreeMap<GroupName, GroupQuota> {
        &self.groups
    }

    /// The confirmations from within each group that must give some.
    pub fn by_group(
        &self,
        confirming: &BTreeSet<&RebuilderName>,
    ) -> impl Iterator<Item = GroupCount> {
        self.groups.iter().map(|(group, quota)| {
            let votes = confirming.iter().filter(|name| quota.members.contains(**name));
            let (group, needed) = (group.clone(), quota.threshold);
            GroupCount { group, confirmed: votes.count(), needed }
        })
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
            && self.by_group(confirming).all(|it| it.is_enough())
    }
}

impl GroupQuota {
    /// The same for those of its members that are among these.
    fn among(self, counted: &BTreeSet<RebuilderName>) -> Self {
        let members = self.members.intersection(counted).cloned().collect();
        Self { members, ..self }
    }
}

impl GroupCount {
    /// Returns true when enough members of the group confirm.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.needed.is_met_by(self.confirmed)
    }

    /// The number of confirmations that are missing.
    #[must_use]
    pub fn missing(&self) -> u32 {
        self.needed.count().saturating_sub(u32::try_from(self.confirmed).unwrap_or(u32::MAX))
    }
}
