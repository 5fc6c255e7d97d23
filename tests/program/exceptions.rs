//! Adding, listing and removing exceptions, with the real program: what it writes, and what it
//! leaves alone.

use std::fs;

use crate::common::dialogue::Terminal;
use crate::common::{self, Deb, Ended, Key, World, run};

/// A file of exceptions as people write it.
const WRITTEN: &str = "# exceptions of this machine\n\n\
    # the kernel, see bug 1234\n\
    [[exception]]\n\
    package = [\"linux-image-*\"]   # all of them\n\
    reason = \"signed elsewhere\"\n\
    expires = 2199-01-01\n\n\
    # over since long\n\
    [[exception]]\n\
    package = [\"old\"]\n\
    reason = \"bug 7\"\n\
    expires = 2020-01-01\n";

fn world() -> World {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[]);
    world
}

fn exception(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("exception").args(arguments).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_plain();
    ended
}

fn add(world: &World, arguments: &[&str]) -> Ended {
    exception(world, &[&["add"], arguments].concat())
}

fn read(world: &World, name: &str) -> Option<String> {
    fs::read_to_string(world.path(&format!("etc/exceptions.d/{name}"))).ok()
}

/// The day so many days from today, in UTC.
fn day_in(days: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = i64::try_from(now.as_secs()).unwrap() + days * 24 * 60 * 60;
    apt_quorum::types::Timestamp::from_unix(at).unwrap().date()
}

#[test]
fn a_file_passes_by_an_exception_for_its_bytes_and_no_other_file_does() {
    let world = world();
    let hello = Deb::new("hello", "2.10-5", "amd64");
    let path = world.put(&hello);
    world.verify(&hello).assert_code(1);
    let path = path.to_str().unwrap();
    let ended = add(&world, &[path, "--reason", "a \"b\" \u{1b}[2J\nmode = 1", "--days", "30"]);
    ended.assert_code(0);
    // Midnight may come between here and there.
    let until = [30, 31].map(day_in);
    let expected = until.clone().map(|until| {
        format!(
            "hello-1: package \"hello\", version \"2.10-5\", sha256 \"{}\": a \"b\" ?[2J mode = 1 (until and including {until}, 30 days left).\nApplies to this file only.\n",
            hello.sha256()
        )
    });
    assert!(expected.contains(&ended.stdout), "{ended:?}");
    let written = read(&world, "local.toml").unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[0].starts_with("# Added with apt-quorum exception add on "), "{written}");
    let expected =
        ["[[exception]]", "id = \"hello-1\"", "package = [\"hello\"]", "version = [\"2.10-5\"]"];
    assert_eq!(lines[1..5], expected);
    assert_eq!(lines[6], "reason = \"a \\\"b\\\" \\U0000001B[2J\\U0000000Amode = 1\"");
    assert_eq!(lines.len(), 8);
    let verified = world.verify(&hello);
    verified.assert_code(0);
    assert!(verified.stdout.starts_with("exception: hello 2.10-5 amd64: "), "{verified:?}");
    world.verify(&hello.differently_built()).assert_code(1);
}

/// It has no name that everybody reads in the same way, so nothing but its bytes says which it is.
#[test]
fn a_file_that_could_be_two_packages_passes_by_its_bytes_alone() {
    let world = world();
    let control = "Package: odd\nVersion: 1\nArchitecture: all\nSource: a(1)\nDescription: x\n";
    let odd = Deb { bytes: common::deb(control), ..Deb::new("odd", "1", "all") };
    let path = world.put(&odd);
    world.verify(&odd).assert_code(1);
    let given = [path.to_str().unwrap(), "--reason", "r", "--days", "3"];
    let ended = add(&world, &[&given[..], &["--architecture", "all"]].concat());
    ended.assert_code(2);
    let said = "exempt it by its SHA-256 alone, without other conditions";
    assert!(ended.stderr.contains(said), "{ended:?}");
    let ended = add(&world, &given);
    ended.assert_code(0);
    let said = "Applies to the file with this SHA-256 only, whatever its control data says.\n";
    assert!(ended.stdout.ends_with(said), "{ended:?}");
    let written = read(&world, "local.toml").unwrap();
    assert!(!written.contains("package =") && !written.contains("version ="), "{written}");
    world.verify(&odd).assert_code(0);
    world.verify(&odd.differently_built()).assert_code(1);
    // dpkg installs nothing of that.
    let nothing = world.write("files/nothing.deb", "MZ");
    add(&world, &[nothing.to_str().unwrap(), "--reason", "r", "--days", "3"]).assert_code(2);
}

#[test]
fn conditions_are_written_as_they_were_given_behind_what_is_there() {
    let world = world();
    world.write("etc/exceptions.d/site.toml", WRITTEN.trim_end());
    let ended = add(
        &world,
        &[
            "--file",
            "site.toml",
            "--package",
            "linux-*",
            "--package",
            "firmware-?",
            "--version",
            "6.12.*",
            "--source",
            "linux",
            "--architecture",
            "amd64",
            "--origin",
            "Debian",
            "--label",
            "Debian",
            "--suite",
            "stable",
            "--codename",
            "trixie",
            "--component",
            "main",
            "--site",
            "deb.debian.org",
            "--reason",
            "why",
            "--until",
            "2199-03-01",
        ],
    );
    ended.assert_code(0);
    let text = read(&world, "site.toml").unwrap();
    let (before, new) = text.split_once("\n\n# Added with").unwrap();
    assert_eq!(before, WRITTEN.trim_end());
    let (_, new) = new.split_once('\n').unwrap();
    let expected = "[[exception]]\nid = \"linux-1\"\npackage = [\"linux-*\", \"firmware-?\"]\nversion = [\"6.12.*\"]\n\
        source = [\"linux\"]\narchitecture = [\"amd64\"]\norigin = [\"Debian\"]\nlabel = [\"Debian\"]\n\
        suite = [\"stable\"]\ncodename = [\"trixie\"]\ncomponent = [\"main\"]\nsite = [\"deb.debian.org\"]\n\
        reason = \"why\"\nexpires = 2199-03-01\n";
    assert_eq!(new, expected);
    assert!(ended.stdout.starts_with("linux-1: package \"linux-*\" or "), "{ended:?}");

    // Names and versions stand for themselves.
    let two = ["--reason", "why", "--until", "2199-03-01"];
    add(&world, &[&["libc6=2.41-12+deb13u1"], &two[..]].concat()).assert_code(0);
    let ended = add(&world, &[&["zlib1g"], &two[..]].concat());
    assert!(ended.stdout.contains("\nApplies to all future versions; use "), "{ended:?}");
    let text = read(&world, "local.toml").unwrap();
    assert!(
        text.contains(
            "\nid = \"libc6-1\"\npackage = [\"libc6\"]\nversion = [\"2.41-12+deb13u1\"]\n"
        ),
        "{text}"
    );
    assert!(text.contains("\npackage = [\"zlib1g\"]\nreason"), "{text}");
}

#[test]
fn what_would_be_no_exception_is_refused_and_nothing_is_written() {
    let world = world();
    let why = ["--reason", "why"];
    let until = ["--expires", "2199-03-01"];
    let both = [&why[..], &until[..]].concat();
    let cases: &[(Vec<&str>, &str)] = &[
        ([&["hello"], &why[..]].concat(), "<--until <DATE>|--days <COUNT>>"),
        ([&["hello"], &until[..]].concat(), "--reason <TEXT>"),
        (both.clone(), "--package <PATTERN>"),
        ([&["hello", "--days", "3"], &both[..]].concat(), "cannot be used with"),
        ([&["hello", "--days", "0"], &why[..]].concat(), "0 is not in 1..=3650"),
        (
            [&["hello", "--reason", " "], &until[..]].concat(),
            "--reason is empty: write why these packages are exempted",
        ),
        (
            [&["hello", "--expires", "2020-01-01"], &why[..]].concat(),
            "expiry date 2020-01-01 is in the past.",
        ),
        (
            [&["hello", "--expires", "2199-02-30"], &why[..]].concat(),
            "'2199-02-30' for '--until <DATE>': write the last day as 2027-02-28",
        ),
        (
            [&["hello", "--expires", "tomorrow"], &why[..]].concat(),
            "write the last day as 2027-02-28",
        ),
        ([&["he*"], &both[..]].concat(), "patterns are given with --package"),
        ([&["hello=1 2"], &both[..]].concat(), "hello=1 2: "),
        (
            [&["hello", "--package", "x"], &both[..]].concat(),
            "hello says that already: leave --package out.",
        ),
        (
            [&["hello=1", "--version", "2"], &both[..]].concat(),
            "hello=1 says that already: leave --version out.",
        ),
        ([&["./no.deb"], &both[..]].concat(), "./no.deb: "),
        ([&["/dev/null"], &both[..]].concat(), "/dev/null: not a file"),
        ([&["--package", "[a]"], &both[..]].concat(), "only * and ? are special"),
        (
            [&["hello", "--file", "../policy.toml"], &both[..]].concat(),
            "--file ../policy.toml: write the name of a file in exceptions.d",
        ),
        ([&["hello", "--file", "local"], &both[..]].concat(), "--file local: write the name"),
    ];
    for (arguments, said) in cases {
        let ended = add(&world, arguments);
        ended.assert_code(2);
        assert!(ended.stderr.contains(said), "{arguments:?}: {ended:?}");
    }
    assert_eq!(fs::read_dir(world.path("etc/exceptions.d")).unwrap().count(), 0);
    // With a mistake in another file nothing is changed either.
    world.policy("mode = \"enforce\"\nthreshold = 0\n");
    let ended = add(&world, &[&["hello"], &both[..]].concat());
    ended.assert_code(2);
    assert!(
        ended.stderr.contains("fix the configuration first: nothing was changed."),
        "{ended:?}"
    );
    assert_eq!(fs::read_dir(world.path("etc/exceptions.d")).unwrap().count(), 0);
}

#[test]
fn exceptions_are_listed_with_what_is_left_of_them() {
    let world = world();
    let empty = exception(&world, &["list"]);
    assert_eq!(empty.stdout, "There is no exception.\n");
    world.write("etc/exceptions.d/site.toml", WRITTEN);
    let list = exception(&world, &["list"]);
    list.assert_code(0);
    let lines: Vec<&str> = list.stdout.lines().collect();
    let begins = "exceptions.d/site.toml:4: package \"linux-image-*\": signed elsewhere (until and including 2199-01-01, ";
    assert!(
        lines[0].starts_with(begins)
            && lines[0].ends_with(" days left). WIDE: every version, from every repository."),
        "{}",
        lines[0]
    );
    let expired = "exceptions.d/site.toml:10: package \"old\": bug 7 (EXPIRED after 2020-01-01). WIDE: every version, from every repository.";
    assert_eq!(lines[1..], [expired]);

    let json = exception(&world, &["list", "--json"]).json();
    assert_eq!(json["schema"], 1);
    let old = &json["exceptions"][1];
    let expected = serde_json::json!({
        "place": "exceptions.d/site.toml:10", "conditions": { "package": ["old"] },
        "reason": "bug 7", "expires": "2020-01-02T00:00:00Z", "last_day": "2020-01-01",
        "ends_soon": false, "wide": "every version, from every repository",
        "expired": true, "days_left": null,
    });
    assert_eq!(*old, expected);
    assert!(json["exceptions"][0]["days_left"].as_i64().unwrap() > 60_000);
}

#[test]
fn one_exception_is_taken_out_and_all_else_stays_as_it_is_written() {
    let world = world();
    world.write("etc/exceptions.d/site.toml", WRITTEN);
    let asked = exception(&world, &["remove", "exceptions.d/site.toml:4"]);
    asked.assert_code(2);
    let said = "apt-quorum: no terminal: add --yes. Nothing was changed.\n";
    assert_eq!(asked.stderr, said);
    assert_eq!(read(&world, "site.toml").as_deref(), Some(WRITTEN));

    let gone = exception(&world, &["remove", "--yes", "exceptions.d/site.toml:4"]);
    gone.assert_code(0);
    assert!(
        gone.stdout.starts_with("exceptions.d/site.toml:4: package \"linux-image-*\": "),
        "{gone:?}"
    );
    let last = "Exception removed. Packages installed under it stay as debt until a quorum confirms them. 1 exception left.";
    assert_eq!(gone.stdout.lines().last(), Some(last));
    let (head, rest) = WRITTEN.split_once("# the kernel").unwrap();
    let (_, second) = rest.split_once("\n\n").unwrap();
    assert_eq!(read(&world, "site.toml").unwrap(), format!("{head}{second}"));

    for wrong in ["site.toml:1", "exceptions.d/site.toml:10", "other.toml:4"] {
        let ended = exception(&world, &["remove", "--yes", wrong]);
        ended.assert_code(1);
        assert!(ended.stderr.contains("there is no exception at"), "{ended:?}");
    }
    exception(&world, &["remove", "--yes", "site.toml"]).assert_code(2);

    // The last one leaves a file that has something to say, and takes one that has not.
    exception(&world, &["remove", "--yes", "site.toml line 4"]).assert_code(0);
    assert_eq!(read(&world, "site.toml").as_deref(), Some("# exceptions of this machine\n\n"));
    add(&world, &["hello", "--reason", "why", "--days", "1"]).assert_code(0);
    world.write(
        "etc/exceptions.d/local.toml",
        "[[exception]]\npackage = [\"a\"]\nreason = \"b\"\nexpires = 2199-01-01\n",
    );
    exception(&world, &["remove", "--yes", "exceptions.d/local.toml:1"]).assert_code(0);
    assert_eq!(read(&world, "local.toml"), None);
}

#[test]
fn what_only_people_can_take_apart_stays() {
    let world = world();
    let text = "exception = [\n{ package = [\"a\"], reason = \"a\", expires = 2199-01-01 },\n]\n";
    world.write("etc/exceptions.d/list.toml", text);
    let ended = exception(&world, &["remove", "--yes", "list.toml:2"]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("remove it with an editor. Nothing was changed."), "{ended:?}");
    assert_eq!(read(&world, "list.toml").as_deref(), Some(text));
}

/// What an archive says of itself, every archive can say.
#[test]
fn what_binds_a_condition_is_told() {
    let key = "04b54c3cdca79751b16bc6b5225629df75b188bd";
    for (arguments, told) in [
        (&["--origin", "Debian"][..], Some("claims this origin for itself, whatever key")),
        (
            &["--component", "main", "--suite", "x"],
            Some("claims this suite, component for itself, whatever key"),
        ),
        (
            &["--label", "x", "--codename", "y"],
            Some("claims this label, codename for itself, whatever key"),
        ),
        (
            &["--origin", "Debian", "--package", "a"],
            Some("claims this origin for itself, whatever key"),
        ),
        (
            &["--origin", "Debian", "--site", "*"],
            Some("claims this origin for itself, whatever key"),
        ),
        (&["--source", "linux"], Some("names neither packages nor a repository")),
        (&["--site", "**?", "--package", "*"], Some("names neither packages nor a repository")),
        (&["--origin", "Debian", "--site", "deb.debian.org"], None),
        (&["--origin", "Debian", "--signed-by", key], None),
        (&["--signed-by", key], None),
        (&["--package", "a"], None),
    ] {
        let world = world();
        let rest = ["--reason", "r", "--days", "3", "--yes"];
        let ended = add(&world, &[arguments, &rest].concat());
        ended.assert_code(0);
        let mut check = world.command();
        let checked = run(check.args(["config", "check", "--config"]).arg(world.path("etc")));
        checked.assert_code(0);
        for said in [&ended.stdout, &checked.stdout] {
            let note = "limit it with site or signed_by";
            assert_eq!(said.contains(note), told.is_some(), "{arguments:?}: {said}");
            assert!(told.is_none_or(|told| said.contains(told)), "{arguments:?}: {said}");
        }
        // As the administrator would find it before a setup.
        let mut setup = world.command();
        setup.args(["setup", "--yes", "--no-dry-run", "--config"]).arg(world.path("etc"));
        let said = run(setup.args(["--threshold", "1", "--mode", "enforce"])).stdout;
        assert_eq!(said.contains("limit it with"), told.is_some(), "{arguments:?}: {said}");
    }
    // A rule, and a fingerprint in whatever form it was copied, and only a whole one.
    let world = world();
    world.policy("mode = \"enforce\"\nthreshold = 1\n[[rule]]\nlabel = [\"x\"]\nthreshold = 1\n");
    let mut check = world.command();
    let said = run(check.args(["config", "check", "--config"]).arg(world.path("etc"))).stdout;
    let note = "  note: the rule in policy.toml line 3 applies to every repository that claims this label for itself: limit it with site or signed_by.\n";
    assert!(said.contains(note), "{said}");
    let spaced = "04B5 4C3C DCA7 9751 B16B  C6B5 2256 29DF 75B1 88BD";
    add(&world, &["--signed-by", spaced, "--reason", "r", "--days", "3", "--yes"]).assert_code(0);
    let text = read(&world, "local.toml").unwrap();
    assert!(
        text.contains("signed_by = [\"04B54C3CDCA79751B16BC6B5225629DF75B188BD\"]\n"),
        "{text}"
    );
    let ended = add(&world, &["--signed-by", "225629DF75B188BD", "--reason", "r", "--days", "3"]);
    ended.assert_code(2);
    assert!(ended.stderr.contains("a fingerprint is 40 hexadecimal digits"), "{ended:?}");
}

fn local(world: &World, text: &str) {
    world.write("etc/exceptions.d/local.toml", text);
}

fn json(world: &World, arguments: &[&str]) -> serde_json::Value {
    let ended = exception(world, arguments);
    ended.assert_code(0);
    ended.json()
}

#[test]
fn an_id_stays_when_lines_shift_and_names_one_exception() {
    let world = world();
    let rest = ["--reason", "why", "--until", "2199-03-01"];
    for name in ["hello", "hello=1", "libfoo++2:any"] {
        add(&world, &[&[name], &rest[..]].concat()).assert_code(if name.contains(':') {
            2
        } else {
            0
        });
    }
    let chosen = add(&world, &[&["other=3", "--id", "until-march"], &rest[..]].concat());
    assert!(chosen.stdout.starts_with("until-march: "), "{chosen:?}");
    add(&world, &[&["third=3", "--id", "until-march"], &rest[..]].concat()).assert_code(1);
    let text = read(&world, "local.toml").unwrap();
    local(&world, &format!("# a line more\n# and one\n\n{text}"));
    let listed = json(&world, &["list", "--json"]);
    let ids: Vec<&str> = listed["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["hello-1", "hello-2", "until-march"]);
    exception(&world, &["remove", "--yes", "hello-1"]).assert_code(0);
    assert!(!read(&world, "local.toml").unwrap().contains("hello-1"));
    // Once more it is as it should be. A typing mistake is told.
    let again = exception(&world, &["remove", "--yes", "hello-1"]);
    again.assert_code(0);
    assert!(again.stdout.starts_with("There is no exception hello-1: nothing was changed."));
    assert_eq!(json(&world, &["remove", "--yes", "--json", "hello-1"])["changed"], false);
    let gone = json(&world, &["remove", "--yes", "--json", "hello-2"]);
    assert_eq!((&gone["changed"], &gone["exceptions"][0]["id"]), (&true.into(), &"hello-2".into()));
    // A question and JSON do not go together.
    exception(&world, &["remove", "--json", "until-march"]).assert_code(2);
}

#[test]
fn what_is_in_force_already_is_not_added_once_more() {
    let world = world();
    let until = |day: &'static str| ["hello=1", "--reason", "why", "--until", day];
    assert_eq!(
        json(&world, &[&["add", "--json"], &until("2199-03-01")[..]].concat())["changed"],
        true
    );
    let text = read(&world, "local.toml").unwrap();
    let same = json(&world, &[&["add", "--json"], &until("2199-03-01")[..]].concat());
    assert_eq!(
        (&same["changed"], &same["exceptions"][0]["id"]),
        (&false.into(), &"hello-1".into())
    );
    let longer = add(&world, &until("2199-04-01"));
    longer.assert_code(1);
    assert!(longer.stderr.contains("apt-quorum exception renew hello-1 --days 30"), "{longer:?}");
    add(&world, &["hello=1", "--reason", "another", "--until", "2199-03-01"]).assert_code(1);
    assert_eq!(read(&world, "local.toml").unwrap(), text);
    // One that has expired is in no one's way.
    local(&world, &text.replace("2199-03-01", "2020-03-01"));
    add(&world, &until("2199-03-01")).assert_code(0);
}

#[test]
fn the_last_day_counts() {
    let world = world();
    let hello = Deb::new("hello", "1", "amd64");
    world.put(&hello);
    let until = |end: &str| {
        local(
            &world,
            &format!(
                "[[exception]]\nsha256 = [\"{}\"]\nreason = \"r\"\nexpires = {end}\n",
                hello.sha256()
            ),
        );
        world.verify(&hello).code
    };
    // Midnight may come between here and there: then it is the day before.
    let today = day_in(0);
    let code = until(&today);
    assert!(code == Some(0) || today != day_in(0));
    let list = exception(&world, &["list"]).stdout;
    assert!(list.contains(", less than a day left)") || today != day_in(0), "{list}");
    assert_eq!(until(&day_in(-1)), Some(1));
    assert_eq!(until("2199-01-01"), Some(0));
    // A part of a day is no day.
    assert_eq!(until("2199-01-01T12:00:00Z"), Some(2));
    assert_eq!(until("9999-12-31"), Some(2));
}

#[test]
fn an_end_is_renewed_and_what_is_over_is_pruned() {
    let world = world();
    let text = "# mine\n\n[[exception]]\nid = \"old\"\npackage = [\"a\"]\nversion = [\"1\"]\nreason = \"r\"\nexpires = 2020-01-01   # so\n\n\
        [[exception]]\npackage = [\"b\"]\nversion = [\"1\"]\nreason = \"r\"\nexpires = 2020-01-01\n";
    local(&world, text);
    let renewed = exception(&world, &["renew", "old", "--until", "2199-01-01"]);
    renewed.assert_code(0);
    let begins = "old: package \"a\", version \"1\": r (until and including 2199-01-01, ";
    assert!(renewed.stdout.starts_with(begins), "{renewed:?}");
    let expected = text.replacen("2020-01-01", "2199-01-01", 1);
    assert_eq!(read(&world, "local.toml").unwrap(), expected);
    let again = json(&world, &["renew", "old", "--until", "2199-01-01", "--json"]);
    assert_eq!(again["changed"], false);
    exception(&world, &["renew", "old", "--until", "2020-01-01"]).assert_code(2);
    exception(&world, &["renew", "older", "--days", "3"]).assert_code(1);
    exception(&world, &["renew", "old"]).assert_code(2);
    exception(&world, &["renew", "local.toml:11", "--days", "3"]).assert_code(1);

    exception(&world, &["prune"]).assert_code(2);
    assert_eq!(read(&world, "local.toml").unwrap(), expected);
    let pruned = exception(&world, &["prune", "--yes"]);
    pruned.assert_code(0);
    assert!(pruned.stdout.ends_with("1 exception removed, 1 left.\n"), "{pruned:?}");
    let left = read(&world, "local.toml").unwrap();
    assert!(left.contains("\"old\"") && !left.contains("\"b\""), "{left}");
    assert_eq!(json(&world, &["prune", "--yes", "--json"])["changed"], false);
    let both = "[[exception]]\npackage = [\"a\"]\nreason = \"r\"\nexpires = 2020-01-01\n\n[[exception]]\npackage = [\"b\"]\nreason = \"r\"\nexpires = 2020-01-01\n";
    local(&world, both);
    world.write("etc/exceptions.d/more.toml", format!("# kept\n{both}"));
    exception(&world, &["prune", "--yes"]).assert_code(0);
    assert_eq!(read(&world, "local.toml"), None);
    assert_eq!(read(&world, "more.toml").as_deref(), Some("# kept\n"));
}

#[test]
fn what_exempts_everything_is_asked_about_and_named_everywhere() {
    let world = world();
    let rest = ["--reason", "r", "--days", "3"];
    for (wide, said) in [
        (["--package", "*"], "WIDE: every package of every repository that meets its conditions."),
        (
            ["--site", "deb.debian.org"],
            "WIDE: every package of its repository that meets its conditions.",
        ),
        (["--version", "1"], "WIDE: every package of every repository"),
        (["--source", "a"], "WIDE: every package of every repository"),
    ] {
        let refused = add(&world, &[&wide[..], &rest].concat());
        refused.assert_code(2);
        assert!(refused.stdout.contains(said), "{refused:?}");
        assert_eq!(read(&world, "local.toml"), None);
        let added = add(&world, &[&wide[..], &rest, &["--yes"]].concat());
        assert!(added.assert_code(0).stdout.contains(said), "{added:?}");
        let mut check = world.command();
        let checked = run(check.args(["config", "check", "--config"]).arg(world.path("etc")));
        assert!(checked.stdout.contains(" is wide: "), "{checked:?}");
        let mut status = world.command();
        let status = run(status.args(["status", "--config"]).arg(world.path("etc")));
        assert!(status.stdout.contains(", 1 wide exception ("), "{status:?}");
        fs::remove_file(world.path("etc/exceptions.d/local.toml")).unwrap();
    }
    // For one package that is confirmed by none, only a word is said.
    let ended = add(&world, &[&["hello"], &rest[..]].concat());
    assert!(ended.assert_code(0).stdout.contains("WIDE: every version, from every repository."));
}

#[test]
fn the_end_is_warned_about_in_time() {
    let world = world();
    add(&world, &["soon=1", "--reason", "r", "--days", "5"]).assert_code(0);
    add(&world, &["late=1", "--reason", "r", "--days", "50"]).assert_code(0);
    let mut status = world.command();
    let status = run(status.args(["status", "--config"]).arg(world.path("etc")));
    let warned = "WARNING    the exception soon-1 applies only until and including ";
    assert!(status.stdout.contains(warned), "{status:?}");
    assert!(status.stdout.contains("To extend it: apt-quorum exception renew soon-1 --days 30"));
    assert!(!status.stdout.contains("the exception late-1"), "{status:?}");
}

/// What a quorum has made unnecessary, and what would be needed, and neither of them wide.
#[test]
fn suggestions_are_narrow_and_only_for_what_is_refused() {
    use crate::common::fresh::{Fresh, hello, other, trusting};
    let fresh = Fresh::new();
    let rebuilders = [fresh.rebuilder("alpha", &[&hello()])];
    let flags = ["--threshold", "1", "--mode", "enforce", "--sources", "none", "--yes"];
    let flags = [&trusting(&rebuilders)[..], &flags, &["--no-dry-run"]].concat();
    fresh.setup(&flags).assert_code(0);
    let command = |arguments: &[&str]| {
        let mut command = fresh.machine.world.command();
        run(command.arg("exception").args(arguments))
    };
    let add = |arguments: &[&str]| {
        command(&[&["add"], arguments, &["--reason", "r", "--until", "2199-01-01"]].concat())
            .assert_code(0);
    };
    let link = other().link(&fresh.machine.keys["alpha"]);
    fresh.machine.world.make_directory("confirms");
    let link = fresh.machine.world.write("confirms/other.link", link).display().to_string();
    let said = command(&["suggest", "--evidence", &link]);
    assert_eq!(said.stdout, "No exception is missing, and none is unnecessary.\n");
    add(&["hello"]);
    add(&["absent=1"]);
    fresh.machine.world.write(
        "etc/exceptions.d/old.toml",
        "[[exception]]\npackage = [\"other\"]\nreason = \"r\"\nexpires = 2020-01-01\n",
    );
    let before = fresh.files();
    let said = command(&["suggest"]);
    said.assert_code(0).assert_plain();
    for told in [
        "1 exception expired. To remove: apt-quorum exception prune\n",
        "hello-1 is no longer needed: a quorum confirms hello 2.10-3 amd64 to which it applies. To remove: apt-quorum exception remove hello-1\n",
        "absent-1 applies to no package here.\n",
        "other 1 all is not confirmed. To exempt it: apt-quorum exception add other=1 --reason TEXT --days 30\n",
    ] {
        assert!(said.stdout.contains(told), "{told:?} in {said:?}");
    }
    assert_eq!(said.stdout.lines().count(), 4, "{said:?}");
    let json = command(&["suggest", "--json"]).json();
    assert_eq!(json["needed"][0]["conditions"], "other=1");
    assert_eq!(json["unneeded"][0]["exception"], "hello-1");
    assert_eq!((&json["unused"][0], &json["unidentified"]), (&"absent-1".into(), &0.into()));
    assert_eq!(fresh.files(), before);
    // What it proposes is enough.
    add(&["other=1"]);
    let said = command(&["suggest"]);
    assert!(!said.stdout.contains("is not confirmed"), "{said:?}");
    // Nothing is proposed where a rebuilder contradicts, nor where none was heard.
    let link = other().differently_built().link(&fresh.machine.keys["alpha"]);
    fresh.machine.world.make_directory("at-hand");
    let link = fresh.machine.world.write("at-hand/other.link", link).display().to_string();
    command(&["remove", "--yes", "other-1"]).assert_code(0);
    let said = command(&["suggest", "--evidence", &link]);
    assert!(
        said.stdout.contains("CONFLICT: a rebuilder signed a different file as other 1 all"),
        "{said:?}"
    );
    assert!(!said.stdout.contains("exception add other"), "{said:?}");
    let beta = Key::new();
    let silent = ["rebuilderd http://127.0.0.1:9/".to_owned()];
    fresh.machine.world.rebuilder("beta", &beta, &silent);
    let said = command(&["suggest"]);
    said.assert_code(3);
    let told = "1 package undetermined, because rebuilders did not respond: ask again later.\n";
    assert!(said.stdout.contains(told), "{said:?}");
}

#[test]
fn at_a_terminal_only_yes_changes_anything() {
    let world = world();
    let at_terminal = |arguments: &[&str], question: &str, typed: &str| {
        let mut command = world.command();
        command.arg("exception").args(arguments).arg("--config").arg(world.path("etc"));
        let mut terminal = Terminal::start(&world, &command);
        terminal.expect(question).send(typed);
        terminal.end()
    };
    let rest = ["--reason", "r", "--until", "2199-01-01"];
    let wide = [&["add", "--package", "*"], &rest[..]].concat();
    let renew = ["renew", "any-1", "--until", "2199-01-02"];
    let expired = "[[exception]]\npackage = [\"a\"]\nreason = \"r\"\nexpires = 2020-01-01\n";
    for (arguments, question) in [
        (&wide[..], "Exempt all of these packages? Type yes: "),
        (&renew, "Renew this wide exception? Type yes: "),
        (&["remove", "any-1"], "Remove this exception? Type yes: "),
        (&["prune"], "Remove these exceptions? Type yes: "),
    ] {
        if *arguments == ["prune"] {
            local(&world, expired);
        }
        let before = read(&world, "local.toml");
        let (code, shown) = at_terminal(arguments, question, "no\n");
        assert_eq!(code, Some(1), "{shown}");
        assert_eq!(read(&world, "local.toml"), before);
        let (code, shown) = at_terminal(arguments, question, "yes\n");
        assert_eq!(code, Some(0), "{shown}");
        assert_ne!(read(&world, "local.toml"), before);
    }
}
