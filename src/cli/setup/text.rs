//! The texts that people read along the way, and the JSON that scripts read at the end.

use std::fmt::Write as _;

use serde::Serialize;

use super::dry_run::{Counts, DryRun, Open};
use super::machine::{Choice, Chosen, Machine};
use super::plan::Plan;
use super::threshold::{Voters, rebuilders};
use super::{Session, Written};
use crate::apt::configuration::Configuration;
use crate::cli::ways::ways;
use crate::cli::world::{World, shown_uri};
use crate::cli::{loose, mode};
use crate::config::{Change, Config};
use crate::fetching::Commands;
use crate::policy::Mode;
use crate::types::{RebuilderName, Threshold, printable};

/// Describes the configuration and the machine before anything is decided.
pub(super) fn there_is(world: &World, machine: &Machine) -> String {
    let config = &world.config;
    let directory = printable(&config.directory.to_string_lossy()).to_string();
    let mut text = format!(
        "The configuration in {directory} is in mode {}: {}\n",
        mode::word(config.policy.mode()),
        mode::meaning(config)
    );
    for name in config.rebuilders.keys() {
        let _ = writeln!(text, "  rebuilder  {name}");
    }
    for note in loose::notes(&config.policy) {
        let _ = writeln!(text, "  note: {note}.");
    }
    if machine.all_are_judged() {
        text += "  sources   all are judged on the way\n";
    }
    text
}

pub(super) fn about_threshold(voters: &Voters, there: Option<Threshold>) -> String {
    let count = voters.count();
    let mut text = format!("{} can confirm packages of this machine", rebuilders(count));
    if let Some(there) = there {
        let _ = write!(text, "; {} had to until now", there.count());
    }
    text += match count {
        1 => ".\n",
        2 => {
            ".\nWith two, 2 means that both must confirm, and 1 that either of them decides alone.\n"
        }
        _ => {
            ".\nMore than half of them and fewer than all is a good choice: one that is wrong cannot decide alone,\nand one that is down does not block you.\n"
        }
    };
    text
}

pub(super) fn about_sources(machine: &Machine, choices: &[Choice]) -> String {
    let mut text = "The hook judges all packages before they are installed. Those of a source can be judged already\nwhile apt downloads them:\n".to_owned();
    if machine.all_are_judged() {
        text += "  All sources do that already.\n";
        return text;
    }
    for (number, it) in choices.iter().enumerate() {
        let file = printable(&it.file.to_string_lossy()).to_string();
        let _ = writeln!(text, "  {}  {} ({file})", number + 1, shown_uri(&it.uri));
    }
    text + &left_alone(machine)
}

/// Lists the sources that stay as they are, with the reasons.
pub(super) fn left_alone(machine: &Machine) -> String {
    machine.left_alone().into_iter().map(|line| format!("  -  {line}\n")).collect()
}

/// Describes everything that will be written, before the last question.
pub(super) fn will_be(
    change: &Change,
    would_be: &Config,
    plan: &Plan,
    apt: &Configuration,
) -> String {
    let mut text = format!(
        "With this, in mode {}, {}\n",
        mode::word(would_be.policy.mode()),
        mode::meaning(would_be)
    );
    match &plan.sources {
        Chosen::All => {
            text += "apt asks apt-quorum while it downloads, from every http and https source.\n"
        }
        Chosen::AsTheyAre => {}
        Chosen::These(uris) => {
            for uri in uris {
                let _ = writeln!(
                    text,
                    "apt asks apt-quorum while it downloads from {} too.",
                    shown_uri(uri)
                );
            }
        }
    }
    for note in ways(&would_be.endpoints, apt, would_be.timeouts.answer, Commands::Own) {
        let _ = writeln!(text, "Note: {}.", printable(&note));
    }
    text += "To be written:\n";
    for (path, is_new) in change.writes() {
        let what = if is_new { "new" } else { "changed" };
        let _ = writeln!(text, "  {} ({what})", printable(&path.to_string_lossy()));
    }
    text
}

/// Describes the next steps.
pub(super) fn next(plan: &Plan, option: &str) -> String {
    let mut text = String::new();
    if plan.mode == Some(Mode::Enforce) {
        let _ = writeln!(text, "apt-quorum mode warn{option} takes the refusing back.");
    }
    let _ = writeln!(text, "Next, see where this machine stands: apt-quorum status{option}");
    text
}

/// The JSON that `--json` prints.
#[derive(Serialize)]
pub(super) struct Record<'a> {
    schema: u32,
    /// True if it was written
    written: bool,
    directory: String,
    rebuilders: Vec<Rebuilder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u32>,
    /// The number of rebuilders that can confirm packages of this machine
    voters: usize,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<Looked<'a>>,
    files: Vec<File>,
}

#[derive(Serialize)]
struct Rebuilder {
    name: RebuilderName,
    new: bool,
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Looked<'a> {
    #[serde(flatten)]
    counts: Counts,
    open: Vec<Open<'a>>,
}

#[derive(Serialize)]
struct File {
    path: String,
    new: bool,
}

impl<'a> Record<'a> {
    /// `files` are those that were written, or would have been.
    pub(super) fn of(
        session: &Session<'_>,
        plan: &Plan,
        config: &Config,
        files: Vec<(std::path::PathBuf, bool)>,
        dry_run: Option<&'a DryRun>,
        written: Written,
    ) -> Self {
        let keys = |name: &RebuilderName| {
            let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
            own.map(|it| it.key.key_id().as_str().to_owned()).collect()
        };
        let rebuilder = |name: &RebuilderName| Rebuilder {
            name: name.clone(),
            new: plan.added.iter().any(|it| it.name() == name),
            keys: keys(name),
        };
        let file = |(path, new): (std::path::PathBuf, bool)| File {
            path: path.to_string_lossy().into_owned(),
            new,
        };
        Self {
            schema: 1,
            written: written == Written::All,
            directory: config.directory.to_string_lossy().into_owned(),
            rebuilders: config.rebuilders.keys().map(rebuilder).collect(),
            threshold: config.policy.default_requirement().map(|it| it.threshold().count()),
            voters: Voters::of(config, session.machine, session.now).count(),
            mode: mode::word(config.policy.mode()),
            dry_run: dry_run.map(|it| Looked { counts: it.counts(), open: it.open() }),
            files: files.into_iter().map(file).collect(),
        }
    }
}
