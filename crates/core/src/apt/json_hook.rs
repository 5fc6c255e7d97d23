//! What apt tells a hook of `AptCli::Hooks` before it asks its question.
//!
//! Format: doc/json-hooks-protocol.md of apt's source; JSON-RPC 2.0, one object a line, an empty
//! line behind each. Newer versions, such as 3.0, send their whole configuration with the
//! first one; 2.6 does not.

use std::io::{self, BufRead, Read};

use serde::Deserialize;

use super::configuration::Configuration;
use crate::types::{Called, Identity};

/// Longest message that is read, in bytes. An upgrade of 5,000 packages has 5 MB.
const MAX_MESSAGE: u64 = 64 * 1024 * 1024;

/// The versions of the protocol that are spoken here, the best first.
const VERSIONS: [&str; 2] = ["0.2", "0.1"];

/// A message from apt.
#[derive(Debug)]
pub enum HookMessage {
    /// It asks which version of the protocol to speak.
    Hello {
        /// The answer to send
        answer: String,
        /// apt's configuration, if it tells
        configuration: Option<Configuration>,
    },
    /// It is about to ask whether to go on.
    BeforePrompt {
        /// The packages that it would put onto the system, sorted
        packages: Vec<Identity>,
        /// The other packages, as apt calls them. They cannot be looked up: odd ones, and files
        /// from the command line, which need not be what an index lists under the same name and
        /// version
        odd: Vec<Called>,
        /// True if apt was told to upgrade what there is to upgrade, and no package by name
        upgrade: bool,
    },
    /// Something else, which needs no answer.
    Other,
    /// It says no more.
    Bye,
}

/// A message that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum HookMessageError {
    /// Reading failed.
    #[error("cannot read apt's message: {}", crate::types::plain(.0))]
    Io(#[from] io::Error),
    /// It is longer than any real one.
    #[error("apt's message is longer than {} MiB", MAX_MESSAGE >> 20)]
    TooLong,
    /// It is not of the format.
    #[error("apt's message is malformed (line {}, column {})", .0.line(), .0.column())]
    Malformed(#[from] serde_json::Error),
    /// No version of the protocol that is known here.
    #[error("apt uses an unknown version of the hook protocol")]
    Version,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    id: Option<u64>,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    versions: Vec<String>,
    options: Vec<Setting>,
    command: String,
    packages: Vec<HookPackage>,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct HookPackage {
    name: String,
    mode: String,
    versions: Versions,
}

#[derive(Deserialize)]
struct Versions {
    install: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    architecture: String,
    /// The places from which it is available: a repository has its own description of itself, a
    /// file has none
    #[serde(default)]
    origins: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Reads the next message; nothing at the end.
///
/// # Errors
/// See [`HookMessageError`].
pub fn read(from: &mut impl BufRead) -> Result<Option<HookMessage>, HookMessageError> {
    loop {
        let mut line = Vec::new();
        from.by_ref().take(MAX_MESSAGE + 1).read_until(b'\n', &mut line)?;
        if u64::try_from(line.len()).unwrap_or(u64::MAX) > MAX_MESSAGE {
            return Err(HookMessageError::TooLong);
        }
        if line.is_empty() {
            return Ok(None);
        }
        if line != b"\n" {
            return message(serde_json::from_slice(&line)?).map(Some);
        }
    }
}

fn message(request: Request) -> Result<HookMessage, HookMessageError> {
    let Request { method, id, params } = request;
    match method.strip_prefix("org.debian.apt.hooks.") {
        Some("hello") => {
            let spoken = |it: &&str| params.versions.iter().any(|offered| offered == *it);
            let version = VERSIONS.iter().copied().find(spoken).ok_or(HookMessageError::Version)?;
            let id = id.unwrap_or_default();
            let answer = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"version\":\"{version}\"}}}}\n\n"
            );
            let set = |mut all: Configuration, Setting { name, value }: Setting| {
                all.set(&name, value);
                all
            };
            let configuration = (!params.options.is_empty())
                .then(|| params.options.into_iter().fold(Configuration::default(), set));
            Ok(HookMessage::Hello { answer, configuration })
        }
        Some("install.pre-prompt") => {
            // "upgrade", "downgrade" and "reinstall" come as well as "install"; what stays or goes
            // does not.
            let comes =
                |it: &HookPackage| !matches!(it.mode.as_str(), "keep" | "deinstall" | "purge");
            let coming = params.packages.into_iter().filter(comes);
            let (mut packages, mut odd) = (Vec::new(), Vec::new());
            for HookPackage { name, versions, .. } in coming {
                let Some(install) = versions.install else { continue };
                let Version { version, architecture, origins } = install;
                let called = Called { package: name, version, architecture };
                let is_a_file = origins.iter().any(serde_json::Map::is_empty);
                match called.identity() {
                    Ok(identity) if !is_a_file => packages.push(identity),
                    _ => odd.push(called),
                }
            }
            packages.sort();
            packages.dedup();
            let upgrade = params.command.ends_with("upgrade");
            Ok(HookMessage::BeforePrompt { packages, odd, upgrade })
        }
        Some("bye") => Ok(HookMessage::Bye),
        _ => Ok(HookMessage::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_a_run_are_read_in_turn() {
        let text = concat!(
            r#"{"jsonrpc":"2.0","method":"org.debian.apt.hooks.hello","id":7,"params":{"versions":["0.1","0.2","0.9"],"options":[{"name":"APT::Get::Assume-Yes","value":"1"},{"name":"List::","value":"a"}]}}"#,
            "\n\n",
            r#"{"jsonrpc":"2.0","method":"org.debian.apt.hooks.install.pre-prompt","params":{"command":"install","search-terms":["bb"],"unknown-packages":[],"packages":["#,
            r#"{"id":1,"name":"bb","architecture":"amd64","mode":"install","automatic":false,"versions":{"candidate":{"id":1,"version":"3","architecture":"all"},"install":{"id":1,"version":"1:2-3","architecture":"all","pin":500,"origins":[]}}},"#,
            r#"{"id":2,"name":"aa","architecture":"amd64","mode":"upgrade","automatic":true,"versions":{"install":{"id":2,"version":"1","architecture":"amd64"},"current":{"id":3,"version":"0","architecture":"amd64"}}},"#,
            r#"{"id":4,"name":"gone","architecture":"amd64","mode":"purge","automatic":false,"versions":{"current":{"id":5,"version":"0","architecture":"amd64"}}},"#,
            r#"{"id":6,"name":"kept","architecture":"amd64","mode":"keep","automatic":false,"versions":{"candidate":{"id":7,"version":"0","architecture":"amd64"}}}]}}"#,
            "\n\n",
            r#"{"jsonrpc":"2.0","method":"org.debian.apt.hooks.install.statistics","params":{}}"#,
            "\n\n",
            r#"{"jsonrpc":"2.0","method":"org.debian.apt.hooks.bye","params":{}}"#,
            "\n\n",
        );
        let mut from = text.as_bytes();
        let Some(HookMessage::Hello { answer, configuration }) = read(&mut from).unwrap() else {
            panic!("no hello")
        };
        assert_eq!(answer, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"version\":\"0.2\"}}\n\n");
        let configuration = configuration.unwrap();
        assert_eq!(configuration.find("apt::get::assume-yes"), Some("1"));
        let Some(HookMessage::BeforePrompt { packages, odd, upgrade }) = read(&mut from).unwrap()
        else {
            panic!("no packages")
        };
        let shown: Vec<String> = packages.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["aa 1 amd64", "bb 1:2-3 all"]);
        assert!(odd.is_empty() && !upgrade);
        assert!(matches!(read(&mut from).unwrap(), Some(HookMessage::Other)));
        assert!(matches!(read(&mut from).unwrap(), Some(HookMessage::Bye)));
        assert!(read(&mut from).unwrap().is_none());
    }

    #[test]
    fn an_upgrade_names_no_packages() {
        let text = |command: &str| {
            format!(
                r#"{{"method":"org.debian.apt.hooks.install.pre-prompt","params":{{"command":"{command}","search-terms":[],"packages":[{{"name":"aa","mode":"install","versions":{{"install":{{"version":"1","architecture":"all"}}}}}}]}}}}"#
            )
        };
        for (command, expected) in [
            ("install", false),
            ("reinstall", false),
            ("upgrade", true),
            ("dist-upgrade", true),
            ("full-upgrade", true),
        ] {
            match read(&mut text(command).as_bytes()) {
                Ok(Some(HookMessage::BeforePrompt { upgrade, .. })) => {
                    assert_eq!(upgrade, expected, "{command}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// As apt 2.6 tells of one that was named as `./aa_1_all.deb`. An index may list another file as the
    /// same version, and that one may be refused.
    #[test]
    fn a_file_that_somebody_named_is_not_looked_up() {
        let text = |origins: &str| {
            format!(
                r#"{{"method":"org.debian.apt.hooks.install.pre-prompt","params":{{"command":"install","search-terms":[],"packages":[{{"name":"aa","mode":"install","versions":{{"install":{{"version":"1","architecture":"all","origins":{origins}}}}}}}]}}}}"#
            )
        };
        for (origins, expected) in [
            ("[]", (1, 0)),
            (r#"[{"archive":"stable"}]"#, (1, 0)),
            ("[{}]", (0, 1)),
            (r#"[{"archive":"stable"},{}]"#, (0, 1)),
        ] {
            match read(&mut text(origins).as_bytes()) {
                Ok(Some(HookMessage::BeforePrompt { packages, odd, .. })) => {
                    assert_eq!((packages.len(), odd.len()), expected, "{origins}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        let hello = |versions| {
            format!(
                r#"{{"method":"org.debian.apt.hooks.hello","id":0,"params":{{"versions":{versions}}}}}"#
            )
        };
        for bad in [
            "no JSON".to_owned(),
            hello("[]"),
            hello("[\"9.0\"]"),
            r#"{"method":"org.debian.apt.hooks.install.pre-prompt","params":{"packages":[{"name":1}]}}"#
                .to_owned(),
        ] {
            assert!(read(&mut bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_odd_package_hides_no_other() {
        let package = |name: &str, mode: &str, version: &str| {
            format!(
                r#"{{"name":"{name}","mode":"{mode}","versions":{{"install":{{"version":"{version}","architecture":"all"}}}}}}"#
            )
        };
        let packages = [
            package("node_exporter", "install", "1.0"),
            package("good", "upgrade", "1:2"),
            package("odd", "install", "1_2"),
            package("../x", "install", "1"),
            package("gone_too", "purge", "1_2"),
        ];
        let text = format!(
            r#"{{"method":"org.debian.apt.hooks.install.pre-prompt","params":{{"packages":[{}]}}}}"#,
            packages.join(",")
        );
        let Ok(Some(HookMessage::BeforePrompt { packages, odd, .. })) = read(&mut text.as_bytes())
        else {
            panic!("not understood")
        };
        let shown: Vec<String> = packages.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["good 1:2 all", "node_exporter 1.0 all"]);
        let odd: Vec<String> = odd.iter().map(ToString::to_string).collect();
        assert_eq!(odd, ["odd 1_2 all", "../x 1 all"]);
    }
}
