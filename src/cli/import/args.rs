//! The arguments of what takes over from other programs. No logic here.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::Directory;
use crate::import::rebuilders::Owner;
use crate::import::repro_threshold;
use crate::types::Timestamp;

/// `rebuilder import-layout`
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportLayout {
    #[command(flatten)]
    pub(super) keys: Keys,
    /// Where the links of the step are: a tree as PackageRebuilder makes it
    #[arg(long, value_name = "URL")]
    pub(super) url: Vec<reqwest::Url>,
    #[command(flatten)]
    pub(super) writing: Writing,
    /// The layout
    #[arg(value_name = "LAYOUT")]
    pub(super) layout: PathBuf,
}

/// `import`
#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    #[command(subcommand)]
    pub(super) command: ImportCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ImportCommand {
    /// Take over apt-transport-in-toto's settings, with the layout that they name
    AptTransportInToto(AptTransport),
    /// Take over repro-threshold's rebuilders, threshold and exemptions
    ReproThreshold(ReproThreshold),
}

#[derive(Debug, Args)]
pub(super) struct AptTransport {
    /// Read this file of apt's configuration alone, and not all that apt reads
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
    #[command(flatten)]
    pub(super) keys: Keys,
    /// What happens to packages that are not confirmed; without it, what the policy says already
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
    #[command(flatten)]
    pub(super) writing: Writing,
}

#[derive(Debug, Args)]
pub(super) struct ReproThreshold {
    /// Its configuration
    #[arg(long, value_name = "FILE", default_value = repro_threshold::DEFAULT_PATH)]
    pub(super) from: PathBuf,
    /// The first day on which the exceptions no longer hold, as 2027-03-01; without it, in 90 days
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(super) expires: Option<Timestamp>,
    #[command(flatten)]
    pub(super) writing: Writing,
}

/// Whose a layout is, and whose its keys are.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// A key with which the layout must be signed; with several, with each of them
    #[arg(long, value_name = "FILE")]
    pub(super) key: Vec<PathBuf>,
    /// A certificate of a key of the layout, which has only its numbers
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Vec<PathBuf>,
    /// Whose a key of the layout is; keys with the same name are one rebuilder
    #[arg(long, value_name = "KEYID=NAME")]
    pub(super) rebuilder: Vec<Owner>,
}

/// How it is written.
#[derive(Debug, Args)]
pub(super) struct Writing {
    /// Set the threshold although the policy has another one
    #[arg(long)]
    pub(super) replace: bool,
    /// Write without asking
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) directory: Directory,
}

/// A mode, as the policy writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ChosenMode {
    /// Refuse them
    Enforce,
    /// Let them through and warn
    Warn,
}

/// A day as TOML writes it.
pub(in crate::cli) fn day(text: &str) -> Result<Timestamp, String> {
    let whole = format!("{text}T00:00:00Z");
    let day: Timestamp = whole.parse().map_err(|_| "write a day as 2027-03-01".to_owned())?;
    if day.date() == text { Ok(day) } else { Err("write a day as 2027-03-01".to_owned()) }
}
