//! `apt-quorum setup`: from a fresh installation to enforcing, in one conversation.
//!
//! It has no rules and writes no files of its own. It finds rebuilders as `rebuilder add` does, and
//! assesses the installed packages as `audit` does. At the end, all decisions become one change to
//! the configuration. Until then it writes only attestations into the cache.

pub(super) mod args;
mod dry_run;
mod machine;
mod plan;
mod rebuilders;
mod text;
mod threshold;
mod whole;

use std::collections::BTreeSet;
use std::io::IsTerminal;

use args::SetupArguments;
use dry_run::DryRun;
use machine::{Chosen, LocalMachine};
use plan::SetupPlan;
use text::{ChangedFiles, Written};
use threshold::{Voters, proposal};

use super::Exit;
use super::args::ChosenMode;
use super::judging::{self, Court};
use super::output::{complain, counted, json};
use super::rebuilder::{Newcomer, comes_to};
use super::world::{Stop, World, answer, asked, now, say, say_first};
use crate::cli::interrupt::Watch;
use crate::config::Config;
use crate::gate::Gate;
use crate::policy::Mode;
use crate::types::{RebuilderName, Threshold, Timestamp, printable};

/// The party that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decides {
    /// A person at a terminal, who is asked for all that no flag says
    Person,
    /// The command line alone
    Flags,
}

pub(super) fn run(arguments: &SetupArguments) -> Result<Exit, Stop> {
    if let Some(file) = &arguments.from {
        return whole::from(arguments, file);
    }
    if arguments.reset {
        return whole::reset(arguments);
    }
    let quiet = arguments.yes || arguments.json;
    let decides =
        if !quiet && std::io::stdin().is_terminal() { Decides::Person } else { Decides::Flags };
    let watch = match decides {
        Decides::Person => Some(watch()?),
        Decides::Flags => None,
    };
    let world = World::open(&arguments.directory)?;
    let machine = LocalMachine::look(&world.apt, world.trusted).map_err(Stop::wrong)?;
    if decides == Decides::Flags {
        nothing_is_missing(arguments, &world)?;
    }
    let session = Session { arguments, decides, world: &world, machine: &machine, now: now() };
    session.tell(&text::there_is(&world, &machine))?;
    if decides == Decides::Person {
        session.tell("Nothing is written before you have seen every change and typed yes.\n")?;
    }
    let sources = session.named_sources()?;
    let (added, removed) = session.rebuilders()?;
    let mut plan = SetupPlan::of(added, removed);
    session.threshold(&mut plan)?;
    let dry_run = session.dry_run(&plan)?;
    if arguments.dry_run {
        let exit = dry_run.as_ref().map_or(Exit::Admitted, DryRun::exit);
        if decides == Decides::Flags {
            session.mode(&mut plan, dry_run.as_ref())?;
            session.sources(&mut plan, sources)?;
        }
        let change = plan.change(&world, &machine, session.now)?;
        let config = plan.config(&world, session.now)?;
        let files = ChangedFiles::of(&change);
        let end = Written { changed: !change.is_empty(), written: false };
        return session.ended(&plan, &config, files, dry_run.as_ref(), end, exit);
    }
    session.mode(&mut plan, dry_run.as_ref())?;
    session.sources(&mut plan, sources)?;
    session.write(&plan, dry_run.as_ref(), watch.as_ref())
}

/// Tells a user who leaves with Ctrl-C that nothing was done.
fn watch() -> Result<Watch, Stop> {
    let said = || complain("\napt-quorum: interrupted: nothing was changed.\n");
    let code = 1;
    Watch::begin(code, said).map_err(|error| Stop::refused(crate::sys::plain(&error)))
}

/// Checks that each answer is a flag, where no person is asked.
fn nothing_is_missing(arguments: &SetupArguments, world: &World) -> Result<(), Stop> {
    let policy = &world.config.policy;
    let first = policy.rebuilders().is_empty();
    let mut missing = Vec::new();
    if first && arguments.rebuilder.is_empty() {
        missing.push("--rebuilder");
    }
    if policy.default_requirement().is_none() && arguments.threshold.is_none() {
        missing.push("--threshold");
    }
    if !arguments.dry_run {
        if first && arguments.mode.is_none() {
            missing.push("--mode");
        }
        if first && arguments.sources.is_empty() {
            missing.push("--sources");
        }
        if !arguments.yes {
            missing.push("--yes");
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    // At a terminal, --yes or --json kept the questions away.
    let why = match std::io::stdin().is_terminal() {
        true => "--yes and --json ask no questions",
        false => "no terminal",
    };
    Err(Stop::wrong(format!("{why}: add {}. Nothing was changed.", missing.join(", "))))
}

/// One setup: the party that decides, and the subjects of its decisions.
struct Session<'a> {
    arguments: &'a SetupArguments,
    decides: Decides,
    world: &'a World,
    machine: &'a LocalMachine,
    now: Timestamp,
}

impl Session<'_> {
    /// Shows the text that people read along the way. JSON has all of it at the end.
    fn tell(&self, text: &str) -> Result<(), Stop> {
        if self.arguments.json { Ok(()) } else { say_first(text) }
    }

    /// Returns the rebuilders that are new, and those that are none any more.
    fn rebuilders(&self) -> Result<(Vec<Newcomer>, BTreeSet<RebuilderName>), Stop> {
        let named = rebuilders::named_by_flags(self)?;
        if self.decides == Decides::Person && self.arguments.rebuilder.is_empty() {
            return Ok((rebuilders::asked_for(self)?, BTreeSet::new()));
        }
        Ok(named)
    }

    fn threshold(&self, plan: &mut SetupPlan) -> Result<(), Stop> {
        // A configuration without a threshold is enough to count the rebuilders that could vote.
        let config = plan.config(self.world, self.now)?;
        let voters = Voters::of(&config, self.machine, self.now);
        let there = self.world.config.policy.default_requirement().map(|it| it.threshold());
        let proposed = proposal(voters.count());
        if let Some(wanted) = self.arguments.threshold {
            let wanted = Threshold::try_from(wanted).map_err(|error| {
                Stop::wrong(format!("--threshold: {error}. Nothing was changed."))
            })?;
            let wanted = self.possible(plan, &voters, wanted).map_err(|why| {
                Stop::wrong(format!("--threshold {}: {why} Nothing was changed.", wanted.count()))
            })?;
            return self.decided(plan, &voters, wanted, there);
        }
        if self.decides == Decides::Flags {
            return match there {
                Some(there) => self.decided(plan, &voters, there, Some(there)),
                None => Ok(()),
            };
        }
        let proposed = there.map_or(proposed, |there| proposed.max(there.count()));
        self.tell(&text::about_threshold(&voters, there))?;
        let question = format!("How many rebuilders must confirm a package? [{proposed}] ");
        let wanted = self.asked(&question, |said| {
            let said = if said.is_empty() { &proposed.to_string() } else { said };
            let count = said.parse::<i64>().map_err(|_| "Type a number.".to_owned())?;
            let wanted = Threshold::try_from(count).map_err(|error| error.to_string())?;
            self.possible(plan, &voters, wanted)
        })?;
        self.decided(plan, &voters, wanted, there)
    }

    /// Returns the threshold, if any package could pass with it. Asks the reader of the
    /// configuration too, which knows more than this.
    fn possible(
        &self,
        plan: &SetupPlan,
        voters: &Voters,
        wanted: Threshold,
    ) -> Result<Threshold, String> {
        if voters.are_too_few_for(wanted) {
            return Err(format!(
                "no package could pass: only {} can confirm packages of this machine.",
                counted(voters.count(), "rebuilder")
            ));
        }
        let plan = SetupPlan { threshold: Some(wanted), ..plan.clone() };
        plan.config(self.world, self.now).map(|_| wanted).map_err(|stop| stop.why)
    }

    fn decided(
        &self,
        plan: &mut SetupPlan,
        voters: &Voters,
        wanted: Threshold,
        there: Option<Threshold>,
    ) -> Result<(), Stop> {
        plan.threshold = (there != Some(wanted)).then_some(wanted);
        let mut remarks = voters.remarks(wanted);
        if let Some(there) = there.filter(|there| wanted < *there) {
            remarks
                .insert(0, format!("the threshold was {} until now, which is more", there.count()));
        }
        self.tell(&remarks.iter().map(|it| format!("  note: {it}.\n")).collect::<String>())
    }

    fn dry_run(&self, plan: &SetupPlan) -> Result<Option<DryRun>, Stop> {
        if self.arguments.no_dry_run {
            return Ok(None);
        }
        if self.decides == Decides::Person && !self.arguments.dry_run {
            let question = "Check the installed packages by this policy? apt-quorum asks the rebuilders about each. [yes] ";
            let wanted = self.asked(question, |said| match said {
                "" | "yes" => Ok(true),
                "no" => Ok(false),
                _ => Err("Type yes or no.".to_owned()),
            })?;
            if !wanted {
                return Ok(None);
            }
        }
        let court = Court {
            apt: self.world.apt.clone(),
            gate: Gate::proposed(&self.world.apt, plan.config(self.world, self.now)?),
            evidence: judging::at_hand(&self.arguments.evidence)?,
            network: judging::network(self.arguments.offline),
        };
        match DryRun::of(&court) {
            Ok(run) => {
                self.tell(&run.text(self.arguments.all))?;
                Ok(Some(run))
            }
            Err(stop) if self.decides == Decides::Person => {
                self.tell(&format!("  {}.\n", printable(&stop.why)))?;
                Ok(None)
            }
            Err(stop) => Err(Stop::wrong(format!(
                "{}. Nothing was changed. To skip the installed packages: --no-dry-run",
                stop.why
            ))),
        }
    }

    fn mode(&self, plan: &mut SetupPlan, dry_run: Option<&DryRun>) -> Result<(), Stop> {
        let there = self.world.config.policy.mode();
        let wanted = match self.arguments.mode {
            Some(ChosenMode::Enforce) => Mode::Enforce,
            Some(ChosenMode::Warn) => Mode::Warn,
            None if self.decides == Decides::Flags => there,
            None => self.asked_mode(there, dry_run)?,
        };
        plan.mode = (wanted != there).then_some(wanted);
        Ok(())
    }

    fn asked_mode(&self, there: Mode, dry_run: Option<&DryRun>) -> Result<Mode, Stop> {
        // Where all packages are known to pass, enforcing can begin at once.
        let all_pass = dry_run.is_some_and(|it| it.exit() == Exit::Admitted);
        let proposed = if all_pass { Mode::Enforce } else { there };
        self.tell("What should happen to unconfirmed packages?\n  enforce  they are refused\n  warn     they pass with a warning and count as debt\n")?;
        let question = format!("Mode, enforce or warn? [{}] ", super::mode::word(proposed));
        self.asked(&question, |said| match said {
            "" => Ok(proposed),
            "enforce" => Ok(Mode::Enforce),
            "warn" => Ok(Mode::Warn),
            _ => Err("Type enforce or warn.".to_owned()),
        })
    }

    /// Returns the sources that the command line names, if any. Reports a mistake there before the
    /// rebuilders are asked about every package.
    fn named_sources(&self) -> Result<Option<Chosen>, Stop> {
        if self.arguments.sources.is_empty() {
            return Ok(None);
        }
        let chosen = self.machine.chosen(&self.arguments.sources)?;
        if chosen == Chosen::none() && !self.apt_goes_by_this() {
            return Ok(Some(Chosen::AsTheyAre));
        }
        if !self.apt_goes_by_this() {
            return Err(Stop::wrong(format!(
                "--sources: apt does not use the configuration in {}, so its sources stay as they are: add --sources none. Nothing was changed.",
                self.world.config.directory.display()
            )));
        }
        Ok(Some(chosen))
    }

    fn sources(&self, plan: &mut SetupPlan, named: Option<Chosen>) -> Result<(), Stop> {
        plan.sources = match named {
            Some(chosen) => {
                if chosen != Chosen::AsTheyAre && chosen != Chosen::none() {
                    self.tell(&text::left_alone(self.machine))?;
                }
                chosen
            }
            None if self.decides == Decides::Person && self.apt_goes_by_this() => {
                self.asked_sources()?
            }
            None => Chosen::AsTheyAre,
        };
        Ok(())
    }

    /// Returns true if the configuration is the one that apt's methods and hooks read.
    fn apt_goes_by_this(&self) -> bool {
        self.world.option().is_empty()
    }

    fn asked_sources(&self) -> Result<Chosen, Stop> {
        let choices = self.machine.choices();
        self.tell(&text::about_sources(self.machine, &choices))?;
        if choices.is_empty() || self.machine.all_are_judged() {
            return Ok(Chosen::AsTheyAre);
        }
        let question = match self.machine.judged().next() {
            None => "Which sources? all, none, or their numbers [all] ",
            Some(_) => "Which more sources? all, none, or their numbers [all] ",
        };
        self.asked(question, |said| {
            match said {
                "" | "all" => return Ok(Chosen::All),
                "none" => return Ok(Chosen::AsTheyAre),
                _ => {}
            }
            let number = |word: &str| {
                let number = word.parse::<usize>().ok()?.checked_sub(1)?;
                choices.get(number).map(|it| it.uri.clone())
            };
            let words = said.split([' ', ',']).filter(|it| !it.is_empty());
            let uris = words.map(number).collect::<Option<BTreeSet<String>>>();
            // The question is about more sources than now.
            let there = || self.machine.judged().map(ToOwned::to_owned);
            uris.map(|it| Chosen::These(it.into_iter().chain(there()).collect()))
                .ok_or_else(|| "Type all, none, or numbers of the list.".into())
        })
    }

    /// Asks for a last yes, and makes the change.
    fn write(
        &self,
        plan: &SetupPlan,
        dry_run: Option<&DryRun>,
        watch: Option<&Watch>,
    ) -> Result<Exit, Stop> {
        let world = self.world;
        let change = plan.change(world, self.machine, self.now)?;
        if change.is_empty() {
            self.tell("Nothing needs to change.\n")?;
            let end = Written { changed: false, written: false };
            let files = ChangedFiles::of(&change);
            return self.ended(plan, &world.config, files, dry_run, end, Exit::Admitted);
        }
        let would_be = change.check(world.trusted)?;
        let files = ChangedFiles::of(&change);
        let (machine, apt) = (self.machine, &self.world.apt);
        self.tell(&text::will_be(&change, &would_be, &plan.sources, machine, apt))?;
        if self.decides == Decides::Person && !asked("Write this? Type yes: ")? {
            return Err(Stop::refused("nothing was changed."));
        }
        // From here on Ctrl-C waits: it would come too late to be true.
        let _uninterrupted = watch.map(Watch::pause);
        let config = change.apply(world.trusted)?;
        let mut text = "Written.\n".to_owned();
        comes_to(&mut text, &config, &world.option());
        text += &text::next(plan, &world.option());
        self.tell(&text)?;
        let end = Written { changed: true, written: true };
        self.ended(plan, &config, files, dry_run, end, Exit::Admitted)
    }

    fn ended(
        &self,
        plan: &SetupPlan,
        config: &Config,
        files: ChangedFiles,
        dry_run: Option<&DryRun>,
        end: Written,
        exit: Exit,
    ) -> Result<Exit, Stop> {
        if self.arguments.json {
            let new = plan.added.iter().map(|it| it.name().clone()).collect();
            let voters = Voters::of(config, self.machine, self.now).count();
            let record = text::SetupRecord::of(config, new, voters, files, dry_run, end);
            return Ok(say(&json(&record), exit));
        }
        if !end.written {
            say_first("Nothing was written.\n")?;
        }
        Ok(exit)
    }

    /// Asks until `read` understands the answer, and tells why it does not.
    fn asked<T>(
        &self,
        question: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Stop> {
        loop {
            match read(&answer(question)?) {
                Ok(it) => return Ok(it),
                Err(why) => self.tell(&format!("  {why}\n"))?,
            }
        }
    }
}
