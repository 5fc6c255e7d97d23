//! `apt-quorum verify`: the judgement without an installation.

use std::path::PathBuf;

use serde::Serialize;

use super::Exit;
use super::args::Verify;
use super::evidence_at_hand;
use super::output::{complain, json, print, show};
use super::world::say_remarks;
use crate::evidence::{Network, about};
use crate::gate::{Candidate, Environment, Gate, Installing, Judged, Look, apt_configuration};
use crate::policy::Reason;
use crate::report::{self, Entrance, Record, SCHEMA};
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
pub(super) struct Decisions {
    pub(super) schema: u32,
    pub(super) decisions: Vec<Record>,
}

pub(super) fn run(arguments: &Verify) -> Exit {
    let now = Timestamp::from(std::time::SystemTime::now());
    let evidence = match evidence_at_hand(&arguments.evidence) {
        Ok(evidence) => evidence,
        Err(error) => {
            complain(&format!("apt-quorum: {error}\n"));
            return Exit::Wrong;
        }
    };
    let apt = match apt_configuration(Environment::Heard) {
        Ok(apt) => apt,
        Err(error) => {
            complain(&format!("apt-quorum: {error}\n"));
            return Exit::Wrong;
        }
    };
    let gate = Gate::open(&apt, arguments.directory.config.as_deref(), Trusted::now());
    let network = if arguments.offline { Network::Denied } else { Network::Allowed };
    let mut gatherer = match gate.gatherer(&apt, network) {
        Ok(gatherer) => gatherer,
        Err(error) => {
            complain(&format!("apt-quorum: {error}\n"));
            return Exit::Wrong;
        }
    };
    let candidate = |path: &PathBuf| Candidate { path: path.clone(), requested: None };
    let look = Look { evidence: &|it| about(&evidence, it), installing: Installing::No };
    let candidates: Vec<Candidate> = arguments.files.iter().map(candidate).collect();
    let bar = Progress::of("", candidates.len());
    let judged = gate.judge(candidates, look, &mut *gatherer, now, |done| bar.at(done));
    drop((gatherer, bar));
    say_remarks(&gate);
    let exit = exit_code(&judged);
    if arguments.json {
        let policy = gate.config().ok().map(|config| config.digest);
        let record = |it: &Judged| Record {
            notes: it.notes.clone(),
            ..Record::of(&it.decision, Entrance::Verify, &it.path, policy, now)
        };
        let decisions = judged.iter().map(record).collect();
        return print(&json(&Decisions { schema: SCHEMA, decisions }), exit);
    }
    let mut text = String::new();
    for it in &judged {
        text += &report::verdict(&it.path, &it.decision);
        for note in &it.notes {
            text += &format!(
                "  note: an attestation on this machine was passed over: {}.\n",
                printable(note)
            );
        }
    }
    let refusals: Vec<_> = judged.iter().filter_map(|it| it.decision.refusal()).collect();
    if !refusals.is_empty() {
        text += &format!("{}\n", report::next_step(&refusals));
    }
    if let Err(problems) = gate.config() {
        complain(&format!(
            "{problems}; until the configuration is fixed, every package is refused.\n"
        ));
    }
    show(&text, exit)
}

/// Returns the exit code for all judgements together.
pub(super) fn exit_code(judged: &[Judged]) -> Exit {
    let refusals: Vec<_> = judged.iter().filter_map(|it| it.decision.refusal()).collect();
    if refusals.iter().any(|it| matches!(it.reason, Reason::Configuration { .. })) {
        Exit::Wrong
    } else if refusals.is_empty() {
        Exit::Admitted
    } else if refusals.iter().all(|it| it.is_transient()) {
        Exit::CouldNotFindOut
    } else {
        Exit::Refused
    }
}
