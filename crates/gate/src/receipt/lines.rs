//! Receipts as lines.

use std::io::{BufRead, BufReader, Read};

/// Longest line that is read, in bytes. Longer ones are skipped.
const MAX_LINE: u64 = 1024 * 1024;

/// Hands over whole lines. Of a line that is longer than may be read, the rest is skipped.
pub fn each_line(text: impl Read, mut each: impl FnMut(&[u8])) {
    each_line_at(text, |_, line| each(line));
}

/// Hands over whole lines as [`each_line`] does, each with the offset at which it begins.
pub fn each_line_at(text: impl Read, mut each: impl FnMut(u64, &[u8])) {
    let mut lines = BufReader::new(text);
    let mut line = Vec::new();
    let mut whole = true;
    let mut at = 0_u64;
    while lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).is_ok_and(|got| got > 0) {
        let ends = line.ends_with(b"\n");
        if whole {
            each(at, &line);
        }
        whole = ends;
        at = at.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        line.clear();
    }
}
