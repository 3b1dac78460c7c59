//! api.md section 5, row "Acknowledgement revoked or expired".

use crate::world::{acknowledge, at, example, pages};
use firebell::api::StartReason;
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
