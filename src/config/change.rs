//! A change to the configuration as a whole: checked before it is made.
//!
//! The changed files are read together with the unchanged ones, by the reader that checks the
//! configuration later. Only if there is no mistake are the files put in place. All are written
//! before the first is put in place, keys before the files that name them, and each at once. So
//! whenever this ends, every file is the old one or the new one.
//!
//! A change can include files outside the configuration, such as apt's sources. They go first: a
//! source that asks the gate works with the old configuration as with the new one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use nix::sys::signal::{SigSet, SigmaskHow};

use super::{Config, MAX_FILE, Problems, Proposed, load, load_with};
use crate::sys::files::{Lock, PreparedFile, sync_directory};
use crate::sys::plain;
use crate::sys::secure::{SecureError, Trusted};

/// The lock file in the directory of a configuration, held during a change. Neither the directory
/// itself nor a permanent file serves as the lock: everybody can open those, and every user with an
/// open file can lock it.
const LOCK: &str = ".lock";

/// Files to write and to remove below the directory of a configuration.
#[derive(Debug, Clone)]
pub struct Change {
    directory: PathBuf,
    /// True if the present configuration may have mistakes
    despite_mistakes: bool,
    files: BTreeMap<PathBuf, New>,
    /// By their absolute paths
    beside: BTreeMap<PathBuf, New>,
}

/// The new state of a path.
#[derive(Debug, Clone)]
enum New {
    /// This text, where no file is yet.
    Created(String),
    /// This text, whether there is a file or not.
    Replaced(String),
    /// This text, in place of a known one.
    Edited {
        /// The text that it was made from
        was: String,
        /// The new text
        text: String,
    },
    /// No file.
    Removed,
    /// No file, in place of a known text.
    RemovedOnly {
        /// The text that must be unchanged
        was: String,
    },
}

/// The reason for which nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The configuration has mistakes already.
    #[error("{0}; fix the configuration first: nothing was changed.")]
    BrokenBefore(Problems),
    /// The changed configuration would have mistakes.
    #[error("{0} after this change; nothing was changed.")]
    WouldBreak(Problems),
    /// A file exists already.
    #[error("{} already exists; nothing was changed.", .0.display())]
    Exists(PathBuf),
    /// Another process changed it.
    #[error("{} was changed by another program; this command changed nothing.", .0.display())]
    ChangedMeanwhile(PathBuf),
    /// Another process is making a change.
    #[error("another command is changing {} right now; nothing was changed.", .0.display())]
    Busy(PathBuf),
    /// It cannot be read, or other users could write it.
    #[error("{0}; nothing was changed.")]
    Insecure(SecureError),
    /// The system refuses.
    #[error("{}: {why}; nothing was changed.", .path.display())]
    Refused {
        /// The path that could not be written or removed
        path: PathBuf,
        /// The error of the system
        why: String,
    },
    /// The system refused the change, and also refused to restore the earlier state.
    #[error("{}: {why}, and the earlier state could not be restored: run apt-quorum config check.", .path.display())]
    Stuck {
        /// The path that could not be restored
        path: PathBuf,
        /// The error of the system
        why: String,
    },
}

/// The earlier state of each path, to be restored if necessary.
type Earlier = Vec<(PathBuf, Option<String>, Owner)>;

/// The owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The configuration: everybody can read the file.
    Configuration,
    /// Another owner, who decides about its mode.
    Another,
}

impl Owner {
    fn prepare(self, target: &Path, text: &str) -> io::Result<PreparedFile> {
        match self {
            Self::Configuration => PreparedFile::write(target, text.as_bytes()),
            Self::Another => PreparedFile::write_like(target, text.as_bytes()),
        }
    }
}

impl Change {
    /// Makes a change to the configuration in `directory` that is still empty. Paths are below it.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        Self { directory, despite_mistakes: false, files: BTreeMap::new(), beside: BTreeMap::new() }
    }

    /// Returns the same change, which is made even if the present configuration has mistakes. The
    /// changed one must have none, as always.
    #[must_use]
    pub fn despite_mistakes(self) -> Self {
        Self { despite_mistakes: true, ..self }
    }

    /// Returns true when it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.beside.is_empty()
    }

    /// Lists the files that it writes, in the order in which they are put in place, each with true
    /// if it is new.
    #[must_use]
    pub fn writes(&self) -> Vec<(PathBuf, bool)> {
        let steps = self.in_order().into_iter().filter(|(_, new, _)| new.text().is_some());
        steps
            .map(|(path, new, _)| {
                let is_new = match new {
                    New::Created(_) => true,
                    _ => !path.exists(),
                };
                (path, is_new)
            })
            .collect()
    }

    /// Lists the files that it removes, in that order.
    #[must_use]
    pub fn removes(&self) -> Vec<PathBuf> {
        let steps = self.in_order().into_iter().filter(|(_, new, _)| new.text().is_none());
        steps.map(|(path, ..)| path).collect()
    }

    /// Writes a file at a path where no file may be.
    pub fn create(&mut self, path: impl Into<PathBuf>, text: String) {
        self.files.insert(path.into(), New::Created(text));
    }

    /// Writes a file, and replaces an existing one.
    pub fn replace(&mut self, path: impl Into<PathBuf>, text: String) {
        self.files.insert(path.into(), New::Replaced(text));
    }

    /// Removes a file that contained `was` at the time of that decision. Edits since then are not
    /// lost.
    pub fn remove_only(&mut self, path: impl Into<PathBuf>, was: String) {
        self.files.insert(path.into(), New::RemovedOnly { was });
    }

    /// Writes a file that contained `was` when `text` was made from it. Edits since then are not
    /// lost.
    pub fn edit(&mut self, path: impl Into<PathBuf>, was: String, text: String) {
        self.files.insert(path.into(), New::Edited { was, text });
    }

    /// Writes a file outside the configuration, which keeps its owner and its mode. `path` is
    /// absolute, and no link. `text` was made from `was`; without it, no file may be there.
    pub fn beside(&mut self, path: PathBuf, was: Option<String>, text: String) {
        let new = match was {
            None => New::Created(text),
            Some(was) => New::Edited { was, text },
        };
        self.beside.insert(path, new);
    }

    /// Removes a file outside the configuration that contained `was` at the time of that decision.
    /// `path` is absolute, and no link.
    pub fn remove_beside(&mut self, path: PathBuf, was: String) {
        self.beside.insert(path, New::RemovedOnly { was });
    }

    /// Removes a file, if it is there.
    pub fn remove(&mut self, path: impl Into<PathBuf>) {
        self.files.insert(path.into(), New::Removed);
    }

    /// Returns the changed configuration without writing it.
    ///
    /// # Errors
    /// If it has mistakes, before or after the change, or an existing file prevents the change.
    pub fn check(&self, trusted: Trusted) -> Result<Config, ChangeError> {
        if !self.despite_mistakes {
            load(&self.directory, trusted).map_err(ChangeError::BrokenBefore)?;
        }
        self.look(trusted)?;
        load_with(&self.directory, trusted, &self.proposed()).map_err(ChangeError::WouldBreak)
    }

    /// Checks the change and makes it.
    ///
    /// # Errors
    /// If anything prevents the change. Then everything remains as it was, except where
    /// [`ChangeError::Stuck`] says otherwise.
    pub fn apply(&self, trusted: Trusted) -> Result<Config, ChangeError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| ChangeError::Refused { path, why: plain(&error) }
        };
        // Two changes, each good by itself, may not be good together.
        let lock = self.directory.join(LOCK);
        let _lock = Lock::take(&lock).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => ChangeError::Busy(self.directory.clone()),
            _ => refused(&lock)(error),
        })?;
        self.check(trusted)?;
        let before = self.look(trusted)?;
        for path in self.files.keys() {
            let directory = self.directory.join(path);
            let directory = directory.parent().unwrap_or(&self.directory);
            make_directory(directory).map_err(refused(directory))?;
        }
        let mut steps = Vec::new();
        for (target, new, place) in self.in_order() {
            let prepared = new.text().map(|text| place.prepare(&target, text)).transpose();
            let prepared = prepared.map_err(refused(&target))?;
            steps.push((target, new, prepared));
        }
        // Ctrl-C between two of them would leave a state that is neither old nor new.
        let uninterrupted = Uninterrupted::begin();
        for (target, new, prepared) in steps {
            if let Err(error) = put(&target, new, prepared) {
                self.bring_back(&before)?;
                return Err(match error.kind() {
                    io::ErrorKind::AlreadyExists => ChangeError::Exists(target),
                    _ => refused(&target)(error),
                });
            }
        }
        let directories = before.iter().filter_map(|(path, ..)| path.parent());
        for directory in directories.collect::<std::collections::BTreeSet<_>>() {
            sync_directory(directory).map_err(refused(directory))?;
        }
        drop(uninterrupted);
        // The result is the expected one, unless another process wrote at the same time.
        load(&self.directory, trusted).map_err(|problems| match self.bring_back(&before) {
            Ok(()) => ChangeError::WouldBreak(problems),
            Err(error) => error,
        })
    }

    /// All paths in the order in which they are changed.
    fn in_order(&self) -> Vec<(PathBuf, &New, Owner)> {
        let own = self
            .files
            .iter()
            .map(|(path, new)| (self.directory.join(path), new, Owner::Configuration));
        let mut own: Vec<_> = own.collect();
        // A file is there before another one names it, and goes after none does: keys, rebuilders,
        // then the policy.
        own.sort_by_key(|(target, new, _)| {
            let named = target.extension().is_none_or(|it| it != "toml");
            let names_keys = target.starts_with(self.directory.join("rebuilders.d"));
            let rank: i8 = if named { 0 } else { 2 - i8::from(names_keys) };
            let goes = new.text().is_none();
            (goes, if goes { -rank } else { rank }, target.clone())
        });
        let beside = self.beside.iter().map(|(path, new)| (path.clone(), new, Owner::Another));
        beside.chain(own).collect()
    }

    /// Reads the current state of all its paths.
    fn look(&self, trusted: Trusted) -> Result<Earlier, ChangeError> {
        let mut before = Earlier::new();
        for path in self.files.keys() {
            if !path.components().all(|part| matches!(part, Component::Normal(_))) {
                let path = self.directory.join(path);
                let why = "not below the configuration".to_owned();
                return Err(ChangeError::Refused { path, why });
            }
        }
        for (target, new, place) in self.in_order() {
            let now = match trusted.read(&target, MAX_FILE) {
                Ok(text) => Some(text),
                Err(error) if error.is_missing() => None,
                Err(error) => return Err(ChangeError::Insecure(error)),
            };
            match (new, &now) {
                (New::Created(_), Some(_)) => return Err(ChangeError::Exists(target)),
                (New::Edited { was, .. } | New::RemovedOnly { was }, _)
                    if now.as_ref() != Some(was) =>
                {
                    return Err(ChangeError::ChangedMeanwhile(target));
                }
                _ => before.push((target, now, place)),
            }
        }
        Ok(before)
    }

    /// Restores the earlier state of all paths, the last one first.
    fn bring_back(&self, before: &Earlier) -> Result<(), ChangeError> {
        for (path, text, place) in before.iter().rev() {
            let done = match text {
                Some(text) if fs::read(path).is_ok_and(|now| now == text.as_bytes()) => Ok(()),
                Some(text) => place.prepare(path, text).and_then(PreparedFile::place_over),
                None => put(path, &New::Removed, None),
            };
            done.map_err(|error| ChangeError::Stuck { path: path.clone(), why: plain(&error) })?;
        }
        Ok(())
    }

    fn proposed(&self) -> Proposed {
        let text = |new: &New| new.text().map(ToOwned::to_owned);
        self.files.iter().map(|(path, new)| (self.directory.join(path), text(new))).collect()
    }
}

impl New {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Created(text) | Self::Replaced(text) | Self::Edited { text, .. } => Some(text),
            Self::Removed | Self::RemovedOnly { .. } => None,
        }
    }
}

/// Blocks signals for as long as it lives.
struct Uninterrupted(Option<SigSet>);

impl Uninterrupted {
    fn begin() -> Self {
        Self(SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).ok())
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = before.thread_set_mask();
        }
    }
}

/// Makes a directory if it does not exist: rebuilders.d may be missing.
fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        // Whatever the umask is.
        Ok(()) => fs::set_permissions(path, PermissionsExt::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn put(target: &Path, new: &New, prepared: Option<PreparedFile>) -> io::Result<()> {
    match (new, prepared) {
        (New::Created(_), Some(prepared)) => prepared.place_new(),
        (_, Some(prepared)) => prepared.place_over(),
        (_, None) => match fs::remove_file(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    fn world() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("policy.toml"), "mode = \"warn\"\n").unwrap();
        directory
    }

    fn rebuilder(name: &str) -> String {
        format!("name = \"{name}\"\n[[key]]\ntype = \"ed25519\"\nfile = \"k.pem\"\n")
    }

    /// Lists everything in a directory, with the content of the files.
    fn all(directory: &Path) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(all(&path)),
                false => found.push((path.clone(), fs::read_to_string(&path).unwrap())),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn several_files_make_one_change() {
        let world = world();
        let mut change = Change::of(world.path());
        change.create("rebuilders.d/a.toml", rebuilder("a"));
        change.create("rebuilders.d/k.pem", KEY.to_owned());
        let was = fs::read_to_string(world.path().join("policy.toml")).unwrap();
        change.edit("policy.toml", was.clone(), format!("{was}threshold = 1\n"));
        let order: Vec<_> = change.writes().into_iter().map(|it| it.0).collect();
        let expected = ["rebuilders.d/k.pem", "rebuilders.d/a.toml", "policy.toml"];
        assert_eq!(order, expected.map(|it| world.path().join(it)));
        assert_eq!(change.check(Trusted::now()).unwrap().rebuilders.len(), 1);
        assert_eq!(all(world.path()).len(), 1, "a check writes nothing");
        assert_eq!(change.apply(Trusted::now()).unwrap().rebuilders.len(), 1);
        let names: Vec<_> = all(world.path()).into_iter().map(|it| it.0).collect();
        let expected = ["policy.toml", "rebuilders.d/a.toml", "rebuilders.d/k.pem"];
        assert_eq!(names, expected.map(|it| world.path().join(it)));
        // The same again: the existing file is not created anew, and the edited text is no longer
        // the same.
        assert!(matches!(change.apply(Trusted::now()), Err(ChangeError::Exists(_))));
        let mut change = Change::of(world.path());
        change.edit("policy.toml", was, "mode = \"warn\"\n".to_owned());
        assert!(matches!(change.apply(Trusted::now()), Err(ChangeError::ChangedMeanwhile(_))));
    }

    #[test]
    fn what_would_be_wrong_is_shown_at_its_final_place_and_not_written() {
        let world = world();
        let before = all(world.path());
        let mut change = Change::of(world.path());
        change.create("rebuilders.d/a.toml", rebuilder("a"));
        change.create("rebuilders.d/k.pem", KEY.to_owned());
        let error = change.apply(Trusted::now()).unwrap_err();
        assert!(matches!(error, ChangeError::WouldBreak(_)));
        let shown = error.to_string();
        let policy = world.path().join("policy.toml").display().to_string();
        assert!(shown.contains(&format!("{policy}: threshold is missing")), "{shown}");
        assert_eq!(all(world.path()), before);
        let mut change = Change::of(world.path());
        change.remove("policy.toml");
        assert!(matches!(change.apply(Trusted::now()), Err(ChangeError::WouldBreak(_))));
        let mut outside = Change::of(world.path());
        outside.create("rebuilders.d/../../x.toml", String::new());
        assert!(matches!(outside.apply(Trusted::now()), Err(ChangeError::Refused { .. })));
        fs::write(world.path().join("policy.toml"), "mode = 1\n").unwrap();
        assert!(matches!(change.apply(Trusted::now()), Err(ChangeError::BrokenBefore(_))));
        assert_eq!(all(world.path()).len(), 1);
    }

    #[test]
    fn what_lies_beside_keeps_its_mode_and_comes_back_if_the_rest_fails() {
        let world = world();
        let etc = tempfile::tempdir().unwrap();
        let at = |name: &str| etc.path().join(name);
        fs::write(at("a.list"), "deb https://me:secret@a.example/ x y\n").unwrap();
        fs::set_permissions(at("a.list"), PermissionsExt::from_mode(0o600)).unwrap();
        let before = (all(world.path()), all(etc.path()));
        let mode = || fs::metadata(at("a.list")).unwrap().permissions().mode() & 0o7777;
        let change = |policy: &str| {
            let mut change = Change::of(world.path());
            let was = fs::read_to_string(at("a.list")).unwrap();
            let text = was.replace("https", "quorum+https");
            change.beside(at("a.list"), Some(was), text);
            change.beside(at("b.conf"), None, "B \"1\";\n".to_owned());
            change.replace("policy.toml", policy.to_owned());
            change
        };
        // A directory that only looks like a file that can be replaced.
        let mut failing = change("mode = \"warn\"\n");
        failing.replace("rebuilders.d/x.pem", "x".to_owned());
        fs::create_dir_all(world.path().join("rebuilders.d")).unwrap();
        let uninterrupted = failing.in_order();
        assert_eq!(uninterrupted.first().map(|it| it.2), Some(Owner::Another));
        let (target, new, place) = failing.in_order().remove(0);
        let seen = failing.look(Trusted::now()).unwrap();
        put(&target, new, Some(place.prepare(&target, new.text().unwrap()).unwrap())).unwrap();
        assert_ne!(all(etc.path()), before.1);
        failing.bring_back(&seen).unwrap();
        assert_eq!((all(world.path()), all(etc.path())), before);
        assert_eq!(mode(), 0o600);

        assert!(matches!(change("x").apply(Trusted::now()), Err(ChangeError::WouldBreak(_))));
        assert_eq!((all(world.path()), all(etc.path())), before);
        change("mode = \"warn\"\n").apply(Trusted::now()).unwrap();
        let list = fs::read_to_string(at("a.list")).unwrap();
        assert_eq!(list, "deb quorum+https://me:secret@a.example/ x y\n");
        assert_eq!(mode(), 0o600);
        assert!(at("b.conf").exists());
    }

    #[test]
    fn two_changes_are_not_made_at_once() {
        let world = world();
        let lock = Lock::take(&world.path().join(LOCK)).unwrap();
        let error = Change::of(world.path()).apply(Trusted::now()).unwrap_err();
        assert!(matches!(error, ChangeError::Busy(_)));
        drop(lock);
        Change::of(world.path()).apply(Trusted::now()).unwrap();
        assert_eq!(all(world.path()).len(), 1, "the lock stays");
    }

    /// Everybody who can read a file can open it, and lock it for as long as they like.
    #[test]
    fn nobody_who_can_only_read_keeps_changes_from_being_made() {
        use nix::fcntl::{Flock, FlockArg};

        let world = world();
        let readable = [world.path().to_owned(), world.path().join("policy.toml")];
        let locked: Vec<_> = readable
            .iter()
            .map(|it| fs::File::open(it).unwrap())
            .map(|it| Flock::lock(it, FlockArg::LockExclusiveNonblock).unwrap())
            .collect();
        Change::of(world.path()).apply(Trusted::now()).unwrap();
        drop(locked);
        // A file that others may have open is not accepted as the lock.
        let lock = world.path().join(LOCK);
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, PermissionsExt::from_mode(0o644)).unwrap();
        let error = Change::of(world.path()).apply(Trusted::now()).unwrap_err();
        assert!(error.to_string().contains("others can open it: remove it"), "{error}");
    }
}
