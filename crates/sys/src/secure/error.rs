//! The reasons for which a file that decides something is not used.

use std::path::PathBuf;

use nix::errno::Errno;

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
    #[error("{} lets others than root add files (mode {mode:04o}): use another directory", .path.display())]
    Addable {
        /// The directory
        path: PathBuf,
        /// Its permission bits
        mode: u32,
    },
    /// The file system that it lies on does not tell who can change it.
    #[error("{} is on a file system that can show files of others as root's, such as those of FUSE, CIFS and NFS: copy it to a local directory", .path.display())]
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
