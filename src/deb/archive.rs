//! The ar archive of a .deb and the tar archive with its control data.

use std::io::{self, Read};

use super::{Control, control};
use crate::compressed::{Compression, Fault};

/// Largest control archive, unpacked, in bytes. The largest of Debian 13 (file lists of
/// documentation packages) has 13 MB.
const MAX_CONTROL_ARCHIVE: u64 = 48 * 1024 * 1024;

/// Largest control file in bytes; as deb-control(5), dpkg sets no limit. The largest of Debian 13
/// has 60 kB.
const MAX_CONTROL: u64 = 512 * 1024;

/// Why a file is not a Debian package that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DebError {
    /// Not even the beginning is right.
    #[error("not a Debian package")]
    NotAPackage,
    /// A format version that is not 2.x.
    #[error("a Debian package of an unknown format version")]
    FormatVersion,
    /// It ends before it should.
    #[error("the file ends in the middle of a member")]
    Truncated,
    /// A damaged header of a member.
    #[error("the archive has a damaged member header")]
    Header,
    /// Other members than deb(5) has, or in another order.
    #[error("unexpected archive member {}", crate::types::printable(.0))]
    Member(String),
    /// A compression that dpkg does not know for control data, or that we do not.
    #[error("control data compressed in an unknown way ({})", crate::types::printable(.0))]
    Compression(String),
    /// The compressed control data is damaged or needs too much memory.
    #[error("the control data cannot be unpacked")]
    Damaged,
    /// More than one compressed stream, or something behind the archive: readers differ there.
    #[error("something follows the control archive that readers could understand differently")]
    Trailing,
    /// Unpacks to more than any real one.
    #[error("the control data unpacks to more than {} MiB", MAX_CONTROL_ARCHIVE >> 20)]
    TooLarge,
    /// An entry that is no plain file or directory, or whose path is odd.
    #[error("the control archive has an odd entry, {}", crate::types::printable(.0))]
    Entry(String),
    /// There must be one file called `control`.
    #[error("the control archive has {0} files called control, where one must be")]
    ControlFiles(usize),
    /// The control file itself is not as deb-control(5) says.
    #[error("{0}")]
    Control(control::ControlError),
}

/// Reads the control data. Stops where the data archive begins to be of no interest; the caller
/// reads on to the end of the file for the hash.
pub(super) fn read(file: &mut impl Read) -> Result<Control, DebError> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|_| DebError::NotAPackage)?;
    if &magic != b"!<arch>\n" {
        return Err(DebError::NotAPackage);
    }
    let mut version = String::new();
    expect(file, "debian-binary", |_, member| {
        member.take(64).read_to_string(&mut version).map_err(|_| DebError::FormatVersion)
    })?;
    if !version.starts_with("2.") {
        return Err(DebError::FormatVersion);
    }
    let found = expect(file, "control.tar", |suffix, member| {
        // What is compressed may be made of parts in which nothing is, without end.
        if member.limit() > MAX_CONTROL_ARCHIVE {
            Err(DebError::TooLarge)
        } else {
            unpack(suffix, member)
        }
    })?;
    let control = match found.as_slice() {
        [text] => control::parse(text).map_err(DebError::Control)?,
        several => return Err(DebError::ControlFiles(several.len())),
    };
    expect(file, "data.tar", |_, member| drain(member))?;
    // dpkg stops reading here. Signature members (`_gpgorigin`) may follow.
    while let Some((name, size)) = header(file)? {
        if !name.starts_with('_') {
            return Err(DebError::Member(name));
        }
        body(file, size, |member| drain(member))?;
    }
    Ok(control)
}

/// Reads the next member, which must be called `name` and whatever suffix `read` accepts.
fn expect<R: Read, T>(
    file: &mut R,
    name: &str,
    read: impl FnOnce(&str, &mut io::Take<&mut R>) -> Result<T, DebError>,
) -> Result<T, DebError> {
    let (found, size) = header(file)?.ok_or(DebError::Truncated)?;
    match found.strip_prefix(name) {
        Some(suffix) if suffix.is_empty() || (suffix.starts_with('.') && name.ends_with("tar")) => {
            body(file, size, |member| read(suffix, member))
        }
        _ => Err(DebError::Member(found)),
    }
}

/// Gives the members of an ar archive to `read` and skips what it leaves, padding included.
fn body<R: Read, T>(
    file: &mut R,
    size: u64,
    read: impl FnOnce(&mut io::Take<&mut R>) -> Result<T, DebError>,
) -> Result<T, DebError> {
    let mut member = file.take(size);
    let result = read(&mut member);
    drain(&mut member)?;
    // Whatever else is wrong with half a member follows from its being half of one.
    if member.limit() != 0 {
        return Err(DebError::Truncated);
    }
    let result = result?;
    if size % 2 == 1 {
        // The padding of the last member may be missing.
        let _ = file.read(&mut [0]).map_err(|_| DebError::Truncated)?;
    }
    Ok(result)
}

/// The next member's name and size, or nothing at the end of the archive.
fn header(file: &mut impl Read) -> Result<Option<(String, u64)>, DebError> {
    let mut header = Vec::with_capacity(60);
    file.take(60).read_to_end(&mut header).map_err(|_| DebError::Truncated)?;
    match header.len() {
        0 => return Ok(None),
        60 => {}
        _ => return Err(DebError::Truncated),
    }
    let (Some(name), Some(size), Some(b"`\n")) =
        (header.get(..16), header.get(48..58), header.get(58..60))
    else {
        return Err(DebError::Header);
    };
    let text = |field: &[u8]| -> Result<String, DebError> {
        let text = std::str::from_utf8(field).map_err(|_| DebError::Header)?;
        Ok(text.trim_end_matches(' ').to_owned())
    };
    let name = text(name)?;
    let size = text(size)?;
    if size.is_empty() || !size.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(DebError::Header);
    }
    let size = size.parse().map_err(|_| DebError::Header)?;
    // GNU ar ends names with a slash; dpkg reads both.
    Ok(Some((name.strip_suffix('/').unwrap_or(&name).to_owned(), size)))
}

fn drain(member: &mut impl Read) -> Result<(), DebError> {
    io::copy(member, &mut io::sink()).map(drop).map_err(|_| DebError::Truncated)
}

/// Unpacks the control archive from a member whose name ended in `suffix`, and gives the files
/// called `control` in it.
fn unpack(suffix: &str, member: &mut impl Read) -> Result<Vec<Vec<u8>>, DebError> {
    // zlib's own reader, which dpkg uses, would go on behind the first stream.
    Compression::of_suffix(suffix)
        .ok_or_else(|| DebError::Compression(suffix.to_owned()))?
        .unpack(member, |archive| control_files(archive))
}

impl From<Fault> for DebError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged => Self::Damaged,
            Fault::Trailing => Self::Trailing,
        }
    }
}

/// Reads an unpacked control archive to its end and gives the files called `control` in it.
fn control_files(archive: &mut dyn Read) -> Result<Vec<Vec<u8>>, DebError> {
    let mut bounded = archive.take(MAX_CONTROL_ARCHIVE);
    let found = named_control(&mut bounded);
    // Where the limit cut it off, that is the reason, wherever it was.
    if bounded.limit() == 0 { Err(DebError::TooLarge) } else { found }
}

fn named_control(archive: &mut impl Read) -> Result<Vec<Vec<u8>>, DebError> {
    let mut found = Vec::new();
    let mut tar = tar::Archive::new(&mut *archive);
    // Raw: long-name and pax entries, which could rename what follows, come out as entries of
    // their own and are refused. dpkg writes none.
    for entry in tar.entries().map_err(|_| DebError::Damaged)?.raw(true) {
        let mut entry = entry.map_err(|_| DebError::Damaged)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !is_plain(entry.header(), &path) {
            return Err(DebError::Entry(path));
        }
        let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
        if (parts.next(), parts.next()) == (Some("control"), None) {
            if !entry.header().entry_type().is_file() || entry.size() > MAX_CONTROL {
                return Err(DebError::Entry(path));
            }
            let mut text = Vec::new();
            // Of more than one only their number is told.
            if found.is_empty() {
                entry.read_to_end(&mut text).map_err(|_| DebError::Damaged)?;
            }
            found.push(text);
        }
    }
    only_zeros(archive)?;
    Ok(found)
}

/// Whether every reader takes an entry for the same file or directory, of the same size.
///
/// dpkg has the control archive unpacked by GNU tar. Where that counts other blocks to an entry
/// than we do, it finds other entries behind it: a control file that we never see.
pub(crate) fn is_plain(header: &tar::Header, path: &str) -> bool {
    // GNU tar joins the prefix of a ustar header to the name whatever its version; we would not.
    let known_format = header.as_gnu().is_some() || header.as_ustar().is_some();
    // It reads a size that begins with `+` in base 64, and one with the highest bit in base 256.
    let digits = header.as_old().size.trim_ascii_start();
    let digits = digits.split(|&c| matches!(c, b' ' | b'\0')).next().unwrap_or_default();
    let octal = digits.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    // It takes a file whose name ends in a slash for a directory, and skips no data of those.
    let kind = header.entry_type();
    let well_typed = if kind.is_dir() {
        digits.iter().all(|&digit| digit == b'0')
    } else {
        kind.is_file() && !path.ends_with('/')
    };
    let inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
    known_format && octal && well_typed && inside
}

/// Behind the end of a tar archive stands padding only.
pub(crate) fn only_zeros(rest: &mut impl Read) -> Result<(), DebError> {
    let mut buffer = [0; 4096];
    loop {
        let got = rest.read(&mut buffer).map_err(|_| DebError::Damaged)?;
        match buffer.get(..got) {
            Some([]) | None => return Ok(()),
            Some(padding) if padding.iter().all(|&byte| byte == 0) => {}
            Some(_) => return Err(DebError::Trailing),
        }
    }
}
