//! The judgement: who may pass, and why.
//!
//! Pure: policy, subject, evidence and time are arguments, and the same arguments give the same
//! decision. It trusts the policy (the administrator's) and the claims (verified in
//! [`crate::attest`]); what else the evidence says is shown to people and never counts.
//!
//! [`Admit`] can be made only here. What lets a file through (the method's success reply, the
//! hook's zero exit) takes one by value, so code that skips the judgement does not compile.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod decide;
mod decision;
mod evidence;
mod requirement;
mod rule;
mod subject;

pub use decide::{assess, assess_early, decide, decide_early};
pub use decision::{
    Admit, Assessment, Basis, Clearance, Decision, Reason, Refusal, Report, Standing,
};
pub use evidence::{Answer, Evidence, Outcome, UnsignedStatus};
pub use requirement::{GroupCount, GroupQuota, OnConflict, Requirement, RequirementError};
pub use rule::{
    Binding, Exception, ExceptionId, ExceptionIdError, Exemption, Matcher, Place, Rule,
};
pub use subject::{Epoch, Named, Subject};

pub use crate::apt::index::Listing;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::attest::{KeyRing, Remembered};
use crate::types::RebuilderName;

/// The treatment of a file that no rule admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is let through, with a warning on every run, and counted as debt.
    Warn,
}

/// The administrator's policy, complete and without contradiction.
#[derive(Debug, Clone)]
pub struct Policy {
    mode: Mode,
    rebuilders: BTreeSet<RebuilderName>,
    keys: KeyRing,
    default: Option<Requirement>,
    rules: Vec<Rule>,
    exceptions: Vec<Exception>,
}

/// A policy that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Enforcing without anybody who could confirm anything.
    #[error("mode \"enforce\" needs at least one rebuilder: without any, everything is refused")]
    EnforceWithoutRebuilders,
    /// Rebuilders, but no default threshold.
    #[error("threshold is missing: set how many rebuilders must confirm")]
    NoThreshold,
    /// A rebuilder whose vote could never be verified.
    #[error("rebuilder {0} has no key")]
    RebuilderWithoutKey(RebuilderName),
    /// A rule or the default that counts a rebuilder that is not configured: its vote could never
    /// come.
    #[error("rebuilder {0} is counted, but not configured")]
    UnknownRebuilder(RebuilderName),
    /// A key that belongs to no configured rebuilder.
    #[error("a key belongs to {0}, which is not configured")]
    KeyWithoutRebuilder(RebuilderName),
}

impl Policy {
    /// Puts a policy together. Rules count in the order given.
    ///
    /// `default` is what holds where no rule matches. It may be missing only in
    /// [`Mode::Warn`] while there is no rebuilder, as on a machine that was not set up yet.
    ///
    /// # Errors
    /// Every contradiction there is.
    pub fn new(
        mode: Mode,
        rebuilders: BTreeSet<RebuilderName>,
        keys: KeyRing,
        default: Option<Requirement>,
        rules: Vec<Rule>,
        exceptions: Vec<Exception>,
    ) -> Result<Self, Vec<PolicyError>> {
        let mut errors = Vec::new();
        if mode == Mode::Enforce && rebuilders.is_empty() {
            errors.push(PolicyError::EnforceWithoutRebuilders);
        } else if default.is_none() && !rebuilders.is_empty() {
            errors.push(PolicyError::NoThreshold);
        }
        let owners: BTreeSet<_> = keys.iter().map(|pinned| &pinned.rebuilder).collect();
        for rebuilder in rebuilders.iter().filter(|name| !owners.contains(name)) {
            errors.push(PolicyError::RebuilderWithoutKey(rebuilder.clone()));
        }
        for owner in owners.into_iter().filter(|name| !rebuilders.contains(name)) {
            errors.push(PolicyError::KeyWithoutRebuilder(owner.clone()));
        }
        let requirements = default.iter().chain(rules.iter().map(|rule| &rule.requirement));
        let counted: BTreeSet<_> = requirements.flat_map(Requirement::counted).collect();
        for name in counted.into_iter().filter(|name| !rebuilders.contains(name)) {
            errors.push(PolicyError::UnknownRebuilder(name.clone()));
        }
        if errors.is_empty() {
            Ok(Self { mode, rebuilders, keys, default, rules, exceptions })
        } else {
            Err(errors)
        }
    }

    /// The treatment of a file that no rule admits.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The keys with which attestations are verified.
    #[must_use]
    pub const fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The same policy, that goes by what is remembered of signatures.
    #[must_use]
    pub fn remembering(self, remembered: Arc<Remembered>) -> Self {
        Self { keys: self.keys.remembering(remembered), ..self }
    }

    /// All rebuilders.
    #[must_use]
    pub const fn rebuilders(&self) -> &BTreeSet<RebuilderName> {
        &self.rebuilders
    }

    /// The requirement that applies where no rule matches.
    #[must_use]
    pub const fn default_requirement(&self) -> Option<&Requirement> {
        self.default.as_ref()
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The exceptions.
    #[must_use]
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Returns true when these rebuilders are enough for a file under every rule, and no other
    /// rebuilder's answer could change that. Nothing passes by this: it tells only that no other
    /// rebuilder need be asked before the file is there and is judged.
    #[must_use]
    pub fn is_met_by_every_rule(&self, confirming: &BTreeSet<&RebuilderName>) -> bool {
        self.default.is_some()
            && self.requirements().all(|requirement| {
                requirement.on_conflict() == OnConflict::Warn && requirement.is_met_by(confirming)
            })
    }

    /// Returns true when some rule refuses files because of a conflict, so that every rebuilder must
    /// be heard.
    #[must_use]
    pub fn minds_conflicts(&self) -> bool {
        self.requirements().any(|requirement| requirement.on_conflict() == OnConflict::Refuse)
    }

    /// Returns true when some rule, or the default, lets nothing pass without this rebuilder.
    #[must_use]
    pub fn needs(&self, rebuilder: &RebuilderName) -> bool {
        self.requirements().any(|requirement| {
            let others = requirement.counted().iter().filter(|it| *it != rebuilder);
            !requirement.is_met_by(&others.collect())
        })
    }

    /// Returns true when any rule or exception depends on where a file comes from, so that the
    /// repositories' indexes must be searched for it.
    #[must_use]
    pub fn needs_listings(&self) -> bool {
        self.rules.iter().any(|rule| rule.matcher.needs_listing())
            || self.exceptions.iter().any(|exception| exception.needs_listing())
    }

    /// Returns true when any rule or exception depends on the key that signed a repository's index.
    #[must_use]
    pub fn needs_signers(&self) -> bool {
        let rules = self.rules.iter().map(|it| &it.matcher);
        let exceptions = self.exceptions.iter().map(|it| &it.matcher);
        rules.chain(exceptions).any(Matcher::needs_signer)
    }

    /// The default and those of the rules.
    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.default.iter().chain(self.rules.iter().map(|it| &it.requirement))
    }
}
