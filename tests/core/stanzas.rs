//! Stanzas as deb822(5) has them, in every short text there is.

use apt_quorum::deb822::{Malformed, parse, stanzas};

/// All texts of up to `longest` of these letters.
fn texts(letters: &[u8], longest: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..longest {
        let to = all.len();
        for at in from..to {
            for &letter in letters {
                let mut longer = all[at].clone();
                longer.push(letter);
                all.push(longer);
            }
        }
        from = to;
    }
    all
}

/// What a reader by the book makes of a text, line by line: for each stanza the values of `a` and
/// `b`, or nothing from the first one on that is malformed.
fn by_the_book(text: &[u8]) -> Vec<Option<[Option<String>; 2]>> {
    let mut found: Vec<Option<[Option<String>; 2]>> = Vec::new();
    let mut current: Option<Vec<(u8, String)>> = None;
    let text = std::str::from_utf8(text).unwrap();
    let finish = |fields: Vec<(u8, String)>| {
        ["a", "b"].map(|name| {
            let field = fields.iter().find(|(key, _)| *key == name.as_bytes()[0]);
            field.map(|(_, value)| value.trim_matches([' ', '\n']).to_owned())
        })
    };
    for line in text.split('\n') {
        let field = line.split_once(':').map(|(name, value)| (name.trim_end_matches(' '), value));
        let field = field.filter(|(name, _)| matches!(*name, "a" | "b"));
        let is_more = line.starts_with(' ') && current.is_some();
        match (line, field, current.as_mut()) {
            ("", ..) => found.extend(current.take().map(|fields| Some(finish(fields)))),
            (_, _, Some(fields)) if is_more => {
                let last = fields.last_mut().unwrap();
                last.1.push('\n');
                last.1.push_str(line);
            }
            (_, Some((name, value)), _) => {
                let fields = current.get_or_insert_default();
                let name = name.as_bytes()[0];
                if fields.iter().any(|(key, _)| *key == name) {
                    found.push(None);
                    return found;
                }
                fields.push((name, value.to_owned()));
            }
            _ => {
                found.push(None);
                return found;
            }
        }
    }
    found.extend(current.map(|fields| Some(finish(fields))));
    found
}

#[test]
fn every_short_text_is_read_as_a_reader_by_the_book_reads_it() {
    let mut good = 0;
    for text in texts(b"ab: \n", 8) {
        // The book has names of one letter only.
        if text.windows(2).any(|pair| pair.iter().all(|c| matches!(c, b'a' | b'b')))
            || text.windows(2).any(|pair| pair == b"::")
        {
            continue;
        }
        let mut ours = Vec::new();
        for stanza in stanzas(&text) {
            let stanza = stanza.ok();
            let broken = stanza.is_none();
            ours.push(stanza.map(|it| ["a", "b"].map(|name| it.field(name).map(str::to_owned))));
            if broken {
                break;
            }
        }
        let expected = by_the_book(&text);
        assert_eq!(ours, expected, "{:?}", String::from_utf8_lossy(&text));
        good += usize::from(!expected.is_empty() && expected.iter().all(Option::is_some));
    }
    assert!(good > 1000, "{good}");
}

#[test]
fn fields_have_names_values_and_places() {
    let text = b"A:  1 \t\r\nb:\n 2\n\t3\nEmpty:\nBytes: \xff\nSpaced \t: x\nGr\xc3\xbcn: y\n";
    let stanza = parse(text).unwrap();
    for (name, value, there, below) in [
        ("a", Some("1"), true, false),
        ("B", Some("2\n\t3"), true, true),
        ("empty", Some(""), true, false),
        ("bytes", None, true, false),
        ("spaced", Some("x"), true, false),
        ("Gr\u{fc}n", Some("y"), true, false),
        ("c", None, false, false),
    ] {
        assert_eq!(stanza.field(name), value, "{name}");
        assert_eq!(stanza.has(name), there, "{name}");
        assert_eq!(stanza.begins_below(name), below, "{name}");
    }
    assert_eq!(parse(b"a:1\nA:2\n").unwrap_err(), Malformed::Twice("A".to_owned()));
    for bad in ["a\n", ":1\n", "a b:1\n", " a:1\n", " :1\n", "a\x0bb:1\n", "\0:1\n", "a\r\nb"] {
        assert_eq!(parse(bad.as_bytes()).unwrap_err(), Malformed::Line, "{bad:?}");
    }
}
