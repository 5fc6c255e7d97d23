//! One compressed stream, and nothing behind it.
//!
//! Pure. Readers differ in what they make of a second stream: some go on, some stop. So there must
//! be none. Memory is bounded, and so is time for what comes out; how much that is, is for whoever
//! reads it to bound.

use std::cell::Cell;
use std::io::{self, Read};

/// Most memory that decompressing may take, in KiB. `xz -9` needs 65 MiB.
const MAX_XZ_MEMORY: u32 = 80 * 1024;

/// The number of bytes by which the input may exceed the output and an eighth of it. A stream can
/// consist of parts that hold nothing and that each take long: 60 MB of such parts took half a
/// minute.
const MAX_MORE: u64 = 1024 * 1024;

/// The largest number of bytes that is requested at once, so that the output is counted in time.
const STEP: usize = 64 * 1024;

/// A format of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all
    Plain,
    /// RFC 1952
    Gzip,
    /// The .xz file format
    Xz,
    /// RFC 8878
    Zstandard,
}

/// The reason that a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is damaged, or needs too much memory.
    Damaged,
    /// Something follows it.
    Trailing,
}

impl Compression {
    /// All of them, those that make the least of a text first.
    pub const ALL: [Self; 4] = [Self::Xz, Self::Zstandard, Self::Gzip, Self::Plain];

    /// The ending of the names of such files.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::Zstandard => ".zst",
        }
    }

    /// The one whose names end in exactly this.
    #[must_use]
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.suffix() == suffix)
    }

    /// The one of a file of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        // The last one has the empty suffix, which fits all.
        Self::ALL.into_iter().find(|it| name.ends_with(it.suffix())).unwrap_or(Self::Plain)
    }

    /// Gives what comes out of `input` to `read`, which reads to its end.
    ///
    /// # Errors
    /// The error of `read`, or else the fault in the stream or behind it.
    pub fn unpack<T, E: From<Fault>>(
        self,
        input: &mut impl Read,
        read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let flow = Flow::default();
        let mut from = CountedInput { inner: input, flow: &flow };
        match self {
            Self::Plain => read(from.inner),
            Self::Gzip => {
                let mut stream = flate2::bufread::GzDecoder::new(io::BufReader::new(from));
                let found = read(&mut CountedOutput { inner: &mut stream, flow: &flow })?;
                nothing_left(&mut stream.into_inner())?;
                Ok(found)
            }
            Self::Xz => {
                let mut stream = lzma_rust2::XzReader::new_mem_limit(from, false, MAX_XZ_MEMORY);
                let found = read(&mut CountedOutput { inner: &mut stream, flow: &flow })?;
                nothing_left(&mut stream.into_inner())?;
                Ok(found)
            }
            Self::Zstandard => {
                let mut stream = ruzstd::decoding::StreamingDecoder::new(&mut from)
                    .map_err(|_| Fault::Damaged)?;
                let found = read(&mut CountedOutput { inner: &mut stream, flow: &flow })?;
                nothing_left(&mut from)?;
                Ok(found)
            }
        }
    }
}

/// The number of bytes that went in and came out.
#[derive(Default)]
struct Flow {
    taken: Cell<u64>,
    given: Cell<u64>,
}

/// The input of a stream. Reading it fails where it yields too little output.
struct CountedInput<'a, R> {
    inner: &'a mut R,
    flow: &'a Flow,
}

impl<R: Read> Read for CountedInput<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        let taken = add(&self.flow.taken, got);
        let given = self.flow.given.get();
        let most = given.saturating_add(given / 8).saturating_add(MAX_MORE);
        if got > 0 && taken > most { Err(io::ErrorKind::InvalidData.into()) } else { Ok(got) }
    }
}

/// The output of a stream, which is counted.
struct CountedOutput<'a, R> {
    inner: &'a mut R,
    flow: &'a Flow,
}

impl<R: Read> Read for CountedOutput<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let step = buffer.len().min(STEP);
        let got = self.inner.read(buffer.get_mut(..step).unwrap_or_default())?;
        add(&self.flow.given, got);
        Ok(got)
    }
}

fn add(sum: &Cell<u64>, bytes: usize) -> u64 {
    let more = sum.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    sum.set(more);
    more
}

fn nothing_left(rest: &mut impl Read) -> Result<(), Fault> {
    match rest.read(&mut [0]) {
        Ok(0) => Ok(()),
        _ => Err(Fault::Trailing),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unpacked(bytes: &[u8]) -> Result<usize, Fault> {
        Compression::Gzip.unpack(&mut &*bytes, |text| {
            let mut all = Vec::new();
            text.read_to_end(&mut all).map_err(|_| Fault::Damaged)
        })
    }

    /// A stream of so many stored blocks that hold nothing (RFC 1951, 3.2.4).
    fn nothing(blocks: usize) -> Vec<u8> {
        let mut stream = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        stream.extend([0, 0, 0, 0xff, 0xff].repeat(blocks));
        stream.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        stream
    }

    #[test]
    fn a_stream_of_parts_that_hold_nothing_is_not_gone_through() {
        assert_eq!(unpacked(&nothing(10_000)), Ok(0));
        assert_eq!(unpacked(&nothing(1_000_000)), Err(Fault::Damaged));
    }

    #[test]
    fn what_cannot_be_made_smaller_is_unpacked_all_the_same() {
        // As good as noise.
        let mut state = 1_u64;
        let mut noise = Vec::new();
        while noise.len() < 8 << 20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.extend((state >> 33).to_le_bytes().iter().take(4));
        }
        let level = flate2::Compression::fast();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
        packed.write_all(&noise).unwrap();
        let mut packed = packed.finish().unwrap();
        assert!(packed.len() > noise.len() / 2);
        assert_eq!(unpacked(&packed), Ok(noise.len()));
        packed.push(0);
        assert_eq!(unpacked(&packed), Err(Fault::Trailing));
    }
}
