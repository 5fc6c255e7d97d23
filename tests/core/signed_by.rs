//! Whose word an index of apt is: which certificate signed the Release file that it hangs on, and
//! everything that must not be taken for that.

use std::fs;
use std::path::Path;

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::attest::repository::SignedRelease;
use apt_quorum::gate::{Keyrings, Listings, Root, SignerKeys};
use apt_quorum::policy::{Decision, Listing, Matcher, Mode, Subject, decide};
use apt_quorum::sys::inside::Inside;
use apt_quorum::types::{Fingerprint, Sha256Digest, Unverified};

use crate::common::{self, Deb, Key};
use crate::support::archive::{BINARY, Making, certificate, inline, recipe};
use crate::support::openpgp::{CREATED, PgpKey, Recipe, SHA1, SIGN, Says, armored};
use crate::support::{self, World, claimed, exception, globs, identity, now, outcome, requirement};

const NAME: &str = "hello 2.10-3 amd64";
const ARCHIVE: &str = "deb.example_debian_dists_stable_";
const INDEX: &str = "main_binary-amd64_Packages";

fn file() -> Sha256Digest {
    Sha256Digest::of(b"the file")
}

fn making() -> Making {
    Making::new().with(NAME, &file().to_string())
}

fn fingerprint(key: &PgpKey) -> Fingerprint {
    key.fingerprint().parse().unwrap()
}

/// apt's directory of lists with this archive in it, as apt puts it there.
fn lists(making: &Making) -> tempfile::TempDir {
    let lists = tempfile::tempdir().unwrap();
    put(lists.path(), "InRelease", making.inline());
    put(lists.path(), INDEX, making.packages.as_bytes());
    lists
}

fn put(lists: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(lists.join(format!("{ARCHIVE}{name}")), bytes).unwrap();
}

fn listed(lists: &Path, keyrings: &[&[u8]]) -> Vec<Listing> {
    let certificates = keyrings.iter().flat_map(|it| Unverified::all_in(it)).collect();
    let signers = SignerKeys { certificates, now: now() };
    let listings = Listings::load(lists, Some(&signers), |_, _| true);
    listings.of(file(), &identity(NAME))
}

/// Who signed, by these keyrings, with the index being listed in any case.
fn signers(lists: &Path, keyrings: &[&[u8]]) -> Vec<Fingerprint> {
    let listings = listed(lists, keyrings);
    assert_eq!(listings.len(), 1);
    assert_eq!(listings[0].origin, "Rebuilt");
    listings[0].signed_by.clone()
}

#[test]
fn the_certificate_that_signed_is_known_by_its_primary_key() {
    let making = making();
    let lists = lists(&making);
    let own = [fingerprint(&making.key)];
    assert_eq!(signers(lists.path(), &[&making.certificate]), own);
    assert_eq!(signers(lists.path(), &[armored(&making.certificate).as_bytes()]), own);
    let nobody = SignedRelease::read(&making.inline(), None, &[], now()).unwrap_err().to_string();
    assert_eq!(nobody, "its Release file is signed by no certificate of apt's configuration");
    // Nobody is known, or only others.
    assert_eq!(signers(lists.path(), &[]), []);
    let other = certificate(&PgpKey::new(CREATED));
    assert_eq!(signers(lists.path(), &[&other]), []);
    // Several in one file, binary or in blocks behind each other.
    let ring = [other.clone(), making.certificate.clone(), other.clone()].concat();
    assert_eq!(signers(lists.path(), &[&ring]), own);
    assert_eq!(signers(lists.path(), &[armored(&ring).as_bytes()]), own);
    let blocks = [armored(&other), "and\n".to_owned(), armored(&making.certificate)].concat();
    assert_eq!(signers(lists.path(), &[blocks.as_bytes()]), own);
    // Nobody asked.
    let unasked = Listings::load(lists.path(), None, |_, _| true);
    assert_eq!(unasked.of(file(), &identity(NAME))[0].signed_by, []);
}

#[test]
fn a_subkey_signs_for_its_certificate() {
    use support::openpgp::{Back, Sub};
    let making = making();
    let primary = PgpKey::new(CREATED);
    let bound = |back, revoked| {
        let says = Says { flags: Some(SIGN), ..Says::at(CREATED) };
        let sub = Sub { key: making.key.clone(), bindings: vec![(says, back)], revoked };
        Recipe { subkeys: vec![sub], ..Recipe::of(primary.clone(), 1) }.packets()
    };
    let with = |back| bound(back, false);
    let lists = lists(&making);
    assert_eq!(signers(lists.path(), &[&with(Back::Good)]), [fingerprint(&primary)]);
    // A copy that has not this subkey yet, and says that all of it was taken back.
    let revoked = Recipe { revoked: true, ..Recipe::of(primary.clone(), 1) }.packets();
    assert_eq!(signers(lists.path(), &[&with(Back::Good), &revoked]), []);
    // One that says so of this subkey alone.
    let revoked = bound(Back::Good, true);
    for rings in [[&with(Back::Good), &revoked], [&revoked, &with(Back::Good)]] {
        assert_eq!(signers(lists.path(), &rings.map(Vec::as_slice)), []);
    }
    let older = Recipe::of(primary.clone(), 1).packets();
    assert_eq!(signers(lists.path(), &[&older, &with(Back::Good)]), [fingerprint(&primary)]);
    // Somebody else's key under one's own name.
    for back in [Back::Missing, Back::Foreign, Back::Weak] {
        assert_eq!(signers(lists.path(), &[&with(back)]), []);
    }
}

#[test]
fn a_release_file_with_its_signature_beside_it_and_several_signatures_are_read() {
    let mut making = making();
    making.kind = BINARY;
    let second = PgpKey::new(CREATED);
    let text = making.release();
    let lists = tempfile::tempdir().unwrap();
    put(lists.path(), "Release", &text);
    put(lists.path(), INDEX, making.packages.as_bytes());
    let beside = making.signature(text.as_bytes());
    let own = fingerprint(&making.key);
    let armor = armored(&beside).replace("PUBLIC KEY BLOCK", "SIGNATURE");
    for signature in [beside.clone(), armor.into_bytes()] {
        put(lists.path(), "Release.gpg", signature);
        assert_eq!(signers(lists.path(), &[&making.certificate]), [own]);
    }
    let says = Says::at(CREATED + 1000);
    let both = [beside, second.issued_packet(BINARY, &says, text.as_bytes())].concat();
    put(lists.path(), "Release.gpg", both);
    let (first, certificate_of_second) = (&making.certificate, certificate(&second));
    let mut expected = vec![own, fingerprint(&second)];
    expected.sort();
    assert_eq!(signers(lists.path(), &[first, &certificate_of_second]), expected);
    assert_eq!(signers(lists.path(), &[&certificate_of_second]), [fingerprint(&second)]);
    // Without any, it is nobody's, and could be called anything.
    fs::remove_file(lists.path().join(format!("{ARCHIVE}Release.gpg"))).unwrap();
    let unsigned = &listed(lists.path(), &[first])[0];
    assert_eq!((unsigned.origin.as_str(), &unsigned.signed_by[..]), ("", &[][..]));
}

#[test]
fn what_is_not_certain_is_nobodys_word() {
    let good = making();
    let by = |change: &dyn Fn(&mut Making)| {
        let mut making = making();
        change(&mut making);
        let found = signers(lists(&making).path(), &[&making.certificate]);
        assert_eq!(found, [], "{:?}", making.fields);
    };
    by(&|it| it.says.hash = SHA1);
    by(&|it| it.says.created = Some(CREATED - 10));
    by(&|it| it.says.created = None);
    by(&|it| it.says.ends = Some(60));
    by(&|it| it.says.critical = true);
    by(&|it| it.kind = BINARY);
    by(&|it| it.certificate = Recipe { revoked: true, ..recipe(&it.key) }.packets());
    by(&|it| it.certificate = Recipe::of(it.key.clone(), 12).packets());
    // A revocation in any copy counts, and a copy that is none is no reason to go by the other.
    let revoked = Recipe { revoked: true, ..recipe(&good.key) }.packets();
    let found = lists(&good);
    for rings in [[&good.certificate, &revoked], [&revoked, &good.certificate]] {
        let rings = rings.map(Vec::as_slice);
        assert_eq!(signers(found.path(), &rings), []);
    }
    // What was changed after it was signed, or signed as something else.
    let text = String::from_utf8(good.inline()).unwrap();
    put(found.path(), "InRelease", text.replace("Codename: trixie", "Codename: other"));
    assert_eq!(signers(found.path(), &[&good.certificate]), []);
    put(found.path(), "InRelease", format!("{text}\n{text}"));
    assert_eq!(listed(found.path(), &[&good.certificate])[0].signed_by, []);
}

/// SignedRelease words that somebody else put around the text do not count.
#[test]
fn the_fields_are_those_that_were_signed() {
    let making = making();
    let lists = lists(&making);
    let text = String::from_utf8(making.inline()).unwrap();
    for around in [
        format!("Origin: Debian\n\n{text}"),
        text.replace("Hash: SHA256\n\n", "Hash: SHA256\nOrigin: Debian\n\n"),
        format!("{text}\nOrigin: Debian\n"),
    ] {
        put(lists.path(), "InRelease", around);
        let found = &listed(lists.path(), &[&making.certificate]);
        assert!(found[0].signed_by.is_empty() || found[0].origin == "Rebuilt", "{found:?}");
    }
    // Any line may be escaped (RFC 9580 section 7.2); what was signed is what stands behind that.
    put(lists.path(), "InRelease", text.replace("\nOrigin: ", "\n- Origin: "));
    assert_eq!(signers(lists.path(), &[&making.certificate]), [fingerprint(&making.key)]);
}

#[test]
fn an_index_is_the_signers_only_if_the_release_file_has_its_hash() {
    let making = making();
    let own = vec![fingerprint(&making.key)];
    let found = lists(&making);
    let rings: &[&[u8]] = &[&making.certificate];
    assert_eq!(signers(found.path(), rings), own);
    // Another index under its name, and one that it does not list at all.
    put(found.path(), INDEX, format!("{}\n", making.packages));
    assert_eq!(signers(found.path(), rings), []);
    put(found.path(), INDEX, making.packages.as_bytes());
    let index = |name: &str| found.path().join(format!("{ARCHIVE}{name}"));
    fs::rename(index(INDEX), index("contrib_binary-amd64_Packages")).unwrap();
    assert_eq!(signers(found.path(), rings), []);
    // An archive below the path of another one, without a Release file of its own.
    fs::rename(index("contrib_binary-amd64_Packages"), index("evil_._Packages")).unwrap();
    assert_eq!(listed(found.path(), rings)[0].signed_by, []);
}

/// apt keeps what it fetched, or makes another compression of it; the archive has the hash of what is
/// in there, or only of what can be fetched.
#[test]
fn indexes_are_known_by_what_is_in_them_or_by_what_was_fetched() {
    let making = making();
    let plain = Sha256Digest::of(making.packages.as_bytes());
    let gz = support::archive::compress(".gz", making.packages.as_bytes());
    let only = |lines: String| {
        let fields: String =
            making.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let text = format!("{fields}SHA256:\n{lines}");
        let message = text.trim_end().replace('\n', "\r\n");
        inline(&text, &[making.signature(message.as_bytes())])
    };
    let path = "main/binary-amd64/Packages";
    let of_plain = only(format!(" {plain} 1 {path}\n"));
    let of_gz = only(format!(" {} 1 {path}.gz\n", Sha256Digest::of(&gz)));
    let of_other = only(format!(" {} 1 {path}.gz\n", Sha256Digest::of(b"another")));
    let rings: &[&[u8]] = &[&making.certificate];
    let own = vec![fingerprint(&making.key)];
    for (release, kept, expected) in [
        (&of_plain, ("", making.packages.as_bytes()), &own),
        (&of_plain, (".gz", &gz[..]), &own),
        (&of_gz, (".gz", &gz[..]), &own),
        (&of_other, (".gz", &gz[..]), &Vec::new()),
        // Nobody wrote down what is in what was fetched.
        (&of_gz, ("", making.packages.as_bytes()), &Vec::new()),
    ] {
        if !kept.0.is_empty() && !Path::new("/usr/lib/apt/apt-helper").exists() {
            continue;
        }
        let lists = tempfile::tempdir().unwrap();
        put(lists.path(), "InRelease", release);
        put(lists.path(), &format!("{INDEX}{}", kept.0), kept.1);
        assert_eq!(&signers(lists.path(), rings), expected, "{kept:?}");
    }
}

#[test]
fn an_archive_without_directories_is_read_as_well() {
    let making = making();
    let lists = tempfile::tempdir().unwrap();
    let text = making.release().replace("main/binary-amd64/Packages", "Packages");
    let message = text.trim_end().replace('\n', "\r\n");
    let release = inline(&text, &[making.signature(message.as_bytes())]);
    for (name, bytes) in [("InRelease", &release[..]), ("Packages", making.packages.as_bytes())] {
        fs::write(lists.path().join(format!("vendor.example_apt_._{name}")), bytes).unwrap();
    }
    assert_eq!(signers(lists.path(), &[&making.certificate]), [fingerprint(&making.key)]);
}

/// Many signatures in the name of many keys cost no more than a bounded number of checks.
#[test]
fn a_release_file_full_of_signatures_is_bounded() {
    let making = making();
    let mut rings: Vec<Vec<u8>> = (0..40).map(|_| certificate(&PgpKey::new(CREATED))).collect();
    rings.push(making.certificate.clone());
    let one = making.signature(&making.signed());
    let lists = lists(&making);
    let many = inline(&making.release(), &vec![one.clone(); 64]);
    put(lists.path(), "InRelease", many);
    let rings: Vec<&[u8]> = rings.iter().map(Vec::as_slice).collect();
    let begun = std::time::Instant::now();
    assert_eq!(signers(lists.path(), &rings), [fingerprint(&making.key)]);
    assert!(begun.elapsed().as_secs() < 20);
    // More than are looked at is nobody's word: a revocation may be among what was left out.
    let copies: Vec<&[u8]> = vec![&making.certificate; 9];
    assert_eq!(signers(lists.path(), &copies), []);
    put(lists.path(), "InRelease", inline(&making.release(), &vec![one; 65]));
    assert_eq!(signers(lists.path(), &rings), []);
}

#[test]
fn keyrings_are_found_where_apt_is_told_to_look() {
    let root = tempfile::tempdir().unwrap();
    let key = || PgpKey::new(CREATED);
    let keys: Vec<PgpKey> = (0..7).map(|_| key()).collect();
    let write = |path: &str, bytes: &[u8]| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let ring = |at: usize| certificate(&keys[at]);
    write("etc/apt/trusted.gpg", &ring(0));
    write("etc/apt/trusted.gpg.d/a.asc", armored(&ring(1)).as_bytes());
    write("etc/apt/trusted.gpg.d/b.gpg", &ring(2));
    write("usr/share/keyrings/c.pgp", &ring(3));
    std::os::unix::fs::symlink("c.pgp", root.path().join("usr/share/keyrings/c.gpg")).unwrap();
    write("srv/d.gpg", &ring(4));
    write("srv/unused.gpg", &ring(6));
    write(
        "etc/apt/sources.list",
        b"deb [signed-by=/usr/share/keyrings/c.gpg] http://a/ b c\n# deb [signed-by=/srv/unused.gpg] http://a/ b c\n",
    );
    let embedded = armored(&ring(5)).trim_end().replace("\n\n", "\n.\n").replace('\n', "\n ");
    write(
        "etc/apt/sources.list.d/x.sources",
        format!(
            "Types: deb\nURIs: http://a/\nSuites: b\nSigned-By: /srv/d.gpg /none.gpg\n\n\
             Types: deb\nURIs: http://c/\nSuites: b\nSigned-By:\n {embedded}\n"
        )
        .as_bytes(),
    );
    let inside = Inside::open(root.path()).unwrap();
    let found = |root: Root<'_>, apt: &Configuration| -> Vec<String> {
        let all = Keyrings::of(apt).certificates(root);
        let mut all: Vec<String> = all.iter().map(|it| it.fingerprint().to_owned()).collect();
        all.sort();
        all
    };
    let mut expected: Vec<String> = keys.iter().take(6).map(PgpKey::fingerprint).collect();
    expected.sort();
    assert_eq!(found(Root::Other(&inside), &Configuration::default()), expected);
    // The same on the running system, but for what paths lead out of this one.
    let mut apt = Configuration::default();
    apt.set("RootDir", root.path().to_string_lossy().into_owned());
    let here = found(Root::Own, &apt);
    assert!(here.contains(&keys[5].fingerprint()) && here.contains(&keys[1].fingerprint()));
}

/// The attack: a vendor whose key apt takes for its archive calls itself Debian and has a component of
/// Debian's name. By these words alone the exception is its own as well, and people are warned of
/// that; by the key, it is not.
#[test]
fn a_vendor_that_calls_itself_debian_has_not_debians_key() {
    let world = World::with_package(&["a", "b"], "libc6 9.99-1 amd64");
    let debian = PgpKey::new(CREATED);
    let mut vendor = Making::new();
    vendor.field("Origin", "Debian");
    vendor.packages =
        support::archive::stanza("libc6 9.99-1 amd64", &world.file.sha256().to_string());
    let text = vendor.release().replace("main/binary", "non-free-firmware/binary");
    let message = text.trim_end().replace('\n', "\r\n");
    let lists = tempfile::tempdir().unwrap();
    put(lists.path(), "InRelease", inline(&text, &[vendor.signature(message.as_bytes())]));
    put(lists.path(), "non-free-firmware_binary-amd64_Packages", vendor.packages.as_bytes());
    let rings = [certificate(&debian), vendor.certificate.clone()];
    let certificates = rings.iter().flat_map(|it| Unverified::all_in(it)).collect();
    let signers = SignerKeys { certificates, now: now() };
    let listings = Listings::load(lists.path(), Some(&signers), |_, _| true);
    let listed = listings.of(world.file.sha256(), &world.identity);
    assert_eq!(listed[0].signed_by, [fingerprint(&vendor.key)]);
    let judged = |signed_by: Option<&PgpKey>| {
        let firmware = Matcher {
            component: globs(&["non-free-firmware"]),
            origin: globs(&["Debian"]),
            signed_by: signed_by.map(|it| vec![fingerprint(it)]),
            ..Matcher::default()
        };
        let exceptions = vec![exception("firmware.toml", firmware)];
        let policy =
            world.policy_of(Mode::Enforce, requirement(2, &["a", "b"]), vec![], exceptions);
        let subject =
            Subject::new(world.file.clone(), Some(world.identity.clone()), listed.clone());
        let decision: Decision = decide(&policy, &subject, &claimed(vec![]), now());
        outcome(&decision)
    };
    assert!(judged(Some(&debian)).starts_with("refuse"), "{}", judged(Some(&debian)));
    assert!(!judged(Some(&vendor.key)).starts_with("refuse"));
    assert!(!judged(None).starts_with("refuse"));
}

/// The program looks for the certificates where apt is told to, if a policy asks for one of them or
/// people want to know.
#[test]
fn the_program_goes_by_the_key_that_signed_and_tells_it() {
    let deb = Deb::new("hello", "2.10-3", "amd64");
    let making = Making::new().with(NAME, &deb.sha256());
    let other = PgpKey::new(CREATED);
    let world = common::World::new();
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &Key::new(), &[]);
    for (name, bytes) in [("InRelease", making.inline()), (INDEX, making.packages.clone().into())] {
        world.write(&format!("lists/{ARCHIVE}{name}"), bytes);
    }
    world.write("trusted.gpg", [certificate(&other), making.certificate.clone()].concat());
    let at = world.directory.path().display();
    let apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    world.write(
        "apt.conf",
        format!(
            "{apt}Dir::Etc::trusted \"{at}/trusted.gpg\";\nDir::Etc::trustedparts \"/dev/null\";\n\
             Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"/dev/null\";\n"
        ),
    );
    let file = world.put(&deb);
    let explained = || {
        let mut explain = world.command();
        explain.args(["explain", "--offline"]).arg(&file).arg("--config").arg(world.path("etc"));
        common::run(&mut explain).stdout
    };
    let told = format!("its index is signed_by {}\n", fingerprint(&making.key));
    let except = |condition: String| {
        world.exception(&format!(
            "[[exception]]\n{condition}reason = \"x\"\nexpires = 2999-01-01\n"
        ));
    };
    // People are told although no rule and no exception asks for it.
    except("origin = [\"Other\"]\n".to_owned());
    assert!(explained().contains(&told), "{}", explained());
    for (key, code) in [(&other, 1), (&making.key, 0)] {
        except(format!("origin = [\"Rebuilt\"]\nsigned_by = [\"{}\"]\n", fingerprint(key)));
        world.verify_with(&deb, &["--offline"]).assert_code(code);
        assert!(explained().contains(&told), "{}", explained());
    }
}
