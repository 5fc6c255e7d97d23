//! The method driven over pipes: the test plays apt, and a script plays the wrapped method,
//! which may say whatever it likes.

#[path = "../system/archive.rs"]
#[allow(dead_code, reason = "the system tests use the rest")]
mod archive;
#[path = "../system/rebuilder_key.rs"]
#[allow(dead_code, reason = "the system tests use the rest")]
mod rebuilder;

use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use apt_quorum::apt::message::Message;
use archive::Package;
use rebuilder::RebuilderKey;

use crate::common::bundle::{bundle, file};
use crate::common::server::{Reply, Server};
use crate::common::socks::Socks;
use crate::common::write_script;

/// A directory with the method, a configuration, and a wrapped method whose answers the test
/// writes.
struct Stage {
    directory: tempfile::TempDir,
    alice: RebuilderKey,
    extra: Vec<String>,
}

/// The method, running.
struct Method {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Message>,
}

/// Answers the n-th request with the bytes in `http.reply.n`, for which it takes `http.file.n` for
/// what it fetched, and leaves a mark when started, what it was told in `http.configuration`, and
/// what it was asked in `http.request.n`.
const WRAPPED: &str = r#"#!/bin/sh
here=$(dirname "$0")
: >"$here/started"
cat "$here/http.capabilities"
n=0
while IFS= read -r line; do
    case $line in
    601*)
        while IFS= read -r line && [ -n "$line" ]; do printf '%s\n' "$line"; done \
            >"$here/http.configuration"
        ;;
    600*)
        n=$((n + 1))
        while IFS= read -r line && [ -n "$line" ]; do
            printf '%s\n' "$line" >>"$here/http.request.$n"
            case $line in Filename:*) to=${line#Filename: } ;; esac
        done
        test ! -e "$here/http.file.$n" || cp "$here/http.file.$n" "$to"
        test ! -e "$here/http.reply.$n" || cat "$here/http.reply.$n"
        test ! -e "$here/http.end.$n" || exit 0
        ;;
    esac
done
"#;

impl Stage {
    fn new() -> Self {
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            alice: RebuilderKey::new(),
            extra: Vec::new(),
        };
        std::fs::set_permissions(stage.directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        for name in [
            "methods",
            "lists/partial",
            "archives/partial",
            "config/rebuilders.d",
            "evidence",
            "state",
            "cache",
        ] {
            std::fs::create_dir_all(stage.path(name)).unwrap();
        }
        write_script(&stage.path("methods/http"), WRAPPED);
        stage.write("methods/http.capabilities", "100 Capabilities\nVersion: 1.2\nPipeline: true\nSend-Config: true\nSend-URI-Encoded: true\n\n");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gate"), stage.path("methods/quorum+http"))
            .unwrap();
        stage.write("config/policy.toml", "mode = \"enforce\"\nthreshold = 1\n");
        let endpoint = format!(
            "[[endpoint]]\nprotocol = \"directory\"\nurl = \"file://{}/\"\n",
            stage.path("evidence").display()
        );
        stage.write(
            "config/rebuilders.d/alice.toml",
            &(stage.alice.configuration("alice") + &endpoint),
        );
        for safe in ["config", "config/rebuilders.d"] {
            std::fs::set_permissions(stage.path(safe), PermissionsExt::from_mode(0o755)).unwrap();
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o644)).unwrap();
    }

    fn attest(&self, package: &Package) {
        let name = format!("evidence/{}.link", package.artifact());
        self.write(&name, self.alice.link(&package.artifact(), &package.sha256()));
    }

    /// Where apt wants a package.
    fn archive(&self, package: &Package) -> String {
        let name = package.artifact();
        self.path("archives/partial").join(name).display().to_string()
    }

    fn start(&self) -> Method {
        let mut child = Command::new(self.path("methods/quorum+http"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = read_messages(child.stdout.take().unwrap());
        let method = Method { child, input, output };
        assert_eq!(method.next().unwrap().code(), 100);
        method
    }

    fn configuration(&self) -> String {
        let item =
            |name: &str, path: &str| format!("Config-Item: {name}={}\n", self.path(path).display());
        let mut text = "601 Configuration\n".to_owned();
        text += &item("Dir::Bin::Methods", "methods");
        text += &item("Dir::State::lists", "lists");
        text += &item("Dir::Cache::archives", "archives");
        text += &item("APT::Quorum::Config", "config");
        text += &item("APT::Quorum::State", "state");
        text += &item("APT::Quorum::Cache", "cache");
        self.extra.iter().for_each(|item| text += &format!("Config-Item: {item}\n"));
        text + "\n"
    }

    /// Starts the method and hands it apt's configuration.
    fn configured(&self) -> Method {
        let mut method = self.start();
        method.say(&self.configuration());
        method
    }

    /// What the wrapped method says to the n-th request.
    fn reply(&self, n: usize, text: &str) {
        self.write(&format!("methods/http.reply.{n}"), text);
    }

    /// The whole way of one package: the file is there, the wrapped method reports it.
    fn fetch(&self, package: &Package, expected: &str) -> Vec<Message> {
        let destination = self.archive(package);
        std::fs::write(&destination, &package.bytes).unwrap();
        self.reply(1, &done(&url(package), &destination, ""));
        let mut method = self.configured();
        method.say(&request(&url(package), &destination, expected));
        method.until_settled()
    }
}

fn read_messages(output: ChildStdout) -> Receiver<Message> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Ok(Some(message)) = Message::read(&mut output) {
            if send.send(message).is_err() {
                return;
            }
        }
    });
    receive
}

fn url(package: &Package) -> String {
    format!("quorum+http://mirror/pool/{}", package.artifact().replace('+', "%2b"))
}

fn request(url: &str, destination: &str, expected: &str) -> String {
    format!("600 URI Acquire\nURI: {url}\nFilename: {destination}\n{expected}\n")
}

fn done(url: &str, destination: &str, more: &str) -> String {
    format!(
        "200 URI Start\nURI: {url}\nSize: 1\n\n201 URI Done\nURI: {url}\nFilename: {destination}\n{more}\n"
    )
}

impl Method {
    fn say(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The next message, or nothing if there is none any more. Waits long enough for a slow
    /// machine; a method that hangs fails the test.
    fn next(&self) -> Option<Message> {
        match self.output.recv_timeout(Duration::from_secs(60)) {
            Ok(message) => Some(message),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the method hangs"),
        }
    }

    /// All messages until one settles a request.
    fn until_settled(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = self.next() {
            let settled = matches!(message.code(), 201 | 400 | 401 | 103);
            all.push(message);
            if settled {
                break;
            }
        }
        all
    }

    /// Closes apt's end and gives what is still said, and the exit code.
    fn end(mut self) -> (Vec<Message>, Option<i32>) {
        self.input = None;
        let rest = std::iter::from_fn(|| self.next()).collect();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Method {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn codes(messages: &[Message]) -> Vec<u16> {
    messages.iter().map(Message::code).collect()
}

#[track_caller]
fn refused(messages: &[Message], why: &str) {
    let failure = messages
        .iter()
        .find(|it| it.code() == 400)
        .unwrap_or_else(|| panic!("no 400 in {messages:?}"));
    let text = failure.text_field("Message").unwrap();
    assert!(text.contains(why), "{text}");
    assert!(!codes(messages).contains(&201));
}

fn good() -> Package {
    Package::make("good", "1.0-1", "all", "good")
}

#[test]
fn the_prober_is_answered_without_starting_the_wrapped_method() {
    let stage = Stage::new();
    let (rest, code) = stage.start().end();
    assert!(rest.is_empty());
    assert_eq!(code, Some(0));
    assert!(!stage.path("methods/started").exists());
}

#[test]
fn a_confirmed_package_is_reported_with_our_hash_and_no_other() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let destination = stage.archive(&good);
    std::fs::write(&destination, &good.bytes).unwrap();
    let forged = format!(
        "SHA256-Hash: {}\nSHA512-Hash: 00\nMD5Sum-Hash: 11\nMD5-Hash: 22\nSize: 7\nAlt-SHA256-Hash: 33\n",
        "0".repeat(64)
    );
    stage.reply(1, &done(&url(&good), &destination, &forged));
    let mut method = stage.configured();
    method.say(&request(
        &url(&good),
        &destination,
        &format!("Expected-SHA256: {}\n", good.sha256()),
    ));
    let all = method.until_settled();
    let success = all.last().unwrap();
    assert_eq!(success.code(), 201);
    assert_eq!(success.text_field("SHA256-Hash"), Some(good.sha256().as_str()));
    assert_eq!(success.text_field("Size"), Some(good.bytes.len().to_string().as_str()));
    for foreign in ["SHA512-Hash", "MD5Sum-Hash", "MD5-Hash", "Alt-SHA256-Hash"] {
        assert_eq!(success.field(foreign), None, "{foreign}");
    }
}

#[test]
fn the_wrapped_method_computes_no_hash_that_nobody_needs() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let sha256 = format!("Expected-SHA256: {}\n", good.sha256());
    let others = "Expected-SHA512: 00\nexpected-sha1: 11\nExpected-MD5Sum: 22\nExpected-New: 33\n\
                  Expected-Checksum-FileSize: 7\nTarget-Type: deb\n";
    let asked = |expected: &str| {
        assert_eq!(stage.fetch(&good, expected).last().unwrap().code(), 201);
        let asked = stage.path("methods/http.request.1");
        let text = std::fs::read_to_string(&asked).unwrap();
        std::fs::remove_file(asked).unwrap();
        text.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(
        asked(&format!("{sha256}{others}")),
        format!("{sha256}Expected-Checksum-FileSize: 7\nTarget-Type: deb\n")
    );
    // Where the one that is computed here is not asked for, the others must be there.
    assert_eq!(asked(others), others);
}

/// Where nothing is left of an earlier run that it would have to recognize by its hash.
#[test]
fn when_all_is_fetched_afresh_the_wrapped_method_computes_no_hash_at_all() {
    const ITEM: &str = "Config-Item: Acquire::ForceHash=Checksum-FileSize\n";
    let (sha256, size) = ("Expected-SHA256", "Expected-Checksum-FileSize");
    for (what, none) in [("afresh", true), ("left", false), ("forced", false), ("sizeless", false)]
    {
        let (mut stage, good) = (Stage::new(), good());
        stage.attest(&good);
        if what == "forced" {
            stage.extra.push("Acquire::ForceHash=SHA256".to_owned());
        }
        if what == "left" {
            std::fs::write(stage.path("archives/partial/other_1_all.deb"), "half").unwrap();
        }
        // Of this, nothing is there yet.
        std::fs::write(stage.path("archives/partial/empty_1_all.deb"), "").unwrap();
        let mut expected = format!("{sha256}: {}\n", good.sha256());
        if what != "sizeless" {
            expected += &format!("{size}: {}\n", good.bytes.len());
        }
        for (bytes, code) in [(&good.bytes, 201), (&good.tampered().bytes, 400)] {
            stage.write("methods/http.file.1", bytes);
            stage.reply(1, &done(&url(&good), &stage.archive(&good), ""));
            let mut method = stage.configured();
            method.say(&request(&url(&good), &stage.archive(&good), &expected));
            let all = method.until_settled();
            let last = all.last().unwrap();
            assert_eq!(last.code(), code, "{what}: {last:?}");
            if code == 201 {
                assert_eq!(last.text_field("SHA256-Hash"), Some(good.sha256().as_str()));
            } else {
                assert_eq!(last.text_field("FailReason"), Some("HashSumMismatch"));
            }
            let read = |name| std::fs::read_to_string(stage.path(name)).unwrap();
            let told = read("methods/http.configuration").contains(ITEM);
            assert_eq!(told, none || what == "sizeless", "{what}");
            let asked = read("methods/http.request.1");
            assert_eq!(asked.contains(sha256), !none, "{what}: {asked}");
            assert_eq!(asked.contains(size), what != "sizeless", "{what}: {asked}");
            std::fs::remove_file(stage.path("methods/http.request.1")).unwrap();
            std::fs::remove_file(stage.archive(&good)).unwrap();
        }
    }
    // An index is believed by the hashes that it computes.
    let stage = Stage::new();
    let destination = stage.path("lists/partial/Packages").display().to_string();
    stage.write("methods/http.file.1", "Package: x\n");
    stage.reply(1, &done("quorum+http://mirror/Packages", &destination, ""));
    let mut method = stage.configured();
    let expected = format!("{sha256}: 00\n{size}: 11\n");
    method.say(&request("quorum+http://mirror/Packages", &destination, &expected));
    assert_eq!(method.until_settled().last().unwrap().code(), 201);
    let read = |name| std::fs::read_to_string(stage.path(name)).unwrap();
    assert!(!read("methods/http.configuration").contains("ForceHash"));
    assert!(read("methods/http.request.1").contains(&expected));
}

#[test]
fn where_apt_expects_no_sha256_it_is_left_to_compute_what_it_wants() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let all = stage.fetch(&good, "Expected-SHA512: 00\n");
    assert_eq!(all.last().unwrap().code(), 201);
    assert_eq!(all.last().unwrap().field("SHA256-Hash"), None);
}

#[test]
fn an_unconfirmed_package_fails_the_item_and_then_the_run() {
    let (stage, good) = (Stage::new(), good());
    let mut all = Vec::new();
    let destination = stage.archive(&good);
    std::fs::write(&destination, &good.bytes).unwrap();
    stage.reply(1, &done(&url(&good), &destination, ""));
    let mut method = stage.configured();
    method.say(&request(&url(&good), &destination, ""));
    all.extend(method.until_settled());
    all.extend(method.until_settled());
    assert_eq!(codes(&all)[codes(&all).len() - 2..], [400, 401]);
    refused(&all, "good 1.0-1 all: 0 of 1 required confirmations [alice: has no result for it]");
    assert_eq!(
        all.iter().find(|it| it.code() == 400).unwrap().text_field("Transient-Failure"),
        None
    );
}

#[test]
fn content_that_is_not_what_the_index_says_is_a_hash_mismatch() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let all = stage.fetch(&good, &format!("Expected-SHA256: {}\n", good.tampered().sha256()));
    refused(&all, "Hash Sum mismatch");
    assert_eq!(all.last().unwrap().text_field("FailReason"), Some("HashSumMismatch"));
}

#[test]
fn a_file_somewhere_else_is_refused() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let elsewhere = stage.path("archives/partial/elsewhere.deb").display().to_string();
    std::fs::write(&elsewhere, &good.bytes).unwrap();
    stage.reply(1, &done(&url(&good), &elsewhere, ""));
    let mut method = stage.configured();
    method.say(&request(&url(&good), &stage.archive(&good), ""));
    refused(&method.until_settled(), "put the file in another place");
}

#[test]
fn a_success_without_a_file_or_with_a_link_or_a_pipe_is_refused() {
    type Plant = fn(&Path, &Package);
    let nothing: Plant = |_, _| {};
    let link: Plant = |path, good| {
        let target = path.with_extension("target");
        std::fs::write(&target, &good.bytes).unwrap();
        std::os::unix::fs::symlink(&target, path).unwrap();
    };
    let pipe: Plant = |path, _| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let directory: Plant = |path, _| std::fs::create_dir(path).unwrap();
    for plant in [nothing, link, pipe, directory] {
        let (stage, good) = (Stage::new(), good());
        stage.attest(&good);
        let destination = stage.archive(&good);
        plant(Path::new(&destination), &good);
        stage.reply(1, &done(&url(&good), &destination, ""));
        let mut method = stage.configured();
        method.say(&request(&url(&good), &destination, ""));
        refused(&method.until_settled(), "cannot be read");
    }
}

#[test]
fn answers_about_what_nobody_asked_for_are_not_passed_on() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let destination = stage.archive(&good);
    std::fs::write(&destination, &good.bytes).unwrap();
    let other = "quorum+http://mirror/other.deb";
    let noise = format!(
        "{}400 URI Failure\nURI: {other}\nMessage: x\n\n103 Redirect\nURI: {other}\nNew-URI: http://x/\n\n",
        done(other, &destination, "")
    );
    stage.reply(1, &(noise + &done(&url(&good), &destination, "")));
    let mut method = stage.configured();
    method.say(&request(&url(&good), &destination, ""));
    let all = method.until_settled();
    let all: Vec<Message> = all.into_iter().filter(|it| it.code() != 102).collect();
    assert_eq!(codes(&all), [200, 201]);
    assert!(all.iter().all(|it| it.text_field("URI") == Some(&url(&good))));
}

#[test]
fn redirects_stay_behind_the_gate() {
    for (fields, passes) in [
        ("New-URI: quorum+http://other/x.deb\n", true),
        ("New-URI: quorum+https://other/x.deb\n", true),
        (
            "New-URI: quorum+http://a/x.deb\nAlternate-URIs: quorum+https://b/x.deb\n quorum+http://c/x.deb\n",
            true,
        ),
        ("New-URI: http://other/x.deb\n", false),
        ("New-URI: https://other/x.deb\n", false),
        ("New-URI: file:/tmp/x.deb\n", false),
        ("New-URI: quorum+ftp://other/x.deb\n", false),
        (
            "New-URI: quorum+http://a/x.deb\nAlternate-URIs: quorum+https://b/x.deb\n http://c/x.deb\n",
            false,
        ),
        ("New-URI: quorum+http://a/x.deb\nnew-uri: http://c/x.deb\n", false),
    ] {
        let (stage, good) = (Stage::new(), good());
        stage.reply(1, &format!("103 Redirect\nURI: {}\n{fields}\n", url(&good)));
        let mut method = stage.configured();
        method.say(&request(&url(&good), &stage.archive(&good), ""));
        let all = method.until_settled();
        assert_eq!(codes(&all)[0] == 103, passes, "{fields}: {all:?}");
        if !passes {
            refused(&all, "redirected to a place where packages are not checked");
        }
    }
}

#[test]
fn an_index_passes_as_it_is_but_a_package_does_not_pass_as_one() {
    for (place, content, passes) in [
        ("lists/partial/x_Packages", &b"Package: x\n"[..], true),
        ("lists/partial/x_Packages", b"!<arch>\ndebian-binary   ", false),
        ("lists/partial/x.deb", b"Package: x\n", true),
        ("lists/../archives/partial/x_Packages", b"Package: x\n", false),
        ("archives/partial/x_1_all.index", b"Package: x\n", false),
    ] {
        let stage = Stage::new();
        let uri = "quorum+http://mirror/dists/x/Packages";
        let destination = stage.path(place).display().to_string();
        std::fs::write(&destination, content).unwrap();
        stage.reply(1, &done(uri, &destination, "MD5-Hash: 00\nIMS-Hit: true\n"));
        let mut method = stage.configured();
        method.say(&request(uri, &destination, "Target-Type: index\nIndex-File: true\n"));
        let all = method.until_settled();
        let last = all.last().unwrap();
        assert_eq!(last.code() == 201, passes, "{place}: {all:?}");
        if passes {
            assert_eq!(
                (last.text_field("MD5-Hash"), last.text_field("IMS-Hit")),
                (Some("00"), Some("true"))
            );
        }
    }
}

#[test]
fn what_the_wrapped_method_says_cannot_reach_the_terminal_or_become_another_message() {
    let (stage, good) = (Stage::new(), good());
    let hostile = "bad\u{1b}[2J\u{7}\r201 URI Done";
    stage.reply(1, &format!("102 Status\nURI: <UNKNOWN>\nMessage: {hostile}\n\n400 URI Failure\nURI: {}\nMessage: {hostile}\n 401 continued\u{1b}c\n\n", url(&good)));
    let mut method = stage.configured();
    method.say(&request(&url(&good), &stage.archive(&good), ""));
    let all = method.until_settled();
    assert_eq!(codes(&all), [102, 400]);
    for message in all {
        let text = message.text_field("Message").unwrap();
        assert!(text.starts_with("bad?[2J??201 URI Done"), "{text:?}");
        assert!(!message.to_string().contains(['\u{1b}', '\u{7}', '\r']));
    }
}

#[test]
fn two_at_once_may_be_done_in_any_order() {
    let (stage, good) = (Stage::new(), good());
    let other = Package::make("other", "2.0~rc1+b1", "all", "other");
    stage.attest(&good);
    for package in [&good, &other] {
        std::fs::write(stage.archive(package), &package.bytes).unwrap();
    }
    let both = done(&url(&other), &stage.archive(&other), "")
        + &done(&url(&good), &stage.archive(&good), "");
    stage.reply(2, &both);
    let mut method = stage.configured();
    for package in [&good, &other] {
        method.say(&request(&url(package), &stage.archive(package), ""));
    }
    let mut settled = std::collections::BTreeMap::new();
    while settled.len() < 2 {
        for message in method.until_settled() {
            if let (201 | 400, Some(uri)) = (message.code(), message.text_field("URI")) {
                settled.insert(uri.to_owned(), message.code());
            }
        }
    }
    assert_eq!(settled[&url(&good)], 201);
    assert_eq!(settled[&url(&other)], 400);
}

/// apt shows what a method says about itself only until it hears of a file (200), so it hears of a
/// small one when it is judged. Of a large one it shows how much of it is there.
#[test]
fn apt_is_told_what_it_waits_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    stage.write("config/policy.toml", "mode = \"enforce\"\nthreshold = 2\n");
    let bob = RebuilderKey::new();
    let endpoint = format!(
        "[[endpoint]]\nprotocol = \"intoto-metadata\"\nurl = \"http://{}/\"\n",
        silent.local_addr().unwrap()
    );
    stage.write("config/rebuilders.d/bob.toml", bob.configuration("bob") + &endpoint);
    let destination = stage.archive(&good);
    std::fs::write(&destination, &good.bytes).unwrap();
    stage.reply(1, &done(&url(&good), &destination, ""));
    let mut method = stage.configured();
    method.say(&request(&url(&good), &destination, ""));
    let mut said = Vec::new();
    while said.last().is_none_or(|it: &String| !it.contains("(1 of 2 rebuilders answered)")) {
        let status = method.next().unwrap();
        assert_eq!(status.code(), 102, "{status:?}");
        said.push(status.text_field("Message").unwrap().to_owned());
    }
    assert!(said.iter().all(|it| it.starts_with("Waiting for evidence about good (")), "{said:?}");
    // Bob goes away without a word.
    drop(silent);
    let refusal = method.until_settled();
    refused(&refusal, "undetermined: bob did not respond");

    // With a quorum it is the other way round: the file is announced, and is there.
    stage.write("config/policy.toml", "mode = \"enforce\"\nthreshold = 1\n");
    let all = stage.fetch(&good, "");
    let settled: Vec<u16> = codes(&all).into_iter().filter(|it| *it != 102).collect();
    assert_eq!(settled, [200, 201]);
    let large = done(&url(&good), &destination, "").replace("Size: 1\n", "Size: 2000000\n");
    stage.reply(1, large.split_inclusive("\n\n").next().unwrap());
    let mut method = stage.configured();
    method.say(&request(&url(&good), &destination, ""));
    let first = std::iter::from_fn(|| method.next()).find(|it| it.code() != 102).unwrap();
    assert_eq!(first.code(), 200);
}

/// Nobody is asked if what is at hand is enough by every rule: which one it will be, what apt calls
/// the file does not tell.
#[test]
fn rebuilders_are_asked_only_if_some_rule_could_want_more_than_what_is_at_hand() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (stage, good) = (Stage::new(), good());
    let endpoint = format!(
        "[[endpoint]]\nprotocol = \"intoto-metadata\"\nurl = \"http://{}/\"\n",
        silent.local_addr().unwrap()
    );
    silent.set_nonblocking(true).unwrap();
    let bob = RebuilderKey::new();
    stage.write("config/rebuilders.d/bob.toml", bob.configuration("bob") + &endpoint);
    let kept = format!("cache/attestations/{}", good.artifact());
    std::fs::create_dir_all(stage.path(&kept)).unwrap();
    stage.write(&format!("{kept}/any"), stage.alice.link(&good.artifact(), &good.sha256()));
    let expected = format!("Expected-SHA256: {}\n", good.sha256());

    let all = stage.fetch(&good, &expected);
    assert_eq!(codes(&all), [200, 201], "{all:?}");
    assert!(silent.accept().is_err(), "nobody had to be asked");
    let receipts = std::fs::read_to_string(stage.path("state/receipts/method.jsonl")).unwrap();
    assert!(receipts.contains(r#""bob":{"kind":"not-asked"}"#), "{receipts}");

    let policy = "mode = \"enforce\"\nthreshold = 1\n[[rule]]\nreason = \"both\"\n\
                  source = [\"good\"]\nthreshold = 2\n";
    stage.write("config/policy.toml", policy);
    silent.set_nonblocking(false).unwrap();
    let destination = stage.archive(&good);
    let mut method = stage.configured();
    method.say(&request(&url(&good), &destination, &expected));
    drop(silent.accept().unwrap());
    drop(silent);
    refused(&method.until_settled(), "undetermined: bob did not respond");
}

#[test]
fn a_proxy_for_evidence_is_for_evidence_alone() {
    let (mut stage, good) = (Stage::new(), good());
    stage.extra = match nix::unistd::User::from_name("_apt") {
        Ok(Some(_)) if nix::unistd::geteuid().is_root() => {
            vec!["APT::Sandbox::User=_apt".to_owned()]
        }
        _ => Vec::new(),
    };
    let link = stage.alice.link(&good.artifact(), &good.sha256());
    let path = format!("{}/alice.link", good.artifact());
    let packed = bundle(&[file(&path, link.as_bytes())]);
    let server = Server::start(move |_| Reply::Whole {
        status: 200,
        headers: Vec::new(),
        body: packed.clone(),
    });
    let socks = Socks::knowing(&[("alice.invalid", server.address)]);
    stage.write(
        "config/policy.toml",
        format!("mode = \"enforce\"\nthreshold = 1\n\n[network]\nproxy = \"{}\"\n", socks.url()),
    );
    let endpoint =
        "[[endpoint]]\nprotocol = \"directory\"\nurl = \"http://alice.invalid/a.tar.gz\"\n";
    stage.write("config/rebuilders.d/alice.toml", stage.alice.configuration("alice") + endpoint);
    let all = stage.fetch(&good, &format!("Expected-SHA256: {}\n", good.sha256()));
    assert_eq!(codes(&all).last(), Some(&201), "{all:?}");
    assert!(socks.asked().iter().all(|it| it.user == "alice" && it.host == "alice.invalid"));
    assert_eq!(server.connections(), socks.asked().len());
    // apt's own method, which fetches the package, knows nothing of it.
    for told in ["methods/http.configuration", "methods/http.request.1"] {
        let told = std::fs::read_to_string(stage.path(told)).unwrap();
        assert!(!told.contains("socks") && !told.contains("Proxy"), "{told}");
    }
}

#[test]
fn messages_may_come_a_byte_at_a_time() {
    let (stage, good) = (Stage::new(), good());
    stage.attest(&good);
    let destination = stage.archive(&good);
    std::fs::write(&destination, &good.bytes).unwrap();
    stage.reply(1, &done(&url(&good), &destination, ""));
    let mut method = stage.start();
    let text = stage.configuration() + &request(&url(&good), &destination, "");
    for byte in text.as_bytes() {
        method.input.as_mut().unwrap().write_all(&[*byte]).unwrap();
    }
    assert_eq!(method.until_settled().last().unwrap().code(), 201);
}

#[test]
fn a_wrapped_method_that_dies_or_talks_nonsense_fails_everything() {
    for reply in ["", "201 URI Done\nFilename", "utter nonsense\n\n", "\u{0}\u{1}\n"] {
        let (stage, good) = (Stage::new(), good());
        stage.reply(1, reply);
        stage.write("methods/http.end.1", "");
        let mut method = stage.configured();
        method.say(&request(&url(&good), &stage.archive(&good), ""));
        let mut all = method.until_settled();
        let (rest, code) = method.end();
        all.extend(rest);
        refused(&all, "the wrapped method ended unexpectedly");
        assert!(codes(&all).contains(&401));
        assert_eq!(code, Some(1));
    }
}

#[test]
fn a_message_that_is_not_understood_fails_its_item() {
    for reply in [
        "351 Aux Request\nURI: {}\nAux-URI: http://x/\n\n",
        "403 Media Failure\nURI: {}\n\n",
        "299 New\nURI: {}\n\n",
    ] {
        let (stage, good) = (Stage::new(), good());
        stage.reply(1, &reply.replace("{}", &url(&good)));
        let mut method = stage.configured();
        method.say(&request(&url(&good), &stage.archive(&good), ""));
        refused(&method.until_settled(), "unknown message");
    }
}

#[test]
fn a_wrapped_method_that_does_not_take_encoded_uris_is_too_old() {
    let stage = Stage::new();
    stage.write("methods/http.capabilities", "100 Capabilities\nVersion: 1.0\n\n");
    let mut method = stage.configured();
    method.say(&request(&url(&good()), &stage.archive(&good()), ""));
    let all = method.until_settled();
    assert!(all[0].text_field("Message").unwrap().contains("too old"));
}

#[test]
fn another_methods_url_is_refused() {
    let (stage, good) = (Stage::new(), good());
    let mut method = stage.configured();
    method.say(&request("http://mirror/x.deb", &stage.archive(&good), ""));
    refused(&method.until_settled(), "the URL belongs to another method");
}

#[test]
fn without_a_usable_configuration_nothing_but_indexes_is_even_downloaded() {
    for broken in ["", "mode = \"enforce\"\nthreshold = 0\n", "mode = \"off\"\n"] {
        let (stage, good) = (Stage::new(), good());
        stage.attest(&good);
        stage.write("config/policy.toml", broken);
        let mut method = stage.configured();
        method.say(&request(&url(&good), &stage.archive(&good), ""));
        refused(&method.until_settled(), "the configuration cannot be used");
        let uri = "quorum+http://mirror/dists/x/Packages";
        let destination = stage.path("lists/partial/x_Packages").display().to_string();
        std::fs::write(&destination, "Package: x\n").unwrap();
        // The first request never reached the wrapped method.
        stage.reply(1, &done(uri, &destination, ""));
        method.until_settled();
        method.say(&request(uri, &destination, ""));
        assert_eq!(method.until_settled().last().unwrap().code(), 201);
    }
}

#[test]
fn the_method_gives_up_root_and_closes_itself_in_and_the_wrapped_one_is_started_before() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("LEFT OUT: GIVING UP ROOT: NOT ROOT");
        return;
    }
    let Ok(Some(user)) = nix::unistd::User::from_name("_apt") else {
        panic!("root on a Debian machine, but no user _apt");
    };
    let mut stage = Stage::new();
    stage.extra = vec!["APT::Sandbox::User=_apt".to_owned()];
    write_script(
        &stage.path("methods/http"),
        &WRAPPED.replace(
            "cat \"$here/http.capabilities\"",
            "id -u >\"$here/uid\"; cat \"$here/http.capabilities\"",
        ),
    );
    let uri = "quorum+http://mirror/dists/x/Packages";
    let destination = stage.path("lists/partial/x").display().to_string();
    stage.reply(1, &done(uri, &destination, ""));
    let mut method = stage.configured();
    // An answer means that it went through all of its start.
    method.say(&request(uri, &destination, ""));
    method.until_settled();
    let mut status = String::new();
    std::fs::File::open(format!("/proc/{}/status", method.child.id()))
        .unwrap()
        .read_to_string(&mut status)
        .unwrap();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_ascii_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    assert_eq!(line("Uid:"), vec![uid; 4]);
    assert_eq!(line("Gid:"), vec![gid.clone(); 4]);
    assert_eq!(line("Groups:"), [gid]);
    assert_eq!(line("NoNewPrivs:"), ["1"]);
    assert_eq!(line("Seccomp:"), ["2"]);
    assert_eq!(line("CapEff:"), ["0000000000000000"]);
    assert_eq!(std::fs::read_to_string(stage.path("methods/uid")).unwrap().trim(), "0");
}

#[test]
fn a_sandbox_user_that_does_not_exist_ends_it() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("LEFT OUT: SANDBOX USER: NOT ROOT");
        return;
    }
    let mut stage = Stage::new();
    stage.extra = vec!["APT::Sandbox::User=nobody-of-this-name".to_owned()];
    let method = stage.configured();
    let (all, code) = method.end();
    assert_eq!(codes(&all), [401]);
    assert_eq!(code, Some(1));
    assert!(!stage.path("methods/started").exists());
}
