//! `apt-quorum hold release`: a version that is not held back, whatever rebuilders say about it.

use std::collections::{BTreeMap, BTreeSet};

use super::args::HoldRelease;
use super::files::HoldFiles;
use super::{Exit, Stop};
use crate::cli::output::{json, list};
use crate::cli::world::{World, say};
use crate::hold::{HeldPackage, HeldRecord, Pin, Released};
use crate::types::printable;

pub(super) fn run(arguments: &HoldRelease) -> Result<Exit, Stop> {
    let world = World::open(&arguments.shown.directory)?;
    let files = HoldFiles::of(&world.apt);
    let _lock = files.lock()?;
    let mut record = HeldRecord::read(&files.state);
    let named: BTreeSet<&str> = arguments.names.iter().map(String::as_str).collect();
    let is_named = |it: &HeldPackage| named.contains(it.package.package.as_str());
    let known: BTreeSet<&str> = record.held.iter().map(|it| it.package.package.as_str()).collect();
    if let Some(unknown) = named.iter().find(|it| !known.contains(**it)) {
        return Err(Stop::refused(format!(
            "{} is not held back. Nothing was changed. See the list: apt-quorum hold list",
            printable(unknown)
        )));
    }
    let (released, held): (Vec<_>, Vec<_>) = record.held.iter().cloned().partition(is_named);
    record.held = held;
    record.released.extend(released.iter().map(|it| Released { package: it.package.clone() }));
    files.write(&record, &pins(&record))?;
    if arguments.shown.json {
        return Ok(say(&json(&record), Exit::Admitted));
    }
    let released: Vec<String> = released.iter().map(|it| it.package.to_string()).collect();
    let text = format!(
        "No longer held back: {}. The gate still judges it: to install it unconfirmed, see apt-quorum exception add --help\n",
        list(released)
    );
    Ok(say(&text, Exit::Admitted))
}

/// Returns the pins that a record explains.
fn pins(record: &HeldRecord) -> BTreeMap<Pin, String> {
    let pin = |it: &HeldPackage| {
        let architecture = it.kept_as.parse().ok()?;
        let pin = Pin { package: it.package.clone(), architecture };
        Some((pin, it.explanation()))
    };
    record.held.iter().filter_map(pin).collect()
}
