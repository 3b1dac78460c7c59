use async_trait::async_trait;
use kube::api::ObjectMeta;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::clock::WallClock;
use crate::connectors::{Attempt, SendOutcome, Sender};
use crate::domain::telling::delivery::Way;
use crate::domain::telling::parcel::Parcel;
use crate::outbox::{OutboxConfig, Unobserved};

/// Takes everything.
struct Takes;

#[async_trait]
impl Sender for Takes {
    async fn send(&self, _: &Way, _: &Parcel, _: Attempt) -> SendOutcome {
        SendOutcome::Delivered
    }
}

fn view(metrics: &Metrics) -> View {
    let (tickets, policies) = (mpsc::unbounded_channel().0, mpsc::unbounded_channel().0);
    let (rcas, past) = (mpsc::unbounded_channel().0, mpsc::unbounded_channel().0);
    let (doubts, reports) = (mpsc::unbounded_channel().0, mpsc::unbounded_channel().0);
    let bells = Bells {
        tickets,
        policies,
        rcas,
        doubts,
        past,
    };
    let outbox = Outbox::new(
        OutboxConfig::default(),
        Arc::new(Takes),
        Arc::new(WallClock),
        Arc::new(Unobserved),
        reports,
    );
    View::new(None, outbox, bells, OperatorClock::start(), metrics.clone())
}

fn metadata(name: &str, version: u64) -> ObjectMeta {
    serde_json::from_value(json!({
        "name": name, "namespace": "shop", "uid": name, "resourceVersion": version.to_string(),
    }))
    .unwrap()
}

fn counted(metrics: &Metrics, kind: &str) -> Option<String> {
    let text = metrics.text();
    let begin = format!("firebell_undecodable_objects{{kind=\"{kind}\"}} ");
    let mut lines = text.lines();
    lines.find_map(|line| Some(line.strip_prefix(&begin)?.to_owned()))
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_news_once_and_counts_until_it_is_mended_or_deleted() {
    let metrics = Metrics::default();
    let view = view(&metrics);
    let (policy, rca) = (metadata("gold", 1), metadata("rca", 2));
    assert!(view.undecodable_policy(&policy) && view.undecodable_rca(&rca));
    assert!(!view.undecodable_policy(&policy) && !view.undecodable_rca(&rca));
    for kind in ["EscalationPolicy", "RCA"] {
        assert_eq!(counted(&metrics, kind).as_deref(), Some("1"), "{kind}");
    }
    // A new list shows what was deleted meanwhile by what is not in it.
    let stored = view.policies.stored_keys(Some("shop"));
    assert!(stored.contains(&Key::of(&policy)));
    assert!(view.rcas.keys_in(None).contains(&Key::of(&rca)));
    let mended = EscalationPolicy {
        metadata: metadata("gold", 3),
        ..EscalationPolicy::default()
    };
    view.take_policy(mended, Origin::Watch);
    view.lose_rca(&Key::of(&rca), Some("rca"));
    for kind in ["EscalationPolicy", "RCA"] {
        assert_eq!(counted(&metrics, kind).as_deref(), Some("0"), "{kind}");
    }
}

#[tokio::test]
async fn whatever_has_a_uid_that_is_asked_for_is_looked_at_and_nothing_else() {
    let mut view = view(&Metrics::default());
    let (tickets, mut looked) = mpsc::unbounded_channel();
    let (rcas, mut read) = mpsc::unbounded_channel();
    for name in ["paged", "other"] {
        let ticket = Ticket {
            metadata: metadata(name, 1),
            ..Ticket::default()
        };
        view.take_ticket(ticket, Origin::Watch);
    }
    let rca = Rca {
        metadata: metadata("reminded", 2),
        ..Rca::default()
    };
    view.take_rca(rca, Origin::Watch);
    (view.bells.tickets, view.bells.rcas) = (tickets, rcas);
    view.trigger_each(&["paged", "reminded", "gone"].map(Arc::from).into());
    for (queue, name) in [(&mut looked, "paged"), (&mut read, "reminded")] {
        let (key, _) = queue.try_recv().unwrap();
        assert_eq!(key, Key::new("shop", name));
        assert!(queue.try_recv().is_err(), "nothing but {name}");
    }
}
