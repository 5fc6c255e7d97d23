//! The three ways in which a file may pass the method, as a type that has no other constructor.
//! Also the place of a file until it passes.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::apt::configuration::Configuration;
use crate::deb::{self, Examined, looks_like_a_package};
use crate::policy::Admit;
use crate::sys::files::{Links, open_plain};

/// Permission for a file to pass, with its examined content. Each report of a success to apt takes
/// one by value.
#[must_use]
pub(super) struct Passage(Option<Examined>);

/// A file that was read to its end.
pub(super) struct HashedFile {
    pub(super) examined: Examined,
    first_bytes: Vec<u8>,
}

impl HashedFile {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file = open(path)?;
        let first_bytes = first_bytes(&mut file)?;
        Ok(Self { examined: deb::examine(file)?, first_bytes })
    }
}

/// The directories that show what apt wants a file for.
pub(super) struct Places {
    lists: PathBuf,
    archives: PathBuf,
    /// The directory that apt was called in, if it still exists. apt names files relative to it.
    called_in: Option<PathBuf>,
}

/// The suffix of a file that apt wants outside its own directories, until the file passes.
const UNCONFIRMED: &str = ".unconfirmed";

/// Most files that are checked for remains of an earlier run.
const MAX_LEFT: usize = 1000;

impl Passage {
    /// Lets a file pass that was judged and admitted.
    pub(super) fn judged(admit: Admit) -> Self {
        Self(Some(admit.into_subject().into_file()))
    }

    /// Gives a file its final name, after it waited under another one.
    pub(super) fn give_name(&self, waits_as: &Path, name: &Path) -> io::Result<()> {
        std::fs::rename(waits_as, name)
    }

    /// The file as it was read; nothing for an index, which apt verifies by itself.
    pub(super) const fn file(&self) -> Option<&Examined> {
        self.0.as_ref()
    }
}

impl Places {
    /// Reads the directories from apt's configuration. apt starts a method in the directory in
    /// which apt itself was called.
    pub(super) fn new(config: &Configuration) -> Self {
        let mut places = Self {
            lists: config.path("Dir::State::lists", "/var/lib/apt/lists"),
            archives: config.path("Dir::Cache::archives", "/var/cache/apt/archives"),
            called_in: std::env::current_dir().ok(),
        };
        for directory in [&mut places.lists, &mut places.archives] {
            // Only existing directories can be resolved. No file is below a missing one.
            if let Ok(found) = absolute(places.called_in.as_deref(), directory) {
                *directory = found;
            }
        }
        places
    }

    /// Returns the absolute path, without detours, of the file that apt calls `named`. apt takes
    /// names as it gets them: `apt-get source` gives bare names, `Dir::Cache "./cache"` relative
    /// ones.
    ///
    /// # Errors
    /// If there is no such directory, or `named` is not the name of a file.
    pub(super) fn file(&self, named: &Path) -> io::Result<PathBuf> {
        absolute(self.called_in.as_deref(), named)
    }

    /// Returns the path of the file for `destination` until it passes. Returns nothing if apt
    /// itself keeps the destination apart until it accepts the file. Without the other path, a file
    /// of `apt-get download` would have its name, and be whole, before it was judged and after it
    /// was refused.
    pub(super) fn waiting_place(&self, destination: &Path) -> Option<PathBuf> {
        let kept_apart = |of: &Path| destination.parent() == Some(&of.join("partial"));
        if self.directories().into_iter().any(kept_apart) {
            return None;
        }
        let mut name = OsString::from(destination.file_name()?);
        name.push(UNCONFIRMED);
        Some(destination.with_file_name(name))
    }

    /// The directories for indexes and for packages.
    pub(super) fn directories(&self) -> [&Path; 2] {
        [&self.lists, &self.archives]
    }

    /// Returns true when apt wants this file as an index. Only the directory decides that, not the
    /// name and not the suffix, because a mirror chooses those.
    pub(super) fn is_for_an_index(&self, destination: &Path) -> bool {
        is_below(destination, &self.lists)
    }

    /// Returns true when apt fetches packages to `destination` and no part of any package is there
    /// from an earlier run.
    pub(super) fn begins_afresh(&self, destination: &Path) -> bool {
        let directory = destination.parent().filter(|_| is_below(destination, &self.archives));
        let Some(Ok(entries)) = directory.map(std::fs::read_dir) else { return false };
        // The directory's user can put anything there.
        entries.enumerate().all(|(at, entry)| {
            at < MAX_LEFT && entry.and_then(|it| it.metadata()).is_ok_and(|it| it.len() == 0)
        })
    }

    /// Lets an index pass, unless it is something that could be installed.
    pub(super) fn index(&self, destination: &Path) -> Option<Passage> {
        // A file that apt already has (IMS-Hit) is not there again.
        let harmless = open(destination).and_then(|mut file| first_bytes(&mut file)).map_or_else(
            |error| error.kind() == io::ErrorKind::NotFound,
            |it| !looks_like_a_package(&it),
        );
        (harmless && self.is_for_an_index(destination)).then_some(Passage(None))
    }

    /// Lets a file pass that dpkg could not unpack and that apt does not keep among packages: part
    /// of a source package, a changelog.
    pub(super) fn not_installable(&self, destination: &Path, file: &HashedFile) -> Option<Passage> {
        let elsewhere = is_plain(destination) && !is_below(destination, &self.archives);
        let harmless = elsewhere && !looks_like_a_package(&file.first_bytes);
        harmless.then(|| Passage(Some(file.examined.clone())))
    }
}

/// Resolves `path` against `base`, without detours. If it leads upwards, follows links on the way.
fn absolute(base: Option<&Path>, path: &Path) -> io::Result<PathBuf> {
    if is_plain(path) {
        return Ok(path.to_owned());
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let base =
        if path.is_absolute() { Path::new("/") } else { base.ok_or(io::ErrorKind::NotFound)? };
    let joined: PathBuf = base.join(path).components().collect();
    if is_plain(&joined) {
        return Ok(joined);
    }
    Ok(joined.parent().unwrap_or(base).canonicalize()?.join(name))
}

/// Returns true when `path` is absolute and below `directory`, by its text. apt's own names have no
/// detours, and a name with one does not count as an index.
fn is_below(path: &Path, directory: &Path) -> bool {
    is_plain(path) && path != directory && path.starts_with(directory)
}

/// Returns true when a path is absolute and has no detours.
fn is_plain(path: &Path) -> bool {
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    path.is_absolute() && path.components().all(plain)
}

/// Opens a plain file. The user that talks to the network can write to the directory.
fn open(path: &Path) -> io::Result<File> {
    open_plain(path, Links::Refused).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => io::Error::other("not a plain file"),
        _ => error,
    })
}

/// Returns true when the wrapped method, told to write to this file, writes to no other. It follows
/// links, and continues an existing file.
pub(super) fn can_be_written(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(found) => found.is_file() && found.nlink() == 1,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns the first 8 bytes of a file and rewinds it.
fn first_bytes(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.by_ref().take(8).read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_below_the_lists_is_an_index() {
        let places = Places {
            lists: PathBuf::from("/var/lib/apt/lists/"),
            archives: PathBuf::from("/var/cache/apt/archives/"),
            called_in: None,
        };
        for (path, expected) in [
            ("/var/lib/apt/lists/partial/x_Packages", true),
            ("/var/lib/apt/lists/x.deb", true),
            ("/var/cache/apt/archives/partial/x.index", false),
            ("/var/lib/apt/lists/../../../cache/apt/archives/partial/x.deb", false),
            ("/var/lib/apt/lists", false),
            ("/var/lib/apt/lists-evil/x", false),
            ("var/lib/apt/lists/x", false),
            ("/root/x.deb", false),
            ("", false),
        ] {
            assert_eq!(places.is_for_an_index(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn apt_names_files_from_the_directory_that_it_was_called_in() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("real/below")).unwrap();
        std::os::unix::fs::symlink("real/below", top.join("link")).unwrap();
        let places = Places {
            lists: top.join("lists"),
            archives: top.join("archives"),
            called_in: Some(top.clone()),
        };
        let file = |named: &str| places.file(Path::new(named)).ok();
        for (named, expected) in [
            ("x.dsc", "x.dsc"),
            ("./x.dsc", "x.dsc"),
            ("./cache//archives/./partial/x.deb", "cache/archives/partial/x.deb"),
            ("real/../x.dsc", "x.dsc"),
            // As the kernel resolves it, and not as the text looks.
            ("link/../x.dsc", "real/x.dsc"),
        ] {
            assert_eq!(file(named), Some(top.join(expected)), "{named}");
        }
        assert_eq!(file("/srv/x.deb"), Some(PathBuf::from("/srv/x.deb")));
        assert_eq!(file("/../x.deb"), Some(PathBuf::from("/x.deb")));
        for named in ["", ".", "..", "real/..", "none/../x.dsc"] {
            assert_eq!(file(named), None, "{named}");
        }
        let nowhere = Places { called_in: None, ..places };
        assert!(nowhere.file(Path::new("x.dsc")).is_err());
    }

    #[test]
    fn a_file_has_its_name_only_where_apt_keeps_what_it_has_not_accepted() {
        let places = Places {
            lists: PathBuf::from("/lists"),
            archives: PathBuf::from("/archives"),
            called_in: None,
        };
        let waiting = |file: &str| places.waiting_place(Path::new(file));
        for file in ["/archives/partial/x.deb", "/lists/partial/x.deb"] {
            assert_eq!(waiting(file), None, "{file}");
        }
        for (file, expected) in [
            ("/root/x.deb", "/root/x.deb.unconfirmed"),
            ("/archives/x.deb", "/archives/x.deb.unconfirmed"),
            ("/archives/partial/more/x.deb", "/archives/partial/more/x.deb.unconfirmed"),
        ] {
            assert_eq!(waiting(file), Some(PathBuf::from(expected)), "{file}");
        }
    }

    #[test]
    fn a_run_begins_afresh_where_nothing_but_empty_files_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let archives = directory.path().join("archives");
        let partial = archives.join("partial");
        let places = Places { lists: directory.path().join("lists"), archives, called_in: None };
        let file = partial.join("x_1_all.deb");
        assert!(!places.begins_afresh(&file), "there is no such directory");
        std::fs::create_dir_all(&partial).unwrap();
        assert!(places.begins_afresh(&file));
        assert!(!places.begins_afresh(&directory.path().join("x_1_all.deb")), "elsewhere");
        let fill = |range: std::ops::Range<usize>| {
            range.for_each(|n| std::fs::write(partial.join(n.to_string()), "").unwrap());
        };
        fill(0..MAX_LEFT);
        assert!(places.begins_afresh(&file));
        fill(MAX_LEFT..MAX_LEFT + 1);
        assert!(!places.begins_afresh(&file), "too many to look at");
        std::fs::remove_dir_all(&partial).unwrap();
        std::fs::create_dir(&partial).unwrap();
        std::os::unix::fs::symlink("/dev/null", partial.join("link")).unwrap();
        assert!(!places.begins_afresh(&file), "a link is not followed");
    }

    #[test]
    fn a_package_passes_neither_as_an_index_nor_as_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let lists = directory.path().join("lists");
        std::fs::create_dir(&lists).unwrap();
        let archives = directory.path().join("archives");
        let places = Places { lists: lists.clone(), archives, called_in: None };
        let file = lists.join("x_Packages");
        assert!(places.index(&file).is_some());
        for (content, harmless) in [
            ("Package: x\n", true),
            ("", true),
            ("!<arch>\ndebian-binary", false),
            ("0.939000\n", false),
        ] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(places.index(&file).is_some(), harmless, "{content:?}");
            let read = || HashedFile::read(&file).unwrap();
            let elsewhere = directory.path().join("x.dsc");
            assert_eq!(places.not_installable(&elsewhere, &read()).is_some(), harmless);
            let kept = directory.path().join("archives/partial/x");
            assert!(places.not_installable(&kept, &read()).is_none());
        }
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        assert!(places.index(&file).is_none());
    }
}
