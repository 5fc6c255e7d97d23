//! The judgement on a package, for people. No line ends in a bare number.

use std::fmt::Write as _;
use std::path::Path;

use super::{Answer, Case, advice};
use crate::audit::{Source, State};
use crate::config::Config;
use crate::policy::{Decision, Listing, Mode, OnConflict, Reason, Report, Standing};
use crate::receipt::Admitted;
use crate::report;
use crate::types::{RebuilderName, Timestamp, printable};

pub(super) fn of(
    case: &Case,
    config: &Config,
    answers: &[Answer],
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
        line("receipt", &let_in(receipt));
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
    if let Some((place, reason, expires)) = case.exception() {
        let left = crate::cli::exception::left(expires, now);
        line("exception", &format!("{place}: {} ({left})", printable(reason)));
    }
    if let Some((place, expired)) = &report.expired_exception {
        line("exception", &format!("{place} would apply, but EXPIRED on {}", expired.date()));
    }
    if let Some(place) = &report.unhashed_exception {
        line("exception", &format!("none: {}", report::unhashed(place)));
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

fn name(case: &Case) -> String {
    match (case, case.identity()) {
        (Case::Installed(it), _) => it.installed.called.to_string(),
        (_, Some(identity)) => identity.to_string(),
        (Case::File(it), None) => printable(&it.path.to_string_lossy()).to_string(),
        (Case::Listed(_), None) => "a package".to_owned(),
    }
}

/// Returns the outcome, in one sentence.
fn verdict(case: &Case, config: &Config) -> String {
    let because = case.reason().map(report::reason).unwrap_or_default();
    let warns = config.policy.mode() == Mode::Warn;
    match case {
        Case::Installed(it) => match it.state {
            State::Confirmed => "installed, and confirmed by enough rebuilders.".to_owned(),
            State::Excepted => format!("installed, under an exception: {because}."),
            State::Debt => {
                format!("installed without a quorum (debt), and there is none still: {because}.")
            }
            State::Conflict => format!("installed, and IN CONFLICT: {because}."),
            State::Unknown if it.assessed.is_none() => {
                format!("installed, and {}.", it.why_unknown().unwrap_or_default())
            }
            State::Unknown => format!("installed, and not confirmed: {because}."),
        },
        _ if case.exception().is_some() => format!("would pass, under an exception: {because}."),
        _ => match case.reason() {
            None => "would pass: enough rebuilders confirm it.".to_owned(),
            Some(Reason::NoRebuilders) if warns => {
                "would pass unchecked: nobody is configured who could confirm it.".to_owned()
            }
            Some(_) if warns && !refused(case) => {
                format!("would pass with a warning, for the mode is warn: {because}.")
            }
            Some(_) => format!("would be refused: {because}."),
        },
    }
}

fn refused(case: &Case) -> bool {
    matches!(case, Case::File(it) if matches!(it.decision, Decision::Refuse(_)))
}

/// Describes the file, the source of its SHA-256, and the archives that offer it.
fn file(case: &Case) -> Vec<String> {
    let (sha256, who, source, listings): (_, _, _, &[Listing]) = match case {
        Case::Installed(it) => {
            let Some((sha256, from)) = it.file else { return Vec::new() };
            let who = match from {
                Source::Receipt => "by root's receipt",
                Source::Index => "by a signed index of apt",
                Source::Statement => "by a statement about the image",
            };
            let listings = it.assessed.as_ref().map(|it| it.named.listings.as_slice());
            let source = it.installed.control.as_ref().ok().map(|it| &it.source);
            (sha256, who, source, listings.unwrap_or_default())
        }
        Case::Listed(it) => {
            let named = &it.named;
            (named.sha256, "by an index of apt", named.source.as_ref(), &named.listings)
        }
        Case::File(it) => {
            let Some(subject) = it.decision.subject() else { return Vec::new() };
            let source = subject.control().ok().map(|it| &it.source);
            (subject.sha256(), "as computed now", source, &subject.listings[..])
        }
    };
    let mut lines = vec![format!("sha256 {sha256} ({who})")];
    lines.extend(source.map(|(name, version)| format!("built from {name} ({version})")));
    for it in listings {
        lines.push(format!("offered by {}", archive(it)));
        lines.push(signers(it));
    }
    lines
}

fn archive(listing: &Listing) -> String {
    let Listing { origin, suite, codename, component, site, .. } = listing;
    let suite = if suite.is_empty() { codename } else { suite };
    let words = [origin, suite, component].map(|it| printable(it).to_string());
    let words: Vec<String> = words.into_iter().filter(|it| !it.is_empty()).collect();
    let words =
        if words.is_empty() { "an archive without a name".to_owned() } else { words.join(" ") };
    let site =
        if site.is_empty() { "this machine".to_owned() } else { printable(site).to_string() };
    format!("{words} (on {site})")
}

/// Names the keys that signed the archive's index, as a policy can ask for them.
fn signers(listing: &Listing) -> String {
    let all: Vec<String> = listing.signed_by.iter().map(ToString::to_string).collect();
    if all.is_empty() {
        return "its index is signed by no key that is known here: no signed_by matches it"
            .to_owned();
    }
    format!("its index is signed_by {}", all.join(", "))
}

fn let_in(receipt: &Admitted) -> String {
    let on = match receipt.basis.as_str() {
        "quorum" => "by a quorum",
        "exception" => "under an exception",
        "warn-mode" => "in mode warn, without a quorum",
        _ => "in a way that is not known here",
    };
    let count = receipt.claims.len();
    let noun = if count == 1 { "attestation" } else { "attestations" };
    format!("let in on {} {on}, on {count} {noun}", receipt.time.date())
}

/// Returns the reason for the rule that matched, if the administrator gave one.
pub(super) fn rule_reason(report: &Report, config: &Config) -> Option<String> {
    let place = report.rule.as_deref()?;
    let rule = config.policy.rules().iter().find(|it| it.place == place)?;
    rule.reason.clone()
}

fn rule(report: &Report, config: &Config) -> String {
    match (&report.rule, rule_reason(report, config)) {
        (None, _) => "no rule matches it: what stands at the top of policy.toml holds".to_owned(),
        (Some(place), None) => format!("{place} matches it"),
        (Some(place), Some(reason)) => format!("{place} matches it ({})", printable(&reason)),
    }
}

fn needs(report: &Report) -> String {
    let Some(requirement) = &report.requirement else {
        return "somebody who could confirm anything: there is no rebuilder".to_owned();
    };
    let list = |names: &std::collections::BTreeSet<RebuilderName>| {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let counted = requirement.counted();
    let mut text = format!(
        "{} of {} rebuilders ({})",
        requirement.threshold().count(),
        counted.len(),
        list(counted)
    );
    if !requirement.required().is_empty() {
        let _ = write!(text, ", among them {}", list(requirement.required()));
    }
    if requirement.on_conflict() == OnConflict::Refuse {
        text.push_str(", and no conflict");
    }
    text
}

fn rebuilder(
    name: &RebuilderName,
    standing: &Standing,
    report: &Report,
    answers: &[Answer],
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
fn signed(answer: &Answer) -> String {
    let mut text = format!("key {}", answer.key);
    if let Some(file) = &answer.key_file {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let _ = write!(text, " in {}", printable(&name));
    }
    match (answer.dated, answer.kept_since) {
        (Some(dated), _) => {
            let _ = write!(text, ", signed with the date {dated}");
        }
        (None, Some(since)) => {
            let _ = write!(text, ", here since {since}, not dated");
        }
        (None, None) => text.push_str(", heard now, not dated"),
    }
    text
}
