//! Bundles of attestations as endpoints and on the command line: what good ones are worth, and that
//! a hostile one is worth nothing. No bundle is made by the program under test here.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::common::bundle::{Entry, attestation, bundle, file, gzip, odd, open_tar, tar};
use crate::common::rebuilder::hello;
use crate::common::{self, Deb, Ended, Key, World, run};

/// A machine that goes by alpha alone, whose endpoint is a bundle on it.
struct Machine {
    world: World,
    key: Key,
}

impl Machine {
    fn new() -> Self {
        let (world, key) = (World::new(), Key::new());
        world.policy("mode = \"enforce\"\nthreshold = 1\n");
        let url = format!("directory file://{}", world.path("files/x.tar.gz").display());
        world.rebuilder("alpha", &key, &[url]);
        Self { world, key }
    }

    fn put(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let _ = fs::remove_dir_all(self.world.path("cache/attestations"));
        self.world.write("files/x.tar.gz", bytes)
    }

    /// Where alpha stands, and how the judgement ended.
    fn judge(&self) -> (Value, Ended) {
        let (decision, ended) = self.world.decision(&hello(), &["--offline"]);
        (decision["rebuilders"]["alpha"].clone(), ended)
    }

    fn import(&self) -> Ended {
        let mut command = self.world.command();
        command.args(["evidence", "import", "--json", "--config"]);
        run(command.arg(self.world.path("etc")).arg(self.world.path("files/x.tar.gz")))
    }

    fn good(&self) -> Entry {
        attestation(&hello(), &self.key)
    }

    fn cached(&self) -> usize {
        let of_hello = self.world.path("cache/attestations").join(hello().file_name());
        fs::read_dir(of_hello).map_or(0, Iterator::count)
    }
}

#[test]
fn a_bundle_that_any_program_made_is_an_endpoint() {
    let machine = Machine::new();
    let name = hello().file_name();
    let link = hello().link(&machine.key);
    let directory = |path: &str| odd(path, b'5', "");
    let beside = || file(&format!("{name}.alpha"), &link);
    let others = || {
        (0..1000).map(|n| {
            attestation(&Deb::new(&format!("other{n}"), "1:2.0~rc1-1+b1", "all"), &machine.key)
        })
    };
    let crowd: Vec<Entry> = others()
        .chain([machine.good()])
        .chain(others().map(|mut it| {
            it.path += "x";
            it
        }))
        .collect();
    for (name, entries) in [
        ("as exported", vec![machine.good()]),
        ("beside", vec![beside()]),
        (
            "with directories",
            vec![directory("./"), directory(&format!("./{name}/")), machine.good()],
        ),
        ("with dots", vec![file(&format!("./{name}/a"), &link)]),
        (
            "with others",
            vec![file("README", b"x"), file(&format!("{name}/SHA256SUMS"), b"x"), machine.good()],
        ),
        ("a crowd", crowd),
    ] {
        machine.put(bundle(&entries));
        let (standing, ended) = machine.judge();
        ended.assert_code(0);
        assert_eq!(standing["kind"], "confirms", "{name}");
        assert_eq!(machine.cached(), 1, "{name}");
    }
    // As gzip(1) writes it, with the name of the file.
    let stream = flate2::GzBuilder::new().filename("x.tar").comment("y").extra("z").mtime(5);
    let mut stream = stream.write(Vec::new(), flate2::Compression::best());
    stream.write_all(&tar(&[machine.good()])).unwrap();
    machine.put(stream.finish().unwrap());
    machine.judge().1.assert_code(0);
}

#[test]
fn a_bundle_without_this_package_does_not_know_it() {
    let machine = Machine::new();
    for entries in [Vec::new(), vec![attestation(&Deb::new("hellox", "1", "all"), &machine.key)]] {
        machine.put(bundle(&entries));
        let (standing, ended) = machine.judge();
        ended.assert_code(1);
        assert_eq!(standing["kind"], "unknown");
    }
}

/// Zeros that unpack to so many MiB, packed well.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut stream = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let megabyte = vec![0; 1 << 20];
    (0..mebibytes).for_each(|_| stream.write_all(&megabyte).unwrap());
    stream.finish().unwrap()
}

/// Every row is a bundle with a good attestation in it that must not count, because not all of it
/// is good.
#[test]
fn a_hostile_bundle_is_worth_nothing_as_a_whole() {
    let machine = Machine::new();
    let good = || machine.good();
    let with = |entry: Entry| bundle(&[good(), entry]);
    let name = hello().file_name();
    let whole = bundle(&[good()]);
    let cut = |at: usize| whole[..at].to_vec();
    let archive = tar(&[good()]);
    let mut wrong_sum = whole.clone();
    let end = wrong_sum.len();
    wrong_sum[end - 6] ^= 1;
    let mut wrong_size = whole.clone();
    wrong_size[end - 1] ^= 1;
    let mut reserved = whole.clone();
    reserved[3] |= 0x20;
    let mut large = odd("large", b'0', "");
    large.content = vec![b'x'; 100];
    let promise =
        [open_tar(&[good()]), common::bundle::header(&odd("x", b'0', ""), 600 << 20).to_vec()];
    let rows = [
        ("a bomb", "unpacks to more than", gzip_behind(&open_tar(&[good()]), 513)),
        ("a bomb of nothing", "unpacks to more than", zeros(513)),
        ("cut off in the middle", "cut off", cut(end / 2)),
        ("cut off before the sum", "cut off", cut(end - 8)),
        ("cut off within the sum", "cut off", cut(end - 3)),
        ("cut off in its header", "not compressed by gzip", cut(5)),
        ("nothing", "not compressed by gzip", Vec::new()),
        ("a plain archive", "not compressed by gzip", archive.clone()),
        ("another compression", "not compressed by gzip", b"\x28\xb5\x2f\xfd....".to_vec()),
        ("flags that nobody knows", "not compressed by gzip", reserved),
        ("a wrong sum", "damaged", wrong_sum),
        ("a wrong size", "damaged", wrong_size),
        ("no archive", "damaged", gzip(&vec![b'x'; 2048])),
        ("an entry that is longer than the archive", "damaged", gzip(&promise.concat())),
        ("two streams", "data follows", [whole.clone(), whole.clone()].concat()),
        ("one stream in two", "cut off", [gzip(&archive[..512]), gzip(&archive[512..])].concat()),
        ("a byte behind the stream", "data follows", [&whole[..], b"x"].concat()),
        ("zeros behind the stream", "data follows", [&whole[..], &[0; 512]].concat()),
        (
            "an archive behind the archive",
            "data follows",
            gzip(&[archive.clone(), archive].concat()),
        ),
        ("above it", "unexpected entry, ../x", with(file("../x", b""))),
        ("above it from inside", "unexpected entry", with(file(&format!("{name}/../../x"), b""))),
        ("an absolute name", "unexpected entry, /etc/x", with(file("/etc/x", b""))),
        (
            "a symbolic link",
            "unexpected entry",
            with(odd(&format!("{name}/x"), b'2', "/etc/passwd")),
        ),
        ("a hard link", "unexpected entry", with(odd(&format!("{name}/x"), b'1', "y"))),
        ("a character device", "unexpected entry", with(odd("x", b'3', ""))),
        ("a block device", "unexpected entry", with(odd("x", b'4', ""))),
        ("a pipe", "unexpected entry", with(odd("x", b'6', ""))),
        ("a sparse file", "unexpected entry", with(odd("x", b'S', ""))),
        ("a long name", "unexpected entry", with(Entry { kind: b'L', ..large })),
        (
            "a header of pax",
            "unexpected entry",
            with(Entry { kind: b'x', ..file("x", b"12 path=a/b\n") }),
        ),
        (
            "a global one",
            "unexpected entry",
            with(Entry { kind: b'g', ..file("x", b"12 path=a/b\n") }),
        ),
        ("an unknown kind", "unexpected entry", with(odd("x", b'Z', ""))),
        ("a file that is a directory", "unexpected entry", with(file("x/", b"12"))),
        (
            "a directory with content",
            "unexpected entry",
            with(Entry { kind: b'5', ..file("x/", b"12") }),
        ),
        ("a name with a hole", "unexpected entry", with(file(&format!("{name}//x"), b""))),
        ("one name twice", "two files with one name", with(good())),
        ("one name twice, otherwise written", "two files with one name", {
            let again = format!("./{}", good().path);
            with(file(&again, b"other"))
        }),
        ("an odd name", "unexpected entry, ?[2J?", with(odd("\x1b[2J\u{202e}", b'2', ""))),
        ("too many files", "more than 400000 files", crowd(&open_tar(&[good()]), 400_000)),
    ];
    for (name, why, bytes) in rows {
        machine.put(&bytes);
        let (standing, ended) = machine.judge();
        ended.assert_code(3).assert_plain();
        assert_eq!(standing["kind"], "unreachable", "{name}: {standing}");
        let said = standing["why"].as_str().unwrap();
        assert!(said.contains(why), "{name}: {said}");
        let ended = machine.import();
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{name}: {ended:?}");
        assert!(ended.stderr.contains(why), "{name}: {ended:?}");
        ended.assert_plain();
        assert_eq!(machine.cached(), 0, "{name}");
    }
    machine.put(&whole);
    machine.judge().1.assert_code(0);
}

fn gzip_behind(start: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut stream = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    stream.write_all(start).unwrap();
    let giant = common::bundle::header(&odd("x", b'0', ""), mebibytes << 20);
    stream.write_all(&giant).unwrap();
    let megabyte = vec![b'x'; 1 << 20];
    (0..mebibytes).for_each(|_| stream.write_all(&megabyte).unwrap());
    stream.finish().unwrap()
}

/// An archive that goes on with so many empty files.
fn crowd(start: &[u8], count: usize) -> Vec<u8> {
    let mut stream = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    stream.write_all(start).unwrap();
    for n in 0..count {
        stream.write_all(&common::bundle::header(&odd(&n.to_string(), b'0', ""), 0)).unwrap();
    }
    stream.write_all(&[0; 1024]).unwrap();
    stream.finish().unwrap()
}

/// Every row is a good bundle that has no vote for `hello` in it.
#[test]
fn what_a_bundle_says_is_worth_what_is_signed() {
    let machine = Machine::new();
    let other = Deb::new("other", "1.0", "all");
    let name = hello().file_name();
    let at_hello = |bytes: Vec<u8>| vec![file(&format!("{name}/a"), &bytes)];
    let giant = || {
        let mut link = hello().link(&machine.key);
        link.resize((1 << 20) + 1, b' ');
        link
    };
    for (what, entries, kind, code) in [
        (
            "filed under another name",
            vec![file(&format!("{}/a", other.file_name()), &hello().link(&machine.key))],
            "unknown",
            "other-artifact",
        ),
        (
            "another's, filed under this name",
            at_hello(other.link(&machine.key)),
            "rejected",
            "other-artifact",
        ),
        ("by a stranger", at_hello(hello().link(&Key::new())), "rejected", "unknown-key"),
        (
            "altered",
            at_hello(
                String::from_utf8(hello().link(&machine.key))
                    .unwrap()
                    .replace("\"name\":\"rebuild", "\"name\":\"rebuild ")
                    .into_bytes(),
            ),
            "rejected",
            "bad-signature",
        ),
        ("larger than an attestation", at_hello(giant()), "unknown", ""),
        (
            "in a directory of its directory",
            vec![file(&format!("{name}/a/b"), &hello().link(&machine.key))],
            "unknown",
            "",
        ),
        ("hidden", vec![file(&format!("{name}/.a"), &hello().link(&machine.key))], "unknown", ""),
        (
            "the list",
            vec![file(&format!("{name}/SHA256SUMS"), &hello().link(&machine.key))],
            "unknown",
            "",
        ),
    ] {
        machine.put(bundle(&entries));
        let (standing, ended) = machine.judge();
        ended.assert_code(1);
        assert_eq!(standing["kind"], kind, "{what}: {standing}");
        let imported = machine.import();
        imported.assert_code(1);
        assert_eq!(imported.json()["taken"], 0, "{what}");
        let codes: Vec<String> =
            imported.json()["rejected"].as_object().unwrap().keys().cloned().collect();
        let expected: &[&str] = if code.is_empty() { &[] } else { &[code] };
        assert_eq!(codes, expected, "{what}");
        assert_eq!(machine.cached(), 0, "{what}");
        // Good ones beside it count all the same.
        machine.put(bundle(&entries.into_iter().chain([machine.good()]).collect::<Vec<_>>()));
        machine.judge().1.assert_code(0);
    }
}

#[test]
fn what_signs_another_file_under_this_name_is_a_conflict() {
    let machine = Machine::new();
    let other = hello().differently_built();
    machine.put(bundle(&[attestation(&other, &machine.key)]));
    let (standing, ended) = machine.judge();
    ended.assert_code(1);
    assert_eq!(standing["kind"], "signed-another");
    machine.import().assert_code(0);
    assert_eq!(machine.cached(), 1);
}

#[test]
fn no_more_of_one_package_is_taken_than_from_any_endpoint() {
    let machine = Machine::new();
    let name = hello().file_name();
    let junk = |n: usize| file(&format!("{name}/{n:04}"), format!("junk {n}").as_bytes());
    machine.put(bundle(&(0..15).map(junk).chain([machine.good()]).collect::<Vec<_>>()));
    machine.judge().1.assert_code(0);
    machine.put(bundle(&(0..5000).map(junk).chain([machine.good()]).collect::<Vec<_>>()));
    machine.judge().1.assert_code(1);
    // Whoever takes in all of it finds the one.
    assert_eq!(machine.import().json()["taken"], 1);
}

#[test]
fn an_endpoint_that_is_no_bundle_is_silent() {
    let machine = Machine::new();
    let path = machine.world.path("files/x.tar.gz");
    let silent = |why: &str| {
        let (standing, ended) = machine.judge();
        ended.assert_code(3);
        assert_eq!(standing["why"].as_str(), Some(why));
    };
    silent("No such file or directory");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU | nix::sys::stat::Mode::S_IROTH)
        .unwrap();
    silent("not a file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    common::set_mode(&path, 0o755);
    silent("not a file");
    fs::remove_dir(&path).unwrap();
    fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    silent("the bundle is larger than 64 MiB");
}

#[test]
fn a_bundle_can_be_brought_along_on_the_command_line() {
    let machine = Machine::new();
    let good = machine.world.write("files/brought.tar.gz", bundle(&[machine.good()]));
    let options = ["--offline", "--evidence", good.to_str().unwrap()];
    machine.world.verify_with(&hello(), &options).assert_code(0);
    let bad = machine.world.write("files/bad.tar.gz", b"x");
    let options = ["--offline", "--evidence", bad.to_str().unwrap()];
    let ended = machine.world.verify_with(&hello(), &options);
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("bad.tar.gz: this is not a bundle"), "{ended:?}");
}
