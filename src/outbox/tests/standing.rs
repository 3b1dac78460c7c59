use super::*;

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_cancels_what_is_queued_at_once_and_lets_the_rest_go_on() {
    let world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(10))])]);
    let blocking: Vec<_> = (0..16)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["room"]))
        .collect();
    let page = world.page("t", "on-call", &["room"]);
    let mut for_resolution = world.page("t", "manager", &["room"]);
    for_resolution.valid_while = ValidWhile::NotResolved;
    world.outbox.hand_over(blocking);
    until(|| (world.script.seen.lock().len() == 16).then_some(())).await;
    world
        .outbox
        .hand_over(vec![page.clone(), for_resolution.clone()]);

    world.outbox.standing("t", ACKNOWLEDGED);
    assert!(
        matches!(world.progress(&page), Some(Progress::Cancelled { .. })),
        "within the same instant"
    );
    assert!(matches!(
        world.result(&for_resolution).await,
        Progress::Delivered { .. }
    ));
    assert!(world.tries(&page).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_pauses_before_its_next_try_is_cancelled_and_never_leaves_again() {
    let world = World::new(&[("room", &[Answer::Busy])]);
    let page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    until(|| (world.tries(&page).len() == 2).then_some(())).await;
    world.outbox.standing("t", ACKNOWLEDGED);
    assert!(matches!(
        world.progress(&page),
        Some(Progress::Cancelled { .. })
    ));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.tries(&page).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_out_ends_by_itself_and_is_not_repeated_after_an_acknowledgement() {
    for (answer, delivered) in [
        (Answer::TakeAfter(Duration::from_secs(3)), true),
        (Answer::Hang, false),
    ] {
        let world = World::new(&[("room", &[answer])]);
        let page = world.page("t", "on-call", &["room", "phone"]);
        world.outbox.hand_over(vec![page.clone()]);
        until(|| (world.tries(&page).len() == 1).then_some(())).await;
        world.outbox.standing("t", ACKNOWLEDGED);
        assert!(matches!(
            world.progress(&page),
            Some(Progress::InFlight { attempts: 1, .. })
        ));
        match world.result(&page).await {
            Progress::Delivered { .. } => assert!(delivered),
            Progress::Cancelled { .. } => assert!(!delivered),
            other @ (Progress::InFlight { .. } | Progress::Failed { .. }) => panic!("{other:?}"),
        }
        assert_eq!(world.tries(&page).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_delivery_handed_over_after_the_acknowledgement_is_cancelled_too() {
    let mut world = World::new(&[]);
    let page = world.page("t", "on-call", &["room"]);
    let mut notice = world.page("t", "closing", &["room"]);
    notice.valid_while = ValidWhile::Always;
    world.outbox.standing("t", CLOSED);
    world.outbox.hand_over(vec![page.clone(), notice.clone()]);
    assert!(matches!(
        world.progress(&page),
        Some(Progress::Cancelled { .. })
    ));
    assert!(matches!(
        world.result(&notice).await,
        Progress::Delivered { .. }
    ));
    assert_eq!(
        within(Duration::from_secs(1), world.reports.recv()).await,
        Some(key("t"))
    );

    world.outbox.standing("t", NOTHING);
    world.outbox.forget("t", std::slice::from_ref(&page.id));
    world.outbox.hand_over(vec![page.clone()]);
    assert!(
        matches!(world.result(&page).await, Progress::Delivered { .. }),
        "revoked: it may leave after all"
    );
}

#[tokio::test(start_paused = true)]
async fn the_standing_of_one_ticket_touches_no_other() {
    let world = World::new(&[]);
    world.outbox.standing("other", ACKNOWLEDGED);
    let page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { .. }
    ));
    assert!(world.outbox.view("other").is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_a_deleted_ticket_only_closing_notices_leave() {
    let world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(5))])]);
    let blocking: Vec<_> = (0..16)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["room"]))
        .collect();
    world.outbox.hand_over(blocking);
    until(|| (world.script.seen.lock().len() == 16).then_some(())).await;
    let page = world.page("t", "on-call", &["room"]);
    let mut notice = world.page("t", "closing", &["room"]);
    notice.valid_while = ValidWhile::Always;
    world.outbox.hand_over(vec![page.clone(), notice.clone()]);
    world.outbox.drop_ticket("t");
    assert_eq!(world.outbox.view("t").len(), 1);
    let late = world.page("t", "manager", &["room"]);
    world.outbox.hand_over(vec![late.clone()]);
    assert!(
        matches!(world.progress(&late), Some(Progress::Cancelled { .. })),
        "decided before the deletion was seen"
    );
    until(|| (world.outbox.open() == 0).then_some(())).await;
    assert_eq!(
        (
            world.tries(&page).len(),
            world.tries(&notice).len(),
            world.tries(&late).len()
        ),
        (0, 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn memory_stays_bounded_however_many_tickets_come_and_go() {
    let world = World::new(&[]);
    for n in 0..5000 {
        let ticket = format!("t-{n}");
        let page = world.page(&ticket, "on-call", &["room"]);
        world.outbox.standing(&ticket, NOTHING);
        world.outbox.hand_over(vec![page.clone()]);
        world.result(&page).await;
        world.outbox.forget(&ticket, &[page.id]);
        if n % 2 == 0 {
            world.outbox.standing(&ticket, CLOSED);
            world.outbox.drop_ticket(&ticket);
        }
    }
    let sizes = world.outbox.inner.book.lock().sizes();
    assert!(
        sizes.tickets <= 1024 && sizes.lanes <= 1 && sizes.timers == 0,
        "{sizes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_tries_end_and_leaves_the_rest_armed() {
    let world = World::new(&[
        ("slow", &[Answer::TakeAfter(Duration::from_secs(3))]),
        ("dead", &[Answer::Hang]),
    ]);
    let slow: Vec<_> = (0..32)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["slow"]))
        .collect();
    let dead = world.page("dead", "on-call", &["dead"]);
    world.outbox.hand_over(slow.clone());
    world.outbox.hand_over(vec![dead.clone()]);
    assert_eq!(world.outbox.shutdown(Duration::from_secs(10)).await, 1);
    assert_eq!(world.elapsed().as_secs(), 10, "no longer than asked");
    assert!(
        slow.iter()
            .all(|page| matches!(world.progress(page), Some(Progress::Delivered { .. })))
    );
    assert!(matches!(
        world.progress(&dead),
        Some(Progress::InFlight { .. })
    ));
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.tries(&dead).len(), 1, "nothing leaves after the stop");
}

#[tokio::test(start_paused = true)]
async fn a_stop_knows_whose_results_are_not_recorded_whoever_heard_of_them() {
    let world = World::new(&[("chat", &[Answer::Take]), ("dead", &[Answer::Hang])]);
    let pages = ["held", "unheard"].map(|ticket| world.page(ticket, "on-call", &["chat"]));
    world.outbox.hand_over(pages.to_vec());
    world
        .outbox
        .hand_over(vec![world.page("open", "on-call", &["dead"])]);
    // Nobody has read a report yet.
    assert_eq!(world.outbox.shutdown(Duration::from_secs(10)).await, 1);
    let [held, unheard] = pages;
    world.outbox.forget(&held.ticket.uid, &[held.id]);
    let unrecorded = world.outbox.unrecorded();
    assert_eq!(
        Vec::from_iter(unrecorded),
        [Arc::from(&*unheard.ticket.uid)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_with_nothing_in_flight_takes_no_time() {
    let world = World::new(&[]);
    assert_eq!(world.outbox.shutdown(Duration::from_secs(10)).await, 0);
    assert_eq!(world.elapsed(), Duration::ZERO);
}
