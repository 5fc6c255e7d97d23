//! `apt-quorum mode`: shows or sets the mode, by which unconfirmed packages are refused or not.

use serde::Serialize;

use super::Exit;
use super::args::{ChosenMode, ModeArguments as Arguments};
use super::output::{counted, json};
use super::world::{Hold, Stop, World, say};
use crate::config::Config;
use crate::policy::Mode;
use crate::report::from_groups;

/// The JSON that `--json` prints.
#[derive(Serialize)]
struct ShownMode {
    schema: u32,
    /// True if the file was changed
    changed: bool,
    mode: &'static str,
    /// The meaning of the mode, for people
    meaning: String,
}

impl ShownMode {
    fn json(config: &Config, changed: bool) -> String {
        let (mode, meaning) = (word(config.policy.mode()), meaning_and_step(config));
        json(&Self { schema: 1, changed, mode, meaning })
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Stop> {
    match &arguments.mode {
        None => shown(arguments),
        Some(ChosenMode::Enforce) => set(arguments, Mode::Enforce),
        Some(ChosenMode::Warn) => set(arguments, Mode::Warn),
    }
}

fn shown(arguments: &Arguments) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let config = &world.config;
    let text = match arguments.json {
        true => ShownMode::json(config, false),
        false => format!("{}: {}\n", word(config.policy.mode()), meaning_and_step(config)),
    };
    Ok(say(&text, Exit::Admitted))
}

fn set(arguments: &Arguments, mode: Mode) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let word = word(mode);
    if world.config.policy.mode() == mode {
        let text = match arguments.json {
            true => ShownMode::json(&world.config, false),
            false => format!("The mode is already {word}: {}\n", meaning(&world.config)),
        };
        return Ok(say(&text, Exit::Admitted));
    }
    let config = world.change([], None, Some(mode), Hold::AsItIs)?.apply(world.trusted)?;
    if arguments.json {
        return Ok(say(&ShownMode::json(&config, true), Exit::Admitted));
    }
    let mut text = format!("The mode is now {word}: {}\n", meaning(&config));
    if mode == Mode::Enforce {
        let option = world.option();
        text += &format!(
            "To stop refusing: apt-quorum mode warn{option}\nTo assess the installed packages: apt-quorum audit{option}\n"
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

/// Describes the mode under this configuration, with the next step where there is no rebuilder.
pub(super) fn meaning_and_step(config: &Config) -> String {
    let step = match config.policy.rebuilders().is_empty() {
        true => " Choose some: apt-quorum setup",
        false => "",
    };
    meaning(config) + step
}

/// Describes the mode under this configuration, in one sentence.
pub(super) fn meaning(config: &Config) -> String {
    let policy = &config.policy;
    let count = policy.rebuilders().len();
    let Some(default) = policy.default_requirement().filter(|_| count > 0) else {
        return "no rebuilder is configured, so every package passes unchecked.".to_owned();
    };
    let mut needed =
        format!("{} of {}", default.threshold().count(), counted(count, "confirmation"));
    needed += &from_groups(default);
    if !policy.exceptions().is_empty() {
        needed += " or a valid exception";
    }
    let rules = match policy.rules().is_empty() {
        true => "",
        false => "; rules can require something else",
    };
    match policy.mode() {
        Mode::Enforce => format!("packages need {needed}{rules}."),
        Mode::Warn => {
            format!("packages without {needed} pass with a warning and count as debt{rules}.")
        }
    }
}
