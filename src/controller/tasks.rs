//! Small standing tasks beside the engines: results that came in, objects in doubt, counts of users, revisions that
//! nobody uses any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Api, Client, Resource};
use tokio::sync::mpsc;

use super::client::call;
use super::error::CallError;
use super::key::Key;
use super::policy::{PolicyDesk, Tally, Use};
use super::ticket::TicketDesk;
use super::view::{Bells, Doubt, View, severity};
use crate::api::{Severity, Ticket};
use crate::clock::{Now, OperatorClock};
use crate::domain::delivery::TicketKey;
use crate::domain::selection::{PolicyIndex, PolicyKey};

/// How often counts of users are taken: a policy's status is written at most once in it for a change of them.
const TALLY_EVERY: Duration = Duration::from_secs(10);
/// How often revisions without users are looked for.
const COLLECT_EVERY: Duration = Duration::from_hours(1);
/// A revision younger than this stays, whoever uses it.
const KEEP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Objects of one page of a live list.
const PAGE: u32 = 500;

/// Passes results of deliveries on as looks at their tickets.
pub async fn hear_reports(mut reports: mpsc::UnboundedReceiver<TicketKey>, view: Arc<View>) {
    while let Some(reported) = reports.recv().await {
        let key = Key::new(&reported.namespace, &reported.name);
        let severity = view
            .tickets
            .get(&key)
            .map_or(Severity::default(), |held| severity(&held.ticket));
        view.trigger(&key, severity);
    }
}

/// Asks the API server about objects whose version is in doubt, one after the other.
pub async fn settle_doubts(
    mut doubts: mpsc::UnboundedReceiver<Doubt>,
    tickets: Arc<TicketDesk>,
    policies: Arc<PolicyDesk>,
) {
    while let Some(doubt) = doubts.recv().await {
        match doubt {
            Doubt::Ticket(key) => {
                tickets.read_live(&key).await;
            }
            Doubt::Policy(key) => policies.read_live(&key).await,
        }
    }
}

/// Counts the users of each policy and asks for a look at those whose status says otherwise.
pub async fn keep_tally(view: Arc<View>, tally: Tally, bells: Bells, clock: OperatorClock) {
    loop {
        tokio::time::sleep(TALLY_EVERY).await;
        let counted = count(&view);
        let before = std::mem::replace(&mut *tally.lock(), counted.clone());
        for key in view.policies.keys(None) {
            let of = |counts: &HashMap<PolicyKey, Use>| {
                counts.get(&key.pair()).copied().unwrap_or_default()
            };
            if of(&before) != of(&counted) {
                // The receiver ends only with the process.
                let _ = bells.policies.send((key, clock.now()));
            }
        }
    }
}

/// Counts the open tickets of each policy.
pub fn count(view: &View) -> HashMap<PolicyKey, Use> {
    let index = view.policies.index();
    let mut counts: HashMap<PolicyKey, Use> = HashMap::new();
    view.tickets
        .each(|ticket| count_one(ticket, &index, &mut counts));
    counts
}

fn count_one(ticket: &Ticket, index: &PolicyIndex, counts: &mut HashMap<PolicyKey, Use>) {
    let Some(status) = ticket
        .status
        .as_ref()
        .filter(|status| status.close_time.is_none())
    else {
        return;
    };
    let Some(pin) = &status.policy else { return };
    let key = (pin.namespace.clone(), pin.name.clone());
    let newest = index
        .policies
        .get(&key)
        .and_then(|policy| policy.revision.as_ref());
    let outdated = newest.is_some_and(|newest| *newest != pin.revision);
    let usage = counts.entry(key).or_default();
    usage.open += 1;
    usage.outdated += i64::from(outdated);
}

/// Deletes stored revisions that are old and that nobody uses, by the careful rule of api.md section 3: not one on
/// which a live list of the whole cluster shows a ticket, archived ones included. An operator that may not list the
/// whole cluster deletes nothing.
pub async fn collect_revisions(client: Client, view: Arc<View>, clock: OperatorClock) {
    loop {
        tokio::time::sleep(COLLECT_EVERY).await;
        let old = candidates(&view, clock.now());
        if old.is_empty() {
            continue;
        }
        match users(&client).await {
            Ok(used) => {
                for key in old.into_iter().filter(|key| !used.contains(&key.pair())) {
                    delete(&client, &view, &key).await;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "revisions without users are kept: who uses them could not be asked");
            }
        }
    }
}

/// Revisions that are old, not the newest of their policy, and not pinned by a ticket in view.
fn candidates(view: &View, now: Timestamp) -> Vec<Key> {
    let index = view.policies.index();
    let newest = |key: &Key| {
        let (namespace, name) = key.pair();
        index
            .policies
            .iter()
            .any(|((of, _), policy)| *of == namespace && policy.revision.as_ref() == Some(&name))
    };
    let mut pinned = std::collections::HashSet::new();
    view.tickets.each(|ticket| {
        if let Some(pin) = ticket
            .status
            .as_ref()
            .and_then(|status| status.policy.as_ref())
        {
            pinned.insert((pin.namespace.clone(), pin.revision.clone()));
        }
    });
    let old = |made: Option<Timestamp>| made.is_some_and(|made| now.duration_since(made) > KEEP);
    let revisions = view.policies.revisions().into_iter();
    revisions
        .filter(|(key, made)| old(*made) && !newest(key) && !pinned.contains(&key.pair()))
        .map(|(key, _)| key)
        .collect()
}

/// Every revision that a stored ticket or policy names, read live; tickets that cannot be decoded count too.
async fn users(client: &Client) -> Result<std::collections::HashSet<PolicyKey>, CallError> {
    let mut used = std::collections::HashSet::new();
    let tickets = kube::discovery::ApiResource::erase::<Ticket>(&());
    for object in list(client, &tickets).await? {
        let pin = object.data.pointer("/status/policy");
        let text = |field: &str| {
            pin.and_then(|pin| pin.get(field))
                .and_then(|value| value.as_str())
        };
        if let (Some(namespace), Some(revision)) = (text("namespace"), text("revision")) {
            used.insert((namespace.to_owned(), revision.to_owned()));
        }
    }
    let policies = kube::discovery::ApiResource::erase::<crate::api::EscalationPolicy>(&());
    for object in list(client, &policies).await? {
        let revision = object
            .data
            .pointer("/status/revision")
            .and_then(|value| value.as_str());
        if let (Some(namespace), Some(revision)) = (&object.metadata.namespace, revision) {
            used.insert((namespace.clone(), revision.to_owned()));
        }
    }
    Ok(used)
}

async fn list(
    client: &Client,
    kind: &kube::discovery::ApiResource,
) -> Result<Vec<DynamicObject>, CallError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), kind);
    let mut params = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = call("list the whole cluster", api.list(&params)).await?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

async fn delete(client: &Client, view: &View, key: &Key) {
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), &key.namespace);
    let Ok(stored) = call("get controllerrevisions", api.get(&key.name)).await else {
        return;
    };
    let preconditions = Preconditions {
        uid: stored.meta().uid.clone(),
        resource_version: stored.meta().resource_version.clone(),
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    match call("delete controllerrevisions", api.delete(&key.name, &params)).await {
        Ok(_) => {
            view.lose_revision(key, None);
            tracing::info!(revision = %key, "a revision that nobody has used for 30 days was deleted");
        }
        Err(error) => {
            tracing::warn!(revision = %key, %error, "a revision that nobody uses could not be deleted");
        }
    }
}
