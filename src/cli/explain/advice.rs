//! Advice on how a package could pass, in plain words. It follows from the reason that the policy
//! gave; nothing is weighed here.

use super::Case;
use crate::config::Config;
use crate::policy::{Mode, Reason, Report, Standing, UnsignedStatus};
use crate::types::RebuilderName;

/// Returns sentences without a full stop; none if it passes by a quorum.
pub(super) fn of(case: &Case, config: &Config) -> Vec<String> {
    let Some(reason) = case.reason() else {
        return match case {
            Case::Installed(it) if it.assessed.is_none() => vec![
                "install it again through apt: the file is judged then, and its receipt kept"
                    .to_owned(),
            ],
            _ => Vec::new(),
        };
    };
    let mut advice = match reason {
        Reason::Configuration { .. } => {
            vec!["mend the configuration: apt-quorum config check shows what is wrong".to_owned()]
        }
        Reason::Unreadable { .. } | Reason::Missing => {
            vec!["name a file that can be read".to_owned()]
        }
        Reason::Changeable { .. } => {
            vec![
                "copy it to a local directory of root's and install it from there; in a source of apt's, write copy: in place of file:"
                    .to_owned(),
            ]
        }
        Reason::NotAPackage(why) if !why.is_beyond_exceptions() => {
            vec!["no confirmation could help it: take another file".to_owned()]
        }
        Reason::NotAPackage(_) | Reason::NotWhatWasAskedFor { .. } => {
            vec!["nothing: take another file".to_owned()]
        }
        Reason::Conflict { rebuilders } => vec![format!(
            "find out why {} signed another file; until then the policy refuses it",
            names(rebuilders)
        )],
        Reason::NoRebuilders => {
            vec!["choose rebuilders: apt-quorum setup".to_owned()]
        }
        Reason::NotConfirmed { confirmed, needed, missing } => {
            let needed = usize::try_from(*needed).unwrap_or(usize::MAX);
            more(case.report(), needed.saturating_sub(*confirmed), missing)
        }
        Reason::CouldNotFindOut { silent, .. } => {
            vec![format!("try again when {} can be heard", names(silent))]
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
fn more(report: Option<&Report>, lacking: usize, missing: &[RebuilderName]) -> Vec<String> {
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
        advice.push(format!("{} must confirm this very file", names(&others)));
    } else if lacking > 0 {
        advice.push(format!("{lacking} more of {} must confirm this very file", names(&others)));
    }
    if !missing.is_empty() && !all {
        advice.push(format!("{} must be among those who confirm it", names(missing)));
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
                "{name} got something else: what differs is for the package's maintainer to mend{see}"
            ))
        }
        Standing::Says { status: UnsignedStatus::NotBuilt, .. } => {
            Some(format!("{name} has not rebuilt it yet: wait"))
        }
        Standing::SignedAnother { .. } => {
            Some(format!("{name} got something else and signed it: find out why"))
        }
        Standing::Unknown => Some(format!("{name} does not know it: wait, or ask its people")),
        Standing::NotAsked => {
            Some(format!("{name} was not asked: it has no endpoint for this architecture"))
        }
        _ => None,
    }
}

fn exception(case: &Case, config: &Config) -> Option<String> {
    let what = match case {
        // Only the bytes tell what a file is.
        Case::File(it) => as_argument(&it.path.to_string_lossy()),
        _ => {
            let identity = case.identity()?;
            format!("{}={}", identity.package, identity.version)
        }
    };
    let or = match config.policy.mode() {
        Mode::Enforce => "or, if you know better",
        Mode::Warn => "it is let through in mode warn; to say why",
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
        [] => "nobody".to_owned(),
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
