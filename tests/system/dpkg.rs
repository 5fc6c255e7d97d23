//! Archives that are given to dpkg without apt.

use super::mapped::Mapped;
use super::steps::{source_of, two_attest};
use super::table::{DPKG, HOOK, HOOK_AND_DPKG, PASSES, UNPACKED};
use super::world::{Ran, World};

rows! {
    dpkg_install: "dpkg -i, --install, --unpack, with other options" => DPKG;
    dpkg_several: "dpkg -i with a good and a bad archive: neither" => UNPACKED;
    dpkg_forced: "dpkg --force-all, --no-debsig, other hooks, DPKG_FORCE, ~/.dpkg.cfg" => DPKG;
    dpkg_searched: "dpkg -iR, --recursive, links, hidden directories, directories of others" => DPKG;
    dpkg_other_root: "dpkg --root, --instdir, --admindir" => UNPACKED;
    dpkg_downloaded: "apt-get download, then dpkg -i" => DPKG;
    dpkg_split: "split archives" => DPKG;
    dpkg_swapped: "a file that somebody still has open for writing" => HOOK_AND_DPKG;
    dpkg_mapped: "a file that somebody still has mapped into memory" => HOOK_AND_DPKG;
    dpkg_not_in_the_way: "configuring, removing, triggers and repairing without a working gate" => DPKG;
    dpkg_switched_off: "dpkg = \"pass\": only apt is gated" => HOOK;
    dpkg_remembered: "dpkg under apt: what the hook has just cleared, changed or not" => DPKG;
    dpkg_unprivileged: "dpkg of somebody without root, into a directory of their own" => PASSES;
    dpkg_debsig: "debsig-verify, switched on: also what is put together from parts" => DPKG;
}

/// Writes one that two confirm, `/root/good.deb`, and one that nobody does, `/root/unknown.deb`.
fn at_hand(world: &World) {
    two_attest(world, world.package("good"));
    for name in ["good", "unknown"] {
        world.write(&format!("/root/{name}.deb"), &world.package(name).bytes);
    }
}

/// A command with `FILE` for an archive: refused for the one, done for the other.
fn judged(world: &World, command: &str) -> Ran {
    let ran = world
        .sh(&command.replace("FILE", "/root/unknown.deb"))
        .fails()
        .says("refused: unknown 1.0-1 all: no operator confirms it");
    assert!(!world.has_run("unknown") && !world.is_unpacked("unknown"), "{command}");
    world.sh(&command.replace("FILE", "/root/good.deb")).succeeds();
    assert!(world.is_unpacked("good"), "{command}");
    world.sh("dpkg --purge --force-all good").succeeds();
    ran
}

fn dpkg_install(world: &World) {
    at_hand(world);
    judged(world, "dpkg -i FILE").says("apt-quorum: 1 refused");
    judged(world, "cd /root; dpkg --install ./$(basename FILE)");
    judged(world, "dpkg --unpack FILE");
    judged(world, "dpkg -iBE --status-fd 1 --no-triggers -D 1 -- FILE");
    let receipts = world.receipts("hook");
    assert!(receipts.iter().all(|it| it["entrance"] == "dpkg"), "{receipts:?}");
    assert_eq!(receipts.len(), 8);
}

fn dpkg_several(world: &World) {
    at_hand(world);
    world.sh("dpkg -i /root/good.deb /root/unknown.deb").fails().says("1 confirmed, 1 refused");
    assert!(!world.is_unpacked("good"), "all or nothing");
}

fn dpkg_forced(world: &World) {
    at_hand(world);
    judged(world, "dpkg --force-all --no-debsig --force-bad-verify -i FILE");
    judged(world, "dpkg --pre-invoke true --pre-invoke=/bin/true -i FILE");
    judged(world, "DPKG_FORCE=all DPKG_HOOK_ACTION=remove dpkg -i FILE");
    judged(world, "echo 'pre-invoke=true' >/root/.dpkg.cfg; HOME=/root dpkg -i FILE");
}

fn dpkg_searched(world: &World) {
    at_hand(world);
    world.write("/root/good/sub/.hidden/good.deb", &world.package("good").bytes);
    world.sh("mkdir -p /root/unknown/sub; ln -s ../unknown.deb /root/unknown/l.deb").succeeds();
    for options in ["-iR", "--unpack --recursive", "-R --install"] {
        let command = format!("d=FILE; dpkg {options} ${{d%.deb}}");
        judged(world, &command);
    }
    // A link to a directory, and the search switched on where the command line does not say it.
    world
        .sh("rm /root/unknown/l.deb; mkdir /srv/d; mv /root/unknown.deb /srv/d/x.deb
        ln -s /srv/d /root/unknown/sub/link; echo recursive >/etc/dpkg/dpkg.cfg.d/z")
        .succeeds();
    world.sh("dpkg -i /root/unknown").fails().says("refused: unknown 1.0-1");
    world.sh("dpkg -i /root/good").succeeds();
    assert!(world.has_run("good"));
    // A directory to which others can add an archive after the look.
    world.sh("chown 1000 /root/good/sub; dpkg -iR /root/good").fails().says("owned by user 1000");
}

fn dpkg_other_root(world: &World) {
    at_hand(world);
    world.sh("mkdir -p /mnt/var/lib/dpkg/updates /mnt/var/lib/dpkg/info; touch /mnt/var/lib/dpkg/status").succeeds();
    for options in ["--root=/mnt", "--root /mnt", "--instdir /mnt --admindir /mnt/var/lib/dpkg"] {
        world
            .sh(&format!("dpkg {options} --unpack /root/unknown.deb"))
            .fails()
            .says("refused: unknown 1.0-1 all");
        world.sh(&format!("dpkg {options} --unpack /root/good.deb")).succeeds();
    }
    assert!(!world.is_unpacked("good"));
    world.sh("dpkg --root=/mnt -l good").succeeds();
}

fn dpkg_downloaded(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = super::world::serve(source_of(&[good, unknown]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.sh("cd /root; apt-get download good unknown").succeeds();
    world.sh("dpkg -i /root/unknown_*.deb").fails().says("refused: unknown 1.0-1 all");
    world.sh("dpkg -i /root/good_*.deb").succeeds();
    assert!(world.has_run("good") && !world.has_run("unknown"));
}

fn dpkg_split(world: &World) {
    at_hand(world);
    world.sh("dpkg-split -s /root/good.deb /root/good; dpkg-split -s /root/unknown.deb /root/unknown").succeeds();
    // A part is no package; nor is one kept that could be put together with others later.
    world.sh("dpkg -i /root/unknown.1of1.deb").fails().says("1 refused");
    world.sh("dpkg -i /root/good.1of1.deb").fails().says("1 refused");
    assert_eq!(std::fs::read_dir(world.path("/var/lib/dpkg/parts")).unwrap().count(), 0);
    judged(
        world,
        "f=FILE; dpkg-split -o /root/whole.deb -j ${f%.deb}.1of1.deb; dpkg -i /root/whole.deb",
    );
}

fn dpkg_swapped(world: &World) {
    at_hand(world);
    // Somebody without root owned the file and still has it open for writing.
    world.write("/var/cache/x.deb", &world.package("good").bytes);
    let open = std::fs::File::options().append(true).open(world.path("/var/cache/x.deb")).unwrap();
    for command in ["apt-get install -y /var/cache/x.deb", "dpkg -i /var/cache/x.deb"] {
        world
            .sh(command)
            .fails()
            .says("could be swapped between this check and its installation")
            .says("a process has it open for writing");
    }
    drop(open);
    world.sh("dpkg -i /var/cache/x.deb").succeeds();
    assert!(world.has_run("good"));
}

fn dpkg_mapped(world: &World) {
    at_hand(world);
    let good = &world.package("good").bytes;
    // Where the file system tells.
    world.write("/dev/shm/x.deb", good);
    let mapped = Mapped::of(&world.path("/dev/shm/x.deb"));
    for command in ["apt-get install -y /dev/shm/x.deb", "dpkg -i /dev/shm/x.deb"] {
        world.sh(command).fails().says("a process has it open for writing");
    }
    drop(mapped);
    // An overlay does not: it is a copy that is judged and installed. Between the two, what was
    // there is written to.
    world.write("/var/cache/x.deb", good);
    let mapped = Mapped::of(&world.path("/var/cache/x.deb"));
    world.write(
        "/etc/apt/apt.conf.d/zz",
        "DPkg::Pre-Install-Pkgs {\"touch /root/now; while [ -e /root/now ]; do sleep 0.05; done\";};",
    );
    let now = world.path("/root/now");
    std::thread::scope(|scope| {
        let writes = scope.spawn(|| {
            for _ in 0..1200 {
                if now.exists() {
                    mapped.write(b'?');
                    std::fs::remove_file(&now).unwrap();
                    return true;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            false
        });
        world.sh("apt-get install -y /var/cache/x.deb").succeeds().says("1 confirmed");
        assert!(writes.join().unwrap(), "nothing was written between check and use");
    });
    assert!(world.has_run("good"));
    assert_eq!(std::fs::read(world.path("/var/cache/x.deb")).unwrap()[..], good[..]);
    world.sh("ls -A /var/cache").never_says(".apt-quorum");
}

fn dpkg_not_in_the_way(world: &World) {
    at_hand(world);
    world.sh("dpkg --unpack /root/good.deb").succeeds();
    // The policy is broken, then the program itself: what is there can be configured and removed.
    world.policy("mode = \"enfocre\"\n");
    world.sh("dpkg --configure good").succeeds();
    assert!(world.has_run("good"));
    world.sh("dpkg -i /root/good.deb").fails().says("policy.toml:1:8: mode must be");
    world.sh("mv /usr/bin/apt-quorum /usr/bin/away").succeeds();
    world.sh("dpkg -i /root/good.deb").fails().says("dpkg-pre-invoke: not found");
    world.sh("dpkg --triggers-only --pending; dpkg --remove good; dpkg --purge good; dpkg --add-architecture armhf; dpkg -l >/dev/null; dpkg --audit; dpkg -I /root/good.deb >/dev/null").succeeds();
    // The way out that the file names.
    world.sh("mv /etc/dpkg/dpkg.cfg.d/apt-quorum /etc/dpkg/dpkg.cfg.d/apt-quorum.disabled; dpkg -i /root/unknown.deb").succeeds();
    assert!(world.has_run("unknown"));
}

fn dpkg_switched_off(world: &World) {
    at_hand(world);
    let off = "mode = \"enforce\"\nthreshold = 2\ndpkg = \"pass\"\n";
    world.policy(off);
    world.sh("dpkg -i /root/unknown.deb").succeeds().never_says("apt-quorum");
    assert!(world.has_run("unknown"));
    // apt is gated all the same.
    world.sh("dpkg --purge unknown").succeeds();
    world.install("/root/unknown.deb").fails().says("refused: unknown 1.0-1");
    world.install("/root/good.deb").succeeds();
}

fn dpkg_remembered(world: &World) {
    let all = ["p1", "p2", "p3", "p4", "good", "other", "epoch"].map(|name| world.package(name));
    world.source(source_of(&all));
    all.iter().for_each(|it| two_attest(world, it));
    // More than five: apt hands dpkg a directory of links.
    world.install("part1 part2 part3 part4 good other epoch+pkg").succeeds().says("7 confirmed");
    let receipts = world.receipts("hook");
    assert!(receipts.iter().all(|it| it["entrance"] == "hook"), "{receipts:?}");
    assert_eq!(receipts.len(), 7, "dpkg's gate judged again what the hook had just judged");
    let answers = world.alice.server().requests().len();
    world.sh("dpkg -i /var/cache/apt/archives/good_*.deb").succeeds();
    assert_eq!(world.receipts("hook").len(), 7);
    // The same file with other content, though size and time of writing are the same.
    world
        .sh("f=$(echo /var/cache/apt/archives/good_*.deb); touch -r $f /root/time
        printf 0123456789 | dd of=$f bs=1 seek=200 conv=notrunc status=none; touch -r /root/time $f
        dpkg -i $f")
        .fails()
        .says("1 refused");
    // Another configuration: what the hook cleared under the old one is judged again.
    world
        .sh("echo >>/etc/apt-quorum/policy.toml; dpkg -i /var/cache/apt/archives/other_*.deb")
        .succeeds();
    let receipts = world.receipts("hook");
    assert_eq!(receipts.last().unwrap()["package"], "other");
    assert_eq!(receipts.last().unwrap()["entrance"], "dpkg");
    assert_eq!(world.alice.server().requests().len(), answers, "its word was in the cache");
    // Nobody else's memory counts.
    world
        .sh("chown 1000 /var/lib/apt-quorum/cleared.json; echo >>/etc/apt-quorum/policy.toml")
        .succeeds();
    world.sh("dpkg -i /var/cache/apt/archives/part1_*.deb").succeeds().says("1 confirmed");
}

fn dpkg_unprivileged(world: &World) {
    at_hand(world);
    // Into a directory of their own: the system is not touched, and dpkg asks no hook from 1.22.7.
    world.sh("mkdir -p /srv/u/var/lib/dpkg/updates /srv/u/var/lib/dpkg/info; touch /srv/u/var/lib/dpkg/status; chmod -R go+rX /root; chown -R 1000 /srv/u
        setpriv --reuid 1000 --clear-groups dpkg --root=/srv/u --force-not-root --log=/dev/null --unpack /root/unknown.deb").succeeds();
    assert!(!world.is_unpacked("unknown"));
}

fn dpkg_debsig(world: &World) {
    at_hand(world);
    world
        .sh("dpkg-split -s /root/good.deb /root/good; dpkg-split -s /root/unknown.deb /root/unknown
        ln -s ../lib/apt-quorum/debsig-verify /usr/sbin/debsig-verify
        sed -i 's/^no-debsig/#&/' /etc/dpkg/dpkg.cfg
        mv /etc/dpkg/dpkg.cfg.d/apt-quorum /root/gate")
        .succeeds();
    judged(world, "dpkg -i FILE").says("verification on package /root/unknown.deb failed");
    judged(world, "f=FILE; dpkg -i ${f%.deb}.1of1.deb");
    let receipts = world.receipts("hook");
    assert!(receipts.iter().all(|it| it["entrance"] == "debsig"), "{receipts:?}");
    // Under apt it does not judge again what the hook has judged.
    let before = receipts.len();
    world.install("/root/good.deb").succeeds();
    let after = world.receipts("hook");
    assert_eq!(after.len(), before + 1);
    assert_eq!(after.last().unwrap()["entrance"], "hook");
}
