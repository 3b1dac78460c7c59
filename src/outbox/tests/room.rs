use super::*;
use crate::api::ConnectorType;

const SECOND: Duration = Duration::from_secs(1);
/// What a lane of these tests holds.
const MOST: usize = 20;
/// So many tries run at once.
const AT_ONCE: usize = 16;

fn world(answers: &[(&str, &[Answer])]) -> World {
    let config = OutboxConfig {
        lane_most: MOST,
        ..OutboxConfig::default()
    };
    World::with(config, answers)
}

fn pages(world: &World, name: &str, count: usize, severity: Severity) -> Vec<Delivery> {
    let page = |n| {
        let mut page = world.page(&format!("{name}-{n}"), "on-call", &["room"]);
        page.severity = severity;
        page
    };
    (0..count).map(page).collect()
}

impl World {
    /// A world whose lane "room" is busy and full, and has that many pages set aside.
    async fn full(answer: Answer, aside: usize) -> (Self, Vec<Delivery>) {
        let world = world(&[("room", &[answer])]);
        let pages = pages(&world, "t", AT_ONCE + MOST + aside, Severity::High);
        world.outbox.hand_over(pages[..AT_ONCE].to_vec());
        until(|| (world.script.seen.lock().len() == AT_ONCE).then_some(())).await;
        world.outbox.hand_over(pages[AT_ONCE..].to_vec());
        assert_eq!(world.outbox.aside(), aside);
        assert_eq!(world.outbox.open(), pages.len(), "they have no result yet");
        (world, pages)
    }

    /// Looks at each ticket that is told, as decisions do: what is armed and not in the outbox is handed over. Ends
    /// when all have their result.
    async fn look_at_what_is_told(&mut self, pages: &[Delivery]) {
        let waits = |world: &Self, page: &&Delivery| match world.progress(page) {
            None | Some(Progress::InFlight { .. }) => true,
            Some(
                Progress::Delivered { .. } | Progress::Failed { .. } | Progress::Cancelled { .. },
            ) => false,
        };
        while pages.iter().any(|page| waits(self, &page)) {
            let told = within(Duration::from_mins(10), self.reports.recv()).await;
            let told = told.expect("the outbox lives");
            let page = pages.iter().find(|page| page.ticket == told).unwrap();
            if self.progress(page).is_none() {
                self.outbox.hand_over(vec![page.clone()]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_more_than_a_lane_holds_the_least_urgent_are_set_aside_and_none_is_lost() {
    let mut world = world(&[("room", &[Answer::TakeAfter(SECOND)])]);
    let first = pages(&world, "first", AT_ONCE, Severity::High);
    world.outbox.hand_over(first.clone());
    until(|| (world.script.seen.lock().len() == AT_ONCE).then_some(())).await;
    let low = pages(&world, "low", 40, Severity::Low);
    let critical = pages(&world, "critical", 40, Severity::Critical);
    world.outbox.hand_over(low.clone());
    world.outbox.hand_over(critical.clone());
    assert_eq!(world.outbox.aside(), 80 - MOST);
    let all = [first, low.clone(), critical.clone()].concat();
    world.look_at_what_is_told(&all).await;
    for page in &all {
        assert_eq!(world.tries(page).len(), 1, "once each");
    }
    let begin = |pages: &[Delivery]| -> Vec<f64> {
        let tries = pages.iter().map(|page| world.tries(page)[0]);
        tries.collect()
    };
    let last_critical = begin(&critical).into_iter().fold(0.0, f64::max);
    let first_low = begin(&low).into_iter().fold(f64::MAX, f64::min);
    assert!(
        last_critical <= first_low,
        "{last_critical} and {first_low}"
    );
    assert_eq!((world.outbox.aside(), world.outbox.open()), (0, 0));
    let rounds = u32::try_from(all.len().div_ceil(AT_ONCE)).unwrap();
    assert!(
        world.elapsed() < (rounds + 1) * SECOND,
        "without a pause: {:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_cancels_what_is_set_aside_at_once_and_it_never_leaves() {
    let (mut world, pages) = World::full(Answer::TakeAfter(SECOND), 30).await;
    let last = pages.last().unwrap();
    world.outbox.standing(&last.ticket.uid, ACKNOWLEDGED);
    assert!(matches!(
        world.progress(last),
        Some(Progress::Cancelled { .. })
    ));
    assert_eq!(world.outbox.aside(), 29);
    world.look_at_what_is_told(&pages).await;
    assert!(world.tries(last).is_empty());
    assert_eq!(world.outbox.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_finds_a_full_lane_and_has_another_way_takes_it_at_once() {
    let (world, _) = World::full(Answer::Hang, 0).await;
    let page = world.page("other", "on-call", &["room", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    let Progress::Delivered { message, .. } = world.result(&page).await else {
        panic!("the phone rings")
    };
    assert_eq!(
        message,
        "connector \"room\": too many deliveries wait for this receiver"
    );
    assert!(world.elapsed() < SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_leaves_even_without_its_ticket_is_not_lost_when_that_is_deleted_meanwhile() {
    let (world, _) = World::full(Answer::TakeAfter(SECOND), 0).await;
    let mut notice = world.page("gone", "closing", &["room"]);
    notice.severity = Severity::Low;
    notice.valid_while = ValidWhile::Always;
    world.outbox.hand_over(vec![notice.clone()]);
    assert_eq!(world.outbox.aside(), 1);
    world.outbox.drop_ticket("gone");
    until(|| (world.tries(&notice).len() == 1).then_some(())).await;
    until(|| (world.outbox.open() == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_of_a_dead_receiver_leaves_once_it_is_back() {
    let mut answers = vec![Answer::Busy; 8];
    answers.push(Answer::Take);
    let mut world = world(&[("room", &answers)]);
    let pages = pages(&world, "t", 100, Severity::High);
    world.outbox.hand_over(pages.clone());
    assert!(world.outbox.aside() > 0);
    world.look_at_what_is_told(&pages).await;
    for page in &pages {
        let result = world.progress(page);
        let tries = world.tries(page);
        assert!(
            matches!(result, Some(Progress::Delivered { .. })),
            "{result:?} after {tries:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_ticket_is_called_back_even_if_those_before_it_hand_nothing_over_again() {
    let (mut world, pages) = World::full(Answer::TakeAfter(SECOND), 5 * MOST).await;
    let mut told = 0;
    while told < pages.len() {
        within(Duration::from_mins(1), world.reports.recv()).await;
        told += 1;
    }
    assert_eq!((world.outbox.aside(), world.outbox.open()), (0, 0));
    let sizes = || world.outbox.inner.book.lock().sizes();
    until(|| (sizes().lanes == 0 && sizes().timers == 0).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_is_left_alone_is_counted_until_its_receiver_answers() {
    let mut answers = vec![Answer::Busy; 5];
    answers.push(Answer::Take);
    let world = world(&[("room", &answers)]);
    let pages = pages(&world, "t", 5, Severity::High);
    world.outbox.hand_over(pages[..4].to_vec());
    until(|| (world.script.seen.lock().len() == 4).then_some(())).await;
    assert!(world.outbox.open_breakers().is_empty());
    world.outbox.hand_over(pages[4..].to_vec());
    let open = || world.outbox.open_breakers();
    until(|| (open().get(&ConnectorType::Webhook) == Some(&1)).then_some(())).await;
    world.result(&pages[0]).await;
    until(|| open().is_empty().then_some(())).await;
}
