//! The indexes that apt verified: which repository lists which file (Debian policy has no chapter on
//! them; <https://wiki.debian.org/DebianRepository/Format>).

use crate::apt::configuration::dequote;
use crate::deb822;
use crate::types::Fingerprint;

pub use crate::deb822::packages::{IndexEntry, ListedPackage, entries, packages};

/// One repository that offers this file: the facts of apt's verified index that lists this very
/// SHA-256 under this very name, version and architecture.
///
/// Never made from the file, its URL or its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listing {
    /// `Origin` of its Release file
    pub origin: String,
    /// `Label` of its Release file
    pub label: String,
    /// `Suite` of its Release file
    pub suite: String,
    /// `Codename` of its Release file
    pub codename: String,
    /// The component whose index lists the file
    pub component: String,
    /// The host from which the index came; empty for a local one
    pub site: String,
    /// The certificates whose keys signed its Release file, which has the hash of the index, by the
    /// fingerprints of their primary keys. Empty if that is not known, or was not looked at
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<Fingerprint>,
}

/// Longest value of a field that says where a repository belongs, in bytes. A longer one is as if it
/// were not there: rules compare their patterns with these values.
const MAX_VALUE: usize = 1024;

/// Reads what a Release or InRelease file says about its repository.
///
/// `None` if it is malformed. The signature around it was checked by apt.
#[must_use]
pub fn release(text: &[u8]) -> Option<Listing> {
    // An inline signature (RFC 4880 section 7) frames the text: headers, an empty line, the text
    // itself, and the armoured signature.
    let framed = text.strip_prefix(b"-----BEGIN PGP SIGNED MESSAGE-----\n");
    let body = match framed {
        Some(framed) => framed.get(memchr::memmem::find(framed, b"\n\n")? + 2..)?,
        None => text,
    };
    let end = memchr::memmem::find(body, b"\n-----BEGIN PGP SIGNATURE-----").unwrap_or(body.len());
    let stanza = deb822::stanzas(body.get(..end)?).next()?.ok()?;
    let short = |value: &&str| value.len() <= MAX_VALUE;
    let field = |name| stanza.field(name).filter(short).unwrap_or_default().to_owned();
    Some(Listing {
        origin: field("Origin"),
        label: field("Label"),
        suite: field("Suite"),
        codename: field("Codename"),
        ..Listing::default()
    })
}

/// The origin of an index in apt's lists directory, as the names of the files there tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexOrigin<'n> {
    /// The name of its Release file
    pub release: &'n str,
    /// The host
    pub site: String,
    /// The component; empty in a repository without any
    pub component: String,
    /// The path of the index, uncompressed, below its Release file
    pub path: String,
}

/// Splits the name of a Packages file, without the ending of its compression, by the names of the
/// Release files there.
///
/// apt names them after their URIs, with `/` as `_` (`URItoFileName`,
/// apt-pkg/contrib/strutl.cc): `HOST_PATH_dists_SUITE_COMPONENT_binary-ARCH_Packages` and
/// `HOST_PATH_dists_SUITE_InRelease`. `releases` are sorted: there may be a great many.
#[must_use]
pub fn origin_of<'n>(packages: &str, releases: &'n [String]) -> Option<IndexOrigin<'n>> {
    // The nearest first; of a signed and an unsigned Release of the same repository the inline-signed one.
    let prefixes = packages.rmatch_indices('_').filter_map(|(at, _)| packages.get(..=at));
    let (release, prefix) = prefixes
        .flat_map(|prefix| ["InRelease", "Release"].map(|name| (format!("{prefix}{name}"), prefix)))
        .find_map(|(name, prefix)| {
            let at = releases.binary_search(&name).ok()?;
            Some((releases.get(at)?.as_str(), prefix))
        })?;
    let rest = packages.get(prefix.len()..)?;
    let component = rest.split_once("_binary-").map_or("", |(component, _)| component);
    let host = prefix.split('_').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let unnamed = |name: &str| dequote(&name.replace('_', "/"));
    Some(IndexOrigin {
        release,
        site: dequote(host),
        component: unnamed(component),
        path: unnamed(rest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str = "Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nCodename: trixie-security\nSHA256:\n abc 1 main/x\n";

    #[test]
    fn release_files_are_read_with_and_without_an_inline_signature() {
        let inline = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{RELEASE}-----BEGIN PGP SIGNATURE-----\n\nOrigin: Evil\n"
        );
        for text in [RELEASE.to_owned(), inline] {
            let listing = release(text.as_bytes()).unwrap();
            assert_eq!(listing.origin, "Debian");
            assert_eq!(listing.label, "Debian-Security");
            assert_eq!(listing.codename, "trixie-security");
        }
    }

    #[test]
    fn a_giant_value_is_none() {
        let text = format!("Origin: {}\nLabel: {}\n", "a".repeat(1024), "b".repeat(1025));
        let listing = release(text.as_bytes()).unwrap();
        assert_eq!((listing.origin.len(), listing.label.as_str()), (1024, ""));
    }

    #[test]
    fn a_packages_file_belongs_to_the_nearest_release() {
        let mut releases = [
            "127.0.0.1:8080_debian_dists_trixie_Release",
            "_tmp_qubes%5frepo_._InRelease",
            "deb.debian.org_debian_dists_trixie-updates_InRelease",
            "deb.debian.org_debian_dists_trixie_InRelease",
            "deb.debian.org_debian_dists_trixie_Release",
        ]
        .map(str::to_owned);
        releases.sort();
        for (name, expected) in [
            (
                "deb.debian.org_debian_dists_trixie_main_binary-amd64_Packages",
                Some((3, "deb.debian.org", "main", "main/binary-amd64/Packages")),
            ),
            (
                "deb.debian.org_debian_dists_trixie-updates_non-free-firmware_binary-all_Packages",
                Some((
                    2,
                    "deb.debian.org",
                    "non-free-firmware",
                    "non-free-firmware/binary-all/Packages",
                )),
            ),
            (
                "127.0.0.1:8080_debian_dists_trixie_main_binary-amd64_Packages",
                Some((0, "127.0.0.1", "main", "main/binary-amd64/Packages")),
            ),
            ("_tmp_qubes%5frepo_._Packages", Some((1, "", "", "Packages"))),
            (
                "deb.debian.org_debian_dists_trixie_a_b%5fc_binary-amd64_Packages",
                Some((3, "deb.debian.org", "a/b_c", "a/b_c/binary-amd64/Packages")),
            ),
            ("other.org_debian_dists_trixie_main_binary-amd64_Packages", None),
        ] {
            let expected =
                expected.map(|(at, site, component, path): (usize, &str, &str, &str)| {
                    let [site, component, path] = [site, component, path].map(ToOwned::to_owned);
                    IndexOrigin { release: &releases[at], site, component, path }
                });
            assert_eq!(origin_of(name, &releases), expected, "{name}");
        }
    }
}
