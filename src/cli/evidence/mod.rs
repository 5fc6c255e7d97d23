//! `apt-quorum evidence`: evidence that goes from one machine to another.

mod export;
mod fetch;
mod import;
mod output;

use std::collections::BTreeMap;
use std::path::Path;

use super::Exit;
use super::args::{Directory, Evidence, EvidenceCommand};
use super::output::{complain, counted};
use crate::apt::configuration::Configuration;
use crate::attest::Rejection;
use crate::deb::Control;
use crate::gate::{Environment, Gate, apt_configuration};
use crate::sys::secure::Trusted;
use crate::types::Sha256Digest;

/// The number of attestations that make no claim here, by the short names of the reasons.
type Rejected = BTreeMap<&'static str, usize>;

pub(super) fn run(arguments: &Evidence) -> Exit {
    let ran = match &arguments.command {
        EvidenceCommand::Export(arguments) => export::run(arguments),
        EvidenceCommand::Import(arguments) => import::run(arguments),
        EvidenceCommand::Fetch(arguments) => fetch::run(arguments),
    };
    ran.unwrap_or_else(|failed| {
        complain(&format!("apt-quorum: {}\n", failed.why));
        failed.exit
    })
}

/// The reason why a command went no further, with its exit code.
struct Failed {
    exit: Exit,
    why: String,
}

/// The command line or the configuration is wrong.
fn wrong(why: impl Into<String>) -> Failed {
    Failed { exit: Exit::Wrong, why: why.into() }
}

/// The command could not be carried out.
fn not_done(why: impl Into<String>) -> Failed {
    Failed { exit: Exit::Refused, why: why.into() }
}

/// Opens the gate with a configuration that can be used: without one, no attestation can be
/// verified.
fn open(directory: &Directory) -> Result<(Configuration, Gate), Failed> {
    let apt = apt_configuration(Environment::Heard).map_err(|error| wrong(error.to_string()))?;
    let gate = Gate::open(&apt, directory.config.as_deref(), Trusted::now());
    if let Err(problems) = gate.config() {
        return Err(wrong(format!("no evidence can be verified:\n{problems}.")));
    }
    Ok((apt, gate))
}

/// Reads a package that was named on the command line.
fn package(path: &Path) -> Result<(Control, Sha256Digest), Failed> {
    super::package_file(path).map_err(wrong)
}

fn count(rejected: &mut Rejected, rejection: &Rejection) {
    *rejected.entry(rejection.code()).or_default() += 1;
}

/// `3 (2 unknown-key, 1 other-name)`, for the end of a sentence.
fn reasons(rejected: &Rejected) -> String {
    let each: Vec<String> =
        rejected.iter().map(|(code, count)| format!("{count} {code}")).collect();
    each.join(", ")
}
