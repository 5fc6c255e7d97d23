//! From a fresh installation to enforcing, with the real program: by flags and at a terminal,
//! against rebuilders on loopback, honest ones and others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::fresh::{Fresh, LIST, SOURCES, hello, other, trusting};
use crate::common::rebuilder::Rebuilder;
use crate::common::server::{Reply, Server};
use crate::common::{self, is_root, left_out, run, set_mode};

#[test]
fn flags_lead_from_fresh_to_enforcing() {
    let fresh = Fresh::new();
    let rebuilders = [
        fresh.rebuilder("alpha", &[&hello(), &other()]),
        fresh.rebuilder("beta", &[&hello(), &other()]),
        fresh.rebuilder("gamma", &[]),
    ];
    let begun = std::time::Instant::now();
    let flags = ["--threshold", "2", "--mode", "enforce", "--sources", "all", "--yes"];
    let ended = fresh.setup(&[&trusting(&rebuilders)[..], &flags].concat());
    ended.assert_code(0);
    let took = format!("setup by flags took {:?}\n", begun.elapsed());
    std::io::Write::write_all(&mut std::io::stderr(), took.as_bytes()).unwrap();
    for expected in [
        "With this policy 2 of 2 installed packages would pass.\n",
        "rebuilders.d/alpha.toml (new)\n",
        "etc/policy.toml (changed)\n",
        "apt.conf.d/01apt-quorum-strict (new)\n",
        "2 of 3 rebuilders must confirm a package.\n",
        "Next, see the state of this machine: apt-quorum status\n",
    ] {
        assert!(ended.stdout.contains(expected), "{expected:?} in {ended:?}");
    }
    assert_eq!(ended.stderr, "");
    let policy = fresh.text("etc/policy.toml");
    assert!(policy.contains("\nmode = \"enforce\"\n") && policy.contains("\nthreshold = 2\n"));
    // apt itself reads it.
    let status = fresh.status();
    assert_eq!(status["configuration"]["mode"], "enforce");
    assert_eq!(status["rebuilders"].as_array().unwrap().len(), 3);
    // The same once more is the same.
    let before = fresh.files();
    let ended = fresh.setup(&[&trusting(&rebuilders)[..], &flags].concat());
    ended.assert_code(0);
    assert!(ended.stdout.contains("Nothing needs to change."), "{ended:?}");
    assert_eq!(fresh.files(), before);
}

#[test]
fn the_dry_run_tells_who_would_be_refused_and_writes_nothing() {
    let fresh = Fresh::new();
    let rebuilders =
        [fresh.rebuilder("alpha", &[&hello(), &other()]), fresh.rebuilder("beta", &[&hello()])];
    let before = fresh.files();
    let flags = ["--threshold", "2", "--dry-run"];
    let ended = fresh.setup(&[&trusting(&rebuilders)[..], &flags].concat());
    ended.assert_code(1);
    for expected in [
        "With this policy 1 of 2 installed packages would pass, 1 would be refused.\n",
        "  refused: other 1 all: 1 of 2 required confirmations",
        "note: all 2 must confirm, so one silent",
        "Nothing was written.\n",
    ] {
        assert!(ended.stdout.contains(expected), "{expected:?} in {ended:?}");
    }
    assert_eq!(fresh.files(), before);
    let json = fresh.setup(&[&trusting(&rebuilders)[..], &flags, &["--json"]].concat()).json();
    assert_eq!(json["written"], false);
    assert_eq!(json["dry_run"]["confirmed"], 1);
    assert_eq!(json["dry_run"]["open"][0]["outlook"], "refused");
    assert_eq!(json["dry_run"]["open"][0]["package"], "other");
    assert_eq!(json["voters"], 2);
    // Whoever is silent is not whoever refuses.
    let silent = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    let nobody = common::server::Nobody::new();
    let gone = nobody.address;
    let key = fresh.machine.world.write("beta.pem", fresh.machine.keys["beta"].pem());
    let key = format!("beta={}", key.display());
    fresh.machine.world.write(
        "beta.toml",
        format!("name = \"beta\"\ndescription = \"x\"\n[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"http://{gone}/\"\n"),
    );
    let described = fresh.path("beta.toml").display().to_string();
    let id = fresh.machine.keys["beta"].id();
    fs::remove_dir_all(fresh.path("cache")).unwrap();
    let more = ["--rebuilder", &described, "--key", &key, "--fingerprint", &id];
    let ended = fresh.setup(&[&trusting(&silent)[..], &more, &flags].concat());
    ended.assert_code(3);
    assert!(ended.stdout.contains("2 undetermined"), "{ended:?}");
    assert_eq!(fresh.files(), before);
}

#[test]
fn what_no_flag_says_is_named_and_nothing_is_written() {
    let fresh = Fresh::new();
    let before = fresh.files();
    let ended = fresh.setup(&[]);
    ended.assert_code(2);
    for flag in ["--rebuilder", "--threshold", "--mode", "--sources", "--yes"] {
        assert!(ended.stderr.contains(flag), "{flag} in {ended:?}");
    }
    assert!(ended.stderr.contains("Nothing was changed."));
    let (server, word, id) = fresh.rebuilder("alpha", &[&hello()]);
    let good = [
        "--rebuilder",
        &word,
        "--fingerprint",
        &id,
        "--threshold",
        "1",
        "--mode",
        "warn",
        "--sources",
        "none",
        "--yes",
    ];
    for (missing, length) in [
        ("--rebuilder", 2),
        ("--fingerprint", 2),
        ("--threshold", 2),
        ("--mode", 2),
        ("--sources", 2),
        ("--yes", 1),
    ] {
        let at = good.iter().position(|it| *it == missing).unwrap();
        let rest = [&good[..at], &good[at + length..]].concat();
        let ended = fresh.setup(&rest);
        assert!(ended.stderr.contains(missing), "{missing} in {ended:?}");
        ended.assert_code(if missing == "--fingerprint" { 1 } else { 2 });
        assert_eq!(fresh.files(), before, "{missing}");
    }
    drop(server);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let fresh = Fresh::new();
    let (_alpha, word, id) = fresh.rebuilder("alpha", &[&hello(), &other()]);
    let wrong = "0".repeat(64);
    let before = fresh.files();
    let rest = ["--mode", "enforce", "--sources", "none", "--yes"];
    let a = word.as_str();
    for (expected, code, flags) in [
        (
            "no key here has the fingerprint",
            1,
            vec!["--rebuilder", a, "--fingerprint", &wrong, "--threshold", "1"],
        ),
        (
            "--threshold 2: no package could pass: only 1 rebuilder",
            2,
            vec!["--rebuilder", a, "--fingerprint", &id, "--threshold", "2"],
        ),
        (
            "--threshold: a threshold must be at least 1",
            2,
            vec!["--rebuilder", a, "--fingerprint", &id, "--threshold", "0"],
        ),
        (
            "alpha is named twice",
            2,
            vec!["--rebuilder", a, "--rebuilder", a, "--fingerprint", &id, "--threshold", "1"],
        ),
        ("is not a URL", 2, vec!["--rebuilder", "nobody", "--threshold", "1"]),
        (
            "no --rebuilder has this name",
            2,
            vec!["--rebuilder", a, "--key", "beta=/x", "--fingerprint", &id, "--threshold", "1"],
        ),
        (
            "write NAME=FILE",
            2,
            vec!["--rebuilder", a, "--key", "/x", "--fingerprint", &id, "--threshold", "1"],
        ),
        (
            "no http or https source of apt has this URI",
            2,
            vec![
                "--rebuilder",
                a,
                "--fingerprint",
                &id,
                "--threshold",
                "1",
                "--sources",
                "http://no.example/",
            ],
        ),
        (
            "no http or https source of apt has this URI",
            2,
            vec![
                "--rebuilder",
                a,
                "--fingerprint",
                &id,
                "--threshold",
                "1",
                "--sources",
                "http://off.example/",
            ],
        ),
    ] {
        let last = if flags.contains(&"--sources") {
            vec!["--mode", "warn", "--yes"]
        } else {
            rest.to_vec()
        };
        let ended = fresh.setup(&[flags, last].concat());
        ended.assert_code(code);
        assert!(ended.stderr.contains(expected), "{expected:?} in {ended:?}");
        assert_eq!(fresh.files(), before, "{expected}");
    }
    // Two that publish the same key are one party.
    let twin = Rebuilder::publishing(&[&fresh.machine.keys["alpha"]]).serve();
    let twin = format!("twin={}", twin.url());
    let both = ["--rebuilder", a, "--rebuilder", &twin, "--fingerprint", &id, "--threshold", "1"];
    let ended = fresh.setup(&[&both[..], &rest].concat());
    assert_ne!(ended.code, Some(0));
    assert_eq!(fresh.files(), before);
    // Without the methods apt could download nothing.
    fs::remove_file(fresh.path("methods/quorum+http")).unwrap();
    let flags = [
        "--rebuilder",
        a,
        "--fingerprint",
        &id,
        "--threshold",
        "1",
        "--mode",
        "warn",
        "--yes",
        "--sources",
        "all",
    ];
    let ended = fresh.setup(&flags);
    ended.assert_code(1);
    assert!(ended.stderr.contains("apt could download nothing"), "{ended:?}");
    assert_eq!(fresh.files(), before);
    // Somebody else has put something in the place of apt's methods.
    set_mode(&fresh.machine.world.write("methods/quorum+http", ""), 0o755);
    let conf =
        fresh.machine.world.write("apt.conf.d/50x", "Dir::Bin::Methods::http \"/usr/bin/x\";\n");
    let ended = fresh.setup(&flags);
    ended.assert_code(1);
    assert!(ended.stderr.contains("replaces a method with /usr/bin/x"), "{ended:?}");
    fs::remove_file(conf).unwrap();
    // A configuration that apt does not go by has nothing to do with apt's sources.
    let elsewhere = fresh.path("elsewhere");
    common::copy_safely(&fresh.path("etc"), &elsewhere);
    let ended = fresh.setup(&[&flags[..], &["--config", elsewhere.to_str().unwrap()]].concat());
    ended.assert_code(2);
    assert!(ended.stderr.contains("apt does not use the configuration"), "{ended:?}");
}

#[test]
fn a_hostile_server_reaches_neither_the_terminal_nor_the_files() {
    let fresh = Fresh::new();
    let before = fresh.files();
    let pem = fresh.machine.keys["alpha"].pem();
    for body in [
        serde_json::json!({ "current": [format!("{pem}\u{1b}]0;x\u{7}")] }).to_string(),
        serde_json::json!({ "current": ["\u{1b}[2J"] }).to_string(),
        "\u{1b}[2J<html>".to_owned(),
    ] {
        let server = Server::start(move |_| Reply::json(body.clone()));
        let word = format!("alpha={}", server.url());
        let id = fresh.machine.keys["alpha"].id();
        let flags = [
            "--rebuilder",
            &word,
            "--fingerprint",
            &id,
            "--threshold",
            "1",
            "--mode",
            "enforce",
            "--sources",
            "none",
            "--yes",
        ];
        fresh.setup(&flags).assert_code(3);
        let mut terminal = fresh.at_terminal(&[]);
        terminal.expect("Numbers, names or URLs").send(&format!("{word}\n"));
        terminal.expect("is left out: ").expect("Numbers, names or URLs").send("\u{4}");
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(1), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
        assert_eq!(fresh.files(), before);
    }
}

#[test]
fn named_sources_are_rewritten_and_the_others_stay() {
    let fresh = Fresh::new();
    let rebuilders = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    set_mode(&fresh.path("sources.list"), 0o600);
    let flags = [
        "--threshold",
        "1",
        "--mode",
        "warn",
        "--yes",
        "--no-dry-run",
        "--sources",
        "https://a.example/debian",
        "--sources",
        "http://c.example/",
    ];
    let ended = fresh.setup(&[&trusting(&rebuilders)[..], &flags].concat());
    ended.assert_code(0);
    assert!(!ended.stdout.contains("secret"), "{ended:?}");
    assert!(!ended.stdout.contains("installed package"), "{ended:?}");
    for told in ["http://off.example/", "cdrom:[Debian]/", "file:/srv/archive"] {
        assert!(ended.stdout.contains(&format!("  -  {told} (")), "{told} in {ended:?}");
    }
    let expected = SOURCES.replace("https://a.", "quorum+https://a.");
    assert_eq!(fresh.text("sources.list.d/debian.sources"), expected);
    assert_eq!(fresh.text("sources.list"), LIST.replace("http://a:", "quorum+http://a:"));
    let mode = fs::metadata(fresh.path("sources.list")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "a password stays for root to read");
    assert_eq!(fs::read_dir(fresh.path("apt.conf.d")).unwrap().count(), 0);
    // What was done once is as it should be.
    let before = fresh.files();
    let one = ["--yes", "--no-dry-run", "--sources", "https://a.example/debian"];
    let both = [&one[..], &["--sources", "http://c.example/"]].concat();
    let ended = fresh.setup(&both);
    ended.assert_code(0);
    assert!(ended.stdout.contains("Nothing needs to change."), "{ended:?}");
    assert_eq!(fresh.files(), before);
    // Exactly those that are named, and no others.
    let ended = fresh.setup(&one);
    ended.assert_code(0);
    let said = "apt-quorum no longer checks downloads from http://c.example/.\n";
    assert!(ended.stdout.contains(said) && !ended.stdout.contains("secret"), "{ended:?}");
    assert_eq!(fresh.text("sources.list"), LIST);
    assert_eq!(fresh.text("sources.list.d/debian.sources"), expected);
    let all = fresh.setup(&["--yes", "--no-dry-run", "--sources", "all"]);
    all.assert_code(0);
    let less = fresh.setup(&one);
    let said = "apt-quorum no longer checks downloads from other sources.\n";
    assert!(less.assert_code(0).stdout.contains(said), "{less:?}");
    assert!(!fresh.path("apt.conf.d/01apt-quorum-strict").exists());
    fresh.setup(&["--yes", "--no-dry-run", "--sources", "none"]).assert_code(0);
    assert_eq!(fresh.text("sources.list.d/debian.sources"), SOURCES);
}

/// As apt reads them (`ParseQuoteWord`): a URI in quotes, with spaces in brackets, with escapes.
#[test]
fn quoted_sources_are_named_as_apt_reads_them_and_stay_quoted() {
    let fresh = Fresh::new();
    let rebuilders = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    let list = "deb [trusted=yes] \"http://q.example/x y/\" stable main\n\
        deb http://e.example/d%65b stable main\n\
        deb http://b.example/[x y]/d stable main\n\
        deb \"http://left.example/\" stable main\n";
    fs::write(fresh.path("sources.list"), list).unwrap();
    let flags = ["--threshold", "1", "--mode", "warn", "--yes", "--no-dry-run"];
    let named = [
        "--sources",
        "http://q.example/x y",
        "--sources",
        "http://e.example/deb",
        "--sources",
        "http://b.example/[x y]/d",
    ];
    let all = [&trusting(&rebuilders)[..], &flags, &named].concat();
    fresh.setup(&all).assert_code(0);
    let expected = list
        .replace("\"http://q.", "\"quorum+http://q.")
        .replace("http://e.", "quorum+http://e.")
        .replace("http://b.", "quorum+http://b.");
    assert_eq!(fresh.text("sources.list"), expected);
    // As it is written in the file it is known, too.
    let again = ["--yes", "--no-dry-run", "--sources", "\"http://left.example/\""];
    fresh.setup(&[&again[..], &named].concat()).assert_code(0);
    let expected = expected.replace("\"http://left.", "\"quorum+http://left.");
    assert_eq!(fresh.text("sources.list"), expected);
}

#[test]
fn a_configured_machine_keeps_what_it_has_and_gets_more() {
    let fresh = Fresh::new();
    let first = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    let flags = ["--threshold", "1", "--mode", "warn", "--sources", "none", "--yes"];
    fresh.setup(&[&trusting(&first)[..], &flags].concat()).assert_code(0);
    let policy = fresh.text("etc/policy.toml");
    let ruled = format!("{policy}\n[[rule]]\npackage = [\"x\"]\nthreshold = 1\n");
    fresh.machine.world.policy(&ruled);
    fresh
        .machine
        .world
        .exception("[[exception]]\npackage = [\"y\"]\nreason = \"z\"\nexpires = 2099-01-01\n");
    let alpha = fresh.text("etc/rebuilders.d/alpha.toml");
    let exception = fresh.text("etc/exceptions.d/test.toml");
    // Without another word, only what is named changes.
    let more = [fresh.rebuilder("beta", &[&hello(), &other()])];
    let both = [&trusting(&first)[..], &trusting(&more)].concat();
    let ended = fresh.setup(&[&both[..], &["--threshold", "2", "--yes"]].concat());
    ended.assert_code(0);
    assert!(ended.stdout.contains("  rebuilder  alpha\n"), "{ended:?}");
    assert_eq!(fresh.text("etc/rebuilders.d/alpha.toml"), alpha);
    assert_eq!(fresh.text("etc/exceptions.d/test.toml"), exception);
    assert_eq!(fresh.text("etc/policy.toml"), ruled.replacen("threshold = 1", "threshold = 2", 1));
    let ended = fresh.setup(&["--mode", "enforce", "--yes", "--no-dry-run"]);
    ended.assert_code(0);
    assert!(fresh.text("etc/policy.toml").contains("mode = \"enforce\""));
    // Lower is possible, and said.
    let ended = fresh.setup(&["--threshold", "1", "--yes", "--no-dry-run"]);
    ended.assert_code(0);
    assert!(ended.stdout.contains("the threshold was 2 until now, which is more"), "{ended:?}");
    // Who is not in a list is none any more. That is said before.
    let ended = fresh.setup(&[&trusting(&more)[..], &["--yes", "--no-dry-run"]].concat());
    ended.assert_code(0);
    let said = "alpha is not in the list and will no longer be a rebuilder.\n";
    assert!(ended.stdout.contains(said), "{ended:?}");
    assert!(ended.stdout.contains("Files to delete:\n"), "{ended:?}");
    assert!(!fresh.path("etc/rebuilders.d/alpha.toml").exists());
    assert_eq!(fresh.text("etc/exceptions.d/test.toml"), exception);
}

#[test]
fn a_write_that_fails_leaves_everything_as_it_was() {
    if !is_root() {
        return left_out("a directory that cannot be written, as root");
    }
    let fresh = Fresh::new();
    let rebuilders = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    let flags = ["--threshold", "1", "--mode", "enforce", "--yes", "--no-dry-run"];
    let before = fresh.files();
    // Directories cannot take a file that is prepared; files, which are put in place one after the
    // other, fail when some are in place already. The policy is the last.
    for refused in [
        "sources.list.d",
        "etc/rebuilders.d",
        "sources.list",
        "sources.list.d/debian.sources",
        "etc/policy.toml",
    ] {
        let path = fresh.path(refused);
        let immutable = |flag: &str| Command::new("chattr").arg(flag).arg(&path).output();
        if !immutable("+i").is_ok_and(|it| it.status.success()) {
            return left_out("files that cannot be changed: chattr does not work here");
        }
        let more = ["--sources", "https://a.example/debian/", "--sources", "http://c.example/"];
        let ended = fresh.setup(&[&trusting(&rebuilders)[..], &flags, &more].concat());
        assert!(immutable("-i").unwrap().status.success());
        ended.assert_code(1);
        assert!(ended.stderr.contains("nothing was changed"), "{refused}: {ended:?}");
        assert_eq!(fresh.files(), before, "{refused}");
    }
}

#[test]
fn who_is_not_asked_about_an_architecture_does_not_count_for_it() {
    let fresh = Fresh::new();
    let rebuilders = [
        fresh.rebuilder("alpha", &[&hello(), &other()]),
        fresh.rebuilder("beta", &[&hello(), &other()]),
    ];
    let amd64 = ["--architecture", "amd64", "--mode", "warn", "--sources", "none"];
    let all = [&trusting(&rebuilders)[..], &amd64].concat();
    let ended = fresh.setup(&[&all[..], &["--threshold", "2", "--dry-run"]].concat());
    assert!(
        ended.stdout.contains(
            "note: no package of the architecture all can pass: no rebuilder can confirm"
        ),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("(only amd64)\n"), "{ended:?}");
    let ended = fresh.setup(&[&all[..], &["--threshold", "2", "--json", "--yes"]].concat());
    ended.assert_code(0);
    let json = ended.json();
    assert_eq!((&json["written"], &json["threshold"]), (&true.into(), &2.into()));
    assert_eq!(json["rebuilders"][0]["new"], true);
    assert_eq!(json["rebuilders"][0]["keys"][0], rebuilders[0].2.as_str());
    assert_eq!(json["files"].as_array().unwrap().len(), 3);
    assert!(fresh.text("etc/rebuilders.d/beta.toml").contains("architectures = [\"amd64\"]"));
    // Nobody is left who could be a third.
    let ended = fresh.setup(&["--threshold", "3", "--yes"]);
    ended.assert_code(2);
    // What is only for other machines is left out, and what has nothing else is no rebuilder here.
    fresh.machine.world.write(
        "gamma.toml",
        "name = \"gamma\"\ndescription = \"x\"\n[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"http://127.0.0.1:9/\"\narchitectures = [\"arm64\"]\n",
    );
    let gamma = fresh.path("gamma.toml").display().to_string();
    let ended = fresh.setup(&["--rebuilder", &gamma, "--yes"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("no endpoint for this machine's architectures"), "{ended:?}");
}

#[test]
fn questions_lead_from_fresh_to_enforcing() {
    let fresh = Fresh::new();
    let (a, alpha, a_id) = fresh.rebuilder("alpha", &[&hello(), &other()]);
    let (_b, beta, b_id) = fresh.rebuilder("beta", &[&hello(), &other()]);
    let (_c, gamma, c_id) = fresh.rebuilder("gamma", &[]);
    fresh.machine.world.write(
        "shipped/alpha.toml",
        format!("name = \"alpha\"\ndescription = \"the \\u001b[2J first\"\n[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{}\"\n", a.url()),
    );
    let mut terminal = fresh.at_terminal(&[]);
    terminal
        .expect("  1  alpha: the ?[2J first")
        .expect("Numbers, names or URLs, with spaces between them: ");
    terminal.send("\n");
    terminal.expect("At least one is needed").expect("between them: ");
    terminal.send(&format!("1 {beta} {gamma} {alpha}\n"));
    terminal.expect(&a_id).expect("Trust this key as alpha's? Type yes: ").send("yes\n");
    terminal.expect(&b_id).expect("Trust this key as beta's? Type yes: ").send("y\n");
    terminal.expect("Type yes or no").expect("Type yes: ").send("no\n");
    terminal.expect("beta is left out");
    terminal.expect(&c_id).expect("Type yes: ").send("yes\n");
    terminal.expect("it was chosen already").expect("[done] ").send(&format!("{beta}\n"));
    terminal.expect("Type yes: ").send("yes\n").expect("[done] ").send("\n");
    terminal.expect("3 rebuilders can confirm").expect("must confirm a package? [2] ").send("4\n");
    terminal.expect("no package could pass").expect("[2] ").send("two\n");
    terminal.expect("Type a number").expect("[2] ").send("\n");
    terminal.expect("asks the rebuilders about each. [yes] ").send("\n");
    terminal.expect("With this policy 2 of 2 installed packages would pass.");
    terminal.expect("Mode, enforce or warn? [enforce] ").send("\n");
    terminal
        .expect("  1  http://c.example/ (")
        .expect("  2  https://a.example/debian/ (")
        .expect("  3  http://b.example/security (");
    terminal.expect("http://off.example/ (").expect("is disabled");
    terminal
        .expect("[all] ")
        .send("9\n")
        .expect("numbers of the list")
        .expect("[all] ")
        .send("1, 3\n");
    terminal.expect("debian.sources (changed)").expect("Write this? Type yes: ");
    let before = fresh.files();
    assert!(!before.keys().any(|it| it.ends_with("alpha.toml")), "nothing is written before");
    terminal.send("yes\n").expect("Written.").expect("apt-quorum status");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains('\u{1b}'), "{shown}");
    let expected = SOURCES.replace("http://b.", "quorum+http://b.");
    assert_eq!(fresh.text("sources.list.d/debian.sources"), expected);
    assert!(fresh.text("etc/policy.toml").contains("\nmode = \"enforce\"\n"));
    assert_eq!(fresh.status()["rebuilders"].as_array().unwrap().len(), 3);

    // Once more: what is there is shown, and proposed.
    let before = fresh.files();
    let mut terminal = fresh.at_terminal(&["--no-dry-run"]);
    terminal.expect("  rebuilder  beta").expect("[done] ").send("\n");
    terminal.expect("the threshold was 2 until now").expect("[2] ").send("\n");
    terminal.expect("[enforce] ").send("\n").expect("is checked during download already");
    terminal.expect("Which more sources? all, none, or their numbers [all] ").send("none\n");
    terminal.expect("Nothing needs to change.");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(fresh.files(), before);
}

#[test]
fn whoever_leaves_at_any_question_leaves_everything_as_it_was() {
    let fresh = Fresh::new();
    let (_a, alpha, _) = fresh.rebuilder("alpha", &[&hello(), &other()]);
    let before = fresh.files();
    let steps = [
        ("between them: ", format!("{alpha}\n")),
        ("as alpha's? Type yes: ", "yes\n".to_owned()),
        ("[done] ", "\n".to_owned()),
        ("must confirm a package? [1] ", "\n".to_owned()),
        ("about each. [yes] ", "\n".to_owned()),
        ("enforce or warn? [enforce] ", "\n".to_owned()),
        ("their numbers [all] ", "\n".to_owned()),
        ("Write this? Type yes: ", "no\n".to_owned()),
    ];
    for (stop, _) in steps.iter().enumerate() {
        for last in ["\u{3}", "\u{4}"] {
            let mut terminal = fresh.at_terminal(&[]);
            for (question, answer) in &steps[..stop] {
                terminal.expect(question).send(answer);
            }
            terminal.expect(steps[stop].0).send(last).expect("nothing was changed.");
            let (code, shown) = terminal.end();
            assert_eq!(code, Some(1), "{shown}");
            assert_eq!(fresh.files(), before, "{shown}");
        }
    }
    let mut terminal = fresh.at_terminal(&[]);
    for (question, answer) in &steps {
        terminal.expect(question).send(answer);
    }
    assert_eq!(terminal.end().0, Some(1));
    assert_eq!(fresh.files(), before);
}

#[test]
fn a_reset_leads_back_to_what_the_package_ships() {
    let fresh = Fresh::new();
    let shipped = include_str!("../../apt-conf/apt-quorum/policy.toml");
    let rebuilders = [fresh.rebuilder("alpha", &[&hello(), &other()])];
    let flags = ["--threshold", "1", "--mode", "enforce", "--sources", "all", "--yes"];
    fresh.setup(&[&trusting(&rebuilders)[..], &flags].concat()).assert_code(0);
    let list = LIST.replace("http://a:", "quorum+http://a:");
    fs::write(fresh.path("sources.list"), &list).unwrap();
    fresh
        .machine
        .world
        .exception("[[exception]]\npackage = [\"y\"]\nreason = \"z\"\nexpires = 2099-01-01\n");
    let before = fresh.files();
    let asked = fresh.setup(&["--reset"]);
    asked.assert_code(2);
    for told in [
        "alpha will no longer be a rebuilder.\n",
        "Files to delete:\n",
        "exceptions.d/test.toml\n",
        "01apt-quorum-strict\n",
        "apt-quorum no longer checks downloads from http://c.example/.\n",
        "every package passes unchecked.\n",
    ] {
        assert!(asked.stdout.contains(told), "{told:?} in {asked:?}");
    }
    assert_eq!(fresh.files(), before);
    let dry = fresh.setup(&["--reset", "--dry-run", "--json"]).json();
    assert_eq!((&dry["changed"], &dry["written"]), (&true.into(), &false.into()));
    assert_eq!(fresh.files(), before);
    let mut terminal = fresh.at_terminal(&["--reset"]);
    terminal.expect("Go back to the shipped configuration? Type yes: ").send("no\n");
    assert_eq!(terminal.end().0, Some(1));
    assert_eq!(fresh.files(), before);
    // Where nothing works any more, this does.
    fresh.machine.world.write("etc/rebuilders.d/alpha.toml", "name = ");
    let ended = fresh.setup(&["--reset", "--yes", "--json"]);
    ended.assert_code(0);
    assert_eq!(ended.json()["changed"], true);
    assert_eq!(fresh.text("etc/policy.toml"), shipped);
    assert_eq!(fresh.text("sources.list"), LIST);
    assert_eq!(fs::read_dir(fresh.path("apt.conf.d")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(fresh.path("etc/exceptions.d")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(fresh.path("etc/rebuilders.d")).unwrap().count(), 0);
    let again = fresh.setup(&["--reset", "--yes", "--json"]);
    assert_eq!(again.assert_code(0).json()["changed"], false);
    fresh.setup(&["--reset", "--mode", "warn"]).assert_code(2);
}

#[test]
fn what_a_person_changed_in_an_override_is_not_taken_back() {
    let fresh = Fresh::new();
    fresh.machine.world.write("apt.conf.d/01apt-quorum-strict", "# mine\n");
    let before = fresh.files();
    let ended = fresh.setup(&["--reset", "--yes"]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("exists with other content"), "{ended:?}");
    assert_eq!(fresh.files(), before);
}

/// A description of the whole configuration, as configuration management writes it.
fn description(fresh: &Fresh) -> String {
    let pem = |name: &str| fresh.machine.keys[name].pem();
    fresh.machine.world.write("described/beta.pem", pem("beta"));
    format!(
        "mode = \"enforce\"\nthreshold = 2\nsources = [\"https://a.example/debian/\"]\n\
         [network]\nanswer_timeout = 2\ntotal_timeout = 4\n\
         [[rule]]\npackage = [\"x\"]\nthreshold = 1\n\
         [[rebuilder]]\nname = \"alpha\"\n[[rebuilder.key]]\ntype = \"ed25519\"\npublic = \"\"\"\n{}\"\"\"\n\
         [[rebuilder.endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"http://127.0.0.1:9/\"\n\
         [[rebuilder]]\nname = \"beta\"\n[[rebuilder.key]]\ntype = \"ed25519\"\nfile = \"beta.pem\"\n\
         [[exception]]\nid = \"kernel\"\npackage = [\"y\"]\nversion = [\"1\"]\nreason = \"z\"\nexpires = 2099-01-01\n",
        pem("alpha")
    )
}

#[test]
fn a_file_describes_everything_and_twice_is_once() {
    let fresh = Fresh::new();
    // What is there and not described goes.
    let gone = [fresh.rebuilder("gamma", &[&hello()])];
    let flags = ["--threshold", "1", "--mode", "warn", "--sources", "all", "--yes", "--no-dry-run"];
    fresh.setup(&[&trusting(&gone)[..], &flags].concat()).assert_code(0);
    fresh
        .machine
        .world
        .exception("[[exception]]\npackage = [\"*\"]\nreason = \"z\"\nexpires = 2099-01-01\n");
    fs::create_dir(fresh.path("described")).unwrap();
    let text = description(&fresh);
    let file = fresh.machine.world.write("described/all.toml", &text).display().to_string();
    let from = ["--from", &file];
    let before = fresh.files();
    let asked = fresh.setup(&from);
    asked.assert_code(2);
    assert!(asked.stdout.contains("gamma will no longer be a rebuilder.\n"), "{asked:?}");
    let dry = fresh.setup(&[&from[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry.assert_code(0).json()["changed"], true);
    assert_eq!(fresh.files(), before);

    let ended = fresh.setup(&[&from[..], &["--yes", "--json"]].concat());
    let json = ended.assert_code(0).json();
    assert_eq!((&json["changed"], &json["written"]), (&true.into(), &true.into()));
    assert_eq!((&json["mode"], &json["threshold"]), (&"enforce".into(), &2.into()));
    let names: Vec<&str> = json["rebuilders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["alpha", "beta"]);
    assert!(!fresh.path("etc/rebuilders.d/gamma.toml").exists());
    assert!(!fresh.path("etc/exceptions.d/test.toml").exists());
    assert!(!fresh.path("apt.conf.d/01apt-quorum-strict").exists());
    assert_eq!(fresh.text("etc/rebuilders.d/beta.pem"), fresh.machine.keys["beta"].pem());
    let expected = SOURCES.replace("https://a.", "quorum+https://a.");
    assert_eq!(fresh.text("sources.list.d/debian.sources"), expected);
    let head = "# Written by apt-quorum setup --from: change the file that it was given.\n";
    assert!(fresh.text("etc/exceptions.d/setup.toml").starts_with(head));
    let mut list = fresh.machine.world.command();
    let list = run(list.args(["exception", "list"]));
    assert!(list.stdout.starts_with("kernel: package \"y\", version \"1\": z ("), "{list:?}");

    let before = fresh.files();
    let again = fresh.setup(&[&from[..], &["--yes", "--json"]].concat());
    let json = again.assert_code(0).json();
    assert_eq!((&json["changed"], &json["files"]), (&false.into(), &serde_json::json!([])));
    assert!(fresh.setup(&from).assert_code(0).stdout.contains("Nothing needs to change."));
    assert_eq!(fresh.files(), before);
    // A comment is a person's, and means nothing else.
    let policy = fresh.text("etc/policy.toml") + "# a word\n";
    fresh.machine.world.policy(&policy);
    assert_eq!(fresh.setup(&[&from[..], &["--json"]].concat()).json()["changed"], false);

    // Each part by itself.
    for (was, new) in [
        ("threshold = 2", "threshold = 1"),
        ("url = \"http://127.0.0.1:9/\"", "url = \"http://127.0.0.1:10/\""),
        ("id = \"kernel\"", "id = \"other\""),
        ("[\"https://a.example/debian/\"]", "\"all\""),
        ("[\"https://a.example/debian/\"]", "\"none\""),
    ] {
        fresh.machine.world.write("described/all.toml", text.replacen(was, new, 1));
        for changed in [true, false] {
            let json = fresh.setup(&[&from[..], &["--yes", "--json"]].concat()).json();
            assert_eq!(json["changed"], changed, "{new}");
        }
        fresh.machine.world.write("described/all.toml", &text);
        fresh.setup(&[&from[..], &["--yes"]].concat()).assert_code(0);
    }
    // What it is silent about stays.
    let less = text.split("[[exception]]").next().unwrap().replacen("sources =", "#", 1);
    fresh.machine.world.write("described/all.toml", &less);
    let json = fresh.setup(&[&from[..], &["--yes", "--json"]].concat()).json();
    assert_eq!(json["changed"], false);
    fresh.machine.world.write("described/all.toml", format!("exception = []\n{less}"));
    fresh.setup(&[&from[..], &["--yes"]].concat()).assert_code(0);
    assert_eq!(fs::read_dir(fresh.path("etc/exceptions.d")).unwrap().count(), 0);
}

#[test]
fn what_a_file_describes_wrongly_changes_nothing() {
    let fresh = Fresh::new();
    fs::create_dir(fresh.path("described")).unwrap();
    let text = description(&fresh);
    let file = fresh.path("described/all.toml").display().to_string();
    fresh.machine.world.make_directory("described/sub");
    fresh.machine.world.write("described/sub/beta.pem", fresh.machine.keys["alpha"].pem());
    let before = fresh.files();
    for (was, new, said) in [
        ("threshold = 2", "threshold = 3", "threshold is 3, but there are only 2 rebuilders"),
        ("threshold = 2", "treshold = 2", "unknown key"),
        ("mode =", "mode", "described/all.toml"),
        ("name = \"beta\"", "name = \"alpha\"", "rebuilder alpha is there twice"),
        ("name = \"beta\"", "name = \"../x\"", "[[rebuilder]] needs a name"),
        ("file = \"beta.pem\"", "file = \"no.pem\"", "no.pem"),
        ("file = \"beta.pem\"", "file = \"all.toml\"", "does not end in .toml"),
        ("[\"https://a.example/debian/\"]", "\"some\"", "sources must be"),
        ("[\"https://a.example/debian/\"]", "[\"http://no.example/\"]", "no http or https source"),
        ("expires = 2099-01-01", "", "expires is missing"),
        (
            "[[exception]]",
            "[[rebuilder]]\nname = \"c\"\n[[rebuilder.key]]\ntype = \"ed25519\"\nfile = \"sub/beta.pem\"\n[[exception]]",
            "two different files with keys are called beta.pem",
        ),
    ] {
        fresh.machine.world.write("described/all.toml", text.replacen(was, new, 1));
        let ended = fresh.setup(&["--from", &file, "--yes"]);
        ended.assert_code(2);
        assert!(ended.stderr.contains(said), "{said:?} in {ended:?}");
        assert_eq!(fresh.files(), before, "{new}");
    }
    // What others could have written is no description.
    let path = fresh.machine.world.write("described/all.toml", &text);
    set_mode(&path, 0o666);
    fresh.setup(&["--from", &file, "--yes"]).assert_code(2);
    assert_eq!(fresh.files(), before);
    set_mode(&path, 0o644);
    fresh.setup(&["--from", &file, "--mode", "warn"]).assert_code(2);
    // The way out of a configuration with mistakes.
    fresh.machine.world.policy("mode = 1\n");
    fresh.setup(&["--from", &file, "--yes"]).assert_code(0);
}
