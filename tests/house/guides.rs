//! What the guides say is so: every configuration in them is one without a mistake and matches the
//! packages that it is there for, and what they show of a screen was recorded from one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use apt_quorum::config::{self, Config};
use apt_quorum::deb::examine;
use apt_quorum::policy::{Basis, Decision, Evidence, Listing, Subject, decide};
use apt_quorum::report::from_groups;
use apt_quorum::sys::secure::Trusted;

use crate::common::{Key, World, deb};

/// Whoever the guides call by these names is a rebuilder.
const REBUILDERS: [&str; 3] = ["alice", "bob", "carol"];

/// A block of a page, between ``` and ```.
struct Block {
    /// `docs/policy.md:12`
    place: String,
    /// The last heading before it
    heading: String,
    /// What stands behind the first ```
    kind: String,
    /// `machine`, if a remark right before it says that it comes from `docs/sessions/machine.txt`
    session: Option<String>,
    text: String,
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = docs.map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let mut pages: Vec<PathBuf> =
        names.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    pages.push("README.md".into());
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, Option<(Block, usize)>) = (Vec::new(), None);
    let (mut heading, mut session) = (String::new(), None);
    for (number, line) in read(page).lines().enumerate() {
        let trimmed = line.trim_start();
        match &mut open {
            Some((block, indent)) if trimmed != "```" => {
                block.text += line.get(*indent..).unwrap_or(trimmed);
                block.text += "\n";
            }
            Some(_) => found.extend(open.take().map(|(block, _)| block)),
            None if trimmed.starts_with("```") => {
                let block = Block {
                    place: format!("{}:{}", page.display(), number + 1),
                    heading: heading.clone(),
                    kind: trimmed.trim_start_matches('`').to_owned(),
                    session: session.take(),
                    text: String::new(),
                };
                open = Some((block, line.len() - trimmed.len()));
            }
            None if trimmed.starts_with("<!-- docs/sessions/") => {
                let name = trimmed.strip_prefix("<!-- docs/sessions/").unwrap();
                session = Some(name.strip_suffix(".txt -->").unwrap().to_owned());
            }
            None => {
                if line.starts_with('#') {
                    line.trim_start_matches(['#', ' ']).clone_into(&mut heading);
                }
            }
        }
    }
    assert!(open.is_none(), "{}: a block has no end", page.display());
    found
}

/// The examples of the manual, which are indented there.
fn of_the_manual() -> Vec<Block> {
    let page = read("man/apt-quorum.toml.5");
    let examples = page.split(".Sh EXAMPLES").nth(1).unwrap().split(".Sh ").next().unwrap();
    let mut found = Vec::new();
    for part in examples.split("\n.Bd ").skip(1) {
        let text = part.split_once('\n').unwrap().1.split("\n.Ed").next().unwrap();
        found.push(Block {
            place: format!("man/apt-quorum.toml.5, example {}", found.len() + 1),
            heading: "EXAMPLES".to_owned(),
            kind: "toml".to_owned(),
            session: None,
            text: text.replace("\\-", "-").replace("\\&", "") + "\n",
        });
    }
    found
}

/// Which file of the configuration a block is: what its first line says, or what it looks like.
fn file_of(block: &Block) -> String {
    let first = block.text.lines().next().unwrap();
    if let Some(name) = first.strip_prefix("# ").filter(|name| name.ends_with(".toml")) {
        return name.strip_prefix("/etc/apt-quorum/").unwrap_or(name).to_owned();
    }
    let has = |start: &str| block.text.lines().any(|line| line.starts_with(start));
    match () {
        () if has("[[exception]]") => "exceptions.d/example.toml".to_owned(),
        () if has("name = ") => "rebuilders.d/example.toml".to_owned(),
        () => "policy.toml".to_owned(),
    }
}

/// The rebuilders that rules in the text name.
fn named(text: &str) -> BTreeSet<String> {
    let table: toml::Table = text.parse().unwrap_or_default();
    let rules = table.get("rule").and_then(|it| it.as_array().cloned()).unwrap_or_default();
    let groups = table.get("group").and_then(|it| it.as_array().cloned()).unwrap_or_default();
    let tables = rules.iter().chain(&groups);
    let lists = tables.flat_map(|table| [table.get("rebuilders"), table.get("require")]);
    let names = lists.flatten().flat_map(|list| list.as_array().cloned().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The block as part of a configuration that has all that it relies on.
fn configured(block: &Block) -> Config {
    let world = World::new();
    let file = file_of(block);
    let mut text = block.text.clone();
    if file == "policy.toml" && !text.contains("mode = ") {
        text = format!("mode = \"enforce\"\nthreshold = 2\n{text}");
    }
    let mut names = named(&text);
    names.extend(REBUILDERS.map(str::to_owned));
    if file.starts_with("rebuilders.d/") {
        let table: toml::Table = text.parse().unwrap();
        names.remove(table["name"].as_str().unwrap());
        for key in table["key"].as_array().unwrap() {
            if let Some(name) = key.get("file") {
                let path = format!("etc/rebuilders.d/{}", name.as_str().unwrap());
                world.write(&path, Key::new().pem());
            }
        }
    }
    for name in names {
        world.rebuilder(&name, &Key::new(), &[]);
    }
    world.write(&format!("etc/{file}"), text);
    config::load(&world.path("etc"), Trusted::now())
        .unwrap_or_else(|problems| panic!("{}:\n{problems}", block.place))
}

#[test]
fn every_configuration_in_the_guides_is_without_a_mistake() {
    let all: Vec<Block> = pages().iter().flat_map(|page| blocks(page)).collect();
    let mut examples: Vec<&Block> = all.iter().filter(|block| block.kind == "toml").collect();
    let manual = of_the_manual();
    assert_eq!(manual.len(), 3);
    examples.extend(&manual);
    assert!(examples.len() >= 20, "{}", examples.len());
    for block in examples {
        configured(block);
    }
}

/// A package, as `NAME VERSION ARCHITECTURE`, with its source if it has another name, and the
/// archive that offers it.
struct Package<'a>(&'a str, &'a str, Option<Listing>);

fn archive(origin: &str, label: &str, codename: &str, component: &str, site: &str) -> Listing {
    Listing {
        origin: origin.to_owned(),
        label: label.to_owned(),
        suite: "stable".to_owned(),
        codename: codename.to_owned(),
        component: component.to_owned(),
        site: site.to_owned(),
        signed_by: Vec::new(),
    }
}

/// The same, with an index that one of the keys that the examples name signed.
fn signed(archive: Listing, by: &str) -> Listing {
    Listing { signed_by: vec![by.parse().unwrap()], ..archive }
}

/// Debian 13's archive, its security archive, and the vendor of the examples.
const DEBIAN: &str = "04B54C3CDCA79751B16BC6B5225629DF75B188BD";
const SECURITY: &str = "5E04A1E3223A19A20706E20F9904613D4CCE68C6";
const VENDOR: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

fn debian() -> Listing {
    signed(archive("Debian", "Debian", "trixie", "main", "deb.debian.org"), DEBIAN)
}

/// What becomes of the package that nobody has confirmed: `excepted`, or who must confirm it, as
/// `2 of alice bob carol, among them carol`.
fn judged(config: &Config, package: &Package<'_>) -> String {
    let words: Vec<&str> = package.0.split(' ').collect();
    let source = match package.1 {
        "" => String::new(),
        source => format!("Source: {source}\n"),
    };
    let control = format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\n{source}Maintainer: nobody <nobody@localhost>\n\
         Description: for tests\n",
        words[0], words[1], words[2]
    );
    let subject = Subject::new(
        examine(deb(&control).as_slice()).unwrap(),
        None,
        package.2.iter().cloned().collect(),
    );
    let now = "2026-12-01T00:00:00Z".parse().unwrap();
    match decide(&config.policy, &subject, &Evidence::default(), now) {
        Decision::Admit(admit) => match admit.basis() {
            Basis::Exception { .. } => "excepted".to_owned(),
            other => panic!("{other:?}"),
        },
        Decision::Refuse(refusal) => {
            let requirement = refusal.report.unwrap().requirement.unwrap();
            let listed = |names: &BTreeSet<_>| {
                names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let among = match requirement.required() {
                required if required.is_empty() => String::new(),
                required => format!(", among them {}", listed(required)),
            };
            format!(
                "{} of {}{among}{}",
                requirement.threshold().count(),
                listed(requirement.counted()),
                from_groups(&requirement)
            )
        }
    }
}

/// Judges by the example number `nth` (from 0) below the heading of docs/policy.md.
fn by(heading: &str, nth: usize, package: &Package<'_>) -> String {
    let all = blocks(Path::new("docs/policy.md"));
    let examples = all.iter().filter(|it| it.kind == "toml" && it.heading == heading);
    let block = examples.into_iter().nth(nth).unwrap_or_else(|| panic!("no {heading} {nth}"));
    judged(&configured(block), package)
}

#[test]
fn rules_are_tried_in_their_order() {
    let rules = |package| by("Rules", 0, &Package(package, "", Some(debian())));
    assert_eq!(rules("libc6 2.41-12 amd64"), "3 of alice bob carol");
    assert_eq!(rules("systemd-sysv 257 amd64"), "3 of alice bob carol");
    assert_eq!(rules("tree 2.2.1-1 amd64"), "2 of alice bob carol, among them carol");
    assert_eq!(rules("cowsay 3.03 all"), "2 of alice bob carol");
}

#[test]
fn groups_are_the_policys_where_a_rule_has_none() {
    let heading = "Confirmations from several groups";
    let groups = |package| by(heading, 0, &package);
    let of_vendor = archive("", "", "", "", "packages.example.org");
    let (debian, vendor) =
        (|name| Package(name, "", Some(debian())), Package("x 1 all", "", Some(of_vendor)));
    let all = "alice bob carol dave";
    assert_eq!(
        groups(debian("cowsay 3.03 all")),
        format!("2 of {all} (1 from group eu, 1 from group us)")
    );
    assert_eq!(
        groups(debian("dpkg 1.23 amd64")),
        format!("3 of {all} (1 from group arm, 1 from group eu, 1 from group us)")
    );
    assert_eq!(groups(vendor), "1 of bob");
}

#[test]
fn the_recipes_for_security_updates_are_about_nothing_else() {
    let security =
        archive("Debian", "Debian-Security", "trixie-security", "main", "deb.debian.org");
    let security = signed(security, SECURITY);
    let heading = "The security repository";
    let update = || Package("openssl 3.5.4-1 amd64", "", Some(security.clone()));
    assert_eq!(by(heading, 0, &update()), "1 of alice bob carol");
    assert_eq!(by(heading, 1, &update()), "excepted");
    for nth in [0, 1] {
        let of_main = Package("openssl 3.5.4-1 amd64", "", Some(debian()));
        assert_eq!(by(heading, nth, &of_main), "2 of alice bob carol");
        let of_nobody = Package("openssl 3.5.4-1 amd64", "", None);
        assert_eq!(by(heading, nth, &of_nobody), "2 of alice bob carol");
    }
    // A vendor that says all that Debian says.
    let of_another = signed(security.clone(), VENDOR);
    for nth in [0, 1] {
        let liar = Package("openssl 3.5.4-1 amd64", "", Some(of_another.clone()));
        assert_eq!(by(heading, nth, &liar), "2 of alice bob carol");
    }
}

#[test]
fn the_recipes_for_kernels_know_their_names() {
    let heading = "Kernels and boot loaders";
    let kernels = [
        ("linux-image-amd64 6.12.57-1 amd64", "linux-signed-amd64 (6.12.57+1)"),
        ("linux-image-6.12.57+deb13-amd64 6.12.57-1 amd64", "linux-signed-amd64 (6.12.57+1)"),
    ];
    for (package, source) in kernels {
        let of = |listing| Package(package, source, listing);
        assert_eq!(by(heading, 0, &of(Some(debian()))), "excepted", "{package}");
        assert_eq!(by(heading, 1, &of(Some(debian()))), "excepted", "{package}");
        assert_eq!(by(heading, 0, &of(None)), "2 of alice bob carol", "{package}");
        assert_eq!(by(heading, 2, &of(Some(debian()))), "3 of alice bob carol", "{package}");
    }
    let unsigned = Package(
        "linux-image-6.12.57+deb13-amd64-unsigned 6.12.57-1 amd64",
        "linux",
        Some(debian()),
    );
    assert_eq!(by(heading, 0, &unsigned), "2 of alice bob carol");
    assert_eq!(by(heading, 1, &unsigned), "2 of alice bob carol");
    // What the text says about the pattern alone.
    let pattern: apt_quorum::types::Glob = "linux-image-*-amd64".parse().unwrap();
    assert!(!pattern.matches("linux-image-amd64"));
}

#[test]
fn the_other_recipes_match_what_they_are_for_and_not_its_neighbours() {
    let default = "2 of alice bob carol";
    let firmware = archive("Debian", "Debian", "trixie", "non-free-firmware", "deb.debian.org");
    let backports = archive(
        "Debian Backports",
        "Debian Backports",
        "trixie-backports",
        "main",
        "deb.debian.org",
    );
    let firmware = signed(firmware, DEBIAN);
    let backports = signed(backports, DEBIAN);
    let vendor = archive("Example", "Example", "stable", "main", "packages.example.org");
    let vendor = signed(vendor, VENDOR);
    let unsigned = Listing { signed_by: Vec::new(), ..vendor.clone() };
    let liar = signed(firmware.clone(), VENDOR);
    let qubes = archive("Qubes", "Qubes", "trixie", "main", "deb.qubes-os.org");
    let cases: [(&str, usize, &str, &Listing, &str); 17] = [
        ("Firmware and non-free", 0, "firmware-iwlwifi 20250410-2 all", &firmware, "excepted"),
        ("Firmware and non-free", 0, "firmware-iwlwifi 20250410-2 all", &debian(), default),
        ("Firmware and non-free", 0, "libc6 2.99-1 amd64", &liar, default),
        ("Repositories of others", 2, "example-agent 1 amd64", &unsigned, default),
        ("Repositories of others", 2, "example-agent 1 amd64", &liar, default),
        ("Backports", 0, "tree 2.2.1-1~bpo13+1 amd64", &backports, "1 of alice bob carol"),
        ("Backports", 0, "tree 2.2.1-1 amd64", &debian(), default),
        ("Repositories of others", 0, "example-agent 1 amd64", &vendor, "1 of example-rebuilder"),
        (
            "Repositories of others",
            0,
            "tree 2.2.1-1 amd64",
            &debian(),
            "2 of alice bob carol example-rebuilder",
        ),
        ("Repositories of others", 1, "example-agent 1 amd64", &vendor, "1 of example-rebuilder"),
        ("Repositories of others", 1, "tree 2.2.1-1 amd64", &debian(), default),
        ("Repositories of others", 2, "example-agent-plugins 1 amd64", &vendor, "excepted"),
        ("Repositories of others", 2, "libc6 2.99-1 amd64", &vendor, default),
        ("Qubes OS", 0, "qubes-core-agent 4.3.30-1 amd64", &qubes, "excepted"),
        ("Qubes OS", 0, "libc6 2.99-1 amd64", &qubes, default),
        ("Qubes OS", 0, "qubes-core-agent 4.3.30-1 amd64", &debian(), default),
        ("Qubes OS", 1, "qubes-core-agent 4.3.30-1 amd64", &qubes, "1 of qubes, among them qubes"),
    ];
    for (heading, nth, package, listing, expected) in cases {
        let said = by(heading, nth, &Package(package, "", Some(listing.clone())));
        assert_eq!(said, expected, "{heading} {nth}: {package} of {}", listing.site);
    }
}

/// One word after the other, because a page breaks lines where a terminal does not.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// What is shown of a screen is what was recorded; `...` stands for what is left out.
#[test]
fn what_is_shown_of_a_session_was_recorded() {
    let mut seen = 0;
    for block in pages().iter().flat_map(|page| blocks(page)) {
        let Some(session) = &block.session else { continue };
        let record = read(format!("docs/sessions/{session}.txt"));
        let record = words(&record);
        let mut rest: &[&str] = &record;
        for part in block.text.split("\n...\n") {
            let part = words(part);
            let at = rest.windows(part.len().max(1)).position(|window| window == part);
            let at = at.unwrap_or_else(|| {
                panic!(
                    "{}: docs/sessions/{session}.txt lacks, in this order: {}",
                    block.place,
                    part.join(" ")
                )
            });
            rest = &rest[at + part.len()..];
        }
        seen += 1;
    }
    assert!(seen >= 8, "{seen}");
}

/// The first thing that people see is a real session.
#[test]
fn readme_begins_with_a_recorded_session() {
    let first = blocks(Path::new("README.md")).into_iter().next().unwrap();
    assert_eq!(first.session.as_deref(), Some("machine"), "{}", first.place);
    assert!(first.heading == "apt-quorum", "{}: it stands below {}", first.place, first.heading);
}
