//! `setup --from` and `setup --reset`: the configuration becomes exactly what a file describes, or
//! what the package ships.
//!
//! Both work where the present configuration has mistakes: they are the way out of that.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::SetupArguments;
use super::machine::{Chosen, LocalMachine};
use super::text::{self, ChangedFiles, SetupRecord};
use super::threshold::Voters;
use crate::apt::configuration::Configuration;
use crate::cli::Exit;
use crate::cli::output::json;
use crate::cli::rebuilder::comes_to;
use crate::cli::world::{Stop, agree, directory, now, option, say, say_first};
use crate::config::{Change, ChangeError, Config, Whole, WholeError, load};
use crate::gate::{Environment, apt_configuration};
use crate::sys::secure::Trusted;
use crate::types::RebuilderName;

/// The policy that the package ships.
const SHIPPED: &str = include_str!("../../../apt-conf/apt-quorum/policy.toml");

/// The machine, and the configuration that is replaced.
struct Replaced {
    apt: Configuration,
    trusted: Trusted,
    directory: std::path::PathBuf,
    machine: LocalMachine,
}

impl Replaced {
    fn open(arguments: &SetupArguments) -> Result<Self, Stop> {
        let apt = apt_configuration(Environment::Heard).map_err(Stop::wrong)?;
        let trusted = Trusted::now();
        let directory = directory(&arguments.directory, &apt);
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        let machine = LocalMachine::look(&apt, trusted).map_err(Stop::wrong)?;
        Ok(Self { apt, trusted, directory, machine })
    }

    /// Returns true if the configuration is the one that apt's methods and hooks read.
    fn apt_goes_by_this(&self) -> bool {
        option(&self.apt, &self.directory).is_empty()
    }
}

/// `setup --from FILE`
pub(super) fn from(arguments: &SetupArguments, file: &Path) -> Result<Exit, Stop> {
    let it = Replaced::open(arguments)?;
    let wrong = |why: WholeError| match why {
        // It ends with the line that has the mistake.
        WholeError::Syntax(why) => Stop::wrong(format!("{why}\n\nNothing was changed.")),
        why => Stop::wrong(format!("{why}. Nothing was changed.")),
    };
    let whole = Whole::read(file, it.trusted).map_err(wrong)?;
    let mut change = whole.change(&it.directory, it.trusted).map_err(wrong)?;
    let mut sources = Chosen::AsTheyAre;
    if let Some(words) = &whole.sources {
        sources = it.machine.chosen(words)?;
        if it.apt_goes_by_this() {
            it.machine.add_to(&mut change, &sources, it.trusted)?;
        } else if sources != Chosen::none() {
            return Err(Stop::wrong(format!(
                "sources: apt does not use the configuration in {}, so its sources stay as they are. Nothing was changed.",
                it.directory.display()
            )));
        }
    }
    carry_out(arguments, &it, &change, &sources, "Write this? Type yes: ")
}

/// `setup --reset`
pub(super) fn reset(arguments: &SetupArguments) -> Result<Exit, Stop> {
    let it = Replaced::open(arguments)?;
    let mut change = Change::of(&it.directory).despite_mistakes();
    let unread = |why| Stop::refused(format!("{why}. Nothing was changed."));
    for part in ["rebuilders.d", "exceptions.d"] {
        match it.trusted.list(&it.directory.join(part), ".toml") {
            Ok(names) => names.iter().for_each(|name| change.remove(Path::new(part).join(name))),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(unread(error)),
        }
    }
    if let Ok(config) = load(&it.directory, it.trusted) {
        for key in config.rebuilders.values().flat_map(|it| &it.key_files) {
            match key.strip_prefix(&it.directory) {
                Ok(key) if key.starts_with("rebuilders.d") => change.remove(key),
                _ => {}
            }
        }
    }
    let policy = it.directory.join("policy.toml");
    let was = match it.trusted.read(&policy, crate::config::MAX_FILE) {
        Ok(was) => Some(was),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(unread(error)),
    };
    if was.as_deref() != Some(SHIPPED) {
        change.replace("policy.toml", SHIPPED.to_owned());
    }
    let mut sources = Chosen::AsTheyAre;
    if it.apt_goes_by_this() {
        sources = Chosen::none();
        it.machine.add_to(&mut change, &sources, it.trusted)?;
    }
    carry_out(arguments, &it, &change, &sources, "Go back to the shipped configuration? Type yes: ")
}

/// Shows the change, asks, and makes it.
fn carry_out(
    arguments: &SetupArguments,
    it: &Replaced,
    change: &Change,
    sources: &Chosen,
    question: &str,
) -> Result<Exit, Stop> {
    let (dry, quiet) = (arguments.dry_run, arguments.json);
    let option = option(&it.apt, &it.directory);
    let tell = |text: &str| if quiet { Ok(()) } else { say_first(text) };
    let before: BTreeSet<RebuilderName> = load(&it.directory, it.trusted)
        .map(|config| config.rebuilders.into_keys().collect())
        .unwrap_or_default();
    let would_be = change.check(it.trusted).map_err(|error| match error {
        // The mistake is in the file that the command line names.
        ChangeError::WouldBreak(_) => {
            Stop::wrong(format!("the configuration would have mistakes:\n\n{error}"))
        }
        error => error.into(),
    })?;
    let files = ChangedFiles::of(change);
    let mut end = text::Written { changed: !change.is_empty(), written: false };
    if !end.changed {
        tell("Nothing needs to change.\n")?;
    } else {
        for name in before.iter().filter(|name| !would_be.rebuilders.contains_key(*name)) {
            tell(&format!("{name} will no longer be a rebuilder.\n"))?;
        }
        tell(&text::will_be(change, &would_be, sources, &it.machine, &it.apt))?;
    }
    let mut config = would_be;
    if end.changed && !dry {
        agree(question, arguments.yes, quiet)?;
        config = change.apply(it.trusted)?;
        end.written = true;
        let mut text = "Written.\n".to_owned();
        comes_to(&mut text, &config, &option);
        tell(&text)?;
    } else {
        tell("Nothing was written.\n")?;
    }
    if !quiet {
        return Ok(Exit::Admitted);
    }
    let voters = Voters::of(&config, &it.machine, now()).count();
    let record = SetupRecord::of(&config, new(&config, &before), voters, files, None, end);
    Ok(say(&json(&record), Exit::Admitted))
}

fn new(config: &Config, before: &BTreeSet<RebuilderName>) -> BTreeSet<RebuilderName> {
    config.rebuilders.keys().filter(|name| !before.contains(*name)).cloned().collect()
}
