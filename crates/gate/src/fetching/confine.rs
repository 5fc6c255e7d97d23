//! The permissions of the two processes that read data from strangers: the method, and the process
//! that fetches evidence for root.
//!
//! They are confined (see [`crate::sys::sandbox`]) once all files are open that only root may open,
//! and before they read the first byte from outside.

use std::path::{Path, PathBuf};

use crate::apt::configuration::Configuration;
use crate::config::{Endpoint, Protocol};
use crate::evidence::{CA_BUNDLES, EndpointSetup};
use crate::sys::sandbox::{Closed, Sandbox, SandboxError};

/// The directories of the C library, the modules of its name service, and lists of authorities.
/// They contain configuration and programs that everybody may read. Files that only root may read
/// remain closed to the user that these processes run as.
const SYSTEM: [&str; 7] =
    ["/etc", "/usr", "/lib", "/lib32", "/lib64", "/run/systemd/resolve", "/run/resolvconf"];

/// A path that is often a link to a file below /run.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The choice to confine processes, by `APT::Quorum::Sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Confinement {
    /// Confined as far as the kernel can.
    #[default]
    Wanted,
    /// Root switched it off.
    Off,
}

impl Confinement {
    /// The item of apt's configuration that switches it off.
    pub const ITEM: &'static str = "APT::Quorum::Sandbox";

    /// Reads root's choice. Returns [`Self::Off`] only for a word that apt itself takes for no
    /// (`StringToBool`, apt-pkg/contrib/strutl.cc).
    #[must_use]
    pub fn of(apt: &Configuration) -> Self {
        let no = ["no", "false", "without", "off", "disable", "0"];
        match apt.find(Self::ITEM) {
            Some(word) if no.iter().any(|no| word.eq_ignore_ascii_case(no)) => Self::Off,
            _ => Self::Wanted,
        }
    }
}

/// The paths that the method needs in addition to the evidence.
#[derive(Debug, Clone, Default)]
pub struct MethodPlaces {
    /// apt's indexes and archives
    pub apt: Vec<PathBuf>,
    /// The directory for the signed bytes behind its receipts
    pub evidence: Option<PathBuf>,
    /// The file that apt asks for first, if it goes to none of apt's own directories. In its
    /// directory, files get their names when they pass.
    pub elsewhere: Option<PathBuf>,
}

/// Confines the method. `setup` has its settings for asking endpoints, if there is a usable
/// configuration.
///
/// # Errors
/// If it could not be confined: then it must end.
pub fn confine_method(
    apt: &Configuration,
    setup: Option<&EndpointSetup>,
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

/// Confines the process that fetches evidence for root.
///
/// # Errors
/// If it could not be confined, as for [`confine_method`].
pub fn confine_fetcher(setup: &EndpointSetup) -> Result<Option<Closed>, SandboxError> {
    close(&network(Some(setup)), Confinement::of(&setup.apt))
}

fn close(sandbox: &Sandbox, confinement: Confinement) -> Result<Option<Closed>, SandboxError> {
    match confinement {
        Confinement::Wanted => sandbox.close().map(Some),
        Confinement::Off => Ok(None),
    }
}

/// The permissions for asking endpoints: names, authorities, directories with attestations, and the
/// cache.
fn network(setup: Option<&EndpointSetup>) -> Sandbox {
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
        // Some are links to places outside the directories above.
        sandbox = sandbox.may_read(bundle);
    }
    let Some(setup) = setup else { return sandbox };
    if let Some(ports) = setup.routes.ports() {
        sandbox = sandbox.may_connect_only_to(ports);
    }
    for authorities in setup.routes.authorities() {
        sandbox = sandbox.may_read(authorities);
    }
    for endpoint in setup.endpoints.iter().filter(|it| it.protocol == Protocol::Directory) {
        if let Ok(path) = endpoint.url.to_file_path() {
            sandbox = sandbox.may_read(path);
        }
    }
    if let Some((cache, _)) = &setup.keep {
        // Made now if possible: a confined process cannot make anything beside it.
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

/// Returns the directory of a file that apt asks for: for `apt-get download` and `apt-get source`,
/// the directory in which they are called. A file may be in a separate directory among temporary
/// ones (`apt-get changelog` makes one for each file). Then returns the directory of all of these,
/// because they do not exist yet.
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
