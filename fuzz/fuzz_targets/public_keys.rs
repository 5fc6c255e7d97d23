//! The list of keys that a rebuilderd publishes. It is all keys or nothing, and no key is made up.
#![no_main]

use apt_quorum::evidence::{MAX_KEYS, PublishedKeys};
use apt_quorum::fuzzing::public_keys;
use apt_quorum::types::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use libfuzzer_sys::fuzz_target;

/// The last 32 bytes of what stands between the lines of a PEM block.
fn last_bytes(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.split("-----").nth(2)?.split_ascii_whitespace().collect();
    let der = BASE64.decode(body).ok()?;
    Some(der.get(der.len().checked_sub(32)?..)?.to_vec())
}

fuzz_target!(|data: &[u8]| {
    let read = public_keys(data);
    let listed = serde_json::from_slice::<serde_json::Value>(data).ok();
    let listed: Option<Vec<String>> = listed.and_then(|document| {
        // serde also takes a structure's members in their order.
        let list = document.get("current").or_else(|| document.get(0))?;
        list.as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect()
    });
    match read {
        Ok(PublishedKeys::Keys(keys)) => {
            assert!(!keys.is_empty() && keys.len() <= MAX_KEYS);
            let listed = listed.expect("keys without a list");
            let mut raw: Vec<Vec<u8>> = listed.iter().filter_map(|it| last_bytes(it)).collect();
            assert_eq!(raw.len(), listed.len(), "something that is no key was passed over");
            raw.sort();
            raw.dedup();
            let mut found: Vec<Vec<u8>> = keys.iter().map(|it| it.to_bytes().to_vec()).collect();
            found.sort();
            assert_eq!(found, raw);
            for key in keys {
                assert_eq!(PublicKey::ed25519_from_pem(&key.to_text()), Ok(key));
            }
        }
        Ok(PublishedKeys::Nothing(_)) => assert_eq!(listed, Some(Vec::new())),
        Ok(PublishedKeys::Failed(why)) | Err(why) => assert!(!why.is_empty()),
    }
});
