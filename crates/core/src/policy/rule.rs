//! Rules and exceptions: what they match and what they then say.

use std::fmt;
use std::str::FromStr;

use super::requirement::Requirement;
use super::subject::{Epoch, Facts};
use crate::apt::index::Listing;
use crate::types::{Fingerprint, Glob, Sha256Digest, SourceName, Timestamp};

/// The conditions of a rule or an exception. Every key that is given must match; of the patterns of
/// one key, one must.
///
/// Keys about the repository must all match the same repository that offers the file.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    /// Name of the binary package
    pub package: Option<Vec<Glob>>,
    /// Version of the binary package, epoch included
    pub version: Option<Vec<Glob>>,
    /// Name of the source package
    pub source: Option<Vec<Glob>>,
    /// Architecture
    pub architecture: Option<Vec<Glob>>,
    /// SHA-256 of the file
    pub sha256: Option<Vec<Sha256Digest>>,
    /// `Origin` of the repository
    pub origin: Option<Vec<Glob>>,
    /// `Label` of the repository
    pub label: Option<Vec<Glob>>,
    /// `Suite` of the repository
    pub suite: Option<Vec<Glob>>,
    /// `Codename` of the repository
    pub codename: Option<Vec<Glob>>,
    /// Component of the repository
    pub component: Option<Vec<Glob>>,
    /// Host of the repository
    pub site: Option<Vec<Glob>>,
    /// Certificate whose key signed the repository's index
    pub signed_by: Option<Vec<Fingerprint>>,
}

/// The authority by which a rule or an exception tells the repositories apart that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// These bytes, the host that the administrator named, or the key that signed
    Fixed,
    /// None: it is about packages, and not about repositories
    AnyRepository,
    /// The statements that any repository may make about itself
    RepositorysOwn,
}

/// The place of a rule or an exception in the configuration, shown as `policy.toml line 12`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the file, without its directory
    pub file: String,
    /// The line of its table, from 1
    pub line: usize,
}

/// The name of an exception, which stays the same when its file is edited.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ExceptionId(String);

/// A text that is no name of an exception.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an id has 1 to 64 lower-case letters, digits and hyphens, and begins with a letter or a digit"
)]
pub struct ExceptionIdError;

/// A requirement for the files that match. The first matching rule decides.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its place in the configuration
    pub place: Place,
    /// Its conditions
    pub matcher: Matcher,
    /// The requirement that the files must meet
    pub requirement: Requirement,
    /// The reason for the rule, if the administrator gave one
    pub reason: Option<String>,
}

/// A dated, reasoned exception: lets the files that it matches through without a quorum.
#[derive(Debug, Clone)]
pub struct Exception {
    /// Its conditions
    pub matcher: Matcher,
    /// Its effect
    pub exemption: Exemption,
}

/// The effect of an exception, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exemption {
    /// The place of the exception in the configuration
    pub place: Place,
    /// The administrator's name for it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ExceptionId>,
    /// The reason that the administrator gave for it
    pub reason: String,
    /// The first moment at which it no longer applies
    pub expires: Timestamp,
}

impl FromStr for ExceptionId {
    type Err = ExceptionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let good = (1..=64).contains(&text.len())
            && text.as_bytes().iter().all(plain)
            && !text.starts_with('-');
        if good { Ok(Self(text.to_owned())) } else { Err(ExceptionIdError) }
    }
}

impl fmt::Display for ExceptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

impl serde::Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Matcher {
    /// Returns true when no key is given at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.package.is_none()
            && self.version.is_none()
            && self.source.is_none()
            && self.architecture.is_none()
            && self.sha256.is_none()
            && !self.needs_listing()
    }

    /// The keys that are given and their values, in the order and under the names of the
    /// configuration.
    #[must_use]
    pub fn conditions(&self) -> Vec<(&'static str, Vec<String>)> {
        fn texts<T: ToString>(values: Option<&Vec<T>>) -> Option<Vec<String>> {
            values.map(|it| it.iter().map(ToString::to_string).collect())
        }
        let all = [
            ("package", texts(self.package.as_ref())),
            ("version", texts(self.version.as_ref())),
            ("source", texts(self.source.as_ref())),
            ("architecture", texts(self.architecture.as_ref())),
            ("sha256", texts(self.sha256.as_ref())),
            ("origin", texts(self.origin.as_ref())),
            ("label", texts(self.label.as_ref())),
            ("suite", texts(self.suite.as_ref())),
            ("codename", texts(self.codename.as_ref())),
            ("component", texts(self.component.as_ref())),
            ("site", texts(self.site.as_ref())),
            ("signed_by", texts(self.signed_by.as_ref())),
        ];
        all.into_iter().filter_map(|(key, values)| Some((key, values?))).collect()
    }

    /// Returns true when it depends on where the file comes from.
    #[must_use]
    pub const fn needs_listing(&self) -> bool {
        self.origin.is_some()
            || self.label.is_some()
            || self.suite.is_some()
            || self.codename.is_some()
            || self.component.is_some()
            || self.site.is_some()
            || self.needs_signer()
    }

    /// Returns true when it depends on the key that signed the repository's index.
    #[must_use]
    pub const fn needs_signer(&self) -> bool {
        self.signed_by.is_some()
    }

    /// Returns true when it is about packages of certain names only.
    #[must_use]
    pub fn names_packages(&self) -> bool {
        says(self.package.as_deref())
    }

    /// The authority by which it tells repositories apart.
    #[must_use]
    pub fn binding(&self) -> Binding {
        let own = [&self.origin, &self.label, &self.suite, &self.codename, &self.component];
        if self.sha256.is_some() || self.signed_by.is_some() || says(self.site.as_deref()) {
            Binding::Fixed
        } else if own.iter().any(|it| it.is_some()) {
            Binding::RepositorysOwn
        } else {
            Binding::AnyRepository
        }
    }

    /// Tells whether the conditions apply to a package.
    pub(super) fn applies(&self, facts: Facts<'_>) -> Applies {
        let identity = facts.identity;
        // Whatever case a file writes its name in, it is the same package for dpkg: it must not slip
        // past a rule for that.
        let named = |it: &Glob| it.matches_in_any_case(identity.package.as_str());
        let certain = any_by(self.package.as_deref(), named)
            && any(self.architecture.as_deref(), identity.architecture.as_str())
            && self.sha256.as_ref().is_none_or(|list| list.contains(&facts.sha256))
            && (!self.needs_listing() || facts.listings.iter().any(|l| self.matches_listing(l)));
        let version = match facts.epoch {
            Epoch::Known => Some(identity.version.as_str()),
            Epoch::Told => None,
        };
        let source = facts.source.map(SourceName::as_str);
        let open = [(&self.version, version), (&self.source, source)]
            .map(|(patterns, text)| open(patterns.as_deref(), text));
        if !certain || open.contains(&Applies::No) {
            Applies::No
        } else if open.contains(&Applies::Perhaps) {
            Applies::Perhaps
        } else {
            Applies::Yes
        }
    }

    fn matches_listing(&self, listing: &Listing) -> bool {
        any(self.origin.as_deref(), &listing.origin)
            && any(self.label.as_deref(), &listing.label)
            && any(self.suite.as_deref(), &listing.suite)
            && any(self.codename.as_deref(), &listing.codename)
            && any(self.component.as_deref(), &listing.component)
            && any(self.site.as_deref(), &listing.site)
            && self
                .signed_by
                .as_ref()
                .is_none_or(|list| listing.signed_by.iter().any(|it| list.contains(it)))
    }
}

/// The answer to whether a rule or an exception applies to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applies {
    Yes,
    No,
    /// It depends on a fact that nothing trustworthy states.
    Perhaps,
}

/// Compares patterns with a text that may not be known.
fn open(patterns: Option<&[Glob]>, text: Option<&str>) -> Applies {
    match text {
        Some(text) if any(patterns, text) => Applies::Yes,
        Some(_) => Applies::No,
        None if patterns.is_none() => Applies::Yes,
        None => Applies::Perhaps,
    }
}

/// Returns true when patterns are given and none of them matches everything.
fn says(patterns: Option<&[Glob]>) -> bool {
    patterns.is_some_and(|it| !it.iter().any(Glob::says_nothing))
}

fn any(patterns: Option<&[Glob]>, text: &str) -> bool {
    any_by(patterns, |pattern| pattern.matches(text))
}

fn any_by(patterns: Option<&[Glob]>, matches: impl Fn(&Glob) -> bool) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(matches))
}

impl Exception {
    /// An exception without an id that is at `place` and applies until `expires`.
    #[must_use]
    pub const fn new(place: Place, matcher: Matcher, reason: String, expires: Timestamp) -> Self {
        Self { matcher, exemption: Exemption { place, id: None, reason, expires } }
    }

    /// The same exception with this id.
    #[must_use]
    pub fn with_id(mut self, id: Option<ExceptionId>) -> Self {
        self.exemption.id = id;
        self
    }

    /// Returns true when the exception names files by their SHA-256 and by nothing else, and this
    /// is one of them. Such an exception also applies to a file of which only the bytes are known.
    pub(super) fn is_for_bytes(&self, sha256: Sha256Digest) -> bool {
        let nothing_else = Matcher { sha256: None, ..self.matcher.clone() }.is_empty();
        nothing_else && self.matcher.sha256.as_ref().is_some_and(|list| list.contains(&sha256))
    }

    /// Returns true when the exception is bound to a SHA-256, whatever the file is called.
    #[must_use]
    pub const fn is_bound_to_bytes(&self) -> bool {
        self.matcher.sha256.is_some()
    }

    /// Returns true when the exception can be judged only with the repositories' indexes.
    ///
    /// Without a quorum, no rebuilder vouches for a file's own name, and anybody can build a package
    /// that bears an exempt name. So an exception that is not bound to the bytes applies only to
    /// files that an index of apt lists under that name.
    #[must_use]
    pub const fn needs_listing(&self) -> bool {
        !self.is_bound_to_bytes() || self.matcher.needs_listing()
    }

    /// Returns true when the exception applies to a package, expired or not.
    pub(super) fn matches(&self, facts: Facts<'_>) -> bool {
        self.matcher.applies(facts) == Applies::Yes
            && (self.is_bound_to_bytes() || !facts.listings.is_empty())
    }
}
