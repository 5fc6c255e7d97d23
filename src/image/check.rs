//! Compares an image with a statement about it. Each check returns all that is wrong, and none of
//! them judges a package.

use std::collections::BTreeMap;

use serde::Serialize;

use super::statement::{ImageStatement, StatedPackage, name_of_key};
use crate::deb::Control;
use crate::deb822::status::Installed;
use crate::types::{Glob, Identity, PublicKey, Sha256Digest, Timestamp, printable};

/// Most seconds by which a statement may be ahead of this machine's clock.
const AHEAD: i64 = 24 * 60 * 60;

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// The verifier's expectations of a statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpectedStatement<'a> {
    /// The verifier in whose name it is; none for the signer's own name
    pub verifier: Option<&'a str>,
    /// The name of the image; none for any name
    pub resource: Option<&'a str>,
    /// The patterns that it may leave out
    pub excluded: &'a [Glob],
    /// Its greatest age in days; none for any age
    pub max_age: Option<u32>,
}

/// One difference from what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A short stable name
    pub code: &'static str,
    /// For people, one line that can be shown
    pub text: String,
}

impl Problem {
    /// Makes a problem, with text that is safe to show.
    #[must_use]
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Checks the name and the subject of a statement against those that were asked for, and its age.
/// Checks that it leaves out only what the verifier agrees to.
#[must_use]
pub fn check_statement(
    statement: &ImageStatement,
    key: &PublicKey,
    expected: ExpectedStatement<'_>,
    now: Timestamp,
) -> Vec<Problem> {
    let ExpectedStatement { verifier, resource, excluded: accepted, max_age } = expected;
    let mut problems = Vec::new();
    let mut problem = |code, text: String| problems.push(Problem::new(code, text));
    let own = name_of_key(key);
    if statement.verifier() != verifier.unwrap_or(&own) {
        let by = printable(statement.verifier());
        problem(
            "other-verifier",
            format!(
                "the statement names {by} as verifier: if this key may sign for it, add --verifier"
            ),
        );
    }
    let summary = &statement.predicate;
    if resource.is_some_and(|it| it != summary.resource_uri) {
        let other = printable(&summary.resource_uri);
        problem("other-resource", format!("the statement is about another image, {other}"));
    }
    let age = now.as_unix().saturating_sub(summary.time_verified.as_unix());
    if let Some(most) = max_age.filter(|most| age > i64::from(*most) * DAY) {
        let date = summary.time_verified.date();
        let text =
            format!("the statement is of {date}, more than {most} days ago: get a newer one");
        problem("too-old", text);
    }
    if age < -AHEAD {
        let text = "the statement is from the future: check the clock";
        problem("from-the-future", text.to_owned());
    }
    for pattern in &summary.image.excluded {
        if !accepted.iter().any(|it| it.as_str() == pattern) {
            let pattern = printable(pattern);
            let text =
                format!("the statement leaves out {pattern}: to agree, add --exclude '{pattern}'");
            problem("left-out", text);
        }
    }
    problems
}

/// Checks that the tree is the one in the statement.
#[must_use]
pub fn check_tree(statement: &ImageStatement, found: Sha256Digest) -> Option<Problem> {
    let meant = statement.tree()?;
    let text = || {
        format!(
            "the tree differs: its manifest has the sha256 {found}, not {meant}. To find the \
             difference, compare the manifests (--manifest)"
        )
    };
    (found != meant).then(|| Problem::new("other-tree", text()))
}

/// Checks that the image as a file is the one in the statement.
#[must_use]
pub fn check_file(statement: &ImageStatement, found: Sha256Digest) -> Option<Problem> {
    if statement.files().any(|it| it.digest.sha256 == found) {
        return None;
    }
    let text = match statement.files().next() {
        None => "the statement has no image file".to_owned(),
        Some(_) => format!("the image file differs: its sha256 is {found} now"),
    };
    Some(Problem::new("other-file", text))
}

/// Checks that the packages of the statement are exactly those that are installed.
#[must_use]
pub fn check_installed(told: &[StatedPackage], installed: &[Installed]) -> Vec<Problem> {
    let told: BTreeMap<Identity, &StatedPackage> =
        told.iter().map(|it| (it.identity(), it)).collect();
    let mut problems = Vec::new();
    let mut problem = |code, text: String| problems.push(Problem::new(code, text));
    let mut there: BTreeMap<&Identity, (&Control, &Installed)> = BTreeMap::new();
    for it in installed {
        match &it.control {
            Ok(control) => drop(there.insert(&control.identity, (control, it))),
            Err(why) => {
                problem(
                    "not-in-statement",
                    format!(
                        "{} is installed, but its entry in dpkg's database is invalid: {why}",
                        it.called
                    ),
                );
            }
        }
    }
    for (identity, (Control { source, .. }, installed)) in &there {
        let (code, what) = match told.get(identity) {
            None => ("not-in-statement", "is installed but not in the statement"),
            Some(told) if (&told.source, &told.source_version) != (&source.0, &source.1) => {
                ("other-source", "has another source package in the statement")
            }
            Some(_) if !installed.whole => ("unfinished", "is not completely installed"),
            Some(_) => continue,
        };
        problem(code, format!("{identity} {what}"));
    }
    for identity in told.keys().filter(|it| !there.contains_key(it)) {
        problem("not-installed", format!("{identity} is in the statement but not installed"));
    }
    problems
}
