//! What people are told of the machine, where the gate is in its place.

use super::steps::{source_of, two_attest};
use super::table::{INSTALLED, METHOD};
use super::world::World;

rows! {
    status_entrances: "every entrance that is put aside is missed" => INSTALLED;
    explained: "told before, refused on the way, and explained" => METHOD;
}

fn status_entrances(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.install("good").succeeds();
    world
        .sh("apt-quorum status")
        .succeeds()
        .says("guarded: mode enforce: packages need 2 of 3 confirmations.")
        .says("checked during download: 1")
        .says("before unpacking (apt): active")
        .says("before unpacking (dpkg): active")
        .says("before apt's prompt: active")
        .says(" confirmed 1 of the last 1 packages, last answer on ");
    for file in ["/etc/apt/apt.conf.d/00apt-quorum", "/etc/dpkg/dpkg.cfg.d/apt-quorum"] {
        world.sh(&format!("mv {file} {file}.disabled")).succeeds();
        let missed = world.sh("apt-quorum status").falls_short();
        missed.says("NOT GUARDED").says(&format!("does not run it: {file} was renamed to"));
        world.sh(&format!("mv {file}.disabled {file}")).succeeds();
    }
    world.sh("apt-quorum mode warn; apt-quorum status").falls_short().says("NOT GUARDED: mode warn");
    world.sh("apt-quorum mode enforce && apt-quorum status").succeeds();
}

fn explained(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.alice.attests(unknown);
    world.sh("apt-quorum check good").succeeds().says("apt would install all of these packages.");
    let check = world.sh("apt-quorum check good unknown").falls_short();
    check.says("1 confirmed, 1 refused.").says("refused: unknown 1.0-1 all: 1 of 2 required confirmations");
    world.install("unknown").fails();
    let explained = world.sh("apt-quorum explain unknown").falls_short();
    explained
        .says("unknown 1.0-1 all: would be refused: 1 of 2 required confirmations.")
        .says("1 more of bob and carol must confirm this file");
    world.install("good").succeeds();
    world
        .sh("apt-quorum explain good")
        .succeeds()
        .says("good 1.0-1 all: installed, and confirmed by enough rebuilders.")
        .says("(from root's receipt)")
        .says(": quorum, 2 attestations");
    world.sh("apt-quorum status").succeeds().says("refused    unknown 1.0-1 all: 1 of 2 required confirmations");
    // The words that explain proposed.
    world
        .sh("apt-quorum exception add unknown=1.0-1 --days 1 --reason why && apt-quorum check unknown")
        .succeeds()
        .says("1 under an exception");
    world.lets_in("an exception for this version");
    world.install("unknown").succeeds();
    world.sh("apt-quorum explain unknown").succeeds().says("installed, under an exception");
}
