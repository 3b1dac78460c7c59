//! A webhook receiver on loopback that writes down all it gets and misbehaves as it is told, per path: the other
//! end of every promise about delivery. What it got is waited for, never slept for.

mod behaviour;
mod ledger;
mod signature;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use behaviour::Behaviour;
pub use ledger::{Ledger, NotReceived, Received};
pub use signature::{Signature, SignatureError, verify};
pub use wire::Tls;

use behaviour::Script;
use wire::{Arrivals, Wire};

/// Bodies beyond this are cut off: a page is never that long.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A receiver. It belongs to the runtime that started it; dropping it closes its port.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    tls: Option<Arc<rustls::ServerConfig>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    ledger: watch::Sender<Ledger>,
    script: Mutex<Scripts>,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Scripts {
    by_path: HashMap<String, Script>,
    otherwise: Script,
}

impl Receiver {
    /// Starts a plain HTTP receiver on a free loopback port; every path answers 200.
    pub async fn start() -> io::Result<Self> {
        Self::launch(None).await
    }

    /// Starts an HTTPS receiver whose certificate is as `tls` says.
    pub async fn start_tls(tls: Tls<'_>) -> io::Result<Self> {
        let config = tls.server_config().map_err(io::Error::other)?;
        Self::launch(Some(Arc::new(config))).await
    }

    async fn launch(tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Shared {
            ledger: watch::Sender::new(Ledger::default()),
            script: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        let receiver = Self {
            address: listener.local_addr()?,
            shared: Arc::new(shared),
            tls,
            serving: Mutex::new(None),
        };
        receiver.serve(listener);
        Ok(receiver)
    }

    fn serve(&self, listener: TcpListener) {
        let arrivals = Arrivals::new(listener, self.tls.clone(), self.shared.ledger.clone());
        let app = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&self.shared))
            .into_make_service_with_connect_info::<Wire>();
        let serving = tokio::spawn(async move {
            // Serving ends only when the task is aborted.
            let _never = axum::serve(arrivals, app).await;
        });
        *self.serving.lock() = Some(serving);
    }

    /// The address of a path, such as `http://127.0.0.1:40123/team`. `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on requests for `path` (without the query) are answered by `behaviour`.
    pub fn on(&self, path: &str, behaviour: Behaviour) {
        self.shared
            .script
            .lock()
            .by_path
            .insert(path.to_owned(), Script::new(behaviour));
    }

    /// From now on requests for any other path are answered by `behaviour`.
    pub fn otherwise(&self, behaviour: Behaviour) {
        self.shared.script.lock().otherwise = Script::new(behaviour);
    }

    /// All that was received, in order of arrival.
    pub fn pages(&self) -> Vec<Received> {
        self.shared.ledger.borrow().all().to_vec()
    }

    /// What was received for `path` (without the query), in order of arrival.
    pub fn pages_for(&self, path: &str) -> Vec<Received> {
        self.shared
            .ledger
            .borrow()
            .for_path(path)
            .cloned()
            .collect()
    }

    /// Waits until the ledger satisfies `condition` and returns all pages; the error tells what came instead.
    pub async fn wait_for(
        &self,
        condition: impl Fn(&Ledger) -> bool,
        limit: Duration,
    ) -> Result<Vec<Received>, NotReceived> {
        let mut changes = self.shared.ledger.subscribe();
        let pages =
            match tokio::time::timeout(limit, changes.wait_for(|ledger| condition(ledger))).await {
                Ok(Ok(ledger)) => Some(ledger.all().to_vec()),
                // The sender lives in `self`, so only the limit ends the wait without success.
                Ok(Err(_)) | Err(_) => None,
            };
        pages.ok_or_else(|| NotReceived::new(limit, &self.shared.ledger.borrow()))
    }

    /// Closes the port: connections are refused from now on, those that are open are reset at their next request.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Some(serving) = self.serving.lock().take() {
            serving.abort();
        }
    }

    /// Opens the same port again after [`Receiver::close`].
    pub async fn reopen(&self) -> io::Result<()> {
        let began = Instant::now();
        // The aborted task lets go of the port at its next turn of the runtime.
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if began.elapsed() > Duration::from_secs(5) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        self.shared.closed.store(false, Ordering::SeqCst);
        self.serve(listener);
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    if shared.closed.load(Ordering::SeqCst) {
        wire.cut();
        return Response::default();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        shared.ledger.send_modify(Ledger::note_broken_request);
        wire.cut();
        return Response::default();
    };
    let path = parts.uri.path().to_owned();
    let received = Received {
        method: parts.method,
        path: path.clone(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        at: Instant::now(),
        time: Timestamp::now(),
    };
    let answer = {
        let mut scripts = shared.script.lock();
        let scripts = &mut *scripts;
        scripts
            .by_path
            .get_mut(&path)
            .unwrap_or(&mut scripts.otherwise)
            .next()
    };
    shared.ledger.send_modify(|ledger| ledger.add(received));
    answer.give(&wire).await
}
