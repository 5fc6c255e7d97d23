//! What rebuilders say, and what comes of it.

use apt_quorum::types::Unverified;
use base64::Engine;

use super::archive::{Files, Package, Stanza, archive, sign};
use super::rebuilder::Mood;
use super::steps::{source_of, two_attest};
use super::table::{HOOK, INSTALLED, METHOD};
use super::world::{World, serve};

rows! {
    confirmed: "confirmed by two of three: installed, with receipts and evidence" => INSTALLED;
    refused: "confirmed by one: refused, and installed when the second confirms" => METHOD;
    odd_names: "epoch, + and ~ in name and version" => METHOD;
    one_of_many: "several packages at once: one refused, then none is installed" => METHOD;
    many: "all of several packages confirmed" => INSTALLED;
    hanging: "a server that hangs delays nothing that two others confirm" => INSTALLED;
    failing: "a server that fails: undetermined" => METHOD;
    cached_evidence: "nobody is asked again whose word is in the cache" => INSTALLED;
    conflict: "a conflict is shown, and refuses where the policy says so" => METHOD;
    remembered_signature: "a record of _apt's that a false signature verified" => METHOD;
    exceptions: "an exception by name, and a package that only calls itself so" => HOOK;
    expired_exception: "an exception that expired" => METHOD;
    origin_rule: "a rule about an origin holds only where the origin is signed" => METHOD;
    no_sha256: "an exception by name, and an index that has SHA-512 alone" => METHOD;
    vendor_key: "a vendor's archive that says Debian's origin, where Debian's key is asked for" => METHOD;
    vendor_key_plain: "the same by a plain source, with its key in the source itself" => HOOK;
}

fn confirmed(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.install("good").succeeds().says("1 confirmed");
    assert!(world.has_run("good"));
    for (entrance, evidence) in [("method", "evidence/method"), ("hook", "evidence")] {
        let receipts = world.receipts(entrance);
        assert_eq!(receipts.len(), 1, "{entrance}");
        assert_eq!(receipts[0]["basis"], "quorum");
        assert_eq!(receipts[0]["sha256"], good.sha256());
        let claims = receipts[0]["claims"].as_array().unwrap();
        assert_eq!(claims.len(), 2);
        for claim in claims {
            let digest = claim["attestation"].as_str().unwrap();
            let kept = world.path(&format!("/var/lib/apt-quorum/{evidence}/{digest}"));
            let bytes = std::fs::read(kept).unwrap();
            assert_eq!(apt_quorum::types::Sha256Digest::of(&bytes).to_string(), digest);
        }
    }
}

fn refused(world: &World) {
    let unknown = world.package("unknown");
    let server = world.source(source_of(&[unknown]));
    world.alice.attests(unknown);
    world.bob.denies(unknown);
    world
        .install("unknown")
        .fails()
        .says("unknown 1.0-1 all: 1 of 2 required confirmations [alice: confirmed; bob: rebuilt it; the result differs")
        .says("carol: has no result for it");
    assert!(!world.has_run("unknown"));
    assert_eq!(world.receipts("method")[0]["reason"]["code"], "not-confirmed");
    // Nothing is lost: the next run works, and downloads nothing again.
    let downloads = || server.requests().iter().filter(|path| path.ends_with(".deb")).count();
    let before = downloads();
    world.carol.attests(unknown);
    world.lets_in("two confirm it at last");
    world.install("unknown").succeeds();
    assert!(world.has_run("unknown"));
    assert!(downloads() <= before + 1);
}

fn odd_names(world: &World) {
    let epoch = world.package("epoch");
    world.source(source_of(&[epoch]));
    world
        .install("epoch+pkg")
        .fails()
        .says("epoch+pkg 1:2.0+b1~rc1-1 all: 0 of 2 required confirmations");
    two_attest(world, epoch);
    world.install("epoch+pkg").succeeds();
    assert!(world.has_run("epoch+pkg"));
}

fn one_of_many(world: &World) {
    let all = ["p1", "p2", "p3", "p4", "good", "unknown"].map(|name| world.package(name));
    world.source(source_of(&all));
    all.iter().filter(|it| it.name != "unknown").for_each(|it| two_attest(world, it));
    world
        .install("part1 part2 part3 part4 good unknown")
        .fails()
        .says("unknown 1.0-1 all: 0 of 2 required confirmations");
    assert!(!world.has_run("part1") && !world.has_run("good") && !world.has_run("unknown"));
    world.install("--fix-missing part1 part2 part3 part4 good unknown").fails();
    assert!(!world.has_run("unknown"));
    two_attest(world, world.package("unknown"));
    world.lets_in("two confirm it at last");
    world.install("part1 part2 part3 part4 good unknown").succeeds().says("6 confirmed");
}

fn many(world: &World) {
    let all = ["p1", "p2", "p3", "p4", "good", "other", "epoch"].map(|name| world.package(name));
    world.source(source_of(&all));
    all.iter().for_each(|it| two_attest(world, it));
    world.install("part1 part2 part3 part4 good other epoch+pkg").succeeds().says("7 confirmed");
    assert!(world.has_run("part4") && world.has_run("epoch+pkg"));
}

fn hanging(world: &World) {
    world.policy(
        "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 300\ntotal_timeout = 300\n",
    );
    let all = ["good", "other"].map(|name| world.package(name));
    world.source(source_of(&all));
    all.iter().for_each(|it| two_attest(world, it));
    world.carol.is(Mood::Hangs);
    world.sh("timeout 60 apt-get install -y good other").succeeds().says("2 confirmed");
    assert!(!world.carol.server().requests().is_empty(), "carol was never asked");
}

fn failing(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    world.alice.attests(good);
    world.carol.is(Mood::Fails);
    world.install("good").fails().says("undetermined: carol did not respond");
    world.carol.is(Mood::Hangs);
    world.policy(
        "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 1\ntotal_timeout = 5\n",
    );
    world.install("good").fails().says("no answer within 1 s");
    world.carol.is(Mood::Fine);
    world.carol.attests(good);
    world.install("good").succeeds();
}

fn cached_evidence(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.sh("apt-get install -y --download-only good").succeeds();
    let asked = |it: &super::rebuilder::Rebuilder| it.server().requests().len();
    let before = (asked(&world.alice), asked(&world.bob));
    world.alice.is(Mood::Fails);
    world.bob.is(Mood::Fails);
    world.install("good").succeeds().says("1 confirmed");
    assert_eq!((asked(&world.alice), asked(&world.bob)), before);
    // What is in the cache is verified again: nonsense in it is passed over.
    world.sh("apt-get purge -y good; for f in /var/cache/apt-quorum/attestations/*/*; do sed -i s/rebuild/Rebuild/ $f; done").succeeds();
    world.install("good").fails().says("undetermined: ");
}

fn conflict(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.carol.attests(&good.tampered());
    world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
    world.install("good").fails().says("carol signed a different file under this name");
    assert!(!world.has_run("good"));
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    world
        .install("good")
        .succeeds()
        .says("CONFLICT: good 1.0-1 all: carol signed a different file");
}

fn exceptions(world: &World) {
    let unknown = world.package("unknown");
    world.write("/etc/apt-quorum/exceptions.d/x.toml", "[[exception]]\npackage = [\"unkn*\"]\nreason = \"a test of exceptions\"\nexpires = 2999-01-01\n");
    // Built by somebody else, bearing the exempt name, listed by nobody.
    let forged = Package::make("unknown", "6.6.6", "all", "forged");
    world.write("/root/forged.deb", &forged.bytes);
    world.source(source_of(&[unknown]));
    world.install("/root/forged.deb").fails().says("0 of 2 required confirmations");
    assert!(!world.has_run("unknown"));
    world.lets_in("an exception by its name");
    world.install("unknown").succeeds().says(
        "exception: unknown 1.0-1 all: a test of exceptions (until and including 2999-01-01, x.toml line 1)",
    );
    assert!(world.has_run("unknown"));
    // Bound to the bytes, an exception needs no list.
    world.write(
        "/etc/apt-quorum/exceptions.d/x.toml",
        format!(
            "[[exception]]\nsha256 = [\"{}\"]\nreason = \"known\"\nexpires = 2999-01-01\n",
            forged.sha256()
        ),
    );
    world.install("/root/forged.deb").succeeds();
}

fn expired_exception(world: &World) {
    let unknown = world.package("unknown");
    world.source(source_of(&[unknown]));
    world.write("/etc/apt-quorum/exceptions.d/x.toml", "[[exception]]\npackage = [\"unknown\"]\nreason = \"was once good\"\nexpires = 2026-01-01\n");
    world.install("unknown").fails().says("the exception in x.toml line 1 expired after 2026-01-01");
    two_attest(world, unknown);
    world.lets_in("two confirm it now");
    world.install("unknown").succeeds();
}

fn origin_rule(world: &World) {
    let good = world.package("good");
    world.policy(
        "mode = \"enforce\"\nthreshold = 2\n[[rule]]\norigin = [\"Special\"]\nthreshold = 1\n",
    );
    world.alice.attests(good);
    let mut files = archive("Special", &[(Stanza::of(good), good)]);
    // Unsigned, it can claim to be anything.
    world.source(files.clone());
    world.install("good").fails().says("1 of 2 required confirmations");
    let key = sign(&mut files);
    let server = serve(files);
    world.write("/etc/apt/test.asc", key);
    world.write(
        "/etc/apt/sources.list",
        format!(
            "deb [signed-by=/etc/apt/test.asc] quorum+http://{}/debian stable main\n",
            server.authority()
        ),
    );
    world.sh("apt-get update").succeeds();
    world.install("good").succeeds().says("1 confirmed");
    assert_eq!(world.receipts("hook").last().unwrap()["rule"], "policy.toml line 3");
}

/// What the record says is false, so that it can be seen whether somebody believes it. Root's own is
/// believed: whoever can write that can replace the program.
fn remembered_signature(world: &World) {
    use apt_quorum::types::{PublicKey, Sha256Digest};
    use sha2::Digest;

    let unknown = world.package("unknown");
    world.source(source_of(&[unknown]));
    world.alice.attests(unknown);
    let bob = std::fs::read_to_string(world.path("/etc/apt-quorum/rebuilders.d/bob.toml")).unwrap();
    let (_, pem) = bob.split_once("-----BEGIN PUBLIC KEY-----").unwrap();
    let (pem, _) = pem.split_once("-----END").unwrap();
    let pem: String = pem.split_whitespace().collect();
    let der = base64::engine::general_purpose::STANDARD.decode(pem).unwrap();
    let key: [u8; 32] = der[der.len() - 32..].try_into().unwrap();
    let id = PublicKey::ed25519_from_bytes(key).unwrap().key_id();

    let (name, sha256) = (unknown.artifact(), unknown.sha256());
    let signed = format!(
        r#"{{"_type":"link","name":"rebuild {name}","products":{{"{name}":{{"sha256":"{sha256}"}}}}}}"#
    );
    let zeros = "00".repeat(64);
    let link = format!(
        r#"{{"signatures":[{{"keyid":"{id}","sig":"{zeros}"}}],"signed":{signed}}}"#
    );
    let digest = Sha256Digest::of(link.as_bytes());
    world.write(&format!("/var/cache/apt-quorum/attestations/{name}/{digest}.bob"), link);

    let version = env!("CARGO_PKG_VERSION");
    let head = format!("apt-quorum {version} verified signatures\n").into_bytes();
    let mut mark = sha2::Sha256::new_with_prefix(&head);
    let message = Sha256Digest::of(signed.as_bytes());
    for part in [&b"ed25519"[..], &key, &[0; 64], message.as_bytes()] {
        mark.update(u64::try_from(part.len()).unwrap().to_be_bytes());
        mark.update(part);
    }
    let record = [head, mark.finalize().to_vec()].concat();
    let file = "/var/lib/apt-quorum/signatures";
    for (owner, mode) in [("_apt", "644"), ("root", "666")] {
        world.write(file, &record);
        world.sh(&format!("chown {owner} {file}; chmod {mode} {file}")).succeeds();
        world.install("unknown").fails().says("1 of 2 required confirmations");
        assert!(!world.has_run("unknown"));
    }
    world.write(file, &record);
    world.sh(&format!("chown root {file}; chmod 644 {file}")).succeeds();
    world.lets_in("root itself says that the signature verified");
    world.install("unknown").succeeds();
}

fn no_sha256(world: &World) {
    use sha2::Digest;

    let unknown = world.package("unknown");
    let files = archive("Test", &[(Stanza::of(unknown), unknown)]);
    let index = "dists/stable/main/binary-amd64/Packages";
    let text = String::from_utf8_lossy(&files[index]).into_owned();
    let sha512 = sha2::Sha512::digest(&unknown.bytes);
    let sha512: String = sha512.iter().map(|byte| format!("{byte:02x}")).collect();
    let changed =
        text.replace(&format!("SHA256: {}", unknown.sha256()), &format!("SHA512: {sha512}"));
    assert_ne!(text, changed);
    let line = |text: &str| {
        format!(" {} {} ", apt_quorum::types::Sha256Digest::of(text.as_bytes()), text.len())
    };
    let release = String::from_utf8_lossy(&files["dists/stable/Release"]).into_owned();
    let release = release.replace(&line(&text), &line(&changed));
    let mut files = files;
    files.insert(index.to_owned(), changed.into_bytes().into());
    files.insert("dists/stable/Release".to_owned(), release.into_bytes().into());
    let exception = |condition: &str| {
        world.write(
            "/etc/apt-quorum/exceptions.d/some.toml",
            format!("[[exception]]\n{condition}\nreason = \"x\"\nexpires = 2199-01-01\n"),
        );
    };
    exception("package = [\"unknown\"]");
    world.source(files);
    let said = "its index has no SHA-256, so the exception in some.toml line 1 does not apply";
    world.install("unknown").fails().says(said);
    assert!(!world.has_run("unknown") && !world.is_unpacked("unknown"));
    let told = "1 without a SHA-256 in any index, judged when installed";
    world.sh("apt-get install -y unknown").fails().says(told);
    world.sh("apt-quorum check unknown || true").says("no SHA-256 in its index: unknown");
    exception(&format!("sha256 = [\"{}\"]", unknown.sha256()));
    world.lets_in("an exception by its SHA-256");
    world.install("unknown").succeeds().says("1 under an exception");
    assert!(world.has_run("unknown"));
}

fn vendor_key(world: &World) {
    let server = debian_and_a_vendor(world, |key, authority| {
        // A keyring that is not armoured, as most vendors tell people to make it.
        world.write("/etc/apt/keyrings/vendor.gpg", binary(key));
        let source = format!(
            "deb [signed-by=/etc/apt/keyrings/vendor.gpg] quorum+http://{authority}/debian stable non-free-firmware\n"
        );
        world.write("/etc/apt/sources.list.d/vendor.list", source);
    });
    drop(server);
}

fn vendor_key_plain(world: &World) {
    let server = debian_and_a_vendor(world, |key, authority| {
        let key = String::from_utf8_lossy(key).trim_end().replace("\n\n", "\n.\n");
        let source = format!(
            "Types: deb\nURIs: http://{authority}/debian\nSuites: stable\nComponents: non-free-firmware\nSigned-By:\n {}\n",
            key.replace('\n', "\n ")
        );
        world.write("/etc/apt/sources.list.d/vendor.sources", source);
    });
    drop(server);
}

/// Both archives call themselves Debian, each is signed with a key of its own, and apt takes both. Only
/// one of the keys is asked for.
fn debian_and_a_vendor(world: &World, add: impl Fn(&[u8], &str)) -> [super::server::Server; 2] {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let fingerprint = |key: &[u8]| Unverified::all_in(key)[0].fingerprint().to_uppercase();
    let mut files = archive("Debian", &[(Stanza::of(good), good)]);
    let debian = sign(&mut files);
    let debians = serve(files);
    world.write("/etc/apt/keyrings/debian.asc", &debian);
    let source = format!(
        "deb [signed-by=/etc/apt/keyrings/debian.asc] quorum+http://{}/debian stable main\n",
        debians.authority()
    );
    world.write("/etc/apt/sources.list", source);
    let renamed = |text: &str| text.replace("main/", "non-free-firmware/");
    let mut files: Files = archive("Debian", &[(Stanza::of(unknown), unknown)])
        .into_iter()
        .map(|(path, bytes)| match path.as_str() {
            "dists/stable/Release" => {
                let text = String::from_utf8_lossy(&bytes);
                let text = renamed(&text).replace("Components: main", "Components: non-free-firmware");
                (path, text.into_bytes().into())
            }
            _ => (renamed(&path), bytes),
        })
        .collect();
    let vendor = sign(&mut files);
    let vendors = serve(files);
    add(&vendor, &vendors.authority());
    world.sh("apt-get update").succeeds();

    let exception = |condition: &str| {
        world.write(
            "/etc/apt-quorum/exceptions.d/firmware.toml",
            format!(
                "[[exception]]\norigin = [\"Debian\"]\ncomponent = [\"non-free-firmware\"]\n{condition}\
                 reason = \"no source\"\nexpires = 2199-01-01\n"
            ),
        );
    };
    exception(&format!("signed_by = [\"{}\"]\n", fingerprint(&debian)));
    world.install("unknown").fails().says("unknown 1.0-1 all: 0 of 2 required confirmations");
    assert!(!world.has_run("unknown") && !world.is_unpacked("unknown"));
    world.sh("apt-quorum config check").succeeds().never_says("whatever key signed it");
    // What each archive is signed with is shown.
    let said = format!("its index is signed_by {}", fingerprint(&vendor));
    world.sh("apt-quorum explain --offline unknown || true").says(&said).says("would be refused");
    let said = format!("its index is signed_by {}", fingerprint(&debian));
    world.sh("apt-quorum explain --offline good || true").says(&said);
    // An archive's own word alone is warned of.
    exception("");
    world.sh("apt-quorum config check").succeeds().says("claims this origin, component for itself, whatever key signed it");
    exception(&format!("signed_by = [\"{}\"]\n", fingerprint(&vendor)));
    world.lets_in("an exception by its archive's key");
    world.install("unknown").succeeds().says("1 under an exception");
    assert!(world.has_run("unknown"));
    let receipt = world.receipts("hook").pop().unwrap();
    assert_eq!(receipt["listings"][0]["signed_by"][0], fingerprint(&vendor));
    [debians, vendors]
}

/// An armoured key without its armour.
fn binary(key: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(key);
    let body = text.lines().skip_while(|line| !line.is_empty());
    let lines = body.take_while(|line| !line.starts_with(['-', '=']));
    base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).unwrap()
}
