//! One HTTP/2 connection.

use std::{sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, transport::server::TcpConnectInfo};

use crate::{admission::Admission, config::ServerConfig};

/// What all metadata of one call may take together, in bytes.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// How many streams one connection may have had reset before anybody looked at them, and how many errors of streams it may make the server
/// answer; beyond it the connection is closed, with every call on it. HTTP libraries take 20 and 1,024, against clients that open and reset
/// without end. But a client with many calls under way cancels as many at once when its own caller goes away, and none of it is an attack.
fn max_resets(config: &ServerConfig, peer: Peer) -> usize {
    match peer {
        Peer::World => (config.max_calls_per_connection as usize).saturating_mul(8).clamp(1_000, 10_000),
        // One connection carries the calls of everybody: who cancels must not end the others'.
        Peer::Ourselves => 100_000,
    }
}

/// Who is at the other end of a server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Anybody.
    World,
    /// The same process.
    Ourselves,
}

#[derive(Clone)]
pub(super) struct Connections {
    http: Arc<Builder<TokioExecutor>>,
    admission: Arc<Admission>,
    stop: CancellationToken,
    max_age: Duration,
}

impl Connections {
    pub(super) fn new(config: &ServerConfig, peer: Peer, admission: Arc<Admission>, stop: CancellationToken) -> Self {
        let mut http = Builder::new(TokioExecutor::new()).http2_only();
        let max_resets = max_resets(config, peer);
        http.http2()
            .max_pending_accept_reset_streams(max_resets)
            .max_local_error_reset_streams(max_resets)
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.max_calls_per_connection)
            .keep_alive_interval(Duration::from_millis(config.keepalive_interval_ms))
            .keep_alive_timeout(Duration::from_millis(config.keepalive_timeout_ms))
            .max_header_list_size(MAX_HEADER_BYTES);
        Self { http: Arc::new(http), admission, stop, max_age: Duration::from_millis(config.max_connection_age_ms) }
    }

    /// Serves it until the peer closes it, or it is told to go away (GOAWAY) and its calls are done.
    pub(super) async fn serve<I>(self, io: I, info: Option<TcpConnectInfo>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let admission = self.admission;
        let service = tower::service_fn(move |request: http::Request<_>| {
            let (admission, info) = (admission.clone(), info.clone());
            async move {
                let mut request = request.map(Body::new);
                if let Some(info) = info {
                    request.extensions_mut().insert(info);
                }
                Ok::<_, std::convert::Infallible>(admission.answer(request).await)
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
        tokio::pin!(connection);

        let age = tokio::time::sleep(self.max_age.mul_f64(rand::random_range(0.9..1.1)));
        tokio::pin!(age);
        tokio::select! {
            ended = connection.as_mut() => return note(ended),
            () = self.stop.cancelled() => {}
            () = &mut age => {}
        }
        connection.as_mut().graceful_shutdown();
        note(connection.await);
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error, "a connection broke");
    }
}
