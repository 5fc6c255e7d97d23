//! Packages that dpkg and apt install and Debian policy forbids.
//!
//! All of apt's configuration that is shipped is there, so every entrance is asked about each.

use super::archive::{Package, Stanza, archive};
use super::deb::{Entry, ar, file, gz, tar};
use super::steps::{source_of, two_attest};
use super::table::{HOOK_AND_DPKG, INSTALLED, PROMPT_AND_HOOK};
use super::world::World;

rows! {
    odd_packages: "odd names, sources and archives, asked of every entrance and command" => PROMPT_AND_HOOK;
    odd_warn: "mode warn lets everything through that apt and dpkg install" => INSTALLED;
    odd_excepted: "what could be two packages: no vote counts, an exception for its bytes does" => HOOK_AND_DPKG;
    odd_installed: "one odd package is installed already: all others are audited" => INSTALLED;
}

/// A package out of these members around its control archive.
fn deb(
    before: &[(&str, &[u8])],
    control: &[Vec<u8>],
    between: &[(&str, &[u8])],
    after: &[(&str, &[u8])],
) -> Vec<u8> {
    let (control, data) = (gz(&tar(control)), gz(&tar(&[])));
    let mut members: Vec<(&str, &[u8])> = vec![("debian-binary", b"2.0\n")];
    members.extend(before);
    members.push(("control.tar.gz", &control));
    members.extend(between);
    members.push(("data.tar.gz", &data));
    members.extend(after);
    ar(&members)
}

fn text(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\n{more}\
         Maintainer: Nobody <nobody@example.invalid>\nDescription: odd\n"
    )
}

fn made(name: &str, version: &str, bytes: Vec<u8>) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "all".to_owned(),
        fields: String::new(),
        bytes: bytes.into(),
    }
}

/// Packages that dpkg reads in one way.
fn read_in_one_way() -> Vec<Package> {
    let plain = |name: &str, version: &str, more: &str| {
        let control = file("./control", text(name, version, more).as_bytes());
        made(name, version, deb(&[], &[control], &[], &[]))
    };
    let control = |name: &str| file("./control", text(name, "1.0", "").as_bytes());
    let pax = |record: &[u8]| Entry::new("./PaxHeaders/control", b'x').body(record).build();
    let with = |name: &str, entries: &[Vec<u8>]| made(name, "1.0", deb(&[], entries, &[], &[]));
    let script = file("./shlibs", b"");
    let link = |kind: u8| Entry::new("./symbols", kind).link_to("./shlibs").build();
    let long = Entry::new("././@LongLink", b'L').body(b"./shlibs\0");
    let dos = text("dos-lines", "1.0", "").replace('\n', "\r\n");
    vec![
        plain("node_exporter", "1.0", ""),
        plain("NoMachine", "1.0", ""),
        plain("r", "1.0", ""),
        plain("a_1", "1.0", ""),
        plain("colons", "1:2:3", ""),
        plain("upper", "1.0", "Source: Microsoft\n"),
        plain("words", "1.0", "Source: My product (2)\n"),
        with("dos-lines", &[file("./control", dos.as_bytes())]),
        with("pax-time", &[pax(b"23 mtime=1700000000.25\n"), control("pax-time")]),
        with("pax-mac", &[pax(b"35 LIBARCHIVE.xattr.com.apple=AQIA\n"), control("pax-mac")]),
        with("hard-link", &[control("hard-link"), script.clone(), link(b'1')]),
        with("soft-link", &[control("soft-link"), script, link(b'2')]),
        with("long-name", &[long.build(), file("x", b""), control("long-name")]),
        made("before", "1.0", deb(&[("_meta", b"x\n")], &[control("before")], &[], &[])),
        made("between", "1.0", deb(&[], &[control("between")], &[("_meta", b"x\n")], &[])),
        made("behind", "1.0", deb(&[], &[control("behind")], &[], &[("sign", b"x\n")])),
    ]
}

/// Packages that dpkg installs and another reader could take for something else, with a name for
/// each.
fn read_in_two_ways() -> Vec<(&'static str, Package)> {
    let control = |name: &str| file("./control", text(name, "1.0", "").as_bytes());
    let pax = |record: &[u8]| Entry::new("./PaxHeaders/control", b'x').body(record).build();
    let of = |name: &str, entries: &[Vec<u8>]| made(name, "1.0", deb(&[], entries, &[], &[]));
    let longest = format!("1.{}", "0".repeat(300));
    let twice = [gz(&tar(&[control("streams")])), gz(b"")].concat();
    let members: [(&str, &[u8]); 3] = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &twice),
        ("data.tar.gz", &gz(&tar(&[]))),
    ];
    let versioned = file("./control", text("long-version", &longest, "").as_bytes());
    vec![
        ("a path in a pax header", of("pax-path", &[pax(b"18 path=./control\n"), control("pax-path")])),
        ("two control files", of("twice", &[control("twice"), control("twice")])),
        ("two compressed streams", made("streams", "1.0", ar(&members))),
        ("a source with brackets", {
            let text = text("brackets", "1.0", "Source: a(1)\n");
            of("brackets", &[file("./control", text.as_bytes())])
        }),
        ("a long version", made("long-version", &longest, deb(&[], &[versioned], &[], &[]))),
    ]
}

/// What dpkg and apt call it.
fn known_as(package: &Package) -> String {
    package.name.to_ascii_lowercase()
}

fn odd_packages(world: &World) {
    let good = world.package("good");
    let all = read_in_one_way();
    // As files that no archive lists.
    world.source(source_of(&[good]));
    for package in &all {
        let deb = format!("/root/{}.deb", package.name);
        world.write(&deb, &package.bytes);
        let why = format!("{} {} all: 0 of 2 required confirmations", package.name, package.version);
        world.install(&deb).fails().says("Nothing was installed").says(&why);
        assert!(!world.is_unpacked(&known_as(package)), "{}", package.name);
    }
    let listed: Vec<&Package> = all.iter().chain([good]).collect();
    world.source(source_of(&listed));
    // Nobody confirms them: everybody says so, about each.
    for package in &all {
        let (name, known) = (&package.name, known_as(package));
        let deb = format!("/root/{name}.deb");
        let why = format!("{} all: 0 of 2 required confirmations", package.version);
        for command in [
            format!("apt-quorum check {known}"),
            format!("apt-quorum explain {known}"),
            format!("apt-quorum verify {deb}"),
            format!("apt-quorum explain {deb}"),
        ] {
            world.sh(&command).falls_short().says(no_rebuilder(&command, &why));
        }
        let prompted = world.sh(&format!("apt-get install -y {known}")).fails();
        prompted.says("Nothing was downloaded").says(&why);
        world.install(&known).fails().says(&why);
        world.sh(&format!("dpkg -i {deb}")).falls_short().says(&why);
        assert!(!world.is_unpacked(&known), "{name}");
    }
    // Two do: so does everybody.
    all.iter().chain([good]).for_each(|it| two_attest(world, it));
    for package in &all {
        let (name, known) = (&package.name, known_as(package));
        let deb = format!("/root/{name}.deb");
        for command in [
            format!("apt-quorum check {known}"),
            format!("apt-quorum explain {known}"),
            format!("apt-quorum verify {deb}"),
            format!("apt-quorum explain {deb}"),
            format!("apt-quorum exception add {deb} --reason x --days 1 --config /root/scratch"),
        ] {
            world.sh("rm -rf /root/scratch; cp -a /etc/apt-quorum /root/scratch").succeeds();
            world.sh(&command).succeeds();
        }
        world.install(&known).succeeds().says("1 confirmed");
        assert!(world.is_unpacked(&known), "{name}");
        world.sh(&format!("dpkg -r {known}; dpkg -i {deb}")).succeeds();
        assert!(world.is_unpacked(&known), "{name}");
        world.install(&format!("--reinstall {deb}")).succeeds();
    }
    // All at once, with one that nobody confirms: only that one is to blame.
    let names: Vec<String> = all.iter().map(known_as).collect();
    world.sh(&format!("dpkg -r {}", names.join(" "))).succeeds();
    world.install(&format!("{} good", names.join(" "))).succeeds();
    // What is installed is known by what was let in.
    let audit = world.sh("apt-quorum audit --all --offline || true").text;
    for name in &names {
        let line = audit.lines().find(|it| it.split_whitespace().nth(1) == Some(name));
        let line = line.unwrap_or_else(|| panic!("{name}:\n{audit}"));
        assert!(line.starts_with("confirmed "), "{line}");
    }
}

/// `explain` has its own words for the same.
fn no_rebuilder<'w>(command: &str, why: &'w str) -> &'w str {
    match command.contains("explain") {
        true => "0 of 2 required confirmations",
        false => why,
    }
}

fn odd_warn(world: &World) {
    let good = world.package("good");
    let one = read_in_one_way();
    let two = read_in_two_ways();
    // apt itself cannot keep a file with so long a name.
    let short = |it: &&Package| it.version.len() < 200;
    let all: Vec<&Package> = one.iter().chain(two.iter().map(|(_, it)| it)).collect();
    let listed: Vec<&Package> = all.iter().copied().filter(short).chain([good]).collect();
    world.source(source_of(&listed));
    let names: Vec<String> = listed.iter().map(|it| known_as(it)).collect();
    let names = names.join(" ");
    for (policy, rebuilders) in [
        // As on the day of its installation, and with rebuilders that know none of it.
        ("mode = \"warn\"\n", false),
        ("mode = \"warn\"\nthreshold = 2\n", true),
    ] {
        world.policy(policy);
        let from = ["rebuilders.d", "away"];
        let (from, to) = if rebuilders { (from[1], from[0]) } else { (from[0], from[1]) };
        world
            .sh(&format!("cd /etc/apt-quorum; mkdir -p {to}; mv {from}/*.toml {to}/ || true"))
            .succeeds();
        world.install(&names).succeeds();
        for package in all.iter().filter(|_| rebuilders) {
            let known = known_as(package);
            let deb = format!("/root/{known}.deb");
            world.write(&deb, &package.bytes);
            world.sh(&format!("dpkg -r {known} || true; apt-get install -y {deb}")).succeeds();
            assert!(world.is_unpacked(&known), "{known}");
            world.sh(&format!("dpkg -r {known}; dpkg -i {deb}")).succeeds();
            assert!(world.is_unpacked(&known), "{known}");
            world.sh(&format!("apt-quorum verify {deb}")).succeeds();
        }
        world.sh(&format!("apt-get remove -y {names}")).succeeds().never_says("apt-quorum:");
    }
}

fn odd_excepted(world: &World) {
    let good = world.package("good");
    two_attest(world, good);
    let all = read_in_two_ways();
    for (what, package) in &all {
        let (name, deb) = (&package.name, format!("/root/{}.deb", package.name));
        world.write(&deb, &package.bytes);
        // Nobody's vote counts for it.
        if package.version.len() < 200 {
            two_attest(world, package);
        }
        let verified = world.sh(&format!("apt-quorum verify {deb}")).falls_short();
        verified.says("apt-quorum exception add FILE");
        world.install(&deb).fails().says("Nothing was installed");
        world.sh(&format!("dpkg -i {deb}")).fails();
        assert!(!world.is_unpacked(name), "{what}");
        let add = format!("apt-quorum exception add {deb} --reason 'looked at it' --days 1");
        world
            .sh(&format!("{add} --architecture all"))
            .falls_short()
            .says("exempt it by its SHA-256 alone, without other conditions");
        world.sh(&add).succeeds().says("Applies to the file with this SHA-256 only");
        for command in [format!("apt-quorum verify {deb}"), format!("apt-quorum explain {deb}")] {
            world.sh(&command).succeeds().says("looked at it");
        }
        world.install(&deb).succeeds().says("looked at it");
        assert!(world.is_unpacked(name), "{what}");
        world.sh(&format!("dpkg -r {name}; dpkg -i {deb}")).succeeds();
        assert!(world.is_unpacked(name), "{what}");
        // One byte, and it is another file.
        let other = format!("/root/{name}-other.deb");
        world.write(&other, &package.tampered().bytes);
        world.sh(&format!("dpkg -r {name}; dpkg -i {other}")).falls_short();
        assert!(!world.is_unpacked(name), "{what}");
        // What others can swap is not what was excepted.
        world.sh(&format!("chown 1000 {deb}; dpkg -i {deb}")).falls_short();
        assert!(!world.is_unpacked(name), "{what}");
        world.sh(&format!("chown root {deb}")).succeeds();
    }
    // From an archive, too.
    let listed: Vec<&Package> = all
        .iter()
        .filter(|(_, it)| it.version.len() < 200 && it.name != "brackets")
        .map(|(_, it)| it)
        .collect();
    let entries: Vec<_> = listed.iter().map(|it| (Stanza::of(it), *it)).collect();
    world.source(archive("Test", &entries));
    for package in listed {
        world.install(&package.name).succeeds();
        assert!(world.is_unpacked(&package.name), "{}", package.name);
    }
    world.write("/root/good.deb", &good.bytes);
    world.sh("dpkg -i /root/good.deb").succeeds();
}

fn odd_installed(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.install("good").succeeds();
    // Put there by an older dpkg, or by one that was made to.
    let control = text("very-odd", "1_0", "");
    world.write("/root/odd.deb", deb(&[], &[file("./control", control.as_bytes())], &[], &[]));
    world.policy("mode = \"warn\"\nthreshold = 2\n");
    world.sh("dpkg --force-bad-version -i /root/odd.deb").succeeds();
    let vendor = text("vendor", "1.0", "Source: Microsoft\n");
    world.write("/root/vendor.deb", deb(&[], &[file("./control", vendor.as_bytes())], &[], &[]));
    world.sh("dpkg -i /root/vendor.deb").succeeds();
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let audit = world.sh("apt-quorum audit --all").falls_short();
    let audit = audit
        .says("very-odd 1_0 all")
        .says("dpkg's entry is ambiguous")
        .says("a version must not have '_' there");
    let line = |name: &str| {
        let line = audit.text.lines().find(|it| it.split_whitespace().nth(1) == Some(name));
        line.unwrap_or_else(|| panic!("{name}:\n{}", audit.text)).to_owned()
    };
    assert!(line("very-odd").starts_with("unknown "), "{}", audit.text);
    assert!(line("good").starts_with("confirmed "), "{}", audit.text);
    assert!(line("vendor").starts_with("debt "), "{}", audit.text);
    for command in ["audit --changes --offline", "audit --json --offline", "audit --html /root/x.html"] {
        let ran = world.sh(&format!("apt-quorum {command} || [ $? -eq 1 ]")).succeeds();
        ran.never_says("cannot audit");
    }
    // Nobody was asked, so nobody knows.
    let changes = world.sh("apt-quorum audit --changes --offline || [ $? -eq 3 ]").succeeds();
    changes.never_says("very-odd");
    world
        .sh("apt-quorum explain very-odd || [ $? -eq 1 ]")
        .succeeds()
        .says("very-odd 1_0 all: installed; dpkg's entry is ambiguous");
    world.sh("apt-quorum status || [ $? -eq 1 ]").succeeds().never_says("cannot");
    world
        .sh("apt-quorum setup --threshold 2 --mode enforce --sources none --yes --offline --all || [ $? -le 3 ]")
        .succeeds()
        .says("very-odd 1_0 all")
        .never_says("cannot be looked at");
    world
        .sh("openssl version >/dev/null 2>&1 || exit 0
             openssl genpkey -algorithm ed25519 -out /root/key.pem && chmod 600 /root/key.pem
             apt-quorum attest --offline --key /root/key.pem --output /tmp/statement.json / && exit 1
             ! [ -e /tmp/statement.json ]")
        .succeeds();
}
