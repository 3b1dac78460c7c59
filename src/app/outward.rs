//! Puts together all that leaves the cluster: the client, the connectors, the outbox behind the fence.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use jiff::SignedDuration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::args::RunArgs;
use super::wiring::Base;
use crate::connectors::Connectors;
use crate::connectors::http::{HttpClient, HttpOptions};
use crate::connectors::links::{Issuer, Linked};
use crate::connectors::secret::SecretSource;
use crate::controller::leader::fence::FencedSender;
use crate::domain::telling::delivery::TicketKey;
use crate::metrics::{Metrics, Stage};
use crate::outbox::{DeliveryObserver, DeliveryResult, Outbox, OutboxConfig};

/// Threads of their own for all that leaves, until this is dropped. In a flood thousands of looks and writes stand in
/// line on the others, and a page has a dozen steps to take from its hand-over to its receipt: each would stand there.
pub struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        // Waited for they must not be: whoever drops this runs on the others.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The one client for all that leaves by HTTP.
pub fn http_client(args: &RunArgs) -> anyhow::Result<HttpClient> {
    let read = |file: &PathBuf| {
        std::fs::read(file)
            .with_context(|| format!("`--extra-ca-file` \"{}\" cannot be read", file.display()))
    };
    let client = HttpClient::new(&HttpOptions {
        allowed_networks: args.allow_networks.clone(),
        extra_ca_pem: args.extra_ca_file.as_ref().map(read).transpose()?,
    })?;
    Ok(client)
}

/// The outbox with its ways out, and the threads that it has for itself.
pub fn outbox(
    args: &RunArgs,
    http: HttpClient,
    base: &Base,
    secrets: Arc<dyn SecretSource>,
    reports: mpsc::UnboundedSender<TicketKey>,
) -> anyhow::Result<(Threads, Outbox)> {
    let clock = Arc::new(base.clock.clone());
    let leadership = base.leadership.clone();
    let http = http.asking(Arc::new(move || leadership.may_send()));
    let connectors = Connectors::new(http, secrets.clone(), clock.clone());
    let connectors = Linked::new(connectors, issuer(args), secrets);
    let observer = Arc::new(Observed(base.metrics.clone()));
    let sender = FencedSender {
        inner: Arc::new(connectors),
        leadership: base.leadership.clone(),
    };
    let mut threads = Builder::new_multi_thread();
    let threads = threads.thread_name("pages").enable_all().build();
    let threads = threads.context("the threads for pages cannot be started")?;
    let outbox = {
        let _inside = threads.enter();
        let config = OutboxConfig::default();
        Outbox::new(config, Arc::new(sender), clock, observer, reports)
    };
    Ok((Threads(Some(threads)), outbox))
}

/// Where links for answers lead; `None` = pages carry none.
fn issuer(args: &RunArgs) -> Option<Issuer> {
    let secret = args.link_key_secret.as_ref()?;
    Some(Issuer {
        public_url: args.public_url.clone()?,
        namespace: secret.namespace.clone(),
        secret: secret.name.clone(),
    })
}

/// Counts deliveries that have their result.
struct Observed(Metrics);

impl DeliveryObserver for Observed {
    fn observe(&self, result: DeliveryResult) {
        let connector_type = result
            .connector_type
            .map_or_else(|| "None".to_owned(), |known| format!("{known:?}"));
        self.0
            .delivered(&connector_type, &format!("{:?}", result.outcome));
        if let Some(receipt) = result.receipt {
            self.0.late(
                Stage::receipt,
                SignedDuration::try_from(receipt).unwrap_or(SignedDuration::MAX),
            );
        }
    }
}
