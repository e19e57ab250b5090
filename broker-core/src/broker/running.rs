//! A running broker: how it starts, what it does by itself, and the order in which it stops.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use remoting::transport::connection::{Connection, Limits};
use remoting::transport::listener::{self, Listening};
use remoting::transport::router::{Pool, Router, Server};
use remoting::transport::tls::{TlsError, TlsServer};
use remoting::transport::workers::{Priority, Workers};
use store::fs::OsFileSystem;
use store::{Clock, ShutdownReport, Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::Broker;
use crate::config::{BrokerConfig, ConfigError, LiveConfig};
use crate::events::BrokerEvents;
use crate::groups::Groups;
use crate::handlers::{client, pull};
use crate::long_polling::{HeldPull, LongPolling};
use crate::offsets::Offsets;
use crate::registration::{Registering, Registration};
use crate::routes::{VIP_EXCLUDED, routes};
use crate::schedule::{self, Schedule};
use crate::stats::Stats;
use crate::table_file::TableError;
use crate::topics::Topics;
use crate::transactions::{self, Committed};

/// Cold reads, queries, searches by time. A consumer of old messages must not make senders wait.
const READ_THREADS: usize = 4;
/// Changes are made by one thread, in the order in which they come.
const ADMIN_THREADS: usize = 1;
/// Requests that may wait for a thread of one pool, each with a copy of its frame.
const QUEUE_CAPACITY: usize = 10_000;
/// How often waiting pulls are looked at: their deadline is met within this.
const LONG_POLLING_TICK: Duration = Duration::from_millis(100);
/// How often silent clients are looked for.
const CLIENT_EXPIRY_TICK: Duration = Duration::from_secs(10);

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens there.
    #[error("{address} is in use by another program")]
    AddressInUse {
        /// Where it wanted to listen.
        address: SocketAddr,
    },
    /// The system does not let it listen.
    #[error("listen on {address}: {source}")]
    Listen {
        /// Where it wanted to listen.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// A value of the configuration cannot be used on this machine.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store does not open.
    #[error("open the store: {0}")]
    Store(#[source] StoreError),
    /// Topics, groups or offsets cannot be read.
    #[error("load {what}: {problem}")]
    Table {
        /// Which table.
        what: &'static str,
        /// What is wrong with its files.
        problem: String,
    },
    /// Certificate or key cannot be used.
    #[error("prepare TLS: {0}")]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running broker. It runs until [`Self::shutdown`].
pub struct RunningBroker {
    broker: Arc<Broker>,
    main: Listening,
    /// Two below the main port; some clients send there.
    vip: Option<Listening>,
    tasks: Vec<JoinHandle<()>>,
    registering: Registering,
}

impl RunningBroker {
    /// Listens, opens the store, loads the tables, and registers with the name servers in the
    /// background. Must be called within a tokio runtime. `file` is where changes of the
    /// configuration are kept: the one that was given with `-c`.
    ///
    /// # Errors
    /// Nothing in the store folder was touched when an address is in use or the store is.
    pub async fn start(config: BrokerConfig, file: Option<PathBuf>) -> Result<Self, StartError> {
        let tls = TlsServer::new(&config.tls())?;
        let bind = |port| {
            let address = SocketAddr::new(config.bind_address, port);
            listener::bind(address)
                .map(|listener| (address, listener))
                .map_err(|e| not_listening(address, e))
        };
        let (address, main) = bind(config.listen_port)?;
        let port = main
            .local_addr()
            .map_err(|e| not_listening(address, e))?
            .port();
        let vip = match config.listen_port {
            0 => Some(bind(0)?),
            1 | 2 => None,
            port => Some(bind(port - 2)?),
        };
        let limits = Limits {
            idle: Duration::from_secs(config.server_channel_max_idle_time_seconds),
            ..Limits::default()
        };
        let store_host = config.store_host(port)?;
        let (awake, woken) = unbounded_channel();
        let (committed, to_note) = unbounded_channel();
        let broker = tokio::task::spawn_blocking(move || {
            Broker::open(config, file, port, store_host, awake, committed)
        })
        .await
        .map_err(|e| StartError::Thread(io::Error::other(e)))??;
        let broker = Arc::new(broker);

        let router = |routes| {
            Router::new(
                broker.clone(),
                routes,
                broker.read.clone(),
                broker.admin.clone(),
            )
        };
        let router_of_main = Arc::new(router(routes()));
        let main = Listening::start_with_tls(main, router_of_main, limits.clone(), tls.clone())
            .map_err(|e| not_listening(address, e))?;
        let vip = match vip {
            Some((address, listener)) => Some(
                Listening::start_with_tls(
                    listener,
                    Arc::new(router(routes().without(VIP_EXCLUDED))),
                    limits,
                    tls,
                )
                .map_err(|e| not_listening(address, e))?,
            ),
            None => None,
        };
        let tasks = vec![
            tokio::spawn(resume_woken(broker.clone(), woken)),
            tokio::spawn(expire_held(broker.clone())),
            tokio::spawn(expire_clients(broker.clone())),
            tokio::spawn(keep_offsets(broker.clone())),
            tokio::spawn(count_stats(broker.clone())),
            tokio::spawn(schedule::deliver(broker.clone())),
            tokio::spawn(keep_delay_offsets(broker.clone())),
            tokio::spawn(transactions::note_committed(broker.clone(), to_note)),
            tokio::spawn(transactions::check(broker.clone())),
        ];
        let registering = broker.registration.start(&broker.topics, &broker.config);
        tracing::info!(address = %main.address, store = %store_host, "broker started");
        Ok(Self {
            broker,
            main,
            vip,
            tasks,
            registering,
        })
    }

    /// Where it listens; with `listenPort` 0 this has the port that was free.
    pub fn address(&self) -> SocketAddr {
        self.main.address
    }

    /// `brokerIP1:listenPort`, as name servers give it to clients.
    pub fn advertised_address(&self) -> String {
        self.broker
            .config
            .current()
            .broker_address(self.main.address.port())
    }

    /// Completes once a name server knows this broker; at once if it has none to register with.
    pub async fn registered(&self) {
        self.broker.registration.registered().await;
    }

    /// Stops: no new connections, out of the name servers' routes, requests under way answered for
    /// `drain` at most, connections closed, tables and store synced.
    ///
    /// # Errors
    /// What could not be synced. The next start recovers as after a crash.
    pub async fn shutdown(self, drain: Duration) -> Result<ShutdownReport, StoreError> {
        let broker = self.broker;
        self.main.stop_accepting();
        if let Some(vip) = &self.vip {
            vip.stop_accepting();
        }
        // Clients learn of it here, and go elsewhere while their requests are still served.
        broker
            .registration
            .unregister(self.registering, &broker.config.current())
            .await;
        broker.release_held();
        match self.vip {
            Some(vip) => {
                tokio::join!(self.main.shutdown(drain), vip.shutdown(drain));
            }
            None => self.main.shutdown(drain).await,
        }
        broker.schedule.end();
        for task in &self.tasks {
            task.abort();
        }
        let closed = tokio::task::spawn_blocking(move || {
            broker.persist_offsets();
            broker.persist_delay_offsets();
            broker.store.shutdown()
        });
        closed
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

impl Broker {
    fn open(
        config: BrokerConfig,
        file: Option<PathBuf>,
        port: u16,
        store_host: SocketAddr,
        awake: UnboundedSender<Vec<HeldPull>>,
        committed: UnboundedSender<Committed>,
    ) -> Result<Self, StartError> {
        let clock = Clock::system();
        let long_polling = Arc::new(Mutex::new(LongPolling::default()));
        let store_config = config.store_config(port)?;
        let cluster = config.broker_cluster_name.clone();
        let schedule = Arc::new(Schedule::new(&config));
        let config = Arc::new(LiveConfig::new(config, file));
        let stats = Arc::new(Stats::new(&cluster, clock.now_ms()));
        let events = BrokerEvents {
            config: config.clone(),
            stats: stats.clone(),
            schedule: schedule.clone(),
            committed,
            store_host,
            long_polling: long_polling.clone(),
            awake: awake.clone(),
        };
        // First: it takes the lock on the folder that the tables are in.
        let store = Store::open(store_config, OsFileSystem, clock.clone(), events)
            .map_err(StartError::Store)?;
        let current = config.current();
        let table = |what| {
            move |problem: TableError| StartError::Table {
                what,
                problem: problem.to_string(),
            }
        };
        schedule
            .load()
            .map_err(table("the progress of delayed messages"))?;
        Ok(Self {
            topics: Arc::new(Topics::open(&current, clock.now_ms()).map_err(table("topics"))?),
            groups: Groups::open(&current, clock.now_ms()).map_err(table("consumer groups"))?,
            offsets: Offsets::open(&current).map_err(table("consumer offsets"))?,
            stats,
            schedule,
            registration: Registration::new(port),
            read: pool("broker-read", READ_THREADS, Priority::Low, &current)?,
            admin: pool("broker-admin", ADMIN_THREADS, Priority::Normal, &current)?,
            runtime: Handle::current(),
            clients: Mutex::default(),
            locks: Mutex::default(),
            next_queue: AtomicU32::new(0),
            config,
            store_host,
            clock,
            store,
            long_polling,
            awake,
        })
    }
}

impl Server for Broker {
    fn end_of_batch(&self) {
        self.store.kick();
    }

    fn connection_closed(&self, connection: &Arc<Connection>) {
        let changed = self.clients().connection_closed(connection.id);
        client::notify_changed(self, &changed);
    }
}

fn pool(
    name: &str,
    threads: usize,
    priority: Priority,
    config: &BrokerConfig,
) -> Result<Pool, StartError> {
    let workers =
        Workers::start(name, threads, QUEUE_CAPACITY, priority).map_err(StartError::Thread)?;
    Ok(Pool {
        workers: Arc::new(workers),
        max_wait: Duration::from_millis(config.wait_time_mills_in_pull_queue),
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

/// Runs pulls that were woken: from memory right here, from disk on the pool.
async fn resume_woken(broker: Arc<Broker>, mut woken: UnboundedReceiver<Vec<HeldPull>>) {
    while let Some(pulls) = woken.recv().await {
        for held in pulls {
            let Err(held) = pull::resume(&broker, held, store::ReadFrom::MemoryOnly) else {
                continue;
            };
            let reply = held.reply.clone();
            let again = broker.clone();
            let submitted = broker.read.workers.submit(move |_| {
                // Allowed to read anywhere, it never gives the pull back.
                let _ = pull::resume(&again, held, store::ReadFrom::Anywhere);
            });
            if submitted.is_err() {
                reply.send(&pull::not_found_yet());
            }
        }
    }
}

async fn expire_held(broker: Arc<Broker>) {
    let mut tick = every(LONG_POLLING_TICK);
    loop {
        tick.tick().await;
        let expired = broker.long_polling().expired(Instant::now());
        broker.resume(expired);
    }
}

async fn expire_clients(broker: Arc<Broker>) {
    let mut tick = every(CLIENT_EXPIRY_TICK);
    loop {
        tick.tick().await;
        let (changed, silent) = broker.clients().expire(broker.clock.now_ms());
        for connection in silent {
            connection.close();
        }
        client::notify_changed(&broker, &changed);
    }
}

async fn keep_offsets(broker: Arc<Broker>) {
    let period = broker.config.current().flush_consumer_offset_interval;
    let mut tick = every(Duration::from_millis(period.max(1)));
    loop {
        tick.tick().await;
        if broker.offsets.is_dirty() {
            let broker = broker.clone();
            let _ = tokio::task::spawn_blocking(move || broker.persist_offsets()).await;
        }
    }
}

async fn keep_delay_offsets(broker: Arc<Broker>) {
    let mut tick = every(Duration::from_millis(
        broker.config.current().flush_delay_offset_interval,
    ));
    loop {
        tick.tick().await;
        let broker = broker.clone();
        let _ = tokio::task::spawn_blocking(move || broker.persist_delay_offsets()).await;
    }
}

async fn count_stats(broker: Arc<Broker>) {
    let mut tick = every(Duration::from_secs(1));
    loop {
        tick.tick().await;
        broker.stats.tick(broker.clock.now_ms());
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
