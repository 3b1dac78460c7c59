use super::*;

#[tokio::test(start_paused = true)]
async fn of_two_hundred_deliveries_two_lanes_hang_and_the_others_are_on_time() {
    let world = World::new(&[("dead-1", &[Answer::Hang]), ("dead-2", &[Answer::Hang])]);
    let pages: Vec<_> = (0..200)
        .map(|n| {
            let connector = match n {
                7 => "dead-1".to_owned(),
                77 => "dead-2".to_owned(),
                n => format!("room-{}", n % 10),
            };
            world.page(&format!("t-{n}"), "on-call", &[&connector])
        })
        .collect();
    world.outbox.hand_over(pages.clone());
    let delivered = || {
        pages
            .iter()
            .filter(|page| matches!(world.progress(page), Some(Progress::Delivered { .. })))
            .count()
    };
    until(|| (delivered() == 198).then_some(())).await;
    assert!(
        world.elapsed() < Duration::from_millis(100),
        "{:?}",
        world.elapsed()
    );
    assert_eq!(world.outbox.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_flood_into_a_dead_lane_takes_nothing_from_another() {
    let world = World::new(&[("dead", &[Answer::Hang])]);
    let flood: Vec<_> = (0..1000)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["dead"]))
        .collect();
    world.outbox.hand_over(flood);
    let page = world.page("other", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { .. }
    ));
    assert!(world.elapsed() < Duration::from_millis(100));
    assert_eq!(
        world.script.running.lock().0,
        16,
        "a lane runs sixteen tries at once, no more"
    );
}

/// When each of many pages to four receivers arrived, while every tenth page goes to one that behaves like this.
async fn arrivals(bad: Option<&[Answer]>) -> Vec<f64> {
    let tenth = Answer::TakeAfter(Duration::from_millis(100));
    let rooms = ["room-0", "room-1", "room-2", "room-3"];
    let good = std::slice::from_ref(&tenth);
    let mut answers: Vec<(&str, &[Answer])> = rooms.iter().map(|room| (*room, good)).collect();
    answers.extend(bad.map(|bad| ("bad", bad)));
    let world = World::new(&answers);
    let mut pages = Vec::new();
    for n in 0..400 {
        let room = rooms[n % rooms.len()];
        pages.push(world.page(&format!("t-{n}"), "on-call", &[room]));
        if bad.is_some() && n % 10 == 0 {
            let page = world.page(&format!("bad-{n}"), "on-call", &["bad"]);
            world.outbox.hand_over(vec![page]);
        }
    }
    world.outbox.hand_over(pages.clone());
    let mut arrived = Vec::new();
    for page in &pages {
        let Progress::Delivered { since, time, .. } = world.result(page).await else {
            panic!("good receivers take everything")
        };
        arrived.push(time.duration_since(since).as_secs_f64());
    }
    arrived
}

#[tokio::test(start_paused = true)]
async fn in_virtual_time_no_page_is_later_by_a_fifth_because_another_receiver_misbehaves() {
    let alone = arrivals(None).await;
    for bad in [
        vec![Answer::Hang],
        vec![Answer::Busy],
        vec![Answer::BusyFor(Duration::from_secs(30))],
        vec![Answer::Refuse],
        vec![Answer::Panic],
        vec![Answer::TakeAfter(Duration::from_secs(14))],
    ] {
        let with = arrivals(Some(&bad)).await;
        for (with, alone) in with.iter().zip(&alone) {
            // Timers of this clock go in steps of a millisecond.
            assert!(*with <= 1.2 * alone + 0.001, "{bad:?}: {with} and {alone}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_sends_the_most_severe_first_and_then_by_deadline() {
    let world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(1))])]);
    let mut pages = Vec::new();
    for n in 0..16 {
        pages.push(world.page(&format!("first-{n}"), "on-call", &["room"]));
    }
    let ranks = [
        (Severity::Low, 0),
        (Severity::High, 9),
        (Severity::High, 3),
        (Severity::Critical, 9),
    ];
    for (n, (severity, due)) in ranks.into_iter().enumerate() {
        for copy in 0..16 {
            let mut page = world.page(&format!("later-{n}-{copy}"), "on-call", &["room"]);
            page.severity = severity;
            page.due += Duration::from_secs(due);
            pages.push(page);
        }
    }
    // The first sixteen are already out when the others come.
    world.outbox.hand_over(pages[..16].to_vec());
    until(|| (world.script.seen.lock().len() == 16).then_some(())).await;
    world.outbox.hand_over(pages[16..].to_vec());
    for page in &pages {
        world.result(page).await;
    }
    let begins = |n: usize| world.tries(&pages[16 + 16 * n])[0];
    assert!(begins(3) < begins(2) && begins(2) < begins(1) && begins(1) < begins(0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_for_a_dead_lane_takes_the_next_way() {
    let world = World::new(&[("dead", &[Answer::Hang])]);
    let flood: Vec<_> = (0..500)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["dead"]))
        .collect();
    world.outbox.hand_over(flood);
    let page = world.page("last", "on-call", &["dead", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    let Progress::Delivered {
        attempts: 1,
        message,
        ..
    } = world.result(&page).await
    else {
        panic!()
    };
    assert_eq!(
        message,
        "connector \"dead\": not tried, since the last 5 tries to this receiver failed"
    );
    assert!(
        world.elapsed() <= Duration::from_secs(16),
        "{:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_panics_harms_no_other_delivery() {
    let world = World::new(&[("room", &[Answer::Panic, Answer::Take])]);
    let pages: Vec<_> = (0..40)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &["room"]))
        .collect();
    world.outbox.hand_over(pages.clone());
    for page in &pages {
        assert!(matches!(
            world.result(page).await,
            Progress::Delivered { .. }
        ));
    }
    assert_eq!(world.script.seen.lock().len(), 41);
}

#[tokio::test]
async fn ten_thousand_due_at_one_instant_leave_without_growing_slow() {
    let world = World::new(&[]);
    let pages: Vec<_> = (0..10_000)
        .map(|n| world.page(&format!("t-{n}"), "on-call", &[&format!("room-{}", n % 50)]))
        .collect();
    let begin = std::time::Instant::now();
    for page in pages {
        world.outbox.hand_over(vec![page]);
        tokio::task::consume_budget().await;
    }
    let handed_over = begin.elapsed();
    until(|| (world.outbox.open() == 0).then_some(())).await;
    let all = begin.elapsed();
    let mut receipts: Vec<_> = world
        .results
        .0
        .lock()
        .iter()
        .filter_map(|result| result.receipt)
        .collect();
    receipts.sort_unstable();
    println!(
        "hand-over {handed_over:?}, all received {all:?}, receipt p99 {:?}",
        receipts[9_900]
    );
    assert_eq!(world.script.seen.lock().len(), 10_000);
    assert!(
        all < Duration::from_secs(10),
        "a quadratic step would take minutes: {all:?}"
    );
}
