//! `apt-quorum hold list` and `hold explain`: what is held back, since when and why.

use super::args::HoldExplain;
use super::files::HoldFiles;
use super::{Exit, Stop, now};
use crate::cli::args::ListArguments;
use crate::cli::output::{counted, json};
use crate::cli::world::{World, say};
use crate::hold::{HeldPackage, HeldRecord};
use crate::types::{Timestamp, printable};

pub(super) fn run(arguments: &ListArguments) -> Result<Exit, Stop> {
    let (world, record) = open(arguments)?;
    if arguments.json {
        return Ok(say(&json(&record), Exit::Admitted));
    }
    let now = now();
    let mut text = String::new();
    for it in &record.held {
        text += &line(it, now);
    }
    for it in &record.released {
        text += &format!("released: {}: not held back; the gate still judges it.\n", it.package);
    }
    for it in &record.notes {
        text += &format!("{it}.\n");
    }
    if record.held.is_empty() {
        text += match world.config.hold.is_on {
            true => "Nothing is held back.\n",
            false => "Holding back is off. To switch it on: apt-quorum hold on\n",
        };
    }
    Ok(say(&text, Exit::Admitted))
}

pub(super) fn explain(arguments: &HoldExplain) -> Result<Exit, Stop> {
    let (_, record) = open(&arguments.shown)?;
    let found: Vec<&HeldPackage> =
        record.held.iter().filter(|it| it.package.package.as_str() == arguments.name).collect();
    if arguments.shown.json {
        return Ok(say(&json(&found), Exit::Admitted));
    }
    let Some(first) = found.first() else {
        return Err(Stop::refused(format!(
            "{} is not held back. See the list: apt-quorum hold list",
            printable(&arguments.name)
        )));
    };
    let now = now();
    let mut text: String = found.iter().map(|it| line(it, now)).collect();
    text += "As soon as it can be installed, the next apt update or apt-quorum hold refresh releases it.\n";
    let (name, version) = (&first.package.package, &first.package.version);
    if let Some(sha256) = first.sha256.filter(|_| first.unconfirmed) {
        text += &format!(
            "To allow exactly this file: apt-quorum exception add --package {} --sha256 {sha256} --days 30 --reason TEXT\n",
            first.package.package
        );
    }
    text += &format!(
        "To see what each rebuilder says: apt-quorum explain {name}={version}\n\
         To stop holding it back, although the gate refuses it: apt-quorum hold release {name}\n"
    );
    Ok(say(&text, Exit::Admitted))
}

fn open(arguments: &ListArguments) -> Result<(World, HeldRecord), Stop> {
    let world = World::open(&arguments.directory)?;
    let record = HeldRecord::read(&HoldFiles::of(&world.apt).state);
    Ok((world, record))
}

fn line(it: &HeldPackage, now: Timestamp) -> String {
    let security = if it.security { ", a security update" } else { "" };
    let days = usize::try_from(it.days(now)).unwrap_or_default();
    format!(
        "held back: {}{security}, since {} ({}); {} stays installed: {}.\n",
        it.package,
        it.since.date(),
        counted(days, "day"),
        it.installed,
        it.reason
    )
}
