#[cfg(feature = "testkit")]
mod tls;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::connectors::address::Range;
use crate::connectors::tests::{Leads, dead_address, here, losing_the_lease};

const LIMIT: Duration = Duration::from_secs(5);

/// Resolves every name to what the test says, counting how often it is asked.
#[derive(Default)]
struct Names {
    answers: Vec<IpAddr>,
    asked: AtomicUsize,
}

#[async_trait]
impl Lookup for Names {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers.clone())
    }
}

fn client(allowed: &[&str], answers: &[&str]) -> HttpClient {
    let options = HttpOptions {
        allowed_networks: allowed.iter().map(|text| text.parse().unwrap()).collect(),
        extra_ca_pem: None,
    };
    let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
    HttpClient::with_lookup(
        &options,
        Arc::new(Names {
            answers,
            asked: AtomicUsize::new(0),
        }),
    )
    .unwrap()
}

async fn post_to(client: &HttpClient, url: &str) -> Result<Answer, HttpError> {
    client
        .post(url, HeaderMap::new(), Bytes::from_static(b"{}"), LIMIT)
        .await
}

/// A server of the test; gives its port.
async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// A server that answers each connection with these bytes and then stays silent.
async fn raw(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

#[rstest]
#[case::loopback("https://127.0.0.1/")]
#[case::loopback_port("https://127.0.0.1:8443/x")]
#[case::short("https://127.1/")]
#[case::shorter("https://127.0.1/")]
#[case::decimal("https://2130706433/")]
#[case::hex("https://0x7f000001/")]
#[case::hex_parts("https://0x7f.0x0.0x0.0x1/")]
#[case::octal("https://0177.0.0.1/")]
#[case::octal_whole("https://017700000001/")]
#[case::mixed("https://0x7f.1/")]
#[case::trailing_dot("https://127.0.0.1./")]
#[case::full_width("https://１２７.0.0.1/")]
#[case::circled("https://①②⑦.0.0.1/")]
#[case::ideographic_dots("https://127。0。0。1/")]
#[case::percent("https://%31%32%37.0.0.1/")]
#[case::zero("https://0/")]
#[case::unspecified("https://0.0.0.0/")]
#[case::metadata("https://169.254.169.254/latest/meta-data/")]
#[case::metadata_decimal("https://2852039166/")]
#[case::metadata_hex("https://0xA9FEA9FE/")]
#[case::private("https://10.0.0.1/")]
#[case::private_octal("https://012.0.0.1/")]
#[case::private_172("https://172.16.0.1/")]
#[case::private_192("https://192.168.0.1/")]
#[case::carrier("https://100.64.0.1/")]
#[case::broadcast("https://255.255.255.255/")]
#[case::multicast("https://224.0.0.1/")]
#[case::documentation("https://192.0.2.1/")]
#[case::benchmark("https://198.18.0.1/")]
#[case::six_loopback("https://[::1]/")]
#[case::six_loopback_long("https://[0:0:0:0:0:0:0:1]/")]
#[case::six_unspecified("https://[::]/")]
#[case::six_mapped("https://[::ffff:127.0.0.1]/")]
#[case::six_mapped_hex("https://[::ffff:7f00:1]/")]
#[case::six_compatible("https://[::127.0.0.1]/")]
#[case::six_nat64("https://[64:ff9b::7f00:1]/")]
#[case::six_to_four("https://[2002:7f00:1::]/")]
#[case::six_ula("https://[fd00:ec2::254]/")]
#[case::six_link("https://[fe80::1]/")]
#[case::six_multicast("https://[ff02::1]/")]
#[case::name("https://localhost/")]
#[case::name_upper("https://LOCALHOST/")]
#[case::name_dot("https://localhost./")]
#[case::rebinding("https://rebind.example/")]
#[case::cluster("https://kubernetes.default.svc/")]
#[case::backslash("https:\\\\127.0.0.1\\")]
#[case::no_slashes("https:127.0.0.1")]
#[case::many_slashes("https:////127.0.0.1/")]
#[case::tab("https://127.0.\t0.1/")]
#[case::newline("https://127.0.0\n.1/")]
#[case::spaces("  https://127.0.0.1/  ")]
#[case::scheme_upper("HTTPS://127.0.0.1/")]
#[case::plain("http://127.0.0.1/")]
#[case::plain_name("http://localhost/")]
#[case::plain_six("http://[::1]/")]
#[case::fragment("https://127.0.0.1#@public.example/")]
#[case::question("https://127.0.0.1?@public.example/")]
#[tokio::test]
async fn a_hostile_spelling_of_an_inner_address_is_refused_for_good_by_the_vetting(
    #[case] url: &str,
) {
    let error = post_to(&client(&[], &["127.0.0.1"]), url)
        .await
        .unwrap_err();
    assert!(
        matches!(error, HttpError::Address(AddressError::NotPublic(_))),
        "{url}: {error:?}"
    );
    assert!(error.is_final());
}

#[rstest]
#[case::userinfo("https://public.example@127.0.0.1/")]
#[case::userinfo_public("https://127.0.0.1@public.example/")]
#[case::password("https://user:pass@public.example/")]
#[case::zone("https://[fe80::1%25eth0]/")]
#[case::file("file:///etc/passwd")]
#[case::gopher("gopher://127.0.0.1:25/x")]
#[case::ftp("ftp://public.example/")]
#[case::data("data:text/plain,x")]
#[case::unix("unix:///run/docker.sock")]
#[case::no_host("https:///")]
#[case::relative("/hook")]
#[case::bare("public.example/hook")]
#[case::empty("")]
#[case::bad_port("https://public.example:99999/")]
#[case::overflow("https://4294967296/")]
#[case::nul("https://public\0.example/")]
#[tokio::test]
async fn what_is_no_plain_web_address_is_refused_for_good_before_anything_is_resolved(
    #[case] url: &str,
) {
    let names = Arc::new(Names::default());
    let client = HttpClient::with_lookup(&HttpOptions::default(), names.clone()).unwrap();
    let error = post_to(&client, url).await.unwrap_err();
    assert!(matches!(error, HttpError::Url(_)), "{url}: {error:?}");
    assert!(error.is_final());
    assert_eq!(names.asked.load(Ordering::SeqCst), 0);
    assert!(
        url.is_empty() || !error.to_string().contains(url),
        "an error never shows the address"
    );
}

#[tokio::test]
async fn plain_http_to_a_public_address_is_refused_by_name_and_by_literal() {
    for url in ["http://public.example/", "http://8.8.8.8/"] {
        let error = post_to(&client(&["10.0.0.0/8"], &["8.8.8.8"]), url)
            .await
            .unwrap_err();
        assert!(
            matches!(error, HttpError::Address(AddressError::PlainOutside)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_name_with_one_inner_address_among_public_ones_is_refused() {
    let error = post_to(
        &client(&[], &["8.8.8.8", "10.0.0.1"]),
        "https://mixed.example/",
    )
    .await
    .unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::Address(AddressError::NotPublic(Range::Private))
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_vetted_address_is_called_under_the_original_name_and_its_connection_is_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route(
        "/hook",
        post(
            |headers: HeaderMap| async move { headers[header::HOST].to_str().unwrap().to_owned() },
        ),
    );
    let counted = axum::serve::ListenerExt::tap_io(listener, {
        let connections = connections.clone();
        move |_| {
            connections.fetch_add(1, Ordering::SeqCst);
        }
    });
    tokio::spawn(async move { axum::serve(counted, router).await });

    let client = client(&["127.0.0.0/8"], &["127.0.0.1"]);
    for _ in 0..20 {
        let answer = post_to(&client, &format!("http://hook.example:{port}/hook"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.excerpt),
            (StatusCode::OK, format!("hook.example:{port}"))
        );
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dead_address_of_a_host_leaves_time_for_its_others() {
    let router = Router::new().route("/", post(|| async { "taken" }));
    let port = serve(router).await;
    let _dead = dead_address(port).await;
    let lookup = Arc::new(Leads(&[[127, 0, 0, 2], [127, 0, 0, 1]]));
    let client = HttpClient::with_lookup(&here(None), lookup).unwrap();
    let url = format!("http://hook.example:{port}/");
    let exchange = client.post(&url, HeaderMap::new(), Bytes::new(), DEFAULT_TIMEOUT);
    assert_eq!(exchange.await.unwrap().excerpt, "taken");
}

#[tokio::test]
async fn where_the_lease_is_lost_while_a_connection_comes_about_not_a_byte_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://hook.example:{}/",
        listener.local_addr().unwrap().port()
    );
    let client = losing_the_lease(None);
    let received = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        received
    };
    let (answer, received) = tokio::join!(post_to(&client, &url), received);
    let error = answer.unwrap_err();
    assert!(
        matches!(error, HttpError::Held) && !error.is_final(),
        "{error:?}"
    );
    assert_eq!(String::from_utf8_lossy(&received), "");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let router = Router::new()
        .route(
            "/",
            post(|| async { (StatusCode::FOUND, [(header::LOCATION, "/inner")]) }),
        )
        .route("/inner", axum::routing::any(|| async { "followed" }));
    let port = serve(router).await;
    let answer = post_to(
        &client(&["127.0.0.0/8"], &[]),
        &format!("http://127.0.0.1:{port}/"),
    )
    .await
    .unwrap();
    assert_eq!(
        (answer.status, answer.excerpt.as_str()),
        (StatusCode::FOUND, "")
    );
}

#[tokio::test]
async fn of_a_ten_megabyte_answer_no_more_than_256_bytes_are_kept() {
    let router = Router::new().route(
        "/",
        post(|| async { (StatusCode::OK, vec![b'x'; 10 << 20]).into_response() }),
    );
    let port = serve(router).await;
    let answer = post_to(
        &client(&["127.0.0.0/8"], &[]),
        &format!("http://127.0.0.1:{port}/"),
    )
    .await
    .unwrap();
    assert_eq!(answer.excerpt.len(), EXCERPT_BYTES);
}

#[tokio::test]
async fn the_status_counts_though_the_body_never_ends() {
    let port =
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n\xff\xfeabc\x1b[31m\xe2\x80\xaedef")
            .await;
    let answer = post_to(
        &client(&["127.0.0.0/8"], &[]),
        &format!("http://127.0.0.1:{port}/"),
    )
    .await
    .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.excerpt, "\u{fffd}\u{fffd}abc [31m def");
}

#[tokio::test]
async fn a_silent_receiver_is_a_timeout_that_may_be_tried_again() {
    let port = raw(b"").await;
    let client = client(&["127.0.0.0/8"], &[]);
    let limit = Duration::from_millis(200);
    let url = format!("http://127.0.0.1:{port}/secret-path");
    let error = client
        .post(&url, HeaderMap::new(), Bytes::new(), limit)
        .await
        .unwrap_err();
    assert!(
        matches!(error, HttpError::Timeout(_)) && !error.is_final(),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "no answer within 0.2 s");
}

#[tokio::test]
async fn a_refused_connection_may_be_tried_again_and_says_nothing_of_the_address() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/secret-path");
    let error = post_to(&client(&["127.0.0.0/8"], &[]), &url)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Broken(_)) && !error.is_final());
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("secret-path") && !shown.contains("127.0.0.1"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_under_https_is_refused_for_good() {
    let port = raw(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let error = post_to(
        &client(&["127.0.0.0/8"], &[]),
        &format!("https://127.0.0.1:{port}/"),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error, HttpError::Tls(_)) && error.is_final(),
        "{error:?}"
    );
}

#[rstest]
#[case("120", Some(120))]
#[case(" 0 ", Some(0))]
#[case("Sun, 06 Nov 1994 08:50:37 GMT", Some(60))]
#[case("Sun, 06 Nov 1994 08:00:00 GMT", Some(0))]
#[case("soon", None)]
#[case("-5", None)]
#[case("99999999999999999999999", None)]
fn retry_after_is_read_as_seconds_or_as_a_date_by_the_receivers_own_clock(
    #[case] value: &str,
    #[case] seconds: Option<u64>,
) {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::DATE,
        "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
    );
    headers.insert(header::RETRY_AFTER, value.parse().unwrap());
    assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs));
}

#[test]
fn what_is_kept_of_a_body_holds_no_control_or_bidirectional_characters_and_ends_on_a_character() {
    assert_eq!(
        sanitise("a\u{202e}b\u{2066}c\r\nd\u{0}e\u{feff}f\u{7f}g".as_bytes()),
        "a b c  d e f g"
    );
    let long = sanitise("é".repeat(1000).as_bytes());
    assert_eq!(long, "é".repeat(EXCERPT_BYTES / 2));
}

#[test]
fn an_extra_ca_file_without_certificates_stops_the_start() {
    for pem in [&b""[..], b"no certificate"] {
        let options = HttpOptions {
            allowed_networks: Vec::new(),
            extra_ca_pem: Some(pem.to_vec()),
        };
        assert!(matches!(
            HttpClient::new(&options).err(),
            Some(HttpSetupError::ExtraCaEmpty)
        ));
    }
}
