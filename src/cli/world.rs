//! The common parts of commands that look at the configuration and change it: their start, their
//! end, and their questions.

use std::io::{self, BufRead, IsTerminal, Read};

use super::Exit;
use super::args::Directory;
use super::output::{self, complain, print};
use crate::apt::configuration::Configuration;
use crate::config::{self, ChangeError, Config};
use crate::gate::{Environment, Gate, apt_configuration};
use crate::sys::secure::Trusted;
use crate::types::{RebuilderName, printable};

/// Longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 4096;

/// Returns the exit code of a command, and prints the reason if it was stopped.
pub(super) fn end(done: Result<Exit, Stop>) -> Exit {
    done.unwrap_or_else(|stop| {
        complain(&plain(&format!("apt-quorum: {}\n", stop.why)));
        stop.exit
    })
}

/// Prints lines that may have text from outside in them.
pub(super) fn say(text: &str, exit: Exit) -> Exit {
    print(&plain(text), exit)
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

/// Asks at a terminal; anything but yes is no. Where there is none, the error says `without`.
pub(super) fn ask(question: &str, without: &str) -> Result<(), Stop> {
    if !io::stdin().is_terminal() {
        return Err(Stop::refused(format!("nobody can be asked: {without}. Nothing was changed.")));
    }
    match answer(question)?.as_str() {
        "yes" => Ok(()),
        _ => Err(Stop::refused("nothing was changed.")),
    }
}

/// Returns what a person types at the terminal, without white space around it. Fails at the end of
/// the input (Ctrl-D), which means that nothing is to be done.
pub(super) fn answer(question: &str) -> Result<String, Stop> {
    if say(question, Exit::Admitted) != Exit::Admitted {
        return Err(Stop::refused("the question could not be shown: nothing was changed."));
    }
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
    pub(super) why: String,
}

impl Stop {
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

/// The base of a command that looks at a configuration without mistakes, or changes it.
pub(super) struct World {
    pub(super) apt: Configuration,
    pub(super) config: Config,
    pub(super) trusted: Trusted,
}

impl World {
    pub(super) fn open(directory: &Directory) -> Result<Self, Stop> {
        let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
        let directory = directory
            .config
            .clone()
            .unwrap_or_else(|| apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY));
        let trusted = Trusted::now();
        let config = config::load(&directory, trusted).map_err(ChangeError::BrokenBefore)?;
        Ok(Self { apt, config, trusted })
    }

    /// Returns the rebuilder that the command line names.
    pub(super) fn rebuilder(
        &self,
        name: &str,
    ) -> Result<(&RebuilderName, &config::Rebuilder), Stop> {
        let found = self.config.rebuilders.iter().find(|(it, _)| it.as_str() == name);
        found.ok_or_else(|| {
            let name = printable(name);
            Stop::wrong(format!(
                "there is no rebuilder {name}: apt-quorum rebuilder list shows who there is."
            ))
        })
    }

    /// Returns the option with which a proposed command means the same configuration.
    pub(super) fn option(&self) -> String {
        let own = self.apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY);
        if own == self.config.directory {
            return String::new();
        }
        format!(" --config {}", self.config.directory.display())
    }

    /// Returns the path of a file of the configuration, relative to its directory.
    pub(super) fn relative(&self, path: &std::path::Path) -> Result<std::path::PathBuf, Stop> {
        path.strip_prefix(&self.config.directory).map(ToOwned::to_owned).map_err(|_| {
            let path = printable(&path.to_string_lossy()).to_string();
            Stop::refused(format!("{path} is not below the configuration: change it by hand."))
        })
    }
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
