//! What messages carry of people's own words: who did it, and what they said of it (api.md section 6).

use crate::hours::late_manager;
use crate::notices::told_everything;
use crate::world::{EXAMPLE, at, standing, with_policy};
use firebell::api::{
    Acknowledgement, Closure, ClosureReason, EscalationRequest, Hold, HoldReason, Resolution,
    Severity, Time, Triage, Validation, ValidationResult,
};
use firebell::domain::telling::delivery::{MessageData, Said};
use firebell::testkit::model::{Answer, Model};

/// The newest message of a kind to a recipient.
fn newest<'m>(model: &'m Model, kind: &str, to: &str) -> &'m MessageData {
    let mut received = model.received.iter().rev();
    let found = received.find(|got| got.kind == kind && got.to == to);
    &found.unwrap().delivery.message.data
}

fn by(person: &str, note: &str) -> Said {
    Said {
        by: Some(person.to_owned()),
        note: Some(note.to_owned()),
        ..Said::default()
    }
}

/// Everything that a person may say of a ticket, each with a note of its own.
fn a_story_with_notes() -> Model {
    let text =
        told_everything().replace("level: High,", "level: High, validation: {required: true},");
    let mut model = with_policy(&text);
    model.edit_at(at("10:02"), "triage+severity", |spec| {
        spec.severity = Some(Severity::Critical);
        spec.triage = Some(Triage {
            by: "bob".into(),
            note: Some("payments fail too".into()),
        });
    });
    model.edit_at(at("10:04"), "acknowledgement", |spec| {
        spec.acknowledgement = Some(Acknowledgement {
            by: "alice@example.com".into(),
            note: Some("looking".into()),
            ..Acknowledgement::default()
        });
    });
    model.edit_at(at("10:10"), "holds", |spec| {
        spec.holds = vec![Hold {
            name: "vendor".into(),
            reason: HoldReason::AwaitingVendor,
            until_time: Some(Time(at("10:20"))),
            by: "bob".into(),
            note: Some("case 4711".into()),
        }];
    });
    model.edit_at(at("10:25"), "resolution", |spec| {
        spec.resolution = Some(Resolution {
            by: "bob".into(),
            note: Some("rolled back".into()),
            ..Resolution::default()
        });
    });
    model.edit_at(at("10:30"), "validation", |spec| {
        spec.validation = Some(Validation {
            result: ValidationResult::Rejected,
            by: "customer".into(),
            note: Some("still broken".into()),
            token: None,
        });
    });
    model.edit_at(at("10:40"), "closure", |spec| {
        spec.closure = Some(Closure {
            by: "carol".into(),
            reason: ClosureReason::Cancelled,
            note: Some("the shop moves".into()),
            token: None,
            revoked: false,
        });
    });
    model
}

#[test]
fn each_notice_says_who_did_it_and_what_they_noted() {
    let mut model = a_story_with_notes();
    model.run_until(at("10:15"));
    assert_eq!(newest(&model, "Held", "room").said, by("bob", "case 4711"));
    model.run_until(at("11:00"));
    for (kind, wanted) in [
        ("Acknowledged", by("alice@example.com", "looking")),
        ("Resolved", by("bob", "rolled back")),
        ("Reopened", by("customer", "still broken")),
        ("Closed", by("carol", "the shop moves")),
    ] {
        assert_eq!(newest(&model, kind, "room").said, wanted, "{kind}");
    }
}

#[test]
fn a_notice_of_a_hold_carries_the_note_of_what_holds_the_ticket_and_none_once_nothing_does() {
    let mut model = a_story_with_notes();
    model.edit_at(at("10:12"), "holds", |spec| {
        spec.holds.push(Hold {
            name: "answer".into(),
            reason: HoldReason::AwaitingCustomer,
            until_time: Some(Time(at("10:16"))),
            by: "carol".into(),
            note: Some("asked for logs".into()),
        });
    });
    model.run_until(at("10:13"));
    let said = |model: &Model| newest(model, "Held", "room").said.clone();
    assert_eq!(said(&model), by("carol", "asked for logs"));
    model.run_until(at("10:17"));
    assert_eq!(said(&model), by("bob", "case 4711"), "the other goes on");
    model.run_until(at("10:21"));
    assert_eq!(said(&model), Said::default(), "both are over");
}

#[test]
fn each_notice_says_what_the_ticket_waits_for_then() {
    let mut model = a_story_with_notes();
    model.run_until(at("10:35"));
    for kind in ["Acknowledged", "Held", "Reopened"] {
        let next = newest(&model, kind, "room").next.as_ref().unwrap();
        assert!(next.what.starts_with("Waits for "), "{kind}: {next:?}");
    }
}

#[test]
fn a_page_says_what_is_expected_and_who_asked_for_it_where_somebody_did() {
    let text = EXAMPLE.replace(
        "- {name: manager,",
        "- {name: manager, expectation: \"Call the customer\",",
    );
    let mut model = with_policy(&text);
    model.edit_at(at("10:03"), "escalation", |spec| {
        spec.escalation = Some(EscalationRequest {
            at_least: Some("manager".into()),
            by: "dora".into(),
            note: Some("they call every minute".into()),
            ..EscalationRequest::default()
        });
    });
    model.run_until(at("10:04"));
    let wanted = Said {
        expectation: Some("Call the customer".to_owned()),
        ..by("dora", "they call every minute")
    };
    assert_eq!(newest(&model, "Page", "bob").said, wanted);
    assert_eq!(newest(&model, "Page", "alice").said, Said::default());
}

#[test]
fn a_notice_says_why_in_the_words_that_the_ticket_itself_shows() {
    let mut model = a_story_with_notes();
    model.run_until(at("10:05"));
    let acknowledged = standing(&model, "Acknowledged").unwrap();
    let why = &newest(&model, "Acknowledged", "room").why;
    assert_eq!(*why, format!("{acknowledged}."));
    model.run_until(at("10:15"));
    let why = &newest(&model, "Held", "room").why;
    assert!(
        why.starts_with("Held: hold \"vendor\" (AwaitingVendor) by bob"),
        "{why}"
    );
    model.run_until(at("10:21"));
    let why = &newest(&model, "Held", "room").why;
    assert!(
        why.starts_with("Released: hold \"vendor\" is over"),
        "{why}"
    );
}

#[test]
fn the_status_numbers_the_repeats_of_a_page_and_not_its_first() {
    let mut model = with_policy(EXAMPLE);
    for (clock, wanted) in [("10:01", None), ("10:06", Some(1)), ("10:11", Some(2))] {
        model.run_until(at(clock));
        let deliveries = model.status().deliveries;
        let mut of_step = deliveries.iter().rev();
        let newest = of_step.find(|known| known.step.as_deref() == Some("on-call"));
        assert_eq!(newest.unwrap().repeat, wanted, "{clock}");
    }
}

/// What each page says of itself and of what comes next: its time, whether it names a repeat, what, and when.
fn next_of(model: &Model) -> Vec<String> {
    let pages = model.received.iter().filter(|got| got.kind == "Page");
    let told = pages.map(|got| {
        let data = &got.delivery.message.data;
        let repeat = data.why.split(", ").find(|part| part.starts_with("repeat"));
        let next = data.next.as_ref().unwrap();
        let what = next.what.rsplit(": ").next().unwrap();
        let clock = |time: jiff::Timestamp| time.strftime("%H:%M").to_string();
        let until = next.time.map(clock).unwrap();
        format!(
            "{}{}: {what} {until}",
            clock(got.time),
            repeat.map_or_else(String::new, |repeat| format!(" {repeat}"))
        )
    });
    told.collect()
}

#[test]
fn a_page_says_which_repeat_it_is_and_what_the_chain_does_next() {
    let mut model = with_policy(EXAMPLE);
    model.run_until(at("11:06"));
    assert_eq!(
        next_of(&model),
        [
            "10:00: repeat 1 of step \"on-call\", round 1 10:05",
            "10:05 repeat 1.: repeat 2 of step \"on-call\", round 1 10:10",
            "10:10 repeat 2.: step \"manager\", round 1 10:15",
            "10:15: step \"director\", round 1 10:45",
            "10:45: step \"on-call\", round 2 11:05",
            "11:05: repeat 1 of step \"on-call\", round 2 11:10",
        ]
    );
}

#[test]
fn what_comes_next_counts_from_the_nominal_time_of_a_step_that_waited_for_its_hours() {
    let text = late_manager().replace(
        "- {name: director, after: 15m,",
        "- {name: director, after: 40m,",
    );
    let mut model = with_policy(&text);
    model.run_until(at("10:41"));
    let told = next_of(&model);
    assert_eq!(
        told.last().unwrap(),
        "10:40: step \"director\", round 1 10:55"
    );
}

#[test]
fn a_page_on_request_or_sent_again_leaves_what_comes_next_as_it_is() {
    let text = EXAMPLE.replace("level: High,", "level: High, initialDelay: 5m,");
    let mut model = with_policy(&text);
    model.edit_at(at("10:02"), "escalation", |spec| {
        spec.escalation = Some(EscalationRequest {
            page_again: Some("t1".into()),
            by: "dora".into(),
            ..EscalationRequest::default()
        });
    });
    model.run_until(at("10:03"));
    assert_eq!(
        next_of(&model),
        ["10:02: step \"on-call\", round 1 10:05"],
        "on request"
    );

    let mut model = with_policy(EXAMPLE);
    let slow = jiff::SignedDuration::from_mins(4);
    model.answer = Box::new(move |_| Answer::TakesAfter(slow));
    model.run_until(at("10:01"));
    model.down_until(at("10:02"));
    model.answer = Box::new(|_| Answer::Takes);
    model.run_until(at("10:03"));
    assert_eq!(
        next_of(&model),
        ["10:02: repeat 1 of step \"on-call\", round 1 10:05"],
        "after a restart"
    );
}
