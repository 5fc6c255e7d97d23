//! Groups of rebuilders in `policy.toml`, and how many of each must confirm.

use std::collections::{BTreeMap, BTreeSet};

use super::Rebuilders;
use super::diagnostic::{Problems, SourcePlace};
use super::policy::{Given, rebuilders};
use super::reader::{Located, Table};
use crate::policy::GroupQuota;
use crate::types::{GroupName, RebuilderName, Threshold, ThresholdError};

/// The `[[group]]` tables.
pub(super) struct Groups {
    members: BTreeMap<GroupName, BTreeSet<RebuilderName>>,
    /// True if these are all groups; otherwise, no group is reported as missing
    complete: bool,
}

/// The value of `groups`.
#[derive(Clone)]
pub(super) struct Quotas {
    pub(super) quotas: BTreeMap<GroupName, GroupQuota>,
    /// The place of each number
    pub(super) places: BTreeMap<GroupName, SourcePlace>,
}

impl Groups {
    /// Reads the `[[group]]` tables of `policy.toml`, and reports every mistake.
    pub(super) fn read(
        table: &mut Table<'_, '_>,
        all: &Rebuilders,
        problems: &mut Problems,
    ) -> Self {
        let read = table.tables("group", problems, |table, problems| group(table, all, problems));
        let mut groups = Self { members: BTreeMap::new(), complete: read.is_some() };
        for (name, members) in read.unwrap_or_default() {
            let Some(name) = name else {
                groups.complete = false;
                continue;
            };
            if groups.members.contains_key(&name.value) {
                let message = format!("group {} is there already", name.value);
                let help = "give each group one table with all its rebuilders";
                problems.push(name.place.saying(&message).help(help));
                groups.complete = false;
                continue;
            }
            groups.complete &= members.is_some();
            groups.members.insert(name.value, members.unwrap_or_default());
        }
        groups
    }

    /// Reads the key `groups` of the policy or of a rule.
    pub(super) fn quotas(
        &self,
        table: &mut Table<'_, '_>,
        problems: &mut Problems,
    ) -> Given<Quotas> {
        let Some(read) = table.numbers::<GroupName>("groups", problems) else {
            return if table.names("groups") { Given::Wrong } else { Given::Missing };
        };
        let mut good = read.complete && self.complete;
        let mut all = Quotas { quotas: BTreeMap::new(), places: BTreeMap::new() };
        let place = table.place();
        for (Located { value: name, place }, number) in read.items {
            let members = self.members.get(&name).cloned();
            if members.is_none() && self.complete {
                let known: Vec<&str> = self.members.keys().map(GroupName::as_str).collect();
                let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
                problems.push(
                    place
                        .saying(&format!("there is no group {name}"))
                        .help(format!("groups: {known}; each has a table [[group]]")),
                );
            }
            let threshold = Threshold::try_from(number.value);
            if let Err(error) = &threshold {
                problems.push(match error {
                    ThresholdError::Zero => number
                        .place
                        .saying(&"a group's number must be 1 or more")
                        .help("leave out a group from which no confirmation is required"),
                    ThresholdError::TooLarge => number.place.saying(error),
                });
            }
            good &= members.is_some() && threshold.is_ok();
            if let (Some(members), Ok(threshold)) = (members, threshold) {
                all.quotas.insert(name.clone(), GroupQuota { threshold, members });
                all.places.insert(name, number.place);
            }
        }
        if good { Given::Right(Located { value: all, place }) } else { Given::Wrong }
    }
}

/// Reads one table: its name and its rebuilders, each if it is right.
fn group(
    table: &mut Table<'_, '_>,
    all: &Rebuilders,
    problems: &mut Problems,
) -> (Option<Located<GroupName>>, Option<BTreeSet<RebuilderName>>) {
    let name = table.parsed("name", problems);
    let name = table.required("name", "how rules call this group", name, problems);
    if all.are_none() {
        let message = "no rebuilder is configured that could be in this group";
        let help = "add rebuilders to rebuilders.d before groups";
        problems.push(table.place().saying(&message).help(help));
    }
    let members = match rebuilders(table, "rebuilders", all, problems) {
        Given::Right(names) => Some(names.value.into_iter().map(|it| it.value).collect()),
        Given::Wrong => None,
        Given::Missing => table
            .required::<()>("rebuilders", "who is in this group", None, problems)
            .map(|()| BTreeSet::new()),
    };
    (name, members.filter(|_| !all.are_none()))
}

/// The names of rebuilders, for messages.
pub(super) fn list(names: &BTreeSet<RebuilderName>) -> String {
    let names: Vec<&str> = names.iter().map(RebuilderName::as_str).collect();
    if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
}
