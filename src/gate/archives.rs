//! What archives that were built anew say about a file, from what is kept of them.
//!
//! The files were fetched by a process without privileges and lie in the cache, which is not
//! root's. All of them are verified here again, once a run: see [`crate::attest::archive`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::attest::archive::{Archive, Index, Rejection, Release, TakenOver, Terms};
use crate::attest::{Claim, KeyRing};
use crate::cache::{Cache, Published, Shelf};
use crate::config::Endpoint;
use crate::evidence::indexes;
use crate::receipt::Signed;
use crate::sys::files::write_whole;
use crate::sys::secure::Trusted;
use crate::types::{Architecture, Identity, Sha256Digest, Timestamp};

/// The file's name, below `APT::Quorum::State`, with the dates of the newest Release files that were
/// seen: what an archive offers later must not be older. The cache could be set back, this is
/// root's.
const FILE: &str = "archives.json";

/// Largest such file that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The archives of a configuration.
#[derive(Debug, Default)]
pub(super) struct Archives {
    places: BTreeMap<usize, Place>,
    native: Option<Architecture>,
    seen: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Debug)]
struct Place {
    id: String,
    terms: Terms,
    shelf: Shelf,
}

#[derive(Debug, Default)]
struct Opened {
    archives: BTreeMap<usize, (Archive, Signed)>,
    /// The dates of the newest Release files, by the places' ids
    dates: BTreeMap<String, Timestamp>,
}

/// What an archive says about a file.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) claims: Vec<Claim>,
    /// The signed bytes behind it: the Release file. The indexes that it lists stay in the cache
    pub(super) signed: Signed,
}

/// Why an archive says nothing about a file that counts.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) why: Rejection,
    /// The SHA-256 of its Release file
    pub(super) release: Sha256Digest,
}

impl Archives {
    /// The archives among `endpoints`, as far as they are kept in `cache`. `state` is root's own
    /// directory.
    pub(super) fn new(
        endpoints: &[Endpoint],
        cache: &Cache,
        native: Option<Architecture>,
        state: &Path,
    ) -> Self {
        let place = |(at, endpoint): (usize, &Endpoint)| {
            let terms = endpoint.archive.clone()?;
            let shelf = cache.shelf(endpoint.url.as_str(), &terms.suite);
            Some((at, Place { id: format!("{} {}", endpoint.url, terms.suite), terms, shelf }))
        };
        let places: BTreeMap<_, _> = endpoints.iter().enumerate().filter_map(place).collect();
        let seen = state.join(FILE);
        let dates = if places.is_empty() { BTreeMap::new() } else { read_dates(&seen) };
        let opened = Mutex::new(Opened { archives: BTreeMap::new(), dates });
        Self { places, native, seen, opened }
    }

    /// What the archive that is the endpoint `at` says about a file. Nothing if that is no archive,
    /// or nothing is kept of it.
    pub(super) fn look_up(
        &self,
        at: usize,
        identity: &Identity,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Option<Result<Word, Silence>> {
        let place = self.places.get(&at)?;
        let mut opened = self.opened.lock().unwrap_or_else(|lock| lock.into_inner());
        let Opened { archives, dates } = &mut *opened;
        let (archive, signed) = match archives.entry(at) {
            Entry::Occupied(opened) => opened.into_mut(),
            Entry::Vacant(place_for_it) => {
                let published = place.shelf.release()?;
                match self.open(place, &published, dates, keys, now) {
                    Ok(archive) => place_for_it.insert((archive, signed(&published))),
                    Err(why) => {
                        let release = Sha256Digest::of(published.file());
                        return Some(Err(Silence { why, release }));
                    }
                }
            }
        };
        let claims = self.fill(place, archive, identity);
        let claims = claims.and_then(|()| archive.claims(identity, keys, now));
        Some(match claims {
            Ok(claims) => Ok(Word { claims, signed: signed.clone() }),
            Err(why) => Err(Silence { why, release: archive.release().digest() }),
        })
    }

    /// Verifies what is kept, but for the indexes.
    fn open(
        &self,
        place: &Place,
        published: &Published,
        dates: &mut BTreeMap<String, Timestamp>,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Archive, Rejection> {
        let (file, signature) = (published.file(), published.signature());
        let release = Release::read(file, signature, keys, &place.terms, now)?;
        release.check_still_good(now)?;
        let seen = dates.get(&place.id).copied();
        if let Some(seen) = seen {
            release.check_not_older(seen)?;
        }
        let listed = release.taken_over()?;
        let missing = || Rejection::OtherFile { path: listed.path.clone() };
        let list = place.shelf.file(&listed).ok_or_else(missing)?;
        let taken_over = TakenOver::read(&list, &listed)?;
        if seen.is_none_or(|seen| seen < release.date()) {
            dates.insert(place.id.clone(), release.date());
            self.remember(dates);
        }
        Ok(Archive::new(release, taken_over))
    }

    /// Adds the indexes in which a package can stand.
    fn fill(
        &self,
        place: &Place,
        archive: &mut Archive,
        identity: &Identity,
    ) -> Result<(), Rejection> {
        for listed in indexes(archive.release(), &identity.architecture, self.native.as_ref()) {
            if !archive.has(&listed.path) {
                let missing = || Rejection::OtherFile { path: listed.path.clone() };
                let file = place.shelf.file(&listed).ok_or_else(missing)?;
                archive.add(Index::read(&file, &listed)?);
            }
        }
        Ok(())
    }

    /// Only root's word is kept, and nothing depends on its being there: without it, an archive
    /// can go back in time once.
    fn remember(&self, dates: &BTreeMap<String, Timestamp>) {
        if nix::unistd::geteuid().is_root() {
            let text = serde_json::to_vec(dates).unwrap_or_default();
            let _ = self.seen.parent().map(std::fs::create_dir_all);
            let _ = write_whole(&self.seen, &text);
        }
    }
}

fn signed(published: &Published) -> Signed {
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
        let inline = signed(&Published::Inline(b"one".to_vec()));
        assert_eq!(inline.into_keys().collect::<Vec<_>>(), [digest(b"one")]);
        let detached = Published::Detached { release: b"one".to_vec(), signature: b"two".to_vec() };
        let kept = signed(&detached);
        assert_eq!(kept.len(), 2);
        for bytes in [&b"one"[..], b"two"] {
            assert_eq!(kept.get(&digest(bytes)).map(|it| &**it), Some(bytes));
        }
    }
}
