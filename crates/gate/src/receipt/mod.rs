//! The record of every decision, and the signed bytes that it rests on.
//!
//! The directory belongs to root. The hook writes there as root; the method opens its file while
//! it is still root and then can add to it and to nothing else.
//!
//! Layout, below `APT::Quorum::State`: `receipts/hook.jsonl` (decisions of the hooks that run as
//! root), `receipts/method.jsonl` (decisions of the method). Both have one
//! [`crate::report::Record`] a line, and are only ever added to. `receipts/hook.lock` and
//! `receipts/method.lock` are held while adding. `evidence/SHA256` has the signed bytes, and
//! `evidence/method/SHA256` those that the method saw; the latter directory belongs to its user.
//!
//! Neither grows without limit. Receipts that have become too long are written anew without the
//! lines that are no longer needed ([`shorten`]). Signed bytes have a room ([`crate::sys::room`]):
//! if some are gone, the receipt still tells who signed them and what their SHA-256 is.
//!
//! A line that is no JSON was cut off by a crash or a full disk. It records nothing, and those
//! around it are whole.

mod clock;
mod lines;
mod repeated;
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
pub use lines::each_line;
use repeated::RecentRefusals;

/// The directory of the receipts unless apt's configuration (`APT::Quorum::State`) names another.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/apt-quorum";

/// Most bytes that one file of receipts may have. A receipt has 1 or 2 kB, so this is about a
/// hundred thousand.
pub const MAX_RECEIPTS: u64 = 128 * 1024 * 1024;

/// The file to which the method writes its decisions, below `APT::Quorum::State`. The method's user
/// can write there, so it only serves to inform people.
pub const DECIDED_BY_METHOD: &str = "receipts/method.jsonl";

/// The file to which the hooks that run as root write their decisions, below `APT::Quorum::State`.
pub const DECIDED_BY_ROOT: &str = "receipts/hook.jsonl";

/// Most disk space that the signed bytes behind the receipts may take, in bytes. A link takes 8 kB.
const MAX_EVIDENCE: u64 = 512 * 1024 * 1024;

/// The signed bytes that a decision rests on, by their SHA-256.
pub type SignedBytes = BTreeMap<Sha256Digest, Arc<[u8]>>;

/// The receipts of one [`Entrance`], open for adding.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    lock: File,
    path: PathBuf,
    evidence: PathBuf,
    room: Room,
    /// The length limit of the receipts, in bytes, if this process may replace them by a shorter
    /// file
    most: Option<u64>,
}

/// Receipts could not be written. A decision that is not recorded must not lead to an installation.
#[derive(Debug, thiserror::Error)]
#[error("cannot record the decision in {}: {}", .path.display(), plain(.error))]
pub struct LedgerError {
    /// The path that could not be written
    path: PathBuf,
    /// The error of the system
    error: io::Error,
}

impl Ledger {
    /// Opens the receipts of `entrance` below `state`, and makes missing directories.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn open(state: &Path, entrance: Entrance) -> Result<Self, LedgerError> {
        let (name, evidence) = match entrance {
            Entrance::Method => ("method.jsonl", "evidence/method"),
            Entrance::BeforePrompt
            | Entrance::Hook
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
        // Every user who can open a file can lock it and keep others waiting for ever.
        let lock = open_to_add(&path.with_extension("lock"), 0o600).map_err(failed)?;
        let evidence = state.join(evidence);
        // Their names do not tell who owns them. An attacker who fills the room does so with large
        // ones, so files of about one size share it.
        let size = |_: &Path, bytes: u64| bytes.max(4096).ilog2().to_string();
        let room = Room::new(evidence.clone(), 0, MAX_EVIDENCE, size);
        let ledger = Self { file, lock, path, evidence, room, most: Some(MAX_RECEIPTS) };
        Ok(match entrance {
            Entrance::Method => ledger.for_the_method(),
            _ => Self { room: ledger.room.clone().noted_in(&receipts), ..ledger },
        })
    }

    /// Prepares the receipts for the method, which gives up root before it adds to them. So this is
    /// the last moment to shorten them if they are too long.
    fn for_the_method(mut self) -> Self {
        let exclusive = nix::fcntl::FlockArg::LockExclusiveNonblock;
        // Another process may be adding; the next run can shorten them.
        let lock = self.lock.try_clone().ok();
        let locked = lock.and_then(|lock| nix::fcntl::Flock::lock(lock, exclusive).ok());
        if locked.is_some() {
            self.shorten();
        }
        self.most = None;
        self
    }

    /// The directory to which the signed bytes are written.
    #[must_use]
    pub fn evidence_directory(&self) -> &Path {
        &self.evidence
    }

    /// Writes decisions down, each with the bytes that it rests on, and waits until they are on the
    /// disk.
    ///
    /// # Errors
    /// If not all of it could be written. Lines that were written remain: they are true.
    pub fn record(&mut self, records: &[(Record, &SignedBytes)]) -> Result<(), LedgerError> {
        self.note(records)?;
        self.file.sync_data().map_err(|error| self.failed(error))
    }

    /// Writes decisions down as [`Self::record`] does, but does not wait for the disk. A power
    /// failure may lose lines, so no installation may rest on them.
    ///
    /// A refusal that was written several times in the last hour is not written again: a front end
    /// that tries again and again would fill the disk.
    ///
    /// # Errors
    /// If not all of it could be written, as for [`Self::record`].
    pub fn note(&mut self, records: &[(Record, &SignedBytes)]) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        let mut refusals = RecentRefusals::at_the_end_of(&self.file, records);
        for (record, signed) in records {
            if refusals.repeats(record) {
                continue;
            }
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
        if lines.is_empty() && !records.is_empty() {
            return Ok(());
        }
        self.add(&lines).map_err(|error| self.failed(error))
    }

    /// Adds whole lines after whole lines.
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
            // The rest of a line that was cut off; the first new line must not become a part of it.
            self.file.write_all(b"\n")?;
        }
        self.file.write_all(lines)?;
        clock::keep(&self.file, there.modified()?);
        self.shorten();
        Ok(())
    }

    /// Replaces the file by a shorter one if it is too long. A failure does not stop anything:
    /// everything is recorded.
    fn shorten(&mut self) {
        let Some(most) = self.most else { return };
        if self.file.metadata().is_ok_and(|it| it.len() > most) {
            let _ = shorten::shorten(&self.path, most);
            self.follow();
        }
    }

    /// Reopens the file under its name: another process may have put a shorter one there.
    fn follow(&mut self) {
        let id = |it: fs::Metadata| (it.dev(), it.ino());
        let named = self.path.symlink_metadata().map(id).ok();
        if named != self.file.metadata().map(id).ok() {
            // The method may not open it and continues in the old file until it ends.
            if let Ok(file) = open_to_add(&self.path, 0o644) {
                self.file = file;
            }
        }
    }

    fn failed(&self, error: io::Error) -> LedgerError {
        LedgerError { path: self.path.clone(), error }
    }
}

/// Opens a file of receipts for adding. Does not follow links.
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
        ledger.record(&[(record, &SignedBytes::new())]).unwrap();
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
        each_line(File::open(&path).unwrap(), |line| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            found.push(line["path"].as_str().unwrap().to_owned());
        });
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
            let signed = SignedBytes::from([(digest, Arc::from(&b"signed"[..]))]);
            ledger.record(&[(record, &signed)]).unwrap();
            assert!(!giant.exists(), "{entrance:?}");
            let kept = ledger.evidence_directory().join(digest.to_string());
            assert_eq!(fs::read(kept).unwrap(), b"signed");
        }
    }

    #[test]
    fn the_methods_receipts_are_looked_at_when_they_are_opened() {
        let state = tempfile::tempdir().unwrap();
        let mut before = Ledger::open(state.path(), Entrance::Method).unwrap();
        let path = state.path().join(DECIDED_BY_METHOD);
        // A process that gave up root does not shorten its file.
        assert_eq!(before.most, None);
        File::options().write(true).open(&path).unwrap().set_len(MAX_RECEIPTS + 1).unwrap();
        let after = Ledger::open(state.path(), Entrance::Method).unwrap();
        assert!(path.metadata().unwrap().len() < MAX_RECEIPTS);
        assert_eq!(after.file.metadata().unwrap().len(), path.metadata().unwrap().len());
        add(&mut before, "/x.deb");
    }
}
