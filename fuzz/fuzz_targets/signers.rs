//! Keyrings, files with sources, and Release files that somebody signed: nothing is anybody's word
//! without a certificate that is there.
#![no_main]

use apt_quorum::apt::sources::{Format, judged, read, signed_by};
use apt_quorum::attest::repository::SignedRelease;
use apt_quorum::types::Unverified;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (one, two) = data.split_at(data.len() / 2);
    let now = "2026-12-01T00:00:00Z".parse().expect("a time");

    let certificates = Unverified::all_in(one);
    for it in &certificates {
        assert!(it.may_be(it.fingerprint()) && !it.may_be(""));
        if let Some(verified) = it.verified() {
            assert_eq!(verified.fingerprint(), it.fingerprint());
        }
    }
    for signature in [None, Some(one)] {
        assert!(SignedRelease::read(two, signature, &[], now).is_err(), "signed by nobody");
        if let Ok(signed) = SignedRelease::read(two, signature, &certificates, now) {
            let known = |it: &&apt_quorum::types::Fingerprint| {
                let name = it.to_string().to_ascii_lowercase();
                certificates.iter().any(|it| it.fingerprint() == name)
            };
            assert!(!signed.signers().is_empty());
            assert_eq!(signed.signers().iter().filter(known).count(), signed.signers().len());
        }
    }

    let text = String::from_utf8_lossy(data);
    for format in [Format::Line, Format::Stanza] {
        let entries = read(&text, format);
        let changed = judged(&text, &entries);
        assert!(changed.len() >= text.len());
        assert_eq!(changed.replace("quorum+", ""), text.replace("quorum+", ""));
        for value in signed_by(&text, format) {
            assert!(value.len() <= text.len() + 1);
        }
    }
});
