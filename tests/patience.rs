//! How long the gate waits for whom, by a configuration.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::gate::{Gate, Haste, TICK};
use apt_quorum::sys::secure::Trusted;
use apt_quorum::types::Timestamp;
use common::{Key, World};

/// Of carol there is only what was imported, so she is not among those who could be done.
#[test]
fn who_has_no_endpoint_is_no_measure_for_the_others() {
    let world = World::new();
    let endpoint = || "rebuilderd http://127.0.0.1:1/".to_owned();
    world.operator("alice", &Key::new(), &[endpoint()]);
    world.operator("bob", &Key::new(), &[endpoint()]);
    world.operator("carol", &Key::new(), &[]);
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let gate = Gate::open(&Configuration::default(), Some(&world.path("etc")), Trusted::now());
    let gate = gate.holding_up(Haste::First, &world.path("state"), now);
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
