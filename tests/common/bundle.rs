//! Bundles of attestations as any program could make them: good ones and others.

use std::io::Write;

use super::{Deb, Key, sha256};

/// One entry of a tar archive, as its header says.
pub struct Entry {
    pub path: String,
    pub kind: u8,
    pub link: &'static str,
    pub content: Vec<u8>,
}

pub fn file(path: &str, content: &[u8]) -> Entry {
    Entry { path: path.to_owned(), kind: b'0', link: "", content: content.to_owned() }
}

pub fn odd(path: &str, kind: u8, link: &'static str) -> Entry {
    Entry { path: path.to_owned(), kind, link, content: Vec::new() }
}

/// The link of `deb`, where a tree has it.
pub fn attestation(deb: &Deb, key: &Key) -> Entry {
    let link = deb.link(key);
    file(&format!("{}/{}", deb.file_name(), sha256(&link)), &link)
}

/// A header as POSIX has it, written without a library that would refuse odd ones.
pub fn header(entry: &Entry, size: usize) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let (prefix, name) = match entry.path.split_once('/') {
        Some((prefix, name)) if entry.path.len() > 100 => (prefix, name),
        _ => ("", &*entry.path),
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0001750\0");
    put(116, b"0001750\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"15000000000\0");
    put(148, b"        ");
    put(156, &[entry.kind]);
    put(157, entry.link.as_bytes());
    put(257, b"ustar\x0000");
    put(265, b"somebody");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A tar archive without its end.
pub fn open_tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend(header(entry, entry.content.len()));
        bytes.extend(&entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

pub fn tar(entries: &[Entry]) -> Vec<u8> {
    [open_tar(entries), vec![0; 1024]].concat()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut stream = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    stream.write_all(bytes).unwrap();
    stream.finish().unwrap()
}

pub fn bundle(entries: &[Entry]) -> Vec<u8> {
    gzip(&tar(entries))
}
