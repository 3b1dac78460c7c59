//! A page and what carries it, without an operator.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use firebell::api::{Connector, ConnectorType, SecretRef};
use firebell::clock::{Now, WallClock};
use firebell::connectors::address::Lookup;
use firebell::connectors::http::{HttpClient, HttpOptions};
use firebell::connectors::{Attempt, Connectors, SendOutcome, Sender};
use firebell::domain::telling::delivery::{Delivery, Way};
use firebell::domain::telling::parcel::Parcel;
use firebell::testkit::certificates::TestCa;
use firebell::testkit::deliveries;
use firebell::testkit::secrets::MemorySecrets;

/// A signing key.
pub const KEY: &str = "whsec_c2NlbmFyaW8tc2lnbmluZy1rZXktMDAwMDAwMDE=";

/// Every name leads to this machine.
pub struct Here;

#[async_trait]
impl Lookup for Here {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

/// Connectors that may reach these networks, with the Secrets of [`secrets`].
pub fn connectors(allowed: &[&str], ca: Option<&TestCa>, lookup: Arc<dyn Lookup>) -> Connectors {
    let http = http(allowed, ca, lookup);
    Connectors::new(http, Arc::new(secrets()), Arc::new(WallClock))
}

/// Connectors that may reach this machine, with these Secrets and this clock.
pub fn connectors_of(secrets: MemorySecrets, clock: Arc<dyn Now>) -> Connectors {
    let http = http(&["127.0.0.0/8"], None, Arc::new(Here));
    Connectors::new(http, Arc::new(secrets), clock)
}

fn http(allowed: &[&str], ca: Option<&TestCa>, lookup: Arc<dyn Lookup>) -> HttpClient {
    let options = HttpOptions {
        allowed_networks: allowed.iter().map(|text| text.parse().unwrap()).collect(),
        extra_ca_pem: ca.map(|ca| ca.pem().into_bytes()),
    };
    HttpClient::with_lookup(&options, lookup).unwrap()
}

/// One Secret with every key a connector may ask for.
fn secrets() -> MemorySecrets {
    let secrets = MemorySecrets::new();
    let values = [
        ("signingKey", KEY),
        ("routingKey", "r0uting"),
        ("token", "t0ken"),
    ];
    secrets.put("team", "keys", &values);
    secrets
}

/// A connector named `name`.
pub fn way(name: &str, type_: ConnectorType) -> Way {
    let secret_ref = (type_ != ConnectorType::Email).then(|| SecretRef {
        name: "keys".into(),
    });
    Way {
        namespace: "team".into(),
        connector: Connector {
            name: name.into(),
            type_,
            secret_ref,
            ..Connector::default()
        },
    }
}

/// A webhook to this address.
pub fn webhook(name: &str, address: &str) -> Way {
    let mut way = way(name, ConnectorType::Webhook);
    way.connector.address = Some(address.to_owned());
    way
}

/// A page to alice over these ways.
pub fn page(ticket: &str, ways: Vec<Way>) -> Delivery {
    deliveries::page(deliveries::ticket(ticket), "on-call", ways, WallClock.now())
}

/// Tries a page once on a way, for at most this long.
pub async fn try_once(connectors: &Connectors, way: &Way, limit: Duration) -> SendOutcome {
    let parcel = Parcel::one(Arc::new(page("t", vec![way.clone()])));
    let attempt = Attempt { number: 1, limit };
    let send = connectors.send(way, &parcel, attempt);
    let ended = tokio::time::timeout(limit + Duration::from_secs(5), send).await;
    ended.expect("a try keeps to its limit")
}
