//! What is left to the two processes that read what strangers send: the method, and the one that
//! fetches evidence for root.
//!
//! They are closed in (see [`crate::sys::sandbox`]) once all is open that only root may open, and
//! before they read the first byte from outside.

use std::path::{Path, PathBuf};

use crate::apt::configuration::Configuration;
use crate::config::{Endpoint, Protocol};
use crate::evidence::{CA_BUNDLES, Setup};
use crate::sys::sandbox::{Closed, Sandbox, SandboxError};

/// Where the C library, the modules of its name service, and lists of authorities are. All of it
/// is configuration and programs that everybody may read: what only root may read, the user that
/// these processes run as cannot.
const SYSTEM: [&str; 7] =
    ["/etc", "/usr", "/lib", "/lib32", "/lib64", "/run/systemd/resolve", "/run/resolvconf"];

/// Often a link to somewhere below /run.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Whether processes are to be closed in, by `APT::Quorum::Sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confinement {
    /// As far as the kernel can.
    #[default]
    Wanted,
    /// Root switched it off.
    Off,
}

impl Confinement {
    /// The item of apt's configuration that switches it off.
    pub const ITEM: &'static str = "APT::Quorum::Sandbox";

    /// What root wants. Off only for a word that apt itself takes for no (`StringToBool`,
    /// apt-pkg/contrib/strutl.cc).
    #[must_use]
    pub fn of(apt: &Configuration) -> Self {
        let no = ["no", "false", "without", "off", "disable", "0"];
        match apt.find(Self::ITEM) {
            Some(word) if no.iter().any(|no| word.eq_ignore_ascii_case(no)) => Self::Off,
            _ => Self::Wanted,
        }
    }
}

/// What the method needs besides the evidence.
#[derive(Debug, Clone, Default)]
pub struct MethodPlaces {
    /// apt's indexes and archives
    pub apt: Vec<PathBuf>,
    /// Where the signed bytes behind its receipts go
    pub evidence: Option<PathBuf>,
    /// The file that apt asks for first, if it goes to none of apt's own directories. In its
    /// directory, files are given their names when they pass.
    pub elsewhere: Option<PathBuf>,
}

/// Closes the method in. `setup` is what it asks endpoints with, if there is a usable
/// configuration.
///
/// # Errors
/// If it could not be closed in: it must end then.
pub fn confine_method(
    apt: &Configuration,
    setup: Option<&Setup>,
    places: &MethodPlaces,
) -> Result<Option<Closed>, SandboxError> {
    let mut sandbox = network(setup);
    for path in &places.apt {
        sandbox = sandbox.may_read(path);
    }
    if let Some(directory) = places.elsewhere.as_deref().and_then(directory_of) {
        sandbox = sandbox.may_rename(directory);
    }
    if let Some(evidence) = &places.evidence {
        sandbox = sandbox.may_write(evidence);
    }
    close(&sandbox, Confinement::of(apt))
}

/// Closes the process in that fetches evidence for root.
///
/// # Errors
/// As [`confine_method`].
pub fn confine_fetcher(setup: &Setup) -> Result<Option<Closed>, SandboxError> {
    close(&network(Some(setup)), Confinement::of(&setup.apt))
}

fn close(sandbox: &Sandbox, confinement: Confinement) -> Result<Option<Closed>, SandboxError> {
    match confinement {
        Confinement::Wanted => sandbox.close().map(Some),
        Confinement::Off => Ok(None),
    }
}

/// What asking endpoints needs: names, authorities, directories with attestations, and the cache.
fn network(setup: Option<&Setup>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    for path in SYSTEM {
        sandbox = sandbox.may_read(path);
    }
    if let Ok(resolv_conf) = std::fs::canonicalize(RESOLV_CONF) {
        // The file is replaced when the network changes. But not all of /run.
        let directory = resolv_conf.parent().filter(|it| it.components().count() > 2);
        sandbox = sandbox.may_read(directory.unwrap_or(&resolv_conf));
    }
    for bundle in CA_BUNDLES {
        // Some are links to places that are not above.
        sandbox = sandbox.may_read(bundle);
    }
    let Some(setup) = setup else { return sandbox };
    for authorities in setup.routes.authorities() {
        sandbox = sandbox.may_read(authorities);
    }
    for endpoint in setup.endpoints.iter().filter(|it| it.protocol == Protocol::Directory) {
        if let Ok(path) = endpoint.url.to_file_path() {
            sandbox = sandbox.may_read(path);
        }
    }
    if let Some((cache, _)) = &setup.keep {
        // Made now if it can be: afterwards, nothing can be made beside it.
        let any = |is: fn(&Endpoint) -> bool| setup.endpoints.iter().any(is);
        let bundles = any(|it| it.is_bundle() && it.url.scheme() != "file");
        let archives = any(|it| it.archive.is_some());
        let directories = [
            Some(cache.directory().to_owned()),
            bundles.then(|| cache.bundles()),
            archives.then(|| cache.archives()),
        ];
        for directory in directories.into_iter().flatten() {
            let _ = std::fs::create_dir_all(&directory);
            sandbox = sandbox.may_write(directory);
        }
    }
    sandbox
}

/// The directory of a file that apt asks for, as `apt-get download` and `apt-get source` have
/// theirs wherever they are called. For a file in a directory of its own among temporary ones
/// (`apt-get changelog` makes one for each file) all of these, which are not made yet.
fn directory_of(file: &Path) -> Option<&Path> {
    let directory = file.parent().filter(|_| file.is_absolute())?;
    let above = directory.parent()?;
    let sticky = |metadata: std::fs::Metadata| {
        use std::os::unix::fs::MetadataExt;
        metadata.mode() & 0o1000 != 0
    };
    Some(if above.metadata().is_ok_and(sticky) { above } else { directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_no_switches_it_off() {
        let of = |item: &str| {
            let mut apt = Configuration::default();
            apt.add(item);
            Confinement::of(&apt)
        };
        assert_eq!(of(""), Confinement::Wanted);
        for (word, expected) in [
            ("false", Confinement::Off),
            ("No", Confinement::Off),
            ("0", Confinement::Off),
            ("true", Confinement::Wanted),
            ("", Confinement::Wanted),
            ("fasle", Confinement::Wanted),
        ] {
            assert_eq!(of(&format!("APT::Quorum::Sandbox={word}")), expected, "{word}");
        }
    }

    #[test]
    fn a_file_in_a_temporary_directory_of_its_own_brings_those_beside_it() {
        use std::os::unix::fs::PermissionsExt;

        let top = tempfile::tempdir().unwrap();
        let own = top.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let file = own.join("x.changelog");
        assert_eq!(directory_of(&file), Some(own.as_path()));
        std::fs::set_permissions(top.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        assert_eq!(directory_of(&file), Some(top.path()));
        assert_eq!(directory_of(Path::new("x.deb")), None);
        assert_eq!(directory_of(Path::new("/")), None);
    }
}
