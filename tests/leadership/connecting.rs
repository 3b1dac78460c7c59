//! A leader that stands still while the connection for its page comes about.

use std::net::Ipv4Addr;

use firebell::testkit::certificates::TestCa;
use firebell::testkit::receiver::{Receiver, Tls};
use tokio::io::copy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;

/// Passes connections on to a port. What the receiver says to the first is held back until told.
struct Relay {
    port: u16,
    connections: watch::Receiver<usize>,
    go_on: CancellationToken,
    /// The first connection has ended, on both sides.
    over: CancellationToken,
}

impl Relay {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (count, connections) = watch::channel(0);
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            connections,
            go_on: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        let (go_on, over) = (relay.go_on.clone(), relay.over.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let first = *count.borrow() == 0;
                count.send_modify(|count| *count += 1);
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
                let ((mut said, mut hears), (mut answers, mut asked)) =
                    (near.into_split(), far.unwrap().into_split());
                let (go_on, over) = (go_on.clone(), over.clone());
                tokio::spawn(async move {
                    let there = async move {
                        let _ = copy(&mut said, &mut asked).await;
                    };
                    let back = async move {
                        if first {
                            go_on.cancelled().await;
                        }
                        let _ = copy(&mut answers, &mut hears).await;
                    };
                    tokio::join!(there, back);
                    if first {
                        over.cancel();
                    }
                });
            }
        });
        relay
    }
}

#[tokio::test]
async fn a_leader_that_stood_still_while_its_page_was_connecting_sends_nothing_when_it_wakes() {
    let stage = Stage::set("connecting").await;
    let ca = TestCa::new("pagers").unwrap();
    let pager = Receiver::start_tls(Tls::Trusted(&ca)).await.unwrap();
    let mut relay = Relay::to(pager.port()).await;
    let authority = stage.plane.folder().join("pagers.pem");
    std::fs::write(&authority, ca.pem()).unwrap();
    let flags = ["--extra-ca-file", authority.to_str().unwrap()];
    let (mut first, second) = two_with(&stage, &flags).await;
    let mut spec = stage.short_policy("10m", 2);
    let address = format!("https://127.0.0.1:{}/alice", relay.port);
    spec["contacts"][0]["reach"][0]["address"] = address.into();
    stage.apply_policy("gold", spec).await;
    stage.create_ticket("a").await;

    relay
        .connections
        .wait_for(|count| *count == 1)
        .await
        .unwrap();
    first.pause().unwrap();
    says(&second, "leadership: leads").await;
    pager
        .wait_for(|ledger| ledger.count("/alice") == 1, LIMIT)
        .await
        .unwrap();
    relay.go_on.cancel();
    first.resume().unwrap();
    let ended = first.ended(LIMIT).await.unwrap();
    assert_eq!(ended, Some(1), "{}", first.log());
    relay.over.cancelled().await;
    assert_eq!(pager.pages().len(), 1, "no page twice: {}", first.log());
}
