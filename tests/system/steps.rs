//! Steps that many scenarios have in common.

use std::time::Duration;

use super::archive::{Files, Package, Stanza, archive};
use super::server::{Answer, Server};
use super::world::{World, serve};

pub fn source_of(packages: &[&Package]) -> Files {
    let entries: Vec<_> = packages.iter().map(|it| (Stanza::of(it), *it)).collect();
    archive("Test", &entries)
}

pub fn two_attest(world: &World, package: &Package) {
    world.alice.attests(package);
    world.bob.attests(package);
}

/// Has apt call us for plain http.
pub fn interpose(world: &World) {
    world.write(
        "/etc/apt/apt.conf.d/50strict",
        "Dir::Bin::Methods::http \"/usr/lib/apt/methods/quorum+http\";\nDir::Bin::Methods::https \"/usr/lib/apt/methods/quorum+https\";\n",
    );
}

/// An archive whose packages are somewhere else.
pub fn redirecting(to: &str, files: Files) -> Server {
    let elsewhere = to.to_owned();
    let indexes = serve(files);
    Server::start(move |path| match path.starts_with("/debian/pool/") {
        true => Answer::Redirect(format!("{elsewhere}{path}")),
        false => indexes.answer(path),
    })
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("30 s went by before {what}");
}
