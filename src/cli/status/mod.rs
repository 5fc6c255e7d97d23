//! `apt-quorum status`: the state of this machine, on one screen.

mod entrances;
mod history;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Exit;
use super::args::Status as Arguments;
use super::exception::Listed;
use super::output::json;
use super::rebuilder::who_answers;
use super::world::{Stop, end, say, show};
use crate::apt::configuration::Configuration;
use crate::audit::System;
use crate::cli::ways::ways;
use crate::config::{self, Config};
use crate::fetching::Commands;
use crate::gate::{Environment, apt_dump};
use crate::policy::{Exception, Mode};
use crate::receipt;
use crate::sys::secure::Trusted;
use crate::types::{PublicKey, RebuilderName, Timestamp};
use entrances::{Entrance, Sources};
use history::{Debt, Event, Heard, History};

/// The whole status, which `--json` prints.
#[derive(Serialize)]
struct Status {
    schema: u32,
    time: Timestamp,
    /// True if the entrances, the configuration and the mode are as they should be
    guarded: bool,
    configuration: Configured,
    entrances: Vec<Entrance>,
    sources: Option<Sources>,
    rebuilders: Vec<Rebuilder>,
    /// Unusual settings for asking rebuilders, for people
    network: Vec<String>,
    debt: Option<Debt>,
    exceptions: Vec<Listed>,
    conflicts: Vec<Event>,
    refusals: Vec<Event>,
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
struct Rebuilder {
    name: RebuilderName,
    endpoints: usize,
    keys: Vec<Key>,
    heard: Heard,
    /// The result of asking it now: `answers`, or why it does not; none if it was not asked
    now: Option<String>,
}

#[derive(Serialize)]
struct Key {
    id: String,
    until: Option<Timestamp>,
    good: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let dump = match apt_dump(Environment::Heard, None) {
        Ok(dump) => dump.unwrap_or_default(),
        Err(error) => return end(Err(Stop::wrong(error))),
    };
    let mut apt = Configuration::default();
    apt.add_dump(&dump);
    let directory = arguments
        .directory
        .config
        .clone()
        .unwrap_or_else(|| apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY));
    let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    let now = Timestamp::from(receipt::present(&state, std::time::SystemTime::now()).now);
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
            meaning: loaded.ok().map(super::mode::meaning),
            problems: loaded.err().map(ToString::to_string),
        },
        entrances,
        sources: entrances::sources(&dump),
        rebuilders: loaded.map(|it| rebuilders(it, &history, &answers, now)).unwrap_or_default(),
        network: loaded
            .map(|it| ways(&it.endpoints, &apt, it.timeouts.answer, Commands::Left))
            .unwrap_or_default(),
        debt: System::running(&apt).and_then(|it| history::debt(&it)).ok(),
        exceptions: exceptions.iter().map(|it| Listed::of(it, now)).collect(),
        conflicts: history.conflicts.into_iter().rev().collect(),
        refusals: history.refusals.into_iter().rev().collect(),
    };
    let exit = match (&status.configuration.problems, status.guarded) {
        (Some(_), _) => Exit::Wrong,
        (None, true) => Exit::Admitted,
        (None, false) => Exit::Refused,
    };
    if arguments.json {
        return say(&json(&status), exit);
    }
    show(&text::of(&status, exceptions), exit)
}

fn rebuilders(
    config: &Config,
    history: &History,
    answers: &BTreeMap<RebuilderName, String>,
    now: Timestamp,
) -> Vec<Rebuilder> {
    let keys = |name: &RebuilderName| {
        let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
        own.map(|it| {
            let can_sign = match &it.key {
                PublicKey::OpenPgp(certificate) => certificate.can_sign(now).is_ok(),
                _ => true,
            };
            let id = it.key.key_id().as_str().to_owned();
            Key { id, until: it.not_after, good: can_sign && it.is_good_at(now) }
        })
        .collect()
    };
    config
        .policy
        .rebuilders()
        .iter()
        .map(|name| Rebuilder {
            name: name.clone(),
            endpoints: config.endpoints.iter().filter(|it| it.rebuilder == *name).count(),
            keys: keys(name),
            heard: history.heard.get(name.as_str()).copied().unwrap_or_default(),
            now: answers.get(name).cloned(),
        })
        .collect()
}
