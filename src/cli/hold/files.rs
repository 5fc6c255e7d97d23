//! The files of holding back: apt's pins, the record, and the line that the gate shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::apt::configuration::Configuration;
use crate::cli::output::about;
use crate::cli::simulate::preferences_directory;
use crate::cli::world::Stop;
use crate::hold::{self, HeldRecord, Pin};
use crate::hook::HELD_LINE;
use crate::receipt;
use crate::sys::files::{Lock, PreparedFile, sync_directory};
use crate::sys::plain;

/// The file that keeps two refreshes from working at the same time, below `APT::Quorum::State`.
const LOCK: &str = "hold.lock";

/// The time for which another refresh is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places of the files.
pub(in crate::cli) struct HoldFiles {
    pub(in crate::cli) state: PathBuf,
    /// apt's pins
    pub(super) pins: PathBuf,
}

impl HoldFiles {
    pub(in crate::cli) fn of(apt: &Configuration) -> Self {
        Self {
            state: apt.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY),
            pins: preferences_directory(apt).join(hold::FILE),
        }
    }

    /// Returns true if an earlier refresh left something. Each is looked for: with the pins deleted by
    /// hand, the line would go on telling of them.
    pub(super) fn any(&self) -> bool {
        self.pins.exists() || self.state.join(HELD_LINE).exists()
    }

    /// Waits until no other refresh is at work.
    pub(super) fn lock(&self) -> Result<Lock, Stop> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Stop::refused(
                "only root can hold packages back. Run it as root, or with sudo.",
            ));
        }
        let path = self.state.join(LOCK);
        let started = Instant::now();
        let failed = |error: io::Error| Stop::wrong(about(&path, &plain(&error)));
        fs::create_dir_all(&self.state).map_err(failed)?;
        loop {
            match Lock::take(&path) {
                Ok(lock) => return Ok(lock),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(failed(error));
                }
                Err(_) if started.elapsed() > PATIENCE => {
                    return Err(Stop::silent(
                        "another apt-quorum hold is at work. Try again later.",
                    ));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Writes the pins, the record and the line. First the record: what is pinned is always
    /// explained.
    pub(super) fn write(
        &self,
        record: &HeldRecord,
        pins: &BTreeMap<Pin, String>,
    ) -> Result<(), Stop> {
        let failed = |path: &Path, error: &io::Error| {
            Stop::wrong(format!("cannot write {}", about(path, &plain(error))))
        };
        let place = |path: &Path, prepared: io::Result<PreparedFile>| {
            prepared.and_then(PreparedFile::place_over).map_err(|error| failed(path, &error))
        };
        place(&self.state.join(hold::STATE), record.prepare(&self.state))?;
        let line = self.state.join(HELD_LINE);
        match record.line() {
            Some(text) => place(&line, PreparedFile::write(&line, format!("{text}\n").as_bytes()))?,
            None => remove(&line).map_err(|error| failed(&line, &error))?,
        }
        if pins.is_empty() {
            remove(&self.pins).map_err(|error| failed(&self.pins, &error))?;
        } else {
            let named: BTreeSet<&Pin> = pins.keys().collect();
            let explain = |pin: &Pin| pins.get(pin).cloned().unwrap_or_default();
            let text = hold::preferences(named, explain);
            if let Some(directory) = self.pins.parent() {
                fs::create_dir_all(directory).map_err(|error| failed(directory, &error))?;
            }
            // A hidden file beside it, for which apt does not look.
            place(&self.pins, PreparedFile::write(&self.pins, text.as_bytes()))?;
        }
        for directory in [Some(self.state.as_path()), self.pins.parent()].into_iter().flatten() {
            if directory.exists() {
                sync_directory(directory).map_err(|error| failed(directory, &error))?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
