//! Rebuilders and how many of them are enough.

use std::num::NonZeroU32;
use std::str::FromStr;

/// The name by which the administrator calls an independent party.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RebuilderName(String);

/// Text that is not a rebuilder's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rebuilder's name is 1 to {} letters, digits, '.', '_' or '-', and starts with a letter or digit",
    RebuilderName::MAX_LENGTH
)]
pub struct RebuilderNameError;

/// The name by which the administrator calls rebuilders that have something in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

/// Text that is not a group's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a group's name is 1 to {} letters, digits, '.', '_' or '-', and starts with a letter or digit",
    RebuilderName::MAX_LENGTH
)]
pub struct GroupNameError;

impl RebuilderName {
    const MAX_LENGTH: usize = 64;
}

/// Returns true for a name that is safe as a file name, on a terminal and in TOML.
fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= RebuilderName::MAX_LENGTH
        && text.chars().all(good)
}

impl FromStr for RebuilderName {
    type Err = RebuilderNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        is_name(text).then(|| Self(text.to_owned())).ok_or(RebuilderNameError)
    }
}

impl FromStr for GroupName {
    type Err = GroupNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        is_name(text).then(|| Self(text.to_owned())).ok_or(GroupNameError)
    }
}

super::package::shown_as_text!(RebuilderName);
super::package::written_as_text!(RebuilderName);
super::package::read_from_text!(RebuilderName);
super::package::shown_as_text!(GroupName);
super::package::written_as_text!(GroupName);

/// The number of rebuilders that must confirm. It is never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(NonZeroU32);

/// A threshold that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Zero or less would admit everything.
    #[error("a threshold must be at least 1: 0 would admit everything")]
    Zero,
    /// More than there could ever be.
    #[error("a threshold must be a small whole number")]
    TooLarge,
}

impl Threshold {
    /// The number of rebuilders, at least 1.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.get()
    }

    /// Returns true when `votes` rebuilders are enough.
    #[must_use]
    pub fn is_met_by(self, votes: usize) -> bool {
        u32::try_from(votes).unwrap_or(u32::MAX) >= self.count()
    }
}

impl TryFrom<i64> for Threshold {
    type Error = ThresholdError;

    fn try_from(value: i64) -> Result<Self, Self::Error> {
        if value < 1 {
            return Err(ThresholdError::Zero);
        }
        u32::try_from(value)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or(ThresholdError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_below_one_is_refused() {
        for bad in [0, -1, i64::MIN] {
            assert_eq!(Threshold::try_from(bad), Err(ThresholdError::Zero));
        }
        assert_eq!(Threshold::try_from(i64::MAX), Err(ThresholdError::TooLarge));
        let two = Threshold::try_from(2).unwrap();
        assert!(!two.is_met_by(1) && two.is_met_by(2) && two.is_met_by(usize::MAX));
    }

    #[test]
    fn names_are_safe_as_file_names_and_on_a_terminal() {
        assert!("reproduce.debian.net".parse::<RebuilderName>().is_ok());
        for bad in ["", ".", "..", "-x", "a/b", "a b", "a\u{1b}[31m", &"a".repeat(65)] {
            assert!(bad.parse::<RebuilderName>().is_err(), "{bad:?}");
            assert!(bad.parse::<GroupName>().is_err(), "{bad:?}");
        }
    }
}
