//! An oracle for the judgement: [`specification`] says in other words what `decide` and `assess` must
//! say. It was written from apt-quorum.toml(5), apt-quorum(1) and docs/images.md, and shares no code
//! with the policy. The tests below enumerate **every** world up to a size and compare the two, in
//! the outcome and in the reason with its numbers and names.
//!
//! Sets of rebuilders are bits: 1 is the first, 2 the second, and so on.

use std::collections::{BTreeMap, BTreeSet};

use apt_quorum::attest::{Claim, KeyRing, PinnedKey, WantedFile, verify};
use apt_quorum::deb::examine;
use apt_quorum::policy::{
    Assessment, Basis, Clearance, Decision, Epoch, Evidence, Exception, GroupCount, GroupQuota,
    Listing, Matcher, Mode, Named, OnConflict, Outcome, Place, Policy, Reason, Report, Requirement,
    Rule, Standing, Subject, UnsignedStatus, assess, assess_early, decide, decide_early,
};
use apt_quorum::types::{ArtifactName, PublicKey, RebuilderName, Sha256Digest, Timestamp};

use crate::support::{
    Key, World, answer, attestation, globs, identity, listing, moment, now, rebuilder, threshold,
};

// The specification: what a world is, and what must come of it.

#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    This,
    Another,
    /// This file and another one
    Both,
    /// This file under the name of another package
    Elsewhere,
}

/// A key of a rebuilder: what it signed, and true if it no longer counts.
#[derive(Debug, Clone, Copy)]
struct Signer(Said, bool);

/// From the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Confirms,
    SignedAnother,
    Pending,
    Unreachable,
    Rejected,
    Says,
    Unknown,
    NotAsked,
}

/// A rebuilder: its keys, and what its endpoints answered.
#[derive(Debug, Clone, Copy)]
struct Party {
    keys: [Option<Signer>; 2],
    heard: [Option<Kind>; 2],
    pending: bool,
}

#[derive(Debug, Clone, Copy)]
struct Need {
    threshold: u32,
    counted: u8,
    required: u8,
    groups: [Option<(u32, u8)>; 2],
    refuse: bool,
}

/// Conditions; of each whether it names what the package is, or something else.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct When {
    package: Option<bool>,
    version: Option<bool>,
    source: Option<bool>,
    site: Option<bool>,
    sha256: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    TwoReadings,
    NoPackage,
    Changeable,
    AnotherAskedFor,
}

/// What is judged. If it is only `named`, its epoch and its source may be unknown.
#[derive(Debug, Clone, Copy)]
struct Package {
    named: bool,
    epoch: bool,
    source: bool,
    listed: bool,
    unhashed: bool,
    fault: Fault,
}

#[derive(Debug, Clone, Copy)]
struct Judged<'w> {
    parties: &'w [Party],
    package: Package,
    rules: &'w [(When, Need)],
    default: Option<Need>,
    /// With true if it is still in force
    exceptions: &'w [(When, bool)],
    warn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Why {
    NotAPackage,
    Changeable,
    AnotherAskedFor,
    NoRebuilders,
    Conflict { by: u8 },
    NotConfirmed { confirmed: u32, needed: u32, missing: u8, groups: [Option<(u32, u32)>; 2] },
    Undetermined { confirmed: u32, needed: u32, silent: u8, groups: [Option<(u32, u32)>; 2] },
}

impl Fault {
    const fn why(self) -> Option<Why> {
        match self {
            Self::None => None,
            Self::TwoReadings | Self::NoPackage => Some(Why::NotAPackage),
            Self::Changeable => Some(Why::Changeable),
            Self::AnotherAskedFor => Some(Why::AnotherAskedFor),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Passes {
    Confirmed,
    Excepted(usize),
    Warned,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    passes: Passes,
    why: Option<Why>,
    rule: Option<usize>,
    expired: Option<usize>,
    unhashed: Option<usize>,
    kinds: [Option<Kind>; 4],
}

/// "Every given key must match." None: nothing trustworthy tells.
fn applies(when: When, package: Package) -> Option<bool> {
    let all = [
        when.package.map(Some),
        when.sha256.map(Some),
        when.site.map(|it| Some(it && package.listed)),
        when.version.map(|it| package.epoch.then_some(it)),
        when.source.map(|it| package.source.then_some(it)),
    ];
    let has = |wanted| all.iter().flatten().any(|it| *it == wanted);
    if has(Some(false)) { Some(false) } else { (!has(None)).then_some(true) }
}

/// A key no longer counts from its end on.
fn signed(party: &Party, what: Said) -> bool {
    let mut good = party.keys.iter().flatten().filter(|Signer(_, over)| !over);
    good.any(|Signer(said, _)| *said == what || *said == Said::Both)
}

/// "A rebuilder confirms it if one of its keys signed this SHA-256." Of several kinds, it has the first
/// in the manual's order.
fn kind(party: &Party) -> Kind {
    match () {
        () if signed(party, Said::This) => Kind::Confirms,
        () if signed(party, Said::Another) => Kind::SignedAnother,
        () if party.pending => Kind::Pending,
        () => party.heard.iter().flatten().min().copied().unwrap_or(Kind::NotAsked),
    }
}

/// "The threshold and every group must be met", and the required must be among those who confirm.
fn unmet(need: Need, votes: u8, another: u8, silent: u8) -> Option<Why> {
    let Need { threshold: needed, counted, required, groups, refuse } = need;
    let count = |who: u8, within: u8| (who & counted & within).count_ones();
    let lack =
        |who| groups.map(|it| it.map(|(k, of)| (count(who, of), k)).filter(|it| it.0 < it.1));
    let met = |who: u8| count(who, !0) >= needed && required & !who == 0 && lack(who) == [None; 2];
    let (confirmed, groups) = (count(votes, !0), lack(votes));
    match () {
        () if refuse && another != 0 => Some(Why::Conflict { by: another }),
        () if met(votes) => None,
        () if met(votes | silent) => {
            Some(Why::Undetermined { confirmed, needed, silent: silent & counted, groups })
        }
        () => Some(Why::NotConfirmed { confirmed, needed, missing: required & !votes, groups }),
    }
}

fn specification(judged: &Judged<'_>) -> Told {
    let Judged { parties, package, rules, default, exceptions, warn } = *judged;
    let bits = |test: &dyn Fn(&Party) -> bool| {
        (0..parties.len()).filter(|at| test(&parties[*at])).map(|at| 1 << at).sum::<u8>()
    };
    let votes = bits(&|it| kind(it) == Kind::Confirms);
    let another = bits(&|it| signed(it, Said::Another));
    let silent = bits(&|it| matches!(kind(it), Kind::Unreachable | Kind::Pending));
    // "The first rule that matches, or the default"; but "every rule that could" match must be met.
    let (mut why, mut rule, mut open) = (package.fault.why(), None, package.fault == Fault::None);
    for (at, (when, need)) in rules.iter().enumerate() {
        let applies = applies(*when, package);
        if open && applies != Some(false) {
            (rule, why) = (Some(at), unmet(*need, votes, another, silent));
            open = applies.is_none() && why.is_none();
        }
    }
    if open {
        let default = default.map(|need| unmet(need, votes, another, silent));
        (rule, why) = (None, default.unwrap_or(Some(Why::NoRebuilders)));
    }
    // "An exception is used only for a package that is not confirmed."
    let helps = |when: When, package: Package| match why {
        None | Some(Why::Changeable | Why::AnotherAskedFor) => false,
        Some(Why::NotAPackage) => package.fault == Fault::TwoReadings && when == BYTES,
        Some(Why::Conflict { .. }) if when.sha256.is_none() => false,
        Some(_) => {
            applies(when, package) == Some(true) && (when.sha256.is_some() || package.listed)
        }
    };
    let first = |in_force: bool, package: Package| {
        exceptions.iter().position(|it| it.1 == in_force && helps(it.0, package))
    };
    let (used, expired) = (first(true, package), first(false, package));
    let would = Package { listed: true, ..package };
    let unhashed = if package.unhashed && !package.listed { first(true, would) } else { None };
    let judged = |at: usize| parties.get(at).map(kind).filter(|_| package.fault == Fault::None);
    Told {
        passes: match (why, used) {
            (None, _) => Passes::Confirmed,
            (Some(_), Some(at)) => Passes::Excepted(at),
            (Some(_), None) if warn && !package.named => Passes::Warned,
            (Some(_), None) => Passes::No,
        },
        why,
        rule,
        expired: expired.filter(|_| used.is_none()),
        unhashed: unhashed.filter(|_| used.is_none()),
        kinds: [0, 1, 2, 3].map(judged),
    }
}

// The worlds: the same as the policy, the evidence and the package that the crates know.

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const GROUPS: [&str; 2] = ["one", "two"];

/// How conditions are written.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// The package by its architecture
    architecture: bool,
    /// The repository by this key, of seven
    key: usize,
    /// What matches no repository by two keys, each of which matches another one
    split: bool,
}

/// Why a key no longer counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Over {
    /// It ends now.
    Ended,
    /// It is a second key, and not configured any more.
    Removed,
    /// It is a second key, and the next rebuilder's now.
    GivenAway,
}

struct Oracle {
    world: World,
    /// Of each rebuilder
    keys: Vec<[PublicKey; 2]>,
    /// Of each rebuilder's key: about this file, about another one, and about this one elsewhere
    claims: Vec<[[Claim; 3]; 2]>,
    over: Over,
    /// Every set of rebuilders
    sets: Vec<BTreeSet<RebuilderName>>,
    form: Form,
    subjects: Vec<(Package, Subject)>,
    named: Vec<(Package, Named)>,
    compared: usize,
}

fn names(bits: u8) -> BTreeSet<RebuilderName> {
    let chosen = NAMES.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, name)| rebuilder(name)).collect()
}

fn bits<'a>(names: impl IntoIterator<Item = &'a RebuilderName>) -> u8 {
    let at = |name: &RebuilderName| NAMES.iter().position(|it| *it == name.as_str()).unwrap();
    names.into_iter().map(|name| 1 << at(name)).fold(0, |all, bit| all | bit)
}

fn requirement(need: Need) -> Requirement {
    let Need { threshold: count, counted, required, groups, refuse } = need;
    let quota = |(k, of): (u32, u8)| {
        let threshold = threshold(k.try_into().unwrap());
        GroupQuota { threshold, members: names(of) }
    };
    let groups = GROUPS
        .iter()
        .zip(groups)
        .filter_map(|(name, group)| group.map(|group| (name.parse().unwrap(), quota(group))));
    let conflict = if refuse { OnConflict::Refuse } else { OnConflict::Warn };
    let threshold = threshold(count.try_into().unwrap());
    Requirement::new(threshold, names(counted), names(required), groups.collect(), conflict)
        .unwrap()
}

fn outcome(heard: Kind, other: bool) -> Outcome {
    let why = || "why".to_owned();
    match (heard, other) {
        (Kind::Unreachable, false) => Outcome::Unreachable { why: why() },
        (Kind::Unreachable, true) => Outcome::Malformed { why: why() },
        (Kind::Rejected, _) => {
            let attestation = Sha256Digest::of(b"attestation");
            Outcome::Rejected { code: why(), why: why(), attestation }
        }
        (Kind::Says, false) => Outcome::NoAttestation { status: UnsignedStatus::Good, more: None },
        (Kind::Says, true) => Outcome::NoAttestation { status: UnsignedStatus::Bad, more: None },
        (Kind::Unknown, false) => Outcome::Unknown,
        (Kind::Unknown, true) => Outcome::Attestations { count: 1 },
        (other, _) => panic!("{other:?} is no answer"),
    }
}

impl Oracle {
    fn new() -> Self {
        let mut world = World::new(&NAMES);
        for keys in world.keys.values_mut() {
            keys.push(Key::new());
        }
        let other = identity("hello 2.10-4 amd64").artifact_name();
        let (this, another) = (world.file.sha256(), Sha256Digest::of(b"other bytes"));
        let (artifact, ring) = (world.identity.artifact_name(), world.ring());
        let claim = |key: &Key, artifact: &ArtifactName, sha256| {
            let bytes = attestation(artifact.as_str(), sha256, &[key]);
            let wanted = WantedFile { artifact, sha256: Some(this) };
            verify(&bytes, &ring, wanted, now()).unwrap().remove(0)
        };
        let of_key = |key: &Key| {
            [(&artifact, this), (&artifact, another), (&other, this)]
                .map(|(artifact, sha256)| claim(key, artifact, sha256))
        };
        let of_party = |name: &&str| [0, 1].map(|at| of_key(&world.keys[*name][at]));
        let claims = NAMES.iter().map(of_party).collect();
        let subjects = subjects(&world);
        let named = named(&world);
        let public = |name: &&str| [0, 1].map(|at| world.keys[*name][at].public());
        let keys = NAMES.iter().map(public).collect();
        Self {
            world,
            keys,
            claims,
            over: Over::Ended,
            form: Form { architecture: false, key: 5, split: false },
            sets: (0..16).map(names).collect(),
            subjects,
            named,
            compared: 0,
        }
    }

    fn matcher(&self, when: When) -> Matcher {
        let pattern = |it: Option<bool>, right, wrong| {
            it.and_then(|it| globs(&[if it { right } else { wrong }]))
        };
        let other = Sha256Digest::of(b"bytes of nothing");
        let files = vec![
            self.world.file.sha256(),
            Sha256Digest::of(TWO_READINGS),
            Sha256Digest::of(NO_PACKAGE),
        ];
        let mut matcher = Matcher {
            version: pattern(when.version, "2.10-?", "3*"),
            source: pattern(when.source, "hello", "goodbye"),
            sha256: when.sha256.map(|it| if it { files.clone() } else { vec![other] }),
            ..Matcher::default()
        };
        match self.form.architecture {
            false => matcher.package = pattern(when.package, "hel*", "goodbye"),
            true => matcher.architecture = pattern(when.package, "amd64", "arm64"),
        }
        let Form { key, split, .. } = self.form;
        match when.site {
            None => {}
            Some(true) => repository(&mut matcher, key, &listing()),
            Some(false) if split => {
                repository(&mut matcher, key, &listing());
                repository(&mut matcher, (key + 1) % 7, &elsewhere());
            }
            Some(false) => repository(&mut matcher, key, &nowhere()),
        }
        matcher
    }

    fn policy(&self, judged: &Judged<'_>) -> Policy {
        let Judged { parties, rules, default, exceptions, warn, .. } = *judged;
        let mut keys = Vec::new();
        for (at, party) in parties.iter().enumerate() {
            for (nth, (key, signer)) in self.keys[at].iter().zip(party.keys).enumerate() {
                let Some(Signer(_, over)) = signer else { continue };
                let why = if nth == 1 && over { self.over } else { Over::Ended };
                let (not_after, owner) = match why {
                    Over::Removed => continue,
                    Over::GivenAway => (None, (at + 1) % parties.len()),
                    // The end is the first moment without it. Most keys have none.
                    Over::Ended if over => (Some(now()), at),
                    Over::Ended => ((at == 0).then(later), at),
                };
                let rebuilder = rebuilder(NAMES[owner]);
                keys.push(PinnedKey { rebuilder, key: key.clone(), not_after });
            }
        }
        let place = |at| Place { file: "policy.toml".to_owned(), line: at + 1 };
        let rules = rules.iter().enumerate().map(|(at, (when, need))| Rule {
            place: place(at),
            matcher: self.matcher(*when),
            requirement: requirement(*need),
            reason: None,
        });
        let exceptions = exceptions.iter().enumerate().map(|(at, (when, in_force))| {
            let end = if *in_force { later() } else { now() };
            Exception::new(place(at), self.matcher(*when), "why".to_owned(), end)
        });
        let mode = if warn { Mode::Warn } else { Mode::Enforce };
        let all = names(u8::try_from((1 << parties.len()) - 1).unwrap());
        let (default, keys) = (default.map(requirement), KeyRing::new(keys).unwrap());
        Policy::new(mode, all, keys, default, rules.collect(), exceptions.collect()).unwrap()
    }

    fn evidence(&self, parties: &[Party]) -> Evidence {
        let mut evidence = Evidence::default();
        for (at, party) in parties.iter().enumerate() {
            for (key, signer) in party.keys.iter().enumerate() {
                let [this, another, elsewhere] = &self.claims[at][key];
                match signer {
                    None | Some(Signer(Said::Nothing, _)) => {}
                    Some(Signer(Said::This, _)) => evidence.claims.push(this.clone()),
                    Some(Signer(Said::Elsewhere, _)) => evidence.claims.push(elsewhere.clone()),
                    Some(Signer(Said::Another, _)) => evidence.claims.push(another.clone()),
                    Some(Signer(Said::Both, _)) => {
                        evidence.claims.extend([another.clone(), this.clone()]);
                    }
                }
            }
            for (endpoint, heard) in party.heard.iter().enumerate() {
                let outcome = heard.map(|heard| outcome(heard, endpoint == 1));
                evidence.answers.extend(outcome.map(|outcome| answer(NAMES[at], outcome)));
            }
            evidence.pending.extend(party.pending.then(|| rebuilder(NAMES[at])));
        }
        evidence
    }

    /// Compares what is told of one world, for these packages.
    fn compare(&mut self, judged: &Judged<'_>, policy: &Policy, evidence: &Evidence, of: &[usize]) {
        for &at in of {
            let (package, told) = match at.checked_sub(self.subjects.len()) {
                None => {
                    let (package, subject) = &self.subjects[at];
                    let decision = decide(policy, subject, evidence, now());
                    let told = told(&decision);
                    assert_eq!(Clearance::of(vec![decision]).is_ok(), told.passes != Passes::No);
                    (*package, told)
                }
                Some(at) => {
                    let (package, named) = &self.named[at];
                    (*package, assessed(&assess(policy, named, evidence, now())))
                }
            };
            let judged = Judged { package, ..*judged };
            assert_eq!(told, specification(&judged), "{judged:#?}");
            self.compared += 1;
        }
    }

    /// The numbers of the packages that are named, after those that are files.
    fn all_named(&self) -> Vec<usize> {
        (0..self.named.len()).map(|at| at + self.subjects.len()).collect()
    }
}

/// Another repository that offers the file.
fn elsewhere() -> Listing {
    let text = || "elsewhere".to_owned();
    Listing {
        origin: text(),
        label: text(),
        suite: text(),
        codename: text(),
        component: text(),
        site: text(),
        signed_by: vec!["2".repeat(40).parse().unwrap()],
    }
}

/// One that does not.
fn nowhere() -> Listing {
    let text = || "nowhere".to_owned();
    Listing {
        origin: text(),
        label: text(),
        suite: text(),
        codename: text(),
        component: text(),
        site: text(),
        signed_by: vec!["3".repeat(40).parse().unwrap()],
    }
}

/// Adds what this repository says under one of its keys.
fn repository(matcher: &mut Matcher, key: usize, of: &Listing) {
    let is = |text: &String| globs(&[text]);
    match key {
        0 => matcher.origin = is(&of.origin),
        1 => matcher.label = is(&of.label),
        2 => matcher.suite = is(&of.suite),
        3 => matcher.codename = is(&of.codename),
        4 => matcher.component = is(&of.component),
        5 => matcher.site = is(&of.site),
        _ => matcher.signed_by = Some(of.signed_by.clone()),
    }
}

fn later() -> Timestamp {
    moment("2026-06-01T12:00:01Z")
}

const FILE: Package = Package {
    named: false,
    epoch: true,
    source: true,
    listed: false,
    unhashed: false,
    fault: Fault::None,
};

const TWO_READINGS: &[u8] = b"!<arch>\n";
const NO_PACKAGE: &[u8] = b"";

/// The file that is not listed comes first. All others with every kind of listing.
fn subjects(world: &World) -> Vec<(Package, Subject)> {
    let mut all = Vec::new();
    for (fault, bytes, changeable) in [
        (Fault::None, None, false),
        (Fault::TwoReadings, Some(TWO_READINGS), false),
        (Fault::NoPackage, Some(NO_PACKAGE), false),
        (Fault::Changeable, None, true),
        (Fault::AnotherAskedFor, None, false),
        // Whose bytes others could replace, no exception for its bytes helps.
        (Fault::NoPackage, Some(TWO_READINGS), true),
    ] {
        for (listed, unhashed) in [(false, false), (true, false), (false, true), (true, true)] {
            let file = bytes.map_or_else(|| world.file.clone(), |it| examine(it).unwrap());
            let asked = match fault {
                Fault::AnotherAskedFor => "hello 2.10-4 amd64",
                _ => "hello 2.10-3 amd64",
            };
            let asked = (fault == Fault::AnotherAskedFor || listed).then(|| identity(asked));
            let of = |it: bool| if it { vec![listing(), elsewhere()] } else { Vec::new() };
            let subject = match unhashed {
                false => Subject::new(file, asked, of(listed)),
                true => Subject::new(file, None, of(listed)).requested_as(asked.map(Into::into)),
            };
            let subject = subject.listed_without_hash(of(unhashed));
            let subject = match changeable {
                true => subject.that_others_can_change("why".to_owned()),
                false => subject,
            };
            all.push((Package { listed, unhashed, fault, ..FILE }, subject));
        }
    }
    all
}

fn named(world: &World) -> Vec<(Package, Named)> {
    let mut all = Vec::new();
    for at in 0..8 {
        let [epoch, source, listed] = [0, 1, 2].map(|bit| at >> bit & 1 == 1);
        let identity = world.identity.clone();
        let named = Named {
            source: source.then(|| ("hello".parse().unwrap(), identity.version.clone())),
            identity,
            epoch: if epoch { Epoch::Known } else { Epoch::Told },
            sha256: world.file.sha256(),
            listings: if listed { vec![elsewhere(), listing()] } else { Vec::new() },
        };
        all.push((Package { named: true, epoch, source, listed, ..FILE }, named));
    }
    all
}

// What the crates say, in the words of the specification.

fn told(decision: &Decision) -> Told {
    let report = decision.report().unwrap();
    match decision {
        Decision::Refuse(refusal) => of_report(report, Passes::No, Some(&refusal.reason)),
        Decision::Admit(admit) => match admit.basis() {
            Basis::Quorum => of_report(report, Passes::Confirmed, None),
            Basis::WarnMode { otherwise } => of_report(report, Passes::Warned, Some(otherwise)),
            Basis::Exception { exemption, otherwise } => {
                let passes = Passes::Excepted(exemption.place.line - 1);
                of_report(report, passes, Some(otherwise))
            }
        },
    }
}

fn assessed(assessment: &Assessment) -> Told {
    match assessment {
        Assessment::Confirmed { report } => of_report(report, Passes::Confirmed, None),
        Assessment::Excepted { exemption, otherwise, report } => {
            of_report(report, Passes::Excepted(exemption.place.line - 1), Some(otherwise))
        }
        Assessment::Unconfirmed { reason, report } => of_report(report, Passes::No, Some(reason)),
    }
}

fn of_report(report: &Report, passes: Passes, reason: Option<&Reason>) -> Told {
    let at = |place: &Place| place.line - 1;
    let mut kinds = [None; 4];
    for (name, standing) in &report.standings {
        kinds[usize::from(name.as_str().as_bytes()[0] - b'a')] = Some(match standing {
            Standing::Confirms => Kind::Confirms,
            Standing::SignedAnother { .. } => Kind::SignedAnother,
            Standing::Pending => Kind::Pending,
            Standing::Unreachable { .. } => Kind::Unreachable,
            Standing::Rejected { .. } => Kind::Rejected,
            Standing::Says { .. } => Kind::Says,
            Standing::Unknown => Kind::Unknown,
            Standing::NotAsked => Kind::NotAsked,
        });
    }
    Told {
        passes,
        why: reason.map(why),
        rule: report.rule.as_ref().map(at),
        expired: report.expired_exception.as_ref().map(|it| at(&it.place)),
        unhashed: report.unhashed_exception.as_ref().map(|it| at(&it.place)),
        kinds,
    }
}

fn why(reason: &Reason) -> Why {
    let number = |count: &usize| u32::try_from(*count).unwrap();
    let lacking = |groups: &[GroupCount]| {
        let of = |name: &str| groups.iter().find(|it| it.group.as_str() == name);
        GROUPS.map(|name| of(name).map(|it| (number(&it.confirmed), it.needed.count())))
    };
    match reason {
        Reason::NotAPackage(_) => Why::NotAPackage,
        Reason::Changeable { .. } => Why::Changeable,
        Reason::NotWhatWasAskedFor { .. } => Why::AnotherAskedFor,
        Reason::NoRebuilders => Why::NoRebuilders,
        Reason::Conflict { rebuilders } => Why::Conflict { by: bits(rebuilders) },
        Reason::NotConfirmed { confirmed, needed, missing, groups } => Why::NotConfirmed {
            confirmed: number(confirmed),
            needed: *needed,
            missing: bits(missing),
            groups: lacking(groups),
        },
        Reason::CouldNotFindOut { confirmed, needed, silent, groups } => Why::Undetermined {
            confirmed: number(confirmed),
            needed: *needed,
            silent: bits(silent),
            groups: lacking(groups),
        },
        other => panic!("{other:?} needs no judgement"),
    }
}

// The enumeration. A number stands for a choice; every number is tried.

/// Every choice of one number below each of these.
fn every(below: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let below = below.to_vec();
    (0..below.iter().product()).map(move |mut number| {
        let digit = |radix: &usize| {
            let digit = number % radix;
            number /= radix;
            digit
        };
        below.iter().map(digit).collect()
    })
}

const NOBODY: Party = Party { keys: [None; 2], heard: [None; 2], pending: false };

/// With one key that is in force, and one answer.
const fn party(said: Said, heard: Option<Kind>) -> Party {
    Party { keys: [Some(Signer(said, false)), None], heard: [heard, None], ..NOBODY }
}

const DENIES: Party = party(Said::Nothing, Some(Kind::Unknown));
const VOTES: Party = party(Said::This, None);
const CONTRADICTS: Party = party(Said::Another, None);
const SILENT: Party = party(Said::Nothing, Some(Kind::Unreachable));
const VOTES_TWICE: Party = party(Said::Both, Some(Kind::Unreachable));
const PENDING: Party = Party { pending: true, ..DENIES };

/// Every way in which a group can be counted: so many of these, in as many as count.
fn quotas(all: u8, counted: u8) -> Vec<(u32, u8)> {
    let quotas = |of: u8| (1..=(of & counted).count_ones()).map(move |k| (k, of));
    (1..=all).flat_map(quotas).collect()
}

/// Every requirement over the rebuilders `all`, with up to so many groups.
fn needs(all: u8, most_groups: usize) -> Vec<Need> {
    let mut needs = Vec::new();
    for counted in 1..=all {
        let mut choices = vec![[None; 2]];
        let quotas = quotas(all, counted);
        for (at, one) in quotas.iter().enumerate() {
            choices.extend((most_groups > 0).then_some([Some(*one), None]));
            // The two have names, which the messages show in their order and nothing else goes by.
            let others = if most_groups > 1 { &quotas[at..] } else { &[] };
            choices.extend(others.iter().map(|two| [Some(*one), Some(*two)]));
        }
        for required in (0..=all).filter(|it| it & !counted == 0) {
            for threshold in 1..=counted.count_ones() {
                for (groups, refuse) in choices.iter().flat_map(|it| [(*it, false), (*it, true)]) {
                    needs.push(Need { threshold, counted, required, groups, refuse });
                }
            }
        }
    }
    needs
}

const fn need(threshold: u32, counted: u8, required: u8, refuse: bool) -> Need {
    Need { threshold, counted, required, groups: [None; 2], refuse }
}

/// Parties that are told apart by the numbers of their states. Of those that differ only in who is
/// who, all or one.
fn lists_of(states: &[Party], count: usize, sorted: bool) -> Vec<Vec<Party>> {
    every(&vec![states.len(); count])
        .filter(|choice| !sorted || choice.is_sorted())
        .map(|choice| choice.into_iter().map(|at| states[at]).collect())
        .collect()
}

impl Oracle {
    /// Every requirement with each of these lists of rebuilders.
    fn count(&mut self, needs: &[Need], lists: &[Vec<Party>]) {
        let evidence: Vec<_> = lists.iter().map(|parties| self.evidence(parties)).collect();
        for need in needs {
            let judged = |parties| Judged {
                parties,
                package: FILE,
                rules: &[],
                default: Some(*need),
                exceptions: &[],
                warn: false,
            };
            let policy = self.policy(&judged(&lists[0]));
            self.helpers(&policy, &judged(&lists[0]));
            for (parties, evidence) in lists.iter().zip(&evidence) {
                self.compare(&judged(parties), &policy, evidence, &[0]);
            }
        }
    }

    /// Every pair of rebuilders with these keys and answers, under each requirement.
    fn pairs(&mut self, saids: &[Said], heard: &[Option<Kind>], pending: &[bool]) {
        let signers: Vec<_> =
            saids.iter().flat_map(|said| [Signer(*said, false), Signer(*said, true)]).collect();
        let mut states: BTreeMap<[Option<bool>; 2], Vec<Party>> = BTreeMap::new();
        for it in every(&[signers.len(), signers.len() + 1, heard.len(), pending.len()]) {
            let keys = [signers.get(it[0]).copied(), signers.get(it[1]).copied()];
            let party = Party { keys, heard: [heard[it[2]], None], pending: pending[it[3]] };
            let pinned = keys.map(|key| key.map(|Signer(_, over)| over));
            states.entry(pinned).or_default().push(party);
        }
        // Rebuilders with the same keys, in force and over, have the same policy.
        let states: Vec<_> = states.into_values().collect();
        for (first, second) in states.iter().flat_map(|it| states.iter().map(move |two| (it, two)))
        {
            let pairs = first.iter().flat_map(|one| second.iter().map(|two| vec![*one, *two]));
            self.count(&needs(0b11, 0), &pairs.collect::<Vec<_>>());
        }
    }
}

impl Oracle {
    /// What the policy tells those who ask and wait: as the requirements of the world say.
    fn helpers(&self, policy: &Policy, judged: &Judged<'_>) {
        let needs: Vec<Need> = judged.rules.iter().map(|it| it.1).chain(judged.default).collect();
        let met = |need: &Need, votes: u8| unmet(*need, votes, 0, 0).is_none();
        let all = (1 << judged.parties.len()) - 1;
        assert_eq!(policy.minds_conflicts(), needs.iter().any(|it| it.refuse), "{judged:?}");
        // Indexes are read for conditions about repositories, and for exceptions that are not bound to
        // the bytes; who signed them is looked up for signed_by.
        let of_rules = judged.rules.iter().any(|it| it.0.site.is_some());
        let of_exceptions = judged.exceptions.iter().map(|it| it.0);
        let by_name = of_exceptions.clone().any(|it| it.sha256.is_none());
        let repositories = of_rules || of_exceptions.clone().any(|it| it.site.is_some());
        assert_eq!(policy.needs_listings(), repositories || by_name, "{judged:?}");
        let whens = judged.rules.iter().map(|it| it.0).chain(of_exceptions);
        let signers = whens.filter_map(|it| it.site).any(|right| {
            let Form { key, split, .. } = self.form;
            key == 6 || (key == 5 && split && !right)
        });
        assert_eq!(policy.needs_signers(), signers, "{judged:?}");
        for votes in 0..=all {
            let confirming = &self.sets[usize::from(votes)];
            let enough = needs.iter().all(|it| !it.refuse && met(it, votes));
            assert_eq!(
                policy.is_met_by_every_rule(&confirming.iter().collect()),
                enough,
                "{judged:?}"
            );
        }
        for (at, name) in NAMES.iter().enumerate().take(judged.parties.len()) {
            let needed = needs.iter().any(|it| !met(it, all & !(1 << at)));
            assert_eq!(policy.needs(&rebuilder(name)), needed, "{judged:?}");
        }
    }
}

/// One rebuilder with one key or two, each of them in force or over, having signed this file,
/// another one, both or nothing; with no, one or two endpoints and all that these can answer.
#[test]
fn all_that_one_rebuilder_can_say() {
    let mut oracle = Oracle::new();
    let saids = [Said::Nothing, Said::This, Said::Another, Said::Both, Said::Elsewhere];
    let heard = [
        None,
        Some(Kind::Unreachable),
        Some(Kind::Rejected),
        Some(Kind::Says),
        Some(Kind::Unknown),
    ];
    let signer = |at: usize| saids.get(at / 2).map(|said| Signer(*said, at % 2 == 1));
    for it in every(&[10, 11, 5, 5, 2]) {
        let keys = [signer(it[0]), signer(it[1])];
        let party = Party { keys, heard: [heard[it[2]], heard[it[3]]], pending: it[4] == 1 };
        oracle.count(&needs(0b1, 1), &[vec![party]]);
    }
    assert_eq!(oracle.compared, 10 * 11 * 50 * 8);
}

/// Two rebuilders with their keys, and every requirement over the two.
#[test]
fn all_pairs_of_rebuilders_and_their_keys() {
    let mut oracle = Oracle::new();
    let saids = [Said::Nothing, Said::This, Said::Another];
    oracle.pairs(&saids, &[None, Some(Kind::Unreachable)], &[false]);
    for over in [Over::Removed, Over::GivenAway] {
        oracle.over = over;
        oracle.pairs(&saids, &[None], &[false]);
    }
    assert_eq!(oracle.compared, (84 * 84 + 2 * 42 * 42) * 24);
}

/// Three rebuilders in every state, of which it does not matter who is who, and every requirement
/// over them with up to two groups.
#[test]
fn all_requirements_over_three_rebuilders() {
    let mut oracle = Oracle::new();
    let states = [DENIES, VOTES, CONTRADICTS, SILENT, VOTES_TWICE];
    oracle.count(&needs(0b111, 2), &lists_of(&states, 3, true));
    assert_eq!(oracle.compared, 35 * 3354 * 2);
}

/// Four rebuilders that confirm, deny or are silent, of which it does not matter who is who, and every
/// requirement over them with up to one group.
#[test]
fn all_requirements_over_four_rebuilders() {
    let mut oracle = Oracle::new();
    let states = [DENIES, VOTES, SILENT];
    oracle.count(&needs(0b1111, 1), &lists_of(&states, 4, true));
    assert_eq!(oracle.compared, 15 * 5400 * 2);
}

const NONE: When = When { package: None, version: None, source: None, site: None, sha256: None };
const PACKAGE: When = When { package: Some(true), ..NONE };
const OTHER: When = When { package: Some(false), ..NONE };
const VERSION: When = When { version: Some(true), ..NONE };
const OTHER_VERSION: When = When { version: Some(false), ..NONE };
const SOURCE: When = When { source: Some(true), ..NONE };
const OTHER_SOURCE: When = When { source: Some(false), ..NONE };
const SITE: When = When { site: Some(true), ..NONE };
const OTHER_SITE: When = When { site: Some(false), ..NONE };
const BYTES: When = When { sha256: Some(true), ..NONE };
const OTHER_BYTES: When = When { sha256: Some(false), ..NONE };

/// No item, each item, and every pair of items.
fn up_to_two<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let pairs = items.iter().flat_map(|one| items.iter().map(|two| vec![*one, *two]));
    std::iter::once(Vec::new()).chain(items.iter().map(|it| vec![*it])).chain(pairs).collect()
}

/// Up to two rules with conditions of every kind, for files and for packages of which not all is known.
#[test]
fn all_pairs_of_rules() {
    let mut oracle = Oracle::new();
    let whens = [
        PACKAGE,
        OTHER,
        VERSION,
        OTHER_VERSION,
        SOURCE,
        OTHER_SOURCE,
        SITE,
        OTHER_SITE,
        When { source: Some(false), ..VERSION },
        When { source: Some(true), ..PACKAGE },
    ];
    let needs = [need(1, 0b11, 0, false), need(1, 0b11, 0b10, true), need(2, 0b11, 0, false)];
    let rules: Vec<_> =
        whens.iter().flat_map(|when| needs.iter().map(move |need| (*when, *need))).collect();
    let lists = lists_of(&[DENIES, VOTES, CONTRADICTS, SILENT], 2, false);
    let evidence: Vec<_> = lists.iter().map(|parties| oracle.evidence(parties)).collect();
    // The file, listed or not, and what is only named.
    let of = [&[0, 1][..], &oracle.all_named()].concat();
    for rules in &up_to_two(&rules) {
        for default in [needs[0], needs[2]] {
            let judged = |parties| Judged {
                parties,
                package: FILE,
                rules,
                default: Some(default),
                exceptions: &[],
                warn: false,
            };
            let policy = oracle.policy(&judged(&lists[0]));
            oracle.helpers(&policy, &judged(&lists[0]));
            for (parties, evidence) in lists.iter().zip(&evidence) {
                oracle.compare(&judged(parties), &policy, evidence, &of);
            }
        }
    }
    assert_eq!(oracle.compared, (1 + 30 + 30 * 30) * 2 * 16 * 10);
}

/// Up to two exceptions with conditions of every kind, in force or just over, for files with every fault and
/// every listing, and for packages that are only named; without a rebuilder and with one.
#[test]
fn all_pairs_of_exceptions() {
    let mut oracle = Oracle::new();
    let whens = [
        PACKAGE,
        OTHER,
        VERSION,
        SOURCE,
        SITE,
        BYTES,
        OTHER_BYTES,
        When { site: Some(true), ..PACKAGE },
        When { site: Some(true), ..BYTES },
        When { sha256: Some(true), ..PACKAGE },
    ];
    let exceptions: Vec<_> = whens.iter().flat_map(|it| [(*it, true), (*it, false)]).collect();
    let of: Vec<usize> = (0..oracle.subjects.len()).chain(oracle.all_named()).collect();
    let of_one = [DENIES, VOTES, CONTRADICTS, SILENT].map(|it| vec![it]);
    let mut lists: Vec<_> = every(&[2, 2])
        .map(|it| (Some(need(1, 0b1, 0, it[0] == 1)), it[1] == 1, of_one.to_vec()))
        .collect();
    lists.push((None, true, vec![vec![]]));
    for exceptions in &up_to_two(&exceptions) {
        for (default, warn, lists) in &lists {
            let judged = |parties| Judged {
                parties,
                package: FILE,
                rules: &[],
                default: *default,
                exceptions,
                warn: *warn,
            };
            let policy = oracle.policy(&judged(&lists[0]));
            for parties in lists {
                let evidence = oracle.evidence(parties);
                oracle.compare(&judged(parties), &policy, &evidence, &of);
            }
        }
    }
    assert_eq!(oracle.compared, (1 + 20 + 20 * 20) * (4 * 4 + 1) * 32);
}

/// A rule or an exception with every condition, and with every two; by each key that says it. "All of
/// them must match the same repository."
#[test]
fn all_conditions_in_every_form() {
    let mut oracle = Oracle::new();
    let mut whens = Vec::new();
    for it in every(&[3, 3, 3, 3, 3]) {
        let given = [0, 1, 2, 3, 4].map(|at| (it[at] > 0).then_some(it[at] == 1));
        let [package, version, source, site, sha256] = given;
        if given.iter().flatten().count() <= 2 {
            whens.push(When { package, version, source, site, sha256 });
        }
    }
    let need = |threshold| need(threshold, 0b1, 0, false);
    let of: Vec<usize> = (0..oracle.subjects.len()).chain(oracle.all_named()).collect();
    let forms = every(&[2, 7, 2]).map(|it| (it[0] == 1, it[1], it[2] == 1));
    for (architecture, key, split) in forms {
        oracle.form = Form { architecture, key, split };
        for when in &whens {
            let strict = Need { refuse: true, ..need(1) };
            for (rules, exceptions) in
                [(vec![(*when, strict)], vec![]), (vec![], vec![(*when, true)])]
            {
                for parties in [vec![CONTRADICTS], vec![DENIES]] {
                    let judged = Judged {
                        parties: &parties,
                        package: FILE,
                        rules: &rules,
                        default: Some(need(1)),
                        exceptions: &exceptions,
                        warn: false,
                    };
                    let policy = oracle.policy(&judged);
                    oracle.helpers(&policy, &judged);
                    let evidence = oracle.evidence(&parties);
                    oracle.compare(&judged, &policy, &evidence, &of);
                }
            }
        }
    }
    assert_eq!(oracle.compared, 28 * 51 * 4 * 32);
}

/// A decision before all have answered is what it would be after them, whatever they say; and
/// "if the others are enough, apt-quorum does not wait".
#[test]
fn all_early_decisions_are_final() {
    let oracle = Oracle::new();
    let lists = lists_of(&[DENIES, VOTES, CONTRADICTS, SILENT, PENDING], 3, false);
    let group = |it: Need| Need { groups: [Some((1, 0b110)), None], ..it };
    let mut all: Vec<Need> = every(&[3, 2, 2])
        .map(|it| need(u32::try_from(it[0]).unwrap() + 1, 0b111, u8::from(it[1] == 1), it[2] == 1))
        .collect();
    all.extend(all.clone().into_iter().map(group));
    let files = [0, 4, 8, 12, 16, 20].map(|at| &oracle.subjects[at]);
    let (mut early, mut late, mut futures) = (0, 0, 0);
    for (default, kind) in all.iter().flat_map(|need| (0..4).map(move |kind| (*need, kind))) {
        let rules = [(VERSION, need(1, 0b111, 0, kind & 1 == 1))];
        let judged = |parties, package| Judged {
            parties,
            package,
            rules: if kind < 2 { &[] } else { &rules },
            default: Some(default),
            exceptions: if kind == 1 { &[(BYTES, true)] } else { &[] },
            warn: false,
        };
        let policy = oracle.policy(&judged(&lists[0], FILE));
        for parties in &lists {
            let evidence = oracle.evidence(parties);
            let of_files = files.iter().map(|(package, subject)| {
                (*package, decide_early(&policy, subject, &evidence, now()).as_ref().map(told))
            });
            let of_named = oracle.named.iter().map(|(package, named)| {
                (*package, assess_early(&policy, named, &evidence, now()).as_ref().map(assessed))
            });
            let waits = parties.iter().any(|it| it.pending);
            for (package, found) in of_files.chain(of_named) {
                let judged = judged(parties, package);
                let now = specification(&judged);
                // Of several rules that could apply, the others' are not told.
                let one_rule = package.epoch && package.source;
                let refuses = match now.rule {
                    Some(at) => judged.rules[at].1.refuse,
                    None => default.refuse,
                };
                let enough = now.passes == Passes::Confirmed && !refuses && one_rule;
                let fault = package.fault != Fault::None;
                let Some(found) = found else {
                    assert!(waits && !enough && !fault, "it waits for nothing: {judged:#?}");
                    late += 1;
                    continue;
                };
                assert_eq!(found, now, "{judged:#?}");
                early += 1;
                for parties in all_futures(parties) {
                    let then = specification(&Judged { parties: &parties, ..judged });
                    assert_eq!(then.passes, found.passes, "{parties:?} later than {judged:#?}");
                    futures += 1;
                }
            }
        }
    }
    assert_eq!(early + late, 24 * 4 * 125 * 14);
    assert!(late > 10_000 && futures > 2 * early, "{early} {late} {futures}");
}

/// Every way in which those who have not answered can answer.
fn all_futures(parties: &[Party]) -> Vec<Vec<Party>> {
    let mut all = vec![Vec::new()];
    for party in parties {
        let last = [DENIES, VOTES, CONTRADICTS, SILENT, VOTES_TWICE];
        let last = if party.pending { &last[..] } else { &[*party] };
        let with = |it: &Vec<Party>| -> Vec<Vec<Party>> {
            last.iter().map(|party| [&it[..], &[*party]].concat()).collect()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// The same with more of everything: some minutes.
#[test]
#[ignore = "some minutes: cargo test --release --test core oracle:: -- --ignored"]
fn all_larger_worlds() {
    let mut oracle = Oracle::new();
    let saids = [Said::Nothing, Said::This, Said::Another, Said::Both];
    oracle.pairs(&saids, &[None, Some(Kind::Unreachable), Some(Kind::Says)], &[false, true]);
    assert_eq!(oracle.compared, (72 * 6) * (72 * 6) * 24);
    let states = [DENIES, VOTES, CONTRADICTS, SILENT, VOTES_TWICE];
    oracle.count(&needs(0b111, 2), &lists_of(&states, 3, false));
    let states = [DENIES, VOTES, CONTRADICTS, SILENT];
    oracle.count(&needs(0b1111, 1), &lists_of(&states, 4, false));
    oracle.count(&needs(0b1111, 2), &lists_of(&states, 4, true));
    println!("{} worlds", oracle.compared);
}
