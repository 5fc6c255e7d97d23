//! What somebody sees at a terminal who waits for rebuilders: apt's own progress line, and a bar
//! where no progress is apt's.

use super::prompt::on_a_terminal;
use super::rebuilder::Mood;
use super::steps::source_of;
use super::table::INSTALLED;
use super::world::{PAST_THE_PROMPT, World};

rows! {
    waiting: "somebody waits at a terminal: apt's line and a bar say for what, and go away" => INSTALLED;
}

/// Alice confirms, bob knows nothing, and carol is silent for longer than a bar takes to come.
fn waiting(world: &World) {
    let unknown = world.package("unknown");
    world.alice.attests(unknown);
    world.carol.is(Mood::Hangs);
    world.policy(
        "mode = \"warn\"\nthreshold = 2\n[network]\nanswer_timeout = 5\ntotal_timeout = 5\n",
    );
    world.source(source_of(&[unknown]));
    world.lets_in("the mode is warn");
    let fancy = "env TERM=xterm apt-get install -y -o Dpkg::Progress-Fancy=1";
    let ran = on_a_terminal(world, &format!("{fancy} {PAST_THE_PROMPT} unknown"), "y").succeeds();
    // The method, by way of apt.
    let ran = ran.says("Waiting for evidence about unknown (2 of 3 rebuilders answered)");
    // The hook, by itself. Nothing of the bar stays.
    let bar = "apt-quorum: [..............................] 0 of 1 package";
    let summary = "apt-quorum: \u{1b}[33m1 accepted unconfirmed\u{1b}[0m (mode: warn)";
    let wiped = format!("\r{:1$}\r{summary}", "", bar.len());
    let ran = ran.says(bar).says(&wiped);
    // apt's own bar comes after that and ends as it does without us.
    let after = ran.text.rsplit_once(summary).unwrap().1;
    assert!(after.contains("Progress: [") && !after.contains("of 1 package"), "{}", ran.text);
    assert!(world.has_run("unknown"));

    // Without a terminal there is nothing of either.
    world.sh("apt-get remove -y unknown; apt-get clean; rm -rf /var/cache/apt-quorum/*").succeeds();
    world.install("unknown").succeeds().never_says("Waiting for evidence").never_says("[.");
}
