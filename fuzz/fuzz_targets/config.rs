//! The administrator's files, damaged in every way. A configuration is taken as a whole or not at
//! all, and every key, rule, exception and rebuilder in it counts as it stands there.
//!
//! An input is policy.toml, two rebuilders' files, a file of exceptions and a key, in this order.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use apt_quorum::config::load;
use apt_quorum::policy::Requirement;
use apt_quorum::sys::secure::Trusted;
use apt_quorum_fuzz::parts;
use libfuzzer_sys::fuzz_target;
use toml::{Table, Value};

const FILES: [&str; 5] =
    ["policy.toml", "rebuilders.d/a.toml", "rebuilders.d/b.toml", "exceptions.d/x.toml", "key.pem"];

/// The directory, and what was written there last: files that did not change are left.
static PLACE: LazyLock<(PathBuf, Mutex<[Option<Vec<u8>>; 5]>)> = LazyLock::new(|| {
    let place = std::env::temp_dir().join(format!("apt-quorum-fuzz-{}", std::process::id()));
    for directory in ["", "rebuilders.d", "exceptions.d"] {
        fs::create_dir_all(place.join(directory)).unwrap();
    }
    (place, Mutex::default())
});

fn several<'t>(table: &'t Table, key: &str) -> &'t [Value] {
    table.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Keys that nobody reads could be a misspelt condition.
fn only(table: &Table, known: &[&str]) {
    for key in table.keys() {
        assert!(known.contains(&key.as_str()), "{key} is passed over in silence");
    }
}

const CONDITIONS: [&str; 11] = [
    "package",
    "source",
    "version",
    "architecture",
    "sha256",
    "site",
    "origin",
    "label",
    "suite",
    "codename",
    "signed_by",
];

fn check_rebuilder(table: &Table) -> (usize, usize) {
    only(table, &["name", "contact", "key", "endpoint"]);
    for key in several(table, "key") {
        only(key.as_table().unwrap(), &["type", "public", "file", "not_after"]);
    }
    for endpoint in several(table, "endpoint") {
        only(endpoint.as_table().unwrap(), &["protocol", "url", "architectures"]);
    }
    (several(table, "key").len(), several(table, "endpoint").len())
}

fuzz_target!(|data: &[u8]| {
    let (place, written) = &*PLACE;
    let mut written = written.lock().unwrap();
    let mut all = parts(data);
    for (name, written) in FILES.into_iter().zip(written.iter_mut()) {
        let text = all.next().map(<[u8]>::to_vec);
        if *written != text {
            match &text {
                Some(text) => fs::write(place.join(name), text).unwrap(),
                None => drop(fs::remove_file(place.join(name))),
            }
            *written = text;
        }
    }
    let files: Vec<Option<Table>> = written
        .iter()
        .map(|text| std::str::from_utf8(text.as_deref()?).ok()?.parse().ok())
        .collect();

    let config = match load(place, Trusted::now()) {
        Ok(config) => config,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for text in [problems.to_string(), problems.lines()] {
                let fit = |byte: u8| byte == b'\n' || (0x20..0x7f).contains(&byte);
                assert!(text.len() < 1 << 20 && text.bytes().all(fit), "{text}");
            }
            return;
        }
    };
    let conditions = |more: &[&'static str]| [&CONDITIONS, &["component"][..], more].concat();
    let policy = &config.policy;
    let table = files[0].as_ref().expect("others read no TOML there");
    only(table, &["mode", "threshold", "groups", "conflict", "group", "rule", "network"]);
    let in_groups = |table: &Table, requirement: &Requirement| {
        let wanted = table.get("groups").and_then(Value::as_table).cloned().unwrap_or_default();
        let read: Table = requirement
            .groups()
            .iter()
            .map(|(name, quota)| (name.to_string(), i64::from(quota.threshold.count()).into()))
            .collect();
        assert_eq!(wanted, read);
        for quota in requirement.groups().values() {
            assert!(quota.members.is_subset(requirement.counted()));
            assert!(quota.threshold.is_met_by(quota.members.len()));
        }
    };
    let rules = several(table, "rule");
    assert_eq!(policy.rules().len(), rules.len());
    for (rule, read) in rules.iter().zip(policy.rules()) {
        let rule = rule.as_table().unwrap();
        let keys = ["threshold", "rebuilders", "require", "groups", "conflict", "reason"];
        only(rule, &conditions(&keys));
        let requirement = &read.requirement;
        in_groups(if rule.contains_key("groups") { rule } else { table }, requirement);
        assert!(!read.matcher.is_empty(), "a rule for everything");
        assert!(requirement.counted().len() >= requirement.required().len());
        let wanted = rule.get("threshold").or(table.get("threshold")).and_then(Value::as_integer);
        let same = wanted.map(|wanted| wanted.to_string());
        assert_eq!(same, Some(requirement.threshold().count().to_string()));
        assert!(several(rule, "require").len() >= requirement.required().len());
        for name in requirement.counted() {
            assert!(policy.rebuilders().contains(name), "{name} is nobody");
        }
    }
    if let Some(requirement) = policy.default_requirement() {
        in_groups(table, requirement);
        let wanted = table["threshold"].as_integer().unwrap();
        assert!(wanted > 0 && wanted.to_string() == requirement.threshold().count().to_string());
        assert!(usize::try_from(wanted).unwrap() <= policy.rebuilders().len());
    }
    let mode = format!("{:?}", policy.mode()).to_lowercase();
    assert_eq!(table["mode"].as_str(), Some(mode.as_str()));

    let (mut keys, mut endpoints, mut rebuilders) = (0, 0, 0);
    for at in [1, 2] {
        if written[at].is_some() {
            let table = files[at].as_ref().expect("others read no TOML there");
            let (more_keys, more_endpoints) = check_rebuilder(table);
            assert!(more_keys > 0, "a rebuilder without a key");
            (keys, endpoints, rebuilders) =
                (keys + more_keys, endpoints + more_endpoints, rebuilders + 1);
        }
    }
    assert_eq!(policy.rebuilders().len(), rebuilders);
    assert_eq!(policy.keys().iter().count(), keys);
    assert_eq!(config.endpoints.len(), endpoints);

    let mut exceptions = 0;
    if written[3].is_some() {
        let table = files[3].as_ref().expect("others read no TOML there");
        only(table, &["exception"]);
        exceptions = several(table, "exception").len();
        for exception in several(table, "exception") {
            let exception = exception.as_table().unwrap();
            only(exception, &conditions(&["reason", "expires"]));
            assert!(!exception["reason"].as_str().unwrap().trim().is_empty());
            assert!(exception["expires"].is_datetime());
        }
    }
    assert_eq!(policy.exceptions().len(), exceptions);
    assert!(policy.exceptions().iter().all(|exception| !exception.matcher.is_empty()));
    // The same files make the same configuration.
    assert_eq!(load(place, Trusted::now()).map(|again| again.digest).ok(), Some(config.digest));
});
