//! What is said before apt asks whether to go on.
//!
//! Other rows that are about a refusal go past this entrance: see [`World::install`].

use super::server::Server;
use super::steps::{source_of, two_attest};
use super::table::{BOTH, HOOK, INSTALLED, PROMPT};
use super::world::{Ran, World};

rows! {
    before_prompt: "asked nobody: refused before anything is downloaded" => PROMPT;
    before_prompt_quiet: "a simulation, URIs and -qq: nobody is asked, and nothing is said" => BOTH;
    before_prompt_asked: "somebody is asked: told before the question, refused after it" => HOOK;
    before_prompt_conflict: "an exception and a conflict are told before the question" => INSTALLED;
    before_prompt_warns: "mode warn: told, and installed" => INSTALLED;
    before_prompt_local: "a local file is in no index: told, and judged as always" => HOOK;
    before_prompt_elsewhere: "another configuration named by APT_CONFIG, -c or -o" => PROMPT;
    before_prompt_upgrade: "an upgrade and a removal" => PROMPT;
}

/// Runs its arguments behind the first on a terminal, and types the first when it is asked.
const ON_A_TERMINAL: &str = r#"import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    asked = b"[Y/n]" in said
    said += more
    if not asked and b"[Y/n]" in said:
        os.write(terminal, sys.argv[1].encode() + b"\n")
sys.stdout.buffer.write(said)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

pub fn on_a_terminal(world: &World, command: &str, answer: &str) -> Ran {
    world.write("/root/on-a-terminal", ON_A_TERMINAL);
    world.sh(&format!("timeout 60 python3 /root/on-a-terminal {answer} {command}"))
}

#[track_caller]
fn in_order(text: &str, first: &str, second: &str) {
    let found = (text.find(first), text.find(second));
    assert!(matches!(found, (Some(first), Some(second)) if first < second), "{text}");
}

fn downloads(server: &Server) -> usize {
    server.requests().iter().filter(|path| path.ends_with(".deb")).count()
}

fn before_prompt(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.alice.attests(unknown);
    for command in [
        "apt-get install -y good unknown",
        "apt-get install good unknown",
        "apt-get install -q good unknown",
        "apt install -o APT::Get::Assume-Yes=true good unknown",
        "apt-get install -y --download-only good unknown",
    ] {
        world
            .sh(command)
            .fails()
            .says("apt-quorum: of 2 packages, 1 confirmed, 1 refused.")
            .says("refused: unknown 1.0-1 all: 1 of 2 required confirmations [alice: confirmed")
            .says("Nothing was downloaded or installed.")
            // What apt adds: one path, and no shell line.
            .says("Failure running hook /usr/lib/apt-quorum/ask-before-prompt");
    }
    // Nothing was downloaded, and yet status shows it.
    let receipts = world.receipts("hook");
    let seen = receipts.iter().all(|it| {
        it["entrance"] == "before-prompt" && it["package"] == "unknown" && it["sha256"].is_null()
    });
    assert!(seen && receipts.len() == 5, "{receipts:?}");
    let status = world.sh("apt-quorum status").succeeds();
    status.says("refused    unknown 1.0-1 all: 1 of 2 required confirmations");
    // Looking is free.
    let always = "-o APT::Quorum::Before-Prompt=always";
    for looking in ["-s", "-s -qq", "--print-uris"] {
        let ran = world.sh(&format!("apt-get install {looking} {always} good unknown"));
        ran.succeeds().says("1 refused").never_says("Nothing was");
    }
    assert_eq!(world.receipts("hook").len(), 5);
    assert_eq!(downloads(&server), 0);
    assert!(!world.has_run("good"));
    // The question was asked already: nobody is asked again.
    let before = world.alice.server().requests().len();
    world.install("good").succeeds().says("apt-quorum: of 1 package, 1 confirmed.");
    assert_eq!(world.alice.server().requests().len(), before);
    assert!(world.has_run("good"));
    world.sh("apt-get remove -y good").succeeds().never_says("apt-quorum: of");
}

/// Programs read what apt writes in these cases: check_apt, apt-fast and apt-offline.
fn before_prompt_quiet(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    for command in ["-s install", "-s -qq install", "-o Debug::NoLocking=true -s -qq install"] {
        let ran = world.sh(&format!("apt-get {command} good unknown")).succeeds();
        ran.says("Inst unknown (1.0-1 ").never_says("apt-quorum");
    }
    for command in ["--print-uris install", "-qq --print-uris install", "-y --print-uris install"] {
        let ran = world.sh(&format!("apt-get {command} good unknown")).succeeds();
        ran.says("unknown_1.0-1_all.deb").never_says("apt-quorum");
    }
    let unprivileged = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let ran = world.sh(&format!("{unprivileged} apt-get -s -qq install good unknown")).succeeds();
    ran.never_says("apt-quorum");
    assert!(world.alice.server().requests().is_empty(), "nobody was asked");
    assert_eq!(downloads(&server), 0);
    // What decides does not go by that.
    world.sh("apt-get -qq install good unknown").fails().says("0 of 2 required confirmations");
    world.urls(&[&format!("http://{}/debian", server.authority())]);
    world.sh("apt-get -qq install unknown").fails().says("Nothing was installed.");
    world.sh("apt-get -qq install good").succeeds();
    assert!(world.has_run("good") && !world.has_run("unknown"));
}

fn before_prompt_asked(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let (old, new) = (world.package("old"), world.package("new"));
    world.source(source_of(&[good, old]));
    two_attest(world, good);
    two_attest(world, old);
    world.install("ageing").succeeds();
    let server = world.source(source_of(&[good, unknown, new]));
    // Exactly what somebody named apt does not ask about.
    let none = on_a_terminal(world, "apt-get install good unknown", "y").fails();
    none.says("Nothing was downloaded or installed.").never_says("[Y/n]");
    let no = on_a_terminal(world, "apt-get upgrade", "n").falls_short();
    let no = no.says("Abort");
    in_order(&no.text, "of 1 package, 0 confirmed, 1 refused", "[Y/n]");
    in_order(&no.text, "installs nothing.", "[Y/n]");
    assert_eq!(downloads(&server), 0);
    // Whoever goes on is stopped by those that decide.
    world.urls(&[&format!("http://{}/debian", server.authority())]);
    let yes = on_a_terminal(world, "apt-get upgrade", "y").fails();
    in_order(&yes.says("Nothing was installed.").text, "1 refused", "[Y/n]");
    assert!(!world.has_run("unknown"));
    world.install("good").succeeds();
}

fn before_prompt_conflict(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.carol.attests_to(good, &[(good.artifact(), unknown.sha256())]);
    world.write(
        "/etc/apt-quorum/exceptions.d/one.toml",
        format!(
            "[[exception]]\nsha256 = [\"{}\"]\nreason = \"for now\"\nexpires = 2999-01-01\n",
            unknown.sha256()
        ),
    );
    world.lets_in("an exception by its SHA-256");
    world
        .install("good unknown")
        .succeeds()
        .says("of 2 packages, 1 confirmed, 1 under an exception.")
        .says("exception: unknown 1.0-1 all: for now (until and including 2999-01-01")
        .says("CONFLICT: good 1.0-1 all: carol signed a different file under this name (sha256 ");
}

fn before_prompt_warns(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    world.lets_in("the mode is warn");
    world.install("unknown").succeeds().says("of 1 package, 0 confirmed, 1 not confirmed.");
    // A configuration that cannot be used refuses everything, and says so at once.
    world.policy("mode = \"maybe\"\n");
    let says = "Every package is refused until you fix the configuration. Nothing was downloaded or installed.";
    world.sh("apt-get install -y good").fails().says(says);
}

fn before_prompt_local(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[]));
    two_attest(world, good);
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/unknown.deb", &unknown.bytes);
    world
        .install("/root/unknown.deb")
        .fails()
        .says("unknown 1.0-1 all: judged by its file when it is installed.")
        .says("Nothing was installed.");
    world.install("/root/good.deb").succeeds();
}

fn before_prompt_elsewhere(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sh("cp -r /etc/apt-quorum /srv/quorum").succeeds();
    world.policy("mode = \"warn\"\nthreshold = 3\n");
    world.write("/root/apt.conf", "APT::Quorum::Config \"/srv/quorum\";\n");
    for command in [
        "APT_CONFIG=/root/apt.conf apt-get install -y good unknown",
        "APT_CONFIG=/root/apt.conf apt install -y good unknown",
        "apt-get -c /root/apt.conf install -y good unknown",
        "cd /root; apt-get -yc=apt.conf install good unknown",
        "apt-get install -yo APT::Quorum::Config=/srv/quorum good unknown",
    ] {
        world
            .sh(command)
            .fails()
            .says("of 2 packages, 1 confirmed, 1 refused.")
            .says("Nothing was downloaded or installed.");
    }
    assert_eq!(server.requests().iter().filter(|it| it.ends_with(".deb")).count(), 0);
    let asked = world.sh("APT_CONFIG=/root/apt.conf apt-get install -y good").succeeds();
    asked.says("of 1 package, 1 confirmed.");
    assert!(world.has_run("good"));
    // Without it, the machine's own counts.
    let always = "-o APT::Quorum::Before-Prompt=always";
    world
        .sh(&format!("apt-get install -s {always} unknown"))
        .succeeds()
        .says("0 confirmed, 1 not confirmed");
}

fn before_prompt_upgrade(world: &World) {
    let (good, newer) = (world.package("old"), world.package("new"));
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.install("ageing").succeeds();
    world.source(source_of(&[newer]));
    for command in ["apt-get upgrade -y", "apt-get dist-upgrade -y", "apt full-upgrade -y"] {
        world.sh(command).fails().says("of 1 package, 0 confirmed, 1 refused.");
    }
    world.sh("dpkg-query --show ageing | grep 1.0-1").succeeds();
    two_attest(world, newer);
    world.sh("apt-get upgrade -y").succeeds().says("of 1 package, 1 confirmed.");
}
