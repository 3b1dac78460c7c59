//! The Slack connector: a bot's `chat.postMessage` (Secret key `token`, `address` = channel or user) or an incoming
//! webhook (Secret key `address`).
//!
//! A bot keeps one thread per ticket and channel, shows pages in the channel as well, and brings the first message up
//! to date when somebody acknowledges, resolves or closes. Which thread is a ticket's is kept in memory only: after a
//! restart the next message begins a new one. Slack says in the body of a 200 whether it took the message.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::connectors::http::{Answer, HttpError};
use crate::connectors::render::Say;
use crate::connectors::verdict::judge;
use crate::connectors::{SendOutcome, Try, Unsendable};
use crate::domain::telling::incident::Effect;

mod blocks;

use blocks::{blocks, fallback};

/// The base of Slack's API where the connector names no other.
const API: &str = "https://slack.com/api";
/// How long bringing the first message up to date may take: the message itself has been taken already.
const UPDATE: Duration = Duration::from_secs(2);
/// So many threads are remembered; the oldest are forgotten first.
const THREADS_MOST: usize = 10_000;

/// Tries once.
pub(super) async fn send(one: &Try<'_>, threads: &Threads) -> Result<SendOutcome, Unsendable> {
    let say = Say::of(one)?;
    let connector = &one.way.connector;
    match (
        one.key("token")?,
        one.key("address")?,
        connector.address.as_deref(),
    ) {
        (Some(token), _, Some(channel)) => {
            let bot = Bot {
                one,
                base: connector.server.as_deref().unwrap_or(API),
                token,
            };
            Ok(bot.tell(&say, channel, threads).await?)
        }
        (_, Some(url), _) => webhook(one, &say, url).await,
        (Some(_), None, None) => Err(
            "`address` must name a channel or user, in the connector or the contact's `reach`"
                .to_owned(),
        ),
        (None, None, _) => Err(
            "the connector's Secret must have key `token` (a bot) or `address` (an incoming webhook's URL)"
                .to_owned(),
        ),
    }
}

/// An incoming webhook knows neither threads nor updates.
async fn webhook(one: &Try<'_>, say: &Say, url: &SecretString) -> Result<SendOutcome, Unsendable> {
    let body = json!({"text": fallback(say), "blocks": blocks(say)});
    let exchange = one
        .http
        .post(url.expose_secret(), json_headers(), bytes(&body), one.limit)
        .await;
    Ok(judge(exchange, |status| match status {
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
            "the webhook or its channel is gone or closed; put a fresh URL into key `address` of the Secret"
        }
        _ => {
            "Slack does not accept this message by this webhook; check key `address` of the Secret"
        }
    }))
}

/// A bot's end of the API.
struct Bot<'b> {
    one: &'b Try<'b>,
    base: &'b str,
    token: &'b SecretString,
}

/// What Slack says of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    ok: bool,
    error: String,
    channel: String,
    ts: String,
}

impl Bot<'_> {
    async fn tell(
        &self,
        say: &Say,
        channel: &str,
        threads: &Threads,
    ) -> Result<SendOutcome, Unsendable> {
        let began = Instant::now();
        let key = self.thread_key(channel);
        let thread = key.as_ref().and_then(|key| threads.get(key));
        let mut said = self.post(say, channel, thread.as_ref()).await?;
        if let (Some(key), Ok((_, known))) = (&key, &said)
            && thread.is_some()
            && ["thread_not_found", "cannot_reply_to_message"].contains(&known.error.as_str())
        {
            // Somebody deleted the first message: begin anew.
            threads.forget(key);
            said = self.post(say, channel, None).await?;
        }
        let (answer, said) = match said {
            Ok(said) => said,
            Err(error) => return Ok(judge(Err(error), api_advice)),
        };
        let outcome = verdict(answer, &said);
        if outcome == SendOutcome::Delivered
            && let Some(key) = key
        {
            match threads.get(&key) {
                Some(first) => self.bring_up_to_date(say, &first, began).await,
                None => threads.keep(key, said.channel, said.ts),
            }
        }
        Ok(outcome)
    }

    /// A bundle tells of many tickets and belongs to no thread.
    fn thread_key(&self, channel: &str) -> Option<ThreadKey> {
        (!self.one.parcel.is_bundle()).then(|| ThreadKey {
            namespace: self.one.way.namespace.clone(),
            connector: self.one.way.connector.name.clone(),
            channel: channel.to_owned(),
            ticket: self.one.parcel.first().ticket.uid.clone(),
        })
    }

    async fn post(
        &self,
        say: &Say,
        channel: &str,
        thread: Option<&Thread>,
    ) -> Result<Result<(Answer, Said), HttpError>, Unsendable> {
        let mut body = json!({
            "channel": channel, "text": fallback(say), "blocks": blocks(say),
            "unfurl_links": false, "unfurl_media": false, "link_names": false,
        });
        if let Some(thread) = thread {
            body["channel"] = json!(thread.channel);
            body["thread_ts"] = json!(thread.ts);
            // Who follows no thread would not hear a page in it.
            body["reply_broadcast"] =
                json!(self.one.parcel.first().incident.effect == Effect::Calls);
        }
        self.call("chat.postMessage", &body).await
    }

    /// The first message says how the ticket stands now. It is no page: where this fails nobody misses one, and the
    /// next change tries again. It ends well before the try that `began`, for a try that runs out of time is repeated.
    async fn bring_up_to_date(&self, say: &Say, first: &Thread, began: Instant) {
        match self.one.parcel.first().incident.effect {
            Effect::Acknowledges | Effect::Resolves => {}
            Effect::Calls | Effect::Tells => return,
        }
        let left = self.one.limit.saturating_sub(began.elapsed());
        let body = json!({
            "channel": first.channel, "ts": first.ts, "text": fallback(say), "blocks": blocks(say),
        });
        let call = self.call("chat.update", &body);
        let updated = match tokio::time::timeout(UPDATE.min(left / 2), call).await {
            Ok(Ok(Ok((_, said)))) => said.ok,
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => false,
        };
        if !updated {
            tracing::debug!(id = %self.one.parcel.id(), "the first message of a Slack thread could not be updated");
        }
    }

    async fn call(
        &self,
        method: &str,
        body: &Value,
    ) -> Result<Result<(Answer, Said), HttpError>, Unsendable> {
        let url = format!("{}/{method}", self.base.trim_end_matches('/'));
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.token.expose_secret()))
            .map_err(|_| {
                "`token` in the connector's Secret must be one line of visible ASCII".to_owned()
            })?;
        bearer.set_sensitive(true);
        let mut headers = json_headers();
        headers.insert(AUTHORIZATION, bearer);
        let exchange = self
            .one
            .http
            .post_for_body(&url, headers, bytes(body), self.one.limit)
            .await;
        Ok(exchange.map(|(answer, body)| {
            let said = serde_json::from_slice(&body).unwrap_or_default();
            (answer, said)
        }))
    }
}

/// A 200 is only as good as its body.
fn verdict(answer: Answer, said: &Said) -> SendOutcome {
    if said.ok && answer.status.is_success() {
        return SendOutcome::Delivered;
    }
    let after = answer.retry_after;
    if !answer.status.is_success() {
        return judge(Ok(answer), api_advice);
    }
    let word = said.error.as_str();
    let known = !word.is_empty()
        && word.len() <= 64
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match word {
        _ if !known => SendOutcome::retry(
            "Slack's answer cannot be read, so it is not known whether it took the message",
        ),
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => SendOutcome::Retry {
            message: format!("Slack answered \"{word}\""),
            after,
        },
        _ => SendOutcome::refused(&format!("Slack answered \"{word}\": {}", advice(word))),
    }
}

/// What to do about Slack's word.
fn advice(word: &str) -> &'static str {
    match word {
        "channel_not_found" => {
            "`address` must name a channel or user that the bot can see; invite it, or use the id"
        }
        "not_in_channel" => "invite the bot to the channel",
        "is_archived" => "the channel is archived; correct `address`",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            "put a valid bot token into key `token` of the Secret"
        }
        "missing_scope" | "no_permission" | "restricted_action" | "not_allowed_token_type" => {
            "give the bot the scope `chat:write`"
        }
        _ => "Slack does not accept this message; check the connector",
    }
}

fn api_advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "`server` must be the base of Slack's API",
        _ => "Slack does not accept this call; check `server` and key `token` of the Secret",
    }
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    HeaderMap::from_iter([(CONTENT_TYPE, json)])
}

fn bytes(body: &Value) -> Bytes {
    body.to_string().into()
}

/// A ticket in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ThreadKey {
    namespace: String,
    connector: String,
    channel: String,
    ticket: String,
}

/// The first message about a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    channel: String,
    ts: String,
}

/// The threads of the tickets, as far as they are remembered.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    threads: HashMap<ThreadKey, Thread>,
    order: VecDeque<ThreadKey>,
}

impl Threads {
    fn get(&self, key: &ThreadKey) -> Option<Thread> {
        self.0.lock().threads.get(key).cloned()
    }

    fn keep(&self, key: ThreadKey, channel: String, ts: String) {
        if channel.is_empty() || ts.is_empty() {
            return;
        }
        let mut known = self.0.lock();
        if known
            .threads
            .insert(key.clone(), Thread { channel, ts })
            .is_none()
        {
            known.order.push_back(key);
        }
        if known.order.len() > THREADS_MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.threads.remove(&oldest);
        }
    }

    fn forget(&self, key: &ThreadKey) {
        let mut known = self.0.lock();
        known.threads.remove(key);
        known.order.retain(|other| other != key);
    }
}

#[cfg(test)]
mod tests;
