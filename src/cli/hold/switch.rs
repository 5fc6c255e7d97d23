//! `apt-quorum hold on` and `hold off`.

use super::args::HoldRefresh;
use super::{Exit, Stop, refresh};
use crate::cli::args::{ConfigDirectory, ListArguments};
use crate::cli::world::{POLICY, World, say_first};
use crate::config::{Change, with_setting};
use crate::policy::Mode;

pub(super) fn run(arguments: &ListArguments, on: bool) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    if world.config.hold.is_on != on {
        let was = world.read(POLICY.as_ref()).map_err(Stop::refused)?;
        let value = if on { "true" } else { "false" };
        let text = with_setting(&was, "hold", value).ok_or_else(|| {
            let file = world.config.directory.join(POLICY);
            Stop::refused(format!(
                "cannot write hold = {value} into {}: edit it by hand. Nothing was changed.",
                file.display()
            ))
        })?;
        let mut change = Change::of(&world.config.directory);
        change.edit(POLICY, was, text);
        change.apply(world.trusted)?;
    }
    if !arguments.json {
        say_first(match (on, world.config.policy.mode()) {
            (true, Mode::Enforce) => {
                "Holding back is on: updates that the gate would refuse wait, and apt installs the others.\n"
            }
            (true, Mode::Warn) => {
                "Holding back is on, but does nothing in mode warn. To refuse: apt-quorum mode enforce\n"
            }
            (false, _) => {
                "Holding back is off: one refused update stops all that apt installs with it.\n"
            }
        })?;
    }
    refresh::run(&HoldRefresh {
        directory: ConfigDirectory { config: arguments.directory.config.clone() },
        offline: false,
        dry_run: false,
        quiet: !arguments.json,
        json: arguments.json,
    })
}
