//! What the tests of the real binary share: a world with a configuration, keys and packages, and
//! rebuilders on loopback.
//!
//! Nothing here asks the program under test how a thing is written.
#![allow(dead_code)] // each test binary uses its own part

pub mod apt;
pub mod bundle;
pub mod certificate;
pub mod dialogue;
pub mod fresh;
pub mod image;
pub mod installed;
pub mod rebuilder;
pub mod server;
pub mod socks;
pub mod terminal;
pub mod travel;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use ed25519_dalek::{Signer, SigningKey};
use sha2::Digest;

/// Nothing here takes longer unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says loudly that a test, or a part of it, did not run. To be called, and believed, only where
/// the machine cannot run it.
pub fn left_out(what: &str) {
    // Not with a macro: the test harness would keep what it prints to itself.
    let note = format!("LEFT OUT: {}\n", what.to_uppercase());
    std::io::stderr().write_all(note.as_bytes()).unwrap();
}

/// Set in a process that has one test to do.
const ALONE: &str = "APT_QUORUM_TEST_ALONE";

/// Does the work of the test with this name in a process that does nothing else: for what the system
/// measures of a process, or of all its children together.
#[allow(clippy::disallowed_macros, reason = "the harness keeps it, unless the test fails")]
pub fn alone(test: &str, work: fn()) {
    if std::env::var_os(ALONE).is_some() {
        return work();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1");
    // What was left out is said there, and not kept by the harness.
    let Output { status, stdout, .. } = command.stderr(Stdio::inherit()).output().unwrap();
    let stdout = String::from_utf8_lossy(&stdout);
    println!("{stdout}");
    let did = stdout.contains("test result: ok. 1 passed;");
    assert!(status.success() && did, "{test} failed, or there is no such test");
}

/// A number of `/proc/self/status`, in KiB.
fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// The most memory that `work` needs beside what is there already, in KiB, if it is [`alone`].
pub fn memory_of<T>(work: impl FnOnce() -> T) -> (T, u64) {
    fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew: proc(5)
    let before = status("VmRSS:");
    let result = work();
    (result, status("VmHWM:").saturating_sub(before))
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An Ed25519 key made for this run.
pub struct Key(SigningKey);

impl Key {
    pub fn new() -> Self {
        let mut bytes = [0; 32];
        fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
        Self(SigningKey::from_bytes(&bytes))
    }

    /// As RFC 8410 writes it.
    pub fn pem(&self) -> String {
        self.pem_after(&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00])
    }

    /// The key that signs, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn secret_pem(&self) -> String {
        let header = [
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        let der = [&header[..], self.0.as_bytes()].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
    }

    /// As rebuilderd writes it: with a parameter that is NULL, and CRLF.
    pub fn pem_of_rebuilderd(&self) -> String {
        self.pem_after(&[
            0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00,
        ])
        .replace('\n', "\r\n")
    }

    fn pem_after(&self, header: &[u8]) -> String {
        let der = [header, self.0.verifying_key().as_bytes()].concat();
        let base64 = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    }

    /// The public key in hexadecimal, as in-toto writes it.
    pub fn public_hex(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// A signature in hexadecimal.
    pub fn sign(&self, message: &[u8]) -> String {
        hex(&self.0.sign(message).to_bytes())
    }

    pub fn id(&self) -> String {
        let public = self.public_hex();
        sha256(
            [
                r#"{"keyid_hash_algorithms":["sha256","sha512"],"#,
                r#""keytype":"ed25519","keyval":{"public":""#,
                &public,
                r#""},"scheme":"ed25519"}"#,
            ]
            .concat()
            .as_bytes(),
        )
    }

    /// A link as rebuilderd signs it, which says that `file` came out with this SHA-256.
    pub fn link(&self, file: &str, sha256: &str) -> Vec<u8> {
        let signed = format!(
            concat!(
                r#"{{"_type":"link","byproducts":{{}},"command":[],"environment":null,"#,
                r#""materials":{{}},"name":"rebuild {file}","#,
                r#""products":{{"{file}":{{"sha256":"{sha256}"}}}}}}"#
            ),
            file = file,
            sha256 = sha256
        );
        self.envelope(&signed, &signed)
    }

    /// A DSSE envelope with an in-toto statement in it.
    pub fn dsse(&self, statement: &str) -> Vec<u8> {
        self.dsse_of("application/vnd.in-toto+json", statement)
    }

    /// A DSSE envelope with anything in it.
    pub fn dsse_of(&self, kind: &str, statement: &str) -> Vec<u8> {
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let signature = base64(&self.0.sign(message.as_bytes()).to_bytes());
        let payload = base64(statement.as_bytes());
        format!(
            r#"{{"payloadType":"{kind}","payload":"{payload}","signatures":[{{"sig":"{signature}"}}]}}"#
        )
        .into_bytes()
    }

    /// A Metablock with `sent` in it, and a signature over `signed`, which is its canonical form.
    pub fn envelope(&self, sent: &str, signed: &str) -> Vec<u8> {
        let signature = hex(&self.0.sign(signed.as_bytes()).to_bytes());
        format!(
            r#"{{"signatures":[{{"keyid":"{}","sig":"{signature}"}}],"signed":{sent}}}"#,
            self.id()
        )
        .into_bytes()
    }
}

/// A package, as small as one can be.
#[derive(Clone)]
pub struct Deb {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub bytes: Vec<u8>,
}

impl Deb {
    pub fn new(name: &str, version: &str, architecture: &str) -> Self {
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
             Maintainer: The tests <root@localhost>\nDescription: a package for tests\n"
        );
        let (name, version) = (name.to_owned(), version.to_owned());
        Self { name, version, architecture: architecture.to_owned(), bytes: deb(&control) }
    }

    /// Another file that calls itself the same.
    pub fn differently_built(&self) -> Self {
        let mut other = self.clone();
        other.bytes.extend(ar_member("_other", b"build"));
        other
    }

    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }

    /// As pools and rebuilders call it.
    pub fn file_name(&self) -> String {
        let version = self.version.split_once(':').map_or(&*self.version, |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }

    pub fn link(&self, key: &Key) -> Vec<u8> {
        key.link(&self.file_name(), &self.sha256())
    }
}

/// A package with this control file.
pub fn deb(control: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(control.len().try_into().unwrap());
    header.set_mode(0o644);
    archive.append_data(&mut header, "./control", control.as_bytes()).unwrap();
    let mut bytes = b"!<arch>\n".to_vec();
    bytes.extend(ar_member("debian-binary", b"2.0\n"));
    bytes.extend(ar_member("control.tar", &archive.into_inner().unwrap()));
    bytes.extend(ar_member("data.tar", &[0; 1024]));
    bytes
}

fn ar_member(name: &str, body: &[u8]) -> Vec<u8> {
    let size = body.len();
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644");
    let padding: &[u8] = if size % 2 == 1 { b"\n" } else { b"" };
    [header.as_bytes(), body, padding].concat()
}

/// A directory below /tmp with a configuration, a cache that the fetching user can write, and
/// packages. Nothing of the machine's own apt configuration holds in it.
pub struct World {
    pub directory: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = Self { directory };
        set_mode(world.directory.path(), 0o755);
        for name in ["etc", "etc/rebuilders.d", "etc/exceptions.d", "cache", "lists", "files"] {
            world.make_directory(name);
        }
        let fetching = nix::unistd::User::from_name("_apt").unwrap();
        if let Some(user) = fetching.filter(|_| is_root()) {
            nix::unistd::chown(&world.path("cache"), Some(user.uid), None).unwrap();
        }
        let at = world.directory.path().display();
        world.write(
            "apt.conf",
            format!(
                "Dir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\n\
                 Dir::State::lists \"{at}/lists\";\nAPT::Quorum::Cache \"{at}/cache\";\n\
                 APT::Quorum::State \"{at}/state\";\nAcquire::http::Proxy \"DIRECT\";\n"
            ),
        );
        world.policy("mode = \"enforce\"\nthreshold = 2\n");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn make_directory(&self, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        set_mode(&path, 0o755);
    }

    /// Writes a file that only its owner can change.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        set_mode(&path, 0o644);
        path
    }

    pub fn policy(&self, text: &str) {
        self.write("etc/policy.toml", text);
    }

    /// Policy for tests with faults: two of all rebuilders, and short timeouts.
    pub fn impatient_policy(&self, threshold: usize) {
        self.policy(&format!(
            "mode = \"enforce\"\nthreshold = {threshold}\n\n\
             [network]\nanswer_timeout = 1\ntotal_timeout = 3\n"
        ));
    }

    /// A rebuilder's file with its key and endpoints, which are `PROTOCOL URL`.
    pub fn rebuilder(&self, name: &str, key: &Key, endpoints: &[String]) {
        let mut text =
            format!("name = \"{name}\"\n\n[[key]]\ntype = \"ed25519\"\nfile = \"{name}.pem\"\n");
        for endpoint in endpoints {
            let (protocol, url) = endpoint.split_once(' ').unwrap();
            text += &format!("\n[[endpoint]]\nprotocol = \"{protocol}\"\nurl = \"{url}\"\n");
        }
        self.write(&format!("etc/rebuilders.d/{name}.toml"), text);
        self.write(&format!("etc/rebuilders.d/{name}.pem"), key.pem_of_rebuilderd());
    }

    pub fn exception(&self, text: &str) {
        self.write("etc/exceptions.d/test.toml", text);
    }

    /// Puts a package on the disk.
    pub fn put(&self, deb: &Deb) -> PathBuf {
        self.write(&format!("files/{}", deb.file_name()), &deb.bytes)
    }

    /// The binary in this world, without any variable of the environment that the tests run in.
    pub fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_apt-quorum")))
    }

    pub fn command_of(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("APT_CONFIG", self.path("apt.conf"))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// `apt-quorum verify --config ... ARGUMENTS`
    pub fn verify_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("verify").arg("--config").arg(self.path("etc")).args(arguments);
        command
    }

    pub fn verify(&self, deb: &Deb) -> Ended {
        self.verify_with(deb, &[])
    }

    pub fn verify_with(&self, deb: &Deb, options: &[&str]) -> Ended {
        let path = self.put(deb);
        run(self.verify_command(options).arg(path))
    }

    /// Judges with `--json` and gives the one decision.
    pub fn decision(&self, deb: &Deb, options: &[&str]) -> (serde_json::Value, Ended) {
        let ended = self.verify_with(deb, &[&["--json"], options].concat());
        let decision = ended.json()["decisions"][0].clone();
        (decision, ended)
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Nothing that a terminal would obey, and nothing that is not ASCII.
    pub fn assert_plain(&self) {
        for text in [&self.stdout, &self.stderr] {
            let odd = text.chars().find(|c| !matches!(c, ' '..='~' | '\n'));
            assert_eq!(odd, None, "{text:?}");
        }
    }

    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

pub fn run(command: &mut Command) -> Ended {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits until a program ends, and fails if it does not.
pub fn finish(child: Child) -> Ended {
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = receive.recv_timeout(HANGS) else {
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
        panic!("still running after {HANGS:?}");
    };
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Copies the program, by another process: a test that starts something meanwhile would hand the
/// open copy down, and a file that is open for writing cannot be executed.
pub fn copy_of_program(to: &Path) {
    let program = env!("CARGO_BIN_EXE_apt-quorum");
    assert!(Command::new("cp").arg(program).arg(to).status().unwrap().success());
    set_mode(to, 0o755);
}

/// Writes a script, by another process for the same reason.
pub fn write_script(to: &Path, text: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "exec cat >\"$0\""]).arg(to).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    set_mode(to, 0o755);
}

/// Copies a directory of the repository with modes that nobody else can write: a checkout may
/// have others.
pub fn copy_safely(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    set_mode(to, 0o755);
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_safely(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            set_mode(&target, 0o644);
        }
    }
}

/// The directories of the repository below `tests/NAME`, sorted.
pub fn cases(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    cases
}

/// Compares with a file of the repository, or writes it if `UPDATE_SNAPSHOTS` is set.
pub fn assert_snapshot(file: &Path, found: &str) {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(file, found).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert!(
        expected == found,
        "{} differs; UPDATE_SNAPSHOTS=1 writes it anew.\n--- expected\n{expected}\n--- found\n{found}",
        file.display()
    );
}
