//! The common start of the commands that judge packages: the gate, the evidence on the command
//! line, and the gatherer of more.

use std::path::PathBuf;
use std::time::SystemTime;

use super::args::{ConfigDirectory, JudgingArguments};
use super::world::Stop;
use crate::apt::configuration::Configuration;
use crate::audit::{self, Audited, System, SystemError};
use crate::config::Config;
use crate::evidence::{AtHand, Network, about};
use crate::gate::{
    Ask, Candidate, Environment, Gate, Gatherer, Installing, Judged, Look, apt_configuration,
};
use crate::receipt;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Timestamp, printable};

/// All that a judgement needs.
pub(super) struct Court {
    pub(super) apt: Configuration,
    pub(super) gate: Gate,
    pub(super) evidence: Vec<AtHand>,
    pub(super) network: Network,
}

impl Court {
    pub(super) fn open(arguments: &JudgingArguments) -> Result<Self, Stop> {
        Self::of(&arguments.directory, &arguments.evidence, arguments.offline)
    }

    pub(super) fn of(
        directory: &ConfigDirectory,
        evidence: &[PathBuf],
        offline: bool,
    ) -> Result<Self, Stop> {
        let evidence = at_hand(evidence)?;
        let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
        let gate = Gate::open(&apt, directory.config.as_deref(), Trusted::now());
        Ok(Self { apt, gate, evidence, network: network(offline) })
    }

    /// Returns the same court, which also finds out which keys signed apt's indexes.
    pub(super) fn that_tells_signers(self) -> Self {
        Self { gate: self.gate.that_tells_signers(), ..self }
    }

    /// Returns the configuration; stops if it has mistakes.
    pub(super) fn config(&self) -> Result<&Config, Stop> {
        self.gate.config().map_err(|problems| {
            Stop::wrong(format!("the configuration cannot be used:\n{problems}."))
        })
    }

    pub(super) fn gatherer(&self) -> Result<Box<dyn Gatherer>, Stop> {
        self.gate.gatherer(&self.apt, self.network).map_err(Stop::wrong)
    }

    /// Returns the time by the same clock as the hook's.
    pub(super) fn present(&self) -> Timestamp {
        present(&self.apt)
    }

    /// Judges files, and shows the progress.
    pub(super) fn judge(
        &self,
        candidates: Vec<Candidate>,
        installing: Installing,
        now: Timestamp,
    ) -> Result<Vec<Judged>, Stop> {
        let mut gatherer = self.gatherer()?;
        let look = Look { evidence: &|it| about(&self.evidence, it), installing };
        let bar = Progress::of("", candidates.len());
        Ok(self.gate.judge(candidates, look, &mut *gatherer, now, |done| bar.at(done)))
    }

    /// Audits all packages of a system, and shows the progress. `failed` makes the reason where the
    /// system cannot be audited.
    pub(super) fn audit(
        &self,
        system: &System,
        ask: Ask,
        now: Timestamp,
        failed: impl FnOnce(SystemError) -> Stop,
    ) -> Result<Vec<Audited>, Stop> {
        let mut gatherer = self.gatherer()?;
        let mut progress = LateProgress::default();
        let progress = |done, total| progress.at(done, total);
        let (gate, evidence) = (&self.gate, &self.evidence);
        audit::audit(system, gate, evidence, ask, &mut *gatherer, now, progress, |_| true)
            .map_err(failed)
    }
}

/// A bar whose length is known only when the work begins.
#[derive(Default)]
pub(super) struct LateProgress(Option<Progress>);

impl LateProgress {
    pub(super) fn at(&mut self, done: usize, total: usize) {
        self.0.get_or_insert_with(|| Progress::of("", total)).at(done);
    }
}

/// Opens the attestations that the command line names.
pub(super) fn at_hand(paths: &[PathBuf]) -> Result<Vec<AtHand>, Stop> {
    let open = |path: &PathBuf| {
        let named = |why| format!("--evidence {}: {why}", printable(&path.to_string_lossy()));
        AtHand::open(path).map_err(|why| Stop::wrong(named(why)))
    };
    paths.iter().map(open).collect()
}

pub(super) const fn network(offline: bool) -> Network {
    if offline { Network::Denied } else { Network::Allowed }
}

/// Returns the time by the same clock as the hook's.
pub(super) fn present(apt: &Configuration) -> Timestamp {
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    Timestamp::from(receipt::present(&state, SystemTime::now()).now)
}
