//! `apt-quorum evidence`: what one machine has reaches another.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::common::rebuilder::{Rebuilder, hello};
use crate::common::server::{Reply, Server};
use crate::common::travel::{
    NAMES, cache, command_line, evidence, export, keys, listed, machine, text,
};
use crate::common::{self, Deb, Key, World, is_root, left_out, run, sha256};

#[test]
fn what_was_fetched_travels_to_a_machine_without_a_network() {
    let keys = keys::<2>();
    let servers = keys.each_ref().map(|key| Rebuilder::confirming(key, [&hello()]).serve());
    let connected = machine(&keys, &servers.each_ref().map(Server::endpoint));
    let file = connected.put(&hello());
    let ended = evidence(&connected, "fetch", &["--for", text(&file)]);
    ended.assert_code(0).assert_plain();
    assert_eq!(
        ended.stdout,
        "hello 2.10-3 amd64: signed by 2 rebuilders (alpha, beta).\n\
         asked about 1 package: there is evidence for 1 of them.\n"
    );
    assert_eq!(ended.stderr, "");
    let (bundle, ended) = export(&connected, &[]);
    ended.assert_code(0).assert_plain();
    let wrote = format!("wrote 2 attestations about 1 package to {}.\n", bundle.display());
    assert_eq!(ended.stdout, wrote);
    drop(servers);

    // As an endpoint there,
    let copy = |world: &World| world.write("files/copy.tar.gz", fs::read(&bundle).unwrap());
    let offline = World::new();
    let endpoint = format!("directory file://{}", offline.path("files/copy.tar.gz").display());
    for (name, key) in NAMES.into_iter().zip(&keys) {
        offline.rebuilder(name, key, std::slice::from_ref(&endpoint));
    }
    offline.verify_with(&hello(), &["--offline"]).assert_code(3);
    copy(&offline);
    offline.verify_with(&hello(), &["--offline"]).assert_code(0);

    // by import,
    let offline = machine(&keys, &[]);
    offline.verify_with(&hello(), &["--offline"]).assert_code(1);
    let brought = copy(&offline);
    let ended = evidence(&offline, "import", &[text(&brought)]);
    ended.assert_code(0).assert_plain();
    assert_eq!((&*ended.stdout, &*ended.stderr), ("took 2 attestations.\n", ""));
    offline.verify_with(&hello(), &["--offline"]).assert_code(0);
    let ended = evidence(&offline, "import", &[text(&brought)]);
    ended.assert_code(0);
    assert_eq!(ended.stdout, "took 0 attestations, had 2 already.\n");

    // and unpacked, as a tree.
    let offline = machine(&keys, &[]);
    let brought = copy(&offline);
    offline.make_directory("tree");
    let mut unpack = Command::new("tar");
    unpack.args(["--no-same-owner", "-xzf", text(&brought), "-C"]).arg(offline.path("tree"));
    let status = unpack.status();
    assert!(status.unwrap().success());
    let ended = evidence(&offline, "import", &["--json", text(&offline.path("tree"))]);
    ended.assert_code(0);
    assert_eq!(
        ended.json(),
        json!({"schema": 1, "taken": 2, "known": 0, "rejected": {}, "failed": 0})
    );
    offline.verify_with(&hello(), &["--offline"]).assert_code(0);
    let lists = Command::new("sh")
        .args(["-c", "cd \"$1\"/*.deb && sha256sum --strict --check SHA256SUMS", "sh"])
        .arg(offline.path("tree"))
        .output();
    assert!(lists.unwrap().status.success());
}

/// Attestations about more packages than fit between two places at which reading can begin.
fn stock(keys: &[Key]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for n in 0..400 {
        let deb = Deb::new(&format!("package{n}"), "1:2.0-1+b1", "amd64");
        all.extend(keys.iter().map(|key| (deb.file_name(), deb.link(key))));
    }
    all
}

#[test]
fn the_same_evidence_is_the_same_bundle_wherever_it_is_made() {
    let keys = keys::<2>();
    let all = stock(&keys);
    let (one, other) = (machine(&keys, &[]), machine(&keys, &[]));
    for (artifact, link) in &all {
        cache(&one, artifact, &sha256(link), link);
    }
    // Put there the other way round, under other names, with junk beside it, at another time.
    for (at, (artifact, link)) in all.iter().rev().enumerate() {
        cache(&other, artifact, &format!("{at}"), link);
        cache(&other, artifact, &format!("{at}-again"), link);
    }
    cache(&other, &all[0].0, "junk", b"}{");
    cache(&other, "stranger_1_all.deb", "a", &Deb::new("stranger", "1", "all").link(&Key::new()));
    cache(&other, "not-a-package", "a", b"x");
    let (bundle, ended) = export(&one, &[]);
    ended.assert_code(0);
    let path = other.path("files/out.tar.gz");
    let mut command = Command::new("/bin/sh");
    let line = "umask 077; exec \"$0\" evidence export --json --config \"$1\" --output \"$2\"";
    command.args(["-c", line, env!("CARGO_BIN_EXE_apt-quorum")]).arg(other.path("etc")).arg(&path);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("APT_CONFIG", other.path("apt.conf"));
    command
        .env("TZ", "Pacific/Kiritimati")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("SOURCE_DATE_EPOCH", "9");
    let ended = run(&mut command);
    ended.assert_code(0);
    let told = ended.json();
    assert_eq!((&told["packages"], &told["attestations"]), (&json!(400), &json!(800)));
    assert_eq!(told["rejected"], json!({"not-json": 1, "unknown-key": 1}));
    let (one, other) = (fs::read(&bundle).unwrap(), fs::read(&path).unwrap());
    assert!(one == other, "{} and {} bytes", one.len(), other.len());
    // Sorted, and nothing of this machine in it.
    let names = listed(&bundle);
    assert_eq!(names.len(), 1200);
    let artifact = |path: &str| path.split_once('/').unwrap().0.to_owned();
    assert!(names.windows(2).all(|it| artifact(&it[0]) <= artifact(&it[1])));
    let details =
        Command::new("tar").args(["--full-time", "--numeric-owner", "-tvzf"]).arg(&bundle).output();
    let details = String::from_utf8(details.unwrap().stdout).unwrap();
    assert!(
        details.lines().all(|it| it.starts_with("-rw-r--r-- 0/0 ") && it.contains(" 1970-01-01 ")),
        "{details}"
    );
    assert!(Command::new("gzip").arg("-t").arg(&bundle).status().unwrap().success());
}

#[test]
fn every_attestation_of_a_large_bundle_is_found() {
    let keys = keys::<2>();
    let sender = machine(&keys, &[]);
    for (artifact, link) in stock(&keys) {
        cache(&sender, &artifact, &sha256(&link), &link);
    }
    let (bundle, _) = export(&sender, &[]);
    let receiver = machine(&keys, &[]);
    let files: Vec<PathBuf> = (0..400)
        .step_by(13)
        .map(|n| receiver.put(&Deb::new(&format!("package{n}"), "1:2.0-1+b1", "amd64")))
        .collect();
    let options = ["--offline", "--evidence", text(&bundle)];
    run(receiver.verify_command(&options).args(files)).assert_code(0);
}

#[test]
fn only_what_was_asked_for_is_exported() {
    let keys = keys::<1>();
    let world = machine(&keys, &[]);
    let debs = [("hello", "2.10-3"), ("hello", "1:2.10-4"), ("hellox", "2.10-3")]
        .map(|(name, version)| Deb::new(name, version, "amd64"));
    for deb in &debs {
        cache(&world, &deb.file_name(), "a", &deb.link(&keys[0]));
    }
    let file = world.put(&debs[1]);
    for (arguments, expected) in [
        (
            &[][..],
            &["hello_2.10-3_amd64.deb", "hello_2.10-4_amd64.deb", "hellox_2.10-3_amd64.deb"][..],
        ),
        (&["hello"], &["hello_2.10-3_amd64.deb", "hello_2.10-4_amd64.deb"]),
        (&["hello=2.10-3"], &["hello_2.10-3_amd64.deb"]),
        (&["hello=1:2.10-4", "hellox"], &["hello_2.10-4_amd64.deb", "hellox_2.10-3_amd64.deb"]),
        (&[text(&file)], &["hello_2.10-4_amd64.deb"]),
    ] {
        let (bundle, ended) = export(&world, arguments);
        ended.assert_code(0);
        let names = listed(&bundle);
        let found: Vec<&str> =
            names.iter().filter_map(|it| it.strip_suffix("/SHA256SUMS")).collect();
        assert_eq!(found, expected, "{arguments:?}");
    }
    let (bundle, ended) = export(&world, &["hello=2.10-3", "nothing"]);
    ended.assert_code(1);
    assert!(
        ended.stdout.ends_with("  no attestation on this machine about nothing.\n"),
        "{ended:?}"
    );
    assert!(bundle.exists());
    let (bundle, ended) = export(&world, &["nothing"]);
    ended.assert_code(1);
    assert!(!bundle.exists());
    assert_eq!(fs::read_dir(world.path("files")).unwrap().count(), 1, "nothing half-written");
    for bad in
        ["h@llo", "hello=", "hello=1/2", "./nowhere.deb", text(&world.path("etc/policy.toml"))]
    {
        let (bundle, ended) = export(&world, &[bad]);
        ended.assert_code(2).assert_plain();
        assert!(!bundle.exists(), "{bad}");
    }
}

#[test]
fn outputs_are_called_what_they_are() {
    let keys = keys::<1>();
    let world = machine(&keys, &[]);
    cache(&world, &hello().file_name(), "a", &hello().link(&keys[0]));
    let to = |name: &str| {
        evidence(&world, "export", &["--output", &format!("{}/{name}", text(&world.path("files")))])
    };
    to("tree/").assert_code(0);
    let inside = world.path("files/tree").join(hello().file_name());
    assert_eq!(fs::read_dir(inside).unwrap().count(), 2);
    for (bad, code) in [("x.tar", 2), ("x", 2), ("x.tar.xz", 2), ("no/x.tar.gz", 1), ("tree", 2)] {
        let ended = to(bad);
        ended.assert_code(code).assert_plain();
        assert!(ended.stderr.starts_with("apt-quorum: "), "{ended:?}");
    }
    // Where nothing was said, in the directory where one is.
    let ended = run(command_line(&world, "export").current_dir(world.path("files")));
    ended.assert_code(0);
    assert!(world.path("files/evidence.tar.gz").exists());
}

#[test]
fn what_receipts_rest_on_is_exported_after_the_cache_was_deleted() {
    let keys = keys::<1>();
    let world = machine(&keys, &[]);
    let link = hello().link(&keys[0]);
    let stranger = hello().link(&Key::new());
    for directory in ["state", "state/receipts", "state/evidence", "state/evidence/method"] {
        world.make_directory(directory);
    }
    let receipt = |bytes: &[u8]| {
        format!(
            "{{\"package\":\"hello\",\"version\":\"2.10-3\",\"architecture\":\"amd64\",\"claims\":[{{\"attestation\":\"{}\"}}]}}\n",
            sha256(bytes)
        )
    };
    world.write("state/receipts/hook.jsonl", receipt(&link) + &receipt(b"not there"));
    world.write("state/receipts/method.jsonl", receipt(&stranger) + "{\"cut");
    world.write(&format!("state/evidence/{}", sha256(&link)), &link);
    world.write(&format!("state/evidence/method/{}", sha256(&stranger)), &stranger);
    let (bundle, ended) = export(&world, &[]);
    ended.assert_code(0);
    assert_eq!(listed(&bundle).len(), 2);
    assert!(ended.stdout.contains("left out: 1 unknown-key."), "{ended:?}");
}

#[test]
fn one_rebuilder_who_signs_a_great_many_does_not_crowd_the_others_out() {
    let keys = keys::<3>();
    let world = machine(&keys, &[]);
    let name = hello().file_name();
    for n in 0..100 {
        let link = keys[0].link(&name, &sha256(&[n]));
        cache(&world, &name, &format!("0{n}"), &link);
    }
    cache(&world, &name, "1", &hello().link(&keys[1]));
    cache(&world, &name, "2", &hello().link(&keys[2]));
    let (bundle, ended) = export(&world, &["--json"]);
    assert_eq!(ended.json()["attestations"], 16);
    let receiver = machine(&keys, &[]);
    let options = ["--offline", "--evidence", text(&bundle)];
    let (decision, _) = receiver.decision(&hello(), &options);
    let kind = |name: &str| decision["rebuilders"][name]["kind"].clone();
    assert_eq!(
        [kind("alpha"), kind("beta"), kind("gamma")],
        ["signed-another", "confirms", "confirms"]
    );
}

#[test]
fn a_rebuilder_who_floods_a_bundle_costs_no_other_its_vote() {
    let keys = keys::<3>();
    let name = hello().file_name();
    let mut flood: Vec<Vec<u8>> = (0..200).map(|n| keys[0].link(&name, &sha256(&[n]))).collect();
    flood.extend(keys[1..].iter().map(|key| hello().link(key)));
    let sender = World::new();
    sender.make_directory("tree");
    sender.make_directory(&format!("tree/{name}"));
    for (at, link) in flood.iter().enumerate() {
        sender.write(&format!("tree/{name}/{at:03}"), link);
    }
    let receiver = machine(&keys, &[]);
    receiver.policy("mode = \"enforce\"\nthreshold = 2\n");
    // Whoever floods goes on doing it.
    for _ in 0..2 {
        evidence(&receiver, "import", &[text(&sender.path("tree"))]).assert_code(0);
        receiver.verify_with(&hello(), &["--offline"]).assert_code(0);
        let kept = fs::read_dir(receiver.path(&format!("cache/attestations/{name}"))).unwrap();
        assert_eq!(kept.count(), 4 + 1 + 1, "a share, and what the others have");
    }
}

#[test]
fn what_is_brought_for_other_rebuilders_is_no_failure() {
    let keys = keys::<2>();
    let sender = machine(&keys, &[]);
    for key in &keys {
        cache(&sender, &hello().file_name(), &key.id(), &hello().link(key));
    }
    let (bundle, _) = export(&sender, &[]);
    let receiver = machine(&keys[..1], &[]);
    let ended = evidence(&receiver, "import", &[text(&bundle)]);
    ended.assert_code(0);
    assert_eq!(ended.stdout, "took 1 attestation.\n  not taken: 1 unknown-key.\n");
    let receiver = machine(&self::keys::<1>(), &[]);
    evidence(&receiver, "import", &[text(&bundle)]).assert_code(1);
    assert!(!receiver.path("cache/attestations").exists());
    for (bad, code) in [("nowhere", 2), ("pipe", 1), ("empty", 1)] {
        let path = receiver.path(bad);
        match bad {
            "pipe" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            "empty" => receiver.make_directory("empty"),
            _ => {}
        }
        evidence(&receiver, "import", &[text(&path)]).assert_code(code).assert_plain();
    }
}

#[test]
fn without_a_usable_configuration_nothing_is_exported_imported_or_asked() {
    let keys = keys::<1>();
    let server = Server::start(|_| Reply::status(500));
    let world = machine(&keys, &[server.endpoint()]);
    cache(&world, &hello().file_name(), "a", &hello().link(&keys[0]));
    let (bundle, _) = export(&world, &[]);
    let file = world.put(&hello());
    world.policy("mode = \"enforce\"\nthreshold = 9\n");
    let out = world.path("files/new.tar.gz");
    for (command, arguments) in [
        ("export", vec!["--output", text(&out)]),
        ("import", vec![text(&bundle)]),
        ("fetch", vec!["--for", text(&file), "--output", text(&out)]),
    ] {
        let ended = evidence(&world, command, &arguments);
        ended.assert_code(2).assert_plain();
        assert_eq!(ended.stdout, "", "{command}");
        assert!(!out.exists(), "{command}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn as_root_what_is_brought_is_read_and_kept_by_an_unprivileged_user() {
    if !is_root() {
        return left_out("whose files are imported ones can be seen only by root");
    }
    use std::os::unix::fs::MetadataExt;

    let keys = keys::<1>();
    let sender = machine(&keys, &[]);
    cache(&sender, &hello().file_name(), "a", &hello().link(&keys[0]));
    let (bundle, _) = export(&sender, &[]);
    // Only root can open it.
    common::set_mode(&bundle, 0o600);
    let receiver = machine(&keys, &[]);
    // As the package leaves it: root's, and nothing in it.
    nix::unistd::chown(&receiver.path("cache"), Some(0.into()), None).unwrap();
    evidence(&receiver, "import", &[text(&bundle)]).assert_code(0);
    let user = nix::unistd::User::from_name("_apt").unwrap().unwrap();
    let directory = receiver.path("cache/attestations").join(hello().file_name());
    for path in
        [directory.clone(), fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path()]
    {
        assert_eq!(path.metadata().unwrap().uid(), user.uid.as_raw(), "{}", path.display());
    }
    assert_eq!(receiver.path("cache").metadata().unwrap().uid(), 0);
}

const WHO: &str = "https://rebuilder.example/";

/// A statement of this kind by [`WHO`] about one subject, and what takes it.
fn statement(kind: &str, name: &str, sha256: &str) -> (String, String) {
    let party = json!({"id": WHO});
    let built = |build: serde_json::Value| json!({"buildDefinition": build, "runDetails": {"builder": party}});
    let (kind_of_predicate, predicate) = match kind {
        "link" => ("https://in-toto.io/attestation/link/v0.3", json!({"name": "rebuild"})),
        "slsa-provenance" => {
            ("https://slsa.dev/provenance/v1", built(json!({"buildType": "https://b.example/v1"})))
        }
        "oss-rebuild" => {
            let compared = [json!({"name": "rebuild/x", "digest": {"sha256": sha256}})];
            let equal = "https://docs.oss-rebuild.dev/builds/ArtifactEquivalence@v0.1";
            let build = json!({"buildType": equal, "resolvedDependencies": compared});
            ("https://slsa.dev/provenance/v1", built(build))
        }
        "svr" => (
            "https://in-toto.io/attestation/svr/v0.1",
            json!({"verifier": party, "timeCreated": today(), "properties": ["REBUILT"]}),
        ),
        "vsa" => (
            "https://slsa.dev/verification_summary/v1",
            json!({"verifier": party, "timeVerified": today(), "verifiedLevels": ["REBUILT"],
                   "verificationResult": "PASSED"}),
        ),
        other => panic!("{other}"),
    };
    let said = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": kind_of_predicate,
        "predicate": predicate,
    });
    let whose = match kind {
        "link" => String::new(),
        "slsa-provenance" | "oss-rebuild" => format!("builder = \"{WHO}\"\n"),
        _ => format!("verifier = \"{WHO}\"\nproperty = [\"REBUILT\"]\nmax_age_days = 30\n"),
    };
    (said.to_string(), format!("\n[[statement]]\ntype = \"{kind}\"\n{whose}"))
}

fn today() -> String {
    let now = std::time::SystemTime::now();
    apt_quorum::types::Timestamp::from(now).to_string()
}

/// A machine that goes by alpha alone, of whom it takes these statements.
fn taking(key: &Key, statements: &str, tree: bool) -> World {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let endpoint = format!("directory file://{}/", world.path("files/tree").display());
    world.rebuilder("alpha", key, &if tree { vec![endpoint] } else { Vec::new() });
    let file = world.path("etc/rebuilders.d/alpha.toml");
    let text = fs::read_to_string(&file).unwrap() + statements;
    world.write("etc/rebuilders.d/alpha.toml", text);
    world
}

/// Exit code, and whether another file under this name is told of.
fn judged(world: &World) -> (Option<i32>, bool) {
    let ended = world.verify_with(&hello(), &["--offline"]);
    (ended.code, ended.stdout.contains("signed a different file under this name"))
}

/// What counts online counts in the cache, in bundles and where they are imported, and so does what
/// contradicts: every kind of statement, with a name and without.
#[test]
fn every_kind_of_statement_travels_with_a_name_or_without() {
    let (own, other) = (hello().sha256(), hello().differently_built().sha256());
    let name = hello().file_name();
    let confirmed = (Some(0), false);
    let contradicted = (Some(1), true);
    let mut rows = Vec::new();
    for kind in ["link", "slsa-provenance", "oss-rebuild", "svr", "vsa"] {
        for (name, sha256, expected) in [
            (&*name, &own, confirmed),
            (&*name, &other, contradicted),
            ("_", &own, confirmed),
            ("", &own, confirmed),
        ] {
            let key = Key::new();
            let (said, taken) = statement(kind, name, sha256);
            let told = format!("{kind} {name:?} {}", expected.1);
            rows.push((told, key.dsse(&said), key, taken, expected));
        }
    }
    // And every form in which something may come.
    for (sha256, expected) in [(&own, confirmed), (&other, contradicted)] {
        let key = Key::new();
        let made = key.link(&name, sha256);
        rows.push(("Metablock".to_owned(), made, key, String::new(), expected));
        let key = Key::new();
        let link =
            json!({"_type": "link", "name": "rebuild", "products": {&name: {"sha256": sha256}}});
        let made = key.dsse(&link.to_string());
        rows.push(("in-toto's DSSE".to_owned(), made.clone(), key, String::new(), expected));
        let key = Key::new();
        let envelope = String::from_utf8(key.dsse(&link.to_string())).unwrap();
        let stranger = String::from_utf8(made).unwrap();
        let lines = format!("{}\n{}\n", stranger.trim(), envelope.trim());
        rows.push(("lines".to_owned(), lines.into_bytes(), key, String::new(), expected));
        let key = Key::new();
        let envelope = String::from_utf8(key.dsse(&link.to_string())).unwrap();
        let bundle = format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"x"}}}},"dsseEnvelope":{envelope}}}"#
        );
        rows.push(("Sigstore".to_owned(), bundle.into_bytes(), key, String::new(), expected));
    }
    for (told, bytes, key, taken, expected) in rows {
        // At an endpoint, from which it comes into the cache.
        let first = taking(&key, &taken, true);
        first.make_directory("files/tree");
        first.make_directory(&format!("files/tree/{name}"));
        first.write(&format!("files/tree/{name}/attestation"), &bytes);
        assert_eq!(judged(&first), expected, "{told}, at an endpoint");
        fs::remove_dir_all(first.path("files/tree")).unwrap();
        cache(&first, &name, &sha256(&bytes), &bytes);
        let cached = taking(&key, &taken, false);
        cache(&cached, &name, &sha256(&bytes), &bytes);
        assert_eq!(judged(&cached), expected, "{told}, in the cache");
        // In a bundle, and where that is imported.
        let (bundle, ended) = export(&cached, &[]);
        assert_eq!(ended.code, Some(0), "{told}, exported: {ended:?}");
        let last = taking(&key, &taken, false);
        let brought = last.write("files/brought.tar.gz", fs::read(bundle).unwrap());
        let ended = evidence(&last, "import", &[text(&brought)]);
        assert_eq!(ended.stdout, "took 1 attestation.\n", "{told}: {ended:?}");
        assert_eq!(judged(&last), expected, "{told}, imported");
        // Where links alone count, links alone count.
        if !taken.is_empty() && !told.starts_with("link") {
            let not_taken = taking(&key, "", false);
            cache(&not_taken, &name, &sha256(&bytes), &bytes);
            assert_eq!(judged(&not_taken), (Some(1), false), "{told}, not taken");
        }
    }
}

/// A web server with a tree in which these attestations about the package are.
fn published(all: Vec<Vec<u8>>) -> Server {
    let name = hello().file_name();
    let line = |(at, bytes): (usize, &Vec<u8>)| format!("{}  {at}\n", sha256(bytes));
    let list: String = all.iter().enumerate().map(line).collect();
    Server::start(move |target| {
        let file = target.strip_prefix(&format!("/{name}/")).unwrap_or_default();
        match file.parse::<usize>().ok().and_then(|at| all.get(at)) {
            Some(bytes) => Reply::json(bytes.clone()),
            None if file == "SHA256SUMS" => Reply::json(list.clone()),
            None => Reply::status(404),
        }
    })
}

/// Where nobody told the SHA-256 of the file that is asked about, what a pinned key signed about it is
/// found and kept, with its name and without.
#[test]
fn what_is_signed_about_a_package_that_no_index_lists_is_found_and_kept() {
    let name = hello().file_name();
    for kind in ["link", "slsa-provenance", "oss-rebuild", "svr", "vsa"] {
        for subject in [&*name, "_", ""] {
            let key = Key::new();
            let (said, taken) = statement(kind, subject, &hello().sha256());
            let server = published(vec![key.dsse(&said)]);
            let endpoint =
                format!("\n[[endpoint]]\nprotocol = \"directory\"\nurl = \"{}\"\n", server.url());
            let world = taking(&key, &(taken + &endpoint), false);
            let list = world.write("list", "hello 2.10-3 amd64\n");
            let ended = evidence(&world, "fetch", &["--packages", text(&list)]);
            let said = "hello 2.10-3 amd64: signed by 1 rebuilder (alpha).\n";
            assert!(ended.stdout.starts_with(said), "{kind} {subject:?}: {ended:?}");
            drop(server);
            assert_eq!(judged(&world), (Some(0), false), "{kind} {subject:?}");
        }
    }
}

/// What is fetched is kept in the share of whoever signed it and gave it: first of all what is about the
/// very file, and of what is said twice the newer.
#[test]
fn what_is_fetched_is_kept_in_the_share_of_whoever_signed_it() {
    let keys = keys::<2>();
    let name = hello().file_name();
    let other = |n: u8| keys[0].link(&name, &sha256(&[n]));
    let flood = (0..6).map(other).chain([hello().link(&keys[0])]).chain((6..12).map(other));
    let server = published([vec![hello().link(&keys[1])], flood.collect()].concat());
    let world = machine(&keys, &[format!("directory {}", server.url())]);
    // Of beta nothing is asked, and its word is at alpha's place.
    world.verify(&hello()).assert_code(0);
    drop(server);
    world.verify_with(&hello(), &["--offline"]).assert_code(0);
    let kept = || -> Vec<String> {
        let kept = fs::read_dir(world.path(&format!("cache/attestations/{name}"))).unwrap();
        kept.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    };
    let of = |end: &str| kept().iter().filter(|it| it.ends_with(end)).count();
    // What alpha's place gives of beta's is not out of beta's share.
    assert_eq!((of(".alpha"), of(".beta~alpha"), kept().len()), (4, 1, 5));

    let key = Key::new();
    let (newer, taken) = statement("svr", &name, &hello().sha256());
    let mut older: serde_json::Value = serde_json::from_str(&newer).unwrap();
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(24 * 60 * 60);
    let yesterday = apt_quorum::types::Timestamp::from(yesterday);
    older["predicate"]["timeCreated"] = json!(yesterday.to_string());
    let both = [older.to_string(), newer].map(|said| key.dsse(&said));
    let server = published(both.to_vec());
    let endpoint =
        format!("\n[[endpoint]]\nprotocol = \"directory\"\nurl = \"{}\"\n", server.url());
    let world = taking(&key, &(taken + &endpoint), false);
    world.verify(&hello()).assert_code(0);
    let path = world.path(&format!("cache/attestations/{name}/{}.alpha", sha256(&both[1])));
    assert!(path.exists());
}
