//! The control plane that every other test stands on: it is the pinned version, it enforces RBAC, it tells who
//! called what, and nothing of it is left behind, however the process that started it ends.

use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use firebell::testkit::controlplane::{Binaries, ControlPlane, Options, namespace, shared};
use firebell::testkit::eventually;
use firebell::testkit::process::{RunFolder, is_running};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};

const VERSION: &str = "v1.37.2";
const LIMIT: Duration = Duration::from_mins(1);
/// Set in the copy of this test program that is to be killed.
const TO_BE_KILLED: &str = "FIREBELL_TEST_TO_BE_KILLED";

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn status_of(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("an answer of the API server was expected, not: {other}"),
    }
}

#[tokio::test]
async fn server_and_kubectl_are_the_pinned_version() {
    let control_plane = shared().await.unwrap();
    let server = control_plane
        .admin()
        .unwrap()
        .apiserver_version()
        .await
        .unwrap();
    assert_eq!(server.git_version, VERSION);
    let both = control_plane
        .kubectl(["version", "-o", "json"])
        .run()
        .await
        .unwrap();
    let both: serde_json::Value = serde_json::from_str(&both).unwrap();
    assert_eq!(both["clientVersion"]["gitVersion"], VERSION);
    assert_eq!(both["serverVersion"]["gitVersion"], VERSION);
}

#[tokio::test]
async fn a_user_without_a_role_is_refused_and_with_one_may_do_just_that() {
    let control_plane = shared().await.unwrap();
    let admin = control_plane.admin().unwrap();
    let place = namespace(&admin, "rbac").await.unwrap();
    let user = Client::try_from(control_plane.user("alice", &["payments"]).unwrap()).unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(user.clone(), &place);

    let refused = config_maps.list(&ListParams::default()).await.unwrap_err();
    assert_eq!(status_of(&refused), 403);
    assert!(
        refused
            .to_string()
            .contains(r#"User "alice" cannot list resource "configmaps""#),
        "{refused}"
    );

    let grant = [
        "create",
        "role",
        "reader",
        "--verb=list",
        "--resource=configmaps",
        "-n",
        &place,
    ];
    control_plane.kubectl(grant).run().await.unwrap();
    let bind = [
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        "--group=payments",
        "-n",
        &place,
    ];
    control_plane.kubectl(bind).run().await.unwrap();
    // The authorizer reads roles from a watch of its own, a moment later.
    eventually("the role counts", LIMIT, async || {
        config_maps.list(&ListParams::default()).await.ok()
    })
    .await
    .unwrap();

    let refused = config_maps
        .create(&PostParams::default(), &config_map("x"))
        .await
        .unwrap_err();
    assert_eq!(status_of(&refused), 403);
    let secrets: Api<Secret> = Api::namespaced(user, &place);
    assert_eq!(
        status_of(&secrets.list(&ListParams::default()).await.unwrap_err()),
        403
    );
}

#[tokio::test]
async fn a_user_is_in_both_groups_that_were_asked_for() {
    let control_plane = shared().await.unwrap();
    let user = Client::try_from(control_plane.user("bob", &["first", "second"]).unwrap()).unwrap();
    let reviews: Api<SelfSubjectReview> = Api::all(user);
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .unwrap();
    let info = review.status.unwrap().user_info.unwrap();
    assert_eq!(info.username.as_deref(), Some("bob"));
    let groups = info.groups.unwrap();
    assert!(
        groups.contains(&"first".to_owned()) && groups.contains(&"second".to_owned()),
        "{groups:?}"
    );
}

#[tokio::test]
async fn a_user_kubeconfig_serves_kubectl_and_its_refusals_are_shown() {
    let control_plane = shared().await.unwrap();
    let kubeconfig = control_plane.user_kubeconfig("carol", &[]).unwrap();
    let who = control_plane
        .kubectl([
            "auth",
            "whoami",
            "-o",
            "jsonpath={.status.userInfo.username}",
        ])
        .as_user(&kubeconfig)
        .run()
        .await
        .unwrap();
    assert_eq!(who, "carol");
    let refused = control_plane
        .kubectl(["get", "secrets"])
        .as_user(&kubeconfig)
        .run()
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("Forbidden"), "{refused}");
}

#[tokio::test]
async fn kubectl_applies_what_it_is_given() {
    let control_plane = shared().await.unwrap();
    let admin = control_plane.admin().unwrap();
    let place = namespace(&admin, "apply").await.unwrap();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: given}\ndata: {key: value}\n";
    control_plane
        .kubectl(["apply", "-n", &place, "-f", "-"])
        .input(manifest)
        .run()
        .await
        .unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(admin, &place);
    let stored = config_maps.get("given").await.unwrap();
    assert_eq!(stored.data.unwrap()["key"], "value");
}

#[tokio::test]
async fn the_audit_log_shows_who_called_what() {
    let control_plane = shared().await.unwrap();
    let admin = control_plane.admin().unwrap();
    let place = namespace(&admin, "audit").await.unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(admin, &place);
    config_maps
        .create(&PostParams::default(), &config_map("seen"))
        .await
        .unwrap();
    config_maps.get("seen").await.unwrap();
    config_maps.get("missing").await.unwrap_err();

    let here = |event: &firebell::testkit::audit::AuditEvent| {
        event.namespace == place && event.resource == "configmaps"
    };
    let events = control_plane
        .wait_for_audit(here, |events| events.len() >= 3, LIMIT)
        .await
        .unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.user.as_str(),
                event.verb.as_str(),
                event.name.as_str(),
                event.code,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("admin", "create", "seen", 201),
            ("admin", "get", "seen", 200),
            ("admin", "get", "missing", 404)
        ]
    );
    assert_eq!(events.iter().filter(|event| event.is_write()).count(), 1);
}

#[tokio::test]
async fn helm_is_real_and_prints_its_version() {
    let control_plane = shared().await.unwrap();
    let helm = control_plane.binary("helm").unwrap();
    let output = Command::new(helm)
        .args(["version", "--template", "{{.Version}}"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(version.starts_with("v4."), "{version}");
}

#[tokio::test]
async fn a_killed_api_server_comes_back_at_the_same_address_with_what_was_stored() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let admin = control_plane.admin().unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(admin.clone(), "default");
    config_maps
        .create(&PostParams::default(), &config_map("kept"))
        .await
        .unwrap();

    control_plane.kill_apiserver().unwrap();
    let down = config_maps.get("kept").await;
    assert!(
        matches!(
            down,
            Err(kube::Error::Service(_) | kube::Error::HyperError(_))
        ),
        "{down:?}"
    );

    control_plane.start_apiserver().await.unwrap();
    // The client that was made before the fall works again: same address, same authority.
    assert_eq!(config_maps.get("kept").await.unwrap().name_any(), "kept");
}

#[tokio::test]
async fn controllers_finish_the_deletion_of_a_namespace() {
    let options = Options {
        controllers: true,
        ..Options::default()
    };
    let control_plane = ControlPlane::start(options).await.unwrap();
    let admin = control_plane.admin().unwrap();
    let place = namespace(&admin, "gone").await.unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(admin.clone(), &place);
    config_maps
        .create(&PostParams::default(), &config_map("inside"))
        .await
        .unwrap();
    let namespaces: Api<Namespace> = Api::all(admin);
    namespaces
        .delete(&place, &DeleteParams::default())
        .await
        .unwrap();
    eventually("the namespace is gone", LIMIT, async || {
        namespaces
            .get_opt(&place)
            .await
            .unwrap()
            .is_none()
            .then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn after_a_stop_no_process_and_no_folder_is_left() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let processes = control_plane.processes();
    let folder = control_plane.folder().to_owned();
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(
        processes.iter().all(|(_, pid)| is_running(*pid)),
        "{processes:?}"
    );
    control_plane.stop();
    assert!(
        !processes.iter().any(|(_, pid)| is_running(*pid)),
        "{processes:?}"
    );
    assert!(!folder.exists());
}

/// Starts this very test in another process, which starts a control plane and tells about it, and kills that
/// process by SIGKILL: it gets no chance to clean up.
#[tokio::test]
async fn after_the_parent_is_killed_no_process_and_no_folder_is_left() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        let control_plane = ControlPlane::start(Options::default()).await.unwrap();
        println!(
            "\n{TO_BE_KILLED} folder {}",
            control_plane.folder().display()
        );
        for (_, pid) in control_plane.processes() {
            println!("{TO_BE_KILLED} pid {pid}");
        }
        println!("{TO_BE_KILLED} end -");
        std::future::pending::<()>().await;
    }
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "after_the_parent_is_killed_no_process_and_no_folder_is_left",
            "--nocapture",
        ])
        .env(TO_BE_KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut pids, mut folder) = (Vec::new(), None);
    for line in std::io::BufReader::new(parent.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let mut words = line
            .strip_prefix(TO_BE_KILLED)
            .unwrap_or_default()
            .split_whitespace();
        match (words.next(), words.next()) {
            (Some("pid"), Some(pid)) => pids.push(pid.parse::<u32>().unwrap()),
            (Some("folder"), Some(path)) => folder = Some(path.to_owned()),
            (Some("end"), _) => break,
            _ => {}
        }
    }
    let folder = folder.expect("the other process told its folder");
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|pid| is_running(*pid)) && Path::new(&folder).exists());

    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("etcd and kube-apiserver are gone", LIMIT, async || {
        (!pids.iter().any(|pid| is_running(*pid))).then_some(())
    })
    .await
    .unwrap();
    eventually("the folder is gone", LIMIT, async || {
        (!Path::new(&folder).exists()).then_some(())
    })
    .await
    .unwrap();
}

/// Runs some of the tests above against a cluster that stands already, as a person with a cluster would.
#[tokio::test]
async fn an_existing_cluster_serves_as_well() {
    let control_plane = shared().await.unwrap();
    let kubectl = control_plane.binary("kubectl").unwrap();
    let search = format!(
        "{}:{}",
        kubectl.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let same = [
        "a_user_without_a_role_is_refused_and_with_one_may_do_just_that",
        "a_user_is_in_both_groups_that_were_asked_for",
        "a_user_kubeconfig_serves_kubectl_and_its_refusals_are_shown",
        "kubectl_applies_what_it_is_given",
    ];
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .args(same)
        .env("USE_EXISTING_CLUSTER", "true")
        .env("KUBECONFIG", control_plane.kubeconfig_path())
        .env("PATH", search)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 passed"), "{said}");
}

#[tokio::test]
async fn what_an_existing_cluster_cannot_do_is_said_and_not_done() {
    if std::env::var("USE_EXISTING_CLUSTER").is_ok() {
        let control_plane = ControlPlane::start(Options::default()).await.unwrap();
        for refused in [
            control_plane.kill_apiserver().unwrap_err(),
            control_plane.audit_events(|_| true).unwrap_err(),
        ] {
            let said = refused.to_string();
            assert!(
                said.contains("is not available with USE_EXISTING_CLUSTER=true"),
                "{said}"
            );
        }
        return;
    }
    let control_plane = shared().await.unwrap();
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "what_an_existing_cluster_cannot_do_is_said_and_not_done",
        ])
        .env("USE_EXISTING_CLUSTER", "true")
        .env("KUBECONFIG", control_plane.kubeconfig_path())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    control_plane
        .admin()
        .unwrap()
        .apiserver_version()
        .await
        .unwrap();
}

#[test]
fn a_missing_program_is_an_error_that_says_what_to_run() {
    let empty = RunFolder::new("firebell-no-binaries-", false).unwrap();
    let missing = Binaries::in_folder(empty.path().to_owned())
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("'etcd' is missing") && missing.contains("run `make controlplane`"),
        "{missing}"
    );
}

#[test]
fn a_folder_given_by_kubebuilder_assets_is_taken_only_if_it_has_the_programs() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/build.sh");
    let folder = RunFolder::new("firebell-assets-", false).unwrap();
    let ask = || {
        let mut command = Command::new("bash");
        command
            .args([script, "--print-folder"])
            .env("KUBEBUILDER_ASSETS", folder.path());
        command.output().unwrap()
    };
    let refused = ask();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("which has no 'etcd'"), "{said}");
    for tool in ["etcd", "kube-apiserver", "kubectl"] {
        std::os::unix::fs::symlink("/bin/sh", folder.path().join(tool)).unwrap();
    }
    let accepted = ask();
    assert!(accepted.status.success());
    assert_eq!(
        String::from_utf8_lossy(&accepted.stdout).trim(),
        folder.path().to_str().unwrap()
    );
}
