//! The receiver's end of a connection, below HTTP: plain or TLS with a right or wrong certificate, and able to be
//! reset or to write one byte per second.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Ledger;
use crate::testkit::certificates::{CertificateError, TestCa};

const FREE: u8 = 0;
const CUT: u8 = 1;
const SLOW: u8 = 2;

/// Which certificate an HTTPS receiver shows. Its address is `127.0.0.1`.
#[derive(Clone, Copy, Debug)]
pub enum Tls<'a> {
    /// One for its address, signed by this authority.
    Trusted(&'a TestCa),
    /// One for another host, signed by this authority.
    WrongName(&'a TestCa),
    /// One that ended long ago, signed by this authority.
    Expired(&'a TestCa),
    /// One for its address, signed by an authority that nobody knows.
    UnknownAuthority,
}

/// A receiver's TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Its certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The TLS library refused the certificate or the settings.
    #[error("TLS of the receiver: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls<'_> {
    pub(crate) fn server_config(self) -> Result<rustls::ServerConfig, TlsError> {
        const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
        let key = match self {
            Self::Trusted(ca) => ca.server(&NAMES)?,
            Self::WrongName(ca) => ca.server(&["elsewhere.example"])?,
            Self::Expired(ca) => ca.expired_server(&NAMES)?,
            Self::UnknownAuthority => TestCa::new("nobody knows me")?.server(&NAMES)?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(key.cert_der)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.key_der)),
            )?;
        Ok(config)
    }
}

/// The handle by which a request's handler disturbs its own connection.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<AtomicU8>);

impl Wire {
    /// The next write resets the connection.
    pub(super) fn cut(&self) {
        self.0.store(CUT, Ordering::SeqCst);
    }

    /// From the next write on, one byte leaves per second.
    pub(super) fn slow_down(&self) {
        self.0.store(SLOW, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Arrivals>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Arrivals>) -> Self {
        stream.io().wire.clone()
    }
}

/// Accepts connections; each TLS handshake runs on its own, so that one that stalls holds up nobody.
#[derive(Debug)]
pub(super) struct Arrivals {
    address: io::Result<SocketAddr>,
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Arrivals {
    pub(super) fn new(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        ledger: watch::Sender<Ledger>,
    ) -> Self {
        let address = listener.local_addr();
        let (sender, ready) = mpsc::channel(64);
        let accepting = tokio::spawn(accept_all(
            listener,
            tls.map(TlsAcceptor::from),
            ledger,
            sender,
        ));
        Self {
            address,
            ready,
            accepting,
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for Arrivals {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.address {
            Ok(address) => Ok(*address),
            Err(error) => Err(io::Error::from(error.kind())),
        }
    }
}

async fn accept_all(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ledger: watch::Sender<Ledger>,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of file descriptors: the next try may do better.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // A page is small: waiting for more to send would only add to its lateness.
        let _best_effort = stream.set_nodelay(true);
        let (ready, ledger, tls) = (ready.clone(), ledger.clone(), tls.clone());
        tokio::spawn(async move {
            let stream = match tls {
                None => Stream::Plain(stream),
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        ledger.send_modify(Ledger::note_failed_handshake);
                        return;
                    };
                    Stream::Tls(Box::new(stream))
                }
            };
            let _closed = ready.send((Connection::new(stream), peer)).await;
        });
    }
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// One connection, which its handler can disturb through its [`Wire`].
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    wire: Wire,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    fn new(stream: Stream) -> Self {
        Self {
            stream,
            wire: Wire(Arc::new(AtomicU8::new(FREE))),
            pause: None,
        }
    }

    fn reset(&self) -> io::Error {
        // With no time to linger, closing sends a reset and not an orderly end.
        let _best_effort = self.stream.socket().set_zero_linger();
        io::Error::from(io::ErrorKind::ConnectionReset)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mode = self.wire.0.load(Ordering::SeqCst);
        if mode == CUT {
            return Poll::Ready(Err(self.reset()));
        }
        let buf = if mode == SLOW {
            let pause = self
                .pause
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_secs(1))));
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            buf.get(..1).unwrap_or_default()
        } else {
            buf
        };
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.0.load(Ordering::SeqCst) == CUT {
            return Poll::Ready(Err(self.reset()));
        }
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
