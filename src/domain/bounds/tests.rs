//! What goes first, what stays, and that everything fits in every script.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::api::{Duty, RelatedTicket, StepResult};
use crate::domain::conditions;
use crate::testkit::extremes::{ALPHABETS, full_status, text};

/// What the API promises (api.md section 1 rule 6).
const PROMISE: usize = 16 * 1024;

fn unfinished(status: &TicketStatus) -> usize {
    status
        .deliveries
        .iter()
        .filter(|known| open(known.state))
        .count()
}

#[test]
fn the_size_counts_what_the_api_server_escapes() {
    for (text, size) in [
        ("", 2),
        ("plain", 7),
        ("a<b>&", 7 + 15),
        ("\"\n\u{1}", 2 + 2 + 2 + 6),
        ("\u{2028}x\u{2029}", 2 + 7 + 6),
        ("grüße 東", 2 + 11),
    ] {
        assert_eq!(written_size(&text), size, "{text:?}");
    }
}

#[rstest]
fn a_full_status_fits_in_every_script(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] alphabet: usize) {
    let (name, piece) = ALPHABETS[alphabet];
    let mut status = full_status(piece);
    let before = status.clone();
    assert!(written_size(&before) > 2 * PROMISE, "{name}: not full");
    let forgotten = fit(&mut status);
    assert!(
        written_size(&status) <= BUDGET,
        "{name}: {}",
        written_size(&status)
    );
    assert_eq!(
        unfinished(&status) + forgotten.len(),
        unfinished(&before),
        "{name}: what is under way is kept or told"
    );
    assert!(
        unfinished(&status) >= 1,
        "{name}: {} deliveries without a result are left beside 32 steps, 10 holds and 18 conditions",
        unfinished(&status)
    );
}

#[test]
fn what_timers_and_facts_live_by_is_never_touched() {
    let mut status = full_status("x");
    let before = status.clone();
    let _ = fit(&mut status);
    assert_eq!(status.escalation, before.escalation);
    assert_eq!(status.handled, before.handled);
    assert_eq!(status.holding, before.holding);
    assert_eq!(status.policy, before.policy);
    assert_eq!(status.duplicate_of, before.duplicate_of);
    let types = |status: &TicketStatus| {
        let known = status.conditions.iter();
        known
            .map(|known| (known.type_.clone(), known.status))
            .collect::<Vec<_>>()
    };
    assert_eq!(types(&status), types(&before));
}

#[test]
fn a_status_that_was_made_to_fit_is_left_as_it_is() {
    for (name, piece) in ALPHABETS {
        let mut status = full_status(piece);
        let _ = fit(&mut status);
        let once = status.clone();
        assert_eq!(fit(&mut status), [], "{name}");
        assert_eq!(status, once, "{name}");
    }
}

/// A status with the last steps of a round, their deliveries and the whole timeline.
fn busy() -> TicketStatus {
    let mut full = full_status("busy ");
    if let Some(escalation) = &mut full.escalation {
        escalation.steps.drain(..24);
    }
    full.deliveries.drain(8..32);
    TicketStatus {
        escalation: full.escalation,
        deliveries: full.deliveries,
        timeline: full.timeline,
        ..TicketStatus::default()
    }
}

#[test]
fn with_names_of_ordinary_length_two_large_steps_under_way_at_once_lose_nothing() {
    let mut status = full_status("An ordinary text of a person. ");
    status.deliveries.truncate(32);
    for (number, known) in status.deliveries.iter_mut().enumerate() {
        known.step = Some("second-line".to_owned());
        known.target = format!("contact/someone-{number}");
        known.state = DeliveryState::Sending;
        (known.message, known.attempts, known.count, known.repeat) = (None, None, None, None);
        known.cause = None;
    }
    if let Some(escalation) = &mut status.escalation {
        escalation.steps.truncate(8);
    }
    status.holding = None;
    status.duplicate_of = None;
    status.duties.truncate(2);
    let before = status.deliveries.clone();
    assert_eq!(fit(&mut status), []);
    assert_eq!(status.deliveries, before);
    assert!(written_size(&status) <= BUDGET);
}

#[test]
fn finished_deliveries_of_the_past_go_before_the_timeline_and_that_before_who_was_paged() {
    let mut status = busy();
    let _ = fit(&mut status);
    let past = |known: &&DeliveryRecord| !open(known.state) && known.round < 100_000;
    assert_eq!(status.deliveries.iter().filter(past).count(), 0);
    let newest_stages = status
        .timeline
        .iter()
        .filter(|entry| timeline::is_stage(&entry.kind))
        .count();
    assert_eq!(newest_stages, 10, "no stage change had to go");
    let dropped = status.timeline_dropped.unwrap_or(0);
    assert_eq!(
        dropped + i64::try_from(status.timeline.len()).unwrap(),
        30,
        "what goes is counted"
    );
}

#[test]
fn whoever_was_reached_at_the_present_step_stays_known_as_long_as_possible() {
    let mut status = busy();
    for known in &mut status.deliveries[..32] {
        known.state = DeliveryState::Failed;
    }
    let newest = status
        .escalation
        .as_mut()
        .unwrap()
        .steps
        .last_mut()
        .unwrap();
    newest.result = StepResult::Fired;
    for known in &mut status.deliveries[32..] {
        known.step = Some(newest.name.clone());
        known.state = DeliveryState::Delivered;
    }
    status.conditions = full_status("x").conditions;
    let _ = fit(&mut status);
    let reached = status
        .deliveries
        .iter()
        .filter(|known| known.state == DeliveryState::Delivered);
    assert_eq!(reached.count(), 8);
}

#[test]
fn only_as_many_receipts_go_as_room_is_needed_and_why_a_delivery_failed_stays() {
    let mut status = TicketStatus::default();
    while written_size(&status) <= BUDGET {
        let number = status.deliveries.len();
        status.deliveries.push(DeliveryRecord {
            id: number.to_string(),
            state: if number == 0 {
                DeliveryState::Failed
            } else {
                DeliveryState::Delivered
            },
            message: Some("x".repeat(300)),
            ..DeliveryRecord::default()
        });
    }
    let whole = status.clone();
    assert!(fit(&mut status).is_empty());
    assert_eq!(status.deliveries.len(), whole.deliveries.len());
    let silent: Vec<_> = status
        .deliveries
        .iter()
        .filter(|known| known.message.is_none())
        .map(|known| known.id.as_str())
        .collect();
    assert_eq!(silent, ["1"], "the oldest receipt makes room enough");
}

#[test]
fn more_than_64_deliveries_lose_finished_ones_first_then_the_oldest_unfinished() {
    let mut status = TicketStatus::default();
    let records = (0..70).map(|number| DeliveryRecord {
        id: number.to_string(),
        state: if number == 40 {
            DeliveryState::Delivered
        } else {
            DeliveryState::Sending
        },
        ..DeliveryRecord::default()
    });
    status.deliveries = records.collect();
    let forgotten: Vec<String> = fit(&mut status).into_iter().map(|known| known.id).collect();
    assert_eq!(forgotten, ["0", "1", "2", "3", "4"]);
    assert_eq!(status.deliveries.len(), 64);
    assert!(status.deliveries.iter().all(|known| known.id != "40"));
}

#[test]
fn a_condition_that_was_shortened_is_not_written_anew_with_the_same_words() {
    let mut status = full_status("The same words again. ");
    let known = status.conditions[2].clone();
    let _ = fit(&mut status);
    let shortened = status.conditions.clone();
    assert!(shortened[2].message.len() < known.message.len());
    conditions::set(
        &mut status.conditions,
        None,
        known.last_transition_time.0,
        (&known.type_, true, &known.reason),
        &known.message,
    );
    assert_eq!(
        status.conditions[2].message.len(),
        known.message.len(),
        "another status is news"
    );
    status.conditions[2] = shortened[2].clone();
    status.conditions[2].status = crate::api::ConditionStatus::True;
    let before = status.conditions.clone();
    conditions::set(
        &mut status.conditions,
        None,
        known.last_transition_time.0,
        (&known.type_, true, &known.reason),
        &known.message,
    );
    assert_eq!(status.conditions, before);
}

/// Makes a status too large by so many bytes, with a name that nothing shortens.
fn too_large_by(mut status: TicketStatus, bytes: usize) -> TicketStatus {
    status.policy.get_or_insert_default().name.clear();
    let missing = BUDGET + bytes - written_size(&status);
    status.policy.get_or_insert_default().name = "x".repeat(missing);
    status
}

#[test]
fn what_is_left_as_it_is_keeps_the_promise_and_so_does_what_is_counted_once_it_went() {
    let mut status = too_large_by(TicketStatus::default(), 0);
    let whole = status.clone();
    assert_eq!(fit(&mut status), []);
    assert_eq!(status, whole);
    assert!(written_size(&status) <= PROMISE);
    let timeline = vec![TimelineEntry::default(); 2];
    let mut status = too_large_by(TicketStatus { timeline, ..whole }, 1);
    let _ = fit(&mut status);
    assert_eq!(status.timeline_dropped, Some(1));
    assert!(written_size(&status) <= PROMISE);
}

fn told_of_the_past() -> DeliveryRecord {
    DeliveryRecord {
        state: DeliveryState::Delivered,
        kind: Some("Resolved".to_owned()),
        ..DeliveryRecord::default()
    }
}

fn entry(kind: &str) -> TimelineEntry {
    TimelineEntry {
        kind: kind.to_owned(),
        ..TimelineEntry::default()
    }
}

fn condition() -> crate::api::Condition {
    crate::api::Condition {
        message: "Long words. ".repeat(30),
        ..full_status("x").conditions[0].clone()
    }
}

#[test]
fn of_every_list_as_much_goes_as_room_is_needed_and_no_more() {
    let lists = TicketStatus {
        deliveries: vec![told_of_the_past(); 3],
        timeline: vec![entry("Note"); 3],
        duties: vec![Duty::default(); 3],
        related: vec![RelatedTicket::default(); 3],
        ..TicketStatus::default()
    };
    let (deliveries, timeline) = (lists.deliveries.clone(), lists.timeline.clone());
    let (duties, related) = (lists.duties.clone(), lists.related.clone());
    let none = TicketStatus::default;
    for (status, one) in [
        (
            TicketStatus {
                deliveries,
                ..none()
            },
            written_size(&lists.deliveries[0]),
        ),
        (
            TicketStatus { timeline, ..none() },
            written_size(&lists.timeline[0]),
        ),
        (
            TicketStatus { duties, ..none() },
            written_size(&lists.duties[0]),
        ),
        (
            TicketStatus { related, ..none() },
            written_size(&lists.related[0]),
        ),
    ] {
        let left = |over: usize| {
            let mut status = too_large_by(status.clone(), over);
            let _ = fit(&mut status);
            let lists = [status.deliveries.len(), status.timeline.len()];
            lists.iter().sum::<usize>() + status.duties.len() + status.related.len()
        };
        let with_its_comma = one + 1;
        assert_eq!(left(with_its_comma), 2, "{status:?}");
        assert_eq!(left(with_its_comma + 1), 1, "{status:?}");
    }
}

#[test]
fn what_is_worth_more_stays_whole_where_less_is_enough() {
    let related = RelatedTicket {
        runbook: Some("https://runbooks.example.com/checkout".to_owned()),
        ..RelatedTicket::default()
    };
    let full = TicketStatus {
        deliveries: vec![told_of_the_past()],
        conditions: vec![condition(); 2],
        related: vec![related; 2],
        duties: vec![Duty::default(); 2],
        ..TicketStatus::default()
    };
    let mut status = too_large_by(full, 1);
    let mut wanted = status.clone();
    wanted.deliveries.clear();
    assert_eq!(fit(&mut status), []);
    assert_eq!(status, wanted);
    // Then texts of conditions, one by one, then runbooks.
    let mut status = too_large_by(status, 1);
    let _ = fit(&mut status);
    wanted.policy.clone_from(&status.policy);
    wanted.conditions[0].message = timeline::cut(&wanted.conditions[0].message, 120);
    assert_eq!(status, wanted);
    status.conditions.clear();
    let mut status = too_large_by(status, 1);
    let _ = fit(&mut status);
    let runbooks = status.related.iter().map(|known| known.runbook.is_some());
    assert_eq!(runbooks.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_ten_newest_entries_outlive_who_was_paged_and_stages_outlive_other_entries() {
    let paged = DeliveryRecord {
        state: DeliveryState::Delivered,
        round: 1,
        step: Some("on-call".to_owned()),
        ..DeliveryRecord::default()
    };
    let mut status = TicketStatus {
        escalation: Some(Escalation {
            round: 1,
            ..Escalation::default()
        }),
        deliveries: vec![paged],
        timeline: vec![entry("Note"); 10],
        ..TicketStatus::default()
    };
    status = too_large_by(status, 1);
    let _ = fit(&mut status);
    assert_eq!((status.deliveries.len(), status.timeline.len()), (0, 10));

    status.timeline = vec![entry("Acknowledged"), entry("Note")];
    status = too_large_by(status, 1);
    let _ = fit(&mut status);
    assert_eq!(status.timeline, [entry("Acknowledged")]);
}

#[rstest]
#[case::under_way(DeliveryState::Sending, None, 1, "on-call", Worth::Unfinished)]
#[case::a_notice(DeliveryState::Delivered, Some("Resolved"), 2, "manager", Worth::Past)]
#[case::of_an_earlier_round(DeliveryState::Failed, None, 1, "manager", Worth::Past)]
#[case::reached(DeliveryState::Delivered, None, 2, "manager", Worth::Reached)]
#[case::not_reached(DeliveryState::Failed, None, 2, "manager", Worth::Missed)]
#[case::reached_before(DeliveryState::Delivered, None, 2, "on-call", Worth::Paged)]
#[case::not_reached_before(DeliveryState::Unknown, None, 2, "on-call", Worth::Paged)]
fn a_delivery_is_worth_what_it_still_tells(
    #[case] state: DeliveryState,
    #[case] kind: Option<&str>,
    #[case] round: i64,
    #[case] step: &str,
    #[case] wanted: Worth,
) {
    let mut escalation = busy().escalation.unwrap();
    escalation.round = 2;
    let newest = escalation.steps.last_mut().unwrap();
    newest.name = "manager".to_owned();
    newest.result = StepResult::Fired;
    let known = DeliveryRecord {
        state,
        kind: kind.map(str::to_owned),
        round,
        step: Some(step.to_owned()),
        ..DeliveryRecord::default()
    };
    assert_eq!(worth_of(&known, Some(&escalation)), wanted);
}

/// Any text, mixed of all scripts.
fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec((0..ALPHABETS.len(), 0_usize..80), 0..8).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(alphabet, chars)| text(ALPHABETS[alphabet].1, chars))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_never_splits_a_character_and_never_exceeds_its_limit(
        text in prop_oneof![any_text(), any::<String>()], limit in 0_usize..600,
    ) {
        let short = timeline::cut(&text, limit);
        prop_assert!(written_size(&short) <= limit + 2, "written with its quotes");
        prop_assert!(short.len() <= limit);
        if short != text {
            prop_assert!(short.is_empty() || timeline::is_cut_of(&short, &text));
            prop_assert!(short.is_empty() == (limit < 3));
            // Not one character less than fits.
            let kept = short.chars().count().saturating_sub(1);
            let one_more: String = text.chars().take(kept + 1).collect();
            prop_assert!(written_size(&one_more) - 2 + 3 > limit);
        }
    }

    #[test]
    fn any_part_of_a_full_status_fits_and_one_that_fits_already_is_left_alone(
        alphabet in 0..ALPHABETS.len(), deliveries in 0_usize..64, entries in 0_usize..30,
        conditions in 0_usize..18, related in 0_usize..5, steps in 0_usize..32,
    ) {
        let mut status = full_status(ALPHABETS[alphabet].1);
        status.deliveries.drain(..deliveries);
        status.timeline.drain(..entries);
        status.conditions.drain(..conditions);
        status.related.drain(..related);
        if let Some(escalation) = &mut status.escalation {
            escalation.steps.drain(..steps);
        }
        status.targets = None;
        status.rca = None;
        let before = status.clone();
        let forgotten = fit(&mut status);
        prop_assert!(written_size(&status) <= BUDGET);
        if written_size(&before) <= BUDGET {
            prop_assert_eq!(forgotten, []);
            prop_assert_eq!(status, before);
        }
    }
}
