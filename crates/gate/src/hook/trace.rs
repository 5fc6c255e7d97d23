//! The traces of refusals before apt's question.
//!
//! There is no file yet, so the receipt of such a refusal has no SHA-256. Nothing is installed, so
//! nothing depends on it.

use std::path::Path;

use super::state;
use crate::apt::configuration::Configuration;
use crate::gate::{Assessed, Gate, News, Recorder};
use crate::log::Log;
use crate::policy::{Assessment, Decision, Refusal};
use crate::report::{Entrance, Record};
use crate::types::Timestamp;

/// Records that these packages are refused, in the log and as receipts.
pub(super) fn refused(gate: &Gate, apt: &Configuration, refused: &[&Assessed], now: Timestamp) {
    let state = state(apt);
    let mut recorder = Recorder::open(gate, apt, Entrance::BeforePrompt, News::All, Some(&state));
    for it in refused {
        let Assessment::Unconfirmed { reason, report } = &it.assessment else { continue };
        let refusal =
            Refusal { subject: None, reason: reason.clone(), report: Some(report.clone()) };
        let decision = Decision::Refuse(refusal);
        let identity = &it.named.identity;
        let artifact = identity.artifact_name();
        let record = Record {
            identity: Some(identity.clone()),
            source: it.named.source.as_ref().map(|(name, version)| format!("{name} {version}")),
            listings: it.named.listings.clone(),
            ..recorder.record_of(&decision, Path::new(artifact.as_str()), now)
        };
        recorder.note(&decision, record, &it.signed);
    }
}

/// Records that apt was told to stop, and why, without a package of which that is true.
pub(super) fn nothing_passed(apt: &Configuration, why: &str) {
    Log::open(apt).nothing_passed(Entrance::BeforePrompt, why);
}
