//! Machines between which evidence travels.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Ended, Key, World, run};

pub const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// A machine on which these keys are pinned, with an endpoint for the first so many.
pub fn machine(keys: &[Key], endpoints: &[String]) -> World {
    let world = World::new();
    world.policy(&format!("mode = \"enforce\"\nthreshold = {}\n", keys.len()));
    for (at, (name, key)) in NAMES.into_iter().zip(keys).enumerate() {
        world.rebuilder(name, key, &endpoints.get(at).cloned().into_iter().collect::<Vec<_>>());
    }
    world
}

pub fn keys<const N: usize>() -> [Key; N] {
    std::array::from_fn(|_| Key::new())
}

/// `apt-quorum evidence COMMAND --config ... ARGUMENTS`
pub fn evidence(world: &World, command: &str, arguments: &[&str]) -> Ended {
    run(command_line(world, command).args(arguments))
}

pub fn command_line(world: &World, command: &str) -> Command {
    let mut line = world.command();
    line.args(["evidence", command, "--config"]).arg(world.path("etc"));
    line
}

/// Puts bytes into the cache as whoever can write there.
pub fn cache(world: &World, artifact: &str, name: &str, bytes: &[u8]) {
    world.make_directory("cache/attestations");
    world.make_directory(&format!("cache/attestations/{artifact}"));
    world.write(&format!("cache/attestations/{artifact}/{name}"), bytes);
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn export(world: &World, arguments: &[&str]) -> (PathBuf, Ended) {
    let path = world.path("files/out.tar.gz");
    let _ = fs::remove_file(&path);
    let ended = evidence(world, "export", &[&["--output", text(&path)], arguments].concat());
    (path, ended)
}

pub fn listed(bundle: &Path) -> Vec<String> {
    let listed = Command::new("tar").arg("-tzf").arg(bundle).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}
