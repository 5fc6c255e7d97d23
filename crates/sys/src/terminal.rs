//! What is for a person at a terminal only: colours, and a bar while they wait. Nothing of either
//! is in a pipe or a log.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Characters of the bar itself.
const WIDTH: usize = 30;

/// The time for which nothing is shown. A task that takes no longer needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The interval at which the bar looks for something new to show.
const EVERY: Duration = Duration::from_millis(100);

/// Returns true when a stream takes colours: a terminal that is not a dumb one, unless `NO_COLOR`
/// is set to anything (<https://no-color.org>).
///
/// Colours say nothing that words do not say as well, so the environment may decide.
#[must_use]
pub fn takes_colours(stream: &impl IsTerminal) -> bool {
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    let dumb = ["", "dumb"].iter().any(|it| variable("TERM") == *it);
    variable("NO_COLOR").is_empty() && !dumb && stream.is_terminal()
}

/// A bar on standard error, if that is a terminal. It comes when something takes longer than a
/// second, and wipes itself out when it is dropped.
#[must_use]
pub struct Progress {
    done: Arc<AtomicUsize>,
    /// Dropped to end the thread
    going_on: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// The content of a bar.
struct Bar {
    label: &'static str,
    total: usize,
    done: Arc<AtomicUsize>,
}

impl Progress {
    /// A bar for so many packages. The `label` stands before it, where others write as well.
    pub fn of(label: &'static str, total: usize) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let mut progress = Self { done: Arc::clone(&done), going_on: None, thread: None };
        if total > 0 && io::stderr().is_terminal() {
            let (going_on, over) = channel();
            let bar = Bar { label, total, done };
            // Without a thread to spare there is no bar.
            progress.thread = std::thread::Builder::new().spawn(move || bar.show(&over)).ok();
            progress.going_on = Some(going_on);
        }
        progress
    }

    /// So many are done.
    pub fn at(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.going_on.take());
        // Whatever is written next must not get in between.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Bar {
    fn show(&self, over: &Receiver<Infallible>) {
        let mut shown = String::new();
        let mut patience = PATIENCE;
        while over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            patience = EVERY;
            let done = self.done.load(Ordering::Relaxed);
            let line = line(self.label, done, self.total, width());
            if line != shown {
                let _ = write!(io::stderr(), "\r{line:<0$}", shown.len());
                shown = line;
            }
        }
        if !shown.is_empty() {
            // With spaces, which every terminal understands.
            let _ = write!(io::stderr(), "\r{:1$}\r", "", shown.len());
        }
    }
}

/// The columns of the terminal. A line that is broken could not be wiped out.
fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns))
}

/// The bar, or what of it has room in `columns`, of which the last one stays free.
fn line(label: &str, done: usize, total: usize, columns: usize) -> String {
    let filled = (WIDTH * done.min(total)).checked_div(total).unwrap_or(WIDTH);
    // With trailing words, for no line may end in a number.
    let width = total.to_string().len();
    let noun = if total == 1 { "package" } else { "packages" };
    let count = format!("{done:>width$} of {total} {noun}");
    let bar = format!("[{:.<WIDTH$}] {count}", "#".repeat(filled));
    let lines = [format!("{label}{bar}"), format!("{label}{count}"), count];
    lines.into_iter().find(|it| it.len() < columns).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_keeps_its_length() {
        assert_eq!(line("", 0, 12, 80), format!("[{}]  0 of 12 packages", ".".repeat(30)));
        assert_eq!(
            line("a: ", 6, 12, 80),
            format!("a: [{}{}]  6 of 12 packages", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(line("", 12, 12, 80), format!("[{}] 12 of 12 packages", "#".repeat(30)));
        assert_eq!(line("", 0, 1, 80), format!("[{}] 0 of 1 package", ".".repeat(30)));
        assert_eq!(line("", 5, 0, 80).len(), "[] 5 of 0 packages".len() + 30);
    }

    #[test]
    fn a_narrow_terminal_has_less_of_it_and_none_that_breaks() {
        let whole = line("a: ", 6, 12, 80);
        assert_eq!(line("a: ", 6, 12, whole.len() + 1), whole);
        assert_eq!(line("a: ", 6, 12, whole.len()), "a:  6 of 12 packages");
        assert_eq!(line("a: ", 6, 12, 20), " 6 of 12 packages");
        assert_eq!(line("a: ", 6, 12, 10), "");
    }
}
