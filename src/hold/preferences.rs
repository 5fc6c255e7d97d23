//! The pins, as apt reads them (apt_preferences(5)).

use std::collections::BTreeSet;

use super::plan::Pin;

/// The name of the file in apt's directory of preferences. Without a suffix, so that apt reads it.
pub const FILE: &str = "apt-quorum";

const HEAD: &str = "\
# Written by apt-quorum after each apt update. Do not edit: the next one replaces it.
# The versions below are held back until enough rebuilders confirm them.
# To see them: apt-quorum hold list
";

/// Returns the content of the file. `explain` gives the reason for each pin in one printable line.
///
/// A negative priority takes a version out of apt's choice, and nothing else: no other version
/// becomes better by it (apt_preferences(5)).
#[must_use]
pub fn preferences<'p>(
    pins: impl IntoIterator<Item = &'p Pin>,
    explain: impl Fn(&Pin) -> String,
) -> String {
    let mut text = HEAD.to_owned();
    for pin in pins.into_iter().collect::<BTreeSet<_>>() {
        let reason: String =
            explain(pin).chars().map(|it| if matches!(it, ' '..='~') { it } else { '?' }).collect();
        let (package, version) = (&pin.package.package, &pin.package.version);
        text += &format!(
            "\nExplanation: {reason}\nPackage: {package}:{}\nPin: version {version}\nPin-Priority: -1\n",
            pin.architecture
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Identity;

    #[test]
    fn a_pin_is_about_one_version_of_one_architecture() {
        let package = Identity {
            package: "hello".parse().unwrap(),
            version: "1:2.10~rc1-5+b1".parse().unwrap(),
            architecture: "all".parse().unwrap(),
        };
        let pin = Pin { package, architecture: "amd64".parse().unwrap() };
        let text = preferences([&pin], |_| "why\nPackage: *\u{e4}".to_owned());
        assert_eq!(
            text.strip_prefix(HEAD).unwrap(),
            "\nExplanation: why?Package: *?\nPackage: hello:amd64\nPin: version 1:2.10~rc1-5+b1\n\
             Pin-Priority: -1\n"
        );
    }
}
