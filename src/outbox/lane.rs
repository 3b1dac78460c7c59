//! A lane per destination: what waits for it, most urgent first, and how many tries run at once.
//!
//! Lanes share nothing, so a dead receiver slows nobody else. A breaker and bundles will live here.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::api::Severity;
use crate::domain::delivery::{Delivery, DeliveryId, Way};

/// A lane from which nothing left for so long does not move.
const STALL: Duration = Duration::from_millis(250);

/// A destination: connector and host. A host that stands only in a Secret is not known here; the connector names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneKey {
    namespace: String,
    connector: String,
    host: String,
}

impl LaneKey {
    /// The lane of a way.
    pub(super) fn of(way: &Way) -> Self {
        let host = way
            .connector
            .address
            .as_deref()
            .and_then(|address| Url::parse(address.trim()).ok());
        let host = host
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        Self {
            namespace: way.namespace.clone(),
            connector: way.connector.name.clone(),
            host,
        }
    }
}

/// A place in a lane. It stands for its delivery only while the delivery's turn is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    severity: Severity,
    due: Timestamp,
    pub(super) turn: u64,
    pub(super) uid: Arc<str>,
    pub(super) id: DeliveryId,
}

impl Place {
    /// The place of `delivery` at its `turn`.
    pub(super) fn new(delivery: &Delivery, uid: Arc<str>, turn: u64) -> Self {
        Self {
            severity: delivery.severity,
            due: delivery.due,
            turn,
            uid,
            id: delivery.id.clone(),
        }
    }
}

impl Ord for Place {
    /// Greatest = first: most severe, then earliest due, then first come.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |place: &Self| (place.severity, Reverse(place.due), Reverse(place.turn));
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What waits for one destination, and how many workers serve it.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) places: BinaryHeap<Place>,
    pub(super) workers: usize,
    /// When something left it last.
    pub(super) moved: Option<Instant>,
}

impl Lane {
    /// Whether something waits in it that will leave shortly.
    pub(super) fn is_rushing(&self, now: Instant) -> bool {
        let moves = |last| now.saturating_duration_since(last) < STALL;
        !self.places.is_empty() && self.moved.is_none_or(moves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Connector;

    fn place(severity: Severity, due: i64, turn: u64) -> Place {
        let due = Timestamp::from_second(due).unwrap();
        Place {
            severity,
            due,
            turn,
            uid: "u".into(),
            id: DeliveryId::from_stored("x"),
        }
    }

    #[test]
    fn the_most_severe_leaves_first_then_the_earliest_due_then_the_first_come() {
        let mut lane = Lane::default();
        lane.places.extend([
            place(Severity::Low, 1, 1),
            place(Severity::Critical, 9, 2),
            place(Severity::High, 5, 4),
            place(Severity::High, 5, 3),
            place(Severity::High, 4, 5),
        ]);
        let order: Vec<u64> = std::iter::from_fn(|| lane.places.pop())
            .map(|place| place.turn)
            .collect();
        assert_eq!(order, [2, 5, 3, 4, 1]);
    }

    #[test]
    fn a_lane_is_a_connector_of_a_namespace_and_a_host() {
        let lane = |namespace: &str, name: &str, address: &str| {
            let connector = Connector {
                name: name.into(),
                address: Some(address.into()),
                ..Connector::default()
            };
            LaneKey::of(&Way {
                namespace: namespace.into(),
                connector,
            })
        };
        let base = lane("team", "room", "https://a.example/x");
        assert_eq!(base, lane("team", "room", "https://A.example:8443/y"));
        assert_ne!(base, lane("team", "room", "https://b.example/x"));
        assert_ne!(base, lane("team", "phone", "https://a.example/x"));
        assert_ne!(base, lane("other", "room", "https://a.example/x"));
        assert_eq!(
            lane("team", "room", "alice@example.org"),
            lane("team", "room", "#ops")
        );
    }
}
