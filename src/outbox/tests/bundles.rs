use super::*;
use crate::api::ConnectorType;

/// So many pages of different tickets, all to one address.
fn pages(world: &World, count: usize, type_: ConnectorType) -> Vec<Delivery> {
    let page = |n| {
        let mut page = world.page(&format!("t-{n}"), "on-call", &["room"]);
        page.ways[0].connector.type_ = type_;
        page.ways[0].connector.address = Some("https://room.example/hook".into());
        page
    };
    (0..count).map(page).collect()
}

impl World {
    /// How many members each try had, in order.
    fn sizes(&self) -> Vec<usize> {
        let seen = self.script.seen.lock();
        seen.iter().map(|seen| seen.members.len()).collect()
    }

    async fn all_delivered(&self, pages: &[Delivery]) {
        for page in pages {
            let result = self.result(page).await;
            assert!(matches!(result, Progress::Delivered { .. }), "{result:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_fifty_to_one_address_leave_as_one_and_each_has_its_result() {
    for (count, sizes) in [(50, vec![1; 50]), (51, vec![51]), (250, vec![100, 100])] {
        let world = World::new(&[]);
        let pages = pages(&world, count, ConnectorType::Webhook);
        world.outbox.hand_over(pages.clone());
        world.all_delivered(&pages).await;
        assert_eq!(world.sizes()[..sizes.len()], sizes);
        assert_eq!(world.sizes().iter().sum::<usize>(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bundle_that_was_not_taken_comes_back_whole_under_the_same_id() {
    let world = World::new(&[("room", &[Answer::Busy, Answer::Take])]);
    let pages = pages(&world, 60, ConnectorType::Webhook);
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    let seen = world.script.seen.lock();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].id, seen[1].id);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_that_is_refused_is_taken_apart_so_that_no_page_is_lost_with_it() {
    let world = World::new(&[("room", &[Answer::Refuse, Answer::Take])]);
    let pages = pages(&world, 60, ConnectorType::Webhook);
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes()[0], 60);
    assert_eq!(world.sizes()[1..], vec![1; 60]);
}

#[tokio::test(start_paused = true)]
async fn who_was_acknowledged_meanwhile_is_not_in_the_bundle() {
    let world = World::new(&[("room", &[Answer::TakeAfter(Duration::from_secs(1))])]);
    let busy: Vec<_> = (0..16)
        .map(|n| world.page(&format!("busy-{n}"), "on-call", &["room"]))
        .collect();
    world.outbox.hand_over(busy);
    until(|| (world.script.seen.lock().len() == 16).then_some(())).await;
    let pages = pages(&world, 60, ConnectorType::Webhook);
    world.outbox.hand_over(pages.clone());
    world.outbox.standing("t-7", ACKNOWLEDGED);
    world.result(&pages[59]).await;
    assert_eq!(world.sizes()[16], 59);
    assert!(world.tries(&pages[7]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_during_a_downtime_gathers_for_a_moment_and_leaves_as_one() {
    let world = World::new(&[]);
    let mut pages = pages(&world, 3, ConnectorType::Webhook);
    for page in &mut pages {
        page.due -= Duration::from_mins(1);
        world.outbox.hand_over(vec![page.clone()]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes(), [3]);
    assert!(world.elapsed() < Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_now_never_waits_for_what_is_late() {
    let world = World::new(&[]);
    let mut pages = pages(&world, 2, ConnectorType::Webhook);
    pages[0].due -= Duration::from_mins(1);
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes(), [1, 1]);
    assert!(world.tries(&pages[1])[0] < 0.01);
}

#[tokio::test(start_paused = true)]
async fn a_burst_to_a_slack_channel_leaves_at_once_and_the_rest_together_with_the_next_token() {
    let world = World::new(&[]);
    let pages = pages(&world, 12, ConnectorType::Slack);
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes(), [1, 1, 1, 9]);
    let last = world.tries(&pages[11])[0];
    assert!((1.0..1.1).contains(&last), "{last}");
}

#[tokio::test(start_paused = true)]
async fn to_pagerduty_each_ticket_goes_by_itself() {
    let world = World::new(&[]);
    let pages = pages(&world, 55, ConnectorType::PagerDuty);
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes(), vec![1; 55]);
}

#[tokio::test(start_paused = true)]
async fn a_reporter_never_shares_a_bundle_with_the_team() {
    let world = World::new(&[]);
    let mut pages = pages(&world, 120, ConnectorType::Webhook);
    for page in &mut pages[60..] {
        page.target = Target::Reporter;
    }
    world.outbox.hand_over(pages.clone());
    world.all_delivered(&pages).await;
    assert_eq!(world.sizes(), [60, 60]);
}
