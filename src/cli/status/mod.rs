//! `apt-quorum status`: the state of this machine, on one screen or in numbers.

mod entrances;
mod history;
mod nagios;
mod prometheus;
mod summary;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Exit;
use super::args::StatusArguments as Arguments;
use super::exception::{ListedException, endings, reference};
use super::judging::present;
use super::output::json;
use super::rebuilder::{PresentAnswer, PresentKind, who_answers};
use super::world::{Stop, directory, is_valid, say, show};
use crate::apt::configuration::Configuration;
use crate::audit::System;
use crate::cli::loose::Width;
use crate::cli::ways::ways;
use crate::config::{self, Config, Problems};
use crate::fetching::Commands;
use crate::gate::{Environment, apt_dump};
use crate::policy::{Exception, Mode};
use crate::receipt;
use crate::sys::secure::Trusted;
use crate::types::{RebuilderName, Sha256Digest, Timestamp};
use entrances::{ActiveEntrance, Sources};
use history::{Debt, Heard, History, PastEvent};
use summary::MachineSummary;

/// The whole status, which `--json` prints.
#[derive(Serialize)]
struct Status {
    schema: u32,
    time: Timestamp,
    /// True if the entrances, the configuration and the mode are as they should be, and no exception
    /// exempts every package
    guarded: bool,
    configuration: Configured,
    entrances: Vec<ActiveEntrance>,
    sources: Option<Sources>,
    rebuilders: Vec<HeardRebuilder>,
    /// Unusual settings for asking rebuilders, for people
    network: Vec<String>,
    debt: Option<Debt>,
    exceptions: Vec<ListedException>,
    /// Exceptions that end within two weeks, for people
    endings: Vec<String>,
    /// The wide exceptions that are in force
    wide: Vec<String>,
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
    /// The result of asking it now, for people; none if it was not asked
    now: Option<String>,
    /// The kind of that result
    now_kind: Option<PresentKind>,
}

#[derive(Serialize)]
struct HeardKey {
    id: String,
    /// The SHA-256 of the key in DER; none of a certificate
    sha256: Option<Sha256Digest>,
    until: Option<Timestamp>,
    good: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Stop> {
    if arguments.nagios {
        // Whatever goes wrong, the fourth exit code says that nothing is known.
        return Ok(check(arguments).unwrap_or_else(|stop| {
            let why = stop.why.lines().next().unwrap_or_default().trim_end_matches('.');
            say(&format!("APT-QUORUM UNKNOWN - {why}\n"), Exit::CouldNotFindOut)
        }));
    }
    let ground = Ground::open(arguments)?;
    let loaded = ground.loaded.as_ref();
    if arguments.summary || arguments.fields || arguments.prometheus.is_some() {
        return in_numbers(arguments, &ground);
    }
    let Ground { dump, apt, now, entrances, .. } = &ground;
    let now = *now;
    let history = History::read(&ground.state);
    let answers = match loaded {
        Ok(config) if arguments.online => who_answers(config, apt, now),
        _ => BTreeMap::new(),
    };
    let exceptions: &[Exception] = loaded.map(|it| it.policy.exceptions()).unwrap_or_default();
    let option = arguments.directory.config.as_ref();
    let option = option.map(|it| format!(" --config {}", it.display())).unwrap_or_default();
    let in_force = exceptions.iter().filter(|it| now < it.exemption.expires);
    let wide = in_force.filter(|it| Width::of(&it.matcher).is_some()).map(reference).collect();
    let status = Status {
        schema: 1,
        time: now,
        guarded: ground.is_guarded(),
        configuration: Configured {
            directory: ground.directory.display().to_string(),
            mode: loaded.ok().map(|it| super::mode::word(it.policy.mode())),
            meaning: loaded.ok().map(super::mode::meaning_and_step),
            problems: loaded.err().map(ToString::to_string),
        },
        entrances: entrances.clone(),
        sources: entrances::sources(dump),
        rebuilders: loaded.map(|it| rebuilders(it, &history, &answers, now)).unwrap_or_default(),
        network: loaded.map(|it| ways(it, apt, Commands::Left)).unwrap_or_default(),
        debt: System::running(apt).and_then(|it| history::debt(&it)).ok(),
        exceptions: exceptions.iter().map(|it| ListedException::of(it, now)).collect(),
        endings: endings(exceptions, &option, now),
        wide,
        conflicts: history.conflicts.into_iter().rev().collect(),
        refusals: history.refusals.into_iter().rev().collect(),
    };
    let all_answer = answers.values().all(|it| it.kind == PresentKind::Answers);
    let exit = match ground.exit() {
        Exit::Admitted if !all_answer => Exit::Refused,
        exit => exit,
    };
    if arguments.json {
        return Ok(say(&json(&status), exit));
    }
    Ok(show(&text::of(&status, exceptions), exit))
}

/// The base of every form of the status.
struct Ground {
    /// apt's configuration as it prints it
    dump: String,
    apt: Configuration,
    directory: PathBuf,
    state: PathBuf,
    now: Timestamp,
    loaded: Result<Config, Problems>,
    entrances: Vec<ActiveEntrance>,
}

/// Returns true when an exception in force takes packages from everywhere: whatever the rest says,
/// the machine is not guarded.
fn is_open(config: &Config, now: Timestamp) -> bool {
    let mut in_force = config.policy.exceptions().iter().filter(|it| now < it.exemption.expires);
    in_force.any(|it| Width::of(&it.matcher) == Some(Width::Everything))
}

impl Ground {
    fn open(arguments: &Arguments) -> Result<Self, Stop> {
        let dump = apt_dump(Environment::Heard, None).map_err(Stop::wrong)?.unwrap_or_default();
        let mut apt = Configuration::default();
        apt.add_dump(&dump);
        let directory = directory(&arguments.directory, &apt);
        let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        let now = present(&apt);
        let loaded = config::load(&directory, Trusted::now());
        let direct = loaded.as_ref().ok().map(|it| it.direct);
        let entrances = entrances::of(&dump, Path::new("/"), direct);
        Ok(Self { dump, apt, directory, state, now, loaded, entrances })
    }

    fn is_guarded(&self) -> bool {
        let enforced = self
            .loaded
            .as_ref()
            .is_ok_and(|it| it.policy.mode() == Mode::Enforce && !is_open(it, self.now));
        enforced && self.entrances.iter().all(|it| it.active || !it.needed)
    }

    fn exit(&self) -> Exit {
        match (&self.loaded, self.is_guarded()) {
            (Err(_), _) => Exit::Wrong,
            (Ok(_), true) => Exit::Admitted,
            (Ok(_), false) => Exit::Refused,
        }
    }

    fn summary(&self) -> Result<MachineSummary, Stop> {
        let config = self.loaded.as_ref().ok();
        let mut summary =
            MachineSummary::read(&self.apt, &self.state, config, &self.entrances, self.now)?;
        summary.guarded = self.is_guarded();
        Ok(summary)
    }
}

/// Shows the numbers of the summary.
fn in_numbers(arguments: &Arguments, ground: &Ground) -> Result<Exit, Stop> {
    let summary = ground.summary()?;
    let exit = ground.exit();
    if let Some(path) = &arguments.prometheus {
        let metrics = prometheus::metrics(&summary, &History::read(&ground.state));
        prometheus::write(path, &metrics)?;
        return Ok(exit);
    }
    Ok(match (arguments.json, arguments.fields) {
        (true, _) => say(&json(&summary), exit),
        (false, true) => say(&summary.fields(), exit),
        (false, false) => say(&summary.line(), exit),
    })
}

/// Runs as a plugin of Nagios or Icinga.
fn check(arguments: &Arguments) -> Result<Exit, Stop> {
    let summary = Ground::open(arguments)?.summary()?;
    let (text, exit) = nagios::check(&summary, arguments.warning, arguments.critical);
    Ok(say(&text, exit))
}

fn rebuilders(
    config: &Config,
    history: &History,
    answers: &BTreeMap<RebuilderName, PresentAnswer>,
    now: Timestamp,
) -> Vec<HeardRebuilder> {
    let keys = |name: &RebuilderName| {
        let own = config.policy.keys().iter().filter(|it| it.rebuilder == *name);
        own.map(|it| {
            let id = it.key.key_id().as_str().to_owned();
            let sha256 = it.key.to_der().map(|der| Sha256Digest::of(&der));
            HeardKey { id, sha256, until: it.not_after, good: is_valid(it, now) }
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
            now: answers.get(name).map(|it| it.text.clone()),
            now_kind: answers.get(name).map(|it| it.kind),
        })
        .collect()
}
