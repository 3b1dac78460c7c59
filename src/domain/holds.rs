//! Holds, suspension and maintenance: what makes a ticket wait, since when and until when.
//!
//! Rule: `api.md` section 5 "Hold". They concern open work: a resolved or closed ticket is not held and closes in its
//! time; reopened, what still stands holds it again from then on. First seen stays with the name of a hold as long as
//! it is there: nobody keeps an unanswered ticket quiet for longer by editing its hold. Setting counts from when it was
//! written (facts seen late), an end by time from that time, a removal from when it is seen.

pub(super) mod claims;
pub(super) mod freeze;
pub(super) mod holding;
pub(super) mod maintenance;
pub(super) mod release;
pub mod suspend;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use self::claims::{Claim, Claims};
use self::freeze::Stretch;
use crate::api::{Duration, Hold, HoldReason, HoldSeen, Holding, Time};
use crate::domain::draft::{Draft, after};
use crate::domain::facts::{self, Block, Judged, hash_of};
use crate::domain::lifecycle::{over_since, standing_of};
use crate::domain::next::Waiting;

/// On a ticket nobody answered a hold must end so soon after it was first seen.
const UNANSWERED: SignedDuration = SignedDuration::from_hours(4);
/// A hold without `untilTime` counts so long after it was first seen.
const OPEN_ENDED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A ticket is held at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless something is lifted or added.
    pub until: Timestamp,
    /// By what, whom and until when, for people.
    pub words: String,
}

/// Something that may hold a ticket.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name in `status.holding.seen`.
    pub key: String,
    /// Hash of its content.
    pub hash: String,
    /// It pauses the response clock too.
    pub maintenance: bool,
    /// Who set it.
    pub by: String,
    /// What, by whom, until when.
    pub words: String,
    /// When its present content was written, as far as known.
    pub dated: Timestamp,
    /// When it was first seen, where it was not seen before.
    pub first_seen: Timestamp,
    /// Whether it counts.
    pub wanted: Wanted,
    /// Remembered after its end, as long as it is there.
    pub lasts: bool,
}

/// Whether something holds a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It does.
    Counts {
        /// Since when; `None` = since it was written, or since it is valid.
        from: Option<Timestamp>,
        /// Until when.
        until: Timestamp,
    },
    /// It must be changed to count: how.
    Invalid(String),
    /// There is no open work to hold.
    Rests,
}

/// Takes in what holds the ticket now, and releases what is over at its true time.
pub fn apply(draft: &mut Draft<'_>) {
    let over = over_since(&draft.status).is_some();
    let (sources, maintained, ahead) = sources(draft, over);
    if let Some(ahead) = ahead {
        draft.wake(ahead, Waiting::Deadline);
    }
    if sources.is_empty() && maintained.is_empty() && draft.status.holding.is_none() {
        return;
    }
    let mut state = draft.status.holding.take().unwrap_or_default();
    if let Some(reopened) = draft.reopened {
        // Until then its clocks stood still anyway.
        state.release_time = state.release_time.max(Some(Time(reopened)));
        state.response_release_time = state.response_release_time.max(Some(Time(reopened)));
    }
    let before = std::mem::take(&mut state.seen);
    let submitted = draft.status.submit_time.map_or(draft.now, |time| time.0);
    let mut claims = Claims::default();
    let mut begun = Vec::new();
    for over in maintained {
        claims.maintained(over);
    }
    for source in &sources {
        let known = before.iter().find(|known| known.name == source.key);
        let (entry, from) = claims.count(source, known, submitted, draft.now);
        if entry.until_time.is_some() || source.lasts {
            state.seen.push(entry);
        }
        begun.extend(from.map(|from| (source, from)));
    }
    let gone = |known: &&HoldSeen| !sources.iter().any(|source| source.key == known.name);
    for known in before.iter().filter(gone) {
        claims.lifted(known, draft.now);
    }
    let frozen = freeze_work(draft, &mut state, &claims.all);
    freeze_response(draft, &mut state, &claims.maintenance);
    draft.held = frozen.present.map(|present| Held {
        since: present.from,
        until: present.until,
        words: words(&sources, &state),
    });
    for end in state.seen.iter().filter_map(|known| known.until_time) {
        draft.wake(end.0, Waiting::HoldEnd);
    }
    if !over {
        let change = holding::Change {
            sources: &sources,
            begun: &begun,
            before: &before,
            after: &state.seen,
            over: &frozen.over,
        };
        holding::tell(draft, &change);
    }
    draft.status.holding = Some(state).filter(|state| *state != Holding::default());
}

/// Once the facts are taken in: a ticket that is resolved or closed is held no longer, nor is a response clock that an
/// answer stopped.
pub fn settle(draft: &mut Draft<'_>) {
    let Some(mut state) = draft.status.holding.take() else {
        return;
    };
    let over = over_since(&draft.status);
    let ended = |since: Time, end: Timestamp| Stretch {
        from: since.0,
        until: end.max(since.0),
    };
    if let Some(end) = response_met(draft).or(over)
        && let Some(since) = state.response_since_time.take()
    {
        release_response(draft, &mut state, ended(since, end));
    }
    if let Some(end) = over {
        if let Some(since) = state.since_time.take() {
            release_work(draft, &mut state, ended(since, end));
        }
        state.seen.retain(|known| !known.name.contains('/'));
        for known in &mut state.seen {
            known.until_time = None;
        }
        draft.held = None;
        draft.standing.held = false;
        holding::rest(draft);
    }
    draft.status.holding = Some(state).filter(|state| *state != Holding::default());
}

/// A ticket that was reopened in this decision is held by what still stands, before anything is armed.
pub fn take_up(draft: &mut Draft<'_>) {
    let was_over = over_since(draft.written()).is_some();
    if was_over && over_since(&draft.status).is_none() {
        apply(draft);
        draft.standing = standing_of(&draft.status);
    }
}

fn freeze_work(draft: &mut Draft<'_>, state: &mut Holding, claims: &[Claim]) -> freeze::Frozen {
    let floor = counted_until(draft, state.release_time);
    let frozen = claims::join(state.since_time, floor, claims, draft.now);
    for over in &frozen.over {
        release_work(draft, state, *over);
    }
    state.since_time = frozen.present.map(|present| Time(present.from));
    frozen
}

fn release_work(draft: &mut Draft<'_>, state: &mut Holding, held: Stretch) {
    release::work(draft, held);
    let before = state.held_total.as_ref().map_or(0, Duration::as_millis);
    let span = held.until.duration_since(held.from).as_millis();
    let total = before + i64::try_from(span).unwrap_or(0);
    state.held_total = Some(Duration::from_millis(total));
    state.release_time = Some(Time(held.until));
}

fn freeze_response(draft: &mut Draft<'_>, state: &mut Holding, claims: &[Claim]) {
    if response_met(draft).is_some() || (claims.is_empty() && state.response_since_time.is_none()) {
        return;
    }
    let floor = counted_until(draft, state.response_release_time);
    let frozen = claims::join(state.response_since_time, floor, claims, draft.now);
    for over in &frozen.over {
        release_response(draft, state, *over);
    }
    state.response_since_time = frozen.present.map(|present| Time(present.from));
}

fn release_response(draft: &mut Draft<'_>, state: &mut Holding, held: Stretch) {
    release::response(draft, held);
    state.response_release_time = Some(Time(held.until));
}

/// When a person first answered.
fn response_met(draft: &Draft<'_>) -> Option<Timestamp> {
    let targets = draft.status.targets.as_ref()?;
    targets.response.met_time.map(|met| met.0)
}

/// Up to when nothing counts any more: the submission, or the newest release.
fn counted_until(draft: &Draft<'_>, released: Option<Time>) -> Timestamp {
    let submitted = draft.status.submit_time;
    submitted.max(released).map_or(draft.now, |time| time.0)
}

/// First 8 hex digits of the hash of a content: enough to tell an edit, short where ten of them are kept.
pub fn mark<T: Serialize>(content: &T) -> String {
    let mut mark = hash_of(content);
    mark.truncate(8);
    mark
}

/// A person's reason, as it stands behind what they did.
pub fn because(reason: Option<&String>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// Everything that may hold the ticket, maintenance that is over, and when the next one begins.
fn sources(draft: &Draft<'_>, over: bool) -> (Vec<Source>, Vec<Stretch>, Option<Timestamp>) {
    let holds = &draft.ticket().spec.holds;
    let mut sources: Vec<Source> = holds.iter().map(|hold| source(draft, hold, over)).collect();
    if over {
        return (sources, Vec::new(), None);
    }
    sources.extend(suspend::source(draft));
    let planned = maintenance::planned(draft);
    sources.extend(planned.present);
    (sources, planned.over, planned.next)
}

fn source(draft: &Draft<'_>, hold: &Hold, over: bool) -> Source {
    let hash = mark(hold);
    let known = draft.status.holding.as_ref();
    let before = known.and_then(|known| known.seen.iter().find(|seen| seen.name == hold.name));
    let dated = if before.is_some_and(|before| before.hash == hash) {
        draft.now
    } else {
        facts::dated(draft.ticket(), "holds", draft.now).time
    };
    let first_seen = before.map_or(dated, |before| before.first_seen_time.0);
    let wanted = if over {
        Wanted::Rests
    } else {
        judge(hold, first_seen, answered(draft, dated), draft.now)
    };
    let until = match (&wanted, hold.until_time) {
        (_, Some(until)) => format!(" until {until}"),
        (Wanted::Counts { until, .. }, None) => format!(" until {until} at the latest"),
        (Wanted::Invalid(_) | Wanted::Rests, None) => String::new(),
    };
    Source {
        key: hold.name.clone(),
        hash,
        maintenance: hold.reason == HoldReason::Maintenance,
        by: hold.by.clone(),
        words: format!(
            "hold \"{}\" ({:?}) by {}{until}",
            hold.name, hold.reason, hold.by
        ),
        dated,
        first_seen,
        wanted,
        lasts: true,
    }
}

/// Whether a hold counts, by its limits (api.md section 5 "Hold"); else what must be changed.
fn judge(hold: &Hold, first_seen: Timestamp, answered: bool, now: Timestamp) -> Wanted {
    let soon = after(first_seen, UNANSWERED);
    let open_end = match hold.reason {
        HoldReason::AwaitingCustomer | HoldReason::AwaitingVendor => true,
        HoldReason::AwaitingChange | HoldReason::Maintenance | HoldReason::Other => false,
    };
    let until = match hold.until_time {
        Some(until) => freeze::whole(until.0),
        None if open_end => after(first_seen, OPEN_ENDED),
        None => {
            return Wanted::Invalid(
                "`untilTime` must be present: only AwaitingCustomer and AwaitingVendor may do without"
                    .to_owned(),
            );
        }
    };
    if hold.until_time.is_none() && until <= now {
        return Wanted::Invalid(format!(
            "without `untilTime` it counts for 7 days, which were over at {until}. It must be removed, or given an `untilTime`"
        ));
    }
    if !answered && until > soon {
        return Wanted::Invalid(format!(
            "nobody has answered this ticket, so its `untilTime` must be at or before {soon} (4h after the hold was first seen). Acknowledge the ticket or shorten the hold"
        ));
    }
    Wanted::Counts { from: None, until }
}

/// Whether a person's answer stood at that moment: acknowledgement, triage or assignment.
fn answered(draft: &Draft<'_>, at: Timestamp) -> bool {
    let stands = |block: Block| {
        let hash = facts::declared(&draft.ticket().spec, block);
        match facts::judge(&draft.status, block, hash.as_deref()) {
            Judged::New | Judged::Known(_) => true,
            Judged::Absent | Judged::Void => false,
        }
    };
    let held = draft
        .status
        .holding
        .as_ref()
        .is_some_and(|known| known.since_time.is_some());
    let expiry = draft.status.acknowledge_expiry_time;
    let expired = !held && expiry.is_some_and(|expiry| expiry.0 <= at);
    (stands(Block::Acknowledgement) && !expired)
        || stands(Block::Triage)
        || stands(Block::Assignment)
}

/// What holds the ticket now, for people.
fn words(sources: &[Source], state: &Holding) -> String {
    let in_force = |source: &&Source| {
        state
            .seen
            .iter()
            .any(|known| known.name == source.key && known.until_time.is_some())
    };
    let words: Vec<&str> = sources
        .iter()
        .filter(in_force)
        .map(|source| source.words.as_str())
        .collect();
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_short_and_tells_one_content_from_another() {
        let hold = |by: &str| Hold {
            name: "vendor".into(),
            reason: HoldReason::Other,
            until_time: None,
            by: by.into(),
            note: None,
        };
        let (alice, bob) = (mark(&hold("alice")), mark(&hold("bob")));
        assert_eq!((alice.len(), bob.len()), (8, 8));
        assert_ne!(alice, bob);
        assert_eq!(alice, mark(&hold("alice")));
    }
}
