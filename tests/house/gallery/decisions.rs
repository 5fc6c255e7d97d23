//! Every decision that there is, in the words of the hook, of `verify`, and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use apt_quorum::deb::{DebError, examine};
use apt_quorum::evidence::http::DoorError;
use apt_quorum::policy::{
    Answer, Assessment, Decision, Epoch, Evidence, GroupCount, Listing, Mode, Named, OnConflict,
    Outcome, Policy, Reason, Refusal, Report, Standing, Subject, UnsignedStatus, assess, decide,
};
use apt_quorum::report::{
    self, Entrance, Record, RecordedAssessment, ascii, next_step, summary, verdict,
};
use apt_quorum::types::Sha256Digest;
use ed25519_dalek::SigningKey;

use super::errors::variant;
use crate::support::{
    Key, World, answer, deb, exception, exception_until, identity, listing, now, package_is,
    rebuilder, requirement, requirement_of, threshold,
};

/// What the hook says last.
const OUTCOME: &str = "Nothing was installed.";

const FILE: &str = "/var/cache/apt/archives/hello_2.10-3_amd64.deb";

/// A decision with a title.
pub struct Shown {
    pub title: String,
    pub decision: Decision,
}

/// Rebuilders with keys that are the same in every run. Nothing else is signed with them.
fn world() -> World {
    let key =
        |name: &str| Key(SigningKey::from_bytes(Sha256Digest::of(name.as_bytes()).as_bytes()));
    let names = ["alpha", "beta", "gamma"];
    let identity = identity("hello 2.10-3 amd64");
    let file = examine(deb::package(&identity).as_slice()).unwrap();
    let keys = names.map(|name| (name.to_owned(), vec![key(name)])).into_iter().collect();
    World { keys, identity, file }
}

fn listings() -> Vec<Listing> {
    vec![listing()]
}

fn listed(world: &World) -> Subject {
    Subject::new(world.file.clone(), Some(world.identity.clone()), listings())
}

/// What rebuilders can answer, and what each of it comes to.
fn answers() -> Vec<Answer> {
    let says = |status, more: Option<&str>| Outcome::NoAttestation {
        status,
        more: more.map(str::to_owned),
    };
    vec![
        answer("alpha", says(UnsignedStatus::Bad, Some("https://alpha.example/diffoscope/7"))),
        answer("beta", says(UnsignedStatus::NotBuilt, None)),
        answer("gamma", Outcome::Unreachable { why: "no answer within 10 s".to_owned() }),
    ]
}

/// One of every standing.
pub fn standings() -> Vec<Standing> {
    let says =
        |status, more: Option<&str>| Standing::Says { status, more: more.map(str::to_owned) };
    vec![
        Standing::Confirms,
        Standing::SignedAnother { sha256: Sha256Digest::of(b"other bytes") },
        Standing::Rejected {
            code: "unsigned".to_owned(),
            why: "the attestation carries no signature".to_owned(),
        },
        says(UnsignedStatus::Good, None),
        says(UnsignedStatus::Bad, Some("https://alpha.example/diffoscope/7")),
        says(UnsignedStatus::NotBuilt, None),
        Standing::Unknown,
        Standing::Unreachable { why: DoorError::Server(503).to_string() },
        Standing::Pending,
        Standing::NotAsked,
    ]
}

/// One of every reason, and several where the words depend on numbers.
pub fn reasons() -> Vec<Reason> {
    let names = |names: &[&str]| names.iter().map(|name| rebuilder(name)).collect::<Vec<_>>();
    let not_confirmed = |confirmed, needed, missing: &[&str]| Reason::NotConfirmed {
        confirmed,
        needed,
        missing: names(missing),
        groups: Vec::new(),
    };
    let lacking = |counts: &[(&str, usize, usize)]| {
        let count = |(group, confirmed, needed): &(&str, usize, usize)| GroupCount {
            group: group.parse().unwrap(),
            confirmed: *confirmed,
            needed: threshold(*needed),
        };
        counts.iter().map(count).collect::<Vec<_>>()
    };
    vec![
        Reason::Configuration { why: "policy.toml line 3: unknown key \"treshold\"".to_owned() },
        Reason::Unreadable { why: "Permission denied".to_owned() },
        Reason::Missing,
        Reason::Changeable { why: "/home/me can be written by others".to_owned() },
        Reason::NotAPackage(DebError::Truncated),
        Reason::NotWhatWasAskedFor {
            requested: Box::new(identity("hello 2.10-4 amd64").into()),
            found: Box::new(identity("hello 2.10-3 amd64")),
        },
        Reason::Conflict { rebuilders: names(&["alpha", "beta"]) },
        Reason::NoRebuilders,
        not_confirmed(0, 1, &[]),
        not_confirmed(1, 2, &[]),
        not_confirmed(2, 3, &[]),
        not_confirmed(2, 2, &["gamma"]),
        Reason::NotConfirmed {
            confirmed: 1,
            needed: 2,
            missing: names(&["gamma"]),
            groups: lacking(&[("eu", 0, 1), ("us", 1, 3)]),
        },
        Reason::NotConfirmed {
            confirmed: 2,
            needed: 2,
            missing: Vec::new(),
            groups: lacking(&[("eu", 0, 2), ("us", 0, 1)]),
        },
        Reason::CouldNotFindOut {
            confirmed: 0,
            needed: 1,
            silent: names(&["gamma"]),
            groups: vec![],
        },
        Reason::CouldNotFindOut {
            confirmed: 1,
            needed: 2,
            silent: names(&["gamma"]),
            groups: vec![],
        },
        Reason::CouldNotFindOut {
            confirmed: 2,
            needed: 2,
            silent: names(&["gamma"]),
            groups: lacking(&[("eu", 0, 1)]),
        },
    ]
}

/// A report in which these confirm and the others say what they say.
fn report(world: &World, voters: &[&str]) -> Report {
    let others = answers().into_iter().filter(|it| !voters.contains(&it.rebuilder.as_str()));
    let evidence =
        Evidence { claims: world.votes(voters), answers: others.collect(), pending: Vec::new() };
    let policy = world.policy(requirement(3, &["alpha", "beta", "gamma"]));
    decide(&policy, &listed(world), &evidence, now()).report().unwrap().clone()
}

/// Who confirms where so many do.
fn voters(reason: &Reason) -> &'static [&'static str] {
    let (Reason::NotConfirmed { confirmed, .. } | Reason::CouldNotFindOut { confirmed, .. }) =
        reason
    else {
        return &["alpha", "beta"];
    };
    &["alpha", "beta"][..*confirmed]
}

/// Every refusal and every admission.
pub fn all() -> Vec<Shown> {
    let world = world();
    let mut shown = Vec::new();
    let mut add = |title: &str, decision| shown.push(Shown { title: title.to_owned(), decision });

    let counted = ["alpha", "beta", "gamma"];
    let two = || requirement(2, &counted);
    let judge =
        |policy: &Policy, evidence: &Evidence| decide(policy, &listed(&world), evidence, now());
    let claimed = |claims| Evidence { claims, answers: answers(), pending: Vec::new() };
    let nobody = || claimed(Vec::new());
    let all_of = |mode, exceptions| world.policy_of(mode, two(), Vec::new(), exceptions);
    let kernel = || vec![exception("exceptions.d/local.toml line 1", package_is("hello"))];
    let over = || {
        let place = "exceptions.d/local.toml line 1";
        vec![exception_until(place, package_is("hello"), "2026-01-01T00:00:00Z")]
    };

    let quorum = world.votes(&["alpha", "beta"]);
    add("confirmed", judge(&all_of(Mode::Enforce, vec![]), &claimed(quorum.clone())));
    let lone = [quorum, world.conflicts(&["gamma"])].concat();
    add(
        "confirmed, and in conflict",
        judge(&all_of(Mode::Enforce, vec![]), &claimed(lone.clone())),
    );
    add("under an exception", judge(&all_of(Mode::Enforce, kernel()), &nobody()));
    add("let through by mode warn", judge(&all_of(Mode::Warn, vec![]), &nobody()));
    let unset = Policy::new(
        Mode::Warn,
        BTreeSet::new(),
        apt_quorum::attest::KeyRing::new(Vec::new()).unwrap(),
        None,
        Vec::new(),
        Vec::new(),
    );
    add("as installed, without rebuilders", judge(&unset.unwrap(), &Evidence::default()));
    let strict = world.policy(requirement_of(2, &counted, &[], OnConflict::Refuse));
    add("refused: a conflict that the policy refuses", judge(&strict, &claimed(lone)));
    add("refused: the exception is over", judge(&all_of(Mode::Enforce, over()), &nobody()));

    for reason in reasons() {
        let unread = matches!(reason, Reason::Configuration { .. } | Reason::Unreadable { .. });
        let unjudged = unread || matches!(reason, Reason::NotAPackage(_));
        let refusal = Refusal {
            subject: (!unjudged).then(|| listed(&world)),
            report: (!unjudged).then(|| report(&world, voters(&reason))),
            reason,
        };
        add(&format!("refused: {}", refusal.reason.code()), Decision::Refuse(refusal));
    }
    shown
}

/// The decisions as people read them: by the hook, and by `verify`.
pub fn text(all: &[Shown]) -> String {
    let mut text = String::new();
    for Shown { title, decision } in all {
        let path = Path::new(FILE);
        let _ = writeln!(text, "== {title}\n-- hook");
        text += &summary(&[(path, decision)], OUTCOME);
        text += "-- verify\n";
        text += &verdict(path, decision);
        if let Some(refusal) = decision.refusal() {
            let _ = writeln!(text, "{}", next_step(&[refusal]));
        }
    }
    let decisions: Vec<(&Path, &Decision)> =
        all.iter().map(|it| (Path::new(FILE), &it.decision)).collect();
    let mixed = decisions.iter().filter(|(_, it)| {
        !matches!(it.refusal().map(|it| &it.reason), Some(Reason::Configuration { .. }))
    });
    text += "== standings of rebuilders\n";
    for standing in standings() {
        let _ = writeln!(text, "{}: {}", variant(&standing), report::standing(&standing));
    }
    text += "== all of them at once\n-- hook\n";
    text += &summary(&mixed.copied().collect::<Vec<_>>(), OUTCOME);
    text
}

/// The decisions as receipts and `--json` have them.
pub fn json(all: &[Shown]) -> String {
    let mut text = String::new();
    for Shown { title, decision } in all {
        let record = Record::of(decision, Entrance::Hook, Path::new(FILE), None, now());
        let json = ascii(&serde_json::to_string_pretty(&record).unwrap());
        let _ = writeln!(text, "== {title}\n{json}");
    }
    for (title, assessment) in assessments() {
        let json = serde_json::to_string_pretty(&assessment).unwrap();
        let _ = writeln!(text, "== {title}\n{}", ascii(&json));
    }
    text
}

/// One of every assessment of a package whose file is not there.
fn assessments() -> Vec<(String, RecordedAssessment)> {
    let world = world();
    let named = Named {
        identity: world.identity.clone(),
        source: Some(world.file.control().unwrap().source.clone()),
        epoch: Epoch::Known,
        sha256: world.file.sha256(),
        listings: listings(),
    };
    let policy = |exceptions| {
        let default = requirement(2, &["alpha", "beta", "gamma"]);
        world.policy_of(Mode::Enforce, default, Vec::new(), exceptions)
    };
    let evidence = |claims| Evidence { claims, answers: answers(), pending: Vec::new() };
    let excepted = vec![exception("exceptions.d/local.toml line 1", package_is("hello"))];
    [
        (policy(vec![]), evidence(world.votes(&["alpha", "beta"]))),
        (policy(excepted), evidence(Vec::new())),
        (policy(vec![]), evidence(Vec::new())),
    ]
    .into_iter()
    .map(|(policy, evidence)| {
        let assessment: Assessment = assess(&policy, &named, &evidence, now());
        let title = format!("assessed: {}", variant(&assessment));
        (title, RecordedAssessment::of(&named, &assessment))
    })
    .collect()
}

/// The names of the variants that are shown, by the enum in the source.
pub fn variants(all: &[Shown]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let basis = |it: &Shown| match &it.decision {
        Decision::Admit(admit) => Some(variant(admit.basis())),
        Decision::Refuse(_) => None,
    };
    let status = |it: &Standing| match it {
        Standing::Says { status, .. } => Some(variant(status)),
        _ => None,
    };
    let reason = |it: &Shown| {
        let admitted = match &it.decision {
            Decision::Admit(admit) => admit.basis().otherwise(),
            Decision::Refuse(refusal) => Some(&refusal.reason),
        };
        admitted.map(|it| variant(it))
    };
    let assessed = assessments().into_iter();
    let assessed = assessed.map(|(title, _)| title.replace("assessed: ", ""));
    [
        ("policy::decision::Basis", all.iter().filter_map(basis).collect()),
        ("policy::decision::Standing", standings().iter().map(|it| variant(it)).collect()),
        ("policy::decision::Reason", all.iter().filter_map(reason).collect()),
        ("policy::decision::Assessment", assessed.collect()),
        (
            "policy::evidence::UnsignedStatus",
            standings().iter().filter_map(status).collect::<BTreeSet<_>>(),
        ),
    ]
    .into()
}

/// Checks that a refusal says all that it must.
pub fn assert_complete(it: &Shown) {
    let Some(refusal) = it.decision.refusal() else { return };
    let title = &it.title;
    let text = summary(&[(Path::new(FILE), &it.decision)], OUTCOME);
    let line = verdict(Path::new(FILE), &it.decision);
    let step = next_step(&[refusal]);
    // A full stop behind a command would be pasted with it.
    let ends = match step.rsplit_once(": apt-quorum ") {
        Some((_, command)) => !command.is_empty() && !command.ends_with(['.', ';', ' ']),
        None => step.ends_with('.'),
    };
    assert!(ends && text.contains(&format!("{OUTCOME} {step}\n")), "{title}: {step}");
    // A configuration that is broken is said once and not for every package.
    if let Reason::Configuration { why } = &refusal.reason {
        return assert!(text.contains(why), "{title}: {text}");
    }
    let name = match &refusal.subject {
        Some(_) => "hello 2.10-3 amd64",
        None => FILE,
    };
    for text in [&text, &line] {
        assert!(text.contains(&format!("refused: {name}: ")), "{title}: {text}");
        for rebuilder in refusal.report.iter().flat_map(|it| it.standings.keys()) {
            assert!(text.contains(&format!("{rebuilder}: ")), "{title}: {rebuilder}: {text}");
        }
        if let Reason::NotConfirmed { confirmed, needed, .. }
        | Reason::CouldNotFindOut { confirmed, needed, .. } = &refusal.reason
        {
            let count = format!("{confirmed} of {needed} required confirmations");
            assert!(text.contains(&count), "{title}: {text}");
        }
    }
    assert_eq!(report::reason(&refusal.reason).lines().count(), 1, "{title}");
}
