//! The arguments of `setup`. No logic here.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{ChosenMode, ConfigDirectory};

/// `setup`
#[derive(Debug, Args)]
pub(in crate::cli) struct SetupArguments {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Make the configuration exactly what this file describes (see apt-quorum.toml(5))
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rebuilder", "architecture", "key",
        "fingerprint", "threshold", "mode", "sources", "no_dry_run", "evidence", "offline", "all"])]
    pub(super) from: Option<PathBuf>,
    /// Go back to the shipped configuration: no rebuilder, no exception, no source checked during
    /// download
    #[arg(long, conflicts_with_all = ["from", "rebuilder", "architecture", "key", "fingerprint",
        "threshold", "mode", "sources", "no_dry_run", "evidence", "offline", "all"])]
    pub(super) reset: bool,
    /// Trust this rebuilder, and no other than those named: the name of a shipped description, the
    /// path of a description, or the URL of an endpoint, which can have a name in front
    #[arg(long, value_name = "NAME|FILE|[NAME=]URL")]
    pub(super) rebuilder: Vec<String>,
    /// Ask the new rebuilders only for packages of this architecture; default: this machine's
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Vec<String>,
    /// Trust the key in this file for this rebuilder, instead of published keys
    #[arg(long, value_name = "NAME=FILE")]
    pub(super) key: Vec<String>,
    /// Trust the key whose id begins with these 32 or more digits
    #[arg(long, value_name = "HEX")]
    pub(super) fingerprint: Vec<String>,
    /// Number of rebuilders that must confirm a package
    #[arg(long, value_name = "COUNT")]
    pub(super) threshold: Option<i64>,
    /// What happens to unconfirmed packages
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
    /// Check packages during download: from all sources, from none, or from exactly the sources with
    /// these URIs
    #[arg(long, value_name = "all|none|URI")]
    pub(super) sources: Vec<String>,
    /// Do not try the policy on the installed packages
    #[arg(long)]
    pub(super) no_dry_run: bool,
    /// Try the policy on the installed packages, and write nothing
    #[arg(long, conflicts_with = "no_dry_run")]
    pub(super) dry_run: bool,
    /// Also use the attestations in this file, directory or bundle for the dry run
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Do not contact rebuilders for the dry run
    #[arg(long)]
    pub(super) offline: bool,
    /// Name every package that would be refused
    #[arg(long)]
    pub(super) all: bool,
    /// Do not ask; each new key needs its --fingerprint
    #[arg(long)]
    pub(super) yes: bool,
    /// Print JSON (see apt-quorum(1)), and do not ask
    #[arg(long)]
    pub(super) json: bool,
}
