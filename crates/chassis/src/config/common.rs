//! The sections that every service has.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Problems, Validate};
use crate::identity::is_id;

/// `server`: where to listen, and how much to take on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Whether clients may ask for the contracts (grpcurl).
    pub reflection: bool,
    /// Unary calls under way in this process; the next one is refused at once.
    pub max_calls: usize,
    /// Streams open in this process; the next one is refused at once.
    pub max_streams: usize,
    /// Connections open in this process; the next one is closed at once.
    pub max_connections: usize,
    /// Calls under way on one connection; further ones wait at the client.
    pub max_calls_per_connection: u32,
    /// A connection is told to go away at about this age (a tenth earlier or later), so that load spreads over new replicas.
    pub max_connection_age_ms: u64,
    /// A silent connection is asked whether it still lives…
    pub keepalive_interval_ms: u64,
    /// …and closed when it does not say so in time.
    pub keepalive_timeout_ms: u64,
    /// The deadline of a call that brings none.
    pub default_deadline_ms: u64,
    /// The latest deadline of a unary call, whatever it brings.
    pub max_deadline_ms: u64,
    /// After the signal to stop: how long health says NOT_SERVING while calls are still taken, so that balancers notice.
    pub drain_pause_ms: u64,
    /// Then: how long calls under way have to finish, before they are ended with UNAVAILABLE.
    pub drain_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            reflection: true,
            max_calls: 1024,
            max_streams: 1024,
            max_connections: 4096,
            max_calls_per_connection: 128,
            max_connection_age_ms: 30 * 60 * 1000,
            keepalive_interval_ms: 20_000,
            keepalive_timeout_ms: 10_000,
            default_deadline_ms: 10_000,
            max_deadline_ms: 60_000,
            drain_pause_ms: 2_000,
            drain_ms: 20_000,
        }
    }
}

impl ServerConfig {
    pub(crate) fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }

    pub(crate) fn max_deadline(&self) -> Duration {
        Duration::from_millis(self.max_deadline_ms)
    }
}

impl Validate for ServerConfig {
    fn validate(&self, problems: &mut Problems) {
        // tokio's semaphores hold no more.
        let count = |number: usize| (1..=1_000_000).contains(&number);
        problems.check(count(self.max_calls), "max_calls", "must be between 1 and 1000000");
        problems.check(count(self.max_streams), "max_streams", "must be between 1 and 1000000");
        problems.check(count(self.max_connections), "max_connections", "must be between 1 and 1000000");
        problems.check((1..=10_000).contains(&self.max_calls_per_connection), "max_calls_per_connection", "must be between 1 and 10000");
        let hour = 3_600_000;
        problems.check(
            (1_000..=24 * hour).contains(&self.max_connection_age_ms),
            "max_connection_age_ms",
            "must be between 1000 and 86400000",
        );
        problems.check((1_000..=hour).contains(&self.keepalive_interval_ms), "keepalive_interval_ms", "must be between 1000 and 3600000");
        problems.check((1_000..=hour).contains(&self.keepalive_timeout_ms), "keepalive_timeout_ms", "must be between 1000 and 3600000");
        problems.check((1..=hour).contains(&self.default_deadline_ms), "default_deadline_ms", "must be between 1 and 3600000");
        problems.check((1..=hour).contains(&self.max_deadline_ms), "max_deadline_ms", "must be between 1 and 3600000");
        problems.check(self.default_deadline_ms <= self.max_deadline_ms, "default_deadline_ms", "must not exceed `max_deadline_ms`");
        problems.check(self.drain_pause_ms <= hour, "drain_pause_ms", "must be at most 3600000");
        problems.check(self.drain_ms <= hour, "drain_ms", "must be at most 3600000");
    }
}

/// `telemetry`: what the process says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What to log, as tracing's directives: `info`, `info,authz=debug`.
    pub log: String,
    /// How log lines look.
    pub format: LogFormat,
    /// Where to send traces (OTLP over gRPC): `http://localhost:4317`. None are made without it.
    pub otlp_endpoint: Option<String>,
    /// The share of traces begun here that are kept, 0 to 1. A trace begun elsewhere is kept if it was there.
    pub trace_ratio: f64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: "info".into(), format: LogFormat::Text, otlp_endpoint: None, trace_ratio: 1.0 }
    }
}

impl Validate for TelemetryConfig {
    fn validate(&self, problems: &mut Problems) {
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&self.log) {
            problems.add("log", format!("`{}` is not a log filter ({error}); for example `info` or `info,authz=debug`", self.log));
        }
        if let Some(endpoint) = &self.otlp_endpoint {
            let fits = endpoint.parse::<http::Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
            problems.check(
                fits,
                "otlp_endpoint",
                format!("`{endpoint}` is not a plain-text endpoint; for example `http://localhost:4317`"),
            );
        }
        problems.check((0.0..=1.0).contains(&self.trace_ratio), "trace_ratio", "must be between 0 and 1");
    }
}

/// `identity`: how callers prove who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityConfig {
    /// The way.
    pub mode: IdentityMode,
    /// The user who acts for the platform itself: `users/platform`.
    pub platform_actor: String,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdentityMode {
    /// They need not: everybody is believed. Refuses any address but loopback.
    Development,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self { mode: IdentityMode::Development, platform_actor: "users/platform".into() }
    }
}

impl Validate for IdentityConfig {
    fn validate(&self, problems: &mut Problems) {
        let fits = self.platform_actor.strip_prefix("users/").is_some_and(is_id);
        problems.check(fits, "platform_actor", format!("`{}` is not a user's name; for example `users/platform`", self.platform_actor));
    }
}
