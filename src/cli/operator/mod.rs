//! `apt-quorum operator`: the operators that count.
//!
//! Trust begins with a person who compared a key, or with a script that names it. Nothing that an
//! endpoint says is written anywhere before that.

mod add;
mod add_key;
mod candidate;
mod list;
mod offer;
mod refresh;
mod remove;
mod show;
mod target;
mod trust;

pub(super) use candidate::Candidate;
pub(super) use offer::Offered;
pub(super) use refresh::who_answers;
pub(super) use show::policy as comes_to;
pub(super) use target::{Target, descriptions};
pub(super) use trust::{digits, named};

use super::Exit;
use super::args::{Operator, OperatorCommand};
use super::world::{Stop, World, end, say};

pub(super) fn run(arguments: &Operator) -> Exit {
    end(match &arguments.command {
        OperatorCommand::List(arguments) => return list::run(arguments),
        OperatorCommand::Add(arguments) => add::run(arguments),
        OperatorCommand::AddKey(arguments) => add_key::run(arguments),
        OperatorCommand::Refresh(arguments) => refresh::run(arguments),
        OperatorCommand::Remove(arguments) => remove::run(arguments),
        OperatorCommand::ImportLayout(arguments) => super::import::layout(arguments),
    })
}
