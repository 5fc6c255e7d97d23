//! Evidence goes the way that apt's packages go: by the same proxies, with their logins, by the
//! command that names one, by Tor. And whatever goes wrong there is said in words.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::common::certificate::Certificate;
use crate::common::rebuilder::{Rebuilder, confirming, hello};
use crate::common::server::{Nobody, Reply, Server, read_head, write_whole};
use crate::common::socks::carry;
use crate::common::{self, Deb, Ended, Key, World, run};

/// A world with one rebuilder, whose word is enough, at this endpoint.
fn world(key: &Key, url: &str) -> World {
    let world = World::new();
    world.impatient_policy(1);
    world.rebuilder("alpha", key, &[format!("rebuilderd {url}")]);
    set(&world, &format!("Dir::Etc::sourcelist \"{}\";\n", world.path("sources.list").display()));
    let nowhere = world.path("nowhere");
    for item in ["Dir::Etc::sourceparts", "Dir::Etc::netrc", "Dir::Etc::netrcparts"] {
        set(&world, &format!("{item} \"{}\";\n", nowhere.display()));
    }
    world
}

/// Adds to apt's configuration.
fn set(world: &World, text: &str) {
    let apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    world.write("apt.conf", apt + text);
}

/// What was said about the one rebuilder.
fn why(world: &World) -> String {
    let (decision, ended) = world.decision(&hello(), &[]);
    ended.assert_code(3).assert_plain();
    decision["rebuilders"]["alpha"]["why"].as_str().unwrap().to_owned()
}

/// Shown to people, without the numbers of ports that differ from run to run.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("127.0.0.1:") {
        let (head, tail) = rest.split_at(at + "127.0.0.1:".len());
        out += head;
        out += "PORT";
        rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

fn config_check(world: &World) -> Ended {
    let ended = run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")));
    ended.assert_code(0);
    ended
}

/// An HTTP proxy before a rebuilder: what it was asked, as whole heads.
struct Proxy {
    server: Server,
}

impl Proxy {
    /// Answers for the rebuilder at `http://alice.example/`, if it gets this login (or any, where
    /// there is none).
    fn before(rebuilder: Rebuilder, login: Option<&str>) -> Self {
        let wanted = login.map(|it| format!("proxy-authorization: basic {}", BASE64.encode(it)));
        let server = Server::hearing(move |target, head| {
            let is_wanted =
                |line: &str| wanted.as_ref().is_none_or(|wanted| line.eq_ignore_ascii_case(wanted));
            if !head.lines().any(is_wanted) {
                return Reply::status(407);
            }
            match target.strip_prefix("http://alice.example") {
                Some(path) => rebuilder.answer(path),
                None => Reply::status(502),
            }
        });
        Self { server }
    }

    fn setting(&self) -> String {
        format!("Acquire::http::Proxy \"{}\";\n", self.server.url())
    }
}

/// A SOCKS 5 proxy that leads everything to one place, or gives this reply; and what it was told:
/// names and passwords, and hosts.
fn socks(to: Option<SocketAddr>, reply: u8) -> (Server, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let tell = Arc::clone(&told);
    let server = Server::on_connection(move |stream, _| {
        let mut take = |count: usize| {
            let mut bytes = vec![0; count];
            stream.read_exact(&mut bytes).map(|()| bytes).unwrap_or_default()
        };
        let greeting = take(2);
        let Some(count) = greeting.get(1) else { return };
        let method = take((*count).into()).first().copied().unwrap_or(0xff);
        stream.write_all(&[5, method]).unwrap();
        let text = |stream: &mut TcpStream| {
            let mut length = [0];
            stream.read_exact(&mut length).unwrap();
            let mut text = vec![0; length[0].into()];
            stream.read_exact(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        if method == 2 {
            stream.read_exact(&mut [0]).unwrap();
            let (user, password) = (text(stream), text(stream));
            tell.lock().unwrap().push(format!("{user}:{password}"));
            stream.write_all(&[1, 0]).unwrap();
        }
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let host = match head[3] {
            3 => text(stream),
            1 => {
                let mut address = [0; 4];
                stream.read_exact(&mut address).unwrap();
                std::net::Ipv4Addr::from(address).to_string()
            }
            other => panic!("{other}"),
        };
        stream.read_exact(&mut [0; 2]).unwrap();
        tell.lock().unwrap().push(host);
        stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        if let Some(to) = to.filter(|_| reply == 0) {
            let Ok(target) = TcpStream::connect(to) else { return };
            carry(stream, target);
        }
    });
    (server, told)
}

#[test]
fn a_login_of_auth_conf_is_for_its_proxy() {
    let secret = "s%41:@'|\"^secret";
    let (key, rebuilder) = confirming(&[&hello()]);
    let proxy = Proxy::before(rebuilder, Some(&format!("corp:{secret}")));
    let world = world(&key, "http://alice.example/");
    set(&world, &proxy.setting());
    let wants = |what: &str| {
        format!("the proxy http://127.0.0.1:PORT requires {what} (HTTP 407): see apt_auth.conf(5)")
    };
    assert_eq!(without_ports(&why(&world)), wants("a login"));
    // Readable for root alone, as apt's files are.
    world.make_directory("auth.d");
    let file = |name: &str, password: &str| {
        let text = format!("machine {} login corp password {password}\n", proxy.server.url());
        common::set_mode(&world.write(&format!("auth.d/{name}"), text), 0o600);
    };
    file("b.conf", "other-secret");
    file(".hidden.conf", secret);
    file("a.conf.dpkg-dist", secret);
    set(&world, &format!("Dir::Etc::netrcparts \"{}\";\n", world.path("auth.d").display()));
    let (said, ended) = world.decision(&hello(), &[]);
    let said = without_ports(said["rebuilders"]["alpha"]["why"].as_str().unwrap());
    assert_eq!(said, wants("another login"));
    assert!(!format!("{ended:?} {:?}", config_check(&world)).contains("secret"));
    file("a.conf", secret);
    world.verify(&hello()).assert_code(0);
}

#[test]
fn a_login_reaches_no_server() {
    let Some(certificate) = Certificate::new() else { return };
    let (key, rebuilder) = confirming(&[&hello()]);
    let configuration = certificate.server_configuration();
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&heads);
    let origin = Server::on_connection(move |stream, _| {
        let connection = rustls::ServerConnection::new(Arc::clone(&configuration)).unwrap();
        let tls = rustls::StreamOwned::new(connection, stream.try_clone().unwrap());
        let mut tls = BufReader::new(tls);
        while let Some(head) = read_head(&mut tls) {
            let reply = rebuilder.answer(head.split(' ').nth(1).unwrap());
            heard.lock().unwrap().push(head);
            let Reply::Whole { status, headers, body } = reply else { return };
            write_whole(tls.get_mut(), status, &headers, &body).unwrap();
        }
    });
    // The proxy leads what is asked over http to https at the same host and port.
    let (to, port) = (origin.address, origin.address.port());
    let at_proxy = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&at_proxy);
    let proxy = Server::on_connection(move |stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(head) = read_head(&mut reader) {
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let is_tunnel = head.starts_with("CONNECT ");
            told.lock().unwrap().push(head);
            if is_tunnel {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                return carry(stream, TcpStream::connect(to).unwrap());
            }
            let place = format!("Location: {}", target.replace("http://", "https://user:pw@"));
            write_whole(stream, 301, &[place], b"").unwrap();
        }
    });
    let world = world(&key, &format!("http://localhost:{port}/"));
    let address = proxy.address;
    set(&world, &format!("Acquire::http::Proxy \"http://corp:secret@{address}/\";\n"));
    let path = certificate.path("certificate.pem");
    set(&world, &format!("Acquire::https::CAInfo \"{}\";\n", path.display()));
    world.verify(&hello()).assert_code(0);
    let (heads, at_proxy) = (heads.lock().unwrap(), at_proxy.lock().unwrap());
    assert!(!heads.is_empty() && at_proxy.iter().any(|head| head.starts_with("CONNECT ")));
    for head in at_proxy.iter() {
        assert!(head.to_lowercase().contains("\nproxy-authorization: basic "), "{head}");
    }
    for head in heads.iter() {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

/// Writes a command that names a proxy.
fn command(world: &World, text: &str) -> PathBuf {
    let path = world.path("detect");
    common::write_script(&path, &format!("#!/bin/sh\n{text}\n"));
    set(world, &format!("Acquire::http::Proxy-Auto-Detect \"{}\";\n", path.display()));
    path
}

#[test]
fn the_command_that_names_a_proxy_is_asked() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let proxy = Proxy::before(rebuilder, None);
    let world = world(&key, "http://alice.example/");
    let told = world.write("told", "");
    common::set_mode(&told, 0o666);
    let told_by = format!("echo \"$1 $(id -u)\" >>{}", told.display());
    command(&world, &format!("{told_by}; echo ' {} '; echo http://other/", proxy.server.url()));
    world.verify(&hello()).assert_code(0);
    let told = fs::read_to_string(&told).unwrap();
    let (url, uid) = told.trim().split_once(' ').unwrap();
    assert_eq!(url, "http://alice.example/");
    // Not as root, who asks nobody else either.
    assert_ne!(uid, "0");
}

#[test]
fn nobody_is_asked_past_a_proxy_that_a_command_does_not_name() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let rebuilder = rebuilder.serve();
    for (text, expected) in [
        ("echo DIRECT", None),
        ("true", None),
        ("exit 1", Some("it failed")),
        ("sleep 60", Some("it did not answer in time")),
        ("sleep 60 & wait", Some("it did not answer in time")),
        ("yes | tr -d '\\n'", Some("it failed")),
        ("echo PROXY a:1", Some("names no proxy that apt can use")),
        ("echo socks5://127.0.0.1:9", Some("names no proxy that apt can use")),
    ] {
        let world = world(&key, &rebuilder.url());
        command(&world, text);
        let before = rebuilder.connections();
        let begun = Instant::now();
        match expected {
            None => drop(world.verify(&hello()).assert_code(0)),
            Some(expected) => {
                let said = why(&world);
                assert!(said.starts_with("not asked: the command /"), "{said}");
                assert!(said.contains(expected), "{text}: {said}");
                assert_eq!(rebuilder.connections(), before, "{text}");
                let noted = config_check(&world).stdout;
                assert!(noted.contains("alpha's endpoint 127.0.0.1 is not asked: "), "{noted}");
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
    }
    let world = world(&key, &rebuilder.url());
    set(&world, "Acquire::http::Proxy-Auto-Detect \"/nowhere\";\n");
    assert!(why(&world).ends_with("it cannot be run: No such file or directory"));
}

#[test]
fn with_sources_by_tor_rebuilders_are_asked_through_it_and_nowhere_else() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let rebuilder = rebuilder.serve();
    let by_tor = "deb tor+https://vendor.example/debian trixie main\n";
    let nobody = Nobody::new();
    let mirrors = "tor+http://a.example/ priority:1\n";
    for (sources, setting) in [
        (by_tor.to_owned(), ""),
        ("Types: deb\nURIs: https://a/ tor://b/\n".to_owned(), "sources"),
        ("deb mirror+file:MIRRORS trixie main\n".to_owned(), ""),
    ] {
        let world = world(&key, &rebuilder.url());
        let list = world.write("mirrors", mirrors);
        let sources = sources.replace("MIRRORS", &list.display().to_string());
        world.write("sources.list", &sources);
        if setting == "sources" {
            world.write("sources.list", "");
            world.make_directory("parts");
            world.write("parts/x.sources", &sources);
            let parts = world.path("parts");
            set(&world, &format!("Dir::Etc::sourceparts \"{}\";\n", parts.display()));
        }
        set(&world, &format!("Acquire::tor::Proxy \"socks5h://{}\";\n", nobody.address));
        let said = without_ports(&why(&world));
        assert_eq!(said, "the proxy socks5h://127.0.0.1:PORT cannot be reached", "{sources}");
        assert_eq!(rebuilder.connections(), 0);
        let noted = without_ports(&config_check(&world).stdout);
        let expected = "note: asked only through Tor's proxy socks5h://127.0.0.1:PORT, because apt has sources by Tor: 127.0.0.1.";
        assert!(noted.contains(expected), "{noted}");
        let status = run(world.command().args(["status", "--config"]).arg(world.path("etc")));
        assert!(status.stdout.contains("network    asked only through Tor's proxy"), "{status:?}");
    }
    // Names go to it, each with a way of its own.
    let (proxy, told) = socks(Some(rebuilder.address), 0);
    let world = world(&key, "http://alice.example/");
    world.write("sources.list", by_tor);
    set(
        &world,
        &format!("Acquire::tor::Proxy \"socks5h://apt-transport-tor@{}\";\n", proxy.address),
    );
    world.verify(&hello()).assert_code(0);
    let told = told.lock().unwrap().clone();
    assert_eq!(told[..2], ["apt-transport-tor:aliceexample", "alice.example"]);
    // Past it only if that is said for the host, and then it is told.
    let world = self::world(&key, &rebuilder.url());
    world.write("sources.list", by_tor);
    set(&world, "Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\n");
    world.verify(&hello()).assert_code(0);
    let noted = config_check(&world).stdout;
    assert!(noted.contains("is asked past Tor because of"), "{noted}");
}

#[test]
fn a_name_of_tors_is_asked_of_tor_alone() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let rebuilder = rebuilder.serve();
    let (proxy, told) = socks(Some(rebuilder.address), 0);
    let world = world(&key, "http://abc.onion/");
    set(&world, &format!("Acquire::tor::Proxy \"socks5h://u:p%3a@{}\";\n", proxy.address));
    world.verify(&hello()).assert_code(0);
    assert_eq!(told.lock().unwrap()[..2], ["u:p:", "abc.onion"]);
    let noted = config_check(&world).stdout;
    assert!(noted.contains("because only Tor knows such names: abc.onion"), "{noted}");
}

/// Many packages of a rebuilder behind a proxy that ends each connection behind the first answer
/// and does not say so.
#[test]
fn a_proxy_that_ends_its_connections_costs_no_answer() {
    let debs: Vec<Deb> = (0..40).map(|n| Deb::new(&format!("p{n}"), "1", "amd64")).collect();
    let (key, rebuilder) = confirming(&debs.iter().collect::<Vec<_>>());
    let rebuilder = Arc::new(rebuilder);
    // Questions that are being answered, and the most of them.
    let asked = Arc::new(Mutex::new((0_usize, 0_usize)));
    let count = Arc::clone(&asked);
    let proxy = Server::on_connection(move |stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let Some(head) = read_head(&mut reader) else { return };
        {
            let mut asked = count.lock().unwrap();
            asked.0 += 1;
            asked.1 = asked.1.max(asked.0);
        }
        let target = head.split(' ').nth(1).unwrap();
        let reply = rebuilder.answer(target.strip_prefix("http://alice.example").unwrap());
        let Reply::Whole { status, headers, body } = reply else { return };
        count.lock().unwrap().0 -= 1;
        write_whole(stream, status, &headers, &body).unwrap();
        // As long as the next question needs.
        std::thread::sleep(Duration::from_millis(3));
    });
    let world = world(&key, "http://alice.example/");
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    set(&world, &format!("Acquire::http::Proxy \"{}\";\n", proxy.url()));
    let files: Vec<PathBuf> = debs.iter().map(|deb| world.put(deb)).collect();
    let ended = run(world.verify_command(&[]).args(&files));
    assert!(
        ended.stdout.lines().filter(|it| it.contains("ended the connection")).count() == 0,
        "{ended:?}"
    );
    ended.assert_code(0);
    // One at a time, as behind any proxy.
    assert_eq!(asked.lock().unwrap().1, 1);
}

/// A server's word before it ends the connection.
fn saying(bytes: impl Into<Vec<u8>>) -> Server {
    let bytes = bytes.into();
    Server::on_connection(move |stream, _| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let _ = read_head(&mut reader);
        let _ = stream.write_all(&bytes);
    })
}

/// As [`saying`], to whatever comes first: a greeting of TLS has no end of a line.
fn answering(bytes: &'static [u8]) -> Server {
    Server::on_connection(move |stream, _| {
        let mut some = [0; 2048];
        let _ = stream.read(&mut some);
        let _ = stream.write_all(bytes);
        let _ = stream.read(&mut some);
    })
}

#[test]
fn whatever_goes_wrong_is_said_in_words() {
    let key = Key::new();
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
    let incomplete = "the server ended the connection before its answer was complete";
    for (bytes, expected) in [
        (String::new(), incomplete),
        ("HTTP/1.1 200 OK\r\nConte".to_owned(), incomplete),
        ("SSH-2.0-OpenSSH_10.0\r\n\r\n".to_owned(), "the server's answer is not HTTP"),
        ("HTTP/1.1 abc OK\r\n\r\n".to_owned(), "the server's answer is not HTTP"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_owned(),
            "the server's answer is not HTTP",
        ),
        ("\0\0\0".to_owned(), "the server's answer is not HTTP"),
        (long, "the headers of the answer are too long"),
        (many, "the headers of the answer are too long"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[".to_owned(),
            "the server ended the connection in the middle of its answer",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned(),
            "the server's answer is not HTTP",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "the server gave no usable answer (HTTP 403)",
        ),
        (
            "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "the server gave no usable answer (HTTP 407)",
        ),
        (
            "HTTP/1.1 302 Go\r\nLocation: http://other.example/\r\n\r\n".to_owned(),
            "redirected to another host",
        ),
    ] {
        let server = saying(bytes.clone());
        let world = world(&key, &server.url());
        assert_eq!(why(&world), expected, "{:?}", bytes.get(..40).unwrap_or(&bytes));
    }
    let nobody = Nobody::new();
    let world = world(&key, &format!("http://{}/", nobody.address));
    assert_eq!(why(&world), "Connection refused");
    let world = self::world(&key, "http://no-such.invalid/");
    let said = why(&world);
    assert!(said.starts_with("the name no-such.invalid cannot be looked up"), "{said}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // What is closed while something is still to be read is reset.
    let reset = std::thread::spawn(move || drop(listener.accept().unwrap().0.read(&mut [0; 1])));
    let world = self::world(&key, &format!("http://{address}/"));
    assert_eq!(why(&world), "Connection reset by peer");
    reset.join().unwrap();
}

#[test]
fn whatever_goes_wrong_with_tls_is_said_in_words() {
    let key = Key::new();
    let not_tls = "the answer is not TLS: this port may be for http and not for https";
    let versions = "the server supports neither TLS 1.2 nor TLS 1.3";
    let cut = "the server ended the connection in the middle of the TLS handshake";
    for (bytes, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], not_tls),
        (b"SSH-2.0-OpenSSH_10.0\r\n", not_tls),
        (b"", cut),
        // Alerts: protocol_version, handshake_failure, unrecognized_name, internal_error.
        (b"\x15\x03\x01\0\x02\x02\x46", versions),
        (
            b"\x15\x03\x01\0\x02\x02\x28",
            "the server supports no cipher that is strong enough (TLS)",
        ),
        (b"\x15\x03\x01\0\x02\x02\x70", "the server does not have the name localhost (TLS)"),
        (b"\x15\x03\x01\0\x02\x02\x50", "the server ended the TLS handshake"),
    ] {
        let server = match bytes {
            b"" => Server::on_connection(|stream, _| drop(stream.read(&mut [0; 2048]))),
            _ => answering(bytes),
        };
        let world = world(&key, &format!("https://localhost:{}/", server.address.port()));
        assert_eq!(why(&world), expected, "{bytes:?}");
    }
}

#[test]
fn what_a_proxy_does_is_called_the_proxys() {
    let key = Key::new();
    let direct = |scheme: &str| format!("Acquire::{scheme}::Proxy::alice.example \"DIRECT\"");
    let refused = format!(
        "the proxy http://127.0.0.1:PORT does not connect to alice.example:443 for us (CONNECT): allow it there (apt-cacher-ng: PassThroughPattern), or bypass the proxy ({})",
        direct("https")
    );
    let login = "the proxy http://127.0.0.1:PORT requires a login (HTTP 407): see apt_auth.conf(5)";
    let unusable = |status: u16| {
        format!(
            "the proxy http://127.0.0.1:PORT, or the server behind it, gave no usable answer (HTTP {status}): allow alice.example there, or bypass the proxy ({})",
            direct("http")
        )
    };
    let status = |status: u16| format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
    for (scheme, bytes, expected) in [
        ("https", status(403), refused.clone()),
        ("https", status(502), refused),
        ("https", status(407), login.to_owned()),
        (
            "https",
            String::new(),
            "the proxy http://127.0.0.1:PORT ended the connection without an answer".to_owned(),
        ),
        (
            "https",
            format!("HTTP/1.1 200 {}", "x".repeat(20_000)),
            "the proxy http://127.0.0.1:PORT gave an answer that is too long".to_owned(),
        ),
        ("http", status(407), login.to_owned()),
        ("http", status(403), unusable(403)),
        ("http", status(502), unusable(502)),
        ("http", status(503), unusable(503)),
        ("http", status(504), unusable(504)),
        ("http", status(500), "the server gave no usable answer (HTTP 500)".to_owned()),
    ] {
        let proxy = saying(bytes.clone());
        let world = world(&key, &format!("{scheme}://alice.example/"));
        set(&world, &format!("Acquire::http::Proxy \"{}\";\n", proxy.url()));
        assert_eq!(without_ports(&why(&world)), expected, "{scheme} {:?}", bytes.get(..20));
    }
    let nobody = Nobody::new();
    for scheme in ["http", "https"] {
        let world = world(&key, &format!("{scheme}://alice.example/"));
        set(&world, &format!("Acquire::http::Proxy \"http://{}\";\n", nobody.address));
        let expected = "the proxy http://127.0.0.1:PORT cannot be reached: Connection refused";
        assert_eq!(without_ports(&why(&world)), expected);
        set(&world, "Acquire::http::Proxy \"http://proxy.invalid:3128\";\n");
        let said = why(&world);
        let expected = "the name of the proxy http://proxy.invalid:3128 cannot be looked up";
        assert!(said.starts_with(expected), "{said}");
        set(&world, "Acquire::http::Proxy \"ftp://u:secret@proxy.invalid/\";\n");
        let expected = "not asked: apt cannot use its proxy for alice.example: it must begin with http://, https:// or socks5h://, and a host must follow";
        assert_eq!(why(&world), expected);
        // The client for HTTP would leave it out, and ask directly.
        set(&world, "Acquire::http::Proxy \"http://a{b}:3128\";\n");
        assert_eq!(why(&world), expected);
    }
    for (reply, expected) in [
        (1, "general failure"),
        (2, "not allowed"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "timed out"),
    ] {
        let (proxy, _) = socks(None, reply);
        let world = world(&key, "http://alice.example/");
        set(&world, &format!("Acquire::http::Proxy \"socks5h://{}\";\n", proxy.address));
        let expected = format!(
            "the proxy socks5h://127.0.0.1:PORT cannot connect to alice.example:80: {expected} (SOCKS)"
        );
        assert_eq!(without_ports(&why(&world)), expected);
    }
    let proxy = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let world = world(&key, "http://alice.example/");
    set(&world, &format!("Acquire::http::Proxy \"socks5h://{}\";\n", proxy.address));
    let said = without_ports(&why(&world));
    assert!(said.starts_with("the proxy socks5h://127.0.0.1:PORT "), "{said}");
}

#[test]
fn only_a_port_over_https_is_noted_behind_a_proxy() {
    let key = Key::new();
    for (url, is_noted) in [
        ("http://alice.example:8000/", false),
        ("https://alice.example/", false),
        ("https://alice.example:8443/", true),
    ] {
        let world = world(&key, url);
        set(&world, "Acquire::http::Proxy \"http://127.0.0.1:8082/\";\n");
        let said = config_check(&world).stdout;
        assert_eq!(said.contains("some proxies allow https only on port 443"), is_noted);
    }
}

#[test]
fn what_apt_has_for_its_packages_alone_is_noted() {
    let world = world(&Key::new(), "https://alice.example/");
    set(
        &world,
        "Acquire::https::Verify-Peer \"false\";\nAcquire::https::alice.example::SslCert \"/c\";\n",
    );
    let said = config_check(&world).stdout;
    assert!(said.contains("note: Verify-Peer is off for apt, but endpoints still need"), "{said}");
    assert!(said.contains("note: SslCert applies to apt's packages, not to endpoints"));
}
