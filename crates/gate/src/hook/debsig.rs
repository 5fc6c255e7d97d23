//! The check of each archive that dpkg opens, under the name of the program that dpkg asks about
//! signatures, `debsig-verify`.
//!
//! Off unless the administrator makes a link of that name: see apt-quorum-method(8). It sees the
//! archives that dpkg really unpacks, including those that dpkg put together from parts. By then
//! dpkg has already unpacked the archives before this one, so it supplements the gate in front and
//! does not replace it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Hook, present, refuse, state};
use crate::apt::configuration::Configuration;
use crate::gate::{Environment, Gate, Haste, News, apt_configuration};
use crate::report::Entrance;
use crate::sys::secure::Trusted;

/// Runs as dpkg calls it: `debsig-verify -q FILE` (`deb_verify` in dpkg's src/main/unpack.c).
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let refuse = |why: &str| refuse(Entrance::Debsig, &Configuration::default(), why);
    let path = match arguments.as_slice() {
        [quiet, path] if quiet == "-q" => std::path::absolute(PathBuf::from(path)),
        _ => return refuse("dpkg calls this program as debsig-verify -q FILE"),
    };
    let Ok(path) = path else { return refuse("there is no working directory") };
    let apt = match apt_configuration(Environment::Ignored) {
        Ok(apt) => apt,
        Err(error) => return refuse(&error.to_string()),
    };
    let now = present(&apt);
    let gate = Gate::open(&apt, None, Trusted::now());
    let gate = gate.holding_up(Haste::First, &state(&apt), now);
    let hook = Hook { gate: &gate, apt: &apt, entrance: Entrance::Debsig, now, news: News::All };
    hook.pass_or_clear(vec![path])
}
