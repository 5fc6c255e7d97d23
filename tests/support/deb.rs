//! Packages in memory, well made and otherwise. Every header is written byte by byte, because
//! a library would refuse to write the ones that matter.

use std::io::Write;

use apt_quorum::types::Identity;

/// A package of this identity, as small as one can be.
pub fn package(identity: &Identity) -> Vec<u8> {
    let control = control_text(identity);
    deb("control.tar.gz", &gz(&tar(&[file("./control", control.as_bytes())])))
}

pub fn control_text(identity: &Identity) -> String {
    format!(
        "Package: {}\nVersion: {}\nArchitecture: {}\n\
         Maintainer: The tests <root@localhost>\nDescription: a package for tests\n",
        identity.package, identity.version, identity.architecture
    )
}

/// `hello 2.10-3 amd64`, the package that hostile ones claim to be.
pub fn hello() -> String {
    control_text(&super::identity("hello 2.10-3 amd64"))
}

/// A package with this control member.
pub fn deb(name: &str, control: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), (name, control), ("data.tar.gz", &gz(&tar(&[])))])
}

/// A package with an uncompressed control archive of these entries.
pub fn deb_of(entries: &[Vec<u8>]) -> Vec<u8> {
    deb("control.tar", &tar(entries))
}

pub fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, body) in members {
        out.extend(ar_member(name, &body.len().to_string(), body));
    }
    out
}

/// A member whose header says `size`, whatever it has.
pub fn ar_member(name: &str, size: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644");
    assert_eq!(header.len(), 60, "{name}");
    let padding: &[u8] = if body.len() % 2 == 1 { b"\n" } else { b"" };
    [header.as_bytes(), body, padding].concat()
}

/// Entries and the two empty blocks that end an archive.
pub fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut out = entries.concat();
    out.extend([0; 1024]);
    out
}

pub fn file(path: &str, body: &[u8]) -> Vec<u8> {
    Entry::new(path, b'0').body(body).build()
}

pub fn directory(path: &str) -> Vec<u8> {
    Entry::new(path, b'5').build()
}

/// One entry of a tar archive, every field of which can lie.
pub struct Entry {
    header: [u8; 512],
    body: Vec<u8>,
}

impl Entry {
    /// In the format of GNU tar, which dpkg-deb writes.
    pub fn new(path: &str, kind: u8) -> Self {
        let mut entry = Self { header: [0; 512], body: Vec::new() };
        entry.put(0, path.as_bytes());
        entry.put(100, b"0000644\0");
        entry.put(108, b"0000000\0");
        entry.put(116, b"0000000\0");
        entry.put(124, b"00000000000\0");
        entry.put(136, b"00000000000\0");
        entry.put(156, &[kind]);
        entry.put(257, b"ustar  \0");
        entry
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.header[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// In the format of POSIX, whose paths may have a prefix.
    pub fn ustar(mut self, version: &[u8; 2], prefix: &str) -> Self {
        self.put(257, b"ustar\0");
        self.put(263, version);
        self.put(345, prefix.as_bytes());
        self
    }

    /// In the format of 1979, without a magic number.
    pub fn v7(mut self) -> Self {
        self.put(257, &[0; 8]);
        self
    }

    pub fn link_to(mut self, target: &str) -> Self {
        self.put(157, target.as_bytes());
        self
    }

    /// The data, and its true size.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        let size = format!("{:011o}\0", body.len());
        self.put(124, size.as_bytes());
        self
    }

    /// The twelve bytes of the size field as they are to stand there.
    pub fn size(mut self, field: &[u8]) -> Self {
        self.put(124, &[0; 12]);
        self.put(124, field);
        self
    }

    /// One byte of the header changed.
    pub fn with(mut self, at: usize, byte: u8) -> Self {
        self.header[at] = byte;
        self
    }

    pub fn build(mut self) -> Vec<u8> {
        self.put(148, b"        ");
        let sum: u32 = self.header.iter().map(|&byte| u32::from(byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
        let mut out = self.header.to_vec();
        out.extend(&self.body);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }
}

pub fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An .xz file (its specification, version 1.1.0) that holds `bytes` uncompressed in LZMA2
/// chunks, and claims to need a dictionary of the size that `dictionary` encodes: 8 is 64 KiB,
/// 40 is 4 GiB.
pub fn xz(bytes: &[u8], dictionary: u8) -> Vec<u8> {
    const FLAGS: [u8; 2] = [0, 0]; // no check over the data
    let mut out = b"\xfd7zXZ\0".to_vec();
    out.extend(FLAGS);
    out.extend(crc32(&FLAGS));

    let mut block = vec![2, 0, 0x21, 1, dictionary, 0, 0, 0]; // 12 bytes with the CRC
    block.extend(crc32(&block));
    for (at, chunk) in bytes.chunks(0x1_0000).enumerate() {
        block.push(if at == 0 { 1 } else { 2 });
        block.extend(u16::try_from(chunk.len() - 1).unwrap().to_be_bytes());
        block.extend(chunk);
    }
    block.push(0);
    let unpadded = block.len();
    block.resize(unpadded.next_multiple_of(4), 0);
    out.extend(&block);

    let mut index = vec![0, 1];
    index.extend(xz_number(unpadded));
    index.extend(xz_number(bytes.len()));
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend(crc32(&index));
    out.extend(&index);

    let backward = u32::try_from(index.len() / 4 - 1).unwrap().to_le_bytes();
    let footer = [backward.as_slice(), &FLAGS].concat();
    out.extend(crc32(&footer));
    out.extend(&footer);
    out.extend(b"YZ");
    out
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

/// Seven bits a byte, the least significant first.
fn xz_number(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
    out
}

/// A Zstandard frame (RFC 8878) of raw blocks. `window` is the byte that says how much memory
/// unpacking needs: 0x38 is 128 KiB, 0xff more than 3 TiB.
pub fn zst(bytes: &[u8], window: u8) -> Vec<u8> {
    let mut out = zst_header(window);
    let mut chunks = bytes.chunks(0x1_0000).peekable();
    while let Some(chunk) = chunks.next() {
        out.extend(zst_block(chunks.peek().is_none(), 0, chunk.len()));
        out.extend(chunk);
    }
    out
}

/// A frame that unpacks to `blocks` times 128 KiB of `byte`, at four bytes each.
pub fn zst_bomb(blocks: usize, byte: u8) -> Vec<u8> {
    let mut out = zst_header(0x38);
    for at in 1..=blocks {
        out.extend(zst_block(at == blocks, 1, 0x2_0000));
        out.push(byte);
    }
    out
}

fn zst_header(window: u8) -> Vec<u8> {
    vec![0x28, 0xb5, 0x2f, 0xfd, 0, window]
}

fn zst_block(last: bool, kind: usize, size: usize) -> Vec<u8> {
    let header = (size << 3) | (kind << 1) | usize::from(last);
    header.to_le_bytes()[..3].to_vec()
}
