//! The files that a Release file has the hashes of.

use std::io::{self, BufRead, BufReader, Read};

use super::release::ListedFile;
use super::{MAX_INDEX, RepositoryRejection};
use crate::compressed::{Compression, Fault};
use crate::deb822::packages::{self, MAX_PACKAGES, MAX_TEXT};
use crate::types::{ArtifactName, Identity, Sha256Digest};

/// Largest list of what was taken over, unpacked, in bytes: 65,000 lines have 8 MB.
const MAX_LIST: u64 = 32 * 1024 * 1024;

/// The first half of a SHA-256: enough to tell names apart, in half the memory.
type Half = [u8; 16];

/// The packages that a repository has.
///
/// Only digests are kept, of names as well, in 48 bytes for each package: 3.6 MB for the largest
/// index of Debian, and 29 MB for the largest that is read.
#[derive(Debug, Clone)]
pub struct Index {
    path: String,
    /// Name, version and architecture, and the SHA-256 of the file. Sorted; several files of one
    /// name stand beside each other
    files: Vec<(Half, Sha256Digest)>,
}

impl Index {
    /// Reads the Packages file that is `listed`.
    ///
    /// # Errors
    /// If the file is not that one, or not to be read.
    pub fn read(file: &[u8], listed: &ListedFile) -> Result<Self, RepositoryRejection> {
        Self::read_some(file, listed, MAX_PACKAGES)
    }

    /// Reads a file that may list so many packages, each as often as it is listed.
    fn read_some(
        file: &[u8],
        listed: &ListedFile,
        most: usize,
    ) -> Result<Self, RepositoryRejection> {
        let mut files = Vec::new();
        let mut too_many = false;
        let each = |packages::ListedPackage { sha256, control }| {
            if files.len() < most {
                files.push((half(&control.identity.to_string()), sha256));
            } else {
                too_many = true;
            }
        };
        unpack(file, listed, MAX_TEXT, |text| packages::packages(BufReader::new(text), each))?;
        if too_many {
            return Err(unreadable(listed, "lists too many packages"));
        }
        files.sort_unstable();
        files.dedup();
        files.shrink_to_fit();
        Ok(Self { path: listed.path.clone(), files })
    }

    /// The number of packages that it lists.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// The path of the index, below `dists/SUITE/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The SHA-256 of the file of this very package, if it has the package.
    pub(super) fn find(
        &self,
        identity: &Identity,
    ) -> Option<Result<Sha256Digest, RepositoryRejection>> {
        let wanted = half(&identity.to_string());
        let from = self.files.partition_point(|(name, _)| *name < wanted);
        let mut same = self.files.get(from..)?.iter().take_while(|(name, _)| *name == wanted);
        let (_, sha256) = same.next()?;
        Some(if same.next().is_none() { Ok(*sha256) } else { Err(RepositoryRejection::Ambiguous) })
    }
}

/// The files that a repository took over from another one and did not build.
///
/// Each line has the SHA-256 of a file and its name, as sha256sum(1) writes them. Empty lines and
/// those that begin with `#` say nothing. The list may be empty, but must be there.
///
/// Only halves of digests are kept, also of names, in 32 bytes for each line. A file in the list is
/// found in any case.
#[derive(Debug, Clone, Default)]
pub struct TakenOver {
    /// Sorted
    files: Vec<Half>,
    /// Sorted
    names: Vec<Half>,
}

impl TakenOver {
    /// Reads the list that is `listed`.
    ///
    /// # Errors
    /// If the file is not that one, or anything in it cannot be understood: what is passed over
    /// could be what was taken over.
    pub fn read(file: &[u8], listed: &ListedFile) -> Result<Self, RepositoryRejection> {
        let mut all = Self::default();
        let mut odd = false;
        unpack(file, listed, MAX_LIST, |text| {
            for line in BufReader::new(text).lines() {
                odd = odd || all.add(line?.trim()).is_none();
            }
            Ok(())
        })?;
        if odd {
            return Err(unreadable(listed, "has a line that is not SHA256  NAME"));
        }
        if all.names.len() > MAX_PACKAGES {
            return Err(unreadable(listed, "has too many lines"));
        }
        all.files.sort_unstable();
        all.names.sort_unstable();
        Ok(all)
    }

    /// Adds what a line says. Nothing if it cannot be understood.
    fn add(&mut self, line: &str) -> Option<()> {
        if line.is_empty() || line.starts_with('#') || self.names.len() > MAX_PACKAGES {
            return Some(());
        }
        let (sha256, name) = line.split_once([' ', '\t'])?;
        // `*` says that the file was read as binary.
        let name = name.trim_start().trim_start_matches('*');
        let name = name.rsplit('/').next().filter(|it| !it.is_empty())?;
        self.files.push(first_half(sha256.parse().ok()?));
        self.names.push(half(&name.to_ascii_lowercase()));
        Some(())
    }

    /// Returns true when the list has the file, by its hash or by its name. Upper and lower case in
    /// the name are the same.
    pub(super) fn has(&self, name: &ArtifactName, sha256: Sha256Digest) -> bool {
        let has = |all: &[Half], it| all.binary_search(&it).is_ok();
        has(&self.files, first_half(sha256))
            || has(&self.names, half(&name.as_str().to_ascii_lowercase()))
    }
}

fn half(name: &str) -> Half {
    first_half(Sha256Digest::of(name.as_bytes()))
}

fn first_half(digest: Sha256Digest) -> Half {
    digest.as_bytes().first_chunk().copied().unwrap_or_default()
}

fn unreadable(listed: &ListedFile, why: &'static str) -> RepositoryRejection {
    RepositoryRejection::Unreadable { path: listed.path.clone(), why }
}

/// Checks that `file` is the one that is `listed`, and gives what comes out of it to `read`.
fn unpack(
    file: &[u8],
    listed: &ListedFile,
    most: u64,
    read: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<(), RepositoryRejection> {
    if file.len() > MAX_INDEX
        || file.len() != listed.size
        || Sha256Digest::of(file) != listed.sha256
    {
        return Err(RepositoryRejection::OtherFile { path: listed.path.clone() });
    }
    let compression = Compression::of_name(&listed.path);
    let unpacked = compression.unpack(&mut &*file, |text| -> Result<u64, Fault> {
        let mut bounded = text.take(most + 1);
        read(&mut bounded).map_err(|_| Fault::Damaged)?;
        Ok(bounded.limit())
    });
    match unpacked {
        Ok(0) => Err(unreadable(listed, "is too large when unpacked")),
        Ok(_) => Ok(()),
        Err(Fault::Damaged) => Err(unreadable(listed, "cannot be unpacked")),
        Err(Fault::Trailing) => Err(unreadable(listed, "has data after its end")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Release, Repository, Terms};
    use super::*;

    fn listed(text: &str, path: &str) -> ListedFile {
        ListedFile {
            path: path.to_owned(),
            sha256: Sha256Digest::of(text.as_bytes()),
            size: text.len(),
        }
    }

    fn read(text: &str) -> Result<Index, RepositoryRejection> {
        Index::read(text.as_bytes(), &listed(text, "main/binary-all/Packages"))
    }

    fn stanza(version: usize, file: usize) -> String {
        format!("Package: aa\nVersion: {version}\nArchitecture: all\nSHA256: {file:064x}\n\n")
    }

    fn identity(version: usize) -> Identity {
        Identity {
            package: "aa".parse().unwrap(),
            version: version.to_string().parse().unwrap(),
            architecture: "all".parse().unwrap(),
        }
    }

    #[test]
    fn a_package_is_found_by_its_whole_name_and_only_if_it_is_one_file() {
        let text: String = (0..1000).map(|n| stanza(n, n)).collect();
        // The same file listed again is the same; another one under the name makes both none.
        let index = read(&(text + &stanza(5, 5) + &stanza(7, 8))).unwrap();
        assert_eq!(index.len(), 1001);
        for version in [0, 5, 999] {
            let found = index.find(&identity(version)).unwrap().unwrap();
            assert_eq!(found.to_string(), format!("{version:064x}"));
        }
        assert_eq!(index.find(&identity(7)), Some(Err(RepositoryRejection::Ambiguous)));
        assert_eq!(index.find(&identity(1000)), None);
    }

    #[test]
    fn an_index_with_more_packages_than_are_read_is_none() {
        let text: String = (0..1000).map(|n| stanza(n, n)).collect();
        let read =
            |text: &str| Index::read_some(text.as_bytes(), &listed(text, "x/Packages"), 1000);
        let whole = read(&text).unwrap();
        assert_eq!(whole.len(), 1000);
        assert_eq!(whole.files.capacity() * size_of::<(Half, Sha256Digest)>(), 48 * 1000);
        let error = read(&(text + &stanza(1000, 1))).unwrap_err();
        assert_eq!(error.to_string(), "x/Packages lists too many packages");
    }

    #[test]
    fn all_indexes_together_list_no_more_than_one_may() {
        let terms = Terms {
            rebuilder: "alpha".parse().unwrap(),
            suite: "stable".to_owned(),
            components: vec!["main".to_owned()],
            taken_over: "list".to_owned(),
        };
        let text = b"Suite: stable\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n";
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let release = Release::signed(text, Sha256Digest::of(text), Vec::new(), &terms, now);
        let mut repository = Repository::new(release.unwrap(), TakenOver::default());
        let index = |path: &str, packages: usize| {
            let file = (Half::default(), Sha256Digest::from_bytes([0; 32]));
            Index { path: path.to_owned(), files: vec![file; packages] }
        };
        repository.add(index("a/Packages", MAX_PACKAGES - 1));
        assert_eq!(repository.check_room(&index("b/Packages", 1)), Ok(()));
        let error = repository.check_room(&index("b/Packages", 2)).unwrap_err();
        let said = "b/Packages and the indexes before it list too many packages";
        assert_eq!(error.to_string(), said);
    }

    #[test]
    fn what_was_taken_over_is_found_by_its_bytes_and_by_its_name() {
        let sha256 = |n: u8| Sha256Digest::from_bytes([n; 32]);
        let name = |text: &str| text.parse::<ArtifactName>().unwrap();
        let list = format!(
            "# a note\n\n{}  pool/aa_1_all.deb\n{} *bb_1_all.deb\n{}\tcc_1_all.deb",
            sha256(1),
            sha256(2),
            sha256(3)
        );
        let all = TakenOver::read(list.as_bytes(), &listed(&list, "list")).unwrap();
        for (artifact, file, expected) in [
            ("aa_1_all.deb", 9, true),
            ("bb_1_all.deb", 9, true),
            ("xx_1_all.deb", 3, true),
            ("xx_1_all.deb", 9, false),
        ] {
            assert_eq!(all.has(&name(artifact), sha256(file)), expected, "{artifact} {file}");
        }
        for bad in [format!("{}", sha256(1)), format!("{} a/", sha256(1)), "x  y".to_owned()] {
            let list = format!("{list}\n{bad}");
            let error = TakenOver::read(list.as_bytes(), &listed(&list, "list")).unwrap_err();
            assert_eq!(error.to_string(), "list has a line that is not SHA256  NAME", "{bad}");
        }
    }
}
