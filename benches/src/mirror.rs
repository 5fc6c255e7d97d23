//! Packages and an archive of them, made for measuring.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use sha2::Digest as _;

use crate::rebuilder::Built;

/// The version of all packages.
const VERSION: &str = "1.0-1";

/// A package with as many bytes in it as are wanted, which do not compress.
pub fn package(name: &str, payload: usize) -> (Built, Vec<u8>) {
    let control = format!(
        "Package: {name}\nVersion: {VERSION}\nArchitecture: amd64\nSection: misc\n\
         Maintainer: Nobody <nobody@example.invalid>\nDescription: made for measuring\n"
    );
    let mut control_tar = tar::Builder::new(Vec::new());
    add(&mut control_tar, "./control", control.as_bytes());
    let mut data_tar = tar::Builder::new(Vec::new());
    if payload > 0 {
        let mut bytes = noise(name, payload);
        bytes.truncate(payload);
        add(&mut data_tar, &format!("./usr/share/{name}/payload"), &bytes);
    }
    let mut deb = b"!<arch>\n".to_vec();
    for (member, body) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.xz", xz(&control_tar.into_inner().unwrap())),
        // What is in it does not compress.
        ("data.tar", data_tar.into_inner().unwrap()),
    ] {
        let size = body.len();
        writeln!(deb, "{member:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, "100644").unwrap();
        deb.extend(body);
        deb.extend(std::iter::repeat_n(b'\n', size % 2));
    }
    let built = Built {
        name: name.to_owned(),
        version: VERSION.to_owned(),
        architecture: "amd64".to_owned(),
        sha256: hex(&sha2::Sha256::digest(&deb)),
    };
    (built, deb)
}

/// An xz stream (xz-file-format, version 1.2) of one block that stores what is in it: small enough
/// for one chunk, and as most of Debian's packages have their control data, in a window of 8 MiB.
fn xz(bytes: &[u8]) -> Vec<u8> {
    const FLAGS: [u8; 2] = [0, 1];
    let number = |value: usize| {
        let (low, high) = ((value & 0x7f) as u8, (value >> 7) as u8);
        if value < 0x80 { vec![low] } else { vec![low | 0x80, high] }
    };
    let padded = |mut bytes: Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    assert!(bytes.len() < 0x4000 - 64);
    let size = (bytes.len() as u16 - 1).to_be_bytes();
    let block = [&[1, size[0], size[1]], bytes, &[0]].concat();
    let lengths = [number(12 + block.len() + 4), number(bytes.len())].concat();
    let index = padded([&[0, 1][..], &lengths].concat());
    let backward = (index.len() as u32 / 4).to_le_bytes();
    let head = [2, 0, 0x21, 1, 0x16, 0, 0, 0];
    [
        b"\xfd7zXZ\0",
        &FLAGS[..],
        &crc(&FLAGS),
        &head,
        &crc(&head),
        &padded(block),
        &crc(bytes),
        &index,
        &crc(&index),
        &crc(&[&backward[..], &FLAGS].concat()),
        &backward,
        &FLAGS,
        b"YZ",
    ]
    .concat()
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn add(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    // As it is: the library would take the `./` away.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    archive.append(&header, bytes).unwrap();
}

/// Bytes that look like chance and are the same in every run.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// Lays an archive with the suite `stable` into a directory: packages, indexes, and a Release file
/// that is not signed yet. All hashes are there that Debian's archive has.
pub fn lay_out(directory: &Path, packages: &[(Built, Vec<u8>)]) {
    let mut index = String::new();
    for (built, deb) in packages {
        let file = format!("pool/{}_{VERSION}_amd64.deb", built.name);
        write_file(&directory.join(&file), deb);
        write!(
            index,
            "Package: {}\nVersion: {VERSION}\nArchitecture: amd64\nSection: misc\n\
             Maintainer: Nobody <nobody@example.invalid>\nFilename: {file}\nSize: {}\n\
             MD5sum: {}\nSHA256: {}\nDescription: made for measuring\n\n",
            built.name,
            deb.len(),
            hex(&md5::Md5::digest(deb)),
            built.sha256,
        )
        .unwrap();
    }
    let place = "main/binary-amd64/Packages";
    let suite = directory.join("dists/stable");
    write_file(&suite.join(place), index.as_bytes());
    let release = format!(
        "Origin: Bench\nLabel: Bench\nSuite: stable\nCodename: stable\nArchitectures: amd64\n\
         Components: main\nDate: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n {} {} {place}\n",
        hex(&sha2::Sha256::digest(index.as_bytes())),
        index.len()
    );
    write_file(&suite.join("Release"), release.as_bytes());
}

fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
