use rstest::rstest;

use super::*;

struct Table(Vec<IpAddr>);

#[async_trait]
impl Lookup for Table {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn guard(allowed: &[&str], answers: &[&str]) -> Guard {
    let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
    Guard::new(
        allowed.iter().map(|text| text.parse().unwrap()).collect(),
        Arc::new(Table(answers)),
    )
}

#[rstest]
#[case("0.0.0.0", Range::Unspecified)]
#[case("0.1.2.3", Range::Unspecified)]
#[case("127.0.0.1", Range::Loopback)]
#[case("127.255.255.254", Range::Loopback)]
#[case("10.0.0.1", Range::Private)]
#[case("172.16.0.1", Range::Private)]
#[case("172.31.255.255", Range::Private)]
#[case("192.168.1.1", Range::Private)]
#[case("100.64.0.1", Range::CarrierNat)]
#[case("100.127.255.255", Range::CarrierNat)]
#[case("169.254.169.254", Range::LinkLocal)]
#[case("192.0.0.8", Range::Reserved)]
#[case("192.0.2.1", Range::Documentation)]
#[case("198.51.100.7", Range::Documentation)]
#[case("203.0.113.7", Range::Documentation)]
#[case("198.18.0.1", Range::Documentation)]
#[case("198.19.255.255", Range::Documentation)]
#[case("192.88.99.1", Range::Reserved)]
#[case("224.0.0.1", Range::Multicast)]
#[case("239.255.255.250", Range::Multicast)]
#[case("240.0.0.1", Range::Reserved)]
#[case("255.255.255.255", Range::Multicast)]
#[case("::", Range::Unspecified)]
#[case("::1", Range::Loopback)]
#[case("::ffff:127.0.0.1", Range::Loopback)]
#[case("::ffff:10.0.0.1", Range::Private)]
#[case("::ffff:a9fe:a9fe", Range::LinkLocal)]
#[case("::127.0.0.1", Range::Embedded)]
#[case("::8.8.8.8", Range::Embedded)]
#[case("::ffff:0:127.0.0.1", Range::Embedded)]
#[case("64:ff9b::127.0.0.1", Range::Loopback)]
#[case("64:ff9b::10.0.0.1", Range::Private)]
#[case("64:ff9b::169.254.169.254", Range::LinkLocal)]
#[case("64:ff9b:1::8.8.8.8", Range::Embedded)]
#[case("2002:7f00:1::", Range::Embedded)]
#[case("2002:808:808::1", Range::Embedded)]
#[case("2001:0:4136:e378::1", Range::Embedded)]
#[case("2600::5efe:10.0.0.1", Range::Embedded)]
#[case("2001:db8::1", Range::Documentation)]
#[case("3fff::1", Range::Documentation)]
#[case("2001:2::1", Range::Documentation)]
#[case("2001:10::1", Range::Reserved)]
#[case("2001:20::1", Range::Reserved)]
#[case("fc00::1", Range::Private)]
#[case("fd00:ec2::254", Range::Private)]
#[case("fec0::1", Range::Private)]
#[case("fe80::1", Range::LinkLocal)]
#[case("ff02::1", Range::Multicast)]
#[case("100::1", Range::Reserved)]
#[case("4000::1", Range::Reserved)]
#[case("5f00::1", Range::Reserved)]
fn an_address_that_is_not_public_is_refused_with_its_kind(
    #[case] address: IpAddr,
    #[case] range: Range,
) {
    let refusal = guard(&[], &[])
        .vet(address, Reach::PublicOrAllowed)
        .unwrap_err();
    assert!(
        matches!(refusal, AddressError::NotPublic(found) if found == range),
        "{refusal:?}"
    );
    assert!(refusal.is_final());
}

#[rstest]
#[case("8.8.8.8", "8.8.8.8")]
#[case("172.32.0.1", "172.32.0.1")]
#[case("100.128.0.1", "100.128.0.1")]
#[case("192.0.1.1", "192.0.1.1")]
#[case("::ffff:8.8.8.8", "8.8.8.8")]
#[case("2606:4700::1111", "2606:4700::1111")]
#[case("2001:4860:4860::8888", "2001:4860:4860::8888")]
#[case("64:ff9b::8.8.8.8", "64:ff9b::8.8.8.8")]
fn a_public_address_passes_in_its_plain_form(#[case] address: IpAddr, #[case] plain: IpAddr) {
    assert_eq!(
        guard(&[], &[])
            .vet(address, Reach::PublicOrAllowed)
            .unwrap(),
        plain
    );
    let refusal = guard(&[], &[])
        .vet(address, Reach::AllowedOnly)
        .unwrap_err();
    assert!(
        matches!(refusal, AddressError::PlainOutside),
        "plain http stays inside: {refusal:?}"
    );
}

#[rstest]
#[case("10.1.2.3", true)]
#[case("::ffff:10.1.2.3", true)]
#[case("10.2.0.1", false)]
#[case("64:ff9b::10.1.2.3", false)]
#[case("fd00::7", true)]
#[case("fd00:0:1::7", false)]
fn an_allowed_network_opens_itself_and_nothing_beside(#[case] address: IpAddr, #[case] open: bool) {
    let guard = guard(&["10.1.0.0/16", "fd00::/64"], &[]);
    for reach in [Reach::PublicOrAllowed, Reach::AllowedOnly] {
        assert_eq!(guard.vet(address, reach).is_ok(), open);
    }
}

#[tokio::test]
async fn one_bad_address_among_good_ones_spoils_the_name() {
    let refusal = guard(&[], &["8.8.8.8", "10.0.0.1"])
        .resolve("mixed.example", Reach::PublicOrAllowed)
        .await
        .unwrap_err();
    assert!(matches!(refusal, AddressError::NotPublic(Range::Private)));
    let mixed = guard(&["10.0.0.0/8"], &["8.8.8.8", "10.0.0.1"]);
    assert_eq!(
        mixed
            .resolve("mixed.example", Reach::PublicOrAllowed)
            .await
            .unwrap()
            .len(),
        2
    );
    let refusal = mixed
        .resolve("mixed.example", Reach::AllowedOnly)
        .await
        .unwrap_err();
    assert!(matches!(refusal, AddressError::PlainOutside));
}

#[tokio::test]
async fn a_name_without_address_may_have_one_later() {
    let refusal = guard(&[], &[])
        .resolve("nowhere.example", Reach::PublicOrAllowed)
        .await
        .unwrap_err();
    assert!(matches!(refusal, AddressError::Unknown));
    assert!(!refusal.is_final());
}

#[tokio::test]
async fn a_literal_is_vetted_without_asking_the_resolver() {
    let lying = guard(&[], &["8.8.8.8"]);
    assert!(
        lying
            .resolve("127.0.0.1", Reach::PublicOrAllowed)
            .await
            .is_err()
    );
    assert!(lying.resolve("::1", Reach::PublicOrAllowed).await.is_err());
}

/// Answers when it is told to, counting how often it is asked.
struct Slow {
    asked: std::sync::atomic::AtomicUsize,
    answer: tokio::sync::Semaphore,
}

#[async_trait]
impl Lookup for Slow {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.answer.acquire().await.unwrap().forget();
        Ok(vec![IpAddr::from([8, 8, 8, 8])])
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_all_who_ask_meanwhile_and_again_for_who_asks_later() {
    let slow = Arc::new(Slow {
        asked: 0.into(),
        answer: tokio::sync::Semaphore::new(0),
    });
    let guard = Guard::new(Vec::new(), slow.clone());
    let asked = || slow.asked.load(std::sync::atomic::Ordering::SeqCst);
    let mut first: Vec<_> = (0..100)
        .map(|_| Box::pin(guard.resolve("slow.example", Reach::PublicOrAllowed)))
        .collect();
    for waiting in &mut first {
        assert!(waiting.now_or_never().is_none());
    }
    drop(first.split_off(50));
    slow.answer.add_permits(1);
    for waiting in futures::future::join_all(first).await {
        assert_eq!(waiting.unwrap().len(), 1);
    }
    assert_eq!(asked(), 1);
    slow.answer.add_permits(1);
    guard
        .resolve("slow.example", Reach::PublicOrAllowed)
        .await
        .unwrap();
    assert_eq!(asked(), 2);
    assert!(guard.in_flight.lock().is_empty());
}
