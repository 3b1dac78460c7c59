//! A message as a mail: text and HTML, and headers that are the same at every try, so that mailboxes drop repeats and
//! show one thread per ticket without any memory of ours.

use std::time::SystemTime;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::api::Audience;
use crate::connectors::render::{Part, Say, cut};
use crate::connectors::{Try, Unsendable};
use crate::domain::telling::audience;
use crate::domain::telling::delivery::hex32;

/// Longest subject in characters.
const SUBJECT: usize = 200;
/// Right side of our message ids.
const DOMAIN: &str = "firebell.dev";

/// The mail of a try.
pub(super) fn mail(one: &Try<'_>, say: &Say, from: &Address) -> Result<Message, Unsendable> {
    let address = one.way.connector.address.as_deref();
    let address = address
        .ok_or("`address` must be set in the connector or the contact's `reach`: a mail address")?;
    let to: Address = address
        .trim()
        .parse()
        .map_err(|_| "`address` must be a mail address such as ops@example.com".to_owned())?;
    let id = format!("<{}@{DOMAIN}>", one.parcel.id());
    let mut builder = Message::builder()
        .from(Mailbox::new(Some("Firebell".to_owned()), from.clone()))
        .to(Mailbox::new(None, to))
        .date(SystemTime::from(one.now))
        .subject(cut(&say.headline(), SUBJECT))
        .message_id(Some(id))
        .raw_header(raw("List-Id", list_id(one)))
        .raw_header(raw("Auto-Submitted", "auto-generated".to_owned()))
        .raw_header(raw("X-Auto-Response-Suppress", "All".to_owned()));
    if !one.parcel.is_bundle() {
        // Nobody has the mail it names; mailboxes put all that name it into one thread.
        let uid = &one.parcel.first().ticket.uid;
        let thread = format!("<{}@{DOMAIN}>", hex32(format!("thread\n{uid}").as_bytes()));
        builder = builder.references(thread.clone()).in_reply_to(thread);
    }
    builder
        .multipart(MultiPart::alternative_plain_html(text(say), html(say)))
        .map_err(|_| "the mail cannot be put together; check `address`".to_owned())
}

/// What mailboxes sort by; names of connectors are not for customers.
fn list_id(one: &Try<'_>) -> String {
    let first = one.parcel.first();
    match audience::of_way(&first.target, one.way) {
        Audience::Internal => format!(
            "<{}.{}.{DOMAIN}>",
            one.way.connector.name, one.way.namespace
        ),
        Audience::Customers => format!("<tickets.{DOMAIN}>"),
    }
}

fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

fn text(say: &Say) -> String {
    let mut text = String::new();
    let mut add = |words: &str| {
        text.push_str(words);
        text.push_str("\n\n");
    };
    add(&say.headline());
    match say {
        Say::Bundle(all) => Say::lines(all).for_each(|words| add(&words)),
        Say::One(words) => words.parts().for_each(|part| {
            add(&match part {
                Part::Why(why) => why.to_owned(),
                Part::Next(next) => format!("Next: {next}"),
                Part::Link(link) => format!("{}: {}", link.label, link.url),
                Part::Text(said) | Part::Fact(said) => format!("{}: {}", said.label, said.text),
            });
        }),
    }
    text
}

fn html(say: &Say) -> String {
    let mut html = String::from("<!doctype html><html><body>");
    let mut add = |piece: String| html.push_str(&piece);
    add(format!("<h2>{}</h2>", escaped(&say.headline())));
    match say {
        Say::Bundle(all) => {
            add("<ul>".to_owned());
            Say::lines(all).for_each(|line| add(format!("<li>{}</li>", escaped(&line))));
            add("</ul>".to_owned());
        }
        Say::One(words) => words.parts().for_each(|part| {
            add(match part {
                Part::Why(why) => format!("<p>{}</p>", escaped(why)),
                Part::Next(next) => format!("<p><b>Next:</b> {}</p>", escaped(next)),
                Part::Link(link) => {
                    let (url, label) = (escaped(&link.url), escaped(&link.label));
                    format!("<p><a href=\"{url}\">{label}</a></p>")
                }
                Part::Text(said) | Part::Fact(said) => {
                    format!("<p><b>{}:</b> {}</p>", said.label, escaped(&said.text))
                }
            });
        }),
    }
    add("</body></html>".to_owned());
    html
}

/// Text as HTML text, in an attribute too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push_str("<br>"),
            other => escaped.push(other),
        }
    }
    escaped
}
