mod refused;

use std::time::Duration;

use proptest::prelude::{Strategy, any, prop, proptest};

use super::{Candidate, Stand, Step, Timing};
use crate::controller::leader::evaluate::Moment;

const LASTS: u64 = 3000;
const TIMING: Timing = Timing::new(Duration::from_millis(LASTS));

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn by(holder: &str, version: u64) -> (Option<String>, Duration, u64) {
    (Some(holder.to_owned()), TIMING.lasts(), version)
}

/// One that renewed at moment 0.
fn leader() -> Candidate {
    let mut one = Candidate::new("me".into(), TIMING);
    one.read(None, ms(0));
    assert!(matches!(one.step(ms(0)), Step::Write { over: None, .. }));
    one.wrote(ms(0), 1, ms(0));
    one
}

/// Lets all tries of a holder fail at once, from its next one until `end`.
fn without_answers(one: &mut Candidate, end: u64) {
    for now in (0..end).map(ms) {
        if let Step::Write { limit, .. } | Step::Read { limit } = one.step(now) {
            one.failed(now, limit, now);
        }
    }
}

#[test]
fn a_holder_leads_until_shortly_before_its_lease_ends() {
    let one = leader();
    assert_eq!(one.stand(ms(0)), Stand::Leads { until: ms(2700) });
    assert_eq!(one.stand(ms(2699)), Stand::Leads { until: ms(2700) });
    assert_eq!(one.stand(ms(2700)), Stand::Pauses);
    assert_eq!(
        one.step(ms(500)),
        Step::Wait { until: ms(1000) },
        "renewed at a third"
    );
}

#[test]
fn a_renewal_counts_from_when_it_was_sent() {
    let mut one = leader();
    one.wrote(ms(1000), 2, ms(2500));
    assert_eq!(one.stand(ms(2500)), Stand::Leads { until: ms(3700) });
}

#[test]
fn a_follower_waits_for_the_lease_to_run_out_by_its_own_clock() {
    let mut one = Candidate::new("me".into(), TIMING);
    one.read(Some(by("other", 1)), ms(500));
    assert_eq!(one.step(ms(500)), Step::Wait { until: ms(3500) });
    one.watched(Some(by("other", 2)), ms(1400));
    assert_eq!(one.step(ms(3500)), Step::Wait { until: ms(4400) });
    assert!(matches!(
        one.step(ms(4400)),
        Step::Write { over: Some(2), .. }
    ));
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let mut one = Candidate::new("me".into(), TIMING);
    one.read(Some(by("other", 1)), ms(500));
    one.watched(Some((None, ms(1000), 2)), ms(510));
    assert!(matches!(
        one.step(ms(510)),
        Step::Write { over: Some(2), .. }
    ));
}

#[test]
fn a_version_older_than_what_is_known_takes_nothing_away() {
    let mut one = Candidate::new("me".into(), TIMING);
    one.read(Some((None, ms(1000), 5)), ms(0));
    one.wrote(ms(0), 6, ms(10));
    one.watched(Some(by("other", 4)), ms(20));
    assert_eq!(one.stand(ms(20)), Stand::Leads { until: ms(2700) });
}

#[test]
fn who_sees_another_in_its_place_has_lost_for_good() {
    let mut one = leader();
    one.watched(Some(by("other", 2)), ms(100));
    assert_eq!(one.stand(ms(100)), Stand::Lost);
    assert_eq!(one.step(ms(100)), Step::End);
    one.wrote(ms(50), 3, ms(120));
    assert_eq!(one.stand(ms(120)), Stand::Lost);
}

#[test]
fn what_a_lease_says_of_its_duration_is_believed_within_reason() {
    for (said, wanted) in [
        (None, LASTS),
        (Some(0), LASTS),
        (Some(-1), LASTS),
        (Some(1), 2000),
        (Some(6), 6000),
        (Some(i32::MAX), 60_000),
    ] {
        assert_eq!(TIMING.of_another(said), ms(wanted), "{said:?}");
    }
}

#[test]
fn without_any_answer_the_holder_goes_on_alone_once_its_lease_is_over_for_everybody() {
    let mut one = leader();
    without_answers(&mut one, 3300);
    assert_eq!(one.stand(ms(3299)), Stand::Pauses);
    without_answers(&mut one, 3600);
    assert!(matches!(one.stand(ms(3600)), Stand::Alone { .. }));
    one.watched(Some(by("other", 2)), ms(3610));
    assert_eq!(one.stand(ms(3610)), Stand::Lost, "somebody else has it");
}

#[test]
fn an_answer_ends_being_alone() {
    let mut one = leader();
    without_answers(&mut one, 10_000);
    assert!(matches!(one.stand(ms(10_000)), Stand::Alone { .. }));
    one.wrote(ms(10_000), 2, ms(10_001));
    assert_eq!(one.stand(ms(10_001)), Stand::Leads { until: ms(12_700) });
}

#[test]
fn a_follower_is_never_alone() {
    let mut one = Candidate::new("me".into(), TIMING);
    one.read(Some(by("other", 1)), ms(0));
    without_answers(&mut one, 60_000);
    assert_eq!(one.stand(ms(60_000)), Stand::Follows);
}

#[test]
fn who_stood_still_beyond_its_lease_neither_leads_nor_sends_alone() {
    // Stopped in the middle of a renewal: what comes to nothing meanwhile is no proof.
    let mut one = leader();
    one.failed(ms(1000), ms(1500), ms(60_000));
    assert_eq!(one.stand(ms(60_000)), Stand::Pauses);
    // Stopped while it paused, in a try that began after the end.
    let mut one = leader();
    one.failed(ms(2800), ms(750), ms(60_000));
    assert_eq!(one.stand(ms(60_000)), Stand::Pauses);
    // Stopped while it was alone.
    let mut one = leader();
    without_answers(&mut one, 5000);
    assert!(matches!(one.stand(ms(5000)), Stand::Alone { .. }));
    assert_eq!(one.stand(ms(60_000)), Stand::Pauses);
}

#[test]
fn a_holder_s_tries_end_with_its_time_so_that_the_next_begins_then() {
    let one = leader();
    assert_eq!(
        one.step(ms(2600)),
        Step::Write {
            over: Some(1),
            limit: ms(100)
        }
    );
    let mut one = one;
    one.failed(ms(2600), ms(100), ms(2650));
    assert_eq!(one.step(ms(2650)), Step::Wait { until: ms(2700) });
}

/// The stored lease.
#[derive(Clone, Debug, Default)]
struct Store {
    holder: Option<String>,
    version: u64,
}

impl Store {
    fn shown(&self) -> Option<(Option<String>, Duration, u64)> {
        (self.version > 0).then(|| (self.holder.clone(), TIMING.lasts(), self.version))
    }
}

/// How a candidate fares in one turn of the world.
#[derive(Clone, Copy, Debug)]
struct Luck {
    /// Real milliseconds until the request is carried out, and from there until its answer.
    out: u64,
    back: u64,
    /// The request never arrives, or its answer does not.
    lost_out: bool,
    lost_back: bool,
    /// Whether the watch shows the lease now.
    shown: bool,
    /// Stands still for so many real milliseconds.
    still: u64,
}

#[derive(Debug)]
enum Answer {
    Wrote(u64),
    Refused,
    Read(Option<(Option<String>, Duration, u64)>),
}

#[derive(Debug)]
struct Pending {
    step: Step,
    begun: Moment,
    limit: Duration,
    arrives: Option<u64>,
    answered: Option<u64>,
    answer: Option<Answer>,
}

/// A candidate whose clock goes by its own rate and offset.
#[derive(Debug)]
struct Player {
    one: Candidate,
    rate_per_mille: u64,
    offset: u64,
    still_until: u64,
    pending: Option<Pending>,
}

impl Player {
    fn clock(&self, real: u64) -> Moment {
        ms(self.offset + real * self.rate_per_mille / 1000)
    }

    /// What the store does when the request arrives, whether its sender stands still or not.
    fn carry_out(&mut self, store: &mut Store, real: u64) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        if pending.answer.is_some() || pending.arrives.is_none_or(|at| at > real) {
            return;
        }
        pending.answer = Some(match pending.step {
            Step::Write { over, .. } if over.unwrap_or(0) == store.version => {
                store.version += 1;
                store.holder = Some(self.one.name().to_owned());
                Answer::Wrote(store.version)
            }
            Step::Write { .. } => Answer::Refused,
            Step::Read { .. } | Step::Wait { .. } | Step::End => Answer::Read(store.shown()),
        });
    }

    fn turn(&mut self, store: &Store, real: u64, luck: Luck) {
        if real < self.still_until {
            return;
        }
        self.still_until = real + luck.still;
        let now = self.clock(real);
        if luck.shown {
            self.one.watched(store.shown(), now);
        }
        if let Some(pending) = self.pending.take() {
            let answered = pending.answered.is_some_and(|at| at <= real);
            match pending.answer {
                Some(answer) if answered => match answer {
                    Answer::Wrote(version) => self.one.wrote(pending.begun, version, now),
                    Answer::Refused => {
                        let over = match pending.step {
                            Step::Write { over, .. } => over,
                            Step::Read { .. } | Step::Wait { .. } | Step::End => None,
                        };
                        self.one.refused(over, pending.begun, pending.limit);
                    }
                    Answer::Read(lease) => {
                        self.one.read(lease, now);
                    }
                },
                _ if now >= pending.begun + pending.limit => {
                    self.one.failed(pending.begun, pending.limit, now);
                }
                answer => self.pending = Some(Pending { answer, ..pending }),
            }
            return;
        }
        let step = self.one.step(now);
        if let Step::Write { limit, .. } | Step::Read { limit } = step {
            let arrives = (!luck.lost_out).then_some(real + luck.out);
            let answered = arrives.filter(|_| !luck.lost_back).map(|at| at + luck.back);
            self.pending = Some(Pending {
                step,
                begun: now,
                limit,
                arrives,
                answered,
                answer: None,
            });
        }
    }
}

fn players(rates: (u64, u64), offsets: (u64, u64)) -> [Player; 2] {
    let player = |name: &str, rate_per_mille, offset| Player {
        one: Candidate::new(name.to_owned(), TIMING),
        rate_per_mille,
        offset,
        still_until: 0,
        pending: None,
    };
    [
        player("a", rates.0, offsets.0),
        player("b", rates.1, offsets.1),
    ]
}

fn luck() -> impl Strategy<Value = Luck> {
    let often_small = prop::sample::select(vec![0_u64, 1, 5, 20, 100, 400, 1400, 2900, 9000]);
    let still = prop::sample::select(vec![0_u64, 0, 0, 0, 0, 0, 0, 50, 3000, 8000]);
    let parts = (
        often_small.clone(),
        often_small,
        0..10_u8,
        0..10_u8,
        any::<bool>(),
        still,
    );
    parts.prop_map(|(out, back, lost_out, lost_back, shown, still)| Luck {
        out,
        back,
        lost_out: lost_out == 0,
        lost_back: lost_back == 0,
        shown,
        still,
    })
}

proptest! {
    /// Clocks that run up to 5 % faster or slower, requests that arrive late, twice delayed or never, answers that are
    /// lost, watches that show nothing, processes that stand still: never two leaders.
    #[test]
    fn two_candidates_never_lead_at_once(
        rates in (950_u64..=1050, 950_u64..=1050),
        offsets in (0_u64..1_000_000, 0_u64..1_000_000),
        turns in prop::collection::vec((1_u64..120, luck(), luck()), 50..600),
    ) {
        let mut store = Store::default();
        let mut all = players(rates, offsets);
        let mut real = 0;
        for (step, first, second) in turns {
            for _ in 0..step {
                real += 1;
                for player in &mut all {
                    player.carry_out(&mut store, real);
                }
                let leading = all
                    .iter()
                    .filter(|player| matches!(player.one.stand(player.clock(real)), Stand::Leads { .. }));
                assert!(leading.count() < 2, "two leaders at {real}: {all:#?}");
            }
            all[0].turn(&store, real, first);
            all[1].turn(&store, real, second);
        }
    }

    /// A leader cut off at any moment, a follower that misses nothing, clocks that run apart: the leader has stopped when
    /// the follower begins, and the follower begins within the lease and a moment.
    #[test]
    fn a_leader_that_is_cut_off_has_stopped_before_the_follower_begins(
        rates in (950_u64..=1050, 950_u64..=1050),
        cut in 4000_u64..8000,
    ) {
        let good = Luck { out: 0, back: 0, lost_out: false, lost_back: false, shown: true, still: 0 };
        let away = Luck { lost_out: true, shown: false, ..good };
        let mut store = Store::default();
        let mut all = players(rates, (500, 77_000));
        let mut began = None;
        for real in 1..16_000_u64 {
            for player in &mut all {
                player.carry_out(&mut store, real);
            }
            let leads = |player: &Player| matches!(player.one.stand(player.clock(real)), Stand::Leads { .. });
            assert!(!(leads(&all[0]) && leads(&all[1])), "two leaders at {real}: {all:#?}");
            if leads(&all[1]) {
                began.get_or_insert(real);
            }
            all[0].turn(&store, real, if real < cut { good } else { away });
            if real > 1000 {
                all[1].turn(&store, real, good);
            }
        }
        assert!(began.is_some_and(|began| began > cut && began < cut + LASTS + LASTS / 10), "{began:?}");
    }

    /// With answers in time one of them leads within twice the lease, and goes on leading.
    #[test]
    fn one_of_two_leads_and_goes_on_where_the_api_server_answers(
        rates in (950_u64..=1050, 950_u64..=1050),
        first in 0_u64..300, out in 0_u64..100, back in 0_u64..100,
    ) {
        let luck = Luck { out, back, lost_out: false, lost_back: false, shown: true, still: 0 };
        let mut store = Store::default();
        let mut all = players(rates, (0, 77_000));
        for real in 1..30_000_u64 {
            for player in &mut all {
                player.carry_out(&mut store, real);
            }
            all[0].turn(&store, real, luck);
            if real > first {
                all[1].turn(&store, real, luck);
            }
            let leading = all
                .iter()
                .filter(|player| matches!(player.one.stand(player.clock(real)), Stand::Leads { .. }));
            assert!(real < 2 * LASTS || leading.count() == 1, "at {real}: {all:#?}");
        }
    }
}
