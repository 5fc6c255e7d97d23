//! The arguments of `setup`. No logic here.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{ChosenMode, Directory};

/// `setup`
#[derive(Debug, Args)]
pub(in crate::cli) struct Setup {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Trust this rebuilder: the name of a description that came with the package, the path of
    /// another one, or the URL of an endpoint, with what to call it in front if you like
    #[arg(long, value_name = "NAME|FILE|[NAME=]URL")]
    pub(super) rebuilder: Vec<String>,
    /// Ask the new rebuilders only for packages of this architecture; without it, of this
    /// machine's
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Vec<String>,
    /// Trust the key in this file as this rebuilder's, and not what its endpoints say
    #[arg(long, value_name = "NAME=FILE")]
    pub(super) key: Vec<String>,
    /// A key that is to be trusted, by the first 32 or more digits of its id
    #[arg(long, value_name = "HEX")]
    pub(super) fingerprint: Vec<String>,
    /// How many rebuilders must confirm a package
    #[arg(long, value_name = "COUNT")]
    pub(super) threshold: Option<i64>,
    /// What happens to packages that are not confirmed
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
    /// Have packages judged already while apt downloads them: from all sources, from none, or
    /// from the source with this URI
    #[arg(long, value_name = "all|none|URI")]
    pub(super) sources: Vec<String>,
    /// Do not look at what is installed before anything is written
    #[arg(long)]
    pub(super) no_dry_run: bool,
    /// Look at what is installed, and write nothing
    #[arg(long, conflicts_with = "no_dry_run")]
    pub(super) dry_run: bool,
    /// More attestations for the dry run, as for verify
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network about what is installed
    #[arg(long)]
    pub(super) offline: bool,
    /// Name every package that would be refused, not only the first ones
    #[arg(long)]
    pub(super) all: bool,
    /// Ask nothing; every new key must have its --fingerprint
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON, as apt-quorum(1) describes it, and ask nothing
    #[arg(long)]
    pub(super) json: bool,
}
