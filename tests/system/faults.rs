//! Programs that are killed, and systems that fail them, at every step of a run.
//!
//! strace counts the system calls of every thread and process of an entrance, and at the n-th one
//! kills it or makes the call fail. After each such run nothing that was not judged may have been
//! installed, and the next run must work as if nothing had happened.
//!
//! A few steps of each kind are tried, spread over the run and shared out among the releases; with
//! `FAULTS=all`, all of them on each (`make faults`).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::archive::run;
use super::steps::{source_of, two_attest};
use super::table::{BOTH, DPKG, HOOK};
use super::world::{Ran, SUITES, World};

rows! {
    fault_hook: "the hook or its fetching process killed, interrupted or failed by the system at any step" => HOOK, in "strace";
    fault_dpkg: "dpkg's gate killed, interrupted or failed by the system at any step" => DPKG, in "strace";
    fault_method: "the method or the wrapped one killed, interrupted or failed by the system at any step" => BOTH, in "strace";
    fault_places: "a full disk, a cache or state that is read-only, closed descriptors, none left" => HOOK;
}

/// What is done to whom: strace's expression without the step, and how many steps are tried
/// unless all are.
const FAULTS: &[(&str, usize)] = &[
    ("all:signal=KILL", 24),
    ("all:signal=INT", 10),
    ("write,pwrite64,fdatasync,rename,mkdir,ftruncate:error=ENOSPC", 10),
    ("write,pwrite64,fdatasync,rename,mkdir,unlink:error=EROFS", 6),
    ("read,pread64,recvfrom:error=EIO", 8),
    ("openat,socket,socketpair,pipe2,epoll_create1,eventfd2,fcntl:error=EMFILE", 10),
    ("clone,clone3,mmap:error=ENOMEM", 6),
    ("connect,sendto,writev,getdents64,newfstatat,statx:error=ECONNRESET", 8),
];

/// Longer than any run takes that has not got stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// An entrance under strace.
struct Traced<'a> {
    world: &'a World,
    /// Runs it with a package that nobody confirms
    bad: &'static str,
    /// Runs it with one that two confirm
    good: &'static str,
    /// By how much fewer steps are tried of an entrance that takes long
    fewer: usize,
}

impl Traced<'_> {
    /// Puts strace in front of the program that is called `path`. `/srv/inject` says what it
    /// does, and `/srv/trace` what it saw.
    fn put_in_front(world: &World, path: &str) {
        let name = path.rsplit('/').next().unwrap();
        world
            .sh(&format!("mkdir -p /srv/real; ln -s /usr/lib/apt-quorum/gate /srv/real/{name}; rm {path}"))
            .succeeds();
        // -D: the program stays the child of whoever calls it.
        let script = format!(
            "#!/bin/sh\nexec strace -D -qq -f -o /srv/trace $(cat /srv/inject) /srv/real/{name} \"$@\"\n"
        );
        world.write(path, script);
        world.sh(&format!("chmod 755 {path}; : >/srv/inject")).succeeds();
    }

    fn run(&self, script: &str) -> Ran {
        let patience = PATIENCE.as_secs();
        self.world.sh(&format!("timeout -k 5 {patience} bash -c '{script}'"))
    }

    /// Tries all faults.
    fn fails_everywhere(&self) {
        let mut runs = 0;
        for (fault, count) in FAULTS {
            let steps = self.steps(fault);
            for step in self.chosen(steps, *count) {
                // At this step only, and from this step on.
                for more in ["", "+"] {
                    if more == "+" && fault.contains("signal") {
                        continue;
                    }
                    self.fails_at(&format!("-e inject={fault}:when={step}{more}"));
                    runs += 1;
                }
            }
        }
        self.world.saw(format!("{runs} faults, none let anything through"));
    }

    /// Most calls of one process that a fault can strike in a run.
    fn steps(&self, fault: &str) -> usize {
        let calls = fault.split(':').next().unwrap();
        self.world.write("/srv/inject", format!("-e trace={calls}"));
        self.run(self.bad).falls_short();
        let trace = std::fs::read_to_string(self.world.path("/srv/trace")).unwrap();
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for line in trace.lines().filter(|line| line.contains('(')) {
            *counts.entry(line.split(' ').next().unwrap()).or_default() += 1;
        }
        let most = counts.into_values().max().unwrap_or_default();
        assert!(most > 0, "{calls}: the program made none of these calls:\n{trace}");
        most
    }

    /// All steps, or those of `count`, spread evenly over the run, that are this release's turn.
    fn chosen(&self, steps: usize, count: usize) -> Vec<usize> {
        if std::env::var("FAULTS").is_ok_and(|it| it == "all") {
            return (1..=steps).collect();
        }
        let count = (count / self.fewer).max(SUITES.len());
        let turn = SUITES.iter().position(|suite| *suite == self.world.suite).unwrap();
        let mine = (0..count).filter(|n| n % SUITES.len() == turn);
        let mut chosen: Vec<usize> = mine.map(|n| 1 + n * steps / count).collect();
        chosen.dedup();
        chosen
    }

    fn fails_at(&self, inject: &str) {
        self.world.write("/srv/inject", inject);
        let begun = Instant::now();
        let ran = self.run(self.bad);
        assert_ne!(ran.code, Some(0), "{inject}: let through:\n{}", ran.text);
        assert!(begun.elapsed() < PATIENCE, "{inject}: it hangs:\n{}", ran.text);
        assert!(!self.world.has_run("unknown"), "{inject}: installed:\n{}", ran.text);
        self.world.write("/srv/inject", "");
        let next = self.run(self.good);
        assert_eq!(next.code, Some(0), "{inject}: the next run fails:\n{}", next.text);
        whole_receipts(self.world, inject);
    }
}

/// Every line of the receipts is a whole record, or was cut off and counts for nothing.
fn whole_receipts(world: &World, inject: &str) {
    let path = world.path("/var/lib/apt-quorum/receipts/hook.jsonl");
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let admitted = record["decision"] == "admit";
        assert_eq!(admitted, record["package"] == "good", "{inject}: {line}");
    }
}

fn at_hand(world: &World) {
    two_attest(world, world.package("good"));
    for name in ["good", "unknown"] {
        world.write(&format!("/root/{name}.deb"), &world.package(name).bytes);
        let line = format!("{name} - - none < 1.0-1 all none /root/{name}.deb");
        let header = "VERSION 3\nDir::State::lists=/var/lib/apt/lists\n";
        world.write(&format!("/root/{name}.list"), format!("{header}\n{line}\n"));
    }
}

/// As apt calls the hook, which is a hundred times faster than apt.
const HOOK_UNKNOWN: &str = "/usr/lib/apt-quorum/pre-install-pkgs 20</root/unknown.list";
const HOOK_GOOD: &str = "/usr/lib/apt-quorum/pre-install-pkgs 20</root/good.list";

fn fault_hook(world: &World) {
    at_hand(world);
    Traced::put_in_front(world, "/usr/lib/apt-quorum/pre-install-pkgs");
    let traced = Traced { world, bad: HOOK_UNKNOWN, good: HOOK_GOOD, fewer: 1 };
    traced.fails_everywhere();
    world.install("/root/unknown.deb").fails();
    world.install("/root/good.deb").succeeds();
    assert!(world.has_run("good"));
}

fn fault_dpkg(world: &World) {
    at_hand(world);
    Traced::put_in_front(world, "/usr/lib/apt-quorum/dpkg-pre-invoke");
    let (bad, good) = ("dpkg -i /root/unknown.deb", "dpkg -i /root/good.deb");
    Traced { world, bad, good, fewer: 2 }.fails_everywhere();
    world.sh(bad).fails();
    world.sh(good).succeeds();
}

fn fault_method(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    Traced::put_in_front(world, "/usr/lib/apt/methods/quorum+http");
    let bad = "apt-get install -y -o APT::Quorum::Before-Prompt=never unknown";
    let good = "apt-get clean; apt-get install -y --reinstall good";
    Traced { world, bad, good, fewer: 3 }.fails_everywhere();
    world.install("unknown").fails();
    world.sh(good).succeeds();
    // The hook, too, when the method let it through or was not asked.
    let server = super::world::serve(source_of(&[unknown]));
    world.sources(&[("http", &server)]);
    world.install("unknown").fails();
}

/// A file system over a directory of the chroot.
struct Mount(std::path::PathBuf);

impl Mount {
    fn new(world: &World, inside: &str, options: &[&str]) -> Self {
        let path = world.path(inside);
        run(Command::new("mount").args(options).arg(&path));
        Self(path)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = |path: &Path| Command::new("umount").arg(path).status();
        let _ = umount(&self.0);
    }
}

/// The bad package is refused, and the good one is let through, or refused in these words.
fn only(world: &World, refusal: &str) {
    world.sh(&format!("bash -c '{HOOK_UNKNOWN}'")).falls_short();
    let good = world.sh(&format!("bash -c '{HOOK_GOOD}'"));
    assert_eq!(good.code == Some(0), refusal.is_empty(), "{refusal:?}: {}", good.text);
    assert!(good.text.contains(refusal), "{refusal:?}: {}", good.text);
}

fn fault_places(world: &World) {
    at_hand(world);
    let state = "/var/lib/apt-quorum";
    let cache = "/var/cache/apt-quorum";
    {
        let _full = Mount::new(world, state, &["-t", "tmpfs", "-o", "size=64k", "none"]);
        std::fs::create_dir(world.path(state).join("receipts")).unwrap();
        world.sh(&format!("head -c 1M /dev/zero >{state}/receipts/x || true"));
        only(world, "cannot record the decision in /var/lib/apt-quorum");
    }
    only(world, "");
    let here = world.path(state);
    {
        let _read_only = Mount::new(world, state, &["--bind", "-o", "ro", here.to_str().unwrap()]);
        only(world, "Read-only file system");
    }
    only(world, "");
    // Nothing is kept then, and everything is asked again.
    world.sh(&format!("rm -rf {cache}/*")).succeeds();
    let here = world.path(cache);
    {
        let _read_only = Mount::new(world, cache, &["--bind", "-o", "ro", here.to_str().unwrap()]);
        only(world, "");
    }
    // Descriptors: none left, the list's missing, standard error closed.
    for descriptors in 21..=40 {
        let run = |what: &str| world.sh(&format!("bash -c 'ulimit -n {descriptors}; {what}'"));
        run(HOOK_UNKNOWN).falls_short();
        run(HOOK_GOOD);
    }
    only(world, "");
    for (bad, good) in [("20<&-", "20<&-"), ("20</dev/null", "20</dev/null"), ("20<&1", "20</root")] {
        for redirected in [bad, good] {
            world.sh(&format!("bash -c '/usr/lib/apt-quorum/pre-install-pkgs {redirected} </dev/null'")).falls_short();
        }
    }
    world.sh(&format!("bash -c '{HOOK_UNKNOWN} 2>&- >&- <&-'")).falls_short();
    assert_eq!(world.sh(&format!("bash -c '{HOOK_GOOD} 2>&- >&- <&-'")).code, Some(0));
    assert_eq!(world.sh(&format!("bash -c '{HOOK_GOOD} 2>/dev/full'")).code, Some(0));
    world.install("/root/unknown.deb").fails();
    world.install("/root/good.deb").succeeds();
}
