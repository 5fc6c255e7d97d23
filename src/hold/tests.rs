use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Cause, Harm, Holding, Judge, Pin, Solver, Upgrade, plan};
use crate::apt::simulation::Unpacked;
use crate::types::{Architecture, Identity};

/// An apt of few words: each installed package with its version, the versions on offer, and what
/// goes wrong with some of them.
struct Machine {
    native: Architecture,
    /// name, installed, on offer from the best to the worst
    packages: Vec<(&'static str, &'static str, Vec<&'static str>)>,
    /// Upgrading the first without upgrading the second removes the second
    breaks: Vec<(&'static str, &'static str)>,
    /// Upgrading the first installs the second
    needs: Vec<(&'static str, &'static str)>,
    /// apt does what it wants with this one
    deaf: Option<&'static str>,
    asked: usize,
    patience: usize,
}

fn identity(name: &str, version: &str) -> Identity {
    let [package, version, architecture] = [name, version, "amd64"].map(str::to_owned);
    Identity {
        package: package.parse().unwrap(),
        version: version.parse().unwrap(),
        architecture: architecture.parse().unwrap(),
    }
}

impl Machine {
    fn of(packages: &[(&'static str, &'static str, &[&'static str])]) -> Self {
        let packages = packages.iter().map(|(name, old, new)| (*name, *old, new.to_vec()));
        Self {
            native: "amd64".parse().unwrap(),
            packages: packages.collect(),
            breaks: Vec::new(),
            needs: Vec::new(),
            deaf: None,
            asked: 0,
            patience: usize::MAX,
        }
    }
}

impl Solver for Machine {
    fn upgrades(&mut self, pins: &BTreeSet<Pin>) -> Result<Vec<Upgrade>, String> {
        self.asked += 1;
        let is_pinned = |name: &str, version: &str| {
            let package = identity(name, version);
            self.deaf != Some(name) && pins.iter().any(|it| it.package == package)
        };
        let mut upgrade = Upgrade::default();
        for (name, old, new) in &self.packages {
            if let Some(version) = new.iter().find(|it| !is_pinned(name, it)) {
                let replaces = Some(old.parse().unwrap());
                let package = identity(name, version);
                upgrade.unpacked.push(Unpacked { package, is_foreign: false, replaces });
            }
        }
        let goes =
            |name: &str| upgrade.unpacked.iter().any(|it| it.package.package.as_str() == name);
        let removed = self.breaks.iter().filter(|(by, of)| goes(by) && !goes(of));
        upgrade.removed = removed.map(|(_, of)| (*of).to_owned()).collect();
        let new: Vec<_> = self.needs.iter().filter(|(by, _)| goes(by)).collect();
        for (_, name) in new {
            let package = identity(name, "1");
            upgrade.unpacked.push(Unpacked { package, is_foreign: false, replaces: None });
        }
        // A careful way beside the thorough one.
        let careful = Upgrade { removed: BTreeSet::new(), ..upgrade.clone() };
        Ok(vec![careful, upgrade])
    }

    fn has_time(&self) -> bool {
        self.asked < self.patience
    }

    fn native(&self) -> &Architecture {
        &self.native
    }
}

struct Refusing(&'static [&'static str]);

impl Judge for Refusing {
    fn refused(&mut self, packages: &BTreeSet<Identity>) -> BTreeSet<Identity> {
        let bad =
            |it: &&Identity| self.0.contains(&format!("{}={}", it.package, it.version).as_str());
        packages.iter().filter(bad).cloned().collect()
    }
}

fn held(holding: &Holding) -> Vec<String> {
    holding.held.keys().map(|it| format!("{}={}", it.package.package, it.package.version)).collect()
}

#[test]
fn what_is_refused_is_held_and_nothing_else() {
    let mut machine = Machine::of(&[("aa", "1", &["2"]), ("bb", "1", &["2"]), ("cc", "1", &[])]);
    let holding = plan(&mut machine, &mut Refusing(&["bb=2"])).unwrap();
    assert_eq!(held(&holding), ["bb=2"]);
    let held = holding.held.values().next().unwrap();
    assert_eq!((held.installed.as_str(), &held.cause), ("1", &Cause::Refused));
    assert_eq!(machine.asked, 3);
    assert!(holding.without_effect.is_empty(), "{:?}", holding.without_effect);
}

#[test]
fn the_next_best_version_is_judged_in_turn() {
    let mut machine = Machine::of(&[("aa", "1", &["4", "3", "2"])]);
    let holding = plan(&mut machine, &mut Refusing(&["aa=4", "aa=3"])).unwrap();
    assert_eq!(held(&holding), ["aa=3", "aa=4"]);
}

#[test]
fn nothing_is_removed_to_make_room_beside_what_is_held() {
    let many: Vec<(String, &str)> = (0..60).map(|it| (format!("p{it:02}"), "1")).collect();
    let many: Vec<(&'static str, &'static str, &'static [&'static str])> = many
        .into_iter()
        .map(|(name, old)| (&*Box::leak(name.into_boxed_str()), old, &["2"][..]))
        .collect();
    let mut machine = Machine::of(&many);
    machine.breaks = vec![("p17", "p31"), ("p44", "p31")];
    let holding = plan(&mut machine, &mut Refusing(&["p31=2"])).unwrap();
    assert_eq!(held(&holding), ["p17=2", "p31=2", "p44=2"]);
    assert!(holding.remaining.is_none());
    let causes: BTreeMap<String, Cause> = holding
        .held
        .into_iter()
        .map(|(pin, it)| (pin.package.package.to_string(), it.cause))
        .collect();
    let removed = BTreeSet::from(["p31".to_owned()]);
    assert_eq!(causes["p17"], Cause::Needed { refused: BTreeSet::new(), removed });
    assert_eq!(causes["p31"], Cause::Refused);
    assert!(machine.asked < 60, "{}", machine.asked);
}

/// More is held than would have to be, and nothing less.
#[test]
fn who_has_no_time_to_look_for_fewer_holds_more() {
    let mut machine = Machine::of(&[("aa", "1", &["2"]), ("bb", "1", &["2"]), ("cc", "1", &["2"])]);
    machine.breaks = vec![("cc", "bb")];
    machine.patience = 4;
    let holding = plan(&mut machine, &mut Refusing(&["bb=2"])).unwrap();
    assert_eq!(held(&holding), ["aa=2", "bb=2", "cc=2"]);
}

#[test]
fn what_an_upgrade_would_remove_anyway_is_no_harm() {
    let mut machine = Machine::of(&[("aa", "1", &["2"]), ("bb", "1", &["2"]), ("old", "1", &[])]);
    machine.breaks = vec![("aa", "old")];
    let holding = plan(&mut machine, &mut Refusing(&["bb=2"])).unwrap();
    assert_eq!(held(&holding), ["bb=2"]);
}

#[test]
fn an_upgrade_that_needs_a_refused_new_package_is_held_and_not_the_new_one() {
    let mut machine = Machine::of(&[("aa", "1", &["2"]), ("bb", "1", &["2"]), ("cc", "1", &["2"])]);
    machine.needs = vec![("bb", "new")];
    let holding = plan(&mut machine, &mut Refusing(&["new=1"])).unwrap();
    assert_eq!(held(&holding), ["bb=2"]);
    let refused = BTreeSet::from([identity("new", "1")]);
    let cause = &holding.held.values().next().unwrap().cause;
    assert_eq!(*cause, Cause::Needed { refused, removed: BTreeSet::new() });
}

#[test]
fn what_no_pin_moves_is_told() {
    let mut machine = Machine::of(&[("aa", "1", &["2"]), ("bb", "2", &["2"]), ("cc", "1", &["2"])]);
    machine.deaf = Some("aa");
    let holding = plan(&mut machine, &mut Refusing(&["aa=2", "bb=2"])).unwrap();
    let without = holding.without_effect.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(without, ["aa:amd64=2"]);
    // The installed version is never pinned.
    assert_eq!(Vec::from_iter(holding.beyond_pins), ["bb 2 amd64"]);
    // Nothing can be held that would help.
    let mut machine = Machine::of(&[("aa", "1", &["2"])]);
    machine.needs = vec![("aa", "new")];
    machine.deaf = Some("aa");
    let holding = plan(&mut machine, &mut Refusing(&["new=1"])).unwrap();
    let refused = BTreeSet::from([identity("new", "1")]);
    assert_eq!(holding.remaining, Some(Harm { refused, removed: BTreeSet::new() }));
}
