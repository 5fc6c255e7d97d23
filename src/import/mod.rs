//! Other programs' trust settings, imported into a configuration of our own.
//!
//! The readers make a [`Plan`]. Nothing is written before a person has seen it, and then all of it
//! or nothing. A setting that cannot keep its full strictness is an error or a note of the plan,
//! and never left out in silence.

pub mod apt_transport;
pub mod gnupg;
mod policy_text;
pub mod rebuilders;
pub mod repro_threshold;
mod shown;

use std::path::Path;

use crate::config::{Change, Config, Draft, toml_text};
use crate::policy::Mode;
use crate::sys::plain;
use crate::sys::secure::{SecureError, Trusted};
use crate::types::{PackageName, RebuilderName, Threshold, Timestamp};

/// Largest file that is read here, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// The policy's path below the directory of the configuration.
const POLICY: &str = "policy.toml";

/// The settings to import.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The sources of the settings, and the keys that vouch for them, a sentence each
    pub from: Vec<String>,
    /// The rebuilders
    pub rebuilders: Vec<Draft>,
    /// The number of rebuilders that must confirm
    pub threshold: Threshold,
    /// The mode, if it is to be set
    pub mode: Option<Mode>,
    /// The packages that may pass without a quorum
    pub exceptions: Option<Exceptions>,
    /// The settings that are not imported or mean something else here, a sentence each
    pub notes: Vec<String>,
}

/// Packages that may pass without a quorum.
#[derive(Debug, Clone)]
pub struct Exceptions {
    /// The name of their file in `exceptions.d`
    pub file: &'static str,
    /// The reason why they may pass
    pub reason: &'static str,
    /// The packages
    pub packages: Vec<PackageName>,
    /// The first day on which they may no longer pass
    pub expires: Timestamp,
}

/// The action where the policy already has another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDifference {
    /// Write nothing
    #[default]
    Refuse,
    /// Write the imported value
    Replace,
}

/// The reason why a plan cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The policy cannot be read, or could be written by others.
    #[error("{0}; nothing was written.")]
    Policy(SecureError),
    /// The policy is not TOML, or has an unexpected form.
    #[error("{0} cannot be edited: see apt-quorum config check; nothing was written.")]
    NotToml(String),
    /// The policy has another value.
    #[error(
        "{path} says {key} = {found}, and this would make it {wanted}; give --replace if you want that. Nothing was written."
    )]
    Differs {
        /// The path of the policy
        path: String,
        /// The key in the policy
        key: &'static str,
        /// Its value in the policy
        found: String,
        /// The value to import
        wanted: String,
    },
    /// Several keys belong to one rebuilder, which leaves too few rebuilders.
    #[error("{threshold} must confirm, but these keys are those of {} here, and a rebuilder has one vote: give fewer of them the same name. Nothing was written.", rebuilders_of(*.rebuilders))]
    TooFewRebuilders {
        /// The number of rebuilders that must confirm
        threshold: u32,
        /// The number of rebuilders that there would be
        rebuilders: usize,
    },
    /// The operating system refused.
    #[error("{0}; nothing was written.")]
    System(String),
}

/// The changes that a plan makes in a configuration.
#[derive(Debug)]
pub struct Prepared {
    /// The change to write
    pub change: Change,
    /// The new values in the policy, a line each
    pub policy: Vec<String>,
}

impl Plan {
    /// Returns the changes to make below `directory`. Writes nothing yet.
    ///
    /// # Errors
    /// If the policy cannot be read or edited, has another value, or would need more rebuilders than
    /// the plan has.
    pub fn prepare(
        &self,
        directory: &Path,
        trusted: Trusted,
        difference: OnDifference,
    ) -> Result<Prepared, PlanError> {
        if !self.threshold.is_met_by(self.rebuilders.len()) {
            let (threshold, rebuilders) = (self.threshold.count(), self.rebuilders.len());
            return Err(PlanError::TooFewRebuilders { threshold, rebuilders });
        }
        let directory =
            std::path::absolute(directory).map_err(|error| PlanError::System(plain(&error)))?;
        let path = directory.join(POLICY);
        let was = trusted.read(&path, MAX_FILE).map_err(PlanError::Policy)?;
        let mut text = was.clone();
        let mut policy = Vec::new();
        let shown = path.display().to_string();
        if let Some(mode) = self.mode {
            let wanted = mode_word(mode);
            let edited = policy_text::set(&text, "mode", &wanted)
                .ok_or_else(|| PlanError::NotToml(shown.clone()))?;
            // The command line asks for this value.
            policy.push(became("mode", &wanted, edited.found));
            text = edited.text;
        }
        let wanted = self.threshold.count().to_string();
        let edited = policy_text::set_threshold(&text, self.threshold)
            .ok_or_else(|| PlanError::NotToml(shown.clone()))?;
        match edited.found {
            Some(found) if found != wanted && difference == OnDifference::Refuse => {
                return Err(PlanError::Differs { path: shown, key: "threshold", found, wanted });
            }
            found => policy.push(became("threshold", &wanted, found)),
        }
        text = edited.text;
        let mut change = Change::of(&directory);
        for draft in &self.rebuilders {
            draft.create_in(&mut change);
        }
        if let Some(exceptions) = self.exceptions.as_ref().filter(|it| !it.packages.is_empty()) {
            let path = Path::new("exceptions.d").join(exceptions.file);
            change.create(path, exceptions.to_toml());
        }
        if text != was {
            change.edit(POLICY, was, text);
        }
        Ok(Prepared { change, policy })
    }

    /// Returns the rebuilders of the new configuration `config` that count beside those of this
    /// plan.
    #[must_use]
    pub fn others<'c>(&self, config: &'c Config) -> Vec<&'c RebuilderName> {
        let own = |name: &RebuilderName| self.rebuilders.iter().any(|it| it.name == *name);
        config.rebuilders.keys().filter(|it| !own(it)).collect()
    }
}

impl Exceptions {
    /// Writes one exception for each package, so that each can be removed by itself.
    fn to_toml(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!(
                "[[exception]]\npackage = [{}]\nreason = {}\nexpires = {}\n",
                toml_text(package.as_str()),
                toml_text(self.reason),
                self.expires.date()
            ));
        }
        text
    }
}

/// Describes the new value, with the one before.
fn became(key: &str, wanted: &str, found: Option<String>) -> String {
    match found {
        None => format!("{key} = {wanted} (not set before)"),
        Some(found) if found == wanted => format!("{key} = {wanted} (as before)"),
        Some(found) => format!("{key} = {wanted} (before: {found})"),
    }
}

fn mode_word(mode: Mode) -> String {
    toml_text(match mode {
        Mode::Enforce => "enforce",
        Mode::Warn => "warn",
    })
}

fn rebuilders_of(count: usize) -> String {
    match count {
        1 => "only 1 rebuilder".to_owned(),
        _ => format!("only {count} rebuilders"),
    }
}
