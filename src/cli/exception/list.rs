//! `apt-quorum exception list`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Exit, Stop, World, conditions, days_left, ends_soon, left, now, place, reference, say,
};
use crate::cli::args::ListArguments;
use crate::cli::loose::Width;
use crate::cli::output::{json, print};
use crate::policy::{Exception, ExceptionId};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ExceptionId>,
    conditions: BTreeMap<&'static str, Vec<String>>,
    reason: String,
    /// The first moment at which it no longer applies
    expires: Timestamp,
    /// The last day on which it applies, unless it ends within a day
    last_day: Option<String>,
    /// True if it ends within two weeks
    ends_soon: bool,
    /// The packages that it exempts, for people, if it is a wide one
    wide: Option<&'static str>,
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
    let width = Width::of(&exception.matcher);
    let wide = width.map(|it| format!(" WIDE: {}.", it.words())).unwrap_or_default();
    format!(
        "{}: {}: {} ({}).{wide}\n",
        reference(exception),
        conditions(&exception.matcher),
        printable(&exception.exemption.reason),
        left(exception.exemption.expires, now),
    )
}

impl ListedException {
    pub(in crate::cli) fn of(exception: &Exception, now: Timestamp) -> Self {
        let days_left = days_left(exception.exemption.expires, now);
        Self {
            place: place(exception),
            id: exception.exemption.id.clone(),
            conditions: exception.matcher.conditions().into_iter().collect(),
            reason: exception.exemption.reason.clone(),
            expires: exception.exemption.expires,
            last_day: exception.exemption.expires.last_day(),
            ends_soon: ends_soon(exception.exemption.expires, now),
            wide: Width::of(&exception.matcher).map(Width::words),
            expired: days_left.is_none(),
            days_left,
        }
    }
}
