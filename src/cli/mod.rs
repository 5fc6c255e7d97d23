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
mod import;
mod interrupt;
mod loose;
mod mode;
mod output;
mod rebuilder;
mod setup;
mod simulate;
mod status;
mod verify;
mod verify_image;
mod ways;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::deb::{self, Control, Examined};
use crate::evidence::AtHand;
use crate::sys::plain;
use crate::types::{Sha256Digest, printable};
use args::{Arguments, Subcommand};

/// Exit codes, as apt-quorum(1) lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Everything asked for is admitted
    Admitted,
    /// Something is refused
    Refused,
    /// The command line or the configuration is wrong
    Wrong,
    /// Something is refused, and only for want of an answer
    CouldNotFindOut,
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
    match arguments.command {
        Subcommand::Setup(arguments) => setup::run(&arguments).into(),
        Subcommand::Verify(arguments) => verify::run(&arguments).into(),
        Subcommand::Config(arguments) => config::run(&arguments).into(),
        Subcommand::Rebuilder(arguments) => rebuilder::run(&arguments).into(),
        Subcommand::Status(arguments) => status::run(&arguments).into(),
        Subcommand::Check(arguments) => check::run(&arguments).into(),
        Subcommand::Explain(arguments) => explain::run(&arguments).into(),
        Subcommand::Audit(arguments) => audit::run(&arguments).into(),
        Subcommand::Attest(arguments) => attest::run(&arguments).into(),
        Subcommand::VerifyImage(arguments) => verify_image::run(&arguments).into(),
        Subcommand::Evidence(arguments) => evidence::run(&arguments).into(),
        Subcommand::Mode(arguments) => mode::run(&arguments).into(),
        Subcommand::Exception(arguments) => exception::run(&arguments).into(),
        Subcommand::Import(arguments) => import::run(&arguments).into(),
        Subcommand::Bootstrap(arguments) => bootstrap::run(&arguments).into(),
        Subcommand::Complete(arguments) => complete::run(&arguments).into(),
    }
}

/// The attestations that the command line names.
fn evidence_at_hand(paths: &[PathBuf]) -> Result<Vec<AtHand>, String> {
    let open = |path: &PathBuf| {
        let named = |why| format!("--evidence {}: {why}", printable(&path.to_string_lossy()));
        AtHand::open(path).map_err(named)
    };
    paths.iter().map(open).collect()
}

/// Returns true if an argument is meant as a file, not as the name of a package.
fn is_file(what: &str) -> bool {
    what.contains('/') || what.ends_with(".deb")
}

/// Reads a package that the command line names. Returns its control data and its SHA-256.
fn package_file(path: &Path) -> Result<(Control, Sha256Digest), String> {
    let examined = examined_file(path)?;
    let control = examined.control().map_err(|error| named(path, error))?;
    Ok((control.clone(), examined.sha256()))
}

/// Reads a file that the command line names, whatever it is.
fn examined_file(path: &Path) -> Result<Examined, String> {
    let failed = |error: std::io::Error| named(path, &plain(&error));
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().is_ok_and(|it| it.is_file()) {
        return Err(named(path, &"not a file"));
    }
    deb::examine(file).map_err(failed)
}

fn named(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("{}: {why}", printable(&path.to_string_lossy()))
}

/// Runs the process that fetches evidence for one that runs as root. Not for people.
#[must_use]
pub fn fetch() -> ExitCode {
    if nix::sys::prctl::set_no_new_privs().is_err() {
        return ExitCode::FAILURE;
    }
    match crate::fetching::serve(std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The command line as clap sees it, for man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}
