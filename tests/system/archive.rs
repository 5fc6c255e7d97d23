//! Packages and archives made for the tests.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use apt_quorum::types::Sha256Digest;

/// A binary package.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// More fields of its control file, each with its line end
    pub fields: String,
    pub bytes: Arc<[u8]>,
}

impl Package {
    /// Makes one with dpkg-deb. Its postinst leaves `/var/lib/ran-NAME` with `text` behind.
    pub fn make(name: &str, version: &str, architecture: &str, text: &str) -> Self {
        Self::make_with(name, version, architecture, text, &[])
    }

    /// The same with more fields in its control file, such as `Depends: other\n`.
    #[allow(dead_code, reason = "this file is used by other tests too")]
    pub fn make_of(name: &str, version: &str, architecture: &str, fields: &str) -> Self {
        Self::made(name, version, architecture, version, fields, &[])
    }

    /// The same with more files beside its control file, which can be executed.
    pub fn make_with(
        name: &str,
        version: &str,
        architecture: &str,
        text: &str,
        more: &[(&str, &str)],
    ) -> Self {
        Self::made(name, version, architecture, text, "", more)
    }

    fn made(
        name: &str,
        version: &str,
        architecture: &str,
        text: &str,
        fields: &str,
        more: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let control = root.join("DEBIAN");
        std::fs::create_dir_all(&control).unwrap();
        std::fs::create_dir_all(root.join(format!("usr/share/doc/{name}"))).unwrap();
        std::fs::write(root.join(format!("usr/share/doc/{name}/text")), text).unwrap();
        let control_file = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
             Maintainer: Nobody <nobody@example.invalid>\n{fields}Description: made for a test\n"
        );
        std::fs::write(control.join("control"), control_file).unwrap();
        let script = format!("#!/bin/sh\necho '{text}' >/var/lib/ran-{name}\n");
        std::fs::write(control.join("postinst"), script).unwrap();
        run(Command::new("chmod").arg("755").arg(control.join("postinst")));
        for (name, content) in more {
            std::fs::write(control.join(name), content).unwrap();
            run(Command::new("chmod").arg("755").arg(control.join(name)));
        }
        let file = directory.path().join("x.deb");
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "-b"])
            .arg(&root)
            .arg(&file));
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: architecture.to_owned(),
            fields: fields.to_owned(),
            bytes: std::fs::read(file).unwrap().into(),
        }
    }

    /// `NAME_VERSION-WITHOUT-EPOCH_ARCH.deb`
    pub fn artifact(&self) -> String {
        let version = self.version.split_once(':').map_or(self.version.as_str(), |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name, self.architecture)
    }

    pub fn sha256(&self) -> String {
        Sha256Digest::of(&self.bytes).to_string()
    }

    /// The same package with other bytes of the same number.
    pub fn tampered(&self) -> Self {
        let mut bytes = self.bytes.to_vec();
        // The time stamp in the first member's header: dpkg does not look at it.
        let at = 8 + 16;
        bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        Self { bytes: bytes.into(), ..self.clone() }
    }
}

/// The bytes of a package with these control members, each as [`control_member`] makes them, and
/// an empty data member. dpkg-deb would not make most of them.
#[allow(dead_code, reason = "this file is used by other tests too")]
pub fn forge(control_members: &[&[u8]]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    let mut add = |name: &str, body: &[u8]| {
        let size = body.len();
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644").into_bytes(),
        );
        out.extend(body);
        out.extend(std::iter::repeat_n(b'\n', size % 2));
    };
    add("debian-binary", b"2.0\n");
    for member in control_members {
        add("control.tar", member);
    }
    add("data.tar", &[0; 1024]);
    out
}

/// A control archive with these files.
#[allow(dead_code, reason = "this file is used by other tests too")]
pub fn control_member(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, text) in files {
        let mut header = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name.as_bytes());
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", text.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        0");
        put(257, b"ustar  \0");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(header);
        out.extend(text.as_bytes());
        out.extend(std::iter::repeat_n(0, (512 - text.len() % 512) % 512));
    }
    out.extend([0; 1024]);
    out
}

/// The packages that most scenarios use.
pub fn packages() -> BTreeMap<&'static str, Package> {
    [
        ("good", Package::make("good", "1.0-1", "all", "good")),
        ("other", Package::make("other", "1.0-1", "all", "other")),
        ("epoch", Package::make("epoch+pkg", "1:2.0+b1~rc1-1", "all", "epoch")),
        ("unknown", Package::make("unknown", "1.0-1", "all", "unknown")),
        ("p1", Package::make("part1", "1", "all", "1")),
        ("p2", Package::make("part2", "1", "all", "2")),
        ("p3", Package::make("part3", "1", "all", "3")),
        ("p4", Package::make("part4", "1", "all", "4")),
        ("old", Package::make("ageing", "1.0-1", "all", "old and vulnerable")),
        ("new", Package::make("ageing", "2.0-1", "all", "new and mended")),
    ]
    .into()
}

/// A stanza of a Packages file.
#[derive(Clone)]
pub struct Stanza {
    pub name: String,
    pub version: String,
    pub architecture: String,
    pub filename: String,
    pub size: usize,
    pub sha256: String,
    pub fields: String,
}

impl Stanza {
    pub fn of(package: &Package) -> Self {
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            filename: format!("pool/{}", package.artifact()),
            size: package.bytes.len(),
            sha256: package.sha256(),
            fields: package.fields.clone(),
        }
    }
}

/// An archive as files by their path: `dists/stable/...` and the pool.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// Puts an archive together. What the stanzas say may be lies.
pub fn archive(origin: &str, entries: &[(Stanza, &Package)]) -> Files {
    archive_with(origin, entries, &[])
}

/// A source package of three files in the pool: its index `main/source/Sources`, and the files.
#[allow(dead_code, reason = "this file is used by other tests too")]
pub fn source_package(name: &str, version: &str, files: &[(&str, &[u8])]) -> (String, Files) {
    let sums = |files: &[(&str, &[u8])]| -> String {
        let line = |(name, bytes): &(&str, &[u8])| {
            format!(" {} {} {name}\n", Sha256Digest::of(bytes), bytes.len())
        };
        files.iter().map(line).collect()
    };
    let head = format!(
        "Binary: {name}\nArchitecture: all\nVersion: {version}\nFormat: 3.0 (quilt)\n\
         Maintainer: Nobody <nobody@example.invalid>\n"
    );
    let dsc = format!("Source: {name}\n{head}Checksums-Sha256:\n{}", sums(files));
    let dsc_name = format!("{name}_{version}.dsc");
    let mut all: Vec<(&str, &[u8])> = vec![(&dsc_name, dsc.as_bytes())];
    all.extend(files);
    let index =
        format!("Package: {name}\n{head}Directory: pool\nChecksums-Sha256:\n{}\n", sums(&all));
    let files = all.into_iter().map(|(name, bytes)| (format!("pool/{name}"), bytes.into()));
    (index, files.collect())
}

/// The same with more indexes, each with its path below `dists/stable`.
pub fn archive_with(origin: &str, entries: &[(Stanza, &Package)], more: &[(&str, &str)]) -> Files {
    let mut files = Files::new();
    let mut index = String::new();
    for (stanza, package) in entries {
        let Stanza { name, version, architecture, filename, size, sha256, fields } = stanza;
        index += &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n\
             Maintainer: Nobody <nobody@example.invalid>\n{fields}Filename: {filename}\nSize: {size}\n\
             SHA256: {sha256}\nDescription: made for a test\n\n"
        );
        files.insert(filename.clone(), Arc::clone(&package.bytes));
    }
    let path = "main/binary-amd64/Packages";
    let mut release = format!(
        "Origin: {origin}\nLabel: {origin}\nSuite: stable\nCodename: stable\n\
         Date: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64 all\nComponents: main\n\
         SHA256:\n"
    );
    for (path, index) in [&[(path, index.as_str())], more].concat() {
        release += &format!(" {} {} {path}\n", Sha256Digest::of(index.as_bytes()), index.len());
        files.insert(format!("dists/stable/{path}"), index.as_bytes().into());
    }
    files.insert("dists/stable/Release".to_owned(), release.into_bytes().into());
    files
}

/// Signs an archive's Release with a new key, and gives the key as apt wants it.
pub fn sign(files: &mut Files) -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let gpg = || {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--passphrase", ""]);
        gpg
    };
    run(gpg().args(["--quick-generate-key", "test", "rsa3072", "sign", "never"]));
    let release = home.path().join("Release");
    std::fs::write(&release, &files["dists/stable/Release"]).unwrap();
    run(gpg().args(["--clearsign", "--output"]).arg(home.path().join("InRelease")).arg(&release));
    let signed = std::fs::read(home.path().join("InRelease")).unwrap();
    files.insert("dists/stable/InRelease".to_owned(), signed.into());
    let key = run(gpg().args(["--armor", "--export"])).into_bytes();
    let _ =
        Command::new("gpgconf").arg("--homedir").arg(home.path()).args(["--kill", "all"]).status();
    key
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
