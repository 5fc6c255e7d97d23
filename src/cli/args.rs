//! The arguments. No logic here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser};

use crate::config::Protocol;

pub(super) use super::exception::args::Exception;
pub(super) use super::import::args::{ChosenMode, Import, ImportLayout};
pub(super) use super::setup::args::Setup;

/// Install a Debian package only when enough independent rebuilders, chosen by you, have rebuilt
/// it from source and signed that they got the very same bytes.
#[derive(Debug, Parser)]
#[command(name = "apt-quorum", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "The configuration is in /etc/apt-quorum: see apt-quorum.toml(5).\n\
    Exit codes: 0 admitted or done, 1 refused or not done, 2 the command line or the configuration is wrong, \
    3 could not find out.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Choose rebuilders, threshold and mode, see what they would mean, and write all of it
    Setup(Setup),
    /// Judge .deb files as an installation would
    Verify(Verify),
    /// Show where this machine stands
    Status(Status),
    /// Tell whether packages would pass, before apt is asked to install them
    Check(Check),
    /// Show the whole judgement on a package, and what would make it pass
    Explain(Explain),
    /// Show how every installed package stands
    Audit(Audit),
    /// Sign a statement about an image whose packages are all confirmed or excepted
    Attest(Attest),
    /// Verify an image by a statement about it and evidence, without a network
    VerifyImage(VerifyImage),
    /// Look at the configuration
    Config(Config),
    /// Show whether what is not confirmed is refused, or set it
    Mode(Mode),
    /// Look at the rebuilders whose word counts, add and remove some
    Rebuilder(Rebuilder),
    /// Look at what may pass without a quorum, add some and remove some
    Exception(Exception),
    /// Carry evidence from one machine to another
    Evidence(Evidence),
    /// Take over what another program was told to trust
    Import(Import),
    /// Build a system with debootstrap, of admitted packages only
    Bootstrap(Bootstrap),
    /// Print what could come next on the command line, for shells
    #[command(hide = true)]
    Complete(Complete),
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
#[command(group = clap::ArgGroup::new("wanted").args(["packages", "upgrades"]).required(true))]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Check all that apt would upgrade
    #[arg(long)]
    pub(super) upgrades: bool,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// What apt install would be given; all that comes with it is checked as well
    #[arg(value_name = "PACKAGE")]
    pub(super) packages: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// More attestations, as for verify
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// The name of a package, NAME=VERSION, or a file
    #[arg(value_name = "PACKAGE|FILE")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Audit the system in this directory, such as a mounted image
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<PathBuf>,
    /// More attestations, as for verify
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Show confirmed packages as well
    #[arg(long)]
    pub(super) all: bool,
    /// Write a page for browsers to this file as well
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Say only what changed since the last time, and remember how it is now
    #[arg(long, conflicts_with_all = ["root", "all"])]
    pub(super) changes: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Attest {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// The image, as a directory
    #[arg(long, value_name = "DIR")]
    pub(super) root: PathBuf,
    /// Sign with the ed25519 key in this file, as openssl genpkey -algorithm ed25519 writes it
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Write the statement to this file
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// More attestations, as for verify
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// The statement is about this file as well, such as the image of a disk
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Leave out what this pattern matches, by its path from the root of the image on
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Write what is in the tree to this file, a line for each entry
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Write the evidence that verify-image needs to this file, a bundle (.tar.gz)
    #[arg(long, value_name = "FILE")]
    pub(super) bundle: Option<PathBuf>,
    /// Who says it; without this, the key
    #[arg(long, value_name = "URI")]
    pub(super) verifier: Option<String>,
    /// What the image is called; without this, after what is in it
    #[arg(long, value_name = "URI")]
    pub(super) resource: Option<String>,
    /// What the policy is called; without this, after its digest
    #[arg(long, value_name = "URI")]
    pub(super) policy_uri: Option<String>,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyImage {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// The public key of whoever signed the statement, in PEM
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Attestations, as for verify
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
    /// Write what is in the tree to this file, to be compared with the signer's
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// In whose name the statement must be; without this, in the key's
    #[arg(long, value_name = "URI")]
    pub(super) verifier: Option<String>,
    /// What the image must be called
    #[arg(long, value_name = "URI")]
    pub(super) resource: Option<String>,
    /// How many days old the statement may be
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(super) max_age: Option<u32>,
    /// Show confirmed packages as well
    #[arg(long)]
    pub(super) all: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// The statement
    #[arg(value_name = "STATEMENT")]
    pub(super) statement: PathBuf,
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
pub(super) struct Status {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Ask the rebuilders now whether they answer
    #[arg(long)]
    pub(super) online: bool,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Mode {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// The mode from now on
    #[arg(value_name = "MODE")]
    pub(super) mode: Option<ChosenMode>,
}

#[derive(Debug, Args)]
pub(super) struct Rebuilder {
    #[command(subcommand)]
    pub(super) command: RebuilderCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum RebuilderCommand {
    /// List the rebuilders with their keys and endpoints
    List(RebuilderList),
    /// Trust a rebuilder: show its keys, ask, and write its file
    Add(RebuilderAdd),
    /// Trust another key of a rebuilder
    AddKey(RebuilderAddKey),
    /// Show which keys rebuilders publish now that are not trusted, and the other way round
    Refresh(RebuilderRefresh),
    /// Trust a rebuilder no more: take its file away
    Remove(RebuilderRemove),
    /// Take over an in-toto layout: its keys as rebuilders, and its threshold
    ImportLayout(ImportLayout),
}

#[derive(Debug, Args)]
pub(super) struct RebuilderList {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderAdd {
    #[command(flatten)]
    pub(super) directory: Directory,
    #[command(flatten)]
    pub(super) trust: Trust,
    /// What to call it, unless a description or the host's name says so
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// What the URL speaks, if that cannot be found out
    #[arg(long, value_name = "PROTOCOL",
        value_parser = PossibleValuesParser::new(Protocol::ALL.map(Protocol::name)))]
    pub(super) protocol: Option<String>,
    /// Of an archive: the directory below dists/
    #[arg(long, value_name = "SUITE")]
    pub(super) suite: Option<String>,
    /// Of an archive: a component whose packages count
    #[arg(long, value_name = "NAME")]
    pub(super) component: Vec<String>,
    /// Of an archive: where below dists/SUITE/ the list is of what it did not build
    #[arg(long, value_name = "PATH")]
    pub(super) taken_over: Option<String>,
    /// How to reach the people
    #[arg(long, value_name = "TEXT")]
    pub(super) contact: Option<String>,
    /// Ask it only for packages of this architecture; "all" is one of its own
    #[arg(long, value_name = "ARCH")]
    pub(super) architecture: Vec<String>,
    /// How many rebuilders must confirm a package from now on
    #[arg(long, value_name = "COUNT")]
    pub(super) threshold: Option<i64>,
    /// The URL of an endpoint, the name of a description that came with the package, or the path
    /// of another one
    #[arg(value_name = "URL|NAME|FILE")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderAddKey {
    #[command(flatten)]
    pub(super) directory: Directory,
    #[command(flatten)]
    pub(super) trust: Trust,
    /// The rebuilder
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

/// How somebody says that keys are the right ones.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// Trust the key in this file, PEM or an armoured certificate, and not what endpoints say
    #[arg(long, value_name = "FILE")]
    pub(super) key: Vec<PathBuf>,
    /// A key that is to be trusted, by the first 32 or more digits of its id
    #[arg(long, value_name = "HEX")]
    pub(super) fingerprint: Vec<String>,
    /// Do not ask; every key must have its --fingerprint
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderRefresh {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Print JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// The rebuilder, or all
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RebuilderRemove {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// Do not ask
    #[arg(long)]
    pub(super) yes: bool,
    /// The rebuilder
    #[arg(value_name = "NAME")]
    pub(super) name: String,
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
    /// Ask all rebuilders about packages, so that their attestations are in the cache
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
#[command(group = clap::ArgGroup::new("what_to_judge").args(["words", "archives", "check"]).required(true))]
pub(super) struct Bootstrap {
    #[command(flatten)]
    pub(super) directory: Directory,
    /// More attestations, as for verify
    #[arg(long, value_name = "PATH")]
    pub(super) evidence: Vec<PathBuf>,
    /// Ask nobody over the network
    #[arg(long)]
    pub(super) offline: bool,
    /// Print the decisions as JSON, as apt-quorum(1) describes it
    #[arg(long)]
    pub(super) json: bool,
    /// Keep receipts in this directory, and not in TARGET/var/lib/apt-quorum
    #[arg(long, value_name = "DIR")]
    pub(super) receipts: Option<PathBuf>,
    /// Keep no receipts
    #[arg(long, conflicts_with = "receipts")]
    pub(super) no_receipts: bool,
    /// Only judge every *.deb in this directory, from which they are going to be unpacked
    #[arg(long, value_name = "DIR")]
    pub(super) archives: Option<PathBuf>,
    /// With --archives: apt's verified indexes, for rules and exceptions that go by the archive
    #[arg(long, value_name = "DIR", requires = "archives")]
    pub(super) lists: Option<PathBuf>,
    /// Only say whether the configuration is one to build with
    #[arg(long)]
    pub(super) check: bool,
    /// debootstrap's own options, the suite, the directory, the mirror and the script
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(super) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Complete {
    /// The words behind the program's name; the last one is to be completed
    #[arg(last = true, value_name = "WORD")]
    pub(super) words: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct Directory {
    /// Use the configuration in this directory
    #[arg(long = "config", value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
}
