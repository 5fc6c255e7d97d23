//! Adding, refreshing and removing rebuilders, with the real program: whom it believes, and what it
//! writes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use apt_quorum::config::{self, Description};
use apt_quorum::sys::secure::Trusted;

use crate::common::dialogue::Terminal;
use crate::common::rebuilder::{Rebuilder, hello};
use crate::common::server::{Reply, Server};
use crate::common::{self, Ended, Key, World, is_root, left_out, run, set_mode};

/// `apt-quorum rebuilder ARGUMENTS --config ...`
fn command(world: &World, arguments: &[&str]) -> Command {
    let mut command = world.command();
    command.arg("rebuilder").args(arguments).arg("--config").arg(world.path("etc"));
    command
}

fn rebuilder(world: &World, arguments: &[&str]) -> Ended {
    let ended = run(&mut command(world, arguments));
    ended.assert_plain();
    ended
}

/// A world with one rebuilder and a threshold of 1.
fn with_alpha() -> (World, Key) {
    let world = World::new();
    world.policy(
        "mode = \"enforce\"\nthreshold = 1\n\n[network]\nanswer_timeout = 2\ntotal_timeout = 4\n",
    );
    let key = Key::new();
    world.rebuilder("alpha", &key, &[]);
    (world, key)
}

/// Every file of the configuration with what is in it.
fn files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, found),
                false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&world.path("etc"), &mut found);
    found
}

fn text(world: &World, name: &str) -> String {
    fs::read_to_string(world.path(name)).unwrap()
}

fn check(world: &World) -> Ended {
    run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")))
}

/// The ids that `rebuilder list` shows.
fn ids(world: &World, name: &str) -> Vec<String> {
    let list = rebuilder(world, &["list", "--json"]).json();
    let all = list["rebuilders"].as_array().unwrap();
    let one = all.iter().find(|it| it["name"] == name);
    let keys = one.map(|it| it["keys"].as_array().unwrap().clone()).unwrap_or_default();
    keys.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// `add URL --name beta`, with fingerprints of these keys.
fn add(world: &World, url: &str, keys: &[&Key], more: &[&str]) -> Ended {
    let ids: Vec<String> = keys.iter().map(|key| key.id()).collect();
    let mut arguments = vec!["add", url, "--name", "beta", "--yes"];
    for id in &ids {
        arguments.extend(["--fingerprint", id]);
    }
    arguments.extend(more);
    rebuilder(world, &arguments)
}

#[test]
fn a_rebuilder_that_was_added_counts() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let mut rebuilder = Rebuilder::publishing(&[&key]);
    rebuilder.build(&hello(), "GOOD", Some(hello().link(&key)));
    let server = rebuilder.serve();
    world.verify(&hello()).assert_code(1);

    let ended = add(&world, &server.url(), &[&key], &["--contact", "a \"b\" \u{1b}[2J"]);
    ended.assert_code(0);
    let shown = [
        "beta\n".to_owned(),
        "  contact   a \"b\" ?[2J\n".to_owned(),
        format!("  endpoint  rebuilderd {}\n", server.url()),
        format!("  key       ed25519 {}\n", key.id()),
        format!(
            "published by 127.0.0.1 at {}, without encryption: others on the way",
            server.url()
        ),
        "beta is now a rebuilder: ".to_owned(),
        "1 of 2 rebuilders must confirm a package.\n".to_owned(),
        "Next, check the configuration: apt-quorum config check --config ".to_owned(),
    ];
    for expected in shown {
        assert!(ended.stdout.contains(&expected), "{expected:?} in {ended:?}");
    }
    check(&world).assert_code(0);
    assert_eq!(ids(&world, "beta"), [key.id()]);
    world.verify(&hello()).assert_code(0);
    // Nobody else can write it, whatever the umask was, and everybody can read it.
    let path = world.path("etc/rebuilders.d/beta.toml");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn a_daemon_with_the_older_api_only_is_found_as_well() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve_as_an_old_one();
    // Without its slash, which is what people copy.
    add(&world, server.url().trim_end_matches('/'), &[&key], &[]).assert_code(0);
    assert_eq!(ids(&world, "beta"), [key.id()]);
    let text = text(&world, "etc/rebuilders.d/beta.toml");
    assert!(text.contains(&format!("url = \"{}\"\n", server.url())), "{text}");
}

/// What a hostile server does with a question.
type Answer = Box<dyn Fn() -> Reply + Send + Sync>;

#[test]
fn a_hostile_answer_changes_nothing_and_reaches_no_terminal() {
    let (world, _) = with_alpha();
    let elsewhere = Rebuilder::publishing(&[&Key::new()]).serve();
    let target = elsewhere.url();
    let key = Key::new();
    let list = |keys: &[String]| serde_json::json!({ "current": keys }).to_string();
    let many: Vec<String> = (0..10_000).map(|n| format!("key {n}")).collect();
    let seventeen: Vec<String> = (0..17).map(|_| Key::new().pem()).collect();
    let private =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
    let neutral = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----\n";
    let whole = |body: String| move || Reply::json(body.clone());
    let answers: Vec<(&str, i32, Answer)> = vec![
        ("larger than 65536 bytes", 3, Box::new(whole(" ".repeat(70_000)))),
        ("larger than 65536 bytes", 3, Box::new(whole(list(&many)))),
        ("more than 16 keys", 3, Box::new(whole(list(&seventeen)))),
        ("invalid list of keys", 3, Box::new(whole("<html>\u{1b}[2J".to_owned()))),
        ("invalid list of keys", 3, Box::new(whole("[".repeat(60_000)))),
        ("invalid list of keys", 3, Box::new(whole("{\"current\":[],\"current\":[]}".into()))),
        ("publishes no keys", 1, Box::new(whole(list(&[])))),
        ("publishes no keys", 1, Box::new(|| Reply::status(404))),
        ("the server gave no usable answer (HTTP 500)", 3, Box::new(|| Reply::status(500))),
        ("a private key", 3, Box::new(whole(list(&[key.pem(), private.to_owned()])))),
        ("an invalid key", 3, Box::new(whole(list(&[key.pem(), "\u{1b}]0;x\u{7}".to_owned()])))),
        ("an invalid key", 3, Box::new(whole(list(&[key.pem() + "\u{1b}[2J"])))),
        ("so weak that anybody", 3, Box::new(whole(list(&[neutral.to_owned()])))),
        ("no answer within 2 s", 3, Box::new(Reply::never)),
        (
            "redirected to another host",
            3,
            Box::new(move || Reply::Whole {
                status: 302,
                headers: vec![format!("Location: {}", target.replace("127.0.0.1", "localhost"))],
                body: Vec::new(),
            }),
        ),
    ];
    let before = files(&world);
    for (expected, code, answer) in answers {
        let server = Server::start(move |_| answer());
        let ended = add(&world, &server.url(), &[&key], &[]);
        ended.assert_code(code);
        assert!(ended.stderr.contains(expected), "{expected:?} in {ended:?}");
        assert!(ended.stderr.contains("nothing was changed"), "{ended:?}");
        assert_eq!(files(&world), before, "{expected}");
    }
    assert_eq!(elsewhere.connections(), 0);
    // A port that nobody listens on.
    let nobody = common::server::Nobody::new();
    add(&world, &format!("http://{}/", nobody.address), &[&key], &[]).assert_code(3);
    assert_eq!(files(&world), before);
}

#[test]
fn without_a_terminal_every_key_must_be_named_and_no_other() {
    let (world, _) = with_alpha();
    let (one, two, other) = (Key::new(), Key::new(), Key::new());
    let server = Rebuilder::publishing(&[&one, &two]).serve();
    let before = files(&world);
    let (a, b, c) = (one.id(), two.id(), other.id());
    let short = &a[..31];
    for (expected, code, arguments) in [
        ("no terminal: add --yes and a --fingerprint", 2, vec![]),
        ("no --fingerprint names the key", 1, vec!["--yes"]),
        ("no --fingerprint names the key", 1, vec!["--yes", "--fingerprint", &a]),
        (
            "no terminal: add --yes and a --fingerprint",
            2,
            vec!["--fingerprint", &a, "--fingerprint", &b],
        ),
        ("no key here has the fingerprint", 1, vec!["--yes", "--fingerprint", &c]),
        (
            "no key here has the fingerprint",
            1,
            vec!["--yes", "--fingerprint", &a, "--fingerprint", &b, "--fingerprint", &c],
        ),
        ("at least the first 32 digits", 2, vec!["--yes", "--fingerprint", short]),
        ("hexadecimal", 2, vec!["--yes", "--fingerprint", "\u{1b}[2J and so on and on"]),
    ] {
        let url = server.url();
        let ended = rebuilder(&world, &[&["add", &url, "--name", "beta"], &arguments[..]].concat());
        ended.assert_code(code);
        assert!(ended.stderr.contains(expected), "{expected:?} in {ended:?}");
        assert_eq!(files(&world), before, "{arguments:?}");
    }
    // As people write them down.
    let spaced: Vec<String> = a
        .to_uppercase()
        .as_bytes()
        .chunks(4)
        .map(|it| String::from_utf8_lossy(it).into())
        .collect();
    let (spaced, colons) = (spaced.join(" "), format!("{}:{}", &b[..8], &b[8..32]));
    let arguments = ["--yes", "--fingerprint", &spaced, "--fingerprint", &colons];
    rebuilder(&world, &[&["add", &server.url(), "--name", "beta"], &arguments[..]].concat())
        .assert_code(0);
    let mut found = ids(&world, "beta");
    found.sort();
    let mut expected = [a, b];
    expected.sort();
    assert_eq!(found, expected);
}

/// Runs the command at a terminal of its own where this is typed.
fn at_terminal(world: &World, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
    let mut terminal = Terminal::start(world, &command(world, arguments));
    terminal.send(typed);
    terminal.end()
}

#[test]
fn at_a_terminal_only_yes_is_yes() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let before = files(&world);
    let arguments = ["add", &server.url(), "--name", "beta"];
    for typed in ["no\n", "\n", "y\n", "YES!\n", "yes, of course\n", &"yes".repeat(100), "\u{4}"] {
        let typed =
            if typed.ends_with(['\n', '\u{4}']) { typed.to_owned() } else { format!("{typed}\n") };
        let (code, shown) = at_terminal(&world, &arguments, &typed);
        assert_eq!(code, Some(1), "{typed:?}: {shown}");
        assert!(shown.contains("Trust this key as beta's? Type yes:"), "{shown}");
        assert!(shown.contains(&key.id()), "{shown}");
        assert_eq!(files(&world), before, "{typed:?}");
    }
    let (code, shown) = at_terminal(&world, &arguments, "yes\n");
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(ids(&world, "beta"), [key.id()]);
    // --yes is for scripts, at a terminal as well.
    let (code, shown) = at_terminal(&world, &["add", &server.url(), "--yes"], "yes\n");
    assert_eq!(code, Some(1), "{shown}");

    let (code, _) = at_terminal(&world, &["remove", "beta"], "no\n");
    assert_eq!((code, ids(&world, "beta").len()), (Some(1), 1));
    let (code, _) = at_terminal(&world, &["remove", "beta"], "yes\n");
    assert_eq!(code, Some(0));
    assert_eq!(files(&world), before);
}

#[test]
fn what_is_there_already_is_not_added_again() {
    let (world, alpha) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let before = files(&world);
    let id = key.id();
    let url = server.url();
    let same = ["add", &url, "--name", "alpha", "--yes", "--fingerprint", &id];
    let ended = rebuilder(&world, &same);
    ended.assert_code(1);
    assert!(ended.stderr.contains("there is a rebuilder alpha already"), "{ended:?}");
    assert_eq!(server.connections(), 0, "asked for nothing");
    // Another one's key, be it written in another way.
    let thief = Rebuilder::publishing(&[&alpha]).serve();
    let ended = add(&world, &thief.url(), &[&alpha], &[]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("rebuilder alpha already has this key"), "{ended:?}");
    assert!(ended.stderr.contains("nothing was changed"), "{ended:?}");
    assert_eq!(files(&world), before);
    // A file of that name which is somebody else's.
    let text = format!(
        "name = \"gamma\"\n[[key]]\ntype = \"ed25519\"\npublic = \"\"\"\n{}\"\"\"\n",
        Key::new().pem()
    );
    world.write("etc/rebuilders.d/beta.toml", text);
    let before = files(&world);
    let ended = add(&world, &url, &[&key], &[]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("beta.toml already exists"), "{ended:?}");
    assert_eq!(files(&world), before);
}

#[test]
fn a_configuration_that_is_broken_is_not_touched() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    world.exception("[[exception]]\nreason = 1\n");
    let before = files(&world);
    let ended = add(&world, &server.url(), &[&key], &[]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("exceptions.d/test.toml:2:10"), "{ended:?}");
    assert!(ended.stderr.contains("fix the configuration first"), "{ended:?}");
    rebuilder(&world, &["remove", "alpha", "--yes"]).assert_code(2);
    rebuilder(&world, &["refresh"]).assert_code(2);
    assert_eq!(files(&world), before);
    assert_eq!(server.connections(), 0);
}

#[test]
fn who_may_read_the_configuration_and_not_write_it_changes_nothing() {
    let Some(user) = nix::unistd::User::from_name("nobody").unwrap().filter(|_| is_root()) else {
        return left_out("only root can run the program as somebody else");
    };
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let program = world.path("apt-quorum");
    common::copy_of_program(&program);
    let before = files(&world);
    let (url, id) = (server.url(), key.id());
    for arguments in [
        &["add", &url, "--name", "beta", "--yes", "--fingerprint", &id][..],
        &["remove", "alpha", "--yes"],
    ] {
        let mut command = world.command_of(&program);
        command.arg("rebuilder").args(arguments).arg("--config").arg(world.path("etc"));
        let ended = run(command.uid(user.uid.as_raw()).gid(user.gid.as_raw()));
        ended.assert_code(1);
        if arguments[0] == "add" {
            assert!(ended.stderr.contains("Permission denied; nothing was changed."), "{ended:?}");
            assert!(ended.stderr.contains("Run it as root"), "{ended:?}");
        }
        assert_eq!(files(&world), before);
    }
}

/// How often it is killed.
const ROUNDS: u64 = 40;

#[test]
fn killed_at_any_moment_it_leaves_the_old_or_the_new() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let (url, id) = (server.url(), key.id());
    let before = files(&world);
    let file = world.path("etc/rebuilders.d/beta.toml");
    let certificate = certificate();
    let (mut old, mut new) = (0, 0);
    for round in 0..ROUNDS {
        let pgp = certificate.to_str().unwrap();
        let by_key = ["--protocol", "rebuilderd", "--key", pgp];
        let mut arguments = vec!["add", &url, "--name", "beta", "--yes", "--fingerprint"];
        let fingerprint = fingerprint_of(&world, pgp);
        // A single file, and two of which one names the other.
        match round % 2 {
            0 => arguments.push(&id),
            _ => arguments.extend([&[&*fingerprint][..], &by_key].concat()),
        }
        let mut child = command(&world, &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // As soon as anything shows in the directory, and a little later.
        let started = std::time::Instant::now();
        let names = || fs::read_dir(world.path("etc/rebuilders.d")).unwrap().count();
        while names() == 2 && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(30));
        }
        std::thread::sleep(Duration::from_micros(round * 250));
        // The last one may come to its end.
        if round < ROUNDS - 1 {
            let _ = child.kill();
        }
        child.wait().unwrap();
        check(&world).assert_code(0);
        match file.exists() {
            false => old += 1,
            true => {
                new += 1;
                assert!(fs::read_to_string(&file).unwrap().contains("[[endpoint]]"));
            }
        }
        // What is left over is no obstacle for the next one.
        let ended = rebuilder(&world, &arguments);
        assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
        assert_eq!(ids(&world, "beta").len(), 1);
        rebuilder(&world, &["remove", "beta", "--yes"]).assert_code(0);
        for entry in fs::read_dir(world.path("etc/rebuilders.d")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with('.') {
                fs::remove_file(path).unwrap();
            }
        }
        assert_eq!(files(&world), before);
    }
    assert!(old > 0 && new > 0, "{old} of the old and {new} of the new");
}

/// A certificate of an example configuration.
fn certificate() -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good_configuration");
    directory.join("every-kind-of-key/rebuilders.d/rb.asc")
}

/// The id that is shown for the key in this file.
fn fingerprint_of(world: &World, key: &str) -> String {
    let shown = rebuilder(world, &["add", "file:///nowhere/", "--name", "shown", "--key", key]);
    let line = shown
        .stdout
        .lines()
        .find(|line| line.starts_with("  key "))
        .unwrap_or_else(|| panic!("{shown:?}"));
    line.split_ascii_whitespace().last().unwrap().to_owned()
}

#[test]
fn keys_of_every_kind_are_taken_from_files_and_read_back_the_same() {
    let (world, _) = with_alpha();
    let directory = certificate().parent().unwrap().to_owned();
    let mut seen = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") {
            continue;
        }
        let key = path.to_str().unwrap();
        let id = fingerprint_of(&world, key);
        let arguments = [
            "add",
            "file:///srv/links",
            "--name",
            "beta",
            "--key",
            key,
            "--yes",
            "--fingerprint",
            &id,
        ];
        rebuilder(&world, &arguments).assert_code(0);
        assert_eq!(ids(&world, "beta"), [id]);
        let list = rebuilder(&world, &["list"]).stdout;
        assert!(list.contains("endpoint  directory file:///srv/links/"), "{list}");
        rebuilder(&world, &["remove", "beta", "--yes"]).assert_code(0);
        assert_eq!(files(&world).len(), 3, "all of its files are gone");
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");

    // Without a key nothing vouches for these.
    for url in ["file:///srv/links", "http://127.0.0.1:9/"] {
        let ended = rebuilder(
            &world,
            &[
                "add",
                url,
                "--name",
                "b",
                "--protocol",
                if url.starts_with("file") { "directory" } else { "intoto-metadata" },
            ],
        );
        ended.assert_code(2);
        assert!(ended.stderr.contains("give it with --key FILE"), "{ended:?}");
    }
    let private = world
        .write("private.pem", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n");
    let odd = world.write("odd.pem", b"\xff\x1b[2J");
    for (path, expected) in [
        (private, "private key"),
        (odd, "not a key in text form"),
        (world.path("none"), "No such file"),
    ] {
        let ended = rebuilder(
            &world,
            &["add", "file:///x/", "--name", "b", "--key", path.to_str().unwrap()],
        );
        ended.assert_code(2);
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
}

#[test]
fn the_policy_as_shipped_becomes_one_with_a_threshold_only_when_asked() {
    let world = World::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("apt-conf/apt-quorum/policy.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    world.policy(&shipped);
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let before = files(&world);
    let ended = add(&world, &server.url(), &[&key], &[]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("--threshold 1"), "{ended:?}");
    let ended = add(&world, &server.url(), &[&key], &["--threshold", "2"]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("there is only 1 rebuilder"), "{ended:?}");
    add(&world, &server.url(), &[&key], &["--threshold", "0"]).assert_code(2);
    assert_eq!(files(&world), before);

    let ended = add(&world, &server.url(), &[&key], &["--threshold", "1"]);
    ended.assert_code(0);
    assert!(ended.stdout.contains("Nothing is refused yet"), "{ended:?}");
    check(&world).assert_code(0);
    // All else stands there as before.
    assert_eq!(text(&world, "etc/policy.toml"), shipped.replace("#threshold = 2", "threshold = 1"));

    // The next one may raise it, and none may lower it.
    let (second, third) = (Key::new(), Key::new());
    let server = Rebuilder::publishing(&[&second]).serve();
    let id = second.id();
    let url = server.url();
    rebuilder(
        &world,
        &["add", &url, "--name", "gamma", "--yes", "--fingerprint", &id, "--threshold", "2"],
    )
    .assert_code(0);
    assert!(text(&world, "etc/policy.toml").contains("\nthreshold = 2\n"));
    let server = Rebuilder::publishing(&[&third]).serve();
    let (url, id) = (server.url(), third.id());
    let ended = rebuilder(
        &world,
        &["add", &url, "--name", "delta", "--yes", "--fingerprint", &id, "--threshold", "1"],
    );
    ended.assert_code(1);
    assert!(ended.stderr.contains("only raises it"), "{ended:?}");
    assert!(ids(&world, "delta").is_empty());

    // Nor may taking one away leave a threshold that cannot be met.
    let before = files(&world);
    let ended = rebuilder(&world, &["remove", "gamma", "--yes"]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("threshold is 2, but there is only 1 rebuilder"), "{ended:?}");
    assert!(ended.stderr.contains("nothing was changed"), "{ended:?}");
    assert_eq!(files(&world), before);
}

#[test]
fn descriptions_come_without_trust_and_bring_all_their_endpoints() {
    let (world, _) = with_alpha();
    let (all, amd64) = (Key::new(), Key::new());
    let servers =
        [Rebuilder::publishing(&[&all]).serve(), Rebuilder::publishing(&[&amd64]).serve()];
    world.make_directory("descriptions");
    let conf = text(&world, "apt.conf");
    let at = world.path("descriptions").display().to_string();
    world.write("apt.conf", format!("{conf}APT::Quorum::Rebuilders \"{at}\";\n"));
    let endpoint = |at: usize, architecture: &str| {
        let url = servers[at].url();
        format!(
            "[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{url}\"\narchitectures = [\"{architecture}\"]\n"
        )
    };
    let head = "name = \"known.example\"\ndescription = \"somebody\"\n";
    let description = format!("{head}{}{}", endpoint(0, "all"), endpoint(1, "amd64"));
    world.write("descriptions/known.example.toml", &description);

    let ended = rebuilder(&world, &["add", "unknown", "--yes"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("Descriptions there:\n  known.example: somebody\n"), "{ended:?}");
    rebuilder(&world, &["add", "../descriptions/known.example", "--yes"]).assert_code(2);
    // One key of two is not enough.
    let (a, b) = (all.id(), amd64.id());
    let before = files(&world);
    rebuilder(&world, &["add", "known.example", "--yes", "--fingerprint", &b]).assert_code(1);
    assert_eq!(files(&world), before);
    let fingerprints = ["--yes", "--fingerprint", &a, "--fingerprint", &b];
    let ended = rebuilder(&world, &[&["add", "known.example"][..], &fingerprints].concat());
    ended.assert_code(0);
    assert!(ended.stdout.contains("  about     somebody\n"), "{ended:?}");
    assert_eq!(ids(&world, "known.example").len(), 2);
    let list = rebuilder(&world, &["list"]).stdout;
    assert!(list.contains("(only all)") && list.contains("(only amd64)"), "{list}");
    rebuilder(&world, &["remove", "known.example", "--yes"]).assert_code(0);

    // Or only a part of it, by path.
    let path = world.path("descriptions/known.example.toml");
    let arguments = ["add", path.to_str().unwrap(), "--name", "part", "--architecture", "amd64"];
    rebuilder(&world, &[&arguments[..], &["--yes", "--fingerprint", &b]].concat()).assert_code(0);
    assert_eq!(ids(&world, "part"), [b]);
    rebuilder(&world, &["add", path.to_str().unwrap(), "--architecture", "riscv64"]).assert_code(2);

    // A description cannot bring a key along.
    let sneaky = format!(
        "{description}[[key]]\ntype = \"ed25519\"\npublic = \"\"\"\n{}\"\"\"\n",
        Key::new().pem()
    );
    world.write("descriptions/sneaky.toml", sneaky);
    let ended = rebuilder(&world, &["add", "sneaky", "--yes"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("unknown key"), "{ended:?}");
}

#[test]
fn every_description_that_is_shipped_is_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("apt-conf/rebuilders");
    let safe = tempfile::tempdir().unwrap();
    set_mode(safe.path(), 0o755);
    common::copy_safely(&directory, safe.path());
    let names = Description::names(safe.path(), Trusted::now());
    assert_eq!(names.len(), fs::read_dir(&directory).unwrap().count());
    assert_eq!(names.len(), 6);
    let mut architectures = Vec::new();
    for name in names {
        let path = safe.path().join(format!("{name}.toml"));
        let read = Description::read(&path, Trusted::now()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(read.name, name, "it is found by its name");
        for endpoint in read.endpoints {
            assert_eq!(endpoint.url.scheme(), "https", "{name}");
            let host = endpoint.url.host_str().unwrap();
            assert_eq!(host, name.as_str());
            if name.as_str() == "reproduce.debian.net" {
                let own = endpoint.architectures.unwrap();
                let own: Vec<String> = own.iter().map(ToString::to_string).collect();
                assert_eq!(endpoint.url.path(), format!("/{}/", own.join(" ")));
                architectures.extend(own);
            }
        }
        // As a rebuilder's file it is refused: it has no key.
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("rebuilders.d")).unwrap();
        fs::write(etc.path().join("policy.toml"), "mode = \"warn\"\nthreshold = 1\n").unwrap();
        fs::copy(&path, etc.path().join("rebuilders.d/x.toml")).unwrap();
        assert!(config::load(etc.path(), Trusted::now()).is_err());
    }
    let expected = ["all", "amd64", "arm64", "armel", "armhf", "i386", "ppc64el", "riscv64"];
    assert_eq!(architectures, expected);
}

#[test]
fn refreshing_tells_of_other_keys_and_adopts_none() {
    let (world, alpha) = with_alpha();
    let (old, new) = (Key::new(), Key::new());
    let url = |server: &Server| format!("rebuilderd {}", server.url());
    let server = Rebuilder::publishing(&[&old]).serve();
    world.rebuilder("beta", &old, &[url(&server)]);
    let ended = rebuilder(&world, &["refresh", "beta"]);
    assert_eq!((ended.assert_code(0).stdout.as_str()), "beta: nothing has changed.\n");
    rebuilder(&world, &["refresh", "gamma"]).assert_code(2);
    let ended = rebuilder(&world, &["refresh"]);
    assert!(ended.assert_code(0).stdout.contains("alpha: it has no endpoint"), "{ended:?}");

    let rotated = Rebuilder::publishing(&[&new]).serve();
    world.rebuilder("beta", &old, &[url(&rotated)]);
    let before = files(&world);
    let ended = rebuilder(&world, &["refresh"]);
    ended.assert_code(1);
    for expected in [
        format!("beta: published but not trusted: ed25519 {}\n", new.id()),
        format!("apt-quorum rebuilder add-key beta --fingerprint {} --config ", new.id()),
        format!("beta: a trusted key is no longer published: ed25519 {}\n", old.id()),
    ] {
        assert!(ended.stdout.contains(&expected), "{expected:?} in {ended:?}");
    }
    let json = rebuilder(&world, &["refresh", "beta", "--json"]).json();
    assert_eq!(json["rebuilders"][0]["new"][0]["id"], new.id());
    assert_eq!(json["rebuilders"][0]["gone"][0]["id"], old.id());
    assert_eq!(files(&world), before, "nothing is adopted");

    // Another rebuilder's key is an alarm.
    let thief = Rebuilder::publishing(&[&old, &alpha]).serve();
    world.rebuilder("beta", &old, &[url(&thief)]);
    let ended = rebuilder(&world, &["refresh"]);
    assert!(ended.assert_code(1).stdout.contains("It is the key of alpha"), "{ended:?}");
    rebuilder(&world, &["add-key", "beta", "--yes", "--fingerprint", &alpha.id()]).assert_code(1);

    // With one that says nothing, no key is said to be gone.
    let silent = Server::start(|_| Reply::status(500));
    world.rebuilder("beta", &old, &[url(&silent)]);
    let ended = rebuilder(&world, &["refresh"]);
    assert!(ended.assert_code(3).stdout.contains("beta: could not be asked: "), "{ended:?}");
    world.rebuilder("beta", &old, &[url(&silent), url(&rotated)]);
    let ended = rebuilder(&world, &["refresh"]);
    assert!(!ended.assert_code(1).stdout.contains("no longer published"), "{ended:?}");
    let without = Rebuilder::default().serve();
    world.rebuilder("beta", &old, &[url(&without)]);
    let ended = rebuilder(&world, &["refresh"]);
    assert!(ended.assert_code(0).stdout.contains("nothing to compare"), "{ended:?}");
}

#[test]
fn a_new_key_is_put_behind_what_the_file_says_already() {
    let (world, _) = with_alpha();
    let (old, new) = (Key::new(), Key::new());
    let server = Rebuilder::publishing(&[&old, &new]).serve();
    world.rebuilder("beta", &old, &[server.endpoint()]);
    let file = "etc/rebuilders.d/beta.toml";
    world.write(file, format!("# mine\n{}# and this without an end", text(&world, file)));
    let was = text(&world, file);
    rebuilder(&world, &["add-key", "beta", "--yes"]).assert_code(1);
    rebuilder(&world, &["add-key", "beta", "--yes", "--fingerprint", &old.id()]).assert_code(1);
    assert_eq!(text(&world, file), was);
    rebuilder(&world, &["add-key", "beta", "--yes", "--fingerprint", &new.id()]).assert_code(0);
    assert!(
        text(&world, file).starts_with(&format!("{was}\n\n[[key]]\n# published by ")),
        "{}",
        text(&world, file)
    );
    assert_eq!(ids(&world, "beta").len(), 2);
    let ended = rebuilder(&world, &["add-key", "beta", "--yes", "--fingerprint", &new.id()]);
    assert!(ended.assert_code(0).stdout.contains("beta has no new key"), "{ended:?}");
    rebuilder(&world, &["refresh", "beta"]).assert_code(0);
    let pgp = certificate();
    let id = fingerprint_of(&world, pgp.to_str().unwrap());
    let arguments =
        ["add-key", "beta", "--key", pgp.to_str().unwrap(), "--yes", "--fingerprint", &id];
    rebuilder(&world, &arguments).assert_code(0);
    assert_eq!(ids(&world, "beta").len(), 3);
    rebuilder(&world, &["add-key", "alpha"]).assert_code(2);
}

#[test]
fn removing_takes_only_what_is_this_rebuilders_alone() {
    let (world, _) = with_alpha();
    let key = Key::new();
    world.rebuilder("beta", &key, &[]);
    world.write("elsewhere.pem", Key::new().pem());
    let more = format!(
        "[[key]]\ntype = \"ed25519\"\nfile = \"{}\"\n",
        world.path("elsewhere.pem").display()
    );
    world.write("etc/rebuilders.d/beta.toml", text(&world, "etc/rebuilders.d/beta.toml") + &more);
    let before = files(&world);
    let ended = rebuilder(&world, &["remove", "beta"]);
    ended.assert_code(2);
    assert!(
        ended.stdout.contains("beta.toml\n") && ended.stdout.contains("beta.pem\n"),
        "{ended:?}"
    );
    assert!(!ended.stdout.contains("elsewhere"), "{ended:?}");
    let gone = rebuilder(&world, &["remove", "gamma", "--yes"]);
    gone.assert_code(0);
    assert!(gone.stdout.starts_with("There is no rebuilder gamma: nothing was changed."));
    rebuilder(&world, &["remove", "../x", "--yes"]).assert_code(2);
    assert_eq!(files(&world), before);
    // A rule that needs it keeps it.
    let policy = text(&world, "etc/policy.toml");
    world.policy(&format!("{policy}[[rule]]\npackage = [\"a\"]\nrebuilders = [\"beta\"]\n"));
    let ended = rebuilder(&world, &["remove", "beta", "--yes"]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("rebuilders.d has no rebuilder beta"), "{ended:?}");
    world.policy(&policy);
    assert_eq!(files(&world), before);
    rebuilder(&world, &["remove", "beta", "--yes"]).assert_code(0);
    let names: Vec<PathBuf> = files(&world).into_keys().collect();
    let left = ["etc/policy.toml", "etc/rebuilders.d/alpha.pem", "etc/rebuilders.d/alpha.toml"];
    assert_eq!(names, left.map(|it| world.path(it)));
    assert!(world.path("elsewhere.pem").exists());
    // The last one is needed by the threshold.
    let ended = rebuilder(&world, &["remove", "alpha", "--yes"]);
    assert!(ended.assert_code(1).stderr.contains("nothing was changed"), "{ended:?}");
}

#[test]
fn as_root_the_keys_are_asked_for_by_a_process_without_privileges() {
    let Some(user) = nix::unistd::User::from_name("_apt").unwrap().filter(|_| is_root()) else {
        return left_out(
            "whether root leaves the network to another user can be seen only by root",
        );
    };
    let (world, _) = with_alpha();
    let (send, receive) = mpsc::channel();
    let send = std::sync::Mutex::new(send);
    let server = Server::start(move |_| {
        let _ = send.lock().unwrap().send(());
        Reply::never()
    });
    let mut asking = command(&world, &["add", &server.url(), "--name", "beta"]);
    let mut child = asking.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    receive.recv_timeout(Duration::from_secs(30)).unwrap();
    // Of whichever of its threads.
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().flatten();
    let children: String =
        tasks.map(|it| fs::read_to_string(it.path().join("children")).unwrap()).collect();
    let fetching: Vec<&str> = children.split_ascii_whitespace().collect();
    assert_eq!(fetching.len(), 1, "{children}");
    let status = fs::read_to_string(format!("/proc/{}/status", fetching[0])).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("Uid:"), vec![user.uid.to_string(); 4]);
    assert_eq!(line("CapEff:"), ["0000000000000000"]);
    assert_eq!(line("NoNewPrivs:"), ["1"]);
    assert_eq!(line("Seccomp:"), ["2"]);
    let sockets = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let is_socket = |path: PathBuf| {
        fs::read_link(path).is_ok_and(|it| it.to_string_lossy().starts_with("socket:"))
    };
    assert!(!sockets.filter_map(Result::ok).any(|entry| is_socket(entry.path())));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A server that has these paths and nothing else.
fn having(paths: &'static [&'static str]) -> common::server::Server {
    common::server::Server::start(move |target| match paths.contains(&target) {
        true => Reply::json("{}"),
        false => Reply::status(404),
    })
}

#[test]
fn what_a_url_speaks_is_found_out_or_asked_for() {
    for (path, protocol) in [("/api/v0/dashboard", "rebuilderd"), ("/sources/", "intoto-metadata")]
    {
        let paths: &'static [&'static str] = Box::leak(Box::new([path]));
        let server = having(paths);
        let (world, _) = with_alpha();
        let before = files(&world);
        // Its key is nowhere published, so somebody must bring it.
        let ended = rebuilder(&world, &["add", &server.url(), "--name", "beta"]);
        ended.assert_code(1);
        let expected = format!("looks like {protocol} that publishes no keys");
        assert!(ended.stderr.contains(&expected), "{ended:?}");
        assert_eq!(files(&world), before);
        let key = Key::new();
        let file = world.write("beta.pem", key.pem());
        add(&world, &server.url(), &[&key], &["--key", file.to_str().unwrap()]).assert_code(0);
        let text = text(&world, "etc/rebuilders.d/beta.toml");
        assert!(text.contains(&format!("protocol = \"{protocol}\"\n")), "{text}");
    }
    let server = having(&["/dists/"]);
    let (world, _) = with_alpha();
    let ended = rebuilder(&world, &["add", &server.url(), "--name", "beta"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("looks like an archive"), "{ended:?}");
}

#[test]
fn an_archive_is_added_with_what_of_it_counts() {
    let (world, _) = with_alpha();
    let certificate = "tests/good_configuration/every-kind-of-key/rebuilders.d/taco.asc";
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join(certificate);
    let file = world.write("zeta.asc", fs::read(certificate).unwrap());
    let id = "bbd3c908ffae54122782836a23772679e00a7f15";
    let with = |more: &[&str]| {
        let first = ["add", "https://rebuilt.example/debian", "--name", "zeta", "--yes"];
        let rest = ["--fingerprint", id, "--key", file.to_str().unwrap()];
        rebuilder(&world, &[&first[..], &rest, more].concat())
    };
    let before = files(&world);
    for more in [
        &["--protocol", "archive"][..],
        &["--protocol", "archive", "--suite", "trixie", "--component", "main"],
        &["--protocol", "rebuilderd", "--suite", "trixie"],
    ] {
        with(more).assert_code(2);
        assert_eq!(files(&world), before, "{more:?}");
    }
    let all = ["--suite", "trixie", "--component", "main", "--component", "contrib"];
    let more = [&["--protocol", "archive", "--taken-over", "main/taken-over"][..], &all].concat();
    with(&more).assert_code(0);
    check(&world).assert_code(0);
    let text = text(&world, "etc/rebuilders.d/zeta.toml");
    for line in [
        "protocol = \"archive\"\n",
        "suite = \"trixie\"\n",
        "component = [\"main\", \"contrib\"]\n",
        "taken_over = \"main/taken-over\"\n",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn the_same_once_more_is_no_change() {
    let (world, _) = with_alpha();
    let key = Key::new();
    let server = Rebuilder::publishing(&[&key]).serve();
    let url = server.url();
    let id = key.id();
    let same = ["add", &url, "--name", "beta", "--yes", "--fingerprint", &id, "--json"];
    let first = rebuilder(&world, &same).assert_code(0).json();
    assert_eq!((&first["changed"], &first["rebuilder"]), (&true.into(), &"beta".into()));
    let (before, asked) = (files(&world), server.connections());
    let again = rebuilder(&world, &same).assert_code(0).json();
    assert_eq!((&again["changed"], &again["threshold"]), (&false.into(), &1.into()));
    let by_file = world.write("beta.pem", key.pem()).display().to_string();
    let by_file = ["add", &url, "--name", "beta", "--yes", "--key", &by_file];
    let said = rebuilder(&world, &by_file);
    assert!(said.assert_code(0).stdout.contains("as described: nothing was changed."), "{said:?}");
    assert_eq!(server.connections(), asked, "asked for nothing");
    // Whatever is another one is not the same.
    let elsewhere = format!("{url}elsewhere/");
    let other = Key::new().id();
    for different in [
        ["--fingerprint", &other, "--architecture", "amd64"],
        ["--fingerprint", &id, "--architecture", "amd64"],
        ["--fingerprint", &id, "--contact", "x"],
        ["--fingerprint", &id, "--threshold", "2"],
        ["--fingerprint", &id, "--fingerprint", &other],
    ] {
        let arguments = [&["add", &url, "--name", "beta", "--yes"], &different[..]].concat();
        rebuilder(&world, &arguments).assert_code(1);
    }
    rebuilder(&world, &["add", &elsewhere, "--name", "beta", "--yes", "--fingerprint", &id])
        .assert_code(1);
    rebuilder(&world, &["add", &url, "--name", "beta", "--yes"]).assert_code(1);
    assert_eq!(files(&world), before);
    rebuilder(&world, &["remove", "beta", "--json"]).assert_code(2);
    for changed in [true, false] {
        let json = rebuilder(&world, &["remove", "beta", "--yes", "--json"]).assert_code(0).json();
        assert_eq!((&json["changed"], &json["rebuilders"][0]), (&changed.into(), &"alpha".into()));
    }
}

#[test]
fn the_last_one_goes_only_where_nothing_is_refused() {
    let (world, _) = with_alpha();
    let remove = ["remove", "alpha", "--yes"];
    let before = files(&world);
    let ended = rebuilder(&world, &remove);
    ended.assert_code(1);
    assert!(
        ended.stderr.contains("First stop refusing: apt-quorum mode warn --config "),
        "{ended:?}"
    );
    assert_eq!(files(&world), before);
    let policy = text(&world, "etc/policy.toml").replace("enforce", "warn");
    world.policy(&format!("{policy}[[rule]]\npackage = [\"a\"]\n"));
    let ended = rebuilder(&world, &remove);
    ended.assert_code(1);
    assert!(ended.stderr.contains("apt-quorum setup --reset --config "), "{ended:?}");
    world.policy(&policy);
    let asked = rebuilder(&world, &["remove", "alpha"]);
    asked.assert_code(2);
    assert!(asked.stdout.contains("every package passes unchecked"), "{asked:?}");
    rebuilder(&world, &remove).assert_code(0);
    assert_eq!(rebuilder(&world, &["list"]).stdout.lines().count(), 1);
    assert_eq!(text(&world, "etc/policy.toml"), policy.replace("threshold = 1", "#threshold = 1"));
    // Two who must both confirm cannot become one.
    world.rebuilder("alpha", &Key::new(), &[]);
    world.rebuilder("beta", &Key::new(), &[]);
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let ended = rebuilder(&world, &remove);
    ended.assert_code(1);
    assert!(ended.stderr.contains("Add --threshold 1 or less."), "{ended:?}");
    rebuilder(&world, &[&remove[..], &["--threshold", "1"]].concat()).assert_code(0);
    assert_eq!(text(&world, "etc/policy.toml"), "mode = \"enforce\"\nthreshold = 1\n");
}
