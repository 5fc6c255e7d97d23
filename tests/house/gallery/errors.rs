//! One of every kind of error that there is, with what it says.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apt_quorum::attest::{self, JsonError, KeyRingError, LayoutError, SignatureFault};
use apt_quorum::audit::SystemError;
use apt_quorum::config::{self, ChangeError, SourceFile, WholeError};
use apt_quorum::deb::{DebError, examine};
use apt_quorum::deb822::{self, status::StatusError};
use apt_quorum::evidence::bundle::{BundleError, PackError};
use apt_quorum::evidence::http::DoorError;
use apt_quorum::gate::AptUnreadable;
use apt_quorum::image::ManifestError;
use apt_quorum::image::TreeError;
use apt_quorum::import::apt_transport::SettingsError;
use apt_quorum::import::rebuilders::RebuildersError;
use apt_quorum::import::{PlanError, repro_threshold::TakeError};
use apt_quorum::policy::{ExceptionIdError, PolicyError, RequirementError};
use apt_quorum::receipt::Ledger;
use apt_quorum::report::Entrance;
use apt_quorum::route::proxy::{ProxyError, ProxyKind};
use apt_quorum::sys::privileges::PrivilegeError;
use apt_quorum::sys::sandbox::SandboxError;
use apt_quorum::sys::secure::{SecureError, Trusted};
use apt_quorum::sys::steady::Unsteady;
use apt_quorum::types::{
    Fingerprint, GlobError, GroupNameError, KeyError, KeyFault, KeyId, KeyKind, NameError,
    PublicKey, RebuilderName, RebuilderNameError, SecretKeyError, Sha256Digest, ThresholdError,
    TimestampError,
};
use nix::errno::Errno;

use crate::support::{deb, identity, moment, rebuilder, threshold};

/// A public key that nobody has the private key of any more.
const KEY: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Errors by type and variant.
#[derive(Default)]
pub struct Errors(pub BTreeMap<&'static str, Vec<(String, String)>>);

impl Errors {
    fn add<E: Error>(&mut self, name: &'static str, errors: Vec<E>) {
        for error in errors {
            self.add_as(name, &error, &error);
        }
    }

    /// `shape` tells which variant it is: the word with which its `Debug` begins.
    fn add_as(&mut self, name: &'static str, shape: &dyn Debug, error: &dyn Error) {
        self.0.entry(name).or_default().push((variant(shape), error.to_string()));
    }

    /// As the gallery shows them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, errors) in &self.0 {
            let _ = writeln!(text, "{name}");
            for (variant, said) in errors {
                let mut lines = said.lines();
                let _ = writeln!(text, "    {variant}: {}", lines.next().unwrap_or_default());
                for line in lines {
                    let _ = writeln!(text, "{}", format!("        {line}").trim_end());
                }
            }
        }
        text
    }
}

/// The name of the variant, as derived `Debug` writes it.
pub fn variant(value: &dyn Debug) -> String {
    let text = format!("{value:?}");
    text.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
}

fn path() -> PathBuf {
    PathBuf::from("/etc/apt-quorum/policy.toml")
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(Errno::EACCES as i32)
}

fn key_id() -> KeyId {
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{KEY}\n-----END PUBLIC KEY-----\n");
    PublicKey::ed25519_from_pem(&pem).unwrap().key_id()
}

fn alpha() -> RebuilderName {
    rebuilder("alpha")
}

/// All of them.
pub fn all() -> Errors {
    let mut errors = Errors::default();
    types(&mut errors);
    packages(&mut errors);
    attestations(&mut errors);
    policies(&mut errors);
    evidence(&mut errors);
    imports(&mut errors);
    system(&mut errors);
    conversations(&mut errors);
    errors
}

fn types(errors: &mut Errors) {
    let name = |found| NameError::Character { what: "a package name", found };
    errors.add(
        "types::key::KeyError",
        vec![
            KeyError::NotPem,
            KeyError::NotBase64,
            KeyError::NotOfKind(KeyKind::Ed25519),
            KeyError::NotOfKind(KeyKind::EcdsaP256),
            KeyError::NotOfKind(KeyKind::RsaPss),
            KeyError::NotOfKind(KeyKind::OpenPgp),
            KeyError::Weak,
            KeyError::RsaSize { bits: 1024 },
            KeyError::NotArmor,
            KeyError::NotOpenPgp,
            KeyError::OpenPgpVersion,
            KeyError::TooManyKeys { most: 32 },
            KeyError::OddPacket { kind: 12 },
            KeyError::TooManySignatures,
            KeyError::TooLong { most: 1000 },
        ],
    );
    errors.add(
        "types::fingerprint::FingerprintError",
        vec!["225629DF75B188BD".parse::<Fingerprint>().unwrap_err()],
    );
    errors.add(
        "types::digest::DigestError",
        ["xyz", &"x".repeat(64)].map(|it| it.parse::<Sha256Digest>().unwrap_err()).into(),
    );
    errors.add(
        "types::glob::GlobError",
        vec![GlobError::Empty, GlobError::Character('['), GlobError::TooLong],
    );
    errors.add(
        "types::package::NameError",
        vec![
            NameError::TooShort { what: "a package name" },
            NameError::TooLong { what: "a version", limit: 256 },
            name('_'),
            name(' '),
            name('\u{1b}'),
            name('\u{e9}'),
        ],
    );
    errors.add("types::rebuilder::RebuilderNameError", vec![RebuilderNameError]);
    errors.add("types::rebuilder::GroupNameError", vec![GroupNameError]);
    errors.add(
        "types::rebuilder::ThresholdError",
        vec![ThresholdError::Zero, ThresholdError::TooLarge],
    );
    errors.add(
        "types::certificate::KeyFault",
        vec![
            KeyFault::Revoked,
            KeyFault::PerhapsRevoked,
            KeyFault::NotUnderstood,
            KeyFault::Expired(moment("2026-01-01T00:00:00Z")),
            KeyFault::Unbound,
            KeyFault::NotForSigning,
        ],
    );
    errors.add(
        "types::secret::SecretKeyError",
        vec![
            SecretKeyError::Encrypted,
            SecretKeyError::NotAKey,
            SecretKeyError::Weak(KeyError::Weak),
        ],
    );
    errors.add("types::time::TimestampError", vec![TimestampError]);
    errors.add("policy::rule::ExceptionIdError", vec![ExceptionIdError]);
}

fn packages(errors: &mut Errors) {
    errors.add(
        "deb822::Malformed",
        vec![
            deb822::Malformed::Line,
            deb822::Malformed::Twice("Package".to_owned()),
            deb822::Malformed::TooMany,
        ],
    );
    errors.add(
        "deb822::status::StatusError",
        vec![
            StatusError::CutOff,
            StatusError::Malformed { number: 7, why: deb822::Malformed::Line },
            StatusError::Missing { number: 7, field: "Version" },
            StatusError::Name { number: 7, why: NameError::TooShort { what: "a package name" } },
            StatusError::Status { number: 7 },
        ],
    );
    errors.add(
        "deb::archive::DebError",
        vec![
            DebError::NotAPackage,
            DebError::FormatVersion,
            DebError::Truncated,
            DebError::Part,
            DebError::Header,
            DebError::Member("control.tar.br".to_owned()),
            DebError::Compression("control.tar.lz4".to_owned()),
            DebError::Damaged,
            DebError::Trailing,
            DebError::TooLarge,
            DebError::Entry("../control".to_owned()),
            DebError::ControlFiles(2),
        ],
    );
    // What is wrong with a control file cannot be named outside; so there must be such files.
    let good = deb::control_text(&identity("hello 2.10-3 amd64"));
    for text in [
        "nothing\n".to_owned(),
        good.clone() + "\n" + &good,
        good.replace("Version: 2.10-3\n", ""),
        good.replace("Version: ", "Version:\n "),
        good.clone() + "Revision: 2\n",
        good.clone() + "X: \u{1a}\n",
        good.clone() + "Source: hello (x\n",
        good.replace("hello", "h/llo"),
    ] {
        let file = deb::deb_of(&[deb::file("./control", text.as_bytes())]);
        let file = examine(file.as_slice()).unwrap();
        let error = file.control().unwrap_err();
        let outer = format!("{error:?}");
        let inner = outer.strip_prefix("Control(").unwrap_or(&outer).to_owned();
        errors.add_as("deb::archive::DebError", error, error);
        let inner = variant(&format_args!("{inner}"));
        let said = error.to_string();
        errors.0.entry("deb822::control::ControlError").or_default().push((inner, said));
    }
}

fn attestations(errors: &mut Errors) {
    use attest::Rejection;
    let text = |it: &str| it.to_owned();
    let (rebuilder, day) = (alpha(), moment("2026-01-01T00:00:00Z"));
    let fault = |fault| Rejection::FaultySignature { rebuilder: alpha(), key_id: key_id(), fault };
    errors.add(
        "attest::Rejection",
        vec![
            Rejection::TooLarge { size: 20_000_000 },
            Rejection::Json(JsonError::TooDeep),
            Rejection::Shape("\"signed\" is missing"),
            Rejection::TooManySignatures { count: 1000 },
            Rejection::Unsigned,
            Rejection::UnknownKey { key_ids: vec![] },
            Rejection::UnknownKey { key_ids: vec![text("00ff"), text("00ee")] },
            Rejection::BadSignature { rebuilder: rebuilder.clone(), key_id: key_id() },
            Rejection::ExpiredKey { rebuilder, key_id: key_id(), not_after: day },
            fault(SignatureFault::WeakHash),
            Rejection::WrongType { found: text("layout") },
            Rejection::WrongType { found: text("") },
            Rejection::WrongPayload { found: text("text/plain") },
            Rejection::Sigstore("has no \"dsseEnvelope\""),
            Rejection::PredicateNotAccepted { found: text("https://example.org/x/v1") },
            Rejection::OtherParty { what: "builder", found: text("https://example.org/") },
            Rejection::PredicateContent("its date is in the future"),
            Rejection::PredicateContent("it does not name exactly one rebuilt file"),
            Rejection::PredicateContent("it has no valid time of verification"),
            Rejection::PredicateContent("it has none of the accepted properties"),
            Rejection::PredicateContent("it is not an artifact equivalence"),
            Rejection::PredicateContent("the rebuilt file differs from the subject"),
            Rejection::Sigstore("signs a file, not a statement, so it confirms no rebuild"),
            Rejection::WrongStep { found: text("build") },
            Rejection::NoSha256 { product: text("hello_2.10-3_amd64.deb") },
            Rejection::AmbiguousProducts { count: 2 },
            Rejection::OtherName { found: text("hello_2.10-4_amd64.deb") },
            Rejection::OtherArtifact,
        ],
    );
    errors.add(
        "attest::SignatureFault",
        vec![
            SignatureFault::NotOverData,
            SignatureFault::WeakHash,
            SignatureFault::NotUnderstood,
            SignatureFault::Undated,
            SignatureFault::WrongTime,
            SignatureFault::Expired,
            SignatureFault::Key { key: "0123456789abcdef0123".to_owned(), why: KeyFault::Revoked },
        ],
    );
    errors.add(
        "attest::json::JsonError",
        vec![
            JsonError::Malformed { line: 1, column: 7 },
            JsonError::DuplicateKey { key: text("signed") },
            JsonError::NotAnInteger,
            JsonError::TooDeep,
        ],
    );
    errors.add(
        "attest::keyring::KeyRingError",
        vec![
            KeyRingError::SharedKey { first: alpha(), earlier: 0, index: 1 },
            KeyRingError::RepeatedKey { earlier: 0, index: 1 },
        ],
    );
    errors.add(
        "attest::layout::LayoutError",
        vec![
            LayoutError::TooLarge { size: 20_000_000 },
            LayoutError::KeyCount,
            LayoutError::RepeatedKey,
            LayoutError::Json(JsonError::NotAnInteger),
            LayoutError::Envelope(Rejection::Unsigned),
            LayoutError::Envelope(Rejection::TooManySignatures { count: 1000 }),
            LayoutError::Envelope(Rejection::Shape("\"signed\" is missing")),
            LayoutError::NotSigned { key: key_id(), why: text("its signature does not verify") },
            LayoutError::WrongType(text("link")),
            LayoutError::Expired(day),
            LayoutError::Shape("\"steps\" is not an array"),
            LayoutError::Unknown { place: "the step", name: text("must_rain") },
            LayoutError::Steps(2),
            LayoutError::WrongStep(text("build")),
            LayoutError::Threshold(ThresholdError::Zero),
            LayoutError::TooFewKeys { threshold: 3, keys: 2 },
            LayoutError::TwoIds(text("00ff")),
            LayoutError::NoSuchKey(text("00ff")),
            LayoutError::Shape("\"expires\" is not a time such as 2027-03-01T00:00:00Z"),
            LayoutError::Shape("a key id of the step is not a text"),
            LayoutError::Shape("the step's threshold is not a whole number"),
            LayoutError::Key {
                id: text("00ff"),
                why: text("this is not an OpenPGP fingerprint of a version 4 key"),
            },
            LayoutError::Key { id: text("00ff"), why: text("it has no public part") },
        ],
    );
    repositories(errors);
}

fn repositories(errors: &mut Errors) {
    use attest::repository::RepositoryRejection as Rejection;
    let path = || "main/binary-amd64/Packages.xz".to_owned();
    let (found, seen) = (moment("2026-01-01T00:00:00Z"), moment("2026-02-01T00:00:00Z"));
    errors.add(
        "attest::repository::RepositoryRejection",
        vec![
            Rejection::Signature(attest::Rejection::Unsigned),
            Rejection::Release("has no valid Date, or an invalid Valid-Until"),
            Rejection::Release("has a malformed detached signature"),
            Rejection::Release("has a malformed list of files"),
            Rejection::Release("is dated in the future"),
            Rejection::Release("is not a signed text"),
            Rejection::OtherSuite { found: "trixie".to_owned() },
            Rejection::NoLongerValid(found),
            Rejection::Older { found, seen },
            Rejection::NotListed { path: path() },
            Rejection::OtherFile { path: path() },
            Rejection::Unreadable { path: path(), why: "cannot be unpacked" },
            Rejection::Unreadable { path: path(), why: "has data after its end" },
            Rejection::Unreadable { path: path(), why: "has too many lines" },
            Rejection::Unreadable { path: path(), why: "is too large when unpacked" },
            Rejection::NotInIt,
            Rejection::Ambiguous,
            Rejection::TakenOver,
        ],
    );
}

fn policies(errors: &mut Errors) {
    errors.add(
        "policy::PolicyError",
        vec![
            PolicyError::EnforceWithoutRebuilders,
            PolicyError::NoThreshold,
            PolicyError::RebuilderWithoutKey(alpha()),
            PolicyError::UnknownRebuilder(alpha()),
            PolicyError::KeyWithoutRebuilder(alpha()),
        ],
    );
    let too_high =
        |counted| RequirementError::ThresholdTooHigh { threshold: threshold(3), counted };
    let too_small = |needed, counted| RequirementError::GroupTooSmall {
        group: "eu".parse().unwrap(),
        needed: threshold(needed),
        counted,
    };
    errors.add(
        "policy::requirement::RequirementError",
        vec![
            too_high(2),
            too_high(1),
            RequirementError::RequiredNotCounted(alpha()),
            too_small(2, 1),
            too_small(1, 0),
        ],
    );
    // What it is about stands in tests/bad_configuration.
    let problems = || config::load(Path::new("/nowhere/etc"), Trusted::now()).unwrap_err();
    let insecure = SecureError::Writable { path: path(), mode: 0o666 };
    let why = || "Permission denied".to_owned();
    errors.add(
        "config::change::ChangeError",
        vec![
            ChangeError::BrokenBefore(problems()),
            ChangeError::WouldBreak(problems()),
            ChangeError::Exists(path()),
            ChangeError::ChangedMeanwhile(path()),
            ChangeError::Busy(PathBuf::from("/etc/apt-quorum")),
            ChangeError::Insecure(insecure),
            ChangeError::Refused { path: path(), why: why() },
            ChangeError::Stuck { path: path(), why: why() },
        ],
    );
    let insecure = SecureError::Writable { path: path(), mode: 0o666 };
    errors.add(
        "config::whole::WholeError",
        vec![
            WholeError::Syntax(Box::new(
                SourceFile::new(PathBuf::from("/etc/all.toml"), "mode".to_owned())
                    .at(0..4)
                    .saying(&"expected `=`"),
            )),
            WholeError::Part {
                path: PathBuf::from("/etc/all.toml"),
                why: "rebuilder alpha is there twice".to_owned(),
            },
            WholeError::Insecure(insecure),
        ],
    );
}

fn evidence(errors: &mut Errors) {
    errors.add(
        "route::proxy::ProxyError",
        vec![
            ProxyError::Scheme,
            ProxyError::NamesLookedUpHere { meant: "socks5h://127.0.0.1:9050".to_owned() },
            ProxyError::Address,
            ProxyError::Login(ProxyKind::Socks),
        ],
    );
    errors.add(
        "evidence::http::DoorError",
        vec![
            DoorError::Transport("connection refused".to_owned()),
            DoorError::Timeout(Duration::from_secs(10)),
            DoorError::TimeoutBehind {
                limit: Duration::from_secs(10),
                proxy: "socks5h://127.0.0.1:9050".to_owned(),
            },
            DoorError::Closed(
                "the command /usr/local/bin/proxy (Proxy-Auto-Detect) named no proxy: it failed"
                    .to_owned(),
            ),
            DoorError::Proxy(
                "the proxy http://127.0.0.1:3128 requires a login (HTTP 407): see apt_auth.conf(5)"
                    .to_owned(),
            ),
            DoorError::Server(503),
            DoorError::Busy { status: 429, rest: Duration::from_secs(30) },
            DoorError::TooLarge(1_000_000),
        ],
    );
    errors.add(
        "evidence::bundle::BundleError",
        vec![
            BundleError::Read("Permission denied".to_owned()),
            BundleError::TooLarge,
            BundleError::Bomb,
            BundleError::TooMany,
            BundleError::NotGzip,
            BundleError::Damaged,
            BundleError::Truncated,
            BundleError::Trailing,
            BundleError::Entry("../x".to_owned()),
            BundleError::Twice,
        ],
    );
    errors.add(
        "evidence::pack::PackError",
        vec![
            PackError::Write(refused()),
            PackError::TooMuch,
            PackError::Name(identity("hello 2.10-3 amd64").artifact_name()),
        ],
    );
    // A file where the directory of the receipts should be.
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Ledger::open(file.path(), Entrance::Hook).err().unwrap();
    let said = error.to_string().replace(file.path().to_str().unwrap(), "/var/lib/apt-quorum");
    errors.0.insert("receipt::LedgerError", vec![(variant(&error), said)]);
}

fn imports(errors: &mut Errors) {
    let text = |it: &str| it.to_owned();
    let item = "APT::Intoto::Layout";
    errors.add(
        "import::apt_transport::SettingsError",
        vec![
            SettingsError::None,
            SettingsError::Missing(item),
            SettingsError::Wrong { item, value: text("root.layout"), why: "not an absolute path" },
            SettingsError::TooMany("APT::Intoto::Rebuilders"),
        ],
    );
    errors.add(
        "import::rebuilders::RebuildersError",
        vec![
            RebuildersError::NoCertificate(vec![
                text("0123456789ABCDEF"),
                text("FEDCBA9876543210"),
            ]),
            RebuildersError::OtherNumbers(text("0123456789ABCDEF")),
            RebuildersError::EndsToday,
            RebuildersError::Owner { key: text("00ff"), why: "the step has no such key" },
        ],
    );
    errors.add(
        "import::PlanError",
        vec![
            PlanError::Differs { path: "policy.toml".to_owned(), found: 2, wanted: 3 },
            PlanError::TooFewRebuilders { threshold: 2, rebuilders: 1 },
        ],
    );
    errors.add(
        "import::repro_threshold::TakeError",
        vec![
            TakeError::Toml(text("it is not understood (line 3): expected a string")),
            TakeError::NoThreshold(0),
            TakeError::TooMany("rebuilders"),
            TakeError::NotAPackage(text("Hello")),
            TakeError::Host { name: text("one"), url: text("nowhere") },
            TakeError::Key { name: text("one"), why: KeyError::NotPem },
        ],
    );
}

fn system(errors: &mut Errors) {
    let file = || PathBuf::from("/var/lib/dpkg/status");
    errors.add(
        "audit::system::SystemError",
        vec![
            SystemError::Io { path: file(), error: refused() },
            SystemError::TooLarge(file()),
            SystemError::Status { path: file(), why: StatusError::Status { number: 7 } },
            SystemError::Unfinished(PathBuf::from("/var/lib/dpkg/updates")),
        ],
    );
    let tree = || PathBuf::from("usr/bin/hello");
    errors.add(
        "image::tree::TreeError",
        vec![
            TreeError::Io { path: tree(), error: refused() },
            TreeError::Mount(tree()),
            TreeError::Changed(tree()),
            TreeError::TooDeep(tree()),
            TreeError::TooMany,
        ],
    );
    errors
        .add("image::manifest::ManifestError", vec![ManifestError::from(TreeError::Mount(tree()))]);
    errors.add(
        "sys::secure::error::SecureError",
        vec![
            SecureError::Open { path: path(), error: Errno::ENOENT },
            SecureError::Owner { path: path(), owner: 1000 },
            SecureError::Writable { path: path(), mode: 0o666 },
            SecureError::Addable { path: PathBuf::from("/srv/incoming"), mode: 0o1777 },
            SecureError::Untold { path: PathBuf::from("/mnt/x.deb") },
            SecureError::Readable { path: path(), mode: 0o644 },
            SecureError::Kind { path: path(), expected: "plain file" },
            SecureError::TooLarge { path: path(), limit: 1_000_000 },
            SecureError::NotText { path: path(), line: 3 },
            SecureError::Links { path: path() },
        ],
    );
    let mistake = "Syntax error /etc/apt/apt.conf.d/99x:2: Extra junk at end of file";
    errors.add(
        "gate::system::AptUnreadable",
        vec![AptUnreadable(format!("apt-config ended with exit status: 100: E: {mistake}"))],
    );
    errors.add("sys::steady::Unsteady", vec![Unsteady::Written, Unsteady::NotTold(Errno::EINVAL)]);
    let name = || "_apt".to_owned();
    errors.add(
        "sys::privileges::PrivilegeError",
        vec![
            PrivilegeError::NoUser(name()),
            PrivilegeError::IsRoot(name()),
            PrivilegeError::Refused { name: name(), error: Errno::EPERM },
            PrivilegeError::Incomplete,
        ],
    );
    let landlock = landlock::CreateRulesetError::MissingHandledAccess;
    errors.add(
        "sys::sandbox::SandboxError",
        vec![
            SandboxError::Threads(2),
            SandboxError::Path { path: PathBuf::from("/usr/lib"), error: refused() },
            SandboxError::Files(landlock::RulesetError::CreateRuleset(landlock)),
            SandboxError::Calls("too many filters".to_owned()),
            SandboxError::System(Errno::EPERM),
        ],
    );
}

fn conversations(errors: &mut Errors) {
    use apt_quorum::apt::hook_input::{HookInputError, OddLine};
    use apt_quorum::apt::{json_hook, message};
    errors.add(
        "apt::message::MessageError",
        vec![message::MessageError::Io(refused()), message::MessageError::Malformed],
    );
    let not_json = serde_json::from_str::<u8>("x").unwrap_err();
    errors.add(
        "apt::json_hook::HookMessageError",
        vec![
            json_hook::HookMessageError::Io(refused()),
            json_hook::HookMessageError::TooLong,
            json_hook::HookMessageError::Malformed(not_json),
            json_hook::HookMessageError::Version,
        ],
    );
    errors.add(
        "apt::hook_input::HookInputError",
        vec![
            HookInputError::Io(refused()),
            HookInputError::TooLarge,
            HookInputError::Version("2".to_owned()),
            HookInputError::Truncated,
        ],
    );
    let why =
        ["it has fewer than nine fields", "x is not an absolute path", "'x y' is not one word"];
    let odd = why.map(|why| OddLine { line: 7, why: why.to_owned() });
    errors.add("apt::hook_input::OddLine", odd.into());
    let option = apt_quorum::hook::told(vec![b"--odd".to_vec()]).unwrap_err();
    errors.add("hook::command_line::UnknownOption", vec![option]);
}
