//! The files in which apt's sources stand (sources.list(5)), read in order to change the methods of
//! some and nothing else: comments, order and options are the administrator's.

use std::ops::Range;

use super::configuration::{dequote, truth};

/// The prefix of the name of a method of apt's that is wrapped.
pub const PREFIX: &str = "quorum+";

/// The format in which a file writes sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `deb [OPTIONS] URI SUITE COMPONENT...`, in files called `*.list`
    Line,
    /// Stanzas of fields, in files called `*.sources`
    Stanza,
}

/// One URI of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUri {
    /// As apt reads it: without the quotes and escapes that a line can have
    pub uri: String,
    /// Is true when apt uses it
    pub enabled: bool,
    /// The position of its first character in the text, in bytes
    pub at: usize,
}

/// The kind of a source, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// apt gets it by a method that can be wrapped.
    Plain,
    /// Its packages are judged on the way.
    Judged,
    /// It has a method that nothing here wraps.
    Other,
}

impl SourceUri {
    /// The kind of the source, by what can be done about it.
    #[must_use]
    pub fn way(&self) -> Way {
        let wrapped = |uri: &str| uri.starts_with("http://") || uri.starts_with("https://");
        match self.uri.strip_prefix(PREFIX) {
            Some(rest) if wrapped(rest) => Way::Judged,
            None if wrapped(&self.uri) => Way::Plain,
            _ => Way::Other,
        }
    }
}

/// Returns true when apt gets `uri` by Tor, whatever else its scheme contains (`tor+https`,
/// `mirror+tor+http`).
#[must_use]
pub fn goes_by_tor(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    uri.contains(':') && scheme.split('+').any(|part| part.eq_ignore_ascii_case("tor"))
}

/// The file on this machine in which a list of mirrors stands, if `uri` names one.
#[must_use]
pub fn list_of_mirrors(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("mirror+file:").or_else(|| uri.strip_prefix("mirror+copy:"))?;
    Some(rest.strip_prefix("//").unwrap_or(rest)).filter(|path| path.starts_with('/'))
}

/// The URIs in a file, in their order. What apt would not understand is passed over.
#[must_use]
pub fn read(text: &str, format: Format) -> Vec<SourceUri> {
    match format {
        Format::Line => in_lines(text),
        Format::Stanza => in_stanzas(text),
    }
}

/// The text with these uris of it, which are all [`Way::Plain`], going by way of the gate.
#[must_use]
pub fn judged<'a>(text: &str, uris: impl IntoIterator<Item = &'a SourceUri>) -> String {
    let mut places: Vec<usize> = uris.into_iter().map(|it| it.at).collect();
    places.sort_unstable();
    places.dedup();
    let mut out = String::new();
    let mut rest = text;
    let mut before = 0;
    for at in places {
        // All begin a word of this text.
        if let Some((part, after)) = rest.split_at_checked(at - before) {
            out += part;
            out += PREFIX;
            (rest, before) = (after, at);
        }
    }
    out + rest
}

/// Each line without its end, with where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let at = start;
        start += line.len();
        (at, line.trim_end_matches(['\n', '\r']))
    })
}

/// The first word at or after `from`, by its place in `line`.
fn word(line: &str, from: usize) -> Option<Range<usize>> {
    let rest = line.get(from..)?;
    let start = from + rest.find(|c: char| !c.is_ascii_whitespace())?;
    let length = line.get(start..)?.find(|c: char| c.is_ascii_whitespace());
    Some(start..length.map_or(line.len(), |length| start + length))
}

fn in_lines(text: &str) -> Vec<SourceUri> {
    let entry = |(start, line): (usize, &str)| {
        let (line, _, at) = parts(line)?;
        let at = quoted_word(line, at)?;
        let written = line.get(at.clone())?;
        let quotes = written.len() - written.trim_start_matches('"').len();
        Some(SourceUri { uri: unquoted(written), enabled: true, at: start + at.start + quotes })
    };
    lines(text).filter_map(entry).collect()
}

/// A line of sources without its comment, its options without the brackets, and where the rest
/// begins (`ParseLine`, apt-pkg/sourcelist.cc).
fn parts(line: &str) -> Option<(&str, &str, usize)> {
    let line = without_comment(line);
    let kind = word(line, 0)?;
    if !matches!(line.get(kind.clone())?, "deb" | "deb-src") {
        return None;
    }
    let next = word(line, kind.end)?;
    let rest = line.get(next.start..)?;
    let Some(options) = rest.strip_prefix('[') else { return Some((line, "", next.start)) };
    let length = options.find(']')?;
    Some((line, options.get(..length)?, next.start + length + 2))
}

/// A comment begins with a `#` that is in no brackets, be it in quotes.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|it| it.find(['#', '['])) {
        let at = from + at;
        let rest = line.get(at..).unwrap_or_default();
        if rest.starts_with('#') {
            return line.get(..at).unwrap_or_default();
        }
        from = at + rest.find(']').unwrap_or(0) + 1;
    }
    line
}

/// The first word at or after `from` as apt splits them: white space within quotes or brackets is
/// part of it (`ParseQuoteWord`, apt-pkg/contrib/strutl.cc).
fn quoted_word(line: &str, from: usize) -> Option<Range<usize>> {
    let start = word(line, from)?.start;
    let mut at = start;
    while let Some(c) = line.get(at..)?.chars().next().filter(|c| !c.is_ascii_whitespace()) {
        let closing = match c {
            '"' => '"',
            '[' => ']',
            _ => {
                at += c.len_utf8();
                continue;
            }
        };
        at += line.get(at + 1..)?.find(closing)? + 2;
    }
    Some(start..at)
}

/// A word of a line as apt understands it: quotes are gone, and `%xx` stands for a byte.
#[must_use]
pub fn unquoted(word: &str) -> String {
    dequote(&word.replace('"', ""))
}

/// The verifiers that the sources in a file name: paths of keyrings, fingerprints, or armoured keys
/// in the file itself.
#[must_use]
pub fn signed_by(text: &str, format: Format) -> Vec<String> {
    match format {
        Format::Line => lines(text).flat_map(|(_, line)| signed_by_in_line(line)).collect(),
        Format::Stanza => signed_by_in_stanzas(text),
    }
}

fn signed_by_in_line(line: &str) -> Vec<String> {
    let options = parts(line).map(|(_, options, _)| options).unwrap_or_default();
    let value = |option: &str| {
        let (name, value) = option.split_once('=')?;
        name.eq_ignore_ascii_case("signed-by").then(|| unquoted(value))
    };
    let values = options.split_ascii_whitespace().filter_map(value);
    values.flat_map(|it| it.split(',').map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

fn signed_by_in_stanzas(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN ";
    let mut values: Vec<String> = Vec::new();
    let mut inside = false;
    for (_, line) in lines(text).filter(|(_, line)| !line.starts_with('#')) {
        if let Some(more) = line.strip_prefix([' ', '\t']).filter(|_| inside) {
            let value = values.last_mut();
            // An empty line of the armour is written as a dot.
            let more = if more.trim_ascii() == "." { "" } else { more };
            value.into_iter().for_each(|it| *it += &format!("\n{more}"));
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        inside = name.trim_ascii().eq_ignore_ascii_case("Signed-By");
        if inside {
            values.push(value.to_owned());
        }
    }
    let separate = |value: String| -> Vec<String> {
        if value.contains(BEGIN) {
            return vec![value];
        }
        let words = value.split([' ', '\t', '\n', ',']).filter(|it| !it.is_empty());
        words.map(ToOwned::to_owned).collect()
    };
    values.into_iter().flat_map(separate).collect()
}

fn in_stanzas(text: &str) -> Vec<SourceUri> {
    let mut all = Vec::new();
    let mut stanza: Vec<SourceUri> = Vec::new();
    let mut enabled = true;
    let mut in_uris = false;
    for (start, line) in lines(text) {
        if line.trim_ascii().is_empty() {
            all.extend(stanza.drain(..).map(|it| SourceUri { enabled, ..it }));
            (enabled, in_uris) = (true, false);
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let mut from = 0;
        if !line.starts_with([' ', '\t']) {
            let Some((field, value)) = line.split_once(':') else { continue };
            in_uris = field.trim_ascii().eq_ignore_ascii_case("URIs");
            if field.trim_ascii().eq_ignore_ascii_case("Enabled") {
                enabled = truth(value.trim_ascii()) != Some(false);
            }
            from = field.len() + 1;
        }
        while let Some(at) = word(line, from).filter(|_| in_uris) {
            from = at.end;
            let uri = line.get(at.clone()).unwrap_or_default().to_owned();
            stanza.push(SourceUri { uri, enabled: true, at: start + at.start });
        }
    }
    all.extend(stanza.into_iter().map(|it| SourceUri { enabled, ..it }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(text: &str, format: Format) -> Vec<(String, bool)> {
        read(text, format).into_iter().map(|it| (it.uri, it.enabled)).collect()
    }

    #[test]
    fn sources_by_tor_are_seen() {
        for (uri, by_tor) in [
            ("tor+http://a.example/", true),
            ("tor+https://a.example/", true),
            ("tor://a.example/", true),
            ("mirror+tor+http://a.example/list", true),
            ("https://tor.example/tor+http:", false),
            ("tor", false),
            ("tordeb+http://a.example/", false),
        ] {
            assert_eq!(goes_by_tor(uri), by_tor, "{uri}");
        }
        for (uri, path) in [
            ("mirror+file:/etc/apt/mirrors.list", Some("/etc/apt/mirrors.list")),
            ("mirror+file:///etc/apt/mirrors.list", Some("/etc/apt/mirrors.list")),
            ("mirror+copy:/x", Some("/x")),
            ("mirror+http://a.example/x", None),
            ("file:/x", None),
        ] {
            assert_eq!(list_of_mirrors(uri), path, "{uri}");
        }
    }

    const LIST: &str = "# deb http://comment.example/ a b\n\
        deb http://a.example/debian trixie main # http://x.example/\n\
        \tdeb-src\t[ signed-by=/k.gpg arch=amd64,i386 ] https://b.example/ ./\r\n\
        deb cdrom:[Debian 13]/ trixie main\n\
        deb\n\
        debs http://c.example/ x y\n\
        deb [trusted=yes] quorum+http://d.example/ x y";

    #[test]
    fn lines_are_read_and_only_the_methods_change() {
        let found = uris(LIST, Format::Line);
        let expected = [
            "http://a.example/debian",
            "https://b.example/",
            "cdrom:[Debian 13]/",
            "quorum+http://d.example/",
        ];
        assert_eq!(found, expected.map(|it| (it.to_owned(), true)));
        let uris = read(LIST, Format::Line);
        let ways: Vec<Way> = uris.iter().map(SourceUri::way).collect();
        assert_eq!(ways, [Way::Plain, Way::Plain, Way::Other, Way::Judged]);
        let plain: Vec<&SourceUri> = uris.iter().filter(|it| it.way() == Way::Plain).collect();
        let expected = LIST
            .replace("deb http://a.", "deb quorum+http://a.")
            .replace("] https://b.", "] quorum+https://b.");
        assert_eq!(judged(LIST, plain), expected);
        assert_eq!(judged(LIST, []), LIST);
    }

    const STANZAS: &str = "# a note\nTypes: deb deb-src\nuris: https://a.example/debian\n  http://b.example/\n# URIs: http://no.example/\n\thttp://c.example/\nSuites: trixie\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n http://not.example/\n\nEnabled: no\nTypes: deb\nURIs:file:/srv/x http://off.example/\n\n\nURIs: tor+http://d.example/ https://e.example/\nEnabled: yes\n";

    #[test]
    fn stanzas_are_read_and_only_the_methods_change() {
        let on = |uri: &str| (uri.to_owned(), true);
        let off = |uri: &str| (uri.to_owned(), false);
        let expected = [
            on("https://a.example/debian"),
            on("http://b.example/"),
            on("http://c.example/"),
            off("file:/srv/x"),
            off("http://off.example/"),
            on("tor+http://d.example/"),
            on("https://e.example/"),
        ];
        assert_eq!(uris(STANZAS, Format::Stanza), expected);
        let uris = read(STANZAS, Format::Stanza);
        let chosen = uris
            .iter()
            .filter(|it| ["http://b.example/", "https://e.example/"].contains(&&*it.uri));
        let expected = STANZAS
            .replace("http://b.", "quorum+http://b.")
            .replace("https://e.", "quorum+https://e.");
        assert_eq!(judged(STANZAS, chosen), expected);
    }

    /// As apt 2.6, 3.0 and 3.3 read them: `apt-get update --print-uris`.
    #[test]
    fn quotes_brackets_and_escapes_are_read_as_apt_does() {
        for (written, uri, changed) in [
            (
                r#"deb "http://a/x y/" t main"#,
                "http://a/x y/",
                r#"deb "quorum+http://a/x y/" t main"#,
            ),
            (r#"deb [a=b] "http://a/x" "t""#, "http://a/x", r#"deb [a=b] "quorum+http://a/x" "t""#),
            (
                r#"deb ht"tp://a.ex"ample/ t m"#,
                "http://a.example/",
                r#"deb quorum+ht"tp://a.ex"ample/ t m"#,
            ),
            ("deb http://a/d%65b%20x t m", "http://a/deb x", "deb quorum+http://a/d%65b%20x t m"),
            ("deb %68ttp://a/ t m", "http://a/", "deb quorum+%68ttp://a/ t m"),
            ("deb http://a/[x y]/d t m", "http://a/[x y]/d", "deb quorum+http://a/[x y]/d t m"),
            ("deb [a=#1] http://a/ t m # c", "http://a/", "deb [a=#1] quorum+http://a/ t m # c"),
        ] {
            let uris = read(written, Format::Line);
            let found: Vec<&str> = uris.iter().map(|it| it.uri.as_str()).collect();
            assert_eq!(found, [uri], "{written}");
            assert_eq!(judged(written, &uris), changed);
        }
        // What apt takes for a mistake is no source.
        for wrong in
            ["deb \"http://a/ t m", "deb http://a/[x t m", "\"deb\" http://a/ t m", "deb \"["]
        {
            assert_eq!(read(wrong, Format::Line), [], "{wrong}");
        }
        // Stanzas have neither quotes nor escapes.
        let stanza = "Types: deb\nURIs: \"http://a/\" http://a/%65\n";
        let found: Vec<String> =
            read(stanza, Format::Stanza).into_iter().map(|it| it.uri).collect();
        assert_eq!(found, ["\"http://a/\"", "http://a/%65"]);
    }

    #[test]
    fn what_verifies_sources_is_found() {
        let line = "deb [ arch=amd64 signed-by=/a.gpg,/b.asc ] http://a/ t m\n\
            # deb [signed-by=/no.gpg] http://a/ t m\n\
            deb http://a/ t signed-by=/no.gpg\n\
            deb-src [Signed-By=\"/c.gpg\"] http://a/ t m\n";
        assert_eq!(signed_by(line, Format::Line), ["/a.gpg", "/b.asc", "/c.gpg"]);
        let stanzas = "Types: deb\nSigned-By: /a.gpg\n  /b.asc, ABC\n# x\n\tD\nURIs: http://no\n\n\
            signed-by:\n -----BEGIN X-----\n .\n # abc\n -----END X-----\nSuites: no\n";
        let key = "\n-----BEGIN X-----\n\n# abc\n-----END X-----";
        assert_eq!(signed_by(stanzas, Format::Stanza), ["/a.gpg", "/b.asc", "ABC", "D", key]);
    }

    #[test]
    fn odd_texts_are_survived() {
        for text in [
            "deb [",
            "deb [ ]",
            "deb [x]",
            "URIs:",
            ":",
            "\u{e9}: \u{e9}\n \u{a0}",
            "deb \u{e9}\u{a0}http://x/ y",
            "deb \"\u{e9}",
            "deb [\u{e9}#",
            "deb %",
            "deb",
        ] {
            for format in [Format::Line, Format::Stanza] {
                let uris = read(text, format);
                assert!(judged(text, &uris).len() >= text.len());
                assert!(signed_by(text, format).is_empty());
            }
        }
    }
}
