//! Reads the log.

use api::feed::v1::WatchResponse;
use chrono::{DateTime, Utc};
use client::token::Token;
use prost::Message;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult, Statement};

use super::write_cursor;
use crate::locks::revision;

/// Parts, and bytes of them, that one read returns at most; but always one part.
const MAX_ROWS: i64 = 1_000;
const MAX_BYTES: i64 = 4 * 1024 * 1024;

/// Every part of a commit is before this.
const AFTER_ALL_PARTS: i32 = i32::MAX;

/// Where a reader is: after this part of this commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) after: Token,
    part: i32,
}

impl Place {
    /// After the whole commit.
    pub(super) fn after(position: Token) -> Self {
        Self { after: position, part: AFTER_ALL_PARTS }
    }
}

/// What one read found: the head and the rows, of one moment.
pub(super) struct Page {
    pub(super) head: Token,
    /// What follows the place.
    pub(super) parts: Vec<Part>,
    known: bool,
    floor: u64,
}

/// A part of a commit, as it was stored.
pub(super) struct Part {
    pub(super) position: Token,
    pub(super) is_last: bool,
    pub(super) size: usize,
    pub(super) message: WatchResponse,
    place: Place,
}

/// Whether the log can be followed from a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It can.
    Known,
    /// What follows it is not there: older than the floor, or of another history.
    Gone,
    /// Nobody has written it yet, as far as this database knows.
    Ahead,
}

impl Page {
    /// By the rules of DESIGN §5.
    pub(super) fn standing(&self, from: Place) -> Standing {
        if from.after.epoch != self.head.epoch || from.after.revision < self.floor {
            Standing::Gone
        } else if from.after.revision > self.head.revision {
            Standing::Ahead
        } else if !self.known {
            Standing::Gone
        } else {
            Standing::Known
        }
    }

    /// Whether nothing is missing between the place and the end of the page. The tail finds positions by counting, and replicas apply
    /// what comes: a gap must end in an error, never in silence.
    fn follows(&self, from: Place) -> bool {
        let mut before = from;
        for part in &self.parts {
            let of_the_same = part.position.revision == before.after.revision && Some(part.place.part) == before.part.checked_add(1);
            let of_the_next = part.position.revision == before.after.revision + 1 && part.place.part == 0 && before.part == AFTER_ALL_PARTS;
            if !of_the_same && !of_the_next {
                return false;
            }
            before = if part.is_last { Place::after(part.position) } else { part.place };
        }
        true
    }

    /// Where the next page begins.
    pub(super) fn end(&self, from: Place) -> Place {
        match self.parts.last() {
            Some(part) if part.is_last => Place::after(part.position),
            Some(part) => part.place,
            None => from,
        }
    }
}

// Head, floor, proof of the cursor and rows are of one snapshot, as one statement is on either store.
const READ: &str = "
SELECT h.epoch, h.rev AS head, h.nonce AS head_nonce, f.floor_rev,
  ($1 = 0 AND $4 = 0) OR EXISTS (SELECT 1 FROM feed_change k WHERE k.rev = $1 AND k.nonce = $4) AS known,
  c.rev, c.part, c.is_last, c.nonce, c.at, c.payload
FROM feed_head h JOIN feed_floor f ON f.feed = h.feed LEFT JOIN (
  SELECT rev, part, is_last, nonce, at, payload FROM (
    SELECT rev, part, is_last, nonce, at, payload, sum(length(payload)) OVER (ORDER BY rev, part) - length(payload) AS bytes_before
    FROM (SELECT * FROM feed_change WHERE (rev, part) > ($1, $2) ORDER BY rev, part LIMIT $3) AS following
  ) AS measured WHERE bytes_before < $5
) c ON c.rev <= h.rev
WHERE h.feed = 1 ORDER BY c.rev, c.part";

pub(super) async fn read(connection: &DatabaseConnection, from: Place) -> Result<Page, DbErr> {
    let after = i64::try_from(from.after.revision).map_err(|_| DbErr::Type("a revision beyond 63 bits".to_owned()))?;
    let values = [after.into(), from.part.into(), MAX_ROWS.into(), from.after.nonce.into(), MAX_BYTES.into()];
    let rows = connection.query_all_raw(Statement::from_sql_and_values(connection.get_database_backend(), READ, values)).await?;
    let first = rows.first().ok_or_else(|| DbErr::RecordNotFound("feed_head".to_owned()))?;
    let head = Token {
        epoch: first.try_get("", "epoch")?,
        revision: revision(first.try_get("", "head")?)?,
        nonce: first.try_get("", "head_nonce")?,
    };
    let parts = match first.try_get::<Option<i64>>("", "rev")? {
        None => Vec::new(),
        Some(_) => rows.iter().map(|row| read_part(row, head)).collect::<Result<_, _>>()?,
    };
    let page = Page { head, parts, known: first.try_get("", "known")?, floor: revision(first.try_get("", "floor_rev")?)? };
    if page.standing(from) == Standing::Known && !page.follows(from) {
        return Err(DbErr::Custom(format!("the log has a gap after revision {}", from.after.revision)));
    }
    Ok(page)
}

fn read_part(row: &QueryResult, head: Token) -> Result<Part, DbErr> {
    let position = Token { epoch: head.epoch, revision: revision(row.try_get("", "rev")?)?, nonce: row.try_get("", "nonce")? };
    let part: i32 = row.try_get("", "part")?;
    let is_last = row.try_get("", "is_last")?;
    let at: DateTime<Utc> = row.try_get("", "at")?;
    let payload: Vec<u8> = row.try_get("", "payload")?;
    let message = WatchResponse {
        cursor: Some(write_cursor(position)),
        commit_time: Some(prost_types::Timestamp {
            seconds: at.timestamp(),
            nanos: at.timestamp_subsec_nanos().min(999_999_999).cast_signed(),
        }),
        part: part.unsigned_abs(),
        last: is_last,
        ..WatchResponse::decode(payload.as_slice()).map_err(|error| DbErr::Type(error.to_string()))?
    };
    Ok(Part { position, is_last, size: payload.len(), message, place: Place { after: position, part } })
}
