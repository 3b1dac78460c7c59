//! Calls to the API server on their way: when they land, what the server answers, and what the weather makes of it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::inside::{Coming, Inside};
use super::ledger::Broken;
use super::moment::{Ms, SECOND, at, ms_of_span};
use super::plan::Trap;
use super::plant::{self, Plant};
use super::server::{NAMESPACE, Refusal};
use crate::api::{Ticket, TicketStatus};
use crate::controller::error::Class;
use crate::controller::key::Key;
use crate::controller::{client, shown};

/// A client gives up on an answer after that.
pub const CALL_LIMIT: Ms = ms_of_span(client::CALL_LIMIT);
/// Once the watch shows a write its answer is waited for that long.
const GRACE: Ms = ms_of_span(shown::GRACE);
/// After the watch has it, at most.
const SEEN: Ms = 100;

/// What is asked.
pub enum Ask {
    /// GET.
    Get,
    /// PATCH of the status.
    Status {
        /// Over this one, under its version.
        seen: Arc<Ticket>,
        /// The whole status as it should be.
        status: Arc<TicketStatus>,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The object.
    Ticket(Arc<Ticket>),
    /// 404.
    Gone,
    /// Anything else, by its class.
    Failed(Class),
}

/// Where an answer is put.
pub type Slot = Rc<RefCell<Option<Reply>>>;

/// A call on the wire.
pub struct Call {
    /// Of which operator and life.
    pub sender: (usize, u32),
    /// The look that waits for it; `None` = a doubt that is cleared by a GET.
    pub look: Option<u64>,
    /// About which ticket.
    pub key: Key,
    /// What.
    pub ask: Ask,
    /// Given up after that.
    pub limit: Ms,
    /// Where its answer goes.
    pub slot: Slot,
}

/// Waits for an answer.
pub struct Answered(pub Slot);

impl Future for Answered {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        match self.0.borrow_mut().take() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

/// What is broken at the API server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Nobody answers until then.
    pub down_until: Ms,
    /// Calls hang instead of being refused.
    pub hangs: bool,
    /// Calls are answered with an error until then.
    pub refuses_until: Ms,
    /// With this one.
    pub code: u16,
    /// So many status writes meet somebody else's.
    pub meddles: u32,
    /// The answers of so many status writes are lost.
    pub loses: u32,
}

impl Weather {
    /// Whether the API server is gone.
    pub fn down(&self, now: Ms) -> bool {
        now < self.down_until
    }
}

impl Inside {
    /// Puts a call on the wire.
    pub fn call(&mut self, call: Call) {
        let number = self.number();
        self.calls.insert(number, call);
        let trip = self.rng.i64(1..10);
        self.comes(trip, Coming::Lands(number));
    }

    /// Clears doubts by live GETs.
    pub fn clear(&mut self, process: usize, doubts: Vec<Key>) {
        let Some(life) = self.processes.get(process).map(|seer| seer.life) else {
            return;
        };
        for key in doubts {
            self.call(Call {
                sender: (process, life),
                look: None,
                key,
                ask: Ask::Get,
                limit: CALL_LIMIT,
                slot: Slot::default(),
            });
        }
    }

    /// A call reaches the API server.
    pub fn land(&mut self, number: u64) {
        let Some(call) = self.calls.remove(&number) else {
            return;
        };
        let dead = self
            .processes
            .get(call.sender.0)
            .is_none_or(|process| process.life != call.sender.1);
        if dead && self.rng.bool() {
            return;
        }
        let now = self.now;
        let mut back = self.rng.i64(1..10);
        let reply = if self.weather.down(now) {
            if self.weather.hangs {
                back = call.limit;
            }
            Reply::Failed(Class::Transient)
        } else if now < self.weather.refuses_until {
            Reply::Failed(Class::Transient)
        } else {
            self.perform(&call, &mut back)
        };
        // Nobody looks into the slot before the answer has arrived.
        *call.slot.borrow_mut() = Some(reply);
        self.calls.insert(number, call);
        self.comes(back, Coming::Answers(number));
    }

    fn perform(&mut self, call: &Call, back: &mut Ms) -> Reply {
        let time = at(self.now);
        let name = &*call.key.name;
        let (seen, status) = match &call.ask {
            Ask::Get => {
                return match self.server.get(name) {
                    Ok(ticket) => Reply::Ticket(ticket),
                    Err(refusal) => refused(refusal),
                };
            }
            Ask::Status { seen, status } => (seen, status),
        };
        if self.weather.meddles > 0 {
            self.weather.meddles -= 1;
            let mark = self.now.to_string();
            // Nobody to meddle with where the ticket is gone.
            let _ = self.server.annotate(name, &mark, time);
            self.spread();
        }
        let status = plant::stored(self.plant, seen.status.as_ref(), (**status).clone());
        let fenced = self.plant != Some(Plant::NoFencing);
        let version = seen.metadata.resource_version.as_deref();
        let version = version.filter(|_| fenced);
        let before = self.server.version();
        let stored = self.server.put_status(name, version, status, time);
        if self.server.version() != before {
            self.ledger.writes.push(self.now);
            self.spread();
        }
        match stored {
            Ok(ticket) => {
                self.spring(call.sender.0, Trap::AfterCommit);
                if self.weather.loses > 0 {
                    self.weather.loses -= 1;
                    *back = if self.rng.bool() { call.limit } else { *back };
                    let unknown = self.unknown_for(call.sender.0, *back);
                    self.broken(unknown + SECOND, Broken::LostAnswer);
                    self.tell(|| {
                        format!("the answer to a write of {NAMESPACE}/{name} is lost; it landed")
                    });
                    return Reply::Failed(Class::Transient);
                }
                Reply::Ticket(ticket)
            }
            Err(refusal) => refused(refusal),
        }
    }
}

impl Inside {
    /// How long an operator does not know of a write that landed and whose answer does not come: until its watch shows
    /// it, where that is well.
    fn unknown_for(&self, process: usize, back: Ms) -> Ms {
        let watch = self.processes.get(process).map(|seer| seer.watch);
        let well =
            watch.is_some_and(|watch| watch.frozen_from.is_none() && watch.lags_until <= self.now);
        if well { back.min(SEEN + GRACE) } else { back }
    }

    /// A version came into an operator's view: whoever waits for the answer to a write that it shows does not wait for
    /// ever (`controller::shown`).
    pub fn show(&mut self, sender: (usize, u32), ticket: &Ticket) {
        if self.plant == Some(Plant::WaitsForAnswers) {
            return;
        }
        let shown = self.calls.iter().find_map(|(number, call)| {
            let Ask::Status { seen, status } = &call.ask else {
                return None;
            };
            if call.sender != sender || seen.metadata.uid != ticket.metadata.uid {
                return None;
            }
            let held = self.processes.get(sender.0)?.tickets.get(&call.key)?.ticket;
            shown::shows(&held, seen, status).then_some((*number, held))
        });
        if let Some((number, held)) = shown {
            self.comes(GRACE, Coming::Shown(number, held));
        }
    }

    /// The answer to a write that is shown did not come. Returns the look that goes on without.
    pub fn go_on_without(&mut self, number: u64, now: Arc<Ticket>) -> Option<u64> {
        let call = self.calls.remove(&number)?;
        *call.slot.borrow_mut() = Some(Reply::Ticket(now));
        let seer = self.processes.get(call.sender.0);
        seer.filter(|seer| seer.life == call.sender.1)?;
        call.look
    }
}

fn refused(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::NotFound => Reply::Gone,
        Refusal::Conflict | Refusal::AlreadyExists => Reply::Failed(Class::Conflict),
        Refusal::Expired => Reply::Failed(Class::Transient),
        Refusal::Invalid => Reply::Failed(Class::Terminal),
    }
}
