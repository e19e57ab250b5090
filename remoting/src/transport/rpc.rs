//! Outgoing calls: one connection per address, made on first use and again after it was lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use super::connection::{CallError, Connection, Limits, Service};
use crate::protocol::command::{CommandView, RemotingCommand};

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Calls peers by address. `service` gets what they request in turn on the same connections.
#[derive(Debug)]
pub struct RpcClient<S> {
    service: Arc<S>,
    limits: Limits,
    connections: Mutex<HashMap<String, Slot>>,
}

/// The async lock makes callers of one address wait for one connect instead of each making its own.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

impl<S: Service> RpcClient<S> {
    pub fn new(service: Arc<S>, limits: Limits) -> Self {
        Self {
            service,
            limits,
            connections: Mutex::default(),
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `address`, if it is open and nobody is making one.
    fn open_connection(&self, address: &str) -> Option<Arc<Connection>> {
        let slots = self.slots();
        let slot = slots.get(address)?.try_lock().ok()?;
        slot.as_ref()
            .filter(|connection| !connection.is_closed())
            .cloned()
    }

    /// The open connection to `address` (`host:port`), made if there is none.
    pub async fn connection(&self, address: &str) -> Result<Arc<Connection>, CallError> {
        match self.open_connection(address) {
            Some(open) => Ok(open),
            None => self.connect(address).await,
        }
    }

    /// Makes the connection, unless another caller has meanwhile.
    async fn connect(&self, address: &str) -> Result<Arc<Connection>, CallError> {
        let slot = self.slots().entry(address.to_owned()).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = &*slot
            && !connection.is_closed()
        {
            return Ok(connection.clone());
        }
        let failed = |source| CallError::Connect {
            address: address.to_owned(),
            source,
        };
        let stream = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await
        {
            Ok(stream) => stream.map_err(failed)?,
            Err(_) => return Err(failed(std::io::ErrorKind::TimedOut.into())),
        };
        let connection = Connection::new(&stream).map_err(failed)?;
        tokio::spawn(
            connection
                .clone()
                .run(stream, self.service.clone(), self.limits.clone()),
        );
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// Sends a request and waits for its response, whatever its code.
    pub async fn call(
        &self,
        address: &str,
        request: RemotingCommand,
        timeout: Duration,
    ) -> Result<RemotingCommand, CallError> {
        let connection = match self.open_connection(address) {
            Some(open) => open,
            // Others that try to connect before us, one after the other, may take long.
            None => tokio::time::timeout(timeout, self.connect(address))
                .await
                .unwrap_or_else(|_| {
                    Err(CallError::Connect {
                        address: address.to_owned(),
                        source: std::io::ErrorKind::TimedOut.into(),
                    })
                })?,
        };
        connection.call(request, timeout).await
    }

    /// Sends a request for which no response is wanted.
    pub async fn send_oneway(
        &self,
        address: &str,
        request: RemotingCommand,
    ) -> Result<(), CallError> {
        self.connection(address).await?.send_oneway(request);
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let slots: Vec<Slot> = self.slots().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            if let Some(connection) = slot.lock().await.take() {
                connection.close();
            }
        }
    }
}

/// For a caller that serves nothing itself.
#[derive(Debug, Default)]
pub struct NoService;

impl Service for NoService {
    fn request(&self, _connection: &Arc<Connection>, _request: &CommandView<'_>, _frame: &[u8]) {}

    fn closed(&self, _connection: &Arc<Connection>) {}
}
