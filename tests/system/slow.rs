//! One rebuilder of three is slow, or hangs. A run waits for it for some seconds in all, whatever its size and
//! however many entrances it has, and no entrance asks again what another one has just asked.
//!
//! What is compared are requests, not times: without that, each entrance would ask the slow one about each
//! package, and all others as well.

use std::time::Duration;

use super::rebuilder::Mood;
use super::server::Server;
use super::steps::{source_of, two_attest};
use super::table::{HOOK, INSTALLED, METHOD};
use super::world::{PAST_THE_PROMPT, World};

rows! {
    slow_excepted: "packages under exceptions while one rebuilder is slow, hangs or drips" => INSTALLED;
    slow_warned: "mode warn while one rebuilder is slow" => INSTALLED;
    slow_refused: "a refusal while one rebuilder is slow: it says why it was not heard" => METHOD;
    slow_conflict: "conflict = refuse: a slow rebuilder is waited for, and a conflict that comes in time refuses" => HOOK;
    asked_once: "what one entrance has asked, those behind it do not ask again" => INSTALLED;
}

const PACKAGES: [&str; 6] = ["good", "other", "unknown", "p1", "p2", "p3"];

const NAMES: [&str; 6] = ["good", "other", "unknown", "part1", "part2", "part3"];

/// Faster than any time-out, and slower than what a run waits for.
const SLOW: Mood = Mood::Slow(Duration::from_secs(8));

/// All of these packages are excepted, and nobody knows any of them.
fn all_excepted(world: &World) -> Server {
    world.write(
        "/etc/apt-quorum/exceptions.d/x.toml",
        "[[exception]]\npackage = [\"*\"]\nreason = \"a test\"\nexpires = 2999-01-01\n",
    );
    world.lets_in("an exception for all");
    world.source(source_of(&PACKAGES.map(|name| world.package(name))))
}

fn purge(world: &World) {
    let names = NAMES.join(" ");
    world.sh(&format!("apt-get purge -y {names}; apt-get clean; rm -rf /var/cache/apt-quorum/*")).succeeds();
}

/// What the hook wrote down of the file that it judged last. Nobody but carol is slow.
fn receipt(world: &World) -> String {
    world.receipts("hook").last().unwrap().to_string()
}

/// The requests that a server gets meanwhile.
fn requests(server: &Server, meanwhile: impl FnOnce()) -> usize {
    let before = server.requests().len();
    meanwhile();
    server.requests().len() - before
}

fn slow_excepted(world: &World) {
    let _server = all_excepted(world);
    world.policy(
        "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 300\ntotal_timeout = 300\n",
    );
    for mood in [SLOW, Mood::Hangs, Mood::Drips] {
        world.carol.is(mood);
        let asked = requests(world.carol.server(), || {
            let ran = world.sh(&format!("timeout 100 apt-get install -y {}", NAMES.join(" ")));
            ran.succeeds().says("6 under an exception").says("exception: good 1.0-1 all: a test");
        });
        // How many it lists, those, and each by itself: once.
        assert!((1..=NAMES.len() + 2).contains(&asked), "{asked}");
        let written = receipt(world);
        assert!(written.contains("slow: used up its 5 s in this run"), "{written}");
        purge(world);
    }
    // Without the hook before the prompt, the method and the hook share the time.
    world.carol.is(SLOW);
    let asked = requests(world.carol.server(), || {
        let apt = format!("timeout 100 apt-get install -y {PAST_THE_PROMPT} {}", NAMES.join(" "));
        world.sh(&apt).succeeds();
    });
    assert!((2..=2 * (NAMES.len() + 2)).contains(&asked), "{asked}");
    let written = receipt(world);
    assert!(written.contains("slow: used up its 3 s in this run"), "{written}");
}

fn slow_warned(world: &World) {
    let _server = world.source(source_of(&PACKAGES.map(|name| world.package(name))));
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    world.carol.is(SLOW);
    world.lets_in("the mode is warn");
    let asked = requests(world.carol.server(), || {
        let ran = world.sh(&format!("timeout 100 apt-get install -y {}", NAMES.join(" ")));
        ran.succeeds().says("carol: unreachable: slow: used up its 5 s in this run");
    });
    assert!((1..=NAMES.len() + 2).contains(&asked), "{asked}");
}

fn slow_refused(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.alice.attests(unknown);
    world.carol.attests(unknown);
    world.carol.is(Mood::Slow(Duration::from_secs(8)));
    let says = "undetermined: carol did not respond; 1 of 2 required confirmations [alice: confirmed; bob: has no result for it; carol: unreachable: slow: used up its ";
    world.install("unknown").fails().says(says);
    // A later run waits again, and what comes in time counts.
    world.carol.is(Mood::Slow(Duration::from_millis(300)));
    world.lets_in("two confirm it in time");
    world.install("unknown").succeeds();
    world.install("good").succeeds();
}

fn slow_conflict(world: &World) {
    let (good, other) = (world.package("good"), world.package("other"));
    let server = super::world::serve(source_of(&[good, other]));
    two_attest(world, good);
    two_attest(world, other);
    world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
    // It contradicts, and takes its time with each of three answers.
    world.carol.attests_to(good, &[(good.artifact(), other.sha256())]);
    world.carol.is(Mood::Slow(Duration::from_millis(600)));
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.install("good").fails().says("carol signed a different file under this name");
        world.sh("rm -rf /var/cache/apt-quorum/*").succeeds();
    }
    assert!(!world.has_run("good"));
    // Never in time: it could not be heard, as one that does not answer at all.
    world.carol.is(Mood::Hangs);
    world.sh("timeout 100 apt-get install -y other").succeeds().says("1 confirmed");
    let written = receipt(world);
    assert!(written.contains("slow: used up its "), "{written}");
}

fn asked_once(world: &World) {
    let _server = all_excepted(world);
    let install = || drop(world.sh(&format!("apt-get install -y {}", NAMES.join(" "))).succeeds());
    for it in [&world.alice, &world.bob, &world.carol] {
        it.attests(world.package("good"));
    }
    let mut asked = Vec::new();
    for it in [&world.alice, &world.bob, &world.carol] {
        asked.push(requests(it.server(), install));
        purge(world);
    }
    // How many it lists, those, and one attestation: what one entrance needs.
    assert!(asked.iter().all(|asked| (3..=4).contains(asked)), "{asked:?}");
    // Another run asks again.
    assert_ne!(requests(world.alice.server(), install), 0);
}
