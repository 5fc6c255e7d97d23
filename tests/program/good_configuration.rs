//! Every directory of `good_configuration/` is a configuration without a mistake. `check.txt` is
//! what `config check` says about it, `rebuilders.txt` what `rebuilder list` does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{Deb, Ended, Key, World, assert_snapshot, cases, copy_safely, run};

fn world_of(case: &Path) -> World {
    let world = World::new();
    fs::remove_dir_all(world.path("etc")).unwrap();
    copy_safely(case, &world.path("etc"));
    for expected in ["check.txt", "rebuilders.txt"] {
        fs::remove_file(world.path("etc").join(expected)).ok();
    }
    world
}

fn ask(world: &World, arguments: &[&str]) -> Ended {
    run(world.command().args(arguments).arg("--config").arg(world.path("etc")))
}

#[test]
fn what_a_configuration_comes_to_is_shown() {
    let cases = cases("good_configuration");
    assert!(cases.len() >= 5, "{cases:?}");
    for case in cases {
        let world = world_of(&case);
        let here = world.path("etc").display().to_string();
        for (arguments, file) in
            [(["config", "check"], "check.txt"), (["rebuilder", "list"], "rebuilders.txt")]
        {
            let ended = ask(&world, &arguments);
            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", case.display());
            ended.assert_plain();
            assert_snapshot(&case.join(file), &ended.stdout.replace(&here, "DIR"));
        }
    }
}

/// Qubes' update proxy connects to port 443 only, and templates have no other way out. What is
/// asked without TLS it fetches itself, from any port.
#[test]
fn endpoints_that_a_proxy_may_not_reach_are_noted() {
    let notes = |urls: &[&str], proxy: &str| {
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        let endpoint = |url: &&str| format!("directory {url}");
        world.rebuilder("alpha", &Key::new(), &urls.iter().map(endpoint).collect::<Vec<_>>());
        let apt = fs::read_to_string(world.path("apt.conf")).unwrap();
        world.write("apt.conf", apt + proxy);
        let said = ask(&world, &["config", "check"]).assert_code(0).stdout.clone();
        said.lines().filter(|line| line.contains("proxy")).map(str::to_owned).collect::<Vec<_>>()
    };
    let note = |host: &str, port: u16| {
        format!(
            "  note: alpha's endpoint {host} is asked on port {port} through apt's proxy \
             http://127.0.0.1:8082; some proxies allow https only on port 443."
        )
    };
    let qubes = "Acquire::http::Proxy \"http://127.0.0.1:8082/\";\n";
    // Over http, they connect to any port.
    let urls = [
        "https://a.example/",
        "https://b.example:8443/",
        "http://c.example/",
        "http://d.example:8080/",
    ];
    assert_eq!(notes(&urls, qubes), [note("b.example", 8443)]);
    assert_eq!(notes(&urls, ""), [""; 0]);
    let direct = format!("{qubes}Acquire::http::Proxy::b.example \"DIRECT\";\n");
    assert_eq!(notes(&urls, &direct), [""; 0]);
    assert_eq!(notes(&["file:///srv/attestations/"], qubes), [""; 0]);
}

#[test]
fn rebuilders_are_listed_as_json_too() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good_configuration/example");
    let listed = ask(&world_of(&case), &["rebuilder", "list", "--json"]).json();
    assert_eq!(listed["schema"], 1);
    let rebuilders = listed["rebuilders"].as_array().unwrap();
    let names: Vec<&str> = rebuilders.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["qubes", "reproduce.debian.net"]);
    let reproduce = &rebuilders[1];
    assert_eq!(reproduce["contact"], "https://reproduce.debian.net/");
    assert_eq!(reproduce["keys"][0]["type"], "ed25519");
    assert_eq!(reproduce["keys"][0]["not_after"], "2999-01-01");
    assert_eq!(reproduce["endpoints"][0]["protocol"], "rebuilderd");
    assert_eq!(reproduce["endpoints"][0]["url"], "https://reproduce.debian.net/amd64/");
    assert_eq!(reproduce["endpoints"][0]["architectures"], serde_json::json!(["amd64"]));
    // A URL without its last slash is the same directory.
    assert_eq!(reproduce["endpoints"][1]["url"], "https://reproduce.debian.net/all/");
    assert_eq!(rebuilders[0]["endpoints"][0]["url"], "file:///srv/attestations/");
}

/// The digest by which receipts name the configuration that a file was judged by.
fn digest(world: &World) -> String {
    let (decision, ended) = world.decision(&Deb::new("hello", "2.10-3", "amd64"), &["--offline"]);
    let digest = decision["policy"].as_str().unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(digest.len(), 64);
    digest.to_owned()
}

#[test]
fn the_digest_of_a_configuration_changes_with_any_of_its_files_and_not_with_its_place() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good_configuration/example");
    let original = digest(&world_of(&case));
    assert_eq!(digest(&world_of(&case)), original, "another place");

    let mut seen = BTreeSet::from([original.clone()]);
    for file in [
        "policy.toml",
        "rebuilders.d/qubes.toml",
        "rebuilders.d/reproduce-debian-net.toml",
        "rebuilders.d/reproduce-debian-net-amd64.pem",
        "exceptions.d/kernel.toml",
    ] {
        let world = world_of(&case);
        let path = world.path("etc").join(file);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push('\n');
        fs::write(&path, text).unwrap();
        assert!(seen.insert(digest(&world)), "{file}");
    }
    let world = world_of(&case);
    let rebuilders = world.path("etc/rebuilders.d");
    fs::rename(rebuilders.join("qubes.toml"), rebuilders.join("project.toml")).unwrap();
    assert!(seen.insert(digest(&world)), "another name");

    let world = world_of(&case);
    world.write("etc/exceptions.d/other.toml", "");
    assert!(seen.insert(digest(&world)), "one more file");

    let world = world_of(&case);
    world.write("etc/rebuilders.d/qubes.toml~", "an editor's copy, which nobody reads");
    assert_eq!(digest(&world), original);
}

/// What an endpoint gives as links is lost where no link counts, whatever envelope they are in.
#[test]
fn links_that_do_not_count_are_noted() {
    let notes = |endpoint: &str, statements: &str| {
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        world.rebuilder("alpha", &Key::new(), &[endpoint.to_owned()]);
        let file = fs::read_to_string(world.path("etc/rebuilders.d/alpha.toml")).unwrap();
        world.write("etc/rebuilders.d/alpha.toml", file + statements);
        let said = ask(&world, &["config", "check"]).assert_code(0).stdout.clone();
        said.lines().filter(|line| line.contains("links")).map(str::to_owned).collect::<Vec<_>>()
    };
    let link = "\n[[statement]]\ntype = \"link\"\n";
    let provenance =
        "\n[[statement]]\ntype = \"slsa-provenance\"\nbuilder = \"https://b.example/\"\n";
    let both = format!("{provenance}{link}");
    for protocol in ["rebuilderd", "intoto-metadata"] {
        let endpoint = format!("{protocol} https://a.example/");
        let note = format!(
            "  note: alpha's {protocol} endpoint publishes links, but its [[statement]] tables accept only \
             other kinds: to accept links, add one with type = \"link\"."
        );
        assert_eq!(notes(&endpoint, provenance), [note]);
        for statements in ["", link, &both] {
            assert_eq!(notes(&endpoint, statements), [""; 0], "{statements}");
        }
    }
    assert_eq!(notes("directory https://a.example/", provenance), [""; 0]);
}
