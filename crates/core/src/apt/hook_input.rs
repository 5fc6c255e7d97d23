//! What apt tells a `DPkg::Pre-Install-Pkgs` hook, in version 3 of the protocol.
//!
//! Format: apt.conf(5), "Pre-Install-Pkgs", and `pkgDPkgPM::SendPkgsInfo` in
//! apt-pkg/deb/dpkgpm.cc: `VERSION 3`, configuration as `name=value`, an empty line, then one
//! line a package with nine fields separated by spaces, the last of which is a path in which
//! spaces are not quoted.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::configuration::Configuration;
use crate::types::{Called, printable};

/// Most that is read, in bytes. An upgrade of 5,000 packages has 1 MB.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// The packages that apt is about to unpack, and its configuration.
#[derive(Debug, Default)]
pub struct HookInput {
    /// apt's configuration
    pub configuration: Configuration,
    /// The files that are going to be unpacked, and the package that apt takes each for
    pub files: Vec<(PathBuf, Called)>,
    /// Lines that cannot be understood. Each may be about a package, so where packages are refused
    /// nothing may be installed then
    pub odd: Vec<OddLine>,
}

/// A line about a package that is not as the format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of apt's list is malformed ({why})")]
pub struct OddLine {
    /// Its number, from 1
    pub line: usize,
    /// The error, for people
    pub why: String,
}

/// Input that cannot be understood. Nothing may be installed then.
#[derive(Debug, thiserror::Error)]
pub enum HookInputError {
    /// Reading failed.
    #[error("cannot read apt's list: {}", crate::types::plain(.0))]
    Io(#[from] io::Error),
    /// More than is read.
    #[error("apt's list is longer than {} MiB", MAX_INPUT >> 20)]
    TooLarge,
    /// Not version 3: the options under `DPkg::Tools::Options` are not in force.
    #[error(
        "apt used version {0:?} of the hook protocol instead of version 3: check that /etc/apt/apt.conf.d/00apt-quorum is complete"
    )]
    Version(String),
    /// It ends in the middle of something.
    #[error("apt's list is cut off")]
    Truncated,
}

impl HookInput {
    /// Reads all of it.
    ///
    /// # Errors
    /// If it is not of this protocol, or not complete.
    pub fn read(input: impl Read) -> Result<Self, HookInputError> {
        let mut all = Vec::new();
        input.take(MAX_INPUT + 1).read_to_end(&mut all)?;
        if u64::try_from(all.len()).unwrap_or(u64::MAX) > MAX_INPUT {
            return Err(HookInputError::TooLarge);
        }
        // The last line must have its end; what follows that is no further, empty line.
        if all.pop() != Some(b'\n') {
            return Err(HookInputError::Truncated);
        }
        let mut lines = all.split(|&byte| byte == b'\n').enumerate();
        let (_, first) = lines.next().unwrap_or_default();
        if first != b"VERSION 3" {
            let shown = crate::types::printable(&String::from_utf8_lossy(first)).to_string();
            return Err(HookInputError::Version(shown));
        }
        let mut result = Self::default();
        loop {
            let (_, line) = lines.next().ok_or(HookInputError::Truncated)?;
            if line.is_empty() {
                break;
            }
            // A value that is not UTF-8 is a path that we need not follow.
            result.configuration.add(&String::from_utf8_lossy(line));
        }
        for (at, line) in lines {
            match file(line) {
                Ok(file) => result.files.extend(file),
                Err(why) => result.odd.push(OddLine { line: at + 1, why }),
            }
        }
        Ok(result)
    }
}

/// One package's line: the file that is going to be unpacked, if one is.
///
/// The name, version and architecture in the line are only compared with those in the file, so they
/// can be any text that stands between two spaces.
fn file(line: &[u8]) -> Result<Option<(PathBuf, Called)>, String> {
    let fields: Vec<&[u8]> = line.splitn(9, |&byte| byte == b' ').collect();
    let [name, _, _, _, _, version, architecture, _, path] = fields.as_slice() else {
        return Err("it has fewer than nine fields".to_owned());
    };
    match *path {
        // Nothing is unpacked: a removal, or the configuration of what was unpacked before.
        b"**REMOVE**" | b"**CONFIGURE**" => return Ok(None),
        path if path.starts_with(b"/") => {}
        path => {
            let path = String::from_utf8_lossy(path);
            return Err(format!("{} is not an absolute path", printable(&path)));
        }
    }
    let called =
        Called { package: word(name)?, version: word(version)?, architecture: word(architecture)? };
    Ok(Some((PathBuf::from(std::ffi::OsStr::from_bytes(path)), called)))
}

fn word(field: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(field).into_owned();
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("'{}' is not one word", printable(&text)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "VERSION 3\nAPT::Architecture=amd64\nDir::State=var/lib/apt\n\n";

    fn read(lines: &str) -> Result<HookInput, HookInputError> {
        HookInput::read(format!("{HEADER}{lines}").as_bytes())
    }

    #[test]
    fn files_are_found_and_nothing_else() {
        let input = read(
            "zlib1g - - none < 1:1.3-1 amd64 same /var/cache/apt/archives/zlib1g_1%3a1.3-1_amd64.deb\n\
             old 1 all none > - - none **REMOVE**\n\
             half 1 all none = 1 all none **CONFIGURE**\n\
             local 1 all foreign < 2 all none /home/a user/x y.deb\n",
        )
        .unwrap();
        assert_eq!(input.configuration.find("apt::architecture"), Some("amd64"));
        let all: Vec<_> = input.files.iter().map(|(p, i)| format!("{} {i}", p.display())).collect();
        assert_eq!(
            all,
            [
                "/var/cache/apt/archives/zlib1g_1%3a1.3-1_amd64.deb zlib1g 1:1.3-1 amd64",
                "/home/a user/x y.deb local 2 all",
            ]
        );
    }

    #[test]
    fn nothing_to_do_is_understood() {
        assert!(read("").unwrap().files.is_empty());
        assert!(HookInput::read(b"VERSION 3\n\n".as_slice()).unwrap().files.is_empty());
    }

    #[test]
    fn whatever_is_not_understood_is_an_error() {
        for bad in [
            "zlib1g - - none < 1 amd64 same\n",
            " zlib1g - - none < 1 amd64 same /x.deb\n",
            "zlib1g - - none < 1\t amd64 same /x.deb\n",
            "zlib1g - - none < 1 amd64 same **ERROR**\n",
            "zlib1g - - none < 1 amd64 same relative.deb\n",
            "zlib1g - - none < 1 amd64 same \n",
            // The second line of a path with a line end in it.
            "aa - - none < 1 all none /a\nb.deb\n",
            "\n",
        ] {
            assert!(!read(bad).unwrap().odd.is_empty(), "{bad:?}");
        }
        assert!(read("zlib1g - - none < 1 amd64 same /x.deb").is_err());
        for bad in
            ["", "VERSION 2\n\n", "VERSION 3\n", "VERSION 3\nA=b\n", "/x.deb\n", "VERSION 31\n\n"]
        {
            assert!(HookInput::read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_line_that_is_not_understood_is_named() {
        let input = read("aa - - none < 1 all none /a.deb\nbb\n").unwrap();
        assert_eq!((input.files.len(), input.odd.len()), (1, 1));
        assert_eq!(input.odd[0].line, 6);
        let said = input.odd[0].to_string();
        assert_eq!(said, "line 6 of apt's list is malformed (it has fewer than nine fields)");
    }

    /// Such packages are installed by apt and dpkg. What is odd about a name is seen when the file
    /// is judged.
    #[test]
    fn packages_with_odd_names_are_files_like_all_others() {
        let input = read(
            "node_exporter - - none < 1.0 all none /a.deb\n\
             nomachine - - none < 8 amd64 none /b.deb\n\
             r - - none < 1:2:3 all none /c.deb\n\
             ../x - - none < 1_2 AMD64 none /d.deb\n\
             zlib1g - - none < - - none /e.deb\n",
        )
        .unwrap();
        assert!(input.odd.is_empty(), "{:?}", input.odd);
        let all: Vec<String> = input.files.iter().map(|(_, it)| it.to_string()).collect();
        assert_eq!(
            all,
            [
                "node_exporter 1.0 all",
                "nomachine 8 amd64",
                "r 1:2:3 all",
                "../x 1_2 AMD64",
                "zlib1g - -"
            ]
        );
    }

    #[test]
    fn the_largest_upgrades_are_read() {
        // All packages of a large system, with long names: 2 MB.
        let name = "b".repeat(90);
        let line = |n: usize| {
            format!(
                "{name}{n} 1 all none < 2 all none /var/cache/apt/archives/{name}{n}_2_all.deb\n"
            )
        };
        let input = read(&(0..8000).map(line).collect::<String>()).unwrap();
        assert_eq!(input.files.len(), 8000);
    }

    #[test]
    fn as_much_as_may_be_is_read_and_no_byte_more() {
        // The last line names a file: to cut it off would let that through.
        let last = "\n\nxx 1 all none < 2 all none /x.deb\n";
        let filling = usize::try_from(MAX_INPUT).unwrap() - "VERSION 3\nA=".len() - last.len();
        let mut most = ["VERSION 3\nA=", &"b".repeat(filling), last].concat();
        assert_eq!(HookInput::read(most.as_bytes()).unwrap().files.len(), 1);
        most.push_str("yy 1 all none < 2 all none /y.deb\n");
        assert!(matches!(HookInput::read(most.as_bytes()), Err(HookInputError::TooLarge)));
    }
}
