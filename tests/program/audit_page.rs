//! The page that `apt-quorum audit --html` writes. What it does in a browser, `tests/page` shows,
//! with the pages that are made here.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use apt_quorum::audit::page::html;
use apt_quorum::audit::{
    AuditRecord, Counts, HashSource, PackageState, RecordedPackage, UnknownCounts,
};
use apt_quorum::policy::{Exemption, Place, Standing, UnsignedStatus};
use apt_quorum::report::{RecordedClaim, RecordedGroup, RecordedReason};
use apt_quorum::types::{Called, Sha256Digest, Timestamp};
use base64::Engine;
use sha2::Digest;

use crate::common::installed::Machine;
use crate::common::{self, Deb};

/// Ends whatever it may stand in, and would show in a browser.
const EVIL: &str = "x</title></style></script></td>--><script>document.body.id='evil'</script>\
    \"'><img src=x onerror=\"document.body.id='evil'\"><a href='javascript:alert(1)'>&lt;b&gt;\u{202e}\u{0}\r\n";

fn digest(n: u8) -> Sha256Digest {
    Sha256Digest::from_bytes([n; 32])
}

fn time() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn claim(rebuilder: &str, n: u8) -> RecordedClaim {
    RecordedClaim {
        rebuilder: rebuilder.parse().unwrap(),
        key: EVIL.to_owned(),
        sha256: digest(n),
        attestation: digest(n + 1),
        dated: None,
    }
}

/// A package of which every text is hostile.
fn hostile_package(state: PackageState, more: &str) -> RecordedPackage {
    let rebuilders: BTreeMap<_, _> = [
        ("alpha", Standing::Confirms),
        ("beta", Standing::SignedAnother { sha256: digest(3) }),
        ("gamma", Standing::Rejected { code: EVIL.to_owned(), why: EVIL.to_owned() }),
        ("delta", Standing::Unreachable { why: EVIL.to_owned() }),
        ("epsilon", Standing::Says { status: UnsignedStatus::Bad, more: Some(more.to_owned()) }),
        ("zeta", Standing::Unknown),
    ]
    .into_iter()
    .map(|(name, it)| (name.parse().unwrap(), it))
    .collect();
    let excepted = state == PackageState::Excepted;
    RecordedPackage {
        identity: Called {
            package: EVIL.to_owned(),
            version: EVIL.to_owned(),
            architecture: EVIL.to_owned(),
        },
        source: EVIL.to_owned(),
        state,
        sha256: Some(digest(1)),
        sha256_from: Some(HashSource::Receipt),
        listings: Vec::new(),
        admitted: Some(time()),
        basis: Some(EVIL.to_owned()),
        unknown_because: None,
        unfinished: true,
        debt: true,
        reason: Some(RecordedReason { code: "not-confirmed", text: EVIL.to_owned() }),
        exception: excepted.then(|| Exemption {
            place: Place { file: EVIL.to_owned(), line: 1 },
            id: None,
            reason: EVIL.to_owned(),
            expires: time(),
        }),
        rule: Some(EVIL.to_owned()),
        threshold: Some(2),
        groups: [("eu".parse().unwrap(), RecordedGroup { threshold: 1, confirmed: 0 })].into(),
        rebuilders,
        claims: vec![claim("alpha", 1)],
        conflicts: vec![claim("beta", 3)],
    }
}

fn hostile() -> AuditRecord {
    let packages = vec![
        hostile_package(PackageState::Confirmed, "https://rebuilder.example/log/1?a=b&c=d"),
        hostile_package(PackageState::Excepted, "javascript:document.body.id='evil'"),
        hostile_package(PackageState::Debt, EVIL),
        hostile_package(PackageState::Unknown, "data:text/html,<script>alert(1)</script>"),
        hostile_package(
            PackageState::Conflict,
            "https://rebuilder.example/\"><script>alert(1)</script>",
        ),
    ];
    let counts = Counts {
        installed: 5,
        confirmed: 1,
        excepted: 1,
        debt: 1,
        unknown: 1,
        unknown_because: UnknownCounts { too_few: 1, ..UnknownCounts::default() },
        conflict: 5,
    };
    let root = format!("/srv/{EVIL}");
    AuditRecord { schema: 1, time: time(), root, policy: digest(9), counts, packages }
}

/// What stands between two marks that occur once.
fn only<'p>(page: &'p str, begin: &str, end: &str) -> &'p str {
    assert_eq!(page.matches(begin).count(), 1, "{begin}");
    let (_, rest) = page.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

/// The elements of a page with the names of their attributes, but for its script and its style.
fn elements(page: &str) -> Vec<(String, Vec<String>)> {
    let script = only(page, "<script>", "</script>");
    let style = only(page, "<style>", "</style>");
    let page = page.replace(script, "").replace(style, "");
    let mut found = Vec::new();
    for part in page.split('<').skip(1) {
        let tag = part.split('>').next().unwrap();
        // Values are quoted, so outside of quotes there are names only.
        let outside: String = tag.split('"').step_by(2).collect();
        let mut words = outside.split_whitespace().map(|it| it.trim_end_matches(['=', '/']));
        let name = words.next().unwrap_or_default().to_owned();
        found.push((name, words.filter(|it| !it.is_empty()).map(str::to_owned).collect()));
    }
    found
}

#[test]
fn no_text_of_an_audit_becomes_a_part_of_the_page() {
    let page = html(&hostile());
    let allowed: BTreeMap<&str, &[&str]> = [
        ("!DOCTYPE", &["html"][..]),
        ("html", &["lang"]),
        ("meta", &["charset", "http-equiv", "content", "name"]),
        ("svg", &["class", "width", "height", "aria-hidden"]),
        ("rect", &["class", "height", "x", "width"]),
        ("form", &["id", "role", "aria-label", "autocomplete", "hidden"]),
        ("label", &["for", "class"]),
        (
            "input",
            &[
                "id",
                "type",
                "placeholder",
                "autocomplete",
                "spellcheck",
                "name",
                "value",
                "checked",
            ],
        ),
        ("select", &["id"]),
        ("option", &["value"]),
        ("optgroup", &["label"]),
        ("button", &["type"]),
        ("p", &["id", "class", "role", "hidden"]),
        ("div", &["class"]),
        ("dd", &["class"]),
        ("dl", &["class"]),
        ("td", &["class"]),
        ("th", &["scope", "data-key"]),
        ("tr", &["class", "data-find", "data-by", "data-alarm"]),
        ("table", &["id"]),
        ("strong", &["class"]),
        ("time", &["datetime"]),
        ("a", &["rel", "href"]),
    ]
    .into();
    let bare = "head title style script body main header footer h1 h3 dt b caption thead tbody \
                fieldset legend details summary span code small em";
    let bare: Vec<&str> = bare.split_whitespace().collect();
    for (name, attributes) in elements(&page) {
        let own = name.strip_prefix('/').unwrap_or(&name);
        assert!(allowed.contains_key(own) || bare.contains(&own), "<{name}>");
        let may = allowed.get(own).copied().unwrap_or_default();
        let odd: Vec<_> = attributes.iter().filter(|it| !may.contains(&it.as_str())).collect();
        assert!(odd.is_empty(), "{name}: {odd:?}");
    }
    let odd = page.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(odd, None);
    // Of the addresses only one of the web became a link; another is one with its quote escaped.
    let links: Vec<&str> =
        page.split("href=\"").skip(1).map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(
        links,
        [
            "https://rebuilder.example/&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
            "https://rebuilder.example/log/1?a=b&amp;c=d"
        ]
    );
    assert_eq!(page.matches("<a rel=\"noreferrer noopener\" href=").count(), 2);
}

#[test]
fn the_page_lets_only_its_own_style_and_script_do_anything() {
    let page = html(&hostile());
    let hash = |text: &str| {
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text.as_bytes()))
    };
    let script = hash(only(&page, "<script>", "</script>"));
    let style = hash(only(&page, "<style>", "</style>"));
    let policy = only(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; \
             style-src 'sha256-{style}'; script-src 'sha256-{script}'"
        )
    );
    // Before everything that it is about.
    assert!(page.find("Content-Security-Policy").unwrap() < page.find("<style>").unwrap());
}

#[test]
fn the_same_audit_gives_the_same_page() {
    assert_eq!(html(&hostile()), html(&hostile()));
    let none = AuditRecord { packages: Vec::new(), counts: Counts::default(), ..hostile() };
    assert!(html(&none).contains("All 0 installed packages are confirmed."));
}

/// Four of a kind, and 1,996 that are confirmed.
fn many() -> Machine {
    let mut machine = Machine::new();
    for n in 0..1996 {
        let deb = Deb::new(&format!("package-{n}"), &format!("1.{n}-1"), "amd64");
        let by = [["alpha", "beta"], ["alpha", "gamma"], ["beta", "gamma"]][n % 3];
        machine.has(&deb, "install ok installed", &format!("Source: source-{}\n", n / 4));
        machine.let_in_by(&deb, &by);
    }
    let deb = |name: &str| Deb::new(name, "1.0-1", "all");
    for name in ["excepted", "debt", "unknown", "conflict"] {
        machine.installed(&deb(name));
    }
    machine.listed(&deb("excepted"), "a.example", true);
    machine.let_in(&deb("debt"), "warn-mode").signed(&deb("debt"), &["gamma"]);
    machine.listed(&deb("conflict"), "a.example", true);
    machine.signed(&deb("conflict").differently_built(), &["beta"]);
    machine.signed(&Deb::new("package-7", "1.7-1", "amd64").differently_built(), &["alpha"]);
    machine.world.exception(
        "[[exception]]\npackage = [\"excepted\"]\nreason = \"the <b>signed</b> kernel\"\nexpires = 9999-01-01\n",
    );
    machine
}

/// Where `tests/page` looks for the pages.
fn for_the_browser(name: &str) -> PathBuf {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/page"));
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

#[test]
fn the_command_writes_the_page_beside_what_it_prints() {
    let machine = many();
    let target = for_the_browser("many.html");
    let _ = fs::remove_file(&target);
    let arguments = ["--html", target.to_str().unwrap()];
    let ended = machine.audit(&arguments);
    ended.assert_code(1).assert_plain();
    assert!(
        ended.stdout.ends_with(
            "1996 of 2000 packages confirmed, 1 under an exception, \
        1 installed without a quorum (debt), 1 unknown (1 of unknown origin), 2 in conflict.\n"
        ),
        "{ended:?}"
    );
    let mode = target.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let first = fs::read_to_string(&target).unwrap();
    assert_eq!(first.matches("<tr class=").count(), 2000);
    // The tile has what the headline says: a confirmed package is in conflict as well.
    let tile = only(&first, "<div class=\"conflict\"><dt>Conflict</dt><dd>", "</dd>");
    assert_eq!(tile, "2");
    assert!(first.contains("Of 2 packages a rebuilder signed a different file"));
    assert!(first.contains("a rebuilder signed a different file under its name</dd>"));
    let tile = only(&first, "<div class=\"unknown\"><dt>Unknown</dt>", "</div>");
    assert!(tile.contains("1 of unknown origin"), "{tile}");
    // Everything that a row's evidence is.
    let [key, deb] = [machine.keys["beta"].id(), Deb::new("package-0", "1.0-1", "amd64").sha256()];
    assert!(first.contains(&key) && first.contains(&deb));
    let exception = "<dt>Exception</dt><dd>the &lt;b&gt;signed&lt;/b&gt; kernel, until and including 9999-01-01, test.toml line 1</dd>";
    assert!(first.contains(exception));
}

#[test]
fn the_same_system_gives_the_same_page_but_for_the_time() {
    let mut machine = Machine::new();
    let deb = common::rebuilder::hello();
    machine.installed(&deb).let_in(&deb, "warn-mode").signed(&deb, &["alpha"]);
    let page = |machine: &Machine| {
        let target = machine.world.path("page.html");
        machine.audit(&["--json", "--html", target.to_str().unwrap()]).json();
        let page = fs::read_to_string(target).unwrap();
        let time = only(&page, "<time datetime=\"", "\"");
        page.replace(time, "TIME")
    };
    let first = page(&machine);
    assert_eq!(first, page(&machine));
    machine.signed(&deb, &["beta"]);
    assert_ne!(first, page(&machine));
}

#[test]
fn a_page_for_the_browser_in_which_every_text_is_hostile() {
    fs::write(for_the_browser("hostile.html"), html(&hostile())).unwrap();
}

/// Root could be told to write over a device, or over what a link leads to.
#[test]
fn only_a_plain_file_is_written_over() {
    let machine = Machine::new();
    let write = |name: &str| machine.audit(&["--html", machine.world.path(name).to_str().unwrap()]);
    machine.world.write("plain", "old");
    write("plain").assert_code(0);
    assert!(
        fs::read_to_string(machine.world.path("plain")).unwrap().starts_with("<!DOCTYPE html>")
    );
    let precious = machine.world.write("precious", "precious");
    symlink(&precious, machine.world.path("link")).unwrap();
    machine.world.make_directory("directory");
    for name in ["link", "directory", "no/such/directory/page.html"] {
        let ended = write(name);
        ended.assert_code(2).assert_plain();
        assert!(ended.stderr.contains("--html ") && ended.stdout.is_empty(), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
}
