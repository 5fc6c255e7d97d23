//! Advice on how a package could pass, in plain words. It follows from the reason that the policy
//! gave; nothing is weighed here.

use super::ExplainedCase;
use crate::config::Config;
use crate::policy::{GroupCount, Mode, Reason, Report, Standing, UnsignedStatus};
use crate::types::RebuilderName;

/// Returns sentences without a full stop; none if it passes by a quorum.
pub(super) fn of(case: &ExplainedCase, config: &Config) -> Vec<String> {
    let Some(reason) = case.reason() else {
        return match case {
            ExplainedCase::Installed(it) if it.assessed.is_none() => vec![format!(
                "reinstall it, so that apt-quorum checks its file: apt-get install --reinstall {}",
                it.installed.called.package
            )],
            _ => Vec::new(),
        };
    };
    let says = |text: &str| vec![text.to_owned()];
    let mut advice = match reason {
        Reason::Configuration { .. } => says("fix the configuration: apt-quorum config check"),
        Reason::Unreadable { .. } | Reason::Missing => says("name a readable file"),
        Reason::Changeable { .. } => says(
            "copy it to a local directory of root and install it from there. In apt's sources, write copy: instead of file:",
        ),
        Reason::NotAPackage(why) if !why.is_beyond_exceptions() => {
            says("this file can never be confirmed: use another file")
        }
        Reason::NotAPackage(_) | Reason::NotWhatWasAskedFor { .. } => {
            says("nothing helps: use another file")
        }
        Reason::Conflict { rebuilders } => vec![format!(
            "ask {} about the different file; until then the policy refuses this one",
            names(rebuilders)
        )],
        Reason::NoRebuilders => says("choose rebuilders: apt-quorum setup"),
        Reason::NotConfirmed { confirmed, needed, missing, groups } => {
            let needed = usize::try_from(*needed).unwrap_or(usize::MAX);
            more(case.report(), needed.saturating_sub(*confirmed), missing, groups)
        }
        Reason::CouldNotFindOut { silent, .. } => {
            vec![format!("try again when {} can be reached", names(silent))]
        }
    };
    let can_be_excepted = match reason {
        Reason::NotConfirmed { .. } | Reason::CouldNotFindOut { .. } => true,
        Reason::NotAPackage(why) => !why.is_beyond_exceptions(),
        _ => false,
    };
    if can_be_excepted && case.exception().is_none() {
        advice.extend(exception(case, config));
    }
    advice
}

/// Lists the rebuilders that count and could still confirm it, and the obstacle of each.
fn more(
    report: Option<&Report>,
    lacking: usize,
    missing: &[RebuilderName],
    groups: &[GroupCount],
) -> Vec<String> {
    let mut advice = Vec::new();
    let Some((report, requirement)) = report.and_then(|it| Some((it, it.requirement.as_ref()?)))
    else {
        return advice;
    };
    let others: Vec<RebuilderName> = requirement
        .counted()
        .iter()
        .filter(|it| report.standings.get(*it) != Some(&Standing::Confirms))
        .cloned()
        .collect();
    // There is no choice where all that are left are needed.
    let all = lacking > 0 && lacking >= others.len();
    if all {
        advice.push(format!("{} must confirm this file", names(&others)));
    } else if lacking > 0 {
        advice.push(format!("{lacking} more of {} must confirm this file", names(&others)));
    }
    if !missing.is_empty() && !all {
        advice.push(format!("{} must be among the rebuilders that confirm it", names(missing)));
    }
    for count in groups.iter().filter(|_| !all) {
        let quota = requirement.groups().get(&count.group);
        let members = quota.map(|it| others.iter().filter(|name| it.members.contains(*name)));
        let members: Vec<RebuilderName> = members.into_iter().flatten().cloned().collect();
        let more = match usize::try_from(count.missing()) {
            Ok(missing) if missing < members.len() => format!("{missing} more of "),
            _ => String::new(),
        };
        let (members, group) = (names(&members), &count.group);
        advice.push(format!("{more}{members} (group {group}) must confirm this file"));
    }
    for name in &others {
        advice.extend(report.standings.get(name).and_then(|it| hindrance(name, it)));
    }
    advice
}

fn hindrance(name: &RebuilderName, standing: &Standing) -> Option<String> {
    match standing {
        Standing::Says { status: UnsignedStatus::Bad, more } => {
            let see =
                more.as_ref().map_or_else(String::new, |_| " (see its link above)".to_owned());
            Some(format!(
                "{name}'s result differs: report the difference to the package's maintainer{see}"
            ))
        }
        Standing::Says { status: UnsignedStatus::NotBuilt, .. } => {
            Some(format!("{name} has not rebuilt it yet: wait"))
        }
        Standing::SignedAnother { .. } => {
            Some(format!("{name} signed a different result: contact the rebuilder"))
        }
        Standing::Unknown => {
            Some(format!("{name} has no result for it: wait, or contact the rebuilder"))
        }
        Standing::NotAsked => {
            Some(format!("{name} was not asked: it has no endpoint for this architecture"))
        }
        _ => None,
    }
}

fn exception(case: &ExplainedCase, config: &Config) -> Option<String> {
    let what = match case {
        // Only the bytes tell what a file is.
        ExplainedCase::File(it) => as_argument(&it.path.to_string_lossy()),
        _ => {
            let identity = case.identity()?;
            format!("{}={}", identity.package, identity.version)
        }
    };
    let or = match config.policy.mode() {
        Mode::Enforce => "To allow it anyway",
        Mode::Warn => "it passes in mode warn. To record a reason",
    };
    Some(format!("{or}: apt-quorum exception add {what} --days 30 --reason TEXT"))
}

/// Returns a path that can be copied into a shell, or a word for it: names of files from strangers
/// must not become commands.
fn as_argument(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~:=".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { "FILE".to_owned() }
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
    use super::as_argument;

    #[test]
    fn no_name_of_a_file_becomes_a_command() {
        assert_eq!(as_argument("./a_1%3a2~b+c_all.deb"), "FILE");
        assert_eq!(as_argument("/x/a_1.0~b+c-1_all.deb"), "/x/a_1.0~b+c-1_all.deb");
        for bad in ["./a;reboot.deb", "./$(x).deb", "./a b.deb", "./~\n.deb", "./'x'.deb"] {
            assert_eq!(as_argument(bad), "FILE");
        }
    }
}
