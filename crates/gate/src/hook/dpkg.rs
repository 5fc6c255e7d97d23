//! dpkg's `pre-invoke`: judges every archive that dpkg is about to unpack, whoever called dpkg.
//!
//! dpkg names its action in the environment, but not its files. Those are on its command line,
//! which the system shows, as it shows dpkg's working directory: see [`super::command_line`].
//! `/etc/dpkg/dpkg.cfg.d/apt-quorum` calls this only for actions that unpack, so that removing,
//! configuring and repairing never depend on it. It replaces the shell that dpkg starts, so that
//! dpkg is the parent of this process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::command_line::{self, Into};
use super::{Hook, Remembering, complain, emulator, exit, present, refuse, state};
use crate::apt::configuration::Configuration;
use crate::config::Direct;
use crate::gate::{Environment, Gate, Haste, News, apt_configuration, apt_dump};
use crate::policy::Mode;
use crate::report::Entrance;
use crate::sys::files::read_at_most;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::printable;

/// Longest command line that is read, in bytes: twice what Linux passes on.
const MAX_COMMAND_LINE: usize = 16 * 1024 * 1024;

/// Most files and directories that are looked at below the directories of `--recursive`.
const MAX_ENTRIES: usize = 100_000;

/// Most levels of directories that are followed there. Links to directories can lead in circles.
const MAX_DEPTH: usize = 32;

/// Runs the hook. Returns zero only with a clearance for every file that an earlier one does not
/// still cover.
#[must_use]
pub fn run() -> ExitCode {
    let apt = match configuration(std::env::args_os().skip(1)) {
        Ok(apt) => apt,
        Err(why) => return refuse(Entrance::Dpkg, &Configuration::default(), &why),
    };
    let now = present(&apt);
    let gate = Gate::open(&apt, None, Trusted::now());
    let gate = gate.holding_up(Haste::First, &state(&apt), now);
    let mut hook = Hook { gate: &gate, apt: &apt, entrance: Entrance::Dpkg, now, news: News::All };
    // A user without root can only have dpkg unpack into places of their own. From 1.22.7, dpkg
    // itself then runs no hook.
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root || gate.config().is_ok_and(|config| config.direct == Direct::Pass) {
        return exit(hook.clear(Vec::new(), Remembering::No), Vec::new());
    }
    let mode = gate.config().map_or(Mode::Enforce, |config| config.policy.mode());
    match asked_by_dpkg(mode) {
        Ok((archives, into)) => {
            if into == Into::Directory {
                hook.news = News::Unconfirmed;
            }
            hook.pass_or_clear(archives)
        }
        Err(why) => refuse(Entrance::Dpkg, &apt, &why),
    }
}

/// Reads apt's configuration. Also reads the file that dpkg's configuration names for apt in the
/// line with this program, if there is one. Only root can write that line, but others may set the
/// environment.
fn configuration(mut arguments: impl Iterator<Item = OsString>) -> Result<Configuration, String> {
    let Some(file) = arguments.next() else {
        return apt_configuration(Environment::Ignored).map_err(|error| error.to_string());
    };
    if arguments.next().is_some() {
        return Err("dpkg's configuration names more than one file after pre-invoke".to_owned());
    }
    let file = PathBuf::from(file);
    // Without this file, the settings would differ from root's, and apt only warns.
    Trusted::now().open_file(&file).map_err(|error| error.to_string())?;
    let dump = apt_dump(Environment::Ignored, Some(&file)).map_err(|error| error.to_string())?;
    let dump =
        dump.ok_or_else(|| format!("apt-config is missing, so {} cannot be read", file.display()))?;
    let mut configuration = Configuration::default();
    configuration.add_dump(&dump);
    Ok(configuration)
}

/// Returns the archives that the dpkg that started this process is going to unpack, as absolute
/// paths, and the target. There is at least one archive.
fn asked_by_dpkg(mode: Mode) -> Result<(Vec<PathBuf>, Into), String> {
    let process = PathBuf::from(format!("/proc/{}", nix::unistd::getppid()));
    let seen = |name: &str| {
        fs::read_link(process.join(name)).map_err(|error| {
            format!("cannot read dpkg's command line: {}: {}", process.display(), plain(&error))
        })
    };
    // dpkg's own name, also if a program that calls dpkg replaced it.
    let program = seen("exe")?;
    let name = program.file_name().unwrap_or_default().as_bytes();
    let shown = printable(&program.to_string_lossy()).to_string();
    let is_dpkg =
        name == b"dpkg" || name.starts_with(b"dpkg.") || name.starts_with(b"dpkg (deleted)");
    let is_emulated = emulator::is_emulator(&program);
    if !is_dpkg && !is_emulated {
        return Err(format!("{shown} is not dpkg"));
    }
    let directory = seen("cwd")?;
    let mut arguments = arguments(&process)
        .map_err(|error| format!("cannot read dpkg's command line: {}", plain(&error)))?;
    if is_emulated {
        arguments = emulator::told(&process, &directory, arguments).map_err(|why| {
            format!(
                "{shown} is an emulator, and {why}. apt-quorum-method(8) describes which emulators \
                 the gate can see through"
            )
        })?;
    }
    let told = command_line::told(arguments).map_err(|error| error.to_string())?;
    let mut expanding = Expanding { mode, archives: Vec::new(), looked_at: 0 };
    for path in told.archives {
        expanding.add(directory.join(path))?;
    }
    if expanding.archives.is_empty() {
        return Err("dpkg's command line names no file".to_owned());
    }
    Ok((expanding.archives, told.into))
}

/// Returns the arguments of a process, without its name.
fn arguments(process: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut all = read_at_most(File::open(process.join("cmdline"))?, MAX_COMMAND_LINE)?;
    if all.pop() != Some(0) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(all.split(|&byte| byte == 0).skip(1).map(<[u8]>::to_vec).collect())
}

/// Follows dpkg through the directories that it is told to search.
///
/// dpkg looks at all of it again, later. So no other user may be able to add anything meanwhile.
/// Every name that dpkg could take counts, whatever is there now.
struct Expanding {
    /// In the mode `warn`, dpkg installs the same files as without us
    mode: Mode,
    archives: Vec<PathBuf>,
    looked_at: usize,
}

impl Expanding {
    /// Adds a path on the command line. Everything except a directory is judged, even if dpkg would
    /// skip it.
    fn add(&mut self, path: PathBuf) -> Result<(), String> {
        if is_directory(&path) {
            return self.search(&path, 0);
        }
        self.archives.push(path);
        Ok(())
    }

    /// Adds all archives below a directory: files with the suffix `.deb`, in small letters, links
    /// followed (`archivefiles` in dpkg's src/main/archives.c). dpkg's configuration may also
    /// contain the option to search. Without the option, dpkg refuses a directory, so the
    /// difference does not matter.
    fn search(&mut self, directory: &Path, depth: usize) -> Result<(), String> {
        let shown = printable(&directory.to_string_lossy()).to_string();
        if depth > MAX_DEPTH {
            return Err(format!("{shown}: directories are nested too deeply"));
        }
        for name in self.names(directory)? {
            self.looked_at += 1;
            if self.looked_at > MAX_ENTRIES {
                return Err(format!("{shown}: more than {MAX_ENTRIES} files to look at"));
            }
            let is_archive = name.as_bytes().ends_with(b".deb");
            let path = directory.join(name);
            if is_directory(&path) {
                self.search(&path, depth + 1)?;
            } else if is_archive {
                self.add_archive(path);
            } else {
                self.stays_no_directory(&path)?;
            }
        }
        Ok(())
    }

    /// Returns the names in a directory to which only root can add any.
    fn names(&self, directory: &Path) -> Result<Vec<OsString>, String> {
        match (Trusted::now().lasting().entries(directory), self.mode) {
            (Ok(names), _) => Ok(names),
            (Err(error), Mode::Enforce) => Err(error.to_string()),
            (Err(error), Mode::Warn) => {
                complain(&format!(
                    "{error}. The mode is warn: only the present files are checked."
                ));
                let names = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<_>>);
                let names: Vec<fs::DirEntry> = names.map_err(|error| plain(&error))?;
                Ok(names.iter().map(fs::DirEntry::file_name).collect())
            }
        }
    }

    /// Adds an archive. dpkg skips pipes, sockets and devices, if they remain that. A link that
    /// leads nowhere yet may lead to a file a moment later.
    fn add_archive(&mut self, path: PathBuf) {
        let passed_over = fs::metadata(&path).is_ok_and(|it| !it.is_file());
        if self.mode == Mode::Enforce || !passed_over {
            self.archives.push(path);
        }
    }

    /// Checks that a path with another suffix cannot become a directory, because only then it would
    /// count. A file remains what it is until root changes it; but another user could make a
    /// directory at the end of a link.
    fn stays_no_directory(&self, path: &Path) -> Result<(), String> {
        let is_link = fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        if !is_link || self.mode == Mode::Warn {
            return Ok(());
        }
        let opened = Trusted::now().lasting().open_file(path);
        opened.map(drop).map_err(|error| {
            let link = printable(&path.to_string_lossy()).to_string();
            format!("the link {link} could lead to a directory when dpkg looks: {error}")
        })
    }
}

/// Returns true when a path leads to a directory, also by links.
fn is_directory(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_dir())
}
