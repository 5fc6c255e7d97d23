//! What apt tells a hook before its question. It decides nothing, and must not end in the middle.
#![no_main]

use std::io::BufReader;

use apt_quorum::apt::json_hook::{self, HookMessage};
use apt_quorum_fuzz::Dripping;
use libfuzzer_sys::fuzz_target;

/// All that is understood, up to the first mistake.
fn messages(data: &[u8], drip: usize) -> Vec<String> {
    let mut from = BufReader::with_capacity(32, Dripping(data, drip));
    let mut all = Vec::new();
    loop {
        match json_hook::read(&mut from) {
            Ok(Some(message)) => {
                if let HookMessage::Hello { answer, .. } = &message {
                    assert!(answer.is_ascii() && answer.ends_with("}\n\n"));
                    assert_eq!(answer.matches('\n').count(), 2, "one object, one empty line");
                }
                if let HookMessage::BeforePrompt { packages, .. } = &message {
                    assert!(packages.is_sorted(), "{packages:?}");
                }
                all.push(format!("{message:?}"));
            }
            Ok(None) => return all,
            Err(error) => {
                all.push(error.to_string());
                return all;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let drip = data.first().map_or(1, |&byte| usize::from(byte) + 1);
    let all = messages(data, drip);
    assert_eq!(all, messages(data, 1 << 20), "it depends on how it is read");
    assert!(all.len() <= data.len() + 1);
});
