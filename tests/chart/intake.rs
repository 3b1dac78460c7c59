//! The intake's part of the chart: its arguments, its account, its configuration.

use std::collections::BTreeSet;

use firebell::app::Command;
use firebell::intake::settings::Settings;
use firebell::testkit::eventually;
use firebell::testkit::stage::{INTAKE_ROLE, LIMIT, Stage};
use serde_json::{Value, json};

use super::{
    apply, command_of, helm, objects_of, of_kind, pod_of, rendered, restrict, rights, root, tried,
};

const ON: &str =
    "intake.enabled=true,intake.secretName=keys,intake.config.severities.page=Critical";

async fn objects(stage: &Stage<'_>, config: &str) -> Vec<Value> {
    let only = [
        "--show-only",
        "templates/intake.yaml",
        "--set",
        ON,
        "--set",
        config,
    ];
    let text = rendered(stage, &only).await.unwrap();
    objects_of(&text)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_every_test_runs_the_intake_with_is_the_very_role_of_the_chart() {
    let stage = Stage::set("chart").await;
    let config = format!("intake.config.defaultNamespace={}", stage.namespace);
    let objects = objects(&stage, &config).await;
    let of_chart: BTreeSet<_> = of_kind(&objects, "Role").flat_map(rights).collect();
    let of_tests: Value = serde_saphyr::from_str(INTAKE_ROLE).unwrap();
    assert_eq!(rights(&of_tests), of_chart);
    for role in of_kind(&objects, "Role") {
        for rule in role["rules"].as_array().unwrap() {
            let resources = rule["resources"].to_string();
            let own = resources.contains("secrets") || resources.contains("configmaps");
            assert_eq!(
                own,
                rule["resourceNames"].is_array(),
                "Secrets and ConfigMaps by name only: {rule}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_rights_in_the_namespaces_of_its_configuration_and_nowhere_else() {
    let stage = Stage::set("chart").await;
    let shop = Stage::set("shop").await.namespace;
    let config =
        format!("intake.config.allowedNamespaces={{{shop}}},intake.config.namespaceLabel=team");
    let all = rendered(&stage, &["--set", ON, "--set", &config])
        .await
        .unwrap();
    apply(&stage, all).await;
    let account = format!(
        "system:serviceaccount:{}:bell-firebell-intake",
        stage.namespace
    );
    let may = async |verb: &str, resource: &str, namespace: &str| {
        stage.may(&account, verb, resource, namespace).await
    };
    let create = async || may("create", "firebell.dev/tickets", &shop).await;
    eventually("the rights count", LIMIT, async || {
        create().await.then_some(())
    })
    .await
    .unwrap();
    for (verb, resource) in [
        ("delete", "firebell.dev/tickets"),
        ("update", "firebell.dev/tickets"),
        ("patch", "firebell.dev/tickets/status"),
        ("get", "/secrets"),
        ("list", "/secrets"),
        ("get", "firebell.dev/escalationpolicies"),
        ("get", "/configmaps"),
    ] {
        assert!(!may(verb, resource, &shop).await, "{verb} {resource}");
    }
    assert!(!may("create", "firebell.dev/tickets", &stage.namespace).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_arguments_and_its_configuration_are_those_that_the_program_takes() {
    let stage = Stage::set("chart").await;
    let objects = objects(&stage, "intake.config.defaultNamespace=shop").await;
    let deployment = of_kind(&objects, "Deployment").next().unwrap();
    let Command::Intake(intake) = command_of(deployment) else {
        panic!("the pod should run the intake")
    };
    assert_eq!(intake.config_map.name, "bell-firebell-intake");
    assert_eq!(
        (intake.token_secret.namespace, intake.token_secret.name),
        (stage.namespace.clone(), "keys".into())
    );
    let text = of_kind(&objects, "ConfigMap").next().unwrap()["data"]["intake.yaml"]
        .as_str()
        .unwrap();
    let settings = Settings::parse(text).unwrap();
    assert_eq!(settings.namespaces().iter().collect::<Vec<_>>(), ["shop"]);
    let service = of_kind(&objects, "Service").next().unwrap();
    assert_eq!(
        service["spec"]["selector"],
        deployment["spec"]["selector"]["matchLabels"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_or_a_namespace_it_is_not_installed() {
    let stage = Stage::set("chart").await;
    for (values, word) in [
        ("intake.enabled=true", "intake.secretName"),
        (ON, "intake.config must have"),
        ("intake.config.severity=x", "severity"),
    ] {
        let refusal = rendered(&stage, &["--set", values]).await.unwrap_err();
        assert!(refusal.contains(word), "{values}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_pod_is_taken_where_pods_are_restricted() {
    let stage = Stage::set("chart").await;
    restrict(&stage).await;
    let config = format!("intake.config.defaultNamespace={}", stage.namespace);
    let objects = objects(&stage, &config).await;
    let account = of_kind(&objects, "ServiceAccount").next().unwrap();
    stage.apply(&account.to_string()).await;
    let deployment = of_kind(&objects, "Deployment").next().unwrap();
    let pod = pod_of(deployment, "intake");
    let said = tried(&stage, &pod).await.unwrap();
    assert!(said.contains("pod/intake created"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_public_address_the_operator_signs_links_with_the_intakes_key() {
    let stage = Stage::set("chart").await;
    let shop = Stage::set("shop").await.namespace;
    let values = format!(
        "{ON},intake.config.defaultNamespace={shop},namespaces={{{shop}}},intake.publicURL=https://oncall.example.com"
    );
    let all = rendered(&stage, &["--set", &values]).await.unwrap();
    let objects = objects_of(&all);
    let operator = of_kind(&objects, "Deployment")
        .find(|one| one["metadata"]["name"] == "bell-firebell")
        .unwrap();
    let Command::Run(run) = command_of(operator) else {
        panic!("the pod should run the operator")
    };
    assert_eq!(
        run.public_url.unwrap().as_str(),
        "https://oncall.example.com/"
    );
    let secret = run.link_key_secret.unwrap();
    assert_eq!(
        (secret.namespace, secret.name),
        (stage.namespace.clone(), "keys".into())
    );
    let may_read = of_kind(&objects, "Role")
        .find(|role| role["metadata"]["name"] == "bell-firebell-links")
        .unwrap();
    assert_eq!(may_read["rules"][0]["resourceNames"], json!(["keys"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_and_the_ingress_that_people_copy_for_answers_fit_together() {
    let stage = Stage::set("chart").await;
    let of = |file: &str| root().join("examples/phone").join(file);
    let (chart, values) = (root().join("charts/firebell"), of("values.yaml"));
    let args = [
        "template",
        "firebell",
        chart.to_str().unwrap(),
        "-n",
        "firebell",
        "-f",
        values.to_str().unwrap(),
    ];
    let text = helm(&stage, &args).await.unwrap();
    let objects = objects_of(&text);
    let read = |file: &str| -> Value {
        serde_saphyr::from_str(&std::fs::read_to_string(of(file)).unwrap()).unwrap()
    };
    let (ingress, secret) = (read("ingress.yaml"), read("secret.yaml"));
    let host = &ingress["spec"]["rules"][0]["host"];
    let secret = secret["metadata"]["name"].as_str().unwrap();
    for pod in of_kind(&objects, "Deployment") {
        match command_of(pod) {
            Command::Run(run) => {
                assert_eq!(run.public_url.unwrap().host_str(), host.as_str());
                assert_eq!(run.link_key_secret.unwrap().name, secret);
            }
            Command::Intake(intake) => assert_eq!(intake.token_secret.name, secret),
            Command::Crds => panic!("no pod prints CRDs"),
        }
    }
    for path in ingress["spec"]["rules"][0]["http"]["paths"]
        .as_array()
        .unwrap()
    {
        let backend = &path["backend"]["service"];
        let service = of_kind(&objects, "Service")
            .find(|service| service["metadata"]["name"] == backend["name"])
            .expect("the chart has the Service");
        let ports = service["spec"]["ports"].as_array().unwrap();
        let port = &backend["port"]["name"];
        assert!(
            ports.iter().any(|known| known["name"] == *port),
            "{service}"
        );
    }
}
