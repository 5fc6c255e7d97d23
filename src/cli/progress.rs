//! A bar for people who wait. Only on a terminal: nothing of it is in a pipe or a log.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Characters of the bar itself.
const WIDTH: usize = 30;

/// How often it is drawn again.
const EVERY: Duration = Duration::from_millis(100);

/// A bar on standard error. It wipes itself out when it is dropped.
pub(super) struct Progress {
    total: usize,
    drawn: Option<(Instant, usize)>,
    shown: bool,
}

impl Progress {
    pub(super) fn of(total: usize) -> Self {
        Self { total, drawn: None, shown: io::stderr().is_terminal() && total > 0 }
    }

    /// So many are done.
    pub(super) fn at(&mut self, done: usize) {
        let due = self.drawn.is_none_or(|(when, _)| when.elapsed() >= EVERY);
        if !self.shown || !due {
            return;
        }
        let line = line(done, self.total);
        let _ = write!(io::stderr(), "\r{line}");
        self.drawn = Some((Instant::now(), line.len()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((_, length)) = self.drawn {
            let _ = write!(io::stderr(), "\r{:length$}\r", "");
        }
    }
}

fn line(done: usize, total: usize) -> String {
    let filled = (WIDTH * done.min(total)).checked_div(total).unwrap_or(WIDTH);
    // With trailing words, for no line may end in a number.
    let width = total.to_string().len();
    format!("[{:.<WIDTH$}] {done:>width$} of {total} packages", "#".repeat(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_keeps_its_length() {
        assert_eq!(line(0, 12), format!("[{}]  0 of 12 packages", ".".repeat(30)));
        assert_eq!(
            line(6, 12),
            format!("[{}{}]  6 of 12 packages", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(line(12, 12), format!("[{}] 12 of 12 packages", "#".repeat(30)));
        assert_eq!(line(5, 0).len(), "[] 5 of 0 packages".len() + 30);
    }
}
