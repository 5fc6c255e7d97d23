//! The control data of a binary package (deb-control(5)): what its own file says of it, and what an
//! index or dpkg's database says.
//!
//! There is one reader for all of them, so that what is foreseen by an index is what is judged when the
//! file is there.

use super::{Malformed, Stanza, source, stanzas};
use crate::types::{DebVersion, Identity, NameError, PackageName, SourceName};

/// The control fields by which a package is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `Package`, `Version` and `Architecture`
    pub identity: Identity,
    /// The source package and its version: `Source`, or what it defaults to (deb-control(5))
    pub source: (SourceName, DebVersion),
}

/// The reason that a control file cannot be read without doubt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not the format of deb822(5).
    #[error("the control file is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// There must be exactly one stanza.
    #[error("the control file has {0} stanzas instead of one")]
    Stanzas(usize),
    /// A field that every package has is missing.
    #[error("the control file has no {0}")]
    Missing(&'static str),
    /// A field whose value dpkg takes with the line end before it.
    #[error("the control file's {0} has its value below the line of its name")]
    Below(&'static str),
    /// A field of before 1996 from which dpkg still adds to the version.
    #[error("the control file has {0}, which changes the version for dpkg")]
    Revision(&'static str),
    /// The end of a file on MS-DOS, where dpkg ends the line and others go on.
    #[error("the control file has an end-of-file character")]
    EndOfFile,
    /// A source that dpkg and apt do not read in the same way.
    #[error("the control file's Source is not a name, or a name and a version in brackets")]
    Source,
    /// A field whose value is none.
    #[error("the control file's {field} is invalid: {why}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// The reason that its value is not valid.
        why: NameError,
    },
}

/// The fields that are read here.
const JUDGED_BY: [&str; 4] = ["Package", "Version", "Architecture", "Source"];

/// The fields whose value dpkg appends to the version, behind a hyphen.
const REVISIONS: [&str; 3] = ["Revision", "Package-Revision", "Package_Revision"];

/// The byte at which dpkg's parser ends a line.
const MSDOS_EOF: u8 = 0x1a;

/// Reads a control file.
///
/// # Errors
/// See [`ControlError`].
pub fn parse(text: &[u8]) -> Result<Control, ControlError> {
    if memchr::memchr(MSDOS_EOF, text).is_some() {
        return Err(ControlError::EndOfFile);
    }
    let stanzas = stanzas(text).take(2).collect::<Result<Vec<_>, _>>()?;
    match stanzas.as_slice() {
        [stanza] => of_stanza(stanza),
        several => Err(ControlError::Stanzas(several.len())),
    }
}

/// Reads what a stanza says of a package.
///
/// # Errors
/// See [`ControlError`].
pub fn of_stanza(stanza: &Stanza<'_>) -> Result<Control, ControlError> {
    let required = |field| stanza.field(field).ok_or(ControlError::Missing(field));
    if let Some(field) = JUDGED_BY.into_iter().find(|field| stanza.begins_below(field)) {
        return Err(ControlError::Below(field));
    }
    if let Some(field) = REVISIONS.into_iter().find(|field| stanza.has(field)) {
        return Err(ControlError::Revision(field));
    }
    let invalid = |field| move |why| ControlError::Invalid { field, why };

    let package: PackageName = required("Package")?.parse().map_err(invalid("Package"))?;
    let version: DebVersion = required("Version")?.parse().map_err(invalid("Version"))?;
    let architecture = required("Architecture")?.parse().map_err(invalid("Architecture"))?;
    let source = match stanza.field("Source") {
        None if stanza.has("Source") => return Err(ControlError::Source),
        // dpkg and apt take an empty one for none.
        None | Some("") => (SourceName::from(&package), version.clone()),
        Some(text) => source::parse(text, &version).ok_or(ControlError::Source)?,
    };
    Ok(Control { identity: Identity { package, version, architecture }, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_whatever_their_case_and_order() {
        let control = parse(
            b"version: 1:2.0-1\nPACKAGE: foo\nDescription: x\n y\n .\n z\nArchitecture: all\n",
        )
        .unwrap();
        assert_eq!(control.identity.to_string(), "foo 1:2.0-1 all");
        assert_eq!(control.source.1.as_str(), "1:2.0-1");
    }

    #[test]
    fn the_source_version_may_differ() {
        let control =
            parse(b"Package: foo\nVersion: 1.0-1+b1\nArchitecture: amd64\nSource: bar (1.0-1)\n")
                .unwrap();
        assert_eq!(control.source.0.as_str(), "bar");
        assert_eq!(control.source.1.as_str(), "1.0-1");
    }

    /// dpkg takes all of this, and reads it in one way.
    #[test]
    fn what_policy_forbids_and_dpkg_takes_is_read_as_dpkg_does() {
        let good = "Package: foo\nVersion: 1\nArchitecture: all\n";
        for (text, expected, source) in [
            (good.replace("foo", "NoMachine"), "NoMachine 1 all", "NoMachine 1"),
            (good.replace("foo", "node_exporter"), "node_exporter 1 all", "node_exporter 1"),
            (good.replace('\n', "\r\n"), "foo 1 all", "foo 1"),
            (format!("\n\n{good}\n\n"), "foo 1 all", "foo 1"),
            (good.trim_end().to_owned(), "foo 1 all", "foo 1"),
            (good.replace(": ", " \t:\t\x0b"), "foo 1 all", "foo 1"),
            (format!("{good}Source: Microsoft\n"), "foo 1 all", "Microsoft 1"),
            (format!("{good}Source: My Product (2)\n"), "foo 1 all", "My 2"),
            (format!("{good}Source:\n"), "foo 1 all", "foo 1"),
            (format!("{good}#Not-A-Comment: x\n"), "foo 1 all", "foo 1"),
            (format!("{good}Gr\u{fc}n: x\n"), "foo 1 all", "foo 1"),
        ] {
            let control = parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"));
            assert_eq!(control.identity.to_string(), expected, "{text:?}");
            assert_eq!(format!("{} {}", control.source.0, control.source.1), source, "{text:?}");
        }
    }

    #[test]
    fn what_dpkg_could_read_otherwise_is_refused() {
        let good = "Package: foo\nVersion: 1\nArchitecture: all\n";
        for (text, problem) in [
            (String::new(), "0 stanzas"),
            (format!("{good}\n{good}"), "2 stanzas"),
            (format!("{good}package: bar\n"), "duplicate field package"),
            (good.replace("Version: 1\n", ""), "no Version"),
            (good.replace("foo", "../foo"), "Package is invalid"),
            (good.replace("foo", "foo\n bar"), "Package is invalid"),
            (format!("{good}no colon\n"), "malformed"),
            (format!(" x\n{good}"), "malformed"),
            (format!("{good}# a comment\n"), "malformed"),
            (format!("{good}\r\n"), "malformed"),
            (good.replace("Version: 1", "Version: 1_2"), "Version is invalid"),
            (good.replace("Version: 1", "Version: v1"), "Version is invalid"),
            (format!("{good}Source: a\n b\n"), "Source"),
            (format!("{good}Source: a (b_c)\n"), "Source"),
            (format!("{good}Source:\n a\n"), "Source"),
            (format!("{good}Revision: 2\n"), "Revision"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
