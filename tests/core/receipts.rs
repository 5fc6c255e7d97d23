//! Receipts are only ever added to, a line a decision, with the signed bytes beside them; and what
//! cannot be recorded is an error.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apt_quorum::policy::{Decision, Reason, Refusal};
use apt_quorum::receipt::{Ledger, SignedBytes};
use apt_quorum::report::{Entrance, Record};
use apt_quorum::types::Sha256Digest;
use serde_json::Value;

use crate::common::{is_root, left_out};

/// A refusal of the file `name`.
fn record(name: &str) -> Record {
    let reason = Reason::Unreadable { why: "a test".to_owned() };
    let decision = Decision::Refuse(Refusal::unjudged(None, reason));
    let now = "2026-06-01T12:00:00Z".parse().unwrap();
    Record::of(&decision, Entrance::Hook, Path::new(name), None, now)
}

fn signed(all: &[&[u8]]) -> SignedBytes {
    all.iter().map(|bytes| (Sha256Digest::of(bytes), Arc::from(*bytes))).collect()
}

fn add(ledger: &mut Ledger, name: &str) {
    ledger.record(&[(record(name), &SignedBytes::default())]).unwrap();
}

/// The files that the lines of receipts are about.
fn paths(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    let path = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        json["path"].as_str().unwrap().to_owned()
    };
    text.lines().map(path).collect()
}

fn open(state: &Path) -> Ledger {
    Ledger::open(state, Entrance::Hook).unwrap()
}

#[test]
fn each_decision_is_one_line_of_json_behind_those_that_are_there() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("receipts/hook.jsonl");
    let mut ledger = open(state.path());
    add(&mut ledger, "/one");
    let both =
        [(record("/two"), &SignedBytes::default()), (record("/three"), &SignedBytes::default())];
    ledger.record(&both).unwrap();
    assert_eq!(paths(&file), ["/one", "/two", "/three"]);

    // Another run, in which the first one's are not touched.
    let before = fs::read(&file).unwrap();
    let inode = file.metadata().unwrap().ino();
    add(&mut open(state.path()), "/line\nend \u{1b}[2J \u{9b} \u{e9}");
    let after = fs::read(&file).unwrap();
    assert!(after.starts_with(&before));
    assert_eq!(file.metadata().unwrap().ino(), inode);
    assert_eq!(paths(&file)[3], "/line\nend \u{1b}[2J \u{9b} \u{e9}");
    assert!(after.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));

    let last: Value = serde_json::from_slice(&after[before.len()..]).unwrap();
    assert_eq!(last["schema"], 1);
    assert_eq!(last["time"], "2026-06-01T12:00:00Z");
    assert_eq!(last["entrance"], "hook");
    assert_eq!(last["decision"], "refuse");
    assert_eq!(last["reason"]["code"], "unreadable");
}

#[test]
fn receipts_can_be_read_by_all_and_written_by_their_owner() {
    let state = tempfile::tempdir().unwrap();
    add(&mut open(&state.path().join("new/state")), "/x");
    for (path, mode) in [
        ("new/state", 0o755),
        ("new/state/receipts", 0o755),
        ("new/state/evidence", 0o755),
        ("new/state/receipts/hook.jsonl", 0o644),
        // Who could open it could keep everybody waiting.
        ("new/state/receipts/hook.lock", 0o600),
    ] {
        let found = state.path().join(path).metadata().unwrap().permissions().mode() & 0o7777;
        // A stricter umask takes more away.
        assert_eq!(found & !mode, 0, "{path}: {found:o}");
        assert_eq!(found & 0o700, mode & 0o700, "{path}: {found:o}");
    }
}

#[test]
fn the_method_and_the_hook_write_apart() {
    let state = tempfile::tempdir().unwrap();
    let mut method = Ledger::open(state.path(), Entrance::Method).unwrap();
    let link = signed(&[b"what the method saw"]);
    method.record(&[(record("/by-method"), &link)]).unwrap();
    add(&mut open(state.path()), "/by-hook");
    assert_eq!(paths(&state.path().join("receipts/method.jsonl")), ["/by-method"]);
    assert_eq!(paths(&state.path().join("receipts/hook.jsonl")), ["/by-hook"]);
    let name = Sha256Digest::of(b"what the method saw").to_string();
    assert_eq!(method.evidence_directory(), state.path().join("evidence/method"));
    assert!(method.evidence_directory().join(&name).is_file());
    assert!(!state.path().join("evidence").join(&name).exists());
}

#[test]
fn the_signed_bytes_are_kept_once_under_their_digest() {
    let state = tempfile::tempdir().unwrap();
    let mut ledger = open(state.path());
    let both = signed(&[b"one", b"two"]);
    ledger.record(&[(record("/x"), &both), (record("/y"), &signed(&[b"one"]))]).unwrap();
    let file =
        |bytes: &[u8]| state.path().join("evidence").join(Sha256Digest::of(bytes).to_string());
    assert_eq!(fs::read(file(b"one")).unwrap(), b"one");
    assert_eq!(fs::read(file(b"two")).unwrap(), b"two");
    assert_eq!(fs::read_dir(state.path().join("evidence")).unwrap().count(), 2);

    let inode = file(b"one").metadata().unwrap().ino();
    ledger.record(&[(record("/z"), &signed(&[b"one"]))]).unwrap();
    assert_eq!(file(b"one").metadata().unwrap().ino(), inode, "it was there already");

    // Empty after a power failure, or planted by the user to whom the method's directory belongs.
    fs::write(file(b"one"), "").unwrap();
    let elsewhere = state.path().join("elsewhere");
    fs::write(&elsewhere, "two").unwrap();
    fs::remove_file(file(b"two")).unwrap();
    symlink(&elsewhere, file(b"two")).unwrap();
    ledger.record(&[(record("/x"), &both)]).unwrap();
    assert_eq!(fs::read(file(b"one")).unwrap(), b"one");
    assert_eq!(fs::read(file(b"two")).unwrap(), b"two");
    assert!(file(b"two").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"two", "the link was followed");
}

#[test]
fn runs_at_the_same_time_do_not_tear_each_others_lines() {
    let state = tempfile::tempdir().unwrap();
    let many = 100;
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let state = state.path();
            scope.spawn(move || {
                let mut ledger = open(state);
                for at in 0..many {
                    let long = format!("/{writer}/{at}/{}", "x".repeat(5000));
                    // Each is another refusal: one that repeats is not written again and again.
                    let short = format!("/short/{writer}/{at}");
                    let records = [
                        (record(&long), &SignedBytes::default()),
                        (record(&short), &SignedBytes::default()),
                    ];
                    ledger.record(&records).unwrap();
                }
            });
        }
    });
    let paths = paths(&state.path().join("receipts/hook.jsonl"));
    assert_eq!(paths.len(), 4 * many * 2);
    for writer in 0..4 {
        let start = format!("/{writer}/");
        let own: Vec<&String> = paths.iter().filter(|path| path.starts_with(&start)).collect();
        assert_eq!(own.len(), many);
        for (at, path) in own.iter().enumerate() {
            assert!(path.starts_with(&format!("{start}{at}/")), "in the order of time");
        }
    }
}

#[test]
fn a_line_that_a_crash_cut_off_spoils_no_other() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("receipts/hook.jsonl");
    add(&mut open(state.path()), "/before");
    let mut text = fs::read(&file).unwrap();
    text.extend(br#"{"schema":1,"path":"/cut-o"#);
    fs::write(&file, &text).unwrap();
    add(&mut open(state.path()), "/after");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].contains("/before") && lines[2].contains("/after"), "{text}");
    let readable = |line: &&&str| serde_json::from_str::<Value>(line).is_ok();
    assert_eq!(lines.iter().filter(readable).count(), 2);
}

#[test]
fn receipts_that_cannot_be_written_are_an_error_that_names_them() {
    // Things that are not what they should be.
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 5] = [
        ("the state is a file", |state| fs::write(state, "").unwrap(), "receipts/hook.jsonl: "),
        (
            "receipts is a file",
            |state| {
                fs::create_dir(state).unwrap();
                fs::write(state.join("receipts"), "").unwrap();
            },
            "receipts/hook.jsonl: ",
        ),
        (
            "the ledger is a directory",
            |state| fs::create_dir_all(state.join("receipts/hook.jsonl")).unwrap(),
            "receipts/hook.jsonl: Is a directory",
        ),
        (
            "the ledger is a link",
            |state| {
                fs::create_dir_all(state.join("receipts")).unwrap();
                symlink("/dev/null", state.join("receipts/hook.jsonl")).unwrap();
            },
            "receipts/hook.jsonl: Too many levels of symbolic links",
        ),
        (
            "evidence is a file",
            |state| {
                fs::create_dir(state).unwrap();
                fs::write(state.join("evidence"), "").unwrap();
            },
            "receipts/hook.jsonl: ",
        ),
    ];
    for (what, spoil, named) in cases {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        spoil(&state);
        let error = Ledger::open(&state, Entrance::Hook).unwrap_err().to_string();
        assert!(error.starts_with("cannot record the decision in "), "{what}: {error}");
        assert!(error.contains(named), "{what}: {error}");
        assert!(!error.contains("os error"), "{what}: {error}");
    }
}

/// A file system of 64 kB that only the calling thread sees, and that goes with it.
fn small_file_system(at: &Path) -> Result<(), nix::errno::Errno> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some("none"), at, Some("tmpfs"), MsFlags::empty(), Some("size=64k"))
}

#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_recorded() {
    if !is_root() {
        return left_out("a small file system to fill up needs root");
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    // In a thread of its own: the others keep the machine's file systems.
    let filling = std::thread::spawn(move || match small_file_system(&at) {
        Ok(()) => fill(&at),
        Err(error) => left_out(&format!("this machine gives no file system to fill up: {error}")),
    });
    filling.join().unwrap();
    let seen = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(seen, 0, "the small file system was seen outside");
}

fn fill(state: &Path) {
    let file = state.join("receipts/hook.jsonl");
    let mut ledger = open(state);
    let mut written = 0;
    let error = loop {
        let name = format!("/{written}/{}", "x".repeat(2000));
        match ledger.record(&[(record(&name), &SignedBytes::default())]) {
            Ok(()) => written += 1,
            Err(error) => break error.to_string(),
        }
        assert!(written < 100, "64 kB hold no {written} receipts");
    };
    assert!(error.ends_with("receipts/hook.jsonl: No space left on device"), "{error}");
    let whole = |file: &PathBuf| -> Vec<Value> {
        let text = fs::read_to_string(file).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let lines = whole(&file);
    assert!(written > 5, "{written}");
    assert_eq!(lines.len(), written, "every receipt that was written is there");
    for (at, line) in lines.iter().enumerate() {
        assert!(line["path"].as_str().unwrap().starts_with(&format!("/{at}/")));
    }

    // Signed bytes for which there is no room: nothing of them is left, and no line either.
    let bytes = vec![b'x'; 100_000];
    let error =
        ledger.record(&[(record("/evidence"), &signed(&[&bytes]))]).unwrap_err().to_string();
    assert!(error.contains("/evidence/") && error.ends_with("No space left on device"), "{error}");
    assert_eq!(fs::read_dir(state.join("evidence")).unwrap().count(), 0);
    assert_eq!(whole(&file).len(), written);

    // With room again it goes on, behind whatever was cut off.
    let room = state.join("room");
    assert!(!room.exists());
    nix::mount::mount(
        Some("none"),
        state,
        Some("tmpfs"),
        nix::mount::MsFlags::MS_REMOUNT,
        Some("size=1m"),
    )
    .unwrap();
    add(&mut ledger, "/afterwards");
    add(&mut open(state), "/in-the-next-run");
    let lines = whole(&file);
    assert_eq!(lines.len(), written + 2);
    assert_eq!(lines[written]["path"], "/afterwards");
    assert_eq!(lines[written + 1]["path"], "/in-the-next-run");
}
