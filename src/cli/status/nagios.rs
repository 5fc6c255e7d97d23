//! The state of this machine for Nagios and Icinga
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>).

use std::fmt::Write as _;

use super::summary::{DAY, HeldCounts, MachineSummary};
use crate::cli::Exit;
use crate::cli::output::counted;

/// The result of a check, from the best to the worst. Its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CheckResult {
    Fine,
    Warning,
    Critical,
}

impl CheckResult {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// The command's exit codes have the same numbers and other meanings.
    const fn exit(self) -> Exit {
        match self {
            Self::Fine => Exit::Admitted,
            Self::Warning => Exit::Refused,
            Self::Critical => Exit::Wrong,
        }
    }
}

/// Returns the line of the plugin, and its exit code. `warning` and `critical` are days for which a
/// package may be held.
pub(super) fn check(summary: &MachineSummary, warning: u32, critical: u32) -> (String, Exit) {
    let mut problems: Vec<(CheckResult, String)> = Vec::new();
    if !summary.configured {
        problems.push((CheckResult::Critical, "the configuration has mistakes".to_owned()));
    }
    for name in &summary.inactive {
        problems.push((CheckResult::Critical, format!("hook {name} not active")));
    }
    if summary.mode == Some("warn") {
        problems.push((CheckResult::Warning, "mode warn: nothing is refused".to_owned()));
    }
    if summary.counts.conflict > 0 {
        let packages = counted(summary.counts.conflict, "package");
        problems.push((CheckResult::Critical, format!("{packages} in conflict")));
    }
    let age = summary.held.and_then(|it| it.since).map(|it| summary.age(it));
    let result = match age {
        Some(age) if age >= i64::from(critical) * DAY => CheckResult::Critical,
        Some(age) if age >= i64::from(warning) * DAY => CheckResult::Warning,
        _ => CheckResult::Fine,
    };
    if result > CheckResult::Fine {
        problems.push((result, "a package is held too long".to_owned()));
    }
    problems.sort_by_key(|(result, _)| std::cmp::Reverse(*result));
    let result = problems.first().map_or(CheckResult::Fine, |(result, _)| *result);
    let problems: String = problems.iter().map(|(_, it)| format!("{it}; ")).collect();
    let mut text = format!("APT-QUORUM {} - {problems}{}", result.word(), summary.sentence());
    let counts = &summary.counts;
    let _ = write!(text, " | confirmed={};;;0;{}", counts.confirmed, counts.installed);
    for (name, count) in [
        ("excepted", counts.excepted),
        ("debt", counts.debt),
        ("unknown", counts.unknown),
        ("conflict", counts.conflict),
    ] {
        let _ = write!(text, " {name}={count};;;0;");
    }
    if let Some(HeldCounts { packages, security, .. }) = summary.held {
        let days = |it: u32| i64::from(it) * DAY;
        let _ = write!(
            text,
            " held={packages};;;0; held_security={security};;;0; held_oldest={}s;{};{};0;",
            age.unwrap_or_default(),
            days(warning),
            days(critical)
        );
    }
    (text + "\n", result.exit())
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::summary;
    use super::*;

    #[test]
    fn the_worst_problem_decides_and_the_numbers_follow() {
        let mut it = summary();
        let (text, exit) = check(&it, 5, 7);
        assert_eq!(exit, Exit::Admitted);
        assert_eq!(
            text,
            "APT-QUORUM OK - 1204 of 1310 confirmed by 2 of 3 rebuilders, 3 excepted, 103 unknown, 2 held, oldest held 4 days | confirmed=1204;;;0;1310 excepted=3;;;0; debt=0;;;0; unknown=103;;;0; conflict=0;;;0; held=2;;;0; held_security=1;;;0; held_oldest=349200s;432000;604800;0;\n"
        );
        let (text, exit) = check(&it, 4, 7);
        assert_eq!(exit, Exit::Refused);
        assert!(text.starts_with("APT-QUORUM WARNING - a package is held too long; 1204 of "));
        assert_eq!(check(&it, 1, 4).1, Exit::Wrong);
        it.held = None;
        assert_eq!(check(&it, 0, 0).1, Exit::Admitted);
        assert!(!check(&it, 0, 0).0.contains("held"));
        it.mode = Some("warn");
        it.counts.conflict = 1;
        let (text, exit) = check(&it, 4, 7);
        assert_eq!(exit, Exit::Wrong);
        let expected =
            "APT-QUORUM CRITICAL - 1 package in conflict; mode warn: nothing is refused; 1204 of ";
        assert!(text.starts_with(expected), "{text}");
        it.counts.conflict = 0;
        it.inactive = vec!["before unpacking (apt)"];
        let (text, exit) = check(&it, 4, 7);
        assert_eq!(exit, Exit::Wrong);
        assert!(text.contains("CRITICAL - hook before unpacking (apt) not active; mode warn"));
        it.configured = false;
        assert!(check(&it, 4, 7).0.contains("CRITICAL - the configuration has mistakes; hook "));
    }
}
