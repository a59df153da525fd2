//! A process of its own, since a signal goes to all of it.

use std::process::{self, Command};

use futures::FutureExt;

#[tokio::test]
async fn a_signal_ends_the_wait_also_when_it_comes_before_the_wait() {
    for signal in ["-TERM", "-INT"] {
        let mut shutdown = Box::pin(chassis::signals::shutdown().unwrap());
        assert!(shutdown.as_mut().now_or_never().is_none());
        assert!(Command::new("kill").args([signal, &process::id().to_string()]).status().unwrap().success());
        shutdown.await;
    }
}
