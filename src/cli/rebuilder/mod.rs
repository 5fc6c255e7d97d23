//! `apt-quorum rebuilder`: the rebuilders that count.
//!
//! Trust begins with a person who compared a key, or with a script that names it. Nothing that an
//! endpoint says is written anywhere before that.

mod add;
mod add_key;
mod candidate;
mod list;
mod offer;
mod present;
mod refresh;
mod remove;
mod show;
mod target;
mod trust;

pub(super) use candidate::{BY_PROTOCOL, Newcomer};
pub(super) use present::{PresentAnswer, PresentKind, who_answers};
pub(super) use show::policy as comes_to;
pub(super) use target::{RebuilderTarget, descriptions};
pub(super) use trust::{asked, fingerprints, named};

use serde::Serialize;

use super::args::RebuilderCommand;
use super::world::{Stop, World, now, say, say_first};
use super::{Exit, output};
use crate::config::Config;
use crate::types::RebuilderName;

/// The JSON of a command that changes a rebuilder.
#[derive(Serialize)]
struct ChangedRebuilder<'a> {
    schema: u32,
    /// True if a file was changed
    changed: bool,
    rebuilder: &'a RebuilderName,
    /// All rebuilders, as they are now
    rebuilders: Vec<&'a RebuilderName>,
    /// None if there is no rebuilder
    threshold: Option<u32>,
    mode: &'static str,
}

impl ChangedRebuilder<'_> {
    fn json(name: &RebuilderName, changed: bool, config: &Config) -> String {
        output::json(&ChangedRebuilder {
            schema: 1,
            changed,
            rebuilder: name,
            rebuilders: config.rebuilders.keys().collect(),
            threshold: config.policy.default_requirement().map(|it| it.threshold().count()),
            mode: super::mode::word(config.policy.mode()),
        })
    }
}

pub(super) fn run(command: &RebuilderCommand) -> Result<Exit, Stop> {
    match command {
        RebuilderCommand::List(arguments) => list::run(arguments),
        RebuilderCommand::Add(arguments) => add::run(arguments),
        RebuilderCommand::AddKey(arguments) => add_key::run(arguments),
        RebuilderCommand::Refresh(arguments) => refresh::run(arguments),
        RebuilderCommand::Remove(arguments) => remove::run(arguments),
        RebuilderCommand::ImportLayout(arguments) => super::import::layout(arguments),
    }
}
