//! How much of the disk a directory may take that grows by what comes from outside.
//!
//! What is too much goes, but not just the oldest: whoever sends the most would so push everybody
//! else's out. Those who have things there have equal shares, and only who has more than a share
//! loses something, what was used last being the last. What was used when is what the file system
//! says: when a file was written, or read, where that is noted (`relatime` does, by the day).
//!
//! Nothing here is a matter of trust: in a directory that others can write, they can have it say
//! anything, and lose their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::files::write_whole;

/// The unit in bytes in which a file's use of the disk is counted. One unit is for its name.
const PIECE: u64 = 4096;

/// A process looks how much there is when it has written so many bytes, and otherwise once a day.
const SLACK: u64 = 4 * 1024 * 1024;

/// See [`SLACK`].
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The file whose time of writing tells when somebody looked.
const LOOKED: &str = ".looked";

/// Most names that are looked at.
const MAX_NAMES: usize = 1_000_000;

/// The function that gives the owner of a file, from its path below the directory and its size in
/// bytes.
type OwnerOf = fn(&Path, u64) -> String;

/// The room of one directory.
#[derive(Debug, Clone)]
pub struct Room {
    directory: PathBuf,
    /// See [`LOOKED`]; without it, each process looks when it begins to write
    looked: Option<PathBuf>,
    /// The number of levels below this directory at which the files are
    depth: usize,
    limit: u64,
    owner: OwnerOf,
    /// The bytes that this process wrote since it looked
    written: Arc<AtomicU64>,
}

/// A file that takes room.
#[derive(Debug, Clone)]
struct RoomFile {
    owner: String,
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Room {
    /// So many bytes for the files so many levels below `directory`.
    pub fn new(directory: PathBuf, depth: usize, limit: u64, owner: OwnerOf) -> Self {
        let looked = Some(directory.join(LOOKED));
        Self { directory, looked, depth, limit, owner, written: Arc::default() }
    }

    /// The same room, for which another directory has the file that tells when somebody looked.
    pub fn noted_in(self, directory: &Path) -> Self {
        Self { looked: Some(directory.join(LOOKED)), ..self }
    }

    /// The same room, where there is no place for such a file.
    pub fn noted_nowhere(self) -> Self {
        Self { looked: None, ..self }
    }

    /// Says that a file of so many bytes was written, and takes away from time to time what is too
    /// much. That it cannot be is no reason not to go on.
    pub fn written(&self, bytes: usize) {
        let bytes = charged(u64::try_from(bytes).unwrap_or(u64::MAX));
        let written = self.written.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let due = match &self.looked {
            Some(looked) => is_long_ago(looked),
            None => written == bytes,
        };
        if written >= SLACK || due {
            // Not nothing: it has begun.
            self.written.store(1, Ordering::Relaxed);
            self.make();
            let _ = self.looked.as_ref().map(|looked| write_whole(looked, b""));
        }
    }

    /// Takes away what is too much.
    pub fn make(&self) {
        // In somebody else's directory, names could change under the hand of whoever may do more.
        let own = |it: fs::Metadata| it.uid() == nix::unistd::geteuid().as_raw();
        if !self.directory.symlink_metadata().is_ok_and(own) {
            return;
        }
        let mut items = Vec::new();
        self.look(&self.directory, self.depth, &mut items);
        for path in surplus(items, self.limit) {
            let _ = fs::remove_file(&path);
            // Only one that is empty goes.
            let _ = path.parent().filter(|it| *it != self.directory).map(fs::remove_dir);
        }
    }

    fn look(&self, directory: &Path, depth: usize, items: &mut Vec<RoomFile>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            if items.len() >= MAX_NAMES {
                return;
            }
            let path = entry.path();
            let Ok(there) = path.symlink_metadata() else { continue };
            if there.is_dir() {
                if let Some(depth) = depth.checked_sub(1) {
                    self.look(&path, depth, items);
                }
            } else if depth == 0 && entry.file_name() != LOOKED {
                let below = path.strip_prefix(&self.directory).unwrap_or(&path);
                let owner = (self.owner)(below, there.len());
                let times = [there.modified(), there.accessed()];
                let used = times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH);
                items.push(RoomFile { owner, path, bytes: charged(there.len()), used });
            }
        }
    }
}

fn is_long_ago(looked: &Path) -> bool {
    let looked = looked.symlink_metadata().and_then(|it| it.modified());
    // One in the future is of a clock that was wrong.
    looked.map_or(true, |it| it.elapsed().map_or(true, |ago| ago > DAY))
}

/// The number of bytes that a file of so many bytes takes of the disk.
const fn charged(bytes: u64) -> u64 {
    bytes.saturating_div(PIECE).saturating_add(1).saturating_mul(PIECE)
}

/// The files that must go so that the rest takes no more than `limit` bytes.
fn surplus(mut items: Vec<RoomFile>, limit: u64) -> Vec<PathBuf> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for it in &items {
        let sum = sums.entry(it.owner.clone()).or_default();
        *sum = sum.saturating_add(it.bytes);
    }
    let mut all = sums.values().fold(0_u64, |all, sum| all.saturating_add(*sum));
    let share = share(sums.values().copied().collect(), limit);
    items.sort_by_key(|it| it.used);
    let mut gone = Vec::new();
    for it in items {
        if all <= limit {
            break;
        }
        let Some(sum) = sums.get_mut(&it.owner).filter(|sum| **sum > share) else { continue };
        *sum = sum.saturating_sub(it.bytes);
        all = all.saturating_sub(it.bytes);
        gone.push(it.path);
    }
    gone
}

/// The equal share of those who have more than others leave over.
fn share(mut sums: Vec<u64>, limit: u64) -> u64 {
    sums.sort_unstable();
    let mut left = limit;
    let mut owners = u64::try_from(sums.len()).unwrap_or(u64::MAX);
    for sum in sums {
        let share = left.checked_div(owners).unwrap_or(left);
        if sum > share {
            return share;
        }
        left = left.saturating_sub(sum);
        owners = owners.saturating_sub(1);
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(owner: &str, bytes: u64, used: u64) -> RoomFile {
        RoomFile {
            owner: owner.to_owned(),
            path: PathBuf::from(format!("{owner} {used}")),
            bytes,
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(used),
        }
    }

    fn gone(items: &[RoomFile], limit: u64) -> Vec<String> {
        let gone = surplus(items.to_vec(), limit);
        gone.iter().map(|it| it.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn only_who_has_more_than_a_share_loses_and_the_oldest_first() {
        // Of 100, a uses 20, which leaves 40 for each of the others.
        let items = [
            item("a", 10, 1),
            item("a", 10, 2),
            item("b", 30, 3),
            item("m", 30, 6),
            item("m", 30, 4),
            item("m", 30, 5),
        ];
        assert_eq!(gone(&items, 140), [""; 0]);
        assert_eq!(gone(&items, 139), ["m 4"]);
        assert_eq!(gone(&items, 100), ["m 4", "m 5"]);
        assert_eq!(gone(&items, 35), ["a 1", "b 3", "m 4", "m 5", "m 6"]);
        assert_eq!(gone(&items, 0).len(), 6);
        assert_eq!(gone(&[], 0), [""; 0]);
    }

    #[test]
    fn whoever_sends_the_most_pushes_nobody_else_out() {
        let mut items: Vec<RoomFile> = (0..1000).map(|n| item("m", 100, 1000 + n)).collect();
        items.extend((0..100).map(|n| item("alice", 1, n)));
        let gone = gone(&items, 10_000);
        assert!(gone.iter().all(|it| it.starts_with("m ")), "{gone:?}");
        assert_eq!(gone.len(), 1000 - 99, "and what it has left fills the rest");
    }

    #[test]
    fn a_directory_is_looked_through_when_much_was_written_or_long_ago() {
        let directory = tempfile::tempdir().unwrap();
        let own = |it: &Path, _: u64| it.iter().next().unwrap().to_str().unwrap().to_owned();
        let room = Room::new(directory.path().to_owned(), 1, 5 * PIECE, own);
        let path = |name: &str| directory.path().join(name);
        let count = || fs::read_dir(path("m")).map_or(0, Iterator::count);
        fs::create_dir(path("m")).unwrap();
        let write = |n: usize| {
            fs::write(path(&format!("m/{n}")), "x").unwrap();
            room.written(1);
        };
        write(0);
        assert!(path(LOOKED).exists(), "nobody looked ever");
        (1..9).for_each(write);
        assert_eq!(count(), 9, "a little too much is left alone");
        fs::File::open(path(LOOKED)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        write(9);
        assert_eq!(count(), 5, "but not for more than a day");
        (10..20).for_each(write);
        room.written(usize::try_from(SLACK).unwrap());
        assert_eq!(count(), 5, "nor when much was written");
        // Neither above nor below the level of files is anything touched.
        fs::write(path("file"), "x".repeat(100_000)).unwrap();
        fs::create_dir(path("m/deeper")).unwrap();
        fs::write(path("m/deeper/file"), "x".repeat(100_000)).unwrap();
        room.make();
        assert!(path("file").exists() && path("m/deeper/file").exists());
        // Nor what lies in somebody else's directory.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(directory.path(), Some(12345), None).unwrap();
            Room::new(directory.path().to_owned(), 1, 0, own).make();
            assert_eq!(count(), 6);
            std::os::unix::fs::chown(directory.path(), Some(0), None).unwrap();
        }
        // Names without files go.
        Room::new(directory.path().to_owned(), 1, 0, own).make();
        assert_eq!(count(), 1);
        fs::remove_dir_all(path("m/deeper")).unwrap();
        fs::write(path("m/last"), "x").unwrap();
        Room::new(directory.path().to_owned(), 1, 0, own).make();
        assert!(!path("m").exists());
    }
}
