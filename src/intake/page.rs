//! The page behind a link in a page: what is wrong, and one button that says "I am on it". GET shows and changes nothing,
//! since mail scanners follow links; POST acknowledges. No script, nothing from elsewhere, no referrer.

use std::sync::LazyLock;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Intake;
use super::alert::Way;
use super::answer::Answer;
use crate::api::{Ticket, Via};
use crate::clock::Now;
use crate::domain::alert::{Hearing, hearing};
use crate::domain::telling::delivery::hex32;
use crate::links::{Grant, LinkError};

/// What an acknowledgement does.
const STOPS: &str = "What waits for an acknowledgement stops.";
const STYLE: &str = include_str!("page/style.css");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Only this very style sheet, and forms to ourselves.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// Shows the ticket.
pub(super) async fn show(intake: &Intake, link: &str) -> Response {
    let (grant, ticket) = match open(intake, link).await {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    match hearing(&ticket, &token(link), Some(grant.sent())) {
        Hearing::Heard => page(StatusCode::OK, "Acknowledge", &asking(&grant, &ticket)),
        other => said(&grant, &ticket, &other),
    }
}

/// Acknowledges.
pub(super) async fn press(intake: &Intake, link: &str) -> Response {
    let (grant, _) = match open(intake, link).await {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    let answer = Answer {
        by: grant.by.clone(),
        via: Via::Link,
        token: token(link),
        offered: Some(grant.sent()),
    };
    let (namespace, name, uid) = (&grant.namespace, &grant.ticket, Some(grant.uid.as_str()));
    let heard = intake
        .desk
        .acknowledge(Way::Link, namespace, name, uid, &answer)
        .await;
    match heard {
        Ok(Some((Hearing::Heard, ticket))) => {
            let text = format!("You have it, {}. {STOPS}", grant.by);
            let words = [
                heading("ok", "Acknowledged"),
                paragraph(&text),
                facts(&ticket),
                about(&ticket),
            ];
            page(StatusCode::OK, "Acknowledged", &words.concat())
        }
        Ok(Some((other, ticket))) => said(&grant, &ticket, &other),
        Ok(None) => gone(),
        Err(_) => busy(),
    }
}

/// Verifies the link and reads its ticket.
async fn open(intake: &Intake, link: &str) -> Result<(Grant, Ticket), Response> {
    let opened = match intake.keys.opens(link, intake.desk.clock.now()).await {
        Ok(Some(opened)) => opened,
        Ok(None) => {
            return Err(refused(
                StatusCode::NOT_FOUND,
                "Links are not switched on here.",
            ));
        }
        Err(_) => return Err(busy()),
    };
    let grant = opened.map_err(|error| {
        let status = match error {
            LinkError::Forged => StatusCode::FORBIDDEN,
            LinkError::Expired => StatusCode::GONE,
            LinkError::WeakKey => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refused(status, &error.to_string())
    })?;
    let allowed = intake.settings.get().ok_or_else(busy)?;
    if !allowed.namespaces().contains(&grant.namespace) {
        let words = "This link belongs to a namespace that is not answered for here.";
        return Err(refused(StatusCode::FORBIDDEN, words));
    }
    let api = intake.desk.tickets(&grant.namespace);
    let ticket = intake
        .desk
        .read(&api, &grant.ticket)
        .await
        .map_err(|_| busy())?;
    let ticket = ticket.filter(|ticket| ticket.metadata.uid.as_ref() == Some(&grant.uid));
    Ok((grant, ticket.ok_or_else(gone)?))
}

/// Tells one link from another without being it: this stands in the ticket.
fn token(link: &str) -> String {
    format!("link-{}", hex32(link.as_bytes()))
}

fn asking(grant: &Grant, ticket: &Ticket) -> String {
    let button = "<form method=\"post\"><button type=\"submit\">I am on it</button></form>";
    let hint = format!("Acknowledges as {}. {STOPS}", grant.by);
    // The button before the description, so that nobody scrolls for it.
    let parts = [
        facts(ticket),
        button.to_owned(),
        small(&hint),
        about(ticket),
    ];
    parts.concat()
}

fn said(grant: &Grant, ticket: &Ticket, heard: &Hearing) -> Response {
    let (status, text) = match heard {
        Hearing::Heard => (StatusCode::OK, "Acknowledged.".to_owned()),
        Hearing::Acknowledged { by } if *by == grant.by => {
            (StatusCode::OK, "You have acknowledged it already.".to_owned())
        }
        Hearing::Acknowledged { by } => (StatusCode::OK, format!("{by} has acknowledged it already.")),
        Hearing::Resolved => (StatusCode::OK, "It is resolved; nothing is left to acknowledge.".to_owned()),
        Hearing::Closed => (StatusCode::OK, "It is closed; nothing is left to acknowledge.".to_owned()),
        Hearing::Spent => (
            StatusCode::GONE,
            "This link was used, or somebody answered after it was sent. If you are still called, use the link of the newest page.".to_owned(),
        ),
    };
    let words = [
        heading("", "Nothing to do"),
        paragraph(&text),
        facts(ticket),
    ];
    page(status, "Nothing to do", &words.concat())
}

fn gone() -> Response {
    refused(
        StatusCode::NOT_FOUND,
        "The ticket of this link is no longer there.",
    )
}

fn busy() -> Response {
    let words = "The ticket cannot be read or written now. Please try again in a moment.";
    refused(StatusCode::SERVICE_UNAVAILABLE, words)
}

fn refused(status: StatusCode, words: &str) -> Response {
    let hint = "Use the link of the newest page, or `kubectl firebell ack`.";
    let body = [
        heading("bad", "This does not work"),
        paragraph(words),
        small(hint),
    ];
    page(status, "This does not work", &body.concat())
}

fn facts(ticket: &Ticket) -> String {
    let status = ticket.status.as_ref();
    let spec = &ticket.spec;
    let severity = status.and_then(|status| status.severity).or(spec.severity);
    let severity = severity
        .map(|severity| format!("{severity:?}"))
        .unwrap_or_default();
    let name = ticket.metadata.name.as_deref().unwrap_or_default();
    let namespace = ticket.metadata.namespace.as_deref().unwrap_or_default();
    let mut rows = String::new();
    for (label, value) in [
        ("Severity", severity.as_str()),
        ("Service", spec.service.as_deref().unwrap_or_default()),
        ("Ticket", &format!("{namespace}/{name}")),
    ] {
        if !value.is_empty() {
            for part in ["<dt>", label, "</dt><dd>", &escape(value), "</dd>"] {
                rows.push_str(part);
            }
        }
    }
    format!(
        "<h2 class=\"{}\">{}</h2><dl>{rows}</dl>",
        escape(&severity.to_lowercase()),
        escape(&spec.title)
    )
}

fn about(ticket: &Ticket) -> String {
    let text = ticket.spec.description.as_deref();
    text.map(|text| format!("<pre>{}</pre>", escape(text)))
        .unwrap_or_default()
}

fn heading(class: &str, text: &str) -> String {
    format!("<h1 class=\"{class}\">{}</h1>", escape(text))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escape(text))
}

fn small(text: &str) -> String {
    format!("<p class=\"small\">{}</p>", escape(text))
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Nothing that turns the direction of text around, and no control characters but line breaks.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() && c != '\n' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{} - Firebell</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>",
        escape(title)
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ROBOTS, "noindex, nofollow"),
    ];
    (status, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::{about, escape, facts, page};
    use crate::api::Ticket;

    #[test]
    fn a_tickets_text_is_text_on_the_page_and_nothing_else() {
        let mut ticket = Ticket::default();
        ticket.spec.title = "<script>alert('x')</script> \u{202e}abc".into();
        ticket.spec.description = Some("</pre><img src=x onerror=\"y\">\nnext & last".into());
        let html = facts(&ticket) + &about(&ticket);
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains('\u{202e}'));
        assert!(html.contains("\nnext &amp; last"), "{html}");
        assert_eq!(escape("a\u{0}b"), "a b");
    }

    #[test]
    fn the_page_forbids_scripts_frames_referrers_and_storing() {
        let answer = page(StatusCode::OK, "t", "b");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for word in [
            "default-src 'none'",
            "style-src 'sha256-",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(word), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
    }
}
