//! The texts that people read along the way, and the JSON that scripts read at the end.

use std::fmt::Write as _;

use serde::Serialize;

use super::dry_run::{DryRun, OpenPackage, RunCounts};
use super::machine::{Chosen, LocalMachine, SourceChoice};
use super::plan::SetupPlan;
use super::threshold::Voters;
use super::{Session, SetupEnd};
use crate::apt::configuration::Configuration;
use crate::cli::output::{counted, path};
use crate::cli::ways::ways;
use crate::cli::world::{World, shown_uri};
use crate::cli::{loose, mode};
use crate::config::{Change, Config};
use crate::fetching::Commands;
use crate::policy::Mode;
use crate::types::{RebuilderName, Threshold, printable};

/// Describes the configuration and the machine before anything is decided.
pub(super) fn there_is(world: &World, machine: &LocalMachine) -> String {
    let config = &world.config;
    let mut text = format!(
        "The configuration in {} is in mode {}: {}\n",
        path(&config.directory),
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
        text += "  sources    all are checked during download\n";
    }
    text
}

pub(super) fn about_threshold(voters: &Voters, there: Option<Threshold>) -> String {
    let count = voters.count();
    let mut text = format!("{} can confirm packages of this machine", counted(count, "rebuilder"));
    if let Some(there) = there {
        let _ = write!(text, "; the threshold was {} until now", there.count());
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

pub(super) fn about_sources(machine: &LocalMachine, choices: &[SourceChoice]) -> String {
    let mut text = "apt-quorum checks all packages before unpacking. It can also check packages of a source during\ndownload:\n".to_owned();
    if machine.all_are_judged() {
        text += "  All sources are checked during download already.\n";
        return text;
    }
    for (number, it) in choices.iter().enumerate() {
        let _ = writeln!(text, "  {}  {} ({})", number + 1, shown_uri(&it.uri), path(&it.file));
    }
    text + &left_alone(machine)
}

/// Lists the sources that stay as they are, with the reasons.
pub(super) fn left_alone(machine: &LocalMachine) -> String {
    machine.left_alone().into_iter().map(|line| format!("  -  {line}\n")).collect()
}

/// Describes everything that will be written, before the last question.
pub(super) fn will_be(
    change: &Change,
    would_be: &Config,
    plan: &SetupPlan,
    apt: &Configuration,
) -> String {
    let mut text = format!(
        "With these changes, in mode {}: {}\n",
        mode::word(would_be.policy.mode()),
        mode::meaning(would_be)
    );
    match &plan.sources {
        Chosen::All => text += "apt-quorum checks downloads from every http and https source.\n",
        Chosen::AsTheyAre => {}
        Chosen::These(uris) => {
            for uri in uris {
                let uri = shown_uri(uri);
                let _ = writeln!(text, "apt-quorum also checks downloads from {uri}.");
            }
        }
    }
    for note in ways(would_be, apt, Commands::Own) {
        let _ = writeln!(text, "Note: {}.", printable(&note));
    }
    text += "Files to write:\n";
    for (file, is_new) in change.writes() {
        let what = if is_new { "new" } else { "changed" };
        let _ = writeln!(text, "  {} ({what})", path(&file));
    }
    text
}

/// Describes the next steps.
pub(super) fn next(plan: &SetupPlan, option: &str) -> String {
    let mut text = String::new();
    if plan.mode == Some(Mode::Enforce) {
        let _ = writeln!(text, "To stop refusing: apt-quorum mode warn{option}");
        let _ = writeln!(
            text,
            "Updates that would be refused are held back, and apt installs the others: apt-quorum hold list{option}"
        );
    }
    let _ = writeln!(text, "Next, see the state of this machine: apt-quorum status{option}");
    text
}

/// The JSON that `--json` prints.
#[derive(Serialize)]
pub(super) struct SetupRecord<'a> {
    schema: u32,
    /// True if it was written
    written: bool,
    directory: String,
    rebuilders: Vec<SetUpRebuilder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<u32>,
    /// The number of rebuilders that can confirm packages of this machine
    voters: usize,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<RecordedRun<'a>>,
    files: Vec<SetUpFile>,
}

#[derive(Serialize)]
struct SetUpRebuilder {
    name: RebuilderName,
    new: bool,
    keys: Vec<String>,
}

#[derive(Serialize)]
struct RecordedRun<'a> {
    #[serde(flatten)]
    counts: RunCounts,
    open: Vec<OpenPackage<'a>>,
}

#[derive(Serialize)]
struct SetUpFile {
    path: String,
    new: bool,
}

impl<'a> SetupRecord<'a> {
    /// `files` are those that were written, or would have been.
    pub(super) fn of(
        session: &Session<'_>,
        plan: &SetupPlan,
        config: &Config,
        files: Vec<(std::path::PathBuf, bool)>,
        dry_run: Option<&'a DryRun>,
        written: SetupEnd,
    ) -> Self {
        let keys = |name: &RebuilderName| {
            let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
            own.map(|it| it.key.key_id().as_str().to_owned()).collect()
        };
        let rebuilder = |name: &RebuilderName| SetUpRebuilder {
            name: name.clone(),
            new: plan.added.iter().any(|it| it.name() == name),
            keys: keys(name),
        };
        let file = |(path, new): (std::path::PathBuf, bool)| SetUpFile {
            path: path.to_string_lossy().into_owned(),
            new,
        };
        Self {
            schema: 1,
            written: written == SetupEnd::All,
            directory: config.directory.to_string_lossy().into_owned(),
            rebuilders: config.rebuilders.keys().map(rebuilder).collect(),
            threshold: config.policy.default_requirement().map(|it| it.threshold().count()),
            voters: Voters::of(config, session.machine, session.now).count(),
            mode: mode::word(config.policy.mode()),
            dry_run: dry_run.map(|it| RecordedRun { counts: it.counts(), open: it.open() }),
            files: files.into_iter().map(file).collect(),
        }
    }
}
