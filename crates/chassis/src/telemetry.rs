//! Logs to stderr, traces to a collector, and the trace context (W3C) in and out of gRPC metadata. Bodies and the values of
//! metadata are never logged.

use std::io::IsTerminal;

use http::HeaderMap;
use opentelemetry::{
    global,
    propagation::{Extractor, Injector},
    trace::TracerProvider,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tonic::{
    Request, Status,
    metadata::{MetadataKey, MetadataMap},
};
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, filter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogFormat, TelemetryConfig};

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none; [`crate::config::Validate`] finds it first.
    #[error("`telemetry.log` is not a log filter: {0}")]
    Filter(#[from] filter::ParseError),
    /// The exporter does not take the endpoint.
    #[error("`telemetry.otlp_endpoint` cannot be used: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Something else in this process has set up logging.
    #[error("logging is already set up: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Telemetry as long as it runs; to be ended with [`Telemetry::shutdown`].
#[derive(Debug)]
#[must_use = "what was not sent yet is lost unless this is shut down"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Sets up logs, and traces where an endpoint is configured. `service` is `service.name`: `tenantry-authz`. Once per process, inside
/// a tokio runtime.
pub fn init(config: &TelemetryConfig, service: &str) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::builder().parse(&config.log)?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Text => fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    let traces = config.otlp_endpoint.as_deref().map(|endpoint| exporter(endpoint, config.trace_ratio, service)).transpose()?;
    let spans = traces.as_ref().map(|provider| {
        global::set_text_map_propagator(TraceContextPropagator::new());
        tracing_opentelemetry::layer().with_tracer(provider.tracer("tenantry")).with_filter(filter::filter_fn(is_ours))
    });
    tracing_subscriber::registry().with(lines.with_filter(filter).with_filter(filter::filter_fn(is_fit_to_log))).with(spans).try_init()?;
    Ok(Telemetry { traces })
}

fn exporter(endpoint: &str, ratio: f64, service: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
        .with_resource(Resource::builder().with_service_name(service.to_owned()).build())
        .build())
}

impl Telemetry {
    /// Sends what was not sent yet; waits at most a few seconds for the collector.
    pub async fn shutdown(self) {
        let Some(traces) = self.traces else { return };
        // The exporter's last word is said on its own thread, and waited for on this one.
        let stopped = tokio::task::spawn_blocking(move || traces.shutdown()).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// These print whole frames, and so metadata, below INFO: whatever the filter says, they do not here.
const WIRE: [&str; 6] = ["h2", "hyper", "hyper_util", "tonic", "tower", "rustls"];

fn is_wire(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target().split("::").next().unwrap_or_default();
    WIRE.contains(&target)
}

fn is_fit_to_log(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !is_wire(metadata)
}

/// Sending traces is itself gRPC; tracing that would never end.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO && !is_wire(metadata) && !metadata.target().starts_with("opentelemetry")
}

/// The span of one call. Names follow the OpenTelemetry conventions for gRPC.
pub(crate) fn call_span(method: &str, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = tracing::field::Empty,
    );
    if headers.contains_key("traceparent") {
        let parent = global::get_text_map_propagator(|propagator| propagator.extract(&Headers(headers)));
        // Fails where no traces are made.
        let _ = span.set_parent(parent);
    }
    span
}

/// Writes the present span's trace context into the metadata of a call to another service.
pub fn inject(metadata: &mut MetadataMap) {
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Outgoing(metadata)));
}

/// [`inject`] as an interceptor: `XClient::with_interceptor(channel, telemetry::propagate)`.
pub fn propagate(mut request: Request<()>) -> Result<Request<()>, Status> {
    inject(request.metadata_mut());
    Ok(request)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|key| key.as_str()).collect()
    }
}

struct Outgoing<'a>(&'a mut MetadataMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (MetadataKey::from_bytes(key.as_bytes()), value.parse()) {
            self.0.insert(key, value);
        }
    }
}
