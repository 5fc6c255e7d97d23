//! Memory that a hostile package can make the reader take.

use apt_quorum::deb::examine;

use crate::common::{alone, memory_of};
use crate::support::deb::*;

/// What one package may take beside the decoder's window, in KiB. `xz -9` needs 65 MiB and 80 are
/// allowed; none of these gets so far.
const MOST: u64 = 32 * 1024;

#[test]
fn no_package_makes_the_reader_take_more_memory_than_a_real_one_needs() {
    alone(
        "packages_memory::no_package_makes_the_reader_take_more_memory_than_a_real_one_needs",
        read_hostile_ones,
    );
}

fn read_hostile_ones() {
    let good = tar(&[file("./control", hello().as_bytes())]);
    // 32 GiB of zeros in 1 MiB.
    let bomb = zst_bomb(262_144, 0);
    // As many control files as fit, each as large as one may be.
    let control = file("./control", &vec![b'x'; 512 * 1024]);
    let many = zst(&vec![control; 100].concat(), 0x38);
    assert!(memory_of(|| vec![1_u8; 64 << 20].len()).1 > 60 << 10, "it is measured");
    for (name, member) in [
        ("control.tar.zst", bomb),
        ("control.tar.zst", many),
        ("control.tar.zst", zst(&good, 0xff)),
        ("control.tar.xz", xz(&good, 40)),
        ("control.tar.xz", xz(&good, 29)),
    ] {
        let bytes = deb(name, &member);
        let ((), needed) = memory_of(|| {
            let examined = examine(bytes.as_slice()).unwrap();
            assert!(examined.control().is_err(), "{name}");
        });
        println!("{name}: {needed} KiB");
        assert!(needed < MOST, "{name}: {needed} KiB");
    }
}
