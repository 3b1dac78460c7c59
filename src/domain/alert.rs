//! What an alert, or an answer given away from kubectl, asks of the ticket it belongs to.
//!
//! The intake asks here before it writes: whether a firing is news, a resend or a new incident, and whether an
//! acknowledgement would still be heard. Rules: `api.md` section 5 "Signal", "Facts without their premise".

use jiff::Timestamp;

use crate::api::{Severity, Signal, SignalState, Ticket, Time};
use crate::domain::facts::Block;
use crate::domain::lifecycle;

/// What a source says about one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it fires.
    pub state: SignalState,
    /// How bad the source says it is, if it does.
    pub severity: Option<Severity>,
    /// When it began to fire, where the source tells.
    pub start: Option<Timestamp>,
    /// When the source said so.
    pub time: Timestamp,
    /// A lower severity than the recorded one is no news: the report speaks for several alerts.
    pub only_higher: bool,
}

/// What to do about a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A new ticket.
    Create,
    /// This signal on the ticket that was looked at.
    Write(Signal),
    /// Nothing: it is known, or there is nothing to end.
    Nothing,
}

/// Judges a report against the newest ticket of its alert.
pub fn asks(report: &Report, ticket: Option<&Ticket>) -> Asks {
    let Some(ticket) = ticket else {
        return match report.state {
            SignalState::Firing => Asks::Create,
            SignalState::Resolved => Asks::Nothing,
        };
    };
    let recorded = ticket.spec.signal.as_ref();
    match (report.state, closed_at(ticket)) {
        (SignalState::Firing, Some(closed)) => {
            let over = recorded.is_some_and(|signal| signal.state == SignalState::Resolved);
            let later = report.start.unwrap_or(report.time) > closed;
            if over || later {
                Asks::Create
            } else {
                Asks::Nothing
            }
        }
        (SignalState::Resolved, Some(_)) if archived(ticket) => Asks::Nothing,
        (SignalState::Firing, None) | (SignalState::Resolved, _) => news(report, recorded),
    }
}

/// When the ticket was closed, if it is.
pub fn closed_at(ticket: &Ticket) -> Option<Timestamp> {
    ticket.status.as_ref()?.close_time.map(|time| time.0)
}

fn archived(ticket: &Ticket) -> bool {
    ticket.status.as_ref().is_some_and(|status| status.archived)
}

/// The signal to write, if the report changes what is recorded.
fn news(report: &Report, recorded: Option<&Signal>) -> Asks {
    let known = recorded.and_then(|signal| signal.severity);
    let severity = match (report.severity, known) {
        (Some(said), Some(known)) if report.only_higher => Some(said.max(known)),
        (said, known) => said.or(known),
    };
    let same_state = recorded.is_some_and(|signal| signal.state == report.state);
    let changed = match report.state {
        SignalState::Firing => !same_state || severity != known,
        SignalState::Resolved => !same_state,
    };
    if !changed {
        return Asks::Nothing;
    }
    Asks::Write(Signal {
        state: report.state,
        severity,
        time: Some(Time(report.time)),
    })
}

/// Whether an acknowledgement that did not come by kubectl would be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It would: write it.
    Heard,
    /// Somebody has acknowledged already.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// The ticket is resolved.
    Resolved,
    /// The ticket is closed, or about to be deleted.
    Closed,
    /// It was given before, or somebody answered after it was offered, and that answer no longer holds.
    Spent,
}

/// Judges an answer with this `token`; `offered` is when a link was sent that allows it.
pub fn hearing(ticket: &Ticket, token: &str, offered: Option<Timestamp>) -> Hearing {
    let standing = lifecycle::standing(ticket);
    let block = ticket.spec.acknowledgement.as_ref();
    if standing.closed {
        return Hearing::Closed;
    }
    if standing.resolved {
        return Hearing::Resolved;
    }
    if standing.acknowledged {
        let by = block.map(|block| block.by.clone()).unwrap_or_default();
        return Hearing::Acknowledged { by };
    }
    let given = block.is_some_and(|block| block.token.as_deref() == Some(token));
    let status = ticket.status.as_ref();
    let handled = status.and_then(|status| status.handled.get(Block::Acknowledgement.key()));
    let answered = handled
        .zip(offered)
        .is_some_and(|(handled, offered)| handled.time.0 >= offered);
    if given || answered {
        Hearing::Spent
    } else {
        Hearing::Heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Acknowledgement, Handled, TicketStatus};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn firing(severity: Option<Severity>, start: Option<i64>) -> Report {
        Report {
            state: SignalState::Firing,
            severity,
            start: start.map(at),
            time: at(1000),
            only_higher: false,
        }
    }

    fn resolved() -> Report {
        Report {
            state: SignalState::Resolved,
            ..firing(None, Some(10))
        }
    }

    fn ticket(state: SignalState, closed: Option<i64>) -> Ticket {
        let mut ticket = Ticket::default();
        ticket.spec.signal = Some(Signal {
            state,
            severity: Some(Severity::High),
            time: None,
        });
        ticket.status = Some(TicketStatus {
            close_time: closed.map(|second| Time(at(second))),
            ..TicketStatus::default()
        });
        ticket
    }

    fn written(asks: Asks) -> Signal {
        let Asks::Write(signal) = asks else {
            panic!("{asks:?} should write")
        };
        signal
    }

    #[test]
    fn a_firing_without_a_ticket_makes_one_and_an_end_without_one_does_nothing() {
        assert_eq!(asks(&firing(None, None), None), Asks::Create);
        assert_eq!(asks(&resolved(), None), Asks::Nothing);
    }

    #[test]
    fn a_resend_of_what_is_known_writes_nothing() {
        let open = ticket(SignalState::Firing, None);
        for severity in [None, Some(Severity::High)] {
            assert_eq!(
                asks(&firing(severity, Some(10)), Some(&open)),
                Asks::Nothing
            );
        }
        let over = ticket(SignalState::Resolved, None);
        assert_eq!(asks(&resolved(), Some(&over)), Asks::Nothing);
    }

    #[test]
    fn another_state_or_severity_is_written_and_a_severity_that_is_not_said_is_kept() {
        let open = ticket(SignalState::Firing, None);
        let end = written(asks(&resolved(), Some(&open)));
        assert_eq!(
            (end.state, end.severity, end.time),
            (
                SignalState::Resolved,
                Some(Severity::High),
                Some(Time(at(1000)))
            )
        );
        let worse = written(asks(&firing(Some(Severity::Critical), None), Some(&open)));
        assert_eq!(worse.severity, Some(Severity::Critical));
        let again = ticket(SignalState::Resolved, None);
        let again = written(asks(&firing(None, Some(20)), Some(&again)));
        assert_eq!(again.state, SignalState::Firing);
    }

    #[test]
    fn a_report_for_several_alerts_never_lowers_the_severity() {
        let open = ticket(SignalState::Firing, None);
        let lower = Report {
            only_higher: true,
            ..firing(Some(Severity::Low), None)
        };
        assert_eq!(asks(&lower, Some(&open)), Asks::Nothing);
        let alone = written(asks(&firing(Some(Severity::Low), None), Some(&open)));
        assert_eq!(alone.severity, Some(Severity::Low), "one alert's own does");
    }

    #[test]
    fn a_firing_for_a_closed_ticket_is_new_if_the_source_had_ended_it_or_it_began_later() {
        let over = ticket(SignalState::Resolved, Some(500));
        assert_eq!(asks(&firing(None, Some(10)), Some(&over)), Asks::Create);
        let closed = ticket(SignalState::Firing, Some(500));
        assert_eq!(asks(&firing(None, Some(501)), Some(&closed)), Asks::Create);
        assert_eq!(asks(&firing(None, Some(500)), Some(&closed)), Asks::Nothing);
        // Without a start the time of the report counts.
        assert_eq!(asks(&firing(None, None), Some(&closed)), Asks::Create);
    }

    #[test]
    fn an_end_is_written_on_a_closed_ticket_and_not_on_an_archived_one() {
        let mut closed = ticket(SignalState::Firing, Some(500));
        written(asks(&resolved(), Some(&closed)));
        closed.status.as_mut().unwrap().archived = true;
        assert_eq!(asks(&resolved(), Some(&closed)), Asks::Nothing);
    }

    #[test]
    fn an_answer_is_heard_once_and_only_while_somebody_waits_for_it() {
        let mut open = ticket(SignalState::Firing, None);
        let hear = |ticket: &Ticket| hearing(ticket, "t", Some(at(100)));
        assert_eq!(hear(&open), Hearing::Heard);
        open.spec.acknowledgement = Some(Acknowledgement {
            by: "bob".into(),
            token: Some("t".into()),
            ..Acknowledgement::default()
        });
        assert_eq!(hear(&open), Hearing::Acknowledged { by: "bob".into() });
        open.spec.acknowledgement.as_mut().unwrap().revoked = true;
        assert_eq!(hear(&open), Hearing::Spent, "the same link once more");
        open.spec.acknowledgement = None;
        assert_eq!(hear(&open), Hearing::Heard);
        let handled = |second| Handled {
            hash: String::new(),
            time: Time(at(second)),
            void: true,
        };
        let remember = |ticket: &mut Ticket, second| {
            let status = ticket.status.as_mut().unwrap();
            status
                .handled
                .insert("acknowledgement".into(), handled(second));
        };
        remember(&mut open, 99);
        assert_eq!(hear(&open), Hearing::Heard, "offered after that answer");
        remember(&mut open, 100);
        assert_eq!(hear(&open), Hearing::Spent, "answered after the offer");
        let mut over = open.clone();
        over.status.as_mut().unwrap().resolve_time = Some(Time(at(1)));
        assert_eq!(hear(&over), Hearing::Resolved);
        over.status.as_mut().unwrap().close_time = Some(Time(at(2)));
        assert_eq!(hear(&over), Hearing::Closed);
    }
}
