//! When the process is told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// A future that ends at the first SIGINT (ctrl-c) or SIGTERM (what Kubernetes sends).
///
/// The handlers are in place when this returns, so a signal that comes before the future is polled is not lost.
/// Fails where the operating system refuses a handler. Must be called inside a tokio runtime.
pub fn shutdown() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "told to stop");
    })
}
