//! apt's configuration, for entrances that apt does not hand it to.

use std::path::Path;
use std::process::Command;

use crate::apt::configuration::Configuration;

/// Whether whoever calls can have apt's configuration say something else (`APT_CONFIG`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// As for apt itself: for people who ask questions.
    Heard,
    /// What decides goes by apt's files alone.
    Ignored,
}

/// apt's configuration on this machine, for its proxies and directories. Without apt, nothing is
/// configured.
#[must_use]
pub fn apt_configuration(environment: Environment) -> Configuration {
    let mut configuration = Configuration::default();
    if let Some(dump) = apt_dump(environment, None) {
        configuration.add_dump(&dump);
    }
    configuration
}

/// What `apt-config dump` prints, on this machine or with this file read first. Nothing if there is
/// no apt or it finds a mistake.
#[must_use]
pub fn apt_dump(environment: Environment, first: Option<&Path>) -> Option<String> {
    let mut command = Command::new("/usr/bin/apt-config");
    if environment == Environment::Ignored {
        command.env_clear();
    }
    if let Some(first) = first {
        command.env("APT_CONFIG", first);
    }
    let dump = command.arg("dump").output().ok().filter(|it| it.status.success())?;
    Some(String::from_utf8_lossy(&dump.stdout).into_owned())
}
