//! Who drives apt, and who else has a word before dpkg.

use super::archive::Package;
use super::steps::{interpose, source_of, two_attest};
use super::table::{BOTH, DPKG, HOOK, INSTALLED, PROMPT};
use super::world::{PAST_THE_PROMPT, World, serve};

rows! {
    packagekit: "PackageKit (packagekitd, asked over D-Bus)" => BOTH, in "desktop";
    unattended_upgrades: "unattended-upgrades" => BOTH, in "desktop";
    debconf: "debconf's config script, run by dpkg-preconfigure before dpkg" => HOOK, in "desktop";
    other_root: "another system by DPkg::Chroot-Directory, with and without a gate in it" => HOOK;
    hook_options: "the hook's protocol and descriptor changed on apt's command line" => HOOK;
    python_apt: "python-apt" => BOTH;
    hook_order: "hooks that sort later do not run when ours refuses" => HOOK;
    packagekit_offline: "PackageKit's offline updates, installed at the next start" => BOTH, in "desktop";
    removal: "removing a package asks nobody" => INSTALLED;
    aptitude: "aptitude" => BOTH, in "frontends";
    nala: "nala, which downloads by itself where apt would" => BOTH, in "frontends";
    gdebi: "gdebi, given an archive" => DPKG, in "frontends";
    ansible: "Ansible's module apt" => PROMPT, in "frontends";
    ansible_role: "the Ansible role, which describes the whole configuration" => PROMPT, in "frontends";
    synaptic: "Synaptic, on a display" => HOOK, in "frontends";
    apt_offline: "apt-offline, which downloads elsewhere" => HOOK, in "frontends";
    check_apt: "check_apt and what reads URIs, which only look" => PROMPT, in "frontends";
    qemu_user: "dpkg under an emulator for other architectures (qemu-user)" => DPKG, in "frontends";
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
        world.sh(&script("unknown")).fails().says("0 of 2 required confirmations");
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
        apt(&format!("install -y {PAST_THE_PROMPT} unknown")).fails();
        assert!(!inner.has_run("unknown") && !world.has_run("unknown"));
        if gate {
            apt("install -y good").succeeds();
            assert!(inner.has_run("good"));
        } else {
            // No gate there, so nothing at all is installed there.
            apt("install -y good").fails().says("ask-before-prompt: not found");
            apt(&format!("install -y {PAST_THE_PROMPT} good")).fails().says("not found");
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

/// Neither there nor ever begun.
fn kept_out(world: &World, package: &str) {
    assert!(!world.has_run(package) && !world.is_unpacked(package), "{package} came in");
}

fn aptitude(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.sh("aptitude -y install unknown").fails().says("0 of 2 required confirmations");
        kept_out(world, "unknown");
    }
    world.sh("aptitude -y install good").succeeds();
    assert!(world.has_run("good"));
}

fn nala(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    let nala = |name: &str| world.sh(&format!("nala install --assume-yes {name}"));
    // It takes apt's method for http by its name alone, and of these it knows none.
    world.sources(&[("quorum+http", &server)]);
    for name in ["good", "unknown"] {
        nala(name).fails().says("no such file (nala and apt-offline").says("apt-quorum setup --sources all");
        kept_out(world, name);
    }
    // apt's own way, by the method.
    world.sh(&format!("apt-get install -y {PAST_THE_PROMPT} unknown")).fails();
    world.sources(&[("http", &server)]);
    for strict in [false, true] {
        if strict {
            interpose(world);
        }
        nala("unknown").fails().says("0 of 2 required confirmations");
        kept_out(world, "unknown");
        nala("good").succeeds();
        assert!(world.has_run("good"));
        world.sh("dpkg --purge good; rm /var/lib/ran-good; apt-get clean").succeeds();
    }
}

fn gdebi(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[]));
    two_attest(world, good);
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/unknown.deb", &unknown.bytes);
    let gdebi = "gdebi --non-interactive --quiet";
    world.sh(&format!("{gdebi} /root/unknown.deb")).fails().says("0 of 2 required confirmations");
    kept_out(world, "unknown");
    world.sh(&format!("{gdebi} /root/good.deb")).succeeds();
    assert!(world.has_run("good"));
}

fn ansible(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    // It writes what apt said as a text of JSON.
    let ansible = |arguments: &str| {
        world.sh(&format!(
            "code=0; HOME=/root ansible localhost -m ansible.builtin.apt -a '{arguments}' >/root/said || code=$?
             sed -e 's/^ *\"//' -e 's/\",*$//' /root/said; exit $code"
        ))
    };
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        ansible("name=unknown").fails().says("0 of 2 required confirmations");
        kept_out(world, "unknown");
    }
    world.write("/root/unknown.deb", &unknown.bytes);
    ansible("deb=/root/unknown.deb").falls_short().says("0 of 2 required confirmations");
    kept_out(world, "unknown");
    ansible("name=good").succeeds();
    assert!(world.has_run("good"));
}

fn ansible_role(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sources(&[("http", &server)]);
    for (name, text) in [
        ("tasks", include_str!("../../contrib/ansible/roles/apt_quorum/tasks/main.yml")),
        ("meta", include_str!("../../contrib/ansible/roles/apt_quorum/meta/main.yml")),
        ("defaults", include_str!("../../contrib/ansible/roles/apt_quorum/defaults/main.yml")),
    ] {
        world.write(&format!("/root/roles/apt_quorum/{name}/main.yml"), text);
    }
    let mut description = "mode = \"enforce\"\nthreshold = 2\nhold = true\n".to_owned();
    for rebuilder in [&world.alice, &world.bob] {
        let own = rebuilder.configuration();
        let own = own.replace("[[key]]", "[[rebuilder.key]]");
        description += &format!("[[rebuilder]]\n{}", own.replace("[[endpoint]]", "[[rebuilder.endpoint]]"));
    }
    world.write("/root/description.toml", description);
    let play = |exceptions: &str| {
        world.write(
            "/root/play.yml",
            format!(
                "- hosts: localhost\n  connection: local\n  gather_facts: false\n  roles:\n    - role: apt_quorum\n      vars:\n        apt_quorum_install: false\n        apt_quorum_description: \"{{{{ lookup('ansible.builtin.file', '/root/description.toml') }}}}\"\n        apt_quorum_exceptions: {exceptions}\n"
            ),
        );
        world.sh("HOME=/root ANSIBLE_ROLES_PATH=/root/roles ansible-playbook -i localhost, /root/play.yml")
    };
    // The third rebuilder is not in the description, so it goes.
    play("[]").succeeds().says("changed=2 ").says("failed=0");
    world.sh("apt-quorum rebuilder list").succeeds().says("alice").says("bob").never_says("carol");
    world.sh("apt-quorum status").succeeds().says("guarded: mode enforce");
    play("[]").succeeds().says("changed=0 ").says("failed=0");
    let ran = world.sh("apt-get install -y unknown").fails();
    ran.says("0 of 2 required confirmations");
    kept_out(world, "unknown");
    let exempt = "[{id: other-1, package: other=1.0-1, reason: a test, until: '2999-12-31'}]";
    play(exempt).succeeds().says("changed=1 ");
    play(exempt).succeeds().says("changed=0 ");
    world.sh("apt-quorum exception list").succeeds().says("other-1");
    play("[{id: other-1, state: absent}]").succeeds().says("changed=1 ");
    world.sh("apt-get install -y good").succeeds();
    assert!(world.has_run("good"));
}

fn synaptic(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    // After a mistake it waits for somebody to press a button.
    let synaptic = |name: &str| {
        world.sh(&format!(
            "echo '{name} install' | timeout 10 xvfb-run --auto-servernum synaptic \\
                 --hide-main-window --non-interactive --set-selections || true
             cat /var/log/apt/term.log || true"
        ))
    };
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        synaptic("unknown");
        kept_out(world, "unknown");
    }
    world.saw_by_receipt();
    synaptic("good").succeeds();
    assert!(world.has_run("good"));
}

fn apt_offline(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sources(&[("http", &server)]);
    for name in ["unknown", "good"] {
        world
            .sh(&format!(
                "mkdir -p /root/{name}; cd /root/{name}
                 apt-offline set list --install-packages {name}
                 apt-offline get list --threads 1 --bundle bundle.zip
                 apt-offline install bundle.zip --allow-unauthenticated
                 ls /var/cache/apt/archives"
            ))
            .succeeds()
            .says(&format!("{name}_1.0-1_all.deb"));
    }
    let before = server.requests().len();
    world.install("unknown").fails();
    kept_out(world, "unknown");
    world.install("good").succeeds();
    assert!(world.has_run("good"));
    assert_eq!(server.requests().len(), before, "what was carried over was installed");
}

fn check_apt(world: &World) {
    let (old, new) = (world.package("old"), world.package("new"));
    world.source(source_of(&[old]));
    two_attest(world, old);
    world.install("ageing").succeeds();
    world.source(source_of(&[new]));
    let before = world.alice.server().requests().len();
    let looks = || {
        let ran = world.sh("/usr/lib/nagios/plugins/check_apt --packages-warning 100");
        ran.succeeds().says("APT OK").says("1 packages available").never_says("warnings detected");
        let ran = world.sh("apt-get --print-uris -qq upgrade").succeeds();
        ran.says("ageing_2.0-1_all.deb").never_says("apt-quorum");
    };
    looks();
    assert_eq!(world.alice.server().requests().len(), before, "a rebuilder was asked");
    world.sh("apt-get -y upgrade").fails().says("0 of 2 required confirmations");
    world.sh("dpkg-query --show ageing | grep 1.0-1").succeeds();
    two_attest(world, new);
    looks();
    world.sh("apt-get -y upgrade").succeeds();
    world.sh("dpkg-query --show ageing | grep 2.0-1").succeeds();
}

fn qemu_user(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/unknown.deb", &unknown.bytes);
    // As somebody calls it, and as the kernel does, which passes dpkg's name on.
    for dpkg in [
        "qemu-x86_64 /usr/bin/dpkg",
        "cd /usr/bin; qemu-x86_64 dpkg",
        "/usr/libexec/qemu-binfmt/x86_64-binfmt-P /usr/bin/dpkg dpkg",
    ] {
        for way in ["-i", "--status-fd 1 --unpack", "--force-all --install --"] {
            let ran = world.sh(&format!("{dpkg} {way} /root/good.deb /root/unknown.deb")).fails();
            ran.says("refused: unknown 1.0-1 all: 0 of 2 required confirmations");
            kept_out(world, "unknown");
            kept_out(world, "good");
        }
        world.sh(&format!("{dpkg} -i /root/good.deb")).succeeds();
        assert!(world.has_run("good"));
        world.sh("dpkg --purge good; rm /var/lib/ran-good").succeeds();
    }
    // What could show dpkg other files than the gate, or hide its words.
    world.sh("mkdir -p /srv/other/root; cp /root/unknown.deb /srv/other/root/good.deb").succeeds();
    for command in [
        "qemu-x86_64 -L /srv/other /usr/bin/dpkg -i /root/good.deb",
        "QEMU_LD_PREFIX=/srv/other qemu-x86_64 /usr/bin/dpkg -i /root/good.deb",
        "qemu-x86_64 -0 x /usr/bin/dpkg -i /root/good.deb",
        "mkdir -p /etc/qemu-binfmt; ln -s /srv/other /etc/qemu-binfmt/x86_64
         qemu-x86_64 /usr/bin/dpkg -i /root/good.deb",
    ] {
        let ran = world.sh(command).fails();
        ran.says("/usr/bin/qemu-x86_64 is an emulator, and ").says("apt-quorum-method(8)");
        kept_out(world, "unknown");
        kept_out(world, "good");
    }
    // The program itself, as in a chroot of another architecture.
    let verify = "rm -r /etc/qemu-binfmt; qemu-x86_64 /usr/bin/apt-quorum verify /root";
    world.sh(&format!("{verify}/good.deb")).succeeds().says("confirmed: good 1.0-1 all");
}

/// What a desktop does: PackageKit downloads, the machine starts anew, and a program of its own has
/// PackageKit install.
fn packagekit_offline(world: &World) {
    if !world.path("/usr/bin/pkcon").exists() {
        return world.impossible("there is no pkcon");
    }
    let (old, new) = (world.package("old"), world.package("new"));
    let server = serve(source_of(&[old]));
    two_attest(world, old);
    world.sources(&[("http", &server)]);
    world.install("ageing").succeeds();
    let server = serve(source_of(&[new]));
    // It downloads nothing without a default route. Where it leads does not matter here.
    let _ = std::process::Command::new("ip").args(["route", "add", "default", "dev", "lo"]).status();
    let update = || {
        world.sh(
            "mkdir -p /run/dbus; rm -f /run/dbus/pid
             dbus-daemon --system --fork --print-pid >/root/bus
             /usr/lib/polkit-1/polkitd --no-debug & polkit=$!
             /usr/libexec/packagekitd >/root/daemon 2>&1 & daemon=$!
             for n in $(seq 100); do
                 dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
                     org.freedesktop.DBus.GetNameOwner string:org.freedesktop.PackageKit >/dev/null && break
                 sleep 0.05
             done 2>/dev/null
             set +e
             timeout 60 pkcon -y -p --noninteractive update --only-download
             timeout 60 pkcon -p offline-trigger
             timeout 60 /usr/libexec/pk-offline-update
             for it in $daemon $polkit $(cat /root/bus); do kill $it; done; wait $daemon
             cat /var/lib/PackageKit/offline-update-competed /root/daemon /var/log/apt/term.log
             rm -f /var/log/apt/term.log
             dpkg-query --show ageing | grep 2.0-1",
        )
    };
    // With the method, nothing is made ready for the next start.
    world.sources(&[("quorum+http", &server)]);
    update().fails().says("apt-quorum refused it: ageing 2.0-1 all: 0 of 2 required confirmations");
    world.sh("! ls /var/lib/PackageKit/prepared-update /system-update").succeeds();
    world.sources(&[("http", &server)]);
    update().fails();
    world.sh("ls /var/cache/apt/archives/ageing_2.0-1_all.deb").succeeds();
    world.sh("dpkg-query --show ageing | grep 1.0-1").succeeds();
    two_attest(world, new);
    update().succeeds();
}
