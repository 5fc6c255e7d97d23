//! The state of this machine, for people. No line ends in a bare number.

use std::fmt::Write as _;

use super::entrances::{APTS_HOOK, Sources};
use super::history::{Debt, Heard, PastEvent};
use super::{HeardRebuilder, Status};
use crate::cli::exception::line as exception_line;
use crate::cli::loose::Width;
use crate::cli::output::{counted, list};
use crate::policy::Exception;
use crate::types::{Timestamp, printable};

/// Most exceptions and sources that are shown.
const SHOWN: usize = 5;

pub(super) fn of(status: &Status, exceptions: &[Exception]) -> String {
    let now = status.time;
    let takes_all = exceptions.iter().any(|it| {
        let width = Width::of(&it.matcher);
        now < it.exemption.expires && width.is_some_and(|it| it != Width::Versions)
    });
    let mut text = headline(status, takes_all);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<10} {value}");
    };
    for it in &status.entrances {
        match &it.remark {
            None => line("hook", &format!("{}: active", it.name)),
            Some(why) if it.needed => line("hook", &format!("{}: NOT ACTIVE, {why}", it.name)),
            Some(why) => line("hook", &format!("{}: off, {why}", it.name)),
        }
    }
    if let Some(it) = &status.sources {
        let hook_is_active = status.entrances.iter().any(|it| it.name == APTS_HOOK && it.active);
        line("sources", &sources(it, hook_is_active));
    }
    for it in &status.rebuilders {
        line("rebuilder", &rebuilder(it, status.time));
    }
    for note in &status.network {
        line("network", &printable(note).to_string());
    }
    if let Some(debt) = status.debt {
        line("debt", &self::debt(debt));
    }
    let mut soonest: Vec<&Exception> = exceptions.iter().collect();
    soonest.sort_by_key(|it| it.exemption.expires);
    for it in soonest.iter().take(SHOWN) {
        line("exception", exception_line(it, status.time).trim_end());
    }
    if let Some(more) = soonest.len().checked_sub(SHOWN).filter(|it| *it > 0) {
        line("exception", &format!("and {more} more: apt-quorum exception list"));
    }
    for warning in &status.endings {
        line("WARNING", &printable(warning).to_string());
    }
    for (label, events) in [("CONFLICT", &status.conflicts), ("refused", &status.refusals)] {
        for PastEvent { time, what, why, .. } in events {
            line(label, &format!("{what}: {why} (on {})", time.date()));
        }
    }
    text
}

/// `takes_all` is true if an exception exempts every package, be it of one repository.
fn headline(status: &Status, takes_all: bool) -> String {
    let configuration = &status.configuration;
    let state = if status.guarded { "guarded" } else { "NOT GUARDED" };
    let state = match status.wide.len() {
        count if count == 0 || !status.guarded && !takes_all => state.to_owned(),
        count => format!("{state}, {} ({})", counted(count, "wide exception"), list(&status.wide)),
    };
    match (&configuration.problems, configuration.mode, &configuration.meaning) {
        (Some(problems), ..) => {
            let directory = printable(&configuration.directory);
            format!(
                "BROKEN: the configuration in {directory} has mistakes, so every package is refused:\n\n{problems}\n\n"
            )
        }
        (None, mode, meaning) => format!(
            "{state}: mode {}: {}\n",
            mode.unwrap_or_default(),
            meaning.as_deref().unwrap_or_default()
        ),
    }
}

fn sources(sources: &Sources, hook_is_active: bool) -> String {
    let otherwise = if hook_is_active {
        "before unpacking"
    } else {
        "NOT CHECKED, because the hook is not active"
    };
    if sources.judged == 0 && sources.others.is_empty() {
        return "none".to_owned();
    }
    let judged = format!("checked during download: {}", sources.judged);
    if sources.others.is_empty() {
        return format!("{judged} (all)");
    }
    let mut shown: Vec<&str> = sources.others.iter().take(SHOWN).map(String::as_str).collect();
    if sources.others.len() > SHOWN {
        shown.push("...");
    }
    format!("{judged}; {otherwise}: {} ({})", sources.others.len(), shown.join(" "))
}

fn rebuilder(rebuilder: &HeardRebuilder, now: Timestamp) -> String {
    let HeardRebuilder { name, endpoints, keys, heard, now: answer, .. } = rebuilder;
    let good = keys.iter().filter(|it| it.good).count();
    let mut parts = vec![match keys.len() {
        1 if good == 1 => "1 key".to_owned(),
        all if good == all => format!("{all} keys"),
        all => format!("{good} of {all} keys valid"),
    }];
    let ends = keys.iter().filter(|it| it.good).filter_map(|it| it.until).min();
    parts.extend(ends.map(|it| {
        let days = (it.as_unix() - now.as_unix()) / (24 * 60 * 60);
        format!("the next expires on {}, in {days} days", it.date())
    }));
    if *endpoints == 0 {
        parts.push("no endpoint".to_owned());
    }
    match heard.last {
        Some(last) => {
            let Heard { confirmed, of, rebuilt, answered, .. } = heard;
            parts.push(format!(
                "confirmed {confirmed} of the last {of} packages, last answer on {}",
                last.date()
            ));
            let coverage = match answered {
                0 => "-".to_owned(),
                _ => format!("{rebuilt} of {answered} rebuilt"),
            };
            parts.push(format!("coverage {coverage}; lag {}", lag(heard.lag)));
        }
        None => parts.push("no answer yet".to_owned()),
    }
    parts.extend(answer.as_ref().map(|it| format!("now: {}", printable(it))));
    format!("{name}: {}", parts.join("; "))
}

/// Describes the delay until a rebuilder confirms files that are new here.
fn lag(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    let (length, unit) = match seconds {
        0 => return "none".to_owned(),
        ..7_200 => (60, "minutes"),
        7_200..172_800 => (60 * 60, "hours"),
        _ => (24 * 60 * 60, "days"),
    };
    // Rather too long than too short.
    format!("{} {unit}", (seconds + length - 1) / length)
}

fn debt(debt: Debt) -> String {
    let Debt { installed, without_quorum, without_receipt } = debt;
    format!(
        "{without_quorum} of {installed} packages were accepted without a quorum, {without_receipt} have no receipt. For details: apt-quorum audit"
    )
}
