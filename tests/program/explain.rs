//! `apt-quorum explain`: the whole judgement on a package, wherever it is.

use crate::common::apt::with_archive;
use crate::common::rebuilder::Rebuilder;
use crate::common::server::Reply;
use crate::common::{self, Deb, Ended, Key, World, run};

fn half() -> Deb {
    Deb::new("half", "2.0-1", "all")
}

/// Of three rebuilders alpha confirms the package, beta signed another file, and gamma knows
/// nothing.
fn world() -> Option<(World, [Key; 3], Vec<common::server::Server>)> {
    let keys = [Key::new(), Key::new(), Key::new()];
    let servers = vec![
        Rebuilder::confirming(&keys[0], [&half()]).serve(),
        Rebuilder::confirming(&keys[1], [&half().differently_built()]).serve(),
        Rebuilder::default().serve(),
    ];
    let world = World::new();
    for ((name, key), server) in ["alpha", "beta", "gamma"].into_iter().zip(&keys).zip(&servers) {
        world.rebuilder(name, key, &[server.endpoint()]);
    }
    policy(&world, "enforce");
    let installed = ["old 1.0-1", "here 1.0-1"];
    let is_there = with_archive(&world, &[&half()], &installed);
    is_there.then_some((world, keys, servers))
}

fn policy(world: &World, mode: &str) {
    world.policy(&format!(
        "mode = \"{mode}\"\nthreshold = 3\n\n[[rule]]\npackage = [\"h*\"]\nthreshold = 2\nrequire = [\"gamma\"]\nreason = \"see bug 12\"\n\n[network]\nanswer_timeout = 1\ntotal_timeout = 3\n"
    ));
}

/// The cache's times are those of this run.
fn without_times(text: &str) -> String {
    let mut parts = text.split("kept since ");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (time, rest) = part.split_at(20);
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        out += &format!("kept since TIME{rest}");
    }
    out
}

fn explain(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("explain").args(arguments).arg("--config").arg(world.path("etc"));
    let mut ended = run(&mut command);
    ended.assert_plain();
    ended.stdout = without_times(&ended.stdout);
    for line in ended.stdout.lines().filter(|_| !arguments.contains(&"--json")) {
        let last = line.rsplit(' ').next().unwrap();
        assert!(last.parse::<f64>().is_err(), "{line:?} ends in a number");
    }
    ended
}

/// What every view of the package says about who said what.
fn standings(keys: &[Key; 3], path: &str, how: &str, exception: &str) -> String {
    let (alpha, beta) = (keys[0].id(), keys[1].id());
    let (sha256, other) = (half().sha256(), half().differently_built().sha256());
    format!(
        "  file       sha256 {sha256} ({how})\n  \
           file       built from half (2.0-1)\n{path}  \
           rule       policy.toml line 4 matches (see bug 12)\n  \
           needs      2 of 3 rebuilders (alpha, beta, gamma), including gamma\n  \
           rebuilder  alpha: confirmed (key {alpha} in alpha.pem, kept since TIME, undated)\n  \
           rebuilder  beta: signed a different file under this name (key {beta} in beta.pem, kept since TIME, undated)\n  \
           rebuilder  gamma: has no result for it\n  \
           builds     alpha's only build (not signed): 2026-09-01T03:05:39Z build 1: reproduced, attested\n  \
           builds     beta's only build (not signed): 2026-09-01T03:05:39Z build 1: reproduced, attested\n  \
           CONFLICT   beta signed a different file under this name (sha256 {other}, key {beta}).\n  \
           to pass    1 more of beta and gamma must confirm this file\n  \
           to pass    gamma must be among the rebuilders that confirm it\n  \
           to pass    beta signed a different result: contact the rebuilder\n  \
           to pass    gamma has no result for it: wait, or contact the rebuilder\n  \
           to pass    {exception} --days 30 --reason TEXT\n"
    )
}

const WHY: &str = "1 of 2 required confirmations; gamma must be among them.\n";

#[test]
fn a_file_and_what_apt_would_install_are_explained_alike() {
    let Some((world, keys, _servers)) = world() else { return };
    let path = world.put(&half()).display().to_string();
    let file = explain(&world, &[&path]);
    file.assert_code(1);
    let add = format!("To allow it anyway: apt-quorum exception add {path}");
    let expected = format!("half 2.0-1 all: would be refused: {WHY}");
    assert_eq!(file.stdout, expected.clone() + &standings(&keys, "", "computed now", &add));

    let offered = "  file       offered by a repository without a name (on this machine)\n  file       no known key signed its index: no signed_by matches\n";
    let add = "To allow it anyway: apt-quorum exception add half=2.0-1";
    let expected = expected + &standings(&keys, offered, "from an index of apt", add);
    for name in ["half", "half=2.0-1", "half:all"] {
        let listed = explain(&world, &["--offline", name]);
        listed.assert_code(3);
        let listed = explain(&world, &[name]);
        assert_eq!(listed.stdout, expected, "{listed:?}");
        listed.assert_code(1);
    }

    let json = explain(&world, &["--json", "half"]).json();
    let it = &json["packages"][0];
    assert_eq!((&json["mode"], &it["kind"]), (&"enforce".into(), &"listed".into()));
    assert_eq!((&it["rule_reason"], &it["receipt"]), (&"see bug 12".into(), &().into()));
    assert_eq!(it["claims"][0]["key"], keys[0].id());
    assert_eq!(it["to_pass"].as_array().unwrap().len(), 5);
    let answers = it["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[1]["rebuilder"], &answers[1]["dated"]), (&"beta".into(), &().into()));
    assert_eq!(
        answers[1]["key_file"],
        world.path("etc/rebuilders.d/beta.pem").display().to_string()
    );
    assert!(answers[1]["kept_since"].as_str().unwrap().starts_with("20"));
    let json = explain(&world, &["--json", &path]).json();
    let it = &json["packages"][0];
    assert_eq!((&it["kind"], &it["decision"]), (&"file".into(), &"refuse".into()));

    policy(&world, "warn");
    let warned = explain(&world, &["half"]);
    warned.assert_code(0);
    let said = format!("half 2.0-1 all: would pass with a warning (mode warn): {WHY}");
    assert!(warned.stdout.starts_with(&said), "{warned:?}");
    assert!(
        warned.stdout.contains("it passes in mode warn. To record a reason: apt-quorum exception")
    );
}

#[test]
fn groups_are_explained_with_their_members() {
    let Some((world, _, _servers)) = world() else { return };
    world.policy(
        "mode = \"enforce\"\nthreshold = 1\ngroups = { eu = 1, us = 1 }\n\
         [[group]]\nname = \"eu\"\nrebuilders = [\"alpha\", \"beta\"]\n\
         [[group]]\nname = \"us\"\nrebuilders = [\"beta\", \"gamma\"]\n",
    );
    let half = explain(&world, &["half"]);
    half.assert_code(1);
    let why = "would be refused: 1 of 1 required confirmations, but 1 of 1 confirmation from group us \
               is missing.\n";
    for line in [
        why,
        "  needs      1 of 3 rebuilders (alpha, beta, gamma), 1 from group eu (alpha, beta), 1 from group us (beta, gamma)\n",
        "  to pass    1 more of beta and gamma (group us) must confirm this file\n",
    ] {
        assert!(half.stdout.contains(line), "{line}{}", half.stdout);
    }
    let config = run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")));
    let line = "threshold: 1 of 3 rebuilders must confirm (1 from group eu, 1 from group us)\n";
    assert!(config.stdout.contains(line), "{config:?}");
    let mode = run(world.command().args(["mode", "warn", "--config"]).arg(world.path("etc")));
    let line = "packages without 1 of 3 confirmations (1 from group eu, 1 from group us) pass with";
    assert!(mode.stdout.contains(line), "{mode:?}");
    let kept = std::fs::read_to_string(world.path("etc/policy.toml")).unwrap();
    assert!(kept.starts_with("mode = \"warn\"\nthreshold = 1\ngroups = { eu = 1, us = 1 }\n"));
    let remove = ["rebuilder", "remove", "gamma", "--yes", "--config"];
    let removed = run(world.command().args(remove).arg(world.path("etc")));
    assert_eq!(removed.code, Some(1), "{removed:?}");
    assert!(removed.stderr.contains("rebuilders.d has no rebuilder gamma"), "{removed:?}");
    assert!(world.path("etc/rebuilders.d/gamma.toml").exists());
}

#[test]
fn exceptions_are_explained_while_they_hold_and_afterwards() {
    let Some((world, _, _servers)) = world() else { return };
    world.exception(
        "[[exception]]\npackage = [\"half\"]\nreason = \"why 5\"\nexpires = 2199-01-01\n",
    );
    let held = explain(&world, &["half"]);
    held.assert_code(0);
    assert!(held.stdout.starts_with("half 2.0-1 all: would pass, under an exception: 1 of 2 "));
    let line = "\n  exception  test.toml line 1: why 5 (until and including 2199-01-01, ";
    assert!(held.stdout.contains(line) && held.stdout.contains(" days left)\n"), "{held:?}");
    assert!(!held.stdout.contains("exception add"), "{held:?}");
    world
        .exception("[[exception]]\npackage = [\"half\"]\nreason = \"why\"\nexpires = 2020-01-01\n");
    let over = explain(&world, &["half"]);
    over.assert_code(1);
    let line = "\n  exception  test.toml line 1 would apply, but EXPIRED after 2020-01-01\n";
    assert!(over.stdout.contains(line), "{over:?}");
}

#[test]
fn what_is_installed_is_explained_by_its_receipt() {
    let Some((world, keys, _servers)) = world() else { return };
    let status = std::fs::read_to_string(world.path("status")).unwrap();
    world.write("status", status.replace("old", "half").replace("1.0-1", "2.0-1"));
    world.make_directory("state");
    world.make_directory("state/receipts");
    let receipt = format!(
        r#"{{"schema":1,"time":"2026-01-02T03:04:05Z","package":"half","version":"2.0-1","architecture":"all","sha256":"{}","decision":"admit","basis":"warn-mode"}}"#,
        half().sha256()
    );
    world.write("state/receipts/hook.jsonl", receipt + "\n");
    let half = explain(&world, &["half"]);
    half.assert_code(1);
    let add = "To allow it anyway: apt-quorum exception add half=2.0-1";
    let more = "  file       offered by a repository without a name (on this machine)\n  file       no known key signed its index: no signed_by matches\n  receipt    accepted 2026-01-02: mode warn, without a quorum, 0 attestations\n";
    let expected = format!(
        "half 2.0-1 all: installed, and IN CONFLICT: {WHY}{}",
        standings(&keys, more, "from root's receipt", add)
    );
    assert_eq!(half.stdout, expected);
    let json = explain(&world, &["--json", "half"]).json();
    let it = &json["packages"][0];
    assert_eq!((&it["kind"], &it["state"]), (&"installed".into(), &"conflict".into()));
    assert_eq!(it["receipt"]["basis"], "warn-mode");

    let here = explain(&world, &["here"]);
    here.assert_code(1);
    let expected = "here 2.0-1 all: installed; original .deb unknown (no receipt, in no signed index).\n  to pass    reinstall it, so that apt-quorum checks its file: apt-get install --reinstall here\n";
    assert_eq!(here.stdout, expected);
}

#[test]
fn what_there_is_not_is_a_mistake_of_the_command_line() {
    let Some((world, _, _servers)) = world() else { return };
    for (what, said) in [
        (
            "nothing",
            "nothing is not installed, and apt-get says: E: Unable to locate package nothing\n",
        ),
        ("half=9", "half=9 is not installed, and apt-get says: "),
        ("-oX=1", "unexpected argument"),
        ("H@lf", "(write NAME, NAME=VERSION or the path of a file).\n"),
    ] {
        let ended = explain(&world, &[what]);
        ended.assert_code(2);
        assert!(ended.stderr.contains(said), "{what}: {ended:?}");
    }
    let ended = explain(&world, &["./no.deb"]);
    ended.assert_code(1);
    assert!(ended.stdout.starts_with("./no.deb: would be refused: cannot be read ("), "{ended:?}");
    world.policy("mode = 1\n");
    explain(&world, &["half"]).assert_code(2);
}

#[test]
fn what_is_dated_and_what_differs_is_shown_with_where_to_look() {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let key = Key::new();
    world.make_directory("attestations");
    let directory = format!("directory file://{}", world.path("attestations").display());
    world.rebuilder("alpha", &key, &[directory]);
    let file = "etc/rebuilders.d/alpha.toml";
    let text = std::fs::read_to_string(world.path(file)).unwrap();
    let accepted = "\n[[statement]]\ntype = \"svr\"\nverifier = \"https://v.example/\"\nproperty = [\"REBUILT\"]\nmax_age_days = 3660\n";
    world.write(file, text + accepted);
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": half().file_name(), "digest": {"sha256": half().sha256()}}],
        "predicateType": "https://in-toto.io/attestation/svr/v0.1",
        "predicate": {
            "verifier": {"id": "https://v.example/"},
            "timeCreated": "2024-01-02T03:04:05Z",
            "properties": ["REBUILT"],
        },
    });
    let signed = key.dsse(&statement.to_string());
    world.write(&format!("attestations/{}.alpha", half().file_name()), signed);
    let mut rebuilder = Rebuilder::default();
    rebuilder.build(&half(), "BAD", None);
    let server = rebuilder.serve();
    world.rebuilder("beta", &Key::new(), &[server.endpoint()]);

    let path = world.put(&half()).display().to_string();
    let ended = explain(&world, &[&path]);
    ended.assert_code(1);
    let id = key.id();
    let more = format!("{}api/v1/builds/1/artifacts/1001/diffoscope", server.url());
    for line in [
        format!(
            "  rebuilder  alpha: confirmed (key {id} in alpha.pem, dated 2024-01-02T03:04:05Z)\n"
        ),
        format!("  rebuilder  beta: rebuilt it; the result differs, see {more}\n"),
    ] {
        assert!(ended.stdout.contains(&line), "{line}: {ended:?}");
    }
    let json = explain(&world, &["--json", &path]).json();
    let it = &json["packages"][0];
    assert_eq!(it["answers"][0]["dated"], "2024-01-02T03:04:05Z");
    assert_eq!(it["claims"][0]["dated"], "2024-01-02T03:04:05Z");
    assert_eq!(it["answers"][0]["rebuilder"], "alpha");
}

/// What a line of people's is about, without the label.
fn builds(text: &str) -> Vec<&str> {
    let mut lines = text.lines().skip_while(|it| !it.starts_with("  builds "));
    let own = |it: &&str| it.starts_with("  builds ") || it.starts_with("             ");
    lines.by_ref().take_while(own).map(|it| &it[13..]).collect()
}

/// A world with one rebuilder, whose confirmation is enough.
fn of_one(rebuilder: Rebuilder, key: &Key) -> (World, common::server::Server) {
    let server = rebuilder.serve();
    let world = World::new();
    world.impatient_policy(1);
    world.rebuilder("alpha", key, &[server.endpoint()]);
    (world, server)
}

#[test]
fn a_good_build_before_a_flaky_one_counts_and_all_builds_are_shown() {
    let (key, deb) = (Key::new(), half());
    let mut rebuilder = Rebuilder::default();
    rebuilder.build(&deb, "BAD", None);
    rebuilder.build(&deb, "GOOD", Some(deb.link(&key)));
    rebuilder.build(&deb, "FAIL", None);
    rebuilder.build(&deb, "BAD", None);
    let (world, server) = of_one(rebuilder, &key);
    world.verify(&deb).assert_code(0);
    let before = server.requests().len();
    let file = world.put(&deb).display().to_string();
    let explained = explain(&world, &[&file]);
    explained.assert_code(0);
    assert_eq!(
        builds(&explained.stdout),
        [
            "alpha confirmed it on 2026-09-02, a later rebuild differs. The confirmation counts",
            "alpha's builds, the newest first (not signed):",
            "2026-09-04T03:05:39Z build 4: differs",
            "2026-09-03T03:05:39Z build 3: failed",
            "2026-09-02T03:05:39Z build 2: reproduced, attested",
            "2026-09-01T03:05:39Z build 1: differs",
        ]
    );
    assert!(server.requests().len() > before);
    let json = explain(&world, &["--json", &file]).json();
    let builds = &json["packages"][0]["builds"][0];
    assert_eq!(builds["rebuilder"], "alpha");
    assert_eq!(builds["later_differs"], true);
    assert_eq!(builds["earlier"], 0);
    assert_eq!(builds["builds"][2]["result"], "reproduced");
    assert_eq!(builds["builds"][2]["attested"], true);
    // Offline, only what is at hand counts, and no endpoint is asked.
    let before = server.connections();
    let offline = explain(&world, &["--offline", &file]);
    offline.assert_code(0);
    assert_eq!(self::builds(&offline.stdout), Vec::<&str>::new());
    assert_eq!(server.connections(), before);
}

#[test]
fn builds_that_nobody_signed_confirm_nothing() {
    let (key, deb) = (Key::new(), half());
    let mut rebuilder = Rebuilder::default();
    for _ in 0..25 {
        rebuilder.build(&deb, "GOOD", None);
    }
    let (world, _server) = of_one(rebuilder, &key);
    let file = world.put(&deb).display().to_string();
    let explained = explain(&world, &[&file]);
    explained.assert_code(1);
    let lines = builds(&explained.stdout);
    assert_eq!(lines[0], "alpha's builds, the newest first (not signed):");
    assert_eq!(lines[1], "2026-09-25T03:05:39Z build 25: reproduced, not attested");
    assert_eq!(lines[20], "2026-09-06T03:05:39Z build 6: reproduced, not attested");
    assert_eq!(lines[21..], ["and 5 before these"]);
}

#[test]
fn an_older_rebuilderd_tells_its_last_build() {
    let (key, deb) = (Key::new(), half());
    let server = Rebuilder::confirming(&key, [&deb]).serve_as_an_old_one();
    let world = World::new();
    world.impatient_policy(1);
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    let file = world.put(&deb).display().to_string();
    let explained = explain(&world, &[&file]);
    explained.assert_code(0);
    let expected = ["alpha's last build (not signed): undated build 1: reproduced, not attested"];
    assert_eq!(builds(&explained.stdout), expected);
}

/// Whatever it tells, it is bounded, plain text, and changes no judgement.
#[test]
fn a_hostile_list_of_builds_is_shown_plainly_or_not_at_all() {
    let (key, deb) = (Key::new(), half());
    let nonsense = [
        r#"{"total":1e3,"records":[]}"#.to_owned(),
        r#"{"total":1,"records":[{"id":1}]}"#.to_owned(),
        "[".repeat(10_000),
        "\u{1b}[2J".to_owned(),
        format!(r#"{{"total":18446744073709551615,"records":[{}]}}"#, vec![
            r#"{"id":9007199254740993,"name":"src-half","version":"2.0-1","architecture":"all","built_at":"\u001b[2J9999-99-99T99:99:99","status":"\u001b]0;x"}"#;
            500
        ].join(",")),
    ];
    for (at, nonsense) in nonsense.into_iter().enumerate() {
        let rebuilder = Rebuilder::confirming(&key, [&deb]);
        let server =
            common::server::Server::start(move |target| match target.contains("/v1/builds?") {
                true => Reply::json(nonsense.clone()),
                false => rebuilder.answer(target),
            });
        let world = World::new();
        world.impatient_policy(1);
        world.rebuilder("alpha", &key, &[server.endpoint()]);
        let file = world.put(&deb).display().to_string();
        let explained = explain(&world, &[&file]);
        explained.assert_code(0);
        let lines = builds(&explained.stdout);
        let is_plain = |it: &&str| it.starts_with("alpha's builds are unknown: ");
        assert!(lines.len() <= 1 && lines.iter().all(is_plain), "{at}: {lines:?}");
        // A reader for all records of a run without an end would not be here yet.
        assert!(server.requests().len() < 60, "{at}: {}", server.requests().len());
    }
}
