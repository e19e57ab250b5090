//! A running name server: its socket, its threads, and the watch over silent brokers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use remoting::transport::connection::Limits;
use remoting::transport::listener::{self, Listening};
use remoting::transport::router::{Pool, Router};
use remoting::transport::tls::{TlsError, TlsServer};
use remoting::transport::workers::{Priority, Workers};
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::info;

use crate::config::NamesrvConfig;
use crate::handlers::State;
use crate::kv_config::{KvConfig, KvConfigError};
use crate::routes::routes;

/// How often silent brokers are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);
/// Lists are made by so many threads.
const READ_THREADS: usize = 2;
/// Changes are made by one, in the order in which they come.
const ADMIN_THREADS: usize = 1;
/// Requests that may wait for one of these threads, each with a copy of its frame.
const QUEUE_CAPACITY: usize = 200;
/// A request that waited longer is refused: nobody waits for its answer.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Why a name server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error("{address} is in use by another program")]
    AddressInUse { address: SocketAddr },
    #[error("listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("load the KV configuration: {0}")]
    KvConfig(#[from] KvConfigError),
    #[error("prepare TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running name server. It runs until [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Namesrv {
    listening: Listening,
    expiry: JoinHandle<()>,
}

impl Namesrv {
    /// Loads the KV configuration and listens. Must be called within a tokio runtime.
    pub async fn start(config: NamesrvConfig) -> Result<Self, StartError> {
        let address = SocketAddr::new(config.bind_address, config.listen_port);
        let idle = Duration::from_secs(config.server_channel_max_idle_time_seconds);
        let tls = config.tls.clone();
        let kv_config_path = config.kv_config_path.clone();
        // Before anything else, so that a second one beside a running one touches nothing.
        let listener = listener::bind(address).map_err(|e| not_listening(address, e))?;
        let kv = KvConfig::load(kv_config_path)?;
        let state = Arc::new(State::new(config, kv));
        let router = Router::new(
            state.clone(),
            routes(),
            pool("namesrv-read", READ_THREADS)?,
            pool("namesrv-admin", ADMIN_THREADS)?,
        );
        let tls = TlsServer::new(&tls)?;
        let limits = Limits {
            idle,
            ..Limits::default()
        };
        let listening = Listening::start_with_tls(listener, Arc::new(router), limits, tls)
            .map_err(|e| not_listening(address, e))?;
        info!(address = %listening.address, "name server started");
        Ok(Self {
            listening,
            expiry: tokio::spawn(watch_brokers(state)),
        })
    }

    /// Where it listens; with `listenPort` 0 this has the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// How many brokers, clients and tools are connected.
    pub fn connection_count(&self) -> usize {
        self.listening.connection_count()
    }

    /// Takes no more connections, gives those that exist until `drain` to take their answers,
    /// and closes them.
    pub async fn shutdown(self, drain: Duration) {
        self.expiry.abort();
        let address = self.address();
        self.listening.shutdown(drain).await;
        info!(%address, "name server stopped");
    }
}

async fn watch_brokers(state: Arc<State>) {
    let mut interval = tokio::time::interval(EXPIRY_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        state.expire_brokers();
    }
}

fn pool(name: &str, threads: usize) -> Result<Pool, StartError> {
    let workers = Workers::start(name, threads, QUEUE_CAPACITY, Priority::Normal)
        .map_err(StartError::Thread)?;
    Ok(Pool {
        workers: Arc::new(workers),
        max_wait: MAX_WAIT,
    })
}

fn not_listening(address: SocketAddr, error: io::Error) -> StartError {
    if error.kind() == io::ErrorKind::AddrInUse {
        StartError::AddressInUse { address }
    } else {
        StartError::Listen {
            address,
            source: error,
        }
    }
}

#[cfg(test)]
mod tests;
