//! A plan from a seed: what people do, and what breaks meanwhile.

use jiff::SignedDuration;

use super::agreement::{Agreement, STEPS};
use super::moment::{HOUR, MINUTE, Ms, SECOND, span_ms};
use super::people::Edit;
use super::plan::{Event, Opening, Plan, PolicyEdit, Trap, Trouble, What};
use super::receivers::{Mood, RECEIVERS};
use crate::api::{ClosureReason, HoldReason, Severity, SignalState, ValidationResult};

/// Within this time everything that is planned begins.
const BUSY: Ms = 90 * MINUTE;
/// Each seed that is a multiple of it has one knot more, drawn by itself: what else a seed brings is as it was before
/// there were such knots.
const EACH: u64 = 8;

impl Plan {
    /// The plan of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rng = &mut rng;
        let count = 1 + rng.usize(0..2);
        let policies: Vec<Agreement> = (0..count)
            .map(|number| Agreement::any(rng, number == 0))
            .collect();
        let processes = if rng.u32(0..4) == 0 { 2 } else { 1 };
        let tickets = 1 + rng.usize(0..3);
        let mut events = Vec::new();
        for ticket in 0..tickets {
            life(rng, ticket, tickets, count, &mut events);
        }
        if rng.u32(0..4) == 0 {
            events.push(policy_edit(rng, count));
        }
        let troubled = rng.u32(0..8) != 0;
        if troubled {
            troubles(rng, processes, &mut events);
        }
        if rng.bool() {
            knot(rng, troubled, &mut events);
        }
        if seed.is_multiple_of(EACH) {
            knot_of_its_own(seed, &policies, &mut events);
        }
        events.sort_by_key(|event| event.at);
        Self {
            seed,
            policies,
            processes,
            by_patch: rng.u32(0..8) == 0,
            archive_after: if rng.bool() { 24 * HOUR } else { 20 * MINUTE },
            events,
        }
    }
}

fn severity(rng: &mut fastrand::Rng) -> Severity {
    [
        Severity::Critical,
        Severity::High,
        Severity::High,
        Severity::Medium,
    ][rng.usize(0..4)]
}

/// A moment at which people act: usually not at one at which the timetable does.
fn moment(rng: &mut fastrand::Rng, from: Ms) -> Ms {
    let tens = rng.i64(from / (10 * SECOND)..=BUSY / (10 * SECOND));
    let odd = if rng.u32(0..4) == 0 {
        rng.i64(0..10_000)
    } else {
        rng.i64(3..8) * SECOND
    };
    tens * 10 * SECOND + odd
}

fn life(
    rng: &mut fastrand::Rng,
    ticket: usize,
    tickets: usize,
    policies: usize,
    events: &mut Vec<Event>,
) {
    let opened = rng.i64(0..120) * 10 * SECOND;
    let alert = rng.u32(0..3) == 0;
    events.push(Event {
        at: opened,
        what: What::Open(Opening {
            ticket,
            severity: (rng.u32(0..4) != 0).then(|| severity(rng)),
            policy: (rng.u32(0..3) == 0).then(|| rng.usize(0..policies)),
            alert,
        }),
    });
    let mut at = opened;
    for _ in 0..rng.usize(0..7) {
        at = moment(rng, at + 10 * SECOND);
        let edit = any_edit(rng, ticket, tickets, alert);
        events.push(Event {
            at,
            what: What::Person { ticket, edit },
        });
        if at >= BUSY {
            break;
        }
    }
}

fn any_edit(rng: &mut fastrand::Rng, ticket: usize, tickets: usize, alert: bool) -> Edit {
    match rng.u32(0..40) {
        10 => Edit::RevokeAcknowledgement,
        11 => Edit::RemoveAcknowledgement,
        12 => Edit::Triage(severity(rng)),
        13..=14 => Edit::Severity(severity(rng)),
        15 => Edit::Assign,
        16..=18 => {
            let reason = [
                HoldReason::AwaitingCustomer,
                HoldReason::AwaitingVendor,
                HoldReason::AwaitingChange,
                HoldReason::Maintenance,
            ][rng.usize(0..4)];
            Edit::Hold(rng.usize(0..2), reason, rng.i64(1..20) * 2 * MINUTE)
        }
        19 => Edit::Lift(rng.usize(0..2)),
        20 => Edit::AtLeast(STEPS[rng.usize(0..STEPS.len())]),
        21 => Edit::PageAgain,
        22 => Edit::Update,
        23..=26 => Edit::Resolve,
        27..=29 => Edit::Unresolve,
        30 => Edit::Validate(if rng.bool() {
            ValidationResult::Accepted
        } else {
            ValidationResult::Rejected
        }),
        31..=32 => Edit::Close(
            [
                ClosureReason::Completed,
                ClosureReason::Cancelled,
                ClosureReason::OutOfScope,
            ][rng.usize(0..3)],
        ),
        33 => Edit::Reopen,
        34 if tickets > 1 => Edit::Duplicate((ticket + 1) % tickets),
        35 => Edit::Unduplicate,
        36..=38 if alert => Edit::Signal(if rng.bool() {
            SignalState::Firing
        } else {
            SignalState::Resolved
        }),
        39 if rng.bool() => Edit::Delete,
        _ => Edit::Acknowledge,
    }
}

/// Things that are worth seeing together, which chance alone seldom brings together.
fn knot(rng: &mut fastrand::Rng, troubled: bool, events: &mut Vec<Event>) {
    let openings: Vec<(Ms, &Opening)> = openings(events).collect();
    let (opened, opening) = openings[rng.usize(0..openings.len())];
    let ticket = opening.ticket;
    let person = |at: Ms, edit: Edit| Event {
        at,
        what: What::Person { ticket, edit },
    };
    let soon = opened + rng.i64(3..120) * SECOND + 5 * SECOND;
    let later =
        |rng: &mut fastrand::Rng, at: Ms| at + rng.i64(2..8) * MINUTE + rng.i64(1..9) * SECOND;
    match rng.u32(0..if troubled { 5 } else { 2 }) {
        0 => {
            let (resolved, reopened) = (later(rng, soon), later(rng, soon + 9 * MINUTE));
            events.push(person(soon, Edit::Acknowledge));
            events.push(person(resolved, Edit::Resolve));
            events.push(person(reopened, Edit::Unresolve));
        }
        1 => {
            events.push(person(soon, Edit::Acknowledge));
            events.push(person(soon + rng.i64(1..30), Edit::Assign));
        }
        _ => knot_of_troubles(rng, (opened, ticket), soon, events),
    }
}

/// A receiver that is ill when its first page comes, and somebody who dies or answers meanwhile; a deletion that no
/// watch shows.
fn knot_of_troubles(
    rng: &mut fastrand::Rng,
    (opened, ticket): (Ms, usize),
    soon: Ms,
    events: &mut Vec<Event>,
) {
    let moods = [
        Mood::Hangs,
        Mood::Slow,
        Mood::Thinks,
        Mood::Fails,
        Mood::Refuses,
        Mood::Throttles(9),
    ];
    let (mood, span) = (moods[rng.usize(0..moods.len())], rng.i64(1..6) * MINUTE);
    let mut add = |at: Ms, what: What| events.push(Event { at, what });
    let kind = rng.u32(0..3);
    for host in (0..RECEIVERS).filter(|_| kind < 2) {
        add(
            (opened - SECOND).max(0),
            What::Receiver { host, mood, span },
        );
    }
    match kind {
        0 => {
            let (process, trap, gone) = (0, Trap::Now, rng.i64(1..20) * 100);
            let crash = Trouble::Crash {
                process,
                trap,
                gone,
            };
            add(opened + rng.i64(1_000..20_000), What::Trouble(crash));
        }
        1 => {
            let edit = Edit::Acknowledge;
            add(
                opened + rng.i64(1_500..40_000),
                What::Person { ticket, edit },
            );
        }
        _ => {
            let (process, span, edit) = (0, 20 * SECOND, Edit::Delete);
            add(soon, What::Trouble(Trouble::WatchFreezes { process, span }));
            add(soon + 5 * SECOND, What::Person { ticket, edit });
            add(soon + 6 * SECOND, What::Trouble(Trouble::Compact));
        }
    }
}

/// A store that is put back and a person who answers after that; or receivers that refuse everything, and a hold that
/// begins before they have.
fn knot_of_its_own(seed: u64, policies: &[Agreement], events: &mut Vec<Event>) {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x2bac);
    let openings: Vec<(Ms, &Opening)> = openings(events).collect();
    let (opened, opening) = openings[rng.usize(0..openings.len())];
    let (first, ticket) = (first_page(policies, opening, opened), opening.ticket);
    let is_restore = |event: &Event| matches!(event.what, What::Trouble(Trouble::Restore { .. }));
    let restored = events.iter().any(is_restore);
    let mut add = |at: Ms, what: What| events.push(Event { at, what });
    if rng.bool() && !restored {
        let at = opened + rng.i64(3 * MINUTE..20 * MINUTE);
        let back = rng.i64(10 * SECOND..(at - opened).min(6 * MINUTE));
        let edit = [Edit::Acknowledge, Edit::Acknowledge, Edit::Resolve][rng.usize(0..3)].clone();
        add(at, What::Trouble(Trouble::Restore { back }));
        add(
            at + rng.i64(8 * SECOND..3 * MINUTE),
            What::Person { ticket, edit },
        );
        return;
    }
    let late = rng.u32(0..3) > 0;
    let mood = if late { Mood::GoneLate } else { Mood::Gone };
    let span = rng.i64(1..5) * MINUTE;
    for host in 0..RECEIVERS {
        let at = (first - SECOND).max(0);
        add(at, What::Receiver { host, mood, span });
    }
    if late {
        let edit = Edit::Hold(0, HoldReason::AwaitingVendor, rng.i64(1..9) * MINUTE);
        let at = first + rng.i64(1..8) * SECOND;
        add(at, What::Person { ticket, edit });
    }
}

/// When the first page of a ticket is due, where its first step waits for no hours.
fn first_page(policies: &[Agreement], opened: &Opening, at: Ms) -> Ms {
    let policy = &policies[opened.policy.unwrap_or(0)].valid;
    let severity = opened.severity.unwrap_or_default();
    let steps = policy.steps_for(severity);
    let after = steps
        .first()
        .map_or(SignedDuration::ZERO, |step| step.after);
    let span = policy.row(severity).initial_delay + after;
    at / SECOND * SECOND + span_ms(span)
}

fn openings(events: &[Event]) -> impl Iterator<Item = (Ms, &Opening)> {
    events.iter().filter_map(|event| match &event.what {
        What::Open(opening) => Some((event.at, opening)),
        What::Person { .. } | What::Policy { .. } | What::Receiver { .. } | What::Trouble(_) => {
            None
        }
    })
}

fn policy_edit(rng: &mut fastrand::Rng, count: usize) -> Event {
    let policy = rng.usize(0..count);
    let edit = match rng.u32(0..5) {
        0 | 1 => PolicyEdit::Valid(Agreement::any(rng, policy == 0)),
        2 => PolicyEdit::Invalid,
        3 => PolicyEdit::Suspend(rng.i64(1..10) * 2 * MINUTE),
        _ => PolicyEdit::Delete,
    };
    Event {
        at: moment(rng, MINUTE),
        what: What::Policy { policy, edit },
    }
}

fn troubles(rng: &mut fastrand::Rng, processes: usize, events: &mut Vec<Event>) {
    let mut restored = false;
    for _ in 0..rng.usize(1..6) {
        // Troubles gather where something happens, a little before or after it.
        let near = events
            .get(rng.usize(0..events.len()))
            .map_or(0, |event| event.at);
        let at = match rng.u32(0..3) {
            0 => moment(rng, 0),
            1 => (near + rng.i64(-3_000..8_000)).max(0),
            _ => rng.i64(0..=BUSY / (10 * SECOND)) * 10 * SECOND + rng.i64(-200..1_500).max(0),
        };
        let what = if rng.u32(0..4) == 0 {
            What::Receiver {
                host: rng.usize(0..RECEIVERS),
                mood: Mood::any(rng),
                span: span(rng),
            }
        } else {
            let trouble = any_trouble(rng, processes);
            if matches!(trouble, Trouble::Restore { .. }) && std::mem::replace(&mut restored, true)
            {
                continue;
            }
            What::Trouble(trouble)
        };
        events.push(Event { at, what });
    }
}

/// A few seconds, a minute, or minutes.
fn span(rng: &mut fastrand::Rng) -> Ms {
    match rng.u32(0..3) {
        0 => rng.i64(1..100) * 100,
        1 => rng.i64(10..90) * SECOND,
        _ => rng.i64(1..12) * MINUTE,
    }
}

fn any_trouble(rng: &mut fastrand::Rng, processes: usize) -> Trouble {
    let process = rng.usize(0..processes);
    match rng.u32(0..18) {
        0..=4 => {
            let traps = [
                Trap::Now,
                Trap::BeforeCommit,
                Trap::AfterCommit,
                Trap::BeforeHandOver,
                Trap::AfterHandOver,
                Trap::AfterArrival,
            ];
            let gone = if rng.bool() {
                rng.i64(1..20) * 100
            } else {
                span(rng)
            };
            Trouble::Crash {
                process,
                trap: traps[rng.usize(0..traps.len())],
                gone,
            }
        }
        5 => Trouble::Stop {
            process,
            span: span(rng),
        },
        6 if processes > 1 => Trouble::BothLead { span: span(rng) },
        6 | 7 => Trouble::ApiDown {
            span: span(rng),
            hangs: rng.bool(),
        },
        8 => Trouble::ApiRefuses {
            code: [429, 500, 503, 504][rng.usize(0..4)],
            span: span(rng),
        },
        9 | 10 => Trouble::Meddle {
            writes: rng.u32(1..6),
        },
        11 | 12 => Trouble::LoseAnswers {
            writes: rng.u32(1..4),
        },
        13 => Trouble::WatchLags {
            process,
            lag: [200, 400, 5 * SECOND, 20 * SECOND][rng.usize(0..4)],
            span: span(rng),
        },
        14 => Trouble::WatchFreezes {
            process,
            span: span(rng),
        },
        15 => Trouble::WatchCut { process },
        16 => Trouble::Compact,
        _ if rng.bool() => Trouble::Restore { back: span(rng) },
        _ => Trouble::WallJumps {
            process,
            by: if rng.bool() { HOUR } else { -HOUR },
        },
    }
}
