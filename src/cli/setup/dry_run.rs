//! A trial of a configuration that is not in place yet, on the packages that are installed.
//!
//! It assesses and decides nothing: no `Admit` can come of it.

use serde::Serialize;

use crate::audit::{Audited, PackageState, System};
use crate::cli::Exit;
use crate::cli::audit::{exit_code, remark};
use crate::cli::judging::Court;
use crate::cli::output::counted;
use crate::cli::world::Stop;
use crate::gate::Ask;
use crate::types::Called;

/// Most packages of a kind that are named unless all are asked for.
const NAMED: usize = 20;

/// The assessment of the packages that are installed.
pub(super) struct DryRun {
    audited: Vec<Audited>,
}

/// The number of packages of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct RunCounts {
    installed: usize,
    confirmed: usize,
    excepted: usize,
    refused: usize,
    could_not_find_out: usize,
}

/// A package that would not pass, in JSON.
#[derive(Serialize)]
pub(super) struct OpenPackage<'a> {
    #[serde(flatten)]
    identity: &'a Called,
    /// `refused` or `could-not-find-out`
    outlook: &'static str,
    /// The reason, for people
    reason: String,
}

impl DryRun {
    /// Assesses the packages that are installed. The court goes by the proposed configuration.
    pub(super) fn of(court: &Court) -> Result<Self, Stop> {
        let failed = |error| Stop::wrong(format!("cannot check the installed packages: {error}"));
        let system = System::running(&court.apt).map_err(failed)?;
        Ok(Self { audited: court.audit(&system, Ask::All, court.present(), failed)? })
    }

    /// Returns the exit code that an audit would have.
    pub(super) fn exit(&self) -> Exit {
        exit_code(&self.audited)
    }

    pub(super) fn counts(&self) -> RunCounts {
        let count = |is: &dyn Fn(&Audited) -> bool| self.audited.iter().filter(|it| is(it)).count();
        RunCounts {
            installed: self.audited.len(),
            confirmed: count(&|it| it.state == PackageState::Confirmed),
            excepted: count(&|it| it.state == PackageState::Excepted),
            refused: count(&is_refused),
            could_not_find_out: count(&is_unclear),
        }
    }

    /// Returns the packages that would not pass.
    pub(super) fn open(&self) -> Vec<OpenPackage<'_>> {
        let open = self.audited.iter().filter(|it| it.is_open());
        open.map(|it| OpenPackage {
            identity: &it.installed.called,
            outlook: if is_refused(it) { "refused" } else { "could-not-find-out" },
            reason: remark(it),
        })
        .collect()
    }

    /// Returns the counts, and a line for each package that would not pass: the first ones, or
    /// `all`.
    pub(super) fn text(&self, all: bool) -> String {
        let RunCounts { installed, confirmed, excepted, refused, could_not_find_out } =
            self.counts();
        let passing = confirmed + excepted;
        let installed = counted(installed, "installed package");
        let mut text = format!("With this policy {passing} of {installed} would pass");
        for (count, what) in [
            (excepted, "of them under an exception"),
            (refused, "would be refused"),
            (could_not_find_out, "undetermined"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        text += ".\n";
        let most = if all { usize::MAX } else { NAMED };
        self.add(&mut text, most, "refused", is_refused);
        self.add(&mut text, most, "undetermined", is_unclear);
        if self.audited.iter().any(|it| it.installed.control.is_ok() && it.assessed.is_none()) {
            text +=
                "To find the files that packages came from, fetch apt's indexes: apt-get update\n";
        }
        text
    }

    fn add(&self, text: &mut String, most: usize, word: &str, is: impl Fn(&Audited) -> bool) {
        let found: Vec<&Audited> = self.audited.iter().filter(|it| is(it)).collect();
        for it in found.iter().take(most) {
            *text += &format!("  {word}: {}: {}.\n", it.installed.called, remark(it));
        }
        if let Some(more) = found.len().checked_sub(most).filter(|more| *more > 0) {
            *text += &format!(
                "  and {more} more such packages: add --all, or run apt-quorum audit afterwards.\n"
            );
        }
    }
}

/// Returns true if asking again later can change nothing.
fn is_refused(it: &Audited) -> bool {
    it.is_open() && !is_unclear(it)
}

/// Returns true if rebuilders that could settle it did not answer, or if the file that it came from
/// is not known.
fn is_unclear(it: &Audited) -> bool {
    it.is_open() && (it.assessed.is_none() || it.is_transient())
}
