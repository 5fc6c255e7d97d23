//! `apt-quorum evidence fetch`: what is asked about, and what is said about it.

use std::fs;

use serde_json::{Value, json};

use crate::common::apt::with_archive;
use crate::common::rebuilder::{Rebuilder, hello};
use crate::common::server::{Reply, Server};
use crate::common::travel::{evidence, keys, listed, machine, text};
use crate::common::{Deb, World};

/// An index of apt's that lists these packages.
fn index(world: &World, debs: &[&Deb]) {
    let stanza = |deb: &&Deb| {
        format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nSHA256: {}\n\n",
            deb.name,
            deb.version,
            deb.architecture,
            deb.sha256()
        )
    };
    let text: String = debs.iter().map(stanza).collect();
    world.write("lists/deb.example_debian_dists_trixie_main_binary-amd64_Packages", text);
}

#[test]
fn packages_of_a_list_are_asked_about_as_the_indexes_have_them() {
    let keys = keys::<2>();
    let other = Deb::new("other", "1:2.0", "all");
    let built_differently = hello().differently_built();
    let alpha = Rebuilder::confirming(&keys[0], [&hello(), &other]).serve();
    let beta = Rebuilder::confirming(&keys[1], [&built_differently]).serve();
    let world = machine(&keys, &[alpha.endpoint(), beta.endpoint()]);
    index(&world, &[&hello(), &other]);
    let list = world.write(
        "list",
        "# what we need\nhello=2.10-3\nother 1:2.0 all # twice\nother=1:2.0\n\nunheard 9 amd64\n",
    );
    let out = world.path("files/out.tar.gz");
    let arguments = ["--json", "--packages", text(&list), "--output", text(&out)];
    let ended = evidence(&world, "fetch", &arguments);
    ended.assert_code(0).assert_plain();
    let told = ended.json();
    let package = |name: &str,
                   version: &str,
                   architecture: &str,
                   sha256: Option<String>,
                   signed: Value,
                   differ: Value| {
        let mut package = json!({
            "package": name, "version": version, "architecture": architecture,
            "signed": signed, "differ": differ, "silent": [],
        });
        if let Some(sha256) = sha256 {
            package["sha256"] = json!(sha256);
        }
        package
    };
    assert_eq!(
        told["packages"],
        json!([
            package(
                "hello",
                "2.10-3",
                "amd64",
                Some(hello().sha256()),
                json!(["alpha"]),
                json!(["beta"])
            ),
            package("other", "1:2.0", "all", Some(other.sha256()), json!(["alpha"]), json!([])),
            package("unheard", "9", "amd64", None, json!([]), json!([])),
        ])
    );
    assert_eq!(told["exported"]["attestations"], 3);
    assert_eq!(listed(&out).len(), 5);
    // Without JSON, and when alpha's word is in the cache already.
    let ended = evidence(&world, "fetch", &["--packages", text(&list)]);
    assert_eq!(
        ended.stdout,
        "hello 2.10-3 amd64: signed by 1 rebuilder (alpha); A DIFFERENT FILE signed by beta.\n\
         other 1:2.0 all: signed by 1 rebuilder (alpha).\n\
         unheard 9 amd64: no signature.\n\
         asked about 3 packages: there is evidence for 2 of them.\n"
    );
    drop((alpha, beta));
    let list = world.write("list", "unheard 9 amd64\n");
    let ended = evidence(&world, "fetch", &["--packages", text(&list)]);
    ended.assert_code(3);
    assert!(ended.stdout.contains("no signature; no answer: alpha, beta."), "{ended:?}");
    let list = world.write("list", "hello=2.10-3\nunheard=9\n");
    let ended = evidence(&world, "fetch", &["--packages", text(&list)]);
    ended.assert_code(1);
    assert!(ended.stderr.contains("no index of apt lists unheard 9: name its"), "{ended:?}");
}

#[test]
fn what_was_found_out_is_said_although_there_is_nothing_to_write() {
    let keys = keys::<1>();
    let server = Rebuilder::default().serve();
    let world = machine(&keys, &[server.endpoint()]);
    let list = world.write("list", "hello 2.10-3 amd64\n");
    let out = world.path("files/out.tar.gz");
    let arguments = ["--packages", text(&list), "--output", text(&out)];
    let ended = evidence(&world, "fetch", &arguments);
    ended.assert_code(1).assert_plain();
    assert!(ended.stdout.starts_with("hello 2.10-3 amd64: no signature.\n"), "{ended:?}");
    assert!(ended.stderr.contains("nothing to export"), "{ended:?}");
    assert!(!out.exists());
}

#[test]
fn a_list_that_is_none_asks_nobody() {
    let keys = keys::<1>();
    let server = Server::start(|_| Reply::status(500));
    let world = machine(&keys, &[server.endpoint()]);
    for bad in
        ["hello", "hello 1", "hello 1 amd64 x", "hello=1/2", "h@llo=1", "h\u{1b}[2J=1", "\u{0}"]
    {
        let list = world.write("list", format!("hello=2.10-3\n{bad}\n"));
        let ended = evidence(&world, "fetch", &["--packages", text(&list)]);
        ended.assert_code(2).assert_plain();
        assert!(ended.stderr.contains("list:2: "), "{bad:?}: {ended:?}");
    }
    world.write("list", b"\xff\n");
    evidence(&world, "fetch", &["--packages", text(&world.path("list"))]).assert_code(2);
    evidence(&world, "fetch", &[]).assert_code(2);
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_apt_would_upgrade_is_asked_about() {
    let keys = keys::<1>();
    let newer = Deb::new("hello", "1:2.11-1", "all");
    let server = Rebuilder::confirming(&keys[0], [&newer]).serve();
    let world = machine(&keys, &[server.endpoint()]);
    if !with_archive(&world, &[&newer], &["hello 2.10-3", "old 1"]) {
        return;
    }
    let ended = evidence(&world, "fetch", &["--upgrades"]);
    ended.assert_code(0).assert_plain();
    assert_eq!(
        ended.stdout,
        "hello 1:2.11-1 all: signed by 1 rebuilder (alpha).\n\
         asked about 1 package: there is evidence for 1 of them.\n",
        "{ended:?}"
    );
    let cached = world.path("cache/attestations/hello_2.11-1_all.deb");
    assert_eq!(fs::read_dir(cached).unwrap().count(), 1);
    world.write("sources.list", "nonsense\n");
    let ended = evidence(&world, "fetch", &["--upgrades"]);
    ended.assert_code(3).assert_plain();
    assert!(ended.stderr.contains("cannot ask apt-get what it would upgrade: "), "{ended:?}");
}
