//! Rebuilders with keys of their own and servers that answer as rebuilderd does.
//!
//! Real rebuilderd servers are used by the demo; here what a rebuilder says, and how it fails,
//! must be the test's to decide.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::archive::Package;
use super::rebuilder_key::RebuilderKey;
use super::server::{Answer, Server};

/// A rebuilder: a key, what it attests, and how its server is.
#[derive(Clone)]
pub struct Rebuilder {
    pub name: &'static str,
    scheme: &'static str,
    key: Arc<Mutex<RebuilderKey>>,
    records: Arc<Mutex<BTreeMap<u64, Record>>>,
    mood: Arc<Mutex<Mood>>,
    server: Server,
}

/// How a server behaves.
#[derive(Clone, Copy, PartialEq)]
pub enum Mood {
    Fine,
    Hangs,
    Fails,
    /// It gives each answer after this time
    Slow(Duration),
    /// It sends a byte a second
    Drips,
}

#[derive(Clone)]
struct Record {
    package: Package,
    link: Option<String>,
    status: &'static str,
}

impl Rebuilder {
    pub fn new(name: &'static str) -> Self {
        Self::with(name, "http", |handler| Server::start(handler))
    }

    /// One behind TLS, with its certificate.
    pub fn new_tls(name: &'static str, pair: &(Vec<u8>, Vec<u8>)) -> (Self, Vec<u8>) {
        let tls = super::world::tls(pair);
        (Self::with(name, "https", |handler| Server::start_tls(tls, handler)), pair.1.clone())
    }

    fn with(
        name: &'static str,
        scheme: &'static str,
        start: impl FnOnce(Box<dyn Fn(&str) -> Answer + Send + Sync>) -> Server,
    ) -> Self {
        let records: Arc<Mutex<BTreeMap<u64, Record>>> = Arc::default();
        let mood = Arc::new(Mutex::new(Mood::Fine));
        let (shared, mood_of) = (Arc::clone(&records), Arc::clone(&mood));
        let server = start(Box::new(move |path| match *mood_of.lock().unwrap() {
            Mood::Fine => answer(&shared.lock().unwrap(), path),
            Mood::Hangs => Answer::Hang,
            Mood::Fails => Answer::Status(500),
            Mood::Slow(delay) => {
                Answer::Late(delay, Box::new(answer(&shared.lock().unwrap(), path)))
            }
            Mood::Drips => match answer(&shared.lock().unwrap(), path) {
                Answer::Body(body) => Answer::Drip(body),
                other => other,
            },
        }));
        Self { name, scheme, key: Arc::new(Mutex::new(RebuilderKey::new())), records, mood, server }
    }

    /// Says that it rebuilt the package and got these bytes.
    pub fn attests(&self, package: &Package) {
        let link = self.key.lock().unwrap().link(&package.artifact(), &package.sha256());
        self.add(Record { package: package.clone(), link: Some(link), status: "GOOD" });
    }

    /// Signs one attestation about the package with these products.
    pub fn attests_to(&self, package: &Package, products: &[(String, String)]) {
        let products: Vec<(&str, &str)> =
            products.iter().map(|(name, sha256)| (name.as_str(), sha256.as_str())).collect();
        let link = self.key.lock().unwrap().link_of(&package.artifact(), &products);
        self.add(Record { package: package.clone(), link: Some(link), status: "GOOD" });
    }

    /// Says that it rebuilt the package and got something else.
    pub fn denies(&self, package: &Package) {
        self.add(Record { package: package.clone(), link: None, status: "BAD" });
    }

    /// Signs with a new key from now on.
    pub fn changes_its_key(&self) {
        *self.key.lock().unwrap() = RebuilderKey::new();
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its file in rebuilders.d.
    pub fn configuration(&self) -> String {
        format!(
            "{}[[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{}://{}/\"\n",
            self.key.lock().unwrap().configuration(self.name),
            self.scheme,
            self.server.authority()
        )
    }

    fn add(&self, record: Record) {
        let mut records = self.records.lock().unwrap();
        let id = u64::try_from(records.len()).unwrap() + 1;
        records.insert(id, record);
    }
}

fn answer(records: &BTreeMap<u64, Record>, path: &str) -> Answer {
    let json = |value: serde_json::Value| Answer::Body(value.to_string().into_bytes().into());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
    match parts.as_slice() {
        ["packages", "binary"] => {
            let query = query.replace("%2B", "+").replace("%3A", ":").replace("%7E", "~");
            let wanted: BTreeMap<&str, &str> =
                query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            let is = |key: &str, value: &str| wanted.get(key).is_none_or(|it| *it == value);
            let number = |key: &str| wanted.get(key).and_then(|it| it.parse::<u64>().ok());
            let found: Vec<_> = records
                .iter()
                .filter(|(_, it)| is("name", &it.package.name))
                .filter(|(_, it)| is("version", &it.package.version))
                .filter(|(_, it)| is("architecture", &it.package.architecture))
                .collect();
            let after = number("after").unwrap_or_default();
            let limit = number("limit").and_then(|it| it.try_into().ok()).unwrap_or(usize::MAX);
            let page: Vec<serde_json::Value> = found
                .iter()
                .filter(|(id, _)| **id > after)
                .take(limit)
                .map(|(id, it)| {
                    serde_json::json!({
                        "id": id, "name": it.package.name, "version": it.package.version,
                        "architecture": it.package.architecture, "status": it.status,
                        "build_id": id, "artifact_id": id,
                    })
                })
                .collect();
            json(serde_json::json!({ "total": found.len(), "records": page }))
        }
        ["builds", id, "artifacts", _, "attestation"] => {
            let record = id.parse().ok().and_then(|id: u64| records.get(&id));
            match record.and_then(|it| it.link.clone()) {
                Some(link) => Answer::Body(link.into_bytes().into()),
                None => Answer::None,
            }
        }
        _ => Answer::None,
    }
}
