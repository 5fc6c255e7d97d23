//! The gate as the judge of what is to be held.

use std::collections::{BTreeMap, BTreeSet};

use crate::gate::{Ask, Assessed, Gate, Gatherer};
use crate::hold::Judge;
use crate::policy::{Assessment, Standing};
use crate::report;
use crate::sys::terminal::Progress;
use crate::types::{Identity, RebuilderName, Sha256Digest, Timestamp};

/// The findings about one package.
#[derive(Debug, Clone, Default)]
pub(super) struct Finding {
    /// The reason for which it would be refused, if it would be
    pub(super) refused: Option<String>,
    /// The rebuilders that do not confirm it
    pub(super) missing: Vec<RebuilderName>,
    /// The SHA-256 of its file, if it may be one file only
    pub(super) sha256: Option<Sha256Digest>,
    /// True if a repository of security updates offers it
    pub(super) security: bool,
}

pub(super) struct GateJudge<'g> {
    pub(super) gate: &'g Gate,
    pub(super) gatherer: Box<dyn Gatherer>,
    pub(super) now: Timestamp,
    /// The versions that the administrator released
    pub(super) released: BTreeSet<Identity>,
    pub(super) findings: BTreeMap<Identity, Finding>,
}

impl Judge for GateJudge<'_> {
    fn refused(&mut self, packages: &BTreeSet<Identity>) -> BTreeSet<Identity> {
        let wanted: Vec<Identity> = packages.iter().cloned().collect();
        let files = self.gate.files_of(&wanted);
        let bar = Progress::of("apt-quorum: ", files.len());
        let (gate, now) = (self.gate, self.now);
        let assessed = gate.assess(
            files,
            |_| Vec::new(),
            Ask::UntilSettled,
            &mut *self.gatherer,
            now,
            |done| bar.at(done),
        );
        drop(bar);
        let mut files: BTreeMap<&Identity, Vec<&Assessed>> = BTreeMap::new();
        for it in &assessed {
            files.entry(&it.named.identity).or_default().push(it);
        }
        for package in packages {
            let files = files.get(package).map(Vec::as_slice).unwrap_or_default();
            self.findings.insert(package.clone(), Finding::of(files));
        }
        let is_refused = |it: &&Identity| {
            let finding = self.findings.get(*it);
            finding.is_none_or(|it| it.refused.is_some()) && !self.released.contains(*it)
        };
        packages.iter().filter(is_refused).cloned().collect()
    }
}

impl Finding {
    /// Sums up all files that the package may be. Where repositories offer several under one
    /// version, it is unknown here which one apt takes: all must pass.
    fn of(files: &[&Assessed]) -> Self {
        let mut finding = Self::default();
        if files.is_empty() {
            finding.refused =
                Some("no index has its SHA-256, so no rebuilder can be asked about it".to_owned());
        }
        if let [file] = files {
            finding.sha256 = Some(file.named.sha256);
        }
        for file in files {
            finding.security |= file.named.listings.iter().any(is_security);
            let Assessment::Unconfirmed { reason, report } = &file.assessment else { continue };
            let others = files.len() > 1;
            let several = if others { "; repositories offer different files as it" } else { "" };
            finding.refused = Some(format!(
                "{}{}{several}",
                report::reason(reason),
                report::standings(Some(report))
            ));
            let absent =
                report.standings.iter().filter(|(_, it)| !matches!(it, Standing::Confirms));
            finding.missing = absent.map(|(name, _)| name.clone()).collect();
        }
        finding
    }
}

/// Returns true for a repository of security updates, by what Debian and others call theirs.
fn is_security(listing: &crate::apt::index::Listing) -> bool {
    listing.suite.ends_with("-security")
        || listing.label.to_ascii_lowercase().ends_with("-security")
}
