//! Assesses packages whose files are not here: installed packages, and those that apt would fetch.

use std::collections::BTreeSet;

use super::rounds::{Open, work_through};
use super::{GRACE, Gate, Gatherer, Inquiry};
use crate::evidence::{Found, Question};
use crate::policy::{Answer, Assessment, Named, Policy};
use crate::receipt::Signed;
use crate::types::{RebuilderName, Timestamp};

/// A package that was assessed.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// The package
    pub named: Named,
    /// The assessment of it
    pub assessment: Assessment,
    /// The signed bytes that the assessment rests on
    pub signed: Signed,
    /// The answers of the endpoints
    pub answers: Vec<Answer>,
}

/// The packages about which rebuilders are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// All that they have not signed yet.
    All,
    /// The same, but waits only for answers that could change the result for the package.
    UntilSettled,
    /// Only those that the evidence at hand does not confirm. Frequent callers ask like this, to
    /// spare the endpoints. Then the other packages get no new answers.
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

    fn awaited(&self) -> BTreeSet<RebuilderName> {
        self.inquiry.awaited().cloned().collect()
    }

    fn rest(&mut self, rebuilder: &RebuilderName, why: &str) {
        self.inquiry.rest(rebuilder, why);
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
    /// Assesses packages, in their order. `at_hand` returns attestations that are not in the cache.
    /// `progress` is called with the number of finished packages.
    ///
    /// Returns nothing if the gate is closed.
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
