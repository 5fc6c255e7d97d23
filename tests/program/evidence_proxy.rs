//! A proxy for evidence alone (`proxy` under `[network]`): rebuilders are asked through it and in no
//! other way, each with a login of its own, and it looks their names up. Whatever it does, its worst
//! is silence.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::common::bundle::{attestation, bundle};
use crate::common::certificate::Certificate;
use crate::common::rebuilder::{Rebuilder, confirming, hello};
use crate::common::server::{Held, Nobody, Reply, Server};
use crate::common::socks::{Asked, Socks};
use crate::common::{Ended, Key, World, run, write_script};

/// Rebuilders at these URLs, the word of each of which is needed, behind this proxy.
fn world(rebuilders: &[(&str, &Key, &str)], proxy: &str) -> World {
    let world = World::new();
    world.policy(&format!(
        "mode = \"enforce\"\nthreshold = {}\n\n\
         [network]\nproxy = \"{proxy}\"\nanswer_timeout = 1\ntotal_timeout = 3\n",
        rebuilders.len()
    ));
    for (name, key, endpoint) in rebuilders {
        world.rebuilder(name, key, &[(*endpoint).to_owned()]);
    }
    world
}

/// Adds to apt's configuration.
fn set(world: &World, text: &str) {
    let apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    world.write("apt.conf", apt + text);
}

/// All by which apt, the environment and older configurations could lead past the proxy.
fn tempt(world: &World, elsewhere: SocketAddr) -> Vec<(&'static str, String)> {
    let detect = world.path("detect");
    let mark = world.path("detected");
    write_script(&detect, &format!("#!/bin/sh\n: >{}\necho DIRECT\n", mark.display()));
    let detect = detect.display();
    set(
        world,
        &format!(
            "Acquire::http::Proxy \"http://{elsewhere}\";\n\
             Acquire::https::Proxy \"http://{elsewhere}\";\n\
             Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\n\
             Acquire::http::Proxy::alice.invalid \"DIRECT\";\n\
             Acquire::quorum::Proxy \"DIRECT\";\n\
             Acquire::quorum+http::Proxy-Auto-Detect \"{detect}\";\n\
             Acquire::http::Proxy-Auto-Detect \"{detect}\";\n"
        ),
    );
    let elsewhere = format!("http://{elsewhere}/");
    ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .map(|name| (name, elsewhere.clone()))
        .chain([("no_proxy", "127.0.0.1,invalid".to_owned()), ("NO_PROXY", "*".to_owned())])
        .collect()
}

fn verify(world: &World, variables: &[(&str, String)]) -> Ended {
    let file = world.put(&hello());
    let mut command = world.verify_command(&["--json"]);
    command.arg(file);
    run(command.envs(variables.iter().map(|(name, value)| (*name, value))))
}

/// What was said about a rebuilder.
fn why(ended: &Ended, rebuilder: &str) -> String {
    ended.json()["decisions"][0]["rebuilders"][rebuilder]["why"].as_str().unwrap().to_owned()
}

/// Whom a client asked for, by whom.
fn pairs(asked: &[Asked]) -> Vec<(&str, &str)> {
    asked.iter().map(|it| (&*it.user, &*it.host)).collect()
}

#[test]
fn each_rebuilder_is_asked_through_it_by_name_with_a_login_of_its_own() {
    let (alice, bob) = (confirming(&[&hello()]), confirming(&[&hello()]));
    let (of_alice, of_bob) = (alice.1.serve(), bob.1.serve());
    let elsewhere = Server::start(|_| Reply::status(500));
    let names = [("alice.invalid", of_alice.address), ("bob.invalid", of_bob.address)];
    let socks = Socks::knowing(&names);
    let rebuilders = [
        ("alice", &alice.0, "rebuilderd http://alice.invalid/"),
        ("bob", &bob.0, "rebuilderd http://bob.invalid:8484/"),
    ];
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let world = world(&rebuilders, &socks.url());
        let variables = tempt(&world, elsewhere.address);
        let before = socks.asked().len();
        verify(&world, &variables).assert_code(0);
        let asked = socks.asked().split_off(before);
        assert!(asked.iter().all(|it| it.by_name), "{asked:?}");
        let mut pairs = pairs(&asked);
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs, [("alice", "alice.invalid"), ("bob", "bob.invalid")]);
        assert!(asked.iter().any(|it| it.port == 8484) && asked.iter().any(|it| it.port == 80));
        assert!(!world.path("detected").exists(), "apt's command was run");
        passwords.push(asked.into_iter().map(|it| it.password).collect::<Vec<_>>());
    }
    assert_eq!(elsewhere.connections(), 0, "the proxy of apt or the environment was asked");
    // One of a run, which no other program can guess, and another one for the next.
    for of_run in &passwords {
        assert!(of_run.iter().all(|it| it == &of_run[0] && it.len() == 32), "{passwords:?}");
    }
    assert_ne!(passwords[0][0], passwords[1][0]);
}

/// A connection, or a session of TLS, that two rebuilders share would show that one machine asks
/// both.
#[test]
fn rebuilders_at_one_host_share_no_connection() {
    let (alice, bob) = (confirming(&[&hello()]), confirming(&[&hello()]));
    let shared = Server::start(move |target| match target.strip_prefix("/alice") {
        Some(path) => alice.1.answer(path),
        None => bob.1.answer(target.strip_prefix("/bob").unwrap()),
    });
    let socks = Socks::knowing(&[("shared.invalid", shared.address)]);
    let rebuilders = [
        ("alice", &alice.0, "rebuilderd http://shared.invalid/alice/"),
        ("bob", &bob.0, "rebuilderd http://shared.invalid/bob/"),
    ];
    verify(&world(&rebuilders, &socks.url()), &[]).assert_code(0);
    let asked = socks.asked();
    for user in ["alice", "bob"] {
        assert!(asked.iter().any(|it| it.user == user), "{asked:?}");
    }
    assert_eq!(shared.connections(), asked.len());
}

#[test]
fn over_https_the_proxy_is_given_the_name_and_nothing_more() {
    let Some(certificate) = Certificate::new() else { return };
    let (key, rebuilder) = confirming(&[&hello()]);
    let configuration = certificate.server_configuration();
    let server = Server::on_connection(move |stream, _| {
        let connection =
            rustls::ServerConnection::new(std::sync::Arc::clone(&configuration)).unwrap();
        let tls = rustls::StreamOwned::new(connection, stream.try_clone().unwrap());
        let mut tls = std::io::BufReader::new(tls);
        while let Some(head) = crate::common::server::read_head(&mut tls) {
            let reply = rebuilder.answer(head.split(' ').nth(1).unwrap());
            let Reply::Whole { status, headers, body } = reply else { return };
            crate::common::server::write_whole(tls.get_mut(), status, &headers, &body).unwrap();
        }
    });
    let socks = Socks::knowing(&[("localhost", server.address)]);
    let world = world(&[("alice", &key, "rebuilderd https://localhost/")], &socks.url());
    let path = certificate.path("certificate.pem");
    set(&world, &format!("Acquire::https::CAInfo \"{}\";\n", path.display()));
    verify(&world, &[]).assert_code(0);
    let asked = socks.asked();
    assert!(asked.iter().all(|it| it.by_name && it.port == 443), "{asked:?}");
    assert_eq!(server.connections(), asked.len());
}

/// Every command that talks to rebuilders, and every kind of endpoint.
#[test]
fn without_the_proxy_nothing_reaches_a_rebuilder() {
    let (key, mut rebuilder) = confirming(&[&hello()]);
    rebuilder.keys = vec![key.pem_of_rebuilderd()];
    let link = hello().link(&key);
    let packed = bundle(&[attestation(&hello(), &key)]);
    let server = Server::start(move |target| match target {
        "/tree.tar.gz" => Reply::Whole { status: 200, headers: Vec::new(), body: packed.clone() },
        it if it.starts_with("/tree/") => Reply::json(link.clone()),
        it => rebuilder.answer(it),
    });
    let url = server.url();
    let nobody = Nobody::new();
    let dead = format!("socks5h://{}", nobody.address);
    for protocol in ["rebuilderd", "intoto-metadata", "directory", "bundle"] {
        let endpoint = match protocol {
            "directory" => format!("directory {url}tree/"),
            "bundle" => format!("directory {url}tree.tar.gz"),
            _ => format!("{protocol} {url}"),
        };
        let world = world(&[("alice", &key, &endpoint)], &dead);
        let variables = tempt(&world, server.address);
        let ended = verify(&world, &variables);
        ended.assert_code(3).assert_plain();
        let why = why(&ended, "alice");
        let expected = format!("the proxy {dead} cannot be reached");
        assert!(why.starts_with(&expected), "{protocol}: {why}");
        let config = world.path("etc");
        for arguments in [
            &["status", "--online"][..],
            &["rebuilder", "refresh"],
            &["rebuilder", "add", &url, "--name", "bob", "--yes"],
            &["config", "check"],
        ] {
            let mut command = world.command();
            command.args(arguments).arg("--config").arg(&config);
            let ended = run(command.envs(variables.iter().map(|(name, value)| (*name, value))));
            assert!(ended.code.is_some_and(|it| it < 5), "{arguments:?}: {ended:?}");
        }
        assert_eq!(server.connections(), 0, "{protocol}");
    }
    // They would have asked.
    let socks = Socks::knowing(&[("127.0.0.1", server.address)]);
    let world = world(&[("alice", &key, &format!("rebuilderd {url}"))], &socks.url());
    verify(&world, &[]).assert_code(0);
    let before = socks.asked().len();
    for arguments in [&["status", "--online"][..], &["rebuilder", "refresh"]] {
        run(world.command().args(arguments).arg("--config").arg(world.path("etc")));
        assert!(socks.asked().len() > before, "{arguments:?}");
    }
    assert_eq!(server.connections(), socks.asked().len());
}

#[test]
fn no_redirect_leads_past_it() {
    let (key, _) = confirming(&[&hello()]);
    let elsewhere = Server::start(|_| Reply::status(500));
    let to = elsewhere.url();
    let server = Server::start(move |_| Reply::Whole {
        status: 302,
        headers: vec![format!("Location: {to}")],
        body: Vec::new(),
    });
    let socks =
        Socks::knowing(&[("alice.invalid", server.address), ("127.0.0.1", elsewhere.address)]);
    let world = world(&[("alice", &key, "rebuilderd http://alice.invalid/")], &socks.url());
    let ended = verify(&world, &[]);
    ended.assert_code(3);
    assert_eq!(why(&ended, "alice"), "redirected to another host");
    assert_eq!(elsewhere.connections(), 0);
    // To https at the same host is followed, through the same proxy with the same login.
    let server = Server::start(|target| Reply::Whole {
        status: 302,
        headers: vec![format!("Location: https://alice.invalid{target}")],
        body: Vec::new(),
    });
    let socks = Socks::knowing(&[("alice.invalid", server.address)]);
    let world = self::world(&[("alice", &key, "rebuilderd http://alice.invalid/")], &socks.url());
    verify(&world, &[]).assert_code(3);
    let asked = socks.asked();
    assert!(asked.iter().any(|it| it.port == 443), "{asked:?}");
    assert!(asked.iter().all(|it| it.user == "alice" && it.password == asked[0].password));
}

/// How a proxy goes on.
type Then = fn(&mut TcpStream, &Held);

/// Reads the greeting, says `first`, and goes on with `then`.
fn saying(first: &'static [u8], then: Then) -> Server {
    Server::on_connection(move |stream, held| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(first);
        then(stream, held);
    })
}

#[test]
fn whatever_the_proxy_does_its_worst_is_silence_and_not_for_long() {
    const IN: &[u8] = &[5, 2];
    const LET_IN: &[u8] = &[5, 2, 1, 0];
    let nothing = |_: &mut TcpStream, _: &Held| {};
    let hang = |_: &mut TcpStream, held: &Held| held.wait();
    let drip = |stream: &mut TcpStream, held: &Held| {
        while held.pause(Duration::from_millis(100)) && stream.write_all(&[0]).is_ok() {}
    };
    let flood = |stream: &mut TcpStream, _: &Held| {
        while stream.write_all(&[0xff; 65_536]).is_ok() {}
    };
    let no_login = "accepts no login (SOCKS), so it cannot keep rebuilders apart: Tor does";
    let unusable = "gave no usable answer (SOCKS)";
    let ended = "ended the connection without an answer";
    let late = "no answer within 1 s through the proxy";
    let cases: [(&str, &'static [u8], Then, &str); 17] = [
        ("ends at once", b"", nothing, ended),
        ("hangs", b"", hang, late),
        ("drips", b"", drip, unusable),
        ("floods", b"", flood, unusable),
        ("version 4", &[4, 2], hang, unusable),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", hang, unusable),
        ("no acceptable method", &[5, 0xff], hang, no_login),
        ("no login wanted", &[5, 0], hang, no_login),
        ("an unknown method", &[5, 3], hang, unusable),
        ("ends after the method", IN, nothing, ended),
        ("hangs after the method", IN, hang, late),
        ("a login is refused", &[5, 2, 1, 1], hang, no_login),
        ("drips its reply", &[5, 2, 1, 0, 5, 0, 0, 3, 255], drip, late),
        ("floods its reply", &[5, 2, 1, 0, 5, 0, 0, 3, 255], flood, unusable),
        ("half a reply", &[5, 2, 1, 0, 5, 0, 0, 1, 127], nothing, ended),
        ("an unknown address", &[5, 2, 1, 0, 5, 0, 0, 9, 1, 1, 1, 1], hang, unusable),
        ("hangs before its reply", LET_IN, hang, late),
    ];
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, [&hello()]).serve();
    let endpoint = format!("rebuilderd {}", rebuilder.url());
    for (what, first, then, expected) in cases {
        let proxy = saying(first, then);
        let world = world(&[("alice", &key, &endpoint)], &format!("socks5h://{}", proxy.address));
        let begun = Instant::now();
        let ended = verify(&world, &[]);
        ended.assert_code(3).assert_plain();
        let why = why(&ended, "alice");
        assert!(why.contains(expected) && why.contains("socks5h://127.0.0.1:"), "{what}: {why}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", begun.elapsed());
    }
    // Let through, and dropped in the middle of the answer.
    for half in [&b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"total\""[..], b"HTTP/1.1 2"] {
        let proxy = Server::on_connection(move |stream, _| {
            let _ = stream.write_all(&[5, 2, 1, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    return;
                }
                heard.extend(byte);
            }
            let _ = stream.write_all(half);
        });
        let world = world(&[("alice", &key, &endpoint)], &format!("socks5h://{}", proxy.address));
        verify(&world, &[]).assert_code(3);
    }
    assert_eq!(rebuilder.connections(), 0, "a rebuilder was asked past its proxy");
}

#[test]
fn a_rebuilder_that_the_proxy_does_not_reach_is_silent_and_the_others_count() {
    let (alice, bob) = (confirming(&[&hello()]), Key::new());
    let of_alice = alice.1.serve();
    let socks = Socks::knowing(&[("alice.invalid", of_alice.address)]);
    let rebuilders = [
        ("alice", &alice.0, "rebuilderd http://alice.invalid/"),
        ("bob", &bob, "rebuilderd http://bob.invalid/"),
    ];
    let world = world(&rebuilders, &socks.url());
    let ended = verify(&world, &[]);
    ended.assert_code(3).assert_plain();
    let expected = format!(
        "the proxy {} cannot connect to bob.invalid:80: host unreachable (SOCKS)",
        socks.url()
    );
    assert_eq!(why(&ended, "bob"), expected);
    world.policy(&format!(
        "mode = \"enforce\"\nthreshold = 1\n\n[network]\nproxy = \"{}\"\n",
        socks.url()
    ));
    verify(&world, &[]).assert_code(0);
}

#[test]
fn an_http_proxy_gets_the_login_of_apts_files() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let wanted = format!("proxy-authorization: basic {}", BASE64.encode("me:secret"));
    let proxy = Server::hearing(move |target, head| {
        match head.lines().any(|line| line.eq_ignore_ascii_case(&wanted)) {
            true => rebuilder.answer(target.strip_prefix("http://alice.invalid").unwrap()),
            false => Reply::status(407),
        }
    });
    let url = format!("http://{}", proxy.address);
    let world = world(&[("alice", &key, "rebuilderd http://alice.invalid/")], &url);
    let ended = verify(&world, &[]);
    let expected = format!("the proxy {url} requires a login (HTTP 407): see apt_auth.conf(5)");
    assert_eq!(why(&ended, "alice"), expected);
    let file = world.write("auth.conf", format!("machine {url} login me password secret\n"));
    set(&world, &format!("Dir::Etc::netrc \"{}\";\n", file.display()));
    let ended = verify(&world, &[]);
    ended.assert_code(0);
    assert!(!format!("{ended:?}").contains("secret"));
}

#[test]
fn what_the_proxy_refuses_is_not_blamed_on_apt() {
    let key = Key::new();
    for (status, endpoint, expected) in [
        (
            403,
            "http://alice.invalid/",
            "gave no usable answer (HTTP 403): allow alice.invalid there",
        ),
        (
            403,
            "https://alice.invalid/",
            "does not connect to alice.invalid:443 for us (CONNECT): allow it there",
        ),
    ] {
        let proxy = Server::start(move |_| Reply::status(status));
        let url = format!("http://{}", proxy.address);
        let world = world(&[("alice", &key, &format!("rebuilderd {endpoint}"))], &url);
        let why = why(&verify(&world, &[]), "alice");
        assert!(why.ends_with(expected), "{why}");
    }
}

#[test]
fn people_are_told_of_it() {
    let key = Key::new();
    for (proxy, expected) in [
        (
            "socks5h://127.0.0.1:9050",
            "rebuilders are asked only through the proxy socks5h://127.0.0.1:9050 of policy.toml, each with a login of its own",
        ),
        (
            "http://proxy.example:3128",
            "rebuilders are asked only through the proxy http://proxy.example:3128 of policy.toml, all in the same way: only socks5h:// keeps them apart",
        ),
    ] {
        let world = world(&[("alice", &key, "rebuilderd https://alice.example/")], proxy);
        // None of these is on the way.
        set(&world, "Acquire::http::Proxy \"http://127.0.0.1:9\";\n");
        for arguments in [["config", "check"], ["status", "--json"]] {
            let ended = run(world.command().args(arguments).arg("--config").arg(world.path("etc")));
            ended.assert_plain();
            assert_eq!(ended.stdout.matches(expected).count(), 1, "{ended:?}");
        }
    }
    // Without an endpoint on the network there is nothing to say.
    let world = world(&[("alice", &key, "directory file:///srv/")], "socks5h://127.0.0.1:9050");
    let ended = run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")));
    assert!(!ended.stdout.contains("proxy"), "{ended:?}");
}
