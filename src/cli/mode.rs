//! `apt-quorum mode`: shows or sets the mode, by which unconfirmed packages are refused or not.

use super::Exit;
use super::args::{ChosenMode, Mode as Arguments};
use super::world::{Stop, World, end, say};
use crate::config::{Change, Config, with_setting};
use crate::policy::Mode;

/// The file with the mode, below the directory of the configuration.
const FILE: &str = "policy.toml";

/// Largest policy that is changed, in bytes.
const MAX_FILE: usize = 1 << 20;

pub(super) fn run(arguments: &Arguments) -> Exit {
    end(match &arguments.mode {
        None => shown(arguments),
        Some(ChosenMode::Enforce) => set(arguments, Mode::Enforce),
        Some(ChosenMode::Warn) => set(arguments, Mode::Warn),
    })
}

fn shown(arguments: &Arguments) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let config = &world.config;
    let text = format!("{}: {}\n", word(config.policy.mode()), meaning(config));
    Ok(say(&text, Exit::Admitted))
}

fn set(arguments: &Arguments, mode: Mode) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let word = word(mode);
    if world.config.policy.mode() == mode {
        let text = format!("The mode is {word} already: {}\n", meaning(&world.config));
        return Ok(say(&text, Exit::Admitted));
    }
    let path = world.config.directory.join(FILE);
    let unchanged = |why: String| Stop::refused(format!("{why}; nothing was changed."));
    let was = world.trusted.read(&path, MAX_FILE).map_err(|error| unchanged(error.to_string()))?;
    let text = with_setting(&was, "mode", &format!("\"{word}\""))
        .ok_or_else(|| unchanged(format!("the mode cannot be written into {}", path.display())))?;
    let mut change = Change::of(&world.config.directory);
    change.edit(FILE, was, text);
    let config = change.apply(world.trusted)?;
    let mut text = format!("The mode is {word} now: {}\n", meaning(&config));
    if mode == Mode::Enforce {
        let option = world.option();
        text += &format!(
            "apt-quorum mode warn{option} takes it back; apt-quorum audit{option} shows how what is installed stands.\n"
        );
    }
    Ok(say(&text, Exit::Admitted))
}

pub(super) const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Warn => "warn",
    }
}

/// Describes the mode under this configuration, in one sentence or two.
pub(super) fn meaning(config: &Config) -> String {
    let policy = &config.policy;
    let count = policy.rebuilders().len();
    let Some(default) = policy.default_requirement().filter(|_| count > 0) else {
        return "no rebuilder is configured who could confirm anything, so everything is let through."
            .to_owned();
    };
    let unless = match (policy.rules().is_empty(), policy.exceptions().is_empty()) {
        (true, true) => "",
        (false, true) => ", unless a rule says otherwise",
        (true, false) => ", unless an exception holds",
        (false, false) => ", unless a rule says otherwise or an exception holds",
    };
    let few = match default.threshold().count() {
        1 => "no rebuilder confirms".to_owned(),
        needed => format!("fewer than {needed} of {count} rebuilders confirm"),
    };
    let happens = match policy.mode() {
        Mode::Enforce => "is refused",
        Mode::Warn => "is let through with a warning and counted as debt",
    };
    format!("what {few} {happens}{unless}.")
}
