//! Files that the hook has just cleared, so that dpkg's gate need not judge them again.
//!
//! apt calls dpkg several times in one run, and each time dpkg asks about its archives. A file
//! passes unread if the hook cleared it under the same configuration a moment ago and it is still
//! the same: everything else is judged. The memory is root's own file, so no other user can put
//! anything into it. Losing it costs only time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Judged;
use super::files::open_steadily;
use crate::policy::{Basis, Clearance, Decision};
use crate::sys::files::write_whole;
use crate::sys::secure::Trusted;
use crate::sys::steady::Stamp;
use crate::types::{Sha256Digest, Timestamp};

/// The file's name below `APT::Quorum::State`.
const FILE: &str = "cleared.json";

/// Version of the file's format. Another version is not read.
const FORMAT: u32 = 1;

/// The time for which a file stays cleared, in seconds: longer than the longest upgrade takes, and
/// shorter than the time after which people wonder why no rebuilder was asked.
const LASTS: i64 = 6 * 60 * 60;

/// Largest memory that is read, in bytes. A file needs about 200.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The cleared files, and the end of their validity.
#[derive(Debug, Serialize, Deserialize)]
struct WrittenMemory {
    format: u32,
    /// SHA-256 of the configuration by which the files were judged
    policy: Sha256Digest,
    /// The time of the clearance, in seconds since 1970
    from: i64,
    files: Vec<WrittenFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenFile {
    stamp: Stamp,
    /// In seconds since 1970
    until: i64,
}

/// A file that is the one that was cleared, in a place where it remains that. Made only by
/// [`Memory::recall`].
#[derive(Debug)]
#[must_use = "a file that is recalled need not be judged"]
pub struct Recalled(());

/// The files that are still cleared.
#[derive(Debug, Default)]
pub struct Memory {
    stamps: BTreeSet<Stamp>,
}

/// The files to remember after a judgement, if all of them are cleared.
#[derive(Debug)]
pub struct ToRemember(Vec<WrittenFile>);

impl ToRemember {
    /// Notes the files that were admitted and cannot change any more.
    #[must_use]
    pub fn of(judged: &[Judged], now: Timestamp) -> Self {
        let end = now.as_unix().saturating_add(LASTS);
        let file = |it: &Judged| {
            let Decision::Admit(admit) = &it.decision else { return None };
            let until = match admit.basis() {
                Basis::Exception { exemption, .. } => end.min(exemption.expires.as_unix()),
                Basis::Quorum | Basis::WarnMode { .. } => end,
            };
            Some(WrittenFile { stamp: it.stamp?, until })
        };
        Self(judged.iter().filter_map(file).collect())
    }

    /// Writes the files to the memory below `state`, in place of its former content. Only for files
    /// that were cleared as a whole.
    ///
    /// # Errors
    /// If it cannot be written. Then everything is judged again, and nothing is lost.
    pub fn write(
        self,
        _: &Clearance,
        state: &Path,
        policy: Sha256Digest,
        now: Timestamp,
    ) -> std::io::Result<()> {
        let written = WrittenMemory { format: FORMAT, policy, from: now.as_unix(), files: self.0 };
        write_whole(&path(state), &serde_json::to_vec(&written)?)
    }
}

impl Memory {
    /// Reads the memory below `state` of files that were judged by `policy`. An unreadable memory,
    /// or one that another user could have written, counts as empty.
    #[must_use]
    pub fn read(state: &Path, policy: Sha256Digest, now: Timestamp) -> Self {
        let text = Trusted::now().read(&path(state), MAX_BYTES).ok();
        let written = text.and_then(|text| serde_json::from_str::<WrittenMemory>(&text).ok());
        let now = now.as_unix();
        // A clock that was set back must not make a clearance last.
        let holds =
            |it: &WrittenMemory| it.format == FORMAT && it.policy == policy && it.from <= now;
        let files = written.filter(holds).map(|it| it.files).unwrap_or_default();
        let stamps = files.into_iter().filter(|it| now < it.until).map(|it| it.stamp).collect();
        Self { stamps }
    }

    /// Returns a value when the file at `path` is one that was cleared and no other user can change
    /// it.
    pub fn recall(&self, path: &Path) -> Option<Recalled> {
        if self.stamps.is_empty() {
            return None;
        }
        let file = open_steadily(path).ok()?;
        self.stamps.contains(&Stamp::of(&file).ok()?).then_some(Recalled(()))
    }
}

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Makes a state directory with a file that was cleared.
    fn world() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = directory.path().join("x.deb");
        fs::write(&file, "bytes").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        (directory, file)
    }

    fn policy() -> Sha256Digest {
        Sha256Digest::of(b"policy")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn remember(state: &Path, file: &Path, until: i64) {
        let stamp = Stamp::of(&fs::File::open(file).unwrap()).unwrap();
        let clearance = Clearance::of(Vec::new()).unwrap();
        let to_remember = ToRemember(vec![WrittenFile { stamp, until }]);
        to_remember.write(&clearance, state, policy(), at(1000)).unwrap();
    }

    fn recalls(state: &Path, file: &Path, policy: Sha256Digest, now: i64) -> bool {
        Memory::read(state, policy, at(now)).recall(file).is_some()
    }

    #[test]
    fn the_same_file_is_recalled_for_a_while_and_under_the_same_policy() {
        let (state, file) = world();
        let state = state.path();
        assert!(!recalls(state, &file, policy(), 1000), "nothing is remembered yet");
        remember(state, &file, 2000);
        assert!(recalls(state, &file, policy(), 1000));
        assert!(recalls(state, &file, policy(), 1999));
        assert!(!recalls(state, &file, policy(), 2000), "too late");
        assert!(!recalls(state, &file, policy(), 999), "the clock was set back");
        assert!(!recalls(state, &file, Sha256Digest::of(b"another policy"), 1000));
        assert!(!recalls(state, &state.join("cleared.json"), policy(), 1000), "another file");
        let other = state.join("copy.deb");
        fs::copy(&file, &other).unwrap();
        assert!(!recalls(state, &other, policy(), 1000), "the same bytes elsewhere");
        let link = state.join("link.deb");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(recalls(state, &link, policy(), 1000), "the same file by another name");
    }

    #[test]
    fn a_file_that_changed_or_that_others_can_change_is_not_recalled() {
        let (state, file) = world();
        let state = state.path();
        remember(state, &file, 2000);
        let writer = fs::File::options().append(true).open(&file).unwrap();
        assert!(!recalls(state, &file, policy(), 1000), "open for writing");
        drop(writer);
        assert!(recalls(state, &file, policy(), 1000));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        remember(state, &file, 2000);
        assert!(!recalls(state, &file, policy(), 1000), "others can write it");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        remember(state, &file, 2000);
        assert!(recalls(state, &file, policy(), 1000));
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "BYTES").unwrap();
        assert!(!recalls(state, &file, policy(), 1000), "written");
    }

    #[test]
    fn a_memory_that_others_could_have_written_or_that_is_damaged_is_none() {
        let (state, file) = world();
        let state = state.path();
        let memory = state.join("cleared.json");
        remember(state, &file, 2000);
        let good = fs::read_to_string(&memory).unwrap();
        fs::set_permissions(&memory, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(!recalls(state, &file, policy(), 1000));
        fs::set_permissions(&memory, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(recalls(state, &file, policy(), 1000));
        for bad in [
            "",
            "{}",
            good.get(..good.len() - 1).unwrap(),
            &good.replace("\"format\":1", "\"format\":2"),
            &good.replace("\"stamp\"", "\"stomp\""),
        ] {
            assert_ne!(bad, good);
            fs::write(&memory, bad).unwrap();
            assert!(!recalls(state, &file, policy(), 1000), "{bad}");
        }
    }
}
