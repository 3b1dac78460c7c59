//! Watches over the standing tasks: none of them may end before the process does.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// The standing tasks by name. Dropping it ends them.
#[derive(Debug, Default)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    names: Vec<(Id, String)>,
}

impl Supervisor {
    /// Starts a task that should never end.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.names.push((handle.id(), name.into()));
    }

    /// Starts a task on a runtime that should not end before the process winds down. What is given back is cancelled
    /// once it has ended.
    pub fn spawn_on(
        &mut self,
        runtime: &Handle,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> CancellationToken {
        let over = CancellationToken::new();
        let tells = over.clone().drop_guard();
        let task = async move {
            let _tells = tells;
            task.await;
        };
        let handle = self.tasks.spawn_on(task, runtime);
        self.names.push((handle.id(), name.into()));
        over
    }

    /// Waits until one of them ends, and says why that is the end of the process.
    pub async fn ended(&mut self) -> String {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, how) = match ended {
            Ok((id, ())) => (id, "ended".to_owned()),
            // The error's own text quotes the words of the panic, and these may quote a secret.
            Err(error) if error.is_panic() => (
                error.id(),
                "it panicked; the log says where; please report it".to_owned(),
            ),
            Err(error) => (error.id(), error.to_string()),
        };
        let name = self
            .names
            .iter()
            .find(|(known, _)| *known == id)
            .map_or("?", |(_, name)| name);
        format!("the task \"{name}\" must run as long as the operator does, but: {how}")
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;
    use tokio_util::sync::CancellationToken;

    use super::Supervisor;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_named_and_the_words_of_its_panic_are_not() {
        let mut tasks = Supervisor::default();
        tasks.spawn("stays", std::future::pending());
        tasks.spawn("watch tickets", async {});
        assert!(tasks.ended().await.contains("\"watch tickets\""));
        let secret = "s3cret".to_owned();
        tasks.spawn("clock", async move { panic!("held {secret}") });
        let reason = tasks.ended().await;
        assert!(
            reason.contains("\"clock\"") && reason.contains("panic"),
            "{reason}"
        );
        assert!(!reason.contains("s3cret"), "{reason}");
    }

    #[tokio::test]
    async fn a_task_that_ends_at_the_end_is_waited_for_and_missed_before() {
        let (mut tasks, told) = (Supervisor::default(), CancellationToken::new());
        let halt = told.clone();
        let over = tasks.spawn_on(&Handle::current(), "looks", async move {
            halt.cancelled().await;
        });
        assert!(!over.is_cancelled());
        told.cancel();
        over.cancelled().await;
        assert!(tasks.ended().await.contains("\"looks\""));
        let over = tasks.spawn_on(&Handle::current(), "events", async { panic!("a fault") });
        assert!(tasks.ended().await.contains("\"events\""));
        over.cancelled().await;
    }
}
