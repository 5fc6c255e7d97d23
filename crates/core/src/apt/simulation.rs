//! What `apt-get -s` says that it would do (apt-private/private-output.cc, apt-pkg/algorithms.cc):
//! lines such as `Inst hello [2.10-3] (2.10-5 Debian:13.2/stable [amd64])` and `Remv old [1.0]`.

use crate::types::{DebVersion, Identity};

/// The changes that apt would make.
#[derive(Debug, Default)]
pub struct SimulatedChanges<'o> {
    /// The packages that it would unpack
    pub unpacked: Vec<Unpacked>,
    /// The packages that it would remove, as apt calls them: with an architecture if that is not
    /// the system's own
    pub removed: Vec<&'o str>,
    /// Lines about packages to unpack that cannot be understood
    pub odd: Vec<&'o str>,
}

/// A package that apt would unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The package
    pub package: Identity,
    /// True where apt calls it by its architecture too, because that is not the system's own
    pub is_foreign: bool,
    /// The installed version that it replaces, if one is installed
    pub replaces: Option<DebVersion>,
}

/// Reads the output of a simulation.
#[must_use]
pub fn changes(output: &str) -> SimulatedChanges<'_> {
    let mut changes = SimulatedChanges::default();
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("Inst ") {
            match unpacked(rest) {
                Some(it) => changes.unpacked.push(it),
                None => changes.odd.push(line),
            }
        } else if let Some(rest) = line.strip_prefix("Remv ").or(line.strip_prefix("Purg ")) {
            changes.removed.extend(rest.split(' ').next());
        }
    }
    changes
}

fn unpacked(rest: &str) -> Option<Unpacked> {
    // Packages of another architecture than the system's are named with it.
    let called = rest.split(' ').next()?;
    let name = called.split(':').next()?;
    let (before, new) = rest.split_once('(')?;
    let replaces = match before.split_once('[') {
        Some((_, old)) => Some(old.split_once(']')?.0.parse().ok()?),
        None => None,
    };
    let (new, _) = new.split_once(')')?;
    let version = new.split(' ').next()?;
    let (_, architecture) = new.rsplit_once('[')?;
    let package = Identity {
        package: name.parse().ok()?,
        version: version.parse().ok()?,
        architecture: architecture.strip_suffix(']')?.parse().ok()?,
    };
    Some(Unpacked { package, is_foreign: called != name, replaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_do_is_understood() {
        let output = "NOTE: This is only a simulation!\n\
            Remv old [1.0]\n\
            Remv libz:i386 [1.0] [libx:i386 ]\n\
            Purg older [1.0]\n\
            Inst hello [2.10-3] (2.10-5 Debian:13.2/stable [amd64])\n\
            Inst libc6:i386 [2.41-11] (2.41-12 Debian:13.2/stable, Debian-Security:13/stable-security [i386]) []\n\
            Inst tzdata (1:2025b-4 Debian:13.2/stable [all]) [base-files:amd64 ]\n\
            Inst node_exporter (1.0 Vendor:stable [all])\n\
            Conf hello (2.10-5 Debian:13.2/stable [amd64])\n";
        let found = changes(output);
        let shown = |it: &Unpacked| {
            let old = it.replaces.as_ref().map(ToString::to_string);
            (it.package.to_string(), it.is_foreign, old.unwrap_or_default())
        };
        let shown: Vec<_> = found.unpacked.iter().map(shown).collect();
        let expected = [
            ("hello 2.10-5 amd64", false, "2.10-3"),
            ("libc6 2.41-12 i386", true, "2.41-11"),
            ("tzdata 1:2025b-4 all", false, ""),
            ("node_exporter 1.0 all", false, ""),
        ];
        let expected: Vec<_> =
            expected.map(|(it, foreign, old)| (it.to_owned(), foreign, old.to_owned())).into();
        assert_eq!(shown, expected);
        assert_eq!(found.removed, ["old", "libz:i386", "older"]);
        assert!(found.odd.is_empty(), "{:?}", found.odd);
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for bad in [
            "Inst hello",
            "Inst a/b (1 X [all])",
            "Inst a (1_2 X [all])",
            "Inst a (1 X)",
            "Inst  (1 X [all])",
            "Inst a [1 (2 X [all])",
            "Inst a [1_2] (2 X [all])",
        ] {
            let found = changes(bad);
            assert_eq!((found.unpacked, found.odd), (Vec::new(), vec![bad]), "{bad}");
        }
    }
}
