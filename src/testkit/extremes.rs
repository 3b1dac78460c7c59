//! The largest that the API lets people and the operator write: texts of full length in every kind of script, and a
//! status in which every field is set and every list is full.

use jiff::{SignedDuration, Timestamp};

use crate::api::condition::condition_type;
use crate::api::{
    Communication, Condition, ConditionStatus, DeliveryRecord, DeliveryState, DuplicateVerdict,
    Duration, Duty, Escalation, EscalationState, Handled, HoldSeen, Holding, Phase, PolicyPin,
    RcaPhase, RcaRequired, RcaStatusRef, RelatedTicket, Severity, StartReason, StepRecord,
    StepResult, TargetClock, TargetState, Targets, TicketStatus, Time, TimelineEntry, WaitingFor,
};

/// Kinds of text by name: each a piece to be repeated.
pub const ALPHABETS: [(&str, &str); 9] = [
    ("ascii", "The quick brown fox. "),
    ("cyrillic", "Съешь же ещё этих мягких "),
    ("cjk", "障害が発生しました"),
    ("emoji", "🔔🧯🚒"),
    ("combining", "e\u{301}\u{323}\u{32d}o\u{308}\u{331}"),
    (
        "right to left",
        "\u{202e}שלום\u{202c} \u{2067}مرحبا\u{2069} ",
    ),
    ("control", "\u{1}\u{8}\u{1b}[2J\n\t\u{7f}"),
    ("escaped", "\\\"<>&"),
    ("separators", "\u{2028}\u{2029}\u{feff}"),
];

/// A text of exactly that many characters.
pub fn text(piece: &str, chars: usize) -> String {
    piece.chars().cycle().take(chars).collect()
}

/// A name of 63 characters that ends in a number.
pub fn name(start: &str, number: usize) -> String {
    let end = format!("-{number}");
    let fill = 63 - start.len() - end.len();
    format!("{start}{}{end}", "n".repeat(fill))
}

/// A count or generation larger than any ticket sees.
const COUNT: i64 = 1_000_000;

/// An instant as the operator writes them, to the millisecond.
fn moment() -> Time {
    Time(Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_772_445_600_123))
}

/// A status with every field set and every list full; the texts are made of `piece`.
pub fn full_status(piece: &str) -> TicketStatus {
    let moment = Some(moment());
    TicketStatus {
        observed_generation: Some(COUNT),
        phase: Some(Phase::AwaitingValidation),
        archived: false,
        severity: Some(Severity::Critical),
        signal_severity: Some(Severity::Critical),
        policy: Some(pin()),
        submit_time: moment,
        acknowledge_time: moment,
        acknowledge_expiry_time: moment,
        triage_time: moment,
        assign_time: moment,
        first_resolve_time: moment,
        resolve_time: None,
        validate_time: None,
        close_time: None,
        targets: Some(Targets {
            response: clock(piece),
            resolution: clock(piece),
        }),
        escalation: Some(escalation()),
        deliveries: (0..64).map(|number| delivery(piece, number)).collect(),
        waiting_for: Some(WaitingFor {
            what: "acknowledgement; next: ".repeat(22),
            until: moment,
        }),
        communication: Some(Communication {
            last_update_time: moment,
            next_update_due_time: moment,
            reminder_time: moment,
            from_time: moment,
            interval: Some(Duration::from_millis(31_535_999_999)),
        }),
        duties: (0..16).map(duty).collect(),
        rca: Some(rca(piece)),
        duplicate_of: Some(DuplicateVerdict {
            name: "d".repeat(200),
            uid: "u".repeat(36),
            root: "r".repeat(200),
        }),
        duplicates: Some(COUNT),
        reopen_count: Some(COUNT),
        handled: handled(),
        holding: Some(holding()),
        related: (0..5).map(|_| related(piece)).collect(),
        timeline: (0..30).map(|number| entry(piece, number)).collect(),
        timeline_dropped: Some(COUNT),
        conditions: conditions(piece),
    }
}

fn pin() -> PolicyPin {
    PolicyPin {
        name: "p".repeat(200),
        namespace: "s".repeat(63),
        revision: "p".repeat(211),
        generation: COUNT,
        latest_generation: COUNT,
        ref_hash: Some("0".repeat(16)),
        pin_time: Some(moment()),
        rule: crate::api::PinRule::SharedPolicyRef,
        moved: true,
    }
}

fn clock(piece: &str) -> TargetClock {
    TargetClock {
        target: Some(Duration::from_millis(31_536_000_000)),
        due_time: Some(moment()),
        met_time: Some(moment()),
        breach_time: Some(moment()),
        state: TargetState::Breached,
        first_state: Some(TargetState::Breached),
        paused_total: Some(Duration::from_millis(31_535_999_999)),
        reason: Some(text(piece, 256)),
    }
}

fn escalation() -> Escalation {
    let steps = (0..32).map(|number| StepRecord {
        name: name("step", number),
        time: moment(),
        result: StepResult::SkippedEmpty,
        repeat: Some(1000),
    });
    Escalation {
        state: EscalationState::Running,
        round: 100_000,
        first_round: 99_999,
        step: Some(name("step", 31)),
        nominal_time: Some(moment()),
        repeat_from: Some(moment()),
        not_before_time: Some(moment()),
        next_step: Some(name("step", 31)),
        next_repeat: Some(1000),
        next_time: Some(moment()),
        start_time: Some(moment()),
        start_reason: Some(StartReason::SeverityRaised),
        exhaust_time: Some(moment()),
        severity: Some(Severity::Critical),
        steps: steps.collect(),
    }
}

/// Every fourth is finished; the newest are of the step the chain stands at.
fn delivery(piece: &str, number: usize) -> DeliveryRecord {
    let state = match number % 4 {
        0 => DeliveryState::Delivered,
        1 => DeliveryState::Failed,
        2 => DeliveryState::Armed,
        _ => DeliveryState::Sending,
    };
    DeliveryRecord {
        id: "0".repeat(32),
        round: if number < 8 { 99_999 } else { 100_000 },
        step: Some(name("step", number / 2)),
        kind: None,
        repeat: Some(1000),
        cause: Some("0".repeat(16)),
        target: format!("connector/{}", name("who", number)),
        state,
        attempts: Some(1_000_000),
        time: moment(),
        message: Some(text(piece, 40)),
        count: Some(1000),
    }
}

fn duty(number: usize) -> Duty {
    Duty {
        rota: name("rota", number),
        member: name("who", number),
        seen_time: moment(),
        next_time: Some(moment()),
        generation: COUNT,
    }
}

fn rca(piece: &str) -> RcaStatusRef {
    RcaStatusRef {
        required: Some(RcaRequired {
            reason: text(piece, 256),
            time: moment(),
        }),
        name: Some("a".repeat(209)),
        phase: Some(RcaPhase::ActionsPending),
        phase_time: Some(moment()),
    }
}

fn handled() -> std::collections::BTreeMap<String, Handled> {
    [
        "acknowledgement",
        "triage",
        "assignment",
        "resolution",
        "validation",
        "closure",
        "escalation.atLeast",
        "escalation.pageAgain",
        "duplicateOf",
        "update",
        "signal",
        "holds",
    ]
    .map(|key| {
        let handled = Handled {
            hash: "0".repeat(16),
            time: moment(),
            void: true,
        };
        (key.to_owned(), handled)
    })
    .into()
}

/// All holds, a suspension and maintenance.
fn holding() -> Holding {
    let names = (0..8).map(|number| name("hold", number));
    let names = names.chain(["policy/suspend", "policy/maintenance"].map(str::to_owned));
    let seen = names.map(|name| HoldSeen {
        name,
        hash: "0".repeat(8),
        first_seen_time: moment(),
        until_time: Some(moment()),
        maintenance: true,
    });
    Holding {
        since_time: Some(moment()),
        held_total: Some(Duration::from_millis(31_535_999_999)),
        release_time: Some(moment()),
        response_since_time: Some(moment()),
        response_release_time: Some(moment()),
        seen: seen.collect(),
    }
}

fn related(piece: &str) -> RelatedTicket {
    RelatedTicket {
        ticket: "t".repeat(200),
        rca: Some("a".repeat(209)),
        runbook: Some(text(piece, 2048)),
    }
}

/// Every third is a stage change.
fn entry(piece: &str, number: usize) -> TimelineEntry {
    let kind = if number.is_multiple_of(3) {
        "Reopened"
    } else {
        "DeliveryFailed"
    };
    TimelineEntry {
        time: moment(),
        kind: kind.to_owned(),
        actor: Some(text(piece, 16)),
        message: text(piece, 30),
        count: Some(1000),
    }
}

fn conditions(piece: &str) -> Vec<Condition> {
    [
        condition_type::READY,
        condition_type::STALLED,
        condition_type::ACKNOWLEDGED,
        condition_type::POLICY_RESOLVED,
        condition_type::CLOSURE_BLOCKED,
        condition_type::IN_SCOPE,
        condition_type::UPDATE_OVERDUE,
        condition_type::DELIVERED,
        condition_type::SOURCE_STILL_FIRING,
        condition_type::DUPLICATE_INVALID,
        condition_type::POSSIBLE_DUPLICATE,
        condition_type::HOLD_INVALID,
        condition_type::PIN_LOST,
        condition_type::ESCALATION_REQUESTED,
        "ResponseBreached",
        "ResolutionBreached",
        "ChainEmpty",
        "ClockJumped",
    ]
    .map(|type_| Condition {
        type_: type_.to_owned(),
        status: ConditionStatus::Unknown,
        reason: "SomethingWithALongerName".to_owned(),
        message: text(piece, 512),
        last_transition_time: moment(),
        observed_generation: Some(COUNT),
    })
    .into()
}
