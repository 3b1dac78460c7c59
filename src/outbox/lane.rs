//! A lane per destination: what waits for it, most urgent first, how many tries run at once, how fast, and what leaves
//! together.
//!
//! Lanes share nothing, so a dead receiver slows nobody else. Bundles form when more than 50 messages to one address
//! are due together, or several are due after a downtime (api.md section 6), or several had to wait for a token.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::api::{ConnectorType, Severity};
use crate::domain::telling::audience;
use crate::domain::telling::delivery::{Delivery, DeliveryId, Way};
use crate::outbox::breaker::{Admission, Breaker};
use crate::outbox::pace::Pace;

/// A lane from which nothing left for so long does not move.
const STALL: Duration = Duration::from_millis(250);
/// More than so many messages to one address that are due together leave as bundles.
const MANY: usize = 50;
/// A bundle holds so many at most.
const BUNDLE_MOST: usize = 100;
/// An empty lane looks so often for what is set aside.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is kept back no longer than this is worth waiting for.
const MOMENT: Duration = Duration::from_secs(2);
/// Connections that a mail server is asked for at once.
const MAIL_CONNECTIONS: usize = 4;

/// A destination: connector and, where its limits are narrower, host or channel. What stands only in a Secret is not
/// known here; the connector names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneKey {
    namespace: String,
    connector: String,
    type_: ConnectorType,
    place: String,
}

impl LaneKey {
    /// The lane of a way.
    pub(super) fn of(way: &Way) -> Self {
        let connector = &way.connector;
        let host = |url: &Option<String>| {
            let url = Url::parse(url.as_deref()?.trim()).ok()?;
            url.host_str().map(str::to_owned)
        };
        let place = match connector.type_ {
            ConnectorType::Webhook => host(&connector.address),
            ConnectorType::Slack => connector.address.clone(),
            ConnectorType::Email => host(&connector.server),
            ConnectorType::MSTeams | ConnectorType::PagerDuty => None,
        };
        Self {
            namespace: way.namespace.clone(),
            connector: connector.name.clone(),
            type_: connector.type_,
            place: place.unwrap_or_default(),
        }
    }

    /// The kind of service.
    pub(super) fn type_(&self) -> ConnectorType {
        self.type_
    }

    /// Tries that may run at once, where `usual` is the usual number.
    pub(super) fn concurrency(&self, usual: usize) -> usize {
        let most = match self.type_ {
            ConnectorType::Email => usual.min(MAIL_CONNECTIONS),
            ConnectorType::Webhook
            | ConnectorType::Slack
            | ConnectorType::MSTeams
            | ConnectorType::PagerDuty => usual,
        };
        most.max(1)
    }
}

/// Whether several messages can leave as one by this kind of service. Where each ticket is an incident
/// of its own they cannot.
pub(super) fn bundles(type_: ConnectorType) -> bool {
    match type_ {
        ConnectorType::Webhook
        | ConnectorType::Slack
        | ConnectorType::MSTeams
        | ConnectorType::Email => true,
        ConnectorType::PagerDuty => false,
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
    /// Who can be told together: same address, same audience. `None` = it leaves by itself.
    company: Option<Arc<str>>,
    /// It was late when it was handed over.
    late: bool,
}

impl Place {
    /// The place of `delivery` on `way` at its `turn`; `alone` where it must not be bundled.
    pub(super) fn new(
        delivery: &Delivery,
        way: &Way,
        uid: Arc<str>,
        turn: u64,
        (late, alone): (bool, bool),
    ) -> Self {
        let company = (!alone && bundles(way.connector.type_)).then(|| {
            let audience = audience::of_way(&delivery.target, way);
            let address = way.connector.address.as_deref().unwrap_or_default();
            format!("{audience:?} {address}").into()
        });
        Self {
            severity: delivery.severity,
            due: delivery.due,
            turn,
            uid,
            id: delivery.id.clone(),
            company,
            late,
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

/// How many wait for one address.
#[derive(Clone, Copy, Debug, Default)]
struct Company {
    all: usize,
    late: usize,
}

/// What waits for one destination, and what is known of it.
#[derive(Debug)]
pub(super) struct Lane {
    places: BTreeSet<Place>,
    /// Places of what was set aside, those of deliveries that were cancelled since included.
    aside: BTreeSet<Place>,
    companies: HashMap<Arc<str>, Company>,
    pub(super) workers: usize,
    pub(super) breaker: Breaker,
    pace: Option<Pace>,
    /// The receiver asked to be left alone until then.
    quiet_until: Option<Instant>,
    /// The timer that will look at it.
    pub(super) wakes: Option<(Instant, u64)>,
    /// Nothing may leave before that timer, or before the probe's answer.
    pub(super) shut: bool,
    /// Something had to wait for a token.
    short: bool,
    /// When something left it last.
    pub(super) moved: Option<Instant>,
}

impl Lane {
    /// An empty lane.
    pub(super) fn new(key: &LaneKey, now: Instant) -> Self {
        Self {
            places: BTreeSet::new(),
            aside: BTreeSet::new(),
            companies: HashMap::new(),
            workers: 0,
            breaker: Breaker::default(),
            pace: Pace::of(key.type_, now),
            quiet_until: None,
            wakes: None,
            shut: false,
            short: false,
            moved: None,
        }
    }

    /// So many places are taken, those of deliveries that were cancelled included.
    pub(super) fn waiting(&self) -> usize {
        self.places.len()
    }

    /// All that wait.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }

    /// Takes a place in.
    pub(super) fn push(&mut self, place: Place) {
        self.count(&place, |company| {
            company.all += 1;
            company.late += usize::from(place.late);
        });
        self.places.insert(place);
    }

    /// Gives the least urgent place out if more than `most` are taken.
    pub(super) fn overflow(&mut self, most: usize) -> Option<Place> {
        if self.places.len() <= most {
            return None;
        }
        let place = self.places.pop_first()?;
        self.leave(&place);
        Some(place)
    }

    /// Remembers the place of what is set aside.
    pub(super) fn set_aside(&mut self, place: Place) {
        self.aside.insert(place);
    }

    /// The most urgent of what was set aside, as many as there is room for once half of `most` has left.
    pub(super) fn recall(&mut self, most: usize) -> Vec<Place> {
        let waiting = self.places.len();
        if self.aside.is_empty() || waiting > most / 2 {
            return Vec::new();
        }
        let room = most.saturating_sub(waiting).max(1);
        std::iter::from_fn(|| self.aside.pop_last())
            .take(room)
            .collect()
    }

    /// Gives the first place out.
    pub(super) fn pop(&mut self) -> Option<Place> {
        let place = self.places.pop_last()?;
        self.leave(&place);
        Some(place)
    }

    fn leave(&mut self, place: &Place) {
        self.count(place, |company| {
            company.all = company.all.saturating_sub(1);
            company.late = company.late.saturating_sub(usize::from(place.late));
        });
        if let Some(name) = &place.company
            && self.companies.get(name).is_some_and(|known| known.all == 0)
        {
            self.companies.remove(name);
        }
    }

    fn count(&mut self, place: &Place, change: impl FnOnce(&mut Company)) {
        if let Some(company) = &place.company {
            change(self.companies.entry(Arc::clone(company)).or_default());
        }
    }

    /// Whether a try may be made now. A token is taken where it may; the flag says that something had to wait for it.
    pub(super) fn admit(&mut self, now: Instant) -> Result<bool, Admission> {
        if let Some(until) = self.quiet_until.filter(|until| *until > now) {
            return Err(Admission::At(until));
        }
        self.quiet_until = None;
        if let Some(pace) = &mut self.pace
            && !self.breaker.is_open(now)
            && let Err(at) = pace.take(now)
        {
            self.short = true;
            return Err(Admission::At(at));
        }
        match self.breaker.admit(now) {
            Admission::Now => Ok(std::mem::take(&mut self.short)),
            wait @ (Admission::At(_) | Admission::AfterProbe) => Err(wait),
        }
    }

    /// Those that leave together with `first`, which has been given out.
    pub(super) fn companions(&mut self, first: &Place, waited: bool) -> Vec<Place> {
        let Some(name) = &first.company else {
            return Vec::new();
        };
        let others = self.companies.get(name).copied().unwrap_or_default();
        let many = others.all >= MANY || (waited && others.all > 0);
        let late = first.late && others.late > 0;
        if !many && !late {
            return Vec::new();
        }
        let together = |place: &&Place| place.company == first.company && (many || place.late);
        let with = self.places.iter().rev().filter(together);
        let with: Vec<Place> = with.take(BUNDLE_MOST - 1).cloned().collect();
        for place in &with {
            self.places.remove(place);
            self.leave(place);
        }
        with
    }

    /// The receiver asks to be left alone. Says nothing about whether it works.
    pub(super) fn keep_quiet(&mut self, until: Instant) {
        self.quiet_until = self.quiet_until.max(Some(until));
    }

    /// Whether tries are kept back for longer than a moment.
    pub(super) fn is_blocked(&self, now: Instant) -> bool {
        self.breaker.is_open(now) || self.is_quiet(now)
    }

    /// Whether the receiver wants to be left alone for longer than a moment.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        self.quiet_until.is_some_and(|until| until > now + MOMENT)
    }

    /// What keeps tries back, for people.
    pub(super) fn trouble(&self, now: Instant) -> String {
        if self.breaker.is_open(now) {
            let failures = self.breaker.failures();
            format!("not tried, since the last {failures} tries to this receiver failed")
        } else {
            "not tried, since the receiver asked to be left alone".to_owned()
        }
    }

    /// From when on nothing of an idle lane is to be remembered; `None` = it is not idle. What is set aside in it is
    /// called back at that moment.
    pub(super) fn forgettable(&self, now: Instant) -> Option<Instant> {
        let idle = self.places.is_empty() && self.workers == 0;
        let full = self.pace.as_ref().map(Pace::full);
        let aside = (!self.aside.is_empty()).then(|| now + LOOK_AGAIN);
        let until = [full, self.quiet_until, self.breaker.settles(), aside];
        idle.then(|| until.into_iter().flatten().max().unwrap_or(now))
    }

    /// Whether something waits in it that will leave shortly.
    pub(super) fn is_rushing(&self, now: Instant) -> bool {
        let moves = |last| now.saturating_duration_since(last) < STALL;
        !self.places.is_empty() && self.moved.is_none_or(moves)
    }
}

#[cfg(test)]
mod tests;
