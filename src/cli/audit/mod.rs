//! `apt-quorum audit`: assesses every installed package.

mod changes;

use std::collections::BTreeMap;
use std::path::Path;

use super::Exit;
use super::args::Audit;
use super::exception::endings;
use super::judging::Court;
use super::output::{about, counted, json, list, print, show};
use super::world::{Stop, now, say_remarks};
use crate::audit::{
    AuditRecord, Audited, Counts, PackageState, System, cause, confirming, page, word,
};
use crate::gate::Ask;
use crate::policy::{Assessment, Reason};
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
    let option = arguments.judging.directory.config.as_ref();
    let option = option.map(|it| format!(" --config {}", it.display())).unwrap_or_default();
    let endings = endings(config.policy.exceptions(), &option, now);
    if arguments.changes {
        let state = court.apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        return changes::tell(&record, &endings, &state, arguments.judging.json, exit);
    }
    if arguments.judging.json {
        return Ok(print(&json(&record), exit));
    }
    let notes: String = endings.iter().map(|it| format!("note: {it}.\n")).collect();
    Ok(show(&(text(&audited, arguments.all) + &notes), exit))
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
/// confirm the package, because it is an alarm. `all` also lists the confirmed packages, and each
/// package on a line of its own.
pub(in crate::cli) fn text(audited: &[Audited], all: bool) -> String {
    let mut shown: Vec<&Audited> = audited
        .iter()
        .filter(|it| all || it.state != PackageState::Confirmed || it.is_alarm())
        .collect();
    shown.sort_by_key(|it| std::cmp::Reverse(it.state));
    let groups = if all { Vec::new() } else { groups(&shown) };
    let is_grouped = |it: &&Audited| groups.iter().any(|group| group.has(it));
    let names = shown.iter().filter(|it| !is_grouped(it)).map(|it| it.installed.called.to_string());
    let width = names.map(|it| it.len()).max().unwrap_or_default();
    let mut text = String::new();
    for it in &shown {
        match groups.iter().find(|group| group.has(it)) {
            None => {
                let name = it.installed.called.to_string();
                text += &format!("{:<9}  {name:<width$}  {}\n", word(it.state), remark(it));
                text += &alarm(it);
            }
            // In the place of its first package.
            Some(group)
                if group.packages.first().is_some_and(|first| std::ptr::eq(*first, *it)) =>
            {
                text += &group.line();
            }
            Some(_) => {}
        }
    }
    text + &summary(Counts::of(audited))
}

/// Fewest packages of one cause that share a line.
const GROUP: usize = 4;

/// Most packages that such a line names.
const GROUP_NAMED: usize = 3;

/// Packages in one state for one cause, as after an outage.
struct AuditGroup<'a> {
    cause: String,
    packages: Vec<&'a Audited>,
}

/// Returns the groups that are large enough for a line. A package with a conflict is in none.
fn groups<'a>(shown: &[&'a Audited]) -> Vec<AuditGroup<'a>> {
    let mut groups: BTreeMap<(PackageState, String), Vec<&Audited>> = BTreeMap::new();
    for it in shown.iter().filter(|it| !it.is_alarm()) {
        groups.entry((it.state, shared_cause(it))).or_default().push(it);
    }
    let groups = groups.into_iter().map(|((_, cause), packages)| AuditGroup { cause, packages });
    groups.filter(|it| it.packages.len() >= GROUP).collect()
}

/// Returns the part of a package's cause that it may share with others. The rebuilders that
/// answered may have said different things about packages for which the same ones are missing.
fn shared_cause(it: &Audited) -> String {
    let (Some(Reason::CouldNotFindOut { silent, .. }), Some(assessed)) =
        (it.reason(), &it.assessed)
    else {
        return remark(it);
    };
    if it.state == PackageState::Excepted {
        return remark(it);
    }
    let standings = &assessed.assessment.report().standings;
    let whys = silent.iter().filter_map(|name| Some((name, standings.get(name)?)));
    let whys: Vec<String> =
        whys.map(|(name, it)| format!("{name}: {}", report::standing(it))).collect();
    format!("undetermined [{}]", whys.join("; "))
}

impl AuditGroup<'_> {
    fn has(&self, it: &Audited) -> bool {
        self.packages.iter().any(|own| std::ptr::eq(*own, it))
    }

    fn line(&self) -> String {
        let state = self.packages.first().map_or(PackageState::Unknown, |it| it.state);
        let first = self.packages.iter().take(GROUP_NAMED);
        let names = list(first.map(|it| printable(&it.installed.called.package)));
        let count = self.packages.len();
        let others = counted(count.saturating_sub(GROUP_NAMED), "other");
        format!("{:<9}  {count} packages ({names} and {others}): {}\n", word(state), self.cause)
    }
}

/// Returns the cause of the package's state, without a full stop.
pub(in crate::cli) fn remark(it: &Audited) -> String {
    let Some(assessed) = &it.assessed else { return it.why_unknown().unwrap_or_default() };
    let report = assessed.assessment.report();
    match &assessed.assessment {
        Assessment::Confirmed { .. } => format!("by {}", list(confirming(&report.standings))),
        Assessment::Excepted { exemption: it, .. } => {
            format!("{} ({}): {}", it.expires.until(), it.called(), printable(&it.reason))
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
    let Counts { installed, confirmed, excepted, debt, unknown, unknown_because, conflict } =
        counts;
    let mut parts = vec![format!("{confirmed} of {installed} packages confirmed")];
    for (count, what) in
        [(excepted, "under an exception"), (debt, "installed without a quorum (debt)")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if unknown > 0 {
        let causes = unknown_because.each().map(|(it, count)| format!("{count} {}", cause(it)));
        parts.push(format!("{unknown} unknown ({})", list(causes)));
    }
    if conflict > 0 {
        parts.push(format!("{conflict} in conflict"));
    }
    format!("{}.\n", parts.join(", "))
}
