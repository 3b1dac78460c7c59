//! The Email connector: one mail by SMTP (`server` = `smtp://` or `smtps://`, `address` = the recipient; Secret keys
//! `username` and `password`, and `from` where the sender is not the user name).
//!
//! `smtps://` is TLS from the start; `smtp://` must become TLS by STARTTLS, save inside the networks that the operator
//! allowed. The host goes through the same vetting as every URL; the certificate must be for its name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use url::{Host, Url};

use crate::connectors::address::{AddressError, Reach};
use crate::connectors::http::{CONNECT_LIMIT, HttpClient, HttpError, classify_tls, find_tls};
use crate::connectors::render::Say;
use crate::connectors::verdict::unanswered;
use crate::connectors::{SendOutcome, Try, Unsendable};

mod compose;

/// Where submission is served without and with TLS from the start.
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;
/// How long the farewell may take: the mail has been taken already.
const FAREWELL: Duration = Duration::from_secs(1);

/// Tries once.
pub(super) async fn send(one: &Try<'_>) -> Result<SendOutcome, Unsendable> {
    let server = Server::read(one.way.connector.server.as_deref().unwrap_or_default())?;
    let credentials = credentials(one)?;
    let user = credentials.as_ref().map(|(user, _)| user.as_str());
    let mail = compose::mail(one, &Say::of(one)?, &sender(one, user, &server.host)?)?;
    let exchange = exchange(one, &server, credentials, &mail);
    let ended = tokio::time::timeout(one.limit, exchange).await;
    Ok(
        match ended.unwrap_or(Err(HttpError::Timeout(one.limit).into())) {
            Ok(()) => SendOutcome::Delivered,
            Err(failure) => failure.verdict(),
        },
    )
}

/// User name and password, if the connector has any.
fn credentials(one: &Try<'_>) -> Result<Option<(String, String)>, Unsendable> {
    match (one.key("username")?, one.key("password")?) {
        (Some(user), Some(password)) => Ok(Some((
            user.expose_secret().to_owned(),
            password.expose_secret().to_owned(),
        ))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(
            "the connector's Secret must have both keys `username` and `password`, or none of them"
                .to_owned(),
        ),
    }
}

/// Who the mail is from: key `from`, else the user name where that is a mail address, else `firebell@` the server.
fn sender(one: &Try<'_>, user: Option<&str>, host: &str) -> Result<lettre::Address, Unsendable> {
    if let Some(from) = one.key("from")? {
        return from
            .expose_secret()
            .parse()
            .map_err(|_| "key `from` of the connector's Secret must be a mail address".to_owned());
    }
    // A server that is named by its address has no domain of its own.
    let domain = match host.parse::<IpAddr>() {
        Ok(_) => "localhost",
        Err(_) => host,
    };
    let mut candidates = [user.map(str::to_owned), Some(format!("firebell@{domain}"))]
        .into_iter()
        .flatten();
    candidates
        .find_map(|address| address.parse().ok())
        .ok_or_else(|| {
            "key `from` of the connector's Secret must be set: a mail address".to_owned()
        })
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    /// TLS from the first byte.
    implicit_tls: bool,
}

impl Server {
    fn read(text: &str) -> Result<Self, Unsendable> {
        let wrong = || "`server` must be smtp://host:port or smtps://host:port".to_owned();
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let bare =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong());
        }
        let implicit_tls = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(wrong()),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Domain(_)) | None => return Err(wrong()),
        };
        let usual = if implicit_tls {
            SUBMISSIONS
        } else {
            SUBMISSION
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(usual),
            implicit_tls,
        })
    }
}

/// Why a mail was not taken.
enum Failure {
    /// No connection, or none that may be used.
    Wire(HttpError),
    /// The server's own answer, or a broken dialogue.
    Smtp(SmtpError),
    /// It offers no encryption where that is required.
    Unprotected,
    /// TLS could not be set up on our side.
    Setup,
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::Wire(error)
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        Self::Wire(error.into())
    }
}

impl From<SmtpError> for Failure {
    fn from(error: SmtpError) -> Self {
        Self::Smtp(error)
    }
}

impl Failure {
    /// 4xx may be tried again, 5xx not; the words name the code, never the server's text.
    fn verdict(self) -> SendOutcome {
        let error = match self {
            Self::Wire(error) => return unanswered(&error),
            Self::Unprotected => {
                return SendOutcome::refused(
                    "the mail server offers no STARTTLS; use `smtps://`, or let the operator allow its network with `--allow-network`",
                );
            }
            Self::Setup => {
                return SendOutcome::retry(
                    "TLS for the mail server could not be set up; see the operator's CA certificates",
                );
            }
            Self::Smtp(error) => error,
        };
        if let Some(tls) = tls_of(&error) {
            return unanswered(&classify_tls(tls));
        }
        let code = error.status().map(u16::from);
        match code {
            Some(code) if error.is_permanent() => SendOutcome::refused(&format!(
                "the mail server answered {code}: {}",
                advice(code)
            )),
            Some(code) => SendOutcome::retry(&format!("the mail server answered {code}")),
            None if error.is_client() => SendOutcome::refused(
                "the mail server cannot take this mail or offers no usable way to log in; check `server`, `username` and `password`",
            ),
            None => SendOutcome::retry("the connection to the mail server failed or broke"),
        }
    }
}

fn tls_of(error: &SmtpError) -> Option<&rustls::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        if let Some(tls) = find_tls(current) {
            return Some(tls);
        }
        cause = current.source();
    }
    None
}

fn advice(code: u16) -> &'static str {
    match code {
        530 | 534 | 535 | 538 => {
            "it wants another login; check `username` and `password` in the connector's Secret"
        }
        550 | 551 | 553 => {
            "it does not take mail for this recipient or from this sender; check `address`, and key `from` of the Secret"
        }
        552 => "it takes no mail of this size or the mailbox is full",
        _ => "it does not take this mail; check `server` and `address`",
    }
}

/// One mail over one connection.
async fn exchange(
    one: &Try<'_>,
    server: &Server,
    credentials: Option<(String, String)>,
    mail: &Message,
) -> Result<(), Failure> {
    let guard = one.http.guard();
    let found = guard.resolve(&server.host, Reach::PublicOrAllowed).await?;
    let inside = found
        .iter()
        .all(|address| guard.vet(*address, Reach::AllowedOnly).is_ok());
    let addresses: Vec<SocketAddr> = found
        .into_iter()
        .map(|address| SocketAddr::new(address, server.port))
        .collect();
    let share = CONNECT_LIMIT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let hello = ClientId::default();
    let tls = |needed: bool| needed.then(|| tls(one.http, &server.host)).transpose();
    let mut connection = AsyncSmtpConnection::connect_tokio1(
        addresses.as_slice(),
        Some(share),
        &hello,
        tls(server.implicit_tls)?,
        None,
    )
    .await?;
    if connection.can_starttls() {
        let tls = tls(true)?.ok_or(Failure::Setup)?;
        connection.starttls(tls, &hello).await?;
    }
    if !connection.is_encrypted() && !inside {
        connection.abort().await;
        return Err(Failure::Unprotected);
    }
    if let Some((user, password)) = credentials {
        let credentials = Credentials::new(user, password);
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        connection.auth(&mechanisms, &credentials).await?;
    }
    if !one.http.may_leave() {
        connection.abort().await;
        return Err(HttpError::Held.into());
    }
    connection.send(mail.envelope(), &mail.formatted()).await?;
    // The mail is taken, whatever becomes of the farewell: it must not use up the time of the try.
    tokio::spawn(async move {
        let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
    });
    Ok(())
}

/// TLS for a server of this name, with the system's and the operator's CA certificates; on a machine without any, only
/// the latter.
fn tls(http: &HttpClient, host: &str) -> Result<TlsParameters, Failure> {
    let extra = http.extra_ca_pem().map(Certificate::from_pem).transpose();
    let extra = extra.map_err(|_| Failure::Setup)?;
    let builder = |store| {
        let builder: TlsParametersBuilder =
            TlsParameters::builder(host.to_owned()).certificate_store(store);
        match extra.clone() {
            Some(extra) => builder.add_root_certificate(extra),
            None => builder,
        }
    };
    builder(CertificateStore::Default)
        .build_rustls()
        .or_else(|_| builder(CertificateStore::None).build_rustls())
        .map_err(|_| Failure::Setup)
}

#[cfg(test)]
mod tests;
