//! apt's configuration, for processes to which apt does not pass it.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};

use crate::apt::configuration::Configuration;
use crate::sys::plain;
use crate::types::printable;

/// apt's own reader of its configuration.
const APT_CONFIG: &str = "/usr/bin/apt-config";

/// The influence of the caller's environment (`APT_CONFIG`) on apt's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// The environment counts as for apt itself: for people who ask questions.
    Heard,
    /// Only apt's files count: for decisions.
    Ignored,
}

/// apt exists, and its configuration cannot be read. It may move the policy, the receipts or the
/// cache, so their usual paths must not be assumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "apt's configuration cannot be read, and it may name apt-quorum's directories: {0}. See apt-config dump"
)]
pub struct AptUnreadable(
    /// The result of apt-config, with the first mistake that it names
    pub String,
);

/// Reads apt's configuration on this machine, for its proxies and directories. Without apt, nothing
/// is configured.
///
/// # Errors
/// If apt exists, and its configuration cannot be read.
pub fn apt_configuration(environment: Environment) -> Result<Configuration, AptUnreadable> {
    apt_configuration_with(environment, &[])
}

/// Reads as [`apt_configuration`] does, with `options` of apt's command line (apt-config(8)): files
/// to read and items to set.
///
/// # Errors
/// As for [`apt_configuration`].
pub fn apt_configuration_with(
    environment: Environment,
    options: &[OsString],
) -> Result<Configuration, AptUnreadable> {
    let mut configuration = Configuration::default();
    if let Some(dump) = dump(Path::new(APT_CONFIG), environment, None, options)? {
        configuration.add_dump(&dump);
    }
    Ok(configuration)
}

/// Returns the output of `apt-config dump`, on this machine or with this file read first. Returns
/// nothing if there is no apt.
///
/// # Errors
/// If apt exists, and apt-config finds a mistake or does not run.
pub fn apt_dump(
    environment: Environment,
    first: Option<&Path>,
) -> Result<Option<String>, AptUnreadable> {
    dump(Path::new(APT_CONFIG), environment, first, &[])
}

fn dump(
    program: &Path,
    environment: Environment,
    first: Option<&Path>,
    options: &[OsString],
) -> Result<Option<String>, AptUnreadable> {
    // A program that cannot be started is another case: its libraries may be missing.
    if fs::symlink_metadata(program).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let mut command = Command::new(program);
    if environment == Environment::Ignored {
        command.env_clear();
    }
    if let Some(first) = first {
        command.env("APT_CONFIG", first);
    }
    let done = command.args(options).arg("dump").output().map_err(|error| {
        AptUnreadable(format!("{} cannot be started: {}", program.display(), plain(&error)))
    })?;
    if done.status.success() {
        return Ok(Some(String::from_utf8_lossy(&done.stdout).into_owned()));
    }
    Err(AptUnreadable(format!("apt-config ended with {}{}", done.status, first_mistake(&done))))
}

/// Returns the first mistake that apt-config names, which is the one to fix.
fn first_mistake(done: &Output) -> String {
    let said = String::from_utf8_lossy(&done.stderr);
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let first = lines.clone().find(|line| line.starts_with("E: ")).or_else(|| lines.next());
    first.map(|line| format!(": {}", printable(line))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    /// Makes a program in place of apt-config.
    fn program(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("apt-config");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (directory, path)
    }

    fn read(path: &Path) -> Result<Option<String>, String> {
        dump(path, Environment::Ignored, None, &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn where_there_is_no_apt_nothing_is_configured() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(&directory.path().join("apt-config")), Ok(None));
    }

    #[test]
    fn whatever_keeps_apt_from_telling_is_an_error() {
        let cases = [
            (
                "#!/bin/sh\necho 'A \"b\";'; echo 'W: x' >&2; echo 'E: Syntax error a:1' >&2; exit 100",
                "apt-config ended with exit status: 100: E: Syntax error a:1.",
            ),
            ("#!/bin/sh\necho libx is missing >&2; exit 127", ": libx is missing."),
            ("#!/bin/sh\nkill -9 $$", "apt-config ended with signal: 9 (SIGKILL)."),
            ("#!/no/such/interpreter", "cannot be started: No such file or directory."),
            ("no program", "cannot be started: Exec format error."),
        ];
        for (text, why) in cases {
            let (_directory, path) = program(text);
            let said = read(&path).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
        let (directory, path) = program("");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap_err().contains("Permission denied"));
        // Only a missing program means that there is no apt.
        let dangling = directory.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        assert!(read(&dangling).unwrap_err().contains("cannot be started"));
    }

    #[test]
    fn the_environment_is_heard_or_not_and_options_are_passed_on() {
        let (_directory, path) = program("#!/bin/sh\necho \"$APT_CONFIG $*\"");
        let told = |environment, first: Option<&str>, options: &[OsString]| {
            dump(&path, environment, first.map(Path::new), options).unwrap().unwrap()
        };
        let options = ["-o".into(), "A=b".into()];
        assert_eq!(told(Environment::Ignored, None, &options), " -o A=b dump\n");
        assert_eq!(told(Environment::Ignored, Some("/x"), &[]), "/x dump\n");
    }
}
