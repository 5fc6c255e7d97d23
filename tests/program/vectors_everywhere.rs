//! Every attack on attestations in `tests/vectors` that is about a file, put to all entrances and
//! commands: by the program itself, with the vector's keys as its configuration and the vector's
//! attestation in its cache. All of them must come to what the vector expects.
//!
//! `tests/core/attestation_vectors.rs` puts them to the function that verifies. This test shows that
//! nobody has another reader, reads keys otherwise, or counts what the others do not. A threshold of
//! one makes every vote a difference.
//!
//! The program has a clock of its own, so what is dated in a vector is moved: it is as old on the day
//! of the run as it is on the day at which vectors are judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::io::{BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use apt_quorum::apt::message::Message;
use apt_quorum::attest::{self, WantedFile};
use apt_quorum::types::{Identity, Sha256Digest, Timestamp};
use serde_json::{Value, json};

use crate::common::apt::with_archive;
use crate::common::{Deb, Ended, Key, World, is_root, left_out, run, write_script};
use crate::vectors::{Built, Vector, directories, expected, sort};

/// Fewer vectors that are put to everybody would mean that some were lost.
const FEWEST: usize = 318;

/// How often each is asked about, where everybody can be asked.
const ASKED: usize = 10;

/// Vectors that come to something else a second later. The program has a clock of its own, so it
/// cannot be asked at the very moment.
const OF_A_MOMENT: [&str; 4] = [
    "dsse-svr-in-its-last-second",
    "dsse-svr-more-than-a-day-ahead",
    "gpg-certificate-in-its-last-second",
    "key-in-its-last-second",
];

/// Vectors with a key that no configuration can have. What the verification makes of it is the
/// second wall.
const OF_NO_CONFIGURATION: [&str; 1] = ["small-order-key"];

/// A rebuilder where a vector has none: without any there would be no policy. It signs nothing.
const BYSTANDER: &str = "bystander";

/// Answers each request with what lies in `http.reply`.
const WRAPPED: &str = "#!/bin/sh
here=$(dirname \"$0\")
printf '100 Capabilities\\nVersion: 1.2\\nPipeline: true\\nSend-Config: true\\nSend-URI-Encoded: true\\n\\n'
while IFS= read -r line; do
    case $line in
    600*) cat \"$here/http.reply\" ;;
    esac
done
";

/// What somebody says about a file, as far as they say it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    confirmed: bool,
    /// Whose votes were counted
    votes: Option<BTreeSet<String>>,
    /// Who signed another file
    conflicts: BTreeSet<String>,
    /// Why the attestation is no claim: its code, or the text for people
    rejection: Option<String>,
}

fn names<'a>(all: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    all.into_iter().map(str::to_owned).collect()
}

/// What a decision or an assessment says as JSON.
fn said(it: &Value) -> Said {
    let of = |member: &str| {
        let claims = it[member].as_array().into_iter().flatten();
        names(claims.map(|claim| claim["rebuilder"].as_str().unwrap()))
    };
    let rebuilders = it["rebuilders"].as_object().unwrap();
    let confirming = rebuilders.iter().filter(|(_, it)| it["kind"] == "confirms");
    let confirming = names(confirming.map(|(name, _)| name.as_str()));
    assert_eq!(of("claims"), confirming, "who confirms and whose claims there are: {it}");
    let rejected = rebuilders.values().find(|it| it["kind"] == "rejected");
    let rejected = rejected.map(|it| it["code"].as_str().unwrap().to_owned());
    let noted = it["notes"].as_array().map(|it| it[0].as_str().unwrap().to_owned());
    Said {
        confirmed: it["decision"] == "admit" || it["state"] == "confirmed",
        votes: Some(confirming),
        conflicts: of("conflicts"),
        rejection: rejected.or(noted),
    }
}

/// A world that has all files that vectors are about, listed in an index of apt, and the program
/// under the names of all its entrances.
struct Stage {
    world: World,
    has_apt: bool,
    /// Whether apt's own directory is ours here, for entrances that mind no variable
    has_etc: bool,
}

impl Stage {
    fn new(debs: &[&Deb]) -> Self {
        let world = World::new();
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        let has_apt = with_archive(&world, debs, &[]);
        let at = world.directory.path().display().to_string();
        let conf = fs::read_to_string(world.path("apt.conf")).unwrap();
        let conf = conf + &format!("APT::Quorum::Config \"{at}/etc\";\n");
        world.write("apt.conf", &conf);
        for name in [
            "methods",
            "archives",
            "archives/partial",
            "evidence",
            "etc-apt",
            "etc-apt/apt.conf.d",
            "target",
            "target/var",
            "target/var/lib",
            "target/var/lib/dpkg",
        ] {
            world.make_directory(name);
        }
        world.write("etc-apt/apt.conf", conf);
        write_script(&world.path("methods/http"), WRAPPED);
        let program = env!("CARGO_BIN_EXE_gate");
        for name in [
            "methods/quorum+http",
            "before-prompt",
            "pre-install-pkgs",
            "debsig-verify",
            "dpkg-pre-invoke",
        ] {
            symlink(program, world.path(name)).unwrap();
        }
        let has_etc = is_root() && own_etc(&world.path("etc-apt")).is_ok();
        Self { world, has_apt, has_etc }
    }

    /// What apt tells its hooks and methods of its configuration.
    fn settings(&self) -> Vec<(&str, String)> {
        let at = |name: &str| self.world.path(name).display().to_string();
        let lists = if self.has_apt { "apt/lists" } else { "lists" };
        let mut all = vec![
            ("APT::Quorum::Config", at("etc")),
            ("APT::Quorum::State", at("state")),
            ("APT::Quorum::Cache", at("cache")),
            ("Dir::State::lists", at(lists)),
            ("Dir::Bin::Methods", at("methods")),
            ("Dir::Cache::archives", at("archives")),
            ("Acquire::http::Proxy", "DIRECT".to_owned()),
        ];
        if is_root() {
            all.push(("APT::Sandbox::User", "_apt".to_owned()));
        }
        all
    }

    /// Writes the rebuilders down, as the vector has them, the first one with these endpoints. Gives its
    /// name.
    fn trust(&self, vector: &Vector, built: &Built, endpoints: &str) -> String {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        let quoted = |text: &str| Value::from(text).to_string();
        for it in &built.pinned {
            let file =
                files.entry(&it.rebuilder).or_insert(format!("name = \"{}\"\n", it.rebuilder));
            *file +=
                &format!("[[key]]\ntype = \"{}\"\npublic = '''{}'''\n", it.kind.name(), it.text);
            if let Some(not_after) = it.not_after {
                *file += &format!("not_after = {}\n", not_after.date());
            }
        }
        if files.is_empty() {
            let key = Key::new().pem();
            let key = format!("[[key]]\ntype = \"ed25519\"\npublic = '''{key}'''\n");
            files.insert(BYSTANDER, format!("name = \"{BYSTANDER}\"\n{key}"));
        }
        for it in &vector.attack.accept {
            let file = files.get_mut(&*it.rebuilder).expect("who has no key signs nothing");
            *file += &format!("[[statement]]\ntype = \"{}\"\n", it.r#type);
            for (key, value) in [("builder", &it.builder), ("verifier", &it.verifier)] {
                if let Some(value) = value {
                    *file += &format!("{key} = {}\n", quoted(value));
                }
            }
            if let Some(properties) = &it.property {
                *file += &format!("property = {}\n", Value::from(properties.clone()));
            }
            if let Some(days) = it.days {
                *file += &format!("max_age_days = {days}\n");
            }
        }
        let (first, text) =
            files.first_entry().map(|it| (it.key().to_string(), it.into_mut())).unwrap();
        *text += endpoints;
        for (name, text) in files {
            self.world.write(&format!("etc/rebuilders.d/{name}.toml"), text);
        }
        first
    }

    /// Asks everybody, and gives who said what. Nothing if the configuration is refused.
    fn ask(&self, vector: &Vector, built: &Built, deb: &Deb) -> Option<Vec<(&'static str, Said)>> {
        let world = &self.world;
        for name in ["etc/rebuilders.d", "evidence", "state", "cache/attestations"] {
            let _ = fs::remove_dir_all(world.path(name));
        }
        let artifact = vector.subject().artifact_name();
        world.make_directory("etc/rebuilders.d");
        world.make_directory(&format!("evidence/{artifact}"));
        let path = world.put(deb);
        let file = path.to_str().unwrap();

        // By an endpoint, to which root goes by way of a process without privileges.
        let tree = world.path("evidence");
        let endpoint = format!(
            "[[endpoint]]\nprotocol = \"directory\"\nurl = \"file://{}/\"\n",
            tree.display()
        );
        self.trust(vector, built, &endpoint);
        world.write(&format!("evidence/{artifact}/vector"), &built.envelope);
        let fetched = self.command("verify", file);
        if fetched.code == Some(2) {
            assert_eq!(fetched.json()["decisions"][0]["reason"]["code"], "configuration");
            return None;
        }
        let mut all = vec![("verify, by an endpoint", of_one(&fetched, "decisions"))];

        // From here on, nobody can be asked, and all that there is lies in the cache.
        let first = self.trust(vector, built, "");
        let _ = fs::remove_dir_all(world.path("cache/attestations"));
        let cache = format!("cache/attestations/{artifact}");
        world.make_directory(&cache);
        let digest = Sha256Digest::of(&built.envelope);
        world.write(&format!("{cache}/{digest}.{first}"), &built.envelope);
        all.push(("verify", of_one(&self.command("verify", file), "decisions")));
        all.push(("explain FILE", of_one(&self.command("explain", file), "packages")));
        if self.has_apt {
            let name = format!("{}={}", deb.name, deb.version);
            all.push(("explain NAME", of_one(&self.command("explain", &name), "packages")));
            let checked = self.command("check", &name);
            let passes = checked.json()["pass"] == true;
            assert_eq!(passes, checked.code == Some(0), "{checked:?}");
            all.push(("check", of_one(&checked, "packages")));
            // From here on in the order of a run: what each keeps, the next one finds.
            all.push(("before-prompt", self.before_prompt(deb)));
        }
        all.push(("method", self.method(deb, file)));
        if self.has_etc {
            let mut debsig = world.command_of(&world.path("debsig-verify"));
            let ended = run(debsig.env_remove("APT_CONFIG").args(["-q", file]));
            all.push(("debsig", self.receipt("debsig", ended.code == Some(0), &ended)));
            all.push(("dpkg", self.dpkg(file)));
        }
        all.push(("hook", self.hook(deb, file)));
        Some(all)
    }

    /// `apt-quorum COMMAND --json WHAT`
    fn command(&self, command: &str, what: &str) -> Ended {
        let mut it = self.world.command();
        run(it.args([command, "--json", what]).arg("--config").arg(self.world.path("etc")))
    }

    /// What the one receipt of this entrance says, which must fit what else came of it.
    fn receipt(&self, entrance: &str, passed: bool, came: &dyn Debug) -> Said {
        let file = if entrance == "method" { "method" } else { "hook" };
        let path = self.world.path(&format!("state/receipts/{file}.jsonl"));
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{entrance}: {error}: {came:?}"));
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines: Vec<Value> = lines.filter(|it: &Value| it["entrance"] == entrance).collect();
        assert_eq!(lines.len(), 1, "{text}");
        let said = said(&lines[0]);
        assert_eq!(said.confirmed, passed, "{text} {came:?}");
        said
    }

    fn hook(&self, deb: &Deb, file: &str) -> Said {
        let Deb { name, version, architecture, .. } = deb;
        let mut input = "VERSION 3\n".to_owned();
        for (name, value) in self.settings() {
            input += &format!("{name}={value}\n");
        }
        input += &format!("\n{name} - - none < {version} {architecture} none {file}\n");
        let input = fs::File::open(self.world.write("input", input)).unwrap();
        let ended = self.with_descriptor("pre-install-pkgs", 20, input.into());
        self.receipt("hook", ended.code == Some(0), &ended)
    }

    fn before_prompt(&self, deb: &Deb) -> Said {
        let (mut apt, hook) = UnixStream::pair().unwrap();
        let options = self.settings().into_iter();
        let options: Vec<Value> =
            options.map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let version = json!({ "version": deb.version, "architecture": deb.architecture });
        let package = json!({
            "name": deb.name, "mode": "install", "versions": { "install": version },
        });
        for (method, params) in [
            ("hello", json!({ "versions": ["0.2"], "options": options })),
            (
                "install.pre-prompt",
                json!({
                    "command": "install", "search-terms": [deb.name], "packages": [package],
                }),
            ),
            ("bye", json!({})),
        ] {
            let method = format!("org.debian.apt.hooks.{method}");
            let message = json!({ "jsonrpc": "2.0", "method": method, "id": 0, "params": params });
            apt.write_all(format!("{message}\n\n").as_bytes()).unwrap();
        }
        let ended = self.with_descriptor("before-prompt", 20, hook.into());
        let confirmed = ended.stderr.starts_with("apt-quorum: of 1 package, 1 confirmed.\n");
        let refused = ended.stderr.starts_with("apt-quorum: of 1 package, 0 confirmed, 1 refused.");
        assert!(confirmed != refused && confirmed == (ended.code == Some(0)), "{ended:?}");
        let conflict = ended.stderr.lines().find_map(|it| it.strip_prefix("  CONFLICT: "));
        let conflicts = conflict.into_iter().filter_map(|it| {
            let (_, it) = it.split_once(": ")?;
            Some(it.split_once(" signed ")?.0)
        });
        Said { confirmed, votes: None, conflicts: names(conflicts), rejection: None }
    }

    /// An entrance that finds what apt says behind this descriptor.
    fn with_descriptor(&self, entrance: &str, number: i32, input: OwnedFd) -> Ended {
        let mut command = self.world.command_of(Path::new("bash"));
        command
            // At a socket it takes itself for a remote one, which reads what is in somebody's home.
            .args(["--norc", "-c", &format!("exec \"$0\" {number}<&0 </dev/null")])
            .arg(self.world.path(entrance))
            .env("APT_HOOK_SOCKET", number.to_string());
        run(command.stdin(input))
    }

    fn method(&self, deb: &Deb, file: &str) -> Said {
        let world = &self.world;
        // As apt calls it.
        let version = deb.version.replace(':', "%3a");
        let name = format!("{}_{version}_{}.deb", deb.name, deb.architecture);
        let destination = world.path(&format!("archives/partial/{name}"));
        fs::copy(file, &destination).unwrap();
        let destination = destination.display();
        let url = format!("quorum+http://mirror/pool/{}", deb.file_name().replace('+', "%2b"));
        world.write(
            "methods/http.reply",
            format!(
                "200 URI Start\nURI: {url}\nSize: 1\n\n\
                 201 URI Done\nURI: {url}\nFilename: {destination}\n\n"
            ),
        );
        let mut said = "601 Configuration\n".to_owned();
        for (name, value) in self.settings() {
            said += &format!("Config-Item: {name}={value}\n");
        }
        said += &format!(
            "\n600 URI Acquire\nURI: {url}\nFilename: {destination}\nExpected-SHA256: {}\n\n",
            deb.sha256()
        );
        // One that hangs ends.
        let mut command = world.command_of(Path::new("timeout"));
        command.arg("60").arg(world.path("methods/quorum+http")).env_remove("APT_CONFIG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(said.as_bytes()).unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let settled = loop {
            let message = Message::read(&mut output).unwrap().expect("an answer");
            if matches!(message.code(), 201 | 400 | 401) {
                break message;
            }
        };
        drop(input);
        child.wait().unwrap();
        let _ = fs::remove_file(destination.to_string());
        self.receipt("method", settled.code() == 201, &settled)
    }

    /// dpkg itself, which asks its gate and then another one, which lets nothing through.
    fn dpkg(&self, file: &str) -> Said {
        let mut dpkg = self.world.command_of(Path::new("dpkg"));
        dpkg.env_remove("APT_CONFIG")
            .arg("--root")
            .arg(self.world.path("target"))
            .arg(format!("--pre-invoke=exec {}", self.world.path("dpkg-pre-invoke").display()))
            .args(["--pre-invoke=echo passed; exit 1", "--unpack", file]);
        let ended = run(&mut dpkg);
        assert_ne!(ended.code, Some(0));
        self.receipt("dpkg", ended.stdout == "passed\n", &ended)
    }
}

/// Has this thread, and what it starts, see a directory of ours in place of apt's own.
fn own_etc(directory: &Path) -> Result<(), nix::errno::Errno> {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(directory), "/etc/apt", none, MsFlags::MS_BIND, none)
}

/// The one decision or package in what a command printed.
fn of_one(ended: &Ended, member: &str) -> Said {
    let json = ended.json();
    assert_eq!(json[member].as_array().map(Vec::len), Some(1), "{ended:?}");
    let said = said(&json[member][0]);
    assert_eq!(said.confirmed, ended.code == Some(0), "{ended:?}");
    said
}

/// What became of a vector.
enum Came {
    /// So many were asked, and these said something else than what is expected
    Asked(usize, Vec<String>),
    OfAMoment,
    OfNoConfiguration,
}

fn put_to_all(stage: &Stage, vector: &Vector, deb: &Deb, now: Timestamp) -> Came {
    let sha256: Sha256Digest = deb.sha256().parse().unwrap();
    let built = vector.build(sha256).unwrap();
    let artifact = vector.subject().artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
    let verified = attest::verify(&built.envelope, &built.ring, wanted, now);
    let later = Timestamp::from_unix(now.as_unix() + 60 * 60).unwrap();
    let verified_later = attest::verify(&built.envelope, &built.ring, wanted, later);
    if sort(&verified, sha256) != sort(&verified_later, sha256) {
        return Came::OfAMoment;
    }
    let Some(all) = stage.ask(vector, &built, deb) else { return Came::OfNoConfiguration };
    let expected = expected(&vector.attack.expect).unwrap();
    let text = verified.err().map(|it| it.to_string());
    let asked = all.len();
    let wrong = all.into_iter().filter_map(|(who, said)| {
        let (votes, conflicts) = expected.clone().unwrap_or_default();
        let code = expected.clone().err();
        let rejection = match who {
            // What is too large is not even read into memory.
            _ if code.as_deref() == Some("too-large") => None,
            "verify, by an endpoint" => code,
            "verify" | "explain FILE" => text.clone(),
            _ => None,
        };
        let should = Said {
            confirmed: !votes.is_empty(),
            votes: said.votes.is_some().then(|| votes.into_iter().collect()),
            conflicts: conflicts.into_iter().collect(),
            rejection,
        };
        (said != should).then(|| format!("{who}: expected {should:?}, got {said:?}"))
    });
    Came::Asked(asked, wrong.collect())
}

#[test]
fn every_entrance_and_command_comes_to_what_the_vector_says() {
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut vectors = Vec::new();
    let mut debs: BTreeMap<String, Deb> = BTreeMap::new();
    for directory in directories() {
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let vector = Vector::read_for(&directory, now).unwrap();
        if vector.attack.any_hash {
            continue;
        }
        let Identity { package, version, architecture } = vector.subject();
        let deb = Deb::new(package.as_str(), &version.to_string(), architecture.as_str());
        debs.insert(vector.attack.subject.clone(), deb);
        vectors.push((name, vector));
    }
    let listed: Vec<&Deb> = debs.values().collect();
    let next = AtomicUsize::new(0);
    let came = Mutex::new(BTreeMap::new());
    let complete = Mutex::new(true);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let stage = Stage::new(&listed);
                if !stage.has_apt || !stage.has_etc {
                    *complete.lock().unwrap() = false;
                }
                while let Some((name, vector)) = vectors.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let deb = &debs[&vector.attack.subject];
                    let put = || put_to_all(&stage, vector, deb, now);
                    // What it says then does not tell which vector it was.
                    let it = catch_unwind(AssertUnwindSafe(put)).unwrap_or_else(|_| {
                        Came::Asked(0, vec!["somebody said what nobody understands".to_owned()])
                    });
                    came.lock().unwrap().insert(name.as_str(), it);
                }
            });
        }
    });
    let came = came.into_inner().unwrap();
    let (mut of_a_moment, mut of_no_configuration) = (Vec::new(), Vec::new());
    let (mut judged, mut asked, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for (name, it) in came {
        match it {
            Came::OfAMoment => of_a_moment.push(name),
            Came::OfNoConfiguration => of_no_configuration.push(name),
            Came::Asked(count, mistakes) => {
                judged += 1;
                asked.insert(count);
                wrong.extend(mistakes.into_iter().map(|it| format!("{name}: {it}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {judged} times {asked:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(of_a_moment, OF_A_MOMENT);
    assert_eq!(of_no_configuration, OF_NO_CONFIGURATION);
    assert!(judged >= FEWEST, "{judged} only");
    if complete.into_inner().unwrap() {
        assert_eq!(asked, BTreeSet::from([ASKED]));
    } else {
        left_out("dpkg's entrances about the vectors take root and a namespace, and some take apt");
    }
}
