//! A rebuilder's rebuilderd, as far as clients of its API (version 1) can tell.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{Reply, Server};
use super::{Deb, Key, World};

pub fn hello() -> Deb {
    Deb::new("hello", "2.10-3", "amd64")
}

/// Rebuilders called `alpha`, `beta` and so on, each with what `answer` makes of its key.
pub fn rebuilders(world: &World, rebuilders: Vec<(Key, Rebuilder)>) -> Vec<Server> {
    let names = ["alpha", "beta", "gamma", "delta"];
    let mut servers = Vec::new();
    for (name, (key, rebuilder)) in names.into_iter().zip(rebuilders) {
        let server = rebuilder.serve();
        world.rebuilder(name, &key, &[server.endpoint()]);
        servers.push(server);
    }
    servers
}

pub fn confirming(debs: &[&Deb]) -> (Key, Rebuilder) {
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, debs.iter().copied());
    (key, rebuilder)
}

pub fn ignorant() -> (Key, Rebuilder) {
    (Key::new(), Rebuilder::default())
}

/// One rebuilder whose word is enough.
pub fn alone(key: Key, rebuilder: Rebuilder) -> (World, Server) {
    let world = World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    let server = rebuilders(&world, vec![(key, rebuilder)]).remove(0);
    (world, server)
}

/// What a rebuilderd knows.
#[derive(Default)]
pub struct Rebuilder {
    /// Records of `packages/binary`
    pub binaries: Vec<Value>,
    pub builds: Vec<Value>,
    /// By build
    pub artifacts: BTreeMap<u64, Vec<Value>>,
    /// By build and artifact
    pub attestations: BTreeMap<(u64, u64), Vec<u8>>,
    /// The keys that it publishes, in PEM
    pub keys: Vec<String>,
}

impl Rebuilder {
    /// One that signed these packages with `key`.
    pub fn confirming<'a>(key: &Key, debs: impl IntoIterator<Item = &'a Deb>) -> Self {
        let mut rebuilder = Self::default();
        for deb in debs {
            rebuilder.build(deb, "GOOD", Some(deb.link(key)));
        }
        rebuilder
    }

    /// Adds a build of `deb`, which is the latest one now, and gives its number.
    pub fn build(&mut self, deb: &Deb, status: &str, attestation: Option<Vec<u8>>) -> u64 {
        self.build_for(deb, "trixie", status, attestation)
    }

    pub fn build_for(
        &mut self,
        deb: &Deb,
        release: &str,
        status: &str,
        attestation: Option<Vec<u8>>,
    ) -> u64 {
        let build = self.builds.len() as u64 + 1;
        let artifact = 1000 + build;
        let source = format!("src-{}", deb.name);
        self.builds.push(json!({
            "id": build, "name": source, "version": deb.version, "distribution": "debian",
            "release": release, "component": "main", "architecture": deb.architecture,
            "backend": "debian", "retries": 0, "status": status, "built_at": built_at(build),
        }));
        self.artifacts.entry(build).or_default().push(json!({
            "id": artifact, "name": deb.name, "status": status,
            "has_diffoscope": status == "BAD", "has_attestation": attestation.is_some(),
        }));
        let has_attestation = attestation.is_some();
        if let Some(attestation) = attestation {
            self.attestations.insert((build, artifact), attestation);
        }
        // A binary of a release has one record, which shows its latest build.
        self.binaries.retain(|it| {
            (it["name"] != deb.name.as_str())
                || it["version"] != deb.version.as_str()
                || it["architecture"] != deb.architecture.as_str()
                || it["release"] != release
        });
        self.binaries.push(json!({
            "id": 5000 + build, "name": deb.name, "version": deb.version,
            "distribution": "debian", "release": release, "component": "main",
            "architecture": deb.architecture, "url": "https://deb.example/x.deb",
            "status": status, "build_id": build, "artifact_id": artifact,
            "diffoscope_log_id": if status == "BAD" { json!(build) } else { Value::Null },
            "attestation_log_id": if has_attestation { json!(build) } else { Value::Null },
            "last_seen": "2026-11-22T03:05:39.479465935", "seen_in_last_sync": true,
        }));
        build
    }

    /// One that publishes these keys, as rebuilderd writes them.
    pub fn publishing(keys: &[&Key]) -> Self {
        Self { keys: keys.iter().map(|key| key.pem_of_rebuilderd()).collect(), ..Self::default() }
    }

    /// The list of its keys, if it has one.
    fn keys(&self) -> Option<Value> {
        (!self.keys.is_empty()).then(|| json!({ "current": self.keys }))
    }

    pub fn serve(self) -> Server {
        Server::start(move |target| self.answer(target))
    }

    /// One before 0.26, which has version 0 of the API only.
    pub fn serve_as_an_old_one(self) -> Server {
        Server::start(move |target| self.answer_by_version_0(target))
    }

    pub fn answer_by_version_0(&self, target: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = decoded(query);
        let Some(path) = path.strip_prefix("/api/v0/") else { return Reply::status(404) };
        if let ("public-keys", Some(keys)) = (path, self.keys()) {
            return Reply::json(keys.to_string());
        }
        if path == "pkgs/list" {
            let filters = ["name", "architecture"];
            let matches = |it: &&Value| {
                filters.iter().all(|key| query.get(*key).is_none_or(|wanted| it[key] == **wanted))
            };
            let record = |it: &Value| {
                json!({
                    "name": it["name"], "version": it["version"], "status": it["status"],
                    "distro": "debian", "suite": "main", "architecture": it["architecture"],
                    "artifact_url": it["url"], "build_id": it["build_id"], "built_at": null,
                    "has_diffoscope": it["status"] == "BAD", "has_attestation": false,
                })
            };
            let all: Vec<Value> = self.binaries.iter().filter(matches).map(record).collect();
            return Reply::json(Value::from(all).to_string());
        }
        // The first one of a build, whatever file was asked about.
        let build = path.strip_prefix("builds/").and_then(|it| it.strip_suffix("/attestation"));
        let build: u64 = build.and_then(|it| it.parse().ok()).unwrap_or_default();
        let found = self.attestations.range((build, 0)..(build + 1, 0)).next();
        found.map_or_else(|| Reply::status(404), |(_, bytes)| Reply::json(bytes.clone()))
    }

    pub fn answer(&self, target: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = decoded(query);
        let Some(path) = path.strip_prefix("/api/v1/") else { return Reply::status(404) };
        let parts: Vec<&str> = path.split('/').collect();
        let found = match parts.as_slice() {
            ["packages", "binary"] => Some(page(&self.binaries, &query)),
            ["meta", "public-keys"] => self.keys(),
            ["builds"] => Some(page(&self.builds, &query)),
            ["builds", build] => {
                let id = build.parse().unwrap_or(0_u64);
                self.builds.iter().find(|it| it["id"] == id).cloned()
            }
            ["builds", build, "artifacts"] => {
                build.parse().ok().and_then(|id: u64| Some(json!(self.artifacts.get(&id)?)))
            }
            ["builds", build, "artifacts", artifact, "attestation"] => {
                let id = (build.parse().unwrap_or(0), artifact.parse().unwrap_or(0));
                return match self.attestations.get(&id) {
                    Some(bytes) => Reply::json(bytes.clone()),
                    None => Reply::status(404),
                };
            }
            _ => None,
        };
        found.map_or_else(|| Reply::status(404), |it| Reply::json(it.to_string()))
    }
}

/// The end of a build, as rebuilderd writes it: in UTC, a day for each build.
pub fn built_at(build: u64) -> Value {
    let day = Some(build).filter(|it| *it <= 30);
    day.map_or(Value::Null, |day| json!(format!("2026-09-{day:02}T03:05:39.479465935")))
}

/// A page of the records that the filters leave: in the order of their ids, after the cursor, and
/// by default no more than 1000. `total` counts all of them.
fn page(records: &[Value], query: &BTreeMap<String, String>) -> Value {
    let filters = ["name", "version", "architecture", "release"];
    let matches = |record: &&Value| {
        filters.iter().all(|key| query.get(*key).is_none_or(|wanted| record[key] == **wanted))
    };
    let mut matching: Vec<&Value> = records.iter().filter(matches).collect();
    matching.sort_by_key(|record| record["id"].as_u64());
    let total = matching.len();
    let after = query.get("after").map_or(0, |id| id.parse().unwrap());
    let limit = query.get("limit").map_or(1000, |count| count.parse().unwrap());
    let records: Vec<&Value> = matching
        .into_iter()
        .filter(|record| record["id"].as_u64() > Some(after))
        .take(limit)
        .collect();
    json!({ "total": total, "records": records })
}

/// The pairs of a query, as servers read them: `+` is a space.
fn decoded(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let mut out = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'+' => out.push(b' '),
                b'%' => {
                    let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                    out.push(u8::from_str_radix(&digits, 16).unwrap());
                }
                _ => out.push(byte),
            }
        }
        String::from_utf8(out).unwrap()
    };
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}
