//! What a method or a fetching process can still reach once it is closed in, tried by one that was
//! broken into: this program starts itself for each, closes itself in as they do, and tries.
//!
//! Each attempt is made once without and once with the walls, and must succeed without them: one
//! that fails anyhow would show nothing. Which system calls are left is tried beside the code,
//! in `crates/sys/src/sandbox/tests.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::attest::KeyRing;
use apt_quorum::cache::Cache;
use apt_quorum::config::{Endpoint, Protocol, Timeouts};
use apt_quorum::evidence::{EndpointSetup, Network, Routes};
use apt_quorum::fetching::{MethodPlaces, confine_fetcher, confine_method};
use apt_quorum::route::proxy::{Proxy, Route};
use apt_quorum::sys::sandbox::{Closed, Extent};
use apt_quorum::types::Identity;

/// Where the started process finds what was prepared for it, what it is, and whether it is closed
/// in.
const PLACE: &str = "APT_QUORUM_TEST_PLACE";
const WHO: &str = "APT_QUORUM_TEST_WHO";
const WALLS: &str = "APT_QUORUM_TEST_WALLS";

/// The end of the name of one with a proxy for evidence alone.
const BEHIND: &str = "behind a proxy";

fn main() -> ExitCode {
    if let Some(place) = std::env::var_os(PLACE) {
        inside(&World(place.into()));
        return ExitCode::SUCCESS;
    }
    let mut all_well = true;
    for who in ["method", "fetcher", "method behind a proxy", "fetcher behind a proxy"] {
        for walls in ["off", "on"] {
            let well = outside(who, walls);
            all_well &= well;
            println!("a {who}, walls {walls}: {}", if well { "ok" } else { "FAILED" });
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is prepared: a directory with a place for everything.
struct World(PathBuf);

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn port(&self, name: &str) -> u16 {
        fs::read_to_string(self.path(name)).unwrap().parse().unwrap()
    }
}

/// Prepares a world, starts the process in it, and tells whether all went as it should.
fn outside(who: &str, walls: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let world = World(directory.path().to_owned());
    for name in [
        "archives/partial",
        "lists/partial",
        "cache/attestations",
        "evidence/method",
        "download",
        "attestations/aa_1_all.deb",
        "secret",
    ] {
        fs::create_dir_all(world.path(name)).unwrap();
    }
    for name in [
        "archives/partial/aa_1_all.deb",
        "lists/Packages",
        "download/aa_1_all.deb",
        "attestations/aa_1_all.deb/one",
        "authorities.pem",
        "evidence/theirs",
        // Readable for everybody, as /etc/shadow is not: it is the walls that must hide it.
        "secret/shadow",
    ] {
        fs::write(world.path(name), "content").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    fs::write(world.path("archives/port"), &port).unwrap();
    fs::write(world.path("download/port"), port).unwrap();
    let past = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(world.path("past"), past.local_addr().unwrap().port().to_string()).unwrap();
    let _resolver = UnixListener::bind(world.path("socket")).unwrap();
    let _abstract = UnixListener::bind_addr(&abstract_address(&world)).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(PLACE, &world.0).env(WHO, who).env(WALLS, walls);
    command.status().unwrap().success()
}

fn abstract_address(world: &World) -> SocketAddr {
    SocketAddr::from_abstract_name(world.0.as_os_str().as_encoded_bytes()).unwrap()
}

/// With a proxy for evidence alone at `proxy`, if one is given.
fn setup(world: &World, proxy: Option<u16>) -> EndpointSetup {
    let mut apt = Configuration::default();
    let authorities = world.path("authorities.pem");
    apt.set("APT::Architecture", "amd64".to_owned());
    let mut routes = Routes::default();
    routes
        .set_authorities(&"https://alice.example/".parse().unwrap(), authorities.to_str().unwrap());
    if let Some(port) = proxy {
        let proxy = Proxy::of_policy(&format!("socks5h://127.0.0.1:{port}")).unwrap();
        let url = "https://alice.example/".parse().unwrap();
        routes.set(&"alice".parse().unwrap(), &url, Route::Through(proxy));
    }
    let url = format!("file://{}/", world.path("attestations").display());
    let endpoint = Endpoint {
        rebuilder: "alice".parse().unwrap(),
        protocol: Protocol::Directory,
        url: url.parse().unwrap(),
        architectures: None,
        archive: None,
    };
    let timeouts = Timeouts { answer: Duration::from_secs(1), total: Duration::from_secs(1) };
    let keys = KeyRing::new(Vec::new()).unwrap();
    let keep = Some((Cache::new(&world.path("cache")), keys));
    EndpointSetup {
        endpoints: vec![endpoint],
        timeouts,
        authorities: None,
        apt,
        proxy: None,
        routes,
        network: Network::Allowed,
        keep,
    }
}

fn close(world: &World, who: &str, port: u16) -> Closed {
    let setup = setup(world, who.ends_with(BEHIND).then_some(port));
    let closed = match who {
        it if it.starts_with("method") => {
            let places = MethodPlaces {
                apt: vec![world.path("lists"), world.path("archives")],
                evidence: Some(world.path("evidence/method")),
                elsewhere: Some(world.path("download/aa_1_all.deb")),
            };
            confine_method(&setup.apt, Some(&setup), &places)
        }
        _ => confine_fetcher(&setup),
    };
    closed.unwrap().unwrap()
}

type Attempt = (&'static str, io::Result<()>);

fn read(path: impl AsRef<Path>) -> io::Result<()> {
    File::open(path)?.read_exact(&mut [0]).map(drop)
}

fn write(path: impl AsRef<Path>) -> io::Result<()> {
    File::options().write(true).create(true).truncate(false).open(path)?.write_all(b"x")
}

/// Without waiting for connections on it.
fn take_a_port() -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, socket};
    use std::os::fd::AsRawFd;

    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
    Ok(bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?)
}

/// What nobody may do who was broken into.
fn forbidden(world: &World, who: &str, past: u16) -> Vec<Attempt> {
    let parent = nix::unistd::getppid();
    let stray = Path::new("/var/tmp").join(format!("apt-quorum-{}", std::process::id()));
    let listen = TcpListener::bind("127.0.0.1:0").map(drop);
    let mode = fs::Permissions::from_mode(0o777);
    let cache = world.path("cache/attestations");
    let mut all = vec![
        ("read a file of others", read(world.path("secret/shadow"))),
        ("list a directory of others", fs::read_dir(world.path("secret")).map(drop)),
        ("read its own environment", read("/proc/self/environ")),
        ("read its parent's environment", read(format!("/proc/{parent}/environ"))),
        ("read its parent's memory", File::open(format!("/proc/{parent}/mem")).map(drop)),
        ("look for processes", fs::read_dir("/proc").map(drop)),
        ("write where everybody may", write(&stray)),
        ("write to apt's archives", write(world.path("archives/partial/new.deb"))),
        ("change what it may read", write(world.path("archives/partial/aa_1_all.deb"))),
        ("write to apt's lists", write(world.path("lists/partial/Packages"))),
        ("write beside the cache", write(world.path("cache/new"))),
        ("change a file that was downloaded", write(world.path("download/kept"))),
        ("change the hook's evidence", write(world.path("evidence/theirs"))),
        ("remove a file of others", fs::remove_file(world.path("secret/shadow"))),
        ("take a file of others", fs::rename(world.path("evidence/theirs"), cache.join("x"))),
        ("make a link", std::os::unix::fs::symlink("/etc/passwd", cache.join("link"))),
        ("make a hard link", fs::hard_link(world.path("authorities.pem"), cache.join("hard"))),
        (
            "make a pipe",
            nix::unistd::mkfifo(&cache.join("pipe"), nix::sys::stat::Mode::S_IRUSR)
                .map_err(Into::into),
        ),
        ("change the mode of a file", fs::set_permissions(&cache, mode)),
        ("wait for connections", listen),
        ("take a port", take_a_port()),
        ("reach an abstract socket", UnixStream::connect_addr(&abstract_address(world)).map(drop)),
        ("start a program", Command::new("/bin/true").status().map(drop)),
    ];
    if who.ends_with(BEHIND) {
        all.push(("connect past its proxy", TcpStream::connect(("127.0.0.1", past)).map(drop)));
    }
    if who.starts_with("fetcher") {
        all.extend([
            ("read apt's archives", read(world.path("archives/port"))),
            ("read apt's lists", read(world.path("lists/Packages"))),
            ("write the method's evidence", write(world.path("evidence/method/new"))),
        ]);
    }
    let _ = fs::remove_file(stray);
    if !nix::unistd::geteuid().is_root() {
        // Yama may be in the way.
        all.retain(|(what, _)| *what != "read its parent's memory");
    }
    all
}

/// What it has to do.
fn needed(world: &World, who: &str, port: u16) -> Vec<Attempt> {
    let artifact = Identity {
        package: "aa".parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: "all".parse().unwrap(),
    }
    .artifact_name();
    let cache = Cache::new(&world.path("cache"));
    let stored = cache.store(&artifact, b"signed").and_then(|_| match cache.read(&artifact) {
        read if read == [b"signed"] => Ok(()),
        _ => Err(io::Error::other("not there")),
    });
    let thread = std::thread::Builder::new().name("one".to_owned()).spawn(|| ());
    let mut all = vec![
        ("keep what was signed", stored),
        ("read attestations here", read(world.path("attestations/aa_1_all.deb/one"))),
        ("list attestations here", fs::read_dir(world.path("attestations")).map(drop)),
        ("read the administrator's authorities", read(world.path("authorities.pem"))),
        ("look up names", ("localhost", port).to_socket_addrs().map(drop)),
        ("read what names are looked up by", read("/etc/nsswitch.conf").or_else(or_missing)),
        (
            "read Debian's authorities",
            read("/etc/ssl/certs/ca-certificates.crt").or_else(or_missing),
        ),
        ("connect", TcpStream::connect(("127.0.0.1", port)).map(drop)),
        ("reach a resolver's socket", UnixStream::connect(world.path("socket")).map(drop)),
        ("start a thread", thread.map(|thread| thread.join().unwrap())),
        ("know where its program is", std::env::current_exe().map(drop)),
    ];
    if who.starts_with("method") {
        let evidence = world.path("evidence/method");
        let kept = write(evidence.join("1.new"))
            .and_then(|()| fs::rename(evidence.join("1.new"), evidence.join("1")));
        all.extend([
            ("read apt's archives", read(world.path("archives/partial/aa_1_all.deb"))),
            ("read apt's lists", read(world.path("lists/Packages"))),
            ("read where apt asked for the file first", read(world.path("download/aa_1_all.deb"))),
            (
                "give a file there another name",
                fs::rename(world.path("download/aa_1_all.deb"), world.path("download/aa_1")),
            ),
            ("keep its evidence", kept),
        ]);
    }
    all
}

fn or_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn inside(world: &World) {
    let who = std::env::var(WHO).unwrap();
    let walls = std::env::var(WALLS).unwrap() == "on";
    let (port, past) = (world.port("archives/port"), world.port("past"));
    if walls {
        let closed = close(world, &who, port);
        if closed != (Closed { files: Extent::Whole, calls: Extent::Whole }) {
            println!("LEFT OUT: WHAT A PROCESS THAT IS CLOSED IN CAN REACH: {closed:?}");
            return;
        }
    }
    for (what, result) in needed(world, &who, port) {
        assert!(result.is_ok(), "to {what}, which is needed: {result:?}");
    }
    let refused = |error: &io::Error| {
        let missing = error.raw_os_error() == Some(nix::libc::ENOSYS);
        missing || error.kind() == io::ErrorKind::PermissionDenied
    };
    for (what, result) in forbidden(world, &who, past) {
        if walls {
            assert!(result.as_ref().is_err_and(refused), "to {what}: {result:?}");
        } else {
            assert!(result.is_ok(), "to {what}, with nothing in the way: {result:?}");
        }
    }
}
