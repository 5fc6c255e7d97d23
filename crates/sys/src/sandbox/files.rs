//! Landlock: which files can be reached, and nothing that listens or reaches other processes.
//!
//! Paths that are looked up, links that are read and properties of files that are asked for are
//! not covered by the kernel, only what is in files and directories.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, PathFdError, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::{Extent, SandboxError};

/// The youngest version whose rights were tried out. Later ones could deny what is needed.
const VERSION: ABI = ABI::V7;

/// Allows reading, renaming and writing below these paths and denies everything else that Landlock knows:
/// executing (so no right to it is ever given), listening on TCP ports, and, beyond this process,
/// signals and abstract sockets. Connecting stays allowed, because endpoints have any port, unless
/// it is limited to these `ports`.
pub(super) fn close(
    [read, rename, write]: [&[PathBuf]; 3],
    ports: Option<&BTreeSet<u16>>,
) -> Result<Extent, SandboxError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    // For the kernel, a new name is a file that is made and the old one a file that is removed.
    let renaming = reading | AccessFs::MakeReg | AccessFs::RemoveFile;
    // No links, pipes, sockets or devices: nothing here makes any.
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir;
    let connecting = match ports {
        Some(_) => AccessNet::BindTcp | AccessNet::ConnectTcp,
        None => AccessNet::BindTcp.into(),
    };
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(connecting)?
        .scope(Scope::from_all(VERSION))?
        .create()?;
    for (paths, access) in [(read, reading), (rename, renaming), (write, writing)] {
        for path in paths {
            ruleset = allow(ruleset, path, access)?;
        }
    }
    for port in ports.into_iter().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Extent::Whole,
        RulesetStatus::PartiallyEnforced => Extent::Part,
        RulesetStatus::NotEnforced => Extent::None,
    })
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, SandboxError> {
    let failed = |error| SandboxError::Path { path: path.to_owned(), error };
    let fd = match PathFd::new(path) {
        Ok(fd) => fd,
        // What is not there, or out of reach in any case, needs no rule.
        Err(PathFdError::OpenCall { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory
            ) =>
        {
            return Ok(ruleset);
        }
        Err(PathFdError::OpenCall { source, .. }) => return Err(failed(source)),
        Err(error) => return Err(failed(std::io::Error::other(error))),
    };
    let seen = nix::sys::stat::fstat(&fd)?;
    let is_directory = seen.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR;
    // The kernel refuses rights over directories for what is none.
    let access = if is_directory { access } else { access & AccessFs::from_file(VERSION) };
    Ok(ruleset.add_rule(PathBeneath::new(fd, access))?)
}
