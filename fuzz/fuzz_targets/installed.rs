//! What a system says of itself: dpkg's database and the receipts. A package that is passed over is
//! not audited.
#![no_main]

use apt_quorum::deb822::status;
use apt_quorum::receipt;
use apt_quorum_fuzz::{Dripping, naive};
use libfuzzer_sys::fuzz_target;

/// The packages that have files on the system, by the book: each field on one line.
fn by_the_book(text: &[u8]) -> Vec<String> {
    let mut lines = text.split(|&byte| byte == b'\n').peekable();
    let mut all = Vec::new();
    while lines.peek().is_some() {
        let stanza: Vec<&[u8]> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let stanza = stanza.join(&b'\n');
        let status = naive::field(&stanza, "Status").unwrap_or_default();
        let state = status.split_ascii_whitespace().nth(2).unwrap_or_default();
        if !["not-installed", "config-files", ""].contains(&state) {
            all.extend(naive::identity(&stanza));
        }
    }
    all
}

fn admitted(data: &[u8], drip: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    receipt::admitted(Dripping(data, drip), |identity, it| {
        all.push((identity.to_string(), format!("{it:?}")));
    });
    all
}

fn decided(data: &[u8], drip: usize) -> Vec<String> {
    let mut all = Vec::new();
    receipt::decided(Dripping(data, drip), |it| all.push(format!("{it:?}")));
    all
}

fuzz_target!(|data: &[u8]| {
    match status::installed(data) {
        Ok(installed) => {
            let name = |it: &status::Installed| {
                let it = &it.called;
                format!("{} {} {}", it.package, it.version, it.architecture)
            };
            let found: Vec<String> = installed.iter().map(name).collect();
            for it in &installed {
                assert!(it.identity().is_none_or(|identity| it.called.is(identity)));
            }
            // A value may stand below its name, which the reader by the book does not know.
            let below = |line: &[u8]| line.trim_ascii_end().ends_with(b":");
            if !data.split(|&byte| byte == b'\n').any(below) {
                let mut rest = found.iter();
                for package in by_the_book(data) {
                    assert!(rest.any(|other| *other == package), "{package} was passed over");
                }
            }
            let one =
                b"\n\nPackage: zz\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\n";
            let more = status::installed(&[data, one].concat());
            assert_eq!(more.map(|it| it.len()), Ok(found.len() + 1));
            let bad = b"\n\nPackage: zz\nStatus: install ok installed\nArchitecture: all\n";
            assert!(status::installed(&[data, bad].concat()).is_err());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 1000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }

    let drip = data.first().map_or(1, |&byte| usize::from(byte) + 1);
    let all = admitted(data, drip);
    assert_eq!(all, admitted(data, 1 << 20), "it depends on how the receipts are read");
    let lines = data.split(|&byte| byte == b'\n').count();
    assert!(all.len() <= lines);
    let told = decided(data, drip);
    assert_eq!(told, decided(data, 1 << 20), "it depends on how the receipts are read");
    assert!(told.len() <= lines);
});
