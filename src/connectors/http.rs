//! The only way HTTP leaves the house (delivery.md section 5).
//!
//! Hosts are resolved once and every address is vetted before a connection is made; no redirects, no system proxy,
//! `https` only save inside the operator's networks, one limit for the whole exchange, next to nothing of an answer is
//! read. Connections are pooled: a pooled one goes to the address that was vetted when it was made.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use hyper::body::{Body, Frame, SizeHint};
use ipnet::IpNet;
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};
use thiserror::Error;
use url::{Host, Url};

use crate::connectors::address::{AddressError, Guard, Lookup, Reach, SystemLookup};

/// How long a whole exchange may take when the connector does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may take to come about, the host's addresses one after the other: each has an equal share, so
/// that a dead one leaves time for the others.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Bytes kept of an answer's body.
pub const EXCERPT_BYTES: usize = 256;

/// Bytes read of an answer's body at most, so that a usual answer leaves its connection usable.
const DRAIN_BYTES: usize = 16 * 1024;

/// Bytes read of a body that is itself the answer.
const BODY_BYTES: usize = 256 * 1024;

/// How long the rest of an answer is waited for once its status is known.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// What the operator set for everything that leaves.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// `--allow-network`: networks that may be reached though they are not public, and by plain `http` too.
    pub allowed_networks: Vec<IpNet>,
    /// Content of `--extra-ca-file`: PEM certificates trusted besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// Why no client could be made: the process should not start.
#[derive(Debug, Error)]
pub enum HttpSetupError {
    /// The extra CA file cannot be read as certificates.
    #[error("the extra CA file must hold PEM certificates")]
    ExtraCa(#[source] reqwest::Error),
    /// It holds none.
    #[error("the extra CA file must hold at least one PEM certificate")]
    ExtraCaEmpty,
    /// The TLS side could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Why an exchange gave no answer. Holds neither URL nor body nor secret, so it may be shown to anyone.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The address is no URL this client speaks.
    #[error("the address must be {0}")]
    Url(&'static str),
    /// The vetting let nothing through.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The receiver's certificate or its TLS is bad.
    #[error(
        "the receiver's TLS is not acceptable ({0}); its certificate must be valid, for this host, by a known CA"
    )]
    Tls(String),
    /// No answer within the limit.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// Nothing may leave at the moment; the receiver got nothing.
    #[error("this replica does not hold the lease at the moment")]
    Held,
    /// No connection, or it broke before an answer came.
    #[error("{0}")]
    Broken(&'static str),
}

impl HttpError {
    /// Whether trying again is no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Url(_) | Self::Tls(_) => true,
            Self::Address(error) => error.is_final(),
            Self::Timeout(_) | Self::Held | Self::Broken(_) => false,
        }
    }
}

/// An answer, as little of it as deliveries need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status of the answer.
    pub status: StatusCode,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Start of the body, at most [`EXCERPT_BYTES`], without control and bidirectional characters. It may echo what
    /// was sent, secrets included: for protocols that answer in the body, never for messages or logs.
    pub excerpt: String,
}

/// Whether a message may leave at this moment.
pub type MayLeave = Arc<dyn Fn() -> bool + Send + Sync>;

/// The outbound client. Clones share connections.
#[derive(Clone)]
pub struct HttpClient {
    may_leave: MayLeave,
    guard: Guard,
    extra_ca_pem: Option<Arc<[u8]>>,
    /// Speaks `https` to public and allowed addresses.
    protected: Client,
    /// Speaks `http` to allowed addresses only.
    plain: Client,
}

impl HttpClient {
    /// A client that resolves names as the machine does.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        Self::with_lookup(options, Arc::new(SystemLookup))
    }

    /// A client with a resolver of the caller's.
    pub fn with_lookup(
        options: &HttpOptions,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, HttpSetupError> {
        // A no-op where the process has chosen its provider already, as `main` does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::new(options.allowed_networks.clone(), lookup);
        Ok(Self {
            may_leave: Arc::new(|| true),
            protected: protected_client(&guard, options.extra_ca_pem.as_deref())?,
            plain: client_builder(&guard, Reach::AllowedOnly)
                .tls_certs_only([])
                .build()
                .map_err(HttpSetupError::Client)?,
            guard,
            extra_ca_pem: options.extra_ca_pem.as_deref().map(Arc::from),
        })
    }

    /// The same client, which asks `may_leave` as the last thing before a message is written: whatever came before it,
    /// a lookup, a connection, its TLS, may have taken long.
    #[must_use]
    pub fn asking(self, may_leave: MayLeave) -> Self {
        Self { may_leave, ..self }
    }

    /// Whether a message may leave at this moment; for protocols other than HTTP.
    pub fn may_leave(&self) -> bool {
        (self.may_leave)()
    }

    /// Vets and resolves a host the way this client does; for protocols other than HTTP.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Certificates trusted besides the system's, as PEM; for protocols other than HTTP.
    pub fn extra_ca_pem(&self) -> Option<&[u8]> {
        self.extra_ca_pem.as_deref()
    }

    /// Sends `body` to `url` and gives back the answer, whatever its status. The whole exchange, name lookup included,
    /// takes at most `limit`.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Answer, HttpError> {
        let (url, client) = self.admit(url)?;
        let body = self.last_asking(body);
        exchange(client.post(url).headers(headers).body(body), limit).await
    }

    /// Asks `url` for an answer, like [`HttpClient::post`].
    pub async fn get(&self, url: &str, limit: Duration) -> Result<Answer, HttpError> {
        let (url, client) = self.admit(url)?;
        exchange(client.get(url), limit).await
    }

    /// The same for protocols that answer in the body: reads it too, within the same limit. An answer whose body does
    /// not come is none.
    pub async fn post_for_body(
        &self,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<(Answer, Vec<u8>), HttpError> {
        let (url, client) = self.admit(url)?;
        let body = self.last_asking(body);
        let request = client.post(url).headers(headers).body(body).send();
        let exchange = async {
            let mut response = request.await.map_err(|error| classify(&error))?;
            let (status, retry_after) = (response.status(), retry_after(response.headers()));
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
                body.extend_from_slice(&chunk);
                if body.len() > BODY_BYTES {
                    return Err(HttpError::Broken(
                        "the answer is longer than any that is expected",
                    ));
                }
            }
            let answer = Answer {
                status,
                retry_after,
                excerpt: sanitise(&body),
            };
            Ok((answer, body))
        };
        let ended = tokio::time::timeout(limit, exchange).await;
        ended.unwrap_or(Err(HttpError::Timeout(limit)))
    }

    fn last_asking(&self, body: Bytes) -> reqwest::Body {
        reqwest::Body::wrap(LastAsking {
            body: Some(body),
            may_leave: self.may_leave.clone(),
        })
    }

    /// Reads the URL, vets an IP literal (which no resolver ever sees) and picks the client of its scheme.
    fn admit(&self, url: &str) -> Result<(Url, &Client), HttpError> {
        let url = read_url(url)?;
        let (client, reach) = match url.scheme() {
            "https" => (&self.protected, Reach::PublicOrAllowed),
            "http" => (&self.plain, Reach::AllowedOnly),
            _ => return Err(HttpError::Url("an `https` URL")),
        };
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(HttpError::Url("a URL with a host")),
        };
        if let Some(address) = literal {
            self.guard.vet(address, reach)?;
        }
        Ok((url, client))
    }
}

/// Reads what a person wrote as URL. Credentials in it are refused: they would end up in places that show addresses.
fn read_url(text: &str) -> Result<Url, HttpError> {
    let url = Url::parse(text.trim())
        .map_err(|_| HttpError::Url("a complete URL such as `https://host/path`"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::Url(
            "a URL without user name and password; put a `token` into the Secret instead",
        ));
    }
    Ok(url)
}

/// What both clients have in common.
fn client_builder(guard: &Guard, reach: Reach) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("firebell/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(Duration::from_mins(1))
        .dns_resolver(VettingResolver {
            guard: guard.clone(),
            reach,
        })
}

/// The `https` client. A machine without CA certificates gets one that trusts nobody, so that receivers inside the
/// allowed networks still work; each `https` delivery then fails with the reason.
fn protected_client(guard: &Guard, extra_ca_pem: Option<&[u8]>) -> Result<Client, HttpSetupError> {
    let builder = || client_builder(guard, Reach::PublicOrAllowed).https_only(true);
    let Some(pem) = extra_ca_pem else {
        return builder().build().or_else(|error| {
            tracing::warn!(error = %error, "no CA certificates on this machine: no https receiver will be trusted");
            builder().tls_certs_only([]).build().map_err(HttpSetupError::Client)
        });
    };
    let certificates = Certificate::from_pem_bundle(pem).map_err(HttpSetupError::ExtraCa)?;
    if certificates.is_empty() {
        return Err(HttpSetupError::ExtraCaEmpty);
    }
    builder()
        .tls_certs_merge(certificates)
        .build()
        .map_err(HttpSetupError::ExtraCa)
}

/// A body that asks whether it may leave once its connection stands and it is to be written, its headers with it.
struct LastAsking {
    body: Option<Bytes>,
    may_leave: MayLeave,
}

impl Body for LastAsking {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = self.body.take().map(|body| {
            let may = (self.may_leave)();
            may.then(|| Frame::data(body)).ok_or(HttpError::Held)
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.as_ref().map_or(0, |body| body.len() as u64))
    }
}

/// Hands the vetted addresses, and no others, to the connector.
struct VettingResolver {
    guard: Guard,
    reach: Reach,
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, reach) = (self.guard.clone(), self.reach);
        Box::pin(async move {
            let addresses = guard.resolve(name.as_str(), reach).await?;
            let addresses: Addrs = Box::new(
                addresses
                    .into_iter()
                    .map(|address| SocketAddr::new(address, 0)),
            );
            Ok(addresses)
        })
    }
}

/// Finds the cause inside the client's error and leaves everything else of it behind.
fn classify(error: &reqwest::Error) -> HttpError {
    let mut cause: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(current) = cause {
        if let Some(address) = current.downcast_ref::<AddressError>() {
            return HttpError::Address(*address);
        }
        if let Some(HttpError::Held) = current.downcast_ref::<HttpError>() {
            return HttpError::Held;
        }
        if let Some(tls) = find_tls(current) {
            return classify_tls(tls);
        }
        cause = current.source();
    }
    if error.is_builder() {
        HttpError::Url("a URL that can be called")
    } else if error.is_connect() {
        HttpError::Broken("the receiver accepts no connection")
    } else {
        HttpError::Broken("the connection broke before an answer came")
    }
}

/// A TLS error, also where I/O errors wrap it: their `source()` skips the error they hold.
pub(super) fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    find_tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}

/// Bad TLS is final, save an alert that only says the receiver has trouble of its own right now.
pub(super) fn classify_tls(error: &rustls::Error) -> HttpError {
    use rustls::{AlertDescription, CertificateError, Error};
    let word = match error {
        Error::AlertReceived(AlertDescription::InternalError | AlertDescription::UserCanceled) => {
            return HttpError::Broken("the receiver broke off the TLS handshake");
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "certificate expired",
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "certificate not valid yet",
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "certificate for another host",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "certificate by an unknown CA"
        }
        Error::InvalidCertificate(_) => "certificate invalid",
        Error::InvalidMessage(_) => "it does not speak TLS",
        Error::AlertReceived(_) => "it refused the handshake",
        _ => "no common TLS",
    };
    HttpError::Tls(word.to_owned())
}

async fn exchange(request: RequestBuilder, limit: Duration) -> Result<Answer, HttpError> {
    match tokio::time::timeout(limit, request.send()).await {
        Ok(Ok(response)) => Ok(read_answer(response).await),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(HttpError::Timeout(limit)),
    }
}

/// The status counts as soon as it is there; the body gets a short look and cannot spoil the answer.
async fn read_answer(mut response: reqwest::Response) -> Answer {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut kept = Vec::new();
    let drain = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = EXCERPT_BYTES.saturating_sub(kept.len()).min(chunk.len());
            kept.extend_from_slice(&chunk[..room]);
            read += chunk.len();
            if read >= DRAIN_BYTES {
                break;
            }
        }
    };
    // Running out of time here only costs the connection.
    let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
    Answer {
        status,
        retry_after,
        excerpt: sanitise(&kept),
    }
}

/// Reads `Retry-After`: seconds, or a date measured against the receiver's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let now = http_date(headers.get(header::DATE)?.to_str().ok()?)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

/// Text that is safe to hold: valid UTF-8 of at most [`EXCERPT_BYTES`], control and bidirectional characters replaced.
pub fn sanitise(bytes: &[u8]) -> String {
    let mut text = String::new();
    for symbol in String::from_utf8_lossy(bytes).chars() {
        let symbol = if is_unsafe_to_show(symbol) {
            ' '
        } else {
            symbol
        };
        if text.len() + symbol.len_utf8() > EXCERPT_BYTES {
            break;
        }
        text.push(symbol);
    }
    text
}

/// Control characters, line separators, and what changes the direction or hides in text.
pub(super) fn is_unsafe_to_show(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
