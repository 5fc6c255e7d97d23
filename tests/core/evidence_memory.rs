//! Memory that one rebuilder's attestations can take, where those of all packages of a run are in
//! memory together.

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::cache::Cache;
use apt_quorum::evidence::{Found, Question};
use apt_quorum::gate::{Gate, Inquiry};
use apt_quorum::policy::{Answer, Epoch, Named, Outcome};
use apt_quorum::sys::secure::Trusted;
use apt_quorum::types::{Identity, Sha256Digest, Timestamp};

use crate::common::{Key, World, alone, memory_of};

/// Packages of the run, about each of which mallory has signed four times as much as is read.
const PACKAGES: usize = 50;
const EACH: usize = 4;

/// What they may take in KiB: mallory's share of a run, and what one more of hers takes to be read.
const MOST: u64 = 96 * 1024;

/// A link of nearly 1 MiB.
fn long_link(key: &Key, file: &str, sha256: &str, number: usize) -> Vec<u8> {
    let text = "x".repeat(1000 * 1000);
    let signed = format!(
        concat!(
            r#"{{"_type":"link","byproducts":{{"stdout":"{number}{text}"}},"command":[],"#,
            r#""environment":null,"materials":{{}},"name":"rebuild {file}","#,
            r#""products":{{"{file}":{{"sha256":"{sha256}"}}}}}}"#
        ),
        file = file,
        number = number,
        text = text,
        sha256 = sha256,
    );
    key.envelope(&signed, &signed)
}

fn question(at: usize) -> Question {
    let identity: Identity = Identity {
        package: format!("package{at}").parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: "all".parse().unwrap(),
    };
    Question { identity, source: None, sha256: Some(Sha256Digest::of(&at.to_be_bytes())) }
}

#[test]
fn one_rebuilders_attestations_take_no_more_than_its_share_of_a_run() {
    alone(
        "evidence_memory::one_rebuilders_attestations_take_no_more_than_its_share_of_a_run",
        keep_to_the_share,
    );
}

fn keep_to_the_share() {
    let world = World::new();
    let (alice, mallory) = (Key::new(), Key::new());
    let somewhere = || "http://127.0.0.1:1/".to_owned();
    let endpoint = || format!("rebuilderd {}", somewhere());
    world.rebuilder("alice", &alice, &[endpoint()]);
    world.rebuilder("mallory", &mallory, &[endpoint()]);
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let mut apt = Configuration::default();
    let cache = world.path("cache");
    apt.set("APT::Quorum::Cache", cache.to_str().unwrap().to_owned());
    let gate = Gate::open(&apt, Some(&world.path("etc")), Trusted::now());
    gate.config().unwrap();
    for at in 0..PACKAGES {
        let Question { identity, sha256, .. } = question(at);
        let (artifact, sha256) = (identity.artifact_name(), sha256.unwrap().to_string());
        let link = alice.link(artifact.as_str(), &sha256);
        let name = "alice".parse().unwrap();
        // Over many runs, each of which keeps no more of a rebuilder than it takes in.
        let cache = Cache::new(&cache);
        cache.store_signed(&artifact, &name, &link).unwrap();
        for number in 0..EACH {
            let link = long_link(&mallory, artifact.as_str(), &sha256, number);
            let name = "mallory".parse().unwrap();
            cache.store_signed(&artifact, &name, &link).unwrap();
        }
    }

    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let inquire = || (0..PACKAGES).map(|at| gate.inquire(&question(at), now)).collect();
    let (all, needed): (Vec<Inquiry>, u64) = memory_of(inquire);
    println!("{needed} KiB");
    assert!(needed < MOST, "{needed} KiB");
    let policy = &gate.config().unwrap().policy;
    assert!(all.iter().all(|it| it.has_enough(policy)), "alice has confirmed all of them");
    let asked = |it: &Inquiry| it.asked().len();
    assert_eq!(asked(&all[0]), 0, "both have confirmed it");
    assert_eq!(asked(&all[PACKAGES - 1]), 1, "of mallory no more was taken in");

    // Nor is it when she sends it, and the rest of what is at hand counts.
    let mut last = all.into_iter().next_back().unwrap();
    let Question { identity, sha256, .. } = question(PACKAGES - 1);
    let (artifact, sha256) = (identity.artifact_name(), sha256.unwrap().to_string());
    let attestations =
        (0..EACH).map(|it| long_link(&mallory, artifact.as_str(), &sha256, it)).collect();
    let outcome = Outcome::Attestations { count: EACH };
    let rebuilder = "mallory".parse().unwrap();
    last.add(last.asked()[0], Found { rebuilder, endpoint: somewhere(), attestations, outcome });
    let named = Named {
        sha256: question(PACKAGES - 1).sha256.unwrap(),
        identity,
        source: None,
        epoch: Epoch::Known,
        listings: Vec::new(),
    };
    last.assess(policy, &named, now);
    let answers = last.answers();
    let is_silent = |it: &Answer| matches!(&it.outcome, Outcome::Unreachable { why } if why.starts_with("sends too much"));
    assert!(matches!(answers, [it] if is_silent(it)), "{answers:?}");
}
