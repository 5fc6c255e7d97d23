//! Walking through everything in a directory, by descriptors: no link is followed, no mount point
//! is crossed, nothing but plain files and directories is opened, and what changes meanwhile is
//! noticed.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, major, minor};

use crate::sys::{plain, xattr};
use crate::types::printable;

/// Deepest nesting of directories that is walked. Each level keeps a descriptor open.
pub const MAX_DEPTH: usize = 256;

/// Most entries that are walked.
pub const MAX_ENTRIES: usize = 20_000_000;

/// The extended attributes that give somebody a right: a program's capabilities (capabilities(7))
/// and lists of who may do what (acl(5)).
const RIGHTS: [&CStr; 3] =
    [c"security.capability", c"system.posix_acl_access", c"system.posix_acl_default"];

/// Something in a tree.
#[derive(Debug)]
pub struct TreeEntry<'a> {
    /// Its path below the root, without a slash at the beginning; empty for the root itself
    pub path: &'a Path,
    /// Its permission bits, those for set-user-ID, set-group-ID and the sticky one among them
    pub mode: u32,
    /// Its owner
    pub uid: u32,
    /// Its group
    pub gid: u32,
    /// Its kind
    pub kind: TreeKind<'a>,
    /// Its extended attributes that give a user a right, by their names
    pub rights: Vec<(&'static str, Vec<u8>)>,
}

/// The kind of something in a tree.
#[derive(Debug)]
pub enum TreeKind<'a> {
    /// A directory
    Directory,
    /// A plain file, open for reading
    File {
        /// The file
        content: &'a File,
        /// Its size in bytes
        size: u64,
    },
    /// A symbolic link
    Link {
        /// Its target, as the link has it
        target: Vec<u8>,
    },
    /// A named pipe
    Pipe,
    /// A socket
    Socket,
    /// A device
    Device {
        /// Is true when it is a block device
        block: bool,
        /// Its major number, which tells the kind of device
        major: u64,
        /// Its minor number, which tells the device of that kind
        minor: u64,
    },
}

/// The reason that a tree could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Something cannot be opened or read.
    #[error("{}: {}", shown(.path), plain(.error))]
    Io {
        /// The path below the root
        path: PathBuf,
        /// The system's error
        error: io::Error,
    },
    /// Another file system is mounted there.
    #[error("{} is a mount point: unmount it, or exclude it", shown(.0))]
    Mount(PathBuf),
    /// It was changed while it was walked.
    #[error("{} was changed while it was read", shown(.0))]
    Changed(PathBuf),
    /// Directories within directories, more than [`MAX_DEPTH`].
    #[error("{} is nested deeper than {MAX_DEPTH} directories", shown(.0))]
    TooDeep(PathBuf),
    /// More than [`MAX_ENTRIES`].
    #[error("there are more than {MAX_ENTRIES} files")]
    TooMany,
}

/// Walks through everything below `root` and the root itself: a directory before what is in it,
/// and what is in it by the bytes of the names. What `is_left_out`, by its path below the root, is
/// not walked, nor what is below it.
///
/// # Errors
/// If anything cannot be walked or `each` fails.
pub fn walk(
    root: &Path,
    is_left_out: &dyn Fn(&Path) -> bool,
    each: &mut dyn FnMut(TreeEntry<'_>) -> io::Result<()>,
) -> Result<(), TreeError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let failed = |error: Errno| TreeError::Io { path: PathBuf::new(), error: error.into() };
    let open = open(root, flags, Mode::empty()).map_err(failed)?;
    Walk { is_left_out, each, entries: 0 }.directory(open, Path::new(""), 0)
}

struct Walk<'a> {
    is_left_out: &'a dyn Fn(&Path) -> bool,
    each: &'a mut dyn FnMut(TreeEntry<'_>) -> io::Result<()>,
    entries: usize,
}

impl Walk<'_> {
    fn directory(&mut self, open: OwnedFd, path: &Path, depth: usize) -> Result<(), TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep(path.to_owned()));
        }
        let before = fstat(&open).map_err(|error| failed(path, error))?;
        let rights = rights(path, |name| xattr::of_open(&open, name))?;
        self.tell(path, &before, TreeKind::Directory, rights)?;
        let mut open = Dir::from_fd(open).map_err(|error| failed(path, error))?;
        for name in names(&mut open, path)? {
            let path = path.join(OsStr::from_bytes(name.as_bytes()));
            if !(self.is_left_out)(&path) {
                self.entry(&open, &name, &path, depth)?;
            }
        }
        let after = fstat(&open).map_err(|error| failed(path, error))?;
        is_unchanged(&before, &after, path)
    }

    fn entry(
        &mut self,
        directory: &Dir,
        name: &CStr,
        path: &Path,
        depth: usize,
    ) -> Result<(), TreeError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(TreeError::TooMany);
        }
        // Only as a place: to open a device or a pipe can do something.
        let place = open_in(directory, name, OFlag::O_PATH, path)?;
        let seen = fstat(&place).map_err(|error| failed(path, error))?;
        let kind = match kind(&seen) {
            SFlag::S_IFDIR => {
                let open = open_in(directory, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, path)?;
                is_same(&seen, &open, path)?;
                return self.directory(open, path, depth + 1);
            }
            SFlag::S_IFREG => {
                let open = open_in(directory, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, path)?;
                is_same(&seen, &open, path)?;
                return self.file(&File::from(open), &seen, path);
            }
            SFlag::S_IFLNK => {
                let target = readlinkat(&place, c"").map_err(|error| failed(path, error))?;
                // Linux keeps no attributes with rights for a link.
                let kind = TreeKind::Link { target: target.into_vec() };
                return self.tell(path, &seen, kind, Vec::new());
            }
            SFlag::S_IFIFO => TreeKind::Pipe,
            SFlag::S_IFSOCK => TreeKind::Socket,
            it @ (SFlag::S_IFBLK | SFlag::S_IFCHR) => TreeKind::Device {
                block: it == SFlag::S_IFBLK,
                major: major(seen.st_rdev),
                minor: minor(seen.st_rdev),
            },
            _ => return Err(failed(path, Errno::EINVAL)),
        };
        let rights = rights(path, |name| xattr::of_place(&place, name))?;
        self.tell(path, &seen, kind, rights)
    }

    fn file(&mut self, file: &File, seen: &FileStat, path: &Path) -> Result<(), TreeError> {
        let rights = rights(path, |name| xattr::of_open(file, name))?;
        let size = u64::try_from(seen.st_size).unwrap_or_default();
        self.tell(path, seen, TreeKind::File { content: file, size }, rights)?;
        let after = fstat(file).map_err(|error| failed(path, error))?;
        is_unchanged(seen, &after, path)
    }

    fn tell(
        &mut self,
        path: &Path,
        seen: &FileStat,
        kind: TreeKind<'_>,
        rights: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<(), TreeError> {
        let entry = TreeEntry {
            path,
            mode: seen.st_mode & 0o7777,
            uid: seen.st_uid,
            gid: seen.st_gid,
            kind,
            rights,
        };
        (self.each)(entry).map_err(|error| TreeError::Io { path: path.to_owned(), error })
    }
}

/// `openat2(2)`, Linux 5.6. An older kernel has no such call, and nothing is walked.
fn open_in(directory: &Dir, name: &CStr, flags: OFlag, path: &Path) -> Result<OwnedFd, TreeError> {
    let how = OpenHow::new().flags(flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_XDEV,
    );
    openat2(directory, name, how).map_err(|error| match error {
        Errno::EXDEV => TreeError::Mount(path.to_owned()),
        error => failed(path, error),
    })
}

/// The names in a directory, by their bytes.
fn names(directory: &mut Dir, path: &Path) -> Result<Vec<CString>, TreeError> {
    let mut names = Vec::new();
    for entry in directory.iter() {
        let name = entry.map_err(|error| failed(path, error))?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
        if names.len() > MAX_ENTRIES {
            return Err(TreeError::TooMany);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn rights(
    path: &Path,
    get: impl Fn(&CStr) -> io::Result<Option<Vec<u8>>>,
) -> Result<Vec<(&'static str, Vec<u8>)>, TreeError> {
    let mut found = Vec::new();
    for name in RIGHTS {
        let value = get(name).map_err(|error| TreeError::Io { path: path.to_owned(), error })?;
        let name = name.to_str().unwrap_or_default();
        found.extend(value.map(|value| (name, value)));
    }
    Ok(found)
}

/// Between two looks at one name, another file can have come there.
fn is_same(seen: &FileStat, open: impl AsFd, path: &Path) -> Result<(), TreeError> {
    let open = fstat(open).map_err(|error| failed(path, error))?;
    is_unchanged(seen, &open, path)
}

/// Checks that a file is unchanged. Everything that happens to a file, except that it is read,
/// changes the time of its last change.
fn is_unchanged(before: &FileStat, after: &FileStat, path: &Path) -> Result<(), TreeError> {
    let stamp = |it: &FileStat| {
        let (identity, times) = ((it.st_dev, it.st_ino), (it.st_ctime, it.st_ctime_nsec));
        (identity, it.st_mode, it.st_size, times)
    };
    if stamp(before) == stamp(after) { Ok(()) } else { Err(TreeError::Changed(path.to_owned())) }
}

const fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn failed(path: &Path, error: Errno) -> TreeError {
    TreeError::Io { path: path.to_owned(), error: error.into() }
}

/// A path as seen from the root, fit to be shown.
fn shown(path: &Path) -> String {
    printable(&format!("/{}", path.to_string_lossy())).to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        for name in ["a/z", "a-b", "a/b", "Z"] {
            fs::write(root.path().join(name), name).unwrap();
        }
        symlink("/", root.path().join("up")).unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), Mode::S_IRUSR).unwrap();
        root
    }

    fn paths(root: &Path, is_left_out: &dyn Fn(&Path) -> bool) -> Vec<String> {
        let mut paths = Vec::new();
        walk(root, is_left_out, &mut |entry| {
            paths.push(entry.path.to_str().unwrap().to_owned());
            Ok(())
        })
        .unwrap();
        paths
    }

    #[test]
    fn everything_is_walked_in_one_order_and_links_are_not_followed() {
        let root = tree();
        let all = paths(root.path(), &|_| false);
        assert_eq!(all, ["", "Z", "a", "a/b", "a/z", "a-b", "pipe", "up"]);
        let some = paths(root.path(), &|path| path == Path::new("a"));
        assert_eq!(some, ["", "Z", "a-b", "pipe", "up"]);
        // The root itself may be reached by a link.
        let link = root.path().join("to-a");
        symlink("a", &link).unwrap();
        assert_eq!(paths(&link, &|_| false), ["", "b", "z"]);
        assert!(walk(&root.path().join("Z"), &|_| false, &mut |_| Ok(())).is_err());
    }

    /// A file that changes during a walk is no part of a statement.
    #[test]
    fn what_changes_while_it_is_walked_is_noticed() {
        type Change = fn(&Path);
        let changes: [(&str, Change, &str); 5] = [
            ("a/b", |root| fs::write(root.join("a/b"), "other").unwrap(), "/a/b was changed"),
            (
                "a/b",
                |root| fs::set_permissions(root.join("a/b"), exec()).unwrap(),
                "/a/b was changed",
            ),
            ("a/z", |root| fs::write(root.join("a/new"), "").unwrap(), "/a was changed"),
            ("Z", |root| fs::remove_file(root.join("a-b")).unwrap(), "/a-b: No such file"),
            ("a-b", |root| fs::rename(root.join("a"), root.join("c")).unwrap(), "/ was changed"),
        ];
        for (at, change, why) in changes {
            let root = tree();
            let walked = walk(root.path(), &|_| false, &mut |entry| {
                if entry.path == Path::new(at) {
                    // The clock of a file system has steps.
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    change(root.path());
                }
                Ok(())
            });
            let error = walked.unwrap_err().to_string();
            assert!(error.starts_with(why), "{at}: {error}");
        }
    }

    fn exec() -> fs::Permissions {
        std::os::unix::fs::PermissionsExt::from_mode(0o755)
    }
}
