//! The number of rebuilders that must confirm: the proposal, and the numbers that are impossible.

use std::collections::BTreeSet;

use super::machine::LocalMachine;
use crate::cli::output::counted;
use crate::cli::world::is_valid;
use crate::config::Config;
use crate::types::{Architecture, RebuilderName, Threshold, Timestamp};

/// The rebuilders that could confirm packages on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Voters {
    /// The number of rebuilders for each of the machine's architectures
    of_each: Vec<(Architecture, usize)>,
}

impl Voters {
    /// Counts the rebuilders that have a key that is good now and are asked about the architecture.
    /// A rebuilder without any endpoint counts too: it confirms by attestations that are
    /// imported.
    pub(super) fn of(config: &Config, machine: &LocalMachine, now: Timestamp) -> Self {
        let keys = config.policy.keys().iter().filter(|it| is_valid(it, now));
        let able: BTreeSet<&RebuilderName> = keys.map(|it| &it.rebuilder).collect();
        let covers = |name: &RebuilderName, architecture: &Architecture| {
            let mut own = config.endpoints.iter().filter(|it| it.rebuilder == *name).peekable();
            own.peek().is_none() || own.any(|it| it.covers(architecture))
        };
        let count = |architecture: &Architecture| {
            able.iter().filter(|name| covers(name, architecture)).count()
        };
        let each = machine.judged_architectures().into_iter();
        Self { of_each: each.map(|it| (it.clone(), count(&it))).collect() }
    }

    /// Returns the smallest number of rebuilders for one architecture. Passes over architectures
    /// that have none; returns 0 if all are such.
    pub(super) fn count(&self) -> usize {
        let counts = self.of_each.iter().map(|(_, count)| *count);
        counts.filter(|count| *count > 0).min().unwrap_or_default()
    }

    /// Returns true if the rebuilders are too few for any package to pass.
    pub(super) fn are_too_few_for(&self, threshold: Threshold) -> bool {
        !self.of_each.iter().any(|(_, count)| threshold.is_met_by(*count))
    }

    /// Returns the remarks on a threshold: a line each.
    pub(super) fn remarks(&self, threshold: Threshold) -> Vec<String> {
        let mut remarks = Vec::new();
        for (architecture, count) in &self.of_each {
            if !threshold.is_met_by(*count) {
                let able = match count {
                    0 => "no rebuilder".to_owned(),
                    _ => format!("only {}", counted(*count, "rebuilder")),
                };
                remarks.push(format!(
                    "no package of the architecture {architecture} can pass: {able} can confirm those"
                ));
            }
        }
        let count = self.count();
        let needed = usize::try_from(threshold.count()).unwrap_or(usize::MAX);
        if count == 1 {
            remarks.push("one rebuilder is not a quorum: it decides alone, and you trust it as much as the repository".to_owned());
        } else if needed == count {
            remarks.push(format!(
                "all {count} must confirm, so one silent or slow rebuilder blocks every package"
            ));
        } else if needed.saturating_mul(2) <= count {
            remarks.push(format!(
                "{needed} of {count} is not a majority: the others may disagree and do not count"
            ));
        }
        remarks
    }
}

/// Returns more than half of the voters, and fewer than all where that is possible.
pub(super) fn proposal(voters: usize) -> u32 {
    u32::try_from(voters / 2).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proposed_is_more_than_half_and_from_three_on_fewer_than_all() {
        for (voters, expected) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (9, 5)] {
            let proposed = proposal(voters);
            assert_eq!(proposed, expected);
            let proposed = usize::try_from(proposed).unwrap();
            assert!(proposed * 2 > voters && (voters < 3 || proposed < voters));
        }
    }

    fn voters(counts: &[(&str, usize)]) -> Voters {
        let each = counts.iter().map(|(name, count)| (name.parse().unwrap(), *count));
        Voters { of_each: each.collect() }
    }

    #[test]
    fn what_blocks_or_decides_alone_is_said() {
        let threshold = |count: i64| Threshold::try_from(count).unwrap();
        let said = |voters: &Voters, count| voters.remarks(threshold(count)).join("; ");
        let three = voters(&[("amd64", 3), ("all", 3)]);
        assert_eq!((three.count(), said(&three, 2).as_str()), (3, ""));
        assert!(said(&three, 3).contains("all 3 must confirm, so one silent"));
        assert!(said(&three, 1).contains("1 of 3 is not a majority"));
        let two = voters(&[("amd64", 2), ("all", 2)]);
        assert!(said(&two, 2).contains("all 2 must confirm"));
        let one = voters(&[("amd64", 1), ("all", 1)]);
        assert!(said(&one, 1).contains("is not a quorum"));
        assert!(one.are_too_few_for(threshold(2)));
        // No rebuilder is asked about packages of every architecture.
        let half = voters(&[("amd64", 3), ("all", 0)]);
        assert_eq!((half.count(), half.are_too_few_for(threshold(2))), (3, false));
        assert!(said(&half, 2).contains("architecture all can pass: no rebuilder can"));
    }
}
