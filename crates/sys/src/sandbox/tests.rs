//! What a process that is closed in can do, tried by one. Each attempt is made twice, by a process
//! that is not closed in and by one that is: it must succeed, or be refused for another reason,
//! in the first, or it would show nothing.
#![allow(unsafe_code, reason = "calls that a program makes only when it was broken into")]

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::process::Command;

use nix::errno::Errno;
use nix::libc;

use super::*;

/// Tells the process that is started for it what to be.
const INSIDE: &str = "APT_QUORUM_TEST_INSIDE";

/// The calls by which one gets at other processes, at the system, or at more privileges. With
/// arguments that are nonsense they do nothing, but not as if they did not exist.
const DANGEROUS: &[(&str, libc::c_long)] = &[
    ("accept4", libc::SYS_accept4),
    ("add_key", libc::SYS_add_key),
    ("capset", libc::SYS_capset),
    ("chroot", libc::SYS_chroot),
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("fchmod", libc::SYS_fchmod),
    ("fchmodat", libc::SYS_fchmodat),
    ("fchown", libc::SYS_fchown),
    ("fchownat", libc::SYS_fchownat),
    ("fsetxattr", libc::SYS_fsetxattr),
    ("keyctl", libc::SYS_keyctl),
    ("kill", libc::SYS_kill),
    ("linkat", libc::SYS_linkat),
    ("listen", libc::SYS_listen),
    ("memfd_create", libc::SYS_memfd_create),
    ("mknodat", libc::SYS_mknodat),
    ("mount", libc::SYS_mount),
    ("move_mount", libc::SYS_move_mount),
    ("open_tree", libc::SYS_open_tree),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("pivot_root", libc::SYS_pivot_root),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("ptrace", libc::SYS_ptrace),
    ("reboot", libc::SYS_reboot),
    ("seccomp", libc::SYS_seccomp),
    ("setgid", libc::SYS_setgid),
    ("setgroups", libc::SYS_setgroups),
    ("setns", libc::SYS_setns),
    ("setresgid", libc::SYS_setresgid),
    ("setresuid", libc::SYS_setresuid),
    ("setuid", libc::SYS_setuid),
    ("symlinkat", libc::SYS_symlinkat),
    ("tkill", libc::SYS_tkill),
    ("umount2", libc::SYS_umount2),
    ("unshare", libc::SYS_unshare),
    ("utimensat", libc::SYS_utimensat),
];

/// The same, for calls that a kernel may be built or a container be run without.
const OFTEN_MISSING: &[libc::c_long] = &[
    libc::SYS_bpf,
    libc::SYS_clone3,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_fsopen,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
];

/// Higher than the numbers of all calls that there are.
const LAST: libc::c_long = 1024;

/// uretprobe and uprobe of x86_64: the kernel plants them and never asks a filter about them; who
/// calls one without having been planted gets SIGILL.
const PROBES: std::ops::RangeInclusive<libc::c_long> = 335..=336;

/// A call with arguments that no call can do anything with.
fn nonsense(call: libc::c_long) -> Result<libc::c_long, Errno> {
    // SAFETY: no pointer and no descriptor among them is valid, so the kernel looks at them only.
    Errno::result(unsafe { libc::syscall(call, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) })
}

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    // SAFETY: numbers only; what it gives is a descriptor or -1.
    let descriptor = Errno::result(unsafe { libc::socket(family, kind, protocol) })?;
    nix::unistd::close(descriptor)?;
    Ok(())
}

fn memory(protection: i32) -> io::Result<()> {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: memory of its own at an address that the kernel chooses.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, kind, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn fork() -> io::Result<()> {
    // SAFETY: the child ends at once and touches nothing.
    match Errno::result(unsafe { libc::fork() })? {
        0 => std::process::exit(0),
        _ => Ok(()),
    }
}

/// Calls that are allowed or not by what their arguments are, and what is made of several.
fn attempts() -> Vec<(&'static str, io::Result<()>)> {
    let mut all = vec![
        ("start a program", Command::new("/bin/true").spawn().map(drop)),
        ("start a process", fork()),
        ("open a packet socket", socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
        ("open a raw socket", socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
        (
            "listen to the kernel",
            socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT),
        ),
        ("have memory that is written and executed", memory(libc::PROT_WRITE | libc::PROT_EXEC)),
        ("become attachable again", nix::sys::prctl::set_dumpable(true).map_err(io::Error::from)),
        (
            "send its parent a signal",
            nix::sys::signal::kill(nix::unistd::getppid(), None).map_err(io::Error::from),
        ),
    ];
    if !nix::unistd::geteuid().is_root() {
        let for_root = ["open a packet socket", "open a raw socket"];
        all.retain(|(name, _)| !for_root.contains(name));
    }
    all
}

/// The actions that must still work.
fn needs() -> Vec<(&'static str, io::Result<()>)> {
    let thread = std::thread::Builder::new().name("a-name".to_owned()).spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        vec![0_u8; 1 << 20].len()
    });
    // Nobody is there: that is told by the other side, so it was asked.
    let connect = match TcpStream::connect("127.0.0.1:9") {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok(()),
    };
    let send =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"x", "127.0.0.1:9"));
    vec![
        ("start a thread", thread.map(|thread| drop(thread.join()))),
        ("connect", connect),
        ("send a datagram", send.map(drop)),
        ("look a name up", std::net::ToSocketAddrs::to_socket_addrs("localhost:80").map(drop)),
        (
            "ask which addresses there are",
            socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
        ),
        ("load a library", memory(libc::PROT_READ | libc::PROT_EXEC)),
        (
            "know its limits",
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK)
                .map(drop)
                .map_err(io::Error::from),
        ),
    ]
}

/// Runs the test `inside` as a process of its own, and gives what it says.
fn inside(what: &str) -> std::process::Output {
    let program = std::env::current_exe().unwrap();
    let test = ["--exact", "sandbox::tests::inside_another_process", "--ignored"];
    let how = ["--test-threads=1", "--nocapture"];
    Command::new(program).args(test).args(how).env(INSIDE, what).output().unwrap()
}

#[test]
#[ignore = "the other tests run it in processes of its own"]
fn inside_another_process() {
    let Some(what) = std::env::var_os(INSIDE) else { return };
    let closed = what != "open";
    if closed {
        // The harness has a thread besides, which does nothing meanwhile.
        let sandbox = Sandbox::default().may_read("/etc").may_read("/usr");
        let closed = sandbox.close_this_thread().unwrap();
        assert_eq!(closed.calls, Extent::Whole);
    }
    if what == "abort" {
        std::process::abort();
    }
    let missing = |error: &io::Error| error.raw_os_error() == Some(libc::ENOSYS);
    for (name, call) in DANGEROUS {
        assert_eq!(nonsense(*call) == Err(Errno::ENOSYS), closed, "{name}");
    }
    for (name, result) in attempts() {
        assert_eq!(result.as_ref().is_err_and(missing), closed, "to {name}: {result:?}");
        assert_eq!(result.is_err(), closed, "to {name}: {result:?}");
    }
    for (name, result) in needs() {
        assert!(result.is_ok(), "to {name}: {result:?}");
    }
    if closed {
        let allowed = super::calls::allowed();
        for call in OFTEN_MISSING.iter().copied().chain(0..LAST) {
            if !allowed.contains(&call) && !PROBES.contains(&call) {
                assert_eq!(nonsense(call), Err(Errno::ENOSYS), "call {call}");
            }
        }
        assert!(OFTEN_MISSING.iter().all(|call| !allowed.contains(call)));
    }
}

#[track_caller]
fn succeeds(what: &str) {
    let output = inside(what);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn every_call_that_is_not_needed_is_gone() {
    // Without the sandbox, all of it can be done, or is refused for other reasons.
    succeeds("open");
    succeeds("closed");
}

#[test]
fn a_process_that_is_closed_in_can_still_abort() {
    use std::os::unix::process::ExitStatusExt;

    let status = inside("abort").status;
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status:?}");
}

#[test]
fn a_process_with_threads_is_not_closed_in() {
    // The test harness has some; one of our own, so that there are two in any case.
    let (_stop, wait) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || wait.recv().is_ok());
    let error = Sandbox::default().close().unwrap_err();
    assert!(matches!(error, SandboxError::Threads(2..)), "{error}");
    // And nothing was closed.
    assert!(std::fs::read("/etc/passwd").is_ok());
}

#[test]
fn what_is_missing_is_said() {
    let closed = |files, calls| Closed { files, calls }.shortfall();
    assert_eq!(closed(Extent::Whole, Extent::Whole), None);
    assert_eq!(
        closed(Extent::Part, Extent::None).as_deref(),
        Some("the kernel has only a part of Landlock and has no seccomp")
    );
}
