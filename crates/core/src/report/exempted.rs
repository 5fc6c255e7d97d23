//! An exception for people: its name, and its end.

use crate::policy::Exemption;
use crate::types::Timestamp;

impl Exemption {
    /// The name of the exception for people: its id, else its place.
    #[must_use]
    pub fn called(&self) -> String {
        self.id.as_ref().map_or_else(|| self.place.to_string(), ToString::to_string)
    }

    /// The exception within a sentence: `the exception hello-1`, or `the exception in local.toml
    /// line 3`.
    #[must_use]
    pub fn spoken(&self) -> String {
        match &self.id {
            Some(id) => format!("the exception {id}"),
            None => format!("the exception in {}", self.place),
        }
    }
}

impl Timestamp {
    /// The last whole day before this moment, as `YYYY-MM-DD`; nothing if the moment is not the
    /// beginning of a day.
    #[must_use]
    pub fn last_day(self) -> Option<String> {
        let before = self.as_unix().checked_sub(1).and_then(|it| Self::from_unix(it).ok())?;
        self.to_string().ends_with("T00:00:00Z").then(|| before.date())
    }

    /// The end of something that no longer applies at this moment: `until and including 2027-02-28`,
    /// or `until 2027-03-01T12:00:00Z`.
    #[must_use]
    pub fn until(self) -> String {
        match self.last_day() {
            Some(day) => format!("until and including {day}"),
            None => format!("until {self}"),
        }
    }

    /// The same of something that is over: `after 2027-02-28`, or `at 2027-03-01T12:00:00Z`.
    #[must_use]
    pub fn ended(self) -> String {
        match self.last_day() {
            Some(day) => format!("after {day}"),
            None => format!("at {self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_by_the_last_day_or_by_the_moment() {
        let day = Timestamp::start_of_day(2028, 2, 29).unwrap();
        let end = day.end_of_day().unwrap();
        assert_eq!(end.to_string(), "2028-03-01T00:00:00Z");
        assert_eq!(end.last_day().as_deref(), Some("2028-02-29"));
        assert_eq!(end.until(), "until and including 2028-02-29");
        assert_eq!(end.ended(), "after 2028-02-29");
        let noon: Timestamp = "2028-02-29T12:00:00Z".parse().unwrap();
        assert_eq!(noon.end_of_day(), Ok(end));
        assert_eq!(noon.last_day(), None);
        assert_eq!(noon.until(), "until 2028-02-29T12:00:00Z");
        assert_eq!(noon.ended(), "at 2028-02-29T12:00:00Z");
        let soon: Timestamp = "2028-02-29T00:00:00.5Z".parse().unwrap();
        assert_eq!(soon.last_day(), None);
        assert!("9999-12-30T00:00:00Z".parse::<Timestamp>().unwrap().end_of_day().is_err());
        assert!("-009999-01-02T02:00:00Z".parse::<Timestamp>().unwrap().last_day().is_none());
    }
}
