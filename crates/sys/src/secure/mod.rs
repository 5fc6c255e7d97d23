//! Opening files that decide something.
//!
//! A configuration file is worth what the least protected directory on the way to it is worth:
//! who can write there can put another file in its place. So the path is walked from the root,
//! each step is opened without following links and checked on the open descriptor, and links are
//! followed by hand under the same rule. Nothing is checked by name and opened later.
//!
//! Two differences matter, and each has its own type or method. A file that is *named* may stand in a
//! sticky directory such as /tmp, where others add names and replace none; a directory that is
//! *listed* may not, because there a name that somebody adds counts ([`Target`]). And what is read
//! here and now is one thing, what another program opens again by the same name is another
//! ([`Lasting`]).

mod error;
mod walk;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::Uid;
use zeroize::Zeroizing;

use super::files::read_at_most;
use super::steady;
pub use error::SecureError;
use walk::{Steps, Target, stat};

/// The users that may own files that decide something: root, and the user that runs the program. A
/// method that drops its privileges must open its files before it does.
#[derive(Debug, Clone, Copy)]
pub struct Trusted(Uid);

/// The same for what another program opens later by the same path, as dpkg does with an archive
/// that was judged: all on the way to it must stay what it is. So it must also lie where the system
/// knows who can change it. A file system that is not known to tell may show files as root's that are
/// somebody else's, and lead elsewhere a moment later.
#[derive(Debug, Clone, Copy)]
pub struct Lasting(Trusted);

impl Trusted {
    /// Root and the user that the program runs as right now.
    #[must_use]
    pub fn now() -> Self {
        Self(Uid::effective())
    }

    /// Reads the text file at `path`, of at most `limit` bytes.
    ///
    /// # Errors
    /// If the file, or any directory on the way to it, could be changed by somebody else, or
    /// cannot be read.
    pub fn read(self, path: &Path, limit: usize) -> Result<String, SecureError> {
        let bytes = read_at_most(self.open_file(path)?, limit)
            .map_err(|error| unreadable(path, limit, &error))?;
        String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to());
            let line = 1 + memchr::memchr_iter(b'\n', good.unwrap_or_default()).count();
            SecureError::NotText { path: path.to_owned(), line }
        })
    }

    /// Reads the text file at `path`, of at most `limit` bytes, that is nobody's business but its
    /// owner's. What was read is overwritten when it is dropped.
    ///
    /// # Errors
    /// As [`Self::read`], and if others can read it.
    pub fn read_secret(self, path: &Path, limit: usize) -> Result<Zeroizing<String>, SecureError> {
        let mut file = self.open_file(path)?;
        let mode = stat(&file, path)?.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecureError::Readable { path: path.to_owned(), mode });
        }
        // With room from the start: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; limit.saturating_add(1)]);
        let mut length = 0;
        while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
            match file.read(room).map_err(|error| unreadable(path, limit, &error))? {
                0 => break,
                more => length += more,
            }
        }
        if length > limit {
            return Err(SecureError::TooLarge { path: path.to_owned(), limit });
        }
        let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default());
        let text = text.map_err(|_| SecureError::NotText { path: path.to_owned(), line: 1 })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Opens the plain file at `path` for reading.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open_file(self, path: &Path) -> Result<File, SecureError> {
        self.open(path, Target::File, Steps::Any).map(File::from)
    }

    /// For what another program opens later by the same path.
    #[must_use]
    pub const fn lasting(self) -> Lasting {
        Lasting(self)
    }

    /// The names in the directory at `path` that end in `suffix` and do not start with a dot,
    /// sorted by their bytes.
    ///
    /// # Errors
    /// As [`Self::entries`].
    pub fn list(self, path: &Path, suffix: &str) -> Result<Vec<OsString>, SecureError> {
        let mut names = self.entries(path)?;
        names.retain(|name| {
            let name = name.as_bytes();
            name.ends_with(suffix.as_bytes()) && !name.starts_with(b".")
        });
        Ok(names)
    }

    /// All names in the directory at `path` but `.` and `..`, sorted by their bytes.
    ///
    /// # Errors
    /// As [`Self::read`], and if others can add names, also where the directory is sticky.
    pub fn entries(self, path: &Path) -> Result<Vec<OsString>, SecureError> {
        names(self.open(path, Target::Listing, Steps::Any)?, path)
    }
}

impl Lasting {
    /// Opens the plain file at `path` for reading.
    ///
    /// # Errors
    /// As [`Trusted::read`], and if the file, or anything on the way to it, lies where it is not
    /// known who can change it.
    pub fn open_file(self, path: &Path) -> Result<File, SecureError> {
        let file = File::from(self.0.open(path, Target::File, Steps::Known)?);
        match steady::tells(&file) {
            Some(_) => Ok(file),
            // What the system itself lies on can lead to it, but not tell who writes to it.
            None => Err(SecureError::Untold { path: path.to_owned() }),
        }
    }

    /// All names in the directory at `path` but `.` and `..`, sorted by their bytes.
    ///
    /// # Errors
    /// As [`Trusted::entries`], and if anything on the way lies where it is not known who can
    /// change it.
    pub fn entries(self, path: &Path) -> Result<Vec<OsString>, SecureError> {
        names(self.0.open(path, Target::Listing, Steps::Known)?, path)
    }
}

fn names(directory: OwnedFd, path: &Path) -> Result<Vec<OsString>, SecureError> {
    let failed = |error| SecureError::Open { path: path.to_owned(), error };
    let mut directory = nix::dir::Dir::from_fd(directory).map_err(failed)?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(&name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn unreadable(path: &Path, limit: usize, error: &io::Error) -> SecureError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::FileTooLarge => SecureError::TooLarge { path, limit },
        _ => {
            let error = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            SecureError::Open { path, error }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use nix::sys::stat::Mode;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A directory below a sticky /tmp, as safe as a test can have it.
    fn world() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o755);
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        mode(&dir.path().join("etc"), 0o755);
        let file = dir.path().join("etc/policy.toml");
        std::fs::write(&file, "text").unwrap();
        mode(&file, 0o644);
        (dir, file)
    }

    #[test]
    fn a_file_that_only_its_owner_can_write_is_read() {
        let (dir, file) = world();
        assert_eq!(Trusted::now().read(&file, 4).as_deref(), Ok("text"));
        symlink("etc", dir.path().join("link")).unwrap();
        symlink(&file, dir.path().join("absolute")).unwrap();
        symlink("../etc/../etc/policy.toml", dir.path().join("etc/relative")).unwrap();
        for path in ["link/policy.toml", "absolute", "link/relative", "etc/./policy.toml"] {
            assert_eq!(
                Trusted::now().read(&dir.path().join(path), 4).as_deref(),
                Ok("text"),
                "{path}"
            );
        }
    }

    #[test]
    fn what_others_can_write_is_refused_at_every_step() {
        for bad in [0o666, 0o664, 0o646, 0o622] {
            let (_dir, file) = world();
            mode(&file, bad);
            assert!(matches!(Trusted::now().read(&file, 9), Err(SecureError::Writable { .. })));
        }
        for bad in [0o777, 0o775, 0o757] {
            let (dir, file) = world();
            mode(&dir.path().join("etc"), bad);
            assert!(matches!(Trusted::now().read(&file, 9), Err(SecureError::Writable { .. })));
        }
        // Reached through a link, the unsafe directory is still on the way.
        let (dir, file) = world();
        symlink(&file, dir.path().join("link")).unwrap();
        mode(&dir.path().join("etc"), 0o777);
        assert!(matches!(
            Trusted::now().read(&dir.path().join("link"), 9),
            Err(SecureError::Writable { .. })
        ));
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        if !Uid::effective().is_root() {
            // Not with a macro: the test harness would keep what it prints to itself.
            let note = b"LEFT OUT: FILES OF OTHER OWNERS CAN BE MADE ONLY BY ROOT\n";
            return std::io::Write::write_all(&mut std::io::stderr(), note).unwrap();
        }
        let somebody = Some(Uid::from_raw(12345));
        let (dir, file) = world();
        nix::unistd::chown(&file, somebody, None).unwrap();
        assert!(matches!(
            Trusted::now().read(&file, 9),
            Err(SecureError::Owner { owner: 12345, .. })
        ));
        let (dir2, file) = world();
        nix::unistd::chown(&dir2.path().join("etc"), somebody, None).unwrap();
        assert!(matches!(Trusted::now().read(&file, 9), Err(SecureError::Owner { .. })));
        // A link of somebody else's in a sticky directory points where they like.
        let link = dir.path().join("link");
        symlink(dir.path().join("etc"), &link).unwrap();
        nix::unistd::fchownat(
            nix::fcntl::AT_FDCWD,
            &link,
            somebody,
            None,
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .unwrap();
        assert!(matches!(Trusted::now().list(&link, ".toml"), Err(SecureError::Owner { .. })));
    }

    #[test]
    fn odd_files_are_refused() {
        let (dir, file) = world();
        let trusted = Trusted::now();
        assert!(matches!(trusted.read(&file, 3), Err(SecureError::TooLarge { .. })));
        assert!(matches!(trusted.read(&dir.path().join("etc"), 3), Err(SecureError::Kind { .. })));
        assert!(trusted.read(&dir.path().join("none"), 3).is_err_and(|e| e.is_missing()));
        std::fs::write(&file, b"\xff").unwrap();
        assert!(matches!(trusted.read(&file, 3), Err(SecureError::NotText { .. })));
        symlink("loop", dir.path().join("loop")).unwrap();
        assert!(matches!(
            trusted.read(&dir.path().join("loop"), 3),
            Err(SecureError::Links { .. })
        ));
        let pipe = dir.path().join("etc/pipe");
        nix::unistd::mkfifo(&pipe, Mode::from_bits_truncate(0o644)).unwrap();
        assert!(matches!(trusted.read(&pipe, 3), Err(SecureError::Kind { .. })));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let (_dir, file) = world();
        mode(&file, 0o600);
        assert_eq!(Trusted::now().read_secret(&file, 4).unwrap().as_str(), "text");
        assert!(matches!(Trusted::now().read_secret(&file, 3), Err(SecureError::TooLarge { .. })));
        for bad in [0o640, 0o604, 0o610, 0o644] {
            mode(&file, bad);
            let read = Trusted::now().read_secret(&file, 4);
            assert!(matches!(read, Err(SecureError::Readable { .. })), "{bad:o}");
        }
    }

    /// The difference between a name and a list: who can add a name changes nothing about another,
    /// and everything about all.
    #[test]
    fn a_directory_to_which_others_can_add_names_leads_to_files_and_is_not_listed() {
        let (dir, file) = world();
        let etc = dir.path().join("etc");
        symlink("etc", dir.path().join("link")).unwrap();
        let trusted = Trusted::now();
        for bad in [0o1777, 0o1775, 0o1757, 0o1722] {
            mode(&etc, bad);
            assert_eq!(trusted.read(&file, 9).as_deref(), Ok("text"));
            assert!(trusted.lasting().open_file(&file).is_ok());
            for directory in [&etc, &dir.path().join("link"), &etc.join(".")] {
                let lists = [
                    trusted.list(directory, ".toml"),
                    trusted.entries(directory),
                    trusted.lasting().entries(directory),
                ];
                for list in lists {
                    assert!(matches!(list, Err(SecureError::Addable { .. })), "{bad:o}");
                }
            }
        }
        // Below it, a directory of root's is as good as any.
        std::fs::create_dir(etc.join("own")).unwrap();
        mode(&etc.join("own"), 0o755);
        assert_eq!(trusted.lasting().entries(&etc.join("own")), Ok(Vec::new()));
    }

    /// /proc stands for all file systems that are not known to tell who can change a file: its
    /// links lead to what a process has open, and that is another file a moment later.
    #[test]
    fn what_another_program_opens_later_lies_where_it_is_known_who_can_change_it() {
        let (dir, file) = world();
        let open = File::open(&file).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let by_descriptor = PathBuf::from(format!("/proc/{}/fd/{number}", std::process::id()));
        symlink(&by_descriptor, dir.path().join("link")).unwrap();
        let lasting = Trusted::now().lasting();
        for path in [by_descriptor, dir.path().join("link"), "/proc/version".into()] {
            assert!(Trusted::now().open_file(&path).is_ok(), "{}", path.display());
            let seen = lasting.open_file(&path);
            assert!(matches!(seen, Err(SecureError::Untold { .. })), "{}", path.display());
        }
        assert!(matches!(lasting.entries(Path::new("/proc")), Err(SecureError::Untold { .. })));
        assert!(lasting.open_file(&file).is_ok());
    }

    #[test]
    fn lists_are_sorted_and_leave_editors_leftovers_out() {
        let (dir, _) = world();
        for name in ["b.toml", "a.toml", ".c.toml", "d.toml~", "e.toml.dpkg-new", "key.pem"] {
            std::fs::write(dir.path().join("etc").join(name), "").unwrap();
        }
        let names = Trusted::now().list(&dir.path().join("etc"), ".toml").unwrap();
        assert_eq!(names, ["a.toml", "b.toml", "policy.toml"]);
    }
}
