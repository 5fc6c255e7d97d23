//! How long a run waits for one operator.
//!
//! Time-outs bound one question. An operator that answers each just before its time-out, or sends its
//! answers drop by drop, would still hold up a run for as long as there are questions. So each operator
//! has a budget of time for all of a run: the time in which the run waits for it while others are done.
//! Past that it rests: it is asked nothing more in this run, and counts as one that could not be heard.
//!
//! The clock of an operator runs only while a decision waits for its answer and at least one operator is
//! not waited for; where several are waited for, they share the time. So a run with one slow operator
//! takes no longer than without it and its budget, whatever its size; and where all are far away, as
//! behind a slow line, none is called slow. Who has no endpoint, or rests, is no measure for the others:
//! else one that hangs would have all others rest behind a slow line. That holds as long as those who are
//! left could be enough: what one of them says alone decides nothing, and need not be waited for longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::config::{Config, Protocol};
use crate::policy::{Mode, Rule};
use crate::types::OperatorName;

/// How often somebody looks whom the run waits for.
pub const TICK: Duration = Duration::from_millis(100);

/// How much of a budget passes before somebody has noticed that it is used up, and has acted on it: a run
/// takes no longer than the budget because of one operator.
const NOTICE: Duration = Duration::from_millis(200);

/// What an operator may use up of a run that nobody waits for at a prompt, or that cannot end without
/// it: a command like `apt-quorum audit`, or a rule that nothing can meet without this operator.
const LONG: Duration = Duration::from_secs(60);

/// Who waits, and so how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// The hook before the prompt, or dpkg's gate: what it uses up, those behind it have not left.
    First,
    /// The method. The hook behind it cannot believe what it says of itself, so the two share the
    /// budget of a run by constants.
    Method,
    /// The hook.
    Hook,
    /// A command that somebody started by themselves.
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

/// What operators have used up of a run, and what they may.
#[derive(Debug)]
pub struct Patience {
    budgets: BTreeMap<OperatorName, Duration>,
    used: BTreeMap<OperatorName, Duration>,
    /// Who is neither asked nor waited for any more
    resting: BTreeSet<OperatorName>,
    /// How many operators can be enough by some rule. None where all passes without any
    enough: usize,
    looked: Instant,
}

impl Patience {
    /// By a configuration, for one entrance.
    pub(super) fn of(config: Option<&Config>, haste: Haste) -> Self {
        let budget = |config: &Config, name: &OperatorName| {
            let mut budget = haste.budget();
            // Large files come once, and a slow line is no fault of theirs.
            let large = |it: &&crate::config::Endpoint| {
                it.operator == *name && (it.protocol == Protocol::Archive || it.is_bundle())
            };
            if config.endpoints.iter().any(|it| large(&it)) {
                budget = budget.max(config.timeouts.total);
            }
            if config.policy.needs(name) {
                budget = budget.max(LONG);
            }
            budget
        };
        // Of who has no endpoint there is only what is at hand.
        let of = |config: &Config| {
            let names: BTreeSet<_> = config.endpoints.iter().map(|it| &it.operator).collect();
            names.into_iter().map(|name| (name.clone(), budget(config, name))).collect()
        };
        let enough = |config: &Config| {
            if config.policy.mode() == Mode::Warn {
                return Some(0);
            }
            let rules = config.policy.rules().iter().map(Rule::requirement);
            let all = config.policy.default_requirement().into_iter().chain(rules);
            let fewest = all.map(|it| it.threshold().count()).min()?;
            usize::try_from(fewest).ok()
        };
        let enough = config.and_then(enough);
        Self {
            budgets: config.map(of).unwrap_or_default(),
            used: BTreeMap::new(),
            resting: BTreeSet::new(),
            enough: enough.unwrap_or(1),
            looked: Instant::now(),
        }
    }

    /// Goes on from what earlier entrances of this run have used up. `spare` is left to each in any
    /// case.
    pub(super) fn after(mut self, used: BTreeMap<OperatorName, Duration>, spare: Duration) -> Self {
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

    /// What each operator has used up of this run.
    #[must_use]
    pub fn used(&self) -> &BTreeMap<OperatorName, Duration> {
        &self.used
    }

    /// Why an operator is not asked or waited for any more, if it has used up what it may.
    #[must_use]
    pub fn rests(&self, name: &OperatorName) -> Option<String> {
        let used = self.used.get(name)?.saturating_add(NOTICE).as_secs();
        self.resting.contains(name).then(|| format!("slow: used up its {used} s in this run"))
    }

    /// Looks, if it is time to, whom the run waits for `now`. Gives those that have just used up what
    /// they may, each with what is to be said of it.
    pub fn look(
        &mut self,
        now: Instant,
        awaited: impl FnOnce() -> BTreeSet<OperatorName>,
    ) -> Vec<(OperatorName, String)> {
        let passed = now.saturating_duration_since(self.looked);
        if passed < TICK {
            return Vec::new();
        }
        self.looked = now;
        let mut awaited = awaited();
        awaited.retain(|name| self.rests(name).is_none());
        let sharing = u32::try_from(awaited.len()).unwrap_or(u32::MAX);
        let asked = self.budgets.keys().filter(|name| self.rests(name).is_none()).count();
        if sharing == 0 || awaited.len() >= asked && asked >= self.enough {
            return Vec::new();
        }
        // Where more has passed, this process had other things to do, which is nobody's fault.
        let share = passed.min(2 * TICK) / sharing;
        // Where the others are too few to decide and all are enough, these are no hindrance but what the
        // run is about: somebody who says at once that it knows nothing must not have them rest.
        let others = asked.saturating_sub(awaited.len());
        let decide = others < self.enough && self.enough <= asked;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> OperatorName {
        name.parse().unwrap()
    }

    /// Of these operators, each with five seconds.
    fn patience(names: &[&str]) -> Patience {
        let budgets = names.iter().map(|it| (name(it), Duration::from_secs(5))).collect();
        let (used, resting, looked) = (BTreeMap::new(), BTreeSet::new(), Instant::now());
        Patience { budgets, used, resting, enough: 1, looked }
    }

    /// Has so many seconds pass in which these are waited for. Gives who rests then.
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
        // Those who are left must be able to decide something.
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

    /// Two of three must confirm, and one says at once that it knows nothing.
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
        // One that was taken out of the configuration meanwhile.
        assert!(patience(&["a"]).after(used(), Duration::ZERO).used().is_empty());
    }
}
