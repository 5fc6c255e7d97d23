//! What is said of a package that is installed, or could be, and of whole images.

use std::fs;

use serde_json::json;

use super::commands::Transcript;
use crate::common::apt::with_archive;
use crate::common::image::Publisher;
use crate::common::rebuilder::Rebuilder;
use crate::common::server::{Reply, Server};
use crate::common::{Deb, Key, World};

/// Everything that `explain` can say, if apt works here.
pub fn explained() -> Option<String> {
    let world = World::new();
    let debs: Vec<Deb> =
        ["half", "good", "odd", "late"].iter().map(|it| Deb::new(it, "2.0-1", "all")).collect();
    let [half, good, odd, _] = &debs[..] else { unreachable!() };
    let keys = [Key::new(), Key::new(), Key::new(), Key::new()];
    let mut alpha = Rebuilder::confirming(&keys[0], [half, good]);
    alpha.build(odd, "BAD", None);
    let mut beta = Rebuilder::confirming(&keys[1], [&half.differently_built(), good]);
    beta.build(odd, "UNKWN", None);
    let servers = [alpha.serve(), beta.serve(), Server::start(|_| Reply::status(500))];
    let names = ["alpha", "beta", "gamma", "delta"];
    for ((name, key), server) in names.iter().zip(&keys).zip(&servers) {
        world.rebuilder(name, key, &[server.endpoint()]);
    }
    world.rebuilder("delta", &keys[3], &[servers[2].endpoint()]);
    let path = "etc/rebuilders.d/delta.toml";
    let delta = fs::read_to_string(world.path(path)).unwrap();
    world.write(path, delta + "architectures = [\"s390x\"]\n");
    if !with_archive(
        &world,
        &debs.iter().collect::<Vec<_>>(),
        &["half 2.0-1", "good 2.0-1", "here 1"],
    ) {
        return None;
    }
    let receipt = |deb: &Deb, basis: &str| {
        json!({
            "schema": 1, "time": "2026-01-02T03:04:05Z", "package": deb.name,
            "version": deb.version, "architecture": "all", "sha256": deb.sha256(),
            "decision": "admit", "basis": basis,
        })
    };
    world.make_directory("state");
    world.make_directory("state/receipts");
    let lines = [receipt(half, "warn-mode"), receipt(good, "quorum")];
    let lines: String = lines.iter().map(|it| format!("{it}\n")).collect();
    world.write("state/receipts/hook.jsonl", &lines);
    world.put(odd);
    let policy = |text: &str| {
        world.policy(&format!("{text}\n[network]\nanswer_timeout = 1\ntotal_timeout = 3\n"));
    };
    let rules = "mode = \"enforce\"\nthreshold = 2\n\n\
        [[rule]]\npackage = [\"half\"]\nthreshold = 2\nrebuilders = [\"alpha\", \"beta\"]\nrequire = [\"beta\"]\n\
        conflict = \"refuse\"\nreason = \"see the other bug\"\n\n\
        [[rule]]\npackage = [\"odd\"]\nthreshold = 2\nrebuilders = [\"alpha\", \"beta\", \"delta\"]\n";
    policy(rules);
    let mut it = Transcript { world: &world, text: String::new() };
    it.say(&["explain", "half"]);
    it.say(&["explain", "good"]);
    it.say(&["explain", "here"]);
    it.say(&["explain", "odd"]);
    it.say(&["explain", "late"]);
    it.say(&["explain", "WORLD/files/odd_2.0-1_all.deb"]);
    it.say(&["explain", "WORLD/files/none_1_all.deb"]);
    policy(&rules.replace("conflict = \"refuse\"", "conflict = \"warn\""));
    it.say(&["explain", "half"]);
    policy(&rules.replace("enforce", "warn"));
    it.say(&["explain", "odd"]);
    policy("mode = \"enforce\"\nthreshold = 1\n");
    world.write("state/receipts/hook.jsonl", lines.replace("2.0-1", "1"));
    it.say(&["explain", "good"]);
    it.say(&["explain", "late"]);
    world.exception(
        "[[exception]]\npackage = [\"late\", \"here\"]\nreason = \"it is new\"\nexpires = 2020-01-01\n",
    );
    it.say(&["explain", "late"]);
    drop(servers);
    Some(without_times(&it.text))
}

/// Statements about images: how they are made, and what can be wrong with them.
pub fn images() -> String {
    let publisher = Publisher::new();
    let root = publisher.root();
    let world = &publisher.world;
    world.write("files/disk", "an image");
    world.write("files/other-disk", "another image");
    world.write("files/other.pem", Key::new().pem());
    let mut it = Transcript { world, text: String::new() };
    let attested = publisher.attest(&["--image", "WORLD/none"]);
    it.add("apt-quorum attest --image WORLD/none", &attested);
    let disk = world.path("files/disk").display().to_string();
    let attested = publisher.attest(&["--image", &disk, "--exclude", "/var/log/**"]);
    it.add("apt-quorum attest --image WORLD/files/disk --exclude /var/log/**", &attested);
    let whole = ["verify-image", "WORLD/files/statement.json", "--key", "WORLD/signer.pem"];
    let more = ["--evidence", "WORLD/files/evidence.tar.gz", "--root", "WORLD/root"];
    let agreed = ["--exclude", "/var/log/**"];
    let say = |it: &mut Transcript<'_>, parts: &[&[&str]]| it.say(&parts.concat());
    say(&mut it, &[&whole, &more, &agreed]);
    say(&mut it, &[&whole, &more]);
    say(&mut it, &[&whole, &agreed]);
    say(&mut it, &[&whole, &agreed, &["--manifest", "WORLD/files/manifest"]]);
    say(&mut it, &[&whole, &more, &agreed, &["--image", "WORLD/files/disk"]]);
    say(&mut it, &[&whole, &more[..2], &agreed, &["--image", "WORLD/files/other-disk"]]);
    say(&mut it, &[&whole, &more[..2], &agreed, &["--resource", "https://other.example/"]]);
    say(&mut it, &[&whole, &more[..2], &agreed, &["--verifier", "https://other.example/"]]);
    say(&mut it, &[&whole[..3], &["WORLD/files/other.pem"], &more]);
    say(&mut it, &[&whole[..3], &["WORLD/files/disk"], &more]);
    say(&mut it, &[&whole[..1], &["WORLD/files/disk"], &whole[2..], &more]);
    say(&mut it, &[&whole[..1], &["WORLD/files/none"], &whole[2..], &more]);
    // Another package is installed, and one is not any more.
    let status = root.join("var/lib/dpkg/status");
    let text = fs::read_to_string(&status).unwrap();
    fs::write(&status, text.replace("Package: tool", "Package: tools")).unwrap();
    say(&mut it, &[&whole, &more, &agreed]);
    fs::write(&status, text).unwrap();
    // It says nothing of a file.
    publisher.attest(&[]).assert_code(0);
    say(&mut it, &[&whole, &more, &["--image", "WORLD/files/disk"]]);
    world.policy("mode = 1\n");
    say(&mut it, &[&whole, &more]);
    without_times(&it.text)
}

/// Without the days and times of this run.
fn without_times(text: &str) -> String {
    let mut out = text.to_owned();
    for before in ["kept since ", "statement of "] {
        let mut parts = out.split(before);
        let mut without = parts.next().unwrap().to_owned();
        for part in parts {
            let is_time = |c: char| c.is_ascii_digit() || "-:TZ".contains(c);
            without += &format!("{before}TIME{}", part.trim_start_matches(is_time));
        }
        out = without;
    }
    out
}
