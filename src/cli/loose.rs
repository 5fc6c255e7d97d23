//! Rules and exceptions that any archive can claim for itself.
//!
//! An archive says its `origin`, `label` and the like of itself, and apt takes that from every
//! archive whose key it is told to take. Only the site, the key and the bytes belong to one
//! archive.

use crate::policy::{Binding, Exception, Matcher, Policy, Rule};

/// The conditions that are an archive's own word, as the configuration calls them.
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
            "the rule in {place} is for every archive that says so of itself ({}): bind it with site \
             or signed_by",
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
            "the exception in {place} is for every archive that says so of itself ({}), whoever \
             signed it: bind it with site or signed_by",
            own_words(&it.matcher)
        )),
        Binding::AnyRepository if it.matcher.names_packages() => None,
        Binding::AnyRepository => Some(format!(
            "the exception in {place} names neither packages nor an archive, so that every archive can \
             use it for any package: bind it with site or signed_by"
        )),
    }
}

fn own_words(matcher: &Matcher) -> String {
    let conditions = matcher.conditions();
    let keys = conditions.iter().map(|(key, _)| *key).filter(|key| ITS_OWN.contains(key));
    keys.collect::<Vec<_>>().join(", ")
}
