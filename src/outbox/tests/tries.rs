use super::*;
use crate::domain::telling::delivery::FailureCause;

#[tokio::test(start_paused = true)]
async fn an_id_is_sent_once_however_often_it_is_handed_over() {
    let mut world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(1))])]);
    let page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone(), page.clone()]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.progress(&page),
        Some(Progress::InFlight { .. })
    ));
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { attempts: 1, .. }
    ));
    world.outbox.hand_over(vec![page.clone()]);

    assert_eq!(
        within(Duration::from_secs(1), world.reports.recv()).await,
        Some(page.ticket.clone())
    );
    world.outbox.forget("t", std::slice::from_ref(&page.id));
    assert!(
        world.outbox.view("t").is_empty(),
        "what the status holds is forgotten"
    );

    world.outbox.hand_over(vec![page.clone()]);
    assert!(
        matches!(
            world.progress(&page),
            Some(Progress::Delivered { attempts: 1, .. })
        ),
        "decided on an older status it is told again, not sent again"
    );
    assert_eq!(
        within(Duration::from_secs(1), world.reports.recv()).await,
        Some(page.ticket.clone())
    );
    assert_eq!(world.tries(&page).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_receiver_is_tried_again_with_the_same_id_until_it_takes_the_page() {
    let world = World::new(&[("room", &[Answer::Busy, Answer::Busy, Answer::Take])]);
    let page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(
        matches!(world.result(&page).await, Progress::Delivered { attempts: 3, message, .. } if message.is_empty())
    );
    let tries = world.tries(&page);
    assert_eq!(tries.len(), 3);
    assert!(
        (0.75..=1.25).contains(&tries[1]) && (3.0..=5.0).contains(&(tries[2] - tries[1])),
        "{tries:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_five_tries_within_two_minutes_the_budget_has_ended() {
    for answer in [Answer::Busy, Answer::Hang, Answer::Panic] {
        let world = World::new(&[("room", &[answer])]);
        let page = world.page("t", "on-call", &["room"]);
        world.outbox.hand_over(vec![page.clone()]);
        let Progress::Failed {
            attempts: 5,
            message,
            cause,
            ..
        } = world.result(&page).await
        else {
            panic!()
        };
        assert_eq!(cause, FailureCause::BudgetEnded);
        assert!(message.starts_with("connector \"room\": "), "{message}");
        assert!(world.tries(&page).iter().all(|at| *at < 120.0));
        assert!(world.elapsed() < Duration::from_mins(2) + Duration::from_secs(16));
    }
}

#[tokio::test(start_paused = true)]
async fn tries_end_with_the_next_step_and_a_failed_id_may_be_renewed() {
    let world = World::new(&[("room", &[Answer::Busy])]);
    let mut page = world.page("t", "on-call", &["room"]);
    page.retry_until = Some(page.due + Duration::from_secs(10));
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Failed {
            cause: FailureCause::BudgetEnded,
            ..
        }
    ));
    assert!(world.elapsed() <= Duration::from_secs(10));
    let before = world.tries(&page).len();
    assert!(before >= 2);

    world.outbox.forget("t", std::slice::from_ref(&page.id));
    page.retry_until = Some(page.due);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(
        matches!(
            world.result(&page).await,
            Progress::Failed { attempts: 1, .. }
        ),
        "at least one try is made"
    );
    assert_eq!(world.tries(&page).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_ended_in_vain_is_tried_again_where_it_is_due_after_that() {
    let world = World::new(&[("room", &[Answer::Refuse, Answer::Take])]);
    let mut page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(world.result(&page).await, Progress::Failed { .. }));
    // Decided on an older look: that try was for this very due time.
    world.outbox.hand_over(vec![page.clone()]);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.tries(&page).len(), 1);
    page.due = world.clock.now();
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { attempts: 1, .. }
    ));
    page.due += Duration::from_mins(1);
    world.outbox.hand_over(vec![page.clone()]);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(world.tries(&page).len(), 2, "one that arrived never");
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_asks_for_is_honoured() {
    let world = World::new(&[(
        "room",
        &[Answer::BusyFor(Duration::from_secs(30)), Answer::Take],
    )]);
    let page = world.page("t", "on-call", &["room"]);
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { attempts: 2, .. }
    ));
    assert!(
        (30.0..31.0).contains(&world.tries(&page)[1]),
        "{:?}",
        world.tries(&page)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_hands_the_same_id_to_the_next_way_at_once() {
    let world = World::new(&[("app", &[Answer::Refuse])]);
    let page = world.page("t", "on-call", &["app", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    let Progress::Delivered {
        attempts: 2,
        message,
        ..
    } = world.result(&page).await
    else {
        panic!()
    };
    assert_eq!(message, "connector \"app\": the receiver answered 410");
    assert_eq!(world.connectors_tried(), ["app", "phone"]);
    assert!(world.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn refused_by_every_way_it_has_failed_for_good_and_each_way_is_named() {
    let world = World::new(&[("app", &[Answer::Refuse]), ("phone", &[Answer::Refuse])]);
    let page = world.page("t", "on-call", &["app", "phone"]);
    world.outbox.hand_over(vec![page.clone()]);
    let Progress::Failed {
        attempts: 2,
        message,
        cause: FailureCause::Refused,
        ..
    } = world.result(&page).await
    else {
        panic!()
    };
    let each = "the receiver answered 410";
    assert_eq!(
        message,
        format!("connector \"app\": {each}; connector \"phone\": {each}")
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_first_way_leaves_time_for_the_next_even_when_the_next_step_is_near() {
    let world = World::new(&[("app", &[Answer::Hang])]);
    let mut page = world.page("t", "on-call", &["app", "phone"]);
    page.retry_until = Some(page.due + Duration::from_secs(8));
    world.outbox.hand_over(vec![page.clone()]);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { .. }
    ));
    assert!(
        world.elapsed() <= Duration::from_secs(8),
        "{:?}",
        world.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn without_any_way_it_fails_for_good_and_says_so() {
    let world = World::new(&[]);
    let page = world.page("t", "on-call", &[]);
    world.outbox.hand_over(vec![page.clone()]);
    let Some(Progress::Failed {
        attempts: 0,
        message,
        cause: FailureCause::Refused,
        ..
    }) = world.progress(&page)
    else {
        panic!()
    };
    assert!(message.starts_with("contact/alice has no way"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn lateness_counts_from_the_deadline_and_receipt_from_the_hand_over() {
    let world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(2))])]);
    let page = world.page("t", "on-call", &["room"]);
    tokio::time::advance(Duration::from_secs(3)).await;
    world.outbox.hand_over(vec![page.clone()]);
    world.result(&page).await;
    let [result] = world.results.0.lock().clone()[..] else {
        panic!("one result")
    };
    assert_eq!(result.outcome, DeliveryOutcome::Delivered);
    assert_eq!(result.connector_type, Some(ConnectorType::Webhook));
    assert_eq!(result.handover_lateness.as_secs(), 3);
    assert_eq!(result.receipt.map(|receipt| receipt.as_secs()), Some(2));
}

/// Panics at each result.
struct Faulty;

impl DeliveryObserver for Faulty {
    fn observe(&self, _: DeliveryResult) {
        panic!("a fault of whoever observes")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_task_of_the_outbox_itself_is_noticed_and_its_end_is_none() {
    let sound = World::new(&[]);
    let page = sound.page("a", "on-call", &["room"]);
    sound.outbox.hand_over(vec![page.clone()]);
    sound.result(&page).await;
    assert_eq!(sound.outbox.shutdown(Duration::from_secs(1)).await, 0);
    let broken = tokio::time::timeout(Duration::from_mins(1), sound.outbox.clone().broken());
    assert!(broken.await.is_err());

    let (reports, _heard) = mpsc::unbounded_channel();
    let (script, clock) = (sound.script.clone(), sound.clock.clone());
    let config = OutboxConfig::default();
    let faulty = Outbox::new(config, script, clock, Arc::new(Faulty), reports);
    faulty.hand_over(vec![sound.page("b", "on-call", &["room"])]);
    within(Duration::from_mins(1), faulty.clone().broken()).await;
}

#[tokio::test(start_paused = true)]
async fn while_nothing_may_leave_no_try_is_used_up_and_each_way_is_still_tried() {
    let names = ["a", "b", "c", "d", "e"];
    let answers = names.map(|name| (name, &[Answer::Refuse][..]));
    let world = World::new(&answers);
    world
        .script
        .answers
        .lock()
        .insert("a".into(), vec![Answer::Take]);
    world.script.may_leave.send_replace(false);
    let page = world.page("t", "on-call", &names);
    let other = world.page("u", "on-call", &["e"]);
    world.outbox.hand_over(vec![page.clone(), other.clone()]);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(matches!(
        world.progress(&page),
        Some(Progress::InFlight { attempts: 0, .. })
    ));
    world.outbox.standing("u", ACKNOWLEDGED);
    assert!(matches!(
        world.progress(&other),
        Some(Progress::Cancelled { .. })
    ));
    world.script.may_leave.send_replace(true);
    assert!(matches!(
        world.result(&page).await,
        Progress::Delivered { attempts: 1, .. }
    ));
    assert_eq!(world.connectors_tried(), ["a"]);
}
