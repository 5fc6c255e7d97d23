//! What the commands and the entrances say, as they are run: with nothing configured, with a good
//! configuration, with mistakes on the command line.

use std::fs;
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Mutex};

use crate::common::apt::with_archive;
use crate::common::rebuilder::{Rebuilder, confirming, hello, ignorant, rebuilders};
use crate::common::server::{Reply, Server};
use crate::common::{Deb, Ended, Key, World, run, sha256};

/// Collects what was said.
pub struct Transcript<'a> {
    pub world: &'a World,
    pub text: String,
}

impl Transcript<'_> {
    pub fn say(&mut self, words: &[&str]) {
        let own = ["--config".to_owned(), self.world.path("etc").display().to_string()];
        let mut command = self.world.command();
        // `bootstrap` hands on what comes behind its own options.
        let takes_one = words.first().is_some_and(|it| *it != "bootstrap");
        let arguments: Vec<String> = words
            .iter()
            .map(|it| it.replace("WORLD", self.world.directory.path().to_str().unwrap()))
            .collect();
        command.args(arguments);
        if takes_one {
            command.args(own);
        }
        let ended = run(&mut command);
        self.add(&stable(&format!("apt-quorum {}", words.join(" "))), &ended);
    }

    /// The gate's program under the name of one of its roles.
    fn enter(&mut self, name: &str, arguments: &[&str]) {
        let gate = env!("CARGO_BIN_EXE_gate").as_ref();
        let mut command = self.world.command_of(gate);
        command.arg0(name).args(arguments);
        let ended = run(&mut command);
        self.add(&format!("({name}) {}", arguments.join(" ")), &ended);
    }

    pub fn add(&mut self, what: &str, ended: &Ended) {
        let here = self.world.directory.path().to_str().unwrap();
        let said = format!("{}{}", ended.stdout, ended.stderr).replace(here, "WORLD");
        self.text += &format!("$ {} [{}]\n{}", what.trim(), ended.code.unwrap(), stable(&said));
    }
}

/// Without what is another in every run: keys and hashes, ports, days.
pub fn stable(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| match line.split_once("PEM: ") {
        Some((before, _)) => format!("{before}PEM: BASE64\n"),
        None => line.to_owned(),
    });
    let text: &str = &lines.collect::<String>();
    let mut out = String::new();
    let mut rest = text;
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_hash = bare.len() >= 16 && bare.bytes().all(|it| it.is_ascii_hexdigit());
        let is_port = out.ends_with("127.0.0.1:") && bare.bytes().all(|it| it.is_ascii_digit());
        rest = &rest[word.len()..];
        let new = if is_hash {
            "HEX"
        } else if rest.starts_with("days left") {
            "DAYS"
        } else if is_port {
            "PORT"
        } else {
            bare
        };
        out += new;
        out += &word[bare.len()..];
    }
    out
}

/// A world with three rebuilders: two who confirm hello, and one who has never heard of it.
pub fn configured() -> String {
    let world = World::new();
    let deb = hello();
    let other = Deb::new("other", "1", "all");
    let new = Deb::new("new", "1", "all");
    let (key, alpha) = confirming(&[&deb]);
    // Not published yet; somebody brings it along.
    let link = new.link(&key);
    let _servers = rebuilders(&world, vec![(key, alpha), confirming(&[&deb]), ignorant()]);
    for it in [&deb, &other, &new] {
        world.put(it);
    }
    world.make_directory("files/tree");
    world.make_directory(&format!("files/tree/{}", new.file_name()));
    world.write(&format!("files/tree/{}/{}", new.file_name(), sha256(&link)), link);
    world.write("files/text", "no package");
    world.write("files/list", "hello\n");
    world.write("files/good-list", "hello 2.10-3 amd64\nother 1 all\n");
    let mut it = Transcript { world: &world, text: String::new() };
    for words in [
        &["verify", "WORLD/files/hello_2.10-3_amd64.deb"][..],
        &["verify", "WORLD/files/other_1_all.deb"],
        &["verify", "WORLD/files/text"],
        &["verify", "WORLD/files/missing.deb"],
        &["verify", "--offline", "WORLD/files/hello_2.10-3_amd64.deb"],
        &["verify", "--evidence", "WORLD/files/none", "WORLD/files/text"],
        &["explain", "WORLD/files/other_1_all.deb"],
        &["explain", "WORLD/files/new_1_all.deb", "--evidence", "WORLD/files/tree"],
        &["explain", "a b"],
        &["config", "check"],
        &["rebuilder", "list"],
        &["rebuilder", "refresh", "nobody"],
        &["rebuilder", "refresh"],
        &["rebuilder", "remove", "alpha"],
        &["rebuilder", "add", "ftp://alpha.example/"],
        &["rebuilder", "add", "https://user:word@alpha.example/"],
        &["rebuilder", "add", "https://alpha.example/?x"],
        &["rebuilder", "add", "https://alpha.example/", "--protocol", "archive"],
        &["rebuilder", "add-key", "nobody"],
        &["rebuilder", "add-key", "alpha", "--key", "WORLD/files/text"],
        &["exception", "list"],
        &["exception", "add", "hello=1", "--reason", "", "--days", "3"],
        &["exception", "add", "hello=1", "--reason", "x", "--expires", "2020-01-01"],
        &["exception", "add", "h[llo", "--reason", "x", "--days", "3"],
        &["exception", "remove", "local.toml"],
        &["exception", "remove", "exceptions.d/local.toml:1"],
        &["mode"],
        &["mode", "enforce"],
        &["mode", "warn"],
        &["mode", "enforce"],
        &["evidence", "fetch", "--packages", "WORLD/files/list"],
        &["evidence", "fetch", "--packages", "WORLD/files/missing"],
        &["evidence", "fetch", "--packages", "WORLD/files/good-list"],
        &["evidence", "export", "--output", "WORLD/files/out", "WORLD/files/other_1_all.deb"],
        &["evidence", "export", "--output", "WORLD/files/no.tar.gz", "WORLD/files/other_1_all.deb"],
        &["evidence", "export", "--output", "WORLD/files/out.tar.gz"],
        &["evidence", "export", "--output", "WORLD/files/out.tar.gz", "WORLD/files/text"],
        &["evidence", "import", "WORLD/files/out.tar.gz"],
        &["evidence", "import", "WORLD/files/text"],
        &["evidence", "import", "WORLD/files/missing"],
        &["attest", "--root", "WORLD/files", "--key", "WORLD/files/missing", "--output", "x"],
        &["attest", "--root", "WORLD/files", "--key", "WORLD/files/text", "--output", "x"],
        &["status", "--json", "extra"],
        &["bootstrap", "--config", "WORLD/etc", "--check"],
        &["bootstrap", "--config", "WORLD/etc", "trixie"],
        &[
            "bootstrap",
            "--config",
            "WORLD/etc",
            "--",
            "--foreign",
            "--download-only",
            "trixie",
            "x",
        ],
        &["bootstrap", "--config", "WORLD/etc", "--", "--frobnicate", "trixie", "x"],
        &["bootstrap", "--config", "WORLD/etc", "--", "--print-debs", "trixie", "x"],
        &["bootstrap", "--config", "WORLD/etc", "--archives", "WORLD/files"],
        &["bootstrap", "--config", "WORLD/etc", "--archives", "WORLD/etc"],
        &["verify-image", "WORLD/files/text", "--key", "WORLD/files/text"],
        &["verify-image", "WORLD/files/text", "--key", "WORLD/etc/rebuilders.d/alpha.pem"],
        &["rebuilder", "import-layout", "WORLD/files/text"],
        &["rebuilder", "import-layout", "WORLD/files/text", "--key", "WORLD/files/text"],
        &["rebuilder", "add-key", "alpha"],
        &["exception", "add", "hello=2.10-3", "--reason", "x", "--days", "99999999"],
        &["exception", "add", "hello=2.10-3", "--reason", "x", "--days", "3", "--file", "a/b"],
        &["exception", "add", "--package", "hello", "--reason", "x", "--expires", "2199-01-01"],
        &["exception", "list"],
        &["exception", "add", "--package", "hello", "--reason", "x", "--until", "2199-01-01"],
        &["exception", "add", "--package", "hello", "--reason", "x", "--until", "2199-01-02"],
        &["exception", "renew", "hello-1", "--until", "2199-01-01"],
        &["exception", "renew", "hello-1", "--until", "2199-01-02"],
        &["exception", "renew", "hello-2", "--until", "2199-01-02"],
        &["exception", "add", "--package", "*", "--reason", "x", "--until", "2199-01-01"],
        &["exception", "add", "--package", "*", "--reason", "x", "--until", "2199-01-01", "--json"],
        &["exception", "add", "--package", "*", "--reason", "x", "--until", "2199-01-01", "--yes"],
        &["exception", "renew", "any-1", "--until", "2199-01-02"],
        &["exception", "add", "--site", "a", "--reason", "x", "--until", "2199-01-01", "--yes"],
        &["config", "check"],
        &["exception", "remove", "exceptions.d/local.toml:1"],
        &["exception", "remove", "hello-1", "--yes"],
        &["exception", "remove", "hello-1", "--yes"],
        &["exception", "prune"],
        &["rebuilder", "remove", "beta", "--yes"],
        &["rebuilder", "remove", "nobody", "--yes"],
        &["rebuilder", "remove", "b b", "--yes"],
    ] {
        it.say(words);
    }
    it.text
}

/// What is said of packages before they are there, if apt works here.
pub fn with_apt() -> Option<String> {
    let world = World::new();
    let (deb, other) = (hello(), Deb::new("other", "1", "all"));
    let _servers = rebuilders(&world, vec![confirming(&[&deb]), confirming(&[&deb]), ignorant()]);
    if !with_archive(&world, &[&deb, &other], &[]) {
        return None;
    }
    let mut it = Transcript { world: &world, text: String::new() };
    it.say(&["check", "hello"]);
    it.say(&["check", "hello", "other"]);
    it.say(&["check", "nothing-like-it"]);
    it.say(&["explain", "other"]);
    Some(it.text)
}

/// Rebuilders who publish their keys, and change them.
pub fn trusting() -> String {
    let world = World::new();
    world.policy("mode = \"warn\"\n");
    let (key, new) = (Key::new(), Key::new());
    let published = Arc::new(Mutex::new(Rebuilder::publishing(&[&key])));
    let shared = Arc::clone(&published);
    let server = Server::start(move |target| shared.lock().unwrap().answer(target));
    let without = Rebuilder::default().serve();
    let silent = Server::start(|_| Reply::status(500));
    let (url, id, other) = (server.url(), key.id(), new.id());
    let add = ["rebuilder", "add", &url, "--name", "alpha"];
    let mut it = Transcript { world: &world, text: String::new() };
    it.say(&["rebuilder", "add", &url]);
    it.say(&add);
    for more in [
        &["--threshold", "1"][..],
        &["--threshold", "1", "--yes", "--fingerprint", "zz"],
        &["--threshold", "1", "--yes", "--fingerprint", "0123"],
        &["--threshold", "1", "--yes", "--fingerprint", "0123456789abcdef0123456789abcdef"],
        &["--threshold", "1", "--yes", "--fingerprint", &id],
        &[],
    ] {
        it.say(&[&add[..], more].concat());
    }
    it.say(&["rebuilder", "refresh"]);
    it.say(&["mode", "enforce"]);
    it.say(&["rebuilder", "add", &without.url(), "--name", "beta", "--threshold", "1"]);
    it.say(&["rebuilder", "add", &silent.url(), "--name", "beta", "--threshold", "1"]);
    it.say(&["rebuilder", "add", &silent.url(), "--name", "beta", "--protocol", "directory"]);
    *published.lock().unwrap() = Rebuilder::publishing(&[&new]);
    it.say(&["rebuilder", "refresh"]);
    it.say(&["rebuilder", "add-key", "alpha"]);
    it.say(&["rebuilder", "add-key", "alpha", "--yes", "--fingerprint", &other]);
    it.say(&["rebuilder", "add-key", "alpha"]);
    it.say(&["config", "check"]);
    drop(server);
    it.say(&["rebuilder", "refresh"]);
    it.say(&["rebuilder", "remove", "alpha", "--yes"]);
    it.say(&["mode", "warn"]);
    it.say(&["rebuilder", "remove", "alpha", "--json"]);
    it.say(&["rebuilder", "remove", "alpha", "--yes"]);
    it.text
}

/// As the package comes, and with a mistake in the configuration.
pub fn unconfigured() -> String {
    let world = World::new();
    world.policy("mode = \"warn\"\n");
    let deb = hello();
    world.put(&deb);
    let mut text = String::new();
    for policy in ["mode = \"warn\"\n", "mode = \"wrong\"\n"] {
        world.policy(policy);
        let mut it = Transcript { world: &world, text };
        for words in [
            &["config", "check"][..],
            &["verify", "WORLD/files/hello_2.10-3_amd64.deb"],
            &["explain", "WORLD/files/hello_2.10-3_amd64.deb"],
            &["audit", "--root", "WORLD/files"],
            &["rebuilder", "list"],
            &["rebuilder", "refresh"],
            &["exception", "list"],
            &["mode", "enforce"],
            &["evidence", "export", "--output", "WORLD/files/out.tar.gz"],
            &["attest", "--root", "WORLD/files", "--key", "WORLD/files/key", "--output", "x"],
            &["bootstrap", "--config", "WORLD/etc", "--check"],
        ] {
            it.say(words);
        }
        text = it.text;
    }
    text
}

/// What the entrances say when somebody else than apt or dpkg calls them, and what the arguments'
/// reader says of mistakes.
pub fn entrances() -> String {
    let world = World::new();
    let key = Key::new();
    world.rebuilder("alpha", &key, &[]);
    let mut it = Transcript { world: &world, text: String::new() };
    it.enter("before-prompt", &[]);
    it.enter("pre-install-pkgs", &[]);
    it.enter("debsig-verify", &[]);
    it.enter("dpkg-pre-invoke", &["a", "b"]);
    it.enter("gate", &[]);
    for words in [&["verify"][..], &["frobnicate"], &["mode", "off"], &["check", "--upgrade"]] {
        let ended = run(world.command().args(words));
        it.add(&format!("apt-quorum {}", words.join(" ")), &ended);
    }
    it.text
}

/// The gallery of the configuration's mistakes has a directory of its own.
pub fn of_configurations() -> Vec<String> {
    let cases = crate::common::cases("bad_configuration");
    cases.iter().map(|it| fs::read_to_string(it.join("expected.txt")).unwrap()).collect()
}
