use super::*;

const TENTH: Duration = Duration::from_millis(100);

/// Hands over one page per ticket, all to one connector.
fn flood(world: &World, count: usize, connector: &str) {
    let page = |n| world.page(&format!("{connector}-{n}"), "on-call", &[connector]);
    world.outbox.hand_over((0..count).map(page).collect());
}

impl World {
    /// Waits for the next ticket that has a result to be looked at.
    async fn told(&mut self) -> TicketKey {
        let told = within(Duration::from_hours(1), self.reports.recv()).await;
        told.expect("the outbox lives")
    }

    /// So many tenths of a second have gone, give or take what timers are late.
    fn tenths(&self) -> u128 {
        (self.elapsed() + TENTH / 4).as_millis() / TENTH.as_millis()
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_arrived_are_told_once_the_others_have_left() {
    let mut world = World::new(&[("room", &[Answer::TakeAfter(TENTH)])]);
    flood(&world, 40, "room");
    world.told().await;
    assert_eq!(world.script.seen.lock().len(), 40, "all have left");
    for _ in 1..40 {
        world.told().await;
    }
    assert_eq!(world.tenths(), 3);
}

#[tokio::test(start_paused = true)]
async fn pages_that_arrived_are_told_within_half_a_second_however_many_wait() {
    let mut world = World::new(&[("room", &[Answer::TakeAfter(TENTH)])]);
    flood(&world, 1000, "room");
    world.told().await;
    assert_eq!(world.tenths(), 6, "arrived after one, told five later");
    assert!(world.script.seen.lock().len() < 1000);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_did_not_arrive_is_told_at_once_whatever_waits() {
    let mut world = World::new(&[
        ("room", &[Answer::TakeAfter(TENTH)]),
        ("gone", &[Answer::Refuse]),
    ]);
    flood(&world, 1000, "room");
    flood(&world, 1, "gone");
    assert_eq!(world.told().await.name, "gone-0");
    assert_eq!(world.tenths(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_keeps_no_result_back() {
    let mut world = World::new(&[("dead", &[Answer::Hang])]);
    flood(&world, 1000, "dead");
    tokio::time::sleep(3 * TENTH).await;
    flood(&world, 1, "room");
    assert_eq!(world.told().await.name, "room-0");
    assert_eq!(world.tenths(), 3);
}
