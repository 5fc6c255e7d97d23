//! `apt-quorum exception list`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Exit, Stop, World, conditions, days_left, left, now, place, say};
use crate::cli::args::ListArguments;
use crate::cli::output::{json, print};
use crate::policy::Exception;
use crate::types::{Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct ListedExceptions {
    schema: u32,
    exceptions: Vec<ListedException>,
}

/// An exception as it is listed.
#[derive(Serialize)]
pub(in crate::cli) struct ListedException {
    place: String,
    conditions: BTreeMap<&'static str, Vec<String>>,
    reason: String,
    expires: Timestamp,
    expired: bool,
    /// Whole days that it still applies; none if it has expired
    days_left: Option<i64>,
}

pub(super) fn run(arguments: &ListArguments) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let now = now();
    let exceptions = world.config.policy.exceptions();
    if arguments.json {
        let exceptions = exceptions.iter().map(|it| ListedException::of(it, now)).collect();
        return Ok(print(&json(&ListedExceptions { schema: 1, exceptions }), Exit::Admitted));
    }
    if exceptions.is_empty() {
        return Ok(say("There is no exception.\n", Exit::Admitted));
    }
    let lines: String = exceptions.iter().map(|it| line(it, now)).collect();
    Ok(say(&lines, Exit::Admitted))
}

/// One line for people.
pub(in crate::cli) fn line(exception: &Exception, now: Timestamp) -> String {
    format!(
        "{}: {}: {} ({}).\n",
        place(exception),
        conditions(exception.matcher()),
        printable(exception.reason()),
        left(exception.expires(), now),
    )
}

impl ListedException {
    pub(in crate::cli) fn of(exception: &Exception, now: Timestamp) -> Self {
        let days_left = days_left(exception.expires(), now);
        Self {
            place: place(exception),
            conditions: exception.matcher().conditions().into_iter().collect(),
            reason: exception.reason().to_owned(),
            expires: exception.expires(),
            expired: days_left.is_none(),
            days_left,
        }
    }
}
