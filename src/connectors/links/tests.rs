use std::time::Duration;

use jiff::SignedDuration;
use parking_lot::Mutex;

use super::*;
use crate::api::ConnectorType;
use crate::connectors::secret::{SecretError, SecretValues};
use crate::connectors::tests::{Fixed, delivery_of, one, time, to_customers, way};

const KEY_TEXT: &str = "a-key-of-at-least-32-characters-for-tests";

/// Keeps what it is handed.
#[derive(Default)]
struct Keeps(Arc<Mutex<Vec<Parcel>>>);

#[async_trait]
impl Sender for Keeps {
    async fn send(&self, _: &Way, parcel: &Parcel, _: Attempt) -> SendOutcome {
        self.0.lock().push(parcel.clone());
        SendOutcome::Delivered
    }
}

fn page(name: &str) -> Delivery {
    let mut delivery = delivery_of(name, "on-call");
    delivery.message.data.links.clear();
    delivery.answered_by = Some("alice@shop.example".into());
    delivery
}

/// What is sent of a parcel, with this Secret.
async fn sent(secret: impl SecretSource + 'static, way: &Way, parcel: &Parcel) -> Parcel {
    let kept = Keeps::default();
    let all = kept.0.clone();
    let issuer = Issuer {
        public_url: "https://oncall.example.com/firebell/".parse().unwrap(),
        namespace: "firebell".into(),
        secret: "intake".into(),
    };
    let linked = Linked::new(kept, Some(issuer), Arc::new(secret));
    let attempt = Attempt {
        number: 1,
        limit: Duration::from_secs(1),
    };
    assert_eq!(
        linked.send(way, parcel, attempt).await,
        SendOutcome::Delivered
    );
    all.lock().remove(0)
}

fn keys() -> Fixed {
    Fixed(Ok(vec![(KEY, KEY_TEXT.to_owned())]))
}

fn link(delivery: &Delivery) -> Option<&String> {
    delivery.message.data.links.get(ACKNOWLEDGE)
}

#[tokio::test]
async fn each_page_of_a_parcel_has_a_link_of_its_own_for_its_person_and_ticket() {
    let way = way(ConnectorType::Webhook);
    let parcel = Parcel::of(Arc::new(page("a")), vec![Arc::new(page("b"))]);
    let first = sent(keys(), &way, &parcel).await;
    let again = sent(keys(), &way, &parcel).await;
    for (member, name) in first.members().zip(["a", "b"]) {
        let link = link(member).unwrap();
        let token = link
            .strip_prefix("https://oncall.example.com/firebell/a/")
            .unwrap();
        let soon = time() + SignedDuration::from_mins(1);
        let grant = Grant::verify(token, &SecretString::from(KEY_TEXT), soon).unwrap();
        assert_eq!(
            (grant.ticket.as_str(), grant.by.as_str()),
            (name, "alice@shop.example")
        );
        assert_eq!(grant.uid, member.ticket.uid);
    }
    assert_eq!(first.id(), parcel.id(), "a link changes no id");
    let links = |parcel: &Parcel| {
        parcel
            .members()
            .map(|one| link(one).cloned())
            .collect::<Vec<_>>()
    };
    assert_eq!(links(&first), links(&again), "a retry says the same");
}

#[tokio::test]
async fn customers_channels_and_notices_get_no_link() {
    let internal = way(ConnectorType::Webhook);
    let (mut channel, mut notice, mut reporter) = (page("a"), page("a"), page("a"));
    channel.target = Target::Connector("room".into());
    reporter.target = Target::Reporter;
    notice.answered_by = None;
    for (delivery, way) in [
        (page("a"), to_customers(internal.clone())),
        (channel, internal.clone()),
        (reporter, internal.clone()),
        (notice, internal),
    ] {
        let sent = sent(keys(), &way, &one(delivery)).await;
        assert_eq!(link(sent.first()), None);
    }
}

#[tokio::test]
async fn a_page_leaves_without_its_link_where_the_key_cannot_be_used() {
    let missing = SecretError::Missing {
        name: "intake".into(),
    };
    for secret in [
        Fixed(Err(missing)),
        Fixed(Ok(Vec::new())),
        Fixed(Ok(vec![(KEY, "short".to_owned())])),
    ] {
        let sent = sent(secret, &way(ConnectorType::Webhook), &one(page("a"))).await;
        assert_eq!(link(sent.first()), None);
        assert_eq!(sent.first().ticket.name, "a");
    }
}

/// An API server that never answers.
struct Hangs;

#[async_trait]
impl SecretSource for Hangs {
    async fn get(&self, _: &str, _: &str) -> Result<Arc<SecretValues>, SecretError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_waits_for_its_link_no_longer_than_a_moment() {
    let begun = tokio::time::Instant::now();
    let sent = sent(Hangs, &way(ConnectorType::Webhook), &one(page("a"))).await;
    assert_eq!(link(sent.first()), None);
    assert!(begun.elapsed() <= Duration::from_secs(1));
}
