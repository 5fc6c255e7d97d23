//! HTML that is put together so that no text from outside becomes a part of it.

use std::fmt::Display;

/// A page that is being written. All text but the constants of this program goes through
/// [`Markup::text`].
#[derive(Debug, Default)]
pub(super) struct Markup {
    out: String,
}

impl Markup {
    /// Adds markup as it is: a constant of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Adds markup with a text in the place of each `{}`, as content or within a quoted attribute.
    pub(super) fn fill(&mut self, markup: &'static str, texts: &[&dyn Display]) -> &mut Self {
        let mut texts = texts.iter();
        let mut parts = markup.split("{}");
        self.out.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.text(&texts.next().map(ToString::to_string).unwrap_or_default());
            self.out.push_str(part);
        }
        self
    }

    /// Adds text, as content or within a quoted attribute. Characters that are invisible, or that
    /// turn the text around them, become a replacement character.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' | '\t' => self.out.push(' '),
                c if is_unseen(c) => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
        self
    }

    /// Adds an address as a link, if it is one that a browser may be led to, or else as text.
    pub(super) fn link(&mut self, address: &str) -> &mut Self {
        if !is_web_address(address) {
            return self.fill("<code>{}</code>", &[&address]);
        }
        let link = "<a rel=\"noreferrer noopener\" href=\"{}\">{}</a>";
        self.fill(link, &[&address, &address])
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }
}

/// Control characters, and those that have no shape or set the direction of others (UAX #9, and
/// the tags and other formats of general category Cf).
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|it| !it.is_empty()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Markup) -> &mut Markup) -> String {
        let mut markup = Markup::default();
        write(&mut markup);
        markup.into_string()
    }

    #[test]
    fn no_text_becomes_markup() {
        let hostile =
            "</td><script>alert('1')</script>&amp;\" onload=\"x\u{202e}\u{0}\n\u{9b}\u{e9}";
        assert_eq!(
            written(|it| it.text(hostile)),
            "&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;&quot; \
             onload=&quot;x\u{fffd}\u{fffd} \u{fffd}\u{e9}"
        );
    }

    #[test]
    fn a_text_that_fills_a_gap_becomes_no_markup_and_no_gap() {
        assert_eq!(
            written(|it| it.fill("<b class=\"{}\">{}</b>{}", &[&"\"{}", &"<i>"])),
            "<b class=\"&quot;{}\">&lt;i&gt;</b>"
        );
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        for address in ["https://a.example/x?y=%20&z", "http://a.example/"] {
            assert!(written(|it| it.link(address)).starts_with("<a rel="), "{address}");
        }
        for address in [
            "javascript:alert(1)",
            "JAVASCRIPT:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//a.example/",
            "https://",
            " https://a.example/",
            "https://a.example/ x",
            "https://a.example/\u{202e}",
            "ftp://a.example/",
        ] {
            assert!(written(|it| it.link(address)).starts_with("<code>"), "{address}");
        }
        let quoted = written(|it| it.link("https://a.example/\"><script>"));
        assert_eq!(quoted.matches('<').count(), 2, "{quoted}");
    }
}
