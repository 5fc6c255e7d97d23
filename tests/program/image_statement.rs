//! `apt-quorum attest` and `verify-image`: what is signed about an image, and what of it holds.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::image::{Publisher, everything, manifest_of, payload, problems, status};
use crate::common::rebuilder::Rebuilder;
use crate::common::{self, Deb, Key, World, is_root, left_out, run, set_mode, sha256};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_good_image_is_attested_and_verified_by_somebody_else() {
    let publisher = Publisher::new();
    let manifest = publisher.world.path("files/manifest");
    let said = publisher.attested(&["--manifest", text(&manifest)]);

    // The manifest is the documented one, and the subject is its hash.
    let manifest = fs::read_to_string(manifest).unwrap();
    assert_eq!(manifest, manifest_of(&publisher.root()));
    let tree = sha256(manifest.as_bytes());
    let [hello, tool] = [&publisher.debs[0], &publisher.debs[1]];
    let links = |deb: &Deb| publisher.rebuilders.each_ref().map(|key| sha256(&deb.link(key)));
    let confirmed = |deb: &Deb| {
        let word = |at: usize, name: &str| {
            let key = publisher.rebuilders[at].id();
            json!({"rebuilder": name, "key": key, "attestation": links(deb)[at]})
        };
        json!([word(0, "alpha"), word(1, "beta")])
    };
    let package = |deb: &Deb| {
        json!({
            "package": deb.name, "version": deb.version, "architecture": deb.architecture,
            "source": deb.name, "sourceVersion": deb.version, "sha256": deb.sha256(),
            "state": "confirmed", "confirmedBy": confirmed(deb),
        })
    };
    let mut inputs: Vec<(String, String)> = Vec::new();
    for deb in [hello, tool] {
        inputs.extend(links(deb).map(|link| (format!("{}/{link}", deb.file_name()), link)));
    }
    inputs.sort();
    let inputs: Vec<Value> = inputs
        .into_iter()
        .map(|(name, sha256)| json!({"name": name, "digest": {"sha256": sha256}}))
        .collect();
    let policy = said["predicate"]["policy"]["digest"]["sha256"].as_str().unwrap();
    let expected = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest", "digest": {"sha256": tree}}],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": {"id": format!("apt-quorum:key/{}", publisher.signer.id())},
            "timeVerified": said["predicate"]["timeVerified"],
            "resourceUri": format!("apt-quorum:tree/{tree}"),
            "policy": {
                "uri": format!("apt-quorum:policy/{policy}"),
                "digest": {"sha256": policy},
            },
            "inputAttestations": inputs,
            "verificationResult": "PASSED",
            "verifiedLevels": ["APT_QUORUM_CONFIRMED"],
            "dependencyLevels": {"APT_QUORUM_CONFIRMED": 2},
            "apt-quorum:image": {
                "excluded": [],
                "packages": [package(hello), package(tool)],
            },
        },
    });
    assert_eq!(said, expected);

    // The envelope is the one that any DSSE library would make of it.
    let envelope: Value =
        serde_json::from_slice(&fs::read(publisher.statement()).unwrap()).unwrap();
    assert_eq!(envelope["signatures"][0]["keyid"], *publisher.signer.id());
    let signed = base64_text(&envelope["payload"]);
    let other: Value = serde_json::from_slice(&publisher.signer.dsse(&signed)).unwrap();
    assert_eq!(other["signatures"][0]["sig"], envelope["signatures"][0]["sig"]);
    assert!(signed.is_ascii() && !signed.contains('\n'));

    let ended = publisher.verify(&[]);
    ended.assert_code(0);
    let found = ended.json();
    assert_eq!(found["result"], "verified");
    assert_eq!(found["tree"], *tree);
    assert_eq!(found["audit"]["counts"]["confirmed"], 2);
    assert_eq!(found["audit"]["packages"][0]["sha256_from"], "statement");
    let note = "the statement was made with another policy; the policy of this machine was applied";
    assert_eq!(found["notes"], json!([note]));

    // Without the tree, only the packages are verified, and that is said.
    let ended = publisher.verify_by(&publisher.verifier(2), &[]);
    ended.assert_code(0);
    assert!(ended.json()["notes"][0].as_str().unwrap().contains("no image was checked"));
}

fn base64_text(value: &Value) -> String {
    use base64::Engine;

    let base64 = &base64::engine::general_purpose::STANDARD;
    String::from_utf8(base64.decode(value.as_str().unwrap()).unwrap()).unwrap()
}

/// What is written, without the time.
fn outputs(publisher: &Publisher, manifest: &Path) -> (Value, Vec<u8>, Vec<u8>) {
    let mut said = payload(&fs::read(publisher.statement()).unwrap());
    assert!(said["predicate"]["timeVerified"].is_string());
    said["predicate"]["timeVerified"] = json!("then");
    (said, fs::read(manifest).unwrap(), fs::read(publisher.bundle()).unwrap())
}

#[test]
fn the_same_image_policy_and_evidence_are_the_same_bytes() {
    let publisher = Publisher::new();
    for at in 0..300 {
        // Enough names for their order in the directory to be the file system's.
        fs::write(publisher.root().join(format!("etc/{}", at * 7919 % 1000)), "x").unwrap();
    }
    let manifest = publisher.world.path("files/manifest");
    publisher.attest(&["--manifest", text(&manifest)]).assert_code(0);
    let first = outputs(&publisher, &manifest);

    // Copied in another order, with other times and inodes, to another kind of file system.
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let copy = elsewhere.path().join("copy");
    let copied = Command::new("cp").arg("-a").arg(publisher.root()).arg(&copy).status();
    assert!(copied.unwrap().success());
    let again = tempfile::tempdir_in("/dev/shm").unwrap();
    for directory in [&copy, &publisher.root()] {
        let mut command = publisher.world.command();
        let shell = "umask 077; exec \"$@\"";
        command = {
            let mut shelled = Command::new("sh");
            shelled.env_clear().envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
            shelled.args(["-c", shell, "sh"]).arg(command.get_program());
            shelled
        };
        command.env("TZ", "Pacific/Apia").env("LC_ALL", "tr_TR.UTF-8").env("LANG", "tr_TR.UTF-8");
        command.args(["attest", "--offline", "--config"]).arg(publisher.world.path("etc"));
        command.arg("--root").arg(directory).arg("--key").arg(publisher.world.path("signer.key"));
        command.arg("--evidence").arg(publisher.world.path("evidence"));
        command.arg("--output").arg(publisher.statement()).arg("--bundle").arg(publisher.bundle());
        let other = again.path().join("manifest");
        command.arg("--manifest").arg(&other).current_dir(again.path());
        run(&mut command).assert_code(0);
        assert_eq!(outputs(&publisher, &other), first);
    }
    // A copy of the configuration elsewhere is the same policy.
    common::copy_safely(&publisher.world.path("etc"), &publisher.world.path("moved"));
    let moved = publisher.world.path("moved");
    let mut command = publisher.world.command();
    command.args(["attest", "--offline", "--config"]).arg(moved);
    command.arg("--root").arg(&copy).arg("--key").arg(publisher.world.path("signer.key"));
    command.arg("--evidence").arg(publisher.world.path("evidence"));
    command.arg("--output").arg(publisher.statement());
    run(&mut command).assert_code(0);
    assert_eq!(outputs(&publisher, &manifest).0, first.0);
}

/// Gives a file an extended attribute.
fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty()).unwrap();
}

/// `cap_net_raw=ep`, as the kernel keeps it (version 2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn every_change_of_the_tree_is_found() {
    type Change = (&'static str, fn(&Path));
    let mut changes: Vec<Change> = vec![
        ("one byte", |root| fs::write(root.join("usr/bin/tool"), "#!/bin/sj\n").unwrap()),
        ("longer", |root| fs::write(root.join("etc/empty"), "\n").unwrap()),
        ("mode", |root| set_mode(&root.join("etc/empty"), 0o664)),
        ("set-user-ID", |root| set_mode(&root.join("etc/empty"), 0o4644)),
        ("sticky", |root| set_mode(&root.join("tmp"), 0o777)),
        ("mode of the root", |root| set_mode(root, 0o775)),
        ("link", |root| {
            fs::remove_file(root.join("bin")).unwrap();
            symlink("usr/bim", root.join("bin")).unwrap();
        }),
        ("a file more", |root| fs::write(root.join("etc/more"), "").unwrap()),
        ("an empty directory more", |root| fs::create_dir(root.join("etc/more")).unwrap()),
        ("a file less", |root| fs::remove_file(root.join("etc/empty")).unwrap()),
        ("another name", |root| {
            fs::rename(root.join("etc/empty"), root.join("etc/emptz")).unwrap();
        }),
        ("a file instead of a pipe", |root| {
            fs::remove_file(root.join("etc/pipe")).unwrap();
            fs::write(root.join("etc/pipe"), "").unwrap();
            set_mode(&root.join("etc/pipe"), 0o644);
        }),
        ("a directory instead of a link to it", |root| {
            fs::remove_file(root.join("bin")).unwrap();
            fs::create_dir(root.join("bin")).unwrap();
        }),
        ("a name that is no text", |root| {
            use std::os::unix::ffi::OsStrExt;
            fs::write(root.join(std::ffi::OsStr::from_bytes(b"etc/\xff")), "").unwrap();
        }),
    ];
    if is_root() {
        changes.extend::<[Change; 6]>([
            ("owner", |root| chown(&root.join("etc/empty"), Some(1000), None)),
            ("group", |root| chown(&root.join("etc/empty"), None, Some(1000))),
            ("owner of a link", |root| {
                std::os::unix::fs::lchown(root.join("bin"), Some(1000), None).unwrap();
            }),
            ("capability", |root| {
                set_attribute(&root.join("etc/empty"), "security.capability", &CAPABILITY);
            }),
            ("a device", |root| device(&root.join("etc/null"), 3)),
            ("an access list", |root| {
                // Version 2: owner rw, user 1000 rwx, group r, mask rwx, others r.
                let entry = |tag: u16, rights: u16, id: u32| {
                    [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
                };
                let none = u32::MAX;
                let list = [
                    2_u32.to_le_bytes().to_vec(),
                    entry(1, 6, none),
                    entry(2, 7, 1000),
                    entry(4, 4, none),
                    entry(16, 7, none),
                    entry(32, 4, none),
                ];
                let path = root.join("etc/empty");
                set_attribute(&path, "system.posix_acl_access", &list.concat());
            }),
        ]);
    } else {
        left_out("owners, devices, capabilities and access lists: not root");
    }
    let publisher = Publisher::new();
    publisher.attest(&[]).assert_code(0);
    let kept = publisher.world.path("kept");
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    copy(&publisher.root(), &kept);
    for (what, change) in changes {
        change(&publisher.root());
        let ended = publisher.verify(&[]);
        assert_eq!(
            (ended.code, problems(&ended)),
            (Some(1), vec!["other-tree".to_owned()]),
            "{what}"
        );
        // It is this change that was found.
        copy(&kept, &publisher.root());
        publisher.verify(&[]).assert_code(0);
    }
}

fn chown(path: &Path, user: Option<u32>, group: Option<u32>) {
    std::os::unix::fs::chown(path, user, group).unwrap();
}

fn device(path: &Path, minor: u64) {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, minor)).unwrap();
}

#[test]
fn packages_that_are_not_what_is_installed_are_found() {
    let publisher = Publisher::new();
    let said = publisher.attested(&[]);
    let [hello, tool] = [&publisher.debs[0], &publisher.debs[1]];
    let newer = Deb::new("hello", "2.10-4", "amd64");
    let other = Deb::new("other", "1", "all");
    let installed = "install ok installed";
    for (debs, codes) in [
        (vec![(&newer, installed), (tool, installed)], vec!["not-in-statement", "not-installed"]),
        (vec![(hello, installed)], vec!["not-installed"]),
        (
            vec![(hello, installed), (tool, installed), (&other, installed)],
            vec!["not-in-statement"],
        ),
        (vec![(hello, "install ok half-configured"), (tool, installed)], vec!["unfinished"]),
        (vec![(hello, "deinstall ok config-files"), (tool, installed)], vec!["not-installed"]),
    ] {
        let database: Vec<String> = debs.iter().map(|(deb, it)| status(deb, it)).collect();
        let path = publisher.root().join("var/lib/dpkg/status");
        fs::write(path, database.join("\n")).unwrap();
        let ended = publisher.verify(&[]);
        ended.assert_code(1);
        assert_eq!(problems(&ended), [&["other-tree"], &codes[..]].concat());
        // Somebody who signs the changed tree with the old packages is found out as well.
        let mut lie = said.clone();
        lie["subject"][0]["digest"]["sha256"] = ended.json()["tree"].clone();
        publisher.say(&lie);
        assert_eq!(problems(&publisher.verify(&[])), codes);
        publisher.say(&said);
    }
    // dpkg's database in pieces tells nothing.
    fs::write(publisher.root().join("var/lib/dpkg/status"), "nonsense").unwrap();
    assert_eq!(problems(&publisher.verify(&[])), ["other-tree", "unknown-packages"]);
}

#[test]
fn a_statement_that_says_something_else_does_not_hold() {
    let publisher = Publisher::new();
    let said = publisher.attested(&[]);
    publisher.say(&said);
    publisher.verify(&[]).assert_code(0);
    let changed = |path: &str, value: Value| {
        let mut said = said.clone();
        *said.pointer_mut(path).unwrap() = value;
        said
    };
    let packages = "/predicate/apt-quorum:image/packages";
    let one = json!([said.pointer(packages).unwrap()[0]]);
    let two = json!([said.pointer(packages).unwrap()[1], said.pointer(packages).unwrap()[0]]);
    let first = format!("{packages}/0");
    let twice = json!([said["subject"][0], said["subject"][0]]);
    let nowhere = json!("2999-01-01T00:00:00Z");
    let levels = "/predicate/dependencyLevels/APT_QUORUM_CONFIRMED";
    let mut without_one = changed(packages, one);
    let not_coherent = without_one.clone();
    *without_one.pointer_mut(levels).unwrap() = json!(1);
    let mut empty = changed(packages, json!([]));
    empty["predicate"]["dependencyLevels"] = json!({});
    for (what, lie, code) in [
        ("a package less, and the count as it was", not_coherent, "not-a-statement"),
        ("a package less", without_one, "not-in-statement"),
        ("another order", changed(packages, two), "not-a-statement"),
        ("no package", empty, "not-a-statement"),
        ("another source", changed(&format!("{first}/source"), json!("tool")), "other-source"),
        ("another state", changed(&format!("{first}/state"), json!("excepted")), "not-a-statement"),
        ("an odd state", changed(&format!("{first}/state"), json!("debt")), "not-a-statement"),
        ("an odd name", changed(&format!("{first}/package"), json!("../x")), "not-a-statement"),
        ("failed", changed("/predicate/verificationResult", json!("FAILED")), "not-a-statement"),
        ("another level", changed("/predicate/verifiedLevels", json!(["X"])), "not-a-statement"),
        (
            "another type",
            changed("/predicateType", json!("https://slsa.dev/v2")),
            "not-a-statement",
        ),
        ("no statement", changed("/_type", json!("https://in-toto.io/X")), "not-a-statement"),
        ("two manifests", changed("/subject", twice), "not-a-statement"),
        ("no manifest", changed("/subject", json!([])), "not-a-statement"),
        ("the future", changed("/predicate/timeVerified", nowhere), "from-the-future"),
        ("in another name", changed("/predicate/verifier/id", json!("x:y")), "other-verifier"),
        ("a number", changed(&format!("{first}/sha256"), json!(1.5)), "not-an-integer"),
    ] {
        publisher.say(&lie);
        let ended = publisher.verify(&[]);
        assert_eq!((ended.code, problems(&ended)), (Some(1), vec![code.to_owned()]), "{what}");
    }
    // Another hash for a package is one that nobody confirmed.
    publisher.say(&changed(&format!("{first}/sha256"), json!("0".repeat(64))));
    let ended = publisher.verify(&[]);
    ended.assert_code(1);
    assert_eq!(ended.json()["audit"]["packages"][0]["state"], "conflict");
    // That the signer names confirmations does not make them.
    let nobody = changed(&format!("{first}/confirmedBy"), json!([]));
    publisher.say(&nobody);
    publisher.verify(&[]).assert_code(0);
    // Members that nobody knows are passed over, as in-toto wants it.
    let mut more = said.clone();
    more["predicate"]["https://example.org/more"] = json!({"a": 1});
    publisher.say(&more);
    publisher.verify(&[]).assert_code(0);
}

#[test]
fn only_one_good_signature_by_the_key_over_one_meaning_counts() {
    let publisher = Publisher::new();
    let said = publisher.attested(&[]).to_string();
    let good = fs::read_to_string(publisher.statement()).unwrap();
    let key = &publisher.signer;
    let twice = said.replacen("\"_type\":", "\"_type\":\"x\",\"_type\":", 1);
    let lines = |envelope: Vec<u8>| String::from_utf8(envelope).unwrap();
    let sig = good.split("\"sig\":\"").nth(1).unwrap().split('"').next().unwrap();
    for (what, envelope, code) in [
        ("another key", lines(Key::new().dsse(&said)), "not-signed"),
        ("another payload", good.replacen("\"payload\":\"ey", "\"payload\":\"eyA", 1), "shape"),
        ("another type", lines(key.dsse_of("text/plain", &said)), "wrong-type"),
        (
            "a type that is not what was signed",
            good.replace("application/vnd.in-toto+json", "application/json"),
            "not-signed",
        ),
        ("a member twice", lines(key.dsse(&twice)), "duplicate-key"),
        (
            "a member of the envelope twice",
            good.replacen("\"payload\":", "\"payload\":\"e30=\",\"payload\":", 1),
            "duplicate-key",
        ),
        (
            "no signature",
            good.replace(&format!("{{\"keyid\":\"{}\",\"sig\":\"{sig}\"}}", key.id()), ""),
            "unsigned",
        ),
        ("another signature", good.replace(sig, &"A".repeat(sig.len() - 2)), "not-signed"),
        ("cut off", good[..good.len() / 2].to_owned(), "not-json"),
        ("something behind it", good.clone() + "{}", "not-json"),
        ("nothing", String::new(), "not-json"),
        ("an array", "[]".to_owned(), "shape"),
        ("a link", lines(key.link("hello_2.10-3_amd64.deb", &sha256(b""))), "shape"),
        ("no JSON in it", lines(key.dsse("hello")), "not-json"),
        ("an empty object", lines(key.dsse("{}")), "not-a-statement"),
    ] {
        fs::write(publisher.statement(), &envelope).unwrap();
        let ended = publisher.verify(&[]);
        assert_eq!((ended.code, problems(&ended)), (Some(1), vec![code.to_owned()]), "{what}");
        assert_eq!(ended.json()["statement"], Value::Null, "{what}");
    }
    // Where the key id is missing or wrong the signature still counts, since it is a hint.
    for envelope in [lines(key.dsse(&said)), good.replace(&key.id(), "nobody")] {
        fs::write(publisher.statement(), &envelope).unwrap();
        publisher.verify(&[]).assert_code(0);
    }
    fs::remove_file(publisher.statement()).unwrap();
    publisher_verify_code(&publisher, 2);
}

fn publisher_verify_code(publisher: &Publisher, code: i32) {
    let world = publisher.verifier(2);
    publisher.verify_by(&world, &[]).assert_code(code);
}

#[test]
fn the_verifiers_own_policy_and_evidence_count() {
    let publisher = Publisher::new();
    publisher.attest(&[]).assert_code(0);
    let root = publisher.root();
    let verify = |world: &World| publisher.verify_by(world, &["--root", text(&root)]);
    let good = || publisher.verifier(2);
    verify(&good()).assert_code(0);

    // Stricter than the signer's: three must confirm.
    let strict = publisher.verifier(3);
    strict.rebuilder("gamma", &Key::new(), &[]);
    let ended = verify(&strict);
    ended.assert_code(1);
    assert_eq!(problems(&ended), [] as [&str; 0]);
    assert_eq!(ended.json()["audit"]["counts"]["unknown"], 2);
    // A mode that lets things be installed confirms nothing.
    strict.policy("mode = \"warn\"\nthreshold = 3\n");
    verify(&strict).assert_code(1);
    // Looser.
    verify(&publisher.verifier(1)).assert_code(0);
    // Somebody who could not be heard might have confirmed it.
    let silent = publisher.verifier(3);
    silent.rebuilder("gamma", &Key::new(), &["directory https://gamma.invalid/".to_owned()]);
    let ended = verify(&silent);
    ended.assert_code(3);
    assert_eq!(ended.json()["result"], "could-not-find-out");
    // Other rebuilders.
    let strangers = World::new();
    strangers.rebuilder("one", &Key::new(), &[]);
    strangers.rebuilder("two", &Key::new(), &[]);
    verify(&strangers).assert_code(1);
    // A key that is good no longer.
    let expired = publisher.verifier(2);
    let file = expired.path("etc/rebuilders.d/my-beta.toml");
    let ended = fs::read_to_string(&file).unwrap() + "not_after = 2020-01-01\n";
    fs::write(&file, ended).unwrap();
    verify(&expired).assert_code(1);
    // Nobody at all, and a configuration with mistakes.
    let broken = publisher.verifier(2);
    broken.policy("mode = \"enforce\"\nthreshold = 0\n");
    verify(&broken).assert_code(2);
    // No evidence.
    let tree = publisher.world.path("evidence");
    fs::remove_file(publisher.bundle()).unwrap();
    verify(&good()).assert_code(2);
    publisher.world.write("files/evidence.tar.gz", common::bundle::bundle(&[]));
    verify(&good()).assert_code(1);
    // From a tree instead of a bundle.
    let options = ["--root", text(&root), "--evidence", text(&tree)];
    publisher.verify_by(&good(), &options).assert_code(0);
    // Too little.
    fs::remove_file(tree.join("tool_4-1_all.deb/beta")).unwrap();
    let ended = publisher.verify_by(&good(), &options);
    ended.assert_code(1);
    let counts = &ended.json()["audit"]["counts"];
    assert_eq!((counts["confirmed"].clone(), counts["unknown"].clone()), (json!(1), json!(1)));
}

#[test]
fn exceptions_are_in_the_statement_and_do_not_bind_the_verifier() {
    let mut publisher = Publisher::new();
    let odd = Deb::new("odd", "1-1", "amd64");
    publisher.debs.insert(1, odd.clone());
    publisher.confirm(&odd, &["alpha"]);
    publisher.install();
    // Not yet.
    publisher.attest(&[]).assert_code(1);
    let exception = |reason: &str| {
        format!(
            "[[exception]]\npackage = [\"odd\"]\nsha256 = [\"{}\"]\nreason = \"{reason}\"\n\
             expires = 2999-01-01\n",
            odd.sha256()
        )
    };
    publisher.world.exception(&exception("it does not build \\u0007 twice \\u00e9"));
    let said = publisher.attested(&[]);
    let summary = &said["predicate"];
    assert_eq!(summary["verifiedLevels"], json!(["APT_QUORUM_EXCEPTED"]));
    assert_eq!(
        summary["dependencyLevels"],
        json!({"APT_QUORUM_CONFIRMED": 2, "APT_QUORUM_EXCEPTED": 1})
    );
    let package = &summary["apt-quorum:image"]["packages"][1];
    assert_eq!(package["package"], "odd");
    assert_eq!(package["state"], "excepted");
    assert_eq!(package["confirmedBy"].as_array().unwrap().len(), 1);
    assert_eq!(
        package["exception"],
        json!({"reason": "it does not build \u{7} twice \u{e9}", "expires": "2999-01-02T00:00:00Z"})
    );

    let root = publisher.root();
    let options = ["--root", text(&root)];
    let world = publisher.verifier(2);
    let ended = publisher.verify_by(&world, &options);
    ended.assert_code(1);
    assert_eq!(problems(&ended), [] as [&str; 0]);
    let found = &ended.json()["audit"]["packages"][1];
    assert_eq!((&found["package"], &found["state"]), (&json!("odd"), &json!("unknown")));
    // One's own exception counts,
    world.exception(&exception("I know"));
    let ended = publisher.verify_by(&world, &options);
    ended.assert_code(0);
    assert_eq!(ended.json()["audit"]["counts"]["excepted"], 1);
    // one that ended does not,
    world.exception(&exception("I knew").replace("2999", "2020"));
    publisher.verify_by(&world, &options).assert_code(1);
    // and where it is confirmed none is needed.
    let world = publisher.verifier(1);
    let ended = publisher.verify_by(&world, &options);
    ended.assert_code(0);
    let notes = ended.json()["notes"].to_string();
    assert!(notes.contains("confirmed here, exempted by the signer: odd 1-1 amd64"), "{notes}");
    // The signer's exception ends as well.
    publisher.world.exception(&exception("for a while").replace("2999", "2020"));
    publisher.attest(&[]).assert_code(1);
}

#[test]
fn a_conflict_is_told_and_decided_by_the_policy() {
    let publisher = Publisher::new();
    let hello = &publisher.debs[0];
    let other = hello.differently_built();
    let third = Key::new();
    publisher.world.rebuilder("gamma", &third, &[]);
    let path = format!("evidence/{}/gamma", hello.file_name());
    publisher.world.write(&path, other.link(&third));
    let said = publisher.attested(&[]);
    let told = &said["predicate"]["apt-quorum:image"]["packages"][0];
    assert_eq!(told["conflicts"][0]["rebuilder"], "gamma");
    let world = publisher.verifier(2);
    world.rebuilder("gamma", &third, &[]);
    let root = publisher.root();
    let ended = publisher.verify_by(&world, &["--root", text(&root)]);
    ended.assert_code(0);
    let found = &ended.json()["audit"]["packages"][0];
    assert_eq!(found["conflicts"][0]["sha256"], *other.sha256());
    world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
    let ended = publisher.verify_by(&world, &["--root", text(&root)]);
    ended.assert_code(1);
    assert_eq!(ended.json()["audit"]["packages"][0]["state"], "conflict");
    // By that policy nobody would have signed it.
    publisher.world.policy("mode = \"enforce\"\nthreshold = 2\nconflict = \"refuse\"\n");
    publisher.attest(&[]).assert_code(1);
}

/// What rebuilders are asked for becomes part of the bundle, and so does what receipts keep.
#[test]
fn the_bundle_has_all_that_the_confirmations_rest_on() {
    let publisher = Publisher::new();
    let [alpha, beta] = &publisher.rebuilders;
    let debs = [&publisher.debs[0], &publisher.debs[1]];
    let server = Rebuilder::confirming(alpha, debs).serve();
    publisher.world.rebuilder("alpha", alpha, &[server.endpoint()]);
    let state = publisher.root().join("var/lib/apt-quorum");
    fs::create_dir(state.join("evidence")).unwrap();
    let mut receipts = String::new();
    for deb in debs {
        let link = deb.link(beta);
        fs::write(state.join("evidence").join(sha256(&link)), &link).unwrap();
        let record = json!({
            "time": "2026-01-02T03:04:05Z", "decision": "admit", "basis": "quorum",
            "package": deb.name, "version": deb.version, "architecture": deb.architecture,
            "sha256": deb.sha256(), "claims": [{"attestation": sha256(&link)}],
        });
        receipts += &format!("{record}\n");
    }
    fs::write(state.join("receipts/hook.jsonl"), receipts).unwrap();
    // One who says nothing that anybody pinned a key for.
    let path = format!("evidence/{}/stranger", debs[0].file_name());
    publisher.world.write(&path, debs[0].link(&Key::new()));
    for name in ["alpha", "beta"] {
        for deb in debs {
            let path = format!("evidence/{}/{name}", deb.file_name());
            fs::remove_file(publisher.world.path(&path)).unwrap();
        }
    }
    publisher.attest(&[]).assert_code(3);
    let offline = publisher.attest_command(&[]);
    let mut online = publisher.world.command();
    online.args(offline.get_args().filter(|it| *it != "--offline"));
    run(&mut online).assert_code(0);
    let listed = common::travel::listed(&publisher.bundle());
    let attestations: Vec<_> = listed.iter().filter(|it| !it.ends_with("SHA256SUMS")).collect();
    assert_eq!(attestations.len(), 4, "{listed:?}");
    drop(server);
    publisher.verify(&[]).assert_code(0);
}

#[test]
fn nothing_is_written_unless_all_is_well() {
    let refused = |publisher: &Publisher, code: i32, why: &str| {
        let manifest = publisher.world.path("files/manifest");
        let ended = publisher.attest(&["--manifest", text(&manifest)]);
        ended.assert_code(code);
        let told = ended.stdout.clone() + &ended.stderr;
        assert!(told.contains(why), "{why}: {ended:?}");
        let left: Vec<_> = fs::read_dir(publisher.world.path("files")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        ended
    };
    // Somebody did not confirm.
    let publisher = Publisher::new();
    fs::remove_file(publisher.world.path("evidence/tool_4-1_all.deb/beta")).unwrap();
    refused(&publisher, 1, "tool 1:4-1 all");
    let ended = publisher.attest(&["--json"]);
    ended.assert_code(1);
    assert_eq!(ended.json()["written"], false);
    assert_eq!(ended.json()["audit"]["counts"]["unknown"], 1);
    // In warn mode as well.
    publisher.world.policy("mode = \"warn\"\nthreshold = 2\n");
    refused(&publisher, 1, "tool 1:4-1 all");
    // Somebody could not be heard.
    let publisher = Publisher::new();
    let gamma = ["directory https://gamma.invalid/".to_owned()];
    publisher.world.rebuilder("gamma", &Key::new(), &gamma);
    publisher.world.policy("mode = \"enforce\"\nthreshold = 3\n");
    refused(&publisher, 3, "not asked: offline");
    // Nobody knows from which file it came.
    let publisher = Publisher::new();
    fs::write(publisher.root().join("var/lib/apt-quorum/receipts/hook.jsonl"), "").unwrap();
    refused(&publisher, 1, "original .deb unknown (no receipt, in no signed index)");
    // Not wholly installed.
    let publisher = Publisher::new();
    let database: Vec<String> =
        publisher.debs.iter().map(|deb| status(deb, "install ok unpacked")).collect();
    fs::write(publisher.root().join("var/lib/dpkg/status"), database.join("\n")).unwrap();
    refused(&publisher, 1, "hello 2.10-3 amd64 is not completely installed");
    // Nothing installed, or nobody knows.
    fs::write(publisher.root().join("var/lib/dpkg/status"), "").unwrap();
    refused(&publisher, 1, "no package is installed there");
    fs::remove_file(publisher.root().join("var/lib/dpkg/status")).unwrap();
    refused(&publisher, 2, "var/lib/dpkg/status");
    // No configuration.
    let publisher = Publisher::new();
    publisher.world.policy("threshold = 2\n");
    refused(&publisher, 2, "mode");
}

#[test]
fn a_key_that_others_can_read_does_not_sign_and_is_never_shown() {
    let publisher = Publisher::new();
    let path = publisher.world.path("signer.key");
    let secret = publisher.signer.secret_pem();
    let refused = |why: &str| {
        let ended = publisher.attest(&[]);
        ended.assert_code(2);
        assert!(ended.stderr.contains(why), "{why}: {ended:?}");
        assert!(!publisher.statement().exists());
    };
    for mode in [0o644, 0o640, 0o604, 0o666] {
        set_mode(&path, mode);
        refused("others");
    }
    set_mode(&path, 0o600);
    for (content, why) in [
        (publisher.signer.pem(), "expected one ed25519 key"),
        (format!("{secret}{secret}"), "expected one ed25519 key"),
        (secret.replace("MC4C", "MC8C"), "expected one ed25519 key"),
        (secret.replace("PRIVATE", "ENCRYPTED PRIVATE"), "passphrase"),
        (secret.replace("PRIVATE", "EC PRIVATE"), "expected one ed25519 key"),
        (format!("{secret}{}", " ".repeat(9000)), "larger than"),
        (String::new(), "expected one ed25519 key"),
    ] {
        fs::write(&path, content).unwrap();
        refused(why);
    }
    fs::remove_file(&path).unwrap();
    refused("No such file");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap();
    refused("is not a file");
    fs::remove_file(&path).unwrap();
    fs::write(&path, &secret).unwrap();
    set_mode(&path, 0o400);
    publisher.attest(&[]).assert_code(0);
    // Where others can put another key in its place.
    set_mode(publisher.world.directory.path(), 0o777);
    fs::remove_file(publisher.statement()).unwrap();
    refused("can be written by others");
}

/// What OpenSSL makes is what is read, and both agree on the public key.
#[test]
fn a_key_that_openssl_made_signs() {
    let publisher = Publisher::new();
    let (path, public) = (publisher.world.path("signer.key"), publisher.world.path("signer.pem"));
    let openssl = |arguments: &[&str]| {
        let status = Command::new("openssl").args(arguments).status();
        status.is_ok_and(|it| it.success())
    };
    if !openssl(&["genpkey", "-algorithm", "ed25519", "-out", text(&path)]) {
        left_out("a key by openssl: it is not there");
        return;
    }
    set_mode(&path, 0o600);
    assert!(openssl(&["pkey", "-in", text(&path), "-pubout", "-out", text(&public)]));
    publisher.attest(&[]).assert_code(0);
    publisher.verify(&[]).assert_code(0);
}

#[test]
fn what_is_left_out_is_said_and_agreed_to() {
    let publisher = Publisher::new();
    let logs = ["--exclude", "/var/log/*", "--exclude", "/tmp"];
    let said = publisher.attested(&logs);
    let excluded = &said["predicate"]["apt-quorum:image"]["excluded"];
    assert_eq!(*excluded, json!(["/tmp", "/var/log/*"]));
    fs::write(publisher.root().join("var/log/messages"), "another line\n").unwrap();
    let ended = publisher.verify(&[]);
    ended.assert_code(1);
    assert_eq!(problems(&ended), ["left-out", "left-out"]);
    let ended = publisher.verify(&logs[..2]);
    ended.assert_code(1);
    assert_eq!(problems(&ended), ["left-out"]);
    publisher.verify(&logs).assert_code(0);
    // More than the statement leaves out is not left out.
    publisher.verify(&[&logs[..], &["--exclude", "/etc/*"]].concat()).assert_code(0);
    fs::write(publisher.root().join("etc/empty"), "x").unwrap();
    let ended = publisher.verify(&[&logs[..], &["--exclude", "/etc/*"]].concat());
    assert_eq!(problems(&ended), ["other-tree"]);
    // Patterns are paths.
    for bad in ["var/log", "", "/[a]"] {
        publisher.attest(&["--exclude", bad]).assert_code(2);
    }
}

#[test]
fn the_statement_is_not_written_into_what_it_is_about() {
    let publisher = Publisher::new();
    let inside = publisher.root().join("etc/manifest");
    let link = publisher.world.path("files/link");
    symlink(publisher.root().join("etc"), &link).unwrap();
    for path in [&inside, &link.join("manifest")] {
        let ended = publisher.attest(&["--manifest", text(path)]);
        ended.assert_code(2);
        assert!(ended.stderr.contains("is inside the image"), "{ended:?}");
    }
    assert!(!inside.exists());
    publisher.attest(&["--manifest", text(&inside), "--exclude", "/etc/manifest"]).assert_code(0);
}

#[test]
fn the_image_as_a_file_and_names_are_part_of_the_statement() {
    let publisher = Publisher::new();
    let image = publisher.world.write("files/root.img", b"an image");
    let names = [
        "--verifier",
        "https://example.org/publisher",
        "--resource",
        "https://example.org/images/13",
        "--policy-uri",
        "https://example.org/policy",
    ];
    let said = publisher.attested(&[&["--image", text(&image)], &names[..]].concat());
    assert_eq!(
        said["subject"][1],
        json!({"name": "root.img", "digest": {"sha256": sha256(b"an image")}})
    );
    assert_eq!(said["predicate"]["verifier"]["id"], names[1]);
    assert_eq!(said["predicate"]["resourceUri"], names[3]);
    assert_eq!(said["predicate"]["policy"]["uri"], names[5]);

    let by = ["--verifier", names[1]];
    assert_eq!(problems(&publisher.verify(&[])), ["other-verifier"]);
    publisher.verify(&by).assert_code(0);
    publisher.verify(&[&by[..], &names[2..4], &["--image", text(&image)]].concat()).assert_code(0);
    let other = [&by[..], &["--resource", "https://example.org/images/12"]].concat();
    assert_eq!(problems(&publisher.verify(&other)), ["other-resource"]);
    // Renamed it is the same image; another byte makes it another.
    let renamed = publisher.world.write("files/renamed.img", b"an image");
    publisher.verify(&[&by[..], &["--image", text(&renamed)]].concat()).assert_code(0);
    let changed = publisher.world.write("files/root.img", b"an imagf");
    let ended = publisher.verify(&[&by[..], &["--image", text(&changed)]].concat());
    assert_eq!((ended.code, problems(&ended)), (Some(1), vec!["other-file".to_owned()]));
    // Without the tree.
    let world = publisher.verifier(2);
    let without = [&by[..], &["--image", text(&renamed)]].concat();
    let ended = publisher.verify_by(&world, &without);
    ended.assert_code(0);
    assert!(ended.json()["notes"].to_string().contains("the tree was not checked"));
    // A statement that has no image, or something that is none.
    publisher.attest(&[]).assert_code(0);
    let ended = publisher.verify(&["--image", text(&renamed)]);
    assert_eq!(problems(&ended), ["other-file"]);
    for bad in ["/dev/null", text(&publisher.world.path("files")), "/none"] {
        publisher.verify(&["--image", bad]).assert_code(2);
        publisher.attest(&["--image", bad]).assert_code(2);
    }
    for bad in ["publisher", "", "http://a b", "1:x", "x:\u{e9}"] {
        publisher.attest(&["--verifier", bad]).assert_code(2);
    }
    let named_so = publisher.world.write("files/manifest", b"an image");
    publisher.attest(&["--image", text(&named_so)]).assert_code(2);
}

#[test]
fn hostile_trees_are_written_down_or_refused() {
    use std::os::unix::ffi::OsStrExt;

    let publisher = Publisher::new();
    let root = publisher.root();
    let odd = |name: &[u8]| root.join(std::ffi::OsStr::from_bytes(name));
    fs::write(odd(b"etc/a b\n\x1b[2J\\#=*\xff"), "").unwrap();
    set_mode(&odd(b"etc/a b\n\x1b[2J\\#=*\xff"), 0o644);
    fs::write(root.join("etc").join("l".repeat(255)), "").unwrap();
    symlink("/", root.join("etc/up")).unwrap();
    symlink(".", root.join("etc/loop")).unwrap();
    symlink("a b\nc", root.join("etc/spaces")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("etc/socket")).unwrap());
    if is_root() {
        device(&root.join("etc/null"), 3);
        set_attribute(&root.join("etc/empty"), "security.capability", &CAPABILITY);
    } else {
        left_out("a device and a capability in a manifest: not root");
    }
    let path = publisher.world.path("files/manifest");
    publisher.attest(&["--manifest", text(&path)]).assert_code(0);
    publisher.verify(&[]).assert_code(0);
    let manifest = fs::read_to_string(&path).unwrap();
    assert!(manifest.bytes().all(|it| it == b'\n' || (b' '..=b'~').contains(&it)), "{manifest}");
    let entries = everything(&root).len();
    assert_eq!(manifest.lines().count(), entries + 2);
    let mut wanted = vec![
        "./etc/a\\040b\\012\\033\\1332J\\134\\043\\075\\052\\377 type=file ",
        "./etc/up type=link ",
        "mode=0777 link=a\\040b\\012c\n",
        "./etc/socket type=socket ",
        "./etc/pipe type=fifo ",
    ];
    if is_root() {
        wanted.push("./etc/null type=char uid=0 gid=0 mode=0400 device=linux,1,3\n");
        wanted.push(" xattr.security.capability=AQAAAgAgAAAAAAAAAAAAAAAAAAA=\n");
    }
    for wanted in wanted {
        assert!(manifest.contains(wanted), "{wanted}: {manifest}");
    }

    // Deeper than anybody needs.
    let mut deep = root.join("deep");
    let refused = |what: &str| {
        let ended = publisher.attest(&[]);
        ended.assert_code(1);
        assert!(ended.stderr.contains(what), "{what}: {ended:?}");
        let ended = publisher.verify(&[]);
        assert_eq!((ended.code, problems(&ended)), (Some(1), vec!["unreadable-tree".to_owned()]));
    };
    for _ in 0..300 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    refused("is nested deeper than");
    fs::remove_dir_all(root.join("deep")).unwrap();
    publisher.verify(&[]).assert_code(0);
}

/// What is mounted in an image is not the image.
#[test]
fn a_mount_point_is_refused_unless_it_is_left_out() {
    let can_mount = || Command::new("unshare").args(["--mount", "true"]).status();
    if !is_root() || !can_mount().is_ok_and(|it| it.success()) {
        left_out("mount points: nothing can be mounted");
        return;
    }
    let publisher = Publisher::new();
    let root = publisher.root();
    // Of a directory, of a file, and of something on the same file system.
    for (mount, place) in [
        ("mount -t tmpfs none \"$1/tmp\"", "/tmp"),
        ("mount --bind /etc/passwd \"$1/etc/empty\"", "/etc/empty"),
        ("mount --bind \"$1/etc\" \"$1/var/log\"", "/var/log"),
    ] {
        let attest = |options: &[&str]| {
            let inner = publisher.attest_command(options);
            let mut command = Command::new("unshare");
            command.env_clear().envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
            command.args(["--mount", "sh", "-ec", &format!("{mount}; shift; exec \"$@\""), "sh"]);
            run(command.arg(&root).arg(inner.get_program()).args(inner.get_args()))
        };
        let ended = attest(&[]);
        ended.assert_code(1);
        let told = format!("{place} is a mount point");
        assert!(ended.stderr.contains(&told), "{ended:?}");
        attest(&["--exclude", place]).assert_code(0);
    }
}

/// Somebody who may not read all of it does not sign it.
#[test]
fn what_cannot_be_read_is_not_passed_over() {
    if !is_root() {
        left_out("a file that cannot be read: not root");
        return;
    }
    let publisher = Publisher::new();
    let user = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    for path in [publisher.world.path("signer.key"), publisher.world.path("files")] {
        chown(&path, Some(uid), Some(gid));
    }
    // The program is below a directory of root's.
    let program = publisher.world.path("apt-quorum");
    common::copy_of_program(&program);
    let attest = || {
        use std::os::unix::process::CommandExt;

        let inner = publisher.attest_command(&[]);
        let mut command = publisher.world.command_of(&program);
        run(command.args(inner.get_args()).uid(uid).gid(gid))
    };
    attest().assert_code(0);
    fs::remove_file(publisher.statement()).unwrap();
    for path in ["etc/empty", "var/log"] {
        let path = publisher.root().join(path);
        let mode = path.metadata().unwrap().permissions().mode();
        set_mode(&path, 0o700);
        let ended = attest();
        ended.assert_code(1);
        assert!(ended.stderr.contains("Permission denied"), "{ended:?}");
        set_mode(&path, mode & 0o7777);
    }
    assert!(!publisher.statement().exists());
}

#[test]
fn what_people_read_is_plain_and_tells_what_is_wrong() {
    let publisher = Publisher::new();
    let ended = publisher.attest(&[]);
    let said = "2 of 2 packages confirmed.\nwrote ";
    assert!(ended.stdout.starts_with(said), "{ended:?}");
    let world = publisher.verifier(2);
    let verify = || {
        let mut command = world.command();
        command.args(["verify-image", "--config"]).arg(world.path("etc"));
        command.arg("--key").arg(publisher.world.path("signer.pem"));
        command.arg("--evidence").arg(publisher.bundle());
        command.arg("--root").arg(publisher.root()).arg(publisher.statement());
        let ended = run(&mut command);
        ended.assert_plain();
        ended
    };
    let ended = verify();
    ended.assert_code(0);
    assert!(ended.stdout.ends_with("verified: the statement passes this policy.\n"), "{ended:?}");
    let mut said = payload(&fs::read(publisher.statement()).unwrap());
    said["predicate"]["verifier"]["id"] = json!("x:\u{1b}[2J\nverified: all is well");
    publisher.say(&said);
    fs::write(publisher.root().join("etc/empty"), "x").unwrap();
    let ended = verify();
    ended.assert_code(1);
    let first = "PROBLEM: the statement names x:?[2J verified: all is well as verifier: ";
    assert!(ended.stdout.contains(first), "{ended:?}");
    assert!(ended.stdout.contains("PROBLEM: the tree differs"), "{ended:?}");
    assert!(ended.stdout.ends_with("refused: the verification failed.\n"), "{ended:?}");
    for line in ended.stdout.lines() {
        assert!(!line.ends_with(|it: char| it.is_ascii_digit()), "{line}");
    }
}

/// Whoever makes an image writes its database of packages, and so what is attested: from which source a
/// file was built and which epoch its version has, only the verifier's own signed index can say.
#[test]
fn a_signer_does_not_choose_the_verifiers_rule() {
    for (rule, before, after) in [
        ("source = [\"special\"]", "Package: odd\n", "Package: odd\nSource: special\n"),
        ("version = [\"5:*\"]", "Version: 1-1\n", "Version: 5:1-1\n"),
    ] {
        for lie in [false, true] {
            let (publisher, odd) = with_an_odd_package();
            if lie {
                let path = publisher.root().join("var/lib/dpkg/status");
                let text = fs::read_to_string(&path).unwrap().replace(before, after);
                fs::write(&path, text).unwrap();
                let path = publisher.root().join("var/lib/apt-quorum/receipts/hook.jsonl");
                let text = fs::read_to_string(&path).unwrap();
                let version = after.strip_prefix("Version: ").map(str::trim).unwrap_or("1-1");
                fs::write(&path, text.replace("\"1-1\"", &format!("\"{version}\""))).unwrap();
            }
            publisher.attest(&[]).assert_code(0);
            let world = publisher.verifier(2);
            world.policy(&format!(
                "mode = \"enforce\"\nthreshold = 2\n[[rule]]\n{rule}\nthreshold = 1\n"
            ));
            let ended = publisher.verify_by(&world, &["--root", text(&publisher.root())]);
            assert_eq!(ended.code, Some(1), "{rule} {lie}: {ended:?}");
            if !lie {
                continue;
            }
            // What one's own index says holds, if somebody signed it and it is about this very file.
            let version = if rule.starts_with("source") { "1-1" } else { "5:1-1" };
            let stanza = |source: &str, version: &str| {
                format!(
                    "Package: odd\nVersion: {version}\nArchitecture: amd64\n{source}SHA256: {}\n\n",
                    odd.sha256()
                )
            };
            let special = stanza("Source: special\n", version);
            let index = |text: &str, release: &str| {
                let _ = fs::remove_dir_all(world.path("lists"));
                world.make_directory("lists");
                world.write("lists/a.example_dists_x_main_binary-amd64_Packages", text);
                world.write(&format!("lists/a.example_dists_x_{release}"), "Origin: x\n");
            };
            let code = || publisher.verify_by(&world, &["--root", text(&publisher.root())]).code;
            index(&special, "InRelease");
            assert_eq!(code(), Some(0), "{rule}: as the own index says");
            index(&special, "Release");
            assert_eq!(code(), Some(1), "{rule}: nobody signed that");
            index(&stanza("Source: special\n", "7:1-1"), "InRelease");
            assert_eq!(code(), Some(1), "{rule}: as another package");
            if version == "1-1" {
                index(&stanza("", version), "InRelease");
                assert_eq!(code(), Some(1), "of another source");
                for both in
                    [[stanza("", version), special.clone()], [special.clone(), stanza("", version)]]
                {
                    index(&both.concat(), "InRelease");
                    assert_eq!(code(), Some(1), "of both");
                }
            }
        }
    }
}

/// A rule that perhaps applies must be met, so that leaving something open loosens nothing either.
#[test]
fn what_nobody_says_keeps_no_stricter_rule_off() {
    let (publisher, _) = with_an_odd_package();
    publisher.attest(&[]).assert_code(0);
    let world = publisher.verifier(1);
    let verify = || publisher.verify_by(&world, &["--root", text(&publisher.root())]).code;
    assert_eq!(verify(), Some(0));
    for (rule, code) in [
        ("source = [\"special\"]", 1),
        ("version = [\"9:*\"]", 1),
        ("source = [\"special\"]\npackage = [\"tool\"]", 0),
    ] {
        world.policy(&format!(
            "mode = \"enforce\"\nthreshold = 1\n[[rule]]\n{rule}\nthreshold = 2\n"
        ));
        assert_eq!(verify(), Some(code), "{rule}");
    }
    // No exception applies by what nobody says.
    world.policy("mode = \"enforce\"\nthreshold = 2\n");
    for condition in ["source = [\"odd\"]", "version = [\"1-1\"]"] {
        world.exception(&format!(
            "[[exception]]\nsha256 = [\"{}\"]\n{condition}\nreason = \"x\"\nexpires = 2999-01-01\n",
            publisher.debs[1].sha256()
        ));
        assert_eq!(verify(), Some(1), "{condition}");
    }
}

/// A publisher with a package that only one rebuilder confirmed, and that it has an exception for.
fn with_an_odd_package() -> (Publisher, Deb) {
    let mut publisher = Publisher::new();
    let odd = Deb::new("odd", "1-1", "amd64");
    publisher.debs.insert(1, odd.clone());
    publisher.confirm(&odd, &["alpha"]);
    publisher.install();
    publisher.world.exception(&format!(
        "[[exception]]\nsha256 = [\"{}\"]\nreason = \"mine\"\nexpires = 2999-01-01\n",
        odd.sha256()
    ));
    (publisher, odd)
}

#[test]
fn a_statement_can_be_too_old() {
    let publisher = Publisher::new();
    let mut said = publisher.attested(&[]);
    publisher.verify(&["--max-age", "1"]).assert_code(0);
    let day = 24 * 60 * 60;
    let now = apt_quorum::types::Timestamp::from(std::time::SystemTime::now()).as_unix();
    for (days, most, expected) in
        [(8, "7", &["too-old"][..]), (6, "7", &[]), (4000, "3650", &["too-old"])]
    {
        let then = apt_quorum::types::Timestamp::from_unix(now - days * day).unwrap();
        said["predicate"]["timeVerified"] = json!(then);
        publisher.say(&said);
        assert_eq!(problems(&publisher.verify(&["--max-age", most])), expected, "{days} {most}");
        assert_eq!(problems(&publisher.verify(&[])), [""; 0]);
    }
    let then = apt_quorum::types::Timestamp::from_unix(now - 4000 * day).unwrap().date();
    let expected = format!("the statement is of {then}, more than 30 days ago: get a newer one");
    assert_eq!(publisher.verify(&["--max-age", "30"]).json()["problems"][0]["text"], *expected);
    for wrong in ["0", "-1", "3651", "x"] {
        let mut command = publisher.world.command();
        let arguments = ["verify-image", "--key", "k", &format!("--max-age={wrong}"), "s"];
        run(command.args(arguments)).assert_code(2);
    }
}
