//! Opens and reads a file that is going to be judged, so that what is judged is what is installed.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Candidate, Installing};
use crate::deb::{self, Examined};
use crate::evidence::Question;
use crate::sys::files::{Links, open_plain};
use crate::sys::plain;
use crate::sys::secure::{SecureError, Trusted};
use crate::sys::steady::{self, Stamp, Tells};

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) content: Examined,
    /// The stamp that identifies the file later if it is about to be installed, or the reason for
    /// which another user could change it before
    pub(super) stability: Result<Option<Stamp>, String>,
}

impl ReadFile {
    /// Returns the question about it, if it is a package.
    pub(super) fn question(&self) -> Option<Question> {
        let control = self.content.control().ok()?;
        Some(Question {
            identity: control.identity.clone(),
            source: Some(control.source.clone()),
            sha256: Some(self.content.sha256()),
        })
    }
}

/// Opens and reads one file.
pub(super) fn read(candidate: &Candidate, installing: Installing) -> Result<ReadFile, String> {
    let path = &candidate.path;
    let (file, changeable) = match installing {
        Installing::No => (open_plainly(path)?, None),
        Installing::InPlace => match open_steadily(path).and_then(|file| settle(file, path)) {
            Ok(file) => (file, None),
            Err(Unsafe::Changeable(why)) => (open_plainly(path)?, Some(why)),
            Err(Unsafe::Unreadable(why)) => return Err(why),
        },
    };
    let failed = |error| format!("{}: {}", path.display(), plain(&error));
    let before = Stamp::of(&file).map_err(failed)?;
    let content = deb::examine(&file).map_err(failed)?;
    if Stamp::of(&file).map_err(failed)? != before {
        return Err(format!("{} was changed while it was read", path.display()));
    }
    let stamp = (installing == Installing::InPlace).then_some(before);
    Ok(ReadFile { content, stability: changeable.map_or(Ok(stamp), Err) })
}

/// The reason for which a file cannot be installed from its path.
pub(super) enum Unsafe {
    /// Others could change it.
    Changeable(String),
    /// It cannot be opened at all.
    Unreadable(String),
}

/// Opens a file that remains unchanged: only root can open it for writing or put another one in its
/// place. No process that could do so before still has it open.
pub(super) fn open_steadily(path: &Path) -> Result<File, Unsafe> {
    let file = Trusted::now().lasting().open_file(path).map_err(|why| match why {
        SecureError::Owner { path, owner } => {
            Unsafe::Changeable(format!("{} belongs to user {owner}", path.display()))
        }
        SecureError::Writable { path, .. } => {
            Unsafe::Changeable(format!("{} can be written by others", path.display()))
        }
        why @ SecureError::Untold { .. } => Unsafe::Changeable(why.to_string()),
        why => Unsafe::Unreadable(why.to_string()),
    })?;
    steady::nobody_writes(&file)
        .map_err(|why| Unsafe::Changeable(format!("{}: {why}", path.display())))?;
    Ok(file)
}

/// Ensures that no process has a file that was opened steadily mapped into memory either. If the
/// file system does not tell that, a copy takes its place.
fn settle(file: File, path: &Path) -> Result<File, Unsafe> {
    if steady::tells(&file) == Some(Tells::All) {
        return Ok(file);
    }
    steady::replace_by_copy(&file, path).map_err(|why| {
        Unsafe::Changeable(format!(
            "{}: its file system cannot tell whether a process has it mapped for writing, and it could not be replaced by a copy: {}",
            path.display(),
            plain(&why)
        ))
    })?;
    open_steadily(path)
}

fn open_plainly(path: &Path) -> Result<File, String> {
    open_plain(path, Links::Followed).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => format!("{} is not a file", path.display()),
        _ => format!("{}: {}", path.display(), plain(&error)),
    })
}
