//! `exceptions.d/*.toml`: dated, reasoned exceptions.

use std::collections::BTreeMap;

use super::diagnostic::{Problems, SourceFile};
use super::policy::{CONDITIONS, has_condition, matcher};
use super::reader::{Table, document};
use crate::policy::{Exception, ExceptionId, Place};

/// The ids of the exceptions that were read, each with its place.
pub(super) type Ids = BTreeMap<ExceptionId, Place>;

/// Reads one file of exceptions. Returns all of them, or nothing after reporting a mistake. An id
/// names one exception of all files.
pub(super) fn read(
    source: &SourceFile,
    ids: &mut Ids,
    problems: &mut Problems,
) -> Option<Vec<Exception>> {
    document(source, problems, |table, problems| {
        let read =
            |table: &mut Table<'_, '_>, problems: &mut Problems| exception(table, ids, problems);
        table.tables("exception", problems, read)?.into_iter().collect()
    })
    .flatten()
}

fn exception(
    table: &mut Table<'_, '_>,
    ids: &mut Ids,
    problems: &mut Problems,
) -> Option<Exception> {
    let id = id(table, ids, problems);
    let matcher = matcher(table, problems);
    if !has_condition(table) {
        problems.push(
            table
                .place()
                .saying(&"an exception without a condition would switch the gate off")
                .help(format!("add one of: {}", CONDITIONS.join(", "))),
        );
    }
    let reason = table.text("reason", problems);
    let reason =
        table.required("reason", "say why this may pass without a quorum", reason, problems);
    let expires = table.last_day("expires", problems);
    let expires = table.required(
        "expires",
        "give the last day on which the exception applies, such as 2027-02-28",
        expires,
        problems,
    );
    let reason = reason?;
    if reason.value.trim().is_empty() {
        problems
            .push(reason.place.saying(&"reason is empty: say why this may pass without a quorum"));
        return None;
    }
    let reason = reason.value.into_owned();
    Some(Exception::new(table.named_place(), matcher, reason, expires?.value).with_id(id?))
}

/// Reads the id, if there is one. Returns nothing after reporting a mistake.
fn id(
    table: &mut Table<'_, '_>,
    ids: &mut Ids,
    problems: &mut Problems,
) -> Option<Option<ExceptionId>> {
    let Some(id) = table.parsed::<ExceptionId>("id", problems) else {
        return (!table.names("id")).then_some(None);
    };
    if let Some(first) = ids.get(&id.value) {
        let message = format!("the exception in {first} has this id already");
        problems.push(id.place.saying(&message).help("give each exception an id of its own"));
        return None;
    }
    ids.insert(id.value.clone(), table.named_place());
    Some(Some(id.value))
}
