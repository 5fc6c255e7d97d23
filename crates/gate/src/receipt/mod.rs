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
//! Neither grows for ever. Receipts that have become too long are written anew without those that
//! nobody needs ([`shorten`]), and signed bytes have a room ([`crate::sys::room`]): if some are gone,
//! the receipt still tells whose they were and what their SHA-256 is.
//!
//! A line that is no JSON was cut off by a crash or a full disk. It records nothing, and those
//! around it are whole.

mod clock;
mod decided;
mod kept;
mod shorten;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::report::{self, Entrance, Record};
use crate::sys::files::write_whole;
use crate::sys::plain;
use crate::sys::room::Room;
use crate::types::Sha256Digest;

pub use clock::{Moment, present};
pub use decided::{Decided, DecidedClaim, DecidedReason, DecidedStanding, decided};
pub use kept::{
    Admitted, DECIDED_BY_METHOD, DECIDED_BY_ROOT, admitted, open, rested_on, signed_bytes,
};

/// Where receipts are unless apt's configuration (`APT::Quorum::State`) says otherwise.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/apt-quorum";

/// Most bytes that the receipts of root's entrances, or of the method, come to. One has 1 or 2 kB,
/// so that this is a hundred thousand.
const MAX_RECEIPTS: u64 = 128 * 1024 * 1024;

/// Most that the signed bytes behind them may take of the disk, in bytes. A link takes 8 kB.
const MAX_EVIDENCE: u64 = 512 * 1024 * 1024;

/// The signed bytes that a decision rests on, by their SHA-256.
pub type Signed = BTreeMap<Sha256Digest, Arc<[u8]>>;

/// The receipts of one entrance, open for adding.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    lock: File,
    path: PathBuf,
    evidence: PathBuf,
    room: Room,
    /// How many bytes they may have, where this process may put a shorter file in their place
    most: Option<u64>,
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
        let file = open_to_add(&path, 0o644).map_err(failed)?;
        // Whoever can open a file can lock it, and keep others waiting for ever.
        let lock = open_to_add(&path.with_extension("lock"), 0o600).map_err(failed)?;
        let evidence = state.join(evidence);
        // Whose they are, their names do not tell. Those who would fill the room do so with large
        // ones, so files of about one size share it.
        let size = |_: &Path, bytes: u64| bytes.max(4096).ilog2().to_string();
        let room = Room::new(evidence.clone(), 0, MAX_EVIDENCE, size);
        let ledger = Self { file, lock, path, evidence, room, most: Some(MAX_RECEIPTS) };
        Ok(match entrance {
            Entrance::Method => ledger.for_the_method(),
            _ => Self { room: ledger.room.clone().noted_in(&receipts), ..ledger },
        })
    }

    /// The method has given up root when it adds to its receipts, so that is the time now to see
    /// that they are not too long.
    fn for_the_method(mut self) -> Self {
        let exclusive = nix::fcntl::FlockArg::LockExclusiveNonblock;
        // Another one may be adding; there will be a next time.
        let lock = self.lock.try_clone().ok();
        let locked = lock.and_then(|lock| nix::fcntl::Flock::lock(lock, exclusive).ok());
        if locked.is_some() {
            self.shorten();
        }
        self.most = None;
        self
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
                    self.room.written(bytes.len());
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
        self.follow();
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
        self.shorten();
        Ok(())
    }

    /// Puts a shorter file in the place of one that is too long. That it cannot be done is no reason
    /// not to go on: all is recorded.
    fn shorten(&mut self) {
        let Some(most) = self.most else { return };
        if self.file.metadata().is_ok_and(|it| it.len() > most) {
            let _ = shorten::shorten(&self.path, most);
            self.follow();
        }
    }

    /// Goes on in the file that has the name now: another process may have put a shorter one there.
    fn follow(&mut self) {
        let id = |it: fs::Metadata| (it.dev(), it.ino());
        let named = self.path.symlink_metadata().map(id).ok();
        if named != self.file.metadata().map(id).ok() {
            // The method may not, and goes on in the old one until it ends.
            if let Ok(file) = open_to_add(&self.path, 0o644) {
                self.file = file;
            }
        }
    }

    fn failed(&self, error: io::Error) -> LedgerError {
        LedgerError { path: self.path.clone(), error }
    }
}

/// Opens a file of receipts for adding. Links are not followed.
fn open_to_add(path: &Path, mode: u32) -> io::Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(mode)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Decision, Reason, Refusal};

    fn add(ledger: &mut Ledger, name: &str) {
        let reason = Reason::Unreadable { why: "a test".to_owned() };
        let decision = Decision::Refuse(Refusal::unjudged(None, reason));
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let record = Record::of(&decision, Entrance::Hook, Path::new(name), None, now);
        ledger.record(&[(record, &Signed::new())]).unwrap();
    }

    #[test]
    fn receipts_stay_short_and_two_writers_lose_none() {
        let state = tempfile::tempdir().unwrap();
        let open = |most| {
            let ledger = Ledger::open(state.path(), Entrance::Hook).unwrap();
            Ledger { most: Some(most), ..ledger }
        };
        let (mut one, mut other) = (open(20_000), open(20_000));
        let path = state.path().join(DECIDED_BY_ROOT);
        for n in 0..1000 {
            add(if n % 2 == 0 { &mut one } else { &mut other }, &format!("/{n}.deb"));
            assert!(path.metadata().unwrap().len() <= 20_000);
        }
        let mut found = Vec::new();
        decided(File::open(&path).unwrap(), |it| found.push(it.path));
        let newest: Vec<String> = (1000 - found.len()..1000).map(|n| format!("/{n}.deb")).collect();
        assert!(found.len() > 10);
        assert_eq!(found, newest);
    }

    #[test]
    fn the_signed_bytes_behind_receipts_do_not_grow_for_ever() {
        for entrance in [Entrance::Hook, Entrance::Method] {
            let state = tempfile::tempdir().unwrap();
            let mut ledger = Ledger::open(state.path(), entrance).unwrap();
            let giant = ledger.evidence_directory().join("0".repeat(64));
            File::create(&giant).unwrap().set_len(MAX_EVIDENCE).unwrap();
            let reason = Reason::Unreadable { why: "a test".to_owned() };
            let decision = Decision::Refuse(Refusal::unjudged(None, reason));
            let now = "2026-06-01T12:00:00Z".parse().unwrap();
            let record = Record::of(&decision, entrance, Path::new("/x.deb"), None, now);
            let digest = Sha256Digest::of(b"signed");
            let signed = Signed::from([(digest, Arc::from(&b"signed"[..]))]);
            ledger.record(&[(record, &signed)]).unwrap();
            assert!(!giant.exists(), "{entrance:?}");
            assert_eq!(signed_bytes(state.path(), digest).unwrap(), b"signed");
        }
    }

    #[test]
    fn the_methods_receipts_are_looked_at_when_they_are_opened() {
        let state = tempfile::tempdir().unwrap();
        let mut before = Ledger::open(state.path(), Entrance::Method).unwrap();
        let path = state.path().join(DECIDED_BY_METHOD);
        // Its own length is not for whoever gave up root to see to.
        assert_eq!(before.most, None);
        File::options().write(true).open(&path).unwrap().set_len(MAX_RECEIPTS + 1).unwrap();
        let after = Ledger::open(state.path(), Entrance::Method).unwrap();
        assert!(path.metadata().unwrap().len() < MAX_RECEIPTS);
        assert_eq!(after.file.metadata().unwrap().len(), path.metadata().unwrap().len());
        add(&mut before, "/x.deb");
    }
}
