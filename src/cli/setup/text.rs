//! The texts that people read along the way, and the JSON that scripts read at the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::dry_run::{DryRun, OpenPackage, RunCounts};
use super::machine::{Chosen, LocalMachine, SourceChoice};
use super::plan::SetupPlan;
use super::threshold::Voters;
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
    sources: &Chosen,
    machine: &LocalMachine,
    apt: &Configuration,
) -> String {
    let mut text = format!(
        "With these changes, in mode {}: {}\n",
        mode::word(would_be.policy.mode()),
        mode::meaning(would_be)
    );
    match sources {
        Chosen::All => text += "apt-quorum checks downloads from every http and https source.\n",
        Chosen::AsTheyAre => {}
        Chosen::These(uris) => {
            let new = machine.choices().into_iter().map(|it| it.uri);
            for uri in new.filter(|it| uris.contains(it)).collect::<BTreeSet<_>>() {
                let uri = shown_uri(&uri);
                let _ = writeln!(text, "apt-quorum also checks downloads from {uri}.");
            }
            for uri in machine.judged().filter(|it| !uris.contains(*it)).collect::<BTreeSet<_>>() {
                let uri = shown_uri(uri);
                let _ = writeln!(text, "apt-quorum no longer checks downloads from {uri}.");
            }
            if machine.all_are_judged() {
                text += match uris.is_empty() {
                    true => "apt-quorum no longer checks downloads.\n",
                    false => "apt-quorum no longer checks downloads from other sources.\n",
                };
            }
        }
    }
    for note in ways(would_be, apt, Commands::Own) {
        let _ = writeln!(text, "Note: {}.", printable(&note));
    }
    for (number, (file, is_new)) in change.writes().into_iter().enumerate() {
        if number == 0 {
            text += "Files to write:\n";
        }
        let what = if is_new { "new" } else { "changed" };
        let _ = writeln!(text, "  {} ({what})", path(&file));
    }
    for (number, file) in change.removes().into_iter().enumerate() {
        if number == 0 {
            text += "Files to delete:\n";
        }
        let _ = writeln!(text, "  {}", path(&file));
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
    /// True if something was changed, or would be
    changed: bool,
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
    /// The files that were deleted, or would be
    deleted: Vec<String>,
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

/// The extent of what a setup did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// True if something was changed, or would be without `--dry-run`
    pub(super) changed: bool,
    /// True if it was written
    pub(super) written: bool,
}

/// The files that a change writes and removes.
pub(super) struct ChangedFiles {
    files: Vec<SetUpFile>,
    deleted: Vec<String>,
}

impl ChangedFiles {
    pub(super) fn of(change: &Change) -> Self {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let written = change.writes().into_iter();
        Self {
            files: written.map(|(path, new)| SetUpFile { path: text(path), new }).collect(),
            deleted: change.removes().into_iter().map(text).collect(),
        }
    }
}

impl<'a> SetupRecord<'a> {
    /// `new` are the rebuilders that were none before, and `voters` is the number of those that can
    /// confirm packages of this machine.
    pub(super) fn of(
        config: &Config,
        new: BTreeSet<RebuilderName>,
        voters: usize,
        ChangedFiles { files, deleted }: ChangedFiles,
        dry_run: Option<&'a DryRun>,
        Written { changed, written }: Written,
    ) -> Self {
        let keys = |name: &RebuilderName| {
            let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
            own.map(|it| it.key.key_id().as_str().to_owned()).collect()
        };
        let rebuilder = |name: &RebuilderName| SetUpRebuilder {
            name: name.clone(),
            new: new.contains(name),
            keys: keys(name),
        };
        Self {
            schema: 1,
            changed,
            written,
            directory: config.directory.to_string_lossy().into_owned(),
            rebuilders: config.rebuilders.keys().map(rebuilder).collect(),
            threshold: config.policy.default_requirement().map(|it| it.threshold().count()),
            voters,
            mode: mode::word(config.policy.mode()),
            dry_run: dry_run.map(|it| RecordedRun { counts: it.counts(), open: it.open() }),
            files,
            deleted,
        }
    }
}
