//! One gzip stream (RFC 1952), read from any source that can be read at an offset.
//!
//! In addition to its bytes it gives points at which reading can begin anew. After a full flush,
//! which ends in an empty stored block, the next block may need nothing from before. If it does
//! need that, reading from there gives wrong bytes. So the user of such a point compares a hash.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::MAX_PACKED;

/// Compressed bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Longest header that is read, with the name that gzip(1) writes in it.
const MAX_HEADER: usize = 1024;

/// The bytes that end a full flush: length and complement of an empty stored block.
const FLUSHED: &[u8] = &[0, 0, 0xff, 0xff];

/// Least distance of two points, in unpacked bytes.
const APART: u64 = 128 * 1024;

/// The compressed bytes.
#[derive(Debug)]
pub(super) enum Store {
    /// On disk; other users may be able to change it.
    File(File),
    /// In memory.
    Memory(Vec<u8>),
}

impl Store {
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => loop {
                match file.read_at(into, at) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result,
                }
            },
            Self::Memory(bytes) => {
                let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
                let rest = rest.unwrap_or_default();
                let count = rest.len().min(into.len());
                if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count)) {
                    to.copy_from_slice(from);
                }
                Ok(count)
            }
        }
    }

    /// Fills `into` as far as there are bytes.
    fn fill_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, at.saturating_add(to_u64(filled)))? {
                0 => break,
                got => filled += got,
            }
        }
        Ok(filled)
    }
}

/// A point at which reading can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// The number of compressed bytes before it
    packed: u64,
    /// The number of unpacked bytes before it
    pub(super) unpacked: u64,
}

/// The unpacked bytes of a gzip stream.
pub(super) struct Inflate<'a> {
    store: &'a Store,
    decoder: Decompress,
    piece: Vec<u8>,
    /// The part of the piece that was not read yet
    rest: Range<usize>,
    /// The offset of the end of the piece in the compressed bytes
    at: u64,
    /// The point at which decoding began
    start: Point,
    crc: Crc,
    points: Vec<Point>,
    state: StreamState,
}

#[derive(PartialEq, Eq)]
enum StreamState {
    Within,
    /// The last block was read.
    Ended,
}

impl<'a> Inflate<'a> {
    /// Begins at the start of the stream.
    ///
    /// # Errors
    /// If it is no gzip stream, or cannot be read.
    pub(super) fn new(store: &'a Store) -> io::Result<Self> {
        let start = Point { packed: header_length(store)?, unpacked: 0 };
        Ok(Self { points: vec![start], ..Self::from(store, start) })
    }

    /// Begins at a point that [`Self::finish`] gave.
    pub(super) fn from(store: &'a Store, start: Point) -> Self {
        Self {
            store,
            decoder: Decompress::new(false),
            piece: vec![0; PIECE],
            rest: 0..0,
            at: start.packed,
            start,
            crc: Crc::new(),
            points: Vec::new(),
            state: StreamState::Within,
        }
    }

    /// Ends reading after the last byte. Checks that this was the end of a whole stream and that
    /// nothing follows it. Returns the points at which reading can begin.
    ///
    /// # Errors
    /// If the stream is damaged, or something follows it.
    pub(super) fn finish(mut self) -> io::Result<Vec<Point>> {
        if self.state != StreamState::Ended {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut trailer = [0; 9];
        let end = self.start.packed.saturating_add(self.decoder.total_in());
        let got = self.store.fill_at(&mut trailer, end)?;
        let [c0, c1, c2, c3, s0, s1, s2, s3, _] = trailer;
        let sizes_agree = u32::from_le_bytes([s0, s1, s2, s3]) == self.crc.amount();
        match got {
            0..8 => Err(ErrorKind::UnexpectedEof.into()),
            8 if u32::from_le_bytes([c0, c1, c2, c3]) == self.crc.sum() && sizes_agree => {
                Ok(std::mem::take(&mut self.points))
            }
            8 => Err(ErrorKind::InvalidData.into()),
            // gzip(1) and others would continue with a second stream.
            _ => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    /// Returns the compressed bytes up to the next point at which reading could begin anew.
    fn next_piece(&mut self) -> io::Result<Range<usize>> {
        if self.rest.is_empty() {
            // The file may grow while it is read.
            if self.at > to_u64(MAX_PACKED) {
                return Err(ErrorKind::InvalidData.into());
            }
            let got = self.store.read_at(&mut self.piece, self.at)?;
            self.at = self.at.saturating_add(to_u64(got));
            self.rest = 0..got;
        }
        let piece = self.piece.get(self.rest.clone()).unwrap_or_default();
        let length =
            memchr::memmem::find(piece, FLUSHED).map_or(piece.len(), |at| at + FLUSHED.len());
        Ok(self.rest.start..self.rest.start + length)
    }

    /// Notes the current point, if reading may begin there.
    fn note(&mut self) {
        let here = Point {
            packed: self.start.packed.saturating_add(self.decoder.total_in()),
            unpacked: self.start.unpacked.saturating_add(self.decoder.total_out()),
        };
        let last = self.points.last().map_or(0, |point| point.unpacked);
        if here.unpacked.saturating_sub(last) >= APART {
            self.points.push(here);
        }
    }
}

impl Read for Inflate<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.state == StreamState::Within {
            let before = (self.decoder.total_in(), self.decoder.total_out());
            let piece = self.next_piece()?;
            let piece = self.piece.get(piece).unwrap_or_default();
            let (offered, flushed) = (piece.len(), piece.ends_with(FLUSHED));
            let status = self.decoder.decompress(piece, into, FlushDecompress::None);
            let status = status.map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
            let taken = to_usize(self.decoder.total_in() - before.0);
            let given = to_usize(self.decoder.total_out() - before.1);
            self.rest.start += taken;
            if let Some(unpacked) = into.get(..given) {
                self.crc.update(unpacked);
            }
            if status == Status::StreamEnd {
                self.state = StreamState::Ended;
            } else if flushed && taken == offered && given < into.len() {
                self.note();
            }
            if given > 0 {
                return Ok(given);
            }
            if self.state == StreamState::Within && taken == 0 {
                let why =
                    if offered == 0 { ErrorKind::UnexpectedEof } else { ErrorKind::InvalidData };
                return Err(why.into());
            }
        }
        Ok(0)
    }
}

/// Returns the length of the stream's header, in bytes.
fn header_length(store: &Store) -> io::Result<u64> {
    let mut header = [0; MAX_HEADER];
    let got = store.fill_at(&mut header, 0)?;
    let header = header.get(..got).unwrap_or_default();
    let none = || io::Error::from(ErrorKind::InvalidInput);
    // Magic and method; then the flags, of which the three highest are reserved; then a time and
    // two bytes that tell nothing.
    let (&[0x1f, 0x8b, 8, flags], _) = header.split_first_chunk::<4>().ok_or_else(none)? else {
        return Err(none());
    };
    let mut at = 10;
    if flags & 0xe0 != 0 {
        return Err(none());
    }
    if flags & 4 != 0 {
        let (length, _) = header.get(at..).and_then(<[u8]>::split_first_chunk).ok_or_else(none)?;
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let rest = header.get(at..).ok_or_else(none)?;
            at += memchr::memchr(0, rest).ok_or_else(none)? + 1;
        }
    }
    let before = header.get(..at).ok_or_else(none)?;
    if flags & 2 != 0 {
        // The lower half of the checksum of all bytes before (RFC 1952 section 2.3.1). Some readers
        // refuse the file because of it, so it must be right.
        let (told, _) = header.get(at..).and_then(<[u8]>::split_first_chunk).ok_or_else(none)?;
        let mut crc = Crc::new();
        crc.update(before);
        if u32::from(u16::from_le_bytes(*told)) != crc.sum() & 0xffff {
            return Err(none());
        }
        at += 2;
    }
    Ok(to_u64(at))
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
