//! `DPkg::Pre-Install-Pkgs`: apt's last question before dpkg, and the decisive one for all packages
//! that come by way of apt.

use std::process::ExitCode;

use super::{Hook, Remembering, complain, exit, mode, present, refuse, state};
use crate::apt::configuration::Configuration;
use crate::apt::hook_input::HookInput;
use crate::gate::{Candidate, Gate, Haste, News};
use crate::policy::{Clearance, Mode};
use crate::report::Entrance;
use crate::sys::inherited;
use crate::sys::secure::Trusted;

/// The descriptor of apt's list, as `/etc/apt/apt.conf.d/00apt-quorum` asks for it (`InfoFD`).
const INFO_FD: i32 = 20;

/// Runs the hook. Zero only with a [`Clearance`].
#[must_use]
pub fn run() -> ExitCode {
    let Some(file) = inherited::take(INFO_FD) else {
        let why = "apt did not name the packages: check that /etc/apt/apt.conf.d/00apt-quorum is \
                   complete";
        return refuse(Entrance::Hook, &Configuration::default(), why);
    };
    match HookInput::read(file) {
        Ok(input) => judge(input),
        Err(error) => refuse(Entrance::Hook, &Configuration::default(), &error.to_string()),
    }
}

fn judge(input: HookInput) -> ExitCode {
    let gate = Gate::open(&input.configuration, None, Trusted::now());
    if let Some(why) = input.odd.first() {
        // Each may be about a package that would otherwise not be judged.
        if mode(&gate) == Mode::Enforce {
            return refuse(Entrance::Hook, &input.configuration, &why.to_string());
        }
        for it in &input.odd {
            complain(&format!("{it}: let through unchecked because the mode is warn."));
        }
    }
    let cleared = if input.files.is_empty() {
        // A removal or a configuration: no file comes onto the system.
        Clearance::of(Vec::new()).ok()
    } else {
        let candidate = |(path, called)| Candidate { path, requested: Some(called) };
        let apt = &input.configuration;
        let now = present(apt);
        let gate = gate.holding_up(Haste::Hook, &state(apt), now);
        let hook = Hook { gate: &gate, apt, entrance: Entrance::Hook, now, news: News::All };
        hook.clear(input.files.into_iter().map(candidate).collect(), Remembering::Yes)
    };
    exit(cleared, Vec::new())
}
