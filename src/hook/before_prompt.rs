//! `AptCli::Hooks::Install`: before apt asks whether to go on, and before anything is downloaded.
//!
//! It goes by what apt's indexes say of the packages, for their files are not here. So it
//! lets nothing in: what it has nothing against is judged by the method and the hook as always. It
//! can only refuse earlier. What is said here is in the cache by the time at which they ask.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::process::ExitCode;

use super::{LABEL, apt_arguments, complain, complain_in_colour, complain_raw, present};
use crate::apt::configuration::Configuration;
use crate::apt::json_hook::{self, Message, MessageError};
use crate::evidence::Network;
use crate::gate::{Ask, Environment, Gate, Outlook, apt_configuration};
use crate::policy::Mode;
use crate::sys::inherited;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Identity, printable};

/// Where apt says which descriptor its socket is.
const SOCKET: &str = "APT_HOOK_SOCKET";

/// What is said last when apt is told to stop.
const OUTCOME: &str = "Nothing was downloaded or installed.";

/// What is said last when somebody is going to be asked whether to go on all the same.
const PROSPECT: &str = "If you go on, all of it is downloaded and none of it is installed.";

/// Runs the hook. A failure makes apt stop.
#[must_use]
pub fn run() -> ExitCode {
    let number = std::env::var(SOCKET).ok().and_then(|it| it.parse().ok());
    let Some(socket) = number.and_then(inherited::take) else {
        complain("before-prompt is started by apt, see apt-quorum(1).");
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

fn converse(socket: &File) -> Result<ExitCode, MessageError> {
    let mut from = BufReader::new(socket);
    let mut to = socket;
    let mut apt = Configuration::default();
    let mut code = ExitCode::SUCCESS;
    while let Some(message) = json_hook::read(&mut from)? {
        match message {
            Message::Hello { answer, configuration } => {
                to.write_all(answer.as_bytes())?;
                apt = configuration.unwrap_or_else(|| {
                    let mut files = apt_configuration(Environment::Ignored);
                    apt_arguments::add_those_of_apt(&mut files);
                    files
                });
            }
            Message::BeforePrompt { packages, odd, named } => {
                for it in &odd {
                    complain(&format!("{it}: judged by its file when it is installed."));
                }
                code = look_ahead(&apt, &packages, named);
            }
            Message::Other => {}
            Message::Bye => break,
        }
    }
    Ok(code)
}

fn look_ahead(apt: &Configuration, packages: &[Identity], all_named: bool) -> ExitCode {
    if packages.is_empty() {
        return ExitCode::SUCCESS;
    }
    let gate = Gate::open(apt, None, Trusted::now());
    let policy = match gate.config() {
        Ok(config) => &config.policy,
        Err(problems) => {
            complain_raw(&format!("{problems}; with any, every package is refused. {OUTCOME}\n"));
            return ExitCode::FAILURE;
        }
    };
    if policy.operators().is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut gatherer = match gate.gatherer(apt, Network::Allowed) {
        Ok(gatherer) => gatherer,
        Err(why) => {
            complain(&format!("{why}. {OUTCOME}"));
            return ExitCode::FAILURE;
        }
    };
    let files = gate.files_of(packages);
    let now = present(apt);
    let bar = Progress::of(LABEL, files.len());
    let progress = |done| bar.at(done);
    let assessed = gate.assess(files, |_| Vec::new(), Ask::All, &mut *gatherer, now, progress);
    drop((gatherer, bar));
    let outlook = Outlook::of(packages, &assessed);
    complain_in_colour(&outlook.text(policy), apt);
    if outlook.refused().is_empty()
        || policy.mode() == Mode::Warn
        || apt.is_on("APT::Get::Simulate")
    {
        return ExitCode::SUCCESS;
    }
    if !all_named && is_asked(apt) {
        complain_raw(&format!("{PROSPECT}\n"));
        return ExitCode::SUCCESS;
    }
    complain_raw(&format!("{OUTCOME}\n"));
    ExitCode::FAILURE
}

/// Whether apt is going to ask somebody who can answer.
fn is_asked(apt: &Configuration) -> bool {
    let quiet = apt.find("quiet").and_then(|it| it.parse::<u32>().ok()).unwrap_or_default();
    let assumed = apt.is_on("APT::Get::Assume-Yes") || quiet >= 2;
    !assumed && std::io::stdin().is_terminal()
}
