//! What the real API server answers to a list and a GET from a version that it has not come to: production makes
//! neither, so the model has none; but it is how a store that was put back shows.

use firebell::api::Ticket;
use firebell::testkit::stage::Stage;
use kube::api::{GetParams, ListParams, VersionMatch};
use kube::{Api, Client};

use super::{AHEAD, version};

#[tokio::test]
async fn a_list_or_get_from_the_future_is_refused_where_a_watch_is_silent() {
    let stage = Stage::set("conformance").await;
    let mut config = stage.plane.admin_config();
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    let api: Api<Ticket> = Api::namespaced(client, &stage.namespace);
    stage.create_ticket("a").await;
    let ahead = version(&api).await.parse::<u64>().unwrap() + AHEAD;
    let ahead = ahead.to_string();
    let list = |matching: Option<VersionMatch>| {
        let params = ListParams {
            resource_version: Some(ahead.clone()),
            version_match: matching,
            ..ListParams::default()
        };
        let api = api.clone();
        async move { api.list(&params).await.map(|_| ()) }
    };
    let get = GetParams::at(&ahead);
    let get = async { api.get_with("a", &get).await.map(|_| ()) };
    let answers = tokio::join!(
        list(None),
        list(Some(VersionMatch::NotOlderThan)),
        list(Some(VersionMatch::Exact)),
        get
    );
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        let Err(kube::Error::Api(status)) = answer else {
            panic!("a refusal was expected, not {answer:?}");
        };
        let causes = &status.details.as_ref().unwrap().causes;
        assert_eq!(
            (status.code, &*status.reason, &*causes[0].reason),
            (504, "Timeout", "ResourceVersionTooLarge")
        );
    }
}
