//! `apt-quorum verify`: the judgement without an installation.

use std::path::PathBuf;

use serde::Serialize;

use super::Exit;
use super::args::Verify;
use super::judging::Court;
use super::output::{complain, json, print, show};
use super::world::{Stop, now, say_remarks};
use crate::gate::{Candidate, Installing, Judged};
use crate::policy::Reason;
use crate::report::{self, Entrance, Record, SCHEMA};
use crate::types::printable;

/// The JSON that `--json` prints.
#[derive(Serialize)]
pub(super) struct Decisions {
    pub(super) schema: u32,
    pub(super) decisions: Vec<Record>,
}

pub(super) fn run(arguments: &Verify) -> Result<Exit, Stop> {
    let now = now();
    let court = Court::open(&arguments.judging)?;
    let gate = &court.gate;
    let candidate = |path: &PathBuf| Candidate { path: path.clone(), requested: None };
    let candidates = arguments.files.iter().map(candidate).collect();
    let judged = court.judge(candidates, Installing::No, now)?;
    say_remarks(gate);
    let exit = exit_code(&judged);
    if arguments.judging.json {
        let policy = gate.config().ok().map(|config| config.digest);
        let record = |it: &Judged| Record {
            notes: it.notes.clone(),
            ..Record::of(&it.decision, Entrance::Verify, &it.path, policy, now)
        };
        let decisions = judged.iter().map(record).collect();
        return Ok(print(&json(&Decisions { schema: SCHEMA, decisions }), exit));
    }
    let mut text = String::new();
    for it in &judged {
        text += &report::verdict(&it.path, &it.decision);
        for note in &it.notes {
            text +=
                &format!("  note: ignored an attestation on this machine: {}.\n", printable(note));
        }
    }
    let refusals: Vec<_> = judged.iter().filter_map(|it| it.decision.refusal()).collect();
    if !refusals.is_empty() {
        text += &format!("{}\n", report::next_step(&refusals));
    }
    if let Err(problems) = gate.config() {
        complain(&super::config::broken(problems));
    }
    Ok(show(&text, exit))
}

/// Returns the exit code for all judgements together.
pub(super) fn exit_code(judged: &[Judged]) -> Exit {
    let refusals = judged.iter().filter_map(|it| it.decision.refusal());
    if refusals.clone().any(|it| matches!(it.reason, Reason::Configuration { .. })) {
        return Exit::Wrong;
    }
    Exit::of(refusals.map(|it| it.is_transient()))
}
