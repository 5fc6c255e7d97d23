//! The time for which a run waits for one rebuilder.
//!
//! Timeouts limit one question. A rebuilder may answer each just before its timeout, or send its
//! answers byte by byte. It could still delay a run for as long as there are questions. So each
//! rebuilder has a budget of time for all of a run: the time in which the run waits for it while
//! others have finished. Past that it rests: it gets no more questions in this run, and counts as
//! one that could not be heard.
//!
//! The clock of a rebuilder runs only while a decision waits for its answer and at least one
//! rebuilder is not waited for. If several are waited for, they share the time. So one slow rebuilder
//! delays a run by no more than its budget, whatever the run's size. If all are far away, as behind
//! a slow line, none counts as slow. A rebuilder without an endpoint, or one that rests, is no
//! measure for the others: otherwise one that hangs would make all others rest behind a slow line.
//! This applies as long as those who are left could be enough. The answer of too few of them
//! decides nothing, and does not justify that the others rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::config::{Config, Protocol};
use crate::policy::{Mode, Requirement};
use crate::types::RebuilderName;

/// The interval at which the run checks for which rebuilders it waits.
pub const TICK: Duration = Duration::from_millis(100);

/// The time that may pass before a used-up budget is noticed and acted on. It is subtracted, so
/// that a run takes no longer than the budget because of one rebuilder.
const NOTICE: Duration = Duration::from_millis(200);

/// The budget of a rebuilder in a run without a waiting person, or in one that cannot end without
/// it: a command like `apt-quorum audit`, or a rule that cannot be met without this rebuilder.
const LONG: Duration = Duration::from_secs(60);

/// The kind of run, which determines the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// The hook before the prompt, or dpkg's hook: later hooks do not have the time that it uses
    /// up.
    First,
    /// The method. The hook after it cannot trust its statements about itself, so the two share the
    /// budget of a run by constants.
    Method,
    /// The hook.
    Hook,
    /// A command that a person started.
    Command,
}

impl Haste {
    const fn budget(self) -> Duration {
        match self {
            Self::First => Duration::from_secs(5),
            Self::Method => Duration::from_secs(2),
            Self::Hook => Duration::from_secs(3),
            Self::Command => LONG,
        }
    }
}

/// The times that rebuilders have used up in a run, and their budgets.
#[derive(Debug)]
pub struct Patience {
    budgets: BTreeMap<RebuilderName, Duration>,
    used: BTreeMap<RebuilderName, Duration>,
    /// The rebuilders that are neither asked nor waited for any more
    resting: BTreeSet<RebuilderName>,
    /// The number of rebuilders that can be enough by some rule. None if all files pass without any
    enough: usize,
    /// The requirements, where each of them has groups
    groups: Vec<Requirement>,
    looked: Instant,
}

impl Patience {
    /// Reads the budgets from a configuration, for one kind of run.
    pub(super) fn of(config: Option<&Config>, haste: Haste) -> Self {
        let budget = |config: &Config, name: &RebuilderName| {
            let mut budget = haste.budget();
            // Large files come once, and the rebuilder is not to blame for a slow line.
            let large = |it: &&crate::config::Endpoint| {
                it.rebuilder == *name && (it.protocol == Protocol::Archive || it.is_bundle())
            };
            if config.endpoints.iter().any(|it| large(&it)) {
                budget = budget.max(config.timeouts.total);
            }
            if config.policy.needs(name) {
                budget = budget.max(LONG);
            }
            budget
        };
        // A rebuilder without an endpoint only has the evidence at hand.
        let of = |config: &Config| {
            let names: BTreeSet<_> = config.endpoints.iter().map(|it| &it.rebuilder).collect();
            names.into_iter().map(|name| (name.clone(), budget(config, name))).collect()
        };
        let enough = |config: &Config| {
            if config.policy.mode() == Mode::Warn {
                return Some(0);
            }
            let rules = config.policy.rules().iter().map(|it| &it.requirement);
            let all = config.policy.default_requirement().into_iter().chain(rules);
            let fewest = all.map(|it| it.threshold().count()).min()?;
            usize::try_from(fewest).ok()
        };
        let enough = config.and_then(enough);
        let groups = |config: &Config| -> Vec<Requirement> {
            let rules = config.policy.rules().iter().map(|it| &it.requirement);
            let all = || config.policy.default_requirement().into_iter().chain(rules.clone());
            let grouped = config.policy.mode() == Mode::Enforce
                && all().all(|requirement| !requirement.groups().is_empty());
            all().filter(|_| grouped).cloned().collect()
        };
        Self {
            budgets: config.map(of).unwrap_or_default(),
            used: BTreeMap::new(),
            resting: BTreeSet::new(),
            enough: enough.unwrap_or(1),
            groups: config.map(groups).unwrap_or_default(),
            looked: Instant::now(),
        }
    }

    /// Continues from the time that earlier hooks of this run have used up. Each rebuilder keeps at
    /// least `spare`.
    pub(super) fn after(
        mut self,
        used: BTreeMap<RebuilderName, Duration>,
        spare: Duration,
    ) -> Self {
        for (name, used) in used {
            let Some(budget) = self.budgets.get(&name) else { continue };
            let most = if spare.is_zero() { used } else { budget.saturating_sub(spare) };
            let used = used.min(most);
            if used.saturating_add(NOTICE) >= *budget {
                self.resting.insert(name.clone());
            }
            self.used.insert(name, used);
        }
        self
    }

    /// The times that each rebuilder has used up in this run.
    #[must_use]
    pub fn used(&self) -> &BTreeMap<RebuilderName, Duration> {
        &self.used
    }

    /// Returns the reason for which a rebuilder is not asked or waited for any more, if it has used
    /// up its budget.
    #[must_use]
    pub fn rests(&self, name: &RebuilderName) -> Option<String> {
        let used = self.used.get(name)?.saturating_add(NOTICE).as_secs();
        self.resting.contains(name).then(|| format!("slow: used up its {used} s in this run"))
    }

    /// Checks, if it is time to, for which rebuilders the run waits `now`. Returns those that have
    /// just used up their budgets, each with the reason for messages.
    pub fn look(
        &mut self,
        now: Instant,
        awaited: impl FnOnce() -> BTreeSet<RebuilderName>,
    ) -> Vec<(RebuilderName, String)> {
        let passed = now.saturating_duration_since(self.looked);
        if passed < TICK {
            return Vec::new();
        }
        self.looked = now;
        let mut awaited = awaited();
        awaited.retain(|name| self.rests(name).is_none());
        let sharing = u32::try_from(awaited.len()).unwrap_or(u32::MAX);
        let asked: BTreeSet<RebuilderName> =
            self.budgets.keys().filter(|name| self.rests(name).is_none()).cloned().collect();
        if sharing == 0 || awaited.len() >= asked.len() && asked.len() >= self.enough {
            return Vec::new();
        }
        // If more time has passed, this process was busy itself, and no rebuilder is to blame.
        let share = passed.min(2 * TICK) / sharing;
        // If the others are too few to decide and all together are enough, the awaited ones are
        // necessary and do not delay the run. A rebuilder that answers at once without a result
        // must not make them rest.
        let others = asked.len().saturating_sub(awaited.len());
        let decide = (others < self.enough && self.enough <= asked.len())
            || (!self.within_groups(asked.difference(&awaited))
                && self.within_groups(asked.iter()));
        let mut spent = Vec::new();
        for name in awaited {
            let used = self.used.entry(name.clone()).or_default();
            *used += share;
            let budget = self.budgets.get(&name).copied().unwrap_or_default();
            let budget = if decide { budget.max(LONG) } else { budget };
            if used.saturating_add(NOTICE) >= budget {
                self.resting.insert(name.clone());
                spent.extend(self.rests(&name).map(|why| (name, why)));
            }
        }
        spent
    }

    /// Returns true when these rebuilders are enough for the groups of some rule, or some rule has
    /// none.
    fn within_groups<'a>(&self, names: impl Iterator<Item = &'a RebuilderName>) -> bool {
        let names = names.collect();
        self.groups.is_empty()
            || self.groups.iter().any(|it| it.by_group(&names).all(|count| count.is_enough()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> RebuilderName {
        name.parse().unwrap()
    }

    /// Makes a patience for these rebuilders, each with five seconds.
    fn patience(names: &[&str]) -> Patience {
        let budgets = names.iter().map(|it| (name(it), Duration::from_secs(5))).collect();
        let (used, resting, looked) = (BTreeMap::new(), BTreeSet::new(), Instant::now());
        Patience { budgets, used, resting, enough: 1, groups: Vec::new(), looked }
    }

    /// Lets so many seconds pass in which these rebuilders are waited for. Returns the rebuilders
    /// that rest then.
    fn pass(patience: &mut Patience, seconds: u32, awaited: &[&str]) -> Vec<String> {
        let mut spent = Vec::new();
        for _ in 0..seconds * 10 {
            let now = patience.looked + TICK;
            let found = patience.look(now, || awaited.iter().map(|it| name(it)).collect());
            spent.extend(found.into_iter().map(|(name, _)| name.to_string()));
        }
        spent
    }

    #[test]
    fn who_is_waited_for_alone_has_five_seconds_however_often_it_answers() {
        let mut patience = patience(&["a", "b", "c"]);
        assert!(pass(&mut patience, 4, &["c"]).is_empty());
        assert!(pass(&mut patience, 100, &[]).is_empty(), "nobody is waited for");
        assert!(patience.rests(&name("c")).is_none());
        assert_eq!(pass(&mut patience, 1, &["c"]), ["c"]);
        let why = patience.rests(&name("c")).unwrap();
        assert_eq!(why, "slow: used up its 5 s in this run");
        assert!(patience.used()[&name("c")] < Duration::from_secs(5));
        assert!(pass(&mut patience, 9, &["c"]).is_empty(), "told once");
    }

    #[test]
    fn those_who_are_waited_for_together_share_the_time() {
        let mut patience = patience(&["a", "b", "c"]);
        assert!(pass(&mut patience, 9, &["b", "c"]).is_empty());
        assert_eq!(pass(&mut patience, 1, &["b", "c"]), ["b", "c"]);
    }

    #[test]
    fn where_all_are_waited_for_nobody_is_slow() {
        let mut patience = patience(&["a", "b"]);
        assert!(pass(&mut patience, 600, &["a", "b"]).is_empty());
        let mut alone = self::patience(&["a"]);
        assert!(pass(&mut alone, 600, &["a"]).is_empty());
    }

    #[test]
    fn who_rests_or_has_no_endpoint_is_no_measure_for_the_others() {
        let mut patience = patience(&["a", "b", "c"]);
        assert_eq!(pass(&mut patience, 5, &["c"]), ["c"]);
        assert!(pass(&mut patience, 600, &["a", "b"]).is_empty());
        assert!(pass(&mut patience, 600, &["a", "b", "c"]).is_empty());
        // Those who are left must be able to decide a file.
        patience.enough = 3;
        assert_eq!(pass(&mut patience, 10, &["a", "b"]), ["a", "b"]);
    }

    #[test]
    fn who_rests_makes_no_time_for_the_others() {
        let mut patience = patience(&["a", "b", "c"]);
        assert_eq!(pass(&mut patience, 5, &["c"]), ["c"]);
        assert!(pass(&mut patience, 4, &["b", "c"]).is_empty());
        assert_eq!(pass(&mut patience, 1, &["b", "c"]), ["b"]);
    }

    /// Two of three must confirm, and one answers at once that it has no result.
    #[test]
    fn where_too_few_are_left_to_decide_the_others_have_more_time() {
        let mut patience = Patience { enough: 2, ..patience(&["fast", "a", "b"]) };
        assert!(pass(&mut patience, 100, &["a", "b"]).is_empty());
        // One of them has answered all: the other one is slow, and has used up its time.
        assert_eq!(pass(&mut patience, 1, &["b"]), ["b"]);
        let mut patience = Patience { enough: 2, ..self::patience(&["fast", "a", "b"]) };
        assert_eq!(pass(&mut patience, 121, &["a", "b"]), ["a", "b"], "there is an end to it");
    }

    #[test]
    fn what_this_process_did_meanwhile_is_nobodys_time() {
        let mut patience = patience(&["a", "b"]);
        let later = patience.looked + Duration::from_secs(60);
        assert!(patience.look(later, || [name("b")].into()).is_empty());
        assert_eq!(patience.used()[&name("b")], 2 * TICK);
    }

    #[test]
    fn earlier_entrances_count() {
        let used = || BTreeMap::from([(name("b"), Duration::from_secs(30))]);
        let after = patience(&["a", "b"]).after(used(), Duration::ZERO);
        assert!(after.rests(&name("b")).is_some() && after.rests(&name("a")).is_none());
        let mut spared = patience(&["a", "b"]).after(used(), Duration::from_millis(500));
        assert!(spared.rests(&name("b")).is_none());
        assert_eq!(pass(&mut spared, 1, &["b"]), ["b"]);
        // A rebuilder that was removed from the configuration meanwhile.
        assert!(patience(&["a"]).after(used(), Duration::ZERO).used().is_empty());
    }
}
