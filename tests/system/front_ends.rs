//! Who drives apt, and who else has a word before dpkg.

use super::archive::Package;
use super::steps::{source_of, two_attest};
use super::table::{BOTH, HOOK, INSTALLED};
use super::world::{World, serve};

rows! {
    packagekit: "PackageKit (packagekitd, asked over D-Bus)" => BOTH, in "desktop";
    unattended_upgrades: "unattended-upgrades" => BOTH, in "desktop";
    debconf: "debconf's config script, run by dpkg-preconfigure before dpkg" => HOOK, in "desktop";
    other_root: "another system by DPkg::Chroot-Directory, with and without a gate in it" => HOOK;
    hook_options: "the hook's protocol and descriptor changed on apt's command line" => HOOK;
    python_apt: "python-apt" => BOTH;
    hook_order: "hooks that sort later do not run when ours refuses" => HOOK;
    removal: "removing a package asks nobody" => INSTALLED;
}

fn python_apt(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    let script = |name: &str| {
        format!(
            "python3 -c 'import apt\ncache = apt.Cache()\ncache[\"{name}\"].mark_install()\ncache.commit()\n'"
        )
    };
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.sh(&script("unknown")).fails().says("no operator confirms it");
        assert!(!world.has_run("unknown"));
    }
    world.sh(&script("good")).succeeds();
    assert!(world.has_run("good"));
}

fn hook_order(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.write(
        "/etc/apt/apt.conf.d/01other",
        "DPkg::Pre-Install-Pkgs { \"touch /var/lib/other-hook\"; };\n",
    );
    world.install("unknown").fails();
    assert!(!world.path("/var/lib/other-hook").exists());
    world.install("good").succeeds();
    assert!(world.path("/var/lib/other-hook").exists());
}

fn removal(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.install("good").succeeds();
    // Even with the gate closed.
    world.policy("");
    world.sh("apt-get remove -y good").succeeds().never_says("refused");
}

fn packagekit(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    // The daemon, started as systemd would; what it and the hook say goes to its output.
    // It downloads nothing without a default route. Where it leads does not matter here.
    let _ = std::process::Command::new("ip").args(["route", "add", "default", "dev", "lo"]).status();
    let install = |name: &str| {
        let client = match world.path("/usr/bin/pkcon").exists() {
            true => "pkcon -y -p --noninteractive install",
            false => "pkgcli --yes install",
        };
        format!(
            "mkdir -p /run/dbus; rm -f /run/dbus/pid
             dbus-daemon --system --fork --print-pid >/root/bus
             /usr/lib/polkit-1/polkitd --no-debug & polkit=$!
             /usr/libexec/packagekitd >/root/daemon 2>&1 & daemon=$!
             for n in $(seq 100); do
                 dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
                     org.freedesktop.DBus.GetNameOwner string:org.freedesktop.PackageKit >/dev/null && break
                 sleep 0.05
             done 2>/dev/null
             code=0; timeout 60 {client} {name} || code=$?
             # Some end by themselves.
             for it in $daemon $polkit $(cat /root/bus); do kill $it || true; done; wait $daemon || true
             cat /root/daemon /var/log/apt/term.log || true; rm -f /var/log/apt/term.log
             test -e /var/lib/ran-{name} && echo 'Setting up {name} (by PackageKit)'
             exit $code"
        )
    };
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.sh(&install("unknown")).fails();
        assert!(!world.has_run("unknown"));
    }
    world.sh(&install("good")).succeeds();
    assert!(world.has_run("good"));
}

fn unattended_upgrades(world: &World) {
    let (old, new) = (world.package("old"), world.package("new"));
    two_attest(world, old);
    let server = serve(source_of(&[new]));
    world.write("/root/old.deb", &old.bytes);
    world.install("/root/old.deb").succeeds();
    world.write(
        "/etc/apt/apt.conf.d/60unattended",
        "#clear Unattended-Upgrade::Origins-Pattern;\nUnattended-Upgrade::Origins-Pattern { \"origin=Test\"; };\n",
    );
    let run = "rm -f /var/log/unattended-upgrades/* /var/log/apt/term.log
        code=0; unattended-upgrade --verbose || code=$?
        cat /var/log/unattended-upgrades/*.log /var/log/apt/term.log || true
        dpkg-query --show ageing; exit $code";
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.sh(run).names_who_refused();
        world.sh("dpkg-query --show ageing | grep 1.0-1").succeeds();
    }
    two_attest(world, new);
    world.sh(run).succeeds();
    world.sh("dpkg-query --show ageing | grep 2.0-1").succeeds();
}

/// A package whose config script leaves `/var/lib/config-ran` behind.
fn with_config(name: &str) -> Package {
    let config = "#!/bin/sh\n. /usr/share/debconf/confmodule\ntouch /var/lib/config-ran\n";
    let templates = format!("Template: {name}/x\nType: string\nDescription: x\n");
    Package::make_with(name, "1.0-1", "all", "asks", &[("config", config), ("templates", &templates)])
}

fn debconf(world: &World) {
    let (bad, fine) = (with_config("asks-bad"), with_config("asks-good"));
    let server = serve(source_of(&[&bad, &fine]));
    two_attest(world, &fine);
    world.sources(&[("http", &server)]);
    let ran = world.path("/var/lib/config-ran");
    world.install("asks-bad").fails();
    assert!(!ran.exists(), "the config script of a refused package ran");
    // That it would have: with our file sorted behind debconf's.
    world.sh("cd /etc/apt/apt.conf.d; mv 00apt-quorum 99apt-quorum").succeeds();
    world.install("asks-bad").fails();
    assert!(ran.exists(), "dpkg-preconfigure is not at work here");
    world.saw("behind debconf's hook the script would have run");
    std::fs::remove_file(&ran).unwrap();
    world.sh("cd /etc/apt/apt.conf.d; mv 99apt-quorum 00apt-quorum").succeeds();
    world.install("asks-good").succeeds();
    assert!(ran.exists());
}

fn other_root(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    for gate in [false, true] {
        let directory = format!("/srv/other-{gate}");
        let inner = world.inner(&directory, gate);
        two_attest(&inner, good);
        two_attest(world, good);
        let source = format!("deb [trusted=yes] http://{}/debian stable main\n", server.authority());
        inner.write("/etc/apt/sources.list", source);
        let apt = |what: &str| {
            world.sh(&format!(
                "apt-get -o Dir={directory} -o DPkg::Chroot-Directory={directory} -o Dir::State::status={directory}/var/lib/dpkg/status {what}"
            ))
        };
        apt("update").succeeds();
        apt("install -y unknown").fails();
        assert!(!inner.has_run("unknown") && !world.has_run("unknown"));
        if gate {
            apt("install -y good").succeeds();
            assert!(inner.has_run("good"));
        } else {
            // No gate there, so nothing at all is installed there.
            apt("install -y good").fails().says("pre-install-pkgs: not found");
            assert!(!inner.has_run("good"));
        }
    }
}

fn hook_options(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    let hook = "DPkg::Tools::Options::/usr/lib/apt-quorum/pre-install-pkgs";
    for option in ["Version=1", "Version=2", "Version=", "InfoFD=0", "InfoFD=21"] {
        world.install(&format!("-o {hook}::{option} good")).fails();
        assert!(!world.has_run("good"), "{option}");
    }
    world.install("good").succeeds();
}
