//! A new entry of `status.deliveries`: what it is a delivery of, for whom and when.

use jiff::Timestamp;

use crate::api::{DeliveryRecord, DeliveryState, Time};
use crate::domain::telling::delivery::{DeliveryId, Target};

/// What an entry is a delivery of.
#[derive(Clone, Copy, Debug)]
pub enum Part<'e> {
    /// A page of the chain.
    Page {
        /// Step.
        step: &'e str,
        /// Repeat; 0 is the step itself.
        repeat: i64,
        /// What it answers besides the timetable, such as a person's request.
        cause: Option<&'e str>,
    },
    /// A notice.
    Notice {
        /// Kind.
        kind: &'e str,
        /// What caused it.
        cause: &'e str,
    },
}

/// A new entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// Its id.
    pub id: &'e DeliveryId,
    /// Round of the chain.
    pub round: i64,
    /// Page or notice.
    pub part: Part<'e>,
    /// Who it is for.
    pub target: &'e Target,
    /// When it is, or was, due.
    pub due: Timestamp,
}

impl Entry<'_> {
    /// It leaves once it is written.
    pub fn armed(self) -> DeliveryRecord {
        self.record(DeliveryState::Armed)
    }

    /// It is on its way already.
    pub fn sending(self) -> DeliveryRecord {
        self.record(DeliveryState::Sending)
    }

    fn record(self, state: DeliveryState) -> DeliveryRecord {
        let (step, kind, repeat, cause) = match self.part {
            Part::Page {
                step,
                repeat,
                cause,
            } => (Some(step), None, repeat, cause),
            Part::Notice { kind, cause } => (None, Some(kind), 0, Some(cause)),
        };
        DeliveryRecord {
            id: self.id.to_string(),
            round: self.round,
            step: step.map(str::to_owned),
            kind: kind.map(str::to_owned),
            repeat: Some(repeat).filter(|repeat| *repeat > 0),
            cause: cause.map(str::to_owned),
            target: self.target.to_string(),
            state,
            attempts: None,
            time: Time(self.due),
            message: None,
            count: None,
        }
    }
}
