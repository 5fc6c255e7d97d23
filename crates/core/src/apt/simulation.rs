//! What `apt-get -s` says that it would install (apt-private/private-output.cc, apt-pkg/algorithms.cc):
//! lines such as `Inst hello [2.10-3] (2.10-5 Debian:13.2/stable [amd64])`.

use crate::types::Identity;

/// The packages that would be installed. Lines that cannot be understood are handed back.
#[must_use]
pub fn installed(output: &str) -> (Vec<Identity>, Vec<&str>) {
    let (mut packages, mut odd) = (Vec::new(), Vec::new());
    for line in output.lines() {
        let Some(rest) = line.strip_prefix("Inst ") else { continue };
        match package(rest) {
            Some(identity) => packages.push(identity),
            None => odd.push(line),
        }
    }
    (packages, odd)
}

fn package(rest: &str) -> Option<Identity> {
    // Packages of another architecture than the system's are named with it.
    let name = rest.split([' ', ':']).next()?;
    let (_, new) = rest.split_once('(')?;
    let (new, _) = new.split_once(')')?;
    let version = new.split(' ').next()?;
    let (_, architecture) = new.rsplit_once('[')?;
    Some(Identity {
        package: name.parse().ok()?,
        version: version.parse().ok()?,
        architecture: architecture.strip_suffix(']')?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_install_is_understood() {
        let output = "NOTE: This is only a simulation!\n\
            Remv old [1.0]\n\
            Inst hello [2.10-3] (2.10-5 Debian:13.2/stable [amd64])\n\
            Inst libc6:i386 [2.41-11] (2.41-12 Debian:13.2/stable, Debian-Security:13/stable-security [i386]) []\n\
            Inst tzdata (1:2025b-4 Debian:13.2/stable [all]) [base-files:amd64 ]\n\
            Inst node_exporter (1.0 Vendor:stable [all])\n\
            Conf hello (2.10-5 Debian:13.2/stable [amd64])\n";
        let (packages, odd) = installed(output);
        let shown: Vec<String> = packages.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "hello 2.10-5 amd64",
                "libc6 2.41-12 i386",
                "tzdata 1:2025b-4 all",
                "node_exporter 1.0 all"
            ]
        );
        assert!(odd.is_empty(), "{odd:?}");
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for bad in [
            "Inst hello",
            "Inst a/b (1 X [all])",
            "Inst a (1_2 X [all])",
            "Inst a (1 X)",
            "Inst  (1 X [all])",
        ] {
            assert_eq!(installed(bad), (Vec::new(), vec![bad]), "{bad}");
        }
    }
}
