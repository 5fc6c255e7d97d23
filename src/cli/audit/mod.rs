//! `apt-quorum audit`: assesses every installed package.

mod changes;

use std::path::Path;

use super::Exit;
use super::args::Audit;
use super::judging::Court;
use super::output::{about, json, list, print, show};
use super::world::{Stop, now, say_remarks};
use crate::audit::{AuditRecord, Audited, Counts, PackageState, System, confirming, page, word};
use crate::gate::Ask;
use crate::policy::Assessment;
use crate::receipt;
use crate::report;
use crate::sys::files::PreparedFile;
use crate::sys::plain;
use crate::types::printable;

pub(super) fn run(arguments: &Audit) -> Result<Exit, Stop> {
    let court = Court::open(&arguments.judging)?;
    let config = court.config()?;
    // On the running system, exceptions and keys are judged by the hook's time.
    let now = if arguments.root.is_some() { now() } else { court.present() };
    let root = arguments.root.as_deref().unwrap_or(Path::new("/"));
    let system = match &arguments.root {
        None => System::running(&court.apt),
        Some(root) => System::at(root),
    };
    let failed = |error| Stop::wrong(format!("cannot audit {}", about(root, &error)));
    let system = system.map_err(failed)?;
    // A daily timer must ask no more than the rebuilders can bear.
    let ask = if arguments.changes { Ask::Unconfirmed } else { Ask::All };
    let audited = court.audit(&system, ask, now, failed)?;
    say_remarks(&court.gate);
    let exit = exit_code(&audited);
    let record = AuditRecord::of(&audited, &root.to_string_lossy(), config.digest, now);
    if let Some(path) = &arguments.html {
        write_page(path, &page::html(&record))?;
    }
    if arguments.changes {
        let state = court.apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        return changes::tell(&record, &state, arguments.judging.json, exit);
    }
    if arguments.judging.json {
        return Ok(print(&json(&record), exit));
    }
    Ok(show(&text(&audited, arguments.all), exit))
}

/// Puts the page in its place as a whole. Only a plain file is replaced: a rename would put one in
/// the place of a device or a link that root was given by mistake.
fn write_page(path: &Path, html: &str) -> Result<(), Stop> {
    let failed = |why: &str| Stop::wrong(format!("--html {}", about(path, &why)));
    if path.symlink_metadata().is_ok_and(|it| !it.is_file()) {
        return Err(failed("this is not a plain file"));
    }
    PreparedFile::write_plainly(path, html.as_bytes())
        .and_then(PreparedFile::place_over)
        .map_err(|error| failed(&plain(&error).to_string()))
}

pub(in crate::cli) fn exit_code(audited: &[Audited]) -> Exit {
    Exit::of(audited.iter().filter(|it| it.is_open()).map(Audited::is_transient))
}

/// Lists the worst packages first, and the counts at the end. Lists a conflict even where others
/// confirm the package, because it is an alarm.
pub(in crate::cli) fn text(audited: &[Audited], all: bool) -> String {
    let mut shown: Vec<&Audited> = audited
        .iter()
        .filter(|it| all || it.state != PackageState::Confirmed || it.is_alarm())
        .collect();
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
        Assessment::Confirmed { .. } => format!("by {}", list(confirming(&report.standings))),
        Assessment::Excepted { exemption: it, .. } => {
            format!("until {} ({}): {}", it.expires.date(), it.place, printable(&it.reason))
        }
        Assessment::Unconfirmed { reason, .. } => {
            format!("{}{}", report::reason(reason), report::standings(Some(report)))
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
