//! Assessing packages whose files are not here: those that are installed already, and those that
//! apt would like to fetch.

use std::collections::BTreeSet;

use super::rounds::{Open, work_through};
use super::{GRACE, Gate, Gatherer, Inquiry};
use crate::evidence::{Found, Question};
use crate::policy::{Answer, Assessment, Named, Policy};
use crate::receipt::Signed;
use crate::types::{OperatorName, Timestamp};

/// A package that was assessed.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// The package
    pub named: Named,
    /// What is known about it
    pub assessment: Assessment,
    /// The signed bytes that this rests on
    pub signed: Signed,
    /// What the endpoints answered
    pub answers: Vec<Answer>,
}

/// About which packages operators are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// About all that they did not sign yet.
    All,
    /// The same, and waits for no answer that could not change how the package fares.
    UntilSettled,
    /// Only about those that are not confirmed by what is at hand. Who asks often asks like this,
    /// for the endpoints' sake. Nobody new is heard about the others then.
    Unconfirmed,
}

struct UnderWay<'p> {
    named: Named,
    inquiry: Inquiry,
    ask: Ask,
    policy: &'p Policy,
    now: Timestamp,
}

impl Open for UnderWay<'_> {
    type Closed = Assessed;

    fn asked(&self) -> Vec<usize> {
        self.inquiry.asked()
    }

    fn add(&mut self, endpoint: usize, found: Found) {
        self.inquiry.add(endpoint, found);
    }

    fn settle(&mut self) -> bool {
        self.ask == Ask::UntilSettled
            && self.inquiry.assess_early(self.policy, &self.named, self.now).is_some()
    }

    fn awaited(&self) -> BTreeSet<OperatorName> {
        self.inquiry.awaited().cloned().collect()
    }

    fn rest(&mut self, operator: &OperatorName, why: &str) {
        self.inquiry.rest(operator, why);
    }

    fn give_up(&mut self, why: &str) {
        self.inquiry.give_up(why);
    }

    fn close(mut self) -> Assessed {
        let assessment = self.inquiry.assess(self.policy, &self.named, self.now);
        let answers = self.inquiry.answers().to_vec();
        let (signed, _) = self.inquiry.into_parts();
        Assessed { named: self.named, assessment, signed, answers }
    }
}

impl Gate {
    /// Assesses packages, in their order. Attestations that are known beyond those of the cache
    /// come from `at_hand`. `progress` is told how many are done.
    ///
    /// Nothing comes back if the gate is closed.
    pub fn assess(
        &self,
        packages: Vec<Named>,
        at_hand: impl Fn(&Named) -> Vec<Vec<u8>>,
        ask: Ask,
        gatherer: &mut dyn Gatherer,
        now: Timestamp,
        progress: impl FnMut(usize),
    ) -> Vec<Assessed> {
        let Ok(policy) = self.policy() else { return Vec::new() };
        let begin = |named: Named| {
            let question = Question {
                identity: named.identity.clone(),
                source: named.source.clone(),
                sha256: Some(named.sha256),
            };
            let mut inquiry = self.inquire_with(&question, at_hand(&named), now);
            if ask == Ask::Unconfirmed {
                let known = inquiry.assess(policy, &named, now);
                if matches!(known, Assessment::Confirmed { .. }) {
                    inquiry.ask_nobody();
                }
            }
            (question, UnderWay { named, inquiry, ask, policy, now })
        };
        let packages = packages.into_iter().map(begin);
        work_through(packages, gatherer, &mut self.patience(), GRACE, progress)
    }
}
