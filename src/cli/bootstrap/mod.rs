//! `apt-quorum bootstrap`: debootstrap, with every package judged before the first is unpacked.
//!
//! debootstrap runs twice. The first run downloads and ends. Then the gate judges all files where
//! they are, in a directory that only root can change. The second run unpacks these files. It is
//! told that there are no others, and has no network, so it cannot unpack a file that was not
//! judged. It needs a [`Clearance`].

mod archives;
mod words;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Exit;
use super::args::Bootstrap;
use super::judging::{Court, at_hand, network};
use super::output::{about, complain_in_colour, json, path as shown, print};
use super::verify::{Decisions, exit_code};
use super::world::{Stop, say_remarks};
use crate::config::Config;
use crate::gate::{
    Candidate, Environment, Gate, Installing, Judged, News, Recorder, apt_configuration,
};
use crate::policy::{Clearance, Decision, Mode};
use crate::report::{self, Entrance, Record, SCHEMA};
use crate::sys::plain;
use crate::sys::secure::Trusted;
use words::Words;

/// The directory of debootstrap's and apt's packages, below the root of a system.
const ARCHIVES: &str = "var/cache/apt/archives";

/// An empty tarball for debootstrap: two 512-byte blocks (tar(5)).
const EMPTY_TARBALL: [u8; 1024] = [0; 1024];

fn wrong(why: impl Display) -> Stop {
    Stop::wrong(format!("{why}."))
}

fn refused(why: impl Display) -> Stop {
    Stop::refused(format!("refused: {why}."))
}

pub(super) fn run(arguments: &Bootstrap) -> Result<Exit, Stop> {
    match (&arguments.archives, arguments.check) {
        (_, true) => open(arguments, None).and_then(|court| {
            let config = enforcing(&court)?;
            let text = format!("{} can be used for a build.\n", shown(&config.directory));
            Ok(print(&text, Exit::Admitted))
        }),
        (Some(directory), false) => judge_directory(arguments, directory),
        (None, false) => bootstrap(arguments),
    }
}

/// Opens the gate. `lists` are the indexes that count.
fn open(arguments: &Bootstrap, lists: Option<&Path>) -> Result<Court, Stop> {
    let judging = &arguments.judging;
    let mut apt = apt_configuration(Environment::Heard).map_err(wrong)?;
    // What this machine's own apt knows of repositories says nothing about an image's.
    let lists = lists.unwrap_or(Path::new("/dev/null"));
    apt.set("Dir::State::lists", lists.to_string_lossy().into_owned());
    let gate = Gate::open(&apt, judging.directory.config.as_deref(), Trusted::now());
    let evidence = at_hand(&judging.evidence)?;
    Ok(Court { apt, gate, evidence, network: network(judging.offline) })
}

/// Returns the configuration, if it refuses packages that are not confirmed.
fn enforcing(court: &Court) -> Result<&Config, Stop> {
    let config = court.config()?;
    if config.policy.mode() != Mode::Enforce {
        return Err(wrong(
            "the mode is warn, so no package would be refused: set mode = \"enforce\" in \
             policy.toml, or use another configuration with --config",
        ));
    }
    Ok(config)
}

fn must_be_root() -> Result<(), Stop> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(wrong("only root can build a system: run it as root, or with sudo"))
}

/// Judges the packages in a directory from which another program is going to unpack them.
fn judge_directory(arguments: &Bootstrap, directory: &Path) -> Result<Exit, Stop> {
    let court = open(arguments, arguments.lists.as_deref())?;
    enforcing(&court)?;
    if let Some(lists) = &arguments.lists {
        // Everybody who can add an index decides from which repository a file is.
        Trusted::now().lasting().entries(lists).map_err(refused)?;
    }
    let candidates = archives::candidates(directory).map_err(refused)?;
    let ledger = arguments.receipts.as_deref();
    let outcome = "Do not unpack any of these files.";
    judge(arguments, &court, candidates, ledger, outcome).map(admitted)
}

/// Returns success. It takes the clearance of all packages: there is no other way to it.
fn admitted(_cleared: Clearance) -> Exit {
    Exit::Admitted
}

fn bootstrap(arguments: &Bootstrap) -> Result<Exit, Stop> {
    let words = Words::read(&arguments.words).map_err(wrong)?;
    must_be_root()?;
    enforcing(&open(arguments, None)?)?;
    let target = make_target(Path::new(&words.target)).map_err(wrong)?;

    run_debootstrap(arguments, Command::new("debootstrap"), words.to_download(&target))?;

    let archives = only_roots(&target, ARCHIVES).map_err(refused)?;
    // debootstrap verified its indexes, if it was not told to do without.
    let lists = only_roots(&target, "var/lib/apt/lists").map_err(refused)?;
    let lists = (!words.unsigned).then_some(lists);
    let candidates = archives::candidates(&archives).map_err(refused)?;
    only_roots_files(&target.join("debootstrap")).map_err(refused)?;
    archives::are_all_of(&target, &candidates).map_err(refused)?;
    let state = target.join("var/lib/apt-quorum");
    let state = arguments.receipts.as_deref().unwrap_or(&state);
    let ledger = (!arguments.no_receipts).then_some(state);
    let outcome =
        format!("Nothing was unpacked. What was downloaded stays in {}.", shown(&archives));
    let court = open(arguments, lists.as_deref())?;
    enforcing(&court)?;
    let clearance = judge(arguments, &court, candidates, ledger, &outcome)?;
    if !words.download_only {
        unpack(arguments, &words, &target, &clearance)?;
    }
    Ok(admitted(clearance))
}

/// Makes the target, if it is not there yet, and returns its real path. Only root may be able to
/// change anything there.
fn make_target(target: &Path) -> Result<PathBuf, String> {
    let failed = |error: &std::io::Error| about(target, &plain(error));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(target).map_err(|error| failed(&error))?;
    let target = fs::canonicalize(target).map_err(|error| failed(&error))?;
    if target == Path::new("/") {
        return Err("the target is this system: choose another directory".to_owned());
    }
    Trusted::now().lasting().entries(&target).map_err(|error| error.to_string())?;
    Ok(target)
}

/// Returns the directory at `inside` of the target. It must be there, not by way of links, and only
/// root may be able to change anything in it.
fn only_roots(target: &Path, inside: &str) -> Result<PathBuf, String> {
    let path = target.join(inside);
    Trusted::now().lasting().entries(&path).map_err(|error| error.to_string())?;
    match fs::canonicalize(&path) {
        Ok(real) if real == path => Ok(path),
        _ => Err(format!("{} is reached through a link", shown(&path))),
    }
}

/// Checks that each file with debootstrap's notes for its second run is root's as well. debootstrap
/// writes over a file that was there, and does not change its owner.
fn only_roots_files(directory: &Path) -> Result<(), String> {
    let trusted = Trusted::now().lasting();
    let names = trusted.entries(directory).map_err(|error| error.to_string())?;
    for name in names {
        trusted.open_file(&directory.join(name)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Runs debootstrap, or a command that does, to its end.
fn run_debootstrap(
    arguments: &Bootstrap,
    mut command: Command,
    words: Vec<OsString>,
) -> Result<(), Stop> {
    command.args(words).stdin(Stdio::null());
    if arguments.judging.json {
        // Standard output is for JSON alone.
        command.stdout(std::io::stderr());
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::refused(format!("debootstrap ended with {status}."))),
        Err(error) => Err(wrong(format!("debootstrap cannot be started: {}", plain(&error)))),
    }
}

/// Judges the packages, shows and records the decisions. Returns a clearance for all of them, or
/// fails.
fn judge(
    arguments: &Bootstrap,
    court: &Court,
    candidates: Vec<Candidate>,
    ledger: Option<&Path>,
    outcome: &str,
) -> Result<Clearance, Stop> {
    let now = court.present();
    let judged = court.judge(candidates, Installing::InPlace, now)?;
    say_remarks(&court.gate);

    let mut recorder =
        Recorder::open(&court.gate, &court.apt, Entrance::Bootstrap, News::Unconfirmed, ledger);
    let record = |it: &Judged| Record {
        notes: it.notes.clone(),
        ..recorder.record_of(&it.decision, &inside(&it.path), now)
    };
    let records: Vec<(Record, _)> = judged.iter().map(|it| (record(it), &it.signed)).collect();
    let decided: Vec<&Decision> = judged.iter().map(|it| &it.decision).collect();
    let recorded = recorder.record(&decided, &records);
    let decisions: Vec<(&Path, &Decision)> =
        judged.iter().map(|it| (it.path.as_path(), &it.decision)).collect();
    complain_in_colour(&report::summary(&decisions, outcome));
    let exit = exit_code(&judged);
    if arguments.judging.json {
        let decisions = records.into_iter().map(|(record, _)| record).collect();
        let shown = print(&json(&Decisions { schema: SCHEMA, decisions }), exit);
        if shown != exit {
            return Err(Stop::silently(shown));
        }
    }
    if let Err(error) = recorded {
        return Err(Stop::refused(format!("{error}. Without a record nothing is unpacked.")));
    }
    let decisions = judged.into_iter().map(|it| it.decision).collect();
    // The summary said why.
    Clearance::of(decisions).map_err(|_| Stop::silently(exit))
}

/// Returns a path as the image sees it, where that is known: receipts must not depend on where an
/// image was built.
fn inside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    match path.parent() {
        Some(parent) if parent.ends_with(ARCHIVES) => Path::new("/").join(ARCHIVES).join(name),
        _ => path.to_owned(),
    }
}

/// Has debootstrap unpack the files that were judged, without a network.
fn unpack(
    arguments: &Bootstrap,
    words: &Words,
    target: &Path,
    _cleared: &Clearance,
) -> Result<(), Stop> {
    let nothing = target.join("debootstrap/nothing.tar");
    fs::write(&nothing, EMPTY_TARBALL)
        .map_err(|error| Stop::refused(format!("{}.", about(&nothing, &plain(&error)))))?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "debootstrap"]);
    let unpacked = run_debootstrap(arguments, command, words.to_unpack(target, &nothing));
    // debootstrap removes its directory, unless the second stage is still to come.
    let _ = fs::remove_file(&nothing);
    unpacked
}
