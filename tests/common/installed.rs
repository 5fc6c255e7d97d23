//! A system on which packages are installed, as a directory: dpkg's database, receipts, and apt's
//! indexes, written as dpkg, the hook and apt write them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{Deb, Ended, Key, World, run, set_mode, sha256};

pub const REBUILDERS: [&str; 3] = ["alpha", "beta", "gamma"];

/// Three rebuilders of whom two must confirm, and a system.
pub struct Machine {
    pub world: World,
    pub keys: BTreeMap<&'static str, Key>,
    status: String,
    receipts: Vec<Value>,
    attestations: Vec<(String, String, Vec<u8>)>,
    indexes: BTreeMap<(String, bool), String>,
}

impl Machine {
    pub fn new() -> Self {
        let world = World::new();
        let keys: BTreeMap<_, _> = REBUILDERS.map(|name| (name, Key::new())).into();
        for (name, key) in &keys {
            world.rebuilder(name, key, &[]);
        }
        let new = Self {
            world,
            keys,
            status: String::new(),
            receipts: Vec::new(),
            attestations: Vec::new(),
            indexes: BTreeMap::new(),
        };
        for name in [
            "var/lib/dpkg/updates",
            "var/lib/apt/lists",
            "var/lib/apt-quorum/receipts",
            "var/lib/apt-quorum/evidence",
        ] {
            new.world.make_directory(&format!("root/{name}"));
        }
        new
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.world.path(&format!("root/{name}"))
    }

    /// An entry of dpkg's database with this status and these further fields.
    pub fn has(&mut self, deb: &Deb, status: &str, more: &str) -> &mut Self {
        self.status += &format!(
            "Package: {}\nStatus: {status}\nPriority: optional\nMaintainer: nobody\n\
             Architecture: {}\nVersion: {}\n{more}Description: a package\n for tests\n\n",
            deb.name, deb.architecture, deb.version
        );
        self
    }

    pub fn installed(&mut self, deb: &Deb) -> &mut Self {
        self.has(deb, "install ok installed", "")
    }

    /// A receipt of the hook about `deb` with these members instead of, or besides, the usual.
    pub fn receipt(&mut self, deb: &Deb, members: Value) -> &mut Self {
        let mut receipt = receipt(deb);
        receipt.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.receipts.push(receipt);
        self
    }

    pub fn let_in(&mut self, deb: &Deb, basis: &str) -> &mut Self {
        self.receipt(deb, json!({ "basis": basis, "debt": basis != "quorum" }))
    }

    /// It was let in because these rebuilders signed it, and what they signed was kept.
    pub fn let_in_by(&mut self, deb: &Deb, names: &[&str]) -> &mut Self {
        let mut claims = Vec::new();
        for name in names {
            let link = deb.link(&self.keys[name]);
            claims.push(json!({ "attestation": sha256(&link) }));
            let kept = format!("root/var/lib/apt-quorum/evidence/{}", sha256(&link));
            self.world.write(&kept, link);
        }
        self.receipt(deb, json!({ "claims": claims }))
    }

    /// An index of the archive at `host` lists `deb`.
    pub fn listed(&mut self, deb: &Deb, host: &str, signed: bool) -> &mut Self {
        let index = self.indexes.entry((host.to_owned(), signed)).or_default();
        *index += &format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nSize: {}\nSHA256: {}\n\n",
            deb.name,
            deb.version,
            deb.architecture,
            deb.bytes.len(),
            deb.sha256()
        );
        self
    }

    /// These rebuilders signed `deb`; it is in the tree.
    pub fn signed(&mut self, deb: &Deb, names: &[&str]) -> &mut Self {
        for name in names {
            let link = deb.link(&self.keys[name]);
            self.attestations.push((deb.file_name(), sha256(&link), link));
        }
        self
    }

    /// Writes everything down.
    pub fn write(&self) {
        let write = |name: &str, bytes: &[u8]| self.world.write(&format!("root/{name}"), bytes);
        write("var/lib/dpkg/status", self.status.as_bytes());
        let lines: String = self.receipts.iter().map(|it| format!("{it}\n")).collect();
        write("var/lib/apt-quorum/receipts/hook.jsonl", lines.as_bytes());
        for ((host, signed), index) in &self.indexes {
            let archive = format!("var/lib/apt/lists/{host}_debian_dists_trixie");
            let release = "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\n";
            if *signed {
                let signed = format!(
                    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{release}\
                     -----BEGIN PGP SIGNATURE-----\n"
                );
                write(&format!("{archive}_InRelease"), signed.as_bytes());
            } else {
                write(&format!("{archive}_Release"), release.as_bytes());
            }
            write(&format!("{archive}_main_binary-amd64_Packages"), index.as_bytes());
        }
        self.world.make_directory("evidence");
        for (artifact, name, link) in &self.attestations {
            self.world.make_directory(&format!("evidence/{artifact}"));
            self.world.write(&format!("evidence/{artifact}/{name}"), link);
        }
    }

    /// `apt-quorum audit --config ... --evidence TREE ARGUMENTS`
    fn command(&self, arguments: &[&str]) -> Command {
        self.with_arguments(self.world.command(), arguments)
    }

    fn with_arguments(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.arg("audit").arg("--config").arg(self.world.path("etc"));
        command.arg("--evidence").arg(self.world.path("evidence")).args(arguments);
        command
    }

    /// Audits the directory as what it is.
    pub fn audit(&self, arguments: &[&str]) -> Ended {
        self.write();
        self.audit_as_it_is(arguments)
    }

    /// The same, without writing anything before.
    pub fn audit_as_it_is(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments).arg("--root").arg(self.world.path("root")))
    }

    /// Audits it as if it were the running system: apt's configuration says where things are.
    pub fn audit_running(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = self.world.command();
        command.envs(variables.iter().copied());
        self.audit_running_by(command, arguments)
    }

    /// The same, by a command that ends with the program.
    pub fn audit_running_by(&self, command: Command, arguments: &[&str]) -> Ended {
        self.write();
        let root = self.world.path("root");
        let root = root.display();
        let conf = fs::read_to_string(self.world.path("apt.conf")).unwrap();
        let more = format!(
            "Dir::State::status \"{root}/var/lib/dpkg/status\";\n\
             Dir::State::lists \"{root}/var/lib/apt/lists\";\n\
             APT::Quorum::State \"{root}/var/lib/apt-quorum\";\n"
        );
        self.world.write("running.conf", conf + &more);
        let mut command = self.with_arguments(command, arguments);
        run(command.env("APT_CONFIG", self.world.path("running.conf")))
    }

    /// The one package of an audit, and how the program ended.
    pub fn package(&self) -> (Value, Ended) {
        let ended = self.audit(&["--json"]);
        ended.assert_plain();
        let audit = ended.json();
        assert_eq!(audit["packages"].as_array().map(Vec::len), Some(1), "{audit}");
        (audit["packages"][0].clone(), ended)
    }
}

/// A receipt of the hook that lets `deb` in.
pub fn receipt(deb: &Deb) -> Value {
    json!({
        "schema": 1, "time": "2026-03-01T12:00:00Z", "entrance": "hook", "path": "/x.deb",
        "decision": "admit", "basis": "quorum", "package": deb.name, "version": deb.version,
        "architecture": deb.architecture, "sha256": deb.sha256(), "size": deb.bytes.len(),
        "rebuilders": {}, "claims": [], "debt": false,
    })
}

/// Makes a file of this length that takes no room on the disk.
pub fn giant(path: &std::path::Path, length: u64) {
    fs::File::create(path).unwrap().set_len(length).unwrap();
    set_mode(path, 0o644);
}
