//! Which RCA counts for a ticket, where several name it.

use std::cmp::Reverse;

use crate::api::{Rca, RcaPhase, TicketRef};
use crate::domain::observed::RcaFacts;

/// Whether a reference means the ticket of that name and uid.
pub fn means(named: &TicketRef, name: &str, uid: &str) -> bool {
    named.name == name && named.uid.as_deref().is_none_or(|known| known == uid)
}

/// The RCA that counts for a ticket: of those that name it the one that has come furthest; one that is waived only
/// where there is no other, so that a second one can be put aside.
pub fn covering<'a>(
    rcas: impl Iterator<Item = &'a Rca>,
    ticket: &str,
    uid: &str,
) -> Option<RcaFacts> {
    let covers = |rca: &&Rca| {
        let mut named = rca.spec.ticket_refs.iter();
        rca.metadata.deletion_timestamp.is_none() && named.any(|named| means(named, ticket, uid))
    };
    let phase = |rca: &Rca| {
        rca.status
            .as_ref()
            .and_then(|status| status.phase)
            .unwrap_or_default()
    };
    let worth = |rca: &&Rca| {
        let phase = phase(rca);
        let name = rca.metadata.name.clone();
        (phase != RcaPhase::Waived, phase, Reverse(name))
    };
    let rca = rcas.filter(covers).max_by_key(worth)?;
    let approved = rca.spec.approval.as_ref().map(|approval| &approval.by);
    let waived = rca.spec.waiver.as_ref().map(|waiver| &waiver.by);
    Some(RcaFacts {
        name: rca.metadata.name.clone().unwrap_or_default(),
        phase: phase(rca),
        by: waived.or(approved).cloned(),
        knowledge: rca.spec.knowledge.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Approval, RcaStatus, Waiver};

    fn rca(name: &str, uid: Option<&str>, phase: RcaPhase) -> Rca {
        let mut rca = Rca::new(name, crate::api::RcaSpec::default());
        rca.spec.ticket_refs = vec![TicketRef {
            name: "checkout".to_owned(),
            uid: uid.map(str::to_owned),
        }];
        rca.status = Some(RcaStatus {
            phase: Some(phase),
            ..RcaStatus::default()
        });
        rca
    }

    fn counts(rcas: &[Rca]) -> Option<String> {
        covering(rcas.iter(), "checkout", "u").map(|facts| facts.name)
    }

    #[test]
    fn the_one_that_has_come_furthest_counts_then_the_first_by_name() {
        let draft = rca("a", None, RcaPhase::Draft);
        let other = rca("c", Some("u"), RcaPhase::Draft);
        let review = rca("b", Some("u"), RcaPhase::InReview);
        assert_eq!(counts(&[other.clone(), draft.clone()]).unwrap(), "a");
        assert_eq!(counts(&[other, draft, review]).unwrap(), "b");
        assert_eq!(counts(&[]), None);
    }

    #[test]
    fn a_waived_one_counts_only_where_there_is_no_other() {
        let waived = rca("a", None, RcaPhase::Waived);
        let draft = rca("b", None, RcaPhase::Draft);
        assert_eq!(counts(&[waived.clone(), draft]).unwrap(), "b");
        assert_eq!(counts(&[waived]).unwrap(), "a");
    }

    #[test]
    fn one_about_another_ticket_of_that_name_and_one_that_is_being_deleted_do_not_count() {
        let of_another = rca("a", Some("v"), RcaPhase::Approved);
        let mut deleted = rca("b", None, RcaPhase::Approved);
        let time = serde_json::from_value(serde_json::json!("2026-03-02T10:00:00Z"));
        deleted.metadata.deletion_timestamp = time.unwrap();
        assert_eq!(counts(&[of_another, deleted]), None);
    }

    #[test]
    fn whoever_approved_or_waived_it_is_told() {
        let mut approved = rca("a", None, RcaPhase::Approved);
        let (by, note) = ("carol".to_owned(), None);
        approved.spec.approval = Some(Approval { by, note });
        let by = |rca: &Rca| covering([rca].into_iter(), "checkout", "u").unwrap().by;
        assert_eq!(by(&approved).as_deref(), Some("carol"));
        let (reason, name) = ("a drill".to_owned(), "dave".to_owned());
        approved.spec.waiver = Some(Waiver { by: name, reason });
        assert_eq!(by(&approved).as_deref(), Some("dave"));
    }
}
