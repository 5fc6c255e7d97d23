//! Tells the system's log about decisions: systemd's journal, or syslog where there is none.
//!
//! For people, and for programs that watch logs. No decision depends on it, nothing waits for it,
//! and a lost message changes nothing. It is no evidence either: every user can write such
//! messages. The receipts record what an installation rests on.

mod message;

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::apt::configuration::Configuration;
use crate::policy::{Basis, Decision};
use crate::report::{Entrance, Record};
use crate::sys::is_in_a_chroot;
use message::LogMessage;

/// The socket of the journal (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The socket of syslog (syslog(3)).
const SYSLOG: &str = "/dev/log";

/// The log of this system, or none.
///
/// Must be opened before the process confines itself. After that, it only writes to the open
/// socket.
#[derive(Debug, Default)]
pub struct Log(Option<Daemon>);

/// The daemon that takes the messages.
#[derive(Debug)]
enum Daemon {
    Journal(UnixDatagram),
    Syslog(UnixDatagram),
}

impl Log {
    /// Opens the log of this system. Returns an empty log, which is no error, if no daemon listens,
    /// in a chroot, and where `apt` works on another system than this one. Decisions for an image
    /// that is being built are no news about the machine that builds it.
    #[must_use]
    pub fn open(apt: &Configuration) -> Self {
        if is_elsewhere(apt) || is_in_a_chroot() {
            return Self::default();
        }
        Self::at(Path::new(JOURNAL), Path::new(SYSLOG))
    }

    fn at(journal: &Path, syslog: &Path) -> Self {
        let journal = connect(journal).map(Daemon::Journal);
        Self(journal.or_else(|| connect(syslog).map(Daemon::Syslog)))
    }

    /// Sends a decision: one message, and one more if a rebuilder signed another file.
    pub fn decided(&self, decision: &Decision, record: &Record) {
        self.send(LogMessage::of(decision, record));
    }

    /// Sends a decision about a package that goes into an image, unless the package is confirmed
    /// without a conflict. The image has its own receipts, and hundreds of confirmed packages are
    /// no news here.
    pub fn decided_for_an_image(&self, decision: &Decision, record: &Record) {
        let is_confirmed =
            matches!(decision, Decision::Admit(it) if matches!(it.basis(), Basis::Quorum));
        if !is_confirmed || !record.report.conflicts.is_empty() {
            self.decided(decision, record);
        }
    }

    /// Sends the reason for which nothing passed, whatever was decided, or for which nothing could
    /// be decided.
    pub fn nothing_passed(&self, entrance: Entrance, why: &str) {
        self.send([LogMessage::of_trouble(entrance, why)]);
    }

    /// Sends a sentence about packages that are held back. `is_alarm`: one is held for too long.
    pub fn held_back(&self, text: &str, is_alarm: bool) {
        self.send([LogMessage::of_held(text, is_alarm)]);
    }

    /// Sends messages. A message that the daemon does not take at once is lost: a log must not
    /// delay packages.
    fn send(&self, entries: impl IntoIterator<Item = LogMessage>) {
        for entry in entries {
            let _ = match &self.0 {
                None => return,
                Some(Daemon::Journal(socket)) => socket.send(&entry.for_the_journal()),
                Some(Daemon::Syslog(socket)) => socket.send(&entry.for_syslog()),
            };
        }
    }
}

/// Opens a socket that never waits.
fn connect(path: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(path).ok()?;
    Some(socket)
}

/// Returns true when apt was told to work on another system.
fn is_elsewhere(apt: &Configuration) -> bool {
    let items = ["RootDir", "Dir", "DPkg::Chroot-Directory"];
    let other = |it: &str| Path::new(it) != Path::new("/");
    items.iter().any(|item| apt.find(item).is_some_and(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Reason, Refusal};

    fn refusal() -> (Decision, Record) {
        let reason = Reason::Unreadable { why: "why\nnot".to_owned() };
        let decision = Decision::Refuse(Refusal::unjudged(None, reason));
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let path = Path::new("/a\nPRIORITY=0.deb");
        let record = Record::of(&decision, Entrance::Hook, path, None, now);
        (decision, record)
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = vec![0; 1 << 17];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_journal_comes_first_and_syslog_where_there_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (journal, syslog) = (directory.path().join("journal"), directory.path().join("syslog"));
        let (decision, record) = refusal();
        // No daemon listens.
        Log::at(&journal, &syslog).decided(&decision, &record);
        let syslogd = UnixDatagram::bind(&syslog).unwrap();
        Log::at(&journal, &syslog).decided(&decision, &record);
        assert!(received(&syslogd).starts_with("<84>apt-quorum["));
        let journald = UnixDatagram::bind(&journal).unwrap();
        let log = Log::at(&journal, &syslog);
        log.decided(&decision, &record);
        log.nothing_passed(Entrance::Dpkg, "why");
        assert!(received(&journald).starts_with("MESSAGE="));
        assert!(received(&journald).contains("APT_QUORUM_ENTRANCE=dpkg\n"));
        syslogd.set_nonblocking(true).unwrap();
        assert!(syslogd.recv(&mut [0]).is_err(), "both were told");
        // The journal ended, and its socket remained.
        drop(journald);
        log.decided(&decision, &record);
        Log::at(&journal, &syslog).decided(&decision, &record);
        assert!(received(&syslogd).starts_with("<84>"));
    }

    #[test]
    fn a_socket_that_nobody_reads_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let silent = UnixDatagram::bind(&path).unwrap();
        let log = Log::at(&path, &path);
        let (decision, record) = refusal();
        // A full queue makes others wait (unix(7), `max_dgram_qlen`).
        for _ in 0..5_000 {
            log.decided(&decision, &record);
        }
        silent.set_nonblocking(true).unwrap();
        let taken = std::iter::from_fn(|| silent.recv(&mut [0]).ok()).count();
        assert!((1..5_000).contains(&taken), "{taken}");
    }

    #[test]
    fn what_is_decided_for_another_system_is_not_told() {
        for (item, expected) in [
            ("", false),
            ("Dir=/", false),
            ("RootDir=/", false),
            ("RootDir=", false),
            ("Dir=/mnt/", true),
            ("RootDir=/mnt", true),
            ("DPkg::Chroot-Directory=/mnt", true),
        ] {
            let mut apt = Configuration::default();
            apt.add(item);
            assert_eq!(is_elsewhere(&apt), expected, "{item}");
        }
    }
}
