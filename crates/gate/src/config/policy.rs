//! `policy.toml`: the mode, the threshold, the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::diagnostic::{Diagnostic, Problems, SourceFile, SourcePlace};
use super::groups::{Groups, Quotas, list};
use super::reader::{Located, Table, TextList, document};
use super::{ConfigFiles, Direct, HoldSettings, Rebuilders, Timeouts};
use crate::policy::{Matcher, Mode, OnConflict, Requirement, RequirementError, Rule};
use crate::route::proxy::{Proxy, ProxyError};
use crate::types::{RebuilderName, Sha256Digest, Threshold};

/// The content of `policy.toml`.
pub(super) struct PolicyFile {
    pub(super) mode: Mode,
    pub(super) default: Option<Requirement>,
    pub(super) rules: Vec<Rule>,
    pub(super) network: NetworkSettings,
    pub(super) direct: Direct,
    pub(super) hold: HoldSettings,
}

/// The settings for asking endpoints.
#[derive(Default)]
pub(super) struct NetworkSettings {
    pub(super) timeouts: Timeouts,
    pub(super) authorities: Option<String>,
    pub(super) proxy: Option<Proxy>,
}

/// The settings at the top of the file, which apply to rules without their own.
#[derive(Clone)]
struct Defaults {
    threshold: Given<Threshold>,
    groups: Given<Quotas>,
    conflict: OnConflict,
}

/// A value that may be missing, or wrong and reported.
#[derive(Clone)]
pub(super) enum Given<T> {
    Right(Located<T>),
    Wrong,
    Missing,
}

/// Reads `policy.toml`. Returns all of it, or nothing after reporting a mistake.
pub(super) fn read(
    source: &SourceFile,
    rebuilders: &Rebuilders,
    files: &mut ConfigFiles<'_>,
    problems: &mut Problems,
) -> Option<PolicyFile> {
    document(source, problems, |table, problems| {
        let mode =
            table.choice("mode", &[("enforce", Mode::Enforce), ("warn", Mode::Warn)], problems);
        let what = "write mode = \"enforce\" or mode = \"warn\"";
        let mode = table.required("mode", what, mode, problems);
        let conflict = on_conflict(table, problems).unwrap_or(OnConflict::Warn);
        let threshold = threshold(table, problems);
        let named = Groups::read(table, rebuilders, problems);
        let groups = named.quotas(table, problems);
        let default = match (&mode, &threshold) {
            (Some(mode), _) if mode.value == Mode::Enforce && rebuilders.are_none() => {
                let message = "no rebuilder is configured, so every package would be refused";
                let help = "write mode = \"warn\", then choose rebuilders: apt-quorum setup";
                problems.push(mode.place.saying(&message).help(help));
                None
            }
            (_, Given::Right(threshold)) => {
                default_requirement(threshold, &groups, rebuilders, conflict, problems)
            }
            (_, Given::Missing) if !rebuilders.are_none() => {
                let message = "threshold is missing: how many rebuilders must confirm?";
                problems.push(table.place().saying(&message).help(threshold_help(rebuilders)));
                None
            }
            (_, Given::Missing | Given::Wrong) => None,
        };
        let defaults = Defaults { threshold, groups, conflict };
        let rules = table.tables("rule", problems, |table, problems| {
            rule(table, rebuilders, &named, &defaults, problems)
        });
        let direct = [("judge", Direct::Judge), ("pass", Direct::Pass)];
        let direct = table.choice("dpkg", &direct, problems).map_or(Direct::Judge, |it| it.value);
        let hold = hold(table, problems);
        let directory = source.path().parent().unwrap_or(Path::new("/"));
        let network = |table: &mut Table<'_, '_>, problems: &mut Problems| NetworkSettings {
            timeouts: timeouts(table, problems),
            authorities: authorities(table, directory, files, problems),
            proxy: proxy(table, problems),
        };
        let network = table.table("network", problems, network).unwrap_or_default();
        let rules = rules?.into_iter().collect::<Option<_>>()?;
        Some(PolicyFile { mode: mode?.value, default, rules, network, direct, hold })
    })
    .flatten()
}

fn threshold_help(rebuilders: &Rebuilders) -> String {
    let count = rebuilders.names.len();
    match (rebuilders.complete, count) {
        (true, 1) => "there is 1 rebuilder: write threshold = 1".to_owned(),
        (true, _) => format!(
            "there are {count} rebuilders; threshold = {} is more than half of them",
            count / 2 + 1
        ),
        (false, _) => "write threshold = N".to_owned(),
    }
}

/// The requirement if no rule matches.
fn default_requirement(
    threshold: &Located<Threshold>,
    groups: &Given<Quotas>,
    rebuilders: &Rebuilders,
    conflict: OnConflict,
    problems: &mut Problems,
) -> Option<Requirement> {
    let counted = rebuilders.names.clone();
    let quotas = match groups {
        Given::Right(groups) => groups.value.quotas.clone(),
        Given::Missing => BTreeMap::new(),
        Given::Wrong => return None,
    };
    let made = Requirement::new(threshold.value, counted, BTreeSet::new(), quotas, conflict);
    let errors = match made {
        Ok(requirement) => return Some(requirement),
        // A mistake may hide one more rebuilder.
        Err(_) if !rebuilders.complete => return None,
        Err(errors) => errors,
    };
    for error in errors {
        problems.push(match error {
            RequirementError::ThresholdTooHigh { counted: 0, .. } => threshold
                .place
                .saying(&"no rebuilder is configured, so none can confirm")
                .help("add rebuilders to rebuilders.d before a threshold"),
            RequirementError::ThresholdTooHigh { threshold: count, counted } => threshold
                .place
                .saying(&format!("threshold is {}, but {}", count.count(), there_are(counted, "")))
                .help(format!("rebuilders: {}", list(&rebuilders.names))),
            RequirementError::RequiredNotCounted(_) => threshold.place.saying(&error),
            RequirementError::GroupTooSmall { .. } => {
                too_small(error, &threshold.place, groups, "")
            }
        });
    }
    None
}

fn rule(
    table: &mut Table<'_, '_>,
    all: &Rebuilders,
    named: &Groups,
    defaults: &Defaults,
    problems: &mut Problems,
) -> Option<Rule> {
    let matcher = matcher(table, problems);
    if !has_condition(table) {
        problems.push(
            table
                .place()
                .saying(&"a rule without a condition would match everything")
                .help(format!("add one of: {}", CONDITIONS.join(", "))),
        );
    }
    let own = threshold(table, problems);
    let counted = rebuilders(table, "rebuilders", all, problems);
    let required = rebuilders(table, "require", all, problems);
    let groups = named.quotas(table, problems);
    let conflict = on_conflict(table, problems).unwrap_or(defaults.conflict);
    let reason = table.text("reason", problems).map(|text| text.value.into_owned());
    if all.are_none() {
        let message = "no rebuilder is configured that could meet this rule";
        let help = "add rebuilders to rebuilders.d before rules";
        problems.push(table.place().saying(&message).help(help));
        return None;
    }
    // A missing default was reported at its own place.
    let (threshold, is_own) = match (&own, &defaults.threshold) {
        (Given::Right(own), _) => (own, true),
        (Given::Missing, Given::Right(default)) => (default, false),
        _ => return None,
    };
    let (quotas, own_groups) = match (&groups, &defaults.groups) {
        (Given::Right(own), _) => (own.value.quotas.clone(), true),
        (Given::Missing, Given::Right(default)) => (default.value.quotas.clone(), false),
        (Given::Missing, Given::Missing) => (BTreeMap::new(), false),
        _ => return None,
    };
    // With a name missing, a check of the threshold would be guesswork.
    let sure = |names: &Given<Vec<Located<RebuilderName>>>| !matches!(names, Given::Wrong);
    if !sure(&counted) || !sure(&required) || !all.complete {
        return None;
    }
    let names = |given: &Given<Vec<Located<RebuilderName>>>| match given {
        Given::Right(names) => Some(names.value.iter().map(|it| it.value.clone()).collect()),
        _ => None,
    };
    let counted: BTreeSet<RebuilderName> = names(&counted).unwrap_or_else(|| all.names.clone());
    let made = Requirement::new(
        threshold.value,
        counted.clone(),
        names(&required).unwrap_or_default(),
        quotas,
        conflict,
    );
    match made {
        Ok(requirement) => {
            let place = table.named_place();
            Some(Rule { place, matcher, requirement, reason })
        }
        Err(errors) => {
            for error in errors {
                let is_group = matches!(error, RequirementError::GroupTooSmall { .. });
                problems.push(if is_group {
                    let groups = if own_groups { &groups } else { &Given::Missing };
                    too_small(error, &table.place(), groups, " in this rule")
                } else {
                    let place = if is_own { threshold.place.clone() } else { table.place() };
                    explained(error, &place, is_own, &counted, &required)
                });
            }
            None
        }
    }
}

/// Explains, at the place of the mistake, why a rule could never be met.
fn explained(
    error: RequirementError,
    place: &SourcePlace,
    is_own: bool,
    counted: &BTreeSet<RebuilderName>,
    required: &Given<Vec<Located<RebuilderName>>>,
) -> Diagnostic {
    match error {
        RequirementError::ThresholdTooHigh { threshold, counted: count } => {
            let only = there_are(count, " in this rule");
            if is_own {
                place
                    .saying(&format!("threshold is {}, but {only}", threshold.count()))
                    .help(format!("rebuilders: {}", list(counted)))
            } else {
                place
                    .saying(&format!("threshold is {} at the top, but {only}", threshold.count()))
                    .help("give this rule its own threshold")
            }
        }
        RequirementError::RequiredNotCounted(name) => {
            let at = match required {
                Given::Right(names) => names.value.iter().find(|it| it.value == name),
                _ => None,
            };
            at.map_or(place, |at| &at.place)
                .saying(&format!("{name} is required, but does not count in this rule"))
                .help(format!("rebuilders of this rule: {}", list(counted)))
        }
        error @ RequirementError::GroupTooSmall { .. } => place.saying(&error),
    }
}

/// Explains that a group has too few members that count. The groups of a rule are missing where it
/// has those of the top.
fn too_small(
    error: RequirementError,
    place: &SourcePlace,
    groups: &Given<Quotas>,
    here: &str,
) -> Diagnostic {
    let RequirementError::GroupTooSmall { group, needed, counted } = error else {
        return place.saying(&error);
    };
    let only = match counted {
        0 => "none of its rebuilders counts".to_owned(),
        1 => "only 1 of its rebuilders counts".to_owned(),
        _ => format!("only {counted} of its rebuilders count"),
    };
    let own = match groups {
        Given::Right(groups) => groups.value.places.get(&group),
        _ => None,
    };
    let required = match needed.count() {
        1 => format!("1 confirmation from group {group} is required"),
        count => format!("{count} confirmations from group {group} are required"),
    };
    match own {
        Some(own) => own.saying(&format!("{required}, but {only}{here}")),
        None => place
            .saying(&format!("{required} at the top, but {only}{here}"))
            .help("give this rule its own groups; groups = {} requires none"),
    }
}

fn there_are(count: usize, place: &str) -> String {
    match count {
        1 => format!("there is only 1 rebuilder{place}"),
        _ => format!("there are only {count} rebuilders{place}"),
    }
}

/// The keys for the conditions of rules and exceptions.
pub(super) const CONDITIONS: [&str; 12] = [
    "package",
    "version",
    "source",
    "architecture",
    "sha256",
    "origin",
    "label",
    "suite",
    "codename",
    "component",
    "site",
    "signed_by",
];

/// Returns true when the table contains any condition, right or wrong.
pub(super) fn has_condition(table: &Table<'_, '_>) -> bool {
    CONDITIONS.iter().any(|key| table.names(key))
}

/// Reads the conditions of a rule or an exception.
pub(super) fn matcher(table: &mut Table<'_, '_>, problems: &mut Problems) -> Matcher {
    fn values<T: FromStr<Err: std::fmt::Display>>(
        table: &mut Table<'_, '_>,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Vec<T>> {
        let list: TextList<T> = table.list(key, problems)?;
        Some(list.items.into_iter().map(|it| it.value).collect())
    }
    let sha256: Option<Vec<Sha256Digest>> = values(table, "sha256", problems);
    Matcher {
        package: values(table, "package", problems),
        version: values(table, "version", problems),
        source: values(table, "source", problems),
        architecture: values(table, "architecture", problems),
        sha256,
        origin: values(table, "origin", problems),
        label: values(table, "label", problems),
        suite: values(table, "suite", problems),
        codename: values(table, "codename", problems),
        component: values(table, "component", problems),
        site: values(table, "site", problems),
        signed_by: values(table, "signed_by", problems),
    }
}

fn threshold(table: &mut Table<'_, '_>, problems: &mut Problems) -> Given<Threshold> {
    let Some(number) = table.integer("threshold", problems) else {
        return if table.names("threshold") { Given::Wrong } else { Given::Missing };
    };
    match Threshold::try_from(number.value) {
        Ok(value) => Given::Right(Located { value, place: number.place }),
        Err(error) => {
            problems.push(number.place.saying(&error));
            Given::Wrong
        }
    }
}

fn on_conflict(table: &mut Table<'_, '_>, problems: &mut Problems) -> Option<OnConflict> {
    let words = [("warn", OnConflict::Warn), ("refuse", OnConflict::Refuse)];
    table.choice("conflict", &words, problems).map(|choice| choice.value)
}

/// Reads a list of existing rebuilders.
pub(super) fn rebuilders(
    table: &mut Table<'_, '_>,
    key: &'static str,
    all: &Rebuilders,
    problems: &mut Problems,
) -> Given<Vec<Located<RebuilderName>>> {
    let Some(named) = table.list::<RebuilderName>(key, problems) else {
        return if table.names(key) { Given::Wrong } else { Given::Missing };
    };
    let mut good = named.complete;
    let mut seen = BTreeSet::new();
    for Located { value, place } in &named.items {
        if all.complete && !all.names.contains(value) && !all.are_none() {
            good = false;
            problems.push(
                place
                    .saying(&format!("rebuilders.d has no rebuilder {value}"))
                    .help(format!("rebuilders: {}", list(&all.names))),
            );
        } else if !seen.insert(value) {
            good = false;
            problems.push(place.saying(&"this rebuilder is in the list twice; it has one vote"));
        }
    }
    match named.items.first().map(|it| it.place.clone()) {
        Some(place) if good => Given::Right(Located { value: named.items, place }),
        _ => Given::Wrong,
    }
}

fn timeouts(table: &mut Table<'_, '_>, problems: &mut Problems) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let answer = seconds(table, "answer_timeout", problems);
    let total = seconds(table, "total_timeout", problems);
    if let Given::Right(answer) = &answer {
        timeouts.answer = answer.value;
    }
    if let Given::Right(total) = &total {
        timeouts.total = total.value;
    }
    let (shorter, longer) = (timeouts.total.as_secs(), timeouts.answer.as_secs());
    if longer > shorter {
        match (answer, total) {
            (Given::Right(answer), Given::Right(_)) => problems.push(answer.place.saying(
                &format!("answer_timeout must not be longer than total_timeout, {shorter} seconds"),
            )),
            (Given::Right(answer), Given::Missing) => {
                problems.push(answer.place.saying(&format!(
                    "longer than total_timeout, whose default is {shorter} seconds"
                )))
            }
            (Given::Missing, Given::Right(total)) => problems.push(total.place.saying(&format!(
                "shorter than answer_timeout, whose default is {longer} seconds"
            ))),
            _ => {}
        }
    }
    timeouts
}

/// Reads the certificates in the file that `authorities` names.
fn authorities(
    table: &mut Table<'_, '_>,
    directory: &Path,
    files: &mut ConfigFiles<'_>,
    problems: &mut Problems,
) -> Option<String> {
    let named = table.text("authorities", problems)?;
    match files.text(&directory.join(&*named.value)) {
        Ok(text) if has_an_authority(&text) => Some(text),
        Ok(_) => {
            let message = "this file has no usable certificate";
            let help = "it should be PEM: -----BEGIN CERTIFICATE-----, and so on";
            problems.push(named.place.saying(&message).help(help));
            None
        }
        Err(why) => {
            problems.push(named.place.saying(&why));
            None
        }
    }
}

/// Reads the proxy for evidence alone. A wrong one is reported, so there is no configuration without
/// it.
fn proxy(table: &mut Table<'_, '_>, problems: &mut Problems) -> Option<Proxy> {
    let named = table.text("proxy", problems)?;
    let report = |error: ProxyError| problems.push(named.place.saying(&error).help(error.help()));
    Proxy::of_policy(&named.value).map_err(report).ok()
}

/// Most days of `hold_alarm`.
const MAX_ALARM: i64 = 365;

fn hold(table: &mut Table<'_, '_>, problems: &mut Problems) -> HoldSettings {
    let defaults = HoldSettings::default();
    let is_on = table.boolean("hold", problems).map_or(defaults.is_on, |it| it.value);
    let Some(days) = table.integer("hold_alarm", problems) else {
        return HoldSettings { is_on, ..defaults };
    };
    let alarm_days = u32::try_from(days.value).unwrap_or_default();
    if !(1..=MAX_ALARM).contains(&days.value) {
        problems.push(days.place.saying(&format!("hold_alarm must be 1 to {MAX_ALARM} days")));
    }
    HoldSettings { is_on, alarm_days }
}

fn has_an_authority(text: &str) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(certificates.flatten()).0 > 0
}

fn seconds(
    table: &mut Table<'_, '_>,
    key: &'static str,
    problems: &mut Problems,
) -> Given<Duration> {
    let Some(number) = table.integer(key, problems) else {
        return if table.names(key) { Given::Wrong } else { Given::Missing };
    };
    match u64::try_from(number.value) {
        Ok(value @ 1..=600) => {
            Given::Right(Located { value: Duration::from_secs(value), place: number.place })
        }
        _ => {
            problems.push(number.place.saying(&format!("{key} must be 1 to 600 seconds")));
            Given::Wrong
        }
    }
}
