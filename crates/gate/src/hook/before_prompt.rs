//! `AptCli::Hooks::Install`: before apt asks whether to go on, and before anything is downloaded.
//!
//! It works from apt's indexes, because the files of the packages are not here. So it admits
//! nothing: the method and the hook still judge the packages to which it does not object. It can
//! only refuse earlier. The evidence that it finds is in the cache when they ask.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use super::{
    LABEL, apt_arguments, complain, complain_in_colour, complain_raw, present, state, trace,
};
use crate::apt::configuration::Configuration;
use crate::apt::json_hook::{self, HookMessage, HookMessageError};
use crate::gate::{Ask, Gate, Haste, Outlook};
use crate::policy::Mode;
use crate::report;
use crate::sys::files::read_bounded;
use crate::sys::inherited;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Called, Identity, printable};

/// The variable in which apt passes the descriptor of its socket.
const SOCKET: &str = "APT_HOOK_SOCKET";

/// The item of apt's configuration that selects when this hook reports: see [`Speaking`].
const ITEM: &str = "APT::Quorum::Before-Prompt";

/// The last sentence when apt is told to stop.
const OUTCOME: &str = "Nothing was downloaded or installed.";

/// The last sentence when apt is going to ask whether to continue all the same.
const PROSPECT: &str = "If you continue, apt downloads everything and installs nothing.";

/// The file with the line about packages that are held back, below `APT::Quorum::State`. The command
/// writes it.
pub const HELD_LINE: &str = "held";

/// Longest such line, in bytes.
const MAX_HELD_LINE: usize = 1024;

/// Runs the hook. A failure makes apt stop.
#[must_use]
pub fn run() -> ExitCode {
    let number = std::env::var(SOCKET).ok().and_then(|it| it.parse().ok());
    let Some(socket) = number.and_then(inherited::take) else {
        complain("apt starts before-prompt: see apt-quorum(1).");
        return ExitCode::FAILURE;
    };
    match converse(&socket) {
        Ok(code) => code,
        // The gate does not depend on this conversation.
        Err(error) => {
            let why = error.to_string();
            complain(&format!("{}; packages are judged when they are installed.", printable(&why)));
            ExitCode::SUCCESS
        }
    }
}

fn converse(socket: &File) -> Result<ExitCode, HookMessageError> {
    let mut from = BufReader::new(socket);
    let mut to = socket;
    let mut apt = Configuration::default();
    let mut code = ExitCode::SUCCESS;
    while let Some(message) = json_hook::read(&mut from)? {
        match message {
            HookMessage::Hello { answer, configuration } => {
                to.write_all(answer.as_bytes())?;
                let known = configuration.map_or_else(apt_arguments::configuration_of_apt, Ok);
                match known {
                    Ok(known) => apt = known,
                    Err(error) => {
                        complain(&format!("{error}. {OUTCOME}"));
                        trace::nothing_passed(&Configuration::default(), &error.to_string());
                        return Ok(ExitCode::FAILURE);
                    }
                }
            }
            HookMessage::BeforePrompt { packages, odd, named } => {
                code = look_ahead(&apt, &packages, &odd, named);
            }
            HookMessage::Other => {}
            HookMessage::Bye => break,
        }
    }
    Ok(code)
}

/// Reports which of `packages` the gate will refuse, and that `odd` ones are judged later.
fn look_ahead(
    apt: &Configuration,
    packages: &[Identity],
    odd: &[Called],
    all_named: bool,
) -> ExitCode {
    if !Speaking::of(apt).speaks_in(apt) {
        return ExitCode::SUCCESS;
    }
    say_what_is_held(&state(apt));
    if packages.is_empty() && odd.is_empty() {
        return ExitCode::SUCCESS;
    }
    let (state, now) = (state(apt), present(apt));
    let gate = Gate::open(apt, None, Trusted::now()).holding_up(Haste::First, &state, now);
    let policy = match gate.config() {
        Ok(config) => &config.policy,
        Err(problems) => {
            complain_raw(&format!(
                "{problems}. Every package is refused until you fix the configuration. {OUTCOME}\n"
            ));
            if let Err(reason) = gate.policy() {
                trace::nothing_passed(apt, &report::reason(&reason));
            }
            return ExitCode::FAILURE;
        }
    };
    if policy.rebuilders().is_empty() {
        return ExitCode::SUCCESS;
    }
    for it in odd {
        complain(&format!("{it}: judged by its file when it is installed."));
    }
    if packages.is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut gatherer = match gate.gatherer_of_entrance(apt) {
        Ok(gatherer) => gatherer,
        Err(why) => {
            complain(&format!("{why}. {OUTCOME}"));
            trace::nothing_passed(apt, &why);
            return ExitCode::FAILURE;
        }
    };
    let files = gate.files_of(packages);
    for remark in gate.remarks() {
        complain(&format!("{remark}."));
    }
    let bar = Progress::of(LABEL, files.len());
    let progress = |done| bar.at(done);
    let ask = Ask::UntilSettled;
    let assessed = gate.assess(files, |_| Vec::new(), ask, &mut *gatherer, now, progress);
    drop((gatherer, bar));
    gate.keep_run(&state, now, &assessed);
    let outlook = Outlook::of(packages, &assessed);
    complain_in_colour(&outlook.text(policy), apt);
    if outlook.refused().is_empty() || policy.mode() == Mode::Warn || downloads_nothing(apt) {
        return ExitCode::SUCCESS;
    }
    if !all_named && is_asked(apt) {
        complain_raw(&format!("{PROSPECT}\n"));
        return ExitCode::SUCCESS;
    }
    complain_raw(&format!("{OUTCOME}\n"));
    trace::refused(&gate, apt, outlook.refused(), now);
    ExitCode::FAILURE
}

/// Shows how many packages are held back. What cannot be read decides nothing.
fn say_what_is_held(state: &Path) {
    if let Some(line) = read_bounded(&state.join(HELD_LINE), MAX_HELD_LINE) {
        let line = String::from_utf8_lossy(&line);
        complain(&printable(line.trim_end()).to_string());
    }
}

/// The condition by [`ITEM`] under which this hook asks rebuilders and reports its findings. It has
/// no influence on admissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaking {
    /// The default: reports when apt is about to download and was not told to be quiet. With a
    /// quiet apt, a program reads the output, and what it asks for is no installation.
    Usually,
    /// `always`: in a simulation and the like as well.
    Always,
    /// `never`.
    Never,
}

impl Speaking {
    fn of(apt: &Configuration) -> Self {
        match apt.find(ITEM) {
            Some(word) if word.eq_ignore_ascii_case("always") => Self::Always,
            Some(word) if word.eq_ignore_ascii_case("never") => Self::Never,
            _ => Self::Usually,
        }
    }

    fn speaks_in(self, apt: &Configuration) -> bool {
        match self {
            Self::Usually => !downloads_nothing(apt) && quiet(apt) < QUIET,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Returns true when apt only shows its actions (`--simulate`) or its URLs (`--print-uris`).
fn downloads_nothing(apt: &Configuration) -> bool {
    apt.is_on("APT::Get::Simulate") || apt.is_on("APT::Get::Print-URIs")
}

/// The level of apt's `-qq`: no output except errors, and no question.
const QUIET: u32 = 2;

fn quiet(apt: &Configuration) -> u32 {
    apt.find("quiet").and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Returns true when apt is going to ask a person at a terminal.
fn is_asked(apt: &Configuration) -> bool {
    let assumed = apt.is_on("APT::Get::Assume-Yes") || quiet(apt) >= QUIET;
    !assumed && std::io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_where_apt_is_about_to_download_and_may_speak_itself() {
        for (items, expected) in [
            (&[][..], true),
            (&["quiet=1"], true),
            (&["APT::Get::Download-Only=true"], true),
            (&["APT::Get::Simulate=0"], true),
            (&["APT::Quorum::Before-Prompt=sometimes"], true),
            (&["quiet=2"], false),
            (&["quiet=3", "APT::Get::Assume-Yes=1"], false),
            (&["APT::Get::Simulate=true"], false),
            (&["APT::Get::Print-URIs=true"], false),
            (&["APT::Quorum::Before-Prompt=never"], false),
            (&["APT::Quorum::Before-Prompt=Never", "quiet=0"], false),
            (&["APT::Quorum::Before-Prompt=always", "quiet=2"], true),
            (&["APT::Quorum::Before-Prompt=always", "APT::Get::Simulate=true"], true),
            (&["APT::Quorum::Before-Prompt=always", "APT::Get::Print-URIs=true"], true),
        ] {
            let mut apt = Configuration::default();
            items.iter().for_each(|item| apt.add(item));
            assert_eq!(Speaking::of(&apt).speaks_in(&apt), expected, "{items:?}");
        }
    }
}
