//! Everything in a tree as text, one line each, so that a tree has a digest and anybody can compare
//! two trees.
//!
//! The format is a narrow one of mtree(5), whose tools read it. There is a line for each entry with
//! its path and `KEYWORD=VALUE`s in a fixed order. It is documented in apt-quorum(1). It has all
//! that decides how a system behaves. It does not have the times, which every copy changes, nor
//! which names share one file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::tree::{self, TreeEntry, TreeError, TreeKind};
use crate::types::{Glob, Sha256Digest};

/// The first lines: the signature of mtree(5), and the version of this format.
const HEADER: &str = "#mtree\n# apt-quorum manifest 1\n";

/// Bytes of a file that are read at once.
const BUFFER: usize = 256 * 1024;

/// The content of a tree.
#[derive(Debug)]
pub struct Manifest {
    /// The SHA-256 of the manifest
    pub sha256: Sha256Digest,
    /// The number of its entries
    pub entries: usize,
    /// The manifest itself, if it was asked for
    pub text: Option<Vec<u8>>,
}

/// The reason why there is no manifest of a tree.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ManifestError(#[from] TreeError);

/// The choice to keep the text of a manifest or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// The text is kept in memory
    Kept,
    /// Only the digest is kept
    Dropped,
}

impl Manifest {
    /// Reads a tree. Leaves out each path, from the root on, that a pattern in `excluded` matches,
    /// with all that is below it.
    ///
    /// # Errors
    /// If anything that is not left out cannot be read as a whole.
    pub fn of(root: &Path, excluded: &[Glob], text: Text) -> Result<Self, ManifestError> {
        let mut hash = sha2::Sha256::new();
        let mut kept = (text == Text::Kept).then(Vec::new);
        let mut entries = 0;
        let mut add = |bytes: &[u8]| {
            hash.update(bytes);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
        };
        add(HEADER.as_bytes());
        let is_left_out = |path: &Path| is_excluded(path, excluded);
        tree::walk(root, &is_left_out, &mut |entry| {
            entries += 1;
            add(line(&entry)?.as_bytes());
            Ok(())
        })?;
        let sha256 = Sha256Digest::from_bytes(hash.finalize().into());
        Ok(Self { sha256, entries, text: kept })
    }
}

/// Returns true if a pattern leaves out `path`, which is relative to the root. Bytes that are not
/// UTF-8 match `?` and `*` only.
#[must_use]
pub fn is_excluded(path: &Path, excluded: &[Glob]) -> bool {
    if excluded.is_empty() {
        return false;
    }
    let path = format!("/{}", path.to_string_lossy());
    excluded.iter().any(|glob| glob.matches(&path))
}

/// The line of one entry.
fn line(entry: &TreeEntry<'_>) -> io::Result<String> {
    let kind = match entry.kind {
        TreeKind::Directory => "dir",
        TreeKind::File { .. } => "file",
        TreeKind::Link { .. } => "link",
        TreeKind::Pipe => "fifo",
        TreeKind::Socket => "socket",
        TreeKind::Device { block: true, .. } => "block",
        TreeKind::Device { block: false, .. } => "char",
    };
    // The root is `.`, and every other path begins with `./`.
    let mut line = ".".to_owned();
    if !entry.path.as_os_str().is_empty() {
        line.push('/');
        escape(entry.path.as_os_str().as_bytes(), &mut line);
    }
    let TreeEntry { uid, gid, mode, .. } = entry;
    let _ = write!(line, " type={kind} uid={uid} gid={gid} mode=0{mode:o}");
    match &entry.kind {
        TreeKind::Directory | TreeKind::Pipe | TreeKind::Socket => {}
        TreeKind::File { content, size } => {
            let sha256 = hash(content, *size)?;
            let _ = write!(line, " size={size} sha256={sha256}");
        }
        TreeKind::Link { target } => {
            line.push_str(" link=");
            escape(target, &mut line);
        }
        TreeKind::Device { major, minor, .. } => {
            let _ = write!(line, " device=linux,{major},{minor}");
        }
    }
    for (name, value) in &entry.rights {
        let _ = write!(line, " xattr.{name}={}", STANDARD.encode(value));
    }
    line.push('\n');
    Ok(line)
}

/// Appends bytes to a line. Writes each that could be taken for something else, by us, by mtree's
/// tools or by a terminal, as a backslash and three octal digits.
fn escape(bytes: &[u8], line: &mut String) {
    for &byte in bytes {
        let plain = byte.is_ascii_graphic()
            && !matches!(byte, b'\\' | b'#' | b'=' | b'*' | b'?' | b'[' | b']');
        if plain {
            line.push(char::from(byte));
        } else {
            let _ = write!(line, "\\{byte:03o}");
        }
    }
}

/// The SHA-256 of a file, which must have as many bytes as its entry says.
fn hash(mut file: &File, size: u64) -> io::Result<Sha256Digest> {
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(BUFFER).clamp(1, BUFFER)];
    let mut length: u64 = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(buffer.get(..read).unwrap_or_default());
        length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if length > size {
            break;
        }
    }
    if length != size {
        return Err(io::Error::other("it does not have the size that it says"));
    }
    Ok(Sha256Digest::from_bytes(hash.finalize().into()))
}

/// Returns the SHA-256 of a plain file that does not change meanwhile, such as the image of a disk.
///
/// # Errors
/// If it is not a plain file, cannot be read, or changed while it was read.
pub fn of_file(path: &Path) -> io::Result<Sha256Digest> {
    use std::os::unix::fs::OpenOptionsExt;

    use crate::sys::steady::Stamp;

    // Only the open file can tell its type; opening a pipe must not wait until then.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let before = Stamp::of(&file)?;
    let sha256 = hash(&file, metadata.len())?;
    if Stamp::of(&file)? != before {
        return Err(io::Error::other("it was changed while it was read"));
    }
    Ok(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_is_escaped() {
        let mut line = String::new();
        escape(b"a b\n\\#=*?[]\xff\x1b/~", &mut line);
        let expected = "a\\040b\\012\\134\\043\\075\\052\\077\\133\\135\\377\\033/~";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_pattern_leaves_out_what_is_below_as_well() {
        let globs: Vec<Glob> = ["/proc", "/var/log/*"].map(|it| it.parse().unwrap()).into();
        for (path, out) in [
            ("proc", true),
            ("process", false),
            ("a/proc", false),
            ("var/log", false),
            ("var/log/a/b", true),
            ("", false),
        ] {
            assert_eq!(is_excluded(Path::new(path), &globs), out, "{path}");
        }
    }
}
