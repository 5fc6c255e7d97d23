//! How long the gate waits for whom, and how much it does for whom.

use std::time::{Duration, Instant};

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::attest::{MAX_CHECKS_OF_ONE, MAX_SIGNATURES};
use apt_quorum::evidence::{Found, Question};
use apt_quorum::gate::{Gate, Haste, TICK};
use apt_quorum::policy::{Assessment, Epoch, Named, Outcome};
use apt_quorum::sys::secure::Trusted;
use apt_quorum::types::{Identity, Sha256Digest, Timestamp};

use crate::common::{Key, World};

fn endpoint() -> String {
    "rebuilderd http://127.0.0.1:1/".to_owned()
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Of carol there is only what was imported, so she is not among those who could be done.
#[test]
fn who_has_no_endpoint_is_no_measure_for_the_others() {
    let world = World::new();
    world.rebuilder("alice", &Key::new(), &[endpoint()]);
    world.rebuilder("bob", &Key::new(), &[endpoint()]);
    world.rebuilder("carol", &Key::new(), &[]);
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let gate = Gate::open(&Configuration::default(), Some(&world.path("etc")), Trusted::now());
    let gate = gate.holding_up(Haste::First, &world.path("state"), now());
    gate.config().unwrap();
    let begun = Instant::now();
    let spent = |names: &[&str]| {
        let mut spent = Vec::new();
        for tick in 1..=1000 {
            let names = || names.iter().map(|it| it.parse().unwrap()).collect();
            spent.extend(
                gate.patience().look(begun + tick * (TICK + Duration::from_millis(1)), names),
            );
        }
        spent.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert!(spent(&["alice", "bob"]).is_empty());
}

fn question(at: usize) -> Question {
    let identity = Identity {
        package: format!("package{at}").parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: "all".parse().unwrap(),
    };
    Question { identity, source: None, sha256: Some(Sha256Digest::of(&at.to_be_bytes())) }
}

/// Each of mallory's has 10 kB, and 64 signatures of nobody's that could be of every key: with three
/// keys, 500 packages would take a minute of each entrance.
#[test]
fn signatures_of_nobodys_are_verified_up_to_a_share_of_the_run() {
    const EACH: usize = 16;
    const KEYS: usize = 2;
    let world = World::new();
    let alice = Key::new();
    world.rebuilder("alice", &alice, &[endpoint()]);
    world.rebuilder("mallory", &Key::new(), &[endpoint()]);
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let gate = Gate::open(&Configuration::default(), Some(&world.path("etc")), Trusted::now());
    let policy = &gate.config().unwrap().policy;
    let whole = MAX_CHECKS_OF_ONE / (KEYS * MAX_SIGNATURES * EACH);
    for at in 0..whole + 2 {
        let Question { identity, sha256, .. } = question(at);
        let artifact = identity.artifact_name();
        let signature = format!(r#"{{"keyid":"","sig":"{}"}}"#, "ff".repeat(64));
        let signatures = vec![signature; MAX_SIGNATURES].join(",");
        let costly =
            |n| format!(r#"{{"signatures":[{signatures}],"signed":{{"n":{n}}}}}"#).into_bytes();
        let named = Named {
            sha256: sha256.unwrap(),
            identity,
            source: None,
            epoch: Epoch::Known,
            listings: Vec::new(),
        };
        let mut inquiry = gate.inquire(&question(at), now());
        let link = alice.link(artifact.as_str(), &sha256.unwrap().to_string());
        for (asked, name, attestations) in
            [(1, "mallory", (0..EACH).map(costly).collect()), (0, "alice", vec![link])]
        {
            let outcome = Outcome::Attestations { count: attestations.len() };
            let (rebuilder, endpoint) = (name.parse().unwrap(), endpoint());
            inquiry.add(asked, Found { rebuilder, endpoint, attestations, outcome });
        }
        let assessment = inquiry.assess(policy, &named, now());
        assert!(matches!(assessment, Assessment::Confirmed { .. }), "alice is not held up");
        let is_silent = |it: &Outcome| matches!(it, Outcome::Unreachable { why } if why.contains("signatures to verify"));
        let silent = inquiry.answers().iter().any(|it| is_silent(&it.outcome));
        assert_eq!(silent, at + 1 >= whole, "{at}: {:?}", inquiry.answers());
    }
}
