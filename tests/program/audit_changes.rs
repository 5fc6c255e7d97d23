//! `apt-quorum audit --changes`: what is otherwise than the last time is said, once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::common::installed::Machine;
use crate::common::rebuilder::{Rebuilder, hello};
use crate::common::{Deb, is_root, left_out};

const LAST: &str = "var/lib/apt-quorum/audit.json";

fn changes(machine: &Machine, code: i32) -> Vec<String> {
    let ended = machine.audit_running(&["--changes"], &[]);
    ended.assert_code(code).assert_plain();
    // When the last time was differs from run to run.
    let time = fs::read(machine.path(LAST)).map(|it| {
        let last: Value = serde_json::from_slice(&it).unwrap();
        assert!(last["time"].is_string());
    });
    time.unwrap();
    ended.stdout.lines().map(str::to_owned).collect()
}

/// The lines but the last, which says what it comes to.
fn said(lines: &[String]) -> Vec<&str> {
    lines.iter().rev().skip(1).rev().map(String::as_str).collect()
}

#[test]
fn the_first_time_tells_how_it_is_and_later_ones_what_changed_since_once() {
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).let_in(&deb, "warn-mode").signed(&deb, &["alpha"]);
    let debt = "0 of 1 packages confirmed, 1 installed without a quorum (debt).";
    assert_eq!(changes(&machine, 1), [format!("The first audit: {debt}")]);

    let nothing = changes(&machine, 0);
    assert!(nothing.len() == 1 && nothing[0].starts_with("Nothing changed since "), "{nothing:?}");
    assert!(nothing[0].ends_with(debt), "{nothing:?}");

    machine.signed(&deb, &["gamma"]);
    let better = changes(&machine, 0);
    assert_eq!(said(&better), ["hello 2.10-3 amd64: was debt, is now confirmed by alpha, gamma."]);
    assert!(better[1].starts_with("1 change since "), "{better:?}");
    assert_eq!(said(&changes(&machine, 0)), [""; 0]);

    // An alarm about what stays confirmed; and another one, by somebody else, about other bytes.
    let other = deb.differently_built();
    machine.signed(&other, &["beta"]);
    assert_eq!(
        said(&changes(&machine, 0)),
        [
            "hello 2.10-3 amd64: still confirmed by alpha, gamma; beta signed a different file under this name."
        ]
    );
    assert_eq!(said(&changes(&machine, 0)), [""; 0]);

    // A policy that is stricter than before.
    machine.world.policy("mode = \"enforce\"\nthreshold = 3\n");
    assert_eq!(
        said(&changes(&machine, 1)),
        ["hello 2.10-3 amd64: was confirmed, is now CONFLICT: 2 of 3 required confirmations."]
    );
    machine.world.policy("mode = \"enforce\"\nthreshold = 2\n");
    assert_eq!(said(&changes(&machine, 0)).len(), 1);

    // What is new is told if it is not as it should be.
    let (good, bad) = (Deb::new("good", "1", "all"), Deb::new("bad", "1", "all"));
    machine.installed(&good).installed(&bad).let_in(&good, "quorum").let_in(&bad, "warn-mode");
    machine.signed(&good, &["alpha", "beta"]);
    assert_eq!(
        said(&changes(&machine, 1)),
        ["bad 1 all: new, and debt: 0 of 2 required confirmations."]
    );
    assert_eq!(said(&changes(&machine, 0)), [""; 0]);
}

#[test]
fn an_exception_that_begins_and_ends_is_a_change() {
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).listed(&deb, "a.example", true);
    changes(&machine, 1);
    let exception = |expires: &str| {
        machine.world.exception(&format!(
            "[[exception]]\npackage = [\"hello\"]\nreason = \"not \u{e9} yet\"\nexpires = {expires}\n"
        ));
    };
    exception("9999-01-01");
    assert_eq!(
        said(&changes(&machine, 0)),
        [
            "hello 2.10-3 amd64: was unknown, is now excepted until and including 9999-01-01 (not ? yet)."
        ]
    );
    exception("2020-01-01");
    assert_eq!(
        said(&changes(&machine, 1)),
        ["hello 2.10-3 amd64: was excepted, is now unknown: 0 of 2 required confirmations."]
    );
}

/// A bad evening of the network is not a change of the system.
#[test]
fn that_nobody_could_be_heard_is_no_change() {
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).let_in_by(&deb, &["alpha", "beta"]).signed(&deb, &["alpha"]);
    changes(&machine, 0);
    fs::remove_dir_all(machine.path("var/lib/apt-quorum/evidence")).unwrap();
    machine.world.impatient_policy(2);
    machine.world.rebuilder(
        "beta",
        &machine.keys["beta"],
        &["rebuilderd http://127.0.0.1:9/".into()],
    );
    assert_eq!(said(&changes(&machine, 3)), [""; 0]);
    machine.signed(&deb, &["beta"]);
    assert_eq!(
        said(&changes(&machine, 0)),
        ["hello 2.10-3 amd64: was unknown, is now confirmed by alpha, beta."]
    );
}

/// It runs every day on every machine, so what is settled is not asked about again.
#[test]
fn rebuilders_are_asked_only_about_what_is_not_confirmed() {
    let mut machine = Machine::new();
    let (settled, open) = (Deb::new("settled", "1", "amd64"), Deb::new("open", "1", "amd64"));
    let server = Rebuilder::confirming(&machine.keys["gamma"], [&settled, &open]).serve();
    machine.world.rebuilder("gamma", &machine.keys["gamma"], &[server.endpoint()]);
    machine.installed(&settled).let_in(&settled, "quorum").signed(&settled, &["alpha", "beta"]);
    machine.installed(&open).let_in(&open, "warn-mode").signed(&open, &["alpha"]);
    changes(&machine, 0);
    let asked = |about: &str| server.request_lines().iter().any(|it| it.contains(about));
    assert!(asked("open") && !asked("settled"), "{:?}", server.request_lines());
    // Whoever asks for an audit is told what everybody says.
    machine.audit_running(&[], &[]).assert_code(0);
    assert!(asked("settled"), "{:?}", server.request_lines());
}

#[test]
fn the_journal_is_told_how_bad_it_is_and_nobody_else() {
    let mut machine = Machine::new();
    let deb = |name: &str| Deb::new(name, "1", "all");
    for name in ["alarm", "better", "worse"] {
        machine.installed(&deb(name));
    }
    machine.let_in(&deb("better"), "warn-mode").signed(&deb("better"), &["alpha"]);
    machine.let_in(&deb("alarm"), "quorum").signed(&deb("alarm"), &["alpha", "beta"]);
    machine.let_in(&deb("worse"), "quorum").signed(&deb("worse"), &["alpha", "gamma"]);
    changes(&machine, 1);
    machine.signed(&deb("better"), &["beta"]);
    machine.signed(&deb("alarm").differently_built(), &["gamma"]);
    machine.let_in(&deb("worse").differently_built(), "warn-mode");
    let ended = machine.audit_running(&["--changes"], &[("JOURNAL_STREAM", "8:1")]);
    let begin: Vec<&str> = ended.stdout.lines().map(|it| it.split(' ').next().unwrap()).collect();
    assert_eq!(begin, ["<3>alarm", "<5>better", "<3>worse", "<6>3"]);
    machine.world.policy("mode = \"enforce\"\nthreshold = 3\n");
    let ended = machine.audit_running(&["--changes"], &[("JOURNAL_STREAM", "8:1")]);
    assert!(ended.stdout.contains("<4>better 1 all: was confirmed, is now debt"), "{ended:?}");
    assert!(!changes(&machine, 0).iter().any(|it| it.contains('<')));
}

#[test]
fn an_outcome_that_cannot_be_read_or_kept_is_not_passed_over() {
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).let_in(&deb, "warn-mode");
    for nonsense in ["", "{", "[]", r#"{"schema":2,"time":"2026-01-01T00:00:00Z","packages":[]}"#] {
        machine.world.write(&format!("root/{LAST}"), nonsense);
        let first = changes(&machine, 1);
        assert!(first[0].starts_with("The first audit: "), "{nonsense}: {first:?}");
    }
    // A link is not followed, neither to read nor to write.
    let elsewhere = machine.world.write("elsewhere", "precious");
    fs::remove_file(machine.path(LAST)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, machine.path(LAST)).unwrap();
    changes(&machine, 1);
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "precious");
    let mode = fs::symlink_metadata(machine.path(LAST)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let names = fs::read_dir(machine.path("var/lib/apt-quorum")).unwrap().count();
    assert_eq!(names, 3, "nothing else is left there");

    fs::remove_file(machine.path(LAST)).unwrap();
    machine.world.make_directory(&format!("root/{LAST}"));
    let ended = machine.audit_running(&["--changes"], &[]);
    ended.assert_code(2).assert_plain();
    assert!(ended.stderr.contains("cannot keep the result in "), "{ended:?}");
}

#[test]
fn it_is_for_the_running_system_alone() {
    let machine = Machine::new();
    machine.audit(&["--changes"]).assert_code(2);
    machine.audit_running(&["--changes", "--all"], &[]).assert_code(2);
}

/// The service may do what it must and no more: root without its other powers fetches evidence.
#[test]
fn what_the_service_may_do_is_enough_to_fetch_evidence() {
    if !is_root() {
        left_out("an audit with the powers of the service: this is not run by root");
        return;
    }
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/debian/apt-quorum.apt-quorum-audit.service");
    let unit = fs::read_to_string(unit).unwrap();
    let powers = unit.lines().find_map(|it| it.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let powers: Vec<&str> = powers.split(' ').collect();
    let audit = |powers: &[&str]| {
        let mut machine = Machine::new();
        let deb = hello();
        let server = Rebuilder::confirming(&machine.keys["gamma"], [&deb]).serve();
        machine.world.rebuilder("gamma", &machine.keys["gamma"], &[server.endpoint()]);
        machine.installed(&deb).let_in(&deb, "warn-mode").signed(&deb, &["alpha"]);
        let mut bounds = "-all".to_owned();
        for power in powers {
            bounds += &format!(",+{}", power.strip_prefix("CAP_").unwrap().to_lowercase());
        }
        let mut command = machine.world.command_of("setpriv".as_ref());
        command.args(["--no-new-privs", "--inh-caps", "-all", "--bounding-set", &bounds, "--"]);
        command.arg(env!("CARGO_BIN_EXE_apt-quorum"));
        machine.audit_running_by(command, &["--changes"])
    };
    audit(&powers).assert_code(0);
    let fewer: Vec<&str> = powers.iter().copied().filter(|it| *it != "CAP_SETUID").collect();
    assert_ne!(audit(&fewer).code, Some(0), "the test would not notice");
}
