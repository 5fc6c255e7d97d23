//! The arguments. No logic here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser};

use crate::config::Protocol;

use super::exception::args::ExceptionCommand;
use super::hold::args::HoldCommand;
use super::import::args::ImportCommand;
pub(super) use super::import::args::{ChosenMode, ImportLayout};
pub(super) use super::setup::args::SetupArguments;

/// Install a Debian package only when enough independent rebuilders, chosen by you, have rebuilt
/// it from source and signed that they got the very same bytes.
#[derive(Debug, Parser)]
#[command(name = "apt-quorum", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "The configuration is in /etc/apt-quorum: see apt-quorum.toml(5).\n\
    Exit codes: 0 accepted or done, 1 refused or not done, 2 mistake in the command line or the configuration, \
    3 undetermined.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Choose rebuilders, threshold and mode, try them, and write the configuration
    Setup(SetupArguments),
    /// Judge .deb files as an installation would
    Verify(Verify),
    /// Show the state of this machine
    Status(StatusArguments),
    /// Predict whether packages would pass, before apt installs them
    Check(Check),
    /// Explain the judgement on a package, and how the package could pass
    Explain(Explain),
    /// Assess every installed package
    Audit(Audit),
    /// Sign a statement about an image whose packages are all confirmed or exempted
    Attest(Attest),
    /// Verify an image by a statement and evidence, offline
    VerifyImage(VerifyImage),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show or set the mode (enforce, warn)
    Mode(ModeArguments),
    /// List, add and remove rebuilders
    #[command(subcommand)]
    Rebuilder(RebuilderCommand),
    /// Show public keys in every form, to compare them
    #[command(subcommand)]
    Key(KeyCommand),
    /// List, add and remove exceptions
    #[command(subcommand)]
    Exception(ExceptionCommand),
    /// Hold back updates until they are confirmed
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Carry evidence from one machine to another
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Import another tool's trust settings
    #[command(subcommand)]
    Import(ImportCommand),
    /// Build a system with debootstrap, of accepted packages only
    Bootstrap(Bootstrap),
    /// Print possible next words of the command line, for shells
    #[command(hide = true)]
    Complete(Complete),
}

#[derive(Debug, Args)]
pub(super) struct ConfigDirectory {
    /// Use the configuration in this directory
    #[arg(long = "config", value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
}

/// The arguments of every command that judges packages by evidence.
#[derive(Debug, Args)]
pub(super) struct JudgingArguments {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Also use the attestations in this file, directory or bundle (.tar.gz)
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Do not contact rebuilders
    #[arg(long)]
    pub(super) offline: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
}

/// The arguments of a command that only shows a part of the configuration.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// The files to judge
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("wanted").args(["packages", "upgrades"]).required(true))]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Check all packages that apt would upgrade
    #[arg(long)]
    pub(super) upgrades: bool,
    /// Do not contact rebuilders
    #[arg(long)]
    pub(super) offline: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The packages as for apt install; their dependencies are checked as well
    #[arg(value_name = "PACKAGE")]
    pub(super) packages: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// The name of a package, NAME=VERSION, or a .deb
    #[arg(value_name = "PACKAGE|FILE")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// Audit the system in this directory, such as a mounted image
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// Also show confirmed packages
    #[arg(long)]
    pub(super) all: bool,
    /// Also write an HTML page to this file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Report only changes since the last audit
    #[arg(long, conflicts_with_all = ["root", "all"])]
    pub(super) changes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Attest {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// The image, as a directory
    #[arg(long, value_name = "DIR")]
    pub(super) root: PathBuf,
    /// Sign with the Ed25519 key in this file, as openssl genpkey -algorithm ed25519 writes it
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Write the statement to this file
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Include this file in the statement, such as a disk image of the directory
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Leave out paths that this pattern matches, seen from the root of the image
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Write the manifest of the tree to this file, one line for each entry
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Write the evidence for verify-image to this bundle (.tar.gz)
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
    /// Name of the signer; default: the key
    #[arg(long, value_name = "URI")]
    pub(super) verifier: Option<String>,
    /// Name of the image; default: its digest
    #[arg(long, value_name = "URI")]
    pub(super) resource: Option<String>,
    /// Name of the policy; default: its digest
    #[arg(long, value_name = "URI")]
    pub(super) policy_uri: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyImage {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// The public key of the signer, in PEM
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Use the attestations in this file, directory or bundle (.tar.gz)
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// The image, as a directory
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// The image, as a file
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Agree that the statement leaves this pattern out
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Write the manifest of the tree to this file, to compare it with the signer's
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Required name of the signer; default: the key
    #[arg(long, value_name = "URI")]
    pub(super) verifier: Option<String>,
    /// Required name of the image; default: any
    #[arg(long, value_name = "URI")]
    pub(super) resource: Option<String>,
    /// Greatest age of the statement in days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) max_age: Option<u32>,
    /// Also show confirmed packages
    #[arg(long)]
    pub(super) all: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The statement
    #[arg(value_name = "STATEMENT")]
    pub(super) statement: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration and show every mistake
    Check(ListArguments),
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("in_numbers").args(["summary", "fields", "prometheus", "nagios"]))]
pub(super) struct StatusArguments {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Contact the rebuilders now
    #[arg(long, conflicts_with = "in_numbers")]
    pub(super) online: bool,
    /// Print one line: how many installed packages are confirmed, excepted and held
    #[arg(long)]
    pub(super) summary: bool,
    /// Print the numbers of the summary, one NAME: VALUE on each line
    #[arg(long)]
    pub(super) fields: bool,
    /// Write metrics to this file (*.prom), for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub(super) prometheus: Option<PathBuf>,
    /// Check as a plugin of Nagios or Icinga does: one line, exit codes 0 to 3
    #[arg(long)]
    pub(super) nagios: bool,
    /// With --nagios: warn if a package is held for this number of days
    #[arg(long, value_name = "DAYS", requires = "nagios", default_value_t = 3)]
    pub(super) warning: u32,
    /// With --nagios: critical if a package is held for this number of days
    #[arg(long, value_name = "DAYS", requires = "nagios", default_value_t = 7)]
    pub(super) critical: u32,
    /// Print JSON (see apt-quorum(1))
    #[arg(long, conflicts_with_all = ["fields", "prometheus", "nagios"])]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ModeArguments {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The new mode
    #[arg(value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum RebuilderCommand {
    /// List the rebuilders with their keys and endpoints
    List(ListArguments),
    /// Trust a rebuilder: show its keys, ask, and write its file
    Add(RebuilderAdd),
    /// Trust another key of a rebuilder
    AddKey(RebuilderAddKey),
    /// Compare published keys with trusted keys
    Refresh(RebuilderRefresh),
    /// Stop trusting a rebuilder and delete its file
    Remove(RebuilderRemove),
    /// Import an in-toto layout: its keys as rebuilders, and its threshold
    ImportLayout(ImportLayout),
}

#[derive(Debug, Args)]
pub(super) struct RebuilderAdd {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    #[command(flatten)]
    pub(super) trust: Trust,
    #[command(flatten)]
    pub(super) new: NewRebuilder,
    /// Number of rebuilders that must confirm a package
    #[arg(long, value_name = "COUNT")]
    pub(super) threshold: Option<i64>,
}

/// A rebuilder that could be trusted, as the command line describes it.
#[derive(Debug, Default, Args)]
pub(super) struct NewRebuilder {
    /// Name of the rebuilder; default: from the description or the host
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Protocol of the URL; default: detected
    #[arg(long, value_name = "PROTOCOL",
        value_parser = PossibleValuesParser::new(Protocol::ALL.map(Protocol::name)))]
    pub(super) protocol: Option<String>,
    /// For an archive: the directory below dists/
    #[arg(long, value_name = "SUITE")]
    pub(super) suite: Option<String>,
    /// For an archive: a component whose packages count
    #[arg(long, value_name = "NAME")]
    pub(super) component: Vec<String>,
    /// For an archive: the list below dists/SUITE/ of packages that it did not build
    #[arg(long, value_name = "PATH")]
    pub(super) taken_over: Option<String>,
    /// How to contact the rebuilder
    #[arg(long, value_name = "TEXT")]
    pub(super) contact: Option<String>,
    /// Ask it only for packages of this architecture ("all" is separate)
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Vec<String>,
    /// The URL of an endpoint, the name of a shipped description, or the path of a description
    #[arg(value_name = "URL|NAME|FILE")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderAddKey {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    #[command(flatten)]
    pub(super) trust: Trust,
    /// The rebuilder
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

/// The confirmation that keys are the right ones.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// Trust the key in this file (PEM or armoured certificate) instead of published keys
    #[arg(long, value_name = "FILE")]
    pub(super) key: Vec<PathBuf>,
    /// Trust the key whose id begins with these 32 or more digits
    #[arg(long, value_name = "HEX")]
    pub(super) fingerprint: Vec<String>,
    /// Do not ask; each key needs its --fingerprint
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1)), and do not ask
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderRefresh {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The rebuilder; default: all
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderRemove {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Number of the remaining rebuilders that must confirm a package; default: unchanged
    #[arg(long, value_name = "COUNT")]
    pub(super) threshold: Option<i64>,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1)), and do not ask
    #[arg(long)]
    pub(super) json: bool,
    /// The rebuilder
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum KeyCommand {
    /// Show the type, the ids and the text of the public key in a file
    Show(KeyShow),
}

#[derive(Debug, Args)]
pub(super) struct KeyShow {
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The file: PEM, or an armoured certificate
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum EvidenceCommand {
    /// Write the attestations on this machine to a bundle or a tree
    Export(EvidenceExport),
    /// Read attestations from a bundle or a tree into the cache
    Import(EvidenceImport),
    /// Fetch attestations about packages into the cache
    Fetch(EvidenceFetch),
}

#[derive(Debug, Args)]
pub(super) struct EvidenceExport {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Write to this bundle, or to this tree if the path ends in /
    #[arg(long, value_name = "PATH", default_value = "evidence.tar.gz")]
    pub(super) output: PathBuf,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// Only attestations about these packages: a .deb, NAME or NAME=VERSION
    #[arg(value_name = "PACKAGE")]
    pub(super) wanted: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct EvidenceImport {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
    /// The bundle or tree
    #[arg(value_name = "PATH")]
    pub(super) path: PathBuf,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").args(["files", "packages", "upgrades"]).required(true).multiple(true))]
pub(super) struct EvidenceFetch {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Ask about the package in this .deb
    #[arg(long = "for", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Ask about the packages in this list: NAME VERSION ARCH or NAME=VERSION on each line
    #[arg(long, value_name = "LIST")]
    pub(super) packages: Vec<PathBuf>,
    /// Ask about all packages that apt would upgrade
    #[arg(long)]
    pub(super) upgrades: bool,
    /// Then write the evidence to this bundle, or to this tree if the path ends in /
    #[arg(long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what_to_judge").args(["words", "archives", "check"]).required(true))]
pub(super) struct Bootstrap {
    #[command(flatten)]
    pub(super) judging: JudgingArguments,
    /// Keep receipts in this directory instead of TARGET/var/lib/apt-quorum
    #[arg(long, value_name = "DIR")]
    pub(super) receipts: Option<PathBuf>,
    /// Keep no receipts
    #[arg(long, conflicts_with = "receipts")]
    pub(super) no_receipts: bool,
    /// Only judge every *.deb in this directory, from which they will be unpacked
    #[arg(long, value_name = "DIR")]
    pub(super) archives: Option<PathBuf>,
    /// With --archives: apt's verified indexes, for rules and exceptions by repository
    #[arg(long, value_name = "DIR", requires = "archives")]
    pub(super) lists: Option<PathBuf>,
    /// Only check that the configuration can be used for a build
    #[arg(long)]
    pub(super) check: bool,
    /// debootstrap's options, suite, target, mirror and script
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Complete {
    /// The words behind the program's name; the last one is to be completed
    #[arg(last = true, value_name = "WORD")]
    pub(super) words: Vec<OsString>,
}
