//! kubectl as a test calls it: arguments, optional input, and the output or an error that shows what it said.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::ControlPlaneError;

/// One kubectl call.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run`"]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
    args: Vec<String>,
    input: Option<String>,
}

impl Kubectl {
    pub(super) fn new<'a>(
        program: PathBuf,
        kubeconfig: &Path,
        cache: PathBuf,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let args = args.into_iter().map(str::to_owned).collect();
        Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
            cache,
            args,
            input: None,
        }
    }

    /// Calls as the user of another kubeconfig file.
    pub fn as_user(mut self, kubeconfig: &Path) -> Self {
        kubeconfig.clone_into(&mut self.kubeconfig);
        self
    }

    /// What kubectl reads from standard input (`apply -f -`).
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Runs it and returns its standard output; a failure is an error with its standard error.
    pub async fn run(self) -> Result<String, ControlPlaneError> {
        let command = format!("kubectl {}", self.args.join(" "));
        let failed = |source| ControlPlaneError::Io {
            what: format!("running `{command}`"),
            source,
        };
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .arg("--cache-dir")
            .arg(&self.cache)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let (Some(input), Some(mut stdin)) = (&self.input, child.stdin.take()) {
            // kubectl reads all its input before it writes; one that ends early says why on standard error.
            let _ended_early = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(ControlPlaneError::Command {
            command,
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}
