//! The one step that records decisions: as messages in the system's log, and as receipts.

use std::path::Path;

use super::Gate;
use crate::apt::configuration::Configuration;
use crate::log::Log;
use crate::policy::Decision;
use crate::receipt::{Ledger, LedgerError, SignedBytes};
use crate::report::{Entrance, Record};
use crate::types::{Sha256Digest, Timestamp};

/// The decisions that are news about this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// All of them
    All,
    /// Only those about files that are not confirmed: the files go elsewhere
    Unconfirmed,
}

/// Records the decisions of one [`Entrance`].
#[derive(Debug)]
pub struct Recorder {
    entrance: Entrance,
    /// SHA-256 of the configuration in use
    policy: Option<Sha256Digest>,
    news: News,
    log: Log,
    /// None if no receipts are wanted
    ledger: Option<Result<Ledger, LedgerError>>,
}

impl Recorder {
    /// Opens the log, and the receipts below `state`. Without a state there are no receipts. An
    /// error with the receipts is reported when the first decision is recorded.
    #[must_use]
    pub fn open(
        gate: &Gate,
        apt: &Configuration,
        entrance: Entrance,
        news: News,
        state: Option<&Path>,
    ) -> Self {
        let policy = gate.config().ok().map(|config| config.digest);
        let ledger = state.map(|state| Ledger::open(state, entrance));
        Self { entrance, policy, news, log: Log::open(apt), ledger }
    }

    /// The directory to which the signed bytes behind the decisions are written, if it could be
    /// made.
    #[must_use]
    pub fn evidence_directory(&self) -> Option<&Path> {
        Some(self.ledger.as_ref()?.as_ref().ok()?.evidence_directory())
    }

    /// Makes the record of a decision about the file at `path`.
    #[must_use]
    pub fn record_of(&self, decision: &Decision, path: &Path, now: Timestamp) -> Record {
        Record::of(decision, self.entrance, path, self.policy, now)
    }

    /// Records decisions, each with the bytes that it rests on, and waits until the receipts are on
    /// the disk.
    ///
    /// # Errors
    /// If not all receipts could be written; for people. Then nothing may be installed.
    pub fn record(
        &mut self,
        decisions: &[&Decision],
        records: &[(Record, &SignedBytes)],
    ) -> Result<(), String> {
        for (decision, (record, _)) in decisions.iter().zip(records) {
            self.tell(decision, record);
        }
        match &mut self.ledger {
            None => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(ledger)) => ledger.record(records).map_err(|error| error.to_string()),
        }
    }

    /// Records one decision on which no installation rests: its receipt need not be on the disk,
    /// nor be written at all.
    pub fn note(&mut self, decision: &Decision, record: Record, signed: &SignedBytes) {
        self.tell(decision, &record);
        if let Some(Ok(ledger)) = &mut self.ledger {
            let _ = ledger.note(&[(record, signed)]);
        }
    }

    /// Sends a decision to the log alone.
    pub fn tell(&self, decision: &Decision, record: &Record) {
        match self.news {
            News::All => self.log.decided(decision, record),
            News::Unconfirmed => self.log.decided_for_an_image(decision, record),
        }
    }

    /// Tells the log that nothing passed, and why.
    pub fn nothing_passed(&self, why: &str) {
        self.log.nothing_passed(self.entrance, why);
    }
}
