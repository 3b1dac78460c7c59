//! What the proxy was told to break, and what it has seen.

use std::collections::HashMap;

use http::StatusCode;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::call::Call;
use super::fault::{Aim, Fault, WatchFault, Which};

/// A fault that was laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laid(usize);

/// A call that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was asked.
    pub call: Call,
    /// When it came.
    pub time: Timestamp,
    /// The HTTP status of the answer, whether or not it was passed back; `None` while there is none.
    pub answer: Option<u16>,
    /// When it was over: answered, or broken off by either side; `None` while somebody waits.
    pub over: Option<Timestamp>,
}

#[derive(Debug)]
struct Rule {
    aim: Aim,
    which: Which,
    fault: Fault,
    fitting: usize,
    /// The calls that it broke, by their places among those seen.
    broke: Vec<usize>,
    lifted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Seen>>,
    watches: Mutex<HashMap<String, watch::Sender<WatchFault>>>,
}

impl Script {
    pub(super) fn lay(&self, aim: Aim, which: Which, fault: Fault) -> Laid {
        let mut rules = self.rules.lock();
        rules.push(Rule {
            aim,
            which,
            fault,
            fitting: 0,
            broke: Vec::new(),
            lifted: false,
        });
        Laid(rules.len() - 1)
    }

    pub(super) fn lift(&self, laid: Laid) {
        if let Some(rule) = self.rules.lock().get_mut(laid.0) {
            rule.lifted = true;
        }
    }

    pub(super) fn broken(&self, laid: Laid) -> Vec<Seen> {
        let rules = self.rules.lock();
        let broke = rules.get(laid.0).map_or(&[][..], |rule| &rule.broke);
        let calls = self.calls.lock();
        let broken = broke.iter().filter_map(|place| calls.get(*place));
        broken.cloned().collect()
    }

    pub(super) fn lifted(&self, laid: Laid) -> bool {
        self.rules.lock().get(laid.0).is_none_or(|rule| rule.lifted)
    }

    /// Notes a call: its place among those seen, and the fault that breaks it.
    pub(super) fn arrive(&self, call: &Call, body: &[u8]) -> (usize, Option<(Laid, Fault)>) {
        let mut fault = None;
        let mut rules = self.rules.lock();
        let mut calls = self.calls.lock();
        let laid = rules.iter_mut().enumerate();
        for (number, rule) in laid.filter(|(_, rule)| !rule.lifted) {
            if rule.aim.fits(call, body) {
                rule.fitting += 1;
                if fault.is_none() && rule.which.means(rule.fitting) {
                    rule.broke.push(calls.len());
                    fault = Some((Laid(number), rule.fault.clone()));
                }
            }
        }
        calls.push(Seen {
            call: call.clone(),
            time: Timestamp::now(),
            answer: None,
            over: None,
        });
        (calls.len() - 1, fault)
    }

    pub(super) fn answered(&self, seen: usize, status: StatusCode) {
        if let Some(seen) = self.calls.lock().get_mut(seen) {
            seen.answer = Some(status.as_u16());
        }
    }

    pub(super) fn over(&self, seen: usize) {
        if let Some(seen) = self.calls.lock().get_mut(seen) {
            seen.over = Some(Timestamp::now());
        }
    }

    pub(super) fn calls(&self) -> Vec<Seen> {
        self.calls.lock().clone()
    }

    pub(super) fn watches(&self, resource: &str) -> watch::Sender<WatchFault> {
        let mut watches = self.watches.lock();
        watches.entry(resource.to_owned()).or_default().clone()
    }
}
