//! What the judgement means, line by line: each test is a sentence about who may pass that must
//! hold whatever else changes.

use apt_quorum::attest::{WantedFile, verify};
use apt_quorum::deb::examine;
use apt_quorum::policy::{
    Assessment, Basis, Clearance, Decision, Epoch, Evidence, Exception, Exemption, GroupCount,
    Listing, Matcher, Mode, Named, OnConflict, Outcome, Policy, Reason, Refusal, RequirementError,
    Rule, Standing, Subject, UnsignedStatus, assess_early, decide, decide_early,
};
use apt_quorum::types::{Glob, Identity, Sha256Digest};

use crate::support::{self, *};

const ALL: [&str; 3] = ["a", "b", "c"];

fn judge(policy: &Policy, subject: &Subject, evidence: &Evidence) -> String {
    outcome(&decide(policy, subject, evidence, now()))
}

fn unreachable() -> Outcome {
    Outcome::Unreachable { why: "connection timed out".to_owned() }
}

fn rejected() -> Outcome {
    let attestation = Sha256Digest::of(b"attestation");
    Outcome::Rejected { code: "bad-signature".to_owned(), why: "bad".to_owned(), attestation }
}

fn says(status: UnsignedStatus) -> Outcome {
    Outcome::NoAttestation { status, more: None }
}

// A vote is a claim whose SHA-256 equals the one that we computed; names never make one.

#[test]
fn a_file_that_others_could_swap_is_not_confirmed_by_anybody() {
    let world = World::new(&ALL);
    let swappable = || world.subject().that_others_can_change("it belongs to user 1000".to_owned());
    assert_eq!(swappable().changeable(), Some("it belongs to user 1000"));
    assert_eq!(world.subject().changeable(), None);
    let all = claimed(world.votes(&ALL));
    let policy = world.policy(requirement(2, &ALL));
    assert_eq!(judge(&policy, &world.subject(), &all), "admit:quorum");
    assert_eq!(judge(&policy, &swappable(), &all), "refuse:changeable");
}

#[test]
fn a_vote_is_a_claim_about_the_hash_that_we_computed() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(2, &ALL));
    assert_eq!(
        judge(&policy, &world.subject(), &claimed(world.votes(&["a", "b"]))),
        "admit:quorum"
    );
    // The same claims, and another package of the same name, version and architecture.
    let control = deb::control_text(&world.identity).replace("for tests", "with a back door");
    let bytes = deb::deb_of(&[deb::file("./control", control.as_bytes())]);
    let tampered = examine(bytes.as_slice()).unwrap();
    let subject = Subject::new(tampered, Some(world.identity.clone()), vec![listing()]);
    let decision = decide(&policy, &subject, &claimed(world.votes(&ALL)), now());
    assert_eq!(outcome(&decision), "refuse:not-confirmed");
    let report = decision.report().unwrap();
    assert!(report.votes.is_empty());
    assert_eq!(report.conflicts.len(), 3, "to them the good file is the other one");
}

#[test]
fn the_right_name_alone_makes_no_vote() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &ALL));
    let evidence = claimed(world.conflicts(&ALL));
    assert_eq!(judge(&policy, &world.subject(), &evidence), "refuse:not-confirmed");
}

#[test]
fn a_product_name_that_disagrees_takes_the_vote_away() {
    let world = World::new(&ALL);
    let older = "hello_2.10-2_amd64.deb";
    let bytes = attestation(older, world.file.sha256(), &[world.key("a")]);
    assert_eq!(world.verify(&bytes).unwrap_err().code(), "other-name");
}

#[test]
fn a_claim_that_was_verified_for_another_name_is_no_vote_for_this_one() {
    // The second wall: even where somebody asks the verifier about another name than the file
    // bears, the judgement does not take the claim.
    let world = World::new(&["a"]);
    let other = identity("hello 2.10-2 amd64").artifact_name();
    let wanted = WantedFile { artifact: &other, sha256: Some(world.file.sha256()) };
    let bytes = attestation(other.as_str(), world.file.sha256(), &[world.key("a")]);
    let claims = verify(&bytes, &world.ring(), wanted, now()).unwrap();
    assert_eq!(claims[0].sha256(), world.file.sha256());
    let policy = world.policy(requirement(1, &["a"]));
    let decision = decide(&policy, &world.subject(), &claimed(claims), now());
    assert_eq!(outcome(&decision), "refuse:not-confirmed");
    let report = decision.report().unwrap();
    assert!(report.votes.is_empty() && report.conflicts.is_empty());
}

#[test]
fn the_name_that_counts_is_without_the_epoch() {
    let world = World::with_package(&["a"], "hello 1:2.10-3 amd64");
    assert_eq!(world.artifact(), "hello_2.10-3_amd64.deb");
    let policy = world.policy(requirement(1, &["a"]));
    assert_eq!(judge(&policy, &world.subject(), &claimed(world.votes(&["a"]))), "admit:quorum");
}

// What is being installed must be what the control data says.

#[test]
fn what_was_asked_for_must_be_what_the_file_says_that_it_is() {
    let world = World::with_package(&ALL, "hello 1:2.10-3 amd64");
    let policy = world.policy(requirement(1, &ALL));
    let evidence = claimed(world.votes(&ALL));
    for (requested, expected) in [
        (None, "admit:quorum"),
        (Some("hello 1:2.10-3 amd64"), "admit:quorum"),
        (Some("goodbye 1:2.10-3 amd64"), "refuse:not-what-was-asked-for"),
        (Some("hello 1:2.10-4 amd64"), "refuse:not-what-was-asked-for"),
        (Some("hello 2:2.10-3 amd64"), "refuse:not-what-was-asked-for"),
        (Some("hello 2.10-3 amd64"), "refuse:not-what-was-asked-for"),
        (Some("hello 1:2.10-3+b1 amd64"), "refuse:not-what-was-asked-for"),
        (Some("hello 1:2.10-3 i386"), "refuse:not-what-was-asked-for"),
        (Some("hello 1:2.10-3 all"), "refuse:not-what-was-asked-for"),
    ] {
        let subject = Subject::new(world.file.clone(), requested.map(identity), vec![listing()]);
        assert_eq!(judge(&policy, &subject, &evidence), expected, "{requested:?}");
    }
}

#[test]
fn an_old_confirmed_version_does_not_pass_as_a_new_one() {
    let old = World::with_package(&ALL, "hello 2.10-2 amd64");
    let wanted = identity("hello 2.10-3 amd64");
    let subject = Subject::new(old.file.clone(), Some(wanted.clone()), vec![listing()]);
    let policy = old.policy(requirement(1, &ALL));
    let decision = decide(&policy, &subject, &claimed(old.votes(&ALL)), now());
    assert_eq!(
        decision.refusal().unwrap().reason,
        Reason::NotWhatWasAskedFor {
            requested: Box::new(wanted.into()),
            found: Box::new(old.identity.clone())
        }
    );
}

#[test]
fn no_exception_helps_a_file_that_is_not_what_was_asked_for() {
    let world = World::new(&ALL);
    let bound = Matcher { sha256: Some(vec![world.file.sha256()]), ..Matcher::default() };
    let exceptions = vec![exception("by bytes", bound), exception("by name", package_is("*"))];
    let policy = world.policy_of(Mode::Enforce, requirement(1, &ALL), Vec::new(), exceptions);
    let requested = Some(identity("hello 2.10-4 amd64"));
    let subject = Subject::new(world.file.clone(), requested, vec![listing()]);
    assert_eq!(judge(&policy, &subject, &claimed(vec![])), "refuse:not-what-was-asked-for");
}

/// What could be two packages gets no votes. Root's word for its bytes is for whichever it is.
#[test]
fn only_an_exception_for_its_bytes_helps_a_file_that_could_be_two_packages() {
    let world = World::new(&ALL);
    let part = deb::ar(&[("debian-split", b"2.1\n"), ("data.0", b"x")]);
    for (bytes, by_bytes) in [
        // Nothing that dpkg would install, or a part of it.
        (&b""[..], "refuse:not-a-package"),
        (b"MZ", "refuse:not-a-package"),
        (&part, "refuse:not-a-package"),
        (b"!<arch>\n", "admit:exception"),
        (b"0.939000\n36\n", "admit:exception"),
        (&deb::deb_of(&[deb::file("./control", b"x")]), "admit:exception"),
    ] {
        let file = examine(bytes).unwrap();
        let all = Some(vec!["*".parse().unwrap()]);
        let bound = || Matcher { sha256: Some(vec![file.sha256()]), ..Matcher::default() };
        let other = Matcher { sha256: Some(vec![world.file.sha256()]), ..Matcher::default() };
        for (name, matcher, expected) in [
            ("its bytes", bound(), by_bytes),
            ("other bytes", other, "refuse:not-a-package"),
            ("any name", package_is("*"), "refuse:not-a-package"),
            ("a name", Matcher { package: all.clone(), ..bound() }, "refuse:not-a-package"),
            ("a version", Matcher { version: all.clone(), ..bound() }, "refuse:not-a-package"),
            ("a source", Matcher { source: all.clone(), ..bound() }, "refuse:not-a-package"),
            ("an archive", Matcher { origin: all.clone(), ..bound() }, "refuse:not-a-package"),
        ] {
            let excepted = vec![exception("by bytes", matcher)];
            let policy = world.policy_of(Mode::Enforce, requirement(1, &ALL), vec![], excepted);
            let subject = Subject::new(file.clone(), None, vec![listing()]);
            let evidence = claimed(world.votes(&ALL));
            let decision = decide(&policy, &subject, &evidence, now());
            assert_eq!(outcome(&decision), expected, "{name}: {bytes:?}");
            let report = decision.report().unwrap();
            assert!(report.votes.is_empty() && report.standings.is_empty());
            // Nobody's answer is waited for.
            let pending = vec![rebuilder("a")];
            let early = decide_early(&policy, &subject, &Evidence { pending, ..evidence }, now());
            assert_eq!(early.as_ref().map(outcome).as_deref(), Some(expected));
            // What others could swap is not what root meant.
            let subject = subject.that_others_can_change("/tmp".to_owned());
            assert_eq!(judge(&policy, &subject, &claimed(vec![])), "refuse:not-a-package");
        }
    }
}

#[test]
fn an_exception_for_bytes_that_could_be_two_packages_ends_when_it_says() {
    let world = World::new(&ALL);
    let file = examine(&b"!<arch>\n"[..]).unwrap();
    let bound = Matcher { sha256: Some(vec![file.sha256()]), ..Matcher::default() };
    let over = Exception::new(at_place("here"), bound, "x".to_owned(), now());
    let policy = world.policy_of(Mode::Enforce, requirement(1, &ALL), vec![], vec![over.clone()]);
    let decision = decide(&policy, &Subject::new(file, None, vec![]), &claimed(vec![]), now());
    assert_eq!(outcome(&decision), "refuse:not-a-package");
    assert_eq!(decision.report().unwrap().expired_exception, Some(over.exemption));
}

/// dpkg installs `Hello` in the place of `hello`.
#[test]
fn no_package_slips_past_a_rule_by_the_case_of_its_name() {
    let strict = |name| vec![rule("strict", package_is(name), requirement(3, &ALL))];
    for (package, name) in [("Hello", "hello"), ("hello", "Hello"), ("hELLO", "h*lo")] {
        let world = World::with_package(&ALL, &format!("{package} 2.10-3 amd64"));
        let policy = world.policy_of(Mode::Enforce, requirement(1, &ALL), strict(name), vec![]);
        let two = claimed(world.votes(&["a", "b"]));
        assert_eq!(judge(&policy, &world.subject(), &two), "refuse:not-confirmed", "{package}");
        let all = claimed(world.votes(&ALL));
        assert_eq!(judge(&policy, &world.subject(), &all), "admit:quorum", "{package}");
        // apt asks for it in lower case. What is signed for another spelling is no vote.
        let asked = Some(identity("hello 2.10-3 amd64"));
        let subject = Subject::new(world.file.clone(), asked, vec![listing()]);
        assert_eq!(judge(&policy, &subject, &all), "admit:quorum", "{package}");
        let otherwise = World::with_package(&ALL, "heLLo 2.10-3 amd64");
        let foreign = claimed(otherwise.votes(&ALL));
        assert_eq!(judge(&policy, &subject, &foreign), "refuse:not-confirmed", "{package}");
    }
}

// What is not signed never counts.

#[test]
fn an_unsigned_status_is_shown_and_never_counts() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &ALL));
    for status in [UnsignedStatus::Good, UnsignedStatus::Bad, UnsignedStatus::NotBuilt] {
        let answers = ALL.iter().map(|name| answer(name, says(status))).collect();
        let evidence = Evidence { answers, ..Evidence::default() };
        let decision = decide(&policy, &world.subject(), &evidence, now());
        assert_eq!(outcome(&decision), "refuse:not-confirmed", "{status:?}");
        for name in ALL {
            let standing = &decision.report().unwrap().standings[&rebuilder(name)];
            assert_eq!(*standing, Standing::Says { status, more: None });
        }
    }
}

#[test]
fn a_bad_status_takes_no_vote_away() {
    // The latest build masks an earlier one whose signed link is still there.
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &ALL));
    let mut evidence = claimed(world.votes(&["a"]));
    evidence.answers = vec![answer("a", says(UnsignedStatus::Bad))];
    let decision = decide(&policy, &world.subject(), &evidence, now());
    assert_eq!(outcome(&decision), "admit:quorum");
    assert_eq!(decision.report().unwrap().standings[&rebuilder("a")], Standing::Confirms);
}

#[test]
fn evidence_that_is_no_vote_never_admits_and_never_stops_a_quorum() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(2, &ALL));
    let outcomes = [
        Outcome::Attestations { count: 9 },
        says(UnsignedStatus::Good),
        says(UnsignedStatus::Bad),
        says(UnsignedStatus::NotBuilt),
        Outcome::Unknown,
        rejected(),
        unreachable(),
        Outcome::Malformed { why: "not JSON".to_owned() },
    ];
    let conflicts = ALL.map(|name| world.conflicts(&[name]));
    let (vote_of_a, vote_of_b) = (world.votes(&["a"]), world.votes(&["b"]));
    let subject = world.subject();
    // Every answer of every rebuilder, with and without a claim of each about other bytes.
    for code in 0..8_usize.pow(3) {
        let answers = [0, 3, 6].map(|shift| outcomes[code >> shift & 7].clone());
        let answers: Vec<_> =
            ALL.iter().zip(answers).map(|(name, outcome)| answer(name, outcome)).collect();
        for contradicting in 0..8_usize {
            let chosen = (0..3).filter(|at| contradicting >> at & 1 == 1);
            let mut evidence = claimed(chosen.flat_map(|at| conflicts[at].clone()).collect());
            evidence.answers = answers.clone();
            assert!(judge(&policy, &subject, &evidence).starts_with("refuse:"));
            evidence.claims.extend(vote_of_a.clone());
            assert!(judge(&policy, &subject, &evidence).starts_with("refuse:"));
            evidence.claims.extend(vote_of_b.clone());
            assert_eq!(judge(&policy, &subject, &evidence), "admit:quorum");
        }
    }
}

// A conflict is an alarm, and a refusal where the policy says so.

#[test]
fn under_a_conflict_the_threshold_still_decides() {
    // One lying rebuilder must not be able to keep a machine from being updated.
    let world = World::new(&ALL);
    let policy = world.policy(requirement(2, &ALL));
    let evidence = claimed([world.votes(&["a", "b"]), world.conflicts(&["c"])].concat());
    let decision = decide(&policy, &world.subject(), &evidence, now());
    assert_eq!(outcome(&decision), "admit:quorum");
    let report = decision.report().unwrap();
    assert_eq!(report.conflicts.len(), 1, "it is recorded even where it does not refuse");
    assert_eq!(report.conflicts[0].rebuilder(), &rebuilder("c"));
    let sha256 = Sha256Digest::of(b"other bytes");
    assert_eq!(report.standings[&rebuilder("c")], Standing::SignedAnother { sha256 });
    let too_few = claimed([world.votes(&["a"]), world.conflicts(&["c"])].concat());
    assert_eq!(judge(&policy, &world.subject(), &too_few), "refuse:not-confirmed");
}

#[test]
fn a_conflict_refuses_with_a_reason_of_its_own_where_the_policy_says_so() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement_of(1, &ALL, &[], OnConflict::Refuse));
    let votes = world.votes(&["a"]);
    assert_eq!(judge(&policy, &world.subject(), &claimed(votes.clone())), "admit:quorum");
    let twice = [world.conflicts(&["c", "b"]), world.conflicts(&["c"]), votes].concat();
    let decision = decide(&policy, &world.subject(), &claimed(twice), now());
    assert_eq!(
        decision.refusal().unwrap().reason,
        Reason::Conflict { rebuilders: vec![rebuilder("b"), rebuilder("c")] },
        "each once, in order"
    );
}

#[test]
fn a_conflict_by_a_rebuilder_that_does_not_count_is_a_conflict_all_the_same() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement_of(1, &["a"], &[], OnConflict::Refuse));
    let evidence = claimed([world.votes(&["a"]), world.conflicts(&["c"])].concat());
    let decision = decide(&policy, &world.subject(), &evidence, now());
    let reason = Reason::Conflict { rebuilders: vec![rebuilder("c")] };
    assert_eq!(decision.refusal().unwrap().reason, reason);
}

#[test]
fn a_rule_says_what_a_conflict_does_whatever_the_default_says() {
    let world = World::new(&ALL);
    let evidence = claimed([world.votes(&["a"]), world.conflicts(&["c"])].concat());
    let of = |on_conflict| requirement_of(1, &ALL, &[], on_conflict);
    for (default, of_rule, expected) in [
        (OnConflict::Warn, OnConflict::Refuse, "refuse:conflict"),
        (OnConflict::Refuse, OnConflict::Warn, "admit:quorum"),
    ] {
        let rules = vec![rule("rule", package_is("hello"), of(of_rule))];
        let policy = world.policy_of(Mode::Enforce, of(default), rules, Vec::new());
        assert_eq!(judge(&policy, &world.subject(), &evidence), expected);
    }
}

#[test]
fn a_claim_about_another_file_is_no_conflict() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement_of(1, &ALL, &[], OnConflict::Refuse));
    let other = World { keys: world.keys, ..World::with_package(&[], "hello 2.10-4 amd64") };
    let about_other = other.votes(&["b"]);
    let world = World { keys: other.keys, ..World::new(&[]) };
    let evidence = claimed([world.votes(&["a"]), about_other].concat());
    let decision = decide(&policy, &world.subject(), &evidence, now());
    assert_eq!(outcome(&decision), "admit:quorum");
    assert!(decision.report().unwrap().conflicts.is_empty());
}

// Groups: so many from within each, beside the threshold.

/// A policy of one requirement over a, b and c, with groups.
fn grouped(world: &World, count: usize, groups: &[(&str, usize, &[&str])]) -> Policy {
    world.policy(requirement_with(count, &ALL, &[], groups, OnConflict::Warn).unwrap())
}

fn counts(all: &[(&str, usize, usize)]) -> Vec<GroupCount> {
    let count = |(group, confirmed, needed): &(&str, usize, usize)| GroupCount {
        group: group.parse().unwrap(),
        confirmed: *confirmed,
        needed: threshold(*needed),
    };
    all.iter().map(count).collect()
}

#[test]
fn the_threshold_and_every_group_must_be_met() {
    let world = World::new(&ALL);
    let policy = grouped(&world, 2, &[("eu", 1, &["a", "b"]), ("us", 1, &["c"])]);
    for (votes, expected) in [
        (&["a", "c"][..], "admit:quorum"),
        (&["b", "c"], "admit:quorum"),
        (&ALL, "admit:quorum"),
        (&["a", "b"], "refuse:not-confirmed"),
        (&["c"], "refuse:not-confirmed"),
    ] {
        let evidence = claimed(world.votes(votes));
        assert_eq!(judge(&policy, &world.subject(), &evidence), expected, "{votes:?}");
    }
}

#[test]
fn a_refusal_names_the_groups_that_lack_confirmations_with_their_numbers() {
    let world = World::new(&ALL);
    let policy = grouped(&world, 1, &[("eu", 2, &["a", "b"]), ("us", 1, &["c"]), ("x", 1, &["a"])]);
    let mut evidence = claimed(world.votes(&["a"]));
    let decision = decide(&policy, &world.subject(), &evidence, now());
    assert_eq!(
        decision.refusal().unwrap().reason,
        Reason::NotConfirmed {
            confirmed: 1,
            needed: 1,
            missing: vec![],
            groups: counts(&[("eu", 1, 2), ("us", 0, 1)])
        }
    );
    evidence.answers = ["b", "c"].map(|name| answer(name, unreachable())).into();
    let decision = decide(&policy, &world.subject(), &evidence, now());
    assert_eq!(
        decision.refusal().unwrap().reason,
        Reason::CouldNotFindOut {
            confirmed: 1,
            needed: 1,
            silent: vec![rebuilder("b"), rebuilder("c")],
            groups: counts(&[("eu", 1, 2), ("us", 0, 1)])
        }
    );
    // Who is silent outside the group cannot help.
    evidence.answers.truncate(1);
    assert_eq!(judge(&policy, &world.subject(), &evidence), "refuse:not-confirmed");
}

#[test]
fn a_rebuilder_in_several_groups_counts_once_in_each_however_many_keys_it_has() {
    let mut world = World::new(&ALL);
    let policy = grouped(&world, 1, &[("eu", 1, &["a", "b"]), ("arm", 1, &["a", "c"])]);
    let evidence = claimed(world.votes(&["a"]));
    assert_eq!(judge(&policy, &world.subject(), &evidence), "admit:quorum");
    let mut votes = world.votes(&["a"]);
    world.keys.get_mut("a").unwrap().insert(0, Key::new());
    votes.extend(world.votes(&["a"]));
    let policy = grouped(&world, 1, &[("eu", 2, &["a", "b"])]);
    assert_eq!(judge(&policy, &world.subject(), &claimed(votes)), "refuse:not-confirmed");
}

#[test]
fn only_members_that_count_by_the_rule_are_in_its_groups() {
    let world = World::new(&ALL);
    let of = |counted: &[&str], count, members: &[&str]| {
        requirement_with(1, counted, &[], &[("eu", count, members)], OnConflict::Warn)
    };
    let policy = world.policy(of(&["a", "b"], 1, &["a", "c"]).unwrap());
    let evidence = claimed(world.votes(&["b", "c"]));
    assert_eq!(judge(&policy, &world.subject(), &evidence), "refuse:not-confirmed");
    let too_small = |count, counted| {
        let needed = threshold(count);
        Err(vec![RequirementError::GroupTooSmall { group: "eu".parse().unwrap(), needed, counted }])
    };
    assert_eq!(of(&["a", "b"], 2, &["a", "c"]), too_small(2, 1));
    assert_eq!(of(&["b"], 1, &["a", "c"]), too_small(1, 0));
    assert_eq!(of(&ALL, 1, &["stranger"]), too_small(1, 0));
}

/// Every two groups of every size over three rebuilders, and every set of votes.
#[test]
fn groups_never_loosen_and_one_more_vote_never_takes_a_quorum_away() {
    let world = World::new(&ALL);
    let subset = |bits: usize| -> Vec<&str> {
        (0..3).filter(|at| bits >> at & 1 == 1).map(|at| ALL[at]).collect()
    };
    let evidence: Vec<_> = (0..64)
        .map(|bits| {
            let votes = world.votes(&subset(bits & 7));
            claimed([votes, world.conflicts(&subset(bits >> 3))].concat())
        })
        .collect();
    let admits = |policy: &Policy| -> Vec<bool> {
        let judge = |it| judge(policy, &world.subject(), it) == "admit:quorum";
        evidence.iter().map(judge).collect()
    };
    let mut cases = 0;
    for count in 1..=3 {
        let plain = admits(&world.policy(requirement(count, &ALL)));
        for (one, two) in (1..8).flat_map(|one| (1..8).map(move |two| (one, two))) {
            let (one, two) = (subset(one), subset(two));
            for (first, second) in
                (1..=one.len()).flat_map(|first| (1..=two.len()).map(move |second| (first, second)))
            {
                let groups = [("one", first, &one[..]), ("two", second, &two[..])];
                let with = admits(&grouped(&world, count, &groups));
                let single = admits(&grouped(&world, count, &groups[..1]));
                for bits in 0..64 {
                    assert!(!single[bits] || plain[bits], "{groups:?} {bits:06b}");
                    assert!(!with[bits] || single[bits], "{groups:?} {bits:06b}");
                    for more in 0..6 {
                        assert!(!with[bits] || with[bits | 1 << more], "{groups:?} {bits:06b}");
                    }
                }
                assert!(with[7], "it can be met: {groups:?}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 3 * 144);
}

// Silence is not denial.

#[test]
fn could_not_find_out_and_nobody_confirms_are_different_reasons() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    for (of_b, expected, transient) in [
        (Some(unreachable()), "refuse:could-not-find-out", true),
        (Some(Outcome::Malformed { why: "x".to_owned() }), "refuse:could-not-find-out", true),
        (Some(Outcome::Unknown), "refuse:not-confirmed", false),
        (Some(says(UnsignedStatus::Good)), "refuse:not-confirmed", false),
        (Some(says(UnsignedStatus::Bad)), "refuse:not-confirmed", false),
        (Some(says(UnsignedStatus::NotBuilt)), "refuse:not-confirmed", false),
        (Some(rejected()), "refuse:not-confirmed", false),
        (Some(Outcome::Attestations { count: 1 }), "refuse:not-confirmed", false),
        (None, "refuse:not-confirmed", false),
    ] {
        let silence = of_b.as_ref().is_some_and(Outcome::is_silence);
        assert_eq!(silence, transient);
        let mut evidence = claimed(world.votes(&["a"]));
        evidence.answers = of_b.into_iter().map(|outcome| answer("b", outcome)).collect();
        let decision = decide(&policy, &world.subject(), &evidence, now());
        assert_eq!(outcome(&decision), expected, "{evidence:?}");
        assert_eq!(decision.refusal().unwrap().is_transient(), transient, "{evidence:?}");
    }
}

#[test]
fn silence_matters_only_where_the_silent_could_make_the_quorum() {
    let world = World::new(&ALL);
    let silent = |names: &[&str], votes: &[&str]| {
        let mut evidence = claimed(world.votes(votes));
        evidence.answers = names.iter().map(|name| answer(name, unreachable())).collect();
        evidence
    };
    let subject = world.subject();
    // All three must, one has answered that it does not: the other two cannot help.
    let all = world.policy(requirement(3, &ALL));
    assert_eq!(judge(&all, &subject, &silent(&["b", "c"], &[])), "refuse:not-confirmed");
    assert_eq!(judge(&all, &subject, &silent(&["b", "c"], &["a"])), "refuse:could-not-find-out");
    // Whoever does not count cannot help either.
    let two = world.policy(requirement(2, &["a", "b"]));
    assert_eq!(judge(&two, &subject, &silent(&["c"], &["a"])), "refuse:not-confirmed");
    // Nor can anybody but the one that is required and denies.
    let required = world.policy(requirement_of(1, &ALL, &["a"], OnConflict::Warn));
    assert_eq!(judge(&required, &subject, &silent(&["b", "c"], &[])), "refuse:not-confirmed");
    assert_eq!(judge(&required, &subject, &silent(&["a"], &["b"])), "refuse:could-not-find-out");
}

#[test]
fn who_has_not_answered_yet_counts_as_silent() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let mut evidence = claimed(world.votes(&["a"]));
    evidence.pending = vec![rebuilder("b")];
    assert_eq!(judge(&policy, &world.subject(), &evidence), "refuse:could-not-find-out");
}

#[test]
fn only_could_not_find_out_is_transient() {
    let identity = || Box::new(identity("hello 2.10-3 amd64"));
    let not_a_package = examine(&b""[..]).unwrap().control().unwrap_err().clone();
    let why = String::new;
    for (reason, code, transient) in [
        (Reason::Configuration { why: why() }, "configuration", false),
        (Reason::Unreadable { why: why() }, "unreadable", false),
        (Reason::Missing, "missing", false),
        (Reason::NotAPackage(not_a_package), "not-a-package", false),
        (
            Reason::NotWhatWasAskedFor {
                requested: Box::new((*identity()).into()),
                found: identity(),
            },
            "not-what-was-asked-for",
            false,
        ),
        (Reason::Conflict { rebuilders: vec![] }, "conflict", false),
        (Reason::NoRebuilders, "no-rebuilders", false),
        (
            Reason::NotConfirmed { confirmed: 0, needed: 1, missing: vec![], groups: vec![] },
            "not-confirmed",
            false,
        ),
        (
            Reason::CouldNotFindOut { confirmed: 0, needed: 1, silent: vec![], groups: vec![] },
            "could-not-find-out",
            true,
        ),
    ] {
        assert_eq!(reason.code(), code);
        let refusal = Refusal::unjudged(None, reason);
        assert_eq!(refusal.is_transient(), transient, "{code}");
        let decision = Decision::Refuse(refusal);
        assert!(decision.subject().is_none() && decision.report().is_none());
    }
}

// Where a rebuilder stands is the strongest thing that it said.

#[test]
fn of_several_answers_the_one_that_says_most_is_shown_in_whatever_order() {
    let world = World::new(&["a"]);
    let policy = world.policy(requirement(1, &["a"]));
    type Add = fn(&World, &mut Evidence);
    // From the weakest to the strongest.
    let steps: [(&str, Add); 7] = [
        ("unknown", |_, e| e.answers.push(answer("a", Outcome::Unknown))),
        ("says", |_, e| e.answers.push(answer("a", says(UnsignedStatus::Good)))),
        ("rejected", |_, e| e.answers.push(answer("a", rejected()))),
        ("unreachable", |_, e| e.answers.push(answer("a", unreachable()))),
        ("pending", |_, e| e.pending.push(rebuilder("a"))),
        ("signed-another", |w, e| e.claims.extend(w.conflicts(&["a"]))),
        ("confirms", |w, e| e.claims.extend(w.votes(&["a"]))),
    ];
    let kind = |evidence: &Evidence| {
        let decision = decide(&policy, &world.subject(), evidence, now());
        let standing = &decision.report().unwrap().standings[&rebuilder("a")];
        serde_json::to_value(standing).unwrap()["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(kind(&Evidence::default()), "not-asked");
    for (weaker, (name, add)) in steps.iter().enumerate() {
        let mut alone = Evidence::default();
        add(&world, &mut alone);
        assert_eq!(kind(&alone), *name);
        for (_, add_weaker) in &steps[..weaker] {
            let (mut first, mut second) = (Evidence::default(), Evidence::default());
            add_weaker(&world, &mut first);
            add(&world, &mut first);
            add(&world, &mut second);
            add_weaker(&world, &mut second);
            assert_eq!((kind(&first).as_str(), kind(&second).as_str()), (*name, *name));
        }
    }
}

#[test]
fn of_several_answers_that_say_as_much_the_first_is_shown() {
    let world = World::new(&["a"]);
    let policy = world.policy(requirement(1, &["a"]));
    let because = |why: &str| answer("a", Outcome::Unreachable { why: why.to_owned() });
    let answers = vec![because("first"), because("second")];
    let evidence = Evidence { answers, ..Evidence::default() };
    let decision = decide(&policy, &world.subject(), &evidence, now());
    let shown = &decision.report().unwrap().standings[&rebuilder("a")];
    assert_eq!(*shown, Standing::Unreachable { why: "first".to_owned() });
}

#[test]
fn every_rebuilder_has_a_standing_and_nobody_else() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &["a"]));
    let mut evidence = claimed(world.votes(&["a"]));
    evidence.answers = vec![answer("stranger", unreachable())];
    evidence.pending = vec![rebuilder("stranger")];
    let decision = decide(&policy, &world.subject(), &evidence, now());
    let standings = &decision.report().unwrap().standings;
    assert_eq!(standings.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ALL);
}

// Rules: in order, the first that matches decides.

#[test]
fn the_first_matching_rule_decides_and_no_other_is_looked_at() {
    let world = World::new(&ALL);
    let one_of = |names: &[&str]| requirement(names.len(), names);
    let rules = |places: &[(&str, &str, &[&str])]| -> Vec<Rule> {
        places
            .iter()
            .map(|(place, pattern, names)| rule(place, package_is(pattern), one_of(names)))
            .collect()
    };
    let evidence = claimed(world.votes(&["a"]));
    for (places, expected, at) in [
        (vec![], "refuse:not-confirmed", None),
        (vec![("1", "other", &["a"][..])], "refuse:not-confirmed", None),
        (vec![("1", "hello", &["a"][..])], "admit:quorum", Some("1")),
        // The stricter one first, and the laxer one first.
        (vec![("1", "h*", &ALL[..]), ("2", "hello", &["a"])], "refuse:not-confirmed", Some("1")),
        (vec![("1", "hello", &["a"][..]), ("2", "h*", &ALL)], "admit:quorum", Some("1")),
        (
            vec![("1", "other", &ALL[..]), ("2", "hello", &["a"]), ("3", "*", &ALL)],
            "admit:quorum",
            Some("2"),
        ),
    ] {
        let policy =
            world.policy_of(Mode::Enforce, requirement(3, &ALL), rules(&places), Vec::new());
        let decision = decide(&policy, &world.subject(), &evidence, now());
        assert_eq!(outcome(&decision), expected, "{places:?}");
        let report = decision.report().unwrap();
        assert_eq!(report.rule, at.map(at_place), "{places:?}");
        assert!(report.requirement.is_some());
    }
}

#[test]
fn a_rule_sets_the_threshold_narrows_who_counts_and_names_who_must() {
    let world = World::new(&ALL);
    let rules = vec![rule(
        "rule",
        package_is("hello"),
        requirement_of(1, &["a", "b"], &["b"], OnConflict::Warn),
    )];
    let policy = world.policy_of(Mode::Enforce, requirement(3, &ALL), rules, Vec::new());
    for (names, expected) in [
        (&["a"][..], "refuse:not-confirmed"),
        (&["a", "c"], "refuse:not-confirmed"),
        (&["b"], "admit:quorum"),
    ] {
        let evidence = claimed(world.votes(names));
        assert_eq!(judge(&policy, &world.subject(), &evidence), expected, "{names:?}");
    }
}

#[test]
fn a_rule_keeps_its_place_and_the_reason_that_the_administrator_gave() {
    let of = |reason: Option<&str>| {
        let place = at_place("policy.toml line 3");
        let (matcher, requirement) = (Matcher::default(), requirement(1, &["a"]));
        Rule { place, matcher, requirement, reason: reason.map(str::to_owned) }
    };
    assert_eq!(of(None).reason, None);
    assert_eq!(of(Some("by hand")).reason.as_deref(), Some("by hand"));
    assert_eq!(of(None).place.to_string(), "policy.toml line 3");
}

/// One key of a matcher at a time: what matches `hello 1:2.10-3 amd64` and what does not.
fn keys_of_the_file(sha256: Sha256Digest) -> Vec<(&'static str, Matcher, Matcher)> {
    let other = Sha256Digest::of(b"other");
    let of = |set: fn(&mut Matcher, Option<Vec<Glob>>), yes: &[&str], no: &[&str]| {
        let mut pair = (Matcher::default(), Matcher::default());
        set(&mut pair.0, globs(yes));
        set(&mut pair.1, globs(no));
        pair
    };
    let (package, not_package) =
        of(|m, v| m.package = v, &["nothing", "hell?"], &["hell", "ello", "hello-*"]);
    let (version, not_version) = of(|m, v| m.version = v, &["1:2.10-*"], &["2.10-3", "1:2.10"]);
    let (source, not_source) = of(|m, v| m.source = v, &["greetings"], &["hello"]);
    let (architecture, not_architecture) =
        of(|m, v| m.architecture = v, &["i386", "amd64"], &["i386", "all"]);
    let sha = |digests: Vec<_>| Matcher { sha256: Some(digests), ..Matcher::default() };
    vec![
        ("package", package, not_package),
        ("version", version, not_version),
        ("source", source, not_source),
        ("architecture", architecture, not_architecture),
        ("sha256", sha(vec![other, sha256]), sha(vec![other])),
        ("no sha256", Matcher::default(), sha(vec![])),
    ]
}

fn keys_of_the_archive() -> Vec<(&'static str, Matcher, Matcher)> {
    let of = |set: fn(&mut Matcher, Option<Vec<Glob>>), yes: &str, no: &str| {
        let mut pair = (Matcher::default(), Matcher::default());
        set(&mut pair.0, globs(&["nothing", yes]));
        set(&mut pair.1, globs(&[no]));
        pair
    };
    let all = [
        ("origin", of(|m, v| m.origin = v, "Debian", "Qubes*")),
        ("label", of(|m, v| m.label = v, "Debian", "Debian-Security")),
        ("suite", of(|m, v| m.suite = v, "stable", "stable-*")),
        ("codename", of(|m, v| m.codename = v, "trixie", "bookworm")),
        ("component", of(|m, v| m.component = v, "main", "contrib")),
        ("site", of(|m, v| m.site = v, "*.debian.org", "debian.org")),
    ];
    let signed_by = |fingerprint: &str| Matcher {
        signed_by: Some(vec![fingerprint.parse().unwrap()]),
        ..Matcher::default()
    };
    let mut all: Vec<_> = all.into_iter().map(|(name, (yes, no))| (name, yes, no)).collect();
    all.push((
        "signed_by",
        signed_by(support::SIGNER),
        signed_by(&support::SIGNER.replace('1', "2")),
    ));
    all
}

/// A world whose package comes from a source of another name.
fn greetings() -> (World, Subject) {
    let mut world = World::with_package(&ALL, "hello 1:2.10-3 amd64");
    let control = format!("{}Source: greetings\n", deb::control_text(&world.identity));
    let bytes = deb::deb_of(&[deb::file("./control", control.as_bytes())]);
    world.file = examine(bytes.as_slice()).unwrap();
    let subject = world.listed();
    (world, subject)
}

fn matches(matcher: &Matcher, subject: &Subject) -> bool {
    let judge = World::new(&["alpha"]);
    let one = || requirement(1, &["alpha"]);
    let rules = vec![rule("the rule", matcher.clone(), one())];
    let policy = judge.policy_of(Mode::Enforce, one(), rules, Vec::new());
    let decision = decide(&policy, subject, &Evidence::default(), now());
    decision.report().unwrap().rule.is_some()
}

#[test]
fn a_rule_matches_on_each_key_that_it_is_given() {
    let (world, subject) = greetings();
    let file = keys_of_the_file(world.file.sha256());
    for (name, yes, no) in file.into_iter().chain(keys_of_the_archive()) {
        assert!(matches(&yes, &subject), "{name}");
        assert!(!matches(&no, &subject), "{name}");
    }
    assert!(matches(&Matcher::default(), &subject));
}

#[test]
fn every_key_of_a_rule_must_match() {
    let (world, subject) = greetings();
    let merge = |a: &Matcher, b: &Matcher| {
        let (a, b) = (a.clone(), b.clone());
        Matcher {
            package: a.package.or(b.package),
            version: a.version.or(b.version),
            source: a.source.or(b.source),
            architecture: a.architecture.or(b.architecture),
            sha256: a.sha256.or(b.sha256),
            origin: a.origin.or(b.origin),
            label: a.label.or(b.label),
            suite: a.suite.or(b.suite),
            codename: a.codename.or(b.codename),
            component: a.component.or(b.component),
            site: a.site.or(b.site),
            signed_by: a.signed_by.or(b.signed_by),
        }
    };
    let all: Vec<_> =
        keys_of_the_file(world.file.sha256()).into_iter().chain(keys_of_the_archive()).collect();
    let good = all.iter().fold(Matcher::default(), |sum, (_, yes, _)| merge(&sum, yes));
    assert!(matches(&good, &subject));
    for (name, _, no) in &all {
        assert!(!matches(&merge(no, &good), &subject), "{name} alone must keep it from matching");
    }
}

#[test]
fn a_rule_knows_which_of_its_keys_need_the_index() {
    assert!(Matcher::default().is_empty());
    for (name, yes, no) in keys_of_the_file(Sha256Digest::of(b"")) {
        assert_eq!(yes.is_empty(), name == "no sha256", "{name}");
        assert!(!no.is_empty() && !yes.needs_listing() && !no.needs_listing(), "{name}");
    }
    for (name, yes, _) in keys_of_the_archive() {
        assert!(!yes.is_empty() && yes.needs_listing(), "{name}");
    }
}

#[test]
fn globs_match_what_a_matcher_by_the_book_matches() {
    fn by_the_book(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| by_the_book(rest, &text[at..])),
            ([b'?', rest @ ..], [_, text @ ..]) => by_the_book(rest, text),
            ([wanted, rest @ ..], [found, text @ ..]) => wanted == found && by_the_book(rest, text),
            _ => false,
        }
    }
    fn words(letters: &str, longest: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..longest {
            let to = all.len();
            for at in from..to {
                all.extend(letters.chars().map(|c| format!("{}{c}", all[at])).collect::<Vec<_>>());
            }
            from = to;
        }
        all
    }
    let texts = words("ab", 5);
    for pattern in words("ab*?", 5).into_iter().skip(1) {
        let glob: Glob = pattern.parse().unwrap();
        for text in &texts {
            let expected = by_the_book(pattern.as_bytes(), text.as_bytes());
            assert_eq!(glob.matches(text), expected, "{pattern} against {text}");
        }
    }
}

// What a rule matches on comes from the trusted side only.

#[test]
fn a_file_that_no_index_lists_matches_no_rule_about_archives() {
    let world = World::new(&ALL);
    let unlisted = Subject::new(world.file.clone(), Some(world.identity.clone()), Vec::new());
    for (name, yes, _) in keys_of_the_archive() {
        assert!(!matches(&yes, &unlisted), "{name}");
    }
    // Not even one that would match anything, nor one that would match nothing's text.
    let anything = Matcher { site: globs(&["*"]), ..Matcher::default() };
    assert!(!matches(&anything, &unlisted));
    assert!(matches(&anything, &world.listed()));
}

#[test]
fn what_the_file_says_about_its_origin_plays_no_part() {
    let mut world = World::new(&ALL);
    let control = format!(
        "{}Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\nComponent: main\n\
         Site: deb.debian.org\nFilename: pool/main/h/hello\n",
        deb::control_text(&world.identity)
    );
    let bytes = deb::deb_of(&[deb::file("./control", control.as_bytes())]);
    world.file = examine(bytes.as_slice()).unwrap();
    for (name, yes, _) in keys_of_the_archive() {
        assert!(!matches(&yes, &world.subject()), "{name}");
    }
}

#[test]
fn keys_about_the_archive_must_all_match_the_same_archive() {
    let world = World::new(&ALL);
    let mallory = Listing {
        origin: "Mallory".to_owned(),
        component: "main".to_owned(),
        site: "mallory.example".to_owned(),
        ..listing()
    };
    let contrib = Listing { component: "contrib".to_owned(), ..listing() };
    let wanted =
        Matcher { origin: globs(&["Debian"]), component: globs(&["main"]), ..Matcher::default() };
    for (listings, expected) in [
        (vec![], false),
        (vec![mallory.clone()], false),
        (vec![contrib.clone()], false),
        // Each key matches one of them, but none has both.
        (vec![mallory.clone(), contrib.clone()], false),
        (vec![contrib, mallory, listing()], true),
    ] {
        let subject = Subject::new(world.file.clone(), None, listings.clone());
        assert_eq!(matches(&wanted, &subject), expected, "{listings:?}");
    }
}

#[test]
fn a_lax_rule_for_an_archive_is_not_had_by_a_file_from_elsewhere() {
    let world = World::new(&ALL);
    let site = Matcher { site: globs(&["deb.debian.org"]), ..Matcher::default() };
    let rules = vec![rule("lax", site, requirement(1, &ALL))];
    let policy = world.policy_of(Mode::Enforce, requirement(3, &ALL), rules, Vec::new());
    assert!(policy.needs_listings());
    let evidence = claimed(world.votes(&["a"]));
    assert_eq!(judge(&policy, &world.listed(), &evidence), "admit:quorum");
    assert_eq!(judge(&policy, &world.subject(), &evidence), "refuse:not-confirmed");
}

// Exceptions: dated, reasoned, and no way round for others.

fn with_exceptions(world: &World, exceptions: Vec<Exception>) -> Policy {
    world.policy_of(Mode::Enforce, requirement(2, &ALL), Vec::new(), exceptions)
}

#[test]
fn an_exception_admits_what_no_quorum_confirms_and_says_why() {
    let world = World::new(&ALL);
    let policy = with_exceptions(&world, vec![exception("kernel.toml line 1", package_is("h*"))]);
    let decision = decide(&policy, &world.listed(), &claimed(world.votes(&["a"])), now());
    let Decision::Admit(admit) = &decision else { panic!("{decision:?}") };
    let Basis::Exception { exemption, otherwise } = admit.basis() else { panic!("{admit:?}") };
    let Exemption { place, reason, expires, id } = exemption;
    assert_eq!(
        (place.to_string().as_str(), reason.as_str()),
        ("kernel.toml line 1", "not reproducible")
    );
    assert_eq!(*expires, moment("2027-01-01T00:00:00Z"));
    assert_eq!(*id, None);
    let missing = Reason::NotConfirmed { confirmed: 1, needed: 2, missing: vec![], groups: vec![] };
    assert_eq!(*otherwise, missing, "what it would have been without");
    assert_eq!(admit.report().votes.len(), 1, "what was found is kept");
    assert_eq!(admit.subject().sha256(), world.file.sha256());
}

#[test]
fn an_exception_is_not_used_where_a_quorum_confirms() {
    let world = World::new(&ALL);
    let policy = with_exceptions(&world, vec![exception("x", package_is("hello"))]);
    let evidence = claimed(world.votes(&["a", "b"]));
    assert_eq!(judge(&policy, &world.listed(), &evidence), "admit:quorum");
}

#[test]
fn an_exception_for_another_package_admits_nothing() {
    let world = World::new(&ALL);
    let policy = with_exceptions(&world, vec![exception("x", package_is("linux-*"))]);
    assert_eq!(judge(&policy, &world.listed(), &claimed(vec![])), "refuse:not-confirmed");
}

#[test]
fn an_exception_holds_for_the_versions_that_it_is_bound_to() {
    let world = World::new(&ALL);
    for (pattern, expected) in [("2.10-*", "admit:exception"), ("2.1-*", "refuse:not-confirmed")] {
        let bound = Matcher { version: globs(&[pattern]), ..package_is("hello") };
        let policy = with_exceptions(&world, vec![exception("x", bound)]);
        assert_eq!(judge(&policy, &world.listed(), &claimed(vec![])), expected, "{pattern}");
    }
}

#[test]
fn an_exception_ends_the_moment_it_expires_and_that_is_said() {
    let world = World::new(&ALL);
    let until = |expires| exception_until("old.toml line 3", package_is("hello"), expires);
    for (expires, expected) in [
        ("2026-06-01T12:00:01Z", "admit:exception"),
        ("2026-06-01T12:00:00Z", "refuse:not-confirmed"),
        ("2020-01-01T00:00:00Z", "refuse:not-confirmed"),
    ] {
        let policy = with_exceptions(&world, vec![until(expires)]);
        let decision = decide(&policy, &world.listed(), &claimed(vec![]), now());
        assert_eq!(outcome(&decision), expected, "{expires}");
        let said = decision.report().unwrap().expired_exception.clone();
        let expired = until(expires).exemption;
        assert_eq!(expired.expires, moment(expires));
        assert_eq!(said, (expected != "admit:exception").then_some(expired));
    }
}

#[test]
fn an_expired_exception_does_not_stand_in_the_way_of_one_that_holds() {
    let world = World::new(&ALL);
    let old = exception_until("old", package_is("hello"), "2020-01-01T00:00:00Z");
    let older = exception_until("older", package_is("hello"), "2019-01-01T00:00:00Z");
    let new = exception("new", package_is("hello"));
    let policy = with_exceptions(&world, vec![old.clone(), new]);
    let decision = decide(&policy, &world.listed(), &claimed(vec![]), now());
    let Decision::Admit(admit) = &decision else { panic!("{decision:?}") };
    assert!(
        matches!(admit.basis(), Basis::Exception { exemption, .. } if exemption.place == at_place("new"))
    );
    // Of two that have expired the first is named.
    let policy = with_exceptions(&world, vec![old, older]);
    let decision = decide(&policy, &world.listed(), &claimed(vec![]), now());
    let named = decision.report().unwrap().expired_exception.clone().unwrap();
    assert_eq!(named.place, at_place("old"));
}

#[test]
fn an_expired_exception_for_another_package_is_not_mentioned() {
    let world = World::new(&ALL);
    let other = exception_until("x", package_is("linux-*"), "2020-01-01T00:00:00Z");
    let policy = with_exceptions(&world, vec![other]);
    let decision = decide(&policy, &world.listed(), &claimed(vec![]), now());
    assert_eq!(decision.report().unwrap().expired_exception, None);
}

#[test]
fn a_package_that_names_itself_after_an_exempt_one_does_not_pass() {
    // Anybody can build a file that says it is linux-image-6.12.1-amd64. An exception by name is
    // for the one that an index of apt lists.
    let world = World::with_package(&ALL, "linux-image-6.12.1-amd64 6.12.1-1 amd64");
    let by_name = exception("x", package_is("linux-image-*-amd64"));
    assert!(by_name.needs_listing() && !by_name.is_bound_to_bytes());
    let policy = with_exceptions(&world, vec![by_name]);
    assert!(policy.needs_listings());
    assert_eq!(judge(&policy, &world.listed(), &claimed(vec![])), "admit:exception");
    for requested in [None, Some(world.identity.clone())] {
        let subject = Subject::new(world.file.clone(), requested, Vec::new());
        let decision = decide(&policy, &subject, &claimed(vec![]), now());
        assert_eq!(outcome(&decision), "refuse:not-confirmed");
    }
}

#[test]
fn an_exception_bound_to_bytes_holds_for_a_file_that_no_index_lists() {
    let world = World::new(&ALL);
    let bound = Matcher { sha256: Some(vec![world.file.sha256()]), ..Matcher::default() };
    let exempt = exception("x", bound.clone());
    assert!(exempt.is_bound_to_bytes() && !exempt.needs_listing());
    let policy = with_exceptions(&world, vec![exempt]);
    assert!(!policy.needs_listings());
    assert_eq!(judge(&policy, &world.subject(), &claimed(vec![])), "admit:exception");

    let other = World::with_package(&ALL, "hello 2.10-4 amd64");
    let policy = with_exceptions(&other, vec![exception("x", bound.clone())]);
    assert_eq!(judge(&policy, &other.subject(), &claimed(vec![])), "refuse:not-confirmed");

    // Bound to bytes and to an archive: both must hold.
    let both = exception("x", Matcher { site: globs(&["deb.debian.org"]), ..bound });
    assert!(both.needs_listing());
    let policy = with_exceptions(&world, vec![both]);
    assert_eq!(judge(&policy, &world.subject(), &claimed(vec![])), "refuse:not-confirmed");
    assert_eq!(judge(&policy, &world.listed(), &claimed(vec![])), "admit:exception");
}

#[test]
fn a_conflict_that_refuses_is_excepted_only_by_naming_the_very_bytes() {
    let world = World::new(&ALL);
    let strict = requirement_of(1, &ALL, &[], OnConflict::Refuse);
    let bound = Matcher { sha256: Some(vec![world.file.sha256()]), ..Matcher::default() };
    let evidence = claimed([world.votes(&["a"]), world.conflicts(&["b"])].concat());
    for (matcher, expected) in
        [(package_is("hello"), "refuse:conflict"), (bound, "admit:exception")]
    {
        let exceptions = vec![exception("x", matcher)];
        let policy = world.policy_of(Mode::Enforce, strict.clone(), Vec::new(), exceptions);
        assert_eq!(judge(&policy, &world.listed(), &evidence), expected);
    }
}

#[test]
fn under_a_conflict_that_warns_an_exception_by_name_still_holds() {
    let world = World::new(&ALL);
    let policy = with_exceptions(&world, vec![exception("x", package_is("hello"))]);
    let evidence = claimed(world.conflicts(&["b"]));
    let decision = decide(&policy, &world.listed(), &evidence, now());
    assert_eq!(outcome(&decision), "admit:exception");
    assert_eq!(decision.report().unwrap().conflicts.len(), 1, "and the alarm is kept");
}

#[test]
fn an_exception_holds_when_nobody_could_be_asked() {
    let world = World::new(&ALL);
    let policy = with_exceptions(&world, vec![exception("x", package_is("hello"))]);
    let answers = ALL.iter().map(|name| answer(name, unreachable())).collect();
    let evidence = Evidence { answers, ..Evidence::default() };
    let decision = decide(&policy, &world.listed(), &evidence, now());
    let Decision::Admit(admit) = &decision else { panic!("{decision:?}") };
    assert!(matches!(
        admit.basis(),
        Basis::Exception { otherwise: Reason::CouldNotFindOut { .. }, .. }
    ));
}

// Enforce refuses; warn lets through and says so.

#[test]
fn warn_mode_lets_everything_through_and_records_why_it_would_have_been_refused() {
    let world = World::new(&ALL);
    let strict = requirement_of(2, &ALL, &[], OnConflict::Refuse);
    let warn = world.policy_of(Mode::Warn, strict.clone(), Vec::new(), Vec::new());
    let enforce = world.policy_of(Mode::Enforce, strict, Vec::new(), Vec::new());
    let silent = Evidence {
        answers: ALL.iter().map(|name| answer(name, unreachable())).collect(),
        ..Evidence::default()
    };
    let other = Some(identity("goodbye 2.10-3 amd64"));
    let no_package = Subject::new(examine(&b"x"[..]).unwrap(), None, Vec::new());
    for (subject, evidence) in [
        (world.subject(), claimed(world.votes(&["a"]))),
        (world.subject(), claimed(world.conflicts(&["a"]))),
        (world.subject(), silent),
        (Subject::new(world.file.clone(), other, Vec::new()), claimed(vec![])),
        (no_package, claimed(vec![])),
    ] {
        let decision = decide(&warn, &subject, &evidence, now());
        let Decision::Admit(admit) = &decision else { panic!("{decision:?}") };
        let Basis::WarnMode { otherwise } = admit.basis() else { panic!("{admit:?}") };
        let refused = decide(&enforce, &subject, &evidence, now());
        assert_eq!(*otherwise, refused.refusal().unwrap().reason);
    }
}

#[test]
fn warn_mode_takes_a_quorum_for_a_quorum_and_an_exception_for_an_exception() {
    let world = World::new(&ALL);
    let exceptions = vec![exception("x", package_is("hello"))];
    let policy = world.policy_of(Mode::Warn, requirement(2, &ALL), Vec::new(), exceptions);
    let two = claimed(world.votes(&["a", "b"]));
    assert_eq!(judge(&policy, &world.listed(), &two), "admit:quorum");
    assert_eq!(judge(&policy, &world.listed(), &claimed(vec![])), "admit:exception");
    assert_eq!(judge(&policy, &world.subject(), &claimed(vec![])), "admit:warn");
}

#[test]
fn as_it_is_shipped_there_is_nobody_to_ask_and_everything_is_debt() {
    let world = World::new(&[]);
    let policy =
        Policy::new(Mode::Warn, rebuilders([]), world.ring(), None, vec![], vec![]).unwrap();
    let decision = decide(&policy, &world.listed(), &Evidence::default(), now());
    let Decision::Admit(admit) = &decision else { panic!("{decision:?}") };
    assert!(matches!(admit.basis(), Basis::WarnMode { otherwise: Reason::NoRebuilders }));
    assert!(admit.report().requirement.is_none());
    assert_eq!(policy.mode(), Mode::Warn);
    assert!(!policy.needs_listings());
}

// A whole transaction passes only if all of it does.

#[test]
fn one_refusal_keeps_a_whole_transaction_from_passing() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &ALL));
    let good = || decide(&policy, &world.subject(), &claimed(world.votes(&["a"])), now());
    let bad = || decide(&policy, &world.subject(), &claimed(vec![]), now());
    assert!(Clearance::of(vec![]).unwrap().admitted().is_empty());
    assert_eq!(Clearance::of(vec![good(), good()]).unwrap().admitted().len(), 2);
    for decisions in [vec![bad()], vec![good(), bad()], vec![bad(), good()]] {
        let count = decisions.len();
        assert_eq!(Clearance::of(decisions).unwrap_err().len(), count, "all are handed back");
    }
    assert!(good().refusal().is_none() && good().subject().is_some());
    assert!(bad().refusal().is_some() && bad().subject().is_some());
}

// Deciding before everybody has answered.

#[test]
fn a_decision_is_made_early_only_where_no_answer_can_change_it() {
    let world = World::new(&ALL);
    let of = |mode, on_conflict, exceptions| {
        let needed = requirement_of(2, &ALL, &[], on_conflict);
        world.policy_of(mode, needed, Vec::new(), exceptions)
    };
    let exempt = || vec![exception("x", package_is("hello"))];
    let (enforce, warn) = (Mode::Enforce, Mode::Warn);
    let (one, two) = (world.votes(&["a"]), world.votes(&["a", "b"]));
    let conflict = [world.votes(&["a", "b"]), world.conflicts(&["a"])].concat();
    for (policy, claims, expected) in [
        (of(enforce, OnConflict::Warn, vec![]), &two, Some("admit:quorum")),
        (of(warn, OnConflict::Warn, vec![]), &two, Some("admit:quorum")),
        (of(enforce, OnConflict::Warn, vec![]), &conflict, Some("admit:quorum")),
        // A conflict may still come.
        (of(enforce, OnConflict::Refuse, vec![]), &two, None),
        (of(enforce, OnConflict::Refuse, vec![]), &conflict, None),
        // The vote that is missing may still come, and a quorum is better than an exception.
        (of(enforce, OnConflict::Warn, vec![]), &one, None),
        (of(warn, OnConflict::Warn, vec![]), &one, None),
        (of(enforce, OnConflict::Warn, exempt()), &one, None),
    ] {
        let mut evidence = claimed(claims.clone());
        evidence.pending = vec![rebuilder("c")];
        let early = decide_early(&policy, &world.listed(), &evidence, now());
        assert_eq!(early.as_ref().map(outcome).as_deref(), expected, "{policy:?}");
        // What is only named is closed by the same logic.
        let early = assess_early(&policy, &named(&world), &evidence, now());
        let confirmed = early.map(|it| matches!(it, Assessment::Confirmed { .. }));
        assert_eq!(confirmed, expected.map(|_| true), "{policy:?}");
        // Nobody is awaited any more.
        evidence.pending.clear();
        let last = decide_early(&policy, &world.listed(), &evidence, now());
        let decision = decide(&policy, &world.listed(), &evidence, now());
        assert_eq!(last.as_ref().map(outcome), Some(outcome(&decision)));
    }
}

#[test]
fn what_is_wrong_with_the_file_itself_needs_no_answer() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(1, &ALL));
    let awaited = Evidence { pending: vec![rebuilder("a")], ..Evidence::default() };
    let other = Some(identity("goodbye 2.10-3 amd64"));
    for (subject, expected) in [
        (Subject::new(world.file.clone(), other, vec![]), "refuse:not-what-was-asked-for"),
        (Subject::new(examine(&b""[..]).unwrap(), None, vec![]), "refuse:not-a-package"),
    ] {
        let early = decide_early(&policy, &subject, &awaited, now());
        assert_eq!(early.as_ref().map(outcome).as_deref(), Some(expected));
    }
}

/// The package of [`World::listed`], by what an index says of it.
fn named(world: &World) -> Named {
    let control = world.listed().control().unwrap().clone();
    Named {
        identity: control.identity,
        source: Some(control.source),
        epoch: Epoch::Known,
        sha256: world.file.sha256(),
        listings: world.listed().listings().to_vec(),
    }
}

/// Whatever an early decision says about passing, every way in which the awaited answers can
/// still come out says the same.
#[test]
fn no_answer_overturns_an_early_decision() {
    let world = World::new(&ALL);
    let votes = ALL.map(|name| world.votes(&[name]));
    let conflicts = ALL.map(|name| world.conflicts(&[name]));
    let subject = world.listed();
    let fill = |codes: [usize; 3]| {
        let mut evidence = Evidence::default();
        for (at, code) in codes.into_iter().enumerate() {
            match code {
                0 => evidence.claims.extend(votes[at].clone()),
                1 => evidence.claims.extend(conflicts[at].clone()),
                2 => evidence.answers.push(answer(ALL[at], unreachable())),
                3 => evidence.answers.push(answer(ALL[at], Outcome::Unknown)),
                _ => evidence.pending.push(rebuilder(ALL[at])),
            }
        }
        evidence
    };
    let codes = |number: usize, base: usize| [1, base, base * base].map(|by| number / by % base);
    let mut early_ones = 0;
    for mode in [Mode::Enforce, Mode::Warn] {
        for on_conflict in [OnConflict::Warn, OnConflict::Refuse] {
            for needed in 1..=3 {
                for exempt in [false, true] {
                    let exceptions =
                        exempt.then(|| exception("x", package_is("hello"))).into_iter().collect();
                    let default = requirement_of(needed, &ALL, &[], on_conflict);
                    let policy = world.policy_of(mode, default, Vec::new(), exceptions);
                    for now_known in 0..125 {
                        let known = codes(now_known, 5);
                        let early = decide_early(&policy, &subject, &fill(known), now());
                        let assessed = assess_early(&policy, &named(&world), &fill(known), now());
                        assert_eq!(early.is_some(), assessed.is_some(), "{known:?}");
                        let Some(early) = early else { continue };
                        early_ones += 1;
                        for later in 0..64 {
                            let mut all = codes(later, 4);
                            for at in 0..3 {
                                if known[at] != 4 {
                                    all[at] = known[at];
                                }
                            }
                            let last = decide(&policy, &subject, &fill(all), now());
                            assert_eq!(
                                early.refusal().is_some(),
                                last.refusal().is_some(),
                                "{known:?} and then {all:?}"
                            );
                        }
                    }
                }
            }
        }
    }
    // 64 of each policy's 125 await nobody; a quorum without conflicts is early as well.
    assert!(early_ones > 24 * 64, "{early_ones}");
}

/// Where a rule only perhaps applies, several must hold, and any of them can refuse for a conflict.
#[test]
fn a_package_for_which_several_rules_must_hold_awaits_every_answer() {
    let world = World::new(&ALL);
    let strict = |matcher| {
        let refuses = requirement_of(1, &ALL, &[], OnConflict::Refuse);
        vec![rule("strict", matcher, refuses)]
    };
    let of_source = Matcher { source: globs(&["special"]), ..Matcher::default() };
    let of_version = Matcher { version: globs(&["9:*"]), ..Matcher::default() };
    let known = || named(&world);
    for (matcher, open) in [
        (of_source, Named { source: None, ..known() }),
        (of_version, Named { epoch: Epoch::Told, ..known() }),
    ] {
        let policy =
            world.policy_of(Mode::Enforce, requirement(1, &ALL), strict(matcher), Vec::new());
        let voted = claimed(world.votes(&["a"]));
        let awaited = Evidence { pending: vec![rebuilder("b")], ..voted };
        assert!(assess_early(&policy, &known(), &awaited, now()).is_some());
        assert!(assess_early(&policy, &open, &awaited, now()).is_none());
        let all = claimed([world.votes(&["a"]), world.conflicts(&["b"])].concat());
        let told = |named: &Named| assess_early(&policy, named, &all, now()).unwrap();
        assert!(matches!(told(&known()), Assessment::Confirmed { .. }));
        let Assessment::Unconfirmed { reason, .. } = told(&open) else { panic!("confirmed") };
        assert!(matches!(reason, Reason::Conflict { .. }), "{reason:?}");
    }
}

#[test]
fn the_same_arguments_give_the_same_decision() {
    let world = World::new(&ALL);
    let policy = world.policy(requirement(2, &ALL));
    let evidence = claimed([world.votes(&["a"]), world.conflicts(&["b"])].concat());
    let describe = || format!("{:?}", decide(&policy, &world.subject(), &evidence, now()));
    assert_eq!(describe(), describe());
}

#[test]
fn an_identity_that_differs_in_spelling_only_is_not_the_same() {
    // dpkg compares `1.0` and `0:1.0` as equal. A file that spells its version otherwise than the
    // index is not the file that the index describes, so nothing is lost by refusing it.
    let world = World::with_package(&["a"], "hello 0:2.10-3 amd64");
    let policy = world.policy(requirement(1, &["a"]));
    let requested: Identity = identity("hello 2.10-3 amd64");
    let subject = Subject::new(world.file.clone(), Some(requested), vec![listing()]);
    let evidence = claimed(world.votes(&["a"]));
    assert_eq!(judge(&policy, &subject, &evidence), "refuse:not-what-was-asked-for");
}
