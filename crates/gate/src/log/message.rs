//! One message, in the formats of the journal and of syslog.
//!
//! Everything in it is made printable and cut, so that neither a file name nor a server's answer
//! can forge a second field or line.

use std::path::Path;

use crate::policy::{Basis, Decision, Reason};
use crate::report::{self, Entrance, Record, RecordedClaim};
use crate::types::printable;

/// The identifier of the messages in the log.
const IDENTIFIER: &str = "apt-quorum";

/// LOG_AUTHPRIV of syslog(3): messages about permissions, which not every user may read.
const FACILITY: u8 = 10;

/// Longest text for people, in bytes.
const MAX_MESSAGE: usize = 2048;

/// Longest message for syslog, in bytes (RFC 3164 section 4.1).
const MAX_SYSLOG: usize = 1024;

/// Longest message for the journal, in bytes. Far below what the kernel takes as one datagram.
const MAX_JOURNAL: usize = 16 * 1024;

/// The subject of a message. apt-quorum-method(8) documents the ids, which never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageKind {
    /// Enough rebuilders confirm it
    Confirmed,
    /// It passes under an exception
    Excepted,
    /// It passes because the mode is `warn`
    LetThrough,
    /// The same, before any rebuilder was chosen
    Unchecked,
    /// It may not pass
    Refused,
    /// A rebuilder signed a different file under its name
    Conflict,
    /// Updates are held back, or no longer
    Held,
    /// A security update is held back for too long
    HeldTooLong,
}

/// One message.
#[derive(Debug)]
pub(super) struct LogMessage {
    kind: MessageKind,
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl MessageKind {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Refuse(_) => Self::Refused,
            Decision::Admit(admit) => match admit.basis() {
                Basis::Quorum => Self::Confirmed,
                Basis::Exception { .. } => Self::Excepted,
                Basis::WarnMode { otherwise: Reason::NoRebuilders } => Self::Unchecked,
                Basis::WarnMode { .. } => Self::LetThrough,
            },
        }
    }

    /// The journal's `MESSAGE_ID`, by which messages of one kind are found.
    const fn id(self) -> &'static str {
        match self {
            Self::Confirmed => "9fc9993c0faa4415afee80796ed503b9",
            Self::Excepted => "04885a47f7904ab7a326b0336821ca41",
            Self::LetThrough | Self::Unchecked => "d2e918120d304a66b679366534bb7c5a",
            Self::Refused => "da13c73a104b4162ae69f2eeba57b12c",
            Self::Conflict => "89fb7808e159435c955868543e2eaf7e",
            Self::Held => "8ee82ae9497c455b846bbc46d09784df",
            Self::HeldTooLong => "e99b43221796448db0ac4f81ada025fe",
        }
    }

    /// As syslog(3) numbers them.
    const fn priority(self) -> u8 {
        match self {
            Self::Conflict | Self::HeldTooLong => 3,
            Self::Refused | Self::LetThrough => 4,
            Self::Excepted | Self::Unchecked | Self::Held => 5,
            Self::Confirmed => 6,
        }
    }
}

impl LogMessage {
    /// Makes a message about a decision, and one about each alarm that comes with it.
    pub(super) fn of(decision: &Decision, record: &Record) -> Vec<Self> {
        let verdict = report::verdict(Path::new(&record.path), decision);
        let kinds = std::iter::once(MessageKind::of(decision))
            .chain(std::iter::repeat(MessageKind::Conflict));
        kinds
            .zip(verdict.lines())
            .map(|(kind, line)| Self { kind, message: line.trim().to_owned(), fields: of(record) })
            .collect()
    }

    /// Makes a message that says that nothing passed, and why.
    pub(super) fn of_trouble(entrance: Entrance, why: &str) -> Self {
        let fields = vec![
            ("APT_QUORUM_DECISION", "refuse".to_owned()),
            ("APT_QUORUM_ENTRANCE", entrance.word().to_owned()),
        ];
        Self { kind: MessageKind::Refused, message: format!("refused: {why}"), fields }
    }

    /// Makes a message about packages that are held back.
    pub(super) fn of_held(text: &str, is_alarm: bool) -> Self {
        let kind = if is_alarm { MessageKind::HeldTooLong } else { MessageKind::Held };
        Self { kind, message: text.to_owned(), fields: Vec::new() }
    }

    /// Formats the message for the journal's native protocol.
    pub(super) fn for_the_journal(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        add_field(&mut bytes, "MESSAGE", &shortened(&self.message, MAX_MESSAGE));
        add_field(&mut bytes, "MESSAGE_ID", self.kind.id());
        add_field(&mut bytes, "PRIORITY", &self.kind.priority().to_string());
        add_field(&mut bytes, "SYSLOG_FACILITY", &FACILITY.to_string());
        add_field(&mut bytes, "SYSLOG_IDENTIFIER", IDENTIFIER);
        for (name, value) in &self.fields {
            let mut field = Vec::new();
            add_field(&mut field, name, &printable(value).to_string());
            if bytes.len() + field.len() <= MAX_JOURNAL {
                bytes.extend(field);
            }
        }
        bytes
    }

    /// Formats the message as syslog(3) sends it, but without the time. The C library writes the
    /// time in the zone of the process; every syslogd adds its own where there is none.
    pub(super) fn for_syslog(&self) -> Vec<u8> {
        let priority = FACILITY * 8 + self.kind.priority();
        let head = format!("<{priority}>{IDENTIFIER}[{}]: ", std::process::id());
        let value =
            |name: &str| self.fields.iter().find(|(it, _)| *it == name).map(|(_, it)| it.as_str());
        let of = [value("APT_QUORUM_ENTRANCE"), value("APT_QUORUM_SHA256")];
        let more: Vec<&str> = of.into_iter().flatten().collect();
        // The parenthesis keeps a line from ending in a number.
        let tail = format!(" ({}).", printable(&more.join(", sha256 ")));
        let room = MAX_SYSLOG.saturating_sub(head.len() + tail.len());
        let message = self.message.trim_end_matches('.');
        format!("{head}{}{tail}", shortened(message, room)).into_bytes()
    }
}

/// Returns the fields of a decision for programs that watch the log.
fn of(record: &Record) -> Vec<(&'static str, String)> {
    let identity = record.identity.as_ref();
    let one = [
        ("APT_QUORUM_DECISION", Some(record.decision.to_owned())),
        ("APT_QUORUM_BASIS", record.basis.map(str::to_owned)),
        ("APT_QUORUM_REASON", record.reason.as_ref().map(|it| it.code.to_owned())),
        ("APT_QUORUM_ENTRANCE", Some(record.entrance.word().to_owned())),
        ("APT_QUORUM_PACKAGE", identity.map(|it| it.package.to_string())),
        ("APT_QUORUM_VERSION", identity.map(|it| it.version.to_string())),
        ("APT_QUORUM_ARCHITECTURE", identity.map(|it| it.architecture.to_string())),
        ("APT_QUORUM_SHA256", record.sha256.map(|it| it.to_string())),
        ("APT_QUORUM_FILE", Some(record.path.clone())),
        ("APT_QUORUM_RULE", record.report.rule.clone()),
        ("APT_QUORUM_THRESHOLD", record.report.threshold.map(|it| it.to_string())),
        ("APT_QUORUM_EXCEPTION", record.exception.as_ref().map(|it| it.called())),
        ("APT_QUORUM_POLICY", record.policy.map(|it| it.to_string())),
    ];
    let mut fields: Vec<_> =
        one.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    for (name, claims) in [
        ("APT_QUORUM_REBUILDER", &record.report.claims),
        ("APT_QUORUM_CONFLICT", &record.report.conflicts),
    ] {
        fields.extend(rebuilders(claims).into_iter().map(|it| (name, it)));
    }
    fields
}

/// Returns the names of the rebuilders that made these claims, each once.
fn rebuilders(claims: &[RecordedClaim]) -> Vec<String> {
    let mut names: Vec<String> = claims.iter().map(|it| it.rebuilder.to_string()).collect();
    names.sort();
    names.dedup();
    names
}

/// Adds a field as the journal reads it: `NAME=value` on a line, or, if the value contains a line
/// end, with its length in between. With the length no part of a value can become another field,
/// even if a value comes here that was not made printable.
fn add_field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend(name.as_bytes());
    if value.contains('\n') {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        bytes.push(b'\n');
        bytes.extend(length.to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend(value.as_bytes());
    bytes.push(b'\n');
}

/// Returns printable ASCII of at most `most` bytes.
fn shortened(text: &str, most: usize) -> String {
    let clean = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    if text.chars().count() <= most {
        return text.chars().map(clean).collect();
    }
    text.chars().map(clean).take(most.saturating_sub(3)).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(message: &str, value: &str) -> LogMessage {
        let fields = vec![("APT_QUORUM_ENTRANCE", "hook".to_owned()), ("X", value.to_owned())];
        LogMessage { kind: MessageKind::Refused, message: message.to_owned(), fields }
    }

    #[test]
    fn no_value_becomes_a_field_or_a_line_of_its_own() {
        let hostile = "a\nPRIORITY=0\u{1b}[2J\u{e9}";
        let sent = String::from_utf8(entry(hostile, hostile).for_the_journal()).unwrap();
        assert!(sent.chars().all(|c| matches!(c, ' '..='~' | '\n')));
        assert_eq!(sent.lines().filter(|it| it.starts_with("PRIORITY")).count(), 1);
        assert_eq!(sent.lines().last(), Some("X=a PRIORITY=0?[2J?"));
        let sent = String::from_utf8(entry(hostile, hostile).for_syslog()).unwrap();
        assert!(sent.ends_with("]: a?PRIORITY=0?[2J? (hook)."), "{sent}");
        // If one were not made printable, its length would still hold it together.
        let mut bytes = Vec::new();
        add_field(&mut bytes, "X", "a\nY=b");
        assert_eq!(bytes, b"X\n\x05\0\0\0\0\0\0\0a\nY=b\n");
    }

    #[test]
    fn no_message_is_longer_than_it_may_be() {
        let mut long = entry(&"x".repeat(1 << 20), "y");
        long.fields.extend((0..10_000).map(|_| ("APT_QUORUM_REBUILDER", "z".repeat(10_000))));
        let sent = long.for_the_journal();
        assert!(sent.len() <= MAX_JOURNAL && sent.len() > MAX_JOURNAL / 2, "{}", sent.len());
        assert_eq!(long.for_syslog().len(), MAX_SYSLOG);
        assert!(String::from_utf8(long.for_syslog()).unwrap().ends_with("x... (hook)."));
    }

    #[test]
    fn every_kind_has_an_id_of_its_own() {
        let kinds = [
            MessageKind::Confirmed,
            MessageKind::Excepted,
            MessageKind::LetThrough,
            MessageKind::Refused,
            MessageKind::Conflict,
        ];
        let ids: std::collections::BTreeSet<_> = kinds.iter().map(|it| it.id()).collect();
        assert_eq!(ids.len(), kinds.len());
        let plain = |id: &&str| {
            id.len() == 32
                && id.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it))
        };
        assert!(ids.iter().all(plain));
    }
}
