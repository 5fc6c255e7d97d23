//! Archives that were built anew as endpoints: how they are fetched, kept and looked into, by the
//! real program.

use std::fs;
use std::sync::{Arc, Mutex};

use crate::common::server::{Reply, Server};
use crate::common::{self, Deb, Ended, World, is_root, left_out, sha256};
use crate::support::archive::{BINARY, Files, Making, digest, stanza};
use crate::support::openpgp;

fn hello() -> Deb {
    Deb::new("hello", "1:2.10-3+b1", "amd64")
}

fn doc() -> Deb {
    Deb::new("hello-doc", "1:2.10-3", "all")
}

fn making() -> Making {
    let hello = hello();
    Making::new().with("hello 1:2.10-3+b1 amd64", &hello.sha256())
}

/// A server whose files can be exchanged. It knows each state of a file by its hash.
struct Host {
    server: Server,
    files: Arc<Mutex<Files>>,
}

impl Host {
    fn new(files: Files) -> Self {
        let files = Arc::new(Mutex::new(files));
        let served = Arc::clone(&files);
        let server = Server::hearing(move |target, head| {
            let files = served.lock().unwrap();
            let path = target.strip_prefix("/debian/dists/trixie/").unwrap_or_default();
            let by_hash = path.rsplit_once("/by-hash/SHA256/").map(|(_, digest)| digest);
            let found = match by_hash {
                Some(digest) => files.values().find(|it| sha256(it) == digest),
                None => files.get(path),
            };
            let Some(body) = found else { return Reply::status(404) };
            let etag = format!("\"{}\"", sha256(body));
            if head.to_ascii_lowercase().contains(&format!("if-none-match: {etag}")) {
                return Reply::Whole { status: 304, headers: Vec::new(), body: Vec::new() };
            }
            let headers = vec![
                format!("ETag: {etag}"),
                "Last-Modified: Thu, 01 Jan 2026 00:10:00 GMT".to_owned(),
            ];
            Reply::Whole { status: 200, headers, body: body.clone() }
        });
        Self { server, files }
    }

    fn serve(&self, files: Files) {
        *self.files.lock().unwrap() = files;
    }

    fn url(&self) -> String {
        format!("{}debian", self.server.url())
    }

    /// The paths below `dists/trixie/` that were asked for since `from`.
    fn asked(&self, from: usize) -> Vec<String> {
        let lines = self.server.request_lines();
        let path = |line: &String| {
            line.split(' ').nth(1).unwrap().trim_start_matches("/debian/dists/trixie/").to_owned()
        };
        lines.iter().skip(from).map(path).collect()
    }
}

/// A world in which the archive alone must confirm.
fn world(making: &Making, url: &str) -> World {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.write(
        "etc/rebuilders.d/alpha.toml",
        format!(
            "name = \"alpha\"\n\n[[key]]\ntype = \"openpgp\"\nfile = \"alpha.asc\"\n\n\
             [[endpoint]]\nprotocol = \"archive\"\nurl = \"{url}\"\nsuite = \"trixie\"\n\
             component = [\"main\"]\ntaken_over = \"main/taken-over\"\n"
        ),
    );
    world.write("etc/rebuilders.d/alpha.asc", openpgp::armored(&making.certificate));
    world
}

fn standing(world: &World, deb: &Deb, options: &[&str]) -> (String, String, Ended) {
    let (decision, ended) = world.decision(deb, options);
    let alpha = &decision["rebuilders"]["alpha"];
    let text = |name: &str| alpha[name].as_str().unwrap_or_default().to_owned();
    (text("kind"), text("why"), ended)
}

#[test]
fn what_it_built_is_confirmed_with_one_fetch_for_all_packages() {
    let mut making = making();
    making.packages += &stanza("hello-doc 1:2.10-3 all", &doc().sha256());
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    let paths = [world.put(&hello()), world.put(&doc())];
    let ended = common::run(world.verify_command(&[]).args(&paths));
    ended.assert_code(0).assert_plain();
    assert!(ended.stdout.starts_with("confirmed: hello 1:2.10-3+b1 amd64 [alpha: confirmed]."));
    let mut asked = host.asked(0);
    asked.sort();
    assert_eq!(asked, ["InRelease", "main/binary-amd64/Packages", "main/taken-over"]);
    // Afterwards it is asked whether anything is new, and nothing is.
    common::run(world.verify_command(&[]).args(&paths)).assert_code(0);
    assert_eq!(host.asked(3), ["InRelease"]);
    let head = host.server.requests()[3].to_ascii_lowercase();
    assert!(head.contains("if-none-match: ") && head.contains("if-modified-since: "), "{head}");
    // Without a network what is kept counts.
    common::run(world.verify_command(&["--offline"]).args(&paths)).assert_code(0);
    drop(host);
    common::run(world.verify_command(&[]).args(&paths)).assert_code(0);
}

#[test]
fn what_it_does_not_have_built_otherwise_or_took_over_is_no_vote() {
    let mut making = making();
    let (taken, odd) = (Deb::new("taken", "1", "amd64"), Deb::new("odd", "1", "amd64"));
    making.packages += &stanza("taken 1 amd64", &taken.sha256());
    making.packages += &stanza("odd 1 amd64", &digest("another file"));
    making.taken_over = Some(format!("{}  taken_1_amd64.deb\n", taken.sha256()));
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    let of = |deb: &Deb| standing(&world, deb, &[]);
    let (kind, why, ended) = of(&taken);
    ended.assert_code(1);
    assert_eq!(kind, "rejected");
    assert_eq!(why, "it took this file over from another repository and did not build it");
    let (kind, _, ended) = of(&odd);
    ended.assert_code(1);
    assert_eq!(kind, "signed-another");
    let (kind, _, ended) = of(&Deb::new("hello", "2.10-3+b1", "amd64"));
    ended.assert_code(1);
    assert_eq!(kind, "unknown", "another epoch");
    of(&hello()).2.assert_code(0);
}

#[test]
fn indexes_are_fetched_compressed_by_hash_and_once_an_architecture() {
    let mut making = making();
    making.suffix = ".xz";
    making.packages_all = Some(stanza("hello-doc 1:2.10-3 all", &doc().sha256()));
    making.field("Acquire-By-Hash", "yes");
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    world.verify(&hello()).assert_code(0);
    world.verify(&doc()).assert_code(0);
    let asked = host.asked(0);
    let by_hash = |path: &str| {
        let digest = sha256(&making.listed()[path]);
        format!("{}/by-hash/SHA256/{digest}", path.rsplit_once('/').unwrap().0)
    };
    let mut expected = vec![
        "InRelease".to_owned(),
        by_hash("main/taken-over"),
        by_hash("main/binary-amd64/Packages.xz"),
        // The second run; the index of amd64 can have packages for all as well, and is there.
        "InRelease".to_owned(),
        by_hash("main/binary-all/Packages.xz"),
    ];
    expected.sort();
    let mut sorted = asked;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn what_is_not_there_by_its_hash_is_fetched_by_its_name() {
    let mut making = making();
    making.field("Acquire-By-Hash", "yes");
    let files = making.files();
    let server = Server::start(move |target| {
        let path = target.strip_prefix("/dists/trixie/").unwrap_or_default();
        match files.get(path) {
            Some(body) => Reply::json(body.clone()),
            None => Reply::status(404),
        }
    });
    let world = world(&making, &server.url());
    world.verify(&hello()).assert_code(0);
    let asked = server.request_lines();
    assert_eq!(asked.len(), 5, "{asked:?}");
}

#[test]
fn a_signature_beside_the_release_file_does_as_well() {
    let mut making = making();
    making.kind = BINARY;
    let mut files = making.listed();
    let release = making.release().into_bytes();
    files.insert("Release.gpg".to_owned(), making.signature(&release));
    files.insert("Release".to_owned(), release);
    let host = Host::new(files);
    let world = world(&making, &host.url());
    world.verify(&hello()).assert_code(0);
    assert_eq!(host.asked(0)[..3], ["InRelease", "Release", "Release.gpg"]);
    let before = host.asked(0).len();
    world.verify(&hello()).assert_code(0);
    assert_eq!(host.asked(before), ["InRelease", "Release"]);
}

#[test]
fn what_is_new_is_taken_and_what_is_old_is_not() {
    let making = making();
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    world.verify(&hello()).assert_code(0);
    let newer = {
        let mut it = Making {
            packages: stanza("new 1 amd64", &Deb::new("new", "1", "amd64").sha256()),
            ..self::making()
        };
        it.key = making.key.clone();
        it.field("Date", "Fri, 02 Jan 2026 00:00:00 UTC");
        it
    };
    host.serve(newer.files());
    world.verify(&Deb::new("new", "1", "amd64")).assert_code(0);
    world.verify(&hello()).assert_code(1);
    // Now the server goes back: what is kept counts, and it is said why.
    host.serve(making.files());
    world.verify(&Deb::new("new", "1", "amd64")).assert_code(0);
    let (kind, why, ended) = standing(&world, &hello(), &[]);
    ended.assert_code(3);
    assert_eq!(kind, "unreachable");
    assert!(why.contains("older than an earlier one, of 2026-01-02"), "{why}");
}

#[test]
fn a_cache_that_is_set_back_is_noticed_by_root() {
    if !is_root() {
        return left_out("a cache set back: only root remembers what it saw");
    }
    let making = making();
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    world.verify(&hello()).assert_code(0);
    let kept = world.path("kept");
    common::run(std::process::Command::new("cp").arg("-a").arg(world.path("cache")).arg(&kept));
    let mut newer = Making { key: making.key.clone(), ..self::making() };
    newer.field("Date", "Fri, 02 Jan 2026 00:00:00 UTC");
    host.serve(newer.files());
    world.verify(&hello()).assert_code(0);
    drop(host);
    world.verify(&hello()).assert_code(0);
    fs::remove_dir_all(world.path("cache")).unwrap();
    fs::rename(&kept, world.path("cache")).unwrap();
    // Nobody can be asked, and what is there does not count.
    world.verify(&hello()).assert_code(3);
    fs::remove_file(world.path("state/archives.json")).unwrap();
    world.verify(&hello()).assert_code(0);
}

#[test]
fn what_was_changed_in_the_cache_is_no_vote() {
    let making = making();
    let host = Host::new(making.files());
    let world = world(&making, &host.url());
    world.verify(&hello()).assert_code(0);
    drop(host);
    let shelf = fs::read_dir(world.path("cache/archives")).unwrap().next().unwrap().unwrap().path();
    let listed = making.listed();
    let mut changed = 0;
    for path in ["main/binary-amd64/Packages", "main/taken-over"] {
        let file = shelf.join("files").join(sha256(&listed[path]));
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        for bytes in [bad, Vec::new()] {
            fs::write(&file, bytes).unwrap();
            world.verify_with(&hello(), &["--offline"]).assert_code(3);
            changed += 1;
        }
        fs::write(&file, good).unwrap();
        world.verify_with(&hello(), &["--offline"]).assert_code(0);
    }
    assert_eq!(changed, 4);
    fs::write(shelf.join("InRelease"), "x").unwrap();
    world.verify_with(&hello(), &["--offline"]).assert_code(3);
}

#[test]
fn hostile_servers_give_nothing_and_what_was_kept_stays() {
    let making = making();
    let good = making.files();
    let host = Host::new(good.clone());
    let world = world(&making, &host.url());
    world.impatient_policy(1);
    world.verify(&hello()).assert_code(0);
    let stranger = Making { packages: making.packages.clone(), ..Making::new() };
    let mut newer = Making { key: making.key.clone(), ..self::making() };
    newer.field("Date", "Fri, 02 Jan 2026 00:00:00 UTC");
    newer.packages += "\n\n";
    newer.taken_over = Some("# still nothing\n".to_owned());
    let without = |path: &str| {
        let mut files = newer.files();
        files.remove(path);
        files
    };
    let with = |path: &str, bytes: Vec<u8>| {
        let mut files = newer.files();
        files.insert(path.to_owned(), bytes);
        files
    };
    for (what, files) in [
        ("somebody else's archive", stranger.files()),
        ("nothing", Files::new()),
        ("a giant", with("InRelease", vec![b'x'; 3 << 20])),
        ("no list of what was taken over", without("main/taken-over")),
        ("no index", without("main/binary-amd64/Packages")),
        ("another index", with("main/binary-amd64/Packages", b"x".to_vec())),
        ("a longer index", with("main/binary-amd64/Packages", vec![b'x'; 1 << 20])),
    ] {
        host.serve(files);
        let (kind, _, ended) = standing(&world, &Deb::new("other", "1", "amd64"), &[]);
        assert_eq!((ended.code, kind.as_str()), (Some(3), "unreachable"), "{what}");
        let ended = world.verify(&hello());
        assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
    }
    host.serve(good);
    world.verify(&hello()).assert_code(0);
}
