//! Markdown, and the one place where other people's texts become harmless in it: no table, heading, link or HTML comes
//! from a text that somebody wrote into a field.

use std::fmt::Write;

/// A page as it is written.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    text: String,
}

impl Markdown {
    /// A heading; the title is our own or escaped.
    pub(super) fn heading(&mut self, level: usize, title: &str) {
        self.gap();
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{} {title}", "#".repeat(level));
    }

    /// A paragraph of our own words; what others wrote in it is escaped.
    pub(super) fn say(&mut self, words: &str) {
        self.gap();
        self.text.push_str(words);
        self.text.push('\n');
    }

    /// Paragraphs that somebody else wrote.
    pub(super) fn quote(&mut self, words: &str) {
        for paragraph in words.split("\n\n") {
            let paragraph = escape(paragraph);
            if !paragraph.is_empty() {
                self.say(&paragraph);
            }
        }
    }

    /// A list; the entries are our own words or escaped.
    pub(super) fn list(&mut self, entries: impl IntoIterator<Item = String>) {
        self.gap();
        for entry in entries {
            let _ = writeln!(self.text, "- {entry}");
        }
    }

    /// A table; the cells are our own words or escaped. An empty cell is a dash.
    pub(super) fn table<const N: usize>(
        &mut self,
        heading: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        self.gap();
        let _ = writeln!(self.text, "| {} |", heading.join(" | "));
        let _ = writeln!(self.text, "|{}", " --- |".repeat(N));
        for row in rows {
            let cells = row.map(|cell| {
                if cell.is_empty() {
                    "-".to_owned()
                } else {
                    cell
                }
            });
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        }
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }
}

/// Somebody's text on one line, with nothing in it that Markdown or HTML would read.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let shown: String = text.chars().filter(|c| !turns(*c)).collect();
    for word in shown.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !safe.is_empty() {
            safe.push(' ');
        }
        let first = safe.is_empty();
        for (place, c) in word.chars().enumerate() {
            match c {
                '&' => safe.push_str("&amp;"),
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                    safe.push('\\');
                    safe.push(c);
                }
                '-' | '+' | '=' if first && place == 0 => {
                    safe.push('\\');
                    safe.push(c);
                }
                '.' | ')' if first && word.chars().take(place).all(|c| c.is_ascii_digit()) => {
                    safe.push('\\');
                    safe.push(c);
                }
                c => safe.push(c),
            }
        }
    }
    safe
}

/// Characters that turn the direction of writing round.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Somebody's text where there is one.
pub(super) fn maybe(text: Option<&String>) -> String {
    text.map(|text| escape(text)).unwrap_or_default()
}

/// A link to where somebody says; a target that could end the link, or is no web address, is shown as text only.
pub(super) fn link(title: &str, url: Option<&String>) -> String {
    let plain = |url: &&String| {
        (url.starts_with("https://") || url.starts_with("http://"))
            && url
                .chars()
                .all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '|' | '\\' | '`'))
    };
    match url {
        Some(url) if plain(&url) => format!("[{}](<{url}>)", escape(title)),
        Some(url) => format!("{} ({})", escape(title), escape(url)),
        None => escape(title),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_becomes_markup() {
        for (text, safe) in [
            ("a | b", "a \\| b"),
            ("two\nlines\n\n# no heading", "two lines \\# no heading"),
            ("# no heading", "\\# no heading"),
            ("- no list", "\\- no list"),
            ("1. no list", "1\\. no list"),
            ("a 1. b", "a 1. b"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
            ("[a](javascript:b)", "\\[a\\](javascript:b)"),
            ("![a](b)", "\\!\\[a\\](b)"),
            (
                "`code` *bold* _it_ ~~no~~",
                "\\`code\\` \\*bold\\* \\_it\\_ \\~\\~no\\~\\~",
            ),
            ("back\\slash", "back\\\\slash"),
            ("turn\u{202e}ed\u{7}", "turned"),
            ("===", "\\==="),
            ("\u{200e}1. no list", "1\\. no list"),
        ] {
            assert_eq!(escape(text), safe, "{text:?}");
        }
    }

    #[test]
    fn a_link_leads_to_a_web_address_or_is_text() {
        let url = |url: &str| link("A]b", Some(&url.to_owned()));
        assert_eq!(
            url("https://a.example/(b)"),
            "[A\\]b](<https://a.example/(b)>)"
        );
        assert_eq!(url("javascript:alert(1)"), "A\\]b (javascript:alert(1))");
        assert_eq!(
            url("https://a.example/>x"),
            "A\\]b (https://a.example/&gt;x)"
        );
    }

    #[test]
    fn a_table_has_as_many_cells_in_each_row() {
        let mut page = Markdown::default();
        page.table(["A", "B"], [[escape("x|y"), String::new()]]);
        assert_eq!(page.finish(), "| A | B |\n| --- | --- |\n| x\\|y | - |\n");
    }
}
