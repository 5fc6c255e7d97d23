//! What the fuzz targets share: fixed keys, archives, and readers so simple that one sees that
//! they are right, against which the real ones are held.

pub mod canonical;
pub mod naive;
#[path = "../../tests/support/mod.rs"]
pub mod support;
pub mod wrap;

use ed25519_dalek::SigningKey;
use support::Key;

/// The same key in every run, or a corpus would be worth nothing. It signs in tests only.
#[must_use]
pub fn fixed_key(number: u8) -> Key {
    Key(SigningKey::from_bytes(&[number; 32]))
}

/// The parts of an input, which bytes that stand in no UTF-8 text separate.
pub fn parts(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&byte| byte == 0xff)
}

/// Whether text has a character that a terminal could obey.
#[must_use]
pub fn has_control(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte < 0x20 || byte == 0x7f)
}

/// A reader that gives few bytes at once, as a pipe does.
pub struct Dripping<'a>(pub &'a [u8], pub usize);

impl std::io::Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.max(1).min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.0 = later;
        Ok(size)
    }
}
