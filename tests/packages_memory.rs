//! How much memory a hostile package can make the reader take. One test in a process of its own,
//! because what is measured is the most that the process ever had.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use apt_quorum::deb::examine;
use support::deb::*;

/// What one package may take beside the decoder's window, in KiB. `xz -9` needs 65 MiB and 80 are
/// allowed; none of these gets so far.
const MOST: u64 = 32 * 1024;

/// A number of `/proc/self/status`, in KiB.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// The most memory that `work` needs beside what is there already, in KiB.
fn needed(work: impl FnOnce()) -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew: proc(5)
    let before = status("VmRSS:");
    work();
    status("VmHWM:").saturating_sub(before)
}

#[test]
fn no_package_makes_the_reader_take_more_memory_than_a_real_one_needs() {
    let good = tar(&[file("./control", hello().as_bytes())]);
    // 32 GiB of zeros in 1 MiB.
    let bomb = zst_bomb(262_144, 0);
    // As many control files as fit, each as large as one may be.
    let control = file("./control", &vec![b'x'; 512 * 1024]);
    let many = zst(&vec![control; 100].concat(), 0x38);
    assert!(needed(|| drop(vec![1_u8; 64 << 20])) > 60 << 10, "it is measured");
    for (name, member) in [
        ("control.tar.zst", bomb),
        ("control.tar.zst", many),
        ("control.tar.zst", zst(&good, 0xff)),
        ("control.tar.xz", xz(&good, 40)),
        ("control.tar.xz", xz(&good, 29)),
    ] {
        let bytes = deb(name, &member);
        let needed = needed(|| {
            let examined = examine(bytes.as_slice()).unwrap();
            assert!(examined.control().is_err(), "{name}");
        });
        println!("{name}: {needed} KiB");
        assert!(needed < MOST, "{name}: {needed} KiB");
    }
}
