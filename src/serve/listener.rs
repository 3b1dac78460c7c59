//! A listener whose connections may neither linger nor pile up, nor be cut off when the process ends.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
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
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Longest time for the head of a request to arrive, and for a connection to idle.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Connections at once; more wait to be accepted. At the intake each may hold a body of 1 MiB before anybody knows who
/// sends it.
const CONNECTIONS: usize = 256;
/// Connections of one peer at once, which may be a proxy that speaks for many; more are closed at once. However many it
/// opens and keeps, there is room for others: the kubelet, above all, which ends a process that it cannot ask.
const OF_ONE_PEER: usize = CONNECTIONS / 2;
/// After that time a connection takes no further request; whoever has more to say comes again.
const LIFE: Duration = Duration::from_mins(2);
/// So long after it the last answer must have been read; head, body and work of a request take less.
const LAST_ANSWER: Duration = Duration::from_mins(1);
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
    let room = Arc::new(Room::default());
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
    let _all_ended = room.places.acquire_many(all).await;
    closing.done.cancel();
    std::future::pending::<()>().await;
}

/// The places of connections, and how many each peer has.
#[derive(Debug)]
struct Room {
    places: Arc<Semaphore>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            taken: Mutex::default(),
        }
    }
}

/// A place of a peer, given back when dropped.
struct Turn {
    room: Arc<Room>,
    peer: IpAddr,
    _place: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// A place for a peer; `None` = it has its share.
    fn turn(self: &Arc<Self>, peer: IpAddr, place: Option<OwnedSemaphorePermit>) -> Option<Turn> {
        let mut taken = self.taken.lock();
        let count = taken.entry(peer).or_default();
        if *count == OF_ONE_PEER {
            return None;
        }
        *count += 1;
        Some(Turn {
            room: self.clone(),
            peer,
            _place: place,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

async fn take_all(
    listener: &TcpListener,
    routes: &Router,
    asked: &CancellationToken,
    room: &Arc<Room>,
) {
    loop {
        // Never closed.
        let place = room.places.clone().acquire_owned().await.ok();
        let Ok((connection, from)) = listener.accept().await else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(turn) = room.turn(from.ip().to_canonical(), place) else {
            continue;
        };
        let (routes, asked) = (routes.clone(), asked.clone());
        tokio::spawn(async move {
            let _turn = turn;
            serve_one(connection, routes, &asked).await;
        });
    }
}

/// Serves one connection. Asked to close, or old, it ends after the request under way; one that comes later has one
/// request.
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
        () = asked.cancelled(), if !late => {}
        () = sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _broken_or_unread = timeout(LAST_ANSWER, connection).await;
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

    const ASKS: &[u8] = b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_idles_after_its_answer_is_not_kept() {
        let answer = after_silence(ASKS).await;
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_again_and_again_is_not_kept_for_ever() {
        let (address, _began, _go, _closing) = listener().await;
        let mut connection = TcpStream::connect(address).await.unwrap();
        let asks = async {
            let mut answers = 0;
            while connection.write_all(ASKS).await.is_ok() {
                let mut answer = [0; 1024];
                match connection.read(&mut answer).await {
                    Ok(1..) => answers += 1,
                    Ok(0) | Err(_) => break,
                }
                sleep(HEAD_LIMIT / 3).await;
            }
            answers
        };
        let answers = timeout(LIFE * 2, asks).await.expect("it ends by itself");
        assert!(answers > 10, "{answers}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_no_answer_has_its_place_for_minutes_and_not_for_ever() {
        const LONG: usize = 64 * 1024 * 1024;
        let routes = Router::new().route("/long", get(|| async { "x".repeat(LONG) }));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(serve(socket, routes, Closing::default()));
        let mut connection = TcpStream::connect(address).await.unwrap();
        let asks = b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n";
        connection.write_all(asks).await.unwrap();
        sleep(LIFE + LAST_ANSWER + HEAD_LIMIT).await;
        let mut answer = Vec::new();
        // Cut off, with a reset or without.
        let _reset = connection.read_to_end(&mut answer).await;
        assert!(answer.len() < LONG, "{}", answer.len());
    }

    #[tokio::test]
    async fn one_peer_that_keeps_all_it_can_have_keeps_no_other_out() {
        let (address, _began, go, _closing) = listener().await;
        let mut kept = Vec::new();
        for _ in 0..CONNECTIONS {
            kept.push(TcpStream::connect(address).await.unwrap());
        }
        let other = tokio::net::TcpSocket::new_v4().unwrap();
        other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = other.connect(address).await.unwrap();
        let asks = b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        other.write_all(asks).await.unwrap();
        go.notify_one();
        assert!(read(other).await.ends_with("answered"));
        // What it has above its share is closed, and what it gives back it may have again.
        let closed = kept.pop().unwrap();
        assert_eq!(read(closed).await, "");
        kept.clear();
        let again = async {
            loop {
                let mut one = TcpStream::connect(address).await.unwrap();
                let mut answer = [0; 1];
                if one.write_all(ASKS).await.is_ok()
                    && one.read(&mut answer).await.is_ok_and(|read| read > 0)
                {
                    return;
                }
            }
        };
        timeout(LIMIT, again).await.expect("there is room again");
    }
}
