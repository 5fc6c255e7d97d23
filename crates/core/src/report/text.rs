//! Text for people: ASCII, one line a package, no line that ends in a number.
//!
//! (Qubes' updater strips what is not ASCII and takes a line's last word, if it is a number, for
//! a percentage.)

use std::fmt::Write as _;
use std::path::Path;

use crate::attest::Claim;
use crate::policy::{
    Basis, Decision, Exemption, GroupCount, Reason, Refusal, Report, Requirement, Standing, Subject,
};
use crate::types::{RebuilderName, printable};

/// The results for a number of files, with one line for each file that was not simply confirmed.
///
/// `outcome` states the consequence of a refusal ("Nothing was installed").
#[must_use]
pub fn summary(decisions: &[(&Path, &Decision)], outcome: &str) -> String {
    let mut lines = Vec::new();
    let (mut confirmed, mut excepted, mut warned, mut refused, mut unchecked) = (0, 0, 0, 0, 0);
    for (path, decision) in decisions {
        let (count, shown) = match decision {
            Decision::Admit(admit) => match admit.basis() {
                Basis::Quorum => (&mut confirmed, None),
                Basis::Exception { .. } => (&mut excepted, Some(String::new())),
                // As installed, before anybody was chosen: said once, not for every package.
                Basis::WarnMode { otherwise: Reason::NoRebuilders } => (&mut unchecked, None),
                Basis::WarnMode { .. } => (&mut warned, Some(standings(decision.report()))),
            },
            // A broken configuration refuses every file for the same reason: said once, below.
            Decision::Refuse(Refusal { reason: Reason::Configuration { .. }, .. }) => {
                (&mut refused, None)
            }
            Decision::Refuse(_) => (&mut refused, Some(standings(decision.report()))),
        };
        *count += 1;
        lines.extend(shown.map(|it| format!("  {}{it}.", outcome_of(decision, path))));
        lines.extend(conflict_line(decision, path));
    }
    let counts = [
        (confirmed, "confirmed"),
        (excepted, "under an exception"),
        (warned, "accepted unconfirmed (mode: warn)"),
        (unchecked, "accepted unchecked (no rebuilder is configured: run apt-quorum setup)"),
        (refused, "refused"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    let mut text = format!("apt-quorum: {}.\n", counts.join(", "));
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let refusals: Vec<&Refusal> = decisions.iter().filter_map(|(_, it)| it.refusal()).collect();
    if let Some(Reason::Configuration { why }) = refusals.first().map(|it| &it.reason) {
        for line in why.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if !refusals.is_empty() {
        let _ = writeln!(text, "{outcome} {}", next_step(&refusals));
    }
    text
}

/// The verdict on one file, on one line and one more for each alarm.
#[must_use]
pub fn verdict(path: &Path, decision: &Decision) -> String {
    let line = outcome_of(decision, path) + &standings(decision.report());
    let mut text = format!("{line}.\n");
    if let Some(conflict) = conflict_line(decision, path) {
        let _ = writeln!(text, "{conflict}");
    }
    text
}

/// The reason for an exception, when it ends and where it is.
#[must_use]
pub fn exempted(exemption: &Exemption) -> String {
    let Exemption { reason, expires, .. } = exemption;
    format!("{} ({}, {})", printable(reason), expires.until(), exemption.called())
}

/// The verdict and the reason for it.
fn outcome_of(decision: &Decision, path: &Path) -> String {
    let name = name(decision.subject(), path);
    match decision {
        Decision::Refuse(refusal) => format!("refused: {name}: {}", reason(&refusal.reason)),
        Decision::Admit(admit) => match admit.basis() {
            Basis::Quorum => format!("confirmed: {name}"),
            Basis::Exception { exemption, .. } => {
                format!("exception: {name}: {}", exempted(exemption))
            }
            Basis::WarnMode { otherwise } => format!("warning: {name}: {}", reason(otherwise)),
        },
    }
}

/// A refusal on one line, without a full stop: what, why, and where each rebuilder stands.
#[must_use]
pub fn refusal_line(refusal: &Refusal, path: &Path) -> String {
    let (name, why) = (name(refusal.subject.as_ref(), path), reason(&refusal.reason));
    format!("{name}: {why}{}", standings(refusal.report.as_ref()))
}

/// A reason, as the predicate of a sentence about a package.
#[must_use]
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Configuration { why } => {
            // The first mistake; all of them stand in `config check` and in the hook's output.
            let first = why.lines().next().unwrap_or_default();
            format!("the configuration cannot be used ({})", printable(first))
        }
        Reason::Unreadable { why } => format!("cannot be read ({})", printable(why)),
        // Front ends that download by themselves have apt install what they passed over.
        Reason::Missing => "no such file (nala and apt-offline do not download from quorum+ sources; for them run: apt-quorum setup --sources all)".to_owned(),
        Reason::Changeable { why } => {
            format!("another user could replace the file after this check ({})", printable(why))
        }
        Reason::NotAPackage(error) => printable(&error.to_string()).to_string(),
        Reason::NotWhatWasAskedFor { requested, found } => {
            format!("wrong package: the file is {found}, apt asked for {requested}")
        }
        Reason::Conflict { rebuilders } => {
            format!("{} signed a different file under this name", names(rebuilders))
        }
        Reason::NoRebuilders => "no rebuilder is configured".to_owned(),
        Reason::NotConfirmed { confirmed, needed, missing, groups } => {
            let mut lacking = Vec::new();
            if !missing.is_empty() {
                lacking.push(format!("{} must be among them", names(missing)));
            }
            lacking.extend(groups.iter().map(group));
            counted(*confirmed, *needed, &lacking)
        }
        Reason::CouldNotFindOut { confirmed, needed, silent, groups } => {
            let mut lacking: Vec<String> = groups.iter().map(group).collect();
            if lacking.is_empty() && !is_few(*confirmed, *needed) {
                lacking.push("a required rebuilder is missing".to_owned());
            }
            let count = counted(*confirmed, *needed, &lacking);
            format!("undetermined: {} did not respond; {count}", names(silent))
        }
    }
}

/// A number of confirmations, and all that they lack beside the number.
fn counted(confirmed: usize, needed: u32, lacking: &[String]) -> String {
    let count = confirmations(confirmed, needed);
    match (lacking, is_few(confirmed, needed)) {
        ([], _) => count,
        (lacking, true) => format!("{count}; {}", lacking.join("; ")),
        (lacking, false) => format!("{count}, but {}", lacking.join("; ")),
    }
}

fn is_few(confirmed: usize, needed: u32) -> bool {
    usize::try_from(needed).is_ok_and(|needed| confirmed < needed)
}

/// The number of confirmations that a group lacks.
fn group(count: &GroupCount) -> String {
    let needed = count.needed.count();
    let confirmations = if needed == 1 { "confirmation" } else { "confirmations" };
    let are = if count.missing() == 1 { "is" } else { "are" };
    format!(
        "{} of {needed} {confirmations} from group {} {are} missing",
        count.missing(),
        count.group
    )
}

/// The confirmations that must come from within groups, in brackets behind a space; nothing without
/// a group.
#[must_use]
pub fn from_groups(requirement: &Requirement) -> String {
    let each = requirement.groups().iter();
    let each = each.map(|(name, quota)| format!("{} from group {name}", quota.threshold.count()));
    let all: Vec<String> = each.collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

fn confirmations(confirmed: usize, needed: u32) -> String {
    if usize::try_from(needed).is_ok_and(|needed| confirmed > needed) {
        return format!("{confirmed} confirmations ({needed} required)");
    }
    format!("{confirmed} of {needed} required confirmations")
}

/// The standing of each rebuilder, in brackets behind a space; nothing if there is no rebuilder.
#[must_use]
pub fn standings(report: Option<&Report>) -> String {
    let Some(report) = report.filter(|report| !report.standings.is_empty()) else {
        return String::new();
    };
    let all: Vec<String> =
        report.standings.iter().map(|(name, it)| format!("{name}: {}", standing(it))).collect();
    let expired = report
        .expired_exception
        .as_ref()
        .map(|it| format!("; {} expired {}", it.spoken(), it.expires.ended()));
    let unhashed = report.unhashed_exception.as_ref().map(|it| format!("; {}", unhashed(it)));
    format!(" [{}{}{}]", all.join("; "), expired.unwrap_or_default(), unhashed.unwrap_or_default())
}

/// The reason that an exception does not apply to a package without a SHA-256 in its index, and the
/// command that makes one that applies.
#[must_use]
pub fn unhashed(exemption: &Exemption) -> String {
    format!(
        "its index has no SHA-256, so {} does not apply; to allow the file: apt-quorum exception \
         add FILE",
        exemption.spoken()
    )
}

/// The standing of one rebuilder, in a few words.
#[must_use]
pub fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Confirms => "confirmed".to_owned(),
        Standing::SignedAnother { .. } => "signed a different file under this name".to_owned(),
        Standing::Rejected { why, .. } => format!("no valid attestation: {}", printable(why)),
        Standing::Says { status, more } => match more {
            Some(more) => format!("{status}, see {}", printable(more)),
            None => status.to_string(),
        },
        Standing::Unknown => "has no result for it".to_owned(),
        Standing::Unreachable { why } => format!("unreachable: {}", printable(why)),
        Standing::Pending => "has not responded yet".to_owned(),
        Standing::NotAsked => "not asked".to_owned(),
    }
}

/// The alarm about a decision, shown every time.
fn conflict_line(decision: &Decision, path: &Path) -> Option<String> {
    let name = name(decision.subject(), path);
    Some(format!("  {}.", conflict(&name, &decision.report()?.conflicts)?))
}

/// An alarm about a package, without a full stop: the rebuilders that signed another file. Nothing
/// if none did.
#[must_use]
pub fn conflict(package: &str, claims: &[Claim]) -> Option<String> {
    let first = claims.first()?;
    let mut rebuilders: Vec<RebuilderName> =
        claims.iter().map(|it| it.rebuilder().clone()).collect();
    rebuilders.dedup();
    Some(format!(
        "CONFLICT: {package}: {} signed a different file under this name (sha256 {})",
        names(&rebuilders),
        first.sha256()
    ))
}

/// The next step for the person who reads of these refusals, in one sentence or a few.
#[must_use]
pub fn next_step(refusals: &[&Refusal]) -> String {
    let transient = refusals.iter().all(|refusal| refusal.is_transient());
    let mut steps: Vec<(&str, String)> = Vec::new();
    for refusal in refusals {
        let step = match &refusal.reason {
            // Nothing else can be done before.
            Reason::Configuration { .. } => {
                return "Fix the configuration; to list every mistake: apt-quorum config check"
                    .to_owned();
            }
            Reason::Unreadable { .. } | Reason::Missing => {
                "Find out why the file is unreadable, then try again."
            }
            Reason::Changeable { .. } => {
                "Copy the file to a directory that only root can change, such as /root, and install it from there (in apt's sources: copy: in place of file:)."
            }
            Reason::NotAPackage(why) if !why.is_beyond_exceptions() => {
                "To allow it anyway: apt-quorum exception add FILE"
            }
            Reason::NotAPackage(_) | Reason::NotWhatWasAskedFor { .. } => "Use another file.",
            Reason::Conflict { .. } => "To see who signed a different file: ",
            Reason::NoRebuilders => "To choose the rebuilders that you trust: apt-quorum setup",
            Reason::CouldNotFindOut { .. } if transient => {
                "Try again later; to test the rebuilders: apt-quorum status --online"
            }
            Reason::NotConfirmed { .. } | Reason::CouldNotFindOut { .. } => {
                "Wait for more confirmations; to see what is missing: "
            }
        };
        // Of several packages with the same next step, the first is an example.
        if !steps.iter().any(|(there, _)| *there == step) {
            let command = if step.ends_with(": ") { explain(refusal) } else { String::new() };
            steps.push((step, command));
        }
    }
    // No full stop follows a command: it would be pasted with it.
    let ends = |step: &str| step.ends_with('.');
    steps.sort_by_key(|(step, _)| !ends(step));
    let mut text = String::new();
    for (step, command) in steps {
        match text.as_str() {
            "" => {}
            before if ends(before) => text.push(' '),
            _ => text.push_str("; "),
        }
        text += step;
        text += &command;
    }
    text
}

/// The command that explains a refusal. It names the version: another one may be installed, and
/// would be explained.
fn explain(refusal: &Refusal) -> String {
    let control = refusal.subject.as_ref().and_then(|it| it.control().ok());
    let package = control.map_or_else(
        || "PACKAGE".to_owned(),
        |it| format!("{}={}", it.identity.package, it.identity.version),
    );
    format!("apt-quorum explain {package}")
}

/// The name of the file: the one in its control data, or else its path.
fn name(subject: Option<&Subject>, path: &Path) -> String {
    match subject.and_then(|subject| subject.control().ok()) {
        Some(control) => control.identity.to_string(),
        None => printable(&path.to_string_lossy()).to_string(),
    }
}

fn names(rebuilders: &[RebuilderName]) -> String {
    match rebuilders {
        [] => "no rebuilder".to_owned(),
        [one] => one.to_string(),
        [all @ .., last] => {
            let all: Vec<&str> = all.iter().map(RebuilderName::as_str).collect();
            format!("{} and {last}", all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: Reason) -> Refusal {
        Refusal { subject: None, reason, report: None }
    }

    #[test]
    fn a_command_is_never_followed_by_a_full_stop() {
        let few = refusal(Reason::NotConfirmed {
            confirmed: 1,
            needed: 2,
            missing: Vec::new(),
            groups: Vec::new(),
        });
        let conflict = refusal(Reason::Conflict { rebuilders: Vec::new() });
        let missing = refusal(Reason::Missing);
        assert_eq!(
            next_step(&[&few, &conflict, &missing, &few]),
            "Find out why the file is unreadable, then try again. Wait for more confirmations; \
             to see what is missing: apt-quorum explain PACKAGE; To see who signed a different \
             file: apt-quorum explain PACKAGE"
        );
    }

    #[test]
    fn enough_confirmations_do_not_read_as_too_few() {
        let carol: RebuilderName = "carol".parse().unwrap();
        let confirmed = |confirmed| Reason::NotConfirmed {
            confirmed,
            needed: 2,
            missing: vec![carol.clone()],
            groups: Vec::new(),
        };
        for (reason, expected) in [
            (confirmed(1), "1 of 2 required confirmations; carol must be among them"),
            (confirmed(2), "2 of 2 required confirmations, but carol must be among them"),
            (confirmed(3), "3 confirmations (2 required), but carol must be among them"),
            (
                Reason::CouldNotFindOut {
                    confirmed: 2,
                    needed: 2,
                    silent: vec![carol.clone()],
                    groups: Vec::new(),
                },
                "undetermined: carol did not respond; 2 of 2 required confirmations, but a \
                 required rebuilder is missing",
            ),
            (
                Reason::CouldNotFindOut {
                    confirmed: 1,
                    needed: 2,
                    silent: vec![carol.clone()],
                    groups: Vec::new(),
                },
                "undetermined: carol did not respond; 1 of 2 required confirmations",
            ),
        ] {
            assert_eq!(super::reason(&reason), expected);
        }
    }
}
