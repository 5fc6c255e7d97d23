//! Finds out which repositories list a file, from the indexes that apt verified.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::apt::index::{self, IndexEntry, IndexOrigin, ListedPackage};
use crate::attest::repository::{MAX_SIGNATURE, SignedRelease};
use crate::deb822::packages::{MAX_PACKAGES, MAX_TEXT};
use crate::policy::Listing;
use crate::types::{
    DebVersion, Identity, Sha256Digest, SourceName, Timestamp, Unverified, printable,
};

/// apt's own program that unpacks indexes, whatever compression apt uses.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// Largest Release file that is read, in bytes. Debian's has 150 kB.
const MAX_RELEASE: u64 = 16 * 1024 * 1024;

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
    archives: Vec<Archive>,
    /// The listed files, each with its repository. Sorted, each once
    places: Vec<(Place, u32)>,
    /// The same at full length, if it is needed. Sorted by the packages as which they are listed
    files: Vec<(u32, ListedPackage)>,
    /// Packages that are listed without a SHA-256, and their repositories
    unhashed: BTreeMap<Identity, Vec<u32>>,
    remarks: Vec<String>,
}

/// Files by the packages as which they are listed.
pub type Files<'a> = BTreeMap<&'a Identity, BTreeMap<Sha256Digest, &'a ListedPackage>>;

/// A file that is listed as a package: half of the SHA-256 of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place([u8; 16]);

impl Place {
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
pub struct Signers {
    /// The certificates that could have signed it
    pub certificates: Vec<Unverified>,
    /// The time by which their keys are judged
    pub now: Timestamp,
}

#[derive(Debug)]
struct Archive {
    listing: Listing,
    /// True if its Release file is signed
    signed: bool,
}

/// The content of a Release file.
#[derive(Debug, Clone, Default)]
struct Release {
    listing: Listing,
    /// True if it is signed
    signed: bool,
    /// The valid signatures, if they were checked and there is one
    verified: Option<SignedRelease>,
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
    /// Does not check who signed the indexes.
    #[must_use]
    pub fn load(directory: &Path, wanted: impl Fn(&Sha256Digest, &Identity) -> bool) -> Self {
        Self::load_by(directory, None, |sha256, identity| {
            sha256.is_some_and(|sha256| wanted(sha256, identity))
        })
    }

    /// Reads as [`Self::load`] does, and finds out with `signers` who signed the indexes. `wanted`
    /// is asked about packages without a SHA-256 as well.
    #[must_use]
    pub fn load_by(
        directory: &Path,
        signers: Option<&Signers>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        Self::load_keeping(directory, Keep::Files, signers, wanted)
    }

    /// Reads as [`Self::load_by`] does, for a caller that may only ask which repositories list a
    /// file ([`Self::of`]).
    pub(super) fn load_keeping(
        directory: &Path,
        keep: Keep,
        signers: Option<&Signers>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        Self::read(Reading { directory, keep, most: MAX_PACKAGES }, signers, wanted)
    }

    fn read(
        reading: Reading<'_>,
        signers: Option<&Signers>,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Self {
        let Reading { directory, .. } = reading;
        let mut listings = Self::default();
        let mut read: HashMap<&str, Release> = HashMap::new();
        let names = names(directory).unwrap_or_default();
        let releases: Vec<String> =
            names.iter().filter(|name| name.ends_with("Release")).cloned().collect();
        for name in names.iter().filter(|name| is_packages(name)) {
            let Some(origin) = index::origin_of(stem(name), &releases) else { continue };
            let release = read
                .entry(origin.release)
                .or_insert_with(|| Release::read(directory, origin.release, &names, signers));
            listings.add(reading, name, origin, release, &wanted);
        }
        listings.places.sort_unstable();
        listings.places.dedup();
        listings.files.sort_by(|(_, one), (_, other)| by_name(one).cmp(&by_name(other)));
        listings
    }

    /// Adds the entries of one index, within its limits.
    fn add(
        &mut self,
        reading: Reading<'_>,
        name: &str,
        origin: IndexOrigin<'_>,
        release: &Release,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) {
        let path = reading.directory.join(name);
        let at = u32::try_from(self.archives.len()).unwrap_or(u32::MAX);
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
                    self.places.push((Place::of(it.sha256, identity), at));
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
        // An index that breaks off still lists the entries before that.
        let (extent, signed_by) = match &release.verified {
            Some(verified) => match is_listed(&path, name, &origin, verified, each) {
                Ok((extent, true)) => (Some(extent), verified.signers().iter().copied().collect()),
                Ok((extent, false)) => (Some(extent), Vec::new()),
                Err(_) => (None, Vec::new()),
            },
            None => (unpacked(&path, |text| index::entries(text, each)).ok(), Vec::new()),
        };
        let IndexOrigin { site, component, .. } = origin;
        let listing = Listing { site, component, signed_by, ..release.listing.clone() };
        self.archives.push(Archive { listing, signed: release.signed });

        let mut remark = |what: String| {
            self.remarks.push(format!(
                "apt's index {} {what}: what is beyond counts as not listed",
                printable(name)
            ));
        };
        if extent == Some(Extent::CutOff) {
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
        let wanted = Place::of(sha256, identity);
        let from = self.places.partition_point(|(place, _)| *place < wanted);
        let listed = self.places.get(from..).unwrap_or_default().iter();
        let listed = listed.take_while(|(place, _)| *place == wanted);
        listed.filter_map(|(_, at)| Some(self.archive(*at)?.listing.clone())).collect()
    }

    /// The repositories that list this package without the SHA-256 of its file. No condition on a
    /// repository matches by that, because it is unknown which file they mean.
    #[must_use]
    pub fn unhashed(&self, identity: &Identity) -> Vec<Listing> {
        let places = self.unhashed.get(identity).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| Some(self.archive(*at)?.listing.clone())).collect()
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
            .filter(|(at, _)| self.archive(*at).is_some_and(|it| it.signed))
            .map(|(_, listed)| &listed.control.source);
        let first = sources.next()?;
        Some(sources.all(|it| it == first).then(|| first.clone()))
    }

    /// The files by the packages as which they are listed. A package has several if repositories
    /// disagree.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        self.files_where(|_| true)
    }

    /// The files as in [`Self::files`], of signed repositories only.
    #[must_use]
    pub fn signed_files(&self) -> Files<'_> {
        self.files_where(|archive| archive.signed)
    }

    fn files_where(&self, counts: impl Fn(&Archive) -> bool) -> Files<'_> {
        let mut files = Files::new();
        for (at, listed) in &self.files {
            if self.archive(*at).is_some_and(&counts) {
                files.entry(&listed.control.identity).or_default().insert(listed.sha256, listed);
            }
        }
        files
    }

    fn archive(&self, at: u32) -> Option<&Archive> {
        self.archives.get(usize::try_from(at).ok()?)
    }
}

/// The key by which files are sorted.
const fn by_name(listed: &ListedPackage) -> (&Identity, Sha256Digest) {
    (&listed.control.identity, listed.sha256)
}

/// Hands every file that the indexes in `directory` list to `each`, within the limits of each
/// index.
pub(super) fn each(directory: &Path, mut each: impl FnMut(Sha256Digest, Identity)) {
    for name in names(directory).unwrap_or_default().iter().filter(|name| is_packages(name)) {
        let mut listed = 0_usize;
        let _ = unpacked(&directory.join(name), |text| {
            index::packages(text, |it| {
                listed = listed.saturating_add(1);
                if listed <= MAX_PACKAGES {
                    each(it.sha256, it.control.identity);
                }
            })
        });
    }
}

impl Release {
    /// Reads a Release file, if it is signed: apt then checked the signature. apt accepts unsigned
    /// ones only from sources marked as trusted, and they could claim to be any repository.
    fn read(directory: &Path, release: &str, names: &[String], signers: Option<&Signers>) -> Self {
        let beside = Some(format!("{release}.gpg")).filter(|it| names.binary_search(it).is_ok());
        let inline = release.ends_with("InRelease");
        if !inline && beside.is_none() {
            return Self::default();
        }
        let read = |name: &str, limit: u64| {
            let mut text = Vec::new();
            open(&directory.join(name)).ok()?.take(limit).read_to_end(&mut text).ok()?;
            Some(text)
        };
        let Some(text) = read(release, MAX_RELEASE) else { return Self::default() };
        let limit = u64::try_from(MAX_SIGNATURE).unwrap_or(u64::MAX);
        let signature =
            beside.filter(|_| !inline).map(|it| read(&it, limit + 1).unwrap_or_default());
        let verified = signers.and_then(|it| {
            SignedRelease::read(&text, signature.as_deref(), &it.certificates, it.now).ok()
        });
        // Verified statements are read only from the signed text.
        let listing = index::release(verified.as_ref().map_or(&text, SignedRelease::text));
        match listing {
            Some(listing) => Self { listing, signed: true, verified },
            None => Self::default(),
        }
    }
}

/// Hands every file that an index lists to `each`, and returns true if the index has the hash in
/// its Release file. apt may keep another compression than it fetched; then only the unpacked text
/// has a hash. If the repository gives no hash of that, only the fetched file has one.
fn is_listed(
    path: &Path,
    name: &str,
    origin: &IndexOrigin<'_>,
    release: &SignedRelease,
    each: impl FnMut(IndexEntry),
) -> io::Result<(Extent, bool)> {
    let mut found = None;
    let extent = unpacked(path, |text| {
        let mut hashed = BufReader::with_capacity(1 << 16, Hashing::of(text));
        index::entries(&mut hashed, each)?;
        // Reading packages may stop before the text ends.
        io::copy(&mut hashed, &mut io::sink())?;
        found = Some(hashed.into_inner().digest());
        Ok(())
    })?;
    if let Some(listed) = release.sha256(&origin.path) {
        // For an index that is cut off, this is the hash of its beginning.
        return Ok((extent, found == Some(listed)));
    }
    let suffix = name.get(stem(name).len()..).unwrap_or_default();
    let Some(listed) = release.sha256(&format!("{}{suffix}", origin.path)) else {
        return Ok((extent, false));
    };
    let mut packed = Hashing::of(open(path)?.take(MAX_TEXT));
    io::copy(&mut packed, &mut io::sink())?;
    Ok((extent, packed.digest() == listed))
}

/// A reader that hashes the bytes that pass through it.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Hashing<R> {
    fn of(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    fn digest(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.hasher.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory)?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn is_packages(name: &str) -> bool {
    stem(name).ends_with("_Packages")
}

/// The name without the suffix of a compression.
fn stem(name: &str) -> &str {
    let endings = [".lz4", ".zst", ".xz", ".gz", ".bz2", ".lzma"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Opens an index that root put there (or the caller, in a directory of their own). apt verifies
/// indexes before it gives them to root; files that belong to `_apt` were not verified.
fn open(path: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    let own = metadata.uid() == 0 || metadata.uid() == nix::unistd::geteuid().as_raw();
    if metadata.is_file() && own { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// The extent to which an index was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// Up to [`MAX_TEXT`]
    CutOff,
}

/// Hands the unpacked text of an index to `read`, up to [`MAX_TEXT`] bytes.
fn unpacked(
    path: &Path,
    read: impl FnOnce(&mut dyn io::BufRead) -> io::Result<()>,
) -> io::Result<Extent> {
    let bounded = |text: &mut dyn Read| {
        let mut text = BufReader::with_capacity(1 << 16, text.take(MAX_TEXT + 1));
        read(&mut text)?;
        let whole = text.get_ref().limit() > 0;
        Ok(if whole { Extent::Whole } else { Extent::CutOff })
    };
    let mut file = open(path)?;
    if path.to_string_lossy().ends_with("_Packages") {
        return bounded(&mut file);
    }
    let mut helper = Command::new(APT_HELPER)
        .arg("cat-file")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut output = helper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let result = bounded(&mut output);
    let _ = helper.kill();
    helper.wait()?;
    result
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let listings = Listings::load(directory, |_, _| true);
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
        let known = Listings::load(lists.path(), |_, _| true);
        assert_eq!(known.of(Sha256Digest::of(b"one"), &identity("ONE")).len(), 1);
        // A package without a SHA-256 is known, and is no file.
        write(
            &format!("{archive}contrib_binary-amd64_Packages"),
            "Package: five\nVersion: 1\nArchitecture: all\nSHA512: 00\n\n",
        );
        let all = Listings::load_by(lists.path(), None, |_, _| true);
        assert_eq!(all.unhashed(&identity("five"))[0].component, "contrib");
        assert_eq!(all.unhashed(&identity("one")), []);
        assert_eq!(all.of(Sha256Digest::of(b"five"), &identity("five")), []);
        // The same bytes as another package are not the listed file.
        let listings = Listings::load(lists.path(), |_, _| true);
        assert_eq!(listings.of(Sha256Digest::of(b"one"), &identity("two")), []);
        let mut seen = Vec::new();
        each(lists.path(), |_, identity| seen.push(identity));
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
        assert_eq!((all.places.len(), size_of::<(Place, u32)>()), (1002, 20));
        let [remark] = all.remarks() else { panic!("{:?}", all.remarks()) };
        let said = "lists more than 1000 packages: what is beyond counts as not listed";
        assert!(remark.contains("m.example_dists_x_") && remark.ends_with(said), "{remark}");

        let some = Listings::load(lists.path(), |_, it| *it == identity("aa"));
        let files = some.files();
        assert_eq!(files.get(&identity("aa")).unwrap().len(), MAX_FILES);
        // Nor packages listed without a SHA-256, which only serve for messages.
        let line = |n: usize| format!("Package: aa\nVersion: {n}\nArchitecture: all\n\n");
        let many = (0..=MAX_UNHASHED).map(line).collect::<String>();
        fs::write(at("a.example", "contrib_binary-all_Packages"), many).unwrap();
        let all = Listings::load_by(lists.path(), None, |_, _| true);
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
        let listings = Listings::load(lists.path(), |_, _| true);
        for (package, count) in [("one", 1), ("two", 0)] {
            let sha256 = Sha256Digest::of(package.as_bytes());
            assert_eq!(listings.of(sha256, &identity(package)).len(), count, "{package}");
        }
        let [remark] = listings.remarks() else { panic!("{:?}", listings.remarks()) };
        let said = "has more than 128 MiB unpacked: what is beyond counts as not listed";
        assert!(remark.ends_with(said), "{remark}");
    }

    /// apt gives verified files to root; files that still belong to `_apt` were not verified.
    #[test]
    fn only_plain_files_of_root_or_of_whoever_asks_are_opened() {
        let lists = tempfile::tempdir().unwrap();
        let path = lists.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(open(&path).is_ok());
        assert!(open(lists.path()).is_err(), "a directory");
        let link = lists.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open(&link).is_err(), "a link");
        let pipe = lists.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(open(&pipe).is_err(), "a pipe, which must not be waited for");
        // Only root can give a file away; every user finds one of root's.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(open(&path).is_err(), "somebody else's");
        } else {
            assert!(open(Path::new("/etc/passwd")).is_ok(), "root's");
        }
    }
}
