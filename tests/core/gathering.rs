//! What the gate takes from those who fetch evidence for it, and from apt's indexes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use apt_quorum::evidence::Found;
use apt_quorum::gate::{Inquiry, Listings};
use apt_quorum::policy::{Decision, OnConflict, Outcome, Standing, UnsignedStatus};
use apt_quorum::types::Sha256Digest;

use crate::support::*;

/// Somebody who is neither root nor the one who runs the tests.
const SOMEBODY: u32 = 65534;

fn found(rebuilder_name: &str, attestations: Vec<Vec<u8>>) -> Found {
    let status = UnsignedStatus::Bad;
    Found {
        rebuilder: rebuilder(rebuilder_name),
        endpoint: format!("https://{rebuilder_name}.example/"),
        attestations,
        outcome: Outcome::NoAttestation { status, more: None },
    }
}

/// Who has been heard, as the decision says.
fn heard(decision: &Decision) -> Vec<&str> {
    let silent = |standing: &Standing| {
        matches!(standing, Standing::NotAsked | Standing::Pending | Standing::Unreachable { .. })
    };
    let standings = &decision.report().unwrap().standings;
    standings.iter().filter(|(_, it)| !silent(it)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn whose_answer_it_is_the_configuration_says_and_not_the_answer() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let mut inquiry = Inquiry::new(Vec::new(), [(0, rebuilder("a"))].into());
    inquiry.add(0, found("b", Vec::new()));
    assert_eq!(heard(&inquiry.decide(&policy, &world.subject(), now())), ["a"]);
}

#[test]
fn an_endpoint_that_was_not_asked_or_has_answered_is_not_heard() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let mut inquiry = Inquiry::new(Vec::new(), [(0, rebuilder("a"))].into());
    assert_eq!(inquiry.asked(), [0]);
    assert!(!inquiry.is_complete());
    inquiry.add(1, found("b", Vec::new()));
    assert!(!inquiry.is_complete());
    inquiry.add(0, found("a", Vec::new()));
    assert!(inquiry.is_complete());
    inquiry.add(0, found("b", Vec::new()));
    assert_eq!(heard(&inquiry.decide(&policy, &world.subject(), now())), ["a"]);
}

#[test]
fn who_is_given_up_has_not_confirmed() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let mut inquiry = Inquiry::new(Vec::new(), [(0, rebuilder("a")), (1, rebuilder("b"))].into());
    let bytes = attestation(&world.artifact(), world.file.sha256(), &[world.key("a")]);
    inquiry.add(0, found("a", vec![bytes]));
    assert!(inquiry.decide_early(&policy, &world.subject(), now()).is_none());
    inquiry.give_up("the line is cut");
    assert!(inquiry.is_complete() && inquiry.asked().is_empty());
    let decision = inquiry.decide(&policy, &world.subject(), now());
    assert_eq!(outcome(&decision), "refuse:could-not-find-out");
    assert_eq!(heard(&decision), ["a"]);
    let of_b = &decision.report().unwrap().standings[&rebuilder("b")];
    assert_eq!(*of_b, Standing::Unreachable { why: "the line is cut".to_owned() });
}

#[test]
fn of_a_flood_one_vote_and_two_conflicts_are_kept() {
    let world = World::new(&["a", "b"]);
    let policy = world.policy(requirement(2, &["a", "b"]));
    let link = |name: &str, sha256| attestation(&world.artifact(), sha256, &[world.key(name)]);
    let other = |n: u8| Sha256Digest::of(&[n]);
    let mut flood: Vec<Vec<u8>> = (0..50).map(|n| link("a", other(n))).collect();
    flood.push(link("a", world.file.sha256()));
    // The same vote in other bytes: what stands outside of the signed part is nobody's.
    let spaced = [link("a", world.file.sha256()), b"\n".to_vec()].concat();
    flood.push(spaced);
    flood.extend((50..100).map(|n| link("a", other(n))));
    let mut inquiry = Inquiry::new(flood, [(0, rebuilder("b"))].into());
    inquiry.add(0, found("b", vec![link("b", world.file.sha256())]));
    let decision = inquiry.decide(&policy, &world.subject(), now());
    assert_eq!(outcome(&decision), "admit:quorum");
    let conflicts = &decision.report().unwrap().conflicts;
    assert_eq!(conflicts.len(), 2, "the alarm is given all the same");
    let (signed, _) = inquiry.into_parts();
    assert_eq!(signed.len(), 1 + 2 + 1);
}

/// As where several share a directory.
#[test]
fn a_place_with_what_others_signed_has_nothing_of_its_own() {
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement(2, &["a", "b", "c"]));
    let asked = [(0, rebuilder("a")), (1, rebuilder("b")), (2, rebuilder("c"))];
    let mut inquiry = Inquiry::new(Vec::new(), asked.into());
    let bytes = attestation(&world.artifact(), world.file.sha256(), &[world.key("a")]);
    let found = |name, attestations: Vec<_>| {
        let outcome = Outcome::Attestations { count: attestations.len() };
        Found { outcome, ..found(name, attestations) }
    };
    for (at, name) in ["a", "b"].into_iter().enumerate() {
        inquiry.add(at, found(name, vec![bytes.clone()]));
    }
    // What is wrong with something is said all the same.
    inquiry.add(2, found("c", vec![b"nothing".to_vec()]));
    let decision = inquiry.decide(&policy, &world.subject(), now());
    assert_eq!(outcome(&decision), "refuse:not-confirmed");
    let standings = &decision.report().unwrap().standings;
    assert_eq!(standings[&rebuilder("a")], Standing::Confirms);
    assert_eq!(standings[&rebuilder("b")], Standing::Unknown);
    assert!(matches!(standings[&rebuilder("c")], Standing::Rejected { .. }), "{standings:?}");
}

/// One who used up its time is not waited for. What it says all the same is taken, above all a conflict.
#[test]
fn who_rests_is_not_waited_for_and_may_still_confirm_or_contradict() {
    let world = World::new(&["a", "b", "c"]);
    let asked = || BTreeMap::from([(0, rebuilder("a")), (1, rebuilder("b")), (2, rebuilder("c"))]);
    let signed = |name: &str, sha256| attestation(&world.artifact(), sha256, &[world.key(name)]);
    let right = world.file.sha256();
    for (on_conflict, late, before, expected) in [
        (OnConflict::Warn, right, "refuse:could-not-find-out", "admit:quorum"),
        (
            OnConflict::Refuse,
            Sha256Digest::of(b"other"),
            "refuse:could-not-find-out",
            "refuse:conflict",
        ),
    ] {
        let policy = world.policy(requirement_of(2, &["a", "b", "c"], &[], on_conflict));
        let mut inquiry = Inquiry::new(Vec::new(), asked());
        inquiry.add(0, found("a", vec![signed("a", right)]));
        inquiry.add(1, Found { outcome: Outcome::Unknown, ..found("b", Vec::new()) });
        assert!(inquiry.decide_early(&policy, &world.subject(), now()).is_none());
        inquiry.rest(&rebuilder("c"), "slow");
        assert!(inquiry.is_complete() && inquiry.asked().is_empty());
        let early = inquiry.decide_early(&policy, &world.subject(), now()).unwrap();
        assert_eq!(outcome(&early), before);
        let standing = Standing::Unreachable { why: "slow".to_owned() };
        assert_eq!(early.report().unwrap().standings[&rebuilder("c")], standing);
        inquiry.add(2, found("c", vec![signed("c", late)]));
        assert_eq!(outcome(&inquiry.decide(&policy, &world.subject(), now())), expected);
    }
}

/// The names of the components whose index lists `sha256` as `good 1 all`.
fn components(lists: &Path, sha256: Sha256Digest) -> Vec<String> {
    let listings = Listings::load(lists, None, |_, _| true).of(sha256, &identity("good 1 all"));
    listings.into_iter().map(|it| it.component).collect()
}

#[test]
fn only_indexes_that_apt_verified_are_believed() {
    let directory = tempfile::tempdir().unwrap();
    let sha256 = Sha256Digest::of(b"good");
    let text = format!("Package: good\nVersion: 1\nArchitecture: all\nSHA256: {sha256}\n");
    let archive = "deb.example_debian_dists_stable_";
    let index = |name: &str| directory.path().join(format!("{archive}{name}"));
    fs::write(index("InRelease"), "Origin: Debian\n").unwrap();
    fs::write(index("main_binary-all_Packages"), &text).unwrap();
    assert_eq!(components(directory.path(), sha256), ["main"]);

    // What is no index lists nothing.
    fs::write(index("contrib_i18n_Translation-en"), &text).unwrap();
    fs::write(index("contrib_source_Sources"), &text).unwrap();
    assert_eq!(components(directory.path(), sha256), ["main"]);
    // Nor does a link, or what is no file.
    fs::write(directory.path().join("elsewhere"), &text).unwrap();
    symlink("elsewhere", index("linked_binary-all_Packages")).unwrap();
    fs::create_dir(index("directory_binary-all_Packages")).unwrap();
    assert_eq!(components(directory.path(), sha256), ["main"]);
    // A pipe that nobody writes to does not keep anybody waiting.
    nix::unistd::mkfifo(&index("pipe_binary-all_Packages"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(components(directory.path(), sha256), ["main"]);

    // What belongs to apt's unprivileged user was never verified.
    if nix::unistd::geteuid().is_root() {
        chown(index("main_binary-all_Packages"), Some(SOMEBODY), None).unwrap();
        assert_eq!(components(directory.path(), sha256), Vec::<String>::new());
    }
}
