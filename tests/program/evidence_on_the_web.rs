//! Trees and bundles of attestations on a web server that knows nothing about them.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::common::bundle::{attestation, bundle};
use crate::common::rebuilder::hello;
use crate::common::server::{Reply, Server, read_head, write_whole};
use crate::common::{self, Deb, Ended, Key, World, sha256};

/// Documents by their path, with their state if the server tells it.
#[derive(Clone, Default)]
struct Site(Arc<Mutex<BTreeMap<String, Document>>>);

/// Its bytes, and the header that tells its state.
type Document = (Vec<u8>, String);

impl Site {
    fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        self.put_with(path, content, "");
    }

    /// With a header that tells the document's state.
    fn put_with(&self, path: &str, content: impl AsRef<[u8]>, state: &str) {
        let document = (content.as_ref().to_vec(), state.to_owned());
        self.0.lock().unwrap().insert(path.to_owned(), document);
    }

    fn remove(&self, path: &str) {
        self.0.lock().unwrap().remove(path).unwrap();
    }

    /// Puts the attestations about `hello` there, and the list of them.
    fn tree(&self, links: &[Vec<u8>]) {
        let name = hello().file_name();
        let mut list = String::new();
        for link in links {
            let hash = sha256(link);
            self.put(&format!("/tree/{name}/{hash}"), link);
            list += &format!("{hash}  {hash}\n");
        }
        self.put(&format!("/tree/{name}/SHA256SUMS"), list);
    }

    /// A server that answers as static ones do, conditional requests among them.
    fn serve(&self) -> (Server, Requests) {
        let (site, requests) = (self.clone(), Requests::default());
        let seen = requests.clone();
        let server = Server::on_connection(move |stream, _| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(head) = read_head(&mut reader) {
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let found = site.0.lock().unwrap().get(&target).cloned();
                let (status, body, state) = match found {
                    None => (404, b"no".to_vec(), String::new()),
                    Some((_, state)) if is_known(&head, &state) => (304, Vec::new(), state),
                    Some((body, state)) => (200, body, state),
                };
                seen.0.lock().unwrap().push((status, head));
                let headers: Vec<String> =
                    (!state.is_empty()).then_some(state).into_iter().collect();
                if write_whole(stream, status, &headers, &body).is_err() {
                    return;
                }
            }
        });
        (server, requests)
    }
}

fn is_known(head: &str, state: &str) -> bool {
    let asked = match state.split_once(": ") {
        Some(("ETag", tag)) => format!("if-none-match: {tag}\r\n"),
        Some(("Last-Modified", date)) => format!("if-modified-since: {date}\r\n"),
        _ => return false,
    };
    head.contains(&asked)
}

#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<(u16, String)>>>);

impl Requests {
    /// What was asked for since the last time, and how it was answered.
    fn take(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.0.lock().unwrap());
        let shown =
            |(status, head): (u16, String)| format!("{status} {}", head.split(' ').nth(1).unwrap());
        requests.into_iter().map(shown).collect()
    }
}

fn machine(keys: &[&Key], endpoints: &[String]) -> World {
    let world = World::new();
    world.policy(&format!("mode = \"enforce\"\nthreshold = {}\n", keys.len()));
    let names = ["alpha", "beta"];
    for (at, (name, key)) in names.into_iter().zip(keys).enumerate() {
        let own = endpoints.get(at).cloned();
        world.rebuilder(name, key, &own.into_iter().collect::<Vec<_>>());
    }
    world
}

fn alpha(world: &World, options: &[&str]) -> (Value, Ended) {
    let _ = fs::remove_dir_all(world.path("cache/attestations"));
    let (decision, ended) = world.decision(&hello(), options);
    (decision["rebuilders"]["alpha"].clone(), ended)
}

#[test]
fn a_tree_costs_one_request_and_one_for_each_attestation() {
    let (site, keys) = (Site::default(), [Key::new(), Key::new()]);
    site.tree(&[hello().link(&keys[0]), hello().link(&keys[1])]);
    let (server, requests) = site.serve();
    // Without a slash, too; and beta, who has no endpoint, is heard as well.
    let world = machine(&[&keys[0], &keys[1]], &[format!("directory {}tree", server.url())]);
    world.verify(&hello()).assert_code(0);
    let name = hello().file_name();
    let asked = requests.take();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0], format!("200 /tree/{name}/SHA256SUMS"));
    world.verify(&Deb::new("other", "1:2.0+b1~rc", "all")).assert_code(1);
    assert_eq!(requests.take(), ["404 /tree/other_2.0+b1~rc_all.deb/SHA256SUMS"]);
    let (standing, _) = alpha(&world, &["--offline"]);
    assert_eq!(standing["why"], "not asked: offline");
    assert!(requests.take().is_empty());
}

/// Every row is a list that lies or leads elsewhere.
#[test]
fn a_list_that_lies_brings_nothing() {
    let (site, key) = (Site::default(), Key::new());
    let (server, requests) = site.serve();
    let world = machine(&[&key], &[format!("directory {}tree/", server.url())]);
    let name = hello().file_name();
    let link = hello().link(&key);
    let other = sha256(b"other");
    site.put("/tree/elsewhere", &link);
    site.put("/elsewhere", &link);
    site.put(&format!("/tree/{name}/a"), &link);
    let giant = format!("{}  a\n", sha256(&link)).repeat(2000);
    for (what, list, kind, most) in [
        ("another hash", format!("{other}  a\n"), "unreachable", 2),
        ("above it", format!("{}  ../elsewhere\n", sha256(&link)), "unreachable", 1),
        ("above it, encoded", format!("{}  %2e%2e\n", sha256(&link)), "unknown", 2),
        ("absolute", format!("{}  /elsewhere\n", sha256(&link)), "unreachable", 1),
        ("elsewhere", format!("{}  http://127.0.0.1:1/\n", sha256(&link)), "unreachable", 1),
        ("a query", format!("{}  x?a\n", sha256(&link)), "unknown", 2),
        ("not there", format!("{other}  b\n"), "unknown", 2),
        ("a page", "<html>not a list</html>".to_owned(), "unreachable", 1),
        ("no text", "\u{1b}[2J".to_owned(), "unreachable", 1),
        ("giant", giant, "unreachable", 1),
        ("many that are not there", format!("{other}  b\n").repeat(100), "unknown", 17),
    ] {
        site.put(&format!("/tree/{name}/SHA256SUMS"), list);
        let (standing, ended) = alpha(&world, &[]);
        ended.assert_plain();
        assert_eq!(standing["kind"], kind, "{what}: {standing}");
        let asked = requests.take();
        assert!(asked.len() <= most, "{what}: {asked:?}");
        let below = format!(" /tree/{name}/");
        assert!(asked.iter().all(|it| it.contains(&below) && !it.contains("..")), "{asked:?}");
    }
    site.put(&format!("/tree/{name}/SHA256SUMS"), format!("{} *./a\n", sha256(&link)));
    alpha(&world, &[]).1.assert_code(0);
}

fn bundled(site: &Site, key: &Key) -> (Server, Requests, World) {
    let (server, requests) = site.serve();
    let world = machine(&[key], &[format!("directory {}x.tar.gz", server.url())]);
    (server, requests, world)
}

#[test]
fn a_bundle_is_fetched_once_a_run_and_kept_while_the_server_has_no_other() {
    for state in ["ETag: \"one\"", "Last-Modified: Tue, 24 Nov 2026 10:00:00 GMT"] {
        let (site, key) = (Site::default(), Key::new());
        let others = ["aa", "bb", "cc"].map(|name| Deb::new(name, "1.0", "all"));
        let all: Vec<_> = others.iter().chain([&hello()]).map(|it| attestation(it, &key)).collect();
        site.put_with("/x.tar.gz", bundle(&all), state);
        let (_server, requests, world) = bundled(&site, &key);
        let files: Vec<_> = others.iter().chain([&hello()]).map(|it| world.put(it)).collect();
        let judge = || {
            let _ = fs::remove_dir_all(world.path("cache/attestations"));
            common::run(world.verify_command(&[]).args(&files))
        };
        judge().assert_code(0);
        assert_eq!(requests.take(), ["200 /x.tar.gz"]);
        judge().assert_code(0);
        assert_eq!(requests.take(), ["304 /x.tar.gz"]);
        // Another one, in which hello is not, under another state.
        site.put_with(
            "/x.tar.gz",
            bundle(&all[..3]),
            &state.replace("one", "two").replace("10:", "11:"),
        );
        judge().assert_code(1);
        assert_eq!(requests.take(), ["200 /x.tar.gz"]);
        judge().assert_code(1);
        assert_eq!(requests.take(), ["304 /x.tar.gz"]);
    }
}

#[test]
fn a_bundle_of_an_earlier_run_is_used_where_there_is_none_now() {
    let (site, key) = (Site::default(), Key::new());
    site.put_with("/x.tar.gz", bundle(&[attestation(&hello(), &key)]), "ETag: \"one\"");
    let (server, requests, world) = bundled(&site, &key);
    alpha(&world, &[]).1.assert_code(0);
    requests.take();
    alpha(&world, &["--offline"]).1.assert_code(0);
    assert!(requests.take().is_empty());
    site.put("/x.tar.gz", b"not a bundle any more");
    alpha(&world, &[]).1.assert_code(0);
    site.remove("/x.tar.gz");
    alpha(&world, &[]).1.assert_code(0);
    drop(server);
    alpha(&world, &[]).1.assert_code(0);
    // What it does not have, the server could have.
    let other = Deb::new("other", "1.0", "all");
    world.verify(&other).assert_code(3);
    fs::remove_dir_all(world.path("cache/bundles")).unwrap();
    alpha(&world, &[]).1.assert_code(3);
}

#[test]
fn a_kept_bundle_is_believed_no_more_than_the_network() {
    let (site, key) = (Site::default(), Key::new());
    let good = bundle(&[attestation(&hello(), &key)]);
    site.put_with("/x.tar.gz", &good, "ETag: \"one\"");
    let (_server, requests, world) = bundled(&site, &key);
    alpha(&world, &[]).1.assert_code(0);
    requests.take();
    let kept = fs::read_dir(world.path("cache/bundles")).unwrap().map(|it| it.unwrap().path());
    let kept = kept.filter(|it| it.extension().unwrap() == "gz").collect::<Vec<_>>();
    assert_eq!(kept.len(), 1);
    for planted in [
        bundle(&[attestation(&hello(), &Key::new())]),
        bundle(&[common::bundle::odd("x", b'2', "/etc/passwd")]),
        good[..good.len() / 2].to_vec(),
        Vec::new(),
    ] {
        fs::write(&kept[0], planted).unwrap();
        alpha(&world, &[]).1.assert_code(0);
        // It is not what the server said something about, so all of it was fetched again.
        assert_eq!(requests.take(), ["200 /x.tar.gz"]);
        assert!(fs::read(&kept[0]).unwrap() == good);
    }
}

/// Every row is an answer instead of a bundle.
#[test]
fn whatever_a_server_sends_instead_of_a_bundle_is_worth_nothing() {
    let key = Key::new();
    let good = bundle(&[attestation(&hello(), &key)]);
    let half = good[..good.len() / 2].to_vec();
    let giant = |body: &[u8]| Reply::Whole {
        status: 200,
        headers: Vec::new(),
        body: [body, &vec![b'x'; 64 << 20]].concat(),
    };
    type Answer = Box<dyn Fn() -> Reply + Send + Sync>;
    let rows: [(&str, &str, Answer); 6] = [
        ("half", "cut off", Box::new(move || Reply::json(half.clone()))),
        ("a page", "not compressed by gzip", Box::new(|| Reply::json("<html>"))),
        ("giant", "larger than 64 MiB", Box::new(move || giant(&good))),
        ("not modified, which was not asked", "HTTP 304", Box::new(|| Reply::status(304))),
        ("nothing", "there is no bundle", Box::new(|| Reply::status(404))),
        ("trouble", "HTTP 500", Box::new(|| Reply::status(500))),
    ];
    for (what, why, answer) in rows {
        let server = Server::start(move |_| answer());
        let world = machine(&[&key], &[format!("directory {}x.tar.gz", server.url())]);
        let (standing, ended) = alpha(&world, &[]);
        ended.assert_code(3).assert_plain();
        let said = standing["why"].as_str().unwrap();
        assert!(said.contains(why), "{what}: {said}");
        assert!(
            !world.path("cache/bundles").exists()
                || fs::read_dir(world.path("cache/bundles")).unwrap().count() == 0,
            "{what}"
        );
    }
}
