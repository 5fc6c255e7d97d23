//! An image, whoever publishes it, and whoever verifies it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use serde_json::Value;

use super::{Deb, Ended, Key, World, run, set_mode, sha256};

pub const REBUILDERS: [&str; 2] = ["alpha", "beta"];

/// A publisher with an image in `root`, whose packages two rebuilders confirmed.
pub struct Publisher {
    pub world: World,
    pub rebuilders: [Key; 2],
    pub signer: Key,
    pub debs: Vec<Deb>,
}

impl Publisher {
    pub fn new() -> Self {
        let world = World::new();
        let rebuilders = [Key::new(), Key::new()];
        for (name, key) in REBUILDERS.into_iter().zip(&rebuilders) {
            world.rebuilder(name, key, &[]);
        }
        let debs = vec![Deb::new("hello", "2.10-3", "amd64"), Deb::new("tool", "1:4-1", "all")];
        let publisher = Self { world, rebuilders, signer: Key::new(), debs };
        for deb in &publisher.debs {
            publisher.confirm(deb, &REBUILDERS);
        }
        let path = publisher.world.write("signer.key", publisher.signer.secret_pem());
        set_mode(&path, 0o600);
        publisher.world.write("signer.pem", publisher.signer.pem());
        make_tree(&publisher.root());
        publisher.install();
        publisher
    }

    pub fn root(&self) -> PathBuf {
        self.world.path("root")
    }

    /// Has these rebuilders sign a package.
    pub fn confirm(&self, deb: &Deb, who: &[&str]) {
        let directory = format!("evidence/{}", deb.file_name());
        self.world.make_directory("evidence");
        self.world.make_directory(&directory);
        for (name, key) in REBUILDERS.into_iter().zip(&self.rebuilders) {
            if who.contains(&name) {
                self.world.write(&format!("{directory}/{name}"), deb.link(key));
            }
        }
    }

    /// Writes down that all packages are installed, and from which files.
    pub fn install(&self) {
        let root = self.root();
        let entries: Vec<String> =
            self.debs.iter().map(|deb| status(deb, "install ok installed")).collect();
        fs::write(root.join("var/lib/dpkg/status"), entries.join("\n")).unwrap();
        let receipts: String = self.debs.iter().map(receipt).collect();
        fs::write(root.join("var/lib/apt-quorum/receipts/hook.jsonl"), receipts).unwrap();
    }

    pub fn statement(&self) -> PathBuf {
        self.world.path("files/statement.json")
    }

    pub fn bundle(&self) -> PathBuf {
        self.world.path("files/evidence.tar.gz")
    }

    /// `apt-quorum attest` with everything that it needs.
    pub fn attest_command(&self, options: &[&str]) -> Command {
        self.attest_command_of(Path::new(env!("CARGO_BIN_EXE_apt-quorum")), options)
    }

    pub fn attest_command_of(&self, binary: &Path, options: &[&str]) -> Command {
        let mut command = self.world.command_of(binary);
        command.args(["attest", "--offline", "--config"]).arg(self.world.path("etc"));
        command.arg("--root").arg(self.root()).arg("--key").arg(self.world.path("signer.key"));
        command.arg("--evidence").arg(self.world.path("evidence"));
        command.arg("--output").arg(self.statement()).arg("--bundle").arg(self.bundle());
        command.args(options);
        command
    }

    pub fn attest(&self, options: &[&str]) -> Ended {
        let ended = run(&mut self.attest_command(options));
        ended.assert_plain();
        let secret = self.signer.secret_pem();
        let secret = secret.lines().nth(1).unwrap();
        assert!(!format!("{ended:?}").contains(&secret[20..40]), "{ended:?}");
        ended
    }

    /// Attests, and gives what was signed.
    pub fn attested(&self, options: &[&str]) -> Value {
        self.attest(options).assert_code(0);
        payload(&fs::read(self.statement()).unwrap())
    }

    /// Puts other words into the signer's mouth.
    pub fn say(&self, statement: &Value) {
        self.world.write("files/statement.json", self.signer.dsse(&statement.to_string()));
    }

    /// `apt-quorum verify-image`, by a policy in another world.
    pub fn verify_by(&self, world: &World, options: &[&str]) -> Ended {
        let mut command = world.command();
        command.args(["verify-image", "--json", "--config"]).arg(world.path("etc"));
        command.arg("--key").arg(self.world.path("signer.pem"));
        command.arg("--evidence").arg(self.bundle());
        let ended = run(command.args(options).arg(self.statement()));
        ended.assert_plain();
        ended
    }

    /// The same with the whole tree, by somebody who trusts the same rebuilders.
    pub fn verify(&self, options: &[&str]) -> Ended {
        let root = self.root();
        let options = [&["--root", root.to_str().unwrap()], options].concat();
        self.verify_by(&self.verifier(2), &options)
    }

    /// Somebody else who pinned the same keys.
    pub fn verifier(&self, threshold: usize) -> World {
        let world = World::new();
        world.policy(&format!("mode = \"enforce\"\nthreshold = {threshold}\n"));
        for (name, key) in REBUILDERS.into_iter().zip(&self.rebuilders) {
            world.rebuilder(&format!("my-{name}"), key, &[]);
        }
        world
    }
}

/// The codes of what is wrong.
pub fn problems(ended: &Ended) -> Vec<String> {
    let problems = ended.json()["problems"].as_array().unwrap().clone();
    problems.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect()
}

pub fn payload(envelope: &[u8]) -> Value {
    let envelope: Value = serde_json::from_slice(envelope).unwrap();
    let base64 = &base64::engine::general_purpose::STANDARD;
    serde_json::from_slice(&base64.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

pub fn status(deb: &Deb, status: &str) -> String {
    let Deb { name, version, architecture, .. } = deb;
    format!(
        "Package: {name}\nStatus: {status}\nVersion: {version}\nArchitecture: {architecture}\n\
         Description: for tests\n"
    )
}

fn receipt(deb: &Deb) -> String {
    let Deb { name, version, architecture, .. } = deb;
    let record = serde_json::json!({
        "schema": 1, "time": "2026-01-02T03:04:05Z", "decision": "admit", "basis": "quorum",
        "package": name, "version": version, "architecture": architecture,
        "sha256": deb.sha256(),
    });
    format!("{record}\n")
}

/// A tree with one of everything that anybody can make.
fn make_tree(root: &Path) {
    for name in ["etc", "usr/bin", "var/lib/dpkg", "var/lib/apt-quorum/receipts", "var/log", "tmp"]
    {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    fs::write(root.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
    fs::write(root.join("etc/empty"), "").unwrap();
    fs::write(root.join("var/log/messages"), "a line\n").unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("../../../../etc/passwd", root.join("etc/out")).unwrap();
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).unwrap();
    nix::unistd::mkfifo(&root.join("etc/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    // The umask that tests run under is nobody's business.
    for path in everything(root) {
        let kind = path.symlink_metadata().unwrap().file_type();
        if !kind.is_symlink() {
            set_mode(&path, if kind.is_dir() { 0o755 } else { 0o644 });
        }
    }
    set_mode(&root.join("usr/bin/tool"), 0o4755);
    set_mode(&root.join("tmp"), 0o1777);
}

/// All paths in a tree and the tree itself.
pub fn everything(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_owned()];
    if root.symlink_metadata().unwrap().is_dir() {
        for entry in fs::read_dir(root).unwrap() {
            all.extend(everything(&entry.unwrap().path()));
        }
    }
    all
}

/// The manifest as the man page describes it, made by other means than the program's.
pub fn manifest_of(root: &Path) -> String {
    let mut lines = vec!["#mtree".to_owned(), "# apt-quorum manifest 1".to_owned()];
    let mut paths: Vec<Vec<String>> = everything(root)
        .iter()
        .map(|path| path.strip_prefix(root).unwrap())
        .map(|path| path.iter().map(|it| it.to_str().unwrap().to_owned()).collect())
        .collect();
    paths.sort();
    for parts in paths {
        let path = parts.iter().fold(root.to_owned(), |path, part| path.join(part));
        let seen = path.symlink_metadata().unwrap();
        let kind = seen.mode() & 0o170_000;
        let name = [&[".".to_owned()], &parts[..]].concat().join("/");
        let (kind, rest) = match kind {
            0o040_000 => ("dir", String::new()),
            0o120_000 => {
                let target = fs::read_link(&path).unwrap();
                ("link", format!(" link={}", target.to_str().unwrap()))
            }
            0o010_000 => ("fifo", String::new()),
            _ => {
                let bytes = fs::read(&path).unwrap();
                ("file", format!(" size={} sha256={}", bytes.len(), sha256(&bytes)))
            }
        };
        let (uid, gid, mode) = (seen.uid(), seen.gid(), seen.mode() & 0o7777);
        lines.push(format!("{name} type={kind} uid={uid} gid={gid} mode=0{mode:o}{rest}"));
    }
    lines.join("\n") + "\n"
}
