//! The server from outside: a small service behind it, called over memory and over TCP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use chassis::{
    Deadline, Drain, Identity, Server,
    config::{IdentityConfig, ServerConfig},
    identity::{self, CALLER, Identification, ON_BEHALF_OF},
    server::{Bound, StartError},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use tonic::{
    Code, Request, Response, Status, Streaming, body::Body, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataMap,
    server::NamedService, transport::Channel,
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

/// What is said in both directions; any message with a text will do.
type Text = HealthCheckRequest;

fn text(service: impl Into<String>) -> Text {
    Text { service: service.into() }
}

/// Answers what it is asked for.
#[derive(Clone)]
struct Probe {
    drain: Drain,
    /// One permit for each call that has come in.
    entered: Arc<Semaphore>,
    /// One permit for each call that may go.
    leave: Arc<Semaphore>,
}

impl Probe {
    async fn ask(self, request: Request<Text>) -> Result<Response<Text>, Status> {
        match request.get_ref().service.as_str() {
            "who" => {
                let Identity { caller, actor } = identity::of(&request)?;
                Ok(Response::new(text(format!("{caller} for {}", actor.as_ref().map_or("nobody", |actor| &actor.name)))))
            }
            "user" => Ok(Response::new(text(&identity::require_actor(&request)?.name))),
            "deadline" => Ok(Response::new(text(Deadline::of(&request).remaining().as_millis().to_string()))),
            "panic" => panic!("as asked"),
            "wait" => {
                self.entered.add_permits(1);
                self.leave.acquire().await.unwrap().forget();
                Ok(Response::new(text("waited")))
            }
            other => Err(chassis::internal(format!("nobody asks {other}"))),
        }
    }

    async fn tail(self, request: Request<Text>) -> Result<Response<BoxStream<'static, Result<Text, Status>>>, Status> {
        let first = futures::stream::iter([Ok(text("first"))]);
        let rest = match request.get_ref().service.as_str() {
            "until drained" => self.drain.ends(futures::stream::pending()).boxed(),
            "panic" => futures::stream::once(async {
                tokio::task::yield_now().await;
                panic!("as asked")
            })
            .boxed(),
            _ => futures::stream::pending().boxed(),
        };
        Ok(Response::new(first.chain(rest).boxed()))
    }
}

impl NamedService for Probe {
    const NAME: &'static str = "test.Probe";
}

impl tower::Service<http::Request<Body>> for Probe {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let probe = self.clone();
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<Text, Text>::default());
        async move {
            Ok(match request.uri().path() {
                "/test.Probe/Ask" => grpc.unary(tower::service_fn(move |request| probe.clone().ask(request)), request).await,
                _ => grpc.server_streaming(tower::service_fn(move |request| probe.clone().tail(request)), request).await,
            })
        }
        .boxed()
    }
}

fn descriptors() -> &'static [u8] {
    let method =
        |name: &str, streams| MethodDescriptorProto { name: Some(name.into()), server_streaming: Some(streams), ..Default::default() };
    let service = ServiceDescriptorProto {
        name: Some("Probe".into()),
        method: vec![method("Ask", false), method("Tail", true)],
        ..Default::default()
    };
    let file =
        FileDescriptorProto { name: Some("test.proto".into()), package: Some("test".into()), service: vec![service], ..Default::default() };
    FileDescriptorSet { file: vec![file] }.encode_to_vec().leak()
}

fn config() -> ServerConfig {
    ServerConfig { listen: "127.0.0.1:0".parse().unwrap(), drain_pause_ms: 0, ..ServerConfig::default() }
}

fn development() -> Identification {
    Identification::new(&IdentityConfig::default())
}

/// A probe behind a server that is running.
struct Running {
    probe: Probe,
    channel: Channel,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

fn with_probe(server: Server) -> (Server, Probe) {
    let probe = Probe { drain: server.drain(), entered: Arc::new(Semaphore::new(0)), leave: Arc::new(Semaphore::new(0)) };
    (server.add_descriptors(descriptors()).add_service(probe.clone()), probe)
}

fn run(bound: Bound, channel: Channel, probe: Probe) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(bound.serve(stopped.map(|_| ())));
    Running { probe, channel, stop, served }
}

async fn start(config: ServerConfig) -> Running {
    let (server, channel) = Server::in_memory(config, development());
    let (server, probe) = with_probe(server);
    run(server.bind().await.unwrap(), channel, probe)
}

async fn start_tcp(config: ServerConfig) -> (Running, std::net::SocketAddr) {
    let (server, probe) = with_probe(Server::new(config, development()));
    let bound = server.bind().await.unwrap();
    let address = bound.address().unwrap();
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    (run(bound, channel, probe), address)
}

async fn ask_with(channel: &Channel, question: &str, metadata: &[(&'static str, &str)]) -> Result<String, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let request = request(question, metadata);
    let codec = ProstCodec::<Text, Text>::default();
    grpc.unary(request, PathAndQuery::from_static("/test.Probe/Ask"), codec).await.map(|answer| answer.into_inner().service)
}

async fn ask(channel: &Channel, question: &str) -> Result<String, Status> {
    ask_with(channel, question, &[]).await
}

async fn tail(channel: &Channel, question: &str, metadata: &[(&'static str, &str)]) -> Result<Streaming<Text>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let request = request(question, metadata);
    let codec = ProstCodec::<Text, Text>::default();
    grpc.server_streaming(request, PathAndQuery::from_static("/test.Probe/Tail"), codec).await.map(Response::into_inner)
}

fn request(question: &str, pairs: &[(&'static str, &str)]) -> Request<Text> {
    let mut metadata = MetadataMap::new();
    for (key, value) in pairs {
        metadata.insert(*key, value.parse().unwrap());
    }
    Request::from_parts(metadata, Default::default(), text(question))
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

async fn health(channel: &Channel, service: &str) -> Result<ServingStatus, Status> {
    HealthClient::new(channel.clone()).check(text(service)).await.map(|answer| answer.into_inner().status())
}

#[tokio::test]
async fn a_service_sees_who_calls_and_for_whom() {
    let running = start(config()).await;
    assert_eq!(ask(&running.channel, "who").await.unwrap(), "services/development for nobody");
    let said = [(CALLER, "services/console"), (ON_BEHALF_OF, "users/ann")];
    assert_eq!(ask_with(&running.channel, "who", &said).await.unwrap(), "services/console for users/ann");

    let malformed = ask_with(&running.channel, "who", &[(ON_BEHALF_OF, "ann")]).await.unwrap_err();
    assert_eq!((malformed.code(), reason(&malformed).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    let nobody = ask(&running.channel, "user").await.unwrap_err();
    assert_eq!((nobody.code(), reason(&nobody).as_str()), (Code::Unauthenticated, "ACTOR_MISSING"));
}

#[tokio::test]
async fn a_panic_fails_one_call_and_nothing_else() {
    let running = start(config()).await;
    let status = ask(&running.channel, "panic").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!status.message().contains("as asked"));

    let mut stream = tail(&running.channel, "panic", &[]).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(text("first")));
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Internal);
    assert!(ask(&running.channel, "who").await.is_ok());
}

#[tokio::test]
async fn calls_beyond_the_limit_are_refused_at_once_and_health_is_not() {
    let running = start(ServerConfig { max_calls: 1, max_streams: 1, ..config() }).await;
    let channel = running.channel.clone();
    let first = tokio::spawn(async move { ask(&channel, "wait").await });
    running.probe.entered.acquire().await.unwrap().forget();

    let refused = ask(&running.channel, "who").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(refused.get_error_details().retry_info().unwrap().retry_delay.is_some());
    assert_eq!(health(&running.channel, "").await.unwrap(), ServingStatus::Serving);

    let stream = tail(&running.channel, "forever", &[]).await.unwrap();
    assert_eq!(tail(&running.channel, "forever", &[]).await.unwrap_err().code(), Code::ResourceExhausted);
    drop(stream);

    running.probe.leave.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap(), "waited");
    assert!(ask(&running.channel, "who").await.is_ok());
    // The stream's place is free once the server has heard that nobody reads it.
    while tail(&running.channel, "forever", &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    let running = start(ServerConfig { default_deadline_ms: 20, max_deadline_ms: 40, ..config() }).await;
    for metadata in [&[][..], &[("grpc-timeout", "1H")]] {
        let status = ask_with(&running.channel, "wait", metadata).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE"));
    }
    let status = ask_with(&running.channel, "who", &[("grpc-timeout", "soon")]).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
}

#[tokio::test]
async fn a_service_sees_the_callers_deadline_up_to_the_maximum() {
    let running = start(ServerConfig { default_deadline_ms: 60_000, max_deadline_ms: 3_000_000, ..config() }).await;
    let remaining =
        async |metadata: &[(&'static str, &str)]| ask_with(&running.channel, "deadline", metadata).await.unwrap().parse::<u64>().unwrap();
    assert!((1..=60_000).contains(&remaining(&[]).await));
    assert!((1..=1_000_000).contains(&remaining(&[("grpc-timeout", "1000S")]).await));
    assert!((60_001..=3_000_000).contains(&remaining(&[("grpc-timeout", "9H")]).await));
}

#[tokio::test]
async fn a_stream_outlives_the_default_deadline_but_not_its_own() {
    let running = start(ServerConfig { default_deadline_ms: 20, max_deadline_ms: 20, ..config() }).await;
    // To begin with one, there is only as much time as for any call.
    let open = async |metadata: &[(&'static str, &str)]| loop {
        if let Ok(stream) = tail(&running.channel, "forever", metadata).await {
            break stream;
        }
    };
    let mut endless = open(&[]).await;
    assert_eq!(endless.message().await.unwrap(), Some(text("first")));
    let mut bounded = open(&[("grpc-timeout", "200m")]).await;
    let mut next = bounded.message().await;
    while let Ok(Some(_)) = next {
        next = bounded.message().await;
    }
    let status = next.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE"));
    assert!(endless.message().now_or_never().is_none());
}

#[tokio::test]
async fn draining_lets_calls_finish_and_ends_streams() {
    let running = start(config()).await;
    let channel = running.channel.clone();
    let call = tokio::spawn(async move { ask(&channel, "wait").await });
    running.probe.entered.acquire().await.unwrap().forget();
    let mut stream = tail(&running.channel, "until drained", &[]).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(text("first")));
    let mut watch = HealthClient::new(running.channel.clone()).watch(text("test.Probe")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    running.stop.send(()).unwrap();
    assert_eq!(stream.message().await.unwrap(), None);
    let mut last = watch.message().await;
    while let Ok(Some(status)) = last {
        assert_eq!(status.status(), ServingStatus::NotServing);
        last = watch.message().await;
    }
    assert_eq!(last.unwrap_err().code(), Code::Unavailable);
    assert!(!running.served.is_finished());
    running.probe.leave.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap(), "waited");
    running.served.await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_by_itself_is_ended_with_unavailable() {
    let running = start(ServerConfig { drain_ms: 20, ..config() }).await;
    let channel = running.channel.clone();
    let call = tokio::spawn(async move { ask(&channel, "wait").await });
    running.probe.entered.acquire().await.unwrap().forget();
    let mut stream = tail(&running.channel, "forever", &[]).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(text("first")));

    running.stop.send(()).unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_READY"));
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    running.served.await.unwrap();
}

#[tokio::test]
async fn while_draining_pauses_health_says_no_and_calls_are_still_answered() {
    let running = start(ServerConfig { drain_pause_ms: 600_000, ..config() }).await;
    let mut watch = HealthClient::new(running.channel.clone()).watch(text("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    running.stop.send(()).unwrap();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(health(&running.channel, "test.Probe").await.unwrap(), ServingStatus::NotServing);
    assert!(ask(&running.channel, "who").await.is_ok());
    running.served.abort();
}

#[tokio::test]
async fn health_waits_for_services_to_be_ready() {
    let (server, channel) = Server::in_memory(config(), development());
    let (server, probe) = with_probe(server);
    let (readiness, loaded) = (server.readiness(), server.readiness().wait_for(Probe::NAME));
    let running = run(server.bind().await.unwrap(), channel, probe);
    assert_eq!(health(&running.channel, "").await.unwrap(), ServingStatus::NotServing);
    assert_eq!(health(&running.channel, Probe::NAME).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(health(&running.channel, "test.Other").await.unwrap_err().code(), Code::NotFound);

    let mut watch = HealthClient::new(running.channel.clone()).watch(text("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    loaded.set(true);
    readiness.ready().await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(health(&running.channel, Probe::NAME).await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn calls_in_memory_wait_for_the_server_to_run() {
    let (server, channel) = Server::in_memory(config(), development());
    let (server, probe) = with_probe(server);
    let early = tokio::spawn({
        let channel = channel.clone();
        async move { ask(&channel, "who").await }
    });
    tokio::task::yield_now().await;
    let bound = server.bind().await.unwrap();
    assert_eq!(bound.address(), None);
    let _running = run(bound, channel, probe);
    assert!(early.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_server_on_tcp_tells_its_port_and_closes_it_when_it_drains() {
    let (running, address) = start_tcp(config()).await;
    assert_ne!(address.port(), 0);
    assert!(ask(&running.channel, "who").await.is_ok());
    running.stop.send(()).unwrap();
    running.served.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let (running, address) = start_tcp(ServerConfig { max_connections: 1, ..config() }).await;
    assert!(ask(&running.channel, "who").await.is_ok());
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(second.read(&mut [0; 64]).await.unwrap_or(0), 0);
    assert!(ask(&running.channel, "who").await.is_ok());
}

#[tokio::test]
async fn development_mode_binds_no_address_that_others_can_reach() {
    let exposed = ServerConfig { listen: "0.0.0.0:0".parse().unwrap(), ..config() };
    let refused = Server::new(exposed, development()).bind().await.err().unwrap();
    assert!(matches!(refused, StartError::Exposed(_)));
    assert!(refused.to_string().contains("0.0.0.0:0"));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (_running, address) = start_tcp(config()).await;
    let refused = Server::new(ServerConfig { listen: address, ..config() }, development()).bind().await.err().unwrap();
    assert!(matches!(refused, StartError::Bind { .. }));
    assert!(refused.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn oversized_metadata_reaches_no_service() {
    let running = start(config()).await;
    assert!(ask_with(&running.channel, "who", &[("x-large", &"x".repeat(64 * 1024))]).await.is_err());
    assert!(ask(&running.channel, "who").await.is_ok());
}

/// Begins calls and gives each up once its request is on its way: the server hears of both together.
async fn give_up_many(channel: &Channel, how_many: usize) {
    for _ in 0..how_many {
        let mut call = std::pin::pin!(ask(channel, "wait"));
        for _ in 0..4 {
            assert!((&mut call).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn calls_that_are_given_up_do_not_end_the_others_on_their_connection() {
    for running in [start(config()).await, start_tcp(config()).await.0] {
        let mut stream = tail(&running.channel, "forever", &[]).await.unwrap();
        assert_eq!(stream.message().await.unwrap(), Some(text("first")));
        let mut burst = futures::stream::FuturesUnordered::new();
        for _ in 0..100 {
            burst.push(ask_with(&running.channel, "wait", &[("grpc-timeout", "1m")]));
        }
        while burst.next().await.is_some() {}
        drop(burst);
        give_up_many(&running.channel, 400).await;
        assert!(stream.message().now_or_never().is_none(), "the watch beside them ended");
        assert!(ask(&running.channel, "who").await.is_ok());
    }
}

/// Sends bytes that may be no message: what a request's body is on the wire.
async fn ask_raw(channel: &Channel, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Status {
    let mut request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    for (key, value) in headers {
        request = request.header(*key, *value);
    }
    let body = http_body_util::Full::new(bytes::Bytes::from(body));
    let response = tower::ServiceExt::oneshot(channel.clone(), request.body(Body::new(body)).unwrap()).await.unwrap();
    Status::from_header_map(response.headers()).unwrap()
}

fn framed(message: &[u8], flag: u8) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

#[tokio::test]
async fn what_no_handler_sees_is_refused_with_a_reason() {
    let running = start(config()).await;
    let probe = "http://server/test.Probe/Ask";
    let too_large = framed(&[], 0).iter().copied().take(1).chain(5_000_000_u32.to_be_bytes()).collect();
    for (path, headers, body, code, why) in [
        (probe, &[][..], framed(&[0x0a, 0x7f], 0), Code::InvalidArgument, "INVALID_FIELD"),
        (probe, &[], framed(&[], 1), Code::InvalidArgument, "INVALID_FIELD"),
        (probe, &[], vec![], Code::InvalidArgument, "INVALID_FIELD"),
        (probe, &[], too_large, Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        (probe, &[("grpc-encoding", "gzip")], framed(&[1, 2, 3], 1), Code::Unimplemented, "NOT_IMPLEMENTED"),
        ("http://server/test.Other/Ask", &[], framed(&[], 0), Code::Unimplemented, "NOT_IMPLEMENTED"),
    ] {
        let status = ask_raw(&running.channel, path, headers, body).await;
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{path} {headers:?}: {status:?}");
        assert!(!status.message().contains("Protobuf"), "{}", status.message());
    }
    let unknown = ask_raw(&running.channel, "http://server/test.Other/Ask", &[], framed(&[], 0)).await;
    assert!(unknown.message().contains("/test.Other/Ask"), "{}", unknown.message());
}

macro_rules! reflection_test {
    ($name:ident, $version:ident) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient, server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let running = start(config()).await;
            let mut client = ServerReflectionClient::new(running.channel.clone());
            let asked =
                [MessageRequest::ListServices(String::new()), MessageRequest::FileContainingSymbol("tenantry.error.v1.Reason".into())]
                    .map(|request| ServerReflectionRequest { host: String::new(), message_request: Some(request) });
            let mut answers = client.server_reflection_info(futures::stream::iter(asked)).await.unwrap().into_inner();
            let Some(MessageResponse::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response else {
                panic!("no list of services");
            };
            let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            assert!(names.contains(&"test.Probe".to_owned()) && names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
            let described = answers.message().await.unwrap().unwrap().message_response;
            assert!(matches!(described, Some(MessageResponse::FileDescriptorResponse(_))), "{described:?}");

            let silent = start(ServerConfig { reflection: false, ..config() }).await;
            let mut client = ServerReflectionClient::new(silent.channel.clone());
            assert_eq!(client.server_reflection_info(futures::stream::iter([])).await.unwrap_err().code(), Code::Unimplemented);
        }
    };
}

reflection_test!(reflection_answers_in_v1, v1);
reflection_test!(reflection_answers_in_v1alpha, v1alpha);

#[tokio::test]
async fn a_drain_frees_several_servers_at_once() {
    let drain = Drain::new();
    let (server, channel) = Server::in_memory(config(), development());
    let (server, probe) = with_probe(server.with_drain(drain.clone()));
    let running = run(server.bind().await.unwrap(), channel, probe);
    let mut stream = tail(&running.channel, "until drained", &[]).await.unwrap();
    assert_eq!(stream.message().await.unwrap(), Some(text("first")));
    drain.begin();
    assert_eq!(stream.message().await.unwrap(), None);
    running.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(60), running.served).await.unwrap().unwrap();
}
