//! `apt-quorum check`: what apt would install, judged before apt is asked to.

use crate::common::apt::with_archive;
use crate::common::rebuilder::Rebuilder;
use crate::common::{self, Deb, Ended, Key, World, run};

/// Two packages, of which one rebuilder of two confirms both and the other only the first.
fn world() -> Option<(World, Vec<common::server::Server>)> {
    let (good, half) = (Deb::new("good", "1.0-1", "all"), Deb::new("half", "2.0-1", "all"));
    let excepted = Deb::new("excepted", "3.0-1", "all");
    let keys = [Key::new(), Key::new()];
    let servers = vec![
        Rebuilder::confirming(&keys[0], [&good, &half]).serve(),
        Rebuilder::confirming(&keys[1], [&good, &half.differently_built()]).serve(),
    ];
    let world = World::new();
    world.impatient_policy(2);
    for (name, key, server) in [("alpha", &keys[0], &servers[0]), ("beta", &keys[1], &servers[1])] {
        world.rebuilder(name, key, &[server.endpoint()]);
    }
    world.exception(
        "[[exception]]\npackage = [\"excepted\"]\nreason = \"why\"\nexpires = 2199-01-01\n",
    );
    let is_there = with_archive(&world, &[&good, &half, &excepted], &["good 0.9-1", "here 1"]);
    is_there.then_some((world, servers))
}

fn check(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("check").args(arguments).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_plain();
    ended
}

#[test]
fn what_apt_would_install_is_told_as_before_its_question() {
    let Some((world, servers)) = world() else { return };
    // Without evidence in the cache, and nobody asked.
    check(&world, &["--offline", "good"]).assert_code(3);
    let asked = |servers: &[common::server::Server]| -> usize {
        servers.iter().map(|it| it.requests().len()).sum()
    };
    assert_eq!(asked(&servers), 0);

    let all_of_it = "apt would install all of these packages.\n";
    let good = check(&world, &["good"]);
    good.assert_code(0);
    assert_eq!(good.stdout, format!("apt-quorum: of 1 package, 1 confirmed.\n{all_of_it}"));
    check(&world, &["--offline", "good"]).assert_code(0);
    let all = check(&world, &["good", "half", "excepted"]);
    all.assert_code(1);
    assert_eq!(
        all.stdout,
        "apt-quorum: of 3 packages, 1 confirmed, 1 under an exception, 1 refused.\n  \
         refused: half 2.0-1 all: 1 of 2 required confirmations [alpha: confirmed; beta: signed a different file under this name].\n  \
         exception: excepted 3.0-1 all: why (until and including 2199-01-01, test.toml line 1).\n  \
         CONFLICT: half 2.0-1 all: beta signed a different file under this name (sha256 OTHER).\n\
         apt would install none of these packages. See why: apt-quorum explain half=2.0-1\n"
            .replace("OTHER", &Deb::new("half", "2.0-1", "all").differently_built().sha256())
    );
    let upgrades = check(&world, &["--upgrades"]);
    upgrades.assert_code(0);
    assert_eq!(upgrades.stdout, good.stdout);
    let nothing = "apt would install nothing: there is nothing to check.\n";
    assert_eq!(check(&world, &["here"]).assert_code(0).stdout, nothing);

    let json = check(&world, &["--json", "half", "excepted"]);
    let json = json.assert_code(1).json();
    assert_eq!((&json["pass"], &json["mode"]), (&false.into(), &"enforce".into()));
    let half = &json["packages"][0];
    assert_eq!((&half["package"], &half["state"]), (&"half".into(), &"unconfirmed".into()));
    assert_eq!(half["reason"]["code"], "not-confirmed");
    assert_eq!(half["rebuilders"]["beta"]["kind"], "signed-another");
    assert_eq!(json["packages"][1]["exception"]["reason"], "why");

    // In mode warn it would all come in.
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    let warned = check(&world, &["half"]);
    warned.assert_code(0);
    assert!(warned.stdout.contains("  not confirmed: half 2.0-1 all: "), "{warned:?}");
    assert!(warned.stdout.ends_with(all_of_it), "{warned:?}");
}

#[test]
fn what_cannot_be_told_is_said_to_be_so() {
    let Some((world, servers)) = world() else { return };
    drop(servers);
    check(&world, &["good"]).assert_code(3);
    check(&world, &["good", "half", "excepted"]).assert_code(3);
    // A file of one's own comes with no index.
    let own = world.put(&Deb::new("own", "1.0", "all"));
    let own = check(&world, &[own.to_str().unwrap()]);
    own.assert_code(3);
    assert!(
        own.stdout.contains("  in no index: own 1.0 all. Check its file: apt-quorum verify FILE\n")
    );

    let unknown = check(&world, &["no-such-package"]);
    unknown.assert_code(2);
    assert_eq!(
        unknown.stderr,
        "apt-quorum: cannot ask apt-get what it would install: E: Unable to locate package no-such-package\n"
    );
    // Nothing that stands for a package is taken for an option.
    check(&world, &["--", "-oAPT::Get::Simulate=false"]).assert_code(2);
    check(&world, &[]).assert_code(2);
    check(&world, &["--upgrades", "good"]).assert_code(2);
    world.policy("mode = 1\n");
    check(&world, &["good"]).assert_code(2);
}

#[test]
fn a_simulation_asks_no_hook() {
    let Some((world, _servers)) = world() else { return };
    let mark = world.path("hook-ran");
    let mut apt = std::fs::read_to_string(world.path("apt.conf")).unwrap();
    apt += &format!(
        "AptCli::Hooks::Install {{ \"touch {0}\"; }};\nAptCli::Hooks::Upgrade {{ \"touch {0}\"; }};\n",
        mark.display()
    );
    world.write("apt.conf", apt);
    check(&world, &["good"]).assert_code(0);
    check(&world, &["--upgrades"]).assert_code(0);
    assert!(!mark.exists());
    // It would have run otherwise.
    let mut simulation = std::process::Command::new("apt-get");
    simulation.args(["-qq", "-s", "install", "good"]).env("APT_CONFIG", world.path("apt.conf"));
    run(simulation.stdin(std::process::Stdio::null())).assert_code(0);
    assert!(mark.exists());
}

/// apt takes packages by SHA-512 alone. Which file an index means is not known here then, so that no
/// exception by name or archive applies, and that is said wherever somebody looks for why.
#[test]
fn an_index_without_sha256_is_called_what_it_is() {
    use sha2::{Digest, Sha512};

    let Some((world, _servers)) = world() else { return };
    let deb = Deb::new("excepted", "3.0-1", "all");
    let packages = std::fs::read_to_string(world.path("archive/Packages")).unwrap();
    let sha512: String = Sha512::digest(&deb.bytes).iter().map(|it| format!("{it:02x}")).collect();
    let packages =
        packages.replace(&format!("SHA256: {}", deb.sha256()), &format!("SHA512: {sha512}"));
    let release = format!(
        "Date: Sun, 01 Nov 2026 00:00:01 UTC\nSHA256:\n {} {} Packages\n",
        common::sha256(packages.as_bytes()),
        packages.len()
    );
    world.write("archive/Release", release);
    world.write("archive/Packages", packages);
    let mut update = std::process::Command::new("apt-get");
    update.args(["-qq", "update"]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    run(update.env("APT_CONFIG", world.path("apt.conf"))).assert_code(0);

    let ended = check(&world, &["excepted"]);
    ended.assert_code(3);
    let line = "  no SHA-256 in its index: excepted 3.0-1 all: no exception by name or repository applies. ";
    assert!(ended.stdout.contains(line), "{ended:?}");
    assert!(
        ended.stdout.contains(
            "of 1 package, 0 confirmed, 1 without a SHA-256 in any index, judged when installed"
        ),
        "{ended:?}"
    );
    let mut explain = world.command();
    explain.args(["explain", "excepted", "--config"]).arg(world.path("etc"));
    let ended = run(&mut explain);
    ended.assert_code(2);
    let said = "apt's index lists excepted 3.0-1 all without a SHA-256, so no exception by name or repository applies. Name its file: apt-quorum explain FILE\n";
    assert!(ended.stderr.contains(said), "{ended:?}");
    // What judges the file says why the exception is of no use, and what is.
    let said = "its index has no SHA-256, so the exception in test.toml line 1 does not apply; to allow the file: apt-quorum exception add FILE";
    let file = world.put(&deb);
    let ended = world.verify(&deb);
    ended.assert_code(1);
    assert!(ended.stdout.contains(said) || ended.stderr.contains(said), "{ended:?}");
    let mut explain = world.command();
    explain.arg("explain").arg(&file).arg("--config").arg(world.path("etc"));
    let ended = run(&mut explain);
    assert!(ended.stdout.contains(said), "{ended:?}");
    // By its own SHA-256 it passes.
    let mut add = world.command();
    add.args(["exception", "add"]).arg(&file).args(["--reason", "r", "--days", "5", "--config"]);
    run(add.arg(world.path("etc"))).assert_code(0);
    world.verify(&deb).assert_code(0);
    // Another package's exception is none of its business.
    world.exception("[[exception]]\npackage = [\"other\"]\nreason = \"x\"\nexpires = 2199-01-01\n");
    std::fs::remove_file(world.path("etc/exceptions.d/local.toml")).unwrap();
    let ended = world.verify(&deb);
    ended.assert_code(1);
    assert!(!format!("{ended:?}").contains("has no SHA-256"), "{ended:?}");
}
