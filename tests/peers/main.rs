//! Evidence and layouts that others made: in-toto and GnuPG in Python, securesystemslib, rebuilderd
//! 0.24; and Tor, by which rebuilders are asked. They are Debian's own packages, each in a throw-away
//! chroot, and make it afresh for every run.
//!
//! Runs as root inside `testbed/enter`, as `make test-system` starts it. Everywhere else it says
//! that it was left out.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use common::image::Publisher;
use common::rebuilder::confirming;
use common::server::{Reply, Server};
use common::{Deb, Ended, Key, World};

/// Longer than anything here takes on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether this runs where chroots can be made. Said loudly if not.
fn can_run(what: &str) -> bool {
    let inside = std::env::var_os("TESTBED_RUN").is_some();
    if !inside {
        eprintln!("LEFT OUT: {what}: NOT INSIDE testbed/enter (see make test-system)");
    }
    inside
}

/// A throw-away system with somebody else's programs in it.
struct Peer(PathBuf);

impl Peer {
    fn new(suite: &str, flavour: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let run = PathBuf::from(std::env::var_os("TESTBED_RUN").unwrap());
        let root = run.join(format!("peer-{number}"));
        let chroot = output(Command::new(testbed("chroot")).args([suite, flavour]));
        output(Command::new(testbed("overlay")).arg(chroot.trim()).arg(&root));
        Self(root)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.join(inside.trim_start_matches('/'))
    }

    fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A command in it, with nothing of our environment.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.0).args(["env", "-i", "HOME=/root", "LC_ALL=C.UTF-8"]);
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").args(words).stdin(Stdio::null());
        command
    }

    fn put(&self, debs: &[&Deb]) {
        for deb in debs {
            self.write(&format!("/srv/files/{}", deb.file_name()), &deb.bytes);
        }
    }

    /// Runs a Python script of this directory.
    fn python(&self, script: &str) {
        let source = Path::new(&repository()).join("tests/peers").join(script);
        self.write("/srv/script.py", fs::read(source).unwrap());
        output(&mut self.command(&["python3", "/srv/script.py"]));
    }

    /// Runs a script of this directory for the shell.
    fn shell(&self, script: &str) {
        let source = Path::new(&repository()).join("tests/peers").join(script);
        self.write("/srv/script.sh", fs::read(source).unwrap());
        output(&mut self.command(&["sh", "/srv/script.sh"]));
    }

    /// The public key that a script left in a directory, as our configuration has it.
    fn key(&self, directory: &str) -> String {
        let read = |name: &str| fs::read_to_string(self.path(directory).join(name)).ok();
        read("key.pem")
            .or_else(|| read("key.asc"))
            .unwrap_or_else(|| ed25519_pem(&unhex(read("key.hex").expect("a key").trim())))
    }
}

/// A path as it was when this was built, or, if that was in a chroot, as scripts/test-system says
/// that it is here.
fn place(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

fn repository() -> PathBuf {
    place("APT_QUORUM_REPOSITORY", env!("CARGO_MANIFEST_DIR"))
}

fn testbed(command: &str) -> PathBuf {
    repository().join("testbed").join(command)
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// As RFC 8410 writes it.
fn ed25519_pem(key: &[u8]) -> String {
    let spki = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let base64 = base64::engine::general_purpose::STANDARD.encode([&spki[..], key].concat());
    format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
}

/// A world with one rebuilder, whose word is enough.
fn world(kind: &str, key: &str, more: &str) -> World {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let text =
        format!("name = \"peer\"\n\n[[key]]\ntype = \"{kind}\"\nfile = \"peer.key\"\n\n{more}");
    world.write("etc/rebuilders.d/peer.toml", text);
    world.write("etc/rebuilders.d/peer.key", key);
    world
}

/// `apt-quorum verify OPTIONS FILE`
fn verify(world: &World, deb: &Deb, options: &[&str]) -> Ended {
    let program = place("APT_QUORUM_PROGRAM", env!("CARGO_BIN_EXE_apt-quorum"));
    let mut command = world.command_of(&program);
    command.arg("verify").arg("--config").arg(world.path("etc")).args(options);
    common::run(command.arg(world.put(deb)))
}

/// The good package is confirmed with these options, and another file of its name is not.
fn confirms(world: &World, deb: &Deb, options: &[&str]) {
    let ended = verify(world, deb, options);
    ended.assert_code(0);
    assert!(ended.stdout.starts_with("confirmed: "), "{ended:?}");
    let other = verify(world, &deb.differently_built(), options);
    other.assert_code(1);
    assert!(other.stdout.contains("signed a different file under this name"), "{other:?}");
}

fn hello() -> Deb {
    Deb::new("hello", "2.10-3", "amd64")
}

#[test]
fn links_by_in_toto_in_python_and_trees_of_them() {
    if !can_run("links made by in-toto in Python") {
        return;
    }
    let (hello, doc) = (hello(), Deb::new("hello-doc", "1:2.10-3", "all"));
    let rebuilt = Deb::new("epoch++", "2:1.0~rc1-1+b1", "amd64");
    let peer = Peer::new("bookworm", "intoto");
    peer.put(&[&hello, &doc, &rebuilt]);
    let sources = serde_json::json!([
        ["hello", "2.10-3", [hello.file_name()]],
        ["hello-doc", "1:2.10-3", [doc.file_name()]],
        // With apt's spelling of the colon, and the source's version without the rebuild.
        ["source-of-epoch", "2%3a1.0~rc1-1+b1", [rebuilt.file_name()]],
    ]);
    peer.write("/srv/sources.json", sources.to_string());
    peer.python("links.py");

    let kinds = [
        ("ed25519", "ed25519"),
        ("rsa-pss", "rsa-pss"),
        ("ecdsa-p256", "ecdsa-p256"),
        ("openpgp-rsa", "openpgp"),
        ("openpgp-eddsa", "openpgp"),
        ("openpgp-subkey", "openpgp"),
        ("openpgp-ecdsa", "openpgp"),
    ];
    for (made_with, kind) in kinds {
        let directory = format!("/srv/links/{made_with}");
        let world = world(kind, &peer.key(&directory), "");
        let links = peer.path(&directory);
        let options = ["--offline", "--evidence", links.to_str().unwrap()];
        for deb in [&hello, &doc, &rebuilt] {
            confirms(&world, deb, &options);
        }
        println!("{made_with}: links by in-toto in Python confirm");
    }
    // Another's certificate does not.
    let elsewhere = peer.path("/srv/links/openpgp-eddsa");
    let stranger = world("openpgp", &peer.key("/srv/links/openpgp-rsa"), "");
    let options = ["--offline", "--evidence", elsewhere.to_str().unwrap()];
    verify(&stranger, &hello, &options).assert_code(1);

    let tree = peer.path("/srv/tree");
    let server = Server::start(move |target| {
        let target = target.replace("%253a", "%3a").replace("%2B", "+");
        match fs::read(tree.join(target.trim_start_matches('/'))) {
            Ok(bytes) => Reply::json(bytes),
            Err(_) => Reply::status(404),
        }
    });
    let endpoint =
        format!("[[endpoint]]\nprotocol = \"intoto-metadata\"\nurl = \"{}\"\n", server.url());
    let world = world("openpgp", &peer.key("/srv/tree"), &endpoint);
    for deb in [&hello, &doc, &rebuilt] {
        confirms(&world, deb, &[]);
    }
    println!("a tree of links as PackageRebuilder lays it out confirms");
}

/// `apt-quorum WORDS --config ...`
fn apt_quorum(world: &World, words: &[&str]) -> Ended {
    let program = place("APT_QUORUM_PROGRAM", env!("CARGO_BIN_EXE_apt-quorum"));
    common::run(world.command_of(&program).args(words).arg("--config").arg(world.path("etc")))
}

#[test]
fn a_layout_by_in_toto_in_python() {
    if !can_run("a layout made by in-toto in Python") {
        return;
    }
    let (hello, doc) = (hello(), Deb::new("hello-doc", "1:2.10-3", "all"));
    let peer = Peer::new("bookworm", "intoto");
    peer.put(&[&hello, &doc]);
    peer.python("layouts.py");
    let inside = |path: &str| peer.path(path).to_str().unwrap().to_owned();
    let layout = inside("/srv/root.layout");
    let (root, alice, bob) =
        (inside("/srv/root.asc"), inside("/srv/alice.asc"), inside("/srv/bob.asc"));
    let unset = || {
        let world = World::new();
        world.policy("mode = \"warn\"\n");
        world
    };
    // What in-toto accepts is admitted, and what it does not is not.
    let judged = |world: &World| {
        let policy = fs::read_to_string(world.path("etc/policy.toml")).unwrap();
        world.policy(&policy.replace("\"warn\"", "\"enforce\""));
        let links = [inside("/srv/links/0"), inside("/srv/links/1")];
        for deb in [&hello, &doc] {
            let both = ["--offline", "--evidence", &links[0], "--evidence", &links[1]];
            confirms(world, deb, &both);
            for one in &links {
                let alone = verify(world, deb, &["--offline", "--evidence", one]);
                assert!(matches!(alone.code, Some(1 | 3)), "{alone:?}");
            }
        }
    };
    let world = unset();
    let words = [
        "rebuilder",
        "import-layout",
        &layout,
        "--key",
        &root,
        "--certificate",
        &alice,
        "--certificate",
        &bob,
        "--yes",
    ];
    let ended = apt_quorum(&world, &words);
    ended.assert_code(0).assert_plain();
    assert!(ended.stdout.contains("threshold = 2 (not set before)"), "{ended:?}");
    judged(&world);
    // The functionary's key is not the owner's.
    let stranger = unset();
    let words = ["rebuilder", "import-layout", &layout, "--key", &alice, "--yes"];
    apt_quorum(&stranger, &words).assert_code(1);
    println!("a layout by in-toto in Python is taken over");

    // The same as apt-transport-in-toto is set up with it, its keys in GnuPG's keyring.
    let world = unset();
    let fingerprint = output(Command::new("gpg").args(["--show-keys", "--with-colons", &root]));
    let fingerprint = fingerprint.lines().find(|line| line.starts_with("fpr:")).unwrap();
    let fingerprint = fingerprint.split(':').nth(9).unwrap();
    let home = inside("/srv/gnupg");
    let settings = world.write(
        "intoto",
        format!("APT::Intoto {{ Rebuilders {{\"http://127.0.0.1:9\";}}; Layout {{\"{layout}\"}}; Keyids {{\"{fingerprint}\"}}; GPGHomedir {{\"{home}\"}}; NoFail {{\"true\"}} }};\n"),
    );
    let words = ["import", "apt-transport-in-toto", "--from", settings.to_str().unwrap(), "--yes"];
    apt_quorum(&world, &words).assert_code(0).assert_plain();
    judged(&world);
    println!("apt-transport-in-toto's settings are taken over");
}

#[test]
fn envelopes_by_securesystemslib() {
    if !can_run("DSSE envelopes made by securesystemslib") {
        return;
    }
    let hello = hello();
    let peer = Peer::new("trixie", "dsse");
    peer.put(&[&hello]);
    peer.python("envelopes.py");
    for kind in ["ed25519", "ecdsa-p256", "rsa-pss"] {
        let directory = format!("/srv/links/{kind}");
        let taken =
            "[[statement]]\ntype = \"slsa-provenance\"\nbuilder = \"https://rebuilder.example/\"\n";
        let links = peer.path(&directory);
        let options = ["--offline", "--evidence", links.to_str().unwrap()];
        confirms(&world(kind, &peer.key(&directory), taken), &hello, &options);
        // Provenance says nothing unless it is taken from this rebuilder.
        let not_taken = world(kind, &peer.key(&directory), "");
        let ended = verify(&not_taken, &hello, &options);
        ended.assert_code(1);
        assert!(ended.stdout.contains("not accepted from this rebuilder"), "{ended:?}");
        // A link as in-toto puts it into such an envelope counts where links do, and only there.
        let links = peer.path("/srv/dsse-links").join(kind);
        let options = ["--offline", "--evidence", links.to_str().unwrap()];
        confirms(&not_taken, &hello, &options);
        let ended = verify(&world(kind, &peer.key(&directory), taken), &hello, &options);
        ended.assert_code(1);
        assert!(ended.stdout.contains("rebuilder: its type is link"), "{ended:?}");
        println!("{kind}: envelopes by securesystemslib confirm");
    }
}

/// What GnuPG takes for revoked signs nothing here, wherever the revocation stands in the file.
#[test]
fn certificates_that_gnupg_takes_for_revoked() {
    if !can_run("certificates that GnuPG takes for revoked") {
        return;
    }
    let hello = hello();
    let peer = Peer::new("bookworm", "intoto");
    peer.put(&[&hello]);
    peer.python("revoked.py");
    let links = peer.path("/srv/links");
    let options = ["--offline", "--evidence", links.to_str().unwrap()];
    let judged = |name: &str| {
        let key = fs::read_to_string(peer.path("/srv/certificates").join(name)).unwrap();
        let world = world("openpgp", &key, "");
        verify(&world, &hello, &options)
    };
    judged("good.asc").assert_code(0);
    let all = fs::read_dir(peer.path("/srv/certificates")).unwrap();
    let names: Vec<String> = all.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in names.iter().filter(|it| *it != "good.asc") {
        let ended = judged(name);
        assert!(matches!(ended.code, Some(1 | 2)), "{name}: {ended:?}");
        println!("{name}: GnuPG takes it for revoked, and it signs nothing here");
    }
}

/// What we sign is read by others: the envelope and the summary by securesystemslib, and the
/// manifest by mtree.
#[test]
fn statements_about_images_are_read_by_others() {
    if !can_run("statements about images, read by securesystemslib and mtree") {
        return;
    }
    let publisher = Publisher::new();
    let root = publisher.root();
    // What a manifest must escape, so that mtree takes it for what it is.
    for name in ["a b", "#c", "d=e", "f*?[g]", "h\\i", "\u{e9}", "k\nl"] {
        fs::write(root.join("etc").join(name), name).unwrap();
        std::os::unix::fs::symlink(name, root.join("var/log").join(name)).unwrap();
    }
    let device = nix::sys::stat::makedev(1, 3);
    let mode = nix::sys::stat::Mode::S_IRUSR;
    nix::sys::stat::mknod(&root.join("etc/null"), nix::sys::stat::SFlag::S_IFCHR, mode, device)
        .unwrap();
    let manifest = publisher.world.path("files/manifest");
    let program = place("APT_QUORUM_PROGRAM", env!("CARGO_BIN_EXE_apt-quorum"));
    let options = ["--manifest", manifest.to_str().unwrap()];
    common::run(&mut publisher.attest_command_of(&program, &options)).assert_code(0);

    let peer = Peer::new("trixie", "dsse");
    let copy = |from: &Path, to: &str| peer.write(to, fs::read(from).unwrap());
    copy(&publisher.statement(), "/srv/statement.json");
    copy(&publisher.world.path("signer.pem"), "/srv/signer.pem");
    copy(&manifest, "/srv/manifest");
    peer.python("statement.py");
    println!("securesystemslib verifies statements about images");

    let mtree = || {
        let mut mtree = Command::new("mtree");
        mtree.arg("-f").arg(&manifest).arg("-p").arg(&root).output().unwrap()
    };
    let same = mtree();
    assert!(same.status.success(), "{same:?}");
    fs::write(root.join("etc/f*?[g]"), "F*?[g]").unwrap();
    let other = mtree();
    assert!(!other.status.success(), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stdout).contains("sha256"), "{other:?}");
    println!("mtree reads manifests");
}

#[test]
fn archives_by_apt_ftparchive_and_reprepro() {
    if !can_run("archives made by apt-ftparchive and reprepro") {
        return;
    }
    let (hello, taken) = (hello(), Deb::new("taken", "1.0-1", "all"));
    let peer = Peer::new("trixie", "archive");
    peer.put(&[&hello, &taken]);
    peer.write("/srv/taken-over", format!("{}  {}\n", taken.sha256(), taken.file_name()));
    peer.shell("archives.sh");
    for made in ["inline", "detached", "reprepro"] {
        let top = peer.path("/srv").join(made);
        let key = fs::read_to_string(top.join("key.asc")).unwrap();
        let server =
            Server::start(move |target| match fs::read(top.join(target.trim_start_matches('/'))) {
                Ok(body) => Reply::Whole { status: 200, headers: Vec::new(), body },
                Err(_) => Reply::status(404),
            });
        let endpoint = format!(
            "[[endpoint]]\nprotocol = \"archive\"\nurl = \"{}\"\nsuite = \"trixie\"\n\
             component = [\"main\"]\ntaken_over = \"main/taken-over\"\n",
            server.url()
        );
        let world = world("openpgp", &key, &endpoint);
        confirms(&world, &hello, &[]);
        let ended = verify(&world, &taken, &[]);
        ended.assert_code(1);
        assert!(
            ended
                .stdout
                .contains("it took this file over from another repository and did not build it"),
            "{ended:?}"
        );
        println!("{made}: an archive by Debian's tools confirms what it built, and nothing else");
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} took too long");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn rebuilderd_before_0_26() {
    if !can_run("rebuilderd 0.24") {
        return;
    }
    let (good, bad) = (Deb::new("libstdc++7", "1:2.10-3", "all"), Deb::new("bye", "1.0-1", "all"));
    let peer = Peer::new("trixie", "rebuilder");
    peer.put(&[&good, &bad]);
    peer.write(
        "/srv/daemon.toml",
        "[http]\nbind_addr = \"127.0.0.1:18384\"\n[worker]\nsignup_secret = \"loopback only\"\n",
    );
    peer.write("/srv/worker.toml", "endpoint = \"http://127.0.0.1:18384\"\nsignup_secret = \"loopback only\"\nsupported_architectures = [\"*\"]\n[build]\nmax_bytes = 100000\n[diffoscope]\nenabled = false\n[backend.\"debian\"]\npath = \"/srv/backend\"\n");
    // Copies the archive's file, and spoils that of `bye`.
    peer.write("/srv/backend", "#!/bin/sh\nset -e\nname=$(basename \"$1\" .buildinfo)\ncp \"/srv/files/$name.deb\" \"$REBUILDERD_OUTDIR/\"\ncase $name in bye_*) echo >>\"$REBUILDERD_OUTDIR/$name.deb\" ;; esac\n");
    output(&mut peer.command(&["chmod", "755", "/srv/backend"]));
    fs::create_dir_all(peer.path("/srv/daemon")).unwrap();
    fs::create_dir_all(peer.path("/var/lib/rebuilderd-worker/w")).unwrap();
    let files = peer.path("/srv/files");
    let inputs = Server::start(move |target| {
        let name = target.trim_start_matches('/').replace("%2B", "+");
        match fs::read(files.join(&name)) {
            Ok(bytes) => Reply::json(bytes),
            Err(_) => Reply::json(format!("Format: 1.0\nSource: {name}\n")),
        }
    });
    let start = |words: &[&str]| {
        let mut command =
            peer.command(&["--chdir=/srv/daemon", "REBUILDERD_COOKIE_PATH=/srv/cookie"]);
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    };
    let _daemon = start(&["rebuilderd", "-c", "/srv/daemon.toml"]);
    within("the daemon", || peer.path("/srv/cookie").exists());
    let group = |deb: &Deb| {
        let name = deb.file_name();
        serde_json::json!({
            "name": deb.name, "version": deb.version, "distro": "debian", "suite": "main",
            "architecture": "all",
            "input_url": format!("{}{}.buildinfo", inputs.url(), name.trim_end_matches(".deb")),
            "artifacts": [{"name": deb.name, "version": deb.version,
                           "url": format!("{}{name}", inputs.url())}],
        })
    };
    let import = serde_json::json!({
        "distro": "debian", "suite": "main", "groups": [group(&good), group(&bad)],
    });
    peer.write("/srv/import.json", import.to_string());
    let post = "curl -sSf -X POST -H \"X-Auth-Cookie: $(cat /srv/cookie)\" -H 'Content-Type: application/json' -d @/srv/import.json http://127.0.0.1:18384/api/v0/pkgs/sync";
    within("the import", || peer.command(&["sh", "-c", post]).output().unwrap().status.success());
    let _worker = start(&["rebuilderd-worker", "-n", "w", "-c", "/srv/worker.toml", "connect"]);
    let list = "curl -sSf http://127.0.0.1:18384/api/v0/pkgs/list";
    within("the builds", || {
        let listed = output(&mut peer.command(&["sh", "-c", list]));
        listed.contains("\"GOOD\"") && listed.contains("\"BAD\"")
    });

    // The worker's key, which no request tells: its public half is the end of the file.
    let secret = fs::read(peer.path("/var/lib/rebuilderd-worker/w/rebuilder.v2.key")).unwrap();
    let key = ed25519_pem(&secret[secret.len() - 32..]);
    let endpoint = "[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"http://127.0.0.1:18384/\"\n";
    let world = world("ed25519", &key, endpoint);
    confirms(&world, &good, &[]);
    let ended = verify(&world, &bad, &[]);
    ended.assert_code(1);
    assert!(ended.stdout.contains("peer: rebuilt it; the result differs"), "{ended:?}");
    // What people are told to read is there.
    let (_, more) = ended.stdout.split_once("see ").expect("where to read more");
    let url = more.split([']', ';', ' ']).next().unwrap();
    assert!(url.starts_with("http://127.0.0.1:18384/api/v0/builds/"), "{url}");
    output(&mut peer.command(&["curl", "-sSf", url]));
    let unknown = verify(&world, &hello(), &[]);
    assert!(unknown.stdout.contains("peer: has no result for it"), "{unknown:?}");
    println!("rebuilderd 0.24 confirms by its old API");
}

/// Each rebuilder is asked over circuits of its own, and each run over other ones; names are looked up
/// at their end.
#[test]
fn tor_keeps_the_circuits_of_rebuilders_apart() {
    if !can_run("Tor") {
        return;
    }
    let rebuilders: Vec<(&str, Key, Server)> = ["alice", "bob"]
        .into_iter()
        .map(|name| {
            let (key, rebuilder) = confirming(&[&hello()]);
            (name, key, rebuilder.serve())
        })
        .collect();
    let peer = Peer::new("trixie", "tor");
    let source = Path::new(&repository()).join("tests/peers/tor.py");
    peer.write("/srv/tor.py", fs::read(source).unwrap());
    let mut command = peer.command(&["python3", "/srv/tor.py"]);
    let _tor = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    within("Tor", || peer.path("/srv/ready").exists());

    let mut circuits: Vec<BTreeSet<String>> = Vec::new();
    for _ in 0..2 {
        let before = fs::read_to_string(peer.path("/srv/streams")).unwrap().len();
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 2\n\n[network]\nproxy = \"socks5h://127.0.0.1:19050\"\nanswer_timeout = 30\ntotal_timeout = 60\n");
        for (name, key, server) in &rebuilders {
            let endpoint = format!("rebuilderd http://{name}.test:{}/", server.address.port());
            world.rebuilder(name, key, &[endpoint]);
        }
        // A network as young as this one is not always ready for the first.
        within("the answers", || verify(&world, &hello(), &[]).code == Some(0));
        let streams = fs::read_to_string(peer.path("/srv/streams")).unwrap().split_off(before);
        for (name, _, server) in &rebuilders {
            let port = format!(":{}", server.address.port());
            // 650 STREAM ID NEW 0 HOST:PORT ..., and then SUCCEEDED CIRCUIT ADDRESS:PORT.
            let of = |word: &str| {
                let lines = streams.lines().map(|line| line.split(' ').collect::<Vec<_>>());
                let own = lines.filter(|it| it.get(3) == Some(&word) && it[5].ends_with(&port));
                own.map(|it| (it[4].to_owned(), it[5].to_owned())).collect::<Vec<_>>()
            };
            let asked = of("NEW");
            let by_name = format!("{name}.test{port}");
            assert!(!asked.is_empty() && asked.iter().all(|it| it.1 == by_name), "{streams}");
            circuits.push(of("SUCCEEDED").into_iter().map(|it| it.0).collect());
        }
    }
    for (at, own) in circuits.iter().enumerate() {
        assert!(!own.is_empty(), "{circuits:?}");
        let others = circuits.iter().skip(at + 1).flatten();
        assert!(others.clone().all(|it| !own.contains(it)), "{circuits:?}");
    }
    println!("Tor keeps the circuits of two rebuilders and of two runs apart");
}
