//! Mistakes in the configuration, each shown at its place.
//!
//! The shown text is ASCII, because it also goes to the logs of programs that remove everything
//! else. A caret must be below the character that it points at, however wide a terminal draws the
//! others.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::policy::Place;

/// Most mistakes that are shown.
const MAX_SHOWN: usize = 100;

/// Longest part of a line that is shown, in characters.
const MAX_WIDTH: usize = 120;

/// Characters before the mistake that remain when a long line is cut.
const CONTEXT: usize = 30;

/// A configuration file with its text.
#[derive(Debug, Clone)]
pub struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
}

/// A place in a configuration file.
#[derive(Debug, Clone)]
pub struct SourcePlace {
    source: SourceFile,
    span: Range<usize>,
}

/// One mistake: its place, the problem, and the right form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    path: PathBuf,
    marked: Option<Marked>,
    message: String,
    help: Option<String>,
}

/// A line with its faulty part. Line and column count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Marked {
    line: usize,
    column: usize,
    length: usize,
    text: String,
}

/// All mistakes that were found.
#[derive(Debug, Clone, Default)]
pub struct Problems(Vec<Diagnostic>);

impl SourceFile {
    /// Makes a file from a text that was read.
    #[must_use]
    pub fn new(path: PathBuf, text: String) -> Self {
        Self { path, text: text.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name without the directory, made printable.
    #[must_use]
    pub fn name(&self) -> String {
        ascii(&self.path.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A part of it, given in bytes.
    #[must_use]
    pub fn at(&self, span: Range<usize>) -> SourcePlace {
        SourcePlace { source: self.clone(), span }
    }

    /// The file as such, as the place of something that is missing from it.
    #[must_use]
    pub fn whole(&self) -> SourcePlace {
        self.at(0..0)
    }

    /// The place of the rule or the exception whose table begins at the byte `at`.
    #[must_use]
    pub fn named_place(&self, at: usize) -> Place {
        Place { file: self.name(), line: self.line_number(at) }
    }

    /// The number of the line that contains the byte `at`, from 1.
    fn line_number(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }

    /// The line that contains the byte `at`, with the offset of its first byte.
    #[must_use]
    pub fn line_at(&self, at: usize) -> Option<(usize, &str)> {
        let start = self.text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
        Some((start, self.text.get(start..)?.split('\n').next()?))
    }

    fn marked(&self, span: &Range<usize>) -> Option<Marked> {
        if span.is_empty() && span.start == 0 {
            return None;
        }
        let (start, line) = self.line_at(span.start)?;
        let before = self.text.get(..span.start)?;
        let end = span.end.min(start + line.len());
        let length = self.text.get(span.start..end).map_or(1, |part| part.chars().count());
        Some(Marked {
            line: self.line_number(span.start),
            column: before.get(start..)?.chars().count() + 1,
            length: length.max(1),
            text: line.trim_end_matches('\r').chars().map(one_column).collect(),
        })
    }
}

impl SourcePlace {
    /// Makes a diagnostic about this place.
    #[must_use]
    pub fn saying(&self, message: &dyn fmt::Display) -> Diagnostic {
        Diagnostic {
            path: self.source.path.clone(),
            marked: self.source.marked(&self.span),
            message: ascii(&message.to_string()),
            help: None,
        }
    }

    /// The place by file and line.
    #[must_use]
    pub fn place(&self) -> Place {
        self.source.named_place(self.span.start)
    }

    /// The name of the file that it is in.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.source.name()
    }
}

impl Diagnostic {
    /// Makes a diagnostic about a file as a whole: it cannot be read, or others could write it.
    #[must_use]
    pub fn of_file(path: &Path, message: &dyn fmt::Display) -> Self {
        let message = message.to_string();
        // The error names the path itself, or another one on the way to it.
        let shown = path.display().to_string();
        let own = message.strip_prefix(&shown);
        let own = own.and_then(|rest| rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' ')));
        let message = ascii(own.unwrap_or(&message));
        Self { path: path.to_owned(), marked: None, message, help: None }
    }

    /// Adds the right form.
    #[must_use]
    pub fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(ascii(help.as_ref()));
        self
    }

    /// The mistake on one line, `file:line:column: message`.
    #[must_use]
    pub fn one_line(&self) -> String {
        let place = self.marked.as_ref().map(|m| format!(":{}:{}", m.line, m.column));
        let path = ascii(&self.path.to_string_lossy());
        format!("{path}{}: {}", place.unwrap_or_default(), self.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.one_line())?;
        let indent = self.marked.as_ref().map_or(1, |marked| marked.line.to_string().len());
        if let Some(marked) = &self.marked {
            let (text, column, length) = marked.window();
            let (line, before, carets) = (marked.line, " ".repeat(column - 1), "^".repeat(length));
            write!(f, "\n {line} | {text}\n {:indent$} | {before}{carets}", "")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n {:indent$} = {help}", "")?;
        }
        Ok(())
    }
}

impl Marked {
    /// The shown part of the line, the column in it from 1, and the length of the mark.
    fn window(&self) -> (String, usize, usize) {
        let width = self.text.chars().count();
        let cut = if width > MAX_WIDTH { (self.column - 1).saturating_sub(CONTEXT) } else { 0 };
        let (dots, column) =
            if cut > 0 { ("...", self.column - cut + 3) } else { ("", self.column) };
        let shown: String = self.text.chars().skip(cut).take(MAX_WIDTH).collect();
        let more = if cut + shown.len() < width { "..." } else { "" };
        let text = format!("{dots}{shown}{more}");
        // A missing part is behind the end of its line.
        let length = self.length.min((text.len() + 1).saturating_sub(column)).max(1);
        (text, column, length)
    }
}

impl Problems {
    /// Adds a mistake.
    pub fn push(&mut self, problem: Diagnostic) {
        self.0.push(problem);
    }

    /// Returns true when there is no mistake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The mistakes.
    #[must_use]
    pub fn all(&self) -> &[Diagnostic] {
        &self.0
    }

    /// Sorts the mistakes by file and line, and keeps each once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| (&a.path, &a.marked).cmp(&(&b.path, &b.marked)));
        self.0.dedup();
        self
    }

    /// Formats one line for each mistake, for logs.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines: Vec<String> =
            self.0.iter().take(MAX_SHOWN).map(Diagnostic::one_line).collect();
        lines.extend(self.more());
        lines.join("\n")
    }

    fn more(&self) -> Option<String> {
        let more = self.0.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0)?;
        Some(format!("... and {more} more."))
    }
}

impl fmt::Display for Problems {
    /// Writes every mistake with its line and a caret, and the number of mistakes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.0.iter().take(MAX_SHOWN) {
            writeln!(f, "{problem}\n")?;
        }
        if let Some(more) = self.more() {
            writeln!(f, "{more}\n")?;
        }
        match self.0.len() {
            1 => write!(f, "1 mistake in the configuration"),
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}

/// Replaces a character by one that takes one column.
fn one_column(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\t' => ' ',
        _ => '?',
    }
}

/// Formats text in ASCII on one line, with the code points of all other characters.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            '\n' | '\t' => out.push(' '),
            _ => out.push_str(&format!("U+{:04X}", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, fault: &str) -> String {
        let source = SourceFile::new(PathBuf::from("/a.toml"), text.to_owned());
        let start = text.find(fault).unwrap();
        source.at(start..start + fault.len()).saying(&"wrong").to_string()
    }

    #[test]
    fn the_caret_stands_below_what_it_points_at() {
        for (text, fault, line, caret) in [
            ("a = 1", "1", "1 | a = 1", "  |     ^"),
            ("\ta = 1\r\n", "1", "1 |  a = 1", "  |      ^"),
            ("\n\n\u{65e5}\u{672c} = \u{e9}\u{e9}\n", "\u{e9}\u{e9}", "3 | ?? = ??", "  |      ^^"),
            ("x = \"\"\"\nlong\n\"\"\"", "\"\"\"\nlong", "1 | x = \"\"\"", "  |     ^^^"),
        ] {
            let lines: Vec<String> = shown(text, fault).lines().map(str::to_owned).collect();
            assert_eq!(lines[1..], [format!(" {line}"), format!(" {caret}")], "{text:?}");
        }
    }

    #[test]
    fn of_a_long_line_the_part_around_the_mistake_is_shown() {
        let text = format!("list = [{}, 7, {}]", "\"abc\", ".repeat(100), "\"def\", ".repeat(100));
        let shown = shown(&text, "7");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.len() < MAX_WIDTH + 20), "{shown}");
        let at = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][at..=at], "7", "{shown}");
        assert!(lines[1].contains("| ...") && lines[1].ends_with("..."), "{shown}");
    }

    #[test]
    fn nothing_that_a_terminal_would_obey_is_shown() {
        let source = SourceFile::new(PathBuf::from("/\u{1b}[2J.toml"), "a\u{1b}[2J = 1".to_owned());
        let shown = source.at(1..4).saying(&"\u{1b}]0;x\u{7} \u{9b}").help("\u{202e}").to_string();
        assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{shown:?}");
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_and_counted() {
        let mut problems = Problems::default();
        for n in 0..MAX_SHOWN + 5 {
            problems.push(Diagnostic::of_file(Path::new("/a"), &format!("mistake {n}")));
        }
        let shown = problems.to_string();
        assert!(shown.contains("... and 5 more.\n\n105 mistakes"), "{shown}");
        assert_eq!(problems.lines().lines().count(), MAX_SHOWN + 1);
    }
}
