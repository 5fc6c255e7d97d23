//! Opening files that decide something.
//!
//! A configuration file is worth what the least protected directory on the way to it is worth:
//! who can write there can put another file in its place. So the path is walked from the root,
//! each step is opened without following links and checked on the open descriptor, and links are
//! followed by hand under the same rule. Nothing is checked by name and opened later.
//!
//! Two differences matter, and each has its own type or method. A file that is *named* may stand in a
//! sticky directory such as /tmp, where others add names and replace none; a directory that is
//! *listed* may not, because there a name that somebody adds counts ([`Wanted`]). And what is read
//! here and now is one thing, what another program opens again by the same name is another
//! ([`Lasting`]).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::Uid;
use zeroize::Zeroizing;

use super::mount::Mount;
use super::steady;

/// Most symbolic links that are followed on the way to a file, as the kernel's own limit
/// (path_resolution(7)).
const MAX_LINKS: usize = 40;

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

/// The kind of target that a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A plain file, to be read. Others may be able to add names beside it.
    File,
    /// A directory, to be listed. Nobody else may be able to add a name.
    Listing,
}

/// The places at which the steps of a path may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Anywhere
    Any,
    /// Only places where the system knows who can change anything
    Known,
}

/// The reason that a file that decides something is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecureError {
    /// It, or a directory on the way to it, could not be opened.
    #[error("{}: {}", .path.display(), .error.desc())]
    Open {
        /// The path that could not be opened
        path: PathBuf,
        /// The system's error
        error: Errno,
    },
    /// It belongs to somebody who could change it at any time.
    #[error("{} is owned by user {owner}, not by root: chown root it", .path.display())]
    Owner {
        /// The path that belongs to another user
        path: PathBuf,
        /// The user id of its owner
        owner: u32,
    },
    /// Its mode lets others change it.
    #[error("{} can be written by others than root (mode {mode:04o}): chmod go-w it", .path.display())]
    Writable {
        /// The path that can be written
        path: PathBuf,
        /// Its permission bits
        mode: u32,
    },
    /// It is a directory in which every name counts, and others can add names to it.
    #[error("{} lets others than root add files (mode {mode:04o}): take a directory that does not", .path.display())]
    Addable {
        /// The directory
        path: PathBuf,
        /// Its permission bits
        mode: u32,
    },
    /// The file system that it lies on does not tell who can change it.
    #[error("{} is on a file system that can show files of others as root's, such as those of FUSE, CIFS and NFS: copy what you need to a local directory", .path.display())]
    Untold {
        /// The path that lies there
        path: PathBuf,
    },
    /// It is a secret, and its mode lets others read it.
    #[error("{} can be read by others than its owner (mode {mode:04o}): chmod go= it", .path.display())]
    Readable {
        /// The path that can be read
        path: PathBuf,
        /// Its permission bits
        mode: u32,
    },
    /// It is not what was expected there.
    #[error("{} is not a {expected}", .path.display())]
    Kind {
        /// The path
        path: PathBuf,
        /// The kind that was expected
        expected: &'static str,
    },
    /// It is larger than any real one.
    #[error("{} is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The path that is too large
        path: PathBuf,
        /// The limit in bytes
        limit: usize,
    },
    /// It is not text.
    #[error("{} is not UTF-8 text: see line {line} of it", .path.display())]
    NotText {
        /// The path that is not text
        path: PathBuf,
        /// The line with the first byte at fault, from 1
        line: usize,
    },
    /// Links that lead in circles.
    #[error("{}: too many symbolic links", .path.display())]
    Links {
        /// The path at which the walk ended
        path: PathBuf,
    },
}

impl SecureError {
    /// Returns true when it simply does not exist.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Open { error: Errno::ENOENT, .. })
    }
}

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
        let mut bytes = Vec::new();
        let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        self.open_file(path)?.take(bound).read_to_end(&mut bytes).map_err(|error| {
            let error = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            SecureError::Open { path: path.to_owned(), error }
        })?;
        if bytes.len() > limit {
            return Err(SecureError::TooLarge { path: path.to_owned(), limit });
        }
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
        let failed = |error: std::io::Error| {
            let error = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            SecureError::Open { path: path.to_owned(), error }
        };
        let mut file = self.open_file(path)?;
        let mode = stat(&file, path)?.st_mode & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SecureError::Readable { path: path.to_owned(), mode });
        }
        // With room from the start: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; limit.saturating_add(1)]);
        let mut length = 0;
        while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
            match file.read(room).map_err(failed)? {
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
        self.open(path, Wanted::File, Places::Any).map(File::from)
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
        names(self.open(path, Wanted::Listing, Places::Any)?, path)
    }

    /// Walks to `path` and opens it, checking every step on its descriptor.
    fn open(self, path: &Path, wanted: Wanted, places: Places) -> Result<OwnedFd, SecureError> {
        let step = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let root = || {
            nix::fcntl::open("/", step | OFlag::O_DIRECTORY, Mode::empty())
                .map_err(|error| SecureError::Open { path: PathBuf::from("/"), error })
        };
        let mut at = root()?;
        // Whoever can change this mount behind the system's back can change dpkg.
        let system = if places == Places::Known { Mount::of(&at) } else { None };
        let mut walked = PathBuf::from("/");
        self.check(&walked, &stat(&at, &walked)?, Wanted::File)?;
        let mut links = 0;
        let mut ahead = VecDeque::new();
        push_front(&mut ahead, path);
        while let Some(name) = ahead.pop_front() {
            let failed = |error| SecureError::Open { path: path.to_owned(), error };
            let next = openat(&at, name.as_os_str(), step, Mode::empty()).map_err(failed)?;
            let next_path = walked.join(&name);
            let seen = stat(&next, &next_path)?;
            places.check(&next_path, &next, system)?;
            if kind(&seen) == SFlag::S_IFLNK {
                links += 1;
                if links > MAX_LINKS {
                    return Err(SecureError::Links { path: path.to_owned() });
                }
                self.check_owner(&next_path, &seen)?;
                let target = PathBuf::from(readlinkat(&next, "").map_err(failed)?);
                push_front(&mut ahead, &target);
                if target.is_absolute() {
                    at = root()?;
                    walked = PathBuf::from("/");
                }
                continue;
            }
            if ahead.is_empty() {
                // First, for who may write a device is of no interest.
                wanted.check(&next_path, &seen)?;
            }
            // Only the last one is listed.
            let use_of_it = if ahead.is_empty() { wanted } else { Wanted::File };
            self.check(&next_path, &seen, use_of_it)?;
            if ahead.is_empty() {
                let flags = wanted.flags() | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let opened = openat(&at, name.as_os_str(), flags, Mode::empty()).map_err(failed)?;
                // The descriptor that is read from is checked once more: between the two opens
                // only a trusted owner could have changed the name, but then it is no race.
                let seen = stat(&opened, &next_path)?;
                places.check(&next_path, &opened, system)?;
                wanted.check(&next_path, &seen)?;
                self.check(&next_path, &seen, wanted)?;
                return Ok(opened);
            }
            at = next;
            walked = if name == ".." { parent(&walked) } else { next_path };
        }
        Err(SecureError::Kind { path: path.to_owned(), expected: "file or directory below /" })
    }

    /// Checks who can change a step, or the file or directory itself that is `wanted`.
    fn check(self, path: &Path, stat: &FileStat, wanted: Wanted) -> Result<(), SecureError> {
        self.check_owner(path, stat)?;
        if stat.st_mode & 0o022 == 0 {
            return Ok(());
        }
        let (path, mode) = (path.to_owned(), stat.st_mode & 0o7777);
        // In a sticky directory such as /tmp others can add names, but not replace ours.
        let sticky = kind(stat) == SFlag::S_IFDIR && mode & 0o1000 != 0;
        match (sticky, wanted) {
            (false, _) => Err(SecureError::Writable { path, mode }),
            (true, Wanted::Listing) => Err(SecureError::Addable { path, mode }),
            // Whatever is opened next is checked in its turn.
            (true, Wanted::File) => Ok(()),
        }
    }

    fn check_owner(self, path: &Path, stat: &FileStat) -> Result<(), SecureError> {
        if stat.st_uid != 0 && stat.st_uid != self.0.as_raw() {
            return Err(SecureError::Owner { path: path.to_owned(), owner: stat.st_uid });
        }
        Ok(())
    }
}

impl Lasting {
    /// Opens the plain file at `path` for reading.
    ///
    /// # Errors
    /// As [`Trusted::read`], and if the file, or anything on the way to it, lies where it is not
    /// known who can change it.
    pub fn open_file(self, path: &Path) -> Result<File, SecureError> {
        let file = File::from(self.0.open(path, Wanted::File, Places::Known)?);
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
        names(self.0.open(path, Wanted::Listing, Places::Known)?, path)
    }
}

impl Wanted {
    fn flags(self) -> OFlag {
        match self {
            Self::File => OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY,
            Self::Listing => OFlag::O_RDONLY | OFlag::O_DIRECTORY,
        }
    }

    fn check(self, path: &Path, seen: &FileStat) -> Result<(), SecureError> {
        let (wanted, expected) = match self {
            Self::File => (SFlag::S_IFREG, "file"),
            Self::Listing => (SFlag::S_IFDIR, "directory"),
        };
        if kind(seen) == wanted {
            return Ok(());
        }
        Err(SecureError::Kind { path: path.to_owned(), expected })
    }
}

impl Places {
    /// Checks that an open file or directory may be a step of the way; `system` is the mount of the
    /// root directory.
    fn check(self, path: &Path, open: impl AsFd, system: Option<Mount>) -> Result<(), SecureError> {
        if self == Self::Any {
            return Ok(());
        }
        let mount = Mount::of(&open);
        if mount.is_some() && mount == system {
            return Ok(());
        }
        // A system that cannot tell the mount is from before there were mapped owners.
        let mapped = mount.is_some_and(|it| it.maps_owners().unwrap_or(true));
        if mapped || steady::tells(&open).is_none() {
            return Err(SecureError::Untold { path: path.to_owned() });
        }
        Ok(())
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

fn stat(descriptor: impl AsFd, path: &Path) -> Result<FileStat, SecureError> {
    fstat(descriptor).map_err(|error| SecureError::Open { path: path.to_owned(), error })
}

const fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// Puts the components of `path` in front of what is still ahead.
fn push_front(ahead: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front(OsString::from("..")),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

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
