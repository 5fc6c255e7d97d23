//! `/usr/bin/apt-quorum`: the command that people type.

use std::process::ExitCode;

use apt_quorum_gate::entry::{self, Role};

/// True where the program has the C library in it. `cfg` says so in this crate only.
const IS_STATIC: bool = cfg!(target_feature = "crt-static");

fn main() -> ExitCode {
    let argv0 = match entry::start(IS_STATIC) {
        Ok(argv0) => argv0,
        Err(code) => return code,
    };
    match Role::of(&argv0) {
        // Started by itself.
        Some(Role::Fetch) => Role::Fetch.run(&argv0),
        // The static program is the gate as well, where there is no package.
        Some(role) if IS_STATIC => role.run(&argv0),
        _ => apt_quorum::cli::run(),
    }
}
