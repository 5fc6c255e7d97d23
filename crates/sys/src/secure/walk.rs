//! Walks to a path step by step, and checks on each descriptor who could change the step.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use super::{SecureError, Trusted};
use crate::mount::Mount;
use crate::steady;

/// Most symbolic links that are followed on the way to a file, as the kernel's own limit
/// (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The kind of target that a path must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A plain file, to be read. Others may be able to add names beside it.
    File,
    /// A directory, to be listed. Nobody else may be able to add a name.
    Listing,
}

/// The places at which the steps of a path may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Anywhere
    Any,
    /// Only places where the system knows who can change anything
    Known,
}

impl Trusted {
    /// Walks to `path` and opens it, checking every step on its descriptor.
    pub(super) fn open(
        self,
        path: &Path,
        wanted: Target,
        places: Steps,
    ) -> Result<OwnedFd, SecureError> {
        let step = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let root = || {
            nix::fcntl::open("/", step | OFlag::O_DIRECTORY, Mode::empty())
                .map_err(|error| SecureError::Open { path: PathBuf::from("/"), error })
        };
        let mut at = root()?;
        // Whoever can change this mount behind the system's back can change dpkg.
        let system = if places == Steps::Known { Mount::of(&at) } else { None };
        let mut walked = PathBuf::from("/");
        self.check(&walked, &stat(&at, &walked)?, Target::File)?;
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
            let use_of_it = if ahead.is_empty() { wanted } else { Target::File };
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
    fn check(self, path: &Path, stat: &FileStat, wanted: Target) -> Result<(), SecureError> {
        self.check_owner(path, stat)?;
        if stat.st_mode & 0o022 == 0 {
            return Ok(());
        }
        let (path, mode) = (path.to_owned(), stat.st_mode & 0o7777);
        // In a sticky directory such as /tmp others can add names, but not replace ours.
        let sticky = kind(stat) == SFlag::S_IFDIR && mode & 0o1000 != 0;
        match (sticky, wanted) {
            (false, _) => Err(SecureError::Writable { path, mode }),
            (true, Target::Listing) => Err(SecureError::Addable { path, mode }),
            // Whatever is opened next is checked in its turn.
            (true, Target::File) => Ok(()),
        }
    }

    fn check_owner(self, path: &Path, stat: &FileStat) -> Result<(), SecureError> {
        if stat.st_uid != 0 && stat.st_uid != self.0.as_raw() {
            return Err(SecureError::Owner { path: path.to_owned(), owner: stat.st_uid });
        }
        Ok(())
    }
}

impl Target {
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

impl Steps {
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

pub(super) fn stat(descriptor: impl AsFd, path: &Path) -> Result<FileStat, SecureError> {
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
