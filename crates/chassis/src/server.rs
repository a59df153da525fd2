//! Several services on one address, or in memory, behind one admission.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use chassis::{Server, config::{IdentityConfig, ServerConfig}, identity::Identification, signals};
//!
//! let shutdown = signals::shutdown()?;
//! let server = Server::new(ServerConfig::default(), Identification::new(&IdentityConfig::default()));
//! // let loaded = server.readiness().wait_for(AuthorizationServer::<…>::NAME);
//! // let server = server.add_service(AuthorizationServer::new(…));
//! let bound = server.bind().await?;
//! println!("listening on {:?}", bound.address());
//! bound.serve(shutdown).await;
//! # Ok(())
//! # }
//! ```

mod connection;
mod health;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::{
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{Channel, Endpoint, Uri, server::Connected},
};
use tower::Service;

use self::{
    connection::{Connections, Peer},
    health::Health,
};
use crate::{
    admission::Admission,
    config::ServerConfig,
    drain::Drain,
    identity::{Exposed, Identification},
    method::Methods,
    readiness::Readiness,
};

/// The largest message a service accepts, in bytes: tonic's default, which every generated server has unless told otherwise.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// What one in-memory connection holds in each direction before its writer waits.
const MEMORY_BUFFER_BYTES: usize = 256 * 1024;
/// After the drain: how long answers that were cut off have to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a server could not start. An address that it had taken is free again.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The way of identification may not be used there.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The address cannot be had.
    #[error("cannot listen on `{address}`: {cause}")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// The compiled-in descriptors of the contracts do not fit together.
    #[error("the contracts' descriptors cannot be served: {0}")]
    Descriptors(#[from] tonic_reflection::server::Error),
    /// The same, found when they were read.
    #[error("the contracts' descriptors cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
}

/// A server being put together.
pub struct Server {
    config: ServerConfig,
    identification: Identification,
    routes: Routes,
    services: Vec<&'static str>,
    descriptors: Vec<&'static [u8]>,
    readiness: Readiness,
    drain: Drain,
    listener: Option<Listener>,
}

impl Server {
    /// A server for `config.listen`.
    pub fn new(config: ServerConfig, identification: Identification) -> Self {
        Self {
            config,
            identification,
            routes: Routes::default(),
            services: Vec::new(),
            descriptors: vec![api::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET],
            readiness: Readiness::default(),
            drain: Drain::new(),
            listener: None,
        }
    }

    /// A server that only the channel reaches, without a socket. The channel may be cloned; it connects when first used, and calls made before
    /// [`Bound::serve`] runs wait for it.
    pub fn in_memory(config: ServerConfig, identification: Identification) -> (Self, Channel) {
        let (connect, connections) = mpsc::channel(16);
        let connector = tower::service_fn(move |_: Uri| {
            let connect = connect.clone();
            async move {
                let (client, server) = tokio::io::duplex(MEMORY_BUFFER_BYTES);
                match connect.send(server).await {
                    Ok(()) => Ok(TokioIo::new(client)),
                    Err(_) => Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the in-memory server is gone")),
                }
            }
        });
        let channel = Endpoint::from_static("http://in-memory").connect_with_connector_lazy(connector);
        (Self { listener: Some(Listener::Memory(connections)), ..Self::new(config, identification) }, channel)
    }

    /// Adds a generated server (`DirectoryServer::new(…)`). Each service once.
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.services.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Adds contracts beside those of `api`: what reflection shows, and from what it is known which methods stream.
    pub fn add_descriptors(mut self, file_descriptor_set: &'static [u8]) -> Self {
        self.descriptors.push(file_descriptor_set);
        self
    }

    /// Drains together with whoever else has it (several servers of one process).
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Reports the readiness of whoever else has it, too.
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// With this the services' streams hear that they should end.
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// With this services say when they are ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Takes the address before the services are there: for those that must not begin what costs without it. Further calls, and
    /// [`Server::bind`], go on with it.
    pub async fn listen(mut self) -> Result<Self, StartError> {
        self.listener = Some(self.take_address().await?);
        Ok(self)
    }

    /// Takes the address, if [`Server::listen`] has not. From here on clients connect; they are answered once [`Bound::serve`] runs.
    pub async fn bind(mut self) -> Result<Bound, StartError> {
        let listener = self.take_address().await?;
        let methods = Methods::read(
            &[&self.descriptors[..], &[tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET, tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET]]
                .concat(),
        )?;
        let mut routes = self.routes;
        if self.config.reflection {
            // All that the contracts describe, but only what is served here is listed.
            let builder = || {
                let mut builder = tonic_reflection::server::Builder::configure();
                for descriptors in &self.descriptors {
                    builder = builder.register_encoded_file_descriptor_set(descriptors);
                }
                let built_in = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
                self.services.iter().copied().chain(built_in).fold(builder, |builder, name| builder.with_service_name(name))
            };
            routes = routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
        }
        let (health, health_service) = Health::new(self.services, self.readiness).await;
        routes = routes.add_service(health_service);

        let over = CancellationToken::new();
        let admission = Admission::new(&self.config, routes, methods, self.identification, self.drain.clone(), over.clone());
        Ok(Bound { config: self.config, listener, admission: Arc::new(admission), health, drain: self.drain, over })
    }

    async fn take_address(&mut self) -> Result<Listener, StartError> {
        if let Some(taken) = self.listener.take() {
            return Ok(taken);
        }
        let address = self.config.listen;
        self.identification.allow(Some(address))?;
        let listener = TcpListener::bind(address).await.map_err(|cause| StartError::Bind { address, cause })?;
        Ok(Listener::Tcp(listener))
    }
}

/// Where clients come from.
enum Listener {
    Tcp(TcpListener),
    Memory(mpsc::Receiver<DuplexStream>),
}

enum Accepted {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Listener {
    fn peer(&self) -> Peer {
        match self {
            Self::Tcp(_) => Peer::World,
            Self::Memory(_) => Peer::Ourselves,
        }
    }

    async fn accept(&mut self) -> Accepted {
        match self {
            Self::Tcp(listener) => loop {
                match listener.accept().await {
                    Ok((stream, _)) => return Accepted::Tcp(stream),
                    Err(error) => {
                        // Out of file descriptors, most likely: they come back as connections end.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            },
            Self::Memory(connections) => match connections.recv().await {
                Some(stream) => Accepted::Memory(stream),
                // Every channel is gone; nobody will ever connect.
                None => std::future::pending().await,
            },
        }
    }
}

/// A server that has its address.
pub struct Bound {
    config: ServerConfig,
    listener: Listener,
    admission: Arc<Admission>,
    health: Health,
    drain: Drain,
    over: CancellationToken,
}

impl Bound {
    /// The address that clients connect to, the real port in it; `None` in memory.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Memory(_) => None,
        }
    }

    /// Serves until `shutdown` ends and the drain is over: health says NOT_SERVING and calls are still taken for
    /// `drain_pause_ms`; then no more are, streams are told to end, and calls have `drain_ms` to finish; what is left is answered
    /// UNAVAILABLE.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { config, mut listener, admission, health, drain, over } = self;
        let (draining, draining_seen) = watch::channel(false);
        let _health = AbortOnDropHandle::new(tokio::spawn(health.report(draining_seen)));

        let stop = CancellationToken::new();
        let connections = Connections::new(&config, listener.peer(), admission, stop.clone());
        let places = Arc::new(Semaphore::new(config.max_connections));
        let mut open = JoinSet::new();
        let told = async {
            shutdown.await;
            draining.send_replace(true);
            tokio::time::sleep(Duration::from_millis(config.drain_pause_ms)).await;
        };
        tokio::pin!(told);
        loop {
            tokio::select! {
                biased;
                () = &mut told => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                accepted = listener.accept() => {
                    let Ok(place) = places.clone().try_acquire_owned() else {
                        tracing::warn!(limit = config.max_connections, "closed a connection: there are too many");
                        continue;
                    };
                    let connections = connections.clone();
                    open.spawn(async move {
                        match accepted {
                            Accepted::Tcp(stream) => {
                                // Small answers should not wait for more.
                                let _ = stream.set_nodelay(true);
                                let info = stream.connect_info();
                                connections.serve(stream, Some(info)).await;
                            }
                            Accepted::Memory(stream) => connections.serve(stream, None).await,
                        }
                        drop(place);
                    });
                }
            }
        }

        // Closes the port: new clients are refused rather than left waiting.
        drop(listener);
        tracing::info!(connections = open.len(), "draining");
        drain.begin();
        stop.cancel();
        let all_closed = async |open: &mut JoinSet<()>| while open.join_next().await.is_some() {};
        if tokio::time::timeout(Duration::from_millis(config.drain_ms), all_closed(&mut open)).await.is_err() {
            over.cancel();
            if tokio::time::timeout(LAST_WORDS, all_closed(&mut open)).await.is_err() {
                tracing::warn!(connections = open.len(), "closed connections that would not end");
            }
        }
        open.shutdown().await;
    }
}
