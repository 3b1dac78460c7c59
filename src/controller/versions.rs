//! Which of two versions of an object counts (architecture.md, trap 9): the store never goes back behind what this
//! process has read or written, unless a live GET says so (a restored etcd has lower versions).

use std::time::{Duration, Instant};

use kube::api::ObjectMeta;

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
    /// It is older, as a watch that lags shows it.
    Older,
    /// It is older and should not be: ask by a live GET.
    Doubtful,
}

/// Judges a version that came in against the one that is held. Different uids are different objects: by then the
/// one held is compared as well, since versions grow over all objects.
pub fn judge(held: Held, incoming: &ObjectMeta, origin: Origin, now: Instant) -> Verdict {
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

    use super::{Held, LAG, Origin, Verdict, judge};

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
                judge(held, &metadata, origin, at),
                wanted,
                "{incoming} {origin:?}"
            );
        }
    }
}
