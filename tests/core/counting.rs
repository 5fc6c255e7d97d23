//! Who is counted, and how often. Everything here goes the whole way from signed bytes through
//! claims to a decision: counting is right only if no step counts wrong.

use std::collections::BTreeSet;

use apt_quorum::attest::{Claim, KeyRing, KeyRingError};
use apt_quorum::policy::{
    Decision, Evidence, Matcher, Mode, OnConflict, Policy, PolicyError, Reason, Requirement,
    RequirementError, decide,
};
use apt_quorum::types::{RebuilderName, Sha256Digest};

use crate::support::*;

/// What the claims come to when `count` of all rebuilders of the world must confirm.
fn judge(world: &World, count: usize, claims: Vec<Claim>) -> String {
    let policy = world.policy(requirement(count, &world.names()));
    outcome(&decide(&policy, &world.subject(), &claimed(claims), now()))
}

/// How many the decision counted.
fn counted(decision: &Decision) -> usize {
    match &decision.refusal().unwrap().reason {
        Reason::NotConfirmed { confirmed, .. } | Reason::CouldNotFindOut { confirmed, .. } => {
            *confirmed
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_less_than_the_threshold_is_refused_and_the_threshold_is_enough() {
    let world = World::new(&["a", "b", "c", "d"]);
    let names = ["a", "b", "c", "d"];
    for needed in 1..=4 {
        for confirming in 0..=4 {
            let found = judge(&world, needed, world.votes(&names[..confirming]));
            let expected =
                if confirming >= needed { "admit:quorum" } else { "refuse:not-confirmed" };
            assert_eq!(found, expected, "{confirming} of {needed}");
        }
    }
}

#[test]
fn a_signature_that_stands_twice_is_one_vote() {
    let world = World::new(&["a", "b"]);
    let key = world.key("a");
    let bytes = attestation(&world.artifact(), world.file.sha256(), &[key, key, key]);
    let claims = world.verify(&bytes).unwrap();
    assert_eq!(judge(&world, 1, claims.clone()), "admit:quorum");
    assert_eq!(judge(&world, 2, claims), "refuse:not-confirmed");
}

#[test]
fn an_attestation_that_is_found_at_many_endpoints_is_one_vote() {
    let world = World::new(&["a", "b"]);
    let claims = vec![world.votes(&["a"]); 5].concat();
    assert_eq!(judge(&world, 2, claims), "refuse:not-confirmed");
}

#[test]
fn several_attestations_of_one_rebuilder_are_one_vote() {
    let world = World::new(&["a", "b"]);
    let plain = link_text(&world.artifact(), world.file.sha256());
    let claims: Vec<Claim> = (0..5)
        .flat_map(|n| {
            let link = plain.replace(r#""command":[]"#, &format!(r#""command":["{n}"]"#));
            world.verify(&envelope(&link, &[world.key("a")])).unwrap()
        })
        .collect();
    let attestations: BTreeSet<_> = claims.iter().map(Claim::attestation).collect();
    assert_eq!(attestations.len(), 5);
    assert_eq!(judge(&world, 2, claims), "refuse:not-confirmed");
}

#[test]
fn two_keys_of_one_rebuilder_are_one_vote() {
    let mut world = World::new(&["a", "b"]);
    world.keys.get_mut("a").unwrap().push(Key::new());
    let keys: Vec<&Key> = world.keys["a"].iter().collect();
    let (artifact, sha256) = (world.artifact(), world.file.sha256());

    let together = world.verify(&attestation(&artifact, sha256, &keys)).unwrap();
    assert_eq!(together.len(), 2, "a claim for each key");
    let one_by_one: Vec<Claim> = keys
        .iter()
        .flat_map(|key| world.verify(&attestation(&artifact, sha256, &[key])).unwrap())
        .collect();
    assert_eq!(one_by_one.len(), 2);
    for claims in [together, one_by_one] {
        assert_eq!(judge(&world, 1, claims.clone()), "admit:quorum");
        assert_eq!(judge(&world, 2, claims), "refuse:not-confirmed");
    }
}

#[test]
fn a_foreign_key_is_no_vote_however_often_it_signs() {
    let world = World::new(&["a", "b"]);
    let mallory = Key::new();
    let (artifact, sha256) = (world.artifact(), world.file.sha256());
    let alone = attestation(&artifact, sha256, &[&mallory]);
    assert_eq!(world.verify(&alone).unwrap_err().code(), "unknown-key");
    let beside = attestation(&artifact, sha256, &[&mallory, world.key("a"), &mallory]);
    assert_eq!(judge(&world, 2, world.verify(&beside).unwrap()), "refuse:not-confirmed");
}

#[test]
fn an_attestation_that_two_rebuilders_sign_is_two_votes() {
    let world = World::new(&["a", "b", "c"]);
    let keys = [world.key("a"), world.key("b")];
    let bytes = attestation(&world.artifact(), world.file.sha256(), &keys);
    let claims = world.verify(&bytes).unwrap();
    assert_eq!(judge(&world, 2, claims.clone()), "admit:quorum");
    assert_eq!(judge(&world, 3, claims), "refuse:not-confirmed");
}

/// With 92 rebuilders who are not named and nine signatures each, the budget would be used up long
/// before the last one.
#[test]
fn a_signature_is_not_tried_with_the_keys_of_others_once_it_is_known_whose_it_is() {
    let names: Vec<String> = (0..100).map(|n| format!("op{n:02}")).collect();
    let world = World::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let signers: Vec<&Key> =
        [0, 1, 2, 3, 4, 5, 6, 7, 99].map(|n: usize| world.key(&names[n])).into();
    let bytes = attestation(&world.artifact(), world.file.sha256(), &signers);
    let text = String::from_utf8(bytes).unwrap().replace(&signers[8].id(), "any");
    let claims = world.verify(text.as_bytes()).unwrap();
    assert_eq!(judge(&world, 9, claims), "admit:quorum");
}

#[test]
fn a_rebuilder_that_the_rule_does_not_count_is_no_vote() {
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let judge =
        |names: &[&str]| decide(&policy, &world.subject(), &claimed(world.votes(names)), now());
    assert_eq!(outcome(&judge(&["a", "b"])), "admit:quorum");
    assert_eq!(outcome(&judge(&["a", "c"])), "refuse:not-confirmed");
    assert_eq!(counted(&judge(&["a", "c"])), 1, "nor shown as one");
    assert_eq!(counted(&judge(&["c"])), 0);
}

#[test]
fn a_required_rebuilder_must_be_among_those_that_confirm() {
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement_of(2, &["a", "b", "c"], &["c"], OnConflict::Warn));
    for (names, expected) in [
        (&["a", "b"][..], "refuse:not-confirmed"),
        (&["a", "c"], "admit:quorum"),
        (&["b", "c"], "admit:quorum"),
        (&["c"], "refuse:not-confirmed"),
        (&["a", "b", "c"], "admit:quorum"),
    ] {
        let decision = decide(&policy, &world.subject(), &claimed(world.votes(names)), now());
        assert_eq!(outcome(&decision), expected, "{names:?}");
    }
    let without = decide(&policy, &world.subject(), &claimed(world.votes(&["a", "b"])), now());
    assert_eq!(
        without.refusal().unwrap().reason,
        Reason::NotConfirmed {
            confirmed: 2,
            needed: 2,
            missing: vec![rebuilder("c")],
            groups: vec![]
        }
    );
}

#[test]
fn every_required_rebuilder_must_confirm_even_beyond_the_threshold() {
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement_of(1, &["a", "b", "c"], &["b", "c"], OnConflict::Warn));
    for (names, expected) in [
        (&["a"][..], "refuse:not-confirmed"),
        (&["b"], "refuse:not-confirmed"),
        (&["a", "b"], "refuse:not-confirmed"),
        (&["b", "c"], "admit:quorum"),
    ] {
        let decision = decide(&policy, &world.subject(), &claimed(world.votes(names)), now());
        assert_eq!(outcome(&decision), expected, "{names:?}");
    }
}

#[test]
fn a_claim_about_other_bytes_is_never_a_vote() {
    let world = World::new(&["a", "b"]);
    let claims = [world.votes(&["a"]), world.conflicts(&["b"])].concat();
    assert_eq!(judge(&world, 2, claims), "refuse:not-confirmed");
}

#[test]
fn a_rebuilder_that_confirms_and_contradicts_still_has_its_vote_and_its_conflict() {
    // It may have rebuilt twice, or one of its keys is in other hands: an alarm, but the vote is
    // what the threshold is about.
    let world = World::new(&["a"]);
    let claims = [world.votes(&["a"]), world.conflicts(&["a"])].concat();
    let policy = world.policy(requirement(1, &["a"]));
    let decision = decide(&policy, &world.subject(), &claimed(claims.clone()), now());
    assert_eq!(outcome(&decision), "admit:quorum");
    assert_eq!(decision.report().unwrap().conflicts.len(), 1);
    let strict = world.policy(requirement_of(1, &["a"], &[], OnConflict::Refuse));
    let decision = decide(&strict, &world.subject(), &claimed(claims), now());
    assert_eq!(outcome(&decision), "refuse:conflict");
}

#[test]
fn a_claim_by_a_rebuilder_that_the_policy_does_not_know_counts_nothing() {
    // Claims verified under one configuration and judged under the next.
    let before = World::new(&["a", "b"]);
    let votes = before.votes(&["a", "b"]);
    let mut after = World::new(&["a"]);
    after.keys.insert("a".to_owned(), vec![Key(before.key("a").0.clone())]);
    let policy = after.policy(requirement(1, &["a"]));
    let only = |name: &str| {
        votes.iter().filter(|claim| claim.rebuilder().as_str() == name).cloned().collect::<Vec<_>>()
    };
    let judge = |claims| decide(&policy, &after.subject(), &claimed(claims), now());
    assert_eq!(outcome(&judge(only("a"))), "admit:quorum");
    let by_b = judge(only("b"));
    assert_eq!(outcome(&by_b), "refuse:not-confirmed");
    assert!(by_b.report().unwrap().votes.is_empty());
}

#[test]
fn a_claim_by_a_key_that_the_policy_does_not_pin_any_more_counts_nothing() {
    // The rebuilder stays, its key was replaced after it was stolen.
    let before = World::new(&["a"]);
    let stolen = before.votes(&["a"]);
    let after = World::new(&["a"]);
    let policy = after.policy(requirement(1, &["a"]));
    let decision = decide(&policy, &after.subject(), &claimed(stolen), now());
    assert_eq!(outcome(&decision), "refuse:not-confirmed");
    assert!(decision.report().unwrap().votes.is_empty());
}

#[test]
fn a_claim_by_a_key_that_has_another_owner_now_counts_for_neither() {
    let before = World::new(&["a"]);
    let votes = before.votes(&["a"]);
    let mut after = World::new(&["a", "b"]);
    after.keys.insert("b".to_owned(), vec![Key(before.key("a").0.clone())]);
    let policy = after.policy(requirement(1, &["a", "b"]));
    let decision = decide(&policy, &after.subject(), &claimed(votes), now());
    assert_eq!(outcome(&decision), "refuse:not-confirmed");
}

#[test]
fn a_claim_by_a_key_that_expired_before_the_judgement_counts_nothing() {
    let world = World::new(&["a"]);
    let votes = world.votes(&["a"]);
    let end = moment("2026-06-01T13:00:00Z");
    let ring = KeyRing::new(vec![pinned("a", world.key("a"), Some(end))]).unwrap();
    let requirement = Some(requirement(1, &["a"]));
    let policy =
        Policy::new(Mode::Enforce, rebuilders(["a"]), ring, requirement, vec![], vec![]).unwrap();
    let at = |time: &str| {
        outcome(&decide(&policy, &world.subject(), &claimed(votes.clone()), moment(time)))
    };
    assert_eq!(at("2026-06-01T12:59:59Z"), "admit:quorum");
    assert_eq!(at("2026-06-01T13:00:00Z"), "refuse:not-confirmed");
}

/// A model of the judgement, written a second time and in another way: votes as bits.
fn expected(state: &[State; 4], requirement: &Bits) -> &'static str {
    let mask = |wanted: fn(State) -> bool| -> u32 {
        state.iter().enumerate().map(|(at, &s)| u32::from(wanted(s)) << at).sum()
    };
    let votes = mask(|s| s == State::Confirms);
    let silent = mask(|s| s == State::Silent);
    let conflicts = mask(|s| s == State::Contradicts);
    let met = |who: u32| {
        (who & requirement.counted).count_ones() >= requirement.threshold
            && who & requirement.required == requirement.required
    };
    match () {
        () if requirement.strict && conflicts != 0 => "refuse:conflict",
        () if met(votes) => "admit:quorum",
        () if met(votes | silent) => "refuse:could-not-find-out",
        () => "refuse:not-confirmed",
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Confirms,
    Contradicts,
    Silent,
    SaysGood,
}

struct Bits {
    threshold: u32,
    counted: u32,
    required: u32,
    strict: bool,
}

/// Every requirement over four rebuilders, every state of each of them.
#[test]
fn a_file_is_admitted_exactly_when_the_rebuilders_that_count_are_enough() {
    use apt_quorum::policy::{Outcome, UnsignedStatus};
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const STATES: [State; 4] =
        [State::Confirms, State::Contradicts, State::Silent, State::SaysGood];
    let world = World::new(&NAMES);
    let subject = world.subject();
    let votes = NAMES.map(|name| world.votes(&[name]));
    let conflicts = NAMES.map(|name| world.conflicts(&[name]));
    let chosen = |bits: u32| -> Vec<&str> {
        NAMES.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, &n)| n).collect()
    };

    let mut evidence = Vec::new();
    for code in 0..256_usize {
        let state = [0, 2, 4, 6].map(|shift| STATES[code >> shift & 3]);
        let mut found = Evidence::default();
        for (at, state) in state.iter().enumerate() {
            match state {
                State::Confirms => found.claims.extend(votes[at].clone()),
                State::Contradicts => found.claims.extend(conflicts[at].clone()),
                State::Silent => found
                    .answers
                    .push(answer(NAMES[at], Outcome::Unreachable { why: "no route".to_owned() })),
                State::SaysGood => found.answers.push(answer(
                    NAMES[at],
                    Outcome::NoAttestation { status: UnsignedStatus::Good, more: None },
                )),
            }
        }
        evidence.push((state, found));
    }

    let mut cases = 0_usize;
    for counted in 1..16_u32 {
        for required in (0..16).filter(|required| required & !counted == 0) {
            for threshold in 1..=counted.count_ones() {
                for strict in [false, true] {
                    let on_conflict = if strict { OnConflict::Refuse } else { OnConflict::Warn };
                    let policy = world.policy(requirement_of(
                        threshold.try_into().unwrap(),
                        &chosen(counted),
                        &chosen(required),
                        on_conflict,
                    ));
                    let bits = Bits { threshold, counted, required, strict };
                    for (state, evidence) in &evidence {
                        let decision = decide(&policy, &subject, evidence, now());
                        assert_eq!(
                            outcome(&decision),
                            expected(state, &bits),
                            "{threshold} of {counted:04b}, required {required:04b}, {evidence:?}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 216 * 2 * 256);
}

#[test]
fn neither_order_nor_repetition_of_the_claims_changes_the_decision() {
    let world = World::new(&["a", "b", "c"]);
    let claims = [world.votes(&["a", "b"]), world.conflicts(&["c", "a"])].concat();
    let policy = world.policy(requirement(2, &["a", "b", "c"]));
    let describe = |claims: Vec<Claim>| {
        let decision = decide(&policy, &world.subject(), &claimed(claims), now());
        let report = decision.report().unwrap();
        (outcome(&decision), report.votes.clone(), report.conflicts.clone())
    };
    let expected = describe(claims.clone());
    let mut order: Vec<usize> = (0..claims.len()).collect();
    let mut orders = 0;
    permute(&mut order, 0, &mut |order| {
        let mut shuffled: Vec<Claim> = order.iter().map(|&at| claims[at].clone()).collect();
        shuffled.extend(shuffled.clone());
        assert_eq!(describe(shuffled), expected);
        orders += 1;
    });
    assert_eq!(orders, 24);
    assert_eq!((expected.1.len(), expected.2.len()), (2, 2), "and each is reported once");
}

fn permute(items: &mut Vec<usize>, from: usize, visit: &mut impl FnMut(&[usize])) {
    if from == items.len() {
        return visit(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, visit);
        items.swap(from, at);
    }
}

#[test]
fn a_threshold_that_could_never_be_met_is_no_requirement() {
    let make = |count, counted: &[&str], required: &[&str]| {
        requirement_with(count, counted, required, &[], OnConflict::Warn)
    };
    assert!(make(2, &["a", "b"], &["a"]).is_ok());
    assert_eq!(
        make(3, &["a", "b"], &[]),
        Err(vec![RequirementError::ThresholdTooHigh { threshold: threshold(3), counted: 2 }])
    );
    assert_eq!(
        make(1, &[], &[]),
        Err(vec![RequirementError::ThresholdTooHigh { threshold: threshold(1), counted: 0 }])
    );
    let all = make(3, &["a", "b"], &["b", "c", "d"]).unwrap_err();
    assert_eq!(
        all,
        [
            RequirementError::RequiredNotCounted(rebuilder("c")),
            RequirementError::RequiredNotCounted(rebuilder("d")),
            RequirementError::ThresholdTooHigh { threshold: threshold(3), counted: 2 },
        ],
        "all mistakes at once"
    );
}

#[test]
fn a_key_has_exactly_one_owner() {
    let (one, two) = (Key::new(), Key::new());
    let end = Some(moment("2027-01-01T00:00:00Z"));
    assert!(KeyRing::new(vec![pinned("a", &one, None), pinned("b", &two, None)]).is_ok());
    let errors = KeyRing::new(vec![
        pinned("a", &one, None),
        pinned("b", &one, None),
        pinned("a", &two, None),
        pinned("a", &two, end),
    ])
    .unwrap_err();
    assert_eq!(
        errors,
        [
            KeyRingError::SharedKey { first: rebuilder("a"), earlier: 0, index: 1 },
            KeyRingError::RepeatedKey { earlier: 2, index: 3 },
        ]
    );
}

#[test]
fn a_policy_that_contradicts_itself_cannot_be_made() {
    let key = Key::new();
    let make = |mode, names: &[&str], owner: Option<&str>, default: Option<Requirement>| {
        let keys = owner.map(|owner| pinned(owner, &key, None)).into_iter().collect();
        let ring = KeyRing::new(keys).unwrap();
        Policy::new(mode, rebuilders(names.iter().copied()), ring, default, vec![], vec![])
            .map(drop)
    };
    let one = || Some(requirement(1, &["a"]));
    let (enforce, warn) = (Mode::Enforce, Mode::Warn);
    assert_eq!(make(enforce, &["a"], Some("a"), one()), Ok(()));
    assert_eq!(make(warn, &[], None, None), Ok(()), "as it is shipped");
    for (made, error) in [
        (make(enforce, &[], None, None), PolicyError::EnforceWithoutRebuilders),
        (make(enforce, &["a"], Some("a"), None), PolicyError::NoThreshold),
        (make(warn, &["a"], Some("a"), None), PolicyError::NoThreshold),
        (
            make(enforce, &["a", "b"], Some("a"), one()),
            PolicyError::RebuilderWithoutKey(rebuilder("b")),
        ),
        (make(warn, &[], Some("a"), None), PolicyError::KeyWithoutRebuilder(rebuilder("a"))),
    ] {
        assert_eq!(made, Err(vec![error]));
    }
}

#[test]
fn a_requirement_that_counts_somebody_who_is_no_rebuilder_makes_no_policy() {
    // Two of a, b and a misspelt c: with a threshold of 3 it could never be met, with 2 it would
    // ask for more than it says.
    let world = World::new(&["a", "b"]);
    let make = |default: Requirement, rules| {
        let default = Some(default);
        Policy::new(Mode::Enforce, rebuilders(["a", "b"]), world.ring(), default, rules, vec![])
            .map(drop)
    };
    let good = || requirement(2, &["a", "b"]);
    let bad = || requirement(2, &["a", "b", "c", "d"]);
    let unknown = |name| PolicyError::UnknownRebuilder(rebuilder(name));
    assert_eq!(make(good(), vec![rule("line 1", package_is("x"), good())]), Ok(()));
    assert_eq!(make(bad(), vec![]), Err(vec![unknown("c"), unknown("d")]));
    let rules = vec![rule("line 1", package_is("x"), bad())];
    assert_eq!(make(good(), rules), Err(vec![unknown("c"), unknown("d")]));
}

/// Asking can wait only where no rule, whichever it turns out to be, could want more.
#[test]
fn rebuilders_are_enough_by_every_rule_only_if_they_are_by_each() {
    let world = World::new(&["a", "b", "c"]);
    let default = || requirement(2, &["a", "b", "c"]);
    let rule = |requirement| rule("rule 1", Matcher::default(), requirement);
    let enough = |rules: Vec<Requirement>, names: &[&str]| {
        let rules = rules.into_iter().map(rule).collect();
        let policy = world.policy_of(Mode::Enforce, default(), rules, Vec::new());
        let names: Vec<RebuilderName> = names.iter().map(|it| it.parse().unwrap()).collect();
        policy.is_met_by_every_rule(&names.iter().collect())
    };
    assert!(enough(vec![], &["a", "b"]));
    assert!(!enough(vec![], &["a"]));
    assert!(!enough(vec![], &["a", "stranger"]));
    assert!(!enough(vec![requirement(1, &["a"])], &["a"]), "where none matches");
    assert!(
        !enough(vec![requirement(3, &["a", "b", "c"])], &["a", "b"]),
        "where the first matches"
    );
    assert!(enough(vec![requirement(3, &["a", "b", "c"])], &["a", "b", "c"]));
    let strict =
        |required: &[&str], on_conflict| requirement_of(1, &["a", "b", "c"], required, on_conflict);
    assert!(!enough(vec![strict(&["c"], OnConflict::Warn)], &["a", "b"]), "c must be among them");
    assert!(!enough(vec![strict(&[], OnConflict::Refuse)], &["a", "b"]), "c could contradict");
    // A machine that is not set up yet.
    let none =
        Policy::new(Mode::Warn, [].into(), KeyRing::default(), None, vec![], vec![]).unwrap();
    assert!(!none.is_met_by_every_rule(&BTreeSet::new()));
}

#[test]
fn the_names_of_those_that_could_not_be_heard_are_those_that_count() {
    use apt_quorum::policy::Outcome;
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let mut evidence = claimed(world.votes(&["a"]));
    evidence.pending = vec![rebuilder("b")];
    evidence.answers = vec![answer("c", Outcome::Unreachable { why: "no route".to_owned() })];
    let decision = decide(&policy, &world.subject(), &evidence, now());
    let silent: Vec<RebuilderName> = vec![rebuilder("b")];
    assert_eq!(
        decision.refusal().unwrap().reason,
        Reason::CouldNotFindOut { confirmed: 1, needed: 2, silent, groups: vec![] }
    );
}

#[test]
fn a_vote_is_about_the_bytes_and_not_about_what_they_hash_to_elsewhere() {
    // The same name, another file of the same size: a claim made for that one is none for this.
    let world = World::new(&["a"]);
    let elsewhere = World::with_package(&["a"], "hello 2.10-4 amd64");
    let sha256: Sha256Digest = elsewhere.file.sha256();
    assert_ne!(sha256, world.file.sha256());
    assert_eq!(judge(&world, 1, world.claims(&["a"], sha256)), "refuse:not-confirmed");
}
