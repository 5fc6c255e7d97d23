//! `/usr/bin/apt-quorum`: the command that people type.

use std::process::ExitCode;

use apt_quorum_gate::entry::{self, Role};

fn main() -> ExitCode {
    let argv0 = match entry::start(cfg!(target_feature = "crt-static")) {
        Ok(argv0) => argv0,
        Err(code) => return code,
    };
    match Role::of(&argv0) {
        // It starts itself to fetch. Links to it are the gate as well: those of a package from
        // before there were two programs, and links to the static one, where there is no package.
        Some(role) => role.run(&argv0),
        None => apt_quorum::cli::run(),
    }
}
