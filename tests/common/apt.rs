//! A world in which the machine's own apt has an archive of the tests, and an idea of what is
//! installed.

use std::fs;
use std::process::Command;

use super::{Deb, World, left_out, run, sha256};

/// What apt and dpkg want to know of a package besides its name.
const FIELDS: &str = "Maintainer: x\nDescription: x\n";

/// Puts these packages into an archive that apt knows, and says that others, `NAME VERSION`, are
/// installed. False if apt does not work here, which is said then.
pub fn with_archive(world: &World, debs: &[&Deb], installed: &[&str]) -> bool {
    let at = world.directory.path().display().to_string();
    for directory in [
        "archive",
        "apt",
        "apt/lists",
        "apt/lists/partial",
        "apt/cache",
        "apt/cache/archives",
        "apt/cache/archives/partial",
    ] {
        world.make_directory(directory);
    }
    let mut packages = String::new();
    for deb in debs {
        world.write(&format!("archive/{}", deb.file_name()), &deb.bytes);
        packages += &format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nFilename: ./{}\nSize: {}\nSHA256: {}\n{FIELDS}\n",
            deb.name,
            deb.version,
            deb.architecture,
            deb.file_name(),
            deb.bytes.len(),
            deb.sha256()
        );
    }
    // Without it, an index belongs to no archive.
    let release = format!(
        "Date: Sun, 01 Nov 2026 00:00:00 UTC\nSHA256:\n {} {} Packages\n",
        sha256(packages.as_bytes()),
        packages.len()
    );
    world.write("archive/Release", release);
    world.write("archive/Packages", packages);
    let status = |it: &&str| {
        let (name, version) = it.split_once(' ').unwrap();
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n{FIELDS}\n"
        )
    };
    world.write("status", installed.iter().map(status).collect::<String>());
    // Of file: apt keeps links to the indexes, which nobody here reads.
    world.write("sources.list", format!("deb [trusted=yes] copy://{at}/archive ./\n"));
    let mut apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    apt = apt.replace(&format!("{at}/lists"), &format!("{at}/apt/lists"));
    apt += &format!(
        "Dir::State::status \"{at}/status\";\nDir::State \"{at}/apt\";\nDir::Cache \"{at}/apt/cache\";\n\
         Dir::Etc::sourcelist \"{at}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
         Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
         APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n"
    );
    world.write("apt.conf", apt);
    let mut update = Command::new("apt-get");
    update.args(["-qq", "update"]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let updated = run(update.env("APT_CONFIG", world.path("apt.conf")));
    if updated.code != Some(0) {
        left_out(&format!("apt-get update does not work here: {updated:?}"));
    }
    updated.code == Some(0)
}
