//! The simulator's model of the API server beside the real one: one script of requests, one transcript each, which must
//! be the same. Versions are compared by their order and by where they repeat, not by their numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;
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
    /// Everything since the script began.
    Watch(Selector),
    /// From a version that is long gone.
    WatchTooOld,
}

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
    use Ask::{Annotate, Create, Delete, Get, List, Status, Title, Watch, WatchTooOld};
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
        Status("c", submitted, Newest),
        Delete("b"),
        List(Selector::All),
        Watch(Selector::NotArchived),
        Watch(Selector::All),
        WatchTooOld,
    ]
}

/// An object in a transcript: `{version}` is replaced by its rank at the end.
fn shown(ticket: &Ticket) -> String {
    let version = ticket
        .metadata
        .resource_version
        .as_deref()
        .unwrap_or_default();
    let generation = ticket.metadata.generation.unwrap_or_default();
    let phase = ticket.status.as_ref().and_then(|status| status.phase);
    format!(
        "{} <{version}> generation {generation} {phase:?} \"{}\"",
        ticket.name_any(),
        ticket.spec.title
    )
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
    let mut lines = transcript.to_vec();
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

fn by_model(script: &[Ask]) -> Vec<String> {
    let mut server = Server::new(7);
    server.by_patch = true;
    let (mut lines, mut versions) = (Vec::new(), Versions::default());
    let began = server.version();
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
                let (_, tickets) = server.list(*selector);
                lines.push(
                    tickets
                        .iter()
                        .map(|ticket| shown(ticket))
                        .collect::<Vec<_>>()
                        .join("; "),
                );
                continue;
            }
            Ask::Watch(selector) => {
                let (_, events) = server.watch(began, *selector, at).unwrap();
                lines.extend(
                    events
                        .iter()
                        .map(|(kind, ticket)| format!("{kind:?} {}", shown(ticket))),
                );
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

async fn by_server(script: &[Ask], api: &Api<Ticket>) -> Vec<String> {
    let (mut lines, mut versions) = (Vec::new(), Versions::default());
    let began = api
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
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
            Ask::Annotate(name) => {
                let patch = Patch::Merge(
                    json!({"metadata": {"annotations": {"example.com/seen": "by somebody"}}}),
                );
                api.patch(name, &PatchParams::default(), &patch).await
            }
            Ask::Status(name, status, under) => {
                put_status(api, name, versions.of(name, *under), &status()).await
            }
            Ask::Delete(name) => {
                let answer = api.delete(name, &DeleteParams::default()).await;
                lines.push(answer.map_or_else(|error| code(&error), |_| "200".to_owned()));
                continue;
            }
            Ask::List(selector) => {
                let params = ListParams {
                    field_selector: fields(*selector),
                    ..ListParams::default()
                };
                let tickets = api.list(&params).await.unwrap().items;
                lines.push(tickets.iter().map(shown).collect::<Vec<_>>().join("; "));
                continue;
            }
            Ask::Watch(selector) => {
                lines.extend(watch(api, &began, *selector).await);
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
