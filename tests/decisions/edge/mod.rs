//! The table of api.md section 5, one file per row, one test per sentence, named after it.

use crate::world::at;
use firebell::api::{
    Condition, ConditionStatus, Escalation, Severity, TargetClock, Validation, ValidationResult,
};
use firebell::testkit::model::Model;

mod acknowledged;
mod archived;
mod clock;
mod deleted;
mod downtime;
mod duplicate;
mod empty_step;
mod failed;
mod late_facts;
mod policy;
mod premise;
mod reopened;
mod requests;
mod revoked;
mod severity;
mod signal;
mod stable;

/// A person sets the severity.
fn judge(model: &mut Model, clock: &str, level: Severity) {
    model.edit_at(at(clock), "severity", move |spec| {
        spec.severity = Some(level);
    });
}

fn validate(model: &mut Model, clock: &str, result: ValidationResult) {
    model.edit_at(at(clock), "validation", move |spec| {
        let by = "customer".to_owned();
        spec.validation = Some(Validation {
            result,
            by,
            note: None,
            token: None,
        });
    });
}

/// Takes a block away.
fn take_back_resolution(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "resolution", |spec| spec.resolution = None);
}

/// The operator is down until then.
fn down_until(model: &mut Model, clock: &str) {
    model.down_until(at(clock));
}

fn escalation(model: &Model) -> Escalation {
    model.status().escalation.unwrap()
}

fn response(model: &Model) -> TargetClock {
    model.status().targets.unwrap().response
}

fn resolution(model: &Model) -> TargetClock {
    model.status().targets.unwrap().resolution
}

fn condition(model: &Model, type_: &str) -> Option<Condition> {
    let mut conditions = model.status().conditions.into_iter();
    conditions.find(|known| known.type_ == type_)
}

fn is_true(model: &Model, type_: &str) -> bool {
    condition(model, type_).is_some_and(|known| known.status == ConditionStatus::True)
}

/// How often something was told.
fn told(model: &Model, reason: &str) -> usize {
    let told = model.told.iter();
    told.filter(|told| told.reason == reason).count()
}
