//! The gate's own files: missing, broken, in the wrong hands, or elsewhere.

use super::steps::{source_of, two_attest};
use super::table::{BOTH, DPKG, HOOK, INSTALLED, METHOD};
use super::world::{PAST_THE_PROMPT, World, serve};

rows! {
    clock_set_back: "the clock set back to when an exception was valid" => HOOK, in "desktop";
    loose_directories: "the configuration's directories writable, links into a user's directory" => BOTH;
    leftovers: "what dpkg and editors leave in the configuration's directories" => BOTH;
    closed: "no policy, an empty, broken or writable one: everything is refused" => BOTH;
    as_installed: "as installed: warn mode without rebuilders lets through and says so" => INSTALLED;
    warn: "warn mode with rebuilders says what it lets through" => INSTALLED;
    other_configuration: "another configuration named by apt's" => METHOD;
    broken_apt_conf: "a mistake in apt's configuration, which says that ours is elsewhere" => DPKG;
    no_receipts: "receipts that cannot be written: refused" => HOOK;
}

fn closed(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    two_attest(world, good);
    let policy = "/etc/apt-quorum/policy.toml";
    let text = std::fs::read_to_string(world.path(policy)).unwrap();
    for (broken, says) in [
        (format!("rm {policy}"), "policy.toml: No such file or directory"),
        (format!(": >{policy}"), "mode is missing"),
        (format!("echo 'mode = ' >{policy}"), "policy.toml:1:"),
        (format!("chmod 666 {policy}"), "can be written by others"),
        ("chmod 777 /etc/apt-quorum".to_owned(), "can be written by others"),
        (format!("chown 1000 {policy}"), "is owned by user 1000"),
        (format!("rm {policy}; mkdir {policy}"), "is not a file"),
        ("mv /etc/apt-quorum /etc/gone".to_owned(), "No such file or directory"),
        ("chmod 666 /etc/apt-quorum/rebuilders.d/alice.toml".to_owned(), "can be written by others"),
    ] {
        world.sh(&broken).succeeds();
        for scheme in ["quorum+http", "http"] {
            world.sources(&[(scheme, &server)]);
            world.install("good").fails().says(says);
            world.sh("cd /root; apt-quorum verify /dev/null").fails();
        }
        assert!(!world.has_run("good"), "{broken}");
        world
            .sh(&format!(
                "test ! -d /etc/gone || mv /etc/gone /etc/apt-quorum
                 test ! -d {policy} || rmdir {policy}
                 chmod 755 /etc/apt-quorum; chmod 644 /etc/apt-quorum/rebuilders.d/*"
            ))
            .succeeds();
        world.policy(&text);
        world.sh(&format!("chown root {policy}; chmod 644 {policy}")).succeeds();
    }
    world.install("good").succeeds();
}

fn as_installed(world: &World) {
    let unknown = world.package("unknown");
    world.source(source_of(&[unknown]));
    world.sh("rm /etc/apt-quorum/rebuilders.d/*").succeeds();
    world.policy("mode = \"warn\"\n");
    world.lets_in("no rebuilder is configured");
    world
        .install("unknown")
        .succeeds()
        .says("1 accepted unchecked (no rebuilder is configured");
    assert!(world.has_run("unknown"));
    let receipt = &world.receipts("hook")[0];
    assert_eq!(
        (receipt["basis"].as_str(), receipt["debt"].as_bool()),
        (Some("warn-mode"), Some(true))
    );
}

fn warn(world: &World) {
    let unknown = world.package("unknown");
    world.source(source_of(&[unknown]));
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    world.lets_in("the mode is warn");
    world
        .install("unknown")
        .succeeds()
        .says("1 accepted unconfirmed (mode: warn)")
        .says("unknown 1.0-1 all: 0 of 2 required confirmations");
    assert!(world.has_run("unknown"));
}

fn other_configuration(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    world.alice.attests(good);
    world.install("good").fails();
    world.sh("cp -r /etc/apt-quorum /srv/quorum; sed -i 's/threshold = 2/threshold = 1/' /srv/quorum/policy.toml").succeeds();
    // dpkg's gate goes by apt's files, and not by what apt is told on its command line.
    world
        .install("-o APT::Quorum::Config=/srv/quorum good")
        .fails()
        .says("apt-quorum: 1 confirmed.")
        .says("apt-quorum: 1 refused.");
    assert!(!world.has_run("good"));
    world.write("/etc/apt/apt.conf.d/50quorum", "APT::Quorum::Config \"/srv/quorum\";\n");
    world.install("good").succeeds();
}

fn broken_apt_conf(world: &World) {
    two_attest(world, world.package("good"));
    for name in ["good", "unknown"] {
        world.write(&format!("/root/{name}.deb"), &world.package(name).bytes);
    }
    // What counts is elsewhere; where it usually is, all is let through.
    world.sh("cp -r /etc/apt-quorum /srv/quorum; rm /etc/apt-quorum/rebuilders.d/*").succeeds();
    world.policy("mode = \"warn\"\n");
    world.write(
        "/etc/apt/apt.conf.d/50quorum",
        "APT::Quorum { Config \"/srv/quorum\"; State \"/srv/state\"; Cache \"/srv/cache\"; };\n",
    );
    let unreadable = "apt's configuration cannot be read, and it may name apt-quorum's directories";
    let (gate, aside) = ("/etc/dpkg/dpkg.cfg.d/apt-quorum", "/root/gate");
    let debsig = format!(
        "mv {gate} {aside}; ln -s ../lib/apt-quorum/debsig-verify /usr/sbin/debsig-verify
        sed -i 's/^no-debsig/#&/' /etc/dpkg/dpkg.cfg"
    );
    let whole = format!(
        "mv {aside} {gate}; rm /usr/sbin/debsig-verify; sed -i 's/^#no-debsig/no-debsig/' /etc/dpkg/dpkg.cfg"
    );
    world.sh("dpkg -i /root/unknown.deb").fails().says("refused: unknown 1.0-1");
    world.sh(&format!("mkdir /root/conf; cp -a /usr/bin/apt-config /root/conf; {debsig}; {whole}")).succeeds();
    for (broken, mended) in [
        // The semicolon is missing.
        ("echo 'Acquire::Retries \"3\"' >/etc/apt/apt.conf.d/99x", "rm /etc/apt/apt.conf.d/99x"),
        ("echo '#include \"/no/such/file\";' >/etc/apt/apt.conf.d/99x", "rm /etc/apt/apt.conf.d/99x"),
        ("echo 'A \"b' >/etc/apt/apt.conf", "rm /etc/apt/apt.conf"),
        ("printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/apt-config", "cp /root/conf/apt-config /usr/bin"),
        ("chmod 644 /usr/bin/apt-config", "chmod 755 /usr/bin/apt-config"),
        ("ln -sf /nowhere /usr/bin/apt-config", "rm /usr/bin/apt-config; cp /root/conf/apt-config /usr/bin"),
        (": >/usr/bin/apt-config", "cp /root/conf/apt-config /usr/bin"),
    ] {
        world.sh(broken).succeeds();
        world.sh("dpkg -i /root/unknown.deb").fails().says(unreadable).says("Nothing was installed.");
        world.sh("dpkg -i /root/good.deb").fails().says(unreadable);
        world.sh(&debsig).succeeds();
        world.sh("dpkg -i /root/unknown.deb").fails().says(unreadable).says("verification on package");
        world.sh(&whole).succeeds();
        assert!(!world.is_unpacked("unknown") && !world.is_unpacked("good"), "{broken}");
        world.sh(mended).succeeds();
    }
    // Whoever types a command is told, and nobody goes by what is usual.
    world.write("/etc/apt/apt.conf.d/99x", "Acquire::Retries \"3\"\n");
    for command in [
        "status", "config check", "check good", "explain good", "verify /root/good.deb", "audit",
        "mode", "mode enforce", "exception list", "rebuilder list", "evidence fetch --upgrades",
        "bootstrap --archives /root", "setup --dry-run",
    ] {
        let ran = world.sh(&format!("code=0; apt-quorum {command} || code=$?; echo ended $code"));
        ran.succeeds().says(unreadable).says("99x").says("ended 2");
    }
    // What is there can be configured and removed meanwhile.
    world.sh("rm /etc/apt/apt.conf.d/99x; dpkg --unpack /root/good.deb").succeeds();
    world.sh("echo 'A \"b' >/etc/apt/apt.conf; dpkg --configure good; dpkg --remove good; dpkg --purge good; dpkg --triggers-only --pending").succeeds();
    world.sh("rm /etc/apt/apt.conf; dpkg -i /root/good.deb").succeeds();
    assert!(world.has_run("good") && !world.has_run("unknown"));
    assert_eq!(world.sh("ls /var/lib/apt-quorum /var/cache/apt-quorum").text.lines().count(), 3);
    // A system without apt has no configuration of apt's: what is usual counts.
    world.lets_in("root took apt away, the usual is mode warn");
    world.sh("mv /usr/bin/apt-config /root; dpkg -i /root/unknown.deb").succeeds();
    assert!(world.has_run("unknown"));
}

fn no_receipts(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.sh("rm -rf /var/lib/apt-quorum; : >/var/lib/apt-quorum").succeeds();
    world.install("good").fails().says("nothing is installed without a record");
    assert!(!world.has_run("good"));
    world.sh("rm /var/lib/apt-quorum").succeeds();
    world.install("good").succeeds();
}

fn loose_directories(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    two_attest(world, good);
    world.sh("mkdir -p /home/user; cp -r /etc/apt-quorum /home/user/quorum; chown -R 1000 /home/user").succeeds();
    let all = "policy.toml rebuilders.d exceptions.d";
    for (broken, mended, says) in [
        ("chmod 777 rebuilders.d", "chmod 755 rebuilders.d", "can be written by others"),
        ("chmod 1777 rebuilders.d", "chmod 755 rebuilders.d", "lets others than root add files"),
        ("chmod 1777 exceptions.d", "chmod 755 exceptions.d", "lets others than root add files"),
        ("chown 1000 rebuilders.d/bob.toml", "chown 0 rebuilders.d/bob.toml", "is owned by user 1000"),
        ("chmod 775 exceptions.d", "chmod 755 exceptions.d", "can be written by others"),
        ("chown 1000 exceptions.d", "chown 0 exceptions.d", "is owned by user 1000"),
        (
            "mv policy.toml kept; ln -s /home/user/quorum/policy.toml policy.toml",
            "mv kept policy.toml",
            "is owned by user 1000",
        ),
        (
            "mv rebuilders.d kept; ln -s /home/user/quorum/rebuilders.d rebuilders.d",
            "rm rebuilders.d; mv kept rebuilders.d",
            "is owned by user 1000",
        ),
        (
            "ln -s /home/user/quorum/policy.toml exceptions.d/x.toml",
            "rm exceptions.d/x.toml",
            "is owned by user 1000",
        ),
        ("chmod 777 ..", "chmod 755 ..", "can be written by others"),
    ] {
        world.sh(&format!("cd /etc/apt-quorum; ls -d {all} >/dev/null; {broken}")).succeeds();
        for scheme in ["quorum+http", "http"] {
            world.sources(&[(scheme, &server)]);
            world.install("good").fails().says(says);
            assert!(!world.has_run("good"), "{broken}");
        }
        world.sh(&format!("cd /etc/apt-quorum; {mended}")).succeeds();
    }
    world.install("good").succeeds();
}

fn leftovers(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    world.alice.attests(unknown);
    let mallory = super::rebuilder::Rebuilder::new("mallory");
    mallory.attests(unknown);
    let exception = "[[exception]]\npackage = [\"unknown\"]\nreason = \"from a version before\"\nexpires = 2999-01-01\n";
    for suffix in [".dpkg-new", ".dpkg-dist", ".dpkg-old", ".dpkg-bak", ".dpkg-tmp", ".ucf-dist", "~", ".swp", ".bak", ".disabled"] {
        world.write(&format!("/etc/apt-quorum/exceptions.d/x.toml{suffix}"), exception);
        world.write(&format!("/etc/apt-quorum/rebuilders.d/mallory.toml{suffix}"), mallory.configuration());
        world.write(&format!("/etc/apt-quorum/policy.toml{suffix}"), "mode = \"warn\"\n");
    }
    world.write("/etc/apt-quorum/exceptions.d/.x.toml", exception);
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.install("unknown").fails().says("1 of 2 required confirmations");
        assert!(!world.has_run("unknown"));
    }
    world.install("good").succeeds();
    // The same files under their own names count.
    world.sh("cd /etc/apt-quorum/rebuilders.d; mv mallory.toml.dpkg-new mallory.toml").succeeds();
    world.lets_in("a second rebuilder under its own name");
    world.install("unknown").succeeds();
}

fn clock_set_back(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.write("/etc/apt-quorum/exceptions.d/x.toml", "[[exception]]\npackage = [\"unknown\"]\nreason = \"was once good\"\nexpires = 2026-01-01\n");
    world.install("good").succeeds();
    // It would fake the times of files as well.
    let back = "env NO_FAKE_STAT=1 faketime '2025-06-01 12:00:00' apt-get install -y unknown";
    for past in ["", PAST_THE_PROMPT] {
        world
            .sh(&format!("{back} {past}"))
            .fails()
            .says("the clock says 2025-06-01T")
            .says("the exception in x.toml line 1 expired after 2026-01-01");
    }
    assert!(!world.has_run("unknown"));
    // A quorum is one whatever the clock says.
    two_attest(world, unknown);
    world.lets_in("two confirm it now");
    world.sh(back).succeeds().says("1 confirmed");
    // The limit of it, and that the clock was back indeed: a machine without any receipt.
    world.sh("apt-get purge -y unknown; rm -r /var/lib/apt-quorum/receipts /var/cache/apt-quorum").succeeds();
    world.sh("rm /etc/apt-quorum/rebuilders.d/bob.toml").succeeds();
    // (Files get the real time, so that dpkg's gate sees the hook's receipt of a moment ago.)
    world.sh(&format!("{back} || true")).says("exception: unknown 1.0-1 all: was once good");
    world.saw("without any receipt the clock is believed");
}
