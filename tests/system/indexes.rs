//! What a signed index says of a package, and what it should not have said.

use super::archive::{Package, Stanza, archive, control_member, forge, sign};
use super::steps::{source_of, two_attest};
use super::table::{APT, BOTH, METHOD};
use super::world::{World, serve};

rows! {
    signed_index: "a signed index of a compromised archive: other bytes, other package, version, architecture" => BOTH;
    wrong_hash: "an index with the hash of another file, and one without a hash" => APT;
    lying_file_names: "Filename: bears the name of a confirmed package" => BOTH;
    lying_control: "control data that two readers could understand differently" => BOTH;
    several_products: "an attestation with several products" => METHOD;
    endings: "a file name that ends in .index, .bin, or nothing" => BOTH;
    downgrade: "a signed index that passes an old version off as new" => BOTH;
}

fn endings(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    for ending in ["x.index", "x.bin", "x", "x.deb.index", "x.gz"] {
        let named = |package: &'static str| Stanza {
            filename: format!("pool/{package}{ending}"),
            ..Stanza::of(world.package(package))
        };
        let files = archive("Test", &[(named("good"), good), (named("unknown"), unknown)]);
        for scheme in ["quorum+http", "http"] {
            let server = serve(files.clone());
            world.sources(&[(scheme, &server)]);
            world.install("unknown").fails();
            assert!(!world.has_run("unknown"), "{scheme} {ending}");
        }
        world.install("--reinstall good").succeeds();
    }
}

fn downgrade(world: &World) {
    let (old, new) = (world.package("old"), world.package("new"));
    two_attest(world, old);
    two_attest(world, new);
    let lie = Stanza { version: "2.0-1".to_owned(), ..Stanza::of(old) };
    for scheme in ["quorum+http", "http"] {
        let server = serve(archive("Test", &[(lie.clone(), old)]));
        world.sources(&[(scheme, &server)]);
        world.install("ageing").fails().says(
            "wrong package: the file is ageing 1.0-1 all, apt asked for ageing 2.0-1 all",
        );
        assert!(!world.has_run("ageing"));
        world.sh("rm -f /var/cache/apt/archives/*.deb").succeeds();
    }
    world.source(source_of(&[new]));
    world.install("ageing").succeeds();
}

/// The confirmed package's stanza for another file, changed by `change`.
fn lie(world: &World, file: &Package, change: impl FnOnce(&mut Stanza)) -> Stanza {
    let good = Stanza::of(world.package("good"));
    let mut stanza = Stanza { size: file.bytes.len(), sha256: file.sha256(), ..good };
    change(&mut stanza);
    stanza
}

fn signed_index(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    let tampered = good.tampered();
    let higher = Package::make("good", "9.9", "all", "higher");
    let native = Package::make("good", "1.0-1", "amd64", "native");
    for (stanza, file, says) in [
        (lie(world, &tampered, |_| ()), &tampered, "signed a different file under this name"),
        (lie(world, unknown, |_| ()), unknown, "the file is unknown 1.0-1 all, apt asked for good 1.0-1 all"),
        (lie(world, good, |it| it.version = "9.9".to_owned()), good, "the file is good 1.0-1 all, apt asked for good 9.9 all"),
        (lie(world, &native, |_| ()), &native, "the file is good 1.0-1 amd64, apt asked for good 1.0-1 all"),
        (lie(world, good, |it| it.architecture = "amd64".to_owned()), good, "the file is good 1.0-1 all, apt asked for good 1.0-1 amd64"),
        (lie(world, &higher, |it| it.version = "9.9".to_owned()), &higher, "0 of 2 required confirmations"),
    ] {
        let mut files = archive("Test", &[(stanza, file)]);
        let key = sign(&mut files);
        world.write("/etc/apt/test.asc", key);
        let server = serve(files);
        for scheme in ["quorum+http", "http"] {
            let authority = server.authority();
            world.write(
                "/etc/apt/sources.list",
                format!("deb [signed-by=/etc/apt/test.asc] {scheme}://{authority}/debian stable main\n"),
            );
            world.sh("apt-get update").succeeds();
            world.install("good").fails().says(says);
            assert!(!world.has_run("good") && !world.has_run("unknown"));
            world.sh("apt-get clean").succeeds();
        }
    }
    world.source(source_of(&[good]));
    world.install("good").succeeds();
}

fn wrong_hash(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    // What is served is not what is listed: the hash of the confirmed file is borrowed.
    let borrowed = Stanza { size: unknown.bytes.len(), ..Stanza::of(good) };
    let unhashed = Stanza { sha256: String::new(), ..Stanza::of(good) };
    for stanza in [borrowed, unhashed] {
        let server = serve(archive("Test", &[(stanza, unknown)]));
        for scheme in ["quorum+http", "http"] {
            world.sources(&[(scheme, &server)]);
            world.install("good").fails();
            assert!(!world.has_run("good") && !world.has_run("unknown"));
            world.sh("apt-get clean").succeeds();
        }
    }
    world.source(source_of(&[good]));
    world.install("good").succeeds();
}

fn lying_file_names(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    let under = |package: &Package, filename: &str| Stanza { filename: filename.to_owned(), ..Stanza::of(package) };
    let server = serve(archive(
        "Test",
        &[(under(unknown, "pool/good_1.0-1_all.deb"), unknown), (under(good, "pool/unknown_6.6_amd64.deb"), good)],
    ));
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.install("unknown").fails().says("unknown 1.0-1 all: 0 of 2 required confirmations");
        assert!(!world.has_run("unknown"));
        world.install("--reinstall good").succeeds();
        world.sh("apt-get clean").succeeds();
    }
}

fn lying_control(world: &World) {
    let exempt = world.package("unknown");
    world.write("/etc/apt-quorum/exceptions.d/x.toml", "[[exception]]\npackage = [\"unknown\"]\nreason = \"a test\"\nexpires = 2999-01-01\n");
    let fields = |name: &str| format!(
        "Package: {name}\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Nobody <nobody@example.invalid>\nDescription: made for a test\n"
    );
    let (ours, other) = (fields("unknown"), fields("other"));
    let control = |text: &str| control_member(&[("./control", text)]);
    let files = [
        forge(&[&control(&format!("{}Package: other\n", ours))]),
        forge(&[&control(&ours), &control(&other)]),
        forge(&[&control(&other), &control(&ours)]),
        forge(&[&control_member(&[("./control", &ours), ("control", &other)])]),
        forge(&[&control(&format!("{ours}\n{other}"))]),
    ];
    for bytes in files {
        let file = Package { bytes: bytes.into(), ..exempt.clone() };
        let server = serve(archive("Test", &[(Stanza::of(&file), &file)]));
        for scheme in ["quorum+http", "http"] {
            world.sources(&[(scheme, &server)]);
            world.install("unknown").fails();
            world.sh("! dpkg-query -W unknown; ! dpkg-query -W other; apt-get clean").succeeds();
        }
    }
    // The exception itself is in force.
    world.source(source_of(&[exempt]));
    world.lets_in("an exception by its name");
    world.install("unknown").succeeds().says("exception: unknown 1.0-1 all: a test");
}

fn several_products(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    // The right hash under another name, and another hash under the right name.
    let swapped = [(good.artifact(), unknown.sha256()), (unknown.artifact(), good.sha256())];
    let honest = [(good.artifact(), good.sha256()), (unknown.artifact(), unknown.sha256())];
    for rebuilder in [&world.alice, &world.bob] {
        rebuilder.attests_to(unknown, &swapped);
        rebuilder.attests_to(good, &honest);
    }
    world.install("unknown").fails().says("2 of its products match the file instead of one");
    assert!(!world.has_run("unknown"));
    world.install("good").succeeds();
}
