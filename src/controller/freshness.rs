//! How long ago each watch last showed that it lives. A silent watch looks like a quiet day (architecture.md, trap
//! 10): before a page leaves on its word, one that has been silent for too long is checked by a live GET.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long the API server is asked to keep one watch call open; each new call is a sign of life, and the cheapest: it
/// lists nothing. A call that ends neither then nor 5 s later is given up for dead (kube's watcher).
pub const WATCH_SECONDS: u32 = 20;
/// The same for tickets, where acknowledgements are read: one that died is followed by a new one within 10 s.
pub const TICKET_WATCH_SECONDS: u32 = 5;
/// A watch silent for longer than this is not trusted: before a page leaves, a live GET is asked.
pub const SILENCE: Duration = Duration::from_secs(8);

/// How long an API server that did not answer is not asked again before a page leaves.
pub const OUTAGE: Duration = Duration::from_secs(5);

/// A page leaves within that time of its deadline, however busy the machine is.
const MARGIN: Duration = Duration::from_millis(500);

/// The moment that counts for what a page leaves on which is due in `left`: when it is got ready, a little after its
/// deadline, so that what was good enough then still is when it leaves.
pub fn leaves_by(now: Instant, left: Duration) -> Instant {
    if left.is_zero() {
        now
    } else {
        now + left + MARGIN
    }
}

/// Signs of life of the ticket watches, by namespace (`""` = the whole cluster). Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    seen: Arc<Mutex<HashMap<String, Instant>>>,
    unanswered: Arc<Mutex<Option<Instant>>>,
}

impl Watches {
    /// Notes a sign of life of a namespace's watch.
    pub fn alive(&self, namespace: &str, at: Instant) {
        let mut seen = self.seen.lock();
        match seen.get_mut(namespace) {
            Some(last) => *last = at.max(*last),
            None => {
                seen.insert(namespace.to_owned(), at);
            }
        }
    }

    /// Notes the answer to a request, if it opened a watch on tickets.
    pub fn answered(&self, uri: &http::Uri, at: Instant) {
        if let Some(namespace) = ticket_watch(uri) {
            self.alive(namespace, at);
        }
    }

    /// Whether the watch that covers a namespace showed life lately.
    pub fn fresh(&self, namespace: &str, now: Instant) -> bool {
        let seen = self.seen.lock();
        let last = seen.get(namespace).or_else(|| seen.get(""));
        last.is_some_and(|last| now.saturating_duration_since(*last) <= SILENCE)
    }

    /// Notes that a live GET got no answer.
    pub fn unanswered(&self, at: Instant) {
        *self.unanswered.lock() = Some(at);
    }

    /// Whether the API server left a live GET without an answer lately: pages must not wait for it, one after the
    /// other. What was seen last counts then.
    pub fn outage(&self, now: Instant) -> bool {
        let last = *self.unanswered.lock();
        last.is_some_and(|last| now.saturating_duration_since(last) <= OUTAGE)
    }

    /// The longest silence of any watch; `None` before the first sign.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        let seen = self.seen.lock();
        seen.values()
            .map(|last| now.saturating_duration_since(*last))
            .max()
    }
}

/// The namespace (`""` = all) of a request that watches tickets.
fn ticket_watch(uri: &http::Uri) -> Option<&str> {
    let watches = uri.query()?.split('&').any(|part| part == "watch=true");
    let path = uri.path().strip_suffix("/tickets").filter(|_| watches)?;
    let (_, below) = path.split_once("/apis/firebell.dev/")?;
    match below.split_once("/namespaces/") {
        Some((_version, namespace)) => Some(namespace),
        None => Some(""),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{OUTAGE, SILENCE, Watches, leaves_by, ticket_watch};

    #[test]
    fn only_an_opened_watch_on_tickets_is_a_sign_of_life() {
        for (uri, wanted) in [
            (
                "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets?&watch=true&timeoutSeconds=20",
                Some("shop"),
            ),
            ("/apis/firebell.dev/v1alpha1/tickets?watch=true", Some("")),
            (
                "/prefix/apis/firebell.dev/v1alpha1/tickets?watch=true",
                Some(""),
            ),
            (
                "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets?limit=500",
                None,
            ),
            (
                "/apis/firebell.dev/v1alpha1/escalationpolicies?watch=true",
                None,
            ),
            (
                "/apis/firebell.dev/v1alpha1/namespaces/shop/tickets/a?watch=true",
                None,
            ),
        ] {
            assert_eq!(ticket_watch(&uri.parse().unwrap()), wanted, "{uri}");
        }
    }

    #[test]
    fn an_api_server_that_does_not_answer_holds_up_no_page_after_the_first() {
        let watches = Watches::default();
        let start = Instant::now();
        assert!(!watches.outage(start));
        watches.unanswered(start);
        assert!(watches.outage(start + OUTAGE));
        assert!(
            !watches.outage(start + OUTAGE + Duration::from_millis(1)),
            "asked again"
        );
    }

    #[test]
    fn what_was_good_enough_when_a_page_was_got_ready_is_so_when_it_leaves() {
        let watches = Watches::default();
        let start = Instant::now();
        watches.alive("shop", start);
        watches.unanswered(start);
        let (ahead, late) = (Duration::from_secs(2), Duration::from_millis(20));
        for age in 0..10_000 {
            let ready = start + Duration::from_millis(age);
            let then = leaves_by(ready, ahead);
            let now = leaves_by(ready + ahead + late, Duration::ZERO);
            let good = |by| (watches.fresh("shop", by), watches.outage(by));
            let (ready, left) = (good(then), good(now));
            assert!(left.0 || !ready.0, "fresh, {age} ms after the sign of life");
            assert!(left.1 || !ready.1, "not asked, {age} ms after the last");
        }
    }

    #[test]
    fn a_watch_that_was_silent_too_long_is_not_trusted() {
        let watches = Watches::default();
        let start = Instant::now();
        assert!(!watches.fresh("shop", start), "never seen");
        watches.alive("shop", start);
        assert!(watches.fresh("shop", start + SILENCE));
        assert!(!watches.fresh("shop", start + SILENCE + Duration::from_millis(1)));
        assert!(!watches.fresh("other", start));
        watches.alive("", start);
        assert!(
            watches.fresh("other", start),
            "the whole cluster's watch covers it"
        );
    }
}
