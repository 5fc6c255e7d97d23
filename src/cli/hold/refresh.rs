//! `apt-quorum hold refresh`: works out what is to be held back, and tells apt. Run after each
//! `apt update`, and by a timer while anything is held.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::args::HoldRefresh;
use super::files::HoldFiles;
use super::judge::{Finding, GateJudge};
use super::{Exit, Stop};
use crate::cli::judging::Court;
use crate::cli::notify;
use crate::cli::output::{json, list};
use crate::cli::simulate::Trial;
use crate::cli::world::{say, say_remarks};
use crate::gate::Haste;
use crate::hold::{self, Cause, HeldPackage, HeldRecord, Holding, Pin};
use crate::log::Log;
use crate::policy::Mode;
use crate::types::{Identity, Timestamp};

/// The changes of one refresh.
#[derive(Serialize)]
struct Refreshed<'r> {
    schema: u32,
    /// True if other versions are held now than before
    changed: bool,
    held: &'r [HeldPackage],
    /// The packages that are not held any more
    no_longer: Vec<String>,
    /// Security updates that are held for too long
    alarms: Vec<String>,
    notes: &'r [String],
}

pub(super) fn run(arguments: &HoldRefresh) -> Result<Exit, Stop> {
    let court = Court::of(&arguments.directory, &[], arguments.offline)?.that_tells_signers();
    let files = HoldFiles::of(&court.apt);
    let court = if arguments.quiet { in_haste(court, &files) } else { court };
    let config = court.config()?;
    let is_wanted = config.hold.is_on
        && config.policy.mode() == Mode::Enforce
        && !config.policy.rebuilders().is_empty();
    if !is_wanted && arguments.quiet && !files.any() {
        return Ok(Exit::Admitted);
    }
    let _lock = files.lock()?;
    let before = HeldRecord::read(&files.state);
    let now = court.present();
    let (mut record, pins) = if is_wanted {
        work_out(&court, &files, &before, now)?
    } else {
        let released = before.released.clone();
        (
            HeldRecord { schema: 1, time: Some(now), released, ..HeldRecord::default() },
            BTreeMap::new(),
        )
    };
    let alarms = alarms(&mut record, now, config.hold.alarm_days);
    if !arguments.dry_run {
        files.write(&record, &pins)?;
    }
    let kept: BTreeSet<&Identity> = record.held.iter().map(|it| &it.package).collect();
    let gone = before.held.iter().filter(|it| !kept.contains(&it.package));
    let gone: Vec<String> = gone.map(|it| it.package.to_string()).collect();
    let were: BTreeSet<&Identity> = before.held.iter().map(|it| &it.package).collect();
    let new: Vec<&HeldPackage> =
        record.held.iter().filter(|it| !were.contains(&it.package)).collect();
    if !arguments.dry_run {
        tell_the_log(&Log::open(&court.apt), &new, &gone, &alarms);
        if !alarms.is_empty() {
            notify::desktop(
                "Security updates are held back for too long. See: apt-quorum hold list",
            );
        }
    }
    if arguments.json {
        let refreshed = Refreshed {
            schema: 1,
            changed: !new.is_empty() || !gone.is_empty(),
            held: &record.held,
            no_longer: gone,
            alarms,
            notes: &record.notes,
        };
        return Ok(say(&json(&refreshed), Exit::Admitted));
    }
    let mut text = String::new();
    for it in alarms {
        text += &format!("apt-quorum: ALARM: {it}.\n");
    }
    for it in &record.notes {
        text += &format!("apt-quorum: {it}.\n");
    }
    if !gone.is_empty() {
        text += &format!("apt-quorum: no longer held back: {}.\n", list(&gone));
    }
    match record.line() {
        Some(line) => text += &format!("apt-quorum: {line}\n"),
        None if arguments.quiet => {}
        None if is_wanted => text += "Nothing is held back: the gate would refuse no update.\n",
        None => {
            text += "Holding back is off, so nothing is held back. To switch it on: apt-quorum hold on\n"
        }
    }
    Ok(say(&text, Exit::Admitted))
}

/// Returns a court that a rebuilder holds up no longer than one of apt's hooks. What could not be
/// found out is held, and the timer has more time.
fn in_haste(court: Court, files: &HoldFiles) -> Court {
    let now = court.present();
    Court { gate: court.gate.holding_up(Haste::First, &files.state, now), ..court }
}

/// Plans, with apt's simulations and the gate's judgement.
fn work_out(
    court: &Court,
    files: &HoldFiles,
    before: &HeldRecord,
    now: Timestamp,
) -> Result<(HeldRecord, BTreeMap<Pin, String>), Stop> {
    let mut trial = Trial::open(&court.apt, &files.state).map_err(Stop::wrong)?;
    let released: BTreeSet<Identity> =
        before.released.iter().map(|it| it.package.clone()).collect();
    let mut judge = GateJudge {
        gate: &court.gate,
        gatherer: court.gatherer()?,
        now,
        released,
        findings: BTreeMap::new(),
    };
    let holding = hold::plan(&mut trial, &mut judge).map_err(|why| {
        Stop::silent(format!(
            "cannot ask apt what it would upgrade: {why}. What was held back stays so."
        ))
    })?;
    drop(trial);
    say_remarks(&court.gate);
    let findings = judge.findings;
    let mut record = HeldRecord {
        schema: 1,
        time: Some(now),
        held: Vec::new(),
        // What apt offers no longer needs no release.
        released: before
            .released
            .iter()
            .filter(|it| findings.contains_key(&it.package))
            .cloned()
            .collect(),
        notes: notes(&holding),
    };
    let mut pins = BTreeMap::new();
    for (pin, held) in holding.held {
        let finding = findings.get(&pin.package).cloned().unwrap_or_default();
        let kept_as = pin.architecture.to_string();
        let earlier = before.of(&pin.package, &kept_as);
        let Finding { missing, security, sha256, .. } = finding.clone();
        let entry = HeldPackage {
            since: earlier.map_or(now, |it| it.since),
            alarmed: earlier.is_some_and(|it| it.alarmed),
            package: pin.package.clone(),
            kept_as,
            installed: held.installed,
            security,
            unconfirmed: held.cause == Cause::Refused,
            reason: reason(&held.cause, finding, &findings),
            missing,
            sha256,
        };
        pins.insert(pin, entry.explanation());
        record.held.push(entry);
    }
    Ok((record, pins))
}

fn reason(cause: &Cause, own: Finding, findings: &BTreeMap<Identity, Finding>) -> String {
    let (refused, removed) = match cause {
        Cause::Refused => return own.refused.unwrap_or_default(),
        Cause::Needed { refused, removed } => (refused, removed),
    };
    let mut reasons = Vec::new();
    if let Some(package) = refused.first() {
        let why = findings.get(package).and_then(|it| it.refused.clone()).unwrap_or_default();
        reasons.push(format!("with it apt would install {}, for which: {why}", list(refused)));
    }
    if !removed.is_empty() {
        reasons.push(format!("with it apt would remove {}", list(removed)));
    }
    reasons.join("; ")
}

/// Returns sentences about what could not be held.
fn notes(holding: &Holding) -> Vec<String> {
    let mut notes = Vec::new();
    if !holding.without_effect.is_empty() {
        notes.push(format!(
            "other pins come first, so these are not held back, and the gate will refuse them: {}",
            list(&holding.without_effect)
        ));
    }
    if !holding.beyond_pins.is_empty() {
        notes.push(format!(
            "the gate will refuse these, and no pin can hold them back: {}",
            list(&holding.beyond_pins)
        ));
    }
    if let Some(harm) = &holding.remaining {
        let mut would = Vec::new();
        if !harm.refused.is_empty() {
            would.push(format!("install {}, which the gate will refuse", list(&harm.refused)));
        }
        if !harm.removed.is_empty() {
            would.push(format!("remove {}", list(&harm.removed)));
        }
        notes.push(format!("whatever is held back, apt would {}", would.join(" and ")));
    }
    notes
}

/// Marks the security updates that are held for too long, and returns a sentence for each that was
/// not told before.
fn alarms(record: &mut HeldRecord, now: Timestamp, after: u32) -> Vec<String> {
    let mut alarms = Vec::new();
    for it in &mut record.held {
        let days = it.days(now);
        if it.security && !it.alarmed && days >= i64::from(after) {
            it.alarmed = true;
            alarms.push(format!(
                "{} is a security update, and has been held back for {days} days: {}",
                it.package, it.reason
            ));
        }
    }
    alarms
}

/// Most messages of one refresh about single packages.
const MAX_MESSAGES: usize = 20;

fn tell_the_log(log: &Log, new: &[&HeldPackage], gone: &[String], alarms: &[String]) {
    for it in alarms.iter().take(MAX_MESSAGES) {
        log.held_back(it, true);
    }
    for it in new.iter().take(MAX_MESSAGES) {
        log.held_back(&format!("held back: {}: {}", it.package, it.reason), false);
    }
    if let Some(more) = new.len().checked_sub(MAX_MESSAGES).filter(|it| *it > 0) {
        log.held_back(&format!("held back: {more} more packages"), false);
    }
    if !gone.is_empty() {
        log.held_back(&format!("no longer held back: {}", list(gone)), false);
    }
}
