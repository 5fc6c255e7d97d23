//! The one function that decides, and what it comes to for packages that are only named.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Admit, Assessment, Basis, Decision, Reason, Refusal, Report, Standing};
use super::evidence::{Evidence, Outcome};
use super::requirement::{OnConflict, Requirement};
use super::rule::{Applies, Exception, Rule};
use super::subject::{Epoch, Facts, Named, Subject};
use super::{Mode, Policy};
use crate::attest::Claim;
use crate::deb::DebError;
use crate::types::{RebuilderName, Timestamp};

/// Judges `subject` by `policy` and by what was found out about it. Endpoints that have not
/// answered yet count as silent.
pub fn decide(policy: &Policy, subject: &Subject, evidence: &Evidence, now: Timestamp) -> Decision {
    let (basis, report) = match look_at(policy, subject, evidence, now) {
        Weighed::Met(report) => (Basis::Quorum, report),
        Weighed::Unmet { reason: otherwise, report, exception: Some(exception) } => {
            (Basis::Exception { exemption: exception.exemption.clone(), otherwise }, report)
        }
        Weighed::Unmet { reason: otherwise, report, exception: None } => match policy.mode() {
            Mode::Warn => (Basis::WarnMode { otherwise }, report),
            Mode::Enforce => {
                let (subject, report) = (Some(subject.clone()), Some(report));
                return Decision::Refuse(Refusal { subject, reason: otherwise, report });
            }
        },
    };
    Decision::Admit(Admit { subject: subject.clone(), basis, report })
}

/// Assesses a package whose file is not here, by the policy and the evidence. The result lets
/// nothing pass, because this program did not compute the hash. The mode does not matter.
#[must_use]
pub fn assess(policy: &Policy, named: &Named, evidence: &Evidence, now: Timestamp) -> Assessment {
    match weigh(policy, named.into(), evidence, now) {
        Weighed::Met(report) => Assessment::Confirmed { report },
        Weighed::Unmet { reason: otherwise, report, exception: Some(exception) } => {
            let exemption = exception.exemption.clone();
            Assessment::Excepted { exemption, otherwise, report }
        }
        Weighed::Unmet { reason, report, exception: None } => {
            Assessment::Unconfirmed { reason, report }
        }
    }
}

/// The assessment, if no answer that is still awaited could change it: a quorum stays one unless a
/// conflict would take it back. As [`decide_early`], for packages that are only named.
#[must_use]
pub fn assess_early(
    policy: &Policy,
    named: &Named,
    evidence: &Evidence,
    now: Timestamp,
) -> Option<Assessment> {
    let assessment = assess(policy, named, evidence, now);
    // Where a rule only perhaps applies, several must be met, and the report has the last one alone.
    let one_rule = named.epoch == Epoch::Known && named.source.is_some();
    let is_final = match &assessment {
        Assessment::Confirmed { report } => one_rule && stays(report),
        Assessment::Excepted { .. } | Assessment::Unconfirmed { .. } => false,
    };
    (is_final || evidence.pending.is_empty()).then_some(assessment)
}

/// Returns true when a quorum remains a quorum whatever further answers say.
fn stays(report: &Report) -> bool {
    report.requirement.as_ref().map(Requirement::on_conflict) == Some(OnConflict::Warn)
}

/// The decision, if no answer that is still awaited could change whether the file passes.
///
/// A quorum needs not wait for the rest, unless a conflict would refuse the file. Everything
/// else (an exception, warn mode, a refusal for want of votes) does, because a quorum is better.
#[must_use]
pub fn decide_early(
    policy: &Policy,
    subject: &Subject,
    evidence: &Evidence,
    now: Timestamp,
) -> Option<Decision> {
    let decision = decide(policy, subject, evidence, now);
    // Whose control data cannot be read, nobody can say anything about.
    if evidence.pending.is_empty() || subject.control().is_err() {
        return Some(decision);
    }
    let is_final = match &decision {
        Decision::Admit(admit) => matches!(admit.basis, Basis::Quorum) && stays(&admit.report),
        Decision::Refuse(refusal) => {
            matches!(refusal.reason, Reason::Changeable { .. } | Reason::NotWhatWasAskedFor { .. })
        }
    };
    is_final.then_some(decision)
}

/// The result of the evidence, before exceptions to it are made.
enum Weighed<'p> {
    Met(Report),
    Unmet { reason: Reason, report: Report, exception: Option<&'p Exception> },
}

impl<'p> Weighed<'p> {
    fn unmet(
        reason: Reason,
        mut report: Report,
        exception: Result<&'p Exception, Option<&'p Exception>>,
    ) -> Self {
        if let Err(Some(Exception { exemption, .. })) = exception {
            report.expired_exception = Some(exemption.clone());
        }
        Self::Unmet { reason, report, exception: exception.ok() }
    }
}

/// A file is weighed only if it is what it should be. Without control data that every reader reads in
/// the same way, no vote can count for it; what is left is root's own word for exactly these bytes.
fn look_at<'p>(
    policy: &'p Policy,
    subject: &Subject,
    evidence: &Evidence,
    now: Timestamp,
) -> Weighed<'p> {
    let refuse = |reason| Weighed::Unmet { reason, report: Report::empty(policy), exception: None };
    let control = match subject.control() {
        Ok(control) => control,
        Err(error) => {
            let exception = exception_for_bytes(policy, subject, error, now);
            let reason = Reason::NotAPackage(error.clone());
            return Weighed::unmet(reason, Report::empty(policy), exception);
        }
    };
    if let Some(why) = &subject.changeable {
        return refuse(Reason::Changeable { why: why.clone() });
    }
    if let Some(requested) = subject.requested.as_ref().filter(|it| !it.is(&control.identity)) {
        return refuse(Reason::NotWhatWasAskedFor {
            requested: Box::new(requested.clone()),
            found: Box::new(control.identity.clone()),
        });
    }
    weigh(policy, Facts::of(subject, control), evidence, now)
}

fn weigh<'p>(
    policy: &'p Policy,
    facts: Facts<'_>,
    evidence: &Evidence,
    now: Timestamp,
) -> Weighed<'p> {
    let (votes, conflicts) = sort_claims(policy, facts, evidence, now);
    let mut report = Report {
        standings: standings(policy, evidence, &votes, &conflicts),
        votes,
        conflicts,
        ..Report::empty(policy)
    };
    let mut met = Ok(());
    for rule in rules(policy, facts) {
        let requirement = rule.map(|rule| &rule.requirement).or(policy.default_requirement());
        report.rule = rule.map(|rule| rule.place.clone());
        report.requirement = requirement.cloned();
        met = meets(requirement, &report);
        if met.is_err() {
            break;
        }
    }
    let Err(reason) = met else {
        return Weighed::Met(report);
    };
    let exception = exception(policy, facts, &reason, now);
    if exception.is_err() && facts.listings.is_empty() && !facts.unhashed.is_empty() {
        let hashed = Facts { listings: facts.unhashed, unhashed: &[], ..facts };
        let would = self::exception(policy, hashed, &reason, now).ok();
        report.unhashed_exception = would.map(|it| it.exemption.clone());
    }
    Weighed::unmet(reason, report, exception)
}

/// The rules that must be met: the first rule that applies, or else the default (`None`). A rule
/// that perhaps applies must be met, and the rules after it as well, so that missing knowledge
/// makes nothing less strict.
fn rules<'p>(policy: &'p Policy, facts: Facts<'_>) -> Vec<Option<&'p Rule>> {
    let mut all = Vec::new();
    for rule in policy.rules() {
        match rule.matcher.applies(facts) {
            Applies::No => {}
            Applies::Perhaps => all.push(Some(rule)),
            Applies::Yes => {
                all.push(Some(rule));
                return all;
            }
        }
    }
    all.push(None);
    all
}

/// A vote is a claim about these very bytes; a claim about other bytes of the same name is a
/// conflict. A claim that bears another name is neither.
///
/// Claims were verified earlier and perhaps with other keys, so one counts only if this policy
/// pins its key, now, for this rebuilder.
fn sort_claims(
    policy: &Policy,
    facts: Facts<'_>,
    evidence: &Evidence,
    now: Timestamp,
) -> (Vec<Claim>, Vec<Claim>) {
    let artifact = facts.identity.artifact_name();
    let is_pinned = |claim: &Claim| {
        policy.keys().iter().any(|pinned| {
            pinned.key == *claim.key()
                && pinned.rebuilder == *claim.rebuilder()
                && pinned.is_good_at(now)
        })
    };
    let mut about_it: Vec<Claim> = evidence
        .claims
        .iter()
        .filter(|claim| *claim.artifact() == artifact && is_pinned(claim))
        .cloned()
        .collect();
    about_it.sort_by(|a, b| {
        (a.rebuilder(), a.attestation(), a.key()).cmp(&(b.rebuilder(), b.attestation(), b.key()))
    });
    about_it.dedup();
    about_it.into_iter().partition(|claim| claim.sha256() == facts.sha256)
}

/// Checks that the votes are enough. Returns the reason if they are not.
fn meets(requirement: Option<&Requirement>, report: &Report) -> Result<(), Reason> {
    let requirement = requirement.ok_or(Reason::NoRebuilders)?;
    if requirement.on_conflict() == OnConflict::Refuse && !report.conflicts.is_empty() {
        let rebuilders: BTreeSet<_> = report.conflicts.iter().map(Claim::rebuilder).collect();
        return Err(Reason::Conflict { rebuilders: rebuilders.into_iter().cloned().collect() });
    }
    let confirming: BTreeSet<&RebuilderName> = report.votes.iter().map(Claim::rebuilder).collect();
    if requirement.is_met_by(&confirming) {
        return Ok(());
    }
    let counted = |names: &BTreeSet<&RebuilderName>| -> Vec<RebuilderName> {
        let counts = |name: &&&RebuilderName| requirement.counted().contains(**name);
        names.iter().filter(counts).map(|&name| name.clone()).collect()
    };
    let confirmed = counted(&confirming).len();
    let needed = requirement.threshold().count();
    let silent: BTreeSet<&RebuilderName> = report
        .standings
        .iter()
        .filter(|(_, s)| matches!(s, Standing::Unreachable { .. } | Standing::Pending))
        .map(|(name, _)| name)
        .collect();
    let groups = requirement.by_group(&confirming).filter(|it| !it.is_enough()).collect();
    let at_best = confirming.union(&silent).copied().collect();
    if requirement.is_met_by(&at_best) {
        return Err(Reason::CouldNotFindOut {
            confirmed,
            needed,
            silent: counted(&silent),
            groups,
        });
    }
    let absent = |name: &&RebuilderName| !confirming.contains(*name);
    let missing = requirement.required().iter().filter(absent).cloned().collect();
    Err(Reason::NotConfirmed { confirmed, needed, missing, groups })
}

/// The exception that applies, or one that would have, had it not expired.
fn exception<'p>(
    policy: &'p Policy,
    facts: Facts<'_>,
    reason: &Reason,
    now: Timestamp,
) -> Result<&'p Exception, Option<&'p Exception>> {
    first_in_force(policy, now, |exception| {
        // An exception by name says that nobody can be expected to confirm the package. It does
        // not say that a package which somebody contradicts may pass; only naming the very bytes
        // does.
        let covers = !matches!(reason, Reason::Conflict { .. }) || exception.is_bound_to_bytes();
        covers && exception.matches(facts)
    })
}

/// The same for a file of which nothing is known but its bytes.
fn exception_for_bytes<'p>(
    policy: &'p Policy,
    subject: &Subject,
    error: &DebError,
    now: Timestamp,
) -> Result<&'p Exception, Option<&'p Exception>> {
    // Root's word would be for other bytes than those that are installed.
    if error.is_beyond_exceptions() || subject.changeable.is_some() {
        return Err(None);
    }
    first_in_force(policy, now, |exception| exception.is_for_bytes(subject.sha256()))
}

fn first_in_force(
    policy: &Policy,
    now: Timestamp,
    applies: impl Fn(&Exception) -> bool,
) -> Result<&Exception, Option<&Exception>> {
    let mut expired = None;
    for exception in policy.exceptions().iter().filter(|it| applies(it)) {
        if now < exception.exemption.expires {
            return Ok(exception);
        }
        expired.get_or_insert(exception);
    }
    Err(expired)
}

/// The standing of each rebuilder. Of several answers the strongest counts: a vote, then a conflict,
/// then silence of an endpoint (because it may hide a vote), then a rejected attestation, then an
/// unsigned status.
fn standings(
    policy: &Policy,
    evidence: &Evidence,
    votes: &[Claim],
    conflicts: &[Claim],
) -> BTreeMap<RebuilderName, Standing> {
    let mut standings: BTreeMap<RebuilderName, Standing> =
        policy.rebuilders().iter().map(|name| (name.clone(), Standing::NotAsked)).collect();
    let mut raise = |name: &RebuilderName, to: Standing| {
        if let Some(standing) = standings.get_mut(name) {
            if to.weight() > standing.weight() {
                *standing = to;
            }
        }
    };
    for claim in votes {
        raise(claim.rebuilder(), Standing::Confirms);
    }
    for claim in conflicts {
        raise(claim.rebuilder(), Standing::SignedAnother { sha256: claim.sha256() });
    }
    for name in &evidence.pending {
        raise(name, Standing::Pending);
    }
    for answer in &evidence.answers {
        raise(
            &answer.rebuilder,
            match &answer.outcome {
                // Whatever it gave was none of its own: a place may hold what several have signed.
                Outcome::Attestations { .. } => Standing::Unknown,
                Outcome::NoAttestation { status, more } => {
                    Standing::Says { status: *status, more: more.clone() }
                }
                Outcome::Unknown => Standing::Unknown,
                Outcome::Rejected { code, why, .. } => {
                    Standing::Rejected { code: code.clone(), why: why.clone() }
                }
                Outcome::Unreachable { why } | Outcome::Malformed { why } => {
                    Standing::Unreachable { why: why.clone() }
                }
            },
        );
    }
    standings
}

impl Standing {
    const fn weight(&self) -> u8 {
        match self {
            Self::NotAsked => 0,
            Self::Unknown => 1,
            Self::Says { .. } => 2,
            Self::Rejected { .. } => 3,
            Self::Unreachable { .. } => 4,
            Self::Pending => 5,
            Self::SignedAnother { .. } => 6,
            Self::Confirms => 7,
        }
    }
}

impl Report {
    /// For a file that is refused before anybody's word is weighed.
    fn empty(policy: &Policy) -> Self {
        Self {
            rule: None,
            requirement: policy.default_requirement().cloned(),
            standings: BTreeMap::new(),
            votes: Vec::new(),
            conflicts: Vec::new(),
            expired_exception: None,
            unhashed_exception: None,
        }
    }
}
