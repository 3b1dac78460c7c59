//! Whose certificates are trusted, and what leaves where they are not.

use super::*;
use crate::testkit::certificates::TestCa;
use crate::testkit::receiver::{Receiver, Tls};

fn trusting(ca: &TestCa) -> HttpClient {
    let options = here(Some(ca.pem().into_bytes()));
    let answers = vec!["127.0.0.1".parse().unwrap()];
    let names = Names {
        answers,
        asked: AtomicUsize::new(0),
    };
    HttpClient::with_lookup(&options, Arc::new(names)).unwrap()
}

#[tokio::test]
async fn a_certificate_of_the_extra_ca_is_trusted_for_the_name_that_was_called() {
    let ca = TestCa::new("private").unwrap();
    let receiver = Receiver::start_tls(Tls::Trusted(&ca)).await.unwrap();
    let client = trusting(&ca);
    let answer = post_to(&client, &receiver.url("/hook")).await.unwrap();
    assert!(answer.status.is_success());

    let elsewhere = Receiver::start_tls(Tls::WrongName(&ca)).await.unwrap();
    let url = format!("https://elsewhere.example:{}/hook", elsewhere.port());
    let answer = post_to(&client, &url).await.unwrap();
    assert!(
        answer.status.is_success(),
        "the name counts, not the address behind it"
    );
}

#[tokio::test]
async fn where_the_lease_is_lost_during_the_handshake_the_receiver_gets_no_page() {
    let ca = TestCa::new("private").unwrap();
    let receiver = Receiver::start_tls(Tls::WrongName(&ca)).await.unwrap();
    let url = format!("https://elsewhere.example:{}/hook", receiver.port());
    let error = post_to(&losing_the_lease(Some(ca.pem().into_bytes())), &url)
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Held), "{error:?}");
    assert!(receiver.pages().is_empty());
}

#[tokio::test]
async fn a_bad_certificate_is_refused_for_good_with_its_reason_and_nothing_is_sent() {
    let ca = TestCa::new("private").unwrap();
    for (tls, reason) in [
        (Tls::WrongName(&ca), "certificate for another host"),
        (Tls::Expired(&ca), "certificate expired"),
        (Tls::UnknownAuthority, "certificate by an unknown CA"),
    ] {
        let receiver = Receiver::start_tls(tls).await.unwrap();
        let error = post_to(&trusting(&ca), &receiver.url("/hook"))
            .await
            .unwrap_err();
        assert!(
            error.is_final() && error.to_string().contains(reason),
            "{error:?}"
        );
        assert!(receiver.pages().is_empty());
    }
}

#[tokio::test]
async fn without_the_extra_ca_its_certificates_are_not_trusted() {
    let ca = TestCa::new("private").unwrap();
    let receiver = Receiver::start_tls(Tls::Trusted(&ca)).await.unwrap();
    let error = post_to(&client(&["127.0.0.0/8"], &[]), &receiver.url("/hook"))
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Tls(_)), "{error:?}");
}
