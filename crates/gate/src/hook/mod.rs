//! The hooks that run as root right before dpkg unpacks: apt's hook, dpkg's own, and the check of
//! each archive. Another hook runs before all of them and admits nothing: it tells people which
//! packages will be refused before apt asks whether to continue.
//!
//! They trust neither the method nor the cache: they open and hash every archive again, whatever
//! its name and its source. Every error ends with a non-zero exit, and then nothing is installed.

mod apt_arguments;
mod before_prompt;
mod command_line;
mod debsig;
mod dpkg;
mod emulator;
mod pre_install;
mod trace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::apt::configuration::Configuration;
use crate::gate::{
    Candidate, Gate, Installing, Judged, Look, Memory, News, Recalled, Recorder, ToRemember,
};
use crate::log::Log;
use crate::policy::{Clearance, Decision, Mode};
use crate::receipt;
use crate::report::{self, Entrance};
use crate::sys::terminal::{self, Progress};
use crate::types::Timestamp;

pub use before_prompt::{HELD_LINE, run as before_prompt};
pub use command_line::{UnknownOption, told};
pub use debsig::run as debsig_verify;
pub use dpkg::run as dpkg_pre_invoke;
pub use pre_install::run as pre_install_pkgs;

/// The last sentence when a file is refused.
const OUTCOME: &str = "Nothing was installed.";

/// The label before a progress bar, in the middle of the output of apt and dpkg.
const LABEL: &str = "apt-quorum: ";

/// The gate as one of the hooks sees it.
struct Hook<'a> {
    gate: &'a Gate,
    apt: &'a Configuration,
    entrance: Entrance,
    now: Timestamp,
    news: News,
}

/// A choice: remember cleared files for the hooks that run after this one, or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remembering {
    Yes,
    No,
}

impl Hook<'_> {
    /// Judges, records, and reports the decisions. Returns nothing if any file is refused. Without
    /// candidates, no file comes onto the system.
    fn clear(&self, candidates: Vec<Candidate>, remembering: Remembering) -> Option<Clearance> {
        if candidates.is_empty() {
            return Clearance::of(Vec::new()).ok();
        }
        let mut gatherer = match self.gate.gatherer_of_entrance(self.apt) {
            Ok(gatherer) => gatherer,
            Err(why) => {
                complain(&format!("{why}. {OUTCOME}"));
                Log::open(self.apt).nothing_passed(self.entrance, &why);
                return None;
            }
        };
        let look = Look { evidence: &|_| Vec::new(), installing: Installing::InPlace };
        let bar = Progress::of(LABEL, candidates.len());
        let judged =
            self.gate.judge(candidates, look, &mut *gatherer, self.now, |done| bar.at(done));
        drop((gatherer, bar));
        for remark in self.gate.remarks() {
            complain(&format!("{remark}."));
        }

        let state = state(self.apt);
        self.gate.keep_run(&state, self.now, &[]);
        let mut recorder =
            Recorder::open(self.gate, self.apt, self.entrance, self.news, Some(&state));
        let record = |it: &Judged| recorder.record_of(&it.decision, &it.path, self.now);
        let records: Vec<_> = judged.iter().map(|it| (record(it), &it.signed)).collect();
        let decided: Vec<&Decision> = judged.iter().map(|it| &it.decision).collect();
        let recorded = recorder.record(&decided, &records);
        drop(records);
        let decisions: Vec<(&Path, &Decision)> =
            judged.iter().map(|it| (it.path.as_path(), &it.decision)).collect();
        complain_in_colour(&report::summary(&decisions, OUTCOME), self.apt);
        if let Err(error) = recorded {
            complain(&format!("{error}."));
            if mode(self.gate) == Mode::Enforce {
                complain("nothing is installed without a record.");
                let why = format!("{error}; nothing is installed without a record");
                recorder.nothing_passed(&why);
                return None;
            }
        }
        let to_remember = ToRemember::of(&judged, self.now);
        let decisions = judged.into_iter().map(|it| it.decision).collect();
        let clearance = Clearance::of(decisions).ok()?;
        if let (Remembering::Yes, Ok(config)) = (remembering, self.gate.config()) {
            // Without it, all further steps only take longer.
            let _ = to_remember.write(&clearance, &state, config.digest, self.now);
        }
        Some(clearance)
    }

    /// Lets files pass that the hook cleared a moment ago, and judges the others that dpkg is about
    /// to unpack from `paths`.
    fn pass_or_clear(&self, paths: Vec<PathBuf>) -> ExitCode {
        let memory = match self.gate.config() {
            Ok(config) => Memory::read(&state(self.apt), config.digest, self.now),
            Err(_) => Memory::default(),
        };
        let mut recalled = Vec::new();
        let mut candidates = Vec::new();
        for path in paths {
            match memory.recall(&path) {
                Some(it) => recalled.push(it),
                None => candidates.push(Candidate { path, requested: None }),
            }
        }
        exit(self.clear(candidates, Remembering::No), recalled)
    }
}

/// The mode, which decides about files that nothing admits. Without a usable configuration they are
/// refused.
fn mode(gate: &Gate) -> Mode {
    gate.config().map_or(Mode::Enforce, |config| config.policy.mode())
}

/// The directory in which root keeps its state.
fn state(apt: &Configuration) -> PathBuf {
    apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY)
}

/// Returns the time by which files are judged, and prints a warning if the clock must be wrong.
fn present(apt: &Configuration) -> Timestamp {
    let clock = std::time::SystemTime::now();
    let moment = receipt::present(&state(apt), clock);
    let now = Timestamp::from(moment.now);
    if let Some(receipts) = moment.ahead {
        complain(&format!(
            "the clock says {}, but there are receipts of {now}, so that date applies. If that date is wrong: touch {}.",
            Timestamp::from(clock),
            receipts.display()
        ));
    }
    now
}

/// Ends the hook. This is the only way to a zero exit: every file was cleared now, or a moment ago.
fn exit(cleared: Option<Clearance>, _recalled: Vec<Recalled>) -> ExitCode {
    match cleared {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

/// Prints the reason for which nothing can be judged at all, and that nothing was installed. `apt`
/// is apt's configuration as far as that is known.
fn refuse(entrance: Entrance, apt: &Configuration, why: &str) -> ExitCode {
    complain(&format!("{why}. {OUTCOME}"));
    Log::open(apt).nothing_passed(entrance, why);
    ExitCode::FAILURE
}

fn complain(line: &str) {
    complain_raw(&format!("apt-quorum: {line}\n"));
}

/// Writes a summary to standard error. Uses colours at a terminal, unless the person turned them
/// off in apt or dpkg.
fn complain_in_colour(text: &str, apt: &Configuration) {
    let apt_has_none = apt.find("APT::Color").is_some() && !apt.is_on("APT::Color");
    let dpkg_has_none = std::env::var_os("DPKG_COLORS").is_some_and(|it| it == "never");
    if !apt_has_none && !dpkg_has_none && terminal::takes_colours(&std::io::stderr()) {
        complain_raw(&report::painted(text));
    } else {
        complain_raw(text);
    }
}

/// Writes to standard error. Ignores errors: a missing reader changes nothing.
fn complain_raw(text: &str) {
    use std::io::Write;

    let _ = std::io::stderr().write_all(text.as_bytes());
}
