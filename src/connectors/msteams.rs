//! The `MSTeams` connector: an Adaptive Card to a Workflows webhook (Secret key `address`).
//!
//! Texts stand in text runs, which Teams reads as text: no Markdown, no mentions. A card that is too big for Teams is
//! made smaller by cutting its texts, never refused.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::connectors::render::{Labelled, Part, Say, Words, cut};
use crate::connectors::verdict::judge;
use crate::connectors::{SendOutcome, Try, Unsendable};

/// Teams refuses messages above 28 KB.
const BODY_BYTES: usize = 27 * 1024;
/// Longest texts, in characters, from generous to what always fits.
const CUTS: [usize; 5] = [4000, 1000, 250, 60, 25];
/// Longest word on a button.
const BUTTON: usize = 60;
/// Buttons of a card.
const BUTTONS: usize = 6;
/// Longest address behind a button.
const URL: usize = 2048;

/// Tries once.
pub(super) async fn send(one: &Try<'_>) -> Result<SendOutcome, Unsendable> {
    let url = one.needed("address")?;
    let body = body(&Say::of(one)?);
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    let exchange = one
        .http
        .post(url.expose_secret(), headers, body, one.limit)
        .await;
    Ok(judge(exchange, |status| match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::GONE => {
            "the workflow does not exist any more or may not be called; put a fresh URL into key `address` of the Secret"
        }
        _ => {
            "the workflow does not accept this card; it must begin with \"When a Teams webhook request is received\""
        }
    }))
}

/// The message, with texts as long as fit.
fn body(say: &Say) -> Bytes {
    let mut body = Bytes::new();
    for most in CUTS {
        body = message(say, most).to_string().into();
        if body.len() <= BODY_BYTES {
            break;
        }
    }
    body
}

fn message(say: &Say, most: usize) -> Value {
    let headline = run(&cut(&say.headline(), most), true);
    let mut items = vec![block(&[headline])];
    let mut actions = Vec::new();
    match say {
        Say::One(words) => one(words, most, &mut items, &mut actions),
        Say::Bundle(all) => {
            items.extend(Say::lines(all).map(|line| block(&[run(&cut(&line, most), false)])));
        }
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard", "version": "1.4", "msteams": {"width": "Full"},
        "body": items, "actions": actions,
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null, "content": card,
        }],
    })
}

fn one(words: &Words, most: usize, items: &mut Vec<Value>, actions: &mut Vec<Value>) {
    for part in words.parts() {
        match part {
            Part::Why(why) => items.push(block(&[run(&cut(why, most), false)])),
            Part::Next(next) => {
                items.push(block(&[run("Next: ", true), run(&cut(next, most), false)]));
            }
            Part::Text(said) | Part::Fact(said) => items.push(labelled(said, most)),
            Part::Link(link) if link.url.len() <= URL && actions.len() < BUTTONS => {
                let title = cut(&link.label, BUTTON);
                actions.push(json!({"type": "Action.OpenUrl", "title": title, "url": link.url}));
            }
            Part::Link(_) => {}
        }
    }
}

fn labelled(text: &Labelled, most: usize) -> Value {
    let label = format!("{}: ", text.label);
    block(&[run(&label, true), run(&cut(&text.text, most), false)])
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

fn run(text: &str, bold: bool) -> Value {
    let weight = if bold { "Bolder" } else { "Default" };
    json!({"type": "TextRun", "text": text, "weight": weight})
}

#[cfg(test)]
mod tests;
