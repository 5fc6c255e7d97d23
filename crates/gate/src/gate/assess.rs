//! Assesses packages whose files are not here: installed packages, and those that apt would fetch.

use super::rounds::Purpose;
use super::{GRACE, Gate, Gatherer, Inquiry};
use crate::evidence::Question;
use crate::policy::{Answer, Assessment, Named, Policy};
use crate::receipt::SignedBytes;
use crate::types::Timestamp;

/// A package that was assessed.
#[derive(Debug, Clone)]
pub struct Assessed {
    /// The package
    pub named: Named,
    /// The assessment of it
    pub assessment: Assessment,
    /// The signed bytes that the assessment rests on
    pub signed: SignedBytes,
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

/// The assessment of one package.
struct Assessing<'p> {
    named: Named,
    ask: Ask,
    policy: &'p Policy,
    now: Timestamp,
}

impl Purpose for Assessing<'_> {
    type Reached = Assessed;

    fn look(&mut self, inquiry: &mut Inquiry) -> bool {
        self.ask == Ask::UntilSettled
            && inquiry.assess_early(self.policy, &self.named, self.now).is_some()
    }

    fn conclude(self, mut inquiry: Inquiry) -> Assessed {
        let assessment = inquiry.assess(self.policy, &self.named, self.now);
        let answers = inquiry.answers().to_vec();
        let (signed, _) = inquiry.into_parts();
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
            (question, inquiry, Assessing { named, ask, policy, now })
        };
        let packages = packages.into_iter().map(begin);
        self.work_through(packages, gatherer, GRACE, progress)
    }
}
