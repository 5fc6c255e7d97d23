//! The reader of packages against dpkg itself.
//!
//! dpkg will install what it reads from the same bytes. So whatever a file looks like, either we
//! refuse it or dpkg reads from it what we read: that is asserted here for every file that is
//! made, good or hostile. These tests need `dpkg-deb`, as the program does.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use apt_quorum::apt::index::packages;
use apt_quorum::deb::{Control, DebError, examine, looks_like_a_package};
use apt_quorum::deb822::status::installed;
use apt_quorum::types::Sha256Digest;

use crate::support::deb::*;
use crate::support::{self, identity, random};

/// Package, version, architecture, source and its version as dpkg's own parser has them, or
/// nothing if dpkg refuses the file.
fn dpkg_reads(package: &Path) -> Option<String> {
    let fields = "${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}";
    let out = Command::new("dpkg-deb")
        .env("LC_ALL", "C.UTF-8")
        .arg(format!("--showformat={fields}"))
        .arg("-W")
        .arg(package)
        .output()
        .expect("dpkg-deb must be there");
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The same as `dpkg-deb -f` prints them: the raw values.
fn dpkg_fields(package: &Path) -> Option<String> {
    let out = Command::new("dpkg-deb")
        .env("LC_ALL", "C.UTF-8")
        .arg("-f")
        .arg(package)
        .args(["Package", "Version", "Architecture"])
        .output()
        .unwrap();
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// dpkg shows names of packages in lower case.
fn described(control: &Control) -> String {
    let it = &control.identity;
    let (source, source_version) = (control.source.0.as_str(), &control.source.1);
    let source = if source == it.package.as_str() { &it.package.in_lower_case() } else { source };
    let package = it.package.in_lower_case();
    format!("{package}|{}|{}|{source}|{source_version}", it.version, it.architecture)
}

/// What we read. Whatever it is, the whole file was hashed.
fn read(bytes: &[u8]) -> Result<Control, DebError> {
    let examined = examine(bytes).unwrap();
    assert_eq!(examined.sha256(), Sha256Digest::of(bytes));
    assert_eq!(examined.size(), u64::try_from(bytes.len()).unwrap());
    examined.control().cloned().map_err(Clone::clone)
}

/// An index and dpkg's database say of a package what its control file says, and all of these are
/// read alike: what is foreseen by an index is what is judged when the file is there.
fn elsewhere_it_is_the_same(package: &Path, control: &Control) {
    let out = Command::new("dpkg-deb").arg("-f").arg(package).output().unwrap();
    assert!(out.status.success());
    let more = |line: String| [out.stdout.trim_ascii_end(), b"\n", line.as_bytes()].concat();
    let index = more(format!("SHA256: {}\n", Sha256Digest::of(b"x")));
    let mut listed = Vec::new();
    packages(index.as_slice(), |it| listed.push(it.control)).unwrap();
    assert_eq!(listed, std::slice::from_ref(control), "{}", String::from_utf8_lossy(&index));
    let status = more("Status: install ok installed\n".to_owned());
    let installed = installed(&status).unwrap();
    let installed: Vec<_> = installed.into_iter().map(|it| it.control.unwrap()).collect();
    assert_eq!(installed, std::slice::from_ref(control));
}

/// `good` if dpkg reads the same, a reason if we refuse it, or in what we and dpkg differ.
fn verdict(bytes: &[u8]) -> String {
    let ours = read(bytes);
    if let Ok(control) = &ours {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("package.deb");
        fs::write(&path, bytes).unwrap();
        match dpkg_reads(&path) {
            Some(dpkg) if dpkg == described(control) => elsewhere_it_is_the_same(&path, control),
            Some(dpkg) => return format!("we read {}, dpkg {dpkg}", described(control)),
            None => return "good to us only".to_owned(),
        }
    }
    reason(&ours)
}

/// A short name for each reason.
fn reason(result: &Result<Control, DebError>) -> String {
    match result {
        Ok(_) => "good".to_owned(),
        Err(DebError::Member(name)) => format!("member {name}"),
        Err(DebError::Compression(suffix)) => format!("compression {suffix}"),
        Err(DebError::Entry(path)) => format!("entry {path}"),
        Err(DebError::ControlFiles(count)) => format!("{count} control files"),
        Err(DebError::Control(why)) => format!("control: {why}"),
        Err(other) => {
            let mut name = format!("{other:?}");
            name.make_ascii_lowercase();
            name
        }
    }
}

/// Every file comes to the reason that stands beside it.
fn table(rows: Vec<(&str, Vec<u8>, &str)>) {
    let mut wrong = String::new();
    for (name, bytes, expected) in rows {
        let found = verdict(&bytes);
        if found != expected {
            writeln!(wrong, "{name}: expected {expected:?}, found {found:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn good_tar() -> Vec<u8> {
    tar(&[directory("./"), file("./control", hello().as_bytes())])
}

/// A control file that is to be hidden from one of two readers.
fn evil() -> Vec<u8> {
    let text = control_text(&identity("evil 6.6.6 amd64"));
    file("./control", text.as_bytes())
}

fn data() -> Vec<u8> {
    gz(&tar(&[]))
}

#[test]
fn packages_made_by_dpkg_deb_are_read_as_dpkg_reads_them() {
    let texts = [
        hello(),
        control_text(&identity("libstdc++6 1:14.2.0~rc1-19+b1 amd64")),
        control_text(&identity("0ad-data 0.0.26-1 all")),
        format!("{}Source: greetings\n", hello()),
        format!("{}Source: greetings (1:2.9-1)\n", hello()),
        // Fields of several lines, tabs, other case, empty description lines.
        "package: hello\nVERSION:\t2.10-3  \narchitecture: amd64\nMaintainer: x <x@localhost>\n\
         Source:   greetings   (2.9-1)\nDescription: one\n two\n .\n three: four\nHomepage: x\n"
            .to_owned(),
    ];
    // Larger than any buffer on the way, and not to be compressed away.
    let mut sums = String::new();
    for n in 0..10_000 {
        writeln!(sums, "{}  usr/share/{n}", support::hex(&random::<16>())).unwrap();
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (number, text) in texts.iter().enumerate() {
        let tree = scratch.path().join(number.to_string());
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.join("usr/share/doc")).unwrap();
        fs::write(tree.join("DEBIAN/control"), text).unwrap();
        fs::write(tree.join("usr/share/doc/data"), random::<4096>()).unwrap();
        if number == 1 {
            fs::write(tree.join("DEBIAN/md5sums"), &sums).unwrap();
        }
        for compression in ["-Znone", "-Zgzip", "-Zxz", "-Zzstd"] {
            for level in ["-z1", "-z9"] {
                let path = scratch.path().join(format!("{number}{compression}{level}.deb"));
                let made = Command::new("dpkg-deb")
                    .args(["--root-owner-group", "--uniform-compression", compression, level])
                    .arg("--build")
                    .args([&tree, &path])
                    .output()
                    .unwrap();
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
                let bytes = fs::read(&path).unwrap();
                let control = read(&bytes).unwrap();
                assert_eq!(dpkg_reads(&path), Some(described(&control)));
                let fields = format!(
                    "Package: {}\nVersion: {}\nArchitecture: {}\n",
                    control.identity.package,
                    control.identity.version,
                    control.identity.architecture
                );
                let raw = dpkg_fields(&path).unwrap();
                assert_eq!(raw.to_lowercase(), fields.to_lowercase());
                count += 1;
            }
        }
    }
    assert_eq!(count, 48);
}

#[test]
fn what_these_tests_write_by_hand_is_what_dpkg_reads() {
    // Otherwise the hostile ones could be refused for a mistake of the tests.
    let control = good_tar();
    let scratch = tempfile::tempdir().unwrap();
    for (name, member) in [
        ("control.tar", control.clone()),
        ("control.tar.gz", gz(&control)),
        ("control.tar.xz", xz(&control, 8)),
        ("control.tar.zst", zst(&control, 0x38)),
    ] {
        let bytes = deb(name, &member);
        let control = read(&bytes).unwrap();
        let path = scratch.path().join(name);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(dpkg_reads(&path), Some(described(&control)), "{name}");
    }
}

#[test]
fn members_of_the_outer_archive_must_be_those_of_deb_5_in_their_order() {
    let (control, data) = (gz(&good_tar()), data());
    let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let control: (&str, &[u8]) = ("control.tar.gz", &control);
    let data: (&str, &[u8]) = ("data.tar.gz", &data);
    let sig: (&str, &[u8]) = ("_gpgorigin", b"signature");
    let named = |name| (name, control.1);
    let version = |text| ar(&[("debian-binary", text), control, data]);
    table(vec![
        ("good", ar(&[binary, control, data]), "good"),
        ("signature behind the data", ar(&[binary, control, data, sig]), "good"),
        ("empty file", Vec::new(), "notapackage"),
        ("text", b"#!/bin/sh\nexit 0\n".to_vec(), "notapackage"),
        ("ar without members", ar(&[]), "truncated"),
        ("thin archive", b"!<thin>\n".to_vec(), "notapackage"),
        ("old format", b"0.939000\n4\n".to_vec(), "formatversion"),
        ("a part of a split package", ar(&[("debian-split", b"2.1\n"), data]), "part"),
        ("no debian-binary", ar(&[control, data]), "member control.tar.gz"),
        ("two debian-binary", ar(&[binary, binary, control, data]), "member debian-binary"),
        ("no control", ar(&[binary, data]), "member data.tar.gz"),
        ("data before control", ar(&[binary, data, control]), "member data.tar.gz"),
        ("second control", ar(&[binary, control, control, data]), "member control.tar.gz"),
        (
            "second control of another compression",
            ar(&[binary, control, ("control.tar", &good_tar()), data]),
            "member control.tar",
        ),
        ("control behind the data", ar(&[binary, control, data, control]), "member control.tar.gz"),
        ("second data", ar(&[binary, control, data, data]), "member data.tar.gz"),
        ("no data", ar(&[binary, control]), "truncated"),
        // deb(5): readers pass over members whose names begin with a `_`.
        ("underscore before control", ar(&[binary, sig, control, data]), "good"),
        ("underscore before data", ar(&[binary, control, sig, data]), "good"),
        ("underscore before all", ar(&[sig, binary, control, data]), "member _gpgorigin"),
        ("other member before control", ar(&[binary, ("x", b"y"), control, data]), "member x"),
        ("other member before data", ar(&[binary, control, ("x", b"y"), data]), "member x"),
        // dpkg stops before them, and no other reader looks for such names.
        ("other member at the end", ar(&[binary, control, data, ("sign", b"x\n")]), "good"),
        ("several at the end", ar(&[binary, control, data, ("x", b""), sig, ("y", b"z")]), "good"),
        (
            "part of a package at the end",
            ar(&[binary, control, data, ("control", b"")]),
            "member control",
        ),
        ("long name at the end", ar(&[binary, control, data, ("#1/11", b"x")]), "member #1/11"),
        ("names at the end", ar(&[binary, control, data, ("//", b"x")]), "member /"),
        ("name with a space at the end", ar(&[binary, control, data, ("a b", b"")]), "member a b"),
        ("member without a name", ar(&[binary, control, data, ("", b"")]), "member "),
        ("name that GNU ar ends", ar(&[binary, named("control.tar.gz/"), data]), "good"),
        (
            "name in another case",
            ar(&[binary, named("Control.tar.gz"), data]),
            "member Control.tar.gz",
        ),
        ("name with more", ar(&[binary, named("control.tarx"), data]), "member control.tarx"),
        (
            "name with a NUL",
            ar(&[binary, named("control.tar\0.gz"), data]),
            "member control.tar\0.gz",
        ),
        ("bzip2", ar(&[binary, named("control.tar.bz2"), data]), "compression .bz2"),
        ("lzma", ar(&[binary, named("control.tar.lzma"), data]), "compression .lzma"),
        ("nothing behind the dot", ar(&[binary, named("control.tar."), data]), "compression ."),
        ("other version", version(b"3.0\n"), "formatversion"),
        ("old version", version(b"0.9\n"), "formatversion"),
        ("version of many digits", version(b"20.0\n"), "formatversion"),
        ("no version", version(b""), "formatversion"),
        ("version that is no text", version(b"2.\xff\n"), "formatversion"),
        ("later version with more lines", version(b"2.1\nmore\n"), "good"),
    ]);
}

#[test]
fn headers_of_the_outer_archive_that_lie_are_refused() {
    let control = gz(&good_tar());
    let with = |size: &str, body: &[u8]| {
        let mut out = ar(&[("debian-binary", b"2.0\n")]);
        out.extend(ar_member("control.tar.gz", size, body));
        out.extend(ar_member("data.tar.gz", &data().len().to_string(), &data()));
        out
    };
    let len = control.len();
    let even = len.next_multiple_of(2);
    let mut magic = with(&len.to_string(), &control);
    magic[8 + 58] = b'x';
    let mut not_utf8 = with(&len.to_string(), &control);
    not_utf8[8] = 0xff;
    table(vec![
        ("good", with(&len.to_string(), &control), "good"),
        ("size with leading zeros", with(&format!("{len:010}"), &control), "good"),
        ("no size", with("", &control), "header"),
        ("negative size", with("-1", &control), "header"),
        ("signed size", with(&format!("+{len}"), &control), "header"),
        ("hexadecimal size", with("0x10", &control), "header"),
        ("two sizes", with(&format!("{len} 0"), &control), "header"),
        ("size behind a space", with(&format!(" {len}"), &control), "header"),
        ("size beyond the file", with("9999999999", &control), "truncated"),
        ("size of nothing", with("0", &control), "damaged"),
        ("size into the next header", with(&(even + 60).to_string(), &control), "trailing"),
        ("size too small", with(&(len - 20).to_string(), &control), "damaged"),
        ("magic at the end of a header", magic, "header"),
        ("name that is no text", not_utf8, "header"),
    ]);
}

#[test]
fn entries_of_the_control_archive_that_readers_could_take_differently_are_refused() {
    let text = hello();
    let text = text.as_bytes();
    let control = || file("./control", text);
    let of = |kind: u8, path: &str| Entry::new(path, kind);
    let beside = |entry: Entry| deb_of(&[control(), entry.build()]);
    let alone = |entry: Entry| deb_of(&[entry.build()]);
    let kind = |kind: u8| beside(of(kind, "./x").body(b"x"));
    table(vec![
        ("good", deb_of(&[directory("./"), control()]), "good"),
        (
            "other files",
            deb_of(&[file("./md5sums", b"x"), control(), file("./postinst", b"")]),
            "good",
        ),
        ("no control", deb_of(&[file("./md5sums", b"x")]), "0 control files"),
        ("empty archive", deb_of(&[]), "0 control files"),
        ("second control", deb_of(&[control(), evil()]), "2 control files"),
        ("second control first", deb_of(&[evil(), control()]), "2 control files"),
        ("the same control twice", deb_of(&[control(), control()]), "2 control files"),
        ("control by another path", deb_of(&[control(), file("control", text)]), "2 control files"),
        (
            "control by a longer path",
            deb_of(&[control(), file("././/control", text)]),
            "2 control files",
        ),
        ("control without a dot", deb_of(&[file("control", text)]), "good"),
        (
            "control in a directory",
            deb_of(&[directory("./x"), file("./x/control", text)]),
            "0 control files",
        ),
        (
            "another in a directory",
            deb_of(&[control(), directory("./x"), file("./x/control", b"")]),
            "good",
        ),
        // tar cannot unpack that, so dpkg refuses it.
        (
            "a file below control",
            deb_of(&[control(), file("./control/x", b"x")]),
            "good to us only",
        ),
        ("a file below control alone", deb_of(&[file("./control/x", text)]), "0 control files"),
        ("control in another case", deb_of(&[file("./CONTROL", text)]), "0 control files"),
        ("control with a space", deb_of(&[file("./control ", text)]), "0 control files"),
        ("leading slash", deb_of(&[file("/control", text)]), "entry /control"),
        ("leading slash beside", deb_of(&[control(), file("/control", text)]), "entry /control"),
        ("parent", deb_of(&[file("../control", text)]), "entry ../control"),
        (
            "parent within",
            deb_of(&[control(), file("./x/../control", text)]),
            "entry ./x/../control",
        ),
        ("symbolic link", alone(of(b'2', "./control").link_to("x")), "entry ./control"),
        ("symbolic link beside", beside(of(b'2', "./control").link_to("x")), "entry ./control"),
        ("link to control", beside(of(b'2', "./x").link_to("control")), "entry ./x"),
        ("link to another script", beside(of(b'2', "./prerm").link_to("postinst")), "good"),
        ("link to the directory", beside(of(b'2', "./x").link_to(".")), "entry ./x"),
        ("link to the directory above", beside(of(b'2', "./x").link_to("..")), "entry ./x"),
        ("link below", beside(of(b'2', "./x").link_to("y/..")), "entry ./x"),
        ("link from below", beside(of(b'2', "./y/x").link_to("postinst")), "entry ./y/x"),
        ("link elsewhere", beside(of(b'2', "./x").link_to("/etc/shadow")), "entry ./x"),
        ("link to nothing", beside(of(b'2', "./x")), "entry ./x"),
        ("link with data", beside(of(b'2', "./x").link_to("y").body(b"z")), "entry ./x"),
        ("hard link", beside(of(b'1', "./control").link_to("x")), "entry ./control"),
        ("hard link to control", beside(of(b'1', "./x").link_to("control")), "entry ./x"),
        ("control is a directory", deb_of(&[directory("./control")]), "entry ./control"),
        (
            "control is a directory beside",
            deb_of(&[control(), directory("control")]),
            "entry control",
        ),
        ("character device", kind(b'3'), "entry ./x"),
        ("block device", kind(b'4'), "entry ./x"),
        ("fifo", kind(b'6'), "entry ./x"),
        ("contiguous file", kind(b'7'), "entry ./x"),
        ("contiguous control", alone(of(b'7', "./control").body(text)), "entry ./control"),
        ("old file", alone(of(0, "./control").body(text)), "good"),
        ("kind that nobody knows", kind(b'Z'), "entry ./x"),
        ("GNU long name of nothing", kind(b'L'), "entry x"),
        ("GNU long link", kind(b'K'), "entry ./x"),
        ("GNU sparse", kind(b'S'), "entry ./x"),
        ("GNU dump directory", kind(b'D'), "entry ./x"),
        ("GNU volume label", kind(b'V'), "entry ./x"),
        ("GNU continued file", kind(b'M'), "entry ./x"),
        ("GNU old long name", kind(b'N'), "entry ./x"),
        ("pax header", kind(b'x'), "entry ./x"),
        ("global pax header", kind(b'g'), "entry ./x"),
        ("Solaris extended header", kind(b'X'), "entry ./x"),
        ("ustar", alone(of(b'0', "./control").body(text).ustar(b"00", "")), "good"),
        ("ustar prefix", alone(of(b'0', "control").body(text).ustar(b"00", ".")), "good"),
        (
            "ustar prefix hides",
            alone(of(b'0', "control").body(text).ustar(b"00", "x")),
            "0 control files",
        ),
        (
            "ustar of another version",
            alone(of(b'0', "./control").body(text).ustar(b"99", "")),
            "entry ./control",
        ),
        (
            "ustar of another version with a prefix",
            beside(of(b'0', "control").body(text).ustar(b"99", "x")),
            "entry control",
        ),
        ("without a magic number", alone(of(b'0', "./control").body(text).v7()), "entry ./control"),
    ]);
}

/// Records of the pax format, each with its length.
fn records(all: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = key.len() + value.len() + 3;
        let length = (1..).find(|it| it - it.to_string().len() == rest).unwrap();
        format!("{length} {key}={value}\n")
    };
    all.iter().map(record).collect::<String>().into_bytes()
}

/// jdeb, Python, bsdtar on macOS and others write such, and dpkg installs it without a word.
#[test]
fn what_build_tools_write_into_control_archives_is_read_as_gnu_tar_does() {
    let text = hello();
    let text = text.as_bytes();
    let control = || file("./control", text);
    let script = || file("./postinst", b"#!/bin/sh\n");
    let with = |kind: u8, body: &[u8]| {
        deb_of(&[Entry::new("./PaxHeaders/control", kind).body(body).build(), control()])
    };
    let pax = |key: &str, value: &str| with(b'x', &records(&[(key, value)]));
    let odd = "entry ./PaxHeaders/control";
    let time = || Entry::new("./PaxHeaders/control", b'x').body(b"11 mtime=1\n");
    let hard = |path: &str, to: &str| Entry::new(path, b'1').link_to(to).build();
    let named = |name: &[u8]| Entry::new("././@LongLink", b'L').body(name).build();
    let long = format!("./{}\0", "x".repeat(150));
    table(vec![
        ("time", pax("mtime", "1700000000.25"), "good"),
        ("large owner", with(b'x', &records(&[("uid", "1234567890"), ("gid", "1")])), "good"),
        ("attribute", pax("LIBARCHIVE.xattr.com.apple.provenance", "AQIA"), "good"),
        ("attribute of any bytes", pax("SCHILY.xattr.user.x", "=\n\0 12 path=x\n"), "good"),
        ("for all entries", with(b'g', &records(&[("comment", "made by a tool")])), "good"),
        ("of no record", with(b'x', b""), "good"),
        ("path", pax("path", "./control"), odd),
        ("path for all entries", with(b'g', &records(&[("path", "./control")])), odd),
        ("size", pax("size", "0"), odd),
        ("link", pax("linkpath", "x"), odd),
        ("sparse", pax("GNU.sparse.name", "./control"), odd),
        ("another size", pax("SCHILY.realsize", "0"), odd),
        ("character set", pax("hdrcharset", "BINARY"), odd),
        ("key that nobody knows", pax("x", "y"), odd),
        ("key in another case", pax("MTIME", "1"), odd),
        ("path behind a time", with(b'x', &records(&[("mtime", "1"), ("path", "x")])), odd),
        ("length that is too short", with(b'x', b"5 mtime=1\n"), odd),
        ("length that is too long", with(b'x', b"99 mtime=1\n"), odd),
        ("length with a zero before it", with(b'x', b"012 mtime=1\n"), odd),
        ("length behind a space", with(b'x', b" 11 mtime=1\n"), odd),
        ("two spaces", with(b'x', b"12  mtime=1\n"), odd),
        ("no line end", with(b'x', b"10 mtime=1"), odd),
        ("no value", with(b'x', b"9 mtime\n\n"), odd),
        ("zeros behind", with(b'x', b"11 mtime=1\n\0"), odd),
        // Of another size for GNU tar, or with a prefix that only some read.
        ("size in base 64", deb_of(&[time().size(b"+13").build(), control()]), odd),
        ("ustar of another version", deb_of(&[time().ustar(b"99", "").build(), control()]), odd),
        ("without a magic number", deb_of(&[time().v7().build(), control()]), odd),
        ("hard link", deb_of(&[control(), script(), hard("./prerm", "./postinst")]), "good"),
        ("hard link first", deb_of(&[script(), hard("prerm", "postinst"), control()]), "good"),
        ("long name", deb_of(&[named(long.as_bytes()), file("x", b"y"), control()]), "good"),
        ("long name of control", deb_of(&[named(b"./control\0"), file("x", text)]), "good"),
        (
            "long name beside control",
            deb_of(&[named(b"./control\0"), file("x", text), control()]),
            "2 control files",
        ),
        (
            "long name that leads elsewhere",
            deb_of(&[named(b"../control\0"), file("x", text)]),
            "entry ../control",
        ),
        (
            "two long names",
            deb_of(&[named(b"./x\0"), named(b"./control\0"), file("x", text)]),
            "entry ././@LongLink",
        ),
        (
            "long name with more",
            deb_of(&[named(b"./x\0./control\0"), file("x", text)]),
            "entry ././@LongLink",
        ),
    ]);
}

#[test]
fn an_entry_cannot_hide_others_by_a_size_that_readers_take_differently() {
    // Behind each of these stands a control file that one reader sees and the other skips.
    let text = hello();
    let good = || file("./control", text.as_bytes());
    let hiding = |mut entry: Vec<u8>, blocks: usize| {
        // Blocks for the reader that skips nothing: evil control, then the end of the archive.
        let mut hidden = evil();
        hidden.resize(blocks * 512, 0);
        entry.extend(hidden);
        deb_of(&[entry, good()])
    };
    let sized = |path: &str, kind: u8, field: &[u8]| Entry::new(path, kind).size(field).build();
    let octal = |blocks: usize| format!("{:011o}\0", blocks * 512).into_bytes();
    // In octal `+10` is 8 bytes, one block; in the base 64 of old GNU tar it is 3444, seven.
    let base_64 = {
        let mut entries = vec![sized("./x", b'0', b"+10"), vec![0; 512], good()];
        entries.push(Entry::new("./y", b'0').size(&octal(8)).build());
        let mut so_far = entries.concat();
        so_far.resize(8 * 512, 0);
        so_far.extend(evil());
        so_far.resize(so_far.len() + 16 * 512, 0);
        deb("control.tar", &so_far)
    };
    let mut beyond_64_bits = [0_u8; 12];
    beyond_64_bits[0] = 0x80;
    beyond_64_bits[1] = 1;
    let mut binary = [0_u8; 12];
    binary[0] = 0x80;
    binary[10] = 8;
    table(vec![
        ("directory with a size", hiding(sized("./x", b'5', &octal(4)), 4), "entry ./x"),
        ("file that is a directory", hiding(sized("./x/", b'0', &octal(4)), 4), "entry ./x/"),
        (
            "control that is a directory",
            deb_of(&[Entry::new("./control/", b'0').body(text.as_bytes()).build()]),
            "entry ./control/",
        ),
        ("size in base 64", base_64, "entry ./x"),
        ("size in base 256", hiding(sized("./x", b'0', &binary), 4), "entry ./x"),
        ("size beyond 64 bits", hiding(sized("./x", b'0', &beyond_64_bits), 4), "entry ./x"),
        ("no size", hiding(sized("./x", b'0', b""), 4), "damaged"),
        ("negative size", hiding(sized("./x", b'0', b"-1"), 4), "damaged"),
        ("size that is no number", hiding(sized("./x", b'0', b"0000000000x"), 4), "damaged"),
        ("two sizes", hiding(sized("./x", b'0', b"4000 0"), 4), "damaged"),
        ("size behind spaces", deb_of(&[sized("./x", b'0', b"          0"), good()]), "good"),
        ("size beyond the archive", deb_of(&[good(), sized("./x", b'0', &octal(9999))]), "damaged"),
        ("directory of no size", deb_of(&[sized("./x", b'5', b"0\0\0"), good()]), "good"),
    ]);
}

#[test]
fn what_stands_behind_the_end_of_the_control_archive_is_refused() {
    let mut one_block = good_tar();
    one_block.truncate(one_block.len() - 512);
    let mut no_end = good_tar();
    no_end.truncate(no_end.len() - 1024);
    let behind = |more: &[u8]| deb("control.tar", &[&good_tar(), more].concat());
    let mut damaged = good_tar();
    damaged[148] ^= 1;
    table(vec![
        ("padding", behind(&[0; 8192]), "good"),
        ("one end block", deb("control.tar", &one_block), "good"),
        ("no end block", deb("control.tar", &no_end), "good"),
        ("a byte", behind(b"x"), "trailing"),
        ("a second archive", behind(&tar(&[evil()])), "trailing"),
        (
            "an entry behind one empty block",
            deb("control.tar", &[&one_block[..], &evil()].concat()),
            "trailing",
        ),
        ("a byte far behind", behind(&[&[0; 100_000][..], b"x"].concat()), "trailing"),
        ("checksum", deb("control.tar", &damaged), "damaged"),
        ("half a header", deb("control.tar", &no_end[..700]), "damaged"),
        ("half a file", deb("control.tar", &no_end[..1100]), "damaged"),
    ]);
}

#[test]
fn a_second_compressed_stream_is_refused() {
    let good = good_tar();
    let other = tar(&[evil()]);
    let both = |a: Vec<u8>, b: &[u8]| [a.as_slice(), b].concat();
    let (g, x, z) = (gz(&good), xz(&good, 8), zst(&good, 0x38));
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    let gz_deb = |bytes: &[u8]| deb("control.tar.gz", bytes);
    let xz_deb = |bytes: &[u8]| deb("control.tar.xz", bytes);
    let zst_deb = |bytes: &[u8]| deb("control.tar.zst", bytes);
    let (head, tail) = good.split_at(512);
    table(vec![
        ("gz good", gz_deb(&g), "good"),
        ("gz twice", gz_deb(&both(g.clone(), &gz(&other))), "trailing"),
        ("gz empty second", gz_deb(&both(g.clone(), &gz(b""))), "trailing"),
        ("gz zeros behind", gz_deb(&both(g.clone(), &[0; 512])), "trailing"),
        ("gz one byte behind", gz_deb(&both(g.clone(), b"\n")), "trailing"),
        // dpkg reads on and finds the control file in the second half.
        ("gz in two halves", gz_deb(&both(gz(head), &gz(tail))), "trailing"),
        ("gz empty first", gz_deb(&both(gz(b""), &g)), "trailing"),
        ("xz good", xz_deb(&x), "good"),
        ("xz twice", xz_deb(&both(x.clone(), &xz(&other, 8))), "trailing"),
        ("xz padding", xz_deb(&both(x.clone(), &[0; 4])), "trailing"),
        ("xz in two halves", xz_deb(&both(xz(head, 8), &xz(tail, 8))), "trailing"),
        ("zst good", zst_deb(&z), "good"),
        ("zst twice", zst_deb(&both(z.clone(), &zst(&other, 0x38))), "trailing"),
        ("zst skippable behind", zst_deb(&both(z.clone(), &skippable)), "trailing"),
        ("zst skippable before", zst_deb(&both(skippable.to_vec(), &z)), "damaged"),
        ("zst in two halves", zst_deb(&both(zst(head, 0x38), &zst(tail, 0x38))), "trailing"),
    ]);
}

#[test]
fn damaged_or_mislabelled_compression_is_refused() {
    let good = good_tar();
    let (g, x, z) = (gz(&good), xz(&good, 8), zst(&good, 0x38));
    let mut crc = g.clone();
    let at = crc.len() - 8;
    crc[at] ^= 1;
    let mut footer = x.clone();
    let at = footer.len() - 1;
    footer[at] ^= 1;
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    table(vec![
        ("gz with a wrong checksum", deb("control.tar.gz", &crc), "damaged"),
        ("gz without its end", deb("control.tar.gz", &cut(&g)), "damaged"),
        ("gz that is xz", deb("control.tar.gz", &x), "damaged"),
        ("gz that is plain", deb("control.tar.gz", &good), "damaged"),
        ("gz that is empty", deb("control.tar.gz", b""), "damaged"),
        ("xz with a wrong footer", deb("control.tar.xz", &footer), "damaged"),
        ("xz without its end", deb("control.tar.xz", &cut(&x)), "damaged"),
        ("xz that is gz", deb("control.tar.xz", &g), "damaged"),
        ("xz that is empty", deb("control.tar.xz", b""), "damaged"),
        ("xz that needs 4 GiB", deb("control.tar.xz", &xz(&good, 40)), "damaged"),
        ("xz that needs 96 MiB", deb("control.tar.xz", &xz(&good, 29)), "damaged"),
        ("xz that needs 64 MiB", deb("control.tar.xz", &xz(&good, 28)), "good"),
        ("xz with an impossible dictionary", deb("control.tar.xz", &xz(&good, 41)), "damaged"),
        ("zst without its end", deb("control.tar.zst", &cut(&z)), "damaged"),
        ("zst that is gz", deb("control.tar.zst", &g), "damaged"),
        ("zst that is empty", deb("control.tar.zst", b""), "damaged"),
        ("zst that needs 3 TiB", deb("control.tar.zst", &zst(&good, 0xff)), "damaged"),
        ("plain that is gz", deb("control.tar", &g), "damaged"),
    ]);
}

#[test]
fn what_unpacks_to_more_than_any_real_package_is_refused() {
    const LIMIT: usize = 48 * 1024 * 1024;
    let padded = |size: usize| {
        let mut archive = good_tar();
        archive.resize(size, 0);
        archive
    };
    let huge = LIMIT + 1024 * 1024;
    let big_file = tar(&[file("./control", hello().as_bytes()), file("./x", &vec![0; huge])]);
    let endless = deb("control.tar.zst", &zst_bomb(huge / 0x2_0000, 0));
    table(vec![
        ("gz of padding", deb("control.tar.gz", &gz(&padded(huge))), "toolarge"),
        ("gz of a large file", deb("control.tar.gz", &gz(&big_file)), "toolarge"),
        ("plain padding", deb("control.tar", &padded(huge)), "toolarge"),
        ("zst of zeros", endless, "toolarge"),
        // dpkg gives up when tar does not take that much padding.
        (
            "as large as it may be",
            deb("control.tar.gz", &gz(&padded(LIMIT - 1))),
            "good to us only",
        ),
    ]);
}

#[test]
fn a_control_file_has_a_largest_size() {
    const LIMIT: usize = 512 * 1024;
    let padded = |size: usize| {
        let mut text = hello();
        while text.len() + 1000 < size {
            text.push_str(&format!(" {}\n", "x".repeat(900)));
        }
        text.push_str(&format!(" {}\n", "x".repeat(size - text.len() - 2)));
        assert_eq!(text.len(), size);
        deb_of(&[file("./control", text.as_bytes())])
    };
    table(vec![
        ("largest", padded(LIMIT), "good"),
        ("larger", padded(LIMIT + 1), "entry ./control"),
    ]);
}

const MINIMAL: &str = "Package: hello\nVersion: 2.10-3\nArchitecture: amd64\n\
                       Maintainer: x <x@localhost>\nDescription: x\n";

/// A package with the minimal control file in which `from` is replaced.
fn instead(from: &str, to: &str) -> Vec<u8> {
    assert!(MINIMAL.contains(from));
    with_control(MINIMAL.replace(from, to).as_bytes())
}

/// A package with the minimal control file and more at its end.
fn with(more: &str) -> Vec<u8> {
    with_control(format!("{MINIMAL}{more}").as_bytes())
}

fn with_control(text: &[u8]) -> Vec<u8> {
    deb_of(&[file("./control", text)])
}

#[test]
fn a_control_file_must_be_one_stanza_without_doubt() {
    const LINE: &str = "control: the control file is malformed: \
                        a line is neither a field nor a continuation";
    const TWO: &str = "control: the control file has 2 stanzas instead of one";
    const NONE: &str = "control: the control file has 0 stanzas instead of one";
    const PACKAGE_TWICE: &str = "control: the control file is malformed: \
                                 duplicate field Package";
    const OTHER_TWICE: &str = "control: the control file is malformed: duplicate field x-a";
    const MSDOS: &str = "control: the control file has an end-of-file character";
    let before = |text: &str| with_control(format!("{text}{MINIMAL}").as_bytes());
    let package_in_description = MINIMAL
        .replace("Package: hello\n", "")
        .replace("Description: x", "Description: x\n Package: hello");
    table(vec![
        ("good", with(""), "good"),
        ("empty lines before", before("\n\n"), "good"),
        ("empty lines behind", with("\n\n"), "good"),
        ("no line end at the end", with_control(MINIMAL.trim_end().as_bytes()), "good to us only"),
        ("empty", with_control(b""), NONE),
        ("empty lines only", with_control(b"\n\n\n"), NONE),
        ("two stanzas", with("\nPackage: evil\nVersion: 1\nArchitecture: amd64\n"), TWO),
        ("a stanza of another field", with("\nX: y\n"), TWO),
        ("a second Package", with("Package: evil\n"), PACKAGE_TWICE),
        (
            "a second Package in another case",
            with("pAcKaGe: evil\n"),
            "control: the control file is malformed: duplicate field pAcKaGe",
        ),
        (
            "a second Version",
            with("Version: 9\n"),
            "control: the control file is malformed: duplicate field Version",
        ),
        ("another field twice", with("X-A: 1\nx-a: 1\n"), OTHER_TWICE),
        ("no Package", instead("Package: hello\n", ""), "control: the control file has no Package"),
        (
            "no Version",
            instead("Version: 2.10-3\n", ""),
            "control: the control file has no Version",
        ),
        (
            "no Architecture",
            instead("Architecture: amd64\n", ""),
            "control: the control file has no Architecture",
        ),
        (
            "a Package in the description",
            with_control(package_in_description.as_bytes()),
            "control: the control file has no Package",
        ),
        ("a space before the colon", instead("Package:", "Package :"), "good"),
        ("a tab before the colon", instead("Package:", "Package\t:"), "good"),
        ("a space in the name", with("Pack age: evil\n"), LINE),
        ("a second Package before a space", with("Package : evil\n"), PACKAGE_TWICE),
        ("a name beyond ASCII", with("Gr\u{fc}n: x\n"), "good"),
        ("no colon", with("Package evil\n"), LINE),
        ("no field name", with(": evil\n"), LINE),
        ("a line that goes on with nothing", before(" x\n"), LINE),
        ("a line of a carriage return", with("\r\nPackage: evil\n"), LINE),
        ("a form feed before a field", with("\x0cPackage: evil\n"), LINE),
        ("a vertical tab before a field", with("\x0bPackage: evil\n"), LINE),
        ("a comment", before("# x\n"), LINE),
        ("an end of file before a field", with("\x1aPackage: evil\n"), MSDOS),
        ("an end of file in a value", instead(": x\n", ": x\x1aSource: evil\n"), MSDOS),
        ("an end of file behind all", with("\x1a"), MSDOS),
        // Readers of deb822 differ on such lines; dpkg refuses them, so nothing is installed.
        ("a line of spaces", instead(": x\n", ": x\n  \n y\n"), "good to us only"),
        ("a line of spaces at the end", with("  \n"), "good to us only"),
        ("a stanza behind a line of spaces", with(" \nPackage: evil\n"), PACKAGE_TWICE),
    ]);
}

#[test]
fn the_fields_by_which_a_package_is_judged_must_be_good_and_read_as_dpkg_reads_them() {
    let invalid =
        |field: &str, why: &str| format!("control: the control file's {field} is invalid: {why}");
    let name = |c: char| invalid("Package", &format!("a package name must not have {c:?} there"));
    let version = |c: char| invalid("Version", &format!("a version must not have {c:?} there"));
    let brackets = "control: the control file's Source is not a name, \
                    or a name and a version in brackets";
    let revision = |field: &str| {
        format!("control: the control file has {field}, which changes the version for dpkg")
    };
    let source_is = |value: &str| with(&format!("Source: {value}\n"));
    let below = |field: &str| {
        format!("control: the control file's {field} has its value below the line of its name")
    };
    let rows: Vec<(&str, Vec<u8>, String)> = vec![
        ("a name on the next line", instead(": hello\n", ":\n hello\n"), below("Package")),
        ("a version on the next line", instead(": 2.10", ": \n 2.10"), below("Version")),
        ("an architecture there", instead(": amd64", ":\n\tamd64"), below("Architecture")),
        ("a source there", with("Source:\n greetings\n"), below("Source")),
        ("a name over two lines", instead("hello\n", "hello\n evil\n"), name('\n')),
        ("a name with a NUL", instead("hello", "hello\0evil"), name('\0')),
        ("a name with a slash", instead("hello", "hello/../evil"), name('/')),
        ("a name with an architecture", instead("hello", "hello:i386"), name(':')),
        ("a name in uppercase", instead("hello", "Hello"), "good".into()),
        ("a name with an underscore", instead("hello", "hel_lo"), "good".into()),
        ("a name of one letter", instead("hello", "r"), "good".into()),
        ("a name that begins with an underscore", instead("hello", "_x"), name('_')),
        ("a name that begins with a dot", instead("hello", ".x"), name('.')),
        ("an architecture in uppercase", instead("amd64", "AMD64"), "good".into()),
        ("an architecture for any", instead("amd64", "any"), "good".into()),
        ("a version that is no number", instead("2.10-3", "v2"), version('v')),
        ("a name with a no-break space", instead("hello", "hello\u{a0}"), name('\u{a0}')),
        ("carriage returns", with_control(MINIMAL.replace('\n', "\r\n").as_bytes()), "good".into()),
        ("a version with a NUL", instead("2.10-3", "2.10-3\0-4"), version('\0')),
        ("a version with a space", instead("2.10-3", "2.10-3 1"), version(' ')),
        ("a version with an underscore", instead("2.10-3", "2.10_3"), version('_')),
        ("a version with a slash", instead("2.10-3", "2.10/3"), version('/')),
        ("a signed epoch", instead("2.10-3", "+1:2.10-3"), version('+')),
        ("two epochs", instead("2.10-3", "1:2:2.10-3"), "good".into()),
        ("a large epoch", instead("2.10-3", "99999999999:2.10-3"), version('9')),
        (
            "an empty epoch",
            instead("2.10-3", ":2.10-3"),
            invalid("Version", "a version is too short"),
        ),
        ("an empty version", instead(" 2.10-3", ""), invalid("Version", "a version is too short")),
        (
            "two architectures",
            instead("amd64", "amd64 i386"),
            invalid("Architecture", "an architecture must not have ' ' there"),
        ),
        ("a source", source_is("greetings"), "good".into()),
        ("a source with a version", source_is("greetings (1:2.9-1)"), "good".into()),
        ("a source with a spaced version", source_is("greetings  ( 2.9-1 )"), "good".into()),
        ("an empty source", instead("Description", "Source:\nDescription"), "good".into()),
        ("an empty source at the end", source_is(""), "good to us only".into()),
        ("a source in uppercase", source_is("Microsoft"), "good".into()),
        ("a source of words", source_is("My great product"), "good".into()),
        ("a source with a path", source_is("greetings/../evil"), "good".into()),
        ("a source beyond ASCII", source_is("Gr\u{fc}n"), "good".into()),
        ("a source with a tab", source_is("greetings\t(2.9-1)"), brackets.into()),
        ("a source of two lines", source_is("greetings\n evil"), brackets.into()),
        ("a source with a bad version", source_is("greetings (2.9 x)"), brackets.into()),
        ("a source with many brackets", source_is("greetings ((2.9-1))"), brackets.into()),
        ("a source with brackets in it", source_is("greetings(2.9-1)"), brackets.into()),
        ("a source with more behind", source_is("greetings (2.9-1) x"), "good".into()),
        ("a source version without brackets", source_is("greetings 2.9-1"), "good".into()),
        ("a source version with half of them", source_is("greetings (2.9-1"), brackets.into()),
        (
            "a source that is no text",
            with_control(&[MINIMAL.as_bytes(), b"Source: \xff\n"].concat()),
            brackets.into(),
        ),
        ("a revision of its own", with("Revision: 9\n"), revision("Revision")),
        ("a revision in an old field", with("package-revision: 9\n"), revision("Package-Revision")),
        ("a revision in an older one", with("Package_Revision: 9\n"), revision("Package_Revision")),
    ];
    table(rows.iter().map(|(name, bytes, why)| (*name, bytes.clone(), why.as_str())).collect());
}

/// Every place of a control file, with every byte there that some reader treats in its own way.
#[test]
fn no_odd_byte_in_a_control_file_makes_dpkg_read_something_else() {
    let text = "Package: hello\nVersion: 2-3\nSource: hi (2-1)\nArchitecture: all\nXy: z\n";
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(&path, with_control(text.as_bytes())).unwrap();
    assert_eq!(dpkg_reads(path.path()).as_deref(), Some("hello|2-3|all|hi|2-1"));
    let (mut accepted, mut wrong) = (0, String::new());
    for at in 0..=text.len() {
        for byte in *b"\0\t\n\x0b\x0c\r\x1a :(" {
            let (before, after) = text.as_bytes().split_at(at);
            let inserted = [before, &[byte], after].concat();
            let replaced = [before, &[byte], after.get(1..).unwrap_or_default()].concat();
            for text in [inserted, replaced] {
                let verdict = verdict(&with_control(&text));
                if verdict.starts_with("we read") {
                    writeln!(wrong, "{:?}: {verdict:?}", String::from_utf8_lossy(&text)).unwrap();
                }
                accepted += usize::from(verdict == "good");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(accepted > 100, "{accepted}");
    println!("{accepted} were accepted");
}

/// Every byte of a tar header, with every value there that some reader treats in its own way and
/// a checksum that is right.
#[test]
#[ignore = "asks dpkg some thousand times; for when the reader of archives is changed"]
fn no_odd_byte_in_a_header_makes_dpkg_read_something_else() {
    let odd = b"\0 /.+-0157xLSDVx\x80\xff";
    let mut accepted = 0;
    for ustar in [false, true] {
        for at in (0..148).chain(156..512) {
            for &byte in odd {
                let entry = Entry::new("./control", b'0').body(hello().as_bytes());
                let entry = if ustar { entry.ustar(b"00", "") } else { entry };
                let bytes = deb_of(&[directory("./"), entry.with(at, byte).build(), evil_last()]);
                let verdict = verdict(&bytes);
                assert!(!verdict.starts_with("we read"), "{byte:#x} at {at}: {verdict}");
                accepted += usize::from(verdict == "good");
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// Something for a reader to find that counts other blocks to what stands before.
fn evil_last() -> Vec<u8> {
    Entry::new("./z", b'0').body(&[vec![0; 512], evil(), vec![0; 1024]].concat()).build()
}

fn small_packages() -> Vec<(&'static str, Vec<u8>)> {
    let control = good_tar();
    vec![
        ("plain", deb("control.tar", &control)),
        ("gz", deb("control.tar.gz", &gz(&control))),
        ("xz", deb("control.tar.xz", &xz(&control, 8))),
        ("zst", deb("control.tar.zst", &zst(&control, 0x38))),
    ]
}

#[test]
fn a_package_that_is_cut_anywhere_is_truncated() {
    for (name, bytes) in small_packages() {
        // The padding of the last member may be missing.
        let complete = bytes.len() - data().len() % 2;
        for end in 0..complete {
            let examined = examine(&bytes[..end]).unwrap();
            let expected = if end < 8 { "notapackage" } else { "truncated" };
            let found = reason(&examined.control().cloned().map_err(Clone::clone));
            assert_eq!(found, expected, "{name} cut at {end} of {}", bytes.len());
        }
        for end in complete..=bytes.len() {
            assert!(examine(&bytes[..end]).unwrap().control().is_ok(), "{name} at {end}");
        }
    }
}

#[test]
fn a_package_with_any_bit_flipped_is_read_without_a_panic() {
    for (name, bytes) in small_packages() {
        let whole = Sha256Digest::of(&bytes);
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let examined = examine(bytes.as_slice()).unwrap();
                assert_ne!(examined.sha256(), whole, "{name} at {at}");
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

/// Gives one byte a call, is interrupted before each, and fails when it has given so many.
struct Fitful<'a> {
    bytes: &'a [u8],
    interrupted: bool,
    fail_at_end: bool,
}

impl Read for Fitful<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() && self.fail_at_end {
            return Err(io::Error::other("the disk is gone"));
        }
        let some = buffer.len().min(1);
        self.bytes.read(&mut buffer[..some])
    }
}

#[test]
fn how_a_file_is_read_plays_no_part() {
    for (name, bytes) in small_packages() {
        let fitful = Fitful { bytes: &bytes, interrupted: false, fail_at_end: false };
        let slowly = examine(fitful).unwrap();
        let at_once = examine(bytes.as_slice()).unwrap();
        assert_eq!(slowly.control(), at_once.control(), "{name}");
        assert!(slowly.control().is_ok());
        assert_eq!((slowly.sha256(), slowly.size()), (at_once.sha256(), at_once.size()));
    }
}

/// Found by fuzzing: of a damaged stream more comes out before the damage shows if it is read byte
/// by byte, and what comes out can be odd by itself. Either way it is refused.
#[test]
fn a_damaged_package_is_refused_however_it_is_read() {
    let mut packages = small_packages();
    // The good archive, something that is no padding, and then the damage.
    let odd = [good_tar(), vec![b'J'; 2000]].concat();
    packages.push((
        "odd.gz",
        ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &gz(&odd)), ("data.tar", &data())]),
    ));
    for (name, bytes) in packages {
        for at in (0..bytes.len()).step_by(3) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let fitful = Fitful { bytes: &damaged, interrupted: false, fail_at_end: false };
            let slowly = examine(fitful).unwrap();
            let at_once = examine(damaged.as_slice()).unwrap();
            match (slowly.control(), at_once.control()) {
                (Ok(slowly), Ok(at_once)) => assert_eq!(slowly, at_once, "{name}, byte {at}"),
                (slowly, at_once) => {
                    assert!(slowly.is_err() && at_once.is_err(), "{name}, byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_failure_to_read_is_no_fault_of_the_package() {
    // "Could not be read" may be true tomorrow no more; "is no package" is.
    for (name, bytes) in small_packages() {
        for end in [0, 4, 8, 40, 68, 72, 100, 200, bytes.len() - 10, bytes.len()] {
            let fitful = Fitful { bytes: &bytes[..end], interrupted: false, fail_at_end: true };
            let failure = examine(fitful).unwrap_err();
            assert_eq!(failure.to_string(), "the disk is gone", "{name} at {end}");
        }
    }
}

#[test]
fn the_rest_of_a_file_that_is_no_package_is_hashed_all_the_same() {
    let mut bytes = vec![b'x'; 300_000];
    bytes[..8].copy_from_slice(b"!<arch>\n");
    let examined = examine(bytes.as_slice()).unwrap();
    assert!(examined.control().is_err());
    assert_eq!(examined.sha256(), Sha256Digest::of(&bytes));
    assert_eq!(examined.size(), 300_000);
}

#[test]
fn what_dpkg_would_try_to_unpack_is_known_by_its_first_bytes() {
    for (bytes, expected) in [
        (&b"!<arch>\ndebian-binary"[..], true),
        (b"!<arch>\n", true),
        (b"0.939000\n", true),
        (b"0.93", true),
        (b"!<arch>", false),
        (b"!<thin>\n", false),
        (b"\x1f\x8b", false),
        (b"", false),
    ] {
        assert_eq!(looks_like_a_package(bytes), expected, "{bytes:?}");
    }
}
