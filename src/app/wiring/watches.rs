//! Starts the watches, and waits until all of them have listed everything.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::core::{DeserializeGuard, NamespaceResourceScope, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{Operator, scopes};
use crate::api::{EscalationPolicy, Rca, Ticket};
use crate::app::args::RunArgs;
use crate::app::supervisor::Supervisor;
use crate::controller::client::scoped;
use crate::controller::sinks::{DocumentSink, PolicySink, RcaSink, RevisionSink, TicketSink};
use crate::controller::streams::{Selection, Sink, follow};
use crate::controller::{revisions, shelf};

/// Starts the watches: per kind and namespace one, each of which turns its signal once it has listed everything.
pub fn follow_all(
    standing: &mut Supervisor,
    args: &RunArgs,
    operator: &Operator,
) -> Vec<watch::Receiver<bool>> {
    let mut listed = Vec::new();
    for namespace in scopes(&args.namespaces) {
        let open = Selection {
            fields: Some("status.archived!=true".to_owned()),
            labels: None,
        };
        let sink = TicketSink(operator.shared(namespace.clone()));
        listed.push(follow_one::<Ticket, _>(
            standing,
            operator,
            "watch tickets",
            open,
            sink,
        ));
        let sink = RcaSink(operator.shared(namespace));
        let all = Selection::default();
        let rcas = follow_one::<Rca, _>(standing, operator, "watch rcas", all, sink);
        listed.push(rcas);
    }
    for namespace in scopes(&args.policy_namespaces()) {
        let sink = PolicySink(operator.shared(namespace.clone()));
        let all = Selection::default();
        listed.push(follow_one::<EscalationPolicy, _>(
            standing,
            operator,
            "watch escalationpolicies",
            all,
            sink,
        ));
        let documents = Selection {
            fields: None,
            labels: Some(shelf::LABEL.to_owned()),
        };
        let sink = DocumentSink(operator.shared(namespace.clone()), operator.shelf.clone());
        // Not waited for: whoever may not list ConfigMaps pages all the same.
        follow_one::<ConfigMap, _>(standing, operator, "watch configmaps", documents, sink);
        let sink = RevisionSink(operator.shared(namespace));
        let ours = Selection {
            fields: None,
            labels: Some(revisions::LABEL.to_owned()),
        };
        listed.push(follow_one::<ControllerRevision, _>(
            standing,
            operator,
            "watch controllerrevisions",
            ours,
            sink,
        ));
    }
    listed
}

fn follow_one<K, S>(
    standing: &mut Supervisor,
    operator: &Operator,
    name: &str,
    selection: Selection,
    sink: S,
) -> watch::Receiver<bool>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
    S: Sink<K>,
{
    let (signal, heard) = watch::channel(false);
    let base = &operator.base;
    let api: Api<DeserializeGuard<K>> = scoped(&base.client, sink.namespace());
    let stream = follow(api, selection, sink, base.metrics.clone(), signal);
    standing.spawn(name, stream);
    heard
}

/// Waits until every watch has listed everything once.
pub async fn all_listed(listed: Vec<watch::Receiver<bool>>) {
    for mut signal in listed {
        // A watch that ends is the supervisor's matter.
        if signal.wait_for(|listed| *listed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
