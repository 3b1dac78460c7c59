//! A strict mail server on loopback: it takes nothing that RFC 5321 would not, and writes down what it took, over which
//! protection and for which user. Answers can be set per stage of the dialogue.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::receiver::Tls;

/// Longest line of a mail, its line break left out.
const LINE: usize = 998;

/// How connections are protected.
#[derive(Clone, Copy, Debug, Default)]
pub enum Protection<'a> {
    /// Not at all.
    #[default]
    None,
    /// By STARTTLS, which it offers and demands before any login.
    StartTls(Tls<'a>),
    /// From the first byte.
    Implicit(Tls<'a>),
}

/// How the server behaves.
#[derive(Clone, Debug, Default)]
pub struct MailOptions<'a> {
    /// How connections are protected.
    pub protection: Protection<'a>,
    /// User name and password it demands.
    pub login: Option<(&'a str, &'a str)>,
    /// Answers other than the usual ones, by stage: `CONNECT`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `BODY`.
    pub answers: &'a [(&'static str, &'static str)],
}

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Sender of the envelope.
    pub from: String,
    /// Recipients of the envelope.
    pub to: Vec<String>,
    /// Headers and body as they came, dots unstuffed.
    pub text: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Who had logged in.
    pub user: Option<String>,
}

/// The server. Dropping it closes its port.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    tls: Option<(Arc<rustls::ServerConfig>, bool)>,
    login: Option<(String, String)>,
    answers: HashMap<&'static str, &'static str>,
    mails: Mutex<Vec<Mail>>,
    violations: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl MailServer {
    /// Starts a server on a free loopback port.
    pub async fn start(options: &MailOptions<'_>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let config = |tls: Tls<'_>| tls.server_config().map(Arc::new).map_err(io::Error::other);
        let tls = match options.protection {
            Protection::None => None,
            Protection::StartTls(tls) => Some((config(tls)?, false)),
            Protection::Implicit(tls) => Some((config(tls)?, true)),
        };
        let shared = Arc::new(Shared {
            tls,
            login: options
                .login
                .map(|(user, password)| (user.to_owned(), password.to_owned())),
            answers: options.answers.iter().copied().collect(),
            mails: Mutex::default(),
            violations: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let address = listener.local_addr()?;
        let serving = tokio::spawn(accept_all(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All mails that were taken, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().clone()
    }

    /// What clients did that the protocol does not allow.
    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.lock().clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        // A client that leaves in the middle ends its own dialogue only.
        tokio::spawn(async move { serve(stream, &shared).await.ok() });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some((config, implicit)) = &shared.tls else {
        Dialogue::new(stream, shared, false).greet().await?;
        return Ok(());
    };
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    if *implicit {
        let stream = acceptor.accept(stream).await?;
        Dialogue::new(stream, shared, true).greet().await?;
        return Ok(());
    }
    let mut plain = Dialogue::new(stream, shared, false);
    plain.greet().await?;
    if !plain.starts_tls {
        return Ok(());
    }
    if !plain.stream.buffer().is_empty() {
        shared.violate("commands sent before the TLS handshake");
    }
    let stream = acceptor.accept(plain.stream.into_inner()).await?;
    Dialogue::new(stream, shared, true).talk().await
}

impl Shared {
    fn violate(&self, what: &str) {
        self.violations.lock().push(what.to_owned());
    }
}

/// One connection, before or after it became TLS.
struct Dialogue<'s, S> {
    stream: BufReader<S>,
    shared: &'s Shared,
    encrypted: bool,
    greeted: bool,
    starts_tls: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Dialogue<'s, S> {
    fn new(stream: S, shared: &'s Shared, encrypted: bool) -> Self {
        Self {
            stream: BufReader::new(stream),
            shared,
            encrypted,
            greeted: false,
            starts_tls: false,
            user: None,
            from: None,
            to: Vec::new(),
        }
    }

    async fn greet(&mut self) -> io::Result<()> {
        if self.answer("CONNECT", "220 test.example ESMTP").await? {
            self.talk().await?;
        }
        Ok(())
    }

    async fn talk(&mut self) -> io::Result<()> {
        while let Some(line) = self.line().await? {
            let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.ehlo(rest).await?,
                "STARTTLS" if self.offers_tls() => {
                    self.say("220 go ahead").await?;
                    self.starts_tls = true;
                    return Ok(());
                }
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" => self.data().await?,
                "QUIT" => return self.say("221 bye").await,
                _ => self.refuse("500 unknown command", &line).await?,
            }
        }
        Ok(())
    }

    fn offers_tls(&self) -> bool {
        self.shared.tls.is_some() && !self.encrypted
    }

    async fn ehlo(&mut self, name: &str) -> io::Result<()> {
        if name.is_empty() || name.contains(' ') {
            return self.refuse("501 one name", name).await;
        }
        self.greeted = true;
        let mut lines = vec!["250-test.example", "250-8BITMIME"];
        if self.offers_tls() {
            lines.push("250-STARTTLS");
        } else if self.shared.login.is_some() {
            lines.push("250-AUTH PLAIN LOGIN");
        }
        lines.push("250 SIZE 1000000");
        self.answer("EHLO", &lines.join("\r\n")).await?;
        Ok(())
    }

    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        if self.offers_tls() {
            return self.refuse("538 TLS first", "login without TLS").await;
        }
        let Some((user, password)) = &self.shared.login else {
            return self.refuse("503 no login", rest).await;
        };
        let wanted = STANDARD.encode(format!("\0{user}\0{password}"));
        if rest.strip_prefix("PLAIN ") == Some(wanted.as_str()) {
            self.user = Some(user.clone());
            self.answer("AUTH", "235 welcome").await?;
        } else {
            self.say("535 wrong user name or password s3cret").await?;
        }
        Ok(())
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let must_login = self.shared.login.is_some() && self.user.is_none();
        if !self.greeted || self.from.is_some() {
            return self.refuse("503 out of order", rest).await;
        }
        if must_login {
            return self.say("530 login first").await;
        }
        let Some(from) = address(rest, "FROM:") else {
            return self.refuse("501 one address", rest).await;
        };
        if self.answer("MAIL", "250 ok").await? {
            self.from = Some(from);
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        let Some(to) = address(rest, "TO:").filter(|_| self.from.is_some()) else {
            return self.refuse("503 out of order", rest).await;
        };
        if self.answer("RCPT", "250 ok").await? {
            self.to.push(to);
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        let Some(from) = self.from.clone().filter(|_| !self.to.is_empty()) else {
            return self.refuse("503 out of order", "DATA").await;
        };
        if !self.answer("DATA", "354 end with a dot").await? {
            return Ok(());
        }
        let mut text = String::new();
        loop {
            let line = self.line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line == "." {
                break;
            }
            if line.len() > LINE {
                self.shared.violate("a line of a mail is too long");
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        if self.answer("BODY", "250 taken").await? {
            self.shared.mails.lock().push(Mail {
                from,
                to: std::mem::take(&mut self.to),
                text,
                encrypted: self.encrypted,
                user: self.user.clone(),
            });
        }
        self.from = None;
        Ok(())
    }

    /// One line without its CRLF; `None` at the end.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(io::Error::other)?;
        let Some(bare) = line.strip_suffix("\r\n") else {
            self.shared.violate("a line that ends without CRLF");
            return Ok(None);
        };
        if bare.contains(['\r', '\0']) {
            self.shared.violate("a control character in a line");
        }
        Ok(Some(bare.to_owned()))
    }

    /// The set answer of a stage, else the usual one; whether it was a good one.
    async fn answer(&mut self, stage: &str, usual: &str) -> io::Result<bool> {
        let answer = self.shared.answers.get(stage).copied().unwrap_or(usual);
        self.say(answer).await?;
        Ok(answer.starts_with(['2', '3']))
    }

    async fn refuse(&mut self, answer: &str, what: &str) -> io::Result<()> {
        self.shared.violate(&format!("{answer}: {what}"));
        self.say(answer).await
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }
}

/// The one address of `FROM:<a@b> PARAMETERS`.
fn address(rest: &str, word: &str) -> Option<String> {
    let rest = rest.strip_prefix(word)?.strip_prefix('<')?;
    let (address, parameters) = rest.split_once('>')?;
    let plain = !address.contains(['<', ' ', '\t']) && address.contains('@');
    let known = ["", " BODY=8BITMIME"].contains(&parameters);
    (plain && known).then(|| address.to_owned())
}
