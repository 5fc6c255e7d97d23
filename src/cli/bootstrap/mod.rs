//! `apt-quorum bootstrap`: debootstrap, with every package judged before the first is unpacked.
//!
//! debootstrap runs twice. The first run downloads and ends. Then the gate judges all files where
//! they are, in a directory that only root can change. The second run unpacks these files. It is
//! told that there are no others, and has no network, so it cannot unpack a file that was not
//! judged. It needs a [`Clearance`].

mod archives;
mod words;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Exit;
use super::args::Bootstrap;
use super::evidence_at_hand;
use super::output::{complain, complain_in_colour, json, print};
use super::verify::{Decisions, exit_code};
use super::world::say_remarks;
use crate::apt::configuration::Configuration;
use crate::config::Config;
use crate::evidence::{AtHand, Network, about};
use crate::gate::{
    Candidate, Environment, Gate, Installing, Judged, Look, News, Recorder, apt_configuration,
};
use crate::policy::{Clearance, Decision, Mode};
use crate::receipt;
use crate::report::{self, Entrance, Record, SCHEMA};
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Timestamp, printable};
use words::Words;

/// The directory of debootstrap's and apt's packages, below the root of a system.
const ARCHIVES: &str = "var/cache/apt/archives";

/// An empty tarball for debootstrap: two 512-byte blocks (tar(5)).
const EMPTY_TARBALL: [u8; 1024] = [0; 1024];

/// The exit code of a bootstrap that ends before everything is done.
struct Ended(Exit);

impl Ended {
    /// Prints the reason.
    fn because(exit: Exit, why: &str) -> Self {
        complain(&format!("apt-quorum: {why}.\n"));
        Self(exit)
    }
}

pub(super) fn run(arguments: &Bootstrap) -> Exit {
    let done = match (&arguments.archives, arguments.check) {
        (_, true) => open(arguments, None).and_then(|(gate, _)| {
            let config = enforcing(&gate)?;
            let directory = config.directory.to_string_lossy();
            let text = format!("{} is fit for a build.\n", printable(&directory));
            Ok(print(&text, Exit::Admitted))
        }),
        (Some(directory), false) => judge_directory(arguments, directory),
        (None, false) => bootstrap(arguments),
    };
    done.unwrap_or_else(|Ended(exit)| exit)
}

/// Opens the gate. Returns it with the configuration of apt that it was opened with. `lists` are
/// the indexes that count.
fn open(arguments: &Bootstrap, lists: Option<&Path>) -> Result<(Gate, Configuration), Ended> {
    let mut apt = apt_configuration(Environment::Heard)
        .map_err(|error| Ended::because(Exit::Wrong, &error.to_string()))?;
    // What this machine's own apt knows of archives says nothing about an image's.
    let lists = lists.unwrap_or(Path::new("/dev/null"));
    apt.set("Dir::State::lists", lists.to_string_lossy().into_owned());
    let gate = Gate::open(&apt, arguments.directory.config.as_deref(), Trusted::now());
    Ok((gate, apt))
}

/// Returns the configuration, if it refuses packages that are not confirmed.
fn enforcing(gate: &Gate) -> Result<&Config, Ended> {
    let config = gate.config().map_err(|problems| {
        complain(&format!("{problems}; with any, nothing is built.\n"));
        Ended(Exit::Wrong)
    })?;
    if config.policy.mode() != Mode::Enforce {
        let why = "the mode is warn, and a build that cannot fail protects nobody: set \
                   mode = \"enforce\" in policy.toml, or name another directory with --config";
        return Err(Ended::because(Exit::Wrong, why));
    }
    Ok(config)
}

fn must_be_root() -> Result<(), Ended> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Ended::because(Exit::Wrong, "only root can build a system"))
}

/// Judges the packages in a directory from which another program is going to unpack them.
fn judge_directory(arguments: &Bootstrap, directory: &Path) -> Result<Exit, Ended> {
    let (gate, apt) = open(arguments, arguments.lists.as_deref())?;
    enforcing(&gate)?;
    let refused = |why: String| Ended::because(Exit::Refused, &format!("refused: {why}"));
    if let Some(lists) = &arguments.lists {
        // Everybody who can add an index decides from which archive a file is.
        Trusted::now().lasting().entries(lists).map_err(|error| refused(error.to_string()))?;
    }
    let candidates = archives::candidates(directory).map_err(refused)?;
    let ledger = arguments.receipts.as_deref();
    let outcome = "Nothing of this may be unpacked.";
    judge(arguments, &gate, &apt, candidates, ledger, outcome).map(admitted)
}

/// Returns success. It takes the clearance of all packages: there is no other way to it.
fn admitted(_cleared: Clearance) -> Exit {
    Exit::Admitted
}

fn bootstrap(arguments: &Bootstrap) -> Result<Exit, Ended> {
    let words = Words::read(&arguments.words).map_err(|why| Ended::because(Exit::Wrong, &why))?;
    must_be_root()?;
    enforcing(&open(arguments, None)?.0)?;
    let target =
        make_target(Path::new(&words.target)).map_err(|why| Ended::because(Exit::Wrong, &why))?;

    run_debootstrap(arguments, Command::new("debootstrap"), words.to_download(&target))?;

    let refused = |why: String| Ended::because(Exit::Refused, &format!("refused: {why}"));
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
    let outcome = format!(
        "Nothing was unpacked. What was downloaded stays in {}.",
        printable(&archives.to_string_lossy())
    );
    let (gate, apt) = open(arguments, lists.as_deref())?;
    enforcing(&gate)?;
    let clearance = judge(arguments, &gate, &apt, candidates, ledger, &outcome)?;
    if !words.download_only {
        unpack(arguments, &words, &target, &clearance)?;
    }
    Ok(admitted(clearance))
}

/// Makes the target, if it is not there yet, and returns its real path. Only root may be able to
/// change anything there.
fn make_target(target: &Path) -> Result<PathBuf, String> {
    let failed = |error: &std::io::Error| {
        format!("{}: {}", printable(&target.to_string_lossy()), plain(error))
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(target).map_err(|error| failed(&error))?;
    let target = fs::canonicalize(target).map_err(|error| failed(&error))?;
    if target == Path::new("/") {
        return Err("the target is this very system".to_owned());
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
        _ => Err(format!("{} is reached by way of a link", printable(&path.to_string_lossy()))),
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
) -> Result<(), Ended> {
    command.args(words).stdin(Stdio::null());
    if arguments.json {
        // Standard output is for JSON alone.
        command.stdout(std::io::stderr());
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            Err(Ended::because(Exit::Refused, &format!("debootstrap ended with {status}")))
        }
        Err(error) => {
            let why = format!("debootstrap cannot be started: {}", plain(&error));
            Err(Ended::because(Exit::Wrong, &why))
        }
    }
}

/// Judges the packages, shows and records the decisions. Returns a clearance for all of them, or
/// fails.
fn judge(
    arguments: &Bootstrap,
    gate: &Gate,
    apt: &Configuration,
    candidates: Vec<Candidate>,
    ledger: Option<&Path>,
    outcome: &str,
) -> Result<Clearance, Ended> {
    let evidence: Vec<AtHand> =
        evidence_at_hand(&arguments.evidence).map_err(|why| Ended::because(Exit::Wrong, &why))?;
    let network = if arguments.offline { Network::Denied } else { Network::Allowed };
    let mut gatherer =
        gate.gatherer(apt, network).map_err(|why| Ended::because(Exit::Wrong, &why))?;
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    let now = Timestamp::from(receipt::present(&state, std::time::SystemTime::now()).now);
    let look = Look { evidence: &|it| about(&evidence, it), installing: Installing::InPlace };
    let bar = Progress::of("", candidates.len());
    let judged = gate.judge(candidates, look, &mut *gatherer, now, |done| bar.at(done));
    drop((gatherer, bar));
    say_remarks(gate);

    let mut recorder = Recorder::open(gate, apt, Entrance::Bootstrap, News::Unconfirmed, ledger);
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
    if arguments.json {
        let decisions = records.into_iter().map(|(record, _)| record).collect();
        let shown = print(&json(&Decisions { schema: SCHEMA, decisions }), exit);
        if shown != exit {
            return Err(Ended(shown));
        }
    }
    if let Err(error) = recorded {
        let why = format!("{error}. What cannot be recorded is not unpacked");
        return Err(Ended::because(Exit::Refused, &why));
    }
    let decisions = judged.into_iter().map(|it| it.decision).collect();
    Clearance::of(decisions).map_err(|_| Ended(exit))
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
) -> Result<(), Ended> {
    let nothing = target.join("debootstrap/nothing.tar");
    fs::write(&nothing, EMPTY_TARBALL).map_err(|error| {
        let path = nothing.to_string_lossy();
        let why = format!("{}: {}", printable(&path), plain(&error));
        Ended::because(Exit::Refused, &why)
    })?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "debootstrap"]);
    let unpacked = run_debootstrap(arguments, command, words.to_unpack(target, &nothing));
    // debootstrap takes its directory away, unless the second stage is still to come.
    let _ = fs::remove_file(&nothing);
    unpacked
}
