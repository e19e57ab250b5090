//! Accepting connections within limits, looking after them, and ending them in order.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::connection::{Connection, Limits, Service};
use super::tls::TlsServer;

/// Connections in total and from one address. Further ones are closed at once.
const MAX_CONNECTIONS: usize = 65_536;
const MAX_CONNECTIONS_PER_ADDRESS: usize = 32_768;
/// How often the connections are held against their limits.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const BACKLOG: i32 = 1024;

/// Binds a listening socket. On `[::]` it takes IPv4 too.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

type Registry = Arc<Mutex<HashMap<u64, Arc<Connection>>>>;

/// What the acceptor is to do, in this order. It is the only one that adds connections: only once it has stopped does it
/// close them, or a peer that connects anew at that moment would be overlooked, and waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Accepting,
    /// No more connections; those that exist go on.
    Draining,
    Closing,
}

/// A listening socket with its connections.
#[derive(Debug)]
pub struct Listening {
    pub address: SocketAddr,
    phase: watch::Sender<Phase>,
    connections: Registry,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    /// Serves plain connections of `listener` until [`shutdown`](Self::shutdown).
    pub fn start<S: Service>(
        listener: TcpListener,
        service: Arc<S>,
        limits: Limits,
    ) -> io::Result<Self> {
        Self::start_with_tls(listener, service, limits, TlsServer::default())
    }

    /// Serves connections of `listener`, plain or TLS, until [`shutdown`](Self::shutdown).
    pub fn start_with_tls<S: Service>(
        listener: TcpListener,
        service: Arc<S>,
        limits: Limits,
        tls: TlsServer,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (phase, told) = watch::channel(Phase::Accepting);
        let connections = Registry::default();
        let acceptor = Acceptor {
            listener,
            service,
            limits,
            tls,
            connections: connections.clone(),
        };
        let task = tokio::spawn(acceptor.run(told));
        Ok(Self {
            address,
            phase,
            connections,
            task,
        })
    }

    pub fn connection_count(&self) -> usize {
        lock(&self.connections).len()
    }

    /// Takes no more connections; those that exist go on.
    pub fn stop_accepting(&self) {
        let _ = self.phase.send(Phase::Draining);
    }

    /// Stops accepting, gives the connections until `drain` to take their output, closes them and
    /// waits until the service has been told of each.
    pub async fn shutdown(self, drain: Duration) {
        self.stop_accepting();
        let deadline = tokio::time::Instant::now() + drain;
        while tokio::time::Instant::now() < deadline
            && !lock(&self.connections).values().all(|c| c.is_drained())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let _ = self.phase.send(Phase::Closing);
        // The task ends when the last connection has.
        let _ = self.task.await;
    }
}

fn lock(registry: &Registry) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Acceptor<S> {
    listener: TcpListener,
    service: Arc<S>,
    limits: Limits,
    tls: TlsServer,
    connections: Registry,
}

impl<S: Service> Acceptor<S> {
    async fn run(self, mut phase: watch::Receiver<Phase>) {
        let Self {
            listener,
            service,
            limits,
            tls,
            connections,
        } = self;
        let mut tasks = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if let Some(connection) = admit(&connections, &stream, peer) {
                            let (service, limits, connections) = (service.clone(), limits.clone(), connections.clone());
                            let tls = tls.clone();
                            tasks.spawn(async move {
                                let id = connection.id;
                                connection.run_accepted(stream, service, limits, tls).await;
                                lock(&connections).remove(&id);
                            });
                        }
                    }
                    Err(error) => {
                        // Out of descriptors, most likely: accepting again at once would only spin.
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                _ = sweep.tick() => close_offenders(&connections, &limits),
                _ = phase.changed() => break,
            }
        }
        drop(listener);
        // The change that ended the loop may be the last one.
        phase.mark_changed();
        loop {
            tokio::select! {
                ended = tasks.join_next() => if ended.is_none() { return },
                Ok(()) = phase.changed() => if *phase.borrow() == Phase::Closing {
                    for connection in lock(&connections).values() {
                        connection.close();
                    }
                },
                _ = sweep.tick() => close_offenders(&connections, &limits),
            }
        }
    }
}

fn admit(connections: &Registry, stream: &TcpStream, peer: SocketAddr) -> Option<Arc<Connection>> {
    let mut open = lock(connections);
    let same = |ip: IpAddr| open.values().filter(|c| c.remote.ip() == ip).count();
    if open.len() >= MAX_CONNECTIONS {
        warn!(%peer, limit = MAX_CONNECTIONS, "connection refused: too many in total");
        return None;
    }
    // Counting is only worth it once an address could be over its limit.
    if open.len() >= MAX_CONNECTIONS_PER_ADDRESS
        && same(peer.ip().to_canonical()) >= MAX_CONNECTIONS_PER_ADDRESS
    {
        warn!(%peer, limit = MAX_CONNECTIONS_PER_ADDRESS, "connection refused: too many from this address");
        return None;
    }
    let connection = Connection::new(stream).ok()?;
    open.insert(connection.id, connection.clone());
    Some(connection)
}

fn close_offenders(connections: &Registry, limits: &Limits) {
    for connection in lock(connections).values() {
        if let Some(offence) = connection.exceeds(limits) {
            info!(remote = %connection.remote, "connection closed: the peer {offence}");
            connection.close();
        }
    }
}
