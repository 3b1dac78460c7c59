use super::*;
use crate::api::Connector;

fn place(severity: Severity, due: i64, turn: u64) -> Place {
    Place {
        severity,
        due: Timestamp::from_second(due).unwrap(),
        turn,
        uid: "u".into(),
        id: DeliveryId::from_stored("x"),
        company: Some("room".into()),
        late: false,
    }
}

fn key(type_: ConnectorType, address: &str) -> LaneKey {
    key_of("team", "room", type_, address)
}

fn key_of(namespace: &str, name: &str, type_: ConnectorType, address: &str) -> LaneKey {
    let connector = Connector {
        name: name.into(),
        type_,
        address: Some(address.into()),
        ..Connector::default()
    };
    LaneKey::of(&Way {
        namespace: namespace.into(),
        connector,
    })
}

fn lane(type_: ConnectorType) -> Lane {
    Lane::new(&key(type_, "x"), Instant::now())
}

#[tokio::test]
async fn the_most_severe_leaves_first_then_the_earliest_due_then_the_first_come() {
    let mut lane = lane(ConnectorType::Webhook);
    for place in [
        place(Severity::Low, 1, 1),
        place(Severity::Critical, 9, 2),
        place(Severity::High, 5, 4),
        place(Severity::High, 5, 3),
        place(Severity::High, 4, 5),
    ] {
        lane.push(place);
    }
    let order: Vec<u64> = std::iter::from_fn(|| lane.pop())
        .map(|place| place.turn)
        .collect();
    assert_eq!(order, [2, 5, 3, 4, 1]);
}

#[test]
fn a_lane_is_a_connector_of_a_namespace_and_a_host_or_channel() {
    let webhook = ConnectorType::Webhook;
    let base = key_of("team", "room", webhook, "https://a.example/x");
    let same = key_of("team", "room", webhook, "https://A.example:8443/y");
    assert_eq!(base, same);
    for (namespace, name, address) in [
        ("team", "room", "https://b.example/x"),
        ("team", "phone", "https://a.example/x"),
        ("other", "room", "https://a.example/x"),
    ] {
        assert_ne!(base, key_of(namespace, name, webhook, address));
    }
    let slack = ConnectorType::Slack;
    assert_ne!(
        key(slack, "#ops"),
        key(slack, "#dev"),
        "limits are per channel"
    );
    let email = ConnectorType::Email;
    assert_eq!(key(email, "a@example.org"), key(email, "b@example.org"));
}

#[tokio::test]
async fn more_than_fifty_to_one_address_leave_together_the_most_urgent_hundred_first() {
    for (waiting, together) in [(50, 1), (51, 51), (250, 100)] {
        let mut lane = lane(ConnectorType::Webhook);
        for turn in 0..waiting {
            lane.push(place(Severity::High, 1, turn));
        }
        let mut elsewhere = place(Severity::High, 9, 999);
        elsewhere.company = Some("another".into());
        lane.push(elsewhere);
        let first = lane.pop().unwrap();
        let others = lane.companions(&first, false);
        assert_eq!(others.len() + 1, together, "{waiting} wait");
        assert!(others.iter().all(|place| place.turn < 100));
        assert_eq!(
            lane.waiting() + together,
            1 + usize::try_from(waiting).unwrap()
        );
    }
}

#[tokio::test]
async fn what_is_late_leaves_with_what_is_late_and_what_waited_for_a_token_with_all() {
    for (late, waited, together) in [(true, false, 3), (false, true, 6), (false, false, 1)] {
        let mut lane = lane(ConnectorType::Slack);
        for turn in 0..6 {
            let mut place = place(Severity::High, 1, turn);
            place.late = late && turn < 3;
            lane.push(place);
        }
        let first = lane.pop().unwrap();
        assert_eq!(lane.companions(&first, waited).len() + 1, together);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_page_never_waits_for_a_token_and_the_fourth_of_a_burst_does() {
    let now = Instant::now();
    let mut lane = lane(ConnectorType::Slack);
    assert!((0..3).all(|_| lane.admit(now) == Ok(false)));
    let later = now + Duration::from_secs(1);
    assert_eq!(lane.admit(now), Err(Admission::At(later)));
    assert_eq!(lane.admit(later), Ok(true), "it says that something waited");
    assert_eq!(lane.admit(later + Duration::from_secs(9)), Ok(false));
}
