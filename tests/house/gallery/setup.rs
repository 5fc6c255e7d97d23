//! What `setup` says: by flags, and to somebody at a terminal.

use std::fs;

use super::commands::{Transcript, stable};
use crate::common::fresh::{Fresh, hello, other, trusting};
use crate::common::server::{Reply, Server};
use crate::common::terminal::screen;
use crate::common::{Deb, copy_safely, set_mode};

/// More packages than are named one by one.
const MANY: usize = 22;

struct Told {
    fresh: Fresh,
    text: String,
}

impl Told {
    fn new(fresh: Fresh) -> Self {
        Self { fresh, text: String::new() }
    }

    /// Runs it with nobody to ask.
    fn say(&mut self, words: &[&[&str]]) -> &mut Self {
        let here = self.fresh.path("").display().to_string();
        let words: Vec<String> =
            words.concat().iter().map(|it| it.replace("WORLD/", &here)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ended = self.fresh.setup(&words);
        let mut it = Transcript { world: &self.fresh.machine.world, text: String::new() };
        it.add(&self.command(&words), &ended);
        self.text += &it.text;
        self
    }

    /// Runs it at a terminal: what somebody waits for, and types then.
    fn ask(&mut self, words: &[&str], steps: &[(&str, &str)]) -> &mut Self {
        let mut terminal = self.fresh.at_terminal(words);
        for (question, typed) in steps {
            terminal.expect(question).send(&format!("{typed}\n"));
        }
        let (code, shown) = terminal.end();
        let shown = screen(&shown).join("\n");
        let mut text = String::new();
        let mut rest = shown.as_str();
        for (question, typed) in steps {
            let question = question.trim_end();
            let at = rest.find(question).unwrap() + question.len();
            text += &rest[..at];
            rest = rest[at..].strip_prefix(&format!(" {typed}")).unwrap_or(&rest[at..]);
            text += &format!(" <{}>", if typed.is_empty() { "Enter" } else { typed });
        }
        let here = self.fresh.path("").display().to_string();
        let text = stable(&(text + rest).replace(&here, "WORLD/"));
        self.text += &format!("$ {} [{}]\n{text}", self.command(words), code.unwrap());
        self
    }

    fn command(&self, words: &[&str]) -> String {
        let here = self.fresh.path("").display().to_string();
        stable(&format!("apt-quorum setup {}", words.join(" ")).replace(&here, "WORLD/"))
    }

    /// Shows a file of a rebuilder that was written, without its key and the day.
    fn show(&mut self, name: &str) -> &mut Self {
        self.text += &format!("$ cat {name}\n");
        let text = stable(&self.fresh.text(name));
        let mut is_key = false;
        for line in text.lines() {
            is_key &= !line.starts_with("-----END");
            let line = match line.split_once(" on ") {
                Some((start, _)) if line.starts_with("# Added") => format!("{start} on DAY."),
                _ if is_key => "KEY".to_owned(),
                _ => line.to_owned(),
            };
            is_key |= line.starts_with("-----BEGIN");
            self.text += &(line + "\n");
        }
        self
    }
}

/// By flags.
pub fn by_flags() -> String {
    let fresh = Fresh::new();
    let both = [
        fresh.rebuilder("alpha", &[&hello(), &other()]),
        fresh.rebuilder("beta", &[&hello()]),
        fresh.rebuilder("gamma", &[]),
    ];
    let (three, two, one) = (trusting(&both), trusting(&both[..2]), trusting(&both[..1]));
    let alpha = &one[..2];
    let silent = Server::start(|_| Reply::status(500));
    let key = &fresh.machine.keys["beta"];
    let world = &fresh.machine.world;
    world.write("beta.pem", key.pem());
    world.write("beta.toml", described("beta", &silent.url(), ""));
    world.write("delta.toml", described("delta", &silent.url(), "architectures = [\"arm64\"]\n"));
    let beta = ["--rebuilder", "WORLD/beta.toml", "--key", "beta=WORLD/beta.pem"];
    let id = key.id();
    let rest = ["--mode", "enforce", "--sources", "none", "--yes"];
    let all = ["--threshold", "1", "--mode", "warn", "--sources", "all", "--yes", "--no-dry-run"];
    copy_safely(&fresh.path("etc"), &fresh.path("elsewhere"));
    let mut it = Told::new(fresh);
    it.say(&[])
        .say(&[&two[..], &["--threshold", "2", "--dry-run"]])
        .say(&[&one, &beta, &["--fingerprint", &id, "--threshold", "2", "--dry-run"]])
        .say(&[alpha, &["--threshold", "1"], &rest])
        .say(&[alpha, &["--fingerprint", &"0".repeat(64), "--threshold", "1"], &rest])
        .say(&[&one, &["--threshold", "2"], &rest])
        .say(&[&one, &["--threshold", "0"], &rest])
        .say(&[alpha, &one, &["--threshold", "1"], &rest])
        .say(&[&["--rebuilder", "nobody", "--threshold", "1"], &rest])
        .say(&[&["--rebuilder", "WORLD/delta.toml", "--threshold", "1"], &rest])
        .say(&[&["--rebuilder", &silent.url(), "--threshold", "1"], &rest])
        .say(&[&["--key", "beta=WORLD/beta.pem", "--threshold", "1"], &one, &rest])
        .say(&[&["--key", "WORLD/beta.pem", "--threshold", "1"], &one, &rest])
        .say(&[&one, &all[..4], &["--yes", "--sources", "http://no.example/"]])
        .say(&[&one, &all, &["--config", "WORLD/elsewhere"]])
        .say(&[&two, &["--architecture", "amd64", "--threshold", "2", "--dry-run", "--offline"]]);
    // What stands in the way of apt's asking for every source.
    let path = |name: &str| it.fresh.path(name);
    let (method, moved) = (path("methods/quorum+http"), path("methods/moved"));
    fs::rename(&method, &moved).unwrap();
    it.say(&[&one, &all]);
    fs::rename(&moved, &method).unwrap();
    for (file, text) in [
        ("apt.conf.d/50other", "Dir::Bin::Methods::http \"/usr/bin/other\";\n"),
        ("apt.conf.d/01apt-quorum-strict", "// nothing\n"),
    ] {
        let path = it.fresh.machine.world.write(file, text);
        it.say(&[&one, &all]);
        fs::remove_file(path).unwrap();
    }
    let status = it.fresh.path("root/var/lib/dpkg/status");
    let kept = fs::read(&status).unwrap();
    fs::remove_file(&status).unwrap();
    it.say(&[&one, &["--threshold", "1"], &rest]);
    fs::write(&status, kept).unwrap();
    // All is well, and then once more, and then less.
    set_mode(&it.fresh.path("sources.list"), 0o666);
    it.say(&[&three, &["--threshold", "2", "--mode", "enforce", "--yes", "--sources", "all"]])
        .show("etc/rebuilders.d/alpha.toml")
        .say(&[&three, &["--threshold", "2", "--mode", "enforce", "--yes", "--sources", "all"]])
        .say(&[&["--threshold", "1", "--yes", "--no-dry-run"]])
        .say(&[&two[..2], &["--mode", "warn", "--yes", "--no-dry-run", "--sources", "none"]]);
    exactly(&mut it);
    it.text
}

/// By a file, and back to the beginning.
fn exactly(it: &mut Told) {
    let pem = it.fresh.machine.keys["gamma"].pem();
    let good = format!(
        "mode = \"warn\"\nthreshold = 1\nsources = [\"https://a.example/debian/\"]\n[[rebuilder]]\n\
         name = \"gamma\"\n[[rebuilder.key]]\ntype = \"ed25519\"\npublic = \"\"\"\n{pem}\"\"\"\n"
    );
    let from = ["--from", "WORLD/all.toml"];
    it.say(&[&from]);
    for (was, new) in [
        ("mode =", "mode"),
        ("threshold = 1", "threshold = 2"),
        ("[\"https://a.example/debian/\"]", "\"some\""),
        ("[[rebuilder]]", "[rebuilder]"),
        ("name = \"gamma\"", "name = \"a b\""),
        ("[[rebuilder]]", "[exception]\nx = 1\n[[rebuilder]]"),
        ("[[rebuilder]]", "[[rebuilder]]\nname = \"gamma\"\n[[rebuilder]]"),
        ("public =", "file = \"a.toml\"\nx ="),
    ] {
        it.fresh.machine.world.write("all.toml", good.replacen(was, new, 1));
        it.say(&[&from, &["--yes"]]);
    }
    it.fresh.machine.world.write("all.toml", good);
    it.say(&[&from, &["--yes", "--config", "WORLD/elsewhere"]])
        .say(&[&from])
        .say(&[&from, &["--json"]])
        .say(&[&from, &["--dry-run"]])
        .say(&[&from, &["--yes"]])
        .say(&[&from])
        .say(&[&["--reset"]]);
    let odd = it.fresh.machine.world.write(
        "apt.conf.d/50other",
        "Dir::Bin::Methods { http \"quorum+http\"; https \"quorum+https\"; };\n",
    );
    it.say(&[&["--reset", "--yes"]]);
    fs::remove_file(odd).unwrap();
    let list = it.fresh.text("sources.list");
    let unusual = "deb \"quorum%2bhttp://c.example/\" x y\n";
    it.fresh.machine.world.write("sources.list", unusual);
    it.say(&[&["--reset", "--yes"]]);
    it.fresh.machine.world.write("sources.list", list);
    it.say(&[&["--reset", "--yes"]]).say(&[&["--reset", "--yes"]]);
}

/// By questions.
pub fn by_questions() -> String {
    let mut fresh = Fresh::new();
    let many: Vec<Deb> =
        (0..MANY).map(|it| Deb::new(&format!("many{it:02}"), "1", "all")).collect();
    for deb in &many {
        fresh.machine.installed(deb).listed(deb, "a.example", true);
    }
    fresh.machine.write();
    let servers = [
        fresh.rebuilder("alpha", &[&hello(), &other()]),
        fresh.rebuilder("beta", &[&hello(), &other()]),
        fresh.rebuilder("gamma", &[]),
    ];
    let [alpha, beta, gamma] = [0, 1, 2].map(|it: usize| servers[it].1.as_str());
    fresh.machine.world.write("shipped/alpha.toml", described("alpha", &servers[0].0.url(), ""));
    let chosen = format!("1 {beta} {gamma} {alpha} ftp://x.example/");
    let names = "Numbers, names or URLs, with spaces between them: ";
    let more = format!("{names}[done] ");
    let how_many = "How many rebuilders must confirm a package? [2] ";
    let mode = "Mode, enforce or warn? [warn] ";
    let look = "Check the installed packages by this policy? apt-quorum asks the rebuilders about each. [yes] ";
    let sources = "Which sources? all, none, or their numbers [all] ";
    let mut it = Told::new(fresh);
    it.ask(
        &[],
        &[
            (names, ""),
            (names, &chosen),
            ("Trust this key as alpha's? Type yes: ", "yes"),
            ("Trust this key as beta's? Type yes: ", "y"),
            ("Trust this key as beta's? Type yes: ", "no"),
            ("Trust this key as gamma's? Type yes: ", "yes"),
            (&more, beta),
            ("Trust this key as beta's? Type yes: ", "yes"),
            (&more, ""),
            (how_many, "4"),
            (how_many, "two"),
            (how_many, ""),
            (look, "perhaps"),
            (look, "yes"),
            (mode, "off"),
            (mode, "warn"),
            (sources, "9"),
            (sources, "1, 2"),
            ("Write this? Type yes: ", "no"),
        ],
    )
    .ask(
        &["--no-dry-run", "--threshold", "1"],
        &[
            (names, "1"),
            ("Trust this key as alpha's? Type yes: ", "yes"),
            (&more, ""),
            (mode, ""),
            (sources, "all"),
            ("Write this? Type yes: ", "yes"),
        ],
    );
    let status = it.fresh.path("root/var/lib/dpkg/status");
    fs::remove_file(&status).unwrap();
    it.ask(
        &[],
        &[
            (&more, beta),
            ("Trust this key as beta's? Type yes: ", "yes"),
            (&more, ""),
            (how_many, "2"),
            (look, ""),
            (mode, "enforce"),
            ("Write this? Type yes: ", "yes"),
        ],
    );
    it.text
}

fn described(name: &str, url: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\ndescription = \"a rebuilder for tests\"\n\n\
         [[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{url}\"\n{more}"
    )
}
