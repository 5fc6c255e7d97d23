//! Other programs' trust settings, imported into a configuration of our own.
//!
//! The readers make a [`Plan`]. Nothing is written before a person has seen it, and then all of it
//! or nothing. A setting that cannot keep its full strictness is an error or a note of the plan,
//! and never left out in silence.

pub mod apt_transport;
pub mod gnupg;
pub mod rebuilders;
pub mod repro_threshold;
mod shown;

use std::fmt::Display;
use std::path::Path;

use crate::config::{Change, Config, Draft, exception_table};
use crate::policy::{Matcher, Mode};
use crate::types::{PackageName, RebuilderName, Threshold, Timestamp};

/// Largest file that is read here, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

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
    pub exceptions: Option<ExemptPackages>,
    /// The settings that are not imported or mean something else here, a sentence each
    pub notes: Vec<String>,
}

/// Packages that may pass without a quorum.
#[derive(Debug, Clone)]
pub struct ExemptPackages {
    /// The name of their file in `exceptions.d`
    pub file: &'static str,
    /// A comment about them in that file
    pub comment: &'static str,
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
    /// The policy has another threshold.
    #[error(
        "{path} has threshold = {found}, and the import needs {wanted}. Nothing was written. To change it, add --replace"
    )]
    Differs {
        /// The path of the policy
        path: String,
        /// The threshold in the policy
        found: u32,
        /// The threshold to import
        wanted: u32,
    },
    /// Several keys belong to one rebuilder, which leaves too few rebuilders.
    #[error("{threshold} rebuilders must confirm, but these keys belong to {}, each with one vote: give fewer keys the same name. Nothing was written.", rebuilders_of(*.rebuilders))]
    TooFewRebuilders {
        /// The number of rebuilders that must confirm
        threshold: u32,
        /// The number of rebuilders that there would be
        rebuilders: usize,
    },
}

impl Plan {
    /// Returns the new values in the policy, a line each. `config` is the configuration before.
    ///
    /// # Errors
    /// If the policy has another threshold, or the plan has too few rebuilders for its own.
    pub fn policy(
        &self,
        config: &Config,
        difference: OnDifference,
    ) -> Result<Vec<String>, PlanError> {
        let (threshold, rebuilders) = (self.threshold.count(), self.rebuilders.len());
        if !self.threshold.is_met_by(rebuilders) {
            return Err(PlanError::TooFewRebuilders { threshold, rebuilders });
        }
        let before = config.policy.default_requirement().map(|it| it.threshold().count());
        if let Some(found) = before.filter(|it| *it != threshold) {
            if difference == OnDifference::Refuse {
                let path = config.directory.join("policy.toml").display().to_string();
                return Err(PlanError::Differs { path, found, wanted: threshold });
            }
        }
        // The command line asks for this mode.
        let mode = self
            .mode
            .map(|mode| became("mode", mode_word(mode), Some(mode_word(config.policy.mode()))));
        Ok(mode.into_iter().chain([became("threshold", threshold, before)]).collect())
    }

    /// Adds the exceptions to a change, one for each package, so that each can be removed by itself.
    pub fn add_exceptions(&self, change: &mut Change) {
        let Some(it) = self.exceptions.as_ref().filter(|it| !it.packages.is_empty()) else {
            return;
        };
        let table = |package: &PackageName| {
            // Without it, the exception would have no condition.
            let package = Some(vec![package.as_str().parse().ok()?]);
            let matcher = Matcher { package, ..Matcher::default() };
            Some(exception_table(it.comment, None, &matcher, it.reason, it.expires))
        };
        let tables: Vec<String> = it.packages.iter().filter_map(table).collect();
        change.create(Path::new("exceptions.d").join(it.file), tables.join("\n"));
    }

    /// Returns the rebuilders of the new configuration `config` that count beside those of this
    /// plan.
    #[must_use]
    pub fn others<'c>(&self, config: &'c Config) -> Vec<&'c RebuilderName> {
        let own = |name: &RebuilderName| self.rebuilders.iter().any(|it| it.name == *name);
        config.rebuilders.keys().filter(|it| !own(it)).collect()
    }
}

/// Describes the new value, with the one before.
fn became<T: PartialEq + Display>(key: &str, wanted: T, found: Option<T>) -> String {
    match found {
        None => format!("{key} = {wanted} (not set before)"),
        Some(found) if found == wanted => format!("{key} = {wanted} (as before)"),
        Some(found) => format!("{key} = {wanted} (before: {found})"),
    }
}

const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "\"enforce\"",
        Mode::Warn => "\"warn\"",
    }
}

fn rebuilders_of(count: usize) -> String {
    match count {
        1 => "only 1 rebuilder".to_owned(),
        _ => format!("only {count} rebuilders"),
    }
}
