//! An archive that was built anew, in the making, and its server's files.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use apt_quorum::attest::repository::Terms;
use apt_quorum::attest::{KeyRing, PinnedKey};
use apt_quorum::types::{Certificate, PublicKey, Sha256Digest};

use super::openpgp::{self, CREATED, PgpKey, Recipe, Says};
use super::{hex, rebuilder};

/// `Text` and `Binary` (RFC 9580 section 5.2.1).
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 0;

/// What an archive is made of. The defaults make a good one with no package in it.
pub struct Making {
    pub key: PgpKey,
    pub certificate: Vec<u8>,
    /// Of the signature of the Release file
    pub says: Says,
    pub kind: u8,
    /// Fields of the Release file
    pub fields: Vec<(&'static str, String)>,
    /// The Packages file of amd64
    pub packages: String,
    /// That of `all`, if there is one
    pub packages_all: Option<String>,
    /// What they are compressed with, by their names
    pub suffix: &'static str,
    /// The list of what was taken over, if there is one
    pub taken_over: Option<String>,
    /// More lines of the list of files
    pub more_files: String,
}

/// What a server has, by paths below `dists/trixie/`.
pub type Files = BTreeMap<String, Vec<u8>>;

impl Making {
    pub fn new() -> Self {
        let key = PgpKey::new(CREATED);
        let certificate = certificate(&key);
        Self {
            certificate,
            key,
            says: Says::at(CREATED + 1000),
            kind: TEXT,
            fields: vec![
                ("Origin", "Rebuilt".to_owned()),
                ("Suite", "stable".to_owned()),
                ("Codename", "trixie".to_owned()),
                ("Date", "Thu, 01 Jan 2026 00:10:00 UTC".to_owned()),
            ],
            packages: String::new(),
            packages_all: None,
            suffix: "",
            taken_over: Some("# nothing\n".to_owned()),
            more_files: String::new(),
        }
    }

    /// With one package.
    pub fn with(mut self, package: &str, sha256: &str) -> Self {
        self.packages += &stanza(package, sha256);
        self
    }

    pub fn field(&mut self, name: &'static str, value: &str) {
        self.fields.retain(|(other, _)| *other != name);
        self.fields.push((name, value.to_owned()));
    }

    pub fn without(&mut self, name: &str) {
        self.fields.retain(|(other, _)| *other != name);
    }

    /// The files that the Release file lists.
    pub fn listed(&self) -> Files {
        let mut files = Files::new();
        let mut add = |path: &str, text: &str| {
            files.insert(format!("{path}{}", self.suffix), compress(self.suffix, text.as_bytes()));
        };
        add("main/binary-amd64/Packages", &self.packages);
        if let Some(text) = &self.packages_all {
            add("main/binary-all/Packages", text);
        }
        if let Some(text) = &self.taken_over {
            files.insert("main/taken-over".to_owned(), text.clone().into_bytes());
        }
        files
    }

    pub fn release(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fields {
            let _ = writeln!(text, "{name}: {value}");
        }
        text += "SHA256:\n";
        for (path, bytes) in self.listed() {
            let _ = writeln!(text, " {} {:>9} {path}", Sha256Digest::of(&bytes), bytes.len());
        }
        text + &self.more_files
    }

    pub fn inline(&self) -> Vec<u8> {
        inline(&self.release(), &[self.signature(&self.signed())])
    }

    /// As a signature in the text is over it: with the network's line ends, and without the last.
    pub fn signed(&self) -> Vec<u8> {
        self.release().trim_end().replace('\n', "\r\n").into_bytes()
    }

    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        self.key.issued_packet(self.kind, &self.says, message)
    }

    /// All that a server has.
    pub fn files(&self) -> Files {
        let mut files = self.listed();
        files.insert("InRelease".to_owned(), self.inline());
        files
    }

    pub fn pinned(&self, name: &str) -> PinnedKey {
        let certificate = Certificate::from_packets(&self.certificate).unwrap();
        let key = PublicKey::OpenPgp(certificate);
        PinnedKey { rebuilder: rebuilder(name), key, not_after: None }
    }

    pub fn ring(&self) -> KeyRing {
        KeyRing::new(vec![self.pinned("alpha")]).unwrap()
    }
}

pub fn certificate(key: &PgpKey) -> Vec<u8> {
    recipe(key).packets()
}

/// A certificate of one key that certifies and signs.
pub fn recipe(key: &PgpKey) -> Recipe {
    Recipe::of(key.clone(), openpgp::CERTIFY | openpgp::SIGN)
}

/// What of the archive counts.
pub fn terms() -> Terms {
    Terms {
        rebuilder: rebuilder("alpha"),
        suite: "trixie".to_owned(),
        components: vec!["main".to_owned()],
        taken_over: "main/taken-over".to_owned(),
    }
}

pub fn stanza(package: &str, sha256: &str) -> String {
    let mut parts = package.split(' ');
    let mut part = || parts.next().unwrap();
    format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\nFilename: pool/x.deb\nSize: 1\nSHA256: {sha256}\n\n",
        part(),
        part(),
        part()
    )
}

pub fn inline(text: &str, signatures: &[Vec<u8>]) -> Vec<u8> {
    let armor = openpgp::armored(&signatures.concat());
    let armor = armor.replace("PUBLIC KEY BLOCK", "SIGNATURE");
    format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n{armor}", text.trim_end())
        .into_bytes()
}

pub fn compress(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    let program = match suffix {
        "" => return bytes.to_vec(),
        ".gz" => {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            return encoder.finish().unwrap();
        }
        ".xz" => "xz",
        ".zst" => "zstd",
        other => panic!("nothing makes {other}"),
    };
    let mut child = std::process::Command::new(program)
        .args(["--stdout", "--quiet"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// The SHA-256 of something that is no package.
pub fn digest(text: &str) -> String {
    hex(Sha256Digest::of(text.as_bytes()).as_bytes())
}
