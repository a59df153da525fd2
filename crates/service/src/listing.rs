//! Pages of lists: of everything, or of what the actor may see of it.

use std::{collections::HashSet, future::Future};

use ledger::{Ledger, StoreError};
use tonic::{Code, Status};

use crate::{
    Service,
    call::{Call, Page},
    status::ledger_status,
};

/// At most so many names can be asked about at once (`FilterPermitted`).
const BATCH: usize = 1000;
/// So many rows are looked at for one page, before it is returned short: an actor who may see few of very many gets them in several pages.
const MOST_LOOKED_AT: usize = 10_000;

/// Rows in the order of their positions.
pub trait Rows: Sync {
    /// One of them.
    type Row: Send;

    /// The next so many after a position.
    fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// What it is told apart by: its name, or the id in it.
    fn key(row: &Self::Row) -> &str;

    /// Where it stands in the list, and a page token goes on after: its key, unless the list is in another order.
    fn position(&self, row: &Self::Row) -> String {
        Self::key(row).to_owned()
    }
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// For the next page; empty on the last.
    pub next_page_token: String,
    /// The head after it was read.
    pub revision: String,
}

/// Whether an actor may see that the list exists, whatever is in it.
pub enum Standing {
    /// Yes.
    Entitled,
    /// Only if they may see something of it: else they get this.
    Doubtful(Status),
}

impl Standing {
    /// Out of an answer to a permit's request: a denial leaves it in doubt, any other failure is one.
    pub fn of<T>(permit: Result<T, Status>) -> Result<Self, Status> {
        match permit {
            Ok(_) => Ok(Self::Entitled),
            Err(status) if status.code() == Code::PermissionDenied => Ok(Self::Doubtful(status)),
            Err(status) => Err(status),
        }
    }
}

impl Service {
    /// A page of all rows.
    pub async fn list<R: Rows>(&self, page: &Page, rows: &R) -> Result<Listed<R::Row>, Status> {
        let limit = page.size + 1;
        let mut found = rows.fetch(&self.ledger, page.after.as_deref(), limit as u64).await.map_err(|error| ledger_status(error.into()))?;
        let more = found.len() > page.size;
        found.truncate(page.size);
        let last = found.last().filter(|_| more).map(|row| rows.position(row));
        self.listed(page, found, last).await
    }

    /// A page of those rows on which the actor has a permission. Their keys are their names, for authz is asked about them.
    pub async fn list_permitted<R: Rows>(
        &self,
        call: &Call,
        page: &Page,
        permission: &str,
        standing: Standing,
        rows: &R,
    ) -> Result<Listed<R::Row>, Status> {
        let mut found: Vec<R::Row> = Vec::new();
        let mut after = page.after.clone();
        let mut looked_at = 0;
        let mut limit = (page.size + 1).min(BATCH);
        let head = self.ledger.head().await.map_err(ledger_status)?;
        let next = loop {
            let batch = rows.fetch(&self.ledger, after.as_deref(), limit as u64).await.map_err(|error| ledger_status(error.into()))?;
            let exhausted = batch.len() < limit;
            looked_at += batch.len();
            after = batch.last().map(|row| rows.position(row)).or(after);
            let names = batch.iter().map(|row| R::key(row).to_owned()).collect();
            let permitted = self.guard.filter(&call.actor, permission, names, head, call.deadline.instant()).await?;
            let permitted: HashSet<&str> = permitted.iter().map(String::as_str).collect();
            found.extend(batch.into_iter().filter(|row| permitted.contains(R::key(row))));
            if found.len() > page.size {
                found.truncate(page.size);
                break found.last().map(|row| rows.position(row));
            }
            if exhausted {
                break None;
            }
            // Whoever is in doubt must not learn from a short page that the list exists, so nothing is returned before something is found.
            if looked_at >= MOST_LOOKED_AT && (!found.is_empty() || matches!(standing, Standing::Entitled)) {
                break after;
            }
            limit = BATCH;
        };
        match standing {
            // A page token is proof that something was seen before.
            Standing::Doubtful(denial) if found.is_empty() && page.after.is_none() => Err(denial),
            Standing::Doubtful(_) | Standing::Entitled => self.listed(page, found, next).await,
        }
    }

    async fn listed<T>(&self, page: &Page, rows: Vec<T>, last: Option<String>) -> Result<Listed<T>, Status> {
        let next_page_token = self.next_page(page, last.as_deref());
        Ok(Listed { rows, next_page_token, revision: self.head().await? })
    }
}
