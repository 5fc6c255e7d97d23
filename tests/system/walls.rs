//! The processes that talk to the network, seen from outside while they do.

use super::rebuilder::Mood;
use super::steps::{source_of, two_attest, wait_until};
use super::table::{DOWNLOAD, INSTALLED, METHOD};
use super::world::{World, serve};

rows! {
    closed_in: "while they talk to the network: who is closed in, unless it is switched off" => INSTALLED;
    compressed_indexes: "an exception by name while apt's indexes are compressed" => METHOD;
    directories: "files that apt wants in several directories" => DOWNLOAD;
}

/// Lines of /proc/ID/status.
struct Status(String);

impl Status {
    fn of(id: u32) -> Self {
        Self(std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default())
    }

    fn words(&self, name: &str) -> Vec<&str> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_ascii_whitespace().collect()
    }
}

/// The process in the chroot that runs our program and was called by a name that ends so.
fn running(world: &World, name: &str) -> Option<u32> {
    let program = world.path("/usr/lib/apt-quorum/gate");
    world.processes().into_iter().find(|id| {
        let same = std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|it| it == program);
        let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        same && words.split(|byte| *byte == 0).next().unwrap_or_default().ends_with(name.as_bytes())
    })
}

/// Starts an installation that waits for a rebuilder who hangs, hands over the process of this
/// name, and ends it all.
fn while_it_waits(world: &World, name: &str, look: impl Fn(u32)) {
    use std::os::unix::process::CommandExt;

    let asked = world.bob.server().requests().len();
    let mut command = world.command();
    let mut apt = command
        .args(["apt-get", "install", "-y", "-o", "APT::Quorum::Before-Prompt=never", "good"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("bob was asked", || world.bob.server().requests().len() > asked);
    look(running(world, name).unwrap_or_else(|| panic!("no {name} is running")));
    let group = nix::unistd::Pid::from_raw(i32::try_from(apt.id()).unwrap());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(!apt.wait().unwrap().success());
    wait_until("nothing runs in the chroot", || world.processes().is_empty());
}

fn closed_in(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    two_attest(world, good);
    let hanging =
        "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 300\ntotal_timeout = 300\n";
    let quick = hanging.replace("300", "5");
    let user = world.sh("id -u _apt; id -g _apt").succeeds().text;
    let ids: Vec<&str> = user.lines().collect();
    let unprivileged = |status: &Status| {
        assert_eq!(status.words("Uid:"), [ids[0]; 4]);
        assert_eq!(status.words("Gid:"), [ids[1]; 4]);
        assert_eq!(status.words("NoNewPrivs:"), ["1"]);
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(status.words(set), ["0000000000000000"], "{set}");
        }
    };
    for (scheme, name) in [("quorum+http", "quorum+http"), ("http", "apt-quorum-fetch")] {
        world.sources(&[(scheme, &server)]);
        for (setting, filters) in [("true", "1"), ("false", "0")] {
            world.write(
                "/etc/apt/apt.conf.d/50sandbox",
                format!("APT::Quorum::Sandbox \"{setting}\";\n"),
            );
            world.policy(hanging);
            world.bob.is(Mood::Hangs);
            world.carol.is(Mood::Hangs);
            while_it_waits(world, name, |id| {
                let status = Status::of(id);
                unprivileged(&status);
                assert_eq!(status.words("Seccomp_filters:"), [filters], "{name} {setting}");
                // With more threads than the one that closed it in.
                let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
                let ids: Vec<u32> = threads
                    .map(|it| it.unwrap().file_name().to_str().unwrap().parse().unwrap())
                    .collect();
                assert!(ids.len() > 1);
                for thread in ids {
                    assert_eq!(Status::of(thread).words("Seccomp_filters:"), [filters]);
                }
                // Neither its memory nor its descriptors are the user's to look at.
                let look = format!(
                    "setpriv --reuid={} --regid={} --clear-groups ls /proc/{id}/fd",
                    ids_of(&user).0,
                    ids_of(&user).1
                );
                let looked = world.sh(&look);
                assert_eq!(looked.code == Some(0), setting == "false" && name != "quorum+http");
            });
            // And the same works.
            world.bob.is(Mood::Fine);
            world.policy(&quick);
            world.install("good").succeeds().says("1 confirmed");
            world
                .sh("apt-get purge -y good; apt-get clean; rm -rf /var/cache/apt-quorum/attestations")
                .succeeds();
        }
    }
}

fn ids_of(text: &str) -> (&str, &str) {
    text.trim().split_once('\n').unwrap()
}

fn compressed_indexes(world: &World) {
    let unknown = world.package("unknown");
    world.write(
        "/etc/apt-quorum/exceptions.d/x.toml",
        "[[exception]]\npackage = [\"unknown\"]\nreason = \"a test\"\nexpires = 2999-01-01\n",
    );
    world.source(source_of(&[unknown]));
    world.sh("gzip /var/lib/apt/lists/*_Packages").succeeds();
    world.lets_in("an exception by its name");
    world.install("unknown").succeeds().says("exception: unknown 1.0-1 all: a test");
    assert_eq!(world.receipts("method")[0]["basis"], "exception");
    // Not because everything passes.
    world.write(
        "/etc/apt-quorum/exceptions.d/x.toml",
        "[[exception]]\npackage = [\"other\"]\nreason = \"a test\"\nexpires = 2999-01-01\n",
    );
    world.sh("apt-get purge -y unknown; apt-get clean").succeeds();
    world.install("unknown").fails().says("0 of 2 required confirmations");
    assert!(!world.is_unpacked("unknown"));
}

fn directories(world: &World) {
    let good = world.package("good");
    let mut files = source_of(&[good]);
    for name in ["x.dsc", "y.dsc"] {
        files.insert(name.to_owned(), b"Format: 3.0\n".as_slice().into());
    }
    let server = world.source(files);
    let url = format!("quorum+http://{}/debian", server.authority());
    let both = |options: &str, one: &str, other: &str| {
        world.sh(&format!(
            "mkdir -p {one} {other}; chown _apt {one} {other}; cd /
             /usr/lib/apt/apt-helper {options} download-file {url}/x.dsc {one}/x.dsc '' {url}/y.dsc {other}/y.dsc ''
             cat {one}/x.dsc {other}/y.dsc"
        ))
    };
    // As apt-get changelog does it: each file has a directory among the temporary ones.
    both("", "/tmp/one", "/tmp/other").succeeds();
    both("", "/srv/one", "/srv/other").fails().says("see PRIVILEGES AND SANDBOX in apt-quorum-method(8)");
    both("-o APT::Quorum::Sandbox=false", "/srv/one", "/srv/other").succeeds();
}
