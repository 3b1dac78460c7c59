//! api.md section 5, row "Acknowledgement revoked or expired".

use super::{condition, response, told};
use crate::world::{acknowledge, at, example, pages, resolve};
use firebell::api::{ConditionStatus, Phase, StartReason, TargetState};
use firebell::testkit::model::Model;

fn ids(model: &Model) -> Vec<&str> {
    model.received.iter().map(|got| got.id.as_str()).collect()
}

#[test]
fn a_revoked_acknowledgement_starts_the_chain_again_with_fresh_ids() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    model.edit_at(at("10:08"), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.revoked = true;
        }
    });
    model.run_until(at("10:09"));
    assert_eq!(
        pages(&model),
        ["10:00 on-call round 1", "10:08 on-call round 2"]
    );
    let escalation = model.status().escalation.unwrap();
    assert_eq!(escalation.start_reason, Some(StartReason::Revoked));
    let mut unique = ids(&model);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), model.received.len());
}

fn revoke(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "acknowledgement", |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.revoked = true;
        }
    });
}

fn renew(model: &mut Model, clock: &str) {
    let token = clock.to_owned();
    model.edit_at(at(clock), "acknowledgement", move |spec| {
        if let Some(block) = spec.acknowledgement.as_mut() {
            block.token = Some(token.clone());
        }
    });
}

#[test]
fn the_condition_gives_the_reason_revoked_or_expired() {
    let mut revoked = example();
    acknowledge(&mut revoked, "10:02");
    revoke(&mut revoked, "10:08");
    revoked.run_until(at("10:09"));
    let mut expired = example();
    acknowledge(&mut expired, "10:02");
    expired.run_until(at("10:33"));
    for (model, reason) in [(&revoked, "Revoked"), (&expired, "Expired")] {
        let known = condition(model, "Acknowledged").unwrap();
        assert_eq!(
            (known.status, known.reason.as_str()),
            (ConditionStatus::False, reason)
        );
        assert_eq!(model.status().phase, Some(Phase::Submitted));
    }
}

#[test]
fn the_met_response_target_stays_met() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    revoke(&mut model, "10:08");
    model.run_until(at("10:30"));
    assert_eq!(response(&model).state, TargetState::Met);
    assert_eq!(response(&model).met_time.unwrap().0, at("10:02"));
}

#[test]
fn removing_the_block_revokes_it_too() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    model.edit_at(at("10:08"), "acknowledgement", |spec| {
        spec.acknowledgement = None;
    });
    model.run_until(at("10:09"));
    assert_eq!(pages(&model).last().unwrap(), "10:08 on-call round 2");
}

#[test]
fn a_changed_block_renews_it() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    renew(&mut model, "10:20");
    model.run_until(at("10:49"));
    assert_eq!(pages(&model)[1..], ["10:45 director round 1"]);
    assert_eq!(
        model.status().acknowledge_expiry_time.unwrap().0,
        at("10:50")
    );
    model.run_until(at("10:51"));
    assert_eq!(pages(&model)[2..], ["10:50 on-call round 2"]);
}

#[test]
fn an_expired_block_does_not_count_again_until_it_changes() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    renew(&mut model, "10:36");
    model.run_until(at("10:33"));
    assert!(model.status().handled.get("acknowledgement").unwrap().void);
    model.run_until(at("10:40"));
    assert_eq!(model.status().phase, Some(Phase::Acknowledged));
    assert_eq!(told(&model, "Expired"), 1);
}

#[test]
fn a_resolved_ticket_expires_and_revokes_nothing() {
    let mut model = example();
    acknowledge(&mut model, "10:02");
    resolve(&mut model, "10:04");
    revoke(&mut model, "10:08");
    model.run_until(at("11:00"));
    assert_eq!(pages(&model).len(), 1);
    assert_eq!((told(&model, "Revoked"), told(&model, "Expired")), (0, 0));
}
