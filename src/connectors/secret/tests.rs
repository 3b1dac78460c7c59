use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret;

use super::*;

#[derive(Default)]
struct Counting {
    gets: AtomicUsize,
    fails: bool,
}

#[async_trait]
impl SecretSource for Arc<Counting> {
    async fn get(&self, _: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.fails {
            return Err(SecretError::Missing {
                name: name.to_owned(),
            });
        }
        Ok(Arc::new(SecretValues::new(
            name,
            [("token".to_owned(), b"t0ps3cret\n".to_vec())],
        )))
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_reads_at_once_make_one_request_and_later_ones_a_fresh_one() {
    let counting = Arc::new(Counting::default());
    let secrets = KnownSecrets::new(Arc::clone(&counting));
    let reads = (0..1000).map(|_| secrets.get("team", "room"));
    assert!(
        futures::future::join_all(reads)
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(counting.gets.load(Ordering::SeqCst), 1);

    tokio::time::advance(MAX_AGE).await;
    secrets.get("team", "room").await.unwrap();
    assert_eq!(
        counting.gets.load(Ordering::SeqCst),
        2,
        "after 3 s the API server is asked again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_asked_for_again_after_half_a_second_and_never_mixed_up_between_namespaces()
 {
    let counting = Arc::new(Counting {
        fails: true,
        ..Counting::default()
    });
    let secrets = KnownSecrets::new(Arc::clone(&counting));
    for _ in 0..3 {
        assert_eq!(
            secrets.get("team", "room").await.unwrap_err(),
            SecretError::Missing {
                name: "room".into()
            }
        );
    }
    assert_eq!(counting.gets.load(Ordering::SeqCst), 1);
    let _ = secrets.get("other", "room").await;
    assert_eq!(counting.gets.load(Ordering::SeqCst), 2);
    tokio::time::advance(MAX_FAILURE_AGE).await;
    let _ = secrets.get("team", "room").await;
    assert_eq!(counting.gets.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn values_do_not_linger_once_they_are_too_old_to_stand_in() {
    let secrets = KnownSecrets::new(Arc::new(Counting::default()));
    for name in ["a", "b", "c"] {
        secrets.get("team", name).await.unwrap();
    }
    tokio::time::advance(STANDS_IN).await;
    secrets.get("team", "d").await.unwrap();
    assert_eq!(secrets.slots.lock().len(), 1);
}

/// An API server that answers as the test says, or not at all.
struct Moody(Mutex<Mood>);

#[derive(Clone, Copy)]
enum Mood {
    Reads(&'static str),
    Refuses(fn(String) -> SecretError),
    Hangs,
}

#[async_trait]
impl SecretSource for Arc<Moody> {
    async fn get(&self, _: &str, name: &str) -> Result<Arc<SecretValues>, SecretError> {
        let mood = *self.0.lock();
        match mood {
            Mood::Reads(token) => {
                let token = ("token".to_owned(), token.as_bytes().to_vec());
                Ok(Arc::new(SecretValues::new(name, [token])))
            }
            Mood::Refuses(error) => Err(error(name.to_owned())),
            Mood::Hangs => std::future::pending().await,
        }
    }
}

const AWAY: Mood = Mood::Refuses(|name| SecretError::Unreachable { name });

impl Moody {
    fn known() -> (Arc<Self>, KnownSecrets<Arc<Self>>) {
        let moody = Arc::new(Self(Mutex::new(Mood::Reads("first"))));
        (Arc::clone(&moody), KnownSecrets::new(moody))
    }
}

/// The token that is given out, once the last answer is no longer.
async fn token(secrets: &KnownSecrets<Arc<Moody>>) -> Result<String, SecretError> {
    tokio::time::advance(MAX_AGE).await;
    let values = secrets.get("team", "room").await?;
    Ok(values.get("token")?.unwrap().expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_was_read_last_stands_in_for_a_day_while_the_api_server_does_not_answer() {
    let (moody, secrets) = Moody::known();
    *moody.0.lock() = AWAY;
    assert!(token(&secrets).await.is_err(), "nothing was ever read");
    *moody.0.lock() = Mood::Reads("first");
    assert_eq!(token(&secrets).await.unwrap(), "first");
    *moody.0.lock() = AWAY;
    assert_eq!(token(&secrets).await.unwrap(), "first");
    *moody.0.lock() = Mood::Reads("second");
    assert_eq!(token(&secrets).await.unwrap(), "second");
    *moody.0.lock() = AWAY;
    tokio::time::advance(STANDS_IN.saturating_sub(MAX_AGE * 2)).await;
    assert_eq!(token(&secrets).await.unwrap(), "second");
    assert!(token(&secrets).await.is_err(), "24 h are over");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_holds_up_no_page_for_more_than_a_second() {
    let (moody, secrets) = Moody::known();
    token(&secrets).await.unwrap();
    *moody.0.lock() = Mood::Hangs;
    tokio::time::advance(MAX_AGE).await;
    let asked = Instant::now();
    secrets.get("team", "room").await.unwrap();
    assert!(asked.elapsed() <= PATIENCE, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_is_at_hand_two_seconds_later_however_old_the_last_answer_was_then() {
    for age in [Duration::ZERO, AHEAD_AGE, MAX_AGE / 2, MAX_AGE] {
        let (moody, secrets) = Moody::known();
        token(&secrets).await.unwrap();
        tokio::time::advance(age).await;
        secrets.read_ahead("team", "room").await;
        *moody.0.lock() = Mood::Hangs;
        tokio::time::advance(Duration::from_secs(2)).await;
        let asked = Instant::now();
        secrets.get("team", "room").await.unwrap();
        assert_eq!(asked.elapsed(), Duration::ZERO, "read ahead at {age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_of_an_api_server_that_hangs_is_at_hand_when_it_is_due() {
    let (moody, secrets) = Moody::known();
    token(&secrets).await.unwrap();
    *moody.0.lock() = Mood::Hangs;
    let mut due = Instant::now() + Duration::from_secs(2);
    for _page in 0..20 {
        let ahead = secrets.read_ahead("team", "room");
        let page = async {
            tokio::time::sleep_until(due).await;
            secrets.get("team", "room").await.unwrap();
            assert_eq!(due.elapsed(), Duration::ZERO);
        };
        tokio::join!(ahead, page);
        due += Duration::from_millis(2700);
    }
}

#[tokio::test(start_paused = true)]
async fn while_somebody_reads_ahead_what_is_known_is_given_out_at_once() {
    let (moody, secrets) = Moody::known();
    token(&secrets).await.unwrap();
    *moody.0.lock() = Mood::Hangs;
    tokio::time::advance(MAX_AGE / 2).await;
    let asked = Instant::now();
    let (ahead, read) = (secrets.read_ahead("team", "room"), async {
        let read = secrets.get("team", "room").await;
        (read, asked.elapsed())
    });
    let ((), (read, waited)) = tokio::join!(ahead, read);
    assert!(read.is_ok());
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_pages_that_are_got_ready_make_one_request_even_where_it_fails() {
    for fails in [false, true] {
        let counting = Arc::new(Counting {
            fails,
            ..Counting::default()
        });
        let secrets = KnownSecrets::new(Arc::clone(&counting));
        let reads = (0..1000).map(|_| secrets.read_ahead("team", "room"));
        futures::future::join_all(reads).await;
        assert_eq!(counting.gets.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_starts_and_refuses_everybody_holds_up_no_page() {
    let (moody, secrets) = Moody::known();
    token(&secrets).await.unwrap();
    *moody.0.lock() = Mood::Refuses(|name| SecretError::Forbidden { name });
    assert_eq!(token(&secrets).await.unwrap(), "first");
    *moody.0.lock() = AWAY;
    assert_eq!(token(&secrets).await.unwrap(), "first");
    *moody.0.lock() = Mood::Reads("second");
    assert_eq!(token(&secrets).await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn nothing_stands_in_once_the_api_server_said_that_there_is_none_or_for_10_s_that_it_may_not_be_read()
 {
    let refusals: [fn(String) -> SecretError; 2] = [
        |name| SecretError::Missing { name },
        |name| SecretError::Forbidden { name },
    ];
    for refusal in refusals {
        let (moody, secrets) = Moody::known();
        token(&secrets).await.unwrap();
        *moody.0.lock() = Mood::Refuses(refusal);
        let _first = token(&secrets).await;
        tokio::time::advance(STARTING).await;
        assert_eq!(token(&secrets).await, Err(refusal("room".to_owned())));
        *moody.0.lock() = AWAY;
        assert!(
            token(&secrets).await.is_err(),
            "{:?}",
            refusal(String::new())
        );
    }
}

#[test]
fn values_lose_surrounding_white_space_and_never_show_in_debug_or_errors() {
    let values = SecretValues::new(
        "room",
        [
            ("token".to_owned(), b" t0ps3cret\n".to_vec()),
            ("empty".to_owned(), b"\n".to_vec()),
            ("bytes".to_owned(), vec![0xff, 0xfe]),
        ],
    );
    assert_eq!(
        values.get("token").unwrap().unwrap().expose_secret(),
        "t0ps3cret"
    );
    assert!(values.get("empty").unwrap().is_none());
    assert!(values.get("absent").unwrap().is_none());
    assert_eq!(
        values.get("bytes").unwrap_err().to_string(),
        "key \"bytes\" of Secret \"room\" must be UTF-8 text"
    );
    assert!(!format!("{values:?}").contains("t0ps3cret"));
}

/// An API server that gives one answer to everything.
fn cluster(status: u16, body: &'static str) -> ClusterSecrets {
    let answer = move |request: http::Request<kube::client::Body>| async move {
        assert_eq!(request.uri().path(), "/api/v1/namespaces/team/secrets/room");
        let answer = http::Response::builder().status(status);
        answer.body(http_body_util::Full::new(bytes::Bytes::from_static(
            body.as_bytes(),
        )))
    };
    ClusterSecrets::new(Client::new(tower::service_fn(answer), "team"))
}

#[tokio::test]
async fn a_secret_is_read_by_its_name_alone() {
    let body = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"room"},"data":{"token":"dDBwczNjcmV0Cg=="}}"#;
    let values = cluster(200, body).get("team", "room").await.unwrap();
    assert_eq!(
        values.get("token").unwrap().unwrap().expose_secret(),
        "t0ps3cret"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_secret_becomes_an_error_that_names_it_and_quotes_nothing() {
    let name = || "room".to_owned();
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"t0ps3cret","reason":"NotFound","code":404}"#;
    let forbidden = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"t0ps3cret","reason":"x","code":403}"#;
    for (code, body, wanted) in [
        (404, status, SecretError::Missing { name: name() }),
        (403, forbidden, SecretError::Forbidden { name: name() }),
        (404, "t0ps3cret", SecretError::Unreachable { name: name() }),
        (500, "t0ps3cret", SecretError::Unreachable { name: name() }),
        (
            200,
            r#"{"data":{"token":"t0ps3cret, no base64"}}"#,
            SecretError::Unreachable { name: name() },
        ),
    ] {
        let error = cluster(code, body).get("team", "room").await.unwrap_err();
        assert!(
            error.to_string().contains("\"room\"") && !format!("{error:?}").contains("t0ps3cret")
        );
        assert_eq!(error, wanted);
    }
}
