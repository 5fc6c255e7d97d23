//! What a run of apt may cost rebuilders and this machine, in numbers that do not depend on how
//! fast the machine is: requests, connections, round trips, bytes, memory. Times are measured by
//! `make bench`.
//!
//! apt and its http method are the machine's own, in directories of their own. A round trip is
//! counted without a clock: rebuilders hold all answers back until every process of the run and
//! every server sleeps, so that no further request can come, and then let all of them go at once.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code
)]

#[path = "../common/server.rs"]
mod server;

#[path = "../../benches/src/mirror.rs"]
mod mirror;
#[path = "../../benches/src/rebuilder.rs"]
mod rebuilder;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rebuilder::{Barrier, Built, Counts, Rebuilder, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use server::{Reply, Server};

/// Other packages that a rebuilder lists for each that is wanted.
const OTHERS: usize = 3;

/// Memory that the method may have at any time, in KiB, beside the files that are mapped into it: of
/// the program itself, one that was built to be tested has three times as much there as one that was
/// built to be installed. The most is needed where answers come faster than files.
const MEMORY: u64 = 11 * 1024;

/// Looks, one after the other, at which everybody must be asleep.
const LOOKS: u32 = 8;

/// Between two of them.
const BETWEEN: Duration = Duration::from_millis(3);

/// What rebuilders speak.
#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Http1,
    Http2,
}

/// Who gives the answers of a rebuilder.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    /// It does, and is not sent many questions at a time.
    Itself,
    /// A cache in front of it.
    Cache,
}

/// One at a time: who sleeps is found out by looking at all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|lock| lock.into_inner())
}

/// An archive, three rebuilders of which two must confirm, and an apt in directories of its own.
struct World {
    directory: tempfile::TempDir,
    mirror: Server,
    rebuilders: Vec<Rebuilder>,
    barrier: Arc<Barrier>,
    names: Vec<String>,
}

/// What a run has cost.
#[derive(Debug)]
struct Cost {
    /// The most that the method had, in KiB
    memory: u64,
    said: String,
    code: Option<i32>,
}

impl World {
    fn new(packages: usize, payload: usize, speaks: Speaks) -> Self {
        Self::with(packages, payload, speaks, Answers::Itself, OTHERS)
    }

    fn with(
        packages: usize,
        payload: usize,
        speaks: Speaks,
        answers: Answers,
        others: usize,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let made: Vec<_> =
            (0..packages).map(|n| mirror::package(&format!("bench{n:05}"), payload)).collect();
        let archive = directory.path().join("archive");
        mirror::lay_out(&archive, &made);
        let mirror = Server::start(move |target| serve(&archive, target));
        let names = made.iter().map(|(built, _)| built.name.clone()).collect();
        let built: Vec<Built> = made.into_iter().map(|(built, _)| built).collect();
        let barrier = Barrier::new();
        let tls = (speaks == Speaks::Http2).then(|| certificate(directory.path()));
        let rebuilders: Vec<Rebuilder> = (1..=3_u8)
            .map(|seed| {
                Rebuilder::start(Settings {
                    seed: [seed; 32],
                    built: built.clone(),
                    others,
                    delay: Duration::ZERO,
                    cached: answers == Answers::Cache,
                    tls: tls.clone(),
                    barrier: Some(Arc::clone(&barrier)),
                    address: "127.0.0.1:0".parse().unwrap(),
                })
            })
            .collect();
        let world = Self { directory, mirror, rebuilders, barrier, names };
        world.configure(speaks);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        for it in [path.parent().unwrap(), &path] {
            let mode = if it.is_dir() { 0o755 } else { 0o644 };
            fs::set_permissions(it, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn configure(&self, speaks: Speaks) {
        let at = self.directory.path().display();
        for name in ["lists/partial", "cache/archives/partial", "evidence", "etc-apt"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
        self.write("status", "");
        let authorities = match speaks {
            Speaks::Http1 => String::new(),
            Speaks::Http2 => format!("authorities = \"{at}/certificate.pem\"\n"),
        };
        self.write(
            "config/policy.toml",
            &format!(
                "mode = \"enforce\"\nthreshold = 2\n\
                 [network]\n{authorities}answer_timeout = 600\ntotal_timeout = 600\n"
            ),
        );
        for (name, it) in ["alice", "bob", "carol"].into_iter().zip(&self.rebuilders) {
            let scheme = if speaks == Speaks::Http2 { "https" } else { "http" };
            let url = format!("{scheme}://localhost:{}/", it.address.port());
            self.write(
                &format!("config/rebuilders.d/{name}.toml"),
                &format!(
                    "name = \"{name}\"\n\n[[key]]\ntype = \"ed25519\"\npublic = \"\"\"\n{}\"\"\"\n\n\
                     [[endpoint]]\nprotocol = \"rebuilderd\"\nurl = \"{url}\"\n",
                    it.public_key()
                ),
            );
        }
        let program = env!("CARGO_BIN_EXE_gate");
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/apt-conf/90apt-quorum-pipeline");
        self.write(
            "apt.conf",
            &format!(
                "#include \"{shipped}\";\n\
                 Dir::Etc \"{at}/etc-apt\";\nDir::Etc::sourcelist \"{at}/sources.list\";\n\
                 Dir::State::lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
                 Dir::State \"{at}\";\nDir::Cache \"{at}/cache\";\nDir::Log \"{at}\";\n\
                 Dir::Bin::Methods::quorum+http \"{program}\";\n\
                 APT::Architecture \"amd64\";\nAPT::Architectures \"amd64\";\n\
                 APT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\n\
                 APT::Quorum::Config \"{at}/config\";\nAPT::Quorum::Cache \"{at}/evidence\";\n\
                 APT::Quorum::State \"{at}/state\";\n\
                 Acquire::http::Proxy \"DIRECT\";\nAcquire::Languages \"none\";\n"
            ),
        );
        self.source("quorum+http");
    }

    /// From now on the archive is reached by this scheme.
    fn source(&self, scheme: &str) {
        let line = format!("deb [trusted=yes] {scheme}://{}/ stable main\n", self.mirror.address);
        self.write("sources.list", &line);
    }

    /// From now on apt asks the hook before the prompt, as it does with the package's own files. Before
    /// 2.7, apt tells it of its configuration only what stands on the command line.
    fn ask_before_the_prompt(&self) {
        let hook = self.path("before-prompt");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gate"), &hook).unwrap();
        let mut conf = fs::read_to_string(self.path("apt.conf")).unwrap();
        for command in ["Install", "Upgrade"] {
            conf += &format!("AptCli::Hooks::{command} {{ \"{}\"; }};\n", hook.display());
        }
        self.write("apt.conf", &conf);
        self.write("state/none", "");
    }

    /// What the hook before the prompt must be told.
    fn settings(&self) -> Vec<String> {
        let at = self.directory.path().display();
        [
            format!("APT::Quorum::Config={at}/config"),
            format!("APT::Quorum::Cache={at}/evidence"),
            format!("APT::Quorum::State={at}/state"),
            format!("Dir::State::lists={at}/lists"),
            "Acquire::http::Proxy=DIRECT".to_owned(),
        ]
        .map(|it| format!("-o{it}"))
        .into()
    }

    /// Forgets what was fetched, of everything or of packages only.
    fn forget(&self, names: &[&str]) {
        for name in names {
            fs::remove_dir_all(self.path(name)).unwrap();
        }
        for name in ["lists/partial", "cache/archives/partial", "evidence"] {
            fs::create_dir_all(self.path(name)).unwrap();
        }
    }

    fn apt(&self, arguments: &[&str]) -> Cost {
        let output = self.path("said");
        let file = fs::File::create(&output).unwrap();
        let mut command = Command::new("apt-get");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("APT_CONFIG", self.path("apt.conf"))
            .args(self.settings())
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(file.try_clone().unwrap())
            .stdout(file);
        let mut child = command.spawn().unwrap();
        let first = child.id();
        let mut memory = 0;
        let (mut quiet, mut seen, mut look) = (0, 0, 0);
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            std::thread::sleep(BETWEEN);
            look += 1;
            if self.barrier.waiting() == 0 && look % 16 != 0 {
                quiet = 0;
                continue;
            }
            let family = family(first);
            let method = family.iter().filter(|it| name_of(**it) == "quorum+http");
            memory = method.filter_map(|it| peak(*it)).max().unwrap_or_default().max(memory);
            let requests = self.barrier.requests();
            let busy = requests != seen || !(asleep(&family) && we_sleep());
            seen = requests;
            quiet = if busy { 0 } else { quiet + 1 };
            if quiet >= LOOKS && self.barrier.waiting() > 0 {
                self.barrier.let_go();
                quiet = 0;
            }
        };
        Cost { memory, said: fs::read_to_string(output).unwrap(), code }
    }

    /// Downloads all packages.
    fn install(&self) -> Cost {
        let names = self.names.iter().map(String::as_str);
        let arguments = ["--yes", "--download-only", "install"].into_iter().chain(names);
        let cost = self.apt(&arguments.collect::<Vec<_>>());
        assert_eq!(cost.code, Some(0), "{}", cost.said);
        cost
    }

    fn update(&self) {
        let cost = self.apt(&["update"]);
        assert_eq!(cost.code, Some(0), "{}", cost.said);
    }

    fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.rebuilders.iter().map(|it| &*it.counts)
    }

    /// A cold run must not cost any rebuilder more than this. Where the machine has other things to
    /// do, a question can come too late to go along with the others, which costs a round more:
    /// of three runs one must do.
    fn assert_costs(&self, rounds: u64, connections: u64) {
        let mut costs = Vec::new();
        for _ in 0..3 {
            let cost = self.install();
            assert!(cost.memory > 1024, "it is measured");
            let lines: Vec<String> = self.counts().map(Counts::line).collect();
            println!("{} packages: the method had {} KiB", self.names.len(), cost.memory);
            println!("{}", lines.join("\n"));
            let count = self.names.len() as u64;
            let of = |it: &AtomicU64| it.load(Ordering::SeqCst);
            assert!(self.counts().all(|it| of(&it.requests) >= count), "all were asked: {lines:?}");
            let fits = cost.memory <= MEMORY
                && self.counts().all(|it| {
                    of(&it.requests) * 20 <= count * 21 + 60
                        && of(&it.connections) <= connections
                        && of(&it.rounds) <= rounds
                });
            if fits {
                return;
            }
            costs.push((cost.memory, lines));
            self.forget(&["cache/archives", "evidence"]);
            self.counts().for_each(Counts::reset);
        }
        panic!(
            "{rounds} rounds, {connections} connections and {MEMORY} KiB were allowed: {costs:#?}"
        );
    }
}

fn serve(archive: &Path, target: &str) -> Reply {
    let path = archive.join(target.trim_start_matches('/'));
    let body = if target.contains("..") { None } else { fs::read(path).ok() };
    match body {
        Some(body) => Reply::Whole { status: 200, headers: Vec::new(), body },
        None => Reply::status(404),
    }
}

/// A certificate for `localhost`, made for this run and signed by itself.
fn certificate(directory: &Path) -> Arc<rustls::ServerConfig> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let certificate = directory.join("certificate.pem");
    fs::set_permissions(&certificate, fs::Permissions::from_mode(0o644)).unwrap();
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(configuration)
}

/// `/proc/PID/stat` behind the name: state, parent and so on (proc(5)).
fn stat(path: &Path) -> Option<(char, u32)> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A process and all that descend from it.
fn family(first: u32) -> Vec<u32> {
    let ids = fs::read_dir("/proc").unwrap();
    let ids = ids.filter_map(|it| it.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for id in ids {
        if let Some((_, parent)) = stat(Path::new(&format!("/proc/{id}/stat"))) {
            children.entry(parent).or_default().push(id);
        }
    }
    let mut family = vec![first];
    let mut at = 0;
    while let Some(id) = family.get(at) {
        family.extend(children.remove(id).unwrap_or_default());
        at += 1;
    }
    family
}

/// Whether no thread of these processes runs, or would if it had a processor, or waits for a disk.
fn asleep(family: &[u32]) -> bool {
    let threads = family.iter().filter_map(|id| fs::read_dir(format!("/proc/{id}/task")).ok());
    threads.flatten().flatten().all(|it| {
        stat(&it.path().join("stat")).is_none_or(|(state, _)| matches!(state, 'S' | 'Z' | 'X'))
    })
}

/// The same of this process's other threads, among which are the servers.
fn we_sleep() -> bool {
    let me = fs::read_link("/proc/thread-self").unwrap();
    let me = me.file_name().unwrap();
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut others = threads.filter(|it| it.file_name() != me);
    others.all(|it| {
        stat(&it.path().join("stat")).is_none_or(|(state, _)| matches!(state, 'S' | 'Z' | 'X'))
    })
}

fn name_of(id: u32) -> String {
    // The first word: the name is that of the program's file, not of the method.
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let first = line.split(|it| *it == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).rsplit('/').next().unwrap_or_default().to_owned()
}

/// The most memory that a process has had beside the files that it has mapped, in KiB, if it is
/// the gate.
fn peak(id: u32) -> Option<u64> {
    let program = fs::read_link(format!("/proc/{id}/exe")).ok()?;
    if program.file_name()? != "gate" {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let number = |field: &str| -> Option<u64> {
        let line = status.lines().find_map(|it| it.strip_prefix(field))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(number("VmHWM:")?.saturating_sub(number("RssFile:")?))
}

/// A cold run with so many packages costs no more than this.
fn assert_costs(packages: usize, speaks: Speaks, answers: Answers, rounds: u64, connections: u64) {
    let _alone = alone();
    let world = World::with(packages, 0, speaks, answers, OTHERS);
    world.update();
    world.assert_costs(rounds, connections);
}

#[test]
fn fifty_packages() {
    assert_costs(50, Speaks::Http1, Answers::Itself, 10, 9);
}

#[test]
fn fifty_packages_from_caches() {
    assert_costs(50, Speaks::Http1, Answers::Cache, 6, 16);
}

#[test]
fn fifty_packages_over_http_2() {
    assert_costs(50, Speaks::Http2, Answers::Itself, 10, 1);
}

#[test]
fn fifty_packages_from_caches_over_http_2() {
    assert_costs(50, Speaks::Http2, Answers::Cache, 6, 1);
}

#[test]
fn five_hundred_packages() {
    assert_costs(500, Speaks::Http1, Answers::Itself, 66, 9);
}

#[test]
fn five_hundred_packages_from_caches() {
    assert_costs(500, Speaks::Http1, Answers::Cache, 40, 16);
}

#[test]
fn five_hundred_packages_over_http_2() {
    assert_costs(500, Speaks::Http2, Answers::Itself, 66, 1);
}

#[test]
fn five_hundred_packages_from_caches_over_http_2() {
    assert_costs(500, Speaks::Http2, Answers::Cache, 12, 1);
}

#[test]
fn two_thousand_packages_over_http_2() {
    assert_costs(2000, Speaks::Http2, Answers::Itself, 255, 1);
}

#[test]
fn two_thousand_packages_from_caches_over_http_2() {
    assert_costs(2000, Speaks::Http2, Answers::Cache, 30, 1);
}

/// As shipped: what the hook before the prompt has asked, the method does not ask again.
#[test]
fn fifty_packages_before_the_prompt() {
    let _alone = alone();
    let world = World::new(50, 0, Speaks::Http1);
    world.ask_before_the_prompt();
    world.update();
    world.assert_costs(10, 9);
    let said = world.install().said;
    assert!(said.contains("apt-quorum: of 50 packages, 50 confirmed."), "{said}");
}

/// Nobody can be asked, and the method behind it does not try again.
#[test]
fn who_could_not_be_heard_before_the_prompt_is_not_asked_again() {
    let _alone = alone();
    let world = World::new(3, 0, Speaks::Http1);
    world.ask_before_the_prompt();
    world.update();
    let policy = fs::read_to_string(world.path("config/policy.toml")).unwrap();
    world.write("config/policy.toml", &policy.replace("enforce", "warn"));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let address = nobody.local_addr().unwrap();
    let counted = Arc::clone(&asked);
    // Whoever connects is hung up on.
    std::thread::spawn(move || {
        nobody.incoming().for_each(|_| _ = counted.fetch_add(1, Ordering::SeqCst));
    });
    for name in ["alice", "bob", "carol"] {
        let path = format!("config/rebuilders.d/{name}.toml");
        let text = fs::read_to_string(world.path(&path)).unwrap();
        let (head, _) = text.split_once("url = ").unwrap();
        world.write(&path, &format!("{head}url = \"http://{address}/{name}/\"\n"));
    }
    let said = world.install().said;
    assert!(said.contains("apt-quorum: of 3 packages, 0 confirmed, 3 not confirmed."), "{said}");
    let once = asked.swap(0, Ordering::SeqCst);
    assert!(once > 0);
    // Without that hook before it, the method asks as much.
    world.forget(&["cache/archives"]);
    let conf = fs::read_to_string(world.path("apt.conf")).unwrap();
    world.write("apt.conf", &format!("{conf}APT::Quorum::Before-Prompt \"never\";\n"));
    world.install();
    assert!(asked.load(Ordering::SeqCst) <= once, "{asked:?} and {once}");
}

/// One that lists all of a distribution, as public ones do, is not made to send its list.
#[test]
fn a_long_list_is_not_asked_for() {
    let _alone = alone();
    let world = World::with(50, 0, Speaks::Http2, Answers::Itself, 100);
    world.update();
    world.install();
    for it in world.counts() {
        // How much it lists, and for each package a search and an attestation.
        assert_eq!(it.requests.load(Ordering::SeqCst), 101, "{}", it.line());
        assert_eq!(it.connections.load(Ordering::SeqCst), 1, "{}", it.line());
        assert!(it.sent.load(Ordering::SeqCst) < 150_000, "{}", it.line());
    }
}

#[test]
fn what_is_in_the_cache_is_not_asked_for() {
    let _alone = alone();
    let world = World::new(20, 0, Speaks::Http1);
    world.update();
    // The second run asks those whose answer the first had no need to wait for.
    for _ in 0..2 {
        world.install();
        world.forget(&["cache/archives"]);
    }
    world.counts().for_each(Counts::reset);
    world.install();
    let asked: Vec<u64> = world.counts().map(|it| it.requests.load(Ordering::SeqCst)).collect();
    assert!(asked.iter().all(|it| *it <= 2), "{asked:?}");
}

/// The word of a third rebuilder is missing, and nobody needs it: the hook asks for it.
#[test]
fn where_what_is_in_the_cache_is_enough_nobody_is_asked() {
    let _alone = alone();
    let world = World::new(20, 0, Speaks::Http1);
    world.update();
    world.install();
    let kept = fs::read_dir(world.path("evidence/attestations")).unwrap().flatten();
    let kept: Vec<Vec<PathBuf>> = kept
        .map(|it| fs::read_dir(it.path()).unwrap().map(|it| it.unwrap().path()).collect())
        .collect();
    assert_eq!(kept.len(), 20);
    // apt may end the method while it writes what nobody waited for: that file is called by its process.
    let is_whole = |it: &&PathBuf| {
        it.extension().is_some_and(|end| end.to_string_lossy().parse::<u32>().is_err())
    };
    let rest = kept.iter().flatten().filter(|it| !is_whole(it));
    rest.for_each(|it| fs::remove_file(it).unwrap());
    let kept: Vec<Vec<&PathBuf>> =
        kept.iter().map(|it| it.iter().filter(is_whole).collect()).collect();
    assert!(kept.iter().all(|it| it.len() >= 2), "{kept:?}");
    kept.iter().flat_map(|it| it.iter().skip(2)).for_each(|it| fs::remove_file(it).unwrap());
    fs::remove_dir_all(world.path("cache/archives")).unwrap();
    fs::create_dir_all(world.path("cache/archives/partial")).unwrap();
    world.counts().for_each(Counts::reset);
    world.install();
    for it in world.counts() {
        let (requests, connections) = (&it.requests, &it.connections);
        let of = |it: &AtomicU64| it.load(Ordering::SeqCst);
        assert_eq!((of(requests), of(connections)), (0, 0), "{}", it.line());
    }
}

#[test]
fn an_update_costs_the_archive_what_it_costs_without_the_gate() {
    let _alone = alone();
    let world = World::new(1, 0, Speaks::Http1);
    let mut costs = Vec::new();
    for scheme in ["http", "quorum+http"] {
        world.source(scheme);
        world.forget(&["lists"]);
        let (requests, connections) = (world.mirror.requests().len(), world.mirror.connections());
        world.update();
        let lines = world.mirror.request_lines().split_off(requests);
        costs.push((lines, world.mirror.connections() - connections));
    }
    assert!(costs[0].0.len() > 1, "{costs:?}");
    assert_eq!(costs[0], costs[1]);
    assert!(world.counts().all(|it| it.requests.load(Ordering::SeqCst) == 0));
}

#[test]
fn a_large_package_takes_no_more_memory_than_a_small_one() {
    let _alone = alone();
    let world = World::new(1, 300_000_000, Speaks::Http1);
    world.update();
    let cost = world.install();
    println!("300 MB: the method had {} KiB", cost.memory);
    assert!(cost.memory > 1024, "it is measured");
    assert!(cost.memory <= MEMORY, "{} KiB", cost.memory);
}
