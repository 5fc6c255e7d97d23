//! The archives that dpkg was told to unpack, from its command line.
//!
//! dpkg tells its hooks its action, but not the files. Pure: an argument list in, paths out.
//! Format: dpkg(1), and `dpkg_options_parse` in lib/dpkg/options.c with the table `cmdinfos` of
//! src/main/main.c, dpkg 1.21 to 1.23. An option that is not in that table is refused: its next
//! word could be its value or a file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::types::printable;

/// Long options whose value is the next word unless it follows `=`.
const WITH_VALUE: [&str; 17] = [
    "abort-after",
    "admindir",
    "debug",
    "force",
    "ignore-depends",
    "instdir",
    "log",
    "no-force",
    "path-exclude",
    "path-include",
    "post-invoke",
    "pre-invoke",
    "refuse",
    "root",
    "status-fd",
    "status-logger",
    "verify-format",
];

/// Long options without a value that can occur in a command that unpacks.
const WITHOUT_VALUE: [&str; 16] = [
    "auto-deconfigure",
    "dry-run",
    "install",
    "no-act",
    "no-also-select",
    "no-debsig",
    "no-pager",
    "no-triggers",
    "pending",
    "recursive",
    "robot",
    "selected-only",
    "simulate",
    "skip-same-version",
    "triggers",
    "unpack",
];

/// Options whose value follows a dash in the same word.
const WITH_SUFFIX: [&str; 3] = ["force-", "no-force-", "refuse-"];

/// The letters of short options without a value that can occur in a command that unpacks.
const LETTERS: &[u8] = b"iaRGONEB";

/// The only letter whose option has a value: the rest of the word, or the next one.
const LETTER_WITH_VALUE: u8 = b'D';

/// An option that dpkg accepted and that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dpkg was called with {}, which apt-quorum does not know", printable(.0))]
pub struct UnknownOption(String);

/// The archives and the target in a command line of dpkg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpkgTold {
    /// The archives, or with `--recursive` directories of archives, that it is going to unpack
    pub archives: Vec<PathBuf>,
    /// The target, as far as the command line names it: dpkg's configuration and its environment
    /// can name it as well. For the log alone; the judgement does not depend on it.
    pub into: Into,
}

/// The target into which dpkg unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// This system
    System,
    /// Another directory, such as an image that is being built
    Directory,
}

/// Parses the command line of a dpkg that was called with `arguments` (without its name).
///
/// # Errors
/// If an option is not known.
pub fn told(arguments: Vec<Vec<u8>>) -> Result<DpkgTold, UnknownOption> {
    let mut into = Into::System;
    let mut rest = arguments.into_iter().peekable();
    // A dash alone is a file name for dpkg.
    while let Some(word) = rest.next_if(|word| word.starts_with(b"-") && word.len() > 1) {
        if word == b"--" {
            break;
        }
        let takes_next = match word.strip_prefix(b"--") {
            Some(long) => long_takes_next(long),
            None => letters_take_next(&word),
        };
        let next = match takes_next {
            // dpkg ends by itself where the value is missing.
            Some(true) => rest.next(),
            Some(false) => None,
            None => return Err(UnknownOption(String::from_utf8_lossy(&word).into_owned())),
        };
        if names_another_directory(&word, next.as_deref()) {
            into = Into::Directory;
        }
    }
    let archives = rest.map(|word| PathBuf::from(OsString::from_vec(word))).collect();
    Ok(DpkgTold { archives, into })
}

/// Returns true when an option, with the next word as its value if it needs one, makes dpkg unpack
/// elsewhere.
fn names_another_directory(word: &[u8], next: Option<&[u8]>) -> bool {
    let options: [&[u8]; 2] = [b"--root", b"--instdir"];
    let value = options.into_iter().find_map(|option| match word.strip_prefix(option)? {
        [] => next,
        [b'=', value @ ..] => Some(value),
        _ => None,
    });
    value.is_some_and(|it| it != b"/")
}

/// Returns true when a long option's value is the next word. `None` if the option is not known.
fn long_takes_next(option: &[u8]) -> Option<bool> {
    let option = std::str::from_utf8(option).ok()?;
    if WITH_VALUE.contains(&option) {
        return Some(true);
    }
    let valued = option.split_once('=').is_some_and(|(name, _)| WITH_VALUE.contains(&name));
    let known = valued
        || WITHOUT_VALUE.contains(&option)
        || WITH_SUFFIX.iter().any(|name| option.starts_with(name));
    known.then_some(false)
}

/// Returns true when the last of the letters in `word` has its value in the next word. `None` if a
/// letter is not known.
fn letters_take_next(word: &[u8]) -> Option<bool> {
    let letters = word.get(1..)?;
    for (at, letter) in letters.iter().enumerate() {
        if *letter == LETTER_WITH_VALUE {
            return Some(at + 1 == letters.len());
        }
        if !LETTERS.contains(letter) {
            return None;
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Vec<PathBuf>, String> {
        let words = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        told(words).map(|it| it.archives).map_err(|error| error.to_string())
    }

    #[test]
    fn where_it_goes_is_told_by_options_only() {
        for (line, expected) in [
            ("-i a.deb", Into::System),
            ("--root / --instdir=/ -i a.deb", Into::System),
            ("--root /mnt -i a.deb", Into::Directory),
            ("-i --instdir=/mnt a.deb", Into::Directory),
            ("--admindir --root -i /mnt", Into::System),
            ("-i a.deb --root /mnt", Into::System),
        ] {
            let words = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(told(words).map(|it| it.into), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_follows_the_options_are_archives() {
        for line in [
            "-i a.deb b",
            "--install a.deb b",
            "-- a.deb b",
            "-i -- a.deb b",
            "--unpack --auto-deconfigure a.deb b",
            "--status-fd 34 --no-triggers --unpack --auto-deconfigure a.deb b",
            "--status-fd=34 -iBO a.deb b",
            "-iD 77 a.deb b",
            "-iD77 a.deb b",
            "-D=77 -i a.deb b",
            "--root /mnt --admindir=/x --instdir /y -i a.deb b",
            "--force-all --no-force-downgrade --refuse-bad-path --force overwrite -i a.deb b",
            "--pre-invoke true --post-invoke=true --log /dev/null --abort-after 3 -i a.deb b",
            "--path-exclude=/usr/* --path-include /usr/x --ignore-depends a,b -i a.deb b",
            "-E -G -N -i --no-debsig --no-pager --verify-format rpm a.deb b",
        ] {
            let expected = ["a.deb", "b"].map(PathBuf::from).to_vec();
            assert_eq!(of(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn options_behind_the_first_archive_are_archives() {
        let all = of("-i a.deb --root /mnt -").unwrap();
        assert_eq!(all, ["a.deb", "--root", "/mnt", "-"].map(PathBuf::from));
        assert_eq!(of("-i - -R").unwrap(), ["-", "-R"].map(PathBuf::from));
        assert_eq!(of("-i").unwrap(), Vec::<PathBuf>::new());
        assert_eq!(of("-i --root").unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_value_is_no_archive_and_an_archive_is_no_value() {
        assert_eq!(of("--root -i a.deb").unwrap(), ["a.deb"].map(PathBuf::from));
        assert_eq!(of("-i --robot a.deb").unwrap(), ["a.deb"].map(PathBuf::from));
        assert_eq!(of("-D -i a.deb").unwrap(), ["a.deb"].map(PathBuf::from));
    }

    #[test]
    fn an_option_that_is_not_known_is_an_error() {
        for (line, shown) in [
            ("--new-option a.deb", "--new-option"),
            ("--new=option a.deb", "--new=option"),
            ("--robot=1 -i a.deb", "--robot=1"),
            ("-iZ a.deb", "-iZ"),
            ("--root-x /mnt -i a.deb", "--root-x"),
            ("--command-fd 3", "--command-fd"),
        ] {
            let expected = format!("dpkg was called with {shown}, which apt-quorum does not know");
            assert_eq!(of(line), Err(expected), "{line}");
        }
    }

    #[test]
    fn paths_are_bytes() {
        let words = vec![b"-i".to_vec(), b"\xff\n .deb".to_vec(), Vec::new()];
        let expected = [b"\xff\n .deb".to_vec(), Vec::new()].map(OsString::from_vec);
        assert_eq!(told(words).map(|it| it.archives).unwrap(), expected.map(PathBuf::from));
    }
}
