//! Over https only those are believed to be the rebuilder's server whose certificate somebody
//! trusted signed. What they send is verified anyway; this is about who hears the questions.

use std::fs;
use std::io::BufReader;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::certificate::Certificate;
use crate::common::rebuilder::{confirming, hello};
use crate::common::server::{Reply, Server, read_head, write_whole};
use crate::common::{self, Ended, Key, World, run};

/// A rebuilder that confirms `hello` over https, and how many requests it got.
struct Rebuilder {
    world: World,
    server: Server,
    requests: Arc<AtomicUsize>,
    /// The id of the key that it publishes
    key: Option<String>,
}

impl Rebuilder {
    /// Its endpoint is called by `host`.
    fn new(certificate: &Certificate, host: &str) -> Self {
        let (key, mut rebuilder) = confirming(&[&hello()]);
        rebuilder.keys = vec![key.pem_of_rebuilderd()];
        let endpoint = format!("rebuilderd https://{host}");
        let id = key.id();
        let answer = move |target: &str| rebuilder.answer(target);
        Self { key: Some(id), ..Self::answering(certificate, &key, &endpoint, "", answer) }
    }

    /// Its endpoint, which is `PROTOCOL https://HOST` before the port and `path` behind it,
    /// answers so.
    fn answering(
        certificate: &Certificate,
        key: &Key,
        endpoint: &str,
        path: &str,
        answer: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let configuration = certificate.server_configuration();
        let requests = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&requests);
        let server = Server::on_connection(move |stream, _| {
            let connection = rustls::ServerConnection::new(Arc::clone(&configuration)).unwrap();
            let tls = rustls::StreamOwned::new(connection, stream.try_clone().unwrap());
            let mut tls = BufReader::new(tls);
            while let Some(head) = read_head(&mut tls) {
                counted.fetch_add(1, Ordering::SeqCst);
                let reply = answer(head.split(' ').nth(1).unwrap());
                let Reply::Whole { status, headers, body } = reply else { return };
                write_whole(tls.get_mut(), status, &headers, &body).unwrap();
            }
        });
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        let url = format!("{endpoint}:{}/{path}", server.address.port());
        world.rebuilder("alpha", key, &[url]);
        Self { world, server, requests, key: None }
    }

    /// The administrator trusts this certificate, as apt is told to.
    fn trust(&self, certificate: &Certificate) {
        let mut apt = fs::read_to_string(self.world.path("apt.conf")).unwrap();
        let path = certificate.path("certificate.pem");
        apt += &format!("Acquire::https::CAInfo \"{}\";\n", path.display());
        self.world.write("apt.conf", apt);
    }

    /// The administrator trusts this certificate by the configuration alone, apt knows nothing.
    fn pin(&self, certificate: &Certificate) {
        let pem = fs::read_to_string(certificate.path("certificate.pem")).unwrap();
        self.world.write("etc/authorities.pem", pem);
        let network = "[network]\nauthorities = \"authorities.pem\"\n";
        self.world.policy(&format!("mode = \"enforce\"\nthreshold = 1\n{network}"));
    }

    /// Asks for its keys.
    fn refresh(&self) -> Ended {
        let directory = self.world.path("etc");
        run(self.world.command().args(["rebuilder", "refresh", "--config"]).arg(directory))
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[test]
fn a_server_whose_certificate_is_trusted_is_asked() {
    let Some(certificate) = Certificate::new() else { return };
    let rebuilder = Rebuilder::new(&certificate, "localhost");
    rebuilder.trust(&certificate);
    rebuilder.world.verify(&hello()).assert_code(0);
    assert_eq!(rebuilder.requests(), 2);
}

#[test]
fn the_configuration_can_bring_authorities_along() {
    let Some(certificate) = Certificate::new() else { return };
    let rebuilder = Rebuilder::new(&certificate, "localhost");
    // Another one's does not help.
    rebuilder.pin(&Certificate::new().unwrap());
    rebuilder.world.verify(&hello()).assert_code(3);
    assert_eq!(rebuilder.requests(), 0);
    rebuilder.pin(&certificate);
    rebuilder.world.verify(&hello()).assert_code(0);
    assert_eq!(rebuilder.requests(), 2);
    rebuilder.refresh().assert_code(0);
    assert_eq!(rebuilder.requests(), 3);
}

#[test]
fn bundles_and_trees_are_fetched_over_https_as_well() {
    let Some(certificate) = Certificate::new() else { return };
    let key = Key::new();
    let link = hello().link(&key);
    let bundle = common::bundle::bundle(&[common::bundle::attestation(&hello(), &key)]);
    let list = format!("{}  a\n", common::sha256(&link));
    for (path, requests) in [("some/x.tar.gz", 1), ("some/tree/", 2)] {
        let (bundle, link, list) = (bundle.clone(), link.clone(), list.clone());
        let directory = format!("/some/tree/{}/", hello().file_name());
        let answer = move |target: &str| match target.strip_prefix(&directory) {
            Some("SHA256SUMS") => Reply::json(list.clone()),
            Some("a") => Reply::json(link.clone()),
            _ if target == "/some/x.tar.gz" => Reply::json(bundle.clone()),
            _ => Reply::status(404),
        };
        let endpoint = "directory https://localhost";
        let rebuilder = Rebuilder::answering(&certificate, &key, endpoint, path, answer);
        rebuilder.world.verify(&hello()).assert_code(3);
        assert_eq!(rebuilder.requests(), 0);
        rebuilder.trust(&certificate);
        rebuilder.world.verify(&hello()).assert_code(0);
        assert_eq!(rebuilder.requests(), requests, "{path}");
    }
}

#[test]
fn a_server_whose_certificate_nobody_trusts_hears_no_question() {
    let Some(certificate) = Certificate::new() else { return };
    let rebuilder = Rebuilder::new(&certificate, "localhost");
    let (decision, ended) = rebuilder.world.decision(&hello(), &[]);
    ended.assert_code(3);
    let why = decision["rebuilders"]["alpha"]["why"].as_str().unwrap();
    assert!(why.starts_with(NOBODY), "{why}");
    assert!(rebuilder.server.connections() > 0);
    assert_eq!(rebuilder.requests(), 0);
    // Another one is no better.
    rebuilder.trust(&Certificate::new().unwrap());
    rebuilder.world.verify(&hello()).assert_code(3);
    assert_eq!(rebuilder.requests(), 0);
}

#[test]
fn keys_are_asked_for_under_the_same_rules() {
    let Some(certificate) = Certificate::new() else { return };
    let rebuilder = Rebuilder::new(&certificate, "localhost");
    let ended = rebuilder.refresh();
    assert!(ended.assert_code(3).stdout.contains(NOBODY), "{ended:?}");
    assert_eq!(rebuilder.requests(), 0);
    rebuilder.trust(&certificate);
    rebuilder.refresh().assert_code(0);
    assert_eq!(rebuilder.requests(), 1);
    // What it says is worth no more for that.
    let url = format!("https://localhost:{}/", rebuilder.server.address.port());
    rebuilder.world.rebuilder("alpha", &Key::new(), &[format!("rebuilderd {url}")]);
    let ended = rebuilder.refresh();
    let id = rebuilder.key.clone().unwrap();
    let advice =
        format!("published by localhost at {url}; compare it with what the rebuilder publishes");
    assert!(ended.assert_code(1).stdout.contains(&advice), "{ended:?}");
    assert!(ended.stdout.contains(&id), "{ended:?}");
}

#[test]
fn a_server_with_the_certificate_of_another_host_hears_no_question() {
    let Some(certificate) = Certificate::new() else { return };
    let rebuilder = Rebuilder::new(&certificate, "127.0.0.1");
    rebuilder.trust(&certificate);
    let (decision, ended) = rebuilder.world.decision(&hello(), &[]);
    ended.assert_code(3);
    let why = decision["rebuilders"]["alpha"]["why"].as_str().unwrap();
    assert_eq!(why, "the server's certificate is not for the name 127.0.0.1");
    assert_eq!(rebuilder.requests(), 0);
}

/// As most tools make one: an authority that signed itself, and the server's own.
fn authority(options: &[&str]) -> Option<Certificate> {
    Certificate::with(&[&["-days", "2"], options].concat())
}

#[test]
fn a_server_may_have_the_very_certificate_that_is_trusted() {
    for by_apt in [false, true] {
        let Some(certificate) = authority(&[]) else { return };
        let rebuilder = Rebuilder::new(&certificate, "localhost");
        if by_apt {
            rebuilder.trust(&certificate)
        } else {
            rebuilder.pin(&certificate)
        }
        rebuilder.world.verify(&hello()).assert_code(0);
        assert_eq!(rebuilder.requests(), 2);
        rebuilder.refresh().assert_code(0);
    }
}

#[test]
fn apts_file_with_authorities_is_found_for_the_host_too() {
    let Some(certificate) = authority(&[]) else { return };
    for name in ["https::localhost", "quorum+https", "quorum", "http"] {
        let rebuilder = Rebuilder::new(&certificate, "localhost");
        let mut apt = fs::read_to_string(rebuilder.world.path("apt.conf")).unwrap();
        let path = certificate.path("certificate.pem");
        apt += &format!("Acquire::{name}::CAInfo \"{}\";\n", path.display());
        rebuilder.world.write("apt.conf", apt);
        rebuilder.world.verify(&hello()).assert_code(0);
    }
}

#[test]
fn that_it_is_trusted_as_an_authority_lets_it_off_nothing_else() {
    let Some(good) = authority(&[]) else { return };
    let why = |served: &Certificate, trusted: &Certificate, host: &str| {
        let rebuilder = Rebuilder::new(served, host);
        rebuilder.pin(trusted);
        let (decision, ended) = rebuilder.world.decision(&hello(), &[]);
        ended.assert_code(3);
        assert_eq!(rebuilder.requests(), 0);
        decision["rebuilders"]["alpha"]["why"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        why(&good, &good, "127.0.0.1"),
        "the server's certificate is not for the name 127.0.0.1"
    );
    // An authority of the same name that is another one: what it signed is no more than that.
    let another = authority(&[]).unwrap();
    assert!(!why(&another, &good, "localhost").is_empty());
    let old = Certificate::dated("20200101000000Z", "20210101000000Z").unwrap();
    assert_eq!(why(&old, &old, "localhost"), "the server's certificate expired on 2021-01-01");
    let early = Certificate::dated("20900101000000Z", "20910101000000Z").unwrap();
    let expected =
        "the server's certificate is not valid before 2090-01-01: is this machine's clock right?";
    assert_eq!(why(&early, &early, "localhost"), expected);
}

/// Where nobody who is trusted signed a certificate.
const NOBODY: &str = "the server's certificate is from an unknown authority";
