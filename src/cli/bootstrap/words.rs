//! The arguments of debootstrap, read as debootstrap reads them (debootstrap(8), its own loop over
//! the arguments). They are split into two runs: one that only downloads, and one that only
//! unpacks.
//!
//! An option that is not known here is refused. It could be one that unpacks in the first run, or
//! downloads in the second.

use std::ffi::OsString;
use std::path::Path;

use crate::types::printable;

/// Options with a value, `--name=VALUE` or `--name VALUE`.
const WITH_VALUE: &[&str] = &[
    "arch",
    "cache-dir",
    "certificate",
    "components",
    "exclude",
    "extra-suites",
    "extractor",
    "include",
    "inrelease-path",
    "keyring",
    "private-key",
    "variant",
];

/// Options without one.
const FLAGS: &[&str] = &[
    "keep-debootstrap-dir",
    "log-extra-deps",
    "merged-usr",
    "no-check-certificate",
    "no-merged-usr",
    "no-resolve-deps",
    "resolve-deps",
    "verbose",
];

/// Options that have debootstrap do something else than to bootstrap.
const OTHER_WORK: &[&str] = &[
    "debian-installer",
    "help",
    "make-tarball",
    "print-debs",
    "second-stage",
    "second-stage-target",
    "unpack-tarball",
    "version",
];

/// The parsed arguments of debootstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// The options for both runs
    options: Vec<String>,
    suite: String,
    /// The directory to bootstrap into
    pub(super) target: String,
    /// The mirror and the script, as far as they were given
    rest: Vec<String>,
    /// True if the second stage runs elsewhere
    foreign: bool,
    /// True if nothing is unpacked at all
    pub(super) download_only: bool,
    /// True if Release files are to be accepted without a signature
    pub(super) unsigned: bool,
}

impl Words {
    /// Reads the words behind our own options.
    ///
    /// # Errors
    /// The option that cannot be passed on, or the argument that is missing.
    pub(super) fn read(words: &[String]) -> Result<Self, String> {
        let mut read = Self {
            options: Vec::new(),
            suite: String::new(),
            target: String::new(),
            rest: Vec::new(),
            foreign: false,
            download_only: false,
            unsigned: false,
        };
        let mut words = words.iter().peekable();
        while let Some(option) = words.next_if(|word| word.starts_with('-')) {
            read.option(option, &mut words)?;
        }
        // debootstrap itself passes over a fifth.
        match words.cloned().collect::<Vec<_>>().as_slice() {
            [suite, target, rest @ ..] if rest.len() <= 2 => {
                if suite.is_empty() || target.is_empty() {
                    return Err("SUITE and TARGET must not be empty".to_owned());
                }
                read.suite.clone_from(suite);
                read.target.clone_from(target);
                read.rest = rest.to_vec();
                Ok(read)
            }
            _ => Err("debootstrap takes SUITE TARGET [MIRROR [SCRIPT]]".to_owned()),
        }
    }

    fn option<'a>(
        &mut self,
        option: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let shown = printable(option);
        let (name, value) = match option.strip_prefix("--").map(|it| it.split_once('=')) {
            Some(Some((name, value))) => (name, Some(value)),
            Some(None) => (option.trim_start_matches('-'), None),
            None => (option, None),
        };
        match (name, value) {
            (name, Some(value)) if WITH_VALUE.contains(&name) && !value.is_empty() => {
                self.options.push(option.to_owned());
            }
            (name, None) if WITH_VALUE.contains(&name) => {
                let value = words.next().ok_or_else(|| format!("{shown} needs a value"))?;
                self.options.push(format!("--{name}={value}"));
            }
            (name, None) if FLAGS.contains(&name) => self.options.push(option.to_owned()),
            ("foreign", None) => self.foreign = true,
            ("download-only", None) => self.download_only = true,
            ("no-check-gpg" | "no-check-sig", None) => self.unsigned = true,
            // It is always passed on, unless the opposite is asked for.
            ("force-check-gpg" | "force-check-sig", None) => {}
            (name, _) if OTHER_WORK.contains(&name) => {
                return Err(format!("{shown} does not bootstrap: run debootstrap itself"));
            }
            _ => return Err(format!("{shown} is not a known option of debootstrap")),
        }
        if self.foreign && self.download_only {
            return Err("--foreign and --download-only exclude each other".to_owned());
        }
        Ok(())
    }

    /// Returns the arguments of the run that downloads. Unless only a download is wanted, they ask
    /// for a tarball that is thrown away. Of debootstrap's modes, only this one leaves behind what
    /// the second run needs, and unpacks nothing.
    pub(super) fn to_download(&self, target: &Path) -> Vec<OsString> {
        let mut arguments = self.common();
        if self.download_only {
            arguments.push("--download-only".into());
        } else {
            arguments.extend(["--keep-debootstrap-dir".into(), "--make-tarball=/dev/null".into()]);
        }
        self.end(arguments, target)
    }

    /// Returns the arguments of the run that unpacks the files in the target. `nothing` is an empty
    /// tarball: with one, debootstrap looks for no package anywhere else.
    pub(super) fn to_unpack(&self, target: &Path, nothing: &Path) -> Vec<OsString> {
        let mut arguments = self.common();
        let mut tarball = OsString::from("--unpack-tarball=");
        tarball.push(nothing);
        arguments.push(tarball);
        if self.foreign {
            arguments.push("--foreign".into());
        }
        self.end(arguments, target)
    }

    fn common(&self) -> Vec<OsString> {
        // The names that both older and newer versions know.
        let check = if self.unsigned { "--no-check-gpg" } else { "--force-check-gpg" };
        std::iter::once(check)
            .chain(self.options.iter().map(String::as_str))
            .map(Into::into)
            .collect()
    }

    fn end(&self, mut arguments: Vec<OsString>, target: &Path) -> Vec<OsString> {
        arguments.push(OsString::from(&self.suite));
        arguments.push(target.into());
        arguments.extend(self.rest.iter().map(OsString::from));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Words, String> {
        Words::read(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    fn joined(arguments: &[OsString]) -> String {
        arguments.iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_go_to_both_runs_and_each_run_does_its_part_only() {
        let words = read(&[
            "--variant=minbase",
            "--arch",
            "arm64",
            "--foreign",
            "--include=a,b",
            "trixie",
            "image",
            "http://deb.example/debian",
            "sid",
        ])
        .unwrap();
        assert_eq!(words.target, "image");
        let target = Path::new("/srv/image");
        assert_eq!(
            joined(&words.to_download(target)),
            "--force-check-gpg --variant=minbase --arch=arm64 --include=a,b \
             --keep-debootstrap-dir --make-tarball=/dev/null \
             trixie /srv/image http://deb.example/debian sid"
        );
        assert_eq!(
            joined(&words.to_unpack(target, Path::new("/srv/none.tar"))),
            "--force-check-gpg --variant=minbase --arch=arm64 --include=a,b \
             --unpack-tarball=/srv/none.tar --foreign \
             trixie /srv/image http://deb.example/debian sid"
        );
    }

    #[test]
    fn a_run_that_only_downloads_stays_one() {
        let words = read(&["--no-check-sig", "--download-only", "trixie", "image"]).unwrap();
        assert!(words.download_only && words.unsigned);
        let arguments = words.to_download(Path::new("/srv/image"));
        assert_eq!(joined(&arguments), "--no-check-gpg --download-only trixie /srv/image");
    }

    #[test]
    fn what_could_mix_the_two_runs_up_is_refused() {
        for bad in [
            &["--unpack-tarball=/x.tar", "trixie", "image"][..],
            &["--unpack-tarball", "/x.tar", "trixie", "image"],
            &["--make-tarball=/x.tgz", "trixie", "image"],
            &["--second-stage"],
            &["--print-debs", "trixie", "image"],
            &["--no-such-option", "trixie", "image"],
            &["--variant=", "trixie", "image"],
            &["--foreign=yes", "trixie", "image"],
            &["--foreign", "--download-only", "trixie", "image"],
            &["-x", "trixie", "image"],
            &["--", "trixie", "image"],
            &["variant=minbase"],
            &["--arch"],
            &["--arch", "amd64", "trixie"],
            &["trixie"],
            &["trixie", ""],
            &[],
            &["trixie", "image", "http://a", "sid", "more"],
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn behind_the_suite_nothing_is_an_option() {
        let words = read(&["trixie", "--foreign"]).unwrap();
        assert_eq!((words.target.as_str(), words.foreign), ("--foreign", false));
    }
}
