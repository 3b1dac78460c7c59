//! What is still to be learnt, counted for `/metrics`: RCAs, corrective actions, knowledge. By state and kind only:
//! owners are no closed set, so a monitoring system never sees them.

use std::collections::HashMap;

use super::view::View;
use crate::api::condition_type::OVERDUE;
use crate::api::{KnowledgeItem, RcaStatus};
use crate::domain::conditions;
use crate::metrics::Metrics;

/// Counts what stands in view.
pub fn measure(view: &View, metrics: &Metrics) {
    let (mut phases, mut actions) = (HashMap::new(), HashMap::new());
    let mut knowledge = HashMap::new();
    let (mut rcas_overdue, mut actions_overdue) = (0, 0);
    let mut count = |items: &[KnowledgeItem]| {
        for item in items {
            let words = (format!("{:?}", item.kind), format!("{:?}", item.state));
            *knowledge.entry(words).or_insert(0) += 1;
        }
    };
    view.tickets.each(|ticket| count(&ticket.spec.knowledge));
    view.rcas.each(|rca| {
        let nothing = RcaStatus::default();
        let status = rca.status.as_ref().unwrap_or(&nothing);
        let phase = format!("{:?}", status.phase.unwrap_or_default());
        *phases.entry(phase).or_insert(0) += 1;
        rcas_overdue += i64::from(conditions::holds(&status.conditions, OVERDUE));
        actions_overdue += status.actions.as_ref().map_or(0, |actions| actions.overdue);
        for action in &rca.spec.corrective_actions {
            *actions.entry(format!("{:?}", action.state)).or_insert(0) += 1;
        }
        count(&rca.spec.knowledge);
    });
    metrics.rcas(phases, rcas_overdue);
    metrics.actions(actions, actions_overdue);
    metrics.knowledge(knowledge);
}
