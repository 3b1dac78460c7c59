use super::*;
use crate::domain::telling::delivery::FailureCause;

const SECOND: Duration = Duration::from_secs(1);

/// So many pages whose only way is this connector.
fn pages(world: &World, prefix: &str, count: usize, connector: &str) -> Vec<Delivery> {
    (0..count)
        .map(|n| world.page(&format!("{prefix}-{n}"), "on-call", &[connector]))
        .collect()
}

impl World {
    fn tried(&self, connector: &str) -> usize {
        let tried = self.connectors_tried();
        tried.iter().filter(|tried| *tried == connector).count()
    }
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_in_a_row_the_next_way_takes_over_without_a_try() {
    let world = World::new(&[("dead", &[Answer::Busy])]);
    world.outbox.hand_over(pages(&world, "first", 5, "dead"));
    until(|| (world.tried("dead") == 5).then_some(())).await;
    let page = world.page("t", "on-call", &["dead", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    let Progress::Delivered {
        attempts: 1,
        message,
        ..
    } = world.result(&page).await
    else {
        panic!("the phone rings")
    };
    assert_eq!(
        message,
        "connector \"dead\": not tried, since the last 5 tries to this receiver failed"
    );
    assert!(world.elapsed() < SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_breaker_opens_takes_the_next_way_at_once() {
    let world = World::new(&[("dead", &[Answer::Hang])]);
    world.outbox.hand_over(pages(&world, "first", 40, "dead"));
    until(|| (world.tried("dead") == 16).then_some(())).await;
    let page = world.page("t", "on-call", &["dead", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { .. }
    ));
    let fifteen = Duration::from_secs(15);
    assert!((fifteen..fifteen + SECOND).contains(&world.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_page_without_another_way_waits_for_the_probe_and_is_not_lost() {
    let mut answers = vec![Answer::Busy; 5];
    answers.push(Answer::Take);
    let world = World::new(&[("room", &answers)]);
    let first = pages(&world, "first", 5, "room");
    world.outbox.hand_over(first.clone());
    until(|| (world.tried("room") == 5).then_some(())).await;
    let more = pages(&world, "more", 30, "room");
    world.outbox.hand_over(more.clone());
    for page in first.iter().chain(&more) {
        assert!(matches!(
            world.result(page).await,
            Progress::Delivered { .. }
        ));
    }
    let earliest = world.tries(&more[0])[0];
    assert!((2.0..2.1).contains(&earliest), "after the rest: {earliest}");
    assert!(
        world.elapsed() < 3 * SECOND,
        "then all at once: {:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_receiver_gets_one_probe_at_a_time() {
    let world = World::new(&[("dead", &[Answer::Busy])]);
    world.outbox.hand_over(pages(&world, "first", 5, "dead"));
    until(|| (world.tried("dead") == 5).then_some(())).await;
    world.outbox.hand_over(pages(&world, "more", 100, "dead"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let tried = world.tried("dead");
    assert!(
        (8..=12).contains(&tried),
        "rests of 2, 4, 8, 15 s: {tried} tries"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_fails_with_its_budget_when_others_found_out_that_the_receiver_is_gone() {
    let world = World::new(&[("dead", &[Answer::Busy])]);
    world.outbox.hand_over(pages(&world, "first", 5, "dead"));
    until(|| (world.tried("dead") == 5).then_some(())).await;
    let mut late = pages(&world, "more", 20, "dead");
    for page in &mut late {
        page.retry_until = Some(world.clock.now() + 10 * SECOND);
    }
    world.outbox.hand_over(late.clone());
    for page in &late {
        let Progress::Failed { cause, message, .. } = world.result(page).await else {
            panic!("nobody answers")
        };
        assert_eq!(cause, FailureCause::BudgetEnded);
        assert!(message.starts_with("connector \"dead\": "), "{message}");
    }
    assert!(world.elapsed() < 12 * SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_budget_ends_before_anybody_looked_has_its_one_try() {
    let mut answers = vec![Answer::Busy; 5];
    answers.push(Answer::Take);
    let world = World::new(&[("room", &answers)]);
    world.outbox.hand_over(pages(&world, "first", 5, "room"));
    until(|| (world.tried("room") == 5).then_some(())).await;
    let mut page = world.page("t", "on-call", &["room"]);
    page.severity = Severity::Critical;
    page.retry_until = Some(world.clock.now());
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { attempts: 1, .. }
    ));
    assert!(world.elapsed() < SECOND, "{:?}", world.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_rest_gets_it_from_everybody() {
    let rest = Duration::from_secs(30);
    let world = World::new(&[("room", &[Answer::BusyFor(rest), Answer::Take])]);
    let first = world.page("first", "on-call", &["room"]);
    world.outbox.hand_over(vec![first]);
    until(|| (world.tried("room") == 1).then_some(())).await;
    let waits = world.page("waits", "on-call", &["room"]);
    let other = world.page("other", "on-call", &["room", "phone"]);
    world.outbox.hand_over(vec![waits.clone(), other.clone()]);
    assert!(matches!(
        world.result(&other).await,
        Progress::Delivered { .. }
    ));
    assert!(world.elapsed() < SECOND);
    world.result(&waits).await;
    assert!(world.tries(&waits)[0] >= 30.0, "{:?}", world.tries(&waits));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_cancels_what_waits_for_a_probe_or_a_token_at_once() {
    let world = World::new(&[("dead", &[Answer::Busy])]);
    world.outbox.hand_over(pages(&world, "first", 5, "dead"));
    until(|| (world.tried("dead") == 5).then_some(())).await;
    let page = world.page("t", "on-call", &["dead"]);
    world.outbox.hand_over(vec![page.clone()]);
    world.outbox.standing("t", ACKNOWLEDGED);
    assert!(matches!(
        world.progress(&page),
        Some(Progress::Cancelled { .. })
    ));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(world.tries(&page).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_receiver_is_forgotten_once_it_was_left_alone() {
    let world = World::new(&[("dead", &[Answer::Busy])]);
    let pages = pages(&world, "first", 5, "dead");
    world.outbox.hand_over(pages.clone());
    for page in &pages {
        world.result(page).await;
        world
            .outbox
            .forget(&page.ticket.uid, std::slice::from_ref(&page.id));
    }
    let sizes = || world.outbox.inner.book.lock().sizes();
    until(|| (sizes().lanes == 0 && sizes().timers == 0).then_some(())).await;
}
