//! `apt-quorum exception list`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::ExceptionList;
use super::{Exit, Stop, World, conditions, days_left, left, place, say};
use crate::cli::output::{json, print};
use crate::policy::Exception;
use crate::types::{Timestamp, printable};

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct Exceptions {
    schema: u32,
    exceptions: Vec<Listed>,
}

/// An exception as it is listed.
#[derive(Serialize)]
pub(in crate::cli) struct Listed {
    place: String,
    conditions: BTreeMap<&'static str, Vec<String>>,
    reason: String,
    expires: Timestamp,
    expired: bool,
    /// Whole days that it still applies; none if it has expired
    days_left: Option<i64>,
}

pub(super) fn run(arguments: &ExceptionList) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let now = Timestamp::from(std::time::SystemTime::now());
    let exceptions = world.config.policy.exceptions();
    if arguments.json {
        let exceptions = exceptions.iter().map(|it| Listed::of(it, now)).collect();
        return Ok(print(&json(&Exceptions { schema: 1, exceptions }), Exit::Admitted));
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
        conditions(&exception.matcher),
        printable(&exception.exemption.reason),
        left(exception.exemption.expires, now),
    )
}

impl Listed {
    pub(in crate::cli) fn of(exception: &Exception, now: Timestamp) -> Self {
        let days_left = days_left(exception.exemption.expires, now);
        Self {
            place: place(exception),
            conditions: exception.matcher.conditions().into_iter().collect(),
            reason: exception.exemption.reason.clone(),
            expires: exception.exemption.expires,
            expired: days_left.is_none(),
            days_left,
        }
    }
}
