//! The arguments. No logic here.

use std::path::PathBuf;

use clap::{Args, Parser};

/// Install a Debian package only when enough independent rebuilders, chosen by you, have rebuilt
/// it from source and signed that they got the very same bytes.
#[derive(Debug, Parser)]
#[command(name = "apt-quorum", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "The configuration is in /etc/apt-quorum: see apt-quorum.toml(5).\n\
    Exit codes: 0 admitted, 1 refused, 2 the command line or the configuration is wrong, \
    3 could not find out.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Judge .deb files as an installation would
    Verify(Verify),
    /// Look at the configuration
    Config(Config),
    /// Look at the operators whose word counts
    Operator(Operator),
    /// Carry evidence from one machine to another
    Evidence(Evidence),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// More attestations: a file that is one, a directory with files called
    /// NAME_VERSION_ARCH.deb.* or NAME_VERSION_ARCH.deb/*, or a bundle of them (.tar.gz)
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// The files to judge
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    pub(super) command: ConfigCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the whole configuration and show every mistake
    Check {
        #[command(flatten)]
        directory: Directory,
    },
}

#[derive(Debug, Args)]
pub(super) struct Operator {
    #[command(subcommand)]
    pub(super) command: OperatorCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum OperatorCommand {
    /// List the operators with their keys and endpoints
    List {
        #[command(flatten)]
        directory: Directory,
        /// Print JSON, as apt-quorum(1) describes it
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Evidence {
    #[command(subcommand)]
    pub(super) command: EvidenceCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum EvidenceCommand {
    /// Write the attestations that are on this machine to a bundle or a tree
    Export(EvidenceExport),
    /// Take attestations from a bundle or a tree into the cache
    Import(EvidenceImport),
    /// Ask all operators about packages, so that their attestations are in the cache
    Fetch(EvidenceFetch),
}

#[derive(Debug, Args)]
pub(super) struct EvidenceExport {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Where to: a bundle, or a tree if it ends in a slash
    #[arg(long, value_name = "PATH", default_value = "evidence.tar.gz")]
    pub(super) output: PathBuf,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// Only what is about these packages: a file, NAME or NAME=VERSION
    #[arg(value_name = "PACKAGE")]
    pub(super) wanted: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct EvidenceImport {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Print JSON, as apt-quorum(1) describes it
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
    pub(super) directory: Directory,
    /// Ask about the package in this file
    #[arg(long = "for", value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Ask about the packages in this list, with NAME VERSION ARCH or NAME=VERSION in each line
    #[arg(long, value_name = "LIST")]
    pub(super) packages: Vec<PathBuf>,
    /// Ask about all that apt would upgrade
    #[arg(long)]
    pub(super) upgrades: bool,
    /// Write what is known about these packages to a bundle, or to a tree if it ends in a slash
    #[arg(long, value_name = "PATH")]
    pub(super) output: Option<PathBuf>,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Directory {
    /// Use the configuration in this directory
    #[arg(long = "config", value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
}
