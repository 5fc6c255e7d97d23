//! `apt-quorum status`: where a machine stands. That all entrances are active is shown where they
//! are: see tests/system.

use std::os::unix::fs::PermissionsExt;

use crate::common::apt::with_archive;
use crate::common::rebuilder::Rebuilder;
use crate::common::{self, Deb, Ended, Key, World, run};

fn status(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("status").args(arguments).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_plain();
    for line in ended.stdout.lines().filter(|_| !arguments.contains(&"--json")) {
        let last = line.rsplit(' ').next().unwrap();
        assert!(last.parse::<f64>().is_err(), "{line:?} ends in a number");
    }
    ended
}

/// The values of the lines with this label.
fn lines(ended: &Ended, label: &str) -> Vec<String> {
    let start = format!("  {label:<10} ");
    ended.stdout.lines().filter_map(|it| it.strip_prefix(&start)).map(str::to_owned).collect()
}

fn receipt(day: u32, package: &str, decision: &str, more: &str) -> String {
    format!(
        r#"{{"schema":1,"time":"2026-01-{day:02}T03:04:05Z","entrance":"hook","path":"/x.deb","package":"{package}","version":"1.0","architecture":"all","sha256":"{}","decision":"{decision}",{more},"debt":true}}{}"#,
        "0".repeat(64),
        "\n"
    )
}

/// One rebuilder that is there and one that is not, three packages with receipts and one without.
fn world() -> Option<(World, common::server::Server)> {
    let keys = [Key::new(), Key::new()];
    let server = Rebuilder::confirming(&keys[0], []).serve();
    let world = World::new();
    world.impatient_policy(2);
    world.rebuilder("alpha", &keys[0], &[server.endpoint()]);
    world.rebuilder("beta", &keys[1], &["rebuilderd http://127.0.0.1:9/".to_owned()]);
    let text = std::fs::read_to_string(world.path("etc/rebuilders.d/beta.toml")).unwrap();
    world.write(
        "etc/rebuilders.d/beta.toml",
        text.replace("file = \"beta.pem\"\n", "file = \"beta.pem\"\nnot_after = 2020-01-01\n"),
    );
    world.exception(
        "[[exception]]\npackage = [\"later\"]\nreason = \"why 5\"\nexpires = 2199-01-01\n\n[[exception]]\npackage = [\"over\"]\nreason = \"why\"\nexpires = 2020-01-01\n",
    );
    let installed = ["good 1.0", "warned 1.0", "conflicting 1.0", "before 1.0"];
    if !with_archive(&world, &[&Deb::new("x", "1", "all")], &installed) {
        return None;
    }
    world.make_directory("state");
    world.make_directory("state/receipts");
    let confirms =
        r#""rebuilders":{"alpha":{"kind":"confirms"},"beta":{"kind":"unreachable","why":"x"}}"#;
    let unknown = r#""rebuilders":{"alpha":{"kind":"unknown"},"beta":{"kind":"not-asked"}}"#;
    let receipts = [
        receipt(1, "good", "admit", &format!(r#""basis":"quorum",{confirms}"#)),
        receipt(2, "warned", "admit", &format!(r#""basis":"warn-mode",{unknown}"#)),
        receipt(
            3,
            "conflicting",
            "admit",
            r#""basis":"quorum","rebuilders":{"alpha":{"kind":"confirms"}},"conflicts":[{"rebuilder":"beta"}]"#,
        ),
        receipt(
            4,
            "refused",
            "refuse",
            &format!(
                r#""reason":{{"code":"not-confirmed","text":"0 of 2\u001b required confirmations"}},{unknown}"#
            ),
        ),
        "{\"cut\": ".to_owned(),
    ];
    world.write("state/receipts/hook.jsonl", receipts.concat());
    // On the way, and once more: what is not root's is shown, and says nothing about rebuilders.
    let why = format!(r#""reason":{{"code":"x","text":"why"}},{confirms}"#);
    let on_the_way = [5, 6].map(|day| receipt(day, "on-the-way", "refuse", &why)).concat();
    world.write("state/receipts/method.jsonl", on_the_way);
    Some((world, server))
}

#[test]
fn one_screen_tells_where_the_machine_stands() {
    let Some((world, _server)) = world() else { return };
    let ended = status(&world, &[]);
    ended.assert_code(1);
    let first =
        "NOT GUARDED: mode enforce: packages need 2 of 2 confirmations or a valid exception.";
    assert_eq!(ended.stdout.lines().next(), Some(first));
    // This world's apt has no hook.
    let entrances = lines(&ended, "hook");
    assert_eq!(entrances.len(), 3);
    assert!(
        entrances[0].starts_with("before unpacking (apt): NOT ACTIVE, apt does not run it"),
        "{ended:?}"
    );
    assert!(entrances[2].starts_with("before apt's prompt: off, apt does not run it"), "{ended:?}");
    let at = world.directory.path().display();
    let sources = format!(
        "checked during download: 0; NOT CHECKED, because the hook is not active: 1 (copy:{at}/archive/)"
    );
    let said = lines(&ended, "sources").concat().replace("copy://", "copy:");
    assert_eq!(said, sources);
    assert_eq!(
        lines(&ended, "rebuilder"),
        [
            "alpha: 1 key; confirmed 2 of the last 4 packages, last answer on 2026-01-04; coverage 2 of 4 rebuilt; lag none",
            "beta: 0 of 1 keys valid; no answer yet",
        ]
    );
    let debt = "1 of 4 packages were accepted without a quorum, 1 have no receipt. For details: apt-quorum audit";
    assert_eq!(lines(&ended, "debt"), [debt]);
    let exceptions = lines(&ended, "exception");
    assert_eq!(
        exceptions[0],
        "exceptions.d/test.toml:6: package \"over\": why (EXPIRED after 2020-01-01). WIDE: every version, from every repository."
    );
    assert!(
        exceptions[1].starts_with(
            "exceptions.d/test.toml:1: package \"later\": why 5 (until and including "
        )
    );
    let conflict =
        "conflicting 1.0 all: beta signed a different file under this name (on 2026-01-03)";
    assert_eq!(lines(&ended, "CONFLICT"), [conflict]);
    let refused = [
        "on-the-way 1.0 all: why (on 2026-01-06)",
        "refused 1.0 all: 0 of 2? required confirmations (on 2026-01-04)",
    ];
    assert_eq!(lines(&ended, "refused"), refused);

    let json = status(&world, &["--json"]).json();
    assert_eq!(
        (&json["guarded"], &json["configuration"]["mode"]),
        (&false.into(), &"enforce".into())
    );
    let heard = &json["rebuilders"][0]["heard"];
    assert_eq!((&heard["confirmed"], &heard["of"]), (&2.into(), &4.into()));
    assert_eq!((&heard["rebuilt"], &heard["answered"]), (&2.into(), &4.into()));
    assert_eq!(heard["lag"], 0);
    let beta = &json["rebuilders"][1]["heard"];
    assert_eq!((&beta["answered"], &beta["lag"]), (&0.into(), &().into()));
    assert_eq!(json["rebuilders"][1]["keys"][0]["good"], false);
    assert_eq!(
        json["debt"],
        serde_json::json!({"installed": 4, "without_quorum": 1, "without_receipt": 1})
    );
}

#[test]
fn rebuilders_are_asked_only_if_that_is_wanted() {
    let Some((world, server)) = world() else { return };
    status(&world, &[]);
    assert_eq!(server.connections(), 0);
    let ended = status(&world, &["--online"]);
    let rebuilders = lines(&ended, "rebuilder");
    assert!(rebuilders[0].ends_with("; now: answers"), "{ended:?}");
    assert!(rebuilders[1].contains("; now: ") && !rebuilders[1].contains("answers"), "{ended:?}");
    assert!(rebuilders[1].contains("; now: NO RESPONSE from http://127.0.0.1:9/ ("), "{ended:?}");
}

/// Silence, another key, and attestations that cannot be read are different problems.
#[test]
fn each_rebuilder_that_is_not_all_right_is_told_with_its_problem() {
    let Some((world, server)) = world() else { return };
    let other = Key::new();
    let changed = Rebuilder::publishing(&[&other]).serve();
    world.rebuilder("changed", &Key::new(), &[changed.endpoint()]);
    let tree = |name: &str| format!("directory file://{}/", world.path(name).display());
    world.make_directory("tree");
    world.rebuilder("tree", &Key::new(), &[tree("tree")]);
    world.rebuilder("missing", &Key::new(), &[tree("missing")]);
    world.rebuilder("mixed", &Key::new(), &[tree("tree"), tree("missing")]);
    world.rebuilder("away", &Key::new(), &["directory http://127.0.0.1:9/x/".to_owned()]);
    let ended = status(&world, &["--online"]);
    ended.assert_code(1);
    let now = |name: &str| {
        let of = lines(&ended, "rebuilder");
        let line = of.into_iter().find(|it| it.starts_with(&format!("{name}: "))).unwrap();
        line.split_once("; now: ").unwrap().1.to_owned()
    };
    assert_eq!(now("alpha"), "answers");
    assert_eq!(now("tree"), "answers");
    let (url, id) = (changed.url(), other.id());
    assert_eq!(
        now("changed"),
        format!(
            "KEY CHANGED: {url} publishes ed25519 {id}, which is not trusted. To compare: apt-quorum rebuilder refresh changed"
        )
    );
    let missing = format!("UNREADABLE: file://{}/ (", world.path("missing").display());
    assert!(now("missing").starts_with(&missing), "{ended:?}");
    assert!(now("mixed").starts_with(&missing) && !now("mixed").contains("answers"), "{ended:?}");
    assert_eq!(now("away"), "NO RESPONSE from http://127.0.0.1:9/x/ (Connection refused)");
    let json = status(&world, &["--online", "--json"]);
    let json = json.assert_code(1).json();
    let kinds: Vec<(&str, &str)> = json["rebuilders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["name"].as_str().unwrap(), it["now_kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("alpha", "answers"),
            ("away", "silent"),
            ("beta", "silent"),
            ("changed", "key-changed"),
            ("missing", "unreadable"),
            ("mixed", "unreadable"),
            ("tree", "answers"),
        ]
    );
    drop(server);
}

fn in_numbers(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("status").args(arguments).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_plain();
    ended
}

#[test]
fn the_machine_in_numbers_by_the_last_audit_and_the_receipts_since_then() {
    let Some((world, server)) = world() else { return };
    let ended = in_numbers(&world, &["--summary"]);
    ended.assert_code(1);
    assert_eq!(
        ended.stdout,
        "NOT GUARDED: 2 of 4 confirmed by 2 of 2 rebuilders, 1 installed without a quorum, 1 unknown, 1 in conflict, no audit yet\n"
    );
    let package = |name: &str, more: &str| {
        format!(r#"{{"package":"{name}","version":"1.0","architecture":"all",{more}}}"#)
    };
    // The receipts are of January.
    let packages = [
        package("before", r#""state":"unknown","unknown_because":"never-rebuilt""#),
        package("warned", r#""state":"confirmed""#),
        package("good", r#""state":"excepted","exception":{"expires":"2199-01-01T00:00:00Z"}"#),
        package("gone", r#""state":"conflict""#),
    ];
    let audit = |time: &str| {
        let all = packages.join(",");
        format!(r#"{{"schema":1,"time":"{time}","packages":[{all}]}}"#)
    };
    world.write("state/audit.json", audit("2026-01-01T12:00:00Z"));
    let fields = in_numbers(&world, &["--fields"]);
    fields.assert_code(1);
    let value = |fields: &Ended, name: &str| -> Option<String> {
        let mut lines = fields.stdout.lines().filter_map(|it| it.split_once(": "));
        lines.find(|(it, _)| *it == name).map(|(_, it)| it.to_owned())
    };
    let counts = |fields: &Ended| {
        ["confirmed", "excepted", "debt", "unknown", "unknown-never-rebuilt", "conflict"]
            .map(|it| value(fields, it).unwrap())
            .join(" ")
    };
    // What was let in after the audit counts by its receipt.
    assert_eq!(counts(&fields), "1 1 1 1 1 1");
    world.write("state/audit.json", audit("2026-02-01T12:00:00Z"));
    let fields = in_numbers(&world, &["--fields"]);
    assert_eq!(counts(&fields), "2 1 0 1 1 1");
    assert_eq!(value(&fields, "audited").as_deref(), Some("2026-02-01T12:00:00Z"));
    assert_eq!(value(&fields, "exceptions-until").as_deref(), Some("2199-01-01T00:00:00Z"));
    assert_eq!(value(&fields, "held"), None);

    let held = r#"{"schema":1,"time":"2026-02-01T08:00:00Z","held":[{"package":"x","architecture":"all","version":"2","kept_as":"amd64","installed":"1","since":"2026-01-28T07:00:00Z","security":true,"unconfirmed":true,"reason":"why","missing":[]}]}"#;
    world.write("state/held.json", held);
    let summary = in_numbers(&world, &["--summary"]);
    assert!(summary.stdout.contains(", 1 held, oldest held "), "{summary:?}");
    let json = in_numbers(&world, &["--summary", "--json"]).json();
    assert_eq!(json["held"]["security"], 1);
    assert_eq!((&json["installed"], &json["confirmed"]), (&4.into(), &2.into()));
    assert_eq!(server.connections(), 0);
}

#[test]
fn metrics_replace_a_plain_file_and_every_user_can_read_them() {
    let Some((world, _server)) = world() else { return };
    let target = world.write("apt-quorum.prom", "old");
    common::set_mode(&target, 0o600);
    let write =
        |name: &str| in_numbers(&world, &["--prometheus", world.path(name).to_str().unwrap()]);
    let held = r#"{"schema":1,"time":"2026-02-01T08:00:00Z","held":[{"package":"x","architecture":"all","version":"2","kept_as":"amd64","installed":"1","since":"2026-01-28T07:00:00Z","security":true,"unconfirmed":true,"reason":"why","missing":[]}]}"#;
    world.write("state/held.json", held);
    let audit = r#"{"schema":1,"time":"2026-01-01T12:00:00Z","packages":[]}"#;
    world.write("state/audit.json", audit);
    let ended = write("apt-quorum.prom");
    ended.assert_code(1);
    assert_eq!(ended.stdout, "");
    let mode = target.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let metrics = std::fs::read_to_string(&target).unwrap();
    for line in [
        "apt_quorum_guarded 0",
        "apt_quorum_configuration_valid 1",
        "apt_quorum_packages{state=\"confirmed\"} 2",
        "apt_quorum_packages_unknown{cause=\"never-audited\"} 1",
        "apt_quorum_last_refusal_timestamp_seconds 1767668645",
        "apt_quorum_rebuilder_last_answer_timestamp_seconds{rebuilder=\"alpha\"} 1767495845",
        "# TYPE apt_quorum_threshold gauge",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    for (name, help) in [
        ("guarded", "1 if the mode is enforce and the hooks that are needed are active."),
        ("configuration_valid", "1 if the configuration has no mistakes."),
        ("rebuilders", "Rebuilders that are trusted."),
        ("threshold", "Confirmations that every package needs at least."),
        ("packages_installed", "Installed packages."),
        (
            "packages",
            "Installed packages by state. A conflict can also be counted in another state.",
        ),
        ("packages_unknown", "Unknown packages by cause."),
        ("packages_held", "Versions that are held back until enough rebuilders confirm them."),
        ("packages_held_security", "Those of them that are security updates."),
        ("packages_held_since_timestamp_seconds", "Time since which the oldest of them is held."),
        ("exceptions", "Exceptions that apply."),
        ("exceptions_until_timestamp_seconds", "Time at which the next exception ends."),
        ("last_audit_timestamp_seconds", "Time of the last audit."),
        ("last_refusal_timestamp_seconds", "Time of the last refusal."),
        (
            "last_conflict_timestamp_seconds",
            "Time at which a rebuilder was last seen to have signed a different file.",
        ),
        (
            "rebuilder_last_answer_timestamp_seconds",
            "Time at which a rebuilder last answered, by the receipts.",
        ),
        ("status_timestamp_seconds", "Time at which this file was written."),
    ] {
        let lines = format!("# HELP apt_quorum_{name} {help}\n# TYPE apt_quorum_{name} gauge\n");
        assert!(metrics.contains(&lines), "{lines}: {metrics}");
    }
    let precious = world.write("precious", "precious");
    std::os::unix::fs::symlink(&precious, world.path("link.prom")).unwrap();
    for name in ["link.prom", "state", "no/such/place.prom"] {
        let ended = write(name);
        ended.assert_code(2);
        assert!(ended.stderr.starts_with("apt-quorum: --prometheus "), "{ended:?}");
    }
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}

#[test]
fn the_plugin_never_takes_a_failure_for_a_result() {
    let Some((world, _server)) = world() else { return };
    // This world's apt has no hook.
    let ended = in_numbers(&world, &["--nagios"]);
    ended.assert_code(2);
    assert!(ended.stdout.starts_with("APT-QUORUM CRITICAL - hook before unpacking (apt) not "));
    assert!(ended.stdout.contains(" | confirmed=2;;;0;4 excepted=0;"), "{ended:?}");
    world.write("state/held.json", "damaged");
    let ended = in_numbers(&world, &["--nagios", "--warning", "1", "--critical", "2"]);
    let path = world.path("state/held.json").display().to_string();
    let expected = format!(
        "APT-QUORUM UNKNOWN - {path} cannot be read. To write it anew: apt-quorum hold refresh\n"
    );
    assert_eq!(ended.assert_code(3).stdout, expected);
    assert_eq!((ended.stdout.lines().count(), &*ended.stderr), (1, ""));
    in_numbers(&world, &["--summary"]).assert_code(2);
    std::fs::remove_file(world.path("state/held.json")).unwrap();
    std::fs::remove_file(world.path("status")).unwrap();
    in_numbers(&world, &["--nagios"]).assert_code(3);

    let plugin = concat!(env!("CARGO_MANIFEST_DIR"), "/debian/plugins/check_apt_quorum");
    for arguments in [&["-w"][..], &["-w", "x"], &["-c", "-1"], &["-x"], &["more"], &["-h"]] {
        let ended = run(std::process::Command::new(plugin).args(arguments));
        ended.assert_code(3);
        assert!(ended.stdout.starts_with("APT-QUORUM UNKNOWN - "), "{ended:?}");
    }
}

#[test]
fn a_broken_configuration_is_told_first() {
    let Some((world, _server)) = world() else { return };
    world.policy("mode = \"off\"\n");
    let ended = status(&world, &[]);
    ended.assert_code(2);
    let etc = world.path("etc").display().to_string();
    let first =
        format!("BROKEN: the configuration in {etc} has mistakes, so every package is refused:");
    assert_eq!(ended.stdout.lines().next(), Some(&*first));
    assert!(ended.stdout.contains("mode must be \"enforce\" or \"warn\""), "{ended:?}");
    assert_eq!(lines(&ended, "hook").len(), 3);
    assert_eq!(lines(&ended, "refused").len(), 2);
    let json = status(&world, &["--json"]);
    assert!(json.assert_code(2).json()["configuration"]["problems"].as_str().is_some());
    world.policy("mode = \"warn\"\nthreshold = 1\n");
    let warned = status(&world, &[]);
    warned.assert_code(1);
    assert!(warned.stdout.starts_with("NOT GUARDED: mode warn: "), "{warned:?}");
}
