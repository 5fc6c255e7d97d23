//! The record of every decision, and the signed bytes that it rests on.
//!
//! The directory belongs to root. The hook writes there as root; the method opens its file while
//! it is still root and then can add to it and to nothing else.
//!
//! Layout, below `APT::Quorum::State`:
//! `receipts/hook.jsonl` (what root's entrances decided), `receipts/method.jsonl` (one
//! [`crate::report::Record`] a line, only ever added to), `receipts/hook.lock`, `receipts/method.lock` (held while adding),
//! `evidence/SHA256` (the signed bytes), `evidence/method/SHA256` (those that the method saw; the
//! directory belongs to its user).
//!
//! A line that is no JSON was cut off by a crash or a full disk. It records nothing, and those
//! around it are whole.

mod clock;
mod decided;
mod kept;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::report::{self, Entrance, Record};
use crate::sys::files::write_whole;
use crate::sys::plain;
use crate::types::Sha256Digest;

pub use clock::{Moment, present};
pub use decided::{Decided, DecidedClaim, DecidedReason, DecidedStanding, decided};
pub use kept::{
    Admitted, DECIDED_BY_METHOD, DECIDED_BY_ROOT, admitted, open, rested_on, signed_bytes,
};

/// Where receipts are unless apt's configuration (`APT::Quorum::State`) says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/apt-quorum";

/// The signed bytes that a decision rests on, by their SHA-256.
pub type Signed = BTreeMap<Sha256Digest, Arc<[u8]>>;

/// The receipts of one entrance, open for adding.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    lock: File,
    path: PathBuf,
    evidence: PathBuf,
}

/// Receipts could not be written. What is not recorded must not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot record the decision in {}: {}", .path.display(), plain(.error))]
pub struct LedgerError {
    /// What could not be written
    path: PathBuf,
    /// Why
    error: io::Error,
}

impl Ledger {
    /// Opens the receipts of `entrance` below `state`, and makes the directories that are
    /// missing.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn open(state: &Path, entrance: Entrance) -> Result<Self, LedgerError> {
        let (name, evidence) = match entrance {
            Entrance::Method => ("method.jsonl", "evidence/method"),
            Entrance::Hook
            | Entrance::Dpkg
            | Entrance::Debsig
            | Entrance::Verify
            | Entrance::Bootstrap => ("hook.jsonl", "evidence"),
        };
        let receipts = state.join("receipts");
        let path = receipts.join(name);
        let failed = |error| LedgerError { path: path.clone(), error };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755);
        builder.create(&receipts).map_err(failed)?;
        builder.create(state.join(evidence)).map_err(failed)?;
        let open = |path: &Path, mode| {
            File::options()
                .read(true)
                .append(true)
                .create(true)
                .mode(mode)
                .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
                .open(path)
                .map_err(failed)
        };
        let file = open(&path, 0o644)?;
        // Whoever can open a file can lock it, and keep others waiting for ever.
        let lock = open(&path.with_extension("lock"), 0o600)?;
        Ok(Self { file, lock, path, evidence: state.join(evidence) })
    }

    /// Where the signed bytes go.
    #[must_use]
    pub fn evidence_directory(&self) -> &Path {
        &self.evidence
    }

    /// Writes decisions down, each with the bytes that it rests on, and waits until the disk has
    /// them.
    ///
    /// # Errors
    /// If not all of it could be written. Lines that were written stay: they are true.
    pub fn record(&mut self, records: &[(Record, &Signed)]) -> Result<(), LedgerError> {
        self.note(records)?;
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    /// Writes decisions down as [`Self::record`] does, but does not wait for the disk: what no
    /// installation rests on may be lost with the power.
    ///
    /// # Errors
    /// As there.
    pub fn note(&mut self, records: &[(Record, &Signed)]) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        for (record, signed) in records {
            for (digest, bytes) in *signed {
                let path = self.evidence.join(digest.to_string());
                let there = path.symlink_metadata();
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if !there.is_ok_and(|there| there.is_file() && there.len() == length) {
                    write_whole(&path, bytes).map_err(|error| LedgerError { path, error })?;
                }
            }
            let failed = |error: serde_json::Error| self.failed(error.into());
            let line = serde_json::to_string(record).map_err(failed)?;
            lines.extend(report::ascii(&line).into_bytes());
            lines.push(b'\n');
        }
        self.add(&lines).map_err(|error| self.failed(error))
    }

    /// Adds whole lines behind whole lines.
    fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        let exclusive = nix::fcntl::FlockArg::LockExclusive;
        let locked = nix::fcntl::Flock::lock(self.lock.try_clone()?, exclusive);
        let _locked = locked.map_err(|(_, error)| io::Error::from(error))?;
        let mut last = [b'\n'];
        let there = self.file.metadata()?;
        if let Some(at) = there.len().checked_sub(1) {
            self.file.read_exact_at(&mut last, at)?;
        }
        if last != [b'\n'] {
            // Of a line that was cut off; the first of these must not become a part of it.
            self.file.write_all(b"\n")?;
        }
        self.file.write_all(lines)?;
        clock::keep(&self.file, there.modified()?);
        Ok(())
    }

    fn failed(&self, error: io::Error) -> LedgerError {
        LedgerError { path: self.path.clone(), error }
    }
}
