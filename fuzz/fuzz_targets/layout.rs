//! Layouts. One is taken over only if each key that was asked for signed it, it holds, and what
//! becomes of it is what it says: so many of its keys, each counted once. What is not kept is told.
//!
//! The first byte of an input chooses who signs what; the rest is what is signed, in which KEY1,
//! ID1, KEY2 and ID2 stand for two keys, and behind a byte 0xff what is signed instead.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use apt_quorum::attest::{Layout, MAX_BYTES, Stated, read_json_key};
use apt_quorum::types::{PublicKey, Timestamp};
use apt_quorum_fuzz::support::{Key, now};
use apt_quorum_fuzz::{canonical, fixed_key, has_control, parts};
use ed25519_dalek::{Signature, VerifyingKey};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Whoever makes layouts, and whoever rebuilds.
static KEYS: LazyLock<[Key; 4]> = LazyLock::new(|| [1, 2, 3, 4].map(fixed_key));

fn raw(key: &PublicKey) -> [u8; 32] {
    let PublicKey::Ed25519(raw) = key else { unreachable!() };
    *raw
}

fn hex(bytes: &[u8]) -> String {
    apt_quorum_fuzz::support::hex(bytes)
}

/// The layout around `text` that the first byte asks for, and who must have signed it.
fn layout<'k>(how: u8, text: &str, other: &[u8], keys: &'k [Key; 4]) -> (Vec<u8>, &'k [Key]) {
    let message = |text: &[u8]| {
        serde_json::from_slice(text).map(|value| canonical::form(&value)).unwrap_or_default()
    };
    let element = |key: &Key, message: &[u8]| {
        format!(r#"{{"keyid":"{}","sig":"{}"}}"#, key.id(), key.sign(message))
    };
    let own = message(text.as_bytes());
    let signatures = match how & 7 {
        0 => return (text.as_bytes().to_vec(), &keys[..1]),
        1 => element(&keys[0], &own),
        2 => [element(&keys[0], &own), element(&keys[1], &own)].join(","),
        // Signed was something else.
        3 => element(&keys[0], &message(other)),
        // Somebody who is not asked for.
        4 => element(&keys[2], &own),
        _ => String::from_utf8_lossy(other).replace("SIG", &keys[0].sign(&own)),
    };
    let asked = if how & 8 == 0 { &keys[..1] } else { &keys[..2] };
    (format!("{{\"signatures\":[{signatures}],\"signed\":{text}}}").into_bytes(), asked)
}

fn signed_by(envelope: &Value, key: &Key) -> bool {
    let message = canonical::form(&envelope["signed"]);
    let key = VerifyingKey::from_bytes(&raw(&key.public())).unwrap();
    let signatures = envelope["signatures"].as_array().cloned().unwrap_or_default();
    signatures.iter().any(|signature| {
        let text = signature["sig"].as_str().unwrap_or_default();
        let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let bytes = bytes.and_then(|it| <[u8; 64]>::try_from(it).ok());
        bytes.is_some_and(|it| key.verify_strict(&message, &Signature::from_bytes(&it)).is_ok())
    })
}

/// Whether a rule says no more than what holds here anyway.
fn is_plain(rule: &Value, member: &str) -> bool {
    let rule: Vec<&str> = rule.as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    match rule.as_slice() {
        ["ALLOW", "*"] => true,
        ["ALLOW" | "DISALLOW", "*" | "*.deb"] => member == "expected_products",
        _ => false,
    }
}

fn fit_for_a_terminal(text: &str) {
    assert!(text.len() < 4000 && text.is_ascii() && !has_control(text.as_bytes()), "{text:?}");
}

fuzz_target!(|data: &[u8]| {
    let keys = &*KEYS;
    let Some((&how, rest)) = data.split_first() else { return };
    let mut parts = parts(rest);
    let (text, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut text = String::from_utf8_lossy(text).into_owned();
    for (number, key) in [(1, &keys[2]), (2, &keys[3])] {
        text = text.replace(&format!("KEY{number}"), &hex(&raw(&key.public())));
        text = text.replace(&format!("ID{number}"), &key.id());
    }
    match read_json_key(text.as_bytes()) {
        Ok(_) => {
            let value: Value = serde_json::from_str(&text).unwrap();
            let private = value["keyval"]["private"].as_str().unwrap_or_default();
            assert!(private.is_empty(), "a private key was taken");
        }
        Err(why) => fit_for_a_terminal(&why),
    }

    let (bytes, asked) = layout(how, &text, other, keys);
    let public: Vec<PublicKey> = asked.iter().map(Key::public).collect();
    let layout = match Layout::read(&bytes, &public, now()) {
        Ok(layout) => layout,
        Err(error) => return fit_for_a_terminal(&error.to_string()),
    };
    assert!(bytes.len() <= MAX_BYTES);
    let envelope: Value = serde_json::from_slice(&bytes).unwrap();
    for key in asked {
        assert!(signed_by(&envelope, key), "somebody did not sign it");
    }
    let signed = &envelope["signed"];
    assert_eq!(signed["_type"], "layout");
    let expires: Timestamp = signed["expires"].as_str().unwrap().parse().unwrap();
    assert!(expires > now() && expires == layout.expires);
    let [step] = signed["steps"].as_array().unwrap().as_slice() else { panic!("several steps") };
    assert_eq!(step["name"], "rebuild");
    assert_eq!(step["threshold"].as_u64(), Some(layout.threshold.count().into()));
    assert!(layout.threshold.is_met_by(layout.keys.len()));
    let ids: Vec<&str> =
        step["pubkeys"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(ids, layout.keys.iter().map(|it| it.id.as_str()).collect::<Vec<_>>());
    let mut seen = BTreeSet::new();
    for key in &layout.keys {
        match &key.stated {
            Stated::Whole(public) => {
                assert!(seen.insert(public.to_bytes().to_vec()), "one key counts twice");
                if let PublicKey::Ed25519(raw) = public {
                    let stated = signed["keys"][&key.id]["keyval"]["public"].as_str().unwrap();
                    assert_eq!(stated.trim().to_lowercase(), hex(raw));
                }
            }
            Stated::OutOf(numbers) => {
                assert_eq!(numbers.fingerprint(), key.id.to_lowercase());
                assert_eq!(numbers.fingerprint().len(), 40);
            }
        }
    }
    // As many notes as there is that is not kept, up to where they are cut.
    let empty = Vec::new();
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let mut untold = signed["inspect"].as_array().unwrap_or(&empty).len();
    for member in ["expected_materials", "expected_products"] {
        untold += list(&step[member]).iter().filter(|rule| !is_plain(rule, member)).count();
    }
    assert!(layout.notes.len() >= untold.min(100), "something is passed over in silence");
    layout.notes.iter().for_each(|note| fit_for_a_terminal(note));
});
