//! The ar archive of a .deb and the tar archive with its control data.

use std::io::{self, Read};

use super::Control;
use crate::compressed::{Compression, Fault};
use crate::deb822::control::{self, ControlError};

/// Largest control archive, unpacked, in bytes. The largest of Debian 13 (file lists of
/// documentation packages) has 13 MB.
const MAX_CONTROL_ARCHIVE: u64 = 48 * 1024 * 1024;

/// Largest control file in bytes; as deb-control(5), dpkg sets no limit. The largest of Debian 13
/// has 60 kB.
const MAX_CONTROL: u64 = 512 * 1024;

/// Longest list of extended attributes and the like of one entry, in bytes. Linux allows 64 KiB for one
/// attribute.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// The reason that a file is not a Debian package that can be judged.
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
    /// A part of a package that was split (deb-split(5)): what dpkg installs is put together from
    /// several files.
    #[error("one part of a split package: join the parts with dpkg-split --join")]
    Part,
    /// A damaged header of a member.
    #[error("the archive has a damaged member header")]
    Header,
    /// Other members than deb(5) has, or in another order.
    #[error("unexpected archive member {}", crate::types::printable(.0))]
    Member(String),
    /// A compression that dpkg does not know for control data, or that we do not.
    #[error("unknown compression of the control data ({})", crate::types::printable(.0))]
    Compression(String),
    /// The compressed control data is damaged or needs too much memory.
    #[error("the control data cannot be unpacked")]
    Damaged,
    /// More than one compressed stream, or something behind the archive: readers differ there.
    #[error("data after the control archive, which programs could read differently")]
    Trailing,
    /// Unpacks to more than any real one.
    #[error("the control data unpacks to more than {} MiB", MAX_CONTROL_ARCHIVE >> 20)]
    TooLarge,
    /// An entry that is no plain file or directory, or whose path is odd.
    #[error("the control archive has an unexpected entry, {}", crate::types::printable(.0))]
    Entry(String),
    /// There must be one file called `control`.
    #[error("the control archive has {0} files called control instead of one")]
    ControlFiles(usize),
    /// The control file itself is not as deb-control(5) says.
    #[error("{0}")]
    Control(ControlError),
}

impl DebError {
    /// Returns true when dpkg installs nothing from the file, or something that is not in this file
    /// alone. Then an exception that root makes for exactly these bytes says nothing.
    #[must_use]
    pub const fn is_beyond_exceptions(&self) -> bool {
        matches!(self, Self::NotAPackage | Self::Part)
    }
}

/// Reads the control data. Stops where the data archive begins to be of no interest; the caller
/// reads on to the end of the file for the hash.
pub(super) fn read(file: &mut impl Read) -> Result<Control, DebError> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|_| DebError::NotAPackage)?;
    match &magic {
        b"!<arch>\n" => {}
        // Of before 1995 (deb-old(5)). dpkg still installs it.
        old if old.starts_with(b"0.93") => return Err(DebError::FormatVersion),
        _ => return Err(DebError::NotAPackage),
    }
    let mut version = String::new();
    let (first, size) = header(file)?.ok_or(DebError::Truncated)?;
    match first.as_str() {
        "debian-binary" => body(file, size, |member| {
            member.take(64).read_to_string(&mut version).map_err(|_| DebError::FormatVersion)
        })?,
        "debian-split" => return Err(DebError::Part),
        _ => return Err(DebError::Member(first)),
    };
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
    // dpkg stops reading here, and apt looks for members of the names that it knows. Signatures
    // (`_gpgorigin`, `sign`) may follow.
    while let Some((name, size)) = header(file)? {
        if !is_nothing_to_anybody(&name) {
            return Err(DebError::Member(name));
        }
        body(file, size, |member| drain(member))?;
    }
    Ok(control)
}

/// Returns true when no reader takes a member behind the last one for a part of the package,
/// whichever names the reader looks for. Names that begin with `/` or `#1/` refer to names that are
/// stored elsewhere (ar(5)).
fn is_nothing_to_anybody(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let known = ["debian", "control", "data"];
    !name.is_empty() && name.chars().all(plain) && !known.iter().any(|it| name.starts_with(it))
}

/// Reads the next member, which must be called `name` and whatever suffix `read` accepts. Those whose
/// names begin with a `_` are passed over, as deb(5) says.
fn expect<R: Read, T>(
    file: &mut R,
    name: &str,
    read: impl FnOnce(&str, &mut io::Take<&mut R>) -> Result<T, DebError>,
) -> Result<T, DebError> {
    loop {
        let (found, size) = header(file)?.ok_or(DebError::Truncated)?;
        if found.starts_with('_') {
            body(file, size, |member| drain(member))?;
            continue;
        }
        return match found.strip_prefix(name) {
            Some(suffix) if suffix.is_empty() || suffix.starts_with('.') => {
                body(file, size, |member| read(suffix, member))
            }
            _ => Err(DebError::Member(found)),
        };
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
    let compression = Compression::of_suffix(suffix);
    compression.ok_or_else(|| DebError::Compression(suffix.to_owned()))?.unpack(member, |archive| {
        let mut bounded = archive.take(MAX_CONTROL_ARCHIVE);
        let found = control_files(&mut bounded);
        // Where the limit cut it off, that is the reason, wherever it was.
        if bounded.limit() == 0 { Err(DebError::TooLarge) } else { found }
    })
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
fn control_files(archive: &mut impl Read) -> Result<Vec<Vec<u8>>, DebError> {
    let mut found = Vec::new();
    // What a long-name entry calls the one behind it.
    let mut long_name: Option<String> = None;
    let mut tar = tar::Archive::new(&mut *archive);
    // Raw: entries that say something about the next one come out as entries of their own. Only those
    // are passed over after which it is what its header says to every reader.
    for entry in tar.entries().map_err(|_| DebError::Damaged)?.raw(true) {
        let mut entry = entry.map_err(|_| DebError::Damaged)?;
        let kind = entry.header().entry_type();
        let own = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let odd = |path: &str| DebError::Entry(path.to_owned());
        if kind.is_pax_local_extensions() || kind.is_pax_global_extensions() {
            let records = extension(&mut entry).ok_or_else(|| odd(&own))?;
            if !is_harmless(&records) {
                return Err(odd(&own));
            }
            continue;
        }
        if kind.is_gnu_longname() {
            let name = extension(&mut entry).and_then(until_zeros).ok_or_else(|| odd(&own))?;
            if long_name.replace(name).is_some() {
                return Err(odd(&own));
            }
            continue;
        }
        let path = long_name.take().unwrap_or(own);
        if kind.is_hard_link() || kind.is_symlink() {
            if !is_harmless_link(entry.header(), &path) {
                return Err(odd(&path));
            }
            continue;
        }
        if !is_plain(entry.header(), &path) {
            return Err(odd(&path));
        }
        if parts(&path).eq(["control"]) {
            if !kind.is_file() || entry.size() > MAX_CONTROL {
                return Err(odd(&path));
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
    match long_name {
        None => Ok(found),
        Some(name) => Err(DebError::Entry(name)),
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// The content of an entry that says something about others; nothing if readers could differ in
/// where it ends.
fn extension<R: Read>(entry: &mut tar::Entry<'_, R>) -> Option<Vec<u8>> {
    let header = entry.header();
    if !is_of_known_format(header) || octal(header).is_none() || entry.size() > MAX_EXTENSION {
        return None;
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content).ok()?;
    Some(content)
}

/// A name that ends in zeros, or at the end.
fn until_zeros(content: Vec<u8>) -> Option<String> {
    let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
    let (name, padding) = content.split_at_checked(end)?;
    let padded = padding.iter().all(|&byte| byte == 0);
    (padded && !name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Returns true when records of the pax format (pax(1), `LENGTH KEY=VALUE` and a line end) do not
/// change the name, content or kind of an entry. Build tools write times, owners and extended
/// attributes there.
fn is_harmless(mut records: &[u8]) -> bool {
    while !records.is_empty() {
        match record(records) {
            Some((key, rest)) if is_harmless_key(key) => records = rest,
            _ => return false,
        }
    }
    true
}

/// Keys that say nothing about what is read here.
const HARMLESS: [&str; 8] = ["atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"];

/// The beginnings of such keys: those of vendors.
const VENDORS: [&str; 3] = ["LIBARCHIVE.", "RHT.security.", "SCHILY."];

fn is_harmless_key(key: &[u8]) -> bool {
    HARMLESS.iter().any(|it| key == it.as_bytes())
        // star's other size.
        || key != b"SCHILY.realsize" && VENDORS.iter().any(|it| key.starts_with(it.as_bytes()))
}

/// The key of the first record, and what stands behind it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().position(|&byte| byte == b' ')?;
    let digits = std::str::from_utf8(records.get(..space)?).ok()?;
    // Every reader takes these digits for the same number.
    if !digits.starts_with(|c: char| matches!(c, '1'..='9')) || digits.len() > 7 {
        return None;
    }
    let (record, rest) = records.split_at_checked(digits.parse().ok()?)?;
    let text = record.strip_suffix(b"\n")?.get(space + 1..)?;
    let key = text.get(..text.iter().position(|&byte| byte == b'=')?)?;
    key.iter().all(u8::is_ascii_graphic).then_some((key, rest))
}

/// Returns true when a link is beside `control` and leads to something beside it. Such a link does
/// not change `control`, and no path of another entry leads through it to `control`.
fn is_harmless_link(header: &tar::Header, path: &str) -> bool {
    let beside = |path: &str| {
        let mut parts = parts(path);
        let inside = !path.starts_with('/') && !path.ends_with('/');
        inside
            && matches!((parts.next(), parts.next()), (Some(name), None) if name != "control" && name != "..")
    };
    let to = header.link_name_bytes();
    let to = to.as_deref().map(String::from_utf8_lossy);
    // GNU tar skips no data behind a link, others go by the size.
    is_of_known_format(header)
        && octal(header).is_some_and(|digits| digits.iter().all(|&digit| digit == b'0'))
        && beside(path)
        && to.is_some_and(|to| beside(&to))
}

/// Returns true when every reader takes an entry for the same file or directory, of the same size.
///
/// dpkg lets GNU tar unpack the control archive. If GNU tar counted other blocks to an entry than
/// this program does, it would find other entries behind it: a control file that this program never
/// sees.
#[must_use]
pub fn is_plain(header: &tar::Header, path: &str) -> bool {
    let Some(digits) = octal(header) else { return false };
    // It takes a file whose name ends in a slash for a directory, and skips no data of those.
    let kind = header.entry_type();
    let well_typed = if kind.is_dir() {
        digits.iter().all(|&digit| digit == b'0')
    } else {
        kind.is_file() && !path.ends_with('/')
    };
    let inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
    is_of_known_format(header) && well_typed && inside
}

/// GNU tar joins the prefix of a ustar header to the name whatever its version; we would not.
fn is_of_known_format(header: &tar::Header) -> bool {
    header.as_gnu().is_some() || header.as_ustar().is_some()
}

/// The size in a header, if it is written in octal digits. GNU tar reads one that begins with `+` in
/// base 64, and one with the highest bit in base 256.
fn octal(header: &tar::Header) -> Option<&[u8]> {
    let digits = header.as_old().size.trim_ascii_start();
    let digits = digits.split(|&c| matches!(c, b' ' | b'\0')).next().unwrap_or_default();
    digits.iter().all(|digit| matches!(digit, b'0'..=b'7')).then_some(digits)
}

/// Behind the end of a tar archive stands padding only.
pub fn only_zeros(rest: &mut impl Read) -> Result<(), DebError> {
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
