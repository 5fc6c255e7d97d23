//! The decisions so far, and the change that they make.

use std::collections::BTreeSet;

use super::machine::{Chosen, LocalMachine};
use crate::cli::rebuilder::Newcomer;
use crate::cli::world::{Hold, Stop, World};
use crate::config::{Change, Config, Draft};
use crate::policy::Mode;
use crate::types::{RebuilderName, Threshold, Timestamp};

/// The settings that are to change. All others stay as they are.
#[derive(Clone)]
pub(super) struct SetupPlan {
    /// Rebuilders that are trusted from now on
    pub(super) added: Vec<Newcomer>,
    /// Rebuilders that are no longer trusted
    pub(super) removed: BTreeSet<RebuilderName>,
    /// The threshold, if it is another one
    pub(super) threshold: Option<Threshold>,
    /// The mode, if it is another one
    pub(super) mode: Option<Mode>,
    /// The sources whose packages are judged while apt downloads
    pub(super) sources: Chosen,
}

impl SetupPlan {
    pub(super) const fn of(added: Vec<Newcomer>, removed: BTreeSet<RebuilderName>) -> Self {
        Self { added, removed, threshold: None, mode: None, sources: Chosen::AsTheyAre }
    }

    /// Returns the configuration as it would be.
    pub(super) fn config(&self, world: &World, now: Timestamp) -> Result<Config, Stop> {
        Ok(self.own(world, now)?.check(world.trusted)?)
    }

    /// Returns the change with all that is to be written.
    pub(super) fn change(
        &self,
        world: &World,
        machine: &LocalMachine,
        now: Timestamp,
    ) -> Result<Change, Stop> {
        let mut change = self.own(world, now)?;
        machine.add_to(&mut change, &self.sources, world.trusted)?;
        Ok(change)
    }

    /// Returns the change to the configuration alone.
    fn own(&self, world: &World, now: Timestamp) -> Result<Change, Stop> {
        let drafts: Vec<Draft> = self.added.iter().map(|it| it.draft("setup", now)).collect();
        // What is unconfirmed would otherwise stop every update.
        let hold = if self.mode == Some(Mode::Enforce) { Hold::On } else { Hold::AsItIs };
        let threshold = self.threshold.or_else(|| self.any_threshold(world));
        let mut change = world.change(&drafts, threshold, self.mode, hold)?;
        world.forget(&self.removed, &mut change)?;
        Ok(change)
    }

    /// Returns a threshold of 1 as long as there is none: a configuration with a rebuilder and no
    /// threshold cannot be read.
    fn any_threshold(&self, world: &World) -> Option<Threshold> {
        let there = world.config.policy.default_requirement();
        if there.is_some() || self.added.is_empty() { None } else { Threshold::try_from(1).ok() }
    }
}
