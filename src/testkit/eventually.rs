//! Waiting for a condition with a limit: the only way a test waits for something that nobody announces.

use std::time::{Duration, Instant};

use thiserror::Error;

/// A condition did not come true in time.
#[derive(Debug, Error)]
#[error("not within {} s: {what}", limit.as_secs_f32())]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub limit: Duration,
}

/// Asks `check` every 20 ms until it gives a value, for at most `limit`.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> Option<T>,
) -> Result<T, TimedOut> {
    let began = Instant::now();
    loop {
        if let Some(value) = check().await {
            return Ok(value);
        }
        if began.elapsed() >= limit {
            return Err(TimedOut {
                what: what.to_owned(),
                limit,
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
