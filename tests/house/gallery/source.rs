//! What the program's own source says that it can say: every error type with its variants, and
//! every text in code that is not a test's.
//!
//! A small reader of Rust's tokens does for that. What it cannot tell apart it takes for a text.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::sources::{root, rust_files};

/// What stands in the source.
#[derive(Default)]
pub struct Source {
    /// The error types: their module and name, and the names of their variants (that of the type
    /// itself, if it is no enum).
    pub errors: BTreeMap<String, Vec<String>>,
    /// All other enums with their variants.
    pub enums: BTreeMap<String, Vec<String>>,
    /// The texts with words in them, by file, in the order in which they stand there.
    pub texts: BTreeMap<String, Vec<String>>,
}

/// A token, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

impl Source {
    /// What there is to say beside the errors: which enums are spoken out by hand.
    pub fn variants(&self, name: &str) -> &[String] {
        &self.enums[name]
    }

    /// Reads the sources of all crates.
    pub fn read() -> Self {
        let mut source = Self::default();
        for (path, file) in sources() {
            let tokens = tokens(&fs::read_to_string(&path).unwrap());
            // A module that is for tests or the fuzzer only says so where it is declared, or above
            // all that it has.
            if file != "fuzzing.rs" && !file.ends_with("/tests.rs") {
                source.add(&file, &without_attributes(&without_tests(&tokens)));
            }
        }
        source
    }

    fn add(&mut self, file: &str, tokens: &[Token]) {
        let module = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let mut next_is_error = false;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Text(text) if is_for_people(text) => {
                    self.texts.entry(file.to_owned()).or_default().push(text.clone());
                }
                Token::Word(it) if it == "derive" => {
                    let list = tokens[at..].iter().take_while(|it| **it != Token::Mark(']'));
                    next_is_error = list.clone().any(|it| word(it, "Error"));
                }
                Token::Word(it) if it == "enum" || (it == "struct" && next_is_error) => {
                    let (name, variants) = type_at(&tokens[at..]);
                    let types = if next_is_error { &mut self.errors } else { &mut self.enums };
                    types.insert(format!("{module}::{name}"), variants);
                    next_is_error = false;
                }
                Token::Word(it) if it == "struct" => next_is_error = false,
                _ => {}
            }
        }
    }
}

fn word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(it) if it == text)
}

/// The name of the type that begins here, and its variants.
fn type_at(tokens: &[Token]) -> (String, Vec<String>) {
    let Token::Word(name) = &tokens[1] else { panic!("a type without a name") };
    if word(&tokens[0], "struct") {
        return (name.clone(), vec![name.clone()]);
    }
    let mut variants = Vec::new();
    let (mut depth, mut next) = (0, false);
    for token in &tokens[2..] {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth -= 1,
            Token::Mark(',') if depth == 1 => next = true,
            Token::Word(it) if depth == 1 && next => {
                variants.push(it.clone());
                next = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        next |= depth == 1 && variants.is_empty() && *token == Token::Mark('{');
    }
    (name.clone(), variants)
}

/// Leaves out what is compiled for tests only: what stands behind `#[cfg(test)]`, up to the end
/// of its block or its semicolon.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let marker: Vec<Token> = self::tokens("#[cfg(test)]");
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&marker) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += marker.len();
        while at < tokens.len() {
            match tokens[at] {
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 && matches!(tokens[at - 1], Token::Mark('}' | ';')) {
                break;
            }
        }
    }
    kept
}

/// Leaves out the texts of attributes, but for those of thiserror and the names of derived traits:
/// the rest speaks to compilers, or to clap, and what clap shows is in the manual.
fn without_attributes(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let inner = usize::from(tokens.get(at + 1) == Some(&Token::Mark('!')));
        let is_one =
            tokens[at] == Token::Mark('#') && tokens.get(at + 1 + inner) == Some(&Token::Mark('['));
        if !is_one {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        let spoken = tokens.get(at + 2).is_some_and(|it| word(it, "error") || word(it, "derive"));
        loop {
            match tokens[at] {
                Token::Mark('[') => depth += 1,
                Token::Mark(']') => depth -= 1,
                _ => {}
            }
            if spoken {
                kept.push(tokens[at].clone());
            }
            at += 1;
            if depth == 0 && tokens[at - 1] == Token::Mark(']') {
                break;
            }
        }
    }
    kept
}

/// Rust's tokens: words and numbers, texts without their quotes, and single marks.
fn tokens(source: &str) -> Vec<Token> {
    let text: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let rest = &text[at..];
        let next = |n: usize| rest.get(n).copied().unwrap_or(' ');
        if c == '/' && next(1) == '/' {
            at += rest.iter().position(|it| *it == '\n').unwrap_or(rest.len());
        } else if c == '/' && next(1) == '*' {
            at += rest.windows(2).position(|it| it == ['*', '/']).unwrap() + 2;
        } else if let Some((raw, length)) = raw_text(rest) {
            found.push(Token::Text(raw));
            at += length;
        } else if c == '"' {
            let (text, length) = quoted(rest);
            found.push(Token::Text(text));
            at += length;
        } else if c == '\'' && next(1) == '\\' {
            at += 3 + rest[3..].iter().position(|it| *it == '\'').unwrap() + 1;
        } else if c == '\'' && next(2) == '\'' {
            at += 3;
        } else if c.is_alphanumeric() || c == '_' {
            let length = rest.iter().take_while(|it| it.is_alphanumeric() || **it == '_').count();
            // The letter of b"..." and c"...".
            if !(length == 1 && next(1) == '"') {
                found.push(Token::Word(rest[..length].iter().collect()));
            }
            at += length;
        } else {
            if !c.is_whitespace() {
                found.push(Token::Mark(c));
            }
            at += 1;
        }
    }
    found
}

/// A raw text at the beginning, and how many characters it takes.
fn raw_text(rest: &[char]) -> Option<(String, usize)> {
    let start = usize::from(rest.first() == Some(&'b'));
    if rest.get(start) != Some(&'r') {
        return None;
    }
    let hashes = rest[start + 1..].iter().take_while(|it| **it == '#').count();
    let begin = start + 1 + hashes + 1;
    if rest.get(begin - 1) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = rest[begin..].windows(end.len()).position(|it| it == end)?;
    Some((rest[begin..begin + length].iter().collect(), begin + length + end.len()))
}

/// A quoted text at the beginning, with what its escapes mean, and how many characters it takes.
fn quoted(rest: &[char]) -> (String, usize) {
    let mut text = String::new();
    let mut at = 1;
    while rest[at] != '"' {
        if rest[at] != '\\' {
            text.push(rest[at]);
            at += 1;
            continue;
        }
        at += 2;
        match rest[at - 1] {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '0' => text.push('\0'),
            'x' => {
                let digits: String = rest[at..at + 2].iter().collect();
                text.push(char::from(u8::from_str_radix(&digits, 16).unwrap()));
                at += 2;
            }
            'u' => {
                let end = rest[at..].iter().position(|it| *it == '}').unwrap();
                let digits: String = rest[at + 1..at + end].iter().collect();
                text.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
                at += end + 1;
            }
            '\n' => at += rest[at..].iter().take_while(|it| it.is_whitespace()).count(),
            other => text.push(other),
        }
    }
    (text, at + 1)
}

/// Whether a text has words in it, with something between them: what has none is a name, a
/// field, or a piece that is put between others.
fn is_for_people(text: &str) -> bool {
    let bare = without_values(text).join(" ");
    let words = bare.split(|c: char| !c.is_ascii_alphabetic()).filter(|it| it.len() > 1);
    text.trim().contains(' ') && words.count() > 1
}

/// The pieces of a format that stand as they are.
pub fn without_values(format: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        pieces.last_mut().unwrap().push_str(before);
        if after.starts_with("{{") || after.starts_with("}}") {
            pieces.last_mut().unwrap().push_str(&after[..1]);
            rest = &after[2..];
        } else if let Some(end) = after.find('}') {
            pieces.push(String::new());
            rest = &after[end + 1..];
        } else {
            break;
        }
    }
    pieces.last_mut().unwrap().push_str(rest);
    pieces
}

/// The sources of all crates, each with its place in the program.
fn sources() -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for (root, module) in
        [("src", ""), ("crates/core/src", ""), ("crates/gate/src", ""), ("crates/sys/src", "sys/")]
    {
        let root = crate::sources::root().join(root);
        for path in rust_files(&root) {
            let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
            let file = format!("{module}{file}");
            all.push((path, file));
        }
    }
    all
}

/// The texts of all tests, and of the sources with theirs: what a test expects to be said.
pub fn texts_of_tests() -> Vec<String> {
    let mut texts = Vec::new();
    for path in rust_files(&root().join("tests")) {
        add_texts(&mut texts, &tokens(&fs::read_to_string(path).unwrap()));
    }
    for (path, _) in sources() {
        let all = tokens(&fs::read_to_string(&path).unwrap());
        let marker = tokens("#[cfg(test)]");
        // Unit tests stand at the end.
        if let Some(at) = all.windows(marker.len()).position(|it| it == marker) {
            add_texts(&mut texts, &all[at..]);
        }
    }
    texts
}

fn add_texts(to: &mut Vec<String>, tokens: &[Token]) {
    to.extend(tokens.iter().filter_map(|it| match it {
        Token::Text(text) => Some(text.clone()),
        _ => None,
    }));
}
