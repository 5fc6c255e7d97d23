//! `/usr/lib/apt-quorum/gate`: all that apt and dpkg start, and nothing that people type.

use std::process::ExitCode;

use apt_quorum_gate::entry::{self, Role};

fn main() -> ExitCode {
    match entry::start(cfg!(target_feature = "crt-static")) {
        Ok(argv0) => match Role::of(&argv0) {
            Some(role) => role.run(&argv0),
            None => entry::refuse(),
        },
        Err(code) => code,
    }
}
