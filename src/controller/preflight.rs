//! Before anything runs: is the API server there, does it know our kinds, may we read them, what time is it?
//!
//! What may come by itself (API server, CRDs) is waited for with a clear line; credentials that are refused for some
//! seconds end the process with one sentence.

use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::ListParams;
use kube::core::{DynamicObject, NamespaceResourceScope, Resource};
use kube::discovery::ApiResource;
use kube::{Api, Client, Config};

use super::client::call;
use super::error::CallError;
use crate::api::{EscalationPolicy, Rca, Ticket};
use crate::clock::OperatorClock;
use crate::serve::Health;

/// How often something that is missing is asked for again.
const AGAIN: Duration = Duration::from_secs(2);
/// So many refusals may come of an API server that has just started and has not read its rules yet.
const REFUSALS: u32 = 4;
/// How often it is said again that it is missing.
const SAY_EVERY: u32 = 15;
/// Between two answers while the API server's clock is not known well.
const CLOCK_STEP: Duration = Duration::from_millis(100);
/// So many answers in a row are asked for; where they do not do (a long way, no `Date`, no answer), few more will.
const CLOCK_STEPS: u32 = 100;
/// Between two answers after that.
const CLOCK_REST: Duration = Duration::from_secs(5);
/// How often it is checked whether the clock is still known well.
const CLOCK_CHECK: Duration = Duration::from_mins(1);
/// The longest that the first look waits for a clock that is known well.
const CLOCK_PATIENCE: Duration = Duration::from_secs(4);

/// Where the API server is and who we are: the pod's service account, or `KUBECONFIG`.
pub async fn config() -> anyhow::Result<Config> {
    Config::infer().await.context(
        "no way to the API server: run in a pod with a service account, or set KUBECONFIG to a file that can be read",
    )
}

/// Waits until the API server serves all kinds to us.
pub async fn wait_until_served(
    client: &Client,
    ticket_namespaces: &[String],
    policy_namespaces: &[String],
    health: &Health,
) -> anyhow::Result<()> {
    wait_for::<Ticket>(client, ticket_namespaces, health).await?;
    wait_for::<Rca>(client, ticket_namespaces, health).await?;
    wait_for::<EscalationPolicy>(client, policy_namespaces, health).await?;
    wait_for::<ControllerRevision>(client, policy_namespaces, health).await
}

async fn wait_for<K>(client: &Client, namespaces: &[String], health: &Health) -> anyhow::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    let kind = ApiResource::erase::<K>(&());
    let scopes: Vec<Option<&String>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().map(Some).collect()
    };
    for namespace in scopes {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
            None => Api::all_with(client.clone(), &kind),
        };
        let (mut tries, mut refusals) = (0, 0);
        while let Err(error) = call("list", api.list(&ListParams::default().limit(1))).await {
            let missing = match missing(&error, &kind, namespace) {
                Ok(missing) => missing,
                Err(refused) if refusals < REFUSALS => {
                    refusals += 1;
                    refused.to_string()
                }
                Err(refused) => return Err(refused),
            };
            if tries % SAY_EVERY == 0 {
                tracing::warn!("{missing}; waiting for it");
            }
            tries += 1;
            health.waits_for("api", missing);
            tokio::time::sleep(AGAIN).await;
        }
    }
    health.has("api");
    Ok(())
}

/// What is missing, or why waiting is no use.
fn missing(
    error: &CallError,
    kind: &ApiResource,
    namespace: Option<&String>,
) -> anyhow::Result<String> {
    let resource = format!("{}.{}", kind.plural, kind.group);
    let place = namespace.map_or_else(
        || "the whole cluster".to_owned(),
        |namespace| format!("namespace \"{namespace}\""),
    );
    match error.status() {
        Some(401) => bail!(
            "the API server refuses the operator's credentials (401): renew the service account's token or the kubeconfig"
        ),
        Some(403) => bail!(
            "the operator may not list {resource} in {place}; grant it get, list and watch there: {}",
            words(error)
        ),
        Some(404) => Ok(format!(
            "the CustomResourceDefinition \"{resource}\" is not installed; apply what `firebell crds` prints"
        )),
        Some(_) | None => Ok(format!(
            "the API server does not answer as it should: {error}"
        )),
    }
}

/// The API server's own words: they name the account.
fn words(error: &CallError) -> String {
    match error {
        CallError::Refused { source, .. } => match source.as_ref() {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        },
        CallError::Late { .. }
        | CallError::Gone { .. }
        | CallError::Taken { .. }
        | CallError::Restless { .. }
        | CallError::Encoding { .. } => error.to_string(),
    }
}

/// Keeps the API server's clock known: asks for answers whenever it is not, each of which carries a `Date`.
pub async fn keep_clock(client: Client, clock: OperatorClock) {
    let mut asked = 0_u32;
    loop {
        if clock.is_accurate() {
            asked = 0;
            tokio::time::sleep(CLOCK_CHECK).await;
        } else {
            // Any answer will do; none at all is noticed by everybody else.
            let _ = call("get version", client.apiserver_version()).await;
            asked = asked.saturating_add(1);
            let pause = if asked < CLOCK_STEPS {
                CLOCK_STEP
            } else {
                CLOCK_REST
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Waits until the API server's clock is known well, or a few seconds.
pub async fn clock_is_known(clock: &OperatorClock) {
    let known = async {
        while !clock.is_accurate() {
            tokio::time::sleep(CLOCK_STEP).await;
        }
    };
    if tokio::time::timeout(CLOCK_PATIENCE, known).await.is_err() {
        tracing::warn!(
            "the API server's clock is not known to 0.1 s yet; deadlines go by what is known"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use anyhow::bail;
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use kube::core::Status;
    use kube::discovery::ApiResource;
    use serde_json::json;

    use super::{CLOCK_REST, CLOCK_STEPS, keep_clock, missing, wait_for};
    use crate::api::Ticket;
    use crate::clock::OperatorClock;
    use crate::controller::error::CallError;
    use crate::serve::Health;

    fn of(code: u16, message: &str) -> anyhow::Result<String> {
        let status = Status::failure(message, "No").with_code(code);
        let error = CallError::of("list", kube::Error::Api(status.boxed()));
        missing(
            &error,
            &ApiResource::erase::<Ticket>(&()),
            Some(&"shop".to_owned()),
        )
    }

    /// Asks an API server that refuses so many times; what came of it, and how often it was asked.
    async fn after_refusals(status: u16, most: u32) -> (anyhow::Result<()>, u32) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        let service = tower::service_fn(move |_request: Request<Body>| {
            let refused = counter.fetch_add(1, Ordering::SeqCst) < most;
            let (status, body) = if refused {
                let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status});
                (status, body)
            } else {
                let list = json!({"kind": "TicketList", "apiVersion": "firebell.dev/v1alpha1", "metadata": {}, "items": []});
                (200, list)
            };
            async move {
                let body = Body::from(body.to_string().into_bytes());
                Response::builder().status(status).body(body)
            }
        });
        let client = Client::new(service, "shop");
        let health = Health::default();
        let came = wait_for::<Ticket>(&client, &[], &health);
        let came = tokio::time::timeout(Duration::from_mins(1), came).await;
        let came = came.unwrap_or_else(|_waits| bail!("it waits on"));
        (came, asked.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_has_just_started_may_refuse_for_some_seconds() {
        for status in [401, 403] {
            let (came, asked) = after_refusals(status, 2).await;
            assert!(came.is_ok(), "{status}: {came:?}");
            assert_eq!(asked, 3);
            let (came, asked) = after_refusals(status, u32::MAX).await;
            let refused = came.unwrap_err().to_string();
            assert!(refused.contains("operator"), "{status}: {refused}");
            assert!(asked < 10, "{asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_cannot_be_known_well_is_asked_for_seldom_in_the_end() {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = asked.clone();
        // Answers without a `Date`.
        let service = tower::service_fn(move |_request: Request<Body>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, std::convert::Infallible>(Response::new(Body::from(b"{}".to_vec()))) }
        });
        let hour = Duration::from_hours(1);
        let keeps = keep_clock(Client::new(service, "shop"), OperatorClock::start());
        assert!(tokio::time::timeout(hour, keeps).await.is_err(), "for ever");
        let most = CLOCK_STEPS + u32::try_from(hour.as_secs() / CLOCK_REST.as_secs()).unwrap();
        let asked = asked.load(Ordering::SeqCst);
        assert!(asked >= CLOCK_STEPS && asked <= most, "{asked} times");
    }

    #[test]
    fn what_may_come_by_itself_is_waited_for_and_refused_credentials_are_not() {
        assert!(
            of(404, "not found")
                .unwrap()
                .contains("\"tickets.firebell.dev\" is not installed")
        );
        assert!(of(503, "starting").is_ok());
        let denied = of(
            403,
            "tickets.firebell.dev is forbidden: User \"bob\" cannot list",
        )
        .unwrap_err()
        .to_string();
        assert!(
            denied.contains("list tickets.firebell.dev in namespace \"shop\"")
                && denied.contains("User \"bob\""),
            "{denied}"
        );
        assert!(
            of(401, "Unauthorized")
                .unwrap_err()
                .to_string()
                .contains("credentials")
        );
    }
}
