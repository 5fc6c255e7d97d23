//! dpkg's database of what is installed (`/var/lib/dpkg/status`, dpkg(1) "INFORMATION ABOUT
//! PACKAGES").

use super::source::{self, SourceError};
use super::{Malformed, stanzas};
use crate::types::{DebVersion, Identity, NameError, PackageName};

/// A package of which files are on the system, whether its installation was finished or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What it is
    pub identity: Identity,
    /// The source package and its version: `Source`, or what it defaults to (deb-control(5))
    pub source: (PackageName, DebVersion),
    /// Whether it is unpacked and configured as it should be
    pub whole: bool,
}

/// Why a database cannot be understood. What is installed is not known then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// Not the format of deb822(5).
    #[error("entry {number} is malformed: {why}")]
    Malformed {
        /// Which one, from 1
        number: usize,
        /// What is wrong
        why: Malformed,
    },
    /// A field that every entry has is missing.
    #[error("entry {number} has no {field}")]
    Missing {
        /// Which one, from 1
        number: usize,
        /// The field
        field: &'static str,
    },
    /// A field whose value is none.
    #[error("entry {number} has an invalid {field}: {why}")]
    Invalid {
        /// Which one, from 1
        number: usize,
        /// The field
        field: &'static str,
        /// What is wrong
        why: NameError,
    },
    /// A status that dpkg does not write.
    #[error("entry {number} has a status that is none")]
    Status {
        /// Which one, from 1
        number: usize,
    },
    /// A source that is none.
    #[error("entry {number} has an invalid Source: {why}")]
    Source {
        /// Which one, from 1
        number: usize,
        /// What is wrong
        why: SourceError,
    },
}

/// The packages of which files are on the system, in the order of the database.
///
/// # Errors
/// If any entry cannot be understood: one that is passed over would not be audited.
pub fn installed(text: &[u8]) -> Result<Vec<Installed>, StatusError> {
    let mut found = Vec::new();
    for (number, stanza) in (1..).zip(stanzas(text)) {
        let stanza = stanza.map_err(|why| StatusError::Malformed { number, why })?;
        let field = |field| stanza.field(field).ok_or(StatusError::Missing { number, field });
        let invalid = |field| move |why| StatusError::Invalid { number, field, why };
        // What is wanted, whether all is well, and what there is.
        let mut words = field("Status")?.split_ascii_whitespace();
        let (Some(_), Some(well), Some(state), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(StatusError::Status { number });
        };
        let whole = match state {
            "not-installed" | "config-files" => continue,
            "installed" | "triggers-awaited" | "triggers-pending" => well == "ok",
            "unpacked" | "half-configured" | "half-installed" => false,
            _ => return Err(StatusError::Status { number }),
        };
        let identity = Identity {
            package: field("Package")?.parse().map_err(invalid("Package"))?,
            version: field("Version")?.parse().map_err(invalid("Version"))?,
            architecture: field("Architecture")?.parse().map_err(invalid("Architecture"))?,
        };
        let source = match stanza.field("Source") {
            None => (identity.package.clone(), identity.version.clone()),
            Some(text) => source::parse(text, &identity.version)
                .map_err(|why| StatusError::Source { number, why })?,
        };
        found.push(Installed { identity, source, whole });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(status: &str, rest: &str) -> String {
        format!("Package: hello\nStatus: {status}\nVersion: 1:2-3\nArchitecture: amd64\n{rest}\n")
    }

    #[test]
    fn what_has_files_on_the_system_is_installed() {
        for (status, expected) in [
            ("install ok installed", Some(true)),
            ("hold ok installed", Some(true)),
            ("install reinstreq installed", Some(false)),
            ("install ok triggers-awaited", Some(true)),
            ("install ok triggers-pending", Some(true)),
            ("install ok unpacked", Some(false)),
            ("install ok half-configured", Some(false)),
            ("deinstall ok half-installed", Some(false)),
            ("deinstall ok config-files", None),
            ("purge ok not-installed", None),
        ] {
            let found = installed(entry(status, "").as_bytes()).unwrap();
            assert_eq!(found.first().map(|it| it.whole), expected, "{status}");
        }
    }

    #[test]
    fn the_source_is_what_it_says_or_the_package_itself() {
        for (source, expected) in [
            ("", ("hello", "1:2-3")),
            ("Source: hallo\n", ("hallo", "1:2-3")),
            ("Source: hallo (2-3)\n", ("hallo", "2-3")),
        ] {
            let rest = format!("{source}Description: x\n more\n");
            let text = entry("install ok installed", &rest);
            let found = installed(text.as_bytes()).unwrap();
            let (name, version) = &found.first().unwrap().source;
            assert_eq!((name.as_str(), version.as_str()), expected);
        }
    }

    #[test]
    fn an_entry_that_cannot_be_understood_is_not_passed_over() {
        let good = entry("install ok installed", "") + "\n";
        for bad in [
            "no field\n",
            "Package: x\nVersion: 1\nArchitecture: all\n",
            "Package: x\nStatus: installed\nVersion: 1\nArchitecture: all\n",
            "Package: x\nStatus: install ok here\nVersion: 1\nArchitecture: all\n",
            "Package: x\nStatus: install ok installed\nArchitecture: all\n",
            "Package: ../x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
            "Package: x\nPackage: y\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
            "Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nSource: y 1\n",
        ] {
            assert!(installed(format!("{good}{bad}").as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(installed(b"").unwrap(), []);
    }
}
