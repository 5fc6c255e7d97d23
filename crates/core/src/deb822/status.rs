//! dpkg's database of what is installed (`/var/lib/dpkg/status`, dpkg(1) "INFORMATION ABOUT
//! PACKAGES").

use super::control::{self, Control, ControlError};
use super::{Malformed, stanzas};
use crate::types::{Called, Identity, NameError, PackageName};

/// A package of which files are on the system, whether its installation was finished or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name, version and architecture in dpkg's database
    pub called: Called,
    /// Its control data, or the reason that the data is not valid. An older dpkg, or one that was
    /// forced to (`--force-bad-version`), installs packages that are not valid by dpkg's own rules
    pub control: Result<Control, ControlError>,
    /// Is true when it is unpacked and configured as it should be
    pub whole: bool,
}

/// The reason that a database cannot be understood. Then the installed packages are not known.
///
/// An entry that is only odd is not an error: it is reported with its name and with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// It ends in the middle of a line. dpkg would not read it either.
    #[error("it is cut off in its last line")]
    CutOff,
    /// Not the format of deb822(5).
    #[error("entry {number} is malformed: {why}")]
    Malformed {
        /// The number of the entry, from 1
        number: usize,
        /// The fault
        why: Malformed,
    },
    /// An entry lacks a field without which nothing can be said about it.
    #[error("entry {number} has no {field}")]
    Missing {
        /// The number of the entry, from 1
        number: usize,
        /// The field
        field: &'static str,
    },
    /// A package whose name dpkg would not read either.
    #[error("entry {number} has an invalid Package: {why}")]
    Name {
        /// The number of the entry, from 1
        number: usize,
        /// The reason that the name is not valid
        why: NameError,
    },
    /// A status that dpkg does not write.
    #[error("entry {number} has an unknown status")]
    Status {
        /// The number of the entry, from 1
        number: usize,
    },
}

impl Installed {
    /// Its identity, if its control data is valid.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.control.as_ref().ok().map(|it| &it.identity)
    }
}

/// The packages of which files are on the system, in the order of the database.
///
/// # Errors
/// If the database is damaged or not complete: an entry that is passed over would not be audited.
pub fn installed(text: &[u8]) -> Result<Vec<Installed>, StatusError> {
    if text.last().is_some_and(|&byte| byte != b'\n') {
        return Err(StatusError::CutOff);
    }
    let mut found = Vec::new();
    for (number, stanza) in (1..).zip(stanzas(text)) {
        let stanza = stanza.map_err(|why| StatusError::Malformed { number, why })?;
        let field = |field| {
            let value = stanza.field(field).filter(|it| !it.is_empty());
            value.ok_or(StatusError::Missing { number, field })
        };
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
        let called = Called {
            package: field("Package")?.to_owned(),
            version: field("Version")?.to_owned(),
            architecture: field("Architecture")?.to_owned(),
        };
        match called.package.parse::<PackageName>() {
            // dpkg sets no limit.
            Ok(_) | Err(NameError::TooLong { .. }) => {}
            Err(why) => return Err(StatusError::Name { number, why }),
        }
        found.push(Installed { called, control: control::of_stanza(&stanza), whole });
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
            let (name, version) = &found.first().unwrap().control.as_ref().unwrap().source;
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
            "Package: x\nStatus: install ok installed\nVersion:\nArchitecture: all\n",
            "Package: x\nStatus: install ok installed\nVersion: 1\n",
            "Package: ../x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
            "Package: x\nPackage: y\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
        ] {
            assert!(installed(format!("{good}{bad}").as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(installed(b"").unwrap(), []);
        assert_eq!(installed(good.trim_end().as_bytes()), Err(StatusError::CutOff));
    }

    #[test]
    fn an_odd_entry_is_told_with_its_name_and_why_and_hides_no_other() {
        let good = entry("install ok installed", "") + "\n";
        for (odd, why) in [
            ("Package: odd\nVersion: 1_2\nArchitecture: all\n", "Version is invalid"),
            ("Package: odd\nVersion: beta\nArchitecture: all\n", "Version is invalid"),
            ("Package: odd\nVersion: 1\nArchitecture: a_b\n", "Architecture is invalid"),
            ("Package: odd\nVersion: 1\nArchitecture: all\nSource: a\n b\n", "Source"),
            ("Package: odd\nVersion: 1\nArchitecture: all\nRevision: 2\n", "Revision"),
        ] {
            let text = format!("{good}{odd}Status: install ok installed\n\n{good}");
            let found = installed(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 3, "{odd}");
            let error = found[1].control.as_ref().unwrap_err().to_string();
            assert!(error.contains(why), "{odd}: {error}");
            assert!(found[1].called.to_string().contains("odd") && found[1].identity().is_none());
            assert!(found[0].identity().is_some() && found[2].identity().is_some());
        }
        let vendor = "Package: ms_edge\nVersion: 1\nArchitecture: all\nSource: Microsoft\n";
        let text = format!("{vendor}Status: install ok installed\n");
        assert!(installed(text.as_bytes()).unwrap()[0].identity().is_some());
    }
}
