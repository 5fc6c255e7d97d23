//! `apt-quorum audit`: assesses every installed package.

mod changes;
mod notify;

use std::path::Path;
use std::time::SystemTime;

use super::Exit;
use super::args::Audit;
use super::evidence_at_hand;
use super::output::{complain, json, print, show};
use super::world::say_remarks;
use crate::apt::configuration::Configuration;
use crate::audit::{self, Audited, Counts, Record, State, System, page, word};
use crate::evidence::Network;
use crate::gate::{Ask, Environment, Gate, apt_configuration};
use crate::policy::{Assessment, Standing};
use crate::receipt;
use crate::report;
use crate::sys::files::PreparedFile;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::sys::terminal::Progress;
use crate::types::{Timestamp, printable};

pub(super) fn run(arguments: &Audit) -> Exit {
    judged(arguments).unwrap_or_else(|why| {
        complain(&format!("apt-quorum: {why}\n"));
        Exit::Wrong
    })
}

fn judged(arguments: &Audit) -> Result<Exit, String> {
    let evidence = evidence_at_hand(&arguments.evidence)?;
    let apt = apt_configuration(Environment::Heard).map_err(|error| error.to_string())?;
    let now = present(arguments, &apt);
    let gate = Gate::open(&apt, arguments.directory.config.as_deref(), Trusted::now());
    let config =
        gate.config().map_err(|problems| format!("nothing can be audited:\n{problems}."))?;
    let root = arguments.root.as_deref().unwrap_or(Path::new("/"));
    let system = match &arguments.root {
        None => System::running(&apt),
        Some(root) => System::at(root),
    };
    let failed = |error| format!("cannot audit {}: {error}", printable(&root.to_string_lossy()));
    let system = system.map_err(failed)?;
    let network = if arguments.offline { Network::Denied } else { Network::Allowed };
    let mut gatherer = gate.gatherer(&apt, network)?;
    let mut bar: Option<Progress> = None;
    let progress = |done, total| bar.get_or_insert_with(|| Progress::of("", total)).at(done);
    // A daily timer must ask no more than the rebuilders can bear.
    let ask = if arguments.changes { Ask::Unconfirmed } else { Ask::All };
    let audited =
        audit::audit_some(&system, &gate, &evidence, ask, &mut *gatherer, now, progress, |_| true);
    drop(bar);
    let audited = audited.map_err(failed)?;
    say_remarks(&gate);
    let exit = exit_code(&audited);
    let record = Record::of(&audited, &root.to_string_lossy(), config.digest, now);
    if let Some(path) = &arguments.html {
        write_page(path, &page::html(&record))?;
    }
    if arguments.changes {
        let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        return changes::tell(&record, &state, arguments.json, exit);
    }
    if arguments.json {
        return Ok(print(&json(&record), exit));
    }
    Ok(show(&text(&audited, arguments.all), exit))
}

/// Returns the time by which exceptions and keys are judged: on the running system, the hook's
/// time.
fn present(arguments: &Audit, apt: &Configuration) -> Timestamp {
    let clock = SystemTime::now();
    if arguments.root.is_some() {
        return Timestamp::from(clock);
    }
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    Timestamp::from(receipt::present(&state, clock).now)
}

/// Puts the page in its place as a whole. Only a plain file is replaced: a rename would put one in
/// the place of a device or a link that root was given by mistake.
fn write_page(path: &Path, html: &str) -> Result<(), String> {
    let failed = |why: &str| format!("--html {}: {why}", printable(&path.to_string_lossy()));
    if path.symlink_metadata().is_ok_and(|it| !it.is_file()) {
        return Err(failed("there is something that is no plain file"));
    }
    PreparedFile::write_plainly(path, html.as_bytes())
        .and_then(PreparedFile::place_over)
        .map_err(|error| failed(&plain(&error).to_string()))
}

pub(in crate::cli) fn exit_code(audited: &[Audited]) -> Exit {
    let mut open = audited.iter().filter(|it| it.is_open()).peekable();
    if open.peek().is_none() {
        Exit::Admitted
    } else if open.all(Audited::is_transient) {
        Exit::CouldNotFindOut
    } else {
        Exit::Refused
    }
}

/// Lists the worst packages first, and the counts at the end. Lists a conflict even where others
/// confirm the package, because it is an alarm.
pub(in crate::cli) fn text(audited: &[Audited], all: bool) -> String {
    let mut shown: Vec<&Audited> =
        audited.iter().filter(|it| all || it.state != State::Confirmed || it.is_alarm()).collect();
    shown.sort_by_key(|it| std::cmp::Reverse(it.state));
    let names: Vec<String> = shown.iter().map(|it| it.installed.called.to_string()).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    let mut text = String::new();
    for (it, name) in shown.iter().zip(&names) {
        text += &format!("{:<9}  {name:<width$}  {}\n", word(it.state), remark(it));
        text += &alarm(it);
    }
    text + &summary(Counts::of(audited))
}

/// Returns the cause of the package's state, without a full stop.
pub(in crate::cli) fn remark(it: &Audited) -> String {
    let Some(assessed) = &it.assessed else { return it.why_unknown().unwrap_or_default() };
    let report = assessed.assessment.report();
    match &assessed.assessment {
        Assessment::Confirmed { .. } => {
            let confirms = |(name, standing): (&_, &_)| {
                matches!(standing, Standing::Confirms).then(|| format!("{name}"))
            };
            let by: Vec<String> = report.standings.iter().filter_map(confirms).collect();
            format!("by {}", by.join(", "))
        }
        Assessment::Excepted { place, reason, expires, .. } => {
            format!("until {} ({place}): {}", expires.date(), printable(reason))
        }
        Assessment::Unconfirmed { reason, .. } => {
            let standing = |(name, it): (&_, &_)| format!("{name}: {}", report::standing(it));
            let all: Vec<String> = report.standings.iter().map(standing).collect();
            let all = if all.is_empty() { String::new() } else { format!(" [{}]", all.join("; ")) };
            format!("{}{all}", report::reason(reason))
        }
    }
}

/// Returns a line for each rebuilder that signed another file, even where enough others confirm this
/// one.
fn alarm(it: &Audited) -> String {
    let conflicts = it.assessed.iter().flat_map(|it| &it.assessment.report().conflicts);
    let line = |claim: &crate::attest::Claim| {
        format!(
            "           CONFLICT: {} signed a different file under this name (sha256 {}).\n",
            claim.rebuilder(),
            claim.sha256()
        )
    };
    conflicts.map(line).collect()
}

fn summary(counts: Counts) -> String {
    let Counts { installed, confirmed, excepted, debt, unknown, conflict } = counts;
    let mut parts = vec![format!("{confirmed} of {installed} packages confirmed")];
    for (count, what) in [
        (excepted, "under an exception"),
        (debt, "installed without a quorum (debt)"),
        (unknown, "unknown"),
        (conflict, "in conflict"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    format!("{}.\n", parts.join(", "))
}
