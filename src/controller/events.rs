//! Tells in Events what happened to an object, so that `kubectl describe` shows its story. A writer of our own
//! (architecture.md, trap 8): best effort, on its own task, never in the way of a decision.
//!
//! `kubectl describe` sorts by `lastTimestamp`, which `events.k8s.io/v1` forbids, and so falls back to the order of
//! names: a name here is the object's, then the moment, then a hash of (uid, transition).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::client::call;
use super::error::{CallError, Class};
use crate::domain::next::Transition;
use crate::domain::telling::delivery::hex32;
use crate::metrics::Metrics;

/// Who reports, unless another process says so.
const CONTROLLER: &str = "firebell.dev/operator";
/// Longest note in bytes.
const NOTE_MOST: usize = 1024;
/// Longest reason, action and instance in bytes.
const WORD_MOST: usize = 128;
/// Events that may wait; more are dropped and counted.
const QUEUE: usize = 8192;
/// Events on their way at once.
const IN_FLIGHT: usize = 4;
/// Events that may rest between two tries at once: those that cannot be written hold up no other before that.
const RESTING: usize = 256;
/// Tries for one Event.
const TRIES: u32 = 9;
/// Rest after the first try; each is twice as long as the one before.
const REST: Duration = Duration::from_millis(500);
/// Longest rest: all tries together outlast an API server that is away for a minute.
const REST_MOST: Duration = Duration::from_secs(16);

/// Where Events are handed in. Clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    instance: Arc<str>,
    controller: &'static str,
    metrics: Metrics,
}

/// An object that Events are about.
pub fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectReference {
    object.object_ref(&())
}

impl Events {
    /// The way in, and the queue that [`write()`] empties. `instance` names this process.
    pub fn new(instance: &str, metrics: Metrics) -> (Self, mpsc::Receiver<Event>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (
            Self {
                queue,
                instance: cut(instance, WORD_MOST).into(),
                controller: CONTROLLER,
                metrics,
            },
            receiver,
        )
    }

    /// The same, reported by another process than the operator.
    #[must_use]
    pub fn reported_by(self, controller: &'static str) -> Self {
        Self { controller, ..self }
    }

    /// Hands in what happened at `time`, in this order. Never waits: a full queue drops and counts.
    pub fn tell(
        &self,
        about: &ObjectReference,
        related: Option<&ObjectReference>,
        transitions: &[Transition],
        time: Timestamp,
    ) {
        let mut at = time;
        for transition in transitions {
            let mut event = event(about, related, transition, at, &self.instance);
            event.reporting_controller = Some(self.controller.to_owned());
            if self.queue.try_send(event).is_err() {
                self.metrics.event_dropped();
            }
            at = at
                .saturating_add(SignedDuration::from_micros(1))
                .unwrap_or(at);
        }
    }
}

/// Writes queued Events. Told to `flush`, it takes no more, writes what is queued and ends.
pub async fn write(
    client: Client,
    queue: mpsc::Receiver<Event>,
    metrics: Metrics,
    flush: CancellationToken,
) {
    let queued = stream::unfold((queue, flush), |(mut queue, flush)| async move {
        let next = if let Some(next) = flush.run_until_cancelled(queue.recv()).await {
            next
        } else {
            queue.close();
            queue.recv().await
        };
        next.map(|event| (event, (queue, flush)))
    });
    let slots = Semaphore::new(IN_FLIGHT);
    queued
        .for_each_concurrent(IN_FLIGHT + RESTING, |event| {
            write_one(&client, event, &slots, &metrics)
        })
        .await;
}

async fn write_one(client: &Client, event: Event, slots: &Semaphore, metrics: &Metrics) {
    let api: Api<Event> = Api::namespaced(
        client.clone(),
        event.metadata.namespace.as_deref().unwrap_or("default"),
    );
    for attempt in 0..TRIES {
        let slot = slots.acquire().await;
        let written = call("create events", api.create(&PostParams::default(), &event)).await;
        drop(slot);
        match written {
            Ok(_) => return,
            // The try before was carried out although its answer was lost.
            Err(error) if error.already_exists() => return,
            Err(error) => match error.class() {
                Class::Transient | Class::Conflict if attempt + 1 < TRIES => {
                    tokio::time::sleep((REST * 2_u32.pow(attempt)).min(REST_MOST)).await;
                }
                Class::Transient | Class::Conflict | Class::Terminal => {
                    return dropped(&event, &error, metrics);
                }
            },
        }
    }
}

fn dropped(event: &Event, error: &CallError, metrics: &Metrics) {
    metrics.event_dropped();
    let name = event
        .regarding
        .as_ref()
        .and_then(|regarding| regarding.name.as_deref());
    tracing::debug!(name, reason = event.reason, %error, "an Event was dropped");
}

fn event(
    about: &ObjectReference,
    related: Option<&ObjectReference>,
    transition: &Transition,
    at: Timestamp,
    instance: &str,
) -> Event {
    let uid = about.uid.as_deref().unwrap_or_default();
    let hash = hex32(format!("{uid}\n{}", transition.key).as_bytes());
    let name = cut(about.name.as_deref().unwrap_or_default(), 200).trim_end_matches(['.', '-']);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:016x}{}", at.as_microsecond(), &hash[..8])),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(at)),
        type_: Some(
            if transition.warning {
                "Warning"
            } else {
                "Normal"
            }
            .to_owned(),
        ),
        reason: Some(cut(transition.reason, WORD_MOST).to_owned()),
        action: Some(cut(&transition.action, WORD_MOST).to_owned()),
        note: Some(cut(&transition.note, NOTE_MOST).to_owned()),
        regarding: Some(about.clone()),
        related: related.cloned(),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

/// The longest beginning of at most `most` bytes that ends between two characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::{Events, cut, event};
    use crate::domain::next::Transition;
    use crate::metrics::Metrics;

    fn transition(key: &str) -> Transition {
        Transition {
            key: key.into(),
            warning: true,
            reason: "StepFired",
            action: "Page".into(),
            note: "🔔".repeat(300),
        }
    }

    fn ticket() -> ObjectReference {
        ObjectReference {
            name: Some("checkout-5xx".into()),
            namespace: Some("shop".into()),
            uid: Some("u1".into()),
            ..ObjectReference::default()
        }
    }

    #[test]
    fn a_note_is_cut_between_two_characters() {
        assert_eq!(cut("abc🔔", 5), "abc");
        assert_eq!(cut("abc🔔", 7), "abc🔔");
        let told = event(
            &ticket(),
            None,
            &transition("a"),
            Timestamp::UNIX_EPOCH,
            "i",
        );
        assert_eq!(told.note.unwrap().len(), 1024);
    }

    #[test]
    fn names_sort_as_things_happened_and_differ_by_transition() {
        let (events, mut queue) = Events::new("i", Metrics::default());
        let later = Timestamp::from_second(1_800_000_000).unwrap();
        events.tell(
            &ticket(),
            None,
            &[transition("z"), transition("a")],
            Timestamp::from_second(1_700_000_000).unwrap(),
        );
        events.tell(&ticket(), None, &[transition("z")], later);
        let names: Vec<String> = std::iter::from_fn(|| queue.try_recv().ok())
            .filter_map(|event| event.metadata.name)
            .collect();
        assert_eq!(names.len(), 3);
        assert!(names.is_sorted(), "{names:?}");
        assert!(
            names[0].ends_with(&names[2][names[2].len() - 8..]),
            "same transition, same hash: {names:?}"
        );
        assert_ne!(
            names[0][names[0].len() - 8..],
            names[1][names[1].len() - 8..]
        );
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let metrics = Metrics::default();
        let (events, _queue) = Events::new("i", metrics.clone());
        events.tell(
            &ticket(),
            None,
            &vec![transition("a"); super::QUEUE + 3],
            Timestamp::UNIX_EPOCH,
        );
        assert!(metrics.text().contains("firebell_events_dropped_total 3"));
    }
}
