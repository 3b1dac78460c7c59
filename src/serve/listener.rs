//! A listener whose connections may neither linger nor pile up, nor be cut off when the process ends.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Longest time for the head of a request to arrive, and for a connection to idle.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Connections at once; more wait to be accepted. At the intake each may hold a body of 1 MiB before anybody knows who
/// sends it.
const CONNECTIONS: usize = 256;
/// Whoever sends requests learns within this time that the process is stopping, by its readiness; until then new
/// connections are taken.
const LINGER: Duration = Duration::from_secs(2);
/// Between two tries to accept when the system has no more to give.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// The end of a listener: asked for from outside, told when nothing is under way any more. Clones are the same end.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    asked: CancellationToken,
    done: CancellationToken,
}

impl Closing {
    /// Asks the listener to close, and waits up to `limit` until every request under way has its answer. Says whether
    /// that was so.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.asked.cancel();
        timeout(limit, self.done.cancelled()).await.is_ok()
    }
}

/// Serves connections until it is asked to close. Then requests under way are answered, connections are kept no
/// longer, and new ones are taken for a moment only: probes see that the process is not ready, and who was sent here
/// just before finds somebody.
pub async fn serve(listener: TcpListener, routes: Router, closing: Closing) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let closes = async {
        closing.asked.cancelled().await;
        sleep(LINGER).await;
    };
    tokio::select! {
        () = closes => {}
        () = take_all(&listener, &routes, &closing.asked, &room) => {}
    }
    drop(listener);
    // Each connection has one of them as long as it lives. Never closed.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _all_ended = room.acquire_many(all).await;
    closing.done.cancel();
    std::future::pending::<()>().await;
}

async fn take_all(
    listener: &TcpListener,
    routes: &Router,
    asked: &CancellationToken,
    room: &Arc<Semaphore>,
) {
    loop {
        // Never closed.
        let turn = room.clone().acquire_owned().await;
        let Ok((connection, _)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (routes, asked) = (routes.clone(), asked.clone());
        tokio::spawn(async move {
            let _turn = turn;
            serve_one(connection, routes, &asked).await;
        });
    }
}

/// Serves one connection. Asked to close it ends after the request under way; one that comes later has one request.
async fn serve_one(connection: TcpStream, routes: Router, asked: &CancellationToken) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(routes, request.map(Body::new)).await) }
    });
    let late = asked.is_cancelled();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(!late)
        .serve_connection(TokioIo::new(connection), service);
    let mut connection = pin!(connection);
    // What breaks a connection is the other side's affair: it comes again.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = asked.cancelled(), if !late => connection.as_mut().graceful_shutdown(),
    }
    let _broken = connection.await;
}

async fn answer(routes: Router, request: Request) -> Response {
    match routes.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A listener whose one path answers when it is told to.
    async fn listener() -> (std::net::SocketAddr, Arc<Notify>, Arc<Notify>, Closing) {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, waits) = (began.clone(), go.clone());
        let slow = move || async move {
            told.notify_one();
            waits.notified().await;
            "answered"
        };
        let routes = Router::new().route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = Closing::default();
        tokio::spawn(serve(listener, routes, closing.clone()));
        (address, began, go, closing)
    }

    async fn ask(address: std::net::SocketAddr) -> TcpStream {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let request = b"GET /slow HTTP/1.1\r\nhost: intake\r\n\r\n";
        connection.write_all(request).await.unwrap();
        connection
    }

    async fn read(mut connection: TcpStream) -> String {
        let mut text = String::new();
        let read = timeout(LIMIT, connection.read_to_string(&mut text)).await;
        read.expect("the connection ends").unwrap();
        text
    }

    #[tokio::test]
    async fn closing_waits_for_the_request_under_way_and_ends_idle_connections() {
        let (address, began, go, closing) = listener().await;
        let idle = TcpStream::connect(address).await.unwrap();
        let busy = ask(address).await;
        began.notified().await;
        let draining = tokio::spawn(async move { closing.drain(LIMIT).await });
        assert_eq!(read(idle).await, "", "nothing was asked on it");
        // One that comes a moment later is still served.
        let late = ask(address).await;
        began.notified().await;
        go.notify_waiters();
        for connection in [busy, late] {
            assert!(read(connection).await.ends_with("answered"));
        }
        assert!(draining.await.unwrap());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn closing_waits_no_longer_than_its_limit() {
        let (address, began, _go, closing) = listener().await;
        let _busy = ask(address).await;
        began.notified().await;
        assert!(!closing.drain(LINGER + Duration::from_millis(100)).await);
    }

    /// What comes of a connection on which these bytes are sent and nothing more, within a minute.
    async fn after_silence(sent: &[u8]) -> Vec<u8> {
        let (address, _began, _go, _closing) = listener().await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_mins(1), connection.read_to_end(&mut answer)).await;
        ended.expect("the connection ends by itself").unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_or_half_of_something_is_not_kept() {
        for sent in [&b""[..], b"GET /slow HTTP/1.1\r\nhost: a\r\n"] {
            let answer = after_silence(sent).await;
            assert!(
                answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
                "{answer:?}"
            );
        }
    }
}
