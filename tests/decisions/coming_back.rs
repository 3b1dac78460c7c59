//! What is taken back and what comes back: each is told by its own word (api.md section 5 "Reopened"; section 2.1).

use firebell::api::{
    Assignment, ClosureReason, DuplicateRef, Phase, SignalState, TargetState, Triage, Validation,
    ValidationResult,
};
use firebell::domain::observed::Parent;
use firebell::testkit::model::Model;

use crate::world::{EXAMPLE, at, close, example, resolve, says, with_policy};

/// What the timeline says under this word: clock, message.
fn told(model: &Model, kind: &str) -> Vec<(String, String)> {
    let timeline = model.status().timeline.into_iter();
    let told = timeline.filter(|told| told.kind == kind);
    told.map(|told| {
        let clock = told.time.0.strftime("%H:%M").to_string();
        (clock, told.message)
    })
    .collect()
}

/// Names another open ticket, or takes that back.
fn duplicate(model: &mut Model, clock: &str, is: bool) {
    model.others.parent = Some(Parent {
        uid: "p".into(),
        open: true,
        root: None,
    });
    model.edit_at(at(clock), "duplicateOf", move |spec| {
        spec.duplicate_of = is.then(|| DuplicateRef {
            name: "other".into(),
        });
    });
}

fn unresolved(model: &mut Model, clock: &str) {
    model.edit_at(at(clock), "resolution", |spec| spec.resolution = None);
}

type Happens = fn(&mut Model);

#[test]
fn a_reopened_ticket_says_what_brought_it_back() {
    let signal = format!("{EXAMPLE}signal: {{onResolved: Resolve, resolveAfter: 1m}}\n");
    let rows: [(&str, Happens); 5] = [
        ("the resolution was taken back", |model| {
            resolve(model, "10:02");
            unresolved(model, "10:05");
        }),
        ("the resolution was rejected", |model| {
            resolve(model, "10:02");
            model.edit_at(at("10:05"), "validation", |spec| {
                spec.validation = Some(Validation {
                    result: ValidationResult::Rejected,
                    by: "dora".into(),
                    ..Validation::default()
                });
            });
        }),
        ("the source fires again", |model| {
            says(model, "10:01", SignalState::Firing);
            says(model, "10:02", SignalState::Resolved);
            says(model, "10:05", SignalState::Firing);
        }),
        ("the closure was taken back", |model| {
            close(model, "10:02", ClosureReason::Cancelled);
            model.edit_at(at("10:05"), "closure", |spec| spec.closure = None);
        }),
        ("it is no duplicate any more", |model| {
            duplicate(model, "10:02", true);
            duplicate(model, "10:05", false);
        }),
    ];
    for (words, happens) in rows {
        let mut model = with_policy(&signal);
        happens(&mut model);
        model.run_until(at("10:06"));
        let message = format!("Reopened: {words}; a new round of the chain starts");
        assert_eq!(told(&model, "Reopened"), [("10:05".to_owned(), message)]);
    }
}

#[test]
fn a_resolution_from_before_the_ticket_was_a_duplicate_stands_and_can_still_be_taken_back() {
    let mut model = example();
    resolve(&mut model, "10:02");
    duplicate(&mut model, "10:03", true);
    duplicate(&mut model, "10:04", false);
    model.run_until(at("10:05"));
    assert_eq!(model.status().phase, Some(Phase::Resolved));
    unresolved(&mut model, "10:06");
    model.run_until(at("10:07"));
    assert_eq!(model.status().phase, Some(Phase::Submitted));
    let words = told(&model, "Reopened");
    assert!(
        words[0].1.ends_with("it is resolved as before"),
        "{words:?}"
    );
    assert_eq!(words.len(), 2);
}

#[test]
fn a_duplicate_whose_resolution_is_taken_back_has_met_no_resolution_target() {
    let text = EXAMPLE.replace("level: High,", "level: High, resolutionTarget: 1h,");
    let mut model = with_policy(&text);
    resolve(&mut model, "10:02");
    duplicate(&mut model, "10:03", true);
    unresolved(&mut model, "10:04");
    model.run_until(at("10:05"));
    let clock = model.status().targets.unwrap().resolution;
    assert_eq!((clock.met_time, clock.state), (None, TargetState::Paused));
}

#[test]
fn triage_and_assignment_are_told_when_they_come_and_when_they_go() {
    let mut model = example();
    model.edit_at(at("10:02"), "triage", |spec| {
        spec.triage = Some(Triage {
            by: "alice".into(),
            ..Triage::default()
        });
    });
    model.edit_at(at("10:03"), "assignment", |spec| {
        spec.assignment = Some(Assignment {
            assignee: "bob".into(),
            by: "alice".into(),
            note: None,
        });
    });
    model.edit_at(at("10:04"), "triage", |spec| spec.triage = None);
    model.edit_at(at("10:05"), "assignment", |spec| spec.assignment = None);
    model.run_until(at("10:06"));
    for (kind, clock, message) in [
        ("Triaged", "10:02", "Triaged"),
        ("Assigned", "10:03", "Assigned to bob"),
        ("TriageRemoved", "10:04", "`spec.triage` was removed"),
        (
            "AssignmentRemoved",
            "10:05",
            "`spec.assignment` was removed",
        ),
    ] {
        let said = (clock.to_owned(), message.to_owned());
        assert_eq!(told(&model, kind), [said]);
    }
}

#[test]
fn a_ticket_without_duplicates_counts_none() {
    let mut model = example();
    model.run_until(at("10:01"));
    assert_eq!(model.status().duplicates, None);
    model.others.duplicates = 1;
    model.run_until(at("10:02"));
    assert_eq!(model.status().duplicates, Some(1));
    model.others.duplicates = 0;
    model.run_until(at("10:03"));
    assert_eq!(model.status().duplicates, None);
}
