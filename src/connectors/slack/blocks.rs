//! A message as Slack's blocks. Everything that people wrote stands in `plain_text` objects, where Slack reads no
//! mentions and no formatting, and its `& < >` are escaped all the same, for the notification text is none.

use serde_json::{Value, json};

use crate::connectors::render::{Labelled, Link, Part, Say, Words, cut};

/// Slack's own limits, in characters and pieces.
const HEADER: usize = 150;
const TEXT: usize = 3000;
const CONTEXT: usize = 2000;
const BUTTON: usize = 75;
const URL: usize = 3000;
const BUTTONS: usize = 25;
const BLOCKS: usize = 50;
/// Longest line of a bundle, before anything is escaped.
const LINE: usize = 300;
/// Slack cuts longer notification texts itself, in the middle of an entity perhaps.
const FALLBACK: usize = 300;

/// What stands in the notification.
pub(super) fn fallback(say: &Say) -> String {
    match say {
        Say::One(words) => {
            let why = words.why.as_deref().unwrap_or(&words.kind);
            escaped(&format!("{}: {why}", words.headline()), FALLBACK)
        }
        Say::Bundle(_) => escaped(&say.headline(), FALLBACK),
    }
}

/// What stands in the channel.
pub(super) fn blocks(say: &Say) -> Value {
    let mut blocks = vec![json!({"type": "header", "text": plain(&say.headline(), HEADER)})];
    match say {
        Say::One(words) => one(words, &mut blocks),
        Say::Bundle(all) => bundle(all, &mut blocks),
    }
    blocks.truncate(BLOCKS);
    Value::Array(blocks)
}

fn one(words: &Words, blocks: &mut Vec<Value>) {
    let (mut facts, mut buttons) = (Vec::new(), Vec::new());
    for part in words.parts() {
        match part {
            Part::Why(why) => blocks.push(section(why)),
            Part::Text(said) => blocks.push(section(&labelled(said))),
            Part::Next(next) => blocks.push(section(&format!("Next: {next}"))),
            Part::Fact(fact) => facts.push(labelled(fact)),
            Part::Link(link) if link.url.chars().count() <= URL && buttons.len() < BUTTONS => {
                buttons.push(button(buttons.len(), link));
            }
            Part::Link(_) => {}
        }
    }
    if !facts.is_empty() {
        let text = plain(&facts.join("   "), CONTEXT);
        blocks.push(json!({"type": "context", "elements": [text]}));
    }
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
}

/// As many lines to a section as fit, each line whole; how many fit into no section is said in the last.
fn bundle(all: &[Words], blocks: &mut Vec<Value>) {
    let mut sections: Vec<Vec<String>> = Vec::new();
    let mut room = 0;
    for line in Say::lines(all) {
        let line = cut(&line, LINE);
        // Its line break, and what the mark of a cut would take.
        let long = escaped(&line, TEXT).chars().count() + 2;
        if let Some(section) = sections.last_mut().filter(|_| long <= room) {
            section.push(line);
        } else {
            sections.push(vec![line]);
            room = TEXT;
        }
        room -= long;
    }
    let shown = BLOCKS - blocks.len();
    if sections.len() > shown {
        let left_out: usize = sections.drain(shown - 1..).map(|lines| lines.len()).sum();
        sections.push(vec![format!("and {left_out} more")]);
    }
    blocks.extend(sections.iter().map(|lines| section(&lines.join("\n"))));
}

fn labelled(text: &Labelled) -> String {
    format!("{}: {}", text.label, text.text)
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": plain(text, TEXT)})
}

fn button(at: usize, link: &Link) -> Value {
    json!({
        "type": "button", "action_id": format!("link-{at}"),
        "text": plain(&link.label, BUTTON), "url": link.url,
    })
}

/// A text object without any meaning to Slack; an empty one is not allowed.
fn plain(text: &str, most: usize) -> Value {
    let text = match escaped(text, most) {
        text if text.trim().is_empty() => "-".to_owned(),
        text => text,
    };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// Slack's three special characters as entities, cut between characters to `most` of them, entities counted whole.
fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for symbol in text.chars() {
        let entity = match symbol {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            _ => None,
        };
        let long = entity.map_or(1, str::len);
        // One character is kept for the mark that something was left out.
        if length + long >= most {
            escaped.push('…');
            return escaped;
        }
        length += long;
        match entity {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(symbol),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{BLOCKS, BUTTON, CONTEXT, FALLBACK, HEADER, TEXT, blocks, escaped};
    use crate::api::Severity;
    use crate::connectors::render::{Say, Words};

    fn unescaped(text: &str) -> String {
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        text.replace("&amp;", "&")
    }

    #[test]
    fn at_each_limit_a_text_is_cut_between_characters_and_entities_and_never_more_than_needed() {
        for unit in ["a", "<", "&\u{1f525}", "e\u{301}>", "ü"] {
            for most in [BUTTON, HEADER, FALLBACK, CONTEXT, TEXT] {
                for length in [most / 5, most - 1, most, most + 1, 2 * most] {
                    let text: String = unit.chars().cycle().take(length).collect();
                    let shown = escaped(&text, most);
                    let count = shown.chars().count();
                    assert!(count <= most, "{count} of {most}");
                    match shown.strip_suffix('…') {
                        None => assert_eq!(unescaped(&shown), text),
                        Some(kept) => {
                            assert!(text.starts_with(&unescaped(kept)), "{kept}");
                            assert!(count + "&amp;".len() > most, "{count} of {most}");
                        }
                    }
                }
            }
        }
    }

    /// The lines of a bundle of a hundred messages with this title.
    fn lines(title: &str) -> Vec<String> {
        let words = Words {
            severity: Severity::High,
            kind: "Page".into(),
            title: title.into(),
            why: None,
            facts: Vec::new(),
            texts: Vec::new(),
            next: None,
            links: Vec::new(),
        };
        let Value::Array(blocks) = blocks(&Say::Bundle(vec![words; 100])) else {
            panic!("a list")
        };
        assert!(blocks.len() <= BLOCKS);
        let texts = blocks[1..]
            .iter()
            .map(|block| block["text"]["text"].as_str().unwrap());
        let lines = texts.flat_map(str::lines).map(str::to_owned);
        lines.collect()
    }

    #[test]
    fn each_message_of_a_bundle_has_its_line_and_what_has_none_is_counted() {
        for title in ["x".repeat(200), "&".repeat(100), String::new()] {
            let lines = lines(&title);
            assert_eq!(lines.len(), 100);
            assert!(
                lines.iter().all(|line| line.ends_with(": Page")),
                "{lines:?}"
            );
        }
        let lines = lines(&"&".repeat(400));
        let (last, shown) = lines.split_last().unwrap();
        assert!(shown.len() < 99);
        assert_eq!(*last, format!("and {} more", 100 - shown.len()));
    }
}
