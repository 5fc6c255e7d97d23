//! The likely result for packages that apt would fetch, as far as the indexes tell.
//!
//! It admits nothing, because the files are not here. The hook before apt's question and
//! `apt-quorum check` both use it, so they tell people the same in the same words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assessed, Gate};
use crate::apt::index::ListedPackage;
use crate::policy::{Assessment, Epoch, Mode, Named, Policy, Reason};
use crate::report;
use crate::types::Identity;

/// Most packages of a kind that are named.
const NAMED: usize = 20;

/// The expected result for each package.
#[derive(Debug)]
pub struct Outlook<'a> {
    confirmed: Vec<&'a Assessed>,
    /// With the exception
    excepted: Vec<&'a Assessed>,
    /// With the best possible result of each
    refused: Vec<&'a Assessed>,
    conflicts: Vec<&'a Assessed>,
    /// No index lists them
    unlisted: Vec<&'a Identity>,
}

impl Gate {
    /// Returns the entries of the indexes for these packages: each file that a package may be,
    /// several if repositories disagree.
    #[must_use]
    pub fn files_of(&self, packages: &[Identity]) -> Vec<Named> {
        let wanted: BTreeSet<&Identity> = packages.iter().collect();
        let listings = self.listings_where(|_, it| wanted.contains(it));
        let files = listings.files();
        let listed = packages.iter().filter_map(|it| files.get(it)).flat_map(|it| it.values());
        listed
            .map(|ListedPackage { sha256, control }| Named {
                listings: listings.of(*sha256, &control.identity),
                identity: control.identity.clone(),
                source: Some(control.source.clone()),
                epoch: Epoch::Known,
                sha256: *sha256,
            })
            .collect()
    }
}

impl Gate {
    /// Returns those of these packages that an index lists, and none lists with the SHA-256 of a
    /// file. Reads the indexes once more, because few packages are like that.
    #[must_use]
    pub fn listed_without_hash(&self, packages: &[Identity]) -> BTreeSet<Identity> {
        if packages.is_empty() {
            return BTreeSet::new();
        }
        let wanted: BTreeSet<&Identity> = packages.iter().collect();
        let listings = self.listings_where(|_, identity| wanted.contains(identity));
        let files = listings.files();
        let unhashed =
            |it: &&Identity| !files.contains_key(*it) && !listings.unhashed(it).is_empty();
        packages.iter().filter(unhashed).cloned().collect()
    }
}

impl<'a> Outlook<'a> {
    /// Predicts the result for each package. If a package may be one of several files, it is
    /// unknown here which one apt takes. Only if all of them would be refused is it certain that
    /// the package will be.
    #[must_use]
    pub fn of(packages: &'a [Identity], assessed: &'a [Assessed]) -> Self {
        let mut outlook = Self {
            confirmed: Vec::new(),
            excepted: Vec::new(),
            refused: Vec::new(),
            conflicts: Vec::new(),
            unlisted: Vec::new(),
        };
        let mut files: BTreeMap<&Identity, Vec<&Assessed>> = BTreeMap::new();
        for it in assessed {
            files.entry(&it.named.identity).or_default().push(it);
        }
        for package in packages {
            let files = files.get(package).into_iter().flatten().copied();
            let Some(best) = files.min_by_key(|it| rank(&it.assessment)) else {
                outlook.unlisted.push(package);
                continue;
            };
            match best.assessment {
                Assessment::Confirmed { .. } => outlook.confirmed.push(best),
                Assessment::Excepted { .. } => outlook.excepted.push(best),
                Assessment::Unconfirmed { .. } => outlook.refused.push(best),
            }
            if !best.assessment.report().conflicts.is_empty() {
                outlook.conflicts.push(best);
            }
        }
        outlook
    }

    /// The packages that are neither confirmed nor excepted.
    #[must_use]
    pub fn refused(&self) -> &[&'a Assessed] {
        &self.refused
    }

    /// The packages that no index lists.
    #[must_use]
    pub fn unlisted(&self) -> &[&'a Identity] {
        &self.unlisted
    }

    /// The packages that indexes list, each with its best result.
    pub fn listed(&self) -> impl Iterator<Item = &'a Assessed> {
        self.refused.iter().chain(&self.excepted).chain(&self.confirmed).copied()
    }

    /// Returns true when asking again later may settle all refusals.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let transient = |it: &&Assessed| {
            matches!(
                it.assessment,
                Assessment::Unconfirmed { reason: Reason::CouldNotFindOut { .. }, .. }
            )
        };
        self.refused.iter().all(transient)
    }

    /// Formats a line with the counts, and one for each package that is not simply confirmed.
    #[must_use]
    pub fn text(&self, policy: &Policy) -> String {
        let enforced = policy.mode() == Mode::Enforce;
        let word = if enforced { "refused" } else { "not confirmed" };
        let mut counts = vec![format!("{} confirmed", self.confirmed.len())];
        for (count, what) in [
            (self.excepted.len(), "under an exception"),
            (self.refused.len(), word),
            (self.unlisted.len(), "without a SHA-256 in any index, judged when installed"),
        ] {
            if count > 0 {
                counts.push(format!("{count} {what}"));
            }
        }
        let all = self.listed().count() + self.unlisted.len();
        let noun = if all == 1 { "package" } else { "packages" };
        let mut text = format!("apt-quorum: of {all} {noun}, {}.\n", counts.join(", "));
        add_lines(&mut text, &self.refused, |it| match &it.assessment {
            Assessment::Unconfirmed { reason, .. } => format!(
                "  {word}: {}: {}{}",
                it.named.identity,
                report::reason(reason),
                report::standings(Some(it.assessment.report()))
            ),
            _ => String::new(),
        });
        add_lines(&mut text, &self.excepted, |it| match &it.assessment {
            Assessment::Excepted { exemption, .. } => {
                format!("  exception: {}: {}", it.named.identity, report::exempted(exemption))
            }
            _ => String::new(),
        });
        add_lines(&mut text, &self.conflicts, |it| {
            let package = it.named.identity.to_string();
            let alarm = report::conflict(&package, &it.assessment.report().conflicts);
            format!("  {}", alarm.unwrap_or_default())
        });
        text
    }
}

fn add_lines(text: &mut String, of: &[&Assessed], line: impl Fn(&Assessed) -> String) {
    for it in of.iter().take(NAMED) {
        *text += &format!("{}.\n", line(it));
    }
    if let Some(more) = of.len().checked_sub(NAMED).filter(|more| *more > 0) {
        *text += &format!("  and {more} more such packages.\n");
    }
}

const fn rank(assessment: &Assessment) -> u8 {
    match assessment {
        Assessment::Confirmed { .. } => 0,
        Assessment::Excepted { .. } => 1,
        Assessment::Unconfirmed { .. } => 2,
    }
}
