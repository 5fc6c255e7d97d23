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
    dpkg_added: "dpkg -iR where others can add an archive after the look (sticky directories)" => DPKG;
    dpkg_odd_names: "dpkg -iR: pipes and links that are archives or directories by then" => DPKG;
    dpkg_shown_as_roots: "files of others that FUSE or mapped owners show as root's" => HOOK_AND_DPKG, in "fuse";
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
        .says("refused: unknown 1.0-1 all: 0 of 2 required confirmations");
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
    // A directory of somebody else's.
    world.sh("chown 1000 /root/good/sub; dpkg -iR /root/good").fails().says("owned by user 1000");
}

/// Has something happen between our look and dpkg's own: dpkg runs its hooks one after the other.
fn meanwhile(world: &World, script: &str) {
    world.write("/srv/meanwhile", format!("{script}\n"));
    let hook = "pre-invoke=case $DPKG_HOOK_ACTION in install|unpack) sh /srv/meanwhile;; esac\n";
    world.write("/etc/dpkg/dpkg.cfg.d/zz", hook);
}

/// Runs a command of the shell as somebody without privileges.
const AS_USER: &str = "setpriv --reuid=1000 --regid=1000 --clear-groups";

fn nothing_came_in(world: &World, what: &str) {
    for package in ["good", "unknown"] {
        assert!(!world.has_run(package) && !world.is_unpacked(package), "{what}: {package}");
    }
}

fn dpkg_added(world: &World) {
    at_hand(world);
    world.write("/home/unknown.deb", &world.package("unknown").bytes);
    world
        .sh("mkdir -m 1777 /srv/incoming; cp /root/good.deb /srv/incoming
        mkdir -p /root/above/sub /root/beside; ln -s /srv/incoming /root/above/sub/link
        cp /root/good.deb /root/beside")
        .succeeds();
    let add = "cp /home/unknown.deb /srv/incoming/zz.deb";
    meanwhile(world, &format!("{AS_USER} {add} || :"));
    let refused = "/srv/incoming lets others than root add files (mode 1777): use another directory";
    for place in ["/srv/incoming", "/root/above", "/root/beside /srv/incoming"] {
        world.sh(&format!("dpkg -iR {place}")).fails().says(refused);
        nothing_came_in(world, place);
    }
    // Nothing lies there yet.
    world.sh("rm /srv/incoming/*; dpkg -iR /root/beside /srv/incoming").fails().says(refused);
    nothing_came_in(world, "empty");
    // In earnest: whoever tries all the time, and does not wait for a hook.
    let trying = format!(
        "rm /etc/dpkg/dpkg.cfg.d/zz; cp /root/good.deb /srv/incoming
        {AS_USER} sh -c 'while :; do {add}; rm -f /srv/incoming/zz.deb; done' & racing=$!
        for n in 1 2 3 4 5 6 7 8 9 10; do dpkg -iR /srv/incoming && exit 1; done; kill $racing"
    );
    world.sh(&trying).succeeds();
    nothing_came_in(world, "trying all the time");
    // To one that only root can write, nobody adds anything.
    meanwhile(world, &format!("{AS_USER} {add} || :"));
    world.sh("rm -f /srv/incoming/zz.deb; chmod 755 /srv/incoming; dpkg -iR /srv/incoming").succeeds();
    assert!(world.has_run("good") && !world.is_unpacked("unknown"));
    // The mode that lets through lets this through, and says so.
    world.lets_in("the mode is warn");
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    world
        .sh("chmod 1777 /srv/incoming; dpkg -iR /srv/incoming")
        .succeeds()
        .says("/srv/incoming lets others than root add files")
        .says("The mode is warn");
}

fn dpkg_odd_names(world: &World) {
    at_hand(world);
    for (odd, then, says) in [
        ("mkfifo d/x.deb", "rm d/x.deb; cp unknown.deb d/x.deb", "d/x.deb is not a file"),
        ("mknod d/x.deb c 1 3", "rm d/x.deb; cp unknown.deb d/x.deb", "d/x.deb is not a file"),
        (
            "ln -s /tmp/later.deb d/x.deb",
            "cp unknown.deb /tmp/later.deb; chown 1000 /tmp/later.deb",
            "/root/d/x.deb: cannot be read (No such file or directory)",
        ),
        (
            "ln -s /tmp/later d/x",
            "mkdir /tmp/later; cp unknown.deb /tmp/later/x.deb; chown -R 1000 /tmp/later",
            "the link /root/d/x could lead to a directory when dpkg looks",
        ),
        (
            ": >/tmp/later; chown 1000 /tmp/later; ln -s /tmp/later d/x",
            "rm -f /tmp/later; mkdir /tmp/later; cp unknown.deb /tmp/later/x.deb",
            "the link /root/d/x could lead to a directory when dpkg looks",
        ),
    ] {
        world.sh(&format!("cd /root; mkdir d; cp good.deb d; {odd}")).succeeds();
        meanwhile(world, &format!("cd /root; {then}"));
        world.sh("dpkg -iR /root/d").fails().says(says);
        nothing_came_in(world, odd);
        world.sh("rm -rf /root/d /tmp/later*").succeeds();
    }
    // What dpkg does not take is nothing to us, nor is a link that stays what it is.
    world
        .sh("rm /etc/dpkg/dpkg.cfg.d/zz; cd /root; mkdir d; cp good.deb d; cp unknown.deb d/x.DEB
        cp unknown.deb d/deb; cp unknown.deb d/x.deb~; ln -s x.DEB d/x.udeb; mkfifo d/pipe
        dpkg -iR d")
        .succeeds();
    assert!(world.has_run("good") && !world.is_unpacked("unknown"));
}

fn dpkg_shown_as_roots(world: &World) {
    at_hand(world);
    world
        .sh("mknod -m 666 /dev/fuse c 10 229; mkdir -p /home/u/real /home/u/none
        cp /root/good.deb /home/u/real/x.deb; cp /root/*.deb /home/u; ln -s /mnt/x.deb /root/l.deb
        ln -s /root/good.deb /home/u/real/link.deb; chown -hR 1000:1000 /home/u
        bindfs -o allow_other --force-user=root --force-group=root /home/u/real /mnt
        bindfs -o allow_other --force-user=root --force-group=root /home/u/none /media
        test 0 = $(stat -c %u /mnt/x.deb)")
        .succeeds();
    let identity = || world.sh("stat -c '%i %u %y' /home/u/real/x.deb").succeeds().text;
    let before = identity();
    let swap = "cp -f /home/u/unknown.deb /home/u/real/new; mv -f /home/u/real/new /home/u/real/x.deb
        ln -sf /home/u/unknown.deb /home/u/real/link.deb; cp -f /home/u/unknown.deb /home/u/none";
    world.write("/srv/swap", swap);
    meanwhile(world, &format!("{AS_USER} sh /srv/swap"));
    for what in [
        "apt-get install -y /mnt/x.deb",
        "dpkg -i /mnt/x.deb",
        "dpkg -i /root/l.deb",
        // It leads to a good one of root's, while this is looked at.
        "dpkg -i /mnt/link.deb",
        "dpkg -iR /mnt",
        // There is none while this is looked at.
        "dpkg -iR /root/good.d /media",
    ] {
        world
            .sh(&format!("mkdir -p /root/good.d; cp /root/good.deb /root/good.d; {what}"))
            .fails()
            .says("is on a file system that can show files of others as root's")
            .says("to a local directory");
        nothing_came_in(world, what);
    }
    assert_eq!(identity(), before, "somebody wrote through the mount");
    mapped_owners(world);
    // In earnest.
    let trying = format!(
        "rm /etc/dpkg/dpkg.cfg.d/zz
        {AS_USER} sh -c 'while :; do sh /srv/swap; cp -f /home/u/good.deb /home/u/real/new
            mv -f /home/u/real/new /home/u/real/x.deb; done' & racing=$!
        for n in 1 2 3 4 5 6 7 8 9 10; do dpkg -i /mnt/x.deb && exit 1; done; kill $racing"
    );
    world.sh(&trying).succeeds();
    nothing_came_in(world, "trying all the time");
    // The advice.
    world.sh("cp /home/u/good.deb /home/u/real/x.deb; cp /mnt/x.deb /root; dpkg -i /root/x.deb").succeeds();
    assert!(world.has_run("good"));
}

/// A mount of a good file system on which the files of user 1000 are shown as root's.
fn mapped_owners(world: &World) {
    // mount knows it from util-linux 2.39.
    if world.suite == "bookworm" {
        return;
    }
    world
        .sh("mkdir -p /srv/disk /srv/mapped; mount -t tmpfs tmpfs /srv/disk
        cp /home/u/good.deb /srv/disk/x.deb; chown -R 1000:1000 /srv/disk")
        .succeeds();
    // It makes a user namespace for it, which nobody may in a chroot.
    let mount = "cd $0; set -- usr/lib*/ld-linux-*.so.*; libraries=$(dirname usr/lib/*/libmount.so.1)
        exec $1 --library-path $libraries usr/bin/mount --bind -o X-mount.idmap=b:1000:0:1 srv/disk srv/mapped";
    super::archive::run(std::process::Command::new("sh").args(["-c", mount]).arg(world.path("/")));
    assert_eq!(world.sh("stat -c %u /srv/mapped/x.deb").text, "0\n");
    for what in ["apt-get install -y /srv/mapped/x.deb", "dpkg -iR /srv/mapped"] {
        world.sh(what).fails().says("can show files of others as root's");
        nothing_came_in(world, what);
    }
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
            .says("another user could replace the file after this check")
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
    world.sh("mv /usr/lib/apt-quorum/gate /usr/bin/away").succeeds();
    world.sh("dpkg -i /root/good.deb").fails().says("dpkg-pre-invoke: not found");
    world.sh("dpkg --triggers-only --pending; dpkg --remove good; dpkg --purge good; dpkg --add-architecture armhf; dpkg -l >/dev/null; dpkg --audit; dpkg -I /root/good.deb >/dev/null").succeeds();
    // The way out that the file names.
    world.lets_in("root put the gate aside");
    world.sh("mv /etc/dpkg/dpkg.cfg.d/apt-quorum /etc/dpkg/dpkg.cfg.d/apt-quorum.disabled; dpkg -i /root/unknown.deb").succeeds();
    assert!(world.has_run("unknown"));
}

fn dpkg_switched_off(world: &World) {
    at_hand(world);
    let off = "mode = \"enforce\"\nthreshold = 2\ndpkg = \"pass\"\n";
    world.policy(off);
    world.lets_in("dpkg = pass");
    world.sh("dpkg -i /root/unknown.deb").succeeds().never_says("apt-quorum");
    assert!(world.has_run("unknown"));
    // apt is gated all the same.
    world.sh("dpkg --purge unknown").succeeds();
    world.install("/root/unknown.deb").fails().says("refused: unknown 1.0-1");
    assert!(!world.is_unpacked("unknown"));
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
