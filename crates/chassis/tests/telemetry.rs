//! Traces from end to end: a call with a trace context, its span at a collector. Its own process, since telemetry is set up once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::{convert::Infallible, sync::Arc};

use chassis::{
    Server,
    config::{IdentityConfig, LogFormat, ServerConfig, TelemetryConfig},
    identity::Identification,
    telemetry,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tonic::{
    Request, Response, Status,
    body::Body,
    metadata::MetadataMap,
    server::{Grpc, NamedService},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;

/// `ExportTraceServiceRequest`, as far as it matters here.
#[derive(Clone, PartialEq, prost::Message)]
struct Export {
    #[prost(bytes = "vec", repeated, tag = "1")]
    resource_spans: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct Collector(mpsc::UnboundedSender<Vec<u8>>);

/// Answers with the trace context that it would send on.
#[derive(Clone)]
struct Forwarder;

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl NamedService for Forwarder {
    const NAME: &'static str = "test.Forwarder";
}

type Answering = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

impl tower::Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        let collector = self.clone();
        async move {
            let collect = tower::service_fn(move |request: Request<Export>| {
                request.into_inner().resource_spans.into_iter().for_each(|spans| collector.0.send(spans).unwrap());
                async { Ok::<_, Status>(Response::new(())) }
            });
            Ok(Grpc::new(ProstCodec::<(), Export>::default()).unary(collect, request).await)
        }
        .boxed()
    }
}

impl tower::Service<http::Request<Body>> for Forwarder {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        async move {
            let forward = tower::service_fn(|_: Request<HealthCheckRequest>| async {
                let mut metadata = MetadataMap::new();
                telemetry::inject(&mut metadata);
                let sent = metadata.get("traceparent").map_or("", |value| value.to_str().unwrap()).to_owned();
                Ok::<_, Status>(Response::new(HealthCheckRequest { service: sent }))
            });
            let codec = ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
            Ok(Grpc::new(codec).unary(forward, request).await)
        }
        .boxed()
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_through_a_call_and_arrives_at_the_collector_before_the_end() {
    let (received, mut receive) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = futures::stream::unfold(Arc::new(listener), |listener| async move {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    tokio::spawn(tonic::transport::Server::builder().add_service(Collector(received)).serve_with_incoming(incoming));

    let config =
        TelemetryConfig { otlp_endpoint: Some(endpoint), format: LogFormat::Json, log: "trace".into(), ..TelemetryConfig::default() };
    let running = telemetry::init(&config, "tenantry-test").unwrap();
    assert!(matches!(telemetry::init(&config, "tenantry-test"), Err(telemetry::TelemetryError::Twice(_))));

    let (server, channel) = Server::in_memory(ServerConfig::default(), Identification::new(&IdentityConfig::default()));
    let bound = server.add_service(Forwarder).bind().await.unwrap();
    let (_stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(bound.serve(stopped.map(|_| ())));

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("traceparent", format!("00-{trace}-b7ad6b7169203331-01").parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/test.Forwarder/Forward");
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let answer: Response<HealthCheckRequest> = grpc.unary(request, path, codec).await.unwrap();
    let sent = answer.into_inner().service;
    assert!(sent.starts_with(&format!("00-{trace}-")) && sent.ends_with("-01"), "{sent}");
    assert!(!sent.contains("b7ad6b7169203331"), "the span that is sent on is the call's own");

    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    running.shutdown().await;
    let mut spans = Vec::new();
    while let Ok(batch) = receive.try_recv() {
        spans.extend(batch);
    }
    assert!(contains(&spans, b"tenantry-test") && contains(&spans, b"grpc.health.v1.Health/Check"));
    assert!(contains(&spans, b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"));
}
