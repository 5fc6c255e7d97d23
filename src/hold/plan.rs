//! Which versions are to be held back.
//!
//! It is not enough to pin what would be refused: where apt may remove packages, it removes one
//! that is held to make room for another, and where an accepted package needs a new one that would
//! be refused, it asks for both. So what the pins lead to is simulated, and the upgrades that cause
//! such harm are held as well: as few of them as can be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::apt::simulation::Unpacked;
use crate::types::{Architecture, DebVersion, Identity};

/// Most times that the versions which apt chooses instead are judged in turn.
const MAX_ROUNDS: usize = 32;

/// Most simulations that look for a smaller set. An adverse archive could ask for any number.
const MAX_SIMULATIONS: usize = 240;

/// A version that apt is not to choose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin {
    /// The package at this version
    pub package: Identity,
    /// The architecture under which apt keeps it: the system's own for a package for all
    pub architecture: Architecture,
}

/// The reason for which a version is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It would be refused
    Refused,
    /// With it, apt would install these packages, which would be refused, or would remove those
    Needed {
        /// New packages that would be refused
        refused: BTreeSet<Identity>,
        /// Installed packages that would be removed, as apt calls them
        removed: BTreeSet<String>,
    },
}

/// The result.
#[derive(Debug, Default)]
pub struct Holding {
    /// The versions to pin
    pub held: BTreeMap<Pin, Held>,
    /// Versions that are refused, and that apt chooses in spite of a pin: the administrator's own
    /// pins come first
    pub without_effect: BTreeSet<Pin>,
    /// Packages that would be refused and cannot be held, because apt names them in a way that
    /// preferences cannot, or because the version is installed already
    pub beyond_pins: BTreeSet<String>,
    /// The harm that remains whatever is held, if any
    pub remaining: Option<Harm>,
}

/// A version that is held back.
#[derive(Debug, Clone)]
pub struct Held {
    /// The version that stays installed
    pub installed: DebVersion,
    /// The reason
    pub cause: Cause,
}

/// What one way of upgrading would change.
#[derive(Debug, Clone, Default)]
pub struct Upgrade {
    /// The packages that it would unpack
    pub unpacked: Vec<Unpacked>,
    /// The packages that it would remove
    pub removed: BTreeSet<String>,
    /// Packages that it names in a way that is not understood
    pub odd: BTreeSet<String>,
}

/// The damage that an upgrade with pins does, and one without them does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harm {
    /// New packages that would be refused
    pub refused: BTreeSet<Identity>,
    /// Installed packages that would be removed
    pub removed: BTreeSet<String>,
}

/// apt, which simulates the ways of upgrading.
pub trait Solver {
    /// Returns the changes of each way with these versions pinned, always in the same order.
    ///
    /// # Errors
    /// The reason why apt does not tell.
    fn upgrades(&mut self, pins: &BTreeSet<Pin>) -> Result<Vec<Upgrade>, String>;

    /// Returns false when enough time was spent. The plan is then as good as it is.
    fn has_time(&self) -> bool;

    /// The architecture of the system.
    fn native(&self) -> &Architecture;
}

/// The gate, which assesses packages.
pub trait Judge {
    /// Returns those of these packages that would be refused.
    fn refused(&mut self, packages: &BTreeSet<Identity>) -> BTreeSet<Identity>;
}

/// Works out which versions are to be held back.
///
/// # Errors
/// The reason why apt does not tell what it would do.
pub fn plan(solver: &mut dyn Solver, judge: &mut dyn Judge) -> Result<Holding, String> {
    let mut planning = Planning::new(solver, judge)?;
    for _ in 0..MAX_ROUNDS {
        let upgrades = planning.upgrades(&BTreeSet::new())?;
        if planning.pin_what_is_refused(&upgrades) {
            continue;
        }
        let harm = planning.harm(&upgrades);
        if harm == Harm::default() {
            return Ok(planning.holding);
        }
        let free = planning.free(&upgrades);
        let Some(causes) = planning.smallest(free, &harm)? else {
            planning.holding.remaining = Some(harm);
            return Ok(planning.holding);
        };
        planning.hold(causes)?;
    }
    Ok(planning.holding)
}

struct Planning<'p> {
    solver: &'p mut dyn Solver,
    judge: &'p mut dyn Judge,
    simulations: usize,
    /// What each way would remove without any pin
    removed_anyway: Vec<BTreeSet<String>>,
    /// Each package that was judged, and whether it would be refused
    refused: BTreeMap<Identity, bool>,
    holding: Holding,
}

impl<'p> Planning<'p> {
    fn new(solver: &'p mut dyn Solver, judge: &'p mut dyn Judge) -> Result<Self, String> {
        let unpinned = solver.upgrades(&BTreeSet::new())?;
        Ok(Self {
            solver,
            judge,
            simulations: 1,
            removed_anyway: unpinned.into_iter().map(|it| it.removed).collect(),
            refused: BTreeMap::new(),
            holding: Holding::default(),
        })
    }

    /// Simulates the upgrades with the pins so far and these ones.
    fn upgrades(&mut self, more: &BTreeSet<Pin>) -> Result<Vec<Upgrade>, String> {
        self.simulations += 1;
        let pins = self.holding.held.keys().chain(more).cloned().collect();
        self.solver.upgrades(&pins)
    }

    /// Judges what is chosen now and was not before. Returns true when there are new pins, so that
    /// apt may choose otherwise.
    fn pin_what_is_refused(&mut self, upgrades: &[Upgrade]) -> bool {
        let chosen = upgrades.iter().flat_map(|it| &it.unpacked);
        let unknown: BTreeSet<Identity> = chosen
            .clone()
            .map(|it| it.package.clone())
            .filter(|it| !self.refused.contains_key(it))
            .collect();
        if !unknown.is_empty() {
            let refused = self.judge.refused(&unknown);
            self.refused.extend(unknown.into_iter().map(|it| (it.clone(), refused.contains(&it))));
        }
        let odd = upgrades.iter().flat_map(|it| it.odd.iter().cloned());
        self.holding.beyond_pins.extend(odd);
        let mut new = BTreeMap::new();
        let refused: Vec<_> = chosen.filter(|it| self.is_refused(&it.package)).collect();
        for it in refused {
            let Some(installed) = it.replaces.clone() else { continue };
            if installed == it.package.version {
                self.holding.beyond_pins.insert(it.package.to_string());
                continue;
            }
            let pin = self.pin(it);
            if self.holding.held.contains_key(&pin) {
                self.holding.without_effect.insert(pin);
            } else {
                new.insert(pin, Held { installed, cause: Cause::Refused });
            }
        }
        let is_new = !new.is_empty();
        self.holding.held.extend(new);
        is_new
    }

    fn is_refused(&self, package: &Identity) -> bool {
        self.refused.get(package) == Some(&true)
    }

    fn pin(&self, of: &Unpacked) -> Pin {
        let own = &of.package.architecture;
        let architecture = if of.is_foreign { own } else { self.solver.native() };
        Pin { package: of.package.clone(), architecture: architecture.clone() }
    }

    /// Returns the harm that these upgrades do, and would not do without pins.
    fn harm(&self, upgrades: &[Upgrade]) -> Harm {
        let new = upgrades.iter().flat_map(|it| &it.unpacked).filter(|it| it.replaces.is_none());
        let refused = new.map(|it| &it.package).filter(|it| self.is_refused(it)).cloned().collect();
        let removed = upgrades.iter().zip(&self.removed_anyway);
        let removed = removed.flat_map(|(now, anyway)| now.removed.difference(anyway));
        Harm { refused, removed: removed.cloned().collect() }
    }

    /// Returns the accepted upgrades of installed packages, which could be held as well.
    fn free(&self, upgrades: &[Upgrade]) -> BTreeMap<Pin, DebVersion> {
        let chosen = upgrades.iter().flat_map(|it| &it.unpacked);
        let free = chosen.filter_map(|it| Some((self.pin(it), it.replaces.clone()?)));
        free.filter(|(pin, installed)| {
            !self.holding.held.contains_key(pin) && pin.package.version != *installed
        })
        .collect()
    }

    /// Returns upgrades that, held as well, leave nothing of `harm`; none of them can be left out.
    /// Returns nothing if holding all of them does not help.
    fn smallest(
        &mut self,
        free: BTreeMap<Pin, DebVersion>,
        harm: &Harm,
    ) -> Result<Option<BTreeMap<Pin, DebVersion>>, String> {
        let mut kept: Vec<(Pin, DebVersion)> = free.into_iter().collect();
        if !self.avoids(&kept, harm)? {
            return Ok(None);
        }
        let mut size = kept.len().div_ceil(2);
        loop {
            let mut at = 0;
            while at < kept.len() && self.goes_on() {
                let end = kept.len().min(at + size);
                let mut fewer = kept.clone();
                fewer.drain(at..end);
                if self.avoids(&fewer, harm)? {
                    kept = fewer;
                } else {
                    at = end;
                }
            }
            if size <= 1 {
                return Ok(Some(kept.into_iter().collect()));
            }
            size = size.div_ceil(2);
        }
    }

    fn goes_on(&self) -> bool {
        self.simulations < MAX_SIMULATIONS && self.solver.has_time()
    }

    /// Returns true when nothing of `harm` remains if these are held as well.
    fn avoids(&mut self, held: &[(Pin, DebVersion)], harm: &Harm) -> Result<bool, String> {
        let pins = held.iter().map(|(pin, _)| pin.clone()).collect();
        let upgrades = self.upgrades(&pins)?;
        let left = self.harm(&upgrades);
        Ok(left.refused.is_disjoint(&harm.refused) && left.removed.is_disjoint(&harm.removed))
    }

    /// Holds these, each for the harm that it alone would do.
    fn hold(&mut self, causes: BTreeMap<Pin, DebVersion>) -> Result<(), String> {
        let all: BTreeSet<Pin> = causes.keys().cloned().collect();
        for (pin, installed) in causes {
            let others = all.iter().filter(|it| **it != pin).cloned().collect();
            let upgrades = self.upgrades(&others)?;
            let Harm { refused, removed } = self.harm(&upgrades);
            let cause = Cause::Needed { refused, removed };
            self.holding.held.insert(pin, Held { installed, cause });
        }
        Ok(())
    }
}

impl fmt::Display for Pin {
    /// Formats it as people ask apt for it, with the architecture that apt keeps it under.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { package, version, .. } = &self.package;
        write!(f, "{package}:{}={version}", self.architecture)
    }
}
