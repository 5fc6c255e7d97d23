//! Whatever one rebuilder's endpoint does, the others decide, in bounded time and memory; and where
//! too few remain, nobody takes silence for a denial.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

use crate::common::rebuilder::{Rebuilder, confirming, hello};
use crate::common::server::{Held, Nobody, Reply, Server};
use crate::common::{self, Deb, Key, World, alone, run};

/// Nothing with the timeouts of these tests takes so long unless it hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Largest part of the memory that any process may have taken, in bytes.
const MEMORY: i64 = 100 << 20;

/// No process that was waited for, and none that it waited for, had more memory at any time. Those of
/// other tests must not be among them.
fn assert_memory_was_bounded() {
    let largest = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() * 1024;
    assert!(largest < MEMORY, "a process took {largest} bytes");
}

/// Two rebuilders are enough, and nobody is given up.
const PATIENT: &str =
    "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 600\ntotal_timeout = 600\n";

/// What keeps a faulty endpoint alive, and its URL.
struct Endpoint {
    url: String,
    _alive: Box<dyn Send + Sync>,
}

impl Endpoint {
    fn of(server: Server) -> Self {
        Self { url: server.url(), _alive: Box::new(server) }
    }

    /// Every request is answered by this.
    fn raw(act: impl Fn(&mut TcpStream, &Held) + Send + Sync + 'static) -> Self {
        let act = Arc::new(act);
        Self::of(Server::start(move |_| {
            let act = Arc::clone(&act);
            Reply::raw(move |stream, held| act(stream, held))
        }))
    }

    fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::raw(move |stream, _| drop(stream.write_all(&bytes)))
    }

    fn json(body: &str) -> Self {
        let body = body.to_owned();
        Self::of(Server::start(move |_| Reply::json(body.clone())))
    }
}

/// Writes `chunk` until the other side has enough, at most a gigabyte.
fn flood(stream: &mut TcpStream, chunk: &[u8]) {
    for _ in 0..(1 << 30) / chunk.len() {
        if stream.write_all(chunk).is_err() {
            return;
        }
    }
    panic!("a gigabyte was taken");
}

/// Writes this again and again, a byte at a time.
fn drip(stream: &mut TcpStream, held: &Held, text: &[u8]) {
    for byte in text.iter().cycle() {
        if stream.write_all(&[*byte]).is_err() || !held.pause(Duration::from_millis(50)) {
            return;
        }
    }
}

/// An address that takes no more connections: its queue is full and nobody serves it. To whoever
/// connects it is as silent as a host that is off.
fn full_queue() -> (SocketAddr, impl Send + Sync + use<>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        queued.push(stream);
    }
    (address, (listener, queued))
}

/// What can be wrong with an endpoint.
fn faults() -> Vec<(&'static str, Endpoint)> {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let listing = r#"{"total":1,"records":[{"id":1,"name":"hello","version":"2.10-3","architecture":"amd64","status":"GOOD","build_id":1,"artifact_id":1}]}"#;
    let attestation_is = |act: fn(&mut TcpStream, &Held)| {
        Endpoint::of(Server::start(move |target| match target.ends_with("/attestation") {
            true => Reply::raw(act),
            false => Reply::json(listing),
        }))
    };
    let nobody = Nobody::new();
    let (full, queue) = full_queue();
    let plain = Server::start(|_| Reply::status(200));
    let elsewhere = Arc::new(Server::start(|_| Reply::status(500)));
    let redirecting = {
        let elsewhere = Arc::clone(&elsewhere);
        Server::start(move |target| {
            redirect(&format!("http://localhost:{}{target}", elsewhere.address.port()))
        })
    };
    let mut all = vec![
        (
            "refuses connections",
            Endpoint { url: format!("http://{}/", nobody.address), _alive: Box::new(nobody) },
        ),
        (
            "never answers a call",
            Endpoint { url: format!("http://{full}/"), _alive: Box::new(queue) },
        ),
        ("accepts and never answers", Endpoint::of(Server::on_connection(|_, held| held.wait()))),
        ("hangs up at once", Endpoint::of(Server::on_connection(|_, _| {}))),
        ("reads and hangs up", Endpoint::raw(|_, _| {})),
        ("reads and never answers", Endpoint::of(Server::start(|_| Reply::never()))),
        (
            "speaks plain where TLS is wanted",
            Endpoint { url: plain.url().replace("http:", "https:"), _alive: Box::new(plain) },
        ),
        // As OpenSSL does: an alert, record version 3.1, fatal, "http request".
        ("speaks TLS where plain is wanted", Endpoint::bytes(b"\x15\x03\x01\x00\x02\x02\x46")),
        (
            "redirects to another host",
            Endpoint { url: redirecting.url(), _alive: Box::new((redirecting, elsewhere)) },
        ),
        (
            "redirects for ever",
            Endpoint::of(Server::start(|target| redirect(&format!("{target}&again=1")))),
        ),
        (
            "redirects to nowhere",
            Endpoint::bytes("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
        ),
    ];
    for status in [204, 206, 301, 400, 401, 403, 404, 410, 429, 500, 502, 503] {
        let name: &'static str = format!("answers {status}").leak();
        all.push((name, Endpoint::of(Server::start(move |_| Reply::status(status)))));
    }
    for (name, body) in [
        ("sends nothing", ""),
        ("sends garbage", "\u{0}\u{1}<html>no"),
        ("sends a page for people", "<!DOCTYPE html><title>Login</title>"),
        ("sends truncated JSON", r#"{"total":1,"records":[{"id":1,"na"#),
        ("sends null", "null"),
        ("sends a list", "[]"),
        ("sends text for a number", r#"{"total":"1","records":[]}"#),
        ("sends a negative number", r#"{"total":-1,"records":[]}"#),
        ("sends an object for a list", r#"{"total":1,"records":{}}"#),
        ("sends a record without a name", r#"{"total":1,"records":[{"id":1}]}"#),
        (
            "sends a number for a name",
            r#"{"total":1,"records":[{"id":1,"name":2,"version":"2.10-3","architecture":"amd64"}]}"#,
        ),
        (
            "sends a fraction for an id",
            r#"{"total":1,"records":[{"id":1.5,"name":"hello","version":"2.10-3","architecture":"amd64"}]}"#,
        ),
    ] {
        all.push((name, Endpoint::json(body)));
    }
    let nested = format!(r#"{{"total":1,"x":{}}}"#, "[".repeat(1 << 18));
    all.push(("sends deep nesting", Endpoint::json(&nested)));
    all.extend([
        (
            "announces a gigabyte",
            Endpoint::raw(|stream, held| {
                let _ = write!(stream, "{HEAD}Content-Length: {}\r\n\r\n[", 1 << 30);
                held.wait();
            }),
        ),
        (
            "announces a gigabyte and sends it",
            Endpoint::raw(|stream, _| {
                let _ = write!(stream, "{HEAD}Content-Length: {}\r\n\r\n", 1_u64 << 40);
                flood(stream, &b"[".repeat(1 << 16));
            }),
        ),
        (
            "sends a gigabyte in chunks",
            Endpoint::raw(|stream, _| {
                let _ = write!(stream, "{HEAD}Transfer-Encoding: chunked\r\n\r\n");
                let chunk =
                    [b"10000\r\n".to_vec(), b"{\"a\":[0,".repeat(1 << 13), b"\r\n".to_vec()];
                flood(stream, &chunk.concat());
            }),
        ),
        (
            "sends a gigabyte without saying how much",
            Endpoint::raw(|stream, _| {
                let _ =
                    write!(stream, "{HEAD}Connection: close\r\n\r\n{{\"total\":1,\"records\":[");
                flood(
                    stream,
                    &br#"{"id":1,"name":"","version":"","architecture":""},"#.repeat(1000),
                );
            }),
        ),
        (
            "sends a gigabyte as attestation",
            attestation_is(|stream, _| {
                let _ = write!(stream, "{HEAD}Connection: close\r\n\r\n");
                flood(stream, &b"[".repeat(1 << 16));
            }),
        ),
        ("never sends the attestation", attestation_is(|_, held| held.wait())),
        (
            "breaks off the attestation",
            attestation_is(|stream, _| {
                let _ = write!(stream, "{HEAD}Content-Length: 1000\r\n\r\n{{\"signatures\":");
            }),
        ),
        (
            "closes in the middle",
            Endpoint::bytes(format!("{HEAD}Content-Length: 1000\r\n\r\n{{\"total\":")),
        ),
        (
            "closes in a chunk",
            Endpoint::bytes(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n100\r\n{{")),
        ),
        ("closes in the headers", Endpoint::bytes("HTTP/1.1 200 OK\r\nContent-")),
        (
            "sends a chunk of no size",
            Endpoint::bytes(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n")),
        ),
        (
            "sends its body byte by byte",
            Endpoint::raw(|stream, held| {
                let _ = write!(stream, "{HEAD}Content-Length: 1000000\r\n\r\n");
                drip(stream, held, b" ");
            }),
        ),
        (
            "sends its headers byte by byte",
            Endpoint::raw(|stream, held| {
                let _ = write!(stream, "{HEAD}");
                drip(stream, held, b"X-Slow: header\r\n");
            }),
        ),
        (
            "says 100 Continue for ever",
            Endpoint::raw(|stream, held| {
                drip(stream, held, b"HTTP/1.1 100 Continue\r\n\r\n");
            }),
        ),
        (
            "sends a huge header",
            Endpoint::raw(|stream, _| {
                let _ = write!(stream, "{HEAD}X-Huge: ");
                flood(stream, &b"x".repeat(1 << 16));
            }),
        ),
        (
            "sends headers without end",
            Endpoint::raw(|stream, _| {
                let _ = write!(stream, "{HEAD}");
                flood(stream, &b"X-Many: headers\r\n".repeat(1 << 12));
            }),
        ),
        ("speaks another protocol", Endpoint::bytes("220 mail.example ESMTP\r\n")),
        ("speaks HTTP/2 unasked", Endpoint::bytes(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64")),
    ]);
    all
}

fn redirect(to: &str) -> Reply {
    Reply::Whole { status: 302, headers: vec![format!("Location: {to}")], body: Vec::new() }
}

/// Does this for every fault, several at the same time, for most of it is waiting.
fn for_each_fault(check: impl Fn(&str, &Endpoint) + Sync) {
    let faults = faults();
    assert!(faults.len() >= 20);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some((name, endpoint)) = faults.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let checked = catch_unwind(AssertUnwindSafe(|| check(name, endpoint)));
                    if checked.is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A world of two rebuilders that confirm `debs`, and `gamma` with this endpoint.
fn world_with(debs: &[&Deb], gamma: &str) -> (World, Vec<Server>) {
    let world = World::new();
    let servers = ["alpha", "beta"].map(|name| {
        let (key, rebuilder) = confirming(debs);
        let server = rebuilder.serve();
        world.rebuilder(name, &key, &[server.endpoint()]);
        server
    });
    world.rebuilder("gamma", &Key::new(), &[format!("rebuilderd {gamma}")]);
    (world, servers.into())
}

#[test]
fn whatever_an_endpoint_does_the_other_rebuilders_decide() {
    alone(
        "endpoint_faults::whatever_an_endpoint_does_the_other_rebuilders_decide",
        the_others_decide,
    );
}

fn the_others_decide() {
    for_each_fault(|name, endpoint| {
        // Whoever waited for the timeout would wait for ten minutes.
        let (world, _servers) = world_with(&[&hello()], &endpoint.url);
        world.policy(PATIENT);
        let (decision, ended) = world.decision(&hello(), &[]);
        assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
        ended.assert_plain();
        assert_eq!(decision["basis"], "quorum", "{name}");
        for rebuilder in ["alpha", "beta"] {
            assert_eq!(decision["rebuilders"][rebuilder]["kind"], "confirms", "{name}");
        }
        assert_ne!(decision["rebuilders"]["gamma"]["kind"], "confirms", "{name}");
    });
    assert_memory_was_bounded();
}

#[test]
fn whatever_an_endpoint_does_its_silence_is_no_denial() {
    alone(
        "endpoint_faults::whatever_an_endpoint_does_its_silence_is_no_denial",
        silence_is_no_denial,
    );
}

fn silence_is_no_denial() {
    for_each_fault(|name, endpoint| {
        let (world, _servers) = world_with(&[&hello()], &endpoint.url);
        world.impatient_policy(3);
        let start = Instant::now();
        let (decision, ended) = world.decision(&hello(), &[]);
        assert_eq!(ended.code, Some(3), "{name}: {ended:?}");
        ended.assert_plain();
        assert_eq!(decision["reason"]["code"], "could-not-find-out", "{name}");
        let gamma = &decision["rebuilders"]["gamma"];
        assert_eq!(gamma["kind"], "unreachable", "{name}: {gamma}");
        // What went wrong is said in a few words.
        let why = gamma["why"].as_str().unwrap();
        assert!((8..80).contains(&why.len()), "{name}: {why}");
        let jargon = ["`", "os error", "struct ", "u64", "deadline", "elapsed", "reqwest", "::"];
        assert!(jargon.iter().all(|word| !why.contains(word)), "{name}: {why}");
        assert!(start.elapsed() < HANGS, "{name}: {:?}", start.elapsed());
    });
    assert_memory_was_bounded();
}

#[test]
fn a_redirect_on_the_same_host_is_followed_and_another_host_is_never_asked() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let moved = Server::start(move |target| match target.strip_prefix("/moved") {
        Some(target) => rebuilder.answer(target),
        None => redirect(&format!("/moved{target}")),
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[moved.endpoint()]);
    world.verify(&hello()).assert_code(0);

    let (key, rebuilder) = confirming(&[&hello()]);
    let other = rebuilder.serve();
    let target = format!("http://localhost:{}", other.address.port());
    let away = Server::start(move |path| redirect(&format!("{target}{path}")));
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[away.endpoint()]);
    world.verify(&hello()).assert_code(3);
    assert_eq!(other.connections(), 0);
}

/// Fifty packages, on the disk.
fn fifty(world: &World) -> (Vec<Deb>, Vec<std::path::PathBuf>) {
    let debs: Vec<Deb> =
        (0..50).map(|at| Deb::new(&format!("package{at}"), "1.0", "all")).collect();
    let paths = debs.iter().map(|deb| world.put(deb)).collect();
    (debs, paths)
}

/// The packages of [`fifty`] and a rebuilder that never answers.
fn world_with_fifty(policy: &str) -> (World, Vec<Server>, Server, Vec<std::path::PathBuf>) {
    let (debs, _) = fifty(&World::new());
    let hung = Server::start(|_| Reply::never());
    let (world, servers) = world_with(&debs.iter().collect::<Vec<_>>(), &hung.url());
    let (_, paths) = fifty(&world);
    world.policy(policy);
    (world, servers, hung, paths)
}

fn decisions(ended: &common::Ended) -> Vec<Value> {
    ended.json()["decisions"].as_array().unwrap().clone()
}

#[test]
fn a_hung_endpoint_delays_nothing_that_the_others_confirm() {
    let (world, _servers, hung, paths) = world_with_fifty(PATIENT);
    let ended = run(world.verify_command(&["--json"]).args(&paths));
    ended.assert_code(0);
    let decisions = decisions(&ended);
    assert_eq!(decisions.len(), 50);
    for decision in decisions {
        assert_eq!(decision["basis"], "quorum");
        assert_eq!(decision["rebuilders"]["gamma"]["kind"], "pending");
    }
    // It was asked, and is silent to this moment.
    assert!(!hung.requests().is_empty());
}

#[test]
fn of_many_packages_only_the_first_wait_for_an_endpoint_that_hangs() {
    let (world, servers, hung, paths) = world_with_fifty(
        "mode = \"enforce\"\nthreshold = 3\n[network]\nanswer_timeout = 5\ntotal_timeout = 8\n",
    );
    let start = Instant::now();
    let ended = run(world.verify_command(&["--json"]).args(&paths));
    let took = start.elapsed();
    ended.assert_code(3);
    for decision in decisions(&ended) {
        assert_eq!(decision["reason"]["code"], "could-not-find-out");
        assert_eq!(decision["rebuilders"]["gamma"]["kind"], "unreachable");
        assert_eq!(decision["rebuilders"]["alpha"]["kind"], "confirms");
    }
    // One after the other they would have waited for 250 seconds.
    assert!(took < HANGS, "{took:?}");
    let asked = hung.requests().len();
    assert!((1..=24).contains(&asked), "{asked} questions to an endpoint that hangs");
    // Those that answer were asked about everything: how much they list, the list, and for each
    // attestation.
    assert!(servers.iter().all(|server| server.requests().len() == 52));
}

#[test]
fn an_endpoint_in_trouble_with_some_packages_is_still_asked_about_the_others() {
    let (debs, _) = fifty(&World::new());
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, &debs);
    // In the order of the questions: five that fail, among them more than one after the other.
    let trouble = |target: &str| (1..=5).any(|build| target.contains(&format!("/builds/{build}/")));
    let server = Server::start(move |target| match trouble(target) {
        true => Reply::status(500),
        false => rebuilder.answer(target),
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    let (_, paths) = fifty(&world);
    let ended = run(world.verify_command(&["--json"]).args(&paths));
    ended.assert_code(3);
    let admitted = |it: &&Value| it["decision"] == "admit";
    assert_eq!(decisions(&ended).iter().filter(admitted).count(), 45);
}

/// Of eight questions at a time, the last one waits for its answer for 2.4 s, longer than any may
/// take. So it may with a rebuilderd that signs what it is asked for and writes that to its database.
#[test]
fn an_endpoint_that_answers_one_question_at_a_time_is_at_work() {
    let (debs, _) = fifty(&World::new());
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, &debs);
    let busy = Mutex::new(());
    let server = Server::start(move |target| {
        let _busy = busy.lock().unwrap_or_else(|lock| lock.into_inner());
        std::thread::sleep(Duration::from_millis(300));
        rebuilder.answer(target)
    });
    let world = World::new();
    world.policy(
        "mode = \"enforce\"\nthreshold = 1\n[network]\nanswer_timeout = 2\ntotal_timeout = 60\n",
    );
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    let (_, paths) = fifty(&world);
    run(world.verify_command(&["--json"]).args(&paths)).assert_code(0);
}

#[test]
fn an_endpoint_that_wants_to_be_left_alone_is() {
    let server = Server::start(|_| Reply::Whole {
        status: 503,
        headers: vec!["Retry-After: 3600".to_owned()],
        body: Vec::new(),
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let (_, paths) = fifty(&world);
    let ended = run(world.verify_command(&["--json"]).args(&paths));
    ended.assert_code(3);
    // How much it lists, and as many questions as were under way when the first was answered.
    let asked = server.requests().len();
    assert!((2..=17).contains(&asked), "{asked} requests to a server that is busy");
}

#[test]
fn a_flood_of_records_takes_no_more_memory_than_a_few() {
    alone(
        "endpoint_faults::a_flood_of_records_takes_no_more_memory_than_a_few",
        take_a_flood_of_records,
    );
}

fn take_a_flood_of_records() {
    // As small as they can be and all about the package in question; as many as fit on a page,
    // and on every page more.
    let server = Server::start(move |target| {
        let after = target.split_once("after=").map_or(0, |(_, id)| id.parse().unwrap());
        let record = |id: u64| {
            format!(r#"{{"id":{id},"name":"hello","version":"2.10-3","architecture":"amd64"}}"#)
        };
        let records: Vec<String> = (after + 1..=after + 13_000).map(record).collect();
        Reply::json(format!(r#"{{"total":9999999999,"records":[{}]}}"#, records.join(",")))
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    // Copies, which are judged at the same time.
    let path = world.put(&hello());
    let ended = run(world.verify_command(&[]).args(vec![path; 8]));
    ended.assert_code(1);
    assert!(ended.stdout.contains("alpha: not built yet"), "{ended:?}");
    assert_memory_was_bounded();
}

#[test]
fn a_flood_of_attestations_takes_no_more_memory_than_a_few() {
    alone(
        "endpoint_faults::a_flood_of_attestations_takes_no_more_memory_than_a_few",
        take_a_flood_of_attestations,
    );
}

fn take_a_flood_of_attestations() {
    let record = |id: u64| {
        format!(
            r#"{{"id":{id},"name":"hello","version":"2.10-3","architecture":"amd64","status":"GOOD","build_id":{id},"artifact_id":{id}}}"#
        )
    };
    let records: Vec<String> = (1..=400).map(record).collect();
    let listing = format!(r#"{{"total":400,"records":[{}]}}"#, records.join(","));
    let giant = Arc::new(vec![b' '; (1 << 20) - 1]);
    let server = Server::start(move |target| match target.ends_with("/attestation") {
        true => Reply::json(giant.to_vec()),
        false => Reply::json(listing.clone()),
    });
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let path = world.put(&hello());
    let ended = run(world.verify_command(&[]).args(vec![path; 30]));
    assert!(matches!(ended.code, Some(1 | 3)), "{ended:?}");
    assert_memory_was_bounded();
}

#[test]
fn an_endpoint_that_recovers_is_asked_again_in_the_next_run() {
    let failing = Arc::new(AtomicBool::new(true));
    let (key, rebuilder): (Key, Rebuilder) = confirming(&[&hello()]);
    let server = {
        let failing = Arc::clone(&failing);
        Server::start(move |target| match failing.load(Ordering::SeqCst) {
            true => Reply::status(503),
            false => rebuilder.answer(target),
        })
    };
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    let ended = world.verify(&hello());
    ended.assert_code(3);
    assert!(
        ended.stdout.contains("alpha: unreachable: the server gave no usable answer (HTTP 503)"),
        "{ended:?}"
    );
    failing.store(false, Ordering::SeqCst);
    world.verify(&hello()).assert_code(0);
}
