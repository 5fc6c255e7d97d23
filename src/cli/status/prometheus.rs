//! The state of this machine for Prometheus: a file for node_exporter's textfile collector, in the
//! text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Write as _;
use std::path::Path;

use super::history::History;
use super::summary::{HeldCounts, MachineSummary};
use crate::cli::output::about;
use crate::cli::world::Stop;
use crate::sys::files::PreparedFile;
use crate::sys::plain;
use crate::types::Timestamp;

/// Puts the metrics in their place as a whole, readable for every user. Only a plain file is
/// replaced.
pub(super) fn write(path: &Path, metrics: &str) -> Result<(), Stop> {
    let failed = |why: &str| Stop::wrong(format!("--prometheus {}", about(path, &why)));
    if path.symlink_metadata().is_ok_and(|it| !it.is_file()) {
        return Err(failed("this is not a plain file"));
    }
    // node_exporter reads only names that end in .prom, so it never sees the temporary file.
    PreparedFile::write_plainly(path, metrics.as_bytes())
        .and_then(PreparedFile::place_over)
        .map_err(|error| failed(&plain(&error).to_string()))
}

/// Returns the metrics. Times are seconds since 1970, as Prometheus wants them; one that is not
/// known has no line.
pub(super) fn metrics(summary: &MachineSummary, history: &History) -> String {
    let mut text = String::new();
    let counts = &summary.counts;
    let because = &counts.unknown_because;
    let flag = |it: bool| vec![(String::new(), i64::from(it))];
    let number = |it: usize| vec![(String::new(), whole(it))];
    let time = |it: Option<Timestamp>| {
        it.map(|it| (String::new(), it.as_unix())).into_iter().collect::<Vec<_>>()
    };
    let labelled = |label: &str, all: &[(&str, i64)]| {
        let one = |(value, it): &(&str, i64)| (format!("{{{label}=\"{}\"}}", escaped(value)), *it);
        all.iter().map(one).collect::<Vec<_>>()
    };
    let held = summary.held;
    let of_held = |of: fn(&HeldCounts) -> usize| {
        held.iter().map(|it| (String::new(), whole(of(it)))).collect::<Vec<_>>()
    };
    let heard: Vec<(&str, i64)> = history
        .heard
        .iter()
        .filter_map(|(name, it)| Some((name.as_str(), it.last?.as_unix())))
        .collect();
    let states = [
        ("confirmed", counts.confirmed),
        ("excepted", counts.excepted),
        ("debt", counts.debt),
        ("unknown", counts.unknown),
        ("conflict", counts.conflict),
    ];
    let causes = [
        ("no-answer", because.no_answer),
        ("never-rebuilt", because.never_rebuilt),
        ("too-few", because.too_few),
        ("no-origin", because.no_origin),
        ("never-audited", summary.never_audited()),
    ];
    let states = states.map(|(name, count)| (name, whole(count)));
    let causes = causes.map(|(name, count)| (name, whole(count)));
    let newest = |events: &std::collections::VecDeque<super::PastEvent>| {
        time(events.back().map(|it| it.time))
    };
    for (name, help, values) in [
        (
            "guarded",
            "1 if the mode is enforce and the hooks that are needed are active.",
            flag(summary.guarded),
        ),
        (
            "configuration_valid",
            "1 if the configuration has no mistakes.",
            flag(summary.configured),
        ),
        ("rebuilders", "Rebuilders that are trusted.", number(summary.rebuilders)),
        (
            "threshold",
            "Confirmations that every package needs at least.",
            summary.threshold.map(|it| (String::new(), i64::from(it))).into_iter().collect(),
        ),
        ("packages_installed", "Installed packages.", number(counts.installed)),
        (
            "packages",
            "Installed packages by state. A conflict can also be counted in another state.",
            labelled("state", &states),
        ),
        ("packages_unknown", "Unknown packages by cause.", labelled("cause", &causes)),
        (
            "packages_held",
            "Versions that are held back until enough rebuilders confirm them.",
            of_held(|it| it.packages),
        ),
        (
            "packages_held_security",
            "Those of them that are security updates.",
            of_held(|it| it.security),
        ),
        (
            "packages_held_since_timestamp_seconds",
            "Time since which the oldest of them is held.",
            time(held.and_then(|it| it.since)),
        ),
        ("exceptions", "Exceptions that apply.", number(summary.exceptions)),
        (
            "exceptions_until_timestamp_seconds",
            "Time at which the next exception ends.",
            time(summary.exceptions_until),
        ),
        ("last_audit_timestamp_seconds", "Time of the last audit.", time(summary.audited)),
        ("last_refusal_timestamp_seconds", "Time of the last refusal.", newest(&history.refusals)),
        (
            "last_conflict_timestamp_seconds",
            "Time at which a rebuilder was last seen to have signed a different file.",
            newest(&history.conflicts),
        ),
        (
            "rebuilder_last_answer_timestamp_seconds",
            "Time at which a rebuilder last answered, by the receipts.",
            labelled("rebuilder", &heard),
        ),
        (
            "status_timestamp_seconds",
            "Time at which this file was written.",
            time(Some(summary.time)),
        ),
    ] {
        if values.is_empty() {
            continue;
        }
        let _ = writeln!(text, "# HELP apt_quorum_{name} {help}\n# TYPE apt_quorum_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "apt_quorum_{name}{labels} {value}");
        }
    }
    text
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns the value of a label as it is written between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::summary;
    use super::*;

    #[test]
    fn every_metric_has_a_prefix_a_help_and_a_type() {
        let mut history = History::default();
        let odd = history.heard.entry("a\"b\\c\nd".to_owned()).or_default();
        odd.last = "2026-12-01T00:00:00Z".parse().ok();
        let text = metrics(&summary(), &history);
        let mut known = None;
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                known = help.split(' ').next().map(str::to_owned);
            } else if let Some(of_type) = line.strip_prefix("# TYPE ") {
                assert_eq!(of_type, format!("{} gauge", known.clone().unwrap()));
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), known.as_deref(), "{line}");
                assert!(name.starts_with("apt_quorum_") && value.parse::<i64>().is_ok(), "{line}");
            }
        }
        for expected in [
            "apt_quorum_guarded 1\n",
            "apt_quorum_packages{state=\"confirmed\"} 1204\n",
            "apt_quorum_packages_unknown{cause=\"no-answer\"} 100\n",
            "apt_quorum_packages_held 2\n",
            "apt_quorum_packages_held_since_timestamp_seconds 1795762800\n",
            "{rebuilder=\"a\\\"b\\\\c\\nd\"} 1796083200\n",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("last_refusal"), "{text}");
    }
}
