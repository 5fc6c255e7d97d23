//! The choice of rebuilders, by flags or by a person.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Decides, Session};
use crate::cli::args::NewRebuilder;
use crate::cli::rebuilder::{
    BY_PROTOCOL, Newcomer, RebuilderTarget, asked, descriptions, fingerprints, named,
};
use crate::cli::world::{Stop, answer};
use crate::config::Description;
use crate::types::{RebuilderName, printable};

/// A key that the command line gives to a rebuilder.
struct GivenKey {
    name: RebuilderName,
    file: PathBuf,
}

/// The rebuilders that the command line names: those that are new, and those that are there and are
/// not among them.
pub(super) fn named_by_flags(
    session: &Session<'_>,
) -> Result<(Vec<Newcomer>, BTreeSet<RebuilderName>), Stop> {
    let arguments = session.arguments;
    let mut fingerprints = fingerprints(&arguments.fingerprint)?;
    let keys = given_keys(&arguments.key)?;
    let mut used = Vec::new();
    let mut found: Vec<Newcomer> = Vec::new();
    for word in &arguments.rebuilder {
        let target = target(session, word)?;
        let name = target.name().clone();
        used.push(name.clone());
        if session.world.config.rebuilders.contains_key(&name) {
            // The same command line, once more: it is as it should be, if the keys are those.
            let own = |digits: &String| {
                let mut keys = session.world.config.policy.keys().iter();
                keys.any(|it| {
                    it.rebuilder == name && it.key.key_id().as_str().starts_with(digits.as_str())
                })
            };
            fingerprints.retain(|digits| !own(digits));
            session.tell(&format!("{name} is a rebuilder already and stays unchanged.\n"))?;
            continue;
        }
        if found.iter().any(|it| *it.name() == name) {
            return Err(Stop::wrong(format!(
                "--rebuilder: {name} is named twice. Nothing was changed."
            )));
        }
        let files = keys.iter().filter(|it| it.name == name).map(|it| it.file.clone());
        let files: Vec<PathBuf> = files.collect();
        found.push(Newcomer::of(target, &files, session.world).map_err(|it| hinted(it, word))?);
    }
    if let Some(unused) = keys.iter().find(|it| !used.contains(&it.name)) {
        return Err(Stop::wrong(format!(
            "--key {}: no --rebuilder has this name. Nothing was changed.",
            unused.name
        )));
    }
    for it in &found {
        session.tell(&it.shown(session.now))?;
    }
    // Without a person, fingerprints alone say which keys are right.
    let by_flags = session.decides == Decides::Flags;
    if by_flags || !fingerprints.is_empty() && !found.is_empty() {
        named(found.iter().flat_map(Newcomer::keys), &fingerprints)?;
    }
    for it in &found {
        if !by_flags && !asked(it.name(), it.keys())? {
            return Err(Stop::refused("nothing was changed."));
        }
    }
    let there = session.world.config.rebuilders.keys();
    let removed: BTreeSet<RebuilderName> = match used.is_empty() {
        true => BTreeSet::new(),
        false => there.filter(|name| !used.contains(name)).cloned().collect(),
    };
    for name in &removed {
        session.tell(&format!("{name} is not in the list and will no longer be a rebuilder.\n"))?;
    }
    Ok((found, removed))
}

/// Returns the rebuilders that a person at the terminal chooses.
pub(super) fn asked_for(session: &Session<'_>) -> Result<Vec<Newcomer>, Stop> {
    let there = &session.world.config.rebuilders;
    let known: Vec<Description> = descriptions(session.world)
        .into_iter()
        .filter(|it| !there.contains_key(&it.name))
        .collect();
    let mut text =
        "Which rebuilders do you trust? Choose parties that are independent of each other.\n"
            .to_owned();
    for (number, it) in known.iter().enumerate() {
        text += &format!("  {}  {}: {}\n", number + 1, it.name, printable(&it.description));
    }
    session.tell(&text)?;
    let mut found: Vec<Newcomer> = Vec::new();
    loop {
        let none = if there.is_empty() && found.is_empty() { "" } else { "[done] " };
        let said = answer(&format!("Numbers, names or URLs, with spaces between them: {none}"))?;
        let words: Vec<&str> = said.split([' ', ',']).filter(|it| !it.is_empty()).collect();
        if words.is_empty() {
            if !none.is_empty() {
                return Ok(found);
            }
            session.tell("  At least one is needed; Ctrl-C ends without a change.\n")?;
        }
        for word in words {
            let listed = word.parse::<usize>().ok().and_then(|it| it.checked_sub(1));
            let listed = listed.and_then(|it| known.get(it)).map(|it| it.name.as_str());
            match one(session, listed.unwrap_or(word), &found) {
                Ok(Some(it)) => found.push(it),
                Ok(None) => {}
                Err(NotChosen::Ended(stop)) => return Err(stop),
                Err(NotChosen::LeftOut(why)) => {
                    // The reason may begin with the same word.
                    let why = why.strip_prefix(&format!("{word}: ")).unwrap_or(&why);
                    session.tell(&format!("  {} is left out: {why}\n", printable(word)))?;
                }
            }
        }
    }
}

/// The reason why one rebuilder is not among those that were chosen.
enum NotChosen {
    /// This rebuilder cannot be chosen; the others can
    LeftOut(String),
    /// The setup ends here
    Ended(Stop),
}

/// Returns a rebuilder that a person chose and trusts.
fn one(
    session: &Session<'_>,
    word: &str,
    found: &[Newcomer],
) -> Result<Option<Newcomer>, NotChosen> {
    let left_out = |stop: Stop| NotChosen::LeftOut(hinted(stop, word).why);
    let target = target(session, word).map_err(left_out)?;
    target.must_be_new(session.world).map_err(left_out)?;
    let name = target.name().clone();
    if found.iter().any(|it| *it.name() == name) {
        return Err(NotChosen::LeftOut("it was chosen already.".to_owned()));
    }
    session.tell(&format!("Asking {name} for its keys...\n")).map_err(NotChosen::Ended)?;
    let candidate = Newcomer::of(target, &[], session.world).map_err(left_out)?;
    // Before a person compares a key: another rebuilder may have it, or the file may be there.
    let all: Vec<Newcomer> = found.iter().cloned().chain([candidate.clone()]).collect();
    super::plan::SetupPlan::of(all, BTreeSet::new())
        .config(session.world, session.now)
        .map_err(left_out)?;
    session.tell(&candidate.shown(session.now)).map_err(NotChosen::Ended)?;
    if asked(&name, candidate.keys()).map_err(NotChosen::Ended)? {
        return Ok(Some(candidate));
    }
    session.tell(&format!("  {name} is left out.\n")).map_err(NotChosen::Ended)?;
    Ok(None)
}

/// Returns the rebuilder that a word means, narrowed to this machine's needs.
fn target(session: &Session<'_>, word: &str) -> Result<RebuilderTarget, Stop> {
    let arguments = session.arguments;
    // A name in front belongs to a URL; a URL may have an equals sign in it.
    let (name, what) = match word.split_once('=') {
        Some((name, url)) if url.contains("://") && !name.contains(['/', ':']) => (Some(name), url),
        _ => (None, word),
    };
    let new = NewRebuilder {
        name: name.map(ToOwned::to_owned),
        architecture: arguments.architecture.clone(),
        what: what.to_owned(),
        ..NewRebuilder::default()
    };
    let mut target = RebuilderTarget::of(&new, session.world)?;
    let own = session.machine.architectures();
    if arguments.architecture.is_empty() && !own.is_empty() {
        target.leave_out_others(&own)?;
    }
    Ok(target)
}

fn given_keys(words: &[String]) -> Result<Vec<GivenKey>, Stop> {
    let one = |word: &String| {
        let (name, file) = word.split_once('=')?;
        Some(GivenKey { name: name.parse().ok()?, file: PathBuf::from(file) })
    };
    let wrong = |word: &String| {
        Stop::wrong(format!(
            "--key {}: write NAME=FILE, with a rebuilder's name. Nothing was changed.",
            printable(word)
        ))
    };
    words.iter().map(|word| one(word).ok_or_else(|| wrong(word))).collect()
}

/// Names the command that has the flags of which an error speaks: setup does not have them.
fn hinted(stop: Stop, word: &str) -> Stop {
    let Some((why, _)) = stop.why.split_once(BY_PROTOCOL) else { return stop };
    let (name, url) = match word.split_once('=') {
        Some((name, url)) if url.contains("://") => (format!(" --name {}", printable(name)), url),
        _ => (String::new(), word),
    };
    let why = format!(
        "{why} Add it with its protocol and its key, then run setup again: apt-quorum rebuilder add{name} --protocol PROTOCOL --key FILE --threshold COUNT {}",
        printable(url)
    );
    Stop { why, ..stop }
}
