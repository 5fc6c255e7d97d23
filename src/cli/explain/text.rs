//! The judgement on a package, for people. No line ends in a bare number.

use std::fmt::Write as _;
use std::path::Path;

use super::builds::BuildsAtEndpoint;
use super::{AttestedAnswer, ExplainedCase, advice, builds as past};
use crate::audit::{HashSource, PackageState};
use crate::cli::output::{counted, list};
use crate::config::Config;
use crate::policy::{Decision, Listing, Mode, OnConflict, Reason, Report, Standing};
use crate::receipt::Admitted;
use crate::report;
use crate::types::{RebuilderName, Timestamp, printable};

pub(super) fn of(
    case: &ExplainedCase,
    config: &Config,
    answers: &[AttestedAnswer],
    builds: &[BuildsAtEndpoint],
    receipt: Option<&Admitted>,
    now: Timestamp,
) -> String {
    let mut text = format!("{}: {}\n", name(case), verdict(case, config));
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<10} {value}");
    };
    for value in file(case) {
        line("file", &value);
    }
    if let Some(receipt) = receipt {
        line("receipt", &accepted(receipt));
    }
    let Some(report) = case.report() else {
        for it in advice::of(case, config) {
            line("to pass", &it);
        }
        return text;
    };
    line("rule", &rule(report, config));
    line("needs", &needs(report));
    for (name, standing) in &report.standings {
        line("rebuilder", &rebuilder(name, standing, report, answers));
    }
    for at_endpoint in builds {
        for (at, value) in past::lines(at_endpoint).iter().enumerate() {
            line(if at == 0 { "builds" } else { "" }, value);
        }
    }
    if let Some(it) = case.exception() {
        let left = crate::cli::exception::left(it.expires, now);
        line("exception", &format!("{}: {} ({left})", it.called(), printable(&it.reason)));
    }
    if let Some(it) = &report.expired_exception {
        let ended = it.expires.ended();
        line("exception", &format!("{} would apply, but EXPIRED {ended}", it.called()));
    }
    if let Some(it) = &report.unhashed_exception {
        line("exception", &format!("none: {}", report::unhashed(it)));
    }
    for claim in &report.conflicts {
        line(
            "CONFLICT",
            &format!(
                "{} signed a different file under this name (sha256 {}, key {}).",
                claim.rebuilder(),
                claim.sha256(),
                claim.key().key_id()
            ),
        );
    }
    for it in advice::of(case, config) {
        line("to pass", &it);
    }
    text
}

fn name(case: &ExplainedCase) -> String {
    match (case, case.identity()) {
        (ExplainedCase::Installed(it), _) => it.installed.called.to_string(),
        (_, Some(identity)) => identity.to_string(),
        (ExplainedCase::File(it), None) => printable(&it.path.to_string_lossy()).to_string(),
        (ExplainedCase::Listed(_), None) => "a package".to_owned(),
    }
}

/// Returns the outcome, in one sentence.
fn verdict(case: &ExplainedCase, config: &Config) -> String {
    let because = case.reason().map(report::reason).unwrap_or_default();
    let warns = config.policy.mode() == Mode::Warn;
    match case {
        ExplainedCase::Installed(it) => match it.state {
            PackageState::Confirmed => "installed, and confirmed by enough rebuilders.".to_owned(),
            PackageState::Excepted => format!("installed, under an exception: {because}."),
            PackageState::Debt => {
                format!("installed without a quorum (debt), and still not confirmed: {because}.")
            }
            PackageState::Conflict => format!("installed, and IN CONFLICT: {because}."),
            PackageState::Unknown if it.assessed.is_none() => {
                format!("installed; {}.", it.why_unknown().unwrap_or_default())
            }
            PackageState::Unknown => format!("installed, and not confirmed: {because}."),
        },
        _ if case.exception().is_some() => format!("would pass, under an exception: {because}."),
        _ => match case.reason() {
            None => "would pass: enough rebuilders confirm it.".to_owned(),
            Some(Reason::NoRebuilders) if warns => {
                "would pass unchecked: no rebuilder is configured.".to_owned()
            }
            Some(_) if warns && !refused(case) => {
                format!("would pass with a warning (mode warn): {because}.")
            }
            Some(_) => format!("would be refused: {because}."),
        },
    }
}

fn refused(case: &ExplainedCase) -> bool {
    matches!(case, ExplainedCase::File(it) if matches!(it.decision, Decision::Refuse(_)))
}

/// Describes the file, the source of its SHA-256, and the repositories that offer it.
fn file(case: &ExplainedCase) -> Vec<String> {
    let (sha256, who, source, listings): (_, _, _, &[Listing]) = match case {
        ExplainedCase::Installed(it) => {
            let Some((sha256, from)) = it.file else { return Vec::new() };
            let who = match from {
                HashSource::Receipt => "from root's receipt",
                HashSource::Index => "from a signed index of apt",
                HashSource::Statement => "from a statement about the image",
            };
            let listings = it.assessed.as_ref().map(|it| it.named.listings.as_slice());
            let source = it.installed.control.as_ref().ok().map(|it| &it.source);
            (sha256, who, source, listings.unwrap_or_default())
        }
        ExplainedCase::Listed(it) => {
            let named = &it.named;
            (named.sha256, "from an index of apt", named.source.as_ref(), &named.listings)
        }
        ExplainedCase::File(it) => {
            let Some(subject) = it.decision.subject() else { return Vec::new() };
            let source = subject.control().ok().map(|it| &it.source);
            (subject.sha256(), "computed now", source, subject.listings())
        }
    };
    let mut lines = vec![format!("sha256 {sha256} ({who})")];
    lines.extend(source.map(|(name, version)| format!("built from {name} ({version})")));
    for it in listings {
        lines.push(format!("offered by {}", repository(it)));
        lines.push(signers(it));
    }
    lines
}

fn repository(listing: &Listing) -> String {
    let Listing { origin, suite, codename, component, site, .. } = listing;
    let suite = if suite.is_empty() { codename } else { suite };
    let words = [origin, suite, component].map(|it| printable(it).to_string());
    let words: Vec<String> = words.into_iter().filter(|it| !it.is_empty()).collect();
    let words =
        if words.is_empty() { "a repository without a name".to_owned() } else { words.join(" ") };
    let site =
        if site.is_empty() { "this machine".to_owned() } else { printable(site).to_string() };
    format!("{words} (on {site})")
}

/// Names the keys that signed the repository's index, as a policy can ask for them.
fn signers(listing: &Listing) -> String {
    if listing.signed_by.is_empty() {
        return "no known key signed its index: no signed_by matches".to_owned();
    }
    format!("its index is signed_by {}", list(&listing.signed_by))
}

fn accepted(receipt: &Admitted) -> String {
    let basis = match receipt.basis.as_str() {
        "quorum" => "quorum",
        "exception" => "exception",
        "warn-mode" => "mode warn, without a quorum",
        _ => "unknown basis",
    };
    let attestations = counted(receipt.claims.len(), "attestation");
    format!("accepted {}: {basis}, {attestations}", receipt.time.date())
}

/// Returns the reason for the rule that matched, if the administrator gave one.
pub(super) fn rule_reason(report: &Report, config: &Config) -> Option<String> {
    let place = report.rule.as_ref()?;
    let rule = config.policy.rules().iter().find(|it| &it.place == place)?;
    rule.reason.clone()
}

fn rule(report: &Report, config: &Config) -> String {
    match (&report.rule, rule_reason(report, config)) {
        (None, _) => "no rule matches; the default threshold applies".to_owned(),
        (Some(place), None) => format!("{place} matches"),
        (Some(place), Some(reason)) => format!("{place} matches ({})", printable(&reason)),
    }
}

fn needs(report: &Report) -> String {
    let Some(requirement) = &report.requirement else {
        return "a rebuilder: none is configured".to_owned();
    };
    let counted = requirement.counted();
    let mut text = format!(
        "{} of {} rebuilders ({})",
        requirement.threshold().count(),
        counted.len(),
        list(counted)
    );
    if !requirement.required().is_empty() {
        let _ = write!(text, ", including {}", list(requirement.required()));
    }
    for (name, quota) in requirement.groups() {
        let (count, members) = (quota.threshold.count(), list(&quota.members));
        let _ = write!(text, ", {count} from group {name} ({members})");
    }
    if requirement.on_conflict() == OnConflict::Refuse {
        text.push_str(", without a conflict");
    }
    text
}

fn rebuilder(
    name: &RebuilderName,
    standing: &Standing,
    report: &Report,
    answers: &[AttestedAnswer],
) -> String {
    let counts = report.requirement.as_ref().is_none_or(|it| it.counted().contains(name));
    let counts = if counts { "" } else { " (does not count here)" };
    let signed: Vec<String> =
        answers.iter().filter(|it| it.rebuilder == *name).map(self::signed).collect();
    let signed =
        if signed.is_empty() { String::new() } else { format!(" ({})", signed.join("; ")) };
    format!("{name}{counts}: {}{signed}", report::standing(standing))
}

/// Describes the key that a rebuilder signed with, and the time if it is known.
fn signed(answer: &AttestedAnswer) -> String {
    let mut text = format!("key {}", answer.key);
    if let Some(file) = &answer.key_file {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let _ = write!(text, " in {}", printable(&name));
    }
    match (answer.dated, answer.kept_since) {
        (Some(dated), _) => {
            let _ = write!(text, ", dated {dated}");
        }
        (None, Some(since)) => {
            let _ = write!(text, ", kept since {since}, undated");
        }
        (None, None) => text.push_str(", received now, undated"),
    }
    text
}
