//! TLS on the port that also takes plain connections.
//!
//! The first byte of a connection tells: a TLS handshake starts with 0x16, a frame below 16 MiB
//! with 0. It is looked at once per connection; from then on a plain connection runs as if there
//! were no TLS. Which of both is taken is Apache's `tls.server.mode`. Without a certificate of
//! its own a server makes one at each start, as Apache's does in its test mode: it hides what is
//! said from listeners, but proves nothing about the server.

use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use crate::protocol::properties::Value;

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Which connections are taken: `tls.server.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// Plain ones only.
    Disabled,
    #[default]
    Permissive,
    /// Encrypted ones only.
    Enforcing,
}

/// Whether clients must prove who they are: `tls.server.need.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    #[default]
    None,
    /// A certificate is checked if there is one.
    Optional,
    Require,
}

macro_rules! names {
    ($type:ty: $($name:literal $value:ident),*) => {
        impl Value for $type {
            fn parse(text: &str, _: Option<RangeInclusive<i64>>) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$value),)*
                    _ => Err(concat!("must be one of" $(, " ", $name)*).to_owned()),
                }
            }

            fn show(&self) -> String {
                match self {
                    $(Self::$value => $name,)*
                }
                .to_owned()
            }
        }
    };
}

names!(TlsMode: "disabled" Disabled, "permissive" Permissive, "enforcing" Enforcing);
names!(ClientAuth: "none" None, "optional" Optional, "require" Require);

/// What a server is told about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsSettings {
    pub mode: TlsMode,
    /// PEM file with the server's certificate, then those of its issuers: `tls.server.certPath`.
    pub certificate: Option<PathBuf>,
    /// PEM file with its key, not encrypted: `tls.server.keyPath`.
    pub key: Option<PathBuf>,
    pub client_auth: ClientAuth,
    /// PEM file with the certificates that clients' are checked against: `tls.server.trustCertPath`.
    pub trusted: Option<PathBuf>,
}

/// Why a server cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: rustls::pki_types::pem::Error,
    },
    #[error("{} has no certificate", .0.display())]
    Empty(PathBuf),
    #[error("a certificate needs its key, and a key its certificate")]
    Half,
    #[error("clients cannot be checked without certificates to trust")]
    NothingTrusted,
    #[error("certificates to trust: {0}")]
    Trusted(String),
    #[error("certificate and key: {0}")]
    Certificate(#[from] rustls::Error),
    #[error("make a certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// How a listening socket treats TLS. The default takes plain connections only.
#[derive(Debug, Clone, Default)]
pub struct TlsServer {
    config: Option<Arc<ServerConfig>>,
    refuses_plain: bool,
}

impl TlsServer {
    /// Reads or makes the certificate.
    ///
    /// # Errors
    /// What cannot be read or does not fit together.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        if settings.mode == TlsMode::Disabled {
            return Ok(Self::default());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let builder = if settings.client_auth == ClientAuth::None {
            builder.with_no_client_auth()
        } else {
            let path = settings.trusted.as_ref().ok_or(TlsError::NothingTrusted)?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = match settings.client_auth {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                ClientAuth::None | ClientAuth::Require => verifier,
            };
            builder.with_client_cert_verifier(
                verifier
                    .build()
                    .map_err(|e| TlsError::Trusted(e.to_string()))?,
            )
        };
        let (chain, key) = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => (certificates(certificate)?, private_key(key)?),
            (None, None) => self_signed()?,
            _ => return Err(TlsError::Half),
        };
        Ok(Self {
            config: Some(Arc::new(builder.with_single_cert(chain, key)?)),
            refuses_plain: settings.mode == TlsMode::Enforcing,
        })
    }

    /// What becomes of a connection that starts with `first`.
    pub(super) fn accept(&self, first: u8) -> Result<Accepted, Refused> {
        match (first == HANDSHAKE, &self.config) {
            (true, Some(config)) => match ServerConnection::new(config.clone()) {
                Ok(session) => Ok(Accepted::Tls(Box::new(session))),
                Err(_) => Err(Refused::TlsNotEnabled),
            },
            (true, None) => Err(Refused::TlsNotEnabled),
            (false, _) if self.refuses_plain => Err(Refused::PlainNotAllowed),
            (false, _) => Ok(Accepted::Plain),
        }
    }
}

pub(super) enum Accepted {
    Plain,
    Tls(Box<ServerConnection>),
}

#[derive(Debug, Error)]
pub(super) enum Refused {
    #[error("the peer speaks TLS, which is not enabled")]
    TlsNotEnabled,
    #[error("the peer does not speak TLS, which is required")]
    PlainNotAllowed,
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    let found = found.map_err(failed)?;
    if found.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

/// The bytes of a connection, without waiting: what its task reads and writes.
pub(super) trait Stream {
    /// Waits until reading or writing is worth a try.
    async fn ready(&self, interest: Interest) -> io::Result<Ready>;
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Passes on what was written before. False: the socket does not take all of it yet.
    fn try_flush(&mut self) -> io::Result<bool>;
}

impl Stream for TcpStream {
    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        TcpStream::ready(self, interest).await
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = SockRef::from(&*self);
        let mut read = 0;
        let outcome = self.try_io(Interest::READABLE, || {
            read = (&*socket).read(buffer)?;
            // What did not fill the buffer has emptied the socket; what comes later is announced.
            // Saying so spares the call that would find nothing.
            let emptied = (1..buffer.len()).contains(&read);
            if emptied {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(read)
            }
        });
        match outcome {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && read > 0 => Ok(read),
            outcome => outcome,
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TcpStream::try_write(self, bytes)
    }

    fn try_flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }
}

/// A socket with its TLS session.
pub(super) struct TlsStream {
    socket: TcpStream,
    session: Box<ServerConnection>,
    /// Decrypted bytes that were not read yet; no readiness of the socket announces them.
    unread: usize,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, session: Box<ServerConnection>) -> Self {
        Self {
            socket,
            session,
            unread: 0,
        }
    }
}

impl Stream for TlsStream {
    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        if interest.is_readable() && self.unread > 0 {
            return Ok(Ready::READABLE);
        }
        self.socket.ready(interest).await
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(read) => {
                    self.unread = self.unread.saturating_sub(read);
                    return Ok(read);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
            if self.session.read_tls(&mut Ciphertext(&self.socket))? == 0 {
                return Ok(0);
            }
            let state = self.session.process_new_packets();
            // The handshake's answers, or the alert that says what was wrong.
            self.try_flush()?;
            let state = state.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            self.unread = state.plaintext_bytes_to_read();
        }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.try_flush()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The session takes what its own buffer has room for.
        let taken = self.session.writer().write(bytes)?;
        self.try_flush()?;
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn try_flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Ciphertext(&self.socket)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

/// The socket as `rustls` wants to see it.
struct Ciphertext<'s>(&'s TcpStream);

impl Read for Ciphertext<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Ciphertext<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
