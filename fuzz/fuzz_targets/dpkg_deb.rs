//! Control archives that we accept, shown to the dpkg-deb and GNU tar of this machine. What they
//! read in them must be what we judged. They may refuse what we accept: then nothing is installed.
//!
//! Each accepted input starts some processes, so this target is a hundred times slower than others.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use apt_quorum::deb::examine;
use apt_quorum_fuzz::support::deb;
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("apt-quorum-fuzz-{}.deb", std::process::id()))
});

/// An archive of entries: which fields are changed and how, and what is in it.
fn archive(data: &[u8]) -> Vec<u8> {
    let mut entries = Vec::new();
    for part in data.split(|&byte| byte == 0xff) {
        let (fields, body) = part.split_at(part.len().min(8));
        let field = |at: usize| fields.get(at).copied().unwrap_or(b'0');
        let names =
            ["./control", "control", "./", "x", "control/", "./x/control", ".//control", ""];
        let name = names[usize::from(field(0)) % names.len()];
        let mut entry = deb::Entry::new(name, field(1));
        entry = match field(2) {
            b'u' => entry.ustar(b"00", ""),
            b'p' => entry.ustar(b"00", "./."),
            b'q' => entry.ustar(b"00", "x"),
            b'v' => entry.ustar(b" \0", "x"),
            b'7' => entry.v7(),
            _ => entry,
        };
        entry = entry.body(body);
        if field(3) != b'0' {
            entry = entry.with(124 + usize::from(field(3)) % 12, field(4));
        }
        if field(5) != b'0' {
            entry =
                entry.with(usize::from(field(5)) * 2 % 512 + usize::from(field(6) & 1), field(7));
        }
        entries.push(entry.build());
    }
    deb::tar(&entries)
}

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    let tar = match how % 2 {
        0 => archive(rest),
        _ => deb::tar(&[deb::file("./control", rest)]),
    };
    let package = match how / 2 % 3 {
        0 => deb::deb("control.tar", &tar),
        1 => deb::deb("control.tar.gz", &deb::gz(&tar)),
        _ => deb::deb("control.tar.xz", &deb::xz(&tar, 8)),
    };
    let file = examine(package.as_slice()).expect("memory is read without failures");
    let Ok(control) = file.control() else { return };
    fs::write(&*FILE, &package).unwrap();
    let seen = Command::new("dpkg-deb")
        .args(["--showformat", "${Package} ${Version} ${Architecture}", "--show"])
        .arg(&*FILE)
        .env("LC_ALL", "C")
        .stderr(Stdio::null())
        .output()
        .expect("dpkg-deb cannot be started");
    if seen.status.success() {
        let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
        // It reads the epoch as a number and writes none where that is 0; file names have none.
        let (version, plain) = (control.identity.version.as_str(), |epoch: &str| {
            epoch.trim_start_matches('0').to_owned()
        });
        let version = match version.split_once(':').map(|(epoch, rest)| (plain(epoch), rest)) {
            Some((epoch, rest)) if epoch.is_empty() => rest.to_owned(),
            Some((epoch, rest)) => format!("{epoch}:{rest}"),
            None => version.to_owned(),
        };
        let (package, architecture) = (&control.identity.package, &control.identity.architecture);
        let package = package.in_lower_case();
        let judged = format!("{package} {version} {architecture}");
        assert_eq!(judged, seen, "dpkg takes it for something else");
    }
});
