//! `/usr/bin/apt-quorum`: the command that people type.

use std::process::ExitCode;

use apt_quorum_gate::entry::{self, Role};

fn main() -> ExitCode {
    let argv0 = match entry::start() {
        Ok(argv0) => argv0,
        Err(code) => return code,
    };
    match Role::of(&argv0) {
        // Started by itself.
        Some(Role::Fetch) => Role::Fetch.run(&argv0),
        // The static program is the gate as well, where there is no package.
        Some(role) if cfg!(target_feature = "crt-static") => role.run(&argv0),
        _ => apt_quorum::cli::run(),
    }
}
