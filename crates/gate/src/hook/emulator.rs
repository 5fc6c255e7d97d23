//! dpkg under qemu-user, the emulator for programs of other architectures.
//!
//! Then the emulator is the process that called us, and its command line contains dpkg's: the
//! emulator, the program, and the program's arguments. If the kernel started it by binfmt_misc with
//! the flag `P`, the name by which dpkg was called is in between
//! (Documentation/admin-guide/binfmt-misc.rst). Any other word before the program is an option of
//! the emulator, which could make dpkg see other files than we do. The emulator's environment could
//! do the same, and so could a directory that it lays over the root (`QEMU_LD_PREFIX`; `path()` in
//! QEMU's util/path.c). The hook refuses all of these.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::sys::files::read_at_most;

/// The prefix of the names of all emulators.
const NAME: &[u8] = b"qemu-";

/// The prefix of the environment variables that emulators read.
const VARIABLE: &[u8] = b"QEMU_";

/// The directories that emulators lay over the root by default, if they exist: Debian's default and
/// QEMU's own.
const OVERLAYS: [&str; 2] = ["/etc/qemu-binfmt", "/usr/gnemul"];

/// Longest environment that is read, in bytes: twice what Linux passes on.
const MAX_ENVIRONMENT: usize = 16 * 1024 * 1024;

/// An emulated program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Emulated {
    /// Its file, as the emulator was told
    pub program: PathBuf,
    /// The name by which it was called, if the kernel passed one on
    pub called: Option<PathBuf>,
    /// The program's arguments, without its name
    pub arguments: Vec<Vec<u8>>,
}

/// Returns true when a file with this name is an emulator.
pub(super) fn is_emulator(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name.as_bytes().starts_with(NAME))
}

/// Parses the command line of an emulator (without its own name).
///
/// dpkg reads options up to the first word that is none, and the option for its action is among
/// them. So the first word for dpkg is an option, and a word before that is dpkg's name.
///
/// # Errors
/// The reason for which the line is ambiguous, as the rest of a sentence.
pub(super) fn emulated(words: Vec<Vec<u8>>) -> Result<Emulated, &'static str> {
    let mut rest = words.into_iter().peekable();
    let is_option = |word: &Vec<u8>| word.starts_with(b"-");
    let path = |word: Vec<u8>| PathBuf::from(OsStr::from_bytes(&word));
    let program = rest.next_if(|word| !is_option(word)).map(path);
    let program = program.ok_or("it was given options")?;
    let called = rest.next_if(|word| !is_option(word)).map(path);
    if rest.peek().is_none_or(|word| !is_option(word)) {
        return Err("dpkg's own command line cannot be recognized");
    }
    Ok(Emulated { program, called, arguments: rest.collect() })
}

/// Returns the arguments (without its name) of the dpkg that `process` emulates. The process works
/// in `directory` and was called with `words` (without its own name).
///
/// # Errors
/// If it is not dpkg, or dpkg could see other files than we do: the rest of a sentence.
pub(super) fn told(
    process: &Path,
    directory: &Path,
    words: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, String> {
    let Emulated { program, called, arguments } = emulated(words)?;
    let real = fs::canonicalize(directory.join(&program)).unwrap_or_default();
    if !is_dpkg(&program) || !is_dpkg(&real) {
        return Err("the program that it runs is not dpkg".to_owned());
    }
    // The word that is taken for the name must not be an archive.
    if let Some(called) = called {
        let file = fs::canonicalize(directory.join(&called));
        if !is_dpkg(&called) || file.is_ok_and(|file| file != real) {
            return Err("dpkg's own command line cannot be recognized".to_owned());
        }
    }
    if is_set_in_environment(process).unwrap_or(true) {
        return Err("its environment has settings for it (QEMU_...)".to_owned());
    }
    match OVERLAYS.iter().find(|overlay| fs::symlink_metadata(overlay).is_ok()) {
        Some(overlay) => Err(format!("it may show dpkg other files, from {overlay}")),
        None => Ok(arguments),
    }
}

fn is_dpkg(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "dpkg")
}

/// Returns true when the environment that a process was started with contains settings for an
/// emulator.
fn is_set_in_environment(process: &Path) -> io::Result<bool> {
    let all = read_at_most(File::open(process.join("environ"))?, MAX_ENVIRONMENT)?;
    Ok(all.split(|&byte| byte == 0).any(|variable| variable.starts_with(VARIABLE)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn parts(line: &str) -> Option<(String, Option<String>, Vec<Vec<u8>>)> {
        let it = emulated(words(line)).ok()?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Some((text(it.program), it.called.map(text), it.arguments))
    }

    #[test]
    fn the_program_and_what_it_was_told_stand_behind_the_emulator() {
        let name = || "/usr/bin/dpkg".to_owned();
        let plain = parts("/usr/bin/dpkg -i a b").unwrap();
        assert_eq!(plain, (name(), None, words("-i a b")));
        let preserved = parts("/usr/bin/dpkg dpkg --root x -i a").unwrap();
        assert_eq!(preserved, (name(), Some("dpkg".to_owned()), words("--root x -i a")));
    }

    #[test]
    fn what_could_hide_an_archive_is_refused() {
        for line in [
            "-E A=B /usr/bin/dpkg -i a",
            "-L /srv /usr/bin/dpkg -i a",
            "-0 dpkg /usr/bin/dpkg -i a",
            "-- /usr/bin/dpkg -i a",
            // dpkg's configuration could name the action.
            "/usr/bin/dpkg a",
            "/usr/bin/dpkg a b -i c",
            "/usr/bin/dpkg",
            "/usr/bin/dpkg dpkg",
        ] {
            assert_eq!(parts(line), None, "{line}");
        }
        assert!(emulated(Vec::new()).is_err());
    }

    #[test]
    fn only_dpkg_itself_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let (dpkg, archive) = (place.join("dpkg"), place.join("archives"));
        fs::write(&dpkg, "").unwrap();
        fs::create_dir(&archive).unwrap();
        fs::write(archive.join("dpkg"), "").unwrap();
        std::os::unix::fs::symlink("/bin/sh", place.join("link")).unwrap();
        fs::create_dir(place.join("shell")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", place.join("shell/dpkg")).unwrap();
        let process = place.join("process");
        fs::create_dir(&process).unwrap();
        let told = |environment: &str, line: &str| {
            fs::write(process.join("environ"), environment).unwrap();
            super::told(&process, place, words(line))
        };
        if OVERLAYS.iter().all(|overlay| !Path::new(overlay).exists()) {
            for line in ["dpkg -i a", "./dpkg -i a", "dpkg dpkg -i a", "dpkg ./dpkg -i a"] {
                assert_eq!(told("A=B\0", line), Ok(words("-i a")), "{line}");
            }
        }
        for line in ["link -i a", "shell/dpkg -i a", "dpkg archives/dpkg -i a", "dpkg x -i a"] {
            assert!(told("A=B\0", line).is_err(), "{line}");
        }
        for environment in ["QEMU_LD_PREFIX=/srv\0", "A=B\0QEMU_PLUGIN=x\0"] {
            assert!(told(environment, "dpkg -i a").is_err(), "{environment}");
        }
        fs::remove_file(process.join("environ")).unwrap();
        assert!(super::told(&process, place, words("dpkg -i a")).is_err());
    }

    #[test]
    fn an_emulator_is_known_by_its_name() {
        for (program, is) in [
            ("/usr/bin/qemu-x86_64", true),
            ("/usr/bin/qemu-aarch64-static", true),
            ("/usr/bin/dpkg", false),
            ("/usr/bin/qemu", false),
            ("/srv/qemu-aarch64/dpkg", false),
        ] {
            assert_eq!(is_emulator(Path::new(program)), is, "{program}");
        }
    }
}
