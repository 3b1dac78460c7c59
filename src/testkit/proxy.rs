//! A fault proxy between the operator and a real API server: it passes requests on as the very user the operator is,
//! so that RBAC stays real, and breaks the one it was told to. Plain HTTP on the operator's side, loopback only.

mod call;
mod fault;
mod script;
#[cfg(test)]
mod tests;
mod watching;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::{Client, Config};
use serde_json::json;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use call::{Call, Verb};
pub use fault::{Aim, Fault, WatchFault, Which};
pub use script::{Laid, Seen};

use super::{TimedOut, eventually};
use script::Script;

/// A body as it goes back to the operator.
type Answer = UnsyncBoxBody<Bytes, Broken>;

/// Why a connection to the operator ends in the middle.
#[derive(Debug, Error)]
enum Broken {
    #[error("broken by the fault proxy")]
    OnPurpose,
    #[error("the API server gave no answer: {0}")]
    Upstream(#[from] kube::Error),
    #[error("the request ended before its last byte: {0}")]
    Request(#[from] hyper::Error),
}

/// A running proxy. It belongs to the runtime that started it; dropping it ends all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    script: Arc<Script>,
    _open: DropGuard,
}

impl Proxy {
    /// Starts a proxy on a free loopback port; `user` is who it is to the API server. It breaks nothing yet.
    pub async fn start(user: Config) -> io::Result<Self> {
        let mut user = user;
        user.default_retry = false;
        let upstream = Client::try_from(user).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (script, open) = (Arc::new(Script::default()), CancellationToken::new());
        let address = listener.local_addr()?;
        let serving = accept_all(listener, upstream, Arc::clone(&script), open.clone());
        tokio::spawn(serving);
        Ok(Self {
            address,
            script,
            _open: open.drop_guard(),
        })
    }

    /// Where the operator finds its API server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig that leads here.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url()}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        });
        std::fs::write(path, config.to_string())
    }

    /// From now on calls that fit `aim` are counted, and those that `which` names are broken by `fault`. Where several
    /// fit, the one laid first breaks it.
    pub fn lay(&self, aim: Aim, which: Which, fault: Fault) -> Laid {
        self.script.lay(aim, which, fault)
    }

    /// Takes a fault away.
    pub fn lift(&self, laid: Laid) {
        self.script.lift(laid);
    }

    /// How many calls a fault has broken.
    pub fn hits(&self, laid: Laid) -> usize {
        self.broken(laid).len()
    }

    /// The calls that a fault has broken.
    pub fn broken(&self, laid: Laid) -> Vec<Seen> {
        self.script.broken(laid)
    }

    /// Waits until a fault has broken a call.
    pub async fn until_hit(&self, laid: Laid, limit: Duration) -> Result<(), TimedOut> {
        eventually("the fault to be met", limit, async || {
            (self.hits(laid) > 0).then_some(())
        })
        .await
    }

    /// From now on the watches of a resource, open ones and new ones, are disturbed like this.
    pub fn watches(&self, resource: &str, fault: WatchFault) {
        self.script.watches(resource).send_replace(fault);
    }

    /// How the watches of a resource are disturbed: faults that strike once are over when they did.
    pub fn watch_fault(&self, resource: &str) -> WatchFault {
        *self.script.watches(resource).borrow()
    }

    /// All calls so far, in order of arrival.
    pub fn calls(&self) -> Vec<Seen> {
        self.script.calls()
    }
}

async fn accept_all(
    listener: TcpListener,
    upstream: Client,
    script: Arc<Script>,
    open: CancellationToken,
) {
    while let Some(accepted) = open.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _peer)) = accepted else {
            // Out of file descriptors: the next try may do better.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _best_effort = stream.set_nodelay(true);
        let serving = serve(stream, upstream.clone(), Arc::clone(&script));
        let open = open.clone();
        tokio::spawn(async move { open.run_until_cancelled(serving).await });
    }
}

async fn serve(stream: TcpStream, upstream: Client, script: Arc<Script>) {
    let service = service_fn(move |request| {
        let (upstream, script) = (upstream.clone(), Arc::clone(&script));
        async move { handle(request, &upstream, &script).await }
    });
    // An error here is what the operator was meant to see, or its own end.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Passes one request on, or breaks it.
async fn handle(
    request: Request<Incoming>,
    upstream: &Client,
    script: &Script,
) -> Result<Response<Answer>, Broken> {
    let call = Call::of(request.method(), request.uri());
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let (seen, fault) = script.arrive(&call, &body);
    let _over = Over(script, seen);
    if let Some((laid, fault)) = &fault
        && let Some(answer) = before(fault, || script.lifted(*laid)).await?
    {
        script.answered(seen, answer.status());
        return Ok(answer);
    }
    if call.verb == Verb::Watch {
        watching::until_not_frozen(script.watches(&call.resource).subscribe()).await;
    }
    let answer = forward(parts, body, upstream).await?;
    script.answered(seen, answer.status());
    if call.verb == Verb::Watch && answer.status().is_success() {
        let (parts, body) = answer.into_parts();
        let body = watching::disturbed(body, script.watches(&call.resource));
        return Ok(Response::from_parts(parts, body));
    }
    let (parts, body) = answer.into_parts();
    let body = body.collect_bytes().await?;
    let body = match fault {
        Some((_, fault)) => after(&fault, body).await?,
        None => whole(body),
    };
    Ok(Response::from_parts(parts, body))
}

/// Notes the end of a call: this is dropped when it is answered, and when the operator waits no more.
struct Over<'s>(&'s Script, usize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over(self.1);
    }
}

async fn forward(
    mut parts: Parts,
    body: Bytes,
    upstream: &Client,
) -> Result<Response<Body>, Broken> {
    for of_this_connection in [HOST, CONNECTION, TRANSFER_ENCODING] {
        parts.headers.remove(of_this_connection);
    }
    let mut answer = upstream
        .send(Request::from_parts(parts, Body::from(body.to_vec())))
        .await?;
    for of_that_connection in [CONNECTION, TRANSFER_ENCODING] {
        answer.headers_mut().remove(of_that_connection);
    }
    Ok(answer)
}

/// What a fault does to a request that has not been passed on: `None` = pass it on.
async fn before(
    fault: &Fault,
    lifted: impl Fn() -> bool,
) -> Result<Option<Response<Answer>>, Broken> {
    match fault {
        Fault::LostRequest => Err(Broken::OnPurpose),
        Fault::HeldRequest => std::future::pending().await,
        Fault::Late(time) => {
            tokio::time::sleep(*time).await;
            Ok(None)
        }
        Fault::UntilLifted => {
            while !lifted() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(None)
        }
        Fault::Refused {
            status,
            retry_after,
        } => Ok(Some(refusal(*status, *retry_after))),
        Fault::Spared | Fault::LostAnswer | Fault::HeldAnswer | Fault::TornAnswer => Ok(None),
    }
}

/// What a fault does to an answer that has come.
async fn after(fault: &Fault, body: Bytes) -> Result<Answer, Broken> {
    match fault {
        Fault::LostAnswer => Err(Broken::OnPurpose),
        Fault::HeldAnswer => std::future::pending().await,
        Fault::TornAnswer => Ok(watching::torn(&body)),
        Fault::Spared
        | Fault::LostRequest
        | Fault::HeldRequest
        | Fault::Late(_)
        | Fault::UntilLifted
        | Fault::Refused { .. } => Ok(whole(body)),
    }
}

fn whole(body: Bytes) -> Answer {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn refusal(status: u16, retry_after: Option<u32>) -> Response<Answer> {
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _other => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {},
        "message": "as the fault proxy was told", "reason": reason, "code": status,
    });
    let mut answer = Response::new(whole(Bytes::from(body.to_string())));
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    let headers = answer.headers_mut();
    let json = http::HeaderValue::from_static("application/json");
    headers.insert(http::header::CONTENT_TYPE, json);
    if let Some(seconds) = retry_after {
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    answer
}
