//! `apt-quorum import` and `apt-quorum rebuilder import-layout`: other programs' trust settings.

pub(super) mod args;
mod files;

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

use args::{AptTransport, ChosenMode, ImportCommand, ImportLayout, Keys, ReproThreshold};
use nix::sys::memfd::{MFdFlags, memfd_create};
use reqwest::Url;

use super::output::{about, path as shown};
use super::world::{Hold, Stop, World, ask, now, say, say_first};
use super::{Exit, files as common};
use crate::apt::configuration::dumped_below;
use crate::attest::{self, Layout, Stated};
use crate::gate::{Environment, apt_dump};
use crate::import::apt_transport::{InTotoSettings, NoFail};
use crate::import::rebuilders::of_layout;
use crate::import::{OnDifference, Plan, gnupg, repro_threshold};
use crate::policy::Mode;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::{Certificate, PublicKey, Timestamp};

/// The keyring that GnuPG uses for root unless told otherwise.
const GPG_HOME: &str = "/root/.gnupg";

/// The usual time for which exceptions apply, in seconds: 90 days.
const EXCEPTIONS_LAST: i64 = 90 * 24 * 60 * 60;

/// The command line names something that cannot be used.
fn wrong(why: impl std::fmt::Display) -> Stop {
    Stop::wrong(format!("{why}. Nothing was written."))
}

/// The settings that were read must not be imported.
fn refused(why: impl std::fmt::Display) -> Stop {
    Stop::refused(format!("{why}. Nothing was written."))
}

pub(super) fn run(command: &ImportCommand) -> Result<Exit, Stop> {
    let now = now();
    let (plan, writing) = match command {
        ImportCommand::AptTransportInToto(it) => (apt_transport(it, now), &it.writing),
        ImportCommand::ReproThreshold(it) => (repro_threshold(it, now), &it.writing),
    };
    carry_out(&plan?, writing)
}

pub(super) fn layout(arguments: &ImportLayout) -> Result<Exit, Stop> {
    let now = now();
    let keys = files::keys(&arguments.keys.key).map_err(wrong)?;
    if keys.is_empty() {
        return Err(wrong("give the key that must have signed the layout: --key FILE"));
    }
    let certificates = files::certificates(&arguments.keys.certificate).map_err(wrong)?;
    let layout = read_layout(&arguments.layout, &keys, now)?;
    let urls = &arguments.url;
    let plan = of_keys(&arguments.layout, &layout, &arguments.keys, &certificates, urls, now)?;
    carry_out(&plan, &arguments.writing)
}

fn read_layout(path: &Path, keys: &[PublicKey], now: Timestamp) -> Result<Layout, Stop> {
    let bytes = common::read(path, attest::MAX_BYTES).map_err(|why| wrong(about(path, &why)))?;
    Layout::read(&bytes, keys, now).map_err(|error| refused(about(path, &error)))
}

/// Makes a plan from a layout that was read.
fn of_keys(
    path: &Path,
    layout: &Layout,
    given: &Keys,
    certificates: &[Certificate],
    urls: &[Url],
    now: Timestamp,
) -> Result<Plan, Stop> {
    let mut notes = layout.notes.clone();
    let rebuilders = of_layout(layout, certificates, &given.rebuilder, urls, now, &mut notes)
        .map_err(Stop::refused)?;
    let mut from =
        vec![format!("The layout {} is valid until {}.", path.display(), layout.expires.date())];
    from.extend(layout.signed_by.iter().map(|key| format!("It is signed with the key {key}.")));
    Ok(Plan { from, rebuilders, threshold: layout.threshold, mode: None, exceptions: None, notes })
}

fn apt_transport(arguments: &AptTransport, now: Timestamp) -> Result<Plan, Stop> {
    let dump = match &arguments.from {
        // Only apt's files decide, and not what was set for this run.
        None => apt_dump(Environment::Ignored, None)
            .map_err(wrong)?
            .ok_or_else(|| wrong("apt is not installed, so it has no configuration"))?,
        Some(path) => dump_of(path)?,
    };
    let place = arguments.from.as_deref().map_or("apt's configuration".into(), shown);
    let settings = InTotoSettings::of(&dumped_below(&dump, "APT::Intoto"))
        .map_err(|error| wrong(format!("{place}: {error}")))?;
    let home = settings.gpg_home.clone().unwrap_or_else(|| GPG_HOME.into());
    let mut certificates = files::certificates(&arguments.keys.certificate).map_err(wrong)?;
    let given = files::keys(&arguments.keys.key).map_err(wrong)?;
    let mut keys = Vec::new();
    for id in &settings.key_ids {
        let known = given.iter().find(|it| it.is_called(id)).cloned();
        let known = known.or_else(|| {
            let known = certificates.iter().find(|it| it.fingerprints().any(|own| own == id));
            known.cloned().map(PublicKey::OpenPgp)
        });
        let key = match known {
            Some(key) => key,
            None => exported(&home, id)?.map(PublicKey::OpenPgp).ok_or_else(|| {
                wrong(format!(
                    "the keyring in {} lacks the key {id} that must have signed the layout. Export it \
                     from another keyring (gpg --armor --export {id}) and give its file with --key",
                    shown(&home)
                ))
            })?,
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    // A key that was named is to be among those that count.
    if let Some(other) = given.iter().find(|it| !keys.contains(it)) {
        let id = other.key_id();
        return Err(wrong(format!("--key: {id} is not among APT::Intoto::Keyids")));
    }
    let layout = read_layout(&settings.layout, &keys, now)?;
    for key in &layout.keys {
        if let Stated::OutOf(numbers) = &key.stated {
            let id = numbers.fingerprint();
            if !certificates.iter().any(|it| it.fingerprint() == id) {
                certificates.extend(exported(&home, id)?);
            }
        }
    }
    let urls = &settings.rebuilders;
    let mut plan = of_keys(&settings.layout, &layout, &arguments.keys, &certificates, urls, now)?;
    plan.from.insert(0, format!("{place} names the layout and {} rebuilders.", urls.len()));
    plan.mode = arguments.mode.map(|mode| match mode {
        ChosenMode::Enforce => Mode::Enforce,
        ChosenMode::Warn => Mode::Warn,
    });
    if settings.no_fail == NoFail::On {
        plan.notes.push(match plan.mode {
            None => "NoFail lets unconfirmed packages pass, as mode = \"warn\" does here; the mode stays as it is: set it with --mode".to_owned(),
            Some(_) => "NoFail lets unconfirmed packages pass, as mode = \"warn\" does here".to_owned(),
        });
    }
    for item in &settings.unknown {
        plan.notes.push(format!("APT::Intoto::{item} is not understood"));
    }
    plan.notes.push("apt-transport-in-toto stays installed: replace intoto:// in apt's sources with http:// or quorum+http://, then remove it".to_owned());
    Ok(plan)
}

/// Returns the configuration that apt reads from one file alone. apt reads a copy, because the text
/// was checked to be root's and the file could change. The copy is in memory, and apt inherits it.
/// It ends in a mark: apt passes over a file that is not there, and tells the machine's own settings.
fn dump_of(path: &Path) -> Result<String, Stop> {
    let text = files::read_trusted(path).map_err(wrong)?;
    let failed = |error: std::io::Error| wrong(plain(&error));
    let copy = memfd_create(c"apt-quorum-import", MFdFlags::empty());
    let mut copy = File::from(copy.map_err(|error| failed(error.into()))?);
    let only = "Dir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\n";
    let mark = "APT::Quorum::Copy \"read\";\n";
    copy.write_all(format!("{only}{text}\n{mark}").as_bytes()).map_err(failed)?;
    let name = format!("/proc/self/fd/{}", copy.as_raw_fd());
    let dump = apt_dump(Environment::Ignored, Some(Path::new(&name))).ok().flatten();
    let dump = dump.filter(|it| it.contains(mark));
    dump.ok_or_else(|| {
        wrong(format!("apt cannot read {}: it has a mistake, or /proc is not mounted", shown(path)))
    })
}

fn exported(home: &Path, id: &str) -> Result<Option<Certificate>, Stop> {
    gnupg::export(home, id, Trusted::now()).map_err(wrong)
}

fn repro_threshold(arguments: &ReproThreshold, now: Timestamp) -> Result<Plan, Stop> {
    let text = files::read_trusted(&arguments.from).map_err(wrong)?;
    let expires = match arguments.expires {
        Some(day) if day <= now => {
            return Err(wrong("--until: the expiry date is in the past"));
        }
        Some(day) => day,
        None => {
            let last = Timestamp::from_unix(now.as_unix().saturating_add(EXCEPTIONS_LAST));
            last.and_then(Timestamp::end_of_day).map_err(wrong)?
        }
    };
    let place = shown(&arguments.from);
    let taken = repro_threshold::read(&text, expires)
        .map_err(|error| refused(format!("{place}: {error}")))?;
    if taken.rebuilders.is_empty() {
        return Err(refused(format!("{place}: it has no rebuilder of Debian with a key")));
    }
    let mut notes = taken.notes;
    notes.push("repro-threshold stays installed: replace reproduced+http:// in apt's sources with http:// or quorum+http://".to_owned());
    Ok(Plan {
        from: vec![format!("{place} is the configuration of repro-threshold.")],
        rebuilders: taken.rebuilders,
        threshold: taken.threshold,
        mode: None,
        exceptions: Some(taken.exceptions),
        notes,
    })
}

/// Shows the plan, asks, and writes all of it or nothing.
fn carry_out(plan: &Plan, writing: &args::Writing) -> Result<Exit, Stop> {
    let world = World::open(&writing.directory)?;
    let difference = if writing.replace { OnDifference::Replace } else { OnDifference::Refuse };
    let policy = plan.policy(&world.config, difference).map_err(Stop::refused)?;
    let mut change =
        world.change(&plan.rebuilders, Some(plan.threshold), plan.mode, Hold::AsItIs)?;
    plan.add_exceptions(&mut change);
    let would_be = change.check(world.trusted)?;
    say_first(&plan.shown(&policy, &would_be))?;
    if !writing.yes {
        ask("Write this? Type yes: ", "--yes")?;
    }
    change.apply(world.trusted)?;
    let option = world.option();
    let text = format!("Written. Check the result: apt-quorum config check{option}\n");
    Ok(say(&text, Exit::Admitted))
}
