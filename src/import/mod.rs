//! What other programs were told to trust, taken over into a configuration of our own.
//!
//! The readers make a [`Plan`]; nothing is written before a person has seen it, and then all of it
//! or nothing. What cannot be taken over as strictly as it was is a mistake or a note of the plan,
//! never left out in silence.

pub mod apt_transport;
pub mod gnupg;
pub mod operators;
mod policy_text;
pub mod repro_threshold;
mod shown;

use std::path::Path;

use crate::config::{Change, Config, Draft, toml_text};
use crate::policy::Mode;
use crate::sys::plain;
use crate::sys::secure::{SecureError, Trusted};
use crate::types::{OperatorName, PackageName, Threshold, Timestamp};

/// Largest file that is read here, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// Below the directory of the configuration.
const POLICY: &str = "policy.toml";

/// What is to be taken over.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it is taken from and whose word that is, a sentence each
    pub from: Vec<String>,
    /// The operators
    pub operators: Vec<Draft>,
    /// How many of them must confirm
    pub threshold: Threshold,
    /// The mode, if it is to be set
    pub mode: Option<Mode>,
    /// What may pass without a quorum
    pub exceptions: Option<Exceptions>,
    /// What is not taken over or means something else here, a sentence each
    pub notes: Vec<String>,
}

/// Packages that may pass without a quorum.
#[derive(Debug, Clone)]
pub struct Exceptions {
    /// Where they go, a name in `exceptions.d`
    pub file: &'static str,
    /// Why they may
    pub reason: &'static str,
    /// Which
    pub packages: Vec<PackageName>,
    /// The first day on which they no longer may
    pub expires: Timestamp,
}

/// What is written where the policy says something else already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDifference {
    /// Nothing
    #[default]
    Refuse,
    /// What is taken over
    Replace,
}

/// Why a plan cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The policy cannot be read, or could be written by others.
    #[error("{0}; nothing was written.")]
    Policy(SecureError),
    /// The policy is not TOML, or odd.
    #[error("{0} cannot be edited: see apt-quorum config check; nothing was written.")]
    NotToml(String),
    /// The policy says something else.
    #[error(
        "{path} says {key} = {found}, and this would make it {wanted}; give --replace if you want that. Nothing was written."
    )]
    Differs {
        /// The policy
        path: String,
        /// Of what
        key: &'static str,
        /// What it says
        found: String,
        /// What is to be taken over
        wanted: String,
    },
    /// Keys that together were several make fewer operators.
    #[error("{threshold} must confirm, but these keys are those of {} here, and an operator has one vote: give fewer of them the same name. Nothing was written.", operators_of(*.operators))]
    TooFewOperators {
        /// How many must
        threshold: u32,
        /// How many there would be
        operators: usize,
    },
    /// The operating system refused.
    #[error("{0}; nothing was written.")]
    System(String),
}

/// What a plan comes to in a configuration.
#[derive(Debug)]
pub struct Prepared {
    /// What to write
    pub change: Change,
    /// What becomes of the policy, a line each
    pub policy: Vec<String>,
}

impl Plan {
    /// What must be written below `directory`. Nothing is yet.
    ///
    /// # Errors
    /// If the policy cannot be edited, or says something else.
    pub fn prepare(
        &self,
        directory: &Path,
        trusted: Trusted,
        difference: OnDifference,
    ) -> Result<Prepared, PlanError> {
        if !self.threshold.is_met_by(self.operators.len()) {
            let (threshold, operators) = (self.threshold.count(), self.operators.len());
            return Err(PlanError::TooFewOperators { threshold, operators });
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
            // It was asked for on the command line.
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
        for draft in &self.operators {
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

    /// The operators of `config`, as it would be, who count beside those of this plan.
    #[must_use]
    pub fn others<'c>(&self, config: &'c Config) -> Vec<&'c OperatorName> {
        let own = |name: &OperatorName| self.operators.iter().any(|it| it.name == *name);
        config.operators.keys().filter(|it| !own(it)).collect()
    }
}

impl Exceptions {
    /// One exception a package, so that each can be taken away by itself.
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

/// What becomes of a value.
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

fn operators_of(count: usize) -> String {
    match count {
        1 => "only 1 operator".to_owned(),
        _ => format!("only {count} operators"),
    }
}
