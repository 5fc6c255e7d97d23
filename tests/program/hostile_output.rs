//! What rebuilders answer and what packages say about themselves is shown to people at a
//! terminal, in apt's log and in dom0. None of it may move a cursor or forge a line there.

use std::fs;

use serde_json::{Value, json};

use crate::common::rebuilder::{Rebuilder, hello, ignorant, rebuilders};
use crate::common::server::{Reply, Server};
use crate::common::terminal::{CODES, run_at_terminal, screen};
use crate::common::{self, Deb, Ended, Key, World, run};

/// Clears the screen, forges a line of apt, sets the title, turns the writing direction; C0, C1
/// and what is not ASCII.
const EVIL: &str = "\u{1b}[2J\r\nE: all is well\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{7f}\u{e9}\t\0";

/// Everything that is in `value`, and with [`EVIL`] in every text of it.
fn spoilt(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}{EVIL}")),
        Value::Array(all) => Value::Array(all.into_iter().map(spoilt).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, it)| (key, spoilt(it))).collect())
        }
        other => other,
    }
}

/// Judges with this attestation, and with these records, as text and as JSON.
fn judge_hostile(rebuilder: Rebuilder, key: &Key, deb: &Deb, code: i32) -> [Ended; 2] {
    let server = rebuilder.serve();
    judge_server(&server, key, deb, code)
}

fn judge_server(server: &Server, key: &Key, deb: &Deb, code: i32) -> [Ended; 2] {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", key, &[server.endpoint()]);
    let ended = [world.verify(deb), world.verify_with(deb, &["--json"])];
    for it in &ended {
        it.assert_code(code).assert_plain();
        assert!(!it.stdout.contains("\nE: all is well"), "{it:?}");
    }
    // At a terminal, where colours are: the only codes are ours, and each is taken back on its line.
    let mut command = world.verify_command(&[]);
    command.env("TERM", "xterm").arg(world.put(deb));
    let (at_terminal, written) = run_at_terminal(command);
    at_terminal.assert_code(code);
    let lines = screen(&written);
    assert!(!lines.iter().any(|it| it.starts_with("E: all is well")), "{lines:#?}");
    for line in written.lines() {
        let coloured = CODES.iter().map(|code| line.matches(code).count()).sum::<usize>();
        assert_eq!(coloured, 2 * line.matches(CODES[3]).count(), "{line:?}");
    }
    ended
}

#[test]
fn no_control_character_of_a_rebuilder_reaches_the_output() {
    let key = Key::new();

    // Strings of listings.
    let mut rebuilder = Rebuilder::default();
    rebuilder.build(&hello(), "BAD", None);
    for record in &mut rebuilder.binaries {
        let identity = ["name", "version", "architecture"].map(|it| (it, record[it].clone()));
        *record = spoilt(record.take());
        for (member, value) in identity {
            record[member] = value;
        }
    }
    rebuilder.builds = rebuilder.builds.into_iter().map(spoilt).collect();
    judge_hostile(rebuilder, &key, &hello(), 1);

    // Of the wrong kind, so that a complaint would quote them.
    for answer in [
        json!({ "total": EVIL, "records": [] }),
        json!({ "total": 1, "records": EVIL }),
        json!({ "total": 1, "records": [{ "id": EVIL }] }),
        json!([EVIL]),
        json!(EVIL),
    ] {
        let server = Server::start(move |_| Reply::json(answer.to_string()));
        judge_server(&server, &key, &hello(), 3);
    }

    // Attestations, well signed by the rebuilder, with it in each place.
    let link = |name: &str, kind: &str, product: &str, hash: &str| {
        let quote = |text: &str| serde_json::to_string(text).unwrap();
        // The canonical form escapes nothing but quotes and backslashes, so the text that is
        // signed and the one that is sent differ.
        let sent = format!(
            r#"{{"_type":{},"name":{},"products":{{{}:{{"sha256":{}}}}}}}"#,
            quote(kind),
            quote(name),
            quote(product),
            quote(hash)
        );
        let signed = format!(
            "{{\"_type\":\"{kind}\",\"name\":\"{name}\",\"products\":{{\"{product}\":{{\"sha256\":\"{hash}\"}}}}}}"
        );
        key.envelope(&sent, &signed)
    };
    let (file, hash) = (hello().file_name(), hello().sha256());
    for (attestation, code) in [
        (link("rebuild", EVIL, &file, &hash), "wrong-type"),
        (link(EVIL, "link", &file, &hash), "wrong-step"),
        (link("rebuild", "link", &format!("{file}{EVIL}"), &hash), "other-name"),
        (link("rebuild", "link", &format!("{file}{EVIL}"), EVIL), "no-sha256"),
    ] {
        let mut rebuilder = Rebuilder::default();
        rebuilder.build(&hello(), "GOOD", Some(attestation));
        let [_, json] = judge_hostile(rebuilder, &key, &hello(), 1);
        assert_eq!(json.json()["decisions"][0]["rebuilders"]["alpha"]["code"], code);
    }
    let evil = serde_json::to_string(EVIL).unwrap();
    for attestation in [
        format!(
            r#"{{"signed":{{}},"signatures":[{{"keyid":{evil},"sig":"{}"}}]}}"#,
            "00".repeat(64)
        ),
        format!(r#"{{{evil}:1,{evil}:2}}"#),
        EVIL.to_owned(),
    ] {
        let mut rebuilder = Rebuilder::default();
        rebuilder.build(&hello(), "GOOD", Some(attestation.into_bytes()));
        let [_, json] = judge_hostile(rebuilder, &key, &hello(), 1);
        assert_eq!(json.json()["decisions"][0]["rebuilders"]["alpha"]["kind"], "rejected");
    }
}

#[test]
fn no_control_character_of_http_reaches_the_output() {
    let key = Key::new();
    for head in [
        format!("HTTP/1.1 500 {EVIL}\r\n\r\n"),
        format!("{EVIL}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {EVIL}\r\n\r\n"),
        format!("HTTP/1.1 302 Found\r\nLocation: http://{EVIL}/\r\n\r\n"),
        "HTTP/1.1 302 Found\r\nLocation: http://\u{1b}[2J.example/\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nLocation: http://other.example/\u{9b}31m\r\n\r\n".to_owned(),
    ] {
        let server = Server::start(move |_| {
            let head = head.clone();
            Reply::raw(move |stream, _| drop(std::io::Write::write_all(stream, head.as_bytes())))
        });
        judge_server(&server, &key, &hello(), 3);
    }
}

#[test]
fn no_control_character_of_a_package_reaches_the_output() {
    let world = World::new();
    let _servers = rebuilders(&world, vec![ignorant(), ignorant()]);
    let control = |package: &str, version: &str, architecture: &str, rest: &str| {
        common::deb(&format!(
            "Package: {package}\nVersion: {version}\nArchitecture: {architecture}\n{rest}"
        ))
    };
    let line = EVIL.replace(['\n', '\r'], "");
    let mut files = vec![
        control(&format!("hello{line}"), "1", "all", ""),
        control("hello", &format!("1{line}"), "all", ""),
        control("hello", "1", &format!("all{line}"), ""),
        control("hello", "1", "all", &format!("Source: {line}\n")),
        control("hello", "1", "all", &format!("Source: hello ({line})\n")),
        control("hello", "1", "all", &format!("{line}: x\n")),
        control("hello", "1", "all", &format!("X{line}\n")),
        control("hello", "1", "all", &format!("Maintainer: {line}\nDescription: {EVIL}\n")),
        control("hello\u{e9}", "1", "all", ""),
        control("hello", "1\u{1b}", "all", ""),
    ];
    // Names of members of the archive, up to 16 bytes.
    for name in ["\u{1b}[2J\u{9b}31m", "control.tar.\u{1b}[2J", "control.tar/\u{1b}"] {
        let mut file = control("hello", "1", "all", "");
        let at = file.windows(11).position(|it| it == b"control.tar").unwrap();
        file[at..at + 16].copy_from_slice(
            format!("{name:<16}")
                .get(..16)
                .map_or_else(
                    || [name.as_bytes(), &b" ".repeat(16)].concat()[..16].to_vec(),
                    |it| it.as_bytes()[..16].to_vec(),
                )
                .as_slice(),
        );
        files.push(file);
    }
    for (at, file) in files.iter().enumerate() {
        let path = world.write(&format!("files/{at}.deb"), file);
        for options in [&["--offline"][..], &["--offline", "--json"]] {
            let ended = run(world.verify_command(options).arg(&path));
            ended.assert_plain();
            assert!(matches!(ended.code, Some(1 | 3)), "{ended:?}");
        }
    }
    // The file's own name.
    let path = world.path(&format!("files/{}.deb", EVIL.replace(['\0', '/'], "")));
    fs::write(&path, "not a package").unwrap();
    for options in [&["--offline"][..], &["--offline", "--json"]] {
        run(world.verify_command(options).arg(&path)).assert_code(1).assert_plain();
        let missing = path.with_extension("missing");
        run(world.verify_command(options).arg(missing)).assert_code(1).assert_plain();
    }
    let json = run(world.verify_command(&["--offline", "--json"]).arg(&path)).json();
    assert_eq!(json["decisions"][0]["path"], path.to_str().unwrap(), "JSON can say it all");
}
