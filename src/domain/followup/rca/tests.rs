//! Decisions about RCAs, each a row of `api.md` section 4.

use serde_json::{Value, json};

use super::*;
use crate::api::{ActionCounts, ConditionStatus, DeliveryState, PolicyPin, TicketStatus, Time};
use crate::domain::selection::LivePolicy;
use crate::domain::telling::delivery::{FailureCause, Progress};

mod edges;
mod told;

fn at(clock: &str) -> Timestamp {
    format!("2026-03-02T{clock}:00Z").parse().unwrap()
}

fn policies() -> Arc<PolicyIndex> {
    let spec = json!({
        "connectors": [{"name": "hook", "type": "Webhook", "address": "https://pager.example.com/"}],
        "contacts": [
            {"name": "alice", "user": "alice@example.com", "reach": [{"connector": "hook"}]},
            {"name": "bob", "reach": [{"connector": "hook"}]},
        ],
        "communication": {"overdueNotify": [{"contact": "bob"}, {"reporter": true}]},
        "rca": {"severities": ["High"], "sections": ["rootCauses"]},
    });
    let valid = ValidPolicy::check(serde_json::from_value(spec).unwrap());
    let of = |name: &str| ("shop".to_owned(), name.to_owned());
    let mut index = PolicyIndex::default();
    let revision = Arc::new(valid.policy.unwrap());
    index.revisions.insert(of("gold-1"), revision);
    let live = LivePolicy {
        created: None,
        generation: 1,
        revision: Some("gold-1".to_owned()),
        suspend: None,
        suspend_seen: None,
    };
    index.policies.insert(of("gold"), live);
    Arc::new(index)
}

fn ticket(name: &str) -> Arc<Ticket> {
    let mut ticket = Ticket::new(name, crate::api::TicketSpec::default());
    ticket.spec.title = "Checkout returns 5xx".to_owned();
    ticket.metadata.uid = Some(format!("uid-{name}"));
    ticket.status = Some(TicketStatus {
        policy: Some(PolicyPin {
            name: "gold".to_owned(),
            namespace: "shop".to_owned(),
            revision: "gold-1".to_owned(),
            ..PolicyPin::default()
        }),
        ..TicketStatus::default()
    });
    Arc::new(ticket)
}

/// An RCA of ticket `checkout`, and what the operator does about it until it waits.
struct World {
    seen: RcaSeen,
    sent: Vec<Delivery>,
    told: Vec<(&'static str, bool, String)>,
    writes: usize,
    until: Option<Timestamp>,
}

impl World {
    fn new(spec: Value) -> Self {
        let mut rca = Rca::new("checkout-1", serde_json::from_value(spec).unwrap());
        rca.metadata.namespace = Some("shop".to_owned());
        rca.metadata.uid = Some("uid-rca".to_owned());
        rca.metadata.generation = Some(1);
        rca.metadata.creation_timestamp =
            serde_json::from_value(json!("2026-03-02T10:00:00Z")).unwrap();
        Self {
            seen: RcaSeen {
                rca: Arc::new(rca),
                tickets: vec![Covered {
                    name: "checkout".to_owned(),
                    found: Found::Here(ticket("checkout")),
                    also: None,
                }],
                policies: policies(),
                outbox: OutboxView::new(),
                document: None,
            },
            sent: Vec::new(),
            told: Vec::new(),
            writes: 0,
            until: None,
        }
    }

    fn edit(&mut self, change: &Value) {
        let rca = Arc::make_mut(&mut self.seen.rca);
        let mut spec = serde_json::to_value(&rca.spec).unwrap();
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        rca.spec = serde_json::from_value(spec).unwrap();
        rca.metadata.generation = rca.metadata.generation.map(|known| known + 1);
    }

    fn run(&mut self, clock: &str) -> &RcaStatus {
        for _ in 0..20 {
            match decide(&self.seen, at(clock)) {
                RcaNext::Deliver(deliveries) => {
                    for delivery in deliveries {
                        let flight = Progress::InFlight {
                            since: at(clock),
                            attempts: 0,
                        };
                        let before = self.seen.outbox.insert(delivery.id.clone(), flight);
                        assert_eq!(before, None, "never an id that the outbox holds");
                        self.sent.push(delivery);
                    }
                }
                RcaNext::Commit(status, told) => {
                    self.writes += 1;
                    let told = told.into_iter();
                    self.told
                        .extend(told.map(|told| (told.reason, told.warning, told.note)));
                    Arc::make_mut(&mut self.seen.rca).status = Some(*status);
                }
                RcaNext::Wait(until) => {
                    self.until = until;
                    return self.seen.rca.status.as_ref().unwrap();
                }
            }
        }
        panic!("no rest: {:#?}", self.seen.rca.status)
    }

    /// Whom the reminders so far were sent to.
    fn targets(&self) -> Vec<String> {
        let targets = self.sent.iter().map(|sent| sent.target.to_string());
        targets.collect()
    }

    fn arrive(&mut self) {
        for progress in self.seen.outbox.values_mut() {
            *progress = Progress::Delivered {
                since: at("10:00"),
                time: at("10:01"),
                attempts: 1,
                message: String::new(),
            };
        }
    }

    fn condition(&self, type_: &str) -> (ConditionStatus, &str, &str) {
        let status = self.seen.rca.status.as_ref().unwrap();
        let mut conditions = status.conditions.iter();
        let known = conditions.find(|known| known.type_ == type_).unwrap();
        (known.status, &known.reason, &known.message)
    }

    fn holds(&self, type_: &str) -> bool {
        self.condition(type_).0 == ConditionStatus::True
    }

    fn told(&self, reason: &str) -> usize {
        self.told
            .iter()
            .filter(|(told, ..)| *told == reason)
            .count()
    }
}

const CAUSES: &str = r#"[{"id": "rc1", "statement": "the disk was full"}]"#;

fn causes() -> Value {
    serde_json::from_str(CAUSES).unwrap()
}

fn action(id: &str, state: &str, due: &str) -> Value {
    json!({"id": id, "title": "More disk", "type": "Prevent", "owner": "bob", "dueTime": at(due).to_string(), "state": state})
}

#[test]
fn it_goes_from_draft_over_review_to_approved_and_says_so() {
    let mut world =
        World::new(json!({"owner": "alice@example.com", "dueTime": at("12:00").to_string()}));
    let status = world.run("10:00");
    assert_eq!(
        (status.phase, &status.missing[..]),
        (Some(RcaPhase::Draft), &["rootCauses".to_owned()][..])
    );
    assert!(!world.holds(COMPLETE) && world.holds(READY) && world.holds(TICKETS_FOUND));
    assert!(!world.holds(OVERDUE) && !world.holds(ACTIONS_OVERDUE));
    assert_eq!(world.until, Some(at("12:00")));

    world.edit(&json!({"rootCauses": causes()}));
    assert_eq!(world.run("10:10").phase, Some(RcaPhase::InReview));
    assert!(world.holds(COMPLETE));
    world.edit(&json!({"approval": {"by": "carol"}}));
    assert_eq!(world.run("10:20").phase, Some(RcaPhase::Approved));
    let told: Vec<_> = world.told.iter().map(|(reason, ..)| *reason).collect();
    assert_eq!(told, ["Opened", "InReview", "Approved"]);
    assert!(world.sent.is_empty());
    assert_eq!(world.until, None, "nothing is timed any more");
}

#[test]
fn approved_it_waits_for_its_actions_and_is_then_completed() {
    let mut world = World::new(json!({
        "rootCauses": causes(), "approval": {"by": "carol"},
        "correctiveActions": [action("a", "Open", "12:00"), action("b", "InProgress", "11:00"), action("c", "Done", "09:00"),
            {"id": "d", "title": "t", "type": "Detect", "state": "Cancelled", "reason": "r"}],
    }));
    let status = world.run("10:00");
    assert_eq!(status.phase, Some(RcaPhase::ActionsPending));
    let counts = ActionCounts {
        total: 3,
        open: 2,
        overdue: 0,
        next_due_time: Some(Time(at("11:00"))),
    };
    assert_eq!(status.actions, Some(counts));
    world.edit(&json!({"correctiveActions": [action("a", "Done", "12:00"), action("b", "Verified", "11:00")]}));
    assert_eq!(world.run("10:30").phase, Some(RcaPhase::Completed));
}

#[test]
fn an_approval_of_an_rca_that_lacks_something_does_not_count_yet() {
    let mut world = World::new(json!({"approval": {"by": "carol"}}));
    assert_eq!(world.run("10:00").phase, Some(RcaPhase::Draft));
    let (_, _, message) = world.condition(COMPLETE);
    assert!(
        message.contains("counts only once") && message.contains("rootCauses"),
        "{message}"
    );
}

#[test]
fn an_action_without_owner_or_due_time_is_missing_something() {
    let bare = json!([{"id": "a", "title": "t", "type": "Prevent"}]);
    let mut world = World::new(json!({"rootCauses": causes(), "correctiveActions": bare}));
    let status = world.run("10:00");
    assert_eq!(
        status.missing,
        ["correctiveActions[a].owner", "correctiveActions[a].dueTime"]
    );
    assert_eq!(status.phase, Some(RcaPhase::Draft));
}

#[test]
fn a_waiver_ends_it_and_with_an_approval_beside_neither_counts() {
    let mut world = World::new(
        json!({"waiver": {"by": "carol", "reason": "a drill"}, "dueTime": at("09:00").to_string()}),
    );
    assert_eq!(world.run("10:00").phase, Some(RcaPhase::Waived));
    assert!(!world.holds(OVERDUE) && world.sent.is_empty());
    assert!(
        world.told[0].2.contains("carol: a drill"),
        "{:?}",
        world.told
    );

    world.edit(&json!({"approval": {"by": "carol"}, "rootCauses": causes()}));
    assert_eq!(world.run("10:01").phase, Some(RcaPhase::InReview));
    assert!(!world.holds(READY) && world.holds(STALLED));
    let (_, reason, message) = world.condition(READY);
    assert!(
        reason == "InvalidSpec" && message.contains("must not both be present"),
        "{message}"
    );
    world.edit(&json!({"waiver": null}));
    assert_eq!(world.run("10:02").phase, Some(RcaPhase::Approved));
    assert!(world.holds(READY) && !world.holds(STALLED));
}

#[test]
fn an_overdue_rca_is_a_condition_an_event_and_one_reminder_to_its_owner_that_is_written_first() {
    let mut world =
        World::new(json!({"owner": "alice@example.com", "dueTime": at("12:00").to_string()}));
    world.run("10:00");
    let armed = decide(&world.seen, at("12:00"));
    let RcaNext::Commit(status, _) = armed else {
        panic!("{armed:?}")
    };
    assert_eq!(status.reminders[0].state, DeliveryState::Armed);
    world.run("12:00");
    let (_, _, message) = world.condition(OVERDUE);
    assert!(
        world.holds(OVERDUE) && message.contains("alice@example.com"),
        "{message}"
    );
    assert_eq!((world.told("RcaOverdue"), world.sent.len()), (1, 1));
    let sent = &world.sent[0];
    assert_eq!(
        (sent.target.to_string().as_str(), sent.valid_while),
        (
            "contact/alice",
            crate::domain::telling::delivery::ValidWhile::Always
        )
    );
    let data = &sent.message.data;
    assert_eq!(
        (data.kind.as_str(), data.ticket.name.as_str()),
        ("RcaOverdue", "checkout")
    );
    assert!(
        data.why.contains("\"checkout-1\"") && data.why.contains("rootCauses"),
        "{}",
        data.why
    );

    world.arrive();
    assert_eq!(
        world.run("12:05").reminders[0].state,
        DeliveryState::Delivered
    );
    let writes = world.writes;
    world.run("23:00");
    assert_eq!(
        (world.writes, world.sent.len()),
        (writes, 1),
        "quiet from then on"
    );

    world.edit(&json!({"rootCauses": causes(), "approval": {"by": "carol"}}));
    assert!(world.run("23:10").reminders.is_empty());
    assert!(!world.holds(OVERDUE));
}

#[test]
fn a_process_that_starts_again_sends_the_same_id_and_another_due_time_or_owner_another() {
    let mut world =
        World::new(json!({"owner": "alice@example.com", "dueTime": at("12:00").to_string()}));
    world.run("12:00");
    world.seen.outbox.clear();
    world.run("12:01");
    assert_eq!(world.sent[0].id, world.sent[1].id);
    world.edit(&json!({"owner": "bob"}));
    world.run("12:02");
    world.edit(&json!({"dueTime": at("13:00").to_string()}));
    world.run("13:00");
    let ids: BTreeSet<_> = world.sent.iter().map(|sent| sent.id.clone()).collect();
    assert_eq!((world.sent.len(), ids.len()), (4, 3));
}

#[test]
fn each_overdue_action_is_told_to_its_owner_until_it_is_done() {
    let mut world = World::new(json!({
        "rootCauses": causes(), "approval": {"by": "carol"},
        "correctiveActions": [action("a", "Open", "11:00"), action("b", "Open", "12:00"), action("c", "Open", "13:00")],
    }));
    world.run("10:00");
    assert_eq!(world.until, Some(at("11:00")));
    world.run("12:00");
    assert!(world.holds(ACTIONS_OVERDUE));
    let (_, _, message) = world.condition(ACTIONS_OVERDUE);
    assert!(
        message.contains("\"a\" of bob")
            && message.contains("\"b\" of bob")
            && !message.contains("\"c\""),
        "{message}"
    );
    assert_eq!((world.told("ActionOverdue"), world.sent.len()), (2, 2));
    assert!(world.targets().iter().all(|target| target == "contact/bob"));
    world.edit(&json!({"correctiveActions": [action("a", "Done", "11:00"), action("b", "Verified", "12:00"), action("c", "Open", "13:00")]}));
    assert!(world.run("12:10").reminders.is_empty());
    assert!(!world.holds(ACTIONS_OVERDUE));
}

#[test]
fn an_owner_who_is_no_contact_is_stood_in_for_by_those_named_for_what_is_overdue_but_never_by_the_reporter()
 {
    let mut world = World::new(json!({"owner": "stranger", "dueTime": at("12:00").to_string()}));
    world.run("12:00");
    assert_eq!(world.targets(), ["contact/bob"]);

    let mut nobody = World::new(json!({"owner": "stranger", "dueTime": at("12:00").to_string()}));
    nobody.seen.tickets[0].found = Found::Gone;
    let status = nobody.run("12:00");
    let reminder = &status.reminders[0];
    assert_eq!(
        (reminder.state, &reminder.target),
        (DeliveryState::Failed, &None)
    );
    assert!(reminder.message.as_ref().unwrap().contains("by hand"));
}

#[test]
fn a_reminder_that_failed_is_said_and_not_tried_for_ever() {
    let mut world = World::new(json!({"owner": "bob", "dueTime": at("12:00").to_string()}));
    world.run("12:00");
    for progress in world.seen.outbox.values_mut() {
        *progress = Progress::Failed {
            since: at("12:00"),
            time: at("12:02"),
            attempts: 5,
            message: "no answer".to_owned(),
            cause: FailureCause::BudgetEnded,
        };
    }
    let reminder = world.run("12:02").reminders[0].clone();
    assert_eq!(reminder.state, DeliveryState::Failed);
    assert_eq!(reminder.message.as_deref(), Some("no answer"));
    assert_eq!(world.told("ReminderFailed"), 1);
    world.seen.outbox.clear();
    world.run("13:00");
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn its_rules_and_people_stay_when_its_tickets_are_gone() {
    let mut world = World::new(json!({"owner": "bob", "dueTime": at("12:00").to_string()}));
    world.run("10:00");
    world.seen.tickets[0].found = Found::Gone;
    assert_eq!(world.run("10:01").missing, ["rootCauses"]);
    let (status, reason, message) = world.condition(TICKETS_FOUND);
    assert_eq!((status, reason), (ConditionStatus::False, "NotFound"));
    assert!(
        message.contains("\"checkout\"") && message.contains("The RCA stays"),
        "{message}"
    );
    assert_eq!(world.told("TicketNotFound"), 1);
    world.run("12:00");
    assert_eq!(world.sent[0].target.to_string(), "contact/bob");
}

#[test]
fn a_ticket_of_which_nobody_says_whether_it_is_there_changes_nothing() {
    let mut world = World::new(json!({}));
    world.run("10:00");
    world.seen.tickets[0].found = Found::Unknown;
    let writes = world.writes;
    world.run("10:01");
    assert_eq!((world.writes, world.holds(TICKETS_FOUND)), (writes, true));
}

#[test]
fn an_archived_ticket_is_found() {
    let mut world = World::new(json!({}));
    world.seen.tickets[0].found = Found::Archived;
    world.run("10:00");
    assert!(world.holds(TICKETS_FOUND));
}
