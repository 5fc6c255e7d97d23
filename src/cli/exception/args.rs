//! The arguments of `apt-quorum exception`. No logic here.

use clap::{ArgGroup, Args};

use super::super::args::{ConfigDirectory, JudgingArguments, ListArguments};
use super::super::import::args::end;
use crate::policy::ExceptionId;
use crate::types::{Fingerprint, Glob, Sha256Digest, Timestamp};

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum ExceptionCommand {
    /// Let packages pass without a quorum until a date, for a reason
    Add(Box<ExceptionAdd>),
    /// List the exceptions with their remaining days
    List(ListArguments),
    /// Give an exception another end
    Renew(ExceptionRenew),
    /// Remove an exception
    Remove(ExceptionRemove),
    /// Remove the exceptions that have expired
    Prune(ExceptionPrune),
    /// Compare the exceptions with what the installed packages need
    Suggest(ExceptionSuggest),
}

#[derive(Debug, Args)]
// What clap makes of the groups fills half a screen.
#[command(override_usage = "apt-quorum exception add [FILE|NAME|NAME=VERSION] [CONDITION]... \
    --reason <TEXT> <--until <DATE>|--days <COUNT>>")]
#[command(group = ArgGroup::new("end").args(["until", "days"]).required(true))]
#[command(group = ArgGroup::new("condition").required(true).multiple(true).args([
    "what", "package", "version", "source", "architecture", "sha256", "origin", "label", "suite",
    "codename", "component", "site", "signed_by",
]))]
pub(in crate::cli) struct ExceptionAdd {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Only packages whose name matches this pattern, with * and ?
    #[arg(long, value_name = "PATTERN")]
    pub(super) package: Vec<Glob>,
    /// Only versions that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub(super) version: Vec<Glob>,
    /// Only packages whose source package matches this pattern
    #[arg(long, value_name = "PATTERN")]
    pub(super) source: Vec<Glob>,
    /// Only packages of this architecture ("all" is separate)
    #[arg(long, value_name = "PATTERN")]
    pub(super) architecture: Vec<Glob>,
    /// Only the file with this SHA-256
    #[arg(long, value_name = "HEX")]
    pub(super) sha256: Vec<Sha256Digest>,
    /// Only packages in a repository with this Origin
    #[arg(long, value_name = "PATTERN")]
    pub(super) origin: Vec<Glob>,
    /// Only packages in a repository with this Label
    #[arg(long, value_name = "PATTERN")]
    pub(super) label: Vec<Glob>,
    /// Only packages in a repository with this Suite
    #[arg(long, value_name = "PATTERN")]
    pub(super) suite: Vec<Glob>,
    /// Only packages in a repository with this Codename
    #[arg(long, value_name = "PATTERN")]
    pub(super) codename: Vec<Glob>,
    /// Only packages in this component of a repository
    #[arg(long, value_name = "PATTERN")]
    pub(super) component: Vec<Glob>,
    /// Only packages in a repository on this host
    #[arg(long, value_name = "PATTERN")]
    pub(super) site: Vec<Glob>,
    /// Only packages in a repository that is signed with this certificate
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) signed_by: Vec<Fingerprint>,
    /// Reason for the exception
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) end: End,
    /// Name of the exception; default: made from the conditions
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<ExceptionId>,
    /// Write to this file in exceptions.d
    #[arg(long, value_name = "NAME", default_value = "local.toml")]
    pub(super) file: String,
    /// Do not ask about an exception for every package
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// A .deb; only this file is exempted. Or the name of a package, with or without a version
    #[arg(value_name = "FILE|NAME|NAME=VERSION")]
    pub(super) what: Option<String>,
}

/// The end of an exception.
#[derive(Debug, Args)]
pub(super) struct End {
    /// Last day on which the exception applies, such as 2027-02-28 (UTC)
    #[arg(long, alias = "expires", value_name = "DATE", value_parser = end)]
    pub(super) until: Option<Timestamp>,
    /// Days from today for which the exception applies
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) days: Option<u32>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").args(["until", "days"]).required(true))]
pub(in crate::cli) struct ExceptionRenew {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    #[command(flatten)]
    pub(super) end: End,
    /// Do not ask about an exception for every package
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The exception, as the list shows it
    #[arg(value_name = "ID")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExceptionRemove {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The exception, as the list shows it
    #[arg(value_name = "ID")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExceptionPrune {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExceptionSuggest {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// Also look at the packages that apt would upgrade
    #[arg(long)]
    pub(super) upgrades: bool,
}
