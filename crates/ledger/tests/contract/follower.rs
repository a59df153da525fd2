//! A replica in small: follows the feed as a client does, and checks every message on the way.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use api::feed::v1::{Cursor, GetHeadRequest, Record, SnapshotRequest, WatchRequest, WatchResponse, feed_service_server::FeedService};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use client::token::Token;
use ledger::{Authority, Ledger, Stamp, feed::FeedServer};
use tokio::{sync::watch, time::Instant};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

pub(crate) type Messages = ReceiverStream<Result<WatchResponse, Status>>;

pub(crate) fn server(ledger: &Ledger) -> FeedServer {
    FeedServer::new(ledger.clone(), CancellationToken::new())
}

pub(crate) async fn head(server: &FeedServer) -> Cursor {
    server.get_head(Request::new(GetHeadRequest {})).await.unwrap().into_inner().head.unwrap()
}

pub(crate) async fn watch(server: &FeedServer, from: &Cursor) -> Result<Messages, Status> {
    Ok(server.watch(Request::new(WatchRequest { from: Some(from.clone()) })).await?.into_inner())
}

/// A whole commit as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) cursor: Cursor,
    pub(crate) parts: u32,
    pub(crate) trees: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// What is known at some position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) at: Cursor,
    /// With the revision of each; a tombstone has a record without a state.
    pub(crate) records: BTreeMap<String, (u64, Record)>,
    pub(crate) trees: HashMap<String, u64>,
}

impl State {
    /// Nothing, before the first commit.
    pub(crate) fn empty(head: &Cursor) -> Self {
        let at = Cursor { epoch: head.epoch.clone(), revision: 0, nonce: 0 };
        Self { at, records: BTreeMap::new(), trees: HashMap::new() }
    }

    pub(crate) async fn snapshot(server: &FeedServer) -> Self {
        let mut messages = server.snapshot(Request::new(SnapshotRequest {})).await.unwrap().into_inner();
        let first = messages.next().await.unwrap().unwrap();
        let mut state = Self::empty(&first.head.clone().unwrap());
        state.at = first.head.unwrap();
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            assert_eq!(message.head, None, "only the first message has the head");
            for stamped in message.records {
                let record = stamped.record.unwrap();
                let twice = state.records.insert(record.key.clone(), (stamped.revision, record));
                assert!(twice.is_none());
            }
            for stamp in message.trees {
                assert!(state.trees.insert(stamp.tree, stamp.revision).is_none());
            }
        }
        state
    }

    /// The highest revision wins: pages of a snapshot may hold what the log is yet to tell.
    pub(crate) fn apply(&mut self, change: &Change) {
        let revision = change.cursor.revision;
        for record in &change.records {
            let known = self.records.get(&record.key).map_or(0, |(known, _)| *known);
            if known <= revision {
                self.records.insert(record.key.clone(), (revision, record.clone()));
            }
        }
        for tree in &change.trees {
            let stamp = self.trees.entry(tree.clone()).or_default();
            *stamp = revision.max(*stamp);
        }
        self.at = change.cursor.clone();
    }

    /// Without what is gone.
    pub(crate) fn present(&self) -> BTreeMap<String, (u64, Record)> {
        self.records.iter().filter(|(_, (_, record))| record.state.is_some()).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// What a stream said next.
#[derive(Debug)]
pub(crate) enum Said {
    Change(Change),
    Bookmark(Cursor),
}

/// Reads one whole commit or a bookmark, and checks its form: parts counted from 0, one position, the last marked.
pub(crate) async fn next(messages: &mut Messages, after: &Cursor) -> Option<Result<Said, Status>> {
    let mut records = Vec::new();
    let mut expected = 0;
    loop {
        let message = match messages.next().await? {
            Ok(message) => message,
            Err(status) => return Some(Err(status)),
        };
        let cursor = message.cursor.clone().unwrap();
        assert_eq!(cursor.epoch, after.epoch);
        if message.bookmark {
            assert_eq!(expected, 0, "a bookmark inside a commit");
            assert_eq!(&cursor, after, "a bookmark is where the watch is");
            return Some(Ok(Said::Bookmark(cursor)));
        }
        assert_eq!(cursor.revision, after.revision + 1, "every commit, in order, once");
        assert_eq!(message.part, expected, "every part, in order, once");
        expected += 1;
        records.extend(message.records);
        if message.last {
            return Some(Ok(Said::Change(Change { cursor, parts: expected, trees: message.trees, records })));
        }
    }
}

/// Reads commits until one has this revision; bookmarks are skipped.
pub(crate) async fn read_until(messages: &mut Messages, after: &Cursor, revision: u64) -> Vec<Change> {
    let mut at = after.clone();
    let mut changes = Vec::new();
    while at.revision < revision {
        match next(messages, &at).await.expect("the stream ended").unwrap() {
            Said::Change(change) => {
                at = change.cursor.clone();
                changes.push(change);
            }
            Said::Bookmark(_) => {}
        }
    }
    changes
}

/// A view that is kept current by the feed, for permits.
pub(crate) struct View {
    trees: Mutex<HashMap<String, u64>>,
    revision: watch::Sender<u64>,
}

impl View {
    /// Follows until the ledger is gone or the test has ended.
    pub(crate) async fn follow(server: &FeedServer) -> Arc<Self> {
        let mut state = State::snapshot(server).await;
        let view = Arc::new(Self { trees: Mutex::new(state.trees.clone()), revision: watch::Sender::new(state.at.revision) });
        let mut messages = watch(server, &state.at).await.unwrap();
        let followed = view.clone();
        tokio::spawn(async move {
            while let Some(Ok(said)) = next(&mut messages, &state.at).await {
                if let Said::Change(change) = said {
                    state.apply(&change);
                    let mut trees = followed.trees.lock().unwrap();
                    for tree in &change.trees {
                        trees.insert(tree.clone(), change.cursor.revision);
                    }
                    followed.revision.send_replace(change.cursor.revision);
                }
            }
        });
        view
    }

    /// A permit that rests on the first of these trees, which it may write, and on the others.
    pub(crate) fn permit(self: &Arc<Self>, trees: &[&str]) -> Permit {
        let trees: Vec<String> = trees.iter().map(|tree| (*tree).to_owned()).collect();
        let mut permit = Permit { view: self.clone(), written: vec![trees[0].clone()], trees, stamps: Vec::new(), renewals: 0 };
        permit.decide();
        permit
    }
}

/// As authz gives them: decided on a view, renewed by waiting until the view has seen a revision.
pub(crate) struct Permit {
    view: Arc<View>,
    written: Vec<String>,
    trees: Vec<String>,
    stamps: Vec<Stamp>,
    pub(crate) renewals: u32,
}

impl Permit {
    fn decide(&mut self) {
        let known = self.view.trees.lock().unwrap();
        let stamp = |tree: &String| Stamp { tree: tree.clone(), revision: known.get(tree).copied().unwrap_or_default() };
        self.stamps = self.trees.iter().map(stamp).collect();
    }
}

#[async_trait]
impl Authority for Permit {
    fn written(&self) -> &[String] {
        &self.written
    }

    fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    fn expires_at(&self) -> Option<DateTime<Utc>> {
        None
    }

    async fn renew(&mut self, at_least: Token, deadline: Instant) -> Result<(), Status> {
        let mut revision = self.view.revision.subscribe();
        let seen = revision.wait_for(|seen| *seen >= at_least.revision);
        match tokio::time::timeout_at(deadline, seen).await {
            Ok(Ok(_)) => {}
            _ => return Err(Status::unavailable("not fresh")),
        }
        self.renewals += 1;
        self.decide();
        Ok(())
    }
}
