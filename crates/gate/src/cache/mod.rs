//! Signed bytes that were fetched before.
//!
//! The directory belongs to the unprivileged user that fetches, so everything in it is as
//! hostile as the network: what is read is bounded and judged anew, every time. Nothing in it
//! says that something was verified.
//!
//! Layout: `attestations/NAME_VERSION_ARCH.deb/SHA256-OF-THE-BYTES.REBUILDER`. `~REBUILDER` follows
//! if an endpoint of another rebuilder than the signer gave it. Bundles that are fetched as a whole
//! are in `bundles/` (see [`Kept`]), and the files of archives in `archives/` (see [`Shelf`]).
//!
//! The cache does not grow without limit, and no rebuilder can fill it. Each rebuilder has a share of
//! what is kept about a package and a share of the whole (see [`crate::sys::room`]). The name of a
//! file tells who signed it and who gave it; the file counts towards the giver's share. The bytes
//! around the signed part are not authenticated: the giver can make them as large and as varied as
//! it likes. The names serve only to count shares. They prove no authenticity.

mod archives;

mod kept;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::attest;
use crate::sys::files::{read_bounded, write_whole};
use crate::sys::privileges::User;
use crate::sys::room::Room;
use crate::types::{ArtifactName, RebuilderName, Sha256Digest, Timestamp};

pub use archives::{PublishedRelease, Shelf};
pub use kept::Kept;

/// The cache directory unless apt's configuration (`APT::Quorum::Cache`) names another.
pub const DEFAULT_DIRECTORY: &str = "/var/cache/apt-quorum";

/// Most files about one package that are looked through when all attestations are wanted.
const MAX_LOOKED_THROUGH: usize = 10_000;

/// Most packages that are listed.
const MAX_LISTED: usize = 1_000_000;

/// Most attestations that are read about one package, in turns from all rebuilders.
const MAX_ENTRIES: usize = 64;

/// Most attestations of one rebuilder that are kept about one package: the newest. One is a vote,
/// and a second one may be about another file.
const SHARE: usize = 4;

/// Most disk space that all attestations may take, in bytes. One usually takes 8 kB, so those of
/// three rebuilders about 10,000 packages fit.
const MAX_ATTESTATIONS: u64 = 256 * 1024 * 1024;

/// The separator between the signer and the giver in a file name. No rebuilder's name contains it.
const GIVEN_BY: char = '~';

/// Most bytes of attestations of one rebuilder that one process writes. Bytes that were removed
/// again count as well, because they were written. An audit of 10,000 packages usually brings
/// 10 MB.
const MAX_WRITTEN: usize = 64 * 1024 * 1024;

/// Most disk space that all bundles may take, in bytes: eight of the largest.
const MAX_BUNDLES: u64 = 512 * 1024 * 1024;

/// Most disk space that the files of all archives may take, in bytes. Those of all components of
/// Debian for one architecture have 15 MB.
const MAX_ARCHIVES: u64 = 1024 * 1024 * 1024;

/// The result of keeping an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The bytes are kept now.
    New,
    /// The bytes were kept already.
    Before,
}

/// A directory with signed bytes.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    directory: PathBuf,
    room: Room,
    /// The bytes that this process wrote, by the rebuilder to whose share they count
    written: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Cache {
    /// The cache in `directory`, which need not exist yet.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let (root, directory) = (directory.to_owned(), directory.join("attestations"));
        let room =
            Room::new(directory.clone(), 1, MAX_ATTESTATIONS, |path, _| giver(path).to_owned())
                // Only packages have a name there.
                .noted_nowhere();
        Self { root, directory, room, written: Arc::default() }
    }

    /// The directory that it was made with.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory with the attestations.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory with the files that archives publish.
    #[must_use]
    pub fn archives(&self) -> PathBuf {
        self.root.join("archives")
    }

    /// Returns the shelf with the kept files of a suite of the archive at `url`.
    #[must_use]
    pub fn shelf(&self, url: &str, suite: &str) -> Shelf {
        // Each archive has a directory.
        let first =
            |path: &Path, _| path.iter().next().unwrap_or_default().to_string_lossy().into_owned();
        let room = Room::new(self.archives(), 2, MAX_ARCHIVES, first);
        Shelf::new(&self.archives(), url, suite, room)
    }

    /// The directory with the bundles that were fetched.
    #[must_use]
    pub fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// The place of the document that is fetched as a whole from `url`.
    #[must_use]
    pub fn kept(&self, url: &str) -> Kept {
        let name = |path: &Path, _| stem(path).0.to_owned();
        Kept::new(&self.bundles(), url, Room::new(self.bundles(), 0, MAX_BUNDLES, name))
    }

    /// Lists the packages about which an attestation may be kept.
    ///
    /// # Errors
    /// If the directory cannot be read. A missing directory counts as empty.
    pub fn artifacts(&self) -> io::Result<BTreeSet<ArtifactName>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let artifact = |entry: io::Result<fs::DirEntry>| {
            entry.ok()?.file_name().to_str()?.parse::<ArtifactName>().ok()
        };
        Ok(entries.take(MAX_LISTED).filter_map(artifact).collect())
    }

    /// Reads the attestations about `artifact`: untrusted bytes, each once. An unreadable cache
    /// counts as empty.
    ///
    /// If there are more than may be read, takes the newest of each giver, then the second of each.
    /// A rebuilder with very many files must not hide the others, however they came there.
    #[must_use]
    pub fn read(&self, artifact: &ArtifactName) -> Vec<Vec<u8>> {
        self.read_some(artifact, |_, _| true).into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// Reads as [`Self::read`] does, and returns each attestation after the name of the rebuilder
    /// that gave it, or an empty name. Leaves out those for which `takes` returns false.
    #[must_use]
    pub fn read_some(
        &self,
        artifact: &ArtifactName,
        takes: impl Fn(&str, &[u8]) -> bool,
    ) -> Vec<(String, Vec<u8>)> {
        let mut paths = self.paths(artifact);
        if paths.len() > MAX_ENTRIES {
            paths = by_turns(paths);
        }
        let mut seen = BTreeSet::new();
        let read = paths.iter().filter_map(|path| {
            let bytes = read_bounded(path, attest::MAX_BYTES)?;
            let digest = Sha256Digest::of(&bytes);
            // An attestation that several rebuilders signed is there once for each of them.
            let wanted = !seen.contains(&digest) && takes(giver(path), &bytes);
            (wanted && seen.insert(digest)).then(|| (giver(path).to_owned(), bytes))
        });
        read.collect()
    }

    /// The files about `artifact`, in the order of their names.
    fn paths(&self, artifact: &ArtifactName) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.join(artifact.as_str()));
        let entries = entries.into_iter().flatten().take(MAX_LOOKED_THROUGH);
        let mut paths: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
        paths.sort_unstable();
        paths
    }

    /// The time since which these bytes are kept, by the file's modification time. Everyone who can
    /// write in the cache can set that time.
    #[must_use]
    pub fn kept_since(&self, artifact: &ArtifactName, bytes: Sha256Digest) -> Option<Timestamp> {
        let name = bytes.to_string();
        let paths = self.paths(artifact).into_iter().filter(|path| stem(path).0 == name);
        let there =
            paths.filter_map(|path| path.symlink_metadata().ok().filter(fs::Metadata::is_file));
        there.filter_map(|it| it.modified().ok()).min().map(Timestamp::from)
    }

    /// Reads every attestation about `artifact`, one after the other, in the order of the names:
    /// untrusted bytes.
    pub fn each(&self, artifact: &ArtifactName) -> impl Iterator<Item = Vec<u8>> {
        self.paths(artifact).into_iter().filter_map(|path| read_bounded(&path, attest::MAX_BYTES))
    }

    /// Gives the directories that the unprivileged user writes to that user, where only root could
    /// make them. If a directory cannot be given, nothing is written to it, and so nothing is kept.
    pub fn give_to(&self, user: &User) {
        let _ = fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.root);
        let roots = |it: &fs::Metadata| it.is_dir() && it.uid() == 0 && it.mode() & 0o022 == 0;
        if !fs::symlink_metadata(&self.root).is_ok_and(|it| roots(&it)) {
            return;
        }
        for directory in [self.directory.clone(), self.bundles(), self.archives()] {
            let _ = fs::DirBuilder::new().mode(0o755).create(&directory);
            // Root owns the parent directory, so no other user can put anything in its place.
            if fs::symlink_metadata(&directory).is_ok_and(|it| it.is_dir()) {
                let _ = std::os::unix::fs::lchown(&directory, Some(user.uid), Some(user.gid));
            }
        }
    }

    /// Keeps `attestation` about `artifact` for no rebuilder, because its signer is unknown.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn store(&self, artifact: &ArtifactName, attestation: &[u8]) -> io::Result<Stored> {
        self.keep(artifact, "", attestation)
    }

    /// Keeps `attestation` about `artifact` that this rebuilder signed. If the rebuilder has used up
    /// its share for the package, the new one replaces its oldest. An attestation that several
    /// rebuilders signed is kept for each of them.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn store_signed(
        &self,
        artifact: &ArtifactName,
        rebuilder: &RebuilderName,
        attestation: &[u8],
    ) -> io::Result<Stored> {
        self.keep(artifact, rebuilder.as_str(), attestation)
    }

    /// Keeps `attestation` as [`Self::store_signed`] does, in the share of `giver`, whose endpoint
    /// gave it.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn store_given(
        &self,
        artifact: &ArtifactName,
        rebuilder: &RebuilderName,
        giver: &RebuilderName,
        attestation: &[u8],
    ) -> io::Result<Stored> {
        if rebuilder == giver {
            return self.store_signed(artifact, rebuilder, attestation);
        }
        self.keep(artifact, &format!("{rebuilder}{GIVEN_BY}{giver}"), attestation)
    }

    /// Writes the bytes under another name first, so that a crash leaves nothing or all of it.
    fn keep(&self, artifact: &ArtifactName, whose: &str, bytes: &[u8]) -> io::Result<Stored> {
        let directory = self.directory.join(artifact.as_str());
        fs::create_dir_all(&directory)?;
        let mut name = Sha256Digest::of(bytes).to_string();
        if !whose.is_empty() {
            name = format!("{name}.{whose}");
        }
        let path = directory.join(name);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if path.symlink_metadata().is_ok_and(|there| there.len() == length) {
            return Ok(Stored::Before);
        }
        self.count(giver(&path), bytes.len())?;
        let mut own = self.paths(artifact);
        own.retain(|it| owner(it) == whose && *it != path);
        own.sort_by_cached_key(|it| written(it));
        let surplus = own.len().saturating_add(1).saturating_sub(SHARE);
        for oldest in own.iter().take(surplus) {
            let _ = fs::remove_file(oldest);
        }
        write_whole(&path, bytes)?;
        self.room.written(bytes.len());
        Ok(Stored::New)
    }

    /// Counts bytes that are about to be written to the share of `whose`. Fails if this process
    /// would then have written more than [`MAX_WRITTEN`] bytes of that share.
    fn count(&self, whose: &str, bytes: usize) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(|lock| lock.into_inner());
        let sum = written.entry(whose.to_owned()).or_default();
        let more = sum.saturating_add(bytes);
        if more > MAX_WRITTEN {
            let limit = MAX_WRITTEN >> 20;
            let why = format!("more than {limit} MiB of one rebuilder at once are not kept");
            return Err(io::Error::other(why));
        }
        *sum = more;
        Ok(())
    }
}

/// Splits a file name at its first dot.
fn stem(path: &Path) -> (&str, &str) {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    name.split_once('.').unwrap_or((name, ""))
}

/// The rebuilders in the name of a file with an attestation: the signer, and the giver if that is
/// another. Empty if the file belongs to no rebuilder.
fn owner(path: &Path) -> &str {
    stem(path).1
}

/// The rebuilder to whose share a file with an attestation counts, by its name.
fn giver(path: &Path) -> &str {
    let owner = owner(path);
    owner.rsplit_once(GIVEN_BY).map_or(owner, |(_, giver)| giver)
}

fn written(path: &Path) -> SystemTime {
    let written = path.symlink_metadata().and_then(|it| it.modified());
    written.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Selects as many paths as may be read, in turns from all owners, the newest first.
fn by_turns(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut owners: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        owners.entry(giver(&path).to_owned()).or_default().push(path);
    }
    let newest_first = |mut paths: Vec<PathBuf>| {
        paths.sort_by_cached_key(|it| std::cmp::Reverse(written(it)));
        paths.into_iter()
    };
    let mut rest: VecDeque<_> = owners.into_values().map(newest_first).collect();
    let mut chosen = Vec::new();
    while let Some(mut paths) = rest.pop_front().filter(|_| chosen.len() < MAX_ENTRIES) {
        if let Some(path) = paths.next() {
            chosen.push(path);
            rest.push_back(paths);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Identity;

    fn artifact(name: &str) -> ArtifactName {
        let (package, version) = (name.parse().unwrap(), "1".parse().unwrap());
        Identity { package, version, architecture: "all".parse().unwrap() }.artifact_name()
    }

    #[test]
    fn what_was_stored_is_read_for_its_own_package_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        assert!(cache.read(&artifact("aa")).is_empty());
        cache.store(&artifact("aa"), b"one").unwrap();
        cache.store(&artifact("aa"), b"one").unwrap();
        cache.store(&artifact("aa"), b"two").unwrap();
        assert_eq!(cache.read(&artifact("aa")).len(), 2);
        assert!(cache.read(&artifact("aab")).is_empty());
    }

    #[test]
    fn planted_links_pipes_and_giants_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        cache.store(&artifact("aa"), b"one").unwrap();
        let inside = directory.path().join("attestations/aa_1_all.deb");
        std::os::unix::fs::symlink("/etc/passwd", inside.join("link")).unwrap();
        nix::unistd::mkfifo(&inside.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::write(inside.join("giant"), vec![0; crate::attest::MAX_BYTES + 1]).unwrap();
        assert_eq!(cache.read(&artifact("aa")), [b"one"]);
    }

    fn rebuilder(name: &str) -> RebuilderName {
        name.parse().unwrap()
    }

    fn kept(cache: &Cache, name: &str) -> Vec<String> {
        let read = cache.read(&artifact(name));
        let mut all: Vec<String> =
            read.into_iter().map(|it| String::from_utf8(it).unwrap()).collect();
        all.sort();
        all
    }

    /// Makes all files about a package older, so that none that is written later is as old.
    fn age(cache: &Cache, name: &str, seconds: u64) {
        for path in cache.paths(&artifact(name)) {
            let then = SystemTime::now() - std::time::Duration::from_secs(seconds);
            if let Ok(file) = fs::File::options().append(true).open(&path) {
                file.set_modified(written(&path).min(then)).unwrap();
            }
        }
    }

    #[test]
    fn who_fills_a_share_fills_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let [alice, mallory] = ["alice", "mallory.x"].map(rebuilder);
        cache.store_signed(&artifact("aa"), &alice, b"alice's").unwrap();
        for n in 0..100 {
            let bytes = format!("mallory's {n}");
            cache.store_signed(&artifact("aa"), &mallory, bytes.as_bytes()).unwrap();
            cache.store(&artifact("aa"), format!("nobody's {n}").as_bytes()).unwrap();
            age(&cache, "aa", 1000 - n);
        }
        let expected =
            [96, 97, 98, 99].map(|n| [format!("mallory's {n}"), format!("nobody's {n}")]);
        let mut expected = expected.concat();
        expected.push("alice's".to_owned());
        expected.sort();
        assert_eq!(kept(&cache, "aa"), expected);
    }

    #[test]
    fn what_two_signed_is_read_once_and_stays_while_one_of_them_has_room() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let [alice, mallory] = ["alice", "mallory"].map(rebuilder);
        let stored = [&alice, &mallory, &mallory]
            .map(|it| cache.store_signed(&artifact("aa"), it, b"both").unwrap());
        assert_eq!(stored, [Stored::New, Stored::New, Stored::Before]);
        assert_eq!(kept(&cache, "aa"), ["both"]);
        assert!(cache.kept_since(&artifact("aa"), Sha256Digest::of(b"both")).is_some());
        assert!(cache.kept_since(&artifact("aa"), Sha256Digest::of(b"other")).is_none());
        age(&cache, "aa", 1000);
        for n in 0..4_u8 {
            cache.store_signed(&artifact("aa"), &mallory, &[b'0' + n]).unwrap();
        }
        assert_eq!(kept(&cache, "aa"), ["0", "1", "2", "3", "both"]);
    }

    #[test]
    fn one_rebuilder_does_not_have_a_process_write_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let [alice, mallory] = ["alice", "mallory"].map(rebuilder);
        let mut bytes = vec![b' '; 1 << 20];
        let mut store = |n: usize, whose: &RebuilderName| {
            bytes[..4].copy_from_slice(&u32::try_from(n).unwrap().to_be_bytes());
            cache.clone().store_signed(&artifact(&format!("a{n}")), whose, &bytes)
        };
        for n in 0..64 {
            store(n, &mallory).unwrap();
        }
        let error = store(64, &mallory).unwrap_err().to_string();
        assert_eq!(error, "more than 64 MiB of one rebuilder at once are not kept");
        assert_eq!(store(0, &mallory).unwrap(), Stored::Before);
        assert_eq!(store(64, &alice).unwrap(), Stored::New);
    }

    /// Too much is removed when something is kept beside it, however it came there.
    #[test]
    fn nothing_that_is_kept_grows_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let (alice, url) = (rebuilder("alice"), "https://a.example/");
        Cache::new(directory.path()).store_signed(&artifact("aa"), &alice, b"one").unwrap();
        let giant = |name: &str, length: u64| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(&path).unwrap().set_len(length).unwrap();
            path
        };
        let attestation = giant("attestations/bb_1_all.deb/0.mallory", MAX_ATTESTATIONS);
        let bundle = giant("bundles/0.tar.gz", MAX_BUNDLES);
        let file = giant("archives/0/files/0", MAX_ARCHIVES);
        let cache = Cache::new(directory.path());
        cache.store_signed(&artifact("cc"), &alice, b"two").unwrap();
        assert!(!attestation.exists() && bundle.exists() && file.exists());
        assert_eq!([kept(&cache, "aa"), kept(&cache, "cc")], [["one"], ["two"]]);
        cache.kept(url).store(b"bundle", b"").unwrap();
        assert!(!bundle.exists() && file.exists() && cache.kept(url).open(100).is_some());
        let (path, sha256) = ("main/x".to_owned(), Sha256Digest::of(b"file"));
        let listed = crate::attest::repository::ListedFile { path, sha256, size: 4 };
        let shelf = cache.shelf(url, "stable");
        shelf.store(&listed, b"file").unwrap();
        assert!(!file.exists() && shelf.has(&listed));
    }

    /// The bytes around what alice signed are not authenticated, so mallory can make them as large
    /// as it likes.
    #[test]
    fn what_one_gives_of_anothers_is_out_of_its_own_share() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let [alice, mallory] = ["alice", "mallory"].map(rebuilder);
        let mut giant = vec![b' '; 1 << 20];
        let mut give = |n: u8| {
            giant[0] = n;
            cache.store_given(&artifact("aa"), &alice, &mallory, &giant)
        };
        assert!((0..64).all(|n| give(n).is_ok()));
        assert!(give(64).is_err(), "mallory has written enough");
        cache.store_given(&artifact("aa"), &alice, &alice, b"alice's").unwrap();
        let mut read = Vec::new();
        for whose in ["alice", "mallory"] {
            read.push(cache.read_some(&artifact("aa"), |it, _| it == whose).len());
        }
        assert_eq!(read, [1, SHARE]);
    }

    #[test]
    fn however_many_lie_there_each_rebuilder_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        for name in ["alice", "bob", "zoe"] {
            cache.store_signed(&artifact("aa"), &rebuilder(name), name.as_bytes()).unwrap();
        }
        // As only the owner of the cache can do.
        let inside = directory.path().join("attestations/aa_1_all.deb");
        for n in 0..1000 {
            fs::write(inside.join(format!("{n:064x}.mallory")), n.to_string()).unwrap();
            fs::write(inside.join(format!("{n:064x}")), format!("planted {n}")).unwrap();
        }
        let read = kept(&cache, "aa");
        assert_eq!(read.len(), MAX_ENTRIES);
        for name in ["alice", "bob", "zoe"] {
            assert!(read.iter().any(|it| it == name), "{name}");
        }
    }
}
