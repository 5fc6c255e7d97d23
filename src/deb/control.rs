//! The control file of a binary package (deb-control(5)).

use super::Control;
use crate::deb822;
use crate::deb822::source::{self, SourceError};
use crate::types::{DebVersion, Identity, NameError, PackageName};

/// Why a control file cannot be read without doubt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not the format of deb822(5).
    #[error("the control file is malformed: {0}")]
    Malformed(#[from] deb822::Malformed),
    /// There must be exactly one stanza.
    #[error("the control file has {0} stanzas, where one must be")]
    Stanzas(usize),
    /// A field that every package has is missing.
    #[error("the control file has no {0}")]
    Missing(&'static str),
    /// A field whose value dpkg takes with the line end before it.
    #[error("the control file's {0} does not stand on the line of its name")]
    Below(&'static str),
    /// A field of before 1996 from which dpkg still adds to the version.
    #[error("the control file has {0}, from which dpkg makes another version")]
    Revision(&'static str),
    /// The end of a file on MS-DOS, where dpkg ends the line and others go on.
    #[error("the control file has an end-of-file character in it")]
    EndOfFile,
    /// A source that is written otherwise than `name` or `name (version)`.
    #[error("the control file's Source is not a name, or a name and a version in brackets")]
    Source,
    /// A field whose value is none.
    #[error("the control file's {field} is invalid: {why}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: NameError,
    },
}

/// The fields that are read here.
const JUDGED_BY: [&str; 4] = ["Package", "Version", "Architecture", "Source"];

/// What dpkg appends to the version, behind a hyphen.
const REVISIONS: [&str; 3] = ["Revision", "Package-Revision", "Package_Revision"];

/// Where dpkg's parser ends a line.
const MSDOS_EOF: u8 = 0x1a;

/// Reads a control file.
pub(super) fn parse(text: &[u8]) -> Result<Control, ControlError> {
    if memchr::memchr(MSDOS_EOF, text).is_some() {
        return Err(ControlError::EndOfFile);
    }
    let stanzas = deb822::stanzas(text).take(2).collect::<Result<Vec<_>, _>>()?;
    let [stanza] = stanzas.as_slice() else {
        return Err(ControlError::Stanzas(stanzas.len()));
    };
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
        None => (package.clone(), version.clone()),
        Some(text) => source::parse(text, &version).map_err(|why| match why {
            SourceError::Form => ControlError::Source,
            SourceError::Name(why) => invalid("Source")(why),
        })?,
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

    #[test]
    fn what_dpkg_could_read_otherwise_is_refused() {
        let good = "Package: foo\nVersion: 1\nArchitecture: all\n";
        for (text, problem) in [
            (String::new(), "0 stanzas"),
            (format!("{good}\n{good}"), "2 stanzas"),
            (format!("{good}package: bar\n"), "twice"),
            (good.replace("Version: 1\n", ""), "no Version"),
            (good.replace("foo", "../foo"), "Package is invalid"),
            (good.replace("foo", "foo\n bar"), "Package is invalid"),
            (format!("{good}no colon\n"), "malformed"),
            (format!(" x\n{good}"), "malformed"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
