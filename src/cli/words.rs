//! Times, texts and columns as a terminal shows them.

use std::fmt::Write;

use jiff::Timestamp;

/// A length of time in at most two units: `42s`, `5m30s`, `3h`, `2d4h`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 || large >= 10 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    if days > 0 {
        two(days, "d", hours % 24, "h")
    } else if hours > 0 {
        two(hours, "h", minutes % 60, "m")
    } else if minutes > 0 {
        two(minutes, "m", seconds % 60, "s")
    } else {
        format!("{seconds}s")
    }
}

/// How far away an instant is: `in 5m`, `2m ago`, `now`.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", span(seconds)),
        ..0 => format!("{} ago", span(-seconds)),
    }
}

/// An instant in UTC, to the second.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A text of somebody else, safe for a terminal: nothing in it can move the cursor or turn the writing round.
pub fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| if c.is_control() || turns(c) { ' ' } else { c })
        .collect()
}

/// At most `limit` characters; what was cut shows as `...`.
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// A line for each object of a list that cannot be read, safe for a terminal.
pub fn unreadable(kind: &str, objects: &[(String, String)]) -> String {
    let line = |(name, error): &(String, String)| {
        let error = cut(&clean(error), 200);
        format!("{kind} {name} cannot be read: {error}\n")
    };
    objects.iter().map(line).collect()
}

/// Rows under a heading, in columns as wide as their widest cell. An empty cell shows as `-`.
pub fn columns<const N: usize>(indent: &str, heading: [&str; N], rows: &[[String; N]]) -> String {
    let shown = |cell: &str| {
        if cell.is_empty() {
            "-".to_owned()
        } else {
            clean(cell)
        }
    };
    let rows: Vec<[String; N]> = std::iter::once(heading.map(str::to_owned))
        .chain(rows.iter().cloned())
        .map(|row| row.map(|cell| shown(&cell)))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = indent.to_owned();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:<width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_at_most_two_units() {
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (330, "5m30s"),
            (300, "5m"),
            (3600, "1h"),
            (5400, "1h30m"),
            (36_060, "10h"),
            (187_200, "2d4h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_distance_says_which_way() {
        let now: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
        let at = |text: &str| distance(text.parse().unwrap(), now);
        assert_eq!(at("2026-01-05T09:05:00Z"), "in 5m");
        assert_eq!(at("2026-01-05T08:59:30Z"), "30s ago");
        assert_eq!(at("2026-01-05T09:00:00Z"), "now");
    }

    #[test]
    fn no_text_can_move_the_cursor_or_turn_the_writing_round() {
        assert_eq!(clean("a\u{1b}[2Jb\nc\u{202e}d"), "a [2Jb c d");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut("äöüäöüäöü", 6), "äöü...");
        assert_eq!(cut("short", 6), "short");
    }
}
