//! What `apt-quorum audit` believes of a system that is damaged, or that somebody made who would
//! like to deceive.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::common::installed::{Machine, giant};
use crate::common::rebuilder::hello;
use crate::common::{Deb, Ended};

const MIB: u64 = 1024 * 1024;

/// Clears the screen, forges a line, sets the title, turns the writing direction.
const EVIL: &str = "\u{1b}[2J\r\nE: all is well\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{7f}";

/// Exit code 2, with these words, and nothing on standard output.
fn assert_wrong(ended: &Ended, words: &str) {
    ended.assert_code(2).assert_plain();
    assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    assert_eq!(ended.stdout, "", "{words}");
}

#[test]
fn an_index_that_lists_a_package_without_end_costs_no_other_index_anything() {
    let mut machine = Machine::new();
    machine.installed(&hello()).signed(&hello(), &["alpha", "beta"]);
    machine.listed(&hello(), "deb.example", true);
    let other = || Deb::new("other", "1", "all");
    machine.installed(&other());
    for n in 0..100 {
        let mut deb = other();
        deb.bytes.push(n);
        machine.listed(&deb, "vendor.example", true);
    }
    let ended = machine.audit(&["--all"]);
    ended.assert_code(1).assert_plain();
    assert_eq!(
        ended.stderr,
        "apt-quorum: apt's index vendor.example_debian_dists_trixie_main_binary-amd64_Packages lists \
         more than 16 different files as other 1 all: the rest counts as not listed.\n"
    );
    assert!(ended.stdout.contains("\nconfirmed  hello 2.10-3 amd64"), "{ended:?}");
    assert!(
        ended.stdout.contains("1 of 2 packages confirmed, 1 unknown (1 without an answer)."),
        "{ended:?}"
    );
}

#[test]
fn a_system_that_does_not_tell_what_is_installed_is_not_audited() {
    let machine = || {
        let mut machine = Machine::new();
        machine.installed(&hello()).let_in(&hello(), "quorum").signed(&hello(), &["alpha", "beta"]);
        machine.audit(&[]).assert_code(0);
        machine
    };
    let status = "var/lib/dpkg/status";

    let no_status = machine();
    fs::remove_file(no_status.path(status)).unwrap();
    assert_wrong(&no_status.audit_as_it_is(&[]), "/var/lib/dpkg/status: ");

    let large = machine();
    giant(&large.path(status), 128 * MIB + 1);
    assert_wrong(&large.audit_as_it_is(&[]), "larger than the limit");

    let receipts = machine();
    giant(&receipts.path("var/lib/apt-quorum/receipts/hook.jsonl"), 2048 * MIB + 1);
    assert_wrong(&receipts.audit_as_it_is(&[]), "larger than the limit");

    let unfinished = machine();
    unfinished.world.write("root/var/lib/dpkg/updates/0001", "");
    assert_wrong(&unfinished.audit_as_it_is(&[]), "dpkg --configure -a");

    let pipe = machine();
    fs::remove_file(pipe.path(status)).unwrap();
    nix::unistd::mkfifo(&pipe.path(status), nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_wrong(&pipe.audit_as_it_is(&[]), "/var/lib/dpkg/status: ");

    for (text, words) in [
        ("Package: hello\n", "entry 1 has no Status"),
        ("Package: hello\nStatus: install ok installed\nVersion: 1\n", "no Architecture"),
        ("nonsense\n", "entry 1 is malformed"),
        (
            "Package: hello\nStatus: install ok installed\nVersion: 1\nArchitecture: am",
            "cut off in its last line",
        ),
        (
            "Package: h/llo\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
            "entry 1 has an invalid Package",
        ),
    ] {
        let malformed = machine();
        malformed.world.write(&format!("root/{status}"), text);
        assert_wrong(&malformed.audit_as_it_is(&[]), words);
    }

    let nowhere = Machine::new();
    fs::remove_dir_all(nowhere.world.path("root")).unwrap();
    nowhere.world.make_directory("evidence");
    assert_wrong(&nowhere.audit_as_it_is(&[]), "cannot audit ");
    // Without a policy nobody knows who counts.
    let closed = machine();
    closed.world.policy("mode = \"enforce\"\n");
    assert_wrong(&closed.audit_as_it_is(&[]), "the configuration cannot be used");
}

/// An image is somebody else's: what is in it must not make root read files of this machine.
#[test]
fn no_link_in_an_image_leads_out_of_it() {
    let outside = tempfile::tempdir().unwrap();
    let deb = hello();
    let full = || {
        let mut machine = Machine::new();
        machine.installed(&deb).let_in(&deb, "warn-mode").listed(&deb, "a.example", true);
        machine.write();
        machine
    };
    // Moves a file or directory out and puts a link in its place.
    let lead_out = |machine: &Machine, name: &str, target: &str| {
        let (inside, out) = (machine.path(name), outside.path().join(target));
        fs::rename(&inside, &out).unwrap();
        symlink(&out, &inside).unwrap();
    };

    let status = full();
    lead_out(&status, "var/lib/dpkg/status", "status");
    assert_wrong(&status.audit_as_it_is(&[]), "/var/lib/dpkg/status: ");

    let receipts = full();
    lead_out(&receipts, "var/lib/apt-quorum/receipts", "receipts");
    let audit = receipts.audit_as_it_is(&["--json"]).json();
    assert_eq!(audit["packages"][0]["sha256_from"], "index", "the receipts outside: {audit}");

    let lists = full();
    fs::remove_file(lists.path("var/lib/apt-quorum/receipts/hook.jsonl")).unwrap();
    lead_out(&lists, "var/lib/apt/lists", "lists");
    let audit = lists.audit_as_it_is(&["--json"]).json();
    assert_eq!(audit["packages"][0]["reason"]["code"], "no-hash", "the lists outside: {audit}");

    let index = full();
    fs::remove_file(index.path("var/lib/apt-quorum/receipts/hook.jsonl")).unwrap();
    let name = "var/lib/apt/lists/a.example_debian_dists_trixie_main_binary-amd64_Packages";
    lead_out(&index, name, "Packages");
    let audit = index.audit_as_it_is(&["--json"]).json();
    assert_eq!(audit["packages"][0]["reason"]["code"], "no-hash", "an index outside: {audit}");

    // A link that stays within is as good as a file, also an absolute one.
    let within = full();
    fs::rename(within.path("var/lib/dpkg/status"), within.path("status")).unwrap();
    symlink("/status", within.path("var/lib/dpkg/status")).unwrap();
    let audit = within.audit_as_it_is(&["--json"]).json();
    assert_eq!(audit["packages"][0]["state"], "debt", "{audit}");
}

#[test]
fn nothing_that_a_system_says_of_itself_reaches_the_terminal_as_it_is() {
    // Names are checked, so a name like this is none.
    let mut names = Machine::new();
    names.has(
        &Deb { name: format!("x{}", EVIL.replace(['\r', '\n'], "")), ..hello() },
        "install ok installed",
        "",
    );
    assert_wrong(&names.audit(&[]), "has an invalid Package");

    // A receipt's text is not checked when it is read.
    let mut machine = Machine::new();
    let deb = hello();
    machine.installed(&deb).receipt(&deb, json!({ "basis": EVIL, "path": EVIL }));
    for options in [&[][..], &["--json"], &["--all"]] {
        let ended = machine.audit(options);
        ended.assert_code(1).assert_plain();
        assert!(!ended.stdout.contains("\nE: all is well"), "{ended:?}");
    }
    let running = machine.audit_running(&["--changes"], &[]);
    running.assert_code(1).assert_plain();
}
