//! Status writes that the watch shows before their answer comes, or whose answer never comes: whoever waits for the
//! answer goes on from what is shown. What such a write armed must not wait until the call is given up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::key::{Key, version};
use crate::api::{Ticket, TicketStatus};

/// How long the answer is still waited for once the watch shows the write: nearly always it comes within that, and a
/// call that is given up costs its connection.
pub const GRACE: Duration = Duration::from_millis(200);

/// Whether `now` shows a status that was asked for over `seen`: the very object, a newer version of it, with this very
/// content. Then it stands, whatever became of the answer.
pub fn shows(now: &Ticket, seen: &Ticket, asked: &TicketStatus) -> bool {
    now.metadata.uid == seen.metadata.uid
        && version(&now.metadata) > version(&seen.metadata)
        && now.status.as_ref() == Some(asked)
}

/// Who waits for a version of which ticket. Of one ticket nobody else may wait meanwhile: it is looked at once at a time.
#[derive(Debug, Default)]
pub struct Shown {
    waiting: Mutex<HashMap<Key, Arc<Notify>>>,
}

impl Shown {
    /// A version of a ticket came into view.
    pub fn tell(&self, key: &Key) {
        if let Some(waiting) = self.waiting.lock().get(key) {
            waiting.notify_waiters();
        }
    }

    /// Waits until `find` finds something; it is asked now, and at each version that comes into view.
    pub async fn until<T>(&self, key: &Key, find: impl Fn() -> Option<T>) -> T {
        let told = Arc::new(Notify::new());
        self.waiting.lock().insert(key.clone(), told.clone());
        let _leaves = Leaves(self, key);
        loop {
            // Asked for before looking: what comes in between is not missed.
            let mut next = std::pin::pin!(told.notified());
            next.as_mut().enable();
            if let Some(found) = find() {
                return found;
            }
            next.await;
        }
    }
}

/// Takes the one who waits away when it waits no more.
struct Leaves<'a>(&'a Shown, &'a Key);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.waiting.lock().remove(self.1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::api::{Phase, TicketSpec};

    fn ticket(uid: &str, version: &str, phase: Option<Phase>) -> Ticket {
        let mut ticket = Ticket::new("checkout", TicketSpec::default());
        ticket.metadata.uid = Some(uid.to_owned());
        ticket.metadata.resource_version = Some(version.to_owned());
        ticket.status = phase.map(status);
        ticket
    }

    fn status(phase: Phase) -> TicketStatus {
        TicketStatus {
            phase: Some(phase),
            ..TicketStatus::default()
        }
    }

    #[test]
    fn only_a_newer_version_of_the_very_object_with_the_very_content_shows_a_write() {
        let (seen, asked) = (ticket("one", "5", None), status(Phase::Submitted));
        for (uid, version, phase, wanted) in [
            ("one", "6", Some(Phase::Submitted), true),
            ("one", "6", Some(Phase::Acknowledged), false),
            ("one", "6", None, false),
            ("one", "5", Some(Phase::Submitted), false),
            ("one", "4", Some(Phase::Submitted), false),
            ("another", "6", Some(Phase::Submitted), false),
        ] {
            let now = ticket(uid, version, phase);
            assert_eq!(shows(&now, &seen, &asked), wanted, "{uid} {version}");
        }
    }

    #[test]
    fn whoever_waits_is_asked_at_each_version_of_its_own_ticket_and_leaves_nothing_behind() {
        let (shown, key) = (Shown::default(), Key::new("shop", "checkout"));
        let found = Mutex::new(None);
        {
            let mut waits = Box::pin(shown.until(&key, || *found.lock()));
            assert_eq!(waits.as_mut().now_or_never(), None);
            *found.lock() = Some(7);
            shown.tell(&Key::new("shop", "other"));
            assert_eq!(waits.as_mut().now_or_never(), None, "not told");
            shown.tell(&key);
            assert_eq!(waits.as_mut().now_or_never(), Some(7));
        }
        assert!(shown.waiting.lock().is_empty());
        assert_eq!(
            shown.until(&key, || *found.lock()).now_or_never(),
            Some(7),
            "there already"
        );
    }
}
