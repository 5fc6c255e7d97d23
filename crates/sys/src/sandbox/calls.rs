//! seccomp: the system calls that are left, all others as on a kernel that does not have them.
//!
//! `ENOSYS` for all others, because the C library has another way then (clone3 becomes clone, and
//! so on), and because a module of the name service that wants something odd should fail and not
//! take this process along. What each group is for stands beside it; that nothing is missing is
//! seen by the tests with real apt on all releases.

use super::{Extent, SandboxError};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
pub(super) fn close() -> Result<Extent, SandboxError> {
    // The library that makes filters knows the calls of these only.
    Ok(Extent::None)
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub(super) use filter::close;

#[cfg(all(
    test,
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
pub(super) use filter::allowed;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod filter {
    use std::collections::BTreeMap;
    use std::io;
    use std::num::TryFromIntError;

    use nix::errno::Errno;
    use nix::libc;
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
    };

    use super::{Extent, SandboxError};

    /// Calls that are allowed whatever their arguments are.
    const PLAIN: &[libc::c_long] = &[
        // Descriptors that are open.
        libc::SYS_close,
        libc::SYS_dup,
        libc::SYS_flock,
        libc::SYS_fdatasync,
        libc::SYS_fstat,
        libc::SYS_fsync,
        libc::SYS_lseek,
        libc::SYS_pread64,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        // Files by name; which, Landlock says.
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_getcwd,
        libc::SYS_getdents64,
        libc::SYS_mkdirat,
        libc::SYS_newfstatat,
        libc::SYS_openat,
        libc::SYS_readlinkat,
        libc::SYS_renameat2,
        libc::SYS_statx,
        libc::SYS_unlinkat,
        // Connections. Neither listen nor accept: bind is for netlink and UDP only.
        libc::SYS_bind,
        libc::SYS_connect,
        libc::SYS_getpeername,
        libc::SYS_getsockname,
        libc::SYS_getsockopt,
        libc::SYS_recvfrom,
        libc::SYS_recvmmsg,
        libc::SYS_recvmsg,
        libc::SYS_sendmmsg,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_setsockopt,
        libc::SYS_shutdown,
        // Waiting.
        libc::SYS_clock_nanosleep,
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
        libc::SYS_epoll_pwait,
        libc::SYS_epoll_pwait2,
        libc::SYS_eventfd2,
        libc::SYS_futex,
        libc::SYS_nanosleep,
        libc::SYS_ppoll,
        libc::SYS_pselect6,
        libc::SYS_restart_syscall,
        libc::SYS_sched_yield,
        // Memory, see also below.
        libc::SYS_brk,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        // Threads and the end of them.
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rseq,
        libc::SYS_sched_getaffinity,
        libc::SYS_set_robust_list,
        libc::SYS_set_tid_address,
        // Signals to this process.
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        // What time it is, who this is, chance.
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_getegid,
        libc::SYS_geteuid,
        libc::SYS_getgid,
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_getuid,
        libc::SYS_sysinfo,
        libc::SYS_uname,
    ];

    /// The calls that only this architecture has, or that its C library still uses.
    #[cfg(target_arch = "x86_64")]
    const OLD: &[libc::c_long] = &[
        libc::SYS_access,
        libc::SYS_epoll_wait,
        libc::SYS_lstat,
        libc::SYS_mkdir,
        libc::SYS_open,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_rmdir,
        libc::SYS_select,
        libc::SYS_stat,
        libc::SYS_time,
        libc::SYS_unlink,
    ];
    #[cfg(target_arch = "aarch64")]
    // renameat, which rename(3) is made of here; the library of constants leaves it out.
    const OLD: &[libc::c_long] = &[38];
    #[cfg(target_arch = "riscv64")]
    const OLD: &[libc::c_long] = &[];

    /// An argument, by its place from 0, masked and compared.
    type Argument = (u8, u32, u32);

    /// A combination of arguments with which a call is allowed.
    type Combination = Vec<Argument>;

    fn number(value: libc::c_int) -> Result<u32, TryFromIntError> {
        u32::try_from(value)
    }

    /// One argument that has one of these values.
    fn one_of(place: u8, values: &[libc::c_int]) -> Result<Vec<Combination>, TryFromIntError> {
        values.iter().map(|value| Ok(vec![(place, u32::MAX, number(*value)?)])).collect()
    }

    fn socket(family: libc::c_int, kind: libc::c_int) -> Result<Combination, TryFromIntError> {
        // The kind without the flags that stand beside it.
        Ok(vec![(0, u32::MAX, number(family)?), (1, 0xf, number(kind)?)])
    }

    /// The calls that are allowed with some arguments only.
    fn with_arguments() -> Result<Vec<(libc::c_long, Vec<Combination>)>, TryFromIntError> {
        let mut route = socket(libc::AF_NETLINK, libc::SOCK_RAW)?;
        route.push((2, u32::MAX, number(libc::NETLINK_ROUTE)?));
        let sockets = vec![
            socket(libc::AF_INET, libc::SOCK_STREAM)?,
            socket(libc::AF_INET, libc::SOCK_DGRAM)?,
            socket(libc::AF_INET6, libc::SOCK_STREAM)?,
            socket(libc::AF_INET6, libc::SOCK_DGRAM)?,
            // nscd, systemd-resolved, avahi.
            socket(libc::AF_UNIX, libc::SOCK_STREAM)?,
            socket(libc::AF_UNIX, libc::SOCK_DGRAM)?,
            // The C library asks which addresses this machine has.
            route,
        ];
        // A thread, and not a process; in no other namespaces.
        let namespaces = libc::CLONE_NEWCGROUP
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWUSER
            | libc::CLONE_NEWUTS;
        let thread = libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND;
        let threads = vec![vec![(0, number(thread | namespaces)?, number(thread)?)]];
        // Libraries of the name service are loaded, but no memory is written and executed.
        let both = number(libc::PROT_WRITE | libc::PROT_EXEC)?;
        let protections: Vec<Combination> =
            [0, number(libc::PROT_WRITE)?, number(libc::PROT_EXEC)?]
                .into_iter()
                .map(|protection| vec![(2, both, protection)])
                .collect();
        let harmless = one_of(0, &[libc::PR_CAPBSET_READ, libc::PR_SET_NAME, libc::PR_SET_VMA])?;
        // Its own limits, to be looked at.
        let own_limits = vec![vec![(0, u32::MAX, 0)]];
        let itself = one_of(0, &[nix::unistd::getpid().as_raw()])?;
        let ioctls = [libc::FIONBIO, libc::FIONREAD, libc::TCGETS];
        let mut requests = Vec::new();
        for request in ioctls {
            requests.push(vec![(1, u32::MAX, u32::try_from(request)?)]);
        }
        let fcntls =
            [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_GETFL, libc::F_SETFD, libc::F_SETFL];
        Ok(vec![
            (libc::SYS_clone, threads),
            (libc::SYS_fcntl, one_of(1, &fcntls)?),
            (libc::SYS_ioctl, requests),
            (libc::SYS_mmap, protections.clone()),
            (libc::SYS_mprotect, protections),
            (libc::SYS_prctl, harmless),
            (libc::SYS_prlimit64, own_limits),
            (libc::SYS_socket, sockets),
            // abort(3), that is a panic, ends this process with it.
            (libc::SYS_tgkill, itself),
        ])
    }

    fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, SandboxError> {
        let wrong = |error: &dyn std::fmt::Display| SandboxError::Calls(error.to_string());
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            PLAIN.iter().chain(OLD).map(|call| (*call, Vec::new())).collect();
        for (call, combinations) in with_arguments().map_err(|error| wrong(&error))? {
            let mut allowed = Vec::new();
            for combination in combinations {
                let conditions: Result<Vec<_>, _> = combination
                    .into_iter()
                    .map(|(place, mask, value)| {
                        // The kernel looks at the lower half of these arguments only.
                        let length = SeccompCmpArgLen::Dword;
                        let compare = SeccompCmpOp::MaskedEq(mask.into());
                        SeccompCondition::new(place, length, compare, value.into())
                    })
                    .collect();
                let rule = conditions.and_then(SeccompRule::new).map_err(|error| wrong(&error))?;
                allowed.push(rule);
            }
            rules.insert(call, allowed);
        }
        Ok(rules)
    }

    /// Leaves this process, with all its threads, with these calls only.
    pub(in super::super) fn close() -> Result<Extent, SandboxError> {
        let wrong = |error: &dyn std::fmt::Display| SandboxError::Calls(error.to_string());
        let architecture =
            TargetArch::try_from(std::env::consts::ARCH).map_err(|error| wrong(&error))?;
        let missing = SeccompAction::Errno(u32::try_from(libc::ENOSYS).unwrap_or(1));
        let filter = SeccompFilter::new(rules()?, missing, SeccompAction::Allow, architecture)
            .map_err(|error| wrong(&error))?;
        let program = BpfProgram::try_from(filter).map_err(|error| wrong(&error))?;
        match apply_filter_all_threads(&program) {
            Ok(()) => Ok(Extent::Whole),
            // A kernel without it, or an emulation of one.
            Err(Error::Seccomp(error)) if is_missing(&error) => Ok(Extent::None),
            Err(error) => Err(wrong(&error)),
        }
    }

    fn is_missing(error: &io::Error) -> bool {
        let number = error.raw_os_error().map(Errno::from_raw);
        matches!(number, Some(Errno::ENOSYS | Errno::EINVAL))
    }

    /// The numbers of the calls that are allowed at all.
    #[cfg(test)]
    pub(in super::super) fn allowed() -> Vec<libc::c_long> {
        rules().unwrap().into_keys().collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_depends_on_arguments_is_not_allowed_whatever_they_are() {
            let rules = rules().unwrap();
            for (call, _) in with_arguments().unwrap() {
                assert!(!rules[&call].is_empty(), "call {call}");
            }
        }
    }
}
