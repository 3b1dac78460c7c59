//! The simulator's model of the API server beside the real one: one script of requests, one transcript each, which must
//! be the same. Versions are compared by their order and by where they repeat, not by their numbers; uids by where they
//! repeat.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

#[path = "conformance/future.rs"]
mod future;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use firebell::api::{Phase, Ticket, TicketSpec, TicketStatus};
use firebell::controller::patch::{status_patch, whole_status};
use firebell::testkit::sim::server::{Kind, Selector, Server};
use firebell::testkit::stage::Stage;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// What may be asked of either.
enum Ask {
    Create(&'static str),
    Get(&'static str),
    /// Sets the title.
    Title(&'static str, &'static str),
    /// Touches the metadata.
    Annotate(&'static str),
    /// Writes the status under the version that was stored last, or under an older one.
    Status(&'static str, fn() -> TicketStatus, Under),
    Delete(&'static str),
    List(Selector),
    /// Remembers the version that a list shows.
    Keep,
    /// Everything since the script began.
    Watch(Selector),
    /// Everything since the list that was kept.
    WatchOn(Selector),
    /// From a version that the store has not come to, while that ticket is touched.
    WatchAhead(&'static str),
    /// From a version that is long gone.
    WatchTooOld,
}

/// More versions than a whole run makes.
const AHEAD: u64 = 1_000_000;

#[derive(Clone, Copy)]
enum Under {
    Newest,
    Older,
}

fn phase(phase: Phase) -> TicketStatus {
    TicketStatus {
        phase: Some(phase),
        ..TicketStatus::default()
    }
}

fn submitted() -> TicketStatus {
    phase(Phase::Submitted)
}

fn acknowledged() -> TicketStatus {
    phase(Phase::Acknowledged)
}

fn closed() -> TicketStatus {
    phase(Phase::Closed)
}

fn archived() -> TicketStatus {
    TicketStatus {
        archived: true,
        ..phase(Phase::Closed)
    }
}

fn script() -> Vec<Ask> {
    use Ask::{
        Annotate, Create, Delete, Get, Keep, List, Status, Title, Watch, WatchAhead, WatchOn,
        WatchTooOld,
    };
    use Under::{Newest, Older};
    vec![
        Get("a"),
        Create("a"),
        Create("b"),
        Create("a"),
        Get("a"),
        List(Selector::NotArchived),
        Status("a", submitted, Newest),
        Status("a", submitted, Newest),
        Status("a", acknowledged, Older),
        Get("a"),
        Title("a", "Another title"),
        Title("a", "Another title"),
        Status("a", acknowledged, Older),
        Annotate("a"),
        Status("a", acknowledged, Older),
        Status("a", acknowledged, Newest),
        Status("missing", submitted, Newest),
        Title("missing", "Nothing"),
        Delete("missing"),
        Status("b", closed, Newest),
        Status("b", archived, Newest),
        List(Selector::NotArchived),
        List(Selector::All),
        Title("b", "May not be changed any more"),
        Create("c"),
        List(Selector::NotArchived),
        Delete("c"),
        Get("c"),
        Create("c"),
        // Decided on the one that was deleted.
        Status("c", submitted, Older),
        Status("c", submitted, Newest),
        Keep,
        Status("c", acknowledged, Newest),
        Status("c", acknowledged, Older),
        Status("a", archived, Newest),
        Annotate("a"),
        Delete("c"),
        Status("c", submitted, Newest),
        Create("c"),
        WatchOn(Selector::NotArchived),
        WatchOn(Selector::All),
        Delete("b"),
        List(Selector::All),
        Watch(Selector::NotArchived),
        Watch(Selector::All),
        WatchAhead("c"),
        WatchTooOld,
    ]
}

/// An object in a transcript: version and uid are replaced by their ranks at the end.
fn shown(ticket: &Ticket) -> String {
    let version = ticket
        .metadata
        .resource_version
        .as_deref()
        .unwrap_or_default();
    let generation = ticket.metadata.generation.unwrap_or_default();
    let phase = ticket.status.as_ref().and_then(|status| status.phase);
    format!(
        "{} [{}] <{version}> generation {generation} {phase:?} \"{}\"",
        ticket.name_any(),
        ticket.metadata.uid.as_deref().unwrap_or_default(),
        ticket.spec.title
    )
}

/// A list in a transcript, and whether it shows a version that no object of it is newer than.
fn listed(version: u64, tickets: &[impl AsRef<Ticket>]) -> String {
    let of = |ticket: &Ticket| ticket.metadata.resource_version.as_deref()?.parse().ok();
    let newest: Option<u64> = tickets
        .iter()
        .filter_map(|ticket| of(ticket.as_ref()))
        .max();
    let shown: Vec<String> = tickets
        .iter()
        .map(|ticket| shown(ticket.as_ref()))
        .collect();
    let fresh = newest.is_none_or(|newest| newest <= version);
    format!("fresh: {fresh}; {}", shown.join("; "))
}

struct Listed(Ticket);

impl AsRef<Ticket> for Listed {
    fn as_ref(&self) -> &Ticket {
        &self.0
    }
}

/// Replaces each uid by its place in the order in which they occur.
fn numbered(transcript: &[String]) -> Vec<String> {
    let mut uids: Vec<String> = Vec::new();
    let numbered = |line: &String| {
        let mut line = line.clone();
        let found: Vec<String> = line
            .split('[')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once(']')?.0.to_owned()))
            .collect();
        for uid in found {
            let place = uids.iter().position(|known| *known == uid);
            let place = place.unwrap_or_else(|| {
                uids.push(uid.clone());
                uids.len() - 1
            });
            line = line.replace(&format!("[{uid}]"), &format!("object {place}"));
        }
        line
    };
    transcript.iter().map(numbered).collect()
}

/// Replaces each version by its rank among all that occur.
fn ranked(transcript: &[String]) -> Vec<String> {
    let versions = |line: &str| -> Vec<u64> {
        line.split('<')
            .skip(1)
            .filter_map(|rest| rest.split('>').next()?.parse().ok())
            .collect()
    };
    let all: BTreeSet<u64> = transcript.iter().flat_map(|line| versions(line)).collect();
    let mut lines = numbered(transcript);
    for line in &mut lines {
        for version in versions(line) {
            let rank = all.iter().position(|known| *known == version).unwrap();
            *line = line.replace(&format!("<{version}>"), &format!("v{rank}"));
        }
    }
    lines
}

/// What the versions of an object were, for writes under an older one.
#[derive(Default)]
struct Versions(Vec<(String, Ticket)>);

impl Versions {
    /// Notes an answer and shows it.
    fn answered(&mut self, answer: Result<Ticket, String>) -> String {
        match answer {
            Ok(ticket) => {
                let line = format!("200 {}", shown(&ticket));
                self.0.push((ticket.name_any(), ticket));
                line
            }
            Err(code) => code,
        }
    }

    /// The newest version seen of an object, or the one that was seen before it.
    fn of(&self, name: &str, under: Under) -> Option<&Ticket> {
        let mut known: Vec<&Ticket> = self
            .0
            .iter()
            .filter(|(of, _)| of == name)
            .map(|(_, ticket)| ticket)
            .collect();
        known.dedup_by_key(|ticket| ticket.metadata.resource_version.clone());
        let back = match under {
            Under::Newest => 1,
            Under::Older => 2,
        };
        known.get(known.len().checked_sub(back)?).copied()
    }
}

fn spec(title: &str) -> TicketSpec {
    TicketSpec {
        title: title.to_owned(),
        ..TicketSpec::default()
    }
}

fn watch_model(server: &Server, from: u64, selector: Selector, at: Timestamp) -> Vec<String> {
    let (_, events) = server.watch(from, selector, at).unwrap();
    let line = |(kind, ticket): &(Kind, Arc<Ticket>)| format!("{kind:?} {}", shown(ticket));
    events.iter().map(line).collect()
}

fn watch_model_ahead(server: &mut Server, name: &str, at: Timestamp) -> String {
    let ahead = server.version() + AHEAD;
    server.annotate(name, "by somebody", at).unwrap();
    format!("ahead: {:?}", watch_model(server, ahead, Selector::All, at))
}

fn by_model(script: &[Ask]) -> Vec<String> {
    let mut server = Server::new(7);
    server.by_patch = true;
    let (mut lines, mut versions) = (Vec::new(), Versions::default());
    let began = server.version();
    let mut kept = began;
    let at = Timestamp::UNIX_EPOCH;
    for ask in script {
        let answer = match ask {
            Ask::Create(name) => server.create(name, spec("A title"), at),
            Ask::Get(name) => server.get(name),
            Ask::Title(name, title) => server.edit(name, "title", at, |spec| {
                (*title).clone_into(&mut spec.title);
            }),
            Ask::Annotate(name) => server.annotate(name, "by somebody", at),
            Ask::Status(name, status, under) => {
                let version = versions
                    .of(name, *under)
                    .and_then(|known| known.metadata.resource_version.clone());
                server.put_status(name, version.as_deref(), status(), at)
            }
            Ask::Delete(name) => {
                let answer = server.delete(name, at);
                lines.push(
                    answer.map_or_else(|refusal| refusal.code().to_string(), |()| "200".to_owned()),
                );
                continue;
            }
            Ask::List(selector) => {
                let (version, tickets) = server.list(*selector);
                lines.push(listed(version, &tickets));
                continue;
            }
            Ask::Keep => {
                kept = server.list(Selector::All).0;
                continue;
            }
            Ask::Watch(selector) => {
                lines.extend(watch_model(&server, began, *selector, at));
                continue;
            }
            Ask::WatchOn(selector) => {
                lines.extend(watch_model(&server, kept, *selector, at));
                continue;
            }
            Ask::WatchAhead(name) => {
                lines.push(watch_model_ahead(&mut server, name, at));
                continue;
            }
            Ask::WatchTooOld => {
                server.compact();
                let refusal = server.watch(1, Selector::All, at).unwrap_err();
                lines.push(refusal.code().to_string());
                continue;
            }
        };
        let answer = answer.map(|ticket| (*ticket).clone());
        lines.push(versions.answered(answer.map_err(|refusal| refusal.code().to_string())));
    }
    lines
}

fn fields(selector: Selector) -> Option<String> {
    match selector {
        Selector::All => None,
        Selector::NotArchived => Some("status.archived!=true".to_owned()),
    }
}

fn code(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.code.to_string(),
        other => panic!("an answer was expected, not: {other}"),
    }
}

/// The status as production sends it: a JSON Patch under the version that was seen.
async fn put_status(
    api: &Api<Ticket>,
    name: &str,
    seen: Option<&Ticket>,
    status: &TicketStatus,
) -> kube::Result<Ticket> {
    let version = seen
        .and_then(|seen| seen.metadata.resource_version.clone())
        .unwrap_or_else(|| "1".to_owned());
    let old = seen
        .and_then(|seen| seen.status.as_ref())
        .map(|old| serde_json::to_value(old).unwrap());
    let new = serde_json::to_value(status).unwrap();
    let operations =
        status_patch(&version, old.as_ref(), &new).unwrap_or_else(|| whole_status(&version, &new));
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations)).unwrap();
    api.patch_status(name, &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
}

async fn annotate(api: &Api<Ticket>, name: &str) -> kube::Result<Ticket> {
    let patch =
        Patch::Merge(json!({"metadata": {"annotations": {"example.com/seen": "by somebody"}}}));
    api.patch(name, &PatchParams::default(), &patch).await
}

async fn watch(api: &Api<Ticket>, from: &str, selector: Selector) -> Vec<String> {
    let params = WatchParams {
        field_selector: fields(selector),
        timeout: Some(2),
        bookmarks: false,
        ..WatchParams::default()
    };
    let events = match api.watch(&params, from).await {
        Ok(events) => events,
        Err(error) => return vec![code(&error)],
    };
    let events: Vec<WatchEvent<Ticket>> = events.boxed().try_collect().await.unwrap();
    let line = |event: &WatchEvent<Ticket>| match event {
        WatchEvent::Added(ticket) => format!("{:?} {}", Kind::Added, shown(ticket)),
        WatchEvent::Modified(ticket) => format!("{:?} {}", Kind::Modified, shown(ticket)),
        WatchEvent::Deleted(ticket) => format!("{:?} {}", Kind::Deleted, shown(ticket)),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => status.code.to_string(),
    };
    events.iter().map(line).collect()
}

/// The version of the store that a list shows.
async fn version(api: &Api<Ticket>) -> String {
    let all = api.list(&ListParams::default()).await.unwrap();
    all.metadata.resource_version.unwrap()
}

async fn list(api: &Api<Ticket>, selector: Selector) -> String {
    let params = ListParams {
        field_selector: fields(selector),
        ..ListParams::default()
    };
    let list = api.list(&params).await.unwrap();
    let version = list.metadata.resource_version.unwrap().parse().unwrap();
    let tickets: Vec<Listed> = list.items.into_iter().map(Listed).collect();
    listed(version, &tickets)
}

async fn by_server(script: &[Ask], api: &Api<Ticket>) -> Vec<String> {
    let (mut lines, mut versions) = (Vec::new(), Versions::default());
    let began = version(api).await;
    let mut kept = began.clone();
    for ask in script {
        let answer = match ask {
            Ask::Create(name) => {
                api.create(&PostParams::default(), &Ticket::new(name, spec("A title")))
                    .await
            }
            Ask::Get(name) => api.get(name).await,
            Ask::Title(name, title) => {
                let patch = Patch::Merge(json!({"spec": {"title": title}}));
                api.patch(name, &PatchParams::default(), &patch).await
            }
            Ask::Annotate(name) => annotate(api, name).await,
            Ask::Status(name, status, under) => {
                put_status(api, name, versions.of(name, *under), &status()).await
            }
            Ask::Delete(name) => {
                let answer = api.delete(name, &DeleteParams::default()).await;
                lines.push(answer.map_or_else(|error| code(&error), |_| "200".to_owned()));
                continue;
            }
            Ask::List(selector) => {
                lines.push(list(api, *selector).await);
                continue;
            }
            Ask::Keep => {
                kept = version(api).await;
                continue;
            }
            Ask::Watch(selector) => {
                lines.extend(watch(api, &began, *selector).await);
                continue;
            }
            Ask::WatchOn(selector) => {
                lines.extend(watch(api, &kept, *selector).await);
                continue;
            }
            Ask::WatchAhead(name) => {
                let ahead = version(api).await.parse::<u64>().unwrap() + AHEAD;
                let ahead = ahead.to_string();
                let (seen, touched) =
                    tokio::join!(watch(api, &ahead, Selector::All), annotate(api, name));
                touched.unwrap();
                lines.push(format!("ahead: {seen:?}"));
                continue;
            }
            Ask::WatchTooOld => {
                lines.extend(watch(api, "1", Selector::All).await);
                continue;
            }
        };
        lines.push(versions.answered(answer.map_err(|error| code(&error))));
    }
    lines
}

#[tokio::test]
async fn the_model_answers_as_the_real_api_server_does() {
    let stage = Stage::set("conformance").await;
    let api: Api<Ticket> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let limit = Duration::from_mins(2);
    let real = tokio::time::timeout(limit, by_server(&script(), &api))
        .await
        .unwrap();
    let model = by_model(&script());
    assert!(
        real.iter().filter(|line| line.starts_with("409")).count() >= 4,
        "{real:#?}"
    );
    assert_eq!(real.last().map(String::as_str), Some("410"), "{real:#?}");
    assert_eq!(ranked(&model), ranked(&real));
}
