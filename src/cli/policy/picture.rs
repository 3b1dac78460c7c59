//! A simulation as a picture: a lane for each person, time from left to right, and what happened in words below.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::moments::offset;
use super::simulate::{Line, Story};
use crate::cli::words::cut;

const LEFT: f64 = 150.0;
const WIDTH: f64 = 960.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 64.0;
const LANE: f64 = 30.0;
const WORDS: f64 = 18.0;
/// Events told in words below the lanes.
const WORDS_MOST: usize = 40;
/// Distances between marks of the axis, in seconds.
const TICKS: [i64; 14] = [
    5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400,
];

/// The picture.
pub fn draw(story: &Story<'_>) -> String {
    let lines = story.lines();
    let mut people: Vec<&str> = Vec::new();
    for line in &lines {
        if let Some(who) = line.to.as_deref().filter(|who| !people.contains(who)) {
            people.push(who);
        }
    }
    let from = story.case.at;
    let scale = Scale::of(from, &lines);
    let events: Vec<&Line> = lines
        .iter()
        .filter(|line| line.to.is_none())
        .take(WORDS_MOST)
        .collect();
    let bottom = TOP + LANE * count(people.len() + 1);
    let height = bottom + 40.0 + WORDS * count(events.len());
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" fill=\"#1f2328\">{}</text>",
        safe(&story.title()),
    );
    scale.axis(bottom, &mut svg);
    let names = std::iter::once("ticket").chain(people.iter().copied());
    for (number, name) in names.enumerate() {
        let y = lane(number);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"#d0d7de\"/>\n\
             <text x=\"16\" y=\"{}\" fill=\"#1f2328\">{}</text>",
            WIDTH - RIGHT,
            y + 4.0,
            safe(&cut(name, 20)),
        );
    }
    for line in &lines {
        let number = line
            .to
            .as_deref()
            .and_then(|who| people.iter().position(|lane| *lane == who));
        mark(
            line,
            scale.x(line.time),
            lane(number.map_or(0, |number| number + 1)),
            &mut svg,
        );
    }
    told(&events, bottom, &mut svg);
    svg.push_str("</svg>\n");
    svg
}

/// What happened, in words.
fn told(events: &[&Line], bottom: f64, svg: &mut String) {
    for (number, event) in events.iter().enumerate() {
        let y = bottom + 36.0 + WORDS * count(number);
        let _ = writeln!(
            svg,
            "<text x=\"16\" y=\"{y}\" fill=\"#57606a\">+{}</text><text x=\"{LEFT}\" y=\"{y}\" fill=\"#1f2328\">{}: {}</text>",
            safe(&event.after),
            safe(&event.what),
            safe(&cut(&event.text, 110)),
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
fn count(number: usize) -> f64 {
    number as f64
}

fn lane(number: usize) -> f64 {
    TOP + LANE * count(number) + LANE / 2.0
}

/// A page is a full circle, its repeats smaller; a notice is a ring; an event a diamond.
fn mark(line: &Line, x: f64, y: f64, svg: &mut String) {
    let words = safe(&format!("+{} {}: {}", line.after, line.what, line.text));
    let shape = match (&line.to, line.repeat) {
        (Some(_), Some(0)) => format!("<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"6\" fill=\"#cf222e\">"),
        (Some(_), Some(_)) => {
            format!("<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"3.5\" fill=\"#cf222e\">")
        }
        (Some(_), None) => {
            format!(
                "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4.5\" fill=\"#ffffff\" stroke=\"#0969da\" stroke-width=\"2\">"
            )
        }
        (None, _) => format!(
            "<path d=\"M{x:.1} {} l6 6 l-6 6 l-6 -6 z\" fill=\"#8250df\">",
            y - 6.0
        ),
    };
    let end = if line.to.is_some() { "circle" } else { "path" };
    let _ = writeln!(svg, "{shape}<title>{words}</title></{end}>");
}

/// Time from left to right.
struct Scale {
    from: Timestamp,
    seconds: i64,
}

impl Scale {
    fn of(from: Timestamp, lines: &[Line]) -> Self {
        let last = lines.last().map_or(from, |line| line.time);
        let seconds = last.duration_since(from).as_secs().max(60);
        Self { from, seconds }
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of at most a year")]
    fn at(&self, seconds: i64) -> f64 {
        LEFT + (WIDTH - RIGHT - LEFT) * (seconds as f64 / self.seconds as f64)
    }

    fn x(&self, time: Timestamp) -> f64 {
        self.at(time.duration_since(self.from).as_secs())
    }

    fn axis(&self, bottom: f64, svg: &mut String) {
        let fits = |tick: &&i64| self.seconds / **tick <= 8;
        let day = 86_400;
        let step = TICKS
            .iter()
            .find(fits)
            .copied()
            .unwrap_or_else(|| (self.seconds / 8 / day + 1) * day);
        let mut seconds = 0;
        while seconds <= self.seconds {
            let x = self.at(seconds);
            let at = self
                .from
                .saturating_add(SignedDuration::from_secs(seconds))
                .unwrap_or(self.from);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#eaeef2\"/>\n\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#57606a\">+{}</text>",
                TOP - 10.0,
                TOP - 16.0,
                offset(self.from, at),
            );
            seconds += step;
        }
    }
}

/// Somebody's text inside XML.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in crate::cli::words::clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}
