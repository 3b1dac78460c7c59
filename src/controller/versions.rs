//! Which of two versions of an object counts (architecture.md, trap 9): the store never goes back behind what this
//! process has read or written, unless a live GET says so (a restored etcd has lower versions); and an answer to a call
//! of ours that comes later than the news of an object's end does not bring it back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kube::api::ObjectMeta;

use super::client::CALL_LIMIT;
use super::key::version;

/// How long a watch may lag behind our own write before a live GET is asked.
pub const LAG: Duration = Duration::from_secs(10);

/// Where a version of an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The watch told of a change.
    Watch,
    /// The watch started again and listed everything.
    Relist,
    /// The answer to our own write.
    Written,
    /// A live GET: it decides.
    Live,
}

/// What is known of the version that is held.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Its order.
    pub version: u64,
    /// When it was taken in.
    pub since: Instant,
}

/// What to do with a version that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is newer: it counts from now on.
    Take,
    /// It is the one that is held.
    Same,
    /// It is older, as a watch that lags shows it, or an answer that comes late.
    Older,
    /// It is older and should not be: ask by a live GET.
    Doubtful,
}

/// Objects of a kind whose end was seen lately. One that was put back by a restored store is listed again.
#[derive(Debug, Default)]
pub struct Ended {
    uids: VecDeque<(Instant, String)>,
}

impl Ended {
    /// The end of an object was seen.
    pub fn note(&mut self, uid: Option<&str>, now: Instant) {
        while self.uids.front().is_some_and(|(at, _)| is_past(*at, now)) {
            self.uids.pop_front();
        }
        self.uids.extend(uid.map(|uid| (now, uid.to_owned())));
    }

    /// Whether a version comes from a call that was made before that: no call is waited for any longer.
    fn outlived(&self, by: &ObjectMeta, origin: Origin, now: Instant) -> bool {
        match origin {
            Origin::Watch | Origin::Relist => false,
            Origin::Written | Origin::Live => self
                .uids
                .iter()
                .any(|(at, uid)| Some(uid) == by.uid.as_ref() && !is_past(*at, now)),
        }
    }
}

fn is_past(ended: Instant, now: Instant) -> bool {
    now.saturating_duration_since(ended) > CALL_LIMIT
}

/// Judges a version that came in against the one that is held, if any, and against what has ended. Different uids are
/// different objects: by then the one held is compared as well, since versions grow over all objects.
pub fn judge(
    held: Option<Held>,
    ended: &Ended,
    incoming: &ObjectMeta,
    origin: Origin,
    now: Instant,
) -> Verdict {
    if ended.outlived(incoming, origin, now) {
        return Verdict::Older;
    }
    let Some(held) = held else {
        return Verdict::Take;
    };
    let incoming = version(incoming);
    if incoming == held.version {
        return Verdict::Same;
    }
    if incoming > held.version {
        return Verdict::Take;
    }
    match origin {
        Origin::Live => Verdict::Take,
        Origin::Relist => Verdict::Doubtful,
        Origin::Watch if now.saturating_duration_since(held.since) > LAG => Verdict::Doubtful,
        Origin::Watch | Origin::Written => Verdict::Older,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use kube::api::ObjectMeta;

    use super::{CALL_LIMIT, Ended, Held, LAG, Origin, Verdict, judge};

    #[test]
    fn what_was_written_is_not_undone_by_a_watch_that_lags_and_a_live_get_decides() {
        let start = Instant::now();
        let held = Held {
            version: 100,
            since: start,
        };
        let soon = start + Duration::from_secs(1);
        let late = start + LAG + Duration::from_secs(1);
        for (incoming, origin, at, wanted) in [
            ("101", Origin::Watch, soon, Verdict::Take),
            ("100", Origin::Watch, soon, Verdict::Same),
            ("99", Origin::Watch, soon, Verdict::Older),
            ("99", Origin::Watch, late, Verdict::Doubtful),
            ("99", Origin::Relist, soon, Verdict::Doubtful),
            ("99", Origin::Written, late, Verdict::Older),
            ("9", Origin::Live, soon, Verdict::Take),
        ] {
            let metadata = ObjectMeta {
                resource_version: Some(incoming.into()),
                ..ObjectMeta::default()
            };
            assert_eq!(
                judge(Some(held), &Ended::default(), &metadata, origin, at),
                wanted,
                "{incoming} {origin:?}"
            );
        }
    }

    #[test]
    fn an_answer_that_comes_after_the_end_brings_nothing_back_and_what_is_listed_again_is_there_again()
     {
        let start = Instant::now();
        let mut ended = Ended::default();
        ended.note(Some("one"), start);
        ended.note(None, start);
        let late = start + CALL_LIMIT;
        let another = Held {
            version: 9,
            since: start,
        };
        for (uid, origin, held, at, wanted) in [
            ("one", Origin::Written, None, start, Verdict::Older),
            ("one", Origin::Live, None, late, Verdict::Older),
            ("one", Origin::Live, Some(another), late, Verdict::Older),
            ("one", Origin::Relist, None, start, Verdict::Take),
            ("one", Origin::Watch, None, start, Verdict::Take),
            ("two", Origin::Written, None, start, Verdict::Take),
            ("two", Origin::Live, None, start, Verdict::Take),
        ] {
            let metadata = ObjectMeta {
                uid: Some(uid.into()),
                resource_version: Some("6".into()),
                ..ObjectMeta::default()
            };
            assert_eq!(
                judge(held, &ended, &metadata, origin, at),
                wanted,
                "{uid} {origin:?} {held:?}"
            );
        }
    }

    #[test]
    fn an_end_is_remembered_as_long_as_a_call_may_be_answered_and_no_longer() {
        let start = Instant::now();
        let mut ended = Ended::default();
        ended.note(Some("one"), start);
        let after = start + CALL_LIMIT + Duration::from_millis(1);
        let metadata = ObjectMeta {
            uid: Some("one".into()),
            ..ObjectMeta::default()
        };
        let verdict = judge(None, &ended, &metadata, Origin::Live, after);
        assert_eq!(verdict, Verdict::Take);
        ended.note(Some("two"), after);
        assert_eq!(ended.uids.len(), 1);
    }
}
