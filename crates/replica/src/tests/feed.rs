//! A feed's server in memory whose every message the test sends.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use api::feed::v1::{
    GetHeadRequest, GetHeadResponse, Record as Message, SnapshotRequest, SnapshotResponse, StampedRecord, TreeStamp, WatchRequest,
    WatchResponse,
    feed_service_server::{FeedService, FeedServiceServer},
};
use client::token::Token;
use decision::{
    name::UserName,
    record::{Record, User},
};
use hyper_util::rt::TokioIo;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, transport::Endpoint};

use crate::{
    Clock, Replica, Settings,
    assemble::{read_cursor, write_cursor},
    wire,
};

type Answer = Result<WatchResponse, Status>;

/// What the server says next.
#[derive(Default)]
pub(super) struct Script {
    pub(super) head: Option<Token>,
    pub(super) state: Vec<SnapshotResponse>,
    /// Refuses the next watch.
    pub(super) refusal: Option<Status>,
    pub(super) snapshots_taken: usize,
}

struct Server {
    script: Arc<Mutex<Script>>,
    watches: mpsc::UnboundedSender<Watch>,
}

/// A watch that the replica opened: the test sends what comes.
pub(super) struct Watch {
    pub(super) from: Token,
    answers: mpsc::UnboundedSender<Answer>,
}

#[tonic::async_trait]
impl FeedService for Server {
    async fn get_head(&self, _: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        let head = self.script.lock().unwrap().head.ok_or_else(|| Status::unavailable("no head"))?;
        Ok(Response::new(GetHeadResponse { head: Some(write_cursor(head)) }))
    }

    type SnapshotStream = tokio_stream::Iter<std::vec::IntoIter<Result<SnapshotResponse, Status>>>;

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let mut script = self.script.lock().unwrap();
        script.snapshots_taken += 1;
        let state: Vec<_> = script.state.iter().cloned().map(Ok).collect();
        if state.is_empty() { Err(Status::unavailable("no state")) } else { Ok(Response::new(tokio_stream::iter(state))) }
    }

    type WatchStream = UnboundedReceiverStream<Answer>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        if let Some(refusal) = self.script.lock().unwrap().refusal.take() {
            return Err(refusal);
        }
        let from = read_cursor(request.into_inner().from.as_ref()).map_err(|_| Status::invalid_argument("no cursor"))?;
        let (answers, stream) = mpsc::unbounded_channel();
        self.watches.send(Watch { from, answers }).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(UnboundedReceiverStream::new(stream)))
    }
}

impl Watch {
    pub(super) fn send(&self, message: WatchResponse) {
        self.answers.send(Ok(message)).unwrap();
    }

    pub(super) fn fail(&self, status: Status) {
        self.answers.send(Err(status)).unwrap();
    }
}

pub(super) struct Feed {
    pub(super) script: Arc<Mutex<Script>>,
    pub(super) watches: mpsc::UnboundedReceiver<Watch>,
    pub(super) replica: Replica,
}

/// A feed with that state, and a replica that follows it.
pub(super) fn feed(head: Token, state: Vec<SnapshotResponse>) -> Feed {
    feed_with(head, state, |_| {})
}

pub(super) fn feed_with(head: Token, state: Vec<SnapshotResponse>, adjust: impl FnOnce(&mut Settings)) -> Feed {
    let script = Arc::new(Mutex::new(Script { head: Some(head), state, ..Script::default() }));
    let (sender, watches) = mpsc::unbounded_channel();
    let server = FeedServiceServer::new(Server { script: script.clone(), watches: sender });
    let (connections, incoming) = mpsc::unbounded_channel::<Result<tokio::io::DuplexStream, std::io::Error>>();
    tokio::spawn(tonic::transport::Server::builder().add_service(server).serve_with_incoming(UnboundedReceiverStream::new(incoming)));
    let channel = Endpoint::from_static("http://feed").connect_with_connector_lazy(tower::service_fn(move |_| {
        let connections = connections.clone();
        async move {
            let (near, far) = tokio::io::duplex(1 << 16);
            connections.send(Ok(far)).map_err(|_| std::io::Error::other("the server is gone"))?;
            Ok::<_, std::io::Error>(TokioIo::new(near))
        }
    }));
    let mut settings =
        Settings { first_pause: Duration::from_millis(1), longest_pause: Duration::from_millis(20), ..Settings::named("services/test") };
    adjust(&mut settings);
    Feed { script, watches, replica: Replica::start(channel, Clock::system(), settings) }
}

impl Feed {
    pub(super) async fn watch(&mut self) -> Watch {
        self.watches.recv().await.unwrap()
    }
}

pub(super) fn epoch(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

/// A position of the first epoch; the nonce is the revision's tenfold.
pub(super) fn position(revision: u64) -> Token {
    Token { epoch: epoch(1), revision, nonce: revision as i64 * 10 }
}

pub(super) fn user(id: &str, suspended: bool) -> Message {
    wire::write(&Record::User(User { name: name(id), suspended, confined_to: None })).unwrap()
}

pub(super) fn name(id: &str) -> UserName {
    UserName::parse(&format!("users/{id}")).unwrap()
}

/// A page of the state.
pub(super) fn page(head: Option<Token>, records: Vec<(u64, Message)>, trees: &[(&str, u64)]) -> SnapshotResponse {
    SnapshotResponse {
        head: head.map(write_cursor),
        records: records.into_iter().map(|(revision, record)| StampedRecord { revision, record: Some(record) }).collect(),
        trees: trees.iter().map(|(tree, revision)| TreeStamp { tree: (*tree).into(), revision: *revision }).collect(),
    }
}

/// A whole commit.
pub(super) fn commit(at: Token, trees: &[&str], records: Vec<Message>) -> WatchResponse {
    part(at, 0, true, trees, records)
}

pub(super) fn part(at: Token, part: u32, last: bool, trees: &[&str], records: Vec<Message>) -> WatchResponse {
    let trees = trees.iter().map(|tree| (*tree).into()).collect();
    WatchResponse { cursor: Some(write_cursor(at)), commit_time: None, part, last, trees, records, bookmark: false }
}

pub(super) fn bookmark(at: Token) -> WatchResponse {
    WatchResponse { cursor: Some(write_cursor(at)), last: true, bookmark: true, ..WatchResponse::default() }
}

/// Long enough that only a fault ends it.
pub(super) fn patience() -> Instant {
    Instant::now() + Duration::from_secs(30)
}
