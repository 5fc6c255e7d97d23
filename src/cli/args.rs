//! The arguments. No logic here.

use std::path::PathBuf;

use clap::{Args, Parser};

pub(super) use super::import::args::{Import, ImportLayout};

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
    /// Take over what another program was told to trust
    Import(Import),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// More attestations: a file that is one, or a directory with files called
    /// NAME_VERSION_ARCH.deb.* or NAME_VERSION_ARCH.deb/*
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
    /// Take over an in-toto layout: its keys as operators, and its threshold
    ImportLayout(ImportLayout),
}

#[derive(Debug, Args)]
pub(super) struct Directory {
    /// Use the configuration in this directory
    #[arg(long = "config", value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
}
