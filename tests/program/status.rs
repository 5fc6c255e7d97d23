//! `apt-quorum status`: where a machine stands. That all entrances are active is shown where they
//! are: see tests/system.

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
