//! What of an archive that was built anew is a vote, and what is not. Each row makes one change to
//! a good archive.

use std::collections::BTreeSet;

use apt_quorum::attest::KeyRing;
use apt_quorum::attest::repository::{
    Index, ListedFile, Release, Repository, RepositoryRejection, TakenOver,
};
use apt_quorum::types::{Certificate, PublicKey, Sha256Digest};

use crate::support::archive::{BINARY, Files, Making, TEXT, digest, inline, recipe, stanza, terms};
use crate::support::openpgp::{CREATED, PgpKey, SHA1, Says};
use crate::support::{self, identity, now};

const HELLO: &str = "hello 2.10-3 amd64";

/// A good archive with the file that is judged in it.
fn good() -> Making {
    Making::new().with(HELLO, &digest("hello"))
}

/// What is published: the Release file, its signature if that stands beside it, the other files,
/// and the keys that are pinned.
struct Published {
    release: Vec<u8>,
    signature: Option<Vec<u8>>,
    files: Files,
    keys: KeyRing,
}

impl From<Making> for Published {
    fn from(making: Making) -> Self {
        let files = making.files();
        Self { release: making.inline(), signature: None, files, keys: making.ring() }
    }
}

/// `vote`, `conflict`, or the code of the reason.
fn judged(published: &Published) -> String {
    judge(published).unwrap_or_else(|rejection| rejection.code().to_owned())
}

fn judge(it: &Published) -> Result<String, RepositoryRejection> {
    let wanted = Sha256Digest::of(b"hello");
    let release = Release::read(&it.release, it.signature.as_deref(), &it.keys, &terms(), now())?;
    let listed = release.taken_over()?;
    let taken_over = TakenOver::read(&it.files[&listed.path], &listed)?;
    let mut archive = Repository::new(release.clone(), taken_over);
    for path in terms().indexes(&"amd64".parse().unwrap()) {
        let listed = release.file(&path).expect("it is listed");
        archive.add(Index::read(&it.files[&listed.path], &listed)?);
    }
    let claims = archive.claims(&identity(HELLO), &it.keys, now())?;
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].attestation(), Sha256Digest::of(&it.release));
    Ok(if claims[0].sha256() == wanted { "vote" } else { "conflict" }.to_owned())
}

/// A good archive after `change`.
fn after(change: impl FnOnce(&mut Making)) -> Published {
    let mut making = good();
    change(&mut making);
    making.into()
}

/// What was published, changed afterwards.
fn tampered(change: impl FnOnce(&mut Published)) -> Published {
    let mut published = Published::from(good());
    change(&mut published);
    published
}

fn replace(text: &mut Vec<u8>, from: &str, to: &str) {
    let replaced = String::from_utf8(text.clone()).unwrap().replacen(from, to, 1);
    assert_ne!(replaced.as_bytes(), &**text, "{from} is not there");
    *text = replaced.into_bytes();
}

fn detached(kind: u8, armored: bool) -> Published {
    let mut making = good();
    making.kind = kind;
    let release = making.release().into_bytes();
    // A signature over a text is over one with the line ends of the network.
    let text = making.release().replace('\n', "\r\n").into_bytes();
    let packet = making.signature(if kind == TEXT { &text } else { &release });
    let armor = || {
        let armor = support::openpgp::armored(&packet);
        armor.replace("PUBLIC KEY BLOCK", "SIGNATURE").into_bytes()
    };
    let signature = Some(if armored { armor() } else { packet.clone() });
    Published { release, signature, files: making.files(), keys: making.ring() }
}

/// The library refuses EdDSA over SHA-1 by itself.
fn rsa_key() -> &'static rsa::RsaPrivateKey {
    let key = rsa::RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
    Box::leak(Box::new(key))
}

type Row = (&'static str, Published, &'static str);

fn signature_rows() -> Vec<Row> {
    let with_certificate = |change: &dyn Fn(&mut support::openpgp::Recipe)| {
        after(|it| {
            let mut recipe = recipe(&it.key);
            change(&mut recipe);
            it.certificate = recipe.packets();
        })
    };
    let many = |count: usize, good_one: bool| {
        tampered(|it| {
            let making = good();
            let foreign = PgpKey::new(CREATED);
            let signed = making.signed();
            let mut all: Vec<Vec<u8>> = (0..count)
                .map(|_| foreign.signature_packet(TEXT, &Says::at(CREATED + 9), &signed))
                .collect();
            if good_one {
                all.push(making.signature(&signed));
            }
            it.release = inline(&making.release(), &all);
            it.keys = making.ring();
        })
    };
    vec![
        ("signed inside", good().into(), "vote"),
        ("signed beside it, armoured", detached(BINARY, true), "vote"),
        ("signed beside it, not armoured", detached(BINARY, false), "vote"),
        ("a good signature behind 63 of others", many(63, true), "vote"),
        ("more signatures than there may be", many(64, true), "too-many-signatures"),
        ("signed by somebody else", many(1, false), "unknown-key"),
        ("beside it is nothing", tampered(|it| it.signature = Some(Vec::new())), "unsigned"),
        ("beside it is a key", tampered(|it| it.signature = Some(good().certificate)), "release"),
        ("a signature as over a text beside it", detached(TEXT, true), "not-over-data"),
        ("a signature as over data inside", after(|it| it.kind = BINARY), "not-over-data"),
        (
            "with SHA-1",
            after(|it| {
                let key = PgpKey::rsa(rsa_key(), CREATED);
                it.certificate = recipe(&key).packets();
                it.key = key;
                it.says.hash = SHA1;
            }),
            "weak-hash",
        ),
        ("with something critical", after(|it| it.says.critical = true), "not-understood"),
        ("not dated", after(|it| it.says.created = None), "undated"),
        ("older than its key", after(|it| it.says.created = Some(CREATED - 1)), "wrong-time"),
        (
            "from the future",
            after(|it| it.says.created = Some(CREATED + 400 * 86_400)),
            "wrong-time",
        ),
        ("good for a while", after(|it| it.says.ends = Some(5)), "expired-signature"),
        ("the key expired", with_certificate(&|it| it.own[0].key_expires = Some(5)), "expired-key"),
        ("the key was revoked", with_certificate(&|it| it.revoked = true), "revoked-key"),
        (
            "the key is not for this",
            with_certificate(&|it| it.own[0].flags = Some(12)),
            "not-for-signing",
        ),
        (
            "the key is another rebuilder's",
            {
                let making = good();
                let keys = KeyRing::new(vec![making.pinned("beta")]).unwrap();
                Published { keys, ..making.into() }
            },
            "unknown-key",
        ),
        (
            "the administrator let the key expire",
            {
                let making = good();
                let mut pinned = making.pinned("alpha");
                pinned.not_after = Some(support::moment("2026-02-01T00:00:00Z"));
                Published { keys: KeyRing::new(vec![pinned]).unwrap(), ..making.into() }
            },
            "expired-key",
        ),
        (
            "changed after signing",
            tampered(|it| replace(&mut it.release, "Rebuilt", "Changed")),
            "unknown-key",
        ),
        (
            "text before the frame",
            tampered(|it| it.release.splice(0..0, *b"x\n").for_each(drop)),
            "release",
        ),
        ("text behind the frame", tampered(|it| it.release.extend(b"Suite: evil\n")), "release"),
        ("two frames", tampered(|it| it.release = it.release.repeat(2)), "release"),
        ("no frame", tampered(|it| it.release = good().release().into_bytes()), "release"),
        ("not UTF-8", tampered(|it| it.release.insert(80, 0xff)), "release"),
        ("a giant", tampered(|it| it.release = vec![b'x'; 3 << 20]), "too-large"),
    ]
}

fn release_rows() -> Vec<Row> {
    vec![
        ("of the suite by its codename", after(|it| it.without("Suite")), "vote"),
        ("of another suite", after(|it| it.field("Codename", "sid")), "other-suite"),
        (
            "of no suite",
            after(|it| {
                it.without("Suite");
                it.without("Codename");
            }),
            "other-suite",
        ),
        ("without a date", after(|it| it.without("Date")), "release"),
        ("a date that is none", after(|it| it.field("Date", "yesterday")), "release"),
        (
            "a date in another zone",
            after(|it| it.field("Date", "Thu, 01 Jan 2026 00:10:00 +0100")),
            "release",
        ),
        (
            "from the future",
            after(|it| it.field("Date", "Sat, 01 Jan 2028 00:00:00 UTC")),
            "release",
        ),
        (
            "good until later",
            after(|it| it.field("Valid-Until", "Fri, 01 Jan 2027 00:00:00 UTC")),
            "vote",
        ),
        (
            "good until a moment ago",
            after(|it| it.field("Valid-Until", "Mon, 01 Jun 2026 12:00:00 UTC")),
            "release-expired",
        ),
        ("good until never", after(|it| it.field("Valid-Until", "never")), "release"),
        ("a field twice", after(|it| it.fields.push(("Suite", "trixie".to_owned()))), "release"),
        ("two stanzas", after(|it| it.more_files = "\nSuite: trixie\n".to_owned()), "release"),
        (
            "a line of its list too long",
            after(|it| it.more_files = format!(" {} 1 x y\n", digest("x"))),
            "release",
        ),
        (
            "a line of its list too short",
            after(|it| it.more_files = format!(" {} 1\n", digest("x"))),
            "release",
        ),
        (
            "a size that is none",
            after(|it| it.more_files = format!(" {} -1 x\n", digest("x"))),
            "release",
        ),
        (
            "a file listed twice",
            after(|it| it.more_files = format!(" {} 1 x\n", digest("x")).repeat(2)),
            "vote",
        ),
        (
            "a file listed twice and differently",
            after(|it| {
                it.more_files = format!(" {} 1 x\n {} 1 x\n", digest("x"), digest("y"));
            }),
            "release",
        ),
        (
            "hashes under another name only",
            tampered(|it| {
                let making = good();
                let text = making.release().replace("SHA256:", "SHA512:");
                let signed = text.trim_end().replace('\n', "\r\n");
                it.release = inline(&text, &[making.signature(signed.as_bytes())]);
                it.keys = making.ring();
            }),
            "not-listed",
        ),
    ]
}

fn index_rows() -> Vec<Row> {
    let path = "main/binary-amd64/Packages";
    let compressed = |suffix| after(|it| it.suffix = suffix);
    let packages = |text: String| after(|it| it.packages = text);
    let hello = digest("hello");
    // ListedFile as it is, so that the reader sees what is inside.
    let raw = |suffix: &'static str, bytes: Vec<u8>| {
        tampered(|it| {
            let mut making = good();
            making.more_files =
                format!(" {} {} {path}{suffix}\n", Sha256Digest::of(&bytes), bytes.len());
            it.release = making.inline();
            it.keys = making.ring();
            it.files.insert(format!("{path}{suffix}"), bytes);
        })
    };
    let text = good().packages.into_bytes();
    let gzip = support::archive::compress(".gz", &text);
    let zeros = support::archive::compress(".gz", &vec![b'x'; (256 << 20) + 1]);
    let list = |text: &str| after(|it| it.taken_over = Some(text.to_owned()));
    vec![
        ("compressed with gzip", compressed(".gz"), "vote"),
        ("compressed with xz", compressed(".xz"), "vote"),
        ("compressed with zstd", compressed(".zst"), "vote"),
        ("another file", tampered(|it| it.files.get_mut(path).unwrap().push(b'\n')), "other-file"),
        (
            "another file of the same size",
            tampered(|it| replace(it.files.get_mut(path).unwrap(), "pool", "poll")),
            "other-file",
        ),
        ("two gzip streams", raw(".gz", gzip.repeat(2)), "unreadable-index"),
        ("half a gzip stream", raw(".gz", gzip[..gzip.len() / 2].to_vec()), "unreadable-index"),
        ("no gzip stream", raw(".gz", text), "unreadable-index"),
        ("a bomb", raw(".gz", zeros), "unreadable-index"),
        ("another version", packages(stanza("hello 2.10-4 amd64", &hello)), "not-in-archive"),
        ("another epoch", packages(stanza("hello 1:2.10-3 amd64", &hello)), "not-in-archive"),
        ("another architecture", packages(stanza("hello 2.10-3 i386", &hello)), "not-in-archive"),
        ("another name", packages(stanza("hello-doc 2.10-3 amd64", &hello)), "not-in-archive"),
        ("nothing", packages(String::new()), "not-in-archive"),
        ("another file of this name", packages(stanza(HELLO, &digest("other"))), "conflict"),
        ("the package twice", packages(stanza(HELLO, &hello).repeat(2)), "vote"),
        (
            "the package twice and differently",
            packages(stanza(HELLO, &hello) + &stanza(HELLO, &digest("other"))),
            "ambiguous-index",
        ),
        (
            "a field twice",
            packages(stanza(HELLO, &hello).replace("Size", "Package")),
            "not-in-archive",
        ),
        (
            "no SHA-256",
            packages(stanza(HELLO, &hello).replace("SHA256", "MD5sum")),
            "not-in-archive",
        ),
        ("no list of what was taken over", after(|it| it.taken_over = None), "not-listed"),
        ("an empty list", list(""), "vote"),
        (
            "another list",
            tampered(|it| drop(it.files.insert("main/taken-over".to_owned(), b"#".to_vec()))),
            "other-file",
        ),
        (
            "the file was taken over",
            list(&format!("{hello}  hello_2.10-3_amd64.deb\n")),
            "taken-over",
        ),
        (
            "the file was taken over, by another name",
            list(&format!("{hello} *pool/x.deb\n")),
            "taken-over",
        ),
        (
            "a file of this name was taken over",
            list(&format!("{}  pool/h/hello_2.10-3_amd64.deb\n", digest("x"))),
            "taken-over",
        ),
        ("another file was taken over", list(&format!("{}  x_1_all.deb\n", digest("x"))), "vote"),
        ("a list with an odd line", list("everything else\n"), "unreadable-index"),
        ("a list with a hash alone", list(&format!("{hello}\n")), "unreadable-index"),
        ("a list with no name", list(&format!("{}  pool/\n", digest("x"))), "unreadable-index"),
    ]
}

#[test]
fn every_attack_comes_to_what_its_row_says() {
    let rows: Vec<Row> =
        [signature_rows(), release_rows(), index_rows()].into_iter().flatten().collect();
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    for (what, published, expected) in &rows {
        let seen = judged(published);
        codes.insert(seen.clone());
        if seen != *expected {
            wrong.push(format!("{what}: expected {expected}, seen {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.len() >= 70, "only {} rows", rows.len());
    for code in [
        "release",
        "other-suite",
        "release-expired",
        "not-listed",
        "other-file",
        "unreadable-index",
        "not-in-archive",
        "ambiguous-index",
        "taken-over",
    ] {
        assert!(codes.contains(code), "nothing comes to {code}");
    }
}

#[test]
fn an_archive_does_not_go_back_in_time() {
    let making = good();
    let release = Release::read(&making.inline(), None, &making.ring(), &terms(), now()).unwrap();
    assert!(release.check_not_older(release.date()).is_ok());
    let later = support::moment("2026-01-01T00:10:01Z");
    assert_eq!(release.check_not_older(later).unwrap_err().code(), "older-release");
}

#[test]
fn two_indexes_of_an_archive_must_not_contradict_each_other() {
    let hello = digest("hello");
    for (other, expected) in [(&*hello, "vote"), (&*digest("other"), "ambiguous-index")] {
        let making = good();
        let read = |path: &str, text: String| {
            let sha256 = Sha256Digest::of(text.as_bytes());
            let listed = ListedFile { path: path.to_owned(), sha256, size: text.len() };
            Index::read(text.as_bytes(), &listed).unwrap()
        };
        let release = Release::read(&making.inline(), None, &making.ring(), &terms(), now());
        let mut archive = Repository::new(release.unwrap(), TakenOver::default());
        for (path, sha256) in [("main/Packages", &*hello), ("contrib/Packages", other)] {
            assert!(!archive.has(path));
            archive.add(read(path, stanza(HELLO, sha256)));
            assert!(archive.has(path));
        }
        let claims = archive.claims(&identity(HELLO), &making.ring(), now());
        let seen = claims.map_or_else(|rejection| rejection.code(), |_| "vote");
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_release_file_is_no_link_and_a_link_no_release_file() {
    // A certificate may sign both, so neither may pass for the other.
    let making = good();
    let link = support::link_text("hello_2.10-3_amd64.deb", Sha256Digest::of(b"hello"));
    let signed = inline(&link, &[making.signature(link.as_bytes())]);
    let read = Release::read(&signed, None, &making.ring(), &terms(), now());
    assert_eq!(read.unwrap_err().code(), "other-suite");
}

#[test]
fn no_flipped_bit_makes_a_vote_of_anything_else() {
    let making = good();
    let (release, keys) = (making.inline(), making.ring());
    let mut votes = 0;
    for bit in (0..release.len() * 8).step_by(3) {
        let mut flipped = release.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = Release::read(&flipped, None, &keys, &terms(), now());
        // Some bits play no part: of the headers, or of the armour's padding.
        if let Ok(read) = read {
            votes += 1;
            assert_eq!(read.digests(), {
                let good = Release::read(&release, None, &keys, &terms(), now()).unwrap();
                good.digests()
            });
        }
    }
    assert!(votes < release.len(), "{votes} of {} bits play no part", release.len() * 8);
    let certificate = Certificate::from_packets(&making.certificate).unwrap();
    assert!(matches!(making.pinned("alpha").key, PublicKey::OpenPgp(it) if it == certificate));
}
