//! Messages of apt and of the wrapped method. Nobody's values may become another field or another
//! message, and what is passed on must be what was read.
#![no_main]

use std::io::BufReader;

use apt_quorum::apt::message::Message;
use apt_quorum_fuzz::{Dripping, has_control};
use libfuzzer_sys::fuzz_target;

/// The names by which the method looks for something.
const NAMES: [&str; 12] = [
    "URI",
    "Filename",
    "Expected-SHA256",
    "New-URI",
    "Alternate-URIs",
    "Send-URI-Encoded",
    "Config-Item",
    "Message",
    "FailReason",
    "IMS-Hit",
    "SHA256-Hash",
    "Target-Type",
];

fn all(mut input: impl std::io::BufRead) -> (Vec<Message>, bool) {
    let mut messages = Vec::new();
    loop {
        match Message::read(&mut input) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, true),
            Err(_) => return (messages, false),
        }
    }
}

/// What a reader that knows nothing but the format sees in what was written.
fn written_is_one_message(written: &[u8], fields: Option<usize>) {
    assert!(written.ends_with(b"\n\n"));
    let lines: Vec<&[u8]> = written[..written.len() - 2].split(|&byte| byte == b'\n').collect();
    assert!(lines.iter().all(|line| !line.is_empty() && !has_control(line)), "{lines:?}");
    let heads = lines[1..].iter().filter(|line| line[0] != b' ' && line[0] != b'\t').count();
    if let Some(fields) = fields {
        assert_eq!(heads, fields);
    }
}

fuzz_target!(|data: &[u8]| {
    let (messages, whole) = all(data);
    let drip = data.first().map_or(1, |&byte| usize::from(byte));
    let (dripped, dripped_whole) = all(BufReader::with_capacity(16, Dripping(data, drip)));
    assert_eq!((&messages, whole), (&dripped, dripped_whole), "it depends on how the pipe flows");

    let mut again = Vec::new();
    for message in &messages {
        let written = message.to_bytes();
        written_is_one_message(&written, None);
        let (back, whole) = all(written.as_slice());
        assert!(whole);
        let [back] = back.as_slice() else { panic!("{} messages of one", back.len()) };
        assert_eq!(back.to_bytes(), written);
        assert_eq!(back.code(), message.code());
        for name in NAMES {
            assert_eq!(back.all(name).count(), message.all(name).count(), "{name}");
            for (ours, theirs) in back.all(name).zip(message.all(name)) {
                let clean = theirs.split(|&byte| byte == b'\n').all(|line| !has_control(line));
                assert!(!clean || ours == theirs, "{name} was changed on the way");
            }
        }
        let clean = |byte: &u8| !has_control(&[*byte]) || *byte == b'\n';
        assert!(!data.iter().all(clean) || back == message);
        again.extend(written);
    }
    // Behind each other they are the same messages.
    assert_eq!(all(again.as_slice()).0.len(), messages.len());

    // As a value that somebody chose.
    let message = Message::new(400, "URI Failure").with("URI", data).with("Message", data);
    let written = message.to_bytes();
    written_is_one_message(&written, Some(2));
    let (back, whole) = all(written.as_slice());
    assert!(whole && back.len() == 1);
    assert_eq!((back[0].all("URI").count(), back[0].all("Message").count()), (1, 1));
    assert_eq!(back[0].field("URI"), back[0].field("Message"));
    assert_eq!(back[0].code(), 400);
});
