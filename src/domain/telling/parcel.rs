//! What leaves as one: a delivery, or several to one address in a bundle.
//!
//! Rule: api.md section 6, "Webhook body": a bundle's id comes from those of its members, so the same members make the
//! same bundle in every process.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::audience::{Shown, ShownData, shown};
use super::delivery::{Delivery, DeliveryId, Way, hex32};

/// One delivery or several.
#[derive(Clone, Debug)]
pub struct Parcel {
    first: Arc<Delivery>,
    others: Vec<Arc<Delivery>>,
}

impl Parcel {
    /// One delivery by itself.
    pub fn one(delivery: Arc<Delivery>) -> Self {
        Self::of(delivery, Vec::new())
    }

    /// The most urgent one, and others that go with it.
    pub fn of(first: Arc<Delivery>, others: Vec<Arc<Delivery>>) -> Self {
        Self { first, others }
    }

    /// The most urgent one.
    pub fn first(&self) -> &Delivery {
        &self.first
    }

    /// All, the most urgent first.
    pub fn members(&self) -> impl Iterator<Item = &Delivery> {
        std::iter::once(&*self.first).chain(self.others.iter().map(|other| &**other))
    }

    /// Whether it holds more than one.
    pub fn is_bundle(&self) -> bool {
        !self.others.is_empty()
    }

    /// The same with some of its deliveries changed: `None` leaves one as it is.
    #[must_use]
    pub fn with(&self, change: impl Fn(&Delivery) -> Option<Delivery>) -> Self {
        let changed =
            |member: &Arc<Delivery>| change(member).map_or_else(|| member.clone(), Arc::new);
        Self {
            first: changed(&self.first),
            others: self.others.iter().map(changed).collect(),
        }
    }

    /// The delivery's own id; of a bundle, the first 32 hex digits of SHA-256 over its members' sorted ids, joined by
    /// line breaks.
    pub fn id(&self) -> DeliveryId {
        if !self.is_bundle() {
            return self.first.id.clone();
        }
        let mut ids: Vec<&str> = self.members().map(|member| member.id.as_str()).collect();
        ids.sort_unstable();
        DeliveryId::from_stored(&hex32(ids.join("\n").as_bytes()))
    }

    /// The documented body, with what may be shown on a way.
    pub fn body<'p>(&'p self, way: &Way) -> Body<'p> {
        if !self.is_bundle() {
            return Body::One(shown(&self.first, way));
        }
        let items = self.members().map(|member| shown(member, way).data());
        Body::Bundle(Bundle {
            kind: "firebell.bundle.v1",
            timestamp: self
                .members()
                .map(|member| member.message.timestamp)
                .max()
                .unwrap_or(self.first.message.timestamp),
            data: Items {
                items: items.collect(),
            },
        })
    }
}

/// A body as api.md section 6 has it.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Body<'p> {
    /// Of one delivery.
    One(Shown<'p>),
    /// Of several.
    Bundle(Bundle<'p>),
}

/// The body of several.
#[derive(Clone, Debug, Serialize)]
pub struct Bundle<'p> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Items<'p>,
}

#[derive(Clone, Debug, Serialize)]
struct Items<'p> {
    items: Vec<ShownData<'p>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Connector;
    use crate::testkit::deliveries::{page, ticket};

    fn delivery(name: &str, second: i64) -> Arc<Delivery> {
        let due = Timestamp::from_second(second).unwrap();
        Arc::new(page(ticket(name), "on-call", Vec::new(), due))
    }

    fn body(parcel: &Parcel) -> serde_json::Value {
        let way = Way {
            namespace: "shop".to_owned(),
            connector: Connector::default(),
        };
        serde_json::to_value(parcel.body(&way)).unwrap()
    }

    #[test]
    fn one_delivery_leaves_under_its_own_id_with_its_own_body() {
        let alone = delivery("a", 10);
        let parcel = Parcel::one(alone.clone());
        assert_eq!(parcel.id(), alone.id);
        assert_eq!(body(&parcel)["type"], "firebell.page.v1");
    }

    #[test]
    fn a_bundle_has_an_id_of_its_members_in_any_order_and_a_body_with_the_newest_time() {
        let (first, second) = (delivery("a", 10), delivery("b", 20));
        let bundle = Parcel::of(first.clone(), vec![second.clone()]);
        let other_way_round = Parcel::of(second.clone(), vec![first.clone()]);
        assert_eq!(bundle.id(), other_way_round.id());
        assert!(![&first.id, &second.id].contains(&&bundle.id()));
        let body = body(&bundle);
        assert_eq!(body["type"], "firebell.bundle.v1");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:20Z");
        let items = body["data"]["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|item| &item["ticket"]["name"]).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
