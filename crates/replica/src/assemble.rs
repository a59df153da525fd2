//! Puts a view together from a snapshot and what comes after it, one whole commit after the other.
//!
//! Pure: messages in, a view out, or why it cannot go on.

use std::{collections::HashMap, sync::Arc};

use api::feed::v1::{Cursor, Record as Message, SnapshotResponse, WatchResponse};
use client::token::Token;
use decision::view::View;

use crate::{
    state::Snapshot,
    wire::{self, Change, Malformed},
};

/// How many of the last commits are remembered by their nonce, to tell a repeated one from another history.
pub(crate) const REMEMBERED: usize = 1_024;

/// Why a view cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("commit {got} came after {after}: some are missing")]
    Gap { after: u64, got: u64 },
    #[error("part {got} of commit {revision} came where part {wanted} was due")]
    Torn { revision: u64, wanted: u32, got: u32 },
    #[error("commit {revision} came again, as another one")]
    Differs { revision: u64 },
    #[error("the history changed from epoch {from} to {to}")]
    Epoch { from: uuid::Uuid, to: uuid::Uuid },
    #[error("the feed no longer has what comes after revision {revision}, or never had it")]
    Gone { revision: u64 },
}

impl Broken {
    /// Known to be of another history, so that the next view may be at a lower revision.
    pub(crate) fn is_rewritten(&self) -> bool {
        matches!(self, Self::Differs { .. } | Self::Epoch { .. })
    }
}

/// Why a message was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Nothing that any new view would help against.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The server breaks the contract.
    #[error("the feed sent {0}")]
    Unreadable(&'static str),
}

/// What a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A part of a commit, or one that is there already: nothing changed.
    Nothing,
    /// The last part of a commit, which is now applied.
    Commit,
    /// The server has nothing beyond this view.
    Current,
}

/// A view being built or continued.
#[derive(Debug)]
pub(crate) struct Assembly {
    snapshot: Snapshot,
    /// Keys and trees that the state held later than its head, by what revision.
    ahead: HashMap<String, u64>,
    ahead_trees: HashMap<String, u64>,
    /// The view is not of one moment before this revision: the state was read while it changed.
    whole_from: u64,
    pending: Vec<Message>,
    next_part: u32,
}

pub(crate) fn read_cursor(cursor: Option<&Cursor>) -> Result<Token, Refused> {
    let cursor = cursor.ok_or(Refused::Unreadable("no cursor"))?;
    let epoch = uuid::Uuid::parse_str(&cursor.epoch).map_err(|_| Refused::Unreadable("an epoch that is no UUID"))?;
    Ok(Token { epoch, revision: cursor.revision, nonce: cursor.nonce })
}

pub(crate) fn write_cursor(token: Token) -> Cursor {
    Cursor { epoch: token.epoch.to_string(), revision: token.revision, nonce: token.nonce }
}

impl Assembly {
    /// From the head that the state's first message names.
    pub(crate) fn new(head: Token) -> Self {
        Self {
            snapshot: Snapshot::empty(head),
            ahead: HashMap::new(),
            ahead_trees: HashMap::new(),
            whole_from: head.revision,
            pending: Vec::new(),
            next_part: 0,
        }
    }

    /// Takes in a page of the state.
    pub(crate) fn load(&mut self, page: SnapshotResponse) -> Result<(), Refused> {
        let head = self.snapshot.token.revision;
        for stamped in page.records {
            let record = stamped.record.ok_or(Refused::Unreadable("a stamp without a record"))?;
            if stamped.revision > head {
                self.whole_from = self.whole_from.max(stamped.revision);
                self.ahead.insert(record.key.clone(), stamped.revision);
            }
            apply(&mut self.snapshot.view, record)?;
        }
        for stamp in page.trees {
            if stamp.revision > head {
                self.whole_from = self.whole_from.max(stamp.revision);
                self.ahead_trees.insert(stamp.tree.clone(), stamp.revision);
            }
            self.snapshot.trees.insert(stamp.tree.into(), stamp.revision);
        }
        Ok(())
    }

    /// Takes in a message of the watch.
    pub(crate) fn take(&mut self, message: WatchResponse) -> Result<Taken, Refused> {
        let at = self.snapshot.token;
        let cursor = read_cursor(message.cursor.as_ref())?;
        if cursor.epoch != at.epoch {
            return Err(Broken::Epoch { from: at.epoch, to: cursor.epoch }.into());
        }
        if cursor.revision <= at.revision {
            return match self.snapshot.nonce_at(cursor.revision) {
                Some(nonce) if nonce != cursor.nonce => Err(Broken::Differs { revision: cursor.revision }.into()),
                Some(_) if message.bookmark && cursor.revision == at.revision => Ok(Taken::Current),
                Some(_) if !message.bookmark => Ok(Taken::Nothing),
                // Older than what is remembered, or a head behind what it has sent: order is lost.
                Some(_) | None => Err(Broken::Gap { after: at.revision, got: cursor.revision }.into()),
            };
        }
        if message.bookmark || cursor.revision != at.revision + 1 {
            return Err(Broken::Gap { after: at.revision, got: cursor.revision }.into());
        }
        if message.part != self.next_part {
            return Err(Broken::Torn { revision: cursor.revision, wanted: self.next_part, got: message.part }.into());
        }
        self.pending.extend(message.records);
        if !message.last {
            self.next_part += 1;
            return Ok(Taken::Nothing);
        }
        self.next_part = 0;
        self.commit(cursor, message.trees)?;
        Ok(Taken::Commit)
    }

    fn commit(&mut self, cursor: Token, trees: Vec<String>) -> Result<(), Malformed> {
        for record in std::mem::take(&mut self.pending) {
            if self.ahead.get(&record.key).is_none_or(|revision| *revision < cursor.revision) {
                apply(&mut self.snapshot.view, record)?;
            }
        }
        for tree in trees {
            if self.ahead_trees.get(&tree).is_none_or(|revision| *revision < cursor.revision) {
                self.snapshot.trees.insert(tree.into(), cursor.revision);
            }
        }
        self.snapshot.advance(cursor);
        if cursor.revision >= self.whole_from && !(self.ahead.is_empty() && self.ahead_trees.is_empty()) {
            self.ahead = HashMap::new();
            self.ahead_trees = HashMap::new();
        }
        Ok(())
    }

    /// Forgets the parts of a commit whose rest was lost with the connection: the next watch sends it from its first part.
    pub(crate) fn interrupted(&mut self) {
        self.pending.clear();
        self.next_part = 0;
    }

    /// Where to go on from.
    pub(crate) fn token(&self) -> Token {
        self.snapshot.token
    }

    /// The view as of one moment; `None` while it is not.
    pub(crate) fn whole(&self) -> Option<Arc<Snapshot>> {
        (self.snapshot.token.revision >= self.whole_from).then(|| Arc::new(self.snapshot.clone()))
    }
}

fn apply(view: &mut View, record: Message) -> Result<(), Malformed> {
    let key = record.key.clone();
    match wire::read(record)? {
        Change::Put(record) => view.apply(&key, Some(*record)),
        Change::Gone => view.apply(&key, None),
        Change::Skip => {}
    }
    Ok(())
}
