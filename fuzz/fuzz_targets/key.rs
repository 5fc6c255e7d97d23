//! Keys, as PEM in both forms, in hexadecimal and as bytes. One key has one value, whatever the
//! form, and a weak one has none.
#![no_main]

use apt_quorum::types::PublicKey;
use apt_quorum_fuzz::support::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libfuzzer_sys::fuzz_target;

const SPKI: &str = "302a300506032b6570032100";
const SPKI_NULL: &str = "302c300706032b65700500032100";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn pem(der: &[u8], end: &str) -> String {
    let text = BASE64.encode(der);
    format!("-----BEGIN PUBLIC KEY-----{end}{text}{end}-----END PUBLIC KEY-----{end}")
}

/// Everything that must be the same about a key that was read.
fn same_in_every_form(key: &PublicKey) {
    let PublicKey::Ed25519(raw) = key else { unreachable!() };
    for prefix in [SPKI, SPKI_NULL] {
        let der = [bytes(prefix).as_slice(), raw].concat();
        for end in ["\n", "\r\n", "\n\n ", " "] {
            assert_eq!(PublicKey::ed25519_from_pem(&pem(&der, end)).as_ref(), Ok(key));
        }
        // A byte more or less is another thing.
        assert!(PublicKey::ed25519_from_pem(&pem(&der[..der.len() - 1], "\n")).is_err());
        assert!(PublicKey::ed25519_from_pem(&pem(&[&der[..], &[0]].concat(), "\n")).is_err());
    }
    assert_eq!(PublicKey::ed25519_from_hex(&hex(raw)).as_ref(), Ok(key));
    assert_eq!(PublicKey::ed25519_from_hex(&hex(raw).to_uppercase()).as_ref(), Ok(key));
    assert_eq!(PublicKey::ed25519_from_bytes(*raw).as_ref(), Ok(key));
    assert_eq!(key.key_id().as_str(), apt_quorum_fuzz::support::key_id(raw));
    // Weak: eight times the point is the neutral element, so that some signature is good for
    // every message.
    let point = ed25519_dalek::VerifyingKey::from_bytes(raw).expect("it is no point");
    assert!(!point.is_weak());
    // The signature of nothing must not verify.
    let mut signature = [0; 64];
    signature[0] = 1;
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    assert!(point.verify_strict(b"", &signature).is_err());
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(key) = PublicKey::ed25519_from_pem(text) {
            same_in_every_form(&key);
            // Exactly one key: two behind each other are none.
            assert!(PublicKey::ed25519_from_pem(&format!("{text}\n{text}")).is_err());
            // What is read stands in the text, as the last 32 bytes of what it encodes.
            let body: String =
                text.lines().filter(|line| !line.contains("-----")).collect::<Vec<_>>().concat();
            let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            if let Ok(der) = BASE64.decode(body).map_err(drop).and_then(|der| match der.len() {
                44 | 46 => Ok(der),
                _ => Err(()),
            }) {
                let PublicKey::Ed25519(raw) = &key else { unreachable!() };
                assert!(der.ends_with(raw));
            }
        }
        if let Ok(key) = PublicKey::ed25519_from_hex(text) {
            same_in_every_form(&key);
            let PublicKey::Ed25519(raw) = &key else { unreachable!() };
            assert_eq!(text.trim().to_lowercase(), hex(raw));
        }
    }
    if let Some(Ok(raw)) = data.get(..32).map(<[u8; 32]>::try_from) {
        if let Ok(key) = PublicKey::ed25519_from_bytes(raw) {
            same_in_every_form(&key);
        }
    }
    // The structure around a key, from outside: only the two that are known are read.
    if data.len() < 100 {
        if let Ok(key) = PublicKey::ed25519_from_pem(&pem(data, "\n")) {
            let PublicKey::Ed25519(raw) = &key else { unreachable!() };
            let known = [SPKI, SPKI_NULL].map(|prefix| [bytes(prefix).as_slice(), raw].concat());
            assert!(known.iter().any(|der| der == data));
            same_in_every_form(&key);
        }
    }
});
