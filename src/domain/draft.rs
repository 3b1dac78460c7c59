//! One decision in the making: the status as it should be, what to tell of it, and when to ask again.
//!
//! The rules are rooms of their own (lifecycle, targets, escalation ...); each reads and edits the draft.
//! This file says in which order they are asked, and turns the finished draft into an answer.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::api::condition_type::DELIVERED;
use crate::api::{DeliveryRecord, Escalation, Severity, StartReason, Ticket, TicketStatus};
use crate::domain::chain::steps::Row;
use crate::domain::chain::timetable::Chain;
use crate::domain::chain::{escalation, underway};
use crate::domain::holds::Held;
use crate::domain::lifecycle::{archiving, opening};
use crate::domain::next::{Next, StatusPatch, Transition, Waiting};
use crate::domain::observed::{Observed, Settings};
use crate::domain::people::People;
use crate::domain::policy::ValidPolicy;
use crate::domain::telling::delivery::{Delivery, DeliveryId, Progress, Standing, TicketKey};
use crate::domain::telling::{deliveries, handover, updates};
use crate::domain::{
    advice, audit, bounds, conditions, followup, holds, lifecycle, pinning, recurrence, targets,
    timeline, waiting,
};

/// Reason of condition `Delivered` while no step of the chain reaches anybody.
pub const REACHES_NOBODY: &str = "ReachesNobody";

/// Why a chain has to start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The reason, as `status.escalation.startReason` shows it.
    pub reason: StartReason,
    /// The moment it starts from.
    pub base: Timestamp,
}

/// Another effective severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeverityChange {
    /// What it was.
    pub before: Severity,
    /// When it was changed.
    pub at: Timestamp,
    /// Whether it is higher now.
    pub raised: bool,
}

/// A decision in the making.
pub struct Draft<'a> {
    /// What was seen.
    pub seen: &'a Observed,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The moment of the decision.
    pub now: Timestamp,
    /// The status as it should be.
    pub status: TicketStatus,
    /// What to tell once it is written.
    pub transitions: Vec<Transition>,
    /// The pinned policy.
    pub policy: Option<Arc<ValidPolicy>>,
    /// The newest valid content of the same policy.
    pub live: Option<Arc<ValidPolicy>>,
    /// How the ticket stands for deliveries.
    pub standing: Standing,
    /// Set while a hold, a suspension or maintenance holds the ticket.
    pub held: Option<Held>,
    /// Set when the chain has to start again.
    pub restart: Option<Restart>,
    /// Set when the effective severity changed in this decision.
    pub severity_change: Option<SeverityChange>,
    /// Set when the ticket was reopened in this decision: since when it is open again.
    pub reopened: Option<Timestamp>,
    /// Set when another revision was pinned in this decision in the place of an earlier one.
    pub repinned: bool,
    /// Set when the wait for a signal's end was over in this decision: since when.
    pub wait_ended: Option<Timestamp>,
    /// Clocks that were met at a moment of which only an upper bound is known.
    pub loosely_dated: Vec<targets::Clock>,
    /// What may leave now: its arm is already written.
    pub deliver: Vec<Delivery>,
    /// Deliveries whose results this decision takes into their entries.
    pub finished: Vec<(DeliveryRecord, Progress)>,
    /// Results of deliveries may wait until then for the next write.
    pub lazy_until: Option<Timestamp>,
    deadline: Option<(Timestamp, Waiting)>,
}

impl<'a> Draft<'a> {
    /// Nothing decided yet.
    pub fn new(seen: &'a Observed, settings: &'a Settings, now: Timestamp) -> Self {
        let status = seen.ticket.status.clone().unwrap_or_default();
        Self {
            seen,
            settings,
            now,
            status,
            transitions: Vec::new(),
            policy: None,
            live: None,
            standing: Standing {
                acknowledged: false,
                resolved: false,
                closed: false,
                held: false,
            },
            held: None,
            restart: None,
            severity_change: None,
            reopened: None,
            repinned: false,
            wait_ended: None,
            loosely_dated: Vec::new(),
            deliver: Vec::new(),
            finished: Vec::new(),
            lazy_until: None,
            deadline: None,
        }
    }

    /// The ticket as it was seen.
    pub fn ticket(&self) -> &'a Ticket {
        &self.seen.ticket
    }

    /// Its identity.
    pub fn key(&self) -> TicketKey {
        let metadata = &self.ticket().metadata;
        TicketKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        }
    }

    /// The effective severity; High until anything says otherwise.
    pub fn severity(&self) -> Severity {
        self.status.severity.unwrap_or(Severity::High)
    }

    /// The escalation part of the status.
    pub fn escalation(&mut self) -> &mut Escalation {
        self.status
            .escalation
            .get_or_insert_with(Escalation::default)
    }

    /// The escalation as it stands written.
    pub fn written_escalation(&self) -> Option<&'a Escalation> {
        self.seen.ticket.status.as_ref()?.escalation.as_ref()
    }

    /// The people to ask: live first, then as pinned.
    pub fn people(&self) -> Option<People<'_>> {
        Some(People {
            live: self.live.as_deref(),
            pinned: self.policy.as_deref()?,
        })
    }

    /// The chain starts again; of several reasons the latest counts.
    pub fn start_again(&mut self, reason: StartReason, base: Timestamp) {
        if self.restart.is_none_or(|known| known.base <= base) {
            self.restart = Some(Restart { reason, base });
        }
    }

    /// Asks to be asked again at `time`.
    pub fn wake(&mut self, time: Timestamp, what: Waiting) {
        if self.deadline.is_none_or(|(earliest, _)| time < earliest) {
            self.deadline = Some((time, what));
        }
    }

    /// Tells a transition: an Event and an entry of the timeline.
    pub fn tell(&mut self, what: Tell<'_>) {
        let Tell {
            reason,
            warning,
            at,
            actor,
            message,
        } = what;
        timeline::record(&mut self.status, at, reason, actor, message);
        let round = self
            .status
            .escalation
            .as_ref()
            .map_or(0, |escalation| escalation.round);
        let key = format!(
            "{reason}-{round}-{}-{}",
            at.as_millisecond(),
            self.transitions.len()
        );
        let note = match actor.filter(|actor| !message.contains(actor)) {
            Some(actor) => format!("{message} (by {actor})"),
            None => message.to_owned(),
        };
        self.transitions.push(Transition {
            key,
            warning,
            reason,
            action: reason.to_owned(),
            note,
        });
    }

    /// Sets a condition of the ticket.
    pub fn condition(&mut self, type_: &str, holds: bool, reason: &str, message: &str) {
        let generation = self.ticket().metadata.generation;
        conditions::set(
            &mut self.status.conditions,
            generation,
            self.now,
            (type_, holds, reason),
            message,
        );
    }

    /// Clears a condition that stands True, if it was ever set.
    pub fn clear_condition(&mut self, type_: &str, reason: &str, message: &str) {
        if conditions::known(&self.status.conditions, type_) {
            self.condition(type_, false, reason, message);
        }
    }

    /// Something arrived, so delivery is no worry any more; a chain that reaches nobody is, until a page arrives.
    pub fn clear_failure(&mut self, page: bool) {
        let mut known = self.status.conditions.iter();
        let stands = known.find(|known| known.type_ == DELIVERED);
        if stands.is_some_and(|known| page || known.reason != REACHES_NOBODY) {
            self.condition(DELIVERED, true, "Delivered", "The newest delivery arrived.");
        }
    }

    /// The present round of the chain; 0 before the first.
    pub fn escalation_round(&self) -> i64 {
        self.status
            .escalation
            .as_ref()
            .map_or(0, |escalation| escalation.round)
    }

    /// The chain as a value to ask for its timetable.
    pub fn chain(&self) -> Option<Chain<'_>> {
        Some(Chain {
            policy: self.policy.as_deref()?,
            severity: self.severity(),
            done: self.status.escalation.as_ref()?,
            standing: self.standing,
        })
    }

    /// The row of the effective severity in `policy`.
    pub fn row<'p>(&self, policy: &'p ValidPolicy) -> Row<'p> {
        Row {
            policy,
            severity: self.severity(),
            standing: self.standing,
        }
    }

    /// How far a delivery is that is due then; `None` = it has not left.
    pub fn progress(&self, id: &DeliveryId, due: Timestamp) -> Option<&'a Progress> {
        let known = self.seen.outbox.get(id);
        known.filter(|known| known.counts_for(due))
    }

    /// The moment at which the timers of open work stand: now, or since when the ticket is held.
    pub fn work_clock(&self) -> Timestamp {
        self.held.as_ref().map_or(self.now, |held| held.since)
    }

    /// The status as it stands written.
    pub fn written(&self) -> &TicketStatus {
        static NOTHING: std::sync::LazyLock<TicketStatus> =
            std::sync::LazyLock::new(TicketStatus::default);
        self.seen.ticket.status.as_ref().unwrap_or(&NOTHING)
    }
}

/// What `Draft::tell` tells.
#[derive(Clone, Copy)]
pub struct Tell<'t> {
    /// CamelCase reason from a bounded set.
    pub reason: &'static str,
    /// Whether it asks for a person's attention.
    pub warning: bool,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it, if a person.
    pub actor: Option<&'t str>,
    /// What happened, why, what comes next.
    pub message: &'t str,
}

/// `time` plus `span`, at the end of time where it does not fit.
pub fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Asks every room in order and answers with one thing to do.
pub fn next(seen: &Observed, settings: &Settings, now: Timestamp) -> Next {
    let status = seen.ticket.status.as_ref();
    let gone = seen.ticket.metadata.deletion_timestamp.is_some();
    if gone || status.is_some_and(|status| status.archived) {
        return Next::Wait {
            until: None,
            what: Waiting::Nothing,
        };
    }
    // Whole milliseconds: what is compared with a deadline is never later than the clock.
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let mut draft = Draft::new(seen, settings, now);
    apply_rules(&mut draft);
    if underway::forgotten(&draft) {
        draft = Draft::new(seen, settings, now);
        underway::record(&mut draft);
        apply_rules(&mut draft);
    }
    answer(draft)
}

/// The first whole millisecond that is not before a moment: asked then, a decision sees it as reached.
fn whole_after(time: Timestamp) -> Timestamp {
    let millis = time.as_nanosecond().div_euclid(1_000_000)
        + i128::from(time.subsec_nanosecond() % 1_000_000 != 0);
    Timestamp::from_nanosecond(millis * 1_000_000).unwrap_or(time)
}

fn apply_rules(draft: &mut Draft<'_>) {
    opening::apply(draft);
    recurrence::apply(draft);
    pinning::apply(draft);
    holds::apply(draft);
    followup::note(draft);
    lifecycle::apply(draft);
    holds::settle(draft);
    holds::take_up(draft);
    targets::apply(draft);
    followup::assess(draft);
    updates::apply(draft);
    advice::apply(draft);
    escalation::apply(draft);
    handover::apply(draft);
    archiving::apply(draft);
    audit::apply(draft);
    waiting::apply(draft);
}

/// Cuts the status to its bounds, and tells of deliveries that nobody follows any more.
fn make_fit(draft: &mut Draft<'_>) {
    for gone in bounds::fit(&mut draft.status) {
        let what = gone.step.or(gone.kind).unwrap_or_default();
        let note = format!(
            "Whether \"{what}\" of round {} reached {} is no longer followed: more is under way than a status holds. Ask them.",
            gone.round, gone.target
        );
        draft.transitions.push(Transition {
            key: format!("DeliveryUnknown-{}", gone.id),
            warning: true,
            reason: "DeliveryUnknown",
            action: "DeliveryUnknown".to_owned(),
            note,
        });
    }
}

fn answer(mut draft: Draft<'_>) -> Next {
    let facts_changed = draft.status != *draft.written();
    deliveries::settle(&mut draft);
    if !draft.deliver.is_empty() {
        return Next::Deliver(draft.deliver);
    }
    let changed = draft.status != *draft.written();
    let may_wait = !facts_changed && draft.lazy_until.is_some_and(|until| until > draft.now);
    if changed && !may_wait {
        escalation::settle_steps(&mut draft);
        draft.status.observed_generation = draft.ticket().metadata.generation;
        make_fit(&mut draft);
        // What had no room before has none now: written once is enough.
        if draft.status != *draft.written() {
            return Next::Commit(StatusPatch {
                status: Box::new(draft.status),
                transitions: draft.transitions,
            });
        }
    }
    if let Some(until) = draft.lazy_until {
        draft.wake(until, Waiting::DeliveryResults);
    }
    match draft.deadline {
        Some((until, what)) => Next::Wait {
            until: Some(whole_after(until)),
            what,
        },
        None => Next::Wait {
            until: None,
            what: waiting::for_a_fact(&draft),
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::api::{DeliveryRecord, DeliveryState, Ticket, TicketSpec};
    use crate::domain::observed::Others;
    use crate::domain::telling::delivery::OutboxView;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn seen() -> Observed {
        Observed {
            ticket: Arc::new(Ticket::new("a", TicketSpec::default())),
            policies: Arc::default(),
            outbox: OutboxView::default(),
            others: Others::default(),
            first_seen: at(0),
            remembered: None,
        }
    }

    #[test]
    fn of_several_reasons_to_start_again_the_latest_counts_and_of_deadlines_the_earliest() {
        let (seen, settings) = (seen(), Settings::default());
        let mut draft = Draft::new(&seen, &settings, at(100));
        draft.start_again(StartReason::Reopened, at(50));
        draft.start_again(StartReason::SeverityRaised, at(40));
        let restart = draft.restart.map(|restart| (restart.reason, restart.base));
        assert_eq!(restart, Some((StartReason::Reopened, at(50))));
        draft.start_again(StartReason::SeverityRaised, at(50));
        let restart = draft.restart.map(|restart| restart.reason);
        assert_eq!(restart, Some(StartReason::SeverityRaised), "said last");

        draft.wake(at(200), Waiting::Deadline);
        draft.wake(at(300), Waiting::NextPage);
        draft.wake(at(200), Waiting::HoldEnd);
        assert_eq!(draft.deadline, Some((at(200), Waiting::Deadline)));
        draft.wake(at(150), Waiting::NextPage);
        assert_eq!(draft.deadline, Some((at(150), Waiting::NextPage)));
    }

    #[test]
    fn what_is_told_names_whoever_did_it_once() {
        let (seen, settings) = (seen(), Settings::default());
        let mut draft = Draft::new(&seen, &settings, at(100));
        for (actor, message) in [
            (Some("bob"), "Resolved"),
            (Some("bob"), "Resolved by bob"),
            (None, "Resolved"),
        ] {
            draft.tell(Tell {
                reason: "Resolved",
                warning: false,
                at: at(100),
                actor,
                message,
            });
        }
        let notes = draft.transitions.iter().map(|told| told.note.as_str());
        let notes: Vec<&str> = notes.collect();
        assert_eq!(notes, ["Resolved (by bob)", "Resolved by bob", "Resolved"]);
    }

    #[test]
    fn a_deadline_is_the_first_whole_millisecond_that_is_not_before_its_moment() {
        for (nanoseconds, millis) in [(0, 7000), (1, 7001), (999_999, 7001), (1_000_000, 7001)] {
            let moment = at(7) + SignedDuration::from_nanos(nanoseconds);
            let wanted = Timestamp::from_millisecond(millis).unwrap();
            assert_eq!(whole_after(moment), wanted);
        }
    }

    #[test]
    fn a_delivery_that_has_no_room_in_the_status_any_more_is_told_of() {
        let (seen, settings) = (seen(), Settings::default());
        let mut draft = Draft::new(&seen, &settings, at(100));
        let sending = |number: usize| DeliveryRecord {
            id: number.to_string(),
            round: 2,
            step: Some("on-call".to_owned()),
            target: format!("contact/{number}"),
            state: DeliveryState::Sending,
            ..DeliveryRecord::default()
        };
        draft.status.deliveries = (0..65).map(sending).collect();
        make_fit(&mut draft);
        assert_eq!(draft.status.deliveries.len(), 64);
        let [told] = &draft.transitions[..] else {
            panic!("{:?}", draft.transitions)
        };
        assert_eq!((told.reason, told.warning), ("DeliveryUnknown", true));
        let wanted = "Whether \"on-call\" of round 2 reached contact/0 is no longer followed";
        assert!(told.note.starts_with(wanted), "{}", told.note);
    }
}
