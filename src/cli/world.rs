//! The common parts of commands that look at the configuration and change it: their start, their
//! end, their questions, and the change itself.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::Exit;
use super::args::ConfigDirectory;
use super::output::{self, complain, path, print};
use crate::apt::configuration::Configuration;
use crate::attest::PinnedKey;
use crate::config::{self, Change, ChangeError, Config, Draft, with_setting, with_threshold};
use crate::gate::{Environment, Gate, apt_configuration};
use crate::policy::Mode;
use crate::sys::secure::{SecureError, Trusted};
use crate::types::{PublicKey, RebuilderName, Threshold, Timestamp, printable};

/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 4096;

/// The file with the policy, below the directory of the configuration.
pub(super) const POLICY: &str = "policy.toml";

/// Returns the exit code of a command, and prints the reason if it was stopped.
pub(super) fn end(done: Result<Exit, Stop>) -> Exit {
    done.unwrap_or_else(|stop| {
        if !stop.why.is_empty() {
            complain(&plain(&format!("apt-quorum: {}\n", stop.why)));
        }
        stop.exit
    })
}

/// Returns the time of this machine's clock.
pub(super) fn now() -> Timestamp {
    Timestamp::from(std::time::SystemTime::now())
}

/// Prints lines that may have text from outside in them.
pub(super) fn say(text: &str, exit: Exit) -> Exit {
    print(&plain(text), exit)
}

/// Prints what a person must see before a decision.
pub(super) fn say_first(text: &str) -> Result<(), Stop> {
    match say(text, Exit::Admitted) {
        Exit::Admitted => Ok(()),
        _ => Err(Stop::refused("cannot write to standard output. Nothing was changed.")),
    }
}

/// Prints verdicts in the same way, in colour at a terminal.
pub(super) fn show(text: &str, exit: Exit) -> Exit {
    output::show(&plain(text), exit)
}

/// Reports on standard error the parts of this machine's indexes that were not read.
pub(super) fn say_remarks(gate: &Gate) {
    for remark in gate.remarks() {
        complain(&plain(&format!("apt-quorum: {remark}.\n")));
    }
}

/// Returns the text without anything that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~' | '\n') { c } else { '?' }).collect()
}

/// Goes on if the command line agrees, or a person at a terminal does. Beside JSON, no question is
/// asked.
pub(super) fn agree(question: &str, yes: bool, json: bool) -> Result<(), Stop> {
    match (yes, json) {
        (true, _) => Ok(()),
        (false, true) => {
            Err(Stop::wrong("--json asks no questions: add --yes. Nothing was changed."))
        }
        (false, false) => ask(question, "--yes"),
    }
}

/// Asks at a terminal until the answer is yes or no; no answer is no.
pub(super) fn asked(question: &str) -> Result<bool, Stop> {
    loop {
        match answer(question)?.to_ascii_lowercase().as_str() {
            "yes" => return Ok(true),
            "no" | "n" | "" => return Ok(false),
            _ => say_first("  Type yes or no.\n")?,
        }
    }
}

/// Asks at a terminal; any answer but yes is no. Where there is no terminal, the error says to add
/// `flags`.
pub(super) fn ask(question: &str, flags: &str) -> Result<(), Stop> {
    if !io::stdin().is_terminal() {
        return Err(Stop::wrong(format!("no terminal: add {flags}. Nothing was changed.")));
    }
    match answer(question)?.as_str() {
        "yes" => Ok(()),
        _ => Err(Stop::refused("nothing was changed.")),
    }
}

/// Returns what a person types at the terminal, without white space around it. Fails at the end of
/// the input (Ctrl-D), which means that nothing is to be done.
pub(super) fn answer(question: &str) -> Result<String, Stop> {
    say_first(question)?;
    let mut answer = Vec::new();
    let read = io::stdin().lock().take(MAX_ANSWER).read_until(b'\n', &mut answer);
    if read.is_err() || !answer.ends_with(b"\n") {
        // The next message must not be on the line of the question.
        let _ = say("\n", Exit::Admitted);
        return Err(Stop::refused("nothing was changed."));
    }
    Ok(String::from_utf8_lossy(answer.trim_ascii()).into_owned())
}

/// The reason why a command ends without having done anything, with its exit code.
pub(super) struct Stop {
    pub(super) exit: Exit,
    /// Empty if the reason was printed already
    pub(super) why: String,
}

impl Stop {
    /// The reason was printed already.
    pub(super) const fn silently(exit: Exit) -> Self {
        Self { exit, why: String::new() }
    }

    /// The command line or the configuration is wrong.
    pub(super) fn wrong(why: impl ToString) -> Self {
        Self { exit: Exit::Wrong, why: why.to_string() }
    }

    /// The command refuses.
    pub(super) fn refused(why: impl ToString) -> Self {
        Self { exit: Exit::Refused, why: why.to_string() }
    }

    /// A party that had to be asked did not answer.
    pub(super) fn silent(why: impl ToString) -> Self {
        Self { exit: Exit::CouldNotFindOut, why: why.to_string() }
    }
}

impl From<ChangeError> for Stop {
    fn from(error: ChangeError) -> Self {
        match error {
            // With the lines at fault, which begin with file names.
            ChangeError::BrokenBefore(_) => {
                Self::wrong(format!("the configuration has mistakes:\n\n{error}"))
            }
            ChangeError::WouldBreak(_) => {
                Self::refused(format!("the configuration would have mistakes:\n\n{error}"))
            }
            ChangeError::Refused { .. } if !nix::unistd::geteuid().is_root() => {
                Self::refused(format!("{error} Run it as root, or with sudo."))
            }
            error => Self::refused(error),
        }
    }
}

/// A choice: switch holding back on, or leave it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    On,
    AsItIs,
}

/// The base of a command that looks at a configuration without mistakes, or changes it.
pub(super) struct World {
    pub(super) apt: Configuration,
    pub(super) config: Config,
    pub(super) trusted: Trusted,
}

/// Returns the directory of the configuration: the one that was named, or the one that apt names.
pub(super) fn directory(named: &ConfigDirectory, apt: &Configuration) -> PathBuf {
    let default = || apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY);
    named.config.clone().unwrap_or_else(default)
}

/// Returns the option with which a command means the configuration in this directory.
pub(super) fn option(apt: &Configuration, directory: &Path) -> String {
    if apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY) == directory {
        return String::new();
    }
    format!(" --config {}", directory.display())
}

impl World {
    pub(super) fn open(named: &ConfigDirectory) -> Result<Self, Stop> {
        let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
        let trusted = Trusted::now();
        let config =
            config::load(&directory(named, &apt), trusted).map_err(ChangeError::BrokenBefore)?;
        Ok(Self { apt, config, trusted })
    }

    /// Returns the rebuilder that the command line names.
    pub(super) fn rebuilder(
        &self,
        name: &str,
    ) -> Result<(&RebuilderName, &config::Rebuilder), Stop> {
        let found = self.config.rebuilders.iter().find(|(it, _)| it.as_str() == name);
        found.ok_or_else(|| {
            let (name, option) = (printable(name), self.option());
            Stop::wrong(format!(
                "there is no rebuilder {name}. See the list: apt-quorum rebuilder list{option}"
            ))
        })
    }

    /// Returns the option with which a proposed command means the same configuration.
    pub(super) fn option(&self) -> String {
        option(&self.apt, &self.config.directory)
    }

    /// Adds to a change that these rebuilders are none any more: removes their files, and their keys
    /// if no other rebuilder's file names these.
    pub(super) fn forget(
        &self,
        names: &BTreeSet<RebuilderName>,
        change: &mut Change,
    ) -> Result<(), Stop> {
        let (gone, stay): (Vec<_>, Vec<_>) =
            self.config.rebuilders.iter().partition(|(name, _)| names.contains(*name));
        let kept: BTreeSet<&PathBuf> = stay.iter().flat_map(|(_, it)| &it.key_files).collect();
        let own = self.config.directory.join("rebuilders.d");
        for (_, rebuilder) in gone {
            // A file elsewhere, or one that another rebuilder's file names, is not its alone.
            let keys = rebuilder.key_files.iter();
            let keys = keys.filter(|it| it.starts_with(&own) && !kept.contains(it));
            for path in std::iter::once(&rebuilder.file).chain(keys) {
                change.remove(self.relative(path)?);
            }
        }
        Ok(())
    }

    /// Returns the path of a file of the configuration, relative to its directory.
    pub(super) fn relative(&self, of: &Path) -> Result<PathBuf, Stop> {
        of.strip_prefix(&self.config.directory).map(ToOwned::to_owned).map_err(|_| {
            Stop::refused(format!(
                "{} is outside the configuration directory: edit it by hand.",
                path(of)
            ))
        })
    }

    /// Returns the text of a file below the directory of the configuration.
    pub(super) fn read(&self, file: &Path) -> Result<String, SecureError> {
        self.trusted.read(&self.config.directory.join(file), config::MAX_FILE)
    }

    /// Returns the change that adds these rebuilders and sets the threshold and the mode, where
    /// they are given.
    pub(super) fn change<'d>(
        &self,
        drafts: impl IntoIterator<Item = &'d Draft>,
        threshold: Option<Threshold>,
        mode: Option<Mode>,
        hold: Hold,
    ) -> Result<Change, Stop> {
        let mut change = Change::of(&self.config.directory);
        for draft in drafts {
            draft.create_in(&mut change);
        }
        let unchanged = |why: String| Stop::refused(format!("{why}. Nothing was changed."));
        let was = self.read(Path::new(POLICY)).map_err(|error| unchanged(error.to_string()))?;
        let mut text = Some(was.clone());
        if let Some(threshold) = threshold {
            text = text.and_then(|it| with_threshold(&it, threshold));
        }
        if let Some(mode) = mode {
            let word = format!("\"{}\"", super::mode::word(mode));
            text = text.and_then(|it| with_setting(&it, "mode", &word));
        }
        if hold == Hold::On {
            text = text.and_then(|it| with_setting(&it, "hold", "true"));
        }
        let text = text.ok_or_else(|| {
            let file = self.config.directory.join(POLICY);
            unchanged(format!("cannot write the threshold and the mode into {}", file.display()))
        })?;
        if text != was {
            change.edit(POLICY, was, text);
        }
        Ok(change)
    }
}

/// Returns true if signatures of this key count now.
pub(super) fn is_valid(key: &PinnedKey, now: Timestamp) -> bool {
    let can_sign = match &key.key {
        PublicKey::OpenPgp(certificate) => certificate.can_sign(now).is_ok(),
        _ => true,
    };
    can_sign && key.is_good_at(now)
}

/// Returns the URI of a source as it is shown: without a password.
pub(super) fn shown_uri(uri: &str) -> String {
    let shown = match uri.split_once("://") {
        Some((method, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let rest = host.rfind('@').and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
            format!("{method}://{rest}")
        }
        None => uri.to_owned(),
    };
    printable(&shown).to_string()
}
