//! apt's configuration, for entrances that apt does not hand it to.

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
    let mut command = Command::new("/usr/bin/apt-config");
    if environment == Environment::Ignored {
        command.env_clear();
    }
    let dump = command.arg("dump").output();
    if let Some(dump) = dump.ok().filter(|it| it.status.success()) {
        configuration.add_dump(&String::from_utf8_lossy(&dump.stdout));
    }
    configuration
}
