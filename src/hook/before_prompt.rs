//! `AptCli::Hooks::Install`: before apt asks whether to go on, and before anything is downloaded.
//!
//! It goes by what apt's indexes say of the packages, for their files are not here. So it
//! lets nothing in: what it has nothing against is judged by the method and the hook as always. It
//! can only refuse earlier. What is said here is in the cache by the time at which they ask.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::process::ExitCode;

use super::{apt_arguments, complain, complain_raw, present};
use crate::apt::configuration::Configuration;
use crate::apt::index::Listed;
use crate::apt::json_hook::{self, Message, MessageError};
use crate::deb::Control;
use crate::evidence::Network;
use crate::gate::{Ask, Assessed, Environment, Gate, apt_configuration};
use crate::policy::{Assessment, Mode, Named, Policy};
use crate::report;
use crate::sys::inherited;
use crate::sys::secure::Trusted;
use crate::types::{Identity, printable};

/// Where apt says which descriptor its socket is.
const SOCKET: &str = "APT_HOOK_SOCKET";

/// Most packages of a kind that are named.
const NAMED: usize = 20;

/// What is said last when apt is told to stop.
const OUTCOME: &str = "Nothing was downloaded or installed.";

/// Runs the hook. A failure makes apt stop.
#[must_use]
pub fn run() -> ExitCode {
    let number = std::env::var(SOCKET).ok().and_then(|it| it.parse().ok());
    let Some(socket) = number.and_then(inherited::take) else {
        complain("before-prompt is started by apt, see apt-quorum(1).");
        return ExitCode::FAILURE;
    };
    match converse(&socket) {
        Ok(code) => code,
        // The gate does not depend on this conversation.
        Err(error) => {
            complain(&format!("{error}; packages are judged when they are installed."));
            ExitCode::SUCCESS
        }
    }
}

fn converse(socket: &File) -> Result<ExitCode, MessageError> {
    let mut from = BufReader::new(socket);
    let mut to = socket;
    let mut apt = Configuration::default();
    let mut code = ExitCode::SUCCESS;
    while let Some(message) = json_hook::read(&mut from)? {
        match message {
            Message::Hello { answer, configuration } => {
                to.write_all(answer.as_bytes())?;
                apt = configuration.unwrap_or_else(|| {
                    let mut files = apt_configuration(Environment::Ignored);
                    apt_arguments::add_those_of_parent(&mut files);
                    files
                });
            }
            Message::BeforePrompt { packages, named } => {
                code = look_ahead(&apt, &packages, named);
            }
            Message::Other => {}
            Message::Bye => break,
        }
    }
    Ok(code)
}

fn look_ahead(apt: &Configuration, packages: &[Identity], all_named: bool) -> ExitCode {
    if packages.is_empty() {
        return ExitCode::SUCCESS;
    }
    let gate = Gate::open(apt, None, Trusted::now());
    let policy = match gate.config() {
        Ok(config) => &config.policy,
        Err(problems) => {
            complain_raw(&format!("{problems}; with any, every package is refused. {OUTCOME}\n"));
            return ExitCode::FAILURE;
        }
    };
    if policy.operators().is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut gatherer = match gate.gatherer(apt, Network::Allowed) {
        Ok(gatherer) => gatherer,
        Err(why) => {
            complain(&format!("{why}. {OUTCOME}"));
            return ExitCode::FAILURE;
        }
    };
    let files = files_of(&gate, packages);
    let assessed =
        gate.assess(files, |_| Vec::new(), Ask::All, &mut *gatherer, present(apt), |_| {});
    drop(gatherer);
    let outlook = Outlook::of(packages, &assessed);
    complain_raw(&outlook.text(policy));
    if outlook.refused.is_empty() || policy.mode() == Mode::Warn || apt.is_on("APT::Get::Simulate")
    {
        return ExitCode::SUCCESS;
    }
    if !all_named && is_asked(apt) {
        return ExitCode::SUCCESS;
    }
    complain_raw(&format!("{OUTCOME}\n"));
    ExitCode::FAILURE
}

/// Whether apt is going to ask somebody who can answer.
fn is_asked(apt: &Configuration) -> bool {
    let quiet = apt.find("quiet").and_then(|it| it.parse::<u32>().ok()).unwrap_or_default();
    let assumed = apt.is_on("APT::Get::Assume-Yes") || quiet >= 2;
    !assumed && std::io::stdin().is_terminal()
}

/// What the indexes say of these packages: each file that one may be, several where archives
/// disagree.
fn files_of(gate: &Gate, packages: &[Identity]) -> Vec<Named> {
    let wanted: BTreeSet<&Identity> = packages.iter().collect();
    let listings = gate.listings_of(|it| wanted.contains(it));
    let files = listings.files();
    let listed = packages.iter().filter_map(|it| files.get(it)).flat_map(|it| it.values());
    listed
        .map(|Listed { sha256, identity, source }| {
            // Without a source, rules about sources do not match.
            let itself = || (identity.package.clone(), identity.version.clone());
            let source = source.clone().unwrap_or_else(itself);
            let control = Control { identity: identity.clone(), source };
            Named { listings: listings.of(*sha256, identity), control, sha256: *sha256 }
        })
        .collect()
}

/// How packages are going to fare, as far as that can be told.
struct Outlook<'a> {
    confirmed: usize,
    /// With the exception
    excepted: Vec<&'a Assessed>,
    /// With the best that can be said of each
    refused: Vec<&'a Assessed>,
    conflicts: Vec<&'a Assessed>,
    /// No index lists them
    unlisted: Vec<&'a Identity>,
}

impl<'a> Outlook<'a> {
    /// Of several files that a package may be, apt takes one that is not known here. Only if all
    /// of them would be refused is it certain that the package will.
    fn of(packages: &'a [Identity], assessed: &'a [Assessed]) -> Self {
        let mut outlook = Self {
            confirmed: 0,
            excepted: Vec::new(),
            refused: Vec::new(),
            conflicts: Vec::new(),
            unlisted: Vec::new(),
        };
        for package in packages {
            let files = assessed.iter().filter(|it| it.named.control.identity == *package);
            let Some(best) = files.min_by_key(|it| rank(&it.assessment)) else {
                outlook.unlisted.push(package);
                continue;
            };
            match best.assessment {
                Assessment::Confirmed { .. } => outlook.confirmed += 1,
                Assessment::Excepted { .. } => outlook.excepted.push(best),
                Assessment::Unconfirmed { .. } => outlook.refused.push(best),
            }
            if !best.assessment.report().conflicts.is_empty() {
                outlook.conflicts.push(best);
            }
        }
        outlook
    }

    fn text(&self, policy: &Policy) -> String {
        let enforced = policy.mode() == Mode::Enforce;
        let mut counts = vec![format!("{} confirmed", self.confirmed)];
        for (count, what) in [
            (self.excepted.len(), "under an exception"),
            (self.refused.len(), if enforced { "refused" } else { "not confirmed" }),
            (self.unlisted.len(), "in no index, judged when installed"),
        ] {
            if count > 0 {
                counts.push(format!("{count} {what}"));
            }
        }
        let all = self.confirmed + self.excepted.len() + self.refused.len() + self.unlisted.len();
        let noun = if all == 1 { "package" } else { "packages" };
        let mut text = format!("apt-quorum: of {all} {noun}, {}.\n", counts.join(", "));
        let word = if enforced { "refused" } else { "not confirmed" };
        add_lines(&mut text, &self.refused, |it| match &it.assessment {
            Assessment::Unconfirmed { reason, .. } => format!(
                "  {word}: {}: {}{}",
                it.named.control.identity,
                report::reason(reason),
                report::standings(Some(it.assessment.report()))
            ),
            _ => String::new(),
        });
        add_lines(&mut text, &self.excepted, |it| match &it.assessment {
            Assessment::Excepted { reason, expires, place, .. } => format!(
                "  exception: {}: {} (until {}, {place})",
                it.named.control.identity,
                printable(reason),
                expires.date()
            ),
            _ => String::new(),
        });
        add_lines(&mut text, &self.conflicts, |it| {
            format!(
                "  CONFLICT: {}: somebody signed a different file under this name",
                it.named.control.identity
            )
        });
        text
    }
}

fn add_lines(text: &mut String, of: &[&Assessed], line: impl Fn(&Assessed) -> String) {
    for it in of.iter().take(NAMED) {
        *text += &format!("{}.\n", line(it));
    }
    if let Some(more) = of.len().checked_sub(NAMED).filter(|more| *more > 0) {
        *text += &format!("  and {more} more such packages.\n");
    }
}

const fn rank(assessment: &Assessment) -> u8 {
    match assessment {
        Assessment::Confirmed { .. } => 0,
        Assessment::Excepted { .. } => 1,
        Assessment::Unconfirmed { .. } => 2,
    }
}
