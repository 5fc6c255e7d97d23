//! What others were told to trust, taken over: layouts, apt-transport-in-toto, repro-threshold.
//! The layouts are made and signed here; those that in-toto itself makes are in tests/peers.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{self, Deb, Ended, Key, World, finish, run};
use crate::support;
use crate::support::openpgp::{CREATED, PgpKey, Recipe, SIGN, Says};

/// A policy of somebody who has not chosen anybody yet, with comments of his own.
const POLICY: &str = "# mine\nmode = \"warn\" # for now\n\n# more of mine\nconflict = \"refuse\"\n";

fn world() -> World {
    let world = World::new();
    world.policy(POLICY);
    world
}

/// Everything below the configuration, to see that nothing was written.
fn written(world: &World) -> BTreeMap<String, Vec<u8>> {
    fn walk(directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&world.path("etc"), &mut found);
    found
}

fn read(world: &World, name: &str) -> String {
    fs::read_to_string(world.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands in a layout about a key.
fn described(key: &Key) -> Value {
    json!({
        "keyid": key.id(), "keytype": "ed25519", "scheme": "ed25519",
        "keyid_hash_algorithms": ["sha256", "sha512"],
        "keyval": {"private": "", "public": key.public_hex()},
    })
}

/// A layout as apt-transport-in-toto ships it, with these keys.
fn layout(keys: &[&Key], threshold: u32) -> Value {
    let ids: Vec<String> = keys.iter().map(|key| key.id()).collect();
    let all: BTreeMap<String, Value> = keys.iter().map(|key| (key.id(), described(key))).collect();
    json!({
        "_type": "layout", "expires": "2099-03-01T12:00:00Z", "readme": "", "keys": all,
        "steps": [{
            "_type": "step", "name": "rebuild", "threshold": threshold, "pubkeys": ids,
            "expected_command": [], "expected_materials": [],
            "expected_products": [["CREATE", "*.deb"], ["DISALLOW", "*.deb"]],
        }],
        "inspect": [{
            "_type": "inspection", "name": "verify-reprobuilds", "run": ["/usr/bin/true"],
            "expected_materials": [
                ["MATCH", "*.deb", "WITH", "PRODUCTS", "FROM", "rebuild"], ["DISALLOW", "*.deb"],
            ],
            "expected_products": [],
        }],
    })
}

/// The canonical form: serde_json sorts, and only quotes and backslashes stay escaped.
fn canonical(value: &Value) -> String {
    let mut text = value.to_string();
    for (escaped, raw) in [("\\u001b", "\u{1b}"), ("\\n", "\n"), ("\\r", "\r")] {
        text = text.replace(escaped, raw);
    }
    text
}

fn signed(layout: &Value, keys: &[&Key]) -> Vec<u8> {
    let message = canonical(layout);
    let signatures: Vec<Value> = keys
        .iter()
        .map(|key| json!({"keyid": key.id(), "sig": key.sign(message.as_bytes())}))
        .collect();
    json!({"signatures": signatures, "signed": layout}).to_string().into_bytes()
}

/// `rebuilder import-layout` of these bytes, which the key `root` signed.
fn import(world: &World, bytes: &[u8], root: &Key, options: &[&str]) -> Ended {
    let layout = world.write("root.layout", bytes);
    let key = world.write("root.pem", root.pem());
    let mut command = world.command();
    command.args(["rebuilder", "import-layout"]).arg(layout).arg("--key").arg(key);
    run(command.arg("--config").arg(world.path("etc")).args(options))
}

fn check(world: &World) -> Ended {
    run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")))
}

/// A directory with a link of each of these keys about a file.
fn links(world: &World, deb: &Deb, keys: &[&Key]) -> String {
    fs::create_dir_all(world.path("links")).unwrap();
    for entry in fs::read_dir(world.path("links")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (at, key) in keys.iter().enumerate() {
        world.write(&format!("links/{}.{at}.link", deb.file_name()), deb.link(key));
    }
    world.path("links").to_str().unwrap().to_owned()
}

fn hello() -> Deb {
    Deb::new("hello", "2.10-3", "amd64")
}

/// Not confirmed: by those who could be asked, or because some could not be.
fn refused(ended: &Ended) {
    assert!(matches!(ended.code, Some(1 | 3)), "{ended:?}");
    assert!(ended.stdout.starts_with("refused: "), "{ended:?}");
}

/// Judged as if it were to be enforced.
fn enforced(world: &World, deb: &Deb, keys: &[&Key]) -> Ended {
    let policy = read(world, "etc/policy.toml").replace("\"warn\"", "\"enforce\"");
    world.policy(&policy);
    let directory = links(world, deb, keys);
    world.verify_with(deb, &["--offline", "--evidence", &directory])
}

#[test]
fn a_layout_becomes_rebuilders_and_their_threshold() {
    let world = world();
    let (root, alice, bob) = (Key::new(), Key::new(), Key::new());
    let bytes = signed(&layout(&[&alice, &bob], 2), &[&root]);
    let url = "https://rebuilder.example/tree";
    let ended = import(&world, &bytes, &root, &["--yes", "--url", url]);
    ended.assert_code(0).assert_plain();
    for part in [
        &*format!("It is signed with the key {}.\n", root.id()),
        &*format!("    key       ed25519 {} (until 2099-03-01)\n", alice.id()),
        &*format!("    key       ed25519 {} (until 2099-03-01)\n", bob.id()),
        "    endpoint  intoto-metadata https://rebuilder.example/tree\n",
        "  policy.toml: threshold = 2 (not set before).\n",
        "  not checked: the inspection verify-reprobuilds (apt-quorum runs no command of a layout)",
        "did not exist before the rebuild (CREATE *.deb).\n",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert_eq!(
        read(&world, "etc/policy.toml"),
        POLICY.replace("# for now\n", "# for now\nthreshold = 2\n")
    );
    check(&world).assert_code(0);
    let name = format!("key-{}", &alice.id()[..16]);
    let file = read(&world, &format!("etc/rebuilders.d/{name}.toml"));
    assert!(file.contains("not_after = 2099-03-01"), "{file}");

    let both = enforced(&world, &hello(), &[&alice, &bob]);
    both.assert_code(0);
    assert!(both.stdout.starts_with("confirmed: hello"), "{both:?}");
    refused(&enforced(&world, &hello(), &[&alice]));
    // Whoever signed the layout is no rebuilder by that.
    refused(&enforced(&world, &hello(), &[&alice, &root]));
}

#[test]
fn nothing_is_written_without_consent() {
    let world = world();
    let (root, alice) = (Key::new(), Key::new());
    let before = written(&world);
    let ended = import(&world, &signed(&layout(&[&alice], 1), &[&root]), &root, &[]);
    ended.assert_code(2).assert_plain();
    assert!(ended.stdout.contains("This would be written to"), "{ended:?}");
    assert!(ended.stderr.contains("--yes"), "{ended:?}");
    assert_eq!(written(&world), before);
}

#[test]
fn at_a_terminal_only_yes_is_yes() {
    let world = world();
    let (root, alice) = (Key::new(), Key::new());
    let bytes = signed(&layout(&[&alice], 1), &[&root]);
    let before = written(&world);
    world.write("root.layout", bytes);
    world.write("root.pem", root.pem());
    let at = world.directory.path().display();
    let words = format!(
        "'{}' rebuilder import-layout '{at}/root.layout' --key '{at}/root.pem' --config '{at}/etc'",
        env!("CARGO_BIN_EXE_apt-quorum")
    );
    for (typed, code) in [("no\n", 1), ("\n", 1), ("yes please\n", 1), ("yes\n", 0)] {
        let mut script = world.command_of(Path::new("/usr/bin/script"));
        script.args(["--quiet", "--return", "--command", &words, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(typed.as_bytes()).unwrap();
        // Held open: with its end the terminal would be gone, perhaps before it was read.
        let ended = finish(child);
        drop(input);
        ended.assert_code(code);
        assert!(ended.stdout.contains("Write this? Type yes:"), "{ended:?}");
        assert_eq!(written(&world) == before, code == 1, "{typed:?}");
    }
}

#[test]
fn a_layout_that_ends_today_is_of_no_use() {
    let world = world();
    let (root, alice) = (Key::new(), Key::new());
    let mut layout = layout(&[&alice], 1);
    let now = apt_quorum::types::Timestamp::from(std::time::SystemTime::now());
    layout["expires"] = json!(format!("{}T23:59:59Z", now.date()));
    let before = written(&world);
    let ended = import(&world, &signed(&layout, &[&root]), &root, &["--yes"]);
    ended.assert_code(1).assert_plain();
    // Unless a new day begins right now.
    let said = ["the layout expires today", "it expired on"];
    assert!(said.iter().any(|it| ended.stderr.contains(it)), "{ended:?}");
    assert_eq!(written(&world), before);
}

#[test]
fn keys_of_one_rebuilder_are_one_vote() {
    let world = world();
    let (root, a, b, c) = (Key::new(), Key::new(), Key::new(), Key::new());
    let bytes = signed(&layout(&[&a, &b, &c], 2), &[&root]);
    let owner = |key: &Key, name: &str| format!("--rebuilder={}={name}", &key.id()[..12]);
    let before = written(&world);
    // All three with one name: two cannot agree.
    let one = [owner(&a, "x"), owner(&b, "x"), owner(&c, "x")];
    let mut options: Vec<&str> = one.iter().map(String::as_str).chain(["--yes"]).collect();
    let ended = import(&world, &bytes, &root, &options);
    ended.assert_code(1).assert_plain();
    assert!(ended.stderr.contains("belong to only 1 rebuilder,"), "{ended:?}");
    assert_eq!(written(&world), before);

    let two = [owner(&a, "x"), owner(&b, "x"), owner(&c, "y")];
    options = two.iter().map(String::as_str).chain(["--yes"]).collect();
    let ended = import(&world, &bytes, &root, &options);
    ended.assert_code(0);
    assert!(ended.stdout.contains("keys of one rebuilder are one vote"), "{ended:?}");
    refused(&enforced(&world, &hello(), &[&a, &b]));
    enforced(&world, &hello(), &[&b, &c]).assert_code(0);
}

#[test]
fn names_are_given_to_keys_that_are_there_and_once() {
    let world = world();
    let (root, a) = (Key::new(), Key::new());
    let bytes = signed(&layout(&[&a], 1), &[&root]);
    let id = a.id();
    let (named, again) = (format!("{id}=x"), format!("{}=y", &id[..10]));
    for (options, code, part) in [
        (vec!["--rebuilder", "00000000=x"], 1, "no such key"),
        (vec!["--rebuilder", &named, "--rebuilder", &again], 1, "a name already"),
        (vec!["--rebuilder", "0000=x"], 2, "8 or more digits"),
        (vec!["--rebuilder", "nothing"], 2, "KEYID=NAME"),
    ] {
        let before = written(&world);
        let ended = import(&world, &bytes, &root, &[&options[..], &["--yes"]].concat());
        ended.assert_code(code).assert_plain();
        assert!(ended.stderr.contains(part), "{options:?}: {ended:?}");
        assert_eq!(written(&world), before);
    }
}

#[test]
fn another_threshold_is_replaced_only_when_that_is_asked_for() {
    let (root, a, b, c) = (Key::new(), Key::new(), Key::new(), Key::new());
    let bytes = signed(&layout(&[&a, &b], 1), &[&root]);
    let world = world();
    world.rebuilder("carol", &c, &[]);
    world.rebuilder("dave", &Key::new(), &[]);
    world.policy("mode = \"enforce\"\nthreshold = 2 # two\n");
    let before = written(&world);
    let ended = import(&world, &bytes, &root, &["--yes"]);
    ended.assert_code(1).assert_plain();
    assert!(ended.stderr.contains("threshold = 2, and the import needs 1"), "{ended:?}");
    assert_eq!(written(&world), before);
    let ended = import(&world, &bytes, &root, &["--yes", "--replace"]);
    ended.assert_code(0);
    assert!(ended.stdout.contains("threshold = 1 (before: 2)"), "{ended:?}");
    assert!(ended.stdout.contains("count towards the same threshold: carol, dave."), "{ended:?}");
    assert_eq!(read(&world, "etc/policy.toml"), "mode = \"enforce\"\nthreshold = 1 # two\n");
    // The same again: the rebuilders are there.
    let before = written(&world);
    import(&world, &bytes, &root, &["--yes"]).assert_code(1);
    assert_eq!(written(&world), before);
}

#[test]
fn a_key_that_another_rebuilder_has_is_not_written() {
    let world = world();
    let (root, a) = (Key::new(), Key::new());
    world.rebuilder("carol", &a, &[]);
    world.policy("mode = \"warn\"\nthreshold = 1\n");
    let before = written(&world);
    let ended = import(&world, &signed(&layout(&[&a], 1), &[&root]), &root, &["--yes"]);
    ended.assert_code(1).assert_plain();
    assert!(ended.stderr.contains("already has this key"), "{ended:?}");
    assert_eq!(written(&world), before);
}

#[test]
fn a_broken_configuration_is_mended_first() {
    let world = world();
    let (root, a) = (Key::new(), Key::new());
    world.policy("mode = \"enforce\"\n");
    let before = written(&world);
    let ended = import(&world, &signed(&layout(&[&a], 1), &[&root]), &root, &["--yes"]);
    ended.assert_code(2).assert_plain();
    assert!(ended.stderr.contains("fix the configuration first"), "{ended:?}");
    assert_eq!(written(&world), before);
}

/// A way in which a layout is bad although the right key signed it.
type Spoil = fn(&mut Value);

#[test]
fn what_a_layout_must_not_be() {
    let rows: &[(&str, Spoil, &str)] = &[
        ("expired", |l| l["expires"] = json!("2021-01-06T18:30:57Z"), "it expired on 2021-01-06"),
        (
            "expires-missing",
            |l| drop(l.as_object_mut().unwrap().remove("expires")),
            "is not a time",
        ),
        ("expires-is-a-number", |l| l["expires"] = json!(4_000_000_000_u64), "is not a time"),
        (
            "link-instead-of-layout",
            |l| l["_type"] = json!("link"),
            "not a layout: its type is link",
        ),
        ("type-missing", |l| drop(l.as_object_mut().unwrap().remove("_type")), "not a layout"),
        ("unknown-step", |l| l["steps"][0]["name"] = json!("build"), "its step is called build"),
        (
            "step-with-control-characters",
            |l| l["steps"][0]["name"] = json!("re\u{1b}[2J\nbuild"),
            "its step is called re?[2J build",
        ),
        ("no-step", |l| l["steps"] = json!([]), "it has 0 steps"),
        (
            "two-steps",
            |l| {
                let mut second = l["steps"][0].clone();
                second["name"] = json!("test");
                l["steps"].as_array_mut().unwrap().push(second);
            },
            "it has 2 steps",
        ),
        ("steps-is-an-object", |l| l["steps"] = json!({}), "\"steps\" is not an array"),
        ("threshold-zero", |l| l["steps"][0]["threshold"] = json!(0), "at least 1"),
        ("threshold-negative", |l| l["steps"][0]["threshold"] = json!(-1), "at least 1"),
        (
            "threshold-beyond-64-bits",
            |l| l["steps"][0]["threshold"] = json!(18_446_744_073_709_551_615_u64),
            "small whole number",
        ),
        (
            "threshold-is-a-text",
            |l| l["steps"][0]["threshold"] = json!("1"),
            "is not a whole number",
        ),
        (
            "threshold-missing",
            |l| drop(l["steps"][0].as_object_mut().unwrap().remove("threshold")),
            "is not a whole number",
        ),
        (
            "threshold-above-the-keys",
            |l| l["steps"][0]["threshold"] = json!(3),
            "threshold is 3, but it has only 2 keys",
        ),
        ("no-keys-in-the-step", |l| l["steps"][0]["pubkeys"] = json!([]), "only 0 keys"),
        (
            "key-named-twice",
            |l| {
                let id = l["steps"][0]["pubkeys"][0].clone();
                l["steps"][0]["pubkeys"][1] = id;
            },
            "twice, so it would count twice",
        ),
        (
            "one-key-under-two-ids",
            |l| {
                let first = l["steps"][0]["pubkeys"][0].as_str().unwrap().to_owned();
                let second = l["steps"][0]["pubkeys"][1].as_str().unwrap().to_owned();
                l["keys"][second] = l["keys"][first].clone();
            },
            "twice, so it would count twice",
        ),
        (
            "key-that-is-not-there",
            |l| l["steps"][0]["pubkeys"][1] = json!("00\u{1b}[2J"),
            "is not a key of the layout",
        ),
        ("keys-missing", |l| drop(l.as_object_mut().unwrap().remove("keys")), "\"keys\" is not"),
        (
            "weak-key",
            |l| {
                let id = l["steps"][0]["pubkeys"][0].as_str().unwrap().to_owned();
                l["keys"][id]["keyval"]["public"] = json!(format!("01{}", "00".repeat(31)));
            },
            "so weak that anybody could sign",
        ),
        (
            "key-of-an-unknown-type",
            |l| {
                let id = l["steps"][0]["pubkeys"][0].as_str().unwrap().to_owned();
                l["keys"][id]["scheme"] = json!("ssh\u{1b}");
            },
            "are not supported",
        ),
        ("unknown-member", |l| l["witnesses"] = json!(2), "the unknown member witnesses"),
        (
            "unknown-member-of-the-step",
            |l| l["steps"][0]["veto"] = json!([]),
            "the unknown member veto",
        ),
        ("rule-that-is-none", |l| l["steps"][0]["expected_products"] = json!(["x"]), "a rule"),
        (
            "too-many-keys",
            |l| l["steps"][0]["pubkeys"] = json!(vec!["0"; 65]),
            "the step has too many keys",
        ),
    ];
    for (name, spoil, part) in rows {
        let world = world();
        let (root, a, b) = (Key::new(), Key::new(), Key::new());
        let mut layout = layout(&[&a, &b], 1);
        let good = import(&world, &signed(&layout, &[&root]), &root, &[]);
        assert!(good.stdout.contains("This would be written"), "{good:?}");
        spoil(&mut layout);
        let before = written(&world);
        let ended = import(&world, &signed(&layout, &[&root]), &root, &["--yes"]);
        ended.assert_code(1).assert_plain();
        assert!(ended.stderr.contains(part), "{name}: {ended:?}");
        assert!(ended.stderr.contains("Nothing was written"), "{name}: {ended:?}");
        assert_eq!(written(&world), before, "{name}");
    }
}

#[test]
fn what_is_not_kept_is_told() {
    let rows: &[(&str, Spoil, Option<&str>)] = &[
        ("plain", |_| {}, None),
        ("anything", |l| l["steps"][0]["expected_materials"] = json!([["ALLOW", "*"]]), None),
        (
            "command",
            |l| l["steps"][0]["expected_command"] = json!(["sbuild"]),
            Some("not checked: the rebuilder's command"),
        ),
        (
            "materials",
            |l| l["steps"][0]["expected_materials"] = json!([["REQUIRE", "x.buildinfo"]]),
            Some("not checked: the step's rule about materials: REQUIRE x.buildinfo"),
        ),
        (
            "only-some-packages",
            |l| {
                l["steps"][0]["expected_products"] =
                    json!([["ALLOW", "hello_*.deb"], ["DISALLOW", "*"]]);
            },
            Some("not checked: the step's rule about products: ALLOW hello_*.deb"),
        ),
        (
            "nothing-allowed",
            |l| l["steps"][0]["expected_products"] = json!([["DISALLOW", "*.deb"]]),
            Some("not checked: the step's rule about products: DISALLOW *.deb"),
        ),
        (
            "control-characters",
            |l| l["inspect"][0]["name"] = json!("a\u{1b}]0;b\nE: c"),
            Some("not checked: the inspection a?]0;b E: c (apt-quorum runs"),
        ),
    ];
    for (name, change, told) in rows {
        let world = world();
        let (root, a) = (Key::new(), Key::new());
        let mut layout = layout(&[&a], 1);
        change(&mut layout);
        let ended = import(&world, &signed(&layout, &[&root]), &root, &["--yes"]);
        ended.assert_code(0).assert_plain();
        match told {
            Some(told) => assert!(ended.stdout.contains(told), "{name}: {}", ended.stdout),
            None => assert!(!ended.stdout.contains("the step's rule"), "{name}: {}", ended.stdout),
        }
    }
}

#[test]
fn a_layout_counts_only_with_the_signatures_that_were_asked_for() {
    let world = world();
    let (root, other, a) = (Key::new(), Key::new(), Key::new());
    let good = layout(&[&a], 1);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let whole = text(signed(&good, &[&root]));
    let spoiled: Vec<(&str, Vec<u8>, &str)> = vec![
        ("wrong-key", signed(&good, &[&other]), "it has no signature by this key"),
        (
            "foreign-signature",
            whole.replace(&root.sign(canonical(&good).as_bytes()), &other.sign(b"")).into(),
            "its signature is invalid",
        ),
        (
            "tampered",
            whole.replace("\"threshold\":1", "\"threshold\":2").into(),
            "its signature is invalid",
        ),
        (
            "member-added",
            whole.replace("\"readme\":\"\"", "\"readme\":\"\",\"s\":1").into(),
            "its signature is invalid",
        ),
        ("unsigned", signed(&good, &[]), "it has no signature"),
        (
            "duplicate-keys",
            whole.replace("\"threshold\":1", "\"threshold\":1,\"threshold\":1").into(),
            "duplicate key threshold",
        ),
        (
            "duplicate-signed",
            whole.replacen("\"signed\":", "\"signed\":{},\"signed\":", 1).into(),
            "duplicate key signed",
        ),
        ("not-json", b"\x1b[2J{".to_vec(), "not JSON"),
        ("an-array", b"[]".to_vec(), "not an object"),
        ("truncated", whole[..whole.len() / 2].into(), "not JSON"),
        ("too-deep", format!("{}{}", "[".repeat(500), "]".repeat(500)).into(), "nested deeper"),
        ("statement", root.dsse("{}"), "its type is missing"),
        ("envelope-of-another", other.dsse(&good.to_string()), "it has no signature by this key"),
        (
            "another-payload",
            root.dsse_of("text/plain", &good.to_string()),
            "its type is text/plain",
        ),
        ("payload-is-a-link", root.dsse("{\"_type\":\"link\"}"), "not a layout: its type is link"),
        (
            "payload-with-a-key-twice",
            root.dsse("{\"_type\":\"layout\",\"_type\":\"layout\"}"),
            "duplicate key _type",
        ),
        ("sigstore", b"{\"dsseEnvelope\":{}}".to_vec(), "\"signed\" is missing"),
        (
            "too-many-signatures",
            signed(&good, &vec![&root; 65]),
            "it has 65 signatures, over the limit of 64",
        ),
    ];
    for (name, bytes, part) in spoiled {
        let before = written(&world);
        let ended = import(&world, &bytes, &root, &["--yes"]);
        ended.assert_code(1).assert_plain();
        assert!(ended.stderr.contains(part), "{name}: {ended:?}");
        assert_eq!(written(&world), before, "{name}");
    }
    let giant = import(&world, &vec![b' '; 1024 * 1024 + 1], &root, &["--yes"]);
    giant.assert_code(2);
    assert!(giant.stderr.contains("larger than 1048576 bytes"), "{giant:?}");

    // Two keys that are asked for: both, not one of them.
    let second = world.write("second.pem", other.pem());
    let second = ["--yes", "--key", second.to_str().unwrap()];
    let ended = import(&world, &signed(&good, &[&root]), &root, &second);
    ended.assert_code(1);
    assert!(ended.stderr.contains(&format!("key {}", &other.id()[..16])), "{ended:?}");
    let twice = ["--yes", "--key", &world.path("root.pem").display().to_string()];
    let ended = import(&world, &signed(&good, &[&root]), &root, &twice);
    ended.assert_code(1);
    assert!(ended.stderr.contains("is given twice"), "{ended:?}");
    // A layout in a DSSE envelope is one, too, as in-toto since version 2 can write it.
    let dsse = import(&world, &root.dsse(&good.to_string()), &root, &[]);
    assert!(dsse.stdout.contains("threshold = 1"), "{dsse:?}");
    // A good signature counts whatever stands beside it.
    let ended = import(&world, &signed(&good, &[&other, &root, &a]), &root, &second);
    ended.assert_code(0);
}

#[test]
fn keys_are_read_in_each_form_and_private_ones_in_none() {
    let (root, a) = (Key::new(), Key::new());
    let bytes = signed(&layout(&[&a], 1), &[&root]);
    let mut json = described(&root);
    let public = json.to_string();
    json["keyval"]["private"] = json!("00");
    for (content, code, part) in [
        (root.pem(), 0, "Written."),
        (root.pem_of_rebuilderd(), 0, "Written."),
        (public, 0, "Written."),
        (json.to_string(), 2, "this is a private key"),
        ("-----BEGIN PRIVATE KEY-----\n".to_owned(), 2, "this is a private key"),
        ("nothing".to_owned(), 2, "expected one block"),
        (format!("{}{}", root.pem(), root.pem()), 2, "expected one block"),
        ("{\"keytype\":1}".to_owned(), 2, "no public part"),
        ("x".repeat(600_000), 2, "larger than"),
    ] {
        let world = world();
        let layout = world.write("root.layout", &bytes);
        let key = world.write("key", content);
        let mut command = world.command();
        command.args(["rebuilder", "import-layout", "--yes", "--config"]).arg(world.path("etc"));
        let ended = run(command.arg(layout).arg("--key").arg(key));
        ended.assert_code(code).assert_plain();
        assert!(ended.stdout.contains(part) || ended.stderr.contains(part), "{part}: {ended:?}");
    }
    let world = world();
    let layout = world.write("root.layout", &bytes);
    let mut command = world.command();
    command.args(["rebuilder", "import-layout", "--yes", "--config"]).arg(world.path("etc"));
    let ended = run(command.arg(layout));
    ended.assert_code(2);
    let said = "give the key that must have signed the layout: --key FILE";
    assert!(ended.stderr.contains(said), "{ended:?}");
}

// --- certificates

fn certificate(key: PgpKey) -> Recipe {
    Recipe::of(key, SIGN)
}

/// As securesystemslib writes a key that GnuPG exported.
fn numbers(fingerprint: &str, point: &str) -> Value {
    json!({
        "keyid": fingerprint, "method": "pgp+eddsa-ed25519", "type": "eddsa",
        "hashes": ["pgp+SHA2"], "keyval": {"private": "", "public": {"q": point}},
        "creation_time": CREATED, "validity_period": 31_536_000,
    })
}

/// A certificate, and the number that stands in a layout.
fn openpgp() -> (Recipe, String) {
    let secret = ed25519_dalek::SigningKey::from_bytes(&support::random());
    let point = support::hex(secret.verifying_key().as_bytes());
    (certificate(PgpKey::of(secret, CREATED)), point)
}

fn signed_by_certificate(layout: &Value, root: &Recipe) -> Vec<u8> {
    let message = canonical(layout);
    let (headers, signature) = root.primary.sign(0, &Says::at(CREATED + 60), message.as_bytes());
    let signature = json!({
        "keyid": root.primary.fingerprint(),
        "other_headers": support::hex(&headers), "signature": support::hex(&signature),
    });
    json!({"signatures": [signature], "signed": layout}).to_string().into_bytes()
}

/// A layout for the keys of certificates, as GnuPG users make them.
fn layout_of_certificates(keys: &[(&Recipe, &str)], threshold: u32) -> Value {
    let mut layout = layout(&[], threshold);
    let fingerprints: Vec<String> = keys.iter().map(|(it, _)| it.primary.fingerprint()).collect();
    let all = keys.iter().zip(&fingerprints);
    let all: BTreeMap<&String, Value> = all.map(|((_, q), id)| (id, numbers(id, q))).collect();
    layout["keys"] = json!(all);
    layout["steps"][0]["pubkeys"] = json!(fingerprints);
    layout
}

#[test]
fn keys_out_of_certificates_need_their_certificates() {
    let world = world();
    let (root, (a, q), (b, r)) = (openpgp().0, openpgp(), openpgp());
    let layout = layout_of_certificates(&[(&a, &q), (&b, &r)], 2);
    let path = world.write("root.layout", signed_by_certificate(&layout, &root));
    let file = |name: &str, recipe: &Recipe| {
        world.write(name, recipe.armored()).to_str().unwrap().to_owned()
    };
    let (root_file, a_file, b_file) =
        (file("root.asc", &root), file("a.asc", &a), file("b.asc", &b));
    let import = |options: &[&str]| {
        let mut command = world.command();
        command.args(["rebuilder", "import-layout", "--yes", "--key", &root_file, "--config"]);
        run(command.arg(world.path("etc")).arg(&path).args(options))
    };
    let before = written(&world);
    let ended = import(&["--certificate", &a_file]);
    ended.assert_code(1).assert_plain();
    let missing = b.primary.fingerprint();
    let export = format!("gpg --armor --output {missing}.asc --export {missing}\n");
    assert!(ended.stderr.contains(&export), "{ended:?}");
    assert!(!ended.stderr.contains(&a.primary.fingerprint()), "{ended:?}");
    assert_eq!(written(&world), before);

    let ended = import(&["--certificate", &a_file, "--certificate", &b_file]);
    ended.assert_code(0);
    check(&world).assert_code(0);
    let name = format!("key-{}", &missing[..16]);
    let file = read(&world, &format!("etc/rebuilders.d/{name}.toml"));
    assert!(file.contains(&format!("file = \"{name}-{missing}.asc\"")), "{file}");
}

#[test]
fn numbers_of_another_key_are_noticed() {
    let (root, (a, _), (_, other)) = (openpgp().0, openpgp(), openpgp());
    let good = layout_of_certificates(&[(&a, &other)], 1);
    let id = a.primary.fingerprint();
    let rows: Vec<(Value, &str)> = vec![
        (good.clone(), "does not match the numbers"),
        (
            {
                let mut layout = good.clone();
                layout["keys"][&id]["keyval"]["public"]["q"] = json!("00".repeat(31));
                layout
            },
            "missing or damaged",
        ),
        (
            {
                let mut layout = good.clone();
                layout["keys"][&id]["keyval"]["public"]["q"] = json!("0".repeat(1_000));
                layout
            },
            "missing or damaged",
        ),
        (
            {
                let mut layout = good.clone();
                layout["keys"][&id]["method"] = json!("pgp+dsa-fips-180-2");
                layout
            },
            "are not supported",
        ),
        (
            {
                let mut layout = good.clone();
                layout["keys"] = json!({"e0e04e46": layout["keys"][&id]});
                layout["steps"][0]["pubkeys"] = json!(["e0e04e46"]);
                layout
            },
            "not an OpenPGP fingerprint",
        ),
        (
            {
                // By the name of a subkey: its whole certificate would be more.
                let mut layout = good.clone();
                let sub = "ab".repeat(20);
                layout["keys"][&id]["subkeys"] = json!({ &sub: {} });
                layout["steps"][0]["pubkeys"] = json!([sub]);
                layout
            },
            "is not a key of the layout",
        ),
    ];
    for (layout, part) in rows {
        let world = world();
        let before = written(&world);
        let path = world.write("root.layout", signed_by_certificate(&layout, &root));
        let root = world.write("root.asc", root.armored());
        let a = world.write("a.asc", a.armored());
        let mut command = world.command();
        command.args(["rebuilder", "import-layout", "--yes", "--config"]).arg(world.path("etc"));
        command.arg(path).arg("--key").arg(root).arg("--certificate").arg(a);
        let ended = run(&mut command);
        ended.assert_code(1).assert_plain();
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
        assert_eq!(written(&world), before);
    }
}

#[test]
fn a_certificate_that_no_longer_holds_signs_no_layout() {
    let (_, (a, q)) = ((), openpgp());
    let layout = layout_of_certificates(&[(&a, &q)], 1);
    let (good, _) = openpgp();
    let revoked = Recipe { revoked: true, ..openpgp().0 };
    let expired = Recipe {
        own: vec![Says { flags: Some(SIGN), key_expires: Some(3600), ..Says::at(CREATED) }],
        ..openpgp().0
    };
    for (root, code, part) in [(good, 0, ""), (revoked, 1, "revoked"), (expired, 1, "expired")] {
        let world = world();
        let path = world.write("root.layout", signed_by_certificate(&layout, &root));
        let root = world.write("root.asc", root.armored());
        let a = world.write("a.asc", a.armored());
        let mut command = world.command();
        command.args(["rebuilder", "import-layout", "--yes", "--config"]).arg(world.path("etc"));
        command.arg(path).arg("--key").arg(root).arg("--certificate").arg(a);
        let ended = run(&mut command);
        ended.assert_code(code).assert_plain();
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}

// --- apt-transport-in-toto

/// Its configuration, with a layout that the certificate `root` signed for two keys.
fn apt_transport(world: &World, root: &Recipe, more: &str) -> [Key; 2] {
    let keys = [Key::new(), Key::new()];
    let layout = layout(&[&keys[0], &keys[1]], 2);
    let path = world.write("root.layout", signed_by_certificate(&layout, root));
    let text = format!(
        "APT::Intoto {{\n  LogLevel {{\"20\"}};\n  Rebuilders {{\n    \"http://r.example\";\n    \"https://s.example/\";\n  }};\n  Layout {{\"{}\"}};\n  Keyids {{\n    \"{}\"\n  }};\n{more}}};\n",
        path.display(),
        root.primary.fingerprint().to_uppercase()
    );
    world.write("intoto.conf", text);
    world.write("root.asc", root.armored());
    keys
}

fn import_apt_transport(world: &World, options: &[&str]) -> Ended {
    let mut command = world.command();
    command.args(["import", "apt-transport-in-toto", "--from"]).arg(world.path("intoto.conf"));
    run(command.arg("--config").arg(world.path("etc")).args(options))
}

fn has_apt() -> bool {
    let has = Path::new("/usr/bin/apt-config").exists();
    if !has {
        common::left_out("apt's configuration can be read only where apt is");
    }
    has
}

#[test]
fn apt_transport_in_toto_is_taken_over_in_one_command() {
    if !has_apt() {
        return;
    }
    let world = world();
    let root = openpgp().0;
    let [a, b] = apt_transport(&world, &root, "  NoFail {\"true\"};\n  Odd {\"1\"};\n");
    let key = world.path("root.asc").display().to_string();
    let ended = import_apt_transport(&world, &["--yes", "--key", &key]);
    ended.assert_code(0).assert_plain();
    for part in [
        "NoFail lets unconfirmed packages pass",
        "APT::Intoto::Odd:: is not understood",
        "each rebuilder is asked at every address",
        "endpoint  intoto-metadata http://r.example/\n",
        "endpoint  intoto-metadata https://s.example/\n",
        "stays installed: ",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert!(read(&world, "etc/policy.toml").contains("mode = \"warn\" # for now\nthreshold = 2\n"));
    enforced(&world, &hello(), &[&a, &b]).assert_code(0);
    refused(&enforced(&world, &hello(), &[&b]));
}

/// apt passes over a configuration that is not there. The machine's own is none of FILE's.
#[test]
fn what_apt_cannot_open_is_not_taken_for_the_machines_own_settings() {
    if !has_apt() || !common::is_root() {
        return common::left_out("only root can take /proc away");
    }
    let world = world();
    apt_transport(&world, &openpgp().0, "");
    let mut command = world.command_of(Path::new("/usr/bin/unshare"));
    let script = "mount -t tmpfs none /proc && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_apt-quorum")]);
    command.args(["import", "apt-transport-in-toto", "--from"]).arg(world.path("intoto.conf"));
    let ended = run(command.arg("--config").arg(world.path("etc")).arg("--yes"));
    ended.assert_code(2);
    assert!(ended.stderr.contains("or /proc is not mounted"), "{ended:?}");
}

#[test]
fn the_mode_is_the_users_choice() {
    if !has_apt() {
        return;
    }
    let world = world();
    let root = openpgp().0;
    apt_transport(&world, &root, "  NoFail {\"true\"};\n");
    let key = world.path("root.asc").display().to_string();
    let ended = import_apt_transport(&world, &["--yes", "--key", &key, "--mode", "enforce"]);
    ended.assert_code(0);
    let policy = read(&world, "etc/policy.toml");
    assert!(policy.contains("mode = \"enforce\" # for now\nthreshold = 2\n"), "{policy}");
}

#[test]
fn apt_transport_in_toto_without_what_is_needed() {
    if !has_apt() {
        return;
    }
    let world = world();
    let (root, other) = (openpgp().0, openpgp().0);
    fs::create_dir(world.path("gnupg")).unwrap();
    common::set_mode(&world.path("gnupg"), 0o700);
    let home = world.path("gnupg").display().to_string();
    apt_transport(&world, &root, &format!("  GPGHomedir {{\"{home}\"}};\n"));
    let before = written(&world);
    // An empty keyring, which stays empty.
    let ended = import_apt_transport(&world, &["--yes"]);
    ended.assert_code(2).assert_plain();
    assert!(ended.stderr.contains("gpg --armor --export"), "{ended:?}");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    // No keyring at all.
    fs::remove_dir(&home).unwrap();
    let ended = import_apt_transport(&world, &["--yes"]);
    ended.assert_code(2).assert_plain();
    assert!(ended.stderr.contains("gpg --armor --export"), "{ended:?}");
    fs::create_dir(&home).unwrap();
    // A key that apt-transport-in-toto does not ask for.
    let key = world.write("other.asc", other.armored()).display().to_string();
    let good = world.path("root.asc").display().to_string();
    let ended = import_apt_transport(&world, &["--yes", "--key", &good, "--key", &key]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("is not among APT::Intoto::Keyids"), "{ended:?}");
    // A home that others can write to.
    common::set_mode(&world.path("gnupg"), 0o777);
    let ended = import_apt_transport(&world, &["--yes"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("can be written by others"), "{ended:?}");
    // Settings that others can write.
    common::set_mode(&world.path("intoto.conf"), 0o666);
    let ended = import_apt_transport(&world, &["--yes", "--key", &good]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("can be written by others"), "{ended:?}");
    // None at all, and none that apt understands.
    world.write("intoto.conf", "APT::Other \"x\";\n");
    let ended = import_apt_transport(&world, &["--yes"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("apt-transport-in-toto is not configured"), "{ended:?}");
    world.write("intoto.conf", "APT::Intoto { Layout {\n");
    import_apt_transport(&world, &["--yes"]).assert_code(2);
    assert_eq!(written(&world), before);
}

#[test]
fn certificates_come_out_of_a_real_keyring() {
    if !has_apt() {
        return;
    }
    if !Path::new("/usr/bin/gpg").exists() {
        return common::left_out("certificates are exported only where gpg is");
    }
    let world = world();
    let (root, (a, q)) = (openpgp().0, openpgp());
    let home = world.path("gnupg");
    fs::create_dir(&home).unwrap();
    common::set_mode(&home, 0o700);
    apt_transport(&world, &root, &format!("  GPGHomedir {{\"{}\"}};\n", home.display()));
    // Now with a layout whose key is out of a certificate.
    let layout = layout_of_certificates(&[(&a, &q)], 1);
    world.write("root.layout", signed_by_certificate(&layout, &root));
    world.write("a.asc", a.armored());
    let mut gpg = std::process::Command::new("gpg");
    // The signatures made here do not tell GnuPG who made them, so it does not see whose they are.
    gpg.args(["--no-autostart", "--batch", "--quiet", "--allow-non-selfsigned-uid", "--homedir"]);
    gpg.arg(&home).arg("--import");
    run(gpg.arg(world.path("root.asc")).arg(world.path("a.asc"))).assert_code(0);
    let list = || {
        let names = fs::read_dir(&home).unwrap().map(|it| it.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = list();
    let ended = import_apt_transport(&world, &["--yes"]);
    ended.assert_code(0).assert_plain();
    assert_eq!(list(), before, "nothing was written there");
    assert!(ended.stdout.contains(&format!("openpgp {}", a.primary.fingerprint())), "{ended:?}");
    check(&world).assert_code(0);
}

// --- repro-threshold

fn rebuilder(name: &str, url: &str, key: &Key) -> String {
    // As toml::to_string_pretty writes it.
    format!(
        "[[trusted_rebuilder]]\nname = \"{name}\"\nurl = \"{url}\"\ndistributions = [\"debian\"]\ncontact = \"mail us\"\nsigning_keyring = \"\"\"\n{}\"\"\"\n\n",
        key.pem_of_rebuilderd().replace('\r', "\\r")
    )
}

fn import_repro_threshold(world: &World, text: &str, options: &[&str]) -> Ended {
    let path = world.write("repro-threshold.conf", text);
    let mut command = world.command();
    command.args(["import", "repro-threshold", "--from"]).arg(path);
    run(command.arg("--config").arg(world.path("etc")).args(options))
}

#[test]
fn repro_threshold_is_taken_over_in_one_command() {
    let world = world();
    let [a, b, c] = [Key::new(), Key::new(), Key::new()];
    let text = [
        "[rules]\nrequired_threshold = 2\nblindly_trust = [\n    \"linux-image-amd64\",\n    \"grub-efi\",\n]\n\n".to_owned(),
        rebuilder("one, amd64", "https://one.example/amd64", &a),
        rebuilder("one, all", "https://one.example/all", &b),
        rebuilder("two", "https://two.example/", &c),
    ]
    .concat();
    let ended = import_repro_threshold(&world, &text, &["--yes", "--expires", "2099-01-01"]);
    ended.assert_code(0).assert_plain();
    for part in [
        "rebuilder one.example (rebuilders.d/one.example.toml)",
        "contact   mail us",
        "endpoint  rebuilderd https://one.example/all/",
        "exception for grub-efi until and including 2099-01-01: imported from repro-threshold; no rebuilder confirms it.",
        "all addresses at one.example are one rebuilder with one vote",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    check(&world).assert_code(0);
    let exceptions = read(&world, "etc/exceptions.d/repro-threshold.toml");
    assert_eq!(
        exceptions.matches("expires = 2099-01-01\n").count(),
        2,
        "one exception a package: {exceptions}"
    );
    assert!(exceptions.contains("package = [\"linux-image-amd64\"]"), "{exceptions}");
    // Two keys at one host are one vote, there and here.
    refused(&enforced(&world, &hello(), &[&a, &b]));
    enforced(&world, &hello(), &[&b, &c]).assert_code(0);
    // Nothing was loosened for other packages that begin so.
    let other = Deb::new("grub-efi-amd64", "2.10-3", "amd64");
    refused(&enforced(&world, &other, &[]));
}

/// A file as version 0.1.2 of it writes it, with the keys of RFC 8032 in it.
#[test]
fn what_repro_threshold_writes_is_understood() {
    let world = world();
    let ended = import_repro_threshold(
        &world,
        include_str!("../imports/repro-threshold.conf"),
        &["--yes", "--expires", "2099-01-01"],
    );
    ended.assert_code(0).assert_plain();
    let listed = run(world
        .command()
        .args(["rebuilder", "list", "--json", "--config"])
        .arg(world.path("etc")));
    let listed = listed.json();
    let rebuilders = listed["rebuilders"].as_array().unwrap();
    let names: Vec<&str> = rebuilders.iter().map(|it| it["name"].as_str().unwrap()).collect();
    // Those that it knows and does not trust are not taken over.
    assert_eq!(names, ["one.example", "two.example"]);
    assert_eq!(rebuilders[0]["contact"], "Tell \"us\"");
    assert_eq!(rebuilders[1]["endpoints"][0]["url"], "https://two.example/");
    assert!(read(&world, "etc/policy.toml").contains("threshold = 2\n"));
}

#[test]
fn exceptions_end_after_90_days_unless_said_otherwise() {
    let world = world();
    let rules = "[rules]\nrequired_threshold = 1\nblindly_trust = [\"grub-efi\"]\n\n";
    let text = format!("{rules}{}", rebuilder("one", "https://one.example/", &Key::new()));
    for day in ["2020-01-01", "2099-1-1", "never"] {
        let ended = import_repro_threshold(&world, &text, &["--yes", "--expires", day]);
        ended.assert_code(2).assert_plain();
        let is_past = ended.stderr.contains("--until: the expiry date is in the past");
        assert_eq!(is_past, day.starts_with("2020"), "{ended:?}");
    }
    import_repro_threshold(&world, &text, &["--yes"]).assert_code(0);
    let exceptions = read(&world, "etc/exceptions.d/repro-threshold.toml");
    let day = exceptions.split("expires = ").nth(1).unwrap().trim().to_owned();
    let ends = support::moment(&format!("{day}T00:00:00Z")).as_unix();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let days = (ends - i64::try_from(now.as_secs()).unwrap()) / 86_400;
    assert!((88..=90).contains(&days), "{day}");
}

#[test]
fn what_repro_threshold_must_not_say() {
    let key = Key::new();
    let one = |name: &str, url: &str| rebuilder(name, url, &key);
    let rules = |text: &str| format!("[rules]\n{text}\n\n{}", one("one", "https://one.example/"));
    let rows: Vec<(&str, String, i32, &str)> = vec![
        ("threshold-zero", rules("required_threshold = 0"), 1, "lets everything pass"),
        ("threshold-missing", rules(""), 1, "lets everything pass"),
        ("threshold-above", rules("required_threshold = 2"), 1, "only 1 rebuilder"),
        (
            "glob",
            rules("required_threshold = 1\nblindly_trust = [\"linux-*\"]"),
            1,
            "linux-*, which is not a package name",
        ),
        (
            "control-characters",
            rules("required_threshold = 1\nblindly_trust = [\"a\\u001b[2J\"]"),
            1,
            "a?[2J, which is not a package name",
        ),
        ("unknown", rules("required_threshold = 1\nveto = 1"), 1, "unknown field"),
        ("not-toml", "[rules".to_owned(), 1, "line 1"),
        (
            "nobody",
            "[rules]\nrequired_threshold = 1\n".to_owned(),
            1,
            "no rebuilder of Debian with a key",
        ),
        (
            "key-of-two-hosts",
            rules("required_threshold = 1") + &one("two", "https://two.example/"),
            1,
            "already has this key",
        ),
        (
            "odd-scheme",
            "[rules]\nrequired_threshold = 1\n\n".to_owned() + &one("f", "ftp://one.example/"),
            1,
            "does not support ftp:",
        ),
        ("giant", " ".repeat(1024 * 1024 + 1), 2, "larger than"),
    ];
    for (name, text, code, part) in rows {
        let world = world();
        let before = written(&world);
        let ended = import_repro_threshold(&world, &text, &["--yes"]);
        ended.assert_code(code).assert_plain();
        assert!(ended.stderr.contains(part), "{name}: {ended:?}");
        assert_eq!(written(&world), before, "{name}");
    }
    let world = world();
    world.write("repro-threshold.conf", rules("required_threshold = 1"));
    // By a path from where the command is run.
    let mut command = world.command();
    command.args([
        "import",
        "repro-threshold",
        "--from",
        "repro-threshold.conf",
        "--config",
        "etc",
    ]);
    let ended = run(command.current_dir(world.directory.path()));
    assert!(ended.stdout.contains("This would be written"), "{ended:?}");
    common::set_mode(&world.path("repro-threshold.conf"), 0o666);
    let mut command = world.command();
    command.args(["import", "repro-threshold", "--yes", "--from"]);
    command.arg(world.path("repro-threshold.conf")).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_code(2);
    assert!(ended.stderr.contains("can be written by others"), "{ended:?}");
}
