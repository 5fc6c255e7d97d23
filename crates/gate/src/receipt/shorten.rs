//! Receipts that do not grow for ever.
//!
//! A file that has become too long loses the lines that are no longer needed: audits use the newest
//! admission of each version, and people look at recent decisions. The old file remains beside the
//! new one, under a name with `.1` at its end, until the next time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::clock;
use super::lines::each_line_at;
use crate::sys::files::sync_directory;
use crate::types::{Architecture, DebVersion, PackageName};

/// Versions of a package whose admission is kept: one is installed, and others may have been
/// admitted since and not installed.
const VERSIONS: usize = 3;

/// The fields of an admission that decide whether its line is kept.
#[derive(Deserialize)]
struct KeptLine {
    package: PackageName,
    version: DebVersion,
    architecture: Architecture,
    decision: String,
}

/// The admission of a version: where its line begins, and how long that is.
struct Admission {
    version: DebVersion,
    at: u64,
    length: u64,
}

/// Writes the receipts at `path` anew, with less than three quarters of `most` bytes. Keeps the
/// newest lines unchanged, and before them the admissions of the last versions of each package. The
/// caller must see to it that no other process adds to them.
///
/// # Errors
/// If they cannot be read or written. Then they remain unchanged.
pub(super) fn shorten(path: &Path, most: u64) -> io::Result<()> {
    let old = File::open(path)?;
    let there = old.metadata()?;
    let recent = there.len().saturating_sub(most / 4);
    let needed = needed(&old, recent, most / 2);
    let new = named(path, ".new");
    let written = write(path, &new, &there, |at| at >= recent || needed.contains(&at));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// Returns the offsets of the admissions before `recent` that are needed, of at most `room` bytes.
fn needed(receipts: &File, recent: u64, room: u64) -> BTreeSet<u64> {
    let mut packages: BTreeMap<(PackageName, Architecture), Vec<Admission>> = BTreeMap::new();
    each_line_at(receipts, |at, line| {
        let Ok(KeptLine { package, version, architecture, decision }) =
            serde_json::from_slice(line)
        else {
            return;
        };
        if decision == "admit" {
            let versions = packages.entry((package, architecture)).or_default();
            versions.retain(|it| it.version != version);
            if versions.len() == VERSIONS {
                versions.remove(0);
            }
            let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
            versions.push(Admission { version, at, length });
        }
    });
    let mut all: Vec<Admission> = packages.into_values().flatten().collect();
    all.retain(|it| it.at < recent);
    all.sort_by_key(|it| std::cmp::Reverse(it.at));
    let mut left = room;
    let fits = |it: &Admission| {
        left = left.checked_sub(it.length)?;
        Some(it.at)
    };
    all.iter().map_while(fits).collect()
}

/// Replaces the file at `path` by one that contains only its `kept` lines.
fn write(
    path: &Path,
    new: &Path,
    there: &fs::Metadata,
    kept: impl Fn(u64) -> bool,
) -> io::Result<()> {
    let _ = fs::remove_file(new);
    let file = File::options().write(true).create_new(true).mode(0o600).open(new)?;
    let mut out = BufWriter::new(file);
    let mut failed = Ok(());
    each_line_at(File::open(path)?, |at, line| {
        if kept(at) && failed.is_ok() {
            failed = out.write_all(line);
        }
    });
    failed?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.set_permissions(Permissions::from_mode(there.permissions().mode()))?;
    file.sync_all()?;
    // The present must not go back with the file that limits it.
    clock::keep(&file, there.modified()?);
    let before = named(path, ".1");
    let _ = fs::remove_file(&before);
    let _ = fs::hard_link(path, &before);
    fs::rename(new, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn named(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn line(package: &str, version: usize, decision: &str) -> String {
        format!(
            r#"{{"package":"{package}","version":"{version}","architecture":"all","decision":"{decision}"}}"#
        ) + "\n"
    }

    #[test]
    fn the_newest_stay_and_of_those_before_what_a_package_was_let_in_by() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook.jsonl");
        // Installed long ago and never touched since, and some that went on.
        let mut text = line("old", 1, "admit") + &line("never", 1, "refuse") + "{\"cut off\n";
        for version in 0..1000 {
            text += &line("daily", version, "admit");
            text += &line("daily", version, "refuse");
        }
        fs::write(&path, &text).unwrap();
        let future = SystemTime::now() + Duration::from_secs(86_400);
        File::options().append(true).open(&path).unwrap().set_modified(future).unwrap();

        let most = 4 * u64::try_from(10 * line("daily", 999, "admit").len()).unwrap();
        shorten(&path, most).unwrap();
        let short = fs::read_to_string(&path).unwrap();
        assert!(short.starts_with(&line("old", 1, "admit")), "{short}");
        assert!(short.ends_with(&line("daily", 999, "refuse")));
        assert!(!short.contains("never") && !short.contains("cut off"));
        assert!((9..12).contains(&short.lines().count()), "{short}");
        assert_eq!(path.metadata().unwrap().modified().unwrap(), future);
        assert_eq!(fs::read_to_string(named(&path, ".1")).unwrap(), text);
        // A second time changes nothing but which file was before.
        shorten(&path, most).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), short);
        assert_eq!(fs::read_to_string(named(&path, ".1")).unwrap(), short);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_last_versions_of_a_package_are_kept_and_not_more_than_there_is_room_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hook.jsonl");
        let versions = [1, 2, 3, 4, 2];
        let text: String = versions.iter().map(|it| line("aa", *it, "admit")).collect();
        fs::write(&path, text.clone() + &"x\n".repeat(1000)).unwrap();
        shorten(&path, 1000).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        let expected: String = [3, 4, 2].iter().map(|it| line("aa", *it, "admit")).collect();
        assert!(kept.starts_with(&expected) && !kept.contains(&line("aa", 1, "admit")), "{kept}");
        fs::write(&path, text + &"x\n".repeat(1000)).unwrap();
        shorten(&path, 200).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert!(kept.starts_with(&line("aa", 2, "admit")), "{kept}");
    }
}
