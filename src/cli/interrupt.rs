//! Ctrl-C while a question waits for its answer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigSet, Signal};

/// Waits for Ctrl-C (SIGINT) or SIGTERM beside everything else that this process does.
#[derive(Debug)]
pub struct Watch {
    /// Held by whoever must not be interrupted
    uninterrupted: Arc<Mutex<()>>,
}

impl Watch {
    /// Has the signals end this process with `code`, after `last` was called. They are taken by a
    /// thread of their own, so `last` can write and lock as it likes. To be called before any
    /// other thread is started.
    ///
    /// # Errors
    /// If the system has no thread to spare.
    pub fn begin(code: u8, last: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().map_err(io::Error::from)?;
        let watch = Self { uninterrupted: Arc::default() };
        let uninterrupted = Arc::clone(&watch.uninterrupted);
        std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            if signals.wait().is_ok() {
                let _held = uninterrupted.lock().unwrap_or_else(PoisonError::into_inner);
                last();
                std::process::exit(i32::from(code));
            }
        })?;
        Ok(watch)
    }

    /// As long as what comes back lives, the signals wait.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.uninterrupted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
