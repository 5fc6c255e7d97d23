//! The stanzas of a Packages file, one binary package each (Debian policy has no chapter on them;
//! <https://wiki.debian.org/DebianRepository/Format>).

use std::io::{self, BufRead};

use super::control::{self, Control};
use crate::types::{Identity, Sha256Digest};

/// Longest stanza of a Packages file that is read, in bytes. Longer ones are passed over.
const MAX_STANZA: usize = 1024 * 1024;

/// Largest Packages file that is read, unpacked, in bytes. Debian's largest has 60 MB.
pub const MAX_TEXT: u64 = 128 * 1024 * 1024;

/// Most packages of one Packages file that are taken. Debian's largest has 75,000.
pub const MAX_PACKAGES: usize = 600_000;

/// A file that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPackage {
    /// The SHA-256 of the file
    pub sha256: Sha256Digest,
    /// Its control data
    pub control: Control,
}

/// One stanza of a Packages file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexEntry {
    /// A file
    Listed(ListedPackage),
    /// A package for which the index gives no SHA-256. apt verifies it by another hash, so this
    /// program cannot tell which file it is.
    Unhashed(Identity),
}

/// Reads a Packages file stanza by stanza and hands each file that it lists to `each`. Stanzas
/// that cannot be understood list nothing.
///
/// # Errors
/// If reading fails.
pub fn packages(text: impl BufRead, mut each: impl FnMut(ListedPackage)) -> io::Result<()> {
    entries(text, |it| match it {
        IndexEntry::Listed(it) => each(it),
        IndexEntry::Unhashed(_) => {}
    })
}

/// The same, with those packages of which there is no SHA-256.
///
/// # Errors
/// If reading fails.
pub fn entries(mut text: impl BufRead, mut each: impl FnMut(IndexEntry)) -> io::Result<()> {
    let mut stanza = Vec::new();
    let mut too_long = false;
    // Of a giant line the end alone is no line.
    let mut line_begins = true;
    loop {
        let start = stanza.len();
        let got = io::Read::take(&mut text, 1 << 20).read_until(b'\n', &mut stanza)?;
        // apt ends a stanza at both.
        let end = matches!(stanza.get(start..), Some(b"\n" | b"\r\n"));
        let empty_line = line_begins && end;
        line_begins = stanza.ends_with(b"\n");
        if empty_line {
            stanza.truncate(start);
        }
        if got == 0 || empty_line {
            if let Some(entry) = entry(&stanza).filter(|_| !too_long) {
                each(entry);
            }
            stanza.clear();
            too_long = false;
        } else if stanza.len() > MAX_STANZA {
            stanza.clear();
            too_long = true;
        }
        if got == 0 {
            return Ok(());
        }
    }
}

fn entry(stanza: &[u8]) -> Option<IndexEntry> {
    let stanza = super::parse(stanza).ok()?;
    let control = control::of_stanza(&stanza).ok()?;
    let sha256 = stanza.field("SHA256").and_then(|it| it.parse().ok());
    Some(match sha256 {
        Some(sha256) => IndexEntry::Listed(ListedPackage { sha256, control }),
        None => IndexEntry::Unhashed(control.identity),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_files_are_read_stanza_by_stanza() {
        let stanza = |name: &str, sha: &str| {
            format!(
                "Package: {name}\nVersion: 1:2\nArchitecture: all\nSHA256: {sha}\nDescription: x\n\n"
            )
        };
        let digest = Sha256Digest::of(b"x").to_string();
        let text = [
            stanza("one", &digest),
            "broken\n\n".into(),
            stanza("two", &digest),
            stanza("three", "12"),
        ]
        .concat();
        let mut all = Vec::new();
        packages(text.trim_end().as_bytes(), |it| all.push(it.control.identity.to_string()))
            .unwrap();
        assert_eq!(all, ["one 1:2 all", "two 1:2 all"]);
        let mut unhashed = Vec::new();
        entries(text.trim_end().as_bytes(), |it| {
            if let IndexEntry::Unhashed(it) = it {
                unhashed.push(it.to_string());
            }
        })
        .unwrap();
        assert_eq!(unhashed, ["three 1:2 all"]);
    }

    #[test]
    fn what_follows_a_giant_line_belongs_to_the_same_stanza() {
        let digest = Sha256Digest::of(b"x").to_string();
        let named = format!("Package: aa\nVersion: 1\nArchitecture: all\nSHA256: {digest}\n");
        // Read in pieces, of which the last is the end of the line alone.
        for length in [MAX_STANZA - 4, MAX_STANZA - 3, MAX_STANZA - 2, 2 * MAX_STANZA - 3] {
            let text = format!("X: {}\n{named}\n{named}", "x".repeat(length));
            let mut all = 0;
            packages(text.as_bytes(), |_| all += 1).unwrap();
            assert_eq!(all, 1, "{length}");
        }
    }

    #[test]
    fn an_odd_stanza_hides_none_of_the_others() {
        let digest = Sha256Digest::of(b"x").to_string();
        let stanza = |package: &str, more: &str| {
            format!("Package: {package}\nVersion: 1\nArchitecture: all\nSHA256: {digest}\n{more}\n")
        };
        let text = [
            stanza("node_exporter", ""),
            stanza("Edge", "Source: Microsoft\n"),
            stanza("twice", "Version: 2\n"),
            stanza("../x", ""),
            stanza("raw", "X: \u{fffd}\u{1b}\n"),
            stanza("dos", "").replace('\n', "\r\n"),
            stanza("last", ""),
        ]
        .concat();
        let mut all = Vec::new();
        let each = |it: ListedPackage| {
            all.push(format!("{} of {}", it.control.identity.package, it.control.source.0));
        };
        packages(text.as_bytes(), each).unwrap();
        assert_eq!(
            all,
            [
                "node_exporter of node_exporter",
                "Edge of Microsoft",
                "raw of raw",
                "dos of dos",
                "last of last"
            ]
        );
    }

    #[test]
    fn a_giant_stanza_lists_nothing_and_hides_nothing() {
        let digest = Sha256Digest::of(b"x").to_string();
        let good = format!("Package: good\nVersion: 1\nArchitecture: all\nSHA256: {digest}\n");
        let giant = format!(
            "X: {}\nPackage: giant\nVersion: 1\nArchitecture: all\nSHA256: {digest}\n\n{good}",
            "x".repeat(3 * MAX_STANZA)
        );
        let mut all = Vec::new();
        packages(giant.as_bytes(), |it| all.push(it.control.identity.package.to_string())).unwrap();
        assert_eq!(all, ["good"]);
    }
}
