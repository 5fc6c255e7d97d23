//! A note on the desktop in a Qubes VM, whose journal nobody reads.
//!
//! Qubes shows what a VM's session is told over its own bus (the desktop notifications of
//! freedesktop.org), so that is the way; dom0 is told nothing. Best effort: what does not work
//! is left out.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::audit::{Change, Changes};

/// There in every VM of Qubes.
const MARKER: &str = "/usr/share/qubes/marker-vm";

/// Where systemd keeps the buses of those who are logged in, by their user ids.
const SESSIONS: &str = "/run/user";

/// Sessions that are told at most.
const MAX_SESSIONS: usize = 4;

/// Tells whoever is logged in what is worse than before.
pub(super) fn desktop(changes: &Changes) {
    let worse = changes.changes.iter().filter(|it| it.is_bad()).count();
    if worse == 0 || !nix::unistd::geteuid().is_root() || !Path::new(MARKER).exists() {
        return;
    }
    let conflicts = changes.changes.iter().any(|it: &Change| !it.conflicts.is_empty());
    let body = body(worse, conflicts);
    let Ok(sessions) = fs::read_dir(SESSIONS) else { return };
    for session in sessions.filter_map(Result::ok).take(MAX_SESSIONS) {
        if let Some(id) = session.file_name().to_str().and_then(|it| it.parse().ok()) {
            tell(id, &session.path().join("bus"), &body);
        }
    }
}

/// No text from outside is in it: what it is shown by takes markup.
fn body(worse: usize, conflicts: bool) -> String {
    let what = match worse {
        1 => "1 package stands worse than before".to_owned(),
        _ => format!("{worse} packages stand worse than before"),
    };
    let alarm = if conflicts {
        ", and an operator signed a different file under the same name"
    } else {
        ""
    };
    format!("{what}{alarm}. See: journalctl -u apt-quorum-audit")
}

/// As that user, never as root: the bus is the user's, and so is who answers there.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_how_many_and_whether_it_is_an_alarm() {
        assert_eq!(
            body(1, false),
            "1 package stands worse than before. See: journalctl -u apt-quorum-audit"
        );
        assert!(body(3, true).starts_with("3 packages stand worse than before, and an operator"));
    }
}
