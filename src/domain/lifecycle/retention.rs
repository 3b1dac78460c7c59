//! How long an archived ticket is kept: `policy.retention.closedTickets`, counted from its closing.
//!
//! The retention of the live policy counts, by its newest valid revision: whoever lengthens it keeps old tickets too,
//! and taking it away keeps them all. Of a policy that is gone the revision counts that the ticket is pinned to.
//! Without either, without a closing time, or not archived: kept. Rule: api.md section 3.

use jiff::Timestamp;

use crate::api::{Duration, Ticket};
use crate::domain::draft::after;
use crate::domain::policy::ValidPolicy;
use crate::domain::selection::PolicyIndex;

/// From when on a ticket is to be deleted; `None` = kept.
pub fn ends(ticket: &Ticket, policies: &PolicyIndex) -> Option<Timestamp> {
    let status = ticket.status.as_ref().filter(|status| status.archived)?;
    if ticket.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let pin = status.policy.as_ref()?;
    let key = (pin.namespace.clone(), pin.name.clone());
    let policy = if policies.policies.contains_key(&key) {
        policies.live(&pin.namespace, &pin.name)?.1
    } else {
        policies.pinned(pin)?
    };
    let kept_for = retention(policy)?;
    Some(after(status.close_time?.0, kept_for.to_signed()))
}

/// Whether there is a policy by which any ticket is ever deleted.
pub fn applies_anywhere(policies: &PolicyIndex) -> bool {
    policies
        .revisions
        .values()
        .any(|policy| retention(policy).is_some())
}

fn retention(policy: &ValidPolicy) -> Option<&Duration> {
    policy.spec().retention.as_ref()?.closed_tickets.as_ref()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::{EscalationPolicySpec, PolicyPin, Retention, TicketStatus, Time};
    use crate::domain::selection::LivePolicy;

    const DAY: i64 = 24 * 3600;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY).unwrap()
    }

    /// Closed at day 100, archived, pinned to revision `gold-1`.
    fn archived() -> Ticket {
        let status = TicketStatus {
            archived: true,
            close_time: Some(Time(at(100))),
            policy: Some(PolicyPin {
                name: "gold".to_owned(),
                namespace: "shop".to_owned(),
                revision: "gold-1".to_owned(),
                ..PolicyPin::default()
            }),
            ..TicketStatus::default()
        };
        let mut ticket = Ticket::new("old", crate::api::TicketSpec::default());
        ticket.status = Some(status);
        ticket
    }

    fn keeping(days: Option<i64>) -> Arc<ValidPolicy> {
        let spec = EscalationPolicySpec {
            retention: days.map(|days| Retention {
                closed_tickets: Some(Duration::from_millis(days * DAY * 1000)),
            }),
            ..EscalationPolicySpec::default()
        };
        Arc::new(ValidPolicy::check(spec).policy.unwrap())
    }

    /// Revisions `gold-1` and `gold-2`; `live` names the one of the live policy, if that exists.
    fn policies(first: Option<i64>, second: Option<i64>, live: Option<&str>) -> PolicyIndex {
        let of = |name: &str| ("shop".to_owned(), name.to_owned());
        let mut index = PolicyIndex::default();
        index.revisions.insert(of("gold-1"), keeping(first));
        index.revisions.insert(of("gold-2"), keeping(second));
        if let Some(revision) = live {
            let policy = LivePolicy {
                created: None,
                generation: 2,
                revision: Some(revision.to_owned()),
                suspend: None,
                suspend_seen: None,
            };
            index.policies.insert(of("gold"), policy);
        }
        index
    }

    #[test]
    fn the_live_policy_says_how_long_whatever_the_pinned_revision_said() {
        let ends = |first, second| ends(&archived(), &policies(first, second, Some("gold-2")));
        assert_eq!(ends(Some(1), Some(30)), Some(at(130)));
        assert_eq!(ends(None, Some(30)), Some(at(130)));
        assert_eq!(ends(Some(1), None), None, "taken away = kept");
    }

    #[test]
    fn of_a_policy_that_is_gone_the_pinned_revision_counts() {
        assert_eq!(ends(&archived(), &PolicyIndex::default()), None);
        let ends = |first, second| ends(&archived(), &policies(first, second, None));
        assert_eq!(ends(Some(7), Some(1)), Some(at(107)));
        assert_eq!(ends(None, Some(1)), None);
    }

    #[test]
    fn while_the_revision_of_a_live_policy_is_not_in_view_its_tickets_are_kept() {
        let index = policies(Some(7), None, Some("gold-3"));
        assert_eq!(ends(&archived(), &index), None);
    }

    #[test]
    fn only_archived_tickets_with_a_closing_time_that_nobody_deletes_yet() {
        let index = policies(Some(1), Some(1), Some("gold-2"));
        let changed = |change: fn(&mut Ticket)| {
            let mut ticket = archived();
            change(&mut ticket);
            ends(&ticket, &index)
        };
        assert_eq!(changed(|_| {}), Some(at(101)));
        assert_eq!(changed(|ticket| ticket.status = None), None);
        assert_eq!(
            changed(|ticket| ticket.status.get_or_insert_default().archived = false),
            None
        );
        assert_eq!(
            changed(|ticket| ticket.status.get_or_insert_default().close_time = None),
            None
        );
        assert_eq!(
            changed(|ticket| ticket.status.get_or_insert_default().policy = None),
            None
        );
        assert_eq!(
            changed(|ticket| {
                let time = serde_json::json!("2026-01-05T09:00:00Z");
                ticket.metadata.deletion_timestamp = serde_json::from_value(time).unwrap();
            }),
            None
        );
    }

    #[test]
    fn without_any_retention_nobody_has_to_look() {
        assert!(!applies_anywhere(&policies(None, None, Some("gold-2"))));
        assert!(applies_anywhere(&policies(Some(7), None, Some("gold-2"))));
    }
}
