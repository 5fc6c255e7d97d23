//! `apt-quorum evidence`: evidence that goes from one machine to another.

mod export;
mod fetch;
mod import;
mod output;

use std::collections::BTreeMap;

use super::Exit;
use super::args::{ConfigDirectory, EvidenceCommand};
use super::judging::Court;
use super::output::list;
use super::world::Stop;
use crate::attest::Rejection;

/// The number of attestations that make no claim here, by the short names of the reasons.
type Rejected = BTreeMap<&'static str, usize>;

pub(super) fn run(command: &EvidenceCommand) -> Result<Exit, Stop> {
    match command {
        EvidenceCommand::Export(arguments) => export::run(arguments),
        EvidenceCommand::Import(arguments) => import::run(arguments),
        EvidenceCommand::Fetch(arguments) => fetch::run(arguments),
    }
}

/// Opens the gate with a configuration that can be used: without one, no attestation can be
/// verified.
fn open(directory: &ConfigDirectory) -> Result<Court, Stop> {
    let court = Court::of(directory, &[], false)?;
    court.config()?;
    Ok(court)
}

fn count(rejected: &mut Rejected, rejection: &Rejection) {
    *rejected.entry(rejection.code()).or_default() += 1;
}

/// `3 (2 unknown-key, 1 other-name)`, for the end of a sentence.
fn reasons(rejected: &Rejected) -> String {
    list(rejected.iter().map(|(code, count)| format!("{count} {code}")))
}
