//! The rules of the API, asked of a real API server: good objects are taken and bad ones refused with words that help.
//!
//! Each row is created or changed with `dryRun=All` and strict field validation, so that no row sees another.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "api/changes.rs"]
mod changes;
#[path = "api/full_policy.rs"]
mod full_policy;
#[path = "api/lint.rs"]
mod lint;
#[path = "api/policy_rows.rs"]
mod policy_rows;
#[path = "api/rca_rows.rs"]
mod rca_rows;
#[path = "api/row.rs"]
mod row;
#[path = "api/seen_by_people.rs"]
mod seen_by_people;
#[path = "api/server.rs"]
mod server;
#[path = "api/ticket_rows.rs"]
mod ticket_rows;

use firebell::api::{EscalationPolicy, Rca, Ticket};
use row::Row;
use server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_tickets_hold() {
    check::<Ticket>("tickets", &ticket_rows::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_policies_hold() {
    check::<EscalationPolicy>("escalationpolicies", &policy_rows::rows()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_rcas_hold() {
    check::<Rca>("rcas", &rca_rows::rows()).await;
}

/// Creates each row's object. A good one must also decode to the same value before and after the API server filled
/// in its defaults: the defaults of the schema and those of the types are the same.
async fn check<K>(plural: &str, rows: &[Row])
where
    K: serde::de::DeserializeOwned + serde::Serialize + kube::Resource,
{
    let server = Server::ready().await;
    let mut wrong = Vec::new();
    for row in rows {
        let answer = server.create(plural, &row.object).await;
        if let Err(problem) = row.judge(&answer) {
            wrong.push(problem);
        } else if let Ok(stored) = answer
            && let Err(problem) = same_once_decoded::<K>(&row.object, stored)
        {
            wrong.push(format!("{}: {problem}", row.says));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

fn same_once_decoded<K>(sent: &serde_json::Value, stored: serde_json::Value) -> Result<(), String>
where
    K: serde::de::DeserializeOwned + serde::Serialize,
{
    let spec_of = |object: serde_json::Value| -> Result<serde_json::Value, String> {
        let decoded: K =
            serde_json::from_value(object).map_err(|error| format!("does not decode: {error}"))?;
        let value = serde_json::to_value(decoded).map_err(|error| error.to_string())?;
        Ok(value["spec"].clone())
    };
    let written_spec = stored["spec"].clone();
    let (before, after) = (spec_of(sent.clone())?, spec_of(stored)?);
    if before != after {
        return Err(format!(
            "defaults differ:\n  types  {before}\n  server {after}"
        ));
    }
    // Nothing that the server holds is lost by our types.
    for key in written_spec
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if after.get(key).is_none() && !is_nothing(&written_spec[key]) {
            return Err(format!("`spec.{key}` is lost by the types"));
        }
    }
    Ok(())
}

fn is_nothing(value: &serde_json::Value) -> bool {
    value == &serde_json::json!(false) || value.as_array().is_some_and(Vec::is_empty)
}
