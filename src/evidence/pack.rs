//! Writing bundles: the same attestations become the same bytes, on every machine.
//!
//! The caller gives the attestations sorted. Owner, times and modes are fixed. The compressor is
//! called by name: flate2 would use another one if some other crate asks for that, and the output
//! of that one depends on the processor.

use std::io::{self, Write};

use flate2::Crc;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{MZFlush, MZStatus};

use super::bundle::{LIST, MAX_ENTRIES, MAX_PACKED, MAX_UNPACKED};
use crate::sys::plain;
use crate::types::{ArtifactName, Sha256Digest};

/// Compression as `gzip -6`.
const LEVEL: i32 = 6;

/// Unpacked bytes after which reading can begin anew. Less would compress worse, more would make
/// looking for one attestation slower.
const APART: usize = 256 * 1024;

/// Magic, method, no name, no time, no hint, and an unknown system: nothing of this machine.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The reason for which a bundle cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be written.
    #[error("{}", plain(.0))]
    Write(#[from] io::Error),
    /// It is larger than readers accept.
    #[error("too much for one bundle: export a part of it, or a tree (an output that ends in /)")]
    TooMuch,
    /// The name of a package's file does not fit into a header.
    #[error("{0} is too long a name for a bundle")]
    Name(ArtifactName),
}

/// A bundle that is being written.
pub struct Packer<W> {
    output: W,
    compressor: Box<CompressorOxide>,
    buffer: Vec<u8>,
    crc: Crc,
    packed: usize,
    unpacked: u64,
    entries: usize,
    /// Unpacked bytes since the last point at which reading could begin
    since: usize,
}

impl<W: Write> Packer<W> {
    /// Begins a bundle.
    ///
    /// # Errors
    /// If nothing can be written.
    pub fn new(mut output: W) -> Result<Self, PackError> {
        output.write_all(&HEADER)?;
        // Without the header of zlib: a negative size of the window selects that.
        let flags = create_comp_flags_from_zip_params(LEVEL, -15, 0);
        Ok(Self {
            output,
            compressor: Box::new(CompressorOxide::new(flags)),
            buffer: vec![0; 64 * 1024],
            crc: Crc::new(),
            packed: HEADER.len(),
            unpacked: 0,
            entries: 0,
            since: 0,
        })
    }

    /// Adds the attestations about one artifact, and their list.
    ///
    /// # Errors
    /// If it does not fit, or cannot be written.
    pub fn add(
        &mut self,
        artifact: &ArtifactName,
        attestations: &[Vec<u8>],
    ) -> Result<(), PackError> {
        for attestation in attestations {
            self.file(artifact, &Sha256Digest::of(attestation).to_string(), attestation)?;
        }
        self.file(artifact, LIST, list(attestations).as_bytes())
    }

    fn file(
        &mut self,
        artifact: &ArtifactName,
        name: &str,
        content: &[u8],
    ) -> Result<(), PackError> {
        let too_long = |_| PackError::Name(artifact.clone());
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("{artifact}/{name}")).map_err(too_long)?;
        header.set_size(u64::try_from(content.len()).unwrap_or(u64::MAX));
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(PackError::TooMuch);
        }
        if self.since >= APART {
            self.compress(&[], MZFlush::Full)?;
            self.since = 0;
        }
        self.write(header.as_bytes())?;
        self.write(content)?;
        let padding = [0; 512];
        let missing = content.len().next_multiple_of(512) - content.len();
        self.write(padding.get(..missing).unwrap_or_default())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.crc.update(bytes);
        self.since += bytes.len();
        self.unpacked =
            self.unpacked.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.unpacked >= MAX_UNPACKED {
            return Err(PackError::TooMuch);
        }
        self.compress(bytes, MZFlush::None)
    }

    fn compress(&mut self, mut bytes: &[u8], flush: MZFlush) -> Result<(), PackError> {
        loop {
            let step = deflate(&mut self.compressor, bytes, &mut self.buffer, flush);
            let made = self.buffer.get(..step.bytes_written).unwrap_or_default();
            self.output.write_all(made)?;
            self.packed += made.len();
            if self.packed + 8 > MAX_PACKED {
                return Err(PackError::TooMuch);
            }
            bytes = bytes.get(step.bytes_consumed..).unwrap_or_default();
            let full = step.bytes_written == self.buffer.len();
            match step.status {
                Ok(MZStatus::StreamEnd) => return Ok(()),
                // There is nothing left to do.
                _ if bytes.is_empty() && !full && flush != MZFlush::Finish => return Ok(()),
                Ok(_) if step.bytes_written > 0 || step.bytes_consumed > 0 => {}
                _ => return Err(io::Error::other("the compressor got stuck").into()),
            }
        }
    }

    /// Ends the bundle and returns the output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> Result<W, PackError> {
        self.write(&[0; 1024])?;
        self.compress(&[], MZFlush::Finish)?;
        self.output.write_all(&self.crc.sum().to_le_bytes())?;
        self.output.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.output)
    }
}

/// Returns the list of these files, each named by its SHA-256, as sha256sum(1) writes it.
#[must_use]
pub fn list(attestations: &[Vec<u8>]) -> String {
    attestations
        .iter()
        .map(|attestation| Sha256Digest::of(attestation))
        .map(|sha256| format!("{sha256}  {sha256}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest;
    use crate::evidence::bundle::Bundle;

    /// Packages with one attestation each, of which every second is like the one before.
    fn all() -> Vec<(ArtifactName, Vec<u8>)> {
        let name = |n: usize| format!("package{n:04}_1.0_all.deb").parse().unwrap();
        let text = |n: usize| {
            let random: String = (0..40)
                .map(|at| Sha256Digest::of(format!("{} {at}", n / 2).as_bytes()).to_string())
                .collect();
            format!("{n} {random}").into_bytes()
        };
        (0..400).map(|n| (name(n), text(n))).collect()
    }

    fn packed() -> Vec<u8> {
        let mut packer = Packer::new(Vec::new()).unwrap();
        for (artifact, attestation) in all() {
            packer.add(&artifact, &[attestation]).unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn reading_can_begin_anew_every_256_kib() {
        let packed = packed();
        let flushes = memchr::memmem::find_iter(&packed, &[0, 0, 0xff, 0xff]).count();
        assert_eq!(flushes, 7);
        let bundle = Bundle::of_bytes(packed).unwrap();
        for (artifact, attestation) in all() {
            assert!(bundle.about(&artifact).unwrap() == [attestation], "{artifact}");
        }
    }

    /// Publishers of a bundle tell its hash, and others compare it. If a new version of the compressor
    /// writes other bytes, the change log must say so.
    #[test]
    fn the_bytes_of_a_bundle_are_these() {
        assert_eq!(
            Sha256Digest::of(&packed()).to_string(),
            "3ca4181223376de7cc90f7ba3a8e9b8ffcf52c791deca88c10b22eb8ce90df14"
        );
    }

    #[test]
    fn what_does_not_fit_into_a_bundle_is_not_written() {
        let long = format!("{}_{}_all.deb", "a".repeat(80), "1".repeat(80)).parse().unwrap();
        let mut packer = Packer::new(Vec::new()).unwrap();
        assert!(matches!(packer.add(&long, &[Vec::new()]), Err(PackError::Name(_))));
        let longest = format!("{}_{}_all.deb", "a".repeat(73), "1".repeat(73)).parse().unwrap();
        let mut packer = Packer::new(Vec::new()).unwrap();
        packer.add(&longest, &[b"x".to_vec()]).unwrap();
        let bundle = Bundle::of_bytes(packer.finish().unwrap()).unwrap();
        assert_eq!(bundle.about(&longest), Ok(vec![b"x".to_vec()]));
        let mut packer = Packer::new(std::io::sink()).unwrap();
        let many = vec![vec![b' '; attest::MAX_BYTES]; 512];
        assert!(matches!(packer.add(&longest, &many), Err(PackError::TooMuch)));
    }
}
