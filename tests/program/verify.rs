//! `apt-quorum verify` from end to end: real processes, real files, rebuilders on loopback.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::rebuilder::{Rebuilder, alone, confirming, hello, ignorant, rebuilders};
use crate::common::server::{Reply, Server};
use crate::common::{self, Deb, Key, World, finish, run};

fn standing(decision: &Value, rebuilder: &str) -> String {
    decision["rebuilders"][rebuilder]["kind"].as_str().unwrap_or_default().to_owned()
}

// --- what a judgement comes to

#[test]
fn a_package_that_enough_rebuilders_confirm_is_admitted() {
    let world = World::new();
    let servers = rebuilders(&world, vec![confirming(&[&hello()]), confirming(&[&hello()])]);
    let ended = world.verify(&hello());
    ended.assert_code(0).assert_plain();
    assert_eq!(
        ended.stdout,
        "confirmed: hello 2.10-3 amd64 [alpha: confirmed; beta: confirmed].\n"
    );
    assert_eq!(ended.stderr, "");
    assert!(servers.iter().all(|server| server.connections() == 1));
}

#[test]
fn the_json_of_an_admission_has_what_is_documented() {
    let world = World::new();
    let (alpha, beta) = (Key::new(), Key::new());
    let (alpha_id, beta_id) = (alpha.id(), beta.id());
    let link = hello().link(&alpha);
    let _servers = [(alpha, "alpha"), (beta, "beta")].map(|(key, name)| {
        let server = Rebuilder::confirming(&key, [&hello()]).serve();
        world.rebuilder(name, &key, &[server.endpoint()]);
        server
    });
    let path = world.put(&hello());
    let ended = run(world.verify_command(&["--json"]).arg(&path));
    ended.assert_code(0).assert_plain();
    let json = ended.json();
    assert_eq!(json["schema"], 1);
    let decision = &json["decisions"][0];
    for (member, expected) in [
        ("schema", json!(1)),
        ("entrance", json!("verify")),
        ("path", json!(path.to_str().unwrap())),
        ("decision", json!("admit")),
        ("basis", json!("quorum")),
        ("package", json!("hello")),
        ("version", json!("2.10-3")),
        ("architecture", json!("amd64")),
        ("source", json!("hello 2.10-3")),
        ("sha256", json!(hello().sha256())),
        ("size", json!(hello().bytes.len())),
        ("threshold", json!(2)),
        ("debt", json!(false)),
        ("rebuilders", json!({"alpha": {"kind": "confirms"}, "beta": {"kind": "confirms"}})),
    ] {
        assert_eq!(decision[member], expected, "{member}");
    }
    for absent in ["reason", "exception", "conflicts", "rule", "groups", "notes", "listings"] {
        assert!(decision.get(absent).is_none(), "{absent}: {decision}");
    }
    let time = decision["time"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(decision["policy"].as_str().map(str::len), Some(64));
    let claims = decision["claims"].as_array().unwrap();
    let claim = |at: usize, member: &str| claims[at][member].as_str().unwrap().to_owned();
    assert_eq!((claim(0, "rebuilder"), claim(0, "key")), ("alpha".to_owned(), alpha_id));
    assert_eq!((claim(1, "rebuilder"), claim(1, "key")), ("beta".to_owned(), beta_id));
    assert_eq!(claim(0, "sha256"), hello().sha256());
    assert_eq!(claim(0, "attestation"), common::sha256(&link));
}

#[test]
fn a_package_that_too_few_confirm_is_refused() {
    let world = World::new();
    let _servers = rebuilders(&world, vec![confirming(&[&hello()]), ignorant()]);
    let ended = world.verify(&hello());
    ended.assert_code(1).assert_plain();
    assert!(ended.stdout.starts_with("refused: hello 2.10-3 amd64: "), "{ended:?}");
    assert!(ended.stdout.contains("[alpha: confirmed; beta: has no result for it]"), "{ended:?}");

    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["decision"], "refuse");
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    assert_eq!(decision["rebuilders"]["beta"], json!({"kind": "unknown"}));
    assert_eq!(decision["debt"], false);
    assert!(decision.get("basis").is_none());
}

#[test]
fn a_refusal_names_the_group_from_which_a_confirmation_is_missing() {
    let world = World::new();
    let all = vec![confirming(&[&hello()]), confirming(&[&hello()]), ignorant()];
    let _servers = rebuilders(&world, all);
    let groups = "groups = { eu = 1, us = 1 }\n\
        [[group]]\nname = \"eu\"\nrebuilders = [\"alpha\", \"beta\"]\n\
        [[group]]\nname = \"us\"\nrebuilders = [\"gamma\"]\n";
    world.policy(&format!("mode = \"enforce\"\nthreshold = 2\n{groups}"));
    let ended = world.verify(&hello());
    ended.assert_code(1).assert_plain();
    assert!(
        ended.stdout.starts_with(
            "refused: hello 2.10-3 amd64: 2 of 2 required confirmations, but 1 of 1 confirmation \
             from group us is missing ["
        ),
        "{ended:?}"
    );
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    let counts = |threshold, confirmed| json!({"threshold": threshold, "confirmed": confirmed});
    assert_eq!(decision["groups"], json!({"eu": counts(1, 2), "us": counts(1, 0)}));

    // By a rule without them it passes.
    world.policy(&format!(
        "mode = \"enforce\"\nthreshold = 2\n{groups}\
         [[rule]]\npackage = [\"hello\"]\ngroups = {{}}\n"
    ));
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(0);
    assert!(decision.get("groups").is_none());
}

#[test]
fn what_rebuilders_say_without_signing_it_is_shown_and_does_not_count() {
    let world = World::new();
    let all: Vec<_> = [("BAD", "bad"), ("GOOD", "good"), ("UNKWN", "not-built")]
        .into_iter()
        .map(|(status, shown)| {
            let mut rebuilder = Rebuilder::default();
            rebuilder.build(&hello(), status, None);
            (shown, rebuilder)
        })
        .collect();
    let shown: Vec<&str> = all.iter().map(|(shown, _)| *shown).collect();
    let servers =
        rebuilders(&world, all.into_iter().map(|(_, rebuilder)| (Key::new(), rebuilder)).collect());
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    for (name, status) in ["alpha", "beta", "gamma"].into_iter().zip(shown) {
        let says = &decision["rebuilders"][name];
        assert_eq!((&says["kind"], &says["status"]), (&json!("says"), &json!(status)), "{name}");
    }
    let more = format!("{}api/v1/builds/1/artifacts/1001/diffoscope", servers[0].url());
    assert_eq!(decision["rebuilders"]["alpha"]["more"], more);
    let text = world.verify(&hello()).stdout;
    assert!(text.contains(&format!("alpha: rebuilt it; the result differs, see {more}")));
    assert!(text.contains("beta: says reproduced, but signed nothing"), "{text}");
    assert!(text.contains("gamma: not built yet"), "{text}");
}

#[test]
fn a_package_about_which_nobody_can_be_asked_could_not_be_found_out() {
    let world = World::new();
    let gone = {
        let mut servers =
            rebuilders(&world, vec![confirming(&[&hello()]), confirming(&[&hello()])]);
        servers.pop().unwrap().url()
    };
    let ended = world.verify(&hello());
    ended.assert_code(3).assert_plain();
    assert!(ended.stdout.contains("undetermined: "), "{ended:?}");
    assert!(ended.stdout.contains("beta: unreachable: "), "{ended:?} {gone}");
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(3);
    assert_eq!(decision["reason"]["code"], "could-not-find-out");
    assert_eq!(standing(&decision, "beta"), "unreachable");
}

#[test]
fn of_several_files_each_is_judged_and_the_exit_code_is_that_of_the_worst() {
    let world = World::new();
    let [confirmed, unknown, half] =
        ["confirmed", "unknown", "half"].map(|name| Deb::new(name, "1.0", "all"));
    let servers = rebuilders(
        &world,
        vec![
            confirming(&[&confirmed, &half]),
            confirming(&[&confirmed]),
            confirming(&[&confirmed]),
        ],
    );
    let [confirmed, unknown, half] = [&confirmed, &unknown, &half].map(|deb| world.put(deb));
    let broken = world.write("files/broken.deb", "not a package");
    let missing = world.path("files/missing.deb");
    let verify = |files: &[&PathBuf]| run(world.verify_command(&[]).args(files));

    verify(&[&confirmed]).assert_code(0);
    verify(&[&confirmed, &confirmed]).assert_code(0);
    let ended = verify(&[&unknown, &confirmed, &broken, &missing]);
    ended.assert_code(1).assert_plain();
    let beginnings =
        ["refused: unknown 1.0 all", "confirmed: confirmed 1.0 all", "refused: ", "refused: "];
    for (line, beginning) in ended.stdout.lines().zip(beginnings) {
        assert!(line.starts_with(beginning), "{ended:?}");
    }
    assert!(ended.stdout.contains("broken.deb: not a Debian package"), "{ended:?}");
    assert!(ended.stdout.contains("missing.deb: cannot be read"), "{ended:?}");
    drop(servers);

    // Nobody can be asked any more. What is cached still counts.
    verify(&[&confirmed]).assert_code(0);
    verify(&[&confirmed, &half]).assert_code(3);
    verify(&[&half, &broken]).assert_code(1);
}

#[test]
fn the_command_line_is_wrong_with_2() {
    let world = World::new();
    for arguments in [
        vec!["verify"],
        vec!["verify", "--no-such-option", "/x.deb"],
        vec!["no-such-command"],
        vec!["config"],
        vec![],
    ] {
        let ended = run(world.command().args(&arguments));
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains("Usage:"), "{arguments:?}: {ended:?}");
    }
    run(world.command().arg("--version")).assert_code(0);
    run(world.command().arg("--help")).assert_code(0);
}

#[test]
fn an_exception_admits_for_a_reason_until_its_day_and_is_debt() {
    let world = World::new();
    let _servers = rebuilders(&world, vec![ignorant(), ignorant()]);
    let by_bytes = format!("sha256 = [\"{}\"]", hello().sha256());
    let exception = |condition: &str, expires: &str| {
        world.exception(&format!(
            "[[exception]]\n{condition}\nreason = \"looked at by hand\"\nexpires = {expires}\n"
        ));
    };
    exception(&by_bytes, "2999-12-31");
    let ended = world.verify(&hello());
    ended.assert_code(0);
    let beginning = "exception: hello 2.10-3 amd64: looked at by hand (until and including 2999-12-31, test.toml line 1)";
    assert!(ended.stdout.starts_with(beginning), "{ended:?}");
    let (decision, _) = world.decision(&hello(), &[]);
    assert_eq!(decision["basis"], "exception");
    assert_eq!(decision["debt"], true);
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    assert_eq!(
        decision["exception"],
        json!({"place": "test.toml line 1", "reason": "looked at by hand",
               "expires": "3000-01-01T00:00:00Z"})
    );
    // Other bytes of the same name are another file.
    world.verify(&hello().differently_built()).assert_code(1);

    exception(&by_bytes, "2020-01-01");
    let ended = world.verify(&hello());
    ended.assert_code(1);
    let why = "the exception in test.toml line 1 expired after 2020-01-01";
    assert!(ended.stdout.contains(why), "{ended:?}");

    // By name it holds only for what an index of apt lists under that name.
    exception("package = [\"hello\"]", "2999-12-31");
    world.verify(&hello()).assert_code(1);
    let archive = "deb.debian.org_debian_dists_trixie_";
    let release = "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\n";
    world.write(&format!("lists/{archive}Release"), release);
    world.write(&format!("lists/{archive}Release.gpg"), "apt checked it");
    let packages = format!(
        "Package: hello\nVersion: 2.10-3\nArchitecture: amd64\nSHA256: {}\n\n",
        hello().sha256()
    );
    world.write(&format!("lists/{archive}main_binary-amd64_Packages"), packages);
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(0);
    assert_eq!(decision["basis"], "exception");
    assert_eq!(decision["listings"][0]["codename"], "trixie");
    assert_eq!(decision["listings"][0]["site"], "deb.debian.org");
    world.verify(&hello().differently_built()).assert_code(1);
}

#[test]
fn in_warn_mode_everything_passes_with_a_warning_and_is_debt() {
    let world = World::new();
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    let _servers = rebuilders(&world, vec![confirming(&[&hello()]), ignorant()]);
    let ended = world.verify(&hello());
    ended.assert_code(0);
    assert!(ended.stdout.starts_with("warning: hello 2.10-3 amd64: "), "{ended:?}");
    let (decision, _) = world.decision(&hello(), &[]);
    assert_eq!((&decision["decision"], &decision["basis"]), (&json!("admit"), &json!("warn-mode")));
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    assert_eq!(decision["debt"], true);
}

#[test]
fn a_machine_as_installed_lets_everything_pass_and_says_so() {
    let world = World::new();
    world.policy("mode = \"warn\"\n");
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(0);
    assert_eq!(decision["basis"], "warn-mode");
    assert_eq!(decision["reason"]["code"], "no-rebuilders");
}

#[test]
fn a_conflict_is_shown_although_the_threshold_decides() {
    let world = World::new();
    let (key, mut other) = ignorant();
    let signed = hello().differently_built();
    other.build(&hello(), "GOOD", Some(signed.link(&key)));
    let _servers =
        rebuilders(&world, vec![confirming(&[&hello()]), (key, other), confirming(&[&hello()])]);
    let ended = world.verify(&hello());
    ended.assert_code(0);
    let alarm = format!(
        "  CONFLICT: hello 2.10-3 amd64: beta signed a different file under this name (sha256 {}).\n",
        signed.sha256()
    );
    assert!(ended.stdout.ends_with(&alarm), "{ended:?}");
    let (decision, _) = world.decision(&hello(), &[]);
    assert_eq!(decision["basis"], "quorum");
    assert_eq!(decision["conflicts"][0]["rebuilder"], "beta");
    assert_eq!(decision["conflicts"][0]["sha256"], signed.sha256());
    assert_eq!(standing(&decision, "beta"), "signed-another");

    world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["reason"]["code"], "conflict");
}

#[test]
fn two_endpoints_of_one_rebuilder_are_one_vote() {
    let world = World::new();
    let key = Key::new();
    let [one, other] = [(); 2].map(|()| Rebuilder::confirming(&key, [&hello()]).serve());
    let twice = [one.endpoint(), other.endpoint(), one.endpoint()];
    world.rebuilder("alpha", &key, &twice);
    let _beta = {
        let (key, rebuilder) = ignorant();
        let server = rebuilder.serve();
        world.rebuilder("beta", &key, &[server.endpoint()]);
        server
    };
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["reason"]["code"], "not-confirmed");
    assert!(decision["reason"]["text"].as_str().unwrap().contains("1 of 2 required confirmations"));
    assert!(!one.requests().is_empty() && !other.requests().is_empty());
}

#[test]
fn one_endpoint_of_a_rebuilder_that_answers_is_enough() {
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, [&hello()]);
    let server = rebuilder.serve();
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let broken = Server::start(|_| Reply::status(500));
    world.rebuilder("alpha", &key, &[broken.endpoint(), server.endpoint()]);
    world.verify(&hello()).assert_code(0);
}

// --- what is asked, and how

/// The request lines of one judgement of a package that one rebuilder confirms.
fn requests_about(deb: &Deb) -> Vec<String> {
    let (key, rebuilder) = confirming(&[deb]);
    let (world, server) = alone(key, rebuilder);
    world.verify(deb).assert_code(0);
    assert_eq!(server.connections(), 1, "one connection is used again");
    server.request_lines()
}

#[test]
fn names_and_versions_are_asked_for_so_that_servers_understand_them() {
    for (deb, name, version) in [
        (hello(), "hello", "2.10-3"),
        (
            Deb::new("zlib1g", "1:1.3.dfsg+really1.3.1-1+b1", "amd64"),
            "zlib1g",
            "1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1",
        ),
        (Deb::new("libstdc++6", "14.2.0-19", "amd64"), "libstdc%2B%2B6", "14.2.0-19"),
        (Deb::new("tilde", "4.0~rc1-1~bpo12+1", "all"), "tilde", "4.0%7Erc1-1%7Ebpo12%2B1"),
    ] {
        let requests = requests_about(&deb);
        let listing = requests[0].strip_prefix("GET /api/v1/packages/binary?").unwrap();
        let (query, protocol) = listing.split_once(' ').unwrap();
        assert_eq!(protocol, "HTTP/1.1");
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.sort_unstable();
        let expected = [
            format!("architecture={}", deb.architecture),
            "limit=500".to_owned(),
            format!("name={name}"),
            format!("version={version}"),
        ];
        assert_eq!(pairs, expected, "{requests:?}");
        assert!(!query.contains('+'), "a bare + is a space: {query}");
        let attestation = "GET /api/v1/builds/1/artifacts/1001/attestation HTTP/1.1";
        assert_eq!(requests[1..], [attestation]);
    }
}

#[test]
fn requests_say_what_asks_and_nothing_about_the_machine() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, server) = alone(key, rebuilder);
    world.verify(&hello()).assert_code(0);
    for head in server.requests() {
        let mut names: Vec<String> = head
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()))
            .collect();
        names.sort();
        assert_eq!(names, ["accept", "host", "user-agent"], "{head}");
        assert!(head.contains("user-agent: apt-quorum/"), "{head}");
    }
}

#[test]
fn an_endpoint_for_other_architectures_is_not_asked() {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let key = Key::new();
    let package = Deb::new("adduser", "3.152", "all");
    let (amd64, all) =
        (Rebuilder::default().serve(), Rebuilder::confirming(&key, [&package]).serve());
    world.rebuilder("alpha", &key, &[]);
    let file = world.path("etc/rebuilders.d/alpha.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    for (server, architecture) in [(&amd64, "amd64"), (&all, "all")] {
        text += &format!(
            "[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{}\"\narchitectures = [\"{architecture}\"]\n",
            server.url()
        );
    }
    fs::write(&file, text).unwrap();
    world.verify(&package).assert_code(0);
    assert_eq!(amd64.connections(), 0);
    assert!(all.request_lines()[0].contains("architecture=all"), "{:?}", all.request_lines());
}

#[test]
fn an_endpoint_below_a_path_is_asked_there() {
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, [&hello()]);
    let server = Server::start(move |target| {
        target.strip_prefix("/debian/amd64").map_or(Reply::status(404), |it| rebuilder.answer(it))
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[format!("{}debian/amd64", server.endpoint())]);
    world.verify(&hello()).assert_code(0);
}

#[test]
fn where_apt_uses_a_proxy_the_rebuilders_are_asked_through_it_by_name() {
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, [&hello()]);
    // A name that exists nowhere: only the proxy may look it up.
    let proxy = Server::start(move |target| {
        let path = target.strip_prefix("http://rebuilder.invalid");
        path.map_or(Reply::status(502), |path| rebuilder.answer(path))
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &["rebuilderd http://rebuilder.invalid/".to_owned()]);
    world.verify(&hello()).assert_code(3);
    let apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    world.write("apt.conf", apt.replace("\"DIRECT\"", &format!("\"{}\"", proxy.url())));
    world.verify(&hello()).assert_code(0);
    assert_eq!(proxy.requests().len(), 2);
}

// --- what a rebuilderd can have

#[test]
fn a_listing_is_read_to_its_last_page() {
    let (key, mut rebuilder) = ignorant();
    rebuilder.build_for(&hello(), "the-last", "GOOD", Some(hello().link(&key)));
    let mut last = rebuilder.binaries.pop().unwrap();
    let others = (1..=2500).map(|id| {
        json!({"id": 10 * id, "name": "hello", "version": "2.10-3", "architecture": "amd64",
               "release": format!("r{id}"), "status": "UNKWN"})
    });
    rebuilder.binaries = others.collect();
    last["id"] = json!(99_999);
    rebuilder.binaries.push(last);
    let (world, server) = alone(key, rebuilder);
    world.verify(&hello()).assert_code(0);
    let requests = server.request_lines();
    let pages: Vec<&String> =
        requests.iter().filter(|line| line.contains("packages/binary")).collect();
    assert_eq!(pages.len(), 6, "{pages:?}");
    for (page, last) in pages[1..].iter().zip([5_000, 10_000, 15_000, 20_000, 25_000]) {
        assert!(page.contains(&format!("after={last} ")), "{page}");
    }
}

#[test]
fn a_server_that_gives_the_same_page_for_ever_is_left() {
    let record = json!({
        "id": 1, "name": "hello", "version": "2.10-3", "architecture": "amd64", "status": "UNKWN",
        "build_id": null, "artifact_id": null, "diffoscope_log_id": null,
    });
    let page = json!({ "total": 1_000_000, "records": vec![record; 1000] }).to_string();
    let server = Server::start(move |_| Reply::json(page.clone()));
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(standing(&decision, "alpha"), "says");
    assert!(server.requests().len() <= 20, "{}", server.requests().len());
}

/// A rebuilder whose rebuilderd has version 0 of the API only.
fn alone_and_old(key: Key, rebuilder: Rebuilder) -> (World, Server) {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let server = rebuilder.serve_as_an_old_one();
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    (world, server)
}

#[test]
fn which_api_an_instance_has_is_found_out_once() {
    let (hello, other) = (hello(), Deb::new("libstdc++6", "1:12.2.0-14", "amd64"));
    let (key, rebuilder) = confirming(&[&hello, &other]);
    let (world, server) = alone_and_old(key, rebuilder);
    let paths = [world.put(&hello), world.put(&other)];
    run(world.verify_command(&[]).args(&paths)).assert_code(0);
    let of =
        |version: &str| server.request_lines().iter().filter(|line| line.contains(version)).count();
    // Both may be asked about before the first answer is there.
    assert!((1..=2).contains(&of("/api/v1/")), "{:?}", server.request_lines());
    assert_eq!(of("/api/v0/"), 4);
    assert!(server.request_lines().iter().any(|it| it.contains("name=libstdc%2B%2B6")));
}

#[test]
fn an_instance_with_the_newer_api_is_never_asked_by_the_older_one() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, server) = alone(key, rebuilder);
    world.verify(&hello()).assert_code(0);
    world.verify(&Deb::new("unknown", "1", "all")).assert_code(1);
    assert!(server.request_lines().iter().all(|line| line.contains("/api/v1/")));
}

#[test]
fn by_the_older_api_another_files_attestation_is_no_vote() {
    let (key, mut rebuilder) = ignorant();
    let other = Deb::new("hello-doc", "2.10-3", "amd64");
    rebuilder.build(&hello(), "GOOD", Some(other.link(&key)));
    let (world, _server) = alone_and_old(key, rebuilder);
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["rebuilders"]["alpha"]["code"], "other-artifact", "{decision}");
}

#[test]
fn by_the_older_api_other_versions_and_architectures_are_passed_over() {
    let (key, mut rebuilder) = ignorant();
    let older = Deb::new("hello", "2.10-2", "amd64");
    rebuilder.build(&older, "GOOD", Some(older.link(&key)));
    rebuilder.build(&Deb::new("hello", "2.10-3", "arm64"), "GOOD", None);
    rebuilder.build(&hello(), "BAD", None);
    let (world, server) = alone_and_old(key, rebuilder);
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["rebuilders"]["alpha"]["status"], "bad", "{decision}");
    let more = decision["rebuilders"]["alpha"]["more"].as_str().unwrap();
    assert!(more.ends_with("/api/v0/builds/3/diffoscope"), "{more}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_url_without_any_api_of_rebuilderd_is_no_denial() {
    let server = Server::start(|_| Reply::status(404));
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let ended = world.verify(&hello());
    ended.assert_code(3);
    assert!(ended.stdout.contains("no API of rebuilderd is at this URL"), "{ended:?}");
}

/// Whoever fetches is told which statements count: what does not is not kept.
#[test]
fn a_statement_is_kept_if_it_counts() {
    let key = Key::new();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": hello().file_name(), "digest": {"sha256": hello().sha256()}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://builder.example/"}}},
    });
    let envelope = key.dsse(&statement.to_string());
    let server = Server::start(move |target| match target {
        "/sources/hello/2.10-3/metadata" => Reply::json(envelope.clone()),
        _ => Reply::status(404),
    });
    for (builder, code) in [("https://other.example/", 1), ("https://builder.example/", 0)] {
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        world.rebuilder("alpha", &key, &[format!("intoto-metadata {}", server.url())]);
        let file = "etc/rebuilders.d/alpha.toml";
        let text = fs::read_to_string(world.path(file)).unwrap();
        let accepted =
            format!("[[statement]]\ntype = \"slsa-provenance\"\nbuilder = \"{builder}\"\n");
        world.write(file, format!("{text}\n{accepted}"));
        world.verify(&hello()).assert_code(code);
        let offline = world.verify_with(&hello(), &["--offline"]);
        assert_eq!(offline.stdout.contains("confirmed: "), code == 0, "{offline:?}");
    }
}

#[test]
fn of_two_releases_the_one_that_was_confirmed_counts() {
    for (first, second) in [("bookworm", "trixie"), ("trixie", "bookworm")] {
        let (key, mut rebuilder) = ignorant();
        let other = hello().differently_built();
        rebuilder.build_for(&hello(), first, "GOOD", Some(other.link(&key)));
        rebuilder.build_for(&hello(), second, "GOOD", Some(hello().link(&key)));
        let (world, server) = alone(key, rebuilder);
        let (decision, ended) = world.decision(&hello(), &[]);
        ended.assert_code(0);
        assert_eq!(standing(&decision, "alpha"), "confirms");
        // Whoever signed two files under one name is shown to have done so.
        assert_eq!(decision["conflicts"].as_array().map(Vec::len), Some(1), "{decision}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn an_older_good_build_behind_a_newer_bad_one_is_found() {
    let (key, mut rebuilder) = ignorant();
    rebuilder.build(&hello(), "GOOD", Some(hello().link(&key)));
    rebuilder.build(&hello(), "BAD", None);
    rebuilder.build(&hello(), "BAD", None);
    let (world, server) = alone(key, rebuilder);
    world.verify(&hello()).assert_code(0);
    let lines = server.request_lines();
    assert!(
        lines.iter().any(|it| it.contains("/builds?name=src-hello&version=2.10-3")),
        "{lines:?}"
    );
}

#[test]
fn an_attestation_that_is_not_there_is_no_failure_of_the_endpoint() {
    let (key, mut rebuilder) = ignorant();
    let build = rebuilder.build(&hello(), "GOOD", Some(hello().link(&key)));
    assert!(rebuilder.attestations.remove(&(build, 1000 + build)).is_some());
    let (world, _server) = alone(key, rebuilder);
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(1);
    assert_eq!(decision["rebuilders"]["alpha"], json!({"kind": "says", "status": "good"}));
}

#[test]
fn an_attestation_by_an_unknown_key_or_for_another_file_is_rejected_with_its_reason() {
    let key = Key::new();
    let stranger = Key::new();
    let other_name = key.link("hello_9.9_amd64.deb", &hello().sha256());
    for (attestation, code) in [
        (hello().link(&stranger), "unknown-key"),
        (other_name, "other-name"),
        (b"{}".to_vec(), "shape"),
    ] {
        let mut rebuilder = Rebuilder::default();
        rebuilder.build(&hello(), "GOOD", Some(attestation));
        let server = rebuilder.serve();
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        world.rebuilder("alpha", &key, &[server.endpoint()]);
        let (decision, ended) = world.decision(&hello(), &[]);
        ended.assert_code(1);
        assert_eq!(standing(&decision, "alpha"), "rejected", "{code}");
        assert_eq!(decision["rebuilders"]["alpha"]["code"], code);
    }
}

#[test]
fn whose_endpoint_an_attestation_comes_from_plays_no_part() {
    let world = World::new();
    let (alpha, beta) = (Key::new(), Key::new());
    let mut rebuilder = Rebuilder::default();
    rebuilder.build_for(&hello(), "trixie", "GOOD", Some(hello().link(&alpha)));
    rebuilder.build_for(&hello(), "forky", "GOOD", Some(hello().link(&beta)));
    let both = rebuilder.serve();
    world.rebuilder("alpha", &alpha, &[both.endpoint()]);
    world.rebuilder("beta", &beta, &[Server::start(|_| Reply::status(404)).endpoint()]);
    world.verify(&hello()).assert_code(0);
}

// --- evidence that is at hand

#[test]
fn offline_nobody_is_asked_and_attestations_at_hand_count() {
    let world = World::new();
    let keys = [Key::new(), Key::new()];
    let server = Server::start(|_| Reply::status(500));
    for (name, key) in ["alpha", "beta"].into_iter().zip(&keys) {
        world.rebuilder(name, key, &[server.endpoint()]);
    }
    let (decision, ended) = world.decision(&hello(), &["--offline"]);
    ended.assert_code(3);
    assert_eq!(decision["reason"]["code"], "could-not-find-out");
    assert_eq!(
        decision["rebuilders"]["alpha"],
        json!({"kind": "unreachable", "why": "not asked: offline"})
    );

    // Files, and a directory with both layouts and with what is about other packages.
    let files = [0, 1].map(|at| {
        let path = world.write(&format!("files/{at}.link"), hello().link(&keys[at]));
        path.to_str().unwrap().to_owned()
    });
    let options = ["--offline", "--evidence", &files[0]];
    world.verify_with(&hello(), &options).assert_code(3);
    let options = ["--offline", "--evidence", &files[0], "--evidence", &files[0]];
    world.verify_with(&hello(), &options).assert_code(3);
    let options = ["--offline", "--evidence", &files[0], "--evidence", &files[1]];
    let (decision, ended) = world.decision(&hello(), &options);
    ended.assert_code(0);
    assert_eq!(standing(&decision, "beta"), "confirms");

    let name = hello().file_name();
    world.make_directory(&format!("attestations/{name}"));
    world.write(&format!("attestations/{name}.alpha"), hello().link(&keys[0]));
    world.write(&format!("attestations/{name}/beta"), hello().link(&keys[1]));
    world.write("attestations/other_1.0_all.deb.alpha", "not looked at");
    let directory = world.path("attestations");
    let options = ["--offline", "--evidence", directory.to_str().unwrap()];
    let ended = world.verify_with(&hello(), &options);
    ended.assert_code(0);
    assert!(!ended.stdout.contains("note:"), "{ended:?}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn attestations_at_hand_that_make_no_claim_are_named_with_their_reason() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, _server) = alone(key, rebuilder);
    let stranger = world.write("files/stranger", hello().link(&Key::new()));
    let garbage = world.write("files/garbage", "}{");
    let options =
        ["--evidence", stranger.to_str().unwrap(), "--evidence", garbage.to_str().unwrap()];
    let ended = world.verify_with(&hello(), &options);
    ended.assert_code(0);
    assert_eq!(ended.stdout.matches("  note: ignored an attestation on this machine").count(), 2);
    let (decision, _) = world.decision(&hello(), &options);
    assert_eq!(decision["notes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn evidence_that_cannot_be_used_is_an_error_of_the_command_line() {
    let key = Key::new();
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[]);
    let judge = |name: &str| {
        let path = world.path(name);
        world.verify_with(&hello(), &["--evidence", path.to_str().unwrap()])
    };
    nix::unistd::mkfifo(&world.path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    world.write("giant", vec![b' '; (1 << 20) + 1]);
    symlink("loop", world.path("loop")).unwrap();
    for (name, why) in [
        ("nowhere", "nowhere: No such file or directory"),
        ("pipe", "pipe: neither a file nor a directory"),
        ("giant", "giant: larger than 1048576 bytes, so no attestation"),
        ("loop", "loop: Too many levels of symbolic links"),
    ] {
        let ended = judge(name);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{name}: {ended:?}");
        assert!(ended.stderr.contains(why), "{name}: {ended:?}");
    }
    world.write("link", hello().link(&key));
    symlink("link", world.path("by-a-symbolic-link")).unwrap();
    judge("by-a-symbolic-link").assert_code(0);
}

#[test]
fn a_directory_is_an_endpoint_too_also_offline() {
    let world = World::new();
    let name = hello().file_name();
    world.make_directory("attestations");
    for rebuilder in ["alpha", "beta"] {
        let key = Key::new();
        world.write(&format!("attestations/{name}.{rebuilder}"), hello().link(&key));
        let url = format!("directory file://{}", world.path("attestations").display());
        world.rebuilder(rebuilder, &key, &[url]);
    }
    world.verify_with(&hello(), &["--offline"]).assert_code(0);
    let (decision, _) = world.decision(&Deb::new("other", "1.0", "all"), &[]);
    assert_eq!(standing(&decision, "alpha"), "unknown");
    fs::remove_dir_all(world.path("attestations")).unwrap();
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(0); // What was seen before is in the cache.
    assert_eq!(standing(&decision, "alpha"), "confirms");
    fs::remove_dir_all(world.path("cache/attestations")).unwrap();
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(3);
    assert_eq!(standing(&decision, "alpha"), "unreachable");
}

#[test]
fn what_was_signed_once_is_not_asked_for_again_and_outlives_its_endpoint() {
    let world = World::new();
    let servers = rebuilders(&world, vec![confirming(&[&hello()]), confirming(&[&hello()])]);
    world.verify(&hello()).assert_code(0);
    let asked: Vec<usize> = servers.iter().map(|server| server.requests().len()).collect();
    assert_eq!(asked, [2, 2]);
    world.verify(&hello()).assert_code(0);
    let again: Vec<usize> = servers.iter().map(|server| server.requests().len()).collect();
    assert_eq!(again, asked, "the cache was not used");
    // Of another file under this name nothing is known yet.
    world.verify(&hello().differently_built()).assert_code(1);
    assert!(servers.iter().all(|server| server.requests().len() > 2));
    drop(servers);
    world.verify(&hello()).assert_code(0);
    world.verify_with(&hello(), &["--offline"]).assert_code(0);
}

#[test]
fn the_cache_is_believed_no_more_than_the_network() {
    let world = World::new();
    let servers = rebuilders(&world, vec![confirming(&[&hello()]), ignorant()]);
    world.verify(&hello()).assert_code(1);
    let directory = world.path("cache/attestations").join(hello().file_name());
    let kept: Vec<PathBuf> =
        fs::read_dir(&directory).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "only what a pinned key signed is kept");
    drop(servers);
    // Whoever can write there makes copies, alters them and adds their own.
    let link = fs::read(&kept[0]).unwrap();
    for (name, bytes) in [
        ("a-copy", link.clone()),
        ("another", String::from_utf8(link).unwrap().replace("2.10", "2.11").into_bytes()),
        ("own", hello().link(&Key::new())),
        ("empty", Vec::new()),
    ] {
        fs::write(directory.join(name), bytes).unwrap();
    }
    world.verify(&hello()).assert_code(3);
}

// --- output

/// A connection whose other end is gone: writing to it fails at once.
fn broken_pipe() -> Stdio {
    let (ours, _) = UnixStream::pair().unwrap();
    OwnedFd::from(ours).into()
}

#[test]
fn a_closed_pipe_is_no_panic_and_changes_no_verdict() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, _server) = alone(key, rebuilder);
    let good = world.put(&hello());
    let bad = world.put(&Deb::new("other", "1.0", "all"));
    let etc = world.path("etc");
    let config = ["--config", etc.to_str().unwrap()];
    for (arguments, code) in [
        ([&["verify", good.to_str().unwrap()], &config[..]].concat(), 0),
        ([&["verify", "--json", good.to_str().unwrap()], &config[..]].concat(), 0),
        ([&["verify", bad.to_str().unwrap()], &config[..]].concat(), 1),
        ([&["config", "check"], &config[..]].concat(), 0),
        ([&["rebuilder", "list"], &config[..]].concat(), 0),
        (vec!["--help"], 0),
        (vec!["--version"], 0),
    ] {
        let mut command = world.command();
        let child = command.args(&arguments).stdout(broken_pipe()).stderr(Stdio::piped());
        let ended = finish(child.spawn().unwrap());
        assert_eq!((ended.code, &*ended.stderr), (Some(code), ""), "{arguments:?}");
        // And nobody who listens to complaints.
        let mut command = world.command();
        let child = command.args(&arguments).stdout(broken_pipe()).stderr(broken_pipe());
        assert_eq!(finish(child.spawn().unwrap()).code, Some(code), "{arguments:?}");
    }
    let mut command = world.command();
    let child = command.args(["config", "check", "--config", "/nowhere"]).stderr(broken_pipe());
    assert_eq!(finish(child.spawn().unwrap()).code, Some(2));
}

#[test]
fn a_verdict_that_cannot_be_written_is_no_success() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, _server) = alone(key, rebuilder);
    let path = world.put(&hello());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = world.verify_command(&[]);
    assert_eq!(finish(command.arg(path).stdout(full).spawn().unwrap()).code, Some(2));
}
