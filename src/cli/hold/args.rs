//! The arguments of `apt-quorum hold`. No logic here.

use clap::Args;

use super::super::args::{ConfigDirectory, ListArguments};

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum HoldCommand {
    /// List what is held back, since when and why
    List(ListArguments),
    /// Explain why one package is held back
    Explain(HoldExplain),
    /// Work out anew what is to be held back, as after apt update
    Refresh(HoldRefresh),
    /// Stop holding a package back; the gate still judges it
    Release(HoldRelease),
    /// Hold back from now on what would be refused
    On(ListArguments),
    /// Hold back nothing any more
    Off(ListArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HoldExplain {
    #[command(flatten)]
    pub(super) shown: ListArguments,
    /// The name of the package
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HoldRefresh {
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
    /// Do not contact rebuilders
    #[arg(long)]
    pub(super) offline: bool,
    /// Show what would be held back, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// As apt's hook needs it: wait 5 seconds at most for a rebuilder, and say nothing for nothing
    #[arg(long, conflicts_with = "json")]
    pub(super) quiet: bool,
    /// Print JSON (see apt-quorum(1))
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct HoldRelease {
    #[command(flatten)]
    pub(super) shown: ListArguments,
    /// The names of the packages
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
}
