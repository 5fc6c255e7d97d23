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
use crate::types::Identity;

/// Most that is read, in bytes. An upgrade of 5,000 packages has 1 MB.
const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// What apt is about to do.
#[derive(Debug, Default)]
pub struct HookInput {
    /// apt's configuration
    pub configuration: Configuration,
    /// The archives that are going to be unpacked
    pub archives: Vec<(PathBuf, Identity)>,
}

/// Input that cannot be understood. Nothing may be installed then.
#[derive(Debug, thiserror::Error)]
pub enum HookInputError {
    /// Reading failed.
    #[error("cannot read what apt says: {}", crate::sys::plain(.0))]
    Io(#[from] io::Error),
    /// More than is read.
    #[error("apt says more than {} MiB", MAX_INPUT >> 20)]
    TooLarge,
    /// Not version 3: the options under `DPkg::Tools::Options` are not in force.
    #[error(
        "apt speaks version {0:?} of the hook protocol where 3 was asked for: is /etc/apt/apt.conf.d/00apt-quorum complete?"
    )]
    Version(String),
    /// It ends in the middle of something.
    #[error("what apt says ends too early")]
    Truncated,
    /// A line that is not as the format says.
    #[error("line {line} of what apt says cannot be understood ({why})")]
    Line {
        /// Its number, from 1
        line: usize,
        /// What is wrong
        why: String,
    },
}

impl HookInput {
    /// Reads all of it.
    ///
    /// # Errors
    /// If anything at all in it cannot be understood: passing over a line could let a package
    /// through that nobody judged.
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
            let bad = |why: String| HookInputError::Line { line: at + 1, why };
            if let Some(archive) = archive(line).map_err(bad)? {
                result.archives.push(archive);
            }
        }
        Ok(result)
    }
}

/// One package's line: the archive that is going to be unpacked, if one is.
fn archive(line: &[u8]) -> Result<Option<(PathBuf, Identity)>, String> {
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
            return Err(format!("{} is no absolute path", crate::types::printable(&path)));
        }
    }
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let identity = Identity {
        package: text(name).parse().map_err(|error| format!("{error}"))?,
        version: text(version).parse().map_err(|error| format!("{error}"))?,
        architecture: text(architecture).parse().map_err(|error| format!("{error}"))?,
    };
    Ok(Some((PathBuf::from(std::ffi::OsStr::from_bytes(path)), identity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "VERSION 3\nAPT::Architecture=amd64\nDir::State=var/lib/apt\n\n";

    fn read(lines: &str) -> Result<HookInput, HookInputError> {
        HookInput::read(format!("{HEADER}{lines}").as_bytes())
    }

    #[test]
    fn archives_are_found_and_nothing_else() {
        let input = read(
            "zlib1g - - none < 1:1.3-1 amd64 same /var/cache/apt/archives/zlib1g_1%3a1.3-1_amd64.deb\n\
             old 1 all none > - - none **REMOVE**\n\
             half 1 all none = 1 all none **CONFIGURE**\n\
             local 1 all foreign < 2 all none /home/a user/x y.deb\n",
        )
        .unwrap();
        assert_eq!(input.configuration.find("apt::architecture"), Some("amd64"));
        let all: Vec<_> =
            input.archives.iter().map(|(p, i)| format!("{} {i}", p.display())).collect();
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
        assert!(read("").unwrap().archives.is_empty());
        assert!(HookInput::read(b"VERSION 3\n\n".as_slice()).unwrap().archives.is_empty());
    }

    #[test]
    fn whatever_is_not_understood_is_an_error() {
        for bad in [
            "zlib1g - - none < 1 amd64 same\n",
            "zlib1g - - none < 1 amd64 same **ERROR**\n",
            "zlib1g - - none < 1 amd64 same relative.deb\n",
            "zlib1g - - none < 1 amd64 same \n",
            "../x - - none < 1 amd64 same /x.deb\n",
            "zlib1g - - none < - - none /x.deb\n",
            "zlib1g - - none < 1 amd64 same /x.deb",
            // The second line of a path with a line end in it.
            "aa - - none < 1 all none /a\nb.deb\n",
            "\n",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        for bad in
            ["", "VERSION 2\n\n", "VERSION 3\n", "VERSION 3\nA=b\n", "/x.deb\n", "VERSION 31\n\n"]
        {
            assert!(HookInput::read(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_line_that_is_not_understood_is_named() {
        let error = read("aa - - none < 1 all none /a.deb\nbb\n").unwrap_err();
        assert!(matches!(error, HookInputError::Line { line: 6, .. }), "{error}");
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
        assert_eq!(input.archives.len(), 8000);
    }

    #[test]
    fn as_much_as_may_be_is_read_and_no_byte_more() {
        // The last line names an archive: to cut it off would let that through.
        let last = "\n\nxx 1 all none < 2 all none /x.deb\n";
        let filling = usize::try_from(MAX_INPUT).unwrap() - "VERSION 3\nA=".len() - last.len();
        let mut most = ["VERSION 3\nA=", &"b".repeat(filling), last].concat();
        assert_eq!(HookInput::read(most.as_bytes()).unwrap().archives.len(), 1);
        most.push_str("yy 1 all none < 2 all none /y.deb\n");
        assert!(matches!(HookInput::read(most.as_bytes()), Err(HookInputError::TooLarge)));
    }
}
