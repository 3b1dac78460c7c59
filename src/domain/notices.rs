//! Notices: what people are told besides pages, armed by the write that makes them true.
//!
//! Rules: `policy.communication.notifyOn`, `api.md` section 5 "Acknowledged", section 6 (kinds of notices).

use super::deliveries;
use super::delivery::{DeliveryId, Target};
use super::draft::Draft;
use crate::api::{DeliveryRecord, DeliveryState, NotifyOn, NotifyTarget, Time};

/// Tells those whom the policy names for this word.
pub fn tell_all(draft: &mut Draft<'_>, word: NotifyOn, cause: Option<&str>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let Some(communication) = &policy.spec().communication else {
        return;
    };
    if communication.notify_on.contains(&word) {
        notify(draft, &format!("{word:?}"), &communication.notify, cause);
    }
}

/// Tells everybody who was paged in this round that somebody has acknowledged; not the one who did.
pub fn acknowledged(draft: &mut Draft<'_>, by: &str) {
    tell_all(draft, NotifyOn::Acknowledged, Some(by));
    let round = draft.escalation_round();
    let own = draft
        .people()
        .and_then(|people| people.contact_of_user(by))
        .map(Target::Contact);
    let paged: Vec<Target> = draft
        .status
        .deliveries
        .iter()
        .filter(|known| known.kind.is_none() && known.round == round && reached(known.state))
        .filter_map(|known| Target::parse(&known.target))
        .filter(|target| own.as_ref() != Some(target))
        .collect();
    for target in paged {
        arm(draft, "AcknowledgedBy", &target, by);
    }
}

fn reached(state: DeliveryState) -> bool {
    match state {
        DeliveryState::Sending | DeliveryState::Delivered | DeliveryState::Unknown => true,
        DeliveryState::Armed | DeliveryState::Failed | DeliveryState::Cancelled => false,
    }
}

/// Tells those whom the policy names for an exhausted chain.
pub fn exhausted(draft: &mut Draft<'_>) {
    let Some(policy) = draft.policy.clone() else {
        return;
    };
    let (_, targets) = policy.on_exhausted();
    notify(draft, "Exhausted", targets, None);
}

fn notify(draft: &mut Draft<'_>, kind: &str, notify: &[NotifyTarget], cause: Option<&str>) {
    let now = draft.now;
    let targets = draft
        .people()
        .map(|people| people.expand(notify, now))
        .unwrap_or_default();
    for target in targets {
        arm(draft, kind, &target, cause.unwrap_or_default());
    }
}

fn arm(draft: &mut Draft<'_>, kind: &str, target: &Target, cause: &str) {
    let round = draft.escalation_round();
    let now = draft.now;
    let cause = format!(
        "{cause}@{}",
        draft
            .status
            .handled
            .values()
            .map(|known| known.time.0)
            .max()
            .unwrap_or(now)
    );
    let id = DeliveryId::of(&draft.key().uid, round, kind, &cause, target);
    deliveries::arm(
        draft,
        DeliveryRecord {
            id: id.to_string(),
            round,
            step: None,
            kind: Some(kind.to_owned()),
            repeat: None,
            cause: None,
            target: target.to_string(),
            state: DeliveryState::Armed,
            attempts: None,
            time: Time(now),
            message: None,
            count: None,
        },
    );
}
