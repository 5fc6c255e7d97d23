//! Rules and exceptions that any repository can claim for itself.
//!
//! A repository sets its own `origin`, `label` and the like, and apt takes these from every
//! repository whose key it accepts. Only the site, the key and the bytes belong to one repository.

use super::output::list;
use crate::policy::{Binding, Exception, Matcher, Policy, Rule};

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

/// Returns the same for one exception.
pub(super) fn exception(it: &Exception) -> Option<String> {
    let place = &it.exemption.place;
    match it.matcher.binding() {
        Binding::Fixed => None,
        Binding::RepositorysOwn => Some(format!(
            "the exception in {place} applies to every repository that claims this {} for itself, \
             whatever key signed it: limit it with site or signed_by",
            own_words(&it.matcher)
        )),
        Binding::AnyRepository if it.matcher.names_packages() => None,
        Binding::AnyRepository => Some(format!(
            "the exception in {place} names neither packages nor a repository, so every repository can \
             use it for any package: limit it with site or signed_by"
        )),
    }
}

fn own_words(matcher: &Matcher) -> String {
    let conditions = matcher.conditions();
    let keys = conditions.iter().map(|(key, _)| *key).filter(|key| ITS_OWN.contains(key));
    list(keys)
}
