//! A note on the desktop in a Qubes VM, because its users do not read its journal.
//!
//! Qubes shows the desktop notifications (freedesktop.org) that a VM's session gets over its own
//! bus. dom0 is told nothing. A note that cannot be shown is left out without an error.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A file that every VM of Qubes has.
const MARKER: &str = "/usr/share/qubes/marker-vm";

/// The directory with the buses of the users who are logged in, by their user ids (systemd).
const SESSIONS: &str = "/run/user";

/// Sessions that are told at most.
const MAX_SESSIONS: usize = 4;

/// Tells the users who are logged in. No text from outside may be in `body`, because the program
/// that shows it interprets markup.
pub(super) fn desktop(body: &str) {
    if !nix::unistd::geteuid().is_root() || !Path::new(MARKER).exists() {
        return;
    }
    let Ok(sessions) = fs::read_dir(SESSIONS) else { return };
    for session in sessions.filter_map(Result::ok).take(MAX_SESSIONS) {
        if let Some(id) = session.file_name().to_str().and_then(|it| it.parse().ok()) {
            tell(id, &session.path().join("bus"), body);
        }
    }
}

/// Sends the note as that user, never as root: the bus is the user's, and so is the program that
/// answers there.
fn tell(uid: u32, bus: &Path, body: &str) {
    let Ok(there) = bus.symlink_metadata() else { return };
    if uid == 0 || there.uid() != uid || !there.file_type().is_socket() {
        return;
    }
    let mut address = OsString::from("unix:path=");
    address.push(bus);
    // A session that does not answer is not waited for.
    let _ = Command::new("/usr/bin/timeout")
        .args(["5", "/usr/bin/notify-send", "--app-name=apt-quorum", "--icon=dialog-warning"])
        .args(["--", "apt-quorum", body])
        .env_clear()
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .current_dir("/")
        // Clears the supplementary groups as well.
        .uid(uid)
        .gid(there.gid())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
