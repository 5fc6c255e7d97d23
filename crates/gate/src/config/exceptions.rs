//! `exceptions.d/*.toml`: dated, reasoned exceptions.

use super::diagnostic::{Problems, SourceFile};
use super::policy::{CONDITIONS, has_condition, matcher};
use super::reader::{Table, document};
use crate::policy::Exception;

/// Reads one file of exceptions. Returns all of them, or nothing after reporting a mistake.
pub(super) fn read(source: &SourceFile, problems: &mut Problems) -> Option<Vec<Exception>> {
    document(source, problems, |table, problems| {
        table.tables("exception", problems, exception)?.into_iter().collect()
    })
    .flatten()
}

fn exception(table: &mut Table<'_, '_>, problems: &mut Problems) -> Option<Exception> {
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
    let expires = table.date("expires", problems);
    let expires = table.required(
        "expires",
        "give the day on which the exception ends, such as 2027-03-01",
        expires,
        problems,
    );
    let reason = reason?;
    if reason.value.trim().is_empty() {
        problems
            .push(reason.place.saying(&"reason is empty: say why this may pass without a quorum"));
        return None;
    }
    Some(Exception::new(table.named_place(), matcher, reason.value.into_owned(), expires?.value))
}
