//! Giving up root.

use nix::unistd::{Gid, Uid, User as Account, setgroups, setresgid, setresuid};

/// An account without privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its user id, not 0
    pub uid: u32,
    /// Its group id
    pub gid: u32,
    name: String,
    home: std::path::PathBuf,
}

/// The reason that privileges could not be given up. The program must not go on then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// There is no such account.
    #[error("there is no user {0} to run as")]
    NoUser(String),
    /// The account is root's.
    #[error("user {0} has root's id")]
    IsRoot(String),
    /// The system refused.
    #[error("cannot run as user {name}: {}", .error.desc())]
    Refused {
        /// The name of the account
        name: String,
        /// The system's error
        error: nix::errno::Errno,
    },
    /// The system said yes, but root could be had back.
    #[error("root could be regained after it was given up")]
    Incomplete,
}

impl User {
    /// Looks an account up.
    ///
    /// # Errors
    /// If there is none, or it is root's.
    pub fn find(name: &str) -> Result<Self, PrivilegeError> {
        let account = Account::from_name(name).ok().flatten();
        let account = account.ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))?;
        if account.uid.is_root() {
            return Err(PrivilegeError::IsRoot(name.to_owned()));
        }
        Ok(Self {
            uid: account.uid.as_raw(),
            gid: account.gid.as_raw(),
            name: account.name,
            home: account.dir,
        })
    }

    /// The account that is nobody's, by its numbers: what the kernel shows for an owner that has no
    /// number here (`DEFAULT_OVERFLOWUID`, include/linux/highuid.h). It needs no list of accounts.
    #[must_use]
    pub fn nobody() -> Self {
        let home = std::path::PathBuf::from("/nonexistent");
        Self { uid: 65_534, gid: 65_534, name: "nobody".to_owned(), home }
    }

    /// Becomes this account for good, as apt's own methods do (`DropPrivileges`,
    /// apt-pkg/contrib/fileutl.cc): no new privileges, no supplementary groups, all ids, and a
    /// check that there is no way back. To be called before any thread is started.
    ///
    /// # Errors
    /// If any of it does not succeed.
    pub fn become_it(&self) -> Result<(), PrivilegeError> {
        let refused = |error| PrivilegeError::Refused { name: self.name.clone(), error };
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        nix::sys::prctl::set_no_new_privs().map_err(refused)?;
        if Uid::effective().is_root() {
            setgroups(&[gid]).map_err(refused)?;
        }
        setresgid(gid, gid, gid).map_err(refused)?;
        setresuid(uid, uid, uid).map_err(refused)?;
        let ids = nix::unistd::getresuid().map_err(refused)?;
        let groups = nix::unistd::getresgid().map_err(refused)?;
        let all_uids = [ids.real, ids.effective, ids.saved].iter().all(|it| *it == uid);
        let all_gids = [groups.real, groups.effective, groups.saved].iter().all(|it| *it == gid);
        if !all_uids || !all_gids || setresuid(Uid::from_raw(0), Uid::from_raw(0), uid).is_ok() {
            return Err(PrivilegeError::Incomplete);
        }
        Ok(())
    }

    /// The values of `HOME`, `USER`, `LOGNAME` and `SHELL` for this account.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, std::ffi::OsString); 4] {
        let name = || self.name.clone().into();
        [
            ("HOME", self.home.clone().into()),
            ("USER", name()),
            ("LOGNAME", name()),
            ("SHELL", "/bin/sh".into()),
        ]
    }
}
