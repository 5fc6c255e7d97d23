//! The arguments of imports of other tools' settings. No logic here.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::args::ConfigDirectory;
use crate::import::rebuilders::StepKeyOwner;
use crate::import::repro_threshold;
use crate::types::Timestamp;

/// `rebuilder import-layout`
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportLayout {
    #[command(flatten)]
    pub(super) keys: Keys,
    /// The URL of the links of the step, in a tree as PackageRebuilder makes it
    #[arg(long, value_name = "URL")]
    pub(super) url: Vec<reqwest::Url>,
    #[command(flatten)]
    pub(super) writing: Writing,
    /// The layout
    #[arg(value_name = "LAYOUT")]
    pub(super) layout: PathBuf,
}

/// `import`
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum ImportCommand {
    /// Import apt-transport-in-toto's settings and the layout that they name
    AptTransportInToto(AptTransport),
    /// Import repro-threshold's rebuilders, threshold and exemptions
    ReproThreshold(ReproThreshold),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AptTransport {
    /// Read only this file of apt's configuration
    #[arg(long, value_name = "FILE")]
    pub(super) from: Option<PathBuf>,
    #[command(flatten)]
    pub(super) keys: Keys,
    /// What happens to unconfirmed packages; default: unchanged
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
    #[command(flatten)]
    pub(super) writing: Writing,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReproThreshold {
    /// The configuration of repro-threshold
    #[arg(long, value_name = "FILE", default_value = repro_threshold::DEFAULT_PATH)]
    pub(super) from: PathBuf,
    /// Last day of the exceptions, such as 2027-02-28 (UTC); default: in 90 days
    #[arg(long = "until", alias = "expires", value_name = "DATE", value_parser = end)]
    pub(super) expires: Option<Timestamp>,
    #[command(flatten)]
    pub(super) writing: Writing,
}

/// The keys of a layout's author and of its step.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// A key that must have signed the layout; if repeated, every one of them
    #[arg(long, value_name = "FILE")]
    pub(super) key: Vec<PathBuf>,
    /// The certificate of an OpenPGP key in the layout, which has only its numbers
    #[arg(long, value_name = "FILE")]
    pub(super) certificate: Vec<PathBuf>,
    /// Name of the owner of a key in the layout; keys with one name are one rebuilder
    #[arg(long, value_name = "KEYID=NAME")]
    pub(super) rebuilder: Vec<StepKeyOwner>,
}

/// The way in which the result is written.
#[derive(Debug, Args)]
pub(super) struct Writing {
    /// Replace the threshold if the policy has another one
    #[arg(long)]
    pub(super) replace: bool,
    /// Write without asking
    #[arg(long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) directory: ConfigDirectory,
}

/// A mode, as the policy writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ChosenMode {
    /// Refuse packages that are not confirmed
    Enforce,
    /// Let them pass with a warning
    Warn,
}

/// The end of an exception, by its last day as TOML writes it.
pub(in crate::cli) fn end(text: &str) -> Result<Timestamp, String> {
    let wrong = || "write the last day as 2027-02-28".to_owned();
    let day: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| wrong())?;
    let end = day.end_of_day().map_err(|_| wrong())?;
    if end.last_day().as_deref() == Some(text) { Ok(end) } else { Err(wrong()) }
}
