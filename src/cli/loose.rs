//! Rules and exceptions that any repository can claim for itself, and exceptions that are wide.
//!
//! A repository sets its own `origin`, `label` and the like, and apt takes these from every
//! repository whose key it accepts. Only the site, the key and the bytes belong to one repository.

use super::output::list;
use crate::policy::{Binding, Exception, Matcher, Policy, Rule};
use crate::types::Glob;

/// The conditions that a repository sets for itself, as the configuration calls them.
const ITS_OWN: [&str; 5] = ["origin", "label", "suite", "codename", "component"];

/// Returns a sentence for each, without a full stop.
pub(super) fn notes(policy: &Policy) -> Vec<String> {
    let rules = policy.rules().iter().filter_map(rule);
    rules.chain(policy.exceptions().iter().filter_map(exception)).collect()
}

fn rule(it: &Rule) -> Option<String> {
    let place = &it.place;
    (it.matcher.binding() == Binding::RepositorysOwn).then(|| {
        format!(
            "the rule in {place} applies to every repository that claims this {} for itself: limit it \
             with site or signed_by",
            own_words(&it.matcher)
        )
    })
}

/// The width of an exception that exempts more than certain files or versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// Every package, from every repository that says the right thing of itself
    Everything,
    /// Every package of one repository
    Repository,
    /// Every version of certain packages, from every repository
    Versions,
}

impl Width {
    /// Returns the width of an exception with these conditions; none if it is narrow.
    pub(super) fn of(matcher: &Matcher) -> Option<Self> {
        let says = |it: Option<&Vec<Glob>>| it.is_some_and(|it| !it.iter().any(Glob::says_nothing));
        // A repository says itself from which source a package was built.
        let is_placed = matcher.binding() == Binding::Fixed;
        let is_named = matcher.names_packages() || is_placed && says(matcher.source.as_ref());
        match (is_named, is_placed) {
            _ if matcher.sha256.is_some() => None,
            (false, true) => Some(Self::Repository),
            (false, false) => Some(Self::Everything),
            (true, true) => None,
            (true, false) if says(matcher.version.as_ref()) => None,
            (true, false) => Some(Self::Versions),
        }
    }

    /// Returns what such an exception exempts.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Everything => "every package of every repository that meets its conditions",
            Self::Repository => "every package of its repository that meets its conditions",
            Self::Versions => "every version, from every repository",
        }
    }
}

/// Returns the same for one exception.
pub(super) fn exception(it: &Exception) -> Option<String> {
    let spoken = it.exemption.spoken();
    let width = Width::of(&it.matcher);
    let applies = if width.is_some() { "is wide: it applies" } else { "applies" };
    match (it.matcher.binding(), width) {
        (Binding::RepositorysOwn, _) => Some(format!(
            "{spoken} {applies} to every repository that claims this {} for itself, \
             whatever key signed it: limit it with site or signed_by",
            own_words(&it.matcher)
        )),
        (Binding::AnyRepository, Some(Width::Everything)) => Some(format!(
            "{spoken} is wide: it names neither packages nor a repository, so every \
             repository can use it for any package: limit it with site or signed_by"
        )),
        (_, Some(Width::Versions)) => Some(format!(
            "{spoken} is wide: it applies to every version, from every repository: \
             give it a version, or a site, or signed_by"
        )),
        (_, Some(_)) => Some(format!(
            "{spoken} is wide: it applies to every package of its repository: name \
             packages"
        )),
        (_, None) => None,
    }
}

fn own_words(matcher: &Matcher) -> String {
    let conditions = matcher.conditions();
    let keys = conditions.iter().map(|(key, _)| *key).filter(|key| ITS_OWN.contains(key));
    list(keys)
}
