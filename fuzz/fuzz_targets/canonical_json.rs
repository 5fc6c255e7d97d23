//! Canonical JSON: one form for each value, another form for another value, and the same reading
//! as `serde_json`'s own.
#![no_main]

use apt_quorum::attest::JsonError;
use apt_quorum::attest::json::{MAX_DEPTH, Value, parse};
use apt_quorum_fuzz::canonical::form;
use libfuzzer_sys::fuzz_target;

/// The canonical form as a JSON text: it has control characters in it as they are.
fn as_text(canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in canonical {
        match byte {
            0..0x20 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fuzz_target!(|data: &[u8]| {
    let theirs = serde_json::from_slice::<serde_json::Value>(data);
    match parse(data) {
        Ok(value) => {
            let canonical = value.canonical();
            assert_eq!(parse(&as_text(&canonical)), Ok(value.clone()), "a form of two values");
            assert_eq!(canonical, form(&theirs.expect("others do not read it")));
            assert!(depth(&value) <= MAX_DEPTH);
            // Escapes of surrogates shorten; nothing grows but `\` by being escaped.
            assert!(canonical.len() <= data.len());
        }
        // What we do not read for its form, nobody reads.
        Err(JsonError::Malformed { .. }) => assert!(theirs.is_err(), "others read it"),
        Err(JsonError::NotAnInteger | JsonError::DuplicateKey { .. } | JsonError::TooDeep) => {}
    }
});
