//! A throw-away Debian system with the gate in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::archive::{Files, Package, run};
use super::rebuilder::Rebuilder;
use super::server::{Answer, Server};
use super::table::{By, Log, Sight};

/// The releases that are tested.
pub const SUITES: [&str; 3] = ["bookworm", "trixie", "forky"];

/// All that the package ships for apt.
const SHIPPED: [(&str, &str); 3] = [
    ("00apt-quorum", include_str!("../../apt-conf/00apt-quorum")),
    ("90apt-quorum-before-prompt", include_str!("../../apt-conf/90apt-quorum-before-prompt")),
    ("90apt-quorum-pipeline", include_str!("../../apt-conf/90apt-quorum-pipeline")),
];

/// Whether the testbed has that flavour for that release. What drives apt besides apt itself was
/// looked at in one.
pub fn is_offered(suite: &str, flavour: &str) -> bool {
    flavour != "frontends" || suite == "trixie"
}

/// Without our word before apt asks whether to go on, which would end most runs before those begin
/// that a row is about. [`World::install`] does that by itself.
pub const PAST_THE_PROMPT: &str = "-o APT::Quorum::Before-Prompt=never";

/// A system in a chroot, three rebuilders, and the packages.
pub struct World {
    pub suite: &'static str,
    root: PathBuf,
    log: Log,
    pub packages: BTreeMap<&'static str, Package>,
    pub alice: Rebuilder,
    pub bob: Rebuilder,
    pub carol: Rebuilder,
}

/// What a command in the chroot came to.
pub struct Ran {
    pub code: Option<i32>,
    /// Standard output and standard error together
    pub text: String,
    log: Log,
}

/// The release and its apt, as the table calls them.
pub fn release(suite: &str) -> String {
    let root = chroot(suite, "apt");
    let version = run(Command::new("dpkg-query")
        .arg(format!("--admindir={root}/var/lib/dpkg"))
        .args(["--show", "--showformat=${Version}", "apt"]));
    format!("{suite}, apt {version}")
}

/// A path as it was when this was built, or, if that was in a chroot, as scripts/test-system says
/// that it is here.
fn place(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

/// A command of the testbed.
fn testbed(command: &str) -> PathBuf {
    place("APT_QUORUM_REPOSITORY", env!("CARGO_MANIFEST_DIR")).join("testbed").join(command)
}

fn chroot(suite: &str, flavour: &str) -> String {
    run(Command::new(testbed("chroot")).args([suite, flavour])).trim().to_owned()
}

/// Nothing of the environment that the tests run in.
fn cleanly(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
}

impl World {
    /// A fresh system of `suite`, with the gate enforcing: two of alice, bob and carol.
    pub fn new(
        suite: &'static str,
        flavour: &str,
        packages: &BTreeMap<&'static str, Package>,
        log: Log,
    ) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let run_directory = PathBuf::from(std::env::var_os("TESTBED_RUN").unwrap());
        let root = run_directory.join(format!("{suite}-{number}"));
        run(Command::new(testbed("overlay")).arg(chroot(suite, flavour)).arg(&root));
        Self::at(root, suite, packages, log)
    }

    /// A second system in a directory of this one, with or without a gate and rebuilders of its
    /// own.
    pub fn inner(&self, directory: &str, gate: bool) -> Self {
        let root = self.path(directory);
        run(Command::new(testbed("overlay")).arg(chroot(self.suite, "apt")).arg(&root));
        let inner = Self::at(root, self.suite, &self.packages, self.log.clone());
        if !gate {
            inner
                .sh("rm -r /etc/apt-quorum /etc/apt/apt.conf.d/*apt-quorum* /usr/lib/apt-quorum
                 rm /usr/bin/apt-quorum /usr/lib/apt/methods/quorum+*")
                .succeeds();
        }
        inner
    }

    fn at(
        root: PathBuf,
        suite: &'static str,
        packages: &BTreeMap<&'static str, Package>,
        log: Log,
    ) -> Self {
        let world = Self {
            suite,
            root,
            log,
            packages: packages.clone(),
            alice: Rebuilder::new("alice"),
            bob: Rebuilder::new("bob"),
            carol: Rebuilder::new("carol"),
        };
        world.install_the_gate();
        world
    }

    /// Puts the program where its package puts it.
    fn install_the_gate(&self) {
        let program = place("APT_QUORUM_PROGRAM", env!("CARGO_BIN_EXE_apt-quorum"));
        let gate = program.with_file_name("gate");
        // By another process: a test that starts something meanwhile would hand the open copy
        // down, and a file that is open for writing cannot be executed.
        run(Command::new("cp").arg(program).arg(self.path("/usr/bin/apt-quorum")));
        run(Command::new("mkdir").arg(self.path("/usr/lib/apt-quorum")));
        run(Command::new("cp").arg(gate).arg(self.path("/usr/lib/apt-quorum/gate")));
        self.sh("ln -s ../../apt-quorum/gate /usr/lib/apt/methods/quorum+http
             ln -s ../../apt-quorum/gate /usr/lib/apt/methods/quorum+https
             mkdir -p /var/lib/apt-quorum /var/cache/apt-quorum
             for name in before-prompt pre-install-pkgs dpkg-pre-invoke debsig-verify; do
                 ln -s gate /usr/lib/apt-quorum/$name
             done
             mkdir -p /etc/apt-quorum/rebuilders.d /etc/apt-quorum/exceptions.d
             rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*")
            .succeeds();
        for (name, conf) in SHIPPED {
            self.write(&format!("/etc/apt/apt.conf.d/{name}"), conf);
        }
        let ask = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/apt-conf/ask-before-prompt"));
        self.write("/usr/lib/apt-quorum/ask-before-prompt", ask);
        self.sh("chmod 755 /usr/lib/apt-quorum/ask-before-prompt").succeeds();
        let conf = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/apt-conf/dpkg/apt-quorum"));
        self.write("/etc/dpkg/dpkg.cfg.d/apt-quorum", conf);
        self.policy(
            "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 20\ntotal_timeout = 40\n",
        );
        for rebuilder in [&self.alice, &self.bob, &self.carol] {
            self.write(
                &format!("/etc/apt-quorum/rebuilders.d/{}.toml", rebuilder.name),
                rebuilder.configuration(),
            );
        }
    }

    pub fn policy(&self, text: &str) {
        self.write("/etc/apt-quorum/policy.toml", text);
    }

    /// A path in the chroot as the test sees it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        let path = self.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Serves an archive and makes it the only source, under the scheme `quorum+http`.
    pub fn source(&self, files: Files) -> Server {
        let server = serve(files);
        self.sources(&[("quorum+http", &server)]);
        server
    }

    /// Makes these the sources, in this order, and fetches their indexes.
    pub fn sources(&self, sources: &[(&str, &Server)]) {
        let url = |(scheme, server): &(&str, &Server)| {
            format!("{scheme}://{}/debian", server.authority())
        };
        let urls: Vec<String> = sources.iter().map(url).collect();
        self.urls(&urls.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Makes these URLs the sources, in this order, and fetches their indexes.
    pub fn urls(&self, urls: &[&str]) {
        let line = |url: &&str| format!("deb [trusted=yes] {url} stable main\n");
        self.write("/etc/apt/sources.list", urls.iter().map(line).collect::<String>());
        self.sh("apt-get update").succeeds();
    }

    /// Puts an archive into a directory.
    pub fn disk(&self, directory: &str, files: &Files) {
        for (path, bytes) in files {
            self.write(&format!("{directory}/{path}"), bytes);
        }
    }

    /// Runs a shell script in the chroot.
    pub fn sh(&self, script: &str) -> Ran {
        let mut command = self.command();
        command.args(["/bin/sh", "-ec"]).arg(format!("exec 2>&1\n{script}"));
        self.ran(command)
    }

    /// The same, as on a machine of its own: the first process has this root.
    pub fn machine(&self, script: &str) -> Ran {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root"])
            .arg(&self.root)
            .args(["/bin/sh", "-ec"])
            .arg(format!("exec 2>&1\n{script}"));
        cleanly(&mut command);
        self.ran(command)
    }

    fn ran(&self, mut command: Command) -> Ran {
        let output = command.output().unwrap();
        Ran {
            code: output.status.code(),
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            log: self.log.clone(),
        }
    }

    /// `chroot ROOT` with a clean environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root);
        cleanly(&mut command);
        command
    }

    /// Has apt install it. What is refused before apt would ask is noted as that and tried once
    /// more without that word, so that whoever decides is heard as well. Where apt ends with an error,
    /// dpkg must not have begun with anything.
    pub fn install(&self, what: &str) -> Ran {
        let before = self.begun().len();
        let mut ran = self.sh(&format!("apt-get install -y {what}"));
        if ran.code != Some(0) && ran.text.contains("Nothing was downloaded or installed.") {
            self.log.failure(&ran.text);
            ran = self.sh(&format!("apt-get install -y {PAST_THE_PROMPT} {what}"));
        }
        if ran.code != Some(0) {
            assert_eq!(self.begun().get(before..), Some(&[][..]), "{}", ran.text);
        }
        ran
    }

    /// What dpkg began to unpack or to remove so far, as its log has it.
    fn begun(&self) -> Vec<String> {
        let record = std::fs::read(self.path("/var/log/dpkg.log")).unwrap_or_default();
        let record = String::from_utf8_lossy(&record);
        record
            .lines()
            .filter(|it| it.contains(" status half-installed "))
            .map(str::to_owned)
            .collect()
    }

    /// Whether a package's postinst ran.
    pub fn has_run(&self, package: &str) -> bool {
        self.path(&format!("/var/lib/ran-{package}")).exists()
    }

    /// Whether dpkg unpacked a package, set up or not.
    pub fn is_unpacked(&self, package: &str) -> bool {
        let query = format!("dpkg-query -W -f '${{db:Status-Status}}' {package} || true");
        ["installed", "unpacked", "half-configured", "half-installed", "triggers-pending"]
            .contains(&self.sh(&query).text.trim())
    }

    /// The processes whose root is the chroot.
    pub fn processes(&self) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            std::fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root == self.root)
        })
        .collect()
    }

    /// The receipts of an entrance.
    pub fn receipts(&self, entrance: &str) -> Vec<serde_json::Value> {
        let path = self.path(&format!("/var/lib/apt-quorum/receipts/{entrance}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Says in the table that the hook refused the last file that it judged, where the front end keeps
    /// what it said to itself.
    pub fn saw_by_receipt(&self) {
        let last = self.receipts("hook").pop().unwrap();
        assert_eq!((&last["entrance"], &last["decision"]), (&"hook".into(), &"refuse".into()));
        let why = format!("{}: {}", last["package"].as_str().unwrap(), last["reason"]["text"]);
        self.log.add(Sight::Refused(By::Hook, why));
    }

    /// Says that from here on this row lets the package in that nobody confirmed so far, and why that
    /// is right. Until here it must have been kept out.
    pub fn lets_in(&self, why: &str) {
        self.holds();
        self.log.add(Sight::LetIn(why.to_owned()));
    }

    /// However a row ended and whatever it looked at itself: the package that nobody confirms is not
    /// there, its code did not run, and dpkg did not begin with it and undo that, unless the row said
    /// so.
    pub fn holds(&self) {
        if self.log.lets_in() {
            return;
        }
        let begun = self.begun().into_iter().find(|it| it.contains(" unknown:"));
        assert_eq!(begun, None, "dpkg began to unpack the package that nobody confirms");
        assert!(!self.has_run("unknown"), "the code of the package that nobody confirms ran");
        let list = self.path("/var/lib/dpkg/info/unknown.list");
        assert!(!list.exists(), "the package that nobody confirms is unpacked");
        let text = self.path("/usr/share/doc/unknown/text");
        assert!(!text.exists(), "a file of the package that nobody confirms is there");
    }

    /// Says in the table what was seen besides refusals and installations.
    pub fn saw(&self, what: impl Into<String>) {
        self.log.add(Sight::Noted(what.into()));
    }

    /// Says in the table that this way does not exist in this release.
    pub fn impossible(&self, why: &str) {
        self.log.add(Sight::Impossible(why.to_uppercase()));
    }

    pub fn package(&self, name: &str) -> &Package {
        &self.packages[name]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let testbed = testbed("overlay");
        let _ = Command::new(testbed).arg("--drop").arg(&self.root).status();
    }
}

impl Ran {
    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "should have succeeded:\n{}", self.text);
        self.log.success(&self.text);
        self
    }

    /// Did not succeed, whoever is to blame and whatever it said: nothing for the table.
    #[track_caller]
    pub fn falls_short(self) -> Self {
        assert_ne!(self.code, Some(0), "should have failed:\n{}", self.text);
        self
    }

    #[track_caller]
    pub fn fails(self) -> Self {
        assert_ne!(self.code, Some(0), "should have failed:\n{}", self.text);
        self.log.failure(&self.text);
        self
    }

    /// For programs whose exit code does not tell: somebody refused in what they say.
    pub fn names_who_refused(self) -> Self {
        self.log.failure(&self.text);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.text.contains(text), "should have said {text:?}:\n{}", self.text);
        self
    }

    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(!self.text.contains(text), "should not have said {text:?}:\n{}", self.text);
        self
    }
}

/// A key and a self-signed certificate for localhost and 127.0.0.1, as PEM.
pub fn certificate() -> (Vec<u8>, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let (key, certificate) = (directory.path().join("key"), directory.path().join("certificate"));
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "30", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    (std::fs::read(key).unwrap(), std::fs::read(certificate).unwrap())
}

/// TLS for a server with this key and certificate.
pub fn tls((key, certificate): &(Vec<u8>, Vec<u8>)) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![rustls::pki_types::CertificateDer::from_pem_slice(certificate).unwrap()],
            rustls::pki_types::PrivateKeyDer::from_pem_slice(key).unwrap(),
        );
    Arc::new(config.unwrap())
}

/// Serves an archive below `/debian/` over TLS, and gives the certificate.
pub fn serve_tls(files: Files) -> (Server, Vec<u8>) {
    let pair = certificate();
    let plain = serve(files);
    (Server::start_tls(tls(&pair), move |path| plain.answer(path)), pair.1)
}

/// Serves an archive below `/debian/`.
pub fn serve(files: Files) -> Server {
    let files: BTreeMap<String, Arc<[u8]>> =
        files.into_iter().map(|(path, bytes)| (format!("/debian/{path}"), bytes)).collect();
    Server::start(move |path| {
        let path = path.replace("%2b", "+").replace("%7e", "~").replace("%3a", ":");
        files.get(&path).map_or(Answer::None, |bytes| Answer::Body(Arc::clone(bytes)))
    })
}
