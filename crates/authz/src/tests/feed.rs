//! A ledger of a few lines: keeps the contract of the feed, and nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use api::feed::v1::{
    Cursor, GetHeadRequest, GetHeadResponse, Record as Message, SnapshotRequest, SnapshotResponse, StampedRecord, TreeStamp, WatchRequest,
    WatchResponse, feed_service_server::FeedService,
};
use client::token::Token;
use futures::{StreamExt, stream::BoxStream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

#[derive(Clone)]
pub(super) struct MemoryLedger {
    kept: Arc<Mutex<Kept>>,
    head: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    state: BTreeMap<String, StampedRecord>,
    trees: BTreeMap<String, u64>,
    log: Vec<WatchResponse>,
}

fn position(revision: u64) -> Token {
    // No nonce can be computed from a revision, except here.
    Token { epoch: uuid::Uuid::from_u128(7), revision, nonce: revision as i64 * 31 }
}

fn cursor(revision: u64) -> Option<Cursor> {
    let Token { epoch, revision, nonce } = position(revision);
    Some(Cursor { epoch: epoch.to_string(), revision, nonce })
}

impl MemoryLedger {
    pub(super) fn new() -> Self {
        Self { kept: Arc::default(), head: watch::Sender::new(0) }
    }

    pub(super) fn commit(&self, trees: &[&str], records: Vec<Message>) -> Token {
        let mut kept = self.kept.lock().unwrap();
        let revision = kept.log.len() as u64 + 1;
        for record in &records {
            kept.state.insert(record.key.clone(), StampedRecord { revision, record: Some(record.clone()) });
        }
        let trees: Vec<String> = trees.iter().map(|tree| (*tree).to_owned()).collect();
        kept.trees.extend(trees.iter().map(|tree| (tree.clone(), revision)));
        kept.log.push(WatchResponse { cursor: cursor(revision), last: true, trees, records, ..WatchResponse::default() });
        self.head.send_replace(revision);
        position(revision)
    }

    pub(super) fn token(&self) -> Token {
        position(*self.head.borrow())
    }
}

#[tonic::async_trait]
impl FeedService for MemoryLedger {
    async fn get_head(&self, _: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        Ok(Response::new(GetHeadResponse { head: cursor(*self.head.borrow()) }))
    }

    type SnapshotStream = BoxStream<'static, Result<SnapshotResponse, Status>>;

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let kept = self.kept.lock().unwrap();
        let page = SnapshotResponse {
            head: cursor(kept.log.len() as u64),
            records: kept.state.values().cloned().collect(),
            trees: kept.trees.iter().map(|(tree, revision)| TreeStamp { tree: tree.clone(), revision: *revision }).collect(),
        };
        Ok(Response::new(futures::stream::iter([Ok(page)]).boxed()))
    }

    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let from = request.into_inner().from.map_or(0, |from| from.revision);
        let (kept, head) = (self.kept.clone(), self.head.subscribe());
        let stream = futures::stream::unfold((from, head), move |(at, mut head)| {
            let kept = kept.clone();
            async move {
                head.wait_for(|head| *head > at).await.ok()?;
                let next = kept.lock().unwrap().log[at as usize].clone();
                Some((Ok(next), (at + 1, head)))
            }
        });
        Ok(Response::new(stream.boxed()))
    }
}
