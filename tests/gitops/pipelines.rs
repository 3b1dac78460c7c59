//! Every command of the pipelines that people copy, run in a repository with a policy on a base branch and an edit.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::example;

/// Runs a script as a pipeline does: it ends at the first command that fails.
fn run(folder: &Path, script: &str) -> (bool, String) {
    let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-firebell"))
        .parent()
        .unwrap();
    let path = std::env::join_paths(
        std::iter::once(plugin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env("BASE", "base")
        .env("KUBECONFIG", "/nowhere")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A repository whose branch `base` has the typical policy and whose working tree has an edit of it.
fn repository(edit: impl Fn(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policies/gold.yaml");
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let text = example("policy-typical.yaml");
    std::fs::write(&policy, &text).unwrap();
    let git = "git init -q -b base . && git add . && \
               git -c user.name=a -c user.email=a@example.com commit -q -m a && git checkout -q -b edit";
    let (well, said) = run(folder.path(), git);
    assert!(well, "{said}");
    std::fs::write(&policy, edit(&text)).unwrap();
    folder
}

fn commands() -> Vec<(&'static str, Vec<String>)> {
    let github: Value = serde_saphyr::from_str(&example("ci/github-actions.yaml")).unwrap();
    let steps = github["jobs"]["check"]["steps"].as_array().unwrap().clone();
    let github = steps
        .iter()
        .filter_map(|step| Some(step["run"].as_str()?.to_owned()))
        .collect();
    let gitlab: Value = serde_saphyr::from_str(&example("ci/gitlab-ci.yaml")).unwrap();
    let lines = gitlab["policies"]["script"].as_array().unwrap().clone();
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str().unwrap()).collect();
    // GitLab runs all lines in one shell.
    vec![("github", github), ("gitlab", vec![lines.join("\n")])]
}

#[test]
fn every_command_of_the_pipelines_succeeds_on_a_good_change_and_tells_what_it_means() {
    for (name, scripts) in commands() {
        let folder = repository(|text| text.replace("after: 30m", "after: 20m"));
        assert!(!scripts.is_empty(), "{name}");
        for script in scripts {
            let (well, said) = run(folder.path(), &script);
            assert!(well, "{name}: {script}\n{said}");
        }
        let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(
            read("changes.txt").contains("reaches fay after 35m instead of 45m"),
            "{name}: {}",
            read("changes.txt")
        );
        assert!(
            read("support.md").contains("## 11. Summary and review"),
            "{name}"
        );
    }
}

#[test]
fn the_pipelines_fail_on_a_broken_policy() {
    for (name, scripts) in commands() {
        let folder = repository(|text| {
            text.replace("notify: [{contact: fay}]", "notify: [{contact: nobody}]")
        });
        let ran = scripts.iter().map(|script| run(folder.path(), script).0);
        assert!(ran.into_iter().any(|well| !well), "{name}");
    }
}
