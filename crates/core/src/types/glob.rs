//! The patterns of rules and exceptions.

use std::str::FromStr;

/// A pattern of a rule or an exception: `*` stands for any run of characters, also none, `?`
/// for exactly one. Everything else stands for itself, and the whole text must match.
///
/// These are the two wildcards of the shell that names, versions and hosts need; brackets and
/// braces are refused rather than half understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// An empty pattern matches nothing that exists.
    #[error("a pattern must not be empty")]
    Empty,
    /// Only `*` and `?` are special; this looks as if more was meant.
    #[error("a pattern must not have {0:?}: only * and ? are special")]
    Character(char),
    /// Longer than any text that it could match.
    #[error("a pattern must not be longer than {} characters", Glob::MAX_LENGTH)]
    TooLong,
}

impl Glob {
    const MAX_LENGTH: usize = 256;

    /// Returns true when the whole of `text` matches. Takes at most `pattern * text` steps.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.matches_by(text, |wanted, found| wanted == found)
    }

    /// The same, without regard to the case of ASCII letters: so dpkg and apt compare the names of
    /// packages.
    #[must_use]
    pub fn matches_in_any_case(&self, text: &str) -> bool {
        self.matches_by(text, |wanted, found| wanted.eq_ignore_ascii_case(&found))
    }

    fn matches_by(&self, text: &str, same: impl Fn(char, char) -> bool) -> bool {
        let mut rest = text.chars();
        let mut pattern = self.0.chars();
        // Where to go on after the last `*` when what followed it did not match: only the last
        // one matters, since a shorter match of an earlier one gains nothing.
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let before = (pattern.clone(), rest.clone());
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    retry = Some((pattern.clone(), before.1.clone()));
                    rest = before.1;
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if same(wanted, found) => {}
                _ => {
                    let Some((after_star, mut from)) = retry.take() else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = from.clone();
                    retry = Some((after_star, from));
                }
            }
        }
    }

    /// Returns true when no character of the pattern stands for itself, so that it singles out no
    /// name.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        self.0.chars().all(|c| matches!(c, '*' | '?'))
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(GlobError::TooLong);
        }
        let odd =
            |c: char| !c.is_ascii_graphic() || matches!(c, '[' | ']' | '{' | '}' | '\\' | '!');
        match text.chars().find(|&c| c != ' ' && odd(c)) {
            Some(c) => Err(GlobError::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

super::package::shown_as_text!(Glob);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_matches() {
        for (pattern, text, expected) in [
            ("linux-image-*-amd64", "linux-image-6.12.1-amd64", true),
            ("linux-image-*-amd64", "linux-image-amd64", false),
            ("linux-image-*-amd64", "evil-linux-image-6-amd64", false),
            ("linux-image-*-amd64", "linux-image-6-amd64-evil", false),
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("**a", "xa", true),
            ("6.12.*", "6.12.0", true),
            ("6.12.*", "6x12.0", false),
            ("abc", "ABC", false),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn the_case_of_letters_can_be_left_out() {
        let glob: Glob = "NoMach*".parse().unwrap();
        assert!(glob.matches_in_any_case("nomachine") && glob.matches_in_any_case("NOMACHINE"));
        assert!(!glob.matches("nomachine") && !glob.matches_in_any_case("nomac"));
    }

    #[test]
    fn hostile_patterns_end_quickly() {
        let glob: Glob = "*a".repeat(100).parse().unwrap();
        assert!(!glob.matches(&"a".repeat(99)));
        assert!(glob.matches(&"a".repeat(100_000)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["", "a[bc]", "{a,b}", "!a", "a\\*", "a\n", "\u{e9}"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad:?}");
        }
    }
}
