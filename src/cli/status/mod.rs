//! `apt-quorum status`: the state of this machine, on one screen.

mod entrances;
mod history;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Exit;
use super::args::StatusArguments as Arguments;
use super::exception::ListedException;
use super::judging::present;
use super::output::json;
use super::rebuilder::who_answers;
use super::world::{Stop, directory, is_valid, say, show};
use crate::apt::configuration::Configuration;
use crate::audit::System;
use crate::cli::ways::ways;
use crate::config::{self, Config};
use crate::fetching::Commands;
use crate::gate::{Environment, apt_dump};
use crate::policy::{Exception, Mode};
use crate::receipt;
use crate::sys::secure::Trusted;
use crate::types::{RebuilderName, Timestamp};
use entrances::{ActiveEntrance, Sources};
use history::{Debt, Heard, History, PastEvent};

/// The whole status, which `--json` prints.
#[derive(Serialize)]
struct Status {
    schema: u32,
    time: Timestamp,
    /// True if the entrances, the configuration and the mode are as they should be
    guarded: bool,
    configuration: Configured,
    entrances: Vec<ActiveEntrance>,
    sources: Option<Sources>,
    rebuilders: Vec<HeardRebuilder>,
    /// Unusual settings for asking rebuilders, for people
    network: Vec<String>,
    debt: Option<Debt>,
    exceptions: Vec<ListedException>,
    conflicts: Vec<PastEvent>,
    refusals: Vec<PastEvent>,
}

#[derive(Serialize)]
struct Configured {
    directory: String,
    mode: Option<&'static str>,
    /// The meaning of the mode, for people
    meaning: Option<String>,
    /// The mistakes, for people
    problems: Option<String>,
}

#[derive(Serialize)]
struct HeardRebuilder {
    name: RebuilderName,
    endpoints: usize,
    keys: Vec<HeardKey>,
    heard: Heard,
    /// The result of asking it now: `answers`, or why it does not; none if it was not asked
    now: Option<String>,
}

#[derive(Serialize)]
struct HeardKey {
    id: String,
    until: Option<Timestamp>,
    good: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Stop> {
    let dump = apt_dump(Environment::Heard, None).map_err(Stop::wrong)?.unwrap_or_default();
    let mut apt = Configuration::default();
    apt.add_dump(&dump);
    let directory = directory(&arguments.directory, &apt);
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    let now = present(&apt);
    let loaded = config::load(&directory, Trusted::now());
    let history = History::read(&state);
    let loaded = loaded.as_ref();
    let answers = match loaded {
        Ok(config) if arguments.online => who_answers(config, &apt),
        _ => BTreeMap::new(),
    };
    let direct = loaded.ok().map(|it| it.direct);
    let entrances = entrances::of(&dump, Path::new("/"), direct);
    let enforced = loaded.is_ok_and(|it| it.policy.mode() == Mode::Enforce);
    let exceptions: &[Exception] = loaded.map(|it| it.policy.exceptions()).unwrap_or_default();
    let status = Status {
        schema: 1,
        time: now,
        guarded: enforced && entrances.iter().all(|it| it.active || !it.needed),
        configuration: Configured {
            directory: directory.display().to_string(),
            mode: loaded.ok().map(|it| super::mode::word(it.policy.mode())),
            meaning: loaded.ok().map(super::mode::meaning_and_step),
            problems: loaded.err().map(ToString::to_string),
        },
        entrances,
        sources: entrances::sources(&dump),
        rebuilders: loaded.map(|it| rebuilders(it, &history, &answers, now)).unwrap_or_default(),
        network: loaded.map(|it| ways(it, &apt, Commands::Left)).unwrap_or_default(),
        debt: System::running(&apt).and_then(|it| history::debt(&it)).ok(),
        exceptions: exceptions.iter().map(|it| ListedException::of(it, now)).collect(),
        conflicts: history.conflicts.into_iter().rev().collect(),
        refusals: history.refusals.into_iter().rev().collect(),
    };
    let exit = match (&status.configuration.problems, status.guarded) {
        (Some(_), _) => Exit::Wrong,
        (None, true) => Exit::Admitted,
        (None, false) => Exit::Refused,
    };
    if arguments.json {
        return Ok(say(&json(&status), exit));
    }
    Ok(show(&text::of(&status, exceptions), exit))
}

fn rebuilders(
    config: &Config,
    history: &History,
    answers: &BTreeMap<RebuilderName, String>,
    now: Timestamp,
) -> Vec<HeardRebuilder> {
    let keys = |name: &RebuilderName| {
        let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
        own.map(|it| {
            let id = it.key.key_id().as_str().to_owned();
            HeardKey { id, until: it.not_after, good: is_valid(it, now) }
        })
        .collect()
    };
    config
        .policy
        .rebuilders()
        .iter()
        .map(|name| HeardRebuilder {
            name: name.clone(),
            endpoints: config.endpoints.iter().filter(|it| it.rebuilder == *name).count(),
            keys: keys(name),
            heard: history.heard.get(name.as_str()).copied().unwrap_or_default(),
            now: answers.get(name).cloned(),
        })
        .collect()
}
