//! `apt-quorum status --summary`, `--fields`, `--prometheus` and `--nagios`: the state of this
//! machine in a few numbers.
//!
//! The numbers are those of the last audit and of the receipts since then.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::entrances::ActiveEntrance;
use crate::apt::configuration::Configuration;
use crate::audit::{Counts, LAST_AUDIT, MAX_LAST_AUDIT, System, Tally};
use crate::cli::world::Stop;
use crate::config::Config;
use crate::hold::{HeldRecord, STATE};
use crate::policy::Mode;
use crate::sys::files::read_bounded;
use crate::types::Timestamp;

/// Age of an audit, in seconds, from which on the summary mentions it.
const OLD: i64 = 2 * DAY;

pub(super) const DAY: i64 = 24 * 60 * 60;

/// The state of this machine in numbers, which `--summary --json` prints.
#[derive(Debug, Serialize)]
pub(super) struct MachineSummary {
    schema: u32,
    pub(super) time: Timestamp,
    pub(super) guarded: bool,
    /// False if the configuration has mistakes
    pub(super) configured: bool,
    pub(super) mode: Option<&'static str>,
    /// The hooks that are needed and not active, by their names
    pub(super) inactive: Vec<&'static str>,
    /// The number of confirmations that every package needs at least; none without rebuilders
    pub(super) threshold: Option<u32>,
    pub(super) rebuilders: usize,
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// The time of the last audit
    pub(super) audited: Option<Timestamp>,
    /// None if nothing was ever held
    pub(super) held: Option<HeldCounts>,
    /// The number of exceptions that apply, and the time at which the next one ends
    pub(super) exceptions: usize,
    pub(super) exceptions_until: Option<Timestamp>,
}

/// The packages that are held back, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct HeldCounts {
    pub(super) packages: usize,
    /// Those of them that are security updates
    pub(super) security: usize,
    /// The time since which the oldest is held
    pub(super) since: Option<Timestamp>,
}

impl MachineSummary {
    /// Reads the state. `config` is none if the configuration has mistakes.
    pub(super) fn read(
        apt: &Configuration,
        state: &Path,
        config: Option<&Config>,
        entrances: &[ActiveEntrance],
        now: Timestamp,
    ) -> Result<Self, Stop> {
        let system = System::running(apt).map_err(Stop::wrong)?;
        let last = read_bounded(&state.join(LAST_AUDIT), MAX_LAST_AUDIT);
        let Tally { counts, audited } =
            Tally::of(&system, last.as_deref(), now).map_err(Stop::wrong)?;
        let record = HeldRecord::read(state);
        // The reader takes a damaged file for none. To monitoring, that would be good news.
        if record.schema == 0 && state.join(STATE).symlink_metadata().is_ok() {
            let path = state.join(STATE);
            return Err(Stop::wrong(format!(
                "{} cannot be read. To write it anew: apt-quorum hold refresh",
                path.display()
            )));
        }
        let held = record.time.map(|_| HeldCounts {
            packages: record.held.len(),
            security: record.held.iter().filter(|it| it.security).count(),
            since: record.oldest(),
        });
        let inactive: Vec<&str> =
            entrances.iter().filter(|it| it.needed && !it.active).map(|it| it.name).collect();
        let policy = config.map(|it| &it.policy);
        let enforced = policy.is_some_and(|it| it.mode() == Mode::Enforce);
        let rules = policy.map(|it| it.rules()).unwrap_or_default();
        let default = policy.and_then(|it| it.default_requirement());
        let needed = rules.iter().map(|it| &it.requirement).chain(default);
        let ends = policy.map(|it| it.exceptions()).unwrap_or_default();
        let ends = ends.iter().map(|it| it.exemption.expires).filter(|it| *it > now);
        Ok(Self {
            schema: 1,
            time: now,
            guarded: enforced && inactive.is_empty(),
            configured: policy.is_some(),
            mode: policy.map(|it| super::super::mode::word(it.mode())),
            inactive,
            threshold: needed.map(|it| it.threshold().count()).min(),
            rebuilders: policy.map_or(0, |it| it.rebuilders().len()),
            counts,
            audited,
            held,
            exceptions: ends.clone().count(),
            exceptions_until: ends.min(),
        })
    }

    /// Returns the numbers in one sentence, without a full stop.
    pub(super) fn sentence(&self) -> String {
        let Counts { installed, confirmed, excepted, debt, unknown, conflict, .. } = self.counts;
        let mut text = match self.threshold {
            Some(threshold) => {
                let rebuilders = self.rebuilders;
                format!(
                    "{confirmed} of {installed} confirmed by {threshold} of {rebuilders} rebuilders"
                )
            }
            None => format!("{confirmed} of {installed} confirmed"),
        };
        for (count, what) in [
            (excepted, "excepted"),
            (debt, "installed without a quorum"),
            (unknown, "unknown"),
            (conflict, "in conflict"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        if let Some(held) = &self.held {
            let _ = write!(text, ", {} held", held.packages);
            if let Some(since) = held.since {
                let _ = write!(text, ", oldest held {}", span(self.age(since)));
            }
        }
        match self.audited {
            None => text += ", no audit yet",
            Some(at) if self.age(at) > OLD => {
                let _ = write!(text, ", last audit {} ago", span(self.age(at)));
            }
            Some(_) => {}
        }
        text
    }

    /// Returns the one line of `--summary`.
    pub(super) fn line(&self) -> String {
        let state = match (self.configured, self.guarded) {
            (false, _) => "BROKEN: ",
            (true, false) => "NOT GUARDED: ",
            (true, true) => "",
        };
        let step = match (self.configured, self.rebuilders) {
            (false, _) => ". To list every mistake: apt-quorum config check",
            (true, 0) => ". To choose rebuilders: apt-quorum setup",
            (true, _) => "",
        };
        format!("{state}{}{step}\n", self.sentence())
    }

    /// Returns the lines of `--fields`. A value that is not known has no line.
    pub(super) fn fields(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{name}: {value}");
        };
        let yes = |it: bool| if it { "yes" } else { "no" };
        line("time", &self.time);
        line("guarded", &yes(self.guarded));
        line("configured", &yes(self.configured));
        if let Some(mode) = self.mode {
            line("mode", &mode);
        }
        if let Some(threshold) = self.threshold {
            line("threshold", &threshold);
        }
        line("rebuilders", &self.rebuilders);
        let Counts { installed, confirmed, excepted, debt, unknown, conflict, unknown_because } =
            self.counts;
        for (name, count) in [
            ("installed", installed),
            ("confirmed", confirmed),
            ("excepted", excepted),
            ("debt", debt),
            ("unknown", unknown),
            ("unknown-no-answer", unknown_because.no_answer),
            ("unknown-never-rebuilt", unknown_because.never_rebuilt),
            ("unknown-too-few", unknown_because.too_few),
            ("unknown-no-origin", unknown_because.no_origin),
            ("unknown-never-audited", self.never_audited()),
            ("conflict", conflict),
            ("exceptions", self.exceptions),
        ] {
            line(name, &count);
        }
        if let Some(until) = self.exceptions_until {
            line("exceptions-until", &until);
        }
        if let Some(HeldCounts { packages, security, since }) = self.held {
            line("held", &packages);
            line("held-security", &security);
            if let Some(since) = since {
                line("held-since", &since);
            }
        }
        if let Some(at) = self.audited {
            line("audited", &at);
        }
        text
    }

    /// Returns the seconds that have passed since a time.
    pub(super) fn age(&self, since: Timestamp) -> i64 {
        self.time.as_unix().saturating_sub(since.as_unix()).max(0)
    }

    /// Returns the number of unknown packages that have neither a receipt nor an audit.
    pub(super) fn never_audited(&self) -> usize {
        let known: usize = self.counts.unknown_because.each().map(|(_, count)| count).sum();
        self.counts.unknown.saturating_sub(known)
    }
}

/// Returns a length of time in the unit that fits it, rounded down.
pub(super) fn span(seconds: i64) -> String {
    let (length, unit) = match seconds {
        ..7_200 => (60, "minute"),
        7_200..172_800 => (60 * 60, "hour"),
        _ => (DAY, "day"),
    };
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audit::UnknownCounts;

    pub(in super::super) fn summary() -> MachineSummary {
        MachineSummary {
            schema: 1,
            time: "2026-12-01T08:00:00Z".parse().unwrap(),
            guarded: true,
            configured: true,
            mode: Some("enforce"),
            inactive: Vec::new(),
            threshold: Some(2),
            rebuilders: 3,
            counts: Counts {
                installed: 1310,
                confirmed: 1204,
                excepted: 3,
                debt: 0,
                unknown: 103,
                unknown_because: UnknownCounts { no_answer: 100, ..UnknownCounts::default() },
                conflict: 0,
            },
            audited: "2026-12-01T07:00:00Z".parse().ok(),
            held: Some(HeldCounts {
                packages: 2,
                security: 1,
                since: "2026-11-27T07:00:00Z".parse().ok(),
            }),
            exceptions: 3,
            exceptions_until: "2027-01-01T00:00:00Z".parse().ok(),
        }
    }

    #[test]
    fn the_line_is_what_people_quote() {
        let mut it = summary();
        assert_eq!(
            it.line(),
            "1204 of 1310 confirmed by 2 of 3 rebuilders, 3 excepted, 103 unknown, 2 held, oldest held 4 days\n"
        );
        assert_eq!(it.never_audited(), 3);
        it.counts.unknown = 0;
        it.counts.debt = 1;
        it.counts.conflict = 1;
        it.held = Some(HeldCounts { packages: 0, security: 0, since: None });
        it.audited = "2026-11-20T07:00:00Z".parse().ok();
        it.guarded = false;
        assert_eq!(
            it.line(),
            "NOT GUARDED: 1204 of 1310 confirmed by 2 of 3 rebuilders, 3 excepted, 1 installed without a quorum, 1 in conflict, 0 held, last audit 11 days ago\n"
        );
        it.held = None;
        it.audited = None;
        it.configured = false;
        it.threshold = None;
        assert!(it.line().starts_with("BROKEN: 1204 of 1310 confirmed, 3 excepted, "));
        assert!(
            it.line().ends_with(", no audit yet. To list every mistake: apt-quorum config check\n")
        );
    }

    #[test]
    fn a_span_is_in_the_unit_that_fits_it() {
        for (seconds, expected) in [
            (0, "0 minutes"),
            (60, "1 minute"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
