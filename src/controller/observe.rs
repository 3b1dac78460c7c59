//! Gathers what a decision about a ticket sees.

use super::key::Key;
use super::view::View;
use crate::domain::observed::Observed;
use crate::outbox::Outbox;

/// Everything about one ticket at this moment; `None` when it is not there.
pub fn observe(view: &View, outbox: &Outbox, key: &Key) -> Option<Observed> {
    let held = view.tickets.get(key)?;
    let uid = held.ticket.metadata.uid.as_deref().unwrap_or_default();
    let mut others = view.tickets.others(key, &held.ticket);
    others.rca = view.rcas.covering(key, uid);
    others.earlier = view.earlier(key, &held.ticket);
    Some(Observed {
        policies: view.policies.index(),
        outbox: outbox.view(uid),
        others,
        first_seen: held.first_seen,
        remembered: held.remembered,
        ticket: held.ticket,
    })
}
