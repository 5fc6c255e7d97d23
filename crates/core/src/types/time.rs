//! Moments, always given as arguments: nothing pure reads a clock.

use std::fmt;
use std::str::FromStr;

/// A moment in UTC with the precision of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

/// Text or numbers that name no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such date")]
pub struct TimestampError;

impl Timestamp {
    /// The moment at which the day `year`-`month`-`day` begins in UTC.
    ///
    /// # Errors
    /// If the calendar has no such day.
    pub fn start_of_day(year: u16, month: u8, day: u8) -> Result<Self, TimestampError> {
        let number = |n: u8| i8::try_from(n).map_err(|_| TimestampError);
        jiff::civil::Date::new(
            i16::try_from(year).map_err(|_| TimestampError)?,
            number(month)?,
            number(day)?,
        )
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
        .map(|moment| Self(moment.timestamp()))
        .map_err(|_| TimestampError)
    }

    /// The moment `seconds` after the start of 1970 in UTC.
    ///
    /// # Errors
    /// If that is not within the years that a calendar can hold.
    pub fn from_unix(seconds: i64) -> Result<Self, TimestampError> {
        jiff::Timestamp::from_second(seconds).map(Self).map_err(|_| TimestampError)
    }

    /// Reads a date as Release files have it (`Date`, `Valid-Until`): RFC 2822's in UTC.
    ///
    /// # Errors
    /// If it is none, or in another zone.
    pub fn from_release(text: &str) -> Result<Self, TimestampError> {
        let zones = ["UTC", "GMT", "Z", "+0000"];
        let rest = zones.iter().find_map(|zone| text.strip_suffix(zone)).ok_or(TimestampError)?;
        let rest = rest.strip_suffix(' ').ok_or(TimestampError)?;
        jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(format!("{rest} +0000"))
            .map(Self)
            .map_err(|_| TimestampError)
    }

    /// Seconds since the start of 1970 in UTC.
    #[must_use]
    pub fn as_unix(self) -> i64 {
        self.0.as_second()
    }

    /// The moment at which the day after this moment's day begins in UTC: the end of a day that
    /// counts as a whole.
    ///
    /// # Errors
    /// If that is not within the years that a calendar can hold.
    pub fn end_of_day(self) -> Result<Self, TimestampError> {
        const DAY: i64 = 24 * 60 * 60;
        Self::from_unix((self.as_unix().div_euclid(DAY) + 1).saturating_mul(DAY))
    }

    /// The day in UTC, as `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        self.0.to_string().chars().take_while(|&c| c != 'T').collect()
    }
}

impl From<std::time::SystemTime> for Timestamp {
    /// A clock outside the calendar counts as the end of time, so that exceptions and keys are
    /// expired rather than valid for ever.
    fn from(clock: std::time::SystemTime) -> Self {
        let moment = jiff::Timestamp::try_from(clock).unwrap_or(jiff::Timestamp::MAX);
        Self(jiff::Timestamp::from_second(moment.as_second()).unwrap_or(jiff::Timestamp::MAX))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads RFC 3339.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| TimestampError)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, `2027-03-01T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

super::package::written_as_text!(Timestamp);
super::package::read_from_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_files_have_dates_in_utc() {
        let read = |text: &str| Timestamp::from_release(text).map(|it| it.to_string());
        for zone in ["UTC", "GMT", "Z", "+0000"] {
            let text = format!("Sat, 09 Aug 2025 10:01:02 {zone}");
            assert_eq!(read(&text), Ok("2025-08-09T10:01:02Z".to_owned()));
        }
        for bad in [
            "",
            "UTC",
            "Sat, 09 Aug 2025 10:01:02",
            "Sat, 09 Aug 2025 10:01:02 +0200",
            "2025-08-09",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        let day = Timestamp::start_of_day(2028, 2, 29).unwrap();
        assert_eq!(day.to_string(), "2028-02-29T00:00:00Z");
        assert_eq!(day.date(), "2028-02-29");
        assert!(Timestamp::start_of_day(2027, 2, 29).is_err());
        assert!(Timestamp::start_of_day(2027, 13, 1).is_err());
        assert!(day > "2028-02-28T23:59:59Z".parse().unwrap());
    }
}
