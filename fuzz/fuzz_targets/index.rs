//! Packages and Release files, and stanzas. A file is listed as what its stanza says, and no
//! stanza hides or changes another one.
#![no_main]

use std::io::BufReader;

use apt_quorum::apt::index;
use apt_quorum::deb822;
use apt_quorum_fuzz::{Dripping, naive, parts};
use libfuzzer_sys::fuzz_target;

fn listed(text: &[u8], drip: usize) -> Vec<String> {
    let mut all = Vec::new();
    let input = BufReader::with_capacity(32, Dripping(text, drip));
    index::packages(input, |it| all.push(format!("{} {}", it.control.identity, it.sha256)))
        .unwrap();
    all
}

/// The stanzas whose four fields stand on one line each, by the book.
fn by_the_book(text: &[u8]) -> Vec<String> {
    let mut lines = text.split(|&byte| byte == b'\n').peekable();
    let mut all = Vec::new();
    while lines.peek().is_some() {
        let stanza: Vec<&[u8]> =
            lines.by_ref().take_while(|line| !matches!(*line, b"" | b"\r")).collect();
        let stanza = stanza.join(&b'\n');
        if let (Some(identity), Some(sha256)) =
            (naive::identity(&stanza), naive::field(&stanza, "SHA256"))
        {
            all.push(format!("{identity} {}", sha256.to_lowercase()));
        }
    }
    all
}

fuzz_target!(|data: &[u8]| {
    let drip = data.first().map_or(1, |&byte| usize::from(byte) + 1);
    let all = listed(data, drip);
    assert_eq!(all, listed(data, 1 << 20), "it depends on how the file is read");
    let book = by_the_book(data);
    let mut rest = book.iter();
    // A value may stand below its name, which the reader by the book does not know.
    let below = |line: &[u8]| line.trim_ascii_end().ends_with(b":");
    let one_line = !data.split(|&byte| byte == b'\n').any(below);
    for file in all.iter().filter(|_| one_line) {
        assert!(rest.any(|other| other == file), "{file} is listed nowhere");
    }
    // Behind an empty line, nothing that stood before matters.
    let mut parts = parts(data);
    let (one, two) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let both = listed(&[one, b"\n\n", two].concat(), drip);
    assert_eq!(both, [listed(one, drip), listed(two, drip)].concat());

    // The same stanzas, when the text is at hand as a whole.
    let mut whole = 0;
    for stanza in deb822::stanzas(data) {
        let Ok(stanza) = stanza else { break };
        whole += 1;
        for name in ["Package", "Version", "Origin", "X"] {
            if let Some(value) = stanza.field(name) {
                assert!(stanza.has(name) && stanza.has(&name.to_lowercase()));
                assert!(!value.contains("\n\n"), "a value of two stanzas");
                let shorter = value.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
                assert_eq!(value, shorter);
            }
        }
    }
    assert!(whole <= data.len());

    // A name stands once in a stanza, whatever its case.
    if deb822::parse(data).is_ok() {
        let lines = data.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let fields = lines.filter(|line| !line.starts_with(b" ") && !line.starts_with(b"\t"));
        let name =
            |line: &[u8]| line.split(|&byte| byte == b':').next().map(<[u8]>::to_ascii_lowercase);
        let names: Vec<_> = fields.map(name).collect();
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }

    // A Release file: what its first stanza says, signed inline or not.
    if let Some(listing) = index::release(data) {
        let named = [&listing.origin, &listing.label, &listing.suite, &listing.codename];
        for value in named.into_iter().filter(|value| !value.is_empty()) {
            let found = data.windows(value.len()).any(|part| part == value.as_bytes());
            assert!(found, "{value:?} stands nowhere");
        }
        // What stands behind the signature is not signed.
        let framed = [b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n", data].concat();
        let end = b"\n-----BEGIN PGP SIGNATURE-----\n\nxyz\n-----END PGP SIGNATURE-----\n";
        let more = b"\n\nOrigin: Evil\n";
        if !data.starts_with(b"-----BEGIN PGP") && !data.starts_with(b"\n") {
            let signed = [&framed[..], end, more].concat();
            assert_eq!(index::release(&signed), Some(listing));
        }
    }

    // Names of files in apt's lists.
    if let (Ok(one), Ok(two)) = (std::str::from_utf8(one), std::str::from_utf8(two)) {
        let mut releases: Vec<String> = two.split('\n').map(str::to_owned).collect();
        releases.sort();
        if let Some(origin) = index::origin_of(one, &releases) {
            let release = origin.release;
            let prefix = release.strip_suffix("InRelease").or(release.strip_suffix("Release"));
            assert!(one.starts_with(prefix.expect("it is no Release file")));
            // Unescaped, nothing grows but by what is no character in one byte.
            assert!(origin.site.len() + origin.path.len() <= 3 * one.len());
            assert!(origin.path.starts_with(&origin.component));
        }
    }
});
