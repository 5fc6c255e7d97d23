//! The entries about a file in archives of rebuilt packages, from the kept files of these archives.
//!
//! A process without privileges fetched the files into the cache, which is not root's. All of them
//! are verified here again, once a run: see [`crate::attest::repository`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::attest::repository::{
    Index, ListedFile, Release, Repository, RepositoryRejection, TakenOver, Terms,
};
use crate::attest::{Claim, KeyRing};
use crate::cache::{Cache, PublishedRelease, Shelf};
use crate::config::Endpoint;
use crate::evidence::indexes;
use crate::receipt::SignedBytes;
use crate::sys::files::write_whole;
use crate::sys::secure::Trusted;
use crate::types::{Architecture, Identity, Sha256Digest, Timestamp};

/// The file's name, below `APT::Quorum::State`. It has the dates of the newest Release files that
/// were seen: an archive must not offer an older one later. The cache could be set back; this file
/// belongs to root.
const FILE: &str = "archives.json";

/// Largest such file that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The archives of a configuration.
#[derive(Debug, Default)]
pub(super) struct Archives {
    places: BTreeMap<usize, ArchivePlace>,
    native: Option<Architecture>,
    seen: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Debug)]
struct ArchivePlace {
    id: String,
    terms: Terms,
    shelf: Shelf,
}

#[derive(Debug, Default)]
struct Opened {
    archives: BTreeMap<usize, (Repository, SignedBytes)>,
    /// The dates of the newest Release files, by the ids of the places
    dates: BTreeMap<String, Timestamp>,
    /// The reasons for which files are unusable, by the SHA-256 that they should have. A file that
    /// takes long to read and turns out unusable must not be read again for every package.
    useless: BTreeMap<Sha256Digest, RepositoryRejection>,
}

impl ArchivePlace {
    /// Reads a kept file. An unusable file is read only once; a missing one may still arrive.
    fn read<T>(
        &self,
        listed: &ListedFile,
        useless: &mut BTreeMap<Sha256Digest, RepositoryRejection>,
        read: impl FnOnce(&[u8], &ListedFile) -> Result<T, RepositoryRejection>,
    ) -> Result<T, RepositoryRejection> {
        if let Some(why) = useless.get(&listed.sha256) {
            return Err(why.clone());
        }
        let missing = || RepositoryRejection::OtherFile { path: listed.path.clone() };
        let file = self.shelf.file(listed).ok_or_else(missing)?;
        read(&file, listed).inspect_err(|why| drop(useless.insert(listed.sha256, why.clone())))
    }
}

/// The claims of an archive about a file.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) claims: Vec<Claim>,
    /// The signed bytes behind them: the Release file. The indexes that it lists remain in the
    /// cache
    pub(super) signed: SignedBytes,
}

/// The reason for which an archive makes no claim that counts about a file.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) why: RepositoryRejection,
    /// The SHA-256 of its Release file
    pub(super) release: Sha256Digest,
}

impl Archives {
    /// Selects the archives among `endpoints`, as far as they are kept in `cache`. `state` is
    /// root's own directory.
    pub(super) fn new(
        endpoints: &[Endpoint],
        cache: &Cache,
        native: Option<Architecture>,
        state: &Path,
    ) -> Self {
        let place = |(at, endpoint): (usize, &Endpoint)| {
            let terms = endpoint.archive.clone()?;
            let shelf = cache.shelf(endpoint.url.as_str(), &terms.suite);
            Some((
                at,
                ArchivePlace { id: format!("{} {}", endpoint.url, terms.suite), terms, shelf },
            ))
        };
        let places: BTreeMap<_, _> = endpoints.iter().enumerate().filter_map(place).collect();
        let seen = state.join(FILE);
        let dates = if places.is_empty() { BTreeMap::new() } else { read_dates(&seen) };
        let opened = Mutex::new(Opened { dates, ..Opened::default() });
        Self { places, native, seen, opened }
    }

    /// Returns the claims about a file of the archive that is the endpoint `at`. Returns nothing if
    /// that is no archive, or none of its files are kept.
    pub(super) fn look_up(
        &self,
        at: usize,
        identity: &Identity,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Option<Result<Word, Silence>> {
        let place = self.places.get(&at)?;
        let mut opened = self.opened.lock().unwrap_or_else(|lock| lock.into_inner());
        let Opened { archives, dates, useless } = &mut *opened;
        let (archive, signed) = match archives.entry(at) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(place_for_it) => {
                let published = place.shelf.release()?;
                match self.open(place, &published, dates, useless, keys, now) {
                    Ok(archive) => place_for_it.insert((archive, signed(&published))),
                    Err(why) => {
                        let release = Sha256Digest::of(published.file());
                        return Some(Err(Silence { why, release }));
                    }
                }
            }
        };
        let claims = self.fill(place, archive, useless, identity);
        let claims = claims.and_then(|()| archive.claims(identity, keys, now));
        Some(match claims {
            Ok(claims) => Ok(Word { claims, signed: signed.clone() }),
            Err(why) => Err(Silence { why, release: archive.release().digest() }),
        })
    }

    /// Verifies the kept files, except the indexes.
    fn open(
        &self,
        place: &ArchivePlace,
        published: &PublishedRelease,
        dates: &mut BTreeMap<String, Timestamp>,
        useless: &mut BTreeMap<Sha256Digest, RepositoryRejection>,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Repository, RepositoryRejection> {
        let (file, signature) = (published.file(), published.signature());
        let digest = Sha256Digest::of(file);
        if let Some(why) = useless.get(&digest) {
            return Err(why.clone());
        }
        let release = Release::read(file, signature, keys, &place.terms, now)
            .inspect_err(|why| drop(useless.insert(digest, why.clone())))?;
        release.check_still_good(now)?;
        let seen = dates.get(&place.id).copied();
        if let Some(seen) = seen {
            release.check_not_older(seen)?;
        }
        let taken_over = place.read(&release.taken_over()?, useless, TakenOver::read)?;
        if seen.is_none_or(|seen| seen < release.date()) {
            dates.insert(place.id.clone(), release.date());
            self.remember(dates);
        }
        Ok(Repository::new(release, taken_over))
    }

    /// Adds the indexes that can contain a package.
    fn fill(
        &self,
        place: &ArchivePlace,
        archive: &mut Repository,
        useless: &mut BTreeMap<Sha256Digest, RepositoryRejection>,
        identity: &Identity,
    ) -> Result<(), RepositoryRejection> {
        for listed in indexes(archive.release(), &identity.architecture, self.native.as_ref()) {
            if !archive.has(&listed.path) {
                let index = place.read(&listed, useless, |file, listed| {
                    let index = Index::read(file, listed)?;
                    archive.check_room(&index).map(|()| index)
                })?;
                archive.add(index);
            }
        }
        Ok(())
    }

    /// Keeps the dates. Only root writes them, and nothing depends on the file: without it, an
    /// archive can go back in time once.
    fn remember(&self, dates: &BTreeMap<String, Timestamp>) {
        if nix::unistd::geteuid().is_root() {
            let text = serde_json::to_vec(dates).unwrap_or_default();
            let _ = self.seen.parent().map(std::fs::create_dir_all);
            let _ = write_whole(&self.seen, &text);
        }
    }
}

fn signed(published: &PublishedRelease) -> SignedBytes {
    let files = [Some(published.file()), published.signature()];
    let entry = |bytes: &[u8]| (Sha256Digest::of(bytes), Arc::from(bytes));
    files.into_iter().flatten().map(entry).collect()
}

fn read_dates(path: &Path) -> BTreeMap<String, Timestamp> {
    let text = Trusted::now().read(path, MAX_BYTES).ok();
    let read = text.and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).ok());
    let date = |(id, text): (String, String)| Some((id, text.parse().ok()?));
    read.unwrap_or_default().into_iter().filter_map(date).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_keep_the_release_file_and_the_signature_beside_it() {
        let digest = |bytes: &[u8]| Sha256Digest::of(bytes);
        let inline = signed(&PublishedRelease::Inline(b"one".to_vec()));
        assert_eq!(inline.into_keys().collect::<Vec<_>>(), [digest(b"one")]);
        let detached =
            PublishedRelease::Detached { release: b"one".to_vec(), signature: b"two".to_vec() };
        let kept = signed(&detached);
        assert_eq!(kept.len(), 2);
        for bytes in [&b"one"[..], b"two"] {
            assert_eq!(kept.get(&digest(bytes)).map(|it| &**it), Some(bytes));
        }
    }

    #[test]
    fn an_index_that_is_of_no_use_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Cache::new(directory.path()).shelf("https://a.example/", "stable");
        let terms = Terms {
            rebuilder: "alpha".parse().unwrap(),
            suite: "stable".to_owned(),
            components: vec!["main".to_owned()],
            taken_over: "list".to_owned(),
        };
        let place = ArchivePlace { id: "a".to_owned(), terms, shelf };
        let of = |bytes: &[u8]| ListedFile {
            path: "main/binary-amd64/Packages".to_owned(),
            sha256: Sha256Digest::of(bytes),
            size: bytes.len(),
        };
        let (bad, good) = (of(b"bad"), of(b"good"));
        let mut useless = BTreeMap::new();
        let mut times = 0;
        let mut read = |listed: &ListedFile| {
            let read = place.read(listed, &mut useless, |file, listed| {
                times += 1;
                let why = "cannot be unpacked";
                let path = listed.path.clone();
                if file == b"good" {
                    Ok(())
                } else {
                    Err(RepositoryRejection::Unreadable { path, why })
                }
            });
            (read.err().map(|it| it.code()), times)
        };
        // A missing file may still arrive.
        assert_eq!(read(&bad), (Some("other-file"), 0));
        for (listed, bytes) in [(&bad, &b"bad"[..]), (&good, b"good")] {
            place.shelf.store(listed, bytes).unwrap();
        }
        for _ in 0..100 {
            assert_eq!(read(&bad), (Some("unreadable-index"), 1));
        }
        assert_eq!(read(&good), (None, 2), "another one");
    }
}
