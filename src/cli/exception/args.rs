//! The arguments of `apt-quorum exception`. No logic here.

use clap::{ArgGroup, Args};

use super::super::args::Directory;
use super::super::import::args::day;
use crate::types::{Fingerprint, Glob, Sha256Digest, Timestamp};

#[derive(Debug, Args)]
pub(in crate::cli) struct Exception {
    #[command(subcommand)]
    pub(in crate::cli) command: ExceptionCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum ExceptionCommand {
    /// Let packages through without a quorum until a day, for a reason
    Add(Box<ExceptionAdd>),
    /// List the exceptions with the days that are left
    List(ExceptionList),
    /// Take an exception away
    Remove(ExceptionRemove),
}

#[derive(Debug, Args)]
// What clap makes of the groups fills half a screen.
#[command(override_usage = "apt-quorum exception add [FILE|NAME|NAME=VERSION] [CONDITION]... \
    --reason <TEXT> <--expires <DATE>|--days <COUNT>>")]
#[command(group = ArgGroup::new("until").args(["expires", "days"]).required(true))]
#[command(group = ArgGroup::new("condition").required(true).multiple(true).args([
    "what", "package", "version", "source", "architecture", "sha256", "origin", "label", "suite",
    "codename", "component", "site", "signed_by",
]))]
pub(in crate::cli) struct ExceptionAdd {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Only packages whose name this pattern matches, with * and ?
    #[arg(long, value_name = "PATTERN")]
    pub(super) package: Vec<Glob>,
    /// Only versions that this pattern matches
    #[arg(long, value_name = "PATTERN")]
    pub(super) version: Vec<Glob>,
    /// Only packages whose source package's name this pattern matches
    #[arg(long, value_name = "PATTERN")]
    pub(super) source: Vec<Glob>,
    /// Only packages of this architecture; "all" is one of its own
    #[arg(long, value_name = "PATTERN")]
    pub(super) architecture: Vec<Glob>,
    /// Only the file with this SHA-256
    #[arg(long, value_name = "HEX")]
    pub(super) sha256: Vec<Sha256Digest>,
    /// Only packages that an archive with this Origin lists
    #[arg(long, value_name = "PATTERN")]
    pub(super) origin: Vec<Glob>,
    /// Only packages that an archive with this Label lists
    #[arg(long, value_name = "PATTERN")]
    pub(super) label: Vec<Glob>,
    /// Only packages that an archive with this Suite lists
    #[arg(long, value_name = "PATTERN")]
    pub(super) suite: Vec<Glob>,
    /// Only packages that an archive with this Codename lists
    #[arg(long, value_name = "PATTERN")]
    pub(super) codename: Vec<Glob>,
    /// Only packages that an archive lists in this component
    #[arg(long, value_name = "PATTERN")]
    pub(super) component: Vec<Glob>,
    /// Only packages that an archive on this host lists
    #[arg(long, value_name = "PATTERN")]
    pub(super) site: Vec<Glob>,
    /// Only packages that an archive lists whose index this certificate's key signed
    #[arg(long, value_name = "FINGERPRINT")]
    pub(super) signed_by: Vec<Fingerprint>,
    /// Why they may pass without a quorum
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// The first day on which they may not any more, as 2027-03-01
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(super) expires: Option<Timestamp>,
    /// For how many days from today they may
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) days: Option<u32>,
    /// The file in exceptions.d to write to
    #[arg(long, value_name = "NAME", default_value = "local.toml")]
    pub(super) file: String,
    /// A package's file, for exactly which the exception is then; or the name of a package, with
    /// or without a version
    #[arg(value_name = "FILE|NAME|NAME=VERSION")]
    pub(super) what: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExceptionList {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExceptionRemove {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Where it stands, as list shows it
    #[arg(value_name = "PLACE")]
    pub(super) place: String,
}
