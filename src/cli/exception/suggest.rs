//! `apt-quorum exception suggest`: the exceptions that could go, and those that would be needed.
//!
//! It only reads. Every exception that it proposes is for one version or for one file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::args::ExceptionSuggest;
use super::{Exit, Stop, reference, say};
use crate::audit::System;
use crate::cli::judging::Court;
use crate::cli::output::{counted, json};
use crate::cli::simulate;
use crate::cli::world::say_remarks;
use crate::config::Config;
use crate::gate::{Ask, Assessed};
use crate::policy::{Assessment, Evidence, Exception, Named, Policy, Reason, assess};
use crate::types::{Identity, Timestamp};

/// The JSON that `--json` prints.
#[derive(Default, Serialize)]
struct Suggestions {
    schema: u32,
    /// Exceptions that have expired
    expired: Vec<String>,
    /// Exceptions whose packages here are all confirmed by a quorum
    unneeded: Vec<UnneededException>,
    /// Exceptions that apply to no package here
    unused: Vec<String>,
    /// Packages that would pass with an exception
    needed: Vec<NeededException>,
    /// Packages of which a rebuilder signed a different file: no exception is proposed
    conflicts: Vec<Identity>,
    /// Packages about which rebuilders did not answer: no exception is proposed
    undetermined: Vec<Identity>,
    /// The number of installed packages whose file is not known
    unidentified: usize,
}

#[derive(Serialize)]
struct UnneededException {
    exception: String,
    packages: Vec<Identity>,
}

#[derive(Serialize)]
struct NeededException {
    #[serde(flatten)]
    identity: Identity,
    /// The words for `apt-quorum exception add` that mean this version or this file
    conditions: String,
}

pub(super) fn run(arguments: &ExceptionSuggest) -> Result<Exit, Stop> {
    let court = Court::open(&arguments.judging)?;
    let config = court.config()?;
    let now = court.present();
    let failed = |error| Stop::wrong(format!("cannot look at the installed packages: {error}"));
    let system = System::running(&court.apt).map_err(failed)?;
    let audited = court.audit(&system, Ask::All, now, failed)?;
    let unidentified = audited.iter().filter(|it| it.assessed.is_none()).count();
    let mut assessed: Vec<Assessed> = audited.into_iter().filter_map(|it| it.assessed).collect();
    if arguments.upgrades {
        let files = court.gate.files_of(&simulate::upgraded()?.packages);
        let mut gatherer = court.gatherer()?;
        let more = court.gate.assess(files, |_| Vec::new(), Ask::All, &mut *gatherer, now, |_| {});
        assessed.extend(more);
    }
    say_remarks(&court.gate);
    let found = Suggestions { unidentified, ..Suggestions::of(config, &assessed, now) };
    let exit = match found.undetermined.is_empty() {
        true => Exit::Admitted,
        false => Exit::CouldNotFindOut,
    };
    let option = arguments.judging.directory.config.as_ref();
    let option = option.map(|it| format!(" --config {}", it.display())).unwrap_or_default();
    let text = match arguments.judging.json {
        true => json(&found),
        false => found.text(&option),
    };
    Ok(say(&text, exit))
}

impl Suggestions {
    fn of(config: &Config, assessed: &[Assessed], now: Timestamp) -> Self {
        let mut found = Self { schema: 1, ..Self::default() };
        for exception in config.policy.exceptions() {
            let called = reference(exception);
            if exception.exemption.expires <= now {
                found.expired.push(called);
                continue;
            }
            // The same policy was put together before.
            let Some(alone) = alone(exception, &config.policy) else { continue };
            let matched: Vec<&Assessed> =
                assessed.iter().filter(|it| is_excepted(&alone, &it.named, now)).collect();
            let is_confirmed =
                |it: &&Assessed| matches!(it.assessment, Assessment::Confirmed { .. });
            if matched.is_empty() {
                found.unused.push(called);
            } else if matched.iter().all(is_confirmed) {
                let packages = matched.iter().map(|it| it.named.identity.clone()).collect();
                found.unneeded.push(UnneededException { exception: called, packages });
            }
        }
        let mut seen = BTreeSet::new();
        for it in assessed {
            let Assessment::Unconfirmed { reason, report } = &it.assessment else { continue };
            let identity = it.named.identity.clone();
            if !report.conflicts.is_empty() {
                found.conflicts.push(identity);
            } else if matches!(reason, Reason::CouldNotFindOut { .. }) {
                found.undetermined.push(identity);
            } else {
                let conditions = conditions(&it.named);
                if seen.insert(conditions.clone()) {
                    found.needed.push(NeededException { identity, conditions });
                }
            }
        }
        found
    }

    fn text(&self, option: &str) -> String {
        let mut text = String::new();
        if !self.expired.is_empty() {
            let _ = writeln!(
                text,
                "{} expired. To remove: apt-quorum exception prune{option}",
                counted(self.expired.len(), "exception")
            );
        }
        for it in &self.unneeded {
            let _ = writeln!(
                text,
                "{0} is no longer needed: a quorum confirms {1} to which it applies. To remove: apt-quorum exception remove {0}{option}",
                it.exception,
                match it.packages.as_slice() {
                    [one] => one.to_string(),
                    all => format!("all {} packages", all.len()),
                }
            );
        }
        for it in &self.unused {
            let _ = writeln!(text, "{it} applies to no package here.");
        }
        for it in &self.needed {
            let _ = writeln!(
                text,
                "{} is not confirmed. To exempt it: apt-quorum exception add {} --reason TEXT --days 30{option}",
                it.identity, it.conditions
            );
        }
        for it in &self.conflicts {
            let _ = writeln!(
                text,
                "CONFLICT: a rebuilder signed a different file as {it}: do not exempt it before you know why. See: apt-quorum explain {}={}{option}",
                it.package, it.version
            );
        }
        if !self.undetermined.is_empty() {
            let _ = writeln!(
                text,
                "{} undetermined, because rebuilders did not respond: ask again later.",
                counted(self.undetermined.len(), "package")
            );
        }
        if self.unidentified > 0 {
            let _ = writeln!(
                text,
                "{} cannot be assessed. For details: apt-quorum audit{option}",
                counted(self.unidentified, "package")
            );
        }
        if text.is_empty() {
            text += "No exception is missing, and none is unnecessary.\n";
        }
        text
    }
}

/// Returns the policy with this exception as the only one.
fn alone(exception: &Exception, policy: &Policy) -> Option<Policy> {
    let (rebuilders, keys) = (policy.rebuilders().clone(), policy.keys().clone());
    let (default, rules) = (policy.default_requirement().cloned(), policy.rules().to_vec());
    let exceptions = vec![exception.clone()];
    Policy::new(policy.mode(), rebuilders, keys, default, rules, exceptions).ok()
}

/// Returns true if an exception of this policy applies to the package while nothing confirms it.
fn is_excepted(policy: &Policy, named: &Named, now: Timestamp) -> bool {
    let nothing = Evidence::default();
    matches!(assess(policy, named, &nothing, now), Assessment::Excepted { .. })
}

/// Returns the conditions that mean this version alone. A file in no index is named by its bytes.
fn conditions(named: &Named) -> String {
    let Identity { package, version, .. } = &named.identity;
    if named.listings.is_empty() {
        return format!("--sha256 {}", named.sha256);
    }
    format!("{package}={version}")
}
