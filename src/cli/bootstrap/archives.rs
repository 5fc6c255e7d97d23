//! The package files in a directory from which they are going to be unpacked.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::output::{about, path as shown};
use crate::gate::Candidate;
use crate::sys::plain;
use crate::sys::secure::Trusted;
use crate::types::{Called, Identity, printable};

/// Longest list of debootstrap that is read, in bytes: a hundred times what a large system has.
const MAX_LIST: usize = 4 * 1024 * 1024;

/// Lists every `*.deb` in the directory, with the package that was requested, by the name of the
/// file. debootstrap and apt name a file by the name, version and architecture in the index.
///
/// # Errors
/// If others than root can change the directory or add to it, or if there is no package. Also if
/// something has the name of a package and is none, because a program that unpacks `*.deb` would
/// take it.
pub(super) fn candidates(directory: &Path) -> Result<Vec<Candidate>, String> {
    let names = Trusted::now().lasting().entries(directory).map_err(|error| error.to_string())?;
    let mut candidates = Vec::new();
    for name in names.iter().filter(|name| name.as_bytes().ends_with(b".deb")) {
        let path = directory.join(name);
        let named = |why: &str| about(&path, &why);
        let seen = path.symlink_metadata().map_err(|error| named(&plain(&error).to_string()))?;
        if !seen.is_file() {
            return Err(named("this is not a plain file"));
        }
        let stem = name.to_str().and_then(|name| name.strip_suffix(".deb"));
        let requested = stem.and_then(Identity::of_stem).map(Called::from);
        let Some(requested) = requested else {
            return Err(named("this is not called NAME_VERSION_ARCH.deb"));
        };
        candidates.push(Candidate { path, requested: Some(requested) });
    }
    if candidates.is_empty() {
        return Err(format!("there is no package in {}", shown(directory)));
    }
    Ok(candidates)
}

/// Checks that debootstrap is going to unpack only these files. It made a list of them for itself:
/// `debootstrap/debpaths` in the target, with a package and a path on each line.
///
/// # Errors
/// If the list cannot be read, or names anything else.
pub(super) fn are_all_of(target: &Path, candidates: &[Candidate]) -> Result<(), String> {
    let list = target.join("debootstrap/debpaths");
    let text = Trusted::now().read(&list, MAX_LIST).map_err(|error| error.to_string())?;
    let known: BTreeSet<_> = candidates
        .iter()
        .filter_map(|it| Some((it.requested.as_ref()?.package.as_str(), it.path.as_path())))
        .collect();
    for line in text.lines() {
        let (package, path) = line.split_once(' ').unwrap_or((line, ""));
        if !known.contains(&(package, &*target.join(path.trim_start_matches('/')))) {
            let (list, line) = (shown(&list), printable(line));
            return Err(format!("{list} names a file that was not judged: {line}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn directory(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        directory
    }

    #[test]
    fn names_say_what_was_asked_for() {
        let directory = directory(&["lock", "a+b_1%3a2.0~rc1-1_all.deb", "cc_1_amd64.deb"]);
        fs::create_dir(directory.path().join("partial")).unwrap();
        let found = candidates(directory.path()).unwrap();
        let requested: Vec<String> =
            found.into_iter().map(|it| it.requested.unwrap().to_string()).collect();
        assert_eq!(requested, ["a+b 1:2.0~rc1-1 all", "cc 1 amd64"]);
    }

    #[test]
    fn what_is_only_called_like_a_package_refuses_all() {
        for name in [
            ".deb",
            "cc.deb",
            "cc_1.deb",
            "cc_1_amd64_x.deb",
            "cc_1:1_amd64.deb",
            "cc_1%3A1_amd64.deb",
            "cc_1%2b_amd64.deb",
            "cc__amd64.deb",
            "cc_1_.deb",
            "cc_1_amd64\n.deb",
        ] {
            let directory = directory(&["aa_1_all.deb", name]);
            assert!(candidates(directory.path()).is_err(), "{name:?}");
        }
        let link = directory(&["aa_1_all.deb"]);
        symlink("aa_1_all.deb", link.path().join("bb_1_all.deb")).unwrap();
        assert!(candidates(link.path()).is_err_and(|why| why.contains("not a plain file")));
        let inner = directory(&["aa_1_all.deb"]);
        fs::create_dir(inner.path().join("bb_1_all.deb")).unwrap();
        assert!(candidates(inner.path()).is_err_and(|why| why.contains("not a plain file")));
    }

    #[test]
    fn nothing_at_all_is_a_mistake_and_so_is_a_place_where_others_write() {
        assert!(candidates(directory(&[]).path()).is_err_and(|why| why.contains("no package")));
        assert!(candidates(Path::new("/no/such/directory")).is_err());
        let open = directory(&["aa_1_all.deb"]);
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(candidates(open.path()).is_err_and(|why| why.contains("written by others")));
        // Nobody could take the file away, but everybody add another.
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(
            candidates(open.path()).is_err_and(|why| why.contains("lets others than root add"))
        );
    }

    #[test]
    fn debootstrap_unpacks_only_what_was_judged() {
        let target = directory(&[]);
        let archives = target.path().join("var/cache/apt/archives");
        fs::create_dir_all(&archives).unwrap();
        fs::create_dir(target.path().join("debootstrap")).unwrap();
        fs::write(archives.join("aa_1_all.deb"), "").unwrap();
        let judged = candidates(&archives).unwrap();
        let listed = |list: &str| {
            fs::write(target.path().join("debootstrap/debpaths"), list).unwrap();
            are_all_of(target.path(), &judged)
        };
        assert_eq!(listed("aa /var/cache/apt/archives/aa_1_all.deb\n"), Ok(()));
        for bad in [
            "aa /var/cache/apt/archives/bb_1_all.deb\n",
            "aa /var/cache/apt/archives/../archives/aa_1_all.deb\n",
            "aa /var/cache/apt/archives/partial/aa_1_all.deb\n",
            "bb /var/cache/apt/archives/aa_1_all.deb\n",
            "aa\n",
            "aa /var/cache/apt/archives/aa_1_all.deb\n\n",
        ] {
            assert!(listed(bad).is_err(), "{bad:?}");
        }
        fs::remove_file(target.path().join("debootstrap/debpaths")).unwrap();
        assert!(are_all_of(target.path(), &judged).is_err());
    }
}
