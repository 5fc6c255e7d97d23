//! `apt-quorum hold`: the updates that wait until they are confirmed.

pub(super) mod args;
pub(super) mod files;
mod judge;
mod list;
mod refresh;
mod release;
mod switch;

use super::Exit;
use super::world::{Stop, now};
use args::HoldCommand;

pub(super) fn run(command: &HoldCommand) -> Result<Exit, Stop> {
    match command {
        HoldCommand::List(arguments) => list::run(arguments),
        HoldCommand::Explain(arguments) => list::explain(arguments),
        HoldCommand::Refresh(arguments) => refresh::run(arguments),
        HoldCommand::Release(arguments) => release::run(arguments),
        HoldCommand::On(arguments) => switch::run(arguments, true),
        HoldCommand::Off(arguments) => switch::run(arguments, false),
    }
}
