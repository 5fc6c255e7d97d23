//! Finds out which repositories list a file, from the indexes that apt verified.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::indexes::{IndexRelease, ReadExtent, is_packages, names, stem};
use crate::apt::index::{self, IndexEntry, IndexOrigin, ListedPackage};
use crate::deb822::packages::{MAX_PACKAGES, MAX_TEXT};
use crate::policy::Listing;
use crate::types::{
    DebVersion, Identity, Sha256Digest, SourceName, Timestamp, Unverified, printable,
};

/// Most different files that one index may list as the same package. Each of them may have to be
/// looked at.
const MAX_FILES: usize = 16;

/// Most packages without a SHA-256 that are remembered: they only serve for messages.
const MAX_UNHASHED: usize = 10_000;

/// The repositories by the files that they list.
///
/// An entry takes 20 bytes a package, so a process that must know all of them can.
#[derive(Debug, Default)]
pub struct Listings {
    repositories: Vec<KnownRepository>,
    /// The listed files, each with its repository. Sorted, each once
    keys: Vec<(FileKey, u32)>,
    /// The same at full length, if it is needed. Sorted by the packages as which they are listed
    files: Vec<(u32, ListedPackage)>,
    /// Packages that are listed without a SHA-256, and their repositories
    unhashed: BTreeMap<Identity, Vec<u32>>,
    remarks: Vec<String>,
}

/// Files by the packages as which they are listed.
pub type ListedFiles<'a> = BTreeMap<&'a Identity, BTreeMap<Sha256Digest, &'a ListedPackage>>;

/// A file that is listed as a package: half of the SHA-256 of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FileKey([u8; 16]);

impl FileKey {
    fn of(sha256: Sha256Digest, identity: &Identity) -> Self {
        // As names are compared everywhere: ignoring case.
        let Identity { package, version, architecture } = identity;
        let name = package.in_lower_case();
        let both = format!("{sha256} {name} {version} {architecture}");
        let both = Sha256Digest::of(both.as_bytes());
        Self(both.as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// The means for finding out who signed an index.
#[derive(Debug, Clone)]
pub struct SignerKeys {
    /// The certificates that could have signed it
    pub certificates: Vec<Unverified>,
    /// The time by which their keys are judged
    pub now: Timestamp,
}

/// A part of a repository that has an index.
#[derive(Debug)]
struct KnownRepository {
    listing: Listing,
    /// True if its Release file is signed
    signed: bool,
}

/// The kept part of each listed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// The fact that it is listed
    Places,
    /// Its entry, too
    Files,
}

/// The settings for reading indexes.
#[derive(Debug, Clone, Copy)]
struct Reading<'a> {
    directory: &'a Path,
    keep: Keep,
    /// Most packages of one index
    most: usize,
}

impl Listings {
    /// Reads the indexes in `directory` (apt's `Dir::State::lists`) and keeps the files that are
    /// `wanted`. An unreadable index lists nothing: rules about repositories then match less. The
    /// same applies to entries beyond the limits of one index, which [`Self::remarks`] reports.
    ///
    /// Finds out with `signers` who signed the indexes. `wanted` is asked about packages without a
    /// SHA-256 as well.
    #[must_use]
    pub fn load(
        directory: &Path,
        signers: Option<&SignerKeys>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        Self::load_keeping(directory, Keep::Files, signers, wanted)
    }

    /// Reads as [`Self::load`] does, for a caller that may only ask which repositories list a file
    /// ([`Self::of`]).
    pub(super) fn load_keeping(
        directory: &Path,
        keep: Keep,
        signers: Option<&SignerKeys>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        Self::read(Reading { directory, keep, most: MAX_PACKAGES }, signers, wanted)
    }

    fn read(
        reading: Reading<'_>,
        signers: Option<&SignerKeys>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        let Reading { directory, .. } = reading;
        let mut listings = Self::default();
        let mut read: HashMap<&str, IndexRelease> = HashMap::new();
        let names = names(directory).unwrap_or_default();
        let releases: Vec<String> =
            names.iter().filter(|name| name.ends_with("Release")).cloned().collect();
        for name in names.iter().filter(|name| is_packages(name)) {
            let Some(origin) = index::origin_of(stem(name), &releases) else { continue };
            let release = read
                .entry(origin.release)
                .or_insert_with(|| IndexRelease::read(directory, origin.release, &names, signers));
            listings.add(reading, name, origin, release, &wanted);
        }
        listings.keys.sort_unstable();
        listings.keys.dedup();
        listings.files.sort_by(|(_, one), (_, other)| by_name(one).cmp(&by_name(other)));
        listings
    }

    /// Adds the entries of one index, within its limits.
    fn add(
        &mut self,
        reading: Reading<'_>,
        name: &str,
        origin: IndexOrigin<'_>,
        release: &IndexRelease,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) {
        let path = reading.directory.join(name);
        let at = u32::try_from(self.repositories.len()).unwrap_or(u32::MAX);
        let mut listed = 0_usize;
        let mut files: BTreeMap<Identity, usize> = BTreeMap::new();
        let each = |it: IndexEntry| {
            listed = listed.saturating_add(1);
            if listed > reading.most {
                return;
            }
            match it {
                IndexEntry::Listed(it) => {
                    let identity = &it.control.identity;
                    if !wanted(Some(&it.sha256), identity) {
                        return;
                    }
                    self.keys.push((FileKey::of(it.sha256, identity), at));
                    if reading.keep == Keep::Files {
                        let same = files.entry(identity.clone()).or_default();
                        *same += 1;
                        if *same <= MAX_FILES {
                            self.files.push((at, it));
                        }
                    }
                }
                IndexEntry::Unhashed(it) => {
                    if self.unhashed.len() < MAX_UNHASHED && wanted(None, &it) {
                        let places = self.unhashed.entry(it).or_default();
                        if places.last() != Some(&at) {
                            places.push(at);
                        }
                    }
                }
            }
        };
        let (extent, signed_by) = release.read_index(&path, name, &origin, each);
        let IndexOrigin { site, component, .. } = origin;
        let listing = Listing { site, component, signed_by, ..release.listing.clone() };
        self.repositories.push(KnownRepository { listing, signed: release.signed });

        let mut remark = |what: String| {
            self.remarks.push(format!(
                "apt's index {} {what}: the rest counts as not listed",
                printable(name)
            ));
        };
        if extent == Some(ReadExtent::CutOff) {
            remark(format!("has more than {} MiB unpacked", MAX_TEXT >> 20));
        }
        if listed > reading.most {
            remark(format!("lists more than {} packages", reading.most));
        }
        if let Some((identity, _)) = files.iter().find(|(_, same)| **same > MAX_FILES) {
            remark(format!("lists more than {MAX_FILES} different files as {identity}"));
        }
    }

    /// The parts of the indexes that were not read because they exceed the limits, for people.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The repositories that list a file of this SHA-256 as this very package.
    #[must_use]
    pub fn of(&self, sha256: Sha256Digest, identity: &Identity) -> Vec<Listing> {
        let wanted = FileKey::of(sha256, identity);
        let from = self.keys.partition_point(|(key, _)| *key < wanted);
        let listed = self.keys.get(from..).unwrap_or_default().iter();
        let listed = listed.take_while(|(key, _)| *key == wanted);
        listed.filter_map(|(_, at)| Some(self.repository(*at)?.listing.clone())).collect()
    }

    /// The repositories that list this package without the SHA-256 of its file. No condition on a
    /// repository matches by that, because it is unknown which file they mean.
    #[must_use]
    pub fn unhashed(&self, identity: &Identity) -> Vec<Listing> {
        let places = self.unhashed.get(identity).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| Some(self.repository(*at)?.listing.clone())).collect()
    }

    /// Looks for a file of this SHA-256 in the entries of signed repositories for this very
    /// package. Returns nothing if there is no such entry. Otherwise returns its source, or none if
    /// the repositories disagree.
    #[must_use]
    pub fn vouched(
        &self,
        sha256: Sha256Digest,
        identity: &Identity,
    ) -> Option<Option<(SourceName, DebVersion)>> {
        let wanted = (identity, sha256);
        let from = self.files.partition_point(|(_, it)| by_name(it) < wanted);
        let same = self.files.get(from..).unwrap_or_default().iter();
        let mut sources = same
            .take_while(|(_, it)| by_name(it) == wanted)
            .filter(|(at, _)| self.repository(*at).is_some_and(|it| it.signed))
            .map(|(_, listed)| &listed.control.source);
        let first = sources.next()?;
        Some(sources.all(|it| it == first).then(|| first.clone()))
    }

    /// The files by the packages as which they are listed. A package has several if repositories
    /// disagree.
    #[must_use]
    pub fn files(&self) -> ListedFiles<'_> {
        self.files_where(|_| true)
    }

    /// The files as in [`Self::files`], of signed repositories only.
    #[must_use]
    pub fn signed_files(&self) -> ListedFiles<'_> {
        self.files_where(|repository| repository.signed)
    }

    fn files_where(&self, counts: impl Fn(&KnownRepository) -> bool) -> ListedFiles<'_> {
        let mut files = ListedFiles::new();
        for (at, listed) in &self.files {
            if self.repository(*at).is_some_and(&counts) {
                files.entry(&listed.control.identity).or_default().insert(listed.sha256, listed);
            }
        }
        files
    }

    fn repository(&self, at: u32) -> Option<&KnownRepository> {
        self.repositories.get(usize::try_from(at).ok()?)
    }
}

/// The key by which files are sorted.
const fn by_name(listed: &ListedPackage) -> (&Identity, Sha256Digest) {
    (&listed.control.identity, listed.sha256)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;

    use super::*;

    const RELEASE: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\n\
        Label: Debian-Security\nSuite: stable\nCodename: trixie\n-----BEGIN PGP SIGNATURE-----\n";

    fn identity(package: &str) -> Identity {
        Identity {
            package: package.parse().unwrap(),
            version: "1".parse().unwrap(),
            architecture: "all".parse().unwrap(),
        }
    }

    fn stanza(package: &str) -> String {
        let sha256 = Sha256Digest::of(package.as_bytes());
        format!("Package: {package}\nVersion: 1\nArchitecture: all\nSHA256: {sha256}\n\n")
    }

    fn listed(directory: &Path, package: &str) -> Vec<Listing> {
        let listings = Listings::load(directory, None, |_, _| true);
        listings.of(Sha256Digest::of(package.as_bytes()), &identity(package))
    }

    #[test]
    fn an_index_lists_what_stands_in_it_and_no_other_file_lists_anything() {
        let lists = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(lists.path().join(name), text).unwrap();
        let archive = "deb.example_debian_dists_trixie_";
        write(&format!("{archive}InRelease"), RELEASE);
        write(&format!("{archive}main_binary-amd64_Packages"), &stanza("one"));
        write(&format!("{archive}main_source_Sources"), &stanza("two"));
        write(&format!("{archive}main_i18n_Translation-en"), &stanza("three"));
        let expected = Listing {
            origin: "Debian".to_owned(),
            label: "Debian-Security".to_owned(),
            suite: "stable".to_owned(),
            codename: "trixie".to_owned(),
            component: "main".to_owned(),
            site: "deb.example".to_owned(),
            signed_by: Vec::new(),
        };
        assert_eq!(listed(lists.path(), "one"), [expected]);
        for other in ["two", "three", "four"] {
            assert_eq!(listed(lists.path(), other), [], "{other}");
        }
        // apt and dpkg know a package in whatever case an index writes its name.
        let known = Listings::load(lists.path(), None, |it, _| it.is_some());
        assert_eq!(known.of(Sha256Digest::of(b"one"), &identity("ONE")).len(), 1);
        // A package without a SHA-256 is known, and is no file.
        write(
            &format!("{archive}contrib_binary-amd64_Packages"),
            "Package: five\nVersion: 1\nArchitecture: all\nSHA512: 00\n\n",
        );
        let all = Listings::load(lists.path(), None, |_, _| true);
        assert_eq!(all.unhashed(&identity("five"))[0].component, "contrib");
        assert_eq!(all.unhashed(&identity("one")), []);
        assert_eq!(all.of(Sha256Digest::of(b"five"), &identity("five")), []);
        // The same bytes as another package are not the listed file.
        let listings = Listings::load(lists.path(), None, |it, _| it.is_some());
        assert_eq!(listings.of(Sha256Digest::of(b"one"), &identity("two")), []);
        let mut seen = Vec::new();
        super::super::indexes::each(lists.path(), |_, identity| seen.push(identity));
        assert_eq!(seen, [identity("one")]);
    }

    #[test]
    fn one_index_that_lists_too_much_costs_no_other_one_anything() {
        let lists = tempfile::tempdir().unwrap();
        let archive = |name: &str| lists.path().join(format!("{name}_dists_x_"));
        let at = |name: &str, end: &str| format!("{}{end}", archive(name).display());
        let line = |version: usize, n: usize| {
            format!("Package: aa\nVersion: {version}\nArchitecture: all\nSHA256: {n:064x}\n\n")
        };
        for name in ["a.example", "m.example", "z.example"] {
            fs::write(at(name, "InRelease"), RELEASE).unwrap();
            fs::write(at(name, "main_binary-all_Packages"), stanza("one")).unwrap();
        }
        // Many packages, and very many files as one of them.
        let many = (0..1000).map(|n| line(if n < 100 { 1 } else { n }, n)).collect::<String>();
        fs::write(at("m.example", "main_binary-all_Packages"), many + &stanza("one")).unwrap();

        let reading = Reading { directory: lists.path(), keep: Keep::Places, most: 1000 };
        let all = Listings::read(reading, None, |_, _| true);
        let sites =
            |listings: Vec<Listing>| listings.into_iter().map(|it| it.site).collect::<Vec<_>>();
        let one = Sha256Digest::of(b"one");
        assert_eq!(sites(all.of(one, &identity("one"))), ["a.example", "z.example"]);
        assert_eq!((all.keys.len(), size_of::<(FileKey, u32)>()), (1002, 20));
        let [remark] = all.remarks() else { panic!("{:?}", all.remarks()) };
        let said = "lists more than 1000 packages: the rest counts as not listed";
        assert!(remark.contains("m.example_dists_x_") && remark.ends_with(said), "{remark}");

        let some = Listings::load(lists.path(), None, |_, it| *it == identity("aa"));
        let files = some.files();
        assert_eq!(files.get(&identity("aa")).unwrap().len(), MAX_FILES);
        // Nor packages listed without a SHA-256, which only serve for messages.
        let line = |n: usize| format!("Package: aa\nVersion: {n}\nArchitecture: all\n\n");
        let many = (0..=MAX_UNHASHED).map(line).collect::<String>();
        fs::write(at("a.example", "contrib_binary-all_Packages"), many).unwrap();
        let all = Listings::load(lists.path(), None, |_, _| true);
        assert_eq!(all.unhashed.len(), MAX_UNHASHED);
        assert_eq!(sites(all.of(one, &identity("one"))).len(), 3);
        let said = "lists more than 16 different files as aa 1 all";
        assert!(some.remarks().iter().any(|it| it.contains(said)), "{:?}", some.remarks());
    }

    #[test]
    fn an_index_that_is_too_large_lists_what_stands_in_its_beginning() {
        let lists = tempfile::tempdir().unwrap();
        let index = lists.path().join("a.example_dists_x_main_binary-all_Packages");
        fs::write(lists.path().join("a.example_dists_x_InRelease"), RELEASE).unwrap();
        fs::write(&index, stanza("one")).unwrap();
        let mut file = File::options().append(true).open(&index).unwrap();
        file.set_len(MAX_TEXT).unwrap();
        io::Write::write_all(&mut file, format!("\n\n{}", stanza("two")).as_bytes()).unwrap();
        let listings = Listings::load(lists.path(), None, |it, _| it.is_some());
        for (package, count) in [("one", 1), ("two", 0)] {
            let sha256 = Sha256Digest::of(package.as_bytes());
            assert_eq!(listings.of(sha256, &identity(package)).len(), count, "{package}");
        }
        let [remark] = listings.remarks() else { panic!("{:?}", listings.remarks()) };
        let said = "has more than 128 MiB unpacked: the rest counts as not listed";
        assert!(remark.ends_with(said), "{remark}");
    }
}
