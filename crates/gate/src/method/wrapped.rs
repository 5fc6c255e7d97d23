//! apt's own method, which does the downloading.

use std::ffi::OsStr;
use std::io::{BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::apt::configuration::Configuration;
use crate::apt::message::Message;
use crate::sys::plain;

use super::passage::Places;

/// The item for the type of hash that apt insists on, among all those that it is told.
const FORCE_HASH: &str = "Acquire::ForceHash";

/// The prefix before the name of the wrapped method.
const PREFIX: &str = "quorum+";

/// The methods that can be wrapped.
const WRAPPED: [&str; 2] = ["http", "https"];

/// The URL scheme under which the method runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    /// The scheme of the URLs: `quorum+https`, or `https` where
    /// `Dir::Bin::Methods::https` names this program
    name: String,
    /// apt's own method that is wrapped: `https`
    wrapped: &'static str,
}

/// The hashes that the wrapped method computes of packages whose SHA-256 apt told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItsHashes {
    /// None: they are only computed in this process.
    None,
    /// The one that apt told.
    Sha256,
}

/// The wrapped method, running.
pub(super) struct Wrapped {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Scheme {
    /// The scheme that belongs to the name of a method, or `None` for one that is not wrapped.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let inner = name.strip_prefix(PREFIX).unwrap_or(name);
        let wrapped = WRAPPED.into_iter().find(|wrapped| *wrapped == inner)?;
        Some(Self { name: name.to_owned(), wrapped })
    }

    /// The scheme as written in URLs.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns `uri` without the prefix. Returns nothing if it has none, because apt itself then
    /// does what its scheme needs.
    pub(super) fn without_prefix<'a>(&self, uri: &'a str) -> Option<&'a str> {
        uri.strip_prefix(PREFIX).filter(|_| self.name.starts_with(PREFIX))
    }

    /// Returns the capabilities of this method, which are those of the wrapped one. The wrapped
    /// method is not started for that, because apt asks every method once and then ends it.
    pub(super) fn capabilities(&self) -> Message {
        Message::new(100, "Capabilities")
            .with("Version", "1.2")
            .with("Pipeline", "true")
            .with("Send-Config", "true")
            .with("Send-URI-Encoded", "true")
    }

    /// Returns true when a redirect to `uri` remains behind the gate.
    pub(super) fn guards(&self, uri: &[u8], config: &Configuration) -> bool {
        let Some(scheme) = uri.split(|&byte| byte == b':').next() else { return false };
        let Ok(scheme) = std::str::from_utf8(scheme) else { return false };
        match scheme.strip_prefix(PREFIX) {
            Some(inner) => WRAPPED.contains(&inner),
            // Without the prefix it is ours only if apt was told to call us for it.
            None => WRAPPED.contains(&scheme) && calls_us(config, scheme),
        }
    }
}

/// Returns true when apt's configuration names this program as the method for `scheme`.
fn calls_us(config: &Configuration, scheme: &str) -> bool {
    let named = config.find(&format!("Dir::Bin::Methods::{scheme}"));
    let same = |path: &str| {
        let ours = std::env::current_exe().and_then(std::fs::canonicalize);
        matches!((std::fs::canonicalize(path), ours), (Ok(named), Ok(ours)) if named == ours)
    };
    named.is_some_and(same)
}

impl ItsHashes {
    /// Returns the hashes that the wrapped method is to compute, if apt's first request is `first`.
    pub(super) fn for_run(config: &Configuration, places: &Places, first: &Message) -> Self {
        let destination = first.field("Filename").map(|it| Path::new(OsStr::from_bytes(it)));
        // The wrapped method takes a file of the right length for one that it has fetched before,
        // unless its hash shows otherwise. With the hash, it fetches the file again; without it,
        // apt would only hear from us that the file is damaged.
        let afresh = destination.is_some_and(|it| places.begins_afresh(it));
        if afresh && config.find(FORCE_HASH).is_none() { Self::None } else { Self::Sha256 }
    }

    /// The value of `Acquire::ForceHash`. A hash list without a hash of that type is not usable for
    /// apt, and then the wrapped method computes all types that it knows. With such a hash, it
    /// computes those in the list.
    const fn item(self) -> Option<&'static str> {
        match self {
            Self::None => Some("Checksum-FileSize"),
            Self::Sha256 => None,
        }
    }

    /// Removes the hashes from a request for a package whose SHA-256 apt told, because the wrapped
    /// method would compute them in vain. None of its hashes is believed, and apt is told the one
    /// that this process computes. For large files, computing them takes longer than all else.
    pub(super) fn request(self, message: Message) -> Message {
        let has_size = message.field("Expected-Checksum-FileSize").is_some();
        message.only(|name| {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix("expected-") {
                None | Some("checksum-filesize") => true,
                Some("sha256") => self == Self::Sha256 || !has_size,
                Some(_) => false,
            }
        })
    }
}

impl Wrapped {
    /// Starts the wrapped method. Its name makes it take our URLs as its own and put our prefix
    /// before redirects.
    pub(super) fn start(scheme: &Scheme, config: &Configuration) -> Result<Self, String> {
        let methods = config.path("Dir::Bin::Methods", "/usr/lib/apt/methods");
        let program = methods.join(scheme.wrapped);
        let failed = |error| format!("cannot start {}: {}", program.display(), plain(&error));
        let mut child = Command::new(&program)
            .arg0(name_in(&methods, scheme))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let broken = || failed(std::io::ErrorKind::BrokenPipe.into());
        let input = child.stdin.take().ok_or_else(broken)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        Ok(Self { child, input, output })
    }

    /// Sends it apt's configuration, and the item that selects the hashes to compute.
    pub(super) fn configure(&mut self, configuration: Message, hashes: ItsHashes) {
        let more = hashes.item().map(|item| format!("{FORCE_HASH}={item}"));
        let configuration = configuration.with_some("Config-Item", more);
        // If it has ended, the reader of its messages notices.
        let _ = self.input.write_all(&configuration.to_bytes());
    }

    /// Returns its input and its output. It ends by itself when its input is closed, at the latest
    /// when this process ends.
    pub(super) fn split(self) -> (ChildStdin, BufReader<ChildStdout>) {
        drop(self.child);
        (self.input, self.output)
    }
}

fn name_in(methods: &Path, scheme: &Scheme) -> PathBuf {
    methods.join(&scheme.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_can_be_wrapped_are_taken() {
        for (name, wrapped) in
            [("quorum+http", "http"), ("quorum+https", "https"), ("https", "https")]
        {
            assert_eq!(Scheme::from_name(name).map(|it| it.wrapped), Some(wrapped));
        }
        for name in [
            "",
            "apt-quorum",
            "quorum+",
            "quorum+ftp",
            "quorum+tor+https",
            "quorum+quorum+http",
            "store",
        ] {
            assert_eq!(Scheme::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_redirect_must_stay_behind_the_gate() {
        let scheme = Scheme::from_name("quorum+http").unwrap();
        let config = Configuration::default();
        for (uri, expected) in [
            ("quorum+http://other.org/x.deb", true),
            ("quorum+https://other.org/x.deb", true),
            ("http://other.org/x.deb", false),
            ("https://other.org/x.deb", false),
            ("quorum+ftp://other.org/x.deb", false),
            ("file:/x.deb", false),
            ("copy:/x.deb", false),
            ("", false),
        ] {
            assert_eq!(scheme.guards(uri.as_bytes(), &config), expected, "{uri}");
        }
        // Not ours: the test program is not /bin/sh.
        let mut config = Configuration::default();
        config.add("Dir::Bin::Methods::https=/bin/sh");
        assert!(!scheme.guards(b"https://x/", &config));
        config.add(&format!(
            "Dir::Bin::Methods::https={}",
            std::env::current_exe().unwrap().display()
        ));
        assert!(scheme.guards(b"https://x/", &config));
        assert!(!scheme.guards(b"http://x/", &config));
    }
}
