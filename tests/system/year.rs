//! A fortnight, or with `YEAR_DAYS=365` (`make year`) a year, of one machine that nobody looks after.
//!
//! Every day the indexes are fetched and unattended-upgrades runs, on a clock that is set for it.
//! Rebuilders lag, have outages, change a key, lie and vanish; now and then everything is killed.
//! What may be installed is worked out here, from what the rebuilders said and when, without any
//! code of the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apt_quorum::types::Sha256Digest;

use super::archive::{Files, Package, control_member, forge};
use super::rebuilder::{Mood, Rebuilder};
use super::server::{Answer, Server};
use super::table::INSTALLED;
use super::world::World;

rows! {
    year: "a fortnight or a year of unattended upgrades, with lies, outages and crashes" => INSTALLED, in "desktop";
}

const NAMES: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];

/// How many must confirm.
const THRESHOLD: usize = 2;

/// The rebuilder that changes its key, the one that begins to lie, and the one that vanishes.
const CHANGES: usize = 2;
const LIES: usize = 3;
const VANISHES: usize = 4;

const SUITES: [&str; 3] = ["stable", "stable-updates", "stable-security"];

/// A generator of numbers that a seed repeats (Vigna's splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn in_a_hundred(&mut self, part: usize) -> bool {
        self.below(100) < part
    }
}

/// A version of a package, and the days on which the rebuilders' votes appear.
struct Version {
    package: Package,
    suite: usize,
    day: usize,
    votes: [Option<usize>; 5],
}

impl Version {
    /// The rebuilders that have said by that day that they got these bytes.
    fn confirmed_by(&self, day: usize) -> BTreeSet<usize> {
        (0..NAMES.len()).filter(|it| self.votes[*it].is_some_and(|vote| vote <= day)).collect()
    }
}

/// What was seen in all, for the last lines.
#[derive(Default)]
struct Account {
    installed: usize,
    /// Days from the archive to the machine, for security updates and others
    waited: [Vec<usize>; 2],
    crashes: usize,
    acted: Vec<String>,
    told: BTreeSet<&'static str>,
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

fn name(index: usize) -> String {
    format!("y-{index:03}")
}

fn make(index: usize, version: usize) -> Package {
    let (name, version) = (name(index), version.to_string());
    // The first twenty go in pairs.
    let fields = match index {
        0..20 if index % 2 == 1 => format!("Depends: {} (= {version})\n", self::name(index - 1)),
        _ => String::new(),
    };
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\n\
         Maintainer: Nobody <nobody@example.invalid>\n{fields}Description: made for a test\n"
    );
    let bytes = forge(&[&control_member(&[("control", &control)])]);
    Package { name, version, architecture: "all".to_owned(), fields, bytes: bytes.into() }
}

/// All versions of the whole time, in the order of their days; the first of each is there before.
fn history(days: usize, packages: usize, chance: &mut Chance) -> Vec<Version> {
    let mut versions = vec![1; packages];
    let mut all: Vec<Version> = Vec::new();
    // Packages that nobody can rebuild.
    let hopeless: BTreeSet<usize> = (20..packages).filter(|_| chance.in_a_hundred(4)).collect();
    for day in 1..=days {
        // 2,000 of 300 packages in a year.
        let mut changed = BTreeSet::new();
        for index in 0..packages {
            if chance.below(1000) < 18 {
                changed.insert(index);
                if index < 20 {
                    changed.insert(index ^ 1);
                }
            }
        }
        for index in changed {
            versions[index] += 1;
            let suite = match chance.below(10) {
                0..4 => 2,
                4..6 => 1,
                _ => 0,
            };
            let mut votes = [None; 5];
            for (rebuilder, vote) in votes.iter_mut().enumerate() {
                let covered = chance.in_a_hundred(95 - 8 * rebuilder);
                let lag = chance.below(2 + rebuilder);
                let lies = rebuilder == LIES && day >= days * 55 / 100;
                let gone = rebuilder == VANISHES && day + lag >= days * 82 / 100;
                if covered && !hopeless.contains(&index) && !lies && !gone {
                    *vote = Some(day + lag);
                }
            }
            all.push(Version { package: make(index, versions[index]), suite, day, votes });
        }
    }
    all
}

/// The archive of one day: in each suite the newest version of each package that went there.
fn archive_of(versions: &[Version], day: usize) -> Files {
    let mut files = Files::new();
    for (number, suite) in SUITES.iter().enumerate() {
        let mut newest: BTreeMap<&str, &Version> = BTreeMap::new();
        for it in versions.iter().filter(|it| it.suite == number && it.day <= day) {
            newest.insert(&it.package.name, it);
        }
        let mut index = String::new();
        for it in newest.values() {
            let Package { name, version, architecture, fields, bytes } = &it.package;
            index += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
                 Maintainer: Nobody <nobody@example.invalid>\n{fields}\
                 Filename: pool/{}\nSize: {}\nSHA256: {}\nDescription: made for a test\n\n",
                it.package.artifact(),
                bytes.len(),
                it.package.sha256()
            );
            files.insert(format!("pool/{}", it.package.artifact()), Arc::clone(bytes));
        }
        let path = "main/binary-amd64/Packages";
        let release = format!(
            "Origin: Test\nLabel: Test\nSuite: {suite}\nCodename: {suite}\n\
             Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64 all\n\
             Components: main\nSHA256:\n {} {} {path}\n",
            Sha256Digest::of(index.as_bytes()),
            index.len()
        );
        files.insert(format!("dists/{suite}/{path}"), index.into_bytes().into());
        files.insert(format!("dists/{suite}/Release"), release.into_bytes().into());
    }
    files
}

/// Runs a command at an hour of a day, of which the first is in January 2027.
fn on_day(day: usize, hour: &str, command: &str) -> String {
    format!("env NO_FAKE_STAT=1 faketime '2027-01-01 {hour} {day} days' {command}")
}

/// The installed versions.
fn installed(world: &World) -> BTreeMap<String, String> {
    let query = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n' 'y-*'";
    let text = world.sh(query).succeeds().text;
    let words = text.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
    words.map(|it| (it[1].to_owned(), it[2].to_owned())).collect()
}

fn set_up(world: &World, rebuilders: &[Rebuilder], packages: usize) {
    world.policy(&format!(
        "mode = \"warn\"\nthreshold = {THRESHOLD}\nhold = true\n[network]\nanswer_timeout = 5\ntotal_timeout = 10\n"
    ));
    world.sh("rm /etc/apt-quorum/rebuilders.d/*").succeeds();
    rebuilders.iter().for_each(|it| trust(world, it));
    for index in 0..packages {
        let package = make(index, 1);
        world.write(&format!("/srv/old/{}", package.artifact()), &package.bytes);
    }
    world.sh("dpkg -i /srv/old/*.deb >/dev/null; rm -r /srv/old; apt-quorum mode enforce").succeeds();
    world.sh(&on_day(31, "06:00:00", "date +%F")).succeeds().says("2027-02-01");
    world.write(
        "/etc/apt/apt.conf.d/60unattended",
        "#clear Unattended-Upgrade::Origins-Pattern;\nUnattended-Upgrade::Origins-Pattern { \"origin=Test\"; };\n",
    );
}

fn trust(world: &World, rebuilder: &Rebuilder) {
    let file = format!("/etc/apt-quorum/rebuilders.d/{}.toml", rebuilder.name);
    world.write(&file, rebuilder.configuration());
}

fn year(world: &World) {
    let (days, packages) = (number("YEAR_DAYS", 14), number("YEAR_PACKAGES", 60));
    let seed = number("YEAR_SEED", 18);
    let started = Instant::now();
    let mut chance = Chance(u64::try_from(seed).unwrap());
    let versions = history(days, packages, &mut chance);
    let rebuilders = NAMES.map(Rebuilder::new);
    let files: Arc<Mutex<Files>> = Arc::default();
    let served = Arc::clone(&files);
    let server = Server::start(move |path| {
        let path = path.strip_prefix("/debian/").unwrap_or_default();
        let found = served.lock().unwrap().get(path).map(Arc::clone);
        found.map_or(Answer::None, Answer::Body)
    });
    set_up(world, &rebuilders, packages);
    let line = |suite: &&str| {
        format!("deb [trusted=yes] quorum+http://{}/debian {suite} main\n", server.authority())
    };
    world.write("/etc/apt/sources.list", SUITES.iter().map(line).collect::<String>());
    // How long each rebuilder is still down, and whether its key is trusted.
    let mut down = [0_usize; 5];
    let mut is_trusted = [true; 5];
    let crashes: BTreeSet<usize> =
        (0..days.div_ceil(18)).map(|_| 2 + chance.below(days - 2)).collect();
    let mut account = Account::default();
    let mut before = installed(world);
    let mut due_yesterday: BTreeSet<String> = BTreeSet::new();
    for day in 1..=days {
        for (index, rebuilder) in rebuilders.iter().enumerate() {
            if down[index] > 0 {
                down[index] -= 1;
            } else if chance.below(40) == 0 {
                down[index] = 1 + chance.below(14);
            }
            let vanished = index == VANISHES && day >= days * 82 / 100;
            let is_down = down[index] > 0 || vanished;
            rebuilder.is(if is_down { Mood::Fails } else { Mood::Fine });
        }
        if day == days * 40 / 100 {
            rebuilders[CHANGES].changes_its_key();
            is_trusted[CHANGES] = false;
        } else if !is_trusted[CHANGES] {
            trust(world, &rebuilders[CHANGES]);
            is_trusted[CHANGES] = true;
            account.acted.push(format!("day {day}: trusted the new key of {}", NAMES[CHANGES]));
        }
        for it in &versions {
            for (index, vote) in it.votes.iter().enumerate() {
                if *vote == Some(day) {
                    rebuilders[index].attests(&it.package);
                }
            }
            if it.day == day && day >= days * 55 / 100 {
                let other = Sha256Digest::of(b"another file").to_string();
                rebuilders[LIES].attests_to(&it.package, &[(it.package.artifact(), other)]);
            }
        }
        *files.lock().unwrap() = archive_of(&versions, day);

        let run = format!(
            "{}\n{}\ncat /var/log/apt/term.log 2>/dev/null || true; rm -f /var/log/apt/term.log",
            on_day(day, "06:00:00", "apt-get -qq update"),
            on_day(day, "06:05:00", "unattended-upgrade"),
        );
        let crashed = crashes.contains(&day);
        if crashed {
            account.crashes += 1;
            let mut child = world
                .command()
                .args(["/bin/sh", "-c", &run])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(300 + u64::try_from(chance.below(4000)).unwrap()));
            // As when the power is cut: nobody is left, not even who was started meanwhile.
            while let [_, ..] = world.processes().as_slice() {
                for pid in world.processes() {
                    let _ =
                        Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
                }
                let _ = child.try_wait();
            }
            let _ = child.wait();
        } else {
            let ran = world.sh(&run);
            if ran.code != Some(0) {
                let state = "cat /etc/apt/preferences.d/apt-quorum /var/lib/apt-quorum/held.json
                     tail -n 60 /var/log/unattended-upgrades/*.log; apt-cache policy $(sed -n 's/.*refused it: \\([^ ]*\\) .*/\\1/p' /root/said)";
                world.write("/root/said", &ran.text);
                let state = world.sh(state).text;
                panic!("day {day} of seed {seed}:\n{}\n{state}", ran.text);
            }
            let text = ran.succeeds().text;
            if text.contains("CONFLICT: ") {
                account.told.insert("the lie");
            }
            if text.contains("held back") {
                account.told.insert("what is held back");
            }
        }
        // The timer of audits, and somebody who looks at the machine, once a week.
        if day % 7 == 0 || day == days {
            let look = |command| format!("{} || true", on_day(day, "07:00:00", command));
            let audit = look("apt-quorum audit --changes");
            let text = world.sh(&format!("{audit}; {}", look("apt-quorum status --online"))).text;
            for (word, what) in
                [("CONFLICT", "the lie"), ("NO RESPONSE", "silence"), ("KEY CHANGED", "a new key")]
            {
                if text.contains(word) {
                    account.told.insert(what);
                }
            }
        }

        let now = installed(world);
        let mut due = BTreeSet::new();
        for (package, version) in &now {
            let offered = versions.iter().filter(|it| it.package.name == *package && it.day <= day);
            let all: Vec<&Version> = offered.collect();
            if before.get(package) != Some(version) {
                let it = all.iter().find(|it| it.package.version == *version).unwrap();
                let by = it.confirmed_by(day);
                assert!(by.len() >= THRESHOLD, "day {day}: {package} {version} by {by:?} of seed {seed}");
                account.installed += 1;
                account.waited[usize::from(it.suite != 2)].push(day - it.day);
            }
            // Confirmed today by those who answer, and still not there.
            let Some(newest) = all.last().filter(|it| it.package.version != *version) else { continue };
            let answers = |it: &&usize| down[**it] == 0 && is_trusted[**it];
            let answering = newest.confirmed_by(day).iter().filter(answers).count();
            if answering >= THRESHOLD && !crashed {
                due.insert(format!("{package} {}", newest.package.version));
            }
        }
        let late: Vec<&String> = due.intersection(&due_yesterday).filter(|it| {
            // One of a pair waits for the other.
            let index: usize = it[2..5].parse().unwrap();
            let partner = name(index ^ 1);
            index >= 20 || due.iter().any(|it| it.starts_with(&partner))
        }).collect();
        assert!(late.is_empty(), "day {day} of seed {seed}: confirmed, and not installed: {late:?}");
        due_yesterday = due;
        before = now;
    }
    finish(world, days, &account, started);
}

/// Looks at what is left, and says what was seen.
fn finish(world: &World, days: usize, account: &Account, started: Instant) {
    let sizes = "du -sk /var/lib/apt-quorum /var/cache/apt-quorum | xargs";
    let sizes = world.sh(sizes).succeeds().text;
    let mut spent = Vec::new();
    for command in ["apt-quorum status", "apt-quorum audit --offline", "apt-get -qq update"] {
        let begun = Instant::now();
        world.sh(&format!("{} || true", on_day(days, "12:00:00", command))).succeeds();
        spent.push(format!("{command} {:.1} s", begun.elapsed().as_secs_f32()));
    }
    let waited = account.waited.each_ref().map(|it| {
        let mut it = it.clone();
        it.sort_unstable();
        let median = it.get(it.len() / 2).copied().unwrap_or_default();
        format!("median {median}, worst {}", it.last().copied().unwrap_or_default())
    });
    world.saw(format!(
        "{days} days in {:.0} s: {} versions installed; days from archive to machine: security {}, others {}; \
         {} crashes; a person acted {} times: {}; told: {:?}; KiB: {}; at the end: {}",
        started.elapsed().as_secs_f32(),
        account.installed,
        waited[0],
        waited[1],
        account.crashes,
        account.acted.len(),
        account.acted.join("; "),
        account.told,
        sizes.trim(),
        spent.join(", ")
    ));
    assert!(account.acted.len() <= 3, "{:?}", account.acted);
    assert!(account.told.contains("what is held back"), "{:?}", account.told);
    assert!(account.told.contains("the lie"), "{:?}", account.told);
}
