//! What stands around what is fuzzed: sums that a fuzzer does not guess.

use std::io::Read;

/// Most that a stream may unpack to here.
const LIMIT: u64 = 1 << 20;

/// A tar archive by the fuzzer, in which only the checksums are made right.
#[must_use]
pub fn mended(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    let mut at = 0;
    while let Some(header) = tar.get_mut(at..at + 512) {
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = String::from_utf8_lossy(&header[124..135]);
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        at = at.saturating_add(512).saturating_add(size.min(1 << 30).next_multiple_of(512));
    }
    tar
}

/// A stream of deflate by the fuzzer, in a gzip file whose checksum is right.
#[must_use]
pub fn gz(deflated: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    let mut stream = flate2::bufread::DeflateDecoder::new(deflated);
    let _ = stream.by_ref().take(LIMIT).read_to_end(&mut inflated);
    let (used, rest) = deflated.split_at(deflated.len() - stream.into_inner().len());
    let mut crc = flate2::Crc::new();
    crc.update(&inflated);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    [&header, used, &crc.sum().to_le_bytes(), &crc.amount().to_le_bytes(), rest].concat()
}
