//! Small standing tasks beside the engines: results that came in, objects in doubt, counts of users.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::key::Key;
use super::policy::{PolicyDesk, Tally, Use};
use super::rca::RcaDesk;
use super::ticket::TicketDesk;
use super::view::{Bells, Doubt, View, severity};
use crate::api::{Severity, Ticket};
use crate::clock::{Now, OperatorClock};
use crate::domain::selection::{PolicyIndex, PolicyKey};
use crate::domain::telling::delivery::TicketKey;

/// How often counts of users are taken: a policy's status is written at most once in it for a change of them.
const TALLY_EVERY: Duration = Duration::from_secs(10);

/// Passes results of deliveries on as looks at their tickets and RCAs.
pub async fn hear_reports(mut reports: mpsc::UnboundedReceiver<TicketKey>, view: Arc<View>) {
    while let Some(reported) = reports.recv().await {
        let key = Key::new(&reported.namespace, &reported.name);
        let rca = view.rcas.get(&key);
        if rca.is_some_and(|rca| rca.metadata.uid.as_ref() == Some(&reported.uid)) {
            view.trigger_rca(&key);
            continue;
        }
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
    rcas: Arc<RcaDesk>,
) {
    while let Some(doubt) = doubts.recv().await {
        match doubt {
            Doubt::Ticket(key) => {
                tickets.read_live(&key).await;
            }
            Doubt::Policy(key) => policies.read_live(&key).await,
            Doubt::Rca(key) => rcas.read_live(&key).await,
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
