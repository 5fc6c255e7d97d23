//! The command line: the arguments, and one file for each subcommand. It makes no judgement of its
//! own.

mod args;
mod attest;
mod audit;
mod bootstrap;
mod check;
mod complete;
mod config;
mod evidence;
mod exception;
mod explain;
mod files;
mod hold;
mod import;
mod interrupt;
mod judging;
mod key;
mod loose;
mod mode;
mod notify;
mod output;
mod rebuilder;
mod setup;
mod simulate;
mod status;
mod verify;
mod verify_image;
mod ways;
mod world;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Subcommand};

/// Exit codes, as apt-quorum(1) lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Everything asked for is accepted
    Admitted,
    /// Something is refused
    Refused,
    /// The command line or the configuration is wrong
    Wrong,
    /// Something is refused, and only for want of an answer
    CouldNotFindOut,
}

impl Exit {
    /// Returns the exit code for the packages that do not pass. `open` has true for each that may
    /// pass when rebuilders answer.
    fn of(open: impl IntoIterator<Item = bool>) -> Self {
        let mut open = open.into_iter().peekable();
        if open.peek().is_none() {
            Self::Admitted
        } else if open.all(|is_transient| is_transient) {
            Self::CouldNotFindOut
        } else {
            Self::Refused
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Admitted => 0,
            Exit::Refused => 1,
            Exit::Wrong => 2,
            Exit::CouldNotFindOut => 3,
        })
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way as well; they are no errors.
            let text = error.render().to_string();
            if error.use_stderr() {
                output::complain(&text);
                return Exit::Wrong.into();
            }
            return output::print(&text, Exit::Admitted).into();
        }
    };
    let done = match arguments.command {
        Subcommand::Setup(arguments) => setup::run(&arguments),
        Subcommand::Verify(arguments) => verify::run(&arguments),
        Subcommand::Config(arguments) => config::run(&arguments),
        Subcommand::Rebuilder(arguments) => rebuilder::run(&arguments),
        Subcommand::Status(arguments) => status::run(&arguments),
        Subcommand::Check(arguments) => check::run(&arguments),
        Subcommand::Explain(arguments) => explain::run(&arguments),
        Subcommand::Audit(arguments) => audit::run(&arguments),
        Subcommand::Attest(arguments) => attest::run(&arguments),
        Subcommand::VerifyImage(arguments) => verify_image::run(&arguments),
        Subcommand::Evidence(arguments) => evidence::run(&arguments),
        Subcommand::Mode(arguments) => mode::run(&arguments),
        Subcommand::Key(arguments) => key::run(&arguments),
        Subcommand::Exception(arguments) => exception::run(&arguments),
        Subcommand::Hold(arguments) => hold::run(&arguments),
        Subcommand::Import(arguments) => import::run(&arguments),
        Subcommand::Bootstrap(arguments) => bootstrap::run(&arguments),
        Subcommand::Complete(arguments) => complete::run(&arguments),
    };
    world::end(done).into()
}

/// The command line as clap sees it, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}
