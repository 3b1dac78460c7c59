//! The words of a message, before any channel gives them its form: what is shown, in which order, cut to what a
//! channel takes.
//!
//! Texts that people wrote stay apart from ours, so that each channel can show them as text and as nothing else. What
//! may be shown at all is decided in `domain::telling::audience`.

use std::fmt::Write;

use url::Url;

use crate::api::Severity;
use crate::connectors::http::is_unsafe_to_show;
use crate::connectors::template;
use crate::connectors::{Try, Unsendable};
use crate::domain::telling::audience::{CustomerMessage, Shown, shown};
use crate::domain::telling::delivery::{Delivery, Message, ResolutionSummary, Way};
use crate::domain::telling::parcel::Parcel;

/// A text with a label of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labelled {
    /// Our word for it.
    pub(super) label: &'static str,
    /// What is said.
    pub(super) text: String,
}

/// A link to press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// What the button says.
    pub(super) label: String,
    /// Where it leads: http or https.
    pub(super) url: String,
}

/// What one message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Effective severity.
    pub(super) severity: Severity,
    /// `Page`, or the kind of the notice.
    pub(super) kind: String,
    /// Title of the ticket.
    pub(super) title: String,
    /// Why it comes, in a sentence or two; absent for customers.
    pub(super) why: Option<String>,
    /// Short facts.
    pub(super) facts: Vec<Labelled>,
    /// What people said.
    pub(super) texts: Vec<Labelled>,
    /// What happens next and when.
    pub(super) next: Option<String>,
    /// Where to go from here.
    pub(super) links: Vec<Link>,
}

/// A part of what one message says, below its headline.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'w> {
    /// Why it comes.
    Why(&'w str),
    /// What somebody said.
    Text(&'w Labelled),
    /// What happens next and when.
    Next(&'w str),
    /// Where to go from here.
    Link(&'w Link),
    /// A short fact.
    Fact(&'w Labelled),
}

impl Words {
    /// All parts in the order in which they are read; where a channel has a place of its own for some, it takes them out.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let Self {
            severity: _,
            kind: _,
            title: _,
            why,
            facts,
            texts,
            next,
            links,
        } = self;
        let why = why.iter().map(|why| Part::Why(why));
        let texts = texts.iter().map(Part::Text);
        let next = next.iter().map(|next| Part::Next(next));
        let links = links.iter().map(Part::Link);
        let facts = facts.iter().map(Part::Fact);
        why.chain(texts).chain(next).chain(links).chain(facts)
    }

    /// `[High] Checkout returns 5xx`.
    pub(super) fn headline(&self) -> String {
        format!("[{:?}] {}", self.severity, self.title)
    }

    /// The words of a delivery on a way; the connector's template, if there is one, replaces the sentence.
    pub(super) fn of(delivery: &Delivery, way: &Way) -> Result<Self, Unsendable> {
        let mut words = match shown(delivery, way) {
            Shown::Whole(message) => whole(message),
            Shown::Customers(message) => for_customers(&message),
        };
        if let Some(source) = &way.connector.template {
            let text = template::text(source, &shown(delivery, way))?;
            words.why = Some(lines(&text)).filter(|text| !text.is_empty());
        }
        Ok(words)
    }
}

/// The words of a parcel.
#[derive(Clone, Debug)]
pub(super) enum Say {
    /// One message.
    One(Box<Words>),
    /// Several at once.
    Bundle(Vec<Words>),
}

impl Say {
    /// What a try has to say.
    pub(super) fn of(one: &Try<'_>) -> Result<Self, Unsendable> {
        Self::parcel(one.parcel, one.way)
    }

    /// What a parcel says on a way.
    pub(super) fn parcel(parcel: &Parcel, way: &Way) -> Result<Self, Unsendable> {
        if !parcel.is_bundle() {
            return Ok(Self::One(Box::new(Words::of(parcel.first(), way)?)));
        }
        let members = parcel.members().map(|member| Words::of(member, way));
        Ok(Self::Bundle(members.collect::<Result<_, _>>()?))
    }

    /// The line above all others.
    pub(super) fn headline(&self) -> String {
        match self {
            Self::One(words) => words.headline(),
            Self::Bundle(all) => {
                let worst = all.iter().map(|words| words.severity).max();
                let worst = worst.unwrap_or(Severity::Low);
                format!("[{worst:?}] {} messages at once", all.len())
            }
        }
    }

    /// One line per message of a bundle.
    pub(super) fn lines(all: &[Words]) -> impl Iterator<Item = String> {
        all.iter().map(|words| {
            let mut line = words.headline();
            for fact in &words.facts {
                if fact.label == "Ticket" {
                    let _ = write!(line, " ({})", fact.text);
                }
            }
            let _ = write!(line, ": {}", words.kind);
            line
        })
    }
}

fn whole(message: &Message) -> Words {
    let data = &message.data;
    let ticket = &data.ticket;
    let mut facts = vec![
        fact("Ticket", &format!("{}/{}", ticket.namespace, ticket.name)),
        fact("Phase", &ticket.phase),
        fact("For", &data.to.name),
    ];
    facts.extend(ticket.service.iter().map(|text| fact("Service", text)));
    facts.extend(ticket.assignee.iter().map(|text| fact("Assignee", text)));
    let said = &data.said;
    let mut texts = Vec::new();
    texts.extend(said.expectation.iter().map(|text| long("Expected", text)));
    texts.extend(said.last_time.iter().map(|text| fact("Last time", text)));
    texts.extend(said.by.iter().map(|text| fact("By", text)));
    texts.extend(said.note.iter().map(|text| long("Note", text)));
    texts.extend(
        said.update
            .iter()
            .map(|update| long("Update", &update.message)),
    );
    texts.extend(summary(said.resolution_summary.as_ref()));
    let next = data.next.as_ref().map(|next| match next.time {
        Some(time) => format!("{} at {time}", line(&next.what)),
        None => line(&next.what),
    });
    Words {
        severity: ticket.severity,
        kind: line(&data.kind),
        title: line(&ticket.title),
        why: Some(line(&data.why)).filter(|why| !why.is_empty()),
        facts,
        texts,
        next,
        links: data
            .links
            .iter()
            .filter_map(|(name, url)| link(name, url))
            .collect(),
    }
}

fn for_customers(message: &CustomerMessage<'_>) -> Words {
    let data = &message.data;
    let mut texts = Vec::new();
    texts.extend(
        data.update
            .iter()
            .map(|update| long("Update", update.message)),
    );
    texts.extend(summary(data.resolution_summary));
    Words {
        severity: data.ticket.severity,
        kind: line(data.kind),
        title: line(data.ticket.title),
        why: None,
        facts: vec![fact("Phase", data.ticket.phase)],
        texts,
        next: None,
        links: Vec::new(),
    }
}

fn summary(summary: Option<&ResolutionSummary>) -> Vec<Labelled> {
    let Some(summary) = summary else {
        return Vec::new();
    };
    let ResolutionSummary {
        impact,
        cause,
        fix,
        prevention,
    } = summary;
    let parts = [
        ("Impact", impact),
        ("Cause", cause),
        ("Fix", fix),
        ("Prevention", prevention),
    ];
    parts
        .into_iter()
        .filter_map(|(label, text)| Some(long(label, text.as_deref()?)))
        .collect()
}

fn fact(label: &'static str, text: &str) -> Labelled {
    Labelled {
        label,
        text: line(text),
    }
}

fn long(label: &'static str, text: &str) -> Labelled {
    Labelled {
        label,
        text: lines(text),
    }
}

/// A link that leads to a web page; others are not shown.
fn link(name: &str, url: &str) -> Option<Link> {
    let url = Url::parse(url).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let mut label = line(name);
    if let Some(first) = label.get(..1) {
        label.replace_range(..1, &first.to_ascii_uppercase());
    }
    web.then(|| Link {
        label,
        url: url.into(),
    })
}

/// A text on one line, without characters that hide or change direction.
fn line(text: &str) -> String {
    shown_as(text, |_| false)
}

/// The same with its line breaks.
fn lines(text: &str) -> String {
    shown_as(&text.replace("\r\n", "\n"), |symbol| symbol == '\n')
}

fn shown_as(text: &str, keep: impl Fn(char) -> bool) -> String {
    let symbols = text.chars().map(|symbol| {
        if is_unsafe_to_show(symbol) && !keep(symbol) {
            ' '
        } else {
            symbol
        }
    });
    symbols.collect::<String>().trim().to_owned()
}

/// At most so many characters; what is left out is marked.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests;
