//! Where a system stands: what `apt-quorum audit` says of each installed package.

use std::fs;

use serde_json::json;

use crate::common::Deb;
use crate::common::installed::{Machine, receipt};
use crate::common::rebuilder::hello;

/// What an audit says of the one package: state, who says which file it was, reason, debt.
fn stands(machine: &Machine) -> (String, i32) {
    let (package, ended) = machine.package();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let stands = [
        text(&package["state"]),
        text(&package["sha256_from"]),
        text(&package["reason"]["code"]),
        if package["debt"] == true { "debt".to_owned() } else { "-".to_owned() },
    ];
    (stands.join(" "), ended.code.unwrap())
}

type Row = (&'static str, fn(&mut Machine, &Deb), &'static str, i32);

/// hello 2.10-3 is installed; what else there is; state, whose hash, reason, debt; exit code.
const ROWS: &[Row] = &[
    ("nothing is known of it", |_, _| {}, "unknown - no-hash -", 1),
    (
        "let in by a quorum, which is still there",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha", "beta"]);
        },
        "confirmed receipt - -",
        0,
    ),
    (
        "from before the gate, and a signed index lists what enough signed",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["alpha", "gamma"]);
        },
        "confirmed index - -",
        0,
    ),
    (
        "an unsigned archive lists it: anybody could have written that",
        |it, deb| {
            it.listed(deb, "a.example", false).signed(deb, &["alpha", "gamma"]);
        },
        "unknown - no-hash -",
        1,
    ),
    (
        "too few signed what the index lists",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["alpha"]);
        },
        "unknown index not-confirmed -",
        1,
    ),
    (
        "let in by mode warn, and nobody signed it since",
        |it, deb| {
            it.let_in(deb, "warn-mode");
        },
        "debt receipt not-confirmed debt",
        1,
    ),
    (
        "let in by mode warn, and enough signed it since",
        |it, deb| {
            it.let_in(deb, "warn-mode").signed(deb, &["alpha", "beta"]);
        },
        "confirmed receipt - -",
        0,
    ),
    (
        "let in by an exception that is gone",
        |it, deb| {
            it.let_in(deb, "exception");
        },
        "debt receipt not-confirmed debt",
        1,
    ),
    (
        "let in by a quorum that is gone",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha"]);
        },
        "unknown receipt not-confirmed -",
        1,
    ),
    (
        "an exception is in force for what an index lists",
        |it, deb| {
            it.listed(deb, "a.example", true);
            it.world.exception(&exception("expires = 9999-01-01"));
        },
        "excepted index not-confirmed debt",
        0,
    ),
    (
        "an exception by name, but no index lists the file",
        |it, deb| {
            it.let_in(deb, "exception");
            it.world.exception(&exception("expires = 9999-01-01"));
        },
        "debt receipt not-confirmed debt",
        1,
    ),
    (
        "an exception by hash needs no index",
        |it, deb| {
            it.let_in(deb, "exception");
            let sha256 = deb.sha256();
            it.world
                .exception(&exception(&format!("sha256 = [\"{sha256}\"]\nexpires = 9999-01-01")));
        },
        "excepted receipt not-confirmed debt",
        0,
    ),
    (
        "the exception has expired",
        |it, deb| {
            it.listed(deb, "a.example", true);
            it.world.exception(&exception("expires = 2020-01-01"));
        },
        "unknown index not-confirmed -",
        1,
    ),
    (
        "a quorum is better than an exception",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["beta", "gamma"]);
            it.world.exception(&exception("expires = 9999-01-01"));
        },
        "confirmed index - -",
        0,
    ),
    (
        "somebody signed another file, and too few this one",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["alpha"]);
            it.signed(&deb.differently_built(), &["beta"]);
        },
        "conflict index not-confirmed -",
        1,
    ),
    (
        "the same, let in by mode warn",
        |it, deb| {
            it.let_in(deb, "warn-mode").signed(&deb.differently_built(), &["beta"]);
        },
        "conflict receipt not-confirmed debt",
        1,
    ),
    (
        "somebody signed another file, but enough this one",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha", "beta"]);
            it.signed(&deb.differently_built(), &["gamma"]);
        },
        "confirmed receipt - -",
        0,
    ),
    (
        "the same where the policy refuses on conflict",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha", "beta"]);
            it.signed(&deb.differently_built(), &["gamma"]);
            it.world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
        },
        "conflict receipt conflict -",
        1,
    ),
    (
        "archives list two files under its name, of which one is confirmed: it may be the other",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["alpha", "beta"]);
            it.listed(&deb.differently_built(), "b.example", true);
        },
        "conflict index not-confirmed -",
        1,
    ),
    (
        "a receipt goes before what an index lists now",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha", "beta"]);
            it.listed(&deb.differently_built(), "a.example", true);
        },
        "confirmed receipt - -",
        0,
    ),
    (
        "of two receipts the newer counts",
        |it, deb| {
            let other = deb.differently_built();
            it.let_in(deb, "quorum").let_in(&other, "warn-mode").signed(deb, &["alpha", "beta"]);
        },
        "conflict receipt not-confirmed debt",
        1,
    ),
    (
        "what was refused did not come in",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha", "beta"]);
            it.receipt(&deb.differently_built(), json!({ "decision": "refuse", "basis": null }));
        },
        "confirmed receipt - -",
        0,
    ),
    (
        "a receipt about another version says nothing about this one",
        |it, deb| {
            let other = Deb::new(&deb.name, "2.10-2", &deb.architecture);
            it.let_in(&other, "quorum").signed(&other, &["alpha", "beta"]);
        },
        "unknown - no-hash -",
        1,
    ),
    (
        "what rebuilders signed under another name is no vote",
        |it, deb| {
            it.let_in(deb, "warn-mode");
            let mut named_otherwise = deb.clone();
            named_otherwise.name = "hallo".to_owned();
            it.signed(&named_otherwise, &["alpha", "beta"]);
        },
        "debt receipt not-confirmed debt",
        1,
    ),
    (
        "the mode does not matter to where a system stands",
        |it, deb| {
            it.listed(deb, "a.example", true);
            it.world.policy("mode = \"warn\"\nthreshold = 2\n");
        },
        "unknown index not-confirmed -",
        1,
    ),
    (
        "a rule holds for what it matches",
        |it, deb| {
            it.listed(deb, "a.example", true).signed(deb, &["alpha"]);
            it.world.policy(
                "mode = \"enforce\"\nthreshold = 2\n[[rule]]\nsite = [\"a.example\"]\nthreshold = 1\n",
            );
        },
        "confirmed index - -",
        0,
    ),
    (
        "a rebuilder that could settle it cannot be heard",
        |it, deb| {
            it.let_in(deb, "quorum").signed(deb, &["alpha"]);
            it.world.impatient_policy(2);
            it.world.rebuilder(
                "beta",
                &it.keys["beta"],
                &["rebuilderd http://127.0.0.1:9/".into()],
            );
        },
        "unknown receipt could-not-find-out -",
        3,
    ),
];

fn exception(more: &str) -> String {
    format!("[[exception]]\npackage = [\"hello\"]\nreason = \"not yet\"\n{more}\n")
}

#[test]
fn every_package_stands_as_the_policy_and_the_evidence_say() {
    let mut wrong = Vec::new();
    for (what, make, expected, code) in ROWS {
        let mut machine = Machine::new();
        let deb = hello();
        machine.installed(&deb);
        make(&mut machine, &deb);
        let found = stands(&machine);
        if found != ((*expected).to_owned(), *code) {
            wrong.push(format!("{what}: {expected} ({code}), but found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Only what has files on the system is judged, and what dpkg did not finish is said.
#[test]
fn what_dpkg_has_not_finished_is_installed_and_what_it_removed_is_not() {
    for (status, there, unfinished) in [
        ("install ok installed", true, false),
        ("install ok half-configured", true, true),
        ("install ok unpacked", true, true),
        ("install reinstreq half-installed", true, true),
        ("install ok triggers-pending", true, false),
        ("deinstall ok config-files", false, false),
        ("purge ok not-installed", false, false),
    ] {
        let mut machine = Machine::new();
        machine.has(&hello(), status, "").let_in(&hello(), "quorum");
        let audit = machine.audit(&["--json"]).json();
        assert_eq!(audit["counts"]["installed"], u64::from(there), "{status}");
        assert_eq!(audit["packages"][0]["unfinished"] == true, unfinished, "{status}");
    }
    let machine = Machine::new();
    machine.audit(&[]).assert_code(0);
}

/// The method's receipts are written as a user without privileges, who could write anything.
#[test]
fn receipts_of_the_method_are_not_believed() {
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).signed(&deb, &["alpha", "beta"]).write();
    let path = machine.path("var/lib/apt-quorum/receipts/method.jsonl");
    fs::write(path, format!("{}\n", receipt(&deb))).unwrap();
    let audit = machine.audit_as_it_is(&["--json"]).json();
    assert_eq!(audit["packages"][0]["reason"]["code"], "no-hash");
}

/// The signed bytes that root kept are enough, without a network, a cache or a bundle.
#[test]
fn what_a_receipt_rests_on_is_found_behind_it_and_verified_again() {
    let deb = hello();
    for (content, state) in [("as signed", "confirmed"), ("changed", "unknown")] {
        let mut machine = Machine::new();
        machine.installed(&deb).let_in_by(&deb, &["alpha", "beta"]).write();
        if content == "changed" {
            for entry in fs::read_dir(machine.path("var/lib/apt-quorum/evidence")).unwrap() {
                let path = entry.unwrap().path();
                fs::write(&path, [&fs::read(&path).unwrap()[..], b"\n"].concat()).unwrap();
            }
        }
        let audit = machine.audit_as_it_is(&["--json", "--offline"]).json();
        assert_eq!(audit["packages"][0]["state"], state, "{content}");
    }
}

/// One of each kind.
fn various() -> Machine {
    let mut machine = Machine::new();
    let deb = |name: &str| Deb::new(name, "1.0-1", "amd64");
    for name in ["confirmed", "alarm", "excepted", "debt", "unknown", "conflict"] {
        machine.installed(&deb(name));
    }
    machine
        .listed(&deb("confirmed"), "a.example", true)
        .signed(&deb("confirmed"), &["alpha", "beta"]);
    machine.let_in(&deb("alarm"), "quorum").signed(&deb("alarm"), &["alpha", "beta"]);
    machine.signed(&deb("alarm").differently_built(), &["gamma"]);
    machine.listed(&deb("excepted"), "a.example", true);
    machine.let_in(&deb("debt"), "warn-mode").signed(&deb("debt"), &["gamma"]);
    machine.listed(&deb("conflict"), "a.example", true);
    machine.signed(&deb("conflict").differently_built(), &["beta"]);
    machine.world.exception(
        "[[exception]]\npackage = [\"excepted\"]\nreason = \"has a date in it\"\nexpires = 9999-01-01\n",
    );
    machine
}

#[test]
fn people_see_the_worst_first_and_confirmed_packages_only_if_they_ask() {
    let machine = various();
    let ended = machine.audit(&[]);
    ended.assert_code(1).assert_plain();
    let expected = "\
CONFLICT   conflict 1.0-1 amd64  0 of 2 required confirmations [alpha: not asked; beta: signed a different file under this name; gamma: not asked]
           CONFLICT: beta signed a different file under this name (sha256 HASH).
unknown    unknown 1.0-1 amd64   original .deb unknown (no receipt, in no signed index)
debt       debt 1.0-1 amd64      1 of 2 required confirmations [alpha: not asked; beta: not asked; gamma: confirmed]
excepted   excepted 1.0-1 amd64  until and including 9999-01-01 (test.toml line 1): has a date in it
confirmed  alarm 1.0-1 amd64     by alpha, beta
           CONFLICT: gamma signed a different file under this name (sha256 HASH).
2 of 6 packages confirmed, 1 under an exception, 1 installed without a quorum (debt), 1 unknown (1 of unknown origin), 2 in conflict.
";
    let hash = |name: &str| Deb::new(name, "1.0-1", "amd64").differently_built().sha256();
    let found = ended.stdout.replace(&hash("conflict"), "HASH").replace(&hash("alarm"), "HASH");
    assert_eq!(found, expected);
    let all = machine.audit(&["--all"]);
    assert_eq!(all.stdout.lines().count(), expected.lines().count() + 1);
    assert!(all.stdout.contains("\nconfirmed  confirmed 1.0-1 amd64  by alpha, beta\n"));
}

/// Fifty packages whose rebuilders cannot be asked, and three of other kinds.
#[test]
fn an_outage_does_not_hide_the_rest() {
    let mut machine = Machine::new();
    for name in ["alpha", "beta"] {
        machine.world.rebuilder(
            name,
            &machine.keys[name],
            &["rebuilderd http://127.0.0.1:9/".into()],
        );
    }
    let deb = |name: &str| Deb::new(name, "1.0-1", "amd64");
    for n in 0..50 {
        let deb = deb(&format!("package-{n:02}"));
        machine.installed(&deb).listed(&deb, "a.example", true);
        // What those who answer say differs, and says nothing about those who do not.
        machine.signed(&deb, if n % 2 == 0 { &["gamma"] } else { &[] });
    }
    for name in ["lost", "debt", "conflict"] {
        machine.installed(&deb(name));
    }
    machine.let_in(&deb("debt"), "warn-mode");
    machine.listed(&deb("conflict"), "a.example", true);
    machine.signed(&deb("conflict").differently_built(), &["beta"]);
    let ended = machine.audit(&["--offline"]);
    ended.assert_code(1).assert_plain();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{ended:?}");
    assert!(lines[0].starts_with("CONFLICT   conflict 1.0-1 amd64  "), "{ended:?}");
    assert!(lines[2].starts_with("unknown    lost 1.0-1 amd64      "), "{ended:?}");
    assert_eq!(
        lines[3],
        "unknown    50 packages (package-00, package-01, package-02 and 47 others): undetermined [alpha: unreachable: not asked: offline; beta: unreachable: not asked: offline]"
    );
    assert!(lines[4].starts_with("debt       debt 1.0-1 amd64      undetermined: "), "{ended:?}");
    assert_eq!(
        lines[5],
        "0 of 53 packages confirmed, 1 installed without a quorum (debt), 51 unknown (50 without an answer, 1 of unknown origin), 1 in conflict."
    );
    let all = machine.audit(&["--offline", "--all"]);
    assert_eq!(all.stdout.lines().count(), 55);
}

#[test]
fn unknown_is_told_by_its_causes() {
    let mut machine = Machine::new();
    let deb = |name: &str| Deb::new(name, "1.0-1", "amd64");
    let tree = format!("directory file://{}/", machine.world.path("evidence").display());
    machine.world.rebuilder("beta", &machine.keys["beta"], &[tree]);
    for name in ["few", "lost", "never"] {
        machine.installed(&deb(name));
    }
    machine.listed(&deb("few"), "a.example", true).signed(&deb("few"), &["alpha"]);
    machine.listed(&deb("never"), "a.example", true);
    let audit = machine.audit(&["--json"]).json();
    let causes: Vec<&str> = audit["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["unknown_because"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["too-few", "no-origin", "never-rebuilt"]);
    let ended = machine.audit(&[]);
    let last = ended.stdout.lines().last();
    let expected = "0 of 3 packages confirmed, 3 unknown (1 never rebuilt, 1 with too few confirmations, 1 of unknown origin).";
    assert_eq!(last, Some(expected));
}

/// All members of JSON, at any depth.
fn members(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                // The names of rebuilders are not of the schema.
                if name == "rebuilders" {
                    value.as_object().unwrap().values().for_each(|it| members(it, found));
                } else {
                    members(value, found);
                }
                found.insert(name.clone());
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|it| members(it, found)),
        _ => {}
    }
}

#[test]
fn every_member_of_the_json_is_in_the_manual() {
    let machine = various();
    let mut found = std::collections::BTreeSet::new();
    let ended = machine.audit(&["--json"]);
    ended.assert_code(1).assert_plain();
    let audit = ended.json();
    assert_eq!(audit["schema"], 1);
    assert_eq!(
        audit["counts"],
        json!({
            "installed": 6, "confirmed": 2, "excepted": 1, "debt": 1, "unknown": 1, "conflict": 2,
            "unknown_because": { "no_answer": 0, "never_rebuilt": 0, "too_few": 0, "no_origin": 1 },
        })
    );
    members(&audit, &mut found);
    let before = machine.audit_running(&["--changes", "--json"], &[]);
    before.assert_code(1);
    members(&before.json(), &mut found);
    let mut machine = machine;
    machine.signed(&Deb::new("debt", "1.0-1", "amd64"), &["alpha"]);
    let after = machine.audit_running(&["--changes", "--json"], &[]).json();
    assert_eq!(after["changes"].as_array().map(Vec::len), Some(1), "{after}");
    members(&after, &mut found);
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/apt-quorum.1")).unwrap();
    let (_, json) = page.split_once(".Sh JSON").unwrap();
    let (json, _) = json.split_once("\n.Sh ").unwrap();
    for name in found {
        let words = json.split([' ', '\n', ',']);
        assert!(words.into_iter().any(|word| word == name), "{name} is not in the manual");
    }
}
