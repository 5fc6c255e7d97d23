//! What is confirmed is installed, and the rest waits.

use std::time::Instant;

use super::archive::{Package, Stanza, archive};
use super::rebuilder::Mood;
use super::steps::two_attest;
use super::table::{INSTALLED, METHOD};
use super::world::World;

rows! {
    held: "one unconfirmed update among others is held back, and the others are installed" => INSTALLED;
    held_without_removing: "nothing is removed to make room beside what is held back" => INSTALLED;
    held_new: "an update that needs an unconfirmed new package is held back" => METHOD;
    held_otherwise: "other pins, apt-mark hold, release, mode warn and removed sources" => INSTALLED;
    held_unattended: "unattended-upgrades takes what is confirmed, and leaves the rest" => INSTALLED, in "desktop";
    held_front_ends: "aptitude and Ansible take what is confirmed, and leave the rest" => INSTALLED, in "frontends";
    held_architectures: "packages of two architectures that must have one version stay in step" => INSTALLED;
    held_packagekit: "PackageKit takes what is confirmed, and leaves the rest" => INSTALLED, in "desktop";
    held_hanging: "a rebuilder that hangs holds up no update of the indexes" => INSTALLED;
    held_python: "python-apt takes what is confirmed, and leaves the rest" => INSTALLED;
}

const POLICY: &str = "mode = \"enforce\"\nthreshold = 2\nhold = true\n[network]\nanswer_timeout = 20\ntotal_timeout = 40\n";

/// The fields that a package has in its old and in its new version.
type Kind = (&'static str, &'static str, &'static str);

/// Installs version 1 of these packages, and returns version 2 of each.
fn old_and_new(world: &World, kinds: &[Kind]) -> Vec<Package> {
    let old: Vec<Package> =
        kinds.iter().map(|(name, was, _)| Package::make_of(name, "1", "all", was)).collect();
    world.policy(&POLICY.replace("enforce", "warn"));
    for it in &old {
        world.write(&format!("/srv/old/{}.deb", it.artifact()), &it.bytes);
    }
    world.sh("dpkg -i /srv/old/*.deb; rm -r /srv/old").succeeds();
    world.policy(POLICY);
    kinds.iter().map(|(name, _, is)| Package::make_of(name, "2", "all", is)).collect()
}

/// The archive that has these packages.
fn of(packages: &[Package]) -> super::archive::Files {
    let entries: Vec<_> = packages.iter().map(|it| (Stanza::of(it), it)).collect();
    archive("Test", &entries)
}

fn named<'p>(packages: &'p [Package], name: &str) -> &'p Package {
    packages.iter().find(|it| it.name == name).unwrap()
}

#[track_caller]
fn versions(world: &World, expected: &str) {
    let query = "dpkg-query -W -f '${db:Status-Abbrev} ${Package}=${Version}\\n' 'h-*' | sed -n 's/^ii *//p' | xargs";
    assert_eq!(world.sh(query).succeeds().text.trim(), expected);
}

const PINS: &str = "/etc/apt/preferences.d/apt-quorum";

fn held(world: &World) {
    let new = old_and_new(world, &[("h-a", "", ""), ("h-b", "", ""), ("h-c", "", "")]);
    two_attest(world, named(&new, "h-a"));
    two_attest(world, named(&new, "h-c"));
    world.alice.attests(named(&new, "h-b"));
    let server = super::world::serve(of(&new));
    world.write(
        "/etc/apt/sources.list",
        format!("deb [trusted=yes] quorum+http://{}/debian stable main\n", server.authority()),
    );
    // The forecast, from indexes that were fetched without us.
    world.sh("mv /usr/bin/apt-quorum /root/away; apt-get update; mv /root/away /usr/bin/apt-quorum").succeeds();
    let check = world.sh("apt-quorum check --upgrades").falls_short();
    check.says("refused: h-b 2 all: 1 of 2").says("holds the refused ones back, and apt installs the others.");
    let line = "apt-quorum: 1 package is held back since ";
    world.sh("apt-get update").succeeds().says(line);
    let pins = world.sh(&format!("cat {PINS}; ls -l {PINS}")).succeeds();
    pins.says("Explanation: held back by apt-quorum since ")
        .says("1 of 2 required confirmations")
        .says("Package: h-b:amd64\nPin: version 2\nPin-Priority: -1\n")
        .never_says("h-a")
        .says("-rw-r--r-- 1 root root");
    world.sh("apt-cache policy h-b").succeeds().says("Candidate: 1\n").says("     2 -1\n");
    let list = world.sh("apt-quorum hold list").succeeds();
    list.says("held back: h-b 2 all, since ").says("; 1 stays installed: 1 of 2 required");
    let allow = format!(
        "apt-quorum exception add --package h-b --sha256 {} --days 30 --reason TEXT",
        named(&new, "h-b").sha256()
    );
    world.sh("apt-quorum hold explain h-b").succeeds().says("apt-quorum explain h-b=2").says(&allow);
    // What it proposes is enough, and is taken back.
    world.sh(&format!("{allow} && apt-quorum hold refresh")).succeeds().says("no longer held back: h-b 2 all");
    world.sh("apt-quorum exception remove h-b-1 --yes && apt-quorum hold refresh").succeeds().says(line);
    world.sh("apt-quorum hold explain h-a").falls_short().says("h-a is not held back");
    let check = world.sh("apt-quorum check --upgrades").succeeds();
    check.says("of 2 packages, 2 confirmed.").says(", for want of bob, carol: h-b. See: apt-quorum hold list");
    world.sh("apt-get -y upgrade").succeeds().says(line);
    versions(world, "h-a=2 h-b=1 h-c=2");
    // The line is there when nothing else is to be done, and no request about what is held.
    assert!(!server.requests().iter().any(|it| it.contains("h-b_2")));
    world.sh("apt-get -y dist-upgrade").succeeds().says(line);
    // By its name and version it is refused for the same reason.
    let asked = world.sh("apt-get -y install h-b=2").falls_short();
    asked.says("refused: h-b 2 all: 1 of 2 required confirmations");
    // Confirmed, it goes by the next refresh, and nothing is left behind.
    world.bob.attests(named(&new, "h-b"));
    world.sh("apt-get update").succeeds().says("apt-quorum: no longer held back: h-b 2 all.");
    world.sh(&format!("test ! -e {PINS}; test ! -e /var/lib/apt-quorum/held")).succeeds();
    world.sh("apt-get -y upgrade").succeeds().never_says("held back since");
    versions(world, "h-a=2 h-b=2 h-c=2");
    world.sh("apt-quorum hold refresh").succeeds().says("Nothing is held back");
}

fn held_without_removing(world: &World) {
    let new = old_and_new(
        world,
        &[
            ("h-a", "", ""),
            // The same source, in lock step.
            ("h-data", "Depends: h-prog (= 1)\n", "Depends: h-prog (= 2)\n"),
            ("h-lib", "", ""),
            ("h-needs", "", "Depends: h-lib (>= 2)\n"),
            ("h-breaks", "", "Breaks: h-lib (<< 2)\n"),
            ("h-prog", "", "Conflicts: h-data (<< 2)\n"),
            ("h-user", "Depends: h-lib\n", "Depends: h-lib\n"),
        ],
    );
    for it in new.iter().filter(|it| !["h-lib", "h-data"].contains(&it.name.as_str())) {
        two_attest(world, it);
    }
    world.sources(&[("quorum+http", &super::world::serve(of(&new)))]);
    let stays = "h-a=2 h-breaks=1 h-data=1 h-lib=1 h-needs=1 h-prog=1 h-user=2";
    // Without the help of what is held besides, apt would remove it; from 3.1 on its solver does
    // not.
    let only = "printf 'Package: h-lib\\nPin: version 2\\nPin-Priority: -1\\n'";
    let alone = world
        .sh(&format!(
            "mkdir /root/p; {only} >/root/p/only
             apt-get -s -o Dir::Etc::preferencesparts=/root/p dist-upgrade"
        ))
        .succeeds();
    let list = world.sh("apt-quorum hold list").succeeds();
    if alone.text.contains("Remv h-lib") {
        list.says("held back: h-breaks 2 all, since ")
            .says("with it apt would remove h-lib, h-user.")
            .says("held back: h-prog 2 all, since ")
            .says("with it apt would remove h-data.");
    } else {
        list.never_says("h-breaks").never_says("h-prog");
        world.saw("apt removes nothing that is held, by itself");
    }
    for way in ["apt-get -y upgrade", "apt-get -y dist-upgrade", "apt -y full-upgrade"] {
        world.sh(way).succeeds().never_says("REMOVED");
        versions(world, stays);
    }
    two_attest(world, named(&new, "h-lib"));
    two_attest(world, named(&new, "h-data"));
    world.sh("apt-get update; apt-get -y dist-upgrade").succeeds();
    versions(world, "h-a=2 h-breaks=2 h-data=2 h-lib=2 h-needs=2 h-prog=2 h-user=2");
}

fn held_architectures(world: &World) {
    world.sh("dpkg --add-architecture i386").succeeds();
    let make = |name: &str, version: &str, architecture: &str| {
        Package::make_of(name, version, architecture, "Multi-Arch: same\n")
    };
    let both = |version: &'static str| ["amd64", "i386"].map(|it| make("h-lib", version, it));
    world.policy(&POLICY.replace("enforce", "warn"));
    for it in both("1").iter().chain([&make("h-other", "1", "amd64")]) {
        world.write(&format!("/srv/old/{}.deb", it.artifact()), &it.bytes);
    }
    world.sh("dpkg -i /srv/old/*.deb").succeeds();
    world.policy(POLICY);
    let mut new = both("2").to_vec();
    new.push(make("h-other", "2", "amd64"));
    two_attest(world, &new[0]);
    two_attest(world, &new[2]);
    world.sources(&[("quorum+http", &super::world::serve(of(&new)))]);
    world.sh(&format!("cat {PINS}")).succeeds().says("Package: h-lib:i386\nPin: version 2\n");
    for way in ["apt-get -y upgrade", "apt-get -y dist-upgrade", "apt -y full-upgrade"] {
        world.sh(way).succeeds();
        versions(world, "h-lib=1 h-lib=1 h-other=2");
    }
    two_attest(world, &new[1]);
    world.sh("apt-get update; apt-get -y dist-upgrade").succeeds();
    versions(world, "h-lib=2 h-lib=2 h-other=2");
}

fn held_packagekit(world: &World) {
    let (new, server) = one_of_two(world);
    // It does nothing without a default route. Where it leads does not matter here.
    let _ = std::process::Command::new("ip").args(["route", "add", "default", "dev", "lo"]).status();
    let client = match world.path("/usr/bin/pkcon").exists() {
        true => "pkcon -y -p --noninteractive",
        false => "pkgcli --yes",
    };
    let run = format!(
        "mkdir -p /run/dbus; rm -f /run/dbus/pid
         dbus-daemon --system --fork --print-pid >/root/bus
         /usr/lib/polkit-1/polkitd --no-debug & polkit=$!
         /usr/libexec/packagekitd >/root/daemon 2>&1 & daemon=$!
         for n in $(seq 100); do
             dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
                 org.freedesktop.DBus.GetNameOwner string:org.freedesktop.PackageKit >/dev/null && break
             sleep 0.05
         done 2>/dev/null
         code=0; timeout 60 {client} refresh force || timeout 60 {client} refresh || true
         timeout 60 {client} update || code=$?
         for it in $daemon $polkit $(cat /root/bus); do kill $it || true; done; wait $daemon || true
         cat /root/daemon; exit $code"
    );
    world.sh(&run).succeeds();
    versions(world, "h-a=2 h-b=1");
    two_attest(world, named(&new, "h-b"));
    world.sh(&run).succeeds();
    versions(world, "h-a=2 h-b=2");
    drop(server);
}

fn held_new(world: &World) {
    let new = old_and_new(world, &[("h-a", "", ""), ("h-b", "", "Depends: unknown\n")]);
    new.iter().for_each(|it| two_attest(world, it));
    let mut all = new;
    all.push(world.package("unknown").clone());
    world.sources(&[("quorum+http", &super::world::serve(of(&all)))]);
    let list = world.sh("apt-quorum hold list").succeeds();
    list.says("held back: h-b 2 all").says("with it apt would install unknown 1.0-1 all, for which: 0 of 2");
    world.sh("apt-get -y dist-upgrade").succeeds();
    versions(world, "h-a=2 h-b=1");
    // By name it is refused with the reason, and not for want of a candidate.
    world.install("unknown").fails().says("0 of 2 required confirmations").never_says("candidate");
}

fn held_otherwise(world: &World) {
    let new = old_and_new(world, &[("h-a", "", ""), ("h-b", "", ""), ("h-c", "", "")]);
    let server = super::world::serve(of(&new));
    world.sources(&[("quorum+http", &server)]);
    // Nobody confirms anything, and one is on hold by the administrator.
    world.sh("apt-mark hold h-a; apt-quorum hold refresh").succeeds();
    world.sh(&format!("grep -c Package: {PINS}")).succeeds().says("2");
    world.sh("apt-mark unhold h-a; apt-quorum hold refresh").succeeds().says("3 packages are held back");
    // The administrator's own pin comes first where its file sorts first.
    let own = "/etc/apt/preferences.d/00-own";
    world.write(own, "Package: h-b\nPin: version 2\nPin-Priority: 900\n");
    let ran = world.sh("apt-quorum hold refresh").succeeds();
    ran.says("other pins come first, so these are not held back, and the gate will refuse them: h-b:amd64=2.");
    world.sh("apt-cache policy h-b").succeeds().says("Candidate: 2\n");
    world.sh("apt-get -y upgrade").falls_short().says("refused: h-b 2 all");
    world.sh(&format!("rm {own}; apt-quorum hold refresh")).succeeds();
    // Released, it is refused again.
    world.sh("apt-quorum hold release h-zz").falls_short().says("h-zz is not held back. Nothing was changed.");
    world.sh("apt-quorum hold release h-b").succeeds().says("No longer held back: h-b 2 all. The gate still judges it");
    world.sh("apt-cache policy h-b").succeeds().says("Candidate: 2\n");
    world.sh("apt-quorum hold refresh; apt-quorum hold list").succeeds().says("released: h-b 2 all");
    world.sh("apt-get -y upgrade").falls_short().says("refused: h-b 2 all");
    versions(world, "h-a=1 h-b=1 h-c=1");
    // A stale or deleted file changes nothing but comfort.
    world.sh(&format!("mv {PINS} /root/pins; apt-get -y upgrade")).falls_short().says("3 refused");
    world.sh(&format!("mv /root/pins {PINS}; apt-quorum mode warn; apt-get update")).succeeds();
    world.sh(&format!("test ! -e {PINS}")).succeeds();
    world.sh("apt-quorum mode enforce; apt-get update").succeeds().says("2 packages are held back");
    // Without the source there is nothing to hold.
    world.sh("rm /etc/apt/sources.list; apt-get update; apt-quorum hold refresh; apt-quorum hold list").succeeds().says("Nothing is held back.");
    world.sources(&[("quorum+http", &server)]);
    world.sh("apt-quorum hold off").succeeds().says("Holding back is off");
    world.sh(&format!("test ! -e {PINS}")).succeeds();
    world.sh("apt-quorum hold on").succeeds().says("Holding back is on").says("held back");
    // Switched off by hand, with the pins deleted by hand: no run of apt goes on telling of them.
    world.policy(&POLICY.replace("hold = true", "hold = false"));
    world.sh(&format!("rm {PINS}; apt-get update; test ! -e /var/lib/apt-quorum/held")).succeeds();
    world.sh("apt-quorum hold on").succeeds();
    // A machine that cannot be judged keeps its pins.
    world.policy("");
    world.sh("apt-get update").succeeds().says("the configuration cannot be used");
    world.sh(&format!("test -e {PINS}")).succeeds();
    world.policy(POLICY);
    new.iter().for_each(|it| two_attest(world, it));
    world.sh("apt-get update; apt-get -y upgrade").succeeds();
    versions(world, "h-a=2 h-b=2 h-c=2");
}

/// One of two updates is confirmed.
fn one_of_two(world: &World) -> (Vec<Package>, super::server::Server) {
    let new = old_and_new(world, &[("h-a", "", ""), ("h-b", "", "")]);
    two_attest(world, named(&new, "h-a"));
    let server = super::world::serve(of(&new));
    world.sources(&[("quorum+http", &server)]);
    (new, server)
}

fn held_unattended(world: &World) {
    let (new, server) = one_of_two(world);
    world.write(
        "/etc/apt/apt.conf.d/60unattended",
        "#clear Unattended-Upgrade::Origins-Pattern;\nUnattended-Upgrade::Origins-Pattern { \"origin=Test\"; };\n",
    );
    let run = "unattended-upgrade --verbose; cat /var/log/unattended-upgrades/*.log";
    world.sh(run).succeeds();
    versions(world, "h-a=2 h-b=1");
    two_attest(world, named(&new, "h-b"));
    world.sh(&format!("apt-get update; {run}")).succeeds();
    versions(world, "h-a=2 h-b=2");
    drop(server);
}

fn held_front_ends(world: &World) {
    let (new, server) = one_of_two(world);
    world.sh("aptitude -y safe-upgrade").succeeds();
    versions(world, "h-a=2 h-b=1");
    world.sh("aptitude -y full-upgrade").succeeds();
    versions(world, "h-a=2 h-b=1");
    // Ansible fetches the indexes itself.
    let ansible = "HOME=/root ansible localhost -m ansible.builtin.apt -a 'update_cache=true upgrade=dist'";
    world.sh(ansible).succeeds();
    versions(world, "h-a=2 h-b=1");
    two_attest(world, named(&new, "h-b"));
    world.sh(ansible).succeeds();
    versions(world, "h-a=2 h-b=2");
    drop(server);
}

fn held_python(world: &World) {
    let (new, server) = one_of_two(world);
    let script = "python3 -c 'import apt\ncache = apt.Cache()\ncache.update()\ncache.open()\ncache.upgrade(True)\ncache.commit()\n'";
    world.sh(script).succeeds();
    versions(world, "h-a=2 h-b=1");
    two_attest(world, named(&new, "h-b"));
    world.sh(script).succeeds();
    versions(world, "h-a=2 h-b=2");
    drop(server);
}

fn held_hanging(world: &World) {
    let (new, server) = one_of_two(world);
    world.policy("mode = \"enforce\"\nthreshold = 2\nhold = true\n");
    world.carol.is(Mood::Hangs);
    // apt waits as long as for one of its hooks: see `slow_refused`.
    let begun = Instant::now();
    world.sh("apt-get update").succeeds().says("1 package is held back");
    let waited = begun.elapsed();
    world.saw(format!("the update of the indexes took {:.0} s", waited.as_secs_f32()));
    world.sh("apt-get -y upgrade").succeeds();
    versions(world, "h-a=2 h-b=1");
    // The timer waits longer, and comes to the same.
    two_attest(world, named(&new, "h-b"));
    world.sh("apt-quorum hold refresh").succeeds().says("no longer held back: h-b 2 all");
    drop(server);
}
