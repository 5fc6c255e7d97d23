//! The pipeline of every hook, method and command: subject, evidence, claims, decision.
//!
//! It opens the configuration, hashes the files, gathers evidence and asks [`crate::policy`]. It
//! does not decide by itself who may pass. Without a usable configuration everything is refused.

mod appetite;
mod archives;
mod assess;
mod files;
mod indexes;
mod inquiry;
mod judge;
mod listings;
mod memory;
mod outlook;
mod patience;
mod recorder;
mod remembered;
mod rounds;
mod run;
mod signers;
mod system;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::apt::configuration::Configuration;
use crate::cache::{self, Cache};
use crate::config::{self, Config, Problems};
use crate::evidence::{self, Network, Routes};
pub use crate::fetching::Gatherer;
use crate::fetching::{Fetcher, Local, Next, Nobody, fetching_user};
use crate::policy::{Mode, Policy, Reason};
use crate::receipt;
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::sys::secure::Trusted;
use crate::types::{Identity, Sha256Digest, Timestamp};

use appetite::Appetite;
use archives::Archives;
pub use assess::{Ask, Assessed};
pub use inquiry::Inquiry;
pub use judge::{Candidate, Installing, Judged, Look};
use listings::Keep;
pub use listings::{Listings, SignerKeys};
pub use memory::{Memory, Recalled, ToRemember};
pub use outlook::Outlook;
pub use patience::{Haste, Patience, TICK};
pub use recorder::{News, Recorder};
pub use rounds::Purpose;
use run::Run;
pub use signers::{Keyrings, Root};
pub use system::{AptUnreadable, Environment, apt_configuration, apt_configuration_with, apt_dump};

/// The time for which a run whose files are all decided waits for outstanding answers: a conflict
/// must be shown although it does not decide. The wait occurs once in a run of apt, not for each
/// file, and not again in a later hook.
const GRACE: Duration = Duration::from_millis(500);

/// The gate of one run: the policy, and the places of evidence.
#[derive(Debug)]
pub struct Gate {
    config: Result<Config, Broken>,
    cache: Cache,
    lists: PathBuf,
    keyrings: Keyrings,
    /// The reason for which the signers of apt's indexes are looked up
    signers: AskedFor,
    state: PathBuf,
    archives: Arc<Archives>,
    /// The amounts of attestations that were taken of each rebuilder
    appetite: Arc<Appetite>,
    /// Remarks about this machine's indexes, for people
    remarks: Mutex<BTreeSet<String>>,
    /// The time that this run has waited for each rebuilder
    patience: Mutex<Patience>,
    /// The results of an earlier hook of this run
    run: Run,
}

/// The reason for which the signers of apt's indexes are looked up, which costs hashing the
/// indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedFor {
    /// Needed only if the policy has a condition on them
    ByThePolicy,
    /// The caller shows them to people, whatever the policy says
    ByPeople,
}

/// The mistakes of a configuration that cannot be used.
#[derive(Debug)]
struct Broken {
    /// With the faulty lines
    shown: String,
    /// One line a mistake
    lines: String,
}

impl From<Problems> for Broken {
    fn from(problems: Problems) -> Self {
        Self { shown: problems.to_string(), lines: problems.lines() }
    }
}

impl Gate {
    /// Opens the configuration that apt's configuration names, or `directory`.
    ///
    /// Never fails: without a usable configuration the gate is closed and refuses everything.
    #[must_use]
    pub fn open(apt: &Configuration, directory: Option<&Path>, trusted: Trusted) -> Self {
        let directory = directory.map_or_else(
            || apt.path("APT::Quorum::Config", config::DEFAULT_DIRECTORY),
            Path::to_owned,
        );
        Self::by(apt, config::load(&directory, trusted).map_err(Broken::from))
    }

    /// Makes a gate by a configuration that is not in place yet, to show its effect.
    #[must_use]
    pub fn proposed(apt: &Configuration, config: Config) -> Self {
        Self::by(apt, Ok(config))
    }

    fn by(apt: &Configuration, config: Result<Config, Broken>) -> Self {
        let cache = Cache::new(&apt.path("APT::Quorum::Cache", cache::DEFAULT_DIRECTORY));
        let state = apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
        let native = apt.find(evidence::NATIVE).and_then(|it| it.parse().ok());
        let endpoints = config.as_ref().map(|it| it.endpoints.as_slice()).unwrap_or_default();
        Self {
            archives: Arc::new(Archives::new(endpoints, &cache, native, &state)),
            appetite: Arc::default(),
            patience: Mutex::new(Patience::of(config.as_ref().ok(), Haste::Command)),
            run: Run::default(),
            config,
            cache,
            lists: apt.path("Dir::State::lists", "/var/lib/apt/lists"),
            keyrings: Keyrings::of(apt),
            signers: AskedFor::ByThePolicy,
            state,
            remarks: Mutex::default(),
        }
    }

    /// Makes the same gate for a hook or method that delays a run of apt or dpkg. It waits for no
    /// rebuilder longer than a run may, and continues from the results of earlier hooks in the run.
    #[must_use]
    pub fn holding_up(self, haste: Haste, state: &Path, now: Timestamp) -> Self {
        let Ok(mut config) = self.config else { return self };
        config.policy = config.policy.remembering(remembered::recall(state));
        let mut run = Run::recall(state, config.digest, now);
        let mut spare = Duration::ZERO;
        if config.policy.minds_conflicts() {
            // Each hook asks every rebuilder for the answers that decide, and waits for these at
            // least as long as for answers that decide nothing.
            run.forget_answers();
            spare = GRACE;
        }
        let patience = Patience::of(Some(&config), haste);
        let patience = Mutex::new(patience.after(std::mem::take(&mut run.used), spare));
        Self { config: Ok(config), patience, run, ..self }
    }

    /// Keeps below `state` the results of this hook for later ones in the same run: the answers
    /// about `assessed` packages, and the signatures that are valid. Without these, the later ones
    /// ask and wait once more. So nothing is lost if they cannot be written, as by a user other
    /// than root.
    pub fn keep_run(&self, state: &Path, now: Timestamp, assessed: &[Assessed]) {
        if let Ok(config) = &self.config {
            let _ = self.run.keep(state, config, now, self.patience().used(), assessed);
            if let Some(remembered) = config.policy.keys().remembered() {
                remembered::keep(state, remembered);
            }
        }
    }

    /// The times that this run has waited for each rebuilder.
    pub fn patience(&self) -> MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(|lock| lock.into_inner())
    }

    /// The time to wait for answers that decide nothing.
    const fn grace(&self) -> Duration {
        if self.run.graced { Duration::ZERO } else { GRACE }
    }

    /// Makes the same gate, which always finds out who signed apt's indexes.
    #[must_use]
    pub fn that_tells_signers(self) -> Self {
        Self { signers: AskedFor::ByPeople, ..self }
    }

    /// The configuration.
    ///
    /// # Errors
    /// The mistakes in it, for people.
    pub fn config(&self) -> Result<&Config, &str> {
        self.config.as_ref().map_err(|broken| broken.shown.as_str())
    }

    /// The policy.
    ///
    /// # Errors
    /// The reason for which everything is refused without one.
    pub fn policy(&self) -> Result<&Policy, Reason> {
        match &self.config {
            Ok(config) => Ok(&config.policy),
            Err(broken) => Err(Reason::Configuration { why: broken.lines.clone() }),
        }
    }

    /// Returns the settings for fetching evidence; nothing if the gate is closed.
    #[must_use]
    pub fn setup(&self, apt: &Configuration, network: Network) -> Option<evidence::EndpointSetup> {
        let config = self.config.as_ref().ok()?;
        Some(evidence::EndpointSetup {
            endpoints: config.endpoints.clone(),
            timeouts: config.timeouts,
            authorities: config.authorities.clone(),
            apt: apt.clone(),
            proxy: config.proxy.clone(),
            routes: Routes::default(),
            network,
            keep: Some((self.cache.clone(), config.policy.keys().clone())),
        })
    }

    /// Returns a gatherer that asks endpoints: in this process, or, if it is root's, in one that
    /// runs as apt's unprivileged user.
    ///
    /// # Errors
    /// If there is no such user, or no thread to spare.
    pub fn gatherer(
        &self,
        apt: &Configuration,
        network: Network,
    ) -> Result<Box<dyn Gatherer>, String> {
        let Some(setup) = self.setup(apt, network) else { return Ok(Box::new(Nobody)) };
        if let Some(user) = self.unprivileged(apt)? {
            return Ok(Box::new(Fetcher::new(setup, user)));
        }
        Local::start(setup)
            .map(|local| -> Box<dyn Gatherer> { Box::new(local) })
            .map_err(|error| plain(&error))
    }

    /// Returns a gatherer as [`Self::gatherer`] does, for a hook. In mode warn the hook continues
    /// even if no endpoint can be asked.
    ///
    /// # Errors
    /// As for [`Self::gatherer`], in mode enforce.
    pub fn gatherer_of_entrance(&self, apt: &Configuration) -> Result<Box<dyn Gatherer>, String> {
        self.gatherer(apt, Network::Allowed).or_else(|why| {
            if self.policy().is_ok_and(|it| it.mode() == Mode::Warn) {
                self.remark(&[format!("{why}, so no rebuilder is asked")]);
                return Ok(Box::new(Nobody));
            }
            Err(why)
        })
    }

    /// Returns the user to which root leaves the reading of data from strangers: apt's unprivileged
    /// user, who is given the cache. Returns nothing if this process is not root's.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn unprivileged(&self, apt: &Configuration) -> Result<Option<User>, String> {
        let Some(user) = fetching_user(apt)? else { return Ok(None) };
        self.cache.give_to(&user);
        Ok(Some(user))
    }

    /// The cache of signed bytes.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Hands every file that apt's indexes list to `each`.
    pub fn each_listed(&self, each: impl FnMut(Sha256Digest, Identity)) {
        indexes::each(&self.lists, each);
    }

    /// Reads the indexes for the files that are `wanted`, if the policy looks at them at all. For
    /// packages without a SHA-256 there is only the identity.
    #[must_use]
    pub fn listings(&self, wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool) -> Listings {
        match &self.config {
            Ok(config) if config.policy.needs_listings() => {
                self.read_listings(Keep::Places, wanted)
            }
            _ => Listings::default(),
        }
    }

    /// Returns the entries of the indexes for the files that are `wanted`, whatever the policy
    /// looks at.
    #[must_use]
    pub fn listings_where(
        &self,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Listings {
        self.read_listings(Keep::Files, wanted)
    }

    fn read_listings(
        &self,
        keep: Keep,
        wanted: impl Fn(Option<&Sha256Digest>, &Identity) -> bool,
    ) -> Listings {
        let needed = self.config.as_ref().is_ok_and(|it| it.policy.needs_signers());
        let signers = (needed || self.signers == AskedFor::ByPeople).then(|| SignerKeys {
            certificates: self.keyrings.certificates(Root::Own),
            now: receipt::present(&self.state, std::time::SystemTime::now()).now.into(),
        });
        let listings = Listings::load_keeping(&self.lists, keep, signers.as_ref(), wanted);
        self.remark(listings.remarks());
        listings
    }

    /// Notes remarks about the indexes of this machine, for people.
    pub fn remark(&self, remarks: &[String]) {
        let mut all = self.remarks.lock().unwrap_or_else(|lock| lock.into_inner());
        all.extend(remarks.iter().cloned());
    }

    /// Returns the parts of this machine's indexes that were not read because they exceed the
    /// limits. Each is returned once.
    #[must_use]
    pub fn remarks(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(|lock| lock.into_inner()))
    }
}
