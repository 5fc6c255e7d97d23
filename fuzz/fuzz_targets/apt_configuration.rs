//! apt's configuration, from 601 messages, the hook's header and `apt-config dump`. What was set is
//! found, quoted or not, and paths stay below the root directory that was asked for.
#![no_main]

use std::path::Path;

use apt_quorum::apt::configuration::Configuration;
use apt_quorum::apt::message::Message;
use libfuzzer_sys::fuzz_target;

/// As apt's QuoteString does, for everything that is not a letter.
fn quote(text: &str) -> String {
    let quoted = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b':' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(quoted).collect()
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut configuration = Configuration::default();
    let mut said = Message::new(601, "Configuration");
    for item in text.split('\n') {
        configuration.add(item);
        said = said.with("Config-Item", item);
    }
    // Through a message it is the same, if no control character was taken out.
    if !data.iter().any(|byte| (*byte < 0x20 && *byte != b'\n') || *byte == 0x7f) {
        let message = Message::read(&mut said.to_bytes().as_slice()).unwrap().unwrap();
        let mut other = Configuration::default();
        for item in message.all("Config-Item") {
            other.add(&String::from_utf8_lossy(item));
        }
        let trimmed = !text.split('\n').any(|item| item.trim_ascii() != item);
        for name in ["APT", "Dir", "Dir::State", "RootDir", "A"].into_iter().filter(|_| trimmed) {
            assert_eq!(configuration.find(name), other.find(name));
        }
    }

    // Any name and value, quoted.
    if let Some((name, value)) = text.split_once('=') {
        let mut quoted = Configuration::default();
        quoted.add(&format!("{}={}", quote(name), quote(value)));
        if !name.ends_with("::") {
            assert_eq!(quoted.find(name).unwrap_or_default(), value);
            assert_eq!(quoted.find(&name.to_ascii_uppercase()).unwrap_or_default(), value);
        }
        assert_eq!(quoted.only(&[&format!("{name}x")]).find(name), None);
        assert_eq!(quoted.only(&[name]).find(name), quoted.find(name));
    }

    let mut dumped = Configuration::default();
    dumped.add_dump(&text);
    for configuration in [&configuration, &dumped] {
        for (name, default) in [
            ("Dir::State::lists", "/var/lib/apt/lists"),
            ("Dir::Cache::archives", "archives"),
            ("APT::Quorum::Config", "/etc/apt-quorum"),
        ] {
            let path = configuration.path(name, default);
            let root = Path::new(configuration.find("RootDir").unwrap_or("/"));
            // A relative one is the administrator's own wish, in apt as well.
            if root.is_absolute() && path != Path::new("/dev/null") {
                assert!(path.starts_with(root), "{} {}", path.display(), root.display());
            }
        }
    }
});
