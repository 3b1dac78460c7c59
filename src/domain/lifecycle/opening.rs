//! The first look at a ticket, and its effective severity at every look.
//!
//! Rules: `api.md` section 2 (`status.severity`), section 5 "Severity raised", "Severity lowered".

use jiff::Timestamp;

use super::acknowledgement;
use crate::api::{NotifyOn, Severity, StartReason, Time};
use crate::domain::draft::{Draft, SeverityChange, Tell};
use crate::domain::facts;
use crate::domain::telling::notices::{self, Cause};

/// Stamps the submission.
pub fn apply(draft: &mut Draft<'_>) {
    if draft.status.submit_time.is_some() {
        return;
    }
    let submitted = facts::created(draft.ticket(), draft.now);
    draft.status.submit_time = Some(Time(submitted));
    let reporter = draft
        .ticket()
        .spec
        .reporter
        .as_ref()
        .and_then(|reporter| reporter.name.clone());
    draft.tell(Tell {
        reason: "Opened",
        warning: false,
        at: submitted,
        actor: reporter.as_deref(),
        message: "Ticket submitted",
    });
    draft.condition("Ready", true, "Accepted", "Firebell handles this ticket.");
}

/// The severity that counts: a person's, else the highest the signal ever said, else the policy's default.
pub fn severity(draft: &mut Draft<'_>) {
    let spec = &draft.ticket().spec;
    let said = spec.signal.as_ref().and_then(|signal| signal.severity);
    draft.status.signal_severity = draft.status.signal_severity.max(said);
    let default = draft
        .policy
        .as_ref()
        .map(|policy| policy.default_severity());
    let Some(level) = spec.severity.or(draft.status.signal_severity).or(default) else {
        return;
    };
    let Some(before) = draft.status.severity.replace(level) else {
        return;
    };
    if before == level {
        return;
    }
    let change = SeverityChange {
        before,
        at: changed_at(draft),
        raised: level > before,
    };
    draft.severity_change = Some(change);
    tell(draft, change);
    acknowledgement::row_changed(draft, before, change.at);
    if change.raised && draft.escalation_round() > 0 {
        draft.start_again(StartReason::SeverityRaised, change.at);
    }
}

/// When what the severity rests on now was written; what was removed is dated when seen.
fn changed_at(draft: &Draft<'_>) -> Timestamp {
    let spec = &draft.ticket().spec;
    if spec.severity.is_some() {
        facts::written_by(draft.ticket(), "severity", draft.now)
    } else if spec.signal.is_some() && draft.status.signal_severity == draft.status.severity {
        facts::written_by(draft.ticket(), "signal", draft.now)
    } else {
        draft.now
    }
}

fn tell(draft: &mut Draft<'_>, change: SeverityChange) {
    let spec = &draft.ticket().spec;
    let by_person = spec.triage.as_ref().filter(|_| spec.severity.is_some());
    let actor = by_person.map(|triage| triage.by.as_str());
    let verb = if change.raised { "raised" } else { "lowered" };
    let (before, level) = (change.before, draft.severity());
    let message = format!("Severity {verb} from {before:?} to {level:?}");
    draft.tell(Tell {
        reason: "SeverityChanged",
        warning: false,
        at: change.at,
        actor,
        message: &message,
    });
    let cause = Cause::due(&format!("{before:?}-{level:?}"), change.at);
    notices::tell_all(draft, NotifyOn::SeverityChanged, &cause);
}

/// The level a severity word stands for in texts.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
    }
}
