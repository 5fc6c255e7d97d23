//! Closing this process in: what it may still do from here on.
//!
//! For the processes that read what strangers send. If one of them is broken into, whoever did it
//! has what is left here, and not all that the user could do.
//!
//! Two mechanisms of the kernel, each taken as far as the running kernel has it: Landlock for
//! files, listening and signals ([`files`]), and seccomp for system calls ([`calls`]). Neither can
//! be undone, and both are handed down to every thread and program that is started later.

mod calls;
mod files;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rights that a process keeps. It starts with none.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Sandbox {
    read: Vec<PathBuf>,
    rename: Vec<PathBuf>,
    write: Vec<PathBuf>,
    /// All, unless they are limited
    ports: Option<BTreeSet<u16>>,
}

/// The extent to which the kernel closed the process in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Closed {
    /// Landlock
    pub files: Extent,
    /// seccomp
    pub calls: Extent,
}

/// The part of a requested restriction that the kernel supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Only the part that it had when it was younger.
    Part,
    /// The kernel does not have it, or it was left out of it or switched off.
    None,
}

/// The process could not be closed in although the kernel could have done it. It must not go on.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There are other threads, which would stay outside.
    #[error("cannot confine a process with {0} threads")]
    Threads(usize),
    /// A path that should stay reachable cannot be looked at.
    #[error("cannot confine the process: {}: {}", .path.display(), super::plain(.error))]
    Path {
        /// The path
        path: PathBuf,
        /// The system's error
        error: std::io::Error,
    },
    /// Landlock refused.
    #[error("cannot confine the process with Landlock: {0}")]
    Files(#[from] landlock::RulesetError),
    /// seccomp refused.
    #[error("cannot confine the process with seccomp: {0}")]
    Calls(String),
    /// The system refused something else.
    #[error("cannot confine the process: {}", .0.desc())]
    System(#[from] nix::errno::Errno),
}

impl Sandbox {
    /// Lets the file at `path`, or all files below it, be read. Nothing is granted for what is not
    /// there when the process is closed in.
    pub fn may_read(mut self, path: impl AsRef<Path>) -> Self {
        self.read.push(path.as_ref().to_owned());
        self
    }

    /// Lets files below `directory` be read, renamed within their directory and removed.
    pub fn may_rename(mut self, directory: impl AsRef<Path>) -> Self {
        self.rename.push(directory.as_ref().to_owned());
        self
    }

    /// Lets files and directories below `directory` be read, made, written and removed.
    pub fn may_write(mut self, directory: impl AsRef<Path>) -> Self {
        self.write.push(directory.as_ref().to_owned());
        self
    }

    /// Lets connections over TCP be made to these ports only.
    pub fn may_connect_only_to(mut self, ports: BTreeSet<u16>) -> Self {
        self.ports = Some(ports);
        self
    }

    /// Closes this process in, for good. To be called before any thread is started.
    ///
    /// Restrictions that the kernel does not have are left out, and [`Closed`] reports them. Files
    /// that are open stay open.
    ///
    /// # Errors
    /// For every other reason for which it is not closed in: the process must end then.
    pub fn close(&self) -> Result<Closed, SandboxError> {
        // Landlock holds for the thread that asks for it, and for those that it starts.
        match threads() {
            None | Some(1) => {}
            Some(threads) => return Err(SandboxError::Threads(threads)),
        }
        self.close_this_thread()
    }

    /// Does the work of [`Self::close`] once it is clear that there is one thread.
    fn close_this_thread(&self) -> Result<Closed, SandboxError> {
        nix::sys::prctl::set_no_new_privs()?;
        // The wrapped method runs as the same user, and is as exposed as this process: neither may
        // attach to the other (ptrace(2), "Ptrace access mode checking").
        nix::sys::prctl::set_dumpable(false)?;
        let paths = [&*self.read, &self.rename, &self.write];
        let files = files::close(paths, self.ports.as_ref())?;
        let calls = calls::close()?;
        Ok(Closed { files, calls })
    }
}

impl Closed {
    /// The restrictions that are missing, for people; nothing if all of them are in force.
    #[must_use]
    pub fn shortfall(self) -> Option<String> {
        let word = |name, extent| match extent {
            Extent::Whole => None,
            Extent::Part => Some(format!("has only a part of {name}")),
            Extent::None => Some(format!("has no {name}")),
        };
        let missing: Vec<String> = [word("Landlock", self.files), word("seccomp", self.calls)]
            .into_iter()
            .flatten()
            .collect();
        (!missing.is_empty()).then(|| format!("the kernel {}", missing.join(" and ")))
    }
}

/// The number of threads, if the kernel tells it. Without /proc the kernel does not.
fn threads() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
mod tests;
