//! Finds out which archives offer a file, from the indexes that apt verified.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::apt::index::{self, Listed};
use crate::policy::Listing;
use crate::types::{Identity, Sha256Digest};

/// apt's own program that unpacks whatever apt may have packed its indexes with.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

/// Largest Release file that is read, in bytes. Debian's has 150 kB.
const MAX_RELEASE: u64 = 16 * 1024 * 1024;

/// Which archives list which files.
#[derive(Debug, Default)]
pub struct Listings {
    archives: Vec<Archive>,
    files: HashMap<Sha256Digest, Vec<(u32, Listed)>>,
}

/// Files by what they are listed as.
pub type Files<'a> = BTreeMap<&'a Identity, BTreeMap<Sha256Digest, &'a Listed>>;

#[derive(Debug)]
struct Archive {
    listing: Listing,
    /// Whether somebody signed its Release file
    signed: bool,
}

impl Listings {
    /// Reads the indexes in `directory` (apt's `Dir::State::lists`) and keeps the files that are
    /// `wanted`. What cannot be read lists nothing: rules about archives then match less.
    #[must_use]
    pub fn load(directory: &Path, wanted: impl Fn(&Sha256Digest, &Identity) -> bool) -> Self {
        let mut listings = Self::default();
        let names = names(directory).unwrap_or_default();
        let releases: Vec<String> =
            names.iter().filter(|name| name.ends_with("Release")).cloned().collect();
        for name in names.iter().filter(|name| is_packages(name)) {
            let Some((release, site, component)) = index::origin_of(name, &releases) else {
                continue;
            };
            let Archive { listing, signed } = archive(directory, release, &names);
            let archive = Archive { listing: Listing { site, component, ..listing }, signed };
            let at = u32::try_from(listings.archives.len()).unwrap_or(u32::MAX);
            listings.archives.push(archive);
            // An index that breaks off still lists what came before.
            let _ = unpacked(&directory.join(name), |text| {
                index::packages(text, |it| {
                    if wanted(&it.sha256, &it.control.identity) {
                        listings.files.entry(it.sha256).or_default().push((at, it));
                    }
                })
            });
        }
        listings
    }

    /// The archives that list a file of this SHA-256 as this very package.
    #[must_use]
    pub fn of(&self, sha256: Sha256Digest, identity: &Identity) -> Vec<Listing> {
        let listed = self.files.get(&sha256).map(Vec::as_slice).unwrap_or_default();
        let archives = listed
            .iter()
            .filter(|(_, listed)| listed.control.identity == *identity)
            .filter_map(|(at, _)| Some(self.archive(*at)?.listing.clone()));
        archives.collect()
    }

    /// The files by what they are listed as. There are several where archives disagree.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        self.files_where(|_| true)
    }

    /// The same, of signed archives only.
    #[must_use]
    pub fn signed_files(&self) -> Files<'_> {
        self.files_where(|archive| archive.signed)
    }

    fn files_where(&self, counts: impl Fn(&Archive) -> bool) -> Files<'_> {
        let mut files = Files::new();
        for (at, listed) in self.files.values().flatten() {
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

/// Hands every file that the indexes in `directory` list to `each`.
pub(super) fn each(directory: &Path, mut each: impl FnMut(Sha256Digest, Identity)) {
    for name in names(directory).unwrap_or_default().iter().filter(|name| is_packages(name)) {
        let _ = unpacked(&directory.join(name), |text| {
            index::packages(text, |it| each(it.sha256, it.control.identity))
        });
    }
}

/// What a Release file says, if somebody signed it: apt then checked the signature. An unsigned
/// one, which apt takes only from sources marked as trusted, could claim to be any archive.
fn archive(directory: &Path, release: &str, names: &[String]) -> Archive {
    let signed = release.ends_with("InRelease") || names.contains(&format!("{release}.gpg"));
    let read = || {
        let mut text = Vec::new();
        let file = open(&directory.join(release)).ok()?;
        file.take(MAX_RELEASE).read_to_end(&mut text).ok()?;
        index::release(&text)
    };
    let read = if signed { read() } else { None };
    Archive { signed: read.is_some(), listing: read.unwrap_or_default() }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(directory)?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn is_packages(name: &str) -> bool {
    let stem = [".lz4", ".zst", ".xz", ".gz", ".bz2", ".lzma"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    stem.ends_with("_Packages")
}

/// Opens an index that root (or, in a world of their own, the caller) put there. apt verifies
/// indexes before it gives them to root; what belongs to `_apt` was not verified.
fn open(path: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    let own = metadata.uid() == 0 || metadata.uid() == nix::unistd::geteuid().as_raw();
    if metadata.is_file() && own { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Hands the unpacked text of an index to `read`.
fn unpacked(
    path: &Path,
    read: impl FnOnce(&mut dyn io::BufRead) -> io::Result<()>,
) -> io::Result<()> {
    let file = open(path)?;
    if path.to_string_lossy().ends_with("_Packages") {
        return read(&mut BufReader::with_capacity(1 << 16, file));
    }
    let mut helper = Command::new(APT_HELPER)
        .arg("cat-file")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = helper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let result = read(&mut BufReader::with_capacity(1 << 16, output));
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
        };
        assert_eq!(listed(lists.path(), "one"), [expected]);
        for other in ["two", "three", "four"] {
            assert_eq!(listed(lists.path(), other), [], "{other}");
        }
        // The same bytes as another package are not what the index lists.
        let listings = Listings::load(lists.path(), |_, _| true);
        assert_eq!(listings.of(Sha256Digest::of(b"one"), &identity("two")), []);
        let mut seen = Vec::new();
        each(lists.path(), |_, identity| seen.push(identity));
        assert_eq!(seen, [identity("one")]);
    }

    /// apt gives what it verified to root; what is still `_apt`'s was not verified.
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
        // Only root can give a file away; everybody finds one of root's.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            assert!(open(&path).is_err(), "somebody else's");
        } else {
            assert!(open(Path::new("/etc/passwd")).is_ok(), "root's");
        }
    }
}
