//! A machine on which the package was installed and nothing else was done, with rebuilders on
//! loopback whom somebody could trust.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::dialogue::Terminal;
use super::installed::{Machine, REBUILDERS};
use super::rebuilder::Rebuilder;
use super::server::Server;
use super::{Deb, Ended, run, set_mode};

/// From where apt takes packages there.
pub const SOURCES: &str = "# what this machine is made of\nTypes: deb\nURIs: https://a.example/debian/\nSuites: trixie\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://b.example/security\nSuites: x\n\nEnabled: no\nTypes: deb\nURIs: http://off.example/\nSuites: x\n";

/// The same in the older format.
pub const LIST: &str = "deb [arch=amd64] http://a:secret@c.example/ x y # kept\ndeb cdrom:[Debian]/ trixie main\ndeb file:/srv/archive ./\n";

/// A machine on which the package was installed and nothing else was done. Two packages are
/// installed on it.
pub struct Fresh {
    pub machine: Machine,
}

pub fn hello() -> Deb {
    Deb::new("hello", "2.10-3", "amd64")
}

pub fn other() -> Deb {
    Deb::new("other", "1", "all")
}

impl Fresh {
    pub fn new() -> Self {
        let mut machine = Machine::new();
        for name in REBUILDERS {
            for suffix in ["toml", "pem"] {
                fs::remove_file(machine.world.path(&format!("etc/rebuilders.d/{name}.{suffix}")))
                    .unwrap();
            }
        }
        let world = &machine.world;
        let shipped = include_str!("../../apt-conf/apt-quorum/policy.toml");
        world.policy(&format!("{shipped}\n[network]\nanswer_timeout = 2\ntotal_timeout = 4\n"));
        for name in ["apt.conf.d", "sources.list.d", "methods", "shipped"] {
            world.make_directory(name);
        }
        world.write("sources.list", LIST);
        world.write("sources.list.d/debian.sources", SOURCES);
        for method in ["quorum+http", "quorum+https"] {
            let path = world.write(&format!("methods/{method}"), "");
            set_mode(&path, 0o755);
        }
        let at = world.directory.path().display().to_string();
        let conf = fs::read_to_string(world.path("apt.conf")).unwrap();
        let conf = conf.replace(
            "Dir::Etc::parts \"/dev/null\"",
            &format!("Dir::Etc::parts \"{at}/apt.conf.d\""),
        );
        let root = format!("{at}/root");
        let conf = format!(
            "{conf}Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"{at}/sources.list.d\";\n\
             Dir::Bin::methods \"{at}/methods\";\nAPT::Quorum::Config \"{at}/etc\";\n\
             APT::Quorum::Rebuilders \"{at}/shipped\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
             Dir::State::status \"{root}/var/lib/dpkg/status\";\n\
             Dir::State::lists \"{root}/var/lib/apt/lists\";\n"
        );
        world.write("apt.conf", conf);
        for deb in [hello(), other()] {
            machine.installed(&deb).listed(&deb, "a.example", true);
        }
        machine.write();
        Self { machine }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.machine.world.path(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.world.command();
        command.arg("setup").args(arguments);
        command
    }

    pub fn setup(&self, arguments: &[&str]) -> Ended {
        let ended = run(&mut self.command(arguments));
        ended.assert_plain();
        ended
    }

    pub fn at_terminal(&self, arguments: &[&str]) -> Terminal {
        Terminal::start(&self.machine.world, &self.command(arguments))
    }

    /// What a rebuilder serves who signed these packages, as `NAME=URL`, and its key's id.
    pub fn rebuilder(&self, name: &'static str, debs: &[&Deb]) -> (Server, String, String) {
        let key = &self.machine.keys[name];
        let mut rebuilder = Rebuilder::publishing(&[key]);
        for deb in debs {
            rebuilder.build(deb, "GOOD", Some(deb.link(key)));
        }
        let server = rebuilder.serve();
        let word = format!("{name}={}", server.url());
        (server, word, key.id())
    }

    /// Every file that a setup could write, with what is in it.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for name in ["etc", "apt.conf.d", "sources.list.d", "sources.list"] {
            walk(&self.path(name), &mut found);
        }
        found
    }

    pub fn status(&self) -> serde_json::Value {
        run(self.machine.world.command().args(["status", "--json"])).json()
    }
}

fn walk(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            walk(&entry.unwrap().path(), found);
        }
    } else {
        found.insert(path.to_owned(), fs::read(path).unwrap());
    }
}

/// The flags that name these rebuilders and their keys.
pub fn trusting<'a>(rebuilders: &'a [(Server, String, String)]) -> Vec<&'a str> {
    let one = |it: &'a (Server, String, String)| ["--rebuilder", &*it.1, "--fingerprint", &*it.2];
    rebuilders.iter().flat_map(one).collect()
}
