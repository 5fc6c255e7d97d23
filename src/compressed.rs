//! One compressed stream, and nothing behind it.
//!
//! Pure. Readers differ in what they make of a second stream: some go on, some stop. So there must
//! be none. Memory is bounded; how much comes out is for whoever reads it to bound.

use std::io::{self, Read};

/// Most memory that decompressing may take, in KiB. `xz -9` needs 65 MiB.
const MAX_XZ_MEMORY: u32 = 80 * 1024;

/// How something is compressed.
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

/// Why a stream is not taken.
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

    /// What names of such files end in.
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
    /// What `read` says, or else what is wrong with the stream or behind it.
    pub fn unpack<T, E: From<Fault>>(
        self,
        input: &mut impl Read,
        read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Plain => read(input),
            Self::Gzip => {
                let mut stream = flate2::bufread::GzDecoder::new(io::BufReader::new(input));
                let found = read(&mut stream)?;
                nothing_left(&mut stream.into_inner())?;
                Ok(found)
            }
            Self::Xz => {
                let mut stream = lzma_rust2::XzReader::new_mem_limit(input, false, MAX_XZ_MEMORY);
                let found = read(&mut stream)?;
                nothing_left(stream.into_inner())?;
                Ok(found)
            }
            Self::Zstandard => {
                let mut input = input;
                let mut stream = ruzstd::decoding::StreamingDecoder::new(&mut input)
                    .map_err(|_| Fault::Damaged)?;
                let found = read(&mut stream)?;
                nothing_left(&mut input)?;
                Ok(found)
            }
        }
    }
}

fn nothing_left(rest: &mut impl Read) -> Result<(), Fault> {
    match rest.read(&mut [0]) {
        Ok(0) => Ok(()),
        _ => Err(Fault::Trailing),
    }
}
