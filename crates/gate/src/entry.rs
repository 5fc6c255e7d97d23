//! The roles of the gate's program: it takes one by the name in `argv[0]`.
//!
//! apt and dpkg start it by links, and it starts itself again as the process that fetches.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::fetching::{self, FETCH};
use crate::{hook, method};

/// One thing that the program does at an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// apt's hook before unpacking
    PreInstallPkgs,
    /// apt's hook before its prompt
    BeforePrompt,
    /// dpkg's hook
    DpkgPreInvoke,
    /// What dpkg calls for the signature of each file
    DebsigVerify,
    /// The process without privileges that fetches evidence for another one
    Fetch,
    /// An apt method
    Method,
}

impl Role {
    /// The role of a program that was started by this name, if there is one.
    #[must_use]
    pub fn of(argv0: &Path) -> Option<Self> {
        match argv0.file_name()?.to_str()? {
            "pre-install-pkgs" => Some(Self::PreInstallPkgs),
            "before-prompt" => Some(Self::BeforePrompt),
            "dpkg-pre-invoke" => Some(Self::DpkgPreInvoke),
            "debsig-verify" => Some(Self::DebsigVerify),
            FETCH => Some(Self::Fetch),
            name => method::is_name_of_a_method(name).then_some(Self::Method),
        }
    }

    /// Acts in this role until there is nothing more to do.
    #[must_use]
    pub fn run(self, argv0: &Path) -> ExitCode {
        match self {
            Self::PreInstallPkgs => hook::pre_install_pkgs(),
            Self::BeforePrompt => hook::before_prompt(),
            Self::DpkgPreInvoke => hook::dpkg_pre_invoke(),
            Self::DebsigVerify => hook::debsig_verify(),
            Self::Fetch => fetch(),
            Self::Method => method::run(argv0),
        }
    }
}

/// Fetches for the process at the other end of the pipes.
fn fetch() -> ExitCode {
    if nix::sys::prctl::set_no_new_privs().is_err() {
        return ExitCode::FAILURE;
    }
    match fetching::serve(std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Tells a person who starts the gate's program by its own name which command to type.
#[must_use]
pub fn refuse() -> ExitCode {
    const TEXT: &str = "apt-quorum: apt and dpkg start this program by other names, such as \
        /usr/lib/apt-quorum/pre-install-pkgs. The command for people: apt-quorum --help\n";
    let _ = std::io::stderr().write_all(TEXT.as_bytes());
    ExitCode::from(2)
}

/// Prepares the process as its first step. Returns the name by which it was started. Only the
/// program's own crate is compiled differently if it `is_static`, so that crate says it.
///
/// # Errors
/// The exit code of a program that cannot go on: a static one would load the C library's plug-ins,
/// which were made for another program.
pub fn start(is_static: bool) -> Result<PathBuf, ExitCode> {
    // A thread that panics must not leave the others waiting for it: the caller sees the program
    // die, and nothing passes.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    if is_static && !crate::sys::name_service::load_nothing() {
        return Err(ExitCode::from(2));
    }
    Ok(PathBuf::from(std::env::args_os().next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_roles_wherever_the_link_lies() {
        for (name, role) in [
            ("pre-install-pkgs", Some(Role::PreInstallPkgs)),
            ("before-prompt", Some(Role::BeforePrompt)),
            ("dpkg-pre-invoke", Some(Role::DpkgPreInvoke)),
            ("debsig-verify", Some(Role::DebsigVerify)),
            ("apt-quorum-fetch", Some(Role::Fetch)),
            ("quorum+http", Some(Role::Method)),
            ("quorum+https", Some(Role::Method)),
            ("quorum+file", None),
            ("gate", None),
            ("apt-quorum", None),
            ("", None),
        ] {
            assert_eq!(Role::of(Path::new(name)), role, "{name}");
            assert_eq!(Role::of(&Path::new("/usr/lib").join(name)), role, "{name}");
        }
    }
}
