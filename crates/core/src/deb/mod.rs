//! What a .deb says about itself, and its hash.
//!
//! Trusts nothing: the bytes come from a mirror. One pass over a reader gives the SHA-256 of the
//! whole file and the control data in it; nothing is written to disk and memory is bounded.
//!
//! dpkg will read the same bytes with other code. Wherever the two could disagree about what the
//! package is (a second `control`, a second compressed stream, an odd member), nobody's vote counts
//! for the file: see [`DebError`]. Format: deb(5), ar(5), deb-control(5).
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod archive;

use std::io::{self, Read};

use sha2::Digest;

use crate::types::Sha256Digest;

pub use crate::deb822::control::Control;
pub use archive::DebError;
pub use archive::{is_plain, only_zeros};

/// Buffer for hashing; large enough that a system call a buffer costs nothing next to the hash.
const BUFFER: usize = 128 * 1024;

/// A file that was read from beginning to end: its hash and what it says that it is.
///
/// Made only by [`examine`], so that a digest in it was computed from bytes by us and is not
/// what an index, a method or a name said:
///
/// ```compile_fail,E0451
/// # use apt_quorum::{deb::Examined, types::Sha256Digest};
/// fn as_the_index_says(file: Examined, sha256: Sha256Digest) -> Examined {
///     Examined { sha256, ..file }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Examined {
    sha256: Sha256Digest,
    size: u64,
    control: Result<Control, DebError>,
}

impl Examined {
    /// The SHA-256 of the whole file.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The size of the file in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The control data.
    ///
    /// # Errors
    /// If the file is not a Debian package that can be judged: the reason.
    pub const fn control(&self) -> Result<&Control, &DebError> {
        self.control.as_ref()
    }
}

/// Reads `file` to its end.
///
/// # Errors
/// If reading fails. A file that is no good package is no error here; [`Examined::control`]
/// tells.
pub fn examine(file: impl Read) -> io::Result<Examined> {
    let mut file =
        HashingReader { inner: file, hasher: sha2::Sha256::new(), size: 0, failure: None };
    let control = archive::read(&mut file);
    let mut buffer = vec![0; BUFFER];
    while file.read(&mut buffer).is_ok_and(|got| got != 0) {}
    // A failure inside the package must not look like a fault of the package. The first one is
    // kept whole; what was said about it further up is not.
    if let Some(failure) = file.failure {
        return Err(failure);
    }
    Ok(Examined {
        sha256: Sha256Digest::from_bytes(file.hasher.finalize().into()),
        size: file.size,
        control,
    })
}

/// Returns true when the first bytes of a file are those of something that dpkg would try to
/// unpack: an ar archive, or a package in the format of before 1995 (deb-old(5)).
#[must_use]
pub fn looks_like_a_package(first_bytes: &[u8]) -> bool {
    first_bytes.starts_with(b"!<arch>\n") || first_bytes.starts_with(b"0.93")
}

/// Hashes and counts all that is read through it.
struct HashingReader<R> {
    inner: R,
    hasher: sha2::Sha256,
    size: u64,
    failure: Option<io::Error>,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = loop {
            match self.inner.read(buffer) {
                Ok(got) => break got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failure.get_or_insert(error);
                    return Err(kind.into());
                }
            }
        };
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        self.size = self.size.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        Ok(got)
    }
}
